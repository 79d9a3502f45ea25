/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

static const double demand_floor = 0.25; /* cores */
static const double rate_floor = 50000;  /* cgo calls/s */

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_cgo_call_overhead = {
    .name = "cgo-call-overhead",
    .asks = "does the CPU go into the passage between Go and C rather than into C?",
    .topic = "cgo",
    .only_go = true,
    .title = "CPU burnt on the way between Go and C",
    .order = 20,
    .check = check,
};

static void check(const osp_facts *f, osp_findings *out)
{
    osp_mark *mark = osp_new(f->arena, osp_mark, f->nstack + 1);
    if (!mark || !f->is_go || (f->cgo_calls_per_s >= 0 && f->cgo_calls_per_s < rate_floor))
        return;
    double in_c = 0;
    for (uint32_t i = 0; i < f->nstack; i++) {
        mark[i].sign = osp_is_crossing_stack(&f->stack[i], &mark[i].call);
        if (!mark[i].sign && osp_is_cgo_native_stack(&f->stack[i]))
            in_c += f->stack[i].share;
    }
    osp_marked m;
    if (!osp_marks_weigh(f, mark,
                         &(osp_mark_limits){.task_fraction = 0.3, .task_sign = 0.3, .process_fraction = 0.25}, &m))
        return;
    double low = m.of_tasks - 2 * osp_share_error(m.of_tasks, m.samples);
    osp_blamed who;
    if (m.demand < demand_floor || low < 0.2 || m.sign < 0.06 || !osp_blame(f, mark, m.chosen, &who))
        return;
    /* Without the runtime's own counter the stacks alone are weaker proof. */
    double top = f->cgo_calls_per_s < 0 ? 0.75 : 0.97;
    osp_finding *x =
        osp_find(f, out, &osp_rule_cgo_call_overhead, NULL, 0.65 + (top - 0.65) * osp_ramp(low, 0.2, 0.5), m.sign);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_finding_blame(f, x, &who);
    x->summary =
        f->cgo_calls_per_s < 0
            ? osp_arena_fmt(a, "%.*s crosses into C so often that %.0f %% of this process's CPU is spent crossing.",
                            STRF(osp_call_text(a, who.call)), 100 * m.sign)
            : osp_arena_fmt(a,
                            "%.*s crosses into C so often (%.*s calls/s in all) that %.0f %% of this process's CPU "
                            "is spent crossing.",
                            STRF(osp_call_text(a, who.call)), STRF(osp_rate_text(a, f->cgo_calls_per_s)),
                            100 * m.sign);
    if (f->cgo_calls_per_s >= 0)
        osp_finding_evidence(x, S("cgo calls"), f->cgo_calls_per_s, "calls/s", "m.ncgocall");
    osp_finding_evidence(
        x, osp_arena_fmt(a, "± %.0f of all samples in the crossing", 200 * osp_share_error(m.sign, f->samples)),
        100 * m.sign, "%", "samples");
    osp_finding_evidence(x, S("of all samples in C itself"), 100 * in_c, "%", "samples");
    osp_finding_evidence(x, osp_arena_fmt(a, "below %.*s", STRF(who.call->func)), 100 * who.share, "%", "samples");
    if (f->cgo_calls_per_s > 0)
        osp_finding_evidence(x, S("of CPU per crossing"), 1e9 * m.sign * f->cores_used / f->cgo_calls_per_s, "ns",
                             "/proc, m.ncgocall");
    x->next = osp_arena_fmt(a, "hand C a batch per call, move the loop of %.*s into C, or do the work in Go",
                            STRF(who.call->func));
}
