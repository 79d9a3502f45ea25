/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static osp_builder *start(const char *count, const char *type, const char *unit)
{
    osp_err err;
    osp_builder *b = osp_builder_new(1 << 26, &err);
    assert_non_null(b);
    osp_builder_value(b, osp_str_from(count), S("count"));
    osp_builder_value(b, osp_str_from(type), osp_str_from(unit));
    return b;
}

static osp_location_id at(osp_builder *b, const char *name)
{
    osp_line line = {.fn = osp_builder_function(b, osp_str_from(name), S(""), S("x.go"), 0)};
    return osp_builder_location(b, osp_builder_mapping(b, 0, 0, 0, S("x"), S(""), 0), 0, &line, 1);
}

/* n samples of 10 ms in `leaf`, called by main. */
static void cpu(osp_builder *b, const char *leaf, int64_t n)
{
    osp_location_id stack[2] = {at(b, leaf), at(b, "main.main")};
    osp_builder_sample(b, osp_builder_stack(b, stack, 2), (osp_labelset_id){0}, (int64_t[]){n, n * 10000000}, 0);
}

static osp_profile *end(osp_builder *b, double seconds)
{
    osp_err err;
    osp_builder_head(b, &(osp_profile_head){.duration_ns = (int64_t)(seconds * 1e9)});
    osp_profile *p = osp_builder_finish(b, &err);
    assert_non_null(p);
    return p;
}

/* The profiles go. */
static osp_diff compare(osp_profile *before, osp_profile *after, bool by_cum)
{
    osp_err err;
    osp_diff d;
    if (!osp_diff_make(before, after, &(osp_diff_opts){.by_cum = by_cum}, &d, &err))
        fail_msg("%s", err.msg);
    osp_profile_drop(before);
    osp_profile_drop(after);
    return d;
}

static const osp_diff_row *named(const osp_diff *d, const char *name)
{
    for (uint32_t i = 0; i < d->nrow; i++)
        if (osp_str_eq(d->row[i].name, osp_str_from(name)))
            return &d->row[i];
    fail_msg("no row %s", name);
    return NULL;
}

static uint64_t seed;

static double draw(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) * 0x1p-53;
}

enum { FUNCTIONS = 300 };

/* n samples over functions as programs have them: few that are heavy, many that are rare. */
static osp_profile *drawn(int n)
{
    osp_builder *b = start("samples", "cpu", "nanoseconds");
    for (int i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof name, "main.f%d", (int)(FUNCTIONS * pow(draw(), 3)));
        cpu(b, name, 1);
    }
    return end(b, 1);
}

static void draws_of_one_behaviour_do_not_differ(void **state)
{
    (void)state;
    int with_difference = 0;
    for (int i = 0; i < 40; i++) {
        seed = (uint64_t)i * 977 + 1;
        osp_profile *before = drawn(i % 2 ? 500 : 4000);
        osp_diff d = compare(before, drawn(3000), i % 3 == 0);
        with_difference += d.ntold + d.ncaller > 0;
        assert_in_range(d.nrow, 50, FUNCTIONS + 1);
        osp_diff_drop(&d);
    }
    assert_in_range(with_difference, 0, 4); /* 2 of 40 are expected at most */
}

static void a_shift_of_five_points_is_seen(void **state)
{
    (void)state;
    osp_builder *b[2];
    for (int i = 0; i < 2; i++) {
        char name[32];
        b[i] = start("samples", "cpu", "nanoseconds");
        cpu(b[i], "main.moved", i ? 1250 : 1000);
        for (int k = 0; k < 40; k++) {
            snprintf(name, sizeof name, "main.f%d", k);
            cpu(b[i], name, i ? 94 : 100);
        }
    }
    osp_profile *before = end(b[0], 10);
    osp_diff d = compare(before, end(b[1], 20), false);
    assert_int_equal(d.ntold, 1);
    assert_true(osp_str_eq(d.row[0].name, S("main.moved")));
    const osp_change *c = &d.row[0].own;
    assert_true(fabs(c->share_before - 0.2) < 1e-9 && fabs(c->share_after - 1250.0 / 5010) < 1e-9);
    /* binomial: of both shares, with the width for 41 functions and a caller */
    double e = sqrt(0.2 * 0.8 / 5000 + 1250.0 / 5010 * 3760 / 5010 / 5010);
    assert_true(fabs(c->error / d.width / e - 1) < 0.01);
    assert_true(d.width > 3.1 && d.width < 3.4);
    assert_true(d.rates && d.before.seconds == 10 && d.after.events == 5010);
    osp_diff_drop(&d);
}

