/* SPDX-License-Identifier: Apache-2.0 */
/* The sampler's loop.
 *
 *     start: open process -> read mappings, rows, Go layout -> load BPF (or the fallback) -> events on every thread
 *     run:   every 100 ms: osp_intake_drain, look for new mappings, adapt the rate
 *     take:  osp_intake_drain, build the profile
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "sample/sample_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    STEP_MS = 100,
    SOON_NS = 10000000, /* between two looks while programs are met; not the ticks wake us (bpf/walk.h) */
    MAPS_LIMIT = 64 << 20,
    LOOKS_HZ = 20,
    EXACT_MOST = 16,
    ASKED_MOST = 6,
};

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
        [OSP_END_BUDGET] = "too many to walk each",
        [OSP_END_UNSEEN] = "running, place not seen",
    };
    return e < OSP_END_REASONS ? text[e] : "unknown";
}

double osp_sample_error_pct(const osp_sample_stats *s)
{
    return s->taken ? 100 * sqrt(0.1 * 0.9 / (double)s->taken) : 100;
}

static uint32_t looks_hz(const osp_sampler *s)
{
    return osp_only_looks(&s->event) && s->opts->hz ? s->opts->hz : LOOKS_HZ;
}

/* ---- start ------------------------------------------------------------------------------------------------- */

/* The fallback counts CPU time only. */
static bool fallback_can(const osp_sampler *s, const osp_err *why, osp_err *err)
{
    for (uint32_t i = 0; i < s->event.n; i++)
        if (s->event.kind[i]->needs_bpf)
            return osp_fail(err, OSP_EPERM, "%s cannot be recorded without BPF: %.150s", s->event.kind[i]->name,
                            why->msg);
    return true;
}

/* From now on births are heard of, and what should not wait wakes us. */
static bool hear_births(osp_sampler *s, osp_err *err)
{
    s->births = osp_births_open(err);
    if (!s->births)
        return false;
    size_t n = osp_births_nring(s->births);
    s->poll = calloc(n + 2, sizeof *s->poll);
    if (!s->poll)
        return osp_fail_memory(err, "starting to sample");
    osp_births_poll(s->births, s->poll, n);
    s->poll[n] = (struct pollfd){.fd = s->bpf ? osp_bpf_side_poll(s->bpf) : -1, .events = POLLIN};
    s->poll[n + 1] = (struct pollfd){.fd = s->subject ? osp_process_poll(s->subject->process) : -1, .events = POLLIN};
    return true;
}

/* No perf events at all: what can be read of threads is. */
static bool open_proc(osp_sampler *s, const osp_err *why, osp_err *err)
{
    const char *cannot;
    if (s->opts->places) {
        *err = *why;
        return false;
    }
    if (!osp_proc_side_can(&s->event, &cannot))
        return osp_fail(err, why->code, "%s cannot be recorded: %.180s", cannot, why->msg);
    snprintf(s->gave_up, sizeof s->gave_up, "where code runs is not seen: %.200s", why->msg);
    s->proc = osp_proc_side_new(s->opts, &s->event, err);
    return s->proc != NULL;
}

/* BPF, or say in gave_up why not and prepare the fallback. */
static bool open_means(osp_sampler *s, osp_err *err)
{
    osp_err why = {0};
    if (osp_only_looks(&s->event)) {
        if ((s->opts->children || osp_any_process(s)) && !hear_births(s, &why))
            snprintf(s->gave_up, sizeof s->gave_up, "processes that start later are not looked at: %.110s", why.msg);
        return true;
    }
    if (!osp_perf_can(&why))
        return open_proc(s, &why, err);
    if (!s->opts->no_bpf)
        s->bpf = osp_bpf_side_open(&s->event, s->opts->wakers, &why);
    else
        osp_fail(&why, OSP_EUSAGE, "BPF was not asked for");
    if (!s->bpf) {
        if (!fallback_can(s, &why, err))
            return false;
        snprintf(s->gave_up, sizeof s->gave_up, "without BPF (%.70s): stacks from copies of 16 KiB", why.msg);
        s->births = osp_births_new(err);
        s->perf = s->births ? osp_perf_side_open(s->opts, s->many, s->births, err) : NULL;
    }
    return s->bpf || s->perf;
}

