/* SPDX-License-Identifier: Apache-2.0 */

#define _GNU_SOURCE
#include <pthread.h>

static __attribute__((noinline, noclone)) double xc_mix(double x, long n)
{
    for (long i = 0; i < n; i++)
        x = x * 1.0000001 + 1.0 / (double)(i + 1);
    return x;
}

static void *xc_worker(void *arg)
{
    volatile double *at = arg;
    for (;;)
        *at = xc_mix(*at, 5000000);
    return NULL;
}

int xc_begin(int threads, int named)
{
    static volatile double state[16];
    for (int i = 0; i < threads; i++) {
        pthread_t t;
        state[i] = i;
        if (pthread_create(&t, NULL, xc_worker, (void *)&state[i]))
            return 0;
        if (named)
            pthread_setname_np(t, "p_thread");
    }
    return 1;
}
