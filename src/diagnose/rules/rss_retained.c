/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

static const double least_bytes = 48 << 20; /* less is not worth a word */
static const double least_part = 0.3;       /* of what is resident */

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_rss_retained = {
    .name = "rss-retained",
    .asks = "is resident memory high that the program has given back already?",
    .topic = "memory",
    .more = "mem PID -d 30",
    .title = "resident memory that was given back already",
    .order = 60,
    .check = check,
};

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_ledger_fact *l = &f->ledger;
    const double lazy = (double)l->lazy_free, returned = (double)l->now[OSP_LEDGER_GO_RETURNED],
                 given = lazy > returned ? lazy : returned, all = (double)l->resident;
    if (!l->known || all <= 0 || given < least_bytes || given < least_part * all)
        return;
    const bool huge = lazy < 0.5 * given; /* nothing marks it as free: large pages keep it */
    osp_finding *x = osp_find(f, out, &osp_rule_rss_retained, huge ? "large pages" : "lazily freed",
                              0.7 + 0.25 * osp_ramp(given / all, least_part, 0.7), given / all);
    if (!x)
        return;
    osp_arena *a = f->arena;
    x->summary = osp_arena_fmt(
        a, "%.*s of %.*s resident memory were given back and still count: the kernel %s. It is no leak.",
        STRF(osp_memory_text(a, given)), STRF(osp_memory_text(a, all)),
        huge ? "keeps the large pages that hold them" : "takes them only when it needs memory (MADV_FREE)");
    osp_finding_evidence(x, S("resident"), all / 1048576, "MB", "smaps");
    osp_finding_evidence(x, S("of it may be taken at any time (LazyFree)"), lazy / 1048576, "MB", "smaps");
    if (f->gc.known) {
        osp_finding_evidence(x, S("of the Go heap is in use"), (double)f->gc.inuse / 1048576, "MB", "runtime");
        osp_finding_evidence(x, S("of the Go heap was given back (HeapReleased)"), (double)f->gc.released / 1048576,
                             "MB", "runtime");
    }
    if (f->is_go)
        osp_finding_evidence(x,
                             osp_arena_fmt(a,
                                           "Go release: %.*s; 1.12 to 1.15, and GODEBUG=madvdontneed=0, free lazily",
                                           STRF(f->go_version)),
                             1, "release", "build info");
    x->next = huge ? S("fewer large pages: GODEBUG and /sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_none")
                   : S("nothing, or GODEBUG=madvdontneed=1; watch the working set instead of the resident set");
}
