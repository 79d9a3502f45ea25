/* SPDX-License-Identifier: Apache-2.0 */
/* dwarf.c: lines and inlines of everything that is not Go, through libdw (elfutils).
 *
 * What libdw lacks for our use is made here:
 *   - A sorted index of the ranges of all units. clang writes no .debug_aranges, and without it libdw walks all
 *     units for each address. Go's units are left out: pclntab serves them.
 *   - Per unit, on first use, a sorted index of its functions, so that only one function's tree is searched for
 *     inlined calls.
 *   - Compressed sections: libdw inflates all of them on opening. We inflate only those that lines and names need,
 *     with libdeflate, and hand libdw a small ELF file in memory that holds nothing else.
 *
 * Hostile input reaches libdw only inside an ELF image whose headers our own reader accepted. */
#include "object_internal.h"

#include "base/buf.h"
#include "base/search.h"

#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>

/* MAX_ENTRIES: a hostile sibling attribute can point backwards, and then siblings never end. */
enum { MAX_DEPTH = 48, MAX_UNITS = 1 << 20, MAX_WALK_BACK = 64, MAX_ENTRIES = 1 << 24 };

typedef struct {
    uint64_t start, end, reach; /* reach: the largest end so far */
    Dwarf_Die die;
} function;

typedef struct {
    Dwarf_Die die;
    bool indexed;
    function *function; /* malloc'ed */
    size_t nfunction, cap;
} unit;

typedef struct {
    uint64_t start, end, reach;
    uint32_t unit;
} unit_range;

struct osp_dwarf {
    Elf *elf;
    Dwarf *dwarf;
    unit *unit;
    size_t nunit, unit_cap;
    unit_range *range;
    size_t nrange, range_cap;
};

/* ---- opening ----------------------------------------------------------------------------------------------- */

static const char *const wanted[] = {
    "info", "abbrev", "line", "line_str", "str", "str_offsets", "ranges", "rnglists", "addr",
};
enum { NWANTED = sizeof wanted / sizeof *wanted };

static bool needs_copy(const osp_elf *e)
{
    if (e->foreign)
        return true;
    for (uint32_t i = 0; i < e->nsection; i++)
        if ((e->section[i].flags & SHF_COMPRESSED) || osp_str_starts(e->section[i].name, S(".zdebug_")))
            return true;
    return false;
}

/* An ELF file of the wanted sections, uncompressed:
 *
 *     Ehdr | contents, each 16-aligned | section names | Shdr[0] null, the sections, the names
 */
static osp_span plain_copy(const osp_elf *e, osp_arena *arena)
{
    uint64_t size[NWANTED], total = sizeof(Elf64_Ehdr);
    char name[NWANTED][32];
    osp_err ignored; /* a section that is missing or broken is left out */
    for (int i = 0; i < NWANTED; i++) {
        snprintf(name[i], sizeof name[i], ".debug_%s", wanted[i]);
        size[i] = osp_elf_debug_size(e, osp_str_from(name[i]));
        if (__builtin_add_overflow(total, size[i] + 32, &total) || total > SIZE_MAX / 2)
            return (osp_span){0};
    }
    char names[NWANTED * 32 + 32] = "";
    size_t nnames = 1;
    uint8_t *image = osp_new(arena, uint8_t, total + sizeof names + (NWANTED + 2) * sizeof(Elf64_Shdr));
    if (!image || size[0] == 0)
        return (osp_span){0};
    Elf64_Shdr header[NWANTED + 2] = {0};
    unsigned n = 1;
    uint64_t at = (sizeof(Elf64_Ehdr) + 15) & ~15ull;
    for (int i = 0; i < NWANTED; i++) {
        if (size[i] == 0 || !osp_elf_debug_copy(e, osp_str_from(name[i]), image + at, &ignored))
            continue;
        bool is_text = strstr(wanted[i], "str") && strcmp(wanted[i], "str_offsets") != 0;
        header[n++] = (Elf64_Shdr){.sh_name = (uint32_t)nnames,
                                   .sh_type = SHT_PROGBITS,
                                   .sh_offset = at,
                                   .sh_size = size[i],
                                   .sh_addralign = 1,
                                   .sh_flags = is_text ? SHF_MERGE | SHF_STRINGS : 0,
                                   .sh_entsize = is_text};
        nnames += (size_t)snprintf(names + nnames, sizeof names - nnames, "%s", name[i]) + 1;
        at = (at + size[i] + 15) & ~15ull;
    }
    header[n++] =
        (Elf64_Shdr){.sh_name = (uint32_t)nnames, .sh_type = SHT_STRTAB, .sh_offset = at, .sh_addralign = 1};
    nnames += (size_t)snprintf(names + nnames, sizeof names - nnames, ".shstrtab") + 1;
    header[n - 1].sh_size = nnames;
    memcpy(image + at, names, nnames);
    at = (at + nnames + 15) & ~15ull;
    memcpy(image + at, header, n * sizeof *header);
    Elf64_Ehdr h = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                    .e_type = ET_EXEC,
                    .e_machine = e->machine,
                    .e_version = EV_CURRENT,
                    .e_shoff = at,
                    .e_ehsize = sizeof h,
                    .e_shentsize = sizeof *header,
                    .e_shnum = (uint16_t)n,
                    .e_shstrndx = (uint16_t)(n - 1)};
    memcpy(image, &h, sizeof h);
    return (osp_span){image, at + n * sizeof *header};
}

