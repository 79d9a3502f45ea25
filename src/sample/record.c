/* SPDX-License-Identifier: Apache-2.0 */
/* The recording loop.
 *
 *     open process -> read mappings, rows, Go layout -> load BPF (or the fallback) -> events on every thread
 *     every 100 ms: drain, look for new mappings, adapt the rate
 *     at the end: drain, build the profile
 *
 * The rate. A sample every 10 ms of CPU time (99 Hz) is plenty for a busy process and next to nothing for one that is
 * nearly idle. Since cpu-clock counts the threads' own CPU time, a light load can be sampled densely at the same cost:
 * the rate is chosen so that the whole recording gives about WANTED samples, looked at again four times a second, and
 * every sample carries the time it stands for, so that rates may change in between. */
#include "base/clock.h"
#include "sample/sample_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { USUAL_HZ = 99, HIGHEST_HZ = 4999, WANTED = 300, STEP_MS = 100, THREADS_LIMIT = 64 << 20 };

const char *osp_unwind_end_text(osp_unwind_end e)
{
    static const char *const text[OSP_END_REASONS] = {
        [OSP_END_ROOT] = "complete",
        [OSP_END_NO_MAPPING] = "address outside all mappings",
        [OSP_END_NO_ROW] = "no unwind row",
        [OSP_END_UNSUPPORTED] = "unwind rule not expressible",
        [OSP_END_UNREADABLE] = "stack not readable",
        [OSP_END_STUCK] = "stack pointer did not move",
        [OSP_END_GO_SWITCH] = "between two Go stacks",
        [OSP_END_DEPTH] = "deeper than 1024 frames",
        [OSP_END_STACK_COPY] = "behind the copied stack",
    };
    return e < OSP_END_REASONS ? text[e] : "unknown";
}

double osp_sample_error_pct(const osp_sample_stats *s)
{
    return s->taken ? 100 * sqrt(0.1 * 0.9 / (double)s->taken) : 100;
}

/* Everything one recording holds. */
struct recording {
    const osp_sample_opts *opts;
    osp_process *process;
    osp_arena arena;
    osp_process_info info;
    osp_space space;
    osp_go *go;
    osp_unwind_go unwind_go;
    osp_collector *collector;
    osp_bpf_side *bpf;
    osp_perf_side *perf;
    osp_events events;
    uint32_t hz;
    uint64_t outside; /* samples outside all mappings, by the time the mappings were last read for their sake */
    uint64_t start_ns, cpu_ns, cpu_at_ns; /* the process's CPU time when last looked at, and when that was */
    osp_sample_stats stats;
};

/* CPU time of all threads so far. */
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

/* How many cores the process used since the last look. */
static double load_since(struct recording *r)
{
    uint64_t now = osp_monotonic_ns(), cpu = process_cpu_ns(r->process);
    double cores =
        now > r->cpu_at_ns && cpu > r->cpu_ns ? (double)(cpu - r->cpu_ns) / (double)(now - r->cpu_at_ns) : 0;
    r->cpu_ns = cpu;
    r->cpu_at_ns = now;
    return cores;
}

static bool open_process(struct recording *r, osp_err *err)
{
    r->process = r->opts->process ? r->opts->process : osp_process_open(r->opts->pid, err);
    return r->process && osp_process_info_read(r->process, &r->arena, &r->info, err);
}

/* Read the mappings; if they changed, find Go and hand the tables over. */
static bool refresh_space(struct recording *r, osp_err *err)
{
    bool changed;
    if (!osp_space_refresh(&r->space, r->process, r->opts->objects, &changed, err))
        return false;
    if (!changed)
        return true;
    if (!r->go) {
        osp_err why = {0};
        osp_map *map;
        uint32_t n;
        osp_arena a;
        osp_arena_init(&a, THREADS_LIMIT);
        if (osp_process_maps(r->process, &a, &map, &n, &why))
            r->go = osp_go_open(r->process, map, n, r->opts->objects, &why);
        osp_arena_drop(&a);
        if (!r->go && why.code == OSP_EFORMAT)
            snprintf(r->stats.gave_up, sizeof r->stats.gave_up, "goroutines: %s", why.msg);
    }
    osp_space_go(r->go, &r->unwind_go);
    osp_collector_space(r->collector, &r->space, r->info.exe);
    if (r->bpf)
        return osp_bpf_side_space(r->bpf, r->opts->pid, &r->space, &r->unwind_go, err);
    if (r->perf)
        osp_perf_side_space(r->perf, &r->space, r->go, &r->unwind_go);
    return true;
}

