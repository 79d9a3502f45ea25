/* SPDX-License-Identifier: Apache-2.0 */
/* pclntab.c: Go's own tables, which every Go binary carries, stripped or not (Go: internal/abi/symtab.go,
 * runtime/symtab.go, cmd/link/internal/ld/pcln.go).
 *
 * Header, little endian; offsets count from its first byte:
 *
 *   OFFSET SIZE  NAME       MEANING
 *      0     4   magic      0xfffffffa Go 1.16-1.17, 0xfffffff0 1.18-1.19, 0xfffffff1 1.20 and later
 *      4     2   pad        0
 *      6     1   quantum    smallest instruction, bytes: 1 x86, 4 arm64
 *      7     1   ptrsize    8
 *      8     8   nfunc      functions
 *     16     8   nfile
 *     24     8   textstart  run address of runtime.text; not in 1.16-1.17; 0 since 1.26 and in most PIEs
 *     32   5x8   offsets of: function names, cutab, filetab, pctab, functab   (24 in 1.16-1.17)
 *
 *   functab   nfunc x {entry u32 (from text), record u32 (from functab)}, and a last entry: the end of text.
 *             In 1.16-1.17 both are u64 and the entry is an address.
 *   record    entry u32 (u64 in 1.16-1.17), name u32, args u32, deferreturn u32, pcsp u32, pcfile u32, pcln u32,
 *             npcdata u32, cu u32, [start line u32, since 1.20], id u8, flag u8, pad u8, nfuncdata u8;
 *             then npcdata x u32 (pctab offsets) and nfuncdata x u32 (from moduledata.gofunc, ~0 = none).
 *   pctab     for a function: {zigzag varint added to the value (from -1), varint pc step}*, ended by a 0 value
 *             delta that is not the first. Offset 0 means no table.
 *   inline tree, FUNCDATA 3, indexed by PCDATA 2:
 *             16 bytes {id u8, pad, name u32, parent pc u32, start line u32}, since 1.20
 *             20 bytes {parent i16, id u8, pad, file u32, line u32, name u32, parent pc u32}, before
 *
 * To Go 1.15 (magic 0xfffffffb) all offsets count from the header, and there are no offsets in it:
 *     16  functab  nfunc x {entry u64, record u64}, then the end of text u64, then the offset of filetab u32
 *         filetab  u32 of how many, offsets of the names of files u32, counted from 1; pcfile gives the number
 *         record   as in 1.16-1.17 to npcdata; then id u8, pad, nfuncdata u8 (to 1.11: nfuncdata u32)
 *
 * Where text and gofunc are is in moduledata, whose fields move with releases. moduledata is found by name or by its
 * first word, the address of the header, and is believed only if it agrees with the header. gofunc is tried at the
 * places known so far and believed only if the inline trees there make sense.
 *
 * Not read: funcdata to 1.17 (pointers; so no inlines there), several text sections, 32-bit tables. */
#include "object_internal.h"

#include <elf.h>

enum {
    MAGIC_102 = 0xfffffffb,
    MAGIC_116 = 0xfffffffa,
    MAGIC_118 = 0xfffffff0,
    MAGIC_120 = 0xfffffff1,
    NO_FUNCDATA = 0xffffffff,
    PCDATA_INLINE = 2,
    FUNCDATA_INLINE = 3,
    MODULE_WORDS = 24,
};

static osp_span after(osp_span in, uint64_t at)
{
    if (at >= in.n)
        return (osp_span){0};
    return (osp_span){in.p + at, in.n - at};
}

static bool has_addresses(const osp_pcln *p) { return p->layout <= 116; }
static unsigned functab_row(const osp_pcln *p) { return has_addresses(p) ? 16 : 8; }

/* What functab says of function i (i == nfunc: the end of text), as written. */
static uint64_t entry_at(const osp_pcln *p, uint32_t i)
{
    const uint8_t *row = p->funcs.p + p->first_row + (size_t)i * functab_row(p);
    return has_addresses(p) ? osp_le64(row) : p->text + osp_le32(row);
}

