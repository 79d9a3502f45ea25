/* SPDX-License-Identifier: Apache-2.0 */
/* Which functions use a global variable, by their code.
 *
 * x86-64: an operand relative to the next instruction; its four bytes are looked for at each place, with no operand, or one of a byte,
 * behind them. That others mean the same address by chance is as likely as any four bytes are equal.
 * aarch64: ADRP of the variable's page, and an ADD or a load or store with the rest soon behind it. */
#include "inspect/inspect_internal.h"

#include <elf.h>

enum { FUNCTION_MOST = 1 << 16, NEAR = 8 };

static uint32_t word_at(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v); /* both machines are little endian */
    return v;
}

static bool uses_x86(osp_span code, uint64_t start, uint64_t variable)
{
    for (size_t i = 0; i + 4 <= code.n; i++) {
        uint64_t at = start + i + 4 + (uint64_t)(int64_t)(int32_t)word_at(code.p + i);
        if (at == variable || at + 1 == variable)
            return true;
    }
    return false;
}

static bool uses_aarch64(osp_span code, uint64_t start, uint64_t variable)
{
    for (size_t i = 0; i + 4 <= code.n; i += 4) {
        uint32_t adrp = word_at(code.p + i);
        if ((adrp & 0x9f000000) != 0x90000000)
            continue;
        int64_t pages = (int64_t)((uint64_t)((adrp >> 5 & 0x7ffff) << 2 | (adrp >> 29 & 3)) << 43) >> 43;
        if (((start + i) >> 12) + (uint64_t)pages != variable >> 12)
            continue;
        for (size_t k = i + 4; k + 4 <= code.n && k <= i + 4 * NEAR; k += 4) {
            uint32_t add = word_at(code.p + k);
            if ((add & 0xff800000) == 0x91000000 && (add >> 5 & 31) == (adrp & 31) &&
                (add >> 10 & 0xfff) == (variable & 0xfff))
                return true;
        }
    }
    return false;
}

bool osp_inspect_code_uses(osp_inspect *in, uint64_t pc, uint64_t variable)
{
    uint64_t file_addr, start, end;
    osp_object *o = osp_inspect_object(in, pc, &file_addr);
    if (!o || !osp_object_extent_at(o, file_addr, &start, &end) || end <= start || end - start > FUNCTION_MOST)
        return false;
    osp_span code = osp_object_bytes(o, start, (size_t)(end - start));
    code.n = code.n < end - start ? code.n : (size_t)(end - start);
    variable -= pc - file_addr; /* of the same object */
    return osp_object_machine(o) == EM_AARCH64 ? uses_aarch64(code, start, variable)
                                               : uses_x86(code, start, variable);
}
