/* SPDX-License-Identifier: Apache-2.0 */
/* When goroutines are looked at, and with which priority.
 *
 * Time is cut into periods; in each, one pass begins at a random moment. So every moment is as likely as any other,
 * and a program that does all its work on a ticker is not always met in the same state.
 *
 * On busy cores a sampler of normal priority runs when its target does not: waits that end in work which is being done
 * read 2 % high. At real-time priority, the lowest there is, it runs when it is due. It has that while it sleeps and
 * looks, which is a few ms; a pass that takes long gives it back in the middle. */
#include "base/clock.h"
#include "base/hash.h"
#include "sample/sample_internal.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUDGET_US = 2000, PATIENCE_NS = 8000000, EXACT_APART = 1 << 14 };

struct osp_passes {
    const osp_go *go;
    osp_waits *waits;
    osp_goroutines *goroutines;
    osp_parks *parks; /* NULL: by looks alone */
    osp_exact_stats exact;
    osp_index labels; /* while parks are finished */
    double moment_ns;
    uint64_t start_ns, period_ns, period; /* the next pass is in this one */
    uint64_t next_ns, over_ns;            /* over: when the process could no longer be read; 0: it can */
    uint64_t slice_ns;                    /* since then is what the next take gives */
    uint64_t missed, seed;
    osp_goroutines_stats before; /* the slice */
};

static void choose_next(osp_passes *p)
{
    p->next_ns = p->start_ns + p->period * p->period_ns + osp_g_random(&p->seed, (uint32_t)p->period_ns);
}

static void parked_before(void *ctx, uint64_t g, const osp_waiting *what)
{
    osp_passes *p = ctx;
    osp_parks_before(p->parks, g, what, p->start_ns);
}

/* Probes first, then a look at all: who parks in between is known to both, and who had parked to the look. */
static bool begin_exact(osp_passes *p, const osp_subject *of, const osp_sample_opts *opts, osp_err *err)
{
    osp_go_snapshot s;
    osp_arena a;
    osp_arena_init(&a, 64 << 20);
    bool few = osp_go_snapshot_read(of->go, &a, &s, err) && s.ngoroutine >= 0 && s.ngoroutine <= EXACT_APART;
    osp_arena_drop(&a);
    p->parks = osp_parks_open(of, few, opts, &p->exact, err);
    p->start_ns = p->slice_ns = osp_monotonic_ns();
    if (!p->parks || !osp_goroutines_pass(p->goroutines, err))
        return false;
    osp_goroutines_parked(p->goroutines, parked_before, p);
    return true;
}

osp_passes *osp_passes_new(const osp_subject *of, uint32_t hz, const osp_sample_opts *o, osp_priority *priority,
                           osp_err *err)
{
    osp_passes *p = calloc(1, sizeof *p);
    if (!p) {
        osp_fail_memory(err, "starting to sample");
        return NULL;
    }
    osp_goroutines_opts opts = {.creators = o->creators,
                                .no_parked = o->exact,
                                .budget_us = BUDGET_US,
                                .patience_ns = PATIENCE_NS,
                                .at_its_end = osp_priority_lower,
                                .ctx = priority};
    p->go = of->go;
    p->waits = osp_waits_new(err);
    if (p->waits)
        p->goroutines = osp_goroutines_open(osp_process_mem(of->process), of->go, p->waits, &opts, err);
    if (!p->goroutines) {
        osp_passes_drop(p);
        return NULL;
    }
    osp_passes_space(p, of);
    p->start_ns = p->slice_ns = osp_monotonic_ns();
    if (o->exact && !begin_exact(p, of, o, err)) {
        osp_passes_drop(p);
        return NULL;
    }
    p->period_ns = 1000000000u / hz;
    p->seed = osp_hash_mix(p->start_ns, (uint64_t)of->pid) | 1;
    choose_next(p);
    return p;
}

void osp_passes_drop(osp_passes *p)
{
    if (!p)
        return;
    osp_parks_close(p->parks);
    osp_index_drop(&p->labels);
    osp_goroutines_close(p->goroutines);
    osp_waits_drop(p->waits);
    free(p);
}

