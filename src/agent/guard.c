/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/agent.h"

#include "base/clock.h"
#include "base/file.h"
#include "net/net.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct osp_guard {
    osp_process *process;
    osp_go *go;
    const osp_guard_limits *limits;
    osp_net *net; /* NULL: there is no probe */
    uint64_t begin_ns;
    osp_guard_look look[OSP_GUARD_LOOKS]; /* look n at n % OSP_GUARD_LOOKS */
    uint64_t n;
};

/* ---- judging ------------------------------------------------------------------------------------------------------- */

osp_str osp_trip_name(osp_trip_kind k)
{
    static const char *const name[] = {"none",        "cpu",      "rss",          "memory", "goroutines", "threads",
                                       "descriptors", "pressure", "memory-event", "oom",    "probe",      "ended"};
    return osp_str_from(name[k]);
}

#define TRIP(k, ...)                                        \
    do {                                                    \
        out->kind = (k);                                    \
        snprintf(out->text, sizeof out->text, __VA_ARGS__); \
        return true;                                        \
    } while (0)

/* What happened between two looks. */
static bool events(const osp_guard_limits *l, const osp_guard_look *was, const osp_guard_look *is, osp_trip *out)
{
    const osp_cgroup_usage *a = &was->cgroup, *b = &is->cgroup;
    if (l->oom && a->known && b->known && b->oom_kills > a->oom_kills)
        TRIP(OSP_TRIP_OOM, "the kernel killed %llu of its cgroup for want of memory",
             (unsigned long long)(b->oom_kills - a->oom_kills));
    if (!is->alive)
        TRIP(OSP_TRIP_ENDED, "the process has ended");
    if (l->memory_events && a->known && b->known && b->high_events > a->high_events)
        TRIP(OSP_TRIP_MEMORY_EVENT, "memory.high was passed %llu times",
             (unsigned long long)(b->high_events - a->high_events));
    if (l->memory_events && a->known && b->known && b->max_events > a->max_events)
        TRIP(OSP_TRIP_MEMORY_EVENT, "the memory limit was met %llu times",
             (unsigned long long)(b->max_events - a->max_events));
    return false;
}

/* What is above its limit now. Page cache that the kernel would give up at once does not count as used. */
static bool levels(const osp_guard_limits *l, const osp_guard_look *was, const osp_guard_look *is, osp_trip *out)
{
    const osp_usage *u = &is->usage;
    double s = is->at_s - was->at_s;
    double cores =
        s > 0 ? (double)(u->user_ns + u->system_ns - was->usage.user_ns - was->usage.system_ns) / 1e9 / s : 0;
    uint64_t limit = is->cgroup.memory_limit, used = is->cgroup.memory_bytes;
    used -= is->cgroup.reclaimable_bytes < used ? is->cgroup.reclaimable_bytes : used;
    if (l->cpu_cores > 0 && cores > l->cpu_cores)
        TRIP(OSP_TRIP_CPU, "CPU %.2f cores is above %.2f", cores, l->cpu_cores);
    if (l->rss_bytes && u->rss_bytes > l->rss_bytes)
        TRIP(OSP_TRIP_RSS, "RSS %.0f MB is above %.0f MB", (double)u->rss_bytes / 1e6, (double)l->rss_bytes / 1e6);
    if (l->memory_share > 0 && limit && (double)used > l->memory_share * (double)limit)
        TRIP(OSP_TRIP_MEMORY, "its cgroup uses %.0f of %.0f MB, above %.0f %%", (double)used / 1e6,
             (double)limit / 1e6, 100 * l->memory_share);
    if (l->goroutines && is->goroutines > l->goroutines)
        TRIP(OSP_TRIP_GOROUTINES, "%lld goroutines are more than %lld", (long long)is->goroutines,
             (long long)l->goroutines);
    if (l->threads && u->threads > l->threads)
        TRIP(OSP_TRIP_THREADS, "%u threads are more than %u", u->threads, l->threads);
    if (l->fds && u->fds != UINT32_MAX && u->fds > l->fds)
        TRIP(OSP_TRIP_FDS, "%u descriptors are more than %u", u->fds, l->fds);
    if (l->pressure > 0 && s > 0 && was->stalled_s >= 0 && is->stalled_s - was->stalled_s > l->pressure * s)
        TRIP(OSP_TRIP_PRESSURE, "something waited for memory %.0f %% of the time, above %.0f %%",
             100 * (is->stalled_s - was->stalled_s) / s, 100 * l->pressure);
    if (l->probe && is->probe_s > l->probe_s) {
        if (isfinite(is->probe_s))
            TRIP(OSP_TRIP_PROBE, "the probe took %.2f s, above %.2f s", is->probe_s, l->probe_s);
        TRIP(OSP_TRIP_PROBE, "the probe was not answered well within %.2f s", l->probe_s);
    }
    return false;
}

