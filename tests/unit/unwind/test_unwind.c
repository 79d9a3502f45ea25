/* SPDX-License-Identifier: Apache-2.0 */
/* The unwinder over made-up stacks: one small memory, one small table of rules, a walk, and the pcs it must give. The
 * same steps run in the kernel. */
#include "unwind/unwind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS = 512 };
static const uint64_t STACK = 0x7000, GOSTACK = 0xc000; /* both within memory[], which starts at STACK */

struct world {
    uint64_t word[8192]; /* memory from STACK on */
    struct {
        uint64_t from, to;
        uint32_t rule;
    } code[16];
    unsigned n;
};

static bool read_word(void *ctx, uint64_t addr, uint64_t *word)
{
    struct world *w = ctx;
    if (addr < STACK || addr >= STACK + sizeof w->word || addr % 8)
        return false;
    *word = w->word[(addr - STACK) / 8];
    return true;
}

static bool rule_at(void *ctx, uint64_t addr, uint32_t *rule)
{
    struct world *w = ctx;
    for (unsigned i = 0; i < w->n; i++)
        if (addr >= w->code[i].from && addr < w->code[i].to) {
            *rule = w->code[i].rule;
            return true;
        }
    return false;
}

static void poke(struct world *w, uint64_t addr, uint64_t value) { w->word[(addr - STACK) / 8] = value; }

static void code(struct world *w, uint64_t from, uint32_t rule)
{
    w->code[w->n].from = from;
    w->code[w->n].to = from + 0x100;
    w->code[w->n++].rule = rule;
}

/* Layout of a Go runtime as small as a test can have it. */
static const osp_unwind_go GO = {
    .has_go = 1,
    .g_stack_lo = 0,
    .g_stack_hi = 8,
    .g_m = 16,
    .g_sched_sp = 24,
    .g_sched_pc = 32,
    .g_sched_bp = 40,
    .m_g0 = 0,
    .m_curg = 8,
    .asmcgocall_g = 8,
    .g_goid = -1,
    .g_labels = -1,
};
static const osp_unwind_go NO_GO;

static int walk(struct world *w, const osp_unwind_go *go, osp_unwind_regs regs, uint64_t g, uint64_t *pc, size_t *n)
{
    osp_unwind_env env = {w, read_word, rule_at};
    uint64_t curg, m;
    uint32_t fp_steps = 0;
    return osp_unwind_walk(&env, go, &regs, g, pc, WORDS, n, &curg, &m, &fp_steps);
}

/* g0 at 0x8000, curg at 0x8100, m at 0x8200; the goroutine's stack is GOSTACK .. GOSTACK + 0x1000. */
static void add_go(struct world *w)
{
    poke(w, 0x8000 + 16, 0x8200);
    poke(w, 0x8200 + 0, 0x8000);
    poke(w, 0x8200 + 8, 0x8100);
    poke(w, 0x8100 + 0, GOSTACK);
    poke(w, 0x8100 + 8, GOSTACK + 0x1000);
    poke(w, 0x8100 + 16, 0x8200);
}

static void a_rule_keeps_its_three_parts(void **state)
{
    (void)state;
    for (int cfa = OSP_RULE_CFA_MIN; cfa <= OSP_RULE_CFA_MAX; cfa += 8 * 97)
        for (int fp = OSP_RULE_FP_MIN; fp <= OSP_RULE_FP_MAX; fp += 8 * 101) {
            uint32_t r = osp_rule_make(OSP_RULE_GO_CGOCALLBACK, cfa, fp);
            assert_int_equal(osp_rule_kind(r), OSP_RULE_GO_CGOCALLBACK);
            assert_int_equal(osp_rule_cfa(r), cfa);
            assert_int_equal(osp_rule_fp(r), fp);
        }
}

static void rows_are_found_by_the_last_pc_at_or_below(void **state)
{
    (void)state;
    const osp_row row[] = {{10, 1}, {20, 2}, {30, 3}};
    assert_int_equal(osp_rows_find(row, 3, 9), OSP_RULE_NONE);
    assert_int_equal(osp_rows_find(row, 3, 10), 1);
    assert_int_equal(osp_rows_find(row, 3, 29), 2);
    assert_int_equal(osp_rows_find(row, 3, 4000000000u), 3);
    assert_int_equal(osp_rows_find(row, 0, 10), OSP_RULE_NONE);
}

