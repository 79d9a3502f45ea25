/* SPDX-License-Identifier: Apache-2.0 */
/* object.c: the object itself: opens the parts when they are first needed, and knows which of them answers. */
#include "object_internal.h"

#include "base/search.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PAGE = 4096,
    NT_GO_BUILD_ID = 4,
    NAMED_AT_ONCE = 256,
    SINGLE_RULES = 16384, /* some microseconds each: then a table of all is not dearer */
};
static const size_t MAX_FILE = (size_t)1 << 33, MAX_MEMORY = (size_t)1 << 32;

typedef enum { UNREAD, ABSENT, READ } loaded;

struct osp_object {
    osp_arena arena;
    osp_file file; /* or bytes in the arena */
    osp_elf elf;
    osp_str name, build_id;
    const char *debug_root; /* in the arena; NULL = default */
    bool no_debug_files;
    loaded debug_is, symbols_are, rows_are, extents_are;
    osp_file debug_file;
    osp_elf debug;
    osp_code_symbols symbols;
    osp_extents extents;
    bool has_go, has_buildinfo;
    osp_str version, modinfo;
    osp_pcln go;
    bool sigreturn_known;
    uint64_t sigreturn; /* entry of runtime.sigreturn…; 0 = none */
    osp_row_list rows;
    uint32_t rows_skipped;
    uint32_t single_rules, named; /* addresses asked for so far */
    osp_dwarf *dwarf;
    loaded dwarf_is;
    osp_demangled names;
};

/* ---- open -------------------------------------------------------------------------------------------------- */

static osp_str build_id_of(osp_object *o)
{
    osp_span id = osp_elf_note(&o->elf, S("GNU"), NT_GNU_BUILD_ID);
    if (id.n == 0 || id.n > 64) {
        id = osp_elf_note(&o->elf, S("Go"), NT_GO_BUILD_ID);
        return id.n && id.n <= 512 ? osp_span_text(id) : S("");
    }
    char *hex = osp_new(&o->arena, char, 2 * id.n + 1);
    if (!hex)
        return S("");
    for (size_t i = 0; i < id.n; i++)
        snprintf(hex + 2 * i, 3, "%02x", id.p[i]);
    return (osp_str){hex, 2 * id.n};
}

static osp_object *new_object(const char *name, const osp_object_opts *opts, osp_err *err)
{
    osp_object *o = calloc(1, sizeof *o);
    if (!o) {
        osp_fail_memory(err, "opening an object");
        return NULL;
    }
    osp_arena_init(&o->arena, MAX_MEMORY);
    o->name = osp_arena_str(&o->arena, osp_str_from(name ? name : ""));
    if (opts && opts->debug_root)
        o->debug_root = osp_arena_str(&o->arena, osp_str_from(opts->debug_root)).p;
    o->no_debug_files = opts && opts->no_debug_files;
    return o;
}

static osp_object *read_object(osp_object *o, osp_span bytes, osp_err *err)
{
    if (!osp_image_open(&o->elf, bytes, &o->arena, err)) {
        osp_fail_in(err, "%.*s", STRF(o->name));
        osp_object_close(o);
        return NULL;
    }
    o->elf.mapped = o->file.mapped;
    o->build_id = build_id_of(o);
    o->has_buildinfo = osp_go_buildinfo(&o->elf, &o->version, &o->modinfo);
    /* The search for pclntab by its magic reads all data, so there must be some other sign of Go. */
    if (o->has_buildinfo || osp_elf_section(&o->elf, S(".gopclntab")) ||
        osp_elf_section(&o->elf, S(".data.rel.ro.gopclntab")) || osp_elf_note(&o->elf, S("Go"), NT_GO_BUILD_ID).n)
        o->has_go = osp_pcln_open(&o->go, &o->elf);
    return o;
}

osp_object *osp_object_open_fd(int fd, const char *name, const osp_object_opts *opts, osp_err *err)
{
    osp_object *o = new_object(name, opts, err);
    if (!o)
        return NULL;
    if (!osp_file_open_fd(fd, name ? name : "file", MAX_FILE, &o->file, err)) {
        osp_object_close(o);
        return NULL;
    }
    return read_object(o, o->file.bytes, err);
}

