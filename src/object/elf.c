/* SPDX-License-Identifier: Apache-2.0 */
/* elf.c: an ELF64 little-endian reader over bytes in memory (System V gABI, chapters 4 and 5).
 *
 * Sections are the first choice, program headers the second: a file whose section table was cut off (sstrip), and
 * the vDSO image, are still read through PT_LOAD, PT_DYNAMIC, PT_NOTE and PT_GNU_EH_FRAME. A section table that
 * lies outside the file is treated as absent; a program header table that does is an error.
 *
 * Not read: ELF32, big endian, ET_REL relocations, symbol versions. */
#include "object_internal.h"

#include <elf.h>
#include <libdeflate.h>
#include <zstd.h>

enum { MAX_SECTIONS = 65536, MAX_SEGMENTS = 4096 };

/* What deflate and zstd can reach is bounded, so a small file cannot claim a huge section. */
enum { DEFLATE_RATIO = 1040, ZSTD_RATIO = 40000 };

static osp_span window(osp_span in, uint64_t at, uint64_t n)
{
    if (at > in.n || n > in.n - at)
        return (osp_span){0};
    return (osp_span){in.p + at, n};
}

static bool read_segments(osp_elf *e, uint64_t off, uint32_t n, uint32_t size, osp_err *err)
{
    if (n == 0)
        return true;
    if (size < sizeof(Elf64_Phdr) || n > MAX_SEGMENTS || off > e->bytes.n || (uint64_t)n * size > e->bytes.n - off)
        return osp_fail(err, OSP_EFORMAT, "program headers lie outside the file (truncated?)");
    e->segment = osp_new(e->arena, osp_segment, n);
    if (!e->segment)
        return osp_fail_memory(err, "reading program headers");
    for (uint32_t i = 0; i < n; i++) {
        Elf64_Phdr h;
        memcpy(&h, e->bytes.p + off + (uint64_t)i * size, sizeof h);
        osp_segment *s = &e->segment[e->nsegment++];
        *s = (osp_segment){h.p_type, h.p_flags, h.p_offset, h.p_vaddr, h.p_filesz, h.p_memsz, h.p_align};
        if (s->offset > e->bytes.n)
            s->filesz = 0;
        else if (s->filesz > e->bytes.n - s->offset)
            s->filesz = e->bytes.n - s->offset;
        if (s->memsz > UINT64_MAX - s->vaddr)
            s->memsz = UINT64_MAX - s->vaddr;
        if (s->filesz > s->memsz)
            s->filesz = s->memsz;
    }
    return true;
}

static bool read_sections(osp_elf *e, const Elf64_Ehdr *h, osp_err *err)
{
    if (h->e_shoff == 0 || h->e_shentsize < sizeof(Elf64_Shdr) || h->e_shoff > e->bytes.n ||
        e->bytes.n - h->e_shoff < sizeof(Elf64_Shdr))
        return true;
    Elf64_Shdr first;
    memcpy(&first, e->bytes.p + h->e_shoff, sizeof first);
    uint64_t n = h->e_shnum ? h->e_shnum : first.sh_size;
    uint64_t names = h->e_shstrndx == SHN_XINDEX ? first.sh_link : h->e_shstrndx;
    if (n == 0 || n > MAX_SECTIONS || n * h->e_shentsize > e->bytes.n - h->e_shoff)
        return true;
    e->section = osp_new(e->arena, osp_section, n);
    uint32_t *name_at = osp_new(e->arena, uint32_t, n);
    if (!e->section || !name_at)
        return osp_fail_memory(err, "reading section headers");
    for (uint64_t i = 0; i < n; i++) {
        Elf64_Shdr s;
        memcpy(&s, e->bytes.p + h->e_shoff + i * h->e_shentsize, sizeof s);
        name_at[i] = s.sh_name;
        e->section[i] = (osp_section){.type = s.sh_type,
                                      .link = s.sh_link,
                                      .info = s.sh_info,
                                      .flags = s.sh_flags,
                                      .addr = s.sh_addr,
                                      .offset = s.sh_offset,
                                      .size = s.sh_size,
                                      .entsize = s.sh_entsize};
        if (s.sh_size > UINT64_MAX - s.sh_addr)
            e->section[i].size = 0;
    }
    e->nsection = (uint32_t)n;
    if (names < n) {
        osp_span text = osp_elf_raw(e, &e->section[names]);
        for (uint64_t i = 0; i < n; i++)
            e->section[i].name = osp_text_at(text, name_at[i]);
    }
    return true;
}

