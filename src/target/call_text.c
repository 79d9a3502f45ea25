/* SPDX-License-Identifier: Apache-2.0 */
/* A system call that a thread is blocked in, in words. Calls that block are known by what their arguments are; of others the
 * name and the descriptor are said, if the first argument is one. */
#include "target/target_internal.h"

#include <linux/futex.h>
#include <stdio.h>

/* What an argument is, a letter each: f descriptor, n bytes, e events, m milliseconds or -1, r time that is left (points at
 * seconds and nanoseconds), p process or thread, c child (-1: any), - nothing worth saying. */
typedef struct {
    const char *name, *arg;
} known;

static const known calls[] = {
    {"read", "f-n"},          {"write", "f-n"},
    {"pread64", "f-n"},       {"pwrite64", "f-n"},
    {"readv", "f"},           {"writev", "f"},
    {"recvfrom", "f-n"},      {"sendto", "f-n"},
    {"recvmsg", "f"},         {"sendmsg", "f"},
    {"recvmmsg", "f"},        {"accept", "f"},
    {"accept4", "f"},         {"connect", "f"},
    {"poll", "-em"},          {"ppoll", "-er"},
    {"select", "-"},          {"pselect6", "-"},
    {"epoll_wait", "f-em"},   {"epoll_pwait", "f-em"},
    {"epoll_pwait2", "f-er"}, {"nanosleep", "r"},
    {"clock_nanosleep", ""},  {"futex", ""},
    {"wait4", "c"},           {"waitid", "-p"},
    {"flock", "f"},           {"fcntl", "f"},
    {"fsync", "f"},           {"fdatasync", "f"},
    {"ioctl", "f"},           {"sendfile", "ff"},
    {"splice", "f-f"},        {"io_uring_enter", "f"},
    {"getdents64", "f"},      {"fallocate", "f"},
    {"ftruncate", "f"},       {"copy_file_range", "f-f"},
    {"close", "f"},           {"tee", "ff"},
};

static void put_time(osp_buf *out, uint64_t s, uint64_t ns)
{
    if (s >= 100)
        osp_buf_fmt(out, "%llu s", (unsigned long long)s);
    else if (s)
        osp_buf_fmt(out, "%.1f s", (double)s + (double)ns / 1e9);
    else if (ns >= 1000000)
        osp_buf_fmt(out, ns >= 100000000 ? "%.0f ms" : "%.1f ms", (double)ns / 1e6);
    else
        osp_buf_fmt(out, "%.0f us", (double)ns / 1e3);
}

/* A struct timespec; false if there is none to read. */
static bool read_time(const osp_mem *mem, uint64_t addr, uint64_t t[2])
{
    osp_err ignored;
    return addr && mem->read(mem->ctx, addr, t, 16, &ignored) && t[1] < 1000000000 && t[0] < 1ull << 62;
}

static void put_wait(osp_buf *out, const osp_mem *mem, uint64_t addr)
{
    uint64_t t[2];
    if (!addr)
        osp_buf_add(out, S("no timeout"));
    else if (read_time(mem, addr, t))
        put_time(out, t[0], t[1]);
    else
        osp_buf_add(out, S("for a time"));
}

static void put_fd(osp_buf *out, uint64_t v, osp_fds *fds)
{
    char text[256];
    int fd = (int)(uint32_t)v;
    osp_buf_fmt(out, "fd %d", fd);
    if (fds && fd >= 0 && osp_fd_text(fds, fd, text, sizeof text))
        osp_buf_fmt(out, " (%s)", text);
}

static void put_argument(osp_buf *out, char what, uint64_t v, const osp_mem *mem, osp_fds *fds)
{
    int32_t small = (int32_t)(uint32_t)v;
    switch (what) {
    case 'f':
        put_fd(out, v, fds);
        break;
    case 'n':
        osp_buf_fmt(out, "%llu bytes", (unsigned long long)v);
        break;
    case 'e':
        osp_buf_fmt(out, "%d event%s", small, small == 1 ? "" : "s");
        break;
    case 'm':
        if (small < 0)
            osp_buf_add(out, S("no timeout"));
        else
            put_time(out, (uint64_t)small / 1000, (uint64_t)small % 1000 * 1000000);
        break;
    case 'r':
        put_wait(out, mem, v);
        break;
    case 'c':
        if (small > 0)
            osp_buf_fmt(out, "pid %d", small);
        else
            osp_buf_add(out, S("any child"));
        break;
    default:
        osp_buf_fmt(out, "pid %d", small);
    }
}

