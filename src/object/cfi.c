/* SPDX-License-Identifier: Apache-2.0 */
/* cfi.c: call frame information, one function at a time (DWARF 5 section 6.4; Linux Standard Base 5.0, "Exception
 * Frames", for what .eh_frame does differently).
 *
 *   record  length u32 (0xffffffff: then u64), id, contents
 *   CIE     id 0 in .eh_frame, ~0 in .debug_frame: version u8, augmentation, code and data alignment, return
 *           register, [augmentation data], instructions
 *   FDE     id: in .eh_frame the distance back to the CIE, in .debug_frame its offset; first address, size,
 *           [augmentation data], instructions
 *
 * The instructions build a table: for each address where the CFA (the caller's sp) is and where registers were saved.
 * A row of ours can say: CFA is a register plus an offset (other than sp and rbp in the leaf only); rbp is unchanged or
 * saved beside the CFA; the return address is at CFA - 8; or, in the leaf, all is in registers already. Besides, the few expressions that compilers and assemblers really write:
 *
 *   breg7 8; breg16 0; lit15; and; litN; ge; lit3; shl; plus     PLT stubs: sp + 8, + 8 more from byte N of the stub on
 *   breg7 N; deref; plus_uconst 8                                OpenSSL's assembly: the old sp was saved at sp + N
 *   breg6 N; deref                                               gcc, a realigned stack: the CFA was saved at rbp + N
 *   rbp: breg6 0                                                 (with it) the caller's rbp is at rbp
 *
 * Everything else becomes OSP_RULE_UNKNOWN for the addresses where it holds. x86-64 registers: 6 rbp, 7 rsp, 10 r10,
 * 16 the return address.
 *
 * aarch64 (ELF for the Arm 64-bit Architecture, "DWARF for the Arm 64-bit Architecture"): 29 the frame pointer, 30 the
 * link register, which is the return address column, 31 sp. A return address that was not saved is in the link register;
 * one that was, beside the frame pointer or alone. Whether it is signed (negate_ra_state) is not noted: the walk drops the
 * signature of every one. */
#include "object_internal.h"

#include <dwarf.h>
#include <elf.h>

/* The registers that matter. */
typedef struct {
    uint8_t fp, sp, ra;
} registers;

static registers registers_of(uint16_t machine)
{
    return machine == EM_AARCH64 ? (registers){29, 31, 30} : (registers){6, 7, 16};
}

enum { AARCH64_NEGATE_RA_STATE_WITH_PC = 0x2c }; /* not in dwarf.h yet */

/* A CIE's instructions run once per FDE, so they must be few. */
enum { MAX_REMEMBERED = 16, MAX_FUNCTION = 1 << 28, MAX_CIE_INSN = 512 };

/* ---- records ----------------------------------------------------------------------------------------------- */

uint64_t osp_cfi_encoded(osp_cur *c, uint8_t encoding, uint64_t addr)
{
    uint64_t here = addr + c->at, v = 0;
    switch (encoding & 0x0f) {
    case DW_EH_PE_absptr:
    case DW_EH_PE_udata8:
    case DW_EH_PE_sdata8:
        v = osp_cur_u64(c);
        break;
    case DW_EH_PE_uleb128:
        v = osp_cur_uvarint(c);
        break;
    case DW_EH_PE_sleb128:
        v = (uint64_t)osp_cur_sleb(c);
        break;
    case DW_EH_PE_udata2:
        v = osp_cur_u16(c);
        break;
    case DW_EH_PE_sdata2:
        v = (uint64_t)(int16_t)osp_cur_u16(c);
        break;
    case DW_EH_PE_udata4:
        v = osp_cur_u32(c);
        break;
    case DW_EH_PE_sdata4:
        v = (uint64_t)(int32_t)osp_cur_u32(c);
        break;
    default:
        osp_cur_fail(c, "pointer encoding 0x%x", encoding);
        return 0;
    }
    switch (encoding & 0x70) {
    case 0:
        return v;
    case DW_EH_PE_pcrel:
        return v + here;
    default:
        osp_cur_fail(c, "pointer encoding 0x%x", encoding);
        return 0;
    }
}

