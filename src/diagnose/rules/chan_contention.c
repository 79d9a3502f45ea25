/* SPDX-License-Identifier: Apache-2.0 */
/* Many goroutines send and receive on one channel: all CPU goes into its lock and into putting them to sleep and waking them. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_chan_contention = {
    .name = "chan-contention",
    .asks = "do many goroutines get in each other's way on one channel?",
    .topic = "channels",
    .more = "goroutines PID",
    .only_go = true,
    .title = "goroutines queue for a channel",
    .order = 24,
    .check = check,
};

static const double demand_floor = 0.5;
/* On each side: fewer share a channel without harm. */
static const uint32_t least_each = 6;

static uint32_t at_channel(const osp_stack_fact *s)
{
    return osp_at_channel(osp_at_of(s->call, s->ncall)) ? osp_place_of(s) : UINT32_MAX;
}

static void check(const osp_facts *f, osp_findings *out)
{
    uint32_t senders = 0, receivers = 0;
    const osp_waited_fact *chan = NULL;
    for (uint32_t i = 0; f->goroutine.known && i < f->goroutine.ngroup; i++) {
        const osp_group_fact *g = &f->goroutine.group[i];
        osp_at at = osp_at_of(g->call, g->ncall);
        senders += at == OSP_AT_SEND ? osp_moving(g) : 0;
        receivers += at == OSP_AT_RECEIVE ? osp_moving(g) : 0;
        for (uint32_t k = 0; k < g->nobject && osp_moving(g); k++)
            if (g->object[k].has_chan && !g->object[k].timed && (!chan || g->object[k].all > chan->all))
                chan = &g->object[k];
    }
    osp_go_work w = osp_go_work_of(f);
    double in_channel = w.at[OSP_AT_SEND] + w.at[OSP_AT_RECEIVE] + w.at[OSP_AT_SELECT];
    if (f->samples < 20 || w.demand < demand_floor || senders < least_each || receivers < least_each ||
        in_channel + w.scheduling < 0.6 || in_channel < 0.1 || w.user > 0.3 || w.timers > 0.12)
        return;
    osp_blamed who;
    if (!osp_blame_by(f, at_channel, &who))
        return;
    osp_arena *a = f->arena;
    double passing = 1 - w.user - f->in[OSP_IN_GO_GC];
    double confidence = 0.65 + 0.15 * osp_ramp(in_channel, 0.1, 0.3) +
                        0.15 * osp_ramp(senders < receivers ? senders : receivers, least_each, 24);
    osp_finding *x = osp_find(f, out, &osp_rule_chan_contention, NULL, confidence, passing);
    if (!x)
        return;
    osp_finding_blame(f, x, &who);
    x->summary = osp_arena_fmt(a,
                               "%u senders and %u receivers share a channel in %.*s: %.0f %% of this process's CPU "
                               "is passing, %.0f %% is work.",
                               senders, receivers, STRF(osp_call_text(a, who.call)), 100 * passing, 100 * w.user);
    osp_finding_evidence(x,
                         osp_arena_fmt(a, "± %.0f of all samples in channel operations",
                                       200 * osp_share_error(in_channel, f->samples)),
                         100 * in_channel, "%", "samples");
    osp_finding_evidence(x, S("of all samples in parking and waking for them"), 100 * w.scheduling, "%", "samples");
    if (f->sched_ticks_per_s >= 0)
        osp_finding_evidence(x, S("of goroutines; each is an operation that had to wait"), f->sched_ticks_per_s,
                             "switches/s", "p.schedtick");
    osp_finding_evidence(x, osp_arena_fmt(a, "stood at a send at one moment, %u at a receive", receivers), senders,
                         "goroutines", "runtime");
    if (chan)
        osp_finding_evidence(x,
                             osp_arena_fmt(a, "wait on channel 0x%llx, %llu of %llu in it",
                                           (unsigned long long)chan->addr, (unsigned long long)chan->len,
                                           (unsigned long long)chan->cap),
                             chan->all, "goroutines", "runtime");
    osp_finding_evidence(x, osp_arena_fmt(a, "of %d that may run at once", f->sched.gomaxprocs), w.demand,
                         "cores wanted", "schedstat");
    x->next = S("send batches, give the channel room, or one channel to each worker");
}
