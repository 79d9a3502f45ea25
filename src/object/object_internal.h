/* SPDX-License-Identifier: Apache-2.0 */
/* object_internal.h: what the files of this room share.
 *
 *     elf.c        headers, sections, segments, notes, relocations, compressed sections, words by address
 *     foreign.c    what is not ELF, as if it were
 *     macho.c      executables of macOS
 *     pe.c         executables of Windows
 *     debugfile.c  the separate debug file of an object
 *     symtab.c     .symtab and .dynsym, by address and by name
 *     buildinfo.c  what the Go linker says about itself
 *     pclntab.c    Go's own tables: functions, files, lines, inlines, SP deltas
 *     cfi.c        .eh_frame and .debug_frame, one function at a time
 *     flow.c       the same from the code itself, where no table describes it
 *     rows.c       all of that as one table of unwind rows
 *     dwarf.c      lines and inlines through libdw
 *     gotypes.c    members of Go types through libdw
 *     demangle.c   C++ and Rust names
 *     brief.c      the same, as short as pprof has them
 *     instructions.c  the instructions of a range of addresses
 *     loop.c       the loop around an address
 *     object.c     the object itself: who answers what
 *     cache.c      many objects */
#ifndef OSP_OBJECT_INTERNAL_H
#define OSP_OBJECT_INTERNAL_H

#include "base/arena.h"
#include "base/cur.h"
#include "base/hash.h"
#include "object/object.h"

/* ---- elf.c ------------------------------------------------------------------------------------------------- */

typedef struct {
    osp_str name;
    uint32_t type, link, info;
    uint64_t flags, addr, offset, size, entsize;
    osp_span own; /* contents that are not in the file; see foreign.c */
} osp_section;

typedef struct {
    uint32_t type, flags;
    uint64_t offset, vaddr, filesz, memsz, align;
} osp_segment;

/* A parsed ELF file over bytes that live elsewhere. */
typedef struct {
    osp_span bytes;
    bool mapped;      /* they are a mapped file's */
    osp_arena *arena; /* tables and decompressed sections */
    uint16_t machine, type;
    bool foreign; /* Mach-O or PE: bytes have no ELF header */
    uint64_t entry;
    osp_section *section;
    uint32_t nsection;
    osp_segment *segment;
    uint32_t nsegment;
    struct { /* from PT_DYNAMIC; file addresses, 0 = absent */
        uint64_t symtab, strtab, strsz, hash, gnu_hash, rela, relasz, jmprel, pltrelsz;
    } dyn;
} osp_elf;

bool osp_elf_open(osp_elf *e, osp_span bytes, osp_arena *arena, osp_err *err) OSP_CHECKED;

/* ---- foreign.c, macho.c, pe.c: executables that are not ELF, as an osp_elf ---------------------------------- */

bool osp_is_macho(osp_span bytes);
bool osp_is_pe(osp_span bytes);
/* After the is_ of the same name. */
bool osp_macho_open(osp_elf *e, osp_span bytes, osp_arena *arena, osp_err *err) OSP_CHECKED;
bool osp_pe_open(osp_elf *e, osp_span bytes, osp_arena *arena, osp_err *err) OSP_CHECKED;
/* Whichever of the three it is. */
bool osp_image_open(osp_elf *e, osp_span bytes, osp_arena *arena, osp_err *err) OSP_CHECKED;

/* For the readers: room for the tables, with section 0, which is none; then no more than so many of each. */
enum { OSP_FOREIGN_MADE = 2 }; /* sections: the symbol table and its strings */
bool osp_foreign_tables(osp_elf *e, size_t nsegment, size_t nsection, osp_err *err) OSP_CHECKED;
void osp_foreign_segment(osp_elf *e, osp_segment s);
void osp_foreign_section(osp_elf *e, osp_section s);
typedef struct {
    uint64_t value;   /* file address */
    uint32_t name;    /* where it begins in the names */
    uint16_t section; /* 0 = none */
} osp_foreign_symbol;
/* The last of the sections: the symbol table. names must live as long as e. */
bool osp_foreign_symbols(osp_elf *e, const osp_foreign_symbol *row, size_t n, osp_span names,
                         osp_err *err) OSP_CHECKED;

