/* SPDX-License-Identifier: Apache-2.0 */
/* osprey gc: what the collector of a running Go program does. */
#include "base/clock.h"
#include "cli/gc_screen.h"
#include "cli/go_target.h"

#include <stdlib.h>
#include <unistd.h>

static const osp_option options[] = {
    {"duration", 'd', "SECONDS", "how long to watch (1; with --trace, --csv and -i: until Ctrl-C)"},
    {"interval", 'i', "SECONDS", "a line for each interval"},
    {"trace", 't', NULL, "the line of GODEBUG=gctrace=1 for each cycle, in the form of the program's own Go release"},
    {"count", 'n', "COUNT", "no more than so many cycles or lines"},
    {"memstats", 0, NULL, "runtime.MemStats, as a heap profile's text has it"},
    {"csv", 0, NULL, "a row for each cycle"},
    {"explain", 0, NULL, "say what the figures mean"},
    OSP_CORE_OPTIONS,
    {"json", 0, NULL, "one JSON object: docs/json.md"},
    {0},
};

static const double FOREVER = 1e9;

typedef struct {
    const osp_cli *cli;
    osp_go_target target;
    osp_gc_watch *watch;
    double seconds, interval, count;
    osp_gc_while seen;
    osp_gc_seen *cycle; /* for --json */
    size_t cap;
    uint32_t n;
    bool printing, silent; /* a line for each cycle; nobody reads any more */
    osp_buf out;
} view;

/* Print what is in out. */
static bool flush(view *v, osp_err *err)
{
    bool ok = v->out.failed ? osp_fail_memory(err, "printing") : osp_cli_print(osp_buf_str(&v->out));
    if (!ok && !v->out.failed) {
        v->silent = true;
        osp_fail(err, OSP_EIO, "nobody reads any more");
    }
    v->out.n = 0;
    return ok;
}

static bool keep(view *v, const osp_gc_seen *c)
{
    void *array = v->cycle;
    if (!osp_grow(&array, &v->cap, (size_t)v->n + 1, sizeof *v->cycle))
        return false;
    v->cycle = array;
    v->cycle[v->n++] = *c;
    return true;
}

static bool on_cycle(void *ctx, const osp_gc_seen *c, const osp_go_gc *now)
{
    view *v = ctx;
    osp_err ignored; /* v->silent says it */
    osp_gc_while_add(&v->seen, c);
    if (osp_cli_given(v->cli, "json"))
        return keep(v, c) && v->n < v->count;
    if (!v->printing)
        return true;
    if (osp_cli_given(v->cli, "csv"))
        osp_gc_csv(c, now, &v->out);
    else
        osp_gc_trace(c, now, &v->out);
    return flush(v, &ignored) && ++v->n < v->count;
}

static bool watch_for(view *v, double seconds, osp_err *err)
{
    const volatile sig_atomic_t *stop = osp_stop_flag();
    v->seen = (osp_gc_while){.first = *osp_gc_watch_now(v->watch)};
    const uint64_t until = v->seen.first.taken_ns + (uint64_t)(seconds * 1e9);
    bool ok = osp_gc_watch_until(v->watch, until, stop, on_cycle, v, err);
    v->seen.now = *osp_gc_watch_now(v->watch);
    return ok || (v->printing && !osp_go_target_alive(&v->target)); /* it has ended: that is all */
}

/* A line for each cycle; first of all the last one that has ended. */
static bool print_cycles(view *v, osp_err *err)
{
    const osp_go_gc *now = osp_gc_watch_now(v->watch);
    const osp_gc_seen last = osp_gc_seen_of(now, now->done);
    v->printing = true;
    if (osp_cli_given(v->cli, "csv"))
        osp_gc_csv_head(&v->out);
    if (last.whole && !on_cycle(v, &last, now))
        return !v->silent;
    return (v->out.n == 0 || flush(v, err)) && watch_for(v, v->seconds, err);
}

