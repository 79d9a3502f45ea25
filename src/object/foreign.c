/* SPDX-License-Identifier: Apache-2.0 */
/* foreign.c: what the readers of other systems' executables share. Each fills an osp_elf, with sections and segments that
 * lie in the file as an ELF file's do and a symbol table that is written here, so that whoever asks for Go's tables, symbols,
 * DWARF or code need not know where they come from. */
#include "object_internal.h"

#include "base/search.h"

#include <elf.h>
#include <stdlib.h>

bool osp_image_open(osp_elf *e, osp_span bytes, osp_arena *arena, osp_err *err)
{
    if (osp_is_macho(bytes))
        return osp_macho_open(e, bytes, arena, err);
    if (osp_is_pe(bytes))
        return osp_pe_open(e, bytes, arena, err);
    return osp_elf_open(e, bytes, arena, err);
}

static int by_value(const void *x, const void *y)
{
    uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
    return (a > b) - (a < b);
}

/* Neither format knows sizes: a symbol reaches to the next one. */
static uint64_t *sorted_values(const osp_foreign_symbol *row, size_t n)
{
    uint64_t *value = malloc((n + 1) * sizeof *value);
    for (size_t i = 0; value && i < n; i++)
        value[i] = row[i].value;
    if (value && n)
        qsort(value, n, sizeof *value, by_value);
    return value;
}

bool osp_foreign_symbols(osp_elf *e, const osp_foreign_symbol *row, size_t n, osp_span names, osp_err *err)
{
    Elf64_Sym *sym = osp_new(e->arena, Elf64_Sym, n + 1);
    uint64_t *value = sorted_values(row, n);
    if (!sym || !value) {
        free(value);
        return osp_fail_memory(err, "reading symbols");
    }
    for (size_t i = 0; i < n; i++) {
        const osp_foreign_symbol *s = &row[i];
        size_t next = osp_rows_upto(value, n, sizeof *value, s->value);
        bool code = s->section && s->section < e->nsection && (e->section[s->section].flags & SHF_EXECINSTR);
        sym[i] = (Elf64_Sym){.st_name = s->name,
                             .st_info = ELF64_ST_INFO(STB_GLOBAL, code ? STT_FUNC : STT_OBJECT),
                             .st_shndx = s->section,
                             .st_value = s->value,
                             .st_size = next < n ? value[next] - s->value : 0};
    }
    free(value);
    const uint32_t table = e->nsection++, text = e->nsection++;
    e->section[table] = (osp_section){.name = S(".symtab"),
                                      .type = SHT_SYMTAB,
                                      .link = text,
                                      .size = n * sizeof *sym,
                                      .entsize = sizeof *sym,
                                      .own = {(const uint8_t *)sym, n * sizeof *sym}};
    e->section[text] = (osp_section){.name = S(".strtab"), .type = SHT_STRTAB, .size = names.n, .own = names};
    return true;
}

bool osp_foreign_tables(osp_elf *e, size_t nsegment, size_t nsection, osp_err *err)
{
    e->segment = osp_new(e->arena, osp_segment, nsegment + 1);
    e->section = osp_new(e->arena, osp_section, nsection + 1 + OSP_FOREIGN_MADE);
    if (!e->segment || !e->section)
        return osp_fail_memory(err, "reading sections");
    e->section[0] = (osp_section){.name = S(""), .type = SHT_NULL};
    e->nsection = 1;
    return true;
}

void osp_foreign_segment(osp_elf *e, osp_segment s)
{
    if (s.offset > e->bytes.n)
        s.filesz = 0;
    else if (s.filesz > e->bytes.n - s.offset)
        s.filesz = e->bytes.n - s.offset;
    if (s.memsz > UINT64_MAX - s.vaddr)
        s.memsz = UINT64_MAX - s.vaddr;
    if (s.filesz > s.memsz)
        s.filesz = s.memsz;
    s.type = PT_LOAD;
    e->segment[e->nsegment++] = s;
}

void osp_foreign_section(osp_elf *e, osp_section s)
{
    if (s.size > UINT64_MAX - s.addr)
        s.size = 0;
    e->section[e->nsection++] = s;
}