/* The record at `at`: its contents from the id on, and where the next one begins. */
static bool record(const osp_cfi *t, size_t at, osp_cur *body, size_t *next, unsigned *id_size, osp_err *err)
{
    if (at > t->bytes.n || t->bytes.n - at < 4)
        return false;
    uint64_t head = 4, n = osp_le32(t->bytes.p + at);
    *id_size = 4;
    if (n == 0xffffffff && t->bytes.n - at >= 12) {
        n = osp_le64(t->bytes.p + at + 4);
        head = 12;
        *id_size = t->is_eh ? 4 : 8;
    }
    if (n > t->bytes.n - at - head)
        return false;
    *next = at + head + n;
    *body = osp_cur_on((osp_span){t->bytes.p, *next}, t->is_eh ? ".eh_frame" : ".debug_frame", err);
    osp_cur_seek(body, at + head);
    return true;
}

static uint64_t record_id(osp_cur *c, unsigned id_size) { return id_size == 8 ? osp_cur_u64(c) : osp_cur_u32(c); }

static bool is_cie_id(const osp_cfi *t, uint64_t id, unsigned id_size)
{
    return t->is_eh ? id == 0 : id == (id_size == 8 ? UINT64_MAX : 0xffffffff);
}

static void read_augmentation(osp_cie *cie, osp_cur *c, osp_str aug, uint64_t addr)
{
    uint64_t n = osp_cur_uvarint(c);
    if (c->bad || n > osp_cur_left(c)) {
        osp_cur_fail(c, "augmentation data too long");
        return;
    }
    size_t end = c->at + n;
    for (size_t i = 1; i < aug.n && !c->bad; i++) {
        switch (aug.p[i]) {
        case 'R':
            cie->encoding = osp_cur_u8(c);
            break;
        case 'L':
            cie->lsda_encoding = osp_cur_u8(c);
            break;
        case 'P': {
            uint8_t encoding = osp_cur_u8(c);
            if ((encoding & 0x70) == DW_EH_PE_aligned) { /* aligned to 8 */
                osp_cur_skip(c, -(addr + c->at) & 7);
                encoding = DW_EH_PE_absptr;
            }
            if (encoding != DW_EH_PE_omit)
                osp_cfi_encoded(c, encoding & 0x0f, addr);
            break;
        }
        case 'S':
            cie->signal = true;
            break;
        case 'B':
            break; /* aarch64: signed return addresses */
        default:
            i = aug.n;
            break;
        }
    }
    if (!c->bad && c->at <= end)
        osp_cur_seek(c, end);
}

static bool read_cie(const osp_cfi *t, size_t at, osp_cie *out)
{
    osp_err err;
    osp_cur c;
    size_t next;
    unsigned id_size;
    *out = (osp_cie){.at = at, .encoding = DW_EH_PE_absptr, .lsda_encoding = DW_EH_PE_omit};
    if (!record(t, at, &c, &next, &id_size, &err) || !is_cie_id(t, record_id(&c, id_size), id_size))
        return false;
    uint8_t version = osp_cur_u8(&c);
    osp_str aug = osp_cur_cstr(&c);
    if (version != 1 && version != 3 && version != 4)
        return false;
    if (version == 4 && (osp_cur_u8(&c) != 8 || osp_cur_u8(&c) != 0)) /* address and segment size */
        return false;
    out->code_align = osp_cur_uvarint(&c);
    out->data_align = osp_cur_sleb(&c);
    out->return_reg = version == 1 ? osp_cur_u8(&c) : osp_cur_uvarint(&c);
    if (aug.n && aug.p[0] == 'z') {
        out->augmented = true;
        read_augmentation(out, &c, aug, t->addr);
    } else if (aug.n) {
        return false;
    }
    out->insn = osp_cur_bytes(&c, osp_cur_left(&c));
    out->machine = t->machine;
    out->ok = !c.bad && out->return_reg == registers_of(t->machine).ra && out->code_align > 0 &&
              out->code_align < 256 && out->insn.n <= MAX_CIE_INSN;
    return out->ok;
}

