/* SPDX-License-Identifier: Apache-2.0 */
/* Edges between few nodes. Most reports keep some 80 nodes of thousands: there is a cell for each pair of them, and no edge is ever looked for. */
#include "graph/graph_internal.h"

#include <stdlib.h>

typedef struct {
    int64_t weight;
    uint32_t stamp; /* 1 + the stack that last touched it; 0: nobody calls so */
    bool residual, called;
} cell;

/* A location with nodes that are kept; numbers are those among the few. */
typedef struct {
    uint16_t outer, inner; /* the first that is entered, and the last */
    bool several;          /* nodes that are kept */
    bool before, behind;   /* nodes were left out */
    bool inlined;          /* the first is, into one left out */
} kept_place;

typedef struct {
    osp_making *m;
    uint32_t n, *number, *node; /* of the few: by node, and back */
    uint8_t *kept;              /* per location: has it a place? */
    kept_place *place;          /* per location */
    cell *cell;                 /* n * n, callers by callees */
    int64_t *divisor;           /* of these; NULL without mean */
    uint32_t *met, nmet;        /* cells in the order in which they were met */
    uint32_t *at;               /* of the stack at hand: where kept locations are, from the root */
} few;

static inline void add_call(few *g, const osp_weighed *k, uint32_t from, uint32_t to, bool residual, bool inlined)
{
    const size_t i = (size_t)from * g->n + to;
    cell *c = &g->cell[i];
    const bool once = c->stamp != k->id + 1; /* without a branch, as above */
    if (c->stamp == 0)
        g->met[g->nmet++] = (uint32_t)i;
    c->stamp = k->id + 1;
    osp_add(&c->weight, k->w & -(int64_t)once);
    c->residual |= residual & once;
    c->called |= !inlined & once;
    if (g->divisor)
        osp_add(&g->divisor[i], k->dw & -(int64_t)once);
}

/* The calls that were inlined at a location. */
static void add_inner_calls(few *g, const osp_weighed *k, uint32_t loc)
{
    const osp_making *m = g->m;
    uint32_t from = OSP_NONE;
    bool residual = false;
    for (uint32_t i = m->first[loc + 1]; i-- > m->first[loc];) {
        const uint32_t n = m->whats[i];
        if (!m->t[n].kept) {
            residual = true;
            continue;
        }
        if (from != OSP_NONE)
            add_call(g, k, from, g->number[n], residual, true);
        from = g->number[n];
        residual = false;
    }
}

static inline void add_calls(few *g, const osp_weighed *k)
{
    const uint32_t depth = (uint32_t)(k->end - k->leaf);
    uint32_t n = 0;
    for (uint32_t i = depth; i-- > 0;) {
        g->at[n] = i;
        n += g->kept[k->leaf[i].i];
    }
    const kept_place *from = NULL;
    for (uint32_t j = 0; j < n; j++) {
        const uint32_t loc = k->leaf[g->at[j]].i;
        const kept_place *to = &g->place[loc];
        if (from)
            add_call(g, k, from->inner, to->outer, from->behind | to->before | (g->at[j - 1] - g->at[j] > 1),
                     to->inlined);
        if (to->several)
            add_inner_calls(g, k, loc);
        from = to;
    }
}

static void find_places(few *g)
{
    const osp_making *m = g->m;
    for (uint32_t l = 0; l < m->v->of->locations.n; l++) {
        kept_place *p = &g->place[l];
        for (uint32_t i = m->first[l + 1]; i-- > m->first[l];) {
            const uint32_t n = m->whats[i];
            if (!m->t[n].kept) {
                *(g->kept[l] ? &p->behind : &p->before) = true;
                continue;
            }
            p->inner = (uint16_t)g->number[n];
            p->several |= g->kept[l];
            p->behind = false;
            if (!g->kept[l]) {
                p->outer = p->inner;
                p->inlined = i + 1 != m->first[l + 1];
            }
            g->kept[l] = 1;
        }
    }
}

/* False without memory. */
static bool make_few(osp_making *m, uint32_t n, few *g)
{
    const size_t nloc = m->v->of->locations.n, ncell = (size_t)n * n;
    *g = (few){.m = m};
    g->number = calloc((size_t)m->n + 1, sizeof *g->number);
    g->node = calloc((size_t)n + 1, sizeof *g->node);
    g->kept = calloc(nloc + 1, sizeof *g->kept);
    g->place = calloc(nloc + 1, sizeof *g->place);
    g->cell = calloc(ncell + 1, sizeof *g->cell);
    g->divisor = m->v->divisor ? calloc(ncell + 1, sizeof *g->divisor) : NULL;
    g->met = calloc(ncell + 1, sizeof *g->met);
    g->at = calloc((size_t)m->v->of->stacks.deepest + 1, sizeof *g->at);
    if (!g->number || !g->node || !g->kept || !g->place || !g->cell || (m->v->divisor && !g->divisor) || !g->met ||
        !g->at)
        return false;
    for (uint32_t i = 0; i < m->n; i++)
        if (m->t[i].kept) {
            g->node[g->n] = i;
            g->number[i] = g->n++;
        }
    find_places(g);
    return true;
}

static void drop_few(few *g)
{
    free(g->number);
    free(g->node);
    free(g->kept);
    free(g->place);
    free(g->cell);
    free(g->divisor);
    free(g->met);
    free(g->at);
}

/* What the cells hold as edges; nobody calls himself here. */
static bool list_links(const few *g)
{
    for (uint32_t i = 0; i < g->nmet; i++) {
        const cell *c = &g->cell[g->met[i]];
        const uint32_t from = g->node[g->met[i] / g->n], to = g->node[g->met[i] % g->n];
        if (from == to || !osp_is_wanted(g->m, from, to))
            continue;
        osp_link *l = osp_link_new(g->m, from, to);
        if (!l)
            return false;
        l->e.weight = c->weight;
        l->e.divisor = g->divisor ? g->divisor[g->met[i]] : 0;
        l->e.residual = c->residual;
        l->e.inlined = !c->called;
    }
    return true;
}

bool osp_link_few(osp_making *m, uint32_t n)
{
    const osp_view *v = m->v;
    few g;
    bool ok = make_few(m, n, &g);
    for (uint32_t s = 0; ok && s < v->nstack; s++)
        if (osp_is_linked(m, s)) {
            const osp_weighed k = osp_stack_of(v, s);
            add_calls(&g, &k);
        }
    ok = (ok && list_links(&g)) || osp_making_no_memory(m);
    drop_few(&g);
    return ok;
}
