/* SPDX-License-Identifier: Apache-2.0 */
/* The sampler's loop.
 *
 *     start: open process -> read mappings, rows, Go layout -> load BPF (or the fallback) -> events on every thread
 *     run:   every 100 ms: drain, look for new mappings, adapt the rate
 *     take:  drain, build the profile
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

struct osp_sampler {
    const osp_sample_opts *opts;
    osp_event_list event;
    osp_subject *subject;
    osp_collector *collector;
    osp_bpf_side *bpf;
    osp_perf_side *perf;
    osp_events events[OSP_MAX_EVENTS]; /* one a kind */
    bool running;
    uint32_t hz;
    bool pending;      /* samples wait for their process's mappings to be read again */
    uint64_t start_ns; /* of the run; slice_ns: of what the next take gives */
    uint64_t slice_ns, paused_ns;
    int64_t slice_wall_ns;
    uint64_t lost_before, bpf_ns_before, bpf_runs_before; /* before this slice */
    uint64_t cpu_ns, cpu_at_ns; /* the process's CPU time when last looked at, and when that was */
    char gave_up[160];
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

/* The rate is ours to choose: only CPU time is asked for, and no rate is named. */
static bool rate_is_free(const osp_sampler *s)
{
    return !s->opts->hz && s->event.n == 1 && s->event.kind[0] == osp_event_kinds[0];
}

/* How many cores the process used since the last look. */
static double load_since(osp_sampler *s)
{
    uint64_t now = osp_monotonic_ns(), cpu = process_cpu_ns(s->subject->process);
    double cores =
        now > s->cpu_at_ns && cpu > s->cpu_ns ? (double)(cpu - s->cpu_ns) / (double)(now - s->cpu_at_ns) : 0;
    s->cpu_ns = cpu;
    s->cpu_at_ns = now;
    return cores;
}

/* ---- what waits -------------------------------------------------------------------------------------------- */

/* Read the subject's mappings; if they changed, hand the tables over. */
static bool refresh(osp_sampler *s, osp_err *err)
{
    bool changed;
    osp_err no_goroutines = {0};
    osp_subject *of = s->subject;
    if (!osp_subject_refresh(of, s->opts->objects, &changed, &no_goroutines, err))
        return false;
    if (!changed)
        return true;
    if (no_goroutines.code == OSP_EFORMAT)
        snprintf(s->gave_up, sizeof s->gave_up, "goroutines: %.140s", no_goroutines.msg);
    if (s->bpf)
        return osp_bpf_side_space(s->bpf, of->pid, &of->space, &of->unwind_go, err);
    if (s->perf)
        osp_perf_side_space(s->perf, of);
    return true;
}

static const osp_subject *subject_of(void *ctx, int pid)
{
    osp_sampler *s = ctx;
    return s->subject->pid == pid ? s->subject : NULL;
}

static void on_sample(void *ctx, const osp_raw_sample *head, const uint64_t *word)
{
    osp_sampler *s = ctx;
    const osp_subject *of = subject_of(s, (int)head->pid);
    if (of)
        osp_collector_add(s->collector, of, head, word);
}

static void on_aside(void *ctx, const osp_raw_sample *head)
{
    osp_sampler *s = ctx;
    (void)head;
    s->pending = true;
}

/* Take what waits. Samples that met code without a table wait for the mappings to be read again. */
static void drain(osp_sampler *s)
{
    osp_err err;
    if (s->perf) {
        osp_perf_side_drain(s->perf, s->collector);
        return;
    }
    osp_bpf_sink to = {s, on_sample, on_aside};
    osp_bpf_side_drain(s->bpf, &to);
    if (!s->pending)
        return;
    s->pending = false;
    if (!refresh(s, &err) && err.code == OSP_ELIMIT)
        snprintf(s->gave_up, sizeof s->gave_up, "%.150s", err.msg);
    osp_bpf_side_settle(s->bpf, &to, subject_of);
}

/* The fallback unwinds each sample as it comes: code that was mapped meanwhile lies outside all mappings until they are
 * read again. */
static void refresh_for_fallback(osp_sampler *s)
{
    osp_err ignored; /* what stays outside is counted */
    uint64_t steps, outside = osp_collector_ended(s->collector, &steps)[OSP_END_NO_MAPPING];
    if (outside == s->subject->outside || !refresh(s, &ignored))
        return;
    s->subject->outside = outside;
}

/* ---- start ------------------------------------------------------------------------------------------------- */

static void close_events(osp_sampler *s)
{
    for (uint32_t i = 0; i < s->event.n; i++)
        osp_events_close(&s->events[i]);
}

static bool open_events(osp_sampler *s, bool on_exec, osp_err *err)
{
    if (s->perf)
        return osp_perf_side_start(s->perf, s->hz, err);
    for (uint32_t i = 0; i < s->event.n; i++)
        if (!osp_events_open(&s->events[i], s->event.kind[i], i, s->subject->process, s->hz,
                             osp_bpf_side_program(s->bpf), on_exec, err)) {
            close_events(s);
            return false;
        }
    return true;
}

