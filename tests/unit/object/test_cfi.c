/* SPDX-License-Identifier: Apache-2.0 */
#include "../../tiny_elf.h"
#include "object/object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { TEXT = 0x1000, TABLE = 0x30000, SITES = 0x40000 };

/* Writes an .eh_frame, record by record. */
typedef struct {
    osp_buf b;
    size_t cie;
} frames;

static void u32(osp_buf *b, uint32_t v) { osp_buf_add(b, (osp_str){(const char *)&v, 4}); }

static void end_record(osp_buf *b, size_t at)
{
    while ((b->n - at) % 8 != 4)
        osp_buf_byte(b, 0);
    uint32_t n = (uint32_t)(b->n - at - 4);
    memcpy(b->p + at, &n, 4);
}

/* A CIE of augmentation aug ("zR", "zRS", …) that says: CFA = rsp + 8, return address at CFA - 8. */
static void cie(frames *f, const char *aug)
{
    f->cie = f->b.n;
    u32(&f->b, 0);
    u32(&f->b, 0);
    osp_buf_byte(&f->b, 1);
    osp_buf_add(&f->b, (osp_str){aug, strlen(aug) + 1});
    osp_buf_add(&f->b, S("\x01\x78\x10\x01\x1b\x0c\x07\x08\x90\x01"));
    end_record(&f->b, f->cie);
}

static void fde(frames *f, uint64_t start, uint32_t size, osp_str insn)
{
    size_t at = f->b.n;
    u32(&f->b, 0);
    u32(&f->b, (uint32_t)(f->b.n - f->cie));
    u32(&f->b, (uint32_t)(start - (TABLE + f->b.n)));
    u32(&f->b, size);
    osp_buf_byte(&f->b, 0);
    osp_buf_add(&f->b, insn);
    end_record(&f->b, at);
}

static osp_object *open_frames(frames *f)
{
    tiny_section section[] = {
        {.name = ".text", .type = SHT_NOBITS, .flags = SHF_ALLOC | SHF_EXECINSTR, .addr = TEXT, .size = 0x20000},
        {.name = ".eh_frame", .type = SHT_PROGBITS, .flags = SHF_ALLOC, .addr = TABLE, .bytes = osp_buf_str(&f->b)},
    };
    osp_buf elf = tiny_elf(section, 2, ET_DYN);
    osp_err err;
    osp_object *o = osp_object_open_bytes(osp_str_bytes(osp_buf_str(&elf)), "test", NULL, &err);
    assert_non_null(o);
    osp_buf_drop(&elf);
    osp_buf_drop(&f->b);
    return o;
}

static osp_rows rows_of(osp_object *o)
{
    osp_rows r;
    osp_err err;
    assert_true(osp_object_rows(o, &r, &err));
    return r;
}

static uint32_t rule_at(const osp_rows *r, uint64_t addr)
{
    return osp_rows_find(r->row, r->n, (uint32_t)(addr - r->base));
}

#define MAKE(kind, cfa, fp) osp_rule_make(OSP_RULE_##kind, cfa, fp)

static void pushes_and_a_frame_pointer(void **state)
{
    (void)state;
    frames f = {osp_buf_of(4096), 0};
    cie(&f, "zR");
    /* push rbp; mov rbp, rsp; …; leave */
    fde(&f, TEXT, 0x40, S("\x41\x0e\x10\x86\x02\x43\x0d\x06\x78\x0c\x07\x08\xc6"));
    osp_object *o = open_frames(&f);
    osp_rows r = rows_of(o);
    assert_int_equal(r.base, TEXT);
    assert_int_equal(r.skipped, 0);
    assert_int_equal(rule_at(&r, TEXT), MAKE(SP, 8, 0));
    assert_int_equal(rule_at(&r, TEXT + 1), MAKE(SP, 16, -16));
    assert_int_equal(rule_at(&r, TEXT + 4), MAKE(FP, 16, -16));
    assert_int_equal(rule_at(&r, TEXT + 0x3b), MAKE(FP, 16, -16));
    assert_int_equal(rule_at(&r, TEXT + 0x3c), MAKE(SP, 8, 0));
    assert_int_equal(rule_at(&r, TEXT + 0x40), OSP_RULE_NONE);
    osp_object_close(o);
}

