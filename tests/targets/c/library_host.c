// SPDX-License-Identifier: Apache-2.0

// A C program that loads a Go library and calls it: library_host LIBRARY
//
// Truth: see ../c-shared.
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

static volatile long sink;

__attribute__((noinline)) static long calls(long (*go_work)(int))
{
    long x = 0;
    for (int i = 0; i < 10; i++)
        x += go_work(5000);
    return x + 1;
}

int main(int argc, char **argv)
{
    void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
    long (*go_work)(int) = library ? (long (*)(int))dlsym(library, "GoWork") : NULL;
    if (!go_work)
        return 1;
    printf("ready %d\n", (int)getpid());
    fflush(stdout);
    for (;;)
        sink += calls(go_work);
}
