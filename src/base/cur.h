/* SPDX-License-Identifier: Apache-2.0 */
/* base/cur.h: bytes from outside are read by a cursor that cannot run away.
 *
 * The cursor knows its name and offset, so every message is precise. The error is sticky: a parser reads ten
 * fields and checks `bad` once; after a failure every read gives zero, so loops end. Little-endian. */
#ifndef OSP_BASE_CUR_H
#define OSP_BASE_CUR_H

#include "base/err.h"
#include "base/str.h"

typedef struct {
    osp_span in;      /* the bytes; nothing outside them is ever read */
    size_t at;        /* next byte, <= in.n */
    const char *what; /* for messages: ".debug_line", "gopclntab" */
    osp_err *err;     /* gets the first failure only */
    bool bad;         /* sticky */
} osp_cur;

static inline osp_cur osp_cur_on(osp_span in, const char *what, osp_err *err)
{
    return (osp_cur){.in = in, .what = what, .err = err};
}

/* Record a failure at the cursor's place (the first one wins). Always false. */
bool osp_cur_fail(osp_cur *c, const char *fmt, ...) OSP_PRINTF(2, 3);

static inline size_t osp_cur_left(const osp_cur *c) { return c->bad ? 0 : c->in.n - c->at; }

uint8_t osp_cur_u8(osp_cur *c);
uint16_t osp_cur_u16(osp_cur *c);
uint32_t osp_cur_u32(osp_cur *c);
uint64_t osp_cur_u64(osp_cur *c);
uint64_t osp_cur_uvarint(osp_cur *c); /* LEB128, at most 10 bytes, must fit 64 bits */
int64_t osp_cur_sleb(osp_cur *c);     /* signed LEB128, at most 10 bytes */
osp_str osp_cur_cstr(osp_cur *c);     /* up to the NUL, which is consumed; its absence is a failure */
osp_span osp_cur_bytes(osp_cur *c, size_t n);
void osp_cur_skip(osp_cur *c, size_t n);
void osp_cur_seek(osp_cur *c, size_t at); /* from the start of in */

/* A window of n bytes from here, with the same error sink; c moves past it. */
osp_cur osp_cur_sub(osp_cur *c, size_t n, const char *what);

#endif
