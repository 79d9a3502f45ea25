/* SPDX-License-Identifier: Apache-2.0 */
/* base/clock.h: the clocks, in nanoseconds. */
#ifndef OSP_BASE_CLOCK_H
#define OSP_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t osp_clock_ns(clockid_t id)
{
    struct timespec t = {0};
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t osp_monotonic_ns(void) { return osp_clock_ns(CLOCK_MONOTONIC); }
static inline uint64_t osp_realtime_ns(void) { return osp_clock_ns(CLOCK_REALTIME); }

#endif
