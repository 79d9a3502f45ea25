/* SPDX-License-Identifier: Apache-2.0 */
/* symtab.c: .symtab and .dynsym (gABI chapter 4, "Symbol Table"), by address and by name.
 *
 *   Elf64_Sym  0 st_name u32, 4 st_info u8 (bind << 4 | type), 5 st_other u8, 6 st_shndx u16, 8 st_value u64,
 *              16 st_size u64
 *
 * Without section headers .dynsym is found by DT_SYMTAB; its length is then in DT_HASH (nchain) or follows from the
 * last chain of DT_GNU_HASH. */
#include "object_internal.h"

#include "base/search.h"

#include <elf.h>
#include <stdlib.h>

enum { SYM_SIZE = 24 };

/* A symbol table and its strings. */
typedef osp_symbol_table table;

static bool table_by_section(const osp_elf *e, uint32_t type, table *out)
{
    for (uint32_t i = 0; i < e->nsection; i++) {
        const osp_section *s = &e->section[i];
        if (s->type != type || s->link >= e->nsection)
            continue;
        out->sym = osp_elf_raw(e, s);
        out->str = osp_elf_raw(e, &e->section[s->link]);
        if (out->sym.n >= SYM_SIZE)
            return true;
    }
    return false;
}

static uint64_t count_by_gnu_hash(const osp_elf *e)
{
    /* nbuckets u32, symoffset u32, bloom_size u32, bloom_shift u32, bloom u64[], buckets u32[], chains u32[] */
    osp_span h = osp_elf_from(e, e->dyn.gnu_hash);
    if (h.n < 16)
        return 0;
    uint64_t nbuckets = osp_le32(h.p), first = osp_le32(h.p + 4), bloom = osp_le32(h.p + 8);
    if (bloom > h.n / 8 || nbuckets > h.n / 4 || 16 + bloom * 8 + nbuckets * 4 > h.n)
        return 0;
    const uint8_t *bucket = h.p + 16 + bloom * 8;
    uint64_t last = 0;
    for (uint64_t i = 0; i < nbuckets; i++) {
        uint64_t b = osp_le32(bucket + i * 4);
        last = b > last ? b : last;
    }
    if (last < first)
        return first;
    osp_span chain = {bucket + nbuckets * 4, h.n - (size_t)(16 + bloom * 8 + nbuckets * 4)};
    for (uint64_t i = last - first; i < chain.n / 4; i++)
        if (osp_le32(chain.p + i * 4) & 1)
            return first + i + 1;
    return 0;
}

static bool dynamic_table(const osp_elf *e, table *out)
{
    if (table_by_section(e, SHT_DYNSYM, out))
        return true;
    if (!e->dyn.symtab || !e->dyn.strtab)
        return false;
    uint64_t n = 0;
    if (e->dyn.hash) {
        osp_span h = osp_elf_from(e, e->dyn.hash);
        n = h.n >= 8 ? osp_le32(h.p + 4) : 0;
    } else if (e->dyn.gnu_hash) {
        n = count_by_gnu_hash(e);
    }
    out->sym = osp_elf_from(e, e->dyn.symtab);
    out->str = osp_elf_from(e, e->dyn.strtab);
    if (out->sym.n / SYM_SIZE > n)
        out->sym.n = n * SYM_SIZE;
    if (out->str.n > e->dyn.strsz)
        out->str.n = e->dyn.strsz;
    return out->sym.n >= SYM_SIZE;
}

static Elf64_Sym symbol_at(const table *t, size_t i)
{
    Elf64_Sym s;
    memcpy(&s, t->sym.p + i * SYM_SIZE, sizeof s);
    return s;
}

/* ---- by address -------------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t start, size;
    osp_str name;
    uint32_t rank, order; /* the smaller the better, of those at one address */
    uint16_t section;
} candidate;