/* To Go 1.15. */
static bool read_old_header(osp_pcln *p, osp_span in)
{
    uint64_t nfunc = osp_le64(in.p + 8);
    p->first_row = 16;
    p->names = p->pctab = p->funcs = in;
    if (nfunc == 0 || nfunc >= UINT32_MAX || nfunc >= (in.n - 16 - 12) / 16)
        return false;
    p->nfunc = (uint32_t)nfunc;
    p->files = after(in, osp_le32(in.p + 16 + 16 * nfunc + 8));
    return p->files.n > 4;
}

static bool read_header(osp_pcln *p, osp_span in, uint64_t addr)
{
    if (in.n < 80 || in.p[4] || in.p[5] || in.p[7] != 8)
        return false;
    if (in.p[6] != 1 && in.p[6] != 2 && in.p[6] != 4)
        return false;
    uint32_t magic = osp_le32(in.p);
    unsigned layout = magic == MAGIC_120   ? 120
                      : magic == MAGIC_118 ? 118
                      : magic == MAGIC_116 ? 116
                      : magic == MAGIC_102 ? 102
                                           : 0;
    if (!layout)
        return false;
    *p = (osp_pcln){.tab = in, .layout = layout, .quantum = in.p[6], .addr = addr};
    if (layout == 102)
        return read_old_header(p, in);
    uint64_t nfunc = osp_le64(in.p + 8);
    const uint8_t *word = in.p + (layout == 116 ? 24 : 32);
    uint64_t off[5];
    for (int i = 0; i < 5; i++) {
        off[i] = osp_le64(word + 8 * i);
        if (off[i] > in.n || (i && off[i] < off[i - 1]))
            return false;
    }
    p->names = after(in, off[0]);
    p->cutab = after(in, off[1]);
    p->files = after(in, off[2]);
    p->pctab = after(in, off[3]);
    p->funcs = after(in, off[4]);
    if (nfunc == 0 || nfunc >= UINT32_MAX || nfunc >= p->funcs.n / functab_row(p))
        return false;
    p->nfunc = (uint32_t)nfunc;
    p->text = layout == 116 ? 0 : osp_le64(in.p + 24);
    return true;
}

/* ---- finding it -------------------------------------------------------------------------------------------- */

static bool module_agrees(const osp_pcln *p, const osp_elf *e, uint64_t addr, uint64_t w[MODULE_WORDS])
{
    if (!osp_elf_words(e, addr, w, MODULE_WORDS))
        return false;
    bool old = p->layout == 102; /* without tables of its own for names, units and pc-values */
    uint64_t ftab_len = w[old ? 4 : 17], minpc = w[old ? 10 : 20], maxpc = w[old ? 11 : 21], text = w[old ? 12 : 22];
    return w[0] == p->addr && ftab_len == (uint64_t)p->nfunc + 1 && minpc < maxpc && text <= minpc &&
           osp_elf_is_code(e, minpc);
}

static bool module_by_name(const osp_pcln *p, const osp_elf *e, uint64_t *addr, uint64_t w[MODULE_WORDS])
{
    const osp_section *s = osp_elf_section(e, S(".go.module"));
    if (s && module_agrees(p, e, *addr = s->addr, w))
        return true;
    static const char *const names[] = {"runtime.firstmoduledata", "local.moduledata"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        osp_symbol_value v;
        if (osp_elf_symbol(e, osp_str_from(names[i]), &v) && module_agrees(p, e, *addr = v.value, w))
            return true;
    }
    return false;
}