/* The fallback counts CPU time only. */
static bool fallback_can(const osp_sampler *s, const osp_err *why, osp_err *err)
{
    for (uint32_t i = 0; i < s->event.n; i++)
        if (s->event.kind[i]->needs_bpf)
            return osp_fail(err, OSP_EPERM, "%s cannot be recorded without BPF: %.150s", s->event.kind[i]->name,
                            why->msg);
    return true;
}

/* BPF, or say in gave_up why not and prepare the fallback. */
static bool open_means(osp_sampler *s, osp_err *err)
{
    osp_err why = {0};
    if (!s->opts->no_bpf)
        s->bpf = osp_bpf_side_open(&why);
    else
        osp_fail(&why, OSP_EUSAGE, "BPF was not asked for");
    if (!s->bpf) {
        if (!fallback_can(s, &why, err))
            return false;
        snprintf(s->gave_up, sizeof s->gave_up, "without BPF (%.100s): stacks from copies of 16 KiB", why.msg);
        s->perf = osp_perf_side_open(s->subject->process, err);
    }
    return s->bpf || s->perf;
}

/* A child of ours is let go first and becomes another program: its tables can only be read after that, but the BPF
 * events wait on it already and begin with it. */
static bool start_child(osp_sampler *s, osp_err *err)
{
    osp_unwind_go none = {0};
    osp_space empty = {0};
    s->hz = s->opts->hz ? s->opts->hz : USUAL_HZ;
    /* An entry without mappings: the first samples come as copies and are unwound once the tables are read. */
    return (!s->bpf || osp_bpf_side_space(s->bpf, s->subject->pid, &empty, &none, err)) &&
           (s->perf || open_events(s, true, err)) && s->opts->release(s->opts->release_ctx, err) &&
           osp_subject_identify(s->subject, err) && (s->bpf || open_events(s, false, err)) && refresh(s, err);
}

static bool start(osp_sampler *s, osp_err *err)
{
    s->collector = osp_collector_new(&s->event, false, err);
    if (!s->collector)
        return false;
    s->subject = osp_subject_open(s->opts->pid, s->opts->process, s->opts->go, err);
    if (!s->subject || !open_means(s, err))
        return false;
    s->cpu_ns = process_cpu_ns(s->subject->process);
    s->cpu_at_ns = s->start_ns = osp_monotonic_ns();
    if (s->opts->release)
        return start_child(s, err);
    if (!refresh(s, err))
        return false;
    double cores = load_since(s);
    s->hz = s->opts->hz ? s->opts->hz : rate_is_free(s) ? rate_for(cores, s->opts->seconds) : USUAL_HZ;
    bool ok = open_events(s, false, err);
    s->start_ns = osp_monotonic_ns();
    return ok;
}

osp_sampler *osp_sampler_start(const osp_sample_opts *opts, osp_err *err)
{
    osp_sampler *s = calloc(1, sizeof *s);
    if (!s) {
        osp_fail_memory(err, "starting to sample");
        return NULL;
    }
    s->opts = opts;
    s->event = opts->events;
    if (s->event.n == 0)
        s->event = (osp_event_list){.kind = {osp_event_kinds[0]}, .n = 1};
    if (!start(s, err)) {
        osp_sampler_stop(s);
        return NULL;
    }
    s->running = true;
    s->slice_ns = s->start_ns;
    s->slice_wall_ns = (int64_t)osp_realtime_ns();
    return s;
}

void osp_sampler_stop(osp_sampler *s)
{
    if (!s)
        return;
    close_events(s);
    osp_perf_side_close(s->perf);
    osp_bpf_side_close(s->bpf);
    osp_collector_drop(s->collector);
    osp_subject_close(s->subject);
    free(s);
}

/* ---- run --------------------------------------------------------------------------------------------------- */

static void read_stats(const osp_sampler *s, osp_sample_stats *out)
{
    *out = (osp_sample_stats){.by_bpf = s->bpf != NULL, .hz = s->hz};
    const uint64_t *ended = osp_collector_ended(s->collector, &out->frame_pointer_steps);
    memcpy(out->ended, ended, sizeof out->ended);
    memcpy(out->gave_up, s->gave_up, sizeof out->gave_up);
    out->taken = osp_collector_taken(s->collector);
    out->duration_ns = (s->running ? osp_monotonic_ns() : s->paused_ns) - s->slice_ns;
    if (s->bpf) {
        out->lost = osp_bpf_side_lost(s->bpf) - s->lost_before;
        osp_bpf_side_cost(s->bpf, &out->bpf_run_ns, &out->bpf_runs);
        out->bpf_run_ns -= s->bpf_ns_before;
        out->bpf_runs -= s->bpf_runs_before;
    } else {
        out->lost = osp_perf_side_lost(s->perf) - s->lost_before;
    }
}

