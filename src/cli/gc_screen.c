/* SPDX-License-Identifier: Apache-2.0 */
/* What is printed of a collector: pure functions of what was seen. */
#include "cli/gc_screen.h"

#include "base/clock.h"
#include "base/json.h"
#include "cli/ps_table.h"
#include "cli/spark.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum { TEXT = 32, BARS = 40, HEAD = 12 };

void osp_gc_while_add(osp_gc_while *w, const osp_gc_seen *c)
{
    w->cycles++;
    if (c->has_pause && c->pause_ns > w->most_pause_ns)
        w->most_pause_ns = c->pause_ns;
    if (!c->whole)
        return;
    const osp_gc_cycle *g = &c->cycle;
    const uint64_t stopped =
        (uint64_t)g->stopped_procs * (g->mark_ns - g->sweep_term_ns + g->end_ns - g->mark_term_ns);
    w->whole++;
    w->assist_ns += g->assist_ns;
    w->worker_ns += g->worker_ns;
    w->pause_ns += stopped;
    w->last = *c;
    if (w->nlive < sizeof w->live / sizeof *w->live)
        w->live[w->nlive++] = (float)g->heap1_bytes;
}

static osp_str ms_text(uint64_t ns, char buf[TEXT])
{
    const double ms = (double)ns / 1e6;
    if (ms >= 1000)
        snprintf(buf, TEXT, "%.1f s", ms / 1000);
    else
        snprintf(buf, TEXT, ms < 0.1 ? "%.3f ms" : ms < 10 ? "%.2f ms" : "%.0f ms", ms);
    return osp_str_from(buf);
}

static double share(double part, double of) { return of > 0 ? 100 * part / of : 0; }

/* Cycles a second, of those in the ring of pauses; 0 = not known. */
static double rate_of(const osp_go_gc *s, const osp_gc_pauses *p)
{
    const uint64_t since = s->taken_ns > s->last_end_ns ? s->taken_ns - s->last_end_ns : 0;
    return p->n > 1 && p->span_ns && s->taken_ns ? (double)(p->n - 1) / ((double)(p->span_ns + since) / 1e9) : 0;
}

static double seconds_of(const osp_gc_while *w) { return (double)(w->now.taken_ns - w->first.taken_ns) / 1e9; }

/* CPU of the collector from the first cycle seen to the last, in percent of what GOMAXPROCS gave. */
typedef struct {
    double gc, workers, assists, pauses;
} recent;

/* Since 1.20 the runtime sums it up at the end of each cycle; before, the cycles that were seen whole have to do. */
static bool recent_of(const osp_gc_while *w, recent *out)
{
    const int64_t *a = w->first.cpu_ns, *b = w->now.cpu_ns;
    if (w->now.has_cpu && w->first.has_cpu && b[OSP_GC_CPU_TOTAL] > a[OSP_GC_CPU_TOTAL]) {
        const double all = (double)(b[OSP_GC_CPU_TOTAL] - a[OSP_GC_CPU_TOTAL]);
        *out = (recent){.workers = share((double)(b[OSP_GC_DEDICATED] - a[OSP_GC_DEDICATED]), all),
                        .assists = share((double)(b[OSP_GC_ASSIST] - a[OSP_GC_ASSIST]), all),
                        .pauses = share((double)(b[OSP_GC_PAUSE] - a[OSP_GC_PAUSE]), all)};
    } else if (w->whole && w->whole == w->cycles) {
        const double all = seconds_of(w) * 1e9 * (w->last.cycle.procs > 0 ? w->last.cycle.procs : 1);
        *out = (recent){.workers = share((double)w->worker_ns, all),
                        .assists = share((double)w->assist_ns, all),
                        .pauses = share((double)w->pause_ns, all)};
    } else {
        *out = (recent){0};
        return w->cycles == 0 && w->now.done > 0;
    }
    out->gc = out->workers + out->assists + out->pauses;
    return true;
}

