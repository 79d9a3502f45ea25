/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of code without tables: of a few functions byte by byte, and of the C library, whose .eh_frame is hidden from one of
 * two readers. */
#include "../../tiny_elf.h"
#include "base/file.h"
#include "object/object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <link.h>
#include <stdlib.h>

enum { TEXT = 0x1000 };

static uint32_t rule_at(const osp_rows *r, uint64_t addr)
{
    return osp_rows_find(r->row, r->n, (uint32_t)(addr - r->base));
}

static osp_object *open_code(osp_str code, uint16_t machine)
{
    tiny_section section[] = {
        {.name = ".text", .type = SHT_PROGBITS, .flags = SHF_ALLOC | SHF_EXECINSTR, .addr = TEXT, .bytes = code}};
    osp_buf elf = tiny_elf(section, 1, ET_DYN);
    tiny_elf_machine(&elf, machine);
    osp_err err;
    osp_object *o = osp_object_open_bytes(osp_str_bytes(osp_buf_str(&elf)), "test", NULL, &err);
    assert_non_null(o);
    osp_buf_drop(&elf);
    return o;
}

typedef struct {
    uint64_t addr;
    uint32_t rule;
} expectation;

static void expect(osp_str code, uint16_t machine, const expectation *want, size_t n)
{
    osp_object *o = open_code(code, machine);
    osp_rows r;
    osp_err err;
    assert_true(osp_object_rows(o, &r, &err));
    for (size_t i = 0; i < n; i++) {
        uint32_t have = rule_at(&r, TEXT + want[i].addr);
        if (have != want[i].rule)
            fail_msg("at 0x%llx: kind %u cfa %d fp %d, wanted kind %u cfa %d fp %d", (unsigned long long)want[i].addr,
                     osp_rule_kind(have), osp_rule_cfa(have), osp_rule_fp(have), osp_rule_kind(want[i].rule),
                     osp_rule_cfa(want[i].rule), osp_rule_fp(want[i].rule));
    }
    osp_object_close(o);
}

#define FP osp_rule_make(OSP_RULE_FP, 16, -16)
#define SP(cfa, fp) osp_rule_make(OSP_RULE_SP, cfa, fp)
#define EXPECT(code, ...)                                             \
    do {                                                              \
        const expectation want[] = {__VA_ARGS__};                     \
        expect(S(code), EM_X86_64, want, sizeof want / sizeof *want); \
    } while (0)

static void pushes_and_pops_are_followed(void **state)
{
    (void)state;
    /* push r14; push rbp; sub rsp,16; test eax,eax; je 1f; add rsp,16; pop rbp; pop r14; ret; 1: ud2 */
    EXPECT("\x41\x56\x55\x48\x83\xec\x10\x85\xc0\x74\x08\x48\x83\xc4\x10\x5d\x41\x5e\xc3\x0f\x0b", {0, SP(8, 0)},
           {2, SP(16, 0)}, {3, SP(24, -24)}, {7, SP(40, -24)}, {0xf, SP(24, -24)}, {0x10, SP(16, 0)},
           {0x12, SP(8, 0)}, {0x13, SP(40, -24)});
}

static void behind_a_call_that_does_not_return_another_function_begins(void **state)
{
    (void)state;
    /* push rbx; sub rsp,64; call abort; nopw; push r15; mov r15,rdx; push r14; push rbx; pop rbx; pop r14; pop r15; ret */
    EXPECT("\x53\x48\x83\xec\x40\xe8\x00\x00\x00\x00\x66\x0f\x1f\x44\x00\x00"
           "\x41\x57\x49\x89\xd7\x41\x56\x53\x5b\x41\x5e\x41\x5f\xc3",
           {1, SP(16, 0)}, {5, SP(80, 0)}, {0x10, SP(8, 0)}, {0x12, SP(16, 0)}, {0x17, SP(24, 0)}, {0x18, SP(32, 0)},
           {0x1d, SP(8, 0)});
    /* The head of a loop is aligned too: ...; call f; nopw; 1: dec rax; jne 1b; add rsp,64; pop rbx; ret */
    EXPECT("\x53\x48\x83\xec\x40\xe8\x00\x00\x00\x00\x66\x0f\x1f\x44\x00\x00"
           "\x48\xff\xc8\x75\xfb\x48\x83\xc4\x40\x5b\xc3",
           {5, SP(80, 0)}, {0x10, SP(80, 0)}, {0x13, SP(80, 0)}, {0x19, SP(16, 0)}, {0x1a, SP(8, 0)});
}