static void a_frameless_leaf_keeps_its_caller(void **state)
{
    (void)state;
    struct world w = {0};
    code(&w, 0x1000, osp_rule_make(OSP_RULE_SP, 8, 0));    /* leaf: nothing pushed */
    code(&w, 0x2000, osp_rule_make(OSP_RULE_SP, 32, -16)); /* caller: 16 bytes and rbp */
    code(&w, 0x3000, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_GOEXIT, 0));
    poke(&w, STACK, 0x2010);
    poke(&w, STACK + 8 + 16, 0x1234); /* saved rbp */
    poke(&w, STACK + 8 + 24, 0x3001);
    uint64_t pc[WORDS];
    size_t n;
    assert_int_equal(walk(&w, &NO_GO, (osp_unwind_regs){.pc = 0x1050, .sp = STACK}, 0, pc, &n), OSP_UNWIND_ROOT);
    assert_int_equal(n, 3);
    assert_int_equal(pc[0], 0x1050);
    assert_int_equal(pc[1], 0x200f); /* a return address, minus 1 */
    assert_int_equal(pc[2], 0x3000);
}

/* Behind pop rbp or leave, tables still say where rbp had been saved: that is below the stack now. */
static void a_popped_frame_pointer_is_the_callers(void **state)
{
    (void)state;
    struct world w = {0};
    code(&w, 0x1000, osp_rule_make(OSP_RULE_SP, 8, -16)); /* at its ret */
    code(&w, 0x2000, osp_rule_make(OSP_RULE_FP, 16, -16));
    code(&w, 0x3000, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_THREAD, 0));
    poke(&w, STACK + 0x100 - 8, 0xdead); /* whatever was left there */
    poke(&w, STACK + 0x100, 0x2010);
    poke(&w, STACK + 0x200, 0);
    poke(&w, STACK + 0x208, 0x3010);
    uint64_t pc[WORDS];
    size_t n;
    osp_unwind_regs regs = {.pc = 0x1050, .sp = STACK + 0x100, .fp = STACK + 0x200};
    assert_int_equal(walk(&w, &NO_GO, regs, 0, pc, &n), OSP_UNWIND_ROOT);
    assert_int_equal(n, 3);
}

/* The last byte before a landing pad is a ret: a leaf stands at it with its return address on top; who returns to the pad
 * has the frame that the pad has. */
static void a_return_to_a_landing_pad_has_the_frame_of_the_pad(void **state)
{
    (void)state;
    const struct {
        uint32_t rule;
        uint64_t fp;
    } frame[] = {{osp_rule_make(OSP_RULE_SP, 64, -16), 0}, {osp_rule_make(OSP_RULE_FP, 16, -16), STACK + 8 + 48}};
    for (unsigned i = 0; i < 2; i++) {
        struct world w = {0};
        code(&w, 0x1000, osp_rule_make(OSP_RULE_SP, 8, 0));
        code(&w, 0x2000, osp_rule_of_landing(frame[i].rule));
        code(&w, 0x3000, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_THREAD, 0));
        poke(&w, STACK, 0x2011); /* the pad's address, put there by the unwinder of exceptions */
        poke(&w, STACK + 8, 0xdead);
        poke(&w, STACK + 8 + 56, 0x3010);
        uint64_t pc[WORDS];
        size_t n;
        osp_unwind_regs regs = {.pc = 0x1050, .sp = STACK, .fp = frame[i].fp};
        assert_int_equal(walk(&w, &NO_GO, regs, 0, pc, &n), OSP_UNWIND_ROOT);
        assert_int_equal(n, 3);
        assert_int_equal(pc[1], 0x2010);
        assert_int_equal(pc[2], 0x300f);
        regs = (osp_unwind_regs){.pc = 0x2010, .sp = STACK + 8 + 56, .fp = 1};
        assert_int_equal(walk(&w, &NO_GO, regs, 0, pc, &n), OSP_UNWIND_ROOT);
        assert_int_equal(n, 2);
    }
    assert_int_equal(osp_rule_of_landing(osp_rule_make(OSP_RULE_PLT, 8, 0)), OSP_RULE_NONE);
}

/* The unwinder of exceptions has put the return address of the frame that it will land in over its own. */
static void on_the_way_to_a_landing_the_next_caller_is_found(void **state)
{
    (void)state;
    struct world w = {0};
    code(&w, 0x1000, osp_rule_make(OSP_RULE_FP_LANDS, 16, -16));
    code(&w, 0x2000, osp_rule_make(OSP_RULE_SP, 32, 0)); /* throws; 24 bytes of its own */
    code(&w, 0x3000, osp_rule_make(OSP_RULE_SP, 48, 0)); /* catches */
    code(&w, 0x4000, osp_rule_make(OSP_RULE_SP, 64, 0));
    code(&w, 0x5000, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_THREAD, 0));
    uint64_t sp = STACK + 0x100;
    uint64_t *slot = &w.word[(sp - 8 - STACK) / 8];
    *slot = 0x2010;
    poke(&w, sp + 24, 0x3010);
    poke(&w, sp + 32 + 40, 0x4010);
    poke(&w, sp + 32 + 48 + 56, 0x5010);
    osp_unwind_regs regs = {.pc = 0x1050, .sp = STACK, .fp = sp - 16};
    uint64_t pc[WORDS];
    size_t n;
    assert_int_equal(walk(&w, &NO_GO, regs, 0, pc, &n), OSP_UNWIND_ROOT);
    assert_int_equal(n, 5);
    *slot = 0x4010;
    assert_int_equal(walk(&w, &NO_GO, regs, 0, pc, &n), OSP_UNWIND_ROOT);
    assert_int_equal(n, 3);
    assert_int_equal(pc[1], 0x400f);
    assert_int_equal(pc[2], 0x500f);
    *slot = 0x2010; /* a thread's end without tables is one, if it did not land yet */
    poke(&w, sp + 32 + 48 + 56, 0);
    assert_int_equal(walk(&w, &NO_GO, regs, 0, pc, &n), OSP_UNWIND_ROOT);
    assert_int_equal(n, 4);
    assert_int_equal(pc[1], 0x200f);
}

