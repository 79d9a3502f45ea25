/* SPDX-License-Identifier: Apache-2.0 */
/* Labels of samples as reports need them: in order, and numbers with their units. */
#include "report/head.h"

#include <stdlib.h>

static int by_key(const void *x, const void *y)
{
    const osp_keyed_label *a = x, *b = y;
    int c = a->numeric - b->numeric;
    c = c ? c : osp_str_cmp(a->key, b->key);
    return c ? c : (a->label > b->label) - (a->label < b->label);
}

uint32_t osp_labels_by_key(const osp_profile *p, const osp_label *label, uint32_t n, osp_keyed_label *out)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (label[i].str.i || label[i].num || label[i].unit.i)
            out[kept++] = (osp_keyed_label){osp_text(p, label[i].key), &label[i], label[i].str.i == 0};
    if (kept > 1)
        qsort(out, kept, sizeof *out, by_key);
    return kept;
}

/* ---- units ---------------------------------------------------------------------------------------------------- */

static bool note_units(const osp_profile *p, uint32_t set, osp_label_units *u)
{
    for (uint32_t i = p->labelsets.first[set]; i < p->labelsets.first[set + 1]; i++) {
        const osp_label *l = &p->labelsets.label[i];
        if (l->str.i || (!l->num && !l->unit.i))
            continue;
        bool fresh;
        const uint32_t key = osp_intern_put(&u->keys, osp_text(p, l->key), &fresh);
        void *units = u->unit;
        if (key == UINT32_MAX || !osp_grow(&units, &u->cap, u->keys.n, sizeof *u->unit))
            return false;
        u->unit = units;
        if (fresh)
            u->unit[key] = S("");
        if (u->unit[key].n == 0)
            u->unit[key] = osp_text(p, l->unit);
    }
    return true;
}

bool osp_label_units_make(const osp_profile *p, osp_label_units *out, osp_err *err)
{
    *out = (osp_label_units){0};
    uint8_t *seen = calloc((size_t)p->labelsets.n + 1, 1);
    bool ok = seen != NULL;
    for (uint32_t i = 0; ok && i < p->samples.n; i++) {
        const uint32_t set = p->samples.labels[i].i;
        ok = seen[set] || note_units(p, set, out);
        seen[set] = 1;
    }
    free(seen);
    for (uint32_t i = 0; ok && i < out->keys.n; i++)
        if (out->unit[i].n == 0) {
            const osp_str key = out->keys.text[i];
            const bool size = osp_str_eq(key, S("alignment")) || osp_str_eq(key, S("request"));
            out->unit[i] = size ? S("bytes") : key;
        }
    if (!ok)
        osp_label_units_drop(out);
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
    free(u->unit);
    *u = (osp_label_units){0};
}