/* ---- elf.c again --------------------------------------------------------------------------------------------- */

/* The first section of that name, or NULL. */
const osp_section *osp_elf_section(const osp_elf *e, osp_str name);
/* The bytes of a section in the file, as they are; empty for SHT_NOBITS. */
osp_span osp_elf_raw(const osp_elf *e, const osp_section *s);
/* The section .NAME, or .zNAME as old tools called it when compressed; EABSENT if there is none. name starts with
 * a dot. */
bool osp_elf_debug_section(const osp_elf *e, osp_str name, osp_span *out, uint64_t *addr, osp_err *err) OSP_CHECKED;
/* The same into the caller's memory: its size, 0 if there is none, and as many bytes. */
uint64_t osp_elf_debug_size(const osp_elf *e, osp_str name);
bool osp_elf_debug_copy(const osp_elf *e, osp_str name, uint8_t *to, osp_err *err) OSP_CHECKED;

/* File-backed bytes from file address addr to the end of its segment; empty if there are none. */
osp_span osp_elf_from(const osp_elf *e, uint64_t addr);
/* The segment (PT_LOAD) that holds addr in memory, or NULL. */
const osp_segment *osp_elf_segment_of(const osp_elf *e, uint64_t addr);
/* True if addr is in an executable segment. */
bool osp_elf_is_code(const osp_elf *e, uint64_t addr);

/* The next note in a span of notes. */
typedef struct {
    uint32_t type;
    osp_str name; /* without the NUL */
    osp_span desc;
} osp_note;
bool osp_elf_note_next(osp_span *notes, osp_note *out);
/* The descriptor of the first note of that name and type anywhere in the file; empty if none. */
osp_span osp_elf_note(const osp_elf *e, osp_str name, uint32_t type);

/* One dynamic relocation with addend. */
typedef struct {
    uint64_t offset;
    uint32_t type, symbol;
    int64_t addend;
} osp_reloc;
/* The tables of dynamic relocations: [0] .rela.dyn, [1] .rela.plt; walk with osp_elf_reloc_at. */
void osp_elf_relocs(const osp_elf *e, osp_span table[2]);
enum { OSP_RELA_SIZE = 24 };
osp_reloc osp_elf_reloc_at(osp_span table, size_t i);

/* n words at file address addr as the dynamic linker would leave them (bias 0): relative relocations applied. */
bool osp_elf_words(const osp_elf *e, uint64_t addr, uint64_t *out, size_t n);

static inline uint32_t osp_le32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t osp_le64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* The text at `at` of a string table; empty if it is not there or does not end within 64 KiB. */
static inline osp_str osp_text_at(osp_span in, uint64_t at)
{
    if (at >= in.n)
        return S("");
    const char *p = (const char *)in.p + at;
    size_t most = in.n - at < 65536 ? in.n - at : 65536;
    const char *end = memchr(p, 0, most);
    return end ? (osp_str){p, (size_t)(end - p)} : S("");
}

/* ---- symtab.c ---------------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t start, end, reach; /* reach: the largest end of this and all symbols before it */
    osp_str name;
} osp_code_symbol;

/* Function symbols sorted by address; of several at one address the best is kept. */
typedef struct {
    osp_code_symbol *row;
    uint32_t n;
} osp_code_symbols;

/* skip_from .. skip_to: addresses whose symbols are not wanted (Go text). debug may be NULL. */
bool osp_code_symbols_read(osp_code_symbols *t, osp_arena *arena, const osp_elf *e, const osp_elf *debug,
                           uint64_t skip_from, uint64_t skip_to, osp_err *err) OSP_CHECKED;
const osp_code_symbol *osp_code_symbol_at(const osp_code_symbols *t, uint64_t addr);

/* osp_object_symbols_over for one file and, where it has no .symtab, its debug file (which may be NULL). */
void osp_elf_symbols_over(const osp_elf *e, const osp_elf *debug, const uint64_t *addr, size_t n,
                          osp_each_symbol *each, void *ctx);
