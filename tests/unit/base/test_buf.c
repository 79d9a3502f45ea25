/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void text_is_added_in_every_way(void **state)
{
    (void)state;
    osp_buf b = osp_buf_of(1000);
    osp_buf_add(&b, S("flat"));
    osp_buf_byte(&b, ':');
    osp_buf_fill(&b, ' ', 3);
    osp_buf_fmt(&b, "%5.1f%%", 94.25);
    osp_buf_add(&b, (osp_str){NULL, 0});
    osp_buf_fill(&b, 'x', 0);
    assert_true(osp_str_eq(osp_buf_str(&b), S("flat:    94.2%")));
    assert_false(b.failed);
    osp_buf_drop(&b);
    assert_int_equal(b.n, 0);
    assert_int_equal(b.max, 1000);
}

static void it_grows_to_its_maximum_and_no_further(void **state)
{
    (void)state;
    osp_buf b = osp_buf_of(1000);
    for (int i = 0; i < 1000; i++)
        osp_buf_byte(&b, (uint8_t)i);
    assert_int_equal(b.n, 1000);
    assert_false(b.failed);
    osp_buf_byte(&b, 'x');
    assert_true(b.failed);
    assert_int_equal(b.n, 1000);
    osp_buf_drop(&b);
}

static void what_does_not_fit_leaves_it_as_it_was_and_is_remembered(void **state)
{
    (void)state;
    osp_buf b = osp_buf_of(300);
    osp_buf_add(&b, S("kept"));
    osp_buf_fill(&b, 'x', 297);
    assert_true(b.failed);
    osp_buf_add(&b, S("more"));
    osp_buf_fmt(&b, "%d", 12345);
    assert_true(osp_str_eq(osp_str_head(osp_buf_str(&b), 4), S("kept")));
    assert_true(b.failed);
    assert_null(osp_buf_room(&b, SIZE_MAX));
    osp_buf_drop(&b);
    assert_false(b.failed);
}

static void a_small_maximum_is_one_too(void **state)
{
    (void)state;
    osp_buf b = osp_buf_of(20);
    for (int i = 0; i < 30; i++)
        osp_buf_byte(&b, 'x');
    assert_int_equal(b.n, 20);
    assert_true(b.failed && b.cap <= 20);
    osp_buf_drop(&b);
    for (int i = 0; i < 30; i++) {
        osp_buf_byte(&b, 'x');
        osp_buf_fmt(&b, "%d", i);
        osp_buf_quote(&b, S("\x01"));
    }
    assert_true(b.failed && b.n <= 20 && b.cap <= 20);
    osp_buf_drop(&b);
}

static void long_formats_come_out_whole(void **state)
{
    (void)state;
    osp_buf b = osp_buf_of(100000);
    for (int width = 1; width < 700; width += 97) {
        size_t before = b.n;
        osp_buf_fmt(&b, "%*d", width, 7);
        assert_int_equal(b.n - before, width);
        assert_int_equal(b.p[b.n - 1], '7');
    }
    osp_buf_drop(&b);
}

static void arrays_grow_by_doubling_and_keep_what_they_hold(void **state)
{
    (void)state;
    void *array = NULL;
    size_t cap = 0;
    for (size_t i = 0; i < 1000; i++) {
        assert_true(osp_grow(&array, &cap, i + 1, sizeof(uint32_t)));
        assert_true(cap > i && cap <= 2048);
        ((uint32_t *)array)[i] = (uint32_t)i;
    }
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(((uint32_t *)array)[i], i);
    size_t was = cap;
    assert_false(osp_grow(&array, &cap, SIZE_MAX, 8));
    assert_false(osp_grow(&array, &cap, SIZE_MAX / 2, 8));
    assert_int_equal(cap, was);
    assert_int_equal(((uint32_t *)array)[999], 999);
    free(array);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_added_in_every_way),
        cmocka_unit_test(it_grows_to_its_maximum_and_no_further),
        cmocka_unit_test(what_does_not_fit_leaves_it_as_it_was_and_is_remembered),
        cmocka_unit_test(a_small_maximum_is_one_too),
        cmocka_unit_test(long_formats_come_out_whole),
        cmocka_unit_test(arrays_grow_by_doubling_and_keep_what_they_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
