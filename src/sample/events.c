/* SPDX-License-Identifier: Apache-2.0 */
/* Perf events, in one of two ways.
 *
 * On every thread of a process. cpu-clock counts a thread's own CPU time, so a sample stands for its period whatever else
 * the machine does, and a process that hardly runs can be sampled at a high rate for nothing. Threads that start later
 * inherit the event of the thread that starts them; threads that start while we are opening are caught by looking again
 * until no new one shows. But each thread's clock begins with a whole period: one that ends before that is never seen.
 *
 * On every CPU. The clocks do not know of threads, so that the shortest has its fair chance, and nothing is to be done for
 * new ones; the program picks out what is wanted. The ticks while others run are the price. */
#include "sample/sample_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"

/* Above this many threads, or without file descriptors for as many, there is one event a CPU. */
enum { MANY_THREADS = 2000, THREADS_LIMIT = 64 << 20 };

int osp_perf_event(struct perf_event_attr *attr, int pid, int cpu, unsigned long flags)
{
    return (int)syscall(SYS_perf_event_open, attr, pid, cpu, -1, flags | PERF_FLAG_FD_CLOEXEC);
}

bool osp_perf_is_offline(int error) { return error == ENODEV || error == EINVAL; }

static bool keep(osp_events *e, int link, int fd, osp_err *err)
{
    void *array = e->event;
    if (!osp_grow(&array, &e->cap, e->n + 1, sizeof *e->event))
        return osp_fail_memory(err, "opening perf events");
    e->event = array;
    e->event[e->n++] = (struct osp_event_fd){link, fd};
    return true;
}

bool osp_perf_can(osp_err *err)
{
    struct perf_event_attr attr = {
        .size = sizeof attr,
        .type = PERF_TYPE_SOFTWARE,
        .config = PERF_COUNT_SW_DUMMY,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    osp_host host;
    int fd = osp_perf_event(&attr, 0, -1, 0), why = errno;
    if (fd >= 0) {
        close(fd);
        return true;
    }
    if (why != EACCES && why != EPERM && why != ENOSYS)
        return osp_perf_explain(why, err);
    osp_host_read(&host);
    if (why != ENOSYS && host.perf_event_paranoid > 2 && !host.cap_perfmon && !host.cap_sys_admin)
        return osp_fail(err, OSP_EPERM, "perf events are refused (sudo sysctl kernel.perf_event_paranoid=2)");
    return osp_fail(err, OSP_EPERM, "perf events are refused (docker: --cap-add PERFMON)");
}

bool osp_perf_explain(int error, osp_err *err)
{
    osp_fail_errno(err, error, "perf_event_open");
    if (error == EACCES || error == EPERM)
        osp_fail(err, OSP_EPERM,
                 "perf_event_open was refused: needs CAP_PERFMON, or kernel.perf_event_paranoid <= 2 and a "
                 "process of your own");
    else if (error == ENOENT || error == EOPNOTSUPP)
        osp_fail(err, OSP_EABSENT,
                 "this machine does not offer that event (virtual machines often have no hardware events)");
    else if (error == EMFILE)
        osp_fail(err, OSP_ELIMIT, "too many threads for the limit on open files: raise it with `ulimit -n`");
    return false;
}

/* Attach the program to an event, start the event and keep it. The link carries a cookie, in which the program reads
 * which event it is; it holds the event, so that the event's own descriptor is only needed to change its period. */
static bool attach(osp_events *e, int fd, int prog_fd, bool enable, osp_err *err)
{
    LIBBPF_OPTS(bpf_link_create_opts, opts,
                .perf_event.bpf_cookie = e->index | e->state << OSP_COOKIE_STATE | (e->ticks ? OSP_COOKIE_TICKS : 0));
    int link = bpf_link_create(prog_fd, fd, BPF_PERF_EVENT, &opts);
    bool ok = link >= 0 && (!enable || ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) == 0);
    if (!ok)
        osp_fail_errno(err, errno, "attaching the BPF program to a perf event");
    else
        ok = keep(e, link, e->ticks ? fd : -1, err);
    if (!ok)
        osp_close_fd(&link);
    if (!ok || !e->ticks)
        close(fd);
    return ok;
}

static bool is_clock(const struct perf_event_attr *attr)
{
    return attr->type == PERF_TYPE_SOFTWARE && attr->config == PERF_COUNT_SW_CPU_CLOCK;
}