/* man futex: the operation is the low bits, with two flags above. */
static void put_futex(osp_buf *out, const osp_blocking *c, const osp_mem *mem)
{
    static const char *const name[] = {[FUTEX_WAIT] = "wait",
                                       [FUTEX_WAKE] = "wake",
                                       [FUTEX_LOCK_PI] = "lock_pi",
                                       [FUTEX_WAIT_BITSET] = "wait",
                                       [FUTEX_WAIT_REQUEUE_PI] = "wait_requeue_pi",
                                       [FUTEX_LOCK_PI2] = "lock_pi"};
    uint32_t op = (uint32_t)c->arg[1] & (uint32_t)FUTEX_CMD_MASK, word;
    const char *said = op < sizeof name / sizeof *name ? name[op] : NULL;
    osp_err ignored;
    if (said)
        osp_buf_fmt(out, " %s 0x%llx", said, (unsigned long long)c->arg[0]);
    else
        osp_buf_fmt(out, " operation %u at 0x%llx", op, (unsigned long long)c->arg[0]);
    if (mem->read(mem->ctx, c->arg[0], &word, sizeof word, &ignored))
        osp_buf_fmt(out, " (is %u)", word);
    uint64_t t[2];
    if (op == FUTEX_WAIT && c->arg[3] && read_time(mem, c->arg[3], t)) {
        osp_buf_add(out, S(", "));
        put_time(out, t[0], t[1]);
    } else if ((op == FUTEX_WAIT || op == FUTEX_WAIT_BITSET) && c->arg[3]) {
        osp_buf_add(out, S(", until a time"));
    }
}

/* clock_nanosleep(clock, flags, time): TIMER_ABSTIME is 1. */
static void put_clock_sleep(osp_buf *out, const osp_blocking *c, const osp_mem *mem)
{
    osp_buf_byte(out, ' ');
    if (c->arg[1] & 1)
        osp_buf_add(out, S("until a time"));
    else
        put_wait(out, mem, c->arg[2]);
}

static void put_arguments(osp_buf *out, osp_str name, const osp_blocking *c, const osp_mem *mem, osp_fds *fds)
{
    const char *arg = "";
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (osp_str_eq(name, osp_str_from(calls[i].name)))
            arg = calls[i].arg;
    bool first = true;
    for (size_t i = 0; arg[i] && i < 6; i++) {
        if (arg[i] == '-')
            continue;
        osp_buf_add(out, first ? S(" ") : S(", "));
        first = false;
        put_argument(out, arg[i], c->arg[i], mem, fds);
    }
}

void osp_blocking_text(const osp_blocking *call, const osp_mem *mem, osp_fds *fds, char *out, size_t size)
{
    osp_buf b = osp_buf_of(1024);
    const char *name = call->state == OSP_BLOCKING_CALL ? osp_syscall_name(call->nr) : NULL;
    osp_str known_as = osp_str_from(name ? name : "");
    if (call->state == OSP_BLOCKING_CALL && !name)
        osp_buf_fmt(&b, "system call %u", call->nr);
    osp_buf_add(&b, known_as);
    if (osp_str_eq(known_as, S("restart_syscall")))
        osp_buf_add(&b, S(", of a wait that a stop broke off"));
    else if (osp_str_eq(known_as, S("futex")))
        put_futex(&b, call, mem);
    else if (osp_str_eq(known_as, S("clock_nanosleep")))
        put_clock_sleep(&b, call, mem);
    else
        put_arguments(&b, known_as, call, mem, fds);
    osp_str_z(osp_buf_str(&b), out, size);
    osp_buf_drop(&b);
}