/* Where a function's call-site table is: 0, as it stands there, says that it has none. */
static uint64_t read_lsda(osp_cur *c, uint8_t encoding, uint64_t addr)
{
    osp_cur raw = *c;
    if (encoding & DW_EH_PE_indirect || osp_cfi_encoded(&raw, encoding & 0x0f, addr) == 0)
        return 0;
    return osp_cfi_encoded(c, encoding, addr);
}

static bool read_fde(osp_cfi_iter *it, osp_cur *c, size_t id_at, uint64_t id, osp_fde *out)
{
    const osp_cfi *t = it->cfi;
    if (t->is_eh && id > id_at)
        return false;
    size_t cie_at = t->is_eh ? id_at - id : id;
    if (!(it->cie.ok && it->cie.at == cie_at) && !read_cie(t, cie_at, &it->cie))
        return false;
    if (it->cie.encoding & DW_EH_PE_indirect)
        return false;
    out->cie = it->cie;
    out->start = osp_cfi_encoded(c, it->cie.encoding, t->addr);
    uint64_t n = osp_cfi_encoded(c, it->cie.encoding & 0x0f, t->addr);
    out->lsda = 0;
    if (it->cie.augmented) {
        uint64_t more = osp_cur_uvarint(c);
        size_t at = c->at;
        if (more && it->cie.lsda_encoding != DW_EH_PE_omit)
            out->lsda = read_lsda(c, it->cie.lsda_encoding, t->addr);
        osp_cur_seek(c, at);
        osp_cur_skip(c, more);
    }
    out->insn = osp_cur_bytes(c, osp_cur_left(c));
    if (c->bad || n > MAX_FUNCTION || n > UINT64_MAX - out->start)
        return false;
    out->end = out->start + n;
    return true;
}

static bool read_at(osp_cfi_iter *it, size_t at, size_t *next, bool *is_fde, osp_fde *out)
{
    osp_err err;
    osp_cur c;
    unsigned id_size;
    *is_fde = false;
    if (!record(it->cfi, at, &c, next, &id_size, &err))
        return false;
    if (osp_cur_left(&c) < id_size)
        return osp_cur_left(&c) == 0; /* an empty record ends the table, but crt files may leave one inside */
    size_t id_at = c.at;
    uint64_t id = record_id(&c, id_size);
    if (is_cie_id(it->cfi, id, id_size))
        return true;
    *is_fde = read_fde(it, &c, id_at, id, out);
    if (!*is_fde)
        it->broken++;
    return true;
}

bool osp_cfi_next(osp_cfi_iter *it, osp_fde *out)
{
    bool is_fde;
    size_t next;
    while (it->at < it->cfi->bytes.n) {
        if (!read_at(it, it->at, &next, &is_fde, out)) {
            it->broken += it->cfi->bytes.n - it->at >= 4; /* the rest of the table is lost */
            it->at = it->cfi->bytes.n;
            return false;
        }
        out->at = it->at;
        it->at = next;
        if (is_fde)
            return true;
    }
    return false;
}

/* ---- the table machine ------------------------------------------------------------------------------------- */

enum { SAME, OFFSET, UNDEFINED, AT_FP, IN_REG, OTHER }; /* where a register was saved */
enum { CFA_REG, CFA_PLT, CFA_DEREF_SP, CFA_DEREF_FP, CFA_OTHER };

typedef struct {
    uint8_t cfa, fp, sp, ra;
    uint64_t cfa_reg;
    int64_t cfa_off, fp_off, sp_off, ra_off; /* or a register's number */
} table_row;

/* The whole state is in registers, about to be jumped to (longjmp; the end of a function that calls eh_return). */
static uint32_t jump_rule(const table_row *r)
{
    enum { RBP = 6, RSP = 7 };
    bool by_sp = r->sp == SAME && r->cfa == CFA_REG && r->cfa_reg == RSP;
    bool own_sp = by_sp && r->cfa_off == 0;
    if (by_sp && r->cfa_off == 8 && r->fp == SAME) /* vfork, behind its call: it was pushed again */
        return osp_rule_make(OSP_RULE_SP, 8, 0);
    if ((r->sp != IN_REG && !own_sp) || (r->fp != IN_REG && r->fp != SAME) || r->ra_off > 15)
        return OSP_RULE_UNKNOWN;
    return osp_rule_jump((unsigned)r->ra_off, own_sp ? RSP : (unsigned)r->sp_off,
                         r->fp == SAME ? RBP : (unsigned)r->fp_off);
}

