/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* bpf/unwind.h: from one frame to its caller's, by unwind rows (bpf/rows.h).
 *
 * Plain functions, compiled into the BPF program, into the user-space fallback and into tests. The includer defines
 * the __u64 family of types and, before including this file,
 *
 *     static bool osp_unwind_read(void *env, __u64 addr, __u64 *word);   // a word of the thread's memory
 *
 * How Go and C share a thread (go-runtime: asm_amd64.s, cgocall.go). A thread has a stack of its own, g0; goroutines
 * have theirs, which move. A whole stack hops between them:
 *
 *       goroutine's stack (curg)                      thread's stack (g0)
 *   (1) main.main
 *       main.f
 *       runtime.cgocall
 *       runtime.asmcgocall  ------------------------> C: encode(), deflate() …          Go calls C
 *                                                     C: emit(), goEmit stub
 *                                                     crosscall2
 *       runtime.cgocallback <------------------------ cgocallback                       C calls Go
 *       main.goEmit
 *       runtime.mallocgc
 *       runtime.systemstack ------------------------> runtime.(*mheap).alloc            the runtime on g0
 *
 * Walking from the leaf, at systemstack and morestack the caller is found through curg.sched; at asmcgocall through
 * the goroutine and the depth that it stored on g0; at cgocallback through g0.sched.sp, where each nested callback
 * keeps the previous value at its bottom word. Signal frames hold all registers. */
#ifndef OSP_BPF_UNWIND_H
#define OSP_BPF_UNWIND_H

#include "rows.h"

enum { OSP_UNWIND_REGS = 32 };

/* A thread between two frames. */
typedef struct osp_unwind {
    __u64 pc, sp, fp;
    __u64 link;                 /* the link register, where linked says that it is known */
    __u64 code_mask;            /* bits of a return address that are address; aarch64 may sign it in the others */
    __u64 reg[OSP_UNWIND_REGS]; /* the leaf's, by DWARF's numbers; x86-64 has 16 of them */
    __u64 ucontext;             /* != 0: they are there instead: the last signal frame crossed */
    __u64 curg;                 /* the thread's goroutine; 0 = none */
    __u64 stack_lo, stack_hi;   /* its stack */
    __u64 callback_sp;          /* g0.sched.sp: where the next cgocallback stands on g0 */
    __u32 leaf;     /* all registers are valid: nothing was unwound yet, or a signal frame was just crossed */
    __u32 exact;    /* pc is where execution stood, not a return address */
    __u32 fp_steps; /* frames crossed by frame pointer because no row was known */
    __u32 aarch64;
    __u32 linked;
    __u32 sp_lost; /* aarch64: sp is not known, since such a frame was crossed; fp leads to the record */
    __u32 root;    /* osp_root of the last frame, once ended with OSP_UNWIND_ROOT */
    __u32 lands;   /* a frame of OSP_RULE_FP_LANDS was crossed */
    __u32 doubt;   /* the root is a 0 behind such a frame: it may be anything */
} osp_unwind;

/* vm.mmap_min_addr, by default. */
#define OSP_LOWEST_MAPPED 65536

/* Within this many bytes two frames are on one thread's stack. */
#define OSP_CALLBACK_SPAN (1ull << 30)

/* The address to look rows and names up with: a return address may belong to the next function already. */
static inline __u64 osp_unwind_lookup(const osp_unwind *u) { return u->exact ? u->pc : u->pc - 1; }

/* The address to write down of a frame that was looked up there. What was never called stands at its first byte. */
static inline __u64 osp_unwind_shown(const osp_unwind *u, __u64 looked_up, __u32 rule)
{
    bool uncalled = osp_rule_kind(rule) == OSP_RULE_SIGFRAME || osp_rule_kind(rule) == OSP_RULE_SIGFRAME_LINK ||
                    rule == osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_PLANTED, 0);
    return uncalled ? u->pc : looked_up;
}