void osp_passes_space(osp_passes *p, const osp_subject *of)
{
    osp_goroutines_space(p->goroutines, &of->space, &of->unwind_go);
}

/* ---- priority ----------------------------------------------------------------------------------------------- */

osp_priority osp_priority_now(void) { return (osp_priority){.leave = sched_getscheduler(0) != SCHED_OTHER}; }

void osp_priority_raise(osp_priority *p)
{
    struct sched_param lowest = {.sched_priority = 1};
    if (p->high || p->leave || p->refused)
        return;
    p->high = sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &lowest) == 0;
    p->refused = !p->high;
}

void osp_priority_lower(void *priority)
{
    osp_priority *p = priority;
    struct sched_param none = {0};
    if (p->high)
        sched_setscheduler(0, SCHED_OTHER, &none);
    p->high = false;
}

/* ---- passes ------------------------------------------------------------------------------------------------- */

uint64_t osp_passes_next(const osp_passes *p) { return p->over_ns ? UINT64_MAX : p->next_ns; }

void osp_passes_look(osp_passes *p)
{
    osp_err gone;
    if (!osp_goroutines_pass(p->goroutines, &gone)) {
        p->over_ns = osp_monotonic_ns();
        return;
    }
    uint64_t now = osp_monotonic_ns(), period = (now - p->start_ns) / p->period_ns;
    p->missed += period > p->period + 1 ? period - p->period - 1 : 0;
    p->period = period > p->period ? period : p->period + 1;
    choose_next(p);
    if (p->next_ns < now) /* the rest of the period that has begun is as good as any of it */
        p->next_ns = now;
}

/* ---- what it comes to --------------------------------------------------------------------------------------- */

osp_str osp_how_state(osp_how how)
{
    static const char *const text[OSP_HOWS] = {
        [OSP_HOW_WAITING] = "waiting",  [OSP_HOW_WOKEN] = "runnable", [OSP_HOW_PREEMPTED] = "preempted",
        [OSP_HOW_YIELDED] = "runnable", [OSP_HOW_NEW] = "runnable",   [OSP_HOW_AFTER_SYSCALL] = "runnable",
        [OSP_HOW_SYSCALL] = "syscall",  [OSP_HOW_CGO] = "syscall",    [OSP_HOW_RUNNING] = "running",
    };
    return osp_str_from(text[how]);
}

void osp_how_reason(const osp_go *go, osp_how how, uint8_t waitreason, char out[OSP_REASON_MAX])
{
    static const char *const text[OSP_HOWS] = {
        [OSP_HOW_PREEMPTED] = "preempted, waiting for a CPU",
        [OSP_HOW_YIELDED] = "yielded, waiting for a CPU",
        [OSP_HOW_NEW] = "new, waiting for a CPU",
        [OSP_HOW_AFTER_SYSCALL] = "system call, then waiting for a CPU",
        [OSP_HOW_SYSCALL] = "system call",
        [OSP_HOW_CGO] = "C call",
        [OSP_HOW_RUNNING] = "running",
    };
    if (how != OSP_HOW_WAITING && how != OSP_HOW_WOKEN) {
        snprintf(out, OSP_REASON_MAX, "%s", text[how]);
        return;
    }
    osp_str reason = osp_go_waitreason_text(go, waitreason);
    char number[24];
    if (reason.n == 0) { /* of a release newer than the table */
        snprintf(number, sizeof number, "wait reason %u", waitreason);
        reason = osp_str_from(number);
    }
    snprintf(out, OSP_REASON_MAX, "%.*s%s", STRF(reason), how == OSP_HOW_WOKEN ? ", then waiting for a CPU" : "");
}

