/* SPDX-License-Identifier: Apache-2.0 */
/* What a view shows, as a profile: its columns in place of the profile's, and the rows that pass. */
#include "model/model_internal.h"

static bool rename_functions(osp_profile *p, const osp_view *v)
{
    const osp_profile *of = v->of;
    uint32_t other = 0;
    for (uint32_t i = 0; i < of->functions.n; i++)
        other += !osp_str_eq(v->name[i], osp_text(of, of->functions.row[i].name));
    if (!other)
        return true;
    osp_function *row = osp_new(&p->arena, osp_function, of->functions.n);
    if (!row || !osp_profile_widen_strings(p, other))
        return false;
    memcpy(row, of->functions.row, of->functions.n * sizeof *row);
    for (uint32_t i = 0; i < of->functions.n; i++) {
        if (osp_str_eq(v->name[i], osp_text(of, row[i].name)))
            continue;
        row[i].name = osp_profile_add_string(p, v->name[i]);
        if (!row[i].name.i && v->name[i].n)
            return false;
    }
    p->functions.row = row;
    return true;
}

#define PICK(p, type, from, v) ((type *)pick(&(p)->arena, (from), sizeof(type), alignof(type), (v)))
static void *pick(osp_arena *a, const void *from, size_t size, size_t align, const osp_view *v)
{
    char *to = osp_arena_take(a, v->nrow, size, align);
    for (uint32_t i = 0; to && i < v->nrow; i++)
        memcpy(to + i * size, (const char *)from + v->row[i] * size, size);
    return to;
}

static bool pick_rows(osp_profile *p, const osp_view *v)
{
    const osp_profile *of = v->of;
    if (v->nrow == of->samples.n)
        return true;
    const int64_t **value = osp_new(&p->arena, const int64_t *, of->values.n);
    if (!value)
        return false;
    for (uint32_t t = 0; t < of->values.n; t++)
        if (!(value[t] = PICK(p, int64_t, of->samples.value[t], v)))
            return false;
    p->samples.n = v->nrow;
    p->samples.value = value;
    p->samples.stack = PICK(p, osp_stack_id, of->samples.stack, v);
    p->samples.labels = PICK(p, osp_labelset_id, of->samples.labels, v);
    if (of->samples.time_ns && !(p->samples.time_ns = PICK(p, int64_t, of->samples.time_ns, v)))
        return false;
    return p->samples.stack && p->samples.labels;
}

static bool cut_stacks(osp_profile *p, const osp_view *v)
{
    if (!v->cuts)
        return true;
    if (!osp_stacks_make(p, v->nstack))
        return false;
    for (uint32_t i = 0; i < v->nstack; i++) {
        const osp_stack s = osp_view_stack(v, i);
        if (!osp_stacks_put(p, (osp_stack_id){i}, s.loc, s.n))
            return false;
    }
    return true;
}

osp_profile *osp_view_profile(const osp_view *v, osp_err *err)
{
    static const char doing[] = "making a profile of what is shown";
    osp_profile *p = osp_profile_borrow(v->of, doing, err);
    if (!p)
        return NULL;
    p->locations.first = v->first_line;
    p->locations.line = v->line;
    p->labelsets.first = v->first_label;
    p->labelsets.label = v->label;
    if (cut_stacks(p, v) && rename_functions(p, v) && pick_rows(p, v) && osp_profile_make_up_mapping(p))
        return p;
    osp_profile_drop(p);
    osp_fail_memory(err, doing);
    return NULL;
}
