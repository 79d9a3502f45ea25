/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as code that no table describes, of each machine. */
#include "ask_machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    tiny_section section[] = {{.name = ".text",
                               .type = SHT_PROGBITS,
                               .flags = SHF_ALLOC | SHF_EXECINSTR,
                               .addr = 0x1000,
                               .bytes = {(const char *)bytes, n}}};
    osp_buf elf = tiny_elf(section, 1, ET_DYN);
    ask_machine(&elf, EM_X86_64);
    ask_machine(&elf, EM_AARCH64);
    osp_buf_drop(&elf);
    return 0;
}