static bool add_range(osp_dwarf *d, uint64_t start, uint64_t end, uint32_t id)
{
    if (start >= end || start == 0) /* 0: code the linker dropped */
        return true;
    if (!osp_grow((void **)&d->range, &d->range_cap, d->nrange + 1, sizeof *d->range))
        return false;
    d->range[d->nrange++] = (unit_range){start, end, 0, id};
    return true;
}

/* The next range of a DIE; state starts as 0. */
static bool next_range(Dwarf_Die *die, ptrdiff_t *state, uint64_t *start, uint64_t *end)
{
    Dwarf_Addr base;
    ptrdiff_t before = *state;
    *state = dwarf_ranges(die, *state, &base, start, end);
    return *state > 0 && *state != before;
}

static bool index_functions(unit *u);

static bool index_unit(osp_dwarf *d, Dwarf_Die *die)
{
    if (dwarf_srclang(die) == DW_LANG_Go)
        return true;
    if (!osp_grow((void **)&d->unit, &d->unit_cap, d->nunit + 1, sizeof *d->unit))
        return false;
    uint32_t id = (uint32_t)d->nunit++;
    d->unit[id] = (unit){.die = *die};
    ptrdiff_t state = 0;
    Dwarf_Addr start, end;
    bool any = false;
    while (next_range(die, &state, &start, &end)) {
        any = true;
        if (!add_range(d, start, end, id))
            return false;
    }
    if (any)
        return true;
    /* A unit that does not say where its code is: its functions do. */
    if (!index_functions(&d->unit[id]))
        return false;
    for (size_t i = 0; i < d->unit[id].nfunction; i++)
        if (!add_range(d, d->unit[id].function[i].start, d->unit[id].function[i].end, id))
            return false;
    return true;
}

static int by_start(const void *pa, const void *pb)
{
    const unit_range *a = pa, *b = pb;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return a->unit < b->unit ? -1 : a->unit > b->unit;
}

static bool index_units(osp_dwarf *d)
{
    Dwarf_CU *cu = NULL;
    Dwarf_Die die;
    uint8_t type;
    for (int n = 0; n < MAX_UNITS && dwarf_get_units(d->dwarf, cu, &cu, NULL, &type, &die, NULL) == 0; n++)
        if ((type == DW_UT_compile || type == DW_UT_skeleton) && !index_unit(d, &die))
            return false;
    if (d->nrange)
        qsort(d->range, d->nrange, sizeof *d->range, by_start);
    uint64_t reach = 0;
    for (size_t i = 0; i < d->nrange; i++) {
        reach = d->range[i].end > reach ? d->range[i].end : reach;
        d->range[i].reach = reach;
    }
    return true;
}

osp_dwarf *osp_dwarf_open_types(const osp_elf *e, const osp_elf *debug, osp_arena *arena)
{
    osp_span info;
    uint64_t addr;
    osp_err ignored; /* no debug data is ordinary */
    if (!osp_elf_section(e, S(".debug_info")) && !osp_elf_section(e, S(".zdebug_info")))
        e = debug;
    if (!e || e->type == ET_REL)
        return NULL;
    osp_span image = e->bytes;
    if (needs_copy(e))
        image = plain_copy(e, arena);
    else if (!osp_elf_debug_section(e, S(".debug_info"), &info, &addr, &ignored))
        return NULL;
    osp_dwarf *d = image.n ? calloc(1, sizeof *d) : NULL;
    if (!d)
        return NULL;
    elf_version(EV_CURRENT);
    d->elf = elf_memory((char *)(uintptr_t)image.p, image.n); /* libelf reads it only */
    d->dwarf = d->elf ? dwarf_begin_elf(d->elf, DWARF_C_READ, NULL) : NULL;
    if (!d->dwarf) {
        osp_dwarf_close(d);
        return NULL;
    }
    return d;
}

