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
    assert_true(osp_view_make(p, &(osp_query){.rows = true}, &v, &err));
    assert_true(osp_graph_make(&v, o, &g, &err));
    for (uint32_t i = 0; i < g.nnode; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%.*s %lld/%lld(%u,%u) ", STRF(g.node[i].label),
                              (long long)g.node[i].flat, (long long)g.node[i].cum, g.node[i].in_called,
                              g.node[i].in_inlined);
    for (uint32_t i = 0; i < g.nedge; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%.*s>%.*s %lld%s%s ", STRF(g.node[g.edge[i].from].name),
                              STRF(g.node[g.edge[i].to].name), (long long)g.edge[i].weight,
                              g.edge[i].residual ? "~" : "", g.edge[i].inlined ? "^" : "");
    for (size_t i = 0; i < g.ntag; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%.*s:[%.*s][%.*s] %lld/%lld ",
                              STRF(g.node[g.tag[i].node].name), STRF(g.tag[i].label), STRF(g.tag[i].name),
                              (long long)g.tag[i].flat, (long long)g.tag[i].cum);
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
    assert_string_equal(graph_of(&(osp_graph_opts){0}), "a 5/0(1,0) b -5/-5(1,0) main>a 0 a>b -5 -0-0/2");
    start();
    add("main a", 5);
    add("main b", -3);
    assert_string_equal(graph_of(&(osp_graph_opts){.drop_negative = true}),
                        "a 5/5(1,0) main 0/2(0,0) main>a 5 main>b -3 -0-0/2");
}

/* A picture sorts by entropy: a only passes on what it gets. */
static void residual_edges_go_where_another_path_leads(void **state)
{
    (void)state;
    start();
    add("main a b", 50);
    add("main x b", 4);
    assert_string_equal(graph_of(&(osp_graph_opts){.visual = true, .node_fraction = 0.1}),
                        "b 54/54(1,0) main 0/54(0,0) a 0/50(1,0) main>a 50 a>b 50 -1-0/3");
    start();
    add("main a", 50);
    add("main x b", 40);
    add("main x", 1);
    assert_string_equal(graph_of(&(osp_graph_opts){.visual = true, .node_count = 3}),
                        "main 0/91(0,0) a 50/50(1,0) b 40/40(1,0) main>a 50 main>b 40~ -0-0/4");
}

static void a_call_tree_has_a_node_for_each_path(void **state)
{
    (void)state;
    start();
    add("main a leaf", 5);
    add("main b leaf", 3);
    add("main b leaf leaf", 2);
    assert_string_equal(graph_of(&(osp_graph_opts){.visual = true, .call_tree = true}),
                        "main 0/10(0,0) leaf 5/5(1,0) leaf 3/5(1,0) leaf 2/2(1,0) a 0/5(1,0) b 0/5(1,0) "
                        "main>a 5 a>leaf 5 main>b 5 b>leaf 5 leaf>leaf 2 -0-0/6");
    start();
    add("main a leaf", 50);
    add("main b leaf", 3);
    add("root b leaf", 40);
    assert_string_equal(graph_of(&(osp_graph_opts){.visual = true, .call_tree = true, .node_count = 3}),
                        "leaf 40/40(0,0) leaf 50/50(1,0) main 0/53(0,0) main>leaf 50~ -0-0/8");
}

static void label(osp_label *l, const char *key, const char *text, int64_t number)
{
    *l = (osp_label){.key = osp_builder_string(builder, osp_str_from(key)), .num = number};
    if (text)
        l->str = osp_builder_string(builder, osp_str_from(text));
}

/* A sample of main>leaf with two labels. */
static void add_labelled(const char *text, int64_t bytes, int64_t value)
{
    osp_location_id loc[2] = {at("leaf"), at("main")};
    osp_label l[4];
    label(&l[0], "who", text, 0);
    label(&l[1], "bytes", NULL, bytes);
    label(&l[2], "day", "1", 0);
    label(&l[3], "size", NULL, 7);
    osp_labelset_id set = osp_builder_labels(builder, l, 4);
    osp_builder_sample(builder, osp_builder_stack(builder, loc, 2), set, &value, 0);
}

static void tags_are_texts_together_and_numbers_that_look_alike(void **state)
{
    (void)state;
    start();
    add_labelled("x", 4000, 5);
    add_labelled("x", 4001, 6);
    add_labelled("y", 9000, 7);
    assert_string_equal(graph_of(&(osp_graph_opts){.visual = true, .tag_unit = S("kB")}),
                        "leaf 18/18(1,0) main 0/18(0,0) main>leaf 18 "
                        "leaf:[day:1\\nwho:x][] 11/11 leaf:[day:1\\nwho:y][] 7/7 "
                        "leaf:[day:1\\nwho:x][3.91kB] 11/11 leaf:[day:1\\nwho:y][8.79kB] 7/7 "
                        "main:[day:1\\nwho:x][] 0/11 main:[day:1\\nwho:y][] 0/7 "
                        "main:[day:1\\nwho:x][3.91kB] 0/11 main:[day:1\\nwho:y][8.79kB] 0/7 -0-0/2");
    start();
    add_labelled("x", 4000, 5);
    add_labelled("y", 9000, 700);
    /* a place for the leaf and its four tags are more than three places: no room for main */
    assert_string_equal(
        graph_of(&(osp_graph_opts){.visual = true, .tag_unit = S("kB"), .node_count = 3, .node_fraction = 0.1}),
        "leaf 705/705(0,0) leaf:[day:1\\nwho:y][] 700/700 leaf:[day:1\\nwho:y][8.79kB] 700/700 -0-0/2");
}

