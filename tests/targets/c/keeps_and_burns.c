/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps 400 blocks of 64 KiB by keep_large() and 3000 of 1 KiB by keep_small(), burns CPU in burn(), and ends. For dumps of
 * gperftools and jemalloc, which are preloaded: the truth about their heap is 26214400 bytes by keep_large and 3072000 by
 * keep_small, about their CPU that nearly all is burn's. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *kept[4000];
static volatile uint64_t sink;

__attribute__((noinline)) void keep_large(int n)
{
    for (int i = 0; i < n; i++)
        memset(kept[i] = malloc(65536), i, 65536);
}

__attribute__((noinline)) void keep_small(int n)
{
    for (int i = 0; i < n; i++)
        memset(kept[1000 + i] = malloc(1024), i, 1024);
}

__attribute__((noinline)) void burn(uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        sink += i * i;
}

int main(void)
{
    keep_large(400);
    keep_small(3000);
    burn(400000000);
    return kept[0] == NULL;
}
