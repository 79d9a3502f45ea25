/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks of what is sampled: on threads or on CPUs, and at which rate.
 *
 * A sample every 10 ms of CPU time (99 Hz) is plenty for a busy process and next to nothing for one that is nearly idle.
 * Since cpu-clock counts the threads' own CPU time, a light load can be sampled densely at the same cost: the rate is chosen
 * so that the whole recording gives about WANTED samples, looked at again four times a second, and every sample carries the
 * time it stands for, so that rates may change in between. */
#include "base/clock.h"
#include "base/hash.h"
#include "sample/sample_internal.h"

#include <math.h>
#include <stdio.h>

enum {
    USUAL_HZ = 99,
    HIGHEST_HZ = 4999,
    LOOKS_MOST_HZ = 250, /* at threads: the kernel counts by ticks */
    EARLY_HZ = 997,      /* of programs that we start, which may end soon */
    TICKS_MOST = 6400,   /* a second, of all CPUs together: each of them ticks, whoever runs there */
    WANTED = 300,
    BIRTHS_MANY = 5, /* threads born in a step: they live too shortly to have clocks of their own */
    VARY_NS = 100000000,
    THREADS_LIMIT = 64 << 20,
};

/* CPU time of all threads of a process so far. */
static uint64_t process_cpu_ns(osp_process *p)
{
    osp_arena a;
    osp_thread *t;
    osp_err err;
    uint32_t n;
    uint64_t sum = 0;
    osp_arena_init(&a, THREADS_LIMIT);
    if (osp_process_threads(p, &a, &t, &n, &err))
        for (uint32_t i = 0; i < n; i++)
            sum += t[i].run_ns;
    osp_arena_drop(&a);
    return sum;
}

static uint32_t rate_for(double cores, double seconds)
{
    double hz = cores > 0 ? WANTED / (cores * (seconds > 0 ? seconds : 10)) : HIGHEST_HZ;
    return (uint32_t)fmin(fmax(hz, USUAL_HZ), HIGHEST_HZ);
}

/* The rate of clocks on CPUs while there are few samples. */
static double dense_hz(void) { return fmin(EARLY_HZ, fmax(USUAL_HZ, TICKS_MOST / osp_host_cpus())); }

bool osp_clocks_rate_is_free(const osp_sampler *s)
{
    return !s->opts->hz && s->event.n == 1 && s->event.kind[0] == osp_event_kinds[0] && !osp_any_process(s);
}

/* How many cores were used since the last look: by the process's own clocks or, of several, by the samples. */
static double load_since(osp_sampler *s)
{
    uint64_t now = osp_monotonic_ns(), cpu = s->many ? s->sampled_ns : process_cpu_ns(s->subject->process);
    double cores =
        now > s->cpu_at_ns && cpu > s->cpu_ns ? (double)(cpu - s->cpu_ns) / (double)(now - s->cpu_at_ns) : 0;
    s->cpu_ns = cpu;
    s->cpu_at_ns = now;
    return cores;
}

static uint32_t asked_hz(const osp_sampler *s) { return s->opts->hz ? s->opts->hz : USUAL_HZ; }

void osp_clocks_begin(osp_sampler *s)
{
    s->cpu_at_ns = osp_monotonic_ns();
    s->cpu_ns = s->many ? 0 : process_cpu_ns(s->subject->process);
}

void osp_clocks_choose_rate(osp_sampler *s)
{
    s->hz = asked_hz(s);
    if (s->proc) {
        s->hz = s->hz < LOOKS_MOST_HZ ? s->hz : LOOKS_MOST_HZ;
        return;
    }
    if (!osp_clocks_rate_is_free(s))
        return;
    if (s->opts->release && s->bpf) /* it may end soon */
        s->hz = (uint32_t)dense_hz();
    else if (!s->opts->release && !s->many)
        s->hz = rate_for(load_since(s), s->opts->seconds);
}

void osp_clocks_close(osp_sampler *s)
{
    for (uint32_t i = 0; i < 2 * s->event.n; i++)
        osp_events_close(&s->events[i]);
}

