/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of former sessions of pprof's shell: $XDG_STATE_HOME/osprey/pprof_history, else below ~/.local/state; a line each, the
 * newest last. Several shells add to it at the same time, so lines are appended as they are typed. It is a convenience: where it
 * cannot be kept, nothing is said. */
#include "base/file.h"
#include "cli/pprof_cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_BYTES = 1 << 18 }; /* a file that grew beyond it is cut to the newer half of it */

/* Is the directory there, or made now, and ours? Under sudo a home may be another's, whose shell could not write to what we
 * make there. */
static bool is_ours(const char *path, bool make)
{
    struct stat st;
    if (make && mkdir(path, 0700) != 0 && errno != EEXIST)
        return false;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

/* The file's name; the directories above it are there then. A home is never made. */
static bool path_of(char *path, size_t size)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    const bool chosen = state && *state == '/';
    const char *top = chosen ? state : home;
    if (!top || *top != '/' || !is_ours(top, chosen))
        return false;
    int n = snprintf(path, size, "%s%s/osprey/pprof_history", top, chosen ? "" : "/.local/state");
    if (n < 0 || (size_t)n >= size)
        return false;
    for (char *p = path + strlen(top) + 1; (p = strchr(p, '/')); p++) {
        *p = 0;
        const bool there = is_ours(path, true);
        *p = '/';
        if (!there)
            return false;
    }
    return true;
}

static void cut(int fd, osp_buf *lines)
{
    osp_err ignored;
    const char *newer = memchr(lines->p + lines->n - MOST_BYTES / 2, '\n', MOST_BYTES / 2);
    const size_t from = newer ? (size_t)(newer + 1 - lines->p) : lines->n;
    memmove(lines->p, lines->p + from, lines->n - from);
    lines->n -= from;
    const bool done = ftruncate(fd, 0) == 0 && osp_write_fd(fd, osp_buf_str(lines), "", &ignored);
    (void)done;
}

int osp_pprof_history_open(osp_buf *lines)
{
    char path[PATH_MAX];
    struct stat st;
    osp_err ignored;
    if (!path_of(path, sizeof path))
        return -1;
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !osp_read_fd(fd, lines, path, &ignored)) {
        close(fd);
        return -1;
    }
    if (lines->n > MOST_BYTES)
        cut(fd, lines);
    return fd;
}

void osp_pprof_history_add(int fd, osp_str line)
{
    osp_err ignored;
    osp_buf whole = osp_buf_of(1 << 20);
    osp_buf_add(&whole, line);
    osp_buf_byte(&whole, '\n');
    /* in one write, so that two shells do not mix */
    const bool done = fd >= 0 && !whole.failed && osp_write_fd(fd, osp_buf_str(&whole), "", &ignored);
    (void)done;
    osp_buf_drop(&whole);
}
