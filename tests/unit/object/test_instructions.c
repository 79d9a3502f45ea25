/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions of both machines, whatever this one is: sizes, names in the place of addresses, bytes that are no code. */
#include "../../tiny_elf.h"
#include "object/object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { TEXT = 0x1000, DATA = 0x3000 };

/* "callee" and "hot" in TEXT, "table" in DATA. */
static osp_object *open_code(osp_str code, uint16_t machine, uint64_t hot_size)
{
    const struct {
        const char *name;
        uint64_t value, size;
        uint8_t type;
    } symbol[] = {
        {"callee", TEXT, 1, STT_FUNC}, {"hot", TEXT + 16, hot_size, STT_FUNC}, {"table", DATA, 64, STT_OBJECT}};
    osp_buf sym = osp_buf_of(4096), str = osp_buf_of(4096);
    Elf64_Sym none = {0};
    osp_buf_add(&sym, (osp_str){(const char *)&none, sizeof none});
    osp_buf_byte(&str, 0);
    for (size_t i = 0; i < sizeof symbol / sizeof *symbol; i++) {
        Elf64_Sym e = {.st_name = (uint32_t)str.n,
                       .st_value = symbol[i].value,
                       .st_size = symbol[i].size,
                       .st_shndx = 1,
                       .st_info = ELF64_ST_INFO(STB_GLOBAL, symbol[i].type)};
        osp_buf_add(&sym, (osp_str){(const char *)&e, sizeof e});
        osp_buf_add(&str, (osp_str){symbol[i].name, strlen(symbol[i].name) + 1});
    }
    tiny_section section[] = {
        {.name = ".text", .type = SHT_PROGBITS, .flags = SHF_ALLOC | SHF_EXECINSTR, .addr = TEXT, .bytes = code},
        {.name = ".symtab", .type = SHT_SYMTAB, .bytes = osp_buf_str(&sym), .link = 3},
        {.name = ".strtab", .type = SHT_STRTAB, .bytes = osp_buf_str(&str)},
    };
    osp_buf elf = tiny_elf(section, 3, ET_EXEC);
    memcpy(elf.p + offsetof(Elf64_Ehdr, e_machine), &machine, sizeof machine);
    osp_err err;
    osp_object *o = osp_object_open_bytes(osp_str_bytes(osp_buf_str(&elf)), "test", NULL, &err);
    assert_non_null(o);
    osp_buf_drop(&elf);
    osp_buf_drop(&sym);
    osp_buf_drop(&str);
    return o;
}

typedef struct {
    uint64_t addr;
    const char *text;
} expected;

static bool is_supported(osp_object *o)
{
    osp_arena a;
    osp_instructions in;
    osp_err err = {0};
    osp_arena_init(&a, 1 << 20);
    bool ok = osp_object_instructions(o, TEXT, TEXT + 1, OSP_ATT, &a, &in, &err);
    osp_arena_drop(&a);
    if (!ok)
        printf("# SKIP %s\n", err.msg);
    return ok;
}

static void check(osp_object *o, osp_syntax syntax, const expected *want, size_t n)
{
    osp_arena a;
    osp_instructions in;
    osp_err err = {0};
    osp_arena_init(&a, 1 << 20);
    assert_true(osp_object_instructions(o, TEXT + 16, TEXT + 4096, syntax, &a, &in, &err));
    assert_int_equal(in.n, n);
    for (size_t i = 0; i < n; i++) {
        char text[200];
        assert_int_equal(in.row[i].addr, TEXT + 16 + want[i].addr);
        assert_string_equal(osp_str_z(in.row[i].text, text, sizeof text), want[i].text);
    }
    osp_arena_drop(&a);
}

