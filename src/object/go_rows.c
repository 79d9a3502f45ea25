/* SPDX-License-Identifier: Apache-2.0 */
/* go_rows.c: unwind rows of Go code, from pclntab: runtime/stack.go, "Stack frame layout".
 *
 * x86-64 (cmd/internal/obj/x86/obj6.go):
 *
 *     CFA = sp + delta + 8. A function with a frame saves rbp at CFA - 16:
 *         since 1.21   push rbp; mov rbp, rsp; sub rsp, N      the delta goes 0, 8, N + 8
 *         before       sub rsp, N; mov [rsp + N - 8], rbp; …   the delta goes 0, N; rbp is saved one instruction later
 *
 * aarch64 (cmd/internal/obj/arm64/obj7.go):
 *
 *     CFA = sp + delta. A function with a frame keeps its record right below sp: the link register is at sp, x29 at sp - 8,
 *     where x29 then points:
 *         small   str x30, [sp, #-N]!; stur x29, [sp, #-8]; sub x29, sp, #8
 *         large   sub x20, sp, #N; stp x29, x30, [x20, #-8]; mov sp, x20; sub x29, sp, #8
 *     With delta 0 the return address is in the link register, where it stays in functions without a frame.
 *
 * Assembly may do otherwise (NOFRAME); its first bytes are looked at. */
#include "object_internal.h"

#include "base/file.h"

#include <elf.h>

enum { READ_AT_ONCE = 8192 }; /* functions whose part of the file is kept in memory */

typedef struct {
    uint8_t kind, root;
} special;

/* Go 1.16 and 1.17 do not mark assembly. */
static bool may_be_assembly(const osp_pcln *p, const osp_func *f)
{
    return (f->flag & OSP_FUNC_ASM) || p->layout <= 116;
}

/* Functions whose frames are not what their SP deltas say, or end a stack. */
static special special_of(const osp_pcln *p, const osp_func *f, uint16_t machine)
{
    static const struct {
        const char *name;
        uint8_t kind, root;
        bool compiled;    /* Go code; else assembly, whose compiled wrappers of the same name are nothing special */
        uint16_t machine; /* 0: all */
    } known[] = {
        {"goexit", OSP_RULE_END, OSP_ROOT_GOEXIT, false, 0},
        {"mcall", OSP_RULE_END, OSP_ROOT_SCHEDULER, false, 0},
        {"gogo", OSP_RULE_END, OSP_ROOT_SCHEDULER, false, 0},
        {"mstart", OSP_RULE_END, OSP_ROOT_MSTART, false, 0},
        {"rt0_go", OSP_RULE_END, OSP_ROOT_MSTART, false, 0},
        {"systemstack", OSP_RULE_GO_SYSTEMSTACK, 0, false, 0},
        {"morestack", OSP_RULE_GO_MORESTACK, 0, false, 0},
        {"morestack_noctxt", OSP_RULE_GO_GROWING, 0, false, EM_AARCH64},
        {"asmcgocall", OSP_RULE_GO_ASMCGOCALL, 0, false, 0},
        {"cgocallback", OSP_RULE_GO_CGOCALLBACK, 0, false, 0},
        {"asyncPreempt", OSP_RULE_GO_EXACT, 0, false, 0},
        {"sigpanic", OSP_RULE_GO_EXACT, 0, true, 0},
        {"sigpanic0", OSP_RULE_GO_EXACT, 0, false, 0},
        {"sigreturn__sigaction", OSP_RULE_SIGFRAME, 0, false, EM_X86_64},
        {"sigreturn", OSP_RULE_SIGFRAME, 0, false, EM_X86_64},
        {"sigtramp", OSP_RULE_SP, 0, false, 0},
        {"cgoSigtramp", OSP_RULE_SP, 0, false, 0},
        {"sigtrampgo", OSP_RULE_SP, 0, true, 0},
        /* Go 1.16 does not mark what writes SP. */
        {"nanotime1", OSP_RULE_GO_SPWRITE, 0, false, 0},
        {"walltime1", OSP_RULE_GO_SPWRITE, 0, false, 0},
        {"callCgoMmap", OSP_RULE_GO_SPWRITE, 0, false, EM_X86_64},
        {"callCgoMunmap", OSP_RULE_GO_SPWRITE, 0, false, EM_X86_64},
        {"callCgoSigaction", OSP_RULE_GO_SPWRITE, 0, false, EM_X86_64},
        {"sigfwd", OSP_RULE_GO_SPWRITE, 0, false, EM_X86_64},
    };
    if (f->flag == 0 && f->id == 0 && p->layout > 116)
        return (special){.kind = OSP_RULE_SP};
    osp_str name = osp_pcln_name(p, f->name);
    if (osp_str_ends(name, S(".abi0")))
        name.n -= 5;
    if (osp_str_eq(name, S("gogo"))) /* its second half, without a package */
        return (special){OSP_RULE_END, OSP_ROOT_SCHEDULER};
    if (osp_str_starts(name, S("runtime."))) {
        osp_str in = osp_str_skip(name, 8);
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (osp_str_eq(in, osp_str_from(known[i].name)) && (!known[i].machine || known[i].machine == machine) &&
                (known[i].compiled || may_be_assembly(p, f)))
                return (special){known[i].kind, known[i].root};
    }
    if ((f->flag & OSP_FUNC_TOPFRAME) || osp_str_starts(name, S("_rt0_amd64")) ||
        osp_str_starts(name, S("_rt0_arm64")))
        return (special){OSP_RULE_END, OSP_ROOT_MSTART};
    return (special){f->flag & OSP_FUNC_SPWRITE ? OSP_RULE_GO_SPWRITE : OSP_RULE_SP, 0};
}

