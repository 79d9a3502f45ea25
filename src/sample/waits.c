/* SPDX-License-Identifier: Apache-2.0 */
/* What the looks at goroutines add up to.
 *
 * The error. Moments are drawn at random times, so that a change is placed wrong by up to the time between the two looks
 * that tell of it. Let D be the changes of one state between two moments: goroutines that came less those that left, each
 * times the moments between its looks. Half of the mean of D squared is the variance of what one moment sees (von Neumann's
 * estimate, from successive differences), and n times that of the sum of n moments. For one goroutine that is looked at in
 * every moment and in the state for a share p of the time, independently, it is n p (1 - p). Where waits are long against
 * the time between moments it is more than the error. */
#include "base/buf.h"
#include "base/hash.h"
#include "sample/sample_internal.h"

#include <math.h>
#include <stdlib.h>

enum {
    TEXT_LIMIT = 256 << 20, /* bytes of stacks and labels */
    APART = 1 << 15,        /* counts until goroutines are no longer told apart */
    COUNTS = 1 << 20,
};

struct count {
    osp_waiting what;
    uint64_t time; /* in OSP_WAIT_ONE; 0: free */
};

/* Of one state and reason. */
struct sum {
    double time;    /* moments */
    double now;     /* changes since the last moment */
    double squares; /* of those, summed over moments */
    bool used;
};

struct osp_waits {
    osp_arena arena;
    osp_intern stacks, labels;
    struct count *count; /* open addressing, a power of two */
    size_t ncell, n;
    bool together; /* goroutines are no longer told apart */
    uint64_t lost, moments;
    struct sum sum[OSP_HOWS][256];
    struct sum *used[OSP_HOWS * 256];
    size_t nused;
};

osp_waits *osp_waits_new(osp_err *err)
{
    osp_waits *w = calloc(1, sizeof *w);
    if (!w) {
        osp_fail_memory(err, "starting the recording");
        return NULL;
    }
    osp_arena_init(&w->arena, TEXT_LIMIT);
    return w;
}

void osp_waits_drop(osp_waits *w)
{
    if (!w)
        return;
    osp_intern_drop(&w->stacks);
    osp_intern_drop(&w->labels);
    osp_arena_drop(&w->arena);
    free(w->count);
    free(w);
}

static uint32_t intern(osp_waits *w, osp_intern *in, osp_str text)
{
    uint32_t id = osp_intern_find(in, text);
    if (id != UINT32_MAX)
        return id;
    uint64_t *copy = osp_new(&w->arena, uint64_t, (text.n + 7) / 8); /* of words: stacks are read as such */
    if (!copy)
        return UINT32_MAX;
    if (text.n)
        memcpy(copy, text.p, text.n);
    return osp_intern_put(in, (osp_str){(const char *)copy, text.n}, NULL);
}

uint32_t osp_waits_stack(osp_waits *w, const uint64_t *pc, size_t n)
{
    return intern(w, &w->stacks, (osp_str){(const char *)pc, n * sizeof *pc});
}

uint32_t osp_waits_labels(osp_waits *w, osp_str labels) { return intern(w, &w->labels, labels); }

/* ---- counting ----------------------------------------------------------------------------------------------- */

static bool same(const osp_waiting *a, const osp_waiting *b)
{
    return a->goid == b->goid && a->stack == b->stack && a->labels == b->labels && a->how == b->how &&
           a->waitreason == b->waitreason;
}

/* The cell of `what`, which may be free. */
static struct count *cell_of(const osp_waits *w, const osp_waiting *what)
{
    uint64_t h = osp_hash_mix(what->goid ^ (uint64_t)what->how << 56 ^ (uint64_t)what->waitreason << 48,
                              (uint64_t)what->stack << 32 | what->labels);
    for (size_t i = h & (w->ncell - 1);; i = (i + 1) & (w->ncell - 1))
        if (w->count[i].time == 0 || same(&w->count[i].what, what))
            return &w->count[i];
}

/* Put all counts into a table of ncell cells. */
static bool rehash(osp_waits *w, size_t ncell)
{
    struct count *old = w->count, *fresh = calloc(ncell, sizeof *fresh);
    size_t nold = w->ncell;
    if (!fresh)
        return false;
    w->count = fresh;
    w->ncell = ncell;
    w->n = 0;
    for (size_t i = 0; i < nold; i++) {
        if (old[i].time == 0)
            continue;
        osp_waiting what = old[i].what;
        if (w->together)
            what.goid = 0;
        struct count *c = cell_of(w, &what);
        w->n += c->time == 0;
        c->what = what;
        c->time += old[i].time;
    }
    free(old);
    return true;
}

