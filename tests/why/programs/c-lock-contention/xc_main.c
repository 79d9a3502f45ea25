/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that all want one mutex all the time. */
#include "xc_status.h"

static pthread_mutex_t xc_lock = PTHREAD_MUTEX_INITIALIZER;
static long xc_table[256];

static __attribute__((noinline)) void xc_put(unsigned k)
{
    pthread_mutex_lock(&xc_lock);
    for (unsigned i = 0; i < P_work; i++)
        xc_table[(k + i) & 255] += k;
    xc_units++;
    pthread_mutex_unlock(&xc_lock);
}

static void *xc_worker(void *arg)
{
    for (unsigned k = (unsigned)(long)arg;; k++)
        xc_put(k);
    return NULL;
}

int main(void)
{
    pthread_t t;
    xc_started();
    for (long i = 0; i < P_threads; i++)
        pthread_create(&t, NULL, xc_worker, (void *)i);
    pthread_join(t, NULL);
    return 0;
}
