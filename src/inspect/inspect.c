/* SPDX-License-Identifier: Apache-2.0 */
/* A program that is looked into: what all models need of it. */
#include "inspect/inspect_internal.h"

#include <stdlib.h>

enum {
    MOST_SPOTS = 64, /* calls inlined at one address */
    NAMES_LIMIT = 256 << 20
};

struct osp_inspect {
    const osp_image *image;
    osp_go *go;
    osp_space space;
    osp_unwind_go offsets;
    osp_str
        std; /* where the files of Go's library are, as the program has them; "": their paths are cut to packages */
    osp_str module; /* the program's own */
    osp_arena names;
    osp_index by_pc; /* -> place in spots */
    struct spots {
        const osp_spot *row;
        size_t n;
    } * spots;
    size_t nspots, cap;
    osp_frame frame[MOST_SPOTS]; /* of one address, while it is looked up */
    osp_go_call call[MOST_SPOTS];
    osp_spot found[MOST_SPOTS];
};

/* Where the library's files are: where runtime.main's is. */
static void learn_places(osp_inspect *in)
{
    uint64_t bias;
    osp_symbol_value v;
    osp_go_info info;
    osp_str file;
    int32_t line;
    osp_object *o = osp_go_object(in->go, &bias);
    if (osp_object_symbol(o, S("runtime.main"), &v) && osp_object_line_at(o, v.value, &file, &line)) {
        size_t at = osp_str_find(file, S("runtime/proc.go"));
        in->std = at < file.n ? osp_str_head(file, at) : S("");
    }
    osp_str rest = osp_object_go(o, &info) ? info.modinfo : S("");
    rest = osp_str_skip(rest, osp_str_find(rest, S("\nmod\t")) + 5);
    in->module = osp_str_cut(&rest, '\t');
}

osp_inspect *osp_inspect_over(const osp_image *image, osp_go *go, osp_err *err)
{
    osp_inspect *in = calloc(1, sizeof *in);
    if (!in) {
        osp_go_close(go);
        osp_fail_memory(err, "looking into a program");
        return NULL;
    }
    in->image = image;
    in->go = go;
    osp_arena_init(&in->names, NAMES_LIMIT);
    osp_space_go(go, &in->offsets);
    return in;
}

osp_inspect *osp_inspect_open(const osp_image *image, osp_objects *objects, osp_err *err)
{
    osp_go *go = osp_go_open(image, objects, err);
    osp_inspect *in = go ? osp_inspect_over(image, go, err) : NULL;
    if (!in || !osp_space_of_image(&in->space, image, objects, err)) {
        osp_inspect_close(in);
        return NULL;
    }
    learn_places(in);
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
osp_space *osp_inspect_own_space(osp_inspect *in) { return &in->space; }
const osp_space *osp_inspect_space(const osp_inspect *in) { return &in->space; }
const osp_unwind_go *osp_inspect_offsets(const osp_inspect *in) { return &in->offsets; }

/* ---- names ------------------------------------------------------------------------------------------------------ */

osp_object *osp_inspect_object(const osp_inspect *in, uint64_t addr, uint64_t *file_addr)
{
    const osp_space_map *map = osp_space_at(&in->space, addr);
    *file_addr = map ? addr - map->bias : 0;
    return map ? map->object : NULL;
}

/* Is it the library's? Where paths are cut to packages, those that come from elsewhere have a dot before their first slash. */
static bool is_std(const osp_inspect *in, const osp_frame *f)
{
    if (in->std.n)
        return osp_str_starts(f->file, in->std);
    osp_str rest = f->file, first = osp_str_cut(&rest, '/');
    bool own = osp_str_starts(f->name, S("main.")) || (in->module.n && osp_str_starts(f->file, in->module) &&
                                                       (f->file.n == in->module.n || f->file.p[in->module.n] == '/'));
    return !own && rest.n && !osp_str_has(first, S(".")) && f->file.p[0] != '/';
}

static osp_spot spot_of(const osp_inspect *in, const osp_frame *f, uint64_t pc)
{
    bool runtime = osp_go_is_runtime(f->name, f->file);
    return (osp_spot){
        .func = f->name,
        .file = f->file,
        .line = f->line,
        .runtime = runtime,
        .std = runtime || is_std(in, f),
        .pc = pc,
    };
}

static size_t look_up_go(osp_inspect *in, osp_object *o, uint64_t at, uint64_t bias)
{
    size_t n = osp_object_go_calls(o, at, in->call, MOST_SPOTS);
    for (size_t i = 0; i < n; i++) {
        const osp_go_call *c = &in->call[i];
        in->found[i] = spot_of(in, &c->frame, c->at + bias);
        in->found[i].entry = c->entry + bias;
        in->found[i].go = true;
        in->found[i].inlined = c->inlined;
        in->found[i].wrapper = c->wrapper;
    }
    return n;
}

/* Into in->found. */
static size_t look_up(osp_inspect *in, uint64_t pc)
{
    osp_symbol f;
    uint64_t at;
    osp_object *o = osp_inspect_object(in, pc, &at);
    size_t n = o ? look_up_go(in, o, at, pc - at) : 0;
    if (n == 0 && o) {
        n = osp_object_frames(o, at, in->frame, MOST_SPOTS);
        bool found = osp_object_symbol_at(o, at, &f);
        for (size_t i = 0; i < n; i++) {
            in->found[i] = spot_of(in, &in->frame[i], pc);
            in->found[i].entry = found ? f.start + (pc - at) : 0;
            in->found[i].inlined = i + 1 < n;
        }
    }
    if (n == 0)
        in->found[n++] = (osp_spot){.func = S(""), .file = S(""), .pc = pc};
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

bool osp_spot_is_elided(const osp_spot *s, osp_str callee)
{
    return s->wrapper && !osp_str_eq(callee, S("runtime.gopanic")) && !osp_str_eq(callee, S("runtime.sigpanic")) &&
           !osp_str_eq(callee, S("runtime.panicwrap"));
}
