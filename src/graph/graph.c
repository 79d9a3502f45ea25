/* SPDX-License-Identifier: Apache-2.0 */
/* The call graph, by the rules of google/pprof's internal/graph and internal/report:
 *
 *   1. a node for each distinct (name, address, file, line, ...) that the granularity leaves, several a location
 *      where calls were inlined;
 *   2. weights of all nodes; those below node_fraction go;
 *   3. sort; with node_count, the rest goes;
 *   4. weights again over the nodes that stay, with edges: an edge over a node left out is residual, and a stack whose
 *      leaf was left out gives nobody a flat value; edges below edge_fraction go.
 *
 * Weights come from distinct stacks, so a sample's recursion is counted once by stamping nodes and edges with the
 * stack that last touched them. */
#include "graph/graph.h"

#include "base/buf.h"
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct {
    uint32_t name, file, object; /* of texts; equal texts, equal numbers */
    uint32_t no_padding;
    uint64_t addr;
    int64_t start_line, line, column;
} node_key;

typedef struct {
    int64_t flat, cum, flat_divisor, cum_divisor;
    uint32_t stamp;
    bool kept;
} tally;

typedef struct {
    uint64_t key; /* from << 32 | to, both + 1; 0 = free */
    uint32_t edge;
} edge_cell;

typedef struct {
    const osp_view *v;
    const osp_graph_opts *o;
    osp_graph *g;
    osp_arena scratch;
    osp_err *err;
    osp_intern texts, keys;
    uint32_t *name_of, *file_of, *object_of; /* by function, function, mapping: texts */
    uint32_t *first;                         /* per location, n + 1 offsets into nodes[] */
    uint32_t *nodes;                         /* innermost inline first */
    tally *t;                                /* per node */
    uint32_t n;
    osp_edge *edge;
    uint32_t *edge_stamp;
    edge_cell *cell;
    size_t nedge, edge_cap, stamp_cap, ncell;
} making;

static bool no_memory(making *m) { return osp_fail_memory(m->err, "making the call graph"); }

/* ---- nodes ---------------------------------------------------------------------------------------------------- */

static uint32_t text_id(making *m, osp_str s) { return osp_intern_put(&m->texts, s, NULL); }

static bool number_texts(making *m)
{
    const osp_profile *p = m->v->of;
    const osp_granularity by = m->o->granularity;
    m->name_of = osp_new(&m->scratch, uint32_t, p->functions.n);
    m->file_of = osp_new(&m->scratch, uint32_t, p->functions.n);
    m->object_of = osp_new(&m->scratch, uint32_t, p->mappings.n);
    if (!m->name_of || !m->file_of || !m->object_of || text_id(m, S("")) != 0)
        return no_memory(m);
    bool ok = true;
    for (uint32_t i = 1; i < p->functions.n; i++) {
        if (by != OSP_BY_FILE)
            m->name_of[i] = text_id(m, m->v->name[i]);
        if (by != OSP_BY_FUNCTION) {
            osp_str file = osp_text(p, p->functions.row[i].file);
            m->file_of[i] = text_id(m, osp_clean_path(&m->g->arena, file, m->o->trim_path, m->o->source_path));
        }
        ok &= m->name_of[i] != UINT32_MAX && m->file_of[i] != UINT32_MAX;
    }
    for (uint32_t i = 1; i < p->mappings.n; i++) {
        m->object_of[i] = text_id(m, osp_text(p, p->mappings.row[i].file));
        ok &= m->object_of[i] != UINT32_MAX;
    }
    return ok || no_memory(m);
}

