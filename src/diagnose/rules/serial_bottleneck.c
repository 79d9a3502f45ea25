/* SPDX-License-Identifier: Apache-2.0 */
/* One goroutine does all the work, and the others wait for it. Its CPU profile looks healthy. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_serial_bottleneck = {
    .name = "serial-bottleneck",
    .asks = "does all work go through one goroutine while others wait for it?",
    .topic = "scheduler",
    .more = "sched PID",
    .only_go = true,
    .title = "all work goes through one goroutine",
    .order = 50,
    .after = "busy-spin clock-storm io-error-loop syscall-storm dump-stalls",
    .check = check,
};

static const double share_floor = 0.65, demand_low = 0.55, demand_high = 1.45;
static const uint32_t least_waiting = 2;

/* The goroutine with most samples. */
static uint64_t busiest(const osp_facts *f, double *share, const osp_stack_fact **stack)
{
    uint64_t best = 0;
    *share = 0;
    for (uint32_t i = 0; i < f->nstack; i++) {
        uint64_t goid = f->stack[i].goid;
        double sum = 0, heaviest = 0;
        const osp_stack_fact *top = NULL;
        bool before = false; /* each goroutine once */
        for (uint32_t k = 0; k < i && !before; k++)
            before = f->stack[k].goid == goid;
        if (!goid || before)
            continue;
        for (uint32_t k = 0; k < f->nstack; k++) {
            const osp_stack_fact *s = &f->stack[k];
            if (s->goid != goid || osp_at_of(s->call, s->ncall) != OSP_AT_WORK)
                continue;
            sum += s->share;
            if (s->share > heaviest && osp_place_in(s->call, s->ncall) != UINT32_MAX) {
                heaviest = s->share;
                top = s;
            }
        }
        if (sum > *share && top) {
            *share = sum;
            best = goid;
            *stack = top;
        }
    }
    return best;
}

/* Others that go on and off at a channel or a lock, several of them alike, with all those that wait there on one side. */
static uint32_t waiters(const osp_facts *f, uint64_t owner, const osp_group_fact **most, const osp_waited_fact **on)
{
    uint32_t n = 0;
    for (uint32_t i = 0; f->goroutine.known && i < f->goroutine.ngroup; i++) {
        const osp_group_fact *g = &f->goroutine.group[i];
        osp_at at = osp_at_of(g->call, g->ncall);
        if (g->goid[0] == owner || (!osp_at_channel(at) && !osp_at_lock(at)) ||
            osp_place_in(g->call, g->ncall) == UINT32_MAX)
            continue;
        /* A timer's channel is nobody's work. */
        uint32_t moving = g->nobject && g->object[0].timed ? 0 : osp_moving(g);
        if (moving < least_waiting)
            continue; /* a goroutine by itself waits for another one of its kind as likely */
        n += moving;
        if (moving && (!*most || moving > osp_moving(*most))) {
            *most = g;
            *on = g->nobject ? &g->object[0] : NULL;
        }
    }
    return n;
}

/* Those samples of the goroutine, by the function of the program that they end in. */
static bool blame(const osp_facts *f, uint64_t goid, osp_blamed *out)
{
    osp_mark *mark = osp_new(f->arena, osp_mark, f->nstack + 1);
    if (!mark)
        return false;
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        mark[i].call = osp_place_of(s);
        mark[i].sign = s->goid == goid && osp_at_of(s->call, s->ncall) == OSP_AT_WORK;
    }
    return osp_blame(f, mark, NULL, out);
}

static void check(const osp_facts *f, osp_findings *out)
{
    double share;
    const osp_stack_fact *stack = NULL;
    osp_go_work w = osp_go_work_of(f);
    if (!f->sched.known || f->sched.gomaxprocs < 2 || f->samples < 40 || w.demand < demand_low ||
        w.demand > demand_high)
        return;
    uint64_t goid = busiest(f, &share, &stack);
    const osp_group_fact *g = NULL;
    const osp_waited_fact *on = NULL;
    uint32_t n = waiters(f, goid, &g, &on);
    osp_blamed who;
    if (!goid || share < share_floor || n < least_waiting || !g || !blame(f, goid, &who))
        return;
    osp_arena *a = f->arena;
    double confidence = 0.62 + 0.18 * osp_ramp(n, least_waiting, 6) + 0.15 * osp_ramp(share, share_floor, 0.85);
    osp_finding *x = osp_find(f, out, &osp_rule_serial_bottleneck, NULL, confidence, share);
    if (!x)
        return;
    osp_finding_blame(f, x, &who);
    x->summary = osp_arena_fmt(
        a, "Goroutine %llu does %.0f %% of this process's work in %.*s; %u others wait for it in %.*s.",
        (unsigned long long)goid, 100 * share, STRF(osp_call_text(a, who.call)), n, STRF(osp_group_text(a, g)));
    osp_finding_evidence(x, osp_arena_fmt(a, "of %d that may run at once", f->sched.gomaxprocs), w.demand,
                         "cores wanted", "schedstat");
    osp_finding_evidence(x,
                         osp_arena_fmt(a, "± %.0f of all samples on goroutine %llu",
                                       200 * osp_share_error(share, f->samples), (unsigned long long)goid),
                         100 * share, "%", "samples");
    osp_finding_evidence(x,
                         osp_arena_fmt(a, "go on and off in %.*s (%.*s)", STRF(osp_group_text(a, g)), STRF(g->state)),
                         n, "goroutines", "runtime");
    if (on && on->has_chan)
        osp_finding_evidence(x,
                             osp_arena_fmt(a, "wait on channel 0x%llx, %llu of %llu in it",
                                           (unsigned long long)on->addr, (unsigned long long)on->len,
                                           (unsigned long long)on->cap),
                             on->all, "goroutines", "runtime");
    x->next = osp_arena_fmt(a, "let several goroutines do what %.*s does, each for a part of the keys",
                            STRF(who.call->func));
}