static int by_address(const void *pa, const void *pb)
{
    const candidate *a = pa, *b = pb;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

enum { UNSIZED = 256, LABEL = 128 }; /* in a rank */

/* Sized before unsized, functions before labels, global before weak before local, plain before reserved names. */
static uint32_t rank_of(const Elf64_Sym *s, osp_str name)
{
    static const uint32_t bind_rank[] = {[STB_LOCAL] = 2, [STB_GLOBAL] = 0, [STB_WEAK] = 1};
    unsigned bind = ELF64_ST_BIND(s->st_info), type = ELF64_ST_TYPE(s->st_info), dashes = 0;
    while (dashes < 3 && dashes < name.n && name.p[dashes] == '_')
        dashes++;
    return (s->st_size == 0 ? UNSIZED : 0u) | (type == STT_NOTYPE ? LABEL : 0u) |
           (bind < 3 ? bind_rank[bind] : 0) << 3 | dashes;
}

static bool is_code_symbol(const osp_elf *e, const Elf64_Sym *s, osp_str name)
{
    unsigned type = ELF64_ST_TYPE(s->st_info);
    if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
        return false;
    if (s->st_shndx == SHN_UNDEF || s->st_shndx == SHN_ABS || s->st_shndx == SHN_COMMON || name.n == 0)
        return false;
    return osp_elf_is_code(e, s->st_value) && (type != STT_NOTYPE || name.p[0] != '$'); /* $x: mapping symbols */
}

/* The end of a symbol without a size: the next one's start, or the end of its section or segment. */
static uint64_t open_end(const osp_elf *e, const candidate *c, uint64_t next)
{
    uint64_t end = next;
    const osp_segment *g = osp_elf_segment_of(e, c->start);
    if (g && g->vaddr + g->memsz < end)
        end = g->vaddr + g->memsz;
    if (c->section < e->nsection) {
        const osp_section *s = &e->section[c->section];
        if (c->start >= s->addr && c->start - s->addr < s->size && s->addr + s->size < end)
            end = s->addr + s->size;
    }
    return end;
}

static void collect(candidate *c, size_t *n, const table *t, const osp_elf *e, uint64_t skip_from, uint64_t skip_to)
{
    for (size_t i = 0; i < t->sym.n / SYM_SIZE; i++) {
        Elf64_Sym s = symbol_at(t, i);
        if (s.st_value >= skip_from && s.st_value < skip_to)
            continue;
        osp_str name = osp_text_at(t->str, s.st_name);
        if (!is_code_symbol(e, &s, name))
            continue;
        /* "clock_gettime@@GLIBC_2.17": a version, in .symtab part of the name. */
        osp_str version = name;
        name = osp_str_cut(&version, '@');
        uint64_t size = s.st_size > UINT64_MAX - s.st_value ? 0 : s.st_size;
        c[*n] = (candidate){s.st_value, size, name, rank_of(&s, name), (uint32_t)*n, s.st_shndx};
        ++*n;
    }
}

bool osp_code_symbols_read(osp_code_symbols *out, osp_arena *arena, const osp_elf *e, const osp_elf *debug,
                           uint64_t skip_from, uint64_t skip_to, osp_err *err)
{
    *out = (osp_code_symbols){0};
    table t[3];
    size_t nt = 0, max = 0, n = 0;
    if (debug && table_by_section(debug, SHT_SYMTAB, &t[nt]))
        max += t[nt++].sym.n / SYM_SIZE;
    if (table_by_section(e, SHT_SYMTAB, &t[nt]))
        max += t[nt++].sym.n / SYM_SIZE;
    if (dynamic_table(e, &t[nt]))
        max += t[nt++].sym.n / SYM_SIZE;
    osp_stub *stub;
    size_t nstub = osp_elf_stubs(e, arena, &stub);
    max += nstub;
    candidate *c = max ? calloc(max, sizeof *c) : NULL;
    if (!c) {
        free(stub);
        return max == 0 || osp_fail_memory(err, "sorting symbols");
    }
    for (size_t i = 0; i < nstub; i++)
        if (stub[i].name.n)
            c[n++] = (candidate){stub[i].start, stub[i].size, stub[i].name, UINT32_MAX, 0, SHN_UNDEF};
    free(stub);
    for (size_t i = 0; i < nt; i++)
        collect(c, &n, &t[i], e, skip_from, skip_to);
    qsort(c, n, sizeof *c, by_address);
    size_t distinct = 0;
    for (size_t i = 0; i < n; i++)
        distinct += i == 0 || c[i].start != c[i - 1].start;
    out->row = osp_new(arena, osp_code_symbol, distinct);
    if (!out->row) {
        free(c);
        return osp_fail_memory(err, "sorting symbols");
    }
    uint64_t reach = 0, in_function = 0;
    for (size_t i = 0; i < n;) {
        size_t next = i + 1;
        while (next < n && c[next].start == c[i].start)
            next++;
        if (c[i].start < in_function && (c[i].rank & UNSIZED) && (c[i].rank & LABEL)) { /* a place inside it */
            i = next;
            continue;
        }
        if (c[i].size && c[i].start + c[i].size > in_function)
            in_function = c[i].start + c[i].size;
        uint64_t end = c[i].size ? c[i].start + c[i].size : open_end(e, &c[i], next < n ? c[next].start : UINT64_MAX);
        reach = end > reach ? end : reach;
        out->row[out->n++] = (osp_code_symbol){c[i].start, end, reach, c[i].name};
        i = next;
    }
    free(c);
    return true;
}

const osp_code_symbol *osp_code_symbol_at(const osp_code_symbols *t, uint64_t addr)
{
    size_t lo = osp_rows_upto(t->row, t->n, sizeof *t->row, addr);
    /* A small symbol may lie inside a larger one: walk back as long as some earlier one reaches addr. */
    for (int steps = 0; lo > 0 && steps < 256; lo--, steps++) {
        const osp_code_symbol *s = &t->row[lo - 1];
        if (s->reach <= addr)
            return NULL;
        if (addr < s->end)
            return s;
    }
    return NULL;
}

/* ---- over addresses ----------------------------------------------------------------------------------------- */

/* Is one of the sorted addresses in [start, start + size)? */
static bool is_over(uint64_t start, uint64_t size, const uint64_t *addr, size_t n)
{
    size_t before = start ? osp_rows_upto(addr, n, sizeof *addr, start - 1) : 0;
    return before < n && addr[before] - start < size;
}

void osp_elf_symbols_over(const osp_elf *e, const osp_elf *debug, const uint64_t *addr, size_t n,
                          osp_each_symbol *each, void *ctx)
{
    table t;
    if (!table_by_section(e, SHT_SYMTAB, &t) && !(debug && table_by_section(debug, SHT_SYMTAB, &t)) &&
        !dynamic_table(e, &t))
        return;
    for (size_t i = 0; i < t.sym.n / SYM_SIZE; i++) {
        Elf64_Sym s = symbol_at(&t, i);
        unsigned type = ELF64_ST_TYPE(s.st_info);
        if (s.st_shndx == SHN_UNDEF || type == STT_TLS || type == STT_SECTION || type == STT_FILE ||
            !is_over(s.st_value, s.st_size, addr, n))
            continue;
        uint64_t end = s.st_value + s.st_size;
        osp_symbol row = {osp_text_at(t.str, s.st_name), s.st_value, end < s.st_value ? UINT64_MAX : end};
        if (row.name.n && !each(ctx, &row))
            return;
    }
}

/* ---- by name ----------------------------------------------------------------------------------------------- */

static bool find_name(const table *t, osp_str name, osp_symbol_value *out)
{
    for (size_t i = 0; i < t->sym.n / SYM_SIZE; i++) {
        Elf64_Sym s = symbol_at(t, i);
        if (s.st_shndx == SHN_UNDEF || s.st_name >= t->str.n || t->str.n - s.st_name <= name.n)
            continue;
        const char *p = (const char *)t->str.p + s.st_name;
        if (p[name.n] != 0 || memcmp(p, name.p, name.n) != 0)
            continue;
        *out = (osp_symbol_value){s.st_value, s.st_size, ELF64_ST_TYPE(s.st_info)};
        return true;
    }
    return false;
}

bool osp_elf_symbol(const osp_elf *e, osp_str name, osp_symbol_value *out)
{
    table t;
    if (name.n == 0)
        return false;
    if (table_by_section(e, SHT_SYMTAB, &t) && find_name(&t, name, out))
        return true;
    return dynamic_table(e, &t) && find_name(&t, name, out);
}

static osp_str variable_in(const table *t, uint64_t addr)
{
    for (size_t i = 0; i < t->sym.n / SYM_SIZE; i++) {
        Elf64_Sym s = symbol_at(t, i);
        if (ELF64_ST_TYPE(s.st_info) == STT_OBJECT && s.st_shndx != SHN_UNDEF && addr >= s.st_value &&
            addr - s.st_value < s.st_size)
            return osp_text_at(t->str, s.st_name);
    }
    return S("");
}

osp_str osp_elf_variable_at(const osp_elf *e, uint64_t addr)
{
    table t;
    osp_str name = table_by_section(e, SHT_SYMTAB, &t) ? variable_in(&t, addr) : S("");
    return !name.n && dynamic_table(e, &t) ? variable_in(&t, addr) : name;
}

bool osp_elf_dynamic_table(const osp_elf *e, osp_symbol_table *out) { return dynamic_table(e, out); }

osp_str osp_symbol_table_name(const osp_symbol_table *t, uint32_t i)
{
    return i < t->sym.n / SYM_SIZE ? osp_text_at(t->str, symbol_at(t, i).st_name) : S("");
}

osp_str osp_elf_dynamic_name(const osp_elf *e, uint32_t i)
{
    table t;
    return dynamic_table(e, &t) ? osp_symbol_table_name(&t, i) : S("");
}
