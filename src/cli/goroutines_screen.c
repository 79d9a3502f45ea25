/* SPDX-License-Identifier: Apache-2.0 */
/* The table of `osprey goroutines`, and the sheet of one: pure functions of the model. */
#include "cli/goroutines_screen.h"
#include "cli/ps_table.h"

#include <stdio.h>

enum {
    NARROWEST = 80,
    WIDE = 124, /* columns from which on shortest and median are shown, too */
    STATE_MOST = 24,
    PLACE_LEAST = 20,
    CELL = 64,
    MARGIN = 9, /* of the lines under a group */
    THREADS_SHOWN = 4,
};

/* ---- texts ------------------------------------------------------------------------------------------------------ */

/* "0.4s", "16m02s". */
static osp_str wait_text(int64_t ns, char buf[CELL])
{
    double s = (double)ns / 1e9;
    if (ns < 0)
        snprintf(buf, CELL, "–");
    else if (s < 10)
        snprintf(buf, CELL, "%.1fs", s);
    else
        osp_age_text((uint64_t)s, buf, CELL);
    return osp_str_from(buf);
}

/* The last `width` columns of a name, what is cut marked at its begin; paths lose their first parts first. */
static osp_str tail_of(osp_str text, size_t width, char *buf, size_t size)
{
    size_t n = osp_str_columns(text);
    if (n <= width || width < 2)
        return text;
    osp_str rest = text;
    while (osp_str_columns(rest) + 1 > width && osp_str_has(rest, S("/")))
        osp_str_cut(&rest, '/');
    size_t slash = rest.n < text.n;
    if (osp_str_columns(rest) + 1 + slash > width) {
        while (rest.n && osp_str_columns(rest) + 1 > width)
            rest = osp_str_skip(rest, osp_str_utf8(rest) ? osp_str_utf8(rest) : 1);
        slash = 0;
    }
    snprintf(buf, size, "…%s%.*s", slash ? "/" : "", STRF(rest));
    return osp_str_from(buf);
}

/* "main.worker worker.go:41" in so many columns: the place goes first, then the name's head. under: it is somewhere in a
 * call of that function. */
static void put_spot(const osp_cli *cli, const osp_spot *s, bool under, size_t width, osp_colour colour, osp_buf *out)
{
    char name[512], place[256] = "";
    if (s && under) {
        osp_paint(cli, out, OSP_DIM, "under ");
        width -= 6;
    }
    if (!s) {
        osp_buf_add(out, S("–"));
        osp_buf_fill(out, ' ', width - 1);
        return;
    }
    if (s->file.n)
        snprintf(place, sizeof place, " %.*s:%d", STRF(osp_str_base(s->file)), s->line);
    size_t n = osp_str_columns(s->func), p = osp_str_columns(osp_str_from(place));
    if (n + p > width && (p > width / 2 || width - p < PLACE_LEAST))
        place[0] = 0, p = 0;
    osp_str shown = tail_of(s->func, width - p, name, sizeof name);
    osp_paint(cli, out, colour, "%.*s", STRF(shown));
    osp_paint(cli, out, OSP_DIM, "%s", place);
    n = osp_str_columns(shown) + p;
    osp_buf_fill(out, ' ', n < width ? width - n : 0);
}

static const osp_goroutine *example_of(const osp_goroutines_view *v, const osp_goroutine_group *g)
{
    return &v->list->g[g->example];
}

static osp_colour colour_of(const osp_goroutine *g)
{
    return g->status == OSP_G_RUNNING ? OSP_GREEN : g->status == OSP_G_RUNNABLE ? OSP_YELLOW : OSP_PLAIN;
}

/* ---- the head --------------------------------------------------------------------------------------------------- */

static void put_name(const osp_cli *cli, const osp_goroutines_view *v, osp_buf *out)
{
    osp_inspect *in = v->in;
    const osp_image *image = osp_inspect_image(in);
    osp_paint(cli, out, OSP_BOLD, "%.*s", STRF(v->name));
    osp_paint(cli, out, OSP_DIM, " (%.*s, %.*s)", STRF(image->name), STRF(osp_go_version(osp_inspect_go(in))));
}

