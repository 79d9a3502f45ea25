/* SPDX-License-Identifier: Apache-2.0 */
/* plt.c: names for the stubs of the procedure linkage table, which no symbol covers: "time@plt", as objdump has them.
 *
 * A stub is an entry of .plt, .plt.sec or .plt.got (System V ABI, AMD64 supplement, "Procedure Linkage Table") whose
 * heart is  jmp *slot(%rip)  (ff 25 rel32), perhaps behind endbr64 or with a bnd prefix. The relocation that fills the
 * slot names the function. Other machines are not read. */
#include "object_internal.h"

#include <elf.h>
#include <stdlib.h>

enum { MAX_STUBS = 1 << 16 };

typedef struct {
    uint64_t slot;
    uint32_t symbol;
} filled;

static int by_slot(const void *pa, const void *pb)
{
    const filled *a = pa, *b = pb;
    return (a->slot > b->slot) - (a->slot < b->slot);
}

/* The slots that relocations fill with a function's address, sorted; malloc'ed. */
static filled *slots(const osp_elf *e, size_t *n)
{
    osp_span table[2];
    osp_elf_relocs(e, table);
    filled *f = malloc((table[0].n + table[1].n) / OSP_RELA_SIZE * sizeof *f + 1);
    *n = 0;
    for (int t = 0; t < 2 && f; t++)
        for (size_t i = 0; i < table[t].n / OSP_RELA_SIZE; i++) {
            osp_reloc r = osp_elf_reloc_at(table[t], i);
            if ((r.type == R_X86_64_JUMP_SLOT || r.type == R_X86_64_GLOB_DAT) && r.symbol)
                f[(*n)++] = (filled){r.offset, r.symbol};
        }
    if (f)
        qsort(f, *n, sizeof *f, by_slot);
    return f;
}

static void stubs_of(const osp_elf *e, const osp_section *s, const osp_symbol_table *names, const filled *slot,
                     size_t nslot, osp_arena *arena, osp_stub *out, size_t *n)
{
    osp_span code = osp_elf_raw(e, s);
    uint64_t entry = s->entsize == 8 || s->entsize == 16 ? s->entsize : 16;
    for (size_t i = 0; i + 6 <= code.n && *n < MAX_STUBS; i++) {
        if (code.p[i] != 0xff || code.p[i + 1] != 0x25)
            continue;
        uint64_t at = s->addr + i + 6 + (uint64_t)(int64_t)(int32_t)osp_le32(code.p + i + 2);
        const filled *f = bsearch(&(filled){.slot = at}, slot, nslot, sizeof *slot, by_slot);
        osp_str name = f ? osp_symbol_table_name(names, f->symbol) : S("");
        if (name.n)
            out[(*n)++] =
                (osp_stub){s->addr + i / entry * entry, entry, osp_arena_fmt(arena, "%.*s@plt", STRF(name))};
        i += 5;
    }
}

size_t osp_elf_stubs(const osp_elf *e, osp_arena *arena, osp_stub **out)
{
    static const char *const name[] = {".plt", ".plt.sec", ".plt.got"};
    const osp_section *section[3];
    osp_symbol_table names;
    size_t max = 0, n = 0, nslot = 0;
    *out = NULL;
    if (e->machine != EM_X86_64 || !osp_elf_dynamic_table(e, &names))
        return 0;
    for (int i = 0; i < 3; i++) {
        section[i] = osp_elf_section(e, osp_str_from(name[i]));
        max += section[i] ? osp_elf_raw(e, section[i]).n / 8 : 0;
    }
    max = max < MAX_STUBS ? max : MAX_STUBS;
    filled *slot = max ? slots(e, &nslot) : NULL;
    *out = slot ? malloc(max * sizeof **out + 1) : NULL;
    for (int i = 0; i < 3 && *out; i++)
        if (section[i])
            stubs_of(e, section[i], &names, slot, nslot, arena, *out, &n);
    free(slot);
    return n;
}
