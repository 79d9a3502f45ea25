/* SPDX-License-Identifier: Apache-2.0 */
/* osprey threads: every thread of a process, what it is for and what it does. */
#include "cli/threads_view.h"

#include <math.h>
#include <time.h>
#include <unistd.h>

static const size_t ARENA_LIMIT = 1 << 30;

static const osp_option options[] = {
    {"duration", 'd', "SECONDS", "how long CPU and waiting are measured (1)"},
    {"sort", 's', "ORDER", "cpu, wait, switches, tid or role (cpu)"},
    {"by", 0, "role", "a line a role: how many threads, how much CPU"},
    {"stack", 0, NULL, "the stack of each thread that is blocked: C and Go"},
    {"json", 0, NULL, "one JSON object, with stacks: docs/json.md"},
    {0},
};

static void wait_for(double seconds)
{
    struct timespec left = {(time_t)seconds, (long)((seconds - floor(seconds)) * 1e9)};
    nanosleep(&left, NULL); /* an interrupt ends it: what was measured until then is measured too */
}

static bool look(osp_process *p, osp_objects *objects, double seconds, osp_arena *a, osp_threads *out, osp_err *err)
{
    osp_threads_watch *w = osp_threads_begin(p, objects, err);
    if (w)
        wait_for(seconds);
    bool ok = w && osp_threads_end(w, a, out, err);
    osp_threads_drop(w);
    return ok;
}

static void put(const osp_cli *cli, const osp_threads *t, int pid, osp_str name, osp_arena *a, osp_buf *out)
{
    size_t room = isatty(STDOUT_FILENO) ? (size_t)cli->columns : 0;
    osp_str whose = osp_arena_fmt(a, "%.*s (pid %d)", STRF(name), pid);
    if (osp_cli_given(cli, "json"))
        osp_threads_json(t, pid, name, out);
    else if (osp_cli_given(cli, "by"))
        osp_threads_roles(cli, t, whose, room, out);
    else
        osp_threads_table(cli, t, whose, osp_cli_given(cli, "stack"), room, out);
}

static int show(const osp_cli *cli, int pid, double seconds, osp_str by)
{
    osp_arena a;
    osp_err err;
    osp_threads t;
    osp_process_info info;
    osp_arena_init(&a, ARENA_LIMIT);
    osp_buf out = osp_buf_of(256 << 20);
    osp_process *p = osp_process_open(pid, &err);
    osp_objects *objects = p ? osp_objects_new(NULL) : NULL;
    bool ok = p && (objects || osp_fail_memory(&err, "reading threads")) &&
              osp_process_info_read(p, &a, &info, &err) && look(p, objects, seconds, &a, &t, &err);
    if (ok) {
        osp_threads_sort(&t, by);
        put(cli, &t, pid, info.exe.n ? osp_str_base(info.exe) : info.name, &a, &out);
        ok = !out.failed || osp_fail_memory(&err, "printing threads");
    }
    int status = !ok ? osp_cli_fail(&err) : osp_cli_print(osp_buf_str(&out)) ? OSP_EXIT_DONE : OSP_EXIT_FAILED;
    osp_buf_drop(&out);
    osp_objects_drop(objects);
    osp_process_close(p);
    osp_arena_drop(&a);
    return status;
}

static int cmd_threads(const osp_cli *cli)
{
    int pid, status;
    double seconds;
    osp_threads none = {0};
    osp_str by = osp_cli_given(cli, "sort") ? osp_str_from(osp_cli_value(cli, "sort")) : S("cpu");
    if (!osp_cli_pid(cli, &pid, &status))
        return status;
    if (!osp_cli_number(cli, "duration", 0, 3600, 1, &seconds))
        return OSP_EXIT_USAGE;
    if (!osp_threads_sort(&none, by))
        return osp_cli_usage(cli, "--sort knows cpu, wait, switches, tid and role, not `%.*s`", STRF(by));
    if (osp_cli_given(cli, "by") && !osp_str_eq(osp_str_from(osp_cli_value(cli, "by")), S("role")))
        return osp_cli_usage(cli, "--by knows role, not `%s`", osp_cli_value(cli, "by"));
    return show(cli, pid, seconds, by);
}

const osp_command osp_command_threads = {
    .name = "threads",
    .args = "PID",
    .summary = "every thread: what it is for, what it costs, where it waits",
    .examples = (const char *const[]){"threads 4711", "threads 4711 --stack", "threads 4711 --by role",
                                      "threads 4711 -d 10 --sort wait", NULL},
    .options = options,
    .run = cmd_threads,
};
