/* SPDX-License-Identifier: Apache-2.0 */
/* Many goroutines want one sync.Mutex at a time, and the CPU goes into getting it. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_mutex_contention = {
    .name = "mutex-contention",
    .asks = "do goroutines spend their time on getting one lock?",
    .topic = "locks",
    .more = "goroutines PID",
    .only_go = true,
    .title = "goroutines queue for a lock",
    .order = 22,
    .after = "log-contention mutex-held-across-wait goroutine-deadlock",
    .check = check,
};

/* An idle or lightly loaded program may have a queue for a moment without harm. */
static const double demand_floor = 0.5;
static const uint32_t least_waiting = 4;

/* The first frame behind the lock's own: who wants it, of the program if there is one. */
static void mark_lockers(const osp_facts *f, osp_mark *mark, double *slow)
{
    *slow = 0;
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        mark[i].sign = osp_at_of(s->call, s->ncall) == OSP_AT_MUTEX;
        mark[i].call = osp_place_in(s->call, s->ncall);
        bool waits = false;
        for (uint32_t k = 0; mark[i].sign && k < s->ncall; k++)
            waits = waits || osp_str_has(s->call[k].func, S("lockSlow")) || osp_str_has(s->call[k].func, S("sema"));
        *slow += waits ? s->share : 0;
    }
}

static void check(const osp_facts *f, osp_findings *out)
{
    uint32_t waiting = 0;
    const osp_waited_fact *lock = NULL;
    for (uint32_t i = 0; f->goroutine.known && i < f->goroutine.ngroup; i++) {
        const osp_group_fact *g = &f->goroutine.group[i];
        if (osp_at_of(g->call, g->ncall) != OSP_AT_MUTEX)
            continue;
        waiting += osp_moving(g);
        for (uint32_t k = 0; k < g->nobject; k++)
            if (g->object[k].has_lock && (!lock || g->object[k].all > lock->all))
                lock = &g->object[k];
    }
    osp_go_work w = osp_go_work_of(f);
    osp_mark *mark = osp_new(f->arena, osp_mark, f->nstack + 1);
    if (!mark || f->samples < 20 || waiting < least_waiting || w.demand < demand_floor)
        return;
    double slow, share = w.at[OSP_AT_MUTEX];
    mark_lockers(f, mark, &slow);
    osp_blamed who;
    if (share < 0.1 || slow < 0.03 || !osp_blame(f, mark, NULL, &who))
        return;
    double confidence = 0.55 + 0.25 * osp_ramp(share, 0.1, 0.4) + 0.15 * osp_ramp(waiting, least_waiting, 16);
    osp_arena *a = f->arena;
    osp_finding *x = osp_find(f, out, &osp_rule_mutex_contention, "Go mutex", confidence, share);
    if (!x)
        return;
    osp_finding_blame(f, x, &who);
    x->summary =
        osp_arena_fmt(a, "%u goroutines want one mutex in %.*s: %.0f %% of this process's CPU goes into getting it.",
                      waiting, STRF(osp_call_text(a, who.call)), 100 * share);
    osp_finding_evidence(
        x, osp_arena_fmt(a, "± %.0f of all samples in Lock and Unlock", 200 * osp_share_error(share, f->samples)),
        100 * share, "%", "samples");
    osp_finding_evidence(x, S("of all samples where the lock was not free at once"), 100 * slow, "%", "samples");
    osp_finding_evidence(x, S("stood in Lock or Unlock at one moment"), waiting, "goroutines", "runtime");
    if (lock)
        osp_finding_evidence(
            x,
            osp_arena_fmt(
                a, "wait for the mutex %.*s%s",
                STRF(lock->name.n ? lock->name : osp_arena_fmt(a, "0x%llx", (unsigned long long)lock->addr)),
                lock->starving ? ", which is starving" : ""),
            lock->all, "goroutines", "runtime");
    osp_finding_evidence(x, osp_arena_fmt(a, "of %d that may run at once", f->sched.gomaxprocs), w.demand,
                         "cores wanted", "schedstat");
    x->next =
        osp_arena_fmt(a, "do less under the lock of %.*s, or split it (by key, by worker)", STRF(who.call->func));
}
