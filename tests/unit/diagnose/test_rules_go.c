/* SPDX-License-Identifier: Apache-2.0 */
/* The rules about goroutines, locks, channels, timers and the scheduler over made-up facts: each fires on its illness, and stays
 * silent on what only looks like it. */
#include "made_up.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define ROOT "r:runtime.goexit@asm_amd64.s "
#define SCHEDULER \
    "r:runtime.mcall@asm_amd64.s r:runtime.park_m@proc.go r:runtime.schedule@proc.go r:runtime.findRunnable@proc.go"
#define RECEIVE " r:runtime.chanrecv1@chan.go r:runtime.chanrecv@chan.go r:runtime.gopark@proc.go"
#define SEND " r:runtime.chansend1@chan.go r:runtime.chansend@chan.go r:runtime.gopark@proc.go"
#define SELECT " r:runtime.selectgo@select.go r:runtime.gopark@proc.go"
#define SLEEP " s:time.Sleep@time.go r:runtime.gopark@proc.go"
#define LOCK                                                                                                   \
    " s:sync.(*Mutex).Lock@mutex.go s:internal/sync.(*Mutex).lockSlow@mutex.go r:runtime.semacquire1@sema.go " \
    "r:runtime.gopark@proc.go"
#define READ_LOCK " s:sync.(*RWMutex).RLock@rwmutex.go r:runtime.semacquire1@sema.go r:runtime.gopark@proc.go"
#define WRITE_LOCK " s:sync.(*RWMutex).Lock@rwmutex.go r:runtime.semacquire1@sema.go r:runtime.gopark@proc.go"

enum { GROUPS = 8, HOLDERS = 8 };

static struct {
    osp_group_fact group[GROUPS];
    osp_goroutine_fact holder[HOLDERS];
    osp_timer_fact timer[4];
} made;

static made_up *go_program(void)
{
    made_up *m = made_up_new(true);
    memset(&made, 0, sizeof made);
    m->facts.goroutine = (osp_goroutine_facts){
        .known = true, .seconds = 4, .births_per_s = 0, .group = made.group, .holder = made.holder};
    m->facts.timers = (osp_timer_facts){.known = true, .seconds = 4, .group = made.timer};
    m->facts.sched =
        (osp_sched_fact){.known = true, .looks = 40, .gomaxprocs = 2, .threads = 6, .busy = 1, .threads_error = 0.01};
    m->facts.cores_used = 0.01;
    return m;
}

/* n goroutines that stand there; root to leaf, without their creator. */
static osp_group_fact *group(made_up *m, uint32_t n, uint32_t still, uint8_t status, const char *root_to_leaf)
{
    osp_group_fact *g = &made.group[m->facts.goroutine.ngroup++];
    osp_call *call = osp_new(&m->arena, osp_call, 32);
    uint32_t k = 0;
    for (osp_str rest = osp_str_from(root_to_leaf); rest.n;) {
        osp_str word = osp_str_cut(&rest, ' ');
        if (word.n)
            call[31 - k++] = made_up_call(word);
    }
    *g = (osp_group_fact){.n = n,
                          .still = still,
                          .status = status,
                          .state = S("waiting"),
                          .call = call + 32 - k,
                          .ncall = k,
                          .creator = made_up_call(S("g:main.main@main.go")),
                          .least_s = -1,
                          .median_s = -1,
                          .most_s = -1,
                          .last_s = -1,
                          .goid = {100 * m->facts.goroutine.ngroup}};
    m->facts.goroutine.n += n;
    return g;
}

static osp_waited_fact *on_lock(made_up *m, osp_group_fact *g, uint64_t addr, uint32_t all, osp_lock_kind kind)
{
    osp_waited_fact *o = osp_new(&m->arena, osp_waited_fact, 1);
    *o = (osp_waited_fact){.kind = OSP_WAIT_SEMAPHORE,
                           .addr = addr,
                           .n = g->n,
                           .all = all,
                           .lock = kind,
                           .has_lock = true,
                           .locked = true,
                           .waiting = all,
                           .sought = true};
    g->object = o;
    g->nobject = g->objects = 1;
    return o;
}