/* Looks at threads begin. */
static void begin_looks_at_threads(osp_sampler *s)
{
    s->proc_sink = osp_intake_of_proc(s);
    osp_proc_side_rate(s->proc, s->hz);
    osp_proc_side_begin(s->proc, s->subjects, &s->proc_sink);
}

/* Say what the fallback cannot, now that its clocks are open. */
static void say_limits(osp_sampler *s)
{
    size_t n = strlen(s->gave_up), unheard = osp_perf_side_unheard(s->perf);
    if (s->many && !osp_perf_side_by_cpus(s->perf))
        snprintf(s->gave_up + n, sizeof s->gave_up - n, "; threads that run for less than %u ms may be missed",
                 1000 / s->hz);
    n = strlen(s->gave_up);
    if (unheard)
        snprintf(s->gave_up + n, sizeof s->gave_up - n, "; %zu threads have no clock (`ulimit -n`)", unheard);
}

/* What the BPF program is to take; births are heard of. */
static bool open_scope(osp_sampler *s, osp_err *err)
{
    const osp_sample_opts *o = s->opts;
    osp_bpf_config config = {
        .scope = o->cgroup    ? OSP_SCOPE_CGROUP
                 : o->machine ? OSP_SCOPE_ALL
                              : OSP_SCOPE_TABLE,
        .follow = o->children,
        .no_user = o->kernel_only,
        .no_kernel = o->user_only,
    };
    if (o->cgroup) {
        config.cgroup = o->cgroup->id;
        config.hierarchy = o->cgroup->hierarchy;
    }
    if (!osp_bpf_side_scope(s->bpf, &config, err))
        return false;
    return hear_births(s, err);
}

/* The subject that a child of ours has become by its exec, once that is told. */
static bool meet_new_program(osp_sampler *s, osp_err *err)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    int pid = s->opts->pid;
    for (int i = 0; i < 200; i++) {
        osp_intake_hear(s);
        osp_subject *now = osp_subjects_now(s->subjects, pid);
        if (now != s->subject) {
            now->pinned = true;
            now->process = s->subject->process; /* it holds the pid, whatever runs there */
            s->subject->process = NULL;
            s->subject->pinned = false;
            s->subject = s->given[0] = now;
            /* If it was short, what was told of it serves. Its memory goes before its pidfd says so. */
            return (osp_subject_identify(now, err) && osp_intake_refresh(s, now, err)) || err->code == OSP_EABSENT ||
                   !osp_process_alive(now->process);
        }
        nanosleep(&moment, NULL);
    }
    return osp_subject_identify(s->subject, err) && osp_intake_refresh(s, s->subject, err);
}

/* ---- goroutines ---------------------------------------------------------------------------------------------- */

static bool look_at(osp_sampler *s, osp_subject *of, osp_err *err)
{
    if (osp_looks_at(s->looks, of))
        return true;
    if (!of->go)
        return osp_fail(err, OSP_EABSENT, "process %d runs no Go that can be read: it has no goroutines that wait",
                        of->pid);
    return osp_looks_add(s->looks, of, err);
}

/* Begin to look at the goroutines of those that were asked for. False if there are none, or where one cannot be measured
 * that should be. */
