/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* main -> work -> alloc, where alloc's location also holds an inlined helper; and main -> idle. */
static osp_profile *build(const char *drop, const char *keep)
{
    osp_err err;
    osp_builder *b = osp_builder_new(1 << 20, &err);
    static const char *const name[] = {"main.main", "main.work", "runtime.alloc", "runtime.helper", "main.idle"};
    osp_function_id f[5];
    osp_location_id l[4];
    osp_builder_value(b, S("samples"), S("count"));
    osp_builder_value(b, S("cpu"), S("nanoseconds"));
    osp_mapping_id m = osp_builder_mapping(b, 1, 2, 0, S("/bin/prog"), S(""), 0);
    for (int i = 0; i < 5; i++)
        f[i] = osp_builder_function(b, osp_str_from(name[i]), osp_str_from(name[i]),
                                    i == 4 ? S("idle.go") : S("work.go"), 1);
    l[0] = osp_builder_location(b, m, 10, &(osp_line){f[0], 0, 1}, 1);
    l[1] = osp_builder_location(b, m, 20, &(osp_line){f[1], 0, 2}, 1);
    l[2] = osp_builder_location(b, m, 30, (osp_line[]){{f[3], 0, 3}, {f[2], 0, 4}}, 2);
    l[3] = osp_builder_location(b, m, 40, &(osp_line){f[4], 0, 5}, 1);
    osp_stack_id deep = osp_builder_stack(b, (osp_location_id[]){l[2], l[1], l[0]}, 3);
    osp_stack_id flat = osp_builder_stack(b, (osp_location_id[]){l[3], l[0]}, 2);
    osp_builder_sample(b, deep, (osp_labelset_id){0}, (int64_t[]){3, 300}, 0);
    osp_builder_sample(b, flat, (osp_labelset_id){0}, (int64_t[]){2, -50}, 0);
    osp_builder_head(b, &(osp_profile_head){.drop_frames = osp_str_from(drop), .keep_frames = osp_str_from(keep)});
    return osp_builder_finish(b, &err);
}

/* The stacks that are left, root first: "main.main;main.work 300". */
static const char *shown(const osp_profile *p, const osp_query *q)
{
    static char text[1000];
    osp_err err;
    osp_view v;
    size_t n = 0;
    if (!osp_view_make(p, q, &v, &err)) {
        snprintf(text, sizeof text, "error: %s", err.msg);
        return text;
    }
    text[0] = 0;
    for (uint32_t s = 0; s < v.nstack; s++) {
        if (!v.live[s])
            continue;
        const osp_stack stack = osp_view_stack(&v, s);
        for (uint32_t i = stack.n; i > 0; i--) {
            uint32_t l = stack.loc[i - 1].i;
            for (uint32_t k = v.first_line[l + 1]; k > v.first_line[l]; k--)
                n += (size_t)snprintf(text + n, sizeof text - n, "%.*s;", STRF(v.name[v.line[k - 1].fn.i]));
        }
        n += (size_t)snprintf(text + n, sizeof text - n, " %lld ", (long long)v.weight[s]);
    }
    snprintf(text + n, sizeof text - n, "of %lld", (long long)v.total);
    osp_view_drop(&v);
    return text;
}

#define FULL "main.main;main.work;runtime.alloc;runtime.helper; 300 "
#define IDLE "main.main;main.idle; -50 "

static void weights_are_folded_and_the_total_counts_sizes(void **state)
{
    (void)state;
    osp_profile *p = build("", "");
    assert_string_equal(shown(p, &(osp_query){.value = 1}), FULL IDLE "of 350");
    assert_string_equal(shown(p, &(osp_query){.value = 1, .no_inlines = true}),
                        "main.main;main.work;runtime.alloc; 300 " IDLE "of 350");
    assert_string_equal(shown(p, &(osp_query){.value = 1, .mean = true}), FULL IDLE "of 70");
    assert_string_equal(shown(p, &(osp_query){.value = 2}), "error: the profile has no sample type 2");
    osp_profile_drop(p);
}

