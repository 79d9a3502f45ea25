/* SPDX-License-Identifier: Apache-2.0 */
/* OpenTelemetry's profiles. */
#include "formats.h"

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    osp_err err = {0};
    osp_found found;
    osp_profile *p = read_as(S("main;a;b_[i] 3\nmain;sys_read_[k] 4\nmain 1\n"), "folded", NULL, &err);
    assert_non_null(p);
    osp_buf out = written(p, "otlp", "samples");
    check_stacks(osp_buf_str(&out), "otlp", "samples", "main 1\nmain;a;b_[i] 3\nmain;sys_read_[k] 4\n");
    osp_profile *again = read_as(osp_buf_str(&out), "", &found, &err);
    assert_non_null(again);
    assert_int_equal(again->period, 1);
    assert_int_equal(again->mappings.n, p->mappings.n);
    assert_int_equal(again->mappings.row[1].has, p->mappings.row[1].has);
    osp_profile_drop(again);
    osp_buf_drop(&out);
    osp_profile_drop(p);
}

/* Two types, labels of text and numbers, inlined frames, a build id: everything but ids of rows comes back. */
static void several_types_are_one_profile_again(void **state)
{
    (void)state;
    osp_err err = {0};
    osp_builder *b = osp_builder_new(1 << 20, &err);
    osp_builder_value(b, S("samples"), S("count"));
    osp_builder_value(b, S("cpu"), S("nanoseconds"));
    osp_mapping_id m = osp_builder_mapping(b, 0x1000, 0x9000, 0x1000, S("/bin/x"), S("abcd"), OSP_HAS_FUNCTIONS);
    osp_line line[2] = {{osp_builder_function(b, S("in"), S("_in"), S("x.c"), 3), 7, 4},
                        {osp_builder_function(b, S("out"), S("_out"), S("x.c"), 9), 0, 10}};
    osp_location_id at[2] = {osp_builder_location(b, m, 0x1234, line, 2),
                             osp_builder_location(b, m, 0x2000, NULL, 0)};
    osp_label label[2] = {
        {.key = osp_builder_string(b, S("user")), .str = osp_builder_string(b, S("ann"))},
        {.key = osp_builder_string(b, S("size")), .unit = osp_builder_string(b, S("bytes")), .num = 64}};
    osp_labelset_id set = osp_builder_labels(b, label, 2);
    osp_builder_sample(b, osp_builder_stack(b, at, 2), set, (int64_t[]){2, 20}, 0);
    osp_builder_sample(b, osp_builder_stack(b, at, 1), (osp_labelset_id){0}, (int64_t[]){1, -5}, 0);
    osp_builder_head(b, &(osp_profile_head){.time_ns = 11, .duration_ns = 12, .period = 13, .drop_frames = S("x.*")});
    osp_profile *p = osp_builder_finish(b, &err);
    assert_non_null(p);
    osp_buf out = written(p, "otlp", "cpu");
    osp_profile *q = read_as(osp_buf_str(&out), "", NULL, &err);
    assert_non_null(q);
    assert_int_equal(q->samples.n, 2);
    assert_int_equal(q->values.n, 2);
    assert_int_equal(q->samples.value[0][0], 2);
    assert_int_equal(q->samples.value[1][0], 20);
    assert_int_equal(q->samples.value[1][1], -5);
    const osp_label *l = &q->labelsets.label[q->labelsets.first[q->samples.labels[0].i]];
    assert_true(osp_str_eq(osp_text(q, l[0].str), S("ann")) && l[1].num == 64);
    assert_true(osp_str_eq(osp_text(q, l[1].unit), S("bytes")));
    assert_true(osp_str_eq(osp_text(q, q->mappings.row[1].build_id), S("abcd")));
    assert_int_equal(q->mappings.row[1].has, OSP_HAS_FUNCTIONS);
    assert_int_equal(q->locations.addr[0], 0x1234);
    assert_int_equal(q->locations.line[0].column, 7);
    assert_int_equal(q->functions.row[2].start_line, 9);
    assert_true(q->time_ns == 11 && q->duration_ns == 12 && q->period == 13);
    assert_true(osp_str_eq(osp_text(q, q->drop_frames), S("x.*")));
    osp_profile_drop(q);
    osp_buf_drop(&out);
    osp_profile_drop(p);
}

static void broken_messages_are_refused(void **state)
{
    (void)state;
    /* ResourceProfiles { ScopeProfiles { Profile { Sample { stack 5 } } } } and no dictionary */
    check_refused(S("\x0a\x08\x12\x06\x12\x04\x12\x02\x08\x05"), "otlp", "a stack that is not there");
    check_refused(S("\x0a\x02\x12"), "otlp", "past the end");
    check_refused(S("\x12\x00"), "otlp", "no profile");
    /* dictionary { stack { location 3 } } */
    check_refused(S("\x0a\x04\x12\x02\x12\x00\x12\x04\x3a\x02\x08\x03"), "otlp", "a location that is not there");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(several_types_are_one_profile_again),
        cmocka_unit_test(broken_messages_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
