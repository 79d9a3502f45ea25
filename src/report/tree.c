/* SPDX-License-Identifier: Apache-2.0 */
/* tree: each function between its callers and its callees, the heaviest first. */
#include "report/head.h"

typedef struct {
    const osp_graph *g;
    const osp_shown *shown;
    int64_t total, flat_sum;
    osp_edge_list in, out;
    osp_buf *text;
} printing;

static const osp_str rule = S("----------------------------------------------------------+-------------\n");

/* What an edge weighs is not divided with -mean; only what its node weighs is. */
static void calls(const printing *t, const osp_edge_list *edges, uint32_t node, int64_t cum, bool callers)
{
    char value[OSP_SHOWN_MAX], percent[32];
    for (uint32_t i = edges->first[node]; i < edges->first[node + 1]; i++) {
        const osp_edge *e = &t->g->edge[edges->list[i]];
        osp_buf_fmt(t->text, "%50s %s |   ", osp_shown_text(t->shown, e->weight, value, sizeof value),
                    osp_percent(e->weight, cum, percent, sizeof percent));
        osp_buf_add(t->text, t->g->node[callers ? e->from : e->to].label);
        osp_buf_add(t->text, e->inlined ? S(" (inline)\n") : S("\n"));
    }
}

static void block(printing *t, uint32_t node)
{
    char text[OSP_SHOWN_MAX], percent[2][32];
    const osp_node *n = &t->g->node[node];
    const int64_t flat = osp_mean(n->flat, n->flat_divisor), cum = osp_mean(n->cum, n->cum_divisor);
    osp_add(&t->flat_sum, flat);
    osp_buf_add(t->text, rule);
    calls(t, &t->in, node, cum, true);
    osp_buf_fmt(t->text, "%10s %s %s ", osp_shown_text(t->shown, flat, text, sizeof text),
                osp_percent(flat, t->total, percent[0], sizeof percent[0]),
                osp_percent(t->flat_sum, t->total, percent[1], sizeof percent[1]));
    osp_buf_fmt(t->text, "%10s %s                | ", osp_shown_text(t->shown, cum, text, sizeof text),
                osp_percent(cum, t->total, percent[0], sizeof percent[0]));
    osp_buf_add(t->text, n->label);
    osp_buf_byte(t->text, '\n');
    calls(t, &t->out, node, cum, false);
}

static bool print(osp_graph *g, const osp_shown *shown, int64_t total, const osp_regex *only, osp_buf *text,
                  uint32_t *matched, osp_err *err)
{
    printing t = {.g = g, .shown = shown, .total = total, .text = text};
    if (!osp_graph_edges_in(g, &t.in, err) || !osp_graph_edges_out(g, &t.out, err))
        return false;
    osp_buf_add(text, rule);
    osp_buf_add(text, S("      flat  flat%   sum%        cum   cum%   calls calls% + context \t \t \n"));
    for (uint32_t i = 0; i < g->nnode; i++) {
        if (only && !osp_regex_match(only, g->node[i].label.p, g->node[i].label.n))
            continue;
        block(&t, i);
        *matched += 1;
    }
    if (g->nnode)
        osp_buf_add(text, rule);
    return true;
}

bool osp_write_tree(const osp_profile *p, const osp_report_opts *o, const osp_regex *only, osp_answer *out,
                    osp_err *err)
{
    osp_view view;
    osp_graph graph;
    uint32_t matched = 0;
    if (!osp_answer_view(p, o, false, &view, out, err))
        return false;
    const osp_graph_opts graph_opts = osp_graph_opts_of(o);
    bool ok = osp_graph_make(&view, &graph_opts, &graph, err);
    if (ok) {
        osp_shown shown = osp_shown_of(p, o);
        osp_shown_choose(&shown, &graph, view.total);
        osp_graph_head_lines(p, o, &shown, view.total, &graph, &out->text);
        ok = print(&graph, &shown, view.total, only, &out->text, &matched, err);
        osp_graph_drop(&graph);
    }
    osp_view_drop(&view);
    if (ok && only && matched == 0)
        return osp_fail(err, OSP_EUSAGE, "no matches found for regexp: %.*s", STRF(osp_str_head(o->argument, 80)));
    return ok;
}

static bool write_tree(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err)
{
    return osp_write_tree(p, o, NULL, out, err);
}

const osp_report osp_report_tree = {
    .name = "tree",
    .summary = "every function between its callers and its callees",
    .node_count = 80,
    .write = write_tree,
};