static void held_by(made_up *m, osp_waited_fact *o, uint64_t goid, uint32_t group, uint64_t waits_on, bool still)
{
    uint64_t *id = osp_new(&m->arena, uint64_t, 1);
    *id = goid;
    o->holder = id;
    o->nholder = o->candidates = 1;
    made.holder[m->facts.goroutine.nholder++] =
        (osp_goroutine_fact){.goid = goid, .group = group, .still = still, .on = {waits_on, 0}};
}

static void is_first(const osp_findings *f, const char *verdict, const char *kind, const char *culprit)
{
    char name[128];
    assert_string_equal(first_of(f), verdict);
    const osp_finding *x = &f->row[0];
    if (kind)
        assert_string_equal(x->kind, kind);
    assert_string_equal(osp_str_z(x->culprit.func, name, sizeof name), culprit);
    assert_in_range(x->nevidence, 2, 6);
    assert_true(x->summary.n > 0 && x->next.n > 0 && x->nstack > 0);
}

static void nothing_is_found(made_up *m)
{
    osp_findings f = made_up_diagnose(m);
    assert_string_equal(first_of(&f), "");
}

/* ---- goroutine-deadlock ---------------------------------------------------------------------------------------------- */

static made_up *two_that_wait_for_each_other(bool still)
{
    made_up *m = go_program();
    osp_group_fact *a = group(m, 1, still, OSP_G_WAITING, ROOT "g:main.move@bank.go" LOCK);
    osp_group_fact *b = group(m, 1, still, OSP_G_WAITING, ROOT "g:main.move@bank.go" LOCK);
    osp_group_fact *behind = group(m, 10, 10, OSP_G_WAITING, ROOT "g:main.audit@bank.go" LOCK);
    osp_waited_fact *first = on_lock(m, a, 0xa0, 11, OSP_LOCK_MUTEX),
                    *second = on_lock(m, b, 0xb0, 1, OSP_LOCK_MUTEX);
    on_lock(m, behind, 0xa0, 11, OSP_LOCK_MUTEX);
    held_by(m, first, 200, 1, 0xb0, still);
    held_by(m, second, 100, 0, 0xa0, still);
    return m;
}

static void a_circle_of_locks_is_a_deadlock(void **state)
{
    (void)state;
    osp_findings f = made_up_diagnose(two_that_wait_for_each_other(true));
    is_first(&f, "goroutine-deadlock", "circle", "main.move");
    assert_true(f.row[0].confidence > 0.9);
}

static void those_that_go_on_are_no_deadlock(void **state)
{
    (void)state;
    osp_findings f = made_up_diagnose(two_that_wait_for_each_other(false));
    for (uint32_t i = 0; i < f.n; i++)
        assert_string_not_equal(f.row[i].verdict, "goroutine-deadlock");
}

static void a_reader_that_reads_again_behind_a_writer_is_a_deadlock(void **state)
{
    (void)state;
    made_up *m = go_program();
    osp_group_fact *r = group(m, 1, 1, OSP_G_WAITING, ROOT "g:main.outer@a.go g:main.inner@a.go" READ_LOCK);
    osp_group_fact *w = group(m, 1, 1, OSP_G_WAITING, ROOT "g:main.write@a.go" WRITE_LOCK);
    osp_waited_fact *o = on_lock(m, r, 0xa0, 1, OSP_LOCK_READER);
    o->left = 1;
    held_by(m, o, 200, 1, 0xa0, true);
    on_lock(m, w, 0xa0, 1, OSP_LOCK_WRITER)->left = 1;
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "goroutine-deadlock", "read lock taken twice", "main.inner");
}

static void readers_behind_a_writer_whose_reader_sleeps_are_no_deadlock(void **state)
{
    (void)state;
    made_up *m = go_program();
    osp_group_fact *r = group(m, 5, 5, OSP_G_WAITING, ROOT "g:main.inner@a.go" READ_LOCK);
    osp_group_fact *w = group(m, 1, 1, OSP_G_WAITING, ROOT "g:main.write@a.go" WRITE_LOCK);
    group(m, 1, 1, OSP_G_WAITING, ROOT "g:main.inner@a.go g:main.slow@a.go" SLEEP);
    osp_waited_fact *o = on_lock(m, r, 0xa0, 5, OSP_LOCK_READER);
    o->left = 1;
    held_by(m, o, 300, 2, 0, true);
    on_lock(m, w, 0xa0, 1, OSP_LOCK_WRITER)->left = 1;
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "mutex-held-across-wait", "sleep", "main.inner");
    for (uint32_t i = 0; i < f.n; i++)
        assert_string_not_equal(f.row[i].verdict, "goroutine-deadlock");
}