/* A defined symbol by name in .symtab, else .dynsym, of one file. */
bool osp_elf_symbol(const osp_elf *e, osp_str name, osp_symbol_value *out);
/* The stubs of the procedure linkage table, malloc'ed; their names live in the arena. Returns how many. */
typedef struct {
    uint64_t start, size; /* file addresses */
    osp_str name;         /* "time@plt"; {NULL, 0} without memory */
} osp_stub;
size_t osp_elf_stubs(const osp_elf *e, osp_arena *arena, osp_stub **out);
/* The name of the variable at addr in .symtab, else .dynsym, of one file. */
osp_str osp_elf_variable_at(const osp_elf *e, uint64_t addr);
/* The name of dynamic symbol i; empty if there is none. For many names find the table once. */
osp_str osp_elf_dynamic_name(const osp_elf *e, uint32_t i);
typedef struct {
    osp_span sym, str;
} osp_symbol_table;
bool osp_elf_dynamic_table(const osp_elf *e, osp_symbol_table *out);
osp_str osp_symbol_table_name(const osp_symbol_table *t, uint32_t i);

/* ---- buildinfo.c ------------------------------------------------------------------------------------------- */

/* Version and module text of a Go file; false if it holds none. */
bool osp_go_buildinfo(const osp_elf *e, osp_str *version, osp_str *modinfo);

/* ---- pclntab.c --------------------------------------------------------------------------------------------- */

enum { OSP_FUNC_TOPFRAME = 1, OSP_FUNC_SPWRITE = 2, OSP_FUNC_ASM = 4 };

typedef struct {
    osp_span tab;    /* from the header on; may reach past the table's end */
    unsigned layout; /* 102, 116, 118 or 120: the first release that wrote this form */
    unsigned quantum;
    uint32_t nfunc;
    uint32_t first_row;                         /* offset of functab in funcs */
    uint64_t addr;                              /* file address of the header */
    uint64_t text, etext;                       /* file addresses */
    uint64_t moduledata, gofunc;                /* file addresses; 0 = not found */
    osp_span names, cutab, files, pctab, funcs; /* funcs begins with functab */
    osp_span gofunc_bytes;                      /* from gofunc on */
    unsigned wrapper;                           /* kind of functions that the compiler made; 0 = not asked for yet */
} osp_pcln;

/* One function's record. */
typedef struct {
    uint64_t entry, end; /* file addresses */
    uint32_t name, pcsp, pcfile, pcline, npcdata, cu, nfuncdata;
    int32_t start_line;
    uint8_t id, flag;
    uint32_t at; /* offset of what follows the fixed part, in funcs */
} osp_func;

/* Find and check the table of a file. False: no Go code in it. */
bool osp_pcln_open(osp_pcln *p, const osp_elf *e);
/* Function i of nfunc; false if its record is broken. */
bool osp_pcln_func(const osp_pcln *p, uint32_t i, osp_func *out);
/* The index of the function at addr, or UINT32_MAX. */
uint32_t osp_pcln_find(const osp_pcln *p, uint64_t addr);
osp_str osp_pcln_name(const osp_pcln *p, uint32_t off);
bool osp_pcln_is_named(const osp_pcln *p, const osp_func *f, osp_str name);
/* Frames at addr, innermost inline first. */
size_t osp_pcln_frames(const osp_pcln *p, uint64_t addr, osp_frame *out, size_t max);
/* The same with all there is, once p has learnt which functions the compiler made. */
void osp_pcln_learn(osp_pcln *p);
size_t osp_pcln_calls(const osp_pcln *p, uint64_t addr, osp_go_call *out, size_t max);

/* The steps of a pc-value table: value holds for pcs in [pc, next). */
typedef struct {
    osp_cur cur;
    osp_err err;
    uint64_t pc, next;
    int32_t value;
    unsigned quantum;
    bool first;
} osp_pcvalue;
bool osp_pcvalue_open(osp_pcvalue *v, const osp_pcln *p, uint32_t off, uint64_t entry);
/* False at the end of the table; v->cur.bad tells a broken one. */
bool osp_pcvalue_next(osp_pcvalue *v);

/* ---- rows.c, go_rows.c, cfi.c ----------------------------------------------------------------------------------------- */

