/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as code that no table describes. */
#include "../tiny_elf.h"
#include "ask_object.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    tiny_section section[] = {{.name = ".text",
                               .type = SHT_PROGBITS,
                               .flags = SHF_ALLOC | SHF_EXECINSTR,
                               .addr = 0x1000,
                               .bytes = {(const char *)bytes, n}}};
    osp_buf elf = tiny_elf(section, 1, ET_DYN);
    osp_err err;
    osp_object *o = osp_object_open_bytes(osp_str_bytes(osp_buf_str(&elf)), "fuzz", NULL, &err);
    osp_rows rows;
    if (o)
        (void)ask_rows(o, &rows);
    osp_object_close(o);
    osp_buf_drop(&elf);
    return 0;
}