static inline bool osp_on_goroutine(const osp_unwind *u) { return u->sp >= u->stack_lo && u->sp < u->stack_hi; }

/* The rule for a pc in no mapping with code. Below the lowest address that can be mapped it is the target of a call
 * through a null pointer, which kept its return address and did nothing else. */
static inline __u32 osp_unwind_unmapped(const osp_unwind *u)
{
    if (!u->leaf || u->pc >= OSP_LOWEST_MAPPED)
        return OSP_RULE_NONE;
    return u->aarch64 ? osp_rule_make(OSP_RULE_LINK, 0, 0) : osp_rule_make(OSP_RULE_SP, 8, 0);
}

/* On aarch64 Go code keeps g in x28, and C code leaves what is there to its caller: g, if its M has a g0 of that M. */
static inline __u64 osp_unwind_own_g(void *env, const osp_unwind *u, const osp_unwind_go *go)
{
    __u64 g = u->reg[28], m = 0, g0 = 0, again = 0;
    bool is = u->aarch64 && g && !(g & 7) && osp_unwind_read(env, g + go->g_m, &m) && m && !(m & 7) &&
              osp_unwind_read(env, m + go->m_g0, &g0) && osp_unwind_read(env, g0 + go->g_m, &again) && again == m;
    return is ? g : 0;
}

/* Fill what the walk needs to know of the thread's goroutine. g is what the TLS slot holds; 0: it is not known. */
static inline void osp_unwind_goroutine(void *env, osp_unwind *u, const osp_unwind_go *go, __u64 g, __u64 *m_out)
{
    __u64 m = 0, g0 = 0;
    *m_out = 0;
    if (!g)
        g = osp_unwind_own_g(env, u, go);
    if (!g || !osp_unwind_read(env, g + go->g_m, &m) || !m)
        return;
    *m_out = m;
    if (osp_unwind_read(env, m + go->m_g0, &g0) && g0)
        osp_unwind_read(env, g0 + go->g_sched_sp, &u->callback_sp);
    if (!osp_unwind_read(env, m + go->m_curg, &u->curg) || !u->curg)
        return;
    osp_unwind_read(env, u->curg + go->g_stack_lo, &u->stack_lo);
    osp_unwind_read(env, u->curg + go->g_stack_hi, &u->stack_hi);
}

/* The struct ucontext of a signal frame, linux/arch/x86/include/uapi/asm/sigcontext.h. */
enum { OSP_UC_RBP = 120, OSP_UC_RSP = 160, OSP_UC_RIP = 168 };

/* Where a register is there. r8 to r15 come first, then di si bp bx dx ax cx sp; DWARF has ax dx cx bx si di bp sp. (No
 * table: a BPF object has no place for one that small.) */
static inline __u32 osp_uc_reg(__u32 which)
{
    return 8 * (which < 8 ? 13 + (0x72013645u >> 4 * which & 15) : which - 3);
}

/* The same of aarch64, from the start of the struct rt_sigframe: x0 to x30, sp and pc stand behind each other in its
 * struct sigcontext. */
enum { OSP_SIGFRAME_X0 = 312, OSP_X29 = 29, OSP_X30 = 30, OSP_X_SP = 31, OSP_X_PC = 32 };

/* A register of the leaf. */
static inline bool osp_unwind_reg(void *env, const osp_unwind *u, __u32 which, __u64 *value)
{
    which &= OSP_UNWIND_REGS - 1;
    if (u->ucontext)
        return osp_unwind_read(env, u->ucontext + (u->aarch64 ? 8 * which : osp_uc_reg(which & 15)), value);
    *value = u->reg[which];
    return true;
}

/* Does this kind start from sp? SP_RECORD can do without, where fp leads to the record, as it does in functions that
 * called others, but in those compiled without frame pointers. */
static inline bool osp_rule_needs_sp(__u32 kind)
{
    return kind != OSP_RULE_NONE && kind != OSP_RULE_END && kind != OSP_RULE_UNKNOWN && kind != OSP_RULE_SP_RECORD &&
           kind != OSP_RULE_FP_RECORD;
}