/* vfork keeps its return address in rdi while a parent and its child share the stack; longjmp and libgcc jump likewise. */
static void what_is_about_to_be_jumped_to_is_in_registers(void **state)
{
    (void)state;
    enum { RCX = 2, RBP = 6, RSP = 7, R8 = 8, R9 = 9, R15 = 15 };
    static const unsigned by[][3] = {{RCX, RSP, RBP}, {5, RSP, RBP}, {1, R8, R9}, {R15, R9, R8}};
    for (unsigned i = 0; i < sizeof by / sizeof *by; i++) {
        struct world w = {0};
        code(&w, 0x1000, osp_rule_jump(by[i][0], by[i][1], by[i][2]));
        code(&w, 0x2000, osp_rule_make(OSP_RULE_FP, 16, -16));
        code(&w, 0x3000, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_THREAD, 0));
        poke(&w, STACK + 0x108, 0x3010);
        osp_unwind_regs regs = {.pc = 0x1050, .sp = STACK, .fp = 0xdead};
        regs.reg[RSP] = STACK;
        regs.reg[by[i][0]] = 0x2010;
        regs.reg[by[i][1]] = STACK + 0x40;
        regs.reg[by[i][2]] = STACK + 0x100;
        uint64_t pc[WORDS];
        size_t n;
        assert_int_equal(walk(&w, &NO_GO, regs, 0, pc, &n), OSP_UNWIND_ROOT);
        assert_int_equal(n, 3);
        assert_int_equal(pc[1], 0x200f);
    }
}

static void a_callee_has_kept_what_leads_to_the_frame(void **state)
{
    (void)state;
    struct world w = {0};
    code(&w, 0x1000, osp_rule_make(OSP_RULE_SP, 32, 0));
    code(&w, 0x2000, osp_rule_make(OSP_RULE_BY_CALLEE, 32, -24));
    code(&w, 0x3000, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_THREAD, 0));
    poke(&w, STACK + 8, STACK + 0x140); /* rbx, 24 bytes below the caller's sp */
    poke(&w, STACK + 24, 0x2010);
    poke(&w, STACK + 0x140 + 24, 0x3010);
    uint64_t pc[WORDS];
    size_t n;
    assert_int_equal(walk(&w, &NO_GO, (osp_unwind_regs){.pc = 0x1050, .sp = STACK}, 0, pc, &n), OSP_UNWIND_ROOT);
    assert_int_equal(n, 3);
    assert_int_equal(pc[2], 0x300f);
}

static void between_two_stacks_a_context_leads_on(void **state)
{
    (void)state;
    enum { RDX = 1 };
    struct world w = {0};
    code(&w, 0x1000, osp_rule_make(OSP_RULE_CONTEXT, 8 * RDX, 0));
    code(&w, 0x2000, osp_rule_make(OSP_RULE_FP, 16, -16));
    code(&w, 0x3000, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_THREAD, 0));
    poke(&w, STACK + 120, STACK + 0x400); /* rbp, rsp, rip */
    poke(&w, STACK + 160, STACK + 0x3f0);
    poke(&w, STACK + 168, 0x2010);
    poke(&w, STACK + 0x408, 0x3010);
    osp_unwind_regs regs = {.pc = 0x1050, .sp = 0xdead, .fp = 0xdead, .reg = {[RDX] = STACK}};
    uint64_t pc[WORDS];
    size_t n;
    assert_int_equal(walk(&w, &NO_GO, regs, 0, pc, &n), OSP_UNWIND_ROOT);
    assert_int_equal(n, 3);
    assert_int_equal(pc[1], 0x200f);
    assert_int_equal(pc[2], 0x300f);
}

