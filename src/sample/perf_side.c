/* SPDX-License-Identifier: Apache-2.0 */
/* Sampling without BPF, as far as the kernel lets an ordinary user: a perf event a thread, each sample with the user's
 * registers and a copy of the top of its stack, unwound here by the same rows (copied.c). */
#include "sample/sample_internal.h"

#include "base/buf.h"
#include "base/cur.h"
#include "base/file.h"

#include <asm/perf_regs.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    RING_PAGES_MOST = 256, /* tried first; the kernel bounds what an ordinary user may lock */
    RING_PAGES_LEAST = 16,
    STACK_BYTES = 16384,
    MAX_WORDS = OSP_MAX_KERNEL + OSP_MAX_USER + 512,
    THREADS_LIMIT = 64 << 20,
};

/* The registers asked for: all that an unwind rule can name. In a sample they come in the order of their bits. */
static const uint64_t REGS = ((1u << (PERF_REG_X86_IP + 1)) - 1) | 0xffu << PERF_REG_X86_R8;

struct thread_event {
    int tid, fd;        /* fd: -1 where there is no ring */
    osp_perf_ring ring; /* none: no memory left to be locked or no file to be opened; not sampled */
    char name[16];
    bool ended;
};

struct osp_perf_side {
    osp_process *process;
    osp_mem mem;
    const osp_subject *subject;
    osp_arena ms_arena;
    osp_go_snapshot ms; /* which M runs on which thread; refreshed in follow() */
    struct thread_event *event;
    size_t n, cap;
    uint32_t hz;
    uint64_t lost;
    struct pollfd *waiting; /* room for one a thread */
    size_t waiting_cap;
    uint64_t word[MAX_WORDS];
};

osp_perf_side *osp_perf_side_open(osp_process *p, osp_err *err)
{
    osp_perf_side *s = calloc(1, sizeof *s);
    if (!s) {
        osp_fail_memory(err, "starting to sample");
        return NULL;
    }
    s->process = p;
    s->mem = osp_process_mem(p);
    return s;
}

static void read_ms(osp_perf_side *s)
{
    osp_err err;
    osp_arena_drop(&s->ms_arena);
    osp_arena_init(&s->ms_arena, THREADS_LIMIT);
    if (!s->subject->go || !osp_go_snapshot_read(s->subject->go, &s->ms_arena, &s->ms, &err))
        s->ms = (osp_go_snapshot){0};
}

void osp_perf_side_space(osp_perf_side *s, const osp_subject *of)
{
    s->subject = of;
    read_ms(s);
}

/* ---- events ------------------------------------------------------------------------------------------------ */

