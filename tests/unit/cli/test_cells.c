/* SPDX-License-Identifier: Apache-2.0 */
/* What is drawn, read back by a terminal of a few lines: after any picture it shows that picture, whatever it showed before,
 * and little is sent where little changed. */
#include "cli/cells.h"
#include "cli/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

static const osp_palette full = {.colour = true, .utf8 = true};

/* ---- a terminal -------------------------------------------------------------------------------------------------- */

typedef struct {
    osp_grid g;
    int x, y;
    osp_style style;
} terminal;

static void set_style(terminal *t, const unsigned *n, size_t count)
{
    static const uint8_t hue[] = {
        [1] = OSP_RED, [2] = OSP_GREEN, [3] = OSP_YELLOW, [4] = OSP_BLUE, [5] = OSP_MAGENTA, [6] = OSP_CYAN};
    for (size_t i = 0; i < count; i++) {
        if (n[i] == 0)
            t->style = (osp_style){0};
        else if (n[i] == 1)
            t->style.look |= OSP_STYLE_BOLD;
        else if (n[i] == 2)
            t->style.look |= OSP_STYLE_DIM;
        else if (n[i] == 7)
            t->style.look |= OSP_STYLE_REVERSE;
        else if (n[i] > 30 && n[i] < 37)
            t->style.colour = hue[n[i] - 30];
        else
            fail_msg("SGR %u", n[i]);
    }
}

/* One sequence behind ESC [; its length. */
static size_t sequence(terminal *t, osp_str s)
{
    unsigned n[8] = {0};
    size_t count = 1, i = 0;
    for (; i < s.n && (osp_is_digit(s.p[i]) || s.p[i] == ';'); i++) {
        if (s.p[i] == ';')
            count++;
        else
            n[count - 1] = n[count - 1] * 10 + (unsigned)(s.p[i] - '0');
        assert_true(count <= 8);
    }
    assert_true(i < s.n);
    switch (s.p[i]) {
    case 'H':
        t->y = n[0] ? (int)n[0] - 1 : 0;
        t->x = n[1] ? (int)n[1] - 1 : 0;
        break;
    case 'J':
        assert_int_equal(n[0], 2);
        osp_grid_clear(&t->g);
        break;
    case 'K':
        for (int x = t->x; x < t->g.columns; x++)
            t->g.cell[t->y * t->g.columns + x] = (osp_cell){' ', t->style};
        break;
    case 'm':
        set_style(t, n, count);
        break;
    default:
        fail_msg("ESC [ %c", s.p[i]);
    }
    return i + 1;
}

static void feed(terminal *t, osp_str s)
{
    while (s.n) {
        if (s.p[0] == '\033') {
            assert_true(s.n > 2 && s.p[1] == '[');
            s = osp_str_skip(s, 2);
            s = osp_str_skip(s, sequence(t, s));
            continue;
        }
        size_t n = osp_str_utf8(s);
        assert_true(n > 0 && (uint8_t)s.p[0] >= 0x20);
        t->x += osp_grid_put(&t->g, t->x, t->y, t->g.columns - t->x, t->style, osp_str_head(s, n));
        s = osp_str_skip(s, n);
    }
}

