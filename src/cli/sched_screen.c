/* SPDX-License-Identifier: Apache-2.0 */
/* What is printed of a scheduler: pure functions of an interval. */
#include "cli/sched_screen.h"

#include "cli/ps_table.h"
#include "cli/spark.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TEXT = 32, HEAD = 16, BARS = 30 };

static double mean(uint64_t sum, uint64_t looks) { return looks ? (double)sum / (double)looks : 0; }
static double percent(uint64_t part, uint64_t of) { return of ? 100 * (double)part / (double)of : 0; }

static double seconds_of(const osp_sched_span *s)
{
    return (double)(s->last_ns - (s->since_ns ? s->since_ns : s->first_ns)) / 1e9;
}

/* How long the counters of a P were watched: they begin with its first look. */
static double rate_of(uint64_t count, const osp_sched_span *s)
{
    const double seconds = seconds_of(s);
    return seconds > 0 ? (double)count / seconds : 0;
}

static osp_str count_text(double v, char buf[TEXT])
{
    if (v > 0 && v < 9.95) {
        snprintf(buf, TEXT, "%.1f", v);
        return osp_str_from(buf);
    }
    return osp_count_text((uint64_t)(v + 0.5), buf, TEXT);
}

/* The marks of the last looks, oldest first. */
static void add_marks(const osp_sched_span *s, const float ring[static OSP_SCHED_MARKS], size_t columns, float top,
                      osp_buf *out)
{
    float v[OSP_SCHED_MARKS];
    const size_t n = s->looks < OSP_SCHED_MARKS ? (size_t)s->looks : OSP_SCHED_MARKS;
    for (size_t i = 0; i < n; i++)
        v[i] = ring[(s->looks - n + i) % OSP_SCHED_MARKS];
    osp_spark(out, v, n, columns, top);
}

static void head(const osp_cli *cli, osp_buf *out, const char *name)
{
    osp_buf_add(out, S("  "));
    osp_paint(cli, out, OSP_BOLD, "%-*s", HEAD, name);
}

/* ---- totals ----------------------------------------------------------------------------------------------------- */

static void add_totals(const osp_cli *cli, const osp_sched_span *s, size_t bars, osp_buf *out)
{
    const osp_go_sched *l = &s->last;
    uint64_t scheduled = 0, calls = 0;
    char a[TEXT], b[TEXT];
    for (uint32_t i = 0; i < s->np; i++) {
        scheduled += s->p[i].scheduled;
        calls += s->p[i].calls;
    }
    head(cli, out, "Ps busy");
    add_marks(s, s->busy_at, bars, (float)l->gomaxprocs, out);
    osp_buf_fmt(out, "  %.1f of %d in Go, %.1f in system calls, %.1f idle\n", mean(s->busy, s->looks), l->gomaxprocs,
                mean(s->in_call, s->looks), mean(s->idle, s->looks));
    head(cli, out, "run queues");
    add_marks(s, s->queued_at, bars, 0, out);
    osp_buf_fmt(out, "  %.1f wait (%.1f global, %.1f on Ps), at most %u\n", mean(s->global + s->local, s->looks),
                mean(s->global, s->looks), mean(s->local, s->looks), s->most_queued);
    head(cli, out, "spinning");
    add_marks(s, s->spinning_at, bars, 0, out);
    osp_buf_fmt(out, "  %.2f threads look for work, in %.0f %% of looks\n", mean(s->spinning, s->looks),
                percent(s->looks_spinning, s->looks));
    head(cli, out, "idle and wanted");
    osp_buf_fmt(out, "%.1f %% of looks: a goroutine waits, and a P is idle\n", percent(s->looks_starved, s->looks));
    if (s->looks_stopped) {
        head(cli, out, "world stopped");
        osp_buf_fmt(out, "%.1f %% of looks\n", percent(s->looks_stopped, s->looks));
    }
    head(cli, out, "threads");
    osp_buf_fmt(out, "%d: %d with a P, %d parked, %d in system calls, C or the runtime\n", l->threads,
                l->gomaxprocs - l->idle_ps, l->idle_threads,
                l->threads - (l->gomaxprocs - l->idle_ps) - l->idle_threads > 0
                    ? l->threads - (l->gomaxprocs - l->idle_ps) - l->idle_threads
                    : 0);
    head(cli, out, "rates");
    osp_buf_fmt(out, "%.*s goroutines put on a P a second, %.*s system and C calls\n",
                STRF(count_text(rate_of(scheduled, s), a)), STRF(count_text(rate_of(calls, s), b)));
}

