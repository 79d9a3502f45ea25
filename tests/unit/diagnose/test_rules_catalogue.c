/* SPDX-License-Identifier: Apache-2.0 */
/* Rules on causes of the catalogue that stand beside the families, over made-up facts. */
#include "made_up.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define GO "r:runtime.goexit@asm_amd64.s r:runtime.main@proc.go g:main.main@main.go "
#define WORKER "r:runtime.goexit@asm_amd64.s r:runtime.gcBgMarkWorker@mgc.go r:runtime.gcDrain@mgcmark.go"

static const uint64_t MB = 1 << 20;

static const osp_finding *found(const osp_findings *f, const char *verdict)
{
    for (uint32_t i = 0; i < f->n; i++)
        if (strcmp(f->row[i].verdict, verdict) == 0 && f->row[i].confidence >= OSP_FOUND)
            return &f->row[i];
    return NULL;
}

static void is_first(const osp_findings *f, const char *verdict, const char *kind, const char *culprit)
{
    assert_string_equal(first_of(f), verdict);
    const osp_finding *x = &f->row[0];
    char name[128];
    assert_string_equal(x->kind ? x->kind : "", kind);
    assert_string_equal(osp_str_z(x->culprit.func, name, sizeof name), culprit);
    assert_in_range(x->nevidence, 2, 6);
    assert_true(x->summary.n > 0 && x->next.n > 0);
}

static void nothing_is_found(made_up *m)
{
    osp_findings f = made_up_diagnose(m);
    assert_string_equal(first_of(&f), "");
}

/* ---- collections that the program asks for ---------------------------------------------------------------------- */

static made_up *forcing(double forced_per_s, double cycles_per_s, uint64_t in_collector, const char *asks)
{
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 0.9, true);
    m->facts.gc = (osp_gc_fact){.known = true,
                                .seconds = 5,
                                .cycles_per_s = cycles_per_s,
                                .forced_per_s = forced_per_s,
                                .has_percent = true,
                                .percent = 100,
                                .limit_bytes = INT64_MAX,
                                .room = 1,
                                .marked = 12 * MB,
                                .bytes_per_s = 1e6,
                                .objects_per_s = 1e4};
    made_up_stack(m, 11, 2, in_collector, WORKER);
    made_up_stack(m, 11, 1, 20, asks);
    made_up_stack(m, 11, 1, 380 - in_collector, GO "g:main.(*Store).Add@store.go");
    return m;
}

static const char *const by_gc = GO "g:main.flush@main.go r:runtime.GC@mgc.go r:runtime.sweepone@mgcsweep.go",
                         *const by_free = GO "g:main.tidy@main.go s:runtime/debug.FreeOSMemory@stubs.go "
                                             "r:runtime/debug.freeOSMemory@mheap.go r:runtime.GC@mgc.go "
                                             "r:runtime.sweepone@mgcsweep.go";

static void collections_that_the_program_asks_for_are_found_with_who_asks(void **state)
{
    (void)state;
    osp_findings f = made_up_diagnose(forcing(12, 12, 300, by_gc));
    is_first(&f, "explicit-gc", "GC", "main.flush");
    f = made_up_diagnose(forcing(12, 12, 300, by_free));
    is_first(&f, "explicit-gc", "FreeOSMemory", "main.tidy");
}

static void who_stands_in_a_collection_is_blamed_where_no_sample_tells(void **state)
{
    (void)state;
    static osp_call call[4];
    made_up *m = forcing(12, 12, 300, GO "g:main.(*Store).Get@store.go");
    call[0] = made_up_call(S("r:runtime.gopark@proc.go"));
    call[1] = made_up_call(S("r:runtime.GC@mgc.go"));
    call[2] = made_up_call(S("g:main.nightly@main.go"));
    const osp_group_fact g = {.n = 1, .call = call, .ncall = 3};
    m->facts.goroutine = (osp_goroutine_facts){.known = true, .n = 1, .seconds = 5, .group = &g, .ngroup = 1};
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "explicit-gc", "GC", "main.nightly");
}

static void a_collection_now_and_then_is_no_trouble(void **state)
{
    (void)state;
    nothing_is_found(forcing(0.2, 0.2, 100, by_gc));
    osp_findings f = made_up_diagnose(forcing(2, 30, 150, by_gc)); /* most come by themselves */
    assert_null(found(&f, "explicit-gc"));
    made_up *m = forcing(12, 12, 300, by_gc);
    m->thread[0].demand = 0.03; /* it costs nothing */
    nothing_is_found(m);
}

/* ---- where resident memory is ------------------------------------------------------------------------------------ */

