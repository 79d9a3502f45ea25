/* SPDX-License-Identifier: Apache-2.0 */
/* glibc gives each thread an arena of its own, up to eight a CPU, and an arena gives memory back only at its end: one block that
 * is still used there keeps all before it. */
#include "diagnose/diagnose_internal.h"

static const double least_bytes = 48 << 20, least_part = 0.25; /* of what is resident */
/* Of the arenas' memory, so much must be free: else the program just uses it. Free blocks that threads keep for themselves are not
 * counted, so that this is a lower bound. */
static const double least_free = 0.4;
static const uint32_t least_arenas = 6;

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_malloc_arenas = {
    .name = "malloc-arenas",
    .asks = "do the arenas of the C library's malloc keep memory that was freed?",
    .topic = "memory",
    .more = "mem PID",
    .title = "malloc's arenas keep memory that was freed",
    .order = 59,
    .after = " native-leak ",
    .check = check,
};

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_ledger_fact *l = &f->ledger;
    const double arenas = (double)l->now[OSP_LEDGER_C_ARENAS], all = (double)l->resident,
                 freed = (double)l->arenas_free < arenas ? (double)l->arenas_free : arenas;
    if (!l->known || l->arenas < least_arenas || freed < least_bytes || freed < least_part * all ||
        freed < least_free * arenas)
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_malloc_arenas, NULL,
                              0.68 + 0.25 * osp_ramp(freed / arenas, least_free, 0.85), freed / all);
    if (!x)
        return;
    osp_arena *a = f->arena;
    x->summary = osp_arena_fmt(
        a, "%u arenas of malloc hold %.*s, of which %.*s were freed: %.0f %% of what is resident. It is no leak.",
        l->arenas, STRF(osp_memory_text(a, arenas)), STRF(osp_memory_text(a, freed)), 100 * freed / all);
    osp_finding_evidence(
        x, osp_arena_fmt(a, "resident in %u arenas beside the first; %u threads now", l->arenas, l->threads),
        arenas / 1048576, "MB", "ledger");
    osp_finding_evidence(x, S("of it in blocks that were freed, at least"), freed / 1048576, "MB", "malloc");
    if (f->is_go)
        osp_finding_evidence(x, S("in the Go heap"), (double)l->now[OSP_LEDGER_GO_HEAP] / 1048576, "MB", "ledger");
    if (l->seconds > 0)
        osp_finding_evidence(x, S("growth of the arenas"),
                             (arenas - (double)l->was[OSP_LEDGER_C_ARENAS]) / l->seconds / 1048576, "MB/s", "ledger");
    x->next =
        S("fewer arenas (MALLOC_ARENA_MAX=2, or mallopt), malloc_trim(0) after the burst, or another allocator; "
          "bound how many threads call malloc at a time");
}
