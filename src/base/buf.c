/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

void osp_buf_drop(osp_buf *b)
{
    free(b->p);
    *b = osp_buf_of(b->max);
}

char *osp_buf_room(osp_buf *b, size_t n)
{
    if (b->failed || n > b->max - b->n) {
        b->failed = true;
        return NULL;
    }
    if (n > b->cap - b->n) {
        size_t cap = b->cap ? b->cap : b->max < 256 ? b->max : 256; /* never past the maximum: others trust cap */
        while (cap - b->n < n)
            cap = cap > b->max / 2 ? b->max : cap * 2;
        char *p = realloc(b->p, cap);
        if (!p) {
            b->failed = true;
            return NULL;
        }
        b->p = p;
        b->cap = cap;
    }
    return b->p ? b->p + b->n : NULL; /* nothing wanted of an empty buffer */
}

void osp_buf_add(osp_buf *b, osp_str s)
{
    char *at = s.n ? osp_buf_room(b, s.n) : NULL;
    if (at) {
        memcpy(at, s.p, s.n);
        b->n += s.n;
    }
}

void osp_buf_byte(osp_buf *b, uint8_t c)
{
    if (b->n == b->cap && !osp_buf_room(b, 1))
        return;
    b->p[b->n++] = (char)c;
}

void osp_buf_fill(osp_buf *b, char c, size_t n)
{
    char *at = n ? osp_buf_room(b, n) : NULL;
    if (at) {
        memset(at, c, n);
        b->n += n;
    }
}

void osp_buf_vfmt(osp_buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    size_t room = b->cap - b->n;
    int n = vsnprintf(room ? b->p + b->n : NULL, room, fmt, ap);
    if (n < 0) {
        b->failed = true;
    } else if ((size_t)n < room) {
        b->n += (size_t)n;
    } else if (osp_buf_room(b, (size_t)n + 1)) {
        vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

void osp_buf_right(osp_buf *b, osp_str s, size_t width)
{
    const size_t n = osp_str_columns(s);
    osp_buf_fill(b, ' ', n < width ? width - n : 0);
    osp_buf_add(b, s);
}

void osp_buf_fmt(osp_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    osp_buf_vfmt(b, fmt, ap);
    va_end(ap);
}

static void quote_byte(osp_buf *b, uint8_t c)
{
    static const char named[] = "a\ab\bf\fn\nr\rt\tv\v\\\\\"\"";
    for (size_t i = 0; i + 1 < sizeof named; i += 2)
        if (named[i + 1] == (char)c) {
            osp_buf_byte(b, '\\');
            osp_buf_byte(b, (uint8_t)named[i]);
            return;
        }
    if (c < 0x20 || c >= 0x7f)
        osp_buf_fmt(b, "\\x%02x", c);
    else
        osp_buf_byte(b, c);
}

void osp_buf_quote(osp_buf *b, osp_str s)
{
    osp_buf_byte(b, '"');
    while (s.n) {
        size_t n = osp_str_utf8(s);
        uint8_t second = n > 1 ? (uint8_t)s.p[1] : 0;
        if (n == 2 && (uint8_t)s.p[0] == 0xc2 && second <= 0xa0)
            osp_buf_fmt(b, "\\u%04x", second);
        else if (n > 1)
            osp_buf_add(b, osp_str_head(s, n));
        else
            quote_byte(b, (uint8_t)s.p[0]);
        s = osp_str_skip(s, n ? n : 1);
    }
    osp_buf_byte(b, '"');
}

bool osp_grow(void **array, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap)
        return true;
    size_t want = *cap ? *cap : 16, bytes;
    while (want < need)
        if (__builtin_mul_overflow(want, (size_t)2, &want))
            return false;
    if (__builtin_mul_overflow(want, size, &bytes))
        return false;
    void *p = realloc(*array, bytes);
    if (!p)
        return false;
    osp_large_pages(p, bytes);
    *array = p;
    *cap = want;
    return true;
}

void osp_large_pages(void *p, size_t n)
{
    enum { PAGE = 1 << 21, WORTH_IT = 8 << 20 };
    const uintptr_t from = ((uintptr_t)p + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    const uintptr_t to = ((uintptr_t)p + n) & ~(uintptr_t)(PAGE - 1);
    if (n >= WORTH_IT && from < to)
        (void)madvise((void *)from, to - from, MADV_HUGEPAGE); /* a wish: without it, all is as it was */
}

void osp_buf_xml(osp_buf *b, osp_str s)
{
    while (s.n) {
        const size_t n = osp_str_utf8(s);
        const unsigned char c = (unsigned char)s.p[0];
        const osp_str nonchar = osp_str_head(s, 3);
        if (n == 0 || (c < ' ' && c != '\n' && c != '\t') || osp_str_eq(nonchar, S("\xef\xbf\xbe")) ||
            osp_str_eq(nonchar, S("\xef\xbf\xbf")))
            osp_buf_add(b, S("\xef\xbf\xbd"));
        else if (c == '&')
            osp_buf_add(b, S("&amp;"));
        else if (c == '<')
            osp_buf_add(b, S("&lt;"));
        else if (c == '>')
            osp_buf_add(b, S("&gt;"));
        else if (c == '"')
            osp_buf_add(b, S("&quot;"));
        else
            osp_buf_add(b, osp_str_head(s, n));
        s = osp_str_skip(s, n ? n : 1);
    }
}