static void a_state_is_remembered_and_restored(void **state)
{
    (void)state;
    frames f = {osp_buf_of(4096), 0};
    cie(&f, "zR");
    fde(&f, TEXT, 0x40, S("\x44\x0e\x20\x44\x0a\x0e\x08\x44\x0b\x44\x2e\x10"));
    osp_object *o = open_frames(&f);
    osp_rows r = rows_of(o);
    assert_int_equal(rule_at(&r, TEXT + 4), MAKE(SP, 32, 0));
    assert_int_equal(rule_at(&r, TEXT + 8), MAKE(SP, 8, 0));
    assert_int_equal(rule_at(&r, TEXT + 12), MAKE(SP, 32, 0));
    assert_int_equal(r.skipped, 0);
    osp_object_close(o);
}

static void the_expressions_of_real_programs_are_known(void **state)
{
    (void)state;
    frames f = {osp_buf_of(4096), 0};
    cie(&f, "zR");
    /* PLT: breg7 8; breg16 0; lit15; and; lit11; ge; lit3; shl; plus */
    fde(&f, TEXT, 0x10, S("\x0f\x0b\x77\x08\x80\x00\x3f\x1a\x3b\x2a\x33\x24\x22"));
    /* OpenSSL: breg7 56; deref; plus_uconst 8 */
    fde(&f, TEXT + 0x100, 0x10, S("\x0f\x05\x77\x38\x06\x23\x08"));
    /* gcc, realigned: CFA = r10, then *(rbp - 8), with rbp at rbp */
    fde(&f, TEXT + 0x200, 0x40, S("\x45\x0c\x0a\x00\x4a\x10\x06\x02\x76\x00\x44\x0f\x03\x76\x78\x06"));
    /* breg3 16 without deref: nothing a row can say */
    fde(&f, TEXT + 0x300, 0x10, S("\x0f\x02\x73\x10"));
    osp_object *o = open_frames(&f);
    osp_rows r = rows_of(o);
    assert_int_equal(rule_at(&r, TEXT + 5), MAKE(PLT, 88, 0));
    assert_int_equal(rule_at(&r, TEXT + 0x100), MAKE(DEREF_SP, 56, 0));
    assert_int_equal(rule_at(&r, TEXT + 0x205), osp_rule_leaf(10, 0, 0));
    assert_int_equal(rule_at(&r, TEXT + 0x20f), osp_rule_leaf(10, 0, OSP_FP_AT_FP));
    assert_int_equal(rule_at(&r, TEXT + 0x213), MAKE(DEREF_FP, -8, -16));
    assert_int_equal(rule_at(&r, TEXT + 0x300), OSP_RULE_UNKNOWN);
    assert_int_equal(rule_at(&r, TEXT + 0x180), OSP_RULE_NONE);
    assert_int_equal(r.skipped, 1);
    osp_object_close(o);
}

