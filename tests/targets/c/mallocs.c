/* SPDX-License-Identifier: Apache-2.0 */
/* Asks for memory at a known ratio: in each round three blocks of 1000 bytes that stay for a long time, ten of 2000 that are
 * freed at once, and one of calloc's and realloc's each. A round a millisecond.
 *
 * Truth: of the calls 3 in 15 by keep, 10 by use, 2 by others; not freed at a window's end: keep's alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { KEPT = 3, USED = 10, ROUNDS = 20000 };

static void *kept[KEPT * ROUNDS]; /* in turn: a block is freed twenty seconds after it was asked for */

static __attribute__((noinline)) void keep(unsigned round)
{
    for (unsigned i = 0; i < KEPT; i++) {
        void **p = &kept[(round % ROUNDS) * KEPT + i];
        free(*p);
        *p = malloc(1000);
        memset(*p, 1, 1000);
    }
}

static __attribute__((noinline)) void use(void)
{
    void *p[USED];
    for (unsigned i = 0; i < USED; i++) {
        p[i] = malloc(2000);
        memset(p[i], 1, 2000);
    }
    for (unsigned i = 0; i < USED; i++)
        free(p[i]);
}

static __attribute__((noinline)) void others(void)
{
    char *p = calloc(4, 100);
    char *q = realloc(p, 5000);
    q[0] = 1;
    free(q);
}

int main(void)
{
    printf("ready\n");
    fflush(stdout);
    for (unsigned round = 0;; round++) {
        keep(round);
        use();
        others();
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}
