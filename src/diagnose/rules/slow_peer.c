/* SPDX-License-Identifier: Apache-2.0 */
/* Goroutines wait long for answers of HTTP servers, and nothing else happens. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_slow_peer = {
    .name = "slow-peer",
    .asks = "is the time spent on waiting for another service's answers?",
    .topic = "peers",
    .more = "goroutines PID",
    .only_go = true,
    .title = "waiting for another service",
    .order = 60,
    .after = "goroutine-deadlock pool-exhausted mutex-held-across-wait goroutine-leak",
    .check = check,
};

/* A few long polls are ordinary; a dozen goroutines that have all waited for a quarter of a second are a queue. */
static const uint32_t least_waiting = 12;
static const double least_s = 0.25, demand_ceiling = 0.3;

static bool asks_peer(const osp_group_fact *g)
{
    for (uint32_t i = 0; i < g->ncall && g->call[i].kind != OSP_CALL_GO; i++)
        if (osp_str_has(g->call[i].func, S("net/http.(*persistConn).roundTrip")) ||
            osp_str_has(g->call[i].func, S("net/http.(*http2ClientConn).")))
            return g->status == OSP_G_WAITING;
    return false;
}

static osp_str peer_of(const osp_facts *f)
{
    for (uint32_t i = 0; i < f->goroutine.ngroup; i++) {
        const osp_group_fact *g = &f->goroutine.group[i];
        bool loop = false;
        for (uint32_t k = 0; k < g->ncall; k++)
            loop = loop || osp_str_has(g->call[k].func, S("net/http.(*persistConn).readLoop"));
        if (loop && g->nobject && g->object[0].kind == OSP_WAIT_FD && g->object[0].file.n)
            return g->object[0].file;
    }
    return S("");
}

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_group_fact *most = NULL;
    uint32_t waiting = 0;
    for (uint32_t i = 0; f->goroutine.known && i < f->goroutine.ngroup; i++) {
        const osp_group_fact *g = &f->goroutine.group[i];
        if (!asks_peer(g))
            continue;
        waiting += g->n;
        most = !most || g->n > most->n ? g : most;
    }
    double demand = osp_go_work_of(f).demand;
    if (!most || waiting < least_waiting || most->stood_s < least_s || demand > demand_ceiling)
        return;
    osp_arena *a = f->arena;
    double confidence =
        0.61 + 0.12 * osp_ramp(most->stood_s, least_s, 1) + 0.1 * osp_ramp(waiting, least_waiting, 30);
    osp_finding *x = osp_find(f, out, &osp_rule_slow_peer, NULL, confidence, 0.7);
    if (!x)
        return;
    osp_finding_blame_group(f, x, most);
    osp_str peer = peer_of(f);
    x->summary = osp_arena_fmt(
        a, "%u goroutines wait in %.*s for the answer of another service%s%.*s, half of them for %.1f s and more.",
        waiting, STRF(osp_group_text(a, most)), peer.n ? ", " : "", STRF(peer), most->stood_s);
    osp_finding_evidence(x, S("wait for the answer to an HTTP request"), waiting, "goroutines", "runtime");
    osp_finding_evidence(x, S("half of them have waited at least, by looks"), most->stood_s, "s", "runtime");
    osp_finding_evidence(x, S("of them for as long as we looked"), most->still, "goroutines", "runtime");
    osp_finding_evidence(x, S("of a core wanted meanwhile"), 100 * demand, "%", "schedstat");
    x->next = S("look at the other service; give requests a time-out and bound how many there are at a time");
}
