/* SPDX-License-Identifier: Apache-2.0 */
/* Goroutines queue for the lock under which a logger writes each line. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_log_contention = {
    .name = "log-contention",
    .asks = "do goroutines queue for the lock of a logger?",
    .topic = "locks",
    .more = "goroutines PID",
    .only_go = true,
    .title = "goroutines queue to write log lines",
    .order = 12,
    .check = check,
};

static const double demand_floor = 0.3;
static const uint32_t least_waiting = 3;

static bool writes(const osp_stack_fact *s, uint32_t below)
{
    for (uint32_t i = 0; i < below; i++)
        if (osp_str_has(s->call[i].func, S("syscall.write")) || osp_str_has(s->call[i].func, S("syscall.Write")) ||
            osp_str_has(s->call[i].func, S("syscall.pwrite")))
            return true;
    return false;
}

static void check(const osp_facts *f, osp_findings *out)
{
    uint32_t waiting = 0;
    const osp_waited_fact *lock = NULL;
    for (uint32_t i = 0; f->goroutine.known && i < f->goroutine.ngroup; i++) {
        const osp_group_fact *g = &f->goroutine.group[i];
        if (osp_at_of(g->call, g->ncall) != OSP_AT_MUTEX || osp_log_caller(g->call, g->ncall) == UINT32_MAX)
            continue;
        waiting += osp_moving(g);
        for (uint32_t k = 0; k < g->nobject; k++)
            if (g->object[k].has_lock && (!lock || g->object[k].all > lock->all))
                lock = &g->object[k];
    }
    osp_mark *mark = osp_new(f->arena, osp_mark, f->nstack + 1);
    double demand = osp_go_work_of(f).demand, share = 0, writing = 0;
    if (!mark || f->samples < 20 || waiting < least_waiting || demand < demand_floor)
        return;
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        mark[i].call = osp_log_caller(s->call, s->ncall);
        mark[i].sign = mark[i].call != UINT32_MAX;
        share += mark[i].sign ? s->share : 0;
        writing += mark[i].sign && writes(s, mark[i].call) ? s->share : 0;
    }
    osp_blamed who;
    if (share < 0.25 || writing < 0.1 || !osp_blame(f, mark, NULL, &who))
        return;
    osp_arena *a = f->arena;
    double confidence = 0.65 + 0.2 * osp_ramp(share, 0.25, 0.6) + 0.12 * osp_ramp(waiting, least_waiting, 12);
    osp_finding *x = osp_find(f, out, &osp_rule_log_contention, NULL, confidence, share);
    if (!x)
        return;
    osp_finding_blame(f, x, &who);
    x->summary = osp_arena_fmt(
        a, "%u goroutines queue for one logger, most from %.*s: logging is %.0f %% of this process's CPU.", waiting,
        STRF(osp_call_text(a, who.call)), 100 * share);
    osp_finding_evidence(
        x, osp_arena_fmt(a, "± %.0f of all samples in the logger", 200 * osp_share_error(share, f->samples)),
        100 * share, "%", "samples");
    osp_finding_evidence(x, S("of all samples in its writes"), 100 * writing, "%", "samples");
    osp_finding_evidence(x, S("stood at its lock at one moment"), waiting, "goroutines", "runtime");
    if (lock)
        osp_finding_evidence(x, osp_arena_fmt(a, "wait for the lock 0x%llx", (unsigned long long)lock->addr),
                             lock->all, "goroutines", "runtime");
    for (uint32_t i = 0; i < f->calls.n && f->calls.known; i++)
        if (osp_str_eq(f->calls.row[i].name, S("write"))) {
            osp_finding_evidence(
                x,
                osp_arena_fmt(a, "of %.0f bytes",
                              f->calls.row[i].per_s > 0 ? f->calls.row[i].bytes_per_s / f->calls.row[i].per_s : 0),
                f->calls.row[i].per_s, "writes/s", "syscalls");
            break;
        }
    x->next = osp_arena_fmt(a, "log less in %.*s (level, sampling), or write through a buffer", STRF(who.call->func));
}