static bool find_goroutines(osp_sampler *s, osp_err *err)
{
    bool found = false;
    if (!s->looks)
        return true;
    if (s->opts->exact && (s->ngiven > EXACT_MOST || s->opts->children || osp_any_process(s)))
        return osp_fail(err, OSP_EUSAGE, "--exact measures processes that are given by pid, at most %d", EXACT_MOST);
    for (uint32_t i = 0; i < s->ngiven; i++) {
        bool ok = look_at(s, s->given[i], err);
        if (!ok && s->opts->exact)
            return false;
        if (!ok && s->many)
            snprintf(s->gave_up, sizeof s->gave_up, "wait: %.150s", err->msg);
        found |= ok;
    }
    return found || osp_any_process(s) || s->opts->children;
}

/* A process that came by itself: does it run Go by now? One that has just begun is asked again, ever more rarely. */
static void consider(void *ctx, osp_subject *of)
{
    osp_sampler *s = ctx;
    osp_err ignored; /* it ends, or another look will tell */
    osp_arena a;
    osp_go_brief brief;
    if (of->of_kernel || of->asked_go >= ASKED_MOST || osp_looks_at(s->looks, of) ||
        s->step % (1u << of->asked_go) != 0 || (s->opts->cgroup && !osp_cgroup_holds(s->opts->cgroup, of->pid)))
        return;
    of->asked_go++;
    osp_arena_init(&a, MAPS_LIMIT);
    osp_go_survey_look(s->survey, of->pid, &a, &brief);
    osp_arena_drop(&a);
    if (!brief.is_go && !of->go)
        return;
    of->all_rows = true;
    if (osp_intake_refresh(s, of, &ignored))
        (void)!look_at(s, of, &ignored);
}

/* A runtime that has just begun is looked for again at each step; code that was mapped meanwhile, too. */
static void follow_goroutines(osp_sampler *s)
{
    osp_err ignored; /* the next step tries again */
    if (!s->looks)
        return;
    for (uint32_t i = 0; i < s->ngiven && !s->no_looks; i++) {
        osp_subject *of = s->given[i];
        if (osp_looks_at(s->looks, of) || !of->process || !osp_process_alive(of->process))
            continue;
        if ((of->go || osp_intake_refresh(s, of, &ignored)) && !look_at(s, of, &ignored) && s->opts->exact &&
            ignored.code != OSP_EABSENT) {
            snprintf(s->gave_up, sizeof s->gave_up, "wait: %.150s", ignored.msg);
            s->no_looks = true;
        }
    }
    if (s->survey)
        osp_subjects_each(s->subjects, consider, s);
    for (osp_subject *of; (of = osp_looks_unmapped(s->looks));)
        osp_intake_make_stale(s, of);
}

static bool open_looks(osp_sampler *s, osp_err *err)
{
    if (osp_looks_event(&s->event) == UINT32_MAX)
        return true;
    s->looks = osp_looks_new(looks_hz(s), s->opts, err);
    if (s->looks && (osp_any_process(s) || s->opts->children))
        s->survey = osp_go_survey_new(err);
    return s->looks && (s->survey || !(osp_any_process(s) || s->opts->children));
}

/* The C library and the loader are in nearly every program, and in us: they are there before it begins. */
static void prepare_libraries(osp_sampler *s)
{
    osp_arena a;
    osp_map *map;
    osp_err ignored; /* then they are read when they are met */
    uint32_t n, k = 0;
    osp_process *self = osp_process_open(getpid(), &ignored);
    osp_arena_init(&a, MAPS_LIMIT);
    if (self && osp_process_maps(self, &a, &map, &n, &ignored)) {
        for (uint32_t i = 0; i < n; i++) {
            osp_str name = osp_str_base(map[i].path);
            if (map[i].exec && (osp_str_starts(name, S("libc.so")) || osp_str_starts(name, S("ld-linux"))))
                map[k++] = map[i];
        }
        osp_space space = {0};
        const osp_space_source from = osp_space_from(self);
        bool changed;
        if (osp_space_make(&space, &from, map, k, s->opts->objects, &changed, &ignored))
            osp_bpf_side_keep(s->bpf, &space);
        osp_space_drop(&space);
    }
    osp_arena_drop(&a);
    osp_process_close(self);
}