static void read_dynamic(osp_elf *e)
{
    for (uint32_t i = 0; i < e->nsegment; i++) {
        if (e->segment[i].type != PT_DYNAMIC)
            continue;
        osp_span d = window(e->bytes, e->segment[i].offset, e->segment[i].filesz);
        for (; d.n >= 16; d.p += 16, d.n -= 16) {
            uint64_t tag = osp_le64(d.p), v = osp_le64(d.p + 8);
            switch (tag) {
            case DT_NULL:
                return;
            case DT_SYMTAB:
                e->dyn.symtab = v;
                break;
            case DT_STRTAB:
                e->dyn.strtab = v;
                break;
            case DT_STRSZ:
                e->dyn.strsz = v;
                break;
            case DT_HASH:
                e->dyn.hash = v;
                break;
            case DT_GNU_HASH:
                e->dyn.gnu_hash = v;
                break;
            case DT_RELA:
                e->dyn.rela = v;
                break;
            case DT_RELASZ:
                e->dyn.relasz = v;
                break;
            case DT_JMPREL:
                e->dyn.jmprel = v;
                break;
            case DT_PLTRELSZ:
                e->dyn.pltrelsz = v;
                break;
            }
        }
    }
}

bool osp_elf_open(osp_elf *e, osp_span bytes, osp_arena *arena, osp_err *err)
{
    *e = (osp_elf){.bytes = bytes, .arena = arena};
    Elf64_Ehdr h;
    if (bytes.n < SELFMAG || memcmp(bytes.p, ELFMAG, SELFMAG) != 0)
        return osp_fail(err, OSP_EFORMAT, "not an ELF file");
    if (bytes.n < EI_NIDENT)
        return osp_fail(err, OSP_EFORMAT, "truncated ELF file: %zu bytes", bytes.n);
    if (bytes.p[EI_CLASS] != ELFCLASS64)
        return osp_fail(err, OSP_EFORMAT, "a 32-bit ELF file; only 64-bit ones are supported");
    if (bytes.p[EI_DATA] != ELFDATA2LSB)
        return osp_fail(err, OSP_EFORMAT, "a big-endian ELF file; only little-endian ones are supported");
    if (bytes.n < sizeof h)
        return osp_fail(err, OSP_EFORMAT, "truncated ELF file: %zu bytes", bytes.n);
    memcpy(&h, bytes.p, sizeof h);
    if (h.e_machine != EM_X86_64 && h.e_machine != EM_AARCH64)
        return osp_fail(err, OSP_EFORMAT, "an ELF file for machine %u; only x86-64 and aarch64 are supported",
                        h.e_machine);
    e->machine = h.e_machine;
    e->type = h.e_type;
    e->entry = h.e_entry;
    uint32_t nph = h.e_phnum;
    if (nph == PN_XNUM && h.e_shoff <= bytes.n && bytes.n - h.e_shoff >= sizeof(Elf64_Shdr)) {
        Elf64_Shdr first;
        memcpy(&first, bytes.p + h.e_shoff, sizeof first);
        nph = first.sh_info;
    }
    if (!read_segments(e, h.e_phoff, nph, h.e_phentsize, err) || !read_sections(e, &h, err))
        return false;
    read_dynamic(e);
    return true;
}

const osp_section *osp_elf_section(const osp_elf *e, osp_str name)
{
    for (uint32_t i = 0; i < e->nsection; i++)
        if (osp_str_eq(e->section[i].name, name))
            return &e->section[i];
    return NULL;
}

osp_span osp_elf_raw(const osp_elf *e, const osp_section *s)
{
    if (s->type == SHT_NOBITS)
        return (osp_span){0};
    if (s->own.p)
        return s->own;
    return window(e->bytes, s->offset, s->size);
}

static bool inflate_zlib(osp_span in, uint8_t *out, size_t n)
{
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    if (!d)
        return false;
    size_t got = 0;
    bool ok = libdeflate_zlib_decompress(d, in.p, in.n, out, n, &got) == LIBDEFLATE_SUCCESS && got == n;
    libdeflate_free_decompressor(d);
    return ok;
}

/* A section's bytes as they stand in the file. */
typedef struct {
    osp_span bytes;
    bool packed, zstd;
    uint64_t size; /* unpacked */
} stored;

