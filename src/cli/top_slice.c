/* SPDX-License-Identifier: Apache-2.0 */
/* From a recording with names to a slice: what each frame is, which thread and goroutine, how long. */
#include "cli/top_model.h"

static const size_t SLICE_LIMIT = 512 << 20;

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
                        .module = osp_arena_str(r->a, module)};
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

static int64_t number_label(const osp_profile *p, osp_labelset_id set, osp_str key)
{
    for (uint32_t i = p->labelsets.first[set.i]; i < p->labelsets.first[set.i + 1]; i++)
        if (osp_str_eq(osp_text(p, p->labelsets.label[i].key), key) && !p->labelsets.label[i].str.i)
            return p->labelsets.label[i].num;
    return 0;
}

static osp_str text_label(const osp_profile *p, osp_labelset_id set, osp_str key)
{
    for (uint32_t i = p->labelsets.first[set.i]; i < p->labelsets.first[set.i + 1]; i++)
        if (osp_str_eq(osp_text(p, p->labelsets.label[i].key), key))
            return osp_text(p, p->labelsets.label[i].str);
    return S("");
}

/* What is waited for: "chan receive"; where nothing more is known the state, "runnable". */
static osp_str reason_of(const reading *r, osp_labelset_id set)
{
    osp_str reason = text_label(r->p, set, S("reason"));
    return osp_arena_str(r->a, reason.n ? reason : text_label(r->p, set, S("state")));
}

static const int64_t *column_of(const osp_profile *p, osp_str type)
{
    for (uint32_t i = 0; i < p->values.n; i++)
        if (osp_str_eq(osp_text(p, p->values.type[i].type), type))
            return p->samples.value[i];
    return NULL;
}

/* The frames of every stack, one behind the other. */
static bool read_stacks(reading *r, span **out, osp_call **flat)
{
    const osp_profile *p = r->p;
    osp_location_id *room = osp_new(r->a, osp_location_id, p->stacks.deepest + OSP_PACKED_SLACK);
    *out = osp_new(r->a, span, p->stacks.n + 1);
    size_t total = 0;
    for (uint32_t i = 0; room && i < p->stacks.n; i++) {
        const osp_stack s = osp_stack_read(p, (osp_stack_id){i}, room);
        for (uint32_t k = 0; k < s.n; k++)
            total += r->at[s.loc[k].i].n;
    }
    *flat = osp_new(r->a, osp_call, total + 1);
    if (!room || !*out || !*flat || total > UINT32_MAX)
        return false;
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->stacks.n; i++) {
        const osp_stack s = osp_stack_read(p, (osp_stack_id){i}, room);
        (*out)[i].first = n;
        for (uint32_t k = 0; k < s.n; k++)
            for (uint32_t c = 0; c < r->at[s.loc[k].i].n; c++)
                (*flat)[n++] = r->call[r->at[s.loc[k].i].first + c];
        (*out)[i].n = n - (*out)[i].first;
    }
    return true;
}

static bool read_samples(reading *r, osp_top_slice *out)
{
    const osp_profile *p = r->p;
    const int64_t *cpu = column_of(p, S("cpu")), *wait = column_of(p, S("wait"));
    if (!wait)
        wait = column_of(p, S("blocked")); /* of threads */
    span *of;
    osp_call *flat;
    osp_top_stack *row = osp_new(r->a, osp_top_stack, p->samples.n + 1);
    if (!row || !read_locations(r) || !read_stacks(r, &of, &flat))
        return false;
    for (uint32_t i = 0; i < p->samples.n; i++) {
        const span *s = &of[p->samples.stack[i].i];
        row[i] = (osp_top_stack){.call = flat + s->first,
                                 .ncall = s->n,
                                 .tid = (int)number_label(p, p->samples.labels[i], S("tid")),
                                 .goid = (uint64_t)number_label(p, p->samples.labels[i], S("goroutine")),
                                 .cpu_ns = cpu ? (double)cpu[i] : 0,
                                 .wait_ns = wait ? (double)wait[i] : 0,
                                 .reason = wait && wait[i] ? reason_of(r, p->samples.labels[i]) : S("")};
        if (!row[i].reason.p)
            return false;
    }
    out->stack = row;
    out->nstack = p->samples.n;
    out->has_wait = wait != NULL;
    return true;
}

bool osp_top_slice_of(const osp_recording *rec, const osp_profile *named, osp_top_slice *out, osp_err *err)
{
    const osp_sample_stats *s = &rec->stats;
    *out = (osp_top_slice){.seconds = (double)s->duration_ns / 1e9,
                           .samples = s->taken,
                           .whole = s->ended[OSP_END_ROOT],
                           .lost = s->lost,
                           .hz = s->hz,
                           .unseen = s->wait.unreached};
    osp_arena_init(&out->arena, SLICE_LIMIT);
    reading r = {.rec = rec, .p = named, .a = &out->arena};
    out->gave_up = osp_arena_str(&out->arena, osp_str_from(s->gave_up));
    if (read_samples(&r, out) && out->gave_up.p)
        return true;
    osp_top_slice_drop(out);
    return osp_fail_memory(err, "reading samples");
}

void osp_top_slice_drop(osp_top_slice *s)
{
    osp_arena_drop(&s->arena);
    *s = (osp_top_slice){0};
}
