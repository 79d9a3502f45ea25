/* SPDX-License-Identifier: Apache-2.0 */
/* callgrind: the graph by address, in the format of valgrind's callgrind, which kcachegrind reads. A name stands in
 * full once and is a number from then on; an address is written as a difference where that is shorter. */
#include "report/head.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct {
    const osp_graph *g;
    const osp_shown *shown;
    bool in_tree; /* functions of one name are told apart by their callers, too */
    osp_intern objects, files, functions;
    osp_arena arena;
    const osp_str *callee; /* per node: its name, told from others of that name */
    osp_buf *text;
} printing;

/* ---- names ---------------------------------------------------------------------------------------------------- */

static osp_str numbered(osp_arena *a, osp_str name, uint32_t i, uint32_t n)
{
    char suffix[32];
    const size_t size = (size_t)snprintf(suffix, sizeof suffix, " [%u/%u]", i, n);
    char *text = osp_new(a, char, name.n + size);
    if (!text)
        return (osp_str){0};
    if (name.n)
        memcpy(text, name.p, name.n);
    memcpy(text + name.n, suffix, size);
    return (osp_str){text, name.n + size};
}

static uint32_t key_id(osp_arena *a, osp_intern *set, osp_function_key key, bool *fresh)
{
    osp_function_key *copy = osp_new(a, osp_function_key, 1);
    if (!copy)
        return UINT32_MAX;
    *copy = key;
    return osp_intern_put(set, (osp_str){(const char *)copy, sizeof *copy}, fresh);
}

/* Callgrind takes functions of one name and file for one. Those that are several to us get " [2/3]". */
static bool tell_apart(printing *t, const osp_edge_list *in)
{
    osp_arena *a = &t->arena;
    const uint32_t n = t->g->nnode;
    osp_intern names = {0}, functions = {0};
    uint32_t *name = osp_new(a, uint32_t, n), *function = osp_new(a, uint32_t, n);
    uint32_t *several = osp_new(a, uint32_t, n), *number = osp_new(a, uint32_t, n);
    osp_str *callee = osp_new(a, osp_str, n + t->g->nghost); /* one that is no node has no name */
    bool ok = name && function && several && number && callee;
    for (uint32_t i = 0; ok && i < n; i++) {
        const osp_node *node = &t->g->node[i];
        const uint32_t caller = t->in_tree && in->first[i] < in->first[i + 1] ? in->list[in->first[i]] : UINT32_MAX;
        const osp_function_key key = {
            .name = node->name,
            .file = node->file,
            .object = node->object,
            .start_line = node->start_line,
            .column =
                node->addr || node->line ? 0 : node->column, /* to the peer such a node is a function of its own */
            .caller = caller == UINT32_MAX ? 0 : (uint64_t)t->g->edge[caller].from + 1,
        };
        bool fresh;
        name[i] = key_id(a, &names, (osp_function_key){.name = node->name, .file = node->file}, &fresh);
        function[i] = key_id(a, &functions, key, &fresh);
        ok = name[i] != UINT32_MAX && function[i] != UINT32_MAX;
        if (ok && fresh)
            number[function[i]] = ++several[name[i]];
    }
    for (uint32_t i = 0; ok && i < n; i++) {
        const uint32_t all = several[name[i]];
        callee[i] = t->g->node[i].name;
        if (all > 1)
            callee[i] = numbered(a, callee[i], number[function[i]], all);
        ok = all == 1 || callee[i].p;
    }
    osp_intern_drop(&names);
    osp_intern_drop(&functions);
    t->callee = callee;
    return ok;
}

static void put_name(printing *t, osp_intern *seen, const char *what, osp_str name)
{
    osp_buf_add(t->text, osp_str_from(what));
    if (name.n) {
        bool fresh;
        const uint32_t id = osp_intern_put(seen, name, &fresh);
        t->text->failed |= id == UINT32_MAX;
        osp_buf_fmt(t->text, "(%u)", id + 1);
        if (fresh) {
            osp_buf_byte(t->text, ' ');
            osp_buf_add(t->text, name);
        }
    }
    osp_buf_byte(t->text, '\n');
}

/* ---- nodes and calls ------------------------------------------------------------------------------------------ */

