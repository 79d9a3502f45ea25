/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

static const osp_option options[] = {
    {"duration", 'd', "SECONDS", "how long (5)"},
    {"output", 'o', "FILE", "where to"},
    {"json", 0, NULL, "as JSON"},
    {"debug", 'D', NULL, "more"},
    {0},
};
static const osp_command why = {.name = "why", .args = "PID | -- COMMAND", .summary = "x", .options = options};
static const osp_command top = {.name = "top", .args = "FILE", .summary = "x", .options = options};
static const osp_command raw = {.name = "raw", .args = "", .summary = "x", .own_words = true};

static osp_arena arena;
static osp_err err;

static int set_up(void **state)
{
    (void)state;
    osp_arena_init(&arena, 1 << 20);
    err = (osp_err){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    osp_arena_drop(&arena);
    return 0;
}

#define PARSE(command, cli, ...) \
    parse(command, (char *[]){__VA_ARGS__}, sizeof((char *[]){__VA_ARGS__}) / sizeof(char *), cli)

static bool parse(const osp_command *command, char **words, size_t n, osp_cli *cli)
{
    return osp_cli_parse(command, words, n, &arena, cli, &err);
}

static void every_spelling_of_an_option_is_understood(void **state)
{
    (void)state;
    char *spelling[][2] = {{"--duration=7", NULL}, {"--duration", "7"}, {"-duration=7", NULL},
                           {"-duration", "7"},     {"-d", "7"},         {"-d7", NULL},
                           {"-d=7", NULL}};
    for (size_t i = 0; i < sizeof spelling / sizeof *spelling; i++) {
        osp_cli cli;
        char *words[] = {spelling[i][0], spelling[i][1] ? spelling[i][1] : "4711", "4711"};
        assert_true(parse(&why, words, spelling[i][1] ? 3 : 2, &cli));
        assert_string_equal(osp_cli_value(&cli, "duration"), "7");
        assert_int_equal(cli.noperand, 1);
        assert_string_equal(cli.operand[0], "4711");
        assert_false(osp_cli_given(&cli, "json"));
    }
}

static void options_may_stand_after_operands_and_the_last_wins(void **state)
{
    (void)state;
    osp_cli cli;
    assert_true(PARSE(&why, &cli, "4711", "--json", "-d", "1", "-", "--duration=2"));
    assert_true(osp_cli_given(&cli, "json"));
    assert_string_equal(osp_cli_value(&cli, "duration"), "2");
    assert_int_equal(cli.noperand, 2);
    assert_string_equal(cli.operand[1], "-");
}

static void a_value_may_start_with_a_dash_or_be_empty(void **state)
{
    (void)state;
    osp_cli cli;
    assert_true(PARSE(&why, &cli, "-o", "-", "--duration=", "1"));
    assert_string_equal(osp_cli_value(&cli, "output"), "-");
    assert_string_equal(osp_cli_value(&cli, "duration"), "");
}

static void what_follows_two_dashes_is_the_command_to_start(void **state)
{
    (void)state;
    osp_cli cli;
    assert_true(PARSE(&why, &cli, "--json", "--", "prog", "--json", "--", "x"));
    assert_int_equal(cli.nrest, 4);
    assert_string_equal(cli.rest[0], "prog");
    assert_string_equal(cli.rest[2], "--");
    assert_null(cli.rest[4]);
    assert_int_equal(cli.noperand, 0);
    assert_true(PARSE(&why, &cli, "1"));
    assert_null(cli.rest);
}

static void where_no_command_is_started_two_dashes_end_the_options(void **state)
{
    (void)state;
    osp_cli cli;
    assert_true(PARSE(&top, &cli, "--", "-strange-name", "--"));
    assert_null(cli.rest);
    assert_int_equal(cli.noperand, 2);
    assert_string_equal(cli.operand[0], "-strange-name");
}

static void an_unknown_option_suggests_the_nearest(void **state)
{
    (void)state;
    static const struct {
        char *word;
        const char *message;
    } row[] = {
        {"--duratoin", "unknown option --duratoin; did you mean --duration?"},
        {"--duratoin=3", "unknown option --duratoin; did you mean --duration?"},
        {"-jsn", "unknown option -jsn; did you mean --json?"},
        {"--dur", "unknown option --dur; did you mean --duration?"},
        {"--colour", "unknown option --colour; did you mean --color?"},
        {"--elephant", "unknown option --elephant"},
        {"-x", "unknown option -x"},
        {"--x", "unknown option --x"},
        {"---", "unknown option ---"},
        {"-=", "unknown option -"},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        osp_cli cli;
        assert_false(PARSE(&why, &cli, "1", row[i].word));
        assert_int_equal(err.code, OSP_EUSAGE);
        assert_string_equal(err.msg, row[i].message);
    }
}

static void a_missing_or_superfluous_value_is_named(void **state)
{
    (void)state;
    osp_cli cli;
    assert_false(PARSE(&why, &cli, "1", "-d"));
    assert_string_equal(err.msg, "option --duration wants SECONDS");
    assert_false(PARSE(&why, &cli, "--json=yes"));
    assert_string_equal(err.msg, "option --json takes no value");
}

static void help_and_color_are_known_to_every_command_and_pid_where_one_is_asked_for(void **state)
{
    (void)state;
    osp_cli cli;
    assert_true(PARSE(&top, &cli, "-h", "--color", "never"));
    assert_true(osp_cli_given(&cli, "help"));
    assert_string_equal(osp_cli_value(&cli, "color"), "never");
    assert_false(PARSE(&top, &cli, "-p", "1"));
    int pid, status;
    assert_true(PARSE(&why, &cli, "-p", "12"));
    assert_true(osp_cli_pid(&cli, &pid, &status));
    assert_int_equal(pid, 12);
    assert_true(PARSE(&why, &cli, "13"));
    assert_true(osp_cli_pid(&cli, &pid, &status));
    assert_int_equal(pid, 13);
}

static void a_command_that_reads_its_own_words_gets_all_of_them(void **state)
{
    (void)state;
    osp_cli cli;
    assert_true(PARSE(&raw, &cli, "-top", "--", "-x=1"));
    assert_int_equal(cli.noperand, 3);
    assert_string_equal(cli.operand[1], "--");
}

/* What is complained about goes to stderr, which is closed meanwhile: only the answers matter here. */
static int silence(void)
{
    int kept = dup(2);
    close(2);
    return kept;
}

static void speak(int kept)
{
    dup2(kept, 2);
    close(kept);
}

static void what_is_no_pid_is_refused(void **state)
{
    (void)state;
    static char *const bad[] = {"0", "-5x", "12a", "99999999999", "3000000000", "", "+1", " 1"};
    int kept = silence();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        osp_cli cli;
        char *words[] = {"--pid", bad[i]};
        int pid = -1, status = 0;
        assert_true(parse(&why, words, 2, &cli));
        assert_false(osp_cli_pid(&cli, &pid, &status));
        assert_int_equal(status, OSP_EXIT_USAGE);
    }
    osp_cli cli;
    int pid, status = 0;
    assert_true(PARSE(&why, &cli, "1", "2"));
    assert_false(osp_cli_pid(&cli, &pid, &status));
    assert_true(PARSE(&why, &cli, "1", "-p", "2"));
    assert_false(osp_cli_pid(&cli, &pid, &status));
    assert_true(PARSE(&why, &cli, "--json"));
    assert_false(osp_cli_pid(&cli, &pid, &status));
    speak(kept);
}