typedef struct {
    osp_row *row; /* malloc'ed */
    size_t n, cap;
    uint64_t base;
    bool failed; /* out of memory or past the limit */
} osp_row_list;

/* Add a rule that holds from addr on; addresses may not fall. */
void osp_row_add(osp_row_list *l, uint64_t addr, uint32_t rule);

/* The table of a file; debug and go may be NULL. skipped: functions that could not be read or expressed. */
bool osp_rows_make(const osp_elf *e, const osp_elf *debug, const osp_pcln *go, osp_row_list *out, uint32_t *skipped,
                   osp_err *err) OSP_CHECKED;

/* The rule of one address, from its own function's data alone: pclntab, or the index of .eh_frame. False: that says nothing
 * of it. */
bool osp_rule_of_function(const osp_elf *e, const osp_pcln *go, uint64_t addr, uint32_t *rule);

enum { OSP_PADDING = 63 }; /* a smaller gap between functions is alignment: not worth a row */

/* All of Go's rows; returns how many functions could not be read. */
uint32_t osp_go_rows(const osp_pcln *p, const osp_elf *e, osp_row_list *out);
/* Those of the function at an address alone, from whose begin the list then counts. False: that says nothing of it. */
bool osp_go_rows_at(const osp_pcln *p, const osp_elf *e, uint64_t addr, osp_row_list *out);

/* Where functions are, by unwind data alone, sorted. */
typedef struct {
    uint64_t start, end;
} osp_extent;
typedef struct {
    osp_extent *row;
    uint32_t n;
} osp_extents;
bool osp_extents_make(const osp_elf *e, const osp_elf *debug, const osp_pcln *go, osp_arena *arena, osp_extents *out,
                      osp_err *err) OSP_CHECKED;

/* A table of call frame information. */
typedef struct {
    osp_span bytes;
    uint64_t addr; /* file address of the first byte */
    bool is_eh;    /* .eh_frame, not .debug_frame */
    uint16_t machine;
} osp_cfi;

typedef struct {
    size_t at; /* of its length field */
    bool ok, augmented, signal;
    uint16_t machine;
    uint64_t code_align;
    int64_t data_align;
    uint64_t return_reg;
    uint8_t encoding, lsda_encoding; /* of FDE addresses; of where call sites are */
    osp_span insn;
} osp_cie;

typedef struct {
    size_t at; /* of its length field: where an osp_cfi_iter comes upon it again */
    uint64_t start, end;
    uint64_t lsda; /* its call-site table; 0 = none */
    osp_cie cie;
    osp_span insn;
} osp_fde;

typedef struct {
    const osp_cfi *cfi;
    size_t at;
    osp_cie cie; /* the last one read */
    uint32_t broken;
} osp_cfi_iter;

/* The next FDE; broken ones are counted and left out. */
bool osp_cfi_next(osp_cfi_iter *it, osp_fde *out);
/* A value of the given encoding (DW_EH_PE); addr is the file address of the cursor's first byte. */
uint64_t osp_cfi_encoded(osp_cur *c, uint8_t encoding, uint64_t addr);

/* Where a function of x86-64 keeps its caller's rbx, from the CFA. False: nothing is said of that. */
bool osp_cfi_saves_rbx(const osp_fde *f, int64_t *off);

/* landing.c: where exceptions land in a function. Zero but elf and budget: how many bytes of call-site tables may be read in
 * all; a file has each of them once. */
typedef struct {
    const osp_elf *elf;
    size_t budget;
    uint64_t *pad; /* sorted; malloc'ed */
    size_t n, cap;
} osp_landings;

/* Read those of the function of an FDE, in place of the last one's. */
void osp_landings_read(osp_landings *l, const osp_fde *f);
void osp_landings_drop(osp_landings *l);
/* A return address may be pad, where this rule begins: the rule for the byte before it, which the search comes upon then.
 * OSP_RULE_NONE: it is no pad of the function, or that byte's own rule serves. */
uint32_t osp_landings_rule(const osp_landings *l, const osp_fde *f, uint64_t pad, uint32_t rule);

