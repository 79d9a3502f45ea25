/* SPDX-License-Identifier: Apache-2.0 */
/* Facts from files that a program or its operator left: a CPU profile, a dump of goroutines, lines of gctrace and
 * schedtrace. What only the live process could have told is not known, and rules that need it stay silent. */
#include "diagnose/diagnose_internal.h"

#include <math.h>
#include <stdlib.h>

/* ---- a CPU profile ------------------------------------------------------------------------------------------------- */

static bool has_go(const osp_profile *p)
{
    for (uint32_t i = 0; i < p->functions.n; i++)
        if (osp_str_starts(osp_text(p, p->functions.row[i].name), S("runtime.")))
            return true;
    return false;
}

/* The whole profile is one thread: it does not say which was which. */
static bool profile(const osp_profile *p, osp_facts *f, osp_err *err)
{
    const int64_t *cpu = osp_profile_column(p, S("cpu"));
    osp_thread_fact *all = osp_new(f->arena, osp_thread_fact, 1);
    osp_leaf *ignored;
    double seconds = (double)p->duration_ns / 1e9, total = 0;
    if (!cpu || !osp_profile_column(p, S("samples")))
        return osp_fail(err, OSP_EFORMAT, "no CPU profile: it has no samples/count and cpu/nanoseconds");
    if (!all)
        return osp_fail_memory(err, "reading a profile");
    f->is_go = f->is_go || has_go(p);
    for (uint32_t i = 0; i < p->samples.n; i++)
        total += (double)cpu[i] / 1e9;
    f->window_ns = (uint64_t)(p->duration_ns > 0 ? p->duration_ns : 0);
    f->cores_used = f->sampled_cores = seconds > 0 ? total / seconds : 0;
    if (!osp_digest(p, NULL, 0, f, &ignored, err))
        return false;
    *all = (osp_thread_fact){.demand = f->cores_used,
                             .running = f->cores_used,
                             .sampled = f->cores_used,
                             .samples = f->samples,
                             .cgo_calls_per_s = -1};
    f->thread = all;
    f->nthread = 1;
    f->sampling.taken = f->samples;
    f->sampling.ended[OSP_END_ROOT] = f->samples;
    return true;
}

/* ---- gctrace and schedtrace ---------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* GOGC, where each goal is the same part above what the cycle before found alive, and that is above the least heap; else
 * not known: a memory limit may have set it. */
static bool percent_of(const osp_golog *log, osp_arena *a, int32_t *percent)
{
    enum { LEAST = 8 << 20 };
    double *ratio = osp_new(a, double, log->ngc + 1);
    uint32_t n = 0;
    for (uint32_t i = 1; ratio && i < log->ngc; i++)
        if (log->gc[i - 1].live_bytes >= LEAST && log->gc[i].goal_bytes > log->gc[i - 1].live_bytes)
            ratio[n++] = (double)log->gc[i].goal_bytes / (double)log->gc[i - 1].live_bytes - 1;
    if (n < 3)
        return false;
    qsort(ratio, n, sizeof *ratio, by_value);
    double low = ratio[n / 4], high = ratio[n - 1 - n / 4];
    *percent = (int32_t)lround(100 * ratio[n / 2]);
    return high - low <= 0.02 + 0.1 * low; /* whole megabytes are printed */
}

static void collections(const osp_golog *log, osp_facts *f)
{
    osp_gc_fact *g = &f->gc;
    const osp_gc_line *first = &log->gc[0], *last = &log->gc[log->ngc - 1];
    double s = last->at_s - first->at_s;
    if (log->ngc < 2 || s <= 0)
        return;
    *g = (osp_gc_fact){.known = true,
                       .seconds = s,
                       .cycles_per_s = (double)(log->ngc - 1) / s,
                       .has_cpu = true,
                       .limit_bytes = INT64_MAX,
                       .procs = last->procs,
                       .room = -1,
                       .live = last->live_bytes,
                       .marked = last->live_bytes,
                       .goal = last->goal_bytes,
                       .bytes_per_s = -1,
                       .objects_per_s = -1};
    double allocated = 0;
    uint32_t forced = 0;
    for (uint32_t i = 1; i < log->ngc; i++) {
        const osp_gc_line *l = &log->gc[i], *before = &log->gc[i - 1];
        g->assist_cores += l->assist_cpu_s / s;
        g->worker_cores += (l->background_cpu_s + l->stopped_cpu_s) / s;
        g->idle_cores += l->idle_cpu_s / s;
        g->pause_s_per_s += (l->sweep_s + l->term_s) / s;
        forced += l->forced;
        allocated += l->before_bytes > before->live_bytes ? (double)(l->before_bytes - before->live_bytes) : 0;
    }
    g->forced_per_s = forced / s;
    g->bytes_per_s = allocated / s;
    g->has_percent = percent_of(log, f->arena, &g->percent);
    g->room = last->live_bytes && last->goal_bytes > last->live_bytes
                  ? (double)last->goal_bytes / (double)last->live_bytes - 1
                  : -1;
    uint32_t kept = log->ngc < OSP_COLLECTIONS ? log->ngc : OSP_COLLECTIONS;
    g->cycle = osp_new(f->arena, osp_collection, kept);
    for (uint32_t i = log->ngc - kept; g->cycle && i < log->ngc; i++) {
        const osp_gc_line *l = &log->gc[i];
        g->cycle[g->ncycle++] =
            (osp_collection){.number = l->number,
                             .at_s = l->at_s - first->at_s,
                             .live_bytes = l->live_bytes,
                             .mark_s = l->mark_s,
                             .cpu_s = l->assist_cpu_s + l->background_cpu_s + l->idle_cpu_s + l->stopped_cpu_s};
    }
}

