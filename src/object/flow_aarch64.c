/* SPDX-License-Identifier: Apache-2.0 */
/* flow_aarch64.c: unwind rows of aarch64 code that no table describes; flow.c says how a function is followed.
 *
 * Each instruction is a word (Arm Architecture Reference Manual, C4). Those that change the frame are additions to sp and
 * x29, loads and stores of a register or a pair relative to sp, and moves. A frame says how far the CFA, which is sp at
 * the entry, is from sp and from x29, and where x29 and the link register were saved. */
#include "object_internal.h"

#include <stdlib.h>

enum {
    X29 = 29,
    X30 = 30,
    SP = 31, /* also the number of the zero register */
    MAX_FRAME = 1 << 20,
    LOST = INT32_MIN,
    SIGRETURN_NR = 139,
};

typedef struct {
    int32_t sp;            /* CFA - sp; LOST where sp was made from something else */
    int32_t fp;            /* CFA - x29, where x29 leads to the frame; LOST: it does not */
    int32_t fp_at, ret_at; /* x29 and the return address are at CFA - that; 0: they are in their registers */
    bool link_lost;        /* something was called before the return address was saved */
    bool known;            /* followed from where a function is known to begin */
    bool root;             /* x29 was zeroed at its begin: nothing called this */
    bool reached;
    uint8_t number_in; /* the register that a number was put into last; SP: none */
    uint32_t number;
} frame;

typedef struct {
    const uint8_t *code;
    uint32_t n;     /* bytes, a multiple of 4 */
    frame *at;      /* by word */
    uint32_t *todo; /* words where a path begins */
    uint32_t ntodo;
    bool jumps_away; /* through a register, from frame `away` */
    frame away;
} function;

static int32_t signed_bits(uint32_t v, unsigned at, unsigned n) { return (int32_t)(v << (32 - at - n)) >> (32 - n); }

static uint32_t word_at(const function *f, uint32_t i) { return osp_le32(f->code + 4 * (size_t)i); }

/* ---- what instructions do to the frame ----------------------------------------------------------------------- */

/* base + disp, as a distance from the CFA. */
static int32_t distance(const frame *f, unsigned base, int64_t disp)
{
    int32_t from = base == SP ? f->sp : base == X29 ? f->fp : LOST;
    return from == LOST || disp > MAX_FRAME || disp < -MAX_FRAME || from - disp > MAX_FRAME ? LOST
                                                                                            : from - (int32_t)disp;
}

static void set(frame *f, unsigned reg, int32_t to)
{
    if (reg == SP)
        f->sp = to;
    else if (reg == X29)
        f->fp = to;
    else if (reg == X30) /* moved back from where assembly had kept it */
        f->link_lost = false;
}

static void store(frame *f, unsigned reg, int32_t at)
{
    if (at == LOST || at <= 0)
        return;
    if (reg == X29 && !f->fp_at && f->fp == LOST)
        f->fp_at = at;
    else if (reg == X30 && !f->ret_at && !f->link_lost)
        f->ret_at = at;
}

static void load(frame *f, unsigned reg, int32_t at)
{
    if (reg == X29) {
        f->fp = LOST;
        if (at != LOST && at == f->fp_at)
            f->fp_at = 0;
    } else if (reg == X30 && at != LOST && at == f->ret_at) {
        f->ret_at = 0;
    }
}

enum { POST = 1, OFFSET = 2, PRE = 3 };

/* A load or store of registers a and, unless it is SP, b, which lie size bytes apart at base + disp. */
static void access(frame *f, bool loads, bool general, unsigned a, unsigned b, unsigned size, unsigned base,
                   int64_t disp, unsigned how)
{
    int32_t at = distance(f, base, how == POST ? 0 : disp);
    if (how == PRE)
        set(f, base, at);
    if (general && size == 8 && (base == SP || base == X29)) {
        (loads ? load : store)(f, a, at);
        if (b != SP)
            (loads ? load : store)(f, b, at == LOST ? LOST : at - 8);
    } else if (general && loads) {
        load(f, a, LOST);
        load(f, b, LOST);
    }
    if (how == POST)
        set(f, base, distance(f, base, disp));
}

