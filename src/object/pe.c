/* SPDX-License-Identifier: Apache-2.0 */
/* pe.c: executables of Windows (Microsoft: "PE Format"), 64-bit, for x86-64 and arm64.
 *
 *   at 0        "MZ"; at 60 u32 the place of
 *   signature   "PE\0\0"
 *   COFF header machine u16, nsections u16, time u32, symbols at u32, nsymbols u32, size of optional header u16, flags u16
 *   optional    magic 20b u16; at 24 image base u64; at 60 size of headers u32 (PE32, magic 10b, is not read)
 *   section     40 bytes each: name 8 ("/123": at 123 in the strings), memory size u32, address u32 (from the image base),
 *               file size u32, file offset u32, 3 x u32 and 2 x u16 not read, flags u32
 *   symbol      18 bytes each: name 8 (or 0 u32 and its place in the strings u32), value u32 (from its section), section
 *               i16 (from 1; 0 none, -1 a number, -2 for debuggers), type u16, class u8, naux u8: as many of the following
 *               are not symbols
 *   strings     behind the symbols: size u32 (of all, with itself), then texts that end with NUL
 *
 * Not read: exports, .pdata (how to unwind), PDB files, relocations (data are as for the image base, and that is what our
 * addresses count from). */
#include "object_internal.h"

#include <elf.h>

enum {
    PE_AT = 60,
    COFF_HEADER = 20,
    PE64 = 0x20b,
    PE_X86_64 = 0x8664,
    PE_ARM64 = 0xaa64,
    SECTION = 40,
    SYMBOL = 18,
    SHORT_NAME = 8,
    PE_EXECUTE = 0x20000000,
    PE_READ = 0x40000000,
    PE_WRITE = (int)0x80000000,
};

typedef struct {
    osp_span symbols, strings;
    uint64_t base;
} pe;

bool osp_is_pe(osp_span in) { return in.n >= 64 && in.p[0] == 'M' && in.p[1] == 'Z'; }

static uint16_t le16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }

static osp_span part_of(osp_span in, uint64_t at, uint64_t n)
{
    return at > in.n || n > in.n - at ? (osp_span){0} : (osp_span){in.p + at, n};
}

static osp_str short_name(const uint8_t *p)
{
    const uint8_t *end = memchr(p, 0, SHORT_NAME);
    return (osp_str){(const char *)p, end ? (size_t)(end - p) : SHORT_NAME};
}

static osp_str section_name(const pe *f, const uint8_t *p)
{
    osp_str name = short_name(p);
    uint64_t at;
    return osp_str_starts(name, S("/")) && osp_str_u64(osp_str_skip(name, 1), 10, &at) ? osp_text_at(f->strings, at)
                                                                                       : name;
}

static void read_section(osp_elf *e, const pe *f, const uint8_t *p)
{
    const uint32_t memory = osp_le32(p + 8), raw = osp_le32(p + 16), flags = osp_le32(p + 36);
    const bool code = flags & PE_EXECUTE;
    osp_section s = {.name = section_name(f, p),
                     .type = raw ? SHT_PROGBITS : SHT_NOBITS,
                     .flags = SHF_ALLOC | (code ? SHF_EXECINSTR : 0),
                     .addr = f->base + osp_le32(p + 12),
                     .offset = osp_le32(p + 20),
                     .size = raw && (memory == 0 || memory > raw) ? raw : memory};
    osp_foreign_section(e, s);
    osp_foreign_segment(e, (osp_segment){.flags = (code ? PF_X : 0) | (flags & PE_READ ? PF_R : 0) |
                                                  (flags & (uint32_t)PE_WRITE ? PF_W : 0),
                                         .offset = s.offset,
                                         .vaddr = s.addr,
                                         .filesz = raw,
                                         .memsz = memory ? memory : raw});
}

