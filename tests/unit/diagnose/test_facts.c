/* SPDX-License-Identifier: Apache-2.0 */
/* Facts in a file: what is judged from them is what was judged from the first ones. */
#include "made_up.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static made_up *sick(void)
{
    made_up *m = made_up_new(true);
    osp_thread_fact *t = made_up_thread(m, 11, 1.0, true);
    t->same_call = true;
    t->goid = 18;
    made_up_stack(
        m, 11, 18, 480,
        "r:runtime.goexit@asm_amd64.s g:main.(*Session).Transcode@session.go "
        "k:main._Cfunc_decode@_cgo_gotypes.go r:runtime.cgocall@cgocall.go r:runtime.asmcgocall@asm_amd64.s "
        "k:_cgo_1_Cfunc_decode c:decode@block.c c:decode_block@block.c");
    m->facts.process.cmdline = S("gateway -password secret");
    static osp_moment moment[3] = {{.at_s = 0, .usage.rss_bytes = 1 << 20, .goroutines = -1},
                                   {.at_s = 1, .usage.rss_bytes = 3 << 20, .goroutines = 7},
                                   {.at_s = 2, .usage.rss_bytes = 5 << 20, .goroutines = 9}};
    m->facts.proc = (osp_process_fact){.known = true, .seconds = 2, .moment = moment, .n = 3, .fd_limit = 1024};
    return m;
}

static osp_buf saved(const osp_facts *f)
{
    osp_err err;
    osp_buf b = osp_buf_of(1 << 20);
    assert_true(osp_facts_save(f, &b, &err));
    return b;
}

static osp_buf judged(const osp_facts *f)
{
    osp_findings found;
    osp_buf b = osp_buf_of(1 << 20);
    osp_diagnose(f, &found);
    osp_findings_json(f, &found, &b);
    return b;
}

static void facts_come_back_from_a_file_as_they_were(void **state)
{
    (void)state;
    osp_arena a;
    osp_facts f;
    osp_err err;
    osp_arena_init(&a, 1 << 22);
    osp_buf file = saved(&sick()->facts), before = judged(&sick()->facts);
    assert_true(osp_facts_is(osp_str_bytes(osp_buf_str(&file))));
    assert_true(osp_facts_load(osp_str_bytes(osp_buf_str(&file)), &a, &f, &err));
    osp_buf after = judged(&f), again = saved(&f);
    assert_true(osp_str_has(osp_buf_str(&before), S("cgo-cpu-native")));
    assert_true(osp_str_eq(osp_buf_str(&before), osp_buf_str(&after)));
    assert_true(osp_str_eq(osp_buf_str(&file), osp_buf_str(&again)));
    assert_int_equal(f.proc.n, 3);
    assert_int_equal(f.proc.moment[2].goroutines, 9);
    assert_int_equal(f.proc.moment[0].goroutines, -1);
    osp_buf_drop(&file);
    osp_buf_drop(&before);
    osp_buf_drop(&after);
    osp_buf_drop(&again);
    osp_arena_drop(&a);
}

static void the_command_line_stays_here(void **state)
{
    (void)state;
    osp_buf file = saved(&sick()->facts);
    assert_false(osp_str_has(osp_buf_str(&file), S("secret")));
    osp_buf_drop(&file);
}

static void a_file_that_ends_early_is_refused_or_lacks_sections(void **state)
{
    (void)state;
    osp_buf file = saved(&sick()->facts);
    for (size_t n = 0; n < file.n; n++) {
        osp_arena a;
        osp_facts f;
        osp_err err = {0};
        osp_arena_init(&a, 1 << 22);
        uint8_t *part = malloc(n + 1); /* of its own, so that a read past its end is noticed */
        memcpy(part, file.p, n);
        bool ok = osp_facts_load((osp_span){part, n}, &a, &f, &err);
        assert_true(ok || (err.code != OSP_OK && err.msg[0]));
        free(part);
        osp_arena_drop(&a);
    }
    osp_buf_drop(&file);
}

static void a_section_of_a_later_release_is_skipped(void **state)
{
    (void)state;
    osp_arena a;
    osp_facts f;
    osp_err err;
    osp_arena_init(&a, 1 << 22);
    osp_buf file = saved(&sick()->facts), with = osp_buf_of(1 << 20);
    size_t head = sizeof "osprey facts\n" - 1;
    osp_buf_add(&with, osp_str_head(osp_buf_str(&file), head));
    osp_buf_add(&with, S("\x06"
                         "sonars"
                         "\x03"
                         "abc"));
    osp_buf_add(&with, osp_str_skip(osp_buf_str(&file), head));
    assert_true(osp_facts_load(osp_str_bytes(osp_buf_str(&with)), &a, &f, &err));
    osp_buf again = saved(&f);
    assert_true(osp_str_eq(osp_buf_str(&file), osp_buf_str(&again)));
    osp_buf_drop(&file);
    osp_buf_drop(&with);
    osp_buf_drop(&again);
    osp_arena_drop(&a);
}

static void another_file_is_refused_with_what_makes_one(void **state)
{
    (void)state;
    osp_arena a;
    osp_facts f;
    osp_err err;
    osp_arena_init(&a, 1 << 20);
    assert_false(osp_facts_load((osp_span){(const uint8_t *)"\x1f\x8b", 2}, &a, &f, &err));
    assert_non_null(strstr(err.msg, "--save"));
    osp_arena_drop(&a);
}

static double rss(const osp_moment *m) { return (double)m->usage.rss_bytes; }

static void a_slope_is_of_all_moments(void **state)
{
    (void)state;
    double error, slope = osp_slope(&sick()->facts.proc, rss, &error);
    assert_true(slope > 2.0 * (1 << 20) - 1 && slope < 2.0 * (1 << 20) + 1 && error < 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_come_back_from_a_file_as_they_were),
        cmocka_unit_test(the_command_line_stays_here),
        cmocka_unit_test(a_file_that_ends_early_is_refused_or_lacks_sections),
        cmocka_unit_test(a_section_of_a_later_release_is_skipped),
        cmocka_unit_test(another_file_is_refused_with_what_makes_one),
        cmocka_unit_test(a_slope_is_of_all_moments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
