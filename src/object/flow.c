/* SPDX-License-Identifier: Apache-2.0 */
/* flow.c: unwind rows of code that no table describes: musl, the assembly of codecs and big numbers, programs built
 * without tables. Here is what x86-64 needs, and what all machines share; flow_aarch64.c has the other's instructions.
 *
 * Each function is followed from its entry along all its branches, with the frame at each instruction: how far the CFA is
 * from rsp (8 at the entry), from rbp where rbp leads to the frame, and where the caller's rbp was saved. Only the
 * instructions that change these are understood; of all others the size is enough (Intel SDM 2, chapter 2 and appendix A).
 *
 * Functions begin at symbols, at what is called, at what an address is taken of, and behind the end of another one. Code
 * that no branch leads to belongs to a jump table if its function jumps through a register, and stands at that jump's
 * frame. */
#include "object_internal.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/search.h"

#include <elf.h>
#include <stdlib.h>

enum {
    MAX_FUNCTION = 1 << 18, /* bytes of code followed at once */
    MAX_FRAME = 1 << 20,
    MAX_STARTS = 1 << 22,
    READ_AT_ONCE = 8 << 20,
    SCRAPS = 4096,  /* a section as small as that is quickly read */
    SCRAP = 32,     /* so few bytes (_init, _fini) are one function: not worth reading all of a file for */
    MOST_TORN = 16, /* false starts that are passed over */
    SYMBOLS_LIMIT = 256 << 20,
    RBP = 5, /* as instructions number it */
    RSP = 4,
};

/* ---- instructions ------------------------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *p;
    uint8_t size, rex, op, modrm_at; /* modrm_at: 0 = has none */
    uint8_t map;                     /* of opcodes: 0 one byte, 1 behind 0f, 2 behind 0f 38, 3 behind 0f 3a */
    bool vex, word;                  /* word: operands of 16 bits */
} insn;

/* Operands of a one-byte opcode: M a ModRM byte; 1, 2, 4 bytes of immediate (4: 2 with prefix 66); A an address; else
 * none. */
static const char one_byte[257] =
    /* 0 */ "MMMM14..MMMM14.."
            /* 1 */ "MMMM14..MMMM14.."
            /* 2 */ "MMMM14..MMMM14.."
            /* 3 */ "MMMM14..MMMM14.."
            /* 4 */ "................"
            /* 5 */ "................"
            /* 6 */ "...M....4m1n...."
            /* 7 */ "1111111111111111"
            /* 8 */ "nmnnMMMMMMMMMMMM"
            /* 9 */ "................"
            /* a */ "AAAA....14......"
            /* b */ "11111111VVVVVVVV"
            /* c */ "nn2...nm3.2..1.."
            /* d */ "MMMM....MMMMMMMM"
            /* e */ "1111111144.1...."
            /* f */ "......MM......MM";

/* Behind 0f: those without a ModRM byte. */
static bool is_bare_0f(uint8_t op)
{
    return (op >= 0x05 && op <= 0x09) || op == 0x0b || op == 0x0e || (op >= 0x30 && op <= 0x37) || op == 0x77 ||
           (op >= 0x80 && op <= 0x8f) || (op >= 0xa0 && op <= 0xa2) || (op >= 0xa8 && op <= 0xaa) ||
           (op >= 0xc8 && op <= 0xcf);
}

static bool has_imm8_0f(uint8_t op)
{
    return (op >= 0x70 && op <= 0x73) || op == 0xa4 || op == 0xac || op == 0xba || op == 0xc2 ||
           (op >= 0xc4 && op <= 0xc6) || op == 0x0f;
}

/* ModRM, SIB and displacement; more than there is if they do not fit. */
static size_t modrm_size(const uint8_t *p, size_t n)
{
    if (n < 2)
        return 1;
    unsigned mod = p[0] >> 6, rm = p[0] & 7;
    if (mod == 3)
        return 1;
    bool sib = rm == 4, far = mod == 2 || (mod == 0 && (sib ? p[1] & 7 : rm) == 5);
    return 1u + sib + (far ? 4 : mod == 1 ? 1 : 0);
}

