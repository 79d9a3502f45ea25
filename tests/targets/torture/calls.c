// SPDX-License-Identifier: Apache-2.0
#include "calls.h"

#include "_cgo_export.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((noinline)) long c_burn(long n)
{
    unsigned long x = 88172645463325252ul;
    for (long i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return (long)(x & 7);
}

__attribute__((noinline)) long c_level(int depth) { return c_burn(500) + goLevel(depth) + 1; }

static int by_value(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

long c_library(long n)
{
    char text[256];
    double d = 0;
    long all = 0;
    int *row = malloc((size_t)n * sizeof *row);
    for (long i = 0; i < n; i++) {
        row[i] = (int)(i * 7919 % n);
        d += sin((double)i) + pow(1.01, (double)(i & 31)) + exp(-(double)i / 100);
        all += snprintf(text, sizeof text, "%ld %g %s", i, d, "word");
        all += (long)strlen(text) + (memchr(text, 'w', sizeof text) != NULL);
    }
    qsort(row, (size_t)n, sizeof *row, by_value);
    char *from = calloc(1, 1 << 20), *to = malloc(1 << 20);
    memcpy(to, from, 1 << 20);
    all += to[row[0] & 1023];
    free(row);
    free(from);
    free(to);
    return all + (long)d;
}

long c_short(long n) { return n * 1103515245 + 12345; }
long c_panics(int through) { return goPanics(through) + 1; }

static void *first(void *n) { return (void *)(c_level(2) + (long)n); }

long c_thread(void)
{
    pthread_t t;
    void *out = NULL;
    if (pthread_create(&t, NULL, first, (void *)1) == 0)
        pthread_join(t, &out);
    return (long)out;
}

long c_sort(int n)
{
    int *row = malloc((size_t)n * sizeof *row);
    for (int i = 0; i < n; i++)
        row[i] = i * 7919 % n;
    qsort(row, (size_t)n, sizeof *row, (int (*)(const void *, const void *))goCompare);
    long out = row[0];
    free(row);
    return out;
}
