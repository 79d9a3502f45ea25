/* SPDX-License-Identifier: Apache-2.0 */
/* Goroutines that are locked to their threads and wake each other: each hand-over is a switch of threads by the kernel. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);
static uint32_t wants(const osp_facts *early);

const osp_rule osp_rule_locked_thread_handoff = {
    .name = "locked-thread-handoff",
    .asks = "do goroutines that are locked to threads hand work to each other?",
    .topic = "scheduler",
    .more = "sched PID",
    .only_go = true,
    .title = "each hand-over switches threads",
    .order = 14,
    .wants = wants,
    .check = check,
};

/* Switches that a thread may make without harm: a locked GUI or device loop. */
static const double switches_floor = 3000;

static const osp_group_fact *locked_group(const osp_facts *f, uint32_t *locked)
{
    const osp_group_fact *best = NULL;
    *locked = 0;
    for (uint32_t i = 0; f->goroutine.known && i < f->goroutine.ngroup; i++) {
        const osp_group_fact *g = &f->goroutine.group[i];
        if (!g->locked || !osp_moving(g))
            continue;
        *locked += g->locked;
        /* one that stands in its own code rather than one that was seen to run */
        if (!best || (g->ncall > 1 && best->ncall <= 1) || (g->ncall > 1 && g->locked > best->locked))
            best = g;
    }
    return best;
}

static uint32_t wants(const osp_facts *early)
{
    uint32_t locked;
    return locked_group(early, &locked) && osp_go_work_of(early).voluntary_per_s >= switches_floor ? OSP_ASK_WAKES
                                                                                                   : 0;
}

static void check(const osp_facts *f, osp_findings *out)
{
    uint32_t locked;
    const osp_group_fact *g = locked_group(f, &locked);
    osp_go_work w = osp_go_work_of(f);
    if (!g || w.voluntary_per_s < switches_floor)
        return;
    /* By its scheduler's own functions; by name alone it would be no proof. */
    if (w.handoff < 0.1 || w.user > 0.4)
        return;
    osp_arena *a = f->arena;
    double confidence = 0.68 + 0.15 * osp_ramp(w.voluntary_per_s, switches_floor, 10 * switches_floor) +
                        0.13 * osp_ramp(w.handoff, 0.1, 0.4);
    osp_finding *x = osp_find(f, out, &osp_rule_locked_thread_handoff, NULL, confidence, 0.9);
    if (!x)
        return;
    osp_finding_blame_group(f, x, g);
    x->summary =
        osp_arena_fmt(a, "%s locked to %s in %.*s: each time %s passes something on, the kernel switches threads.",
                      locked == 1 ? "A goroutine is" : "Goroutines are", locked == 1 ? "its thread" : "their threads",
                      STRF(osp_group_text(a, g)), locked == 1 ? "it" : "one of them");
    osp_finding_evidence(x, S("by choice, of all its threads"), w.voluntary_per_s, "switches/s", "/proc status");
    if (f->sched_ticks_per_s > 0)
        osp_finding_evidence(x, S("of goroutines"), f->sched_ticks_per_s, "switches/s", "p.schedtick");
    osp_finding_evidence(x, S("locked to their threads, and at work"), locked, "goroutines", "runtime");
    osp_finding_evidence(x, S("of all samples in handing the CPU from one locked thread to the next"),
                         100 * w.handoff, "%", "samples");
    if (f->wakes.known && f->wakes.n) {
        const osp_wake_fact *k = &f->wakes.row[0];
        osp_finding_evidence(
            x, osp_arena_fmt(a, "of all %.0f from thread %d to %d", f->wakes.per_s, k->waker_tid, k->woken_tid),
            k->per_s, "wake-ups/s", "wakeups");
    }
    osp_finding_evidence(x, S("of all samples in the program's own work"), 100 * w.user, "%", "samples");
    x->next = S("keep what talks often on one thread, pass batches, or do without runtime.LockOSThread");
}
