/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

/* Of the process's CPU. Programs with ordinary goroutines copy stacks for less than 2 %. */
static const double least_share = 0.1, surely_share = 0.3;
static const double demand_floor = 0.2; /* cores */

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_stack_growth = {
    .name = "stack-growth",
    .asks = "does the CPU go into goroutine stacks that are copied because they grow?",
    .topic = "allocation",
    .only_go = true,
    .title = "the CPU goes into growing goroutine stacks",
    .order = 45,
    .check = check,
};

/* In the runtime's stack.go, on the way from the check at a function's begin: copying, allocating the larger stack. */
static uint32_t growth(const osp_stack_fact *s)
{
    uint32_t at = UINT32_MAX;
    bool grows = false;
    for (uint32_t i = 0; i < s->ncall && (s->call[i].kind == OSP_CALL_RUNTIME || s->call[i].kind == OSP_CALL_KERNEL);
         i++) {
        const osp_call *c = &s->call[i];
        if (osp_str_starts(c->func, S("runtime.gcDrain"))) /* stacks shrink there */
            return UINT32_MAX;
        grows = grows || (osp_str_eq(osp_str_base(c->file), S("stack.go")) &&
                          !osp_str_starts(c->func, S("runtime.stackalloc")));
        at = i;
    }
    return grows ? at : UINT32_MAX;
}

/* How often the function that grows stands on its own stack. */
static uint32_t depth_of(const osp_blamed *b)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->stack->ncall; i++)
        n += osp_str_eq(b->stack->call[i].func, b->call->func);
    return n;
}

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_gc_fact *g = &f->gc;
    osp_under u;
    if (!osp_under_weigh(f, growth, 0.2, least_share, &u) || u.low < least_share || u.marked.demand < demand_floor)
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_stack_growth, NULL,
                              0.65 + 0.3 * osp_ramp(u.low, least_share, surely_share), u.share);
    if (!x)
        return;
    osp_arena *a = f->arena;
    const osp_call *entry = osp_entry_of(u.who.stack);
    const uint32_t depth = depth_of(&u.who);
    osp_finding_blame(f, x, &u.who);
    x->summary = osp_arena_fmt(a, "Goroutines grow their stacks in %.*s: %.0f %% of this process's CPU copies them.",
                               STRF(osp_call_text(a, u.who.call)), 100 * u.share);
    osp_finding_evidence(
        x, osp_arena_fmt(a, "± %.0f of its CPU grows and copies stacks", 200 * osp_share_error(u.share, f->samples)),
        100 * u.share, "%", "samples");
    if (depth > 1)
        osp_finding_evidence(x, osp_arena_fmt(a, "times %.*s stands on such a stack", STRF(u.who.call->func)), depth,
                             "calls", "samples");
    if (g->known && g->stacks)
        osp_finding_evidence(x, osp_arena_fmt(a, "in stacks, of %lld goroutines", (long long)f->goroutines),
                             (double)g->stacks / 1048576, "MB", "runtime");
    if (entry)
        osp_finding_evidence(
            x, osp_arena_fmt(a, "of a core wanted by that; goroutines begin in %.*s", STRF(entry->func)),
            100 * u.marked.demand, "%", "schedstat");
    x->next = osp_arena_fmt(a, "let workers live on instead of a new goroutine each time, or make %.*s iterative",
                            STRF(u.who.call->func));
}
