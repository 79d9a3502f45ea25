/* SPDX-License-Identifier: Apache-2.0 */
/* Sampling without BPF, as far as the kernel lets us: clocks whose samples bring the user's registers and a copy of the top
 * of the stack, unwound here by the same rows (copied.c).
 *
 * The clocks tick on each CPU, whoever runs there, where that is allowed and more than one process is wanted. Else each
 * thread of the processes has one on each CPU, which the threads and processes that it starts inherit: that is for
 * everybody on his own processes. Each CPU has one ring. Its owner is an event of ours that counts nothing, for the ring of a
 * thread that ends can no longer be waited for. The same events tell of births, execs, mappings and ends. */
#include "sample/sample_internal.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/cur.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum {
    RING_PAGES_MOST = 256, /* tried first; the kernel bounds what an ordinary user may lock */
    RING_PAGES_LEAST = 16,
    STACK_BYTES = 16384,
    MAX_WORDS = OSP_MAX_KERNEL + OSP_MAX_USER + 512,
    THREADS_LIMIT = 64 << 20,
    NAMES_MOST = 1 << 16,
    MS_KEPT = 16,              /* Go runtimes whose threads we know */
    MS_AGE_NS = 100000000,     /* they are read again for a thread that is new */
    SAMPLES_LIMIT = 256 << 20, /* bytes, from one drain to the next */
    ROUNDS = 20,               /* to catch threads that start while clocks are being opened */
};

/* One CPU's ring. */
struct cpu {
    int fd; /* of the event that owns it; -1: the CPU is offline */
    osp_perf_ring ring;
};

/* Which M runs on which thread of a Go program. */
struct ms {
    uint32_t serial; /* the subject's; 0: a free place */
    uint64_t read_ns;
    osp_arena arena;
    osp_go_snapshot at;
};

struct thread_name {
    char text[16];
    bool known;
};

struct osp_perf_side {
    const osp_sample_opts *opts;
    bool many, by_cpus;
    struct cpu *cpu;
    int ncpu;
    int *event; /* descriptors of the clocks */
    size_t n, cap;
    uint32_t hz;
    uint64_t period_ns; /* of clocks on CPUs: their samples go on to say the one that they began with */
    size_t unheard;     /* threads for whose clocks there were no descriptors left */
    uint64_t lost;
    osp_births *births; /* the sampler's */
    osp_buf samples;    /* as they came; each behind its size */
    struct ms ms[MS_KEPT];
    size_t next_ms;
    osp_index name_at; /* by tid: place in name */
    struct thread_name *name;
    size_t nname, name_cap;
    struct pollfd *poll;
    uint64_t word[MAX_WORDS];
};

/* ---- rings ------------------------------------------------------------------------------------------------- */

static bool open_ring(struct cpu *c, int cpu, osp_err *err)
{
    struct perf_event_attr attr = {
        .size = sizeof attr,
        .type = PERF_TYPE_SOFTWARE,
        .config = PERF_COUNT_SW_DUMMY,
        .exclude_kernel = 1,
        .exclude_hv = 1,
        .use_clockid = 1,
        .clockid = CLOCK_MONOTONIC,
    };
    c->fd = osp_perf_event(&attr, 0, cpu, 0);
    if (c->fd < 0 && osp_perf_is_offline(errno))
        return true;
    if (c->fd < 0)
        return osp_perf_explain(errno, err);
    for (size_t pages = RING_PAGES_MOST; pages >= RING_PAGES_LEAST; pages /= 2)
        if (osp_perf_ring_map(&c->ring, c->fd, pages))
            return true;
    return osp_fail_errno(err, errno, "mapping a perf ring (see kernel.perf_event_mlock_kb)");
}

