/* SPDX-License-Identifier: Apache-2.0 */
/* base/search.h: the one binary search: which of many sorted ranges holds an address. */
#ifndef OSP_BASE_SEARCH_H
#define OSP_BASE_SEARCH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* How many of n rows begin at or below key; the last of them is the one that may hold it. A row takes size bytes, its
 * first member is the uint64_t by which the rows are sorted. */
static inline size_t osp_rows_upto(const void *row, size_t n, size_t size, uint64_t key)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        uint64_t first;
        memcpy(&first, (const char *)row + mid * size, sizeof first);
        if (first <= key)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

#endif
