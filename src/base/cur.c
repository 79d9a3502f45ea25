/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cur.h"

#include <stdarg.h>
#include <stdio.h>

bool osp_cur_fail(osp_cur *c, const char *fmt, ...)
{
    if (c->bad)
        return false;
    char text[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    c->bad = true;
    return osp_fail(c->err, OSP_EFORMAT, "%s+0x%zx: %s", c->what, c->at, text);
}

/* True if n more bytes are there; else fails. */
static bool need(osp_cur *c, size_t n)
{
    if (!c->bad && n <= c->in.n - c->at)
        return true;
    return osp_cur_fail(c, "%zu bytes wanted, %zu left", n, c->in.n - c->at);
}

static void read_word(osp_cur *c, void *dst, size_t n)
{
    if (need(c, n)) {
        memcpy(dst, c->in.p + c->at, n);
        c->at += n;
    }
}

uint8_t osp_cur_u8(osp_cur *c)
{
    uint8_t v = 0;
    read_word(c, &v, sizeof v);
    return v;
}

uint16_t osp_cur_u16(osp_cur *c)
{
    uint16_t v = 0;
    read_word(c, &v, sizeof v);
    return v;
}

uint32_t osp_cur_u32(osp_cur *c)
{
    uint32_t v = 0;
    read_word(c, &v, sizeof v);
    return v;
}

uint64_t osp_cur_u64(osp_cur *c)
{
    uint64_t v = 0;
    read_word(c, &v, sizeof v);
    return v;
}

uint64_t osp_cur_uvarint(osp_cur *c)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && need(c, 1); shift += 7) {
        uint8_t b = c->in.p[c->at++];
        if (shift == 63 && b > 1)
            break;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80)
            return v;
    }
    osp_cur_fail(c, "varint longer than 64 bits");
    return 0;
}

int64_t osp_cur_sleb(osp_cur *c)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && need(c, 1); shift += 7) {
        uint8_t b = c->in.p[c->at++];
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            if ((b & 0x40) && shift + 7 < 64)
                v |= ~(uint64_t)0 << (shift + 7);
            return (int64_t)v;
        }
    }
    osp_cur_fail(c, "varint longer than 64 bits");
    return 0;
}

osp_str osp_cur_cstr(osp_cur *c)
{
    size_t left = osp_cur_left(c);
    const uint8_t *from = c->in.p + c->at;
    const uint8_t *nul = left ? memchr(from, 0, left) : NULL;
    if (!nul) {
        osp_cur_fail(c, "text without an end");
        return S("");
    }
    size_t n = (size_t)(nul - from);
    c->at += n + 1;
    return (osp_str){(const char *)from, n};
}

osp_span osp_cur_bytes(osp_cur *c, size_t n)
{
    if (!need(c, n))
        return (osp_span){NULL, 0};
    osp_span r = {c->in.p + c->at, n};
    c->at += n;
    return r;
}

void osp_cur_skip(osp_cur *c, size_t n)
{
    if (need(c, n))
        c->at += n;
}

void osp_cur_seek(osp_cur *c, size_t at)
{
    if (c->bad)
        return;
    if (at > c->in.n)
        osp_cur_fail(c, "offset 0x%zx is past the end (0x%zx)", at, c->in.n);
    else
        c->at = at;
}

osp_cur osp_cur_sub(osp_cur *c, size_t n, const char *what)
{
    osp_span window = osp_cur_bytes(c, n);
    osp_cur sub = osp_cur_on(window, what, c->err);
    sub.bad = c->bad;
    return sub;
}
