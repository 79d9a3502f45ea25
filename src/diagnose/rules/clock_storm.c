/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

/* Demand below this much of a core is no trouble, whatever its shares are. */
static const double demand_floor = 0.2;

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_clock_storm = {
    .name = "clock-storm",
    .asks = "does the program spend its CPU on asking what time it is?",
    .topic = "clock reads",
    .title = "CPU burnt on reading the clock",
    .order = 10,
    .after = "io-error-loop",
    .check = check,
};

static void check(const osp_facts *f, osp_findings *out)
{
    osp_mark *mark = osp_new(f->arena, osp_mark, f->nstack + 1);
    if (!mark)
        return;
    for (uint32_t i = 0; i < f->nstack; i++) {
        bool in_kernel;
        mark[i].sign = osp_is_clock_stack(&f->stack[i], &mark[i].call, &in_kernel);
    }
    osp_marked m;
    if (!osp_marks_weigh(f, mark,
                         &(osp_mark_limits){.task_fraction = 0.35, .task_sign = 0.35, .process_fraction = 0.3}, &m))
        return;
    double low = m.of_tasks - 2 * osp_share_error(m.of_tasks, m.samples);
    osp_blamed who;
    if (m.demand < demand_floor || low < 0.25 || m.sign < 0.06 || !osp_blame(f, mark, m.chosen, &who))
        return;
    double vdso = 0, kernel = 0;
    for (uint32_t i = 0; i < f->nstack; i++) {
        uint32_t caller;
        bool in_kernel;
        if (!m.chosen[i] || !mark[i].sign)
            continue;
        osp_is_clock_stack(&f->stack[i], &caller, &in_kernel);
        kernel += in_kernel ? f->stack[i].share : 0;
        vdso += f->stack[i].in == OSP_IN_VDSO ? f->stack[i].share : 0;
    }
    osp_finding *x = osp_find(f, out, &osp_rule_clock_storm, NULL, 0.65 + 0.3 * osp_ramp(low, 0.25, 0.6), m.sign);
    if (!x)
        return;
    osp_arena *a = f->arena;
    bool falls_through = kernel > 0.1 * m.sign;
    osp_finding_blame(f, x, &who);
    x->summary = osp_arena_fmt(a, "%.*s reads the clock in a loop: %.0f %% of this process's CPU goes there%s.",
                               STRF(osp_call_text(a, who.call)), 100 * m.sign,
                               falls_through ? ", by a real system call each time" : "");
    const osp_call *symbol = NULL;
    for (uint32_t i = 0; i < who.stack->ncall && !symbol; i++)
        if (who.stack->call[i].kind == OSP_CALL_VDSO || who.stack->call[i].kind == OSP_CALL_LIB)
            symbol = &who.stack->call[i];
    osp_finding_evidence(
        x, osp_arena_fmt(a, "± %.0f of all samples read the clock", 200 * osp_share_error(m.sign, f->samples)),
        100 * m.sign, "%", "samples");
    osp_finding_evidence(
        x, osp_arena_fmt(a, "in the vDSO%s%.*s", symbol ? ", " : "", STRF(symbol ? symbol->func : S(""))), 100 * vdso,
        "%", "samples");
    osp_finding_evidence(x,
                         falls_through ? S("in clock system calls: the vDSO cannot answer")
                                       : S("in clock system calls: it stays in the vDSO"),
                         100 * kernel, "%", "samples");
    osp_finding_evidence(x, osp_arena_fmt(a, "clock source: %s", f->clocksource), 1, "source", "/sys");
    osp_finding_evidence(x,
                         m.goid ? osp_arena_fmt(a, "of a core wanted, goroutine %llu", (unsigned long long)m.goid)
                                : osp_arena_fmt(a, "of a core wanted, thread %d", m.tid),
                         100 * m.demand, "%", "schedstat");
    x->next = osp_arena_fmt(a, "read the clock every N turns of the loop in %.*s, or wait on a timer%s",
                            STRF(who.call->func),
                            falls_through ? "; and give the host a clock source that the vDSO can read" : "");
}
