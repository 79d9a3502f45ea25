/* SPDX-License-Identifier: Apache-2.0 */
/* The screen of `osprey syscalls`: a pure function of the model. Calls come first, each with the places that make most of
 * them, then who wakes whom, what epoll was good for, and what the numbers miss. */
#include "cli/calls_model.h"

#include <stdio.h>

enum { WIDTH = 80, GROUP_AT = 54, CELL = 32, PAIRS = 3, CAUSES = 3, PLACES = 2, FAILURES = 1, ALL = 1 << 20 };

/* ---- texts ----------------------------------------------------------------------------------------------------------- */

static osp_str time_text(double ns, char *buf, size_t size)
{
    static const char *const unit[] = {"ns", "us", "ms", "s"};
    size_t u = 0;
    for (; u + 1 < sizeof unit / sizeof *unit && ns >= 999.5; u++)
        ns /= 1000;
    snprintf(buf, size, u > 0 && ns < 9.95 ? "%.1f %s" : "%.0f %s", ns, unit[u]);
    return osp_str_from(buf);
}

static osp_str rate_text(double per_s, char *buf, size_t size)
{
    static const char *const unit[] = {"", " k", " M", " G"};
    size_t u = 0;
    for (; u + 1 < sizeof unit / sizeof *unit && per_s >= 99999.5; u++)
        per_s /= 1000;
    if (per_s > 0 && per_s < 0.95)
        snprintf(buf, size, "%.2f", per_s);
    else
        snprintf(buf, size, u > 0 && per_s < 99.5 ? "%.1f%s" : "%.0f%s", per_s, unit[u]);
    return osp_str_from(buf);
}

static osp_str amount_text(double bytes, char *buf, size_t size)
{
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB"};
    size_t u = 0;
    for (; u + 1 < sizeof unit / sizeof *unit && bytes >= 999.5; u++)
        bytes /= 1000;
    snprintf(buf, size, u > 0 && bytes < 9.95 ? "%.1f %s" : "%.0f %s", bytes, unit[u]);
    return osp_str_from(buf);
}

/* The last columns of a text that are to be seen, and whether there are more before them. A name keeps its tail. */
static osp_str tail_of(osp_str text, size_t columns, bool *cut)
{
    *cut = false;
    while (text.n && osp_str_columns(text) + *cut > columns) {
        size_t n = osp_str_utf8(text);
        text = osp_str_skip(text, n ? n : 1);
        *cut = true;
    }
    return text;
}

/* ---- lines ----------------------------------------------------------------------------------------------------------- */

typedef struct {
    const osp_cli *cli;
    const osp_calls_model *m;
    osp_buf *out;
    int left; /* lines that there is still room for */
} screen;

static double rate(const screen *s, uint64_t n) { return s->m->seconds > 0 ? (double)n / s->m->seconds : 0; }

static void end_line(screen *s)
{
    osp_buf_byte(s->out, '\n');
    s->left--;
}

static void put_right(screen *s, osp_colour colour, size_t columns, osp_str text)
{
    size_t n = osp_str_columns(text);
    osp_buf_fill(s->out, ' ', n < columns ? columns - n : 1);
    osp_paint(s->cli, s->out, colour, "%.*s", STRF(text));
}

/* The text in so many columns, its tail if it is longer. */
static void put_tail(screen *s, osp_colour colour, size_t columns, osp_str text)
{
    bool cut;
    osp_str shown = tail_of(text, columns, &cut);
    osp_paint(s->cli, s->out, colour, "%s%.*s", cut ? "…" : "", STRF(shown));
    size_t n = osp_str_columns(shown) + cut;
    osp_buf_fill(s->out, ' ', n < columns ? columns - n : 0);
}