/* The symbols with their names in one table: the file's strings, and behind them the short names. */
static bool read_symbols(osp_elf *e, const pe *f, osp_err *err)
{
    const size_t n = f->symbols.n / SYMBOL;
    osp_arena scratch;
    osp_arena_init(&scratch, SIZE_MAX / 2);
    char *names = osp_new(e->arena, char, f->strings.n + n * (SHORT_NAME + 1) + 1);
    osp_foreign_symbol *row = osp_new(&scratch, osp_foreign_symbol, n + 1);
    bool ok = names && row && f->strings.n + n * (SHORT_NAME + 1) < UINT32_MAX;
    size_t nrow = 0, at = f->strings.n;
    if (ok && at)
        memcpy(names, f->strings.p, at);
    for (size_t i = 0; ok && i < n; i++) {
        const uint8_t *p = f->symbols.p + i * SYMBOL;
        const int16_t section = (int16_t)le16(p + 12);
        osp_foreign_symbol *s = &row[nrow++];
        *s = (osp_foreign_symbol){.value = osp_le32(p + 8)};
        if (section > 0 && (uint32_t)section < e->nsection) {
            s->section = (uint16_t)section;
            s->value += e->section[section].addr;
        }
        if (osp_le32(p) == 0) {
            s->name = osp_le32(p + 4);
        } else {
            osp_str name = short_name(p);
            s->name = (uint32_t)at;
            memcpy(names + at, name.p, name.n);
            at += name.n + 1;
        }
        i += p[17];
    }
    ok = ok ? osp_foreign_symbols(e, row, nrow, (osp_span){(uint8_t *)names, at}, err)
            : osp_fail_memory(err, "reading symbols");
    osp_arena_drop(&scratch);
    return ok;
}

bool osp_pe_open(osp_elf *e, osp_span bytes, osp_arena *arena, osp_err *err)
{
    osp_span rest = part_of(bytes, osp_le32(bytes.p + PE_AT), 4 + COFF_HEADER);
    if (!rest.n || memcmp(rest.p, "PE\0", 4) != 0)
        return osp_fail(err, OSP_EFORMAT, "a program for DOS, or a truncated one for Windows");
    const uint8_t *h = rest.p + 4;
    const uint16_t machine = le16(h), nsection = le16(h + 2), optional = le16(h + 16);
    const uint64_t at = osp_le32(bytes.p + PE_AT) + 4ull + COFF_HEADER;
    osp_span o = part_of(bytes, at, optional), table = part_of(bytes, at + optional, (uint64_t)nsection * SECTION);
    *e = (osp_elf){.bytes = bytes, .arena = arena, .foreign = true, .type = ET_EXEC};
    e->machine = machine == PE_X86_64 ? EM_X86_64 : machine == PE_ARM64 ? EM_AARCH64 : 0;
    if (!e->machine)
        return osp_fail(err, OSP_EFORMAT, "a PE file for machine 0x%x; only x86-64 and arm64 are supported", machine);
    if (o.n < PE_AT + 4 || le16(o.p) != PE64)
        return osp_fail(err, OSP_EFORMAT, "not a 64-bit PE executable");
    if (!table.n)
        return osp_fail(err, OSP_EFORMAT, "PE section headers lie outside the file (truncated?)");
    if (nsection >= SHN_LORESERVE - OSP_FOREIGN_MADE)
        return osp_fail(err, OSP_EFORMAT, "a PE file with %u sections", nsection);
    const uint64_t sym_at = osp_le32(h + 8), nsym = osp_le32(h + 12);
    pe f = {.symbols = part_of(bytes, sym_at, sym_at ? nsym * SYMBOL : 0), .base = osp_le64(o.p + 24)};
    osp_span size = f.symbols.n ? part_of(bytes, sym_at + f.symbols.n, 4) : (osp_span){0};
    f.strings = size.n ? part_of(bytes, sym_at + f.symbols.n, osp_le32(size.p)) : (osp_span){0};
    if (f.base > UINT64_MAX / 2 || !osp_foreign_tables(e, nsection + 1u, nsection, err))
        return f.base > UINT64_MAX / 2 ? osp_fail(err, OSP_EFORMAT, "a PE file at an impossible address") : false;
    const uint32_t head = osp_le32(o.p + 60);
    osp_foreign_segment(e, (osp_segment){.flags = PF_R, .vaddr = f.base, .filesz = head, .memsz = head});
    for (uint32_t i = 0; i < nsection; i++)
        read_section(e, &f, table.p + (size_t)i * SECTION);
    return read_symbols(e, &f, err);
}