/* The race detector runs on g0; sp as it was is in r12, or where the function called by racecall has pushed that. */
static void from_the_race_detector_r12_leads_to_the_goroutine(void **state)
{
    (void)state;
    enum { R12 = 12 };
    struct world w = {0};
    add_go(&w);
    code(&w, 0x1000, osp_rule_make(OSP_RULE_SP, 48, -16)); /* C: pushes rbp, r12 … */
    code(&w, 0x2000, OSP_RULE_GO_RACECALL);
    code(&w, 0x3000, osp_rule_make(OSP_RULE_SP, 16, 0));
    code(&w, 0x4000, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_GOEXIT, 0));
    w.code[w.n].from = 0x7100; /* the bytes before a return address: where the memory is */
    w.code[w.n].to = 0x7200;
    w.code[w.n++].rule = osp_rule_make(OSP_RULE_SP, 16, 0);
    poke(&w, STACK + 40, 0x2010);
    poke(&w, 0x7110, 0xe8000000); /* call: ends at 0x7118 */
    poke(&w, GOSTACK + 0x100, 0x7118);
    poke(&w, GOSTACK + 0x110, 0x4010);
    uint64_t pc[WORDS];
    size_t n;
    osp_unwind_regs regs = {.pc = 0x1050, .sp = STACK, .reg = {[R12] = GOSTACK + 0x100}};
    assert_int_equal(walk(&w, &GO, regs, 0x8000, pc, &n), OSP_UNWIND_ROOT);
    assert_int_equal(n, 4);
    assert_int_equal(pc[2], 0x7117);
    regs.reg[R12] = 0xdead; /* used for something else */
    assert_int_equal(walk(&w, &GO, regs, 0x8000, pc, &n), OSP_UNWIND_GO_SWITCH);
    poke(&w, STACK + 16, GOSTACK + 0x108); /* a pointer to another word of that stack */
    poke(&w, STACK + 24, GOSTACK + 0x100);
    assert_int_equal(walk(&w, &GO, regs, 0x8000, pc, &n), OSP_UNWIND_ROOT);
    assert_int_equal(n, 4);
    regs = (osp_unwind_regs){.pc = 0x2008, .sp = STACK, .reg = {[R12] = GOSTACK + 0x100}};
    assert_int_equal(walk(&w, &GO, regs, 0x8000, pc, &n), OSP_UNWIND_ROOT);
    assert_int_equal(n, 3);
}

static void a_stack_that_does_not_move_up_ends(void **state)
{
    (void)state;
    struct world w = {0};
    code(&w, 0x1000, osp_rule_make(OSP_RULE_FP, 16, -16));
    poke(&w, STACK, STACK); /* rbp points at itself */
    poke(&w, STACK + 8, 0x1010);
    uint64_t pc[WORDS];
    size_t n;
    osp_unwind_regs regs = {.pc = 0x1050, .sp = STACK, .fp = STACK};
    assert_int_equal(walk(&w, &NO_GO, regs, 0, pc, &n), OSP_UNWIND_STUCK);
    assert_true(n <= 3);
}

static void unreadable_memory_ends_the_walk(void **state)
{
    (void)state;
    struct world w = {0};
    code(&w, 0x1000, osp_rule_make(OSP_RULE_SP, 8, 0));
    uint64_t pc[WORDS];
    size_t n;
    assert_int_equal(walk(&w, &NO_GO, (osp_unwind_regs){.pc = 0x1000, .sp = 0x10}, 0, pc, &n), OSP_UNWIND_UNREADABLE);
    assert_int_equal(n, 1);
}

static void without_a_row_a_frame_pointer_helps(void **state)
{
    (void)state;
    struct world w = {0};
    code(&w, 0x1000, OSP_RULE_NONE);
    poke(&w, STACK + 16, 0);
    poke(&w, STACK + 24, 0x1010);
    uint64_t pc[WORDS];
    size_t n;
    osp_unwind_regs regs = {.pc = 0x1050, .sp = STACK, .fp = STACK + 16};
    assert_int_equal(walk(&w, &NO_GO, regs, 0, pc, &n), OSP_UNWIND_ROOT); /* rbp 0 is the outermost frame */
    assert_int_equal(n, 2);
    regs.fp = 0x33; /* something else is in rbp */
    assert_int_equal(walk(&w, &NO_GO, regs, 0, pc, &n), OSP_UNWIND_NO_ROW);
}

static void a_signal_frame_gives_all_registers_back(void **state)
{
    (void)state;
    struct world w = {0};
    code(&w, 0x1000, osp_rule_make(OSP_RULE_SP, 8, 0));       /* handler */
    code(&w, 0x2000, osp_rule_make(OSP_RULE_SIGFRAME, 0, 0)); /* restorer */
    code(&w, 0x3000, osp_rule_make(OSP_RULE_SP, 8, 0));       /* interrupted at its first byte */
    code(&w, 0x4000, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_THREAD, 0));
    poke(&w, STACK, 0x2001);
    poke(&w, STACK + 8 + 168, 0x3000);
    poke(&w, STACK + 8 + 160, STACK + 0x800);
    poke(&w, STACK + 0x800, 0x4004);
    uint64_t pc[WORDS];
    size_t n;
    assert_int_equal(walk(&w, &NO_GO, (osp_unwind_regs){.pc = 0x1000, .sp = STACK}, 0, pc, &n), OSP_UNWIND_ROOT);
    assert_int_equal(n, 4);
    assert_int_equal(pc[1], 0x2001); /* the restorer's own first byte, not what stands before it */
    assert_int_equal(pc[2], 0x3000); /* exact: not minus 1 */
}