static bool module_by_search(const osp_pcln *p, const osp_elf *e, uint64_t *addr, uint64_t w[MODULE_WORDS])
{
    int tries = 64; /* each costs a walk over the relocations */
    for (uint32_t i = 0; i < e->nsegment; i++) {
        const osp_segment *g = &e->segment[i];
        if (g->type != PT_LOAD || (g->flags & PF_X))
            continue;
        osp_span in = osp_elf_from(e, g->vaddr);
        for (size_t at = -g->vaddr & 7; at < in.n && in.n - at >= 8 && tries > 0; at += 8)
            if (osp_le64(in.p + at) == p->addr && (tries--, module_agrees(p, e, *addr = g->vaddr + at, w)))
                return true;
    }
    osp_span table[2];
    osp_elf_relocs(e, table);
    for (size_t i = 0; i < table[0].n / OSP_RELA_SIZE && tries > 0; i++) {
        osp_reloc r = osp_elf_reloc_at(table[0], i);
        if ((uint64_t)r.addend == p->addr && r.symbol == 0 && (tries--, module_agrees(p, e, *addr = r.offset, w)))
            return true;
    }
    return false;
}

/* Offsets of moduledata.gofunc: 1.20-1.26, 1.18-1.19, 1.27. */
static const unsigned gofunc_at[] = {320, 304, 344};

/* A call that was inlined. */
typedef struct {
    uint8_t id; /* kind of function */
    uint32_t name, parent_pc;
    int32_t start_line;
} inlined;

static bool inline_entry(const osp_pcln *p, const osp_func *f, uint32_t index, inlined *out);

/* Do the inline trees of most functions make sense with this gofunc? (Entries of calls that were optimised away may
 * hold anything.) */
static bool gofunc_makes_sense(const osp_pcln *p)
{
    unsigned seen = 0, good = 0;
    for (uint32_t i = 0; i < p->nfunc && i < 20000 && seen < 64; i++) {
        osp_func f;
        inlined in;
        if (!osp_pcln_func(p, i, &f) || f.nfuncdata <= FUNCDATA_INLINE || f.npcdata <= PCDATA_INLINE)
            continue;
        if (osp_le32(p->funcs.p + f.at + 4 * (f.npcdata + FUNCDATA_INLINE)) == NO_FUNCDATA)
            continue;
        seen++;
        if (!inline_entry(p, &f, 0, &in) || in.parent_pc >= f.end - f.entry)
            continue;
        osp_str text = osp_pcln_name(p, in.name);
        good += text.n >= 2 && text.n <= 4096 && (in.name == 0 || p->names.p[in.name - 1] == 0);
    }
    return good > 0 && good * 4 >= seen * 3;
}

static void find_gofunc(osp_pcln *p, const osp_elf *e)
{
    osp_symbol_value v;
    uint64_t known = osp_elf_symbol(e, S("go:func.*"), &v) || osp_elf_symbol(e, S("go.func.*"), &v) ? v.value : 0;
    size_t n = sizeof gofunc_at / sizeof *gofunc_at;
    for (size_t i = 0; i < n + 1; i++) {
        if (i < n && (!p->moduledata || !osp_elf_words(e, p->moduledata + gofunc_at[i], &p->gofunc, 1)))
            continue;
        if (i == n)
            p->gofunc = known;
        p->gofunc_bytes = osp_elf_from(e, p->gofunc);
        if (p->gofunc_bytes.n && gofunc_makes_sense(p))
            return;
    }
    p->gofunc = 0;
    p->gofunc_bytes = (osp_span){0};
}

/* Text must be code from its first function to its last. */
static bool text_fits(osp_pcln *p, const osp_elf *e, uint64_t text)
{
    p->text = text;
    uint64_t end = entry_at(p, p->nfunc), start = entry_at(p, 0);
    const osp_segment *s = osp_elf_segment_of(e, start);
    if (!s || !(s->flags & PF_X) || end <= start || end - s->vaddr > s->memsz)
        return false;
    if (has_addresses(p))
        p->text = start;
    p->etext = end;
    return true;
}