/* ---- x86-64 -------------------------------------------------------------------------------------------------- */

/* How a function saves rbp, told from the bytes where its delta first grows. */
typedef struct {
    bool saves;
    uint64_t from; /* the address from which on rbp is at CFA - 16 */
} saving;

static saving saving_at(const osp_elf *e, const osp_func *f, uint64_t pc, int32_t delta)
{
    /* Compiled since 1.21: always by push. (The byte is not worth a page fault.) */
    if (delta == 8 && !(f->flag & OSP_FUNC_ASM))
        return (saving){true, pc};
    osp_span text = osp_elf_from(e, f->entry);
    uint64_t at = pc - f->entry;
    if (at > text.n || text.n - at < 8)
        return (saving){0};
    if (delta == 8 && at >= 1 && text.p[at - 1] == 0x55) /* push rbp */
        return (saving){true, pc};
    const uint8_t *b = text.p + at;
    if (b[0] != 0x48 || b[1] != 0x89) /* mov [rsp + disp], rbp */
        return (saving){0};
    if (b[2] == 0x2c && b[3] == 0x24 && delta == 8)
        return (saving){true, pc + 4};
    if (b[2] == 0x6c && b[3] == 0x24 && (int8_t)b[4] == delta - 8)
        return (saving){true, pc + 5};
    /* A frame too large for a row is found by rbp itself, which the next instruction, a lea of 8 bytes, sets. */
    if (b[2] == 0xac && b[3] == 0x24 && (int32_t)osp_le32(b + 4) == delta - 8)
        return (saving){true, pc + (delta + 8 > OSP_RULE_CFA_MAX ? 16 : 8)};
    return (saving){0};
}

/* Behind the instruction at addr if that sets rbp to the frame (mov rbp, rsp; lea rbp, [rsp + disp]), else addr. */
static uint64_t past_frame_setting(const osp_elf *e, uint64_t addr)
{
    osp_span b = osp_elf_from(e, addr);
    if (b.n < 8 || b.p[0] != 0x48)
        return addr;
    if (b.p[1] == 0x89)
        return b.p[2] == 0xe5 ? addr + 3 : addr;
    if (b.p[1] != 0x8d || (b.p[3] != 0x24))
        return addr;
    return b.p[2] == 0x2c ? addr + 4 : b.p[2] == 0x6c ? addr + 5 : b.p[2] == 0xac ? addr + 8 : addr;
}

static uint32_t go_rule(const special *s, int32_t delta, bool saved)
{
    if (s->kind == OSP_RULE_END)
        return osp_rule_make(OSP_RULE_END, 8 * s->root, 0);
    if (s->kind == OSP_RULE_SIGFRAME)
        return OSP_RULE_SIGFRAME;
    if (delta < 0 || delta % 8 || delta + 8 > OSP_RULE_CFA_MAX) {
        if (saved && delta > 0 && s->kind == OSP_RULE_SP)
            return osp_rule_make(OSP_RULE_FP, 16, -16);
        return OSP_RULE_UNKNOWN;
    }
    return osp_rule_make(s->kind, delta + 8, saved && delta > 0 ? -16 : 0);
}

