/* SPDX-License-Identifier: Apache-2.0 */
/* macho.c: executables of macOS (Apple: <mach-o/loader.h>, <mach-o/fat.h>, <mach-o/nlist.h>), 64-bit, little endian.
 *
 *   header    magic feedfacf u32, cpu u32, subtype u32, file type u32, ncmds u32, size of commands u32, flags u32, 0 u32
 *   command   cmd u32, size u32 (of all of it, a multiple of 8), then by cmd:
 *     19 LC_SEGMENT_64  name 16, vmaddr u64, vmsize u64, fileoff u64, filesize u64, maxprot u32, initprot u32,
 *                       nsects u32, flags u32, then nsects x 80 bytes: section name 16, segment name 16, addr u64, size u64,
 *                       offset u32, align u32, reloff u32, nreloc u32, flags u32 (low byte: type), 3 x u32
 *      2 LC_SYMTAB      symoff u32, nsyms u32, stroff u32, strsize u32
 *   nlist_64  name u32 (in strings), type u8, section u8 (from 1; 0 = none), desc u16, value u64
 *   fat file  magic cafebabe (or cafebabf), n, then n x {cpu, subtype, offset, size, align}, all u32, big endian; of a
 *             cafebabf offset and size are u64, and a u32 follows.
 *
 * Of a fat file the first part for x86-64 or arm64 is read. A section's name becomes ELF's: "__go_buildinfo" is
 * ".go.buildinfo". A name is written without its '_' if there is a '.' in it, as Go has it.
 *
 * Not read: 32-bit and big-endian files, chained fixups (pointers in data of files linked by Apple's ld since 2021 stay as they are;
 * functions, lines and instructions need none of them),
 * LC_UUID, debug files beside the executable (dSYM). */
#include "object_internal.h"

#include <elf.h>

enum {
    MACHO_64 = (int)0xfeedfacf,
    MACHO_32 = (int)0xfeedface,
    CPU_X86_64 = 0x1000007,
    CPU_ARM64 = 0x100000c,
    LC_SYMTAB = 2,
    LC_SEGMENT_64 = 0x19,
    HEADER = 32,
    SECTION = 80,
    NLIST = 16,
    NLIST_STAB = 0xe0,
    NAME = 16,
    MOST_PARTS = 30, /* a Java class has its version there, 45 and more */
    MOST_MACHO_SECTIONS = 4096,
    MOST_MACHO_SEGMENTS = 1024,
};

static uint32_t be32(const uint8_t *p) { return __builtin_bswap32(osp_le32(p)); }
static uint64_t be64(const uint8_t *p) { return __builtin_bswap64(osp_le64(p)); }

static bool is_thin(osp_span in)
{
    return in.n >= 4 && (osp_le32(in.p) == (uint32_t)MACHO_64 || osp_le32(in.p) == (uint32_t)MACHO_32);
}

/* How many parts a fat file has; 0 = it is none. */
static uint32_t parts_of(osp_span in, bool *wide)
{
    uint32_t magic = in.n >= 8 ? be32(in.p) : 0;
    *wide = magic == 0xcafebabf;
    uint32_t n = magic == 0xcafebabe || *wide ? be32(in.p + 4) : 0;
    return n <= MOST_PARTS && (in.n - 8) / (*wide ? 32 : 20) >= n ? n : 0;
}

bool osp_is_macho(osp_span in)
{
    bool wide;
    return is_thin(in) || (in.n >= 8 && parts_of(in, &wide) > 0);
}

static int machine_of(uint32_t cpu) { return cpu == CPU_X86_64 ? EM_X86_64 : cpu == CPU_ARM64 ? EM_AARCH64 : 0; }

/* The part of a fat file that we can read; the file itself if it is not fat. */
static bool choose_part(osp_span *in, osp_err *err)
{
    bool wide;
    if (is_thin(*in))
        return true;
    uint32_t n = parts_of(*in, &wide);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *p = in->p + 8 + (size_t)i * (wide ? 32 : 20);
        uint64_t at = wide ? be64(p + 8) : be32(p + 8), size = wide ? be64(p + 16) : be32(p + 12);
        if (!machine_of(be32(p)))
            continue;
        if (at > in->n || size > in->n - at)
            return osp_fail(err, OSP_EFORMAT, "a fat Mach-O file whose part %u lies outside of it (truncated?)", i);
        *in = (osp_span){in->p + at, size};
        return is_thin(*in) || osp_fail(err, OSP_EFORMAT, "a fat Mach-O file whose part %u is no Mach-O file", i);
    }
    return osp_fail(err, OSP_EFORMAT, "a fat Mach-O file without a part for x86-64 or arm64");
}

static osp_str name_in(osp_span field)
{
    const uint8_t *end = field.n ? memchr(field.p, 0, field.n) : NULL;
    return (osp_str){(const char *)field.p, end ? (size_t)(end - field.p) : field.n};
}

/* "__text" is ".text", "__go_buildinfo" is ".go.buildinfo"; of the longest names the end is missing. */
static osp_str elf_name(osp_arena *a, osp_str name)
{
    if (!osp_str_starts(name, S("__")))
        return name;
    name = osp_str_skip(name, 2);
    if (osp_str_eq(name, S("debug_str_offs")) || osp_str_eq(name, S("zdebug_str_offs")))
        return name.p[0] == 'z' ? S(".zdebug_str_offsets") : S(".debug_str_offsets");
    bool go = osp_str_starts(name, S("go_"));
    osp_str text = osp_arena_fmt(a, ".%s%.*s", go ? "go." : "", STRF(osp_str_skip(name, go ? 3 : 0)));
    return text.p ? text : S("");
}