static void a_target_is_a_pid_or_a_command_never_both(void **state)
{
    (void)state;
    osp_cli cli;
    int pid, status = 0;
    assert_true(PARSE(&why, &cli, "13"));
    assert_true(osp_cli_target(&cli, &pid, &status));
    assert_int_equal(pid, 13);
    assert_true(PARSE(&why, &cli, "--", "./server"));
    assert_true(osp_cli_target(&cli, &pid, &status));
    assert_int_equal(pid, 0);
    int kept = silence();
    assert_true(PARSE(&why, &cli, "13", "--", "./server"));
    assert_false(osp_cli_target(&cli, &pid, &status));
    assert_int_equal(status, OSP_EXIT_USAGE);
    assert_true(PARSE(&why, &cli, "--"));
    assert_false(osp_cli_target(&cli, &pid, &status));
    speak(kept);
}

static void numbers_keep_their_bounds(void **state)
{
    (void)state;
    static char *const bad[] = {"", "x", "5x", "s", "5 s", "50ms", "2h", "nan", "inf", "0.05", "3601", "1e9", "-1"};
    osp_cli cli;
    double v = 0;
    assert_true(PARSE(&why, &cli, "1"));
    assert_true(osp_cli_number(&cli, "duration", 0.1, 3600, 5, &v));
    assert_true(v == 5);
    assert_true(PARSE(&why, &cli, "-d", "2.5"));
    assert_true(osp_cli_number(&cli, "duration", 0.1, 3600, 5, &v));
    assert_true(v == 2.5);
    static char *const units[] = {"1500ms", "1.5s", "0.025m"};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        char *words[] = {"-d", units[i]};
        assert_true(parse(&why, words, 2, &cli));
        assert_true(osp_cli_number(&cli, "duration", 0.1, 3600, 5, &v));
        assert_true(v == 1.5);
    }
    int kept = silence();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *words[] = {"-d", bad[i]};
        assert_true(parse(&why, words, 2, &cli));
        assert_false(osp_cli_number(&cli, "duration", 0.1, 3600, 5, &v));
    }
    speak(kept);
}

