/* SPDX-License-Identifier: Apache-2.0 */
/* A process held by a pidfd, and what /proc says about it. */
#include "target/target_internal.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- texts -------------------------------------------------------------------------------------------------- */

bool osp_next_number(osp_str *s, uint64_t *out)
{
    while (s->n && (*s->p == ' ' || *s->p == '\t'))
        *s = osp_str_skip(*s, 1);
    size_t n = 0;
    while (n < s->n && osp_is_digit(s->p[n]))
        n++;
    if (!osp_str_u64(osp_str_head(*s, n), 10, out))
        return false;
    *s = osp_str_skip(*s, n);
    return true;
}

/* "PID (NAME) STATE PPID …": the name may hold blanks and parentheses, so it ends at the last one. Fields are counted
 * as in proc(5): state is 3, flags 9, utime 14, stime 15, num_threads 20, starttime 22, rss 24. */
bool osp_stat_parse(osp_str text, osp_stat_line *out)
{
    *out = (osp_stat_line){0};
    size_t open = osp_str_find(text, S("("));
    size_t close = osp_str_rfind(text, ')');
    if (open == text.n || close == text.n || close < open)
        return false;
    out->name = (osp_str){text.p + open + 1, close - open - 1};
    osp_str rest = osp_str_trim(osp_str_skip(text, close + 1));
    if (rest.n == 0)
        return false;
    int last = 0;
    for (int field = 3; rest.n && field <= 24; field++) {
        osp_str word = osp_str_cut(&rest, ' ');
        uint64_t v = 0;
        bool number = osp_str_u64(word, 10, &v);
        switch (field) {
        case 3:
            out->state = word.n ? word.p[0] : '?';
            number = true;
            break;
        case 4:
            out->parent = (int)v;
            break;
        case 9:
            out->flags = v;
            break;
        case 14:
            out->user_ticks = v;
            break;
        case 15:
            out->system_ticks = v;
            break;
        case 20:
            out->nthreads = v;
            break;
        case 22:
            out->start_ticks = v;
            break;
        case 24:
            out->rss_pages = number ? v : 0; /* negative for a moment while it ends */
            return true;
        default:
            number = true; /* some of the others may be negative */
        }
        if (!number)
            return false;
        last = field;
    }
    return last >= 22;
}

osp_str osp_status_field(osp_str text, osp_str name)
{
    while (text.n) {
        osp_str line = osp_str_cut(&text, '\n');
        if (osp_str_starts(line, name) && line.n > name.n && line.p[name.n] == ':')
            return osp_str_trim(osp_str_skip(line, name.n + 1));
    }
    return S("");
}

int osp_innermost_pid(osp_str list, int pid)
{
    uint64_t v;
    while (osp_next_number(&list, &v))
        pid = (int)v;
    return pid;
}

int osp_sysctl(const char *path)
{
    char buf[32];
    osp_str text;
    osp_err ignored; /* absent is an answer */
    uint64_t v;
    if (!osp_read_small(path, buf, sizeof buf, &text, &ignored))
        return -1;
    text = osp_str_trim(text);
    bool negative = osp_str_starts(text, S("-"));
    if (!osp_str_u64(osp_str_skip(text, negative), 10, &v) || v > 1000)
        return -1;
    return negative ? -(int)v : (int)v;
}

bool osp_have_capability(unsigned bit)
{
    char buf[4096];
    osp_str text;
    osp_err ignored; /* without /proc there is nothing to be had anyway */
    uint64_t mask;
    return osp_read_small("/proc/self/status", buf, sizeof buf, &text, &ignored) &&
           osp_str_u64(osp_status_field(text, S("CapEff")), 16, &mask) && (mask >> bit & 1);
}

/* By VmHWM: the kernel's ru_maxrss counts the shell that started us too. */
uint64_t osp_own_peak_bytes(void)
{
    char buf[4096];
    osp_str text;
    osp_err ignored; /* absent is unknown */
    if (!osp_read_small("/proc/self/status", buf, sizeof buf, &text, &ignored))
        return 0;
    return osp_status_bytes(text, S("VmHWM"));
}

/* ---- errors ------------------------------------------------------------------------------------------------- */