/* ---- the screen ------------------------------------------------------------------------------------------------- */

static void head(const osp_cli *cli, osp_buf *out, const char *name)
{
    osp_buf_add(out, S("  "));
    osp_paint(cli, out, OSP_BOLD, "%-*s", HEAD, name);
}

static void add_heap(const osp_cli *cli, const osp_gc_while *w, osp_buf *out)
{
    const osp_go_gc *s = &w->now;
    char live[TEXT], goal[TEXT], trigger[TEXT], marked[TEXT];
    head(cli, out, "heap");
    if (!s->has_control && s->goal_bytes == 0) {
        osp_buf_add(out, S("not known: the pacer was not found in this binary\n"));
        return;
    }
    osp_buf_fmt(out, "%.*s live", STRF(osp_bytes_text(s->live_bytes, live, TEXT)));
    if (s->has_percent && s->gc_percent < 0 && s->limit_bytes == INT64_MAX)
        osp_buf_add(out, S(", no goal: the collector is off (GOGC=off, no limit)\n"));
    else
        osp_buf_fmt(out, "; a cycle begins at %.*s, to end at %.*s\n",
                    STRF(osp_bytes_text(s->trigger_bytes, trigger, TEXT)),
                    STRF(osp_bytes_text(s->goal_bytes, goal, TEXT)));
    head(cli, out, "");
    osp_buf_fmt(out, "%.*s was reachable at the last cycle", STRF(osp_bytes_text(s->marked_bytes, marked, TEXT)));
    if (!s->has_percent)
        osp_buf_add(out, S("; GOGC not known\n"));
    else if (s->gc_percent < 0)
        osp_buf_fmt(out, "; GOGC=off%s\n", s->goal_by_limit ? ", the limit sets the goal" : "");
    else
        osp_buf_fmt(out, "; GOGC=%d%s\n", s->gc_percent,
                    s->goal_by_limit ? ", but the limit sets the goal" : " sets the goal");
}

static void add_limit(const osp_cli *cli, const osp_go_gc *s, osp_buf *out)
{
    char limit[TEXT], used[TEXT];
    if (s->version < 11900 || !s->has_control)
        return;
    head(cli, out, "limit");
    if (s->limit_bytes == INT64_MAX)
        osp_buf_fmt(out, "none (GOMEMLIMIT); the runtime holds %.*s\n",
                    STRF(osp_bytes_text(s->mapped_ready_bytes, used, TEXT)));
    else
        osp_buf_fmt(out, "%.*s, %.0f %% of it used (%.*s)\n",
                    STRF(osp_bytes_text((uint64_t)s->limit_bytes, limit, TEXT)),
                    share((double)s->mapped_ready_bytes, (double)s->limit_bytes),
                    STRF(osp_bytes_text(s->mapped_ready_bytes, used, TEXT)));
}

static void add_cycles(const osp_cli *cli, const osp_gc_while *w, const osp_gc_pauses *p, osp_buf *out)
{
    const osp_go_gc *s = &w->now;
    char n[TEXT], text[TEXT];
    head(cli, out, "cycles");
    osp_buf_fmt(out, "%.*s", STRF(osp_count_text(s->done, n, TEXT)));
    if (s->forced)
        osp_buf_fmt(out, ", %.*s of them forced", STRF(osp_count_text(s->forced, n, TEXT)));
    if (s->started > s->done)
        osp_buf_add(out, S("; one is under way"));
    const double rate = rate_of(s, p);
    if (rate > 0)
        osp_buf_fmt(out, rate < 1 ? "; lately one each %.3g s" : "; lately %.3g a second",
                    rate < 1 ? 1 / rate : rate);
    if (s->done && s->last_end_ns && s->taken_ns > s->last_end_ns)
        osp_buf_fmt(out, ", the last %.*s ago", STRF(ms_text(s->taken_ns - s->last_end_ns, text)));
    osp_buf_add(out, S("\n"));
}

