/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

/* Of the process's CPU, growing buffers in functions that take them from a pool. A pool that works leaves next to nothing. */
static const double least_share = 0.15, surely_share = 0.35;
static const double demand_floor = 0.3; /* cores, of that and of collecting it */

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_pool_ineffective = {
    .name = "pool-ineffective",
    .asks = "is memory allocated again and again although there is a sync.Pool for it?",
    .topic = "allocation",
    .only_go = true,
    .title = "a sync.Pool does not save allocations",
    .order = 45,
    .after = " gc-thrash-gogc gc-thrash-memlimit ",
    .check = check,
};

enum { FUNCTIONS = 64 };

/* The program's functions that call a pool, and who calls those: a pool is often behind a function of its own. */
typedef struct {
    osp_str func[FUNCTIONS];
    uint32_t n;
    double share; /* of samples in the pool itself */
} users;

static void add(users *u, osp_str func)
{
    uint32_t k = 0;
    while (k < u->n && !osp_str_eq(u->func[k], func))
        k++;
    if (k == u->n && k < FUNCTIONS)
        u->func[u->n++] = func;
}

static bool is_user(const users *u, osp_str func)
{
    for (uint32_t k = 0; k < u->n; k++)
        if (osp_str_eq(u->func[k], func))
            return true;
    return false;
}

static uint32_t pool_call(const osp_stack_fact *s)
{
    uint32_t at = UINT32_MAX;
    for (uint32_t i = 0; i < s->ncall; i++)
        if (osp_str_starts(s->call[i].func, S("sync.(*Pool).")))
            at = i;
    return at;
}

static void find_users(const osp_facts *f, users *u)
{
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        const uint32_t at = pool_call(s);
        if (at == UINT32_MAX || at + 1 >= s->ncall || s->call[at + 1].kind != OSP_CALL_GO)
            continue; /* pools of the standard library are its own */
        u->share += s->share;
        add(u, s->call[at + 1].func);
    }
}

/* Where the program's own function asks for memory, directly or by way of append: that function, else UINT32_MAX. */
static uint32_t asks_for_memory(const osp_stack_fact *s)
{
    uint32_t i = 0;
    bool memory = false;
    for (; i < s->ncall && (s->call[i].kind == OSP_CALL_RUNTIME || s->call[i].kind == OSP_CALL_KERNEL); i++)
        memory = memory || osp_str_starts(s->call[i].func, S("runtime.growslice")) ||
                 osp_str_starts(s->call[i].func, S("runtime.mallocgc")) ||
                 osp_str_starts(s->call[i].func, S("runtime.makeslice")) ||
                 osp_str_starts(s->call[i].func, S("runtime.newobject"));
    while (memory && i < s->ncall &&
           s->call[i].kind == OSP_CALL_STD) /* strconv and its like append for the program */
        i++;
    return memory && i < s->ncall ? i : UINT32_MAX;
}

/* Does a user of the pool stand there, or call what stands there? New, which the pool calls itself, as well. */
static bool is_pooled(const users *u, const osp_stack_fact *s, uint32_t at)
{
    enum { NEAR = 3 };
    for (uint32_t k = at; k < s->ncall && k < at + NEAR; k++)
        if (is_user(u, s->call[k].func) || osp_str_starts(s->call[k].func, S("sync.(*Pool).")))
            return true;
    return false;
}

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_gc_fact *g = &f->gc;
    users u = {0};
    osp_marked m;
    osp_blamed who;
    osp_memory_cpu cpu;
    osp_mark *mark = osp_new(f->arena, osp_mark, f->nstack + 1);
    find_users(f, &u);
    if (!mark || !u.n)
        return;
    double missed = 0;
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        const uint32_t at = asks_for_memory(s), pool = pool_call(s);
        mark[i].sign = at != UINT32_MAX && is_pooled(&u, s, at);
        mark[i].call = at;
        if (mark[i].sign && pool != UINT32_MAX) {
            missed += s->share;
            mark[i].call = pool + 1 < s->ncall ? pool + 1 : UINT32_MAX;
        }
    }
    if (!osp_marks_weigh(
            f, mark, &(osp_mark_limits){.task_fraction = 0.25, .task_sign = 0.25, .process_fraction = least_share},
            &m) ||
        !osp_blame(f, mark, m.chosen, &who) || !osp_memory_weigh(f, &cpu))
        return;
    const double low = m.sign - 2 * osp_share_error(m.sign, f->samples);
    if (low < least_share || m.demand + cpu.gc_cores < demand_floor)
        return;
    osp_finding *x =
        osp_find(f, out, &osp_rule_pool_ineffective, NULL, 0.65 + 0.27 * osp_ramp(low, least_share, surely_share),
                 m.sign + cpu.gc < 1 ? m.sign + cpu.gc : 1);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_finding_blame(f, x, &who);
    x->summary = osp_arena_fmt(
        a, "%.*s takes buffers from a sync.Pool and still allocates: %.0f %% of this process's CPU goes into that.",
        STRF(osp_call_text(a, who.call)), 100 * m.sign);
    osp_finding_evidence(
        x, osp_arena_fmt(a, "± %.0f of its CPU allocates beside the pool", 200 * osp_share_error(m.sign, f->samples)),
        100 * m.sign, "%", "samples");
    osp_finding_evidence(
        x,
        missed > 0.1 * m.sign
            ? S("of its CPU allocates in Get: the pool is empty")
            : S("of its CPU allocates in Get: it is not empty, so what comes out of it is too small"),
        100 * missed, "%", "samples");
    if (g->known && g->bytes_per_s >= 0)
        osp_finding_evidence(x, S("allocated"), g->bytes_per_s / 1048576, "MB/s", "runtime");
    osp_finding_evidence(x, S("of its CPU collects that"), 100 * cpu.gc, "%", "samples");
    x->next = osp_arena_fmt(a, "put the grown buffer back, by pointer, in %.*s: *p = buf[:0]; pool.Put(p)",
                            STRF(who.call->func));
}
