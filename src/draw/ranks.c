/* SPDX-License-Identifier: Apache-2.0 */
/* Which box stands on which rank: arrows lead downwards, but for those that close a circle. Boxes stand on even ranks,
 * labels of arrows on odd ones. Then the vertices and steps that the other stages work on. */
#include "draw/draw_internal.h"

enum { MOST_VERTICES = 300000, TIGHTENINGS = 24 };

static bool no_memory(osp_layout *l) { return osp_fail_memory(l->err, "laying out a graph"); }

/* Arrows by one of their ends: those of box i are at [first[i], first[i + 1]). */
typedef struct {
    uint32_t *first, *arrow;
} lists;

static uint32_t top_of(const osp_layout *l, uint32_t arrow)
{
    return l->reversed[arrow] ? l->d->arrow[arrow].to : l->d->arrow[arrow].from;
}

static uint32_t bottom_of(const osp_layout *l, uint32_t arrow)
{
    return l->reversed[arrow] ? l->d->arrow[arrow].from : l->d->arrow[arrow].to;
}

static bool is_loop(const osp_arrow *e) { return e->from == e->to; }

static bool by_end(osp_layout *l, bool bottom, lists *out)
{
    const osp_drawing *d = l->d;
    uint32_t *first = osp_new(&l->scratch, uint32_t, (size_t)d->nbox + 2);
    uint32_t *arrow = osp_new(&l->scratch, uint32_t, d->narrow);
    if (!first || !arrow)
        return no_memory(l);
    for (uint32_t i = 0; i < d->narrow; i++)
        first[(bottom ? bottom_of(l, i) : top_of(l, i)) + 2] += !is_loop(&d->arrow[i]);
    for (uint32_t i = 2; i < d->nbox + 2; i++)
        first[i] += first[i - 1];
    for (uint32_t i = 0; i < d->narrow; i++)
        if (!is_loop(&d->arrow[i]))
            arrow[first[(bottom ? bottom_of(l, i) : top_of(l, i)) + 1]++] = i;
    *out = (lists){first, arrow};
    return true;
}

/* ---- circles -------------------------------------------------------------------------------------------------- */

/* A walk down from every box that nothing leads to, then from the rest: what leads back into the path is reversed. */
static bool break_circles(osp_layout *l)
{
    const osp_drawing *d = l->d;
    enum { NEW, OPEN, DONE };
    lists out, in;
    uint8_t *state = osp_new(&l->scratch, uint8_t, d->nbox);
    uint32_t *path = osp_new(&l->scratch, uint32_t, d->nbox), *next = osp_new(&l->scratch, uint32_t, d->nbox);
    if (!state || !path || !next || !by_end(l, false, &out) || !by_end(l, true, &in))
        return no_memory(l);
    for (uint32_t pass = 0; pass < 2; pass++)
        for (uint32_t root = 0; root < d->nbox; root++) {
            if (state[root] != NEW || (pass == 0 && in.first[root] < in.first[root + 1]))
                continue;
            uint32_t depth = 0;
            path[depth++] = root;
            state[root] = OPEN;
            next[root] = out.first[root];
            while (depth) {
                const uint32_t at = path[depth - 1];
                if (next[at] == out.first[at + 1]) {
                    state[at] = DONE;
                    depth--;
                    continue;
                }
                const uint32_t arrow = out.arrow[next[at]++], to = d->arrow[arrow].to;
                l->reversed[arrow] = state[to] == OPEN;
                if (state[to] == NEW) {
                    state[to] = OPEN;
                    next[to] = out.first[to];
                    path[depth++] = to;
                }
            }
        }
    return true;
}

/* ---- ranks ---------------------------------------------------------------------------------------------------- */

static uint32_t length(const osp_layout *l, uint32_t arrow) { return 2 * l->d->arrow[arrow].least; }

/* As high as the arrows allow. order[]: boxes, each after all that lead to it. */
static void longest_paths(osp_layout *l, const lists *in, const lists *out, uint32_t *order)
{
    const osp_drawing *d = l->d;
    uint32_t *waiting = osp_new(&l->scratch, uint32_t, d->nbox), n = 0;
    if (!waiting)
        return;
    for (uint32_t i = 0; i < d->nbox; i++)
        if (!(waiting[i] = in->first[i + 1] - in->first[i]))
            order[n++] = i;
    for (uint32_t at = 0; at < n; at++)
        for (uint32_t k = out->first[order[at]]; k < out->first[order[at] + 1]; k++) {
            const uint32_t arrow = out->arrow[k], to = bottom_of(l, arrow);
            const uint32_t rank = l->rank[order[at]] + length(l, arrow);
            l->rank[to] = rank > l->rank[to] ? rank : l->rank[to];
            if (--waiting[to] == 0)
                order[n++] = to;
        }
}

/* Put the box where its arrows are shortest, as far as they allow. True if it moved. */
static bool tighten(osp_layout *l, const lists *in, const lists *out, uint32_t box)
{
    uint32_t least = 0, most = UINT32_MAX;
    double above = 0, below = 0;
    for (uint32_t k = in->first[box]; k < in->first[box + 1]; k++) {
        const uint32_t rank = l->rank[top_of(l, in->arrow[k])] + length(l, in->arrow[k]);
        least = rank > least ? rank : least;
        above += l->d->arrow[in->arrow[k]].weight;
    }
    for (uint32_t k = out->first[box]; k < out->first[box + 1]; k++) {
        const uint32_t rank = l->rank[bottom_of(l, out->arrow[k])] - length(l, out->arrow[k]);
        most = rank < most ? rank : most;
        below += l->d->arrow[out->arrow[k]].weight;
    }
    const uint32_t want = below > above ? most : above > below ? least : l->rank[box];
    const bool moved = want != l->rank[box] && want != UINT32_MAX;
    l->rank[box] = moved ? want : l->rank[box];
    return moved;
}