static void systemstack_leads_to_the_goroutine(void **state)
{
    (void)state;
    struct world w = {0};
    add_go(&w);
    code(&w, 0x1000, osp_rule_make(OSP_RULE_SP, 8, 0));
    code(&w, 0x2000, osp_rule_make(OSP_RULE_GO_SYSTEMSTACK, 16, -16));
    code(&w, 0x3000, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_GOEXIT, 0));
    poke(&w, STACK, 0x2010);
    poke(&w, 0x8100 + 24, GOSTACK + 0x100); /* curg.sched.sp */
    poke(&w, GOSTACK + 0x100, 0x77);        /* saved rbp */
    poke(&w, GOSTACK + 0x108, 0x3008);
    uint64_t pc[WORDS];
    size_t n;
    assert_int_equal(walk(&w, &GO, (osp_unwind_regs){.pc = 0x1010, .sp = STACK}, 0x8000, pc, &n), OSP_UNWIND_ROOT);
    assert_int_equal(n, 3);
    assert_int_equal(pc[2], 0x3007);
}

/* Go -> C -> Go -> C: every frame of both stacks, in order. */
static void nested_cgo_is_one_stack(void **state)
{
    (void)state;
    struct world w = {0};
    add_go(&w);
    code(&w, 0x1000, osp_rule_make(OSP_RULE_SP, 16, 0)); /* C functions */
    code(&w, 0x2000, osp_rule_make(OSP_RULE_GO_ASMCGOCALL, 16, -16));
    code(&w, 0x3000, osp_rule_make(OSP_RULE_SP, 32, -16)); /* Go functions */
    code(&w, 0x4000, osp_rule_make(OSP_RULE_GO_CGOCALLBACK, 40, -16));
    code(&w, 0x5000, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_GOEXIT, 0));
    /* the inner C frame on g0, called by asmcgocall, which stored g and the depth */
    uint64_t sp = STACK;
    poke(&w, sp + 8, 0x2010);
    poke(&w, sp + 16, 0xe00); /* depth: GOSTACK + 0x200 */
    poke(&w, sp + 24, 0x8100);
    /* the inner Go frames: asmcgocall's rbp and return address, cgocallbackg, cgocallback */
    poke(&w, GOSTACK + 0x200, 0x11);
    poke(&w, GOSTACK + 0x208, 0x3010);
    poke(&w, GOSTACK + 0x210 + 16, 0x12);
    poke(&w, GOSTACK + 0x210 + 24, 0x4010);
    /* g0.sched.sp: cgocallback's frame on g0 */
    poke(&w, 0x8000 + 24, STACK + 0x100);
    poke(&w, STACK + 0x100, 0); /* no outer callback */
    poke(&w, STACK + 0x118, 0x13);
    poke(&w, STACK + 0x120, 0x1020); /* into crosscall2, a C-like frame */
    poke(&w, STACK + 0x128 + 8, 0x2010);
    poke(&w, STACK + 0x138, 0xc00); /* depth: GOSTACK + 0x400 */
    poke(&w, STACK + 0x140, 0x8100);
    poke(&w, GOSTACK + 0x400, 0x14);
    poke(&w, GOSTACK + 0x408, 0x5004);
    uint64_t pc[WORDS];
    size_t n;
    assert_int_equal(walk(&w, &GO, (osp_unwind_regs){.pc = 0x1000, .sp = sp}, 0x8000, pc, &n), OSP_UNWIND_ROOT);
    const uint64_t want[] = {0x1000, 0x200f, 0x300f, 0x400f, 0x101f, 0x200f, 0x5003};
    assert_int_equal(n, sizeof want / sizeof *want);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(pc[i], want[i]);
}

