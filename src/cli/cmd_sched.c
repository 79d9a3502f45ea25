/* SPDX-License-Identifier: Apache-2.0 */
/* osprey sched: what the scheduler of a running Go program does. */
#include "base/clock.h"
#include "cli/go_target.h"
#include "cli/sched_screen.h"

#include <unistd.h>

static const osp_option options[] = {
    {"duration", 'd', "SECONDS", "how long to watch (1; with -i: until Ctrl-C)"},
    {"interval", 'i', "SECONDS", "a line for each interval; with --trace: between its lines (1)"},
    {"count", 'n', "COUNT", "no more than so many lines"},
    {"trace", 't', NULL, "the lines of GODEBUG=schedtrace=1000, in the form of the program's own Go release"},
    {"detail", 0, NULL, "those of scheddetail=1 too: every P, M and G"},
    {"all", 'a', NULL, "show all Ps"},
    {"explain", 0, NULL, "say what the figures mean"},
    OSP_CORE_OPTIONS,
    {"json", 0, NULL, "one JSON object: docs/json.md"},
    {0},
};

static const size_t LOOK_LIMIT = 4ull << 30; /* a list of all goroutines can be long */
static const double FOREVER = 1e9;
enum { PS_SHOWN = 8 };

typedef struct {
    const osp_cli *cli;
    osp_go_target target;
    double seconds, interval, count;
} view;

static bool print(osp_buf *out, osp_err *err)
{
    bool ok = out->failed ? osp_fail_memory(err, "printing") : osp_cli_print(osp_buf_str(out));
    if (!ok && !out->failed)
        osp_fail(err, OSP_EIO, "nobody reads any more");
    out->n = 0;
    return ok;
}

/* ---- the runtime's own lines ------------------------------------------------------------------------------------ */

static bool print_trace_line(view *v, bool detailed, osp_err *err)
{
    osp_arena a;
    osp_buf out = osp_buf_of(LOOK_LIMIT);
    osp_go_sched s;
    osp_arena_init(&a, LOOK_LIMIT);
    bool ok = osp_go_sched_read(v->target.go, detailed, &a, &s, err);
    if (ok) {
        osp_go_sched_text(v->target.go, &s, detailed, &out);
        ok = print(&out, err);
    }
    osp_buf_drop(&out);
    osp_arena_drop(&a);
    return ok;
}

static bool trace(view *v, osp_err *err)
{
    const volatile sig_atomic_t *stop = osp_stop_flag();
    const uint64_t start = osp_monotonic_ns();
    const double count =
        osp_cli_given(v->cli, "interval") || osp_cli_given(v->cli, "count") || osp_cli_given(v->cli, "duration")
            ? v->count
            : 1;
    for (double n = 0; n < count && n * v->interval <= v->seconds; n++) {
        osp_wait_until(start + (uint64_t)(n * v->interval * 1e9), stop);
        if (*stop)
            break;
        if (!print_trace_line(v, osp_cli_given(v->cli, "detail"), err))
            return n > 0 && !osp_go_target_alive(&v->target); /* it has ended: that is all */
    }
    return true;
}

/* ---- ours ------------------------------------------------------------------------------------------------------- */

