/* SPDX-License-Identifier: Apache-2.0 */
#include "../stack_at.h"
#include "formats.h"

#define CHECK(text, want) check_stacks(S(text), "goroutines", "goroutine", want)

static const osp_label *label(const osp_profile *p, uint32_t row, const char *key)
{
    uint32_t set = p->samples.labels[row].i;
    for (uint32_t k = p->labelsets.first[set]; k < p->labelsets.first[set + 1]; k++)
        if (osp_str_eq(osp_text(p, p->labelsets.label[k].key), osp_str_from(key)))
            return &p->labelsets.label[k];
    return NULL;
}

static void check_label(const osp_profile *p, uint32_t row, const char *key, const char *text)
{
    const osp_label *l = label(p, row, key);
    assert_non_null(l);
    assert_true(osp_str_eq(osp_text(p, l->str), osp_str_from(text)));
}

static osp_profile *read_dump(osp_str text, osp_found *found)
{
    osp_err err = {0};
    osp_profile *p = read_as(text, "", found, &err);
    if (!p)
        fail_msg("%s", err.msg);
    return p;
}

static void equal_stacks_are_counted(void **state)
{
    (void)state;
    CHECK("goroutine 7 [chan receive]:\nmain.f(0x1, {0x2, ...})\n\tmain.go:7 +0x1d\nmain.main()\n\tmain.go:9 +0x2\n\n"
          "goroutine 8 [chan receive]:\nmain.f(0x9, {0x4, ...})\n\tmain.go:7 +0x1d\nmain.main()\n\tmain.go:9 +0x2\n",
          "main.main;main.f 2\n");
}

static void what_is_inlined_belongs_to_its_caller(void **state)
{
    (void)state;
    osp_profile *p = read_dump(S("goroutine 1 [running]:\na.leaf(...)\n\t/x y/a:b.go:3\na.(*T[...]).m.func1(0x0)\n"
                                 "\t/x y/a.go:17 +0x2c fp=0xc000 sp=0xc001 pc=0x401234\nmain.main()\n"
                                 "\t/x.go:1 +0x1 fp=0x1 sp=0x2 pc=0x402000\n"),
                               NULL);
    const osp_stack stack = stack_at(p, (osp_stack_id){0});
    assert_int_equal(stack.n, 2);
    uint32_t leaf = stack.loc[0].i, root = stack.loc[1].i;
    assert_int_equal(p->locations.addr[leaf], 0x401234);
    assert_int_equal(p->locations.addr[root], 0x401fff); /* goes on at 0x402000 */
    assert_int_equal(p->locations.first[leaf + 1] - p->locations.first[leaf], 2);
    const osp_line *l = &p->locations.line[p->locations.first[leaf]];
    assert_int_equal(l[0].line, 3);
    assert_true(osp_str_eq(osp_text(p, p->functions.row[l[0].fn.i].file), S("/x y/a:b.go")));
    assert_true(osp_str_eq(osp_text(p, p->functions.row[l[1].fn.i].name), S("a.(*T[...]).m.func1")));
    osp_profile_drop(p);
}

static void the_head_becomes_labels(void **state)
{
    (void)state;
    osp_profile *p = read_dump(S("goroutine 5 gp=0xc0 m=3 mp=0xc1 [select (no cases) (scan), 12 minutes, locked to "
                                 "thread, synctest bubble 4 "
                                 "labels:{\"ro]ute\": \"/a\\\"b\\u00e9\", \"k\": \"v\"}]:\nf()\n\tf.go:1 "
                                 "+0x1\ncreated by main.main.func2 in goroutine "
                                 "1\n\tmain.go:3 +0x4\n"),
                               NULL);
    assert_int_equal(p->samples.n, 1);
    check_label(p, 0, "state", "select (no cases)");
    check_label(p, 0, "locked", "to thread");
    check_label(p, 0, "synctest bubble", "4");
    check_label(p, 0, "created by", "main.main.func2");
    check_label(p, 0, "ro]ute", "/a\"b\xc3\xa9");
    check_label(p, 0, "k", "v");
    assert_int_equal(label(p, 0, "wait")->num, 12);
    assert_true(osp_str_eq(osp_text(p, label(p, 0, "wait")->unit), S("minutes")));
    osp_profile_drop(p);
}

