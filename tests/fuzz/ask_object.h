/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that can be asked of an object, of any bytes. */
#ifndef OSP_FUZZ_ASK_OBJECT_H
#define OSP_FUZZ_ASK_OBJECT_H

#include "object/object.h"

static inline bool count_symbol(void *ctx, const osp_symbol *s)
{
    return s->end > s->start && ++*(unsigned *)ctx < 1000;
}

/* The object's unwind rows, which must rise. False: it has none. */
static inline bool ask_rows(osp_object *o, osp_rows *rows)
{
    osp_err err;
    if (!osp_object_rows(o, rows, &err))
        return false;
    for (uint32_t i = 1; i < rows->n; i++)
        if (rows->row[i].pc <= rows->row[i - 1].pc)
            __builtin_trap();
    return true;
}

/* base: where code may be, beside the lowest addresses. */
static inline int ask_object(const uint8_t *bytes, size_t n, uint64_t base)
{
    osp_err err;
    osp_object *o = osp_object_open_bytes((osp_span){bytes, n}, "fuzz", NULL, &err);
    if (!o)
        return 0;
    osp_rows rows;
    osp_go_info go;
    osp_symbol_value value;
    osp_symbol symbol;
    osp_frame frame[16];
    uint64_t a, b;
    int64_t addend;
    if (ask_rows(o, &rows)) {
        for (uint32_t i = 0; i < rows.n && i < 64; i++) {
            uint64_t at = rows.base + rows.row[i * (rows.n / 64) % rows.n].pc;
            osp_object_symbol_at(o, at, &symbol);
            osp_object_frames(o, at, frame, 16);
        }
    }
    osp_object_go(o, &go);
    osp_object_symbol(o, S("main"), &value);
    osp_object_tls(o, &a, &b);
    osp_object_relocation(o, 18, &a, &addend);
    osp_go_member member[] = {{"runtime.g", "sched.pc", 0}, {"runtime.g", "no|goid", 0}};
    (void)!osp_object_go_members(o, member, 2, &err);
    (void)!osp_object_bias(o, 0x7f0000000000, 0, &a, &err);
    for (uint64_t at = 0x1000; at < 0x6000; at += 0x123) {
        osp_object_frames(o, at, frame, 16);
        osp_object_frames(o, base + at, frame, 16);
    }
    osp_arena arena;
    osp_instructions code;
    unsigned over = 0;
    const uint64_t some[] = {0x1000, 0x1010, base + 0x1000, UINT64_MAX};
    osp_arena_init(&arena, 1 << 26);
    osp_object_symbols_over(o, some, 4, count_symbol, &over);
    for (int i = 0; i < 3; i++)
        (void)!osp_object_instructions(o, some[i], some[i] + 0x2000, OSP_INTEL, &arena, &code, &err);
    osp_arena_drop(&arena);
    osp_object_close(o);
    return 0;
}

#endif
