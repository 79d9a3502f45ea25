/* SPDX-License-Identifier: Apache-2.0 */
/* What a blocked thread waits for, from texts of /proc and made-up memory. */
#include "target/target_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void a_blocked_call_is_read_with_its_arguments(void **state)
{
    (void)state;
    osp_blocking c;
    assert_true(osp_blocking_parse(S("202 0xc000054150 0x80 0x7 0x0 0x0 0x1 0x7ffd10 0x55aa\n"), &c));
    assert_true(c.state == OSP_BLOCKING_CALL && c.nr == 202 && c.arg[0] == 0xc000054150 && c.arg[1] == 0x80);
    assert_true(c.arg[2] == 7 && c.arg[5] == 1 && c.sp == 0x7ffd10 && c.pc == 0x55aa);
    assert_true(osp_blocking_parse(S("-1 0x7ffd10 0x55aa\n"), &c));
    assert_true(c.state == OSP_BLOCKING_NONE && c.sp == 0x7ffd10 && c.pc == 0x55aa && c.arg[0] == 0);
    assert_true(osp_blocking_parse(S("running\n"), &c) && c.state == OSP_BLOCKING_RUNNING);
}

static void what_is_no_such_text_is_refused(void **state)
{
    (void)state;
    static const char *const broken[] = {"",
                                         "\n",
                                         "walking",
                                         "202",
                                         "202 0x1 0x2 0x3 0x4 0x5 0x6 0x7",
                                         "202 1 2 3 4 5 6 7 8",
                                         "-1 0x1",
                                         "-2 0x1 0x2",
                                         "202 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x8 0x9",
                                         "202 0x 0x 0x 0x 0x 0x 0x 0x",
                                         "99999999999 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x8"};
    osp_blocking c;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        if (osp_blocking_parse(osp_str_from(broken[i]), &c))
            fail_msg("`%s` was taken", broken[i]);
}

static void members_of_an_epoll_set_are_read(void **state)
{
    (void)state;
    osp_epoll_member m;
    assert_true(
        osp_epoll_member_parse(S("tfd:        5 events:       19 data:                5  pos:0 ino:1 sdev:8"), &m));
    assert_int_equal(m.fd, 5);
    assert_int_equal(m.events, 0x19);
    assert_true(osp_epoll_member_parse(S("tfd:     1234 events: 8000201d data: ffffffffffffffff "), &m));
    assert_int_equal(m.events, 0x8000201d);
    assert_false(osp_epoll_member_parse(S("pos:\t0"), &m));
    assert_false(osp_epoll_member_parse(S("tfd: 99999999999 events: 1"), &m));
    assert_false(osp_epoll_member_parse(S("tfd: 5"), &m));
}

static void socket_addresses_are_written_as_people_do(void **state)
{
    (void)state;
    char text[64];
    assert_true(osp_socket_address(S("0100007F:1F90"), text, sizeof text));
    assert_string_equal(text, "127.0.0.1:8080");
    assert_true(osp_socket_address(S("00000000000000000000000001000000:0050"), text, sizeof text));
    assert_string_equal(text, "[::1]:80");
    assert_true(osp_socket_address(S("0000000000000000FFFF00000100007F:0050"), text, sizeof text));
    assert_string_equal(text, "127.0.0.1:80");
    assert_false(osp_socket_address(S("0100007F"), text, sizeof text));
    assert_false(osp_socket_address(S("0100007G:0050"), text, sizeof text));
    assert_false(osp_socket_address(S("0100007F:FFFFF"), text, sizeof text));
}

static void links_of_descriptors_become_words(void **state)
{
    (void)state;
    char text[128];
    osp_fd_words(S("anon_inode:[eventpoll]"), text, sizeof text);
    assert_string_equal(text, "epoll");
    osp_fd_words(S("anon_inode:[eventfd]"), text, sizeof text);
    assert_string_equal(text, "eventfd");
    osp_fd_words(S("anon_inode:inotify"), text, sizeof text);
    assert_string_equal(text, "inotify");
    osp_fd_words(S("pipe:[4711]"), text, sizeof text);
    assert_string_equal(text, "pipe");
    osp_fd_words(S("/var/log/a b"), text, sizeof text);
    assert_string_equal(text, "/var/log/a b");
}