static void put_head(const osp_cli *cli, const osp_goroutines_view *v, osp_buf *out)
{
    char n[CELL], took[CELL];
    const osp_goroutine_list *l = v->list;
    double ms = (double)l->took_ns / 1e6;
    snprintf(took, sizeof took, ms < 1000 ? "%.0f ms" : "%.1f s", ms < 1000 ? ms < 1 ? 1 : ms : ms / 1000);
    put_name(cli, v, out);
    osp_str count = osp_count_text(v->groups->ngoroutine, n, sizeof n);
    osp_paint(cli, out, OSP_PLAIN, ": %.*s goroutine%s in %u group%s, read in %s%s", STRF(count),
              v->groups->ngoroutine == 1 ? "" : "s", v->groups->n, v->groups->n == 1 ? "" : "s", took,
              osp_inspect_image(v->in)->process ? v->frozen ? "" : " without stopping it" : "");
    if (osp_inspect_image(v->in)->process && v->frozen)
        osp_paint(cli, out, v->stop.expired ? OSP_YELLOW : OSP_PLAIN, " while it stood still for %.1f ms%s",
                  (double)v->stop.stop_ns / 1e6,
                  v->stop.expired ? ", which was not enough: the last were read while it ran" : "");
    osp_buf_add(out, S("\n"));
    if (v->seconds > 0)
        osp_paint(cli, out, OSP_PLAIN, "growth in %.1f s", v->seconds), osp_buf_byte(out, '\n');
    osp_buf_byte(out, '\n');
}

/* Columns of the table. */
typedef struct {
    size_t state, waited, place, creator; /* columns */
    bool waits, three;                    /* how long they wait; shortest and median, too */
} widths;

/* What is not known, or was doubtful. */
static void put_doubts(const osp_cli *cli, const osp_goroutines_view *v, const widths *w, uint32_t hidden,
                       osp_buf *out)
{
    char text[512] = "";
    const osp_goroutine_list *l = v->list;
    size_t at = 0;
    const struct {
        uint64_t n;
        const char *what;
    } doubt[] = {
        {hidden, "more groups (--all)"},
        {l->again, "ran meanwhile and were read again"},
        {l->torn, "ran each time: without a stack"},
        {l->cut, "have a stack that is cut"},
        {l->unread, "could not be read"},
    };
    for (size_t i = 0; i < sizeof doubt / sizeof *doubt; i++)
        if (doubt[i].n && at < sizeof text)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%llu %s", at ? " · " : "",
                                   (unsigned long long)doubt[i].n, doubt[i].what);
    int64_t off = l->counted < 0 ? 0 : (int64_t)l->nuser - l->counted;
    if (off && at < sizeof text)
        at += (size_t)snprintf(text + at, sizeof text - at, "%sthe runtime counts %lld (%+lld)", at ? " · " : "",
                               (long long)l->counted, (long long)-off);
    osp_buf_byte(out, '\n');
    if (at) {
        osp_paint(cli, out, OSP_DIM, "%*s%s", MARGIN, "", text);
        osp_buf_byte(out, '\n');
    }
    osp_paint(cli, out, OSP_DIM, "%*s%s", MARGIN, "",
              !osp_inspect_image(v->in)->process ? "how long they have waited a core does not say"
              : w->waits ? "waits as the runtime notes them, at collections: off by up to the time between two"
                         : "how long they wait is not known: two collections have to meet them first");
    osp_buf_byte(out, '\n');
}

/* ---- lines under a group ---------------------------------------------------------------------------------------- */

static void put_labels(const osp_cli *cli, osp_str text, osp_buf *out)
{
    osp_str key, value;
    while (osp_labels_next(&text, &key, &value))
        osp_paint(cli, out, OSP_DIM, " %.*s=%.*s", STRF(key), STRF(value));
}

static void begin_line(osp_buf *out) { osp_buf_fill(out, ' ', MARGIN); }

