/* SPDX-License-Identifier: Apache-2.0 */
#include "report/head.h"
#include "base/path.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

osp_report_opts osp_report_defaults(void)
{
    return (osp_report_opts){
        .node_fraction = 0.005, .edge_fraction = 0.001, .node_count = -1, .divide_by = 1, .unit = S("minimum")};
}

const osp_report *osp_report_named(osp_str name)
{
    for (const osp_report *const *r = osp_reports; *r; r++)
        if (osp_str_eq(name, osp_str_from((*r)->name)) ||
            ((*r)->alias && osp_str_eq(name, osp_str_from((*r)->alias))))
            return *r;
    return NULL;
}

osp_answer osp_answer_new(void)
{
    return (osp_answer){.text = osp_buf_of(SIZE_MAX / 2), .notes = osp_buf_of(1 << 20)};
}

void osp_answer_drop(osp_answer *a)
{
    osp_buf_drop(&a->text);
    osp_buf_drop(&a->notes);
}

bool osp_answer_view(const osp_profile *p, const osp_report_opts *o, bool rows, osp_view *view, osp_answer *out,
                     osp_err *err)
{
    osp_query query = o->query;
    query.rows = rows;
    if (!osp_view_make(p, &query, view, err))
        return false;
    out->unmatched = view->unmatched;
    osp_buf_add(&out->notes, osp_buf_str(&view->notes));
    return true;
}

bool osp_answer_pour(osp_answer *out, osp_err *err)
{
    enum { MUCH = 1 << 18 };
    if (out->text.n < MUCH || !out->pour || out->text.failed)
        return true;
    const bool taken = out->pour(out->pour_ctx, osp_buf_str(&out->text));
    out->text.n = 0;
    return taken || osp_fail(err, OSP_EIO, "%s", ""); /* who takes it says why */
}

void osp_put_u64(osp_buf *out, uint64_t v)
{
    char digits[20], *p = digits + sizeof digits;
    do
        *--p = (char)('0' + v % 10);
    while (v /= 10);
    osp_buf_add(out, (osp_str){p, (size_t)(digits + sizeof digits - p)});
}

bool osp_report_write(const osp_report *r, const osp_profile *p, const osp_report_opts *o, osp_answer *out,
                      osp_err *err)
{
    osp_report_opts own = *o;
    if (own.node_count < 0)
        own.node_count = r->node_count;
    if (r->untrimmed) {
        own.node_count = 0;
        own.node_fraction = own.edge_fraction = 0;
    }
    if (r->own_granularity)
        own.query.granularity = r->granularity;
    if (o->json && !r->json)
        return osp_fail(err, OSP_EUSAGE, "-json is for -top, -tree, -peek, -traces and -tags, not for -%s", r->name);
    bool ok = r->write(p, &own, out, err);
    osp_explain_nothing(r, p, &own, ok, err, out);
    return ok && (!out->text.failed || osp_fail_memory(err, "writing the report"));
}

/* ---- sample types --------------------------------------------------------------------------------------------- */

static bool no_such_type(const osp_profile *p, osp_str text, osp_err *err)
{
    char names[160] = "";
    size_t n = 0;
    for (uint32_t i = 0; i < p->values.n && n < sizeof names; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%.*s", i ? " " : "",
                              STRF(osp_str_head(osp_text(p, p->values.type[i].type), 40)));
    return osp_fail(err, OSP_EUSAGE, "sample_index \"%.*s\" must be one of: [%s]", STRF(osp_str_head(text, 40)),
                    names);
}

