/* SPDX-License-Identifier: Apache-2.0 */
/* Goroutines that wait for each other's locks, or for a lock that nobody will give back. The runtime reports a deadlock only
 * where all goroutines wait; beside a ticker or a server nothing is said.
 *
 * Who holds a lock is not written anywhere. Candidates are those that have its address on their stacks, or stand in a function
 * that uses it, without waiting for it; that two of them wait for each other, and have not moved, is no chance. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_goroutine_deadlock = {
    .name = "goroutine-deadlock",
    .asks = "do goroutines wait for locks in a circle, or for one that nobody will give back?",
    .topic = "deadlocks",
    .more = "goroutines PID",
    .only_go = true,
    .title = "goroutines that wait for each other for ever",
    .order = 2,
    .check = check,
};

enum { CIRCLE = 8, LOCKS = 256 };

/* A lock that is waited for. */
typedef struct {
    const osp_waited_fact *lock;
    const osp_group_fact *group; /* one that waits for it */
} waited;

typedef struct {
    waited row[LOCKS];
    uint32_t n;
} locks;

/* One goroutine of a circle: it holds one lock and waits for the next. */
typedef struct {
    const osp_goroutine_fact *who;
    const waited *for_; /* NULL at the begin */
} held_by;

static bool is_lock(const osp_waited_fact *o)
{
    return o->kind == OSP_WAIT_SEMAPHORE && o->has_lock && o->lock != OSP_LOCK_GROUP && o->lock != OSP_LOCK_OTHER;
}

static void gather(const osp_facts *f, locks *l)
{
    for (uint32_t i = 0; i < f->goroutine.ngroup; i++) {
        const osp_group_fact *g = &f->goroutine.group[i];
        for (uint32_t k = 0; k < g->nobject && l->n < LOCKS; k++)
            if (is_lock(&g->object[k]))
                l->row[l->n++] = (waited){&g->object[k], g};
    }
}

static const waited *lock_at(const locks *l, uint64_t addr)
{
    for (uint32_t i = 0; i < l->n && addr; i++)
        if (l->row[i].lock->addr == addr)
            return &l->row[i];
    return NULL;
}

/* From a lock to one of its candidates that waits for another lock, again and again, until the first lock comes again. Depth
 * first without recursion: at each level the number of the candidate that is tried. */
static uint32_t find_circle(const osp_facts *f, const locks *l, const waited *first, held_by *circle)
{
    uint32_t tried[CIRCLE] = {0}, depth = 0;
    const waited *at[CIRCLE + 1] = {first};
    for (uint32_t steps = 0; steps < 4096; steps++) {
        const osp_waited_fact *o = at[depth]->lock;
        if (tried[depth] >= o->nholder) {
            if (!depth)
                return 0;
            depth--;
            tried[depth]++;
            continue;
        }
        const osp_goroutine_fact *h = osp_holder_of(f, o->holder[tried[depth]]);
        const waited *next = h && h->still ? lock_at(l, h->on[0]) : NULL;
        /* Who waits to write refers to the same lock as who waits to read. */
        bool again = !next || next->lock->addr == o->addr;
        for (uint32_t i = 1; i <= depth && next; i++)
            again = again || next->lock->addr == at[i]->lock->addr;
        if (again) {
            tried[depth]++;
            continue;
        }
        circle[depth] = (held_by){h, next};
        if (next->lock->addr == first->lock->addr)
            return depth + 1;
        if (depth + 1 == CIRCLE) {
            tried[depth]++;
            continue;
        }
        at[++depth] = next;
        tried[depth] = 0;
    }
    return 0;
}

static osp_str lock_text(osp_arena *a, const osp_waited_fact *o)
{
    static const char *const kind[] = {[OSP_LOCK_OTHER] = "lock",
                                       [OSP_LOCK_MUTEX] = "mutex",
                                       [OSP_LOCK_WRITER] = "RWMutex",
                                       [OSP_LOCK_READER] = "RWMutex",
                                       [OSP_LOCK_GROUP] = "wait group"};
    return o->name.n ? osp_arena_fmt(a, "%s %.*s", kind[o->lock], STRF(o->name))
                     : osp_arena_fmt(a, "%s 0x%llx", kind[o->lock], (unsigned long long)o->addr);
}