static uint32_t rule_of_x86(const table_row *r)
{
    enum { RBP = 6, RSP = 7 };
    if (r->ra == IN_REG)
        return jump_rule(r);
    if (r->ra != OFFSET || r->ra_off != -8)
        return OSP_RULE_UNKNOWN;
    unsigned kind;
    switch (r->cfa) {
    case CFA_REG:
        kind = r->cfa_reg == RSP ? OSP_RULE_SP : r->cfa_reg == RBP ? OSP_RULE_FP : OSP_RULE_LEAF;
        if (kind == OSP_RULE_LEAF &&
            (r->cfa_reg > 15 || r->cfa_off < -OSP_RULE_LEAF_MAX || r->cfa_off > OSP_RULE_LEAF_MAX))
            return OSP_RULE_UNKNOWN;
        break;
    case CFA_PLT:
        kind = OSP_RULE_PLT;
        break;
    case CFA_DEREF_SP:
        kind = OSP_RULE_DEREF_SP;
        break;
    case CFA_DEREF_FP:
        kind = OSP_RULE_DEREF_FP;
        break;
    default:
        return OSP_RULE_UNKNOWN;
    }
    if (r->cfa_off % 8 || r->cfa_off < OSP_RULE_CFA_MIN || r->cfa_off > OSP_RULE_CFA_MAX)
        return OSP_RULE_UNKNOWN;
    int fp = 0;
    if (r->fp == OFFSET) {
        if (r->fp_off % 8 || r->fp_off == 0 || r->fp_off < OSP_RULE_FP_MIN || r->fp_off > OSP_RULE_FP_MAX ||
            r->cfa == CFA_DEREF_FP)
            return OSP_RULE_UNKNOWN;
        fp = (int)r->fp_off;
    } else if (r->fp == AT_FP) {
        /* gcc leaves this in force behind leave, where the CFA is sp again and rbp the caller's. */
        if (kind == OSP_RULE_DEREF_FP)
            fp = -16;
        else if (kind == OSP_RULE_LEAF)
            fp = OSP_FP_AT_FP;
        else if (kind != OSP_RULE_SP)
            return OSP_RULE_UNKNOWN;
    } else if (r->fp != SAME) {
        return OSP_RULE_UNKNOWN;
    }
    if (kind == OSP_RULE_LEAF)
        return osp_rule_leaf((unsigned)r->cfa_reg, (int)r->cfa_off, fp);
    return osp_rule_make(kind, (int)r->cfa_off, fp);
}

static bool fits(int64_t v, int64_t least, int64_t most) { return v % 8 == 0 && v >= least && v <= most; }

static uint32_t rule_of_aarch64(const table_row *r)
{
    enum { X29 = 29, SP = 31 };
    bool by_sp = r->cfa_reg == SP, saved = r->ra == OFFSET, fp_saved = r->fp == OFFSET;
    if (r->cfa != CFA_REG || (!saved && r->ra != SAME) || (!fp_saved && r->fp != SAME))
        return OSP_RULE_UNKNOWN;
    if (saved && fp_saved && r->ra_off == r->fp_off + 8 && (by_sp || r->cfa_reg == X29))
        return osp_rule_record(by_sp ? OSP_RULE_SP_RECORD : OSP_RULE_FP_RECORD, r->cfa_off, r->fp_off);
    if (saved && !fp_saved && by_sp)
        return osp_rule_record(OSP_RULE_SP_RETURN, r->cfa_off, r->ra_off);
    if (!fits(r->cfa_off, OSP_RULE_CFA_MIN, OSP_RULE_CFA_MAX) ||
        (fp_saved && !fits(r->fp_off, OSP_RULE_FP_MIN, OSP_RULE_FP_MAX)))
        return OSP_RULE_UNKNOWN;
    int cfa = (int)r->cfa_off, fp = fp_saved ? (int)r->fp_off : 0;
    if (!saved && by_sp)
        return osp_rule_make(OSP_RULE_LINK, cfa, fp);
    if (!saved && !fp && r->cfa_reg < X29)
        return osp_rule_make(OSP_RULE_LEAF_LINK, cfa, 8 * (int)r->cfa_reg);
    return OSP_RULE_UNKNOWN;
}

