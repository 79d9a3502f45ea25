/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at the goroutines of all processes that are sampled, each with passes of its own; and what they come to together. */
#include "base/buf.h"
#include "base/clock.h"
#include "sample/sample_internal.h"

#include <math.h>
#include <stdlib.h>

/* One process. */
struct look {
    osp_subject *of;
    osp_passes *passes;
    uint64_t unmapped; /* its stacks that ended outside all mappings, when we were asked last */
};

struct osp_looks {
    const osp_sample_opts *opts;
    osp_priority priority;
    struct look *look;
    size_t n, cap;
    uint32_t hz;
    osp_wait_stats ended; /* of processes that were forgotten in this slice */
};

osp_looks *osp_looks_new(uint32_t hz, const osp_sample_opts *opts, osp_err *err)
{
    osp_looks *l = calloc(1, sizeof *l);
    if (!l) {
        osp_fail_memory(err, "starting to look at goroutines");
        return NULL;
    }
    l->opts = opts;
    l->hz = hz;
    l->priority = osp_priority_now();
    return l;
}

void osp_looks_drop(osp_looks *l)
{
    if (!l)
        return;
    osp_priority_lower(&l->priority);
    for (size_t i = 0; i < l->n; i++)
        osp_passes_drop(l->look[i].passes);
    free(l->look);
    free(l);
}

static struct look *find(const osp_looks *l, const osp_subject *of)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->look[i].of == of)
            return &l->look[i];
    return NULL;
}

bool osp_looks_at(const osp_looks *l, const osp_subject *of) { return find(l, of) != NULL; }

bool osp_looks_add(osp_looks *l, osp_subject *of, osp_err *err)
{
    void *array = l->look;
    if (!osp_grow(&array, &l->cap, l->n + 1, sizeof *l->look))
        return osp_fail_memory(err, "looking at goroutines");
    l->look = array;
    osp_passes *p = osp_passes_new(of, l->hz, l->opts, &l->priority, err);
    if (p)
        l->look[l->n++] = (struct look){.of = of, .passes = p};
    return p != NULL;
}

void osp_looks_space(osp_looks *l, const osp_subject *of)
{
    const struct look *at = find(l, of);
    if (at)
        osp_passes_space(at->passes, of);
}

/* ---- when ---------------------------------------------------------------------------------------------------- */

uint64_t osp_looks_next(const osp_looks *l)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < l->n; i++) {
        uint64_t of = osp_passes_next(l->look[i].passes);
        next = of < next ? of : next;
    }
    return next;
}

void osp_looks_hurry(osp_looks *l) { osp_priority_raise(&l->priority); }

void osp_looks_relax(osp_looks *l) { osp_priority_lower(&l->priority); }

void osp_looks_look(osp_looks *l)
{
    uint64_t now = osp_monotonic_ns();
    for (size_t i = 0; i < l->n; i++)
        if (osp_passes_next(l->look[i].passes) <= now)
            osp_passes_look(l->look[i].passes);
}

osp_subject *osp_looks_unmapped(osp_looks *l)
{
    for (size_t i = 0; i < l->n; i++) {
        struct look *at = &l->look[i];
        uint64_t before = at->unmapped;
        at->unmapped = osp_passes_unmapped(at->passes);
        if (at->unmapped != before)
            return at->of;
    }
    return NULL;
}

/* ---- what it comes to ---------------------------------------------------------------------------------------- */

static int longest_first(const void *a, const void *b)
{
    const osp_wait_row *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

/* What is full has the shortest at its end, which gives way to a longer one. */
static void add_row(osp_wait_stats *to, const osp_wait_row *row)
{
    for (uint32_t i = 0; i < to->nrow; i++) {
        osp_wait_row *r = &to->row[i];
        if (strcmp(r->state, row->state) == 0 && strcmp(r->reason, row->reason) == 0) {
            r->seconds += row->seconds;
            r->error_s = hypot(r->error_s, row->error_s);
            return;
        }
    }
    if (to->nrow < OSP_WAIT_ROWS)
        to->row[to->nrow++] = *row;
    else if (to->row[OSP_WAIT_ROWS - 1].seconds < row->seconds)
        to->row[OSP_WAIT_ROWS - 1] = *row;
}

static uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }

static void add_exact(osp_exact_stats *to, const osp_exact_stats *x)
{
    to->waits += x->waits;
    to->hits += x->hits;
    to->lost += x->lost;
    to->hit_ns = larger(to->hit_ns, x->hit_ns);
    to->switches_hz += x->switches_hz;
}

/* Counts are of all; how often was looked, and so the error, is of the process that was looked at for the longest time. */
static void add_stats(osp_wait_stats *to, const osp_wait_stats *w)
{
    to->by_goroutine = w->by_goroutine && (to->processes == 0 || to->by_goroutine);
    to->processes += w->processes;
    if (w->duration_ns > to->duration_ns || to->passes == 0) {
        to->duration_ns = w->duration_ns;
        to->passes = w->passes;
    }
    to->missed += w->missed;
    to->looked += w->looked;
    to->unwound += w->unwound;
    to->torn += w->torn;
    to->unread += w->unread;
    to->lost += w->lost;
    to->cpu_ns += w->cpu_ns;
    to->slowest_ns = larger(to->slowest_ns, w->slowest_ns);
    to->goroutines += w->goroutines;
    to->late |= w->late;
    to->unreached += w->unreached;
    to->by_exact |= w->by_exact;
    add_exact(&to->exact, &w->exact);
    for (int e = 0; e < OSP_END_REASONS; e++)
        to->ended[e] += w->ended[e];
    for (uint32_t i = 0; i < w->nrow; i++)
        add_row(to, &w->row[i]);
    qsort(to->row, to->nrow, sizeof *to->row, longest_first);
}

void osp_looks_stats(const osp_looks *l, uint64_t until_ns, osp_wait_stats *out)
{
    *out = l->ended;
    for (size_t i = 0; i < l->n; i++) {
        osp_wait_stats one;
        osp_passes_stats(l->look[i].passes, until_ns, &one);
        add_stats(out, &one);
    }
    out->normal_priority = l->priority.refused;
}

void osp_looks_settle(osp_looks *l, uint64_t until_ns)
{
    for (size_t i = 0; i < l->n; i++)
        osp_passes_settle(l->look[i].passes, until_ns);
}

struct giving {
    osp_each_look_waited *each;
    void *ctx;
    const osp_subject *of;
};

static void give_one(void *ctx, const osp_waited *one)
{
    const struct giving *g = ctx;
    g->each(g->ctx, g->of, one);
}

void osp_looks_take(osp_looks *l, uint64_t until_ns, osp_each_look_waited *each, void *ctx)
{
    for (size_t i = 0; i < l->n; i++) {
        struct giving g = {each, ctx, l->look[i].of};
        osp_passes_take(l->look[i].passes, until_ns, give_one, &g);
    }
    l->ended = (osp_wait_stats){0};
}

void osp_looks_forget(osp_looks *l, const osp_subject *of, uint64_t until_ns, osp_each_look_waited *each, void *ctx)
{
    struct look *at = find(l, of);
    struct giving g = {each, ctx, of};
    osp_wait_stats last;
    if (!at)
        return;
    osp_passes_settle(at->passes, until_ns);
    osp_passes_stats(at->passes, until_ns, &last);
    add_stats(&l->ended, &last);
    osp_passes_take(at->passes, until_ns, give_one, &g);
    osp_passes_drop(at->passes);
    *at = l->look[--l->n];
}
