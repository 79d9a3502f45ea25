/* SPDX-License-Identifier: Apache-2.0 */
/* tiny_elf.h: makes small ELF files in memory, for tests: sections at given addresses, each in a segment of its own. */
#ifndef OSP_TESTS_TINY_ELF_H
#define OSP_TESTS_TINY_ELF_H

#include "base/buf.h"

#include <elf.h>

typedef struct {
    const char *name;
    uint32_t type;
    uint64_t flags, addr; /* SHF_ALLOC gets a PT_LOAD */
    osp_str bytes;
    uint64_t size; /* of SHT_NOBITS */
    uint32_t link;
} tiny_section;

/* Ehdr | Phdr x n | Shdr x (n + 2) | contents; index i + 1 is section[i]. The caller drops the buffer. */
static inline osp_buf tiny_elf(const tiny_section *section, unsigned n, uint16_t type)
{
    osp_buf out = osp_buf_of(1 << 24), body = osp_buf_of(1 << 24), names = osp_buf_of(4096);
    Elf64_Phdr ph[16] = {0};
    Elf64_Shdr sh[18] = {0};
    unsigned nph = 0;
    uint64_t body_at = sizeof(Elf64_Ehdr) + 16 * sizeof *ph + (n + 2) * sizeof *sh;
    osp_buf_byte(&names, 0);
    for (unsigned i = 0; i < n && i < 16; i++) {
        const tiny_section *s = &section[i];
        while ((body_at + body.n) % 8)
            osp_buf_byte(&body, 0);
        uint64_t size = s->type == SHT_NOBITS ? s->size : s->bytes.n;
        sh[i + 1] = (Elf64_Shdr){.sh_name = (uint32_t)names.n,
                                 .sh_type = s->type,
                                 .sh_flags = s->flags,
                                 .sh_addr = s->addr,
                                 .sh_offset = body_at + body.n,
                                 .sh_size = size,
                                 .sh_link = s->link,
                                 .sh_addralign = 1};
        if (s->flags & SHF_ALLOC) {
            uint32_t flags = PF_R | (s->flags & SHF_EXECINSTR ? PF_X : 0) | (s->flags & SHF_WRITE ? PF_W : 0);
            ph[nph++] = (Elf64_Phdr){.p_type = PT_LOAD,
                                     .p_flags = flags,
                                     .p_offset = body_at + body.n,
                                     .p_vaddr = s->addr,
                                     .p_filesz = s->type == SHT_NOBITS ? 0 : size,
                                     .p_memsz = size,
                                     .p_align = 1};
        }
        osp_buf_add(&names, (osp_str){s->name, strlen(s->name) + 1});
        if (s->type != SHT_NOBITS)
            osp_buf_add(&body, s->bytes);
    }
    sh[n + 1] = (Elf64_Shdr){.sh_name = (uint32_t)names.n, .sh_type = SHT_STRTAB, .sh_offset = body_at + body.n};
    osp_buf_add(&names, (osp_str){".shstrtab", 10});
    sh[n + 1].sh_size = names.n;
    osp_buf_add(&body, osp_buf_str(&names));
    Elf64_Ehdr h = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                    .e_type = type,
                    .e_machine = EM_X86_64,
                    .e_version = EV_CURRENT,
                    .e_phoff = sizeof h,
                    .e_shoff = sizeof h + sizeof ph,
                    .e_ehsize = sizeof h,
                    .e_phentsize = sizeof *ph,
                    .e_phnum = (uint16_t)nph,
                    .e_shentsize = sizeof *sh,
                    .e_shnum = (uint16_t)(n + 2),
                    .e_shstrndx = (uint16_t)(n + 1)};
    osp_buf_add(&out, (osp_str){(const char *)&h, sizeof h});
    osp_buf_add(&out, (osp_str){(const char *)ph, sizeof ph});
    osp_buf_add(&out, (osp_str){(const char *)sh, (n + 2) * sizeof *sh});
    osp_buf_add(&out, osp_buf_str(&body));
    osp_buf_drop(&body);
    osp_buf_drop(&names);
    return out;
}

/* Make it a file for another machine. */
static inline void tiny_elf_machine(osp_buf *elf, uint16_t machine)
{
    if (elf->n >= sizeof(Elf64_Ehdr))
        memcpy(elf->p + offsetof(Elf64_Ehdr, e_machine), &machine, sizeof machine);
}

#endif
