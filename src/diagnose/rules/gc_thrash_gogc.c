/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

/* Of the process's CPU, what a heap that may double would save. Programs with the default GOGC are at 0 by this measure,
 * whatever their collector takes; GOGC=50 with a third of the CPU in the collector is at 0.17. */
static const double least_wasted = 0.15, surely_wasted = 0.4;
static const double demand_floor = 0.15; /* cores, of the collector */

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_gc_thrash_gogc = {
    .name = "gc-thrash-gogc",
    .asks = "does the collector run all the time because GOGC leaves the heap next to no room to grow?",
    .topic = "collector",
    .more = "gc PID",
    .only_go = true,
    .title = "the collector runs all the time: GOGC is too small",
    .order = 20,
    .check = check,
};

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_gc_fact *g = &f->gc;
    osp_memory_cpu cpu;
    if (!g->known || !g->has_percent || g->percent < 0 || g->percent >= 100 || g->by_limit > 0.5 ||
        !osp_memory_weigh(f, &cpu))
        return;
    /* The goal counts stacks and globals as well, and has a least size: what GOGC says is the bound of the room. */
    const double by_percent = cpu.gc_low * (1 - g->percent / 100.0), measured = osp_memory_wasted(f, &cpu),
                 wasted = g->room < 0 || measured > by_percent ? by_percent : measured;
    if (wasted < least_wasted || cpu.gc_cores < demand_floor || g->cycles_per_s <= 0)
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_gc_thrash_gogc, NULL,
                              0.65 + 0.32 * osp_ramp(wasted, least_wasted, surely_wasted), cpu.gc);
    if (!x)
        return;
    osp_arena *a = f->arena;
    x->summary = osp_arena_fmt(a,
                               "GOGC is %d, so a collection begins whenever the heap has grown by %d %%: %.0f a "
                               "second, which take %.0f %% of this process's CPU.",
                               (int)g->percent, (int)g->percent, g->cycles_per_s, 100 * cpu.gc);
    osp_memory_gc_evidence(f, x, &cpu);
    osp_finding_evidence(x, S("GOGC (debug.SetGCPercent)"), g->percent, "%", "runtime");
    osp_finding_evidence(
        x, osp_arena_fmt(a, "live, the next collection is to end at %.*s", STRF(osp_memory_text(a, (double)g->goal))),
        (double)g->marked / 1048576, "MB", "runtime");
    osp_memory_allocator_evidence(f, x, &cpu);
    x->next = S("raise GOGC to 100 or more; where memory is short, set GOMEMLIMIT instead");
}