/* Memory of 32 bytes at 0x1000: a word, zeros, and at 0x1010 five seconds and a half. */
static bool read_made_up(void *ctx, uint64_t addr, void *dst, size_t n, osp_err *err)
{
    uint64_t word[4] = {3, 0, 5, 500000000};
    (void)ctx;
    if (addr < 0x1000 || addr > 0x1020 || n > 0x1020 - addr)
        return osp_fail(err, OSP_EIO, "not there");
    memcpy(dst, (const char *)word + (addr - 0x1000), n);
    return true;
}

static void says(const char *call, uint64_t a, uint64_t b, uint64_t c, uint64_t d, const char *want)
{
    const osp_mem mem = {.read = read_made_up};
    char text[320];
    int nr = osp_syscall_number(osp_str_from(call));
    assert_true(nr >= 0);
    osp_blocking_text(&(osp_blocking){OSP_BLOCKING_CALL, (uint32_t)nr, {a, b, c, d}, 0, 0}, &mem, NULL, text,
                      sizeof text);
    assert_string_equal(text, want);
}

static void calls_are_said_in_words(void **state)
{
    (void)state;
    says("read", 7, 0x1000, 4096, 0, "read fd 7, 4096 bytes");
    says("nanosleep", 0x1010, 0, 0, 0, "nanosleep 5.5 s");
    says("nanosleep", 0x9999, 0, 0, 0, "nanosleep for a time");
    says("clock_nanosleep", 1, 1, 0x1010, 0, "clock_nanosleep until a time");
    says("clock_nanosleep", 1, 0, 0x1010, 0, "clock_nanosleep 5.5 s");
    says("epoll_pwait", 4, 0x1000, 128, UINT32_MAX, "epoll_pwait fd 4, 128 events, no timeout");
    says("epoll_pwait", 4, 0x1000, 1, 20, "epoll_pwait fd 4, 1 event, 20.0 ms");
    says("futex", 0x1000, 128, 3, 0, "futex wait 0x1000 (is 3)");
    says("futex", 0x1000, 0, 3, 0x1010, "futex wait 0x1000 (is 3), 5.5 s");
    says("futex", 0x9000, 128 | 9, 3, 0x1010, "futex wait 0x9000, until a time");
    says("wait4", UINT32_MAX, 0, 0, 0, "wait4 any child");
    says("restart_syscall", 0, 0, 0, 0, "restart_syscall, of a wait that a stop broke off");
    says("getpid", 0, 0, 0, 0, "getpid");
}

static void descriptors_of_this_process_are_known(void **state)
{
    (void)state;
    osp_err err = {0};
    int end[2], pair[2];
    char text[128];
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "osprey-test-%d", getpid());
    assert_int_equal(pipe(end), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    int bound = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(bound, (struct sockaddr *)&name, sizeof name), 0);
    osp_process *p = osp_process_open(getpid(), &err);
    if (!p)
        fail_msg("%s", err.msg);
    osp_fds *f = osp_fds_of(p);
    assert_true(osp_fd_text(f, end[0], text, sizeof text));
    assert_string_equal(text, "pipe");
    assert_true(osp_fd_text(f, pair[0], text, sizeof text));
    assert_string_equal(text, "unix");
    assert_true(osp_fd_text(f, bound, text, sizeof text));
    assert_true(osp_str_has(osp_str_from(text), osp_str_from(name.sun_path + 1)));
    assert_false(osp_fd_text(f, 9999, text, sizeof text));
    osp_fds_drop(f);
    osp_process_close(p);
    close(bound);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_blocked_call_is_read_with_its_arguments),
        cmocka_unit_test(what_is_no_such_text_is_refused),
        cmocka_unit_test(members_of_an_epoll_set_are_read),
        cmocka_unit_test(socket_addresses_are_written_as_people_do),
        cmocka_unit_test(links_of_descriptors_become_words),
        cmocka_unit_test(calls_are_said_in_words),
        cmocka_unit_test(descriptors_of_this_process_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
