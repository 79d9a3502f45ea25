/* SPDX-License-Identifier: Apache-2.0 */
/* object/object.h: answers about one ELF file: its symbols, lines, inlines and unwind rows. A Mach-O or PE file answers too,
 * in the same words (its addresses count from where the linker put it).
 *
 * An osp_object is immutable once open, except that debug data is loaded when first asked for; it may be used from
 * one thread at a time. Strings and rows handed out live as long as the object. Addresses are "file addresses":
 * ELF virtual addresses (p_vaddr), never run addresses; osp_object_bias() tells how to convert.
 *
 * Go code is described by its pclntab (present in stripped binaries too): functions, files, lines, inlines and
 * SP deltas. All else by .symtab / .dynsym, DWARF (in the file, or in a separate debug file found by build id or
 * .gnu_debuglink) and .eh_frame / .debug_frame. */
#ifndef OSP_OBJECT_H
#define OSP_OBJECT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "unwind/unwind.h"

typedef struct osp_object osp_object;

typedef struct {
    const char *debug_root; /* where separate debug files are; NULL = /usr/lib/debug */
    bool no_debug_files;    /* do not look for separate debug files */
} osp_object_opts;

/* Open and index the file behind fd (which may be closed afterwards). name is for messages and for finding debug
 * files beside it. NULL and *err on failure: not ELF, Mach-O or PE, not 64-bit little-endian, truncated, another machine.
 * Only what is needed for symbols is read now; rows and DWARF are read when first asked for. */
osp_object *osp_object_open_fd(int fd, const char *name, const osp_object_opts *opts, osp_err *err);
/* The same over bytes that the object copies: the vDSO read from a process. */
osp_object *osp_object_open_bytes(osp_span elf, const char *name, const osp_object_opts *opts, osp_err *err);
void osp_object_close(osp_object *o);

osp_str osp_object_name(const osp_object *o);
/* Lower-case hex of the GNU build id; for Go files without one the text of the Go build id as pprof shows it
 * (empty if neither). */
osp_str osp_object_build_id(const osp_object *o);
/* ELF e_machine: EM_X86_64, EM_AARCH64. */
int osp_object_machine(const osp_object *o);

/* The file address that run address start (where file offset `offset` is mapped) corresponds to; run_addr -
 * bias = file_addr for the whole mapping. EABSENT if no PT_LOAD covers the offset. */
bool osp_object_bias(const osp_object *o, uint64_t map_start, uint64_t map_offset, uint64_t *bias,
                     osp_err *err) OSP_CHECKED;

/* ---- names ------------------------------------------------------------------------------------------------- */

typedef struct {
    osp_str name;        /* demangled, as a reader wants it */
    osp_str linker_name; /* as in the symbol table */
    osp_str file;        /* "" if unknown */
    int32_t line;        /* 0 if unknown */
    int32_t start_line;  /* of the function; 0 if unknown */
    int32_t column;      /* 0 if unknown */
} osp_frame;

/* The frames at file_addr, innermost inline first; at most max are written. 0 = nothing known about this address,
 * which is no error. A symbol covers [value, value+size); one of size 0 reaches to the next symbol or the end of
 * its section. For a return address ask with address - 1. */
size_t osp_object_frames(osp_object *o, uint64_t file_addr, osp_frame *out, size_t max);

/* File and line at file_addr alone, which needs no index of symbols: of Go code those of the innermost inlined call, of
 * other code those of the function itself. False if nothing is known. */
bool osp_object_line_at(osp_object *o, uint64_t file_addr, osp_str *file, int32_t *line);

/* The function symbol at file_addr without lines or inlines, which is much cheaper: name, start and end file
 * address. False if none. Goes through pclntab for Go text. */
typedef struct {
    osp_str name; /* not demangled */
    uint64_t start, end;
} osp_symbol;
bool osp_object_symbol_at(osp_object *o, uint64_t file_addr, osp_symbol *out);

/* Where the function at file_addr begins and ends, as unwind data tells also for code without any symbols: the
 * addresses of one function can then be called by one name. False if not even that is known. */
bool osp_object_extent_at(osp_object *o, uint64_t file_addr, uint64_t *start, uint64_t *end);

/* The name of a C++ or Rust function without parameters, return type and template arguments, as pprof shows it, in the
 * arena; {NULL, 0} if the linker name is not mangled. */