osp_object *osp_object_open_bytes(osp_span elf, const char *name, const osp_object_opts *opts, osp_err *err)
{
    osp_object *o = new_object(name, opts, err);
    if (!o)
        return NULL;
    osp_str copy = osp_arena_str(&o->arena, osp_span_text(elf));
    if (!copy.p) {
        osp_fail_memory(err, "copying an object");
        osp_object_close(o);
        return NULL;
    }
    o->no_debug_files = true;
    return read_object(o, osp_str_bytes(copy), err);
}

void osp_object_close(osp_object *o)
{
    if (!o)
        return;
    osp_dwarf_close(o->dwarf);
    osp_demangled_drop(&o->names);
    free(o->rows.row);
    if (o->debug_is == READ)
        osp_file_close(&o->debug_file);
    if (o->file.bytes.p)
        osp_file_close(&o->file);
    osp_arena_drop(&o->arena);
    free(o);
}

osp_str osp_object_name(const osp_object *o) { return o->name; }
osp_str osp_object_build_id(const osp_object *o) { return o->build_id; }
int osp_object_machine(const osp_object *o) { return o->elf.machine; }

bool osp_object_bias(const osp_object *o, uint64_t map_start, uint64_t map_offset, uint64_t *bias, osp_err *err)
{
    /* Two segments may share a page of the file; then the one that begins there, and code before data. */
    const osp_segment *best = NULL;
    int best_rank = -1;
    for (uint32_t i = 0; i < o->elf.nsegment; i++) {
        const osp_segment *s = &o->elf.segment[i];
        /* Only Linux maps an ELF file's segments by whole pages of the file. */
        uint64_t first = o->elf.foreign ? s->offset : s->offset & ~(uint64_t)(PAGE - 1);
        if (s->type != PT_LOAD || map_offset < first || map_offset - s->offset >= s->filesz + (s->offset - first))
            if (s->type != PT_LOAD || map_offset != first)
                continue;
        int rank = ((s->flags & PF_X) ? 2 : 0) + (map_offset == first);
        if (rank > best_rank) {
            best_rank = rank;
            best = s;
        }
    }
    if (!best)
        return osp_fail(err, OSP_EABSENT, "%.*s: no segment holds file offset 0x%llx", STRF(o->name),
                        (unsigned long long)map_offset);
    *bias = map_start - (best->vaddr + map_offset - best->offset);
    return true;
}

/* ---- parts ------------------------------------------------------------------------------------------------- */

/* The separate debug file, or NULL. */
static const osp_elf *debug_of(osp_object *o)
{
    if (o->debug_is == UNREAD) {
        bool found = !o->no_debug_files &&
                     osp_debug_file(&o->elf, o->debug_root, o->name.p, &o->debug_file, &o->debug, &o->arena);
        o->debug_is = found ? READ : ABSENT;
    }
    return o->debug_is == READ ? &o->debug : NULL;
}

static const osp_code_symbols *symbols_of(osp_object *o)
{
    if (o->symbols_are == UNREAD) {
        uint64_t from = o->has_go ? o->go.text : 0, to = o->has_go ? o->go.etext : 0;
        osp_err ignored; /* without memory there are no names, which is no error here */
        bool got = osp_code_symbols_read(&o->symbols, &o->arena, &o->elf, debug_of(o), from, to, &ignored);
        o->symbols_are = got ? READ : ABSENT;
    }
    return &o->symbols;
}

static osp_dwarf *dwarf_of(osp_object *o)
{
    if (o->dwarf_is == UNREAD) {
        o->dwarf = osp_dwarf_open(&o->elf, debug_of(o), &o->arena);
        o->dwarf_is = o->dwarf ? READ : ABSENT;
    }
    return o->dwarf;
}