Dwarf *osp_dwarf_libdw(osp_dwarf *d) { return d->dwarf; }

osp_dwarf *osp_dwarf_open(const osp_elf *e, const osp_elf *debug, osp_arena *arena)
{
    osp_dwarf *d = osp_dwarf_open_types(e, debug, arena);
    if (d && (!index_units(d) || d->nrange == 0)) {
        osp_dwarf_close(d);
        return NULL;
    }
    return d;
}

void osp_dwarf_close(osp_dwarf *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->nunit; i++)
        free(d->unit[i].function);
    free(d->unit);
    free(d->range);
    if (d->dwarf)
        dwarf_end(d->dwarf);
    if (d->elf)
        elf_end(d->elf);
    free(d);
}

/* ---- functions of a unit ----------------------------------------------------------------------------------- */

static int by_function_start(const void *pa, const void *pb)
{
    const function *a = pa, *b = pb;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return a->end > b->end ? -1 : a->end < b->end; /* the smaller one later, so that it is found first */
}

static bool add_function(unit *u, Dwarf_Die *die)
{
    ptrdiff_t state = 0;
    Dwarf_Addr start, end;
    while (next_range(die, &state, &start, &end)) {
        if (start >= end || start == 0)
            continue;
        if (!osp_grow((void **)&u->function, &u->cap, u->nfunction + 1, sizeof *u->function))
            return false;
        u->function[u->nfunction++] = (function){start, end, 0, *die};
    }
    return true;
}

/* Scopes that may hold functions with code: C++ namespaces; Rust puts methods inside types. */
static bool holds_functions(int tag)
{
    switch (tag) {
    case DW_TAG_namespace:
    case DW_TAG_module:
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
    case DW_TAG_enumeration_type:
        return true;
    default:
        return false;
    }
}

static bool index_functions(unit *u)
{
    Dwarf_Die at[MAX_DEPTH];
    int depth = 0;
    u->indexed = true;
    if (dwarf_child(&u->die, &at[0]) != 0)
        return true;
    for (int left = MAX_ENTRIES; left > 0; left--) {
        int tag = dwarf_tag(&at[depth]);
        if (tag == DW_TAG_subprogram && !add_function(u, &at[depth]))
            return false;
        if (holds_functions(tag) && depth + 1 < MAX_DEPTH && dwarf_child(&at[depth], &at[depth + 1]) == 0) {
            depth++;
            continue;
        }
        while (depth >= 0 && dwarf_siblingof(&at[depth], &at[depth]) != 0)
            depth--;
        if (depth < 0)
            break;
    }
    if (u->nfunction)
        qsort(u->function, u->nfunction, sizeof *u->function, by_function_start);
    uint64_t reach = 0;
    for (size_t i = 0; i < u->nfunction; i++) {
        reach = u->function[i].end > reach ? u->function[i].end : reach;
        u->function[i].reach = reach;
    }
    return true;
}

static const function *function_at(const unit *u, uint64_t addr)
{
    size_t lo = osp_rows_upto(u->function, u->nfunction, sizeof *u->function, addr);
    for (int steps = 0; lo > 0 && steps < MAX_WALK_BACK && u->function[lo - 1].reach > addr; lo--, steps++)
        if (addr < u->function[lo - 1].end)
            return &u->function[lo - 1];
    return NULL;
}

/* The unit whose code holds addr; NULL if there is none. */
static unit *unit_at(osp_dwarf *d, uint64_t addr)
{
    size_t lo = osp_rows_upto(d->range, d->nrange, sizeof *d->range, addr);
    for (int steps = 0; lo > 0 && steps < MAX_WALK_BACK && d->range[lo - 1].reach > addr; lo--, steps++)
        if (addr < d->range[lo - 1].end)
            return &d->unit[d->range[lo - 1].unit];
    return NULL;
}

/* ---- frames ------------------------------------------------------------------------------------------------ */

/* The scope among the children of *die that holds addr: an inlined call or a block. */
static bool inner_scope(Dwarf_Die *die, uint64_t addr, Dwarf_Die *out)
{
    if (dwarf_child(die, out) != 0)
        return false;
    int left = MAX_ENTRIES;
    do {
        int tag = dwarf_tag(out);
        if ((tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block || tag == DW_TAG_try_block ||
             tag == DW_TAG_catch_block || tag == DW_TAG_with_stmt || tag == DW_TAG_subprogram) &&
            dwarf_haspc(out, addr) > 0)
            return true;
    } while (--left > 0 && dwarf_siblingof(out, out) == 0);
    return false;
}

