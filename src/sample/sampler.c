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
    USUAL_HZ = 99,
    HIGHEST_HZ = 4999,
    EARLY_HZ = 997,    /* of programs that we start, which may end soon */
    TICKS_MOST = 6400, /* a second, of all CPUs together: each of them ticks, whoever runs there */
    WANTED = 300,
    STEP_MS = 100,
    SOON_NS = 10000000, /* between two looks while programs are met; not the ticks wake us (bpf/walk.h) */
    BIRTHS_MANY = 5,    /* threads born in a step: they live too shortly to have clocks of their own */
    THREADS_LIMIT = 64 << 20,
    HANDED_OVER_NS = 50000000, /* new tables are with the kernel side by then */
    LOOKS_HZ = 20,
    ASIDES = 100, /* fewer than OSP_COPIES */
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
    osp_subjects *subjects;
    osp_subject **given; /* the processes that were asked for */
    uint32_t ngiven;
    osp_subject *subject; /* the first of them; NULL: a cgroup or the machine is sampled */
    osp_births *births;   /* NULL: none are heard of */
    osp_subject **stale;  /* met code that their mappings do not show */
    size_t nstale, stale_cap;
    bool many;         /* several processes */
    bool threads_come; /* and go, in a single one */
    uint64_t threads_before;
    uint64_t random, next_period_ns;
    uint64_t restless_until_ns;
    uint64_t own_ns;     /* CPU time of ours so far, as told to the ticks */
    uint64_t no_memory;  /* samples lost for want of it */
    uint64_t sampled_ns; /* CPU time in samples so far */
    struct pollfd *poll;
    osp_collector *collector;
    osp_bpf_side *bpf;
    osp_wakes *wakes; /* NULL: nobody asks who wakes */
    osp_perf_side *perf;
    osp_events events[2 * OSP_MAX_EVENTS]; /* two a kind */
    unsigned step;                         /* of the run */
    bool no_looks;                         /* goroutines cannot be measured, and we were told why */
    osp_looks *looks;                      /* of the event that is OSP_BY_LOOKS; NULL: it is not asked for */
    osp_go_survey *survey;                 /* which processes run Go: where not all are looked at that were met */
    bool running;
    uint32_t hz;
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

static bool any_process(const osp_sampler *s) { return s->opts->machine || s->opts->cgroup; }

/* The rate of clocks on CPUs while there are few samples. */
static double dense_hz(void) { return fmin(EARLY_HZ, fmax(USUAL_HZ, TICKS_MOST / osp_host_cpus())); }

/* The rate is ours to choose: only CPU time is asked for, and no rate is named. */
static bool rate_is_free(const osp_sampler *s)
{
    return !s->opts->hz && s->event.n == 1 && s->event.kind[0] == osp_event_kinds[0] && !any_process(s);
}

/* The place in the list of the event that is OSP_BY_LOOKS; UINT32_MAX: there is none. */
static uint32_t looks_event(const osp_sampler *s)
{
    for (uint32_t i = 0; i < s->event.n; i++)
        if (s->event.kind[i]->source == OSP_BY_LOOKS)
            return i;
    return UINT32_MAX;
}

static bool only_looks(const osp_sampler *s) { return s->event.n == 1 && s->event.kind[0]->source == OSP_BY_LOOKS; }

static uint32_t looks_hz(const osp_sampler *s) { return only_looks(s) && s->opts->hz ? s->opts->hz : LOOKS_HZ; }

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

/* ---- what waits -------------------------------------------------------------------------------------------- */

/* Of the processes of a whole machine most are seen a few times only: they are unwound here, from copies of their stacks and
 * one function after the other, before all rows of their files are made. */
static bool needs_rows(const osp_sampler *s, const osp_subject *of)
{
    return !(s->bpf && any_process(s)) || of->asides >= ASIDES || of->all_rows;
}

/* Read a subject's mappings; if they changed, hand the tables over. */
static bool refresh(osp_sampler *s, osp_subject *of, osp_err *err)
{
    bool changed;
    osp_err no_goroutines = {0};
    of->mapped = true;
    of->stale = false;
    if (!osp_subjects_map(s->subjects, of, &changed, &no_goroutines, err))
        return false;
    if (!of->space.whole && needs_rows(s, of)) {
        osp_space_rows(&of->space);
        changed = true;
    }
    if (of->remapped.until_ns == UINT64_MAX)
        of->remapped.until_ns = osp_monotonic_ns() + (changed ? HANDED_OVER_NS : 0);
    if (!changed)
        return true;
    if (no_goroutines.code == OSP_EFORMAT && !s->many)
        snprintf(s->gave_up, sizeof s->gave_up, "goroutines: %.140s", no_goroutines.msg);
    if (s->looks)
        osp_looks_space(s->looks, of);
    if (s->bpf && of->space.whole && of->until_ns == UINT64_MAX && of->process)
        return osp_bpf_side_space(s->bpf, of->pid, &of->space, &of->unwind_go, err);
    return true;
}