/* Change the rate if the load asks for another one by more than half. */
static void adapt_rate(osp_sampler *s)
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
    close_events(s);
    if (s->perf) {
        osp_perf_side_stop(s->perf);
        drain(s);
    }
    if (!open_events(s, false, &err)) {
        s->hz = before;
        if (!open_events(s, false, &err)) /* the process is ending: the loop will see it */
            s->hz = hz;
    }
}

/* Sleep until then, or take what fills a ring before. */
static void wait_until(osp_sampler *s, uint64_t until)
{
    uint64_t now = osp_monotonic_ns();
    if (s->perf) {
        /* Copies of stacks fill a ring much sooner than a step. */
        for (; now < until; now = osp_monotonic_ns()) {
            osp_perf_side_wait(s->perf, until - now);
            drain(s);
        }
    } else if (now < until) {
        struct timespec t = {.tv_nsec = (long)(until - now)};
        nanosleep(&t, NULL);
    }
    drain(s);
}

bool osp_sampler_run(osp_sampler *s, double seconds)
{
    uint64_t end = seconds > 0 ? osp_monotonic_ns() + (uint64_t)(seconds * 1e9) : UINT64_MAX;
    for (unsigned step = 1;; step++) {
        uint64_t now = osp_monotonic_ns();
        if ((s->opts->stop && *s->opts->stop) || !osp_process_alive(s->subject->process))
            return false;
        if (now >= end)
            return true;
        uint64_t wait = end - now < STEP_MS * 1000000u ? end - now : STEP_MS * 1000000u;
        /* New programs map their libraries in their first moments. */
        if (now - s->start_ns < 500000000u && s->opts->release)
            wait = 10000000u;
        wait_until(s, now + wait);
        if (step % 3 == 0 && s->opts->progress) {
            osp_sample_stats stats;
            read_stats(s, &stats);
            s->opts->progress(s->opts->progress_ctx, &stats, (double)stats.duration_ns / 1e9);
        }
        if (step % 3 == 0 && rate_is_free(s))
            adapt_rate(s);
        if (s->perf) {
            refresh_for_fallback(s);
            osp_perf_side_follow(s->perf);
        }
    }
}

void osp_sampler_pause(osp_sampler *s)
{
    if (!s->running)
        return;
    s->paused_ns = osp_monotonic_ns();
    s->running = false;
    close_events(s);
    if (s->perf)
        osp_perf_side_stop(s->perf);
}

/* The slice that begins now. */
static void next_slice(osp_sampler *s)
{
    s->slice_ns = s->running ? osp_monotonic_ns() : s->paused_ns;
    s->slice_wall_ns = (int64_t)osp_realtime_ns();
    if (s->bpf) {
        s->lost_before = osp_bpf_side_lost(s->bpf);
        osp_bpf_side_cost(s->bpf, &s->bpf_ns_before, &s->bpf_runs_before);
    } else {
        s->lost_before = osp_perf_side_lost(s->perf);
    }
}

/* The column that people mean when they name the first event. */
static osp_str preferred(const osp_event_list *l) { return osp_str_from(l->kind[0]->column[l->kind[0]->main].type); }

bool osp_sampler_take(osp_sampler *s, osp_recording *out, osp_err *err)
{
    osp_err gone;
    *out = (osp_recording){0};
    drain(s);
    read_stats(s, &out->stats);
    osp_str_z(s->subject->info.name, out->name, sizeof out->name);
    if (osp_process_alive(s->subject->process) && osp_subject_identify(s->subject, &gone))
        out->stats.state = s->subject->info.state;
    osp_profile_head head = {
        .time_ns = s->slice_wall_ns,
        .duration_ns = (int64_t)out->stats.duration_ns,
        .period = 1000000000 / s->hz,
        .period_type = S("cpu"),
        .period_unit = S("nanoseconds"),
        .preferred = s->event.n > 1 ? preferred(&s->event) : S(""),
    };
    bool ok = osp_collector_take(s->collector, &head, out, err);
    if (!ok)
        osp_recording_drop(out);
    next_slice(s);
    return ok;
}

bool osp_record(const osp_sample_opts *opts, osp_recording *out, osp_err *err)
{
    *out = (osp_recording){0};
    osp_sampler *s = osp_sampler_start(opts, err);
    if (!s)
        return false;
    osp_sampler_run(s, opts->seconds);
    osp_sampler_pause(s);
    bool ok = osp_sampler_take(s, out, err);
    osp_sampler_stop(s);
    return ok;
}

void osp_recording_drop(osp_recording *r)
{
    osp_profile_drop(r->profile);
    free(r->object);
    free(r->thread);
    *r = (osp_recording){0};
}
