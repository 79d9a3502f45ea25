/* SPDX-License-Identifier: Apache-2.0 */
#include "sample/sample_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static osp_proc_time at(osp_proc_clock *c, uint64_t ms, uint64_t run_ms, uint64_t wait_ms, bool blocked)
{
    const osp_thread_clock now = {run_ms * 1000000, wait_ms * 1000000, 1};
    return osp_proc_account(c, &now, ms * 1000000, blocked);
}

static void time_on_a_cpu_is_what_the_kernel_says(void **state)
{
    (void)state;
    osp_proc_clock c = {0};
    osp_proc_time t = at(&c, 10, 7, 2, false);
    assert_int_equal(t.run_ns, 7000000);
    assert_int_equal(t.wait_ns, 2000000);
    assert_int_equal(t.before_ns + t.now_ns, 0);
}

static void the_rest_was_blocked_half_before_and_half_where_it_is_now(void **state)
{
    (void)state;
    osp_proc_clock c = {0};
    osp_proc_time t = at(&c, 10, 0, 0, true);
    assert_int_equal(t.before_ns, 0); /* nothing is known of before */
    assert_int_equal(t.now_ns, 10000000);
    t = at(&c, 20, 4, 0, true);
    assert_int_equal(t.run_ns, 4000000);
    assert_int_equal(t.before_ns, 3000000);
    assert_int_equal(t.now_ns, 3000000);
}

/* While a thread runs the kernel counts a tick at a time: what looks like no time on a CPU may be some. */
static void what_the_kernel_counts_late_was_never_blocked(void **state)
{
    (void)state;
    osp_proc_clock c = {0};
    at(&c, 10, 0, 0, false);
    at(&c, 20, 0, 0, false);
    at(&c, 30, 30, 0, false);
    osp_proc_time t = at(&c, 40, 32, 0, true);
    assert_int_equal(t.run_ns, 2000000);
    assert_int_equal(t.before_ns + t.now_ns, 8000000);
}

static void times_add_up_to_the_time_that_went_by(void **state)
{
    (void)state;
    osp_proc_clock c = {0};
    uint64_t sum = 0, run = 0, wait = 0, ms = 0, random = 7;
    for (int i = 0; i < 1000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint64_t step = 1 + (random >> 40) % 20, ran = (random >> 50) % (step + 1);
        ms += step;
        run += ran;
        wait += (step - ran) / 3;
        osp_proc_time t = at(&c, ms, run, wait, i == 999 || (random >> 33) % 2);
        sum += t.run_ns + t.wait_ns + t.before_ns + t.now_ns;
    }
    assert_int_equal(sum, ms * 1000000);
}

static void a_clock_that_goes_back_gives_nothing(void **state)
{
    (void)state;
    osp_proc_clock c = {0};
    at(&c, 10, 5, 5, false);
    osp_proc_time t = at(&c, 20, 1, 1, false);
    assert_int_equal(t.run_ns + t.wait_ns, 0);
}

static void kinds_that_need_an_event_are_named(void **state)
{
    (void)state;
    osp_event_list l;
    osp_err err;
    const char *cannot;
    assert_true(osp_event_list_parse(S("cpu,off-cpu,wall,wait"), NULL, &l, &err));
    assert_true(osp_proc_side_can(&l, &cannot));
    assert_true(osp_event_list_parse(S("cpu,page-faults"), NULL, &l, &err));
    assert_false(osp_proc_side_can(&l, &cannot));
    assert_string_equal(cannot, "page-faults");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_on_a_cpu_is_what_the_kernel_says),
        cmocka_unit_test(the_rest_was_blocked_half_before_and_half_where_it_is_now),
        cmocka_unit_test(what_the_kernel_counts_late_was_never_blocked),
        cmocka_unit_test(times_add_up_to_the_time_that_went_by),
        cmocka_unit_test(a_clock_that_goes_back_gives_nothing),
        cmocka_unit_test(kinds_that_need_an_event_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
