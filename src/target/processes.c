/* SPDX-License-Identifier: Apache-2.0 */
/* All processes of the machine, a row each. One small file is read for a row; CPU time comes from the process's own clock,
 * which counts nanoseconds where /proc has ticks of 10 ms. */
#include "target/target_internal.h"

#include "base/clock.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ID_DIGITS = 64, ID_SHOWN = 12, COMM_MAX = 15 };

/* ---- containers ------------------------------------------------------------------------------------------------ */

static bool is_hex(char c) { return osp_is_digit(c) || (c >= 'a' && c <= 'f'); }

/* The head of a number of 64 hexadecimal digits in one part of a path: "docker-4a9f….scope". */
static osp_str id_in(osp_str part)
{
    size_t run = 0;
    for (size_t i = 0; i <= part.n; i++) {
        if (i < part.n && is_hex(part.p[i])) {
            run++;
            continue;
        }
        if (run == ID_DIGITS)
            return osp_str_head(osp_str_skip(part, i - run), ID_SHOWN);
        run = 0;
    }
    return S("");
}

static osp_str without_tail(osp_str s, osp_str tail)
{
    return osp_str_ends(s, tail) ? osp_str_head(s, s.n - tail.n) : s;
}

/* Each line is "hierarchy:controllers:path"; the innermost part of a path that names a container counts. */
osp_str osp_container_parse(osp_str text)
{
    osp_str found = S("");
    while (text.n && !found.n) {
        osp_str path = osp_str_cut(&text, '\n');
        (void)osp_str_cut(&path, ':');
        (void)osp_str_cut(&path, ':');
        while (path.n) {
            osp_str part = osp_str_cut(&path, '/'), id = id_in(part);
            if (id.n)
                found = id;
            else if (osp_str_starts(part, S("lxc.payload.")))
                found = osp_str_skip(part, 12);
            else if (osp_str_starts(part, S("machine-")) && osp_str_ends(part, S(".scope")))
                found = without_tail(osp_str_skip(part, 8), S(".scope"));
        }
    }
    return found;
}

/* "pid:[4026532201]" of a process's pid namespace; empty if we may not know. */
static osp_str pid_namespace(const char *pid, char *buf, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/ns/pid", pid);
    ssize_t n = readlink(path, buf, size);
    return (osp_str){buf, n < 0 ? 0 : (size_t)n};
}

osp_str osp_process_container(int pid, osp_arena *a)
{
    char path[64], number[16], buf[8192], own[64], its[64];
    osp_str text;
    osp_err ignored; /* a process that has ended runs in none */
    snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
    if (!osp_read_small(path, buf, sizeof buf, &text, &ignored))
        return S("");
    osp_str name = osp_container_parse(text);
    if (name.n)
        return osp_arena_str(a, name);
    snprintf(number, sizeof number, "%d", pid);
    osp_str other = pid_namespace(number, its, sizeof its);
    if (other.n == 0 || osp_str_eq(other, pid_namespace("self", own, sizeof own)))
        return S("");
    return osp_arena_str(a, other);
}

/* ---- rows ------------------------------------------------------------------------------------------------------ */

typedef struct {
    uint64_t page_bytes, hz;
    osp_arena *arena;
} reading;

/* The clock of another process, as clock_getcpuclockid makes it but without asking whether it is there. */
static clockid_t clock_of(int pid) { return (clockid_t)((~(unsigned)pid << 3) | 2u); }

static osp_str exe_of(int dir, const char *pid, char *buf, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "%s/exe", pid);
    ssize_t n = readlinkat(dir, path, buf, size);
    return n < 0 ? S("") : without_tail((osp_str){buf, (size_t)n}, S(" (deleted)"));
}

static bool keep_row(const reading *r, const osp_stat_line *st, osp_str exe, osp_process_row *out)
{
    osp_str file = osp_str_base(exe);
    bool cut = st->name.n == COMM_MAX && osp_str_starts(file, st->name);
    out->name = osp_arena_str(r->arena, cut ? file : st->name);
    out->exe = osp_arena_str(r->arena, exe);
    out->parent = st->parent;
    out->state = st->state;
    out->nthreads = (uint32_t)st->nthreads;
    out->rss_bytes = st->rss_pages * r->page_bytes;
    out->start_ns = (uint64_t)((__uint128_t)st->start_ticks * 1000000000u / r->hz);
    return out->name.p && out->exe.p;
}

