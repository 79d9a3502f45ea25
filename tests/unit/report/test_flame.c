/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static osp_builder *b;

static osp_location_id at(const char *name, const char *file, const char *mapping)
{
    osp_line line = {.fn = osp_builder_function(b, osp_str_from(name), S(""), osp_str_from(file), 0)};
    return osp_builder_location(b, osp_builder_mapping(b, 0, 0, 0, osp_str_from(mapping), S(""), 0), 0, &line, 1);
}

static osp_answer picture(void)
{
    osp_err err;
    osp_profile *p = osp_builder_finish(b, &err);
    assert_non_null(p);
    osp_report_opts o = osp_report_defaults();
    osp_answer answer = osp_answer_new();
    if (!osp_report_write(osp_report_named(S("flame")), p, &o, &answer, &err))
        fail_msg("%s", err.msg);
    osp_buf_byte(&answer.text, 0);
    osp_profile_drop(p);
    return answer;
}

static void start(void)
{
    osp_err err;
    b = osp_builder_new(1 << 24, &err);
    assert_non_null(b);
    osp_builder_value(b, S("cpu"), S("nanoseconds"));
}

static void add(osp_location_id *leaf_first, size_t n, int64_t value)
{
    osp_builder_sample(b, osp_builder_stack(b, leaf_first, n), (osp_labelset_id){0}, &value, 0);
}

static void frames_have_their_share_and_their_origin(void **state)
{
    (void)state;
    start();
    osp_location_id root = at("main.main", "main.go", "/bin/x");
    add((osp_location_id[]){at("deflate", "deflate.c", "/lib/z.so"), root}, 2, 3000000000);
    add((osp_location_id[]){at("sys_read", "", "[kernel.kallsyms]"), root}, 2, 1000000000);
    osp_answer a = picture();
    assert_non_null(strstr(a.text.p, "<title>main.main\n4s,   100% of all</title>"));
    assert_non_null(strstr(
        a.text.p, "data-x=\"0\" data-w=\"0.75\" data-y=\"2\"><title>deflate\n3s, 75.00% of all; own 3s</title>"));
    assert_non_null(strstr(a.text.p, "data-x=\"0.75\" data-w=\"0.25\" data-y=\"2\"><title>sys_read"));
    assert_non_null(strstr(a.text.p, ">C 75.00%</text>"));
    assert_non_null(strstr(a.text.p, ">kernel 25.00%</text>"));
    osp_answer_drop(&a);
}

static void names_cannot_break_the_picture(void **state)
{
    (void)state;
    start();
    osp_location_id evil = at("</title><script>alert(\"1\")&]]>\n\xff", "", "");
    add(&evil, 1, 5);
    osp_answer a = picture();
    assert_null(strstr(a.text.p, "<script>alert"));
    assert_non_null(strstr(a.text.p, "&#60;/title&#62;&#60;script&#62;alert(&#34;1&#34;)&#38;]]&#62;??"));
    osp_answer_drop(&a);
}

static void what_is_too_small_is_left_out_and_said(void **state)
{
    (void)state;
    start();
    osp_location_id big = at("big", "", ""), small = at("small", "", "");
    add(&big, 1, 1000000);
    add((osp_location_id[]){small, big}, 2, 10);
    osp_answer a = picture();
    assert_null(strstr(a.text.p, "<title>small"));
    assert_non_null(strstr(a.text.p, "1 frames below 0.1 % are left out"));
    osp_answer_drop(&a);
}

static void nothing_is_a_picture_too(void **state)
{
    (void)state;
    start();
    osp_answer a = picture();
    assert_non_null(strstr(a.text.p, "</svg>"));
    osp_answer_drop(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_have_their_share_and_their_origin),
        cmocka_unit_test(names_cannot_break_the_picture),
        cmocka_unit_test(what_is_too_small_is_left_out_and_said),
        cmocka_unit_test(nothing_is_a_picture_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
