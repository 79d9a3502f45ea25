/* SPDX-License-Identifier: Apache-2.0 */
/* Facts of a live process: /proc and the Go runtime before, samples, /proc and the Go runtime after.
 *
 * The sampler needs a moment to get ready (it reads the process's files), so what is read before is read again when
 * the sampler first reports progress: rates are then of the sampled window. */
#include "diagnose/diagnose_internal.h"

#include "base/clock.h"
#include "symbol/symbol.h"

#include <math.h>
#include <unistd.h>

/* A reading of everything that is compared before against after. */
typedef struct {
    uint64_t ns; /* CLOCK_MONOTONIC; 0 = not read */
    osp_thread *thread;
    uint32_t nthread;
    osp_go_snapshot go; /* go.taken_ns = 0: not read */
} reading;

typedef struct {
    osp_process *process;
    osp_go *go;
    osp_arena *arena;
    const osp_sample_opts *caller;
    osp_yields *yields; /* or NULL */
    reading before;
    bool started;
    /* The latest reading, for a process that ends while we look; taken in turn in two arenas. */
    reading latest;
    osp_arena spare[2];
    unsigned turn;
} watch;

/* Reading this many threads four times a second costs next to nothing. */
enum { FEW_THREADS = 256, SPARE_LIMIT = 16 << 20 };

static bool take(watch *w, osp_arena *arena, reading *out, osp_err *err)
{
    reading r = {.ns = osp_monotonic_ns()};
    if (!osp_process_threads(w->process, arena, &r.thread, &r.nthread, err))
        return false;
    osp_err ignored; /* without a snapshot the rules say "unknown" */
    if (w->go && !osp_go_snapshot_read(w->go, arena, &r.go, &ignored))
        r.go = (osp_go_snapshot){0};
    *out = r;
    return true;
}

static void on_progress(void *ctx, const osp_sample_stats *so_far, double elapsed_s)
{
    watch *w = ctx;
    reading now;
    osp_err ignored; /* the earlier reading stands */
    if (!w->started) {
        if (take(w, w->arena, &now, &ignored))
            w->before = now;
    } else if (w->before.nthread <= FEW_THREADS) {
        osp_arena *arena = &w->spare[w->turn];
        osp_arena_drop(arena);
        if (take(w, arena, &now, &ignored) && now.nthread) {
            w->latest = now;
            w->turn = !w->turn;
        }
    }
    w->started = true;
    if (w->yields)
        osp_yields_look(w->yields);
    if (w->caller->progress)
        w->caller->progress(w->caller->progress_ctx, so_far, elapsed_s);
}

