/* SPDX-License-Identifier: Apache-2.0 */
/* The Go scheduler, looked at some ten times a second: Ps, queues, threads, and how many timers there are. */
#include "diagnose/section.h"

#include <math.h>
#include <stdlib.h>

static void *begin(osp_watch *w);
static void tick(osp_watch *w, void *state);
static void end(osp_watch *w, void *state, osp_facts *f);
static void transfer(osp_archive *x, osp_facts *f);

const osp_section osp_section_scheduler = {
    .name = "scheduler", .of_core = true, .begin = begin, .tick = tick, .end = end, .transfer = transfer};

/* A number over time, for a line through it by least squares. */
typedef struct {
    double n, t, v, tt, tv, vv;
} line;

static void add(line *l, double t, double v)
{
    l->n += 1;
    l->t += t;
    l->v += v;
    l->tt += t * t;
    l->tv += t * v;
    l->vv += v * v;
}

/* Its slope and the standard error of that; 0 ± infinity of fewer than three points. */
static double slope(const line *l, double *error)
{
    *error = INFINITY;
    double tt = l->n > 2 ? l->tt - l->t * l->t / l->n : 0;
    if (tt <= 0)
        return 0;
    double tv = l->tv - l->t * l->v / l->n, vv = l->vv - l->v * l->v / l->n, rest = vv - tv * tv / tt;
    *error = sqrt((rest > 0 ? rest : 0) / (l->n - 2) / tt);
    return tv / tt;
}

typedef struct {
    osp_sched_span span;
    line threads, timers;
    double last_timers;
} looks;

static void look(osp_watch *w, looks *l)
{
    osp_err ignored; /* a look that fails is not there */
    osp_arena few;
    osp_go_sched now;
    osp_arena_init(&few, 16 << 20);
    if (osp_go_sched_read(w->go, false, &few, &now, &ignored) && osp_sched_add(&l->span, &now)) {
        l->last_timers = 0;
        for (uint32_t i = 0; i < now.np; i++)
            l->last_timers += (double)now.p[i].timers;
        double at = osp_watch_elapsed(w);
        add(&l->timers, at, l->last_timers);
        add(&l->threads, at, now.threads);
    }
    osp_arena_drop(&few);
}

static void *begin(osp_watch *w)
{
    looks *l = w->go ? calloc(1, sizeof *l) : NULL;
    if (l)
        look(w, l);
    return l;
}

static void tick(osp_watch *w, void *state) { look(w, state); }

static void end(osp_watch *w, void *state, osp_facts *f)
{
    looks *l = state;
    look(w, l);
    const osp_sched_span *s = &l->span;
    double n = (double)s->looks;
    if (n > 0)
        f->sched = (osp_sched_fact){.known = true,
                                    .looks = (uint32_t)s->looks,
                                    .gomaxprocs = s->last.gomaxprocs,
                                    .threads = s->last.threads,
                                    .idle_threads = s->last.idle_threads,
                                    .busy = (double)s->busy / n,
                                    .in_call = (double)s->in_call / n,
                                    .idle = (double)s->idle / n,
                                    .queued = (double)(s->local + s->global) / n,
                                    .spinning = (double)s->spinning / n,
                                    .most_queued = s->most_queued,
                                    .starved = (double)s->looks_starved / n,
                                    .stopped = (double)s->looks_stopped / n,
                                    .timers = l->last_timers};
    f->sched.threads_per_s = slope(&l->threads, &f->sched.threads_error);
    f->sched.timers_per_s = slope(&l->timers, &f->sched.timers_error);
    osp_sched_span_drop(&l->span);
    free(l);
}

static void transfer(osp_archive *x, osp_facts *f)
{
    osp_sched_fact *s = &f->sched;
    osp_arc(x, &s->known);
    osp_arc(x, &s->looks);
    osp_arc(x, &s->gomaxprocs);
    osp_arc(x, &s->threads);
    osp_arc(x, &s->idle_threads);
    osp_arc(x, &s->busy);
    osp_arc(x, &s->in_call);
    osp_arc(x, &s->idle);
    osp_arc(x, &s->queued);
    osp_arc(x, &s->spinning);
    osp_arc(x, &s->most_queued);
    osp_arc(x, &s->starved);
    osp_arc(x, &s->stopped);
    osp_arc(x, &s->threads_per_s);
    osp_arc(x, &s->threads_error);
    osp_arc(x, &s->timers);
    osp_arc(x, &s->timers_per_s);
    osp_arc(x, &s->timers_error);
}
