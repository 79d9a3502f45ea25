/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

#include <math.h>

/* Bytes a second by which native memory has to grow to be worth a probe, and to be called a leak. Healthy programs reach their
 * size and stay there; a page now and then is no growth. */
static const double worth_a_probe = 100e3, least_per_s = 150e3;
/* So many standard errors the slope must be above nothing; the growth of a cache that fills in steps is below. */
static const double sure_slope = 4;

static uint32_t wants(const osp_facts *early);
static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_native_leak = {
    .name = "native-leak",
    .asks = "does memory grow that C code allocates and does not free?",
    .topic = "leaks",
    .more = "record PID -e malloc -o malloc.pb.gz",
    .title = "native memory grows and is not freed",
    .order = 20,
    .wants = wants,
    .check = check,
};

static double anonymous(const osp_moment *m) { return (double)m->usage.anon_bytes; }

/* What the Go heap has, resident or not: an upper bound of what it adds. */
static double of_go(const osp_moment *m)
{
    return (double)m->heap_inuse + (double)m->heap_idle - (double)m->heap_released;
}

static uint32_t wants(const osp_facts *f)
{
    double error;
    const osp_native_memory n = osp_native_memory_of(f);
    const double all = osp_slope(&f->proc, anonymous, &error);
    return all > worth_a_probe && (!f->ledger.known || n.per_s > worth_a_probe) ? OSP_ASK_MALLOC : 0;
}

/* Of what is asked for under a function, how much is not freed. */
static double kept(const osp_alloc_fact *all, osp_str func)
{
    double calls = 0, unfreed = 0;
    for (uint32_t i = 0; i < all->n; i++)
        for (uint32_t k = 0; k < all->place[i].ncall; k++)
            if (osp_str_eq(all->place[i].call[k].func, func)) {
                calls += all->place[i].count;
                unfreed += all->place[i].amount > 0 ? all->place[i].count : 0;
                break;
            }
    return calls > 0 ? unfreed / calls : 0;
}

/* The innermost function that does not serve many: one through which all memory goes (xmalloc) frees most of it. */
static uint32_t culprit(const osp_alloc_fact *all, const osp_stack_fact *s)
{
    uint32_t first = UINT32_MAX, lib = UINT32_MAX;
    for (uint32_t i = 0; i < s->ncall; i++) {
        const osp_call_kind kind = s->call[i].kind;
        if (kind == OSP_CALL_LIB && lib == UINT32_MAX)
            lib = i;
        if (kind != OSP_CALL_C && kind != OSP_CALL_GO)
            continue;
        first = first == UINT32_MAX ? i : first;
        if (kept(all, s->call[i].func) >= 0.5)
            return i;
    }
    return first != UINT32_MAX ? first : lib;
}

static const osp_call *go_caller(const osp_stack_fact *s)
{
    const uint32_t at = osp_call_of_kind(s, OSP_CALL_GO);
    return at == UINT32_MAX ? NULL : &s->call[at];
}

static void say(const osp_facts *f, osp_finding *x, const osp_native_memory *n, const osp_alloc_blamed *b)
{
    osp_arena *a = f->arena;
    double error;
    const osp_alloc_fact *m = &f->mallocs;
    osp_finding_evidence(x, osp_arena_fmt(a, "native memory grows; it is %.*s now", STRF(osp_memory_text(a, n->now))),
                         n->per_s / 1048576, "MB/s", "ledger");
    if (f->is_go)
        osp_finding_evidence(x, S("the Go heap grows"), osp_slope(&f->proc, of_go, &error) / 1048576, "MB/s",
                             "runtime");
    if (f->ledger.growing.n)
        osp_finding_evidence(x, osp_arena_fmt(a, "more in the mapping that grew most: %.*s", STRF(f->ledger.growing)),
                             (double)f->ledger.growing_bytes / 1048576, "MB", "smaps");
    if (!b->who.call)
        return;
    const osp_call *go = go_caller(b->who.stack);
    osp_finding_evidence(x,
                         go && go != b->who.call
                             ? osp_arena_fmt(a, "asked for and not freed by %.*s, called by %.*s",
                                             STRF(b->who.call->func), STRF(osp_call_text(a, go)))
                             : osp_arena_fmt(a, "asked for and not freed by %.*s", STRF(b->who.call->func)),
                         b->amount / 1048576, "MB/s", "malloc");
    osp_finding_evidence(x,
                         osp_arena_fmt(a, "of what malloc gave, %.0f %% was not freed",
                                       m->bytes_per_s > 0 ? 100 * m->unfreed_per_s / m->bytes_per_s : 0),
                         m->count_per_s, "calls/s", "malloc");
}

static void check(const osp_facts *f, osp_findings *out)
{
    double error;
    const osp_native_memory n = osp_native_memory_of(f);
    const double all = osp_slope(&f->proc, anonymous, &error);
    if (!f->ledger.known || n.per_s < least_per_s || all < 0.3 * n.per_s || all < sure_slope * error ||
        n.per_s * f->ledger.seconds < 0.005 * n.now)
        return;
    osp_alloc_blamed b = {0};
    const bool named =
        f->mallocs.known && f->mallocs.unfreed_per_s > 0.2 * n.per_s && osp_alloc_blame(f, &f->mallocs, culprit, &b);
    /* Without a place it grows all the same, but what grows may be a cache, or a mapping of its own. */
    osp_finding *x = osp_find(f, out, &osp_rule_native_leak, NULL,
                              named ? 0.75 + 0.2 * osp_ramp(f->mallocs.unfreed_per_s / n.per_s, 0.2, 0.7) : 0.55, 1);
    if (!x)
        return;
    osp_arena *a = f->arena;
    if (named)
        osp_finding_blame(f, x, &b.who);
    x->summary =
        named ? osp_arena_fmt(a, "Native memory grows by %.1f MB a second: %.*s asks for it and nobody frees it.",
                              n.per_s / 1048576, STRF(osp_call_text(a, b.who.call)))
              : osp_arena_fmt(a, "Native memory grows by %.1f MB a second; who asks for it was not seen.",
                              n.per_s / 1048576);
    say(f, x, &n, &b);
    x->next = named ? osp_arena_fmt(a, "free what %.*s returns", STRF(b.who.call->func))
                    : S("look for longer at who asks for memory and does not give it back");
}
