/* SPDX-License-Identifier: Apache-2.0 */
/* buildinfo.c: what the Go linker says about itself (Go: debug/buildinfo, cmd/link/internal/ld/data.go).
 *
 *   OFFSET SIZE  MEANING, in .go.buildinfo, 16-aligned
 *      0    14   "\xff Go buildinf:"
 *     14     1   pointer size
 *     15     1   flags: 1 big endian, 2 strings inline (Go 1.18 and later)
 *     16    16   flags & 2 == 0: addresses of two Go string headers, version and module text
 *     32         flags & 2: uvarint length and version, uvarint length and module text
 *
 * The module text is wrapped in 16 sentinel bytes at each end. Stripping keeps all of this. */
#include "object_internal.h"

#include <elf.h>

static const char magic[14] = "\xff Go buildinf:";
enum { HEAD = 32, SENTINEL = 16, LONGEST = 1 << 22 };

/* A Go string: {pointer, length} at addr. */
static osp_str go_string(const osp_elf *e, uint64_t addr)
{
    uint64_t w[2];
    if (!osp_elf_words(e, addr, w, 2) || w[1] > LONGEST)
        return S("");
    osp_span b = osp_elf_from(e, w[0]);
    return b.n >= w[1] ? (osp_str){(const char *)b.p, w[1]} : S("");
}

static bool read_at(const osp_elf *e, osp_span in, uint64_t addr, osp_str *version, osp_str *modinfo)
{
    if (in.n < HEAD || in.p[14] != 8 || (in.p[15] & 1))
        return false;
    if (in.p[15] & 2) {
        osp_err err;
        osp_cur c = osp_cur_on(in, "build info", &err);
        osp_cur_skip(&c, HEAD);
        *version = osp_span_text(osp_cur_bytes(&c, osp_cur_uvarint(&c)));
        *modinfo = osp_span_text(osp_cur_bytes(&c, osp_cur_uvarint(&c)));
        if (c.bad)
            *modinfo = S("");
    } else {
        uint64_t w[2];
        if (!osp_elf_words(e, addr + 16, w, 2))
            return false;
        *version = go_string(e, w[0]);
        *modinfo = go_string(e, w[1]);
    }
    if (modinfo->n > 2 * SENTINEL)
        *modinfo = osp_str_head(osp_str_skip(*modinfo, SENTINEL), modinfo->n - 2 * SENTINEL);
    else
        *modinfo = S("");
    return version->n > 0 && version->n < 256;
}

bool osp_go_buildinfo(const osp_elf *e, osp_str *version, osp_str *modinfo)
{
    const osp_section *s = osp_elf_section(e, S(".go.buildinfo"));
    if (s) {
        osp_span in = osp_elf_raw(e, s);
        if (in.n >= HEAD && memcmp(in.p, magic, sizeof magic) == 0 && read_at(e, in, s->addr, version, modinfo))
            return true;
    }
    for (uint32_t i = 0; i < e->nsegment; i++) {
        const osp_segment *g = &e->segment[i];
        if (g->type != PT_LOAD || !(g->flags & PF_W))
            continue;
        osp_span in = osp_elf_from(e, g->vaddr);
        /* The section is 16-aligned in memory; its first page is where the linker puts it, but not by promise. */
        for (size_t at = -g->vaddr & 15; at < in.n && in.n - at >= HEAD; at += 16) {
            osp_span here = {in.p + at, in.n - at};
            if (here.p[0] == 0xff && memcmp(here.p, magic, sizeof magic) == 0 &&
                read_at(e, here, g->vaddr + at, version, modinfo))
                return true;
        }
    }
    return false;
}
