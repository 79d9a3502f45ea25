/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cur.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static osp_err err;

static osp_cur on(const void *p, size_t n)
{
    err = (osp_err){0};
    return osp_cur_on((osp_span){p, n}, "input", &err);
}

static void words_are_read_little_endian_in_order(void **state)
{
    (void)state;
    static const uint8_t in[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    osp_cur c = on(in, sizeof in);
    assert_int_equal(osp_cur_u8(&c), 1);
    assert_int_equal(osp_cur_u16(&c), 0x0302);
    assert_int_equal(osp_cur_u32(&c), 0x07060504);
    assert_true(osp_cur_u64(&c) == 0x0f0e0d0c0b0a0908u);
    assert_int_equal(osp_cur_left(&c), 0);
    assert_false(c.bad);
}

static void past_the_end_everything_is_zero_and_the_first_message_stays(void **state)
{
    (void)state;
    static const uint8_t in[] = {1, 2, 3};
    osp_cur c = on(in, sizeof in);
    assert_int_equal(osp_cur_u16(&c), 0x0201);
    assert_int_equal(osp_cur_u32(&c), 0);
    assert_true(c.bad);
    assert_int_equal(err.code, OSP_EFORMAT);
    assert_string_equal(err.msg, "input+0x2: 4 bytes wanted, 1 left");
    assert_int_equal(osp_cur_u8(&c), 0);
    assert_int_equal(osp_cur_uvarint(&c), 0);
    assert_int_equal(osp_cur_sleb(&c), 0);
    assert_int_equal(osp_cur_cstr(&c).n, 0);
    assert_int_equal(osp_cur_bytes(&c, 1).n, 0);
    osp_cur_seek(&c, 0);
    assert_int_equal(osp_cur_left(&c), 0);
    assert_string_equal(err.msg, "input+0x2: 4 bytes wanted, 1 left");
}

static void varints_reach_from_zero_to_the_largest_word(void **state)
{
    (void)state;
    static const struct {
        uint8_t in[10];
        size_t n;
        uint64_t u;
        int64_t s;
    } row[] = {
        {{0x00}, 1, 0, 0},
        {{0x7f}, 1, 127, -1},
        {{0x3f}, 1, 63, 63},
        {{0x80, 0x01}, 2, 128, 128},
        {{0x80, 0x7f}, 2, 16256, -128},
        {{0xe5, 0x8e, 0x26}, 3, 624485, 624485},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 10, UINT64_MAX, -1},
        {{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}, 10, 1ull << 63, INT64_MIN},
        {{0x80, 0x80, 0x00}, 3, 0, 0}, /* longer than needed is allowed */
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        osp_cur c = on(row[i].in, row[i].n);
        assert_true(osp_cur_uvarint(&c) == row[i].u);
        assert_int_equal(osp_cur_left(&c), 0);
        osp_cur_seek(&c, 0);
        assert_true(osp_cur_sleb(&c) == row[i].s);
        assert_false(c.bad);
    }
}

static void varint_of_eleven_bytes_is_refused(void **state)
{
    (void)state;
    static const uint8_t eleven[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01};
    osp_cur c = on(eleven, sizeof eleven);
    assert_int_equal(osp_cur_uvarint(&c), 0);
    assert_true(c.bad);
    assert_non_null(strstr(err.msg, "longer than 64 bits"));
    static const uint8_t too_large[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    c = on(too_large, sizeof too_large);
    assert_int_equal(osp_cur_uvarint(&c), 0);
    assert_true(c.bad);
    c = on(eleven, sizeof eleven);
    assert_int_equal(osp_cur_sleb(&c), 0);
    assert_true(c.bad);
    c = on(eleven, 3);
    assert_int_equal(osp_cur_uvarint(&c), 0);
    assert_string_equal(err.msg, "input+0x3: 1 bytes wanted, 0 left");
}

static void text_ends_at_its_nul_and_must_have_one(void **state)
{
    (void)state;
    osp_cur c = on("one\0\0rest", 9);
    assert_true(osp_str_eq(osp_cur_cstr(&c), S("one")));
    assert_true(osp_str_eq(osp_cur_cstr(&c), S("")));
    assert_false(c.bad);
    assert_true(osp_str_eq(osp_cur_cstr(&c), S("")));
    assert_string_equal(err.msg, "input+0x5: text without an end");
}

static void a_window_cannot_be_left(void **state)
{
    (void)state;
    static const uint8_t in[] = {1, 2, 3, 4, 5};
    osp_cur c = on(in, sizeof in);
    osp_cur sub = osp_cur_sub(&c, 3, "part");
    assert_int_equal(osp_cur_u8(&c), 4);
    assert_int_equal(osp_cur_u16(&sub), 0x0201);
    assert_int_equal(osp_cur_u16(&sub), 0);
    assert_true(sub.bad);
    assert_false(c.bad);
    assert_string_equal(err.msg, "part+0x2: 2 bytes wanted, 1 left");
    osp_cur none = osp_cur_sub(&c, 9, "more");
    assert_true(none.bad && c.bad);
}

static void lengths_that_would_wrap_around_are_refused(void **state)
{
    (void)state;
    static const uint8_t in[] = {1, 2, 3, 4};
    for (size_t back = 0; back < 4; back++) {
        osp_cur c = on(in, sizeof in);
        osp_cur_u16(&c);
        osp_cur_skip(&c, SIZE_MAX - back);
        assert_true(c.bad);
        assert_int_equal(c.at, 2);
    }
    osp_cur c = on(in, sizeof in);
    osp_cur_seek(&c, 4);
    assert_false(c.bad);
    osp_cur_seek(&c, 5);
    assert_true(c.bad);
}

static void nothing_can_be_read_from_nothing(void **state)
{
    (void)state;
    osp_cur c = on(NULL, 0);
    assert_int_equal(osp_cur_bytes(&c, 0).n, 0);
    assert_false(c.bad);
    osp_cur_u8(&c);
    assert_true(c.bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_read_little_endian_in_order),
        cmocka_unit_test(past_the_end_everything_is_zero_and_the_first_message_stays),
        cmocka_unit_test(varints_reach_from_zero_to_the_largest_word),
        cmocka_unit_test(varint_of_eleven_bytes_is_refused),
        cmocka_unit_test(text_ends_at_its_nul_and_must_have_one),
        cmocka_unit_test(a_window_cannot_be_left),
        cmocka_unit_test(lengths_that_would_wrap_around_are_refused),
        cmocka_unit_test(nothing_can_be_read_from_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