void osp_guard_judge(const osp_guard_limits *l, const osp_guard_look *before, const osp_guard_look *now,
                     osp_trip *out)
{
    *out = (osp_trip){0};
    if (!events(l, before, now, out) && now->alive)
        (void)levels(l, before, now, out);
}

/* ---- looking ------------------------------------------------------------------------------------------------------- */

static double probe(const osp_guard *g)
{
    osp_http_answer answer = {0};
    osp_err ignored; /* no answer is the answer */
    if (!g->net)
        return -1;
    uint64_t from = osp_monotonic_ns();
    osp_http_ask ask = {
        .url = g->limits->probe, .timeout_ms = (int64_t)(g->limits->probe_s * 1000) + 1, .limit = 16 << 20};
    bool ok = osp_http(g->net, &ask, &answer, &ignored) && answer.status >= 200 && answer.status < 400;
    osp_buf_drop(&answer.body);
    return ok ? (double)(osp_monotonic_ns() - from) / 1e9 : INFINITY;
}

static void look(osp_guard *g)
{
    osp_guard_look *l = &g->look[g->n % OSP_GUARD_LOOKS];
    osp_guard_look last = g->n ? g->look[(g->n - 1) % OSP_GUARD_LOOKS] : (osp_guard_look){0};
    osp_err ignored; /* what cannot be read is not known */
    osp_go_snapshot go;
    osp_arena few;
    *l = (osp_guard_look){.goroutines = -1, .at_s = (double)(osp_monotonic_ns() - g->begin_ns) / 1e9};
    l->alive = osp_process_usage(g->process, &l->usage, &ignored) && osp_process_alive(g->process);
    /* Of one that is gone its cgroup can be asked no more by its pid; the folder still says what happened. */
    if (!l->alive || !osp_process_cgroup_usage(osp_process_pid(g->process), &l->cgroup, &ignored))
        osp_cgroup_events_again(&last.cgroup, &l->cgroup);
    osp_arena_init(&few, 16 << 20);
    if (l->alive && g->go && g->limits->goroutines && osp_go_snapshot_read(g->go, &few, &go, &ignored))
        l->goroutines = go.ngoroutine;
    osp_arena_drop(&few);
    l->stalled_s = g->limits->pressure > 0 ? osp_cgroup_stalled_s(&l->cgroup) : -1;
    l->probe_s = l->alive ? probe(g) : -1;
    g->n++;
}

osp_guard *osp_guard_new(osp_process *p, osp_go *go, const osp_guard_limits *limits, osp_err *err)
{
    osp_guard *g = calloc(1, sizeof *g);
    if (!g) {
        osp_fail_memory(err, "guarding");
        return NULL;
    }
    *g = (osp_guard){.process = p, .go = go, .limits = limits, .begin_ns = osp_monotonic_ns()};
    if (limits->probe && !(g->net = osp_net_open(err))) {
        osp_guard_drop(g);
        return NULL;
    }
    return g;
}

void osp_guard_drop(osp_guard *g)
{
    if (!g)
        return;
    if (g->net)
        osp_net_close(g->net);
    free(g);
}

/* Until it is time for the next look, or the process has ended: what killed it is told at once. */
static void rest(const osp_guard *g, uint64_t until_ns, const volatile sig_atomic_t *stop)
{
    const struct timespec step = {.tv_nsec = 50000000};
    while (osp_monotonic_ns() < until_ns && !(stop && *stop) && osp_process_alive(g->process))
        nanosleep(&step, NULL);
}

void osp_guard_wait(osp_guard *g, double interval_s, unsigned looks, const volatile sig_atomic_t *stop,
                    osp_each_guard_look *each, void *ctx, osp_trip *out)
{
    unsigned row = 0;
    osp_trip_kind last = OSP_TRIP_NONE;
    *out = (osp_trip){0};
    while (!(stop && *stop)) {
        look(g);
        const osp_guard_look *now = &g->look[(g->n - 1) % OSP_GUARD_LOOKS];
        if (each)
            each(ctx, now);
        osp_guard_judge(g->limits, g->n > 1 ? &g->look[(g->n - 2) % OSP_GUARD_LOOKS] : now, now, out);
        row = out->kind == last ? row + 1 : 1;
        last = out->kind;
        bool event = out->kind == OSP_TRIP_OOM || out->kind == OSP_TRIP_ENDED || out->kind == OSP_TRIP_MEMORY_EVENT ||
                     out->kind == OSP_TRIP_MEMORY; /* what is left may be used up before the next look */
        if (out->kind && (event || row >= looks))
            return;
        rest(g, g->begin_ns + (uint64_t)((now->at_s + interval_s) * 1e9), stop);
    }
    *out = (osp_trip){0};
}

const osp_guard_look *osp_guard_last(const osp_guard *g, uint32_t i)
{
    uint64_t first = g->n > OSP_GUARD_LOOKS ? g->n - OSP_GUARD_LOOKS : 0;
    return first + i < g->n ? &g->look[(first + i) % OSP_GUARD_LOOKS] : NULL;
}
