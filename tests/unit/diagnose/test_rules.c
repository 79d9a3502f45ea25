/* SPDX-License-Identifier: Apache-2.0 */
/* Every rule over made-up facts: it fires on its illness, and stays silent on what only looks like it. */
#include "made_up.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define GO "r:runtime.goexit@asm_amd64.s r:runtime.main@proc.go g:main.main@main.go "
#define CGO                                                                                               \
    "k:main._Cfunc_decode@_cgo_gotypes.go r:runtime.cgocall@cgocall.go r:runtime.asmcgocall@asm_amd64.s " \
    "k:_cgo_1_Cfunc_decode "
#define M0 "r:runtime.mstart@asm_amd64.s r:runtime.mstart1@proc.go "

static void is_first(const osp_findings *f, const char *verdict, const char *kind, const char *culprit)
{
    assert_string_equal(first_of(f), verdict);
    const osp_finding *x = &f->row[0];
    if (kind)
        assert_string_equal(x->kind, kind);
    else
        assert_null(x->kind);
    char name[128];
    assert_string_equal(osp_str_z(x->culprit.func, name, sizeof name), culprit);
    assert_in_range(x->nevidence, 2, 6);
    assert_true(x->summary.n > 0 && x->next.n > 0);
    assert_true(x->nstack > 0);
}

static void nothing_is_found(made_up *m)
{
    osp_findings f = made_up_diagnose(m);
    assert_string_equal(first_of(&f), "");
}

/* ---- cgo-cpu-native ------------------------------------------------------------------------------------------- */

static void a_long_c_call_is_found_with_its_leaf_and_go_caller(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    osp_thread_fact *t = made_up_thread(m, 11, 1.0, true);
    t->same_call = true;
    t->goid = 18;
    made_up_thread(m, 12, 0.01, true);
    made_up_stack(m, 11, 18, 480,
                  GO "g:main.(*Session).Transcode@session.go " CGO "c:decode@block.c c:decode_block@block.c");
    made_up_stack(m, 11, 18, 10, GO "g:main.(*Session).Transcode@session.go " CGO "c:decode@block.c l:memcpy");
    made_up_stack(m, 12, 1, 5, GO "s:time.Sleep@sleep.go r:runtime.timeSleep@time.go");
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "cgo-cpu-native", NULL, "decode_block");
    assert_true(f.row[0].confidence > 0.9);
    assert_int_equal(f.n, 1);
    char first[64], last[64];
    assert_string_equal(osp_str_z(f.row[0].stack[0].func, first, sizeof first), "runtime.goexit");
    assert_string_equal(osp_str_z(f.row[0].stack[f.row[0].nstack - 1].func, last, sizeof last), "decode_block");
    bool seconds = false, goid = false;
    for (uint32_t i = 0; i < f.row[0].nevidence; i++) {
        const osp_evidence *e = &f.row[0].evidence[i];
        seconds = seconds || (osp_str_eq(e->unit, S("s")) && e->value == 5);
        goid = goid || (osp_str_eq(e->unit, S("goroutine id")) && e->value == 18);
    }
    assert_true(seconds && goid);
}

static void c_under_cgo_on_a_crowded_host_is_found(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 0.98, true)->running = 0.15;
    m->facts.cores_used = 0.15;
    made_up_stack(m, 11, 18, 45, GO CGO "c:burn");
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "cgo-cpu-native", NULL, "burn");
}

static void one_c_bound_goroutine_beside_busy_go_is_found(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    for (int i = 0; i < 4; i++)
        made_up_thread(m, 11 + i, 0.5, true);
    for (int i = 0; i < 3; i++)
        made_up_stack(m, 11 + i, 20 + (uint64_t)i, 250, GO "g:main.multiply@compute.go");
    made_up_stack(m, 14, 30, 200, GO "g:main.work@w.go " CGO "c:inflate");
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "cgo-cpu-native", NULL, "inflate");
}

static void a_libm_leaf_blames_the_c_function_that_called_it(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 1, true);
    made_up_stack(m, 11, 18, 300, GO CGO "c:simulate@sim.c l:__sin_fma");
    made_up_stack(m, 11, 18, 100, GO CGO "c:simulate@sim.c l:__exp_fma");
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "cgo-cpu-native", NULL, "simulate");
}

