/* SPDX-License-Identifier: Apache-2.0 */
/* dot: the call graph for Graphviz. What is hot is large, red and has thick edges. */
#include "base/path.h"
#include "report/head.h"
#include "report/picture.h"
#include "report/shorten.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_TAGS = 4 }; /* shown of a node, of each kind */

typedef struct {
    const osp_graph *g;
    osp_shown shown;
    int64_t total;
    bool tidy;
    osp_buf *out;
    osp_arena scratch;
} picture;

/* ---- text in quotes ------------------------------------------------------------------------------------------- */

/* A byte for a byte, or what makes it harmless between quotes. */
static void escape_byte(osp_buf *out, char c)
{
    if (c == '\\' || c == '"')
        osp_buf_byte(out, '\\');
    if (c == '\n')
        osp_buf_add(out, S("\\l"));
    else
        osp_buf_byte(out, (uint8_t)c);
}

static void tidy_text(osp_buf *out, osp_str s, bool keep_breaks)
{
    while (s.n) {
        size_t n = osp_str_utf8(s);
        const bool control = n == 1 && ((unsigned char)s.p[0] < ' ' || s.p[0] == 127) && s.p[0] != '\n';
        const bool nonchar = n == 3 && memcmp(s.p, "\xef\xbf", 2) == 0 && (unsigned char)s.p[2] >= 0xbe;
        if (n == 0 || control || nonchar) /* XML holds none of these */
            osp_buf_add(out, S("\xef\xbf\xbd"));
        else if (keep_breaks && osp_str_starts(s, S("\\n")))
            osp_buf_add(out, osp_str_head(s, n = 2));
        else if (s.p[0] == '&') /* Graphviz knows entities */
            osp_buf_add(out, S("&amp;"));
        else if (n == 1)
            escape_byte(out, s.p[0]);
        else
            osp_buf_add(out, osp_str_head(s, n));
        s = osp_str_skip(s, n ? n : 1);
    }
}

/* Text that the peer escapes. */
static void escaped(const picture *p, osp_str s)
{
    if (p->tidy)
        tidy_text(p->out, s, false);
    else
        for (size_t i = 0; i < s.n; i++)
            escape_byte(p->out, s.p[i]);
}

/* Text that it does not; breaks in it ("\n", two characters) are meant. */
static void as_is(const picture *p, osp_str s)
{
    if (p->tidy)
        tidy_text(p->out, s, true);
    else
        osp_buf_add(p->out, s);
}

static void value(const picture *p, int64_t v)
{
    char text[OSP_SHOWN_MAX];
    as_is(p, osp_str_from(osp_shown_text(&p->shown, v, text, sizeof text)));
}

static void percent(const picture *p, int64_t v)
{
    char text[32];
    osp_buf_fmt(p->out, " (%.*s)", STRF(osp_str_trim(osp_str_from(osp_percent(v, p->total, text, sizeof text)))));
}

/* ---- colours -------------------------------------------------------------------------------------------------- */

/* One byte of a colour; what is no number is 0, as with Go. */
static unsigned channel(double v) { return v >= 0 ? (uint8_t)(v * 255) : 0; }

/* From green (-1) over grey (0) to red (1): pale to fill a box, else strong. */
static void colour(const picture *p, double score, bool pale)
{
    double saturation = pale ? 0.1 : 1, v = pale ? 0.93 : 0.7;
    score = score < -1 ? -1 : score > 1 ? 1 : score;
    if (fabs(score) < 0.2) /* near 0 grey, not yellow */
        saturation *= fabs(score) / 0.2;
    if (score > 0)
        score = pow(score, 0.3);
    else if (score < 0)
        score = -pow(-score, 0.3);
    double r = score < 0 ? v * (1 + saturation * score) : v, g = score < 0 ? v : v * (1 - saturation * score);
    osp_buf_fmt(p->out, "\"#%02x%02x%02x\"", channel(r), channel(g), channel(v * (1 - saturation)));
}

/* ---- the legend ----------------------------------------------------------------------------------------------- */

static void legend(picture *p, const osp_profile *of, const osp_report_opts *o, osp_str title)
{
    osp_buf lines = osp_buf_of(p->out->max);
    size_t first = osp_legend_lines(of, o, &p->shown, p->total, p->g, &lines);
    osp_buf_add(p->out, S("subgraph cluster_L { \""));
    escaped(p, osp_str_head(osp_buf_str(&lines), first));
    osp_buf_add(p->out, S("\" [shape=box fontsize=16 label=\""));
    escaped(p, osp_buf_str(&lines));
    osp_buf_byte(p->out, '"');
    if (title.n) {
        osp_buf_add(p->out, S(" tooltip=\""));
        as_is(p, title);
        osp_buf_byte(p->out, '"');
    }
    osp_buf_add(p->out, S("] }\n"));
    p->out->failed |= lines.failed;
    osp_buf_drop(&lines);
}