/* ---- mutex-held-across-wait --------------------------------------------------------------------------------------------- */

static made_up *a_queue(uint32_t waiting)
{
    made_up *m = go_program();
    osp_group_fact *g = group(m, waiting, 0, OSP_G_WAITING, ROOT "g:main.update@a.go" LOCK);
    group(m, 1, 0, OSP_G_WAITING, ROOT "g:main.update@a.go g:main.backend@a.go" SLEEP);
    held_by(m, on_lock(m, g, 0xa0, waiting, OSP_LOCK_MUTEX), 200, 1, 0, false);
    return m;
}

static void a_queue_behind_one_that_sleeps_is_found(void **state)
{
    (void)state;
    osp_findings f = made_up_diagnose(a_queue(40));
    is_first(&f, "mutex-held-across-wait", "sleep", "main.update");
}

static void two_that_wait_are_no_queue(void **state)
{
    (void)state;
    nothing_is_found(a_queue(2));
}

/* ---- mutex-contention, log-contention, rwmutex-contention, chan-contention ------------------------------------------------ */

static void a_convoy_is_found_and_a_light_mutex_is_not(void **state)
{
    (void)state;
    for (int busy = 0; busy < 2; busy++) {
        made_up *m = go_program();
        made_up_thread(m, 11, busy ? 0.8 : 0.02, true);
        made_up_thread(m, 12, busy ? 0.8 : 0.02, true);
        group(m, 30, 0, OSP_G_RUNNABLE, ROOT "g:main.put@a.go" LOCK);
        made_up_stack(m, 11, 7, 200,
                      ROOT
                      "g:main.put@a.go s:sync.(*Mutex).Lock@mutex.go s:internal/sync.(*Mutex).lockSlow@mutex.go");
        made_up_stack(m, 12, 8, 100, ROOT "g:main.put@a.go r:runtime.mapassign_fast64@map.go");
        osp_findings f = made_up_diagnose(m);
        if (busy)
            is_first(&f, "mutex-contention", NULL, "main.put");
        else
            assert_string_equal(first_of(&f), "");
    }
}

static void loggers_that_queue_are_found_and_a_fast_logger_is_not(void **state)
{
    (void)state;
    for (uint32_t queue = 0; queue <= 12; queue += 12) {
        made_up *m = go_program();
        made_up_thread(m, 11, 0.9, true);
        if (queue)
            group(m, queue, 0, OSP_G_RUNNABLE,
                  ROOT "g:main.process@a.go s:log.(*Logger).Printf@log.go s:log.(*Logger).output@log.go" LOCK);
        made_up_stack(m, 11, 7, 200,
                      ROOT "g:main.process@a.go s:log.(*Logger).Printf@log.go s:log.(*Logger).output@log.go "
                           "s:os.(*File).Write@file.go s:syscall.write@zsyscall.go n:__x64_sys_write");
        made_up_stack(m, 11, 8, 100, ROOT "g:main.process@a.go s:log.(*Logger).Printf@log.go s:fmt.Appendf@print.go");
        osp_findings f = made_up_diagnose(m);
        if (queue)
            is_first(&f, "log-contention", NULL, "main.process");
        else
            for (uint32_t i = 0; i < f.n; i++)
                assert_string_not_equal(f.row[i].verdict, "log-contention");
    }
}

static void readers_on_several_threads_contend_and_one_alone_does_not(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 2; threads++) {
        made_up *m = go_program();
        for (int i = 0; i < threads; i++) {
            made_up_thread(m, 11 + i, 1, true);
            made_up_stack(m, 11 + i, 7 + (uint64_t)i, 150,
                          ROOT
                          "g:main.find@a.go s:sync.(*RWMutex).RLock@rwmutex.go s:sync/atomic.(*Int32).Add@type.go");
            made_up_stack(m, 11 + i, 7 + (uint64_t)i, 60, ROOT "g:main.find@a.go r:runtime.mapaccess1_fast64@map.go");
        }
        group(m, 8, 0, OSP_G_RUNNABLE, ROOT "g:main.find@a.go" READ_LOCK);
        osp_findings f = made_up_diagnose(m);
        if (threads == 2)
            is_first(&f, "rwmutex-contention", NULL, "main.find");
        else
            for (uint32_t i = 0; i < f.n; i++)
                assert_string_not_equal(f.row[i].verdict, "rwmutex-contention");
    }
}