static void add_pauses(const osp_cli *cli, const osp_gc_pauses *p, osp_buf *out)
{
    char a[TEXT], b[TEXT], c[TEXT];
    float ms[OSP_GC_PAUSES];
    if (p->n == 0)
        return;
    head(cli, out, "pauses");
    osp_buf_fmt(out, "median %.*s, 99 %% %.*s, longest %.*s of the last %u", STRF(ms_text(p->median_ns, a)),
                STRF(ms_text(p->p99_ns, b)), STRF(ms_text(p->max_ns, c)), p->n);
    for (uint32_t i = 0; i < p->n; i++)
        ms[i] = (float)p->ns[i] / 1e6F;
    osp_buf_add(out, cli->columns > 100 ? S("  ") : S(""));
    if (cli->columns > 100)
        osp_spark(out, ms, p->n, (size_t)cli->columns > 130 ? BARS : 16, 0);
    osp_buf_add(out, S("\n"));
}

static void add_cpu(const osp_cli *cli, const osp_gc_while *w, osp_buf *out)
{
    const osp_go_gc *s = &w->now;
    recent r;
    head(cli, out, "CPU");
    osp_buf_fmt(out, "%.1f %% of what GOMAXPROCS gave since the start", s->cycle.cpu_fraction * 100);
    if (s->has_cpu && s->cpu_ns[OSP_GC_CPU_TOTAL] > 0) {
        const double all = (double)s->cpu_ns[OSP_GC_CPU_TOTAL];
        osp_buf_add(out, S("\n"));
        head(cli, out, "");
        osp_buf_fmt(out, "marking %.1f %%, assists %.1f %%, idle Ps %.1f %% (free), scavenger %.1f %%",
                    share((double)s->cpu_ns[OSP_GC_DEDICATED] + (double)s->cpu_ns[OSP_GC_PAUSE], all),
                    share((double)s->cpu_ns[OSP_GC_ASSIST], all), share((double)s->cpu_ns[OSP_GC_IDLE], all),
                    share((double)s->cpu_ns[OSP_GC_SCAVENGE_TOTAL], all));
    }
    osp_buf_add(out, S("\n"));
    if (w->cycles == 0 || !recent_of(w, &r))
        return;
    head(cli, out, "");
    osp_buf_fmt(out, "%.1f %% in the %u cycle%s seen: workers %.1f, assists %.1f, pauses %.1f\n", r.gc, w->cycles,
                w->cycles == 1 ? "" : "s", r.workers, r.assists, r.pauses);
}

static void add_memory(const osp_cli *cli, const osp_go_gc *s, osp_buf *out)
{
    char a[TEXT], b[TEXT], c[TEXT];
    if (s->heap_inuse_bytes == 0)
        return;
    head(cli, out, "memory");
    osp_buf_fmt(out, "heap in use %.*s, free %.*s, given back %.*s\n",
                STRF(osp_bytes_text(s->heap_inuse_bytes, a, TEXT)), STRF(osp_bytes_text(s->heap_free_bytes, b, TEXT)),
                STRF(osp_bytes_text(s->heap_released_bytes, c, TEXT)));
    head(cli, out, "scavenger");
    const uint64_t held = s->heap_inuse_bytes + s->heap_free_bytes;
    if (!s->has_scavenger) {
        osp_buf_add(out, S("its goal is not known\n"));
        return;
    }
    if (s->scavenge_goal_bytes == UINT64_MAX && s->scavenge_limit_bytes == UINT64_MAX)
        osp_buf_add(out, S("no goal: nothing to give back\n"));
    else if (s->scavenge_goal_bytes != UINT64_MAX)
        osp_buf_fmt(out, "is to keep %.*s of heap: %s\n", STRF(osp_bytes_text(s->scavenge_goal_bytes, a, TEXT)),
                    held > s->scavenge_goal_bytes ? "gives back in the background" : "nothing to give back");
    if (s->scavenge_limit_bytes != UINT64_MAX) {
        if (s->scavenge_goal_bytes != UINT64_MAX)
            head(cli, out, "");
        osp_buf_fmt(out, "because of the limit, is to keep %.*s of all memory\n",
                    STRF(osp_bytes_text(s->scavenge_limit_bytes, a, TEXT)));
    }
}

