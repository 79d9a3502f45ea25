/* SPDX-License-Identifier: Apache-2.0 */
/* Locks of native threads: waits in futex below the C library's lock functions. */
#include "diagnose/diagnose_internal.h"

/* A lock for which nobody queues makes no system call. */
static const double rate_floor = 500, demand_floor = 0.3, share_floor = 0.04;

static bool is_malloc(const osp_call *c)
{
    return c->kind == OSP_CALL_LIB &&
           (osp_str_among(c->func, "malloc free calloc realloc memalign posix_memalign aligned_alloc cfree") ||
            osp_str_has(c->func, S("_int_")) || osp_str_has(c->func, S("libc_malloc")) ||
            osp_str_has(c->func, S("libc_free")) || osp_str_has(c->func, S("libc_calloc")) ||
            osp_str_has(c->func, S("libc_realloc")) || osp_str_has(c->func, S("arena_get")) ||
            osp_str_has(c->func, S("malloc")));
}

/* Of what the C library locks for itself: malloc's, or else the program's. */
static bool is_for(const osp_call *call, uint32_t n, bool in_malloc)
{
    bool locks = false, allocates = false;
    for (uint32_t i = 0; i < n && call[i].kind != OSP_CALL_C && !osp_is_go_call(&call[i]); i++) {
        osp_str f = call[i].func;
        locks = locks ||
                (call[i].kind == OSP_CALL_LIB && (osp_str_has(f, S("lock_wait")) || osp_str_has(f, S("mutex_lock")) ||
                                                  osp_str_has(f, S("mutex_unlock")) || osp_str_has(f, S("lll_")) ||
                                                  osp_str_has(f, S("rwlock_")) || osp_str_has(f, S("spin_lock"))));
        allocates = allocates || is_malloc(&call[i]);
    }
    return in_malloc ? allocates : locks && !allocates;
}

static bool is_malloc_futex(const osp_place_fact *p, const void *ctx)
{
    (void)ctx;
    return osp_str_starts(p->name, S("futex")) && is_for(p->call, p->ncall, true);
}

static bool is_mutex_futex(const osp_place_fact *p, const void *ctx)
{
    (void)ctx;
    return osp_str_starts(p->name, S("futex")) && is_for(p->call, p->ncall, false);
}

/* Those that get a lock say where it is fought for: the call that gives it back is often the last of its function, which is then
 * gone from the stack. */
static bool is_getting(const osp_place_fact *p, const void *mine)
{
    osp_place_test *const *test = mine;
    for (uint32_t i = 0; i < p->ncall && p->call[i].kind != OSP_CALL_C; i++)
        if (osp_str_has(p->call[i].func, S("unlock")))
            return false;
    return (*test)(p, NULL);
}

/* The part of the seen futex calls that are for it, by which all that were counted are divided. */
static double part_of(const osp_facts *f, osp_place_test *mine)
{
    double own = 0, all = 0;
    for (uint32_t i = 0; i < f->calls.nplace; i++) {
        const osp_place_fact *p = &f->calls.place[i];
        if (!p->ncall || !osp_str_starts(p->name, S("futex")))
            continue;
        all += p->count;
        own += mine(p, NULL) ? p->count : 0;
    }
    return all > 0 ? own / all : 0;
}

static double lock_share(const osp_facts *f, bool in_malloc)
{
    double share = 0;
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        uint32_t user = 0;
        while (user < s->ncall && s->call[user].kind == OSP_CALL_KERNEL)
            user++;
        if (is_for(s->call + user, s->ncall - user, in_malloc))
            share += s->share;
    }
    return share;
}

uint32_t osp_wants_native_locks(const osp_facts *early)
{
    return lock_share(early, false) >= share_floor || lock_share(early, true) >= share_floor ? OSP_ASK_CALLS : 0;
}

bool osp_native_lock_of(const osp_facts *f, bool in_malloc, osp_native_lock *out)
{
    osp_place_test *mine = in_malloc ? is_malloc_futex : is_mutex_futex;
    double demand = osp_cores_wanted(f);
    *out = (osp_native_lock){0};
    for (uint32_t i = 0; i < f->calls.n; i++)
        out->waits_per_s += osp_str_starts(f->calls.row[i].name, S("futex")) ? f->calls.row[i].per_s : 0;
    out->waits_per_s *= part_of(f, mine);
    out->share = lock_share(f, in_malloc);
    if (!f->calls.known || out->waits_per_s < rate_floor || demand < demand_floor || out->share < share_floor ||
        !(osp_blame_places(f, f->calls.place, f->calls.nplace, is_getting, &mine, &out->who) ||
          osp_blame_places(f, f->calls.place, f->calls.nplace, mine, NULL, &out->who)))
        return false;
    for (uint32_t i = 0; i < f->blocked.n; i++) {
        const osp_blocked_fact *r = &f->blocked.row[i];
        if (osp_str_starts(r->call, S("futex wait")) && r->n > out->waiting) {
            out->waiting = r->n;
            out->where = r->call;
        }
    }
    out->confidence =
        0.66 + 0.15 * osp_ramp(out->waits_per_s, rate_floor, 10000) + 0.14 * osp_ramp(out->share, share_floor, 0.25);
    return true;
}

void osp_native_lock_evidence(const osp_facts *f, osp_finding *x, const osp_native_lock *l)
{
    osp_arena *a = f->arena;
    osp_finding_evidence(
        x, osp_arena_fmt(a, "futex, %.0f %% of them below %.*s", 100 * l->who.share, STRF(l->who.call->func)),
        l->waits_per_s, "calls/s", "syscalls");
    osp_finding_evidence(x, S("of all samples are in locking"), 100 * l->share, "%", "samples");
    if (l->waiting)
        osp_finding_evidence(x, osp_arena_fmt(a, "in %.*s at the end", STRF(l->where)), l->waiting, "threads",
                             "/proc/PID/task");
    osp_finding_evidence(x, S("used by all threads"), f->cores_used, "cores", "schedstat");
}