static void many_on_one_channel_contend_and_a_few_do_not(void **state)
{
    (void)state;
    for (uint32_t n = 2; n <= 30; n += 28) {
        made_up *m = go_program();
        m->facts.sched_ticks_per_s = 5000;
        made_up_thread(m, 11, 0.9, true);
        group(m, n, 0, OSP_G_RUNNABLE, ROOT "g:main.publish@a.go" SEND);
        group(m, n, 0, OSP_G_WAITING, ROOT "g:main.subscribe@a.go" RECEIVE);
        made_up_stack(m, 11, 7, 120,
                      ROOT "g:main.publish@a.go r:runtime.chansend1@chan.go r:runtime.chansend@chan.go "
                           "r:runtime.lock2@lock_futex.go");
        made_up_stack(m, 11, 0, 120, SCHEDULER);
        osp_findings f = made_up_diagnose(m);
        if (n == 30)
            is_first(&f, "chan-contention", NULL, "main.publish");
        else
            for (uint32_t i = 0; i < f.n; i++)
                assert_string_not_equal(f.row[i].verdict, "chan-contention");
    }
}

/* ---- leaks -------------------------------------------------------------------------------------------------------------- */

static void goroutines_that_never_end_are_a_leak(void **state)
{
    (void)state;
    made_up *m = go_program();
    osp_group_fact *g = group(m, 900, 500, OSP_G_WAITING, ROOT "g:main.fetch@a.go" SEND);
    g->born = 400;
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "goroutine-leak", "chan send", "main.fetch");
}

static void goroutines_that_end_as_others_come_are_none(void **state)
{
    (void)state;
    made_up *m = go_program();
    osp_group_fact *g = group(m, 100, 0, OSP_G_WAITING, ROOT "g:main.work@a.go" SLEEP);
    g->born = 100;
    g->gone_alike = 100;
    nothing_is_found(m);
}

static void ten_thousand_parked_workers_are_none(void **state)
{
    (void)state;
    made_up *m = go_program();
    group(m, 10000, 10000, OSP_G_WAITING, ROOT "g:main.worker@a.go" RECEIVE);
    nothing_is_found(m);
}

static void connections_that_come_are_none(void **state)
{
    (void)state;
    made_up *m = go_program();
    group(m, 900, 500, OSP_G_WAITING,
          ROOT "g:main.read@a.go s:net.(*conn).Read@net.go s:internal/poll.runtime_pollWait@fd.go "
               "r:runtime.netpollblock@netpoll.go r:runtime.gopark@proc.go")
        ->born = 400;
    group(m, 900, 500, OSP_G_WAITING, ROOT "g:main.write@a.go" SELECT)->born = 400;
    nothing_is_found(m);
}

static void timers_that_pile_up_are_a_leak_and_deadlines_are_not(void **state)
{
    (void)state;
    for (int kind = OSP_TIMER_CHANNEL; kind <= OSP_TIMER_DEADLINE; kind += OSP_TIMER_DEADLINE - OSP_TIMER_CHANNEL) {
        made_up *m = go_program();
        made_up_thread(m, 11, 0.1, true);
        made_up_stack(m, 11, 7, 60, ROOT "g:main.follow@a.go s:time.After@sleep.go r:runtime.newobject@malloc.go");
        made.timer[0] = (osp_timer_fact){.kind = (osp_timer_kind)kind,
                                         .call = made_up_call(S("s:time.sendTime@sleep.go")),
                                         .horizon_s = 3600,
                                         .n = 60000,
                                         .grown = 40000,
                                         .expiries_per_s = -1};
        m->facts.timers.ngroup = 1;
        m->facts.sched.timers_per_s = 10000;
        m->facts.sched.timers_error = 20;
        osp_findings f = made_up_diagnose(m);
        if (kind == OSP_TIMER_CHANNEL)
            is_first(&f, "timer-leak", NULL, "main.follow");
        else
            assert_string_equal(first_of(&f), "");
    }
}