/* C calls Go, from within an outer callback: cgocallback, still on g0, has put its sp into g0.sched.sp already. */
static void a_callback_that_is_entered_is_walked_once(void **state)
{
    (void)state;
    struct world w = {0};
    add_go(&w);
    code(&w, 0x1000, osp_rule_make(OSP_RULE_SP, 16, 0)); /* C functions */
    code(&w, 0x2000, osp_rule_make(OSP_RULE_GO_ASMCGOCALL, 16, -16));
    code(&w, 0x3000, osp_rule_make(OSP_RULE_SP, 32, -16)); /* Go functions */
    code(&w, 0x4000, osp_rule_make(OSP_RULE_GO_CGOCALLBACK, 40, -16));
    code(&w, 0x5000, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_GOEXIT, 0));
    const uint64_t inner = STACK + 0x100, outer = STACK + 0x200;
    for (uint64_t sp = inner; sp <= outer; sp += outer - inner) { /* cgocallback, C, asmcgocall */
        poke(&w, sp, sp == inner ? outer : 0);
        poke(&w, sp + 32, 0x1020);
        poke(&w, sp + 48, 0x2010);
        poke(&w, sp + 56, sp == inner ? 0xe00 : 0xc00); /* depth: GOSTACK + 0x200, GOSTACK + 0x400 */
        poke(&w, sp + 64, 0x8100);
    }
    poke(&w, GOSTACK + 0x208, 0x3010);
    poke(&w, GOSTACK + 0x228, 0x4010);
    poke(&w, GOSTACK + 0x408, 0x5004);
    uint64_t pc[WORDS];
    size_t n;
    const uint64_t want[] = {0x4010, 0x101f, 0x200f, 0x300f, 0x400f, 0x101f, 0x200f, 0x5003};
    for (int entered = 0; entered < 2; entered++) {
        poke(&w, 0x8000 + 24, entered ? inner : outer); /* g0.sched.sp */
        assert_int_equal(walk(&w, &GO, (osp_unwind_regs){.pc = 0x4010, .sp = inner}, 0x8000, pc, &n),
                         OSP_UNWIND_ROOT);
        assert_int_equal(n, sizeof want / sizeof *want);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(pc[i], want[i]);
    }
}

static void an_assembly_function_that_moved_sp_is_left_by_rbp(void **state)
{
    (void)state;
    struct world w = {0};
    add_go(&w);
    code(&w, 0x1000, osp_rule_make(OSP_RULE_SP, 8, 0));            /* the vDSO, on g0 */
    code(&w, 0x2000, osp_rule_make(OSP_RULE_GO_SPWRITE, 32, -16)); /* nanotime1 */
    code(&w, 0x3000, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_GOEXIT, 0));
    poke(&w, STACK, 0x2010);
    poke(&w, GOSTACK + 0x100, 0x55);
    poke(&w, GOSTACK + 0x108, 0x3010);
    uint64_t pc[WORDS];
    size_t n;
    osp_unwind_regs regs = {.pc = 0x1010, .sp = STACK, .fp = GOSTACK + 0x100};
    assert_int_equal(walk(&w, &GO, regs, 0x8100, pc, &n), OSP_UNWIND_ROOT);
    assert_int_equal(n, 3);
}

static void a_wild_jump_keeps_its_address(void **state)
{
    (void)state;
    struct world w = {0};
    uint64_t pc[WORDS];
    size_t n;
    assert_int_equal(walk(&w, &NO_GO, (osp_unwind_regs){.pc = 0x99990000, .sp = STACK}, 0, pc, &n),
                     OSP_UNWIND_NO_MAPPING);
    assert_int_equal(n, 1);
    assert_int_equal(pc[0], 0x99990000);
}

static void a_call_through_null_has_a_caller(void **state)
{
    (void)state;
    struct world w = {0};
    code(&w, 0x2000, osp_rule_make(OSP_RULE_SP, 8, 0));
    code(&w, 0x3000, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_THREAD, 0));
    poke(&w, STACK, 0x2010);
    poke(&w, STACK + 8, 0x3010);
    uint64_t pc[WORDS];
    size_t n;
    assert_int_equal(walk(&w, &NO_GO, (osp_unwind_regs){.pc = 0, .sp = STACK}, 0, pc, &n), OSP_UNWIND_ROOT);
    assert_int_equal(n, 3);
    assert_int_equal(pc[0], 0);
    assert_int_equal(pc[1], 0x200f);
    poke(&w, STACK, 0); /* but null is no caller: a return address of 0 ends the stack, as ever */
    assert_int_equal(walk(&w, &NO_GO, (osp_unwind_regs){.pc = 0x2000, .sp = STACK}, 0, pc, &n), OSP_UNWIND_ROOT);
    assert_int_equal(n, 1);
}

/* unwindm has taken cgocallback's frame off g0 already, while the deferred functions above it still run. */
static void a_panic_through_c_leaves_the_goroutine(void **state)
{
    (void)state;
    struct world w = {0};
    add_go(&w);
    code(&w, 0x1000, osp_rule_make(OSP_RULE_SP, 16, -16)); /* cgocallbackg */
    code(&w, 0x4000, osp_rule_make(OSP_RULE_GO_CGOCALLBACK, 40, -16));
    code(&w, 0x6000, osp_rule_make(OSP_RULE_SP, 8, 0)); /* systemstack_switch, from its first byte on */
    code(&w, 0x7000, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_GOEXIT, 0));
    poke(&w, GOSTACK, STACK + 0x100 + 24); /* rbp: cgocallback's, on g0 */
    poke(&w, GOSTACK + 8, 0x4010);
    poke(&w, GOSTACK + 16 + 32, 0x6000); /* the pc that stands for C's frames */
    poke(&w, GOSTACK + 16 + 40, 0x7010);
    poke(&w, 0x8000 + 24, STACK + 0x400); /* g0.sched.sp: an outer one */
    uint64_t pc[WORDS];
    size_t n;
    assert_int_equal(walk(&w, &GO, (osp_unwind_regs){.pc = 0x1000, .sp = GOSTACK}, 0x8000, pc, &n), OSP_UNWIND_ROOT);
    const uint64_t want[] = {0x1000, 0x400f, 0x6000, 0x700f};
    assert_int_equal(n, sizeof want / sizeof *want);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(pc[i], want[i]);
}