static void a_few_thousand_light_c_calls_are_fine(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 0.03, true);
    m->facts.cgo_calls_per_s = 2000;
    made_up_stack(m, 11, 1, 60, GO CGO "c:hash");
    made_up_stack(m, 11, 1, 30, GO "k:main._Cfunc_hash@_cgo_gotypes.go r:runtime.cgocall@cgocall.go");
    nothing_is_found(m);
}

static void go_called_back_from_c_is_go(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 1, true);
    made_up_stack(m, 11, 1, 400,
                  GO CGO "c:visit k:_cgoexp_1_cb r:runtime.cgocallback@asm_amd64.s g:main.score@score.go");
    nothing_is_found(m);
}

/* ---- native-thread-cpu ---------------------------------------------------------------------------------------- */

static void a_librarys_own_thread_is_found_with_its_start_routine(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 0.01, true);
    made_up_thread(m, 12, 1, false);
    made_up_thread(m, 13, 1, false);
    made_up_stack(m, 12, 0, 240, "l:clone3 l:start_thread c:pulse_worker@pulse.c c:pulse_mix@pulse.c");
    made_up_stack(m, 13, 0, 240, "l:clone3 l:start_thread c:pulse_worker@pulse.c c:pulse_mix@pulse.c");
    made_up_stack(m, 11, 1, 3, GO "s:time.Sleep");
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "native-thread-cpu", NULL, "pulse_mix");
    assert_int_equal(f.n, 1);
    bool start = false;
    for (uint32_t i = 0; i < f.row[0].nevidence; i++)
        start = start || osp_str_has(f.row[0].evidence[i].what, S("pulse_worker"));
    assert_true(start);
}

static void a_native_thread_without_names_is_found_by_its_library(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 12, 1, false);
    made_up_stack(m, 12, 0, 100, "l:clone3 l:start_thread c:libcodec.so+0x1139 c:libcodec.so+0x1180");
    made_up_stack(m, 12, 0, 90, "l:clone3 l:start_thread c:libcodec.so+0x1139 c:libcodec.so+0x1188");
    for (uint32_t i = 0; i < 2; i++)
        for (uint32_t k = 0; k < 2; k++)
            ((osp_call *)m->stack[i].call)[k].named = false;
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "native-thread-cpu", NULL, "libcodec.so+0x1180");
    assert_true(osp_str_eq(f.row[0].culprit.module, S("libcodec.so")));
}

static void a_light_native_thread_is_fine(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 0.01, true);
    made_up_thread(m, 12, 0.05, false);
    made_up_stack(m, 12, 0, 60, "l:clone3 l:start_thread c:heartbeat");
    nothing_is_found(m);
}

static void a_thread_that_runs_go_is_not_native_even_if_no_m_was_seen(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 12, 1, false);
    made_up_stack(m, 12, 7, 300, GO "g:main.multiply@compute.go");
    nothing_is_found(m);
}

static void a_native_thread_that_calls_back_into_go_is_still_native(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 12, 1, true);
    made_up_stack(m, 12, 0, 300, "l:clone3 l:start_thread c:feeder c:hash_chunk");
    made_up_stack(
        m, 12, 0, 60,
        "l:clone3 l:start_thread c:feeder k:_cgoexp_1_cb r:runtime.cgocallback@asm_amd64.s g:main.got@m.go");
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "native-thread-cpu", NULL, "hash_chunk");
    assert_int_equal(f.n, 1);
}

static void threads_of_a_c_program_are_its_own(void **state)
{
    (void)state;
    made_up *m = made_up_new(false);
    made_up_thread(m, 12, 1, false);
    made_up_thread(m, 13, 1, false);
    made_up_stack(m, 12, 0, 240, "l:clone3 l:start_thread c:work c:multiply");
    made_up_stack(m, 13, 0, 240, "l:clone3 l:start_thread c:work c:multiply");
    nothing_is_found(m);
}

/* ---- cgo-call-overhead ---------------------------------------------------------------------------------------- */

