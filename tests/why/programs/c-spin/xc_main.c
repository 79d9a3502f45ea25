/* SPDX-License-Identifier: Apache-2.0 */

#include "xc_status.h"

static volatile int xc_flag;
static unsigned long xc_after;

static __attribute__((noinline)) void xc_await(void)
{
    while (!xc_flag)
        ;
}

static void *xc_waiter(void *arg)
{
    (void)arg;
    for (;;) {
        xc_await();
        xc_after++;
    }
    return NULL;
}

int main(void)
{
    pthread_t t;
    xc_started();
    pthread_create(&t, NULL, xc_waiter, NULL);
    pthread_join(t, NULL);
    return 0;
}
