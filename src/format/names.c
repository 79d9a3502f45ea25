/* SPDX-License-Identifier: Apache-2.0 */
#include "format/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- frames --------------------------------------------------------------------------------------------------- */

osp_profile *osp_names_finish(osp_names *n, bool ok, osp_err *err)
{
    osp_builder *b = n->b;
    if (ok && n->failed)
        ok = osp_fail_memory(err, "reading stacks");
    osp_intern_drop(&n->known);
    free(n->at);
    free(n->stack);
    *n = (osp_names){0};
    if (ok)
        return osp_builder_finish(b, err);
    osp_builder_drop(b);
    return NULL;
}

osp_location_id *osp_names_at(osp_names *n, osp_str text, bool *fresh)
{
    void *all = n->at;
    uint32_t id = n->failed ? UINT32_MAX : osp_intern_put(&n->known, text, fresh);
    if (id == UINT32_MAX || !osp_grow(&all, &n->cap, (size_t)id + 1, sizeof *n->at)) {
        n->failed = true;
        *fresh = false;
        return &n->nowhere;
    }
    n->at = all;
    return &n->at[id];
}

osp_location_id osp_names_frame(osp_names *n, osp_mapping_id mapping, uint64_t addr, osp_str name, osp_str file,
                                int64_t line)
{
    osp_line l = {.fn = osp_builder_function(n->b, name, S(""), file, 0), .line = line};
    return osp_builder_location(n->b, mapping, addr, &l, 1);
}

osp_location_id osp_names_v8_frame(osp_names *n, osp_doc *d, uint32_t frame, bool *root)
{
    const uint32_t function = frame ? osp_doc_member(d, frame, "functionName") : 0;
    const uint32_t url = frame ? osp_doc_member(d, frame, "url") : 0;
    const uint32_t line = frame ? osp_doc_member(d, frame, "lineNumber") : 0;
    const osp_str name = function ? osp_doc_text(d, function) : S("");
    *root = osp_str_eq(name, S("(root)"));
    return osp_names_frame(n, (osp_mapping_id){0}, 0, name.n ? name : S("(anonymous)"),
                           url ? osp_doc_text(d, url) : S(""),
                           line ? (int64_t)((uint64_t)osp_doc_int(d, line) + 1) : 0);
}

void osp_names_push(osp_names *n, osp_location_id at)
{
    void *all = n->stack;
    if (!osp_grow(&all, &n->stack_cap, n->n + 1, sizeof *n->stack)) {
        n->failed = true;
        return;
    }
    n->stack = all;
    n->stack[n->n++] = at;
}

osp_stack_id osp_names_stack(osp_names *n, bool root_first)
{
    for (size_t i = 0; root_first && i < n->n / 2; i++) {
        osp_location_id swap = n->stack[i];
        n->stack[i] = n->stack[n->n - 1 - i];
        n->stack[n->n - 1 - i] = swap;
    }
    osp_stack_id id = osp_builder_stack(n->b, n->stack, n->n);
    n->n = 0;
    return id;
}

/* ---- lines ---------------------------------------------------------------------------------------------------- */

bool osp_lines_judged(const osp_line_count *c, osp_input *in, osp_err *err)
{
    if (c->lines == 0)
        return osp_fail(err, OSP_EABSENT, "there is not one sample in it");
    if (c->bad * 2 >= c->lines)
        return osp_fail(err, OSP_EABSENT,
                        "%" PRIu64 " of %" PRIu64 " lines were not understood, the first is line %" PRIu64, c->bad,
                        c->lines, c->first_bad);
    if (c->bad)
        snprintf(in->note, sizeof in->note,
                 "%" PRIu64 " of %" PRIu64 " lines were not understood and left out, the first is line %" PRIu64,
                 c->bad, c->lines, c->first_bad);
    return true;
}

/* ---- events --------------------------------------------------------------------------------------------------- */

void osp_tally_drop(osp_event_tally *t)
{
    osp_intern_drop(&t->names);
    free(t->sample);
    free(t->period);
    free(t->weighed);
    *t = (osp_event_tally){0};
}

uint32_t osp_tally_event(osp_event_tally *t, osp_str name)
{
    bool fresh;
    uint32_t id = osp_intern_put(&t->names, name, &fresh);
    void *period = t->period, *weighed = t->weighed;
    bool ok = id != UINT32_MAX && osp_grow(&period, &t->period_cap, (size_t)id + 1, sizeof *t->period);
    if (ok) {
        t->period = period;
        ok = osp_grow(&weighed, &t->weighed_cap, (size_t)id + 1, sizeof *t->weighed);
    }
    if (!ok) {
        t->failed = true;
        return 0;
    }
    t->weighed = weighed;
    if (fresh) {
        t->period[id] = 0;
        t->weighed[id] = false;
    }
    return id;
}

void osp_tally_add(osp_event_tally *t, uint32_t event, osp_stack_id stack, osp_labelset_id labels, int64_t weight)
{
    void *all = t->sample;
    if (t->failed || !osp_grow(&all, &t->cap, t->n + 1, sizeof *t->sample)) {
        t->failed = true;
        return;
    }
    t->sample = all;
    t->sample[t->n++] = (osp_event_sample){stack, labels, event, weight};
    int64_t *period = &t->period[event];
    if (weight >= 0)
        t->weighed[event] = true;
    *period = *period == 0 || *period == weight ? weight : -1;
}

static osp_str without_modifiers(osp_str event) { return osp_str_cut(&event, ':'); }

/* Weights of the clocks are times. The second clock of a profile keeps its own name. */
static void type_of(const osp_event_tally *t, uint32_t event, osp_str *name, osp_str *unit)
{
    osp_str plain = without_modifiers(t->names.text[event]);
    bool clock = (osp_str_eq(plain, S("cpu-clock")) || osp_str_eq(plain, S("task-clock"))) && t->weighed[event];
    bool first = true;
    for (uint32_t i = 0; i < event; i++)
        first &= !osp_str_ends(without_modifiers(t->names.text[i]), S("-clock"));
    *name = clock && first ? S("cpu") : t->names.text[event];
    *unit = clock ? S("nanoseconds") : S("count");
}

bool osp_tally_finish(osp_event_tally *t, osp_profile_head *head, osp_err *err)
{
    bool only_counted = t->names.n == 1 && t->n && !t->weighed[0];
    int64_t *value = t->failed ? NULL : calloc((size_t)t->names.n + 1, sizeof *value);
    if (!value)
        return osp_fail_memory(err, "reading samples");
    osp_builder_value(t->b, S("samples"), S("count"));
    for (uint32_t e = 0; e < t->names.n && !only_counted; e++) {
        osp_str name, unit;
        type_of(t, e, &name, &unit);
        osp_builder_value(t->b, name, unit);
        if (e > 0)
            continue;
        head->preferred = name;
        head->period_type = name;
        head->period_unit = unit;
        head->period = t->period[0] > 0 ? t->period[0] : 0;
    }
    for (size_t i = 0; i < t->n; i++) {
        const osp_event_sample *s = &t->sample[i];
        value[0] = 1;
        value[1 + s->event] = s->weight < 0 ? 1 : s->weight;
        osp_builder_sample(t->b, s->stack, s->labels, value, 0);
        value[1 + s->event] = 0;
    }
    free(value);
    return true;
}
