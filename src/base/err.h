/* SPDX-License-Identifier: Apache-2.0 */
/* base/err.h: an error is a sentence. The code is for the program, the message is for the person.
 *
 * Fallible functions return bool (or a pointer), take `osp_err *err` last, and touch it only on failure.
 * err is never NULL. Each layer adds its context on the way up:
 *
 *     if (!osp_pprof_decode(bytes, &p, err))
 *         return osp_fail_in(err, "%s", path);        // "cpu.pb.gz: Sample+0x6: 4 bytes wanted, 1 left"
 */
#ifndef OSP_BASE_ERR_H
#define OSP_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

typedef enum {
    OSP_OK,
    OSP_EABSENT, /* nothing there (no debug info, no such goroutine): try another way */
    OSP_EFORMAT, /* input is malformed */
    OSP_ELIMIT,  /* a limit of ours was hit: size, depth, time, memory */
    OSP_EPERM,   /* the kernel said no: the message names the capability or sysctl */
    OSP_EIO,     /* reading or writing failed */
    OSP_EUSAGE,  /* the caller's words are wrong */
    OSP_EBUG,    /* our own mistake, where an assert would be unkind */
} osp_code;

typedef struct {
    osp_code code;
    char msg[232]; /* one line, no trailing dot or newline; cut if longer */
} osp_err;

#define OSP_CHECKED __attribute__((warn_unused_result))
#define OSP_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Set *err. Always false, so that `return osp_fail(...)` reads well. */
bool osp_fail(osp_err *err, osp_code code, const char *fmt, ...) OSP_PRINTF(3, 4);

/* Put "context: " before the message that is there. Always false. The code stays. */
bool osp_fail_in(osp_err *err, const char *fmt, ...) OSP_PRINTF(2, 3);

/* Set *err from errno e after a failed call: "fmt: No such file or directory". Permission errors get OSP_EPERM,
 * ENOENT and ESRCH OSP_EABSENT, ENOMEM and EMFILE OSP_ELIMIT, all else OSP_EIO. Always false. */
bool osp_fail_errno(osp_err *err, int e, const char *fmt, ...) OSP_PRINTF(3, 4);

/* What errno means, as Go says it: "no such file or directory". Returns text. */
const char *osp_errno_text(int e, char *text, size_t size);

/* "out of memory while WHAT". Always false. */
bool osp_fail_memory(osp_err *err, const char *what);

#endif
