/* SPDX-License-Identifier: Apache-2.0 */
/* Loops that look whether there is something to do, and sleep a little where there is not. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);
static uint32_t wants(const osp_facts *early);

const osp_rule osp_rule_poll_sleep = {
    .name = "poll-sleep",
    .asks = "do loops sleep a little and look again, instead of waiting?",
    .topic = "timers",
    .more = "timers PID",
    .only_go = true,
    .title = "an idle process keeps looking for work",
    .order = 17,
    .wants = wants,
    .check = check,
};

/* Sleeps that are longer cost nothing, fewer than these a second neither: four workers that do something each 3 ms are 1 300 a
 * second. */
static const double sleep_ceiling_s = 0.05, expiries_floor = 500, many_expiries = 2000;

static const osp_timer_fact *worst_of(const osp_facts *f)
{
    const osp_timer_fact *worst = NULL;
    for (uint32_t i = 0; f->timers.known && i < f->timers.ngroup; i++) {
        const osp_timer_fact *t = &f->timers.group[i];
        if (t->kind == OSP_TIMER_SLEEP && t->horizon_s <= sleep_ceiling_s && t->expiries_per_s >= expiries_floor &&
            (!worst || t->expiries_per_s > worst->expiries_per_s))
            worst = t;
    }
    return worst;
}

static uint32_t wants(const osp_facts *early) { return worst_of(early) ? OSP_ASK_WAKES : 0; }

/* What the sleeper's function does between its sleeps, by the samples. */
typedef struct {
    double polls; /* asks a channel, which does not block */
    double works; /* anything else */
    const osp_stack_fact *stack;
    uint32_t call;
} between;

static between look_between(const osp_facts *f, osp_str func)
{
    between b = {0};
    double heaviest = 0;
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        osp_at at = osp_at_of(s->call, s->ncall);
        uint32_t k = 0;
        while (k < s->ncall && !osp_str_eq(s->call[k].func, func))
            k++;
        if (k == s->ncall)
            continue;
        if (s->share > heaviest) {
            heaviest = s->share;
            b.stack = s;
            b.call = k;
        }
        if (at == OSP_AT_SLEEP)
            continue;
        if (at != OSP_AT_WORK || k == 0)
            b.polls += s->share;
        else
            b.works += s->share;
    }
    return b;
}

static const osp_group_fact *sleepers(const osp_facts *f, osp_str func)
{
    for (uint32_t i = 0; f->goroutine.known && i < f->goroutine.ngroup; i++) {
        const osp_group_fact *g = &f->goroutine.group[i];
        uint32_t at = osp_place_in(g->call, g->ncall);
        if (osp_at_of(g->call, g->ncall) == OSP_AT_SLEEP && at != UINT32_MAX && osp_str_eq(g->call[at].func, func))
            return g;
    }
    return NULL;
}

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_timer_fact *t = worst_of(f);
    if (!t)
        return;
    osp_go_work w = osp_go_work_of(f);
    between b = look_between(f, t->call.func);
    const osp_group_fact *g = sleepers(f, t->call.func);
    if (!g && !b.stack)
        return;
    /* The program's own work, of all CPU; a loop that does something each time is a timer, not a poll. */
    if (w.user > 0.35 || (b.works > 0.08 && b.works > b.polls))
        return;
    /* Producers that sleep between their sends are waited for by others: those wake-ups are another matter. */
    if (w.at[OSP_AT_SEND] > 0.05)
        return;
    double many = osp_ramp(t->expiries_per_s, many_expiries, 4 * many_expiries);
    double confidence = t->expiries_per_s >= many_expiries ? 0.68 + 0.27 * many
                        : b.polls > 2 * b.works
                            ? 0.45 + 0.13 * osp_ramp(t->expiries_per_s, expiries_floor, many_expiries)
                            : 0.4;
    osp_arena *a = f->arena;
    osp_finding *x = osp_find(f, out, &osp_rule_poll_sleep, NULL, confidence, 0.8);
    if (!x)
        return;
    if (g)
        osp_finding_blame_group(f, x, g);
    else
        osp_finding_blame(f, x, &(osp_blamed){.call = &b.stack->call[b.call], .stack = b.stack});
    double sleep_ms = 1e3 * t->n / t->expiries_per_s;
    x->summary =
        osp_arena_fmt(a, "%u goroutine%s wake some %.0f times a second in %.*s, find nothing to do, and sleep again.",
                      t->n, t->n == 1 ? "" : "s", t->expiries_per_s, STRF(osp_call_text(a, &t->call)));
    osp_finding_evidence(x, S("by the number of sleepers and how long they sleep"), t->expiries_per_s, "wake-ups/s",
                         "runtime");
    osp_finding_evidence(x, S("about, each sleep"), sleep_ms, "ms", "runtime");
    osp_finding_evidence(x, S("by choice, of its threads"), w.voluntary_per_s, "switches/s", "/proc status");
    osp_finding_evidence(x, S("of all samples in the program's own work"), 100 * w.user, "%", "samples");
    osp_finding_evidence(
        x,
        osp_arena_fmt(a, "of all samples ask without blocking, %.1f %% do anything else between the sleeps",
                      100 * b.works),
        100 * b.polls, "%", "samples");
    if (f->wakes.known)
        osp_finding_evidence(x, S("of threads"), f->wakes.per_s, "wake-ups/s", "wakeups");
    x->next = osp_arena_fmt(a, "let %.*s block on its channel or a sync.Cond; where it must poll, sleep longer",
                            STRF(t->call.func));
}
