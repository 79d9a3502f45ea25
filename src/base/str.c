/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

size_t osp_str_rfind(osp_str s, char c)
{
    const char *at = s.n ? memrchr(s.p, c, s.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

size_t osp_str_find(osp_str s, osp_str needle)
{
    const char *at = s.n ? memmem(s.p, s.n, needle.p, needle.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

osp_str osp_str_base(osp_str path)
{
    size_t slash = osp_str_rfind(path, '/');
    return slash == path.n ? path : osp_str_skip(path, slash + 1);
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

osp_str osp_str_trim(osp_str s)
{
    while (s.n && is_blank(s.p[0]))
        s = osp_str_skip(s, 1);
    while (s.n && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

size_t osp_str_utf8(osp_str s)
{
    const uint8_t *b = (const uint8_t *)s.p;
    if (s.n == 0)
        return 0;
    size_t n = b[0] < 0x80 ? 1 : b[0] < 0xc2 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : b[0] < 0xf5 ? 4 : 0;
    if (n > s.n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    if ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] >= 0xa0) || (b[0] == 0xf0 && b[1] < 0x90) ||
        (b[0] == 0xf4 && b[1] >= 0x90))
        return 0;
    return n;
}

size_t osp_str_columns(osp_str s)
{
    size_t columns = 0;
    for (; s.n; columns++) {
        size_t n = osp_str_utf8(s);
        s = osp_str_skip(s, n ? n : 1);
    }
    return columns;
}

size_t osp_utf8_put(char to[4], uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6)
        to[i] = (char)(0x80 | (c & 63));
    to[0] = (char)((0xf00 >> n & 0xff) | c);
    return n;
}

bool osp_str_u64(osp_str s, unsigned base, uint64_t *out)
{
    uint64_t v = 0;
    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned d = osp_digit(s.p[i]);
        if (d >= base || __builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, d, &v))
            return false;
    }
    *out = v;
    return true;
}

char *osp_str_z(osp_str s, char *out, size_t size)
{
    size_t n = s.n < size ? s.n : size - 1;
    if (n)
        memcpy(out, s.p, n);
    out[n] = 0;
    return out;
}

bool osp_str_among(osp_str word, const char *words)
{
    for (osp_str rest = osp_str_from(words); word.n && rest.n;)
        if (osp_str_eq(osp_str_cut(&rest, ' '), word))
            return true;
    return false;
}