static void call_storm(made_up *m, uint64_t in_c)
{
    made_up_thread(m, 11, 1, true);
    m->facts.cgo_calls_per_s = 18e6;
    made_up_stack(m, 11, 1, 150,
                  GO "g:main.checksum@sum.go k:main._Cfunc_step@_cgo_gotypes.go r:runtime.cgocall@cgocall.go "
                     "r:runtime.exitsyscall@proc.go");
    made_up_stack(m, 11, 1, 150,
                  GO "g:main.checksum@sum.go k:main._Cfunc_step@_cgo_gotypes.go r:runtime.cgocall@cgocall.go "
                     "r:runtime.entersyscall@proc.go r:runtime.reentersyscall@proc.go");
    made_up_stack(m, 11, 1, 40,
                  GO "g:main.checksum@sum.go k:main._Cfunc_step@_cgo_gotypes.go r:runtime.cgocall@cgocall.go "
                     "r:runtime.asmcgocall@asm_amd64.s");
    made_up_stack(m, 11, 1, 10, GO "g:main.checksum@sum.go");
    if (in_c)
        made_up_stack(m, 11, 1, in_c, GO "g:main.checksum@sum.go " CGO "c:step");
}

static void millions_of_tiny_c_calls_are_found_with_their_go_caller(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    call_storm(m, 60);
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "cgo-call-overhead", NULL, "main.checksum");
    assert_int_equal(f.n, 1);
}

static void a_call_storm_with_much_c_still_blames_the_calls_first(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    call_storm(m, 420);
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "cgo-call-overhead", NULL, "main.checksum");
}

static void a_call_storm_is_found_without_the_runtimes_counter(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    call_storm(m, 0);
    m->facts.cgo_calls_per_s = -1;
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "cgo-call-overhead", NULL, "main.checksum");
    assert_true(f.row[0].confidence <= 0.75);
}

static void crossing_frames_at_a_low_rate_are_fine(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    call_storm(m, 0);
    m->facts.cgo_calls_per_s = 3000;
    nothing_is_found(m);
}

/* ---- clock-storm ---------------------------------------------------------------------------------------------- */

static void a_go_loop_over_the_clock_is_found_with_its_caller(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 1, true);
    made_up_stack(m, 11, 1, 400,
                  GO "g:main.waitUntil@wait.go s:time.Now@time.go s:time.now@timestub.go v:__vdso_clock_gettime");
    made_up_stack(m, 11, 1, 40, GO "g:main.waitUntil@wait.go s:time.Time.After@time.go");
    made_up_stack(m, 11, 1, 20, GO "g:main.waitUntil@wait.go");
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "clock-storm", NULL, "main.waitUntil");
    assert_true(f.row[0].confidence > 0.9);
}

static void a_c_loop_over_the_clock_is_found(void **state)
{
    (void)state;
    made_up *m = made_up_new(false);
    made_up_thread(m, 11, 1, false);
    made_up_stack(m, 11, 0, 300,
                  "l:_start l:__libc_start_main c:main c:await_deadline l:clock_gettime v:__vdso_clock_gettime");
    made_up_stack(m, 11, 0, 100, "l:_start l:__libc_start_main c:main c:await_deadline");
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "clock-storm", NULL, "await_deadline");
}

static void a_clock_that_falls_through_to_the_kernel_is_found_and_said(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 1, true);
    made_up_stack(m, 11, 1, 400,
                  GO "g:main.poll@p.go s:time.Since@time.go r:runtime.nanotime@time_nofake.go v:__vdso_clock_gettime "
                     "n:entry_SYSCALL_64 n:do_syscall_64 n:__x64_sys_clock_gettime n:read_hpet");
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "clock-storm", NULL, "main.poll");
    assert_true(osp_str_has(f.row[0].summary, S("real system call")));
}

static void a_clock_loop_in_c_under_cgo_is_a_clock_storm_first(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 1, true);
    made_up_stack(m, 11, 1, 300, GO CGO "c:await l:clock_gettime v:__vdso_clock_gettime");
    made_up_stack(m, 11, 1, 100, GO CGO "c:await");
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "clock-storm", NULL, "await");
}

static void one_clock_loop_beside_busy_goroutines_is_found(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 1, true);
    made_up_thread(m, 12, 1, true);
    made_up_stack(m, 11, 4, 130, GO "g:main.multiply@m.go");
    made_up_stack(m, 11, 5, 120, GO "g:main.multiply@m.go");
    made_up_stack(m, 12, 6, 130, GO "g:main.multiply@m.go");
    made_up_stack(m, 12, 7, 90, GO "g:main.tick@t.go s:time.Now@time.go v:__vdso_clock_gettime");
    made_up_stack(m, 12, 7, 30, GO "g:main.tick@t.go");
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "clock-storm", NULL, "main.tick");
}