static void all_may_be_in_registers(void **state)
{
    (void)state;
    frames f = {osp_buf_of(4096), 0};
    cie(&f, "zR");
    /* assembly: CFA = rax + 8, then r11 + 16 with rbp at CFA - 24 */
    fde(&f, TEXT, 0x20, S("\x0c\x00\x08\x44\x0c\x0b\x10\x86\x03"));
    /* the end of a function that calls eh_return: CFA = rcx + 8; rsp + 8; rsp, and the pc in rcx */
    fde(&f, TEXT + 0x100, 0x20, S("\x0c\x02\x08\x44\x0c\x07\x08\x44\x0e\x00\x09\x10\x02"));
    /* glibc's longjmp: CFA = rdi; rsp in r8, rbp in r9, the pc in rdx */
    fde(&f, TEXT + 0x200, 0x20, S("\x0c\x05\x00\x09\x07\x08\x09\x06\x09\x09\x10\x01"));
    /* the frame pointer before that end */
    fde(&f, TEXT + 0x280, 0x20, S("\x0c\x06\x10\x86\x02\x44\x0c\x07\x00\x09\x10\x02\xc6"));
    /* vfork: the return address is popped into rdi, and pushed again */
    fde(&f, TEXT + 0x2c0, 0x20, S("\x41\x0e\x00\x09\x10\x05\x48\x0e\x08"));
    /* a CFA too far from its register */
    fde(&f, TEXT + 0x300, 0x20, S("\x0c\x00\x90\x20"));
    osp_object *o = open_frames(&f);
    osp_rows r = rows_of(o);
    assert_int_equal(rule_at(&r, TEXT), osp_rule_leaf(0, 8, 0));
    assert_int_equal(rule_at(&r, TEXT + 4), osp_rule_leaf(11, 16, -24));
    assert_int_equal(rule_at(&r, TEXT + 0x100), osp_rule_leaf(2, 8, 0));
    assert_int_equal(rule_at(&r, TEXT + 0x104), MAKE(SP, 8, 0));
    assert_int_equal(rule_at(&r, TEXT + 0x108), osp_rule_jump(2, 7, 6));
    assert_int_equal(rule_at(&r, TEXT + 0x200), osp_rule_jump(1, 8, 9));
    assert_int_equal(rule_at(&r, TEXT + 0x280), MAKE(FP_LANDS, 16, -16));
    assert_int_equal(rule_at(&r, TEXT + 0x284), osp_rule_jump(2, 7, 6));
    assert_int_equal(rule_at(&r, TEXT + 0x2c1), osp_rule_jump(5, 7, 6));
    assert_int_equal(rule_at(&r, TEXT + 0x2c9), MAKE(SP, 8, 0));
    assert_int_equal(rule_at(&r, TEXT + 0x300), OSP_RULE_UNKNOWN);
    osp_object_close(o);
}

static void what_was_never_called_is_a_root(void **state)
{
    (void)state;
    frames f = {osp_buf_of(4096), 0};
    cie(&f, "zR");
    fde(&f, TEXT, 0x10, S("\x44\x0e\x20"));
    fde(&f, TEXT + 0x18, 0x10, S("\x00\x00")); /* behind padding: its first byte is no return address of a call */
    fde(&f, TEXT + 0x28, 0x10, S("\x00\x00")); /* without: the call before may be the last thing there */
    fde(&f, TEXT + 0x40, 0x10, S("\x44\x0e\x20"));
    osp_object *o = open_frames(&f);
    osp_rows r = rows_of(o);
    assert_int_equal(rule_at(&r, TEXT + 0x16), MAKE(SP, 32, 0));
    assert_int_equal(rule_at(&r, TEXT + 0x17), MAKE(END, 8 * OSP_ROOT_PLANTED, 0));
    assert_int_equal(rule_at(&r, TEXT + 0x18), MAKE(SP, 8, 0));
    assert_int_equal(rule_at(&r, TEXT + 0x27), MAKE(SP, 8, 0));
    assert_int_equal(rule_at(&r, TEXT + 0x3f), MAKE(SP, 8, 0));
    osp_object_close(o);
}

static void stacks_end_where_the_return_address_is_undefined(void **state)
{
    (void)state;
    frames f = {osp_buf_of(4096), 0};
    cie(&f, "zR");
    fde(&f, TEXT, 0x10, S("\x07\x10"));
    osp_object *o = open_frames(&f);
    osp_rows r = rows_of(o);
    assert_int_equal(rule_at(&r, TEXT), MAKE(END, 8 * OSP_ROOT_THREAD, 0));
    osp_object_close(o);
}

static void a_signal_frame_is_one_whatever_its_rules(void **state)
{
    (void)state;
    frames f = {osp_buf_of(4096), 0};
    cie(&f, "zRS");
    fde(&f, TEXT, 0x10, S("\x0f\x04\x77\xa0\x01\x06"));
    osp_object *o = open_frames(&f);
    osp_rows r = rows_of(o);
    assert_int_equal(rule_at(&r, TEXT), OSP_RULE_SIGFRAME);
    assert_int_equal(r.skipped, 0);
    osp_object_close(o);
}

