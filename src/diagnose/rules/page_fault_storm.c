/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

/* Page faults a second of the CPU time below the function; a program that starts or whose heap grows has them too, but then its
 * memory grows by a page for each. */
static const double rate_floor = 3000, per_core_floor = 20000, share_floor = 0.15, demand_floor = 0.15;
static const double page = 4096, grown = 0.5;

static uint32_t wants(const osp_facts *early);
static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_page_fault_storm = {
    .name = "page-fault-storm",
    .asks = "does the CPU go into touching fresh pages over and over?",
    .topic = "page faults",
    .more = "record PID -e page-faults -o faults.pb.gz",
    .title = "CPU burnt on page faults",
    .order = 11,
    .after = "explicit-gc gc-thrash-memlimit",
    .wants = wants,
    .check = check,
};

static uint32_t wants(const osp_facts *early)
{
    return early->proc.known && early->proc.minor_faults_per_s >= rate_floor ? OSP_ASK_FAULTS | OSP_ASK_CALLS : 0;
}

static bool is_fault(const osp_place_fact *p, const void *ctx)
{
    (void)ctx;
    return p->count > 0;
}

/* The kernel's work for faults, and for undoing mappings. */
static double fault_share(const osp_facts *f)
{
    double share = 0;
    for (uint32_t i = 0; i < f->nstack; i++) {
        bool is = false;
        for (uint32_t k = 0; k < f->stack[i].ncall && f->stack[i].call[k].kind == OSP_CALL_KERNEL && !is; k++) {
            osp_str n = f->stack[i].call[k].func;
            is = osp_str_has(n, S("page_fault")) || osp_str_has(n, S("do_user_addr_fault")) ||
                 osp_str_has(n, S("munmap")) || osp_str_has(n, S("el0_da")) || osp_str_has(n, S("madvise"));
        }
        share += is ? f->stack[i].share : 0;
    }
    return share;
}

static double rss(const osp_moment *m) { return (double)m->usage.rss_bytes; }

static double calls_of(const osp_facts *f, const char *names)
{
    double sum = 0;
    for (uint32_t i = 0; i < f->calls.n; i++)
        sum += osp_str_among(f->calls.row[i].name, names) ? f->calls.row[i].per_s : 0;
    return sum;
}

static void check(const osp_facts *f, osp_findings *out)
{
    double rate = f->proc.minor_faults_per_s, error, growth = osp_slope(&f->proc, rss, &error);
    double share = fault_share(f), demand = 0;
    osp_blamed who;
    for (uint32_t i = 0; i < f->nthread; i++)
        demand += f->thread[i].demand;
    if (!f->faults.known || rate < rate_floor || rate < per_core_floor * f->cores_used || share < share_floor ||
        demand * share < demand_floor || growth > grown * rate * page ||
        !osp_blame_places(f, f->faults.place, f->faults.nplace, is_fault, NULL, &who))
        return;
    osp_finding *x =
        osp_find(f, out, &osp_rule_page_fault_storm, NULL, 0.75 + 0.22 * osp_ramp(share, share_floor, 0.5), share);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_finding_blame(f, x, &who);
    x->summary =
        osp_arena_fmt(a, "%.*s touches fresh pages all the time: %.*s page faults/s, %.0f %% of this process's CPU.",
                      STRF(osp_call_text(a, who.call)), STRF(osp_rate_text(a, rate)), 100 * share);
    osp_finding_evidence(x, osp_arena_fmt(a, "%.0f %% of them in %.*s", 100 * who.share, STRF(who.call->func)), rate,
                         "faults/s", "/proc/PID/stat");
    osp_finding_evidence(x, S("fresh memory, with pages of 4 KB"), rate * page / 1e6, "MB/s", "/proc/PID/stat");
    osp_finding_evidence(x, S("growth of the resident memory meanwhile"), growth / 1e6, "MB/s", "/proc/PID/statm");
    osp_finding_evidence(x, S("of its samples are in faults and in undoing mappings"), 100 * share, "%", "samples");
    if (f->calls.known)
        osp_finding_evidence(x, S("mmap, munmap and madvise"), calls_of(f, "mmap munmap madvise mremap brk"),
                             "calls/s", "syscalls");
    x->next = osp_arena_fmt(a, "let %.*s keep and reuse the memory instead of giving it back", STRF(who.call->func));
}
