/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

#include <math.h>

/* Bytes a second that stay alive. */
static const double least_per_s = 50e3;
/* Of what was alive at the first collection, so much more at the last; floating garbage makes some percent. */
static const double least_growth = 0.05;

static uint32_t wants(const osp_facts *early);
static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_heap_leak = {
    .name = "heap-leak",
    .asks = "does what is alive on the Go heap grow from collection to collection?",
    .topic = "leaks",
    .more = "mem PID -d 30",
    .only_go = true,
    .title = "the live Go heap grows",
    .order = 20,
    .after = "goroutine-leak timer-leak", /* what these keep alive */
    .wants = wants,
    .check = check,
};

/* How what collections found alive grows. */
typedef struct {
    double per_s;       /* bytes */
    double first, last; /* bytes */
    double seconds;     /* between these two */
    uint32_t n, seen;   /* collections; of them, in the observation */
} growth;

/* Every collection found more than the one before, but for a few percent of noise; else per_s is 0. */
static growth growth_of(const osp_gc_fact *g)
{
    const osp_collection *c = g->cycle;
    uint32_t from = 0;
    growth r = {0};
    for (uint32_t i = 0; i < g->ncycle; i++)
        r.seen += c[i].at_s >= 0;
    if (r.seen >= 3)
        from = g->ncycle - r.seen;
    r.n = g->ncycle - from;
    if (r.n < 2)
        return r;
    r.first = (double)c[from].live_bytes;
    r.last = (double)c[g->ncycle - 1].live_bytes;
    r.seconds = c[g->ncycle - 1].at_s - c[from].at_s;
    double most = r.first;
    for (uint32_t i = from + 1; i < g->ncycle; i++) {
        if ((double)c[i].live_bytes < 0.98 * most)
            return r;
        most = (double)c[i].live_bytes > most ? (double)c[i].live_bytes : most;
    }
    /* And still in the second half: not a program that has just begun. */
    const uint32_t half = from + r.n / 2;
    const bool goes_on = r.n < 4 || r.last - (double)c[half].live_bytes > 0.25 * (r.last - r.first);
    if (goes_on && r.seconds > 0 && r.last > (1 + least_growth) * r.first)
        r.per_s = (r.last - r.first) / r.seconds;
    return r;
}

/* Bytes a second that are allocated now, by the heap's growth between collections where the runtime's counts are not known. */
static double allocated(const osp_facts *f)
{
    if (f->gc.bytes_per_s >= 0)
        return f->gc.bytes_per_s;
    const osp_process_fact *p = &f->proc;
    double sum = 0, s = 0;
    for (uint32_t i = 1; i < p->n; i++)
        if (p->moment[i].collections == p->moment[i - 1].collections &&
            p->moment[i].heap_live >= p->moment[i - 1].heap_live) {
            sum += (double)(p->moment[i].heap_live - p->moment[i - 1].heap_live);
            s += p->moment[i].at_s - p->moment[i - 1].at_s;
        }
    return s > 0 ? sum / s : 0;
}

/* Growth that the present allocations can explain: what has just begun has grown faster than it allocates now. */
static bool grows(const osp_facts *f, growth *r)
{
    *r = growth_of(&f->gc);
    return f->gc.known && r->per_s > least_per_s && r->per_s < 1.6 * allocated(f);
}

static uint32_t wants(const osp_facts *f)
{
    growth r;
    return grows(f, &r) ? OSP_ASK_GO_ALLOCS : 0;
}

static void check(const osp_facts *f, osp_findings *out)
{
    growth r;
    if (!grows(f, &r))
        return;
    const double rate = allocated(f), kept = rate > 0 ? r.per_s / rate : 0;
    osp_alloc_blamed b = {0};
    const bool named = f->go_allocs.known && osp_alloc_blame(f, &f->go_allocs, osp_alloc_go_culprit, &b);
    /* A variable that holds ever more values shows it at once. Else it takes three collections in the observation, or two that go
     * on from two before while most of what is allocated stays: older ones alone may be of a program that filled its caches since. */
    const bool held = f->ngrowing > 0;
    const double confidence = (held                                    ? 0.75
                               : r.seen >= 3                           ? 0.6
                               : r.seen >= 2 && r.n >= 4 && kept > 0.5 ? 0.52
                                                                       : 0.37) +
                              0.1 * osp_ramp(kept, 0.1, 0.5) + 0.1 * osp_ramp(r.last / r.first, 1.1, 1.8);
    osp_finding *x = osp_find(f, out, &osp_rule_heap_leak, NULL, confidence, 1);
    if (!x)
        return;
    osp_arena *a = f->arena;
    if (named)
        osp_finding_blame(f, x, &b.who);
    x->summary =
        named
            ? osp_arena_fmt(a,
                            "What is alive on the Go heap grows by %.2f MB a second; %.*s allocates %.0f %% of all.",
                            r.per_s / 1048576, STRF(osp_call_text(a, b.who.call)), 100 * b.part)
            : osp_arena_fmt(a, "What is alive on the Go heap grows by %.2f MB a second.", r.per_s / 1048576);
    osp_finding_evidence(x,
                         osp_arena_fmt(a, "found alive by the last collection; %.*s by another one %.1f s before",
                                       STRF(osp_memory_text(a, r.first)), r.seconds),
                         r.last / 1048576, "MB", "runtime");
    osp_finding_evidence(x, osp_arena_fmt(a, "allocated, of which %.0f %% stays", 100 * (kept < 1 ? kept : 1)),
                         rate / 1048576, "MB/s", "runtime");
    if (named)
        osp_finding_evidence(x, osp_arena_fmt(a, "of what is allocated, by %.*s", STRF(b.who.call->func)),
                             100 * b.part, "%", "go-allocs");
    if (f->ledger.known)
        osp_finding_evidence(x,
                             osp_arena_fmt(a, "of the heap is resident; %.*s was never written to",
                                           STRF(osp_memory_text(a, (double)f->ledger.untouched))),
                             (double)f->ledger.now[OSP_LEDGER_GO_HEAP] / 1048576, "MB", "ledger");
    if (held)
        osp_finding_evidence(x,
                             osp_arena_fmt(a, "more in %.*s, a %s%s, which holds %.0f now", STRF(f->growing[0].name),
                                           f->growing[0].is_map ? "map" : "slice",
                                           f->growing[0].inside ? " behind a pointer" : "", f->growing[0].now),
                             f->growing[0].now - f->growing[0].was, "values", "memory");
    else
        osp_finding_evidence(x,
                             f->growing_known ? S("global variables hold more: who keeps them is not known")
                                              : S("global variables could be looked at"),
                             0, "variables", "memory");
    if (held)
        x->next = osp_arena_fmt(a, "bound %.*s", STRF(f->growing[0].name));
    else
        x->next = named ? osp_arena_fmt(a, "bound what keeps the values of %.*s; longer: osprey why -d 60 %d",
                                        STRF(b.who.call->func), f->pid)
                        : osp_arena_fmt(a, "osprey record -e go-allocs -d 30 %d; longer: osprey why -d 60 %d", f->pid,
                                        f->pid);
}
