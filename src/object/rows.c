/* SPDX-License-Identifier: Apache-2.0 */
/* rows.c: all that a file knows about unwinding, as one sorted table of rows (bpf/rows.h).
 *
 * Each stretch of addresses has one source: Go text belongs to pclntab, all else to .eh_frame, and what that leaves
 * to .debug_frame, and what is left then to the code itself (flow.c). Stretches are sorted, clipped so that they do not overlap, and their rows appended; between them
 * stands a row of kind NONE. Neighbours that say the same become one.
 *
 * Go, x86-64 (runtime/stack.go "Stack frame layout", cmd/internal/obj/x86/obj6.go):
 *
 *     CFA = sp + delta + 8. A function with a frame saves rbp at CFA - 16:
 *         since 1.21   push rbp; mov rbp, rsp; sub rsp, N      the delta goes 0, 8, N + 8
 *         before       sub rsp, N; mov [rsp + N - 8], rbp; …   the delta goes 0, N; rbp is saved one instruction later
 *     Assembly may do neither (NOFRAME); its first bytes are looked at. */
#include "object_internal.h"

#include "base/buf.h"
#include "base/file.h"

#include <elf.h>
#include <stdlib.h>

enum {
    MAX_ROWS = 1 << 27,
    MAX_CODE = 64,       /* sections with code */
    READ_AT_ONCE = 8192, /* functions whose part of the file is kept in memory */
    PADDING = 63,        /* a smaller gap between functions is alignment: not worth a row */
};

void osp_row_add(osp_row_list *l, uint64_t addr, uint32_t rule)
{
    if (addr < l->base || addr - l->base > UINT32_MAX)
        return;
    uint32_t pc = (uint32_t)(addr - l->base);
    if (l->n && l->row[l->n - 1].pc >= pc)
        l->n--;
    if (l->n && l->row[l->n - 1].rule == rule)
        return;
    if (l->n == l->cap && (l->n >= MAX_ROWS || !osp_grow((void **)&l->row, &l->cap, l->n + 1, sizeof *l->row))) {
        l->failed = true;
        return;
    }
    l->row[l->n++] = (osp_row){pc, rule};
}

/* ---- Go ---------------------------------------------------------------------------------------------------- */

typedef struct {
    uint8_t kind, root;
} special;

/* Functions whose frames are not what their SP deltas say, or end a stack. */
static special special_of(const osp_pcln *p, const osp_func *f)
{
    static const struct {
        const char *name;
        uint8_t kind, root;
        bool compiled; /* Go code; else assembly, whose compiled wrappers of the same name are nothing special */
    } known[] = {
        {"goexit", OSP_RULE_END, OSP_ROOT_GOEXIT, false},
        {"mcall", OSP_RULE_END, OSP_ROOT_SCHEDULER, false},
        {"gogo", OSP_RULE_END, OSP_ROOT_SCHEDULER, false},
        {"mstart", OSP_RULE_END, OSP_ROOT_MSTART, false},
        {"rt0_go", OSP_RULE_END, OSP_ROOT_MSTART, false},
        {"systemstack", OSP_RULE_GO_SYSTEMSTACK, 0, false},
        {"morestack", OSP_RULE_GO_MORESTACK, 0, false},
        {"asmcgocall", OSP_RULE_GO_ASMCGOCALL, 0, false},
        {"cgocallback", OSP_RULE_GO_CGOCALLBACK, 0, false},
        {"asyncPreempt", OSP_RULE_GO_EXACT, 0, false},
        {"sigpanic", OSP_RULE_GO_EXACT, 0, true},
        {"sigpanic0", OSP_RULE_GO_EXACT, 0, false},
        {"sigreturn__sigaction", OSP_RULE_SIGFRAME, 0, false},
        {"sigreturn", OSP_RULE_SIGFRAME, 0, false},
        {"sigtramp", OSP_RULE_SP, 0, false},
        {"cgoSigtramp", OSP_RULE_SP, 0, false},
        {"sigtrampgo", OSP_RULE_SP, 0, true},
        /* Go 1.16 does not mark what writes SP. */
        {"nanotime1", OSP_RULE_GO_SPWRITE, 0, false},
        {"walltime1", OSP_RULE_GO_SPWRITE, 0, false},
        {"callCgoMmap", OSP_RULE_GO_SPWRITE, 0, false},
        {"callCgoMunmap", OSP_RULE_GO_SPWRITE, 0, false},
        {"callCgoSigaction", OSP_RULE_GO_SPWRITE, 0, false},
        {"sigfwd", OSP_RULE_GO_SPWRITE, 0, false},
    };
    if (f->flag == 0 && f->id == 0 && p->layout != 116)
        return (special){.kind = OSP_RULE_SP};
    osp_str name = osp_pcln_name(p, f->name);
    if (osp_str_ends(name, S(".abi0")))
        name.n -= 5;
    if (osp_str_eq(name, S("gogo"))) /* its second half, without a package */
        return (special){OSP_RULE_END, OSP_ROOT_SCHEDULER};
    if (osp_str_starts(name, S("runtime."))) {
        osp_str in = osp_str_skip(name, 8);
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (osp_str_eq(in, osp_str_from(known[i].name)) &&
                (known[i].compiled || (f->flag & OSP_FUNC_ASM) || p->layout == 116))
                return (special){known[i].kind, known[i].root};
    }
    if ((f->flag & OSP_FUNC_TOPFRAME) || osp_str_starts(name, S("_rt0_amd64")))
        return (special){OSP_RULE_END, OSP_ROOT_MSTART};
    return (special){f->flag & OSP_FUNC_SPWRITE ? OSP_RULE_GO_SPWRITE : OSP_RULE_SP, 0};
}

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

