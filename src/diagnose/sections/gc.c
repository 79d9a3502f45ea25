/* SPDX-License-Identifier: Apache-2.0 */
/* The collector of Go by its own figures: how often, at what cost, how much room it has, and what each cycle found alive.
 * A tick is one reading of some kilobytes. */
#include "diagnose/section.h"

#include <stdlib.h>

static void *begin(osp_watch *w);
static void tick(osp_watch *w, void *state);
static void end(osp_watch *w, void *state, osp_facts *f);
static const char *undecided(const osp_watch *w, const void *state);
static void transfer(osp_archive *x, osp_facts *f);

const osp_section osp_section_gc = {.name = "gc",
                                    .of_core = true,
                                    .begin = begin,
                                    .tick = tick,
                                    .end = end,
                                    .undecided = undecided,
                                    .transfer = transfer};

enum { LOOKS = 512 };

typedef struct {
    osp_go_gc first, last;
    double room[LOOKS];
    uint32_t looks, by_limit, limited, nroom;
    osp_collection cycle[OSP_COLLECTIONS];
    uint32_t ncycle;
    bool has_allocated;
    double allocated_at_s;
    uint64_t bytes, objects;
} collector;

/* What was alive when the cycle before this one ended: its goal tells, which was made of that (gcControllerState.commit; since
 * 1.18 stacks and globals count for it as well). 0: the goal does not stand on GOGC. */
static uint64_t live_before(const osp_go_gc *g)
{
    const uint64_t percent = (uint64_t)g->gc_percent;
    if (!g->has_percent || g->gc_percent <= 0 || g->limit_bytes != INT64_MAX)
        return 0;
    uint64_t roots = g->version >= 11800 ? (g->cycle.stacks_bytes + g->cycle.globals_bytes) / 100 * percent : 0;
    const uint64_t least = ((uint64_t)4 << 20) / 100 * percent; /* the smallest heap says nothing */
    if (g->cycle.goal_bytes <= least + least / 8 || g->cycle.goal_bytes <= roots)
        return 0;
    return (g->cycle.goal_bytes - roots) / (100 + percent) * 100;
}

static double seconds_since(const osp_watch *w, uint64_t ns) { return ((double)ns - (double)w->begin_ns) / 1e9; }

static void add_cycle(collector *c, osp_collection cycle)
{
    if (c->ncycle == OSP_COLLECTIONS) { /* the first one stays: it is what the last is held against */
        memmove(&c->cycle[1], &c->cycle[2], (OSP_COLLECTIONS - 2) * sizeof *c->cycle);
        c->ncycle--;
    }
    c->cycle[c->ncycle++] = cycle;
}

static void see_cycle(const osp_watch *w, collector *c, const osp_go_gc *g)
{
    const osp_gc_cycle *y = &g->cycle;
    /* What is allocated while a cycle marks counts as alive, and is mostly garbage. */
    const uint64_t during = y->heap1_bytes > y->heap0_bytes ? y->heap1_bytes - y->heap0_bytes : 0,
                   fresh = during < y->heap2_bytes ? during : y->heap2_bytes;
    if (!g->whole || (c->ncycle && c->cycle[c->ncycle - 1].number == y->number))
        return;
    if (!c->ncycle && y->number > 1 && live_before(g)) {
        /* When the one before ended stands in the ring of pauses, by the clock of the calendar. */
        uint64_t then = g->pause_end_unix_ns[(y->number - 2) % OSP_GC_PAUSES];
        if (then && then < g->last_end_unix_ns)
            add_cycle(
                c, (osp_collection){.number = y->number - 1,
                                    .at_s = seconds_since(w, y->end_ns) - (double)(g->last_end_unix_ns - then) / 1e9,
                                    .live_bytes = live_before(g)});
    }
    add_cycle(c, (osp_collection){.number = y->number,
                                  .at_s = seconds_since(w, y->end_ns),
                                  .live_bytes = y->heap2_bytes - fresh,
                                  .mark_s = (double)(y->mark_term_ns - y->mark_ns) / 1e9,
                                  .cpu_s = (double)(y->assist_ns + y->worker_ns + y->idle_ns) / 1e9});
}

static void look(const osp_watch *w, collector *c, const osp_go_gc *g)
{
    c->last = *g;
    c->looks++;
    c->by_limit += g->goal_by_limit;
    c->limited += g->limiter == 1;
    if (g->has_control && g->marked_bytes && c->nroom < LOOKS)
        c->room[c->nroom++] =
            g->goal_bytes > g->marked_bytes ? (double)(g->goal_bytes - g->marked_bytes) / (double)g->marked_bytes : 0;
    see_cycle(w, c, g);
}

static void *begin(osp_watch *w)
{
    osp_err ignored; /* what cannot be read is not known */
    collector *c = w->go ? calloc(1, sizeof *c) : NULL;
    if (!c || !osp_go_gc_read(w->go, &c->first, &ignored)) {
        free(c);
        return NULL;
    }
    look(w, c, &c->first);
    osp_go_memstats *m = calloc(1, sizeof *m);
    if (m && osp_go_memstats_read(w->go, m, &ignored)) {
        c->has_allocated = true;
        c->allocated_at_s = osp_watch_elapsed(w);
        c->bytes = m->total_alloc;
        c->objects = m->mallocs;
    }
    free(m);
    return c;
}

static void tick(osp_watch *w, void *state)
{
    osp_err ignored;
    osp_go_gc g;
    if (osp_go_gc_read(w->go, &g, &ignored))
        look(w, state, &g);
}

