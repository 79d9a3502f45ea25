/* SPDX-License-Identifier: Apache-2.0 */
/* All connections of a database/sql pool are in use, or were never given back, and goroutines wait for one. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_pool_exhausted = {
    .name = "pool-exhausted",
    .asks = "do goroutines wait for a connection of a database pool that has none left?",
    .topic = "pools",
    .more = "goroutines PID",
    .only_go = true,
    .title = "a pool of connections has none left",
    .order = 4,
    .check = check,
};

static const uint32_t least_waiting = 3;

static bool calls(const osp_group_fact *g, osp_str part)
{
    for (uint32_t i = 0; i < g->ncall; i++)
        if (osp_str_starts(g->call[i].func, part))
            return true;
    return false;
}

/* In the pool's own wait for a connection. */
static bool waits(const osp_group_fact *g)
{
    return g->status == OSP_G_WAITING && osp_at_of(g->call, g->ncall) == OSP_AT_SELECT &&
           calls(g, S("database/sql.(*DB).conn")) && !calls(g, S("database/sql.(*DB).connectionOpener")) &&
           !calls(g, S("database/sql.(*DB).connectionCleaner"));
}

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_group_fact *most = NULL;
    uint32_t waiting = 0, still = 0, working = 0;
    for (uint32_t i = 0; f->goroutine.known && i < f->goroutine.ngroup; i++) {
        const osp_group_fact *g = &f->goroutine.group[i];
        if (waits(g)) {
            waiting += g->n;
            still += g->still;
            most = !most || g->n > most->n ? g : most;
        } else if (calls(g, S("database/sql.")) && !calls(g, S("database/sql.(*DB).connection"))) {
            working += g->n;
        }
    }
    if (!most || waiting < least_waiting)
        return;
    osp_arena *a = f->arena;
    /* Where those that wait never get one, connections were not given back; else there are too few for the load. */
    bool lost = still > 0.9 * waiting && !working;
    double confidence = lost ? 0.85 : most->stood_s > 0.2 ? 0.72 : 0.5;
    osp_finding *x = osp_find(f, out, &osp_rule_pool_exhausted, lost ? "not given back" : "too few", confidence, 1);
    if (!x)
        return;
    osp_finding_blame_group(f, x, most);
    x->summary = lost ? osp_arena_fmt(a,
                                      "%u goroutines wait in %.*s for a database connection, and none comes back: no "
                                      "goroutine works with one.",
                                      waiting, STRF(osp_group_text(a, most)))
                      : osp_arena_fmt(a, "%u goroutines wait in %.*s for a database connection; %u work with one.",
                                      waiting, STRF(osp_group_text(a, most)), working);
    osp_finding_evidence(x, S("wait in the pool of database/sql"), waiting, "goroutines", "runtime");
    osp_finding_over_time(f, x, S("of them did not move while we looked"), still, "goroutines", "runtime");
    osp_finding_evidence(x, S("are at work with a connection"), working, "goroutines", "runtime");
    if (most->stood_s >= 0)
        osp_finding_over_time(f, x, S("half of them have waited at least, by looks"), most->stood_s, "s", "runtime");
    osp_finding_over_time(f, x, S("of a core used meanwhile"), 100 * f->cores_used, "%", "schedstat");
    x->next = lost
                  ? osp_arena_fmt(a, "close rows and transactions on every way out of %.*s (defer rows.Close())",
                                  STRF(x->culprit.func))
                  : S("raise the pool's limit as far as the database allows, or hold connections for a shorter time");
}
