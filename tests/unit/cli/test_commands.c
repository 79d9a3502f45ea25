/* SPDX-License-Identifier: Apache-2.0 */
/* What every command in the table owes its reader, whatever commands there are. */
#include "cli/cli_internal.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void every_command_has_a_name_a_summary_and_examples(void **state)
{
    (void)state;
    assert_non_null(osp_commands[0]);
    for (const osp_command *const *c = osp_commands; *c; c++) {
        print_message("# %s\n", (*c)->name);
        assert_non_null((*c)->args);
        assert_non_null((*c)->run);
        size_t n = strlen((*c)->summary);
        assert_true(n > 8 && n < 90 && (*c)->summary[n - 1] != '.');
        assert_true(islower((unsigned char)(*c)->summary[0]));
        assert_non_null((*c)->examples);
        assert_non_null((*c)->examples[0]);
        assert_ptr_equal(osp_command_find(osp_commands, osp_str_from((*c)->name)), *c);
    }
}

/* Up to what a shell would take: a redirection, a pipe, a comment. */
static size_t split(char *text, char **words, size_t max)
{
    size_t n = 0;
    for (char *save, *w = strtok_r(text, " ", &save); w && n < max; w = strtok_r(NULL, " ", &save)) {
        if (strchr(">|<#&", w[0]))
            break;
        words[n++] = w;
    }
    return n;
}

static void every_example_is_a_command_line_that_is_understood(void **state)
{
    (void)state;
    osp_arena a;
    osp_arena_init(&a, 1 << 20);
    for (const osp_command *const *c = osp_commands; *c; c++)
        for (const char *const *e = (*c)->examples; *e; e++) {
            char text[256], *words[32];
            osp_cli cli;
            osp_err err = {0};
            print_message("# osprey %s\n", *e);
            assert_true(strlen(*e) < sizeof text);
            size_t n = split(osp_str_z(osp_str_from(*e), text, sizeof text), words, 32);
            assert_true(n > 0);
            assert_string_equal(words[0], (*c)->name);
            if (!osp_cli_parse(*c, words + 1, n - 1, &a, &cli, &err))
                fail_msg("%s", err.msg);
        }
    osp_arena_drop(&a);
}

static void no_two_options_of_a_command_share_a_name_or_a_letter(void **state)
{
    (void)state;
    for (const osp_command *const *c = osp_commands; *c; c++) {
        const osp_option *one, *other;
        for (size_t i = 0; (one = osp_command_option(*c, i)); i++) {
            print_message("# %s --%s\n", (*c)->name, one->name);
            assert_true(strlen(one->name) > 1 && one->help && one->help[0]);
            for (size_t k = 0; k < i && (other = osp_command_option(*c, k)); k++) {
                assert_string_not_equal(one->name, other->name);
                assert_true(!one->letter || one->letter != other->letter);
            }
        }
    }
}

/* The longest line, in columns. */
static size_t widest(osp_str text)
{
    size_t most = 0;
    while (text.n) {
        size_t n = osp_str_columns(osp_str_cut(&text, '\n'));
        most = n > most ? n : most;
    }
    return most;
}

static void the_first_screen_has_at_most_six_lines_of_eighty_columns(void **state)
{
    (void)state;
    osp_buf out = osp_buf_of(1 << 16);
    osp_help_short(&out, osp_commands);
    size_t lines = 0;
    for (size_t i = 0; i < out.n; i++)
        lines += out.p[i] == '\n';
    assert_true(lines >= 2 && lines <= 6);
    assert_true(widest(osp_buf_str(&out)) <= 80);
    assert_false(out.failed);
    osp_buf_drop(&out);
}

static void help_fits_a_terminal_of_eighty_columns(void **state)
{
    (void)state;
    osp_buf out = osp_buf_of(1 << 20);
    osp_help_all(&out, osp_commands, 80);
    assert_true(widest(osp_buf_str(&out)) <= 80);
    for (const osp_command *const *c = osp_commands; *c; c++) {
        out.n = 0;
        osp_help_command(&out, *c, 80);
        print_message("# %s: %zu columns\n", (*c)->name, widest(osp_buf_str(&out)));
        assert_true(widest(osp_buf_str(&out)) <= 100); /* examples are not broken */
    }
    assert_false(out.failed);
    osp_buf_drop(&out);
}

static void completions_and_the_man_page_name_every_command_and_option(void **state)
{
    (void)state;
    static const char *const shell[] = {"bash", "zsh", "fish"};
    for (size_t i = 0; i < 4; i++) {
        osp_buf out = osp_buf_of(1 << 20);
        if (i < 3)
            assert_true(osp_completion(&out, osp_commands, NULL, osp_str_from(shell[i])));
        else
            osp_help_man(&out, osp_commands);
        assert_false(out.failed);
        for (const osp_command *const *c = osp_commands; *c; c++) {
            const osp_option *o;
            assert_true(osp_str_find(osp_buf_str(&out), osp_str_from((*c)->name)) < out.n);
            for (size_t k = 0; (o = osp_command_option(*c, k)); k++) {
                osp_str word = osp_str_from(o->name);
                size_t dash = osp_str_rfind(word, '-');
                /* In roff a dash in a name has a backslash before it. */
                assert_true(osp_str_find(osp_buf_str(&out), dash < word.n ? osp_str_head(word, dash) : word) < out.n);
            }
        }
        osp_buf_drop(&out);
    }
    const osp_command *pprof = osp_command_find(osp_commands, S("pprof"));
    for (size_t i = 0; i < 3; i++) {
        osp_buf out = osp_buf_of(1 << 20);
        assert_true(osp_completion(&out, osp_commands, pprof, osp_str_from(shell[i])));
        assert_true(osp_str_find(osp_buf_str(&out), S("tagfocus")) < out.n);
        assert_true(osp_str_find(osp_buf_str(&out), S("record")) == out.n); /* no command but this */
        osp_buf_drop(&out);
    }
    osp_buf none = osp_buf_of(100);
    assert_false(osp_completion(&none, osp_commands, NULL, S("tcsh")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_has_a_name_a_summary_and_examples),
        cmocka_unit_test(every_example_is_a_command_line_that_is_understood),
        cmocka_unit_test(no_two_options_of_a_command_share_a_name_or_a_letter),
        cmocka_unit_test(the_first_screen_has_at_most_six_lines_of_eighty_columns),
        cmocka_unit_test(help_fits_a_terminal_of_eighty_columns),
        cmocka_unit_test(completions_and_the_man_page_name_every_command_and_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