static bool rows_of_func(const osp_pcln *p, const osp_elf *e, const osp_func *f, osp_row_list *out)
{
    special s = special_of(p, f);
    if (s.kind == OSP_RULE_END || s.kind == OSP_RULE_SIGFRAME) {
        /* A handler returns to sigreturn's first byte, and return addresses are looked up one byte before. */
        osp_row_add(out, f->entry - (s.kind == OSP_RULE_SIGFRAME), go_rule(&s, 0, false));
        return true;
    }
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
    if (v.cur.bad || (v.next < f->end && f->end - v.next > PADDING)) {
        osp_row_add(out, v.cur.bad ? v.pc : v.next, OSP_RULE_UNKNOWN);
        return false;
    }
    return ok;
}

/* All of Go's rows; returns how many functions could not be read. */
static uint32_t rows_of_go(const osp_pcln *p, const osp_elf *e, osp_row_list *out)
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

/* ---- all of a file ----------------------------------------------------------------------------------------- */

enum { OF_GO, OF_EH_FRAME, OF_DEBUG_FRAME, TABLES }; /* the best first */

typedef struct {
    uint64_t start, end;
    size_t fde : 62; /* where it stands in its table: to keep all that it says would take four times the room */
    size_t order : 2;
} stretch;

typedef struct {
    stretch *row;
    size_t n, cap;
    osp_cfi table[TABLES];
    osp_cfi_iter again[TABLES]; /* to read FDEs once more */
    uint32_t broken;
} stretches;

static int by_start(const void *pa, const void *pb)
{
    const stretch *a = pa, *b = pb;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    if (a->order != b->order)
        return a->order < b->order ? -1 : 1;
    return a->fde < b->fde ? -1 : a->fde > b->fde;
}

/* Take in a table of call frame information. */
static bool collect(stretches *s, const osp_cfi *cfi, const osp_elf *e, unsigned order, const osp_pcln *go)
{
    osp_fde f;
    s->table[order] = *cfi;
    osp_cfi_iter it = s->again[order] = (osp_cfi_iter){.cfi = &s->table[order]};
    while (osp_cfi_next(&it, &f)) {
        /* Sections that the linker dropped leave FDEs at 0 or 1; Go text has better than its .debug_frame. */
        if (f.start == f.end || !osp_elf_is_code(e, f.start) || (go && f.start >= go->text && f.end <= go->etext))
            continue;
        if (!osp_grow((void **)&s->row, &s->cap, s->n + 1, sizeof *s->row))
            return false;
        s->row[s->n++] = (stretch){f.start, f.end, f.at, order & 3};
    }
    s->broken += it.broken;
    return true;
}

static bool fde_of(stretches *s, const stretch *x, osp_fde *out)
{
    s->again[x->order].at = x->fde;
    return osp_cfi_next(&s->again[x->order], out);
}