/* Name of a user from /etc/passwd, or "uid 1007". Not through NSS: that would load code for a message. */
static const char *user_name(uint32_t uid, char *out, size_t size)
{
    snprintf(out, size, "uid %u", uid);
    FILE *f = fopen("/etc/passwd", "re");
    if (!f)
        return out;
    for (struct passwd *row; (row = fgetpwent(f));)
        if (row->pw_uid == uid) {
            snprintf(out, size, "`%s`", row->pw_name);
            break;
        }
    fclose(f);
    return out;
}

bool osp_gone(const osp_process *p, osp_err *err)
{
    return osp_fail(err, OSP_EABSENT, "pid %d (`%s`) has exited", p->pid, p->name);
}

bool osp_refused(const osp_process *p, int e, const char *what, osp_err *err)
{
    static const char cure[] = "run as root (sudo), or once: sudo setcap "
                               "cap_sys_ptrace,cap_perfmon,cap_bpf+ep $(command -v osprey)";
    if (e == ESRCH || e == ENOENT)
        return osp_gone(p, err);
    if (e != EPERM && e != EACCES)
        return osp_fail_errno(err, e, "cannot read %s of pid %d (`%s`)", what, p->pid, p->name);
    char owner[48];
    user_name(p->uid, owner, sizeof owner);
    int yama = osp_sysctl("/proc/sys/kernel/yama/ptrace_scope");
    bool capable = osp_have_capability(CAP_SYS_PTRACE);
    if (yama == 3)
        return osp_fail(err, OSP_EPERM,
                        "cannot read %s of pid %d: kernel.yama.ptrace_scope is 3, which forbids it to everyone until "
                        "the next boot; set it to 2 or less in /etc/sysctl.d and boot",
                        what, p->pid);
    if (capable)
        return osp_fail(err, OSP_EPERM,
                        "cannot read %s of pid %d: it belongs to %s in another user namespace or is guarded by the "
                        "kernel; run osprey as root of the host, outside the container",
                        what, p->pid, owner);
    if (p->uid != geteuid())
        return osp_fail(err, OSP_EPERM, "cannot read %s of pid %d: it belongs to %s; %s", what, p->pid, owner, cure);
    if (yama > 0)
        return osp_fail(err, OSP_EPERM, "cannot read %s of pid %d: kernel.yama.ptrace_scope is %d; %s", what, p->pid,
                        yama, cure);
    return osp_fail(err, OSP_EPERM,
                    "cannot read %s of pid %d: it is yours, but it was started with privileges (setuid or "
                    "capabilities); %s",
                    what, p->pid, cure);
}

/* ---- open and close ----------------------------------------------------------------------------------------- */

bool osp_proc_read(const osp_process *p, const char *name, osp_buf *b, osp_err *err)
{
    char path[80];
    snprintf(path, sizeof path, "/proc/%d/%s", p->pid, name);
    OSP_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return osp_refused(p, errno, name, err);
    if (!osp_read_fd(fd, b, path, err))
        return err->code == OSP_EABSENT ? osp_gone(p, err) : false; /* read gives ESRCH once it is gone */
    return true;
}

static bool stat_of(int pid, char *buf, size_t size, osp_stat_line *out, osp_err *err)
{
    char path[64];
    osp_str text;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (!osp_read_small(path, buf, size, &text, err))
        return false;
    return osp_stat_parse(text, out) || osp_fail(err, OSP_EFORMAT, "%s: not the text we know", path);
}

/* ELF class of /proc/PID/exe: 1 = 32 bits, 2 = 64 bits, 0 = cannot be read. */
static int elf_class(int pid)
{
    char path[64];
    unsigned char ident[5] = {0};
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    OSP_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || pread(fd, ident, sizeof ident, 0) != (ssize_t)sizeof ident)
        return 0;
    return memcmp(ident, "\177ELF", 4) == 0 ? ident[4] : 0;
}

