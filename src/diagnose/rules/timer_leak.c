/* SPDX-License-Identifier: Apache-2.0 */
/* Timers that are made and neither stopped nor due soon. Since Go 1.23 a timer that nobody refers to is collected, and one that
 * nobody waits for is in no list; what still grows there has somebody who waits. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_timer_leak = {
    .name = "timer-leak",
    .asks = "do timers or tickers pile up that nobody stops?",
    .topic = "leaks",
    .more = "timers PID",
    .only_go = true,
    .title = "timers pile up",
    .order = 6,
    .after = "goroutine-leak",
    .check = check,
};

/* Growth below this many in the window may be requests with time-outs that come and go. */
static const int64_t least_grown = 20;

static bool makes_timers(const osp_call *c)
{
    static const char *const name[] = {"time.After", "time.NewTimer",        "time.NewTicker", "time.AfterFunc",
                                       "time.Tick",  "context.WithDeadline", "time.newTimer",  "time.startTimer"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (osp_str_starts(c->func, osp_str_from(name[i])))
            return true;
    return false;
}

/* Who makes them, by the samples. */
static uint32_t maker(const osp_stack_fact *s)
{
    bool made = false;
    for (uint32_t k = 0; k < s->ncall; k++) {
        made = made || makes_timers(&s->call[k]);
        if (made && s->call[k].kind == OSP_CALL_GO)
            return k;
    }
    return UINT32_MAX;
}

/* A group that waits with its timers: of select and receive, the one that grows with them or is as large. */
static const osp_group_fact *waiters(const osp_facts *f, const osp_timer_fact *t)
{
    for (uint32_t i = 0; i < f->goroutine.ngroup; i++) {
        const osp_group_fact *g = &f->goroutine.group[i];
        osp_at at = osp_at_of(g->call, g->ncall);
        if ((at == OSP_AT_SELECT || at == OSP_AT_RECEIVE) && g->n > 0.3 * t->grown && g->creator.func.n)
            return g;
    }
    return NULL;
}

/* So many that they were only counted. */
static void check_count(const osp_facts *f, osp_findings *out)
{
    const osp_sched_fact *s = &f->sched;
    osp_blamed who;
    if (!s->known || s->timers < 10000 || s->timers_per_s < 50 || s->timers_per_s < 5 * s->timers_error ||
        s->timers_per_s * f->goroutine.seconds < 0.01 * s->timers || !osp_blame_by(f, maker, &who))
        return;
    osp_arena *a = f->arena;
    osp_finding *x = osp_find(f, out, &osp_rule_timer_leak, NULL, 0.85, 0.9);
    if (!x)
        return;
    osp_finding_blame(f, x, &who);
    x->summary = osp_arena_fmt(a, "%.0f more timers a second are made by %.*s than end: %.0f now.", s->timers_per_s,
                               STRF(osp_call_text(a, who.call)), s->timers);
    osp_finding_evidence(x, osp_arena_fmt(a, "growth, ± %.0f", 2 * s->timers_error), s->timers_per_s, "timers/s",
                         "runtime");
    osp_finding_evidence(x, S("in the lists of the runtime"), s->timers, "timers", "runtime");
    osp_finding_evidence(x, osp_arena_fmt(a, "release: %.*s", STRF(f->go_version)), 1, "source", "build info");
    x->next = S("stop timers that are not needed, use one again (NewTimer and Reset); Go 1.23 collects those nobody "
                "refers to");
}

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_timer_fact *worst = NULL;
    if (!f->timers.known)
        check_count(f, out);
    for (uint32_t i = 0; f->timers.known && i < f->timers.ngroup; i++) {
        const osp_timer_fact *t = &f->timers.group[i];
        bool stays = t->kind == OSP_TIMER_TICKER || t->kind == OSP_TIMER_CHANNEL || t->kind == OSP_TIMER_FUNC;
        if (stays && t->grown >= least_grown && t->grown > 0.03 * t->n && (!worst || t->grown > worst->grown))
            worst = t;
    }
    if (!worst || f->timers.seconds < 0.5)
        return;
    double rate = (double)worst->grown / f->timers.seconds;
    /* Timers that are due before they could pile up are the time-outs of a load that has just begun. */
    bool periodic = worst->period_s > 0;
    bool outlives = periodic || worst->horizon_s > 3 * f->timers.seconds;
    double steady = f->sched.known && f->sched.timers_per_s > 0
                        ? osp_ramp(f->sched.timers_per_s / (f->sched.timers_error + 1e-9), 5, 20)
                        : 0.5;
    double confidence = !outlives ? 0.45 : 0.6 + 0.2 * steady + 0.15 * osp_ramp((double)worst->grown, 20, 200);
    osp_arena *a = f->arena;
    osp_finding *x = osp_find(f, out, &osp_rule_timer_leak, NULL, confidence, 0.9);
    if (!x)
        return;
    osp_blamed who;
    const osp_group_fact *g = waiters(f, worst);
    osp_str where = S("unknown code");
    if (worst->kind == OSP_TIMER_FUNC) {
        osp_stack_fact s = {.call = &worst->call, .ncall = 1};
        osp_finding_blame(f, x, &(osp_blamed){.call = &worst->call, .stack = &s});
        where = osp_call_text(a, &worst->call);
    } else if (osp_blame_by(f, maker, &who)) {
        osp_finding_blame(f, x, &who);
        where = osp_call_text(a, who.call);
    } else if (g) {
        osp_finding_blame_group(f, x, g);
        where = osp_group_text(a, g);
    }
    osp_str kind = osp_timer_kind_text(worst->kind);
    x->summary = osp_arena_fmt(a, "%.0f more %.*ss a second are made by %.*s than end: %u now.", rate, STRF(kind),
                               STRF(where), worst->n);
    osp_finding_evidence(x, osp_arena_fmt(a, "growth, of %u", worst->n), rate, "timers/s", "runtime");
    if (periodic)
        osp_finding_evidence(x, S("their period"), worst->period_s, "s", "runtime");
    else
        osp_finding_evidence(x, S("until the last of them is due"), worst->horizon_s, "s", "runtime");
    if (periodic)
        osp_finding_evidence(x, S("by all of them"), worst->expiries_per_s, "expiries/s", "runtime");
    osp_finding_evidence(x, osp_arena_fmt(a, "release: %.*s", STRF(f->go_version)), 1, "source", "build info");
    x->next = periodic
                  ? S("stop each ticker (defer t.Stop()), or use one outside of the loop")
                  : S("use one timer again (NewTimer and Reset), stop it when it is not needed; Go 1.23 collects "
                      "those nobody refers to");
    if (confidence < OSP_FOUND)
        x->next =
            osp_arena_fmt(a, "whether they go off or stay is seen by looking longer: osprey why %d -d 60", f->pid);
}