static void put_addr(printing *t, const osp_node *before, uint64_t addr)
{
    char whole[24], relative[24];
    snprintf(whole, sizeof whole, "0x%" PRIx64, addr);
    if (!before) {
        osp_buf_fmt(t->text, "%s", whole);
    } else if (before->addr == addr) {
        osp_buf_byte(t->text, '*');
    } else {
        snprintf(relative, sizeof relative, "%+" PRId64, (int64_t)(addr - before->addr));
        osp_buf_fmt(t->text, "%s", strlen(relative) < strlen(whole) ? relative : whole);
    }
}

static int64_t in_unit(const printing *t, int64_t value)
{
    osp_str unit;
    return osp_int_of(osp_scale(value, t->shown->from, t->shown->to, &unit));
}

static void calls(printing *t, const osp_edge_list *out, uint32_t node, const osp_node *before)
{
    for (uint32_t i = out->first[node]; i < out->first[node + 1]; i++) {
        const osp_edge *e = &t->g->edge[out->list[i]];
        const osp_node *to = &t->g->node[e->to];
        put_name(t, &t->files, "cfl=", to->file);
        put_name(t, &t->functions, "cfn=", t->callee[e->to]);
        osp_buf_add(t->text, S("calls=0 ")); /* how often is not known */
        put_addr(t, before, to->addr);
        osp_buf_fmt(t->text, " %" PRId64 "\n* * %" PRId64 "\n", to->line, in_unit(t, e->weight));
    }
}

static bool same_place(const osp_node *a, const osp_node *b)
{
    return osp_str_eq(a->object, b->object) && osp_str_eq(a->file, b->file) && osp_str_eq(a->name, b->name);
}

static bool print(printing *t, osp_graph *g, osp_err *err)
{
    osp_edge_list in, out;
    if (!osp_graph_edges_in(g, &in, err) || !osp_graph_edges_out(g, &out, err))
        return false;
    if (!tell_apart(t, &in))
        return osp_fail_memory(err, "naming functions");
    const osp_node *before = NULL;
    for (uint32_t i = 0; i < g->nnode; i++) {
        const osp_node *n = &g->node[i];
        if (!before || !same_place(before, n)) {
            osp_buf_byte(t->text, '\n');
            put_name(t, &t->objects, "ob=", n->object);
            put_name(t, &t->files, "fl=", n->file);
            put_name(t, &t->functions, "fn=", n->name);
        }
        put_addr(t, before, n->addr);
        osp_buf_fmt(t->text, " %" PRId64 " %" PRId64 "\n", n->line, in_unit(t, osp_mean(n->flat, n->flat_divisor)));
        calls(t, &out, i, before);
        before = n;
    }
    return true;
}

static bool write_callgrind(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err)
{
    osp_view view;
    osp_graph graph;
    if (!osp_answer_view(p, o, false, &view, out, err))
        return false;
    osp_graph_opts graph_opts = osp_graph_opts_of(o);
    graph_opts.objects = true;
    graph_opts.call_tree = o->call_tree;
    bool ok = osp_graph_make(&view, &graph_opts, &graph, err);
    if (ok) {
        osp_shown shown = osp_shown_of(p, o);
        shown.whole = true;
        osp_shown_choose(&shown, &graph, view.total);
        osp_buf_fmt(&out->text, "positions: instr line\nevents: %s%.*s(%.*s)\n", o->query.mean ? "mean_" : "",
                    STRF(osp_text(p, p->values.type[o->query.value].type)), STRF(shown.to));
        printing t = {.g = &graph, .shown = &shown, .in_tree = o->call_tree, .text = &out->text};
        osp_arena_init(&t.arena, SIZE_MAX / 2);
        ok = print(&t, &graph, err);
        osp_intern_drop(&t.objects);
        osp_intern_drop(&t.files);
        osp_intern_drop(&t.functions);
        osp_arena_drop(&t.arena);
        osp_graph_drop(&graph);
    }
    osp_view_drop(&view);
    return ok;
}

const osp_report osp_report_callgrind = {
    .name = "callgrind",
    .summary = "the call graph by address, for kcachegrind",
    .ending = "callgraph.out",
    .untrimmed = true,
    .own_granularity = true,
    .granularity = OSP_BY_ADDRESS,
    .write = write_callgrind,
};