/* All that makes a pid one we cannot work on. */
static bool fit_to_read(osp_process *p, osp_err *err)
{
    char buf[1024], path[64];
    osp_str text;
    osp_stat_line st;
    if (!stat_of(p->pid, buf, sizeof buf, &st, err)) {
        if (err->code != OSP_EABSENT)
            return osp_fail_in(err, "cannot read pid %d", p->pid);
        if (access("/proc/self/stat", R_OK) != 0)
            return osp_fail(err, OSP_EABSENT,
                            "cannot read pid %d: there is no /proc here; mount it: mount -t proc proc /proc", p->pid);
        if (kill(p->pid, 0) == 0 || errno == EPERM)
            return osp_fail(err, OSP_EPERM,
                            "cannot read pid %d: it runs, but /proc hides it (hidepid); run as root (sudo)", p->pid);
        return osp_fail(err, OSP_EABSENT, "cannot read pid %d: no such process; `ps -e` lists those that run",
                        p->pid);
    }
    osp_str_z(st.name, p->name, sizeof p->name);
    p->start_ticks = st.start_ticks;
    if (osp_is_kernel_thread(&st))
        return osp_fail(err, OSP_EABSENT,
                        "cannot read pid %d: `%s` is a thread of the kernel and has no memory of its own; give the "
                        "pid of a program",
                        p->pid, p->name);

    char status[4096];
    snprintf(path, sizeof path, "/proc/%d/status", p->pid);
    if (!osp_read_small(path, status, sizeof status, &text, err))
        return err->code == OSP_EABSENT ? osp_gone(p, err) : osp_fail_in(err, "cannot read pid %d", p->pid);
    uint64_t real, effective, tgid;
    osp_str uids = osp_status_field(text, S("Uid"));
    if (!osp_next_number(&uids, &real) || !osp_next_number(&uids, &effective) ||
        !osp_str_u64(osp_status_field(text, S("Tgid")), 10, &tgid))
        return osp_fail(err, OSP_EFORMAT, "%s: not the text we know", path);
    p->uid = (uint32_t)effective;
    if (tgid != (uint64_t)p->pid)
        return osp_fail(err, OSP_EUSAGE, "cannot read pid %d: it is a thread (`%s`) of process %d; give that number",
                        p->pid, p->name, (int)tgid);
    if (!osp_process_alive(p))
        return osp_fail(err, OSP_EABSENT,
                        "cannot read pid %d: `%s` has exited and only waits for its parent (pid %d) to notice; "
                        "nothing is left to look at",
                        p->pid, p->name, st.parent);

    if (st.state == 'Z')
        return osp_fail(
            err, OSP_EUSAGE,
            "cannot read pid %d: the main thread of `%s` has ended while others run on, and the kernel shows "
            "nothing of such a process under that number",
            p->pid, p->name);

    snprintf(path, sizeof path, "/proc/%d/maps", p->pid);
    OSP_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return osp_refused(p, errno, "memory", err);
    if (elf_class(p->pid) == 1)
        return osp_fail(err, OSP_ELIMIT,
                        "cannot read pid %d: `%s` is a 32-bit program and osprey knows 64-bit ones only; use perf",
                        p->pid, p->name);
    return true;
}

osp_process *osp_process_open(int pid, osp_err *err)
{
    if (pid <= 0) {
        osp_fail(err, OSP_EUSAGE, "%d is no process: give a pid as `ps -e` shows it", pid);
        return NULL;
    }
    osp_process *p = calloc(1, sizeof *p);
    if (!p) {
        osp_fail_memory(err, "opening a process");
        return NULL;
    }
    p->pid = pid;
    p->memfd = -1;
    p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (!fit_to_read(p, err)) {
        osp_process_close(p);
        return NULL;
    }
    return p;
}

void osp_process_close(osp_process *p)
{
    if (!p)
        return;
    osp_close_fd(&p->pidfd);
    osp_close_fd(&p->memfd);
    free(p);
}

int osp_process_pid(const osp_process *p) { return p->pid; }

int osp_process_poll(const osp_process *p) { return p->pidfd; }