static void frames_that_are_not_printed_leave_a_mark(void **state)
{
    (void)state;
    CHECK("goroutine 1 [running]:\nf(0x1)\n\tf.go:1 +0x1\n...23 frames elided...\ng()\n\tg.go:1 +0x1\n",
          "g;[frames elided];f 1\n");
    CHECK("goroutine 1 [running]:\npanic({0x1, 0x2})\n\tp.go:1 +0x1\nf()\n\tf.go:1 +0x1\n...additional frames "
          "elided...\n",
          "[frames elided];f;runtime.gopanic 1\n");
}

static void a_stack_that_comes_later_is_one_goroutine(void **state)
{
    (void)state;
    CHECK("goroutine 0 [idle]:\nruntime.futex()\n\ts:1 +0x1\n\n"
          "goroutine 3 [running]:\n\tgoroutine running on other thread; stack unavailable\n\n"
          "goroutine 4 [running]:\n\tgoroutine running on other thread; stack unavailable\ncreated by f\n\tf.go:1 "
          "+0x1\n\n-----\n\n"
          "goroutine 3 [running]:\nf()\n\tf.go:1 +0x1\n\nexit status 2\n",
          "[stack unavailable] 1\nf 1\n");
}

static void foreign_frames_keep_their_whole_name(void **state)
{
    (void)state;
    CHECK("goroutine 1 [syscall]:\nfoo(int)\n\t/src/foo.c:7 pc=0x1000\nnon-Go function\n\tpc=0x2000\nf()\n\tf.go:1 "
          "+0x1\n",
          "f;non-Go function;foo(int) 1\n");
    osp_profile *p = read_dump(S("goroutine 1 [syscall]:\nnon-Go function at pc=0x7f00\nf()\n\tf.go:1 +0x1\n"), NULL);
    assert_int_equal(p->locations.addr[stack_at(p, (osp_stack_id){0}).loc[0].i], 0x7f00);
    osp_profile_drop(p);
}

static void ancestors_are_not_of_the_stack(void **state)
{
    (void)state;
    CHECK("goroutine 9 [running]:\nf()\n\tf.go:1 +0x1\ncreated by g\n\tg.go:1 +0x1\n"
          "[originating from goroutine 1]:\ng(...)\n\tg.go:1 +0x1\ncreated by h\n\th.go:1 +0x1\n\n",
          "f 1\n");
}

static void a_dump_in_a_log_is_found_behind_its_prefix(void **state)
{
    (void)state;
    osp_found found;
    CHECK("Nov 22 10:00:00 host app[7]: hello\nNov 22 10:00:01 host app[7]: goroutine 1 [IO wait]:\r\n"
          "Nov 22 10:00:02 host app[7]: f()\r\nNov 22 10:00:03 host app[7]: \tf.go:1 +0x1\r\nNov 22 10:00:04 host "
          "app[7]: \r\n"
          "Nov 22 10:00:05 host app[7]: bye\n",
          "f 1\n");
    osp_profile_drop(read_dump(S("goroutine 1 [running]:\nwhat is this\nf()\n\tf.go:1 +0x1\n"), &found));
    assert_string_equal(found.note, "1 lines inside of stacks were not understood");
}

static void other_texts_are_refused(void **state)
{
    (void)state;
    check_refused(S("goroutine profile: total 1\n"), "goroutines", "there is no line");
    check_refused(S("goroutine x [running]:\n"), "goroutines", "there is no line");
    check_refused(S("my goroutine 1 [running] is here\n"), "goroutines", "there is no line");
    check_refused(S("subgoroutine 1 [running]:\n"), "goroutines", "there is no line");
    check_refused(S("goroutine 99999999999999999999999 [running]:\n"), "goroutines", "there is no line");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_stacks_are_counted),
        cmocka_unit_test(what_is_inlined_belongs_to_its_caller),
        cmocka_unit_test(the_head_becomes_labels),
        cmocka_unit_test(frames_that_are_not_printed_leave_a_mark),
        cmocka_unit_test(a_stack_that_comes_later_is_one_goroutine),
        cmocka_unit_test(foreign_frames_keep_their_whole_name),
        cmocka_unit_test(ancestors_are_not_of_the_stack),
        cmocka_unit_test(a_dump_in_a_log_is_found_behind_its_prefix),
        cmocka_unit_test(other_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
