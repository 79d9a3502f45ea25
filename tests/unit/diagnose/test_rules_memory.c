/* SPDX-License-Identifier: Apache-2.0 */
/* Rules on memory over made-up facts. */
#include "made_up.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define GO "r:runtime.goexit@asm_amd64.s r:runtime.main@proc.go g:main.main@main.go "
#define WORKER                                                                                        \
    "r:runtime.goexit@asm_amd64.s r:runtime.gcBgMarkWorker@mgc.go r:runtime.systemstack@asm_amd64.s " \
    "r:runtime.gcDrain@mgcmark.go r:runtime.scanobject@mgcmark.go"
#define MALLOC "r:runtime.newobject@malloc.go r:runtime.mallocgc@malloc.go"

static const uint64_t MB = 1 << 20;

static void is_first(const osp_findings *f, const char *verdict, const char *culprit)
{
    assert_string_equal(first_of(f), verdict);
    const osp_finding *x = &f->row[0];
    char name[128];
    assert_string_equal(osp_str_z(x->culprit.func, name, sizeof name), culprit);
    assert_in_range(x->nevidence, 2, 6);
    assert_true(x->summary.n > 0 && x->next.n > 0);
}

static void nothing_is_found(made_up *m)
{
    osp_findings f = made_up_diagnose(m);
    assert_string_equal(first_of(&f), "");
}

/* Go that allocates, whose collector takes so many of 400 samples; GOGC as it is by default, and no limit. */
static made_up *collecting(uint64_t in_collector, uint64_t in_malloc, double cores)
{
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, cores, true);
    m->facts.gc = (osp_gc_fact){.known = true,
                                .seconds = 5,
                                .cycles_per_s = 3,
                                .has_percent = true,
                                .percent = 100,
                                .limit_bytes = INT64_MAX,
                                .procs = 2,
                                .room = 1,
                                .marked = 12 * MB,
                                .live = 15 * MB,
                                .goal = 24 * MB,
                                .bytes_per_s = 30.0 * (double)MB,
                                .objects_per_s = 4e5};
    made_up_stack(m, 11, 2, in_collector, WORKER);
    made_up_stack(m, 11, 1, in_malloc, GO "g:main.(*Store).Add@store.go s:fmt.Sprintf@print.go " MALLOC);
    made_up_stack(m, 11, 1, 400 - in_collector - in_malloc, GO "g:main.(*Store).Add@store.go");
    return m;
}

static void a_tiny_gogc_is_found_with_who_allocates(void **state)
{
    (void)state;
    made_up *m = collecting(300, 30, 1.2);
    m->facts.gc.percent = 3;
    m->facts.gc.room = 0.04;
    m->facts.gc.cycles_per_s = 40;
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "gc-thrash-gogc", "main.(*Store).Add");
    assert_true(f.row[0].confidence > 0.9);
}

static void the_same_collector_with_gogc_of_100_is_not_blamed_on_gogc(void **state)
{
    (void)state;
    made_up *m = collecting(300, 30, 1.2);
    osp_findings f = made_up_diagnose(m);
    for (uint32_t i = 0; i < f.n; i++)
        assert_string_not_equal(f.row[i].verdict, "gc-thrash-gogc");
}

static void a_tiny_gogc_that_costs_nothing_is_no_trouble(void **state)
{
    (void)state;
    made_up *m = collecting(300, 30, 0.05);
    m->facts.gc.percent = 3;
    m->facts.gc.room = 0.04;
    nothing_is_found(m);
    m = collecting(20, 5, 1);
    m->facts.gc.percent = 3;
    m->facts.gc.room = 0.04;
    nothing_is_found(m);
}

static made_up *limited(double room)
{
    made_up *m = collecting(300, 10, 1);
    m->facts.gc.percent = -1;
    m->facts.gc.limit_bytes = (int64_t)(200 * MB);
    m->facts.gc.by_limit = 1;
    m->facts.gc.limiter = 0.4;
    m->facts.gc.room = room;
    m->facts.gc.marked = 190 * MB;
    return m;
}