static void x86_is_shown_in_both_syntaxes_with_names(void **state)
{
    (void)state;
    static const char code[] = "\xc3\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90"
                               "\x48\x8b\x05\xe9\x1f\x00\x00" /* mov table(%rip),%rax */
                               "\xe8\xe4\xff\xff\xff"         /* call callee */
                               "\x75\xf2"                     /* jne hot */
                               "\x48\x8d\x0d\xe3\x1f\x00\x00" /* lea table+8(%rip),%rcx */
                               "\x48\x8b\x15\x00\x90\x00\x00" /* mov nothing known(%rip),%rdx */
                               "\xc3";
    osp_object *o = open_code((osp_str){code, sizeof code - 1}, EM_X86_64, 29);
    if (is_supported(o)) {
        const expected intel[] = {{0, "mov rax, qword ptr [rip + table]"},
                                  {7, "call callee"},
                                  {12, "jne hot"},
                                  {14, "lea rcx, [rip + table+0x8]"},
                                  {21, "mov rdx, qword ptr [rip + 0x9000]"},
                                  {28, "ret"}};
        check(o, OSP_INTEL, intel, 6);
        osp_arena a;
        osp_instructions in;
        osp_err err;
        osp_arena_init(&a, 1 << 20);
        assert_true(osp_object_instructions(o, TEXT + 16, TEXT + 45, OSP_ATT, &a, &in, &err));
        assert_int_equal(in.n, 6); /* how mnemonics end differs among capstones */
        assert_true(osp_str_ends(in.row[0].text, S(" table(%rip), %rax")));
        assert_true(osp_str_ends(in.row[1].text, S(" callee")));
        assert_true(osp_str_ends(in.row[3].text, S(" table+0x8(%rip), %rcx")));
        osp_arena_drop(&a);
    }
    osp_object_close(o);
}

static void arm64_is_shown_wherever_we_run(void **state)
{
    (void)state;
    static const char code[] = "\xc0\x03\x5f\xd6\x1f\x20\x03\xd5\x1f\x20\x03\xd5\x1f\x20\x03\xd5"
                               "\xfc\xff\xff\x97"  /* bl callee */
                               "\xe0\xff\xff\xb4"  /* cbz x0, hot */
                               "\xff\xff\xff\xff"  /* no instruction */
                               "\xc0\x03\x5f\xd6"; /* ret */
    osp_object *o = open_code((osp_str){code, sizeof code - 1}, EM_AARCH64, 16);
    if (is_supported(o)) {
        const expected want[] = {{0, "bl callee"}, {4, "cbz x0, hot"}, {8, "?"}, {12, "ret"}};
        check(o, OSP_ATT, want, 4);
    }
    osp_object_close(o);
}

static void unknown_vector_instructions_keep_their_size(void **state)
{
    (void)state;
    /* Opcodes that no processor has behind VEX and EVEX prefixes, with all forms of operand; then ret. */
    static const char code[] = "\xc3\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90"
                               "\xc5\xf8\x04\xc0"                         /* register */
                               "\xc5\xf8\x04\x40\x10"                     /* disp8 */
                               "\xc4\xe1\xf8\x04\x84\x24\x01\x02\x03\x04" /* SIB, disp32 */
                               "\xc5\xf8\x04\x05\x01\x02\x03\x04"         /* pc-relative */
                               "\xc3";
    osp_object *o = open_code((osp_str){code, sizeof code - 1}, EM_X86_64, 28);
    if (is_supported(o)) {
        const expected want[] = {{0, "?"}, {4, "?"}, {9, "?"}, {19, "?"}, {27, "ret"}};
        check(o, OSP_INTEL, want, 5);
    }
    osp_object_close(o);
}

static void a_symbol_may_claim_what_it_likes(void **state)
{
    (void)state;
    static const char code[] = "\xc3\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\xc3";
    osp_object *o = open_code((osp_str){code, sizeof code - 1}, EM_X86_64, UINT64_MAX - 5);
    osp_arena a;
    osp_instructions in;
    osp_err err = {0};
    osp_arena_init(&a, 1 << 20);
    if (is_supported(o)) {
        assert_true(osp_object_instructions(o, TEXT, UINT64_MAX, OSP_ATT, &a, &in, &err));
        assert_int_equal(in.n, 17);
        assert_false(osp_object_instructions(o, TEXT + 17, UINT64_MAX, OSP_ATT, &a, &in, &err));
        assert_false(osp_object_instructions(o, TEXT + 4, TEXT, OSP_ATT, &a, &in, &err));
        assert_false(osp_object_instructions(o, 0, 16, OSP_ATT, &a, &in, &err));
    }
    osp_arena_drop(&a);
    osp_object_close(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(x86_is_shown_in_both_syntaxes_with_names),
        cmocka_unit_test(arm64_is_shown_wherever_we_run),
        cmocka_unit_test(unknown_vector_instructions_keep_their_size),
        cmocka_unit_test(a_symbol_may_claim_what_it_likes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