static void threads_locked_by_waiting_goroutines_are_found(void **state)
{
    (void)state;
    for (uint32_t born = 0; born <= 200; born += 200) {
        made_up *m = go_program();
        osp_group_fact *g = group(m, 300, 300 - born, OSP_G_WAITING, ROOT "g:main.own@a.go" RECEIVE);
        g->locked = 300;
        g->born = born;
        m->facts.sched.threads_per_s = born / 4.0;
        osp_findings f = made_up_diagnose(m);
        if (born)
            is_first(&f, "thread-explosion", "locked goroutines", "main.own");
        else
            assert_string_equal(first_of(&f), "");
    }
}

/* ---- timers and polls ------------------------------------------------------------------------------------------------------ */

static void thousands_of_tickers_are_a_storm_and_a_hundred_are_not(void **state)
{
    (void)state;
    for (uint32_t n = 100; n <= 5000; n += 4900) {
        made_up *m = go_program();
        made.timer[0] = (osp_timer_fact){.kind = OSP_TIMER_TICKER,
                                         .call = made_up_call(S("s:time.sendTime@sleep.go")),
                                         .period_s = 1,
                                         .horizon_s = 1,
                                         .n = n,
                                         .expiries_per_s = n};
        m->facts.timers.ngroup = 1;
        m->facts.timers.n = n;
        group(m, n, 0, OSP_G_WAITING, ROOT "g:main.session@a.go" SELECT);
        osp_findings f = made_up_diagnose(m);
        if (n == 5000)
            is_first(&f, "timer-storm", NULL, "main.session");
        else
            assert_string_equal(first_of(&f), "");
    }
}

static void short_sleeps_without_work_are_a_poll_and_with_work_are_not(void **state)
{
    (void)state;
    for (int works = 0; works < 2; works++) {
        made_up *m = go_program();
        made_up_thread(m, 11, 0.1, true);
        made.timer[0] = (osp_timer_fact){.kind = OSP_TIMER_SLEEP,
                                         .call = made_up_call(S("g:main.drain@a.go")),
                                         .horizon_s = 0.002,
                                         .n = 16,
                                         .expiries_per_s = 8000};
        m->facts.timers.ngroup = 1;
        group(m, 16, 0, OSP_G_WAITING, ROOT "g:main.drain@a.go" SLEEP);
        made_up_stack(m, 11, 0, 80, SCHEDULER);
        made_up_stack(m, 11, 7, works ? 90 : 3,
                      works ? ROOT "g:main.drain@a.go g:main.handle@a.go"
                            : ROOT "g:main.drain@a.go r:runtime.selectnbrecv@chan.go");
        osp_findings f = made_up_diagnose(m);
        if (!works)
            is_first(&f, "poll-sleep", NULL, "main.drain");
        else
            assert_string_equal(first_of(&f), "");
    }
}

/* ---- the scheduler --------------------------------------------------------------------------------------------------------- */

static void wake_ups_without_work_are_a_storm_and_with_work_are_not(void **state)
{
    (void)state;
    for (int works = 0; works < 2; works++) {
        made_up *m = go_program();
        m->facts.sched_ticks_per_s = 400000;
        made_up_thread(m, 11, 0.9, true);
        group(m, 40, 0, OSP_G_WAITING, ROOT "g:main.produce@a.go" SEND);
        made_up_stack(m, 11, 0, 150, SCHEDULER);
        made_up_stack(m, 11, 7, 40, ROOT "g:main.produce@a.go" SLEEP);
        made_up_stack(m, 11, 7, works ? 200 : 10, ROOT "g:main.produce@a.go g:main.encode@a.go");
        osp_findings f = made_up_diagnose(m);
        if (!works)
            is_first(&f, "sched-wake-storm", "no thread sleeps", "main.produce");
        else
            assert_string_equal(first_of(&f), "");
    }
}