static node_key key_of(const making *m, uint32_t loc, const osp_line *line)
{
    const osp_profile *p = m->v->of;
    const osp_granularity by = m->o->granularity;
    const uint32_t object = m->object_of[p->locations.mapping[loc].i];
    node_key k = {.addr = by == OSP_BY_ADDRESS ? p->locations.addr[loc] : 0};
    if (!line) {
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
    if (k.name == 0) {
        k.object = object;
        k.start_line = p->functions.row[line->fn.i].start_line;
    }
    return k;
}

static uint32_t node_id(making *m, const node_key *k)
{
    bool fresh;
    uint32_t id = osp_intern_put(&m->keys, (osp_str){(const char *)k, sizeof *k}, &fresh);
    if (id != UINT32_MAX && fresh) {
        node_key *copy = osp_new(&m->scratch, node_key, 1);
        if (!copy) {
            m->keys.text[id] = (osp_str){0};
            return UINT32_MAX;
        }
        *copy = *k;
        m->keys.text[id].p = (const char *)copy;
    }
    return id;
}

static bool number_nodes(making *m)
{
    const osp_view *v = m->v;
    const uint32_t n = v->of->locations.n;
    size_t most = (n ? v->first_line[n] : 0) + (size_t)n;
    m->first = osp_new(&m->scratch, uint32_t, (size_t)n + 1);
    m->nodes = osp_new(&m->scratch, uint32_t, most);
    if (!m->first || !m->nodes || most > UINT32_MAX)
        return no_memory(m);
    uint32_t at = 0;
    for (uint32_t l = 0; l < n; l++) {
        uint32_t from = v->first_line[l], to = v->first_line[l + 1];
        m->first[l] = at;
        for (uint32_t i = from; i < to || (i == from && i == to); i++) {
            node_key k = key_of(m, l, from == to ? NULL : &v->line[i]);
            uint32_t id = node_id(m, &k);
            if (id == UINT32_MAX)
                return no_memory(m);
            m->nodes[at++] = id;
        }
    }
    m->first[n] = at;
    m->n = m->keys.n;
    m->t = osp_new(&m->scratch, tally, m->n);
    return m->t || no_memory(m);
}

/* ---- weights -------------------------------------------------------------------------------------------------- */

static bool widen_cells(making *m)
{
    size_t ncell = m->ncell ? m->ncell * 2 : 1024;
    edge_cell *cell = calloc(ncell, sizeof *cell);
    if (!cell)
        return false;
    for (size_t i = 0; i < m->ncell; i++) {
        if (!m->cell[i].key)
            continue;
        size_t at = osp_hash_mix(m->cell[i].key, 0) & (ncell - 1);
        while (cell[at].key)
            at = (at + 1) & (ncell - 1);
        cell[at] = m->cell[i];
    }
    free(m->cell);
    m->cell = cell;
    m->ncell = ncell;
    return true;
}

static osp_edge *edge_between(making *m, uint32_t from, uint32_t to, uint32_t **stamp)
{
    if (m->nedge * 2 >= m->ncell && !widen_cells(m))
        return NULL;
    uint64_t key = (uint64_t)(from + 1) << 32 | (to + 1);
    size_t at = osp_hash_mix(key, 0) & (m->ncell - 1);
    while (m->cell[at].key && m->cell[at].key != key)
        at = (at + 1) & (m->ncell - 1);
    if (!m->cell[at].key) {
        void *edges = m->edge, *stamps = m->edge_stamp;
        bool ok = m->nedge < UINT32_MAX && osp_grow(&edges, &m->edge_cap, m->nedge + 1, sizeof *m->edge);
        m->edge = edges;
        ok = ok && osp_grow(&stamps, &m->stamp_cap, m->nedge + 1, sizeof *m->edge_stamp);
        m->edge_stamp = stamps;
        if (!ok)
            return NULL;
        m->edge[m->nedge] = (osp_edge){.from = from, .to = to, .inlined = true};
        m->edge_stamp[m->nedge] = UINT32_MAX;
        m->cell[at] = (edge_cell){key, (uint32_t)m->nedge++};
    }
    *stamp = &m->edge_stamp[m->cell[at].edge];
    return &m->edge[m->cell[at].edge];
}

static bool weigh_edge(making *m, uint32_t from, uint32_t to, uint32_t stack, bool residual, bool inlined)
{
    uint32_t *stamp;
    osp_edge *e = edge_between(m, from, to, &stamp);
    if (!e)
        return no_memory(m);
    if (*stamp == stack)
        return true;
    *stamp = stack;
    osp_add(&e->weight, m->v->weight[stack]);
    osp_add(&e->divisor, m->v->divisor ? m->v->divisor[stack] : 0);
    e->residual |= residual;
    e->inlined &= inlined;
    return true;
}

static bool weigh_stack(making *m, uint32_t s, bool edges)
{
    const osp_view *v = m->v;
    const int64_t w = v->weight[s], dw = v->divisor ? v->divisor[s] : 0;
    uint32_t parent = UINT32_MAX;
    bool residual = false;
    for (uint32_t i = v->first[s + 1]; i > v->first[s]; i--) {
        const uint32_t loc = v->loc[i - 1].i, first = m->first[loc], last = m->first[loc + 1] - 1;
        for (uint32_t k = last + 1; k > first; k--) {
            uint32_t n = m->nodes[k - 1];
            tally *t = &m->t[n];
            if (!t->kept) {
                residual = true;
                continue;
            }
            if (t->stamp != s) {
                t->stamp = s;
                osp_add(&t->cum, w);
                osp_add(&t->cum_divisor, dw);
            }
            if (edges && parent != UINT32_MAX && parent != n && !weigh_edge(m, parent, n, s, residual, k - 1 != last))
                return false;
            parent = n;
            residual = false;
        }
    }
    if (parent != UINT32_MAX && !residual) {
        osp_add(&m->t[parent].flat, w);
        osp_add(&m->t[parent].flat_divisor, dw);
    }
    return true;
}

static bool weigh(making *m, bool edges)
{
    for (uint32_t i = 0; i < m->n; i++)
        m->t[i] = (tally){.stamp = UINT32_MAX, .kept = m->t[i].kept};
    for (uint32_t s = 0; s < m->v->nstack; s++)
        if (m->v->live[s] && !weigh_stack(m, s, edges))
            return false;
    return true;
}

static bool shown(const making *m, const tally *t)
{
    if (!t->kept || (t->flat == 0 && t->cum == 0))
        return false;
    return !m->o->drop_negative || !(t->flat < 0 || (t->flat == 0 && t->cum < 0));
}

/* ---- order ---------------------------------------------------------------------------------------------------- */

static osp_str label_of(osp_arena *a, const osp_node *n)
{
    char addr[24] = "", place[64] = "";
    if (n->addr)
        snprintf(addr, sizeof addr, "%016llx", (unsigned long long)n->addr);
    if (n->line)
        snprintf(place, sizeof place, n->column ? ":%lld:%lld" : ":%lld", (long long)n->line, (long long)n->column);
    osp_str part[3] = {osp_str_from(addr), n->name, S("")};
    if (n->line)
        part[2] = osp_arena_fmt(a, "%.*s%s", STRF(n->file), place);
    else if (n->file.n)
        part[2] = n->file;
    else if (n->name.n)
        part[2] = S("");
    else if (n->object.n)
        part[2] = osp_arena_fmt(a, "[%.*s]", STRF(osp_path_base(n->object)));
    else
        part[2] = S("<unknown>");
    return osp_arena_fmt(a, "%.*s%s%.*s%s%.*s", STRF(part[0]), part[0].n && (part[1].n || part[2].n) ? " " : "",
                         STRF(part[1]), part[1].n && part[2].n ? " " : "", STRF(part[2]));
}

static int by_size(int64_t a, int64_t b)
{
    a = osp_abs(a);
    b = osp_abs(b);
    return (a < b) - (a > b);
}

/* The last resort, so that the order never depends on chance: the fields as Go prints the struct. */
static int by_fields(const osp_node *a, const osp_node *b)
{
    int c = osp_str_cmp(a->name, b->name);
    char x[2][96];
    if (c)
        return c;
    const osp_node *n[2] = {a, b};
    for (int i = 0; i < 2; i++)
        snprintf(x[i], sizeof x[i], "%lld %lld %lld", (long long)n[i]->start_line, (long long)n[i]->line,
                 (long long)n[i]->column);
    c = (a->addr > b->addr) - (a->addr < b->addr);
    c = c ? c : osp_str_cmp(a->file, b->file);
    c = c ? c : strcmp(x[0], x[1]);
    return c ? c : osp_str_cmp(a->object, b->object);
}

static int by_flat(const void *x, const void *y)
{
    const osp_node *a = x, *b = y;
    int c = by_size(a->flat, b->flat);
    c = c ? c : osp_str_cmp(a->label, b->label);
    c = c ? c : by_size(a->cum, b->cum);
    return c ? c : by_fields(a, b);
}

static int by_cum(const void *x, const void *y)
{
    const osp_node *a = x, *b = y;
    int c = by_size(a->cum, b->cum);
    c = c ? c : osp_str_cmp(a->label, b->label);
    c = c ? c : by_size(a->flat, b->flat);
    return c ? c : by_fields(a, b);
}

/* ---- the graph ------------------------------------------------------------------------------------------------ */

/* The nodes that are shown, sorted; id[] says which of ours each is. */
typedef struct {
    osp_node node;
    uint32_t id;
} ranked;

static uint32_t count_shown(const making *m)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->n; i++)
        n += shown(m, &m->t[i]);
    return n;
}

