/* SPDX-License-Identifier: Apache-2.0 */
/* A storm of context switches: storm HANDOVERS WORK_NS. Two threads on one CPU hand a byte to and fro through pipes, and
 * work so long in between. Prints "done NS CPU_NS SWITCHES": what that took by its own clocks, and the kernel's count. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static int there[2], back[2];
static long handovers, work_ns;
static long spins; /* that take work_ns */

static long long now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void work(void)
{
    for (volatile long i = 0; i < spins; i++)
        ;
}

static void *other(void *arg)
{
    char byte;
    for (long i = 0; i < handovers; i++) {
        if (read(there[0], &byte, 1) != 1)
            break;
        work();
        if (write(back[1], &byte, 1) != 1)
            break;
    }
    return arg;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    cpu_set_t one;
    struct rusage use;
    char byte = 0;
    if (argc < 3 || pipe(there) != 0 || pipe(back) != 0)
        return 2;
    handovers = strtol(argv[1], NULL, 10);
    work_ns = strtol(argv[2], NULL, 10);
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
    spins = 10000000;
    long long begun = now(CLOCK_THREAD_CPUTIME_ID);
    work();
    spins = (long)((double)spins * (double)work_ns / (double)(now(CLOCK_THREAD_CPUTIME_ID) - begun));
    if (pthread_create(&thread, NULL, other, NULL) != 0)
        return 2;
    if (argc > 3) /* time to be attached to */
        usleep((useconds_t)strtol(argv[3], NULL, 10) * 1000);
    long long wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    for (long i = 0; i < handovers; i++) {
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
            return 1;
        work();
    }
    pthread_join(thread, NULL);
    wall = now(CLOCK_MONOTONIC) - wall;
    cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    getrusage(RUSAGE_SELF, &use);
    printf("done %lld %lld %ld\n", wall, cpu, use.ru_nvcsw + use.ru_nivcsw);
    return 0;
}
