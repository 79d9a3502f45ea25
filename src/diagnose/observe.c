/* SPDX-License-Identifier: Apache-2.0 */
/* Facts of a live process: /proc and the Go runtime before, samples, /proc and the Go runtime after.
 *
 * The sampler needs a moment to get ready (it reads the process's files), so what is read before is read again when
 * the sampler first reports progress: rates are then of the sampled window. */
#include "diagnose/section.h"

#include "base/clock.h"

#include <math.h>
#include <unistd.h>

enum { MAX_SECTIONS = 32 };

/* A reading of everything that is compared before against after. */
typedef struct {
    uint64_t ns; /* CLOCK_MONOTONIC; 0 = not read */
    osp_thread *thread;
    uint32_t nthread;
    osp_go_snapshot go; /* go.taken_ns = 0: not read */
} reading;

typedef struct {
    osp_watch watch;
    void *state[MAX_SECTIONS]; /* of the sections, by number */
    osp_yields *yields;        /* or NULL */
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
    if (!osp_process_threads(w->watch.process, arena, &r.thread, &r.nthread, err))
        return false;
    osp_err ignored; /* without a snapshot the rules say "unknown" */
    if (w->watch.go && !osp_go_snapshot_read(w->watch.go, arena, &r.go, &ignored))
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
        if (take(w, w->watch.arena, &now, &ignored))
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
    if (w->watch.opts->progress)
        w->watch.opts->progress(w->watch.opts->progress_ctx, so_far, elapsed_s);
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

static bool fill_samples(watch *w, const reading *after, osp_facts *f, osp_err *err)
{
    osp_recording *rec = &w->watch.keep->recording[0];
    f->sampling = rec->stats;
    f->window_ns = rec->stats.duration_ns;
    if (!fill_threads(f, &w->before, after, rec, err))
        return false;
    osp_profile *symbolised = osp_keep_named(w->watch.keep, rec, err);
    osp_leaf *leaf;
    if (!symbolised || !osp_digest(symbolised, rec->object, rec->nobject, f, &leaf, err))
        return false;
    osp_digest_loops(symbolised, rec->object, rec->nobject, f, leaf, w->watch.image.map, w->watch.image.nmap);
    return true;
}

static bool fill(watch *w, const reading *after, osp_facts *f, osp_err *err)
{
    osp_recording none = {0};
    fill_rates(f, &w->before.go, &after->go);
    if (f->unsampled.n) {
        f->window_ns = after->ns - w->before.ns;
        return fill_threads(f, &w->before, after, &none, err);
    }
    if (!fill_samples(w, after, f, err))
        return false;
    uint32_t ended = 0;
    for (uint32_t i = 0; i < f->nthread; i++)
        ended += thread_in(after, f->thread[i].tid) == NULL;
    double window_s = after->ns > w->before.ns ? (double)(after->ns - w->before.ns) / 1e9 : 0;
    fill_agreement(f, kernel_cores(&w->before, after, window_s), ended);
    return true;
}

/* ---- the observation ---------------------------------------------------------------------------------------------- */

static const double TICK_S = 0.1, LEAST_S = 0.3;

double osp_watch_elapsed(const osp_watch *w) { return (double)(osp_monotonic_ns() - w->begin_ns) / 1e9; }

static bool open_all(watch *w, osp_arena *a, osp_facts *f, osp_err *err)
{
    osp_watch *x = &w->watch;
    x->process = osp_process_open(x->opts->pid, err);
    if (!x->process || !osp_process_info_read(x->process, a, &f->process, err) ||
        !osp_process_image(x->process, a, &x->image, err))
        return false;
    f->stopped = f->process.state == 'T' || f->process.state == 't';
    uint64_t now = osp_clock_ns(CLOCK_BOOTTIME);
    f->uptime_s = f->process.start_ns && now > f->process.start_ns ? (double)(now - f->process.start_ns) / 1e9 : 0;
    f->host_cpus = osp_host_cpus();
    osp_host_clocksource(f->clocksource);
    /* comm holds 15 bytes: the program's own file name says the rest. */
    osp_str exe = osp_str_base(f->process.exe);
    if (f->process.name.n == 15 && osp_str_starts(exe, f->process.name))
        f->process.name = exe;
    osp_err no_go;
    x->inspect = osp_inspect_open(&x->image, x->opts->objects, &no_go);
    f->is_go = x->inspect || no_go.code != OSP_EABSENT;
    if (!x->inspect) {
        if (f->is_go)
            f->go_unreadable = osp_arena_str(a, osp_str_from(no_go.msg));
        return true;
    }
    x->go = osp_inspect_go(x->inspect);
    f->go_version = osp_arena_str(a, osp_go_version(x->go));
    w->yields = osp_yields_new(x->go, x->process);
    return true;
}

static void close_all(watch *w)
{
    osp_arena_drop(&w->spare[0]);
    osp_arena_drop(&w->spare[1]);
    osp_yields_drop(w->yields);
    osp_inspect_close(w->watch.inspect);
    osp_process_close(w->watch.process);
}

static void tick(watch *w)
{
    for (size_t i = 0; i < MAX_SECTIONS && osp_sections[i]; i++)
        if (w->state[i] && osp_sections[i]->tick)
            osp_sections[i]->tick(&w->watch, w->state[i]);
}

/* Is it time to end? In the time between the two only if nobody has a reason to go on. */
static bool is_over(const watch *w, uint64_t end_ns, uint64_t last_ns, osp_facts *f)
{
    const uint64_t now = osp_monotonic_ns();
    const char *why = NULL;
    if (now < end_ns)
        return false;
    for (size_t i = 0; now < last_ns && !why && i < MAX_SECTIONS && osp_sections[i]; i++)
        if (w->state[i] && osp_sections[i]->undecided)
            why = osp_sections[i]->undecided(&w->watch, w->state[i]);
    if (why)
        f->longer = osp_str_from(why);
    return !why;
}

/* Take samples for so long; of a process that stands still, or that cannot be sampled, look at it without. */
static void watch_for(watch *w, double seconds, double patience_s, osp_facts *f)
{
    osp_sample_opts sample = *w->watch.opts;
    sample.process = w->watch.process;
    sample.go = w->watch.go;
    sample.places = true;
    sample.progress = on_progress;
    sample.progress_ctx = w;
    osp_err err;
    osp_sampler *s = f->stopped ? NULL : osp_sampler_start(&sample, &err);
    if (!s)
        f->unsampled = f->stopped ? S("it is stopped") : osp_arena_str(w->watch.arena, osp_str_from(err.msg));
    uint64_t end = osp_monotonic_ns() + (uint64_t)(seconds * 1e9), last = end + (uint64_t)(patience_s * 1e9);
    while (!is_over(w, end, last, f) && !(sample.stop && *sample.stop)) {
        if (s && !osp_sampler_run(s, TICK_S))
            break;
        if (!s && !osp_process_alive(w->watch.process))
            break;
        if (!s)
            nanosleep(&(struct timespec){.tv_nsec = (long)(TICK_S * 1e9)}, NULL);
        tick(w);
    }
    if (!s)
        return;
    osp_sampler_pause(s);
    if (!osp_sampler_take(s, &w->watch.keep->recording[0], &err))
        f->unsampled = osp_arena_str(w->watch.arena, osp_str_from(err.msg));
    osp_sampler_stop(s);
}

static double windows_s(uint32_t ask)
{
    double sum = 0;
    for (const osp_section *const *s = osp_sections; *s; s++)
        sum += (*s)->window && ((*s)->ask & ask) ? (*s)->seconds : 0;
    return sum;
}

bool osp_observe(const osp_sample_opts *opts, double patience_s, uint32_t ask, osp_arena *a, osp_observed *keep,
                 osp_facts *f, osp_err *err)
{
    *f = (osp_facts){.arena = a, .pid = opts->pid, .goroutines = -1, .cgo_calls_per_s = -1, .sched_ticks_per_s = -1};
    *keep = (osp_observed){0};
    watch w = {.watch = {.opts = opts, .arena = a, .keep = keep}};
    osp_arena_init(&w.spare[0], SPARE_LIMIT);
    osp_arena_init(&w.spare[1], SPARE_LIMIT);
    bool ok = open_all(&w, a, f, err) && take(&w, a, &w.before, err);
    if (!ok) {
        close_all(&w);
        return false;
    }
    w.watch.begin_ns = osp_monotonic_ns();
    for (size_t i = 0; i < MAX_SECTIONS && osp_sections[i]; i++)
        w.state[i] = osp_sections[i]->begin ? osp_sections[i]->begin(&w.watch) : NULL;
    double asked_s = windows_s(ask), scale = asked_s > opts->seconds / 2 ? opts->seconds / 2 / asked_s : 1;
    double samples_s = opts->seconds - asked_s * scale;
    watch_for(&w, samples_s > LEAST_S ? samples_s : LEAST_S, patience_s, f);
    reading after;
    osp_err ended; /* it ended while we looked: what was sampled still counts */
    if (!take(&w, a, &after, &ended) || !after.nthread || !osp_process_alive(w.watch.process))
        after = w.latest.ns ? w.latest : (reading){.ns = osp_monotonic_ns()};
    if (w.yields) {
        osp_yields_look(w.yields);
        osp_yields_facts(w.yields, f);
    }
    ok = fill(&w, &after, f, err);
    for (size_t i = 0; i < MAX_SECTIONS && osp_sections[i]; i++) {
        if (osp_sections[i]->end && w.state[i])
            osp_sections[i]->end(&w.watch, w.state[i], f);
    }
    for (size_t i = 0; i < MAX_SECTIONS && osp_sections[i]; i++) {
        const osp_section *s = osp_sections[i];
        if (ok && s->window && (s->ask & ask) && !f->stopped && osp_process_alive(w.watch.process)) {
            s->window(&w.watch, s->seconds * scale, f);
            f->asked |= s->ask;
        }
    }
    if (!ok)
        osp_observed_drop(keep);
    close_all(&w);
    return ok;
}

/* ---- a diagnosis -------------------------------------------------------------------------------------------------- */

uint32_t osp_asked_for(const osp_facts *f)
{
    uint32_t ask = 0;
    for (const osp_rule *const *r = osp_rules; *r; r++)
        if ((*r)->wants && (f->is_go || !(*r)->only_go))
            ask |= (*r)->wants(f);
    return ask;
}

enum { FIRST_S = 1, WORTH_A_FIRST_LOOK_S = 3, KEPT_LIMIT = 256 << 20 };

/* A brief look: what it found is told, and what else the rules ask for. The facts are kept as bytes, for the case that the
 * process does not live to be looked at again. */
static bool first_look(const osp_why_opts *opts, osp_sample_opts brief, size_t limit, uint32_t *ask, osp_buf *kept,
                       osp_err *err)
{
    osp_arena arena;
    osp_observed keep;
    osp_facts f;
    osp_findings found;
    osp_err ignored; /* then there is nothing to fall back on */
    brief.seconds = FIRST_S;
    osp_arena_init(&arena, limit);
    bool ok = osp_observe(&brief, 0, 0, &arena, &keep, &f, err);
    if (ok) {
        *ask = osp_asked_for(&f);
        osp_diagnose(&f, &found);
        if (opts->first)
            opts->first(opts->ctx, &f, &found);
        if (!osp_facts_save(&f, kept, &ignored))
            kept->n = 0;
        osp_observed_drop(&keep);
    }
    osp_arena_drop(&arena);
    return ok;
}

bool osp_why_live(const osp_why_opts *opts, osp_arena *a, osp_observed *keep, osp_facts *f, osp_findings *found,
                  osp_err *err)
{
    osp_sample_opts sample = *opts->sample;
    osp_buf kept = osp_buf_of(KEPT_LIMIT);
    osp_err ignored; /* the first failure says more */
    uint32_t ask = 0;
    if (sample.seconds >= WORTH_A_FIRST_LOOK_S) {
        if (!first_look(opts, sample, a->limit, &ask, &kept, err)) {
            osp_buf_drop(&kept);
            return false;
        }
        sample.seconds -= FIRST_S;
    }
    if (opts->no_probes)
        ask &= ~(uint32_t)(OSP_ASK_MALLOC | OSP_ASK_GO_ALLOCS);
    bool ok = osp_observe(&sample, opts->patience_s, ask, a, keep, f, err) ||
              (kept.n && osp_facts_load(osp_str_bytes(osp_buf_str(&kept)), a, f, &ignored));
    osp_buf_drop(&kept);
    if (ok)
        osp_diagnose(f, found);
    return ok;
}