static bool rank(making *m, ranked **out, uint32_t *n)
{
    *n = count_shown(m);
    ranked *r = osp_new(&m->scratch, ranked, *n);
    if (!r)
        return no_memory(m);
    for (uint32_t i = 0, k = 0; i < m->n; i++) {
        const tally *t = &m->t[i];
        if (!shown(m, t))
            continue;
        node_key key;
        memcpy(&key, m->keys.text[i].p, sizeof key);
        r[k].id = i;
        r[k].node = (osp_node){
            .name = m->texts.text[key.name],
            .file = m->texts.text[key.file],
            .object = m->texts.text[key.object],
            .addr = key.addr,
            .start_line = key.start_line,
            .line = key.line,
            .column = key.column,
            .flat = t->flat,
            .cum = t->cum,
            .flat_divisor = t->flat_divisor,
            .cum_divisor = t->cum_divisor,
        };
        r[k].node.label = label_of(&m->g->arena, &r[k].node);
        if (!r[k++].node.label.p)
            return no_memory(m);
    }
    qsort(r, *n, sizeof *r, m->o->by_cum ? by_cum : by_flat);
    *out = r;
    return true;
}

static bool lay_out(making *m, const ranked *r, uint32_t n, int64_t edge_cutoff)
{
    osp_graph *g = m->g;
    uint32_t *place = osp_new(&m->scratch, uint32_t, m->n);
    g->node = osp_new(&g->arena, osp_node, n);
    g->edge = osp_new(&g->arena, osp_edge, m->nedge);
    if (!place || !g->node || !g->edge)
        return no_memory(m);
    for (uint32_t i = 0; i < n; i++) {
        g->node[i] = r[i].node;
        place[r[i].id] = i + 1;
    }
    g->nnode = n;
    for (size_t i = 0; i < m->nedge; i++) {
        osp_edge e = m->edge[i];
        if (!place[e.to])
            continue;
        if (osp_abs(e.weight) < edge_cutoff) {
            g->dropped_edges++;
            continue;
        }
        osp_node *to = &g->node[place[e.to] - 1];
        *(e.inlined ? &to->in_inlined : &to->in_called) += 1;
        if (!place[e.from])
            continue;
        e.from = place[e.from] - 1;
        e.to = place[e.to] - 1;
        g->edge[g->nedge++] = e;
    }
    return true;
}