static made_up *resident(osp_ledger_kind kind, uint64_t mb, uint64_t all_mb)
{
    made_up *m = made_up_new(true);
    m->facts.cores_used = 0.01;
    m->facts.ledger = (osp_ledger_fact){.known = true, .seconds = 5, .resident = all_mb * MB, .threads = 20};
    m->facts.ledger.was[kind] = m->facts.ledger.now[kind] = mb * MB;
    return m;
}

static made_up *stacks(uint64_t mb, uint32_t goroutines)
{
    static osp_call call[40];
    static osp_group_fact g;
    made_up *m = resident(OSP_LEDGER_GO_STACKS, mb, mb + 20);
    for (int i = 0; i < 40; i++)
        call[i] = made_up_call(S("g:main.descend@tree.go"));
    call[0] = made_up_call(S("r:runtime.gopark@proc.go"));
    g = (osp_group_fact){.n = goroutines, .still = goroutines, .state = S("chan receive"), .call = call, .ncall = 40};
    m->facts.goroutine =
        (osp_goroutine_facts){.known = true, .n = goroutines, .seconds = 5, .group = &g, .ngroup = 1};
    m->facts.gc = (osp_gc_fact){.known = true, .stacks = mb * MB, .room = -1, .limit_bytes = INT64_MAX};
    return m;
}

static void memory_in_stacks_is_found_with_who_stands_deep(void **state)
{
    (void)state;
    osp_findings f = made_up_diagnose(stacks(200, 3000));
    is_first(&f, "stack-memory", "large stacks", "main.descend");
    f = made_up_diagnose(stacks(900, 110000));
    is_first(&f, "stack-memory", "many goroutines", "main.descend");
}

static void thousands_of_goroutines_with_small_stacks_are_no_trouble(void **state)
{
    (void)state;
    nothing_is_found(stacks(80, 10000));
    nothing_is_found(stacks(20, 500));
    made_up *m = stacks(200, 3000);
    m->facts.ledger.resident = 4000 * MB; /* the memory is elsewhere */
    nothing_is_found(m);
}

static void arenas_of_freed_blocks_are_found_and_used_ones_are_not(void **state)
{
    (void)state;
    made_up *m = resident(OSP_LEDGER_C_ARENAS, 250, 300);
    m->facts.ledger.arenas = 16;
    m->facts.ledger.arenas_free = 220 * MB;
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "malloc-arenas", "", "");
    m->facts.ledger.arenas_free = 30 * MB;
    nothing_is_found(m);
    m->facts.ledger.arenas_free = 220 * MB;
    m->facts.ledger.arenas = 2;
    nothing_is_found(m);
}

static void pages_of_a_mapped_file_are_found_and_those_of_a_program_are_not(void **state)
{
    (void)state;
    made_up *m = resident(OSP_LEDGER_FILES, 400, 430);
    m->facts.ledger.file = S("base.db");
    m->facts.ledger.file_bytes = 390 * MB;
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "file-mapped-rss", "", "");
    m->facts.ledger.file_bytes = 60 * MB; /* many libraries */
    nothing_is_found(m);
    m = resident(OSP_LEDGER_FILES, 60, 80);
    m->facts.ledger.file_bytes = 60 * MB;
    nothing_is_found(m);
}

/* ---- what is held with far more room than it needs ---------------------------------------------------------------- */

static made_up *holding(uint64_t live_mb)
{
    made_up *m = made_up_new(true);
    m->facts.cores_used = 0.05;
    m->facts.gc =
        (osp_gc_fact){.known = true, .seconds = 5, .marked = live_mb * MB, .room = 1, .limit_bytes = INT64_MAX};
    made_up_thread(m, 11, 0.05, true);
    made_up_stack(m, 11, 1, 100, GO "g:main.encode@main.go s:sync.(*Pool).Get@pool.go");
    return m;
}

static void a_nearly_empty_map_is_found_and_one_that_is_a_small_part_is_not(void **state)
{
    (void)state;
    static osp_map_fact map;
    map = (osp_map_fact){.name = {"main.sessions", 13}, .values = 100, .room = 2000000, .bytes = 200 * MB};
    made_up *m = holding(220);
    m->facts.map = &map;
    m->facts.nmap = 1;
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "map-never-shrinks", "", "");
    m->facts.gc.marked = 4000 * MB;
    nothing_is_found(m);
    m->facts.gc.marked = 220 * MB;
    map.bytes = 0; /* how large its values are is not known */
    f = made_up_diagnose(m);
    is_first(&f, "map-never-shrinks", "", "");
    map.room = 60000;
    nothing_is_found(m);
}

