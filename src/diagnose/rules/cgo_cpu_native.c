/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

static const double demand_floor = 0.35; /* cores */

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_cgo_cpu_native = {
    .name = "cgo-cpu-native",
    .asks = "is the CPU burnt in C that Go called, where Go's own profile shows runtime.cgocall or nothing?",
    .topic = "cgo",
    .only_go = true,
    .title = "CPU burnt in C called through cgo",
    .order = 40,
    .check = check,
};

/* The thread on which the heaviest marked task runs. */
static const osp_thread_fact *main_thread(const osp_facts *f, const osp_mark *mark, const osp_marked *m)
{
    const osp_thread_fact *best = NULL;
    uint64_t most = 0;
    for (uint32_t i = 0; i < f->nthread; i++) {
        uint64_t n = 0;
        for (uint32_t k = 0; k < f->nstack; k++)
            if (f->stack[k].tid == f->thread[i].tid && mark[k].sign && m->chosen[k])
                n += f->stack[k].samples;
        if (n > most) {
            most = n;
            best = &f->thread[i];
        }
    }
    return best;
}

static void check(const osp_facts *f, osp_findings *out)
{
    osp_mark *mark = osp_new(f->arena, osp_mark, f->nstack + 1);
    if (!mark || !f->is_go)
        return;
    double crossing = 0;
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        uint32_t caller;
        mark[i].sign = osp_is_cgo_native_stack(s);
        mark[i].call = osp_native_culprit(s);
        crossing += osp_is_crossing_stack(s, &caller) ? s->share : 0;
    }
    osp_marked m;
    if (!osp_marks_weigh(f, mark,
                         &(osp_mark_limits){.task_fraction = 0.45, .task_sign = 0.45, .process_fraction = 0.4}, &m))
        return;
    double low = m.of_tasks - 2 * osp_share_error(m.of_tasks, m.samples);
    osp_blamed who;
    if (m.demand < demand_floor || low < 0.3 || m.sign < 0.06 || !osp_blame(f, mark, m.chosen, &who))
        return;
    /* Millions of tiny calls are another trouble: the C function is not what to look at. */
    if (crossing > 0.5 * m.sign && f->cgo_calls_per_s > 100000)
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_cgo_cpu_native, NULL, 0.7 + 0.27 * osp_ramp(low, 0.3, 0.7), m.sign);
    if (!x)
        return;
    osp_arena *a = f->arena;
    const osp_thread_fact *t = main_thread(f, mark, &m);
    const osp_call *go = NULL;
    for (uint32_t i = 0; i < who.stack->ncall && !go; i++)
        if (who.stack->call[i].kind == OSP_CALL_GO || who.stack->call[i].kind == OSP_CALL_STD)
            go = &who.stack->call[i];
    const osp_call *entry = osp_entry_of(who.stack);
    uint64_t goid = m.goid ? m.goid : t ? t->goid : 0;
    osp_finding_blame(f, x, &who);
    osp_str by = S("");
    if (go && goid)
        by = osp_arena_fmt(a, ", called by goroutine %llu in %.*s", (unsigned long long)goid,
                           STRF(osp_call_text(a, go)));
    else if (go)
        by = osp_arena_fmt(a, ", called from %.*s", STRF(osp_call_text(a, go)));
    x->summary =
        osp_arena_fmt(a, "%.*s uses %.0f %% ± %.0f of this process's CPU%.*s.", STRF(osp_call_text(a, who.call)),
                      100 * who.share, 200 * osp_share_error(who.share, f->samples), STRF(by));
    osp_finding_evidence(x,
                         osp_arena_fmt(a, "in C of %.*s, %.0f %% in %.*s", STRF(who.call->module), 100 * who.share,
                                       STRF(who.call->func)),
                         100 * m.sign, "%", "samples");
    double call_s = f->cgo_calls_per_s > 0 ? m.sign * f->cores_used / f->cgo_calls_per_s : 0;
    if (t && t->same_call)
        osp_finding_evidence(x, S("in the present call, at least"), (double)f->window_ns / 1e9, "s", "m.ncgocall");
    else if (f->cgo_calls_per_s >= 0)
        osp_finding_evidence(x,
                             f->cgo_calls_per_s > 0
                                 ? osp_arena_fmt(a, "cgo calls, of %.3g %s each", call_s >= 1 ? call_s : 1e3 * call_s,
                                                 call_s >= 1 ? "s" : "ms")
                                 : S("cgo calls: none began"),
                             f->cgo_calls_per_s, "calls/s", "m.ncgocall");
    if (goid)
        osp_finding_evidence(x, entry ? osp_arena_fmt(a, "in C; its entry: %.*s", STRF(entry->func)) : S("in C"),
                             (double)goid, "goroutine id", "g.goid");
    if (t)
        osp_finding_evidence(x, osp_arena_fmt(a, "of a core wanted, thread %d", t->tid), 100 * t->demand, "%",
                             "schedstat");
    x->note = t && t->same_call ? S("would show 0 samples: this call began before any profiling")
                                : S("would show runtime.cgocall and no C function");
    x->next = osp_arena_fmt(a, "look at %.*s; split long calls or bound them in a pool", STRF(who.call->func));
}
