/* SPDX-License-Identifier: Apache-2.0 */
/* Functions whose unwind data is of every common kind: leaf, frame pointer, realigned stack, alloca, many pushes. */
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    long a[8];
} __attribute__((aligned(64))) wide;

static volatile long sink;

static inline long tiny(long x) { return x * 3 + sink; }

__attribute__((noinline)) static long leaf(long x)
{
    sink = x;
    return tiny(x) + tiny(x + 1);
}

__attribute__((noinline)) static long realigned(long x)
{
    wide w;
    for (int i = 0; i < 8; i++)
        w.a[i] = x + i;
    sink = (long)&w;
    return leaf(w.a[x & 7]) + leaf(x);
}

__attribute__((noinline)) static long dynamic(long x)
{
    char *p = __builtin_alloca((size_t)x);
    p[0] = 1;
    sink = (long)p;
    return leaf(p[0]) + realigned(x);
}

__attribute__((noinline)) static long pushes(long a, long b, long c, long d, long e, long f)
{
    long r = leaf(a) + leaf(b) * leaf(c);
    return r + leaf(d) * leaf(e) - leaf(f) + dynamic(a) * leaf(b) + c * d;
}

static inline int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

int main(int argc, char **argv)
{
    int numbers[] = {argc, 3, 2, 1};
    qsort(numbers, 4, sizeof *numbers, compare);
    printf("%s %d %ld\n", argv[0], numbers[0], pushes(argc, 2, 3, 4, 5, 6));
    return 0;
}
