/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* bpf/regs.h: registers as the kernel keeps them, and what else of its types differs between machines. Included by
 * kernel.h. */
#ifndef OSP_BPF_REGS_H
#define OSP_BPF_REGS_H

#include "arch.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

#if OSP_AARCH64

struct pt_regs {
    __u64 regs[31], sp, pc, pstate;
    __s32 syscallno; /* -1: in no system call */
};

struct cpu_context {
    unsigned long fp;
};

struct thread_struct {
    struct cpu_context cpu_context; /* the kernel's, of a thread off the CPU */
    struct {
        unsigned long tp_value; /* as of the last switch */
    } uw;
};

#else

/* The registers of the interrupted program. */
struct pt_regs {
    unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};

struct thread_struct {
    unsigned long sp; /* the kernel's, of a thread off the CPU: at a struct inactive_task_frame */
    unsigned long fsbase;
};

struct inactive_task_frame {
    unsigned long ret_addr;
};

#endif

#pragma clang attribute pop

/* The registers in the context of a perf_event program, uapi/asm/bpf_perf_event.h. Not relocated: this is the program's
 * ABI. */
#if OSP_AARCH64

struct osp_user_regs {
    __u64 regs[31], sp, pc, pstate;
};

#define REGS_PC(r) ((r)->pc)
#define REGS_SP(r) ((r)->sp)
#define REGS_OF_USER(r) (((r)->pstate & 15) == 0) /* EL0 */
#define REGS_SYSCALL(r) ((__s64)(r)->syscallno)   /* < 0: none */
#define REGS_ARGUMENT_1(r) ((r)->regs[0])         /* of a system call, when it begins */
#define REGS_ARGUMENT_2(r) ((r)->regs[1])
#define THREAD_POINTER(task) ((task)->thread.uw.tp_value)

/* Copied one by one: a context is read by words at fixed places. */
#define TAKE_REGS(u, r)                                                                          \
    do {                                                                                         \
        (u)->pc = (r)->pc;                                                                       \
        (u)->sp = (u)->reg[31] = (r)->sp;                                                        \
        _Pragma("unroll") for (int take = 0; take < 31; take++)(u)->reg[take] = (r)->regs[take]; \
        (u)->fp = (u)->reg[29];                                                                  \
        (u)->link = (u)->reg[30];                                                                \
    } while (0)

#else

struct osp_user_regs {
    unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};

#define REGS_PC(r) ((r)->ip)
#define REGS_SP(r) ((r)->sp)
#define REGS_OF_USER(r) ((r)->cs & 3)
#define REGS_SYSCALL(r) ((__s64)(r)->orig_ax) /* < 0: none */
#define REGS_ARGUMENT_1(r) ((r)->di)          /* of a system call, when it begins */
#define REGS_ARGUMENT_2(r) ((r)->si)
#define THREAD_POINTER(task) ((task)->thread.fsbase)

/* A thread's registers from a struct that has the kernel's names for them. */
#define TAKE_REGS(u, r)                                   \
    do {                                                  \
        (u)->pc = (r)->ip;                                \
        (u)->sp = (u)->reg[7] = (r)->sp;                  \
        (u)->fp = (u)->reg[6] = (r)->bp;                  \
        (u)->reg[0] = (r)->ax, (u)->reg[1] = (r)->dx;     \
        (u)->reg[2] = (r)->cx, (u)->reg[3] = (r)->bx;     \
        (u)->reg[4] = (r)->si, (u)->reg[5] = (r)->di;     \
        (u)->reg[8] = (r)->r8, (u)->reg[9] = (r)->r9;     \
        (u)->reg[10] = (r)->r10, (u)->reg[11] = (r)->r11; \
        (u)->reg[12] = (r)->r12, (u)->reg[13] = (r)->r13; \
        (u)->reg[14] = (r)->r14, (u)->reg[15] = (r)->r15; \
    } while (0)

#endif

#endif