static bool print_intervals(view *v, osp_err *err)
{
    enum { SCREENFUL = 20 };
    const volatile sig_atomic_t *stop = osp_stop_flag();
    const uint64_t until = osp_monotonic_ns() + (uint64_t)(v->seconds * 1e9);
    for (double n = 0; n < v->count && !*stop && osp_monotonic_ns() < until; n++) {
        if ((uint64_t)n % SCREENFUL == 0 && (n == 0 || isatty(STDOUT_FILENO)))
            osp_gc_head(v->cli, &v->out);
        if (!flush(v, err) || !watch_for(v, v->interval, err))
            return n > 0 && !v->silent && !osp_go_target_alive(&v->target);
        osp_gc_line(&v->seen, &v->out);
        if (!flush(v, err))
            return false;
    }
    return true;
}

static bool print_memstats(view *v, osp_err *err)
{
    osp_go_memstats m;
    if (!osp_go_memstats_read(v->target.go, &m, err))
        return false;
    osp_go_memstats_text(&m, &v->out);
    if (m.moving)
        osp_buf_add(&v->out, S("# moving: the program allocates; its figures are of moments close to each other\n"));
    return flush(v, err);
}

static bool print_screen(view *v, osp_err *err)
{
    if (!watch_for(v, v->seconds, err))
        return false;
    osp_buf who = osp_buf_of(4096);
    osp_go_target_title(&v->target, &who);
    if (osp_cli_given(v->cli, "json"))
        osp_gc_json(&v->seen, v->target.in.image.pid, osp_go_version(v->target.go), v->cycle, v->n, &v->out);
    else
        osp_gc_screen(v->cli, &v->seen, osp_buf_str(&who), &v->out);
    if (osp_cli_given(v->cli, "explain") && !osp_cli_given(v->cli, "json"))
        osp_gc_explain(&v->out);
    osp_buf_drop(&who);
    return flush(v, err);
}

static bool print(view *v, osp_err *err)
{
    const osp_cli *cli = v->cli;
    if (osp_cli_given(cli, "memstats"))
        return print_memstats(v, err);
    v->watch = osp_gc_watch_new(v->target.go, err);
    if (!v->watch)
        return false;
    if (osp_cli_given(cli, "csv") || osp_cli_given(cli, "trace"))
        return print_cycles(v, err);
    return osp_cli_given(cli, "interval") && !osp_cli_given(cli, "json") ? print_intervals(v, err)
                                                                         : print_screen(v, err);
}

static int cmd_gc(const osp_cli *cli)
{
    int status;
    osp_err err = {0};
    view v = {.cli = cli, .out = osp_buf_of(64 << 20)};
    const bool endless = osp_cli_given(cli, "csv") || osp_cli_given(cli, "trace") || osp_cli_given(cli, "interval");
    if (!osp_cli_number(cli, "duration", 0, 86400 * 365, endless ? FOREVER : 1, &v.seconds) ||
        !osp_cli_number(cli, "interval", 0.05, 86400, 1, &v.interval) ||
        !osp_cli_number(cli, "count", 1, 1e9, 1e9, &v.count))
        return OSP_EXIT_USAGE;
    if (osp_go_target_open(cli, &v.target, &status)) {
        if (v.target.in.core && osp_cli_given(cli, "interval"))
            status = osp_cli_usage(cli, "--interval is for a process; what is in a core stands still");
        else {
            v.seconds = v.target.in.core ? 0 : v.seconds;
            status = print(&v, &err) ? OSP_EXIT_DONE : v.silent ? OSP_EXIT_FAILED : osp_cli_fail(&err);
        }
    }
    osp_gc_watch_drop(v.watch);
    osp_go_target_drop(&v.target);
    osp_buf_drop(&v.out);
    free(v.cycle);
    return status;
}

const osp_command osp_command_gc = {
    .name = "gc",
    .args = "PID | CORE",
    .summary = "what a Go program's collector does: cycles, pauses, CPU, goal and limit",
    .examples = (const char *const[]){"gc 4711", "gc 4711 --trace", "gc 4711 -i 1s", "gc 4711 --memstats",
                                      "gc 4711 --csv -d 1m", "gc core.4711", NULL},
    .options = options,
    .run = cmd_gc,
};
