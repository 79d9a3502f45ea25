/* SPDX-License-Identifier: Apache-2.0 */
/* The units of labels that are numbers (NumLabelUnits in google/pprof's profile/profile.go). */
#include "model/model.h"

#include <stdlib.h>

typedef struct {
    uint32_t key;
    osp_str unit;
} other_unit;

typedef struct {
    osp_label_units *u;
    other_unit *other;
    size_t nother, cap;
} noting;

static bool note_other(noting *n, uint32_t key, osp_str unit)
{
    void *all = n->other;
    if (!osp_grow(&all, &n->cap, n->nother + 1, sizeof *n->other))
        return false;
    n->other = all;
    n->other[n->nother++] = (other_unit){key, unit};
    return true;
}

static bool note_set(noting *n, const osp_profile *p, uint32_t set)
{
    osp_label_units *u = n->u;
    for (uint32_t i = p->labelsets.first[set]; i < p->labelsets.first[set + 1]; i++) {
        const osp_label *l = &p->labelsets.label[i];
        if (!osp_label_is_number(l))
            continue;
        bool fresh;
        const uint32_t key = osp_intern_put(&u->keys, osp_text(p, l->key), &fresh);
        const osp_str unit = osp_text(p, l->unit);
        void *units = u->unit;
        if (key == UINT32_MAX || !osp_grow(&units, &u->cap, u->keys.n, sizeof *u->unit))
            return false;
        u->unit = units;
        if (fresh || u->unit[key].n == 0)
            u->unit[key] = unit;
        else if (unit.n && !osp_str_eq(unit, u->unit[key]) && !note_other(n, key, unit))
            return false;
    }
    return true;
}

static bool note_samples(noting *n, const osp_profile *p)
{
    uint8_t *seen = calloc((size_t)p->labelsets.n + 1, 1);
    bool ok = seen != NULL;
    for (uint32_t i = 0; ok && i < p->samples.n; i++) {
        const uint32_t set = p->samples.labels[i].i;
        if (seen[set])
            continue;
        seen[set] = 1;
        ok = note_set(n, p, set);
    }
    free(seen);
    return ok;
}

static int by_unit(const void *x, const void *y)
{
    const other_unit *a = x, *b = y;
    return a->key != b->key ? (a->key > b->key) - (a->key < b->key) : osp_str_cmp(a->unit, b->unit);
}

static void write_notes(noting *n)
{
    osp_buf *out = &n->u->notes;
    if (n->nother)
        qsort(n->other, n->nother, sizeof *n->other, by_unit);
    for (size_t i = 0; i < n->nother; i++) {
        const other_unit *o = &n->other[i], *before = i ? o - 1 : NULL;
        if (before && by_unit(before, o) == 0)
            continue;
        if (!before || before->key != o->key)
            osp_buf_fmt(out, "%sFor tag %.*s used unit %.*s, also encountered unit(s) %.*s", i ? "\n" : "",
                        STRF(n->u->keys.text[o->key]), STRF(n->u->unit[o->key]), STRF(o->unit));
        else
            osp_buf_fmt(out, ", %.*s", STRF(o->unit));
    }
    if (n->nother)
        osp_buf_byte(out, '\n');
}

static void guess(osp_label_units *u)
{
    for (uint32_t i = 0; i < u->keys.n; i++) {
        const osp_str key = u->keys.text[i];
        const bool size = osp_str_eq(key, S("alignment")) || osp_str_eq(key, S("request"));
        if (u->unit[i].n == 0)
            u->unit[i] = size ? S("bytes") : key;
    }
}

bool osp_label_units_make(const osp_profile *p, osp_label_units *out, osp_err *err)
{
    *out = (osp_label_units){.notes = osp_buf_of(1 << 16)};
    noting n = {.u = out};
    bool ok = p->labelsets.n <= 1 || note_samples(&n, p);
    if (ok) {
        write_notes(&n);
        guess(out);
    } else {
        osp_label_units_drop(out);
    }
    free(n.other);
    return ok || osp_fail_memory(err, "reading labels");
}

osp_str osp_label_unit(const osp_label_units *u, osp_str key)
{
    const uint32_t i = osp_intern_find(&u->keys, key);
    return i == UINT32_MAX ? S("") : u->unit[i];
}

void osp_label_units_drop(osp_label_units *u)
{
    osp_intern_drop(&u->keys);
    osp_buf_drop(&u->notes);
    free(u->unit);
    *u = (osp_label_units){0};
}