bool osp_sample_index(const osp_profile *p, osp_str text, uint32_t *out, osp_err *err)
{
    if (p->values.n == 0)
        return osp_fail(err, OSP_EFORMAT, "profile has no samples");
    osp_str name = text.n ? text : osp_text(p, p->values.preferred), without = name;
    if (text.n && osp_str_starts(text, S("inuse_")))
        without = osp_str_skip(text, 6);
    bool minus = text.n && text.p[0] == '-', sign = minus || (text.n && text.p[0] == '+');
    uint64_t number;
    if (osp_str_u64(osp_str_skip(text, sign), 10, &number)) {
        *out = (uint32_t)number;
        return (number < p->values.n && (!minus || number == 0)) ||
               osp_fail(err, OSP_EUSAGE, "sample_index %.*s is outside the range [0..%u]", STRF(text),
                        p->values.n - 1);
    }
    for (uint32_t i = 0; name.n && i < p->values.n; i++) {
        osp_str type = osp_text(p, p->values.type[i].type);
        *out = i;
        if (osp_str_eq(type, name) || osp_str_eq(type, without))
            return true;
    }
    *out = p->values.n - 1;
    return text.n == 0 || no_such_type(p, text, err);
}

/* ---- values --------------------------------------------------------------------------------------------------- */

osp_shown osp_shown_of(const osp_profile *p, const osp_report_opts *o)
{
    return (osp_shown){osp_text(p, p->values.type[o->query.value].unit), o->unit, 1 / o->divide_by, false};
}

int64_t osp_shown_value(const osp_shown *s, int64_t v)
{
    return s->ratio > 0 && s->ratio != 1 ? osp_int_of((double)v * s->ratio) : v;
}

const char *osp_shown_text(const osp_shown *s, int64_t value, char *text, size_t size)
{
    return osp_scaled(osp_shown_value(s, value), s->from, s->to, text, size);
}

const char *osp_shown_or_dot(const osp_shown *s, int64_t value, char *text, size_t size)
{
    return value ? osp_shown_text(s, value, text, size) : ".";
}

void osp_shown_choose(osp_shown *s, const osp_graph *g, int64_t total)
{
    if (!osp_str_eq(s->to, S("minimum")) || g->nnode == 0)
        return;
    int64_t min = 0, max = total;
    for (uint32_t i = 0; i < g->nnode; i++) {
        const osp_node *n = &g->node[i];
        int64_t v = osp_abs(osp_mean(n->flat, n->flat_divisor));
        if (v == 0)
            v = osp_abs(osp_mean(n->cum, n->cum_divisor));
        if (v > 0 && (min == 0 || v < min))
            min = v;
    }
    if (min == 0)
        min = max;
    min = osp_shown_value(s, min);
    max = osp_shown_value(s, max);
    osp_str small, large;
    osp_scale(min, s->from, S("minimum"), &small);
    osp_scale(max, s->from, S("minimum"), &large);
    /* Far apart: a unit in which the smallest still shows as 0.01. Wrapping products, as Go has them. */
    const int64_t hundredfold = (int64_t)((uint64_t)min * 100);
    if (!osp_str_eq(small, large) && hundredfold < max && !s->whole)
        osp_scale(hundredfold, s->from, S("minimum"), &small);
    s->to = small.n ? small : s->from;
}

/* ---- head lines ----------------------------------------------------------------------------------------------- */

static bool time_line(int64_t time_ns, osp_buf *out)
{
    int64_t s = time_ns / 1000000000 - (time_ns % 1000000000 < 0);
    time_t t = (time_t)s;
    struct tm tm;
    char text[64];
    bool ok = localtime_r(&t, &tm) && strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %Z", &tm);
    if (ok)
        osp_buf_fmt(out, "Time: %s", text);
    return ok;
}

static osp_str main_file(const osp_profile *p, const osp_report_opts *o)
{
    return p->mappings.n > 1 && o->main_file.n == 0 ? osp_text(p, p->mappings.row[1].file) : o->main_file;
}

osp_str osp_main_name(const osp_profile *p, const osp_report_opts *o)
{
    osp_str file = main_file(p, o);
    return file.n ? osp_path_base(file) : file;
}

/* Ends a line; the first says where. */
static void end_line(osp_buf *out, size_t *first)
{
    if (*first == SIZE_MAX)
        *first = out->n;
    osp_buf_byte(out, '\n');
}