static void two_time_stamps_a_request_are_fine(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 1, true);
    made_up_stack(m, 11, 4, 30, GO "g:main.handle@h.go s:time.Now@time.go v:__vdso_clock_gettime");
    made_up_stack(m, 11, 4, 400, GO "g:main.handle@h.go s:encoding/json.Marshal@encode.go");
    nothing_is_found(m);
}

static void the_schedulers_own_clock_reads_are_not_the_programs(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 1, true);
    made_up_stack(m, 11, 0, 400,
                  M0 "r:runtime.schedule@proc.go r:runtime.findRunnable@proc.go r:runtime.nanotime@time_nofake.go "
                     "v:__vdso_clock_gettime");
    nothing_is_found(m);
}

static void an_idle_program_whose_few_samples_are_clock_reads_is_fine(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 0.01, true);
    made_up_stack(m, 11, 4, 60, GO "g:main.tick@t.go s:time.Now@time.go v:__vdso_clock_gettime");
    nothing_is_found(m);
}

/* ---- busy-spin: select ------------------------------------------------------------------------------------------ */

static void select_with_empty_default_is_found(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 1, true);
    made_up_stack(m, 11, 18, 160,
                  GO "g:main.(*hub).dispatch@hub.go r:runtime.selectnbrecv@chan.go r:runtime.chanrecv@chan.go");
    made_up_stack(m, 11, 18, 140,
                  GO "g:main.(*hub).dispatch@hub.go r:runtime.selectnbrecv@chan.go r:runtime.chanrecv@chan.go "
                     "r:runtime.empty@chan.go");
    made_up_stack(m, 11, 18, 60, GO "g:main.(*hub).dispatch@hub.go");
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "busy-spin", "select", "main.(*hub).dispatch");
}

static void select_of_several_channels_is_found(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 1, true);
    made_up_stack(m, 11, 18, 160, GO "g:main.run@hub.go r:runtime.selectgo@select.go");
    made_up_stack(
        m, 11, 18, 140,
        GO
        "g:main.run@hub.go r:runtime.selectgo@select.go r:runtime.sellock@select.go r:runtime.lock2@lock_spinbit.go");
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "busy-spin", "select", "main.run");
}

static void a_select_that_receives_is_work(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 1, true);
    made_up_stack(m, 11, 18, 160, GO "g:main.run@hub.go r:runtime.selectgo@select.go");
    made_up_stack(m, 11, 18, 40,
                  GO
                  "g:main.run@hub.go r:runtime.selectgo@select.go r:runtime.recv@chan.go r:runtime.goready@proc.go");
    nothing_is_found(m);
}

static void a_select_beside_real_work_in_its_loop_is_fine(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 1, true);
    made_up_stack(m, 11, 18, 60, GO "g:main.run@hub.go r:runtime.selectnbrecv@chan.go r:runtime.chanrecv@chan.go");
    made_up_stack(m, 11, 18, 300, GO "g:main.run@hub.go g:main.simulate@sim.go");
    nothing_is_found(m);
}

/* ---- busy-spin: Gosched ----------------------------------------------------------------------------------------- */

static void gosched_spin(made_up *m)
{
    made_up_thread(m, 11, 1, true);
    made_up_thread(m, 12, 1, true);
    for (int tid = 11; tid <= 12; tid++) {
        made_up_stack(m, tid, 0, 120,
                      M0 "r:runtime.mcall@asm_amd64.s r:runtime.gosched_m@proc.go r:runtime.goschedImpl@proc.go "
                         "r:runtime.schedule@proc.go");
        made_up_stack(m, tid, 0, 60,
                      "r:runtime.mcall@asm_amd64.s r:runtime.gosched_m@proc.go r:runtime.schedule@proc.go "
                      "r:runtime.findRunnable@proc.go r:runtime.lock2@lock_spinbit.go");
        made_up_stack(m, tid, 0, 20,
                      "r:runtime.mcall@asm_amd64.s r:runtime.gosched_m@proc.go r:runtime.schedule@proc.go "
                      "r:runtime.nanotime@time_nofake.go v:__vdso_clock_gettime");
        made_up_stack(m, tid, (uint64_t)tid, 30, GO "g:main.awaitReady@w.go r:runtime.Gosched@proc.go");
    }
}

