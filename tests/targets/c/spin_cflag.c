/* SPDX-License-Identifier: Apache-2.0 */
/* A thread waits in `while (!flag);`. Truth: busy-spin, kind C flag; function await_flag, variable stop_flag. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static volatile int stop_flag;

static __attribute__((noinline, noclone)) void await_flag(void)
{
    while (!stop_flag)
        ;
}

static void *waiter(void *arg)
{
    await_flag();
    return arg;
}

int main(void)
{
    pthread_t t;
    if (pthread_create(&t, NULL, waiter, NULL))
        return 1;
    printf("ready %d\n", (int)getpid());
    fflush(stdout);
    pthread_join(t, NULL);
    return 0;
}