static void profile_lines(const osp_profile *p, const osp_report_opts *o, const osp_shown *s, int64_t total,
                          osp_buf *out, size_t *first)
{
    char text[OSP_SHOWN_MAX], more[OSP_SHOWN_MAX];
    osp_str file = main_file(p, o);
    if (file.n) {
        osp_buf_fmt(out, "File: %.*s", STRF(osp_path_base(file)));
        end_line(out, first);
    }
    if (p->mappings.n > 1 && p->mappings.row[1].build_id.i) {
        osp_buf_fmt(out, "Build ID: %.*s", STRF(osp_text(p, p->mappings.row[1].build_id)));
        end_line(out, first);
    }
    for (uint32_t i = 0; i < p->comments.n; i++) {
        osp_str c = osp_text(p, p->comments.text[i]);
        if (!osp_str_starts(c, S("#"))) {
            osp_buf_add(out, c);
            end_line(out, first);
        }
    }
    osp_str type = osp_text(p, p->values.type[o->query.value].type);
    if (type.n || o->query.mean) {
        osp_buf_fmt(out, "Type: %s%.*s", o->query.mean ? "mean_" : "", STRF(type));
        end_line(out, first);
    }
    osp_str url = osp_text(p, p->doc_url);
    if (url.n) {
        osp_buf_fmt(out, "Doc: %.*s", STRF(url));
        end_line(out, first);
    }
    if (p->time_ns && time_line(p->time_ns, out))
        end_line(out, first);
    if (p->duration_ns) {
        osp_str u;
        double ns = osp_scale(total, s->from, S("nanoseconds"), &u);
        osp_buf_fmt(out, "Duration: %s, ",
                    osp_scaled(p->duration_ns, S("nanoseconds"), S("auto"), text, sizeof text));
        osp_buf_fmt(out, "Total samples = %s ", osp_shown_text(s, total, text, sizeof text));
        if (osp_str_eq(u, S("ns")) && ns != 0)
            osp_buf_fmt(out, "(%s)", osp_percent(osp_int_of(ns), p->duration_ns, more, sizeof more));
        end_line(out, first);
    }
}

void osp_profile_head_lines(const osp_profile *p, const osp_report_opts *o, const osp_shown *s, int64_t total,
                            osp_buf *out)
{
    size_t first = SIZE_MAX;
    profile_lines(p, o, s, total, out, &first);
}

bool osp_report_labels(const osp_profile *p, const osp_report_opts *o, osp_buf *out, int64_t *total, osp_err *err)
{
    osp_query q = {.value = o->query.value, .mean = o->query.mean, .raw_names = true};
    osp_view view;
    if (!osp_view_make(p, &q, &view, err))
        return false;
    *total = view.total;
    osp_view_drop(&view);
    const osp_shown shown = osp_shown_of(p, o);
    osp_profile_head_lines(p, o, &shown, *total, out);
    return true;
}

void osp_filters_of(const osp_query *q, osp_filter out[OSP_FILTERS])
{
    const osp_filter all[OSP_FILTERS] = {
        {"focus", q->focus},
        {"ignore", q->ignore},
        {"hide", q->hide},
        {"show", q->show},
        {"show_from", q->show_from},
        {"tagfocus", q->tag_focus},
        {"tagignore", q->tag_ignore},
        {"tagshow", q->tag_show},
        {"taghide", q->tag_hide},
        {"tagroot", q->tag_root},
        {"tagleaf", q->tag_leaf},
    };
    memcpy(out, all, sizeof all);
}

static void filter_lines(const osp_report_opts *o, osp_buf *out, size_t *first)
{
    osp_filter filter[OSP_FILTERS];
    osp_filters_of(&o->query, filter);
    bool any = false;
    for (size_t i = 0; i < OSP_FILTERS_ACTIVE; i++) {
        if (filter[i].pattern.n == 0)
            continue;
        if (!any) {
            osp_buf_add(out, S("Active filters:"));
            end_line(out, first);
        }
        any = true;
        size_t room = 80 - strlen(filter[i].name) - 1;
        bool cut = filter[i].pattern.n > room;
        osp_buf_fmt(out, "   %s=%.*s%s\n", filter[i].name, STRF(osp_str_head(filter[i].pattern, room)),
                    cut ? "\xe2\x80\xa6" : "");
    }
}