/* What follows a one-byte opcode. */
static size_t operands_size(insn *in, size_t at, size_t n)
{
    size_t word = in->word ? 2 : 4;
    uint8_t op = in->op;
    char kind = one_byte[op];
    bool group = (op == 0xf6 || op == 0xf7) && at < n && (in->p[at] >> 3 & 7) < 2; /* test */
    if (kind == 'M' || kind == 'm' || kind == 'n') {
        in->modrm_at = (uint8_t)at;
        size_t modrm = modrm_size(in->p + at, n - at);
        if (kind == 'n' || (group && op == 0xf6))
            return modrm + 1;
        return modrm + (kind == 'm' && op != 0x6b ? word : kind == 'm' ? 1 : group ? word : 0);
    }
    switch (kind) {
    case '1':
        return 1;
    case '2':
        return 2;
    case '3': /* enter */
        return 3;
    case '4':
        return op == 0xe8 || op == 0xe9 ? 4 : word;
    case 'V':
        return in->rex & 8 ? 8 : word;
    case 'A':
        return 8;
    default:
        return 0;
    }
}

/* The VEX or EVEX prefix at p[at]: its size, and the map. 0 if it is none. */
static size_t vex_prefix(insn *in, size_t at, size_t n)
{
    uint8_t b = in->p[at];
    size_t size = b == 0xc5 ? 2 : b == 0xc4 ? 3 : b == 0x62 ? 4 : 0;
    if (size == 0 || n - at < size + 2)
        return 0;
    in->vex = true;
    in->map = size == 2 ? 1 : in->p[at + 1] & (size == 3 ? 31 : 7);
    return size;
}

static bool decode(const uint8_t *p, size_t n, insn *out)
{
    insn in = {.p = p};
    size_t at = 0;
    n = n < 15 ? n : 15;
    while (at < n &&
           (p[at] == 0x66 || p[at] == 0x67 || p[at] == 0xf0 || p[at] == 0xf2 || p[at] == 0xf3 || p[at] == 0x2e ||
            p[at] == 0x36 || p[at] == 0x3e || p[at] == 0x26 || p[at] == 0x64 || p[at] == 0x65))
        in.word |= p[at++] == 0x66;
    if (at < n && (p[at] & 0xf0) == 0x40)
        in.rex = p[at++];
    if (at >= n)
        return false;
    size_t vex = vex_prefix(&in, at, n);
    at += vex;
    if (!vex && p[at] == 0x0f) {
        in.map = 1;
        if (++at < n && (p[at] == 0x38 || p[at] == 0x3a))
            in.map = p[at++] == 0x38 ? 2 : 3;
    }
    if (at >= n)
        return false;
    in.op = p[at++];
    if (in.map == 0 && !vex) {
        at += operands_size(&in, at, n);
    } else if (in.map != 1 || !is_bare_0f(in.op)) {
        if (at >= n)
            return false;
        in.modrm_at = (uint8_t)at;
        at += modrm_size(p + at, n - at) + (in.map == 3 || (in.map == 1 && has_imm8_0f(in.op)));
    } else if (!vex && in.op >= 0x80 && in.op <= 0x8f) {
        at += 4;
    }
    in.size = (uint8_t)at;
    *out = in;
    return at <= n && (!vex || (in.map >= 1 && in.map <= 6));
}

static unsigned reg_of(const insn *in) { return (in->p[in->modrm_at] >> 3 & 7) | (in->rex & 4u) << 1; }

/* The register that ModRM names as its other operand; 16 if that is memory. */
static unsigned rm_of(const insn *in)
{
    uint8_t m = in->p[in->modrm_at];
    return m >> 6 == 3 ? (m & 7u) | (in->rex & 1u) << 3 : 16;
}

