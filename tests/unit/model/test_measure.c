/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void values_are_printed_in_units_as_the_peer_prints_them(void **state)
{
    (void)state;
    const struct {
        int64_t value;
        const char *from, *to, *want;
    } cases[] = {
        {0, "nanoseconds", "auto", "0"},
        {1, "s", "ms", "1000ms"},
        {1500000000, "nanoseconds", "auto", "1.50s"},
        {-1500000000, "nanoseconds", "auto", "-1.50s"},
        {3600, "s", "hrs", "1hrs"},
        {100, "kb", "b", "102400B"},
        {100, "kbyte", "b", "102400B"},
        {104857600, "Byte", "auto", "100MB"},
        {2048, "kb", "parsec", "2097152B"},
        {-2048, "kb", "gb", "0"},
        {5, "count", "minimum", "5"},
        {5, "widgets", "ms", "5ms"},
        {10, "ms", "bananas", "0.01s"},
        {1, "microgcu", "nanogcu", "1000n*GCU"},
        {INT64_MIN, "count", "count", "-9223372036854775808"},
    };
    char text[600];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(
            osp_scaled(cases[i].value, osp_str_from(cases[i].from), osp_str_from(cases[i].to), text, sizeof text),
            cases[i].want);
}

static void percentages_keep_two_digits_and_six_columns(void **state)
{
    (void)state;
    const struct {
        int64_t part, total;
        const char *want;
    } cases[] = {
        {0, 0, "    0%"},          {5, 0, "    0%"},        {100, 100, "  100%"},     {9996, 10000, "  100%"},
        {9994, 10000, "99.94%"},   {1, 3, "33.33%"},        {1, 1000, "  0.1%"},      {-1, 3, "33.33%"},
        {12345, 100, "12345.00%"}, {1, 300000, "0.00033%"}, {1, 3000000, "3.3e-05%"},
    };
    char text[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(osp_percent(cases[i].part, cases[i].total, text, sizeof text), cases[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_printed_in_units_as_the_peer_prints_them),
        cmocka_unit_test(percentages_keep_two_digits_and_six_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
