/* SPDX-License-Identifier: Apache-2.0 */
/* The process by /proc and its runtime's own counts, a few times a second: what grows, and how fast. */
#include "diagnose/section.h"

#include <math.h>
#include <stdlib.h>

static void *begin(osp_watch *w);
static void tick(osp_watch *w, void *state);
static void end(osp_watch *w, void *state, osp_facts *f);
static void transfer(osp_archive *x, osp_facts *f);

const osp_section osp_section_process = {
    .name = "process", .begin = begin, .tick = tick, .end = end, .transfer = transfer};

typedef struct {
    osp_moment moment[OSP_MOMENTS];
    uint32_t n;
    double next_s, step_s; /* when the next one is due; they lie so far apart */
} moments;

/* Keep every second one, and go on at half the rate. */
static void thin(moments *m)
{
    for (uint32_t i = 0; 2 * i < m->n; i++)
        m->moment[i] = m->moment[2 * i];
    m->n = (m->n + 1) / 2;
    m->step_s *= 2;
}

static void look(osp_watch *w, moments *m)
{
    osp_err ignored; /* a moment that cannot be read is not there */
    osp_go_snapshot go = {.ngoroutine = -1};
    osp_go_gc gc;
    osp_moment now = {.at_s = osp_watch_elapsed(w), .goroutines = -1};
    if (m->n == OSP_MOMENTS)
        thin(m);
    if (!osp_process_usage(w->process, &now.usage, &ignored))
        return;
    osp_arena few;
    osp_arena_init(&few, 16 << 20);
    if (w->go && osp_go_snapshot_read(w->go, &few, &go, &ignored))
        now.goroutines = go.ngoroutine;
    osp_arena_drop(&few);
    if (w->go && osp_go_gc_read(w->go, &gc, &ignored)) {
        now.heap_live = gc.live_bytes;
        now.heap_inuse = gc.heap_inuse_bytes;
        now.heap_idle = gc.heap_free_bytes + gc.heap_released_bytes;
        now.heap_released = gc.heap_released_bytes;
        now.collections = gc.done;
    }
    m->moment[m->n++] = now;
    m->next_s = now.at_s + m->step_s;
}

static void *begin(osp_watch *w)
{
    moments *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->step_s = 0.25;
    look(w, m);
    return m;
}

static void tick(osp_watch *w, void *state)
{
    moments *m = state;
    if (osp_watch_elapsed(w) >= m->next_s)
        look(w, m);
}

static double per_s(uint64_t from, uint64_t to, double seconds)
{
    return to > from && seconds > 0 ? (double)(to - from) / seconds : 0;
}

static void end(osp_watch *w, void *state, osp_facts *f)
{
    moments *m = state;
    look(w, m);
    osp_process_fact *p = &f->proc;
    p->fd_limit = osp_process_fd_limit(w->process);
    p->moment = osp_new(f->arena, osp_moment, m->n + 1);
    if (p->moment && m->n > 1) {
        memcpy(p->moment, m->moment, m->n * sizeof *m->moment);
        p->n = m->n;
        const osp_usage *a = &m->moment[0].usage, *b = &m->moment[m->n - 1].usage;
        double s = m->moment[m->n - 1].at_s - m->moment[0].at_s;
        p->seconds = s;
        p->known = s > 0;
        p->user_cores = per_s(a->user_ns, b->user_ns, s) / 1e9;
        p->system_cores = per_s(a->system_ns, b->system_ns, s) / 1e9;
        p->children_cores = per_s(a->children_ns, b->children_ns, s) / 1e9;
        p->minor_faults_per_s = per_s(a->minor_faults, b->minor_faults, s);
        p->major_faults_per_s = per_s(a->major_faults, b->major_faults, s);
    }
    free(m);
}

double osp_slope(const osp_process_fact *p, osp_moment_value *value, double *error)
{
    double n = p->n, mean_t = 0, mean_v = 0, tt = 0, tv = 0, rest = 0;
    *error = INFINITY;
    if (p->n < 3)
        return 0;
    for (uint32_t i = 0; i < p->n; i++) {
        mean_t += p->moment[i].at_s / n;
        mean_v += value(&p->moment[i]) / n;
    }
    for (uint32_t i = 0; i < p->n; i++) {
        double t = p->moment[i].at_s - mean_t;
        tt += t * t;
        tv += t * (value(&p->moment[i]) - mean_v);
    }
    if (tt <= 0)
        return 0;
    double slope = tv / tt;
    for (uint32_t i = 0; i < p->n; i++) {
        double off = value(&p->moment[i]) - mean_v - slope * (p->moment[i].at_s - mean_t);
        rest += off * off;
    }
    *error = sqrt(rest / (n - 2) / tt);
    return slope;
}

static void moment(osp_archive *x, osp_moment *m)
{
    osp_usage *u = &m->usage;
    osp_arc(x, &m->at_s);
    osp_arc(x, &m->goroutines);
    osp_arc(x, &m->heap_live);
    osp_arc(x, &m->heap_inuse);
    osp_arc(x, &m->heap_idle);
    osp_arc(x, &m->heap_released);
    osp_arc(x, &m->collections);
    osp_arc(x, &u->minor_faults);
    osp_arc(x, &u->major_faults);
    osp_arc(x, &u->user_ns);
    osp_arc(x, &u->system_ns);
    osp_arc(x, &u->children_ns);
    osp_arc(x, &u->rss_bytes);
    osp_arc(x, &u->anon_bytes);
    osp_arc(x, &u->swap_bytes);
    osp_arc(x, &u->threads);
    osp_arc(x, &u->fds);
    osp_arc(x, &u->cpus);
}

static void transfer(osp_archive *x, osp_facts *f)
{
    osp_process_fact *p = &f->proc;
    osp_arc(x, &p->known);
    osp_arc(x, &p->seconds);
    osp_arc(x, &p->fd_limit);
    osp_arc(x, &p->user_cores);
    osp_arc(x, &p->system_cores);
    osp_arc(x, &p->children_cores);
    osp_arc(x, &p->minor_faults_per_s);
    osp_arc(x, &p->major_faults_per_s);
    OSP_ARC_ROWS(x, &p->moment, &p->n, moment);
}