/* The base register and displacement of an operand [base + disp]; false for any other. */
static bool memory_of(const insn *in, unsigned *base, int32_t *disp)
{
    const uint8_t *p = in->p + in->modrm_at;
    unsigned mod = p[0] >> 6, rm = p[0] & 7;
    const uint8_t *d = p + 1 + (rm == 4);
    if (mod == 3 || in->rex & 3 || (rm == 4 && p[1] != 0x24) || (mod == 0 && rm == 5))
        return false;
    *base = rm;
    *disp = mod == 0 ? 0 : mod == 1 ? (int8_t)d[0] : (int32_t)osp_le32(d);
    return true;
}

static int32_t immediate(const insn *in, bool byte)
{
    return byte ? (int8_t)in->p[in->size - 1] : (int32_t)osp_le32(in->p + in->size - 4);
}

/* ---- frames ------------------------------------------------------------------------------------------------- */

typedef struct {
    int32_t sp;    /* CFA - rsp; LOST where rsp was made from something else */
    int32_t fp;    /* CFA - rbp, where rbp leads to the frame; 0: it does not */
    int32_t saved; /* the caller's rbp is at CFA - saved; 0: it is in rbp */
    bool known;    /* followed from where a function is known to begin, not just behind the end of another */
    bool root;     /* rbp was zeroed to say that nothing called this */
    uint8_t size;  /* of the instruction; 0 = not reached */
} frame;

enum { LOST = INT32_MIN };

static void push_word(frame *f, bool rbp)
{
    if (f->sp == LOST)
        return;
    f->sp += 8;
    if (rbp && !f->saved && !f->fp)
        f->saved = f->sp;
}

static void pop_word(frame *f, unsigned reg)
{
    if (reg == RBP)
        f->saved = f->fp = 0;
    if (reg == RSP)
        f->sp = LOST;
    else if (f->sp != LOST)
        f->sp -= 8;
}

/* rsp = base + disp */
static void sp_from(frame *f, unsigned base, int64_t disp)
{
    int32_t from = base == RSP ? f->sp : base == RBP && f->fp ? f->fp : LOST;
    f->sp = from == LOST || disp > MAX_FRAME || disp < -MAX_FRAME ? LOST : from - (int32_t)disp;
}

/* rbp = base + disp */
static void fp_from(frame *f, unsigned base, int64_t disp)
{
    bool of_frame = base == RSP && f->sp != LOST && f->saved && disp <= MAX_FRAME && disp >= -MAX_FRAME;
    f->fp = of_frame && f->sp > disp ? f->sp - (int32_t)disp : 0;
}

static void arithmetic(frame *f, const insn *in)
{
    unsigned what = in->p[in->modrm_at] >> 3 & 7, rm = rm_of(in);
    int64_t by = immediate(in, in->op == 0x83);
    if (rm == RSP)
        sp_from(f, what == 0 || what == 5 ? (unsigned)RSP : 16, what == 5 ? -by : by);
    else if (rm == RBP && what != 7 && f->fp)
        f->fp = 0;
}

/* mov between registers, or of rbp to and from the stack. */
static void move(frame *f, const insn *in)
{
    bool load = in->op == 0x8b;
    unsigned reg = reg_of(in), rm = rm_of(in), to = load ? reg : rm, from = load ? rm : reg, base;
    int32_t disp;
    if (rm == 16 && reg == RBP && memory_of(in, &base, &disp) && base == RSP && f->sp != LOST) {
        if (!load && !f->saved && disp >= 0 && disp < f->sp)
            f->saved = f->sp - disp;
        else if (load && f->saved == f->sp - disp)
            f->saved = f->fp = 0;
        return;
    }
    if (to == RSP)
        sp_from(f, from, 0);
    else if (to == RBP)
        fp_from(f, from, 0);
}

/* Opcodes of two operands whose first, a register or memory, is changed. */
static bool writes_first(uint8_t op) { return op < 0x40 && (op & 7) < 4 && (op & 0x38) != 0x38; }

