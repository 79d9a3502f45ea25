/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OSP_SOURCE_INTERNAL_H
#define OSP_SOURCE_INTERNAL_H

#include "source/source.h"

/* Say a line to the user, if somebody listens. */
void osp_tell(const osp_source_opts *o, const char *fmt, ...) OSP_PRINTF(2, 3);

#endif