static void large_buffers_of_a_pool_are_found_and_blocks_that_are_used_are_not(void **state)
{
    (void)state;
    static osp_pool_fact pool;
    made_up *m = holding(120);
    pool = (osp_pool_fact){.name = {"main.buffers", 12}, .seen = 40, .large = 20, .part = 18, .bytes = 100 * MB};
    m->facts.pool = &pool;
    m->facts.npool = 1;
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "pool-giant-buffers", "", "main.encode");
    pool.part = 0;
    pool.used = 20;
    nothing_is_found(m);
    pool.used = 0; /* emptied before they came back, and there are no others: by design, for all that is known */
    pool.seen = 20;
    nothing_is_found(m);
}

static void large_buffers_on_stacks_count_where_a_pool_is_used(void **state)
{
    (void)state;
    static osp_slack_fact slack;
    made_up *m = holding(120);
    slack = (osp_slack_fact){.n = 20, .bytes = 100 * MB, .used = 6000};
    slack.at = made_up_call(S("g:main.encode@main.go"));
    m->facts.slack = &slack;
    m->facts.nslack = 1;
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "pool-giant-buffers", "", "main.encode");
    slack.at = made_up_call(S("g:main.receive@main.go"));
    nothing_is_found(m);
}

/* ---- what the CPU goes into --------------------------------------------------------------------------------------- */

static made_up *working(uint64_t there, const char *stack)
{
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 1, true);
    made_up_stack(m, 11, 1, there, stack);
    made_up_stack(m, 11, 1, 400 - there, GO "g:main.(*Store).Add@store.go");
    return m;
}

#define FIND "s:regexp.(*Regexp).FindAllString@regexp.go s:regexp.(*Regexp).doExecute@exec.go "

static void slow_matching_is_found_and_what_its_callback_does_is_not_it(void **state)
{
    (void)state;
    osp_findings f =
        made_up_diagnose(working(300, GO "g:main.extract@main.go " FIND "s:regexp.(*machine).step@exec.go"));
    is_first(&f, "expensive-regexp", "", "main.extract");
    f = made_up_diagnose(working(300,
                                 GO "g:main.extract@main.go g:github.com/dlclark/regexp2.(*Regexp).run@runner.go "
                                    "g:github.com/dlclark/regexp2.(*runner).execute@runner.go"));
    assert_string_equal(first_of(&f), "expensive-regexp");
    assert_string_equal(f.row[0].kind, "backtracking");
    nothing_is_found(working(300, GO "g:main.extract@main.go " FIND "g:main.score@main.go"));
    nothing_is_found(working(60, GO "g:main.extract@main.go " FIND "s:regexp.(*machine).step@exec.go"));
    /* much to match, in the fast way: said, with less confidence */
    nothing_is_found(working(180, GO "g:main.extract@main.go " FIND "s:regexp.(*Regexp).tryBacktrack@backtrack.go"));
}

static made_up *logging(uint64_t in_logger, double lines_per_s)
{
    static osp_called_fact row;
    static osp_place_fact place;
    static osp_used_fact used;
    made_up *m =
        working(in_logger, GO "g:main.serve@main.go s:log.(*Logger).Printf@log.go s:os.(*File).Write@file.go "
                              "s:syscall.write@zsyscall.go n:vfs_write@");
    row = (osp_called_fact){.name = S("write"), .per_s = lines_per_s, .bytes_per_s = 60 * lines_per_s};
    place = (osp_place_fact){
        .call = m->facts.stack[0].call, .ncall = m->facts.stack[0].ncall, .count = lines_per_s, .name = S("write")};
    used = (osp_used_fact){.name = S("write"), .fd = 2, .what = S("pipe"), .per_s = lines_per_s};
    m->facts.calls = (osp_call_facts){.known = true,
                                      .seconds = 1,
                                      .per_s = lines_per_s,
                                      .row = &row,
                                      .n = 1,
                                      .used = &used,
                                      .nused = 1,
                                      .place = &place,
                                      .nplace = 1};
    return m;
}

static void a_flood_of_log_lines_is_found_and_a_line_for_each_request_is_not(void **state)
{
    (void)state;
    osp_findings f = made_up_diagnose(logging(280, 40000));
    is_first(&f, "log-flood", "", "main.serve");
    f = made_up_diagnose(logging(280, 300)); /* few lines, each of them dear */
    assert_null(found(&f, "log-flood"));
    f = made_up_diagnose(logging(40, 40000));
    assert_null(found(&f, "log-flood"));
}

/* ---- what it waits for -------------------------------------------------------------------------------------------- */

