/* SPDX-License-Identifier: Apache-2.0 */
/* A healthy twin: threads in condition waits. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int go_on;

static void *wait_for_work(void *arg)
{
    pthread_mutex_lock(&mu);
    while (!go_on)
        pthread_cond_wait(&cond, &mu);
    pthread_mutex_unlock(&mu);
    return arg;
}

int main(void)
{
    pthread_t t[8];
    for (int i = 0; i < 8; i++)
        if (pthread_create(&t[i], NULL, wait_for_work, NULL))
            return 1;
    printf("ready %d\n", (int)getpid());
    fflush(stdout);
    pthread_join(t[0], NULL);
    return 0;
}
