/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static osp_builder *builder;
static osp_err err;

/* A location whose frames are given innermost first: "leaf<caller" means leaf was inlined into caller. */
static osp_location_id at(const char *frames)
{
    osp_line line[4];
    size_t n = 0;
    for (osp_str rest = osp_str_from(frames); rest.n; n++) {
        osp_str name = osp_str_cut(&rest, '<');
        line[n] = (osp_line){osp_builder_function(builder, name, name, S("x.go"), 0), 0, 1};
    }
    return osp_builder_location(builder, (osp_mapping_id){0}, 0, line, n);
}

/* stack: root first, blanks between */
static void add(const char *stack, int64_t value)
{
    osp_location_id loc[8];
    size_t n = 0;
    char word[64];
    for (osp_str rest = osp_str_from(stack); rest.n; n++)
        loc[7 - n] = at(osp_str_z(osp_str_cut(&rest, ' '), word, sizeof word));
    osp_builder_sample(builder, osp_builder_stack(builder, loc + 8 - n, n), (osp_labelset_id){0}, &value, 0);
}

static void start(void)
{
    builder = osp_builder_new(1 << 20, &err);
    osp_builder_value(builder, S("cpu"), S("count"));
}

/* "name flat/cum(in_called,in_inlined)" of each node, then "caller>callee weight" with ~ (residual) and ^ (inlined). */
static const char *graph_of(const osp_graph_opts *o)
{
    static char text[2000];
    size_t n = 0;
    osp_profile *p = osp_builder_finish(builder, &err);
    osp_view v;
    osp_graph g;
    assert_non_null(p);
    assert_true(osp_view_make(p, &(osp_query){0}, &v, &err));
    assert_true(osp_graph_make(&v, o, &g, &err));
    for (uint32_t i = 0; i < g.nnode; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%.*s %lld/%lld(%u,%u) ", STRF(g.node[i].label),
                              (long long)g.node[i].flat, (long long)g.node[i].cum, g.node[i].in_called,
                              g.node[i].in_inlined);
    for (uint32_t i = 0; i < g.nedge; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%.*s>%.*s %lld%s%s ", STRF(g.node[g.edge[i].from].name),
                              STRF(g.node[g.edge[i].to].name), (long long)g.edge[i].weight,
                              g.edge[i].residual ? "~" : "", g.edge[i].inlined ? "^" : "");
    snprintf(text + n, sizeof text - n, "-%u-%u/%u", g.dropped_nodes, g.dropped_edges, g.norig);
    osp_graph_drop(&g);
    osp_view_drop(&v);
    osp_profile_drop(p);
    return text;
}

static void recursion_counts_a_sample_once(void **state)
{
    (void)state;
    start();
    add("main f g f g", 10);
    add("main f f", 1);
    assert_string_equal(graph_of(&(osp_graph_opts){0}),
                        "g 10/10(1,0) f 1/11(2,0) main 0/11(0,0) main>f 11 f>g 10 g>f 10 -0-0/3");
}

static void inlined_calls_are_marked_until_one_is_not(void **state)
{
    (void)state;
    start();
    add("main leaf<work", 5);
    assert_string_equal(graph_of(&(osp_graph_opts){0}),
                        "leaf 5/5(0,1) main 0/5(0,0) work 0/5(1,0) main>work 5 work>leaf 5^ -0-0/3");
    start();
    add("main leaf<work", 5);
    add("main work leaf", 2);
    assert_string_equal(graph_of(&(osp_graph_opts){.by_cum = true}),
                        "leaf 7/7(1,0) main 0/7(0,0) work 0/7(1,0) main>work 7 work>leaf 7 -0-0/3");
}

static void small_nodes_go_and_edges_over_them_are_residual(void **state)
{
    (void)state;
    start();
    add("main mid leaf", 2);
    add("main leaf", 98);
    add("main mid", 1);
    assert_string_equal(graph_of(&(osp_graph_opts){.node_fraction = 0.05}),
                        "leaf 100/100(1,0) main 0/101(0,0) main>leaf 100~ -1-0/2");
    start();
    add("main a", 50);
    add("main b a", 49);
    assert_string_equal(graph_of(&(osp_graph_opts){.by_cum = true, .edge_fraction = 0.5, .node_count = 2}),
                        "a 99/99(1,0) main 0/99(0,0) main>a 99~ -0-0/3");
    start();
    add("main a", 50);
    add("main b a", 4);
    assert_string_equal(graph_of(&(osp_graph_opts){.edge_fraction = 0.5}),
                        "a 54/54(1,0) b 0/4(0,0) main 0/54(0,0) main>a 50 -0-2/3");
}

static void what_adds_up_to_nothing_is_no_node(void **state)
{
    (void)state;
    start();
    add("main a", 5);
    add("main a b", -5);
    assert_string_equal(graph_of(&(osp_graph_opts){0}), "a 5/0(1,0) b -5/-5(1,0) a>b -5 -0-0/2");
    start();
    add("main a", 5);
    add("main b", -3);
    assert_string_equal(graph_of(&(osp_graph_opts){.drop_negative = true}),
                        "a 5/5(1,0) main 0/2(0,0) main>a 5 -0-0/2");
}

static void too_little_memory_is_an_error_at_every_step(void **state)
{
    (void)state;
    start();
    add("main f g f g", 10);
    osp_profile *p = osp_builder_finish(builder, &err);
    osp_view v;
    assert_true(osp_view_make(p, &(osp_query){0}, &v, &err));
    bool done = false;
    for (long n = 0; n < 100 && !done; n++) {
        osp_graph g;
        osp_arena_fail_after(n);
        done = osp_graph_make(&v, &(osp_graph_opts){.granularity = OSP_BY_LINE}, &g, &err);
        osp_arena_fail_after(-1);
        if (done)
            osp_graph_drop(&g);
        else
            assert_int_equal(err.code, OSP_ELIMIT);
    }
    assert_true(done);
    osp_view_drop(&v);
    osp_profile_drop(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recursion_counts_a_sample_once),
        cmocka_unit_test(inlined_calls_are_marked_until_one_is_not),
        cmocka_unit_test(small_nodes_go_and_edges_over_them_are_residual),
        cmocka_unit_test(what_adds_up_to_nothing_is_no_node),
        cmocka_unit_test(too_little_memory_is_an_error_at_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