/* Goroutines that wait for any of these locks. */
static uint32_t waiters_of(const osp_facts *f, uint64_t addr, uint32_t *still)
{
    uint32_t n = 0;
    *still = 0;
    for (uint32_t i = 0; i < f->goroutine.ngroup; i++) {
        const osp_group_fact *g = &f->goroutine.group[i];
        for (uint32_t k = 0; k < g->nobject; k++)
            if (is_lock(&g->object[k]) && g->object[k].addr == addr) {
                n += g->object[k].n;
                *still += g->object[k].n < g->still ? g->object[k].n : g->still;
            }
    }
    return n;
}

static void say_since(const osp_facts *f, osp_finding *x)
{
    osp_finding_over_time(f, x, S("none of them has moved, at least so long"), f->goroutine.seconds, "s", "runtime");
}

static bool check_circle(const osp_facts *f, const locks *l, osp_findings *out)
{
    held_by circle[CIRCLE];
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->n && !n; i++)
        n = find_circle(f, l, &l->row[i], circle);
    if (!n)
        return false;
    osp_arena *a = f->arena;
    const osp_group_fact *group = osp_group_of(f, circle[0].who);
    osp_finding *x = osp_find(f, out, &osp_rule_goroutine_deadlock, "circle", 0.95, 1);
    if (!x || !group)
        return x != NULL;
    osp_finding_blame_group(f, x, group);
    osp_str chain = S("");
    uint32_t behind = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t still;
        chain = osp_arena_fmt(a, "%.*sgoroutine %llu waits for %.*s%s", STRF(chain),
                              (unsigned long long)circle[i].who->goid, STRF(lock_text(a, circle[i].for_->lock)),
                              i + 1 < n ? ", held by " : "");
        behind += waiters_of(f, circle[i].for_->lock->addr, &still);
    }
    x->summary = osp_arena_fmt(a, "%.*s, held by goroutine %llu: they wait for each other for ever.", STRF(chain),
                               (unsigned long long)circle[0].who->goid);
    for (uint32_t i = 0; i < n && i < 3; i++) {
        const osp_group_fact *g = osp_group_of(f, circle[i].who);
        const waited *held = circle[(i + n - 1) % n].for_;
        osp_finding_evidence(x,
                             osp_arena_fmt(a, "has %.*s and waits in %.*s for %.*s", STRF(lock_text(a, held->lock)),
                                           STRF(g ? osp_group_text(a, g) : S("an unknown place")),
                                           STRF(lock_text(a, circle[i].for_->lock))),
                             (double)circle[i].who->goid, "goroutine id", "runtime");
    }
    osp_finding_evidence(x, S("wait for these locks, those of the circle included"), behind, "goroutines", "runtime");
    say_since(f, x);
    osp_finding_over_time(f, x, S("of a core used meanwhile"), 100 * f->cores_used, "%", "schedstat");
    x->next =
        f->from_core
            ? S("take these locks in one fixed order everywhere")
            : osp_arena_fmt(a, "take these locks in one fixed order everywhere; all stacks: osprey goroutines %d",
                            f->pid);
    return true;
}

/* Is there one, not waiting for it, that may hold it and give it back? Who has its address may. Of those that have the structure
 * around it, one that loops would hold it over its turns, and one that waits for nothing gives nothing back. */
static bool may_be_held(const osp_facts *f, const osp_waited_fact *o)
{
    if (o->candidates + o->near > o->nholder)
        return true;
    for (uint32_t i = 0; i < o->nholder; i++) {
        const osp_goroutine_fact *h = osp_holder_of(f, o->holder[i]);
        const osp_group_fact *g = osp_group_of(f, h);
        bool waits_for_it = h && h->on[0] == o->addr;
        bool for_ever = g && osp_str_eq(g->state, S("select (no cases)"));
        if (!waits_for_it && (!g || (!for_ever && (i < o->candidates || h->still))))
            return true;
    }
    return false;
}

