/* SPDX-License-Identifier: Apache-2.0 */

#include "xc_codec.h"

#define STEP __attribute__((noinline, noclone, optimize("no-optimize-sibling-calls")))

static STEP unsigned long xc_block(long turns, unsigned long x)
{
    for (long i = 0; i < turns; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}

static STEP unsigned long xc_plane(long turns, unsigned long x) { return xc_block(turns, x) + 1; }
static STEP unsigned long xc_frame(long turns, unsigned long x) { return xc_plane(turns, x) + 1; }

STEP unsigned long xc_encode(long turns, unsigned long key, int depth)
{
    switch (depth) {
    case 2:
        return xc_block(turns, key) + 2;
    case 3:
        return xc_plane(turns, key) + 2;
    default:
        return xc_frame(turns, key) + 2;
    }
}