static void a_broken_function_does_not_spoil_the_others(void **state)
{
    (void)state;
    frames f = {osp_buf_of(4096), 0};
    cie(&f, "zR");
    fde(&f, TEXT, 0x20, S("\x44\x0e\x10\x44\x3f")); /* 0x3f is no instruction */
    fde(&f, TEXT + 0x20, 0x20, S("\x0b"));          /* restore without remember */
    fde(&f, TEXT + 0x40, 0x20, S("\x0e\x20"));
    osp_object *o = open_frames(&f);
    osp_rows r = rows_of(o);
    assert_int_equal(rule_at(&r, TEXT + 4), MAKE(SP, 16, 0));
    assert_int_equal(rule_at(&r, TEXT + 8), OSP_RULE_UNKNOWN);
    assert_int_equal(rule_at(&r, TEXT + 0x20), OSP_RULE_UNKNOWN);
    assert_int_equal(rule_at(&r, TEXT + 0x40), MAKE(SP, 32, 0));
    assert_int_equal(r.skipped, 2);
    osp_object_close(o);
}

static void overlapping_functions_share_the_addresses(void **state)
{
    (void)state;
    frames f = {osp_buf_of(4096), 0};
    cie(&f, "zR");
    fde(&f, TEXT + 0x10, 0x40, S("\x0e\x20"));
    fde(&f, TEXT, 0x20, S("\x0e\x10"));
    osp_object *o = open_frames(&f);
    osp_rows r = rows_of(o);
    assert_int_equal(rule_at(&r, TEXT + 0x1f), MAKE(SP, 16, 0));
    assert_int_equal(rule_at(&r, TEXT + 0x20), MAKE(SP, 32, 0));
    assert_int_equal(r.n, 3);
    uint64_t start, end;
    assert_true(osp_object_extent_at(o, TEXT + 0x1f, &start, &end));
    assert_int_equal(start, TEXT);
    assert_int_equal(end, TEXT + 0x20);
    assert_false(osp_object_extent_at(o, TEXT + 0x50, &start, &end));
    osp_object_close(o);
}

static void frames_too_large_for_a_row_are_unknown_not_wrong(void **state)
{
    (void)state;
    frames f = {osp_buf_of(4096), 0};
    cie(&f, "zR");
    fde(&f, TEXT, 0x20, S("\x0e\xf8\xff\x03"));        /* 65528 */
    fde(&f, TEXT + 0x20, 0x20, S("\x0e\x80\x80\x04")); /* 65536 */
    osp_object *o = open_frames(&f);
    osp_rows r = rows_of(o);
    assert_int_equal(rule_at(&r, TEXT), MAKE(SP, 65528, 0));
    assert_int_equal(rule_at(&r, TEXT + 0x20), OSP_RULE_UNKNOWN);
    osp_object_close(o);
}

/* A CIE of functions whose FDEs say where their call sites are. */
static void landing_cie(frames *f, bool aarch64)
{
    f->cie = f->b.n;
    u32(&f->b, 0);
    u32(&f->b, 0);
    osp_buf_add(&f->b, aarch64 ? S("\x01zLR\0\x01\x78\x1e\x02\x1b\x1b\x0c\x1f\x00")
                               : S("\x01zLR\0\x01\x78\x10\x02\x1b\x1b\x0c\x07\x08\x90\x01"));
    end_record(&f->b, f->cie);
}

static void landing_fde(frames *f, uint64_t start, uint32_t size, uint64_t sites, osp_str insn)
{
    size_t at = f->b.n;
    u32(&f->b, 0);
    u32(&f->b, (uint32_t)(f->b.n - f->cie));
    u32(&f->b, (uint32_t)(start - (TABLE + f->b.n)));
    u32(&f->b, size);
    osp_buf_byte(&f->b, 4);
    u32(&f->b, sites ? (uint32_t)(sites - (TABLE + f->b.n)) : 0);
    osp_buf_add(&f->b, insn);
    end_record(&f->b, at);
}

static osp_object *open_landing(frames *f, osp_str text, osp_str sites, uint16_t machine)
{
    tiny_section section[] = {
        {.name = ".text", .type = SHT_PROGBITS, .flags = SHF_ALLOC | SHF_EXECINSTR, .addr = TEXT, .bytes = text},
        {.name = ".eh_frame", .type = SHT_PROGBITS, .flags = SHF_ALLOC, .addr = TABLE, .bytes = osp_buf_str(&f->b)},
        {.name = ".gcc_except_table", .type = SHT_PROGBITS, .flags = SHF_ALLOC, .addr = SITES, .bytes = sites},
    };
    osp_buf elf = tiny_elf(section, 3, ET_DYN);
    tiny_elf_machine(&elf, machine);
    osp_err err;
    osp_object *o = osp_object_open_bytes(osp_str_bytes(osp_buf_str(&elf)), "test", NULL, &err);
    assert_non_null(o);
    osp_buf_drop(&elf);
    osp_buf_drop(&f->b);
    return o;
}

