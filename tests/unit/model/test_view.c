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
        for (uint32_t i = v.first[s + 1]; i > v.first[s]; i--) {
            uint32_t l = v.loc[i - 1].i;
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
        {{.value = 1, .focus = S("(")}, "error: parsing focus regexp: missing ): ("},
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_folded_and_the_total_counts_sizes),
        cmocka_unit_test(filters_cut_stacks_and_frames),
        cmocka_unit_test(a_profile_says_which_frames_to_drop),
        cmocka_unit_test(too_little_memory_is_an_error_at_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
