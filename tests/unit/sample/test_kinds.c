/* SPDX-License-Identifier: Apache-2.0 */
#include "sample/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static bool asked(const osp_event_list *l, const char *call)
{
    int nr = osp_syscall_number(osp_str_from(call));
    assert_true(nr >= 0);
    return l->call[nr / 64] >> nr % 64 & 1;
}

static void words_are_read_each_once(void **state)
{
    (void)state;
    osp_event_list l;
    osp_err err;
    assert_true(osp_event_list_parse(S(" cpu, off-cpu ,cpu"), NULL, &l, &err));
    assert_int_equal(l.n, 2);
    assert_string_equal(l.kind[0]->name, "cpu");
    assert_string_equal(l.kind[1]->name, "off-cpu");
    assert_false(l.some_calls);
}

static void system_calls_are_asked_for_by_name(void **state)
{
    (void)state;
    osp_event_list l;
    osp_err err;
    assert_true(osp_event_list_parse(S("syscalls:read,write,cpu"), NULL, &l, &err));
    assert_int_equal(l.n, 2);
    assert_true(l.some_calls);
    assert_true(asked(&l, "read") && asked(&l, "write"));
    assert_false(asked(&l, "futex"));
    assert_string_equal(l.kind[1]->name, "cpu");
}

static void a_name_that_is_none_gets_the_nearest(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"offcpu", "did you mean `off-cpu`?"},
        {"syscalls:raed", "did you mean `read`?"},
        {"cpu,read", "no event is called `read`"}, /* a call's name stands behind syscalls: */
        {"", "no event is called ``"},
        {"nonsense-of-a-word", "and tracepoints SYSTEM:NAME"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        osp_event_list l;
        osp_err err = {0};
        assert_false(osp_event_list_parse(osp_str_from(wrong[i][0]), NULL, &l, &err));
        assert_int_equal(err.code, OSP_EUSAGE);
        if (!strstr(err.msg, wrong[i][1]))
            fail_msg("%s: %s", wrong[i][0], err.msg);
    }
}

static void the_list_of_a_watch_has_calls_and_wake_ups(void **state)
{
    (void)state;
    osp_event_list l;
    osp_err err;
    assert_true(osp_event_list_calls(S(""), &l, &err));
    assert_int_equal(l.n, 2);
    assert_false(l.some_calls);
    assert_true(osp_event_list_calls(S("futex"), &l, &err));
    assert_true(l.some_calls && asked(&l, "futex"));
    assert_false(asked(&l, "read"));
    assert_false(osp_event_list_calls(S("futex,nonsense"), &l, &err));
}

static void names_that_are_no_tracepoints_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"a:", ":b", "../..:passwd", "sched:../sched/sched_switch", "sched:a:b c"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        osp_event_list l;
        osp_err err = {0};
        assert_false(osp_event_list_parse(osp_str_from(wrong[i]), NULL, &l, &err));
        assert_int_equal(err.code, OSP_EUSAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_read_each_once),
        cmocka_unit_test(system_calls_are_asked_for_by_name),
        cmocka_unit_test(a_name_that_is_none_gets_the_nearest),
        cmocka_unit_test(the_list_of_a_watch_has_calls_and_wake_ups),
        cmocka_unit_test(names_that_are_no_tracepoints_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