static void locked_goroutines_that_hand_over_are_found(void **state)
{
    (void)state;
    for (uint32_t locked = 0; locked < 2; locked++) {
        made_up *m = go_program();
        m->facts.sched_ticks_per_s = 40000;
        for (int i = 0; i < 2; i++)
            made_up_thread(m, 11 + i, 0.7, true)->voluntary_per_s = 30000;
        group(m, 1, 0, OSP_G_WAITING, ROOT "g:main.relay@a.go" RECEIVE)->locked = locked;
        made_up_stack(m, 11, 0, 100,
                      "r:runtime.mcall@asm_amd64.s r:runtime.schedule@proc.go r:runtime.stoplockedm@proc.go "
                      "r:runtime.futex@sys_linux_amd64.s n:do_futex");
        made_up_stack(m, 12, 0, 100,
                      "r:runtime.mcall@asm_amd64.s r:runtime.schedule@proc.go r:runtime.startlockedm@proc.go "
                      "r:runtime.futex@sys_linux_amd64.s n:do_futex");
        osp_findings f = made_up_diagnose(m);
        if (locked)
            is_first(&f, "locked-thread-handoff", NULL, "main.relay");
        else
            for (uint32_t i = 0; i < f.n; i++)
                assert_string_not_equal(f.row[i].verdict, "locked-thread-handoff");
    }
}

static void goroutines_for_an_addition_are_churn_and_for_requests_are_not(void **state)
{
    (void)state;
    for (int requests = 0; requests < 2; requests++) {
        made_up *m = go_program();
        m->facts.sched_ticks_per_s = 300000;
        m->facts.goroutine.births_per_s = requests ? 3000 : 300000;
        made_up_thread(m, 11, 0.9, true);
        made_up_stack(
            m, 11, 1, 90,
            ROOT
            "g:main.reduce@a.go r:runtime.newproc@proc.go r:runtime.systemstack@asm.s r:runtime.newproc1@proc.go");
        made_up_stack(m, 11, 0, 90, "r:runtime.mcall@asm.s r:runtime.goexit0@proc.go r:runtime.schedule@proc.go");
        made_up_stack(m, 11, 9, 20, ROOT "g:main.add@a.go");
        osp_findings f = made_up_diagnose(m);
        if (!requests)
            is_first(&f, "goroutine-churn", NULL, "main.reduce");
        else
            for (uint32_t i = 0; i < f.n; i++)
                assert_string_not_equal(f.row[i].verdict, "goroutine-churn");
    }
}

static void one_that_works_for_all_is_a_bottleneck_and_one_that_works_alone_is_not(void **state)
{
    (void)state;
    for (uint32_t waiting = 0; waiting <= 8; waiting += 8) {
        made_up *m = go_program();
        made_up_thread(m, 11, 1, true);
        if (waiting)
            group(m, waiting, 0, OSP_G_WAITING, ROOT "g:main.worker@a.go" SEND);
        else
            group(m, 8, 8, OSP_G_WAITING, ROOT "g:main.worker@a.go" SEND); /* idle ones have not moved */
        made_up_stack(m, 11, 7, 400, ROOT "g:main.owner@a.go g:main.score@a.go");
        osp_findings f = made_up_diagnose(m);
        if (waiting)
            is_first(&f, "serial-bottleneck", NULL, "main.score");
        else
            assert_string_equal(first_of(&f), "");
    }
}

static void a_long_queue_before_one_p_is_capped_and_before_all_is_load(void **state)
{
    (void)state;
    for (int procs = 1; procs <= 2; procs++) {
        made_up *m = go_program();
        m->facts.host_cpus = 2;
        m->facts.sched.gomaxprocs = procs;
        m->facts.sched.busy = procs;
        m->facts.sched.queued = 39;
        for (int i = 0; i < procs; i++) {
            made_up_thread(m, 11 + i, 1, true);
            made_up_stack(m, 11 + i, 7, 300, ROOT "g:main.count@a.go");
        }
        osp_findings f = made_up_diagnose(m);
        if (procs == 1)
            is_first(&f, "parallelism-capped", "GOMAXPROCS", "main.count");
        else
            assert_string_equal(first_of(&f), "");
    }
}

/* ---- waits without locks of one's own --------------------------------------------------------------------------------------- */

static void a_pool_without_connections_is_found_and_its_opener_is_not(void **state)
{
    (void)state;
    for (uint32_t n = 0; n <= 20; n += 20) {
        made_up *m = go_program();
        if (n)
            group(
                m, n, n, OSP_G_WAITING,
                ROOT
                "g:main.first@a.go s:database/sql.(*DB).QueryContext@sql.go s:database/sql.(*DB).conn@sql.go" SELECT);
        group(m, 5, 5, OSP_G_WAITING, ROOT "s:database/sql.(*DB).connectionOpener@sql.go" SELECT);
        osp_findings f = made_up_diagnose(m);
        if (n)
            is_first(&f, "pool-exhausted", "not given back", "main.first");
        else
            assert_string_equal(first_of(&f), "");
    }
}