static void a_frame_pointer_leads_past_alloca(void **state)
{
    (void)state;
    /* push rbp; mov rbp,rsp; push rbx; sub rsp,rax; nop; lea rsp,[rbp-8]; pop rbx; leave… no: pop rbp; ret */
    EXPECT("\x55\x48\x89\xe5\x53\x48\x29\xc4\x90\x48\x8d\x65\xf8\x5b\x5d\xc3", {1, SP(16, -16)}, {4, FP}, {5, FP},
           {8, FP}, {0xd, FP}, {0xe, FP}, {0xf, SP(8, 0)});
    /* push rbp; mov rbp,rsp; and rsp,-64; leave; ret */
    EXPECT("\x55\x48\x89\xe5\x48\x83\xe4\xc0\xc9\xc3", {8, FP}, {9, SP(8, 0)});
}

/* V8's callees take their arguments off the stack: a frame pointer is believed more than rsp. */
static void a_frame_pointer_is_surer_than_the_stack_pointer(void **state)
{
    (void)state;
    /* push rbp; mov rbp,rsp; push rax; push rcx; call; pop rcx; pop rax; leave; ret */
    EXPECT("\x55\x48\x89\xe5\x50\x51\xe8\x10\x00\x00\x00\x59\x58\xc9\xc3", {5, FP}, {0xb, FP}, {0xd, FP},
           {0xe, SP(8, 0)});
}

static void what_looks_like_a_call_begins_no_function_in_an_instruction(void **state)
{
    (void)state;
    /* push rbx; movabs rax, imm64; pop rbx; ret; then what calls it, and what seems to call the middle of the immediate */
    EXPECT("\x53\x48\xb8\x01\x02\x03\x04\x05\x06\x90\x08\x5b\xc3\x90\x90\x90\xe8\xf5\xff\xff\xff\xe8\xe6\xff\xff\xff"
           "\xc3",
           {1, SP(16, 0)}, {0xa, SP(16, 0)}, {0xb, SP(16, 0)}, {0xc, SP(8, 0)});
    /* push rbx; lea rcx,[rip+0]; pop rbx; ret: where am I? */
    EXPECT("\x53\x48\x8d\x0d\x00\x00\x00\x00\x5b\xc3", {8, SP(16, 0)}, {9, SP(8, 0)});
}

static void what_a_jump_table_leads_to_has_its_frame(void **state)
{
    (void)state;
    /* sub rsp,24; jmp [rax*8+0x1000]; add rsp,24; ret; padding to 16; then another function: push rbx; pop rbx; ret */
    EXPECT("\x48\x83\xec\x18\xff\x24\xc5\x00\x10\x00\x00\x48\x83\xc4\x18\xc3\x53\x5b\xc3", {4, SP(32, 0)},
           {0xb, SP(32, 0)}, {0xf, SP(8, 0)}, {0x10, SP(8, 0)}, {0x11, SP(16, 0)});
}

static void a_call_that_does_not_return_ends_no_frame_of_others(void **state)
{
    (void)state;
    /* lea rax,[rip+0x15]: takes the address of 0x20; sub rsp,8; call 0x30; nops; 0x20: push rbx; pop rbx; ret; 0x30: ret */
    EXPECT("\x48\x8d\x05\x19\x00\x00\x00\x48\x83\xec\x08\xe8\x20\x00\x00\x00"
           "\x66\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00\x0f\x1f\x44\x00\x00"
           "\x53\x5b\xc3\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\xc3",
           {0xb, SP(16, 0)}, {0xf, SP(16, 0)}, {0x20, SP(8, 0)}, {0x21, SP(16, 0)}, {0x30, SP(8, 0)});
}

/* The dynamic linker's first code, as glibc has it; the same bytes are no root where no process begins. */
static void nothing_called_where_a_process_begins(void **state)
{
    (void)state;
    osp_str code = S("\x48\x89\xe7\xe8\x0b\x00\x00\x00" /* mov rdi,rsp; call 0x13 */
                     "\x49\x89\xc4\x48\x83\xe4\xf0"     /* mov r12,rax; and rsp,-16 */
                     "\x41\xff\xe4\xcc\xc3");           /* jmp r12; int3; ret */
    for (int entry = 0; entry < 2; entry++) {
        tiny_section section[] = {
            {.name = ".text", .type = SHT_PROGBITS, .flags = SHF_ALLOC | SHF_EXECINSTR, .addr = TEXT, .bytes = code}};
        osp_buf elf = tiny_elf(section, 1, ET_DYN);
        uint64_t at = entry ? TEXT : 0;
        memcpy(elf.p + offsetof(Elf64_Ehdr, e_entry), &at, sizeof at);
        osp_err err;
        osp_rows r;
        osp_object *o = osp_object_open_bytes(osp_str_bytes(osp_buf_str(&elf)), "test", NULL, &err);
        assert_non_null(o);
        assert_true(osp_object_rows(o, &r, &err));
        uint32_t root = osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_THREAD, 0);
        assert_int_equal(rule_at(&r, TEXT + 7), entry ? root : osp_rule_make(OSP_RULE_SP, 8, 0));
        assert_int_equal(rule_at(&r, TEXT + 15), entry ? root : OSP_RULE_UNKNOWN);
        assert_int_equal(rule_at(&r, TEXT + 19), osp_rule_make(OSP_RULE_SP, 8, 0));
        osp_object_close(o);
        osp_buf_drop(&elf);
    }
}

