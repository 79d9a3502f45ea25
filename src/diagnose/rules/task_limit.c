/* SPDX-License-Identifier: Apache-2.0 */
/* The cgroup allows so many threads and processes and no more: the next one fails, and a Go program dies of that. */
#include "diagnose/diagnose_internal.h"

static const double full = 0.97; /* of the limit; systemd's default leaves room for thousands */

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_task_limit = {
    .name = "task-limit",
    .asks = "are there as many threads and processes as its cgroup allows?",
    .topic = "limits",
    .more = "threads PID",
    .title = "its cgroup allows no more threads or processes",
    .order = 3,
    .check = check,
};

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_cgroup_fact *c = &f->cgroup;
    if (!c->known || !c->pids_max || (double)c->pids < full * (double)c->pids_max)
        return;
    const uint64_t own = f->proc.n ? f->proc.moment[f->proc.n - 1].usage.threads : f->nthread;
    const bool mine = own > c->pids / 2;
    osp_finding *x = osp_find(f, out, &osp_rule_task_limit, mine ? "its threads" : "its neighbours",
                              c->pids >= c->pids_max ? 0.9 : 0.75, 1);
    if (!x)
        return;
    osp_arena *a = f->arena;
    x->summary =
        osp_arena_fmt(a, "%llu threads and processes are in its cgroup, which allows %llu: the next one fails.",
                      (unsigned long long)c->pids, (unsigned long long)c->pids_max);
    osp_finding_evidence(x, osp_arena_fmt(a, "in its cgroup, of %llu", (unsigned long long)c->pids_max),
                         (double)c->pids, "tasks", "cgroup");
    osp_finding_evidence(x, S("of them are its threads"), (double)own, "threads", "/proc");
    x->next =
        mine ? S("find what its threads are blocked in, and bound that; or raise pids.max (TasksMax, --pids-limit)")
             : S("find the other processes of the cgroup; or raise pids.max (TasksMax, --pids-limit)");
}
