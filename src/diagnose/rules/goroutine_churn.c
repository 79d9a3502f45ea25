/* SPDX-License-Identifier: Apache-2.0 */
/* Goroutines that are made for next to nothing: making and ending them costs more than what they do. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_goroutine_churn = {
    .name = "goroutine-churn",
    .asks = "are goroutines made for less work than making them costs?",
    .topic = "scheduler",
    .more = "sched PID",
    .only_go = true,
    .title = "goroutines are made for next to no work",
    .order = 16,
    .check = check,
};

/* Servers make some thousand goroutines a second, one for each request, and are healthy. */
static const double births_floor = 10000, demand_floor = 0.3;

static uint32_t creator_in(const osp_stack_fact *s)
{
    for (uint32_t i = 0; i + 1 < s->ncall; i++)
        if (osp_str_eq(s->call[i].func, S("runtime.newproc")))
            return i + 1;
    return UINT32_MAX;
}

static void check(const osp_facts *f, osp_findings *out)
{
    osp_go_work w = osp_go_work_of(f);
    double births = f->goroutine.births_per_s;
    if (!f->goroutine.known || births < births_floor || w.demand < demand_floor || f->samples < 20)
        return;
    /* Under a microsecond of the program's own for each would be certain; ten are a request. */
    double own_us = w.user * w.demand / births * 1e6;
    if (w.births < 0.05 || w.births + w.scheduling < 0.35 || own_us > 10)
        return;
    osp_blamed who;
    if (!osp_blame_by(f, creator_in, &who))
        return;
    osp_arena *a = f->arena;
    double share = w.births + w.scheduling;
    osp_finding *x =
        osp_find(f, out, &osp_rule_goroutine_churn, NULL,
                 0.66 + 0.15 * osp_ramp(births, births_floor, 5 * births_floor) + 0.15 * osp_ramp(share, 0.35, 0.6),
                 share > 1 ? 1 : share);
    if (!x)
        return;
    osp_finding_blame(f, x, &who);
    x->summary =
        osp_arena_fmt(a,
                      "%.*s goroutines a second are made by %.*s, each for %.1f µs of work; making, running and "
                      "ending them is %.0f %% of this process's CPU.",
                      STRF(osp_rate_text(a, births)), STRF(osp_call_text(a, who.call)), own_us, 100 * (1 - w.user));
    osp_finding_evidence(x, S("made"), births, "goroutines/s", "sched.goidgen");
    /* Little's law: those that live are the births times their life. */
    osp_finding_evidence(x, osp_arena_fmt(a, "mean life; %u are there at a time", f->goroutine.n),
                         1e6 * f->goroutine.n / births, "µs", "runtime");
    osp_finding_evidence(x, S("of all samples in making and ending goroutines"), 100 * w.births, "%", "samples");
    osp_finding_evidence(x, S("of all samples in letting them run"), 100 * w.scheduling, "%", "samples");
    osp_finding_evidence(x, S("of all samples in the program's own work"), 100 * w.user, "%", "samples");
    x->next =
        osp_arena_fmt(a, "give batches of the work in %.*s to a few goroutines that stay", STRF(who.call->func));
}