osp_str osp_brief_name(osp_arena *arena, osp_str linker_name);
/* The same with template arguments; and with all there is. */
osp_str osp_template_name(osp_arena *arena, osp_str linker_name);
osp_str osp_full_name(osp_arena *arena, osp_str linker_name);

/* A symbol by its exact linker name, from .symtab, .dynsym or pclntab. value = file address; for TLS symbols the
 * offset in the TLS image. */
typedef struct {
    uint64_t value, size;
    uint8_t type; /* STT_FUNC, STT_OBJECT, STT_TLS … */
} osp_symbol_value;
bool osp_object_symbol(osp_object *o, osp_str linker_name, osp_symbol_value *out);

/* The variable (STT_OBJECT) that covers file_addr: its name, not demangled; empty if none is known. */
osp_str osp_object_variable_at(osp_object *o, uint64_t file_addr);

/* ---- Go ---------------------------------------------------------------------------------------------------- */

typedef struct {
    osp_str version;      /* "go1.26.8", with its tail ("go1.26.8 X:simd"); "" if no build info */
    osp_str path;         /* main package's path from build info; "" if unknown */
    osp_str modinfo;      /* the whole module text */
    uint64_t text, etext; /* file addresses of Go text (moduledata.text/etext or the equivalent) */
    uint64_t moduledata;  /* file address; 0 if not found */
    uint32_t nfunc;
} osp_go_info;

/* False if the file has no Go code in it. */
bool osp_object_go(osp_object *o, osp_go_info *out);

/* Where Go types have their members, by the file's own DWARF (or its debug file's). offset is set, -1 = the type has
 * no such member, or the type is not there. EABSENT: no DWARF, or none of the types is in it. Slow (all of DWARF may be walked): ask once,
 * for all. */
typedef struct {
    const char *type,
        *path; /* "runtime.g" or a variable of the type, "runtime.work"; "sched.sp"; "a|b": the one or the other */
    int32_t offset; /* bytes; set by the call */
} osp_go_member;
bool osp_object_go_members(osp_object *o, osp_go_member *m, size_t n, osp_err *err) OSP_CHECKED;

/* A function activation in Go code. */
typedef struct {
    osp_frame frame;
    uint64_t at;    /* file address at which it stands: of an outer one, where the inner one was inlined */
    uint64_t entry; /* of the function that holds it */
    bool inlined;   /* into the next one */
    bool wrapper;   /* the compiler made it (a method by another receiver): Go's own tracebacks leave it out */
} osp_go_call;

/* Those at file_addr, innermost inlined one first; at most max are written. 0 = no Go code there. */
size_t osp_object_go_calls(osp_object *o, uint64_t file_addr, osp_go_call *out, size_t max);

/* True if file_addr lies in a Go function (by pclntab). */
bool osp_object_is_go(osp_object *o, uint64_t file_addr);

/* PT_TLS: size and alignment of the module's TLS block; false if there is none. */
bool osp_object_tls(const osp_object *o, uint64_t *memsz, uint64_t *align);

/* Bytes of the file at a file address (in a PT_LOAD, file-backed), n of them; {NULL, 0} if not there. */
osp_span osp_object_bytes(const osp_object *o, uint64_t file_addr, size_t n);

/* The first dynamic relocation of this ELF type (R_X86_64_TPOFF64 …) without a symbol, or for runtime.tlsg; false if
 * there is none. *slot: the file address that it fills. For reading the g slot of a c-shared object. */
bool osp_object_relocation(osp_object *o, uint32_t elf_type, uint64_t *slot, int64_t *addend);

/* ---- unwinding --------------------------------------------------------------------------------------------- */

/* All unwind rows of the file, sorted by pc, from pclntab (Go text) and .eh_frame, else .debug_frame (all else), in
 * one table; see unwind/unwind.h. Made on the first call. A file without any gives n = 0 and true. The table's
 * base is subtracted from file addresses. */
typedef struct {
    const osp_row *row;
    uint32_t n;
    uint64_t base;    /* file address of row pc 0 */
    uint32_t skipped; /* functions whose unwind data could not be read or expressed */
} osp_rows;
bool osp_object_rows(osp_object *o, osp_rows *out, osp_err *err) OSP_CHECKED;

/* The rows if they are made already. */
bool osp_object_rows_made(const osp_object *o, osp_rows *out);
/* The rule of one address alone, from what its function says of itself: for files of which a few are needed. Rows are made
 * where that is not enough, and once so many were asked for that they are cheaper. */