static void put_head(screen *s, osp_str who)
{
    const osp_calls_model *m = s->m;
    char calls[CELL], in[CELL], out[CELL];
    osp_paint(s->cli, s->out, OSP_BOLD, "%.*s", STRF(who));
    osp_paint(s->cli, s->out, OSP_PLAIN, ": %s system calls/s", rate_text(rate(s, m->calls), calls, CELL).p);
    osp_paint(s->cli, s->out, OSP_PLAIN, ", %s/s in, %s/s out", amount_text(rate(s, m->in), in, CELL).p,
              amount_text(rate(s, m->out), out, CELL).p);
    osp_paint(s->cli, s->out, OSP_DIM, "   in %.1f s", m->seconds);
    end_line(s);
}

static void put_row(screen *s, const osp_call_row *row)
{
    const osp_called *c = row->called;
    char cell[CELL];
    osp_str op = row->op;
    size_t n = osp_str_columns(row->name) + (op.n ? 1 + osp_str_columns(op) : 0);
    osp_buf_byte(s->out, ' ');
    osp_paint(s->cli, s->out, OSP_BOLD, "%.*s%s%.*s", STRF(row->name), op.n ? " " : "", STRF(op));
    osp_buf_fill(s->out, ' ', n < 17 ? 17 - n : 0);
    put_right(s, OSP_PLAIN, n < 18 ? 8 : 25 > n ? 25 - n : 1, rate_text(rate(s, c->calls), cell, CELL));
    put_right(s, OSP_PLAIN, 9, c->errors ? rate_text(rate(s, c->errors), cell, CELL) : S("–"));
    put_right(s, OSP_PLAIN, 9, c->bytes ? amount_text(rate(s, c->bytes), cell, CELL) : S("–"));
    put_right(s, OSP_PLAIN, 9, time_text((double)osp_called_quantile(c, 0.5), cell, CELL));
    put_right(s, OSP_PLAIN, 9, time_text((double)osp_called_quantile(c, 0.99), cell, CELL));
    put_right(s, OSP_PLAIN, 8, time_text((double)c->max_ns, cell, CELL));
    put_right(s, OSP_PLAIN, 9, time_text(rate(s, c->ns), cell, CELL));
    end_line(s);
}

/* "   62 %  main.(*Pool).get  pool.go:77                     of main.worker" */
static void put_place(screen *s, const osp_call_place *p, uint64_t whole, const char *what)
{
    char at[600];
    double share = whole ? 100.0 * (double)p->calls / (double)whole : 0;
    osp_paint(s->cli, s->out, OSP_DIM, "  %3.0f %% %s ", share, what);
    size_t room = WIDTH - 9 - osp_str_columns(osp_str_from(what));
    if (!p->function.n) {
        osp_paint(s->cli, s->out, OSP_DIM, "no name");
        end_line(s);
        return;
    }
    osp_str file = osp_str_base(p->file);
    int n = p->line > 0 ? snprintf(at, sizeof at, "%.*s:%d", STRF(osp_str_head(file, 500)), p->line)
                        : snprintf(at, sizeof at, "%.*s", STRF(osp_str_head(file, 500)));
    osp_str place = {at, n > 0 ? (size_t)n : 0};
    bool same = osp_str_eq(p->group, p->function) || !p->group.n, cut;
    size_t left = same ? room : GROUP_AT - (WIDTH - room), file_columns = osp_str_columns(place);
    file_columns = file_columns < 20 ? file_columns : 20;
    size_t name = osp_str_columns(p->function), most = left - file_columns - 2;
    name = name < most ? name : most;
    put_tail(s, OSP_CYAN, name, p->function);
    osp_buf_byte(s->out, ' ');
    put_tail(s, OSP_DIM, file_columns, place);
    if (!same) {
        osp_str group = tail_of(p->group, WIDTH - GROUP_AT - 4, &cut);
        osp_buf_fill(s->out, ' ', left - name - 1 - file_columns);
        osp_paint(s->cli, s->out, OSP_DIM, "of %s%.*s", cut ? "…" : "", STRF(group));
    }
    end_line(s);
}

static uint32_t places_shown(const osp_call_row *row, uint32_t most)
{
    uint32_t n = row->nplace;
    n -= n && row->place[n - 1].stack->n == 0;
    return n < most ? n : most;
}

