/* SPDX-License-Identifier: Apache-2.0 */
/* osprey threads: every thread of a process, what it is for and what it does. */
#include "cli/image_operand.h"
#include "cli/threads_view.h"

#include <math.h>
#include <time.h>
#include <unistd.h>

/* A stop lasts some milliseconds; after so many it ends whatever happens. */
enum { FREEZE_MS = 500 };

static const osp_option options[] = {
    {"duration", 'd', "SECONDS", "how long CPU and waiting are measured (1)"},
    {"sort", 's', "ORDER", "cpu, wait, switches, tid or role (cpu)"},
    {"by", 0, "role", "a line a role: how many threads, how much CPU"},
    {"freeze", 0, NULL, "stop it for a moment, so that all is of one time and running threads have stacks too"},
    {"stack", 0, NULL, "the stack of each thread that is blocked: C and Go"},
    OSP_CORE_OPTIONS,
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

static void put(const osp_cli *cli, const osp_threads *t, const osp_image_operand *o, osp_buf *out)
{
    size_t room = isatty(STDOUT_FILENO) ? (size_t)cli->columns : 0;
    if (osp_cli_given(cli, "json"))
        osp_threads_json(t, o->image.pid, osp_str_base(o->image.exe), out);
    else if (osp_cli_given(cli, "by"))
        osp_threads_roles(cli, t, o->whose, room, out);
    else
        osp_threads_table(cli, t, o->whose, osp_cli_given(cli, "stack"), room, out);
}

static int show(const osp_cli *cli, osp_image_operand *o, double seconds, osp_str by)
{
    osp_err err;
    osp_threads t;
    osp_buf out = osp_buf_of(256 << 20);
    unsigned freeze_ms = osp_cli_given(cli, "freeze") ? FREEZE_MS : 0;
    bool ok = look(&o->image, o->objects, o->process ? seconds : 0, freeze_ms, &o->arena, &t, &err);
    if (ok) {
        osp_threads_sort(&t, by);
        put(cli, &t, o, &out);
    }
    int status = ok ? osp_cli_answer(&out, OSP_EXIT_DONE) : osp_cli_fail(&err);
    return status;
}

static int cmd_threads(const osp_cli *cli)
{
    int status;
    double seconds;
    osp_threads none = {0};
    osp_image_operand o;
    osp_str by = osp_cli_given(cli, "sort") ? osp_str_from(osp_cli_value(cli, "sort")) : S("cpu");
    if (!osp_cli_number(cli, "duration", 0, 3600, 1, &seconds))
        return OSP_EXIT_USAGE;
    if (!osp_threads_sort(&none, by))
        return osp_cli_usage(cli, "--sort knows cpu, wait, switches, tid and role, not `%.*s`", STRF(by));
    if (osp_cli_given(cli, "by") && !osp_str_eq(osp_str_from(osp_cli_value(cli, "by")), S("role")))
        return osp_cli_usage(cli, "--by knows role, not `%s`", osp_cli_value(cli, "by"));
    if (osp_image_operand_open(cli, &o, &status)) {
        if (o.core && osp_cli_given(cli, "freeze"))
            status = osp_cli_usage(cli, "--freeze is for a process; what is in a core stands still");
        else
            status = show(cli, &o, seconds, by);
    }
    osp_image_operand_drop(&o);
    return status;
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