/* .eh_frame by its section, or by the pointer in .eh_frame_hdr: version u8, three encodings u8, then the pointer. */
static bool find_eh_frame(const osp_elf *e, osp_cfi *out)
{
    const osp_section *s = osp_elf_section(e, S(".eh_frame"));
    if (s) {
        *out = (osp_cfi){osp_elf_raw(e, s), s->addr, true};
        if (out->bytes.n)
            return true;
    }
    for (uint32_t i = 0; i < e->nsegment; i++) {
        const osp_segment *g = &e->segment[i];
        if (g->type != PT_GNU_EH_FRAME)
            continue;
        osp_span h = osp_elf_from(e, g->vaddr);
        enum { PCREL_S4 = 0x1b };
        if (h.n < 8 || h.p[0] != 1 || h.p[1] != PCREL_S4)
            continue;
        uint64_t addr = g->vaddr + 4 + (uint64_t)(int32_t)osp_le32(h.p + 4);
        *out = (osp_cfi){osp_elf_from(e, addr), addr, true};
        /* Its length is not said: it ends with an empty record. */
        for (size_t at = 0; at + 4 <= out->bytes.n;) {
            uint64_t n = osp_le32(out->bytes.p + at);
            if (n == 0 || n > out->bytes.n - at - 4) {
                out->bytes.n = at;
                break;
            }
            at += 4 + n;
        }
        return out->bytes.n > 0;
    }
    return false;
}

/* From here on only what lies past `at` and, before Go text, ends there. */
static uint64_t clipped_end(const stretch *s, const osp_pcln *go)
{
    if (go && s->order != OF_GO && s->start < go->text && s->end > go->text)
        return go->text;
    return s->end;
}

/* Nothing but the rules of its CIE: no frame, no call that a C compiler made. */
static bool is_bare(const osp_fde *f)
{
    for (size_t i = 0; i < f->insn.n; i++)
        if (f->insn.p[i] != 0)
            return false;
    return true;
}

/* A part of a stretch that no better one covers. */
typedef struct {
    const stretch *of;
    uint64_t start, end;
} piece;

/* Code that no stretch covers is described by following it. */
typedef struct {
    const osp_elf *elf, *debug;
    const osp_pcln *go;
    const stretches *covered;
    osp_extent code[MAX_CODE]; /* sorted */
    uint32_t ncode;
    osp_flow flow;
    bool open, failed;
} gaps;

static void add_code(gaps *g, uint64_t start, uint64_t size)
{
    if (size == 0 || size > UINT64_MAX - start || g->ncode == MAX_CODE)
        return;
    uint32_t i = g->ncode++;
    for (; i > 0 && g->code[i - 1].start > start; i--)
        g->code[i] = g->code[i - 1];
    g->code[i] = (osp_extent){start, start + size};
}

static void find_code(gaps *g)
{
    const osp_elf *e = g->elf;
    for (uint32_t i = 0; i < e->nsection; i++)
        if (e->section[i].flags & SHF_EXECINSTR && e->section[i].type == SHT_PROGBITS)
            add_code(g, e->section[i].addr, osp_elf_raw(e, &e->section[i]).n);
    for (uint32_t i = 0; i < e->nsegment && g->ncode == 0; i++)
        if (e->segment[i].type == PT_LOAD && e->segment[i].flags & PF_X)
            add_code(g, e->segment[i].vaddr, osp_elf_from(e, e->segment[i].vaddr).n);
}

/* The code between two addresses that is more than padding, from section *i on. */
static bool next_code(const gaps *g, uint32_t *i, uint64_t from, uint64_t to, osp_extent *out)
{
    while (*i < g->ncode) {
        const osp_extent *c = &g->code[(*i)++];
        *out = (osp_extent){c->start > from ? c->start : from, c->end < to ? c->end : to};
        if (out->start < out->end && !osp_flow_is_padding(g->elf, out->start, out->end))
            return true;
    }
    return false;
}

/* The next piece from address `at` on; *i is the next stretch to look at. */
static bool next_piece(const gaps *g, size_t *i, uint64_t at, piece *out)
{
    const stretches *s = g->covered;
    if (*i % READ_AT_ONCE == 0) /* who asks goes over all of the code, too */
        osp_file_rest(&(osp_file){g->elf->bytes, g->elf->mapped});
    while (*i < s->n) {
        const stretch *x = &s->row[(*i)++], *next = *i < s->n ? &s->row[*i] : NULL;
        uint64_t end = clipped_end(x, g->go), start = x->start > at ? x->start : at;
        /* A stretch of a better source inside this one's way wins from its start on. */
        if (start < end && x->order == OF_DEBUG_FRAME && next && next->start < end && next->order < OF_DEBUG_FRAME)
            end = next->start > start ? next->start : start;
        *out = (piece){x, start, end};
        if (start < end)
            return true;
    }
    return false;
}