/* Programs are being met: look again soon. */
static void be_restless(osp_sampler *s) { s->restless_until_ns = osp_monotonic_ns() + STEP_MS * 1000000u; }

static void make_stale(osp_sampler *s, osp_subject *of);

/* Code that was mapped where other code is known: that is not known any more. */
static void on_remap(osp_sampler *s, osp_subject *of, const osp_birth *b)
{
    if (!of->mapped || !osp_space_differs(&of->space, b->start, b->end, b->offset, b->inode))
        return;
    bool goes_on = of->remapped.since_ns && of->remapped.until_ns >= b->time_ns;
    if (!goes_on) {
        of->remapped.since_ns = b->time_ns;
        of->remapped.start = b->start;
        of->remapped.end = b->end;
    }
    of->remapped.start = b->start < of->remapped.start ? b->start : of->remapped.start;
    of->remapped.end = b->end > of->remapped.end ? b->end : of->remapped.end;
    of->remapped.until_ns = UINT64_MAX;
    make_stale(s, of);
}

static void on_birth(void *ctx, const osp_birth *b)
{
    osp_sampler *s = ctx;
    osp_subject *of = b->what == OSP_BIRTH_MAP ? osp_subjects_now(s->subjects, b->pid) : NULL;
    if (of)
        on_remap(s, of, b);
    osp_subjects_tell(s->subjects, b);
    if (s->perf)
        osp_perf_side_told(s->perf, b);
    if (!any_process(s) && osp_subjects_now(s->subjects, b->pid))
        be_restless(s);
}

static void hear_of_births(osp_sampler *s)
{
    if (!s->births)
        return;
    if (s->perf)
        osp_perf_side_read(s->perf);
    osp_births_drain(s->births, on_birth, s);
    osp_subjects_told_all(s->subjects);
}

static const osp_subject *subject_of(void *ctx, const osp_raw_sample *head)
{
    osp_sampler *s = ctx;
    return osp_subjects_of_sample(s->subjects, head);
}

static void make_stale(osp_sampler *s, osp_subject *of)
{
    void *array = s->stale;
    if (of->stale || !osp_grow(&array, &s->stale_cap, s->nstale + 1, sizeof(osp_subject *)))
        return;
    s->stale = array;
    s->stale[s->nstale++] = of;
    of->stale = true;
}

/* A stack ends outside all mappings: they are to be read again. Of a program that has just begun at once, so that what
 * comes next finds its place. */
static void look_again(osp_sampler *s, osp_subject *of)
{
    osp_err ignored; /* it has ended, and nothing was told */
    if (of->stale)
        return;
    make_stale(s, of);
    if (osp_monotonic_ns() >= s->restless_until_ns)
        return;
    (void)!refresh(s, of, &ignored);
    of->stale = true;
}

/* The first sample of a subject asks for its mappings. */
static void meet(osp_sampler *s, osp_subject *of, const osp_raw_sample *head)
{
    osp_err ignored; /* it has ended, and nothing was told: its addresses stay without a name, and are counted */
    if (of->mapped)
        return;
    of->of_kernel = head->nuser == 0 && head->nkernel > 0 && head->stack_bytes == 0 && !of->told_all && !of->parent;
    of->info.name = osp_str_from(of->name);
    if (!refresh(s, of, &ignored))
        of->info.name = osp_str_from(of->name);
}

/* Where a stack of that process stands that was seen before; trimmed: of a waker, without the tracepoint's own. */
static osp_place place_of(osp_sampler *s, uint32_t pid, uint64_t hash, uint64_t now)
{
    osp_place p = {.head = {.stack_hash = hash, .pid = pid, .ktime_ns = now}};
    p.of = pid ? osp_subjects_at(s->subjects, (int)pid, now) : NULL;
    p.word = osp_bpf_side_stack(s->bpf, &p.head);
    return p;
}