static made_up *finalizing(uint32_t still)
{
    static osp_call call[4];
    static osp_group_fact g;
    made_up *m = made_up_new(true);
    call[0] = made_up_call(S("r:runtime.chansend1@chan.go"));
    call[1] = made_up_call(S("g:main.release@main.go"));
    call[2] = made_up_call(S("r:runtime.runfinq@mfinal.go"));
    g = (osp_group_fact){.n = 1, .still = still, .state = S("chan send"), .call = call, .ncall = 3, .most_s = -1};
    m->facts.cores_used = 0.05;
    m->facts.goroutine = (osp_goroutine_facts){.known = true, .n = 6, .seconds = 5, .group = &g, .ngroup = 1};
    return m;
}

static void a_finalizer_that_waits_is_found_and_one_that_works_is_not(void **state)
{
    (void)state;
    osp_findings f = made_up_diagnose(finalizing(1));
    is_first(&f, "finalizer-blocked", "", "main.release");
    nothing_is_found(finalizing(0));
}

static void threads_that_wait_for_random_numbers_are_found(void **state)
{
    (void)state;
    static osp_blocked_fact row = {.state = {"S", 1}, .call = {"getrandom", 9}, .n = 3};
    made_up *m = made_up_new(false);
    m->facts.cores_used = 0;
    m->facts.blocked = (osp_blocked_facts){.known = true, .nthread = 4, .row = &row, .n = 1};
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "entropy-wait", "", "");
    row.call = S("read fd 0 (pipe)");
    nothing_is_found(m);
}

static void a_cgroup_full_of_threads_is_found(void **state)
{
    (void)state;
    static osp_moment moment = {.usage.threads = 90};
    made_up *m = made_up_new(false);
    m->facts.cores_used = 0;
    m->facts.proc = (osp_process_fact){.known = true, .seconds = 5, .moment = &moment, .n = 1};
    m->facts.cgroup = (osp_cgroup_fact){.known = true, .pids = 100, .pids_max = 100};
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "task-limit", "its threads", "");
    m->facts.cgroup.pids = 80;
    nothing_is_found(m);
    m->facts.cgroup.pids_max = 0; /* none */
    nothing_is_found(m);
}

static made_up *freeing(uint64_t there, const char *kernel)
{
    made_up *m = made_up_new(false);
    static char stack[256];
    made_up_thread(m, 11, 0.9, false);
    snprintf(stack, sizeof stack, "c:main@main.c c:scan@main.c l:pread@read.c n:vfs_read@ n:alloc_pages@ %s", kernel);
    made_up_stack(m, 11, 0, there, stack);
    made_up_stack(m, 11, 0, 400 - there, "c:main@main.c c:scan@main.c");
    return m;
}

static void cpu_that_goes_into_freeing_pages_is_found(void **state)
{
    (void)state;
    osp_findings f = made_up_diagnose(freeing(160, "n:try_to_free_mem_cgroup_pages@ n:shrink_lruvec@"));
    is_first(&f, "memory-pressure", "reclaim", "scan");
    f = made_up_diagnose(freeing(160, "n:__alloc_pages_direct_compact@ n:compact_zone@"));
    is_first(&f, "memory-pressure", "compaction", "scan");
    f = made_up_diagnose(freeing(20, "n:try_to_free_pages@ n:shrink_node@"));
    assert_null(found(&f, "memory-pressure"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(collections_that_the_program_asks_for_are_found_with_who_asks),
        cmocka_unit_test(who_stands_in_a_collection_is_blamed_where_no_sample_tells),
        cmocka_unit_test(a_collection_now_and_then_is_no_trouble),
        cmocka_unit_test(memory_in_stacks_is_found_with_who_stands_deep),
        cmocka_unit_test(thousands_of_goroutines_with_small_stacks_are_no_trouble),
        cmocka_unit_test(arenas_of_freed_blocks_are_found_and_used_ones_are_not),
        cmocka_unit_test(pages_of_a_mapped_file_are_found_and_those_of_a_program_are_not),
        cmocka_unit_test(a_nearly_empty_map_is_found_and_one_that_is_a_small_part_is_not),
        cmocka_unit_test(large_buffers_of_a_pool_are_found_and_blocks_that_are_used_are_not),
        cmocka_unit_test(large_buffers_on_stacks_count_where_a_pool_is_used),
        cmocka_unit_test(slow_matching_is_found_and_what_its_callback_does_is_not_it),
        cmocka_unit_test(a_flood_of_log_lines_is_found_and_a_line_for_each_request_is_not),
        cmocka_unit_test(a_finalizer_that_waits_is_found_and_one_that_works_is_not),
        cmocka_unit_test(threads_that_wait_for_random_numbers_are_found),
        cmocka_unit_test(a_cgroup_full_of_threads_is_found),
        cmocka_unit_test(cpu_that_goes_into_freeing_pages_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
