/* SPDX-License-Identifier: Apache-2.0 */
/* osprey ps: all Go processes, and what their runtimes say of themselves. */
#include "cli/ps_watch.h"

#include <math.h>
#include <time.h>
#include <unistd.h>

static const size_t ARENA_LIMIT = 256 << 20;

/* From so many seconds on it is worth counting goroutines at both ends. */
enum { WORTH_A_SECOND_COUNT = 10 };

static const osp_option options[] = {
    {"all", 'a', NULL, "processes without Go too"},
    {"sort", 's', "COLUMN", "by cpu, rss, goroutines, threads, heap, gc, uptime, pid, name, go, container (cpu)"},
    {"duration", 'd', "SECONDS",
     "how long CPU is measured, of all processes at once; 10 or more: who gains goroutines "
     "(0.5)"},
    {"json", 0, NULL, "print one JSON object"},
    {0},
};

static void wait_for(double seconds)
{
    struct timespec left = {(time_t)seconds, (long)((seconds - floor(seconds)) * 1e9)};
    nanosleep(&left, NULL); /* an interrupt ends it: what was measured until then is measured too */
}

static bool look(double seconds, bool all, osp_arena *a, osp_ps *ps, osp_err *err)
{
    osp_ps_watch *watch = osp_ps_watch_new(err);
    bool ok = watch && osp_ps_watch_begin(watch, seconds >= WORTH_A_SECOND_COUNT, err);
    if (ok) {
        wait_for(seconds);
        ok = osp_ps_watch_look(watch, all, 0, a, ps, err);
    }
    osp_ps_watch_drop(watch);
    return ok;
}

static int show(const osp_cli *cli, double seconds, osp_str by)
{
    osp_arena a;
    osp_ps ps = {0};
    osp_err err;
    osp_arena_init(&a, ARENA_LIMIT);
    bool ok = look(seconds, osp_cli_given(cli, "all"), &a, &ps, &err);
    osp_buf out = osp_buf_of(64 << 20);
    if (ok) {
        osp_ps_sort(&ps, by);
        if (osp_cli_given(cli, "json"))
            osp_ps_json(&ps, &out);
        else
            osp_ps_table(cli, &ps, isatty(STDOUT_FILENO) ? (size_t)cli->columns : 0, &out);
    }
    int status = ok ? osp_cli_answer(&out, OSP_EXIT_DONE) : osp_cli_fail(&err);
    osp_arena_drop(&a);
    return status;
}

static int cmd_ps(const osp_cli *cli)
{
    double seconds;
    osp_ps none = {0};
    if (cli->noperand)
        return osp_cli_usage(cli, "takes no operand, not `%s`", cli->operand[0]);
    if (!osp_cli_number(cli, "duration", 0, 3600, 0.5, &seconds))
        return OSP_EXIT_USAGE;
    osp_str by = osp_cli_given(cli, "sort") ? osp_str_from(osp_cli_value(cli, "sort")) : S("cpu");
    if (!osp_ps_sort(&none, by)) {
        osp_buf known = osp_buf_of(1024);
        osp_ps_orders(&known);
        int status =
            osp_cli_usage(cli, "--sort: `%.*s` is no column; there are %.*s", STRF(by), STRF(osp_buf_str(&known)));
        osp_buf_drop(&known);
        return status;
    }
    return show(cli, seconds, by);
}

const osp_command osp_command_ps = {
    .name = "ps",
    .args = "",
    .summary = "list Go processes: CPU, goroutines, memory",
    .examples = (const char *const[]){"ps", "ps -s goroutines", "ps -a --json", NULL},
    .options = options,
    .run = cmd_ps,
};
