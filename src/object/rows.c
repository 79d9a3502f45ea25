/* SPDX-License-Identifier: Apache-2.0 */
/* rows.c: all that a file knows about unwinding, as one sorted table of rows (bpf/rows.h).
 *
 * Each stretch of addresses has one source: Go text belongs to pclntab (go_rows.c), all else to .eh_frame, and what that
 * leaves to .debug_frame, and what is left then to the code itself (flow.c). Stretches are sorted, clipped so that they do
 * not overlap, and their rows appended; between them stands a row of kind NONE. Neighbours that say the same become one. */
#include "object_internal.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/search.h"

#include <elf.h>
#include <stdlib.h>

enum {
    MAX_ROWS = 1 << 27,
    MAX_CODE = 64,       /* sections with code */
    READ_AT_ONCE = 8192, /* functions whose part of the file is kept in memory */
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
        *out = (osp_cfi){osp_elf_raw(e, s), s->addr, true, e->machine};
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
        *out = (osp_cfi){osp_elf_from(e, addr), addr, true, e->machine};
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
        if (to - one.end > OSP_PADDING)
            osp_row_add(out, one.end, OSP_RULE_NONE);
    }
}

/* glibc's swapcontext and setcontext say of themselves that they are leaves. They go over to another stack by a struct ucontext:
 * mov 0xa0(%REG), %rsp; …; mov 0xa8(%REG), %rcx; push %rcx. In between the caller is there, whose registers are all in it. */
static void note_switch(const osp_elf *e, uint64_t start, uint64_t end, osp_row_list *out)
{
    enum { MOST = 1024, MOV = 7, BETWEEN = 128, RSP_FROM = 0xa0, RCX_FROM = 0x88, PUSH_RCX = 0x51 };
    static const uint8_t number[8] = {0, 2, 1, 3, 7, 6, 4, 5}; /* of registers, DWARF's */
    osp_span code = osp_elf_from(e, start);
    size_t n = end - start < code.n ? end - start : code.n;
    for (size_t i = 0; n <= MOST && i + MOV <= n; i++) {
        const uint8_t *p = code.p + i;
        if (p[0] != 0x48 || p[1] != 0x8b || (p[2] & 0xf8) != RSP_FROM || osp_le32(p + 3) != 0xa0)
            continue;
        const uint8_t rcx[MOV + 1] = {0x48, 0x8b, (uint8_t)(RCX_FROM | (p[2] & 7)), 0xa8, 0, 0, 0, PUSH_RCX};
        size_t left = n - i < BETWEEN ? n - i : BETWEEN;
        const uint8_t *back = memmem(p, left, rcx, sizeof rcx);
        if (!back)
            continue;
        osp_row_add(out, start + i + MOV, osp_rule_make(OSP_RULE_CONTEXT, 8 * number[p[2] & 7], 0));
        osp_row_add(out, start + (size_t)(back - code.p) + sizeof rcx, osp_rule_make(OSP_RULE_SP, 8, 0));
    }
}

/* Where the function that is called here keeps rbx, if that is known. */
static bool saves_rbx(stretches *s, uint64_t callee, int64_t *off)
{
    enum { MOST = 512 }; /* bytes of instructions that are run for each caller */
    osp_fde f;
    size_t i = osp_rows_upto(s->row, s->n, sizeof *s->row, callee);
    return i && s->row[i - 1].start == callee && s->row[i - 1].order != OF_GO && fde_of(s, &s->row[i - 1], &f) &&
           f.insn.n <= MOST && osp_cfi_saves_rbx(&f, off);
}

static bool is_by_rbx(uint32_t rule)
{
    enum { RBX = 3 };
    return osp_rule_kind(rule) == OSP_RULE_LEAF && (osp_rule_cfa(rule) >> 3 & 15) == RBX;
}

/* Add a row whose CFA is by rbx, for [start, end): behind calls rbx is what the function called has kept. */
static void add_by_rbx(stretches *s, const osp_elf *e, uint64_t start, uint64_t end, uint32_t rule, osp_row_list *out)
{
    enum { CALL = 0xe8, CALL_SIZE = 5, CALLS = 4 };
    unsigned calls = 0;
    int64_t off;
    osp_span code = osp_elf_from(e, start);
    osp_row_add(out, start, rule);
    for (size_t i = 0; i + CALL_SIZE <= code.n && i + CALL_SIZE <= end - start; i++) {
        uint64_t behind = start + i + CALL_SIZE;
        if (code.p[i] != CALL || calls++ >= CALLS ||
            !saves_rbx(s, behind + (uint64_t)(int64_t)(int32_t)osp_le32(code.p + i + 1), &off) || off % 8 ||
            off < OSP_RULE_FP_MIN || off > OSP_RULE_FP_MAX)
            continue;
        osp_row_add(out, behind - 1, osp_rule_make(OSP_RULE_BY_CALLEE, (osp_rule_cfa(rule) >> 7) * 8, (int)off));
        osp_row_add(out, behind, rule);
    }
}

