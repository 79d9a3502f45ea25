/* SPDX-License-Identifier: Apache-2.0 */
/* base/buf.h: growing memory outside an arena: a byte buffer for output, and room for growing arrays.
 *
 * A buffer has a maximum; past it, or without memory, it stops growing and `failed` stays set, so a writer checks
 * once at the end. */
#ifndef OSP_BASE_BUF_H
#define OSP_BASE_BUF_H

#include "base/str.h"

#include <stdarg.h>

typedef struct {
    char *p;
    size_t n, cap, max; /* bytes */
    bool failed;        /* sticky: something did not fit */
} osp_buf;

/* An empty buffer of at most max bytes. */
static inline osp_buf osp_buf_of(size_t max) { return (osp_buf){.max = max}; }
void osp_buf_drop(osp_buf *b);

void osp_buf_add(osp_buf *b, osp_str s);
void osp_buf_byte(osp_buf *b, uint8_t c);
void osp_buf_fill(osp_buf *b, char c, size_t n);         /* c, n times */
void osp_buf_right(osp_buf *b, osp_str s, size_t width); /* s, blanks before it up to so many columns */
void osp_buf_fmt(osp_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void osp_buf_vfmt(osp_buf *b, const char *fmt, va_list ap);

/* s in double quotes, escaped as Go's %q does it: control characters and broken UTF-8 become \\n, \\x1b and the like. */
void osp_buf_quote(osp_buf *b, osp_str s);

/* s as text of XML or HTML; what cannot stand there becomes U+FFFD. */
void osp_buf_xml(osp_buf *b, osp_str s);

/* Room for n more bytes; NULL if there is none (then failed). The caller adds to b->n what it wrote. */
char *osp_buf_room(osp_buf *b, size_t n);

static inline osp_str osp_buf_str(const osp_buf *b) { return (osp_str){b->p, b->n}; }

/* Make *array (malloc'ed, or NULL with *cap = 0) hold at least need elements of size bytes, doubling. False
 * without memory; the array stays as it was. Free it with free(). */
bool osp_grow(void **array, size_t *cap, size_t need, size_t size) __attribute__((warn_unused_result));

/* Let a block of fresh memory, if it is many megabytes, have large pages: a page fault costs as much as touching a
 * thousand numbers. */
void osp_large_pages(void *p, size_t n);

#endif