static void trim_waker(osp_sampler *s, osp_place *p)
{
    uint32_t above = p->word ? osp_wakes_above(s->wakes, p) : 0;
    p->word += above;
    p->head.nkernel = (uint16_t)(p->head.nkernel - above);
    p->head.nwords -= above;
}

/* A thread was woken. */
static void on_wake(osp_sampler *s, const osp_raw_sample *head, const uint64_t *word)
{
    osp_place by = {.head = *head, .word = word};
    osp_place woken = place_of(s, head->peer_pid, head->peer_stack, head->ktime_ns);
    osp_subject *of = head->pid ? osp_subjects_of_sample(s->subjects, head) : NULL;
    if (of) {
        meet(s, of, head);
        if (head->end == OSP_END_NO_MAPPING)
            make_stale(s, of);
    }
    by.of = of;
    if (!woken.of) {
        s->no_memory++;
        return;
    }
    osp_reason_woken why = osp_wakes_one(s->wakes, &by, &woken);
    osp_place code = by;
    if (why.by_thread && why.code != head->stack_hash)
        code = place_of(s, why.code_pid, why.code, head->ktime_ns);
    trim_waker(s, &by);
    trim_waker(s, &code);
    osp_collector_add_wake(s->collector, &by, &code, &woken, &why);
}

/* A wait, and what ended it. */
static void add_woken(osp_sampler *s, const osp_subject *of, const osp_raw_sample *head, const uint64_t *word)
{
    osp_place wait = {.of = of, .head = *head, .word = word};
    osp_place by = place_of(s, head->peer_pid, head->peer_stack, head->ktime_ns);
    osp_cause interrupt = OSP_CAUSE_UNKNOWN;
    if (by.word && !osp_wakes_interrupt(s->wakes, &by, &interrupt))
        interrupt = OSP_CAUSE_UNKNOWN;
    trim_waker(s, &by);
    osp_collector_add_woken(s->collector, &wait, &by, interrupt);
}

/* The sample up to the first frame in code that was taken for what had been there before: that one has another name, and
 * its caller was looked for by the wrong rows. */
static const osp_raw_sample *cut_remapped(const osp_subject *of, const osp_raw_sample *head, const uint64_t *word,
                                          osp_raw_sample *cut)
{
    uint16_t n = 0;
    if (head->ktime_ns < of->remapped.since_ns || head->ktime_ns > of->remapped.until_ns)
        return head;
    while (n < head->nuser &&
           (word[head->nkernel + n] < of->remapped.start || word[head->nkernel + n] >= of->remapped.end))
        n++;
    if (n == head->nuser)
        return head;
    *cut = *head;
    cut->nuser = n;
    cut->nlabels = 0;
    cut->end = OSP_END_NO_MAPPING;
    cut->stack_hash = osp_hash_mix(head->stack_hash, (uint64_t)n + 1) | 1;
    return cut;
}

static void on_sample(void *ctx, const osp_raw_sample *head, const uint64_t *word)
{
    osp_sampler *s = ctx;
    const osp_event_kind *kind = s->event.kind[head->event % OSP_MAX_EVENTS];
    if (kind && kind->source == OSP_BY_WAKES) {
        on_wake(s, head, word);
        return;
    }
    osp_subject *of = osp_subjects_of_sample(s->subjects, head);
    if (!of) {
        s->no_memory++;
        return;
    }
    meet(s, of, head);
    osp_raw_sample cut;
    if (of->remapped.since_ns)
        head = cut_remapped(of, head, word, &cut);
    if (head->end == OSP_END_NO_MAPPING)
        look_again(s, of);
    s->sampled_ns += kind == osp_event_kinds[0] ? head->value[0] : 0;
    if (s->opts->wakers && head->peer_stack)
        add_woken(s, of, head, word);
    else
        osp_collector_add(s->collector, of, head, word);
}

static void on_aside(void *ctx, const osp_raw_sample *head)
{
    osp_sampler *s = ctx;
    osp_subject *of = osp_subjects_of_sample(s->subjects, head);
    if (!of)
        return;
    if (head->end != OSP_END_NO_MAPPING)
        return; /* its tables are there, but other means are needed */
    of->asides++;
    if (of->mapped && !of->space.whole && !needs_rows(s, of))
        return; /* its mappings are known, that will do */
    make_stale(s, of);
    be_restless(s);
}

