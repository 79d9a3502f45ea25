/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

/* Of the process's CPU, what a heap that may double would save; a limit far above what is live wastes nothing. */
static const double least_wasted = 0.15, surely_wasted = 0.4;
static const double demand_floor = 0.15; /* cores, of the collector */

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_gc_thrash_memlimit = {
    .name = "gc-thrash-memlimit",
    .asks = "does the collector run all the time because what is live is nearly as much as GOMEMLIMIT allows?",
    .topic = "collector",
    .more = "gc PID",
    .only_go = true,
    .title = "the collector runs all the time: the live heap fills GOMEMLIMIT",
    .order = 20,
    .check = check,
};

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_gc_fact *g = &f->gc;
    osp_memory_cpu cpu;
    if (!g->known || g->limit_bytes == INT64_MAX || g->by_limit < 0.5 || !osp_memory_weigh(f, &cpu))
        return;
    const double wasted = osp_memory_wasted(f, &cpu);
    if (wasted < least_wasted || cpu.gc_cores < demand_floor || g->cycles_per_s <= 0)
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_gc_thrash_memlimit, NULL,
                              0.65 + 0.32 * osp_ramp(wasted, least_wasted, surely_wasted), cpu.gc);
    if (!x)
        return;
    osp_arena *a = f->arena;
    const double limit = (double)g->limit_bytes;
    x->summary = osp_arena_fmt(a,
                               "The memory limit of %.*s leaves the heap %.0f %% of room above what is live: %.0f "
                               "collections a second take %.0f %% of this process's CPU.",
                               STRF(osp_memory_text(a, limit)), 100 * g->room, g->cycles_per_s, 100 * cpu.gc);
    osp_memory_gc_evidence(f, x, &cpu);
    osp_finding_evidence(
        x, osp_arena_fmt(a, "GOMEMLIMIT; %.*s are in use of it", STRF(osp_memory_text(a, (double)g->ready))),
        limit / 1048576, "MB", "runtime");
    osp_finding_evidence(x,
                         g->percent < 0
                             ? osp_arena_fmt(a, "live; room for %.1f %% more, GOGC is off", 100 * g->room)
                             : osp_arena_fmt(a, "live; room for %.1f %% more, where GOGC=%d would give %d %%",
                                             100 * g->room, (int)g->percent, (int)g->percent),
                         (double)g->marked / 1048576, "MB", "runtime");
    if (g->limiter > 0)
        osp_finding_evidence(x, S("of looks: held back, to take no more than half of all CPU"), 100 * g->limiter, "%",
                             "runtime");
    osp_memory_allocator_evidence(f, x, &cpu);
    x->next = S("raise GOMEMLIMIT, or keep less alive; if it still grows it is a leak");
}
