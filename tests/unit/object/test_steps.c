/* SPDX-License-Identifier: Apache-2.0 */
/* The unwinder over recorded stacks: a child is stepped through C code one instruction at a time, and at each a copy of its
 * registers and stack is walked. What must come out is known from the calls and returns that were stepped over, so that
 * each byte of prologues, epilogues, PLT stubs and of the C library's assembly is looked at. */
#include "base/file.h"
#include "object/object.h"
#include "unwind/unwind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_STEPS = 60000, DEPTH = 256, STACK = 32 << 10, OBJECTS = 16 };

/* ---- what is stepped through ---------------------------------------------------------------------------------- */

#define NOINLINE __attribute__((noinline, noclone))

static volatile unsigned sink;

NOINLINE static unsigned down(unsigned n) { return n ? down(n - 1) * 3 + 1 : sink + 7; }

NOINLINE static unsigned allocated(unsigned n)
{
    unsigned char *p = __builtin_alloca(n + 16);
    memset(p, (int)n, n + 16);
    sink += p[n / 2];
    return down(2) + p[n];
}

NOINLINE static unsigned realigned(unsigned n)
{
    __attribute__((aligned(64))) unsigned char p[192];
    memset(p, (int)n, sizeof p);
    __asm__ volatile("" : : "r"(p) : "memory", "rbx", "r12", "r13", "r14", "r15");
    return down(3) + p[n];
}

static int by_value(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

NOINLINE static void exercise(void)
{
    int row[12] = {5, 3, 9, 1, 7, 2, 8, 6, 4, 0, 11, 10};
    char text[64];
    sink += down(20) + allocated(33) + realigned(70);
    qsort(row, 12, sizeof *row, by_value);
    snprintf(text, sizeof text, "%d %s %u", row[3], "word", sink);
    sink += (unsigned)strlen(text) + (unsigned)strtol(text, NULL, 10);
    free(malloc(sink % 500 + 100));
}

/* ---- the recorder --------------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t start, end, base;
    osp_rows rows;
} mapping;

typedef struct {
    mapping map[64];
    unsigned n;
    osp_object *object[OBJECTS];
    unsigned nobject;
    pid_t pid;
    uint64_t sp; /* of stack[0] */
    uint8_t stack[STACK];
    size_t have;
} recorder;

static bool read_word(void *ctx, uint64_t addr, uint64_t *word)
{
    const recorder *r = ctx;
    if (addr < r->sp || addr - r->sp + 8 > r->have)
        return false;
    memcpy(word, r->stack + (addr - r->sp), 8);
    return true;
}

static const mapping *mapping_at(const recorder *r, uint64_t addr)
{
    for (unsigned i = 0; i < r->n; i++)
        if (addr >= r->map[i].start && addr < r->map[i].end)
            return &r->map[i];
    return NULL;
}

static bool rule_at(void *ctx, uint64_t addr, uint32_t *rule)
{
    const mapping *m = mapping_at(ctx, addr);
    if (m)
        *rule = osp_rows_find(m->rows.row, m->rows.n, (uint32_t)(addr - m->base));
    return m != NULL;
}

/* A forked child has its parent's mappings. */
static int add_object(struct dl_phdr_info *info, size_t size, void *ctx)
{
    (void)size;
    recorder *r = ctx;
    osp_file f;
    osp_err err;
    const char *path = info->dlpi_name[0] ? info->dlpi_name : "/proc/self/exe";
    if (r->nobject == OBJECTS || !osp_file_open(path, 256 << 20, &f, &err))
        return 0; /* the vDSO: nothing here calls it */
    osp_object *o = osp_object_open_bytes(f.bytes, path, NULL, &err);
    osp_file_close(&f);
    osp_rows rows;
    assert_non_null(o);
    assert_true(osp_object_rows(o, &rows, &err));
    r->object[r->nobject++] = o;
    for (int i = 0; i < info->dlpi_phnum && r->n < 64; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && p->p_flags & PF_X)
            r->map[r->n++] = (mapping){info->dlpi_addr + p->p_vaddr, info->dlpi_addr + p->p_vaddr + p->p_memsz,
                                       info->dlpi_addr + rows.base, rows};
    }
    return 0;
}

static size_t read_child(pid_t pid, uint64_t addr, void *out, size_t n)
{
    struct iovec to = {out, n}, from = {(void *)(uintptr_t)addr, n};
    ssize_t got = process_vm_readv(pid, &to, 1, &from, 1, 0);
    return got < 0 ? 0 : (size_t)got;
}