/* The rule of rows.h for a row of the table; UNKNOWN if there is none. */
static uint32_t rule_of(const table_row *r, const osp_cie *cie)
{
    bool aarch64 = cie->machine == EM_AARCH64;
    if (cie->signal)
        return aarch64 ? OSP_RULE_SIGFRAME_LINK : OSP_RULE_SIGFRAME;
    if (r->ra == UNDEFINED)
        return osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_THREAD, 0);
    return aarch64 ? rule_of_aarch64(r) : rule_of_x86(r);
}

/* breg7 8; breg16 0; lit15; and; litN; ge; lit3; shl; plus */
static bool is_plt(osp_span e, int64_t *from)
{
    static const uint8_t head[] = {DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15, DW_OP_and};
    static const uint8_t tail[] = {DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus};
    if (e.n != 11 || memcmp(e.p, head, sizeof head) != 0 || memcmp(e.p + 7, tail, sizeof tail) != 0 ||
        e.p[6] < DW_OP_lit0 || e.p[6] > DW_OP_lit31)
        return false;
    *from = e.p[6] - DW_OP_lit0;
    return true;
}

static void cfa_expression(table_row *r, uint16_t machine, osp_span e)
{
    osp_err err;
    osp_cur c = osp_cur_on(e, "expression", &err);
    int64_t n;
    r->cfa = CFA_OTHER;
    if (machine != EM_X86_64)
        return;
    if (is_plt(e, &n)) {
        r->cfa = CFA_PLT;
        r->cfa_off = 8 * n;
        return;
    }
    uint8_t reg = osp_cur_u8(&c);
    int64_t off = osp_cur_sleb(&c);
    if (osp_cur_u8(&c) != DW_OP_deref || c.bad)
        return;
    if (reg == DW_OP_breg6 && osp_cur_left(&c) == 0)
        r->cfa = CFA_DEREF_FP;
    else if (reg == DW_OP_breg7 && osp_cur_u8(&c) == DW_OP_plus_uconst && osp_cur_uvarint(&c) == 8 && !c.bad &&
             osp_cur_left(&c) == 0)
        r->cfa = CFA_DEREF_SP;
    r->cfa_off = off;
}

static void set(table_row *r, registers of, uint64_t reg, uint8_t how, int64_t off)
{
    if (reg == of.fp) {
        r->fp = how;
        r->fp_off = off;
    } else if (reg == of.sp) {
        r->sp = how;
        r->sp_off = off;
    } else if (reg == of.ra) {
        r->ra = how;
        r->ra_off = off;
    }
}

static void restore(table_row *r, registers of, uint64_t reg, const table_row *first)
{
    if (reg == of.fp)
        set(r, of, reg, first->fp, first->fp_off);
    else if (reg == of.sp)
        set(r, of, reg, first->sp, first->sp_off);
    else if (reg == of.ra)
        set(r, of, reg, first->ra, first->ra_off);
}

typedef struct {
    table_row now, first, kept[MAX_REMEMBERED];
    unsigned nkept;
    uint64_t pc;
    const osp_cie *cie;
    registers of;
    /* where rows go; NULL while the CIE's instructions run */
    osp_row_list *out;
    const osp_fde *fde;
    const osp_landings *landings;
    uint64_t from, to;
    bool unknown, jumps;
    int64_t rbx_off; /* where rbx was saved, from the CFA; 0: it was not */
} machine;

/* The row that was built holds from m->pc up to next. */
static void emit(machine *m, uint64_t next)
{
    uint64_t from = m->pc > m->from ? m->pc : m->from, to = next < m->to ? next : m->to;
    if (!m->out || from >= to)
        return;
    uint32_t rule = rule_of(&m->now, m->cie);
    m->unknown |= rule == OSP_RULE_UNKNOWN;
    m->jumps |= osp_rule_kind(rule) == OSP_RULE_JUMP;
    bool changes = from > m->from && m->out->n && m->out->row[m->out->n - 1].rule != rule;
    uint32_t before = changes ? osp_landings_rule(m->landings, m->fde, from, rule) : OSP_RULE_NONE;
    if (before != OSP_RULE_NONE)
        osp_row_add(m->out, from - 1, before);
    osp_row_add(m->out, from, rule);
}

