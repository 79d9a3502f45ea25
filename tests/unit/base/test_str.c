/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void views_compare_by_bytes(void **state)
{
    (void)state;
    osp_str none = {NULL, 0};
    assert_true(osp_str_eq(none, S("")));
    assert_false(osp_str_eq(S("a"), S("b")));
    assert_false(osp_str_eq(S("a"), S("aa")));
    assert_true(osp_str_cmp(S("a"), S("ab")) < 0);
    assert_true(osp_str_cmp(S("b"), S("ab")) > 0);
    assert_true(osp_str_cmp(S("\xc3"), S("z")) > 0);
    assert_int_equal(osp_str_cmp(none, S("")), 0);
    assert_true(osp_str_starts(S("runtime.main"), S("runtime.")));
    assert_true(osp_str_starts(S("x"), none));
    assert_false(osp_str_starts(S("run"), S("runtime.")));
    assert_true(osp_str_ends(S("lib.so"), S(".so")));
    assert_false(osp_str_ends(S("so"), S(".so")));
}

static void heads_and_tails_stop_at_the_ends(void **state)
{
    (void)state;
    assert_true(osp_str_eq(osp_str_skip(S("abc"), 1), S("bc")));
    assert_int_equal(osp_str_skip(S("abc"), 9).n, 0);
    assert_true(osp_str_eq(osp_str_head(S("abc"), 2), S("ab")));
    assert_true(osp_str_eq(osp_str_head(S("abc"), 9), S("abc")));
}

static void a_cut_gives_the_head_and_leaves_the_rest(void **state)
{
    (void)state;
    osp_str s = S("a:b::");
    assert_true(osp_str_eq(osp_str_cut(&s, ':'), S("a")));
    assert_true(osp_str_eq(osp_str_cut(&s, ':'), S("b")));
    assert_true(osp_str_eq(osp_str_cut(&s, ':'), S("")));
    assert_int_equal(s.n, 0);
    osp_str none = {NULL, 0};
    assert_int_equal(osp_str_cut(&none, ':').n, 0);
}

static void searches_give_the_length_when_nothing_is_found(void **state)
{
    (void)state;
    assert_int_equal(osp_str_find(S("main.main.func1"), S("main.f")), 5);
    assert_int_equal(osp_str_find(S("abc"), S("x")), 3);
    assert_int_equal(osp_str_find(S(""), S("x")), 0);
    assert_int_equal(osp_str_rfind(S("a/b/c"), '/'), 3);
    assert_int_equal(osp_str_rfind(S("abc"), '/'), 3);
    assert_int_equal(osp_str_rfind((osp_str){NULL, 0}, '/'), 0);
    assert_true(osp_str_eq(osp_str_base(S("/usr/bin/osprey")), S("osprey")));
    assert_true(osp_str_eq(osp_str_base(S("osprey")), S("osprey")));
    assert_true(osp_str_eq(osp_str_base(S("usr/")), S("")));
}

static void trimming_takes_blanks_from_both_sides(void **state)
{
    (void)state;
    assert_true(osp_str_eq(osp_str_trim(S(" \t a b\r\n")), S("a b")));
    assert_int_equal(osp_str_trim(S(" \n ")).n, 0);
    assert_int_equal(osp_str_trim((osp_str){NULL, 0}).n, 0);
}

static void numbers_must_be_whole_and_fit(void **state)
{
    (void)state;
    uint64_t v = 7;
    assert_true(osp_str_u64(S("18446744073709551615"), 10, &v));
    assert_true(v == UINT64_MAX);
    assert_true(osp_str_u64(S("ffffFFFFffffFFFF"), 16, &v));
    assert_true(v == UINT64_MAX);
    assert_true(osp_str_u64(S("007"), 10, &v));
    assert_int_equal(v, 7);
    static const char *const bad[] = {"", "18446744073709551616", "99999999999999999999", "-1", "+1", " 1", "1 ",
                                      "a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(osp_str_u64(osp_str_from(bad[i]), 10, &v));
    assert_false(osp_str_u64(S("0x10"), 16, &v));
    assert_false(osp_str_u64(S("10000000000000000"), 16, &v));
    assert_int_equal(v, 7);
}

static void a_copy_with_nul_is_cut_to_its_room(void **state)
{
    (void)state;
    char out[4];
    assert_string_equal(osp_str_z(S("ab"), out, sizeof out), "ab");
    assert_string_equal(osp_str_z(S("abcdef"), out, sizeof out), "abc");
    assert_string_equal(osp_str_z((osp_str){NULL, 0}, out, sizeof out), "");
    assert_string_equal(osp_str_z(S("abc"), out, 1), "");
    assert_int_equal(osp_str_from(NULL).n, 0);
}

static void a_column_is_a_character(void **state)
{
    (void)state;
    assert_int_equal(osp_str_columns(S("")), 0);
    assert_int_equal(osp_str_columns(S("abc")), 3);
    assert_int_equal(osp_str_columns(S("✓ ±2 →")), 6);
    assert_int_equal(osp_str_columns(S("\xff\xe2\x9c")), 3); /* no characters, but bytes */
}

static void words_are_found_whole(void **state)
{
    (void)state;
    assert_true(osp_str_among(S("readv"), " read readv "));
    assert_true(osp_str_among(S("read"), "read"));
    assert_true(osp_str_among(S("readv"), "read readv"));
    assert_false(osp_str_among(S("read"), "readv preadv"));
    assert_false(osp_str_among(S(""), " read  readv "));
    assert_false(osp_str_among(S("read"), ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_compare_by_bytes),
        cmocka_unit_test(heads_and_tails_stop_at_the_ends),
        cmocka_unit_test(a_cut_gives_the_head_and_leaves_the_rest),
        cmocka_unit_test(searches_give_the_length_when_nothing_is_found),
        cmocka_unit_test(trimming_takes_blanks_from_both_sides),
        cmocka_unit_test(numbers_must_be_whole_and_fit),
        cmocka_unit_test(a_copy_with_nul_is_cut_to_its_room),
        cmocka_unit_test(a_column_is_a_character),
        cmocka_unit_test(words_are_found_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
