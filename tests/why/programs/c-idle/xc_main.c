/* SPDX-License-Identifier: Apache-2.0 */

/* Threads that wait for a condition which comes now and then. */
#include "xc_status.h"

static pthread_mutex_t xc_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t xc_work = PTHREAD_COND_INITIALIZER;
static int xc_jobs;

static void *xc_worker(void *arg)
{
    (void)arg;
    for (;;) {
        pthread_mutex_lock(&xc_lock);
        while (!xc_jobs)
            pthread_cond_wait(&xc_work, &xc_lock);
        xc_jobs--;
        pthread_mutex_unlock(&xc_lock);
        xc_units++;
    }
    return NULL;
}

int main(void)
{
    pthread_t t;
    xc_started();
    for (int i = 0; i < P_threads; i++)
        pthread_create(&t, NULL, xc_worker, NULL);
    for (;;) {
        usleep(300000);
        pthread_mutex_lock(&xc_lock);
        xc_jobs++;
        pthread_cond_signal(&xc_work);
        pthread_mutex_unlock(&xc_lock);
    }
}
