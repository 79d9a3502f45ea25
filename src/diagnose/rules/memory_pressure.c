/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

/* Pages that have to come from a disk, a second: a program that starts has some hundred at once, then none. */
static const double major_floor = 30, full_floor = 0.05;
/* Of the process's CPU, and in cores, that the kernel needs to find free pages for it. Where there are some it is nothing. */
static const double freeing_floor = 0.1, freeing_demand = 0.05;

static uint32_t wants(const osp_facts *early);
static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_memory_pressure = {
    .name = "memory-pressure",
    .asks = "is there too little memory, so that pages are taken away and come again?",
    .topic = "limits",
    .title = "too little memory",
    .order = 3,
    .wants = wants,
    .check = check,
};

static uint32_t wants(const osp_facts *early)
{
    return early->proc.known && early->proc.major_faults_per_s > major_floor ? OSP_ASK_FAULTS : 0;
}

static bool is_major(const osp_place_fact *p, const void *ctx)
{
    (void)ctx;
    return osp_str_eq(p->name, S("major"));
}

/* Why there is too little: the cgroup is full of what cannot be dropped, the host is full, or it swaps. */
typedef struct {
    bool tight, high, swaps, short_of, pressed;
} shortage;

static shortage shortage_of(const osp_facts *f)
{
    const osp_cgroup_fact *c = &f->cgroup;
    const osp_host_fact *h = &f->host;
    return (shortage){
        .tight = c->known && c->memory_max && (double)c->memory > 0.9 * (double)c->memory_max,
        .high = c->known && (c->high_per_s > 0.5 || c->max_per_s > 0.5),
        .swaps = h->known && (h->swap_in_per_s > 50 || h->swap_out_per_s > 50),
        .short_of = h->known && h->memory && (double)h->available < 0.05 * (double)h->memory,
        .pressed = h->known && h->full[1] > full_floor,
    };
}

static osp_str why(const osp_facts *f, const shortage *s)
{
    return s->tight || s->high ? osp_arena_fmt(f->arena, "its cgroup %.*s is at its limit", STRF(f->cgroup.path))
           : s->swaps          ? S("the host swaps")
                               : S("the host is short of memory");
}

static void evidence(const osp_facts *f, osp_finding *x, const shortage *s)
{
    const osp_cgroup_fact *c = &f->cgroup;
    const osp_host_fact *h = &f->host;
    osp_arena *a = f->arena;
    if (c->known && (c->memory_max || c->memory_high))
        osp_finding_evidence(x,
                             osp_arena_fmt(a, "used in its cgroup, of %.0f MB; %.0f MB of it are page cache%s",
                                           (double)(c->memory_max ? c->memory_max : c->memory_high) / 1e6,
                                           (double)c->reclaimable / 1e6,
                                           c->ooms ? "; it has killed for want of memory" : ""),
                             (double)c->memory / 1e6, "MB", "cgroup");
    if (s->high)
        osp_finding_evidence(x, S("times the limit was met"), c->high_per_s + c->max_per_s, "1/s", "cgroup");
    if (h->known && h->full[1] >= 0)
        osp_finding_evidence(x, S("of the time all tasks of the host waited for memory"), 100 * h->full[1], "%",
                             "/proc/pressure");
    if (h->known)
        osp_finding_evidence(x, osp_arena_fmt(a, "available on the host, of %.0f MB", (double)h->memory / 1e6),
                             (double)h->available / 1e6, "MB", "/proc/meminfo");
    if (s->swaps)
        osp_finding_evidence(x,
                             osp_arena_fmt(a, "pages swapped in and out; %.0f of %.0f MB of swap are free",
                                           (double)h->swap_free / 1e6, (double)h->swap / 1e6),
                             h->swap_in_per_s + h->swap_out_per_s, "pages/s", "/proc/vmstat");
}

/* ---- pages that come from the disk ------------------------------------------------------------------------------ */

static void check_faults(const osp_facts *f, const shortage *s, osp_findings *out)
{
    if (!f->proc.known || f->proc.major_faults_per_s < major_floor || f->uptime_s < 3)
        return;
    if (!s->tight && !s->high && !s->swaps && !s->short_of && !s->pressed)
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_memory_pressure, NULL,
                              0.7 + 0.25 * osp_ramp(f->proc.major_faults_per_s, major_floor, 300), 1);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_blamed who;
    bool known = osp_blame_places(f, f->faults.place, f->faults.nplace, is_major, NULL, &who);
    if (known)
        osp_finding_blame(f, x, &who);
    x->summary =
        osp_arena_fmt(a, "%.0f pages a second have to come from the disk%s%.*s: %.*s.", f->proc.major_faults_per_s,
                      known ? ", most for " : "", STRF(known ? osp_call_text(a, who.call) : S("")), STRF(why(f, s)));
    osp_finding_evidence(x, S("major faults"), f->proc.major_faults_per_s, "faults/s", "/proc/PID/stat");
    evidence(f, x, s);
    x->next = S("raise the limit or use less memory: what it reads does not fit");
}

