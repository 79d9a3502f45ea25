/* SPDX-License-Identifier: Apache-2.0 */
/* Where in its row a vertex stands: between the medians of its neighbours, swept down and up until crossings no longer
 * get fewer (Gansner and others, "A technique for drawing directed graphs", 1993). */
#include "draw/draw_internal.h"

#include <math.h>
#include <stdlib.h>

enum { SWEEPS = 24, MOST_WORK = 4000000, MOST_STEPS_TO_SWAP = 20000, MOST_PAIRS = 4000 };

typedef struct {
    osp_layout *l;
    double *median;   /* per vertex; < 0 = no neighbour there */
    uint32_t *places; /* of a vertex's neighbours */
    uint32_t *best;   /* per vertex: its place in the best order so far */
    uint32_t *tree;   /* to count with */
} ordering;

static uint32_t *neighbours(const osp_layout *l, uint32_t v, bool down, uint32_t *n)
{
    const uint32_t *first = down ? l->first_down : l->first_up;
    *n = first[v + 1] - first[v];
    return (down ? l->down : l->up) + first[v];
}

static uint32_t other_end(const osp_layout *l, uint32_t step, bool down)
{
    return down ? l->step[step].down : l->step[step].up;
}

/* ---- crossings ------------------------------------------------------------------------------------------------ */

static int by_number(const void *x, const void *y)
{
    const uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return (a > b) - (a < b);
}

/* Between this row and the next, in n log n: a tree of sums over the places below. */
static uint64_t row_crossings(const ordering *o, uint32_t rank)
{
    const osp_layout *l = o->l;
    const uint32_t width = l->nrow[rank + 1];
    uint64_t crossings = 0, seen = 0;
    memset(o->tree, 0, (size_t)(width + 1) * sizeof *o->tree);
    for (uint32_t i = 0; i < l->nrow[rank]; i++) {
        uint32_t n, *step = neighbours(l, l->row[rank][i], true, &n);
        for (uint32_t k = 0; k < n; k++)
            o->places[k] = l->vertex[l->step[step[k]].down].place;
        qsort(o->places, n, sizeof *o->places, by_number);
        for (uint32_t k = 0; k < n; k++) {
            uint64_t left = 0; /* of those before us, how many end at our place or left of it */
            for (uint32_t at = o->places[k] + 1; at > 0; at -= at & -at)
                left += o->tree[at];
            crossings += seen - left;
        }
        for (uint32_t k = 0; k < n; k++, seen++)
            for (uint32_t at = o->places[k] + 1; at <= width; at += at & -at)
                o->tree[at]++;
    }
    return crossings;
}

static uint64_t all_crossings(const ordering *o)
{
    uint64_t n = 0;
    for (uint32_t r = 0; r + 1 < o->l->nrank; r++)
        n += row_crossings(o, r);
    return n;
}

/* ---- medians -------------------------------------------------------------------------------------------------- */

/* The middle place of the neighbours; of an even number, nearer to where they stand closer. */
static double median_of(const ordering *o, uint32_t v, bool down)
{
    const osp_layout *l = o->l;
    uint32_t n, *step = neighbours(l, v, down, &n);
    if (n == 0)
        return -1;
    for (uint32_t k = 0; k < n; k++)
        o->places[k] = l->vertex[other_end(l, step[k], down)].place;
    qsort(o->places, n, sizeof *o->places, by_number);
    const uint32_t m = n / 2, *p = o->places;
    if (n % 2)
        return p[m];
    if (n == 2)
        return (p[0] + p[1]) / 2.0;
    const double left = p[m - 1] - p[0], right = p[n - 1] - p[m];
    return left + right > 0 ? (p[m - 1] * right + p[m] * left) / (left + right) : p[m];
}

/* Sorted by median; what has none keeps its place. (Insertion by merging: stable.) */
static void sort_row(const ordering *o, uint32_t rank)
{
    osp_layout *l = o->l;
    uint32_t *row = l->row[rank], *movable = o->places, n = 0, width = l->nrow[rank];
    for (uint32_t i = 0; i < width; i++)
        if (o->median[row[i]] >= 0)
            movable[n++] = row[i];
    for (uint32_t run = 1; run < n; run *= 2) /* merge sort, with the tree's memory */
        for (uint32_t from = 0; from < n; from += 2 * run) {
            const uint32_t mid = from + run < n ? from + run : n, to = mid + run < n ? mid + run : n;
            uint32_t a = from, b = mid;
            for (uint32_t k = from; k < to; k++)
                o->tree[k] = a < mid && (b == to || o->median[movable[a]] <= o->median[movable[b]]) ? movable[a++]
                                                                                                    : movable[b++];
            memcpy(movable + from, o->tree + from, (size_t)(to - from) * sizeof *movable);
        }
    for (uint32_t i = 0, k = 0; i < width; i++) {
        if (o->median[row[i]] >= 0)
            row[i] = movable[k++];
        l->vertex[row[i]].place = i;
    }
}

static void sweep(const ordering *o, bool down)
{
    const osp_layout *l = o->l;
    for (uint32_t i = 1; i < l->nrank; i++) {
        const uint32_t rank = down ? i : l->nrank - 1 - i;
        for (uint32_t k = 0; k < l->nrow[rank]; k++)
            o->median[l->row[rank][k]] = median_of(o, l->row[rank][k], !down);
        sort_row(o, rank);
    }
}