/* ---- aarch64 ------------------------------------------------------------------------------------------------- */

enum {
    STUR_X29 = 0xf81f83fd, /* stur x29, [sp, #-8] */
    SUB_X29 = 0xd10023fd,  /* sub x29, sp, #8 */
    LDUR_X29 = 0xf85f83fd, /* ldur x29, [sp, #-8] */
    LDP_X29 = 0xa97ffbfd,  /* ldp x29, x30, [sp, #-8] */
    LARGE_FRAME = 0xf0,    /* from here on sp is moved last */
};

static uint32_t word_at(const osp_elf *e, uint64_t addr)
{
    osp_span b = osp_elf_from(e, addr);
    return b.n < 4 ? 0 : osp_le32(b.p);
}

/* morestack saves the growing function's state before it calls save_g; the last thing it calls is newstack. */
static void rows_of_morestack(const osp_elf *e, const osp_func *f, osp_row_list *out)
{
    uint64_t last = f->entry, before = f->entry;
    for (uint64_t at = f->entry; at < f->end; at += 4)
        if ((word_at(e, at) & 0xfc000000) == 0x94000000) {
            before = last;
            last = at;
        }
    osp_row_add(out, f->entry, OSP_RULE_GO_GROWING);
    osp_row_add(out, before + 4, OSP_RULE_GO_MORESTACK);
}

/* Assembly that calls nothing keeps the return address in the link register, whatever it does to its place in the frame
 * (internal/chacha8rand writes there). */
static bool calls_nothing(const osp_elf *e, const osp_func *f)
{
    for (uint64_t at = f->entry; at < f->end; at += 4) {
        uint32_t w = word_at(e, at);
        if ((w & 0xfc000000) == 0x94000000 || (w & 0xfffffc1f) == 0xd63f0000)
            return false;
    }
    return true;
}

/* Where x29 was saved and where it was set, once the delta grew at pc; false if not as the compiler does it. */
static bool record_at(const osp_pcln *p, const osp_elf *e, const osp_func *f, uint64_t pc, int32_t delta,
                      uint64_t *saved, uint64_t *set)
{
    if (!may_be_assembly(p, f) && f->id == 0) { /* the code is not worth a page fault */
        *saved = delta > (int32_t)LARGE_FRAME ? pc : pc + 4;
        *set = *saved + 4;
        return true;
    }
    *saved = word_at(e, pc) == STUR_X29 ? pc + 4 : pc;
    *set = *saved + 4;
    return word_at(e, *saved) == SUB_X29;
}

/* While a function that writes SP has done so, x29 leads back; behind its reload sp is as it was. */
static void rows_of_spwrite(const osp_elf *e, uint64_t from, uint64_t to, uint32_t by_sp, uint32_t by_fp,
                            osp_row_list *out)
{
    osp_row_add(out, from, by_fp);
    for (uint64_t at = from; at < to; at += 4) {
        uint32_t w = word_at(e, at);
        if (w == LDUR_X29 || w == LDP_X29) {
            osp_row_add(out, at, by_sp);
            return;
        }
    }
}

static uint32_t aarch64_rule(uint8_t kind, int32_t delta, int32_t frame)
{
    if (delta == 0)
        return kind == OSP_RULE_GO_EXACT_LINK ? OSP_RULE_GO_EXACT_LINK : OSP_RULE_LINK;
    if (kind == OSP_RULE_SP_RECORD)
        return osp_rule_record(kind, delta, -(int64_t)frame - 8);
    if (delta < 0 || delta % 8 || delta > OSP_RULE_CFA_MAX || frame + 8 > -OSP_RULE_FP_MIN)
        return OSP_RULE_UNKNOWN;
    return osp_rule_make(kind, delta, -(frame + 8));
}

/* The rule while the record lacks x29, which is the caller's still. */
static uint32_t before_record(uint8_t kind, int32_t delta, int32_t frame, uint32_t rule)
{
    if (kind == OSP_RULE_SP_RECORD)
        return osp_rule_record(OSP_RULE_SP_RETURN, delta, -frame);
    return kind == OSP_RULE_LINK ? osp_rule_make(OSP_RULE_LINK, delta, 0) : rule;
}