/* ---- CPU that the kernel takes from it to find free pages ------------------------------------------------------- */

typedef enum { NEITHER, RECLAIM, COMPACTION } freeing;

/* What the kernel does on this thread because no page, or no large one, was free. */
static freeing freeing_of(const osp_stack_fact *s)
{
    freeing is = NEITHER;
    for (uint32_t i = 0; i < s->ncall && s->call[i].kind == OSP_CALL_KERNEL; i++) {
        osp_str n = s->call[i].func;
        if (osp_str_has(n, S("direct_compact")) || osp_str_has(n, S("compact_zone")))
            return COMPACTION;
        if (osp_str_starts(n, S("try_to_free_")) || osp_str_starts(n, S("shrink_node")) ||
            osp_str_starts(n, S("shrink_lruvec")))
            is = RECLAIM;
    }
    return is;
}

static uint32_t asks_for_pages(const osp_stack_fact *s)
{
    return freeing_of(s) != NEITHER ? osp_user_call(s->call, s->ncall) : UINT32_MAX;
}

/* Go of these releases asked for large pages wherever it could (golang.org/issue/63334). */
static bool wants_large_pages(osp_str version)
{
    return osp_str_among(version, "go1.21 go1.21.0 go1.21.1 go1.21.2 go1.21.3");
}

static void check_freeing(const osp_facts *f, const shortage *s, osp_findings *out)
{
    double share = 0, compaction = 0, demand = 0;
    osp_blamed who;
    for (uint32_t i = 0; i < f->nstack; i++) {
        const freeing is = freeing_of(&f->stack[i]);
        share += is != NEITHER ? f->stack[i].share : 0;
        compaction += is == COMPACTION ? f->stack[i].share : 0;
        demand += is != NEITHER ? osp_demand_of(f, &f->stack[i]) : 0;
    }
    const double low = share - 2 * osp_share_error(share, f->samples);
    if (low < freeing_floor || demand < freeing_demand || f->samples < 40 || !osp_blame_by(f, asks_for_pages, &who))
        return;
    const bool compacts = compaction > 0.5 * share;
    osp_finding *x = osp_find(f, out, &osp_rule_memory_pressure, compacts ? "compaction" : "reclaim",
                              0.68 + 0.25 * osp_ramp(low, freeing_floor, 0.4), share);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_finding_blame(f, x, &who);
    x->summary = osp_arena_fmt(a, "%.*s waits until the kernel has %s: %.0f %% of this process's CPU%s%.*s.",
                               STRF(osp_call_text(a, who.call)),
                               compacts ? "moved pages together for a large one" : "taken pages from elsewhere",
                               100 * share, s->tight || s->high || s->swaps || s->short_of ? "; " : "",
                               STRF(s->tight || s->high || s->swaps || s->short_of ? why(f, s) : S("")));
    osp_finding_evidence(x,
                         osp_arena_fmt(a, "± %.0f of its CPU frees pages in the kernel, %.0f %% of it by compaction",
                                       200 * osp_share_error(share, f->samples), 100 * compaction / share),
                         100 * share, "%", "samples");
    if (f->host.known && compacts)
        osp_finding_evidence(
            x, osp_arena_fmt(a, "waits for compaction on the host; large pages: %.*s", STRF(f->host.thp)),
            f->host.compact_stalls_per_s, "1/s", "/proc/vmstat");
    else if (f->host.known)
        osp_finding_evidence(x, S("waits for free pages on the host, cgroups not counted"),
                             f->host.direct_reclaims_per_s, "1/s", "/proc/vmstat");
    osp_finding_evidence(x, S("of a core wanted by that"), 100 * demand, "%", "schedstat");
    evidence(f, x, s);
    x->next = !compacts ? S("raise the limit, or touch less memory and fewer pages of files at a time")
              : wants_large_pages(f->go_version) ? S("a newer Go: 1.21.0 to 1.21.3 ask for large pages everywhere")
                                                 : S("large pages where they are asked for only: madvise in "
                                                     "/sys/kernel/mm/transparent_hugepage/defrag");
}

static void check(const osp_facts *f, osp_findings *out)
{
    const shortage s = shortage_of(f);
    check_faults(f, &s, out);
    check_freeing(f, &s, out);
}