static bool complete(osp_pcln *p, const osp_elf *e)
{
    uint64_t w[MODULE_WORDS], module = 0, in_header = p->text;
    if (module_by_name(p, e, &module, w) || module_by_search(p, e, &module, w))
        p->moduledata = module;
    osp_symbol_value v;
    const osp_section *s = osp_elf_section(e, S(".text"));
    bool fits = (p->moduledata && text_fits(p, e, w[p->layout == 102 ? 12 : 22])) ||
                (in_header && text_fits(p, e, in_header)) ||
                (osp_elf_symbol(e, S("runtime.text"), &v) && text_fits(p, e, v.value)) ||
                (s && text_fits(p, e, s->addr));
    if (fits && !has_addresses(p))
        find_gofunc(p, e);
    return fits;
}

static bool open_at(osp_pcln *p, const osp_elf *e, uint64_t addr)
{
    osp_span in = osp_elf_from(e, addr);
    return read_header(p, in, addr) && complete(p, e);
}

bool osp_pcln_open(osp_pcln *p, const osp_elf *e)
{
    static const char *const names[] = {".gopclntab", ".data.rel.ro.gopclntab"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const osp_section *s = osp_elf_section(e, osp_str_from(names[i]));
        if (s && open_at(p, e, s->addr))
            return true;
    }
    osp_symbol_value v;
    if (osp_elf_symbol(e, S("runtime.pclntab"), &v) && open_at(p, e, v.value))
        return true;
    for (uint32_t i = 0; i < e->nsegment; i++) {
        const osp_segment *g = &e->segment[i];
        if (g->type != PT_LOAD || (g->flags & PF_X))
            continue;
        osp_span in = osp_elf_from(e, g->vaddr);
        for (size_t at = -g->vaddr & 7; at < in.n && in.n - at >= 80; at += 8) {
            uint32_t magic = osp_le32(in.p + at);
            if ((magic == MAGIC_120 || magic == MAGIC_118 || magic == MAGIC_116 || magic == MAGIC_102) &&
                open_at(p, e, g->vaddr + at))
                return true;
        }
    }
    return false;
}

/* ---- functions --------------------------------------------------------------------------------------------- */

bool osp_pcln_func(const osp_pcln *p, uint32_t i, osp_func *out)
{
    if (i >= p->nfunc)
        return false;
    const uint8_t *row = p->funcs.p + p->first_row + (size_t)i * functab_row(p);
    uint64_t at = has_addresses(p) ? osp_le64(row + 8) : osp_le32(row + 4);
    unsigned head = has_addresses(p) ? 8 : 4;                           /* the entry */
    unsigned tail = p->layout == 120 ? 36 : p->layout == 102 ? 28 : 32; /* from the name to where id begins */
    if (at > p->funcs.n || p->funcs.n - at < head + tail + 4)
        return false;
    const uint8_t *r = p->funcs.p + at + head;
    *out = (osp_func){
        .entry = entry_at(p, i),
        .end = entry_at(p, i + 1),
        .name = osp_le32(r),
        .pcsp = osp_le32(r + 12),
        .pcfile = osp_le32(r + 16),
        .pcline = osp_le32(r + 20),
        .npcdata = osp_le32(r + 24),
        .cu = p->layout == 102 ? 0 : osp_le32(r + 28),
        .start_line = p->layout == 120 ? (int32_t)osp_le32(r + 32) : 0,
        .id = r[tail],
        .flag = r[tail + 1],
        .nfuncdata = r[tail + 3],
        .at = (uint32_t)(at + head + tail + 4),
    };
    if (p->layout == 102 && !out->nfuncdata) { /* to 1.11 it was a number of 4 bytes, and no function had an id */
        out->nfuncdata = out->id;
        out->id = 0;
    }
    uint64_t left = p->funcs.n - out->at;
    if (out->npcdata > left / 4 || out->nfuncdata > left / 4 - out->npcdata)
        out->npcdata = out->nfuncdata = 0;
    return out->entry >= p->text && out->entry < out->end && out->end <= p->etext;
}