static void add_wait(void *ctx, const osp_subject *of, const osp_waited *w)
{
    osp_sampler *s = ctx;
    char reason[OSP_REASON_MAX];
    osp_how_reason(of->go, w->what.how, w->what.waitreason, reason);
    osp_collector_add_wait(s->collector, of, looks_event(s), w, osp_how_state(w->what.how), osp_str_from(reason));
}

static void on_forgotten(void *ctx, const osp_subject *of, bool last)
{
    osp_sampler *s = ctx;
    if (s->looks)
        osp_looks_forget(s->looks, of, of->until_ns, add_wait, s);
    osp_collector_forget(s->collector, of);
    if (last && s->bpf)
        osp_bpf_side_forget(s->bpf, of->pid);
}

/* Whose a sample of the fallback is; NULL: nobody's that was asked for, or of a child of ours before its exec. */
static const osp_subject *wanted_of(void *ctx, const osp_raw_sample *head)
{
    osp_sampler *s = ctx;
    osp_subject *of = any_process(s) ? osp_subjects_of_sample(s->subjects, head)
                                     : osp_subjects_at(s->subjects, (int)head->pid, head->ktime_ns);
    if (!of || (s->opts->release && of->pid == s->opts->pid && !of->told_all))
        return NULL;
    meet(s, of, head);
    return of;
}

static void refresh_stale(osp_sampler *s)
{
    osp_err err;
    for (size_t i = 0; i < s->nstale; i++)
        if (!refresh(s, s->stale[i], &err) && err.code == OSP_ELIMIT)
            snprintf(s->gave_up, sizeof s->gave_up, "%.150s", err.msg);
    s->nstale = 0;
}

/* Take what waits. Samples that met code without a table wait for the mappings to be read again; the fallback unwinds each
 * sample as it comes. */
static void drain(osp_sampler *s)
{
    hear_of_births(s);
    if (s->perf) {
        osp_perf_sink to = {s, wanted_of, on_sample};
        osp_perf_side_give(s->perf, &to);
    } else if (s->bpf) {
        osp_bpf_sink to = {s, on_sample, on_aside};
        osp_bpf_side_drain(s->bpf, &to);
        refresh_stale(s);
        osp_bpf_side_settle(s->bpf, &to, subject_of);
    }
}

/* At the end of a step: what met unknown code is read again, and what ended before is forgotten. Its samples were in the ring
 * before its end was told. */
static void tidy(osp_sampler *s)
{
    refresh_stale(s);
    osp_subjects_forget(s->subjects, on_forgotten, s);
}

/* ---- start ------------------------------------------------------------------------------------------------- */

static void close_events(osp_sampler *s)
{
    for (uint32_t i = 0; i < 2 * s->event.n; i++)
        osp_events_close(&s->events[i]);
}

/* Clocks on CPUs, or on threads? */
static bool by_cpus(const osp_sampler *s)
{
    if (s->many || s->threads_come)
        return true;
    if (rate_is_free(s))
        return s->hz <= USUAL_HZ; /* more is for a process that hardly runs */
    return (uint64_t)s->hz * osp_host_cpus() <= TICKS_MOST;
}

static bool has_perf_event(const osp_event_kind *k) { return k->source == OSP_BY_PERF || k->source == OSP_BY_WALL; }