static void without_memory_the_parser_says_so(void **state)
{
    (void)state;
    for (long n = 0;; n++) {
        osp_cli cli;
        osp_arena_fail_after(n);
        bool ok = PARSE(&why, &cli, "1", "-d", "2", "--", "a", "b");
        osp_arena_fail_after(-1);
        if (ok) {
            assert_int_equal(n, 3);
            break;
        }
        assert_int_equal(err.code, OSP_ELIMIT);
    }
}

static void the_distance_of_words_counts_swaps_once(void **state)
{
    (void)state;
    assert_int_equal(osp_word_distance(S("record"), S("record")), 0);
    assert_int_equal(osp_word_distance(S("reocrd"), S("record")), 1);
    assert_int_equal(osp_word_distance(S("recod"), S("record")), 1);
    assert_int_equal(osp_word_distance(S(""), S("why")), 3);
    assert_int_equal(osp_word_distance(S("why"), S("")), 3);
    assert_int_equal(osp_word_distance(S("doctor"), S("doktr")), 2);
    char longest[100] = {0};
    memset(longest, 'a', 99);
    assert_true(osp_word_distance(osp_str_from(longest), S("why")) > 3);
}

static const char *meant_by(const char *typed)
{
    osp_guess g = {.typed = osp_str_from(typed)};
    osp_guess_consider(&g, "why");
    osp_guess_consider(&g, "doctor");
    osp_guess_consider(&g, "record");
    return osp_guess_taken(&g);
}

static void a_guess_is_near_or_none(void **state)
{
    (void)state;
    assert_string_equal(meant_by("wyh"), "why");
    assert_string_equal(meant_by("doktr"), "doctor");
    assert_string_equal(meant_by("rec"), "record");
    assert_null(meant_by("xyz"));
    assert_null(meant_by("w"));
    assert_null(meant_by(""));
    char longest[100] = {0};
    memset(longest, 'a', 99);
    assert_null(meant_by(longest));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(every_spelling_of_an_option_is_understood),
        CASE(options_may_stand_after_operands_and_the_last_wins),
        CASE(a_value_may_start_with_a_dash_or_be_empty),
        CASE(what_follows_two_dashes_is_the_command_to_start),
        CASE(where_no_command_is_started_two_dashes_end_the_options),
        CASE(an_unknown_option_suggests_the_nearest),
        CASE(a_missing_or_superfluous_value_is_named),
        CASE(help_and_color_are_known_to_every_command_and_pid_where_one_is_asked_for),
        CASE(a_command_that_reads_its_own_words_gets_all_of_them),
        CASE(what_is_no_pid_is_refused),
        CASE(a_target_is_a_pid_or_a_command_never_both),
        CASE(numbers_keep_their_bounds),
        CASE(without_memory_the_parser_says_so),
        CASE(the_distance_of_words_counts_swaps_once),
        CASE(a_guess_is_near_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