/* Clocks on CPUs, or on threads? */
static bool by_cpus(const osp_sampler *s)
{
    if (s->many || s->threads_come)
        return true;
    if (osp_clocks_rate_is_free(s))
        return s->hz <= USUAL_HZ; /* more is for a process that hardly runs */
    return (uint64_t)s->hz * osp_host_cpus() <= TICKS_MOST;
}

static bool has_perf_event(const osp_event_kind *k) { return k->source == OSP_BY_PERF || k->source == OSP_BY_WALL; }

bool osp_clocks_open(osp_sampler *s, bool on_exec, osp_err *err)
{
    if (osp_only_looks(&s->event) || s->proc)
        return true;
    if (s->perf)
        return osp_perf_side_start(s->perf, s->given, s->ngiven, s->hz, on_exec, err);
    osp_process *p = by_cpus(s) ? NULL : s->subject->process;
    osp_bpf_side_since(s->bpf, osp_monotonic_ns());
    osp_bpf_side_rate(s->bpf, s->hz);
    bool ok = true;
    for (uint32_t i = 0; i < s->event.n; i++) {
        const osp_event_kind *kind = s->event.kind[i];
        for (uint32_t k = 0; ok && has_perf_event(kind) && k < osp_events_of(kind); k++)
            ok = osp_events_open(&s->events[2 * i + k], kind, k > 0, i, p, s->hz, osp_bpf_side_program(s->bpf),
                                 on_exec, err);
    }
    if (!ok)
        osp_clocks_close(s);
    return ok;
}

/* The clocks' next period: about the one that the rate asks for. */
static void change_period(osp_sampler *s)
{
    uint64_t period = 1000000000u / s->hz, now = osp_monotonic_ns();
    if (s->bpf)
        osp_bpf_side_rate(s->bpf, s->hz);
    s->random = osp_hash_mix(s->random, now);
    period = period - period / 4 + s->random % (period / 2 + 1);
    for (uint32_t i = 0; i < 2 * s->event.n; i++)
        osp_events_period(&s->events[i], period);
    if (s->perf)
        osp_perf_side_period(s->perf, period);
    s->next_period_ns = now + (8 * period > VARY_NS ? 8 * period : VARY_NS);
}

void osp_clocks_vary(osp_sampler *s, uint64_t now)
{
    if ((s->bpf || s->perf) && now >= s->next_period_ns)
        change_period(s);
}

void osp_clocks_adapt(osp_sampler *s)
{
    osp_err err;
    double elapsed = (double)(osp_monotonic_ns() - s->start_ns) / 1e9, cores = load_since(s);
    double left = (s->opts->seconds > 0 ? s->opts->seconds : fmax(10, 2 * elapsed)) - elapsed;
    if (left < 0.5)
        return;
    uint32_t hz = USUAL_HZ;
    double missing = WANTED - (double)osp_collector_taken(s->collector);
    if (missing > 0)
        hz = cores > 0 ? (uint32_t)fmin(fmax(missing / (cores * left), USUAL_HZ), HIGHEST_HZ) : s->hz;
    if (hz < s->hz * 1.5 && hz > s->hz / 1.5)
        return;
    uint32_t before = s->hz;
    s->hz = hz;
    if (s->many) {
        s->hz = (uint32_t)fmin(hz, dense_hz());
        change_period(s);
        return;
    }
    osp_clocks_close(s);
    if (s->perf) {
        osp_perf_side_stop(s->perf);
        osp_intake_drain(s);
    }
    if (!osp_clocks_open(s, false, &err)) {
        s->hz = before;
        if (!osp_clocks_open(s, false, &err)) /* the process is ending: the loop will see it */
            s->hz = hz;
    }
}

void osp_clocks_follow_threads(osp_sampler *s)
{
    osp_err err;
    uint64_t born = osp_subjects_threads(s->subjects), before = s->threads_before;
    s->threads_before = born;
    if (!s->bpf || by_cpus(s) || born - before < BIRTHS_MANY)
        return;
    s->threads_come = true;
    s->hz = asked_hz(s);
    osp_clocks_close(s);
    if (!osp_clocks_open(s, false, &err))
        snprintf(s->gave_up, sizeof s->gave_up, "%.150s", err.msg);
}