/* ---- aarch64 --------------------------------------------------------------------------------------------------- */

static void a_record_below_large_locals_is_found(void **state)
{
    (void)state;
    static const int frame[] = {32784, 65520, 65536, 160000, OSP_RULE_FAR_MAX}, at[] = {-8, 0, 16, 61 * 8};
    static const unsigned kind[] = {OSP_RULE_SP_RECORD, OSP_RULE_FP_RECORD, OSP_RULE_SP_RETURN};
    for (size_t i = 0; i < 5 * 4 * 3; i++) {
        int cfa = frame[i % 5], fp = at[i / 5 % 4] - cfa;
        uint32_t rule = osp_rule_record(kind[i / 20], cfa, fp);
        bool is_far = osp_rule_is_far(rule);
        assert_int_equal(osp_rule_kind(rule), kind[i / 20]);
        assert_true(is_far || (cfa <= OSP_RULE_CFA_MAX && fp >= OSP_RULE_FP_MIN));
        assert_int_equal(is_far ? osp_rule_far_cfa(rule) : osp_rule_cfa(rule), cfa);
        assert_int_equal(is_far ? osp_rule_far_fp(rule) : osp_rule_fp(rule), fp);
    }
    assert_int_equal(osp_rule_record(OSP_RULE_SP_RECORD, 65544, -65544), OSP_RULE_UNKNOWN);  /* no multiple of 16 */
    assert_int_equal(osp_rule_record(OSP_RULE_SP_RECORD, 160000, -32776), OSP_RULE_UNKNOWN); /* far from both */
    assert_false(osp_rule_is_far(osp_rule_make(OSP_RULE_DEREF_FP, -16, OSP_FP_AT_FP)));

    /* Go's, on a goroutine that returns to C's, by x29. */
    struct world w = {0};
    enum { FRAME = 0x8010 };
    code(&w, 0x1000, osp_rule_record(OSP_RULE_SP_RECORD, FRAME, -FRAME - 8));
    code(&w, 0x2000, osp_rule_record(OSP_RULE_FP_RECORD, FRAME, -FRAME));
    code(&w, 0x3000, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_THREAD, 0));
    uint64_t sp = STACK + 8, pc[WORDS];
    size_t n;
    poke(&w, sp - 8, STACK + 0x100);
    poke(&w, sp, 0x2010);
    poke(&w, STACK + 0x108, 0x3010);
    assert_int_equal(walk(&w, &NO_GO, (osp_unwind_regs){.pc = 0x1010, .sp = sp, .aarch64 = true}, 0, pc, &n),
                     OSP_UNWIND_ROOT);
    assert_int_equal(n, 3);
    assert_int_equal(pc[2], 0x300f);
}

static void a_leaf_of_aarch64_returns_by_its_link_register(void **state)
{
    (void)state;
    struct world w = {0};
    const uint64_t signature = 0x00ab000000000000;
    code(&w, 0x1000, osp_rule_make(OSP_RULE_LINK, 16, 0));
    code(&w, 0x2000, osp_rule_make(OSP_RULE_SP_RECORD, 32, -32));
    code(&w, 0x3000, osp_rule_make(OSP_RULE_SP_RETURN, 16, -16));
    code(&w, 0x4000, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_THREAD, 0));
    poke(&w, STACK + 16, STACK + 0x100);
    poke(&w, STACK + 24, 0x3010 | signature);
    poke(&w, STACK + 48, 0x4010);
    uint64_t pc[WORDS];
    size_t n;
    osp_unwind_regs regs = {.pc = 0x1010, .sp = STACK, .aarch64 = true};
    regs.reg[30] = 0x2010 | signature;
    assert_int_equal(walk(&w, &NO_GO, regs, 0, pc, &n), OSP_UNWIND_ROOT);
    const uint64_t want[] = {0x1010, 0x200f, 0x300f, 0x400f};
    assert_int_equal(n, sizeof want / sizeof *want);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(pc[i], want[i]);
}

static void a_link_register_serves_once(void **state)
{
    (void)state;
    struct world w = {0};
    code(&w, 0x1000, osp_rule_make(OSP_RULE_LINK, 0, 0));
    uint64_t pc[WORDS];
    size_t n;
    osp_unwind_regs regs = {.pc = 0x1010, .sp = STACK, .aarch64 = true};
    regs.reg[30] = 0x1020;
    assert_int_equal(walk(&w, &NO_GO, regs, 0, pc, &n), OSP_UNWIND_UNSUPPORTED);
    assert_int_equal(n, 2);
}

