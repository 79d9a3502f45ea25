/* SPDX-License-Identifier: Apache-2.0 */
/* One goroutine runs all finalizers, one after the other (cleanups: a few). One that waits holds up all others, and what they
 * would free stays. */
#include "diagnose/diagnose_internal.h"

static const double least_s = 1.5; /* it stood for so long at least */

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_finalizer_blocked = {
    .name = "finalizer-blocked",
    .asks = "is a finalizer stuck, so that no other one runs?",
    .topic = "leaks",
    .more = "goroutines PID -s",
    .only_go = true,
    .title = "a finalizer is stuck, and holds up all others",
    .order = 4,
    .check = check,
};

/* The runtime's goroutine that runs them: finalizers since ever, cleanups since Go 1.24. */
static const osp_call *runner_of(const osp_group_fact *g)
{
    for (uint32_t i = g->ncall; i-- > 0;)
        if (osp_str_among(g->call[i].func, "runtime.runfinq runtime.runFinalizers runtime.runCleanups"))
            return &g->call[i];
    return NULL;
}

static double resident(const osp_moment *m) { return (double)m->usage.rss_bytes; }

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_group_fact *stuck = NULL;
    const osp_call *runner = NULL;
    for (uint32_t i = 0; f->goroutine.known && i < f->goroutine.ngroup && !stuck; i++) {
        const osp_group_fact *g = &f->goroutine.group[i];
        runner = g->still && g->still == g->n ? runner_of(g) : NULL;
        stuck = runner && osp_place_in(g->call, g->ncall) != UINT32_MAX ? g : NULL;
    }
    if (!stuck || f->goroutine.seconds < least_s)
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_finalizer_blocked, NULL,
                              0.75 + 0.15 * osp_ramp(f->goroutine.seconds, least_s, 4), 1);
    if (!x)
        return;
    osp_arena *a = f->arena;
    double error;
    osp_finding_blame_group(f, x, stuck);
    x->summary = osp_arena_fmt(a, "A finalizer is stuck in %.*s (%.*s): no other one runs, and what they free stays.",
                               STRF(osp_group_text(a, stuck)), STRF(stuck->state));
    osp_finding_evidence(x, osp_arena_fmt(a, "it has not moved, under %.*s", STRF(runner->func)),
                         stuck->most_s > f->goroutine.seconds ? stuck->most_s : f->goroutine.seconds, "s", "runtime");
    osp_finding_evidence(x,
                         osp_arena_fmt(a, "that run finalizers or cleanups, in this state: %.*s", STRF(stuck->state)),
                         stuck->n, "goroutines", "runtime");
    for (uint32_t i = 0; i < stuck->nobject && i < 1; i++)
        osp_finding_evidence(x, osp_arena_fmt(a, "waits on 0x%llx", (unsigned long long)stuck->object[i].addr),
                             stuck->object[i].all, "goroutines", "runtime");
    if (f->gc.known)
        osp_finding_evidence(x, S("live on the Go heap"), (double)f->gc.marked / 1048576, "MB", "runtime");
    if (f->proc.known && f->proc.n > 2)
        osp_finding_evidence(x, S("growth of the resident memory"), osp_slope(&f->proc, resident, &error) / 1048576,
                             "MB/s", "/proc/PID/statm");
    x->next =
        S("let finalizers do nothing that can wait (channels, locks, I/O): hand the work to a goroutine; better, "
          "an explicit Close");
}