static void roots_and_signal_returns_are_seen(void **state)
{
    (void)state;
    /* xor ebp,ebp; pop rdi; call r9; hlt: called from 0x10 */
    EXPECT("\x31\xed\x5f\x41\xff\xd1\xf4\x90\x90\x90\x90\x90\x90\x90\x90\x90\xe8\xeb\xff\xff\xff\xc3", {0, SP(8, 0)},
           {2, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_THREAD, 0)},
           {5, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_THREAD, 0)});
    /* ret; nops; mov rax,15; syscall; nops */
    EXPECT("\xc3\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05\x90"
           "\x90",
           {0, SP(8, 0)}, {0xf, OSP_RULE_SIGFRAME}, {0x10, OSP_RULE_SIGFRAME}, {0x19, OSP_RULE_SIGFRAME});
}

static int libc_path(struct dl_phdr_info *info, size_t size, void *out)
{
    (void)size;
    const char **path = out;
    if (strstr(info->dlpi_name, "libc.so") || strstr(info->dlpi_name, "libc-") || strstr(info->dlpi_name, "ld-musl"))
        *path = info->dlpi_name;
    return 0;
}

/* The same file without its tables. */
static uint8_t *without_cfi(osp_span in)
{
    uint8_t *p = malloc(in.n);
    assert_non_null(p);
    memcpy(p, in.p, in.n);
    Elf64_Ehdr h;
    memcpy(&h, p, sizeof h);
    for (int i = 0; i < h.e_phnum; i++) {
        Elf64_Phdr g;
        uint8_t *at = p + h.e_phoff + (size_t)i * sizeof g;
        memcpy(&g, at, sizeof g);
        g.p_type = g.p_type == PT_GNU_EH_FRAME ? PT_NULL : g.p_type;
        memcpy(at, &g, sizeof g);
    }
    Elf64_Shdr names, s;
    memcpy(&names, p + h.e_shoff + (size_t)h.e_shstrndx * sizeof names, sizeof names);
    for (int i = 0; i < h.e_shnum; i++) {
        memcpy(&s, p + h.e_shoff + (size_t)i * sizeof s, sizeof s);
        char *name = (char *)p + names.sh_offset + s.sh_name;
        if (strcmp(name, ".eh_frame") == 0)
            memcpy(name, ".xx_frame", 9);
    }
    return p;
}

static void the_rows_of_the_c_library_are_those_of_its_tables(void **state)
{
    (void)state;
    const char *path = NULL;
    osp_file f;
    osp_err err;
    dl_iterate_phdr(libc_path, &path);
    assert_non_null(path);
    assert_true(osp_file_open(path, 64 << 20, &f, &err));
    uint8_t *bare = without_cfi(f.bytes);
    osp_object *told = osp_object_open_bytes(f.bytes, "libc", NULL, &err);
    osp_object *followed = osp_object_open_bytes((osp_span){bare, f.bytes.n}, "bare", NULL, &err);
    osp_rows a, b;
    assert_true(told && followed && osp_object_rows(told, &a, &err) && osp_object_rows(followed, &b, &err));
    unsigned n = 0, same = 0, same_cfa = 0;
    for (uint32_t i = 0; i < a.n; i++) {
        uint32_t want = a.row[i].rule, have = osp_rows_find(b.row, b.n, (uint32_t)(a.base + a.row[i].pc - b.base));
        if (osp_rule_kind(want) != OSP_RULE_SP && osp_rule_kind(want) != OSP_RULE_FP)
            continue;
        n++;
        /* Where rbp leads to the frame, rsp may do so too. */
        bool either = osp_rule_kind(want) == OSP_RULE_FP && osp_rule_kind(have) == OSP_RULE_SP;
        bool equal = osp_rule_kind(want) == osp_rule_kind(have) && osp_rule_cfa(want) == osp_rule_cfa(have);
        /* Tables let a register's place stand when it was popped from there. */
        bool popped = osp_rule_fp(have) == 0 && -osp_rule_fp(want) > osp_rule_cfa(have);
        same_cfa += equal || either;
        same += (equal || either) && (osp_rule_fp(want) == osp_rule_fp(have) || popped);
    }
    print_message("# %s: of %u rows %.2f %% have the CFA of the table, %.2f %% are the same\n", path, n,
                  100.0 * same_cfa / n, 100.0 * same / n);
    assert_true(n > 5000);
    /* The rest are mostly parts of functions moved away from them (.cold), which say nothing of their frame. */
    assert_true(same_cfa >= 0.95 * n);
    assert_true(same >= 0.95 * n);
    osp_object_close(told);
    osp_object_close(followed);
    free(bare);
    osp_file_close(&f);
}