static bool open_events(osp_sampler *s, bool on_exec, osp_err *err)
{
    if (only_looks(s))
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
        close_events(s);
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
    s->next_period_ns = now + (8 * period > STEP_MS * 1000000u ? 8 * period : STEP_MS * 1000000u);
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

/* BPF, or say in gave_up why not and prepare the fallback. */
static bool open_means(osp_sampler *s, osp_err *err)
{
    osp_err why = {0};
    if (only_looks(s)) {
        if ((s->opts->children || any_process(s)) && !hear_births(s, &why))
            snprintf(s->gave_up, sizeof s->gave_up, "processes that start later are not looked at: %.110s", why.msg);
        return true;
    }
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
        hear_of_births(s);
        osp_subject *now = osp_subjects_now(s->subjects, pid);
        if (now != s->subject) {
            now->pinned = true;
            now->process = s->subject->process; /* it holds the pid, whatever runs there */
            s->subject->process = NULL;
            s->subject->pinned = false;
            s->subject = s->given[0] = now;
            /* If it was short, what was told of it serves. Its memory goes before its pidfd says so. */
            return (osp_subject_identify(now, err) && refresh(s, now, err)) || err->code == OSP_EABSENT ||
                   !osp_process_alive(now->process);
        }
        nanosleep(&moment, NULL);
    }
    return osp_subject_identify(s->subject, err) && refresh(s, s->subject, err);
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
    if (s->opts->exact && (s->ngiven > EXACT_MOST || s->opts->children || any_process(s)))
        return osp_fail(err, OSP_EUSAGE, "--exact measures processes that are given by pid, at most %d", EXACT_MOST);
    for (uint32_t i = 0; i < s->ngiven; i++) {
        bool ok = look_at(s, s->given[i], err);
        if (!ok && s->opts->exact)
            return false;
        if (!ok && s->many)
            snprintf(s->gave_up, sizeof s->gave_up, "wait: %.150s", err->msg);
        found |= ok;
    }
    return found || any_process(s) || s->opts->children;
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
    osp_arena_init(&a, THREADS_LIMIT);
    osp_go_survey_look(s->survey, of->pid, &a, &brief);
    osp_arena_drop(&a);
    if (!brief.is_go && !of->go)
        return;
    of->all_rows = true;
    if (refresh(s, of, &ignored))
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
        if ((of->go || refresh(s, of, &ignored)) && !look_at(s, of, &ignored) && s->opts->exact &&
            ignored.code != OSP_EABSENT) {
            snprintf(s->gave_up, sizeof s->gave_up, "wait: %.150s", ignored.msg);
            s->no_looks = true;
        }
    }
    if (s->survey)
        osp_subjects_each(s->subjects, consider, s);
    for (osp_subject *of; (of = osp_looks_unmapped(s->looks));)
        make_stale(s, of);
}

static bool open_looks(osp_sampler *s, osp_err *err)
{
    if (looks_event(s) == UINT32_MAX)
        return true;
    s->looks = osp_looks_new(looks_hz(s), s->opts, err);
    if (s->looks && (any_process(s) || s->opts->children))
        s->survey = osp_go_survey_new(err);
    return s->looks && (s->survey || !(any_process(s) || s->opts->children));
}

/* The C library and the loader are in nearly every program, and in us: they are there before it begins. */
static void prepare_libraries(osp_sampler *s)
{
    osp_arena a;
    osp_map *map;
    osp_err ignored; /* then they are read when they are met */
    uint32_t n, k = 0;
    osp_process *self = osp_process_open(getpid(), &ignored);
    osp_arena_init(&a, THREADS_LIMIT);
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
    s->hz = s->opts->hz ? s->opts->hz : USUAL_HZ;
    if (!s->births) /* nobody would tell of its exec */
        return s->opts->release(s->opts->release_ctx, err) && osp_subject_identify(s->subject, err) &&
               refresh(s, s->subject, err);
    if (!s->bpf)
        return open_events(s, true, err) && s->opts->release(s->opts->release_ctx, err) && meet_new_program(s, err);
    if (rate_is_free(s))
        s->hz = (uint32_t)dense_hz();
    prepare_libraries(s);
    return osp_bpf_side_enter(s->bpf, s->subject->pid, true, err) &&
           osp_bpf_side_watch(s->bpf, false, &s->start_ns, err) && open_events(s, true, err) &&
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
    s->many = o->nalso || o->children || any_process(s);
    s->subjects = osp_subjects_new(o->objects, o->children, any_process(s), err);
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
        (any_process(s) && !osp_subjects_take_in_all(s->subjects, err)))
        return false;
    s->collector = osp_collector_new(&s->event, s->many, err);
    if (!s->collector || !open_wakes(s, err) || !open_looks(s, err))
        return false;
    s->random = s->cpu_at_ns = s->start_ns = osp_monotonic_ns();
    s->cpu_ns = s->many ? 0 : process_cpu_ns(s->subject->process);
    if (s->opts->release)
        return start_child(s, err);
    for (uint32_t i = 0; i < s->ngiven; i++)
        if (!refresh(s, s->given[i], err))
            return false;
    s->hz = s->opts->hz ? s->opts->hz : USUAL_HZ;
    if (rate_is_free(s) && !s->many)
        s->hz = rate_for(load_since(s), s->opts->seconds);
    osp_err none = {0};
    if (!find_goroutines(s, &none)) {
        if (only_looks(s) || s->opts->exact) {
            *err = none;
            return false;
        }
        snprintf(s->gave_up, sizeof s->gave_up, "wait: %.150s", none.msg);
    }
    /* Threads first, then their clocks: what they run in between is in their first tick. */
    if (s->bpf && !osp_bpf_side_watch(s->bpf, true, &s->start_ns, err))
        return false;
    if (!open_events(s, false, err))
        return false;
    if (s->bpf && watches(s))
        drain(s); /* while the threads that sleep still do */
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
    close_events(s);
    osp_looks_drop(s->looks);
    osp_go_survey_drop(s->survey);
    osp_perf_side_close(s->perf);
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
    *out = (osp_sample_stats){.by_bpf = s->bpf != NULL, .hz = s->hz};
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
    out->lost = lost_so_far(s) - s->lost_before + osp_collector_lost(s->collector);
    if (s->bpf) {
        osp_bpf_side_cost(s->bpf, &out->bpf_run_ns, &out->bpf_runs);
        out->bpf_run_ns -= s->bpf_ns_before;
        out->bpf_runs -= s->bpf_runs_before;
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
    if (s->many) {
        s->hz = (uint32_t)fmin(hz, dense_hz());
        change_period(s);
        return;
    }
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
        drain(s);
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
        if (due <= until)
            osp_looks_hurry(s->looks);
        sleep_until(s, due < until ? due : until);
        if (s->looks) {
            osp_looks_look(s->looks);
            osp_looks_relax(s->looks);
        }
        if (s->perf) /* copies of stacks fill a ring much sooner than a step */
            drain(s);
        if (all_ended(s))
            break;
    }
    drain(s);
}

