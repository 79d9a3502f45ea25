/* SPDX-License-Identifier: Apache-2.0 */
/* The program takes profiles of all its goroutines again and again. Each stops the world; before Go 1.19 for as long as it
 * takes. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_dump_stalls = {
    .name = "dump-stalls",
    .asks = "does the program stop itself to write down its goroutines?",
    .topic = "dumps",
    .more = "goroutines PID",
    .only_go = true,
    .title = "the program keeps writing down its goroutines",
    .order = 13,
    .check = check,
};

static const double share_floor = 0.12, demand_floor = 0.1;

static bool dumps(const osp_call *c)
{
    static const char *const head[] = {
        "runtime.goroutineProfile",      "runtime.GoroutineProfile",     "runtime.Stack",
        "runtime.tracebackothers",       "runtime/pprof.writeGoroutine", "runtime/pprof.runtime_goroutineProfile",
        "runtime.pprof_goroutineProfile"};
    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        if (osp_str_starts(c->func, osp_str_from(head[i])))
            return true;
    return false;
}

static void check(const osp_facts *f, osp_findings *out)
{
    osp_mark *mark = osp_new(f->arena, osp_mark, f->nstack + 1);
    double share = 0, demand = osp_go_work_of(f).demand;
    if (!mark || f->samples < 40)
        return;
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        bool dump = false;
        mark[i].call = UINT32_MAX;
        for (uint32_t k = 0; k < s->ncall; k++) {
            dump = dump || dumps(&s->call[k]);
            if (dump && (s->call[k].kind == OSP_CALL_GO)) {
                mark[i].call = k;
                break;
            }
        }
        /* asked for over net/http/pprof, no function of the program stands below */
        if (dump && mark[i].call == UINT32_MAX)
            mark[i].call = osp_place_in(s->call, s->ncall);
        mark[i].sign = dump;
        share += dump ? s->share : 0;
    }
    osp_blamed who;
    if (share < share_floor || share * demand < demand_floor * share_floor || !osp_blame(f, mark, NULL, &who))
        return;
    osp_arena *a = f->arena;
    double many = f->goroutine.known ? osp_ramp(f->goroutine.n, 500, 5000) : 0;
    osp_finding *x = osp_find(f, out, &osp_rule_dump_stalls, NULL,
                              0.5 + 0.2 * many + 0.25 * osp_ramp(share, share_floor, 0.4), share);
    if (!x)
        return;
    osp_finding_blame(f, x, &who);
    x->summary = osp_arena_fmt(a,
                               "%.*s has all goroutines written down again and again: %.0f %% of this process's CPU, "
                               "and the world stops for it.",
                               STRF(osp_call_text(a, who.call)), 100 * share);
    osp_finding_evidence(
        x,
        osp_arena_fmt(a, "± %.0f of all samples in profiles of goroutines", 200 * osp_share_error(share, f->samples)),
        100 * share, "%", "samples");
    if (f->goroutine.known)
        osp_finding_evidence(x, S("to be written down each time"), f->goroutine.n, "goroutines", "runtime");
    if (f->sched.known)
        osp_finding_evidence(x, S("of our looks met a stopped world"), 100 * f->sched.stopped, "%", "runtime");
    osp_finding_evidence(
        x, osp_arena_fmt(a, "release: %.*s; before 1.19 the world stands still for all of it", STRF(f->go_version)),
        1, "source", "build info");
    x->next = S("ask less often, or from outside: osprey goroutines stops nothing");
}
