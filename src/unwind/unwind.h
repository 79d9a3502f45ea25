/* SPDX-License-Identifier: Apache-2.0 */
/* unwind/unwind.h: from a thread's registers to its whole stack, by unwind rows.
 *
 * The rows (bpf/rows.h) and the steps (bpf/unwind.h) are plain functions shared with the BPF program; this header
 * gives them to user space: the fallback without BPF, and tests over recorded stacks. */
#ifndef OSP_UNWIND_H
#define OSP_UNWIND_H

#include "../../bpf/arch.h"
#include "../../bpf/rows.h"

#include <stdbool.h>
#include <stddef.h>
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

/* Where a walk gets its words and its rules from. */
typedef struct osp_unwind_env {
    void *ctx;
    bool (*read)(void *ctx, uint64_t addr, uint64_t *word);
    /* The rule at an address; false if it lies outside every mapping with code. OSP_RULE_NONE if there is no row. */
    bool (*rule)(void *ctx, uint64_t addr, uint32_t *rule);
} osp_unwind_env;

typedef struct osp_unwind_regs {
    uint64_t pc, sp, fp;
    uint64_t reg[32]; /* by DWARF's numbers; what is not known stays 0 */
    bool aarch64;     /* else x86-64 */
} osp_unwind_regs;

/* The kernel's perf numbers of registers: enum perf_event_x86_regs, perf_event_arm_regs. */
enum { OSP_PERF_REGS = 33 };

/* Those that an unwind rule can name, a bit each. */
static inline uint64_t osp_perf_regs_wanted(bool aarch64) { return aarch64 ? (1ull << 33) - 1 : 0xff01ff; }

/* The registers by perf's numbers, as a walk takes them. */
static inline osp_unwind_regs osp_unwind_regs_of_perf(const uint64_t perf[OSP_PERF_REGS], bool aarch64)
{
    if (aarch64) {
        osp_unwind_regs a = {.pc = perf[32], .sp = perf[31], .fp = perf[29], .aarch64 = true};
        for (int i = 0; i < 32; i++)
            a.reg[i] = perf[i];
        return a;
    }
    static const uint8_t number[16] = {0, 3, 2, 1, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23};
    osp_unwind_regs r = {.pc = perf[8], .sp = perf[7], .fp = perf[6]};
    for (int i = 0; i < 16; i++)
        r.reg[i] = perf[number[i]];
    return r;
}

/* Fill what differs between machines and releases (12608: go1.26.8) in the assembly of the Go runtime; the fields' places
 * are filled already. */
void osp_unwind_go_machine(osp_unwind_go *go, bool aarch64, uint32_t version);

/* Walk from regs to the root. pc[] gets the addresses to look names up with, leaf first (return addresses minus 1), at
 * most max; *n says how many. g is the thread's g or any g of its M (0: none); *curg gets its goroutine. Returns an
 * osp_unwind_status. *frame_pointer_steps is added to. */
int osp_unwind_walk(const osp_unwind_env *env, const osp_unwind_go *go, const osp_unwind_regs *regs, uint64_t g,
                    uint64_t *pc, size_t max, size_t *n, uint64_t *curg, uint64_t *m, uint32_t *frame_pointer_steps);

/* A goroutine that does not run. */
typedef struct osp_unwind_at {
    uint64_t g, stack_lo, stack_hi;
    uint64_t pc, sp, fp; /* as it was saved */
    uint64_t link;       /* aarch64: the saved link register; 0: pc is where a call returns */
    bool aarch64;
    uint64_t
        callback_sp; /* g0.sched.sp of the thread that it is locked to, where C's frames between callbacks are; 0: it
                             is locked to none */
} osp_unwind_at;

/* The same from there. The first address is the saved pc itself: where a function starts, or a call returns. */
int osp_unwind_parked(const osp_unwind_env *env, const osp_unwind_go *go, const osp_unwind_at *at, uint64_t *pc,
                      size_t max, size_t *n);

#endif