static void read_section(osp_elf *e, osp_span in, bool code)
{
    enum { ZEROS = 1, MANY_ZEROS = 12, THREAD_ZEROS = 18 };
    unsigned type = in.p[64];
    bool zeros = type == ZEROS || type == MANY_ZEROS || type == THREAD_ZEROS;
    osp_foreign_section(e, (osp_section){.name = elf_name(e->arena, name_in((osp_span){in.p, NAME})),
                                         .type = zeros ? SHT_NOBITS : SHT_PROGBITS,
                                         .flags = SHF_ALLOC | (code ? SHF_EXECINSTR : 0),
                                         .addr = osp_le64(in.p + 32),
                                         .size = osp_le64(in.p + 40),
                                         .offset = osp_le32(in.p + 48)});
}

static bool read_segment(osp_elf *e, osp_cur *c)
{
    osp_cur_skip(c, NAME);
    osp_segment s = {.vaddr = osp_cur_u64(c)};
    s.memsz = osp_cur_u64(c);
    s.offset = osp_cur_u64(c);
    s.filesz = osp_cur_u64(c);
    osp_cur_skip(c, 4);
    uint32_t prot = osp_cur_u32(c), n = osp_cur_u32(c);
    osp_cur_skip(c, 4);
    s.flags = (prot & 1 ? PF_R : 0) | (prot & 2 ? PF_W : 0) | (prot & 4 ? PF_X : 0);
    if (c->bad || n > osp_cur_left(c) / SECTION || n > MOST_MACHO_SECTIONS - e->nsection ||
        e->nsegment == MOST_MACHO_SEGMENTS)
        return osp_cur_fail(c, "%u sections do not fit", n);
    if (prot) /* else nobody can read it: what keeps address 0 free, and DWARF, whose sections are all one wants */
        osp_foreign_segment(e, s);
    for (uint32_t i = 0; i < n; i++)
        read_section(e, osp_cur_bytes(c, SECTION), prot & 4);
    return true;
}

static osp_span part_of(const osp_elf *e, uint64_t at, uint64_t n)
{
    return at > e->bytes.n || n > e->bytes.n - at ? (osp_span){0} : (osp_span){e->bytes.p + at, n};
}

static bool read_symbols(osp_elf *e, uint32_t at, uint32_t n, osp_span names, osp_err *err)
{
    osp_span table = part_of(e, at, (uint64_t)n * NLIST);
    osp_arena scratch;
    osp_arena_init(&scratch, SIZE_MAX / 2);
    osp_foreign_symbol *row = osp_new(&scratch, osp_foreign_symbol, table.n / NLIST + 1);
    size_t nrow = 0;
    for (size_t i = 0; row && i < table.n / NLIST; i++) {
        const uint8_t *p = table.p + i * NLIST;
        if (p[4] & NLIST_STAB) /* for debuggers */
            continue;
        uint32_t name_at = osp_le32(p);
        osp_str name = osp_text_at(names, name_at);
        name_at += name.n && name.p[0] == '_' && memchr(name.p, '.', name.n);
        row[nrow++] = (osp_foreign_symbol){osp_le64(p + 8), name_at, p[5] < e->nsection ? p[5] : 0};
    }
    bool ok = row ? osp_foreign_symbols(e, row, nrow, names, err) : osp_fail_memory(err, "reading symbols");
    osp_arena_drop(&scratch);
    return ok;
}

bool osp_macho_open(osp_elf *e, osp_span bytes, osp_arena *arena, osp_err *err)
{
    if (!choose_part(&bytes, err))
        return false;
    if (osp_le32(bytes.p) != (uint32_t)MACHO_64)
        return osp_fail(err, OSP_EFORMAT, "a 32-bit Mach-O file; only 64-bit ones are supported");
    osp_cur c = osp_cur_on(bytes, "Mach-O file", err);
    osp_cur_skip(&c, 4);
    uint32_t cpu = osp_cur_u32(&c);
    osp_cur_skip(&c, 8);
    uint32_t ncmd = osp_cur_u32(&c), size = osp_cur_u32(&c);
    osp_cur_skip(&c, 8);
    *e = (osp_elf){.bytes = bytes, .arena = arena, .foreign = true, .type = ET_EXEC, .machine = machine_of(cpu)};
    if (!c.bad && !e->machine)
        return osp_fail(err, OSP_EFORMAT, "a Mach-O file for CPU 0x%x; only x86-64 and arm64 are supported", cpu);
    osp_cur commands = osp_cur_sub(&c, size, "Mach-O commands");
    uint32_t sym_at = 0, nsym = 0;
    osp_span names = {0};
    if (c.bad || !osp_foreign_tables(e, MOST_MACHO_SEGMENTS, MOST_MACHO_SECTIONS, err))
        return false;
    for (uint32_t i = 0; i < ncmd && osp_cur_left(&commands) >= 8; i++) {
        uint32_t cmd = osp_cur_u32(&commands), length = osp_cur_u32(&commands);
        if (length < 8)
            return osp_fail(err, OSP_EFORMAT, "Mach-O command %u claims %u bytes", i, length);
        osp_cur body = osp_cur_sub(&commands, length - 8, "Mach-O command");
        if (commands.bad || (cmd == LC_SEGMENT_64 && !read_segment(e, &body)))
            return false;
        if (cmd != LC_SYMTAB)
            continue;
        sym_at = osp_cur_u32(&body);
        nsym = osp_cur_u32(&body);
        uint32_t str_at = osp_cur_u32(&body), str_size = osp_cur_u32(&body);
        names = part_of(e, str_at, str_size);
    }
    return commands.bad ? false : read_symbols(e, sym_at, nsym, names, err);
}
