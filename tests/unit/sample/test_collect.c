/* SPDX-License-Identifier: Apache-2.0 */
/* Raw samples become a profile, and what that may take of memory is bounded. */
#include "sample/sample_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { DEPTH = 60, MOST = 1 << 20 };

/* Samples of 1 ms, each with a stack of its own, until n were lost. How many were given. */
static uint64_t fill(osp_collector *c, const osp_subject *of, uint64_t n)
{
    uint64_t word[DEPTH], given = 0;
    for (; given < MOST && osp_collector_lost(c) < n; given++) {
        osp_raw_sample head = {.pid = 1, .tid = 1, .count = 1, .nuser = DEPTH, .nwords = DEPTH, .comm = "many"};
        head.value[0] = 1000000;
        head.stack_hash = given * 2 + 1;
        for (uint64_t i = 0; i < DEPTH; i++)
            word[i] = 0x1000 + (given * DEPTH + i) * 16;
        osp_collector_add(c, of, &head, word);
    }
    return given;
}

static void a_profile_that_is_full_keeps_what_it_has_and_counts_the_rest(void **state)
{
    (void)state;
    const osp_event_list events = {.kind = {osp_event_kinds[0]}, .n = 1};
    const osp_subject of = {.pid = 1, .serial = 1, .name = "many", .until_ns = UINT64_MAX};
    osp_err err;
    setenv("OSPREY_MEMORY", "32M", 1);
    osp_collector *c = osp_collector_new(&events, false, &err);
    assert_non_null(c);
    /* A take makes room: twice the same. */
    for (int round = 0; round < 2; round++) {
        uint64_t given = fill(c, &of, 1000), taken = osp_collector_taken(c), lost = osp_collector_lost(c);
        assert_true(given < MOST && taken > 1000 && lost == 1000);
        assert_int_equal(taken + lost, given);
        osp_profile_head head = {.period = 1000000, .period_type = S("cpu"), .period_unit = S("nanoseconds")};
        osp_recording r = {0};
        if (!osp_collector_take(c, &head, &r, &err))
            fail_msg("%s", err.msg);
        int64_t sum = 0;
        for (uint32_t i = 0; i < r.profile->samples.n; i++)
            sum += r.profile->samples.value[r.profile->values.n - 1][i]; /* the last column: nanoseconds */
        assert_int_equal(sum, taken * 1000000);
        osp_recording_drop(&r);
        assert_int_equal(osp_collector_lost(c), 0);
    }
    osp_collector_drop(c);
    unsetenv("OSPREY_MEMORY");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_profile_that_is_full_keeps_what_it_has_and_counts_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