static uint32_t long_pauses(const osp_gc_pauses *p)
{
    enum { LONG_NS = 10000000 };
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n; i++)
        n += p->ns[i] > LONG_NS;
    return n;
}

/* What is worth a second look; a healthy program has none of it. */
static void add_remarks(const osp_cli *cli, const osp_gc_while *w, const osp_gc_pauses *p, osp_buf *out)
{
    enum { OFTEN = 10, ENOUGH = 20 };
    const osp_go_gc *s = &w->now;
    const double rate = rate_of(s, p);
    recent r;
    const bool lately = recent_of(w, &r) && w->cycles > 0;
    const double now = lately ? r.gc : 100 * s->cycle.cpu_fraction;
    size_t before = out->n;
    if (s->limiter == 1)
        osp_buf_add(out, S("  ▲ it wants more than half of all CPU and is held back; the limit may be passed\n"));
    if (s->goal_by_limit && rate > OFTEN)
        osp_buf_fmt(out, "  ▲ the limit makes %.0f cycles a second: little room above what is reachable\n", rate);
    if (now > 25 && s->done >= ENOUGH && (lately || rate > 0.1))
        osp_buf_fmt(out, "  ▲ the collector takes %.0f %% of the CPU: allocate less, or raise GOGC\n", now);
    if (lately && r.assists > 5 && r.assists > r.workers)
        osp_buf_add(out, S("  ▲ goroutines that allocate do most of the marking (assists), and wait for it\n"));
    if (s->done >= OFTEN && s->forced * 2 > s->done)
        osp_buf_add(out, S("  ▲ most cycles are forced: the program calls runtime.GC or FreeOSMemory\n"));
    if (long_pauses(p) >= 2 && long_pauses(p) * ENOUGH >= p->n)
        osp_buf_add(out, S("  ▲ pauses of more than 10 ms: threads stop late, for want of CPU or in loops\n"));
    if (s->has_percent && s->gc_percent < 0 && s->limit_bytes == INT64_MAX && s->version >= 11700 && s->has_control)
        osp_buf_add(out, S("  ▲ the collector is off (GOGC=off) and nothing limits the heap\n"));
    if (out->n == before) {
        osp_buf_add(out, S("  "));
        osp_paint(cli, out, OSP_GREEN, "✓");
        osp_buf_add(out, S(" nothing unusual\n"));
    }
}

void osp_gc_screen(const osp_cli *cli, const osp_gc_while *w, osp_str who, osp_buf *out)
{
    const osp_go_gc *s = &w->now;
    osp_gc_pauses p;
    char age[TEXT];
    osp_gc_pauses_of(s, &p);
    osp_paint(cli, out, OSP_BOLD, "%.*s", STRF(who));
    if (s->init_ns && s->taken_ns > s->init_ns)
        osp_buf_fmt(out, "   up %.*s", STRF(osp_age_text((s->taken_ns - s->init_ns) / 1000000000, age, TEXT)));
    if (s->taken_ns)
        osp_buf_fmt(out, "   watched %.1f s", seconds_of(w));
    osp_buf_add(out, S("\n\n"));
    add_heap(cli, w, out);
    add_limit(cli, s, out);
    add_cycles(cli, w, &p, out);
    add_pauses(cli, &p, out);
    add_cpu(cli, w, out);
    add_memory(cli, s, out);
    if (w->nlive > 1) {
        head(cli, out, "heap seen");
        osp_spark(out, w->live, w->nlive, BARS, 0);
        osp_buf_add(out, S("  at the end of each cycle\n"));
    }
    osp_gc_seen last = osp_gc_seen_of(s, s->done);
    if (s->done && last.whole) {
        head(cli, out, "last cycle");
        osp_go_gc_text(s, out);
    }
    osp_buf_add(out, S("\n"));
    add_remarks(cli, w, &p, out);
    if (!s->has_work && s->done)
        osp_buf_add(out, S("  cycles' figures were not found in this binary, but for pauses and numbers\n"));
}

