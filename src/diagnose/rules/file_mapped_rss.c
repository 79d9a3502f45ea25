/* SPDX-License-Identifier: Apache-2.0 */
/* Resident memory that is pages of mapped files: the kernel drops them when it needs room. It looks like a leak and is none. */
#include "diagnose/diagnose_internal.h"

/* Pages of files are of every process: its own code and its libraries. A large program has some dozen MB resident. */
static const double least_bytes = 96 << 20, least_part = 0.5; /* of what is resident; of one file: of those */

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_file_mapped_rss = {
    .name = "file-mapped-rss",
    .asks = "is resident memory only pages of mapped files?",
    .topic = "memory",
    .more = "mem PID",
    .title = "resident memory is pages of mapped files",
    .order = 62,
    .after = " memory-pressure ",
    .check = check,
};

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_ledger_fact *l = &f->ledger;
    const double files = (double)l->now[OSP_LEDGER_FILES], all = (double)l->resident, one = (double)l->file_bytes;
    if (!l->known || files < least_bytes || files < least_part * all || one < least_part * files)
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_file_mapped_rss, NULL,
                              0.7 + 0.25 * osp_ramp(files / all, least_part, 0.85), files / all);
    if (!x)
        return;
    osp_arena *a = f->arena;
    const osp_usage *u = f->proc.n ? &f->proc.moment[f->proc.n - 1].usage : NULL;
    x->summary = osp_arena_fmt(
        a, "%.*s of %.*s resident memory are pages of files, most of %.*s: the kernel drops them when it needs room.",
        STRF(osp_memory_text(a, files)), STRF(osp_memory_text(a, all)), STRF(l->file));
    osp_finding_evidence(x, S("of files, resident"), files / 1048576, "MB", "ledger");
    osp_finding_evidence(x, osp_arena_fmt(a, "of %.*s", STRF(l->file)), one / 1048576, "MB", "smaps");
    if (u)
        osp_finding_evidence(x, S("anonymous: what counts against the host's memory (RssAnon)"),
                             (double)u->anon_bytes / 1048576, "MB", "/proc/PID/status");
    if (f->cgroup.known && f->cgroup.reclaimable)
        osp_finding_evidence(
            x,
            osp_arena_fmt(a, "of its cgroup's %.0f MB may be taken at any time", (double)f->cgroup.memory / 1048576),
            (double)f->cgroup.reclaimable / 1048576, "MB", "cgroup");
    if (f->proc.known)
        osp_finding_evidence(x, S("have to come from the disk again"), f->proc.major_faults_per_s, "faults/s",
                             "/proc/PID/stat");
    x->next = S("nothing; watch RssAnon or the working set instead of the resident set. To give pages back: "
                "madvise(MADV_DONTNEED), posix_fadvise");
}
