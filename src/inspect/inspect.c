/* SPDX-License-Identifier: Apache-2.0 */
/* A program that is looked into: what all models need of it. */
#include "inspect/inspect_internal.h"

#include <stdlib.h>

enum {
    RULES = 4096,
    MOST_SPOTS = 64, /* calls inlined at one address */
    NAMES_LIMIT = 256 << 20
};

struct osp_inspect {
    const osp_image *image;
    osp_go *go;
    osp_space space;
    osp_unwind_go offsets;
    osp_arena names;
    osp_index by_pc; /* -> place in spots */
    struct spots {
        const osp_spot *row;
        size_t n;
    } * spots;
    size_t nspots, cap;
    osp_frame frame[MOST_SPOTS]; /* of one address, while it is looked up */
    osp_spot found[MOST_SPOTS];
    struct {
        uint64_t addr;
        uint32_t rule;
        bool used, mapped;
    } rule[RULES]; /* what was asked last */
};

osp_inspect *osp_inspect_open(const osp_image *image, osp_objects *objects, osp_err *err)
{
    osp_inspect *in = calloc(1, sizeof *in);
    if (!in) {
        osp_fail_memory(err, "looking into a program");
        return NULL;
    }
    in->image = image;
    osp_arena_init(&in->names, NAMES_LIMIT);
    in->go = osp_go_open(image, objects, err);
    if (!in->go || !osp_space_of_image(&in->space, image, objects, err)) {
        osp_inspect_close(in);
        return NULL;
    }
    osp_space_go(in->go, &in->offsets);
    return in;
}

void osp_inspect_close(osp_inspect *in)
{
    if (!in)
        return;
    osp_index_drop(&in->by_pc);
    osp_arena_drop(&in->names);
    free(in->spots);
    osp_space_drop(&in->space);
    osp_go_close(in->go);
    free(in);
}

const osp_image *osp_inspect_image(const osp_inspect *in) { return in->image; }
osp_go *osp_inspect_go(const osp_inspect *in) { return in->go; }
const osp_space *osp_inspect_space(const osp_inspect *in) { return &in->space; }
const osp_unwind_go *osp_inspect_offsets(const osp_inspect *in) { return &in->offsets; }

void osp_inspect_read(const osp_inspect *in, const osp_piece *piece, size_t n, bool *ok)
{
    osp_err ignored; /* what fails was of something that has gone on */
    for (size_t at = 0; at < n;) {
        size_t got = osp_mem_read_many(&in->image->mem, piece + at, n - at, &ignored);
        for (size_t i = 0; i < got; i++)
            ok[at + i] = true;
        at += got;
        if (at < n)
            ok[at++] = false;
    }
}

bool osp_inspect_rule(osp_inspect *in, uint64_t addr, uint32_t *rule)
{
    size_t i = osp_hash_mix(addr, 1) % RULES;
    if (!in->rule[i].used || in->rule[i].addr != addr) {
        in->rule[i].mapped = osp_space_rule(&in->space, addr, &in->rule[i].rule);
        in->rule[i].addr = addr;
        in->rule[i].used = true;
    }
    *rule = in->rule[i].rule;
    return in->rule[i].mapped;
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

osp_object *osp_inspect_object(const osp_inspect *in, uint64_t addr, uint64_t *file_addr)
{
    const osp_space_map *map = osp_space_at(&in->space, addr);
    *file_addr = map ? addr - map->bias : 0;
    return map ? map->object : NULL;
}

/* Into in->found. */
static size_t look_up(osp_inspect *in, uint64_t pc)
{
    const osp_frame *frame = in->frame;
    osp_spot *out = in->found;
    osp_symbol f = {0};
    uint64_t at;
    osp_object *o = osp_inspect_object(in, pc, &at);
    size_t n = o ? osp_object_frames(o, at, in->frame, MOST_SPOTS) : 0;
    bool found = o && osp_object_symbol_at(o, at, &f);
    for (size_t i = 0; i < n; i++)
        out[i] = (osp_spot){
            .func = frame[i].name,
            .file = frame[i].file,
            .line = frame[i].line,
            .inlined = i + 1 < n,
            .runtime = osp_go_is_runtime(frame[i].name, frame[i].file),
            .entry = found ? f.start + (pc - at) : 0,
        };
    if (n == 0)
        out[n++] = (osp_spot){.func = S(""), .file = S("")};
    return n;
}

size_t osp_inspect_spots(osp_inspect *in, uint64_t pc, const osp_spot **out)
{
    static const osp_spot unknown = {.func = {"", 0}, .file = {"", 0}};
    uint32_t at = osp_index_find(&in->by_pc, pc);
    if (at == UINT32_MAX) {
        size_t n = look_up(in, pc);
        osp_spot *row = osp_new(&in->names, osp_spot, n);
        void *array = in->spots;
        if (!row || !osp_grow(&array, &in->cap, in->nspots + 1, sizeof *in->spots)) {
            *out = &unknown;
            return 1;
        }
        in->spots = array;
        memcpy(row, in->found, n * sizeof *row);
        at = (uint32_t)in->nspots;
        in->spots[in->nspots++] = (struct spots){row, n};
        if (!osp_index_put(&in->by_pc, pc, at))
            in->nspots--; /* it is looked up again */
        *out = row;
        return n;
    }
    *out = in->spots[at].row;
    return in->spots[at].n;
}