/* What a one-byte opcode does to the frame. */
static void change(frame *f, const insn *in)
{
    uint8_t op = in->op;
    unsigned low = (op & 7u) | (in->rex & 1u) << 3, base;
    int32_t disp;
    if (op >= 0x50 && op <= 0x57) {
        push_word(f, low == RBP);
    } else if (op >= 0x58 && op <= 0x5f) {
        pop_word(f, low);
    } else if (op == 0x68 || op == 0x6a || op == 0x9c) {
        push_word(f, false);
    } else if (op == 0x9d || op == 0x8f) {
        pop_word(f, 16);
    } else if (op == 0xff && (in->p[in->modrm_at] >> 3 & 7) == 6) {
        push_word(f, false);
    } else if (op == 0xc9) { /* leave */
        f->sp = f->fp ? f->fp : LOST;
        pop_word(f, RBP);
    } else if (op == 0x81 || op == 0x83) {
        arithmetic(f, in);
    } else if (op == 0x89 || op == 0x8b) {
        move(f, in);
    } else if (op == 0x8d && (reg_of(in) == RSP || reg_of(in) == RBP)) {
        base = 16;
        disp = 0;
        (void)memory_of(in, &base, &disp);
        (reg_of(in) == RSP ? sp_from : fp_from)(f, base, disp);
    } else if (op >= 0xb8 && op <= 0xbf) {
        f->sp = low == RSP ? LOST : f->sp;
        f->fp = low == RBP ? 0 : f->fp;
    } else if ((op == 0x31 || op == 0x33) && reg_of(in) == RBP && rm_of(in) == RBP) {
        f->root |= f->known && f->sp == 8;
    } else if (in->modrm_at && writes_first(op)) {
        unsigned to = op & 2 ? reg_of(in) : rm_of(in);
        if (to == RSP)
            f->sp = LOST;
        if (to == RBP)
            f->fp = 0;
    } else if (op == 0x87 && (reg_of(in) == RSP || rm_of(in) == RSP)) {
        f->sp = LOST;
    }
}

static uint32_t rule_of(const frame *f)
{
    if (f->root)
        return osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_THREAD, 0);
    /* Where rbp is a frame pointer as compilers set it, it is the surer way: a callee may have taken its arguments off the
     * stack, as V8's do. */
    bool by_fp = f->sp == LOST || (f->fp && f->fp == f->saved);
    int32_t cfa = by_fp ? f->fp : f->sp;
    if (cfa < 8 || cfa % 8 || cfa > OSP_RULE_CFA_MAX || f->saved % 8 || -f->saved < OSP_RULE_FP_MIN)
        return OSP_RULE_UNKNOWN;
    return osp_rule_make(by_fp ? OSP_RULE_FP : OSP_RULE_SP, cfa, -f->saved);
}

/* ---- functions ---------------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t start; /* address of the code */
    const uint8_t *code;
    uint32_t n, more; /* bytes of it, and how many there are to look at */
    bool entry;       /* the kernel jumps to its begin: nothing called it */
    bool torn;        /* an instruction reaches past its end: that is no place where a function begins */
    frame *at;        /* by offset in the code */
    uint32_t *todo;   /* offsets where a path begins */
    uint32_t ntodo;
    bool jumps_away; /* through a register or memory, from frame `away` */
    frame away;
} function;

static void add_path(function *f, uint64_t to, const frame *with)
{
    if (to >= f->n || f->at[to].size || f->ntodo >= f->n)
        return;
    f->at[to] = *with;
    f->at[to].size = 1; /* claimed; the real size comes when it is followed */
    f->todo[f->ntodo++] = (uint32_t)to;
}