static void a_limit_that_the_live_heap_fills_is_found(void **state)
{
    (void)state;
    osp_findings f = made_up_diagnose(limited(0.01));
    is_first(&f, "gc-thrash-memlimit", "main.(*Store).Add");
}

static void a_limit_with_room_is_no_trouble(void **state)
{
    (void)state;
    made_up *m = limited(2);
    osp_findings f = made_up_diagnose(m);
    for (uint32_t i = 0; i < f.n; i++)
        assert_string_not_equal(f.row[i].verdict, "gc-thrash-memlimit");
}

static made_up *marking(double cores)
{
    static osp_collection cycle[] = {{.number = 7, .at_s = 1, .live_bytes = 400 << 20, .mark_s = 0.8, .cpu_s = 1.3},
                                     {.number = 8, .at_s = 3, .live_bytes = 400 << 20, .mark_s = 0.7, .cpu_s = 1.2}};
    made_up *m = collecting(240, 20, cores);
    m->facts.gc.cycles_per_s = 0.4;
    m->facts.gc.marked = 400 * MB;
    m->facts.gc.cycle = cycle;
    m->facts.gc.ncycle = 2;
    return m;
}

static void long_marking_of_a_heap_full_of_pointers_is_found(void **state)
{
    (void)state;
    osp_findings f = made_up_diagnose(marking(1.5));
    is_first(&f, "gc-mark-cost", "main.(*Store).Add");
}

static void an_ordinary_collector_of_a_quiet_program_is_no_trouble(void **state)
{
    (void)state;
    nothing_is_found(marking(0.2)); /* most of its CPU, and next to nothing of the machine's */
    nothing_is_found(collecting(60, 20, 1));
}

static made_up *storm(double bytes_per_s, double objects_per_s)
{
    made_up *m = collecting(100, 150, 1.4);
    m->facts.gc.marked = 2 * MB;
    m->facts.gc.cycles_per_s = 80;
    m->facts.gc.bytes_per_s = bytes_per_s;
    m->facts.gc.objects_per_s = objects_per_s;
    return m;
}

static void a_storm_of_allocations_is_found(void **state)
{
    (void)state;
    osp_findings f = made_up_diagnose(storm(300e6, 2e7));
    is_first(&f, "alloc-storm", "main.(*Store).Add");
}

static void a_low_rate_of_allocations_is_no_storm(void **state)
{
    (void)state;
    nothing_is_found(storm(1e6, 1000));
}

static void a_storm_under_a_tiny_gogc_is_its_consequence(void **state)
{
    (void)state;
    made_up *m = storm(300e6, 2e7);
    m->facts.gc.percent = 2;
    m->facts.gc.room = 0.02;
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "gc-thrash-gogc", "main.(*Store).Add");
    bool explained = false;
    for (uint32_t i = 1; i < f.n; i++)
        explained = explained || (f.row[i].because && strcmp(f.row[i].because, "gc-thrash-gogc") == 0);
    assert_true(explained);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tiny_gogc_is_found_with_who_allocates),
        cmocka_unit_test(the_same_collector_with_gogc_of_100_is_not_blamed_on_gogc),
        cmocka_unit_test(a_tiny_gogc_that_costs_nothing_is_no_trouble),
        cmocka_unit_test(a_limit_that_the_live_heap_fills_is_found),
        cmocka_unit_test(a_limit_with_room_is_no_trouble),
        cmocka_unit_test(long_marking_of_a_heap_full_of_pointers_is_found),
        cmocka_unit_test(an_ordinary_collector_of_a_quiet_program_is_no_trouble),
        cmocka_unit_test(a_storm_of_allocations_is_found),
        cmocka_unit_test(a_low_rate_of_allocations_is_no_storm),
        cmocka_unit_test(a_storm_under_a_tiny_gogc_is_its_consequence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
