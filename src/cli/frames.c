/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/frames.h"

/* Frames of a location, innermost inline first. */
typedef struct {
    uint32_t first, n; /* into call[] */
} span;

typedef struct {
    const osp_recording *rec;
    const osp_profile *p;
    osp_arena *a;
    osp_call *call;
    span *at; /* by location */
} reading;

/* Is there Go at this location, by the file that is mapped there? */
static bool is_go(const reading *r, uint32_t location)
{
    osp_mapping_id m = r->p->locations.mapping[location];
    osp_err ignored; /* a mapping that fits no segment is like one without an object */
    uint64_t bias;
    if (!m.i || m.i >= r->rec->nobject || !r->rec->object[m.i] || m.i >= r->p->mappings.n)
        return false;
    const osp_mapping *row = &r->p->mappings.row[m.i];
    return osp_object_bias(r->rec->object[m.i], row->start, row->offset, &bias, &ignored) &&
           osp_object_is_go(r->rec->object[m.i], r->p->locations.addr[location] - bias);
}

static bool read_location(reading *r, uint32_t i, uint32_t *n)
{
    const osp_profile *p = r->p;
    osp_mapping_id m = p->locations.mapping[i];
    osp_str path = m.i < p->mappings.n ? osp_text(p, p->mappings.row[m.i].file) : S("");
    osp_str module = osp_str_starts(path, S("[")) ? path : osp_str_base(path);
    bool go = is_go(r, i);
    r->at[i] = (span){*n, 0};
    for (uint32_t k = p->locations.first[i]; k < p->locations.first[i + 1]; k++) {
        const osp_function *fn = &p->functions.row[p->locations.line[k].fn.i];
        osp_call *c = &r->call[(*n)++];
        *c = (osp_call){.func = osp_arena_str(r->a, osp_text(p, fn->name)),
                        .file = osp_arena_str(r->a, osp_str_base(osp_text(p, fn->file))),
                        .module = osp_arena_str(r->a, module),
                        .line = (int32_t)p->locations.line[k].line};
        if (!c->func.p || !c->file.p || !c->module.p)
            return false;
        c->kind = osp_call_kind_of(go, c->func, osp_text(p, fn->file), module);
        if (!c->file.n && c->kind != OSP_CALL_KERNEL)
            c->file = c->module;
        r->at[i].n++;
    }
    return true;
}

static bool read_locations(reading *r)
{
    const osp_profile *p = r->p;
    r->call = osp_new(r->a, osp_call, p->locations.first[p->locations.n] + 1);
    r->at = osp_new(r->a, span, p->locations.n + 1);
    uint32_t n = 0;
    bool ok = r->call && r->at;
    for (uint32_t i = 0; ok && i < p->locations.n; i++)
        ok = read_location(r, i, &n);
    return ok;
}

bool osp_frames_read(const osp_recording *rec, const osp_profile *p, osp_arena *a, const osp_frames **by_stack)
{
    reading r = {.rec = rec, .p = p, .a = a};
    osp_location_id *room = osp_new(a, osp_location_id, p->stacks.deepest + OSP_PACKED_SLACK);
    osp_frames *out = osp_new(a, osp_frames, p->stacks.n + 1);
    if (!room || !out || !read_locations(&r))
        return false;
    size_t total = 0;
    for (uint32_t i = 0; i < p->stacks.n; i++) {
        const osp_stack s = osp_stack_read(p, (osp_stack_id){i}, room);
        for (uint32_t k = 0; k < s.n; k++)
            total += r.at[s.loc[k].i].n;
    }
    osp_call *flat = osp_new(a, osp_call, total + 1);
    if (!flat || total > UINT32_MAX)
        return false;
    for (uint32_t i = 0; i < p->stacks.n; i++) {
        const osp_stack s = osp_stack_read(p, (osp_stack_id){i}, room);
        osp_call *first = flat;
        for (uint32_t k = 0; k < s.n; k++)
            for (uint32_t c = 0; c < r.at[s.loc[k].i].n; c++)
                *flat++ = r.call[r.at[s.loc[k].i].first + c];
        out[i] = (osp_frames){first, (uint32_t)(flat - first)};
    }
    *by_stack = out;
    return true;
}

uint32_t osp_frames_root(const osp_frames *f)
{
    static const char *const before[] = {"runtime.goexit",
                                         "runtime.main",
                                         "_start",
                                         "__libc_start_main",
                                         "__libc_start_call_main",
                                         "clone",
                                         "clone3",
                                         "__clone",
                                         "__clone3",
                                         "start_thread",
                                         "thread_start",
                                         "crosscall1",
                                         "__libc_start_main_impl"};
    for (uint32_t i = f->n; i-- > 1;) {
        bool skip = false;
        for (size_t k = 0; k < sizeof before / sizeof *before && !skip; k++)
            skip = osp_str_eq(f->call[i].func, osp_str_from(before[k]));
        if (!skip)
            return i;
    }
    return 0;
}

uint32_t osp_frames_blame(const osp_frames *f)
{
    uint32_t library = f->n;
    for (uint32_t i = 0; i < f->n; i++) {
        if (f->call[i].kind == OSP_CALL_GO || f->call[i].kind == OSP_CALL_C)
            return i;
        if (library == f->n && (f->call[i].kind == OSP_CALL_STD || f->call[i].kind == OSP_CALL_LIB))
            library = i;
    }
    return library < f->n ? library : 0;
}
