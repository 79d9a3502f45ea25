/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines as the work: what they say is written one by one, all the time. */
#include "diagnose/diagnose_internal.h"

/* Of the process's CPU, and lines a second. A server that logs a line for each request spends a tenth on it. */
static const double least_share = 0.35, surely_share = 0.6, demand_floor = 0.25;
static const double least_writes_per_s = 1000;

static uint32_t wants(const osp_facts *early);
static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_log_flood = {
    .name = "log-flood",
    .asks = "does the CPU go into writing log lines?",
    .topic = "system calls",
    .more = "syscalls PID",
    .only_go = true,
    .title = "the CPU goes into log lines",
    .order = 11,
    .after = " log-contention io-error-loop fd-exhaustion ",
    .wants = wants,
    .check = check,
};

static uint32_t logs(const osp_stack_fact *s) { return osp_log_caller(s->call, s->ncall); }

static double share_of(const osp_facts *f)
{
    double share = 0;
    for (uint32_t i = 0; i < f->nstack; i++)
        share += logs(&f->stack[i]) != UINT32_MAX ? f->stack[i].share : 0;
    return share - 2 * osp_share_error(share, f->samples);
}

static uint32_t wants(const osp_facts *early) { return share_of(early) >= 0.8 * least_share ? OSP_ASK_CALLS : 0; }

static bool writes(osp_str call) { return osp_str_among(call, "write writev pwrite64 sendto sendmsg"); }

static void check(const osp_facts *f, osp_findings *out)
{
    const double low = share_of(f), demand = osp_go_work_of(f).demand;
    double lines = 0, bytes = 0;
    const osp_used_fact *to = NULL;
    osp_blamed who;
    if (!f->calls.known || low < least_share || low * demand < demand_floor)
        return;
    for (uint32_t i = 0; i < f->calls.nplace; i++) {
        const osp_place_fact *p = &f->calls.place[i];
        lines += writes(p->name) && osp_log_caller(p->call, p->ncall) != UINT32_MAX ? p->count : 0;
    }
    for (uint32_t i = 0; i < f->calls.nused && !to; i++)
        to = writes(f->calls.used[i].name) ? &f->calls.used[i] : NULL;
    for (uint32_t i = 0; i < f->calls.n; i++)
        bytes += writes(f->calls.row[i].name) ? f->calls.row[i].bytes_per_s : 0;
    if (lines < least_writes_per_s || !osp_blame_by(f, logs, &who))
        return;
    osp_finding *x =
        osp_find(f, out, &osp_rule_log_flood, NULL, 0.65 + 0.3 * osp_ramp(low, least_share, surely_share), low);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_finding_blame(f, x, &who);
    x->summary = osp_arena_fmt(a, "%.*s log lines a second, most from %.*s, take %.0f %% of this process's CPU.",
                               STRF(osp_rate_text(a, lines)), STRF(osp_call_text(a, who.call)), 100 * low);
    osp_finding_evidence(x, S("of its CPU at least makes and writes log lines"), 100 * low, "%", "samples");
    osp_finding_evidence(x,
                         to ? osp_arena_fmt(a, "by loggers, most to descriptor %d (%.*s)", to->fd, STRF(to->what))
                            : S("by loggers"),
                         lines, "writes/s", "syscalls");
    osp_finding_evidence(x, S("written"), bytes / 1048576, "MB/s", "syscalls");
    osp_finding_evidence(x, S("of a core wanted by that"), 100 * low * demand, "%", "schedstat");
    x->next = osp_arena_fmt(a, "a higher level, or samples of the lines of %.*s; a buffer between logger and file",
                            STRF(who.call->func));
}