static bool rows_of_aarch64(const osp_pcln *p, const osp_elf *e, const osp_func *f, const special *s,
                            osp_row_list *out)
{
    osp_pcvalue v;
    int32_t frame = 0; /* the first delta: where the record is */
    uint64_t saved = 0, set = 0;
    uint8_t kind = s->kind == OSP_RULE_GO_EXACT                               ? OSP_RULE_GO_EXACT_LINK
                   : s->kind == OSP_RULE_SP || s->kind == OSP_RULE_GO_SPWRITE ? OSP_RULE_SP_RECORD
                                                                              : s->kind;
    if (!osp_pcvalue_open(&v, p, f->pcsp, f->entry)) {
        osp_row_add(out, f->entry, OSP_RULE_UNKNOWN);
        return false;
    }
    while (osp_pcvalue_next(&v) && v.pc < f->end) {
        if (frame == 0 && v.value > 0) {
            frame = v.value;
            if (!record_at(p, e, f, v.pc, frame, &saved, &set)) {
                osp_span code = osp_elf_from(e, f->entry);
                if (code.n > f->end - f->entry)
                    code.n = (size_t)(f->end - f->entry);
                return osp_flow_aarch64(code, f->entry, false, out);
            }
            if (kind == OSP_RULE_SP_RECORD && (f->flag & OSP_FUNC_ASM) && calls_nothing(e, f))
                kind = OSP_RULE_LINK;
        }
        uint32_t rule = aarch64_rule(kind, v.value, frame);
        if (v.value > 0 && v.pc < saved) {
            osp_row_add(out, v.pc, before_record(kind, v.value, frame, rule));
            if (saved < v.next)
                osp_row_add(out, saved, rule);
        } else {
            osp_row_add(out, v.pc, rule);
        }
        uint64_t from = v.pc > set ? v.pc : set, to = v.next < f->end ? v.next : f->end;
        if (s->kind == OSP_RULE_GO_SPWRITE && v.value > 0 && from < to && frame + 8 <= -OSP_RULE_FP_MIN)
            rows_of_spwrite(e, from, to, rule, osp_rule_make(OSP_RULE_GO_SPWRITE, frame + 8, -(frame + 8)), out);
    }
    if (v.cur.bad || (v.next < f->end && f->end - v.next > OSP_PADDING)) {
        osp_row_add(out, v.cur.bad ? v.pc : v.next, OSP_RULE_UNKNOWN);
        return false;
    }
    return true;
}

/* racecall, as it has been since Go 1.1: mov %rsp, %r12; …; call *%rax; mov %r12, %rsp. False if this is another one. */
static bool rows_of_racecall(const osp_elf *e, const osp_func *f, osp_row_list *out)
{
    static const uint8_t keep[] = {0x49, 0x89, 0xe4}, back[] = {0xff, 0xd0, 0x4c, 0x89, 0xe4};
    osp_span code = osp_elf_from(e, f->entry);
    size_t n = f->end - f->entry < code.n ? f->end - f->entry : code.n;
    const uint8_t *kept = memmem(code.p, n, keep, sizeof keep), *end = code.p + n;
    const uint8_t *left = kept ? memmem(kept, (size_t)(end - kept), back, sizeof back) : NULL;
    if (e->machine != EM_X86_64 || !left)
        return false;
    const uint32_t plain = osp_rule_make(OSP_RULE_SP, 8, 0);
    osp_row_add(out, f->entry, plain);
    osp_row_add(out, f->entry + (size_t)(kept - code.p) + sizeof keep, OSP_RULE_GO_RACECALL);
    osp_row_add(out, f->entry + (size_t)(left - code.p) + sizeof back, plain);
    return true;
}

/* Code of C that Go's linker took in, as the race detector's, is listed without a table: it is followed. */
static bool rows_of_foreign(const osp_elf *e, const osp_func *f, osp_row_list *out)
{
    uint64_t start = f->entry;
    osp_flow one = {.elf = e, .start = &start, .n = 1, .cap = 1};
    return osp_flow_rows(&one, f->entry, f->end, out);
}

/* ---- both ---------------------------------------------------------------------------------------------------- */

