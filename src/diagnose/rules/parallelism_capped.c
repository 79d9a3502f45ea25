/* SPDX-License-Identifier: Apache-2.0 */
/* Goroutines could run, and this process may not use more CPUs: GOMAXPROCS or its affinity is smaller than the machine. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_parallelism_capped = {
    .name = "parallelism-capped",
    .asks = "do goroutines queue because the process may use fewer CPUs than there are?",
    .topic = "scheduler",
    .more = "sched PID",
    .only_go = true,
    .title = "goroutines queue, and CPUs may not be used",
    .order = 3,
    .check = check,
};

/* One that is next in the queue of a busy P is ordinary. */
static const double queue_floor = 2;

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_sched_fact *s = &f->sched;
    osp_go_work w = osp_go_work_of(f);
    if (!s->known || s->looks < 5 || s->gomaxprocs < 1 || (uint32_t)s->gomaxprocs >= f->host_cpus)
        return;
    double n = s->gomaxprocs, per_p = s->queued / n;
    if (per_p < queue_floor || s->busy < 0.9 * n || w.demand < 0.7 * n)
        return;
    /* Goroutines that only pass the CPU on, or fight for a lock, would not do more on more CPUs. */
    double share = w.user;
    if (share < 0.4)
        return;
    uint32_t allowed = f->proc.known && f->proc.n ? f->proc.moment[f->proc.n - 1].usage.cpus : 0;
    bool affinity = allowed && allowed < f->host_cpus && allowed <= (uint32_t)s->gomaxprocs;
    osp_arena *a = f->arena;
    double confidence = 0.7 + 0.15 * osp_ramp(per_p, queue_floor, 8) + 0.1 * osp_ramp(share, 0.4, 0.8);
    osp_finding *x =
        osp_find(f, out, &osp_rule_parallelism_capped, affinity ? "affinity" : "GOMAXPROCS", confidence, 1);
    if (!x)
        return;
    osp_blamed who;
    if (osp_blame_by(f, osp_place_of, &who))
        osp_finding_blame(f, x, &who);
    x->summary = osp_arena_fmt(a, "%.0f goroutines could run and wait for a CPU: %s lets this process use %d of %u.",
                               s->queued, affinity ? "its affinity" : "GOMAXPROCS",
                               affinity ? (int)allowed : s->gomaxprocs, f->host_cpus);
    osp_finding_evidence(x, osp_arena_fmt(a, "of this host's %u", f->host_cpus), s->gomaxprocs, "GOMAXPROCS",
                         "runtime");
    if (allowed)
        osp_finding_evidence(x, S("that it may run on (affinity)"), allowed, "CPUs", "/proc status");
    osp_finding_evidence(x, osp_arena_fmt(a, "could run and waited, on average; at most %u", s->most_queued),
                         s->queued, "goroutines", "runtime");
    osp_finding_evidence(x, osp_arena_fmt(a, "of %d running a goroutine, on average", s->gomaxprocs), s->busy, "Ps",
                         "runtime");
    /* Little's law over the queue: who waits, by how many are let run a second. */
    if (f->sched_ticks_per_s > 1)
        osp_finding_evidence(x, S("from runnable to running, on average"), 1e3 * s->queued / f->sched_ticks_per_s,
                             "ms", "runtime");
    osp_finding_evidence(x, S("wanted"), w.demand, "cores", "schedstat");
    x->next =
        affinity ? S("let it run on more CPUs (taskset, cpuset)") : S("raise GOMAXPROCS, or leave it to the runtime");
}
