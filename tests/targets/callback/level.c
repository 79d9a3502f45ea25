/* SPDX-License-Identifier: Apache-2.0 */
#include "level.h"

#include "_cgo_export.h"

#define STEP __attribute__((noinline, noclone, optimize("no-optimize-sibling-calls")))

STEP long c_level(int depth)
{
    volatile char room[104];
    room[depth & 63] = 2;
    return goLevel(depth) + room[depth & 63];
}

STEP long c_burn(long n)
{
    unsigned long x = 1;
    for (long i = 0; i < n; i++)
        x = x * 6364136223846793005ul + 1442695040888963407ul;
    return (long)(x >> 33);
}
