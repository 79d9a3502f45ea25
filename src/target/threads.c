/* SPDX-License-Identifier: Apache-2.0 */
/* The threads of a process and their times. Three small files a thread: stat (state, ticks), schedstat (nanoseconds on
 * a CPU and waiting for one) and status (context switches). */
#include "target/target_internal.h"

#include "base/clock.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool read_at(int dir, const char *path, char *buf, size_t size, osp_str *text)
{
    OSP_AUTO_CLOSE int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, buf, size - 1) : -1;
    if (n < 0)
        return false;
    *text = (osp_str){buf, (size_t)n};
    return true;
}

/* False if the thread has ended. */
static bool read_thread(int dir, int tid, uint64_t tick_ns, osp_thread *t)
{
    char path[64], buf[4096];
    osp_str text;
    osp_stat_line st;
    *t = (osp_thread){.tid = tid};
    snprintf(path, sizeof path, "%d/stat", tid);
    if (!read_at(dir, path, buf, sizeof buf, &text) || !osp_stat_parse(text, &st))
        return false;
    osp_str_z(st.name, t->name, sizeof t->name);
    t->state = st.state;
    t->user_ticks = st.user_ticks;
    t->system_ticks = st.system_ticks;

    snprintf(path, sizeof path, "%d/schedstat", tid);
    if (read_at(dir, path, buf, sizeof buf, &text)) {
        if (!osp_next_number(&text, &t->run_ns) || !osp_next_number(&text, &t->wait_ns))
            return false;
    } else { /* a kernel without CONFIG_SCHED_INFO: ticks are all there is */
        t->run_ns = (st.user_ticks + st.system_ticks) * tick_ns;
    }

    snprintf(path, sizeof path, "%d/status", tid);
    if (!read_at(dir, path, buf, sizeof buf, &text))
        return false;
    osp_str kept = osp_status_field(text, S("voluntary_ctxt_switches"));
    osp_str taken = osp_status_field(text, S("nonvoluntary_ctxt_switches"));
    t->ns_tid = osp_innermost_pid(osp_status_field(text, S("NSpid")), tid);
    (void)osp_next_number(&kept, &t->voluntary);
    (void)osp_next_number(&taken, &t->involuntary);
    return true;
}

static int by_tid(const void *a, const void *b)
{
    int x = ((const osp_thread *)a)->tid, y = ((const osp_thread *)b)->tid;
    return (x > y) - (x < y);
}

uint64_t osp_tick_ns(void)
{
    long hz = sysconf(_SC_CLK_TCK);
    return 1000000000u / (uint64_t)(hz > 0 ? hz : 100);
}

bool osp_process_threads(osp_process *p, osp_arena *a, osp_thread **out, uint32_t *n, osp_err *err)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", p->pid);
    DIR *dir = opendir(path);
    if (!dir)
        return osp_refused(p, errno, "threads", err);
    uint64_t tick_ns = osp_tick_ns();
    osp_thread *row = NULL;
    size_t cap = 0, count = 0;
    bool ok = true;
    for (struct dirent *e; ok && (e = readdir(dir));) {
        uint64_t tid;
        if (!osp_str_u64(osp_str_from(e->d_name), 10, &tid) || tid > INT32_MAX)
            continue;
        ok = osp_grow((void **)&row, &cap, count + 1, sizeof *row);
        if (ok && read_thread(dirfd(dir), (int)tid, tick_ns, &row[count]))
            count++;
    }
    closedir(dir);
    osp_thread *kept = ok ? osp_new(a, osp_thread, count) : NULL;
    if (kept && count) {
        qsort(row, count, sizeof *row, by_tid);
        memcpy(kept, row, count * sizeof *row);
    }
    free(row);
    if (!kept)
        return osp_fail_memory(err, "reading threads");
    if (count == 0 || !osp_process_alive(p))
        return osp_gone(p, err);
    *out = kept;
    *n = (uint32_t)count;
    return true;
}

uint64_t osp_process_cpu_ns(const osp_process *p)
{
    /* As clock_getcpuclockid makes it, but without asking whether the process is there. */
    return osp_clock_ns((clockid_t)((~(unsigned)p->pid << 3) | 2u));
}

size_t osp_process_tids(const osp_process *p, int *tid, size_t max)
{
    char path[64];
    size_t n = 0;
    snprintf(path, sizeof path, "/proc/%d/task", p->pid);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && n < max && (e = readdir(dir));) {
        uint64_t id;
        if (osp_str_u64(osp_str_from(e->d_name), 10, &id) && id <= INT32_MAX)
            tid[n++] = (int)id;
    }
    if (dir)
        closedir(dir);
    return n;
}

void osp_thread_name(int pid, int tid, char out[16])
{
    char path[64], buf[64];
    osp_str text;
    osp_err ignored; /* it has ended */
    snprintf(path, sizeof path, "/proc/%d/task/%d/comm", pid, tid);
    out[0] = 0;
    if (osp_read_small(path, buf, sizeof buf, &text, &ignored))
        osp_str_z(osp_str_trim(text), out, 16);
}
