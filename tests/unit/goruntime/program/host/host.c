/* SPDX-License-Identifier: Apache-2.0 */
/* A C program with Go in it, which enters Go on a thread of its own. */
#include <pthread.h>
#include <unistd.h>

extern void ProbeServe(void);

static volatile __thread char block[300];

static void *enter(void *arg)
{
    block[3] = 1;
    ProbeServe();
    return arg;
}

int main(void)
{
    pthread_t t;
    if (pthread_create(&t, NULL, enter, NULL) != 0)
        return 1;
    for (;;)
        pause();
}
