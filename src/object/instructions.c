/* SPDX-License-Identifier: Apache-2.0 */
/* instructions.c: the instructions of a range of addresses, as text.
 *
 * capstone decodes; what it writes for an address that an instruction leads to (a branch's target, what stands at a
 * distance from the program counter) is then replaced by a name. Names are asked for all addresses at once: one walk
 * over the symbol table, however large it is. */
#include "object_internal.h"

#include "base/search.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef OSP_WITH_CAPSTONE
#include <capstone/capstone.h>

enum { LONGEST_NAME = 400, MOST_STEPS = 1 << 26 };

/* An address in the text of an instruction: text[at, at + n). */
typedef struct {
    uint64_t addr;
    uint32_t instruction, at, n;
    osp_str name; /* of what is there; "" = none known */
    uint64_t start;
} target;

typedef struct {
    osp_object *object;
    osp_arena *arena;
    uint64_t start, end;
    osp_instruction *row;
    target *target;
    size_t n, cap, ntarget, target_cap;
    size_t steps; /* taken in naming: a file may claim what it likes */
} decoding;

/* ---- where addresses stand in the text ---------------------------------------------------------------------- */

static bool is_numeral(char c)
{
    return (osp_is_digit(c)) || (c >= 'a' && c <= 'f') || c == 'x' || c == '-' || c == '#' || c == '+' || c == ' ';
}

static bool note_target(decoding *d, uint64_t addr, size_t at, size_t n)
{
    void *t = d->target;
    if (!osp_grow(&t, &d->target_cap, d->ntarget + 1, sizeof *d->target))
        return false;
    d->target = t;
    d->target[d->ntarget++] = (target){addr, (uint32_t)d->n, (uint32_t)at, (uint32_t)n, S(""), 0};
    return true;
}

/* "jmp 0x401000", "cbz x0, #0x1000": all behind the last comma, or all. */
static bool note_branch(decoding *d, osp_str text, size_t operands, uint64_t addr)
{
    size_t comma = osp_str_rfind(text, ',');
    size_t at = comma < text.n && comma > operands ? comma + 2 : operands;
    return note_target(d, addr, at, text.n > at ? text.n - at : 0);
}

/* "0x2e1f(%rip)", "[rip + 0x2e1f]": the numeral. */
static bool note_relative(decoding *d, osp_str text, size_t operands, uint64_t addr)
{
    size_t att = osp_str_find(text, S("(%rip)")), intel = osp_str_find(text, S("[rip"));
    if (att < text.n) {
        size_t at = att;
        while (at > operands && text.p[at - 1] != ' ' && is_numeral(text.p[at - 1]))
            at--;
        return note_target(d, addr, at, att - at);
    }
    if (intel == text.n)
        return true;
    size_t at = intel + 4, end = at;
    while (end < text.n && is_numeral(text.p[end]))
        end++;
    return note_target(d, addr, at, end - at);
}

static bool note_x86(decoding *d, csh handle, const cs_insn *in, osp_str text, size_t operands)
{
    const cs_x86 *x = &in->detail->x86;
    bool jumps = cs_insn_group(handle, in, CS_GRP_JUMP) || cs_insn_group(handle, in, CS_GRP_CALL);
    if (jumps && x->op_count == 1 && x->operands[0].type == X86_OP_IMM)
        return note_branch(d, text, operands, (uint64_t)x->operands[0].imm);
    for (size_t i = 0; i < x->op_count; i++)
        if (x->operands[i].type == X86_OP_MEM && x->operands[i].mem.base == X86_REG_RIP &&
            x->operands[i].mem.index == X86_REG_INVALID)
            return note_relative(d, text, operands, in->address + in->size + (uint64_t)x->operands[i].mem.disp);
    return true;
}

static bool note_arm64(decoding *d, csh handle, const cs_insn *in, osp_str text, size_t operands)
{
    const cs_arm64 *x = &in->detail->arm64;
    bool jumps = cs_insn_group(handle, in, CS_GRP_JUMP) || cs_insn_group(handle, in, CS_GRP_CALL) ||
                 in->id == ARM64_INS_BL || in->id == ARM64_INS_ADR;
    if (jumps && x->op_count && x->operands[x->op_count - 1].type == ARM64_OP_IMM)
        return note_branch(d, text, operands, (uint64_t)x->operands[x->op_count - 1].imm);
    return true;
}

/* ---- decoding ----------------------------------------------------------------------------------------------- */

