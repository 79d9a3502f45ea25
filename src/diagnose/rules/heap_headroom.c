/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

#include <math.h>

static const double least_bytes = 64 << 20;
/* Of the memory that the heap holds, what is neither alive nor just room for as much again (GOGC=100). */
static const double least_part = 0.4;
static const uint64_t quiet_bytes = 1 << 20; /* in a quarter of a second */

static uint32_t wants(const osp_facts *early);
static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_heap_headroom = {
    .name = "heap-headroom",
    .asks = "does the Go heap hold much more memory than is ever alive, for bursts of garbage?",
    .topic = "memory",
    .more = "mem PID -d 30",
    .only_go = true,
    .title = "the Go heap holds room for bursts of garbage",
    .order = 65,
    .after = " heap-leak gc-thrash-gogc gc-thrash-memlimit ",
    .wants = wants,
    .check = check,
};

typedef struct {
    double held, idle; /* bytes, in the mean over the moments: in use and free; free */
    double live;       /* the least that a collection found alive */
} room;

static room room_of(const osp_facts *f)
{
    const osp_process_fact *p = &f->proc;
    const osp_gc_fact *g = &f->gc;
    room r = {.live = (double)g->marked};
    for (uint32_t i = 0; i < p->n; i++) {
        const osp_moment *m = &p->moment[i];
        const double idle = (double)m->heap_idle - (double)m->heap_released;
        r.idle += idle / p->n;
        r.held += ((double)m->heap_inuse + idle) / p->n;
    }
    for (uint32_t i = 0; i < g->ncycle; i++)
        if ((double)g->cycle[i].live_bytes < r.live)
            r.live = (double)g->cycle[i].live_bytes;
    return r;
}

/* It has grown all the time and does still: that is no burst. */
static bool only_grows(const osp_gc_fact *g)
{
    for (uint32_t i = 1; i < g->ncycle; i++)
        if ((double)g->cycle[i].live_bytes < 0.9 * (double)g->cycle[i - 1].live_bytes)
            return false;
    return g->ncycle > 1 && (double)g->cycle[g->ncycle - 1].live_bytes > 1.3 * (double)g->cycle[0].live_bytes;
}

/* What even twice the live heap does not need, which GOGC=100 would allow it. A heap of that size swings between one and two
 * times what is alive. */
static double surplus(const osp_facts *f, room *r)
{
    *r = room_of(f);
    const double percent = f->gc.has_percent && f->gc.percent > 0 ? f->gc.percent : 100;
    return f->gc.known && f->proc.n >= 3 && r->live > 0 && !only_grows(&f->gc)
               ? r->held - r->live * (1 + percent / 100)
               : 0;
}

/* Nothing is allocated for most of the time, and much in the rest: what the last burst left lies there until the next one. Told by
 * how the heap grows from moment to moment. */
static bool comes_in_bursts(const osp_facts *f, const room *r)
{
    const osp_process_fact *p = &f->proc;
    uint32_t quiet = 0, loud = 0;
    for (uint32_t i = 1; i < p->n; i++) {
        const osp_moment *a = &p->moment[i - 1], *b = &p->moment[i];
        const bool still = a->collections == b->collections && b->heap_live < a->heap_live + quiet_bytes;
        quiet += still;
        loud += !still;
    }
    return loud >= 2 && quiet > loud && r->held > 2 * least_bytes && f->gc.bytes_per_s * f->gc.seconds > r->held;
}

static bool is_roomy(const osp_facts *f, room *r, double *more)
{
    *more = surplus(f, r);
    if (*more > least_bytes && *more > least_part * r->held)
        return true;
    if (!f->gc.known || f->proc.n < 3 || only_grows(&f->gc) || !comes_in_bursts(f, r))
        return false;
    *more = 0.5 * r->held;
    return true;
}

static uint32_t wants(const osp_facts *f)
{
    room r;
    double more;
    return is_roomy(f, &r, &more) ? OSP_ASK_GO_ALLOCS : 0;
}

static void check(const osp_facts *f, osp_findings *out)
{
    room r;
    double more;
    if (!is_roomy(f, &r, &more))
        return;
    osp_alloc_blamed b = {0};
    bool named = f->go_allocs.known && osp_alloc_blame(f, &f->go_allocs, osp_alloc_go_culprit, &b);
    osp_memory_cpu cpu;
    if (!named && osp_memory_weigh(f, &cpu) && cpu.has_blamed) { /* the window fell between two bursts */
        b = (osp_alloc_blamed){.who = cpu.blamed, .part = cpu.blamed.share / (cpu.alloc + cpu.gc)};
        named = true;
    }
    osp_finding *x = osp_find(f, out, &osp_rule_heap_headroom, NULL,
                              0.65 + 0.25 * osp_ramp(more / r.held, least_part, 0.8), more / r.held);
    if (!x)
        return;
    osp_arena *a = f->arena;
    if (named)
        osp_finding_blame(f, x, &b.who);
    x->summary =
        osp_arena_fmt(a, "The Go heap holds %.*s where %.*s are alive: bursts of garbage made it so large%s%.*s.",
                      STRF(osp_memory_text(a, r.held)), STRF(osp_memory_text(a, r.live)),
                      named ? ", most of them by " : "", STRF(named ? osp_call_text(a, b.who.call) : S("")));
    osp_finding_evidence(x, S("least alive after a collection"), r.live / 1048576, "MB", "runtime");
    osp_finding_evidence(x, S("in use, with garbage (HeapInuse)"), (r.held - r.idle) / 1048576, "MB", "runtime");
    osp_finding_evidence(x, S("free and kept (HeapIdle - HeapReleased)"), r.idle / 1048576, "MB", "runtime");
    osp_finding_evidence(x, S("the next collection is to end at"), (double)f->gc.goal / 1048576, "MB", "runtime");
    if (f->gc.bytes_per_s >= 0)
        osp_finding_evidence(
            x,
            named ? osp_arena_fmt(a, "allocated; %.0f %% by %.*s", 100 * b.part, STRF(b.who.call->func))
                  : S("allocated"),
            f->gc.bytes_per_s / 1048576, "MB/s", "runtime");
    x->next = S("smaller or reused buffers, or a limit: GOMEMLIMIT");
}
