/* SPDX-License-Identifier: Apache-2.0 */
/* unwind/unwind.h: from a thread's registers to its whole stack, by unwind rows.
 *
 * The rows (bpf/rows.h) and the steps (bpf/unwind.h) are plain functions shared with the BPF program; this header
 * gives them to user space. */
#ifndef OSP_UNWIND_H
#define OSP_UNWIND_H

#include "../../bpf/rows.h"

#include <stdint.h>

/* The rule in force at pc (relative to the table's base), by binary search; OSP_RULE_NONE if pc is before the first
 * row. */
static inline uint32_t osp_rows_find(const osp_row *row, uint32_t n, uint32_t pc)
{
    uint32_t lo = 0, hi = n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (row[mid].pc <= pc)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo ? row[lo - 1].rule : OSP_RULE_NONE;
}

#endif