/* A child of ours is let go first and becomes another program: its tables can only be read after that, but the BPF
 * events wait on it already and begin with it. */
static bool start_child(osp_sampler *s, osp_err *err)
{
    osp_clocks_choose_rate(s);
    if (s->proc)
        begin_looks_at_threads(s);
    if (!s->births) /* nobody would tell of its exec */
        return s->opts->release(s->opts->release_ctx, err) && osp_subject_identify(s->subject, err) &&
               osp_intake_refresh(s, s->subject, err);
    if (!s->bpf)
        return osp_clocks_open(s, true, err) && s->opts->release(s->opts->release_ctx, err) &&
               meet_new_program(s, err);
    prepare_libraries(s);
    return osp_bpf_side_enter(s->bpf, s->subject->pid, true, err) &&
           osp_bpf_side_watch(s->bpf, false, &s->start_ns, err) && osp_clocks_open(s, true, err) &&
           s->opts->release(s->opts->release_ctx, err) && meet_new_program(s, err);
}

static bool open_subject(osp_sampler *s, int pid, osp_process *process, osp_go *go, osp_err *err)
{
    osp_subject *one = osp_subject_open(pid, process, go, err);
    if (!one)
        return false;
    one->pinned = true;
    if (!osp_subjects_add(s->subjects, one, err)) {
        osp_subject_close(one);
        return false;
    }
    s->given[s->ngiven++] = one;
    return true;
}

static bool open_subjects(osp_sampler *s, osp_err *err)
{
    const osp_sample_opts *o = s->opts;
    s->many = o->nalso || o->children || osp_any_process(s);
    s->subjects = osp_subjects_new(o->objects, o->children, osp_any_process(s), err);
    s->given = calloc((size_t)o->nalso + 1, sizeof(osp_subject *));
    if (!s->subjects)
        return false;
    if (!s->given)
        return osp_fail_memory(err, "starting to sample");
    if (!o->pid)
        return true;
    if (!open_subject(s, o->pid, o->process, o->go, err))
        return false;
    for (uint32_t i = 0; i < o->nalso; i++)
        if (!open_subject(s, o->also[i], NULL, NULL, err))
            return false;
    s->subject = s->given[0];
    return true;
}

static bool watches(const osp_sampler *s)
{
    for (uint32_t i = 0; i < s->event.n; i++)
        if (osp_by_scheduler(s->event.kind[i]))
            return true;
    return false;
}

static bool open_wakes(osp_sampler *s, osp_err *err)
{
    bool asked = s->opts->wakers;
    for (uint32_t i = 0; i < s->event.n; i++)
        asked |= s->event.kind[i]->source == OSP_BY_WAKES;
    if (asked && s->bpf)
        s->wakes = osp_wakes_new(err);
    return !asked || !s->bpf || s->wakes;
}

static bool start(osp_sampler *s, osp_err *err)
{
    if (!open_subjects(s, err))
        return false;
    if (!open_means(s, err) || (s->bpf && !open_scope(s, err)) ||
        (osp_any_process(s) && !osp_subjects_take_in_all(s->subjects, err)))
        return false;
    s->collector = osp_collector_new(&s->event, s->many, err);
    if (!s->collector || !open_wakes(s, err) || !open_looks(s, err))
        return false;
    s->random = s->start_ns = osp_monotonic_ns();
    osp_clocks_begin(s);
    if (s->opts->release)
        return start_child(s, err);
    for (uint32_t i = 0; i < s->ngiven; i++)
        if (!osp_intake_refresh(s, s->given[i], err))
            return false;
    osp_clocks_choose_rate(s);
    osp_err none = {0};
    if (!find_goroutines(s, &none)) {
        if (osp_only_looks(&s->event) || s->opts->exact) {
            *err = none;
            return false;
        }
        snprintf(s->gave_up, sizeof s->gave_up, "wait: %.150s", none.msg);
    }
    if (s->bpf && !s->allocs) {
        s->allocs = osp_allocs_open(&s->event, s->many ? NULL : s->subject, &none);
        if (!s->allocs && none.code != OSP_OK) {
            *err = none;
            return false;
        }
    }
    if (s->proc)
        begin_looks_at_threads(s);
    /* Threads first, then their clocks: what they run in between is in their first tick. */
    if (s->bpf && !osp_bpf_side_watch(s->bpf, true, &s->start_ns, err))
        return false;
    if (!osp_clocks_open(s, false, err))
        return false;
    if (s->bpf && watches(s))
        osp_intake_drain(s); /* while the threads that sleep still do */
    else
        s->start_ns = osp_monotonic_ns();
    return true;
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
    if (s->perf)
        say_limits(s);
    s->running = true;
    s->slice_ns = s->start_ns;
    s->slice_wall_ns = (int64_t)osp_realtime_ns();
    return s;
}