static int32_t number(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attr;
    Dwarf_Word v;
    if (!dwarf_attr_integrate(die, name, &attr) || dwarf_formudata(&attr, &v) != 0 || v > INT32_MAX)
        return 0;
    return (int32_t)v;
}

/* Its name for the linker where it has one, else its own; "" without either. */
static const char *name_of(Dwarf_Die *die)
{
    Dwarf_Attribute attr;
    const char *linker = NULL, *name = dwarf_diename(die);
    if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attr) ||
        dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attr))
        linker = dwarf_formstring(&attr);
    return linker ? linker : name ? name : "";
}

/* The function that *die, a C++ lambda's body, is written in: its name, or NULL. */
static const char *writer_of_lambda(Dwarf_Die *die)
{
    Dwarf_Die at = *die, *scopes;
    Dwarf_Attribute attr;
    for (int i = 0; i < 4; i++) /* to the abstract instance, then to the declaration in the closure's class */
        if ((!dwarf_attr(&at, DW_AT_abstract_origin, &attr) && !dwarf_attr(&at, DW_AT_specification, &attr)) ||
            !dwarf_formref_die(&attr, &at))
            break;
    int n = dwarf_getscopes_die(&at, &scopes);
    const char *name = NULL;
    for (int i = 1; i < n && !name; i++)
        if (dwarf_tag(&scopes[i]) == DW_TAG_subprogram)
            name = name_of(&scopes[i]);
    if (n > 0)
        free(scopes);
    return name;
}

static void name_frame(Dwarf_Die *die, osp_frame *out)
{
    const char *name = name_of(die);
    out->linker_name = out->name = osp_str_from(name);
    if (osp_str_eq(out->name, S("operator()"))) {
        const char *writer = writer_of_lambda(die);
        out->name = writer ? osp_str_from(writer) : out->name;
    }
    out->start_line = number(die, DW_AT_decl_line);
}

size_t osp_dwarf_frames(osp_dwarf *d, uint64_t addr, osp_frame *out, size_t max)
{
    unit *u = unit_at(d, addr);
    if (!u || max == 0 || (!u->indexed && !index_functions(u)))
        return 0;
    /* From the function inward: chain[0] is the function, then each call inlined into the one before. */
    Dwarf_Die chain[MAX_DEPTH], scope, inner;
    size_t n = 0;
    const function *f = function_at(u, addr);
    if (f) {
        chain[n++] = scope = f->die;
        for (int depth = 0; depth < MAX_DEPTH && inner_scope(&scope, addr, &inner); depth++) {
            scope = inner;
            int tag = dwarf_tag(&scope);
            if (tag == DW_TAG_subprogram)
                chain[0] = scope, n = 1; /* a function nested in another is no inlined call */
            else if (tag == DW_TAG_inlined_subroutine && n < MAX_DEPTH)
                chain[n++] = scope;
        }
    }
    osp_frame at = {.name = S(""), .linker_name = S(""), .file = S("")};
    Dwarf_Line *line = dwarf_getsrc_die(&u->die, addr);
    int v;
    if (line) {
        const char *file = dwarf_linesrc(line, NULL, NULL);
        at.file = osp_str_from(file ? file : "");
        at.line = dwarf_lineno(line, &v) == 0 ? v : 0;
        at.column = dwarf_linecol(line, &v) == 0 ? v : 0;
    }
    if (n == 0) {
        out[0] = at;
        return line != NULL;
    }
    Dwarf_Files *files = NULL;
    size_t nfiles = 0, written = 0;
    if (n > 1 && dwarf_getsrcfiles(&u->die, &files, &nfiles) != 0)
        files = NULL;
    while (n > 0 && written < max) {
        Dwarf_Die *die = &chain[--n];
        name_frame(die, &at);
        out[written++] = at;
        if (n == 0)
            break;
        /* The caller stands where this call was inlined. */
        Dwarf_Attribute attr;
        Dwarf_Word which;
        const char *file = NULL;
        if (files && dwarf_attr(die, DW_AT_call_file, &attr) && dwarf_formudata(&attr, &which) == 0)
            file = dwarf_filesrc(files, which, NULL, NULL);
        at = (osp_frame){.file = osp_str_from(file ? file : "")};
        at.line = number(die, DW_AT_call_line);
        at.column = number(die, DW_AT_call_column);
    }
    return written;
}
