/* SPDX-License-Identifier: Apache-2.0 */
/* Goroutines that park and wake for so little work that finding, parking and waking is nearly all that is done. Two forms: with
 * few goroutines the threads sleep and wake too, and little CPU is used; with many no thread ever sleeps. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);
static uint32_t wants(const osp_facts *early);

const osp_rule osp_rule_sched_wake_storm = {
    .name = "sched-wake-storm",
    .asks = "is the time spent on waking goroutines rather than on what they do?",
    .topic = "scheduler",
    .more = "sched PID",
    .only_go = true,
    .title = "goroutines wake for next to no work",
    .order = 30,
    .after =
        "busy-spin process-churn goroutine-churn locked-thread-handoff chan-contention mutex-contention poll-sleep "
        "timer-storm log-contention mutex-held-across-wait",
    .wants = wants,
    .check = check,
};

/* Servers under load switch some thousand times a second, each time for tens of microseconds of work. */
static const double switches_floor = 3000, user_ceiling = 0.25;

static bool has_storm(const osp_facts *f, const osp_go_work *w, bool *threads)
{
    double ticks = f->sched_ticks_per_s;
    *threads = w->voluntary_per_s >= switches_floor;
    bool goroutines = ticks >= 10 * switches_floor && w->demand >= 0.4;
    return (goroutines || *threads) && w->user < user_ceiling;
}

static uint32_t wants(const osp_facts *early)
{
    osp_go_work w = osp_go_work_of(early);
    bool threads;
    return has_storm(early, &w, &threads) && threads ? OSP_ASK_WAKES : 0;
}

/* Those that keep each other awake: the largest group at a channel, or asleep, that moves. */
static const osp_group_fact *movers(const osp_facts *f)
{
    const osp_group_fact *best = NULL;
    for (uint32_t i = 0; f->goroutine.known && i < f->goroutine.ngroup; i++) {
        const osp_group_fact *g = &f->goroutine.group[i];
        osp_at at = osp_at_of(g->call, g->ncall);
        bool channel = at == OSP_AT_SEND || at == OSP_AT_RECEIVE || at == OSP_AT_SELECT;
        if ((channel || at == OSP_AT_SLEEP) && osp_moving(g) && osp_place_in(g->call, g->ncall) != UINT32_MAX &&
            (!best || osp_moving(g) > osp_moving(best)))
            best = g;
    }
    return best;
}

/* Who wakes others, by the samples: the program's function below a wake-up or a channel operation. */
static uint32_t waker(const osp_stack_fact *s)
{
    return osp_at_of(s->call, s->ncall) != OSP_AT_WORK ? osp_place_of(s) : UINT32_MAX;
}

static void check(const osp_facts *f, osp_findings *out)
{
    osp_go_work w = osp_go_work_of(f);
    bool threads;
    if (f->samples < 20 || !has_storm(f, &w, &threads))
        return;
    /* These have verdicts of their own: yields, births, threads that hand over. */
    if (f->nyield > 1 || w.births > 0.1 || w.handoff > 0.1)
        return;
    double passing = w.scheduling + w.timers + w.at[OSP_AT_SEND] + w.at[OSP_AT_RECEIVE] + w.at[OSP_AT_SELECT];
    double ticks = f->sched_ticks_per_s;
    osp_blamed who = {0};
    const osp_group_fact *g = movers(f);
    bool blamed = osp_blame_by(f, waker, &who);
    if (passing < 0.5 || (!blamed && !g))
        return;
    double rate = ticks > w.voluntary_per_s ? ticks : w.voluntary_per_s;
    double confidence = 0.5 + 0.25 * osp_ramp(rate, switches_floor, 20 * switches_floor) +
                        0.2 * osp_ramp(user_ceiling - w.user, 0, 0.15);
    osp_arena *a = f->arena;
    osp_finding *x =
        osp_find(f, out, &osp_rule_sched_wake_storm, threads ? "threads sleep and wake" : "no thread sleeps",
                 confidence, passing > 1 ? 1 : passing);
    if (!x)
        return;
    if (blamed)
        osp_finding_blame(f, x, &who);
    else
        osp_finding_blame_group(f, x, g);
    osp_str where = blamed ? osp_call_text(a, who.call) : osp_group_text(a, g);
    x->summary = osp_arena_fmt(a,
                               "%.*s switches a second between goroutines that do next to nothing, most in %.*s: "
                               "only %.0f %% of this process's CPU is its own work.",
                               STRF(osp_rate_text(a, rate)), STRF(where), 100 * w.user);
    if (ticks >= 0)
        osp_finding_evidence(x, S("of goroutines"), ticks, "switches/s", "p.schedtick");
    osp_finding_evidence(x, S("by choice, of its threads"), w.voluntary_per_s, "switches/s", "/proc status");
    osp_finding_evidence(x, S("of all samples in finding, parking and waking, with what the kernel does for it"),
                         100 * w.scheduling, "%", "samples");
    osp_finding_evidence(x,
                         osp_arena_fmt(a, "± %.0f of all samples in the program's own work",
                                       200 * osp_share_error(w.user, f->samples)),
                         100 * w.user, "%", "samples");
    if (f->wakes.known && f->wakes.n) {
        const osp_wake_fact *k = &f->wakes.row[0];
        uint32_t by = osp_place_in(k->waker, k->nwaker);
        osp_finding_evidence(x,
                             osp_arena_fmt(a, "of threads, most by %.*s",
                                           STRF(by != UINT32_MAX ? osp_call_text(a, &k->waker[by])
                                                                 : osp_str_from(osp_cause_text(k->cause)))),
                             f->wakes.per_s, "wake-ups/s", "wakeups");
    } else if (g) {
        osp_finding_evidence(
            x, osp_arena_fmt(a, "at one moment in %.*s: %.*s", STRF(osp_group_text(a, g)), STRF(g->state)),
            osp_moving(g), "goroutines", "runtime");
    }
    x->next = S("pass batches instead of single items, use fewer goroutines, or call directly");
}
