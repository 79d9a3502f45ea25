/* SPDX-License-Identifier: Apache-2.0 */
/* pprof/pprof.h: the pprof protobuf codec (profile.proto of github.com/google/pprof). */
#ifndef OSP_PPROF_H
#define OSP_PPROF_H

#include "model/model.h"
#include "wire/wire.h"

/* Decode a profile: plain, gzip or zstd. The file becomes the profile's (it is closed on failure too), because plain
 * text stays where it is. A packed one may unpack to unpack_limit bytes; 0 = osp_unpack_limit() of its size. What the
 * peer refuses is refused: ids that are zero, double or dangling, a wrong number of values, two profiles in a row.
 * NULL and *err on failure: EFORMAT, or ELIMIT if it is too large. */
osp_profile *osp_pprof_decode(osp_file *file, size_t unpack_limit, osp_err *err);

/* The same for a file by name. */
osp_profile *osp_pprof_open(const char *path, osp_err *err);

/* Append the profile, unpacked, to out. decode(encode(p)) = p but for the time of single samples, which the format
 * does not carry. */
bool osp_pprof_encode(const osp_profile *p, osp_buf *out, osp_err *err) OSP_CHECKED;

/* Append the profile, packed. */
bool osp_pprof_encode_packed(const osp_profile *p, osp_pack how, osp_buf *out, osp_err *err) OSP_CHECKED;

#endif