/* Two collections do not tell a leak from a cache that fills; three in a row do. */
static const char *undecided(const osp_watch *w, const void *state)
{
    enum { ENOUGH = 3 };
    const collector *c = state;
    uint32_t seen = 0;
    (void)w;
    for (uint32_t i = 0; i < c->ncycle; i++)
        seen += c->cycle[i].at_s >= 0;
    if (c->ncycle < 2 || seen >= ENOUGH)
        return NULL;
    const double was = (double)c->cycle[c->ncycle - 2].live_bytes, is = (double)c->cycle[c->ncycle - 1].live_bytes;
    return is > 1.05 * was ? "the live heap grew from one collection to the next" : NULL;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double positive(int64_t v) { return v > 0 ? (double)v : 0; }

/* Times of cycles are added when a cycle ends, so they are of the time from one end to another. */
static void fill_cpu(const osp_go_gc *a, const osp_go_gc *b, osp_gc_fact *g)
{
    double ns = b->last_end_ns > a->last_end_ns ? (double)(b->last_end_ns - a->last_end_ns) : 0;
    g->has_cpu = a->has_cpu && b->has_cpu && ns > 0 && a->last_end_ns > 0;
    if (!g->has_cpu)
        return;
    g->assist_cores = positive(b->cpu_ns[OSP_GC_ASSIST] - a->cpu_ns[OSP_GC_ASSIST]) / ns;
    g->worker_cores = positive(b->cpu_ns[OSP_GC_DEDICATED] - a->cpu_ns[OSP_GC_DEDICATED]) / ns;
    g->idle_cores = positive(b->cpu_ns[OSP_GC_IDLE] - a->cpu_ns[OSP_GC_IDLE]) / ns;
}

static void fill_allocated(const osp_watch *w, const collector *c, osp_gc_fact *g)
{
    osp_err ignored;
    g->bytes_per_s = g->objects_per_s = -1;
    osp_go_memstats *m = c->has_allocated ? calloc(1, sizeof *m) : NULL;
    double s = osp_watch_elapsed(w) - c->allocated_at_s;
    if (m && s > 0 && osp_go_memstats_read(w->go, m, &ignored) && m->total_alloc >= c->bytes &&
        m->mallocs >= c->objects) {
        g->bytes_per_s = (double)(m->total_alloc - c->bytes) / s;
        g->objects_per_s = (double)(m->mallocs - c->objects) / s;
        g->stacks = m->stack_inuse;
    }
    free(m);
}

static void end(osp_watch *w, void *state, osp_facts *f)
{
    collector *c = state;
    osp_gc_fact *g = &f->gc;
    tick(w, c);
    const osp_go_gc *a = &c->first, *b = &c->last;
    double s = (double)(b->taken_ns - a->taken_ns) / 1e9;
    if (s > 0 && b->done >= a->done) {
        *g = (osp_gc_fact){.known = true,
                           .seconds = s,
                           .cycles_per_s = (double)(b->done - a->done) / s,
                           .forced_per_s = (double)(b->forced - a->forced) / s,
                           .pause_s_per_s = positive((int64_t)(b->pause_total_ns - a->pause_total_ns)) / 1e9 / s,
                           .has_percent = b->has_control && b->has_percent,
                           .percent = b->gc_percent,
                           .limit_bytes = b->has_control ? b->limit_bytes : INT64_MAX,
                           .procs = b->cycle.procs,
                           .room = -1,
                           .by_limit = (double)c->by_limit / c->looks,
                           .limiter = (double)c->limited / c->looks,
                           .live = b->live_bytes,
                           .marked = b->marked_bytes,
                           .goal = b->goal_bytes,
                           .inuse = b->heap_inuse_bytes,
                           .released = b->heap_released_bytes,
                           .ready = b->mapped_ready_bytes};
        if (c->nroom) {
            qsort(c->room, c->nroom, sizeof *c->room, by_size);
            g->room = c->room[c->nroom / 2];
        }
        fill_cpu(a, b, g);
        fill_allocated(w, c, g);
        g->cycle = osp_new(f->arena, osp_collection, c->ncycle + 1);
        if (g->cycle)
            memcpy(g->cycle, c->cycle, (g->ncycle = c->ncycle) * sizeof *g->cycle);
    }
    free(c);
}

static void collection(osp_archive *x, osp_collection *c)
{
    osp_arc(x, &c->number);
    osp_arc(x, &c->at_s);
    osp_arc(x, &c->live_bytes);
    osp_arc(x, &c->mark_s);
    osp_arc(x, &c->cpu_s);
}

static void transfer(osp_archive *x, osp_facts *f)
{
    osp_gc_fact *g = &f->gc;
    osp_arc(x, &g->known);
    osp_arc(x, &g->seconds);
    osp_arc(x, &g->cycles_per_s);
    osp_arc(x, &g->forced_per_s);
    osp_arc(x, &g->pause_s_per_s);
    osp_arc(x, &g->has_cpu);
    osp_arc(x, &g->assist_cores);
    osp_arc(x, &g->worker_cores);
    osp_arc(x, &g->idle_cores);
    osp_arc(x, &g->has_percent);
    osp_arc(x, &g->percent);
    osp_arc(x, &g->limit_bytes);
    osp_arc(x, &g->procs);
    osp_arc(x, &g->room);
    osp_arc(x, &g->by_limit);
    osp_arc(x, &g->limiter);
    osp_arc(x, &g->live);
    osp_arc(x, &g->marked);
    osp_arc(x, &g->goal);
    osp_arc(x, &g->inuse);
    osp_arc(x, &g->released);
    osp_arc(x, &g->ready);
    osp_arc(x, &g->stacks);
    osp_arc(x, &g->bytes_per_s);
    osp_arc(x, &g->objects_per_s);
    OSP_ARC_ROWS(x, &g->cycle, &g->ncycle, collection);
}