static void goroutines_that_yield_in_a_loop_are_found(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    gosched_spin(m);
    m->facts.sched_ticks_per_s = 6e6;
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "busy-spin", "Gosched", "main.awaitReady");
    assert_int_equal(f.n, 1);
}

static void yielding_goroutines_are_named_where_samples_show_only_the_scheduler(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 1, true);
    m->facts.sched_ticks_per_s = 6e6;
    made_up_stack(m, 11, 0, 300,
                  "r:runtime.mcall@asm_amd64.s r:runtime.later_name@proc.go r:runtime.schedule@proc.go");
    nothing_is_found(m);
    made_up_stack(m, 11, 0, 1, "r:runtime.mcall@asm_amd64.s r:runtime.schedule@proc.go");
    osp_stack_fact waits[2];
    for (uint64_t i = 0; i < 2; i++) {
        made_up_stack(m, 11, 20 + i, 14, GO "g:main.(*Gate).await@gate.go r:runtime.Gosched@proc.go");
        waits[i] = m->stack[--m->facts.nstack];
        m->facts.samples -= 14;
        m->thread[0].samples -= 14;
    }
    m->facts.yield = waits;
    m->facts.nyield = 2;
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "busy-spin", "Gosched", "main.(*Gate).await");
}

static void a_scheduler_that_is_busy_without_yields_is_another_illness(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 1, true);
    m->facts.sched_ticks_per_s = 6e5;
    made_up_stack(m, 11, 0, 300, M0 "r:runtime.schedule@proc.go r:runtime.findRunnable@proc.go");
    made_up_stack(m, 11, 4, 90, GO "g:main.ping@p.go r:runtime.chansend1@chan.go r:runtime.gopark@proc.go");
    osp_findings f = made_up_diagnose(m);
    assert_string_equal(first_of(&f), "sched-wake-storm");
}

/* Four goroutines of some microseconds of work each turn: the work stands in the function that yields. */
static void work_in_the_function_that_yields_is_no_wait(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    m->facts.sched_ticks_per_s = 150000;
    for (int tid = 11; tid <= 12; tid++) {
        made_up_thread(m, tid, 1, true);
        made_up_stack(m, tid, (uint64_t)tid, 180, GO "g:main.step@w.go");
        made_up_stack(m, tid, (uint64_t)tid, 4, GO "g:main.step@w.go r:runtime.Gosched@proc.go");
        made_up_stack(m, tid, 0, 16,
                      M0 "r:runtime.mcall@asm_amd64.s r:runtime.gosched_m@proc.go r:runtime.schedule@proc.go");
    }
    nothing_is_found(m);
}

/* On a crowded host samples are few: the healthy half of the process must not make the sick goroutine doubtful. */
static void few_samples_of_a_c_bound_goroutine_beside_as_much_go_are_enough(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 1, true);
    made_up_thread(m, 12, 1, true);
    made_up_stack(m, 11, 5, 32,
                  GO "g:main.(*Session).Run@session.go g:main.Decode@codec.go " CGO "c:decode_block@block.c");
    made_up_stack(m, 12, 6, 36, GO "g:main.serve@serve.go s:crypto/sha256.block@sha256block.go");
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "cgo-cpu-native", NULL, "decode_block");
    assert_true(f.row[0].confidence > 0.9);
}

static void a_yield_between_pieces_of_work_is_fine(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 1, true);
    m->facts.sched_ticks_per_s = 2000;
    made_up_stack(m, 11, 4, 300, GO "g:main.work@w.go");
    made_up_stack(m, 11, 4, 9, GO "g:main.work@w.go r:runtime.Gosched@proc.go");
    nothing_is_found(m);
}

/* ---- busy-spin: flag -------------------------------------------------------------------------------------------- */