/* ---- lines ------------------------------------------------------------------------------------------------------ */

void osp_gc_head(const osp_cli *cli, osp_buf *out)
{
    osp_paint(cli, out, OSP_BOLD, "%8s %7s %8s %8s %8s %8s %9s %11s", "TIME", "CYCLES", "LIVE", "GOAL", "IN USE",
              "GC CPU", "ASSISTS", "PAUSE max");
    osp_buf_add(out, S("\n"));
}

void osp_gc_line(const osp_gc_while *w, osp_buf *out)
{
    const osp_go_gc *s = &w->now;
    recent r;
    char live[TEXT], goal[TEXT], use[TEXT], pause[TEXT], clock[TEXT], gc[TEXT] = "–", assist[TEXT] = "–";
    struct tm tm;
    const time_t now = time(NULL);
    localtime_r(&now, &tm);
    strftime(clock, sizeof clock, "%H:%M:%S", &tm);
    if (recent_of(w, &r)) {
        snprintf(gc, sizeof gc, "%.1f %%", r.gc);
        snprintf(assist, sizeof assist, "%.1f %%", r.assists);
    }
    osp_buf_fmt(out, "%8s %7u ", clock, w->cycles);
    osp_buf_right(out, osp_bytes_text(s->live_bytes, live, TEXT), 8);
    osp_buf_byte(out, ' ');
    osp_buf_right(out, osp_bytes_text(s->goal_bytes, goal, TEXT), 8);
    osp_buf_byte(out, ' ');
    osp_buf_right(out, osp_bytes_text(s->heap_inuse_bytes, use, TEXT), 8);
    osp_buf_byte(out, ' ');
    osp_buf_right(out, osp_str_from(gc), 8);
    osp_buf_byte(out, ' ');
    osp_buf_right(out, osp_str_from(assist), 9);
    osp_buf_byte(out, ' ');
    osp_buf_right(out, w->cycles ? ms_text(w->most_pause_ns, pause) : S("–"), 11);
    osp_buf_add(out, S("\n"));
}

void osp_gc_trace(const osp_gc_seen *c, const osp_go_gc *now, osp_buf *out)
{
    char pause[TEXT];
    if (c->whole)
        osp_go_gc_text(now, out);
    else if (c->has_pause)
        osp_buf_fmt(out, "gc %u: pauses %.*s in all; the rest is not known, %s\n", c->number,
                    STRF(ms_text(c->pause_ns, pause)),
                    now->has_work && now->has_control ? "the next cycle had begun"
                                                      : "it was not found in this binary");
    else
        osp_buf_fmt(out, "gc %u: nothing is known of it, it was too long ago\n", c->number);
}

void osp_gc_csv_head(osp_buf *out)
{
    osp_buf_add(out, S("number,whole,start_s,end_unix_ns,pause_ns,sweep_term_ns,mark_ns,mark_term_ns,assist_cpu_ns,"
                       "worker_cpu_ns,idle_cpu_ns,heap_start_bytes,heap_end_bytes,heap_marked_bytes,goal_bytes,"
                       "stacks_bytes,globals_bytes,procs,forced,gc_cpu_fraction\n"));
}

