/* SPDX-License-Identifier: Apache-2.0 */
/* tree: each function between its callers and its callees, the heaviest first. */
#include "report/head.h"

typedef struct {
    const osp_graph *g;
    const osp_shown *shown;
    const osp_regex *only; /* or NULL */
    int64_t total, flat_sum;
    uint32_t matched;
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

/* Is the node asked for? */
static bool wanted(printing *t, uint32_t node)
{
    const osp_str label = t->g->node[node].label;
    const bool yes = !t->only || osp_regex_match(t->only, label.p, label.n);
    t->matched += yes;
    return yes;
}

static void as_text(printing *t, const osp_profile *p, const osp_report_opts *o)
{
    osp_graph_head_lines(p, o, t->shown, t->total, t->g, t->text);
    osp_buf_add(t->text, rule);
    osp_buf_add(t->text, S("      flat  flat%   sum%        cum   cum%   calls calls% + context \t \t \n"));
    for (uint32_t i = 0; i < t->g->nnode; i++)
        if (wanted(t, i))
            block(t, i);
    if (t->g->nnode)
        osp_buf_add(t->text, rule);
}

/* ---- JSON ----------------------------------------------------------------------------------------------------- */

static void json_calls(const printing *t, osp_json *j, const char *key, const osp_edge_list *edges, uint32_t node,
                       bool callers)
{
    osp_json_array(j, key);
    for (uint32_t i = edges->first[node]; i < edges->first[node + 1]; i++) {
        const osp_edge *e = &t->g->edge[edges->list[i]];
        osp_json_object(j, NULL);
        osp_json_str(j, "name", t->g->node[callers ? e->from : e->to].label);
        osp_json_value(j, "value", t->shown, osp_mean(e->weight, e->divisor));
        if (e->inlined)
            osp_json_bool(j, "inlined", true);
        if (e->residual)
            osp_json_bool(j, "indirect", true);
        osp_json_end(j);
    }
    osp_json_end(j);
}

static void as_json(printing *t, const osp_profile *p, const osp_report_opts *o, osp_answer *out)
{
    osp_json_rows rows = osp_json_open(t->only ? "peek" : "tree", p, o, t->shown, t->total, out);
    osp_json_graph(&rows.j, t->shown, t->g);
    osp_json_rows_open(&rows);
    for (uint32_t i = 0; i < t->g->nnode; i++)
        if (wanted(t, i) && osp_json_row(&rows)) {
            osp_json_node(&rows.j, &t->g->node[i], t->shown, t->total);
            json_calls(t, &rows.j, "callers", &t->in, i, true);
            json_calls(t, &rows.j, "callees", &t->out, i, false);
            osp_json_row_end(&rows);
        }
    osp_json_close(&rows);
}

bool osp_write_tree(const osp_profile *p, const osp_report_opts *o, const osp_regex *only, osp_answer *out,
                    osp_err *err)
{
    osp_view view;
    osp_graph graph;
    uint32_t matched = 0;
    if (!osp_answer_view(p, o, false, &view, out, err))
        return false;
    osp_graph_opts graph_opts = osp_graph_opts_of(o);
    graph_opts.edges_of = only;
    bool ok = osp_graph_make(&view, &graph_opts, &graph, err);
    if (ok) {
        osp_shown shown = osp_shown_of(p, o);
        osp_shown_choose(&shown, &graph, view.total);
        printing t = {.g = &graph, .shown = &shown, .total = view.total, .text = &out->text, .only = only};
        ok = osp_graph_edges_in(&graph, &t.in, err) && osp_graph_edges_out(&graph, &t.out, err);
        if (ok && o->json)
            as_json(&t, p, o, out);
        else if (ok)
            as_text(&t, p, o);
        matched = t.matched;
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
    .legend = "a function stands between its callers and its callees; calls%: of its cum",
    .json = true,
    .write = write_tree,
};