static void a_slow_peer_is_found_and_a_fast_one_is_not(void **state)
{
    (void)state;
    for (int slow = 0; slow < 2; slow++) {
        made_up *m = go_program();
        group(m, 30, 0, OSP_G_WAITING,
              ROOT "g:main.forward@a.go s:net/http.(*Client).do@client.go "
                   "s:net/http.(*persistConn).roundTrip@transport.go" SELECT)
            ->stood_s = slow ? 1.5 : 0.01;
        osp_findings f = made_up_diagnose(m);
        if (slow)
            is_first(&f, "slow-peer", NULL, "main.forward");
        else
            assert_string_equal(first_of(&f), "");
    }
}

static void late_timers_behind_computation_are_found_and_a_batch_is_not(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        made_up *m = go_program();
        m->facts.host_cpus = 2;
        m->facts.sched.busy = 2;
        m->facts.sched.queued = 40;
        m->facts.sched_ticks_per_s = 200;
        for (int i = 0; i < 2; i++) {
            made_up_thread(m, 11 + i, 1, true);
            made_up_stack(m, 11 + i, 7, 300, ROOT "g:main.archive@a.go");
        }
        made.timer[0] = (osp_timer_fact){.kind = OSP_TIMER_SLEEP,
                                         .call = made_up_call(S("g:main.request@a.go")),
                                         .n = 1,
                                         .horizon_s = 0.005,
                                         .late_s = late ? 0.1 : 0,
                                         .expiries_per_s = 5};
        m->facts.timers.ngroup = 1;
        osp_findings f = made_up_diagnose(m);
        if (late)
            is_first(&f, "run-queue-delay", NULL, "main.archive");
        else
            assert_string_equal(first_of(&f), "");
    }
}

static void dumps_of_all_goroutines_are_found(void **state)
{
    (void)state;
    made_up *m = go_program();
    m->facts.goroutine.n = 12000;
    made_up_thread(m, 11, 0.6, true);
    made_up_stack(
        m, 11, 7, 200,
        ROOT
        "g:main.scrape@a.go s:runtime/pprof.writeGoroutine@pprof.go r:runtime.goroutineProfileWithLabels@mprof.go");
    made_up_stack(m, 11, 8, 100, ROOT "g:main.work@a.go");
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "dump-stalls", NULL, "main.scrape");
}

static void threads_left_over_are_told_and_a_few_are_not(void **state)
{
    (void)state;
    for (int idle = 16; idle <= 200; idle += 184) {
        made_up *m = go_program();
        m->facts.sched.idle_threads = idle;
        m->facts.sched.threads = idle + 5;
        osp_findings f = made_up_diagnose(m);
        assert_string_equal(first_of(&f), idle == 200 ? "idle-threads" : "");
    }
}

static void a_loop_that_does_not_stop_is_found_and_a_busy_collector_is_not(void **state)
{
    (void)state;
    for (int gc = 0; gc < 2; gc++) {
        made_up *m = go_program();
        m->facts.sched.stopped = 0.4;
        m->facts.in[OSP_IN_GO_GC] = gc ? 0.6 : 0.02;
        made_up_thread(m, 11, 1, true);
        made_up_stack(m, 11, 7, 200, ROOT "g:main.settle@a.go");
        osp_findings f = made_up_diagnose(m);
        if (!gc)
            is_first(&f, "stw-stall", NULL, "main.settle");
        else
            for (uint32_t i = 0; i < f.n; i++)
                assert_string_not_equal(f.row[i].verdict, "stw-stall");
    }
}

static void http_bodies_that_are_not_closed_are_a_leak_of_who_asks(void **state)
{
    (void)state;
    made_up *m = go_program();
    made_up_thread(m, 11, 0.1, true);
    made_up_stack(
        m, 11, 7, 60,
        ROOT "g:main.check@a.go s:net/http.(*Client).do@client.go s:net/http.(*Transport).roundTrip@transport.go");
    group(m, 300, 120, OSP_G_WAITING, ROOT "s:net/http.(*persistConn).readLoop@transport.go" SELECT)->born = 180;
    group(m, 300, 120, OSP_G_WAITING, ROOT "s:net/http.(*persistConn).writeLoop@transport.go" SELECT)->born = 180;
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "goroutine-leak", "HTTP body", "main.check");
}

