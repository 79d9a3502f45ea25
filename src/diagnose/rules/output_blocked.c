/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_output_blocked = {
    .name = "output-blocked",
    .asks = "is it stuck in writing to a pipe, a terminal or a socket that nobody reads?",
    .topic = "output",
    .more = "goroutines PID",
    .title = "stuck in writing its output",
    .order = 2,
    .check = check,
};

/* A thread that has not run at all in a write. */
static const osp_blocked_fact *stuck_writer(const osp_facts *f)
{
    static const double still = 0.3; /* switches a second */
    for (uint32_t i = 0; i < f->blocked.n; i++) {
        const osp_blocked_fact *r = &f->blocked.row[i];
        bool writes = osp_str_starts(r->call, S("write fd ")) || osp_str_starts(r->call, S("writev fd "));
        bool file = osp_str_has(r->call, S("(/")) && !osp_str_has(r->call, S("(/dev/"));
        const osp_thread_fact *t = writes && !file ? osp_thread_of(f, r->tid) : NULL;
        if (t && t->voluntary_per_s < still && t->running < 0.001)
            return r;
    }
    return NULL;
}

static bool is_write(const osp_group_fact *g)
{
    for (uint32_t i = 0; i < g->ncall; i++)
        if (osp_str_eq(g->call[i].func, S("syscall.write")) || osp_str_eq(g->call[i].func, S("syscall.Write")) ||
            osp_str_has(g->call[i].func, S("poll.(*FD).Write")))
            return g->status == OSP_G_SYSCALL;
    return false;
}

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_blocked_fact *w = stuck_writer(f);
    if (!w || f->stopped || f->window_ns < 900000000)
        return;
    const osp_group_fact *g = NULL;
    uint32_t behind = 0;
    for (uint32_t i = 0; i < f->goroutine.ngroup; i++) {
        const osp_group_fact *o = &f->goroutine.group[i];
        g = !g && is_write(o) ? o : g;
        behind += osp_at_lock(osp_at_of(o->call, o->ncall)) ? o->n : 0;
    }
    bool standard = osp_str_has(w->call, S("fd 1 ")) || osp_str_has(w->call, S("fd 2 "));
    osp_finding *x = osp_find(f, out, &osp_rule_output_blocked, NULL, standard || behind ? 0.92 : 0.7, 1);
    if (!x)
        return;
    osp_arena *a = f->arena;
    if (g)
        osp_finding_blame_group(f, x, g);
    osp_str others = behind ? osp_arena_fmt(a, "; %u goroutines wait for locks behind it", behind) : S("");
    x->summary =
        osp_arena_fmt(a, "Thread %d is stuck in %.*s: nobody reads it%.*s.", w->tid, STRF(w->call), STRF(others));
    osp_finding_evidence(x, osp_arena_fmt(a, "stuck in %.*s, at least", STRF(w->call)), (double)f->window_ns / 1e9,
                         "s", "/proc/PID/task");
    osp_finding_evidence(x,
                         osp_arena_fmt(a, "of the same kind; wchan %.*s", STRF(w->wchan.n ? w->wchan : S("unknown"))),
                         w->n, "threads", "/proc/PID/task");
    if (f->goroutine.known)
        osp_finding_evidence(x, S("wait for locks meanwhile"), behind, "goroutines", "runtime");
    osp_finding_over_time(f, x, S("used meanwhile"), f->cores_used, "cores", "schedstat");
    x->next = S("let its reader go on, or log through something that drops lines instead of waiting");
}
