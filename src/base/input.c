/* SPDX-License-Identifier: Apache-2.0 */
/* What a user names to be read: a file, or a pipe, of which nobody knows how long it will be. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_LOOK = 1 << 16 }; /* bytes of a pipe: if they are all zero, more will not help */

static bool only_zeros(const osp_buf *b)
{
    return b->n >= FIRST_LOOK && b->p[0] == 0 && memcmp(b->p, b->p + 1, b->n - 1) == 0;
}

/* A pipe, to its end. */
static bool read_stream(int fd, const char *name, size_t limit, osp_file *out, osp_err *err)
{
    osp_buf b = osp_buf_of(limit);
    ssize_t n = 1;
    while (n != 0 && b.n < FIRST_LOOK) {
        char *at = osp_buf_room(&b, FIRST_LOOK);
        n = at ? read(fd, at, FIRST_LOOK - b.n) : 0;
        if (n < 0 && errno != EINTR) {
            osp_fail_errno(err, errno, "read %s", name);
            osp_buf_drop(&b);
            return false;
        }
        b.n += n > 0 ? (size_t)n : 0;
    }
    bool ok = !b.failed || osp_fail_memory(err, "reading a pipe");
    ok = ok && (!only_zeros(&b) || osp_fail(err, OSP_EFORMAT, "%s begins with 64 KiB of zeros", name));
    if (ok && (n == 0 || osp_read_fd(fd, &b, name, err))) {
        *out = (osp_file){{(const uint8_t *)b.p, b.n}, false};
        return true;
    }
    osp_buf_drop(&b);
    return false;
}

bool osp_file_open_input(const char *name, size_t limit, osp_file *out, osp_err *err)
{
    bool is_stdin = strcmp(name, "-") == 0;
    OSP_AUTO_CLOSE int opened = is_stdin ? -1 : open(name, O_RDONLY | O_CLOEXEC);
    int fd = is_stdin ? STDIN_FILENO : opened;
    struct stat st;
    char why[64];
    *out = (osp_file){0};
    if (fd < 0 || fstat(fd, &st) != 0) {
        int e = errno;
        osp_fail_errno(err, e, "%s", name); /* for its code */
        return osp_fail(err, err->code, "open %s: %s", name, osp_errno_text(e, why, sizeof why));
    }
    if (S_ISDIR(st.st_mode))
        return osp_fail(err, OSP_EUSAGE, "read %s: is a directory", name);
    if (isatty(fd))
        return osp_fail(err, OSP_EUSAGE, "%s is a terminal: pipe a profile into it, or name a file", name);
    if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
        return osp_fail(err, OSP_EUSAGE, "%s is a device, not a profile", name);
    if (S_ISREG(st.st_mode) && st.st_size > 0 && lseek(fd, 0, SEEK_CUR) == 0)
        return osp_file_open_fd(fd, name, limit, out, err);
    return read_stream(fd, name, limit, out, err);
}