/* ---- aarch64 --------------------------------------------------------------------------------------------------- */

#define A64(kind, cfa, fp) osp_rule_make(OSP_RULE_##kind, cfa, fp)
#define WORDS(...) ((const uint32_t[]){__VA_ARGS__})
#define EXPECT_A64(words, ...)                                                                                 \
    do {                                                                                                       \
        const expectation want[] = {__VA_ARGS__};                                                              \
        expect((osp_str){(const char *)(words), sizeof(words)}, EM_AARCH64, want, sizeof want / sizeof *want); \
    } while (0)

static void records_are_followed(void **state)
{
    (void)state;
    /* stp x29,x30,[sp,-32]!; mov x29,sp; str x19,[sp,16]; cbz w0,1f; ldr x19,[sp,16]; ldp x29,x30,[sp],32; ret; 1: brk */
    EXPECT_A64(WORDS(0xa9be7bfd, 0x910003fd, 0xf9000bf3, 0x34000080, 0xf9400bf3, 0xa8c27bfd, 0xd65f03c0, 0xd4200000),
               {0, A64(LINK, 0, 0)}, {4, A64(SP_RECORD, 32, -32)}, {0x14, A64(SP_RECORD, 32, -32)},
               {0x18, A64(LINK, 0, 0)}, {0x1c, A64(SP_RECORD, 32, -32)});
    /* sub sp,sp,48; str x30,[sp,32]; blr x0; ldr x30,[sp,32]; add sp,sp,48; ret */
    EXPECT_A64(WORDS(0xd100c3ff, 0xf90013fe, 0xd63f0000, 0xf94013fe, 0x9100c3ff, 0xd65f03c0), {4, A64(LINK, 48, 0)},
               {8, A64(SP_RETURN, 48, -16)}, {0x10, A64(LINK, 48, 0)}, {0x14, A64(LINK, 0, 0)});
}

static void x29_leads_past_alloca_and_numbers_are_added(void **state)
{
    (void)state;
    /* stp x29,x30,[sp,-16]!; mov x29,sp; sub sp,sp,x0; mov sp,x29; ldp x29,x30,[sp],16; ret */
    EXPECT_A64(WORDS(0xa9bf7bfd, 0x910003fd, 0xcb2063ff, 0x910003bf, 0xa8c17bfd, 0xd65f03c0),
               {0xc, A64(FP_RECORD, 16, -16)}, {0x10, A64(SP_RECORD, 16, -16)}, {0x14, A64(LINK, 0, 0)});
    /* mov x12,20016; sub sp,sp,x12; stp x29,x30,[sp]; add sp,sp,x12; ret */
    EXPECT_A64(WORDS(0xd289c60c, 0xcb2c63ff, 0xa9007bfd, 0x8b2c63ff, 0xd65f03c0), {4, A64(LINK, 0, 0)},
               {8, A64(LINK, 20016, 0)}, {0xc, A64(SP_RECORD, 20016, -20016)});
}

static void roots_and_signal_returns_of_aarch64_are_seen(void **state)
{
    (void)state;
    /* nop; mov x8,139; svc 0 */
    EXPECT_A64(WORDS(0xd503201f, 0xd2801168, 0xd4000001), {3, OSP_RULE_SIGFRAME_LINK}, {8, OSP_RULE_SIGFRAME_LINK});
    /* blr x0 without a saved link register: no caller is known behind it */
    EXPECT_A64(WORDS(0xd63f0000, 0xd65f03c0), {0, A64(LINK, 0, 0)}, {4, OSP_RULE_UNKNOWN});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pushes_and_pops_are_followed),
        cmocka_unit_test(behind_a_call_that_does_not_return_another_function_begins),
        cmocka_unit_test(a_frame_pointer_leads_past_alloca),
        cmocka_unit_test(a_frame_pointer_is_surer_than_the_stack_pointer),
        cmocka_unit_test(what_looks_like_a_call_begins_no_function_in_an_instruction),
        cmocka_unit_test(what_a_jump_table_leads_to_has_its_frame),
        cmocka_unit_test(a_call_that_does_not_return_ends_no_frame_of_others),
        cmocka_unit_test(nothing_called_where_a_process_begins),
        cmocka_unit_test(roots_and_signal_returns_are_seen),
        cmocka_unit_test(records_are_followed),
        cmocka_unit_test(x29_leads_past_alloca_and_numbers_are_added),
        cmocka_unit_test(roots_and_signal_returns_of_aarch64_are_seen),
        cmocka_unit_test(the_rows_of_the_c_library_are_those_of_its_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
