/* SPDX-License-Identifier: Apache-2.0 */
/* Edges: pairs of nodes that are kept, one above the other on a stack. */
#include "graph/graph_internal.h"

#include <stdlib.h>

/* ---- pairs and links ------------------------------------------------------------------------------------------ */

static bool widen_pairs(osp_pairs *p)
{
    size_t ncell = p->ncell ? p->ncell * 2 : 1024;
    osp_pair_cell *cell = calloc(ncell, sizeof *cell);
    if (!cell)
        return false;
    for (size_t i = 0; i < p->ncell; i++) {
        if (!p->cell[i].key)
            continue;
        size_t at = osp_hash_mix(p->cell[i].key, 0) & (ncell - 1);
        while (cell[at].key)
            at = (at + 1) & (ncell - 1);
        cell[at] = p->cell[i];
    }
    free(p->cell);
    p->cell = cell;
    p->ncell = ncell;
    return true;
}

uint32_t osp_pair_put(osp_pairs *p, uint32_t from, uint32_t to, uint32_t next, bool *fresh)
{
    if (p->n * 2 >= p->ncell && !widen_pairs(p))
        return OSP_NONE;
    const uint64_t key = (uint64_t)(uint32_t)(from + 1) << 32 | (uint32_t)(to + 1);
    size_t at = osp_hash_mix(key, 0) & (p->ncell - 1);
    while (p->cell[at].key && p->cell[at].key != key)
        at = (at + 1) & (p->ncell - 1);
    *fresh = !p->cell[at].key;
    if (*fresh) {
        p->cell[at] = (osp_pair_cell){key, next};
        p->n++;
    }
    return p->cell[at].id;
}

void osp_pairs_clear(osp_pairs *p)
{
    if (p->ncell)
        memset(p->cell, 0, p->ncell * sizeof *p->cell);
    p->n = 0;
}

osp_link *osp_link_new(osp_making *m, uint32_t from, uint32_t to)
{
    void *links = m->link;
    bool ok = m->nlink < OSP_NONE && osp_grow(&links, &m->link_cap, m->nlink + 1, sizeof *m->link);
    m->link = links;
    if (!ok)
        return NULL;
    m->link[m->nlink] = (osp_link){.e = {.from = from, .to = to, .inlined = true}, .stamp = OSP_NONE};
    return &m->link[m->nlink++];
}

bool osp_links_by_end(osp_making *m, bool by_to, osp_link_lists *out)
{
    uint32_t *first = osp_new(&m->scratch, uint32_t, (size_t)m->n + 2),
             *link = osp_new(&m->scratch, uint32_t, m->nlink);
    if (!first || !link)
        return osp_making_no_memory(m);
    for (size_t i = 0; i < m->nlink; i++)
        first[(by_to ? m->link[i].e.to : m->link[i].e.from) + 2] += !m->link[i].gone;
    for (uint32_t i = 2; i < m->n + 2; i++)
        first[i] += first[i - 1];
    for (size_t i = 0; i < m->nlink; i++)
        if (!m->link[i].gone)
            link[first[(by_to ? m->link[i].e.to : m->link[i].e.from) + 1]++] = (uint32_t)i;
    *out = (osp_link_lists){first, link};
    return true;
}

/* ---- edges ----------------------------------------------------------------------------------------------------- */

/* Where the last edge from a place went. */
typedef struct {
    uint32_t to, link;
} way;

typedef struct {
    osp_making *m;
    const uint32_t *node; /* per location */
    way *last;            /* per entry of whats[]: nearly all calls at a place are of one function */
} linking;

/* Where on a stack we are, from root to leaf: the last node that is kept, where it stands in whats[], and if others were
 * left out since. */
typedef struct {
    uint32_t parent, place;
    bool residual;
} footing;

/* The edge from where we are to a node; OSP_NONE without memory. */
static inline uint32_t link_to(linking *g, footing at, uint32_t to)
{
    osp_making *m = g->m;
    way *last = &g->last[at.place];
    if (last->to != to) {
        bool fresh;
        last->to = to;
        last->link = osp_pair_put(&m->pairs, at.parent, to, (uint32_t)m->nlink, &fresh);
        if (last->link != OSP_NONE && fresh && !osp_link_new(m, at.parent, to))
            last->link = OSP_NONE;
    }
    return last->link;
}

static bool weigh_edge(linking *g, const osp_weighed *k, footing at, uint32_t to, bool inlined)
{
    const uint32_t link = link_to(g, at, to);
    if (link == OSP_NONE)
        return osp_making_no_memory(g->m);
    osp_link *l = &g->m->link[link];
    const bool once = l->stamp != k->id; /* without a branch, as above */
    l->stamp = k->id;
    osp_add(&l->e.weight, k->w & -(int64_t)once);
    osp_add(&l->e.divisor, k->dw & -(int64_t)once);
    l->e.residual |= at.residual & once;
    l->e.inlined &= inlined | !once;
    return true;
}

static inline bool link_node(linking *g, const osp_weighed *k, footing *at, uint32_t n, uint32_t place, bool inlined)
{
    if (at->parent != n && at->parent != OSP_NONE && osp_is_wanted(g->m, at->parent, n) &&
        !weigh_edge(g, k, *at, n, inlined))
        return false;
    *at = (footing){n, place, false};
    return true;
}

static inline bool link_several(linking *g, const osp_weighed *k, footing *at, uint32_t loc)
{
    const osp_making *m = g->m;
    const uint32_t first = m->first[loc], last = m->first[loc + 1] - 1;
    for (uint32_t i = last + 1; i > first; i--) {
        const uint32_t n = m->whats[i - 1];
        if (!m->t[n].kept)
            at->residual = true;
        else if (!link_node(g, k, at, n, i - 1, i - 1 != last))
            return false;
    }
    return true;
}

static inline bool link_stack(linking *g, osp_weighed k)
{
    footing at = {.parent = OSP_NONE};
    for (const osp_location_id *p = k.end; p > k.leaf;) {
        const uint32_t loc = (--p)->i, n = g->node[loc];
        if (n == OSP_LEFT_OUT)
            at.residual = true;
        else if (n == OSP_SEVERAL ? !link_several(g, &k, &at, loc)
                                  : !link_node(g, &k, &at, n, g->m->first[loc], false))
            return false;
    }
    return true;
}

static bool link_stacks(osp_making *m)
{
    const osp_view *v = m->v;
    const uint32_t nplace = m->first[v->of->locations.n];
    uint32_t *node = osp_nodes_of_locations(m, NULL);
    linking g = {m, node, calloc((size_t)nplace + 1, sizeof *g.last)};
    bool ok = (node && g.last) || osp_making_no_memory(m);
    osp_pairs_clear(&m->pairs);
    for (uint32_t i = 0; ok && i < nplace; i++)
        g.last[i].to = OSP_NONE;
    for (uint32_t s = 0; ok && s < v->nstack; s++)
        if (osp_is_linked(m, s))
            ok = link_stack(&g, osp_stack_of(v, s));
    free(node);
    free(g.last);
    return ok;
}

bool osp_links_weigh(osp_making *m)
{
    uint32_t nkept = 0;
    m->nlink = 0;
    if (m->o->no_edges && osp_inner_tell(m))
        return true;
    for (uint32_t i = 0; i < m->n; i++)
        nkept += m->t[i].kept;
    return nkept <= OSP_FEW ? osp_link_few(m, nkept) : link_stacks(m);
}
