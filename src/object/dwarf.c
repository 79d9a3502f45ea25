/* SPDX-License-Identifier: Apache-2.0 */
/* dwarf.c: lines and inlines of everything that is not Go, through libdw. */
#include "object_internal.h"

osp_dwarf *osp_dwarf_open(const osp_elf *e, const osp_elf *debug, osp_arena *arena)
{
    (void)e;
    (void)debug;
    (void)arena;
    return NULL;
}

void osp_dwarf_close(osp_dwarf *d) { (void)d; }

size_t osp_dwarf_frames(osp_dwarf *d, uint64_t addr, osp_frame *out, size_t max)
{
    (void)d;
    (void)addr;
    (void)out;
    (void)max;
    return 0;
}