void osp_waits_put_together(osp_waits *w)
{
    bool before = w->together;
    w->together = true;
    if (!before && w->ncell && !rehash(w, w->ncell))
        w->together = false;
}

/* Room for one more count. */
static bool make_room(osp_waits *w)
{
    if (w->n >= APART)
        osp_waits_put_together(w);
    return w->n < COUNTS && (w->n + 1 <= w->ncell / 2 || rehash(w, w->ncell ? 2 * w->ncell : 1024));
}

static struct sum *sum_of(osp_waits *w, unsigned how, unsigned waitreason)
{
    struct sum *s = &w->sum[how][waitreason];
    if (!s->used) {
        s->used = true;
        w->used[w->nused++] = s;
    }
    return s;
}

void osp_waits_add(osp_waits *w, const osp_waiting *what, uint64_t time)
{
    osp_waiting key = *what;
    if (time == 0)
        return;
    sum_of(w, key.how, key.waitreason)->time += (double)time / OSP_WAIT_ONE;
    if (key.how == OSP_HOW_RUNNING) /* has no stack to be seen */
        return;
    if (key.stack == UINT32_MAX || key.labels == UINT32_MAX || !make_room(w)) {
        w->lost++;
        return;
    }
    if (w->together)
        key.goid = 0;
    struct count *c = cell_of(w, &key);
    w->n += c->time == 0;
    c->what = key;
    c->time += time;
}

void osp_waits_change(osp_waits *w, osp_how how, uint8_t waitreason, double within)
{
    sum_of(w, how, waitreason)->now += within;
}

void osp_waits_moment(osp_waits *w)
{
    for (size_t i = 0; i < w->nused; i++) {
        struct sum *s = w->used[i];
        s->squares += s->now * s->now;
        s->now = 0;
    }
    w->moments++;
}

uint64_t osp_waits_moments(const osp_waits *w) { return w->moments; }
bool osp_waits_by_goroutine(const osp_waits *w) { return !w->together; }
uint64_t osp_waits_lost(const osp_waits *w) { return w->lost; }

/* ---- what it comes to --------------------------------------------------------------------------------------- */

void osp_waits_each(const osp_waits *w, double ns, osp_each_waited *each, void *ctx)
{
    for (size_t i = 0; i < w->ncell; i++) {
        const struct count *c = &w->count[i];
        if (c->time == 0)
            continue;
        osp_str stack = w->stacks.text[c->what.stack];
        osp_waited one = {.what = c->what,
                          .pc = (const uint64_t *)(const void *)stack.p,
                          .npc = stack.n / sizeof(uint64_t),
                          .labels = w->labels.text[c->what.labels],
                          .ns = (uint64_t)((double)c->time / OSP_WAIT_ONE * ns + 0.5)};
        each(ctx, &one);
    }
}

void osp_waits_reset(osp_waits *w)
{
    if (w->ncell)
        memset(w->count, 0, w->ncell * sizeof *w->count);
    memset(w->sum, 0, sizeof w->sum);
    w->nused = 0;
    w->n = 0;
    w->together = false;
    w->lost = w->moments = 0;
}

static int most_first(const void *a, const void *b)
{
    const osp_wait_sum *x = a, *y = b;
    return (x->time < y->time) - (x->time > y->time);
}

size_t osp_waits_sums(const osp_waits *w, osp_wait_sum *out, size_t max)
{
    osp_wait_sum *row = malloc((w->nused ? w->nused : 1) * sizeof *row);
    size_t n = 0;
    if (!row)
        return 0;
    for (size_t i = 0; i < w->nused; i++) {
        size_t at = (size_t)(w->used[i] - &w->sum[0][0]);
        if (w->used[i]->time > 0)
            row[n++] = (osp_wait_sum){.how = (uint8_t)(at / 256),
                                      .waitreason = (uint8_t)(at % 256),
                                      .time = w->used[i]->time,
                                      .error = sqrt(w->used[i]->squares / 2)};
    }
    qsort(row, n, sizeof *row, most_first);
    n = n < max ? n : max;
    memcpy(out, row, n * sizeof *out);
    free(row);
    return n;
}
