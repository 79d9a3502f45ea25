/* SPDX-License-Identifier: Apache-2.0 */
/* The unwind rows of a made-up ELF file, as one of a given machine. */
#ifndef OSP_FUZZ_ASK_MACHINE_H
#define OSP_FUZZ_ASK_MACHINE_H

#include "../tiny_elf.h"
#include "ask_object.h"

static inline void ask_machine(osp_buf *elf, uint16_t machine)
{
    osp_err err;
    osp_rows rows;
    tiny_elf_machine(elf, machine);
    osp_object *o = osp_object_open_bytes(osp_str_bytes(osp_buf_str(elf)), "fuzz", NULL, &err);
    if (o)
        (void)ask_rows(o, &rows);
    osp_object_close(o);
}

#endif
