/* SPDX-License-Identifier: Apache-2.0 */
/* The screen and the JSON of `osprey timers`: pure functions of the model. */
#include "cli/timers_view.h"
#include "cli/ps_table.h"

#include <stdio.h>

enum { CELL = 48, PS_SHOWN = 8, BEFORE_CALLS = 49 };

/* "250 us", "1.5 s", "2h10m". */
static osp_str span_text(int64_t ns, char *buf, size_t size)
{
    bool late = ns < 0;
    double v = late ? -(double)ns : (double)ns;
    if (v >= 100e9)
        return osp_age_text((uint64_t)(v / 1e9), buf, size);
    static const char *const unit[] = {"ns", "us", "ms", "s"};
    size_t u = 0;
    for (; u + 1 < sizeof unit / sizeof *unit && v >= 999.5; u++)
        v /= 1000;
    snprintf(buf, size, u > 0 && v < 9.95 ? "%.1f %s" : "%.0f %s", v, unit[u]);
    return osp_str_from(buf);
}

/* When it is due: "in" a time, or since when it has been. */
static osp_str due_text(const osp_timers *t, int64_t due_ns, char *buf, size_t size)
{
    char span[CELL];
    if (!t->live || due_ns == INT64_MAX)
        return S("–");
    osp_str text = span_text(due_ns, span, sizeof span);
    snprintf(buf, size, due_ns < 0 ? "%.*s ago" : "%.*s", STRF(text));
    return osp_str_from(buf);
}

static void put_calls(const osp_timer_group *g, osp_buf *out)
{
    if ((g->kind == OSP_TIMER_TICKER || g->kind == OSP_TIMER_CHANNEL) && !g->goid) {
        osp_buf_add(out, S("sends to a channel"));
        if (g->blocked)
            osp_buf_fmt(out, g->n == 1 ? ", waited for" : ", %u waited for", g->blocked);
        return;
    }
    if (g->goid && g->kind != OSP_TIMER_SLEEP)
        osp_buf_add(out, S("wakes "));
    if (g->kind == OSP_TIMER_DEADLINE)
        osp_buf_add(out, osp_str_has(g->func, S("Read"))    ? S("ends reading")
                         : osp_str_has(g->func, S("Write")) ? S("ends writing")
                                                            : S("ends reading and writing"));
    else
        osp_buf_fmt(out, "%.*s", STRF(g->func));
    if (g->kind != OSP_TIMER_DEADLINE && g->file.n && g->line)
        osp_buf_fmt(out, " %.*s:%d", STRF(osp_str_base(g->file)), g->line);
    if (g->goid && g->n == 1)
        osp_buf_fmt(out, ", g %llu", (unsigned long long)g->goid);
    if (g->fd >= 0)
        osp_buf_fmt(out, ", fd %d%s%s%s", g->fd, g->fd_text[0] ? " (" : "", g->fd_text, g->fd_text[0] ? ")" : "");
}

static void put_group(const osp_cli *cli, const osp_timers *t, const osp_timer_group *g, size_t room, osp_buf *out)
{
    char count[CELL], period[CELL], first[CELL], last[CELL], due[2 * CELL + 8];
    osp_buf calls = osp_buf_of(8192);
    osp_str from = g->n ? due_text(t, g->first_ns, first, sizeof first) : S("–");
    osp_str to = g->n > 1 && g->last_ns > g->first_ns ? due_text(t, g->last_ns, last, sizeof last) : from;
    bool alike = osp_str_eq(from, to);
    snprintf(due, sizeof due, alike ? "%.*s" : "%.*s … %.*s", STRF(from), STRF(to));
    osp_buf_right(out, osp_count_text(g->n, count, sizeof count), 8);
    osp_buf_add(out, S("  "));
    osp_paint(cli, out, OSP_BOLD, "%-8.*s", STRF(osp_timer_kind_text(g->kind)));
    osp_buf_add(out, S("  "));
    osp_buf_right(out, g->period_ns ? span_text(g->period_ns, period, sizeof period) : S("once"), 7);
    osp_buf_add(out, S("  "));
    osp_buf_right(out, osp_str_from(due), 18);
    osp_buf_add(out, S("  "));
    put_calls(g, &calls);
    if (g->zombies)
        osp_buf_fmt(&calls, " (%u stopped)", g->zombies);
    osp_paint_cut(cli, out, OSP_PLAIN, osp_buf_str(&calls), room > BEFORE_CALLS ? room - BEFORE_CALLS : 0);
    osp_buf_byte(out, '\n');
    osp_buf_drop(&calls);
}

static void put_ps(const osp_cli *cli, const osp_timers *t, osp_buf *out)
{
    osp_buf line = osp_buf_of(4096);
    for (uint32_t i = 0; i < t->np && i < PS_SHOWN; i++)
        osp_buf_fmt(&line, "%sP %d: %u", i ? ", " : "", t->p[i].p, t->p[i].n);
    if (t->np > PS_SHOWN)
        osp_buf_fmt(&line, ", %u Ps more", t->np - PS_SHOWN);
    if (t->nwithout)
        osp_buf_fmt(&line, "; %u without", t->nwithout);
    osp_paint(cli, out, OSP_DIM, "  %.*s", STRF(osp_buf_str(&line)));
    osp_buf_byte(out, '\n');
    osp_buf_drop(&line);
}

