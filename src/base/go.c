/* SPDX-License-Identifier: Apache-2.0 */
#include "base/go.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* ---- blanks --------------------------------------------------------------------------------------------------- */

/* How many bytes the blank takes that s begins with; 0 if it begins with none. */
static size_t blank(osp_str s)
{
    const uint8_t *b = (const uint8_t *)s.p;
    if (s.n == 0)
        return 0;
    if (b[0] < 0x80)
        return b[0] == ' ' || (b[0] >= '\t' && b[0] <= '\r');
    if (s.n >= 2 && b[0] == 0xc2)
        return b[1] == 0x85 || b[1] == 0xa0 ? 2 : 0;
    if (s.n < 3)
        return 0;
    uint32_t three = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2];
    bool is = three == 0xe19a80 || (three >= 0xe28080 && three <= 0xe2808a) || three == 0xe280a8 ||
              three == 0xe280a9 || three == 0xe280af || three == 0xe2819f || three == 0xe38080;
    return is ? 3 : 0;
}

static size_t blank_before_end(osp_str s)
{
    for (size_t n = 1; n <= 3 && n <= s.n; n++)
        if (blank(osp_str_skip(s, s.n - n)) == n)
            return n;
    return 0;
}

osp_str osp_go_trim(osp_str s)
{
    for (size_t n; (n = blank(s));)
        s = osp_str_skip(s, n);
    for (size_t n; (n = blank_before_end(s));)
        s.n -= n;
    return s;
}

osp_str osp_go_cut_field(osp_str *s)
{
    size_t n, end = 0;
    while ((n = blank(*s)))
        *s = osp_str_skip(*s, n);
    while (end < s->n && !blank(osp_str_skip(*s, end)))
        end++;
    osp_str word = osp_str_head(*s, end);
    *s = osp_str_skip(*s, end);
    return word;
}

/* ---- numbers -------------------------------------------------------------------------------------------------- */

/* Underscores may stand between digits, and between a prefix like 0x and the first digit. */
static bool underscores_ok(osp_str s)
{
    bool prefix = s.n >= 2 && s.p[0] == '0' && strchr("bBoOxX", s.p[1]);
    const unsigned base = prefix && (s.p[1] | 0x20) == 'x' ? 16 : 10;
    bool digit_before = prefix;
    for (size_t i = prefix ? 2 : 0; i < s.n; i++) {
        if (s.p[i] == '_' && !(digit_before && i + 1 < s.n && osp_digit(s.p[i + 1]) < base))
            return false;
        digit_before = osp_digit(s.p[i]) < base;
    }
    return true;
}

osp_go_outcome osp_go_read_int(osp_str s, int base, int64_t *out)
{
    const bool minus = s.n && s.p[0] == '-', any_base = base == 0;
    const uint64_t most = minus ? (uint64_t)1 << 63 : INT64_MAX;
    unsigned b = any_base ? 10 : (unsigned)base;
    bool underscores = false;
    uint64_t v = 0;
    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        s = osp_str_skip(s, 1);
    osp_str digits = s;
    if (any_base && s.n && s.p[0] == '0') {
        const char mark = s.n >= 3 ? (char)(s.p[1] | 0x20) : 0;
        b = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
        digits = osp_str_skip(s, mark == 'x' || mark == 'b' || mark == 'o' ? 2 : 1);
    }
    if (s.n == 0)
        return OSP_GO_SYNTAX;
    for (size_t i = 0; i < digits.n; i++) {
        if (any_base && digits.p[i] == '_') {
            underscores = true;
            continue;
        }
        const unsigned d = osp_digit(digits.p[i]);
        if (d >= b)
            return OSP_GO_SYNTAX;
        if (__builtin_mul_overflow(v, b, &v) || __builtin_add_overflow(v, d, &v))
            return OSP_GO_RANGE; /* whatever follows */
    }
    if (underscores && !underscores_ok(s))
        return OSP_GO_SYNTAX;
    if (v > most)
        return OSP_GO_RANGE;
    *out = minus ? (int64_t)(0 - v) : (int64_t)v;
    return OSP_GO_FINE;
}

/* Is s, without its sign, a decimal number, or a hexadecimal one with a binary exponent? */
static bool is_float(osp_str s)
{
    bool hex = s.n >= 2 && s.p[0] == '0' && (s.p[1] | 0x20) == 'x', any = false, point = false, underscore = false;
    size_t i = hex ? 2 : 0;
    for (; i < s.n; i++) {
        underscore |= s.p[i] == '_';
        if (s.p[i] == '.' && !point)
            point = true;
        else if (osp_digit(s.p[i]) < (hex ? 16u : 10u))
            any = true;
        else if (s.p[i] != '_')
            break;
    }
    bool exponent = i < s.n && (s.p[i] | 0x20) == (hex ? 'p' : 'e');
    if (!any || (hex && !exponent) || (i < s.n && !exponent))
        return false;
    if (exponent) {
        i++;
        i += i < s.n && (s.p[i] == '-' || s.p[i] == '+');
        if (i == s.n || !isdigit((unsigned char)s.p[i]))
            return false;
        for (; i < s.n; i++)
            if (s.p[i] != '_' && !isdigit((unsigned char)s.p[i]))
                return false;
            else
                underscore |= s.p[i] == '_';
    }
    return !underscore || underscores_ok(s);
}

static bool is_infinite(osp_str s)
{
    return (s.n == 3 && strncasecmp(s.p, "inf", 3) == 0) || (s.n == 8 && strncasecmp(s.p, "infinity", 8) == 0);
}

osp_go_outcome osp_go_read_float(osp_str s, double *out)
{
    char text[512];
    size_t n = 0;
    bool sign = s.n && (s.p[0] == '-' || s.p[0] == '+');
    osp_str number = osp_str_skip(s, sign);
    if (s.n == 3 && strncasecmp(s.p, "nan", 3) == 0) {
        *out = NAN;
        return OSP_GO_FINE;
    }
    if (is_infinite(number)) {
        *out = s.p[0] == '-' ? -INFINITY : INFINITY;
        return OSP_GO_FINE;
    }
    if (!is_float(number) || s.n >= sizeof text)
        return OSP_GO_SYNTAX;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '_')
            text[n++] = s.p[i];
    text[n] = 0;
    *out = strtod(text, NULL);
    return isinf(*out) ? OSP_GO_RANGE : OSP_GO_FINE;
}

void osp_go_put_float(osp_buf *out, double v)
{
    char text[40];
    int digits = 0, exponent;
    if (isnan(v) || isinf(v)) {
        osp_buf_add(out, isnan(v) ? S("NaN") : v > 0 ? S("+Inf") : S("-Inf"));
        return;
    }
    do
        snprintf(text, sizeof text, "%.*e", digits, v);
    while (strtod(text, NULL) != v && ++digits < 17);
    exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
    if (exponent < -4 || exponent >= 6)
        osp_buf_add(out, osp_str_from(text));
    else
        osp_buf_fmt(out, "%.*f", digits > exponent ? digits - exponent : 0, v);
}