/* On which threads they are: those that run, and those in system calls. */
static void put_threads(const osp_cli *cli, const osp_goroutines_view *v, const osp_goroutine_group *g, osp_buf *out)
{
    uint32_t shown = 0, on = 0;
    for (uint32_t i = 0; i < g->n && on <= THREADS_SHOWN; i++) {
        const osp_goroutine *one = &v->list->g[g->member[i]];
        const osp_m *m = osp_goroutine_m(v->list, one->m);
        on += m != NULL;
        if (!m || shown == THREADS_SHOWN)
            continue;
        if (!shown++)
            begin_line(out);
        osp_paint(cli, out, OSP_DIM, "%sgoroutine %llu on thread %d (M%lld)", shown > 1 ? " · " : "",
                  (unsigned long long)one->goid, m->tid, (long long)m->id);
    }
    if (shown && on > shown)
        osp_paint(cli, out, OSP_DIM, " · …");
    if (shown)
        osp_buf_byte(out, '\n');
}

static void put_details(const osp_cli *cli, const osp_goroutines_view *v, const osp_goroutine_group *g, osp_buf *out)
{
    char n[CELL];
    if (g->nlabels) {
        begin_line(out);
        osp_paint(cli, out, OSP_DIM, "labels");
        put_labels(cli, v->list->labels[g->labels], out);
        if (g->nlabels < g->n) {
            osp_str count = osp_count_text(g->nlabels, n, sizeof n);
            osp_paint(cli, out, OSP_DIM, " on %.*s", STRF(count));
        }
        if (g->nlabelled > g->nlabels)
            osp_paint(cli, out, OSP_DIM, ", others on %u", g->nlabelled - g->nlabels);
        osp_buf_byte(out, '\n');
    }
    if (g->nlocked) {
        begin_line(out);
        if (g->nlocked == g->n)
            osp_paint(cli, out, OSP_DIM, "locked to %s", g->n == 1 ? "its thread" : "their threads");
        else
            osp_paint(cli, out, OSP_DIM, "%u locked to their threads", g->nlocked);
        osp_buf_byte(out, '\n');
    }
    put_threads(cli, v, g, out);
}

static void put_stack(const osp_cli *cli, const osp_goroutines_view *v, const osp_goroutine *g, bool addresses,
                      osp_buf *out)
{
    const osp_go_stack *s = &v->list->stack[g->stack];
    const osp_spot *row;
    for (uint32_t i = 0; i < s->n; i++) {
        size_t n = osp_inspect_spots(v->in, s->pc[i], &row);
        for (size_t k = 0; k < n; k++) {
            begin_line(out);
            if (addresses)
                osp_paint(cli, out, OSP_DIM, "0x%-14llx  ", (unsigned long long)row[k].pc);
            osp_colour c = row[k].runtime ? OSP_DIM : row[k].std ? OSP_PLAIN : OSP_BOLD;
            if (row[k].func.n)
                osp_paint(cli, out, c, "%.*s", STRF(row[k].func));
            else
                osp_paint(cli, out, OSP_DIM, "0x%llx", (unsigned long long)row[k].pc);
            if (row[k].file.n)
                osp_paint(cli, out, OSP_DIM, "  %.*s:%d", STRF(row[k].file), row[k].line);
            if (row[k].inlined)
                osp_paint(cli, out, OSP_DIM, "  inlined");
            osp_buf_byte(out, '\n');
        }
    }
    if (!s->n) {
        begin_line(out);
        osp_paint(cli, out, OSP_DIM, "%s",
                  g->torn ? "it ran while it was read, each time" : "it runs: its stack cannot be read from outside");
        osp_buf_byte(out, '\n');
    } else if (!s->whole) {
        begin_line(out);
        osp_paint(cli, out, OSP_DIM, "… the rest of the stack is not known");
        osp_buf_byte(out, '\n');
    }
}

/* ---- the table -------------------------------------------------------------------------------------------------- */