static void scheduler(const osp_golog *log, osp_facts *f)
{
    osp_sched_fact *d = &f->sched;
    const osp_sched_line *last = &log->sched[log->nsched - 1];
    double n = log->nsched;
    *d = (osp_sched_fact){.known = true,
                          .looks = log->nsched,
                          .gomaxprocs = last->gomaxprocs,
                          .threads = last->threads,
                          .idle_threads = last->idle_threads,
                          .threads_error = INFINITY,
                          .timers_error = INFINITY};
    for (uint32_t i = 0; i < log->nsched; i++) {
        const osp_sched_line *l = &log->sched[i];
        uint32_t queued = l->global_queue + l->local_queues;
        d->idle += l->idle_procs / n;
        d->busy += (l->gomaxprocs - l->idle_procs) / n;
        d->queued += queued / n;
        d->spinning += l->spinning / n;
        d->most_queued = queued > d->most_queued ? queued : d->most_queued;
        d->starved += (queued && l->idle_procs) / n;
    }
}

/* ---- a dump of goroutines ------------------------------------------------------------------------------------------ */

static int by_size(const void *a, const void *b)
{
    const osp_group_fact *x = a, *y = b;
    return (x->n < y->n) - (x->n > y->n);
}

static bool goroutines(const osp_profile *p, osp_facts *f, osp_err *err)
{
    osp_flat_stacks flat;
    const int64_t *count = osp_profile_column(p, S("goroutine"));
    osp_group_fact *row = osp_new(f->arena, osp_group_fact, p->samples.n + 1);
    if (!count)
        return osp_fail(err, OSP_EFORMAT, "no goroutines are in it");
    if (!row)
        return osp_fail_memory(err, "reading goroutines");
    if (!osp_flatten(p, NULL, 0, f->arena, &flat, err))
        return false;
    f->is_go = true;
    osp_goroutine_facts *g = &f->goroutine;
    *g = (osp_goroutine_facts){.known = true, .births_per_s = -1, .group = row};
    for (uint32_t i = 0; i < p->samples.n; i++) {
        const osp_flat_stack *s = &flat.stack[p->samples.stack[i].i];
        osp_labelset_id set = p->samples.labels[i];
        double waited = 60 * (double)osp_label_number(p, set, S("wait"));
        osp_str state = osp_label_text(p, set, S("state"));
        row[g->ngroup++] = (osp_group_fact){.n = count[i] > 0 && count[i] < UINT32_MAX ? (uint32_t)count[i] : 0,
                                            .locked = osp_label_text(p, set, S("locked")).n ? (uint32_t)count[i] : 0,
                                            .status = osp_str_eq(state, S("running"))    ? OSP_G_RUNNING
                                                      : osp_str_eq(state, S("runnable")) ? OSP_G_RUNNABLE
                                                      : osp_str_eq(state, S("syscall"))  ? OSP_G_SYSCALL
                                                                                         : OSP_G_WAITING,
                                            .state = state,
                                            .call = flat.call + s->first,
                                            .ncall = s->n,
                                            .least_s = waited > 0 ? waited : -1,
                                            .median_s = waited > 0 ? waited : -1,
                                            .most_s = waited > 0 ? waited : -1,
                                            .last_s = -1};
        g->n += row[g->ngroup - 1].n;
    }
    qsort(row, g->ngroup, sizeof *row, by_size);
    f->goroutines = g->n;
    return true;
}

bool osp_facts_of_files(const osp_why_files *in, osp_arena *a, osp_facts *f, osp_err *err)
{
    *f = (osp_facts){.arena = a,
                     .goroutines = -1,
                     .cgo_calls_per_s = -1,
                     .sched_ticks_per_s = -1,
                     .process.name = in->name,
                     .from_files = true};
    if (in->log && in->log->ngc)
        collections(in->log, f);
    if (in->log && in->log->nsched)
        scheduler(in->log, f);
    f->is_go = in->log != NULL;
    if (in->goroutines && !goroutines(in->goroutines, f, err))
        return osp_fail_in(err, "the dump of goroutines");
    if (!in->profile)
        f->unsampled = S("no profile was given");
    return !in->profile || profile(in->profile, f, err) || osp_fail_in(err, "the profile");
}