static void a_global_mutex_is_never_unlocked_only_if_nobody_may(void **state)
{
    (void)state;
    for (int sleeps = 0; sleeps < 2; sleeps++) {
        made_up *m = go_program();
        osp_group_fact *g = group(m, 9, 9, OSP_G_WAITING, ROOT "g:main.put@a.go" LOCK);
        osp_waited_fact *o = on_lock(m, g, 0xa0, 9, OSP_LOCK_MUTEX);
        group(m, 1, 1, OSP_G_WAITING,
              sleeps ? ROOT "g:main.sync@a.go" SLEEP : ROOT "g:main.main@a.go r:runtime.block@select.go")
            ->state = sleeps ? S("sleep") : S("select (no cases)");
        held_by(m, o, 200, 1, 0, true);
        o->candidates = 0;
        o->near = 1;
        osp_findings f = made_up_diagnose(m);
        if (!sleeps)
            is_first(&f, "goroutine-deadlock", "never unlocked", "main.put");
        else
            for (uint32_t i = 0; i < f.n; i++)
                assert_string_not_equal(f.row[i].verdict, "goroutine-deadlock");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_circle_of_locks_is_a_deadlock),
        cmocka_unit_test(those_that_go_on_are_no_deadlock),
        cmocka_unit_test(a_reader_that_reads_again_behind_a_writer_is_a_deadlock),
        cmocka_unit_test(readers_behind_a_writer_whose_reader_sleeps_are_no_deadlock),
        cmocka_unit_test(a_queue_behind_one_that_sleeps_is_found),
        cmocka_unit_test(two_that_wait_are_no_queue),
        cmocka_unit_test(a_convoy_is_found_and_a_light_mutex_is_not),
        cmocka_unit_test(loggers_that_queue_are_found_and_a_fast_logger_is_not),
        cmocka_unit_test(readers_on_several_threads_contend_and_one_alone_does_not),
        cmocka_unit_test(many_on_one_channel_contend_and_a_few_do_not),
        cmocka_unit_test(goroutines_that_never_end_are_a_leak),
        cmocka_unit_test(goroutines_that_end_as_others_come_are_none),
        cmocka_unit_test(ten_thousand_parked_workers_are_none),
        cmocka_unit_test(connections_that_come_are_none),
        cmocka_unit_test(timers_that_pile_up_are_a_leak_and_deadlines_are_not),
        cmocka_unit_test(threads_locked_by_waiting_goroutines_are_found),
        cmocka_unit_test(thousands_of_tickers_are_a_storm_and_a_hundred_are_not),
        cmocka_unit_test(short_sleeps_without_work_are_a_poll_and_with_work_are_not),
        cmocka_unit_test(wake_ups_without_work_are_a_storm_and_with_work_are_not),
        cmocka_unit_test(locked_goroutines_that_hand_over_are_found),
        cmocka_unit_test(goroutines_for_an_addition_are_churn_and_for_requests_are_not),
        cmocka_unit_test(one_that_works_for_all_is_a_bottleneck_and_one_that_works_alone_is_not),
        cmocka_unit_test(a_long_queue_before_one_p_is_capped_and_before_all_is_load),
        cmocka_unit_test(a_pool_without_connections_is_found_and_its_opener_is_not),
        cmocka_unit_test(a_slow_peer_is_found_and_a_fast_one_is_not),
        cmocka_unit_test(late_timers_behind_computation_are_found_and_a_batch_is_not),
        cmocka_unit_test(dumps_of_all_goroutines_are_found),
        cmocka_unit_test(threads_left_over_are_told_and_a_few_are_not),
        cmocka_unit_test(a_loop_that_does_not_stop_is_found_and_a_busy_collector_is_not),
        cmocka_unit_test(http_bodies_that_are_not_closed_are_a_leak_of_who_asks),
        cmocka_unit_test(a_global_mutex_is_never_unlocked_only_if_nobody_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
