/* SPDX-License-Identifier: Apache-2.0 */
#include "draw/draw_internal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static osp_err err;

static osp_drawing laid_out(const char *dot)
{
    osp_drawing d;
    osp_arena_init(&d.arena, (size_t)1 << 30);
    err = (osp_err){0};
    if (!osp_dot_read(osp_str_from(dot), &d, &err) || !osp_lay_out(&d, &err))
        fail_msg("%s", err.msg);
    return d;
}

static const osp_box *box_named(const osp_drawing *d, const char *name)
{
    for (uint32_t i = 0; i < d->nbox; i++)
        if (osp_str_eq(d->box[i].name, osp_str_from(name)))
            return &d->box[i];
    fail_msg("no box %s", name);
    return NULL;
}

/* Boxes apart from each other, inside the picture; arrows from edge to edge of their boxes. */
static void check_sane(const osp_drawing *d)
{
    for (uint32_t i = 0; i < d->nbox; i++) {
        const osp_box *a = &d->box[i];
        assert_true(a->at.x - a->w / 2 >= 0 && a->at.x + a->w / 2 <= d->w);
        assert_true(a->at.y - a->h / 2 >= 0 && a->at.y + a->h / 2 <= d->h);
        for (uint32_t k = 0; k < i; k++) {
            const osp_box *b = &d->box[k];
            assert_true(fabs(a->at.x - b->at.x) >= (a->w + b->w) / 2 || fabs(a->at.y - b->at.y) >= (a->h + b->h) / 2);
        }
    }
    for (uint32_t i = 0; i < d->narrow; i++) {
        const osp_arrow *e = &d->arrow[i];
        const osp_box *ends[2] = {&d->box[e->from], &d->box[e->to]};
        assert_true(e->npoint >= 4 && e->npoint % 3 == 1);
        for (int k = 0; k < 2 && e->from != e->to; k++) {
            const osp_point p = e->point[k ? e->npoint - 1 : 0];
            assert_true(fabs(p.x - ends[k]->at.x) <= ends[k]->w / 2 + 0.01);
            assert_true(fabs(fabs(p.y - ends[k]->at.y) - ends[k]->h / 2) < 0.01);
        }
    }
}

static void text_loses_its_escapes(void **state)
{
    (void)state;
    osp_drawing d =
        laid_out("digraph \"a\\\"b\" { x [label=\"one\\ntwo\\l\\\\n&amp;&lt;&x\" tooltip=\"p\\nq\" fontsize=12] }");
    assert_true(osp_str_eq(d.name, S("a\"b")));
    const osp_box *x = box_named(&d, "x");
    assert_int_equal(x->label.n, 3);
    assert_true(osp_str_eq(x->label.line[0].text, S("one")) && x->label.line[0].align == 'c');
    assert_true(osp_str_eq(x->label.line[1].text, S("two")) && x->label.line[1].align == 'l');
    assert_true(osp_str_eq(x->label.line[2].text, S("\\n&<&x")));
    assert_true(osp_str_eq(x->tooltip, S("p\nq")));
    osp_arena_drop(&d.arena);
}

static void broken_graphs_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *dot, *why;
    } bad[] = {
        {"", "DOT+0x0: a name wanted"},
        {"graphic {}", "DOT+0x7: \"digraph\" wanted"},
        {"digraph {", "DOT+0x9: the graph is never closed"},
        {"digraph { a -> }", "DOT+0xf: a name wanted"},
        {"digraph { a [b] }", "DOT+0xe: \"=\" wanted"},
        {"digraph { \"a }", "DOT+0xa: the quote is never closed"},
        {"digraph { a [label=<b>] }", "DOT+0x13: a name wanted"},
        {"digraph { {{{{{{{{{ }", "DOT+0xa: a name wanted"},
        {"digraph { subgraph { subgraph { subgraph { subgraph { subgraph { subgraph { subgraph { subgraph {",
         "DOT+0x61: subgraphs too deep"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        osp_drawing d;
        osp_arena_init(&d.arena, 1 << 20);
        err = (osp_err){0};
        assert_false(osp_dot_read(osp_str_from(bad[i].dot), &d, &err));
        assert_int_equal(err.code, OSP_EFORMAT);
        assert_string_equal(err.msg, bad[i].why);
        osp_arena_drop(&d.arena);
    }
}

static void calls_lead_downwards_and_circles_back_up(void **state)
{
    (void)state;
    osp_drawing d = laid_out("digraph { a -> b -> c [label=\"x\"]; c -> b; a -> c; b -> b; c -> d [minlen=3] }");
    check_sane(&d);
    const double y[] = {box_named(&d, "a")->at.y, box_named(&d, "b")->at.y, box_named(&d, "c")->at.y,
                        box_named(&d, "d")->at.y};
    assert_true(y[0] < y[1] && y[1] < y[2] && y[2] < y[3]);
    const osp_arrow *back = &d.arrow[2];
    assert_true(back->point[0].y > back->point[back->npoint - 1].y);
    osp_arena_drop(&d.arena);
}

static void a_tree_has_no_crossings_and_is_compact(void **state)
{
    (void)state;
    osp_drawing d = laid_out("digraph { r -> b; r -> a; a -> a1; b -> b1; a -> a2; b -> b2; x -> y }");
    check_sane(&d);
    const bool a_left = box_named(&d, "a")->at.x < box_named(&d, "b")->at.x;
    assert_int_equal(a_left, box_named(&d, "a2")->at.x < box_named(&d, "b1")->at.x);
    assert_int_equal(a_left, box_named(&d, "a1")->at.x < box_named(&d, "b2")->at.x);
    assert_true(d.w < 400);
    osp_arena_drop(&d.arena);
}

