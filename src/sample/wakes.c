/* SPDX-License-Identifier: Apache-2.0 */
/* Why threads are woken.
 *
 * Who wakes is the current thread, but for interrupts: the stack that they come upon is innocent. They are told by the
 * kernel's own functions in it.
 *
 * In a Go program much is woken by the scheduler itself: an M that was woken finds work and wakes the next one, on a stack
 * where no code of the program is left. Such a wake-up inherits: its cause is the one for which the waker was woken. So
 *
 *     cause of the woken = the waker's code, timer or monitor; where its stack has the scheduler alone, the waker's cause
 *
 * A timer is a cause of its own, but not where it ends the short sleep of an M that looks for work, or of the monitor: that
 * one goes on with what it was at. */
#include "sample/sample_internal.h"

#include <stdlib.h>

#include "base/buf.h"

enum { MOST_PLACES = 1 << 18, MOST_THREADS = 1 << 20, MOST_ABOVE = 10, NEAR_LEAF = 3, INLINES = 8 };

/* What the user's part of a stack belongs to. */
typedef enum { IN_NOTHING, IN_CODE, IN_RUNTIME, IN_SYSMON, IN_TIMER, IN_SCHEDULER, IN_UNKNOWN } part;

/* What a stack means. */
struct meaning {
    part user;
    osp_cause kernel; /* what an interrupt was about, or a thread of the kernel */
    uint8_t above;    /* pcs of the tracepoint */
    bool interrupt;
    bool naps; /* in the short sleep of an M that looks for work, or of the monitor */
};

struct thread_cause {
    osp_cause cause;
    uint64_t code;
    uint32_t code_pid;
};

struct osp_wakes {
    osp_kallsyms *kallsyms; /* NULL: the kernel does not say its names */
    osp_index place_at;     /* by a stack's hash */
    struct meaning *place;
    size_t nplace, place_cap;
    osp_index thread_at; /* by pid and tid */
    struct thread_cause *thread;
    size_t nthread, thread_cap;
};

const char *osp_cause_text(osp_cause c)
{
    static const char *const text[OSP_CAUSES] = {
        [OSP_CAUSE_UNKNOWN] = "unknown", [OSP_CAUSE_CODE] = "code",     [OSP_CAUSE_RUNTIME] = "runtime",
        [OSP_CAUSE_SYSMON] = "sysmon",   [OSP_CAUSE_TIMER] = "timer",   [OSP_CAUSE_NETWORK] = "network",
        [OSP_CAUSE_DISK] = "disk",       [OSP_CAUSE_KERNEL] = "kernel", [OSP_CAUSE_PROCESS] = "another process",
    };
    return c < OSP_CAUSES ? text[c] : "unknown";
}

osp_wakes *osp_wakes_new(osp_err *err)
{
    osp_err ignored; /* without names of the kernel's functions no interrupt is told; root has them */
    osp_wakes *w = calloc(1, sizeof *w);
    if (!w)
        osp_fail_memory(err, "starting to sample");
    else
        w->kallsyms = osp_kallsyms_open(&ignored);
    return w;
}

void osp_wakes_drop(osp_wakes *w)
{
    if (!w)
        return;
    osp_kallsyms_close(w->kallsyms);
    osp_index_drop(&w->place_at);
    osp_index_drop(&w->thread_at);
    free(w->place);
    free(w->thread);
    free(w);
}

/* ---- what a stack means -------------------------------------------------------------------------------------------- */

static bool starts_with_one(osp_str name, const char *const *head)
{
    for (; *head; head++)
        if (osp_str_starts(name, osp_str_from(*head)))
            return true;
    return false;
}

/* Entries of the kernel by an interrupt, of x86-64 and aarch64. */
static const char *const interrupts[] = {"asm_sysvec_",   "sysvec_",       "asm_common_interrupt", "common_interrupt",
                                         "el0_interrupt", "el1_interrupt", "gic_handle_irq",       NULL};
