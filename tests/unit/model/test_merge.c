/* SPDX-License-Identifier: Apache-2.0 */
/* Sums and differences: what the peer's -raw says about many more is in tests/differential. */
#include "../stack_at.h"
#include "model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* A program mapped at base: main.work, called by main.main, took cpu; a second stack took `other`. */
static osp_profile *build(uint64_t base, const char *unit, int64_t cpu, int64_t other, bool labels_turned)
{
    osp_err err;
    osp_builder *b = osp_builder_new(1 << 20, &err);
    osp_builder_value(b, S("samples"), S("count"));
    osp_builder_value(b, S("cpu"), osp_str_from(unit));
    osp_mapping_id m = osp_builder_mapping(b, base, base + 0x1ff0, 0, S("/bin/prog"), S(""), 0);
    osp_function_id f = osp_builder_function(b, S("main.main"), S("main.main"), S("main.go"), 1);
    osp_function_id g = osp_builder_function(b, S("main.work"), S("main.work"), S("work.go"), 1);
    osp_location_id l[2] = {osp_builder_location(b, m, base + 0x10, &(osp_line){f, 0, 3}, 1),
                            osp_builder_location(b, m, base + 0x20, &(osp_line){g, 0, 7}, 1)};
    osp_label one = {osp_builder_string(b, S("a")), osp_builder_string(b, S("1")), {0}, 0};
    osp_label two = {osp_builder_string(b, S("b")), {0}, osp_builder_string(b, S("bytes")), 2};
    osp_labelset_id labels =
        osp_builder_labels(b, labels_turned ? (osp_label[]){two, one} : (osp_label[]){one, two}, 2);
    osp_stack_id deep = osp_builder_stack(b, (osp_location_id[]){l[1], l[0]}, 2);
    osp_stack_id flat = osp_builder_stack(b, l, 1);
    osp_builder_sample(b, flat, labels, (int64_t[]){0, other}, 0);
    osp_builder_sample(b, deep, labels, (int64_t[]){1, cpu}, 0);
    osp_builder_head(b, &(osp_profile_head){.time_ns = (int64_t)base, .duration_ns = 5, .period = 2});
    return osp_builder_finish(b, &err);
}

static osp_profile *merged(const osp_profile *a, const osp_profile *b)
{
    osp_err err;
    osp_profile *p = osp_profile_merge((const osp_profile *[]){a, b}, 2, &err);
    if (!p)
        fail_msg("%s", err.msg);
    return p;
}

static void equal_samples_become_one_in_the_finest_unit(void **state)
{
    (void)state;
    osp_profile *a = build(0x400000, "nanoseconds", 7, 1, false), *b = build(0x500000, "us", 2, 3, true);
    osp_profile *p = merged(a, b);
    assert_int_equal(p->samples.n, 2);
    assert_int_equal(p->samples.value[1][0], 3001);
    assert_int_equal(p->samples.value[1][1], 2007);
    assert_int_equal(p->samples.value[0][1], 2);
    assert_true(osp_str_eq(osp_text(p, p->values.type[1].unit), S("nanoseconds")));
    assert_int_equal(p->locations.n, 2);
    assert_int_equal(p->locations.addr[1], 0x400020);
    assert_int_equal(p->mappings.n, 2);
    assert_int_equal(p->labelsets.n, 2);
    assert_int_equal(p->time_ns, 0x400000);
    assert_int_equal(p->duration_ns, 10);
    osp_profile_drop(a);
    osp_profile_drop(b);
    osp_profile_drop(p);
}

static void what_cancels_out_is_gone_with_all_it_used(void **state)
{
    (void)state;
    osp_err err;
    osp_profile *a = build(0x400000, "ns", 7, 1, false), *b = build(0x400000, "ns", 7, 5, false);
    osp_profile *minus = osp_profile_scaled(b, (double[]){-1, -1}, &err);
    osp_profile *p = merged(a, minus);
    assert_int_equal(p->samples.n, 1);
    assert_int_equal(p->samples.value[1][0], -4);
    assert_int_equal(p->locations.n, 1);
    assert_int_equal(p->functions.n, 2);
    osp_profile_drop(p);
    osp_profile *marked = osp_profile_with_label(minus, S("pprof::base"), S("true"), &err);
    p = merged(a, marked);
    assert_int_equal(p->samples.n, 4);
    osp_profile_drop(p);
    osp_profile_drop(marked);
    osp_profile_drop(minus);
    osp_profile_drop(a);
    osp_profile_drop(b);
}

static void scaling_rounds_and_drops_what_becomes_nothing(void **state)
{
    (void)state;
    osp_err err;
    osp_profile *a = build(1, "ns", 7, 1, false), *b = build(1, "ns", 16, 0, false);
    osp_profile *p = osp_profile_scaled(a, (double[]){1, 0.5}, &err);
    assert_int_equal(p->samples.n, 2);
    assert_int_equal(p->samples.value[1][0], 1); /* halves away from zero */
    assert_int_equal(p->samples.value[1][1], 4);
    osp_profile_drop(p);
    p = osp_profile_scaled(a, (double[]){1, 0.1}, &err);
    assert_int_equal(p->samples.n, 1);
    osp_profile_drop(p);
    p = osp_profile_normalized(a, b, &err);
    assert_int_equal(p->samples.value[1][1], 14);
    osp_profile_drop(p);
    osp_profile *c = build(1, "us", 1, 1, false);
    assert_null(osp_profile_normalized(a, c, &err));
    assert_string_equal(err.msg, "incompatible sample types");
    osp_profile_drop(a);
    osp_profile_drop(b);
    osp_profile_drop(c);
}

