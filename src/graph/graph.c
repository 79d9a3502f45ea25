/* SPDX-License-Identifier: Apache-2.0 */
/* The call graph, by the rules of google/pprof's internal/graph and internal/report:
 *
 *   1. a node for each distinct (name, address, file, line, ...) that the granularity leaves, several a location
 *      where calls were inlined; in a call tree, for each path of such;
 *   2. weights of all nodes; those below node_fraction go;
 *   3. sort; with node_count, the rest goes (a picture counts tags as nodes);
 *   4. edges between the nodes that stay: one over a node left out is residual; edges below edge_fraction go;
 *   5. for a picture: residual edges go whose ends another path connects.
 *
 * Weights come from distinct stacks, so a sample's recursion is counted once by stamping nodes and edges with the
 * stack that last touched them. Nodes that add up to nothing are not shown, but their edges are. */
#include "base/path.h"
#include "graph/graph_internal.h"

#include <stdlib.h>

bool osp_making_no_memory(osp_making *m) { return osp_fail_memory(m->err, "making the call graph"); }

/* ---- nodes ---------------------------------------------------------------------------------------------------- */

static uint32_t text_id(osp_making *m, osp_str s) { return osp_intern_put(&m->texts, s, NULL); }

static osp_str file_name(osp_making *m, osp_str file)
{
    if (!m->o->whole_paths)
        return osp_clean_path(&m->g->arena, file, m->o->trim_path, m->o->source_path);
    return file.n ? osp_path_clean(&m->g->arena, file) : file;
}

static bool number_texts(osp_making *m)
{
    const osp_profile *p = m->v->of;
    const osp_granularity by = m->o->granularity;
    m->name_of = osp_new(&m->scratch, uint32_t, p->functions.n);
    m->file_of = osp_new(&m->scratch, uint32_t, p->functions.n);
    m->object_of = osp_new(&m->scratch, uint32_t, p->mappings.n);
    if (!m->name_of || !m->file_of || !m->object_of || text_id(m, S("")) != 0)
        return osp_making_no_memory(m);
    bool ok = true;
    for (uint32_t i = 1; i < p->functions.n; i++) {
        if (by != OSP_BY_FILE)
            m->name_of[i] = text_id(m, m->v->name[i]);
        if (by != OSP_BY_FUNCTION) {
            m->file_of[i] = text_id(m, file_name(m, osp_text(p, p->functions.row[i].file)));
        }
        ok &= m->name_of[i] != UINT32_MAX && m->file_of[i] != UINT32_MAX;
    }
    for (uint32_t i = 1; i < p->mappings.n; i++) {
        m->object_of[i] = text_id(m, osp_text(p, p->mappings.row[i].file));
        ok &= m->object_of[i] != UINT32_MAX;
    }
    return ok || osp_making_no_memory(m);
}

static osp_node_key key_of(const osp_making *m, uint32_t loc, const osp_line *line)
{
    const osp_profile *p = m->v->of;
    const osp_granularity by = m->o->granularity;
    const uint32_t object = m->object_of[p->locations.mapping[loc].i];
    osp_node_key k = {.addr = by == OSP_BY_ADDRESS ? p->locations.addr[loc] : 0};
    if (!line || line->fn.i == 0) {
        k.object = object;
        return k;
    }
    k.name = m->name_of[line->fn.i];
    k.file = m->file_of[line->fn.i];
    if (by == OSP_BY_LINE || by == OSP_BY_ADDRESS) {
        k.line = line->line;
        /* The peer leaves a profile alone that is asked for by address with its inlines: columns stay. */
        if (m->o->columns || (by == OSP_BY_ADDRESS && !m->o->no_inlines))
            k.column = line->column;
    }
    if (k.name == 0 || m->o->objects) {
        k.object = object;
        k.start_line = p->functions.row[line->fn.i].start_line;
    }
    return k;
}

static uint32_t what_id(osp_making *m, const osp_node_key *k)
{
    bool fresh;
    uint32_t id = osp_intern_put(&m->keys, (osp_str){(const char *)k, sizeof *k}, &fresh);
    if (id != UINT32_MAX && fresh) {
        osp_node_key *copy = osp_new(&m->scratch, osp_node_key, 1);
        if (!copy) {
            m->keys.text[id] = (osp_str){0};
            return UINT32_MAX;
        }
        *copy = *k;
        m->keys.text[id].p = (const char *)copy;
    }
    return id;
}