osp_perf_side *osp_perf_side_open(const osp_sample_opts *opts, bool many, osp_births *births, osp_err *err)
{
    long ncpu = sysconf(_SC_NPROCESSORS_CONF);
    osp_perf_side *s = calloc(1, sizeof *s);
    if (s) {
        s->ncpu = ncpu > 0 ? (int)ncpu : 1;
        s->cpu = calloc((size_t)s->ncpu, sizeof *s->cpu);
        s->poll = calloc((size_t)s->ncpu, sizeof *s->poll);
    }
    if (!s || !s->cpu || !s->poll) {
        osp_fail_memory(err, "starting to sample");
        osp_perf_side_close(s);
        return NULL;
    }
    s->opts = opts;
    s->many = many;
    s->births = births;
    s->samples = osp_buf_of(SAMPLES_LIMIT);
    for (int i = 0; i < s->ncpu; i++)
        s->cpu[i].fd = -1;
    for (int i = 0; i < s->ncpu; i++) {
        if (!open_ring(&s->cpu[i], i, err)) {
            osp_perf_side_close(s);
            return NULL;
        }
        s->poll[i] = (struct pollfd){.fd = s->cpu[i].fd, .events = POLLIN};
    }
    return s;
}

static void close_events(osp_perf_side *s)
{
    for (size_t i = 0; i < s->n; i++)
        close(s->event[i]);
    s->n = 0;
}

void osp_perf_side_close(osp_perf_side *s)
{
    if (!s)
        return;
    close_events(s);
    for (int i = 0; s->cpu && i < s->ncpu; i++) {
        osp_perf_ring_unmap(&s->cpu[i].ring);
        osp_close_fd(&s->cpu[i].fd);
    }
    for (int i = 0; i < MS_KEPT; i++)
        osp_arena_drop(&s->ms[i].arena);
    osp_index_drop(&s->name_at);
    osp_buf_drop(&s->samples);
    free(s->name);
    free(s->event);
    free(s->cpu);
    free(s->poll);
    free(s);
}

uint64_t osp_perf_side_lost(const osp_perf_side *s) { return s->lost; }
bool osp_perf_side_by_cpus(const osp_perf_side *s) { return s->by_cpus; }
size_t osp_perf_side_unheard(const osp_perf_side *s) { return s->unheard; }

/* ---- clocks ------------------------------------------------------------------------------------------------ */

/* A clock on a CPU, of a thread (pid -1: of all). -1 and errno. */
static int open_clock(const osp_perf_side *s, int pid, int cpu, unsigned long flags, bool on_exec)
{
    struct perf_event_attr attr = {
        .size = sizeof attr,
        .type = PERF_TYPE_SOFTWARE,
        .config = PERF_COUNT_SW_CPU_CLOCK,
        .sample_period = 1000000000u / s->hz,
        .sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_PERIOD | PERF_SAMPLE_CALLCHAIN,
        .sample_id_all = 1,
        .exclude_callchain_user = 1,
        .exclude_kernel = s->opts->user_only,
        .exclude_user = s->opts->kernel_only,
        .exclude_hv = 1,
        .exclude_idle = 1,
        .use_clockid = 1,
        .clockid = CLOCK_MONOTONIC,
        .wakeup_events = 1, /* the sooner it is unwound, the less the rest of the process has moved on */
        .inherit = pid >= 0 && !flags,
        .disabled = on_exec,
        .enable_on_exec = on_exec,
        .task = 1,
        .comm = 1,
        .comm_exec = 1,
        .mmap = 1,
        .mmap2 = 1,
    };
    if (!s->opts->kernel_only) {
        attr.sample_type |= PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
        attr.sample_regs_user = osp_perf_regs_wanted(OSP_AARCH64);
        attr.sample_stack_user = STACK_BYTES;
    }
    int fd = osp_perf_event(&attr, pid, cpu, flags);
    if (fd < 0 && (errno == EACCES || errno == EPERM) && !s->opts->kernel_only) {
        attr.exclude_kernel = 1; /* the kernel's side of the stack is not for everybody */
        fd = osp_perf_event(&attr, pid, cpu, flags);
    }
    return fd;
}

/* Clocks on all CPUs that write into their rings. False and errno; those that were opened stay. */
static bool add_clocks(osp_perf_side *s, int pid, unsigned long flags, bool on_exec)
{
    void *array = s->event;
    if (!osp_grow(&array, &s->cap, s->n + (size_t)s->ncpu, sizeof *s->event)) {
        errno = ENOMEM;
        return false;
    }
    s->event = array;
    for (int i = 0; i < s->ncpu; i++) {
        int fd = s->cpu[i].fd < 0 ? -1 : open_clock(s, pid, i, flags, on_exec);
        if (s->cpu[i].fd < 0)
            continue;
        if (fd < 0)
            return false;
        s->event[s->n++] = fd;
        if (ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, s->cpu[i].fd) != 0)
            return false;
    }
    return true;
}

