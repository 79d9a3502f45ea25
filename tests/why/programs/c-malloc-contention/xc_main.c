/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that allocate and free all the time, in one arena. */
#include "xc_status.h"
#include <malloc.h>
#include <stdlib.h>

static __attribute__((noinline)) long xc_job(unsigned seed)
{
    long sum = 0;
    void *blocks[64];
    for (int i = 0; i < 64; i++) {
        seed = seed * 1103515245u + 12345u;
        blocks[i] = malloc(1100 + (seed >> 8) % 6000);
        sum += (long)blocks[i] & 255;
    }
    for (int i = 0; i < 64; i++)
        free(blocks[i]);
    return sum;
}

static void *xc_worker(void *arg)
{
    for (unsigned seed = (unsigned)(long)arg;; seed++) {
        xc_job(seed);
        __sync_fetch_and_add(&xc_units, 1);
    }
    return NULL;
}

int main(void)
{
    pthread_t t;
    mallopt(M_ARENA_MAX, 1);
    xc_started();
    for (long i = 0; i < P_threads; i++)
        pthread_create(&t, NULL, xc_worker, (void *)i);
    pthread_join(t, NULL);
    return 0;
}
