/* SPDX-License-Identifier: Apache-2.0 */
/* The table of `osprey ps` over made-up processes. */
#include "cli/ps_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { ROWS = 4 };
static const uint64_t SECOND = 1000000000u;

static const osp_ps_row rows[ROWS] = {
    {.process = {.pid = 5120, .nthreads = 9, .rss_bytes = 812u << 20, .start_ns = 0},
     .go = {.is_go = true, .goroutines = 48811, .has_memory = true, .memory = {640u << 20, 0, 7, 0.02}},
     .cores = 0.031,
     .more_goroutines = 31},
    {.process = {.pid = 4711, .nthreads = 6, .rss_bytes = 48u << 20, .start_ns = 38 * 86400ull * 1000000000u},
     .go = {.is_go = true, .goroutines = 11, .has_memory = true, .memory = {6u << 20, 0, 7, 0.001}},
     .cores = 1.01},
    {.process = {.pid = 4802, .nthreads = 14, .rss_bytes = 1900ull << 20, .start_ns = 3541383ull * 1000000000u},
     .go = {.is_go = true, .goroutines = -1},
     .cores = 0.372},
    {.process = {.pid = 1, .nthreads = 1, .rss_bytes = 4096, .start_ns = 1}, .go = {.goroutines = -1}},
};

static osp_ps made_up(osp_ps_row copy[ROWS])
{
    memcpy(copy, rows, sizeof rows);
    copy[0].process.name = S("mqtt-bridge");
    copy[0].go.version = S("go1.19.13");
    copy[1].process.name = S("gateway");
    copy[1].go.version = S("go1.26.8");
    copy[1].container = S("4a9f00c0ffee");
    copy[2].process.name = S("an-indexer-of-many-words");
    copy[2].go.version = S("go1.22.12");
    copy[3].process.name = S("in\033[2Jit");
    osp_ps ps = {.row = copy, .n = ROWS, .go = 3, .hidden = 214, .unreadable = 1, .opaque = 1, .seconds = 60};
    ps.now_ns = (41 * 86400ull + 3) * SECOND;
    snprintf(ps.why.msg, sizeof ps.why.msg, "cannot read maps of pid 990: run as root");
    snprintf(ps.why_opaque.msg, sizeof ps.why_opaque.msg, "cannot read memory of pid 4802: run as root");
    return ps;
}

static osp_buf table(const osp_ps *ps, size_t columns, size_t *widest)
{
    osp_cli cli = {.columns = (int)columns};
    osp_buf out = osp_buf_of(1 << 20);
    osp_ps_table(&cli, ps, columns, &out);
    assert_false(out.failed);
    *widest = 0;
    size_t line_number = 0;
    for (osp_str rest = osp_buf_str(&out); rest.n; line_number++) {
        osp_str line = osp_str_cut(&rest, '\n');
        size_t n = osp_str_columns(line);
        if (line_number <= ps->n)
            *widest = n > *widest ? n : *widest;
    }
    return out;
}

static void the_table_says_what_is_known_and_a_dash_for_the_rest(void **state)
{
    (void)state;
    static const char want[] =
        "   PID  NAME                      GO       CPU %  THREADS  GOROUTINES     RSS    HEAP  GC CPU  UPTIME  "
        "CONTAINER\n"
        "  4711  gateway                   1.26.8   101.0        6          11   48 MB  6.0 MB   0.1 %   3d00h  "
        "4a9f00c0ffee\n"
        "  4802  an-indexer-of-many-words  1.22.12   37.2       14           –  1.9 GB       –       –  17m00s\n"
        "  5120  mqtt-bridge               1.19.13    3.1        9      48 811  812 MB  640 MB   2.0 %  41d00h       "
        "         ▲ "
        "goroutines +31 in 60 s\n"
        "     1  in?[2Jit                  –          0.0        1           –  4.0 kB       –       –  41d00h\n"
        "  3 Go processes · 214 others hidden (-a) · CPU of one core over 60.0 s\n"
        "  1 not readable, perhaps Go: cannot read maps of pid 990: run as root\n"
        "  1 Go, its goroutines not known: cannot read memory of pid 4802: run as root\n";
    osp_ps_row copy[ROWS];
    osp_ps ps = made_up(copy);
    size_t widest;
    assert_true(osp_ps_sort(&ps, S("cpu")));
    osp_buf out = table(&ps, 0, &widest);
    osp_buf_byte(&out, 0);
    assert_string_equal(out.p, want);
    osp_buf_drop(&out);
}