bool osp_object_go_members(osp_object *o, osp_go_member *m, size_t n, osp_err *err)
{
    enum { SCRATCH_BYTES = 1 << 30 }; /* decompressed sections */
    osp_arena scratch;
    osp_arena_init(&scratch, SCRATCH_BYTES);
    osp_dwarf *d = osp_dwarf_open_types(&o->elf, debug_of(o), &scratch);
    bool ok = d && osp_dwarf_go_members(d, m, n);
    osp_dwarf_close(d);
    osp_arena_drop(&scratch);
    return ok || osp_fail(err, OSP_EABSENT, "%.*s: no DWARF of these Go types", STRF(o->name));
}

/* ---- names ------------------------------------------------------------------------------------------------- */

/* A signal handler returns to the first byte of sigreturn, and callers are asked for one byte before their return
 * address: that last byte of the function before it is taken for sigreturn's. */
static uint64_t past_sigreturn(osp_object *o, uint64_t file_addr)
{
    for (uint32_t i = 0; !o->sigreturn_known && i < o->go.nfunc; i++) {
        osp_func f;
        if (osp_pcln_func(&o->go, i, &f) && (f.flag & OSP_FUNC_ASM) &&
            osp_str_starts(osp_pcln_name(&o->go, f.name), S("runtime.sigreturn"))) {
            o->sigreturn = f.entry;
            break;
        }
    }
    o->sigreturn_known = true;
    return o->sigreturn && file_addr == o->sigreturn - 1 ? o->sigreturn : file_addr;
}

bool osp_object_is_go(osp_object *o, uint64_t file_addr)
{
    return o->has_go && osp_pcln_find(&o->go, file_addr) != UINT32_MAX;
}

/* Is the symbol's name a better one for a function than what DWARF calls it? Assembly has lines but no functions
 * there; glibc's has the names by which it calls itself; gcc leaves out the linkage name, and with it the scope, of
 * functions in unnamed namespaces. */
static bool is_better(osp_str symbol, osp_str dwarf)
{
    return dwarf.n == 0 || osp_str_starts(dwarf, S("__GI_")) || (osp_is_mangled(symbol) && !osp_is_mangled(dwarf));
}

size_t osp_object_frames(osp_object *o, uint64_t file_addr, osp_frame *out, size_t max)
{
    if (max == 0)
        return 0;
    if (++o->named % NAMED_AT_ONCE == 0) /* names lie all over a large file */
        osp_file_rest(&o->file);
    if (osp_object_is_go(o, file_addr))
        return osp_pcln_frames(&o->go, past_sigreturn(o, file_addr), out, max);
    if (!osp_elf_is_code(&o->elf, file_addr))
        return 0;
    osp_symbol s = {0};
    bool has_symbol = osp_object_symbol_at(o, file_addr, &s);
    osp_dwarf *d = dwarf_of(o);
    size_t n = d ? osp_dwarf_frames(d, file_addr, out, max) : 0;
    if (n == 0 && !has_symbol)
        return 0;
    if (n == 0)
        out[n++] = (osp_frame){.name = S(""), .linker_name = S(""), .file = S("")};
    if (has_symbol && is_better(s.name, out[n - 1].linker_name))
        out[n - 1].name = out[n - 1].linker_name = s.name;
    for (size_t i = 0; i < n; i++) {
        bool lambda = osp_str_eq(out[i].linker_name, S("operator()")) && !osp_str_eq(out[i].name, out[i].linker_name);
        out[i].name = osp_demangle(&o->names, &o->arena, out[i].name);
        osp_str full = lambda ? osp_arena_fmt(&o->arena, "%.*s::{lambda}", STRF(out[i].name)) : S("");
        out[i].name = full.n ? full : out[i].name;
    }
    return n;
}

size_t osp_object_go_calls(osp_object *o, uint64_t file_addr, osp_go_call *out, size_t max)
{
    if (!osp_object_is_go(o, file_addr))
        return 0;
    osp_pcln_learn(&o->go);
    return osp_pcln_calls(&o->go, past_sigreturn(o, file_addr), out, max);
}

