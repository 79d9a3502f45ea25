/* SPDX-License-Identifier: Apache-2.0 */
/* More goroutines compute than there are Ps: whoever has little to do waits for all of them, and timers are late. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_run_queue_delay = {
    .name = "run-queue-delay",
    .asks = "do goroutines with little to do wait long for a P, behind others that compute?",
    .topic = "scheduler",
    .more = "sched PID",
    .only_go = true,
    .title = "goroutines wait for their turn",
    .order = 55,
    .after = "parallelism-capped busy-spin chan-contention mutex-contention rwmutex-contention",
    .check = check,
};

/* Computations split into as many parts as there are CPUs have no queue; twice as many have a short one. */
static const double queue_floor = 4, late_floor_s = 0.02;

/* Goroutines that were woken from a wait and do not run yet. */
static uint32_t woken(const osp_facts *f, const osp_group_fact **most)
{
    uint32_t n = 0;
    for (uint32_t i = 0; f->goroutine.known && i < f->goroutine.ngroup; i++) {
        const osp_group_fact *g = &f->goroutine.group[i];
        if (g->status != OSP_G_RUNNABLE || osp_at_of(g->call, g->ncall) == OSP_AT_WORK)
            continue;
        n += g->n;
        if (!*most || g->n > (*most)->n)
            *most = g;
    }
    return n;
}

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_sched_fact *s = &f->sched;
    osp_go_work w = osp_go_work_of(f);
    if (!s->known || s->looks < 5 || s->gomaxprocs < 1 || f->samples < 40)
        return;
    double n = s->gomaxprocs, per_p = s->queued / n, late = 0;
    for (uint32_t i = 0; f->timers.known && i < f->timers.ngroup; i++)
        late = f->timers.group[i].late_s > late ? f->timers.group[i].late_s : late;
    if (per_p < queue_floor || s->busy < 0.9 * n || w.user < 0.6 || w.demand < 0.7 * n)
        return;
    /* By Little's law: who waits, by how many are let run a second. */
    double wait_s = f->sched_ticks_per_s > 0 ? s->queued / f->sched_ticks_per_s : 0;
    if (wait_s < late_floor_s)
        return;
    osp_blamed who;
    if (!osp_blame_by(f, osp_place_of, &who))
        return;
    osp_arena *a = f->arena;
    /* A batch that only computes is well served so: somebody else must wait, as a late timer shows, or one that was woken. */
    const osp_group_fact *g = NULL;
    uint32_t nwoken = woken(f, &g);
    double confidence = late >= late_floor_s || nwoken ? 0.68 + 0.2 * osp_ramp(wait_s, late_floor_s, 0.1) : 0.5;
    osp_finding *x = osp_find(f, out, &osp_rule_run_queue_delay, NULL, confidence, who.share);
    if (!x)
        return;
    osp_finding_blame(f, x, &who);
    x->summary =
        osp_arena_fmt(a, "%.0f goroutines wait for one of %d Ps, behind %.*s: each turn takes some %.0f ms to come.",
                      s->queued, s->gomaxprocs, STRF(osp_call_text(a, who.call)), 1e3 * wait_s);
    osp_finding_evidence(x, osp_arena_fmt(a, "could run and waited, on average; at most %u", s->most_queued),
                         s->queued, "goroutines", "runtime");
    osp_finding_evidence(x, S("from runnable to running, on average"), 1e3 * wait_s, "ms", "runtime");
    if (late > 0)
        osp_finding_evidence(x, S("late: the timer that was due longest"), 1e3 * late, "ms", "runtime");
    if (nwoken)
        osp_finding_evidence(x, osp_arena_fmt(a, "woken and not run yet, in %.*s", STRF(osp_group_text(a, g))),
                             nwoken, "goroutines", "runtime");
    osp_finding_evidence(x, osp_arena_fmt(a, "of %d running a goroutine, on average", s->gomaxprocs), s->busy, "Ps",
                         "runtime");
    osp_finding_evidence(x, osp_arena_fmt(a, "of all samples in %.*s", STRF(who.call->func)), 100 * who.share, "%",
                         "samples");
    x->next = osp_arena_fmt(a, "let fewer goroutines do what %.*s does at a time (a semaphore), or split the process",
                            STRF(who.call->func));
}
