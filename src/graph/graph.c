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

/* ---- weights -------------------------------------------------------------------------------------------------- */

uint32_t *osp_nodes_of_locations(osp_making *m, const uint64_t *bit)
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
        node[l] = !some ? OSP_LEFT_OUT : end - first == 1 && !has_bit ? m->whats[first] : OSP_SEVERAL;
    }
    return node;
}

typedef struct {
    const uint32_t *node; /* per location */
    uint64_t *bits;       /* per location, of its nodes */
    osp_sum *sum;
    int64_t *divisor; /* per sum; NULL without mean */
} weighing;

/* Without a branch: nobody can foresee recursion. */
static inline void add_once(const weighing *g, uint32_t to, const osp_weighed *k)
{
    osp_sum *s = &g->sum[to];
    const int64_t once = -(int64_t)(s->stamp != k->id);
    s->stamp = k->id;
    osp_add(&s->cum, k->w & once);
    if (g->divisor)
        osp_add(&g->divisor[to], k->dw & once);
}

static inline void weigh_stack(osp_making *m, const weighing *g, osp_weighed k)
{
    uint64_t has = 0;
    if (k.leaf == k.end)
        return;
    for (const osp_location_id *p = k.leaf; p < k.end; p++) {
        const uint32_t n = g->node[p->i];
        if (n != OSP_SEVERAL) {
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
    uint32_t *node = osp_nodes_of_locations(m, m->bit);
    uint64_t *bits = bits_of_locations(m);
    int64_t *divisor = v->divisor ? calloc(nsum + 1, sizeof *divisor) : NULL;
    m->sum = calloc(nsum + 1, sizeof *m->sum);
    const weighing g = {node, bits, m->sum, divisor};
    const bool ok = (node && bits && m->sum && (divisor || !v->divisor)) || osp_making_no_memory(m);
    for (size_t i = 0; ok && i < nsum; i++)
        m->sum[i].stamp = OSP_NONE;
    for (uint32_t s = 0; ok && s < v->nstack; s++)
        if (v->live[s])
            weigh_stack(m, &g, osp_stack_of(v, s));
    for (uint32_t i = 0; ok && i < m->n; i++) {
        m->t[i].cum = m->sum[i].cum;
        m->t[i].cum_divisor = divisor ? divisor[i] : 0;
    }
    free(node);
    free(bits);
    free(divisor);
    return ok;
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
        return m->o->visual || m->o->call_tree || osp_links_weigh(m);
    keep_first(m, most);
    return (m->o->call_tree ? osp_tree_contract(m) : osp_links_weigh(m)) && osp_rank(m);
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
    if (o->call_tree ? cut && !osp_tree_contract(m) : edges && !osp_links_weigh(m))
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