bool osp_object_line_at(osp_object *o, uint64_t file_addr, osp_str *file, int32_t *line)
{
    osp_frame f[64];
    size_t n = 0;
    if (osp_object_is_go(o, file_addr))
        n = osp_pcln_frames(&o->go, file_addr, f, 1);
    else if (dwarf_of(o))
        n = osp_dwarf_frames(o->dwarf, file_addr, f, sizeof f / sizeof *f);
    if (n == 0 || !f[n - 1].file.n)
        return false;
    *file = f[n - 1].file;
    *line = f[n - 1].line;
    return true;
}

bool osp_object_symbol_at(osp_object *o, uint64_t file_addr, osp_symbol *out)
{
    if (osp_object_is_go(o, file_addr)) {
        osp_func f;
        if (!osp_pcln_func(&o->go, osp_pcln_find(&o->go, past_sigreturn(o, file_addr)), &f))
            return false;
        *out = (osp_symbol){osp_pcln_name(&o->go, f.name), f.entry, f.end};
        return true;
    }
    const osp_code_symbol *s = osp_code_symbol_at(symbols_of(o), file_addr);
    if (!s)
        return false;
    *out = (osp_symbol){s->name, s->start, s->end};
    return true;
}

void osp_object_symbols_over(osp_object *o, const uint64_t *file_addr, size_t n, osp_each_symbol *each, void *ctx)
{
    osp_elf_symbols_over(&o->elf, debug_of(o), file_addr, n, each, ctx);
}

/* What unwind data says to be one function. */
static const osp_extent *extent_at(osp_object *o, uint64_t file_addr)
{
    if (o->extents_are == UNREAD) {
        osp_err ignored; /* without memory nothing is known, which is no error here */
        const osp_pcln *go = o->has_go ? &o->go : NULL;
        o->extents_are = osp_extents_make(&o->elf, debug_of(o), go, &o->arena, &o->extents, &ignored) ? READ : ABSENT;
    }
    size_t lo = osp_rows_upto(o->extents.row, o->extents.n, sizeof *o->extents.row, file_addr);
    return lo == 0 || file_addr >= o->extents.row[lo - 1].end ? NULL : &o->extents.row[lo - 1];
}

bool osp_object_extent_at(osp_object *o, uint64_t file_addr, uint64_t *start, uint64_t *end)
{
    osp_symbol s;
    if (osp_object_symbol_at(o, file_addr, &s)) {
        *start = s.start;
        *end = s.end;
        return true;
    }
    const osp_extent *e = extent_at(o, file_addr);
    if (!e)
        return false;
    *start = e->start;
    *end = e->end;
    return true;
}

bool osp_object_rule_by_sp(osp_object *o, uint64_t file_addr, uint32_t *rule)
{
    osp_err ignored;
    osp_rows rows;
    const osp_extent *e = o->elf.machine == EM_X86_64 ? extent_at(o, file_addr) : NULL;
    if (!e || !osp_object_rows(o, &rows, &ignored) || e->start < rows.base || e->start - rows.base > UINT32_MAX)
        return false;
    /* A part that was moved away from its function (.cold) begins in the midst of a frame. */
    uint32_t first = osp_rows_find(rows.row, rows.n, (uint32_t)(e->start - rows.base));
    return first == osp_rule_make(OSP_RULE_SP, 8, 0) && osp_flow_rule_by_sp(&o->elf, e, file_addr, rule);
}

bool osp_object_symbol(osp_object *o, osp_str linker_name, osp_symbol_value *out)
{
    if (osp_elf_symbol(&o->elf, linker_name, out))
        return true;
    for (uint32_t i = 0; o->has_go && i < o->go.nfunc; i++) {
        osp_func f;
        if (osp_pcln_func(&o->go, i, &f) && osp_pcln_is_named(&o->go, &f, linker_name)) {
            *out = (osp_symbol_value){f.entry, f.end - f.entry, STT_FUNC};
            return true;
        }
    }
    const osp_elf *debug = debug_of(o);
    return debug && osp_elf_symbol(debug, linker_name, out);
}

osp_str osp_object_variable_at(osp_object *o, uint64_t file_addr)
{
    osp_str name = osp_elf_variable_at(&o->elf, file_addr);
    const osp_elf *debug = name.n ? NULL : debug_of(o);
    return debug ? osp_elf_variable_at(debug, file_addr) : name;
}