static osp_loop_fact *flag_loop(made_up *m)
{
    made_up_thread(m, 12, 1, false);
    made_up_stack(m, 12, 0, 400, "l:clone3 l:start_thread c:waiter@w.c c:await_flag@w.c");
    m->facts.nloop = 1;
    m->loop[0] = (osp_loop_fact){.func = S("await_flag"),
                                 .file = S("w.c"),
                                 .module = S("worker"),
                                 .line = 12,
                                 .kind = OSP_CALL_C,
                                 .share = 1,
                                 .of_its_threads = 1,
                                 .demand = 1,
                                 .entropy_bits = 0.6,
                                 .addresses = 2,
                                 .threads = 1,
                                 .stack = &m->stack[0],
                                 .loop = {.instructions = 3, .fixed_loads = 1},
                                 .load_symbol = S("stop_flag")};
    return &m->loop[0];
}

static void a_c_loop_that_only_reads_a_flag_is_found(void **state)
{
    (void)state;
    made_up *m = made_up_new(false);
    flag_loop(m);
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "busy-spin", "C flag", "await_flag");
    assert_true(osp_str_has(f.row[0].summary, S("stop_flag")));
}

static void a_loop_that_computes_stores_calls_or_walks_memory_is_work(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        made_up *m = made_up_new(false);
        osp_loop_fact *l = flag_loop(m);
        *(i == 0   ? &l->loop.arithmetic
          : i == 1 ? &l->loop.stores
          : i == 2 ? &l->loop.calls
                   : &l->loop.other_loads) = 1;
        nothing_is_found(m);
    }
}

static void a_flag_loop_that_is_part_of_work_is_fine(void **state)
{
    (void)state;
    made_up *m = made_up_new(false);
    flag_loop(m)->of_its_threads = 0.4;
    nothing_is_found(m);
}

static void a_flag_loop_of_a_native_thread_comes_before_the_thread(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    flag_loop(m);
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "busy-spin", "C flag", "await_flag");
    assert_int_equal(f.n, 2);
    assert_string_equal(f.row[1].verdict, "native-thread-cpu");
}

/* ---- all together ------------------------------------------------------------------------------------------------ */

static void go_work_on_all_cores_is_fine(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    for (int tid = 11; tid < 13; tid++) {
        made_up_thread(m, tid, 1, true);
        made_up_stack(m, tid, (uint64_t)tid, 480, GO "g:main.multiply@m.go");
        made_up_stack(m, tid, 0, 8, M0 "r:runtime.gcBgMarkWorker@mgc.go r:runtime.gcDrain@mgcmark.go");
    }
    nothing_is_found(m);
}

static void no_samples_at_all_find_nothing(void **state)
{
    (void)state;
    nothing_is_found(made_up_new(true));
    nothing_is_found(made_up_new(false));
}

static void a_handful_of_samples_decides_nothing(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 1, true);
    made_up_stack(m, 11, 18, 6, GO CGO "c:burn");
    nothing_is_found(m);
}

static void without_memory_rules_find_nothing_and_do_not_fall(void **state)
{
    (void)state;
    for (long n = 0; n < 60; n++) {
        made_up *m = made_up_new(true);
        call_storm(m, 420);
        osp_arena_fail_after(n);
        osp_findings f = made_up_diagnose(m);
        osp_arena_fail_after(-1);
        osp_buf out = osp_buf_of(1 << 16);
        osp_findings_json(&m->facts, &f, &out);
        osp_buf_drop(&out);
    }
}

static void json_has_exactly_the_agreed_fields(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 1, true);
    made_up_stack(m, 11, 18, 400, GO CGO "c:burn@burn.c");
    osp_findings f = made_up_diagnose(m);
    osp_buf out = osp_buf_of(1 << 16);
    osp_findings_json(&m->facts, &f, &out);
    assert_false(out.failed);
    static const char *const key[] = {"\"schema\"",     "\"process\"", "\"window_ns\"", "\"findings\"", "\"verdict\"",
                                      "\"confidence\"", "\"summary\"", "\"evidence\"",  "\"what\"",     "\"value\"",
                                      "\"unit\"",       "\"source\"",  "\"culprit\"",   "\"func\"",     "\"file\"",
                                      "\"line\"",       "\"module\"",  "\"stack\"",     "\"next\""};
    for (size_t i = 0; i < sizeof key / sizeof *key; i++)
        assert_true(osp_str_find(osp_buf_str(&out), osp_str_from(key[i])) < out.n);
    assert_true(osp_str_find(osp_buf_str(&out), S("\"kind\"")) == out.n);
    osp_buf_drop(&out);
}