static osp_str left_trimmed(const char *text) { return osp_str_trim(osp_str_from(text)); }

/* "Dropped 2 nodes (cum <= 3s)" */
static void dropped_line(uint32_t n, const char *what, const char *by, int64_t below, const osp_shown *s,
                         osp_buf *out)
{
    char text[OSP_SHOWN_MAX];
    if (n)
        osp_buf_fmt(out, "Dropped %u %s%s (%s <= %s)\n", n, what, n > 1 ? "s" : "", by,
                    osp_shown_text(s, osp_abs(below), text, sizeof text));
}

int64_t osp_graph_shown(const osp_graph *g)
{
    int64_t shown = 0;
    for (uint32_t i = 0; i < g->nnode; i++)
        osp_add(&shown, osp_mean(g->node[i].flat, g->node[i].flat_divisor));
    return shown;
}

static void graph_lines(const osp_report_opts *o, const osp_shown *s, int64_t total, const osp_graph *g,
                        bool of_edges, osp_buf *out, size_t *first)
{
    char text[OSP_SHOWN_MAX], percent[32];
    const int64_t shown = osp_graph_shown(g);
    filter_lines(o, out, first);
    osp_buf_fmt(out, "Showing nodes accounting for %s, ", osp_shown_text(s, shown, text, sizeof text));
    osp_buf_fmt(out, "%.*s of ", STRF(left_trimmed(osp_percent(shown, total, percent, sizeof percent))));
    osp_buf_fmt(out, "%s total", osp_shown_text(s, total, text, sizeof text));
    end_line(out, first);
    if (total == 0)
        return;
    dropped_line(g->dropped_nodes, "node", "cum", osp_int_of((double)total * o->node_fraction), s, out);
    if (of_edges)
        dropped_line(g->dropped_edges, "edge", "freq", osp_int_of((double)total * o->edge_fraction), s, out);
    if (g->nnode > 0 && g->nnode < g->norig)
        osp_buf_fmt(out, "Showing top %u nodes out of %u\n", g->nnode, g->norig);
}

void osp_graph_head_lines(const osp_profile *p, const osp_report_opts *o, const osp_shown *s, int64_t total,
                          const osp_graph *g, osp_buf *out)
{
    size_t first = SIZE_MAX;
    if (!o->compact_labels)
        profile_lines(p, o, s, total, out, &first);
    graph_lines(o, s, total, g, false, out, &first);
}

size_t osp_legend_lines(const osp_profile *p, const osp_report_opts *o, const osp_shown *s, int64_t total,
                        const osp_graph *g, osp_buf *out)
{
    size_t first = SIZE_MAX;
    profile_lines(p, o, s, total, out, &first);
    graph_lines(o, s, total, g, true, out, &first);
    osp_buf_add(out, S("\nSee https://git.io/JfYMW for how to read the graph\n"));
    return first;
}

osp_graph_opts osp_graph_opts_of(const osp_report_opts *o)
{
    return (osp_graph_opts){
        .granularity = o->query.granularity,
        .no_inlines = o->query.no_inlines,
        .columns = o->columns,
        .by_cum = o->by_cum,
        .drop_negative = o->drop_negative,
        .node_fraction = o->node_fraction,
        .edge_fraction = o->edge_fraction,
        .node_count = o->node_count < UINT32_MAX ? (uint32_t)o->node_count : 0,
        .trim_path = o->trim_path,
        .source_path = o->source_path,
        .value = o->query.value,
    };
}

osp_regex *osp_argument_regex(const osp_report_opts *o, osp_err *err)
{
    char why[160];
    osp_regex *re = osp_regex_new(o->argument.p, o->argument.n, why, sizeof why);
    if (!re)
        osp_fail(err, OSP_EUSAGE, "parsing argument regexp %.*s: %s", STRF(osp_str_head(o->argument, 80)), why);
    return re;
}
