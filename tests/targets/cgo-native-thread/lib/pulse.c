/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <pthread.h>

int pulse_start(int threads, int named);

static volatile unsigned long sink;

static __attribute__((noinline, noclone)) unsigned long pulse_mix(unsigned long x)
{
    for (int i = 0; i < 1000000; i++)
        x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9ul + 7;
    return x;
}

static __attribute__((noinline, noclone)) void *pulse_worker(void *arg)
{
    if (arg)
        pthread_setname_np(pthread_self(), "pulse-worker");
    for (unsigned long x = 1;;) {
        x = pulse_mix(x);
        sink = x;
    }
    return arg;
}

int pulse_start(int threads, int named)
{
    for (int i = 0; i < threads; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, pulse_worker, named ? &t : NULL))
            return 0;
    }
    return 1;
}
