/* SPDX-License-Identifier: Apache-2.0 */
/* landing.c: where exceptions land: the call-site table of a function (LSDA, "Itanium C++ ABI: Exception Handling", 7;
 * what gcc and clang write into .gcc_except_table).
 *
 *   LSDA    encoding u8, [base of landing pads]; encoding u8, [where types are, uleb]; encoding u8, size uleb, call sites
 *   site    start, size, landing pad (each so encoded, pads from the base, 0: none), action uleb
 *
 * When the frame is found that an exception lands in, libgcc puts the pad's address where the function below was to
 * return to, and only then moves sp there. A return address is looked up one byte before, as it stands behind a call; what
 * is before a pad may be the end of something else, with another frame. */
#include "object_internal.h"

#include "base/buf.h"
#include "base/search.h"

#include <dwarf.h>
#include <elf.h>
#include <stdlib.h>

enum { X86_RET = 0xc3 };

static int by_address(const void *pa, const void *pb)
{
    const uint64_t *a = pa, *b = pb;
    return *a < *b ? -1 : *a > *b;
}

void osp_landings_read(osp_landings *l, const osp_fde *f)
{
    osp_err ignored; /* a table that breaks off has told of the pads before */
    l->n = 0;
    osp_span bytes = f->lsda ? osp_elf_from(l->elf, f->lsda) : (osp_span){0};
    osp_cur c = osp_cur_on(bytes, "call-site table", &ignored);
    uint64_t base = f->start;
    uint8_t encoding = osp_cur_u8(&c);
    if (encoding != DW_EH_PE_omit)
        base = osp_cfi_encoded(&c, encoding, f->lsda);
    if (osp_cur_u8(&c) != DW_EH_PE_omit)
        osp_cur_uvarint(&c);
    encoding = osp_cur_u8(&c);
    uint64_t n = osp_cur_uvarint(&c);
    if (c.bad || n > osp_cur_left(&c) || n > l->budget)
        return;
    l->budget -= n;
    for (size_t end = c.at + n; c.at < end;) {
        osp_cfi_encoded(&c, encoding, f->lsda);
        osp_cfi_encoded(&c, encoding, f->lsda);
        uint64_t pad = osp_cfi_encoded(&c, encoding, f->lsda);
        osp_cur_uvarint(&c);
        if (c.bad || !osp_grow((void **)&l->pad, &l->cap, l->n + 1, sizeof *l->pad))
            break;
        if (pad)
            l->pad[l->n++] = base + pad;
    }
    if (l->n)
        qsort(l->pad, l->n, sizeof *l->pad, by_address);
}

void osp_landings_drop(osp_landings *l) { free(l->pad); }

/* How long the instruction ff /2 is: an indirect call. 0: there is none. */
static size_t indirect_call(const uint8_t *p, size_t n)
{
    if (n < 2 || p[0] != 0xff || (p[1] >> 3 & 7) != 2)
        return 0;
    unsigned mod = p[1] >> 6, rm = p[1] & 7;
    if (mod == 3)
        return 2;
    size_t sib = rm == 4, far = mod == 2 || (mod == 0 && (rm == 5 || (sib && n > 2 && (p[2] & 7) == 5)));
    return 2 + sib + (far ? 4 : mod == 1);
}

/* May a call return to the end of this code, which lies at addr? */
static bool ends_in_call(const osp_elf *e, osp_span code, uint64_t addr)
{
    if (e->machine == EM_AARCH64) {
        enum { BLR_MASK = 0xfefff800, BLR = 0xd63f0000 }; /* and with a signed address */
        uint32_t word = code.n < 4 ? 0 : osp_le32(code.p + code.n - 4);
        uint64_t target;
        return (word & BLR_MASK) == BLR || osp_flow_aarch64_calls(word, addr - 4, &target);
    }
    if (code.n >= 5 && code.p[code.n - 5] == 0xe8 &&
        osp_elf_is_code(e, addr + (uint64_t)(int64_t)(int32_t)osp_le32(code.p + code.n - 4)))
        return true;
    for (size_t n = 2; n <= 7 && n <= code.n; n++)
        if (indirect_call(code.p + code.n - n, n) == n)
            return true;
    return false;
}

uint32_t osp_landings_rule(const osp_landings *l, const osp_fde *f, uint64_t pad, uint32_t rule)
{
    size_t i = osp_rows_upto(l->pad, l->n, sizeof *l->pad, pad);
    if (i == 0 || l->pad[i - 1] != pad || pad <= f->start)
        return OSP_RULE_NONE;
    osp_span code = osp_elf_from(l->elf, f->start);
    if (code.n < pad - f->start)
        return OSP_RULE_NONE;
    code.n = pad - f->start;
    if (ends_in_call(l->elf, code, pad))
        return OSP_RULE_NONE;
    /* Nothing stands at the last byte of a longer instruction; at ret, which is one byte, a leaf does. */
    if (l->elf->machine == EM_AARCH64 || code.p[code.n - 1] != X86_RET)
        return rule;
    return osp_rule_of_landing(rule);
}