/* ---- nodes ---------------------------------------------------------------------------------------------------- */

static int64_t flat_of(const osp_node *n) { return osp_mean(n->flat, n->flat_divisor); }
static int64_t cum_of(const osp_node *n) { return osp_mean(n->cum, n->cum_divisor); }

/* The shortened name, its parts one under another. */
static void name_lines(const picture *p, osp_str name)
{
    char *room = malloc(OSP_SHORT_NAME_ROOM(name));
    if (!room) {
        p->out->failed = true;
        return;
    }
    osp_str s = osp_short_name(name, room);
    while (s.n) {
        static const osp_str parts[][2] = {
            {{"::", 2}, {"\\n", 2}}, {{"[...]", 5}, {"[\xe2\x80\xa6]", 5}}, {{".", 1}, {"\\n", 2}}};
        size_t at = s.n, which = 0;
        for (size_t i = 0; i < 3; i++) {
            size_t found = osp_str_find(s, parts[i][0]);
            which = found < at ? i : which;
            at = found < at ? found : at;
        }
        escaped(p, osp_str_head(s, at));
        if (at < s.n)
            osp_buf_add(p->out, parts[which][1]);
        s = osp_str_skip(s, at + (at < s.n ? parts[which][0].n : 0));
    }
    free(room);
}

/* The label's parts one under another, each with its "\n". */
static void node_lines(const picture *p, const osp_node *n)
{
    if (n->addr)
        osp_buf_fmt(p->out, "%016llx\\n", (unsigned long long)n->addr);
    if (n->name.n) {
        name_lines(p, n->name);
        osp_buf_add(p->out, S("\\n"));
    }
    osp_str file = n->file.n ? osp_path_base(n->file) : n->file;
    if (n->line) {
        as_is(p, file);
        osp_buf_fmt(p->out, n->column ? ":%lld:%lld\\n" : ":%lld\\n", (long long)n->line, (long long)n->column);
    } else if (file.n) {
        as_is(p, file);
        osp_buf_add(p->out, S("\\n"));
    } else if (!n->name.n && n->object.n) {
        osp_buf_byte(p->out, '[');
        as_is(p, osp_path_base(n->object));
        osp_buf_add(p->out, S("]\\n"));
    } else if (!n->name.n) {
        osp_buf_add(p->out, S("<unknown>\\n"));
    }
}

static void node_values(const picture *p, int64_t flat, int64_t cum)
{
    if (flat) {
        value(p, flat);
        percent(p, flat);
    } else {
        osp_buf_byte(p->out, '0');
    }
    if (cum == flat)
        return;
    osp_buf_add(p->out, flat ? S("\\nof ") : S(" of "));
    value(p, cum);
    percent(p, cum);
}

static void node(const picture *p, uint32_t i, double max_flat)
{
    const osp_node *n = &p->g->node[i];
    const int64_t flat = flat_of(n), cum = cum_of(n);
    const double size = (double)osp_abs(flat), score = (double)cum / (double)osp_abs(p->total);
    int64_t font = 8; /* to 24, growing fast at first */
    if (max_flat != 0 && flat != 0 && size <= max_flat)
        osp_add(&font, osp_int_of(ceil(16 * sqrt(size / max_flat))));
    osp_buf_fmt(p->out, "N%u [label=\"", i + 1);
    node_lines(p, n);
    node_values(p, flat, cum);
    osp_buf_fmt(p->out, "\" id=\"node%u\" fontsize=%lld shape=box tooltip=\"", i + 1, (long long)font);
    escaped(p, n->label);
    osp_buf_add(p->out, S(" ("));
    value(p, cum);
    osp_buf_add(p->out, S(")\" color="));
    colour(p, score, false);
    osp_buf_add(p->out, S(" fillcolor="));
    colour(p, score, true);
    osp_buf_add(p->out, S("]\n"));
}

/* ---- tags: little boxes that hang on nodes -------------------------------------------------------------------- */

/* A tag, or several whose numbers are near each other. */
typedef struct {
    osp_str name;
    int64_t flat, cum, flat_divisor, cum_divisor;
    const osp_tag *of;
} nodelet;

static int by_size(int64_t a, int64_t b)
{
    a = osp_abs(a);
    b = osp_abs(b);
    return (a < b) - (a > b);
}

