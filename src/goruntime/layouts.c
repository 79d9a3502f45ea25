/* SPDX-License-Identifier: Apache-2.0 */
/* The table of layouts.def: which row a version has. */
#include "goruntime/goruntime_internal.h"

static const uint32_t since[] = {
#define OSP_GO_SINCE(...) __VA_ARGS__
#define OSP_G(...)
#define OSP_M(...)
#define OSP_P(...)
#define OSP_Q(...)
#define OSP_S(...)
#define OSP_A(...)
#define OSP_D(...)
#define OSP_F(...)
#include "goruntime/layouts.def"
};
enum { NCOLUMNS = sizeof since / sizeof *since };

#define ROW(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o) \
    {                                                    \
        a, b, c, d, e, f, g, h, i, j, k, l, m, n, o      \
    }
static const int32_t column[][NCOLUMNS] = {
#define OSP_GO_SINCE(...)
#define OSP_G(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, field, path) \
    ROW(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o),
#define OSP_M OSP_G
#define OSP_P OSP_G
#define OSP_Q OSP_G
#define OSP_S OSP_G
#define OSP_A OSP_G
#define OSP_D OSP_G
#define OSP_F(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, field, type, path) \
    ROW(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o),
#include "goruntime/layouts.def"
};

/* Fields of osp_go_layout are named as they are there; the others are of osp_go_places itself. */
#define AT(field) offsetof(osp_go_places, field)
const osp_go_field osp_go_fields[] = {
#define OSP_GO_SINCE(...)
#define OSP_G(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, field, path) {"runtime.g", path, AT(pub.field)},
#define OSP_M(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, field, path) {"runtime.m", path, AT(pub.field)},
#define OSP_P(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, field, path) {"runtime.p", path, AT(pub.field)},
#define OSP_Q(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, field, path) {"runtime.p", path, AT(field)},
#define OSP_S(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, field, path) {"runtime.schedt", path, AT(field)},
#define OSP_A(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, field, path) {"runtime.mstats", path, AT(field)},
#define OSP_D(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, field, path) {"runtime.heapStatsDelta", path, AT(field)},
#define OSP_F(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, field, type, path) {"runtime." type, path, AT(field)},
#include "goruntime/layouts.def"
};
const size_t osp_go_nfields = sizeof osp_go_fields / sizeof *osp_go_fields;

static uint32_t digits(osp_str *s)
{
    uint32_t v = 0;
    while (s->n && osp_is_digit(*s->p) && v < 100000) {
        v = v * 10 + (uint32_t)(*s->p - '0');
        *s = osp_str_skip(*s, 1);
    }
    return v;
}

uint32_t osp_go_version_parse(osp_str version, bool *plain)
{
    *plain = false;
    size_t at = osp_str_find(version, S("go1."));
    if (at == version.n)
        return 0;
    osp_str s = osp_str_skip(version, at + 4);
    uint32_t minor = digits(&s), patch = 0;
    if (s.n > 1 && s.p[0] == '.' && osp_is_digit(s.p[1])) {
        s = osp_str_skip(s, 1);
        patch = digits(&s);
    }
    if (minor == 0 || minor > 999 || patch > 99)
        return 0;
    *plain = at == 0 && s.n == 0;
    return 10000 + minor * 100 + patch;
}

bool osp_go_layout_of_version(uint32_t version, osp_go_places *out, bool *newer)
{
    size_t c = NCOLUMNS;
    while (c > 0 && since[c - 1] > version)
        c--;
    if (c == 0)
        return false;
    for (size_t i = 0; i < osp_go_nfields; i++)
        *osp_go_field_of(out, &osp_go_fields[i]) = column[i][c - 1];
    out->pub.labels_are_slice = version >= 12400;
    *newer = version > OSP_GO_NEWEST;
    return true;
}
