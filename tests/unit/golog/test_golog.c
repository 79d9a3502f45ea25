/* SPDX-License-Identifier: Apache-2.0 */
/* Lines as releases print them: of Go 1.5, 1.19, 1.22 and 1.26. */
#include "golog/golog.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool near(double a, double b) { return fabs(a - b) < 1e-9; }

static void a_collection_is_read(void **state)
{
    (void)state;
    osp_gc_line g;
    assert_true(osp_gc_line_parse(S("gc 17 @1.204s 12%: 0.071+38.5+0.003 ms clock, 0.14+7.5/60.1/0.13+0.006 ms cpu, "
                                    "104->110->57 MB, 112 MB goal, 1 MB stacks, 0 MB globals, 8 P (forced)"),
                                  &g));
    assert_int_equal(g.number, 17);
    assert_true(near(g.at_s, 1.204) && near(g.share, 0.12));
    assert_true(near(g.sweep_s, 71e-6) && near(g.mark_s, 0.0385) && near(g.term_s, 3e-6));
    assert_true(near(g.assist_cpu_s, 0.0075) && near(g.background_cpu_s, 0.0601) && near(g.idle_cpu_s, 0.00013));
    assert_true(near(g.stopped_cpu_s, 0.000146));
    assert_int_equal(g.before_bytes, 104 << 20);
    assert_int_equal(g.after_bytes, 110 << 20);
    assert_int_equal(g.live_bytes, 57 << 20);
    assert_int_equal(g.goal_bytes, 112 << 20);
    assert_int_equal(g.procs, 8);
    assert_true(g.forced);
}

static void an_old_collection_is_read(void **state)
{
    (void)state;
    osp_gc_line g;
    assert_true(osp_gc_line_parse(S("gc 1 @0.008s 5%: 0.48+0.27+0.003 ms clock, 0.97+0/0.11/0+0.006 ms cpu, "
                                    "4->4->0 MB, 4 MB goal, 2 P"),
                                  &g));
    assert_int_equal(g.procs, 2);
    assert_false(g.forced);
}

static void what_a_logger_puts_before_a_line_does_not_matter(void **state)
{
    (void)state;
    osp_gc_line g;
    osp_sched_line l;
    assert_true(
        osp_gc_line_parse(S("Nov 23 03:00:01 host gc gateway[71]: gc 2 @0.011s 5%: 0.067+0.28+0.001 ms clock, "
                            "0.13+0/0.079/0.076+0.003 ms cpu, 4->4->0 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P"),
                          &g));
    assert_int_equal(g.number, 2);
    assert_true(osp_sched_line_parse(S("gateway | SCHED 55ms: gomaxprocs=2 idleprocs=1 threads=7 spinningthreads=0 "
                                       "idlethreads=1 runqueue=1 [0 3]"),
                                     &l));
    assert_int_equal(l.local_queues, 3);
}

static void a_look_at_the_scheduler_is_read(void **state)
{
    (void)state;
    osp_sched_line l;
    assert_true(
        osp_sched_line_parse(S("SCHED 1057ms: gomaxprocs=2 idleprocs=0 threads=7 spinningthreads=1 needspinning=1 "
                               "idlethreads=2 runqueue=41 [ 12 5 ] schedticks=[ 48187 16433 ]"),
                             &l));
    assert_true(near(l.at_s, 1.057));
    assert_int_equal(l.gomaxprocs, 2);
    assert_int_equal(l.idle_procs, 0);
    assert_int_equal(l.threads, 7);
    assert_int_equal(l.spinning, 1);
    assert_int_equal(l.idle_threads, 2);
    assert_int_equal(l.global_queue, 41);
    assert_int_equal(l.local_queues, 17);
}

static void other_lines_are_none(void **state)
{
    (void)state;
    osp_gc_line g;
    osp_sched_line l;
    assert_false(osp_gc_line_parse(S(""), &g));
    assert_false(osp_gc_line_parse(S("gc 1 @0.1s 5%: 1+2 ms clock"), &g));
    assert_false(osp_gc_line_parse(
        S("gc 1 @0.1s 500%: 0.48+0.27+0.003 ms clock, 0.97+0/0.11/0+0.006 ms cpu, 4->4->0 MB, 4 MB goal"), &g));
    assert_false(osp_sched_line_parse(S("SCHED 5ms: gomaxprocs= idleprocs=0"), &l));
    assert_false(osp_sched_line_parse(S("  P0: status=1 schedtick=0"), &l));
}

static void a_text_gives_all_its_lines_in_order(void **state)
{
    (void)state;
    osp_arena a;
    osp_golog log;
    osp_err err;
    osp_arena_init(&a, 1 << 20);
    assert_true(osp_golog_read(
        S("starting\n"
          "gc 1 @0.008s 5%: 0.48+0.27+0.003 ms clock, 0.97+0/0.11/0+0.006 ms cpu, 4->4->0 MB, 4 MB goal, 2 P\n"
          "SCHED 10ms: gomaxprocs=2 idleprocs=0 threads=4 spinningthreads=1 idlethreads=0 runqueue=0 [1 0]\n"
          "gc 2 @0.018s 5%: 0.48+0.27+0.003 ms clock, 0.97+0/0.11/0+0.006 ms cpu, 4->4->0 MB, 4 MB goal, 2 P"),
        &a, &log, &err));
    assert_int_equal(log.ngc, 2);
    assert_int_equal(log.nsched, 1);
    assert_int_equal(log.gc[1].number, 2);
    assert_int_equal(log.sched[0].local_queues, 1);
    osp_arena_drop(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_collection_is_read),
        cmocka_unit_test(an_old_collection_is_read),
        cmocka_unit_test(what_a_logger_puts_before_a_line_does_not_matter),
        cmocka_unit_test(a_look_at_the_scheduler_is_read),
        cmocka_unit_test(other_lines_are_none),
        cmocka_unit_test(a_text_gives_all_its_lines_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
