/* SPDX-License-Identifier: Apache-2.0 */
#include "target/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/syscall.h>

#include <cmocka.h>

static void names_are_those_of_this_machine(void **state)
{
    (void)state;
    assert_string_equal(osp_syscall_name(SYS_read), "read");
    assert_string_equal(osp_syscall_name(SYS_futex), "futex");
    assert_string_equal(osp_syscall_name(SYS_epoll_pwait), "epoll_pwait");
    assert_int_equal(osp_syscall_number(S("openat")), SYS_openat);
    assert_int_equal(osp_syscall_number(S("execve")), SYS_execve);
}

static void every_name_leads_back_to_its_number(void **state)
{
    (void)state;
    unsigned known = 0;
    for (uint32_t nr = 0; nr < 1024; nr++) {
        const char *name = osp_syscall_name(nr);
        known += name != NULL;
        if (name)
            assert_int_equal(osp_syscall_number(osp_str_from(name)), nr);
    }
    assert_true(known > 250);
}

static void a_call_without_a_name_has_its_number(void **state)
{
    (void)state;
    char number[OSP_SYSCALL_NUMBER];
    assert_string_equal(osp_syscall_text(SYS_read, number), "read");
    assert_string_equal(osp_syscall_text(UINT32_MAX, number), "syscall 4294967295");
}

static void what_is_no_call_has_no_number(void **state)
{
    (void)state;
    assert_int_equal(osp_syscall_number(S("")), -1);
    assert_int_equal(osp_syscall_number(S("rea")), -1);
    assert_int_equal(osp_syscall_number(S("read ")), -1);
    assert_int_equal(osp_syscall_number(S("READ")), -1);
    assert_null(osp_syscall_name(UINT32_MAX));
    assert_null(osp_syscall_name(100000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_those_of_this_machine),
        cmocka_unit_test(every_name_leads_back_to_its_number),
        cmocka_unit_test(a_call_without_a_name_has_its_number),
        cmocka_unit_test(what_is_no_call_has_no_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
