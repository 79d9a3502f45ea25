/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

/* A start of a program takes a millisecond or more; some a second are what scripts and health checks do. */
static const double rate_floor = 10, cores_floor = 0.05, share_floor = 0.3;

static uint32_t wants(const osp_facts *early);
static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_process_churn = {
    .name = "process-churn",
    .asks = "does it start programs all the time?",
    .topic = "child processes",
    .more = "syscalls PID",
    .title = "CPU burnt on starting processes",
    .order = 8,
    .wants = wants,
    .check = check,
};

static bool has(const osp_call *call, uint32_t n, const char *part)
{
    for (uint32_t i = 0; i < n; i++)
        if (osp_str_has(call[i].func, osp_str_from(part)))
            return true;
    return false;
}

/* A fork, not a new thread. */
static bool is_fork(const osp_place_fact *p, const void *ctx)
{
    (void)ctx;
    return p->count > 0 && p->ncall && !has(p->call, p->ncall, "newosproc") &&
           !has(p->call, p->ncall, "pthread_create") && !has(p->call, p->ncall, "cgo_thread_start");
}

/* The program that its children are most often; "" if none was seen. */
static osp_str started(const osp_facts *f)
{
    const osp_child_fact *best = NULL;
    for (uint32_t i = 0; i < f->nchild; i++)
        if (!best || f->child[i].seen > best->seen)
            best = &f->child[i];
    return best ? best->name : S("");
}

/* Stacks end in Go's own fork, which leaves none behind it: then by the goroutines that start programs, or wait for them. */
static bool blame_group(const osp_facts *f, osp_finding *x, osp_str *who)
{
    for (uint32_t i = 0; i < f->goroutine.ngroup; i++) {
        const osp_group_fact *g = &f->goroutine.group[i];
        uint32_t at = has(g->call, g->ncall, "os/exec.(*Cmd)") || has(g->call, g->ncall, "os.StartProcess") ||
                              has(g->call, g->ncall, "os.(*Process).") || has(g->call, g->ncall, "syscall.forkExec")
                          ? osp_user_call(g->call, g->ncall)
                          : UINT32_MAX;
        if (at == UINT32_MAX || g->call[at].kind != OSP_CALL_GO)
            continue;
        osp_finding_blame_group(f, x, g);
        *who = osp_call_text(f->arena, &g->call[at]);
        return true;
    }
    return false;
}

static double in_copying(const osp_facts *f)
{
    double share = 0;
    for (uint32_t i = 0; i < f->nstack; i++)
        share += has(f->stack[i].call, f->stack[i].ncall, "copy_process") ||
                         has(f->stack[i].call, f->stack[i].ncall, "dup_mm")
                     ? f->stack[i].share
                     : 0;
    return share;
}

static uint32_t wants(const osp_facts *early)
{
    return early->proc.children_cores > 0.01 || in_copying(early) > 0.05 ? OSP_ASK_BIRTHS : 0;
}

static void check(const osp_facts *f, osp_findings *out)
{
    double forks = 0, children = f->proc.children_cores;
    osp_blamed who;
    if (!f->births.known || !osp_blame_places(f, f->births.place, f->births.nplace, is_fork, NULL, &who))
        return;
    for (uint32_t i = 0; i < f->births.nplace; i++)
        forks += is_fork(&f->births.place[i], NULL) ? f->births.place[i].count : 0;
    osp_str program = started(f);
    double copying = in_copying(f), cost = children + copying * f->cores_used;
    double share = cost / (children + f->cores_used + 1e-9);
    if (forks < rate_floor && !(copying > 0.2 && forks > 1))
        return;
    if (cost < cores_floor || share < share_floor)
        return;
    bool huge = copying > 0.3 && copying * f->cores_used > children;
    osp_finding *x = osp_find(f, out, &osp_rule_process_churn, huge ? "large parent" : NULL,
                              0.75 + 0.2 * osp_ramp(share, share_floor, 0.7), share);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_str culprit = osp_call_text(a, who.call);
    if (who.call->kind == OSP_CALL_GO || who.call->kind == OSP_CALL_C || !blame_group(f, x, &culprit))
        osp_finding_blame(f, x, &who);
    osp_str what = program.n ? osp_arena_fmt(a, " (%.*s)", STRF(program)) : S("");
    x->summary =
        osp_arena_fmt(a, "%.*s starts %.0f processes/s%.*s: %.2f cores go into them%s.", STRF(culprit), forks,
                      STRF(what), cost, huge ? ", most of it into copying this process's page tables" : "");
    osp_finding_evidence(x, program.n ? osp_arena_fmt(a, "started, most of them %.*s", STRF(program)) : S("started"),
                         forks, "processes/s", "sched_process_fork");
    osp_finding_evidence(x, S("used by children that have ended"), children, "cores", "/proc/PID/stat");
    osp_finding_evidence(x, S("used by the process itself"), f->cores_used, "cores", "schedstat");
    if (copying > 0.02)
        osp_finding_evidence(x,
                             osp_arena_fmt(a, "of its samples copy it for a fork; it has %.0f MB resident",
                                           (double)f->process.rss_bytes / 1e6),
                             100 * copying, "%", "samples");
    x->next = huge ? S("start programs from a small helper process, or with posix_spawn, which copies nothing")
                   : osp_arena_fmt(a, "let %.*s keep a worker process, or call a library instead of a program",
                                   STRF(culprit));
}
