/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static osp_buf out;

static int set_up(void **state)
{
    (void)state;
    out = osp_buf_of(1 << 16);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    osp_buf_drop(&out);
    return 0;
}

static void an_object_with_everything_in_it(void **state)
{
    (void)state;
    osp_json j = osp_json_on(&out);
    osp_json_object(&j, NULL);
    osp_json_str(&j, "verdict", S("cgo-cpu-native"));
    osp_json_num(&j, "confidence", 0.97);
    osp_json_array(&j, "stack");
    osp_json_str(&j, NULL, S("main.main"));
    osp_json_int(&j, NULL, -5);
    osp_json_uint(&j, NULL, UINT64_MAX);
    osp_json_end(&j);
    osp_json_array(&j, "none");
    osp_json_end(&j);
    osp_json_object(&j, "empty");
    osp_json_end(&j);
    osp_json_bool(&j, "found", true);
    osp_json_end(&j);
    assert_true(osp_str_eq(osp_buf_str(&out), S("{\n"
                                                "  \"verdict\": \"cgo-cpu-native\",\n"
                                                "  \"confidence\": 0.97,\n"
                                                "  \"stack\": [\n"
                                                "    \"main.main\",\n"
                                                "    -5,\n"
                                                "    18446744073709551615\n"
                                                "  ],\n"
                                                "  \"none\": [],\n"
                                                "  \"empty\": {},\n"
                                                "  \"found\": true\n"
                                                "}\n")));
}

static osp_str quoted(osp_str s)
{
    out.n = 0;
    osp_json j = osp_json_on(&out);
    osp_json_str(&j, NULL, s);
    return osp_buf_str(&out);
}

static void text_is_escaped_where_json_asks_for_it(void **state)
{
    (void)state;
    assert_true(osp_str_eq(quoted(S("a\"b\\c\n\t\r\x01\x1f/")), S("\"a\\\"b\\\\c\\n\\t\\u000d\\u0001\\u001f/\"")));
    assert_true(osp_str_eq(quoted(S("\0")), S("\"\\u0000\"")));
    assert_true(osp_str_eq(quoted((osp_str){NULL, 0}), S("\"\"")));
    assert_true(osp_str_eq(quoted(S("µs ✓ 😀")), S("\"µs ✓ 😀\"")));
}

static void what_is_not_utf8_becomes_the_replacement_character(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\xff",
        "\x80",
        "\xc3", /* alone, a tail alone, cut short */
        "\xc0\xaf",
        "\xe0\x80\xaf",
        "\xf0\x80\x80\xaf", /* overlong */
        "\xed\xa0\x80",
        "\xf4\x90\x80\x80",
        "\xf8\x88\x80\x80", /* a surrogate, past U+10FFFF, five bytes */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        osp_str got = quoted(osp_str_from(bad[i]));
        assert_true(osp_str_starts(got, S("\"\\ufffd")));
        for (size_t k = 0; k < got.n; k++)
            assert_true((uint8_t)got.p[k] < 0x80);
    }
    assert_true(osp_str_eq(quoted(S("a\xffz")), S("\"a\\ufffdz\"")));
}

static void numbers_that_json_cannot_hold_are_null(void **state)
{
    (void)state;
    osp_json j = osp_json_on(&out);
    osp_json_array(&j, NULL);
    osp_json_num(&j, NULL, NAN);
    osp_json_num(&j, NULL, -INFINITY);
    osp_json_num(&j, NULL, 1e300);
    osp_json_int(&j, NULL, INT64_MIN);
    osp_json_end(&j);
    assert_true(osp_str_eq(osp_buf_str(&out), S("[\n  null,\n  null,\n  1e+300,\n  -9223372036854775808\n]\n")));
}

static void levels_go_thirty_two_deep(void **state)
{
    (void)state;
    osp_json j = osp_json_on(&out);
    for (int i = 0; i < 32; i++)
        i % 2 ? osp_json_object(&j, "k") : osp_json_array(&j, i ? "a" : NULL);
    for (int i = 0; i < 32; i++)
        osp_json_end(&j);
    size_t open = 0, closed = 0;
    for (size_t i = 0; i < out.n; i++) {
        open += out.p[i] == '[' || out.p[i] == '{';
        closed += out.p[i] == ']' || out.p[i] == '}';
    }
    assert_int_equal(open, 32);
    assert_int_equal(closed, 32);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(an_object_with_everything_in_it),
        CASE(text_is_escaped_where_json_asks_for_it),
        CASE(what_is_not_utf8_becomes_the_replacement_character),
        CASE(numbers_that_json_cannot_hold_are_null),
        CASE(levels_go_thirty_two_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