typedef enum { ROW_TAKEN, ROW_NONE, ROW_NO_MEMORY } taken;

/* Threads of the kernel and zombies, and what ends while we look, are none. */
static taken read_row(const reading *r, int dir, const char *pid, osp_process_row *out)
{
    char path[64], buf[1024], exe[4096];
    osp_stat_line st;
    snprintf(path, sizeof path, "%s/stat", pid);
    OSP_AUTO_CLOSE int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, buf, sizeof buf) : -1;
    if (n <= 0 || !osp_stat_parse((osp_str){buf, (size_t)n}, &st) || osp_is_kernel_thread(&st) || st.state == 'Z' ||
        st.state == 'X')
        return ROW_NONE;
    out->cpu_ns = osp_clock_ns(clock_of(out->pid));
    out->read_ns = osp_monotonic_ns();
    if (out->cpu_ns == 0) /* a kernel that keeps its clock from us */
        out->cpu_ns = (uint64_t)((__uint128_t)(st.user_ticks + st.system_ticks) * 1000000000u / r->hz);
    return keep_row(r, &st, exe_of(dir, pid, exe, sizeof exe), out) ? ROW_TAKEN : ROW_NO_MEMORY;
}

static reading begin(osp_arena *a)
{
    long page = sysconf(_SC_PAGESIZE), hz = sysconf(_SC_CLK_TCK);
    return (reading){page > 0 ? (uint64_t)page : 4096, hz > 0 ? (uint64_t)hz : 100, a};
}

bool osp_process_row_read(int pid, osp_arena *a, osp_process_row *out, osp_err *err)
{
    char name[16];
    const reading r = begin(a);
    OSP_AUTO_CLOSE int dir = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return osp_fail_errno(err, errno, "cannot read pid %d: /proc", pid);
    *out = (osp_process_row){.pid = pid};
    snprintf(name, sizeof name, "%d", pid);
    taken t = read_row(&r, dir, name, out);
    if (t == ROW_NO_MEMORY)
        return osp_fail_memory(err, "reading a process");
    return t == ROW_TAKEN || osp_fail(err, OSP_EABSENT, "pid %d has exited", pid);
}

static int by_pid(const void *a, const void *b)
{
    int x = ((const osp_process_row *)a)->pid, y = ((const osp_process_row *)b)->pid;
    return (x > y) - (x < y);
}

bool osp_processes_read(osp_arena *a, osp_process_row **out, uint32_t *n, osp_err *err)
{
    DIR *dir = opendir("/proc");
    if (!dir)
        return osp_fail_errno(err, errno, "cannot list processes: /proc");
    const reading r = begin(a);
    osp_process_row *row = NULL;
    size_t cap = 0, count = 0;
    bool ok = true;
    for (struct dirent *e; ok && (e = readdir(dir));) {
        uint64_t pid;
        if (!osp_str_u64(osp_str_from(e->d_name), 10, &pid) || pid > INT32_MAX)
            continue;
        ok = osp_grow((void **)&row, &cap, count + 1, sizeof *row);
        if (!ok)
            break;
        row[count] = (osp_process_row){.pid = (int)pid};
        taken t = read_row(&r, dirfd(dir), e->d_name, &row[count]);
        ok = t != ROW_NO_MEMORY;
        count += t == ROW_TAKEN;
    }
    closedir(dir);
    osp_process_row *kept = ok ? osp_new(a, osp_process_row, count) : NULL;
    if (kept && count) {
        qsort(row, count, sizeof *row, by_pid);
        memcpy(kept, row, count * sizeof *row);
    }
    free(row);
    if (!kept)
        return osp_fail_memory(err, "listing processes");
    if (count == 0)
        return osp_fail(err, OSP_EABSENT,
                        "no process is to be seen: /proc is not mounted here; mount -t proc proc /proc");
    *out = kept;
    *n = (uint32_t)count;
    return true;
}