/* One instruction at `at` whose frame is *now: branches are noted. False where the path ends. */
static bool flow_on(function *f, const insn *in, uint32_t at, frame *now)
{
    uint8_t op = in->op;
    uint64_t next = (uint64_t)at + in->size;
    if (in->vex || in->map > 1)
        return true;
    if (in->map == 1) {
        if (op >= 0x80 && op <= 0x8f)
            add_path(f, next + (uint64_t)(int64_t)immediate(in, false), now);
        return op != 0x0b; /* ud2 */
    }
    if ((op >= 0x70 && op <= 0x7f) || (op >= 0xe0 && op <= 0xe3) || op == 0xeb)
        add_path(f, next + (uint64_t)(int64_t)immediate(in, true), now);
    if (op == 0xe9)
        add_path(f, next + (uint64_t)(int64_t)immediate(in, false), now);
    if (op == 0xff && (in->p[in->modrm_at] >> 3 & 7) == 4) {
        f->jumps_away = true;
        f->away = *now;
        return false;
    }
    change(now, in);
    return op != 0xe9 && op != 0xeb && op != 0xc3 && op != 0xc2 && op != 0xf4 && op != 0xcc;
}

static uint32_t padding(const uint8_t *p, uint32_t n);

/* A register that functions save for their caller, pushed. */
static bool pushes_saved(const insn *in)
{
    unsigned reg = (in->op & 7u) | (in->rex & 1u) << 3;
    return in->map == 0 && !in->vex && in->op >= 0x50 && in->op <= 0x57 && (reg == 3 || reg == RBP || reg >= 12);
}

static bool is_call(const insn *in) { return in->map == 0 && !in->vex && in->op == 0xe8; }

/* Does a call there not return, since behind it another function begins? One that is jumped to alone is known by nothing
 * else: an aligned place, where saved registers are pushed, two of them among the first instructions. */
static bool ends_at_call(const function *f, uint32_t next)
{
    enum { FIRST = 4 };
    insn in;
    uint32_t at = next + (next < f->n ? padding(f->code + next, f->n - next) : 0);
    unsigned pushes = 0;
    if (at >= f->n || (f->start + at) % 16 != 0 || !decode(f->code + at, f->n - at, &in) || !pushes_saved(&in))
        return false;
    for (unsigned i = 0; i < FIRST && at < f->n && decode(f->code + at, f->n - at, &in); i++, at += in.size)
        pushes += pushes_saved(&in);
    return pushes >= 2;
}

static void follow(function *f, uint32_t at)
{
    frame now = f->at[at];
    insn in;
    while (at < f->n && decode(f->code + at, f->more - at, &in)) {
        if (in.size > f->n - at) {
            f->torn |= now.known;
            return;
        }
        f->at[at] = now;
        f->at[at].size = in.size;
        bool goes_on = flow_on(f, &in, at, &now);
        at += in.size;
        if (!goes_on || at >= f->n || f->at[at].size || (is_call(&in) && ends_at_call(f, at)))
            return;
    }
}

static void follow_all(function *f)
{
    while (f->ntodo)
        follow(f, f->todo[--f->ntodo]);
}

/* Bytes of padding at the start of these. */
static uint32_t padding(const uint8_t *p, uint32_t n)
{
    insn in;
    uint32_t at = 0;
    while (at < n && decode(p + at, n - at, &in)) {
        bool nop = in.map == 0 && !in.vex && (in.op == 0x90 || in.op == 0xcc);
        bool long_nop = in.map == 1 && !in.vex && in.op == 0x1f;
        bool zero = p[at] == 0 && at + 1 < n && p[at + 1] == 0;
        if (!nop && !long_nop && !zero)
            break;
        at += in.size;
    }
    return at < n ? at : n;
}

/* Does code like this begin a function? endbr64, push, sub rsp */
static bool is_prologue(const uint8_t *p, uint32_t n)
{
    static const uint8_t endbr[] = {0xf3, 0x0f, 0x1e, 0xfa};
    return (n >= 1 && (p[0] & 0xf8) == 0x50) || (n >= 2 && p[0] == 0x41 && (p[1] & 0xf8) == 0x50) ||
           (n >= 4 && memcmp(p, endbr, 4) == 0) ||
           (n >= 3 && p[0] == 0x48 && (p[1] == 0x83 || p[1] == 0x81) && p[2] == 0xec);
}