void osp_gc_csv(const osp_gc_seen *c, const osp_go_gc *now, osp_buf *out)
{
    const osp_gc_cycle *g = &c->cycle;
    osp_buf_fmt(out, "%u,%d,", c->number, c->whole);
    if (c->whole && now->init_ns)
        osp_buf_fmt(out, "%.3f", (double)(g->sweep_term_ns - now->init_ns) / 1e9);
    if (c->has_pause)
        osp_buf_fmt(out, ",%" PRIu64 ",%" PRIu64, c->end_unix_ns, c->pause_ns);
    else
        osp_buf_add(out, S(",,"));
    if (!c->whole) {
        osp_buf_add(out, S(",,,,,,,,,,,,,,,\n"));
        return;
    }
    const uint64_t v[] = {g->mark_ns - g->sweep_term_ns,
                          g->mark_term_ns - g->mark_ns,
                          g->end_ns - g->mark_term_ns,
                          g->assist_ns,
                          g->worker_ns,
                          g->idle_ns,
                          g->heap0_bytes,
                          g->heap1_bytes,
                          g->heap2_bytes,
                          g->goal_bytes,
                          g->stacks_bytes,
                          g->globals_bytes};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++)
        osp_buf_fmt(out, ",%" PRIu64, v[i]);
    osp_buf_fmt(out, ",%d,%d,%.9f\n", g->procs, g->forced, g->cpu_fraction);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------- */

static void cycle_json(osp_json *j, const osp_gc_seen *c)
{
    const osp_gc_cycle *g = &c->cycle;
    osp_json_object(j, NULL);
    osp_json_uint(j, "number", c->number);
    osp_json_bool(j, "whole", c->whole);
    if (c->has_pause) {
        osp_json_uint(j, "pause_ns", c->pause_ns);
        osp_json_uint(j, "end_unix_ns", c->end_unix_ns);
    }
    if (c->whole) {
        osp_json_uint(j, "sweep_term_ns", g->mark_ns - g->sweep_term_ns);
        osp_json_uint(j, "mark_ns", g->mark_term_ns - g->mark_ns);
        osp_json_uint(j, "mark_term_ns", g->end_ns - g->mark_term_ns);
        osp_json_uint(j, "assist_cpu_ns", g->assist_ns);
        osp_json_uint(j, "worker_cpu_ns", g->worker_ns);
        osp_json_uint(j, "idle_cpu_ns", g->idle_ns);
        osp_json_uint(j, "heap_start_bytes", g->heap0_bytes);
        osp_json_uint(j, "heap_end_bytes", g->heap1_bytes);
        osp_json_uint(j, "heap_marked_bytes", g->heap2_bytes);
        osp_json_uint(j, "goal_bytes", g->goal_bytes);
        osp_json_int(j, "procs", g->procs);
        osp_json_bool(j, "forced", g->forced);
        osp_json_num(j, "gc_cpu_fraction", g->cpu_fraction);
    }
    osp_json_end(j);
}