static bool stored_of(const osp_elf *e, const osp_section *s, stored *out, osp_err *err)
{
    osp_span raw = osp_elf_raw(e, s);
    *out = (stored){.bytes = raw, .size = raw.n};
    if (s->flags & SHF_COMPRESSED) {
        Elf64_Chdr h;
        if (raw.n < sizeof h)
            return osp_fail(err, OSP_EFORMAT, "section %.*s: truncated", STRF(s->name));
        memcpy(&h, raw.p, sizeof h);
        enum { ZSTD = 2 }; /* ELFCOMPRESS_ZSTD, younger than some elf.h */
        if (h.ch_type != ELFCOMPRESS_ZLIB && h.ch_type != ZSTD)
            return osp_fail(err, OSP_EFORMAT, "section %.*s: unknown compression %u", STRF(s->name), h.ch_type);
        *out = (stored){{raw.p + sizeof h, raw.n - sizeof h}, true, h.ch_type == ZSTD, h.ch_size};
    } else if (osp_str_starts(s->name, S(".z")) && raw.n >= 12 && memcmp(raw.p, "ZLIB", 4) == 0) {
        /* The old GNU form: "ZLIB", then the size, 8 bytes big-endian. */
        *out = (stored){{raw.p + 12, raw.n - 12}, true, false, __builtin_bswap64(osp_le64(raw.p + 4))};
    }
    if (out->packed && out->size / (out->zstd ? ZSTD_RATIO : DEFLATE_RATIO) > out->bytes.n)
        return osp_fail(err, OSP_EFORMAT, "section %.*s: claims %llu bytes out of %zu compressed ones", STRF(s->name),
                        (unsigned long long)out->size, out->bytes.n);
    return true;
}

/* Its bytes, unpacked, to where there is room for them. */
static bool unpack(const osp_section *s, const stored *from, uint8_t *to, osp_err *err)
{
    bool ok = true;
    if (!from->packed && from->size)
        memcpy(to, from->bytes.p, from->size);
    else if (from->packed && from->zstd)
        ok = ZSTD_decompress(to, from->size, from->bytes.p, from->bytes.n) == from->size;
    else if (from->packed)
        ok = inflate_zlib(from->bytes, to, from->size);
    return ok || osp_fail(err, OSP_EFORMAT, "section %.*s: cannot be decompressed", STRF(s->name));
}

static const osp_section *debug_section(const osp_elf *e, osp_str name, osp_err *err)
{
    const osp_section *s = osp_elf_section(e, name);
    for (uint32_t i = 0; !s && i < e->nsection; i++) {
        osp_str have = e->section[i].name;
        if (osp_str_starts(have, S(".z")) && osp_str_eq(osp_str_skip(have, 2), osp_str_skip(name, 1)))
            s = &e->section[i];
    }
    if (s && s->type != SHT_NOBITS)
        return s;
    osp_fail(err, OSP_EABSENT, "no section %.*s", STRF(name));
    return NULL;
}

bool osp_elf_debug_section(const osp_elf *e, osp_str name, osp_span *out, uint64_t *addr, osp_err *err)
{
    const osp_section *s = debug_section(e, name, err);
    stored from;
    if (!s || !stored_of(e, s, &from, err))
        return false;
    *addr = s->addr;
    *out = from.bytes;
    if (!from.packed)
        return true;
    uint8_t *to = osp_new(e->arena, uint8_t, from.size);
    if (!to)
        return osp_fail_memory(err, "decompressing a section");
    *out = (osp_span){to, from.size};
    return unpack(s, &from, to, err);
}

uint64_t osp_elf_debug_size(const osp_elf *e, osp_str name)
{
    osp_err ignored; /* what cannot be had has no bytes */
    const osp_section *s = debug_section(e, name, &ignored);
    stored from;
    return s && stored_of(e, s, &from, &ignored) ? from.size : 0;
}

bool osp_elf_debug_copy(const osp_elf *e, osp_str name, uint8_t *to, osp_err *err)
{
    const osp_section *s = debug_section(e, name, err);
    stored from;
    return s && stored_of(e, s, &from, err) && unpack(s, &from, to, err);
}

const osp_segment *osp_elf_segment_of(const osp_elf *e, uint64_t addr)
{
    for (uint32_t i = 0; i < e->nsegment; i++) {
        const osp_segment *s = &e->segment[i];
        if (s->type == PT_LOAD && addr >= s->vaddr && addr - s->vaddr < s->memsz)
            return s;
    }
    return NULL;
}

