/* SPDX-License-Identifier: Apache-2.0 */
#include "sample/sample_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint32_t number(const char *name)
{
    int nr = osp_syscall_number(osp_str_from(name));
    assert_true(nr >= 0);
    return (uint32_t)nr;
}

static void steps_grow_with_time_and_are_fine(void **state)
{
    (void)state;
    assert_int_equal(osp_time_step(0), 0);
    assert_int_equal(osp_time_step(15), 15);
    assert_int_equal(osp_time_step(16), 16);
    for (uint64_t ns = 1; ns < (uint64_t)1 << 59; ns = ns * 9 / 8 + 1) {
        assert_true(osp_time_step(ns) <= osp_time_step(ns + 1));
        assert_true(osp_time_step(ns + 1) - osp_time_step(ns) <= 1);
    }
    assert_true(osp_time_step(UINT64_MAX) < OSP_TIME_STEPS);
}

static void quantiles_are_right_to_six_percent(void **state)
{
    (void)state;
    osp_calls t = {0};
    for (uint64_t i = 1; i <= 10000; i++) {
        osp_raw_sample head = {.reason = number("read"), .value = {i * 1000, 1}};
        assert_true(osp_calls_add(&t, &head));
    }
    assert_int_equal(t.n, 1);
    double median = (double)osp_called_quantile(&t.row[0], 0.5), p99 = (double)osp_called_quantile(&t.row[0], 0.99);
    assert_true(median > 5e6 * 0.94 && median < 5e6 * 1.06);
    assert_true(p99 > 9.9e6 * 0.94 && p99 < 9.9e6 * 1.06);
    assert_true(osp_called_quantile(&t.row[0], 1) <= t.row[0].max_ns);
    assert_int_equal(t.row[0].max_ns, 10000000);
    osp_calls_drop(&t);
}

static void errors_and_empty_results_are_told_apart(void **state)
{
    (void)state;
    osp_calls t = {0};
    osp_raw_sample some = {.reason = number("read"), .value = {10, 4096}};
    osp_raw_sample end = {.reason = number("read"), .value = {10, 0}};
    osp_raw_sample failed = {.reason = number("read") | 11u << OSP_REASON_ERRNO, .value = {10, 0}};
    assert_true(osp_calls_add(&t, &some) && osp_calls_add(&t, &end) && osp_calls_add(&t, &failed));
    assert_int_equal(t.row[0].calls, 3);
    assert_int_equal(t.row[0].errors, 1);
    assert_int_equal(t.row[0].nothing, 1);
    assert_int_equal(t.row[0].bytes, 4096);
    osp_calls_drop(&t);
}

static void only_calls_that_move_bytes_have_bytes(void **state)
{
    (void)state;
    osp_calls t = {0};
    osp_raw_sample epoll = {.reason = number("epoll_pwait"), .value = {10, 3}};
    osp_raw_sample wrote = {.reason = number("write"), .value = {10, 5}};
    assert_true(osp_calls_add(&t, &epoll) && osp_calls_add(&t, &wrote));
    assert_int_equal(epoll.value[1], 0);
    assert_int_equal(wrote.value[1], 5);
    assert_int_equal(osp_call_moves_of(number("recvmsg")), OSP_MOVES_IN);
    assert_int_equal(osp_call_moves_of(number("sendto")), OSP_MOVES_OUT);
    assert_int_equal(osp_call_moves_of(number("sendmmsg")), OSP_MOVES_NOTHING); /* it counts messages */
    assert_int_equal(osp_call_moves_of(60000), OSP_MOVES_NOTHING);
    osp_calls_drop(&t);
}

static void operations_of_futex_are_calls_of_their_own(void **state)
{
    (void)state;
    osp_calls t = {0};
    osp_raw_sample wait = {.reason = number("futex") | 1u << OSP_REASON_OP, .value = {10, 0}};
    osp_raw_sample wake = {.reason = number("futex") | 2u << OSP_REASON_OP, .value = {10, 1}};
    assert_true(osp_calls_add(&t, &wait) && osp_calls_add(&t, &wake));
    assert_int_equal(t.n, 2);
    assert_string_equal(osp_futex_op_text(t.row[0].op), "wait");
    assert_string_equal(osp_futex_op_text(t.row[1].op), "wake");
    assert_null(osp_futex_op_text(0));
    assert_null(osp_futex_op_text(15));
    osp_calls_drop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_grow_with_time_and_are_fine),
        cmocka_unit_test(quantiles_are_right_to_six_percent),
        cmocka_unit_test(errors_and_empty_results_are_told_apart),
        cmocka_unit_test(only_calls_that_move_bytes_have_bytes),
        cmocka_unit_test(operations_of_futex_are_calls_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
