/* SPDX-License-Identifier: Apache-2.0 */
#include "sample/sample_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static osp_raw_sample of_hash(uint64_t hash) { return (osp_raw_sample){.stack_hash = hash}; }

static void a_stack_comes_back_as_it_was_put(void **state)
{
    osp_stack_words *s = *state;
    const uint64_t word[] = {0xffffffff81000001, 0x401000, 0x402000};
    const osp_raw_sample put = {.stack_hash = 7,
                                .nkernel = 1,
                                .nuser = 2,
                                .nwords = 3,
                                .end = OSP_END_NO_ROW,
                                .fp_steps = 4,
                                .goid = 99,
                                .m = 98};
    assert_true(osp_stack_words_put(s, &put, word, false));
    osp_raw_sample got = {.stack_hash = 7, .goid = 5, .m = 6};
    const uint64_t *back = osp_stack_words_find(s, &got);
    assert_non_null(back);
    assert_memory_equal(back, word, sizeof word);
    assert_int_equal(got.nkernel, 1);
    assert_int_equal(got.nuser, 2);
    assert_int_equal(got.nwords, 3);
    assert_int_equal(got.end, OSP_END_NO_ROW);
    assert_int_equal(got.fp_steps, 4);
    assert_int_equal(got.goid, 5); /* a sample's own: the kernel side had known it */
    assert_int_equal(got.m, 6);
}

static void a_stack_walked_here_has_its_goroutine(void **state)
{
    osp_stack_words *s = *state;
    const uint64_t word = 0x401000;
    const osp_raw_sample put = {.stack_hash = 8, .nuser = 1, .nwords = 1, .goid = 99, .m = 98, .curg = 97};
    assert_true(osp_stack_words_put(s, &put, &word, true));
    osp_raw_sample got = of_hash(8);
    assert_non_null(osp_stack_words_find(s, &got));
    assert_int_equal(got.goid, 99);
    assert_int_equal(got.m, 98);
    assert_int_equal(got.curg, 97);
}

static void an_unknown_hash_is_not_found(void **state)
{
    osp_raw_sample got = of_hash(1234567);
    got.nuser = 3;
    assert_null(osp_stack_words_find(*state, &got));
    assert_int_equal(got.nuser, 3);
}

static void the_last_put_counts(void **state)
{
    osp_stack_words *s = *state;
    const uint64_t one = 1, two = 2;
    const osp_raw_sample put = {.stack_hash = 9, .nuser = 1, .nwords = 1};
    assert_true(osp_stack_words_put(s, &put, &one, false) && osp_stack_words_put(s, &put, &two, false));
    osp_raw_sample got = of_hash(9);
    const uint64_t *back = osp_stack_words_find(s, &got);
    assert_non_null(back);
    assert_int_equal(*back, 2);
}

static void stacks_live_through_one_ageing_and_not_two(void **state)
{
    osp_stack_words *s = *state;
    const uint64_t word = 0x403000;
    const osp_raw_sample put = {.stack_hash = 10, .nuser = 1, .nwords = 1};
    assert_true(osp_stack_words_put(s, &put, &word, false));
    osp_raw_sample got = of_hash(10);
    osp_stack_words_age(s);
    assert_non_null(osp_stack_words_find(s, &got));
    osp_stack_words_age(s);
    assert_null(osp_stack_words_find(s, &got));
}

static void many_stacks_make_it_full_until_it_ages(void **state)
{
    osp_stack_words *s = *state;
    uint64_t *word = calloc(1000, sizeof *word);
    uint64_t n = 0;
    assert_non_null(word);
    for (; !osp_stack_words_full(s); n++) {
        const osp_raw_sample put = {.stack_hash = 100 + n, .nuser = 1000, .nwords = 1000};
        word[0] = n;
        assert_true(n < 1000000 && osp_stack_words_put(s, &put, word, false));
    }
    osp_raw_sample got = of_hash(100 + n / 2);
    const uint64_t *back = osp_stack_words_find(s, &got);
    assert_non_null(back);
    assert_int_equal(*back, n / 2);
    osp_stack_words_age(s);
    assert_false(osp_stack_words_full(s));
    free(word);
}

static int begin(void **state)
{
    osp_err err;
    *state = osp_stack_words_new(&err);
    return *state ? 0 : -1;
}

static int end(void **state)
{
    osp_stack_words_drop(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_stack_comes_back_as_it_was_put, begin, end),
        cmocka_unit_test_setup_teardown(a_stack_walked_here_has_its_goroutine, begin, end),
        cmocka_unit_test_setup_teardown(an_unknown_hash_is_not_found, begin, end),
        cmocka_unit_test_setup_teardown(the_last_put_counts, begin, end),
        cmocka_unit_test_setup_teardown(stacks_live_through_one_ageing_and_not_two, begin, end),
        cmocka_unit_test_setup_teardown(many_stacks_make_it_full_until_it_ages, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