static void an_aarch64_signal_frame_gives_all_registers_back(void **state)
{
    (void)state;
    struct world w = {0};
    code(&w, 0x1000, osp_rule_make(OSP_RULE_SP_RECORD, 16, -16)); /* the handler */
    code(&w, 0x2000, OSP_RULE_SIGFRAME_LINK);
    code(&w, 0x3000, osp_rule_make(OSP_RULE_LEAF_LINK, 32, 8 * 9)); /* interrupted: its CFA is at x9 + 32 */
    code(&w, 0x4000, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_THREAD, 0));
    poke(&w, STACK + 8, 0x2004);
    poke(&w, STACK + 16 + 312 + 8 * 9, STACK + 0x800);
    poke(&w, STACK + 16 + 312 + 8 * 30, 0x4010);
    poke(&w, STACK + 16 + 312 + 8 * 31, STACK + 0x700);
    poke(&w, STACK + 16 + 312 + 8 * 32, 0x3000);
    uint64_t pc[WORDS];
    size_t n;
    osp_unwind_regs regs = {.pc = 0x1010, .sp = STACK, .aarch64 = true};
    assert_int_equal(walk(&w, &NO_GO, regs, 0, pc, &n), OSP_UNWIND_ROOT);
    const uint64_t want[] = {0x1010, 0x2004, 0x3000, 0x400f};
    assert_int_equal(n, sizeof want / sizeof *want);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(pc[i], want[i]);
}

static void without_a_row_x29_leads_to_records(void **state)
{
    (void)state;
    struct world w = {0};
    code(&w, 0x1000, OSP_RULE_NONE);
    code(&w, 0x2000, osp_rule_make(OSP_RULE_SP_RECORD, 64, -64)); /* sp is lost: its record is where x29 points */
    code(&w, 0x3000, osp_rule_make(OSP_RULE_LINK, 0, 0));         /* sp is known again, the link register is not */
    poke(&w, STACK + 0x20, STACK + 0x80);
    poke(&w, STACK + 0x28, 0x2010);
    poke(&w, STACK + 0x80, STACK + 0x100);
    poke(&w, STACK + 0x88, 0x3010);
    uint64_t pc[WORDS];
    size_t n;
    osp_unwind_regs regs = {.pc = 0x1010, .sp = STACK, .fp = STACK + 0x20, .aarch64 = true};
    assert_int_equal(walk(&w, &NO_GO, regs, 0, pc, &n), OSP_UNWIND_UNSUPPORTED);
    const uint64_t want[] = {0x1010, 0x200f, 0x300f};
    assert_int_equal(n, sizeof want / sizeof *want);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(pc[i], want[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_keeps_its_three_parts),
        cmocka_unit_test(rows_are_found_by_the_last_pc_at_or_below),
        cmocka_unit_test(a_frameless_leaf_keeps_its_caller),
        cmocka_unit_test(a_popped_frame_pointer_is_the_callers),
        cmocka_unit_test(a_return_to_a_landing_pad_has_the_frame_of_the_pad),
        cmocka_unit_test(on_the_way_to_a_landing_the_next_caller_is_found),
        cmocka_unit_test(what_is_about_to_be_jumped_to_is_in_registers),
        cmocka_unit_test(a_callee_has_kept_what_leads_to_the_frame),
        cmocka_unit_test(between_two_stacks_a_context_leads_on),
        cmocka_unit_test(from_the_race_detector_r12_leads_to_the_goroutine),
        cmocka_unit_test(a_stack_that_does_not_move_up_ends),
        cmocka_unit_test(unreadable_memory_ends_the_walk),
        cmocka_unit_test(without_a_row_a_frame_pointer_helps),
        cmocka_unit_test(a_signal_frame_gives_all_registers_back),
        cmocka_unit_test(systemstack_leads_to_the_goroutine),
        cmocka_unit_test(nested_cgo_is_one_stack),
        cmocka_unit_test(a_callback_that_is_entered_is_walked_once),
        cmocka_unit_test(an_assembly_function_that_moved_sp_is_left_by_rbp),
        cmocka_unit_test(a_wild_jump_keeps_its_address),
        cmocka_unit_test(a_call_through_null_has_a_caller),
        cmocka_unit_test(a_panic_through_c_leaves_the_goroutine),
        cmocka_unit_test(a_record_below_large_locals_is_found),
        cmocka_unit_test(a_leaf_of_aarch64_returns_by_its_link_register),
        cmocka_unit_test(a_link_register_serves_once),
        cmocka_unit_test(an_aarch64_signal_frame_gives_all_registers_back),
        cmocka_unit_test(without_a_row_x29_leads_to_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
