/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that count in neighbouring words, or each in a line of its own. */
#include "xc_status.h"

enum { APART = P_apart };
static volatile long xc_counts[4 * APART] __attribute__((aligned(128)));

static __attribute__((noinline)) void xc_tally(volatile long *at)
{
    for (long i = 0; i < 10000000; i++)
        *at += i & 3;
}

static void *xc_worker(void *arg)
{
    for (;;) {
        xc_tally(&xc_counts[(long)arg * APART]);
        __sync_fetch_and_add(&xc_units, 1);
    }
    return NULL;
}

int main(void)
{
    pthread_t t;
    xc_started();
    for (long i = 0; i < 2; i++)
        pthread_create(&t, NULL, xc_worker, (void *)i);
    pthread_join(t, NULL);
    return 0;
}
