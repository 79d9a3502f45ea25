/* SPDX-License-Identifier: Apache-2.0 */
/* One sync.RWMutex that many read and some write. Its readers count themselves in one word, which all cores then fight for: even
 * without a writer more cores do no more work. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_rwmutex_contention = {
    .name = "rwmutex-contention",
    .asks = "do goroutines spend their time on one read-write lock?",
    .topic = "locks",
    .more = "goroutines PID",
    .only_go = true,
    .title = "readers and writers get in each other's way",
    .order = 20,
    .after = "goroutine-deadlock mutex-held-across-wait",
    .check = check,
};

static const double demand_floor = 0.7;

static void check(const osp_facts *f, osp_findings *out)
{
    osp_go_work w = osp_go_work_of(f);
    double share = w.at[OSP_AT_READ_LOCK] + w.at[OSP_AT_WRITE_LOCK];
    if (f->samples < 20 || w.demand < demand_floor || share < 0.2)
        return;
    uint32_t readers = 0, writers = 0;
    const osp_waited_fact *lock = NULL;
    for (uint32_t i = 0; i < f->goroutine.ngroup; i++) {
        const osp_group_fact *g = &f->goroutine.group[i];
        osp_at at = osp_at_of(g->call, g->ncall);
        readers += at == OSP_AT_READ_LOCK ? osp_moving(g) : 0;
        writers += at == OSP_AT_WRITE_LOCK ? osp_moving(g) : 0;
        for (uint32_t k = 0; k < g->nobject && (at == OSP_AT_READ_LOCK || at == OSP_AT_WRITE_LOCK); k++)
            if (g->object[k].has_lock && (!lock || g->object[k].all > lock->all))
                lock = &g->object[k];
    }
    osp_mark *mark = osp_new(f->arena, osp_mark, f->nstack + 1);
    if (!mark)
        return;
    double atomics = 0;
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        osp_at at = osp_at_of(s->call, s->ncall);
        mark[i].sign = at == OSP_AT_READ_LOCK || at == OSP_AT_WRITE_LOCK;
        mark[i].call = osp_place_in(s->call, s->ncall);
        bool runtime = false;
        for (uint32_t k = 0; k < s->ncall && k < mark[i].call; k++)
            runtime = runtime || s->call[k].kind == OSP_CALL_RUNTIME;
        atomics += mark[i].sign && !runtime ? s->share : 0;
    }
    /* One goroutine that takes a free lock very often is not in anybody's way: several must do so at a time. */
    osp_marked by_thread;
    if (!osp_marks_weigh(
            f, mark,
            &(osp_mark_limits){.task_fraction = 0.15, .task_sign = 0.15, .process_fraction = 2, .by_thread = true},
            &by_thread) ||
        by_thread.tasks < 2)
        return;
    osp_blamed who;
    if (!osp_blame(f, mark, by_thread.chosen, &who))
        return;
    uint32_t waiting = readers + writers;
    double confidence =
        waiting >= 3 ? 0.65 + 0.3 * osp_ramp(share, 0.2, 0.5) : 0.4 + 0.35 * osp_ramp(share, 0.25, 0.6);
    osp_arena *a = f->arena;
    osp_finding *x =
        osp_find(f, out, &osp_rule_rwmutex_contention, writers ? "writers" : "readers alone", confidence, share);
    if (!x)
        return;
    osp_finding_blame(f, x, &who);
    x->summary = osp_arena_fmt(a, "%.0f %% of this process's CPU goes into taking and leaving one RWMutex in %.*s.",
                               100 * share, STRF(osp_call_text(a, who.call)));
    osp_finding_evidence(
        x, osp_arena_fmt(a, "± %.0f of all samples in its methods", 200 * osp_share_error(share, f->samples)),
        100 * share, "%", "samples");
    osp_finding_evidence(x, S("of all samples in its own atomic operations"), 100 * atomics, "%", "samples");
    osp_finding_evidence(x, S("stood in RLock or RUnlock at one moment"), readers, "goroutines", "runtime");
    osp_finding_evidence(x, S("stood in Lock or Unlock"), writers, "goroutines", "runtime");
    if (lock)
        osp_finding_evidence(
            x,
            osp_arena_fmt(
                a, "wait for the RWMutex %.*s",
                STRF(lock->name.n ? lock->name : osp_arena_fmt(a, "0x%llx", (unsigned long long)lock->addr))),
            lock->all, "goroutines", "runtime");
    osp_finding_evidence(x, osp_arena_fmt(a, "of %d that may run at once", f->sched.gomaxprocs), w.demand,
                         "cores wanted", "schedstat");
    x->next = osp_arena_fmt(
        a, "let readers of %.*s load a copy (atomic.Pointer, copy on write), use sync.Map, or split the lock",
        STRF(who.call->func));
}