static const char *names_of(const osp_graph *g, const osp_edge_list *l, uint32_t node, bool from)
{
    static char text[200];
    size_t n = 0;
    text[0] = 0;
    for (uint32_t i = l->first[node]; i < l->first[node + 1]; i++) {
        const osp_edge *e = &g->edge[l->list[i]];
        n += (size_t)snprintf(text + n, sizeof text - n, "%.*s ", STRF(g->node[from ? e->from : e->to].name));
    }
    return text;
}

static void edges_are_sorted_by_weight_then_by_name(void **state)
{
    (void)state;
    start();
    add("main z leaf", 5);
    add("main b leaf", 5);
    add("main a leaf", -9);
    add("leaf main", 1);
    osp_profile *p = osp_builder_finish(builder, &err);
    osp_view v;
    osp_graph g;
    osp_edge_list in, out;
    assert_true(osp_view_make(p, &(osp_query){0}, &v, &err));
    assert_true(osp_graph_make(&v, &(osp_graph_opts){0}, &g, &err));
    assert_true(osp_graph_edges_in(&g, &in, &err) && osp_graph_edges_out(&g, &out, &err));
    for (uint32_t i = 0; i < g.nnode; i++)
        if (osp_str_eq(g.node[i].name, S("leaf"))) {
            assert_string_equal(names_of(&g, &in, i, true), "a b z ");
            assert_string_equal(names_of(&g, &out, i, false), "main ");
        } else if (osp_str_eq(g.node[i].name, S("main"))) {
            assert_string_equal(names_of(&g, &in, i, true), "leaf ");
            assert_string_equal(names_of(&g, &out, i, false), "a b z ");
        }
    osp_graph_drop(&g);
    osp_view_drop(&v);
    osp_profile_drop(p);
}

static void frames_are_called_as_their_nodes(void **state)
{
    (void)state;
    start();
    add("main leaf<work", 5);
    osp_profile *p = osp_builder_finish(builder, &err);
    osp_view v;
    osp_frame_labels labels;
    osp_arena arena;
    osp_arena_init(&arena, SIZE_MAX / 2);
    assert_true(osp_view_make(p, &(osp_query){0}, &v, &err));
    assert_true(osp_frame_labels_make(&v, &(osp_graph_opts){.granularity = OSP_BY_LINE}, &arena, &labels, &err));
    const uint32_t leaf = labels.first[osp_view_stack(&v, 0).loc[0].i];
    assert_true(osp_str_eq(labels.label[leaf], S("leaf x.go:1")));
    assert_true(osp_str_eq(labels.label[leaf + 1], S("work x.go:1")));
    assert_int_equal(labels.first[osp_view_stack(&v, 0).loc[0].i + 1], leaf + 2);
    osp_arena_drop(&arena);
    osp_view_drop(&v);
    osp_profile_drop(p);
}

static void edges_can_be_asked_for_around_some_nodes(void **state)
{
    (void)state;
    osp_regex *about = osp_regex_new("^g", 2, NULL, 0);
    assert_non_null(about);
    start();
    add("main f g h", 3);
    add("main h k", 4);
    assert_string_equal(graph_of(&(osp_graph_opts){.edges_of = about}),
                        "k 4/4(0,0) h 3/7(1,0) f 0/3(0,0) g 0/3(1,0) main 0/7(0,0) f>g 3 g>h 3 -0-0/5");
    osp_regex_drop(about);
}

static void too_little_memory_is_an_error_at_every_step(void **state)
{
    (void)state;
    start();
    add("main f g f g", 10);
    add("main g", 9);
    add_labelled("x", 4000, 20);
    osp_profile *p = osp_builder_finish(builder, &err);
    osp_view v;
    assert_true(osp_view_make(p, &(osp_query){.rows = true}, &v, &err));
    const osp_graph_opts kind[] = {
        {.granularity = OSP_BY_LINE},
        {.visual = true, .tag_unit = S("kB"), .node_count = 2},
        {.visual = true, .tag_unit = S("kB"), .node_count = 3, .call_tree = true},
    };
    for (size_t k = 0; k < sizeof kind / sizeof *kind; k++) {
        bool done = false;
        for (long n = 0; n < 300 && !done; n++) {
            osp_graph g;
            osp_arena_fail_after(n);
            done = osp_graph_make(&v, &kind[k], &g, &err);
            osp_arena_fail_after(-1);
            if (done)
                osp_graph_drop(&g);
            else
                assert_int_equal(err.code, OSP_ELIMIT);
        }
        assert_true(done);
    }
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
        cmocka_unit_test(residual_edges_go_where_another_path_leads),
        cmocka_unit_test(a_call_tree_has_a_node_for_each_path),
        cmocka_unit_test(tags_are_texts_together_and_numbers_that_look_alike),
        cmocka_unit_test(edges_are_sorted_by_weight_then_by_name),
        cmocka_unit_test(frames_are_called_as_their_nodes),
        cmocka_unit_test(edges_can_be_asked_for_around_some_nodes),
        cmocka_unit_test(too_little_memory_is_an_error_at_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
