/* SPDX-License-Identifier: Apache-2.0 */
#include "formats.h"

#include "format/details.h"

static osp_details details_of(osp_str bytes, const char *form)
{
    osp_err err = {0};
    osp_details details = {0};
    uint8_t *copy = malloc(bytes.n + 1);
    assert_non_null(copy);
    memcpy(copy, bytes.p, bytes.n);
    osp_file file = {{copy, bytes.n}, false};
    const osp_read_opts opts = {.as = form ? osp_format_named(osp_str_from(form)) : NULL, .details = &details};
    osp_profile *p = osp_format_read(&file, &opts, NULL, &err);
    if (!p)
        fail_msg("%s", err.msg);
    osp_profile_drop(p);
    return details;
}

static const osp_detail *find(const osp_details *d, const char *name)
{
    for (size_t i = 0; i < d->n; i++)
        if (osp_str_eq(d->row[i].name, osp_str_from(name)))
            return &d->row[i];
    return NULL;
}

#define HEAD "heap profile: 1: 8 [1: 8] @ heap/2\n1: 8 [1: 8] @ 0x10\n#\t0xf\tmain.main+0x1\tmain.go:7\n\n"

static void memstats_stand_behind_a_heap_profile(void **state)
{
    (void)state;
    osp_details d =
        details_of(S("heap profile: 1: 8 [1: 8] @ heap/2\n# Alloc = 7\n1: 8 [1: 8] @ 0x10\n"
                     "\n# runtime.MemStats\n# Alloc = 2495872\n# Alloc = 3\n# Stack = 458752 / 458753\n"
                     "# PauseNs = [5 6 0]\n# LastGC = 0\n# GCCPUFraction = 1.5e-05\n# DebugGC = true\n# New = 1\n"),
                   NULL);
    assert_int_equal(find(&d, "Alloc")->value, 2495872);
    assert_int_equal(find(&d, "Alloc")->kind, OSP_DETAIL_BYTES);
    assert_int_equal(find(&d, "StackInuse")->value, 458752);
    assert_int_equal(find(&d, "StackSys")->value, 458753);
    assert_int_equal(find(&d, "PauseNs")->nlist, 3);
    assert_int_equal(find(&d, "PauseNs")->list[1], 6);
    assert_int_equal(find(&d, "LastGC")->value, 0);
    assert_true(find(&d, "GCCPUFraction")->share == 1.5e-05);
    assert_int_equal(find(&d, "DebugGC")->value, 1);
    assert_null(find(&d, "New"));
    assert_int_equal(d.n, 7);
    osp_details_drop(&d);
}

static void memstats_that_are_nonsense_are_left_out(void **state)
{
    (void)state;
    osp_details d =
        details_of(S(HEAD "# runtime.MemStats\n# Alloc = \n# Sys = 99999999999999999999\n# Stack = 1\n"
                          "# PauseNs = [1 x 2]\n# PauseEnd = []\n# GCCPUFraction = much\n# NumGC\n#\n# =\n"),
                   NULL);
    assert_int_equal(find(&d, "PauseNs")->nlist, 1);
    assert_int_equal(find(&d, "StackInuse")->value, 1);
    assert_int_equal(d.n, 2);
    osp_details_drop(&d);
}

static void a_heap_profile_without_them_has_none(void **state)
{
    (void)state;
    osp_details d = details_of(S(HEAD), NULL);
    assert_int_equal(d.n, 0);
    osp_details_drop(&d);
}

static void a_dump_says_why_it_was_printed(void **state)
{
    (void)state;
    osp_details d =
        details_of(S("fatal error: all goroutines are asleep - deadlock!\npanic: no\n\n"
                     "goroutine 1 [chan receive, 3 minutes, locked to thread]:\nmain.main()\n\t/m.go:1 +0x1\n"),
                   NULL);
    assert_true(osp_str_eq(find(&d, "reason")->text, S("fatal error: all goroutines are asleep - deadlock!")));
    assert_int_equal(find(&d, "longest_wait")->value, 180000000000);
    assert_int_equal(find(&d, "locked_to_thread")->value, 1);
    osp_details_drop(&d);
    d = details_of(S("SIGQUIT: quit\nPC=0x1\n\ngoroutine 1 [select, 9000000000000000000 minutes]:\nf()\n\t/m.go:1\n"),
                   NULL);
    assert_true(osp_str_eq(find(&d, "reason")->text, S("SIGQUIT: quit")));
    assert_int_equal(d.n, 1);
    osp_details_drop(&d);
}

static void the_output_of_perf_script_tells_its_recording(void **state)
{
    (void)state;
    osp_details d =
        details_of(S("# ========\n# captured on    : Thu Nov 19 10:00:00 2026\n# hostname : box\n# hostname : other\n"
                     "# cmdline : perf record a:b\n# ========\nx 2 5.0: 9 cycles:\n\t 10 f (/x)\n\n"),
                   NULL);
    assert_true(osp_str_eq(find(&d, "command")->text, S("perf record a:b")));
    assert_true(osp_str_eq(find(&d, "host")->text, S("box")));
    assert_true(osp_str_eq(find(&d, "captured_on")->text, S("Thu Nov 19 10:00:00 2026")));
    assert_true(d.commented);
    osp_details_drop(&d);
}

static void details_have_a_limit(void **state)
{
    (void)state;
    osp_details d = {0};
    for (int i = 0; i < 100000; i++)
        osp_detail_text(&d, "g", S("name"), S("a text of some length, copied"));
    assert_in_range(d.n, 1, 2000);
    osp_details_drop(&d);
    osp_detail_text(NULL, "g", S("name"), S("nobody asks"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memstats_stand_behind_a_heap_profile),
        cmocka_unit_test(memstats_that_are_nonsense_are_left_out),
        cmocka_unit_test(a_heap_profile_without_them_has_none),
        cmocka_unit_test(a_dump_says_why_it_was_printed),
        cmocka_unit_test(the_output_of_perf_script_tells_its_recording),
        cmocka_unit_test(details_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
