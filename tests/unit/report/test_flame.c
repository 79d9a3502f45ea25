/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static osp_builder *b;

static osp_location_id at(const char *name, const char *file, const char *mapping)
{
    osp_line line = {.fn = osp_builder_function(b, osp_str_from(name), S(""), osp_str_from(file), 0)};
    return osp_builder_location(b, osp_builder_mapping(b, 0, 0, 0, osp_str_from(mapping), S(""), 0), 0, &line, 1);
}

static osp_answer picture_with(osp_report_opts o)
{
    osp_err err;
    osp_profile *p = osp_builder_finish(b, &err);
    assert_non_null(p);
    osp_answer answer = osp_answer_new();
    if (!osp_report_write(osp_report_named(S("flame")), p, &o, &answer, &err))
        fail_msg("%s", err.msg);
    osp_buf_byte(&answer.text, 0);
    osp_profile_drop(p);
    return answer;
}

static osp_answer picture(void) { return picture_with(osp_report_defaults()); }

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
    assert_non_null(strstr(a.text.p, "<title>deflate\n3s, 75.00% of all; own 3s</title><rect x=\"12.0\" y=\"120\" "
                                     "width=\"881.0\" height=\"18\" rx=\"2.5\" class=\"c4"));
    assert_non_null(
        strstr(a.text.p, "<title>sys_read\n1s, 25.00% of all; own 1s</title><rect x=\"894.0\" y=\"120\""));
    assert_non_null(strstr(a.text.p, "names:[\"all\",\n\"main.main\",\n\"deflate\",\n\"sys_read\"]"));
    assert_non_null(
        strstr(a.text.p, "values:[0,1000000000,3000000000,4000000000],\ntexts:[\"0\",\"1s\",\"3s\",\"4s\"]"));
    assert_non_null(strstr(a.text.p, "nodes:[0,0,3,0,7,0,1,3,0,0,0,2,2,2,4,1,3,1,1,6]}"));
    assert_non_null(strstr(a.text.p, ">C 75.00%</text>"));
    assert_non_null(strstr(a.text.p, ">kernel 25.00%</text>"));
    osp_answer_drop(&a);
}

static void a_name_without_a_file_is_go_s_where_there_is_a_runtime_of_go(void **state)
{
    (void)state;
    for (int go = 0; go < 2; go++) {
        start();
        osp_location_id root = at(go ? "runtime.goexit" : "start_thread", "", "");
        add((osp_location_id[]){at("example.com/x.(*T).Run", "", ""), root}, 2, 5);
        add((osp_location_id[]){at("std::vector<x.y>::at", "", ""), root}, 2, 3);
        add((osp_location_id[]){at("do_syscall_64_[k]", "", ""), root}, 2, 2);
        osp_answer a = picture();
        assert_non_null(strstr(a.text.p, go ? ">Go 50.00%<" : ">C 80.00%<"));
        assert_non_null(strstr(a.text.p, ">kernel 20.00%<"));
        osp_answer_drop(&a);
    }
}

static void a_frame_too_narrow_for_its_name_shows_the_function_s_own(void **state)
{
    (void)state;
    start();
    osp_location_id all = at("a", "", "");
    add((osp_location_id[]){at("example.com/pack.(*Type[example.com/z.Y]).Method", "", ""), all}, 2, 6);
    add((osp_location_id[]){at("std::vector<int, std::allocator<int> >::push_back(int const&)", "", ""), all}, 2, 6);
    add((osp_location_id[]){at("aVeryLongNameOfAFunctionThatDoesNotFit", "", ""), all}, 2, 12);
    add(&all, 1, 76);
    osp_answer a = picture();
    assert_non_null(strstr(a.text.p, ">Method</text>"));
    assert_non_null(strstr(a.text.p, ">push_back</text>"));
    assert_non_null(strstr(a.text.p, ">aVeryLongNameOfAFunc"));
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
    assert_non_null(strstr(a.text.p, "\\x3c/title\\x3e\\x3cscript\\x3ealert(\\x221\\x22)\\x26\\x5d\\x5d\\x3e??\""));
    osp_answer_drop(&a);
}

