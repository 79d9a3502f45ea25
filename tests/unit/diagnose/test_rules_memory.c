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

/* ---- what the CPU goes into -------------------------------------------------------------------------------------- */

/* One goroutine on one thread, so many of 400 samples there, the rest in the program's own work. */
static made_up *working(uint64_t there, const char *stack)
{
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 1, true);
    made_up_stack(m, 11, 1, there, stack);
    made_up_stack(m, 11, 1, 400 - there, GO "g:main.(*Store).Add@store.go");
    return m;
}

#define GROWTH "r:runtime.growslice@slice.go r:runtime.mallocgc@malloc.go"

static void slices_that_grow_are_found_and_a_few_are_not(void **state)
{
    (void)state;
    osp_findings f = made_up_diagnose(working(200, GO "g:main.collect@rows.go " GROWTH));
    is_first(&f, "slice-growth", "main.collect");
    nothing_is_found(working(40, GO "g:main.collect@rows.go " GROWTH));
    /* in a library it is the library's */
    nothing_is_found(
        working(200, GO "g:main.collect@rows.go s:bytes.growSlice@buffer.go r:runtime.growslice@slice.go"));
}

static void a_pool_whose_buffers_are_too_small_is_found(void **state)
{
    (void)state;
    made_up *m = working(190, GO "g:main.format@format.go " GROWTH);
    made_up_stack(m, 11, 1, 10, GO "g:main.format@format.go s:sync.(*Pool).Get@pool.go");
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "pool-ineffective", "main.format");
}

static void a_pool_that_works_is_no_trouble(void **state)
{
    (void)state;
    made_up *m = working(15, GO "g:main.format@format.go " GROWTH);
    made_up_stack(m, 11, 1, 60, GO "g:main.format@format.go s:sync.(*Pool).Get@pool.go");
    nothing_is_found(m);
}

static void stacks_that_grow_are_found(void **state)
{
    (void)state;
    const char *grows =
        "r:runtime.goexit@asm_amd64.s g:main.walk@tree.go g:main.walk@tree.go r:runtime.morestack@asm_amd64.s "
        "r:runtime.newstack@stack.go r:runtime.copystack@stack.go r:runtime.adjustframe@stack.go";
    osp_findings f = made_up_diagnose(working(150, grows));
    is_first(&f, "stack-growth", "main.walk");
    nothing_is_found(working(10, grows));
}

static void patterns_compiled_again_and_again_are_found(void **state)
{
    (void)state;
    const char *compiles = GO "g:main.matches@filter.go s:regexp.MustCompile@regexp.go s:regexp.compile@regexp.go "
                              "s:regexp/syntax.Parse@parse.go";
    osp_findings f = made_up_diagnose(working(200, compiles));
    is_first(&f, "repeated-compile", "main.matches");
    nothing_is_found(working(200, GO "g:main.matches@filter.go s:regexp.(*Regexp).MatchString@regexp.go"));
}

static void encoding_by_reflection_is_found_where_it_is_most_of_all(void **state)
{
    (void)state;
    const char *encodes =
        GO "g:main.enrich@doc.go s:encoding/json.Unmarshal@decode.go s:reflect.Value.SetMapIndex@value.go";
    osp_findings f = made_up_diagnose(working(300, encodes));
    is_first(&f, "reflection-heavy", "main.enrich");
    nothing_is_found(working(100, encodes));
}

static void a_walk_over_a_whole_map_is_found_in_old_and_new_maps(void **state)
{
    (void)state;
    osp_findings f = made_up_diagnose(working(250, GO "g:main.byAge@club.go r:runtime.mapiternext@map.go"));
    is_first(&f, "linear-map-scan", "main.byAge");
    f = made_up_diagnose(working(250, GO "g:main.byAge@club.go r:internal/runtime/maps.(*Iter).Next@table.go"));
    is_first(&f, "linear-map-scan", "main.byAge");
    nothing_is_found(working(250, GO "g:main.byAge@club.go r:runtime.mapaccess1@map.go"));
}

/* ---- what memory goes into --------------------------------------------------------------------------------------- */

