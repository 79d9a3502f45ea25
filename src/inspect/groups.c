/* SPDX-License-Identifier: Apache-2.0 */
/* Goroutines that are alike. */
#include "inspect/inspect_internal.h"

#include <stdlib.h>

/* What those of one group have in common; no padding, so that its bytes are the key. */
typedef struct {
    uint64_t gopc, startpc;
    uint32_t stack;
    uint8_t status, waitreason, zero[2];
} key;

static key key_of(const osp_goroutine *g)
{
    bool waits = g->status == OSP_G_WAITING || g->status == OSP_G_LEAKED;
    return (key){.gopc = g->gopc,
                 .startpc = g->startpc,
                 .stack = g->stack,
                 .status = g->status,
                 .waitreason = waits ? g->waitreason : 0};
}

/* ---- places ----------------------------------------------------------------------------------------------------- */

const osp_spot *osp_goroutine_place(osp_inspect *in, const osp_goroutine_list *l, const osp_goroutine *g)
{
    const osp_go_stack *s = &l->stack[g->stack];
    const osp_spot *row;
    for (uint32_t i = 0; i < s->n; i++) {
        size_t n = osp_inspect_spots(in, s->pc[i], &row);
        for (size_t k = 0; k < n; k++)
            if (row[k].func.n && !row[k].runtime)
                return &row[k];
    }
    if (!g->startpc)
        return NULL;
    size_t n = osp_inspect_spots(in, g->startpc, &row);
    return row[n - 1].func.n ? &row[n - 1] : NULL;
}

const osp_spot *osp_goroutine_creator(osp_inspect *in, const osp_goroutine *g)
{
    const osp_spot *row;
    if (!g->gopc || g->goid == 1) /* the main goroutine is made by the runtime's first instructions */
        return NULL;
    osp_inspect_spots(in, g->gopc - 1, &row);
    return row->func.n ? row : NULL;
}

/* ---- groups ----------------------------------------------------------------------------------------------------- */

static bool is_shown(osp_inspect *in, const osp_goroutine_query *q, const osp_goroutine *g)
{
    if (q->system || g->kind == OSP_G_OF_USER)
        return true;
    /* As in Go's own profile: finalizers of the program are its own while they run. */
    osp_str reason = osp_go_waitreason_text(osp_inspect_go(in), g->waitreason);
    return g->kind == OSP_G_OF_FINALIZERS &&
           !(g->status == OSP_G_WAITING &&
             (osp_str_eq(reason, S("finalizer wait")) || osp_str_eq(reason, S("cleanup wait"))));
}

/* The group of each goroutine that is shown, else UINT32_MAX. */
static bool number_groups(osp_inspect *in, const osp_goroutine_list *l, const osp_goroutine_query *q, osp_arena *a,
                          uint32_t *of, uint32_t *ngroup)
{
    osp_intern keys = {0};
    bool ok = true;
    for (uint32_t i = 0; ok && i < l->n; i++) {
        of[i] = UINT32_MAX;
        if (!is_shown(in, q, &l->g[i]))
            continue;
        key k = key_of(&l->g[i]);
        bool fresh = false;
        of[i] = osp_intern_put(&keys, (osp_str){(const char *)&k, sizeof k}, &fresh);
        ok = of[i] != UINT32_MAX;
        if (ok && fresh) {
            osp_str copy = osp_arena_str(a, (osp_str){(const char *)&k, sizeof k});
            ok = copy.p != NULL;
            keys.text[of[i]] = copy;
        }
    }
    *ngroup = keys.n;
    osp_intern_drop(&keys);
    return ok;
}

/* The k-th smallest of n numbers, which change places. */
static int64_t select_kth(int64_t *v, size_t n, size_t k)
{
    size_t lo = 0, hi = n - 1;
    while (lo < hi) {
        int64_t pivot = v[lo + (hi - lo) / 2];
        size_t i = lo, j = hi;
        for (;;) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i >= j)
                break;
            int64_t swap = v[i];
            v[i++] = v[j];
            v[j--] = swap;
        }
        if (k <= j)
            hi = j;
        else
            lo = j + 1;
    }
    return v[k];
}

/* What a group's goroutines say together. scratch has room for all of them. */
static void sum_up(const osp_goroutine_list *l, osp_goroutine_group *g, int64_t *scratch)
{
    g->least_ns = g->median_ns = g->most_ns = -1;
    for (uint32_t i = 0; i < g->n; i++) {
        const osp_goroutine *one = &l->g[g->member[i]];
        g->nlocked += one->lockedm != 0;
        if (one->waited_ns < 0)
            continue;
        scratch[g->nwaited++] = one->waited_ns;
        g->least_ns = g->least_ns < 0 || one->waited_ns < g->least_ns ? one->waited_ns : g->least_ns;
        g->most_ns = one->waited_ns > g->most_ns ? one->waited_ns : g->most_ns;
    }
    if (g->nwaited)
        g->median_ns = select_kth(scratch, g->nwaited, (g->nwaited - 1) / 2);
}

static int by_size(const void *a, const void *b, void *ctx)
{
    const osp_goroutine_list *l = ctx;
    const osp_goroutine_group *x = a, *y = b;
    uint64_t p = l->g[x->member[0]].goid, q = l->g[y->member[0]].goid;
    return x->n != y->n ? (x->n < y->n) - (x->n > y->n) : (p > q) - (p < q);
}

/* Lay out the groups' members behind each other. */
static bool fill(const osp_goroutine_list *l, const uint32_t *of, osp_arena *a, osp_goroutine_groups *out)
{
    uint32_t *member = osp_new(a, uint32_t, out->ngoroutine ? out->ngoroutine : 1), at = 0;
    uint32_t *next = calloc((size_t)out->n + 1, sizeof *next);
    int64_t *scratch = malloc(((size_t)out->ngoroutine + 1) * sizeof *scratch);
    bool ok = member && next && scratch;
    for (uint32_t i = 0; ok && i < out->n; i++) {
        out->row[i].member = member + at;
        next[i] = at;
        at += out->row[i].n;
    }
    for (uint32_t i = 0; ok && i < l->n; i++)
        if (of[i] != UINT32_MAX)
            member[next[of[i]]++] = i;
    for (uint32_t i = 0; ok && i < out->n; i++)
        sum_up(l, &out->row[i], scratch);
    free(next);
    free(scratch);
    return ok;
}

bool osp_inspect_groups(osp_inspect *in, const osp_goroutine_list *l, const osp_goroutine_query *q, osp_arena *a,
                        osp_goroutine_groups *out, osp_err *err)
{
    *out = (osp_goroutine_groups){0};
    uint32_t *of = malloc(((size_t)l->n + 1) * sizeof *of);
    bool ok = of && number_groups(in, l, q, a, of, &out->n);
    if (ok)
        out->row = osp_new(a, osp_goroutine_group, out->n ? out->n : 1);
    ok = ok && out->row;
    for (uint32_t i = 0; ok && i < l->n; i++)
        if (of[i] != UINT32_MAX) {
            out->row[of[i]].n++;
            out->ngoroutine++;
        }
    ok = ok && fill(l, of, a, out);
    free(of);
    if (!ok)
        return osp_fail_memory(err, "grouping goroutines");
    qsort_r(out->row, out->n, sizeof *out->row, by_size, (void *)(uintptr_t)l);
    return true;
}
