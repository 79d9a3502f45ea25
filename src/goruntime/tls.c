/* SPDX-License-Identifier: Apache-2.0 */
/* Where g is from the thread pointer. What the runtime's own code does is the truth, so it is read first. amd64:
 *
 *     64 4c 89 34 25 f8 ff ff ff   mov %r14,%fs:-8            static or Go-linked; a linker filled in the offset
 *     48 c7 c1 90 ff ff ff         mov $-112,%rcx             external link, PIE (initial-exec made local-exec)
 *     64 4c 89 31                  mov %r14,%fs:(%rcx)
 *     48 8b 0d rel32               mov slot(%rip),%rcx        c-shared, plugin: the loader fills a GOT slot
 *     64 4c 89 31                  mov %r14,%fs:(%rcx)
 *
 * Else the symbol runtime.tlsg: its offset in the TLS block, which ends at the thread pointer. Else the slot of a
 * shared object that has but one R_X86_64_TPOFF64.
 *
 * arm64, where only programs with cgo use the slot (else g is in x28 and nowhere beside): runtime.load_g has
 *
 *     d53bd040                     mrs x0, tpidr_el0
 *     d2800nnb                     mov x27, #16                  the linker filled in the offset
 *     9000001b f94nnn7b            adrp x27, page; ldr x27, […]  c-shared, PIE: a GOT slot */
#include "goruntime/goruntime_internal.h"

#include <elf.h>

enum { LOOK_BACK = 24, CODE_MAX = 512 };

