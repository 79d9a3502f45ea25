/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli_internal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void colours_are_painted_only_where_they_are_wanted(void **state)
{
    (void)state;
    osp_cli cli = {0};
    osp_buf out = osp_buf_of(1000);
    osp_paint(&cli, &out, OSP_RED, "%d %%", 94);
    cli.colour = true;
    osp_paint(&cli, &out, OSP_RED, "%d", 95);
    osp_paint(&cli, &out, OSP_PLAIN, "%d", 96);
    assert_true(osp_str_eq(osp_buf_str(&out), S("94 %\033[31m95\033[0m96")));
    osp_buf_drop(&out);
}

static void names_cannot_speak_to_the_terminal(void **state)
{
    (void)state;
    osp_cli cli = {0};
    osp_buf out = osp_buf_of(1000);
    osp_paint(&cli, &out, OSP_RED, "a\033]0;x\007b\nc\177 \xc2\x9b \x9b✓");
    assert_true(osp_str_eq(osp_buf_str(&out), S("a?]0;x?b?c? ? ?✓")));
    osp_buf_drop(&out);
    char lines[] = "one\ttwo\n\033[2J";
    assert_int_equal(osp_harmless(lines, sizeof lines - 1, true), sizeof lines - 1);
    assert_string_equal(lines, "one\ttwo\n?[2J");
}

static void color_always_and_never_win_over_the_environment(void **state)
{
    (void)state;
    osp_cli cli = {0};
    setenv("NO_COLOR", "1", 1);
    osp_terminal_read(&cli, "always");
    assert_true(cli.colour);
    unsetenv("NO_COLOR");
    osp_terminal_read(&cli, "never");
    assert_false(cli.colour);
    osp_terminal_read(&cli, NULL); /* a test's stdout is a pipe */
    assert_int_equal(cli.colour, isatty(1) && getenv("TERM") && strcmp(getenv("TERM"), "dumb") != 0);
    assert_true(cli.columns >= 20);
}

/* What a child writes to stderr while doing what. */
static osp_str stderr_of(void (*what)(void), char *text, size_t size)
{
    int end[2];
    assert_int_equal(pipe(end), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(end[1], 2);
        close(end[0]);
        close(end[1]);
        what();
        _exit(0);
    }
    close(end[1]);
    size_t n = 0;
    for (ssize_t got; (got = read(end[0], text + n, size - n)) > 0;)
        n += (size_t)got;
    close(end[0]);
    int status;
    waitpid(child, &status, 0);
    return (osp_str){text, n};
}

static void show_progress(void)
{
    osp_cli cli = {.progress = true, .columns = 20};
    osp_progress(&cli, "%d samples", 12);
    osp_progress(&cli, "● → a line that is too long");
    osp_progress_done(&cli);
    osp_progress_done(&cli);
}

static void show_no_progress(void)
{
    osp_cli cli = {.progress = false, .columns = 20};
    osp_progress(&cli, "%d samples", 12);
    osp_progress_done(&cli);
}

static void progress_is_one_line_cut_to_the_terminal_and_wiped_at_the_end(void **state)
{
    (void)state;
    char text[1000];
    osp_str said = stderr_of(show_progress, text, sizeof text);
    assert_true(osp_str_eq(said, S("\r12 samples\033[K\r● → a line that is \033[K\r\033[K")));
    assert_int_equal(stderr_of(show_no_progress, text, sizeof text).n, 0);
}

static void print_to_a_full_disk(void)
{
    int full = open("/dev/full", O_WRONLY);
    dup2(full, 1);
    if (osp_cli_print(S("text")))
        _exit(1);
}

static void print_to_a_closed_pipe(void)
{
    int end[2];
    signal(SIGPIPE, SIG_IGN);
    if (pipe(end) != 0)
        _exit(1);
    close(end[0]);
    dup2(end[1], 1);
    if (osp_cli_print(S("text")))
        _exit(1);
}

static void a_full_disk_is_told_and_a_closed_pipe_is_not(void **state)
{
    (void)state;
    char text[1000];
    assert_true(osp_str_eq(stderr_of(print_to_a_full_disk, text, sizeof text),
                           S("osprey: writing the output: No space left on device\n")));
    assert_int_equal(stderr_of(print_to_a_closed_pipe, text, sizeof text).n, 0);
}

static void one_signal_asks_and_the_second_kills(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        const volatile sig_atomic_t *stop = osp_stop_flag();
        if (*stop)
            _exit(1);
        raise(SIGINT);
        if (!*stop)
            _exit(2);
        raise(SIGINT);
        _exit(3);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGINT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(colours_are_painted_only_where_they_are_wanted),
        cmocka_unit_test(names_cannot_speak_to_the_terminal),
        cmocka_unit_test(color_always_and_never_win_over_the_environment),
        cmocka_unit_test(progress_is_one_line_cut_to_the_terminal_and_wiped_at_the_end),
        cmocka_unit_test(a_full_disk_is_told_and_a_closed_pipe_is_not),
        cmocka_unit_test(one_signal_asks_and_the_second_kills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
