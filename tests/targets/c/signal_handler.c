/* SPDX-License-Identifier: Apache-2.0 */
/* A loop is interrupted by an interval timer whose handler burns too: on the same stack, or with the word "alt" on a
 * signal stack of its own. Truth: samples of handler_burn have on_tick below them, then the interrupted work_burn,
 * work, main. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static volatile unsigned long sink;

static __attribute__((noinline, noclone)) unsigned long handler_burn(unsigned long x)
{
    for (int i = 0; i < 1000000; i++)
        x = x * 6364136223846793005ul + 1442695040888963407ul;
    return x;
}

static void on_tick(int sig) { sink += handler_burn((unsigned long)sig) + 1; }

static __attribute__((noinline, noclone)) unsigned long work_burn(unsigned long x)
{
    for (int i = 0; i < 100000000; i++)
        x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9ul + 7;
    return x;
}

static __attribute__((noinline, noclone)) unsigned long work(unsigned long x) { return work_burn(x) + 1; }

int main(int argc, char **argv)
{
    struct sigaction sa = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    if (argc > 1 && strcmp(argv[1], "alt") == 0) {
        stack_t ss = {.ss_size = 1 << 16, .ss_sp = malloc(1 << 16)};
        if (!ss.ss_sp || sigaltstack(&ss, NULL))
            return 1;
        sa.sa_flags |= SA_ONSTACK;
    }
    struct itimerval every = {.it_interval.tv_usec = 5000, .it_value.tv_usec = 5000};
    if (sigaction(SIGALRM, &sa, NULL) || setitimer(ITIMER_REAL, &every, NULL))
        return 1;
    printf("ready %d\n", (int)getpid());
    fflush(stdout);
    for (unsigned long x = 1;;) {
        x = work(x);
        sink = x;
    }
}
