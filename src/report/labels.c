/* SPDX-License-Identifier: Apache-2.0 */
/* Labels of samples as reports need them: in order. */
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
