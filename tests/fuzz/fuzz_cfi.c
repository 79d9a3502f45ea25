/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as .eh_frame (first byte even) or .debug_frame of a file of each machine with code at 0x1000 ..
 * 0x21000. */
#include "ask_machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n < 1)
        return 0;
    osp_str table = {(const char *)bytes + 1, n - 1};
    tiny_section section[] = {
        {.name = ".text", .type = SHT_NOBITS, .flags = SHF_ALLOC | SHF_EXECINSTR, .addr = 0x1000, .size = 0x20000},
        {.name = bytes[0] & 1 ? ".debug_frame" : ".eh_frame",
         .type = SHT_PROGBITS,
         .flags = bytes[0] & 1 ? 0 : SHF_ALLOC,
         .addr = 0x30000,
         .bytes = table},
    };
    osp_buf elf = tiny_elf(section, 2, ET_DYN);
    ask_machine(&elf, EM_X86_64);
    ask_machine(&elf, EM_AARCH64);
    osp_buf_drop(&elf);
    return 0;
}