/* Was racecall called by Go code with sp = at? The return address is there then: on the goroutine's stack, or right above on this
 * one; behind a call of a fixed place, which is 5 bytes long. */
static inline bool osp_unwind_is_race_caller(void *env, const osp_unwind *u, __u64 at)
{
    __u64 pc = 0, code = 0;
    if ((at & 7) || !((at >= u->stack_lo && at < u->stack_hi) || at - u->sp <= 8))
        return false;
    return osp_unwind_read(env, at, &pc) && pc > 8 && osp_unwind_read(env, pc - 8, &code) &&
           (code >> 24 & 0xff) == 0xe8;
}

/* sp at racecall's entry, from behind its call: what the function called has pushed, or left alone. */
static inline bool osp_unwind_race_caller(void *env, const osp_unwind *u, __u64 *at)
{
    enum { R12 = 12, PUSHED = 12 };
    if (osp_unwind_reg(env, u, R12, at) && osp_unwind_is_race_caller(env, u, *at))
        return true;
    for (int i = 2; i < PUSHED; i++)
        if (osp_unwind_read(env, u->sp - 8 * i, at) && osp_unwind_is_race_caller(env, u, *at))
            return true;
    return false;
}

/* Step to the caller of the frame in u, whose row is rule. OSP_RULE_NONE: no row there, try the frame pointer. */
static inline int osp_unwind_step(void *env, osp_unwind *u, const osp_unwind_go *go, __u32 rule)
{
    __u32 kind = osp_rule_kind(rule);
    __u64 base = u->sp, cfa = 0, word = 0, old_sp = u->sp;
    __s64 cfa_off = osp_rule_cfa(rule), fp_off = osp_rule_fp(rule), pc_off = -8;
    bool exact = false, switched = false, link = false;

    if (u->sp_lost && osp_rule_needs_sp(kind))
        return OSP_UNWIND_NO_ROW;
    if (osp_rule_is_far(rule)) {
        cfa_off = osp_rule_far_cfa(rule);
        fp_off = osp_rule_far_fp(rule);
    }
    if (osp_rule_is_landing(kind)) {
        kind = u->exact ? OSP_RULE_SP : kind - OSP_RULE_LANDING;
        cfa_off = u->exact ? 8 : cfa_off;
        fp_off = u->exact ? 0 : fp_off;
    }
    switch (kind) {
    case OSP_RULE_GO_EXACT:
        exact = true;
        cfa = base + cfa_off;
        break;
    case OSP_RULE_SP:
        cfa = base + cfa_off;
        break;
    case OSP_RULE_FP_LANDS:
        u->lands = 1;
        cfa = u->fp + cfa_off;
        break;
    case OSP_RULE_FP:
        cfa = u->fp + cfa_off;
        break;
    case OSP_RULE_END:
        u->root = (__u32)(cfa_off >> 3);
        return OSP_UNWIND_ROOT;
    case OSP_RULE_DEREF_SP:
        if (!osp_unwind_read(env, base + cfa_off, &cfa))
            return OSP_UNWIND_UNREADABLE;
        cfa += 8;
        break;
    case OSP_RULE_DEREF_FP:
        if (!osp_unwind_read(env, u->fp + cfa_off, &cfa) || (fp_off && !osp_unwind_read(env, u->fp, &u->fp)))
            return OSP_UNWIND_UNREADABLE;
        fp_off = 0;
        break;
    case OSP_RULE_PLT:
        cfa = base + 8 + ((__s64)(u->pc & 15) >= (cfa_off >> 3) ? 8 : 0);
        fp_off = 0;
        break;
    case OSP_RULE_LEAF:
        if (!u->leaf)
            return OSP_UNWIND_UNSUPPORTED;
        if (!osp_unwind_reg(env, u, (__u32)(cfa_off >> 3), &cfa))
            return OSP_UNWIND_UNREADABLE;
        cfa += (cfa_off >> 7) * 8;
        if (fp_off ==
            OSP_FP_AT_FP) { /* before leave; behind it the rule still stands, but fp is the caller's again */
            fp_off = 0;
            if (u->fp >= u->sp && u->fp < cfa && !osp_unwind_read(env, u->fp, &u->fp))
                return OSP_UNWIND_UNREADABLE;
        }
        break;
    case OSP_RULE_JUMP: {
        __u32 which = (__u32)(cfa_off >> 3);
        if (!u->leaf)
            return OSP_UNWIND_UNSUPPORTED;
        if (!osp_unwind_reg(env, u, which & 15, &u->pc) || !osp_unwind_reg(env, u, which >> 4 & 15, &u->sp) ||
            !osp_unwind_reg(env, u, which >> 8 & 15, &u->fp))
            return OSP_UNWIND_UNREADABLE;
        u->leaf = u->exact = 0;
        return OSP_UNWIND_MORE;
    }
    case OSP_RULE_BY_CALLEE:
        if (!osp_unwind_read(env, base + fp_off, &cfa))
            return OSP_UNWIND_UNREADABLE;
        cfa += cfa_off;
        fp_off = 0;
        break;
    case OSP_RULE_CONTEXT:
        if (!u->leaf)
            return OSP_UNWIND_UNSUPPORTED;
        if (!osp_unwind_reg(env, u, (__u32)(cfa_off >> 3), &base) ||
            !osp_unwind_read(env, base + OSP_UC_RIP, &u->pc) || !osp_unwind_read(env, base + OSP_UC_RSP, &u->sp) ||
            !osp_unwind_read(env, base + OSP_UC_RBP, &u->fp))
            return OSP_UNWIND_UNREADABLE;
        u->leaf = u->exact = 0;
        return OSP_UNWIND_MORE;
    case OSP_RULE_SP_RECORD:
        cfa = u->sp_lost ? u->fp - fp_off : base + cfa_off;
        pc_off = fp_off + 8;
        break;
    case OSP_RULE_FP_RECORD:
        cfa = u->fp + cfa_off;
        pc_off = fp_off + 8;
        break;
    case OSP_RULE_SP_RETURN:
        cfa = base + cfa_off;
        pc_off = fp_off;
        fp_off = 0;
        break;
    case OSP_RULE_LINK:
        cfa = base + cfa_off;
        link = true;
        break;
    case OSP_RULE_LEAF_LINK:
        if (!u->leaf)
            return OSP_UNWIND_UNSUPPORTED;
        if (!osp_unwind_reg(env, u, (__u32)(fp_off >> 3), &cfa))
            return OSP_UNWIND_UNREADABLE;
        cfa += cfa_off;
        fp_off = 0;
        link = true;
        break;
    case OSP_RULE_GO_EXACT_LINK: /* where it was injected, the handler put the link register onto the stack */
        exact = true;
        link = fp_off == 0; /* it has no frame yet */
        cfa = base + cfa_off;
        pc_off = fp_off + 8;
        break;
    case OSP_RULE_SIGFRAME_LINK:
        u->ucontext = base + OSP_SIGFRAME_X0;
        if (!osp_unwind_read(env, u->ucontext + 8 * OSP_X_PC, &u->pc) ||
            !osp_unwind_read(env, u->ucontext + 8 * OSP_X_SP, &u->sp) ||
            !osp_unwind_read(env, u->ucontext + 8 * OSP_X29, &u->fp) ||
            !osp_unwind_read(env, u->ucontext + 8 * OSP_X30, &u->link))
            return OSP_UNWIND_UNREADABLE;
        u->leaf = u->exact = u->linked = 1;
        u->sp_lost = 0;
        return OSP_UNWIND_MORE;
    case OSP_RULE_SIGFRAME:
        u->ucontext = base;
        if (!osp_unwind_read(env, base + OSP_UC_RIP, &u->pc) || !osp_unwind_read(env, base + OSP_UC_RSP, &u->sp) ||
            !osp_unwind_read(env, base + OSP_UC_RBP, &u->fp))
            return OSP_UNWIND_UNREADABLE;
        u->leaf = 1;
        u->exact = 1;
        return OSP_UNWIND_MORE;
    case OSP_RULE_GO_RACECALL:
        if (!(u->leaf ? osp_unwind_reg(env, u, 12, &base) : osp_unwind_race_caller(env, u, &base)))
            return OSP_UNWIND_GO_SWITCH;
        cfa = base + 8;
        switched = true;
        break;
    case OSP_RULE_GO_SPWRITE:
        if (u->aarch64) {
            cfa = u->fp + cfa_off;
            pc_off = fp_off + 8;
            switched = true;
            break;
        }
        /* In the prologue and on the goroutine's own stack the delta holds; once SP was moved, rbp leads back. */
        if (u->leaf && cfa_off <= 8) {
            cfa = base + cfa_off;
        } else {
            cfa = u->fp + 16;
            fp_off = -16;
            switched = true;
        }
        break;
    case OSP_RULE_GO_SYSTEMSTACK:
    case OSP_RULE_GO_ASMCGOCALL:
        if (fp_off)
            pc_off = fp_off + 8;
        /* Before the switch, where they call gosave_systemstack_switch, and after it, these are ordinary frames. */
        if (osp_on_goroutine(u) || (u->leaf && !u->curg)) {
            cfa = base + cfa_off;
            break;
        }
        if (kind == OSP_RULE_GO_ASMCGOCALL && !u->leaf) {
            __u64 g = 0, hi = 0;
            if (!osp_unwind_read(env, base + go->asmcgocall_g, &g) ||
                !osp_unwind_read(env, base + go->asmcgocall_depth, &word))
                return OSP_UNWIND_UNREADABLE;
            if (g == 0) { /* called on g0 already: word is the old SP itself */
                base = word;
            } else {
                if (!osp_unwind_read(env, g + go->g_stack_hi, &hi))
                    return OSP_UNWIND_UNREADABLE;
                base = hi - word;
                /* The goroutine that made the call is the one: where m.curg was read later, it may be another. */
                if (g != u->curg) {
                    u->curg = g;
                    u->stack_hi = hi;
                    osp_unwind_read(env, g + go->g_stack_lo, &u->stack_lo);
                }
            }
        } else if (!u->curg || !osp_unwind_read(env, u->curg + go->g_sched_sp, &base) || !base) {
            return OSP_UNWIND_GO_SWITCH;
        }
        /* On the goroutine's stack the function's frame is as its row says: since Go 1.21 the saved rbp and the return
         * address, before that the return address alone. */
        cfa = base + cfa_off;
        switched = true;
        break;
    case OSP_RULE_GO_GROWING:
    case OSP_RULE_GO_MORESTACK:
        if (kind == OSP_RULE_GO_GROWING && u->leaf && u->linked) {
            u->pc = u->link & u->code_mask;
            u->leaf = u->exact = 0;
            return osp_unwind_reg(env, u, 3, &u->link) ? OSP_UNWIND_MORE : OSP_UNWIND_UNREADABLE;
        }
        if (!u->aarch64 && (osp_on_goroutine(u) || (u->leaf && !u->curg))) {
            cfa = base + cfa_off;
            break;
        }
        if (!u->curg) { /* preempted through newstack: the goroutine is off this thread, the scheduler goes on */
            u->root = OSP_ROOT_SCHEDULER;
            return OSP_UNWIND_ROOT;
        }
        if (!osp_unwind_read(env, u->curg + go->g_sched_pc, &u->pc) ||
            !osp_unwind_read(env, u->curg + go->g_sched_sp, &u->sp) ||
            !osp_unwind_read(env, u->curg + go->g_sched_bp, &u->fp) || !u->sp)
            return OSP_UNWIND_GO_SWITCH;
        u->leaf = 0;
        u->exact = 0;
        u->sp_lost = 0;
        u->linked = u->aarch64 && osp_unwind_read(env, u->curg + go->g_sched_lr, &u->link);
        return OSP_UNWIND_MORE;
    case OSP_RULE_GO_CGOCALLBACK: {
        __s64 record = fp_off ? fp_off : -16; /* x86-64 before Go 1.21 tells of no rbp */
        pc_off = record + 8;
        if (!osp_on_goroutine(u)) { /* on g0 still, or again: an ordinary frame */
            cfa = base + cfa_off;
            /* It is where g0.sched.sp leads already, or still: the next callback is the one around it. */
            if (base == u->callback_sp)
                osp_unwind_read(env, base + go->callback_saved, &u->callback_sp);
            break;
        }
        switched = true;
        /* cgocallback's frame pointer stands in its frame on g0. Where a panic has passed through it (unwindm),
         * g0.sched.sp is above that frame already: C's frames are given up, and may be overwritten. The goroutine's
         * stack goes on. */
        if (u->fp && u->fp - (__u64)(cfa_off + record) < u->callback_sp &&
            u->callback_sp - u->fp < OSP_CALLBACK_SPAN) {
            cfa = base + cfa_off;
            fp_off = u->aarch64 ? record : 0;
            exact = true; /* the pc put there is a function's first, until Go 1.20 */
            break;
        }
        base = u->callback_sp;
        if (!base || !osp_unwind_read(env, base + go->callback_saved, &u->callback_sp))
            return OSP_UNWIND_GO_SWITCH;
        cfa = base + cfa_off;
        fp_off = record;
        break;
    }
    case OSP_RULE_UNKNOWN:
        return OSP_UNWIND_UNSUPPORTED;
    default: /* no row: a frame pointer, if it looks like one */
        if (u->fp == 0 && !u->leaf) {
            u->root = OSP_ROOT_THREAD;
            return OSP_UNWIND_ROOT;
        }
        if (u->fp < u->sp || u->fp - u->sp > (1 << 20) || (u->fp & 7))
            return OSP_UNWIND_NO_ROW;
        cfa = u->fp + 16;
        fp_off = -16;
        u->fp_steps++;
        break;
    }

    if (!switched && cfa <= old_sp && !((u->leaf || link) && cfa == old_sp))
        return OSP_UNWIND_STUCK;
    if (link ? !u->linked : !osp_unwind_read(env, cfa + pc_off, &u->pc))
        return link ? OSP_UNWIND_UNSUPPORTED : OSP_UNWIND_UNREADABLE;
    if (link)
        u->pc = u->link;
    u->pc &= u->code_mask;
    /* Tables of x86-64 let the place stand when fp was popped from there: below sp it is the caller's again. Go on
     * aarch64 keeps records there. */
    if (fp_off && (switched || u->aarch64 || cfa + fp_off >= old_sp) && !osp_unwind_read(env, cfa + fp_off, &u->fp))
        return OSP_UNWIND_UNREADABLE;
    u->sp = cfa;
    u->sp_lost = u->aarch64 && kind == OSP_RULE_NONE;
    u->linked = kind == OSP_RULE_GO_EXACT_LINK;
    if (u->linked) {
        if (!osp_unwind_read(env, cfa, &u->link))
            return OSP_UNWIND_UNREADABLE;
        u->sp += 16;
    }
    u->leaf = 0;
    u->exact = exact;
    if (u->pc == 0 && switched)
        return OSP_UNWIND_GO_SWITCH;
    /* Nothing is ever mapped in the first page. A thread without CFI at its root has 0 there; the dynamic linker's first
     * frame has argc, the word that the kernel puts onto a new stack. */
    if (u->pc < 4096) {
        u->doubt = u->lands;
        u->root = OSP_ROOT_THREAD;
        return OSP_UNWIND_ROOT;
    }
    return OSP_UNWIND_MORE;
}

#endif
