/* SPDX-License-Identifier: Apache-2.0 */
/* top (pprof also says "text"): a flat table, the heaviest first. */
#include "report/head.h"

static void row(const osp_node *n, int64_t flat_sum, int64_t total, const osp_shown *s, osp_buf *out)
{
    char text[OSP_SHOWN_MAX], percent[2][32];
    int64_t flat = osp_mean(n->flat, n->flat_divisor), cum = osp_mean(n->cum, n->cum_divisor);
    osp_buf_fmt(out, "%10s %s %s ", osp_shown_text(s, flat, text, sizeof text),
                osp_percent(flat, total, percent[0], sizeof percent[0]),
                osp_percent(flat_sum, total, percent[1], sizeof percent[1]));
    osp_buf_fmt(out, "%10s %s  ", osp_shown_text(s, cum, text, sizeof text),
                osp_percent(cum, total, percent[0], sizeof percent[0]));
    osp_buf_add(out, n->label);
    if (n->in_inlined)
        osp_buf_add(out, n->in_called ? S(" (partial-inline)") : S(" (inline)"));
    osp_buf_byte(out, '\n');
}

static void as_text(const osp_profile *p, const osp_report_opts *o, const osp_shown *s, const osp_graph *g,
                    int64_t total, osp_buf *out)
{
    osp_graph_head_lines(p, o, s, total, g, out);
    osp_buf_add(out, S("      flat  flat%   sum%        cum   cum%\n"));
    int64_t flat_sum = 0;
    for (uint32_t i = 0; i < g->nnode; i++) {
        const osp_node *n = &g->node[i];
        osp_add(&flat_sum, osp_mean(n->flat, n->flat_divisor));
        row(n, flat_sum, total, s, out);
    }
}

static void as_json(const osp_profile *p, const osp_report_opts *o, const osp_shown *s, const osp_graph *g,
                    int64_t total, osp_answer *out)
{
    osp_json_rows rows = osp_json_open("top", p, o, s, total, out);
    osp_json_graph(&rows.j, s, g);
    osp_json_rows_open(&rows);
    for (uint32_t i = 0; i < g->nnode; i++)
        if (osp_json_row(&rows)) {
            osp_json_node(&rows.j, &g->node[i], s, total);
            osp_json_row_end(&rows);
        }
    osp_json_close(&rows);
}

static bool write_top(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err)
{
    osp_view view;
    osp_graph graph;
    if (!osp_answer_view(p, o, false, &view, out, err))
        return false;
    osp_graph_opts graph_opts = osp_graph_opts_of(o);
    graph_opts.no_edges = true;
    if (!osp_graph_make(&view, &graph_opts, &graph, err)) {
        osp_view_drop(&view);
        return false;
    }
    osp_shown shown = osp_shown_of(p, o);
    osp_shown_choose(&shown, &graph, view.total);
    if (o->json)
        as_json(p, o, &shown, &graph, view.total, out);
    else
        as_text(p, o, &shown, &graph, view.total, &out->text);
    osp_graph_drop(&graph);
    osp_view_drop(&view);
    return true;
}

const osp_report osp_report_top = {
    .name = "top",
    .alias = "text",
    .summary = "a flat table of functions, the heaviest first",
    .shell_node_count = 10,
    .legend = "flat: in the function itself; cum: in it and all it calls; sum%: of this row and those above",
    .json = true,
    .write = write_top,
};
