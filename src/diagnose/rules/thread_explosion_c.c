/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that come and stay because C, called from Go, does not return; or because a C program goes on making them. */
#include "diagnose/diagnose_internal.h"

/* Runtimes and pools make some threads when a load begins; those do not go on coming. */
static const double rate_floor = 2, error_part = 5;
static const uint32_t grown_floor = 10, alike_floor = 16;

static uint32_t wants(const osp_facts *early);
static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_thread_explosion_c = {
    .name = "thread-explosion",
    .asks = "do threads pile up that are blocked in C?",
    .topic = "threads",
    .more = "threads PID --stack",
    .title = "threads pile up, blocked in C",
    .order = 5,
    .wants = wants,
    .check = check,
};

static double threads(const osp_moment *m) { return (double)m->usage.threads; }

static uint32_t wants(const osp_facts *early)
{
    uint32_t n = early->proc.n;
    return early->proc.known && n > 1 &&
                   early->proc.moment[n - 1].usage.threads >= early->proc.moment[0].usage.threads + 4
               ? OSP_ASK_OFF_CPU
               : 0;
}

/* Blocked in native code: in C that Go called, or in a program without Go. */
static bool is_in_c(const osp_place_fact *p, const void *ctx)
{
    const osp_facts *f = ctx;
    bool native = false;
    for (uint32_t i = 0; i < p->ncall; i++) {
        native = native || p->call[i].kind == OSP_CALL_C || p->call[i].kind == OSP_CALL_LIB;
        if (osp_is_crossing_frame(&p->call[i]) || p->call[i].kind == OSP_CALL_GO)
            return native;
    }
    return native && !f->is_go;
}

/* What most of the threads are blocked in. */
static const osp_blocked_fact *most_alike(const osp_facts *f)
{
    const osp_blocked_fact *best = NULL;
    for (uint32_t i = 0; i < f->blocked.n; i++)
        if (!best || f->blocked.row[i].n > best->n)
            best = &f->blocked.row[i];
    return best;
}

/* Of a library the function that was called says more than the one deep in it that waits. */
static const osp_call *entered(const osp_blamed *who)
{
    const osp_call *c = who->call, *end = who->stack->call + who->stack->ncall;
    while (c->kind == OSP_CALL_LIB && c + 1 < end && c[1].kind == OSP_CALL_LIB)
        c++;
    return c;
}

static void check(const osp_facts *f, osp_findings *out)
{
    double error, slope = osp_slope(&f->proc, threads, &error);
    uint32_t n = f->proc.n;
    if (!f->proc.known || n < 4 || slope < rate_floor || slope < error_part * error ||
        threads(&f->proc.moment[n - 1]) - threads(&f->proc.moment[0]) < grown_floor)
        return;
    osp_place_fact *by_time = osp_new(f->arena, osp_place_fact, f->off_cpu.nplace + 1);
    osp_blamed who;
    double in_c = 0, all = 0;
    for (uint32_t i = 0; by_time && i < f->off_cpu.nplace; i++) {
        by_time[i] = f->off_cpu.place[i];
        by_time[i].count = by_time[i].amount; /* the time counts, not how often */
        all += by_time[i].amount / 1e9;
        in_c += is_in_c(&by_time[i], f) ? by_time[i].amount / 1e9 : 0;
    }
    if (!by_time || in_c < 0.5 * all || in_c < 4 ||
        !osp_blame_places(f, by_time, f->off_cpu.nplace, is_in_c, f, &who))
        return;
    who.call = entered(&who);
    const osp_blocked_fact *alike = most_alike(f);
    osp_finding *x =
        osp_find(f, out, &osp_rule_thread_explosion_c, "blocked in C",
                 alike && alike->n >= alike_floor ? 0.75 + 0.2 * osp_ramp(slope, rate_floor, 15) : 0.6, 1);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_finding_blame(f, x, &who);
    const osp_call *go = NULL;
    for (uint32_t i = 0; i < who.stack->ncall && !go; i++)
        go = who.stack->call[i].kind == OSP_CALL_GO ? &who.stack->call[i] : NULL;
    osp_str by = go && go->func.p != who.call->func.p
                     ? osp_arena_fmt(a, ", called by %.*s", STRF(osp_call_text(a, go)))
                     : S("");
    x->summary = osp_arena_fmt(a, "%.0f threads a second come and stay, blocked in %.*s%.*s; now there are %.0f.",
                               slope, STRF(osp_call_text(a, who.call)), STRF(by), threads(&f->proc.moment[n - 1]));
    osp_finding_evidence(x, osp_arena_fmt(a, "± %.1f growth, now %.0f", 2 * error, threads(&f->proc.moment[n - 1])),
                         slope, "threads/s", "/proc");
    osp_finding_evidence(
        x, osp_arena_fmt(a, "blocked in C at a time, %.0f %% of them in %.*s", 100 * who.share, STRF(who.call->func)),
        in_c, "threads", "off-CPU");
    if (alike)
        osp_finding_evidence(x,
                             osp_arena_fmt(a, "alike in %.*s, wchan %.*s",
                                           STRF(alike->call.n ? alike->call : S("no call")),
                                           STRF(alike->wchan.n ? alike->wchan : S("unknown"))),
                             alike->n, "threads", "/proc/PID/task");
    osp_finding_evidence(x, S("cores used meanwhile"), f->cores_used, "cores", "schedstat");
    x->next = go ? osp_arena_fmt(a, "let %.*s through a semaphore, or give the C call a time limit%s", STRF(go->func),
                                 osp_str_has(who.call->func, S("getaddrinfo"))
                                     ? "; use Go's own resolver (GODEBUG=netdns=go)"
                                     : "")
                 : osp_arena_fmt(a, "bound the threads that enter %.*s", STRF(who.call->func));
}
