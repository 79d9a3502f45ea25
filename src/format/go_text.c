/* SPDX-License-Identifier: Apache-2.0 */
#include "format/go_text.h"

#include <math.h>

enum { LONGEST_LINE = 65535 };

bool osp_go_next_line(osp_go_lines *s)
{
    s->line = (osp_str){s->rest.p, 0};
    if (s->rest.n == 0 || s->too_long)
        return false;
    osp_str head = osp_str_head(s->rest, LONGEST_LINE + 1);
    const char *end = memchr(head.p, '\n', head.n);
    s->number++;
    if (!end && head.n > LONGEST_LINE) {
        s->too_long = true;
        return false;
    }
    size_t n = end ? (size_t)(end - head.p) : head.n;
    s->line.n = n && head.p[n - 1] == '\r' ? n - 1 : n;
    s->rest = osp_str_skip(s->rest, n + (end != NULL));
    return true;
}

bool osp_go_lines_ended(const osp_go_lines *s, osp_err *err)
{
    return !s->too_long || osp_fail(err, OSP_EFORMAT, "line %zu is longer than %d bytes", s->number, LONGEST_LINE);
}

bool osp_go_is_comment(osp_str line)
{
    line = osp_go_trim(line);
    return line.n == 0 || line.p[0] == '#';
}

int64_t osp_go_whole(double v) { return v >= -0x1p63 && v < 0x1p63 ? (int64_t)v : INT64_MIN; }

/* Shibata's method (SLEEF, public domain) with fused multiply-add, as Go has it on amd64: x = n·ln 2 + 16·r, a Taylor row
 * of exp(r) - 1, squared four times by (1 + t)² - 1 = t·(t + 2). */
double osp_go_exp(double x)
{
    static const double row[] = {1.9841269841269841270e-4,
                                 1.3888888888888888889e-3,
                                 8.3333333333333333333e-3,
                                 4.1666666666666666667e-2,
                                 1.6666666666666666667e-1,
                                 0.5,
                                 1};
    if (isnan(x) || x == INFINITY)
        return x;
    if (x > 7.09782712893384e+02)
        return INFINITY;
    if (x < -1000)
        return 0;
    double n = nearbyint(x * 1.4426950408889634073599246810018920);
    x = fma(-n, 0.69314718055966295651160180568695068359375, x);
    x = fma(-n, 0.28235290563031577122588448175013436025525412068e-12, x);
    x *= 0.0625;
    double sum = 2.4801587301587301587e-5;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        sum = fma(sum, x, row[i]);
    x *= sum;
    for (int i = 0; i < 3; i++)
        x *= x + 2;
    x = fma(x, x + 2, 1);
    return ldexp(x, (int)n);
}

bool osp_next_hex(osp_str *text, uint64_t *out, bool *fits)
{
    const char *p = text->p, *end = p + text->n;
    while (end - p > 2) {
        const char *x = memchr(p + 1, 'x', (size_t)(end - p) - 1);
        if (!x)
            break;
        p = x + 1;
        if (x[-1] != '0')
            continue;
        uint64_t v = 0;
        *fits = true;
        for (; p < end && ((osp_is_digit(*p)) || (*p >= 'a' && *p <= 'f')); p++) {
            *fits &= v >> 60 == 0;
            v = v << 4 | osp_digit(*p);
        }
        if (p == x + 1)
            continue;
        *out = v;
        *text = (osp_str){p, (size_t)(end - p)};
        return true;
    }
    *text = (osp_str){end, 0};
    return false;
}