/* ---- swaps ---------------------------------------------------------------------------------------------------- */

/* How many crossings two vertices' steps to one side have, if a stands left of b. */
static int64_t pair_crossings(const osp_layout *l, uint32_t a, uint32_t b, bool down)
{
    uint32_t na, nb, *sa = neighbours(l, a, down, &na), *sb = neighbours(l, b, down, &nb);
    int64_t n = 0;
    if ((uint64_t)na * nb > MOST_PAIRS) /* hubs stay where their medians are */
        return 0;
    for (uint32_t i = 0; i < na; i++)
        for (uint32_t k = 0; k < nb; k++)
            n += l->vertex[other_end(l, sa[i], down)].place > l->vertex[other_end(l, sb[k], down)].place;
    return n;
}

static bool swap_row(osp_layout *l, uint32_t rank)
{
    bool better = false;
    for (uint32_t i = 0; i + 1 < l->nrow[rank]; i++) {
        uint32_t *row = l->row[rank], a = row[i], b = row[i + 1];
        const int64_t now = pair_crossings(l, a, b, false) + pair_crossings(l, a, b, true);
        if (now == 0 || pair_crossings(l, b, a, false) + pair_crossings(l, b, a, true) >= now)
            continue;
        row[i] = b;
        row[i + 1] = a;
        l->vertex[b].place = i;
        l->vertex[a].place = i + 1;
        better = true;
    }
    return better;
}

static void swap_neighbours(osp_layout *l)
{
    bool better = l->nstep <= MOST_STEPS_TO_SWAP;
    for (int pass = 0; pass < 10 && better; pass++) {
        better = false;
        for (uint32_t r = 0; r < l->nrank; r++)
            better |= swap_row(l, r);
    }
}

/* ---- the first order, and the best ---------------------------------------------------------------------------- */

/* Rows are filled by a walk from the boxes without callers, so that what belongs together stands together. */
static bool fill_rows(osp_layout *l)
{
    l->row = osp_new(&l->scratch, uint32_t *, l->nrank);
    l->nrow = osp_new(&l->scratch, uint32_t, l->nrank);
    uint32_t *size = osp_new(&l->scratch, uint32_t, l->nrank), *stack = osp_new(&l->scratch, uint32_t, l->nvertex),
             *next = osp_new(&l->scratch, uint32_t, l->nvertex);
    bool *seen = osp_new(&l->scratch, bool, l->nvertex);
    if (!l->row || !l->nrow || !size || !stack || !next || !seen)
        return false;
    for (uint32_t v = 0; v < l->nvertex; v++)
        size[l->vertex[v].rank]++;
    for (uint32_t r = 0; r < l->nrank; r++)
        if (!(l->row[r] = osp_new(&l->scratch, uint32_t, size[r])))
            return false;
    for (uint32_t root = 0; root < l->nvertex; root++) {
        uint32_t depth = 0;
        if (seen[root] || l->first_up[root] < l->first_up[root + 1] ||
            (l->vertex[root].box != OSP_NO_BOX && l->d->box[l->vertex[root].box].apart))
            continue;
        stack[depth++] = root;
        while (depth) {
            const uint32_t v = stack[depth - 1];
            if (!seen[v]) {
                seen[v] = true;
                next[v] = l->first_down[v];
                l->vertex[v].place = l->nrow[l->vertex[v].rank];
                l->row[l->vertex[v].rank][l->nrow[l->vertex[v].rank]++] = v;
            }
            if (next[v] == l->first_down[v + 1]) {
                depth--;
                continue;
            }
            const uint32_t to = l->step[l->down[next[v]++]].down;
            if (!seen[to])
                stack[depth++] = to;
        }
    }
    return true;
}

static void remember(const ordering *o)
{
    for (uint32_t v = 0; v < o->l->nvertex; v++)
        o->best[v] = o->l->vertex[v].place;
}

static void recall(const ordering *o)
{
    osp_layout *l = o->l;
    for (uint32_t r = 0; r < l->nrank; r++) {
        memcpy(o->places, l->row[r], l->nrow[r] * sizeof *o->places);
        for (uint32_t i = 0; i < l->nrow[r]; i++) {
            const uint32_t v = o->places[i];
            l->row[r][o->best[v]] = v;
            l->vertex[v].place = o->best[v];
        }
    }
}

bool osp_order_rows(osp_layout *l)
{
    ordering o = {
        .l = l,
        .median = osp_new(&l->scratch, double, l->nvertex),
        .places = osp_new(&l->scratch, uint32_t, (size_t)l->nvertex + l->nstep),
        .best = osp_new(&l->scratch, uint32_t, l->nvertex),
        .tree = osp_new(&l->scratch, uint32_t, (size_t)l->nvertex + 2),
    };
    if (!o.median || !o.places || !o.best || !o.tree || !fill_rows(l))
        return osp_fail_memory(l->err, "laying out a graph");
    const uint32_t work = l->nvertex + l->nstep + 1;
    const uint32_t sweeps = MOST_WORK / work < SWEEPS ? MOST_WORK / work + 2 : SWEEPS;
    uint64_t best = all_crossings(&o);
    remember(&o);
    for (uint32_t i = 0; i < sweeps && best > 0; i++) {
        sweep(&o, i % 2 == 0);
        swap_neighbours(l);
        const uint64_t now = all_crossings(&o);
        if (now < best) {
            best = now;
            remember(&o);
        }
    }
    recall(&o);
    return true;
}