static void what_is_too_small_is_left_out_and_said(void **state)
{
    (void)state;
    start();
    osp_location_id big = at("big", "", ""), small = at("small", "", "");
    add(&big, 1, 1000000);
    add((osp_location_id[]){small, big}, 2, 5);
    osp_answer a = picture();
    assert_null(strstr(a.text.p, "small"));
    assert_non_null(strstr(a.text.p, "1 frames below 0.0011% are left out, 0.0005% stands in them"));
    osp_answer_drop(&a);
}

/* Siblings of a pixel each, between two that are wide. */
static void thin_neighbours_are_one_in_the_picture_and_themselves_in_the_data(void **state)
{
    (void)state;
    char name[16];
    start();
    osp_location_id root = at("root", "", ""), wide = at("a", "", ""), last = at("z", "", "");
    add((osp_location_id[]){wide, root}, 2, 500);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "thin%02d", i);
        add((osp_location_id[]){at("below", "", ""), at(name, "", ""), root}, 3, 1);
    }
    add((osp_location_id[]){last, root}, 2, 480);
    osp_answer a = picture();
    assert_non_null(strstr(a.text.p, "<title>20 more\n 2.00% of all</title><rect x=\"600.0\""));
    assert_null(strstr(a.text.p, "<title>thin"));
    assert_null(strstr(a.text.p, "<title>below"));
    assert_non_null(strstr(a.text.p, "\"thin00\",\n\"below\",\n\"thin01\""));
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

static void in_reverse_the_leaf_stands_at_the_root(void **state)
{
    (void)state;
    start();
    osp_location_id leaf = at("leaf", "", ""), one = at("one", "", ""), two = at("two", "", "");
    add((osp_location_id[]){leaf, one}, 2, 300);
    add((osp_location_id[]){leaf, two}, 2, 100);
    osp_report_opts o = osp_report_defaults();
    o.reverse = true;
    osp_answer a = picture_with(o);
    assert_non_null(strstr(a.text.p, "names:[\"all\",\n\"leaf\",\n\"one\",\n\"two\"]"));
    assert_non_null(strstr(a.text.p, "values:[0,100,300,400]"));
    assert_non_null(strstr(a.text.p, "nodes:[0,0,3,0,7,0,1,3,0,4,0,2,2,2,4,1,3,1,1,4]}"));
    osp_answer_drop(&a);
}

static void a_base_colours_what_changed(void **state)
{
    (void)state;
    osp_err err;
    start();
    osp_location_id up = at("up", "", ""), down = at("down", "", ""), gone = at("gone", "", "");
    add(&up, 1, 100);
    add(&down, 1, 200);
    add(&gone, 1, 100);
    osp_report_opts o = osp_report_defaults();
    osp_profile *base = osp_builder_finish(b, &err);
    assert_non_null(base);
    start();
    up = at("up", "", ""), down = at("down", "", ""); /* functions have other numbers */
    add(&down, 1, 20);
    add(&up, 1, 80);
    o.base = base;
    o.base_query = o.query;
    osp_answer a = picture_with(o);
    assert_non_null(strstr(a.text.p, "25.00% before, +55.00 points"));
    assert_non_null(strstr(a.text.p, "50.00% before, -30.00 points"));
    assert_non_null(strstr(a.text.p, " class=\"c16\"/>"));
    assert_null(strstr(a.text.p, "<title>gone"));
    osp_answer_drop(&a);
    osp_profile_drop(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_have_their_share_and_their_origin),
        cmocka_unit_test(a_name_without_a_file_is_go_s_where_there_is_a_runtime_of_go),
        cmocka_unit_test(a_frame_too_narrow_for_its_name_shows_the_function_s_own),
        cmocka_unit_test(names_cannot_break_the_picture),
        cmocka_unit_test(what_is_too_small_is_left_out_and_said),
        cmocka_unit_test(nothing_is_a_picture_too),
        cmocka_unit_test(thin_neighbours_are_one_in_the_picture_and_themselves_in_the_data),
        cmocka_unit_test(in_reverse_the_leaf_stands_at_the_root),
        cmocka_unit_test(a_base_colours_what_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
