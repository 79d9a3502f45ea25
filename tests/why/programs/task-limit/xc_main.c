/* SPDX-License-Identifier: Apache-2.0 */
/* A thread for each session, and no room for so many: the next one is tried again and again. */
#include "xc_status.h"

static void *xc_session(void *arg)
{
    for (;;)
        sleep(1);
    return arg;
}

static __attribute__((noinline)) int xc_begin(void)
{
    pthread_t t;
    return pthread_create(&t, NULL, xc_session, NULL);
}

int main(void)
{
    xc_started();
    for (int i = 0; i < P_wanted; i++) {
        while (xc_begin() != 0)
            usleep(100000);
        xc_units++;
    }
    for (;;)
        sleep(1);
}
