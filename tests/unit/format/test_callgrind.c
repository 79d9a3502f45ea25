/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks from callgrind's costs and calls. */
#include "formats.h"

#define HEAD "# callgrind format\npositions: line\nevents: Ir Dr\n"

static void calls_become_stacks(void **state)
{
    (void)state;
    osp_str text = S(HEAD "fl=(1) a.c\nfn=(1) main\n3 5 1\ncfn=(2) work\ncalls=2 9\n+1 60 6\n\nfn=(2)\n9 60 6\n");
    check_stacks(text, "callgrind", "Ir", "main 5\nmain;work 60\n");
    check_stacks(text, "callgrind", "Dr", "main 1\nmain;work 6\n");
}

/* Of 30 that g cost, two thirds were called by a. What h costs under g is spread alike. */
static void costs_are_spread_over_callers(void **state)
{
    (void)state;
    check_stacks(S(HEAD "fn=main\n1 0\ncfn=a\ncalls=1 1\n1 21\ncfn=b\ncalls=1 1\n1 12\n"
                        "fn=a\n1 1\ncfn=g\ncalls=1 1\n1 20\nfn=b\n1 2\ncfn=g\ncalls=1 1\n1 10\n"
                        "fn=g\n1 24\ncfn=h\ncalls=1 1\n1 6\nfn=h\n7 6\n"),
                 "callgrind", "Ir", "main;a 1\nmain;a;g 16\nmain;a;g;h 4\nmain;b 2\nmain;b;g 8\nmain;b;g;h 2\n");
}

static void recursion_ends_and_loses_nothing(void **state)
{
    (void)state;
    osp_err err = {0};
    osp_profile *p = read_as(S(HEAD "fn=main\n1 0\ncfn=f\ncalls=1 1\n1 1000\n"
                                    "fn=f\n1 1000\ncfn=f\ncalls=9 1\n1 900\n"
                                    "fn=x\n1 7\ncfn=y\ncalls=1 1\n1 14\nfn=y\n1 7\ncfn=x\ncalls=1 1\n1 14\n"),
                             "", NULL, &err);
    assert_non_null(p);
    int64_t sum = 0;
    for (uint32_t i = 0; i < p->samples.n; i++)
        sum += p->samples.value[0][i];
    assert_int_equal(sum, 1014);
    osp_profile_drop(p);
}

static void names_files_and_objects_have_numbers(void **state)
{
    (void)state;
    osp_err err = {0};
    osp_profile *p = read_as(S(HEAD "ob=(1) /bin/t\nfl=(1) a.c\nfn=(1) main\n3 5\nfi=(2) b.h\n70 2\nfe=(1)\n"
                                    "cob=(2) libc.so\ncfi=(3) m.c\ncfn=(2) malloc\ncalls=1 10\n4 8\n\n"
                                    "ob=(2)\nfl=(3)\nfn=(2)\n10 8\n"),
                             "", NULL, &err);
    assert_non_null(p);
    assert_int_equal(p->mappings.n, 3);
    assert_int_equal(p->functions.n, 4); /* none, main in a.c, main in b.h, malloc */
    assert_int_equal(p->samples.n, 3);
    assert_int_equal(p->locations.line[1].line, 70);
    osp_profile_drop(p);
}

static void positions_may_be_relative_and_costs_may_be_missing(void **state)
{
    (void)state;
    check_stacks(S("creator: x\npositions: instr line\nevents: cpu(ms) n\n\nfn=f\n0x10 7 1\n+2 +1 2 5\n* -1 4\n"),
                 "callgrind", "cpu", "f 7\n");
}

static void what_is_no_callgrind_is_refused(void **state)
{
    (void)state;
    check_refused(S("# callgrind format\nfn=a\n1 2\n"), "callgrind", "line 3: costs before");
    check_refused(S("# callgrind format\nevents: Ir\nfn=a\n"), "callgrind", "not one cost");
    check_refused(S("# callgrind format\nevents: Ir\nevents: Ir Dr\n"), "callgrind", "line 3: its parts");
    check_refused(S("events: Ir\nfn=a\n1 2\nx\ny\nz\n"), "callgrind", "3 of 6 lines");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_become_stacks),
        cmocka_unit_test(costs_are_spread_over_callers),
        cmocka_unit_test(recursion_ends_and_loses_nothing),
        cmocka_unit_test(names_files_and_objects_have_numbers),
        cmocka_unit_test(positions_may_be_relative_and_costs_may_be_missing),
        cmocka_unit_test(what_is_no_callgrind_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
