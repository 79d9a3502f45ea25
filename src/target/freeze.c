/* SPDX-License-Identifier: Apache-2.0 */
/* A brief stop of all threads of a process, which ends whatever happens to us.
 *
 * A child of ours is the tracer and holds the threads by PTRACE_SEIZE and PTRACE_INTERRUPT; we only read meanwhile. What the
 * kernel promises of a tracer that dies is what makes this safe: its tracees run on, and a signal that one of them was about to
 * get is delivered (exit_ptrace in the kernel's ptrace.c).
 *
 *     osprey ends, is killed       the child is killed with it (PR_SET_PDEATHSIG), the threads run on
 *     osprey hangs, is stopped     the child lets go when the time is over; it is in a session of its own, so that what stops
 *                                  osprey from a terminal does not stop it
 *     the child is killed          the threads run on; we notice at the end
 *
 * A thread that stops for us may do so on its way to a signal, which is then delivered when it is let go; signals that come
 * while it stands wait in the kernel. One that SIGSTOP has stopped stays stopped. After fork() there is only what is safe in a
 * signal handler: the child neither allocates nor prints. */
#include "target/target_internal.h"

#include "base/clock.h"
#include "base/file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS_MAX = 1 << 16, PLACES = 2 * THREADS_MAX, NAP_NS = 20000, DIR_BYTES = 8192 };

typedef struct {
    int tid;
    int signal;   /* it was on its way to this one; 0 = none */
    bool stopped; /* false: it did not stop in time, or has ended */
    bool ended;
    osp_regs regs;
} held;

/* What the child tells us. */
typedef struct {
    uint64_t first_ns, ready_ns,
        free_ns;          /* CLOCK_MONOTONIC: the first thread was asked to stop, all stand, all run */
    int error, error_tid; /* errno of a thread that could not be held */
    bool expired;         /* the time was over before we were done */
    uint32_t n;
    held thread[THREADS_MAX];
    uint32_t place[PLACES]; /* by tid: number in thread + 1; 0 = free */
} shared;

struct osp_freeze {
    osp_process *process;
    pid_t child;
    int go; /* closed: let go */
    shared *told;
};

/* ---- the child's side ----------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
static void take_regs(held *h)
{
    struct user_regs_struct r;
    struct iovec v = {&r, sizeof r};
    if (ptrace(PTRACE_GETREGSET, h->tid, NT_PRSTATUS, &v) != 0)
        return;
    h->regs = (osp_regs){
        .r = {r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14,
              r.r15},
        .pc = r.rip,
        .tls = r.fs_base,
        .syscall = (int64_t)r.orig_rax >= 0 ? r.orig_rax : UINT64_MAX,
    };
}
#else
static void take_regs(held *h)
{
    struct user_regs_struct r;
    struct iovec v = {&r, sizeof r};
    int nr;
    if (ptrace(PTRACE_GETREGSET, h->tid, NT_PRSTATUS, &v) != 0)
        return;
    h->regs = (osp_regs){.pc = r.pc, .syscall = UINT64_MAX};
    memcpy(h->regs.r, r.regs, sizeof r.regs);
    h->regs.r[31] = r.sp;
    v = (struct iovec){&h->regs.tls, sizeof h->regs.tls};
    (void)ptrace(PTRACE_GETREGSET, h->tid, NT_ARM_TLS, &v);
    v = (struct iovec){&nr, sizeof nr};
    if (ptrace(PTRACE_GETREGSET, h->tid, NT_ARM_SYSTEM_CALL, &v) == 0 && nr >= 0)
        h->regs.syscall = (uint64_t)nr;
}
#endif

/* Where the thread's number is, or is to be. Threads have mostly consecutive numbers, and half of the places stay free. */
static uint32_t *place_of(shared *s, int tid)
{
    uint32_t i = (uint32_t)tid % PLACES;
    while (s->place[i] && s->thread[s->place[i] - 1].tid != tid)
        i = (i + 1) % PLACES;
    return &s->place[i];
}

static held *find(shared *s, int tid)
{
    uint32_t number = *place_of(s, tid);
    return number ? &s->thread[number - 1] : NULL;
}

/* False: it cannot be held, for a reason that stands. */
static bool hold(shared *s, int tid)
{
    if (find(s, tid) || s->n == THREADS_MAX)
        return true;
    if (s->first_ns == 0)
        s->first_ns = osp_monotonic_ns();
    if (ptrace(PTRACE_SEIZE, tid, 0, 0) != 0) {
        if (errno == ESRCH)
            return true;
        s->error = errno;
        s->error_tid = tid;
        return false;
    }
    s->thread[s->n] = (held){.tid = tid};
    *place_of(s, tid) = ++s->n;
    (void)ptrace(PTRACE_INTERRUPT, tid, 0, 0); /* ESRCH: it has ended, which wait tells */
    return true;
}

