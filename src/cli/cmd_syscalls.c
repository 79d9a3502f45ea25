/* SPDX-License-Identifier: Apache-2.0 */
/* osprey syscalls: which system calls a program makes, from where, how they end, and who wakes whom. */
#include "cli/calls_model.h"

#include <stdio.h>

enum { LINES = 24 };

static const osp_option options[] = {
    {"event", 'e', "NAMES", "only these system calls, with commas: read,write,futex (all)"},
    {"duration", 'd', "SECONDS", "how long to watch (10; a program started after -- : until it ends)"},
    {"errors", 0, NULL, "only calls that failed, by errno"},
    {"sort", 's', "ORDER", "calls, time, errors, bytes or max (calls)"},
    {"lines", 'n', "COUNT", "of the table; 0 = every call, place and pair (24)"},
    {"all", 'a', NULL, "all processes of the machine"},
    {"cgroup", 'G', "NAME", "a cgroup with all inside it: its path, a service's name, a container's id"},
    {"children", 0, NULL, "and all processes that these start (so it is for a COMMAND)"},
    {"cost", 0, NULL, "say what watching cost"},
    {"json", 0, NULL, "one JSON object: docs/json.md"},
    {0},
};

static void show_progress(void *ctx, const osp_sample_stats *s, double elapsed)
{
    osp_progress(ctx, "watching  %02d:%02d   %llu calls and wake-ups   lost %llu   Ctrl-C ends it", (int)elapsed / 60,
                 (int)elapsed % 60, (unsigned long long)s->taken, (unsigned long long)s->lost);
}

static bool is_order(osp_str order)
{
    for (size_t i = 0; osp_calls_order(i); i++)
        if (osp_str_eq(order, osp_str_from(osp_calls_order(i))))
            return true;
    return false;
}

/* What was watched, for the head of the screen. */
static osp_str who(const osp_cli *cli, const osp_sample_opts *opts, const osp_recording *rec, char *text, size_t size)
{
    if (opts->machine)
        snprintf(text, size, "the whole machine");
    else if (opts->cgroup)
        snprintf(text, size, "%s", osp_cli_value(cli, "cgroup"));
    else if (opts->nalso)
        snprintf(text, size, "%s (pid %d) and %u more", rec->name, opts->pid, opts->nalso);
    else if (cli->nrest)
        snprintf(text, size, "%.60s", cli->rest[0]);
    else
        snprintf(text, size, "%s (pid %d)", rec->name, opts->pid);
    return osp_str_from(text);
}

static void add_cost(osp_buf *out, const osp_sample_stats *s)
{
    osp_buf_fmt(out, " cost: BPF %.1f ms in %llu runs, %.1f us each, %.2f %% of a CPU; osprey %.0f MB\n",
                (double)s->bpf_run_ns / 1e6, (unsigned long long)s->bpf_runs,
                s->bpf_runs ? (double)s->bpf_run_ns / 1e3 / (double)s->bpf_runs : 0,
                s->duration_ns ? 100.0 * (double)s->bpf_run_ns / (double)s->duration_ns : 0,
                (double)osp_own_peak_bytes() / 1e6);
}

static bool print(const osp_cli *cli, const osp_sample_opts *opts, osp_recorded *r, int lines, osp_err *err)
{
    char text[160];
    osp_buf out = osp_buf_of(256 << 20);
    osp_calls_model m;
    osp_str order = osp_str_from(osp_cli_given(cli, "sort") ? osp_cli_value(cli, "sort") : osp_calls_order(0));
    if (!osp_recorded_name(r, err) ||
        !osp_calls_model_make(&r->rec, r->named, order, osp_cli_given(cli, "errors"), &m, err))
        return false;
    osp_str whom = who(cli, opts, &r->rec, text, sizeof text);
    if (osp_cli_given(cli, "json"))
        osp_calls_json(&m, &r->rec.stats, whom, &out);
    else
        osp_calls_screen(cli, &m, &r->rec.stats, whom, lines, &out);
    if (osp_cli_given(cli, "cost") && !osp_cli_given(cli, "json"))
        add_cost(&out, &r->rec.stats);
    bool ok = out.failed ? osp_fail_memory(err, "printing") : osp_cli_print(osp_buf_str(&out));
    if (!ok && !out.failed)
        osp_fail(err, OSP_EIO, "nobody reads any more");
    osp_calls_model_drop(&m);
    osp_buf_drop(&out);
    return ok;
}

static int watch(const osp_cli *cli, osp_sample_opts *opts, int lines)
{
    osp_recorded r = {.objects = osp_objects_new(NULL)};
    osp_launch launch;
    osp_err err = {0};
    opts->objects = r.objects;
    if (!r.objects)
        osp_fail_memory(&err, "starting to watch");
    bool ok = r.objects && osp_targets_launch(cli, opts, &launch, &err);
    if (ok) {
        ok = osp_record(opts, &r.rec, &err);
        osp_progress_done(cli);
        ok = ok && print(cli, opts, &r, lines, &err);
        osp_launch_end(&launch, ok);
    }
    osp_recorded_drop(&r);
    return ok ? OSP_EXIT_DONE : osp_cli_fail(&err);
}

static int cmd_syscalls(const osp_cli *cli)
{
    osp_err err = {0};
    double seconds, lines;
    int status;
    osp_targets targets = {0};
    const char *names = osp_cli_value(cli, "event");
    if (!osp_cli_number(cli, "duration", 0.1, 86400, cli->nrest ? 0 : 10, &seconds) ||
        !osp_cli_number(cli, "lines", 0, 1e6, LINES, &lines))
        return OSP_EXIT_USAGE;
    if (osp_cli_given(cli, "sort") && !is_order(osp_str_from(osp_cli_value(cli, "sort"))))
        return osp_cli_usage(cli, "--sort knows calls, time, errors, bytes and max, not `%s`",
                             osp_cli_value(cli, "sort"));
    osp_sample_opts opts = {
        .seconds = seconds,
        .stop = osp_stop_flag(),
        .progress = cli->progress ? show_progress : NULL,
        .progress_ctx = (void *)(uintptr_t)cli,
    };
    if (!osp_event_list_calls(osp_str_from(names), &opts.events, &err))
        status = osp_cli_fail(&err);
    else if (osp_targets_read(cli, &opts, &targets, &status))
        status = watch(cli, &opts, (int)lines);
    osp_targets_drop(&targets);
    return status;
}

const osp_command osp_command_syscalls = {
    .name = "syscalls",
    .args = "PID... | --all | --cgroup NAME | -- COMMAND",
    .summary = "which system calls are made, from where, how they end; who wakes whom",
    .examples = (const char *const[]){"syscalls 4711", "syscalls 4711 -e read,write,futex -d 5",
                                      "syscalls 4711 --errors -n 0", "syscalls -- make -j4", NULL},
    .options = options,
    .run = cmd_syscalls,
};
