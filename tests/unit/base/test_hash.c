/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void equal_bytes_hash_equal_and_others_hardly_ever(void **state)
{
    (void)state;
    char a[] = "main.(*Session).Transcode", b[] = "main.(*Session).Transcode";
    assert_true(osp_hash(a, sizeof a) == osp_hash(b, sizeof b));
    b[3] ^= 1;
    assert_true(osp_hash(a, sizeof a) != osp_hash(b, sizeof b));
    assert_true(osp_hash(a, 0) == osp_hash(b, 0));
    assert_true(osp_hash_mix(1, 2) != osp_hash_mix(2, 1));
}

static void each_distinct_text_gets_the_next_id_once(void **state)
{
    (void)state;
    enum { N = 5000 };
    static char text[N][16];
    osp_intern t = {0};
    for (uint32_t round = 0; round < 2; round++)
        for (uint32_t i = 0; i < N; i++) {
            bool fresh;
            snprintf(text[i], sizeof text[i], "name-%u", i);
            assert_int_equal(osp_intern_put(&t, osp_str_from(text[i]), &fresh), i);
            assert_int_equal(fresh, round == 0);
        }
    assert_int_equal(t.n, N);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(osp_intern_find(&t, osp_str_from(text[i])), i);
    assert_int_equal(osp_intern_find(&t, S("name-5000")), UINT32_MAX);
    osp_intern_drop(&t);
}

static void the_empty_text_is_a_text_and_an_empty_set_has_none(void **state)
{
    (void)state;
    osp_intern t = {0};
    assert_int_equal(osp_intern_find(&t, S("")), UINT32_MAX);
    assert_int_equal(osp_intern_put(&t, (osp_str){NULL, 0}, NULL), 0);
    assert_int_equal(osp_intern_put(&t, S(""), NULL), 0);
    assert_int_equal(osp_intern_put(&t, S("\0"), NULL), 1);
    assert_int_equal(osp_intern_find(&t, S("")), 0);
    osp_intern_drop(&t);
    assert_int_equal(t.n, 0);
}

static void a_text_may_be_replaced_by_a_copy_that_lives_longer(void **state)
{
    (void)state;
    osp_intern t = {0};
    char borrowed[] = "runtime.goexit";
    static const char kept[] = "runtime.goexit";
    bool fresh;
    uint32_t id = osp_intern_put(&t, osp_str_from(borrowed), &fresh);
    assert_true(fresh);
    t.text[id] = osp_str_from(kept);
    memset(borrowed, 'x', sizeof borrowed - 1);
    assert_int_equal(osp_intern_put(&t, S("runtime.goexit"), &fresh), id);
    assert_false(fresh);
    osp_intern_drop(&t);
}

static void an_added_text_gets_an_id_of_its_own(void **state)
{
    (void)state;
    osp_intern t = {0};
    assert_int_equal(osp_intern_put(&t, S("a"), NULL), 0);
    assert_int_equal(osp_intern_add(&t, S("a")), 1);
    assert_int_equal(osp_intern_add(&t, S("a")), 2);
    assert_int_equal(osp_intern_put(&t, S("a"), NULL), 0);
    assert_int_equal(osp_intern_put(&t, S("b"), NULL), 3);
    assert_true(osp_str_eq(t.text[2], S("a")));
    osp_intern_drop(&t);
}

static void an_index_finds_what_was_put_last_under_a_key(void **state)
{
    (void)state;
    osp_index t = {0};
    assert_int_equal(osp_index_find(&t, 7), UINT32_MAX);
    for (uint32_t round = 0; round < 2; round++)
        for (uint32_t i = 0; i < 1000; i++)
            assert_true(osp_index_put(&t, (uint64_t)i << 32, i + round));
    assert_int_equal(t.n, 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(osp_index_find(&t, (uint64_t)i << 32), i + 1);
        assert_int_equal(osp_index_find(&t, ((uint64_t)i << 32) + 1), UINT32_MAX);
    }
    osp_index_clear(&t);
    assert_int_equal(osp_index_find(&t, 0), UINT32_MAX);
    osp_index_drop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_index_finds_what_was_put_last_under_a_key),
        cmocka_unit_test(equal_bytes_hash_equal_and_others_hardly_ever),
        cmocka_unit_test(each_distinct_text_gets_the_next_id_once),
        cmocka_unit_test(the_empty_text_is_a_text_and_an_empty_set_has_none),
        cmocka_unit_test(an_added_text_gets_an_id_of_its_own),
        cmocka_unit_test(a_text_may_be_replaced_by_a_copy_that_lives_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
