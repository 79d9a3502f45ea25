/* SPDX-License-Identifier: Apache-2.0 */
/* The world is to be stopped, for a collection or a profile, and one goroutine does not stop: before Go 1.14, or with asynchronous
 * preemption off, a loop without calls runs on, and all others wait. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_stw_stall = {
    .name = "stw-stall",
    .asks = "does a loop keep the collector waiting, and everybody with it?",
    .topic = "stops",
    .more = "threads PID --stack",
    .only_go = true,
    .title = "a loop keeps the whole program waiting",
    .order = 9,
    .check = check,
};

static const double stopped_floor = 0.15;

/* The program's own code at the leaf, which is where it does not stop. */
static uint32_t own_code(const osp_stack_fact *s) { return osp_place_of(s) == 0 ? 0 : UINT32_MAX; }

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_sched_fact *s = &f->sched;
    osp_go_work w = osp_go_work_of(f);
    /* A collector that runs all the time stops the world often, though for microseconds: then the samples are in it. */
    if (!s->known || s->looks < 10 || s->stopped < stopped_floor || f->in[OSP_IN_GO_GC] > 0.3 || f->samples < 40 ||
        w.user < 0.4)
        return;
    osp_blamed who;
    if (!osp_blame_by(f, own_code, &who) || who.share < 0.3)
        return;
    osp_arena *a = f->arena;
    double confidence = 0.65 + 0.25 * osp_ramp(s->stopped, stopped_floor, 0.5);
    osp_finding *x = osp_find(f, out, &osp_rule_stw_stall, NULL, confidence, 1);
    if (!x)
        return;
    osp_finding_blame(f, x, &who);
    x->summary = osp_arena_fmt(
        a, "The world is to be stopped in %.0f %% of our looks, and %.*s does not stop: all others wait for it.",
        100 * s->stopped, STRF(osp_call_text(a, who.call)));
    osp_finding_evidence(x, S("of our looks met a world that is stopped or to be stopped"), 100 * s->stopped, "%",
                         "runtime");
    osp_finding_evidence(x, osp_arena_fmt(a, "of all samples in %.*s itself", STRF(who.call->func)), 100 * who.share,
                         "%", "samples");
    osp_finding_evidence(x, S("in the collector meanwhile"), 100 * f->in[OSP_IN_GO_GC], "%", "samples");
    osp_finding_evidence(
        x, osp_arena_fmt(a, "release: %.*s; since 1.14 loops are interrupted by signals", STRF(f->go_version)), 1,
        "source", "build info");
    x->next = osp_arena_fmt(
        a, "use Go 1.14 or later without GODEBUG=asyncpreemptoff=1, or call runtime.Gosched now and then in %.*s",
        STRF(who.call->func));
}