static void the_legend_stands_in_the_corner(void **state)
{
    (void)state;
    osp_drawing d = laid_out("digraph { subgraph s { l [label=\"one\\ltwo\\lthree\\l\"] } a -> b; a -> c }");
    check_sane(&d);
    assert_true(box_named(&d, "l")->at.x < box_named(&d, "a")->at.x);
    osp_arena_drop(&d.arena);
}

static uint32_t next_random(uint32_t *seed) { return *seed = *seed * 1664525u + 1013904223u; }

static void random_graphs_are_sane(void **state)
{
    (void)state;
    static char dot[40000];
    for (uint32_t round = 1; round <= 30; round++) {
        uint32_t seed = round, boxes = 2 + next_random(&seed) / 65536 % 60, arrows = next_random(&seed) / 65536 % 150;
        size_t n = (size_t)snprintf(dot, sizeof dot, "digraph {");
        for (uint32_t i = 0; i < boxes; i++)
            n += (size_t)snprintf(dot + n, sizeof dot - n, "n%u [fontsize=%u label=\"%.*s\\nx\"]\n", i,
                                  8 + next_random(&seed) / 65536 % 16, (int)(next_random(&seed) / 65536 % 30),
                                  "a label of some length, or not");
        for (uint32_t i = 0; i < arrows; i++)
            n += (size_t)snprintf(dot + n, sizeof dot - n, "n%u -> n%u [label=\"%u\" weight=%u]\n",
                                  next_random(&seed) / 65536 % boxes, next_random(&seed) / 65536 % boxes, i,
                                  next_random(&seed) / 65536 % 100);
        snprintf(dot + n, sizeof dot - n, "}");
        osp_drawing d = laid_out(dot);
        check_sane(&d);
        osp_arena_drop(&d.arena);
    }
}

static void a_pdf_finds_its_objects(void **state)
{
    (void)state;
    osp_buf out = osp_buf_of(1 << 20);
    assert_true(osp_draw_plainly(S("digraph { a -> b [label=\"(x\\\\)\"] }"), "pdf", &out, &err));
    osp_buf_byte(&out, 0);
    const char *table = strstr(out.p, "startxref\n");
    assert_non_null(table);
    const char *row = out.p + strtol(table + 10, NULL, 10);
    assert_memory_equal(row, "xref\n0 6\n", 9);
    for (int i = 1; i < 6; i++) {
        char head[16];
        snprintf(head, sizeof head, "%d 0 obj\n", i);
        assert_memory_equal(out.p + strtol(row + 9 + 20 * i, NULL, 10), head, strlen(head));
    }
    assert_non_null(strstr(out.p, "(\\(x\\\\\\)) Tj"));
    osp_buf_drop(&out);
}

static void dots_need_graphviz(void **state)
{
    (void)state;
    osp_buf out = osp_buf_of(1 << 20), notes = osp_buf_of(1 << 10);
    setenv("OSPREY_NO_GRAPHVIZ", "1", 1);
    assert_false(osp_draw(S("digraph {}"), "png", &out, &notes, &err));
    assert_int_equal(err.code, OSP_EABSENT);
    assert_non_null(strstr(err.msg, "libgvc"));
    assert_true(osp_draw(S("digraph {}"), "svg", &out, &notes, &err));
    unsetenv("OSPREY_NO_GRAPHVIZ");
    osp_buf_drop(&out);
    osp_buf_drop(&notes);
}

static void a_browser_gets_the_whole_window(void **state)
{
    (void)state;
    osp_buf out = osp_buf_of(1 << 20);
    osp_svg_for_browser(
        S("<?xml?><svg width=\"5pt\" height=\"6pt\"\n viewBox=\"0 0 5 6\"><g>&lt;/svg&gt;</g></svg>\n"), &out);
    osp_buf_byte(&out, 0);
    assert_memory_equal(out.p, "<?xml?><svg width=\"100%\" height=\"100%\"\n viewBox=\"0 0 5 6\">\n<script>", 65);
    assert_non_null(strstr(out.p, "<g id=\"viewport\"><g>&lt;/svg&gt;</g></g>\n</svg>\n"));
    out.n = 0;
    osp_svg_for_browser(S("no picture"), &out);
    assert_true(osp_str_eq(osp_buf_str(&out), S("no picture")));
    osp_buf_drop(&out);
}

static void too_little_memory_is_an_error_at_every_step(void **state)
{
    (void)state;
    bool done = false;
    for (long n = 0; n < 500 && !done; n++) {
        osp_buf out = osp_buf_of(1 << 20);
        osp_arena_fail_after(n);
        done =
            osp_draw_plainly(S("digraph { a -> b [label=x tooltip=y]; b -> c; a -> c; c -> a }"), "svg", &out, &err);
        osp_arena_fail_after(-1);
        assert_true(done || err.code == OSP_ELIMIT);
        osp_buf_drop(&out);
    }
    assert_true(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_loses_its_escapes),
        cmocka_unit_test(broken_graphs_are_refused_with_their_place),
        cmocka_unit_test(calls_lead_downwards_and_circles_back_up),
        cmocka_unit_test(a_tree_has_no_crossings_and_is_compact),
        cmocka_unit_test(the_legend_stands_in_the_corner),
        cmocka_unit_test(random_graphs_are_sane),
        cmocka_unit_test(a_pdf_finds_its_objects),
        cmocka_unit_test(dots_need_graphviz),
        cmocka_unit_test(a_browser_gets_the_whole_window),
        cmocka_unit_test(too_little_memory_is_an_error_at_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