void osp_timers_table(const osp_cli *cli, const osp_timers *t, osp_str whose, size_t room, uint32_t lines,
                      osp_buf *out)
{
    char count[CELL];
    uint32_t shown = lines && lines < t->ngroup ? lines : t->ngroup;
    osp_paint(cli, out, OSP_BOLD, "%.*s", STRF(whose));
    osp_buf_fmt(out, " %.*s: %.*s timer%s", STRF(t->go_version), STRF(osp_count_text(t->n, count, sizeof count)),
                t->n == 1 ? "" : "s");
    if (t->zombies)
        osp_buf_fmt(out, ", %u more stopped but not cleared yet", t->zombies);
    osp_buf_add(out, S("\n\n"));
    if (t->ngroup) {
        osp_paint(cli, out, OSP_DIM, "%8s  %-8s  %7s  %18s  %s", "COUNT", "KIND", "PERIOD", "DUE IN", "CALLS");
        osp_buf_byte(out, '\n');
    }
    for (uint32_t i = 0; i < shown; i++)
        put_group(cli, t, &t->group[i], room, out);
    if (shown < t->ngroup)
        osp_buf_fmt(out, "       …  %u more groups (-n 0)\n", t->ngroup - shown);
    if (t->ngroup)
        osp_buf_byte(out, '\n');
    if (t->np)
        put_ps(cli, t, out);
    if (t->lazy) {
        osp_paint(cli, out, OSP_DIM,
                  "  not counted: timers and tickers whose channel nobody waits for; since Go 1.23 they "
                  "are in no list");
        osp_buf_byte(out, '\n');
    }
    if (t->torn) {
        osp_paint(cli, out, OSP_YELLOW, "  %u entries changed while they were read and are left out", t->torn);
        osp_buf_byte(out, '\n');
    }
}

/* ---- JSON ----------------------------------------------------------------------------------------------------------- */

static void json_due(osp_json *j, const osp_timers *t, const char *key, int64_t due_ns)
{
    if (t->live && due_ns != INT64_MAX)
        osp_json_num(j, key, (double)due_ns / 1e9);
}

static void json_group(osp_json *j, const osp_timers *t, const osp_timer_group *g)
{
    osp_json_object(j, NULL);
    osp_json_str(j, "kind", osp_timer_kind_text(g->kind));
    osp_json_uint(j, "count", g->n);
    osp_json_uint(j, "stopped", g->zombies);
    osp_json_num(j, "period_s", (double)g->period_ns / 1e9);
    osp_json_str(j, "function", g->func);
    if (g->file.n)
        osp_json_str(j, "file", g->file);
    if (g->line)
        osp_json_int(j, "line", g->line);
    if (g->n) {
        json_due(j, t, "first_due_s", g->first_ns);
        json_due(j, t, "last_due_s", g->last_ns);
    }
    if (t->lazy && (g->kind == OSP_TIMER_TICKER || g->kind == OSP_TIMER_CHANNEL))
        osp_json_uint(j, "waited_for", g->blocked);
    if (g->fd >= 0)
        osp_json_int(j, "fd", g->fd);
    if (g->fd_text[0])
        osp_json_str(j, "fd_is", osp_str_from(g->fd_text));
    if (g->goid)
        osp_json_uint(j, "goroutine", g->goid);
    osp_json_end(j);
}

void osp_timers_json(const osp_timers *t, int pid, osp_str name, osp_buf *out)
{
    osp_json j = osp_json_on(out);
    osp_json_object(&j, NULL);
    osp_json_str(&j, "schema", S("osprey.timers/1"));
    osp_json_int(&j, "pid", pid);
    osp_json_str(&j, "name", name);
    osp_json_str(&j, "go_version", t->go_version);
    osp_json_uint(&j, "count", t->n);
    osp_json_uint(&j, "stopped", t->zombies);
    osp_json_uint(&j, "torn", t->torn);
    osp_json_bool(&j, "without_unwaited_channels", t->lazy);
    osp_json_array(&j, "groups");
    for (uint32_t i = 0; i < t->ngroup; i++)
        json_group(&j, t, &t->group[i]);
    osp_json_end(&j);
    osp_json_array(&j, "ps");
    for (uint32_t i = 0; i < t->np; i++) {
        osp_json_object(&j, NULL);
        j.dense = true;
        osp_json_int(&j, "p", t->p[i].p);
        osp_json_uint(&j, "count", t->p[i].n);
        osp_json_uint(&j, "stopped", t->p[i].zombies);
        json_due(&j, t, "first_due_s", t->p[i].first_ns);
        osp_json_end(&j);
        j.dense = false;
    }
    osp_json_end(&j);
    osp_json_end(&j);
}