static osp_place_fact place(made_up *m, double count, double amount, const char *root_to_leaf)
{
    made_up_stack(m, 11, 1, 0, root_to_leaf);
    const osp_stack_fact *s = &m->stack[--m->facts.nstack];
    return (osp_place_fact){.call = s->call, .ncall = s->ncall, .tid = 11, .count = count, .amount = amount};
}

/* A quiet program whose memory grows by so many bytes a second in the native heap. */
static made_up *growing(double per_s)
{
    static osp_moment moment[20];
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 0.05, true);
    for (int i = 0; i < 20; i++)
        moment[i] = (osp_moment){
            .at_s = i * 0.25, .goroutines = 5, .usage.anon_bytes = 50 * MB + (uint64_t)(i * 0.25 * per_s)};
    m->facts.proc = (osp_process_fact){.known = true, .seconds = 4.75, .moment = moment, .n = 20};
    m->facts.ledger = (osp_ledger_fact){.known = true,
                                        .seconds = 5,
                                        .resident = 80 * MB,
                                        .growing = S("[heap]"),
                                        .growing_bytes = (int64_t)(5 * per_s)};
    m->facts.ledger.was[OSP_LEDGER_C_HEAP] = 40 * MB;
    m->facts.ledger.now[OSP_LEDGER_C_HEAP] = 40 * MB + (uint64_t)(5 * per_s);
    return m;
}

static void a_native_leak_is_found_behind_a_wrapper_of_malloc(void **state)
{
    (void)state;
    made_up *m = growing(8e6);
    static osp_place_fact at[2];
    at[0] = place(
        m, 1000, 8e6,
        GO
        "g:main.index@index.go k:main._Cfunc_copy r:runtime.cgocall@cgocall.go c:copy_text@text.c c:xmalloc@mem.c");
    at[1] = place(
        m, 9000, 0,
        GO "g:main.index@index.go k:main._Cfunc_scan r:runtime.cgocall@cgocall.go c:scan@scan.c c:xmalloc@mem.c");
    m->facts.mallocs = (osp_alloc_fact){.known = true,
                                        .seconds = 0.4,
                                        .count_per_s = 10000,
                                        .bytes_per_s = 1.6e7,
                                        .unfreed_per_s = 8e6,
                                        .place = at,
                                        .n = 2};
    assert_true(osp_asked_for(&m->facts) & OSP_ASK_MALLOC);
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "native-leak", "copy_text");
    assert_true(f.row[0].confidence > 0.8);
}

static void native_memory_that_stays_or_whose_blocks_are_freed_is_no_leak(void **state)
{
    (void)state;
    made_up *m = growing(0);
    nothing_is_found(m);
    assert_false(osp_asked_for(&m->facts) & OSP_ASK_MALLOC);
    m = growing(8e6);
    m->facts.mallocs = (osp_alloc_fact){.known = true, .seconds = 0.4, .count_per_s = 10000, .bytes_per_s = 1e7};
    nothing_is_found(m);
}

/* Collections that found so much alive, in MB, a second apart; the last at the end of the observation. */
static made_up *collected(const int *mb, uint32_t n, double allocated)
{
    static osp_collection cycle[16];
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 0.05, true);
    for (uint32_t i = 0; i < n; i++)
        cycle[i] = (osp_collection){.number = i + 3, .at_s = 5.0 - (n - 1 - i), .live_bytes = (uint64_t)mb[i] * MB};
    m->facts.gc = (osp_gc_fact){.known = true,
                                .seconds = 5,
                                .has_percent = true,
                                .percent = 100,
                                .limit_bytes = INT64_MAX,
                                .room = 1,
                                .marked = (uint64_t)mb[n - 1] * MB,
                                .bytes_per_s = allocated,
                                .cycle = cycle,
                                .ncycle = n};
    m->facts.growing_known = true;
    return m;
}

