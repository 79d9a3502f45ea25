/* SPDX-License-Identifier: Apache-2.0 */
/* What a node is called, and which comes first. */
#include "base/path.h"
#include "graph/graph_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

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
    const osp_ranked *a = x, *b = y;
    int c = by_size(a->node.flat, b->node.flat);
    c = c ? c : osp_str_cmp(a->node.label, b->node.label);
    c = c ? c : by_size(a->node.cum, b->node.cum);
    c = c ? c : by_fields(&a->node, &b->node);
    return c ? c : (a->id > b->id) - (a->id < b->id);
}

static int by_score(const void *x, const void *y)
{
    const osp_ranked *a = x, *b = y;
    int c = by_size(a->score, b->score);
    c = c ? c : osp_str_cmp(a->node.label, b->node.label);
    c = c ? c : by_size(a->node.flat, b->node.flat);
    c = c ? c : by_fields(&a->node, &b->node);
    c = c ? c : by_size(a->node.cum, b->node.cum); /* in a call tree, nodes may well be equal up to here */
    return c ? c : (a->id > b->id) - (a->id < b->id);
}

int osp_by_weight(const osp_edge *a, const osp_edge *b, osp_str from_a, osp_str from_b, osp_str to_a, osp_str to_b)
{
    int c = by_size(a->weight, b->weight);
    c = c ? c : osp_str_cmp(from_a, from_b);
    return c ? c : osp_str_cmp(to_a, to_b);
}

/* ---- entropy: how much a node tells --------------------------------------------------------------------------- */

static double entropy_of(int64_t weight, int64_t total)
{
    const double part = (double)osp_abs(weight) / (double)total;
    return -part * log2(part);
}

static int heavier(const void *x, const void *y) { return by_size(*(const int64_t *)x, *(const int64_t *)y); }

/* The peer adds up in no order; ours is by weight, so that equal nodes get equal scores. */
static double edge_score(osp_making *m, const osp_link_lists *l, uint32_t node, int64_t self, int64_t *weight)
{
    const uint32_t n = l->first[node + 1] - l->first[node];
    int64_t total = self;
    if (n == 0)
        return 1; /* a root or a leaf */
    for (uint32_t i = 0; i < n; i++) {
        weight[i] = m->link[l->link[l->first[node] + i]].e.weight;
        osp_add(&total, weight[i] > 0 ? weight[i] : 0);
    }
    double score = 0;
    if (total == 0)
        return score;
    if (n > 2)
        qsort(weight, n, sizeof *weight, heavier);
    for (uint32_t i = 0; i < n; i++)
        score += entropy_of(weight[i], total);
    return score + (self > 0 ? entropy_of(self, total) : 0);
}

static bool give_scores(osp_making *m)
{
    osp_link_lists in, out;
    int64_t *weight = osp_new(&m->scratch, int64_t, m->nlink);
    if (!weight || !osp_links_by_end(m, true, &in) || !osp_links_by_end(m, false, &out))
        return osp_making_no_memory(m);
    for (uint32_t i = 0; i < m->nrank; i++) {
        osp_ranked *r = &m->rank[i];
        double score = edge_score(m, &in, r->id, 0, weight) + edge_score(m, &out, r->id, r->node.flat, weight);
        r->score = osp_int_of(score * (double)r->node.cum);
        osp_add(&r->score, r->node.flat);
    }
    return true;
}

/* ---- the order ------------------------------------------------------------------------------------------------ */

bool osp_node_of(osp_making *m, uint32_t node, osp_node *out)
{
    const uint32_t what = osp_what(m, node);
    const osp_tally *t = &m->t[node];
    osp_node_key key;
    memcpy(&key, m->keys.text[what].p, sizeof key);
    *out = (osp_node){
        .name = m->texts.text[key.name],
        .file = m->texts.text[key.file],
        .object = m->texts.text[key.object],
        .addr = key.addr,
        .start_line = key.start_line,
        .line = key.line,
        .column = key.column,
        .label = m->label[what],
        .flat = t->flat,
        .cum = t->cum,
        .flat_divisor = t->flat_divisor,
        .cum_divisor = t->cum_divisor,
    };
    if (!out->label.p)
        out->label = m->label[what] = label_of(&m->g->arena, out);
    return out->label.p || osp_making_no_memory(m);
}

bool osp_rank(osp_making *m)
{
    m->nrank = osp_count_shown(m);
    m->rank = osp_new(&m->scratch, osp_ranked, m->nrank);
    if (!m->rank)
        return osp_making_no_memory(m);
    for (uint32_t i = 0, k = 0; i < m->n; i++) {
        if (!osp_is_shown(m, &m->t[i]))
            continue;
        osp_ranked *r = &m->rank[k++];
        r->id = i;
        if (!osp_node_of(m, i, &r->node))
            return false;
        r->score = r->node.cum;
    }
    if (m->o->visual && !give_scores(m))
        return false;
    qsort(m->rank, m->nrank, sizeof *m->rank, m->o->visual || m->o->by_cum ? by_score : by_flat);
    return true;
}

/* ---- edges in order ------------------------------------------------------------------------------------------- */

typedef struct {
    const osp_graph *g;
    uint32_t edge;
} edge_ref;

static int by_weight(const void *x, const void *y)
{
    const edge_ref *l = x, *r = y;
    const osp_node *node = l->g->node;
    const osp_edge *a = &l->g->edge[l->edge], *b = &l->g->edge[r->edge];
    int c = osp_by_weight(a, b, node[a->from].label, node[b->from].label, node[a->to].label, node[b->to].label);
    c = c ? c : by_fields(&node[a->from], &node[b->from]);
    c = c ? c : by_fields(&node[a->to], &node[b->to]);
    return c ? c : (l->edge > r->edge) - (l->edge < r->edge);
}

static bool sort_edges(osp_graph *g, bool in, osp_edge_list *out, osp_err *err)
{
    const uint32_t n = g->nnode + g->nghost;
    uint32_t *first = osp_new(&g->arena, uint32_t, (size_t)n + 2), *list = osp_new(&g->arena, uint32_t, g->nedge);
    edge_ref *ref = malloc((g->nedge + (size_t)1) * sizeof *ref);
    if (!first || !list || !ref) {
        free(ref);
        return osp_fail_memory(err, "sorting calls");
    }
    for (uint32_t i = 0; i < g->nedge; i++)
        first[(in ? g->edge[i].to : g->edge[i].from) + 2]++;
    for (uint32_t i = 0; i < n; i++)
        first[i + 1] += first[i];
    for (uint32_t i = 0; i < g->nedge; i++)
        ref[first[(in ? g->edge[i].to : g->edge[i].from) + 1]++] = (edge_ref){g, i};
    for (uint32_t i = 0; i < n; i++)
        qsort(ref + first[i], first[i + 1] - first[i], sizeof *ref, by_weight);
    for (uint32_t i = 0; i < g->nedge; i++)
        list[i] = ref[i].edge;
    free(ref);
    *out = (osp_edge_list){first, list};
    return true;
}

bool osp_graph_edges_in(osp_graph *g, osp_edge_list *out, osp_err *err) { return sort_edges(g, true, out, err); }
bool osp_graph_edges_out(osp_graph *g, osp_edge_list *out, osp_err *err) { return sort_edges(g, false, out, err); }
