/* SPDX-License-Identifier: Apache-2.0 */
/* Callers that changed though none of their own did: a subtree grew, in more places than one can see.
 *
 * All callers of a function that changed change with it, up to main; to list them says nothing new. So callers are asked from
 * the leaves up, each by the stacks in which nothing below it is told of already: if their change alone is still beyond the
 * error, the caller is told of, and from then on explains what is above it; else it follows.
 *
 *   main ← serve ← { parse ← leafs …, write }     leafs: each a little more; write: told of
 *   parse is asked first, and told of; then serve, by what is left of it; then main */
#include "report/diff.h"

#include <stdlib.h>

/* A caller in a stack. */
typedef struct {
    uint32_t stack, outer, inner; /* stacks of the second half follow those of the first; frames from the leaf */
} passage;

typedef struct {
    double height; /* above the leaf, on average */
    uint32_t row;
} candidate;

typedef struct {
    osp_diff *d;
    const osp_diff_half *half;
    const uint8_t *told;
    size_t *first;     /* per row, n + 1 offsets into passage[]; rows that are no candidates have none */
    passage *passages; /* by row */
    uint32_t *floor;   /* per stack: the innermost frame that is told of, or UINT32_MAX */
    candidate *order;
    uint32_t ncandidate;
} asking;

static uint32_t nstack(const asking *a) { return a->half[0].view.nstack + a->half[1].view.nstack; }

static const osp_diff_half *half_of(const asking *a, uint32_t *stack)
{
    const uint32_t n = a->half[0].view.nstack;
    const bool second = *stack >= n;
    *stack -= second ? n : 0;
    return &a->half[second];
}

static osp_diff_sum weight_of(const asking *a, uint32_t stack)
{
    const osp_diff_half *h = half_of(a, &stack);
    return h->stack[stack];
}

static bool is_candidate(const asking *a, uint32_t row)
{
    return !a->told[row] && osp_change_errors(&a->d->row[row].cum) > 1;
}

/* The passages of one stack; without passages[], they are counted at the row behind theirs. */
static void walk(asking *a, uint32_t stack, size_t *next, uint32_t *seen)
{
    uint32_t local = stack, what, place = 0;
    const osp_diff_half *h = half_of(a, &local);
    osp_diff_frames f = osp_diff_frames_of(h, local);
    for (; osp_diff_next(&f, &what); place++) {
        const uint32_t row = h->row[what];
        if (place == 0 && a->told[row])
            a->floor[stack] = 0;
        if (!is_candidate(a, row))
            continue;
        if (a->passages && seen[row] == stack + 1)
            a->passages[next[row] - 1].outer = place;
        else if (a->passages)
            a->passages[next[row]++] = (passage){stack, place, place};
        else
            next[row + 1] += seen[row] != stack + 1;
        seen[row] = stack + 1;
    }
}

static void walk_all(asking *a, size_t *next, uint32_t *seen)
{
    memset(seen, 0, a->d->nrow * sizeof *seen);
    for (uint32_t s = 0; s < nstack(a); s++)
        if (weight_of(a, s).variance > 0)
            walk(a, s, next, seen);
}

static bool collect(asking *a)
{
    const uint32_t n = a->d->nrow;
    size_t *next = calloc((size_t)n + 1, sizeof *next);
    uint32_t *seen = calloc((size_t)n + 1, sizeof *seen);
    a->floor = malloc(((size_t)nstack(a) + 1) * sizeof *a->floor);
    a->first = calloc((size_t)n + 1, sizeof *a->first);
    bool ok = next && seen && a->floor && a->first;
    if (ok) {
        memset(a->floor, 0xff, nstack(a) * sizeof *a->floor);
        walk_all(a, a->first, seen);
        for (uint32_t i = 0; i < n; i++)
            a->first[i + 1] += a->first[i];
        a->passages = malloc((a->first[n] + 1) * sizeof *a->passages);
        ok = a->passages != NULL;
    }
    if (ok) {
        memcpy(next, a->first, ((size_t)n + 1) * sizeof *next);
        walk_all(a, next, seen);
    }
    free(next);
    free(seen);
    return ok;
}

static int from_the_leaves(const void *x, const void *y)
{
    const candidate *a = x, *b = y;
    return a->height != b->height ? (a->height > b->height) - (a->height < b->height)
                                  : (a->row > b->row) - (a->row < b->row);
}

static bool order(asking *a)
{
    a->order = malloc(((size_t)a->d->nrow + 1) * sizeof *a->order);
    if (!a->order)
        return false;
    for (uint32_t row = 0; row < a->d->nrow; row++) {
        double height = 0, weight = 0;
        for (size_t i = a->first[row]; i < a->first[row + 1]; i++) {
            const double w = weight_of(a, a->passages[i].stack).variance;
            height += w * a->passages[i].inner;
            weight += w;
        }
        if (weight > 0)
            a->order[a->ncandidate++] = (candidate){height / weight, row};
    }
    qsort(a->order, a->ncandidate, sizeof *a->order, from_the_leaves);
    return true;
}

/* Is what nothing below it explains beyond the error? */
static bool changed_alone(const asking *a, uint32_t row)
{
    osp_diff_sum left[2] = {{0, 0}, {0, 0}};
    for (size_t i = a->first[row]; i < a->first[row + 1]; i++) {
        const passage *p = &a->passages[i];
        if (a->floor[p->stack] >= p->outer)
            osp_diff_add(&left[p->stack >= a->half[0].view.nstack], weight_of(a, p->stack));
    }
    const osp_change c = osp_diff_judge(left, a->half, a->d->width);
    return osp_change_errors(&c) > 1;
}

static void explain_above(asking *a, uint32_t row)
{
    for (size_t i = a->first[row]; i < a->first[row + 1]; i++) {
        const passage *p = &a->passages[i];
        if (p->inner < a->floor[p->stack])
            a->floor[p->stack] = p->inner;
    }
}

bool osp_diff_callers(osp_diff *d, const osp_diff_half half[2], const uint8_t *told, uint8_t *caller, osp_err *err)
{
    asking a = {.d = d, .half = half, .told = told};
    const bool ok = collect(&a) && order(&a);
    for (uint32_t i = 0; ok && i < a.ncandidate; i++) {
        const uint32_t row = a.order[i].row;
        caller[row] = changed_alone(&a, row);
        d->row[row].follows = !caller[row];
        d->ncaller += caller[row];
        d->nfollow += !caller[row];
        if (caller[row])
            explain_above(&a, row);
    }
    free(a.first);
    free(a.passages);
    free(a.floor);
    free(a.order);
    return ok || osp_fail_memory(err, "comparing two profiles");
}