/* Follow a range of code, at whose first byte a function is known to begin or not. */
static void follow_range(function *f, bool known)
{
    frame fresh = {.sp = 8, .known = known, .root = f->entry};
    memset(f->at, 0, f->n * sizeof *f->at);
    f->ntodo = 0;
    f->jumps_away = f->torn = false;
    for (uint32_t at = padding(f->code, f->n); at < f->n;) {
        if (f->at[at].size) {
            at += f->at[at].size;
            continue;
        }
        uint32_t skip = padding(f->code + at, f->n - at);
        if (skip) {
            at += skip;
            continue;
        }
        bool in_table = f->jumps_away && !is_prologue(f->code + at, f->n - at);
        if (!in_table)
            f->jumps_away = false;
        add_path(f, at, in_table ? &f->away : &fresh);
        follow_all(f);
        fresh.known = fresh.root = false;
        at += f->at[at].size;
    }
}

/* A signal handler's return: mov $15, %eax (or %rax); syscall. */
static bool is_sigreturn(const uint8_t *p, uint32_t n)
{
    static const uint8_t with_rax[] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05};
    static const uint8_t with_eax[] = {0xb8, 15, 0, 0, 0, 0x0f, 0x05};
    return (n >= sizeof with_rax && memcmp(p, with_rax, sizeof with_rax) == 0) ||
           (n >= sizeof with_eax && memcmp(p, with_eax, sizeof with_eax) == 0);
}

static void add_rows(const function *f, uint64_t addr, osp_row_list *out)
{
    for (uint32_t at = 0; at < f->n;) {
        const frame *x = &f->at[at];
        if (x->size && x->sp == 8 && is_sigreturn(f->code + at, f->n - at)) {
            /* Return addresses are looked up one byte before; while the kernel works, the pc is one byte behind. */
            osp_row_add(out, addr + at - 1, OSP_RULE_SIGFRAME);
            at += 10;
            continue;
        }
        if (x->size)
            osp_row_add(out, addr + at, rule_of(x));
        at += x->size ? x->size : 1;
    }
}

/* ---- a range of a file -------------------------------------------------------------------------------------- */

/* What is looked for: starts in the gaps. */
typedef struct {
    osp_flow *to;
    const osp_extent *gap;
    size_t n;
    uint64_t first, end;
} seeker;

static void add_start(const seeker *s, uint64_t addr)
{
    osp_flow *w = s->to;
    if (addr < s->first || addr >= s->end)
        return;
    size_t i = osp_rows_upto(s->gap, s->n, sizeof *s->gap, addr);
    if (i == 0 || addr >= s->gap[i - 1].end)
        return;
    if (w->n < MAX_STARTS && osp_grow((void **)&w->start, &w->cap, w->n + 1, sizeof *w->start))
        w->start[w->n++] = addr; /* else a function stays part of the one before */
}

/* May a function begin there? Aligned, or right behind a return or padding. */
static bool is_possible_start(const osp_elf *e, uint64_t addr)
{
    if (!osp_elf_is_code(e, addr) || addr % 16 == 0)
        return osp_elf_is_code(e, addr);
    if (e->machine == EM_AARCH64)
        return addr % 4 == 0;
    osp_span b = osp_elf_from(e, addr - 1);
    return b.n && (b.p[0] == 0xc3 || b.p[0] == 0x90 || b.p[0] == 0xcc || b.p[0] == 0);
}

/* `size` bytes at p, which stand at addr, end with a distance to what may be a function. */
static void note_target(const seeker *s, const uint8_t *p, uint64_t addr, unsigned size)
{
    int64_t by = (int32_t)osp_le32(p + size - 4);
    uint64_t to = addr + size + (uint64_t)by;
    if (by != 0 && to >= s->first && to < s->end &&
        is_possible_start(s->to->elf, to)) /* 0: code that asks where it stands */
        add_start(s, to);
}

/* What the code at [from, to) calls (e8 rel32) and takes the address of (lea reg, [rip + disp32]: 48 or 4c, 8d, modrm), at
 * whatever byte that seems to stand. */