static bool open_events(struct recording *r, bool on_exec, osp_err *err)
{
    if (r->perf)
        return osp_perf_side_start(r->perf, r->hz, err);
    return osp_events_open(&r->events, r->process, r->hz, osp_bpf_side_program(r->bpf), on_exec, err);
}

/* BPF, or say in stats.gave_up why not and prepare the fallback. */
static bool open_means(struct recording *r, osp_err *err)
{
    osp_err why = {0};
    if (!r->opts->no_bpf)
        r->bpf = osp_bpf_side_open(&why);
    else
        osp_fail(&why, OSP_EUSAGE, "BPF was not asked for");
    if (!r->bpf) {
        snprintf(r->stats.gave_up, sizeof r->stats.gave_up, "without BPF (%.100s): stacks from copies of 16 KiB",
                 why.msg);
        r->perf = osp_perf_side_open(r->process, err);
    }
    r->stats.by_bpf = r->bpf != NULL;
    return r->bpf || r->perf;
}

/* Start the events. A child of ours is let go first and becomes another program: its tables can only be read after
 * that, but the BPF events wait on it already and begin with it. */
static bool start(struct recording *r, osp_err *err)
{
    bool child = r->opts->release != NULL;
    if (!open_process(r, err) || !open_means(r, err))
        return false;
    r->cpu_ns = process_cpu_ns(r->process);
    r->cpu_at_ns = osp_monotonic_ns();
    if (child) {
        osp_unwind_go none = {0};
        osp_space empty = {0};
        r->hz = r->opts->hz ? r->opts->hz : USUAL_HZ;
        /* An entry without mappings: the first samples come as copies and are unwound once the tables are read. */
        return (!r->bpf || osp_bpf_side_space(r->bpf, r->opts->pid, &empty, &none, err)) &&
               (r->perf || open_events(r, true, err)) && r->opts->release(r->opts->release_ctx, err) &&
               osp_process_info_read(r->process, &r->arena, &r->info, err) &&
               (r->bpf || open_events(r, false, err)) && refresh_space(r, err);
    }
    if (!refresh_space(r, err))
        return false;
    double cores = load_since(r);
    r->hz = r->opts->hz ? r->opts->hz : rate_for(cores, r->opts->seconds);
    return open_events(r, false, err);
}

/* Take what waits. Samples that met code without a table wait for the mappings to be read again. */
static void drain(struct recording *r)
{
    osp_err err;
    size_t pending = 0;
    if (r->perf) {
        osp_perf_side_drain(r->perf, r->collector);
        return;
    }
    osp_bpf_side_drain(r->bpf, r->collector, &pending);
    if (pending == 0)
        return;
    if (!refresh_space(r, &err) && err.code == OSP_ELIMIT)
        snprintf(r->stats.gave_up, sizeof r->stats.gave_up, "%.150s", err.msg);
    osp_copied with = {.mem = osp_process_mem(r->process), .space = &r->space, .go = &r->unwind_go};
    osp_bpf_side_settle(r->bpf, r->collector, &with);
}

/* The fallback unwinds each sample as it comes: code that was mapped meanwhile lies outside all mappings until they are
 * read again. */
static void refresh_for_fallback(struct recording *r)
{
    osp_err ignored; /* what stays outside is counted */
    uint64_t steps, outside = osp_collector_ended(r->collector, &steps)[OSP_END_NO_MAPPING];
    if (outside == r->outside || !refresh_space(r, &ignored))
        return;
    r->outside = outside;
}

static void read_stats(struct recording *r)
{
    const uint64_t *ended = osp_collector_ended(r->collector, &r->stats.frame_pointer_steps);
    memcpy(r->stats.ended, ended, sizeof r->stats.ended);
    r->stats.taken = osp_collector_taken(r->collector);
    r->stats.duration_ns = osp_monotonic_ns() - r->start_ns;
    r->stats.hz = r->hz;
    if (r->bpf) {
        r->stats.lost = osp_bpf_side_lost(r->bpf);
        osp_bpf_side_cost(r->bpf, &r->stats.bpf_run_ns, &r->stats.bpf_runs);
    } else {
        r->stats.lost = osp_perf_side_lost(r->perf);
    }
}