static widths widths_of(const osp_goroutines_view *v, const osp_goroutines_look *look, uint32_t rows)
{
    widths w = {.state = 5, .waited = 7};
    size_t whole = look->columns ? look->columns < NARROWEST ? NARROWEST : look->columns : 160;
    for (uint32_t i = 0; i < rows; i++) {
        size_t n =
            osp_str_columns(v->by == OSP_BY_STACK ? osp_goroutine_state(v->in, example_of(v, &v->groups->row[i]))
                                                  : v->groups->row[i].title);
        w.state = n > w.state ? n : w.state;
        w.waits |= v->groups->row[i].nwaited > 0;
    }
    w.three = w.waits && (!look->columns || look->columns >= WIDE);
    size_t most = v->by == OSP_BY_STACK ? STATE_MOST : whole / 2;
    w.state = w.state < most ? w.state : most;
    size_t used = 7 + 2 + w.state + 2 + (w.waits + 2 * w.three) * (w.waited + 2) + 2 + (v->seconds > 0 ? 10 : 0);
    size_t left = whole > used + 2 * PLACE_LEAST ? whole - used : 2 * PLACE_LEAST;
    w.place = left * 13 / 20;
    w.creator = left - w.place - 1;
    return w;
}

static void put_heads(const osp_cli *cli, const osp_goroutines_view *v, const widths *w, osp_buf *out)
{
    static const char *const key[] = {"STATE", "CREATED BY", "STATE", "STATE", "LABEL"};
    char line[512];
    int n = snprintf(line, sizeof line, "%7s  ", "COUNT");
    if (v->seconds > 0)
        n += snprintf(line + n, sizeof line - (size_t)n, "%8s  ", "PER MIN");
    n += snprintf(line + n, sizeof line - (size_t)n, "%-*s  ", (int)w->state, key[v->by]);
    if (w->three)
        n += snprintf(line + n, sizeof line - (size_t)n, "%7s  %7s  ", "LEAST", "MEDIAN");
    if (w->waits)
        n += snprintf(line + n, sizeof line - (size_t)n, "%7s  ", w->three ? "LONGEST" : "WAITED");
    n += snprintf(line + n, sizeof line - (size_t)n, "%-*s  %s", (int)w->place, "WHERE",
                  v->by == OSP_BY_CREATOR ? "" : "CREATED BY");
    osp_paint(cli, out, OSP_DIM, "%s", line);
    osp_buf_byte(out, '\n');
}

static void put_row(const osp_cli *cli, const osp_goroutines_view *v, const osp_goroutine_group *g, const widths *w,
                    osp_buf *out)
{
    char n[CELL], cut[256];
    const osp_goroutine *one = example_of(v, g);
    osp_buf_right(out, osp_count_text(g->n, n, sizeof n), 7);
    osp_buf_add(out, S("  "));
    if (v->seconds > 0) {
        double rate = ((double)g->n - g->before) * 60 / v->seconds;
        snprintf(n, sizeof n, rate ? "%+.0f" : "–", rate);
        osp_buf_fill(out, ' ', 8 - osp_str_columns(osp_str_from(n)));
        osp_paint(cli, out, rate > 0 ? OSP_BOLD : OSP_PLAIN, "%s", n);
        osp_buf_add(out, S("  "));
    }
    osp_str state = v->by == OSP_BY_STACK ? osp_goroutine_state(v->in, one) : g->title.n ? g->title : S("–");
    state = tail_of(state, w->state, cut, sizeof cut);
    osp_paint(cli, out, v->by == OSP_BY_STACK ? colour_of(one) : OSP_PLAIN, "%.*s", STRF(state));
    osp_buf_fill(out, ' ', w->state - osp_str_columns(state) + 2);
    if (w->three) {
        osp_buf_right(out, wait_text(g->least_ns, n), w->waited);
        osp_buf_add(out, S("  "));
        osp_buf_right(out, wait_text(g->median_ns, n), w->waited);
        osp_buf_add(out, S("  "));
    }
    if (w->waits) {
        osp_buf_right(out, wait_text(g->most_ns, n), w->waited);
        osp_buf_add(out, S("  "));
    }
    put_spot(cli, osp_goroutine_place(v->in, v->list, one), !v->list->stack[one->stack].n, w->place, OSP_BOLD, out);
    if (v->by != OSP_BY_CREATOR) {
        osp_buf_add(out, S("  "));
        put_spot(cli, osp_goroutine_creator(v->in, one), false, w->creator, OSP_PLAIN, out);
    }
    while (out->n && out->p[out->n - 1] == ' ')
        out->n--;
    osp_buf_byte(out, '\n');
    if (v->by != OSP_BY_STACK && g->nexample < g->n) {
        begin_line(out);
        osp_paint(cli, out, OSP_DIM, "%u of them there", g->nexample);
        osp_buf_byte(out, '\n');
    }
}