static bool number_whats(osp_making *m)
{
    const osp_view *v = m->v;
    const uint32_t n = v->of->locations.n;
    size_t most = (n ? v->first_line[n] : 0) + (size_t)n;
    m->first = osp_new(&m->scratch, uint32_t, (size_t)n + 1);
    m->whats = osp_new(&m->scratch, uint32_t, most);
    if (!m->first || !m->whats || most > UINT32_MAX)
        return osp_making_no_memory(m);
    uint32_t at = 0;
    for (uint32_t l = 0; l < n; l++) {
        uint32_t from = v->first_line[l], to = v->first_line[l + 1];
        m->first[l] = at;
        for (uint32_t i = from; i < to || (i == from && i == to); i++) {
            osp_node_key k = key_of(m, l, from == to ? NULL : &v->line[i]);
            uint32_t id = what_id(m, &k);
            if (id == UINT32_MAX)
                return osp_making_no_memory(m);
            m->whats[at++] = id;
        }
    }
    m->first[n] = at;
    m->label = osp_new(&m->scratch, osp_str, m->keys.n);
    return m->label || osp_making_no_memory(m);
}

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

/* ---- weights --------------------------------------------------------------------------------------------------
 *
 * Frames are by far the most there is of anything: what a location means is looked up once, before. */

enum { SEVERAL = UINT32_MAX - 1, LEFT_OUT = UINT32_MAX - 2 };

/* Per location: its node, if it has one and that is kept; LEFT_OUT if none of its nodes is; else SEVERAL, as for those
 * with a bit. */
static uint32_t *nodes_of_locations(osp_making *m, const uint64_t *bit)
{
    const uint32_t n = m->v->of->locations.n;
    uint32_t *node = calloc(n ? n : 1, sizeof *node);
    for (uint32_t l = 0; node && l < n; l++) {
        const uint32_t first = m->first[l], end = m->first[l + 1];
        bool some = false, has_bit = false;
        for (uint32_t k = first; k < end; k++) {
            some |= m->t[m->whats[k]].kept;
            has_bit |= bit && bit[m->whats[k]];
        }
        node[l] = !some ? LEFT_OUT : end - first == 1 && !has_bit ? m->whats[first] : SEVERAL;
    }
    return node;
}

/* A stack at hand. */
typedef struct {
    const osp_location_id *leaf, *end;
    int64_t w, dw;
    uint32_t id;
} weighed;

static inline weighed stack_of(const osp_view *v, uint32_t s)
{
    const osp_stack stack = osp_view_stack(v, s);
    return (weighed){stack.loc, stack.loc + stack.n, v->weight[s], v->divisor ? v->divisor[s] : 0, s};
}

typedef struct {
    const uint32_t *node; /* per location */
    uint64_t *bits;       /* per location, of its nodes */
    osp_sum *sum;
    int64_t *divisor; /* per sum; NULL without mean */
} weighing;

/* Without a branch: nobody can foresee recursion. */
static inline void add_once(const weighing *g, uint32_t to, const weighed *k)
{
    osp_sum *s = &g->sum[to];
    const int64_t once = -(int64_t)(s->stamp != k->id);
    s->stamp = k->id;
    osp_add(&s->cum, k->w & once);
    if (g->divisor)
        osp_add(&g->divisor[to], k->dw & once);
}

static inline void weigh_stack(osp_making *m, const weighing *g, weighed k)
{
    uint64_t has = 0;
    if (k.leaf == k.end)
        return;
    for (const osp_location_id *p = k.leaf; p < k.end; p++) {
        const uint32_t n = g->node[p->i];
        if (n != SEVERAL) {
            add_once(g, n, &k);
            continue;
        }
        for (uint32_t i = m->weighed_first[p->i]; i < m->weighed_first[p->i + 1]; i++)
            add_once(g, m->weighed[i], &k);
        has |= g->bits[p->i];
    }
    if (m->has)
        m->has[k.id] = has;
    osp_add(&m->inner.total, k.w);
    m->inner.has_negative |= k.w < 0 || m->inner.total < 0;
    osp_tally *leaf = &m->t[m->whats[m->first[k.leaf->i]]];
    osp_add(&leaf->flat, k.w);
    osp_add(&leaf->flat_divisor, k.dw);
}

