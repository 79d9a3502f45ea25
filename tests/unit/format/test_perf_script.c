/* SPDX-License-Identifier: Apache-2.0 */
#include "../stack_at.h"
#include "formats.h"

#define CHAIN                                                \
    "\t           3fbc0 msort+0x260 (inlined)\n"             \
    "\t           3fd35 qsort_r+0xb5 (/usr/lib/libc.so.6)\n" \
    "\t            1471 thr+0x61 (/tmp/my prog)\n"           \
    "\tffffffff821f3036 exc_page_fault+0x166 ([kernel.kallsyms])\n"

static void call_chains_have_inlined_frames_and_kernel(void **state)
{
    (void)state;
    check_stacks(S("beta two 24863 13161.103806:    2004008   cpu-clock: \n" CHAIN "\n"), "perf-script", "cpu",
                 "exc_page_fault_[k];thr;qsort_r;msort_[i] 2004008\n");
}

static void fields_may_be_many_or_few(void **state)
{
    (void)state;
    static const char frame[] = "\t  10 f (/bin/x)\n\n";
    static const char *const head[] = {
        "x 1/2 [003] 5.000001: 7 cycles:u: ",    "x 2 5.000001: 7 cycles:u:",
        "x 1/2 5.000001: 7 cycles:u:",           "x 2 7 cycles:u:",
        ":-1    -1 [001] 5.000001: 7 cycles:u:", "x 2 [003] 5.000001:       7 cycles:u:",
    };
    for (size_t i = 0; i < sizeof head / sizeof *head; i++) {
        char text[200];
        int n = snprintf(text, sizeof text, "%s\n%s", head[i], frame);
        check_stacks((osp_str){text, (size_t)n}, "perf-script", "cycles:u", "f 7\n");
    }
    check_stacks(S("x 2 5.000001: cycles:u:\n\t  10 f (/bin/x)\n\n"), "perf-script", "samples", "f 1\n");
    check_stacks(S("x 2 5.000001: \n\t  10 f (/bin/x)\n\n"), "perf-script", "samples", "f 1\n");
    check_stacks(S("  10 f (/bin/x)\n  20 g (/bin/x)\n\n  10 f (/bin/x)\n\n"), "perf-script", "samples",
                 "f 1\ng;f 1\n");
}

static void without_chains_the_frame_is_on_the_line(void **state)
{
    (void)state;
    check_stacks(
        S("        beta two 25323 13166.471362:    2004008 cpu-clock:      5613e0a722c7 cmp+0x7 (/tmp/burn)\n"
          "           alpha 25322 13166.485778:    2004008 cpu-clock:      7f41a78febc0 [unknown] (/lib/libc.so "
          "(deleted))\n"),
        "perf-script", "cpu", "[libc.so] 2004008\ncmp 2004008\n");
}

static void several_events_are_several_types(void **state)
{
    (void)state;
    osp_str text = S("x 2 5.0: 9 page-faults:\n\t 10 f (/x)\n\nx 2 5.1: 100 cpu-clock:u:\n\t 10 f (/x)\n\n");
    check_stacks(text, "perf-script", "page-faults", "f 9\n");
    check_stacks(text, "perf-script", "cpu", "f 100\n");
    check_stacks(text, "perf-script", "samples", "f 2\n");
}

static void source_lines_and_headers_are_read(void **state)
{
    (void)state;
    osp_err err;
    osp_profile *p =
        read_as(S("# ========\n# captured on    : Thu Nov 19 10:00:00 2026\n# cmdline : /usr/bin/perf record x\n"
                  "# ========\n#\nx 2 5.0: 9 cycles:\n\t 10 f+0x1 (/x)\n  dir/file.c:12\n\t 20 g (/x)\n  x[20]\n\n"),
                "", NULL, &err);
    assert_non_null(p);
    assert_int_equal(p->comments.n, 2);
    assert_int_equal(stack_at(p, (osp_stack_id){0}).n, 2);
    const osp_line *l = &p->locations.line[p->locations.first[stack_at(p, (osp_stack_id){0}).loc[0].i]];
    assert_int_equal(l->line, 12);
    assert_true(osp_str_eq(osp_text(p, p->functions.row[l->fn.i].file), S("dir/file.c")));
    osp_profile_drop(p);
}

static void threads_become_labels(void **state)
{
    (void)state;
    osp_err err;
    osp_profile *p = read_as(S("GC Thread 4 11/12 [000] 5.0: 9 cycles:\n\t 10 f (/x)\n\n"), "", NULL, &err);
    assert_non_null(p);
    const osp_label *l = p->labelsets.label + p->labelsets.first[p->samples.labels[0].i];
    assert_true(osp_str_eq(osp_text(p, l[0].str), S("GC Thread 4")));
    assert_int_equal(l[1].num, 11);
    assert_int_equal(l[2].num, 12);
    osp_profile_drop(p);
}

static void other_text_is_refused(void **state)
{
    (void)state;
    check_refused(S("Dear reader,\nthis is a letter.\n"), "perf-script", "lines were not understood");
    check_refused(S("#\n"), "perf-script", "not one sample");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(call_chains_have_inlined_frames_and_kernel),
        cmocka_unit_test(fields_may_be_many_or_few),
        cmocka_unit_test(without_chains_the_frame_is_on_the_line),
        cmocka_unit_test(several_events_are_several_types),
        cmocka_unit_test(source_lines_and_headers_are_read),
        cmocka_unit_test(threads_become_labels),
        cmocka_unit_test(other_text_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