/* A core's clock is unknown. */
static uint64_t taken_ns(const osp_goroutines_view *v)
{
    return osp_inspect_image(v->in)->process ? v->list->taken_ns : 0;
}

void osp_goroutines_table(const osp_cli *cli, const osp_goroutines_view *v, const osp_goroutines_look *look,
                          osp_buf *out)
{
    uint32_t n = v->groups->n, rows = look->rows && look->rows < n ? look->rows : n;
    widths w = widths_of(v, look, rows);
    put_head(cli, v, out);
    if (n)
        put_heads(cli, v, &w, out);
    for (uint32_t i = 0; i < rows; i++) {
        const osp_goroutine_group *g = &v->groups->row[i];
        put_row(cli, v, g, &w, out);
        if (v->waits)
            osp_waits_lines(
                cli, &v->waits[i], g->n, taken_ns(v),
                &(osp_waits_look){.margin = MARGIN, .most = look->stacks ? 8 : 2, .columns = look->columns}, out);
        put_details(cli, v, g, out);
        if (look->stacks) {
            put_stack(cli, v, example_of(v, g), false, out);
            osp_buf_byte(out, '\n');
        }
    }
    if (n)
        put_doubts(cli, v, &w, n - rows, out);
}

/* ---- one goroutine ---------------------------------------------------------------------------------------------- */

void osp_goroutine_sheet(const osp_cli *cli, const osp_goroutines_view *v, const osp_goroutine *g, osp_buf *out)
{
    char n[CELL];
    put_name(cli, v, out);
    osp_buf_add(out, S(": "));
    osp_paint(cli, out, OSP_BOLD, "goroutine %llu", (unsigned long long)g->goid);
    osp_str state = osp_goroutine_state(v->in, g);
    osp_paint(cli, out, colour_of(g), " %.*s", STRF(state));
    if (g->waited_ns >= 0) {
        osp_str waited = wait_text(g->waited_ns, n);
        osp_paint(cli, out, OSP_PLAIN, ", for about %.*s", STRF(waited));
    }
    const osp_m *m = osp_goroutine_m(v->list, g->m), *locked = osp_goroutine_m(v->list, g->lockedm);
    if (m)
        osp_paint(cli, out, OSP_PLAIN, ", on thread %d (M%lld)", m->tid, (long long)m->id);
    if (locked)
        osp_paint(cli, out, OSP_PLAIN, ", locked to thread %d (M%lld)", locked->tid, (long long)locked->id);
    osp_buf_add(out, S("\n\n"));
    put_stack(cli, v, g, true, out);
    const osp_spot *by = osp_goroutine_creator(v->in, g), *start = osp_goroutine_start(v->in, v->list, g);
    osp_buf_byte(out, '\n');
    if (start)
        osp_paint(cli, out, OSP_PLAIN, "  began    %.*s  %.*s:%d", STRF(start->func), STRF(start->file), start->line),
            osp_buf_byte(out, '\n');
    if (by) {
        osp_paint(cli, out, OSP_PLAIN, "  created  by %.*s", STRF(by->func));
        if (g->parent)
            osp_paint(cli, out, OSP_PLAIN, " in goroutine %llu", (unsigned long long)g->parent);
        osp_paint(cli, out, OSP_PLAIN, "  %.*s:%d", STRF(by->file), by->line);
        osp_buf_byte(out, '\n');
    }
    if (g->labels) {
        osp_paint(cli, out, OSP_PLAIN, "  labels  ");
        put_labels(cli, v->list->labels[g->labels], out);
        osp_buf_byte(out, '\n');
    }
    if (v->waits) /* the one group is this goroutine */
        osp_waits_lines(cli, &v->waits[0], 1, taken_ns(v), &(osp_waits_look){.margin = 2, .most = 32}, out);
    osp_paint(cli, out, OSP_PLAIN, "  runtime.g at 0x%llx", (unsigned long long)g->addr);
    osp_buf_byte(out, '\n');
}