static void advance(machine *m, uint64_t by)
{
    uint64_t step = by * m->cie->code_align;
    if (by > MAX_FUNCTION)
        step = MAX_FUNCTION;
    emit(m, m->pc + step);
    m->pc += step;
}

static int64_t factored(const machine *m, uint64_t v) { return (int64_t)(v * (uint64_t)m->cie->data_align); }

static osp_span block(osp_cur *c)
{
    uint64_t n = osp_cur_uvarint(c);
    return osp_cur_bytes(c, n);
}

/* One extended instruction (its two high bits are 0). */
static void extended(machine *m, osp_cur *c, uint8_t op)
{
    table_row *r = &m->now;
    uint64_t reg;
    switch (op) {
    case DW_CFA_nop:
        break;
    case DW_CFA_set_loc: {
        uint64_t to = osp_cfi_encoded(c, m->cie->encoding & 0x0f, 0);
        if ((m->cie->encoding & 0x70) || to < m->pc)
            osp_cur_fail(c, "set_loc is relative or goes back");
        if (!c->bad) {
            emit(m, to);
            m->pc = to;
        }
        break;
    }
    case DW_CFA_advance_loc1:
        advance(m, osp_cur_u8(c));
        break;
    case DW_CFA_advance_loc2:
        advance(m, osp_cur_u16(c));
        break;
    case DW_CFA_advance_loc4:
        advance(m, osp_cur_u32(c));
        break;
    case DW_CFA_offset_extended:
        reg = osp_cur_uvarint(c);
        set(r, m->of, reg, OFFSET, factored(m, osp_cur_uvarint(c)));
        break;
    case DW_CFA_restore_extended:
        restore(r, m->of, osp_cur_uvarint(c), &m->first);
        break;
    case DW_CFA_undefined:
        set(r, m->of, osp_cur_uvarint(c), UNDEFINED, 0);
        break;
    case DW_CFA_same_value:
        set(r, m->of, osp_cur_uvarint(c), SAME, 0);
        break;
    case DW_CFA_register:
        reg = osp_cur_uvarint(c);
        set(r, m->of, reg, IN_REG, (int64_t)(osp_cur_uvarint(c) & 0xff));
        break;
    case DW_CFA_remember_state:
        if (m->nkept == MAX_REMEMBERED)
            osp_cur_fail(c, "remember_state too deep");
        else
            m->kept[m->nkept++] = *r;
        break;
    case DW_CFA_restore_state:
        if (m->nkept == 0)
            osp_cur_fail(c, "restore_state without remember_state");
        else
            *r = m->kept[--m->nkept];
        break;
    case DW_CFA_def_cfa:
    case DW_CFA_def_cfa_sf:
        r->cfa = CFA_REG;
        r->cfa_reg = osp_cur_uvarint(c);
        r->cfa_off = op == DW_CFA_def_cfa ? (int64_t)osp_cur_uvarint(c) : factored(m, (uint64_t)osp_cur_sleb(c));
        break;
    case DW_CFA_def_cfa_register:
        r->cfa = CFA_REG;
        r->cfa_reg = osp_cur_uvarint(c);
        break;
    case DW_CFA_def_cfa_offset:
        r->cfa_off = (int64_t)osp_cur_uvarint(c);
        break;
    case DW_CFA_def_cfa_offset_sf:
        r->cfa_off = factored(m, (uint64_t)osp_cur_sleb(c));
        break;
    case DW_CFA_def_cfa_expression:
        cfa_expression(r, m->cie->machine, block(c));
        break;
    case DW_CFA_expression: {
        reg = osp_cur_uvarint(c);
        osp_span e = block(c);
        bool at_fp = m->cie->machine == EM_X86_64 && e.n == 2 && e.p[0] == DW_OP_breg6 && e.p[1] == 0;
        set(r, m->of, reg, at_fp && reg == m->of.fp ? AT_FP : OTHER, 0);
        break;
    }
    case DW_CFA_offset_extended_sf:
        reg = osp_cur_uvarint(c);
        set(r, m->of, reg, OFFSET, factored(m, (uint64_t)osp_cur_sleb(c)));
        break;
    case DW_CFA_val_offset:
        reg = osp_cur_uvarint(c);
        osp_cur_uvarint(c);
        set(r, m->of, reg, OTHER, 0);
        break;
    case DW_CFA_val_offset_sf:
        reg = osp_cur_uvarint(c);
        osp_cur_sleb(c);
        set(r, m->of, reg, OTHER, 0);
        break;
    case DW_CFA_val_expression:
        reg = osp_cur_uvarint(c);
        block(c);
        set(r, m->of, reg, OTHER, 0);
        break;
    case DW_CFA_AARCH64_negate_ra_state:
    case AARCH64_NEGATE_RA_STATE_WITH_PC:
        if (m->cie->machine != EM_AARCH64)
            osp_cur_fail(c, "call frame instruction 0x%x", op);
        break;
    case DW_CFA_GNU_args_size:
        osp_cur_uvarint(c);
        break;
    case DW_CFA_GNU_negative_offset_extended:
        reg = osp_cur_uvarint(c);
        set(r, m->of, reg, OFFSET, -factored(m, osp_cur_uvarint(c)));
        break;
    default:
        osp_cur_fail(c, "call frame instruction 0x%x", op);
    }
}

