/* SPDX-License-Identifier: Apache-2.0 */
/* topproto: the table of `top` as a profile: a sample a row, with its cum and its flat value. */
#include "report/head.h"

typedef struct {
    const osp_profile *of;
    const osp_graph *g;
    const osp_shown *shown;
    osp_intern functions;
    osp_profile p;
    osp_str *text;
    osp_function *function;
    osp_line *line;
    uint32_t *numbers; /* 0, 1, 2, …: each sample is of one stack, each location has one line */
    bool failed;
} printing;

static osp_string_id put_text(printing *t, osp_str s)
{
    t->text[t->p.strings.n] = s;
    return (osp_string_id){t->p.strings.n++};
}

static osp_function_id put_function(printing *t, const osp_node *n)
{
    bool fresh;
    osp_function_key *key = osp_new(&t->p.arena, osp_function_key, 1);
    uint32_t id = UINT32_MAX;
    if (key) {
        *key = (osp_function_key){.name = n->name, .file = n->file, .start_line = n->start_line};
        id = osp_intern_put(&t->functions, (osp_str){(const char *)key, sizeof *key}, &fresh);
    }
    if (id == UINT32_MAX) {
        t->failed = true;
        return (osp_function_id){0};
    }
    if (fresh) {
        t->function[id + 1].name = put_text(t, n->name);
        t->function[id + 1].file = put_text(t, n->file);
        t->function[id + 1].start_line = n->start_line;
        t->p.functions.n++;
    }
    return (osp_function_id){id + 1};
}

static int64_t in_unit(const printing *t, int64_t value)
{
    osp_str unit;
    return osp_int_of(osp_scale(value, t->shown->from, t->shown->to, &unit));
}

static bool fill(printing *t)
{
    const uint32_t n = t->g->nnode;
    osp_profile *p = &t->p;
    osp_value_type *type = osp_new(&t->p.arena, osp_value_type, 2);
    int64_t *cum = osp_new(&t->p.arena, int64_t, n), *flat = osp_new(&t->p.arena, int64_t, n);
    const int64_t **value = osp_new(&t->p.arena, const int64_t *, 2);
    uint64_t *addr = osp_new(&t->p.arena, uint64_t, n);
    uint32_t *no_labels = osp_new(&t->p.arena, uint32_t, 2);
    osp_mapping_id *mapping = osp_new(&t->p.arena, osp_mapping_id, n);
    osp_labelset_id *labels = osp_new(&t->p.arena, osp_labelset_id, n);
    t->text = osp_new(&t->p.arena, osp_str, 2 * (size_t)n + 8);
    t->function = osp_new(&t->p.arena, osp_function, (size_t)n + 1);
    t->line = osp_new(&t->p.arena, osp_line, n);
    t->numbers = osp_new(&t->p.arena, uint32_t, (size_t)n + 1);
    if (!osp_stacks_make(p, n) || !type || !cum || !flat || !value || !addr || !mapping || !labels || !no_labels ||
        !t->text || !t->function || !t->line || !t->numbers)
        return false;
    put_text(t, S(""));
    const osp_string_id unit = put_text(t, t->shown->to);
    type[0] = (osp_value_type){put_text(t, S("cum")), unit};
    type[1] = (osp_value_type){put_text(t, S("flat")), unit};
    p->period_type.type = put_text(t, osp_text(t->of, t->of->period_type.type));
    p->period_type.unit = put_text(t, osp_text(t->of, t->of->period_type.unit));
    p->functions.n = 1;
    for (uint32_t i = 0; i < n; i++) {
        const osp_node *node = &t->g->node[i];
        addr[i] = node->addr;
        t->line[i] = (osp_line){put_function(t, node), (int32_t)node->column, node->line};
        cum[i] = in_unit(t, osp_mean(node->cum, node->cum_divisor));
        flat[i] = in_unit(t, osp_mean(node->flat, node->flat_divisor));
        t->numbers[i + 1] = i + 1;
    }
    value[0] = cum;
    value[1] = flat;
    p->strings.text = t->text;
    p->values.n = 2;
    p->values.type = type;
    p->samples.n = p->locations.n = n;
    p->samples.stack = (const osp_stack_id *)t->numbers;
    p->samples.labels = labels;
    p->samples.value = value;
    p->locations.first = t->numbers;
    for (uint32_t i = 0; i < n; i++)
        if (!osp_stacks_put(p, (osp_stack_id){i}, &(osp_location_id){i}, 1))
            return false;
    p->locations.addr = addr;
    p->locations.mapping = mapping;
    p->locations.line = t->line;
    p->functions.row = t->function;
    p->mappings.n = p->labelsets.n = 1;
    p->labelsets.first = no_labels;
    return !t->failed;
}

static bool print(const osp_profile *p, const osp_graph *g, const osp_shown *shown, osp_buf *text, osp_err *err)
{
    printing t = {.of = p, .g = g, .shown = shown};
    t.p.time_ns = p->time_ns;
    t.p.duration_ns = p->duration_ns;
    t.p.period = p->period;
    osp_arena_init(&t.p.arena, SIZE_MAX / 2);
    bool ok = (fill(&t) || osp_fail_memory(err, "making a profile")) && osp_write_profile(&t.p, text, err);
    osp_intern_drop(&t.functions);
    osp_arena_drop(&t.p.arena);
    return ok;
}

static bool write_topproto(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err)
{
    osp_view view;
    osp_graph graph;
    if (!osp_answer_view(p, o, false, &view, out, err))
        return false;
    const osp_graph_opts graph_opts = osp_graph_opts_of(o);
    bool ok = osp_graph_make(&view, &graph_opts, &graph, err);
    if (ok) {
        osp_shown shown = osp_shown_of(p, o);
        osp_shown_choose(&shown, &graph, view.total);
        ok = print(view.of, &graph, &shown, &out->text, err);
        osp_graph_drop(&graph);
    }
    osp_view_drop(&view);
    return ok;
}

const osp_report osp_report_topproto = {
    .name = "topproto",
    .summary = "the table of top as a profile",
    .ending = "pb.gz",
    .write = write_topproto,
};
