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
    for (uint32_t i = 0; i < n; i++)
        out[i] = (osp_keyed_label){osp_text(p, label[i].key), &label[i], osp_label_is_number(&label[i])};
    if (n > 1)
        qsort(out, n, sizeof *out, by_key);
    return n;
}

bool osp_same_key(const osp_keyed_label *a, const osp_keyed_label *b)
{
    return a->numeric == b->numeric && osp_str_eq(a->key, b->key);
}

/* ---- as text -------------------------------------------------------------------------------------------------- */

bool osp_label_room_make(const osp_view *v, osp_label_room *out, osp_err *err)
{
    *out = (osp_label_room){.scratch = osp_buf_of(SIZE_MAX / 2)};
    osp_arena_init(&out->arena, SIZE_MAX / 2);
    uint32_t most = 0;
    for (uint32_t i = 0; i < v->of->labelsets.n; i++) {
        const uint32_t n = v->first_label[i + 1] - v->first_label[i];
        most = n > most ? n : most;
    }
    out->sorted = osp_new(&out->arena, osp_keyed_label, most);
    out->piece = osp_new(&out->arena, osp_str, most);
    out->end = osp_new(&out->arena, size_t, most);
    return (out->sorted && out->piece && out->end) || osp_fail_memory(err, "printing labels");
}

void osp_label_room_drop(osp_label_room *r)
{
    osp_arena_drop(&r->arena);
    osp_buf_drop(&r->scratch);
}

static int by_text(const void *x, const void *y) { return osp_str_cmp(*(const osp_str *)x, *(const osp_str *)y); }

bool osp_put_labels(osp_label_room *r, const osp_view *v, uint32_t set, bool numeric, osp_label_writer *write,
                    void *ctx, osp_str between, osp_buf *out)
{
    const uint32_t n = osp_labels_by_key(v->of, v->label + v->first_label[set],
                                         v->first_label[set + 1] - v->first_label[set], r->sorted);
    uint32_t npiece = 0;
    r->scratch.n = 0;
    for (uint32_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && osp_same_key(&r->sorted[from], &r->sorted[to]);)
            to++;
        if (r->sorted[from].numeric != numeric)
            continue;
        write(ctx, r->sorted + from, r->sorted + to, &r->scratch);
        r->end[npiece++] = r->scratch.n;
    }
    for (uint32_t i = 0; i < npiece; i++) {
        const size_t at = i ? r->end[i - 1] : 0;
        r->piece[i] = (osp_str){r->scratch.p + at, r->end[i] - at};
    }
    if (npiece > 1)
        qsort(r->piece, npiece, sizeof *r->piece, by_text);
    for (uint32_t i = 0; i < npiece; i++) {
        osp_buf_add(out, i ? between : S(""));
        osp_buf_add(out, r->piece[i]);
    }
    out->failed |= r->scratch.failed;
    return npiece > 0;
}
