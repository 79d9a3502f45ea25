/* SPDX-License-Identifier: Apache-2.0 */
/* Thousands of tickers: each tick wakes a goroutine, and before Go 1.14 a thread. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);
static uint32_t wants(const osp_facts *early);

const osp_rule osp_rule_timer_storm = {
    .name = "timer-storm",
    .asks = "do thousands of timers keep the process awake?",
    .topic = "timers",
    .more = "timers PID",
    .only_go = true,
    .title = "timers keep the process awake",
    .order = 18,
    .after = "goroutine-leak timer-leak",
    .wants = wants,
    .check = check,
};

/* A hundred tickers of a second are nothing; so are thousands of which each is due in minutes. */
static const double expiries_floor = 800;
static const uint32_t least_timers = 500;

static const osp_timer_fact *worst_of(const osp_facts *f)
{
    const osp_timer_fact *worst = NULL;
    for (uint32_t i = 0; f->timers.known && i < f->timers.ngroup; i++) {
        const osp_timer_fact *t = &f->timers.group[i];
        if (t->period_s > 0 && (!worst || t->expiries_per_s > worst->expiries_per_s))
            worst = t;
    }
    return worst && worst->n >= least_timers && worst->expiries_per_s >= expiries_floor ? worst : NULL;
}

static uint32_t wants(const osp_facts *early) { return worst_of(early) ? OSP_ASK_WAKES : 0; }

/* Who waits for them: as many goroutines at a channel. */
static const osp_group_fact *waiters(const osp_facts *f, const osp_timer_fact *t)
{
    const osp_group_fact *best = NULL;
    for (uint32_t i = 0; f->goroutine.known && i < f->goroutine.ngroup; i++) {
        const osp_group_fact *g = &f->goroutine.group[i];
        osp_at at = osp_at_of(g->call, g->ncall);
        bool channel = at == OSP_AT_SELECT || at == OSP_AT_RECEIVE;
        if (channel && g->n > 0.2 * t->n && (!best || g->n > best->n))
            best = g;
    }
    return best;
}

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_timer_fact *t = worst_of(f);
    if (!t)
        return;
    osp_go_work w = osp_go_work_of(f);
    const osp_group_fact *g = waiters(f, t);
    osp_arena *a = f->arena;
    double confidence = 0.62 + 0.33 * osp_ramp(t->expiries_per_s, expiries_floor, 4 * expiries_floor);
    /* Where the program works at each tick, that is what it is for. */
    if (w.demand > 0.1 && w.user > 0.5)
        confidence = 0.5;
    osp_finding *x = osp_find(f, out, &osp_rule_timer_storm, NULL, confidence, 0.8);
    if (!x)
        return;
    if (g) {
        osp_finding_blame_group(f, x, g);
    } else {
        osp_stack_fact s = {.call = &t->call, .ncall = 1};
        osp_finding_blame(f, x, &(osp_blamed){.call = &t->call, .stack = &s});
    }
    x->summary = osp_arena_fmt(a, "%u tickers of %.3g s go off %.0f times a second%s%.*s.", t->n, t->period_s,
                               t->expiries_per_s, g ? ", each for a goroutine in " : "",
                               STRF(g ? osp_group_text(a, g) : S("")));
    osp_finding_evidence(x, osp_arena_fmt(a, "of a period of %.3g s, of %u in all", t->period_s, f->timers.n), t->n,
                         "timers", "runtime");
    osp_finding_evidence(x, S("by their number and period"), t->expiries_per_s, "expiries/s", "runtime");
    osp_finding_evidence(x, S("by choice, of its threads"), w.voluntary_per_s, "switches/s", "/proc status");
    if (f->wakes.known && f->wakes.per_s > 0)
        osp_finding_evidence(
            x, osp_arena_fmt(a, "of threads: %.2f for each that goes off", f->wakes.per_s / t->expiries_per_s),
            f->wakes.per_s, "wake-ups/s", "wakeups");
    if (g)
        osp_finding_evidence(x,
                             osp_arena_fmt(a, "wait for them; their creator: %.*s",
                                           STRF(g->creator.func.n ? osp_call_text(a, &g->creator) : S("unknown"))),
                             g->n, "goroutines", "runtime");
    osp_finding_evidence(x, S("of all samples in the program's own work"), 100 * w.user, "%", "samples");
    x->next =
        S("let one ticker serve all (a wheel, a loop over what is due); Go 1.14 and later need no thread for each");
}
