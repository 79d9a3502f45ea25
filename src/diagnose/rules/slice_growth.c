/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

/* Of the process's CPU, growing slices with what that allocates and copies. Programs that append as usual are below a tenth. */
static const double least_share = 0.2, surely_share = 0.4;
static const double demand_floor = 0.3; /* cores */

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_slice_growth = {
    .name = "slice-growth",
    .asks = "does the CPU go into slices that grow by append, again and again from nothing?",
    .topic = "allocation",
    .only_go = true,
    .title = "the CPU goes into slices that grow",
    .order = 50,
    .after = " pool-ineffective gc-thrash-gogc gc-thrash-memlimit repeated-compile reflection-heavy log-contention ",
    .check = check,
};

/* runtime.growslice, and its kin since Go 1.26, called by the program itself: growth in a library is the library's. */
static uint32_t growth(const osp_stack_fact *s)
{
    for (uint32_t i = 0; i + 1 < s->ncall; i++)
        if (s->call[i].kind == OSP_CALL_RUNTIME && osp_str_starts(s->call[i].func, S("runtime.growslice")))
            return s->call[i + 1].kind == OSP_CALL_GO ? i : UINT32_MAX;
    return UINT32_MAX;
}

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_gc_fact *g = &f->gc;
    osp_under u;
    osp_memory_cpu cpu;
    if (!osp_under_weigh(f, growth, 0.3, least_share, &u) || !osp_memory_weigh(f, &cpu) || u.low < least_share ||
        u.marked.demand < demand_floor)
        return;
    osp_finding *x =
        osp_find(f, out, &osp_rule_slice_growth, NULL, 0.65 + 0.3 * osp_ramp(u.low, least_share, surely_share),
                 u.share + cpu.gc < 1 ? u.share + cpu.gc : 1);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_finding_blame(f, x, &u.who);
    x->summary = osp_arena_fmt(
        a, "%.*s lets a slice grow by append: %.0f %% of this process's CPU allocates and copies for that.",
        STRF(osp_call_text(a, u.who.call)), 100 * u.share);
    osp_finding_evidence(
        x, osp_arena_fmt(a, "± %.0f of its CPU under growslice", 200 * osp_share_error(u.share, f->samples)),
        100 * u.share, "%", "samples");
    osp_finding_evidence(x, S("of its CPU collects what is left behind"), 100 * cpu.gc, "%", "samples");
    if (g->known && g->bytes_per_s >= 0)
        osp_finding_evidence(
            x,
            osp_arena_fmt(a, "allocated, in pieces of %.*s in the mean",
                          STRF(osp_memory_text(a, g->objects_per_s > 0 ? g->bytes_per_s / g->objects_per_s : 0))),
            g->bytes_per_s / 1048576, "MB/s", "runtime");
    osp_finding_evidence(x, S("of a core wanted by that"), 100 * u.marked.demand, "%", "schedstat");
    x->next =
        osp_arena_fmt(a, "make the slice with its capacity in %.*s, or use it again (s[:0])", STRF(u.who.call->func));
}
