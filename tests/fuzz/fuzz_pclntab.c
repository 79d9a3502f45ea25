/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the pclntab of a Go file with text at 0x1000 .. 0x41000; the last 4 KiB of the input are also
 * moduledata and what follows it. */
#include "../tiny_elf.h"
#include "object/object.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    osp_str table = {(const char *)bytes, n}, module = osp_str_skip(table, n > 4096 ? n - 4096 : 0);
    tiny_section section[] = {
        {.name = ".text", .type = SHT_NOBITS, .flags = SHF_ALLOC | SHF_EXECINSTR, .addr = 0x1000, .size = 0x40000},
        {.name = ".gopclntab", .type = SHT_PROGBITS, .flags = SHF_ALLOC, .addr = 0x100000, .bytes = table},
        {.name = ".go.module",
         .type = SHT_PROGBITS,
         .flags = SHF_ALLOC | SHF_WRITE,
         .addr = 0x80000,
         .bytes = module},
    };
    osp_buf elf = tiny_elf(section, 3, ET_EXEC);
    osp_err err;
    osp_object *o = osp_object_open_bytes(osp_str_bytes(osp_buf_str(&elf)), "fuzz", NULL, &err);
    osp_rows rows;
    if (o && osp_object_rows(o, &rows, &err)) {
        osp_frame frame[16];
        for (uint32_t i = 1; i < rows.n; i++)
            if (rows.row[i].pc <= rows.row[i - 1].pc)
                __builtin_trap();
        for (uint64_t at = 0x1000; at < 0x3000; at += 61)
            osp_object_frames(o, at, frame, 16);
        osp_symbol_value value;
        osp_object_symbol(o, S("runtime.goexit"), &value);
    }
    osp_object_close(o);
    osp_buf_drop(&elf);
    return 0;
}
