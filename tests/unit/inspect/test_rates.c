/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler and the collector over time, from looks that are made up. */
#include "inspect/inspect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static osp_go_sched look(osp_sched_p *p, uint64_t ms, int32_t idle, int32_t global)
{
    return (osp_go_sched){.taken_ns = ms * 1000000,
                          .gomaxprocs = 2,
                          .np = 2,
                          .p = p,
                          .idle_ps = idle,
                          .runq = global,
                          .threads = 5,
                          .spinning = idle};
}

static void shares_are_of_looks_and_counters_of_the_interval(void **state)
{
    (void)state;
    osp_sched_span s = {0};
    osp_sched_p p[2] = {{.id = 0, .status = 1, .schedtick = 4294967290u, .m = 3, .runq = 4},
                        {.id = 1, .status = 0, .schedtick = 50, .syscalltick = 8, .m = -1}};
    osp_go_sched a = look(p, 1000, 1, 0);
    assert_true(osp_sched_add(&s, &a));
    p[0].schedtick = 10; /* the counter has 32 bits and turns over */
    p[0].in_syscall = true;
    p[0].runq = 0;
    p[1].status = 1;
    p[1].schedtick = 70;
    p[1].syscalltick = 9;
    osp_go_sched b = look(p, 2000, 0, 6);
    assert_true(osp_sched_add(&s, &b));
    assert_int_equal(s.looks, 2);
    assert_int_equal(s.np, 2);
    assert_int_equal(s.p[0].scheduled, 16);
    assert_int_equal(s.p[1].scheduled, 20);
    assert_int_equal(s.p[1].calls, 1);
    assert_int_equal(s.p[0].in[OSP_P_RUNNING], 1);
    assert_int_equal(s.p[0].in[OSP_P_SYSCALL], 1); /* since 1.26 its P stays running */
    assert_int_equal(s.p[1].in[OSP_P_IDLE], 1);
    assert_int_equal(s.p[0].most_queued, 4);
    assert_int_equal(s.most_queued, 6);
    assert_int_equal(s.looks_queued, 2);
    assert_int_equal(s.looks_starved, 1); /* four were queued, and a P was idle */
    assert_int_equal(s.looks_spinning, 1);

    osp_sched_next(&s);
    assert_int_equal(s.looks, 0);
    p[0].schedtick = 30;
    osp_go_sched c = look(p, 3000, 0, 0);
    assert_true(osp_sched_add(&s, &c));
    assert_int_equal(s.p[0].scheduled, 20); /* since the interval before */
    assert_int_equal(s.since_ns, 2000000000);
    osp_sched_span_drop(&s);
}

static void a_row_that_is_missing_leaves_the_others(void **state)
{
    (void)state;
    osp_sched_span s = {0};
    osp_sched_p p[1] = {{.id = 1, .status = 1, .schedtick = 50}};
    osp_go_sched a = look(p, 1000, 0, 0);
    a.np = 1;
    a.torn = 1;
    assert_true(osp_sched_add(&s, &a));
    assert_int_equal(s.p[0].looks, 0);
    assert_int_equal(s.p[1].looks, 1);
    assert_int_equal(s.torn, 1);
    p[0].id = 1000; /* no such P */
    assert_true(osp_sched_add(&s, &a));
    assert_int_equal(s.p[1].looks, 1);
    osp_sched_span_drop(&s);
}

static osp_go_gc after(uint32_t done)
{
    osp_go_gc s = {.done = done, .started = done, .whole = true, .cycle.number = done};
    for (uint32_t n = done > 256 ? done - 255 : 1; n <= done; n++) {
        s.pause_ns[(n - 1) % 256] = n;
        s.pause_end_unix_ns[(n - 1) % 256] = 1000 * (uint64_t)n;
    }
    return s;
}

static void of_a_cycle_that_was_missed_only_the_ring_is_told(void **state)
{
    (void)state;
    osp_go_gc s = after(600);
    osp_gc_seen c = osp_gc_seen_of(&s, 600);
    assert_true(c.whole && c.has_pause && c.pause_ns == 600);
    c = osp_gc_seen_of(&s, 599);
    assert_true(!c.whole && c.has_pause && c.pause_ns == 599 && c.end_unix_ns == 599000);
    c = osp_gc_seen_of(&s, 345);
    assert_true(c.has_pause && c.pause_ns == 345);
    c = osp_gc_seen_of(&s, 344); /* overwritten */
    assert_true(!c.whole && !c.has_pause && c.pause_ns == 0);
    s.whole = false; /* the next one has begun */
    assert_false(osp_gc_seen_of(&s, 600).whole);
    s = after(0);
    assert_false(osp_gc_seen_of(&s, 0).has_pause);
}

static void pauses_are_those_in_the_ring_oldest_first(void **state)
{
    (void)state;
    osp_gc_pauses p;
    osp_go_gc s = after(3);
    osp_gc_pauses_of(&s, &p);
    assert_int_equal(p.n, 3);
    assert_int_equal(p.ns[0], 1);
    assert_int_equal(p.median_ns, 2);
    assert_int_equal(p.max_ns, 3);
    assert_int_equal(p.span_ns, 2000);
    s = after(1000);
    osp_gc_pauses_of(&s, &p);
    assert_int_equal(p.n, 256);
    assert_int_equal(p.ns[0], 745);
    assert_int_equal(p.ns[255], 1000);
    assert_int_equal(p.p99_ns, 998);
    assert_int_equal(p.span_ns, 255000);
    s = after(0);
    osp_gc_pauses_of(&s, &p);
    assert_int_equal(p.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_of_looks_and_counters_of_the_interval),
        cmocka_unit_test(a_row_that_is_missing_leaves_the_others),
        cmocka_unit_test(of_a_cycle_that_was_missed_only_the_ring_is_told),
        cmocka_unit_test(pauses_are_those_in_the_ring_oldest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