/* Change the rate if the load asks for another one by more than half. */
static void adapt_rate(struct recording *r)
{
    osp_err err;
    double elapsed = (double)(osp_monotonic_ns() - r->start_ns) / 1e9, cores = load_since(r);
    double left = (r->opts->seconds > 0 ? r->opts->seconds : fmax(10, 2 * elapsed)) - elapsed;
    if (left < 0.5)
        return;
    uint32_t hz = USUAL_HZ;
    double missing = WANTED - (double)osp_collector_taken(r->collector);
    if (missing > 0)
        hz = cores > 0 ? (uint32_t)fmin(fmax(missing / (cores * left), USUAL_HZ), HIGHEST_HZ) : r->hz;
    if (hz < r->hz * 1.5 && hz > r->hz / 1.5)
        return;
    uint32_t before = r->hz;
    r->hz = hz;
    osp_events_close(&r->events);
    if (r->perf) {
        osp_perf_side_stop(r->perf);
        drain(r);
    }
    if (!open_events(r, false, &err)) {
        r->hz = before;
        if (!open_events(r, false, &err)) /* the process is ending: the loop will see it */
            r->hz = hz;
    }
}

static void loop(struct recording *r)
{
    uint64_t end = r->opts->seconds > 0 ? r->start_ns + (uint64_t)(r->opts->seconds * 1e9) : UINT64_MAX;
    for (unsigned step = 1;; step++) {
        uint64_t now = osp_monotonic_ns();
        if (now >= end || (r->opts->stop && *r->opts->stop) || !osp_process_alive(r->process))
            return;
        uint64_t wait = end - now < STEP_MS * 1000000u ? end - now : STEP_MS * 1000000u;
        /* New programs map their libraries in their first moments. */
        if (now - r->start_ns < 500000000u && r->opts->release)
            wait = 10000000u;
        if (r->perf) {
            /* Copies of stacks fill a ring much sooner than a step. */
            for (uint64_t until = now + wait; (now = osp_monotonic_ns()) < until;) {
                osp_perf_side_wait(r->perf, until - now);
                drain(r);
            }
        } else {
            struct timespec t = {.tv_nsec = (long)wait};
            nanosleep(&t, NULL);
        }
        drain(r);
        if (step % 3 == 0 && r->opts->progress) {
            read_stats(r);
            r->opts->progress(r->opts->progress_ctx, &r->stats, (double)r->stats.duration_ns / 1e9);
        }
        if (step % 3 == 0 && !r->opts->hz)
            adapt_rate(r);
        if (r->perf) {
            refresh_for_fallback(r);
            osp_perf_side_follow(r->perf);
        }
    }
}

bool osp_record(const osp_sample_opts *opts, osp_recording *out, osp_err *err)
{
    struct recording r = {.opts = opts, .go = opts->go};
    bool ok = false;
    *out = (osp_recording){0};
    osp_arena_init(&r.arena, THREADS_LIMIT);
    r.collector = osp_collector_new(err);
    r.start_ns = osp_monotonic_ns();
    if (!r.collector || !start(&r, err))
        goto out;
    if (!opts->release)
        r.start_ns = osp_monotonic_ns();
    int64_t wall = (int64_t)osp_realtime_ns();
    osp_str_z(r.info.name, out->name, sizeof out->name);
    loop(&r);
    uint64_t stopped = osp_monotonic_ns();
    osp_events_close(&r.events);
    if (r.perf)
        osp_perf_side_stop(r.perf);
    drain(&r);
    read_stats(&r);
    r.stats.duration_ns = stopped - r.start_ns;
    osp_err gone;
    if (osp_process_alive(r.process) && osp_process_info_read(r.process, &r.arena, &r.info, &gone))
        r.stats.state = r.info.state;
    osp_profile_head head = {
        .time_ns = wall,
        .duration_ns = (int64_t)r.stats.duration_ns,
        .period = 1000000000 / r.hz,
        .period_type = S("cpu"),
        .period_unit = S("nanoseconds"),
    };
    ok = osp_collector_finish(r.collector, &head, out, err);
    out->stats = r.stats;
out:
    osp_events_close(&r.events);
    osp_perf_side_close(r.perf);
    osp_bpf_side_close(r.bpf);
    osp_collector_drop(r.collector);
    osp_space_drop(&r.space);
    if (r.go != opts->go)
        osp_go_close(r.go);
    if (r.process != opts->process)
        osp_process_close(r.process);
    osp_arena_drop(&r.arena);
    if (!ok)
        osp_recording_drop(out);
    return ok;
}

void osp_recording_drop(osp_recording *r)
{
    osp_profile_drop(r->profile);
    free(r->object);
    free(r->thread);
    *r = (osp_recording){0};
}