static int by_flat(const void *x, const void *y)
{
    const nodelet *a = x, *b = y;
    int c = by_size(a->flat, b->flat);
    return c ? c : osp_str_cmp(a->name, b->name);
}

static int by_cum(const void *x, const void *y)
{
    const nodelet *a = x, *b = y;
    int c = by_size(a->cum, b->cum);
    return c ? c : by_flat(x, y);
}

static void sort_nodelets(nodelet *l, size_t n, bool flat) { qsort(l, n, sizeof *l, flat ? by_flat : by_cum); }

static nodelet nodelet_of(const osp_tag *t)
{
    return (nodelet){t->numeric ? t->name : t->label, t->flat, t->cum, t->flat_divisor, t->cum_divisor, t};
}

static double distance(const osp_tag *a, const osp_tag *b)
{
    osp_str unit;
    return fabs(osp_scale(b->value, b->unit, a->unit, &unit) - (double)a->value);
}

/* Numbers that are near each other: the first is the heaviest. */
typedef struct {
    nodelet sum;
    const osp_tag *min, *max;
    uint32_t n;
} range;

static void widen(range *r, const nodelet *l)
{
    osp_str unit;
    const osp_tag *t = l->of;
    if (r->n++ == 0) {
        *r = (range){*l, t, t, 1};
        return;
    }
    if (osp_int_of(osp_scale(t->value, t->unit, r->min->unit, &unit)) < r->min->value)
        r->min = t;
    if (osp_int_of(osp_scale(t->value, t->unit, r->max->unit, &unit)) > r->max->value)
        r->max = t;
    osp_add(&r->sum.flat, l->flat);
    osp_add(&r->sum.cum, l->cum);
    osp_add(&r->sum.flat_divisor, l->flat_divisor);
    osp_add(&r->sum.cum_divisor, l->cum_divisor);
}

/* "4kB", or "4kB..1MB": each in its own unit, else small ones would all be 0. */
static osp_str range_name(picture *p, const range *r)
{
    char min[OSP_SHOWN_MAX], max[OSP_SHOWN_MAX];
    osp_scaled(r->min->value, r->min->unit, S("auto"), min, sizeof min);
    osp_scaled(r->max->value, r->max->unit, S("auto"), max, sizeof max);
    return osp_arena_fmt(&p->scratch, "%s%s%s", min, r->n > 1 ? ".." : "", r->n > 1 ? max : "");
}

/* Make MOST_TAGS ranges of n sorted numbers. */
static void collapse(picture *p, nodelet *l, size_t n, bool flat)
{
    range r[MOST_TAGS] = {0};
    for (size_t i = 0; i < n; i++) {
        size_t nearest = i;
        for (size_t k = 0; i >= MOST_TAGS && k < MOST_TAGS; k++)
            if (k == 0 || distance(l[i].of, r[k].sum.of) < distance(l[i].of, r[nearest].sum.of))
                nearest = k;
        widen(&r[nearest], &l[i]);
    }
    for (size_t k = 0; k < MOST_TAGS; k++)
        l[k] = (nodelet){
            .name = range_name(p, &r[k]),
            .flat = osp_mean(r[k].sum.flat, r[k].sum.flat_divisor),
            .cum = osp_mean(r[k].sum.cum, r[k].sum.cum_divisor),
        };
    sort_nodelets(l, MOST_TAGS, flat);
}

/* A box under the one called `under`, called `id`. */
static void box(const picture *p, const char *under, const char *id, osp_str name, int64_t w, bool dotted)
{
    osp_buf_fmt(p->out, "%s [label = \"", id);
    as_is(p, name);
    osp_buf_fmt(p->out, "\" id=\"%s\" fontsize=8 shape=box3d tooltip=\"", id);
    value(p, w);
    osp_buf_fmt(p->out, "\"]\n%s -> %s [label=\" ", under, id);
    value(p, w);
    osp_buf_add(p->out, S("\" weight=100 tooltip=\""));
    value(p, w);
    osp_buf_add(p->out, S("\" labeltooltip=\""));
    value(p, w);
    osp_buf_add(p->out, dotted ? S("\" style=\"dotted\"]\n") : S("\"]\n"));
}