/* All threads that are there now. Returns how many were new; -1 if one cannot be held. */
static int hold_all(shared *s, int dir)
{
    char buf[DIR_BYTES];
    uint32_t before = s->n;
    if (lseek(dir, 0, SEEK_SET) != 0)
        return 0;
    for (long n; (n = syscall(SYS_getdents64, dir, buf, sizeof buf)) > 0;)
        for (long at = 0; at < n;) { /* struct linux_dirent64: u64, u64, u16 length, u8, name */
            uint16_t length;
            memcpy(&length, buf + at + 16, sizeof length);
            int tid = 0;
            for (const char *c = buf + at + 19; osp_is_digit(*c); c++)
                tid = tid * 10 + (*c - '0');
            if (tid && !hold(s, tid))
                return -1;
            at += length;
        }
    return (int)(s->n - before);
}

/* Take what one of them has become; false if none has changed. */
static bool reap(shared *s)
{
    int status;
    pid_t tid = waitpid(-1, &status, __WALL | WNOHANG);
    if (tid <= 0)
        return false;
    held *h = find(s, tid);
    if (!h)
        return true;
    if (!WIFSTOPPED(status)) {
        h->ended = true;
        h->stopped = false;
        return true;
    }
    h->stopped = true;
    h->signal = status >> 16 ? 0 : WSTOPSIG(status); /* an event: our interrupt, or a group stop */
    take_regs(h);
    return true;
}

static bool all_stand(const shared *s)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (!s->thread[i].stopped && !s->thread[i].ended)
            return false;
    return true;
}

static void nap(void) { nanosleep(&(struct timespec){0, NAP_NS}, NULL); }

/* Threads that were not held yet make others: look until there are no more. */
static bool hold_process(shared *s, int dir, uint64_t patience_ns)
{
    for (int fresh = 1; fresh;) {
        fresh = hold_all(s, dir);
        if (fresh < 0)
            return false;
        while (!all_stand(s)) {
            if (reap(s))
                continue;
            if (osp_monotonic_ns() - s->first_ns > patience_ns)
                return true; /* one that the kernel does not let stop: the others are enough */
            nap();
        }
    }
    return true;
}

/* One that did not stop is not asked to go: it ends to be held when we end, and loses no signal by it. */
static void let_go(shared *s)
{
    while (reap(s))
        ;
    for (uint32_t i = 0; i < s->n; i++)
        if (s->thread[i].stopped)
            (void)ptrace(PTRACE_DETACH, s->thread[i].tid, 0, s->thread[i].signal);
    s->free_ns = osp_monotonic_ns();
}

static void be_tracer(shared *s, int dir, int go, int say, uint64_t limit_ns)
{
    char byte = 0;
    bool held_it = hold_process(s, dir, limit_ns / 2);
    s->ready_ns = osp_monotonic_ns();
    if (held_it && write(say, &byte, 1) == 1) {
        struct pollfd p = {.fd = go, .events = POLLIN};
        uint64_t gone_ns = osp_monotonic_ns() - s->first_ns;
        int left_ms = gone_ns < limit_ns ? (int)((limit_ns - gone_ns) / 1000000) : 0;
        s->expired = poll(&p, 1, left_ms) == 0;
    }
    let_go(s);
}

/* ---- our side ------------------------------------------------------------------------------------------------------- */

static pid_t start_child(osp_freeze *f, int dir, unsigned limit_ms, int *say, osp_err *err)
{
    int go[2], tell[2];
    if (pipe2(go, O_CLOEXEC) != 0) {
        osp_fail_errno(err, errno, "pipe");
        return -1;
    }
    if (pipe2(tell, O_CLOEXEC) != 0) {
        osp_fail_errno(err, errno, "pipe");
        close(go[0]);
        close(go[1]);
        return -1;
    }
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        close(go[1]);
        close(tell[0]);
        (void)setsid();
        bool orphan = prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent;
        if (!orphan)
            be_tracer(f->told, dir, go[0], tell[1], (uint64_t)limit_ms * 1000000);
        _exit(0);
    }
    if (child < 0)
        osp_fail_errno(err, errno, "fork");
    close(go[0]);
    close(tell[1]);
    f->go = go[1];
    *say = tell[0];
    return child;
}

/* Its tracer; 0 = none. */
static int tracer_of(const osp_process *p, int tid)
{
    char path[64], buf[4096];
    osp_str text;
    osp_err ignored; /* not known is none */
    uint64_t v = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/status", p->pid, tid);
    if (!osp_read_small(path, buf, sizeof buf, &text, &ignored))
        return 0;
    osp_str field = osp_status_field(text, S("TracerPid"));
    return osp_next_number(&field, &v) ? (int)v : 0;
}

