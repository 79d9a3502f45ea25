/* SPDX-License-Identifier: Apache-2.0 */
/* A loop takes the clock each turn to see whether a deadline has passed. Truth: clock-storm; caller await_deadline. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long turns;

static __attribute__((noinline, noclone)) void await_deadline(time_t until)
{
    struct timespec now;
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
        turns++;
    } while (now.tv_sec < until);
}

int main(void)
{
    printf("ready %d\n", (int)getpid());
    fflush(stdout);
    for (;;) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        await_deadline(now.tv_sec + 60);
    }
}
