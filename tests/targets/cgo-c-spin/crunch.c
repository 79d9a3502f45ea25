/* SPDX-License-Identifier: Apache-2.0 */
#include "crunch.h"

#define STEP __attribute__((noinline, noclone, optimize("no-optimize-sibling-calls")))

static STEP unsigned long crunch_block(long iter)
{
    unsigned long x = 88172645463325252ul;
    for (long i = 0; i < iter; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}

static STEP unsigned long crunch_plane(long iter) { return crunch_block(iter) + 1; }
static STEP unsigned long crunch_frame(long iter) { return crunch_plane(iter) + 1; }
static STEP unsigned long crunch_stream(long iter) { return crunch_frame(iter) + 1; }

STEP unsigned long crunch(long iter, int depth)
{
    switch (depth) {
    case 1: {
        unsigned long x = 1;
        for (long i = 0; i < iter; i++)
            x = x * 6364136223846793005ul + 1442695040888963407ul;
        return x;
    }
    case 2:
        return crunch_block(iter) + 2;
    case 3:
        return crunch_plane(iter) + 2;
    case 4:
        return crunch_frame(iter) + 2;
    default:
        return crunch_stream(iter) + 2;
    }
}