static const osp_thread *thread_in(const reading *r, int tid)
{
    uint32_t lo = 0, hi = r->nthread; /* sorted by tid; there may be thousands */
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (r->thread[mid].tid < tid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < r->nthread && r->thread[lo].tid == tid ? &r->thread[lo] : NULL;
}

static const osp_m *m_in(const osp_go_snapshot *s, uint64_t addr, int tid)
{
    for (uint32_t i = 0; i < s->nm; i++)
        if (addr ? s->m[i].addr == addr : s->m[i].tid == tid && tid)
            return &s->m[i];
    return NULL;
}

static uint64_t goid_on(const osp_go_snapshot *s, const osp_m *m)
{
    for (uint32_t i = 0; i < s->ng; i++)
        if (m->curg && s->g[i].addr == m->curg)
            return s->g[i].goid;
    return 0;
}

/* ---- threads --------------------------------------------------------------------------------------------------- */

static void fill_thread(const reading *b, const reading *a, const osp_sampled_thread *s, double window_s,
                        double sampled_s, osp_thread_fact *t)
{
    const osp_thread *was = thread_in(b, t->tid), *is = thread_in(a, t->tid);
    osp_thread zero = {0};
    if (s) {
        t->samples = s->samples;
        t->sampled = sampled_s > 0 ? (double)s->cpu_ns / 1e9 / sampled_s : 0;
    }
    if (is && window_s > 0) {
        was = was ? was : &zero; /* born in the window */
        t->running = (double)(is->run_ns - was->run_ns) / 1e9 / window_s;
        t->voluntary_per_s = (double)(is->voluntary - was->voluntary) / window_s;
        t->involuntary_per_s = (double)(is->involuntary - was->involuntary) / window_s;
        /* On a crowded host a thread that wakes often waits often, for next to no work: such waits are not demand. */
        double switches = t->voluntary_per_s + t->involuntary_per_s;
        double preempted = switches > 0 ? t->involuntary_per_s / switches : 1;
        t->demand = t->running + preempted * (double)(is->wait_ns - was->wait_ns) / 1e9 / window_s;
    } else {
        t->demand = t->running = t->sampled; /* it ended in the window: /proc has nothing of it */
    }
    const osp_m *m0 = m_in(&b->go, s ? s->m : 0, t->tid), *m1 = m_in(&a->go, s ? s->m : 0, t->tid);
    t->has_m = (s && s->m) || m0 || m1;
    t->m_is_known = a->go.nm > 0;
    t->cgo_calls_per_s = -1;
    double go_s = a->go.taken_ns > b->go.taken_ns ? (double)(a->go.taken_ns - b->go.taken_ns) / 1e9 : 0;
    if (m0 && m1 && m0->addr == m1->addr && m1->ncgocall >= m0->ncgocall && go_s > 0) {
        t->cgo_calls_per_s = (double)(m1->ncgocall - m0->ncgocall) / go_s;
        t->same_call = m1->ncgocall == m0->ncgocall && m0->ncgo > 0 && m1->ncgo > 0 && m0->curg == m1->curg;
    }
    if (m1)
        t->goid = goid_on(&a->go, m1);
}

static bool fill_threads(osp_facts *f, const reading *b, const reading *a, const osp_recording *rec, osp_err *err)
{
    osp_thread_fact *t = osp_new(f->arena, osp_thread_fact, (size_t)a->nthread + rec->nthread + 1);
    if (!t)
        return osp_fail_memory(err, "comparing threads");
    double window_s = a->ns > b->ns ? (double)(a->ns - b->ns) / 1e9 : 0,
           sampled_s = (double)rec->stats.duration_ns / 1e9;
    for (uint32_t i = 0; i < a->nthread; i++)
        t[f->nthread++].tid = a->thread[i].tid;
    for (uint32_t i = 0; i < rec->nthread; i++)
        if (!thread_in(a, rec->thread[i].tid))
            t[f->nthread++].tid = rec->thread[i].tid;
    for (uint32_t i = 0; i < f->nthread; i++) {
        const osp_thread *p = thread_in(a, t[i].tid);
        const osp_sampled_thread *s = NULL;
        for (uint32_t k = 0; k < rec->nthread; k++)
            if (rec->thread[k].tid == t[i].tid)
                s = &rec->thread[k];
        memcpy(t[i].name, p ? p->name : s ? s->name : "", p || s ? sizeof t[i].name : 1);
        fill_thread(b, a, s, window_s, sampled_s, &t[i]);
        f->cores_used += t[i].running;
        f->sampled_cores += t[i].sampled;
    }
    f->thread = t;
    return true;
}

/* ---- the Go runtime -------------------------------------------------------------------------------------------- */

static void fill_rates(osp_facts *f, const osp_go_snapshot *b, const osp_go_snapshot *a)
{
    f->cgo_calls_per_s = f->sched_ticks_per_s = -1;
    f->goroutines = a->taken_ns ? a->ngoroutine : -1;
    if (!b->taken_ns || a->taken_ns <= b->taken_ns)
        return;
    double s = (double)(a->taken_ns - b->taken_ns) / 1e9, calls = 0, ticks = 0;
    for (uint32_t i = 0; i < a->nm; i++) {
        const osp_m *was = m_in(b, a->m[i].addr, 0);
        uint64_t from = was && was->ncgocall <= a->m[i].ncgocall ? was->ncgocall : 0;
        calls += (double)(a->m[i].ncgocall - from);
    }
    for (uint32_t i = 0; i < a->np; i++)
        for (uint32_t k = 0; k < b->np; k++)
            if (b->p[k].id == a->p[i].id)
                ticks += (double)(uint32_t)(a->p[i].schedtick - b->p[k].schedtick); /* 32 bits, wraps */
    f->cgo_calls_per_s = calls / s;
    f->sched_ticks_per_s = ticks / s;
}

/* ---- agreement ------------------------------------------------------------------------------------------------- */

/* Cores spent in the kernel, by /proc; in clock ticks, so only as exact as these. */
static double kernel_cores(const reading *b, const reading *a, double window_s)
{
    uint64_t ticks = 0;
    for (uint32_t i = 0; i < a->nthread; i++) {
        const osp_thread *was = thread_in(b, a->thread[i].tid);
        ticks += a->thread[i].system_ticks - (was ? was->system_ticks : 0);
    }
    return window_s > 0 ? (double)ticks / (double)sysconf(_SC_CLK_TCK) / window_s : 0;
}

/* Say why the samples and /proc differ, if they do by more than chance. */
static void fill_agreement(osp_facts *f, double in_kernel, uint32_t ended)
{
    double chance = f->samples ? 3 * f->sampled_cores / sqrt((double)f->samples) : 0;
    double differ = f->sampled_cores - f->cores_used;
    if (fabs(differ) <= 0.04 + 0.06 * f->cores_used + chance)
        return;
    if (differ < 0 && f->sampling.lost)
        f->disagree = osp_arena_fmt(f->arena, "%llu samples were lost", (unsigned long long)f->sampling.lost);
    else if (ended)
        f->disagree = osp_arena_fmt(f->arena, "%u threads ended while we looked: /proc forgets them", ended);
    else if (differ < 0 && !f->sampling.by_bpf && in_kernel >= -differ - 0.05)
        f->disagree = S("time in the kernel is not sampled without more rights");
    else if (differ > 0 && f->sampling.by_bpf)
        f->disagree = S("its load changed while we looked");
    else
        f->disagree = S("the reason is not known: trust /proc for amounts, the samples for shares");
}

static bool fill(watch *w, const reading *after, osp_recording *rec, const osp_map *map, uint32_t nmap,
                 osp_profile **symbolised, osp_facts *f, osp_err *err)
{
    f->sampling = rec->stats;
    f->window_ns = rec->stats.duration_ns;
    if (!fill_threads(f, &w->before, after, rec, err))
        return false;
    fill_rates(f, &w->before.go, &after->go);
    osp_symbol_sources from = {.object = rec->object, .nobject = rec->nobject, .jit = rec->jit, .this_kernel = true};
    osp_symbol_stats ignored;
    *symbolised = osp_symbolise(rec->profile, &from, &ignored, err);
    osp_leaf *leaf;
    if (!*symbolised || !osp_digest(*symbolised, rec->object, rec->nobject, f, &leaf, err))
        return false;
    osp_digest_loops(*symbolised, rec->object, rec->nobject, f, leaf, map, nmap);
    uint32_t ended = 0;
    for (uint32_t i = 0; i < f->nthread; i++)
        ended += thread_in(after, f->thread[i].tid) == NULL;
    double window_s = after->ns > w->before.ns ? (double)(after->ns - w->before.ns) / 1e9 : 0;
    fill_agreement(f, kernel_cores(&w->before, after, window_s), ended);
    return true;
}

void osp_observed_drop(osp_observed *o)
{
    osp_profile_drop(o->symbolised);
    osp_recording_drop(&o->recording);
    *o = (osp_observed){0};
}

bool osp_observe(const osp_sample_opts *opts, osp_arena *a, osp_observed *keep, osp_facts *f, osp_err *err)
{
    *f = (osp_facts){.arena = a, .pid = opts->pid, .goroutines = -1, .cgo_calls_per_s = -1, .sched_ticks_per_s = -1};
    *keep = (osp_observed){0};
    watch w = {.arena = a, .caller = opts};
    osp_arena_init(&w.spare[0], SPARE_LIMIT);
    osp_arena_init(&w.spare[1], SPARE_LIMIT);
    osp_image image;
    bool ok = false;
    w.process = osp_process_open(opts->pid, err);
    if (!w.process || !osp_process_info_read(w.process, a, &f->process, err) ||
        !osp_process_image(w.process, a, &image, err))
        goto out;
    if (f->process.state == 'T' || f->process.state == 't') {
        osp_fail(err, OSP_EABSENT, "pid %d is stopped (%s) and uses no CPU; let it go on with  kill -CONT %d",
                 opts->pid, f->process.state == 't' ? "by a debugger" : "by a signal", opts->pid);
        goto out;
    }
    f->host_cpus = osp_host_cpus();
    osp_host_clocksource(f->clocksource);
    osp_err no_go;
    w.go = osp_go_open(&image, opts->objects, &no_go);
    f->is_go = w.go || no_go.code != OSP_EABSENT;
    /* comm holds 15 bytes: the program's own file name says the rest. */
    osp_str exe = osp_str_base(f->process.exe);
    if (f->process.name.n == 15 && osp_str_starts(exe, f->process.name))
        f->process.name = exe;
    if (w.go)
        f->go_version = osp_arena_str(a, osp_go_version(w.go));
    if (w.go)
        w.yields = osp_yields_new(w.go, w.process);
    else if (f->is_go)
        f->go_unreadable = osp_arena_str(a, osp_str_from(no_go.msg));
    if (!take(&w, a, &w.before, err))
        goto out;
    osp_sample_opts sample = *opts;
    sample.process = w.process;
    sample.go = w.go;
    sample.progress = on_progress;
    sample.progress_ctx = &w;
    if (!osp_record(&sample, &keep->recording, err))
        goto out;
    reading after;
    osp_err ended; /* it ended while we looked: what was sampled still counts */
    if (!take(&w, a, &after, &ended) || !after.nthread || !osp_process_alive(w.process))
        after = w.latest.ns ? w.latest : (reading){.ns = osp_monotonic_ns()};
    if (w.yields) {
        osp_yields_look(w.yields);
        osp_yields_facts(w.yields, f);
    }
    ok = fill(&w, &after, &keep->recording, image.map, image.nmap, &keep->symbolised, f, err);
out:
    if (!ok)
        osp_observed_drop(keep);
    osp_arena_drop(&w.spare[0]);
    osp_arena_drop(&w.spare[1]);
    osp_yields_drop(w.yields);
    osp_go_close(w.go);
    osp_process_close(w.process);
    return ok;
}
