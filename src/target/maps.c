/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/maps, one mapping a line (proc(5)):
 *
 *     559524175000-559524179000 r-xp 00004000 fe:00 1835026      /usr/bin/cat (deleted)
 *     start        end          perm offset   dev   inode        path; a line end in it is written \012
 *
 * Numbers are hexadecimal but for the inode. Anonymous memory has no path; the kernel's own regions are named in
 * brackets. */
#include "target/target_internal.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum {
    MAPS_MAX_BYTES = 256 << 20,
    EXEC_WAITS = 100, /* of 2 ms */
};

/* Put line ends back into a path where the kernel wrote \012. */
static osp_str unescaped(osp_str path, osp_arena *a)
{
    osp_str code = S("\\012");
    if (!osp_str_has(path, code))
        return path;
    char *out = osp_new(a, char, path.n);
    size_t n = 0;
    if (!out)
        return (osp_str){0};
    while (path.n) {
        bool hit = osp_str_starts(path, code);
        out[n++] = hit ? '\n' : path.p[0];
        path = osp_str_skip(path, hit ? code.n : 1);
    }
    return (osp_str){out, n};
}

bool osp_map_parse(osp_str line, osp_arena *a, osp_map *m)
{
    uint64_t major_no, minor_no;
    if (!osp_str_u64(osp_str_cut(&line, '-'), 16, &m->start) || !osp_str_u64(osp_str_cut(&line, ' '), 16, &m->end) ||
        m->end <= m->start)
        return false;
    osp_str perms = osp_str_cut(&line, ' ');
    if (perms.n != 4)
        return false;
    m->read = perms.p[0] == 'r';
    m->write = perms.p[1] == 'w';
    m->exec = perms.p[2] == 'x';
    if (!osp_str_u64(osp_str_cut(&line, ' '), 16, &m->offset) ||
        !osp_str_u64(osp_str_cut(&line, ':'), 16, &major_no) ||
        !osp_str_u64(osp_str_cut(&line, ' '), 16, &minor_no) || major_no > UINT32_MAX || minor_no > UINT32_MAX ||
        !osp_str_u64(osp_str_cut(&line, ' '), 10, &m->inode))
        return false;
    m->dev = makedev((unsigned)major_no, (unsigned)minor_no);
    while (line.n && line.p[0] == ' ')
        line = osp_str_skip(line, 1);
    osp_str tail = S(" (deleted)");
    m->deleted = m->inode && osp_str_ends(line, tail);
    m->path = unescaped(m->deleted ? osp_str_head(line, line.n - tail.n) : line, a);
    return m->path.p || line.n == 0;
}

bool osp_maps_parse(osp_str text, osp_arena *a, osp_map **out, uint32_t *n, osp_err *err)
{
    size_t lines = 0;
    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    osp_map *m = lines < UINT32_MAX ? osp_new(a, osp_map, lines + 1) : NULL;
    if (!m)
        return osp_fail_memory(err, "reading a memory map");
    uint32_t count = 0;
    while (text.n) {
        osp_str line = osp_str_cut(&text, '\n');
        if (!osp_map_parse(line, a, &m[count]))
            return osp_fail(err, OSP_EFORMAT, "memory map, line %u: not a mapping: %.*s", count + 1,
                            (int)(line.n < 80 ? line.n : 80), line.p);
        if (count && m[count].start < m[count - 1].end)
            return osp_fail(err, OSP_EFORMAT, "memory map, line %u: out of order", count + 1);
        count++;
    }
    *out = m;
    *n = count;
    return true;
}

static bool read_maps(osp_process *p, osp_arena *a, osp_map **out, uint32_t *n, osp_err *err)
{
    osp_buf b = osp_buf_of(MAPS_MAX_BYTES);
    bool ok = osp_proc_read(p, "maps", &b, err);
    osp_str text = ok ? osp_arena_str(a, osp_buf_str(&b)) : (osp_str){0};
    size_t got = b.n;
    osp_buf_drop(&b);
    if (!ok)
        return false;
    if (got == 0 || !osp_process_alive(p)) /* the map of a process that is ending is empty */
        return osp_gone(p, err);
    if (!text.p)
        return osp_fail_memory(err, "reading a memory map");
    return osp_maps_parse(text, a, out, n, err);
}

