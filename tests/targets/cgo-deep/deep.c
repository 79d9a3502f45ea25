/* SPDX-License-Identifier: Apache-2.0 */
#include "deep.h"

#define STEP __attribute__((noinline, noclone, optimize("no-optimize-sibling-calls")))

static STEP long c_burn(long n)
{
    unsigned long x = 1;
    for (long i = 0; i < n; i++)
        x = x * 6364136223846793005ul + 1442695040888963407ul;
    return (long)(x >> 33);
}

/* Each frame holds an array, so that the distance to the caller differs. */
static STEP long c_three(long n)
{
    volatile char room[40];
    room[n & 31] = 1;
    return c_burn(n) + room[n & 31];
}

static STEP long c_two(long n)
{
    volatile char room[400];
    room[n & 255] = 1;
    return c_three(n) + room[n & 255];
}

STEP long c_one(long n) { return c_two(n) + 1; }
