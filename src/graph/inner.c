/* SPDX-License-Identifier: Apache-2.0 */
/* Which functions were inlined wherever they were called. A table of functions wants to know no more of edges, and that
 * can mostly be told from the calls inside of locations: where every place at which a function stands is inside of another,
 * all edges into it are inlined, and it is enough to know that one of them weighs enough to be kept. Of the few of which
 * that cannot be told, the edges are made: out of stacks that may have them, as a bit a function says. */
#include "graph/graph_internal.h"

#include <stdlib.h>

static uint32_t call_id(osp_making *m, uint32_t from, uint32_t to)
{
    osp_inner *c = &m->inner;
    bool fresh;
    const uint32_t id = osp_pair_put(&c->pairs, from, to, c->n, &fresh);
    if (id != OSP_NONE && fresh)
        c->call[c->n++] = (struct osp_inner_call){from, to};
    return id;
}

/* A location's nodes, then the calls between them. */
static uint32_t *list_location(osp_making *m, uint32_t l, uint32_t *to)
{
    const uint32_t first = m->first[l], last = m->first[l + 1] - 1;
    memcpy(to, m->whats + first, (last + 1 - first) * sizeof *to);
    to += last + 1 - first;
    for (uint32_t i = first; i < last; i++) {
        const uint32_t id = call_id(m, m->whats[i + 1], m->whats[i]);
        if (id == OSP_NONE)
            return NULL;
        *to++ = m->n + id;
    }
    m->inner.outermost[m->whats[last]] = true;
    return to;
}

static void give_bits(osp_making *m)
{
    unsigned next = 0;
    for (uint32_t i = 0; i < m->inner.n; i++)
        if (!m->bit[m->inner.call[i].to])
            m->bit[m->inner.call[i].to] = UINT64_C(1) << next++ % 64;
}

bool osp_inner_make(osp_making *m)
{
    const uint32_t nloc = m->v->of->locations.n, nplace = m->first[nloc];
    uint32_t *first = osp_new(&m->scratch, uint32_t, (size_t)nloc + 1),
             *list = osp_new(&m->scratch, uint32_t, 2 * (size_t)nplace), *to = list;
    m->inner.call = osp_new(&m->scratch, struct osp_inner_call, nplace);
    m->inner.outermost = osp_new(&m->scratch, bool, m->n);
    m->bit = osp_new(&m->scratch, uint64_t, m->n);
    m->wanted = osp_new(&m->scratch, uint8_t, m->n);
    if (!first || !list || !m->inner.call || !m->inner.outermost || !m->bit || !m->wanted)
        return osp_making_no_memory(m);
    for (uint32_t l = 0; l < nloc; l++) {
        first[l] = (uint32_t)(to - list);
        to = list_location(m, l, to);
        if (!to)
            return osp_making_no_memory(m);
    }
    first[nloc] = (uint32_t)(to - list);
    m->weighed_first = first;
    m->weighed = list;
    give_bits(m);
    return true;
}

enum { HAS_EDGE = 1, UNSURE = 2 };

/* What is known of the edges into a node by one of its inner calls. A call over a node that is left out is part of another
 * edge. */
static uint8_t known_of(const osp_making *m, uint32_t i)
{
    const struct osp_inner_call *c = &m->inner.call[i];
    const osp_sum *sum = &m->sum[m->n + i];
    if (m->inner.outermost[c->to])
        return UNSURE;
    if (sum->stamp == OSP_NONE || c->from == c->to)
        return 0;
    if (!m->t[c->from].kept)
        return UNSURE;
    return osp_abs(sum->cum) >= m->edge_cutoff ? HAS_EDGE : 0;
}

bool osp_inner_tell(osp_making *m)
{
    const osp_inner *c = &m->inner;
    memset(m->wanted, 0, m->n);
    m->asked = 0;
    for (uint32_t i = 0; i < c->n; i++)
        m->wanted[c->call[i].to] |= known_of(m, i);
    for (uint32_t i = 0; i < m->n; i++) {
        const uint8_t known = m->wanted[i];
        /* Where weights can be negative, others of an edge may outweigh what is known of it. */
        const bool enough = known & HAS_EDGE && !c->outermost[i] && !c->has_negative;
        const bool sure = enough || !(known & UNSURE) || !osp_is_shown(m, &m->t[i]);
        m->t[i].inlined = sure && known & HAS_EDGE;
        m->wanted[i] = sure ? 0 : OSP_INTO;
        m->asked |= sure ? 0 : m->bit[i];
    }
    return !m->asked;
}