static uint64_t *bits_of_locations(const osp_making *m)
{
    const uint32_t n = m->v->of->locations.n;
    uint64_t *bits = calloc((size_t)n + 1, sizeof *bits);
    for (uint32_t l = 0; bits && m->bit && l < n; l++)
        for (uint32_t k = m->first[l]; k < m->first[l + 1]; k++)
            bits[l] |= m->bit[m->whats[k]];
    return bits;
}

/* All nodes are kept. What a node weighs does not change when others are left out. */
static bool weigh(osp_making *m)
{
    const osp_view *v = m->v;
    const size_t nsum = (size_t)m->n + m->inner.n;
    uint32_t *node = nodes_of_locations(m, m->bit);
    uint64_t *bits = bits_of_locations(m);
    int64_t *divisor = v->divisor ? calloc(nsum + 1, sizeof *divisor) : NULL;
    m->sum = calloc(nsum + 1, sizeof *m->sum);
    const weighing g = {node, bits, m->sum, divisor};
    const bool ok = (node && bits && m->sum && (divisor || !v->divisor)) || osp_making_no_memory(m);
    for (size_t i = 0; ok && i < nsum; i++)
        m->sum[i].stamp = OSP_NONE;
    for (uint32_t s = 0; ok && s < v->nstack; s++)
        if (v->live[s])
            weigh_stack(m, &g, stack_of(v, s));
    for (uint32_t i = 0; ok && i < m->n; i++) {
        m->t[i].cum = m->sum[i].cum;
        m->t[i].cum_divisor = divisor ? divisor[i] : 0;
    }
    free(node);
    free(bits);
    free(divisor);
    return ok;
}

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

static inline bool is_wanted(const osp_making *m, uint32_t from, uint32_t to)
{
    return !m->wanted || (m->wanted[to] & OSP_INTO) | (m->wanted[from] & OSP_OUT_OF);
}

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

static bool weigh_edge(linking *g, const weighed *k, footing at, uint32_t to, bool inlined)
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

static inline bool link_node(linking *g, const weighed *k, footing *at, uint32_t n, uint32_t place, bool inlined)
{
    if (at->parent != n && at->parent != OSP_NONE && is_wanted(g->m, at->parent, n) &&
        !weigh_edge(g, k, *at, n, inlined))
        return false;
    *at = (footing){n, place, false};
    return true;
}

static inline bool link_several(linking *g, const weighed *k, footing *at, uint32_t loc)
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

static inline bool link_stack(linking *g, weighed k)
{
    footing at = {.parent = OSP_NONE};
    for (const osp_location_id *p = k.end; p > k.leaf;) {
        const uint32_t loc = (--p)->i, n = g->node[loc];
        if (n == LEFT_OUT)
            at.residual = true;
        else if (n == SEVERAL ? !link_several(g, &k, &at, loc) : !link_node(g, &k, &at, n, g->m->first[loc], false))
            return false;
    }
    return true;
}

/* A stack that may have edges that are wanted. */
static inline bool is_linked(const osp_making *m, uint32_t s)
{
    return m->v->live[s] && (!m->has || m->has[s] & m->asked);
}

static bool link_stacks(osp_making *m)
{
    const osp_view *v = m->v;
    const uint32_t nplace = m->first[v->of->locations.n];
    uint32_t *node = nodes_of_locations(m, NULL);
    linking g = {m, node, calloc((size_t)nplace + 1, sizeof *g.last)};
    bool ok = (node && g.last) || osp_making_no_memory(m);
    osp_pairs_clear(&m->pairs);
    for (uint32_t i = 0; ok && i < nplace; i++)
        g.last[i].to = OSP_NONE;
    for (uint32_t s = 0; ok && s < v->nstack; s++)
        if (is_linked(m, s))
            ok = link_stack(&g, stack_of(v, s));
    free(node);
    free(g.last);
    return ok;
}

/* ---- edges between few nodes ---------------------------------------------------------------------------------- */

/* Most reports keep some 80 nodes of thousands: there is a cell for each pair of them, and no edge is ever looked for. */
enum { FEW = 128 };