/* Get ready to follow code: it matters where functions begin in all that no stretch covers. */
static void open_flow(gaps *g)
{
    osp_extents all = {0};
    size_t cap = 0, i = 0;
    uint64_t at = 0;
    piece p = {0};
    for (bool more = true; more; at = p.end) {
        more = next_piece(g, &i, at, &p);
        osp_extent one;
        for (uint32_t k = 0; next_code(g, &k, at, more ? p.start : UINT64_MAX, &one); at = one.end)
            if (osp_grow((void **)&all.row, &cap, (size_t)all.n + 1, sizeof *all.row))
                all.row[all.n++] = one;
            else
                g->failed = true;
    }
    osp_flow_open(&g->flow, g->elf, g->debug, g->go, &all, g->code, g->ncode);
    free(all.row);
    g->open = true;
}

static void fill(gaps *g, uint64_t from, uint64_t to, osp_row_list *out)
{
    osp_extent one;
    for (uint32_t i = 0; next_code(g, &i, from, to, &one); from = one.end) {
        if (!g->open)
            open_flow(g);
        g->failed |= !osp_flow_rows(&g->flow, one.start, one.end, out);
        if (to - one.end > PADDING)
            osp_row_add(out, one.end, OSP_RULE_NONE);
    }
}

static uint32_t join(stretches *s, gaps *g, osp_row_list *out)
{
    uint64_t at = 0;
    uint32_t skipped = 0;
    size_t i = 0;
    for (piece p; next_piece(g, &i, at, &p); at = p.end) {
        const stretch *x = p.of;
        osp_fde fde;
        bool go = x->order == OF_GO;
        if (at && p.start - at > PADDING)
            osp_row_add(out, at, OSP_RULE_NONE);
        if (p.start > at)
            fill(g, at, p.start, out);
        /* A return address that is a function's first byte, behind padding, was put there by hand: glibc's
         * __start_context, the end of a stack that makecontext made. Return addresses are looked up one byte before. */
        bool read = !go && fde_of(s, x, &fde);
        if (read && at && p.start == x->start && p.start > at && is_bare(&fde))
            osp_row_add(out, p.start - 1, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_PLANTED, 0));
        if (go)
            skipped += rows_of_go(g->go, g->elf, out);
        else
            skipped += !read || !osp_cfi_rows(&fde, p.start, p.end, out);
    }
    if (at)
        osp_row_add(out, at, OSP_RULE_NONE);
    fill(g, at, UINT64_MAX, out);
    return skipped;
}

static uint64_t first_code(const osp_elf *e)
{
    uint64_t base = UINT64_MAX;
    for (uint32_t i = 0; i < e->nsegment; i++)
        if (e->segment[i].type == PT_LOAD && (e->segment[i].flags & PF_X) && e->segment[i].vaddr < base)
            base = e->segment[i].vaddr;
    return base == UINT64_MAX ? 0 : base;
}

/* All FDEs of a file whose code is not Go's, sorted by where they start. */
static bool all_fdes(stretches *s, const osp_elf *e, const osp_elf *debug, const osp_pcln *go)
{
    osp_cfi cfi;
    osp_err ignored; /* a .debug_frame that cannot be had is like one that is not there */
    if (find_eh_frame(e, &cfi) && !collect(s, &cfi, e, OF_EH_FRAME, go))
        return false;
    cfi = (osp_cfi){.is_eh = false};
    if (osp_elf_debug_section(e, S(".debug_frame"), &cfi.bytes, &cfi.addr, &ignored) ||
        (debug && osp_elf_debug_section(debug, S(".debug_frame"), &cfi.bytes, &cfi.addr, &ignored)))
        if (!collect(s, &cfi, e, OF_DEBUG_FRAME, go))
            return false;
    if (s->n)
        qsort(s->row, s->n, sizeof *s->row, by_start);
    return true;
}

/* ---- one function ------------------------------------------------------------------------------------------ */

/* .eh_frame_hdr, Linux Standard Base 10.6.2: version u8 = 1, three encodings u8, the pointer to .eh_frame, how many FDEs there
 * are, and for each, sorted: where its function starts and where it stands, both i32 from the section's start. */
