/* SPDX-License-Identifier: Apache-2.0 */
/* base/str.h: text is a view: a pointer and a length, borrowed from an arena, a mapped file or a literal.
 * No NUL is promised. Nothing here allocates. */
#ifndef OSP_BASE_STR_H
#define OSP_BASE_STR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    const char *p;
    size_t n; /* bytes */
} osp_str;

/* Bytes that are not text: an ELF section, a protobuf message. */
typedef struct {
    const uint8_t *p;
    size_t n; /* bytes */
} osp_span;

#define S(lit) ((osp_str){"" lit, sizeof(lit) - 1})
#define STRF(s) osp_str_width(s), (s).p /* printf("%.*s", STRF(name)) */

/* printf's precision is an int, and a negative one is none: a text of 2 GiB and more must not be printed to its NUL. */
static inline int osp_str_width(osp_str s) { return s.n < INT_MAX ? (int)s.n : INT_MAX; }

static inline osp_str osp_str_from(const char *z) { return (osp_str){z, z ? strlen(z) : 0}; }
static inline osp_str osp_span_text(osp_span b) { return (osp_str){(const char *)b.p, b.n}; }
static inline osp_span osp_str_bytes(osp_str s) { return (osp_span){(const uint8_t *)s.p, s.n}; }

static inline bool osp_str_eq(osp_str a, osp_str b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }

static inline bool osp_str_starts(osp_str s, osp_str head)
{
    return s.n >= head.n && (head.n == 0 || memcmp(s.p, head.p, head.n) == 0);
}

static inline bool osp_str_ends(osp_str s, osp_str tail)
{
    return s.n >= tail.n && (tail.n == 0 || memcmp(s.p + s.n - tail.n, tail.p, tail.n) == 0);
}

/* Bytewise order; a shorter text that is a prefix comes first. Like strcmp, or Go's < on strings. */
static inline int osp_str_cmp(osp_str a, osp_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

/* s without its first n bytes (all of it if n is larger). */
static inline osp_str osp_str_skip(osp_str s, size_t n)
{
    n = n < s.n ? n : s.n;
    return n ? (osp_str){s.p + n, s.n - n} : s; /* s.p may be NULL */
}

/* The first n bytes of s (all of it if n is larger). */
static inline osp_str osp_str_head(osp_str s, size_t n) { return (osp_str){s.p, n < s.n ? n : s.n}; }

/* Cut s at the first sep: returns what stands before it, leaves in *s what follows. */
static inline osp_str osp_str_cut(osp_str *s, char sep)
{
    const char *at = s->n ? memchr(s->p, sep, s->n) : NULL;
    size_t head = at ? (size_t)(at - s->p) : s->n;
    osp_str r = {s->p, head};
    *s = osp_str_skip(*s, head + (at != NULL));
    return r;
}

/* Index of the last c in s, or s.n if there is none. */
size_t osp_str_rfind(osp_str s, char c);

/* Index of the first needle in s, or s.n if there is none. */
size_t osp_str_find(osp_str s, osp_str needle);

/* Is the needle, which is not empty, in s? */
static inline bool osp_str_has(osp_str s, osp_str needle) { return osp_str_find(s, needle) < s.n; }
/* Is it one of these words, which blanks part? */
bool osp_str_among(osp_str word, const char *words);

/* What stands after the last '/': the base name of a path. */
osp_str osp_str_base(osp_str path);

/* s without blanks, tabs and line ends at either side. */
osp_str osp_str_trim(osp_str s);

/* The whole of s as an unsigned number of the given base (10, or 16 without 0x). False if s is empty, has
 * another character, or does not fit. */
bool osp_str_u64(osp_str s, unsigned base, uint64_t *out);

/* What a digit or a letter is worth as a digit: 0 … 35; 99 if c is neither. */
static inline unsigned osp_digit(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'z' ? (unsigned)(c - 'a') + 10 : 99;
}

static inline bool osp_is_digit(char c) { return c >= '0' && c <= '9'; }

/* How many bytes the UTF-8 character takes that s begins with (RFC 3629: no overlong form, no surrogate); 0 if s is empty
 * or begins with none. */
size_t osp_str_utf8(osp_str s);

/* How many characters s has, which is how many columns a terminal gives it; a byte that is none counts as one. */
size_t osp_str_columns(osp_str s);

/* The character as UTF-8; how many bytes it takes. */
size_t osp_utf8_put(char to[4], uint32_t character);

/* Copy s and a NUL into out[size], cut if it does not fit. Returns out. */
char *osp_str_z(osp_str s, char *out, size_t size);

#endif