/* n samples in `leaf`, called by `caller`, called by main.serve, called by main. */
static void called(osp_builder *b, const char *leaf, const char *caller, int64_t n)
{
    osp_location_id stack[4] = {at(b, leaf), at(b, caller), at(b, "main.serve"), at(b, "main.main")};
    osp_builder_sample(b, osp_builder_stack(b, stack, 4), (osp_labelset_id){0}, (int64_t[]){n, n * 10000000}, 0);
}

static void a_subtree_that_grew_is_told_of_where_it_did(void **state)
{
    (void)state;
    osp_builder *b[2];
    for (int i = 0; i < 2; i++) {
        char name[32];
        b[i] = start("samples", "cpu", "nanoseconds");
        for (int k = 0; k < 200; k++) {
            snprintf(name, sizeof name, "main.small%d", k);
            called(b[i], name, "main.parse", i ? 26 : 20);
        }
        called(b[i], "main.crc", "main.deflate", i ? 900 : 400);
        called(b[i], "main.copy", "main.write", 2000);
        cpu(b[i], "main.idle", i ? 4500 : 6000);
    }
    osp_profile *before = end(b[0], 10);
    osp_diff d = compare(before, end(b[1], 10), false);
    assert_int_equal(d.ntold, 2);
    assert_true(named(&d, "main.crc") < d.row + 2 && named(&d, "main.idle") < d.row + 2);
    assert_int_equal(d.ncaller, 1); /* none of the small ones is seen; what serve grew by is parse and crc */
    assert_true(named(&d, "main.parse") == d.row + 2);
    assert_int_equal(d.nfollow, 2);
    assert_true(named(&d, "main.deflate")->follows && named(&d, "main.serve")->follows);
    assert_true(!named(&d, "main.write")->follows && !named(&d, "main.main")->follows);
    osp_diff_drop(&d);
}

static void new_and_gone_are_marked(void **state)
{
    (void)state;
    osp_builder *a = start("samples", "cpu", "nanoseconds"), *b = start("samples", "cpu", "nanoseconds");
    cpu(a, "main.old", 500);
    cpu(a, "main.same", 500);
    cpu(b, "main.new", 500);
    cpu(b, "main.same", 500);
    osp_profile *before = end(a, 0);
    osp_diff d = compare(before, end(b, 5), false);
    assert_int_equal(d.ntold, 2);
    assert_false(d.rates);
    assert_true(named(&d, "main.old")->gone && !named(&d, "main.old")->fresh);
    assert_true(named(&d, "main.new")->fresh && !named(&d, "main.new")->gone);
    assert_true(!named(&d, "main.main")->fresh && named(&d, "main.main")->cum.share_after == 1);
    osp_diff_drop(&d);
}

static void little_is_known_of_few_samples(void **state)
{
    (void)state;
    osp_builder *a = start("samples", "cpu", "nanoseconds"), *b = start("samples", "cpu", "nanoseconds");
    cpu(a, "main.f", 20);
    cpu(b, "main.f", 90000);
    cpu(b, "main.rare", 10000); /* 20 samples miss it in one of eight cases */
    osp_profile *before = end(a, 1);
    osp_diff d = compare(before, end(b, 1), false);
    assert_int_equal(d.ntold, 0);
    osp_diff_drop(&d);
    a = start("samples", "cpu", "nanoseconds");
    b = start("samples", "cpu", "nanoseconds");
    cpu(a, "main.f", 100000);
    cpu(b, "main.f", 99);
    cpu(b, "main.once", 1);
    before = end(a, 1);
    d = compare(before, end(b, 1), false);
    assert_int_equal(d.ntold, 0);
    osp_diff_drop(&d);
}

