/* SPDX-License-Identifier: Apache-2.0 */
/* osprey sched: what the scheduler of a running Go program does. */
#include "cli/go_target.h"

#include "base/clock.h"

static const osp_option options[] = {
    {"interval", 'i', "SECONDS", "a line for each interval of so many seconds, until Ctrl-C"},
    {"count", 'n', "COUNT", "no more than so many lines"},
    {"trace", 't', NULL, "the lines of GODEBUG=schedtrace=1000, in the form of the program's own Go release"},
    {"detail", 0, NULL, "those of scheddetail=1 too: every P, M and G"},
    {0},
};

static const size_t LOOK_LIMIT = 4ull << 30; /* a list of all goroutines can be long */

static bool print_line(osp_go_target *t, bool detailed, osp_err *err)
{
    osp_arena a;
    osp_buf out = osp_buf_of(LOOK_LIMIT);
    osp_go_sched s;
    osp_arena_init(&a, LOOK_LIMIT);
    bool ok = osp_go_sched_read(t->go, detailed, &a, &s, err);
    if (ok) {
        osp_go_sched_text(t->go, &s, detailed, &out);
        ok = out.failed ? osp_fail_memory(err, "printing") : osp_cli_print(osp_buf_str(&out));
        if (!ok && !out.failed)
            osp_fail(err, OSP_EIO, "nobody reads any more");
    }
    osp_buf_drop(&out);
    osp_arena_drop(&a);
    return ok;
}

static bool trace(osp_go_target *t, double interval, double count, bool detailed, osp_err *err)
{
    const volatile sig_atomic_t *stop = osp_stop_flag();
    const uint64_t step = (uint64_t)(interval * 1e9);
    uint64_t next = osp_monotonic_ns();
    for (double n = 0; !*stop; n++) {
        if (!print_line(t, detailed, err))
            return n > 0 && !osp_process_alive(t->process); /* it has ended */
        if (n + 1 >= count)
            break;
        next += step;
        osp_wait_until(next, stop);
    }
    return true;
}

static int cmd_sched(const osp_cli *cli)
{
    int pid, status;
    double interval, count;
    osp_err err = {0};
    osp_go_target t;
    if (!osp_cli_pid(cli, &pid, &status))
        return status;
    if (!osp_cli_number(cli, "interval", 0.001, 86400, 1, &interval) ||
        !osp_cli_number(cli, "count", 1, 1e9, osp_cli_given(cli, "interval") ? 1e9 : 1, &count))
        return OSP_EXIT_USAGE;
    bool ok = osp_go_target_open(pid, &t, &err) && trace(&t, interval, count, osp_cli_given(cli, "detail"), &err);
    osp_go_target_drop(&t);
    return ok ? OSP_EXIT_DONE : osp_cli_fail(&err);
}

const osp_command osp_command_sched = {
    .name = "sched",
    .args = "PID",
    .summary = "what a Go program's scheduler does: run queues, idle Ps, spinning threads",
    .examples = (const char *const[]){"sched 4711", "sched 4711 --trace -i 1", "sched 4711 --detail", NULL},
    .options = options,
    .run = cmd_sched,
};