/* ---- Go ---------------------------------------------------------------------------------------------------- */

/* The rest of the first line of the module text that begins with key and a tab. */
static osp_str module_line(osp_str text, osp_str key)
{
    while (text.n) {
        osp_str line = osp_str_cut(&text, '\n');
        if (line.n > key.n && osp_str_starts(line, key) && line.p[key.n] == '\t')
            return osp_str_skip(line, key.n + 1);
    }
    return S("");
}

bool osp_object_go(osp_object *o, osp_go_info *out)
{
    if (!o->has_go)
        return false;
    *out = (osp_go_info){
        .version = o->version,
        .path = module_line(o->modinfo, S("path")),
        .modinfo = o->modinfo,
        .text = o->go.text,
        .etext = o->go.etext,
        .moduledata = o->go.moduledata,
        .nfunc = o->go.nfunc,
    };
    return true;
}

bool osp_object_tls(const osp_object *o, uint64_t *memsz, uint64_t *align)
{
    for (uint32_t i = 0; i < o->elf.nsegment; i++) {
        if (o->elf.segment[i].type != PT_TLS)
            continue;
        *memsz = o->elf.segment[i].memsz;
        *align = o->elf.segment[i].align;
        return true;
    }
    return false;
}

osp_span osp_object_bytes(const osp_object *o, uint64_t file_addr, size_t n)
{
    osp_span b = osp_elf_from(&o->elf, file_addr);
    return b.n >= n ? (osp_span){b.p, n} : (osp_span){0};
}

bool osp_object_relocation(osp_object *o, uint32_t elf_type, uint64_t *slot, int64_t *addend)
{
    osp_span table[2];
    osp_elf_relocs(&o->elf, table);
    for (int t = 0; t < 2; t++) {
        for (size_t i = 0; i < table[t].n / OSP_RELA_SIZE; i++) {
            osp_reloc r = osp_elf_reloc_at(table[t], i);
            if (r.type != elf_type)
                continue;
            if (r.symbol != 0 && !osp_str_eq(osp_elf_dynamic_name(&o->elf, r.symbol), S("runtime.tlsg")))
                continue;
            *slot = r.offset;
            *addend = r.addend;
            return true;
        }
    }
    return false;
}

/* ---- unwinding --------------------------------------------------------------------------------------------- */

bool osp_object_rows(osp_object *o, osp_rows *out, osp_err *err)
{
    if (o->rows_are != READ) {
        if (!osp_rows_make(&o->elf, debug_of(o), o->has_go ? &o->go : NULL, &o->rows, &o->rows_skipped, err))
            return osp_fail_in(err, "%.*s", STRF(o->name));
        o->rows_are = READ;
        osp_file_rest(&o->file); /* most of it was read for the rows, and names are asked for much later */
        if (o->debug_is == READ)
            osp_file_rest(&o->debug_file);
    }
    *out = (osp_rows){o->rows.row, (uint32_t)o->rows.n, o->rows.base, o->rows_skipped};
    return true;
}

bool osp_object_rows_made(const osp_object *o, osp_rows *out)
{
    *out = (osp_rows){o->rows.row, (uint32_t)o->rows.n, o->rows.base, o->rows_skipped};
    return o->rows_are == READ;
}

uint32_t osp_object_rule_at(osp_object *o, uint64_t file_addr)
{
    osp_rows rows;
    uint32_t rule;
    osp_err ignored; /* without memory there is no rule */
    bool few = o->rows_are == UNREAD && o->single_rules < SINGLE_RULES;
    o->single_rules += few;
    if (few && osp_rule_of_function(&o->elf, o->has_go ? &o->go : NULL, file_addr, &rule))
        return rule;
    if (!osp_object_rows(o, &rows, &ignored) || file_addr < rows.base || (file_addr - rows.base) >> 32)
        return OSP_RULE_NONE;
    return osp_rows_find(rows.row, rows.n, (uint32_t)(file_addr - rows.base));
}