void osp_passes_stats(const osp_passes *p, uint64_t until_ns, osp_wait_stats *out)
{
    const osp_goroutines_stats *now = osp_goroutines_stats_of(p->goroutines), *was = &p->before;
    osp_wait_sum sum[OSP_WAIT_ROWS];
    uint64_t end = p->over_ns ? p->over_ns : until_ns;
    *out = (osp_wait_stats){
        .processes = 1,
        .duration_ns = end > p->slice_ns ? end - p->slice_ns : 0,
        .passes = osp_waits_moments(p->waits),
        .missed = p->missed,
        .looked = now->looked - was->looked,
        .unwound = now->unwound - was->unwound,
        .torn = now->torn - was->torn,
        .unread = now->unread - was->unread,
        .lost = osp_waits_lost(p->waits),
        .cpu_ns = now->cpu_ns - was->cpu_ns,
        .slowest_ns = now->slowest_ns,
        .goroutines = now->goroutines,
        .late = 20 * (now->late - was->late) > now->runs - was->runs,
        .unreached = now->unreached,
        .by_exact = p->exact.hits > 0,
        .exact = p->exact,
        .by_goroutine = osp_waits_by_goroutine(p->waits),
    };
    for (int e = 0; e < OSP_END_REASONS; e++)
        out->ended[e] = now->ended[e] - was->ended[e];
    double moment_s = out->passes ? (double)out->duration_ns / 1e9 / (double)out->passes : 0;
    out->nrow = (uint32_t)osp_waits_sums(p->waits, sum, OSP_WAIT_ROWS);
    for (uint32_t i = 0; i < out->nrow; i++) {
        osp_wait_row *r = &out->row[i];
        r->seconds = sum[i].time * moment_s;
        r->error_s = sum[i].error * moment_s;
        osp_str_z(osp_how_state(sum[i].how), r->state, sizeof r->state);
        osp_how_reason(p->go, sum[i].how, sum[i].waitreason, r->reason);
    }
}

static void add_exact(void *ctx, const osp_exact_wait *x)
{
    osp_passes *p = ctx;
    uint32_t labels = x->goid ? osp_index_find(&p->labels, x->goid) : UINT32_MAX;
    osp_waiting w = {
        .goid = x->goid,
        .stack = x->npc ? osp_waits_stack(p->waits, x->pc, x->npc) : x->stack,
        .labels = labels != UINT32_MAX ? labels : osp_waits_labels(p->waits, S("")),
        .how = OSP_HOW_WAITING,
        .waitreason = x->waitreason,
    };
    if (!osp_goroutines_is_runtimes(p->goroutines, x->pc, x->npc))
        osp_waits_add(p->waits, &w, (uint64_t)((double)x->ns / p->moment_ns * OSP_WAIT_ONE));
}

void osp_passes_settle(osp_passes *p, uint64_t until_ns)
{
    uint64_t end = p->over_ns ? p->over_ns : until_ns, moments = osp_waits_moments(p->waits);
    osp_goroutines_settle(p->goroutines);
    p->moment_ns = moments && end > p->slice_ns ? (double)(end - p->slice_ns) / (double)moments : 0;
    if (!p->parks || p->moment_ns <= 0)
        return;
    if (!osp_goroutines_labels(p->goroutines, &p->labels))
        osp_index_clear(&p->labels); /* no memory: without labels, then */
    osp_parks_finish(p->parks, end, add_exact, p, &p->exact);
    osp_parks_close(p->parks);
    p->parks = NULL;
}

uint64_t osp_passes_unmapped(const osp_passes *p)
{
    return osp_goroutines_stats_of(p->goroutines)->ended[OSP_END_NO_MAPPING];
}

void osp_passes_take(osp_passes *p, uint64_t until_ns, osp_each_waited *each, void *ctx)
{
    uint64_t end = p->over_ns ? p->over_ns : until_ns, moments = osp_waits_moments(p->waits);
    double ns = moments && end > p->slice_ns ? (double)(end - p->slice_ns) / (double)moments : 0;
    osp_waits_each(p->waits, ns, each, ctx);
    osp_waits_reset(p->waits);
    p->before = *osp_goroutines_stats_of(p->goroutines);
    p->slice_ns = end;
    p->missed = 0;
}