void osp_sampler_stop(osp_sampler *s)
{
    if (!s)
        return;
    osp_clocks_close(s);
    osp_looks_drop(s->looks);
    osp_go_survey_drop(s->survey);
    osp_allocs_close(s->allocs);
    osp_perf_side_close(s->perf);
    osp_proc_side_drop(s->proc);
    osp_bpf_side_close(s->bpf);
    osp_births_close(s->births);
    osp_collector_drop(s->collector);
    osp_wakes_drop(s->wakes);
    osp_subjects_drop(s->subjects);
    free(s->given);
    free(s->stale);
    free(s->poll);
    free(s);
}

/* ---- run --------------------------------------------------------------------------------------------------- */

static uint64_t slice_end(const osp_sampler *s) { return s->running ? osp_monotonic_ns() : s->paused_ns; }

/* Samples so far that came to nothing before they could be collected. */
static uint64_t lost_so_far(const osp_sampler *s)
{
    if (s->perf)
        return osp_perf_side_lost(s->perf);
    return s->bpf ? osp_bpf_side_lost(s->bpf) + s->no_memory : 0;
}

/* Of the slice up to then. */
static void read_stats(const osp_sampler *s, uint64_t until, osp_sample_stats *out)
{
    *out = (osp_sample_stats){.by_bpf = s->bpf != NULL, .by_proc = s->proc != NULL, .hz = s->hz};
    const uint64_t *ended = osp_collector_ended(s->collector, &out->frame_pointer_steps);
    memcpy(out->ended, ended, sizeof out->ended);
    memcpy(out->gave_up, s->gave_up, sizeof out->gave_up);
    if (osp_collector_lost(s->collector))
        snprintf(out->gave_up, sizeof out->gave_up, "the profile is full: %llu samples found no room (OSPREY_MEMORY)",
                 (unsigned long long)osp_collector_lost(s->collector));
    else if (s->births && osp_births_lost(s->births))
        snprintf(out->gave_up, sizeof out->gave_up,
                 "%llu words of the kernel's about new processes were lost: code of some may lack its name",
                 (unsigned long long)osp_births_lost(s->births));
    out->taken = osp_collector_taken(s->collector);
    out->duration_ns = until - s->slice_ns;
    if (s->looks)
        osp_looks_stats(s->looks, until, &out->wait);
    if (s->allocs)
        out->alloc = *osp_allocs_stats(s->allocs);
    out->lost = lost_so_far(s) - s->lost_before + osp_collector_lost(s->collector);
    if (s->bpf) {
        osp_bpf_side_cost(s->bpf, &out->bpf_run_ns, &out->bpf_runs);
        out->bpf_run_ns -= s->bpf_ns_before;
        out->bpf_runs -= s->bpf_runs_before;
    }
}

/* Say how long we have run: the ticks leave that out. */
static void tell_own_time(osp_sampler *s)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    uint64_t now = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    osp_bpf_side_ran(s->bpf, now - s->own_ns);
    s->own_ns = now;
}