/* A single process whose threads come and go is better sampled by clocks on CPUs. */
static void look_at_threads(osp_sampler *s)
{
    osp_err err;
    uint64_t born = osp_subjects_threads(s->subjects), before = s->threads_before;
    s->threads_before = born;
    if (!s->bpf || by_cpus(s) || born - before < BIRTHS_MANY)
        return;
    s->threads_come = true;
    s->hz = s->opts->hz ? s->opts->hz : USUAL_HZ;
    close_events(s);
    if (!open_events(s, false, &err))
        snprintf(s->gave_up, sizeof s->gave_up, "%.150s", err.msg);
}

bool osp_sampler_run(osp_sampler *s, double seconds)
{
    uint64_t end = seconds > 0 ? osp_monotonic_ns() + (uint64_t)(seconds * 1e9) : UINT64_MAX;
    for (s->step = 1;; s->step++) {
        uint64_t now = osp_monotonic_ns();
        if ((s->opts->stop && *s->opts->stop) || all_ended(s))
            return false;
        if (now >= end)
            return true;
        if ((s->bpf || s->perf) && now >= s->next_period_ns)
            change_period(s);
        wait_until(s, now + (end - now < STEP_MS * 1000000u ? end - now : STEP_MS * 1000000u));
        if (s->step % 3 == 0 && s->opts->progress) {
            osp_sample_stats stats;
            read_stats(s, slice_end(s), &stats);
            s->opts->progress(s->opts->progress_ctx, &stats, (double)stats.duration_ns / 1e9);
        }
        look_at_threads(s);
        if (s->step % 3 == 0 && rate_is_free(s) && !s->threads_come && !(s->perf && s->many))
            adapt_rate(s);
        follow_goroutines(s);
        tidy(s);
    }
}

void osp_sampler_pause(osp_sampler *s)
{
    if (!s->running)
        return;
    s->paused_ns = osp_monotonic_ns();
    s->running = false;
    if (s->bpf) {
        osp_bpf_side_flush(s->bpf, s->paused_ns, true);
        osp_bpf_side_unwatch(s->bpf);
    }
    close_events(s);
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
    drain(s);
    if (s->bpf)
        osp_bpf_side_tallies(s->bpf, on_tally, s);
    if (s->looks)
        osp_looks_settle(s->looks, slice_end(s));
    read_stats(s, until, &out->stats);
    if (s->subject) {
        memcpy(out->name, s->subject->name, sizeof out->name);
        if (s->subject->process && osp_process_alive(s->subject->process) && osp_subject_identify(s->subject, &gone))
            out->stats.state = s->subject->info.state;
    }
    if (s->looks)
        osp_looks_take(s->looks, slice_end(s), add_wait, s);
    osp_profile_head head = {
        .time_ns = s->slice_wall_ns,
        .duration_ns = (int64_t)out->stats.duration_ns,
        .period = 1000000000 / (only_looks(s) ? looks_hz(s) : s->hz),
        .period_type = only_looks(s) ? S("wait") : S("cpu"),
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
    free(r->wake);
    *r = (osp_recording){0};
}