typedef struct {
    int64_t weight;
    uint32_t stamp; /* OSP_NONE: nobody calls so */
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

static inline void add_call(few *g, const weighed *k, uint32_t from, uint32_t to, bool residual, bool inlined)
{
    const size_t i = (size_t)from * g->n + to;
    cell *c = &g->cell[i];
    const bool once = c->stamp != k->id; /* without a branch, as above */
    if (c->stamp == OSP_NONE)
        g->met[g->nmet++] = (uint32_t)i;
    c->stamp = k->id;
    osp_add(&c->weight, k->w & -(int64_t)once);
    c->residual |= residual & once;
    c->called |= !inlined & once;
    if (g->divisor)
        osp_add(&g->divisor[i], k->dw & -(int64_t)once);
}

/* The calls that were inlined at a location. */
static void add_inner_calls(few *g, const weighed *k, uint32_t loc)
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

static inline void add_calls(few *g, const weighed *k)
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
    for (size_t i = 0; i < ncell; i++)
        g->cell[i].stamp = OSP_NONE;
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
        if (from == to || !is_wanted(g->m, from, to))
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

static bool link_few(osp_making *m, uint32_t n)
{
    const osp_view *v = m->v;
    few g;
    bool ok = make_few(m, n, &g);
    for (uint32_t s = 0; ok && s < v->nstack; s++)
        if (is_linked(m, s)) {
            const weighed k = stack_of(v, s);
            add_calls(&g, &k);
        }
    ok = (ok && list_links(&g)) || osp_making_no_memory(m);
    drop_few(&g);
    return ok;
}

/* The edges between the nodes that are kept, or what a table wants to know of them. */
static bool weigh_edges(osp_making *m)
{
    uint32_t nkept = 0;
    m->nlink = 0;
    if (m->o->no_edges && osp_inner_tell(m))
        return true;
    for (uint32_t i = 0; i < m->n; i++)
        nkept += m->t[i].kept;
    return nkept <= FEW ? link_few(m, nkept) : link_stacks(m);
}

/* Find the nodes whose edges are asked for. */
static bool want_edges(osp_making *m)
{
    m->wanted = osp_new(&m->scratch, uint8_t, m->n);
    m->bit = osp_new(&m->scratch, uint64_t, m->n);
    if (!m->wanted || !m->bit)
        return osp_making_no_memory(m);
    m->asked = 1;
    for (uint32_t i = 0; i < m->n; i++) {
        osp_node node;
        if (!osp_node_of(m, i, &node))
            return false;
        m->bit[i] = osp_regex_match(m->o->edges_of, node.label.p, node.label.n);
        m->wanted[i] = m->bit[i] ? OSP_INTO | OSP_OUT_OF : 0;
    }
    return true;
}

/* Where not all edges are asked for, stacks are to say what they have. */
static bool choose_edges(osp_making *m)
{
    m->weighed_first = m->first;
    m->weighed = m->whats;
    if (m->o->edges_of ? !want_edges(m) : m->o->no_edges && !osp_inner_make(m))
        return false;
    m->has = m->bit ? calloc((size_t)m->v->nstack + 1, sizeof *m->has) : NULL;
    return m->has || !m->bit || osp_making_no_memory(m);
}

static bool weigh_all(osp_making *m)
{
    if (m->o->call_tree)
        return osp_tree_grow(m);
    m->n = m->keys.n;
    m->t = calloc(m->n ? m->n : 1, sizeof *m->t);
    if (!m->t)
        return osp_making_no_memory(m);
    for (uint32_t i = 0; i < m->n; i++)
        m->t[i].kept = true;
    return choose_edges(m) && weigh(m);
}

bool osp_is_shown(const osp_making *m, const osp_tally *t)
{
    if (!t->kept || (t->flat == 0 && t->cum == 0))
        return false;
    return !m->o->drop_negative || !(t->flat < 0 || (t->flat == 0 && t->cum < 0));
}

uint32_t osp_count_shown(const osp_making *m)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->n; i++)
        n += osp_is_shown(m, &m->t[i]);
    return n;
}

/* ---- trimming ------------------------------------------------------------------------------------------------- */

static void choose_cutoffs(osp_making *m)
{
    int64_t total = 0;
    for (uint32_t i = 0; i < m->n; i++)
        osp_add(&total, osp_is_shown(m, &m->t[i]) ? m->t[i].flat : 0);
    m->node_cutoff = osp_abs(osp_int_of((double)total * m->o->node_fraction));
    m->edge_cutoff = osp_abs(osp_int_of((double)total * m->o->edge_fraction));
}