static void before_a_landing_pad_stands_its_rule(void **state)
{
    (void)state;
    frames f = {osp_buf_of(4096), 0};
    landing_cie(&f, false);
    /* 64 bytes; 8 at the byte before the pad, which is at + 8; 64 again */
    landing_fde(&f, TEXT, 0x10, SITES, S("\x0e\x40\x47\x0e\x08\x41\x0e\x40"));        /* ret */
    landing_fde(&f, TEXT + 0x10, 0x10, SITES, S("\x0e\x40\x42\x0e\x08\x46\x0e\x40")); /* jmp, nop */
    landing_fde(&f, TEXT + 0x20, 0x10, SITES, S("\x0e\x40\x43\x0e\x08\x45\x0e\x40")); /* call */
    landing_fde(&f, TEXT + 0x30, 0x10, SITES, S("\x0e\x40\x44\x0e\x08\x44\x0e\x40")); /* call *0x10(%rax) */
    landing_fde(&f, TEXT + 0x40, 0x10, 0, S("\x0e\x40\x47\x0e\x08\x41\x0e\x40"));     /* ret, without call sites */
    landing_fde(&f, TEXT + 0x50, 0x10, SITES + 8, S("\x0e\x40\x47\x0e\x08\x41\x0e\x40")); /* cut short */
    osp_str text = S("\x90\x90\x90\x90\x90\x90\x90\xc3\x90\x90\x90\x90\x90\x90\x90\x90"
                     "\x90\x90\x90\x90\x90\xeb\x10\x90\x90\x90\x90\x90\x90\x90\x90\x90"
                     "\x90\x90\x90\xe8\x00\x00\x00\x00\x90\x90\x90\x90\x90\x90\x90\x90"
                     "\x90\x90\x90\x90\x90\xff\x50\x10\x90\x90\x90\x90\x90\x90\x90\x90"
                     "\x90\x90\x90\x90\x90\x90\x90\xc3\x90\x90\x90\x90\x90\x90\x90\x90"
                     "\x90\x90\x90\x90\x90\x90\x90\xc3\x90\x90\x90\x90\x90\x90\x90\x90");
    /* no base; no types; by uleb; two sites: 1 .. 3 lands at + 8, 4 .. 5 nowhere */
    osp_object *o = open_landing(&f, text, S("\xff\xff\x01\x08\x01\x02\x08\x00\x04\x01\x00\x00"), EM_X86_64);
    osp_rows r = rows_of(o);
    uint32_t body = MAKE(SP, 64, 0), end = MAKE(SP, 8, 0);
    assert_int_equal(rule_at(&r, TEXT + 6), body);
    assert_int_equal(rule_at(&r, TEXT + 7), osp_rule_of_landing(body));
    assert_int_equal(rule_at(&r, TEXT + 8), body);
    assert_int_equal(rule_at(&r, TEXT + 0x16), end);
    assert_int_equal(rule_at(&r, TEXT + 0x17), body);
    assert_int_equal(rule_at(&r, TEXT + 0x18), body);
    for (uint64_t other = 0x20; other < 0x60; other += 0x10)
        assert_int_equal(rule_at(&r, TEXT + other + 7), end);
    osp_object_close(o);
}

/* As the dynamic linker binds a function: its CFA is by rbx, which the function that it calls has kept. */
static void behind_a_call_rbx_is_where_the_callee_kept_it(void **state)
{
    (void)state;
    frames f = {osp_buf_of(4096), 0};
    landing_cie(&f, false);
    landing_fde(&f, TEXT, 0x20, 0, S("\x0e\x18\x41\x0e\x20\x83\x04\x43\x0d\x03\x4c\x0c\x07\x08"));
    landing_fde(&f, TEXT + 0x20, 0x10, 0, S("\x41\x0e\x10\x86\x02\x41\x0e\x18\x83\x03"));
    osp_str text = S("\x53\x48\x89\xe3\x48\x83\xe4\xc0\xe8\x13\x00\x00\x00\x90\x90\x90"
                     "\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90"
                     "\x55\x53\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x5b\xc3");
    osp_object *o = open_landing(&f, text, S(""), EM_X86_64);
    osp_rows r = rows_of(o);
    assert_int_equal(rule_at(&r, TEXT + 4), osp_rule_leaf(3, 32, 0));
    assert_int_equal(rule_at(&r, TEXT + 11), osp_rule_leaf(3, 32, 0));
    assert_int_equal(rule_at(&r, TEXT + 12), MAKE(BY_CALLEE, 32, -24));
    assert_int_equal(rule_at(&r, TEXT + 13), osp_rule_leaf(3, 32, 0));
    assert_int_equal(rule_at(&r, TEXT + 16), MAKE(SP, 8, 0));
    osp_object_close(o);
}

