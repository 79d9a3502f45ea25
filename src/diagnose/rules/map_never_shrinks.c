/* SPDX-License-Identifier: Apache-2.0 */
/* Go's maps only grow. One that had a peak keeps its tables, however few values are left in it. */
#include "diagnose/diagnose_internal.h"

/* Room for so many values, and the heap that must be behind it. Where the size of a value is known, so must the tables be. */
static const double least_bytes = 16 << 20, least_part = 0.25;
/* Where it is not: a key and its value have some 10 bytes at least, and often ten times as many. */
static const double least_value = 10, least_part_unsized = 0.03;

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_map_never_shrinks = {
    .name = "map-never-shrinks",
    .asks = "does a map keep the memory of a peak that is over?",
    .topic = "memory",
    .more = "mem PID -d 30",
    .only_go = true,
    .title = "a map keeps the memory of its peak",
    .order = 56,
    .after = " heap-leak ",
    .check = check,
};

/* The goroutine on whose stack it is: its group. */
static const osp_group_fact *holder(const osp_facts *f, uint64_t goid)
{
    for (uint32_t i = 0; i < f->goroutine.ngroup && goid; i++)
        for (size_t k = 0; k < 4; k++)
            if (f->goroutine.group[i].goid[k] == goid)
                return &f->goroutine.group[i];
    return NULL;
}

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_map_fact *m = f->nmap ? &f->map[0] : NULL;
    const double live = f->gc.marked ? (double)f->gc.marked : (double)f->gc.live;
    if (!m || !f->gc.known || live <= 0)
        return;
    const bool sized = m->bytes > 0;
    const double least = sized ? (double)m->bytes : (double)m->room * least_value,
                 bytes = least < live ? least : live; /* they are alive */
    if (bytes < least_bytes || bytes < (sized ? least_part : least_part_unsized) * live)
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_map_never_shrinks, NULL,
                              (sized ? 0.75 : 0.66) + 0.18 * osp_ramp(bytes / live, least_part, 0.8), bytes / live);
    if (!x)
        return;
    osp_arena *a = f->arena;
    const osp_group_fact *g = holder(f, m->goid);
    if (g)
        osp_finding_blame_group(f, x, g);
    osp_str name = m->name.n ? osp_arena_fmt(a, "A map in %.*s", STRF(m->name))
                   : g       ? osp_arena_fmt(a, "A map that %.*s has on its stack", STRF(osp_group_text(a, g)))
                             : S("A map");
    x->summary =
        osp_arena_fmt(a, "%.*s holds %llu values and has room for %.*s: %s%.*s of %.*s live heap.", STRF(name),
                      (unsigned long long)m->values, STRF(osp_rate_text(a, (double)m->room)),
                      sized ? "" : "at least ", STRF(osp_memory_text(a, bytes)), STRF(osp_memory_text(a, live)));
    osp_finding_evidence(x, osp_arena_fmt(a, "in it, of %llu that it has room for", (unsigned long long)m->room),
                         (double)m->values, "values", "memory");
    osp_finding_evidence(x, sized ? S("of its tables") : S("of its tables at least, at 10 bytes a value"),
                         bytes / 1048576, "MB", "memory");
    osp_finding_evidence(x, S("live on the Go heap"), live / 1048576, "MB", "runtime");
    if (f->nmap > 1)
        osp_finding_evidence(x, S("have eight times as much room as values, or more"), f->nmap, "maps", "memory");
    x->next = S("make a new map after the peak and copy what is left; pointers as values, where values are large");
}