/* ---- the Ps ----------------------------------------------------------------------------------------------------- */

static const char *state_text(const osp_sched_p *p)
{
    static const char *const text[] = {"idle", "running", "syscall", "stopped", "dead"};
    return p->status == 1 && p->in_syscall ? "syscall" : p->status < 5 ? text[p->status] : "?";
}

static void add_p(const osp_sched_span *s, uint32_t i, osp_buf *out)
{
    const osp_sched_row *r = &s->p[i];
    char text[TEXT];
    osp_buf_fmt(out, "%4u  %-8s", i, state_text(&r->last));
    osp_buf_fmt(out, "%4.0f %%%4.0f %%%7.0f %%", percent(r->in[OSP_P_RUNNING], r->looks),
                percent(r->in[OSP_P_IDLE], r->looks), percent(r->in[OSP_P_SYSCALL], r->looks));
    osp_buf_right(out, count_text(rate_of(r->scheduled, s), text), 11);
    osp_buf_right(out, count_text(rate_of(r->calls, s), text), 9);
    osp_buf_fmt(out, "%6.1f%5u", mean(r->queued, r->looks), r->most_queued);
    if (r->last.m >= 0)
        osp_buf_fmt(out, "%5" PRId64, r->last.m);
    else
        osp_buf_add(out, S("    –"));
    osp_buf_fmt(out, "%7" PRIu64 "\n", r->last.timers);
}

typedef struct {
    uint64_t busy;
    uint32_t index;
} order;

static int by_work(const void *a, const void *b)
{
    const order *x = a, *y = b;
    return x->busy != y->busy ? (x->busy < y->busy ? 1 : -1) : x->index < y->index ? -1 : 1;
}

