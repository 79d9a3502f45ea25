/* SPDX-License-Identifier: Apache-2.0 */
/* Are two profiles the same to a reader? Rows and texts count; ids of stacks and label sets may differ. For tests. */
#ifndef OSP_SAME_PROFILE_H
#define OSP_SAME_PROFILE_H

#include "model/model.h"

#include <stdlib.h>

static inline bool same_text(const osp_profile *a, osp_string_id x, const osp_profile *b, osp_string_id y)
{
    return x.i < a->strings.n && y.i < b->strings.n && osp_str_eq(osp_text(a, x), osp_text(b, y));
}

static inline bool same_stack(const osp_profile *a, osp_stack_id x, const osp_profile *b, osp_stack_id y)
{
    osp_location_id *room[] = {osp_stack_room(a), osp_stack_room(b)};
    if (!room[0] || !room[1])
        abort();
    const osp_stack s = osp_stack_read(a, x, room[0]), t = osp_stack_read(b, y, room[1]);
    const bool same = s.n == t.n && memcmp(s.loc, t.loc, s.n * sizeof *s.loc) == 0;
    free(room[0]);
    free(room[1]);
    return same;
}

static inline bool same_labels(const osp_profile *a, osp_labelset_id x, const osp_profile *b, osp_labelset_id y)
{
    uint32_t n = a->labelsets.first[x.i + 1] - a->labelsets.first[x.i];
    if (n != b->labelsets.first[y.i + 1] - b->labelsets.first[y.i])
        return false;
    for (uint32_t k = 0; k < n; k++) {
        const osp_label *l = &a->labelsets.label[a->labelsets.first[x.i] + k];
        const osp_label *m = &b->labelsets.label[b->labelsets.first[y.i] + k];
        if (!same_text(a, l->key, b, m->key) || !same_text(a, l->str, b, m->str) ||
            !same_text(a, l->unit, b, m->unit) || l->num != m->num)
            return false;
    }
    return true;
}

static inline bool same_samples(const osp_profile *a, const osp_profile *b)
{
    if (a->samples.n != b->samples.n || a->values.n != b->values.n ||
        !same_text(a, a->values.preferred, b, b->values.preferred))
        return false;
    for (uint32_t t = 0; t < a->values.n; t++)
        if (!same_text(a, a->values.type[t].type, b, b->values.type[t].type) ||
            !same_text(a, a->values.type[t].unit, b, b->values.type[t].unit))
            return false;
    for (uint32_t i = 0; i < a->samples.n; i++) {
        if (!same_stack(a, a->samples.stack[i], b, b->samples.stack[i]) ||
            !same_labels(a, a->samples.labels[i], b, b->samples.labels[i]))
            return false;
        for (uint32_t t = 0; t < a->values.n; t++)
            if (a->samples.value[t][i] != b->samples.value[t][i])
                return false;
    }
    return true;
}

static inline bool same_locations(const osp_profile *a, const osp_profile *b)
{
    if (a->locations.n != b->locations.n || a->functions.n != b->functions.n || a->mappings.n != b->mappings.n)
        return false;
    for (uint32_t i = 0; i < a->locations.n; i++) {
        uint32_t from = a->locations.first[i], n = a->locations.first[i + 1] - from, at = b->locations.first[i];
        if (a->locations.addr[i] != b->locations.addr[i] || a->locations.mapping[i].i != b->locations.mapping[i].i ||
            a->locations.folded[i] != b->locations.folded[i] || b->locations.first[i + 1] - at != n ||
            (a->locations.wire_id && b->locations.wire_id && a->locations.wire_id[i] != b->locations.wire_id[i]))
            return false;
        for (uint32_t k = 0; k < n; k++) {
            osp_line l = a->locations.line[from + k], m = b->locations.line[at + k];
            if (l.fn.i != m.fn.i || l.line != m.line || l.column != m.column)
                return false;
        }
    }
    for (uint32_t i = 0; i < a->functions.n; i++) {
        const osp_function *f = &a->functions.row[i], *g = &b->functions.row[i];
        if (!same_text(a, f->name, b, g->name) || !same_text(a, f->linker_name, b, g->linker_name) ||
            !same_text(a, f->file, b, g->file) || f->start_line != g->start_line)
            return false;
    }
    for (uint32_t i = 0; i < a->mappings.n; i++) {
        const osp_mapping *m = &a->mappings.row[i], *w = &b->mappings.row[i];
        if (m->start != w->start || m->limit != w->limit || m->offset != w->offset || m->has != w->has ||
            !same_text(a, m->file, b, w->file) || !same_text(a, m->build_id, b, w->build_id))
            return false;
    }
    return true;
}

static inline bool same_profile(const osp_profile *a, const osp_profile *b)
{
    if (a->comments.n != b->comments.n || !same_samples(a, b) || !same_locations(a, b))
        return false;
    for (uint32_t i = 0; i < a->comments.n; i++)
        if (!same_text(a, a->comments.text[i], b, b->comments.text[i]))
            return false;
    return a->time_ns == b->time_ns && a->duration_ns == b->duration_ns && a->period == b->period &&
           same_text(a, a->period_type.type, b, b->period_type.type) &&
           same_text(a, a->period_type.unit, b, b->period_type.unit) &&
           same_text(a, a->drop_frames, b, b->drop_frames) && same_text(a, a->keep_frames, b, b->keep_frames) &&
           same_text(a, a->doc_url, b, b->doc_url);
}

#endif