static osp_unwind_regs regs_of(const struct user_regs_struct *u)
{
    return (osp_unwind_regs){.pc = u->rip,
                             .sp = u->rsp,
                             .fp = u->rbp,
                             .reg = {u->rax, u->rdx, u->rcx, u->rbx, u->rsi, u->rdi, u->rbp, u->rsp, u->r8, u->r9,
                                     u->r10, u->r11, u->r12, u->r13, u->r14, u->r15}};
}

/* ---- the truth ------------------------------------------------------------------------------------------------ */

typedef struct {
    uint64_t back[DEPTH]; /* return addresses, outermost first */
    unsigned n;
} calls;

static bool is_call(const uint8_t *p, size_t n)
{
    size_t i = n > 1 && (p[0] & 0xf0) == 0x40;
    i += p[0] == 0xf2 || p[0] == 0x3e;
    return n > i + 1 && (p[i] == 0xe8 || (p[i] == 0xff && (p[i + 1] >> 3 & 7) == 2));
}

static bool is_return(const uint8_t *p, size_t n)
{
    size_t i = p[0] == 0xf3 || p[0] == 0xf2;
    return n > i && (p[i] == 0xc3 || p[i] == 0xc2);
}

static void compare(recorder *r, const struct user_regs_struct *u, const calls *truth, unsigned *wrong)
{
    static uint64_t pc[1024];
    const osp_unwind_go no_go = {0};
    osp_unwind_env env = {r, read_word, rule_at};
    osp_unwind_regs regs = regs_of(u);
    uint64_t curg, m;
    uint32_t fp_steps = 0;
    size_t n = 0;
    int end = osp_unwind_walk(&env, &no_go, &regs, 0, pc, 1024, &n, &curg, &m, &fp_steps);
    unsigned same = 0;
    while (same < truth->n && same + 1 < n && pc[same + 1] == truth->back[truth->n - 1 - same] - 1)
        same++;
    if (same == truth->n && pc[0] == u->rip)
        return;
    const mapping *at = mapping_at(r, u->rip);
    if ((*wrong)++ < 5)
        print_message("# at 0x%llx (row pc 0x%llx): %u of %u callers are right, the walk ended with %d\n", u->rip,
                      (unsigned long long)(at ? u->rip - at->base : 0), same, truth->n, end);
}

/* Step the child from the call of exercise() on; how many instructions. */
static unsigned follow(recorder *r, unsigned *wrong)
{
    calls truth = {0};
    unsigned steps = 0;
    bool begun = false;
    for (int status; steps < MOST_STEPS; steps++) {
        struct user_regs_struct u;
        uint8_t code[8];
        assert_int_equal(ptrace(PTRACE_GETREGS, r->pid, NULL, &u), 0);
        size_t ncode = read_child(r->pid, u.rip, code, sizeof code);
        r->sp = u.rsp & ~7ull;
        r->have = read_child(r->pid, r->sp, r->stack, STACK);
        begun |= u.rip == (uint64_t)(uintptr_t)exercise;
        if (begun && mapping_at(r, u.rip))
            compare(r, &u, &truth, wrong);
        bool call = begun && is_call(code, ncode), back = begun && is_return(code, ncode);
        if (back && truth.n == 0) /* out of exercise() */
            break;
        assert_int_equal(ptrace(PTRACE_SINGLESTEP, r->pid, NULL, 0), 0);
        assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
        if (!WIFSTOPPED(status))
            break;
        if (call && truth.n < DEPTH) {
            assert_int_equal(ptrace(PTRACE_GETREGS, r->pid, NULL, &u), 0);
            truth.n += read_child(r->pid, u.rsp, &truth.back[truth.n], 8) == 8;
        }
        truth.n -= back;
    }
    return steps;
}

static void every_instruction_has_its_callers(void **state)
{
    (void)state;
    static recorder r;
    int status;
    dl_iterate_phdr(add_object, &r);
    r.pid = fork();
    if (r.pid == 0) {
        /* Binds what is bound at the first call: that code keeps its CFA in rbx, which no row can say. */
        exercise();
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        exercise();
        _exit(0);
    }
    assert_true(r.pid > 0);
    assert_int_equal(waitpid(r.pid, &status, 0), r.pid);
    unsigned wrong = 0, steps = WIFSTOPPED(status) ? follow(&r, &wrong) : 0;
    kill(r.pid, SIGKILL);
    waitpid(r.pid, &status, 0);
    for (unsigned i = 0; i < r.nobject; i++)
        osp_object_close(r.object[i]);
    if (steps == 0) {
        print_message("# skipped: this host does not let a child be traced\n");
        return;
    }
    print_message("# %u instructions, %u with a wrong caller\n", steps, wrong);
    assert_true(steps > 1000);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_instruction_has_its_callers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