bool osp_process_alive(const osp_process *p)
{
    if (p->pidfd >= 0) {
        struct pollfd one = {.fd = p->pidfd, .events = POLLIN};
        return poll(&one, 1, 0) == 0; /* readable once all its threads have ended */
    }
    char buf[1024];
    osp_stat_line st;
    osp_err err;
    if (!stat_of(p->pid, buf, sizeof buf, &st, &err))
        return err.code != OSP_EABSENT; /* that we may open no more files says nothing about it */
    return st.start_ticks == p->start_ticks && (st.state != 'Z' || st.nthreads > 1) && st.state != 'X';
}

bool osp_process_ended(int pid)
{
    char buf[1024];
    osp_stat_line st;
    osp_err err;
    if (!stat_of(pid, buf, sizeof buf, &st, &err))
        return err.code == OSP_EABSENT;
    return (st.state == 'Z' && st.nthreads <= 1) || st.state == 'X';
}

/* ---- memory ------------------------------------------------------------------------------------------------- */

static bool unmapped(const osp_process *p, uint64_t addr, size_t n, osp_err *err)
{
    return osp_fail(err, OSP_EABSENT, "pid %d has no readable memory at 0x%llx (%zu bytes wanted)", p->pid,
                    (unsigned long long)addr, n);
}

/* Through /proc/PID/mem: process_vm_readv may be missing or forbidden by a seccomp filter where this is not. */
static bool read_by_file(osp_process *p, uint64_t addr, char *dst, size_t n, osp_err *err)
{
    if (p->memfd < 0) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/mem", p->pid);
        p->memfd = open(path, O_RDONLY | O_CLOEXEC);
        if (p->memfd < 0)
            return osp_refused(p, errno, "memory", err);
    }
    for (size_t at = 0; at < n;) {
        ssize_t got = pread(p->memfd, dst + at, n - at, (off_t)(addr + at));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return osp_process_alive(p) ? unmapped(p, addr + at, n - at, err) : osp_gone(p, err);
        at += (size_t)got;
    }
    return true;
}

static bool process_read(void *ctx, uint64_t addr, void *dst, size_t n, osp_err *err)
{
    osp_process *p = ctx;
    if (n == 0)
        return true;
    if (addr > UINT64_MAX - n || addr >> 63)
        return unmapped(p, addr, n, err);
    if (p->memfd < 0) {
        for (size_t at = 0; at < n;) {
            struct iovec to = {(char *)dst + at, n - at};
            struct iovec from = {(void *)(uintptr_t)(addr + at), n - at};
            ssize_t got = process_vm_readv(p->pid, &to, 1, &from, 1, 0);
            if (got > 0) {
                at += (size_t)got;
                continue;
            }
            if (got < 0 && (errno == EPERM || errno == ENOSYS))
                return read_by_file(p, addr, dst, n, err);
            if (got < 0 && errno == ESRCH)
                return osp_gone(p, err);
            if (got < 0 && errno == ENOMEM)
                return osp_fail_memory(err, "reading another process");
            return osp_process_alive(p) ? unmapped(p, addr + at, n - at, err) : osp_gone(p, err);
        }
    } else if (!read_by_file(p, addr, dst, n, err)) {
        return false;
    }
    return osp_process_alive(p) || osp_gone(p, err); /* what was read may be of a later process of this pid */
}

size_t osp_mem_read_many(const osp_mem *m, const osp_piece *piece, size_t n, osp_err *err)
{
    if (m->read_many)
        return m->read_many(m->ctx, piece, n, err);
    size_t i = 0;
    while (i < n && m->read(m->ctx, piece[i].addr, piece[i].dst, piece[i].n, err))
        i++;
    return i;
}

void osp_mem_read_each(const osp_mem *m, const osp_piece *piece, size_t n, bool *ok)
{
    osp_err ignored; /* what cannot be read has gone */
    for (size_t at = 0; at < n;) {
        size_t got = osp_mem_read_many(m, piece + at, n - at, &ignored);
        for (size_t i = 0; i < got; i++)
            ok[at + i] = true;
        at += got;
        if (at < n)
            ok[at++] = false;
    }
}

enum { AT_ONCE = 64 };

/* One call for up to AT_ONCE pieces. What was read whole is counted; what the kernel could not read is looked at by
 * read, which knows why. */