static void it_fits_a_terminal_of_any_width(void **state)
{
    (void)state;
    for (size_t columns = 20; columns <= 120; columns += 4) {
        osp_ps_row copy[ROWS];
        osp_ps ps = made_up(copy);
        size_t widest;
        osp_buf out = table(&ps, columns, &widest);
        assert_true(widest <= columns);
        assert_true(osp_str_has(osp_buf_str(&out), S("gateway")));
        if (columns >= 80)
            assert_true(osp_str_has(osp_buf_str(&out), S("48 811")));
        osp_buf_drop(&out);
    }
}

static void rows_stand_in_the_order_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *by;
        int first, last;
    } cases[] = {
        {"cpu", 4711, 1},     {"rss", 4802, 1},     {"goroutines", 5120, 4802},
        {"threads", 4802, 1}, {"heap", 5120, 4802}, {"uptime", 5120, 4802},
        {"pid", 1, 5120},     {"name", 4802, 5120}, {"gc", 5120, 4802},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        osp_ps_row copy[ROWS];
        osp_ps ps = made_up(copy);
        assert_true(osp_ps_sort(&ps, osp_str_from(cases[i].by)));
        if (ps.row[0].process.pid != cases[i].first || ps.row[ROWS - 1].process.pid != cases[i].last)
            fail_msg("%s: %d … %d", cases[i].by, ps.row[0].process.pid, ps.row[ROWS - 1].process.pid);
    }
    osp_ps none = {0};
    assert_false(osp_ps_sort(&none, S("colour")));
    assert_true(osp_ps_sort(&none, S("container")));
}

static void texts_of_numbers_are_short(void **state)
{
    (void)state;
    char buf[64];
    static const struct {
        uint64_t v;
        const char *bytes, *age, *count;
    } cases[] = {
        {0, "0 B", "0s", "0"},
        {999, "999 B", "16m39s", "999"},
        {1000, "1.0 kB", "16m40s", "1000"},
        {10188, "9.9 kB", "2h49m", "10 188"},
        {10190, "10 kB", "2h49m", "10 190"},
        {1023000, "999 kB", "11d20h", "1 023 000"},
        {1048576000, "1000 MB", "12136d", "1048 576 000"},
        {UINT64_MAX, "16384 PB", "213503982334601d", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        osp_bytes_text(cases[i].v, buf, sizeof buf);
        if (i < 6)
            assert_string_equal(buf, cases[i].bytes);
        osp_age_text(cases[i].v, buf, sizeof buf);
        assert_string_equal(buf, cases[i].age);
        osp_count_text(cases[i].v, buf, sizeof buf);
        if (cases[i].count)
            assert_string_equal(buf, cases[i].count);
    }
}

static void a_machine_without_go_is_a_line(void **state)
{
    (void)state;
    osp_ps ps = {.hidden = 1, .seconds = 0.5};
    size_t widest;
    osp_buf out = table(&ps, 80, &widest);
    osp_buf_byte(&out, 0);
    assert_string_equal(out.p, "  no Go process · 1 other hidden (-a) · CPU of one core over 0.5 s\n");
    osp_buf_drop(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_says_what_is_known_and_a_dash_for_the_rest),
        cmocka_unit_test(it_fits_a_terminal_of_any_width),
        cmocka_unit_test(rows_stand_in_the_order_asked_for),
        cmocka_unit_test(texts_of_numbers_are_short),
        cmocka_unit_test(a_machine_without_go_is_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