static void a_frame_counts_once_in_its_recursion(void **state)
{
    (void)state;
    osp_profile *p[2];
    for (int i = 0; i < 2; i++) {
        osp_builder *b = start("samples", "cpu", "nanoseconds");
        osp_location_id f = at(b, "main.f");
        osp_builder_sample(b, osp_builder_stack(b, (osp_location_id[]){f, f, f}, 3), (osp_labelset_id){0},
                           (int64_t[]){7, 70}, 0);
        p[i] = end(b, 1);
    }
    osp_diff d = compare(p[0], p[1], true);
    assert_true(named(&d, "main.f")->cum.share_after == 1 && named(&d, "main.f")->cum.after == 70);
    assert_true(d.by_cum && d.ntold == 0);
    osp_diff_drop(&d);
}

/* 1000 objects of 1 kB stand for 1000 × (1 - e^(-1/512)) = 1.95 that the profiler saw; one of 10 MB for itself. */
static void objects_of_a_heap_are_not_events(void **state)
{
    (void)state;
    osp_profile *p[2];
    for (int i = 0; i < 2; i++) {
        osp_err err;
        osp_builder *b = start("inuse_objects", "inuse_space", "bytes");
        osp_location_id small = at(b, "main.small"), large = at(b, "main.large");
        osp_builder_sample(b, osp_builder_stack(b, &small, 1), (osp_labelset_id){0}, (int64_t[]){1000, 1024000}, 0);
        osp_builder_sample(b, osp_builder_stack(b, &large, 1), (osp_labelset_id){0}, (int64_t[]){1, 10485760}, 0);
        osp_builder_head(
            b, &(osp_profile_head){
                   .period = 524288, .period_type = S("space"), .period_unit = S("bytes"), .duration_ns = 5});
        p[i] = osp_builder_finish(b, &err);
        assert_non_null(p[i]);
    }
    osp_diff d = compare(p[0], p[1], false);
    assert_true(fabs(d.after.events - (1.951 + 1)) < 0.01);
    assert_false(d.rates);
    osp_diff_drop(&d);
}

static void what_cannot_be_compared_is_refused(void **state)
{
    (void)state;
    osp_err err;
    osp_diff d;
    osp_builder *a = start("samples", "cpu", "nanoseconds"), *b = start("samples", "space", "bytes"),
                *c = start("samples", "cpu", "bytes");
    cpu(a, "f", 1);
    cpu(b, "f", 1);
    cpu(c, "f", 1);
    osp_profile *of_cpu = end(a, 1), *of_space = end(b, 1), *of_bytes = end(c, 1),
                *empty = end(start("samples", "cpu", "nanoseconds"), 1);
    assert_false(osp_diff_make(of_cpu, of_space, &(osp_diff_opts){0}, &d, &err));
    assert_non_null(strstr(err.msg, "first profile"));
    assert_false(osp_diff_make(of_cpu, of_bytes, &(osp_diff_opts){0}, &d, &err));
    assert_non_null(strstr(err.msg, "cannot be compared"));
    assert_false(osp_diff_make(of_cpu, empty, &(osp_diff_opts){0}, &d, &err));
    assert_non_null(strstr(err.msg, "empty"));
    osp_profile_drop(of_cpu);
    osp_profile_drop(of_space);
    osp_profile_drop(of_bytes);
    osp_profile_drop(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_of_one_behaviour_do_not_differ),
        cmocka_unit_test(a_shift_of_five_points_is_seen),
        cmocka_unit_test(a_subtree_that_grew_is_told_of_where_it_did),
        cmocka_unit_test(new_and_gone_are_marked),
        cmocka_unit_test(little_is_known_of_few_samples),
        cmocka_unit_test(a_frame_counts_once_in_its_recursion),
        cmocka_unit_test(objects_of_a_heap_are_not_events),
        cmocka_unit_test(what_cannot_be_compared_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