static void a_heap_that_grows_from_collection_to_collection_is_found_with_its_holder(void **state)
{
    (void)state;
    static const int mb[] = {20, 30, 40, 50};
    static osp_growing_fact in = {.name = S("main.seen"), .is_map = true, .was = 100, .now = 900};
    static osp_place_fact at[1];
    made_up *m = collected(mb, 4, 12.0 * (double)MB);
    at[0] = place(m, 100, 12.0 * (double)MB, GO "g:main.remember@seen.go " MALLOC);
    m->facts.go_allocs =
        (osp_alloc_fact){.known = true, .seconds = 0.2, .bytes_per_s = 12.0 * (double)MB, .place = at, .n = 1};
    m->facts.growing = &in;
    m->facts.ngrowing = 1;
    assert_true(osp_asked_for(&m->facts) & OSP_ASK_GO_ALLOCS);
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "heap-leak", "main.remember");
    assert_true(f.row[0].confidence > 0.8);
    bool said = false;
    for (uint32_t i = 0; i < f.row[0].nevidence; i++)
        said = said || osp_str_has(f.row[0].evidence[i].what, S("main.seen"));
    assert_true(said);
}

static void a_heap_that_stays_or_that_only_just_began_is_no_leak(void **state)
{
    (void)state;
    static const int steady[] = {60, 64, 61, 63, 62}, began[] = {4, 60};
    nothing_is_found(collected(steady, 5, 30.0 * (double)MB));
    nothing_is_found(collected(began, 2, 1.0 * (double)MB)); /* it grew faster than it allocates now */
    static const int filled[] = {16, 32};
    nothing_is_found(collected(filled, 2, 20.0 * (double)MB)); /* two points, and nothing that holds them */
}

static void memory_given_back_that_still_counts_is_told_from_memory_in_use(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    m->facts.ledger = (osp_ledger_fact){.known = true, .seconds = 5, .resident = 620 * MB, .lazy_free = 600 * MB};
    osp_findings f = made_up_diagnose(m);
    assert_string_equal(first_of(&f), "rss-retained");
    m->facts.ledger.lazy_free = 20 * MB;
    nothing_is_found(m);
}

/* A heap whose size goes up and down between collections; so much is free and kept. */
static made_up *roomy(int held, int idle, const int *mb, uint32_t n)
{
    static osp_moment moment[20];
    made_up *m = collected(mb, n, 100.0 * (double)MB);
    for (int i = 0; i < 20; i++)
        moment[i] = (osp_moment){.at_s = i * 0.25,
                                 .goroutines = 5,
                                 .heap_live = (uint64_t)(i * 30) * MB,
                                 .heap_inuse = (uint64_t)(held - idle) * MB,
                                 .heap_idle = (uint64_t)idle * MB};
    m->facts.proc = (osp_process_fact){.known = true, .seconds = 4.75, .moment = moment, .n = 20};
    return m;
}

static void a_heap_kept_for_bursts_is_told_from_one_that_swings_as_gogc_lets_it(void **state)
{
    (void)state;
    static const int bursts[] = {30, 200, 25, 220}, steady[] = {250, 255, 251, 253};
    osp_findings f = made_up_diagnose(roomy(550, 300, bursts, 4));
    assert_string_equal(first_of(&f), "heap-headroom");
    nothing_is_found(roomy(500, 150, steady, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_that_grow_are_found_and_a_few_are_not),
        cmocka_unit_test(a_pool_whose_buffers_are_too_small_is_found),
        cmocka_unit_test(a_pool_that_works_is_no_trouble),
        cmocka_unit_test(stacks_that_grow_are_found),
        cmocka_unit_test(patterns_compiled_again_and_again_are_found),
        cmocka_unit_test(encoding_by_reflection_is_found_where_it_is_most_of_all),
        cmocka_unit_test(a_walk_over_a_whole_map_is_found_in_old_and_new_maps),
        cmocka_unit_test(a_native_leak_is_found_behind_a_wrapper_of_malloc),
        cmocka_unit_test(native_memory_that_stays_or_whose_blocks_are_freed_is_no_leak),
        cmocka_unit_test(a_heap_that_grows_from_collection_to_collection_is_found_with_its_holder),
        cmocka_unit_test(a_heap_that_stays_or_that_only_just_began_is_no_leak),
        cmocka_unit_test(memory_given_back_that_still_counts_is_told_from_memory_in_use),
        cmocka_unit_test(a_heap_kept_for_bursts_is_told_from_one_that_swings_as_gogc_lets_it),
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
