/* SPDX-License-Identifier: Apache-2.0 */
/* The call tree: a node for each path from a root. Parents are numbered before their children. */
#include "graph/graph_internal.h"

#include <stdlib.h>

static uint32_t node_under(osp_making *m, uint32_t parent, uint32_t what, bool inlined)
{
    bool fresh;
    /* The root's number is one that no node has; its pair is (OSP_NONE + 1, ...) = (0, ...). */
    uint32_t id = osp_pair_put(&m->pairs, parent, what, m->n, &fresh);
    if (id == OSP_NONE || !fresh) {
        if (id != OSP_NONE && !inlined && parent != OSP_NONE)
            m->link[m->t[id].stamp].e.inlined = false;
        return id;
    }
    void *t = m->t, *whats = m->tree.what, *parents = m->tree.parent;
    const size_t want = (size_t)m->n + 1;
    bool ok = m->n < OSP_NONE - 1 && osp_grow(&t, &m->tree.tally_cap, want, sizeof *m->t);
    m->t = t;
    ok = ok && osp_grow(&whats, &m->tree.what_cap, want, sizeof *m->tree.what);
    m->tree.what = whats;
    ok = ok && osp_grow(&parents, &m->tree.parent_cap, want, sizeof *m->tree.parent);
    m->tree.parent = parents;
    if (!ok)
        return OSP_NONE;
    m->t[id] = (osp_tally){.kept = true, .stamp = OSP_NONE};
    m->tree.what[id] = what;
    m->tree.parent[id] = parent;
    if (parent != OSP_NONE) {
        osp_link *l = osp_link_new(m, parent, id);
        if (!l)
            return OSP_NONE;
        l->e.inlined = inlined;
        m->t[id].stamp = (uint32_t)(m->nlink - 1);
    }
    m->n++;
    return id;
}

static bool grow_stack(osp_making *m, uint32_t s)
{
    const osp_view *v = m->v;
    const int64_t w = v->weight[s], dw = v->divisor ? v->divisor[s] : 0;
    uint32_t at = OSP_NONE;
    const osp_stack stack = osp_view_stack(v, s);
    for (uint32_t i = stack.n; i > 0; i--) {
        const uint32_t loc = stack.loc[i - 1].i, first = m->first[loc], last = m->first[loc + 1] - 1;
        for (uint32_t k = last + 1; k > first; k--) {
            at = node_under(m, at, m->whats[k - 1], k - 1 != last);
            if (at == OSP_NONE)
                return osp_making_no_memory(m);
            osp_add(&m->t[at].cum, w);
            osp_add(&m->t[at].cum_divisor, dw);
        }
    }
    m->tree.leaf[s] = at;
    if (at != OSP_NONE) {
        osp_add(&m->t[at].flat, w);
        osp_add(&m->t[at].flat_divisor, dw);
    }
    return true;
}

bool osp_tree_grow(osp_making *m)
{
    m->tree.leaf = osp_new(&m->scratch, uint32_t, m->v->nstack);
    if (!m->tree.leaf)
        return osp_making_no_memory(m);
    m->n = 0;
    for (uint32_t s = 0; s < m->v->nstack; s++) {
        m->tree.leaf[s] = OSP_NONE;
        if (m->v->live[s] && !grow_stack(m, s))
            return false;
    }
    for (size_t i = 0; i < m->nlink; i++) {
        osp_edge *e = &m->link[i].e;
        e->weight = m->t[e->to].cum;
        e->divisor = m->t[e->to].cum_divisor;
    }
    return true;
}

bool osp_tree_contract(osp_making *m)
{
    uint32_t *link_of = osp_new(&m->scratch, uint32_t, m->n); /* the edge into a node, + 1 */
    if (!link_of)
        return osp_making_no_memory(m);
    for (size_t i = 0; i < m->nlink; i++) {
        osp_link *l = &m->link[i];
        if (l->gone)
            continue;
        const uint32_t from = l->e.from;
        if (!m->t[from].kept) { /* its own edge is done with: it stands before ours */
            const osp_link *above = link_of[from] ? &m->link[link_of[from] - 1] : NULL;
            l->gone = !above;
            if (above) {
                l->e.from = above->e.from;
                l->e.inlined &= above->e.inlined;
                l->e.residual = true;
            }
        }
        if (!l->gone)
            link_of[l->e.to] = (uint32_t)i + 1;
    }
    for (size_t i = 0; i < m->nlink; i++)
        m->link[i].gone |= !m->t[m->link[i].e.to].kept;
    return true;
}