bool osp_elf_is_code(const osp_elf *e, uint64_t addr)
{
    const osp_segment *s = osp_elf_segment_of(e, addr);
    return s && (s->flags & PF_X);
}

osp_span osp_elf_from(const osp_elf *e, uint64_t addr)
{
    const osp_segment *s = osp_elf_segment_of(e, addr);
    if (!s || addr - s->vaddr >= s->filesz)
        return (osp_span){0};
    uint64_t in = addr - s->vaddr;
    return window(e->bytes, s->offset + in, s->filesz - in);
}

/* ---- notes ------------------------------------------------------------------------------------------------- */

bool osp_elf_note_next(osp_span *notes, osp_note *out)
{
    if (notes->n < 12)
        return false;
    uint64_t nname = osp_le32(notes->p), ndesc = osp_le32(notes->p + 4);
    uint64_t name_room = (nname + 3) & ~3ull, desc_room = (ndesc + 3) & ~3ull, left = notes->n - 12;
    if (name_room > left || ndesc > left - name_room)
        return false;
    out->type = osp_le32(notes->p + 8);
    out->name = (osp_str){(const char *)notes->p + 12, nname};
    while (out->name.n && out->name.p[out->name.n - 1] == 0)
        out->name.n--;
    out->desc = (osp_span){notes->p + 12 + name_room, ndesc};
    if (desc_room > left - name_room)
        desc_room = left - name_room;
    notes->p += 12 + name_room + desc_room;
    notes->n -= 12 + name_room + desc_room;
    return true;
}

static osp_span note_in(osp_span notes, osp_str name, uint32_t type)
{
    osp_note n;
    while (osp_elf_note_next(&notes, &n))
        if (n.type == type && osp_str_eq(n.name, name))
            return n.desc;
    return (osp_span){0};
}

osp_span osp_elf_note(const osp_elf *e, osp_str name, uint32_t type)
{
    osp_span found = {0};
    for (uint32_t i = 0; i < e->nsegment && !found.n; i++)
        if (e->segment[i].type == PT_NOTE)
            found = note_in(window(e->bytes, e->segment[i].offset, e->segment[i].filesz), name, type);
    for (uint32_t i = 0; i < e->nsection && !found.n; i++)
        if (e->section[i].type == SHT_NOTE)
            found = note_in(osp_elf_raw(e, &e->section[i]), name, type);
    return found;
}

/* ---- relocations ------------------------------------------------------------------------------------------- */

void osp_elf_relocs(const osp_elf *e, osp_span table[2])
{
    const uint64_t addr[2] = {e->dyn.rela, e->dyn.jmprel}, size[2] = {e->dyn.relasz, e->dyn.pltrelsz};
    for (int i = 0; i < 2; i++) {
        table[i] = addr[i] ? osp_elf_from(e, addr[i]) : (osp_span){0};
        if (table[i].n > size[i])
            table[i].n = size[i];
        table[i].n -= table[i].n % OSP_RELA_SIZE;
    }
}

osp_reloc osp_elf_reloc_at(osp_span table, size_t i)
{
    const uint8_t *p = table.p + i * OSP_RELA_SIZE;
    uint64_t info = osp_le64(p + 8);
    return (osp_reloc){osp_le64(p), (uint32_t)info, (uint32_t)(info >> 32), (int64_t)osp_le64(p + 16)};
}

bool osp_elf_words(const osp_elf *e, uint64_t addr, uint64_t *out, size_t n)
{
    osp_span from = osp_elf_from(e, addr);
    if (from.n / 8 < n)
        return false;
    memcpy(out, from.p, n * 8);
    uint32_t relative = e->machine == EM_X86_64 ? R_X86_64_RELATIVE : R_AARCH64_RELATIVE;
    osp_span table[2];
    osp_elf_relocs(e, table);
    for (size_t i = 0; i < table[0].n / OSP_RELA_SIZE; i++) {
        osp_reloc r = osp_elf_reloc_at(table[0], i);
        if (r.type == relative && r.offset >= addr && r.offset - addr < n * 8 && (r.offset - addr) % 8 == 0)
            out[(r.offset - addr) / 8] = (uint64_t)r.addend;
    }
    return true;
}