/* Of the machine or a cgroup, or of all that runs, for us to pick from. */
static bool start_on_cpus(osp_perf_side *s, osp_err *err)
{
    const osp_cgroup *group = s->opts->cgroup;
    OSP_AUTO_CLOSE int fd = group ? open(group->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (group && fd < 0)
        return osp_fail_errno(err, errno, "%s", group->path);
    s->by_cpus = add_clocks(s, fd, group ? PERF_FLAG_PID_CGROUP : 0, false);
    if (s->by_cpus)
        return true;
    int why = errno;
    close_events(s);
    if (why == EACCES || why == EPERM)
        return osp_fail(err, OSP_EPERM,
                        "perf_event_open was refused: needs CAP_PERFMON, or kernel.perf_event_paranoid <= 0, for all "
                        "that runs on a CPU");
    return osp_perf_explain(why, err);
}

static int busiest_first(const void *a, const void *b)
{
    const osp_thread *x = a, *y = b;
    return (x->run_ns < y->run_ns) - (x->run_ns > y->run_ns);
}

/* Clocks for the threads of a process that are not among those known; *fresh if there were any. */
static bool add_threads(osp_perf_side *s, osp_process *p, osp_index *known, bool on_exec, bool *fresh, osp_err *err)
{
    osp_arena a;
    osp_thread *t;
    uint32_t n;
    bool ok = true;
    osp_arena_init(&a, THREADS_LIMIT);
    if (!osp_process_threads(p, &a, &t, &n, err)) {
        osp_arena_drop(&a);
        return false;
    }
    qsort(t, n, sizeof *t, busiest_first); /* where not all can have one */
    for (uint32_t i = 0; ok && i < n; i++) {
        if (osp_index_find(known, (uint64_t)t[i].tid) != UINT32_MAX)
            continue;
        *fresh = true;
        if (!osp_index_put(known, (uint64_t)t[i].tid, 0))
            ok = osp_fail_memory(err, "opening perf events");
        else if (add_clocks(s, t[i].tid, 0, on_exec) || errno == ESRCH) /* it ended meanwhile */
            continue;
        else if (errno == EMFILE && s->n)
            s->unheard++;
        else
            ok = osp_perf_explain(errno, err);
    }
    osp_arena_drop(&a);
    return ok;
}

/* Those that were asked for; all but the first may have ended. */
static bool start_on_threads(osp_perf_side *s, osp_subject *const *of, uint32_t n, bool on_exec, osp_err *err)
{
    osp_index known = {0};
    osp_err gone;
    bool ok = true, fresh = true;
    s->unheard = 0;
    for (int round = 0; ok && fresh && round < ROUNDS; round++) {
        fresh = false;
        for (uint32_t i = 0; ok && i < n; i++)
            if (of[i]->process && !add_threads(s, of[i]->process, &known, on_exec, &fresh, &gone) &&
                gone.code != OSP_EABSENT) {
                *err = gone;
                ok = false;
            }
    }
    osp_index_drop(&known);
    if (ok && s->n == 0)
        ok = osp_fail(err, OSP_EABSENT, "process %d has ended", n ? of[0]->pid : 0);
    return ok;
}

bool osp_perf_side_start(osp_perf_side *s, osp_subject *const *of, uint32_t n, uint32_t hz, bool on_exec,
                         osp_err *err)
{
    /* Opened anew at each rate: after PERF_EVENT_IOC_PERIOD a clock event goes on to report the old period. */
    close_events(s);
    osp_allow_open_files();
    s->hz = hz;
    s->period_ns = 1000000000u / hz;
    bool all = s->opts->machine || s->opts->cgroup;
    if ((all || s->many) && start_on_cpus(s, err))
        return true;
    return !all && start_on_threads(s, of, n, on_exec, err);
}

void osp_perf_side_stop(osp_perf_side *s)
{
    for (size_t i = 0; i < s->n; i++)
        ioctl(s->event[i], PERF_EVENT_IOC_DISABLE, 0);
}

void osp_perf_side_period(osp_perf_side *s, uint64_t ns)
{
    s->period_ns = ns;
    for (size_t i = 0; s->by_cpus && i < s->n; i++)
        ioctl(s->event[i], PERF_EVENT_IOC_PERIOD, &ns);
}

void osp_perf_side_wait(osp_perf_side *s, uint64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
    ppoll(s->poll, (nfds_t)s->ncpu, &t, NULL);
}

/* ---- who it is --------------------------------------------------------------------------------------------- */

/* The name of a thread, as far as it can still be asked. */
static void name_thread(osp_perf_side *s, const osp_subject *of, osp_raw_sample *head)
{
    void *array = s->name;
    uint32_t at = osp_index_find(&s->name_at, head->tid);
    if (at == UINT32_MAX) {
        if (s->nname >= NAMES_MOST) {
            osp_index_clear(&s->name_at);
            s->nname = 0;
        }
        at = (uint32_t)s->nname;
        if (!osp_grow(&array, &s->name_cap, s->nname + 1, sizeof *s->name))
            return;
        s->name = array;
        if (!osp_index_put(&s->name_at, head->tid, at))
            return;
        s->name[s->nname++].known = false;
    }
    struct thread_name *name = &s->name[at];
    if (!name->known)
        osp_thread_name((int)head->pid, (int)head->tid, name->text);
    name->known = true;
    if (!name->text[0])
        memcpy(name->text, of->name, sizeof name->text);
    memcpy(head->comm, name->text, sizeof head->comm);
}

void osp_perf_side_told(osp_perf_side *s, const osp_birth *b)
{
    uint32_t at = b->what == OSP_BIRTH_MAP ? UINT32_MAX : osp_index_find(&s->name_at, (uint64_t)b->tid);
    if (at != UINT32_MAX)
        s->name[at].known = false;
}

static void read_ms(struct ms *m, const osp_subject *of)
{
    osp_err err; /* then there are none */
    osp_arena_drop(&m->arena);
    osp_arena_init(&m->arena, THREADS_LIMIT);
    m->serial = of->serial;
    m->read_ns = osp_monotonic_ns();
    if (!osp_go_snapshot_read(of->go, &m->arena, &m->at, &err))
        m->at = (osp_go_snapshot){0};
}

/* The scheduler's g of the M on that thread; 0: there is none. */
static uint64_t g0_of(osp_perf_side *s, const osp_subject *of, int tid)
{
    struct ms *m = NULL;
    for (size_t i = 0; i < MS_KEPT && !m; i++)
        m = s->ms[i].serial == of->serial ? &s->ms[i] : NULL;
    if (!m) {
        m = &s->ms[s->next_ms++ % MS_KEPT];
        read_ms(m, of);
    }
    for (int again = 0; again < 2; again++) {
        for (uint32_t i = 0; i < m->at.nm; i++)
            if (m->at.m[i].tid == tid)
                return m->at.m[i].g0;
        if (again || osp_monotonic_ns() - m->read_ns < MS_AGE_NS)
            return 0;
        read_ms(m, of);
    }
    return 0;
}

/* The g to start from: in Go code a register has it, else any g of the thread's M. */
static uint64_t find_g(osp_perf_side *s, const osp_subject *of, const osp_unwind_regs *regs, int tid)
{
    const osp_unwind_go *go = &of->unwind_go;
    const osp_space_map *map = osp_space_at(&of->space, regs->pc);
    osp_mem mem = osp_subject_mem(of);
    osp_err err;
    if (map && map->object && osp_object_is_go(map->object, regs->pc - map->bias)) {
        uint64_t lo = 0, hi = 0, g = regs->reg[OSP_HOST_G];
        if (mem.read(mem.ctx, g + go->g_stack_lo, &lo, 8, &err) &&
            mem.read(mem.ctx, g + go->g_stack_hi, &hi, 8, &err) && regs->sp >= lo && regs->sp < hi)
            return g;
    }
    return of->go && of->until_ns == UINT64_MAX ? g0_of(s, of, tid) : 0;
}

/* ---- samples ----------------------------------------------------------------------------------------------- */

static void on_record(void *ctx, uint32_t type, uint32_t misc, osp_span body)
{
    osp_perf_side *s = ctx;
    if (type != PERF_RECORD_SAMPLE) {
        osp_births_hear(s->births, type, misc, body);
        return;
    }
    uint64_t size = body.n;
    osp_buf_add(&s->samples, (osp_str){(const char *)&size, sizeof size});
    osp_buf_add(&s->samples, osp_span_text(body));
}

void osp_perf_side_read(osp_perf_side *s)
{
    for (int i = 0; i < s->ncpu; i++)
        if (s->cpu[i].ring.page)
            s->lost += osp_perf_ring_drain(&s->cpu[i].ring, on_record, s);
}

static bool take_regs(osp_cur *c, uint64_t *out)
{
    for (int i = 0; i < OSP_PERF_REGS; i++)
        if (osp_perf_regs_wanted(OSP_AARCH64) >> i & 1)
            out[i] = osp_cur_u64(c);
    return !c->bad;
}

/* The kernel's addresses among those of a chain. */
static void take_chain(osp_perf_side *s, osp_cur *c, osp_raw_sample *head)
{
    uint64_t n = osp_cur_u64(c);
    bool kernel = false;
    for (uint64_t i = 0; i < n && !c->bad; i++) {
        uint64_t pc = osp_cur_u64(c);
        if (pc >= (uint64_t)PERF_CONTEXT_MAX)
            kernel = pc == (uint64_t)PERF_CONTEXT_KERNEL;
        else if (kernel && head->nkernel < OSP_MAX_KERNEL)
            s->word[head->nkernel++] = pc;
    }
    head->nwords = head->nkernel;
}

/* The user's registers and the copy of the stack: its addresses behind the kernel's. False: cut short. */
static bool take_user(osp_perf_side *s, osp_cur *c, const osp_subject *of, osp_raw_sample *head)
{
    uint64_t reg[OSP_PERF_REGS] = {0}, abi = osp_cur_u64(c);
    if (abi != PERF_SAMPLE_REGS_ABI_NONE && !take_regs(c, reg))
        return false;
    uint64_t size = osp_cur_u64(c);
    osp_span copy = osp_cur_bytes(c, size);
    uint64_t used = size ? osp_cur_u64(c) : 0;
    if (c->bad)
        return false;
    copy.n = used < copy.n ? used : copy.n;
    osp_unwind_regs regs = osp_unwind_regs_of_perf(reg, OSP_AARCH64);
    osp_copied from = {
        .mem = osp_subject_mem(of), .space = &of->space, .go = &of->unwind_go, .sp = regs.sp, .stack = copy};
    if (abi == PERF_SAMPLE_REGS_ABI_64) {
        uint64_t g = of->unwind_go.has_go ? find_g(s, of, &regs, (int)head->tid) : 0;
        osp_copied_walk(&from, &regs, g, head, s->word + head->nkernel);
    } else { /* a thread of the kernel, or one that is ending, has none */
        head->end = abi == PERF_SAMPLE_REGS_ABI_NONE ? OSP_UNWIND_ROOT : OSP_UNWIND_UNREADABLE;
    }
    return true;
}

/* PERF_RECORD_SAMPLE with the sample_type above, man perf_event_open. */
static void give(osp_perf_side *s, osp_span body, const osp_perf_sink *to)
{
    osp_err err;
    osp_cur c = osp_cur_on(body, "perf sample", &err);
    osp_raw_sample head = {.count = 1};
    head.pid = osp_cur_u32(&c);
    head.tid = osp_cur_u32(&c);
    head.ktime_ns = osp_cur_u64(&c);
    head.value[0] = osp_cur_u64(&c);
    if (s->by_cpus)
        head.value[0] = s->period_ns;
    take_chain(s, &c, &head);
    if (c.bad || head.pid == 0 || head.pid == (uint32_t)getpid())
        return;
    const osp_subject *of = to->subject(to->ctx, &head);
    if (!of || (!s->opts->kernel_only && !take_user(s, &c, of, &head)))
        return;
    name_thread(s, of, &head);
    to->sample(to->ctx, &head, s->word);
}

void osp_perf_side_give(osp_perf_side *s, const osp_perf_sink *to)
{
    s->lost += s->samples.failed;
    for (size_t at = 0; at + sizeof(uint64_t) <= s->samples.n;) {
        uint64_t size;
        memcpy(&size, s->samples.p + at, sizeof size);
        at += sizeof size;
        if (size > s->samples.n - at)
            break;
        give(s, (osp_span){(const uint8_t *)s->samples.p + at, size}, to);
        at += size;
    }
    s->samples.n = 0;
    s->samples.failed = false;
}
