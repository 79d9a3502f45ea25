/* SPDX-License-Identifier: Apache-2.0 */
/* Units by the rules of google/pprof's internal/measurement: three families, each with a default for units it does
 * not know; everything else is printed as it is. */
#include "model/model.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>

typedef struct {
    const char *shown, *alias[3];
    double factor;
} unit;

typedef struct {
    unit units[9], fallback;
} family;

static const family families[] = {
    {
        {
            {"B", {"b", "byte"}, 1},
            {"kB", {"kb", "kbyte", "kilobyte"}, 0x1p10},
            {"MB", {"mb", "mbyte", "megabyte"}, 0x1p20},
            {"GB", {"gb", "gbyte", "gigabyte"}, 0x1p30},
            {"TB", {"tb", "tbyte", "terabyte"}, 0x1p40},
            {"PB", {"pb", "pbyte", "petabyte"}, 0x1p50},
        },
        {"B", {"b", "byte"}, 1},
    },
    {
        {
            {"ns", {"ns", "nanosecond"}, 1},
            {"us", {"\xce\xbcs", "us", "microsecond"}, 1e3},
            {"ms", {"ms", "millisecond"}, 1e6},
            {"s", {"s", "sec", "second"}, 1e9},
            {"hrs", {"hour", "hr"}, 3600e9},
        },
        {"s", {NULL}, 1e9},
    },
    {
        {
            {"n*GCU", {"nanogcu"}, 1e-9},
            {"u*GCU", {"microgcu"}, 1e-6},
            {"m*GCU", {"milligcu"}, 1e-3},
            {"GCU", {"gcu"}, 1},
            {"k*GCU", {"kilogcu"}, 1e3},
            {"M*GCU", {"megagcu"}, 1e6},
            {"G*GCU", {"gigagcu"}, 1e9},
            {"T*GCU", {"teragcu"}, 1e12},
            {"P*GCU", {"petagcu"}, 1e15},
        },
        {"GCU", {NULL}, 1},
    },
};

enum { NFAMILY = sizeof families / sizeof *families, NUNIT = sizeof families->units / sizeof *families->units };

static const unit *unit_named(const family *f, osp_str name)
{
    char lower[16];
    if (name.n >= sizeof lower)
        return NULL;
    for (size_t i = 0; i < name.n; i++)
        lower[i] = (char)tolower((unsigned char)name.p[i]);
    osp_str s = {lower, name.n};
    if (s.n > 2 && s.p[s.n - 1] == 's')
        s.n--;
    for (size_t i = 0; i < NUNIT && f->units[i].shown; i++)
        for (size_t k = 0; k < 3 && f->units[i].alias[k]; k++)
            if (osp_str_eq(s, osp_str_from(f->units[i].alias[k])))
                return &f->units[i];
    return NULL;
}

/* The largest unit in which v is 1 or more. */
static const unit *fitting(const family *f, double v)
{
    const unit *best = NULL;
    for (size_t i = 0; i < NUNIT && f->units[i].shown; i++)
        if (f->units[i].factor >= (best ? best->factor : 0) && v / f->units[i].factor >= 1.0)
            best = &f->units[i];
    return best;
}

static bool is_any(osp_str s, const char *const *words)
{
    for (; *words; words++)
        if (osp_str_eq(s, osp_str_from(*words)))
            return true;
    return false;
}

double osp_scale(int64_t value, osp_str from, osp_str to, osp_str *out)
{
    if (value < 0 && value != INT64_MIN)
        return -osp_scale(-value, from, to, out);
    static const char *const automatic[] = {"minimum", "auto", NULL};
    for (size_t i = 0; i < NFAMILY; i++) {
        const family *f = &families[i];
        const unit *u = unit_named(f, from);
        if (!u)
            continue;
        double v = (double)value * u->factor;
        const unit *want = is_any(to, automatic) ? fitting(f, v) : unit_named(f, to);
        if (!want)
            want = &f->fallback;
        *out = osp_str_from(want->shown);
        return v / want->factor;
    }
    static const char *const silent[] = {"count", "sample", "unit", "minimum", "auto", NULL};
    *out = is_any(to, silent) ? S("") : to;
    return (double)value;
}

bool osp_units_compatible(osp_str a, osp_str b)
{
    for (size_t i = 0; i < NFAMILY; i++)
        if (unit_named(&families[i], a) && unit_named(&families[i], b))
            return true;
    return osp_str_eq(a, b);
}

const char *osp_scaled(int64_t value, osp_str from, osp_str to, char *text, size_t size)
{
    osp_str u;
    char number[400]; /* the largest double has 309 digits before the point */
    int n = snprintf(number, sizeof number, "%.2f", osp_scale(value, from, to, &u));
    if (n > 3 && strcmp(number + n - 3, ".00") == 0)
        number[n - 3] = 0;
    if (strcmp(number, "0") == 0 || strcmp(number, "-0") == 0)
        snprintf(text, size, "0");
    else
        snprintf(text, size, "%s%.*s", number, STRF(u));
    return text;
}

const char *osp_percent(int64_t part, int64_t total, char *text, size_t size)
{
    double ratio = total ? fabs((double)part / (double)total) * 100 : 0;
    if (ratio >= 99.95 && ratio <= 100.05)
        snprintf(text, size, "  100%%");
    else if (ratio >= 1)
        snprintf(text, size, "%5.2f%%", ratio);
    else
        snprintf(text, size, "%5.2g%%", ratio);
    return text;
}
