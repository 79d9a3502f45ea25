/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

/* Of the process's CPU, in stepping from entry to entry. Programs that look up keys are at none. */
static const double least_share = 0.3, surely_share = 0.6;
static const double demand_floor = 0.3; /* cores */

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_linear_map_scan = {
    .name = "linear-map-scan",
    .asks = "does the CPU go into walking whole maps?",
    .topic = "hot spots",
    .title = "the CPU goes into walking whole maps",
    .order = 50,
    .only_go = true,
    .check = check,
};

/* The runtime's iterator of maps, by the files that have it (before and since the maps of Go 1.24). */
static uint32_t under(const osp_stack_fact *s)
{
    uint32_t at = UINT32_MAX;
    bool steps = false;
    for (uint32_t i = 0; i < s->ncall && s->call[i].kind == OSP_CALL_RUNTIME; i++) {
        const osp_call *c = &s->call[i];
        steps = steps || osp_str_starts(c->func, S("runtime.mapiter")) ||
                osp_str_starts(c->func, S("runtime.mapIter")) || osp_str_has(c->func, S("maps.(*Iter)."));
        at = i;
    }
    return steps ? at : UINT32_MAX;
}

static void check(const osp_facts *f, osp_findings *out)
{
    osp_under u;
    osp_memory_cpu cpu;
    if (!osp_under_weigh(f, under, 0.4, least_share, &u) || !osp_memory_weigh(f, &cpu) || u.low < least_share ||
        u.marked.demand < demand_floor)
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_linear_map_scan, NULL,
                              0.65 + 0.3 * osp_ramp(u.low, least_share, surely_share), u.share);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_finding_blame(f, x, &u.who);
    x->summary = osp_arena_fmt(a, "%.*s walks a map from entry to entry: %.0f %% of this process's CPU.",
                               STRF(osp_call_text(a, u.who.call)), 100 * u.share);
    osp_finding_evidence(
        x, osp_arena_fmt(a, "± %.0f of its CPU steps through maps", 200 * osp_share_error(u.share, f->samples)),
        100 * u.share, "%", "samples");
    if (f->is_go && cpu.gc > 0.01)
        osp_finding_evidence(x, S("of its CPU collects garbage beside that"), 100 * cpu.gc, "%", "samples");
    osp_finding_evidence(x, S("of a core wanted by that"), 100 * u.marked.demand, "%", "schedstat");
    x->next = osp_arena_fmt(a, "keep a second map by what %.*s looks for, or a sorted slice", STRF(u.who.call->func));
}