static void state_json(osp_json *j, const osp_go_gc *s)
{
    osp_gc_pauses p;
    osp_gc_pauses_of(s, &p);
    osp_json_uint(j, "cycles_done", s->done);
    osp_json_uint(j, "cycles_forced", s->forced);
    osp_json_bool(j, "cycle_under_way", s->started > s->done);
    osp_json_num(j, "gc_cpu_fraction", s->cycle.cpu_fraction);
    if (s->has_percent && s->has_control)
        osp_json_int(j, "gogc", s->gc_percent);
    if (s->has_control && s->version >= 11900) {
        if (s->limit_bytes != INT64_MAX)
            osp_json_int(j, "limit_bytes", s->limit_bytes);
        osp_json_uint(j, "held_bytes", s->mapped_ready_bytes);
        osp_json_bool(j, "goal_by_limit", s->goal_by_limit);
    }
    if (s->goal_bytes) {
        osp_json_uint(j, "live_bytes", s->live_bytes);
        osp_json_uint(j, "marked_bytes", s->marked_bytes);
        osp_json_uint(j, "trigger_bytes", s->trigger_bytes);
        osp_json_uint(j, "goal_bytes", s->goal_bytes);
    }
    if (s->heap_inuse_bytes) {
        osp_json_uint(j, "heap_inuse_bytes", s->heap_inuse_bytes);
        osp_json_uint(j, "heap_free_bytes", s->heap_free_bytes);
        osp_json_uint(j, "heap_released_bytes", s->heap_released_bytes);
    }
    if (s->has_scavenger && s->scavenge_goal_bytes != UINT64_MAX)
        osp_json_uint(j, "scavenge_goal_bytes", s->scavenge_goal_bytes);
    if (s->has_scavenger && s->scavenge_limit_bytes != UINT64_MAX)
        osp_json_uint(j, "scavenge_limit_goal_bytes", s->scavenge_limit_bytes);
    if (s->limiter >= 0)
        osp_json_bool(j, "cpu_limiter", s->limiter != 0);
    if (s->has_cpu) {
        static const char *const name[OSP_GC_CPU_TIMES] = {
            "assist",   "dedicated", "idle_workers", "pause", "gc", "scavenge_assist", "scavenge_background",
            "scavenge", "idle",      "user",         "total"};
        osp_json_object(j, "cpu_ns");
        for (int i = 0; i < OSP_GC_CPU_TIMES; i++)
            osp_json_int(j, name[i], s->cpu_ns[i]);
        osp_json_end(j);
    }
    osp_json_object(j, "pauses");
    osp_json_uint(j, "total_ns", s->pause_total_ns);
    osp_json_uint(j, "median_ns", p.median_ns);
    osp_json_uint(j, "p99_ns", p.p99_ns);
    osp_json_uint(j, "max_ns", p.max_ns);
    osp_json_array(j, "last_ns");
    j->dense = true;
    for (uint32_t i = 0; i < p.n; i++)
        osp_json_uint(j, NULL, p.ns[i]);
    osp_json_end(j);
    j->dense = false;
    osp_json_end(j);
}

void osp_gc_json(const osp_gc_while *w, int pid, osp_str version, const osp_gc_seen *cycle, uint32_t n, osp_buf *out)
{
    osp_json j = osp_json_on(out);
    osp_json_object(&j, NULL);
    osp_json_str(&j, "schema", S("osprey.gc/1"));
    osp_json_int(&j, "pid", pid);
    osp_json_str(&j, "go", version);
    osp_json_num(&j, "watched_s", seconds_of(w));
    state_json(&j, &w->now);
    osp_json_array(&j, "cycles");
    for (uint32_t i = 0; i < n; i++)
        cycle_json(&j, &cycle[i]);
    osp_json_end(&j);
    osp_json_end(&j);
}

void osp_gc_explain(osp_buf *out)
{
    osp_buf_add(out,
                S("\n"
                  "  live        what the last cycle found reachable, and all that was allocated since; a\n"
                  "              cycle begins when it reaches the trigger\n"
                  "  goal        the reachable heap, and GOGC percent of it and of stacks and globals\n"
                  "              more; less if GOMEMLIMIT leaves less room\n"
                  "  pauses      no goroutine ran: both stops of a cycle together\n"
                  "  CPU         of GOMAXPROCS times the time. marking: goroutines of the runtime, on a\n"
                  "              quarter of the Ps while a cycle runs, and pauses. assists: goroutines that\n"
                  "              allocate have to help. idle Ps: they had nothing else to do\n"
                  "  scavenger   gives unused pages back to the system, down to its goal\n"
                  "  last cycle  gc 4 @12.3s 1%: when it began since the program did, and the collector's\n"
                  "              share of all CPU since then; sweep stop + marking + mark stop by the clock,\n"
                  "              and as CPU: stop + assists/workers/idle Ps + stop; heap at its start -> at its\n"
                  "              end -> reachable; goal; number of Ps\n"
                  "  More: docs/inspect.md\n"));
}