static int32_t le32(const uint8_t *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* How register base was loaded shortly before code[at]. */
static bool decode_base(osp_span code, size_t at, unsigned base, osp_go_tls_use *out)
{
    for (size_t j = at; j-- > 0 && at - j <= LOOK_BACK;) {
        const uint8_t *p = code.p + j;
        if (at - j < 7)
            continue;
        if (p[0] == (0x48 | base >> 3) && p[1] == 0xc7 && p[2] == (0xc0 | (base & 7))) {
            *out = (osp_go_tls_use){.value = le32(p + 3)};
            return true;
        }
        if (p[0] == (0x48 | base >> 3 << 2) && p[1] == 0x8b && p[2] == (0x05 | (base & 7) << 3)) {
            *out = (osp_go_tls_use){.slot = true, .value = le32(p + 3), .next = j + 7};
            return true;
        }
    }
    return false;
}

bool osp_go_tls_decode(osp_span code, osp_go_tls_use *out)
{
    for (size_t i = 0; i + 4 <= code.n; i++) {
        const uint8_t *p = code.p + i;
        if (p[0] != 0x64 || (p[1] & 0xf8) != 0x48 || (p[2] != 0x8b && p[2] != 0x89 && p[2] != 0xc7))
            continue;
        unsigned mod = p[3] >> 6, rm = p[3] & 7;
        if (mod == 0 && rm == 4 && code.n - i >= 9 && p[4] == 0x25) {
            *out = (osp_go_tls_use){.value = le32(p + 5)};
            return true;
        }
        if (mod == 0 && rm != 4 && rm != 5 && decode_base(code, i, rm | (p[1] & 1u) << 3, out))
            return true;
    }
    return false;
}

/* An offset below the thread pointer that can be: word-aligned, in a TLS block of sane size. */
static bool plausible(int64_t offset) { return offset < 0 && offset >= -(1 << 24) && offset % 8 == 0; }

/* By the code of a function; false if there is no such function or no such access in it. */
static bool by_code(const osp_go *go, osp_str function, int64_t *offset)
{
    osp_symbol_value v;
    osp_symbol f;
    osp_go_tls_use use;
    if (!osp_object_symbol(go->object, function, &v) || !osp_object_symbol_at(go->object, v.value, &f) ||
        f.end <= v.value)
        return false;
    size_t n = f.end - v.value < CODE_MAX ? (size_t)(f.end - v.value) : CODE_MAX;
    osp_span code = osp_object_bytes(go->object, v.value, n);
    if (!osp_go_tls_decode(code, &use))
        return false;
    uint64_t word = (uint64_t)use.value;
    if (use.slot && !osp_go_word(go, go->bias + v.value + use.next + (uint64_t)use.value, &word))
        return false;
    *offset = (int64_t)word;
    return plausible(*offset);
}

static bool by_symbol(const osp_go *go, int64_t *offset)
{
    osp_symbol_value v;
    uint64_t memsz, align;
    if (!osp_object_symbol(go->object, S("runtime.tlsg"), &v) || v.type != STT_TLS ||
        !osp_object_tls(go->object, &memsz, &align) || memsz > 1 << 24 || align > 1 << 24)
        return false;
    if (align == 0)
        align = 1;
    *offset = (int64_t)v.value - (int64_t)((memsz + align - 1) / align * align);
    return plausible(*offset);
}

static bool by_relocation(const osp_go *go, int64_t *offset)
{
    uint64_t slot, word;
    int64_t addend;
    if (!osp_object_relocation(go->object, R_X86_64_TPOFF64, &slot, &addend) ||
        !osp_go_word(go, go->bias + slot, &word))
        return false;
    *offset = (int64_t)word;
    return plausible(*offset);
}

bool osp_go_tls_decode_arm64(osp_span code, uint64_t addr, osp_go_tls_use *out)
{
    enum { MRS_X0 = 0xd53bd040 };
    bool seen = false;
    for (size_t i = 0; i + 8 <= code.n; i += 4) {
        uint32_t w = (uint32_t)le32(code.p + i), next = (uint32_t)le32(code.p + i + 4);
        seen |= w == MRS_X0;
        if (seen && (w & 0xffe0001f) == 0xd280001b) {
            *out = (osp_go_tls_use){.value = w >> 5 & 0xffff};
            return true;
        }
        if (seen && (w & 0x9f00001f) == 0x9000001b && (next & 0xffc003ff) == 0xf940037b) {
            int64_t pages = (int32_t)((w >> 5 & 0x7ffff) << 13) >> 11 | (int64_t)(w >> 29 & 3);
            uint64_t slot = (addr + i) / 4096 * 4096 + (uint64_t)(pages * 4096) + (next >> 10 & 0xfff) * 8;
            *out = (osp_go_tls_use){.slot = true, .value = (int64_t)(slot - addr)};
            return true;
        }
    }
    return false;
}

static bool find_arm64(const osp_go *go, int64_t *offset, osp_err *err)
{
    osp_symbol_value v;
    osp_go_tls_use use;
    uint64_t word = 0;
    if (osp_object_symbol(go->object, S("runtime.load_g"), &v) &&
        osp_go_tls_decode_arm64(osp_object_bytes(go->object, v.value, 128), v.value, &use) &&
        (!use.slot || osp_go_word(go, go->bias + v.value + (uint64_t)use.value, &word))) {
        *offset = use.slot ? (int64_t)word : use.value;
        if (*offset > 0 && *offset < 1 << 24 && *offset % 8 == 0)
            return true;
    }
    return osp_fail(err, OSP_EABSENT, "runtime.load_g does not show where g is");
}

bool osp_go_find_tls(const osp_go *go, int64_t *offset, osp_err *err)
{
    static const char *const functions[] = {"runtime.mcall", "gogo", "runtime.gogo", "runtime.cgocallback",
                                            "runtime.systemstack"};
    if (osp_object_machine(go->object) == EM_AARCH64)
        return find_arm64(go, offset, err);
    bool found = false;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        int64_t here;
        if (!by_code(go, osp_str_from(functions[i]), &here))
            continue;
        if (found && here != *offset)
            return osp_fail(err, OSP_EFORMAT,
                            "two functions of the Go runtime disagree where g is: fs:%lld and fs:%lld",
                            (long long)*offset, (long long)here);
        *offset = here;
        found = true;
    }
    if (found || by_symbol(go, offset) || by_relocation(go, offset))
        return true;
    return osp_fail(err, OSP_EABSENT,
                    "where the Go runtime keeps g could not be found: no symbol runtime.tlsg, and its code does not "
                    "show it");
}
