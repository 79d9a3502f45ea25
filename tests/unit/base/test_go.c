/* SPDX-License-Identifier: Apache-2.0 */
#include "base/go.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void words_end_at_any_blank_of_unicode(void **state)
{
    (void)state;
    osp_str line = S("\u00a0 a\u3000b\u2003\tc\u200b ");
    assert_true(osp_str_eq(osp_go_trim(line), S("a\u3000b\u2003\tc\u200b")));
    assert_true(osp_str_eq(osp_go_cut_field(&line), S("a")));
    assert_true(osp_str_eq(osp_go_cut_field(&line), S("b")));
    assert_true(osp_str_eq(osp_go_cut_field(&line), S("c\u200b")));
    assert_int_equal(osp_go_cut_field(&line).n, 0);
    assert_int_equal(osp_go_trim(S("\xe3\x80")).n, 2); /* the beginning of a blank is none */
    assert_int_equal(osp_go_trim(S("\u3000 \n")).n, 0);
}

/* What Go 1.26's strconv.ParseInt answers. */
static void whole_numbers_are_read_as_strconv_reads_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int base;
        osp_go_outcome how;
        int64_t value;
    } want[] = {
        {"0", 0, OSP_GO_FINE, 0},
        {"0", 10, OSP_GO_FINE, 0},
        {"-017", 0, OSP_GO_FINE, -15},
        {"-017", 10, OSP_GO_FINE, -17},
        {"0_7", 0, OSP_GO_FINE, 7},
        {"0b1_0", 0, OSP_GO_FINE, 2},
        {"0x", 0, OSP_GO_SYNTAX, 0},
        {"+", 0, OSP_GO_SYNTAX, 0},
        {"", 10, OSP_GO_SYNTAX, 0},
        {"1_0", 10, OSP_GO_SYNTAX, 0},
        {"1__0", 0, OSP_GO_SYNTAX, 0},
        {"1_", 0, OSP_GO_SYNTAX, 0},
        {"1z", 10, OSP_GO_SYNTAX, 0},
        {"-9223372036854775808", 10, OSP_GO_FINE, INT64_MIN},
        {"9223372036854775808", 10, OSP_GO_RANGE, 0},
        {"99999999999999999999", 10, OSP_GO_RANGE, 0},
        {"99999999999999999999x", 10, OSP_GO_RANGE, 0}, /* too large before it is wrong */
        {"9223372036854775808x", 10, OSP_GO_SYNTAX, 0},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        int64_t value = 0;
        assert_int_equal(osp_go_read_int(osp_str_from(want[i].text), want[i].base, &value), want[i].how);
        assert_int_equal(value, want[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_end_at_any_blank_of_unicode),
        cmocka_unit_test(whole_numbers_are_read_as_strconv_reads_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