/* Sleep until then, or until there is something that should not wait. True: the process has ended. */
static bool wait_for_births(osp_sampler *s, uint64_t until)
{
    uint64_t now = osp_monotonic_ns();
    size_t n = osp_births_nring(s->births) + 2;
    bool ended = false;
    while (now < until && !ended && !(s->opts->stop && *s->opts->stop)) {
        uint64_t nap = until - now, soon = SOON_NS / 2 + osp_hash_mix(s->random, now) % SOON_NS;
        if (now < s->restless_until_ns && nap > soon)
            nap = soon;
        struct timespec t = {.tv_nsec = (long)nap};
        if (s->bpf)
            tell_own_time(s);
        if (ppoll(s->poll, n, &t, NULL) > 0)
            ended = s->poll[n - 1].revents != 0;
        if (s->looks)
            osp_looks_relax(s->looks);
        osp_intake_drain(s);
        now = osp_monotonic_ns();
    }
    return ended;
}

static bool all_ended(const osp_sampler *s)
{
    for (uint32_t i = 0; i < s->ngiven; i++)
        if (s->given[i]->process && osp_process_alive(s->given[i]->process))
            return false;
    return s->ngiven > 0;
}

/* Sleep until then, or until something should not wait: a ring fills, a process is born or ends. */
static void sleep_until(osp_sampler *s, uint64_t until)
{
    uint64_t now = osp_monotonic_ns();
    if (s->perf) {
        osp_perf_side_wait(s->perf, until > now ? until - now : 0);
    } else if (s->births) {
        if (wait_for_births(s, until) && s->ngiven > 1)
            s->poll[osp_births_nring(s->births) + 1].fd = -1; /* the others run on */
    } else if (until > now) {
        struct timespec t = {.tv_nsec = (long)(until - now)};
        nanosleep(&t, NULL);
    }
}

/* Sleep until then, at most a second; look at goroutines whenever that is due, and take what fills a ring before. */
static void wait_until(osp_sampler *s, uint64_t until)
{
    for (uint64_t now = osp_monotonic_ns(); now < until; now = osp_monotonic_ns()) {
        uint64_t due = s->looks ? osp_looks_next(s->looks) : UINT64_MAX;
        uint64_t at_threads = s->proc ? osp_proc_side_next(s->proc) : UINT64_MAX;
        if (due <= until && due <= at_threads)
            osp_looks_hurry(s->looks);
        due = due < at_threads ? due : at_threads;
        sleep_until(s, due < until ? due : until);
        if (s->proc && osp_monotonic_ns() >= at_threads) {
            osp_proc_side_look(s->proc, s->subjects);
        }
        if (s->looks) {
            osp_looks_look(s->looks);
            osp_looks_relax(s->looks);
        }
        if (s->perf) /* copies of stacks fill a ring much sooner than a step */
            osp_intake_drain(s);
        if (all_ended(s))
            break;
    }
    osp_intake_drain(s);
}

static void drain(void *ctx) { osp_intake_drain(ctx); }

bool osp_sampler_run(osp_sampler *s, double seconds)
{
    uint64_t end = seconds > 0 ? osp_monotonic_ns() + (uint64_t)(seconds * 1e9) : UINT64_MAX;
    for (s->step = 1;; s->step++) {
        uint64_t now = osp_monotonic_ns();
        if ((s->opts->stop && *s->opts->stop) || all_ended(s))
            return false;
        if (now >= end)
            return true;
        osp_clocks_vary(s, now);
        wait_until(s, now + (end - now < STEP_MS * 1000000u ? end - now : STEP_MS * 1000000u));
        if (s->step % 3 == 0 && s->opts->progress) {
            osp_sample_stats stats;
            read_stats(s, slice_end(s), &stats);
            s->opts->progress(s->opts->progress_ctx, &stats, (double)stats.duration_ns / 1e9);
        }
        osp_clocks_follow_threads(s);
        if (s->step % 3 == 0 && osp_clocks_rate_is_free(s) && !s->threads_come && !s->proc && !(s->perf && s->many))
            osp_clocks_adapt(s);
        follow_goroutines(s);
        if (s->allocs)
            osp_allocs_run(s->allocs, s->bpf, drain, s);
        if (s->proc)
            osp_intake_scan(s);
        osp_intake_tidy(s);
    }
}