uint32_t osp_object_rule_at(osp_object *o, uint64_t file_addr);

/* ---- disassembly ------------------------------------------------------------------------------------------- */

/* The innermost loop around a sampled address. An address of a load or store is fixed if nothing in the loop changes
 * the registers that form it; slots of the function's own stack frame are not counted as memory. */
typedef struct {
    uint64_t start, end; /* file addresses, [start, end) */
    uint32_t instructions;
    uint32_t fixed_loads; /* distinct fixed addresses that are read */
    uint32_t other_loads; /* reads at addresses that move */
    uint32_t stores;      /* ordinary writes to memory */
    uint32_t exchanges;   /* atomic exchange or compare-and-swap at a fixed address */
    uint32_t calls;       /* calls, returns, system calls */
    uint32_t counting;    /* register + or - a constant */
    uint32_t arithmetic;  /* all other computing: multiply, shift, floating point, vectors … */
    uint32_t pauses;      /* pause, yield */
    uint64_t load_addr;   /* file address of the one fixed load, if it is pc-relative; else 0 */
} osp_loop;

/* What the symbol tables have over any of these file addresses (sorted), function or not, in the tables' order: first
 * those of .symtab, or the debug file's, else those of .dynsym. Symbols without a size are none. each returns false to
 * have no more. */
typedef bool osp_each_symbol(void *ctx, const osp_symbol *s);
void osp_object_symbols_over(osp_object *o, const uint64_t *file_addr, size_t n, osp_each_symbol *each, void *ctx);

typedef enum { OSP_ATT, OSP_INTEL } osp_syntax;

typedef struct {
    uint64_t addr; /* file address */
    uint32_t size; /* bytes */
    osp_str text;  /* "call main.hot": addresses that instructions lead to by their names. "?": no instruction */
} osp_instruction;

typedef struct {
    osp_instruction *row;
    size_t n;
} osp_instructions;

/* The instructions in [start, end), which begin at start, in the arena; fewer where the file has fewer bytes, or
 * beyond OSP_MOST_CODE. x86-64 and arm64 (which knows one syntax only). EABSENT: no code there, or no disassembler for
 * this machine. */
enum { OSP_MOST_CODE = 1 << 22 };
bool osp_object_instructions(osp_object *o, uint64_t start, uint64_t end, osp_syntax syntax, osp_arena *a,
                             osp_instructions *out, osp_err *err) OSP_CHECKED;

/* Disassemble around file_addr, which must be the start of an instruction (a leaf pc is). EABSENT: no loop is seen
 * there, or no disassembler for this machine. */
bool osp_object_loop(osp_object *o, uint64_t file_addr, osp_loop *out, osp_err *err) OSP_CHECKED;

/* The unwind rule at an address by rsp and the code alone, in a function that its tables describe by the frame pointer: for
 * stacks where that is not what it was. False if rsp cannot be followed there. */
bool osp_object_rule_by_sp(osp_object *o, uint64_t file_addr, uint32_t *rule);

/* ---- code that was compiled while its program ran ------------------------------------------------------------- */

/* What a just-in-time compiler says stands where in its memory: /tmp/perf-PID.map, or a jitdump file. */
typedef struct osp_jit osp_jit;

/* EABSENT if it is not there, or belongs neither to that user nor to root: anybody may write to /tmp. */
osp_jit *osp_jit_open(const char *path, uint32_t owner, osp_err *err);
osp_jit *osp_jit_of(osp_file *file, osp_err *err); /* takes the file over, on failure too */
void osp_jit_close(osp_jit *j);

/* The name of what stands at an address, a view that lives as long as j; "" if nothing does. */
osp_str osp_jit_at(const osp_jit *j, uint64_t addr);

/* ---- many objects ------------------------------------------------------------------------------------------ */

/* Keeps every object open that was ever asked for, by (device, inode), so that symbols of processes that have ended
 * can still be had. */
typedef struct osp_objects osp_objects;
osp_objects *osp_objects_new(const osp_object_opts *opts);
void osp_objects_drop(osp_objects *c);
/* The object of an open file; opened on the first ask. NULL and *err if it cannot be read (remembered too). */
osp_object *osp_objects_of_fd(osp_objects *c, int fd, const char *name, osp_err *err);
/* The object of bytes kept under a key of the caller's choice (the vDSO). */
osp_object *osp_objects_of_bytes(osp_objects *c, osp_str key, osp_span elf, osp_err *err);

#endif