static bool add_row(decoding *d, uint64_t addr, uint32_t size, osp_str text)
{
    void *row = d->row;
    if (!text.p || !osp_grow(&row, &d->cap, d->n + 1, sizeof *d->row))
        return false;
    d->row = row;
    d->row[d->n++] = (osp_instruction){addr, size, text};
    return true;
}

static bool add_instruction(decoding *d, csh handle, const cs_insn *in, bool arm64)
{
    const char *between = in->op_str[0] ? " " : "";
    osp_str text = osp_arena_fmt(d->arena, "%s%s%s", in->mnemonic, between, in->op_str);
    size_t operands = strlen(in->mnemonic) + strlen(between);
    bool noted = arm64 ? note_arm64(d, handle, in, text, operands) : note_x86(d, handle, in, text, operands);
    return noted && add_row(d, in->address, in->size, text);
}

/* How many bytes a ModRM byte and what belongs to it take: SIB, displacement (Intel SDM 2, 2.1). */
static size_t modrm_size(osp_span in)
{
    if (in.n < 2)
        return in.n;
    unsigned mod = in.p[0] >> 6, rm = in.p[0] & 7;
    if (mod == 3)
        return 1;
    bool sib = rm == 4, far = mod == 2 || (mod == 0 && (sib ? in.p[1] & 7 : rm) == 5);
    return 1 + sib + (far ? 4 : mod == 1 ? 1 : 0);
}

/* The size of an instruction that capstone does not know. Of one with a VEX or EVEX prefix, which new ones have, it is
 * known all the same (SDM 2, 2.3 and 2.7); without it all that follows would be taken for something else. */
static size_t unknown_size(osp_span in, bool arm64)
{
    if (arm64)
        return in.n < 4 ? in.n : 4;
    size_t prefix = in.p[0] == 0xc5 ? 2 : in.p[0] == 0xc4 ? 3 : in.p[0] == 0x62 ? 4 : 0;
    if (prefix == 0 || in.n < prefix + 2)
        return 1;
    unsigned map = prefix == 2 ? 1 : in.p[1] & (prefix == 3 ? 31 : 7), opcode = in.p[prefix];
    bool immediate =
        map == 3 ||
        (map == 1 && ((opcode >= 0x70 && opcode <= 0x73) || opcode == 0xc2 || (opcode >= 0xc4 && opcode <= 0xc6)));
    size_t n = prefix + 1 + modrm_size((osp_span){in.p + prefix + 1, in.n - prefix - 1}) + immediate;
    return map == 0 || map > 3 || n > in.n ? 1 : n;
}

static bool decode(decoding *d, csh handle, osp_span code, bool arm64)
{
    cs_insn *in = cs_malloc(handle);
    const uint8_t *p = code.p;
    size_t left = code.n;
    uint64_t at = d->start;
    bool ok = in != NULL;
    while (ok && at < d->end && left) {
        if (cs_disasm_iter(handle, &p, &left, &at, in)) {
            ok = add_instruction(d, handle, in, arm64);
            continue;
        }
        size_t skip = unknown_size((osp_span){p, left}, arm64);
        ok = add_row(d, at, (uint32_t)skip, S("?"));
        p += skip;
        left -= skip;
        at += skip;
    }
    if (in)
        cs_free(in, 1);
    return ok;
}

/* ---- names -------------------------------------------------------------------------------------------------- */

static int by_addr(const void *x, const void *y)
{
    const target *a = x, *b = y;
    return (a->addr > b->addr) - (a->addr < b->addr);
}

/* A symbol that begins at the address itself is best, then the one that begins closest before it. */
static bool name_from(void *ctx, const osp_symbol *s)
{
    decoding *d = ctx;
    size_t i = s->start ? osp_rows_upto(d->target, d->ntarget, sizeof *d->target, s->start - 1) : 0;
    for (; i < d->ntarget && d->target[i].addr < s->end; i++) {
        if (++d->steps > MOST_STEPS)
            return false;
        target *t = &d->target[i];
        if (!t->name.n || s->start > t->start) {
            t->name = s->name;
            t->start = s->start;
        }
    }
    return true;
}

static bool name_targets(decoding *d)
{
    if (d->ntarget == 0)
        return true;
    qsort(d->target, d->ntarget, sizeof *d->target, by_addr);
    uint64_t *addr = malloc((d->ntarget + 1) * sizeof *addr);
    if (!addr)
        return false;
    size_t n = 0;
    for (size_t i = 0; i < d->ntarget; i++) {
        target *t = &d->target[i];
        osp_symbol s;
        if (osp_object_is_go(d->object, t->addr) && osp_object_symbol_at(d->object, t->addr, &s)) {
            t->name = s.name;
            t->start = s.start;
        } else {
            addr[n++] = t->addr;
        }
    }
    if (n)
        osp_object_symbols_over(d->object, addr, n, name_from, d);
    free(addr);
    return true;
}