static bool make(making *m)
{
    const osp_graph_opts *o = m->o;
    if (!number_texts(m) || !number_nodes(m))
        return false;
    for (uint32_t i = 0; i < m->n; i++)
        m->t[i].kept = true;
    if (!weigh(m, false))
        return false;
    int64_t total = 0;
    for (uint32_t i = 0; i < m->n; i++)
        osp_add(&total, shown(m, &m->t[i]) ? m->t[i].flat : 0);
    const int64_t node_cutoff = osp_abs(osp_int_of((double)total * o->node_fraction));
    const int64_t edge_cutoff = osp_abs(osp_int_of((double)total * o->edge_fraction));
    if (node_cutoff > 0) {
        uint32_t before = count_shown(m);
        for (uint32_t i = 0; i < m->n; i++)
            m->t[i].kept = shown(m, &m->t[i]) && osp_abs(m->t[i].cum) >= node_cutoff;
        uint32_t after = 0;
        for (uint32_t i = 0; i < m->n; i++)
            after += m->t[i].kept;
        m->g->dropped_nodes = before - after;
        if (before == after) /* nothing to trim: then nothing is left out, not even nodes that add up to 0 */
            for (uint32_t i = 0; i < m->n; i++)
                m->t[i].kept = true;
    }
    ranked *r;
    uint32_t n;
    bool last = o->node_count == 0;
    if (!weigh(m, last) || !rank(m, &r, &n))
        return false;
    m->g->norig = n;
    if (!last) {
        if (n > o->node_count) {
            for (uint32_t i = 0; i < m->n; i++)
                m->t[i].kept = false;
            for (uint32_t i = 0; i < o->node_count; i++)
                m->t[r[i].id].kept = true;
        }
        if (!weigh(m, true) || !rank(m, &r, &n))
            return false;
    }
    return lay_out(m, r, n, edge_cutoff);
}

bool osp_graph_make(const osp_view *v, const osp_graph_opts *o, osp_graph *out, osp_err *err)
{
    *out = (osp_graph){0};
    osp_arena_init(&out->arena, SIZE_MAX / 2);
    making m = {.v = v, .o = o, .g = out, .err = err};
    osp_arena_init(&m.scratch, SIZE_MAX / 2);
    bool ok = make(&m);
    osp_arena_drop(&m.scratch);
    osp_intern_drop(&m.texts);
    osp_intern_drop(&m.keys);
    free(m.edge);
    free(m.edge_stamp);
    free(m.cell);
    if (!ok)
        osp_graph_drop(out);
    return ok;
}

void osp_graph_drop(osp_graph *g)
{
    osp_arena_drop(&g->arena);
    *g = (osp_graph){0};
}