static void find_starts(const seeker *s, uint64_t from, uint64_t to)
{
    const osp_elf *e = s->to->elf;
    osp_span b = osp_elf_from(e, from);
    uint64_t called;
    if (e->machine == EM_AARCH64) {
        for (size_t i = 0; i + 4 <= b.n && i < to - from; i += 4)
            if (osp_flow_aarch64_calls(osp_le32(b.p + i), from + i, &called) && is_possible_start(e, called))
                add_start(s, called);
        return;
    }
    const uint8_t *end = b.p + (to - from < b.n ? to - from : b.n);
    for (const uint8_t *p = b.p; p < end && (p = memchr(p, 0xe8, (size_t)(end - p))); p++)
        if (b.n - (size_t)(p - b.p) >= 5)
            note_target(s, p, from + (uint64_t)(p - b.p), 5);
    for (const uint8_t *p = b.p; p < end && (p = memchr(p, 0x8d, (size_t)(end - p))); p++)
        if (p > b.p && (p[-1] & 0xfb) == 0x48 && b.n - (size_t)(p - b.p) >= 6 && (p[1] & 0xc7) == 0x05)
            note_target(s, p - 1, from + (uint64_t)(p - b.p) - 1, 7);
    osp_file_rest(&(osp_file){e->bytes, e->mapped});
}

/* What tables of function pointers point at. */
static void find_pointed(const seeker *s)
{
    const osp_elf *e = s->to->elf;
    uint32_t relative = e->machine == EM_AARCH64 ? R_AARCH64_RELATIVE : R_X86_64_RELATIVE;
    osp_span table[2];
    osp_elf_relocs(e, table);
    for (size_t i = 0; i < table[0].n / OSP_RELA_SIZE; i++) {
        osp_reloc r = osp_elf_reloc_at(table[0], i);
        if (r.type == relative && is_possible_start(e, (uint64_t)r.addend))
            add_start(s, (uint64_t)r.addend);
    }
}

static int by_value(const void *pa, const void *pb)
{
    const uint64_t *a = pa, *b = pb;
    return (*a > *b) - (*a < *b);
}

void osp_flow_open(osp_flow *w, const osp_elf *e, const osp_elf *debug, const osp_pcln *go, const osp_extents *gaps,
                   const osp_extent *code, size_t ncode)
{
    osp_code_symbols symbols = {0};
    osp_arena a;
    osp_err ignored; /* symbols are not needed */
    bool worth = false;
    *w = (osp_flow){.elf = e};
    if (gaps->n == 0)
        return;
    seeker s = {w, gaps->row, gaps->n, gaps->row[0].start, gaps->row[gaps->n - 1].end};
    for (size_t i = 0; i < gaps->n; i++)
        worth |= gaps->row[i].end - gaps->row[i].start > SCRAP;
    add_start(&s, e->entry);
    osp_arena_init(&a, SYMBOLS_LIMIT);
    if (osp_code_symbols_read(&symbols, &a, e, debug, go ? go->text : 0, go ? go->etext : 0, &ignored))
        for (uint32_t i = 0; i < symbols.n; i++)
            add_start(&s, symbols.row[i].start);
    osp_arena_drop(&a);
    for (size_t i = 0; i < ncode; i++) {
        uint64_t at = code[i].start, end = code[i].end;
        for (uint64_t n; at < end && (worth || end - at <= SCRAPS); at += n) {
            n = end - at < READ_AT_ONCE ? end - at : READ_AT_ONCE;
            find_starts(&s, at, at + n);
        }
    }
    if (worth)
        find_pointed(&s);
    if (w->n)
        qsort(w->start, w->n, sizeof *w->start, by_value);
}

void osp_flow_drop(osp_flow *w)
{
    free(w->start);
    *w = (osp_flow){0};
}

/* Where the function that begins at `from` ends: where the next one begins, but for those that were found to be none. */
static uint64_t function_end(const osp_flow *w, uint64_t from, uint64_t to, size_t none, bool *known)
{
    size_t i = osp_rows_upto(w->start, w->n, sizeof *w->start, from);
    *known = i > 0 && w->start[i - 1] == from;
    while (none && i < w->n && w->start[i] < to)
        none -= i + 1 == w->n || w->start[i + 1] != w->start[i], i++;
    uint64_t end = i < w->n && w->start[i] < to ? w->start[i] : to;
    return end - from < MAX_FUNCTION ? end : from + MAX_FUNCTION;
}