/* In place of what is open already. */
static bool open_cpus(osp_events *e, struct perf_event_attr *attr, int prog_fd, osp_err *err)
{
    osp_events fresh = {.index = e->index, .state = e->state, .ticks = is_clock(attr)};
    osp_events_close(e);
    *e = fresh;
    long ncpu = sysconf(_SC_NPROCESSORS_CONF);
    attr->inherit = attr->enable_on_exec = 0;
    for (int cpu = 0; cpu < ncpu; cpu++) {
        int fd = osp_perf_event(attr, -1, cpu, 0);
        if (fd < 0 && osp_perf_is_offline(errno))
            continue;
        if (fd < 0)
            return osp_perf_explain(errno, err);
        if (!attach(e, fd, prog_fd, true, err))
            return false;
    }
    return true;
}

static int by_tid(const void *a, const void *b)
{
    return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

/* Events on all threads, until a look at the list shows none that has none. */
static bool open_threads(osp_events *e, osp_process *p, struct perf_event_attr *attr, int prog_fd, osp_err *err)
{
    int *seen = NULL;
    size_t nseen = 0, cap = 0;
    bool ok = false, fresh = true;
    for (int round = 0; fresh && round < 20; round++) {
        osp_arena a;
        osp_thread *t;
        uint32_t n;
        size_t sorted = nseen;
        osp_arena_init(&a, THREADS_LIMIT);
        fresh = false;
        if (!osp_process_threads(p, &a, &t, &n, err)) {
            osp_arena_drop(&a);
            goto out;
        }
        if (n > MANY_THREADS) {
            osp_arena_drop(&a);
            ok = open_cpus(e, attr, prog_fd, err);
            goto out;
        }
        for (uint32_t i = 0; i < n; i++) {
            if (sorted && bsearch(&t[i].tid, seen, sorted, sizeof *seen, by_tid))
                continue;
            void *array = seen;
            if (!osp_grow(&array, &cap, nseen + 1, sizeof *seen)) {
                osp_fail_memory(err, "opening perf events");
                osp_arena_drop(&a);
                goto out;
            }
            seen = array;
            seen[nseen++] = t[i].tid;
            fresh = true;
            int fd = osp_perf_event(attr, t[i].tid, -1, 0);
            if (fd < 0 && errno == ESRCH) /* it ended meanwhile */
                continue;
            if (fd < 0 && errno == EMFILE) {
                osp_arena_drop(&a);
                ok = open_cpus(e, attr, prog_fd, err);
                goto out;
            }
            if (fd < 0)
                osp_perf_explain(errno, err);
            if (fd < 0 || !attach(e, fd, prog_fd, !attr->enable_on_exec, err)) {
                osp_arena_drop(&a);
                goto out;
            }
        }
        osp_arena_drop(&a);
        if (nseen > 1)
            qsort(seen, nseen, sizeof *seen, by_tid);
    }
    ok = e->n > 0 || osp_fail(err, OSP_EABSENT, "process %d has ended", osp_process_pid(p));
out:
    free(seen);
    return ok;
}

void osp_allow_open_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

bool osp_events_open(osp_events *e, const osp_event_kind *kind, bool other, uint32_t index, osp_process *p,
                     uint32_t hz, int prog_fd, bool on_exec, osp_err *err)
{
    struct perf_event_attr attr = {
        .size = sizeof attr,
        .type = kind->perf_type,
        .config = other ? kind->other_config : kind->perf_config,
        .disabled = 1,
        .inherit = 1,
        .enable_on_exec = on_exec,
    };
    attr.freq = !is_clock(&attr) && !kind->each; /* the kernel finds the period, and says it with each sample */
    attr.sample_period = kind->each ? 1 : attr.freq ? hz : 1000000000u / hz;
    osp_allow_open_files();
    *e = (osp_events){.index = index, .state = kind->state[0] ? 1 + other : 0};
    if (!(p ? open_threads(e, p, &attr, prog_fd, err) : open_cpus(e, &attr, prog_fd, err))) {
        osp_events_close(e);
        return false;
    }
    return true;
}

void osp_events_period(osp_events *e, uint64_t ns)
{
    for (size_t i = 0; e->ticks && i < e->n; i++)
        ioctl(e->event[i].fd, PERF_EVENT_IOC_PERIOD, &ns);
}

void osp_events_close(osp_events *e)
{
    for (size_t i = 0; i < e->n; i++) {
        close(e->event[i].link);
        osp_close_fd(&e->event[i].fd);
    }
    free(e->event);
    *e = (osp_events){0};
}
