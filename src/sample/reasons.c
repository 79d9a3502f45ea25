/* SPDX-License-Identifier: Apache-2.0 */
/* What a thread off its CPU waited for, in a word or two: by the system call that it is in, and what the scheduler
 * says. A call that stands in no group goes by its own name. */
#include "sample/sample_internal.h"

static const struct {
    const char *text, *calls; /* blanks before and behind each */
} groups[] = {
    {"futex", " futex futex_wait futex_waitv "},
    {"epoll", " epoll_wait epoll_pwait epoll_pwait2 "},
    {"poll", " poll ppoll select pselect6 "},
    {"sleep", " nanosleep clock_nanosleep pause rt_sigtimedwait "},
    {"read", " read readv pread64 preadv preadv2 "},
    {"write", " write writev pwrite64 pwritev pwritev2 "},
    {"receive", " recvfrom recvmsg recvmmsg "},
    {"send", " sendto sendmsg sendmmsg sendfile "},
    {"accept", " accept accept4 "},
    {"child", " wait4 waitid vfork "},
    {"disk", " fsync fdatasync sync syncfs sync_file_range msync "},
    {"io_uring", " io_uring_enter io_getevents io_pgetevents "},
};

static const char *call_text(uint32_t nr)
{
    const char *name = osp_syscall_name(nr);
    for (size_t i = 0; name && i < sizeof groups / sizeof groups[0]; i++)
        if (osp_str_among(osp_str_from(name), groups[i].calls))
            return groups[i].text;
    return name ? name : "a new system call";
}

const char *osp_wait_text(uint32_t reason)
{
    uint32_t call = reason & OSP_REASON_CALLS;
    switch (reason >> OSP_REASON_WAIT & OSP_REASON_WAITS) {
    case OSP_WAIT_NONE:
        return "running";
    case OSP_WAIT_STOPPED:
        return "stopped";
    case OSP_WAIT_PREEMPTED:
        return "preempted";
    case OSP_WAIT_THROTTLED:
        return "throttled";
    case OSP_WAIT_STARTING:
        return "starting";
    default:
        break;
    }
    if (!call)
        return "page fault";
    return reason & OSP_REASON_IO ? "disk" : call_text(call - 1);
}
