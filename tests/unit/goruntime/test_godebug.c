/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of schedtrace and gctrace, each as a release of Go printed it. */
#include "goruntime/goruntime_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static osp_sched_p two_ps[] = {
    {.id = 0, .schedtick = 15425, .syscalltick = 3, .m = -1, .free_gs = 2, .timers = 1},
    {.id = 1, .status = 1, .schedtick = 5, .syscalltick = 9, .m = 4, .runq = 7},
};
static osp_sched_m two_ms[] = {
    {.id = 4, .p = 1, .curg = 18, .lockedg = -1, .mallocing = 0, .locks = 2, .preemptoff = "gcing"},
    {.id = 0, .p = -1, .curg = -1, .lockedg = 1, .spinning = false, .blocked = true},
};
static osp_sched_g two_gs[] = {
    {.goid = 1, .status = 4, .waitreason = 14, .m = -1, .lockedm = 0},
    {.goid = 18, .status = 0x1002, .waitreason = 0, .m = 4, .lockedm = -1},
};

static void says(uint32_t version, bool detailed, const char *want)
{
    struct osp_go fake = {.number = version};
    osp_go_sched s = {.version = version,
                      .since_ms = 1013,
                      .gomaxprocs = 2,
                      .idle_ps = 1,
                      .threads = 8,
                      .idle_threads = 3,
                      .idle_locked = 1,
                      .runq = 6,
                      .gcwaiting = true,
                      .np = 2,
                      .nm = 2,
                      .ng = 2,
                      .p = two_ps,
                      .m = two_ms,
                      .g = two_gs};
    osp_buf out = osp_buf_of(1 << 16);
    osp_go_sched_text(&fake, &s, detailed, &out);
    osp_buf_byte(&out, 0);
    assert_string_equal(out.p, want);
    osp_buf_drop(&out);
}

static void the_short_line_is_that_of_its_release(void **state)
{
    (void)state;
    says(11913, false,
         "SCHED 1013ms: gomaxprocs=2 idleprocs=1 threads=8 spinningthreads=0 idlethreads=3 runqueue=6 [0 7]\n");
    says(12413, false,
         "SCHED 1013ms: gomaxprocs=2 idleprocs=1 threads=8 spinningthreads=0 needspinning=0 idlethreads=3 "
         "runqueue=6 [0 7]\n");
    says(12500, false,
         "SCHED 1013ms: gomaxprocs=2 idleprocs=1 threads=8 spinningthreads=0 needspinning=0 idlethreads=3 "
         "runqueue=6 [ 0 7 ] schedticks=[ 15425 5 ]\n");
}

static void what_is_not_there_is_minus_one_and_later_nil(void **state)
{
    (void)state;
    says(11913, true,
         "SCHED 1013ms: gomaxprocs=2 idleprocs=1 threads=8 spinningthreads=0 idlethreads=3 runqueue=6 gcwaiting=1 "
         "nmidlelocked=1 stopwait=0 sysmonwait=0\n"
         "  P0: status=0 schedtick=15425 syscalltick=3 m=-1 runqsize=0 gfreecnt=2 timerslen=1\n"
         "  P1: status=1 schedtick=5 syscalltick=9 m=4 runqsize=7 gfreecnt=0 timerslen=0\n"
         "  M4: p=1 curg=18 mallocing=0 throwing=0 preemptoff=gcing locks=2 dying=0 spinning=false blocked=false "
         "lockedg=-1\n"
         "  M0: p=-1 curg=-1 mallocing=0 throwing=0 preemptoff= locks=0 dying=0 spinning=false blocked=true "
         "lockedg=1\n"
         "  G1: status=4(chan receive) m=-1 lockedm=0\n"
         "  G18: status=4098() m=4 lockedm=-1\n");
    says(12014, true,
         "SCHED 1013ms: gomaxprocs=2 idleprocs=1 threads=8 spinningthreads=0 needspinning=0 idlethreads=3 runqueue=6 "
         "gcwaiting=true nmidlelocked=1 stopwait=0 sysmonwait=false\n"
         "  P0: status=0 schedtick=15425 syscalltick=3 m=nil runqsize=0 gfreecnt=2 timerslen=1\n"
         "  P1: status=1 schedtick=5 syscalltick=9 m=4 runqsize=7 gfreecnt=0 timerslen=0\n"
         "  M4: p=1 curg=18 mallocing=0 throwing=0 preemptoff=gcing locks=2 dying=0 spinning=false blocked=false "
         "lockedg=nil\n"
         "  M0: p=nil curg=nil mallocing=0 throwing=0 preemptoff= locks=0 dying=0 spinning=false blocked=true "
         "lockedg=1\n"
         "  G1: status=4(chan receive) m=nil lockedm=0\n"
         "  G18: status=4098() m=4 lockedm=nil\n");
}