/* The dynamic linker binds a function when it is first called: on a stack that it has aligned, with the old one in rbx. */
static void note_calls_by_rbx(stretches *s, const osp_elf *e, uint64_t to, size_t first, osp_row_list *out)
{
    enum { MOST = 64 };
    osp_row row[MOST];
    size_t n = out->n - first, i = 0;
    while (i < n && !is_by_rbx(out->row[first + i].rule))
        i++;
    if (i == n || n > MOST || e->machine != EM_X86_64)
        return;
    memcpy(row, out->row + first, n * sizeof *row);
    out->n = first;
    for (i = 0; i < n; i++) {
        uint64_t start = out->base + row[i].pc, end = i + 1 < n ? out->base + row[i + 1].pc : to;
        if (is_by_rbx(row[i].rule) && end > start)
            add_by_rbx(s, e, start, end, row[i].rule, out);
        else
            osp_row_add(out, start, row[i].rule);
    }
}

static uint32_t join(stretches *s, gaps *g, osp_row_list *out)
{
    uint64_t at = 0;
    uint32_t skipped = 0;
    size_t i = 0;
    osp_landings landings = {.elf = g->elf, .budget = g->elf->bytes.n};
    for (piece p; next_piece(g, &i, at, &p); at = p.end) {
        const stretch *x = p.of;
        osp_fde fde;
        bool go = x->order == OF_GO;
        if (at && p.start - at > OSP_PADDING)
            osp_row_add(out, at, OSP_RULE_NONE);
        if (p.start > at)
            fill(g, at, p.start, out);
        /* A return address that is a function's first byte, behind padding, was put there by hand: glibc's
         * __start_context, the end of a stack that makecontext made. Return addresses are looked up one byte before. */
        bool read = !go && fde_of(s, x, &fde);
        if (read && at && p.start == x->start && p.start > at && is_bare(&fde))
            osp_row_add(out, p.start - 1, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_PLANTED, 0));
        size_t before = out->n;
        if (go)
            skipped += osp_go_rows(g->go, g->elf, out);
        else
            skipped += !read || !osp_cfi_rows(&fde, p.start, p.end, &landings, out);
        if (read && out->n > before)
            note_calls_by_rbx(s, g->elf, p.end, before, out);
        if (read && g->elf->machine == EM_X86_64 && is_bare(&fde))
            note_switch(g->elf, p.start, p.end, out);
    }
    if (at)
        osp_row_add(out, at, OSP_RULE_NONE);
    fill(g, at, UINT64_MAX, out);
    osp_landings_drop(&landings);
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
    cfi = (osp_cfi){.is_eh = false, .machine = e->machine};
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
        osp_cfi cfi = {osp_elf_from(e, table), table, true, e->machine};
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
    osp_row_list l = {0};
    if ((e->machine != EM_X86_64 && e->machine != EM_AARCH64) || e->foreign)
        return false;
    if (go && addr >= go->text && addr < go->etext) {
        if (!osp_go_rows_at(go, e, addr, &l))
            return false;
    } else {
        if (!find_fde(e, addr, &fde))
            return false;
        osp_landings landings = {.elf = e, .budget = e->bytes.n};
        l.base = fde.start;
        (void)osp_cfi_rows(&fde, fde.start, fde.end, &landings, &l);
        osp_landings_drop(&landings);
        if (e->machine == EM_X86_64 && is_bare(&fde))
            note_switch(e, fde.start, fde.end, &l);
    }
    *rule = osp_rows_find(l.row, (uint32_t)l.n, (uint32_t)(addr - l.base));
    bool ok =
        !l.failed && l.n && l.row[0].pc <= addr - l.base && !is_by_rbx(*rule); /* those take other functions, too */
    free(l.row);
    return ok;
}

bool osp_extents_make(const osp_elf *e, const osp_elf *debug, const osp_pcln *go, osp_arena *arena, osp_extents *out,
                      osp_err *err)
{
    stretches s = {0};
    *out = (osp_extents){0};
    bool ok = all_fdes(&s, e, debug, go);
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
    if (e->machine != EM_X86_64 && e->machine != EM_AARCH64)
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
