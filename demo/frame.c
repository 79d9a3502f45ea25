/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "codec.h"

#include <time.h>

static codec_times times;

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void decode_frame(frame *f)
{
    uint64_t start = cpu_ns();
    for (int row = 0; row < ROWS; row++)
        decode_slice(f, row);
    uint64_t middle = cpu_ns();
    deblock(f);
    uint64_t end = cpu_ns();
    __atomic_fetch_add(&times.blocks_ns, middle - start, __ATOMIC_RELAXED);
    __atomic_fetch_add(&times.deblock_ns, end - middle, __ATOMIC_RELAXED);
}

void codec_read_times(codec_times *out)
{
    out->blocks_ns = __atomic_load_n(&times.blocks_ns, __ATOMIC_RELAXED);
    out->deblock_ns = __atomic_load_n(&times.deblock_ns, __ATOMIC_RELAXED);
}