static size_t read_some(osp_process *p, const osp_piece *piece, size_t n, osp_err *err)
{
    struct iovec to[AT_ONCE], from[AT_ONCE];
    for (size_t i = 0; i < n; i++) {
        to[i] = (struct iovec){piece[i].dst, piece[i].n};
        from[i] = (struct iovec){(void *)(uintptr_t)piece[i].addr, piece[i].n};
    }
    ssize_t got = process_vm_readv(p->pid, to, n, from, n, 0);
    size_t whole = 0;
    for (size_t left = got > 0 ? (size_t)got : 0; whole < n && left >= piece[whole].n; whole++)
        left -= piece[whole].n;
    if (whole < n && process_read(p, piece[whole].addr, piece[whole].dst, piece[whole].n, err))
        whole++;
    return whole;
}

static size_t process_read_many(void *ctx, const osp_piece *piece, size_t n, osp_err *err)
{
    osp_process *p = ctx;
    size_t done = 0;
    while (done < n) {
        size_t want = n - done < AT_ONCE ? n - done : AT_ONCE;
        size_t got = read_some(p, piece + done, want, err);
        if (got == 0)
            break;
        done += got;
    }
    return done;
}

osp_mem osp_process_mem(osp_process *p)
{
    return (osp_mem){.ctx = p, .read = process_read, .read_many = process_read_many};
}

/* ---- facts -------------------------------------------------------------------------------------------------- */

static osp_str deleted_cut(osp_str path)
{
    osp_str tail = S(" (deleted)");
    return osp_str_ends(path, tail) ? osp_str_head(path, path.n - tail.n) : path;
}

bool osp_process_info_read(osp_process *p, osp_arena *a, osp_process_info *out, osp_err *err)
{
    *out = (osp_process_info){0};
    char buf[1024], path[64];
    osp_stat_line st;
    if (!osp_process_alive(p))
        return osp_gone(p, err);
    if (!stat_of(p->pid, buf, sizeof buf, &st, err))
        return err->code == OSP_EABSENT ? osp_gone(p, err) : osp_fail_in(err, "cannot read pid %d", p->pid);
    out->name = osp_arena_str(a, st.name);
    out->state = st.state;
    out->nthreads = (uint32_t)st.nthreads;
    uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
    out->start_ns = (uint64_t)((__uint128_t)st.start_ticks * 1000000000u / (hz ? hz : 100));

    char status[4096];
    osp_str text;
    snprintf(path, sizeof path, "/proc/%d/status", p->pid);
    if (!osp_read_small(path, status, sizeof status, &text, err))
        return err->code == OSP_EABSENT ? osp_gone(p, err) : osp_fail_in(err, "cannot read pid %d", p->pid);
    osp_str uids = osp_status_field(text, S("Uid"));
    uint64_t real = 0, effective = 0;
    if (osp_next_number(&uids, &real) && osp_next_number(&uids, &effective))
        p->uid = (uint32_t)effective;
    out->uid = p->uid;
    out->rss_bytes = osp_status_bytes(text, S("VmRSS"));
    out->ns_pid = osp_innermost_pid(osp_status_field(text, S("NSpid")), p->pid);
    out->is_32bit = elf_class(p->pid) == 1;

    char exe[4096];
    snprintf(path, sizeof path, "/proc/%d/exe", p->pid);
    ssize_t n = readlink(path, exe, sizeof exe);
    if (n < 0)
        return osp_refused(p, errno, "program file", err);
    out->exe = osp_arena_str(a, deleted_cut((osp_str){exe, (size_t)n}));

    osp_buf words =
        osp_buf_of(4u << 20); /* the kernel's limit for arguments is 6 MB in all; more than enough to show */
    if (!osp_proc_read(p, "cmdline", &words, err) && err->code != OSP_ELIMIT) {
        osp_buf_drop(&words);
        return false;
    }
    for (size_t i = 0; i < words.n; i++)
        if (words.p[i] == 0)
            words.p[i] = ' ';
    out->cmdline = osp_arena_str(a, osp_str_trim(osp_buf_str(&words)));
    osp_buf_drop(&words);
    if (!out->name.p || !out->exe.p || !out->cmdline.p)
        return osp_fail_memory(err, "reading facts of a process");
    return osp_process_alive(p) || osp_gone(p, err);
}
