/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that come and stay. Here: because a goroutine is locked to each. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_thread_explosion = {
    .name = "thread-explosion",
    .asks = "does the number of threads grow without end?",
    .topic = "threads",
    .more = "threads PID --stack",
    .only_go = true,
    .title = "threads pile up",
    .order = 4,
    .check = check,
};

/* Runtimes make some threads when a load begins: one for each P and each call into the kernel. */
static const double least_per_s = 1, least_locked = 8;

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_group_fact *g = NULL;
    uint32_t locked = 0, born = 0;
    for (uint32_t i = 0; i < f->goroutine.ngroup; i++) {
        const osp_group_fact *o = &f->goroutine.group[i];
        locked += o->locked;
        if (o->locked > 0.5 * o->n && (!g || o->locked > g->locked)) {
            g = o;
            born = o->born;
        }
    }
    const osp_sched_fact *s = &f->sched;
    if (!g || !s->known || g->locked < least_locked || born < 4 || s->threads_per_s < least_per_s ||
        s->threads_per_s < 4 * s->threads_error)
        return;
    double rate = born / f->goroutine.seconds;
    /* The threads grow as these goroutines do. */
    if (rate < 0.5 * s->threads_per_s || g->status != OSP_G_WAITING || g->gone_alike > 0.2 * born)
        return;
    osp_arena *a = f->arena;
    osp_finding *x = osp_find(f, out, &osp_rule_thread_explosion, "locked goroutines",
                              0.8 + 0.17 * osp_ramp(s->threads_per_s, 1, 10), 1);
    if (!x)
        return;
    osp_finding_blame_group(f, x, g);
    x->summary =
        osp_arena_fmt(a,
                      "%.0f threads a second come and stay: each belongs to a goroutine that %.*s locked to its "
                      "thread and that waits (%.*s).",
                      s->threads_per_s, STRF(osp_group_text(a, g)), STRF(g->state));
    osp_finding_evidence(x, osp_arena_fmt(a, "growth, now %d", s->threads), s->threads_per_s, "threads/s", "runtime");
    osp_finding_evidence(x, osp_arena_fmt(a, "locked to their threads, of %u", locked), g->locked, "goroutines",
                         "runtime");
    osp_finding_over_time(f, x, S("of them were born while we looked"), born, "goroutines", "runtime");
    if (g->creator.func.n)
        osp_finding_evidence(x, osp_arena_fmt(a, "their creator: %.*s", STRF(osp_call_text(a, &g->creator))), 1,
                             "source", "runtime");
    osp_finding_over_time(f, x, S("of a core used meanwhile"), 100 * f->cores_used, "%", "schedstat");
    x->next =
        S("drop runtime.LockOSThread where it is not needed, or let the goroutine end (its thread ends with it)");
}
