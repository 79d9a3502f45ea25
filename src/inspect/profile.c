/* SPDX-License-Identifier: Apache-2.0 */
/* Goroutines as a profile: what runtime/pprof's goroutine profile is, and the label `state`. */
#include "base/clock.h"
#include "inspect/inspect_internal.h"

#include <stdlib.h>

enum { MOST_LINES = 64, MOST_LOCATIONS = 4096 };
static const size_t LIMIT = (size_t)2 << 30;

typedef struct {
    osp_inspect *in;
    const osp_goroutine_list *l;
    osp_builder *b;
    osp_location_id *location; /* of one stack */
} maker;

/* The location of an address, *callee the function that it calls; false if nothing of it is to be seen. */
static bool location_of(maker *m, uint64_t pc, osp_str *callee, osp_location_id *out)
{
    osp_line line[MOST_LINES];
    const osp_spot *row;
    bool any = false;
    size_t n = osp_inspect_spots(m->in, pc, &row), k = 0;
    for (size_t i = 0; i < n && k < MOST_LINES; *callee = row[i++].func) {
        bool elided = osp_spot_is_elided(&row[i], *callee);
        any |= !elided;
        if (row[i].func.n && !elided)
            line[k++] = (osp_line){.fn = osp_builder_function(m->b, row[i].func, row[i].func, row[i].file, 0),
                                   .line = row[i].line};
    }
    if (!any)
        return false;
    const osp_space_map *map = osp_space_at(osp_inspect_space(m->in), pc);
    osp_mapping_id mapping = {0};
    if (map)
        mapping = osp_builder_mapping(m->b, map->start, map->end, map->offset, map->path,
                                      map->object ? osp_object_build_id(map->object) : S(""),
                                      OSP_HAS_FUNCTIONS | OSP_HAS_FILES | OSP_HAS_LINES | OSP_HAS_INLINES);
    *out = osp_builder_location(m->b, mapping, pc, line, k);
    return true;
}

static void add_goroutine(maker *m, const osp_goroutine *g, osp_stack_id stack, osp_string_id state_key)
{
    osp_label label[OSP_GO_LABELS + 1];
    osp_str rest = m->l->labels[g->labels], key, value;
    size_t n = 0;
    while (n < OSP_GO_LABELS && osp_labels_next(&rest, &key, &value))
        label[n++] = (osp_label){.key = osp_builder_string(m->b, key), .str = osp_builder_string(m->b, value)};
    label[n++] = (osp_label){.key = state_key, .str = osp_builder_string(m->b, osp_goroutine_state(m->in, g))};
    osp_builder_sample(m->b, stack, osp_builder_labels(m->b, label, n), (int64_t[]){1}, 0);
}

static void add_group(maker *m, const osp_goroutine_group *g, osp_string_id state_key)
{
    const osp_goroutine *one = &m->l->g[g->member[0]];
    const osp_go_stack *s = &m->l->stack[one->stack];
    osp_str callee = S("");
    size_t n = 0;
    for (uint32_t i = 0; i < s->n && n < MOST_LOCATIONS; i++)
        n += location_of(m, s->pc[i], &callee, &m->location[n]);
    if (!s->n && one->startpc) /* it runs: of its stack the first function is known */
        n += location_of(m, one->startpc, &callee, &m->location[n]);
    osp_stack_id stack = osp_builder_stack(m->b, m->location, n);
    for (uint32_t i = 0; i < g->n; i++)
        add_goroutine(m, &m->l->g[g->member[i]], stack, state_key);
}

osp_profile *osp_inspect_profile(osp_inspect *in, const osp_goroutine_list *l, const osp_goroutine_groups *groups,
                                 osp_err *err)
{
    maker m = {in, l, osp_builder_new(LIMIT, err), calloc(MOST_LOCATIONS, sizeof(osp_location_id))};
    if (!m.b || !m.location) {
        osp_builder_drop(m.b);
        free(m.location);
        if (m.b)
            osp_fail_memory(err, "making a profile");
        return NULL;
    }
    osp_builder_value(m.b, S("goroutine"), S("count"));
    osp_builder_head(m.b, &(osp_profile_head){.time_ns = (int64_t)osp_realtime_ns(),
                                              .period = 1,
                                              .period_type = S("goroutine"),
                                              .period_unit = S("count")});
    osp_string_id state_key = osp_builder_string(m.b, S("state"));
    for (uint32_t i = 0; i < groups->n; i++)
        add_group(&m, &groups->row[i], state_key);
    free(m.location);
    return osp_builder_finish(m.b, err);
}