/* Add the rows of an FDE, for the addresses in [from, to). False if some of its rules could not be expressed or
 * read; those are OSP_RULE_UNKNOWN. */
bool osp_cfi_rows(const osp_fde *f, uint64_t from, uint64_t to, osp_landings *landings, osp_row_list *out);

/* ---- flow.c, flow_aarch64.c: code without tables ------------------------------------------------------------- */

typedef struct {
    const osp_elf *elf;
    uint64_t *start; /* of functions, sorted */
    size_t n, cap;
} osp_flow;

/* Find where functions begin in those parts of a file's code, sorted, that nothing else describes. The file must live on;
 * debug and go may be NULL. */
void osp_flow_open(osp_flow *w, const osp_elf *e, const osp_elf *debug, const osp_pcln *go, const osp_extents *gaps,
                   const osp_extent *code, size_t ncode);
void osp_flow_drop(osp_flow *w);
/* Add the rows of the code in [from, to), which nothing else describes. False without memory. */
bool osp_flow_rows(osp_flow *w, uint64_t from, uint64_t to, osp_row_list *out);
/* The rule by rsp at addr in a function. False if rsp was lost on the way. */
bool osp_flow_rule_by_sp(const osp_elf *e, const osp_extent *function, uint64_t addr, uint32_t *rule);
/* Nothing but padding there, or nothing in the file? */
bool osp_flow_is_padding(const osp_elf *e, uint64_t from, uint64_t to);

/* The same of one function of aarch64, or what seems to be one, whose code begins at addr; known: something says that it
 * does. False without memory. */
bool osp_flow_aarch64(osp_span code, uint64_t addr, bool known, osp_row_list *out);
bool osp_flow_aarch64_pads(osp_span code);
/* Is this instruction, at that address, a call of a fixed place? */
bool osp_flow_aarch64_calls(uint32_t word, uint64_t at, uint64_t *target);

/* ---- debugfile.c, dwarf.c, demangle.c ---------------------------------------------------------------------- */

/* Find and open the separate debug file of e, whose path is name; root NULL = the system's. */
bool osp_debug_file(const osp_elf *e, const char *root, const char *name, osp_file *file, osp_elf *out,
                    osp_arena *arena);

typedef struct osp_dwarf osp_dwarf;
/* The DWARF of e, else of its debug file (which may be NULL); NULL if there is none. */
osp_dwarf *osp_dwarf_open(const osp_elf *e, const osp_elf *debug, osp_arena *arena);
/* The same without the indexes that frames need, for types only. */
osp_dwarf *osp_dwarf_open_types(const osp_elf *e, const osp_elf *debug, osp_arena *arena);
void osp_dwarf_close(osp_dwarf *d);
struct Dwarf *osp_dwarf_libdw(osp_dwarf *d);
bool osp_dwarf_go_members(osp_dwarf *d, osp_go_member *m, size_t n);
/* Frames at addr, innermost inline first, with linker names as names where there are any; 0 = nothing known. The
 * body of a C++ lambda, which gcc calls operator() and no more, has the linker name "operator()" and as name that of the
 * function it is written in. */
size_t osp_dwarf_frames(osp_dwarf *d, uint64_t addr, osp_frame *out, size_t max);

/* Does a linker name say by its form that it is one of C++ or Rust? */
static inline bool osp_is_mangled(osp_str name)
{
    return osp_str_starts(name, S("_Z")) || osp_str_starts(name, S("_R"));
}

/* Names seen so far, as people write them. */
typedef struct {
    osp_intern mangled;
    osp_str *plain; /* by id; malloc'ed */
    size_t cap;
} osp_demangled;
/* name as people write it, in the arena; name itself if it is not mangled. name must live as long as t. */
osp_str osp_demangle(osp_demangled *t, osp_arena *arena, osp_str name);
void osp_demangled_drop(osp_demangled *t);

/* brief.c: the name demangled (libiberty's DMGL_ options) into out[size]; false if it is not mangled or does not fit. */
enum { OSP_LONGEST_DEMANGLED = 65536 };
bool osp_demangle_into(const char *linker_name, int options, char *out, size_t size);

#endif