/* What they, or threads of the kernel, are about. */
static const struct {
    osp_cause cause;
    const char *const head[8];
} abouts[] = {
    {OSP_CAUSE_TIMER,
     {"hrtimer_wakeup", "__hrtimer_run_queues", "call_timer_fn", "process_timeout", "timerfd_", "posix_timer_",
      NULL}},
    {OSP_CAUSE_NETWORK, {"sock_def_", "net_rx_action", "tcp_", "udp_", "unix_", "__netif_", NULL}},
    {OSP_CAUSE_DISK, {"blk_", "bio_", "end_page_writeback", "nvme_", "virtblk_", "folio_end", NULL}},
};

static void see_kernel(const osp_wakes *w, const osp_place *p, struct meaning *m)
{
    m->kernel = OSP_CAUSE_KERNEL;
    for (uint32_t i = 0; w->kallsyms && i < p->head.nkernel; i++) {
        osp_str name, module;
        uint64_t start;
        if (!osp_kallsyms_at(w->kallsyms, p->word[i] - (i > 0), &name, &module, &start))
            continue;
        if (i < MOST_ABOVE && osp_str_eq(name, S("try_to_wake_up")))
            m->above = (uint8_t)i;
        m->interrupt |= starts_with_one(name, interrupts);
        for (size_t k = 0; m->kernel == OSP_CAUSE_KERNEL && k < sizeof abouts / sizeof *abouts; k++)
            if (starts_with_one(name, abouts[k].head))
                m->kernel = abouts[k].cause;
    }
}

/* Functions of the runtime that tell what it does; all else of it is the scheduler. */
static part part_of(osp_str name, osp_str file)
{
    static const char *const timers[] = {"runtime.runOneTimer",     "runtime.runtimer",      "runtime.timerproc",
                                         "runtime.(*timer).unlock", "runtime.(*timers).run", NULL};
    static const char *const own[] = {
        "runtime.gcBgMarkWorker", "runtime.bgsweep", "runtime.bgscavenge",  "runtime.forcegchelper",
        "runtime.runFinalizers",  "runtime.runfinq", "runtime.runCleanups", NULL};
    if (starts_with_one(name, timers))
        return IN_TIMER;
    if (osp_str_eq(name, S("runtime.sysmon")))
        return IN_SYSMON;
    if (starts_with_one(name, own))
        return IN_RUNTIME;
    return osp_go_is_runtime(name, file) ? IN_SCHEDULER : IN_CODE;
}

/* What says more about a stack stands first: a timer's function is code too, and runs on the scheduler's stack. */
static part stronger(part a, part b)
{
    static const uint8_t rank[] = {
        [IN_NOTHING] = 0, [IN_SCHEDULER] = 1, [IN_RUNTIME] = 2, [IN_CODE] = 3, [IN_SYSMON] = 4, [IN_TIMER] = 5};
    return rank[a] > rank[b] ? a : b;
}

static void see_user(const osp_place *p, struct meaning *m)
{
    bool go = false, any = false;
    for (uint32_t i = 0; p->of && i < p->head.nuser; i++) {
        uint64_t pc = p->word[p->head.nkernel + i];
        osp_frame f[INLINES];
        const osp_space_map *map = osp_space_at(&p->of->space, pc);
        any = true;
        if (!map || !map->object || !osp_object_is_go(map->object, pc - map->bias))
            continue;
        size_t n = osp_object_frames(map->object, pc - map->bias, f, INLINES);
        go = true;
        for (size_t k = 0; k < n; k++) {
            m->user = stronger(m->user, part_of(f[k].name, f[k].file));
            m->naps |= i < NEAR_LEAF && osp_str_starts(f[k].name, S("runtime.usleep"));
        }
    }
    if (any && !go)
        m->user = IN_CODE;
}

