/* SPDX-License-Identifier: Apache-2.0 */
/* A lock whose holder waits for something else: time, the network, a channel, the kernel. All who want it wait as long, and no
 * CPU profile shows anything. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_mutex_held_across_wait = {
    .name = "mutex-held-across-wait",
    .asks = "do goroutines wait for a lock whose holder waits for something slow?",
    .topic = "locks",
    .more = "goroutines PID",
    .only_go = true,
    .title = "a lock is held while its holder waits",
    .order = 8,
    .after = "goroutine-deadlock output-blocked pool-exhausted",
    .check = check,
};

/* At any one moment one or two wait for any lock; more at a moment that we did not choose are a queue. */
static const uint32_t least_waiting = 3;

typedef struct {
    const osp_waited_fact *lock;
    const osp_group_fact *group;  /* the largest that waits for it */
    const osp_group_fact *holder; /* NULL = not known */
    uint64_t goid;                /* of the holder; 0 = not known */
} held;

static bool is_lock(const osp_waited_fact *o)
{
    return o->kind == OSP_WAIT_SEMAPHORE &&
           (o->lock == OSP_LOCK_MUTEX || o->lock == OSP_LOCK_WRITER || o->lock == OSP_LOCK_READER);
}

static bool calls(const osp_group_fact *g, osp_str func)
{
    for (uint32_t i = 0; i < g->ncall; i++)
        if (osp_str_eq(g->call[i].func, func))
            return true;
    return false;
}

/* Stands somewhere slow: waits, but for no lock; or is in the kernel. */
static bool is_slow(const osp_group_fact *g)
{
    return g->status == OSP_G_SYSCALL || (g->status == OSP_G_WAITING && !osp_at_lock(osp_at_of(g->call, g->ncall)));
}

/* Who takes the lock: the function that calls Lock. */
static osp_str taker(const osp_group_fact *g)
{
    for (uint32_t i = 0; i < g->ncall; i++) {
        bool library = g->call[i].kind == OSP_CALL_RUNTIME || osp_str_starts(g->call[i].func, S("sync.")) ||
                       osp_str_starts(g->call[i].func, S("internal/sync."));
        if (!library)
            return g->call[i].func;
    }
    return S("");
}

/* Among the candidates the one that stands in the function that takes the lock; else the only one that is slow; else, of all,
 * one that stands in that function and is slow. */
static void find_holder(const osp_facts *f, held *h)
{
    osp_str func = taker(h->group);
    const osp_group_fact *only = NULL;
    uint64_t only_goid = 0;
    uint32_t slow = 0;
    for (uint32_t i = 0; i < h->lock->nholder; i++) {
        const osp_group_fact *g = osp_group_of(f, osp_holder_of(f, h->lock->holder[i]));
        if (!g || !is_slow(g))
            continue;
        slow++;
        only = g;
        only_goid = h->lock->holder[i];
        if (func.n && calls(g, func)) {
            h->holder = g;
            h->goid = only_goid;
            return;
        }
    }
    if (slow == 1 && h->lock->candidates == 1) {
        h->holder = only;
        h->goid = only_goid;
        return;
    }
    for (uint32_t i = 0; i < f->goroutine.ngroup; i++) {
        const osp_group_fact *g = &f->goroutine.group[i];
        if (g != h->group && is_slow(g) && func.n && calls(g, func)) {
            h->holder = g;
            h->goid = g->n == 1 ? g->goid[0] : 0;
            return;
        }
    }
}

static const char *kind_of(const osp_group_fact *g)
{
    if (!g)
        return NULL;
    if (g->status == OSP_G_SYSCALL)
        return "system call";
    switch (osp_at_of(g->call, g->ncall)) {
    case OSP_AT_SLEEP:
        return "sleep";
    case OSP_AT_IO:
        return "I/O";
    case OSP_AT_SEND:
    case OSP_AT_RECEIVE:
    case OSP_AT_SELECT:
        return "channel";
    default:
        return "wait";
    }
}

static void check(const osp_facts *f, osp_findings *out)
{
    held best = {0};
    for (uint32_t i = 0; f->goroutine.known && i < f->goroutine.ngroup; i++) {
        const osp_group_fact *g = &f->goroutine.group[i];
        for (uint32_t k = 0; k < g->nobject; k++) {
            const osp_waited_fact *o = &g->object[k];
            if (is_lock(o) && o->all >= least_waiting && (!best.lock || o->all > best.lock->all))
                best = (held){.lock = o, .group = g};
        }
    }
    if (!best.lock)
        return;
    find_holder(f, &best);
    double waiting = best.lock->all, demand = osp_go_work_of(f).demand;
    /* Without a holder only a process that does next to nothing shows that those who wait, wait for something slow. */
    double confidence = best.holder                          ? 0.72 + 0.2 * osp_ramp(waiting, least_waiting, 20)
                        : best.group->still == best.group->n ? 0.4 /* perhaps nobody has it any more */
                        : demand < 0.2                       ? 0.5 + 0.2 * osp_ramp(waiting, least_waiting, 20)
                                                             : 0;
    /* A lock over which much is computed is another trouble. */
    if (best.holder && demand > 0.9 * (f->sched.gomaxprocs > 0 ? f->sched.gomaxprocs : 1))
        confidence = 0.45;
    if (confidence == 0)
        return;
    osp_arena *a = f->arena;
    osp_finding *x = osp_find(f, out, &osp_rule_mutex_held_across_wait, kind_of(best.holder), confidence, 0.95);
    if (!x)
        return;
    osp_finding_blame_group(f, x, best.group);
    osp_str lock =
        best.lock->name.n ? best.lock->name : osp_arena_fmt(a, "0x%llx", (unsigned long long)best.lock->addr);
    osp_str does = best.holder ? osp_arena_fmt(a, "; who has it is in %.*s (%.*s)",
                                               STRF(osp_group_text(a, best.holder)), STRF(best.holder->state))
                               : S("; nobody computes meanwhile");
    x->summary = osp_arena_fmt(a, "%u goroutines wait in %.*s for the lock %.*s%.*s.", best.lock->all,
                               STRF(osp_group_text(a, best.group)), STRF(lock), STRF(does));
    osp_finding_evidence(x, osp_arena_fmt(a, "wait for the lock %.*s", STRF(lock)), waiting, "goroutines", "runtime");
    osp_finding_over_time(f, x, S("of them in this place did not get it while we looked"), best.group->still,
                          "goroutines", "runtime");
    if (best.group->stood_s > 0)
        osp_finding_over_time(f, x, S("half of them have waited at least, by looks"), best.group->stood_s, "s",
                              "runtime");
    else if (best.group->median_s > 0)
        osp_finding_evidence(x, S("half of them have waited at least, as far as the runtime knows"),
                             best.group->median_s, "s", "runtime");
    if (best.holder && best.goid)
        osp_finding_evidence(
            x, osp_arena_fmt(a, "has it: %.*s, %.*s", STRF(best.holder->state), STRF(osp_group_text(a, best.holder))),
            (double)best.goid, "goroutine id", "runtime");
    osp_finding_over_time(f, x, S("of a core used meanwhile"), 100 * f->cores_used, "%", "schedstat");
    x->next = S("do not hold the lock over what waits: copy what is needed, unlock, then wait");
    if (best.holder && best.holder->status == OSP_G_SYSCALL)
        x->next =
            osp_arena_fmt(a, "see what the call waits for (a full pipe, a slow disk): osprey threads %d", f->pid);
}