/* Put the name in the place of the numeral. Within the function itself the address says more. */
static bool write_name(decoding *d, const target *t)
{
    char name[LONGEST_NAME + 32], whole[2 * LONGEST_NAME];
    osp_instruction *in = &d->row[t->instruction];
    bool inside = t->addr > d->start && t->addr < d->end;
    if (!t->name.n || inside || t->name.n > LONGEST_NAME || in->text.n > LONGEST_NAME - 64)
        return true;
    uint64_t off = t->addr - t->start;
    snprintf(name, sizeof name, off ? "%.*s+0x%llx" : "%.*s", STRF(t->name), (unsigned long long)off);
    osp_str head = osp_str_head(in->text, t->at), tail = osp_str_skip(in->text, t->at + t->n);
    const char *before = osp_str_starts(tail, S("]")) ? " + " : "";
    snprintf(whole, sizeof whole, "%.*s%s%s%.*s", STRF(head), before, name, STRF(tail));
    in->text = osp_arena_str(d->arena, osp_str_from(whole));
    return in->text.p != NULL;
}

static bool disassemble(decoding *d, csh handle, osp_span code, bool arm64, osp_instructions *out)
{
    if (!decode(d, handle, code, arm64) || !name_targets(d))
        return false;
    for (size_t i = 0; i < d->ntarget; i++)
        if (!write_name(d, &d->target[i]))
            return false;
    out->row = osp_new(d->arena, osp_instruction, d->n);
    if (!out->row)
        return false;
    if (d->n)
        memcpy(out->row, d->row, d->n * sizeof *d->row);
    out->n = d->n;
    return true;
}

/* What the file has of [start, end). */
static osp_span code_at(const osp_object *o, uint64_t start, uint64_t end)
{
    uint64_t want = end > start ? end - start : 0;
    size_t some = 0, most = want < OSP_MOST_CODE ? (size_t)want : OSP_MOST_CODE;
    while (some < most) {
        size_t n = most - (most - some) / 2;
        if (osp_object_bytes(o, start, n).n)
            some = n;
        else
            most = n - 1;
    }
    return osp_object_bytes(o, start, some);
}

bool osp_object_instructions(osp_object *o, uint64_t start, uint64_t end, osp_syntax syntax, osp_arena *a,
                             osp_instructions *out, osp_err *err)
{
    const int machine = osp_object_machine(o);
    const bool arm64 = machine == EM_AARCH64;
    csh handle;
    *out = (osp_instructions){0};
    if (!arm64 && machine != EM_X86_64)
        return osp_fail(err, OSP_EABSENT, "no disassembler for machine %d", machine);
    osp_span code = code_at(o, start, end);
    if (!code.n)
        return osp_fail(err, OSP_EABSENT, "%.*s: no code at 0x%llx", STRF(osp_object_name(o)),
                        (unsigned long long)start);
    if (cs_open(arm64 ? CS_ARCH_ARM64 : CS_ARCH_X86, arm64 ? CS_MODE_ARM : CS_MODE_64, &handle) != CS_ERR_OK)
        return osp_fail(err, OSP_EABSENT, "capstone cannot be used");
    bool set = cs_option(handle, CS_OPT_DETAIL, CS_OPT_ON) == CS_ERR_OK;
    if (!arm64)
        set = set && cs_option(handle, CS_OPT_SYNTAX, syntax == OSP_ATT ? CS_OPT_SYNTAX_ATT : CS_OPT_SYNTAX_INTEL) ==
                         CS_ERR_OK;
    decoding d = {.object = o, .arena = a, .start = start, .end = start + code.n};
    bool ok = set && disassemble(&d, handle, code, arm64, out);
    free(d.row);
    free(d.target);
    cs_close(&handle);
    return ok || osp_fail_memory(err, "disassembling");
}

#else

bool osp_object_instructions(osp_object *o, uint64_t start, uint64_t end, osp_syntax syntax, osp_arena *a,
                             osp_instructions *out, osp_err *err)
{
    (void)o;
    (void)start;
    (void)end;
    (void)syntax;
    (void)a;
    *out = (osp_instructions){0};
    return osp_fail(err, OSP_EABSENT, "built without capstone");
}

#endif
