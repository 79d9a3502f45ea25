/* SPDX-License-Identifier: Apache-2.0 */
/* osprey threads: every thread of a process, what it is for and what it does. */
#include "cli/threads_view.h"

#include <math.h>
#include <time.h>
#include <unistd.h>

static const size_t ARENA_LIMIT = 1 << 30;

/* A stop lasts some milliseconds; after so many it ends whatever happens. */
enum { FREEZE_MS = 500 };

static const osp_option options[] = {
    {"duration", 'd', "SECONDS", "how long CPU and waiting are measured (1)"},
    {"sort", 's', "ORDER", "cpu, wait, switches, tid or role (cpu)"},
    {"by", 0, "role", "a line a role: how many threads, how much CPU"},
    {"freeze", 0, NULL, "stop it for a moment, so that all is of one time and running threads have stacks too"},
    {"stack", 0, NULL, "the stack of each thread that is blocked: C and Go"},
    {"json", 0, NULL, "one JSON object, with stacks: docs/json.md"},
    {0},
};

static void wait_for(double seconds)
{
    struct timespec left = {(time_t)seconds, (long)((seconds - floor(seconds)) * 1e9)};
    nanosleep(&left, NULL); /* an interrupt ends it: what was measured until then is measured too */
}

static bool look(const osp_image *image, osp_objects *objects, double seconds, unsigned freeze_ms, osp_arena *a,
                 osp_threads *out, osp_err *err)
{
    osp_threads_watch *w = osp_threads_begin(image, objects, err);
    if (w)
        wait_for(seconds);
    bool ok = w && osp_threads_end(w, freeze_ms, a, out, err);
    osp_threads_drop(w);
    return ok;
}

static void put(const osp_cli *cli, const osp_threads *t, const osp_image *image, osp_arena *a, osp_buf *out)
{
    size_t room = isatty(STDOUT_FILENO) ? (size_t)cli->columns : 0;
    osp_str name = osp_str_base(image->exe), whose = osp_arena_fmt(a, "%.*s (%.*s)", STRF(name), STRF(image->name));
    if (osp_cli_given(cli, "json"))
        osp_threads_json(t, image->pid, name, out);
    else if (osp_cli_given(cli, "by"))
        osp_threads_roles(cli, t, whose, room, out);
    else
        osp_threads_table(cli, t, whose, osp_cli_given(cli, "stack"), room, out);
}

static bool read_and_put(const osp_cli *cli, const osp_image *image, double seconds, osp_str by, osp_arena *a,
                         osp_buf *out, osp_err *err)
{
    osp_threads t;
    unsigned freeze_ms = osp_cli_given(cli, "freeze") ? FREEZE_MS : 0;
    osp_objects *objects = osp_objects_new(NULL);
    bool ok = (objects || osp_fail_memory(err, "reading threads")) &&
              look(image, objects, image->process ? seconds : 0, freeze_ms, a, &t, err);
    if (ok) {
        osp_threads_sort(&t, by);
        put(cli, &t, image, a, out);
    }
    osp_objects_drop(objects);
    return ok && (!out->failed || osp_fail_memory(err, "printing threads"));
}

static int show(const osp_cli *cli, int pid, const char *core, double seconds, osp_str by)
{
    osp_arena a;
    osp_err err;
    osp_image image;
    osp_arena_init(&a, ARENA_LIMIT);
    osp_buf out = osp_buf_of(256 << 20);
    osp_core *c = core ? osp_core_open(core, &(osp_core_opts){0}, &err) : NULL;
    osp_process *p = core ? NULL : osp_process_open(pid, &err);
    bool ok = core ? c != NULL : p && osp_process_image(p, &a, &image, &err);
    if (c)
        image = osp_core_image(c);
    ok = ok && read_and_put(cli, &image, seconds, by, &a, &out, &err);
    int status = !ok ? osp_cli_fail(&err) : osp_cli_print(osp_buf_str(&out)) ? OSP_EXIT_DONE : OSP_EXIT_FAILED;
    osp_buf_drop(&out);
    osp_process_close(p);
    osp_core_close(c);
    osp_arena_drop(&a);
    return status;
}

/* A file that is a core and no number: what one says who has no process any more. */
static const char *core_operand(const osp_cli *cli)
{
    uint64_t number;
    bool named = cli->noperand == 1 && !osp_cli_given(cli, "pid");
    return named && !osp_str_u64(osp_str_from(cli->operand[0]), 10, &number) ? cli->operand[0] : NULL;
}

static int cmd_threads(const osp_cli *cli)
{
    int pid = 0, status;
    double seconds;
    osp_threads none = {0};
    const char *core = core_operand(cli);
    osp_str by = osp_cli_given(cli, "sort") ? osp_str_from(osp_cli_value(cli, "sort")) : S("cpu");
    if (!core && !osp_cli_pid(cli, &pid, &status))
        return status;
    if (!osp_cli_number(cli, "duration", 0, 3600, 1, &seconds))
        return OSP_EXIT_USAGE;
    if (core && osp_cli_given(cli, "freeze"))
        return osp_cli_usage(cli, "--freeze is for a process; what is in a core stands still");
    if (!osp_threads_sort(&none, by))
        return osp_cli_usage(cli, "--sort knows cpu, wait, switches, tid and role, not `%.*s`", STRF(by));
    if (osp_cli_given(cli, "by") && !osp_str_eq(osp_str_from(osp_cli_value(cli, "by")), S("role")))
        return osp_cli_usage(cli, "--by knows role, not `%s`", osp_cli_value(cli, "by"));
    return show(cli, pid, core, seconds, by);
}

const osp_command osp_command_threads = {
    .name = "threads",
    .args = "PID | CORE",
    .summary = "every thread: what it is for, what it costs, where it waits",
    .examples = (const char *const[]){"threads 4711", "threads 4711 --stack", "threads 4711 --by role",
                                      "threads 4711 --freeze --stack", "threads 4711 -d 10 --sort wait",
                                      "threads core.4711 --stack", NULL},
    .options = options,
    .run = cmd_threads,
};
