/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void osp_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

bool osp_read_fd(int fd, osp_buf *b, const char *name, osp_err *err)
{
    for (;;) {
        size_t step = b->max - b->n < 65536 ? b->max - b->n : 65536;
        if (step == 0) {
            char one;
            ssize_t more = read(fd, &one, 1);
            return more == 0 || osp_fail(err, OSP_ELIMIT, "%s: larger than the limit of %zu bytes", name, b->max);
        }
        char *at = osp_buf_room(b, step);
        if (!at)
            return osp_fail(err, OSP_ELIMIT, "%s: out of memory after %zu bytes", name, b->n);
        ssize_t n = read(fd, at, step);
        if (n == 0)
            return true;
        if (n < 0 && errno != EINTR)
            return osp_fail_errno(err, errno, "%s", name);
        if (n > 0)
            b->n += (size_t)n;
    }
}

bool osp_file_open_fd(int fd, const char *name, size_t limit, osp_file *out, osp_err *err)
{
    struct stat st;
    *out = (osp_file){0};
    if (fstat(fd, &st) != 0)
        return osp_fail_errno(err, errno, "%s", name);
    if (S_ISDIR(st.st_mode))
        return osp_fail(err, OSP_EUSAGE, "%s: is a directory", name);
    if (S_ISREG(st.st_mode) && st.st_size > 0) {
        if ((uint64_t)st.st_size > limit)
            return osp_fail(err, OSP_ELIMIT, "%s: %lld bytes, larger than the limit of %zu", name,
                            (long long)st.st_size, limit);
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p != MAP_FAILED) {
            *out = (osp_file){{p, (size_t)st.st_size}, true};
            return true;
        }
    }
    osp_buf b = osp_buf_of(limit);
    if (!osp_read_fd(fd, &b, name, err)) {
        osp_buf_drop(&b);
        return false;
    }
    *out = (osp_file){{(const uint8_t *)b.p, b.n}, false};
    return true;
}

bool osp_file_open(const char *path, size_t limit, osp_file *out, osp_err *err)
{
    OSP_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return osp_fail_errno(err, errno, "%s", path);
    return osp_file_open_fd(fd, path, limit, out, err);
}

void osp_file_close(osp_file *f)
{
    if (f->mapped)
        munmap((void *)(uintptr_t)f->bytes.p, f->bytes.n);
    else
        free((void *)(uintptr_t)f->bytes.p);
    *f = (osp_file){0};
}

void osp_file_rest(const osp_file *f)
{
    if (f->mapped) /* read-only: nothing of ours is lost, and the kernel keeps the pages while it has room */
        madvise((void *)(uintptr_t)f->bytes.p, f->bytes.n, MADV_DONTNEED);
}

bool osp_read_small(const char *path, char *out, size_t size, osp_str *text, osp_err *err)
{
    OSP_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return osp_fail_errno(err, errno, "%s", path);
    size_t n = 0;
    while (n < size - 1) {
        ssize_t got = read(fd, out + n, size - 1 - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return osp_fail_errno(err, errno, "%s", path);
        if (got == 0)
            break;
        n += (size_t)got;
    }
    out[n] = 0;
    *text = (osp_str){out, n};
    return true;
}

bool osp_write_fd(int fd, osp_str bytes, const char *name, osp_err *err)
{
    while (bytes.n) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno != EINTR)
            return osp_fail_errno(err, errno, "writing %s", name);
        if (n > 0)
            bytes = osp_str_skip(bytes, (size_t)n);
    }
    return true;
}

/* Names that lead to what a process has open already. That may be a regular file, and still must not be replaced. */
static bool is_open_already(const char *path)
{
    return strcmp(path, "/dev/stdout") == 0 || strcmp(path, "/dev/stderr") == 0 ||
           strncmp(path, "/dev/fd/", 8) == 0 || strncmp(path, "/proc/", 6) == 0;
}

static bool replace(const char *path, osp_str bytes, osp_err *err)
{
    char tmp[PATH_MAX];
    if ((size_t)snprintf(tmp, sizeof tmp, "%s.%ld.tmp", path, (long)getpid()) >= sizeof tmp)
        return osp_fail(err, OSP_EUSAGE, "%s: path is too long", path);
    OSP_AUTO_CLOSE int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return osp_fail_errno(err, errno, "%s", path);
    if (!osp_write_fd(fd, bytes, path, err)) {
        unlink(tmp);
        return false;
    }
    if (close(fd) != 0 || (fd = -1, rename(tmp, path)) != 0) {
        int e = errno;
        fd = -1;
        unlink(tmp);
        return osp_fail_errno(err, e, "writing %s", path);
    }
    return true;
}

bool osp_file_write(const char *path, osp_str bytes, osp_err *err)
{
    struct stat st;
    if (is_open_already(path) || (stat(path, &st) == 0 && !S_ISREG(st.st_mode))) {
        OSP_AUTO_CLOSE int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
        if (fd < 0)
            return osp_fail_errno(err, errno, "%s", path);
        return osp_write_fd(fd, bytes, path, err);
    }
    char *behind = lstat(path, &st) == 0 && S_ISLNK(st.st_mode) ? realpath(path, NULL) : NULL;
    bool ok = replace(behind ? behind : path, bytes, err);
    free(behind);
    return ok;
}

int osp_open_regular(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return -1;
    if (!S_ISREG(st.st_mode)) {
        errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
        return -1;
    }
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

int osp_create_numbered(osp_str stem, const char *ending, char *path, size_t size)
{
    *path = 0;
    errno = ENOENT;
    for (int i = 1; stem.n && i < 10000; i++) {
        int n = snprintf(path, size, "%.*s%03d%s", STRF(stem), i, ending);
        if (n < 0 || (size_t)n >= size) {
            errno = ENAMETOOLONG;
            return -1;
        }
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}
