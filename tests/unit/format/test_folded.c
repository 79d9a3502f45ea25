/* SPDX-License-Identifier: Apache-2.0 */
#include "../stack_at.h"
#include "formats.h"

static void stacks_come_back_sorted_and_summed(void **state)
{
    (void)state;
    check_stacks(S("main;b;c 3\nmain;a 1\r\n# a comment\n\nmain;b;c 4"), "folded", "samples",
                 "main;a 1\nmain;b;c 7\n");
}

static void annotations_become_inlines_and_mappings(void **state)
{
    (void)state;
    osp_err err;
    osp_profile *p = read_as(S("main;a;b_[i];c_[i] 3\nmain;read_[k] 1\nmain;jit_[j] 1\n"), "folded", NULL, &err);
    assert_non_null(p);
    assert_int_equal(stack_at(p, (osp_stack_id){0}).n, 2); /* a, b and c are one location */
    uint32_t leaf = stack_at(p, (osp_stack_id){0}).loc[0].i;
    assert_int_equal(p->locations.first[leaf + 1] - p->locations.first[leaf], 3);
    osp_string_id inner = p->functions.row[p->locations.line[p->locations.first[leaf]].fn.i].name;
    assert_true(osp_str_eq(osp_text(p, inner), S("c")));
    osp_buf out = written(p, "annotated", "samples"), plain = written(p, "folded", "samples");
    osp_buf_byte(&out, 0);
    osp_buf_byte(&plain, 0);
    assert_string_equal(out.p, "main;a;b_[i];c_[i] 3\nmain;jit 1\nmain;read_[k] 1\n");
    assert_string_equal(plain.p, "main;a;b;c 3\nmain;jit 1\nmain;read 1\n");
    osp_buf_drop(&out);
    osp_buf_drop(&plain);
    osp_profile_drop(p);
}

static void blanks_in_names_and_odd_counts_are_read(void **state)
{
    (void)state;
    check_stacks(S("a b;c d 12\nx;y 1.75\nz;y -3\n"), "folded", "samples", "a b;c d 12\nx;y 1\nz;y -3\n");
}

static void names_cannot_break_the_form(void **state)
{
    (void)state;
    osp_err err;
    osp_builder *b = osp_builder_new(1 << 20, &err);
    osp_builder_value(b, S("samples"), S("count"));
    osp_line line = {.fn = osp_builder_function(b, S("f(a;\nb)"), S(""), S(""), 0)};
    osp_mapping_id m = osp_builder_mapping(b, 0, 0, 0, S("/usr/lib/libc.so.6"), S(""), 0);
    osp_location_id at[] = {osp_builder_location(b, m, 0x10, NULL, 0), osp_builder_location(b, m, 0x20, &line, 1),
                            osp_builder_location(b, (osp_mapping_id){0}, 0x30, NULL, 0)};
    osp_builder_sample(b, osp_builder_stack(b, at, 3), (osp_labelset_id){0}, &(int64_t){5}, 0);
    osp_profile *p = osp_builder_finish(b, &err);
    assert_non_null(p);
    osp_buf out = written(p, "folded", "samples");
    osp_buf_byte(&out, 0);
    assert_string_equal(out.p, "[unknown];f(a: b);[libc.so.6] 5\n");
    osp_buf_drop(&out);
    osp_profile_drop(p);
}

static void a_sample_without_a_stack_is_one(void **state)
{
    (void)state;
    check_stacks(S("main;b 3\n 1\n"), "folded", "samples", " 1\nmain;b 3\n");
}

static void a_line_longer_than_the_head_is_known(void **state)
{
    (void)state;
    enum { FRAMES = 20000 };
    osp_buf text = osp_buf_of(SIZE_MAX / 2);
    osp_err err = {0};
    for (int i = 0; i < FRAMES; i++)
        osp_buf_fmt(&text, "frame%d;", i);
    osp_buf_add(&text, S("leaf 7\n"));
    osp_found found;
    osp_profile *p = read_as(osp_buf_str(&text), "", &found, &err);
    assert_non_null(p);
    assert_int_equal(p->functions.n, FRAMES + 2); /* the first stands for none */
    osp_profile_drop(p);
    text.n -= 3; /* without a count it is no stack */
    assert_null(read_as(osp_buf_str(&text), "", &found, &err));
    osp_buf_drop(&text);
}

static void what_is_not_folded_is_refused(void **state)
{
    (void)state;
    osp_err err;
    osp_found found;
    check_refused(S("a line\nanother\n"), "folded", "2 of 2 lines were not understood, the first is line 1");
    check_refused(S("# nothing\n"), "folded", "not one sample");
    check_refused(S("a;b 99999999999999999999\n"), "folded", "1 of 1");
    osp_profile *p = read_as(S("a;b 1\nnonsense\nc;d 2\n"), "folded", &found, &err);
    assert_non_null(p);
    assert_string_equal(found.note, "1 of 3 lines were not understood and left out, the first is line 2");
    osp_profile_drop(p);
}

/* Texts whose lines end in numbers, too. */
static void legacy_texts_without_their_head_are_not_taken_for_folded(void **state)
{
    (void)state;
    static const char *const others[] = {
        "1: 8 [1: 8] @ 10 20\n2: 16 [2: 16] @ 30 40\n", /* heap, addresses that look decimal */
        "heap profile: 1: 8 [1: 8] @ nokind 5\n",
        "    13: 90800 [2749: 531902640] @ 401000\n",
        "7 @ 401000\n3 @ 402000\n", /* counts of Go */
        "100 2 @ 10 20\n",          /* contention */
        "cycles/second = 2494255279\nsampling period = 3\n",
        "--- threadz 1\n",
        "goroutine profile: total 5\n# nothing\nx",
        "00400000-00fcb000 r-xp 00000000 fd:00 1234\n7f0000000000-7f0000001000 rw-p 00000000 00:00 0\n",
        "1: 64\n2: 128\n",
        "1 2\n3 4\n",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        osp_err err = {0};
        osp_found found;
        osp_profile *p = read_as(osp_str_from(others[i]), "", &found, &err);
        if (p)
            fail_msg("read as %s: %s", found.format->name, others[i]);
    }
    check_stacks(S("main 3\n0x401000 4\n"), "folded", "samples", "0x401000 4\nmain 3\n");
    check_stacks(S("f@plt 3\nmail @ home 4\n"), "folded", "samples", "f@plt 3\nmail @ home 4\n");
    check_stacks(S("1;2 3\n"), "folded", "samples", "1;2 3\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stacks_come_back_sorted_and_summed),
        cmocka_unit_test(annotations_become_inlines_and_mappings),
        cmocka_unit_test(blanks_in_names_and_odd_counts_are_read),
        cmocka_unit_test(names_cannot_break_the_form),
        cmocka_unit_test(what_is_not_folded_is_refused),
        cmocka_unit_test(a_sample_without_a_stack_is_one),
        cmocka_unit_test(a_line_longer_than_the_head_is_known),
        cmocka_unit_test(legacy_texts_without_their_head_are_not_taken_for_folded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