static struct meaning meaning_of(osp_wakes *w, const osp_place *p)
{
    struct meaning m = {0};
    uint32_t at = osp_index_find(&w->place_at, p->head.stack_hash);
    if (at != UINT32_MAX)
        return w->place[at];
    if (!p->word || p->head.nkernel > OSP_MAX_KERNEL || p->head.nkernel + p->head.nuser > (int)p->head.nwords)
        return m;
    see_kernel(w, p, &m);
    see_user(p, &m);
    void *array = w->place;
    if (w->nplace == MOST_PLACES) {
        w->nplace = 0;
        osp_index_clear(&w->place_at);
    }
    if (!osp_grow(&array, &w->place_cap, w->nplace + 1, sizeof *w->place))
        return m;
    w->place = array;
    if (osp_index_put(&w->place_at, p->head.stack_hash, (uint32_t)w->nplace))
        w->place[w->nplace++] = m;
    return m;
}

uint32_t osp_wakes_above(osp_wakes *w, const osp_place *by) { return meaning_of(w, by).above; }

bool osp_wakes_interrupt(osp_wakes *w, const osp_place *by, osp_cause *cause)
{
    struct meaning m = meaning_of(w, by);
    *cause = m.kernel;
    return m.interrupt;
}

/* ---- causes -------------------------------------------------------------------------------------------------------- */

static uint64_t thread_key(uint32_t pid, uint32_t tid) { return (uint64_t)pid << 32 | tid; }

static struct thread_cause cause_of(const osp_wakes *w, uint32_t pid, uint32_t tid)
{
    uint32_t at = osp_index_find(&w->thread_at, thread_key(pid, tid));
    return at == UINT32_MAX ? (struct thread_cause){0} : w->thread[at];
}

static void set_cause(osp_wakes *w, uint32_t pid, uint32_t tid, struct thread_cause cause)
{
    uint32_t at = osp_index_find(&w->thread_at, thread_key(pid, tid));
    void *array = w->thread;
    if (at != UINT32_MAX) {
        w->thread[at] = cause;
        return;
    }
    if (w->nthread == MOST_THREADS) {
        w->nthread = 0;
        osp_index_clear(&w->thread_at);
    }
    if (!osp_grow(&array, &w->thread_cap, w->nthread + 1, sizeof *w->thread))
        return; /* what it causes is unknown then */
    w->thread = array;
    if (osp_index_put(&w->thread_at, thread_key(pid, tid), (uint32_t)w->nthread))
        w->thread[w->nthread++] = cause;
}

/* Why a thread of ours wakes another. */
static osp_reason_woken by_thread(const osp_wakes *w, const osp_place *by, part user)
{
    static const osp_cause cause[] = {
        [IN_NOTHING] = OSP_CAUSE_CODE,   [IN_CODE] = OSP_CAUSE_CODE,   [IN_RUNTIME] = OSP_CAUSE_RUNTIME,
        [IN_SYSMON] = OSP_CAUSE_SYSMON,  [IN_TIMER] = OSP_CAUSE_TIMER, [IN_SCHEDULER] = OSP_CAUSE_UNKNOWN,
        [IN_UNKNOWN] = OSP_CAUSE_UNKNOWN};
    osp_reason_woken r = {
        .cause = cause[user], .by_thread = true, .code = by->head.stack_hash, .code_pid = by->head.pid};
    if (user != IN_SCHEDULER)
        return r;
    struct thread_cause own = cause_of(w, by->head.pid, by->head.tid);
    r.inherited = true;
    r.cause = own.cause;
    if (own.code) {
        r.code = own.code;
        r.code_pid = own.code_pid;
    }
    return r;
}

osp_reason_woken osp_wakes_one(osp_wakes *w, const osp_place *by, const osp_place *woken)
{
    struct meaning m = meaning_of(w, by);
    uint32_t who = by->head.reason >> OSP_WAKER;
    osp_reason_woken r = {.cause = who == OSP_WAKER_OTHER && !m.interrupt ? OSP_CAUSE_PROCESS : m.kernel};
    if (who == OSP_WAKER_OURS && !m.interrupt)
        r = by_thread(w, by, by->word ? m.user : IN_UNKNOWN);
    bool goes_on = r.cause == OSP_CAUSE_TIMER && !r.by_thread && meaning_of(w, woken).naps;
    if (!goes_on)
        set_cause(w, by->head.peer_pid, by->head.peer_tid,
                  (struct thread_cause){r.cause, r.by_thread ? r.code : 0, r.code_pid});
    return r;
}