/* At most so many; where there is no room for all, those that are a hundredth of the calls. */
static uint32_t failures_shown(const osp_call_row *row, uint32_t most)
{
    uint32_t n = 0;
    while (n < row->nfailure && n < most && (most >= ALL || row->failure[n].calls * 100 >= row->called->calls))
        n++;
    return n;
}

static void put_call(screen *s, const osp_call_row *row, uint32_t places, uint32_t failures)
{
    char what[64];
    put_row(s, row);
    uint64_t placed = osp_call_placed(row->place, row->nplace);
    for (uint32_t i = 0; i < places_shown(row, places); i++)
        put_place(s, &row->place[i], placed, "");
    for (uint32_t i = 0; i < failures_shown(row, failures); i++) {
        const osp_call_failure *f = &row->failure[i];
        snprintf(what, sizeof what, "%.*s,", STRF(osp_str_head(f->name, 40)));
        if (f->nplace)
            put_place(s,
                      &(osp_call_place){.function = f->place[0].function,
                                        .file = f->place[0].file,
                                        .line = f->place[0].line,
                                        .group = f->place[0].group,
                                        .calls = f->calls},
                      row->called->calls, what);
    }
}

static void put_rest(screen *s, uint32_t from)
{
    uint64_t calls = 0;
    char cell[CELL];
    for (uint32_t i = from; i < s->m->nrow; i++)
        calls += s->m->row[i].called->calls;
    if (from == s->m->nrow)
        return;
    osp_paint(s->cli, s->out, OSP_DIM, "  … %u more, %s calls/s: -n 0 shows all", s->m->nrow - from,
              rate_text(rate(s, calls), cell, CELL).p);
    end_line(s);
}

/* ---- the parts -------------------------------------------------------------------------------------------------------- */

/* How many lines a call with its places takes. */
static int height(const osp_call_row *row, uint32_t places, uint32_t failures)
{
    return (int)(1 + places_shown(row, places) + failures_shown(row, failures));
}

static void put_calls(screen *s, int below)
{
    const osp_calls_model *m = s->m;
    bool all = s->left >= ALL;
    uint32_t places = all ? ALL : PLACES, failures = all ? ALL : FAILURES, i = 0;
    if (m->nrow == 0) {
        osp_paint(s->cli, s->out, OSP_PLAIN, "  no system call %s in this time", m->calls ? "failed" : "returned");
        end_line(s);
        return;
    }
    osp_paint(s->cli, s->out, OSP_DIM, "%-18s%8s%9s%9s%9s%9s%8s%9s", " CALL", "CALLS/S", "FAILED/S", "BYTES/S",
              "MEDIAN", "P99", "MAX", "TIME/S");
    end_line(s);
    if (!all && m->nrow > 4)
        places = 1;
    for (; i < m->nrow; i++) {
        int more = i + 1 < m->nrow;
        if (s->left - below - more < height(&m->row[i], places, failures))
            break;
        put_call(s, &m->row[i], places, failures);
    }
    put_rest(s, i);
}

static void put_causes(screen *s)
{
    const osp_calls_model *m = s->m;
    char cell[CELL];
    const char *before = ": ";
    osp_paint(s->cli, s->out, OSP_BOLD, " wake-ups");
    osp_paint(s->cli, s->out, OSP_PLAIN, "  %s/s", rate_text(rate(s, m->by_threads), cell, CELL).p);
    uint32_t said = 0;
    for (int i = 0; i < CAUSES; i++) {
        int most = -1;
        for (int c = 0; c < OSP_CAUSES; c++)
            if (!(said >> c & 1) && (most < 0 || m->by_cause[c] > m->by_cause[most]))
                most = c;
        double share = m->by_threads ? 100.0 * (double)m->by_cause[most] / (double)m->by_threads : 0;
        said |= 1u << most;
        if (share < 0.5)
            break;
        osp_paint(s->cli, s->out, OSP_PLAIN, "%s%s %.0f %%", before, osp_cause_text((osp_cause)most), share);
        before = " · ";
    }
    osp_paint(s->cli, s->out, OSP_DIM, "; from outside %s/s",
              rate_text(rate(s, m->wakes - m->by_threads), cell, CELL).p);
    end_line(s);
}