static bool rows_of_func(const osp_pcln *p, const osp_elf *e, const osp_func *f, osp_row_list *out)
{
    special s = special_of(p, f, e->machine);
    if (e->machine == EM_AARCH64 && s.kind == OSP_RULE_GO_GROWING) {
        osp_row_add(out, f->entry, OSP_RULE_GO_GROWING);
        return true;
    }
    if (e->machine == EM_AARCH64 && s.kind == OSP_RULE_GO_MORESTACK) {
        rows_of_morestack(e, f, out);
        return true;
    }
    if (e->machine == EM_AARCH64 && s.kind != OSP_RULE_END)
        return rows_of_aarch64(p, e, f, &s, out);
    if (s.kind == OSP_RULE_END || s.kind == OSP_RULE_SIGFRAME) {
        /* A handler returns to sigreturn's first byte, and return addresses are looked up one byte before. */
        osp_row_add(out, f->entry - (s.kind == OSP_RULE_SIGFRAME), go_rule(&s, 0, false));
        return true;
    }
    if (osp_str_eq(osp_pcln_name(p, f->name), S("racecall")) && rows_of_racecall(e, f, out))
        return true;
    if (f->pcsp == 0 && e->machine == EM_X86_64)
        return rows_of_foreign(e, f, out);
    osp_pcvalue v;
    if (!osp_pcvalue_open(&v, p, f->pcsp, f->entry)) {
        osp_row_add(out, f->entry, OSP_RULE_UNKNOWN);
        return false;
    }
    saving save = {0};
    bool looked = false, ok = true;
    while (osp_pcvalue_next(&v) && v.pc < f->end) {
        uint64_t framed = 0;
        if (!looked && v.value > 0) {
            looked = true;
            save = saving_at(e, f, v.pc, v.value);
            /* Until rbp is set it cannot lead back, and SP was not written yet. */
            if (s.kind == OSP_RULE_GO_SPWRITE && save.saves)
                framed = past_frame_setting(e, save.from);
        }
        const special plain = {.kind = OSP_RULE_SP}, *now = framed ? &plain : &s;
        uint32_t rule = go_rule(now, v.value, save.saves && v.pc >= save.from);
        ok &= osp_rule_kind(rule) != OSP_RULE_UNKNOWN || save.saves;
        osp_row_add(out, v.pc, rule);
        if (save.saves && save.from > v.pc && save.from < v.next && save.from < f->end)
            osp_row_add(out, save.from, go_rule(now, v.value, true));
        if (framed && framed < v.next && framed < f->end)
            osp_row_add(out, framed, go_rule(&s, v.value, true));
    }
    /* A table ends with its function's last instruction; the next function is aligned. */
    if (v.cur.bad || (v.next < f->end && f->end - v.next > OSP_PADDING)) {
        osp_row_add(out, v.cur.bad ? v.pc : v.next, OSP_RULE_UNKNOWN);
        return false;
    }
    return ok;
}

bool osp_go_rows_at(const osp_pcln *p, const osp_elf *e, uint64_t addr, osp_row_list *out)
{
    osp_func f, next;
    uint32_t i = osp_pcln_find(p, addr);
    if (i == UINT32_MAX || !osp_pcln_func(p, i, &f) || addr < f.entry || addr >= f.end)
        return false;
    if (osp_pcln_func(p, i + 1, &next) && addr + 1 == next.entry &&
        special_of(p, &next, e->machine).kind == OSP_RULE_SIGFRAME)
        return false; /* a handler returns there, see rows_of_func */
    out->base = f.entry;
    (void)rows_of_func(p, e, &f, out);
    return true;
}

/* All of Go's rows; returns how many functions could not be read. */
uint32_t osp_go_rows(const osp_pcln *p, const osp_elf *e, osp_row_list *out)
{
    uint32_t skipped = 0;
    uint64_t at = 0;
    for (uint32_t i = 0; i < p->nfunc; i++) {
        osp_func f;
        if (i % READ_AT_ONCE == 0)
            osp_file_rest(&(osp_file){e->bytes, e->mapped});
        if (!osp_pcln_func(p, i, &f) || f.entry < at) {
            skipped++;
            continue;
        }
        at = f.end;
        skipped += !rows_of_func(p, e, &f, out);
    }
    return skipped;
}
