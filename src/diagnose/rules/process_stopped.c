/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_process_stopped = {
    .name = "process-stopped",
    .asks = "is it stopped, by a signal, a debugger or a frozen cgroup?",
    .topic = "stops",
    .more = "threads PID --stack",
    .title = "the process is stopped",
    .order = 0,
    .check = check,
};

static uint32_t threads_in(const osp_facts *f, osp_str state)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->blocked.n; i++)
        n += osp_str_eq(f->blocked.row[i].state, state) ? f->blocked.row[i].n : 0;
    return n;
}

static void check(const osp_facts *f, osp_findings *out)
{
    bool frozen = f->cgroup.known && f->cgroup.frozen, traced = f->process.state == 't';
    if ((!f->stopped && !frozen) || f->from_core)
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_process_stopped,
                              frozen   ? "frozen"
                              : traced ? "debugger"
                                       : "signal",
                              0.97, 1);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_str who =
        frozen ? osp_arena_fmt(a, "its cgroup %.*s is frozen", STRF(f->cgroup.path))
        : f->host.tracer && f->host.known
            ? osp_arena_fmt(a, "%.*s (pid %d) traces it and holds it", STRF(f->host.tracer_name), f->host.tracer)
            : S("a signal has stopped it (SIGSTOP, SIGTSTP, SIGTTIN or SIGTTOU)");
    x->summary = osp_arena_fmt(a, "Nothing of it can run: %.*s.", STRF(who));
    osp_finding_evidence(x, frozen ? S("used meanwhile") : S("of all threads are stopped"),
                         frozen ? f->cores_used : threads_in(f, traced ? S("t") : S("T")),
                         frozen ? "cores" : "threads", frozen ? "schedstat" : "/proc");
    osp_finding_evidence(x, osp_arena_fmt(a, "state of the process: %c", f->process.state ? f->process.state : '?'),
                         1, "state", "/proc/PID/stat");
    if (f->host.tracer)
        osp_finding_evidence(x, osp_arena_fmt(a, "is traced by %.*s", STRF(f->host.tracer_name)), f->host.tracer,
                             "pid", "/proc/PID/status");
    x->next = frozen           ? S("thaw the cgroup (cgroup.freeze, freezer.state; docker unpause)")
              : f->host.tracer ? osp_arena_fmt(a, "let %.*s continue or detach", STRF(f->host.tracer_name))
                               : osp_arena_fmt(a, "kill -CONT %d, and find who stopped it", f->pid);
}