static bool rank_boxes(osp_layout *l)
{
    const osp_drawing *d = l->d;
    lists in, out;
    uint32_t *order = osp_new(&l->scratch, uint32_t, d->nbox);
    if (!order || !by_end(l, true, &in) || !by_end(l, false, &out))
        return no_memory(l);
    longest_paths(l, &in, &out, order);
    bool moved = true;
    for (int pass = 0; pass < TIGHTENINGS && moved; pass++) {
        moved = false;
        for (uint32_t i = d->nbox; i > 0; i--)
            moved |= tighten(l, &in, &out, order[i - 1]);
        for (uint32_t i = 0; i < d->nbox; i++)
            moved |= tighten(l, &in, &out, order[i]);
    }
    uint32_t least = UINT32_MAX;
    for (uint32_t i = 0; i < d->nbox; i++)
        least = l->rank[i] < least ? l->rank[i] : least;
    for (uint32_t i = 0; i < d->nbox; i++) {
        l->rank[i] -= least;
        l->nrank = l->rank[i] >= l->nrank ? l->rank[i] + 1 : l->nrank;
    }
    return true;
}

/* ---- vertices and steps --------------------------------------------------------------------------------------- */

static bool count_vertices(osp_layout *l, size_t *nvertex, size_t *nstep)
{
    *nvertex = l->d->nbox;
    *nstep = 0;
    for (uint32_t i = 0; i < l->d->narrow; i++) {
        if (is_loop(&l->d->arrow[i]) || l->d->box[l->d->arrow[i].from].apart || l->d->box[l->d->arrow[i].to].apart)
            continue;
        const uint32_t span = l->rank[bottom_of(l, i)] - l->rank[top_of(l, i)];
        *nvertex += span - 1;
        *nstep += span;
    }
    return *nvertex <= MOST_VERTICES ||
           osp_fail(l->err, OSP_ELIMIT, "too large a graph to draw (%u boxes): take fewer nodes", l->d->nbox);
}

static void add_bends(osp_layout *l, uint32_t i)
{
    const osp_arrow *e = &l->d->arrow[i];
    const uint32_t top = top_of(l, i), bottom = bottom_of(l, i), span = l->rank[bottom] - l->rank[top];
    const uint32_t label = (span / 2) | 1; /* an odd rank, near the middle */
    /* Arrows of little weight shall still be straight: weight counts by its root, as in a network of springs. */
    const double weight = 1 + e->weight / 20;
    l->route[i] = (osp_route){.vertex = l->nvertex, .nstep = span, .upwards = l->reversed[i]};
    uint32_t above = top;
    for (uint32_t k = 1; k <= span; k++) {
        uint32_t here = bottom;
        if (k < span) {
            osp_vertex *v = &l->vertex[here = l->nvertex++];
            *v = (osp_vertex){.box = OSP_NO_BOX, .rank = l->rank[top] + k, .w = 4};
            if (k == label && e->label.n) {
                v->labelled = true;
                v->w = e->label.w + 8;
                v->h = e->label.h;
                v->anchor = -v->w / 2 + 2;
            }
        }
        const bool inner = above >= l->d->nbox && here >= l->d->nbox, outer = above < l->d->nbox && here < l->d->nbox;
        l->step[l->nstep++] = (osp_step){above, here, weight * (inner ? 8 : outer ? 1 : 2)};
        above = here;
    }
}

static bool list_steps(osp_layout *l)
{
    const size_t n = (size_t)l->nvertex + 2;
    uint32_t *first[2];
    for (int down = 0; down < 2; down++) {
        first[down] = osp_new(&l->scratch, uint32_t, n);
        uint32_t *step = osp_new(&l->scratch, uint32_t, l->nstep);
        if (!first[down] || !step)
            return no_memory(l);
        for (uint32_t i = 0; i < l->nstep; i++)
            first[down][(down ? l->step[i].up : l->step[i].down) + 2]++;
        for (size_t i = 2; i < n; i++)
            first[down][i] += first[down][i - 1];
        for (uint32_t i = 0; i < l->nstep; i++)
            step[first[down][(down ? l->step[i].up : l->step[i].down) + 1]++] = i;
        *(down ? &l->down : &l->up) = step;
    }
    l->first_up = first[0];
    l->first_down = first[1];
    return true;
}

static bool make_vertices(osp_layout *l)
{
    size_t nvertex, nstep;
    if (!count_vertices(l, &nvertex, &nstep))
        return false;
    l->vertex = osp_new(&l->scratch, osp_vertex, nvertex);
    l->step = osp_new(&l->scratch, osp_step, nstep);
    l->route = osp_new(&l->scratch, osp_route, l->d->narrow);
    if (!l->vertex || !l->step || !l->route)
        return no_memory(l);
    for (uint32_t i = 0; i < l->d->nbox; i++)
        l->vertex[l->nvertex++] =
            (osp_vertex){.box = i, .rank = l->rank[i], .w = l->d->box[i].w, .h = l->d->box[i].h};
    for (uint32_t i = 0; i < l->d->narrow; i++) {
        const osp_arrow *e = &l->d->arrow[i];
        if (!is_loop(e) && !l->d->box[e->from].apart && !l->d->box[e->to].apart)
            add_bends(l, i);
    }
    return list_steps(l);
}

bool osp_choose_ranks(osp_layout *l)
{
    l->rank = osp_new(&l->scratch, uint32_t, l->d->nbox);
    l->reversed = osp_new(&l->scratch, bool, l->d->narrow);
    if (!l->rank || !l->reversed)
        return no_memory(l);
    return break_circles(l) && rank_boxes(l) && make_vertices(l);
}