/* Lines, or with --json objects, for intervals. */
static bool print_intervals(view *v, osp_sched_watch *w, osp_sched_span *s, osp_buf *out, osp_err *err)
{
    enum { SCREENFUL = 20 };
    const volatile sig_atomic_t *stop = osp_stop_flag();
    const uint64_t start = osp_monotonic_ns();
    const bool json = osp_cli_given(v->cli, "json");
    osp_json j = osp_json_on(out);
    bool ok = true, ended = false;
    if (json) {
        osp_json_object(&j, NULL);
        osp_json_str(&j, "schema", S("osprey.sched/1"));
        osp_json_int(&j, "pid", v->target.in.image.pid);
        osp_json_str(&j, "go", osp_go_version(v->target.go));
        osp_json_array(&j, "intervals");
    }
    for (double n = 1; ok && !ended && !*stop && n <= v->count && (n - 1) * v->interval < v->seconds; n++) {
        if (!json && ((uint64_t)n - 1) % SCREENFUL == 0 && (n == 1 || isatty(STDOUT_FILENO)))
            osp_sched_head(v->cli, out);
        ok = json || print(out, err);
        if (ok && !osp_sched_watch_until(w, start + (uint64_t)(n * v->interval * 1e9), stop, s, err)) {
            ended = n > 1 && !osp_go_target_alive(&v->target);
            ok = ended;
        }
        if (ok && !ended) {
            if (json)
                osp_sched_json(&j, s);
            else
                osp_sched_line(s, out);
            osp_sched_next(s);
        }
    }
    if (ok && json) {
        osp_json_end(&j);
        osp_json_end(&j);
    }
    return ok && print(out, err);
}

static bool print_screen(view *v, osp_sched_watch *w, osp_sched_span *s, osp_buf *out, osp_err *err)
{
    const uint64_t until = osp_monotonic_ns() + (uint64_t)(v->seconds * 1e9);
    if (!osp_sched_watch_until(w, until, osp_stop_flag(), s, err))
        return false;
    osp_buf who = osp_buf_of(4096);
    osp_go_target_title(&v->target, &who);
    osp_sched_screen(v->cli, s, osp_buf_str(&who), isatty(STDOUT_FILENO) ? (size_t)v->cli->columns : 0,
                     osp_cli_given(v->cli, "all") ? 0 : PS_SHOWN, out);
    if (osp_cli_given(v->cli, "explain"))
        osp_sched_explain(out);
    osp_buf_drop(&who);
    return print(out, err);
}

static bool watch(view *v, osp_err *err)
{
    osp_sched_span s = {0};
    osp_buf out = osp_buf_of(256 << 20);
    osp_sched_watch *w = osp_sched_watch_new(v->target.go, err);
    bool ok = w && (osp_cli_given(v->cli, "interval") || osp_cli_given(v->cli, "json")
                        ? print_intervals(v, w, &s, &out, err)
                        : print_screen(v, w, &s, &out, err));
    osp_sched_watch_drop(w);
    osp_sched_span_drop(&s);
    osp_buf_drop(&out);
    return ok;
}

static int cmd_sched(const osp_cli *cli)
{
    int status;
    osp_err err = {0};
    view v = {.cli = cli};
    const bool lines = osp_cli_given(cli, "trace") || osp_cli_given(cli, "detail");
    const bool endless = osp_cli_given(cli, "interval") || (lines && osp_cli_given(cli, "count"));
    if (!osp_cli_number(cli, "duration", 0, 86400 * 365, endless || lines ? FOREVER : 1, &v.seconds) ||
        !osp_cli_number(cli, "interval", 0.001, 86400, lines || endless ? 1 : v.seconds, &v.interval) ||
        !osp_cli_number(cli, "count", 1, 1e9, 1e9, &v.count))
        return OSP_EXIT_USAGE;
    if (osp_go_target_open(cli, &v.target, &status)) {
        if (v.target.in.core && !lines)
            status = osp_cli_usage(cli, "of a core, which stands still, there are --trace and --detail");
        else
            status = (lines ? trace(&v, &err) : watch(&v, &err)) ? OSP_EXIT_DONE : osp_cli_fail(&err);
    }
    osp_go_target_drop(&v.target);
    return status;
}

const osp_command osp_command_sched = {
    .name = "sched",
    .args = "PID | CORE",
    .summary = "what a Go program's scheduler does: run queues, idle Ps, spinning threads",
    .examples = (const char *const[]){"sched 4711", "sched 4711 -i 1s", "sched 4711 --trace -i 1s",
                                      "sched 4711 --detail", NULL},
    .options = options,
    .run = cmd_sched,
};
