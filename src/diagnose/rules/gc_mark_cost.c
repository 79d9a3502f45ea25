/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

/* Marking as the trouble itself: the room is ordinary, and still the collector takes this much. A service that allocates
 * 50 MB/s over 64 MB of live data is below 0.2 cores. */
static const double least_share = 0.25, surely_share = 0.5;
static const double demand_floor = 0.35;  /* cores, of the collector */
static const double least_cycle_s = 0.05; /* CPU of one cycle; a small heap takes milliseconds */
static const uint64_t least_live = (uint64_t)24 << 20;
static const double least_room = 0.4; /* else it is GOGC or the limit */

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_gc_mark_cost = {
    .name = "gc-mark-cost",
    .asks = "does marking a heap that is full of pointers take the CPU?",
    .topic = "collector",
    .more = "gc PID",
    .only_go = true,
    .title = "marking a heap full of pointers takes the CPU",
    .order = 30,
    .after = " gc-thrash-gogc gc-thrash-memlimit explicit-gc ",
    .check = check,
};

/* Of the cycles that were seen. */
static void mean_cycle(const osp_gc_fact *g, double *mark_s, double *cpu_s)
{
    uint32_t n = 0;
    *mark_s = *cpu_s = 0;
    for (uint32_t i = 0; i < g->ncycle; i++)
        if (g->cycle[i].mark_s > 0) {
            *mark_s += g->cycle[i].mark_s;
            *cpu_s += g->cycle[i].cpu_s;
            n++;
        }
    *mark_s /= n ? n : 1;
    *cpu_s /= n ? n : 1;
}

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_gc_fact *g = &f->gc;
    osp_memory_cpu cpu;
    double mark_s, cpu_s;
    if (!g->known || g->room < least_room || g->marked < least_live || !osp_memory_weigh(f, &cpu))
        return;
    mean_cycle(g, &mark_s, &cpu_s);
    if (cpu.gc_low < least_share || cpu.gc_cores < demand_floor || cpu_s < least_cycle_s)
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_gc_mark_cost, NULL,
                              0.65 + 0.3 * osp_ramp(cpu.gc_low, least_share, surely_share), cpu.gc);
    if (!x)
        return;
    osp_arena *a = f->arena;
    x->summary = osp_arena_fmt(
        a, "Each collection marks %.*s of live heap for %.0f ms, %.1f times a second: %.0f %% of this process's CPU.",
        STRF(osp_memory_text(a, (double)g->marked)), 1e3 * mark_s, g->cycles_per_s, 100 * cpu.gc);
    osp_memory_gc_evidence(f, x, &cpu);
    osp_finding_evidence(x, osp_arena_fmt(a, "to mark, a cycle; %.0f ms of CPU", 1e3 * cpu_s), 1e3 * mark_s, "ms",
                         "runtime");
    osp_finding_evidence(
        x,
        osp_arena_fmt(a, "live; %.1f ms of CPU to mark each MB of it", cpu_s * 1e3 / ((double)g->marked / 1048576)),
        (double)g->marked / 1048576, "MB", "runtime");
    if (g->has_cpu)
        osp_finding_evidence(x, S("by goroutines that allocate and have to help (assists)"), g->assist_cores, "cores",
                             "runtime");
    osp_memory_allocator_evidence(f, x, &cpu);
    x->next = S(
        "fewer pointers: values instead of pointers, indexes into one slice, data off the heap; or more room (GOGC)");
}
