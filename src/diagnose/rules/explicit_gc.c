/* SPDX-License-Identifier: Apache-2.0 */
/* The program itself asks for collections. The runtime counts those apart; its own one every two minutes is not among them. */
#include "diagnose/diagnose_internal.h"

/* Asked for, a second: a program that tidies up after a batch, or in a test of its own, does so every some seconds at most. */
static const double least_per_s = 0.4;
/* Of all collections; those that give memory back cost more than others, and make the next ones come early. */
static const double least_part = 0.5, least_part_back = 0.1;
/* What they take: of the process's CPU, and in cores. */
static const double least_share = 0.12, surely_share = 0.5, demand_floor = 0.05;

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_explicit_gc = {
    .name = "explicit-gc",
    .asks = "does the program itself ask for one collection after the other?",
    .topic = "collector",
    .more = "gc PID",
    .only_go = true,
    .title = "the program forces collections",
    .order = 7,
    .check = check,
};

static bool is_to_system(const osp_call *c) { return osp_str_starts(c->func, S("runtime/debug.FreeOSMemory")); }

static bool forces(const osp_call *c) { return osp_str_eq(c->func, S("runtime.GC")) || is_to_system(c); }

/* The outermost call that asks for it; UINT32_MAX: none. */
static uint32_t force_in(const osp_call *call, uint32_t n)
{
    uint32_t at = UINT32_MAX;
    for (uint32_t i = 0; i < n; i++)
        at = forces(&call[i]) ? i : at;
    return at;
}

static uint32_t asker_in(const osp_call *call, uint32_t n)
{
    const uint32_t at = force_in(call, n);
    for (uint32_t i = at; i < n; i++)
        if (call[i].kind == OSP_CALL_GO)
            return i;
    return UINT32_MAX;
}

static uint32_t asker(const osp_stack_fact *s) { return asker_in(s->call, s->ncall); }

/* What asking takes, the collector's own part apart: sweeping, giving memory back. */
static double beside_the_collector(const osp_facts *f)
{
    double share = 0;
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        if (force_in(s->call, s->ncall) != UINT32_MAX && osp_memory_domain(s) != OSP_IN_GO_GC)
            share += s->share;
    }
    return share;
}

/* By the samples; else by a goroutine that stands there now. */
static bool blame(const osp_facts *f, osp_blamed *who)
{
    if (osp_blame_by(f, asker, who))
        return true;
    for (uint32_t i = 0; i < f->goroutine.ngroup; i++) {
        const osp_group_fact *g = &f->goroutine.group[i];
        const uint32_t at = asker_in(g->call, g->ncall);
        osp_stack_fact *s = at != UINT32_MAX ? osp_new(f->arena, osp_stack_fact, 1) : NULL;
        if (!s)
            continue;
        *s = (osp_stack_fact){.call = g->call, .ncall = g->ncall, .goid = g->goid[0]};
        *who = (osp_blamed){.call = &g->call[at], .stack = s};
        return true;
    }
    return false;
}

static bool gives_back(const osp_blamed *who)
{
    for (const osp_call *c = who->call; c >= who->stack->call; c--)
        if (is_to_system(c))
            return true;
    return false;
}

/* Memory that was given back comes again by page faults. */
static double faulting(const osp_facts *f)
{
    double share = 0;
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        bool is = false;
        for (uint32_t k = 0; k < s->ncall && s->call[k].kind == OSP_CALL_KERNEL && !is; k++)
            is = osp_str_has(s->call[k].func, S("page_fault")) || osp_str_has(s->call[k].func, S("el0_da"));
        share += is && force_in(s->call, s->ncall) == UINT32_MAX ? s->share : 0;
    }
    return share;
}

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_gc_fact *g = &f->gc;
    osp_memory_cpu cpu;
    osp_blamed who;
    if (!g->known || g->forced_per_s < least_per_s || !osp_memory_weigh(f, &cpu))
        return;
    const bool known = blame(f, &who), back = known && gives_back(&who);
    if (g->forced_per_s < (back ? least_part_back : least_part) * g->cycles_per_s)
        return;
    const double share = cpu.gc + beside_the_collector(f) + (back ? faulting(f) : 0),
                 low = share - 2 * osp_share_error(share, f->samples), demand = osp_go_work_of(f).demand;
    if (low < least_share || share * demand < demand_floor)
        return;
    osp_finding *x =
        osp_find(f, out, &osp_rule_explicit_gc, back ? "FreeOSMemory" : "GC",
                 0.7 + 0.25 * osp_ramp(low, least_share, surely_share) - (known ? 0 : 0.1), share < 1 ? share : 1);
    if (!x)
        return;
    osp_arena *a = f->arena;
    if (known)
        osp_finding_blame(f, x, &who);
    x->summary = osp_arena_fmt(a, "%.*s asks for %.1f collections a second%s: %.0f %% of this process's CPU.",
                               STRF(known ? osp_call_text(a, who.call) : S("The program")), g->forced_per_s,
                               back ? ", and gives the memory back to the system each time" : "", 100 * share);
    osp_finding_evidence(x, osp_arena_fmt(a, "asked for by the program, of %.1f in all", g->cycles_per_s),
                         g->forced_per_s, "cycles/s", "runtime");
    osp_finding_evidence(x,
                         osp_arena_fmt(a, "± %.0f of its CPU goes into that, %.0f %% of it in the collector",
                                       200 * osp_share_error(share, f->samples), 100 * cpu.gc / share),
                         100 * share, "%", "samples");
    osp_finding_evidence(x, S("live, and marked each time"), (double)g->marked / 1048576, "MB", "runtime");
    osp_finding_evidence(x, S("the world stands still for it"), 1e3 * g->pause_s_per_s, "ms/s", "runtime");
    if (back && f->proc.known)
        osp_finding_evidence(x, S("page faults: what was given back is touched again"), f->proc.minor_faults_per_s,
                             "faults/s", "/proc/PID/stat");
    x->next = known ? osp_arena_fmt(a, "drop the call in %.*s; a limit (GOMEMLIMIT) keeps memory small without it",
                                    STRF(who.call->func))
                    : S("find the calls of runtime.GC and debug.FreeOSMemory and drop them");
}
