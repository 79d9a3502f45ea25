/* SPDX-License-Identifier: Apache-2.0 */
/* pprof's options: how their texts are read and written, as variables and as flags. What is expected is what Go's strconv
 * and flag packages do (tests/differential/pprof_flags.py and pprof_shell.py ask them). */
#include "report/report.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const osp_field *field(const char *name)
{
    const osp_choice *choice;
    return osp_field_named(osp_str_from(name), &choice);
}

/* The option's text after it was set to value; what was wrong instead. */
static const char *after(bool as_flag, const char *name, const char *value, char out[300])
{
    osp_config c = osp_config_defaults();
    osp_err err = {0};
    osp_buf text = osp_buf_of(1000);
    const osp_field *f = field(name);
    bool ok = as_flag ? osp_field_set_flag(f, &c, osp_str_from(value), &err)
                      : osp_field_set(f, &c, osp_str_from(value), &err);
    if (ok)
        osp_field_text(f, &c, &text);
    osp_str_z(ok ? osp_buf_str(&text) : osp_str_from(err.msg), out, 300);
    osp_buf_drop(&text);
    return out;
}

static void every_option_is_found_by_its_name_and_its_choices(void **state)
{
    (void)state;
    for (const osp_field *f = osp_fields; f->name; f++) {
        const osp_choice *choice;
        assert_ptr_equal(osp_field_named(osp_str_from(f->name), &choice), f);
        assert_null(choice);
        assert_true(f->help && f->help[0]);
        assert_int_equal(f->kind == OSP_FIELD_CHOICE, f->choices != NULL);
        for (const osp_choice *c = f->choices; c && c->name; c++) {
            assert_ptr_equal(osp_field_named(osp_str_from(c->name), &choice), f);
            assert_ptr_equal(choice, c);
        }
    }
    assert_null(field("no_such_option"));
}

static void variables_are_read_as_the_peer_reads_them(void **state)
{
    (void)state;
    static const char *const want[][3] = {
        {"mean", "", "true"},
        {"mean", "YES", "true"},
        {"mean", "n", "false"},
        {"mean", "maybe", "illegal value \"maybe\" for bool variable"},
        {"nodecount", "-1", "-1"},
        {"nodecount", "+7", "7"},
        {"nodecount", "0x7", "strconv.Atoi: parsing \"0x7\": invalid syntax"},
        {"nodecount", "", "strconv.Atoi: parsing \"\": invalid syntax"},
        {"nodecount", "9223372036854775808", "strconv.Atoi: parsing \"9223372036854775808\": value out of range"},
        {"nodecount", "\x1b", "strconv.Atoi: parsing \"\\x1b\": invalid syntax"},
        {"divide_by", "1000000", "1e+06"},
        {"divide_by", "100000", "100000"},
        {"divide_by", "1234567.5", "1.2345675e+06"},
        {"divide_by", ".0001", "0.0001"},
        {"divide_by", "0.00001", "1e-05"},
        {"divide_by", "0x1p-3", "0.125"},
        {"divide_by", "0x1", "strconv.ParseFloat: parsing \"0x1\": invalid syntax"},
        {"divide_by", "1_0.5", "10.5"},
        {"divide_by", "1__0", "strconv.ParseFloat: parsing \"1__0\": invalid syntax"},
        {"divide_by", "-inf", "-Inf"},
        {"divide_by", "nan", "NaN"},
        {"divide_by", "+nan", "strconv.ParseFloat: parsing \"+nan\": invalid syntax"},
        {"divide_by", "1e999", "strconv.ParseFloat: parsing \"1e999\": value out of range"},
        {"divide_by", "1e-999", "0"},
        {"sort", "cum", "cum"},
        {"sort", "up", "invalid \"sort\" value \"up\""},
        {"focus", "a b", "a b"},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        char out[300];
        assert_string_equal(after(false, want[i][0], want[i][1], out), want[i][2]);
    }
}

static void flags_are_read_as_go_reads_them(void **state)
{
    (void)state;
    static const char *const want[][3] = {
        {"mean", "T", "true"},
        {"mean", "yes", "invalid boolean value \"yes\" for -mean: parse error"},
        {"nodecount", "0x1f", "31"},
        {"nodecount", "0b101", "5"},
        {"nodecount", "017", "15"},
        {"nodecount", "0o17", "15"},
        {"nodecount", "08", "invalid value \"08\" for flag -nodecount: parse error"},
        {"nodecount", "1_000", "1000"},
        {"nodecount", "0x_1f", "31"},
        {"nodecount", "_1", "invalid value \"_1\" for flag -nodecount: parse error"},
        {"nodecount", "-9223372036854775808", "-9223372036854775808"},
        {"nodecount", "-9223372036854775809",
         "invalid value \"-9223372036854775809\" for flag -nodecount: value out of range"},
        {"nodefraction", "x", "invalid value \"x\" for flag -nodefraction: parse error"},
        {"focus", "", ""},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        char out[300];
        assert_string_equal(after(true, want[i][0], want[i][1], out), want[i][2]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_is_found_by_its_name_and_its_choices),
        cmocka_unit_test(variables_are_read_as_the_peer_reads_them),
        cmocka_unit_test(flags_are_read_as_go_reads_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
