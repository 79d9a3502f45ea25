/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers that one large request made large go back to a pool, and serve small ones from then on: the heap keeps the size of the
 * largest requests that ever came at a time. */
#include "diagnose/diagnose_internal.h"

/* Capacity of large buffers that were met in a pool; of the live heap. */
static const double least_bytes = 24 << 20, least_part = 0.25;
static const uint32_t least_large = 3;

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_pool_giant_buffers = {
    .name = "pool-giant-buffers",
    .asks = "does a sync.Pool keep buffers that a large request made large?",
    .topic = "memory",
    .more = "mem PID -d 30",
    .only_go = true,
    .title = "a sync.Pool keeps buffers that have become very large",
    .order = 57,
    .after = " heap-leak ",
    .check = check,
};

/* Who takes from a pool and gives back. */
static uint32_t user(const osp_stack_fact *s)
{
    bool pool = false;
    for (uint32_t i = 0; i < s->ncall; i++) {
        pool = pool || osp_str_starts(s->call[i].func, S("sync.(*Pool)."));
        if (pool && s->call[i].kind == OSP_CALL_GO)
            return i;
    }
    return UINT32_MAX;
}

/* What was met of large buffers: in a pool, and on the stacks of those that have one of it. */
typedef struct {
    const osp_pool_fact *pool; /* NULL: in none */
    const osp_slack_fact *out; /* NULL: on no stack */
    bool surely;               /* most of them are used to a small part */
    double bytes;
} buffers;

static bool is_pool_user(const osp_facts *f, osp_str func)
{
    for (uint32_t i = 0; i < f->nstack; i++) {
        const uint32_t at = user(&f->stack[i]);
        if (at != UINT32_MAX && osp_str_eq(f->stack[i].call[at].func, func))
            return true;
    }
    return false;
}

/* The most that the heap had in use at a time: a buffer that is said to be larger was never one. */
static double most_in_use(const osp_facts *f)
{
    double most = (double)f->gc.inuse;
    for (uint32_t i = 0; i < f->proc.n; i++)
        most = (double)f->proc.moment[i].heap_inuse > most ? (double)f->proc.moment[i].heap_inuse : most;
    return most;
}

static bool find_buffers(const osp_facts *f, buffers *b)
{
    const osp_pool_fact *p = f->npool ? &f->pool[0] : NULL;
    *b = (buffers){0};
    /* Blocks that are large by design are used to their end, and a pool of them has no small ones. */
    if (p && (double)p->largest <= most_in_use(f) && p->large >= least_large && p->used * 4 <= p->large &&
        (p->part || p->seen >= 2 * p->large)) {
        b->pool = p;
        b->bytes = (double)p->bytes;
        b->surely = p->part * 2 > p->large;
    }
    for (uint32_t i = 0; i < f->nslack; i++) {
        const osp_slack_fact *s = &f->slack[i];
        if (s->n < least_large || (double)s->bytes <= b->bytes || !is_pool_user(f, s->at.func))
            continue;
        b->out = s;
        b->bytes = (double)s->bytes;
        b->surely = true;
    }
    return b->bytes >= least_bytes;
}

static void check(const osp_facts *f, osp_findings *out)
{
    const double live = f->gc.marked ? (double)f->gc.marked : (double)f->gc.live;
    buffers b;
    if (!f->gc.known || live <= 0 || !find_buffers(f, &b) || b.bytes < least_part * live)
        return;
    /* Buffers come and go: those that were met cannot be more than what lives. */
    const double bytes = b.bytes > live ? live : b.bytes, part = bytes / live;
    osp_finding *x = osp_find(f, out, &osp_rule_pool_giant_buffers, NULL,
                              (b.surely ? 0.75 : 0.62) + 0.15 * osp_ramp(part, least_part, 0.7), part);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_blamed who;
    const bool known = osp_blame_by(f, user, &who);
    if (known)
        osp_finding_blame(f, x, &who);
    const uint32_t n = b.out ? b.out->n : b.pool->large;
    osp_str name = b.pool && b.pool->name.n ? b.pool->name : S("a sync.Pool");
    x->summary =
        osp_arena_fmt(a, "%u buffers of 1 MB and more go through %.*s%s%.*s: %.*s of %.*s live heap.", n, STRF(name),
                      known ? ", used by " : "", STRF(known ? osp_call_text(a, who.call) : S("")),
                      STRF(osp_memory_text(a, bytes)), STRF(osp_memory_text(a, live)));
    if (b.out) {
        osp_finding_evidence(
            x, osp_arena_fmt(a, "of 1 MB and more are out of the pool, in %.*s", STRF(osp_call_text(a, &b.out->at))),
            n, "buffers", "memory");
        osp_finding_evidence(x, S("of their capacity holds something"),
                             100 * (double)b.out->used / (double)b.out->bytes, "%", "memory");
    }
    if (b.pool) {
        osp_finding_evidence(x,
                             osp_arena_fmt(a, "of 1 MB and more were met in the pool, of %u; values are %.*s",
                                           b.pool->seen,
                                           STRF(b.pool->type.n ? b.pool->type : S("of a type that is not known"))),
                             b.pool->large, "buffers", "memory");
        osp_finding_evidence(x, S("of them held less than an eighth when they came back"), b.pool->part, "buffers",
                             "memory");
    }
    osp_finding_evidence(x, S("capacity of those together"), b.bytes / 1048576, "MB", "memory");
    osp_finding_evidence(x, S("live on the Go heap"), live / 1048576, "MB", "runtime");
    x->next = S("let go of what has become large before Put: if cap(b) > 64<<10 { return }; or a pool for each size");
}