static void shows(const terminal *t, const osp_grid *g)
{
    for (int i = 0; i < g->columns * g->rows; i++)
        if (t->g.cell[i].ch != g->cell[i].ch || t->g.cell[i].style.colour != g->cell[i].style.colour ||
            t->g.cell[i].style.look != g->cell[i].style.look)
            fail_msg("cell %d, %d: U+%04x, not U+%04x", i % g->columns, i / g->columns, t->g.cell[i].ch,
                     g->cell[i].ch);
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static osp_style some_style(unsigned r)
{
    static const osp_style styles[] = {
        {0}, {0}, {0, OSP_STYLE_BOLD}, {OSP_GREEN, 0}, {OSP_CYAN, OSP_STYLE_REVERSE}, {0, OSP_STYLE_DIM}};
    return styles[r % 6];
}

static void change(osp_grid *g, unsigned *seed)
{
    static const char *const words[] = {"a",    "   ", "main.hot", "…", "漢字", "Größe", "                ",
                                        "12.5", "€"};
    for (int k = rand_r(seed) % 12; k >= 0; k--)
        osp_grid_put(g, rand_r(seed) % g->columns, rand_r(seed) % g->rows, g->columns,
                     some_style((unsigned)rand_r(seed)), osp_str_from(words[rand_r(seed) % 9]));
    /* half of a wide character is no picture */
    for (int i = 0; i < g->columns * g->rows; i++) {
        bool wide = g->cell[i].ch == 0x6f22 || g->cell[i].ch == 0x5b57,
             tail = i + 1 < g->columns * g->rows && g->cell[i + 1].ch == 0 && (i + 1) % g->columns != 0;
        if (wide && !tail)
            g->cell[i].ch = 'x';
        if (g->cell[i].ch == 0 &&
            (i % g->columns == 0 || (g->cell[i - 1].ch != 0x6f22 && g->cell[i - 1].ch != 0x5b57)))
            g->cell[i].ch = 'y';
        if (g->cell[i].ch == 0)
            g->cell[i].style = g->cell[i - 1].style;
    }
}

static void any_picture_follows_on_any_other(void **state)
{
    (void)state;
    unsigned seed = 7;
    for (int round = 0; round < 200; round++) {
        osp_grid was = {0}, now = {0};
        terminal t = {0};
        int columns = 1 + rand_r(&seed) % 30, rows = 1 + rand_r(&seed) % 6;
        assert_true(osp_grid_size(&was, columns, rows) && osp_grid_size(&now, columns, rows) &&
                    osp_grid_size(&t.g, columns, rows));
        change(&t.g, &seed); /* whatever was there before us */
        for (int step = 0; step < 10; step++) {
            change(&now, &seed);
            osp_buf out = osp_buf_of(1 << 20);
            osp_grid_draw(step ? &was : NULL, &now, full, &out);
            feed(&t, osp_buf_str(&out));
            shows(&t, &now);
            assert_int_equal(t.style.look | t.style.colour, 0);
            memcpy(was.cell, now.cell, (size_t)columns * (size_t)rows * sizeof *now.cell);
            osp_buf_drop(&out);
        }
        osp_grid_drop(&was);
        osp_grid_drop(&now);
        osp_grid_drop(&t.g);
    }
}

static void little_is_sent_where_little_changed(void **state)
{
    (void)state;
    osp_grid was = {0}, now = {0};
    assert_true(osp_grid_size(&was, 80, 24) && osp_grid_size(&now, 80, 24));
    for (int y = 0; y < 24; y++) {
        osp_grid_put(&was, 0, y, 80, (osp_style){0},
                     S("    94.0     94.0 main.(*Session).Transcode              session.go  Go"));
        osp_grid_put(&now, 0, y, 80, (osp_style){0},
                     S("    94.0     94.0 main.(*Session).Transcode              session.go  Go"));
    }
    osp_buf out = osp_buf_of(1 << 20);
    osp_grid_draw(&was, &now, full, &out);
    assert_int_equal(out.n, 0);
    osp_grid_put(&now, 4, 7, 80, (osp_style){0}, S("93.9"));
    osp_grid_draw(&was, &now, full, &out);
    print_message("# a number that changed: %zu bytes\n", out.n);
    assert_true(out.n <= 20);
    out.n = 0;
    osp_grid_clear(&now);
    osp_grid_draw(&was, &now, full, &out);
    print_message("# a screen that is wiped: %zu bytes\n", out.n);
    assert_true(out.n <= 24 * 10);
    osp_buf_drop(&out);
    osp_grid_drop(&was);
    osp_grid_drop(&now);
}

static void text_is_cut_at_its_width_and_cannot_speak_to_the_terminal(void **state)
{
    (void)state;
    osp_grid g = {0};
    assert_true(osp_grid_size(&g, 10, 3));
    assert_int_equal(osp_grid_put(&g, 0, 0, 4, (osp_style){0}, S("abcdef")), 4);
    assert_int_equal(osp_grid_put(&g, 6, 0, 10, (osp_style){0}, S("漢字漢")), 4);
    assert_int_equal(osp_grid_put(&g, 0, 1, 10, (osp_style){0}, S("a\033[2J\x80\xc2\x9b\x7f")), 8);
    assert_int_equal(osp_grid_put(&g, 0, 2, 10, (osp_style){0}, S("e\xcc\x81\xe2\x80\xae!")),
                     2); /* marks, direction */
    osp_grid_put(&g, 0, 9, 10, (osp_style){0}, S("outside"));
    osp_grid_put(&g, -3, 1, 2, (osp_style){0}, S("outside"));
    osp_buf out = osp_buf_of(4096);
    osp_grid_text(&g, &out);
    osp_buf_byte(&out, 0);
    assert_string_equal(out.p, "abcd  漢字\na?[2J???\ne!\n");
    osp_buf_drop(&out);
    osp_grid_drop(&g);
    assert_int_equal(osp_columns_of(S("漢字ab")), 6);
}

static void without_colour_or_utf8_nothing_else_is_sent(void **state)
{
    (void)state;
    osp_grid g = {0};
    assert_true(osp_grid_size(&g, 20, 1));
    osp_grid_put(&g, 0, 0, 20, (osp_style){OSP_RED, OSP_STYLE_BOLD | OSP_STYLE_DIM}, S("…/x · ▲ → 漢 é"));
    osp_buf out = osp_buf_of(4096);
    osp_grid_draw(NULL, &g, (osp_palette){0}, &out);
    osp_buf_byte(&out, 0);
    assert_string_equal(out.p, "\033[0m\033[2J\033[1H\033[0;1m~/x . ^ > ?? ?\033[0m");
    osp_buf_drop(&out);
    osp_grid_drop(&g);
}

static void keys_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        bool final;
        size_t used;
        uint32_t key;
    } cases[] = {
        {"q", 1, false, 1, 'q'},
        {"\r", 1, false, 1, OSP_KEY_ENTER},
        {"\n", 1, false, 1, OSP_KEY_ENTER},
        {"\x08", 1, false, 1, OSP_KEY_BACKSPACE},
        {"\x7f", 1, false, 1, OSP_KEY_BACKSPACE},
        {"\x03", 1, false, 1, OSP_CTRL('c')},
        {"\033[A", 3, false, 3, OSP_KEY_UP},
        {"\033[Bx", 4, false, 3, OSP_KEY_DOWN},
        {"\033OC", 3, false, 3, OSP_KEY_RIGHT},
        {"\033[1;5D", 6, false, 6, OSP_KEY_LEFT},
        {"\033[5~", 4, false, 4, OSP_KEY_PAGE_UP},
        {"\033[6;2~", 6, false, 6, OSP_KEY_PAGE_DOWN},
        {"\033[7~", 4, false, 4, OSP_KEY_HOME},
        {"\033[F", 3, false, 3, OSP_KEY_END},
        {"\033[[A", 4, false, 4, OSP_KEY_OTHER}, /* F1 of the console */
        {"\033[200~", 6, false, 6, OSP_KEY_OTHER},
        {"\033", 1, false, 0, OSP_KEY_NONE},
        {"\033", 1, true, 1, OSP_KEY_ESC},
        {"\033[", 2, false, 0, OSP_KEY_NONE},
        {"\033[1;", 4, false, 0, OSP_KEY_NONE},
        {"\033[1;", 4, true, 4, OSP_KEY_OTHER},
        {"\033q", 2, false, 1, OSP_KEY_ESC},
        {"\033\033", 2, false, 1, OSP_KEY_ESC},
        {"\xc3\xa9", 2, false, 2, 0xe9},
        {"\xe2\x82\xac", 3, false, 3, 0x20ac},
        {"\xe2\x82", 2, false, 0, OSP_KEY_OTHER},
        {"\xe2\x82", 2, true, 1, OSP_KEY_OTHER},
        {"\xff", 1, true, 1, OSP_KEY_OTHER},
        {"", 0, true, 0, OSP_KEY_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t key;
        size_t used = osp_key_decode((osp_str){cases[i].bytes, cases[i].n}, cases[i].final, &key);
        if (used != cases[i].used || (used && key != cases[i].key))
            fail_msg("case %zu: %zu bytes, key %x", i, used, key);
    }
}

/* Whatever comes, it is eaten and nothing waits for ever. */
static void keys_of_any_bytes_are_eaten(void **state)
{
    (void)state;
    unsigned seed = 3;
    for (int round = 0; round < 20000; round++) {
        char bytes[40];
        size_t n = (size_t)rand_r(&seed) % sizeof bytes, at = 0;
        for (size_t i = 0; i < n; i++)
            bytes[i] = rand_r(&seed) % 3 ? "\033[O;1~A\xe2"[rand_r(&seed) % 9] : (char)rand_r(&seed);
        while (at < n) {
            uint32_t key;
            size_t used = osp_key_decode((osp_str){bytes + at, n - at}, true, &key);
            assert_true(used > 0 && used <= n - at);
            at += used;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_picture_follows_on_any_other),
        cmocka_unit_test(little_is_sent_where_little_changed),
        cmocka_unit_test(text_is_cut_at_its_width_and_cannot_speak_to_the_terminal),
        cmocka_unit_test(without_colour_or_utf8_nothing_else_is_sent),
        cmocka_unit_test(keys_are_told_apart),
        cmocka_unit_test(keys_of_any_bytes_are_eaten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