bool osp_flow_is_padding(const osp_elf *e, uint64_t from, uint64_t to)
{
    osp_span b = osp_elf_from(e, from);
    uint64_t n = to - from;
    n = n < b.n ? n : b.n;
    if (e->machine == EM_AARCH64)
        return osp_flow_aarch64_pads((osp_span){b.p, (size_t)n});
    return n <= MAX_FUNCTION && padding(b.p, (uint32_t)n) >= n;
}

/* Does a process begin here? Libraries have an entry, too, often by chance; a real one looks at the stack that it was given
 * before anything else, as glibc's dynamic linker. The second part of that has a name of its own. */
static bool is_entry(const osp_elf *e, uint64_t at, osp_span code)
{
    static const uint8_t looks[] = {0x48, 0x89, 0xe7, 0xe8}; /* mov %rsp, %rdi; call */
    enum { SIZE = 8 };
    if (at == e->entry + SIZE)
        code = osp_elf_from(e, e->entry);
    return (at == e->entry || at == e->entry + SIZE) && code.n >= SIZE && memcmp(code.p, looks, sizeof looks) == 0;
}

bool osp_flow_rows(osp_flow *w, uint64_t from, uint64_t to, osp_row_list *out)
{
    function f = {0};
    uint64_t most = to - from < MAX_FUNCTION ? to - from : MAX_FUNCTION;
    f.at = malloc((size_t)most * sizeof *f.at + 1);
    f.todo = malloc((size_t)most * sizeof *f.todo + 1);
    bool ok = f.at && f.todo;
    for (uint64_t at = from, end = to; ok && at < to; at = end) {
        osp_span b = osp_elf_from(w->elf, at);
        bool known;
        if (w->elf->machine == EM_AARCH64) {
            end = function_end(w, at, to, 0, &known);
            if (b.n > end - at)
                b.n = (size_t)(end - at);
            ok = osp_flow_aarch64(b, at, known, out);
            continue;
        }
        f.code = b.p;
        f.start = at;
        f.torn = true;
        f.entry = is_entry(w->elf, at, b);
        for (size_t none = 0; f.torn && none < MOST_TORN; none++) {
            end = function_end(w, at, to, none, &known);
            f.n = (uint32_t)(b.n < end - at ? b.n : end - at);
            f.more = (uint32_t)(b.n < to - at ? b.n : to - at < MAX_FUNCTION ? to - at : MAX_FUNCTION);
            follow_range(&f, known);
        }
        add_rows(&f, at, out);
    }
    free(f.at);
    free(f.todo);
    return ok;
}

bool osp_flow_rule_by_sp(const osp_elf *e, const osp_extent *whole, uint64_t addr, uint32_t *rule)
{
    osp_span b = osp_elf_from(e, whole->start);
    uint64_t n = whole->end - whole->start < b.n ? whole->end - whole->start : b.n, at = addr - whole->start;
    if (addr < whole->start || at >= n || n > MAX_FUNCTION)
        return false;
    function f = {.start = whole->start, .code = b.p, .n = (uint32_t)n, .more = (uint32_t)n};
    f.at = malloc((size_t)n * sizeof *f.at);
    f.todo = malloc((size_t)n * sizeof *f.todo);
    bool ok = f.at && f.todo;
    if (ok) {
        follow_range(&f, true);
        while (at > 0 && f.at[at].size == 0)
            at--;
        frame there = f.at[at];
        there.fp = 0;
        ok = there.size && there.sp != LOST;
        *rule = ok ? rule_of(&there) : OSP_RULE_UNKNOWN;
    }
    free(f.at);
    free(f.todo);
    return ok && osp_rule_kind(*rule) == OSP_RULE_SP;
}
