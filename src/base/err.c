/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool osp_fail(osp_err *err, osp_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    err->code = code;
    return false;
}

bool osp_fail_in(osp_err *err, const char *fmt, ...)
{
    char old[sizeof err->msg];
    memcpy(old, err->msg, sizeof old);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof err->msg)
        snprintf(err->msg + n, sizeof err->msg - (size_t)n, ": %s", old);
    return false;
}

static osp_code code_of_errno(int e)
{
    switch (e) {
    case EPERM:
    case EACCES:
        return OSP_EPERM;
    case ENOENT:
    case ESRCH:
        return OSP_EABSENT;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
        return OSP_ELIMIT;
    default:
        return OSP_EIO;
    }
}

bool osp_fail_errno(osp_err *err, int e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof err->msg) {
        char buf[64];
        /* strerrordesc_np is thread-safe and untranslated; NULL for an unknown number. */
        const char *text = strerrordesc_np(e);
        if (!text) {
            snprintf(buf, sizeof buf, "error %d", e);
            text = buf;
        }
        snprintf(err->msg + n, sizeof err->msg - (size_t)n, ": %s", text);
    }
    err->code = code_of_errno(e);
    return false;
}

const char *osp_errno_text(int e, char *text, size_t size)
{
    const char *said = strerrordesc_np(e);
    snprintf(text, size, "%s", said ? said : "unknown error");
    if (text[0] >= 'A' && text[0] <= 'Z' && !(text[1] >= 'A' && text[1] <= 'Z'))
        text[0] |= 0x20;
    return text;
}

bool osp_fail_memory(osp_err *err, const char *what)
{
    const char *said = getenv("OSPREY_MEMORY");
    if (said && *said)
        return osp_fail(err, OSP_ELIMIT, "out of memory while %s: OSPREY_MEMORY=%s is the limit", what, said);
    return osp_fail(err, OSP_ELIMIT, "out of memory while %s", what);
}