uint32_t osp_pcln_find(const osp_pcln *p, uint64_t addr)
{
    if (addr < p->text || addr >= p->etext)
        return UINT32_MAX;
    uint32_t lo = 0, hi = p->nfunc;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (entry_at(p, mid) <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo ? lo - 1 : UINT32_MAX;
}

osp_str osp_pcln_name(const osp_pcln *p, uint32_t off) { return osp_text_at(p->names, off); }

bool osp_pcln_is_named(const osp_pcln *p, const osp_func *f, osp_str name)
{
    osp_span in = after(p->names, f->name);
    return in.n > name.n && in.p[name.n] == 0 && memcmp(in.p, name.p, name.n) == 0;
}

/* ---- pc-value tables --------------------------------------------------------------------------------------- */

bool osp_pcvalue_open(osp_pcvalue *v, const osp_pcln *p, uint32_t off, uint64_t entry)
{
    if (off == 0 || off >= p->pctab.n)
        return false;
    v->cur = (osp_cur){.in = after(p->pctab, off), .what = "pctab", .err = &v->err};
    v->pc = v->next = entry;
    v->value = -1;
    v->quantum = p->quantum;
    v->first = true;
    return true;
}

bool osp_pcvalue_next(osp_pcvalue *v)
{
    uint32_t z = (uint32_t)osp_cur_uvarint(&v->cur);
    if (v->cur.bad || (z == 0 && !v->first))
        return false;
    v->first = false;
    v->value = (int32_t)((uint32_t)v->value + ((z >> 1) ^ -(z & 1)));
    uint64_t step = (uint32_t)osp_cur_uvarint(&v->cur);
    v->pc = v->next;
    v->next += step * v->quantum;
    return !v->cur.bad;
}

static int32_t value_at(const osp_pcln *p, const osp_func *f, uint32_t off, uint64_t pc)
{
    osp_pcvalue v;
    if (!osp_pcvalue_open(&v, p, off, f->entry))
        return -1;
    while (osp_pcvalue_next(&v))
        if (pc < v.next)
            return v.value;
    return -1;
}

static int32_t pcdata_at(const osp_pcln *p, const osp_func *f, unsigned which, uint64_t pc)
{
    return which < f->npcdata ? value_at(p, f, osp_le32(p->funcs.p + f->at + 4 * which), pc) : -1;
}

/* ---- lines and inlines ------------------------------------------------------------------------------------- */

static osp_str file_at(const osp_pcln *p, const osp_func *f, uint64_t pc)
{
    int32_t n = value_at(p, f, f->pcfile, pc);
    if (n < 0)
        return S("");
    if (p->layout == 102) {
        osp_span old = after(p->files, 4 * (uint64_t)(uint32_t)n);
        return old.n < 4 ? S("") : osp_text_at(p->tab, osp_le32(old.p));
    }
    /* cutab maps a unit's file number to an offset in the file names. */
    uint64_t at = ((uint64_t)f->cu + (uint32_t)n) * 4;
    osp_span cell = after(p->cutab, at);
    if (cell.n < 4 || osp_le32(cell.p) == UINT32_MAX)
        return S("");
    return osp_text_at(p->files, osp_le32(cell.p));
}

static bool inline_entry(const osp_pcln *p, const osp_func *f, uint32_t index, inlined *out)
{
    if (has_addresses(p) || f->nfuncdata <= FUNCDATA_INLINE)
        return false;
    uint32_t off = osp_le32(p->funcs.p + f->at + 4 * ((size_t)f->npcdata + FUNCDATA_INLINE));
    unsigned size = p->layout == 120 ? 16 : 20;
    if (off == NO_FUNCDATA)
        return false;
    osp_span r = after(p->gofunc_bytes, off + (uint64_t)index * size);
    if (r.n < size)
        return false;
    *out = (inlined){
        .id = r.p[p->layout == 120 ? 0 : 2],
        .name = osp_le32(r.p + (p->layout == 120 ? 4 : 12)),
        .parent_pc = osp_le32(r.p + (p->layout == 120 ? 8 : 16)),
        .start_line = p->layout == 120 ? (int32_t)osp_le32(r.p + 12) : 0,
    };
    return true;
}

static osp_frame frame_of(const osp_pcln *p, const osp_func *f, uint64_t pc, uint32_t name, int32_t start_line)
{
    int32_t line = value_at(p, f, f->pcline, pc);
    osp_str text = osp_pcln_name(p, name);
    return (osp_frame){
        .name = text,
        .linker_name = text,
        .file = file_at(p, f, pc),
        .line = line > 0 ? line : 0,
        .start_line = start_line > 0 ? start_line : 0,
    };
}

/* Functions that the compiler makes of others (methods by another receiver, what a go statement calls) have a kind of their
 * own, the last there is. The others before it are single functions of the runtime. Its number moves with releases. NO_KIND:
 * no function has it. */
enum { NO_KIND = 0x100 };

static unsigned wrapper_kind(const osp_pcln *p)
{
    osp_func f;
    unsigned last = 0, n = 0;
    for (uint32_t i = 0; i < p->nfunc; i++) {
        if (!osp_pcln_func(p, i, &f) || f.id < last)
            continue;
        n = f.id == last ? n + 1 : 1;
        last = f.id;
    }
    return last && n > 1 ? last : NO_KIND;
}

void osp_pcln_learn(osp_pcln *p)
{
    if (!p->wrapper)
        p->wrapper = wrapper_kind(p);
}

static osp_go_call call_of(const osp_pcln *p, const osp_func *f, uint64_t pc, const inlined *in)
{
    return (osp_go_call){
        .frame = in ? frame_of(p, f, pc, in->name, in->start_line) : frame_of(p, f, pc, f->name, f->start_line),
        .at = pc,
        .entry = f->entry,
        .inlined = in != NULL,
        .wrapper = (in ? in->id : f->id) == p->wrapper,
    };
}

/* give() gets each call at an address, innermost inlined one first, until it says no. */
typedef bool give_call(void *ctx, const osp_pcln *p, const osp_func *f, uint64_t pc, const inlined *in);

static void each_call(const osp_pcln *p, uint64_t addr, give_call *give, void *ctx)
{
    osp_func f;
    uint32_t i = osp_pcln_find(p, addr);
    if (i == UINT32_MAX || !osp_pcln_func(p, i, &f))
        return;
    uint64_t pc = addr;
    int32_t below = INT32_MAX;
    /* The line at pc is that of the innermost call; its parent stands at parent_pc of the same function, and before
     * it in the tree. */
    for (;;) {
        inlined in;
        int32_t index = pcdata_at(p, &f, PCDATA_INLINE, pc);
        if (index < 0 || index >= below || !inline_entry(p, &f, (uint32_t)index, &in))
            break;
        below = index;
        if (!give(ctx, p, &f, pc, &in))
            return;
        if (in.parent_pc >= f.end - f.entry)
            break;
        pc = f.entry + in.parent_pc;
    }
    give(ctx, p, &f, pc, NULL);
}

typedef struct {
    osp_frame *frame;
    osp_go_call *call;
    size_t n, max;
} calls;

static bool give_frame(void *ctx, const osp_pcln *p, const osp_func *f, uint64_t pc, const inlined *in)
{
    calls *c = ctx;
    c->frame[c->n++] = in ? frame_of(p, f, pc, in->name, in->start_line) : frame_of(p, f, pc, f->name, f->start_line);
    return c->n < c->max;
}

static bool give_whole(void *ctx, const osp_pcln *p, const osp_func *f, uint64_t pc, const inlined *in)
{
    calls *c = ctx;
    c->call[c->n++] = call_of(p, f, pc, in);
    return c->n < c->max;
}

size_t osp_pcln_frames(const osp_pcln *p, uint64_t addr, osp_frame *out, size_t max)
{
    calls c = {.frame = out, .max = max};
    if (max)
        each_call(p, addr, give_frame, &c);
    return c.n;
}

size_t osp_pcln_calls(const osp_pcln *p, uint64_t addr, osp_go_call *out, size_t max)
{
    calls c = {.call = out, .max = max};
    if (max)
        each_call(p, addr, give_whole, &c);
    return c.n;
}
