/* SPDX-License-Identifier: Apache-2.0 */
/* Disassembly, for one question: what does the innermost loop around a hot address do?
 *
 * From the hot address we decode forward to the first jump that goes back to or before it: the loop is what lies
 * between that jump's target and its end. Then each instruction is put into one of a few classes, in order, as if each
 * turn ran straight through. What matters is whether the loop can get anywhere by itself: a value is "fixed" if it is
 * made each turn of nothing but what the loop does not change, and of memory at addresses that are fixed. */
#include "object/object.h"

#include <elf.h>

#ifdef OSP_WITH_CAPSTONE
#include <capstone/capstone.h>

enum { MAX_FORWARD = 2048, MAX_LOOP_BYTES = 4096, MAX_LOOP = 256, MAX_FIXED = 16 };

/* One register number for al, ax, eax and rax. */
static unsigned whole(unsigned reg)
{
    static const uint8_t same[][5] = {
        {X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL, X86_REG_AH},
        {X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL, X86_REG_BH},
        {X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL, X86_REG_CH},
        {X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL, X86_REG_DH},
        {X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL},
        {X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL},
        {X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL},
        {X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL},
        {X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B},
        {X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B},
        {X86_REG_R10, X86_REG_R10D, X86_REG_R10W, X86_REG_R10B},
        {X86_REG_R11, X86_REG_R11D, X86_REG_R11W, X86_REG_R11B},
        {X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B},
        {X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B},
        {X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B},
        {X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B},
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        for (size_t k = 0; k < 5 && same[i][k]; k++)
            if (same[i][k] == reg)
                return same[i][0];
    return reg;
}

/* Sets of whole registers. capstone numbers fewer than 256 of them. */
typedef struct {
    uint64_t bit[4];
} reg_set;

static void reg_add(reg_set *s, unsigned reg)
{
    reg = whole(reg);
    s->bit[reg / 64 & 3] |= 1ull << reg % 64;
}

static bool reg_in(const reg_set *s, unsigned reg)
{
    reg = whole(reg);
    return s->bit[reg / 64 & 3] >> reg % 64 & 1;
}

/* A memory operand's address, to tell equal ones. */
typedef struct {
    unsigned base, index;
    int scale;
    int64_t disp; /* of a pc-relative one: the address itself */
} place;

static place place_of(const cs_insn *in, const x86_op_mem *m)
{
    if (m->base == X86_REG_RIP)
        return (place){.disp = (int64_t)(in->address + in->size) + m->disp};
    return (place){whole(m->base), whole(m->index), m->scale, m->disp};
}

static bool place_same(place a, place b)
{
    return a.base == b.base && a.index == b.index && a.disp == b.disp && (a.scale == b.scale || !a.index);
}

typedef struct {
    csh handle;
    const cs_insn *insn;
    size_t n;
    bool framed;           /* rbp is a frame pointer here */
    reg_set moving;        /* registers that, here, hold something new each turn */
    place slot[MAX_FIXED]; /* slots of the own stack frame that, here, hold something new each turn */
    size_t nslot;
} loop;

/* Note that a slot of the own frame moves, or no longer does. */
static void slot_moves(loop *l, place at, bool moves)
{
    size_t i = 0;
    while (i < l->nslot && !place_same(l->slot[i], at))
        i++;
    if (moves && i == l->nslot && i < MAX_FIXED)
        l->slot[l->nslot++] = at;
    else if (!moves && i < l->nslot)
        l->slot[i] = l->slot[--l->nslot];
}

static bool in_frame(const loop *l, const x86_op_mem *m)
{
    return m->index == X86_REG_INVALID && (m->base == X86_REG_RSP || (m->base == X86_REG_RBP && l->framed));
}

static bool is_fixed(const loop *l, const cs_insn *in, const x86_op_mem *m)
{
    if ((m->base != X86_REG_INVALID && m->base != X86_REG_RIP && reg_in(&l->moving, m->base)) ||
        (m->index != X86_REG_INVALID && reg_in(&l->moving, m->index)))
        return false;
    for (size_t i = 0; i < l->nslot; i++)
        if (place_same(l->slot[i], place_of(in, m)))
            return false;
    return true;
}

/* The idiom for zero. */
static bool is_zeroing(const cs_insn *in)
{
    const cs_x86 *x = &in->detail->x86;
    return in->id == X86_INS_XOR && x->op_count == 2 && x->operands[0].type == X86_OP_REG &&
           x->operands[1].type == X86_OP_REG && x->operands[0].reg == x->operands[1].reg;
}

static bool is_counting(const cs_insn *in)
{
    const cs_x86 *x = &in->detail->x86;
    switch (in->id) {
    case X86_INS_INC:
    case X86_INS_DEC:
        return true;
    case X86_INS_ADD:
    case X86_INS_SUB:
        return x->op_count == 2 && x->operands[1].type == X86_OP_IMM;
    case X86_INS_LEA:
        return x->op_count == 2 && x->operands[1].mem.base != X86_REG_RIP &&
               x->operands[1].mem.index == X86_REG_INVALID &&
               whole(x->operands[1].mem.base) == whole(x->operands[0].reg);
    default:
        return false;
    }
}

static void each_written(const loop *l, const cs_insn *in, reg_set *out)
{
    cs_regs read, written;
    uint8_t nread, nwritten;
    if (in->id == X86_INS_CMPXCHG)
        reg_add(out, X86_REG_RAX); /* what capstone says of this differs by release */
    if (cs_regs_access(l->handle, in, read, &nread, written, &nwritten))
        return;
    for (uint8_t k = 0; k < nwritten; k++)
        if (written[k] != X86_REG_EFLAGS && written[k] != X86_REG_RIP)
            reg_add(out, written[k]);
}

/* At the top of a turn every register moves that the loop writes at all. */
static void enter(loop *l)
{
    for (size_t i = 0; i < l->n; i++) {
        const cs_x86 *x = &l->insn[i].detail->x86;
        each_written(l, &l->insn[i], &l->moving);
        for (size_t k = 0; k < x->op_count; k++)
            if (x->operands[k].type == X86_OP_MEM && x->operands[k].access & CS_AC_WRITE &&
                in_frame(l, &x->operands[k].mem))
                slot_moves(l, place_of(&l->insn[i], &x->operands[k].mem), true);
    }
}

/* Is what this instruction makes the same each turn, because all it is made of is? */
static bool makes_fixed(const loop *l, const cs_insn *in)
{
    const cs_x86 *x = &in->detail->x86;
    cs_regs read, written;
    uint8_t nread, nwritten;
    if (is_zeroing(in))
        return true;
    if (cs_regs_access(l->handle, in, read, &nread, written, &nwritten))
        return false;
    for (uint8_t k = 0; k < nread; k++)
        if (read[k] != X86_REG_EFLAGS && read[k] != X86_REG_RIP && reg_in(&l->moving, read[k]))
            return false;
    for (size_t k = 0; k < x->op_count; k++)
        if (x->operands[k].type == X86_OP_MEM && x->operands[k].access != CS_AC_WRITE && in->id != X86_INS_LEA &&
            !is_fixed(l, in, &x->operands[k].mem))
            return false;
    return in->id != X86_INS_RDTSC && in->id != X86_INS_RDTSCP && in->id != X86_INS_RDRAND;
}

/* What an instruction does to what moves. */
static void step(loop *l, const cs_insn *in)
{
    const cs_x86 *x = &in->detail->x86;
    bool fixed = makes_fixed(l, in);
    reg_set out = {0};
    if (x->op_count && x->operands[0].type == X86_OP_MEM && x->operands[0].access & CS_AC_WRITE &&
        in_frame(l, &x->operands[0].mem))
        slot_moves(l, place_of(in, &x->operands[0].mem), !fixed);
    each_written(l, in, &out);
    for (size_t i = 0; i < sizeof out.bit / sizeof *out.bit; i++)
        l->moving.bit[i] = fixed ? l->moving.bit[i] & ~out.bit[i] : l->moving.bit[i] | out.bit[i];
}

/* Instructions that move, compare or test, and so compute nothing. */
static bool is_plain(csh handle, const cs_insn *in)
{
    const cs_x86 *x = &in->detail->x86;
    if (is_zeroing(in) || cs_insn_group(handle, in, CS_GRP_JUMP))
        return true;
    switch (in->id) {
    case X86_INS_MOV:
    case X86_INS_MOVABS:
    case X86_INS_MOVZX:
    case X86_INS_MOVSX:
    case X86_INS_MOVSXD:
    case X86_INS_LEA:
    case X86_INS_CMP:
    case X86_INS_TEST:
    case X86_INS_NOP:
    case X86_INS_ENDBR64:
    case X86_INS_CDQE:
    case X86_INS_CWDE:
    case X86_INS_CBW:
    case X86_INS_MFENCE:
    case X86_INS_LFENCE:
    case X86_INS_BT:
    case X86_INS_NOT:
    case X86_INS_CMPXCHG:
    case X86_INS_XCHG:
        return true;
    case X86_INS_AND: /* a bit of the flag, or its negation */
    case X86_INS_OR:
    case X86_INS_XOR:
        return x->op_count == 2 && x->operands[1].type == X86_OP_IMM;
    default:
        return strncmp(in->mnemonic, "set", 3) == 0;
    }
}

/* Whoever takes a lock expects a constant. A compare-and-swap that expects what it found there is an update without
 * lock: where it fails, somebody else got on. */
static bool retries_update(const loop *l, const cs_insn *in)
{
    if (in->id != X86_INS_CMPXCHG)
        return false;
    if (reg_in(&l->moving, X86_REG_RAX))
        return true;
    while (in-- > l->insn) {
        const cs_x86 *x = &in->detail->x86;
        reg_set out = {0};
        each_written(l, in, &out);
        if (reg_in(&out, X86_REG_RAX))
            return in->id != X86_INS_LEA && x->op_count == 2 && x->operands[1].type == X86_OP_MEM &&
                   !in_frame(l, &x->operands[1].mem);
    }
    return false;
}

static void count_memory(loop *l, const cs_insn *in, osp_loop *out, place *fixed, uint32_t *nslot)
{
    const cs_x86 *x = &in->detail->x86;
    if (in->id == X86_INS_LEA || in->id == X86_INS_NOP)
        return;
    for (size_t k = 0; k < x->op_count; k++) {
        if (x->operands[k].type != X86_OP_MEM)
            continue;
        const x86_op_mem *m = &x->operands[k].mem;
        place at = place_of(in, m);
        bool still = is_fixed(l, in, m);
        bool swaps = in->id == X86_INS_CMPXCHG || in->id == X86_INS_XCHG;
        if (in_frame(l, m)) {
            *nslot += still && x->operands[k].access != CS_AC_WRITE;
            continue;
        }
        if (swaps) {
            if (still && !retries_update(l, in))
                out->exchanges++;
            else
                out->stores++;
            continue;
        }
        /* Some capstones give cmp and test no access: they read. */
        bool writes = x->operands[k].access & CS_AC_WRITE && in->id != X86_INS_CMP && in->id != X86_INS_TEST;
        if (writes)
            out->stores++;
        if (writes && !(x->operands[k].access & CS_AC_READ))
            continue;
        if (!still) {
            out->other_loads++;
            continue;
        }
        bool known = false;
        for (uint32_t i = 0; i < out->fixed_loads && i < MAX_FIXED; i++)
            known = known || place_same(fixed[i], at);
        if (known)
            continue;
        if (out->fixed_loads < MAX_FIXED)
            fixed[out->fixed_loads] = at;
        out->fixed_loads++;
    }
}

static void classify(loop *l, osp_loop *out)
{
    place fixed[MAX_FIXED] = {0};
    uint32_t nslot = 0;
    enter(l);
    for (size_t i = 0; i < l->n; i++) {
        const cs_insn *in = &l->insn[i];
        out->instructions++;
        count_memory(l, in, out, fixed, &nslot);
        if (in->id == X86_INS_PAUSE) {
            out->pauses++;
        } else if (cs_insn_group(l->handle, in, CS_GRP_CALL) || cs_insn_group(l->handle, in, CS_GRP_RET) ||
                   cs_insn_group(l->handle, in, CS_GRP_INT)) {
            out->calls++;
        } else if (is_counting(in)) {
            /* A constant added to what is fixed is an address within a struct. A counter that ends the loop is
             * progress. */
            out->counting += !makes_fixed(l, in);
            if (!makes_fixed(l, in) && i + 1 < l->n && cs_insn_group(l->handle, &l->insn[i + 1], CS_GRP_JUMP) &&
                l->insn[i + 1].id != X86_INS_JMP)
                out->arithmetic++;
        } else if (in->id == X86_INS_CMP || in->id == X86_INS_TEST) {
            out->arithmetic += !makes_fixed(l, in); /* asks about something that the loop itself moves on */
        } else if (!is_plain(l->handle, in)) {
            out->arithmetic++;
        }
        step(l, in);
    }
    /* A flag in the own stack frame is one too, if no counter is in play. */
    if (!out->fixed_loads && !out->exchanges && nslot && !out->counting) {
        out->fixed_loads = 1;
    } else if (out->fixed_loads == 1 && !fixed[0].base && !fixed[0].index) {
        out->load_addr = (uint64_t)fixed[0].disp;
    }
}

/* The shortest way back to file_addr or before it by a jump at or after bytes[0]; the first one of equals. */
static bool back_jump(csh handle, osp_span bytes, uint64_t file_addr, uint64_t limit, uint64_t *start, uint64_t *end)
{
    cs_insn *in = cs_malloc(handle);
    const uint8_t *p = bytes.p;
    size_t left = bytes.n;
    uint64_t at = file_addr;
    bool found = false;
    while (in && at < limit && cs_disasm_iter(handle, &p, &left, &at, in)) {
        const cs_x86_op *op = in->detail->x86.operands;
        if (cs_insn_group(handle, in, CS_GRP_JUMP) && in->detail->x86.op_count == 1 && op->type == X86_OP_IMM &&
            (uint64_t)op->imm <= file_addr && file_addr - (uint64_t)op->imm <= MAX_LOOP_BYTES &&
            (!found || at - (uint64_t)op->imm < *end - *start)) {
            *start = (uint64_t)op->imm;
            *end = at;
            found = true;
        }
    }
    if (in)
        cs_free(in, 1);
    return found;
}

/* As many bytes of the file as there are, up to n. */
static osp_span bytes_at(const osp_object *o, uint64_t file_addr, size_t n)
{
    osp_span b = {0};
    for (; n >= 16 && !b.n; n /= 2)
        b = osp_object_bytes(o, file_addr, n);
    return b;
}

static bool has_frame_pointer(const osp_object *o, uint64_t function)
{
    static const uint8_t prologue[] = {0x55, 0x48, 0x89, 0xe5}; /* push rbp; mov rbp, rsp */
    osp_span b = osp_object_bytes(o, function, 8);
    return b.n == 8 && (memcmp(b.p, prologue, 4) == 0 || memcmp(b.p + 4, prologue, 4) == 0);
}

bool osp_object_loop(osp_object *o, uint64_t file_addr, osp_loop *out, osp_err *err)
{
    *out = (osp_loop){0};
    if (osp_object_machine(o) != EM_X86_64)
        return osp_fail(err, OSP_EABSENT, "no disassembler for machine %d", osp_object_machine(o));
    loop l = {0};
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &l.handle) || cs_option(l.handle, CS_OPT_DETAIL, CS_OPT_ON))
        return osp_fail(err, OSP_EABSENT, "capstone cannot be used");
    cs_insn *insn = NULL;
    bool ok = false;
    osp_symbol sym;
    uint64_t limit = file_addr + MAX_FORWARD;
    if (osp_object_symbol_at(o, file_addr, &sym)) {
        limit = sym.end > file_addr && sym.end < limit ? sym.end : limit;
        l.framed = has_frame_pointer(o, sym.start);
    }
    if (!back_jump(l.handle, bytes_at(o, file_addr, MAX_FORWARD), file_addr, limit, &out->start, &out->end)) {
        osp_fail(err, OSP_EABSENT, "no loop around 0x%llx", (unsigned long long)file_addr);
        goto out;
    }
    osp_span body = osp_object_bytes(o, out->start, (size_t)(out->end - out->start));
    l.n = body.n ? cs_disasm(l.handle, body.p, body.n, out->start, MAX_LOOP, &insn) : 0;
    if (!l.n) {
        osp_fail(err, OSP_EABSENT, "the loop at 0x%llx cannot be disassembled", (unsigned long long)out->start);
        goto out;
    }
    l.insn = insn;
    classify(&l, out);
    ok = true;
out:
    if (insn)
        cs_free(insn, l.n);
    cs_close(&l.handle);
    return ok;
}

#else

bool osp_object_loop(osp_object *o, uint64_t file_addr, osp_loop *out, osp_err *err)
{
    (void)o;
    (void)file_addr;
    *out = (osp_loop){0};
    return osp_fail(err, OSP_EABSENT, "built without capstone");
}

#endif
