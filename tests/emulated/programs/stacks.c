/* SPDX-License-Identifier: Apache-2.0 */
/* What tests/emulated/steps.c steps through, from work() on: recursion, allocas, realigned and large frames, callbacks
 * through the C library, a signal handler, longjmp. Given a file's name, it copies /proc/self/maps there first. */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline, noclone))

static volatile unsigned sink;

NOINLINE static unsigned down(unsigned n)
{
    volatile unsigned keep = n;
    return n ? down(n - 1) * 3 + keep : sink + 7;
}

NOINLINE static unsigned leaf(unsigned n) { return n * sink; }

NOINLINE static unsigned allocated(unsigned n)
{
    unsigned char *p = __builtin_alloca(n + 16);
    memset(p, (int)n, n + 16);
    sink += p[n / 2];
    return down(2) + p[n];
}

NOINLINE static unsigned realigned(unsigned n)
{
    __attribute__((aligned(64))) unsigned char p[192];
    memset(p, (int)n, sizeof p);
    __asm__ volatile("" : : "r"(p) : "memory", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28");
    return down(3) + p[n];
}

NOINLINE static unsigned large(unsigned n)
{
    volatile unsigned char p[20000];
    p[n] = (unsigned char)n;
    return down(3) + p[n / 2 + 1] + leaf(n);
}

NOINLINE static unsigned larger(unsigned n)
{
    volatile unsigned char p[120000];
    p[n] = (unsigned char)n;
    return down(3) + p[n / 2 + 1] + leaf(n);
}

static int by_value(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static void handler(int sig) { sink += (unsigned)sig + down(2); }

static jmp_buf back;

NOINLINE static void far(unsigned n)
{
    if (n == 0)
        longjmp(back, 1);
    far(n - 1);
    sink++;
}

NOINLINE static void work(unsigned depth)
{
    int row[12] = {5, 3, 9, 1, 7, 2, 8, 6, 4, 0, 11, 10};
    char text[64];
    sink += down(20) + allocated(33) + realigned(70) + large(70) + larger(90);
    qsort(row, 12, sizeof *row, by_value);
    snprintf(text, sizeof text, "%d %s %u", row[3], "word", sink);
    sink += (unsigned)strlen(text) + (unsigned)strtol(text, NULL, 10);
    raise(SIGUSR1);
    if (!setjmp(back))
        far(3);
    sink += down(depth);
    free(malloc(sink % 500 + 100));
}

static void copy_maps(const char *name)
{
    char buf[4096];
    size_t n;
    FILE *from = fopen("/proc/self/maps", "r"), *to = fopen(name, "w");
    while (from && to && (n = fread(buf, 1, sizeof buf, from)) > 0)
        fwrite(buf, 1, n, to);
    if (to)
        fclose(to);
}

int main(int argc, char **argv)
{
    signal(SIGUSR1, handler);
    if (argc > 1) { /* once, so that the linker has bound what it binds at the first call */
        work(5);
        copy_maps(argv[1]);
    }
    work(argc > 1 ? 500 : 60);
    return 0;
}