static int open_event(const osp_perf_side *s, int tid, bool kernel)
{
    struct perf_event_attr attr = {
        .size = sizeof attr,
        .type = PERF_TYPE_SOFTWARE,
        .config = PERF_COUNT_SW_CPU_CLOCK,
        .sample_period = 1000000000u / s->hz,
        .sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_PERIOD | PERF_SAMPLE_CALLCHAIN |
                       PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER,
        .sample_regs_user = REGS,
        .sample_stack_user = STACK_BYTES,
        .exclude_callchain_user = 1,
        .exclude_kernel = !kernel,
        .exclude_hv = 1,
        .use_clockid = 1,
        .clockid = CLOCK_MONOTONIC,
        .wakeup_events = 1, /* the sooner it is unwound, the less the rest of the process has moved on */
    };
    return (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static int by_tid(const void *a, const void *b)
{
    const struct thread_event *x = a, *y = b;
    return (x->tid > y->tid) - (x->tid < y->tid);
}

static bool add_thread(osp_perf_side *s, const osp_thread *t, osp_err *err)
{
    void *array = s->event;
    if (!osp_grow(&array, &s->cap, s->n + 1, sizeof *s->event))
        return osp_fail_memory(err, "opening perf events");
    s->event = array;
    int fd = open_event(s, t->tid, true);
    if (fd < 0) /* the kernel's side of the stack is not for everybody */
        fd = open_event(s, t->tid, false);
    if (fd < 0 && errno == ESRCH)
        return true;
    if (fd < 0 && errno == EMFILE && s->n) {
        s->event[s->n++] = (struct thread_event){.tid = t->tid, .fd = -1};
        return true;
    }
    if (fd < 0)
        return osp_perf_explain(errno, err);
    osp_perf_ring ring = {0};
    for (size_t pages = RING_PAGES_MOST; pages >= RING_PAGES_LEAST; pages /= 2)
        if (osp_perf_ring_map(&ring, fd, pages))
            break;
    if (!ring.page && s->n == 0) {
        osp_fail_errno(err, errno, "mapping a perf ring (see kernel.perf_event_mlock_kb)");
        close(fd);
        return false;
    }
    if (!ring.page)
        osp_close_fd(&fd);
    s->event[s->n] = (struct thread_event){.tid = t->tid, .fd = fd, .ring = ring};
    memcpy(s->event[s->n].name, t->name, sizeof t->name);
    s->n++;
    return true;
}

static int busiest_first(const void *a, const void *b)
{
    const osp_thread *x = a, *y = b;
    return (x->run_ns < y->run_ns) - (x->run_ns > y->run_ns);
}

static bool add_new_threads(osp_perf_side *s, osp_err *err)
{
    osp_arena a;
    osp_thread *t;
    uint32_t n;
    osp_arena_init(&a, THREADS_LIMIT);
    bool ok = osp_process_threads(s->process, &a, &t, &n, err);
    if (ok) {
        /* The kernel bounds the memory we may lock: the busiest threads come first. */
        qsort(t, n, sizeof *t, busiest_first);
        size_t known = s->n; /* those are sorted */
        for (uint32_t i = 0; ok && i < n; i++) {
            struct thread_event key = {.tid = t[i].tid};
            ok = (known && bsearch(&key, s->event, known, sizeof key, by_tid)) || add_thread(s, &t[i], err);
        }
        if (s->n > known)
            qsort(s->event, s->n, sizeof *s->event, by_tid);
    }
    osp_arena_drop(&a);
    return ok;
}

static void close_events(osp_perf_side *s)
{
    for (size_t i = 0; i < s->n; i++) {
        osp_perf_ring_unmap(&s->event[i].ring);
        osp_close_fd(&s->event[i].fd);
    }
    free(s->event);
    s->event = NULL;
    s->n = s->cap = 0;
}

bool osp_perf_side_start(osp_perf_side *s, uint32_t hz, osp_err *err)
{
    /* Opened anew at each rate: after PERF_EVENT_IOC_PERIOD a clock event goes on to report the old period. */
    close_events(s);
    osp_allow_open_files();
    s->hz = hz;
    if (!add_new_threads(s, err))
        return false;
    return s->n > 0 || osp_fail(err, OSP_EABSENT, "process %d has ended", osp_process_pid(s->process));
}

void osp_perf_side_follow(osp_perf_side *s)
{
    osp_err err; /* a thread that cannot be followed is missed; the cross-check with /proc shows it */
    size_t before = s->n;
    if (add_new_threads(s, &err) && s->n > before)
        read_ms(s);
}

void osp_perf_side_stop(osp_perf_side *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->event[i].ring.page)
            ioctl(s->event[i].fd, PERF_EVENT_IOC_DISABLE, 0);
}

void osp_perf_side_close(osp_perf_side *s)
{
    if (!s)
        return;
    close_events(s);
    osp_arena_drop(&s->ms_arena);
    free(s->waiting);
    free(s);
}

uint64_t osp_perf_side_lost(const osp_perf_side *s) { return s->lost; }

void osp_perf_side_wait(osp_perf_side *s, uint64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
    void *array = s->waiting;
    if (osp_grow(&array, &s->waiting_cap, s->n, sizeof *s->waiting)) {
        s->waiting = array;
        for (size_t i = 0; i < s->n; i++)
            s->waiting[i] = (struct pollfd){.fd = s->event[i].ended ? -1 : s->event[i].fd, .events = POLLIN};
        if (ppoll(s->waiting, s->n, &t, NULL) > 0)
            for (size_t i = 0; i < s->n; i++)
                s->event[i].ended |= (s->waiting[i].revents & POLLHUP) != 0; /* its thread has ended */
        return;
    }
    nanosleep(&t, NULL);
}

/* ---- samples ----------------------------------------------------------------------------------------------- */

/* The g to start from: R14 in Go code, else any g of the thread's M. */
static uint64_t find_g(osp_perf_side *s, const uint64_t *reg, int tid)
{
    const osp_unwind_go *go = &s->subject->unwind_go;
    const osp_space_map *map = osp_space_at(&s->subject->space, reg[PERF_REG_X86_IP]);
    osp_err err;
    uint64_t g0 = 0;
    if (map && map->object && osp_object_is_go(map->object, reg[PERF_REG_X86_IP] - map->bias)) {
        uint64_t lo = 0, hi = 0;
        if (s->mem.read(s->mem.ctx, reg[PERF_REG_X86_R14] + go->g_stack_lo, &lo, 8, &err) &&
            s->mem.read(s->mem.ctx, reg[PERF_REG_X86_R14] + go->g_stack_hi, &hi, 8, &err) &&
            reg[PERF_REG_X86_SP] >= lo && reg[PERF_REG_X86_SP] < hi)
            return reg[PERF_REG_X86_R14];
    }
    for (uint32_t i = 0; i < s->ms.nm && !g0; i++)
        if (s->ms.m[i].tid == tid)
            g0 = s->ms.m[i].g0;
    return g0;
}

static bool take_regs(osp_cur *c, uint64_t *out)
{
    for (int i = 0; i < PERF_REG_X86_64_MAX; i++)
        if (REGS >> i & 1)
            out[i] = osp_cur_u64(c);
    return !c->bad;
}

/* Whose ring is read. */
struct draining {
    osp_perf_side *side;
    const struct thread_event *event;
    osp_collector *to;
};

/* PERF_RECORD_SAMPLE with the sample_type above, man perf_event_open. */
static void on_record(void *ctx, uint32_t type, uint32_t misc, osp_span body)
{
    (void)misc;
    const struct draining *d = ctx;
    osp_perf_side *s = d->side;
    osp_err err;
    if (type != PERF_RECORD_SAMPLE)
        return;
    osp_cur c = osp_cur_on(body, "perf sample", &err);
    osp_raw_sample head = {.count = 1};
    head.pid = osp_cur_u32(&c);
    head.tid = osp_cur_u32(&c);
    head.ktime_ns = osp_cur_u64(&c);
    head.value[0] = osp_cur_u64(&c);
    uint64_t nchain = osp_cur_u64(&c);
    bool kernel = false;
    for (uint64_t i = 0; i < nchain && !c.bad; i++) {
        uint64_t pc = osp_cur_u64(&c);
        if (pc >= (uint64_t)PERF_CONTEXT_MAX)
            kernel = pc == (uint64_t)PERF_CONTEXT_KERNEL;
        else if (kernel && head.nkernel < OSP_MAX_KERNEL)
            s->word[head.nkernel++] = pc;
    }
    uint64_t reg[PERF_REG_X86_64_MAX] = {0}, size = 0, used = 0;
    uint64_t abi = osp_cur_u64(&c);
    if (abi != PERF_SAMPLE_REGS_ABI_NONE && !take_regs(&c, reg))
        return;
    size = osp_cur_u64(&c);
    osp_span copy = osp_cur_bytes(&c, size);
    if (size)
        used = osp_cur_u64(&c);
    if (c.bad)
        return;
    copy.n = used < copy.n ? used : copy.n;

    osp_copied from = {.mem = s->mem,
                       .space = &s->subject->space,
                       .go = &s->subject->unwind_go,
                       .sp = reg[PERF_REG_X86_SP],
                       .stack = copy};
    osp_unwind_regs regs = osp_unwind_regs_of_perf(reg);
    uint64_t g = s->subject->unwind_go.has_go ? find_g(s, reg, (int)head.tid) : 0;
    if (abi == PERF_SAMPLE_REGS_ABI_64) {
        osp_copied_walk(&from, &regs, g, &head, s->word + head.nkernel);
    } else {
        head.end = OSP_UNWIND_UNREADABLE;
        head.nwords = head.nkernel;
    }
    memcpy(head.comm, d->event->name, sizeof head.comm);
    osp_collector_add(d->to, s->subject, &head, s->word);
}

void osp_perf_side_drain(osp_perf_side *s, osp_collector *c)
{
    for (size_t i = 0; i < s->n; i++) {
        struct draining d = {s, &s->event[i], c};
        if (s->event[i].ring.page)
            s->lost += osp_perf_ring_drain(&s->event[i].ring, on_record, &d);
    }
}