static bool refuse(const osp_freeze *f, osp_err *err)
{
    const shared *s = f->told;
    int tracer = s->error_tid ? tracer_of(f->process, s->error_tid) : 0;
    if (!osp_process_alive(f->process))
        return osp_gone(f->process, err);
    if (tracer)
        return osp_fail(
            err, OSP_EPERM,
            "cannot stop pid %d: it is being traced by process %d, and a thread has one tracer; do it without "
            "--freeze, or end that",
            f->process->pid, tracer);
    if (s->error)
        return osp_refused(f->process, s->error, "(and stop) threads", err);
    return osp_fail(err, OSP_EIO, "cannot stop pid %d: the process that was to do it has ended", f->process->pid);
}

osp_freeze *osp_freeze_begin(osp_process *p, unsigned limit_ms, osp_err *err)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", p->pid);
    OSP_AUTO_CLOSE int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        osp_refused(p, errno, "threads", err);
        return NULL;
    }
    osp_freeze *f = calloc(1, sizeof *f);
    shared *told =
        mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (!f || told == MAP_FAILED) {
        osp_fail_memory(err, "stopping a process");
        if (told != MAP_FAILED)
            munmap(told, sizeof *told);
        free(f);
        return NULL;
    }
    OSP_AUTO_CLOSE int say = -1;
    *f = (osp_freeze){.process = p, .go = -1, .told = told};
    f->child = start_child(f, dir, limit_ms, &say, err);
    char byte;
    ssize_t n = -1;
    while (f->child > 0 && (n = read(say, &byte, 1)) < 0 && errno == EINTR)
        ;
    if (n == 1)
        return f;
    osp_freeze_report ignored; /* nothing is held */
    if (f->child > 0) {
        osp_close_fd(&f->go);
        while (waitpid(f->child, NULL, 0) < 0 && errno == EINTR)
            ;
        f->child = 0;
        refuse(f, err);
    }
    (void)osp_freeze_end(f, &ignored);
    return NULL;
}

bool osp_freeze_end(osp_freeze *f, osp_freeze_report *out)
{
    *out = (osp_freeze_report){0};
    if (!f)
        return false;
    osp_close_fd(&f->go);
    int status = -1;
    while (f->child > 0 && waitpid(f->child, &status, 0) < 0 && errno == EINTR)
        ;
    const shared *s = f->told;
    bool whole = f->child > 0 && status == 0 && s->free_ns && !s->expired;
    for (uint32_t i = 0; i < s->n; i++) {
        out->stopped += s->thread[i].stopped;
        out->missed += !s->thread[i].stopped && !s->thread[i].ended;
    }
    out->stop_ns = s->free_ns > s->first_ns ? s->free_ns - s->first_ns : 0;
    out->expired = !whole;
    munmap(f->told, sizeof *f->told);
    free(f);
    return whole;
}

/* ---- its threads ---------------------------------------------------------------------------------------------------- */

bool osp_freeze_regs(const osp_freeze *f, int tid, osp_regs *out)
{
    const held *h = find(f->told, tid);
    if (!h || !h->stopped || h->regs.pc == 0)
        return false;
    *out = h->regs;
    return true;
}

static bool frozen_threads(void *ctx, osp_arena *a, osp_image_thread **out, uint32_t *n, osp_err *err)
{
    const osp_freeze *f = ctx;
    osp_thread *row;
    if (!osp_process_threads(f->process, a, &row, n, err))
        return false;
    *out = osp_new(a, osp_image_thread, *n);
    if (!*out)
        return osp_fail_memory(err, "reading threads");
    for (uint32_t i = 0; i < *n; i++) {
        osp_image_thread *t = &(*out)[i];
        *t = (osp_image_thread){.tid = row[i].tid, .ns_tid = row[i].ns_tid};
        memcpy(t->name, row[i].name, sizeof t->name);
        t->has_regs = osp_freeze_regs(f, row[i].tid, &t->regs);
    }
    return true;
}

static int open_map(void *ctx, const osp_map *m, osp_err *err)
{
    return osp_process_map_fd(((const osp_freeze *)ctx)->process, m, err);
}

static bool is_alive(void *ctx) { return osp_process_alive(((const osp_freeze *)ctx)->process); }

void osp_freeze_image(osp_freeze *f, osp_image *image)
{
    image->ctx = f;
    image->still = true;
    image->threads = frozen_threads;
    image->open_map = open_map;
    image->alive = is_alive;
}