/* The numbers of samples with this label: tag[0, n). */
static void number_boxes(picture *p, const osp_tag *tag, size_t n, bool flat, const char *under)
{
    nodelet *l = osp_new(&p->scratch, nodelet, n);
    if (!l) {
        p->out->failed = true;
        return;
    }
    for (size_t i = 0; i < n; i++)
        l[i] = nodelet_of(&tag[i]);
    sort_nodelets(l, n, flat);
    if (n > MOST_TAGS) {
        collapse(p, l, n, flat);
        n = MOST_TAGS;
    }
    for (size_t i = 0; i < n; i++) {
        const int64_t own = osp_mean(l[i].flat, l[i].flat_divisor), all = osp_mean(l[i].cum, l[i].cum_divisor);
        const int64_t w = flat ? own : all;
        char id[64];
        snprintf(id, sizeof id, "N%s_%zu", under, i);
        if (w)
            box(p, under, id, l[i].name, w, !flat && own != all);
    }
}

/* The part of tag[0, n) that belongs to a label; *count is how many. */
static const osp_tag *numbers_of(const osp_tag *tag, size_t n, osp_str label, size_t *count)
{
    size_t from = 0, to;
    while (from < n && (!tag[from].numeric || !osp_str_eq(tag[from].label, label)))
        from++;
    for (to = from; to < n && osp_str_eq(tag[to].label, label); to++)
        ;
    *count = to - from;
    return tag + from;
}

/* The boxes of a node; true if there are any. Only of a leaf do they count what was called from there. */
static bool boxes(picture *p, uint32_t i, bool leaf)
{
    const osp_node *n = &p->g->node[i];
    const osp_tag *tag = p->g->tag + n->first_tag;
    const size_t before = p->out->n;
    size_t nlabel = 0, nnumber;
    char id[2][32];
    nodelet *l = osp_new(&p->scratch, nodelet, n->ntag);
    while (l && nlabel < n->ntag && !tag[nlabel].numeric) {
        l[nlabel] = nodelet_of(&tag[nlabel]);
        nlabel++;
    }
    if (!l) {
        p->out->failed = true;
        return false;
    }
    sort_nodelets(l, nlabel, !leaf);
    snprintf(id[0], sizeof id[0], "N%u", i + 1);
    for (size_t k = 0; k < nlabel && k < MOST_TAGS; k++) {
        const int64_t w = leaf ? osp_mean(l[k].cum, l[k].cum_divisor) : osp_mean(l[k].flat, l[k].flat_divisor);
        if (w == 0)
            continue;
        snprintf(id[1], sizeof id[1], "N%u_%zu", i + 1, k);
        box(p, id[0], id[1], l[k].name, w, false);
        const osp_tag *number = numbers_of(tag, n->ntag, l[k].name, &nnumber);
        number_boxes(p, number, nnumber, !leaf, id[1]);
    }
    const osp_tag *number = numbers_of(tag, n->ntag, S(""), &nnumber);
    number_boxes(p, number, nnumber, !leaf, id[0]);
    return p->out->n > before;
}

/* ---- edges ---------------------------------------------------------------------------------------------------- */

/* How many of `most` parts of the total v is; Go's arithmetic, which wraps. */
static int64_t parts(const picture *p, int64_t v, int64_t most)
{
    const int64_t n = osp_abs(osp_mean((int64_t)((uint64_t)v * (uint64_t)most), p->total));
    return n < most ? n : most;
}

static void edge_tooltip(const picture *p, const char *name, const osp_edge *e, int64_t w)
{
    osp_buf_fmt(p->out, " %s=\"", name);
    escaped(p, p->g->node[e->from].label);
    osp_buf_add(p->out, e->residual ? S(" ... ") : S(" -> "));
    escaped(p, p->g->node[e->to].label);
    osp_buf_add(p->out, S(" ("));
    value(p, w);
    osp_buf_add(p->out, S(")\""));
}

/* Ghosts are all called N0. */
static uint32_t number_of(const picture *p, uint32_t node) { return node < p->g->nnode ? node + 1 : 0; }

static void edge(const picture *p, const osp_edge *e, bool has_boxes)
{
    const int64_t w = osp_mean(e->weight, e->divisor);
    osp_buf_fmt(p->out, "N%u -> N%u [label=\" ", number_of(p, e->from), number_of(p, e->to));
    value(p, w);
    osp_buf_add(p->out, e->inlined ? S("\\n (inline)\"") : S("\""));
    if (p->total) {
        const int64_t weight = 1 + parts(p, w, 100), width = 1 + parts(p, w, 5);
        if (weight > 1)
            osp_buf_fmt(p->out, " weight=%lld", (long long)weight);
        if (width > 1)
            osp_buf_fmt(p->out, " penwidth=%lld", (long long)width);
        osp_buf_add(p->out, S(" color="));
        colour(p, (double)w / (double)osp_abs(p->total), false);
    }
    edge_tooltip(p, "tooltip", e, w);
    edge_tooltip(p, "labeltooltip", e, w);
    if (e->residual)
        osp_buf_add(p->out, S(" style=\"dotted\""));
    if (has_boxes)
        osp_buf_add(p->out, S(" minlen=2"));
    osp_buf_add(p->out, S("]\n"));
}