static void a_label_takes_the_place_of_its_other_values(void **state)
{
    (void)state;
    osp_err err;
    osp_profile *a = build(1, "ns", 7, 1, false), *p = osp_profile_with_label(a, S("a"), S("new"), &err);
    uint32_t set = p->samples.labels[0].i, from = p->labelsets.first[set];
    assert_int_not_equal(set, 0);
    assert_int_equal(p->labelsets.first[set + 1] - from, 2);
    assert_true(osp_str_eq(osp_text(p, p->labelsets.label[from].key), S("b")));
    assert_true(osp_str_eq(osp_text(p, p->labelsets.label[from + 1].str), S("new")));
    osp_profile_drop(p);
    osp_profile_drop(a);
}

static void types_that_do_not_go_together_are_refused(void **state)
{
    (void)state;
    osp_err err;
    osp_profile *a = build(1, "ns", 7, 1, false), *b = build(1, "bytes", 7, 1, false);
    assert_null(osp_profile_merge((const osp_profile *[]){a, b}, 2, &err));
    assert_string_equal(err.msg, "sample types: incompatible types: {cpu ns 0 0} {cpu bytes 0 0}");
    osp_profile_drop(a);
    osp_profile_drop(b);
}

/* A program whose functions, each called by a letter, have two stacks. */
static osp_profile *two_stacks(const char *one, const char *other)
{
    osp_err err;
    osp_builder *b = osp_builder_new(1 << 20, &err);
    osp_builder_value(b, S("samples"), S("count"));
    const char *const all[] = {one, other};
    for (size_t k = 0; k < 2; k++) {
        osp_location_id stack[16];
        for (size_t i = 0; i < strlen(all[k]); i++) {
            osp_str name = {all[k] + i, 1};
            osp_line line = {osp_builder_function(b, name, name, S("a.go"), 0), 0, 1};
            stack[i] = osp_builder_location(b, (osp_mapping_id){0}, 0, &line, 1);
        }
        osp_builder_sample(b, osp_builder_stack(b, stack, strlen(all[k])), (osp_labelset_id){0}, (int64_t[]){1}, 0);
    }
    return osp_builder_finish(b, &err);
}

/* The letters of a sample's stack, leaf first. */
static const char *letters_at(const osp_profile *p, uint32_t row)
{
    static char text[17];
    const osp_stack s = stack_at(p, p->samples.stack[row]);
    for (uint32_t i = 0; i < s.n && i < 16; i++)
        text[i] = osp_text(p, p->functions.row[p->locations.line[p->locations.first[s.loc[i].i]].fn.i].name).p[0];
    text[s.n] = '\0';
    return text;
}

static void stacks_of_sums_of_sums_stay_where_they_are(void **state)
{
    (void)state;
    osp_profile *a = two_stacks("abcd", "ab"), *b = two_stacks("dcba", "abcd"), *c = two_stacks("ba", "xd");
    osp_profile *ab = merged(a, b), *sum = merged(c, ab);
    assert_int_equal(ab->samples.n, 3);
    assert_int_equal(ab->samples.value[0][0], 2);
    assert_ptr_equal(ab->stacks.packed[2], b->stacks.packed[0]);
    assert_int_equal(sum->samples.n, 5);
    const char *const want[] = {"ba", "xd", "abcd", "ab", "dcba"};
    for (uint32_t i = 0; i < 5; i++)
        assert_string_equal(letters_at(sum, i), want[i]);
    osp_profile_drop(ab); /* it owns no stack */
    assert_string_equal(letters_at(sum, 4), "dcba");
    osp_profile *again = merged(sum, b);
    assert_int_equal(again->samples.n, 5);
    assert_int_equal(again->samples.value[0][4], 2);
    osp_profile_drop(again);
    osp_profile_drop(sum);
    osp_profile_drop(a);
    osp_profile_drop(b);
    osp_profile_drop(c);
}

static void too_little_memory_is_an_error_at_every_step(void **state)
{
    (void)state;
    osp_profile *a = build(1, "ns", 7, 1, false), *b = build(0x1001, "us", 7, 1, false), *p = NULL;
    for (long n = 0; !p && n < 1000; n++) {
        osp_err err;
        osp_arena_fail_after(n);
        osp_profile *minus = osp_profile_scaled(b, (double[]){-1, -1}, &err);
        osp_profile *marked = minus ? osp_profile_with_label(minus, S("k"), S("v"), &err) : NULL;
        p = marked ? osp_profile_merge((const osp_profile *[]){a, marked}, 2, &err) : NULL;
        osp_arena_fail_after(-1);
        osp_profile_drop(marked);
        osp_profile_drop(minus);
        if (!p)
            assert_int_equal(err.code, OSP_ELIMIT);
    }
    assert_non_null(p);
    osp_profile_drop(p);
    osp_profile_drop(a);
    osp_profile_drop(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_samples_become_one_in_the_finest_unit),
        cmocka_unit_test(what_cancels_out_is_gone_with_all_it_used),
        cmocka_unit_test(scaling_rounds_and_drops_what_becomes_nothing),
        cmocka_unit_test(a_label_takes_the_place_of_its_other_values),
        cmocka_unit_test(types_that_do_not_go_together_are_refused),
        cmocka_unit_test(stacks_of_sums_of_sums_stay_where_they_are),
        cmocka_unit_test(too_little_memory_is_an_error_at_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
