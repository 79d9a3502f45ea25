/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

/* A burst now and then meets its quota in a few periods of a hundred; who is held back in every fifth is too tightly bound. */
static const double share_floor = 0.15, ms_floor = 30, periods_floor = 2;

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_cgroup_throttled = {
    .name = "cgroup-throttled",
    .asks = "is it held back by the CPU limit of its cgroup?",
    .topic = "limits",
    .title = "held back by the CPU limit of its cgroup",
    .order = 1,
    .check = check,
};

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_cgroup_fact *c = &f->cgroup;
    if (!c->known || c->quota_cores <= 0 || c->periods_per_s < periods_floor || c->throttled_ms_per_s < ms_floor)
        return;
    double share = c->throttled_per_s / c->periods_per_s;
    if (share < share_floor)
        return;
    osp_finding *x =
        osp_find(f, out, &osp_rule_cgroup_throttled, NULL, 0.75 + 0.22 * osp_ramp(share, share_floor, 0.5), 1);
    if (!x)
        return;
    osp_arena *a = f->arena;
    int32_t procs = f->sched.known ? f->sched.gomaxprocs : 0;
    bool more = procs > c->quota_cores + 0.5;
    x->culprit.module = c->path;
    x->summary = osp_arena_fmt(
        a, "The cgroup %.*s may use %.3g cores and is stopped in %.0f %% of its periods of %.0f ms%s.", STRF(c->path),
        c->quota_cores, 100 * share, c->period_ms, more ? ": Go runs more threads at once than that" : "");
    osp_finding_evidence(x, S("of the periods in which it ran, it was stopped"), 100 * share, "%", "cgroup cpu.stat");
    osp_finding_evidence(x, S("stopped, summed over CPUs"), c->throttled_ms_per_s, "ms/s", "cgroup cpu.stat");
    osp_finding_evidence(x, osp_arena_fmt(a, "quota, in periods of %.0f ms", c->period_ms), c->quota_cores, "cores",
                         "cgroup");
    if (procs)
        osp_finding_evidence(x, S("GOMAXPROCS"), procs, "procs", "runtime");
    osp_finding_evidence(x, S("used by this process"), f->cores_used, "cores", "schedstat");
    x->next =
        more ? osp_arena_fmt(a, "set GOMAXPROCS to %.0f (Go 1.25 and later do so by themselves), or raise the quota",
                             c->quota_cores < 1 ? 1 : c->quota_cores)
             : S("raise the quota, or spread the work over time");
}