static bool find_fde(const osp_elf *e, uint64_t addr, osp_fde *out)
{
    enum { PCREL_S4 = 0x1b, UDATA4 = 0x03, DATAREL_S4 = 0x3b, HEAD = 12 };
    for (uint32_t i = 0; i < e->nsegment; i++) {
        const osp_segment *g = &e->segment[i];
        osp_span h = g->type == PT_GNU_EH_FRAME ? osp_elf_from(e, g->vaddr) : (osp_span){0};
        if (h.n < HEAD || h.p[0] != 1 || h.p[1] != PCREL_S4 || h.p[2] != UDATA4 || h.p[3] != DATAREL_S4)
            continue;
        size_t lo = 0, hi = osp_le32(h.p + 8);
        hi = hi < (h.n - HEAD) / 8 ? hi : (h.n - HEAD) / 8;
        while (lo < hi) { /* the last that starts at or below addr */
            size_t mid = lo + (hi - lo) / 2;
            if (g->vaddr + (uint64_t)(int64_t)(int32_t)osp_le32(h.p + HEAD + mid * 8) <= addr)
                lo = mid + 1;
            else
                hi = mid;
        }
        uint64_t table = g->vaddr + 4 + (uint64_t)(int64_t)(int32_t)osp_le32(h.p + 4);
        osp_cfi cfi = {osp_elf_from(e, table), table, true};
        uint64_t at = lo ? g->vaddr + (uint64_t)(int64_t)(int32_t)osp_le32(h.p + HEAD + lo * 8 - 4) : 0;
        if (lo == 0 || at < table || at - table >= cfi.bytes.n)
            return false;
        osp_cfi_iter it = {.cfi = &cfi, .at = at - table};
        return osp_cfi_next(&it, out) && addr >= out->start && addr < out->end;
    }
    return false;
}

bool osp_rule_of_function(const osp_elf *e, const osp_pcln *go, uint64_t addr, uint32_t *rule)
{
    osp_fde fde;
    osp_func f, next;
    osp_row_list l = {0};
    if (e->machine != EM_X86_64 || e->foreign)
        return false;
    if (go && addr >= go->text && addr < go->etext) {
        uint32_t i = osp_pcln_find(go, addr);
        if (i == UINT32_MAX || !osp_pcln_func(go, i, &f) || addr < f.entry || addr >= f.end)
            return false;
        if (osp_pcln_func(go, i + 1, &next) && addr + 1 == next.entry &&
            special_of(go, &next).kind == OSP_RULE_SIGFRAME)
            return false; /* a handler returns there, see rows_of_func */
        l.base = f.entry;
        (void)rows_of_func(go, e, &f, &l);
    } else {
        if (!find_fde(e, addr, &fde))
            return false;
        l.base = fde.start;
        (void)osp_cfi_rows(&fde, fde.start, fde.end, &l);
    }
    *rule = osp_rows_find(l.row, (uint32_t)l.n, (uint32_t)(addr - l.base));
    bool ok = !l.failed && l.n && l.row[0].pc <= addr - l.base;
    free(l.row);
    return ok;
}

bool osp_extents_make(const osp_elf *e, const osp_elf *debug, const osp_pcln *go, osp_arena *arena, osp_extents *out,
                      osp_err *err)
{
    stretches s = {0};
    *out = (osp_extents){0};
    bool ok = e->machine != EM_X86_64 || all_fdes(&s, e, debug, go);
    out->row = ok ? osp_new(arena, osp_extent, s.n) : NULL;
    ok = out->row != NULL;
    for (size_t i = 0; ok && i < s.n; i++)
        if (out->n == 0 || s.row[i].start >= out->row[out->n - 1].end)
            out->row[out->n++] = (osp_extent){s.row[i].start, s.row[i].end};
    free(s.row);
    return ok || osp_fail_memory(err, "listing functions");
}

bool osp_rows_make(const osp_elf *e, const osp_elf *debug, const osp_pcln *go, osp_row_list *out, uint32_t *skipped,
                   osp_err *err)
{
    *out = (osp_row_list){.base = first_code(e)};
    *skipped = 0;
    if (e->machine != EM_X86_64)
        return true;
    stretches s = {0};
    bool ok = true;
    if (go) {
        ok = osp_grow((void **)&s.row, &s.cap, 1, sizeof *s.row);
        if (ok)
            s.row[s.n++] = (stretch){.start = go->text, .end = go->etext, .order = OF_GO};
    }
    ok = ok && all_fdes(&s, e, debug, go);
    gaps g = {.elf = e, .debug = debug, .go = go, .covered = &s};
    if (ok && !e->foreign)
        find_code(&g);
    if (ok)
        *skipped = s.broken + join(&s, &g, out);
    if (g.open)
        osp_flow_drop(&g.flow);
    free(s.row);
    if (!ok || out->failed || g.failed) {
        free(out->row);
        *out = (osp_row_list){0};
        return osp_fail_memory(err, "making unwind rows");
    }
    osp_row *fit = out->n ? realloc(out->row, out->n * sizeof *out->row) : NULL; /* it grew by doubling */
    if (fit) {
        out->row = fit;
        out->cap = out->n;
    }
    return true;
}