/* Keep the nodes that weigh enough; true if some do not. */
static bool drop_small(osp_making *m)
{
    if (m->node_cutoff <= 0)
        return false;
    const uint32_t before = osp_count_shown(m);
    uint32_t after = 0;
    for (uint32_t i = 0; i < m->n; i++)
        after += osp_is_shown(m, &m->t[i]) && osp_abs(m->t[i].cum) >= m->node_cutoff;
    m->g->dropped_nodes = before - after;
    if (before == after) /* then nothing is left out, not even nodes that add up to 0 */
        return false;
    for (uint32_t i = 0; i < m->n; i++) {
        const bool is_shown = osp_is_shown(m, &m->t[i]);
        if (is_shown || !m->o->call_tree) /* of a tree, only what is shown can be cut */
            m->t[i].kept = is_shown && osp_abs(m->t[i].cum) >= m->node_cutoff;
    }
    return true;
}

static void keep_first(osp_making *m, uint32_t n)
{
    if (!m->o->call_tree)
        for (uint32_t i = 0; i < m->n; i++)
            m->t[i].kept = false;
    for (uint32_t i = 0; i < m->nrank; i++)
        m->t[m->rank[i].id].kept = i < n;
}

static uint32_t drop_small_edges(osp_making *m)
{
    uint32_t n = 0;
    for (size_t i = 0; i < m->nlink; i++) {
        osp_link *l = &m->link[i];
        if (!l->gone && osp_is_shown(m, &m->t[l->e.to]) && osp_abs(l->e.weight) < m->edge_cutoff) {
            l->gone = true;
            n++;
        }
    }
    return n;
}

/* Limit the nodes to node_count. */
static bool choose_nodes(osp_making *m)
{
    uint32_t most = m->o->node_count < m->nrank ? m->o->node_count : m->nrank;
    drop_small_edges(m);
    if (m->o->visual && (!osp_tags_weigh(m, most) || !osp_tags_fit(m, most, &most)))
        return false;
    if (most == m->nrank)
        return m->o->visual || m->o->call_tree || weigh_edges(m);
    keep_first(m, most);
    return (m->o->call_tree ? osp_tree_contract(m) : weigh_edges(m)) && osp_rank(m);
}

/* ---- the graph ------------------------------------------------------------------------------------------------ */

/* The nodes that are shown, and after them the ghosts: the other ends of their edges. */
static bool lay_out_nodes(osp_making *m, uint32_t *place)
{
    osp_graph *g = m->g;
    uint32_t n = m->nrank;
    for (uint32_t i = 0; i < n; i++)
        place[m->rank[i].id] = i + 1;
    for (size_t i = 0; i < m->nlink; i++) {
        const osp_edge *e = &m->link[i].e;
        const uint32_t other = place[e->from] ? e->to : e->from;
        if (!m->link[i].gone && !place[other] && (osp_is_shown(m, &m->t[e->from]) || osp_is_shown(m, &m->t[e->to])))
            place[other] = ++n;
    }
    g->node = osp_new(&g->arena, osp_node, n);
    if (!g->node)
        return osp_making_no_memory(m);
    g->nnode = m->nrank;
    g->nghost = n - m->nrank;
    for (uint32_t i = 0; i < m->n; i++)
        if (place[i]) {
            osp_node *node = &g->node[place[i] - 1];
            if (!osp_node_of(m, i, node))
                return false;
            node->in_inlined = m->t[i].inlined;
        }
    return true;
}

static bool lay_out_edges(osp_making *m, const uint32_t *place)
{
    osp_graph *g = m->g;
    g->edge = osp_new(&g->arena, osp_edge, m->nlink);
    if (!g->edge)
        return osp_making_no_memory(m);
    for (size_t i = 0; i < m->nlink; i++) {
        osp_edge e = m->link[i].e;
        if (m->link[i].gone || !place[e.from] || !place[e.to])
            continue;
        e.from = place[e.from] - 1;
        e.to = place[e.to] - 1;
        if (e.from >= g->nnode && e.to >= g->nnode)
            continue;
        osp_node *to = &g->node[e.to];
        *(e.inlined ? &to->in_inlined : &to->in_called) += 1;
        g->edge[g->nedge++] = e;
    }
    return true;
}

static int by_node(const void *x, const void *y)
{
    const osp_tag *a = x, *b = y;
    int c = (a->node > b->node) - (a->node < b->node);
    c = c ? c : a->numeric - b->numeric;
    c = c ? c : osp_str_cmp(a->label, b->label);
    return c ? c : osp_str_cmp(a->name, b->name);
}