static void between_two_stacks_the_context_leads_on(void **state)
{
    (void)state;
    frames f = {osp_buf_of(4096), 0};
    landing_cie(&f, false);
    landing_fde(&f, TEXT, 0x20, 0, S("\x00"));
    osp_str text = S("\x90\x48\x8b\xa2\xa0\x00\x00\x00\x48\x8b\x6a\x78\x48\x8b\x8a\xa8"   /* rsp, rbp, rcx by rdx */
                     "\x00\x00\x00\x51\x31\xc0\xc3\x90\x90\x90\x90\x90\x90\x90\x90\x90"); /* push rcx; ret */
    osp_object *o = open_landing(&f, text, S(""), EM_X86_64);
    osp_rows r = rows_of(o);
    assert_int_equal(rule_at(&r, TEXT + 7), MAKE(SP, 8, 0));
    assert_int_equal(rule_at(&r, TEXT + 8), MAKE(CONTEXT, 8, 0));
    assert_int_equal(rule_at(&r, TEXT + 19), MAKE(CONTEXT, 8, 0));
    assert_int_equal(rule_at(&r, TEXT + 20), MAKE(SP, 8, 0));
    osp_object_close(o);
}

static void on_aarch64_too(void **state)
{
    (void)state;
    frames f = {osp_buf_of(4096), 0};
    landing_cie(&f, true);
    landing_fde(&f, TEXT, 0x10, SITES, S("\x0e\x40\x44\x0e\x00\x44\x0e\x40"));
    landing_fde(&f, TEXT + 0x10, 0x10, SITES, S("\x0e\x40\x44\x0e\x00\x44\x0e\x40"));
    osp_str text = S("\x1f\x20\x03\xd5\xc0\x03\x5f\xd6\x1f\x20\x03\xd5\x1f\x20\x03\xd5"   /* nop; ret; nop; nop */
                     "\x1f\x20\x03\xd5\x00\x00\x3f\xd6\x1f\x20\x03\xd5\x1f\x20\x03\xd5"); /* nop; blr x0 */
    osp_object *o = open_landing(&f, text, S("\xff\xff\x01\x04\x00\x04\x08\x00"), EM_AARCH64);
    osp_rows r = rows_of(o);
    assert_int_equal(rule_at(&r, TEXT + 6), MAKE(LINK, 0, 0));
    assert_int_equal(rule_at(&r, TEXT + 7), MAKE(LINK, 64, 0));
    assert_int_equal(rule_at(&r, TEXT + 0x17), MAKE(LINK, 0, 0));
    osp_object_close(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pushes_and_a_frame_pointer),
        cmocka_unit_test(a_state_is_remembered_and_restored),
        cmocka_unit_test(the_expressions_of_real_programs_are_known),
        cmocka_unit_test(stacks_end_where_the_return_address_is_undefined),
        cmocka_unit_test(all_may_be_in_registers),
        cmocka_unit_test(what_was_never_called_is_a_root),
        cmocka_unit_test(a_signal_frame_is_one_whatever_its_rules),
        cmocka_unit_test(a_broken_function_does_not_spoil_the_others),
        cmocka_unit_test(overlapping_functions_share_the_addresses),
        cmocka_unit_test(frames_too_large_for_a_row_are_unknown_not_wrong),
        cmocka_unit_test(before_a_landing_pad_stands_its_rule),
        cmocka_unit_test(on_aarch64_too),
        cmocka_unit_test(behind_a_call_rbx_is_where_the_callee_kept_it),
        cmocka_unit_test(between_two_stacks_the_context_leads_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