/* A reader that asks for the same RWMutex again waits behind a writer, and that for the reader. */
static bool check_read_again(const osp_facts *f, const locks *l, osp_findings *out)
{
    for (uint32_t i = 0; i < l->n; i++) {
        const waited *r = &l->row[i];
        const waited *w = NULL;
        for (uint32_t k = 0; k < l->n && !w; k++)
            if (l->row[k].lock->addr == r->lock->addr && l->row[k].lock->lock == OSP_LOCK_WRITER)
                w = &l->row[k];
        uint32_t still, n = waiters_of(f, r->lock->addr, &still), again = 0;
        if (r->lock->lock != OSP_LOCK_READER || !w || r->lock->left < 1 || still < n || !r->lock->sought)
            continue;
        if (may_be_held(f, r->lock))
            continue;
        /* The deepest of its readers is the one that came through another function that may have locked it. */
        const osp_group_fact *deepest = r->group;
        for (uint32_t k = 0; k < l->n; k++) {
            const waited *o = &l->row[k];
            if (o->lock->addr == r->lock->addr && o->lock->lock == OSP_LOCK_READER) {
                again++;
                deepest = o->group->ncall > deepest->ncall ? o->group : deepest;
            }
        }
        osp_arena *a = f->arena;
        osp_finding *x = osp_find(f, out, &osp_rule_goroutine_deadlock, "read lock taken twice",
                                  again > 1 || deepest->n == 1 ? 0.85 : 0.7, 1);
        if (!x)
            return true;
        osp_finding_blame_group(f, x, deepest);
        x->summary = osp_arena_fmt(
            a,
            "%.*s asks again for the read lock of %.*s that is held already; a writer waits between the two, so that "
            "none of them goes on.",
            STRF(osp_group_text(a, deepest)), STRF(lock_text(a, r->lock)));
        osp_finding_evidence(x, S("are in the lock, and only goroutines that wait for it refer to it"),
                             (double)r->lock->left, "readers", "runtime");
        osp_finding_evidence(x, osp_arena_fmt(a, "wait for it, in %.*s", STRF(osp_group_text(a, w->group))),
                             w->lock->n, w->lock->n == 1 ? "writer" : "writers", "runtime");
        osp_finding_evidence(x, S("wait for it in all"), n, "goroutines", "runtime");
        osp_finding_evidence(x, S("is the one with the longest way to it"), (double)deepest->goid[0], "goroutine id",
                             "runtime");
        say_since(f, x);
        x->next =
            S("do not take a read lock inside one: split the inner function into one that expects the lock held");
        return true;
    }
    return false;
}

/* A lock that is held, with waiters that never moved, and nobody refers to it. */
static void check_left(const osp_facts *f, const locks *l, osp_findings *out)
{
    const waited *most = NULL;
    uint32_t n = 0, still = 0;
    for (uint32_t i = 0; i < l->n; i++) {
        const osp_waited_fact *o = l->row[i].lock;
        uint32_t s, w = waiters_of(f, o->addr, &s);
        if (o->lock == OSP_LOCK_MUTEX && o->locked && o->sought && s == w && w > n && !may_be_held(f, o)) {
            most = &l->row[i];
            n = w;
            still = s;
        }
    }
    for (uint32_t i = 0; i < f->goroutine.ngroup; i++)
        if (f->goroutine.group[i].status == OSP_G_RUNNING) /* its stack is not seen: it may be the one */
            return;
    if (!most || f->cores_used > 0.5 || (f->goroutine.seconds < 2 && !f->from_core))
        return;
    /* The first look's few seconds are no proof that the holder's stack has no copy of the address. */
    double confidence = n < 2 ? 0.5 : f->from_core ? 0.62 : 0.72;
    osp_arena *a = f->arena;
    osp_finding *x = osp_find(f, out, &osp_rule_goroutine_deadlock, "never unlocked", confidence, 1);
    if (!x)
        return;
    osp_finding_blame_group(f, x, most->group);
    x->summary =
        osp_arena_fmt(a, "%.*s in %.*s for %.*s, which is locked, and no goroutine is left that refers to it.",
                      STRF(n == 1 ? S("1 goroutine waits") : osp_arena_fmt(a, "%u goroutines wait", n)),
                      STRF(osp_group_text(a, most->group)), STRF(lock_text(a, most->lock)));
    osp_finding_evidence(x, S("wait for it"), n, "goroutines", "runtime");
    osp_finding_over_time(f, x, S("of them did not move while we looked"), still, "goroutines", "runtime");
    osp_finding_evidence(x, S("others may have it at hand, and none of them stands where it would give it back"),
                         most->lock->candidates + most->lock->near, "goroutines", "stacks");
    say_since(f, x);
    x->next = S("look for a way out of the critical section that does not unlock; use defer");
}

static void check(const osp_facts *f, osp_findings *out)
{
    if (!f->goroutine.known || (f->goroutine.seconds < 0.5 && !f->from_core))
        return;
    locks *l = osp_new(f->arena, locks, 1);
    if (!l)
        return;
    gather(f, l);
    if (!check_circle(f, l, out) && !check_read_again(f, l, out))
        check_left(f, l, out);
}