/* In the midst of exec the old program is unmapped and the new one is not mapped yet: that passes. */
static bool runs_a_file(const osp_map *map, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (map[i].exec && map[i].inode != 0)
            return true;
    return false;
}

bool osp_process_maps(osp_process *p, osp_arena *a, osp_map **out, uint32_t *n, osp_err *err)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    for (int wait = 0; wait < EXEC_WAITS; wait++) {
        if (!read_maps(p, a, out, n, err))
            return false;
        if (runs_a_file(*out, *n))
            break;
        nanosleep(&pause, NULL);
    }
    return true;
}

/* Open path if it is the regular file with this inode. The inode is asked first: opening what a hostile process
 * named could otherwise block on a pipe or wake a device. */
static int open_inode(const char *path, uint64_t inode)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return -1;
    if (!S_ISREG(st.st_mode) || st.st_ino != inode) {
        errno = ESTALE;
        return -1;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_ino != inode)) {
        osp_close_fd(&fd);
        errno = ESTALE;
    }
    return fd;
}

int osp_process_map_fd(osp_process *p, const osp_map *m, osp_err *err)
{
    if (m->inode == 0 || m->path.n == 0 || m->path.p[0] != '/') {
        osp_fail(err, OSP_EABSENT, "no file stands behind 0x%llx of pid %d", (unsigned long long)m->start, p->pid);
        return -1;
    }
    char path[4200], name[4096];
    osp_str_z(m->path, name, sizeof name);
    snprintf(path, sizeof path, "/proc/%d/map_files/%llx-%llx", p->pid, (unsigned long long)m->start,
             (unsigned long long)m->end);
    int fd = open_inode(path, m->inode);
    int first = errno;
    if (fd < 0) { /* map_files needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE; the program's own file does not */
        snprintf(path, sizeof path, "/proc/%d/exe", p->pid);
        fd = open_inode(path, m->inode);
    }
    if (fd < 0) {
        snprintf(path, sizeof path, "/proc/%d/root%s", p->pid, name);
        fd = open_inode(path, m->inode);
    }
    if (fd < 0)
        fd = open_inode(name, m->inode);
    if (fd >= 0)
        return fd;
    int last = errno;
    if (!osp_process_alive(p))
        osp_gone(p, err);
    else if (first == EPERM || first == EACCES)
        osp_fail(
            err, OSP_EPERM,
            "cannot open %.*s%s, mapped by pid %d: %s, and only root may open a file through the mapping; run as "
            "root (sudo)",
            (int)(m->path.n < 80 ? m->path.n : 80), m->path.p, m->deleted ? " (deleted)" : "", p->pid,
            last == ESTALE ? "another file is there now" : "it is not there now or not readable");
    else
        osp_fail_errno(err, first, "cannot open %.*s, mapped by pid %d", (int)(m->path.n < 100 ? m->path.n : 100),
                       m->path.p, p->pid);
    return -1;
}

int osp_mapped_file(int root_of, const osp_map *m, osp_err *err)
{
    char path[4200], name[4096];
    if (m->inode == 0 || m->path.n == 0 || m->path.p[0] != '/') {
        osp_fail(err, OSP_EABSENT, "no file stands behind 0x%llx", (unsigned long long)m->start);
        return -1;
    }
    osp_str_z(m->path, name, sizeof name);
    if (root_of)
        snprintf(path, sizeof path, "/proc/%d/root%s", root_of, name);
    int fd = open_inode(root_of ? path : name, m->inode);
    if (fd < 0)
        osp_fail_errno(err, errno, "cannot open %.*s", (int)(m->path.n < 100 ? m->path.n : 100), m->path.p);
    return fd;
}

int osp_process_exe(int pid, uint64_t *dev, uint64_t *inode)
{
    char path[64];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, &st) != 0)
        osp_close_fd(&fd);
    if (fd < 0)
        return -1;
    *dev = st.st_dev;
    *inode = st.st_ino;
    return fd;
}