static void filters_cut_stacks_and_frames(void **state)
{
    (void)state;
    osp_profile *p = build("", "");
    const struct {
        osp_query q;
        const char *want;
    } cases[] = {
        {{.value = 1, .focus = S("idle")}, IDLE "of 350"},
        {{.value = 1, .focus = S("idle"), .relative = true}, IDLE "of 50"},
        {{.value = 1, .focus = S("work\\.go$"), .ignore = S("helper")}, IDLE "of 350"},
        {{.value = 1, .ignore = S("main")}, "of 350"},
        {{.value = 1, .hide = S("^runtime")}, "main.main;main.work; 300 " IDLE "of 350"},
        {{.value = 1, .hide = S("/bin/prog")}, "of 350"},
        {{.value = 1, .show = S("alloc|idle")}, "runtime.alloc; 300 main.idle; -50 of 350"},
        {{.value = 1, .show_from = S("work$")}, "main.work;runtime.alloc;runtime.helper; 300 of 350"},
        {{.value = 1, .show_from = S("runtime.alloc")}, "runtime.alloc;runtime.helper; 300 of 350"},
        {{.value = 1, .prune_from = S("alloc")}, "main.main;main.work;runtime.alloc; 300 " IDLE "of 350"},
        {{.value = 1, .prune_from = S("work")}, "main.main;main.work; 300 " IDLE "of 350"},
        {{.value = 1, .focus = S("(")}, "error: parsing focus regexp: error parsing regexp: missing closing ): `(`"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(shown(p, &cases[i].q), cases[i].want);
    osp_profile_drop(p);
}

static void a_profile_says_which_frames_to_drop(void **state)
{
    (void)state;
    const struct {
        const char *drop, *keep, *want;
    } cases[] = {
        {"runtime\\.alloc", "", "main.main;main.work; 300 " IDLE "of 350"},
        {"runtime\\.helper", "", "main.main;main.work;runtime.alloc; 300 " IDLE "of 350"},
        {"main\\.work", "", "main.main; 300 " IDLE "of 350"},
        {"main\\..*", "main\\.main", "main.main; 300 main.main; -50 of 350"},
        {"main", "", FULL IDLE "of 350"},        /* the whole name has to match */
        {"main\\.main", "", FULL IDLE "of 350"}, /* nothing goes before the first frame that stays */
        {"(", "", FULL IDLE "of 350"},           /* a bad pattern drops nothing */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        osp_profile *p = build(cases[i].drop, cases[i].keep);
        assert_string_equal(shown(p, &(osp_query){.value = 1}), cases[i].want);
        assert_string_equal(shown(p, &(osp_query){.value = 1, .keep_all_frames = true}), FULL IDLE "of 350");
        osp_profile_drop(p);
    }
}

static void too_little_memory_is_an_error_at_every_step(void **state)
{
    (void)state;
    osp_profile *p = build("main\\.work", "");
    const osp_query q = {
        .value = 1, .focus = S("main"), .hide = S("idle"), .show_from = S("main"), .prune_from = S("z")};
    for (long n = 0; n < 100; n++) {
        osp_err err;
        osp_view v;
        osp_arena_fail_after(n);
        bool ok = osp_view_make(p, &q, &v, &err);
        osp_arena_fail_after(-1);
        if (ok) {
            osp_view_drop(&v);
            osp_profile_drop(p);
            assert_true(n > 10);
            return;
        }
        assert_int_equal(err.code, OSP_ELIMIT);
    }
    fail();
}

/* ---- labels --------------------------------------------------------------------------------------------------- */

/* One stack, a sample each for tenant=acme, size=1 kb; tenant=umbrella; tenant=acme, size=4096 (no unit); nothing. It says which
 * frames to drop, and has none of them. */
static osp_profile *build_labels(void)
{
    osp_err err;
    osp_builder *b = osp_builder_new(1 << 20, &err);
    osp_builder_value(b, S("cpu"), S("nanoseconds"));
    osp_function_id f = osp_builder_function(b, S("main"), S("main"), S("main.go"), 1);
    osp_location_id l = osp_builder_location(b, (osp_mapping_id){0}, 10, &(osp_line){f, 0, 1}, 1);
    osp_stack_id stack = osp_builder_stack(b, &l, 1);
    osp_string_id tenant = osp_builder_string(b, S("tenant")), size = osp_builder_string(b, S("size"));
    osp_label acme = {tenant, osp_builder_string(b, S("acme")), {0}, 0};
    osp_label umbrella = {tenant, osp_builder_string(b, S("umbrella")), {0}, 0};
    osp_label kb = {size, {0}, osp_builder_string(b, S("kb")), 1}, plain = {size, {0}, {0}, 4096};
    osp_builder_sample(b, stack, osp_builder_labels(b, (osp_label[]){acme, kb}, 2), (int64_t[]){1}, 0);
    osp_builder_sample(b, stack, osp_builder_labels(b, (osp_label[]){umbrella}, 1), (int64_t[]){20}, 0);
    osp_builder_sample(b, stack, osp_builder_labels(b, (osp_label[]){plain, acme}, 2), (int64_t[]){300}, 0);
    osp_builder_sample(b, stack, (osp_labelset_id){0}, (int64_t[]){4000}, 0);
    osp_builder_head(b, &(osp_profile_head){.drop_frames = S("malloc")});
    return osp_builder_finish(b, &err);
}

static void labels_choose_samples(void **state)
{
    (void)state;
    osp_profile *p = build_labels();
    const struct {
        osp_query q;
        const char *want;
    } cases[] = {
        {{.tag_focus = S("acme")}, "main; 301 of 4321"},
        {{.tag_focus = S("acme"), .relative = true}, "main; 301 of 301"},
        {{.tag_focus = S("tenant:a,me$")}, "main; 301 of 4321"}, /* all of them */
        {{.tag_focus = S("acme,umbrella")}, "of 4321"},
        {{.tag_focus = S("tenant=acme,umbrella")}, "main; 321 of 4321"}, /* one of them */
        {{.tag_ignore = S("tenant=.")}, "main; 4000 of 4321"},
        {{.tag_focus = S("1kb")}, "main; 1 of 4321"},
        {{.tag_focus = S("size=1kb:")}, "main; 301 of 4321"},
        {{.tag_focus = S(":4mb"), .tag_ignore = S("1kb")}, "main; 300 of 4321"},
        {{.tag_focus = S("other=1kb:")}, "of 4321"},
        {{.tag_focus = S("2kb:16mb")}, "main; 300 of 4321"},
        {{.tag_focus = S("1kb:x")}, "of 4321"}, /* not a range */
        {{.tag_focus = S("99999999999999999999")},
         "error: failed to parse int 99999999999999999999: value out of range"},
        {{.tag_ignore = S("(")}, "error: parsing tagignore regexp: error parsing regexp: missing closing ): `(`"},
        {{.tag_hide = S("[")}, "error: parsing taghide regexp: error parsing regexp: missing closing ]: `[`"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(shown(p, &cases[i].q), cases[i].want);
    osp_profile_drop(p);
}

static void labels_become_frames(void **state)
{
    (void)state;
    osp_profile *p = build_labels();
    assert_string_equal(shown(p, &(osp_query){.tag_root = S("tenant")}),
                        "acme;main; 301 umbrella;main; 20 ;main; 4000 of 4321");
    assert_string_equal(shown(p, &(osp_query){.tag_root = S("size,tenant"), .tag_unit = S("B"), .focus = S("acme")}),
                        "1024B;acme;main; 1 4096;acme;main; 300 of 4321");
    assert_string_equal(shown(p, &(osp_query){.tag_leaf = S("tenant,,size"), .tag_focus = S("umbrella")}),
                        "main;umbrella;; 20 of 4321");
    assert_string_equal(shown(p, &(osp_query){.tag_leaf = S(",")}), "main; 4321 of 4321");
    osp_profile_drop(p);
}

static void a_view_says_which_filters_matched_nothing(void **state)
{
    (void)state;
    const struct {
        osp_query q;
        uint32_t want;
    } cases[] = {
        {{.tag_focus = S("zzz"), .tag_ignore = S("acme")}, OSP_TAG_FOCUS},
        {{.tag_focus = S("1kb:"), .tag_ignore = S("zzz")}, OSP_TAG_IGNORE},
        {{.tag_focus = S("umbrella"), .tag_show = S("size"), .tag_hide = S("tenant")}, OSP_TAG_SHOW},
        {{.tag_show = S("tenant"), .tag_hide = S("q")}, OSP_TAG_HIDE},
        {{.tag_root = S("z,tenant"), .tag_leaf = S(",z")}, OSP_TAG_LEAF},
    };
    osp_profile *p = build_labels();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        osp_err err;
        osp_view v;
        assert_true(osp_view_make(p, &cases[i].q, &v, &err));
        assert_int_equal(v.unmatched, cases[i].want);
        osp_view_drop(&v);
    }
    osp_profile_drop(p);
}

static void a_view_is_a_profile_of_its_own(void **state)
{
    (void)state;
    osp_err err;
    osp_view v;
    osp_profile *p = build_labels();
    const osp_query q = {.rows = true, .tag_focus = S("acme"), .tag_root = S("tenant"), .tag_hide = S("tenant")};
    assert_true(osp_view_make(p, &q, &v, &err));
    osp_profile *seen = osp_view_profile(&v, &err);
    assert_int_equal(seen->samples.n, 2);
    assert_int_equal(seen->samples.value[0][1], 300);
    assert_int_equal(seen->mappings.n, 2);
    assert_int_equal(seen->locations.n, 4); /* main, acme, umbrella, the nameless one */
    uint32_t set = seen->samples.labels[1].i, from = seen->labelsets.first[set];
    assert_int_equal(seen->labelsets.first[set + 1] - from, 1);
    assert_true(osp_str_eq(osp_text(seen, seen->labelsets.label[from].key), S("size")));
    osp_profile_drop(seen);
    osp_view_drop(&v);
    osp_profile_drop(p);
}

static void units_of_labels_are_the_first_or_guessed(void **state)
{
    (void)state;
    osp_err err;
    osp_label_units units;
    osp_builder *b = osp_builder_new(1 << 20, &err);
    osp_builder_value(b, S("cpu"), S("ns"));
    osp_stack_id stack = osp_builder_stack(b, NULL, 0);
    const char *const label[][2] = {{"request", ""}, {"size", ""},  {"size", "s"},
                                    {"size", "kb"},  {"size", "b"}, {"n", ""}};
    for (int i = 0; i < 6; i++) {
        osp_label l = {osp_builder_string(b, osp_str_from(label[i][0])),
                       {0},
                       osp_builder_string(b, osp_str_from(label[i][1])),
                       7};
        osp_builder_sample(b, stack, osp_builder_labels(b, &l, 1), (int64_t[]){1}, 0);
    }
    osp_profile *p = osp_builder_finish(b, &err);
    assert_true(osp_label_units_make(p, &units, &err));
    assert_true(osp_str_eq(osp_label_unit(&units, S("request")), S("bytes")));
    assert_true(osp_str_eq(osp_label_unit(&units, S("size")), S("s")));
    assert_true(osp_str_eq(osp_label_unit(&units, S("n")), S("n")));
    assert_true(osp_str_eq(osp_label_unit(&units, S("other")), S("")));
    assert_true(
        osp_str_eq(osp_buf_str(&units.notes), S("For tag size used unit s, also encountered unit(s) b, kb\n")));
    osp_label_units_drop(&units);
    osp_profile_drop(p);
}

static void too_little_memory_for_labels_is_an_error_at_every_step(void **state)
{
    (void)state;
    osp_profile *p = build_labels();
    const osp_query q = {.rows = true,
                         .tag_focus = S("acme"),
                         .tag_ignore = S("size=4kb:"),
                         .tag_root = S("tenant,size"),
                         .tag_leaf = S("size"),
                         .tag_show = S("e")};
    osp_profile *seen = NULL;
    for (long n = 0; !seen && n < 300; n++) {
        osp_err err;
        osp_view v;
        osp_arena_fail_after(n);
        if (osp_view_make(p, &q, &v, &err)) {
            seen = osp_view_profile(&v, &err);
            osp_arena_fail_after(-1);
            osp_profile_drop(seen);
            osp_view_drop(&v);
        }
        osp_arena_fail_after(-1);
        if (!seen)
            assert_int_equal(err.code, OSP_ELIMIT);
    }
    assert_non_null(seen);
    osp_profile_drop(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_folded_and_the_total_counts_sizes),
        cmocka_unit_test(filters_cut_stacks_and_frames),
        cmocka_unit_test(a_profile_says_which_frames_to_drop),
        cmocka_unit_test(too_little_memory_is_an_error_at_every_step),
        cmocka_unit_test(labels_choose_samples),
        cmocka_unit_test(labels_become_frames),
        cmocka_unit_test(a_view_says_which_filters_matched_nothing),
        cmocka_unit_test(a_view_is_a_profile_of_its_own),
        cmocka_unit_test(units_of_labels_are_the_first_or_guessed),
        cmocka_unit_test(too_little_memory_for_labels_is_an_error_at_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