static void kinds_follow_from_names(void **state)
{
    (void)state;
    static const struct {
        bool go;
        const char *func, *file, *module;
        osp_call_kind kind;
    } row[] = {
        {true, "main.main", "/src/main.go", "app", OSP_CALL_GO},
        {true, "github.com/acme/x/v2.(*T[go.shape.int]).Run.func1", "x.go", "app", OSP_CALL_GO},
        {true, "targets/thing.Do", "t.go", "app", OSP_CALL_GO},
        {true, "net/http.(*conn).serve", "/usr/local/go/src/net/http/server.go", "app", OSP_CALL_STD},
        {true, "time.Now", "time.go", "app", OSP_CALL_STD},
        {true, "sync.(*Mutex).Lock", "mutex.go", "app", OSP_CALL_STD},
        {true, "runtime.mallocgc", "/usr/local/go/src/runtime/malloc.go", "app", OSP_CALL_RUNTIME},
        {true, "runtime/pprof.Do", "runtime/pprof/runtime.go", "app", OSP_CALL_STD},
        {true, "internal/runtime/maps.(*Map).get", "map.go", "app", OSP_CALL_RUNTIME},
        {true, "gosave_systemstack_switch", "/usr/local/go/src/runtime/asm_amd64.s", "app", OSP_CALL_RUNTIME},
        {true, "main._Cfunc_step.abi0", "_cgo_gotypes.go", "app", OSP_CALL_CGO},
        {true, "main._Cfunc_step", "_cgo_gotypes.go", "app", OSP_CALL_CGO},
        {true, "time/tzdata.Load", "z.go", "app", OSP_CALL_STD},
        {true, "timex.Load", "z.go", "app", OSP_CALL_GO},
        {false, "_cgo_412f74b48858_Cfunc_step", "", "app", OSP_CALL_CGO},
        {false, "threadentry", "", "app", OSP_CALL_CGO},
        {false, "decode_block", "block.c", "libcodec.so.2", OSP_CALL_C},
        {false, "main", "m.c", "app", OSP_CALL_C},
        {false, "memcpy", "", "libc.so.6", OSP_CALL_LIB},
        {false, "std::atomic<bool>::load(std::memory_order) const", "/usr/include/c++/12/atomic", "app",
         OSP_CALL_LIB},
        {false, "stdlike::load()", "load.cc", "app", OSP_CALL_C},
        {false, "std::thread::_State_impl<std::thread::_Invoker<std::tuple<run::{lambda()#1}> > >::_M_run()", "",
         "app", OSP_CALL_C},
        {false, "start_thread", "", "app-static", OSP_CALL_LIB},
        {false, "__vdso_clock_gettime", "", "[vdso]", OSP_CALL_VDSO},
        {false, "do_syscall_64", "", "[kernel.kallsyms]", OSP_CALL_KERNEL},
        {false, "0x7f0012345678", "", "", OSP_CALL_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        osp_call_kind k = osp_call_kind_of(row[i].go, osp_str_from(row[i].func), osp_str_from(row[i].file),
                                           osp_str_from(row[i].module));
        if (k != row[i].kind)
            print_message("# %s: kind %d\n", row[i].func, (int)k);
        assert_int_equal(k, row[i].kind);
    }
}

static void domains_follow_from_the_leaf_and_its_callers(void **state)
{
    (void)state;
    static const struct {
        const char *stack;
        osp_domain in;
    } row[] = {
        {GO "g:main.work", OSP_IN_GO_USER},
        {GO "g:main.work s:encoding/json.Marshal", OSP_IN_GO_USER},
        {GO "g:main.work r:runtime.mallocgc@malloc.go r:runtime.memclrNoHeapPointers@memclr_amd64.s",
         OSP_IN_GO_ALLOC},
        {GO "g:main.work r:runtime.mallocgc@malloc.go r:runtime.gcAssistAlloc@mgcmark.go", OSP_IN_GO_GC},
        {M0 "r:runtime.schedule@proc.go r:runtime.lock2@lock_futex.go", OSP_IN_GO_SCHEDULER},
        {GO "g:main.work r:runtime.mapaccess1@map.go", OSP_IN_GO_OTHER},
        {GO "g:main.work r:runtime.cgocall@cgocall.go r:runtime.exitsyscall@proc.go", OSP_IN_GO_OTHER},
        {GO CGO "c:burn", OSP_IN_CGO_C},
        {"l:start_thread c:burn", OSP_IN_C},
        {GO "g:main.work s:syscall.write n:entry_SYSCALL_64 n:ksys_write", OSP_IN_KERNEL},
        {GO "g:main.work s:time.Now v:__vdso_clock_gettime", OSP_IN_VDSO},
        {"u:0x7f00", OSP_IN_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        made_up *m = made_up_new(true);
        made_up_stack(m, 1, 1, 1, row[i].stack);
        assert_int_equal(m->stack[0].in, row[i].in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_c_call_is_found_with_its_leaf_and_go_caller),
        cmocka_unit_test(c_under_cgo_on_a_crowded_host_is_found),
        cmocka_unit_test(one_c_bound_goroutine_beside_busy_go_is_found),
        cmocka_unit_test(a_libm_leaf_blames_the_c_function_that_called_it),
        cmocka_unit_test(a_few_thousand_light_c_calls_are_fine),
        cmocka_unit_test(go_called_back_from_c_is_go),
        cmocka_unit_test(a_librarys_own_thread_is_found_with_its_start_routine),
        cmocka_unit_test(a_native_thread_without_names_is_found_by_its_library),
        cmocka_unit_test(a_light_native_thread_is_fine),
        cmocka_unit_test(a_thread_that_runs_go_is_not_native_even_if_no_m_was_seen),
        cmocka_unit_test(a_native_thread_that_calls_back_into_go_is_still_native),
        cmocka_unit_test(threads_of_a_c_program_are_its_own),
        cmocka_unit_test(millions_of_tiny_c_calls_are_found_with_their_go_caller),
        cmocka_unit_test(a_call_storm_with_much_c_still_blames_the_calls_first),
        cmocka_unit_test(a_call_storm_is_found_without_the_runtimes_counter),
        cmocka_unit_test(crossing_frames_at_a_low_rate_are_fine),
        cmocka_unit_test(a_go_loop_over_the_clock_is_found_with_its_caller),
        cmocka_unit_test(a_c_loop_over_the_clock_is_found),
        cmocka_unit_test(a_clock_that_falls_through_to_the_kernel_is_found_and_said),
        cmocka_unit_test(a_clock_loop_in_c_under_cgo_is_a_clock_storm_first),
        cmocka_unit_test(one_clock_loop_beside_busy_goroutines_is_found),
        cmocka_unit_test(two_time_stamps_a_request_are_fine),
        cmocka_unit_test(the_schedulers_own_clock_reads_are_not_the_programs),
        cmocka_unit_test(an_idle_program_whose_few_samples_are_clock_reads_is_fine),
        cmocka_unit_test(select_with_empty_default_is_found),
        cmocka_unit_test(select_of_several_channels_is_found),
        cmocka_unit_test(a_select_that_receives_is_work),
        cmocka_unit_test(a_select_beside_real_work_in_its_loop_is_fine),
        cmocka_unit_test(goroutines_that_yield_in_a_loop_are_found),
        cmocka_unit_test(yielding_goroutines_are_named_where_samples_show_only_the_scheduler),
        cmocka_unit_test(a_scheduler_that_is_busy_without_yields_is_another_illness),
        cmocka_unit_test(a_yield_between_pieces_of_work_is_fine),
        cmocka_unit_test(work_in_the_function_that_yields_is_no_wait),
        cmocka_unit_test(few_samples_of_a_c_bound_goroutine_beside_as_much_go_are_enough),
        cmocka_unit_test(a_c_loop_that_only_reads_a_flag_is_found),
        cmocka_unit_test(a_loop_that_computes_stores_calls_or_walks_memory_is_work),
        cmocka_unit_test(a_flag_loop_that_is_part_of_work_is_fine),
        cmocka_unit_test(a_flag_loop_of_a_native_thread_comes_before_the_thread),
        cmocka_unit_test(go_work_on_all_cores_is_fine),
        cmocka_unit_test(no_samples_at_all_find_nothing),
        cmocka_unit_test(a_handful_of_samples_decides_nothing),
        cmocka_unit_test(without_memory_rules_find_nothing_and_do_not_fall),
        cmocka_unit_test(json_has_exactly_the_agreed_fields),
        cmocka_unit_test(kinds_follow_from_names),
        cmocka_unit_test(domains_follow_from_the_leaf_and_its_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