static void put_pair(screen *s, const osp_wake_pair *p)
{
    char cell[CELL];
    put_right(s, OSP_PLAIN, 9, rate_text(rate(s, p->count), cell, CELL));
    osp_buf_add(s->out, S("/s  "));
    size_t call = p->call.n ? osp_str_columns(p->call) + 3 : 0, room = WIDTH - 13 - 4 - (call ? call : 0) - 1;
    size_t waker = osp_str_columns(p->waker), woken = osp_str_columns(p->woken);
    if (waker + woken > room)
        waker = waker < room / 2 ? waker : woken < room / 2 ? room - woken : room / 2;
    woken = woken < room - waker ? woken : room - waker;
    put_tail(s, OSP_CYAN, waker, p->waker);
    osp_buf_add(s->out, S(" → "));
    put_tail(s, OSP_PLAIN, woken, p->woken);
    if (p->call.n)
        osp_paint(s->cli, s->out, OSP_DIM, "  %.*s", STRF(p->call));
    end_line(s);
}

static int pairs_shown(const screen *s)
{
    int n = s->m->npair < (uint32_t)ALL ? (int)s->m->npair : ALL;
    return s->left >= ALL || n < PAIRS ? n : PAIRS;
}

static void put_wakes(screen *s)
{
    int n = pairs_shown(s);
    if (!s->m->wakes)
        return;
    put_causes(s);
    for (int i = 0; i < n; i++)
        put_pair(s, &s->m->pair[i]);
}

static void put_epoll(screen *s)
{
    const osp_epoll_use *e = &s->m->epoll;
    char cell[CELL];
    uint64_t ready = e->returns - e->empty - e->failed;
    if (!e->returns)
        return;
    osp_paint(s->cli, s->out, OSP_BOLD, " epoll");
    osp_paint(s->cli, s->out, OSP_PLAIN, "     %s returns/s, %.0f %% empty",
              rate_text(rate(s, e->returns), cell, CELL).p, 100.0 * (double)e->empty / (double)e->returns);
    if (e->useful)
        osp_paint(s->cli, s->out, OSP_PLAIN, "; %.2f a read that gave bytes", (double)ready / (double)e->useful);
    end_line(s);
}

static void put_doubts(screen *s, const osp_sample_stats *stats)
{
    uint64_t whole = stats->ended[OSP_END_ROOT], walked = stats->taken - stats->ended[OSP_END_BUDGET];
    osp_paint(s->cli, s->out, OSP_DIM, " stacks %.4g %% complete",
              walked ? 100.0 * (double)whole / (double)walked : 100.0);
    if (walked < stats->taken)
        osp_paint(s->cli, s->out, OSP_DIM, ", of the %.0f %% of all that did not come too fast",
                  100.0 * (double)walked / (double)stats->taken);
    osp_paint(s->cli, s->out, OSP_DIM, " · lost %llu%s%s", (unsigned long long)stats->lost,
              stats->gave_up[0] ? " · " : "", stats->gave_up);
    end_line(s);
}

void osp_calls_screen(const osp_cli *cli, const osp_calls_model *m, const osp_sample_stats *stats, osp_str who,
                      int lines, osp_buf *out)
{
    enum { DOUBTS = 1 };
    screen s = {.cli = cli, .m = m, .out = out, .left = lines ? lines : 2 * ALL};
    int below = DOUBTS + (m->wakes ? 1 + pairs_shown(&s) : 0) + (m->epoll.returns > 0);
    put_head(&s, who);
    put_calls(&s, below);
    put_wakes(&s);
    put_epoll(&s);
    put_doubts(&s, stats);
}