static bool lay_out_tags(osp_making *m, const uint32_t *place)
{
    osp_graph *g = m->g;
    g->tag = osp_new(&g->arena, osp_tag, m->ntag);
    if (!g->tag)
        return osp_making_no_memory(m);
    for (size_t i = 0; i < m->ntag; i++)
        if (osp_is_shown(m, &m->t[m->tag[i].node])) {
            g->tag[g->ntag] = m->tag[i];
            g->tag[g->ntag++].node = place[m->tag[i].node] - 1;
        }
    qsort(g->tag, g->ntag, sizeof *g->tag, by_node);
    for (size_t i = 0; i < g->ntag; i++) {
        osp_node *n = &g->node[g->tag[i].node];
        if (n->ntag++ == 0)
            n->first_tag = i;
    }
    return true;
}

static bool make(osp_making *m)
{
    const osp_graph_opts *o = m->o;
    if (!number_texts(m) || !number_whats(m) || !weigh_all(m))
        return false;
    choose_cutoffs(m);
    const bool cut = drop_small(m), edges = o->visual || o->node_count == 0;
    if (o->call_tree ? cut && !osp_tree_contract(m) : edges && !weigh_edges(m))
        return false;
    if (!osp_rank(m))
        return false;
    m->g->norig = m->nrank;
    if (o->node_count ? !choose_nodes(m) : o->visual && !osp_tags_weigh(m, m->nrank))
        return false;
    m->g->dropped_edges = drop_small_edges(m);
    if (o->visual && !osp_remove_redundant(m))
        return false;
    uint32_t *place = osp_new(&m->scratch, uint32_t, m->n);
    if (!place)
        return osp_making_no_memory(m);
    return lay_out_nodes(m, place) && lay_out_edges(m, place) && lay_out_tags(m, place);
}

static void drop_making(osp_making *m)
{
    osp_arena_drop(&m->scratch);
    osp_intern_drop(&m->texts);
    osp_intern_drop(&m->keys);
    free(m->t);
    free(m->link);
    free(m->pairs.cell);
    free(m->inner.pairs.cell);
    free(m->sum);
    free(m->has);
    free(m->tree.what);
    free(m->tree.parent);
    free(m->tag);
}

bool osp_graph_make(const osp_view *v, const osp_graph_opts *o, osp_graph *out, osp_err *err)
{
    *out = (osp_graph){0};
    osp_arena_init(&out->arena, SIZE_MAX / 2);
    osp_making m = {.v = v, .o = o, .g = out, .err = err};
    osp_arena_init(&m.scratch, SIZE_MAX / 2);
    bool ok = make(&m);
    drop_making(&m);
    if (!ok)
        osp_graph_drop(out);
    return ok;
}

void osp_graph_drop(osp_graph *g)
{
    osp_arena_drop(&g->arena);
    *g = (osp_graph){0};
}

/* ---- what frames are called ----------------------------------------------------------------------------------- */

static bool label_frames(osp_making *m, osp_arena *a, osp_frame_labels *out)
{
    if (!number_texts(m) || !number_whats(m))
        return false;
    const uint32_t n = m->v->of->locations.n, nframe = n ? m->first[n] : 0;
    osp_str *of_what = osp_new(&m->scratch, osp_str, m->keys.n), *label = osp_new(a, osp_str, nframe);
    uint32_t *first = osp_new(a, uint32_t, (size_t)n + 1);
    m->t = calloc((size_t)m->keys.n + 1, sizeof *m->t);
    if (!of_what || !label || !first || !m->t)
        return osp_making_no_memory(m);
    for (uint32_t i = 0; i < m->keys.n; i++) {
        osp_node node;
        if (!osp_node_of(m, i, &node))
            return false;
        of_what[i] = osp_arena_str(a, node.label);
        if (!of_what[i].p)
            return osp_making_no_memory(m);
    }
    for (uint32_t i = 0; i < nframe; i++)
        label[i] = of_what[m->whats[i]];
    memcpy(first, m->first, ((size_t)n + 1) * sizeof *first);
    *out = (osp_frame_labels){first, label};
    return true;
}

bool osp_frame_labels_make(const osp_view *v, const osp_graph_opts *o, osp_arena *a, osp_frame_labels *out,
                           osp_err *err)
{
    osp_graph none = {0};
    osp_arena_init(&none.arena, SIZE_MAX / 2);
    osp_making m = {.v = v, .o = o, .g = &none, .err = err};
    osp_arena_init(&m.scratch, SIZE_MAX / 2);
    bool ok = label_frames(&m, a, out);
    drop_making(&m);
    osp_graph_drop(&none);
    return ok;
}
