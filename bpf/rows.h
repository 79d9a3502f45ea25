/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* bpf/rows.h: one unwind row format for .eh_frame, .debug_frame and Go's pclntab.
 *
 * A row says how to get from a frame to its caller's frame, for every pc from row.pc up to the next row's. Rows are
 * made in user space per ELF file, sorted by pc, searched in BPF and in user space by the same code. 8 bytes:
 *
 *     pc    u32   file address minus the table's base
 *     rule  u32   kind : 5   what the CFA (the caller's sp) is
 *                 cfa  : 14  signed, in units of 8 bytes: -65536 .. 65528
 *                 fp   : 13  signed, in units of 8 bytes from the CFA: where the caller's frame pointer was saved;
 *                            0 = not saved, the frame pointer is still the caller's; osp_rule_far
 *
 * A row is made for the machine of its file, and its kind says all that differs between machines, so that the search
 * and the steps (bpf/unwind.h) are the same for each.
 *
 * x86-64: the return address is at CFA - 8 unless the kind says otherwise.
 * aarch64: a call leaves it in the link register, x30. A function that calls others saves it, most often behind the
 * frame pointer, x29: such a pair is a frame record. Kinds from SP_RECORD on say where it is. */
#ifndef OSP_BPF_ROWS_H
#define OSP_BPF_ROWS_H

typedef struct osp_row {
    unsigned int pc;
    unsigned int rule;
} osp_row;

enum osp_rule_kind {
    OSP_RULE_NONE = 0,     /* no information from here to the next row */
    OSP_RULE_SP = 1,       /* CFA = sp + cfa */
    OSP_RULE_FP = 2,       /* CFA = fp + cfa */
    OSP_RULE_END = 3,      /* the outermost frame of a thread; cfa holds an osp_root */
    OSP_RULE_DEREF_SP = 4, /* CFA = *(sp + cfa) + 8 (hand-written assembly that realigns its stack) */
    OSP_RULE_DEREF_FP = 5, /* CFA = *(fp + cfa) (functions that realign their stack); fp != 0 means that the caller's
                              fp is at *fp, not beside the CFA */
    OSP_RULE_PLT = 6,      /* CFA = sp + 8 + ((pc & 15) >= cfa/8 ? 8 : 0) */
    OSP_RULE_SIGFRAME = 7, /* sp points at a struct rt_sigframe's ucontext: all registers are there, pc is exact */
    OSP_RULE_LEAF = 8,     /* in the leaf only, where all registers are known: CFA = register + offset, both in cfa
                              (osp_rule_leaf); fp may be OSP_FP_AT_FP */
    OSP_RULE_UNKNOWN = 9,  /* there is a rule but it cannot be expressed here */
    OSP_RULE_JUMP =
        10, /* in the leaf only: where it is about to jump is in registers, named in cfa (osp_rule_jump) */
    /* aarch64. A record is the caller's frame pointer and, behind it, the return address. */
    OSP_RULE_SP_RECORD = 11, /* CFA = sp + cfa; the record is at CFA + fp */
    OSP_RULE_FP_RECORD = 12, /* CFA = fp + cfa; the record is at CFA + fp */
    OSP_RULE_SP_RETURN = 13, /* CFA = sp + cfa; at CFA + fp is the return address alone; fp is the caller's */
    OSP_RULE_LINK = 14,      /* CFA = sp + cfa; the return address is in the link register; fp as on x86-64 */
    OSP_RULE_LEAF_LINK = 15, /* in the leaf only: CFA = register fp / 8 + cfa; the return address is in the link
                                register, fp is the caller's */
    /* Go functions whose SP deltas are not the whole truth. On aarch64 their frames have records. */
    /* As SP, and the return address is where execution was interrupted, not a call: asyncPreempt, sigpanic. */
    OSP_RULE_GO_EXACT = 16,
    /* Assembly that writes SP (vDSO calls on g0): SP in the prologue, else CFA = fp + 16. On aarch64 only where SP may be
     * written: CFA = fp + cfa. */
    OSP_RULE_GO_SPWRITE = 17,
    OSP_RULE_GO_SYSTEMSTACK = 18, /* the caller is on the goroutine's stack, at curg.sched */
    OSP_RULE_GO_MORESTACK = 19,   /* likewise, at curg.sched, whose pc is the growing function's */
    OSP_RULE_GO_ASMCGOCALL = 20,  /* reached from C: g and depth are at sp; else as SP */
    OSP_RULE_GO_CGOCALLBACK = 21, /* C called Go: C's frames are on g0, at g0.sched.sp; cfa, fp as on that stack */
    /* The same on aarch64 where that differs. */
    OSP_RULE_GO_EXACT_LINK = 22, /* what was interrupted has its link register at CFA, and its sp 16 bytes above */
    OSP_RULE_GO_GROWING = 23,    /* on the way to morestack: the growing function's link register is in x3 */
    /* x86-64, racecall, between its change of stacks and the way back: sp as it was is in r12, which the race detector's functions
     * have kept in the frame of the first of them, if at all. */
    OSP_RULE_GO_RACECALL = 26,
    OSP_RULE_SIGFRAME_LINK = 24, /* sp points at a struct rt_sigframe; as SIGFRAME */
    /* x86-64: as FP, in a function that ends where an exception lands. On its way there it overwrites its own saved registers and,
     * last, its return address by those of the frame that it will land in. */
    OSP_RULE_FP_LANDS = 25,
    /* x86-64, with SP, FP or DEREF_FP added, never alone: a ret, behind which exceptions land. Where execution stands at it, it is about to
     * return; for who returns to the place behind it, that other rule holds. */
    OSP_RULE_LANDING = 26,
    /* x86-64: CFA = *(sp + fp) + cfa, behind a call alone, where the function called keeps a register of this one's, in which
     * the CFA is. fp is the caller's. (The dynamic linker binds functions so.) */
    OSP_RULE_BY_CALLEE = 29,
    OSP_RULE_CONTEXT = 30, /* x86-64, in the leaf only: about to go on by the struct ucontext at register cfa / 8 */
};

/* What an outermost frame is; the cfa field of OSP_RULE_END, times 8. */
enum osp_root {
    OSP_ROOT_THREAD = 1,    /* clone, _start: return address undefined by CFI */
    OSP_ROOT_GOEXIT = 2,    /* runtime.goexit: a goroutine's first frame */
    OSP_ROOT_MSTART = 3,    /* runtime.mstart, rt0_go: a thread of the Go runtime */
    OSP_ROOT_SCHEDULER = 4, /* runtime.mcall, gogo: the scheduler, between two goroutines */
    OSP_ROOT_PLANTED = 5, /* a stack made by hand (makecontext): nothing called what its first function returns to */
};

#define OSP_RULE_CFA_MIN (-65536)
#define OSP_RULE_CFA_MAX 65528
#define OSP_RULE_FP_MIN (-32768)
#define OSP_RULE_FP_MAX 32760

/* cfa and fp in bytes, multiples of 8, within the bounds above. */
static inline unsigned int osp_rule_make(unsigned int kind, int cfa, int fp)
{
    return kind | ((unsigned int)(cfa / 8) & 0x3fff) << 5 | ((unsigned int)(fp / 8) & 0x1fff) << 19;
}

/* The caller's fp is at *fp, as in DEREF_FP: from the prologue to the epilogue of a function that realigns its stack. */
#define OSP_FP_AT_FP 8

/* x86-64: a CFA at register reg (DWARF's number) plus off bytes: a multiple of 8 within +- OSP_RULE_LEAF_MAX. */
#define OSP_RULE_LEAF_MAX 2048
static inline unsigned int osp_rule_leaf(unsigned int reg, int off, int fp)
{
    return osp_rule_make(OSP_RULE_LEAF, (int)(reg & 15) * 8 + off * 16, fp);
}

/* aarch64: a record more than 32 KiB from the CFA, below large locals, is told by where it is from sp or fp. Then the field
 * of fp is positive: 6 bits of that place, 6 of the CFA's, which is a multiple of 16. */
#define OSP_RULE_FAR_MAX ((1 << 24) - 16)
static inline unsigned int osp_rule_far(unsigned int kind, int cfa, int record)
{
    unsigned int units = (unsigned int)(cfa / 16);
    return kind | (units & 0x3fff) << 5 | (units >> 14 & 63) << 25 | (unsigned int)(record / 8 + 2) << 19;
}

static inline int osp_rule_is_far(unsigned int rule)
{
    unsigned int kind = rule & 31;
    return (int)rule >> 19 > 0 &&
           (kind == OSP_RULE_SP_RECORD || kind == OSP_RULE_FP_RECORD || kind == OSP_RULE_SP_RETURN);
}

/* What osp_rule_cfa and osp_rule_fp tell of other rules. */
static inline int osp_rule_far_cfa(unsigned int rule)
{
    return (int)((rule >> 5 & 0x3fff) | (rule >> 25 & 63) << 14) * 16;
}

static inline int osp_rule_far_fp(unsigned int rule)
{
    return ((int)(rule >> 19 & 63) - 2) * 8 - osp_rule_far_cfa(rule);
}

/* SP_RECORD, FP_RECORD or SP_RETURN, far where need be; UNKNOWN if no row can say it. */
static inline unsigned int osp_rule_record(unsigned int kind, long long cfa, long long fp)
{
    long long record = cfa + fp;
    if (cfa >= OSP_RULE_CFA_MIN && cfa <= OSP_RULE_CFA_MAX && fp >= OSP_RULE_FP_MIN && fp < 0 && !(cfa & 7) &&
        !(fp & 7))
        return osp_rule_make(kind, (int)cfa, (int)fp);
    if (cfa > 0 && cfa <= OSP_RULE_FAR_MAX && !(cfa & 15) && record >= -8 && record <= 61 * 8 && !(record & 7))
        return osp_rule_far(kind, (int)cfa, (int)record);
    return OSP_RULE_UNKNOWN;
}

/* Registers that hold the pc, sp and fp to go on with. */
static inline unsigned int osp_rule_jump(unsigned int pc, unsigned int sp, unsigned int fp)
{
    return osp_rule_make(OSP_RULE_JUMP, (int)((pc & 15) | (sp & 15) << 4 | (fp & 15) << 8) * 8, 0);
}

static inline int osp_rule_is_landing(unsigned int kind)
{
    return kind == OSP_RULE_LANDING + OSP_RULE_SP || kind == OSP_RULE_LANDING + OSP_RULE_FP ||
           kind == OSP_RULE_LANDING + OSP_RULE_DEREF_FP;
}

/* The same of a landing pad, for the ret before it; OSP_RULE_NONE (0) if no row can say it. */
static inline unsigned int osp_rule_of_landing(unsigned int rule)
{
    unsigned int kind = rule & 31;
    return kind == OSP_RULE_SP || kind == OSP_RULE_FP || kind == OSP_RULE_DEREF_FP ? rule + OSP_RULE_LANDING : 0;
}

static inline unsigned int osp_rule_kind(unsigned int rule) { return rule & 31; }

static inline int osp_rule_cfa(unsigned int rule) { return ((int)(rule << 13) >> 18) * 8; }

static inline int osp_rule_fp(unsigned int rule) { return ((int)rule >> 19) * 8; }

/* Byte offsets in the Go runtime's structs; only valid if has_go. */
typedef struct osp_unwind_go {
    unsigned int has_go;
    unsigned int g_stack_lo, g_stack_hi, g_m, g_sched_sp, g_sched_pc, g_sched_bp, g_sched_lr;
    unsigned int m_g0, m_curg;
    unsigned int asmcgocall_g, asmcgocall_depth; /* where asmcgocall stores them, from sp after its call */
    unsigned int callback_saved;                 /* where cgocallback keeps the last g0.sched.sp, from its sp on g0 */
    int g_goid, g_labels;                        /* not used by the unwinder */
    unsigned int labels_are_slice;
    unsigned int no_tls; /* g is in no slot, but in x28 where Go runs: aarch64, without cgo */
    long long tls_g;     /* from the thread pointer to the slot that holds g */
} osp_unwind_go;

/* Why a walk ended. The order is osp_unwind_end's in sample/sample.h. */
enum osp_unwind_status {
    OSP_UNWIND_ROOT = 0,
    OSP_UNWIND_NO_MAPPING,
    OSP_UNWIND_NO_ROW,
    OSP_UNWIND_UNSUPPORTED,
    OSP_UNWIND_UNREADABLE,
    OSP_UNWIND_STUCK,
    OSP_UNWIND_GO_SWITCH,
    OSP_UNWIND_DEPTH,
    OSP_UNWIND_STACK_COPY,
    OSP_UNWIND_BUDGET,
    OSP_UNWIND_MORE = 100, /* not ended: there is a caller */
};

#endif
