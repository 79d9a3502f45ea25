/* SPDX-License-Identifier: Apache-2.0 */
/* A brief stop of a process, which ends whatever becomes of who stopped it. The target is a child of ours whose threads count
 * in shared memory; that they count on is its heartbeat. */
#include "target/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 6, KILLS = 50, LIMIT_MS = 2000 };

typedef struct {
    atomic_ulong beats[THREADS], signals;
    atomic_int ready;
} heart;

static heart *shared;

static void nap_ms(long ms) { nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL); }

static void on_signal(int signal)
{
    (void)signal;
    atomic_fetch_add(&shared->signals, 1);
}

/* Half of them run, half of them wait in between. */
static void *beat(void *which)
{
    size_t i = (size_t)which;
    atomic_fetch_add(&shared->ready, 1);
    for (;;) {
        atomic_fetch_add(&shared->beats[i], 1);
        if (i % 2)
            usleep(200);
    }
    return NULL;
}

typedef struct {
    pid_t pid;
    osp_process *process;
} target;

static target start(void)
{
    target t;
    osp_err err = {0};
    memset(shared, 0, sizeof *shared);
    t.pid = fork();
    assert_true(t.pid >= 0);
    if (t.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGUSR1, on_signal);
        nice(10);
        for (size_t i = 1; i < THREADS; i++) {
            pthread_t thread;
            if (pthread_create(&thread, NULL, beat, (void *)i) != 0) // NOLINT(performance-no-int-to-ptr)
                _exit(1);
        }
        beat(NULL);
    }
    while (shared->ready < THREADS)
        nap_ms(1);
    t.process = osp_process_open(t.pid, &err);
    if (!t.process)
        fail_msg("%s", err.msg);
    return t;
}

static void end(target *t)
{
    osp_process_close(t->process);
    kill(t->pid, SIGKILL);
    waitpid(t->pid, NULL, 0);
}

static void read_beats(unsigned long out[THREADS])
{
    for (size_t i = 0; i < THREADS; i++)
        out[i] = shared->beats[i];
}

/* Do all threads count on? They are given as long as it takes. */
static void all_run(void)
{
    unsigned long before[THREADS];
    read_beats(before);
    for (size_t i = 0; i < THREADS; i++) {
        for (int waited = 0; shared->beats[i] == before[i] && waited < 30000; waited++)
            nap_ms(1);
        if (shared->beats[i] == before[i])
            fail_msg("thread %zu does not run on", i);
    }
}

static osp_freeze *freeze(target *t, unsigned limit_ms)
{
    osp_err err = {0};
    osp_freeze *f = osp_freeze_begin(t->process, limit_ms, &err);
    if (!f && err.code == OSP_EPERM) {
        print_message("# skipped: %s\n", err.msg);
        exit(77);
    }
    if (!f)
        fail_msg("%s", err.msg);
    return f;
}

static void all_threads_stand_and_then_run_on(void **state)
{
    (void)state;
    target t = start();
    unsigned long before[THREADS], after[THREADS];
    osp_freeze_report report;
    osp_freeze *f = freeze(&t, LIMIT_MS);
    read_beats(before);
    nap_ms(50);
    read_beats(after);
    bool held = osp_freeze_end(f, &report);
    assert_memory_equal(before, after, sizeof before);
    assert_true(held);
    assert_false(report.expired);
    assert_int_equal(report.stopped, THREADS);
    assert_int_equal(report.missed, 0);
    assert_true(report.stop_ns >= 50000000);
    all_run();
    end(&t);
}

static void threads_have_registers_while_they_stand(void **state)
{
    (void)state;
    target t = start();
    osp_arena a;
    osp_err err = {0};
    osp_image image;
    osp_image_thread *thread;
    uint32_t n;
    osp_arena_init(&a, 16 << 20);
    assert_true(osp_process_image(t.process, &a, &image, &err));
    assert_true(image.threads(image.ctx, &a, &thread, &n, &err));
    assert_false(thread[0].has_regs);
    osp_freeze_report report;
    osp_freeze *f = freeze(&t, LIMIT_MS);
    osp_freeze_image(f, &image);
    assert_true(image.threads(image.ctx, &a, &thread, &n, &err));
    assert_int_equal(n, THREADS);
    for (uint32_t i = 0; i < n; i++) {
        bool pc = false, stack = false;
        assert_true(thread[i].has_regs);
        for (uint32_t m = 0; m < image.nmap; m++) {
            const osp_map *map = &image.map[m];
            pc |= map->exec && thread[i].regs.pc >= map->start && thread[i].regs.pc < map->end;
#if defined(__x86_64__)
            stack |= map->write && thread[i].regs.r[7] >= map->start && thread[i].regs.r[7] < map->end;
#else
            stack |= map->write && thread[i].regs.r[31] >= map->start && thread[i].regs.r[31] < map->end;
#endif
        }
        assert_true(pc && stack);
    }
    assert_true(osp_freeze_end(f, &report));
    osp_arena_drop(&a);
    end(&t);
}

static void the_time_is_over_whatever_we_do(void **state)
{
    (void)state;
    target t = start();
    osp_freeze_report report;
    osp_freeze *f = freeze(&t, 50);
    all_run(); /* although nobody ended it */
    assert_false(osp_freeze_end(f, &report));
    assert_true(report.expired);
    all_run();
    end(&t);
}

