/* SPDX-License-Identifier: Apache-2.0 */
/* Residual edges that a picture does without: another path connects their ends. The lightest go first. */
#include "graph/graph_internal.h"

#include <stdlib.h>

typedef struct {
    osp_making *m;
    osp_link_lists in;
    uint32_t *seen; /* per node: the search that met it */
    uint32_t *queue;
    uint32_t search;
} walking;

/* Does a path lead from e's begin to its end without e? */
static bool redundant(walking *w, const osp_link *e)
{
    uint32_t n = 0;
    w->queue[n++] = e->e.to;
    w->seen[e->e.to] = ++w->search;
    for (uint32_t at = 0; at < n; at++)
        for (uint32_t i = w->in.first[w->queue[at]]; i < w->in.first[w->queue[at] + 1]; i++) {
            const osp_link *l = &w->m->link[w->in.link[i]];
            if (l == e || l->gone || w->seen[l->e.from] == w->search)
                continue;
            if (l->e.from == e->e.from)
                return true;
            w->seen[l->e.from] = w->search;
            w->queue[n++] = l->e.from;
        }
    return false;
}

/* An edge into the node at hand, and what its begin is called. */
typedef struct {
    osp_link *link;
    osp_str from;
} incoming;

static int heavier(const void *x, const void *y)
{
    const incoming *a = x, *b = y;
    int c = osp_by_weight(&a->link->e, &b->link->e, a->from, b->from, S(""), S(""));
    return c ? c : (a->link->e.from > b->link->e.from) - (a->link->e.from < b->link->e.from);
}

static bool simplify_into(walking *w, uint32_t node, incoming *in)
{
    uint32_t n = 0;
    for (uint32_t i = w->in.first[node]; i < w->in.first[node + 1]; i++) {
        osp_link *l = &w->m->link[w->in.link[i]];
        osp_node from;
        if (!osp_node_of(w->m, l->e.from, &from))
            return false;
        in[n++] = (incoming){l, from.label};
    }
    qsort(in, n, sizeof *in, heavier);
    /* Never one that is heavier than an edge that is not residual. */
    while (n > 0 && in[n - 1].link->e.residual) {
        osp_link *l = in[--n].link;
        l->gone = redundant(w, l);
    }
    return true;
}

bool osp_remove_redundant(osp_making *m)
{
    bool some = false;
    for (size_t i = 0; i < m->nlink; i++)
        some |= m->link[i].e.residual && !m->link[i].gone;
    if (!some || m->o->call_tree) /* in a tree there is no other path */
        return true;
    walking w = {.m = m, .seen = osp_new(&m->scratch, uint32_t, m->n), .queue = osp_new(&m->scratch, uint32_t, m->n)};
    incoming *in = osp_new(&m->scratch, incoming, m->nlink);
    if (!w.seen || !w.queue || !in || !osp_links_by_end(m, true, &w.in))
        return osp_making_no_memory(m);
    for (uint32_t i = m->nrank; i > 0; i--)
        if (!simplify_into(&w, m->rank[i - 1].id, in))
            return false;
    return true;
}
