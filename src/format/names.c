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

static uint64_t hash_of(const osp_event_sample *s)
{
    return osp_hash_pair((uint64_t)s->stack.i << 32 | s->labels.i, s->event);
}

/* The cell of what the key says, or the free one where it belongs. */
static osp_event_sample *cell_of(osp_event_sample *all, size_t ncell, const osp_event_sample *key, uint64_t hash)
{
    size_t at = hash & (ncell - 1);
    for (; all[at].number; at = (at + 1) & (ncell - 1))
        if (all[at].stack.i == key->stack.i && all[at].labels.i == key->labels.i && all[at].event == key->event)
            break;
    return &all[at];
}

static bool room_for_sample(osp_event_tally *t)
{
    if (t->n * 2 < t->ncell)
        return true;
    size_t ncell = t->ncell ? t->ncell * 2 : 256;
    osp_event_sample *all = t->n < UINT32_MAX / 2 ? calloc(ncell, sizeof *all) : NULL;
    if (!all)
        return false;
    osp_large_pages(all, ncell * sizeof *all);
    for (size_t i = 0; i < t->ncell; i++)
        if (t->sample[i].number)
            *cell_of(all, ncell, &t->sample[i], hash_of(&t->sample[i])) = t->sample[i];
    free(t->sample);
    t->sample = all;
    t->ncell = ncell;
    return true;
}

static void add_one(osp_event_tally *t, const osp_event_sample *one, uint64_t hash)
{
    if (t->failed || !room_for_sample(t)) {
        t->failed = true;
        return;
    }
    osp_event_sample *s = cell_of(t->sample, t->ncell, one, hash);
    if (!s->number) {
        *s = *one;
        s->number = (uint32_t)++t->n;
        return;
    }
    osp_add(&s->count, one->count);
    osp_add(&s->weight, one->weight);
}

enum { COMING = sizeof((osp_event_tally *)0)->coming / sizeof((osp_event_tally *)0)->coming[0] };

void osp_tally_add(osp_event_tally *t, uint32_t event, osp_stack_id stack, osp_labelset_id labels, int64_t weight)
{
    const size_t at = t->ncome++ % COMING;
    if (t->ncome > COMING)
        add_one(t, &t->coming[at].one, t->coming[at].hash);
    osp_event_sample *one = &t->coming[at].one;
    *one = (osp_event_sample){
        .stack = stack, .labels = labels, .event = event, .count = 1, .weight = weight < 0 ? 1 : weight};
    t->coming[at].hash = hash_of(one);
    if (t->ncell)
        __builtin_prefetch(&t->sample[t->coming[at].hash & (t->ncell - 1)], 1);
    int64_t *period = &t->period[event];
    if (weight >= 0)
        t->weighed[event] = true;
    *period = *period == 0 || *period == weight ? weight : -1;
}

/* All that are still coming, in their order. */
static void settle(osp_event_tally *t)
{
    size_t first = t->ncome > COMING ? t->ncome - COMING : 0;
    for (; first < t->ncome; first++)
        add_one(t, &t->coming[first % COMING].one, t->coming[first % COMING].hash);
    t->ncome = 0;
}

/* "cpu-clock:u", "cpu-clock/period=100000/u" */
static osp_str without_modifiers(osp_str event)
{
    osp_str head = osp_str_cut(&event, ':');
    return osp_str_cut(&head, '/');
}

/* Weights of the clocks are times. The second clock of a profile keeps its own name. */
static void type_of(const osp_event_tally *t, uint32_t event, bool *had_clock, osp_str *name, osp_str *unit)
{
    osp_str plain = without_modifiers(t->names.text[event]);
    bool clock = osp_str_eq(plain, S("cpu-clock")) || osp_str_eq(plain, S("task-clock"));
    bool timed = clock && t->weighed[event];
    *name = timed && !*had_clock ? S("cpu") : t->names.text[event];
    *unit = timed ? S("nanoseconds") : S("count");
    *had_clock |= clock;
}

bool osp_tally_finish(osp_event_tally *t, osp_profile_head *head, osp_err *err)
{
    settle(t);
    bool only_counted = t->names.n == 1 && t->n && !t->weighed[0];
    int64_t *value = t->failed ? NULL : calloc((size_t)t->names.n + 1, sizeof *value);
    const osp_event_sample **in_order = calloc(t->n + 1, sizeof *in_order);
    if (!value || !in_order) {
        free(value);
        free(in_order);
        return osp_fail_memory(err, "reading samples");
    }
    bool had_clock = false;
    osp_builder_value(t->b, S("samples"), S("count"));
    for (uint32_t e = 0; e < t->names.n && !only_counted; e++) {
        osp_str name, unit;
        type_of(t, e, &had_clock, &name, &unit);
        osp_builder_value(t->b, name, unit);
        if (e > 0)
            continue;
        head->preferred = name;
        head->period_type = name;
        head->period_unit = unit;
        head->period = t->period[0] > 0 ? t->period[0] : 0;
    }
    for (size_t i = 0; i < t->ncell; i++)
        if (t->sample[i].number)
            in_order[t->sample[i].number - 1] = &t->sample[i];
    for (size_t i = 0; i < t->n; i++) {
        const osp_event_sample *s = in_order[i];
        value[0] = s->count;
        value[1 + s->event] = s->weight;
        osp_builder_sample(t->b, s->stack, s->labels, value, 0);
        value[1 + s->event] = 0;
    }
    free(in_order);
    free(value);
    return true;
}

void osp_tally_counts(osp_event_tally *t, int64_t *n)
{
    settle(t);
    memset(n, 0, t->names.n * sizeof *n);
    for (size_t i = 0; i < t->ncell; i++)
        if (t->sample[i].number)
            osp_add(&n[t->sample[i].event], t->sample[i].count);
}