/* The classes of loads and stores that can address by sp. */
static void memory(frame *f, uint32_t w)
{
    bool vector = w >> 26 & 1, loads = w >> 22 & 1;
    unsigned base = w >> 5 & 31, a = w & 31, b = w >> 10 & 31;
    if ((w & 0x3a000000) == 0x28000000) { /* a pair */
        unsigned how = w >> 23 & 3, opc = w >> 30, size = vector ? 4u << opc : opc == 2 ? 8 : 4;
        access(f, loads, !vector, a, b, size, base, (int64_t)signed_bits(w, 15, 7) * size, how ? how : OFFSET);
    } else if ((w & 0x3b000000) == 0x39000000) { /* one, unsigned offset */
        unsigned size = 1u << (w >> 30), opc = w >> 22 & 3;
        access(f, opc != 0, !vector, a, SP, size, base, (int64_t)(w >> 10 & 0xfff) * size, OFFSET);
    } else if ((w & 0x3b200000) == 0x38000000) { /* one, signed offset of 9 bits, perhaps written back */
        unsigned how = w >> 10 & 3, opc = w >> 22 & 3;
        access(f, opc != 0, !vector, a, SP, 1u << (w >> 30), base, signed_bits(w, 12, 9), how == 0 ? OFFSET : how);
    }
}

/* movz, movk: what a frame too large for an immediate is made with. */
static void note_number(frame *f, uint32_t w)
{
    unsigned to = w & 31, shift = 16 * (w >> 21 & 3);
    uint32_t bits = w >> 5 & 0xffff;
    bool movz = (w & 0xff800000) == 0xd2800000, movk = (w & 0xff800000) == 0xf2800000 && f->number_in == to;
    if (!movz && !movk) {
        f->number_in = to == f->number_in ? (uint8_t)SP : f->number_in;
        return;
    }
    f->number = (movk ? f->number : 0) | (shift < 32 ? bits << shift : 0);
    f->number_in = shift < 32 ? (uint8_t)to : (uint8_t)SP;
}

/* Data processing with an immediate or registers; Rd is 31 for sp in the first two only. */
static void compute(frame *f, uint32_t w)
{
    unsigned to = w & 31, from = w >> 5 & 31, by_reg = w >> 16 & 31;
    if ((w & 0xbfe0ffff) == 0x8b2063ff && by_reg != SP && by_reg == f->number_in) { /* add, sub sp, sp, xN */
        f->sp = distance(f, SP, w & 0x40000000 ? -(int64_t)f->number : (int64_t)f->number);
        return;
    }
    if ((w & 0xbf800000) == 0x91000000 || (w & 0xff800000) == 0xd1000000) { /* add, sub, 64 bits */
        int64_t by = (int64_t)(w >> 10 & 0xfff) << (w >> 22 & 1 ? 12 : 0);
        if ((w & 0x80000000) && !(w & 0x20000000))
            set(f, to, distance(f, from, w & 0x40000000 ? -by : by));
    } else if ((w & 0x1f800000) == 0x12000000 || (w & 0x1fe00000) == 0x0b200000) { /* logical; add, sub, extended */
        bool flags = (w & 0x1f800000) == 0x12000000 ? (w >> 29 & 3) == 3 : w >> 29 & 1;
        if (!flags || to != SP)
            set(f, to, LOST);
    } else if (w == 0xd280001d && f->known && f->sp == 0) { /* mov x29, #0 */
        f->root = true;
    } else if (to == X29 || to == X30) {
        set(f, to, LOST);
    }
}

/* ---- following ------------------------------------------------------------------------------------------------ */

static void add_path(function *f, int64_t to, const frame *with)
{
    if (to < 0 || to >= f->n / 4 || f->at[to].reached)
        return;
    f->at[to] = *with;
    f->at[to].reached = true;
    f->todo[f->ntodo++] = (uint32_t)to;
}

/* Branches are noted. False where the path ends. */
static bool branch(function *f, uint32_t w, uint32_t i, frame *now)
{
    if ((w & 0x7c000000) == 0x14000000) { /* b, bl */
        if (!(w & 0x80000000)) {
            add_path(f, i + (int64_t)signed_bits(w, 0, 26), now);
            return false;
        }
        now->link_lost |= !now->ret_at;
        return true;
    }
    if ((w & 0xff000000) == 0x54000000 || (w & 0x7e000000) == 0x34000000) /* b.cond, cbz */
        add_path(f, i + (int64_t)signed_bits(w, 5, 19), now);
    else if ((w & 0x7e000000) == 0x36000000) /* tbz */
        add_path(f, i + (int64_t)signed_bits(w, 5, 14), now);
    else if ((w & 0xfe000000) == 0xd6000000) { /* br, blr, ret, and with authentication */
        unsigned what = w >> 21 & 7;
        if (what == 1)
            now->link_lost |= !now->ret_at;
        if (what == 0) {
            f->jumps_away = true;
            f->away = *now;
        }
        return what == 1;
    } else if ((w & 0xffe0001f) == 0xd4200000) { /* brk */
        return false;
    }
    return true;
}

