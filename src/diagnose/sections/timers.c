/* SPDX-License-Identifier: Apache-2.0 */
/* Go timers at the begin and at the end: what they are, how many more there are, how often they go off. */
#include "diagnose/section.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

static void *begin(osp_watch *w);
static void end(osp_watch *w, void *state, osp_facts *f);
static void transfer(osp_archive *x, osp_facts *f);

const osp_section osp_section_timers = {
    .name = "timers", .of_core = true, .begin = begin, .end = end, .transfer = transfer};

enum {
    GROUPS = 32,
    ARENA_LIMIT = 256 << 20,
    MOST = 30000, /* that are looked at: each is two reads. Of more the scheduler's counts say enough */
    FEW = 5000,   /* that may be looked at a few times more: a look is some milliseconds */
    MORE_LOOKS = 4,
};

typedef struct {
    osp_arena arena;
    osp_timers timers;
    double at_s;
} first;

static bool too_many(osp_watch *w)
{
    osp_err ignored; /* then looking at them will fail, too */
    osp_arena few;
    osp_go_sched now;
    uint64_t n = 0;
    osp_arena_init(&few, 16 << 20);
    if (osp_go_sched_read(w->go, false, &few, &now, &ignored))
        for (uint32_t i = 0; i < now.np; i++)
            n += now.p[i].timers;
    osp_arena_drop(&few);
    return n > MOST;
}

static void *begin(osp_watch *w)
{
    osp_err ignored; /* then nothing is known of them */
    first *b = w->inspect && !too_many(w) ? calloc(1, sizeof *b) : NULL;
    if (!b)
        return NULL;
    osp_arena_init(&b->arena, ARENA_LIMIT);
    b->at_s = osp_watch_elapsed(w);
    if (osp_inspect_timers(w->inspect, &b->arena, &b->timers, &ignored))
        return b;
    osp_arena_drop(&b->arena);
    free(b);
    return NULL;
}

static const osp_timer_group *same_in(const osp_timers *t, const osp_timer_group *g)
{
    for (uint32_t i = 0; i < t->ngroup; i++) {
        const osp_timer_group *o = &t->group[i];
        if (o->kind == g->kind && o->period_ns == g->period_ns && o->line == g->line && osp_str_eq(o->func, g->func))
            return o;
    }
    return NULL;
}

/* A sleep is due within its length: of many looks the longest is nearly that. */
static void look_again(osp_watch *w, osp_timer_fact *row, uint32_t n, const osp_timers *now)
{
    for (int look = 0; look < MORE_LOOKS && now->n && now->n <= FEW; look++) {
        osp_err ignored; /* the first look stands */
        osp_arena a;
        osp_timers again;
        nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
        osp_arena_init(&a, ARENA_LIMIT);
        for (uint32_t i = 0; i < n && osp_inspect_timers(w->inspect, &a, &again, &ignored); i = n)
            for (uint32_t k = 0; k < n; k++) {
                const osp_timer_group *g = same_in(&again, &now->group[k]);
                if (g && g->n && (double)-g->first_ns / 1e9 > row[k].late_s)
                    row[k].late_s = (double)-g->first_ns / 1e9;
                if (g && g->n && (double)g->last_ns / 1e9 > row[k].horizon_s)
                    row[k].horizon_s = (double)g->last_ns / 1e9;
            }
        osp_arena_drop(&a);
    }
}

static double expiries_of(const osp_timer_fact *t)
{
    if (t->period_s > 0)
        return t->n / t->period_s;
    /* Deadlines are mostly put off before they are due, and one-shot timers stopped: only sleeps surely end. They lie even
     * over their length, so the last of n is due in n / (n + 1) of it. */
    if (t->kind == OSP_TIMER_SLEEP && t->horizon_s > 1e-6)
        return t->n / (t->horizon_s * (1 + 1.0 / t->n));
    return -1;
}

static void fill(osp_watch *w, const first *b, const osp_timers *now, double at_s, osp_facts *f)
{
    uint32_t n = now->ngroup < GROUPS ? now->ngroup : GROUPS;
    osp_timer_fact *row = osp_new(f->arena, osp_timer_fact, n + 1);
    if (!row)
        return;
    for (uint32_t i = 0; i < n; i++) {
        const osp_timer_group *g = &now->group[i], *was = same_in(&b->timers, g);
        row[i] = (osp_timer_fact){.kind = g->kind,
                                  .call = osp_call_of(f, g->func, g->file, g->line),
                                  .period_s = (double)g->period_ns / 1e9,
                                  .late_s = g->n && g->first_ns < 0 ? (double)-g->first_ns / 1e9 : 0,
                                  .horizon_s = g->n ? (double)g->last_ns / 1e9 : 0,
                                  .n = g->n,
                                  .zombies = g->zombies,
                                  .grown = (int64_t)g->n - (was ? was->n : 0)};
    }
    look_again(w, row, n, now);
    f->timers = (osp_timer_facts){.known = true,
                                  .lazy = now->lazy,
                                  .seconds = at_s - b->at_s,
                                  .n = now->n,
                                  .zombies = now->zombies,
                                  .group = row,
                                  .ngroup = n};
    for (uint32_t i = 0; i < n; i++) {
        row[i].expiries_per_s = expiries_of(&row[i]);
        f->timers.expiries_per_s += row[i].expiries_per_s > 0 ? row[i].expiries_per_s : 0;
    }
}

static void end(osp_watch *w, void *state, osp_facts *f)
{
    first *b = state;
    osp_err ignored; /* then nothing is known of them */
    osp_arena a;
    osp_timers now;
    double at_s = osp_watch_elapsed(w);
    osp_arena_init(&a, ARENA_LIMIT);
    if (!too_many(w) && osp_inspect_timers(w->inspect, &a, &now, &ignored))
        fill(w, b, &now, at_s, f);
    osp_arena_drop(&a);
    osp_arena_drop(&b->arena);
    free(b);
}

static void timer(osp_archive *x, osp_timer_fact *t)
{
    uint32_t kind = t->kind;
    osp_arc(x, &kind);
    osp_arc_call(x, &t->call);
    osp_arc(x, &t->period_s);
    osp_arc(x, &t->horizon_s);
    osp_arc(x, &t->n);
    osp_arc(x, &t->zombies);
    osp_arc(x, &t->grown);
    osp_arc(x, &t->expiries_per_s);
    osp_arc(x, &t->late_s);
    t->kind = kind < OSP_TIMER_KINDS ? (osp_timer_kind)kind : OSP_TIMER_OTHER;
}

static void transfer(osp_archive *x, osp_facts *f)
{
    osp_timer_facts *t = &f->timers;
    osp_arc(x, &t->known);
    osp_arc(x, &t->lazy);
    osp_arc(x, &t->seconds);
    osp_arc(x, &t->n);
    osp_arc(x, &t->zombies);
    osp_arc(x, &t->expiries_per_s);
    OSP_ARC_ROWS(x, &t->group, &t->ngroup, timer);
}
