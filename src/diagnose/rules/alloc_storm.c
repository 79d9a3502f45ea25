/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

/* What memory costs, collecting included. Servers that encode JSON as fast as they can are at a quarter to a third. */
static const double least_share = 0.4, surely_share = 0.65;
static const double least_alloc = 0.1;   /* of it allocation itself, else the collector has another reason */
static const double demand_floor = 0.35; /* cores, of both */
static const double least_bytes_per_s = 50 << 20, least_objects_per_s = 5e5; /* one of them, where it is known */

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_alloc_storm = {
    .name = "alloc-storm",
    .asks = "does the CPU go into allocating memory that is garbage at once, and into collecting it?",
    .topic = "allocation",
    .more = "record PID -e go-allocs -o allocs.pb.gz",
    .only_go = true,
    .title = "the CPU goes into short-lived allocations",
    .order = 60,
    .after =
        " gc-thrash-gogc gc-thrash-memlimit gc-mark-cost explicit-gc slice-growth pool-ineffective repeated-compile "
        "reflection-heavy linear-map-scan log-contention ",
    .check = check,
};

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_gc_fact *g = &f->gc;
    osp_memory_cpu cpu;
    if (!osp_memory_weigh(f, &cpu) || !cpu.has_blamed)
        return;
    const double share = cpu.gc + cpu.alloc, low = share - 2 * osp_share_error(share, f->samples);
    if (low < least_share || cpu.alloc < least_alloc || cpu.gc_cores + cpu.alloc_cores < demand_floor)
        return;
    const bool rate_is_known = g->known && g->bytes_per_s >= 0;
    if (rate_is_known && g->bytes_per_s < least_bytes_per_s && g->objects_per_s < least_objects_per_s)
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_alloc_storm, NULL,
                              (rate_is_known ? 0.65 : 0.55) + 0.3 * osp_ramp(low, least_share, surely_share), share);
    if (!x)
        return;
    osp_arena *a = f->arena;
    const osp_call *who = cpu.blamed.call;
    x->summary = osp_arena_fmt(a,
                               "%.0f %% of this process's CPU goes into allocating and collecting short-lived "
                               "memory, most of it asked for by %.*s.",
                               100 * share, STRF(osp_call_text(a, who)));
    osp_finding_blame(f, x, &cpu.blamed);
    osp_finding_evidence(x,
                         osp_arena_fmt(a, "± %.0f of its CPU allocates or collects; %.0f %% allocates",
                                       200 * osp_share_error(share, f->samples), 100 * cpu.alloc),
                         100 * share, "%", "samples");
    osp_finding_evidence(x, osp_arena_fmt(a, "of its CPU under %.*s", STRF(who->func)), 100 * cpu.blamed.share, "%",
                         "samples");
    if (rate_is_known) {
        osp_finding_evidence(x, S("allocated"), g->bytes_per_s / 1048576, "MB/s", "runtime");
        osp_finding_evidence(x,
                             osp_arena_fmt(a, "of %.0f bytes in the mean",
                                           g->objects_per_s > 0 ? g->bytes_per_s / g->objects_per_s : 0),
                             g->objects_per_s, "objects/s", "runtime");
    }
    if (g->known)
        osp_finding_evidence(
            x, osp_arena_fmt(a, "collections; only %.*s are live", STRF(osp_memory_text(a, (double)g->marked))),
            g->cycles_per_s, "cycles/s", "runtime");
    x->next = osp_arena_fmt(a, "reuse buffers, avoid boxing into interfaces and Sprintf in %.*s", STRF(who->func));
}
