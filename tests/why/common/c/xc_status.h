/* SPDX-License-Identifier: Apache-2.0 */
/* What every program of the matrix says of itself: `ready PID` once, then a line each half second with what it has done.
 * Beside it a thread with little to do, as most programs have. */
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static volatile long xc_units;
static pthread_mutex_t xc_calm = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t xc_change = PTHREAD_COND_INITIALIZER;
static unsigned xc_seen[64];

static void *xc_tell(void *arg)
{
    (void)arg;
    for (;;) {
        usleep(500000);
        printf("units=%ld\n", xc_units);
        fflush(stdout);
    }
    return NULL;
}

static void *xc_janitor(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&xc_calm);
    for (;;) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 1;
        pthread_cond_timedwait(&xc_change, &xc_calm, &until);
        for (unsigned i = 0; i < 64; i++)
            xc_seen[i] = xc_seen[i] * 31 + i;
    }
    return NULL;
}

static inline void xc_started(void)
{
    pthread_t thread;
    printf("ready %d\n", (int)getpid());
    fflush(stdout);
    pthread_create(&thread, NULL, xc_tell, NULL);
    pthread_create(&thread, NULL, xc_janitor, NULL);
}