static void add_ps(const osp_cli *cli, const osp_sched_span *s, uint32_t rows, osp_buf *out)
{
    const uint32_t n = s->np < (uint32_t)s->last.gomaxprocs ? s->np : (uint32_t)s->last.gomaxprocs;
    order *by = calloc(n ? n : 1, sizeof *by);
    if (!by) {
        out->failed = true;
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        by[i] = (order){rows && n > rows ? s->p[i].in[OSP_P_RUNNING] + s->p[i].in[OSP_P_SYSCALL] : 0, i};
    qsort(by, n, sizeof *by, by_work);
    osp_buf_add(out, S("\n"));
    osp_paint(cli, out, OSP_BOLD, "%4s  %-8s%6s%6s%9s%11s%9s%6s%5s%5s%7s", "P", "STATE", "IN GO", "IDLE", "SYSCALL",
              "SWITCHES/s", "CALLS/s", "QUEUE", "max", "M", "TIMERS");
    osp_buf_add(out, S("\n"));
    for (uint32_t i = 0; i < n && (rows == 0 || i < rows); i++)
        add_p(s, by[i].index, out);
    if (rows && n > rows)
        osp_buf_fmt(out, "   …  %u more Ps, less busy ones (--all)\n", n - rows);
    free(by);
}

/* What is worth a second look; a healthy program has none of it. */
static void add_remarks(const osp_cli *cli, const osp_sched_span *s, osp_buf *out)
{
    enum { ENOUGH = 50 };
    const size_t before = out->n;
    const int32_t procs = s->last.gomaxprocs;
    const double queued = mean(s->global + s->local, s->looks);
    if (s->looks >= ENOUGH && queued > 2.0 * procs)
        osp_buf_fmt(out, "  ▲ %.1f goroutines wait for each P: more than GOMAXPROCS=%d can do\n", queued / procs,
                    procs);
    if (s->looks >= ENOUGH && percent(s->looks_starved, s->looks) > 25)
        osp_buf_add(out, S("  ▲ goroutines wait while Ps are idle: threads wake late, for want of CPU\n"));
    if (s->looks >= ENOUGH && mean(s->spinning, s->looks) > 0.5 && mean(s->busy, s->looks) < 0.5 * procs)
        osp_buf_add(out, S("  ▲ threads look for work most of the time: it comes in small pieces\n"));
    if (out->n == before) {
        osp_buf_add(out, S("  "));
        osp_paint(cli, out, OSP_GREEN, "✓");
        osp_buf_add(out, S(" nothing unusual\n"));
    }
}

void osp_sched_screen(const osp_cli *cli, const osp_sched_span *s, osp_str who, size_t room, uint32_t rows,
                      osp_buf *out)
{
    char age[TEXT];
    const osp_go_sched *l = &s->last;
    const size_t bars = room == 0 || room >= 100 ? BARS : 14;
    osp_paint(cli, out, OSP_BOLD, "%.*s", STRF(who));
    osp_buf_fmt(out, "   GOMAXPROCS %d", l->gomaxprocs);
    if (l->since_ms >= 0 && !l->traces_itself)
        osp_buf_fmt(out, "   up %.*s", STRF(osp_age_text((uint64_t)l->since_ms / 1000, age, TEXT)));
    osp_buf_fmt(out, "   %" PRIu64 " looks in %.1f s\n\n", s->looks, seconds_of(s));
    add_totals(cli, s, bars, out);
    add_ps(cli, s, rows, out);
    osp_buf_add(out, S("\n"));
    add_remarks(cli, s, out);
    if (s->torn)
        osp_buf_fmt(out, "  %" PRIu64 " rows changed while they were read and are left out\n", s->torn);
}

/* ---- lines ------------------------------------------------------------------------------------------------------ */

void osp_sched_head(const osp_cli *cli, osp_buf *out)
{
    osp_paint(cli, out, OSP_BOLD, "%8s %5s %7s %5s %6s %4s %7s %5s %7s %8s %8s", "TIME", "IN GO", "SYSCALL", "IDLE",
              "QUEUED", "max", "STARVED", "SPIN", "THREADS", "SWITCH/s", "CALLS/s");
    osp_buf_add(out, S("\n"));
}

void osp_sched_line(const osp_sched_span *s, osp_buf *out)
{
    uint64_t scheduled = 0, calls = 0;
    char clock[TEXT], text[TEXT];
    struct tm tm;
    const time_t now = time(NULL);
    localtime_r(&now, &tm);
    strftime(clock, sizeof clock, "%H:%M:%S", &tm);
    for (uint32_t i = 0; i < s->np; i++) {
        scheduled += s->p[i].scheduled;
        calls += s->p[i].calls;
    }
    osp_buf_fmt(out, "%8s %5.1f %7.1f %5.1f %6.1f %4u %5.0f %% %5.2f %7d", clock, mean(s->busy, s->looks),
                mean(s->in_call, s->looks), mean(s->idle, s->looks), mean(s->global + s->local, s->looks),
                s->most_queued, percent(s->looks_starved, s->looks), mean(s->spinning, s->looks), s->last.threads);
    osp_buf_right(out, count_text(rate_of(scheduled, s), text), 9);
    osp_buf_right(out, count_text(rate_of(calls, s), text), 9);
    osp_buf_add(out, S("\n"));
}

/* ---- JSON ------------------------------------------------------------------------------------------------------- */

static void p_json(osp_json *j, const osp_sched_span *s, uint32_t i)
{
    const osp_sched_row *r = &s->p[i];
    osp_json_object(j, NULL);
    osp_json_uint(j, "p", i);
    osp_json_str(j, "state", osp_str_from(state_text(&r->last)));
    if (r->last.m >= 0)
        osp_json_int(j, "m", r->last.m);
    if (r->last.goid)
        osp_json_uint(j, "goroutine", r->last.goid);
    osp_json_num(j, "running", percent(r->in[OSP_P_RUNNING], r->looks) / 100);
    osp_json_num(j, "idle", percent(r->in[OSP_P_IDLE], r->looks) / 100);
    osp_json_num(j, "syscall", percent(r->in[OSP_P_SYSCALL], r->looks) / 100);
    osp_json_uint(j, "schedtick", r->last.schedtick);
    osp_json_uint(j, "syscalltick", r->last.syscalltick);
    osp_json_num(j, "scheduled_per_s", rate_of(r->scheduled, s));
    osp_json_num(j, "calls_per_s", rate_of(r->calls, s));
    osp_json_num(j, "queued", mean(r->queued, r->looks));
    osp_json_uint(j, "queued_max", r->most_queued);
    osp_json_uint(j, "timers", r->last.timers);
    osp_json_end(j);
}

void osp_sched_json(osp_json *j, const osp_sched_span *s)
{
    const osp_go_sched *l = &s->last;
    osp_json_object(j, NULL);
    osp_json_num(j, "seconds", seconds_of(s));
    osp_json_uint(j, "looks", s->looks);
    osp_json_uint(j, "torn", s->torn);
    osp_json_int(j, "gomaxprocs", l->gomaxprocs);
    osp_json_int(j, "threads", l->threads);
    osp_json_int(j, "idle_threads", l->idle_threads);
    osp_json_num(j, "busy", mean(s->busy, s->looks));
    osp_json_num(j, "in_syscalls", mean(s->in_call, s->looks));
    osp_json_num(j, "idle", mean(s->idle, s->looks));
    osp_json_num(j, "queued_global", mean(s->global, s->looks));
    osp_json_num(j, "queued_local", mean(s->local, s->looks));
    osp_json_uint(j, "queued_max", s->most_queued);
    osp_json_num(j, "spinning", mean(s->spinning, s->looks));
    osp_json_num(j, "spinning_share", percent(s->looks_spinning, s->looks) / 100);
    osp_json_num(j, "starved_share", percent(s->looks_starved, s->looks) / 100);
    osp_json_num(j, "stopped_share", percent(s->looks_stopped, s->looks) / 100);
    osp_json_num(j, "cost_cores", seconds_of(s) > 0 ? (double)s->cost_ns / 1e9 / seconds_of(s) : 0);
    osp_json_array(j, "ps");
    for (uint32_t i = 0; i < s->np && i < (uint32_t)l->gomaxprocs; i++)
        p_json(j, s, i);
    osp_json_end(j);
    osp_json_end(j);
}

void osp_sched_explain(osp_buf *out)
{
    osp_buf_add(out, S("\n"
                       "  P              the right to run Go code; there are GOMAXPROCS. An M is a thread; it needs\n"
                       "                 a P to run Go\n"
                       "  IN GO, IDLE    shares of looks, about 100 a second at random moments. SYSCALL: its\n"
                       "                 goroutine is in the kernel or in C; the runtime takes such a P away soon\n"
                       "  SWITCHES/s     how often a goroutine was put on the P (p.schedtick); one that goes on in\n"
                       "                 the slice of the one that woke it does not count\n"
                       "  CALLS/s        returns from system calls and from C (p.syscalltick)\n"
                       "  QUEUE          goroutines in the P's own queue; the next one to run is not counted\n"
                       "  idle and       a goroutine was queued while a P was idle (STARVED): waking a thread takes\n"
                       "  wanted         microseconds, so a few percent are normal; much means that threads that\n"
                       "                 are woken get no CPU\n"
                       "  spinning       threads that look for work; the runtime keeps some so that new work starts\n"
                       "                 soon\n"
                       "  More: docs/inspect.md\n"));
}