/* One instruction; false where the path ends. */
static bool flow_on(function *f, uint32_t w, uint32_t i, frame *now)
{
    unsigned class = w >> 25 & 15;
    if (w < 0x10000) /* udf */
        return false;
    if ((class & 14) == 10)
        return branch(f, w, i, now);
    if ((class & 5) == 4)
        memory(now, w);
    else if ((class & 14) == 8 || (class & 7) == 5)
        compute(now, w);
    note_number(now, w);
    return true;
}

static void follow_all(function *f)
{
    while (f->ntodo) {
        uint32_t i = f->todo[--f->ntodo];
        frame now = f->at[i];
        do {
            f->at[i] = now;
            f->at[i].reached = true;
        } while (flow_on(f, word_at(f, i), i, &now) && ++i < f->n / 4 && !f->at[i].reached);
    }
}

static bool is_padding(uint32_t w) { return w == 0 || w == 0xd503201f; /* nop */ }

/* Does code like this begin a function? bti c, paciasp, stp or str to sp - N, sub sp, sp, N */
static bool is_prologue(uint32_t w)
{
    return w == 0xd503245f || w == 0xd503233f || (w & 0xffc003e0) == 0xa98003e0 || (w & 0xffe00fe0) == 0xf8000fe0 ||
           (w & 0xff8003ff) == 0xd10003ff;
}

static void follow_range(function *f, bool known)
{
    frame fresh = {.fp = LOST, .known = known, .number_in = SP};
    for (uint32_t i = 0; i < f->n / 4; i++) {
        uint32_t w = word_at(f, i);
        if (f->at[i].reached || (is_padding(w) && !(i == 0 && known)))
            continue;
        bool in_table = f->jumps_away && !is_prologue(w);
        if (!in_table)
            f->jumps_away = false;
        add_path(f, i, in_table ? &f->away : &fresh);
        follow_all(f);
        fresh.known = false;
    }
}

static uint32_t rule_of(const frame *f)
{
    if (f->root)
        return osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_THREAD, 0);
    bool by_sp = f->sp != LOST;
    int32_t cfa = by_sp ? f->sp : f->fp;
    if (cfa == LOST || cfa < 0)
        return OSP_RULE_UNKNOWN;
    if (f->ret_at && f->fp_at == f->ret_at + 8)
        return osp_rule_record(by_sp ? OSP_RULE_SP_RECORD : OSP_RULE_FP_RECORD, cfa, -f->fp_at);
    if (f->ret_at && !f->fp_at && by_sp)
        return osp_rule_record(OSP_RULE_SP_RETURN, cfa, -f->ret_at);
    if (!f->ret_at && !f->link_lost && by_sp && cfa % 8 == 0 && f->fp_at % 8 == 0 && cfa <= OSP_RULE_CFA_MAX &&
        -f->fp_at >= OSP_RULE_FP_MIN)
        return osp_rule_make(OSP_RULE_LINK, cfa, -f->fp_at);
    return OSP_RULE_UNKNOWN;
}

/* A signal handler's return: mov x8, #139; svc #0. The kernel's and the C libraries' have no table, or none that says
 * more. */
static bool is_sigreturn(const function *f, uint32_t i)
{
    return i + 1 < f->n / 4 && word_at(f, i) == (0xd2800008 | SIGRETURN_NR << 5) && word_at(f, i + 1) == 0xd4000001;
}

bool osp_flow_aarch64(osp_span code, uint64_t addr, bool known, osp_row_list *out)
{
    uint32_t words = (uint32_t)(code.n / 4);
    function f = {.code = code.p, .n = 4 * words};
    f.at = calloc(words + 1, sizeof *f.at);
    f.todo = malloc((words + 1) * sizeof *f.todo);
    bool ok = f.at && f.todo;
    if (ok)
        follow_range(&f, known);
    for (uint32_t i = 0; ok && i < words; i++) {
        if (is_sigreturn(&f, i)) {
            /* Return addresses are looked up one byte before; while the kernel works, the pc is one word behind. */
            osp_row_add(out, addr + 4 * i - 1, OSP_RULE_SIGFRAME_LINK);
            i += 2;
        } else if (f.at[i].reached) {
            osp_row_add(out, addr + 4 * i, rule_of(&f.at[i]));
        }
    }
    free(f.at);
    free(f.todo);
    return ok;
}

/* ---- where functions begin ------------------------------------------------------------------------------------ */

bool osp_flow_aarch64_pads(osp_span code)
{
    for (size_t i = 0; i + 4 <= code.n; i += 4)
        if (!is_padding(osp_le32(code.p + i)))
            return false;
    return true;
}

bool osp_flow_aarch64_calls(uint32_t word, uint64_t at, uint64_t *target)
{
    *target = at + (uint64_t)((int64_t)signed_bits(word, 0, 26) * 4);
    return (word & 0xfc000000) == 0x94000000;
}