static void signals_that_come_meanwhile_are_delivered(void **state)
{
    (void)state;
    target t = start();
    for (unsigned long i = 1; i <= 40; i++) {
        osp_freeze_report report;
        if (i % 2) /* just before, and while it stands */
            kill(t.pid, SIGUSR1);
        osp_freeze *f = freeze(&t, LIMIT_MS);
        if (i % 2 == 0)
            kill(t.pid, SIGUSR1);
        assert_true(osp_freeze_end(f, &report));
        for (int waited = 0; shared->signals < i && waited < 30000; waited++)
            nap_ms(1);
        assert_int_equal(shared->signals, i);
    }
    all_run();
    end(&t);
}

static char state_of(pid_t pid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    fclose(f);
    return strrchr(text, ')')[2];
}

static void what_is_stopped_stays_stopped(void **state)
{
    (void)state;
    target t = start();
    int status;
    assert_int_equal(kill(t.pid, SIGSTOP), 0);
    assert_int_equal(waitpid(t.pid, &status, WUNTRACED), t.pid);
    osp_freeze_report report;
    assert_true(osp_freeze_end(freeze(&t, LIMIT_MS), &report));
    assert_int_equal(report.stopped, THREADS);
    for (int waited = 0; state_of(t.pid) != 'T' && waited < 30000; waited++)
        nap_ms(1);
    unsigned long before[THREADS], after[THREADS];
    read_beats(before);
    nap_ms(50);
    read_beats(after);
    assert_memory_equal(before, after, sizeof before);
    kill(t.pid, SIGCONT);
    all_run();
    end(&t);
}

/* Somebody who stops the target and is killed in the middle of it. */
static void killed_while_it_holds(target *t, int kill_after_us)
{
    int say[2];
    char byte;
    assert_int_equal(pipe(say), 0);
    pid_t who = fork();
    assert_true(who >= 0);
    if (who == 0) {
        osp_err err;
        osp_freeze *f = osp_freeze_begin(t->process, 60000, &err);
        if (f && write(say[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    close(say[1]);
    if (kill_after_us < 0)
        assert_int_equal(read(say[0], &byte, 1), 1); /* it stands */
    else
        usleep((useconds_t)kill_after_us); /* anywhere in between */
    kill(who, SIGKILL);
    waitpid(who, NULL, 0);
    close(say[0]);
}

static void it_runs_on_when_we_are_killed(void **state)
{
    (void)state;
    target t = start();
    for (int i = 0; i < KILLS; i++) {
        killed_while_it_holds(&t, i % 2 ? -1 : i * 40);
        all_run();
    }
    assert_true(osp_process_alive(t.process));
    osp_freeze_report report; /* nobody holds it any more */
    assert_true(osp_freeze_end(freeze(&t, LIMIT_MS), &report));
    end(&t);
}

static void it_runs_on_when_we_are_stopped(void **state)
{
    (void)state;
    target t = start();
    int say[2];
    char byte;
    assert_int_equal(pipe(say), 0);
    pid_t who = fork();
    assert_true(who >= 0);
    if (who == 0) {
        osp_err err;
        osp_freeze *f = osp_freeze_begin(t.process, 100, &err);
        if (f && write(say[1], "x", 1) == 1)
            raise(SIGSTOP);
        _exit(1);
    }
    assert_int_equal(read(say[0], &byte, 1), 1);
    all_run();
    kill(who, SIGKILL);
    waitpid(who, NULL, 0);
    close(say[0]);
    close(say[1]);
    end(&t);
}

static void one_that_is_traced_is_left_alone(void **state)
{
    (void)state;
    target t = start();
    osp_err err = {0};
    osp_freeze_report report;
    osp_freeze *f = freeze(&t, LIMIT_MS);
    assert_null(osp_freeze_begin(t.process, LIMIT_MS, &err));
    assert_int_equal(err.code, OSP_EPERM);
    assert_non_null(strstr(err.msg, "being traced by process"));
    assert_true(osp_freeze_end(f, &report));
    all_run();
    end(&t);
}

static void one_that_has_ended_is_said_to_have(void **state)
{
    (void)state;
    target t = start();
    osp_err err = {0};
    kill(t.pid, SIGKILL);
    waitpid(t.pid, NULL, 0);
    assert_null(osp_freeze_begin(t.process, LIMIT_MS, &err));
    assert_int_equal(err.code, OSP_EABSENT);
    osp_process_close(t.process);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_threads_stand_and_then_run_on),
        cmocka_unit_test(threads_have_registers_while_they_stand),
        cmocka_unit_test(the_time_is_over_whatever_we_do),
        cmocka_unit_test(signals_that_come_meanwhile_are_delivered),
        cmocka_unit_test(what_is_stopped_stays_stopped),
        cmocka_unit_test(it_runs_on_when_we_are_killed),
        cmocka_unit_test(it_runs_on_when_we_are_stopped),
        cmocka_unit_test(one_that_is_traced_is_left_alone),
        cmocka_unit_test(one_that_has_ended_is_said_to_have),
    };
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