void osp_sampler_pause(osp_sampler *s)
{
    if (!s->running)
        return;
    if (s->proc)
        osp_proc_side_settle(s->proc, s->subjects);
    s->paused_ns = osp_monotonic_ns();
    s->running = false;
    if (s->bpf) {
        osp_bpf_side_flush(s->bpf, s->paused_ns, true);
        osp_bpf_side_unwatch(s->bpf);
    }
    osp_clocks_close(s);
    if (s->perf)
        osp_perf_side_stop(s->perf);
}

/* The slice that begins now. */
static void next_slice(osp_sampler *s, uint64_t from_ns)
{
    s->slice_ns = from_ns;
    s->slice_wall_ns = (int64_t)osp_realtime_ns();
    s->lost_before = lost_so_far(s);
    if (s->bpf)
        osp_bpf_side_cost(s->bpf, &s->bpf_ns_before, &s->bpf_runs_before);
}

static void on_tally(void *ctx, const osp_bpf_tally_key *key, osp_bpf_tally *tally)
{
    osp_sampler *s = ctx;
    osp_collector_add_tally(s->collector, key, tally);
}

static void on_used(void *ctx, const osp_bpf_used_key *key, const osp_bpf_used *used)
{
    osp_sampler *s = ctx;
    osp_collector_add_used(s->collector, key, used);
}

/* The column that people mean when they name the first event; the last is meant where nothing is said. */
static osp_str preferred(const osp_event_list *l)
{
    const osp_event_kind *k = l->kind[0];
    return l->n > 1 || k->main + 1 < k->ncolumn ? osp_str_from(k->column[k->main].type) : S("");
}

bool osp_sampler_take(osp_sampler *s, osp_recording *out, osp_err *err)
{
    osp_err gone;
    *out = (osp_recording){0};
    uint64_t until = slice_end(s);
    if (s->running && s->bpf)
        osp_bpf_side_flush(s->bpf, until, false);
    if (s->running && s->proc)
        osp_proc_side_settle(s->proc, s->subjects);
    osp_intake_drain(s);
    if (s->bpf) {
        osp_bpf_side_tallies(s->bpf, on_tally, s);
        osp_bpf_side_used(s->bpf, on_used, s);
    }
    if (s->looks)
        osp_looks_settle(s->looks, slice_end(s));
    read_stats(s, until, &out->stats);
    if (s->subject) {
        memcpy(out->name, s->subject->name, sizeof out->name);
        if (s->subject->process && osp_process_alive(s->subject->process) && osp_subject_identify(s->subject, &gone))
            out->stats.state = s->subject->info.state;
    }
    if (s->looks)
        osp_looks_take(s->looks, slice_end(s), osp_intake_add_wait, s);
    osp_profile_head head = {
        .time_ns = s->slice_wall_ns,
        .duration_ns = (int64_t)out->stats.duration_ns,
        .period = 1000000000 / (osp_only_looks(&s->event) ? looks_hz(s) : s->hz),
        .period_type = osp_only_looks(&s->event) ? S("wait") : S("cpu"),
        .period_unit = S("nanoseconds"),
        .preferred = preferred(&s->event),
    };
    bool ok = osp_collector_take(s->collector, &head, out, err);
    if (!ok)
        osp_recording_drop(out);
    next_slice(s, until);
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
    osp_compiled_close(r->jit, r->nobject);
    free(r->object);
    free(r->thread);
    free(r->called);
    free(r->used);
    free(r->wake);
    *r = (osp_recording){0};
}