static osp_go_gc a_cycle(uint32_t version)
{
    const uint64_t start = 1000000000000, began = start + 11200000;
    return (osp_go_gc){.version = version,
                       .init_ns = start,
                       .cycle = {.number = 3,
                                 .sweep_term_ns = began,
                                 .mark_ns = began + 16900,
                                 .mark_term_ns = began + 16900 + 324000,
                                 .end_ns = began + 16900 + 324000 + 2500,
                                 .assist_ns = 999,
                                 .worker_ns = 1240000,
                                 .idle_ns = 10999999,
                                 .heap0_bytes = (3 << 20) - 1,
                                 .heap1_bytes = 9 << 20,
                                 .heap2_bytes = 1 << 20,
                                 .goal_bytes = 4 << 20,
                                 .stacks_bytes = 5 << 20,
                                 .stopped_procs = 2,
                                 .procs = 2,
                                 .forced = true,
                                 .cpu_fraction = 0.0399}};
}

static void a_cycle_is_told_as_its_release_does(void **state)
{
    (void)state;
    osp_buf out = osp_buf_of(4096);
    osp_go_gc s = a_cycle(11713);
    osp_go_gc_text(&s, &out);
    s.version = 12608;
    s.cycle.forced = false;
    osp_go_gc_text(&s, &out);
    osp_buf_byte(&out, 0);
    assert_string_equal(
        out.p, "gc 3 @0.011s 3%: 0.016+0.32+0.002 ms clock, 0.033+0/1.2/10+0.005 ms cpu, 2->9->1 MB, 4 MB goal, "
               "2 P (forced)\n"
               "gc 3 @0.011s 3%: 0.016+0.32+0.002 ms clock, 0.033+0/1.2/10+0.005 ms cpu, 2->9->1 MB, 4 MB goal, "
               "5 MB stacks, 0 MB globals, 2 P\n");
    osp_buf_drop(&out);
}

static void a_fraction_is_written_with_as_few_digits_as_tell_it(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *want;
    } all[] = {{0, "# GCCPUFraction = 0\n"},
               {0.25, "# GCCPUFraction = 0.25\n"},
               {0.1 + 0.2, "# GCCPUFraction = 0.30000000000000004\n"},
               {0.00012, "# GCCPUFraction = 0.00012\n"},
               {3.0517578125e-05, "# GCCPUFraction = 3.0517578125e-05\n"},
               {1, "# GCCPUFraction = 1\n"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        osp_go_memstats m = {.gc.cycle.cpu_fraction = all[i].v};
        osp_buf out = osp_buf_of(1 << 16);
        osp_go_memstats_text(&m, &out);
        osp_buf_byte(&out, 0);
        assert_non_null(strstr(out.p, all[i].want));
        osp_buf_drop(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_short_line_is_that_of_its_release),
        cmocka_unit_test(what_is_not_there_is_minus_one_and_later_nil),
        cmocka_unit_test(a_cycle_is_told_as_its_release_does),
        cmocka_unit_test(a_fraction_is_written_with_as_few_digits_as_tell_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