/* An edge and what decides its place. */
typedef struct {
    const osp_edge *e;
    osp_str from, to;
} placed;

static int by_weight(const void *x, const void *y)
{
    const placed *a = x, *b = y;
    int c = by_size(a->e->weight, b->e->weight);
    c = c ? c : osp_str_cmp(a->from, b->from);
    c = c ? c : osp_str_cmp(a->to, b->to);
    c = c ? c : (a->e->from > b->e->from) - (a->e->from < b->e->from);
    return c ? c : (a->e->to > b->e->to) - (a->e->to < b->e->to);
}

static void edges(picture *p, const bool *has_boxes)
{
    placed *l = osp_new(&p->scratch, placed, p->g->nedge);
    size_t n = 0;
    if (!l) {
        p->out->failed = true;
        return;
    }
    for (uint32_t i = 0; i < p->g->nedge; i++) {
        const osp_edge *e = &p->g->edge[i];
        if (e->from < p->g->nnode)
            l[n++] = (placed){e, p->g->node[e->from].label, p->g->node[e->to].label};
    }
    qsort(l, n, sizeof *l, by_weight);
    for (size_t i = 0; i < n; i++)
        edge(p, l[i].e, has_boxes[l[i].e->from]);
}

/* ---- the graph ------------------------------------------------------------------------------------------------ */

static bool nodes_and_edges(picture *p)
{
    const osp_graph *g = p->g;
    bool *has_boxes = osp_new(&p->scratch, bool, g->nnode), *has_callees = osp_new(&p->scratch, bool, g->nnode);
    int64_t max_flat = 0;
    if (!has_boxes || !has_callees)
        return false;
    for (uint32_t i = 0; i < g->nedge; i++)
        if (g->edge[i].from < g->nnode)
            has_callees[g->edge[i].from] = true;
    for (uint32_t i = 0; i < g->nnode; i++) {
        const int64_t flat = osp_abs(flat_of(&g->node[i]));
        max_flat = i == 0 || flat > max_flat ? flat : max_flat;
    }
    for (uint32_t i = 0; i < g->nnode; i++) {
        node(p, i, (double)max_flat);
        has_boxes[i] = boxes(p, i, !has_callees[i]);
    }
    edges(p, has_boxes);
    return true;
}

static bool write_graph(const osp_profile *of, const osp_report_opts *o, const osp_view *view, bool tidy,
                        osp_answer *out, osp_err *err)
{
    osp_graph_opts graph_opts = osp_graph_opts_of(o);
    graph_opts.visual = true;
    graph_opts.call_tree = o->call_tree;
    graph_opts.tag_unit = o->unit;
    osp_graph graph;
    if (!osp_graph_make(view, &graph_opts, &graph, err))
        return false;
    picture p = {.g = &graph, .shown = osp_shown_of(of, o), .total = view->total, .tidy = tidy, .out = &out->text};
    osp_arena_init(&p.scratch, SIZE_MAX / 2);
    osp_shown_choose(&p.shown, &graph, view->total);
    osp_str title = osp_main_name(of, o);
    osp_buf_add(p.out, S("digraph \""));
    as_is(&p, title.n ? title : S("unnamed"));
    osp_buf_add(p.out, S("\" {\nnode [style=filled fillcolor=\"#f8f8f8\"]\n"));
    legend(&p, of, o, title);
    bool ok = nodes_and_edges(&p) || osp_fail_memory(err, "drawing the call graph");
    osp_buf_add(p.out, S("}\n"));
    osp_arena_drop(&p.scratch);
    osp_graph_drop(&graph);
    return ok;
}

bool osp_picture_text(const osp_profile *p, const osp_report_opts *o, bool tidy, osp_answer *out, osp_err *err)
{
    osp_view view;
    const bool tags = p->labelsets.n > 1;
    if (!osp_answer_view(p, o, tags, &view, out, err))
        return false;
    bool ok = write_graph(p, o, &view, tidy, out, err);
    osp_view_drop(&view);
    return ok;
}

static bool write_dot(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err)
{
    return osp_picture_text(p, o, false, out, err);
}

const osp_report osp_report_dot = {
    .name = "dot",
    .summary = "the call graph as a text for Graphviz",
    .node_count = 80,
    .write = write_dot,
};
