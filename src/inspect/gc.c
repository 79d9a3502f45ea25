/* SPDX-License-Identifier: Apache-2.0 */
/* Collections as they end. The runtime keeps a cycle's figures until the next one begins, so looks have to come faster than
 * cycles: a look asks for one number, and only a new one is worth more. What ended and was overwritten between two looks is
 * told as far as the runtime still knows it: its pause and when it ended, from the ring of pauses. */
#include "inspect/inspect.h"

#include "base/clock.h"

#include <stdlib.h>

enum {
    LOOKS_A_CYCLE = 10,
    SHORTEST_NS = 500000,
    LONGEST_NS = 20000000,
    BUDGET = 100, /* one part in so many of a core is ours */
    RINGS = OSP_GC_PAUSES,
};

struct osp_gc_watch {
    osp_go *go;
    osp_go_gc now;
    uint32_t seen; /* the last cycle that was told */
    uint64_t gap_ns;
};

osp_gc_watch *osp_gc_watch_new(osp_go *go, osp_err *err)
{
    osp_gc_watch *w = calloc(1, sizeof *w);
    if (!w) {
        osp_fail_memory(err, "watching the collector");
        return NULL;
    }
    w->go = go;
    w->gap_ns = LONGEST_NS / 4;
    if (osp_go_gc_read(go, &w->now, err)) {
        w->seen = w->now.done;
        return w;
    }
    free(w);
    return NULL;
}

void osp_gc_watch_drop(osp_gc_watch *w) { free(w); }

const osp_go_gc *osp_gc_watch_now(const osp_gc_watch *w) { return &w->now; }

osp_gc_seen osp_gc_seen_of(const osp_go_gc *s, uint32_t number)
{
    const size_t at = (number - 1) % RINGS;
    osp_gc_seen c = {.number = number, .whole = s->whole && number == s->done, .procs = s->cycle.procs};
    c.has_pause = number > 0 && s->done - number < RINGS;
    if (c.has_pause) {
        c.pause_ns = s->pause_ns[at];
        c.end_unix_ns = s->pause_end_unix_ns[at];
    }
    if (c.whole)
        c.cycle = s->cycle;
    return c;
}

/* How long to sleep: a part of the time between the last cycles, but no more looks than the budget pays for. */
static void pace(osp_gc_watch *w, uint64_t cost_ns)
{
    const osp_go_gc *s = &w->now;
    uint64_t gap = LONGEST_NS;
    if (s->done >= 2) {
        const uint64_t last = s->pause_end_unix_ns[(s->done - 1) % RINGS];
        const uint64_t before = s->pause_end_unix_ns[(s->done - 2) % RINGS];
        if (last > before)
            gap = (last - before) / LOOKS_A_CYCLE;
    }
    const uint64_t least = cost_ns * BUDGET > SHORTEST_NS ? cost_ns * BUDGET : SHORTEST_NS;
    gap = gap < LONGEST_NS ? gap : LONGEST_NS;
    w->gap_ns = gap > least ? gap : least;
}

/* Tell the cycles that have ended since the last look. */
static bool take_in(osp_gc_watch *w, osp_each_gc *each, void *ctx, osp_err *err)
{
    if (!osp_go_gc_read(w->go, &w->now, err))
        return false;
    while (w->seen != w->now.done) {
        const osp_gc_seen c = osp_gc_seen_of(&w->now, ++w->seen);
        if (!each(ctx, &c, &w->now))
            return osp_fail(err, OSP_OK, "enough");
    }
    return true;
}

bool osp_gc_watch_until(osp_gc_watch *w, uint64_t monotonic_ns, const volatile sig_atomic_t *stop, osp_each_gc *each,
                        void *ctx, osp_err *err)
{
    uint64_t spent = osp_clock_ns(CLOCK_THREAD_CPUTIME_ID), looks = 0, now;
    *err = (osp_err){0};
    while (!*stop && (now = osp_monotonic_ns()) < monotonic_ns) {
        const uint64_t left = monotonic_ns - now, gap = left < w->gap_ns ? left : w->gap_ns;
        nanosleep(&(struct timespec){.tv_nsec = (long)gap}, NULL);
        uint32_t done;
        if (!osp_go_gc_count(w->go, &done))
            return osp_fail(err, OSP_EABSENT, "the program has ended");
        looks++;
        if (done != w->seen && !take_in(w, each, ctx, err))
            return err->code == OSP_OK;
        pace(w, (osp_clock_ns(CLOCK_THREAD_CPUTIME_ID) - spent) / looks);
    }
    return osp_go_gc_read(w->go, &w->now, err);
}

/* ---- pauses ----------------------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void osp_gc_pauses_of(const osp_go_gc *s, osp_gc_pauses *out)
{
    uint64_t sorted[RINGS];
    *out = (osp_gc_pauses){.n = s->done < RINGS ? s->done : RINGS};
    if (out->n == 0)
        return;
    for (uint32_t i = 0; i < out->n; i++)
        sorted[i] = out->ns[i] = s->pause_ns[(s->done - out->n + i) % RINGS];
    qsort(sorted, out->n, sizeof *sorted, by_size);
    out->median_ns = sorted[out->n / 2];
    out->p99_ns = sorted[out->n * 99 / 100];
    out->max_ns = sorted[out->n - 1];
    const uint64_t first = s->pause_end_unix_ns[(s->done - out->n) % RINGS];
    const uint64_t last = s->pause_end_unix_ns[(s->done - 1) % RINGS];
    out->span_ns = last > first ? last - first : 0;
}
