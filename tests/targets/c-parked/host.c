// SPDX-License-Identifier: Apache-2.0

// A C program that calls a Go library: see main.go.
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

extern int Park(int n);
extern void Stay(void);

static void *stay(void *nothing)
{
    Stay();
    return nothing;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, stay, NULL);
    usleep(200000);
    printf("%d\n", Park(25));
    fflush(stdout);
    pause();
    return 0;
}