static bool run(machine *m, osp_span insn)
{
    enum { RBX = 3 };
    osp_err err;
    osp_cur c = osp_cur_on(insn, "call frame instructions", &err);
    while (osp_cur_left(&c)) {
        uint8_t op = osp_cur_u8(&c), low = op & 0x3f;
        int64_t offset;
        switch (op >> 6) {
        case 1:
            advance(m, low);
            break;
        case 2:
            offset = factored(m, osp_cur_uvarint(&c));
            set(&m->now, m->of, low, OFFSET, offset);
            m->rbx_off = low == RBX ? offset : m->rbx_off;
            break;
        case 3:
            restore(&m->now, m->of, low, &m->first);
            break;
        default:
            extended(m, &c, low);
        }
        if (m->out && m->pc >= m->to)
            break;
    }
    return !c.bad;
}

bool osp_cfi_saves_rbx(const osp_fde *f, int64_t *off)
{
    machine m = {.cie = &f->cie, .of = registers_of(f->cie.machine), .to = UINT64_MAX};
    bool ok = run(&m, f->cie.insn) && run(&m, f->insn);
    *off = m.rbx_off;
    return ok && m.rbx_off;
}

/* The rows of a function that lands exceptions, from row i on. */
static void note_that_it_lands(osp_row_list *out, size_t i, uint64_t from)
{
    for (; i < out->n; i++)
        if (out->base + out->row[i].pc >= from && osp_rule_kind(out->row[i].rule) == OSP_RULE_FP)
            out->row[i].rule += OSP_RULE_FP_LANDS - OSP_RULE_FP;
}

bool osp_cfi_rows(const osp_fde *f, uint64_t from, uint64_t to, osp_landings *landings, osp_row_list *out)
{
    machine m = {
        .cie = &f->cie, .of = registers_of(f->cie.machine), .fde = f, .landings = landings, .from = from, .to = to};
    osp_landings_read(landings, f);
    m.now.ra = f->cie.machine == EM_AARCH64 ? SAME : OTHER;
    m.now.cfa = CFA_OTHER;
    bool ok = run(&m, f->cie.insn);
    m.first = m.now;
    m.nkept = 0;
    m.out = out;
    m.pc = f->start;
    size_t first = out->n;
    ok = ok && run(&m, f->insn);
    if (ok) {
        emit(&m, f->end);
    } else {
        uint64_t at = m.pc > from ? m.pc : from;
        if (at < to)
            osp_row_add(out, at, OSP_RULE_UNKNOWN);
    }
    if (m.jumps)
        note_that_it_lands(out, first ? first - 1 : 0, from);
    return ok && !m.unknown;
}
