/* SPDX-License-Identifier: Apache-2.0 */
#include "sample/sample_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* The reason of a thread that waits in a system call. */
static uint32_t in_call(const char *name, enum osp_wait how)
{
    int nr = osp_syscall_number(osp_str_from(name));
    assert_true(nr >= 0);
    return ((uint32_t)nr + 1) | (uint32_t)how << OSP_REASON_WAIT;
}

static void a_thread_on_a_cpu_runs(void **state)
{
    (void)state;
    assert_string_equal(osp_wait_text(0), "running");
}

static void a_runnable_thread_says_why_it_is(void **state)
{
    (void)state;
    assert_string_equal(osp_wait_text(in_call("futex", OSP_WAIT_PREEMPTED)), "preempted");
    assert_string_equal(osp_wait_text(OSP_WAIT_THROTTLED << OSP_REASON_WAIT), "throttled");
    assert_string_equal(osp_wait_text(OSP_WAIT_STARTING << OSP_REASON_WAIT), "starting");
    assert_string_equal(osp_wait_text(OSP_WAIT_STOPPED << OSP_REASON_WAIT), "stopped");
}

static void calls_stand_in_groups(void **state)
{
    (void)state;
    static const char *const pair[][2] = {
        {"futex", "futex"},    {"epoll_pwait", "epoll"}, {"ppoll", "poll"},      {"clock_nanosleep", "sleep"},
        {"pread64", "read"},   {"writev", "write"},      {"recvmsg", "receive"}, {"sendmmsg", "send"},
        {"accept4", "accept"}, {"waitid", "child"},      {"fdatasync", "disk"},  {"io_uring_enter", "io_uring"},
    };
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++)
        assert_string_equal(osp_wait_text(in_call(pair[i][0], OSP_WAIT_SLEEP)), pair[i][1]);
}

static void a_call_in_no_group_goes_by_its_name(void **state)
{
    (void)state;
    assert_string_equal(osp_wait_text(in_call("flock", OSP_WAIT_SLEEP)), "flock");
    /* Its name lies within that of a group's: read, readlink. */
    assert_string_equal(osp_wait_text(in_call("readlinkat", OSP_WAIT_DEEP)), "readlinkat");
    assert_string_equal(osp_wait_text((OSP_REASON_CALLS - 1) | OSP_WAIT_SLEEP << OSP_REASON_WAIT),
                        "a new system call");
}

static void without_a_call_it_is_a_page_fault(void **state)
{
    (void)state;
    assert_string_equal(osp_wait_text(OSP_WAIT_SLEEP << OSP_REASON_WAIT), "page fault");
    assert_string_equal(osp_wait_text(OSP_WAIT_DEEP << OSP_REASON_WAIT | OSP_REASON_IO), "page fault");
}

static void waiting_for_a_disk_is_said_whatever_the_call(void **state)
{
    (void)state;
    assert_string_equal(osp_wait_text(in_call("pread64", OSP_WAIT_DEEP) | OSP_REASON_IO), "disk");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_on_a_cpu_runs),
        cmocka_unit_test(a_runnable_thread_says_why_it_is),
        cmocka_unit_test(calls_stand_in_groups),
        cmocka_unit_test(a_call_in_no_group_goes_by_its_name),
        cmocka_unit_test(without_a_call_it_is_a_page_fault),
        cmocka_unit_test(waiting_for_a_disk_is_said_whatever_the_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
