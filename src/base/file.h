/* SPDX-License-Identifier: Apache-2.0 */
/* base/file.h: whole files in, whole files out. A file is mapped to read it; it is written to a temporary beside it
 * and renamed, so a full disk or a crash leaves the old one or none, never half of one. */
#ifndef OSP_BASE_FILE_H
#define OSP_BASE_FILE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

/* Bytes of a file: mapped where that is possible, else read (a pipe, a file under /proc). */
typedef struct {
    osp_span bytes;
    bool mapped;
} osp_file;

/* Map or read the whole file. Files larger than limit bytes are refused. */
bool osp_file_open(const char *path, size_t limit, osp_file *out, osp_err *err) OSP_CHECKED;

/* The same from an open descriptor, which stays open and stays the caller's. name is for messages. */
bool osp_file_open_fd(int fd, const char *name, size_t limit, osp_file *out, osp_err *err) OSP_CHECKED;
void osp_file_close(osp_file *f);

/* Its bytes will hardly be read for a while: what was read of a mapped file counts as our memory no longer. */
void osp_file_rest(const osp_file *f);

/* What a user names to be read: a file, a pipe, or "-" for standard input. Devices, terminals and pipes that begin with
 * 64 KiB of zeros are refused. Messages are the peer's: "open x: permission denied". */
bool osp_file_open_input(const char *name, size_t limit, osp_file *out, osp_err *err) OSP_CHECKED;

/* Append what a descriptor yields until its end to b (b->max bounds it). */
bool osp_read_fd(int fd, osp_buf *b, const char *name, osp_err *err) OSP_CHECKED;

/* Read a small text file (under /proc or /sys) into out[size], NUL-terminated and cut if longer. The text without
 * the NUL; false if it cannot be read. */
bool osp_read_small(const char *path, char *out, size_t size, osp_str *text, osp_err *err) OSP_CHECKED;

/* Write bytes to path by a temporary file and rename; a symbolic link stays, the file behind it is replaced. What is not
 * a regular file (a pipe, a terminal), and what is open already (/dev/stdout, /dev/fd/3), is written to directly, at its
 * end. */
bool osp_file_write(const char *path, osp_str bytes, osp_err *err) OSP_CHECKED;

/* Write all bytes to fd, through short writes and interrupts. */
bool osp_write_fd(int fd, osp_str bytes, const char *name, osp_err *err) OSP_CHECKED;

/* Close *fd if it is open; for __attribute__((cleanup)). */
void osp_close_fd(int *fd);
#define OSP_AUTO_CLOSE __attribute__((cleanup(osp_close_fd)))

/* A regular file, open for reading; -1 and errno, EISDIR or EINVAL where it is something else. For names that a stranger's
 * profile holds: to open a device can do something, to open a pipe can wait for ever. */
int osp_open_regular(const char *path);

/* Create the first of STEM001ENDING, STEM002ENDING, … that is not there yet, for writing; path[size] gets its name. -1 and
 * errno if it cannot be: EEXIST if there are 9,999 of them, ENOENT for an empty stem. */
int osp_create_numbered(osp_str stem, const char *ending, char *path, size_t size);

#endif
