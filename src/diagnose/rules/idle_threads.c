/* SPDX-License-Identifier: Apache-2.0 */
/* Threads of a Go program never end: after a burst of blocking calls they stay, idle. Harmless but for their memory. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_idle_threads = {
    .name = "idle-threads",
    .asks = "are there many threads with nothing to do, from a burst of blocking calls?",
    .topic = "threads",
    .more = "threads PID --stack",
    .only_go = true,
    .title = "threads are left over from a burst",
    .order = 90,
    .after = "thread-explosion",
    .check = check,
};

/* A few dozen come with any program that reads files or asks names. */
static const int32_t least_idle = 64;

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_sched_fact *s = &f->sched;
    if (!s->known || s->idle_threads < least_idle || s->idle_threads < 8 * s->gomaxprocs ||
        s->idle_threads < 0.6 * s->threads || s->threads_per_s > 1)
        return;
    osp_arena *a = f->arena;
    osp_finding *x =
        osp_find(f, out, &osp_rule_idle_threads, NULL, 0.61 + 0.1 * osp_ramp(s->idle_threads, least_idle, 256), 0.3);
    if (!x)
        return;
    x->summary = osp_arena_fmt(
        a, "%d of %d threads have nothing to do: so many blocked at one time in the past, and Go ends no thread.",
        s->idle_threads, s->threads);
    osp_finding_evidence(x, S("parked, without work"), s->idle_threads, "threads", "runtime");
    osp_finding_evidence(x, S("goroutines may run at a time"), s->gomaxprocs, "GOMAXPROCS", "runtime");
    osp_finding_evidence(x, S("growth"), s->threads_per_s, "threads/s", "runtime");
    x->next = S("bound how many blocking calls (C, files, DNS through C) there are at a time; the threads themselves "
                "do no harm");
}
