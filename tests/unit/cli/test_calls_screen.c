/* SPDX-License-Identifier: Apache-2.0 */
/* The screen and the JSON of `osprey syscalls`, from a made-up model. */
#include "cli/calls_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const osp_cli plain = {.columns = 80};

static const osp_call stack[] = {{.func = {"main.read", 9}}, {.func = {"main.main", 9}}};
static const osp_frames frames = {stack, 2}, no_frames = {NULL, 0};

static uint32_t number(const char *name)
{
    int nr = osp_syscall_number(osp_str_from(name));
    assert_true(nr >= 0);
    return (uint32_t)nr;
}

/* 1,000 reads in a second, of which 400 failed; n such rows. */
struct made {
    osp_called called;
    osp_call_place place[3], failed;
    osp_call_failure failure;
    osp_call_row row[40];
    osp_wake_pair pair[8];
    osp_calls_model m;
};

static void make(struct made *d, uint32_t rows)
{
    *d = (struct made){
        .called = {.nr = number("read"),
                   .moves = OSP_MOVES_IN,
                   .calls = 1000,
                   .errors = 400,
                   .bytes = 64000,
                   .ns = 2000000,
                   .max_ns = 4000},
        .place = {{.function = S("example.com/some/very/long/import/path/of/a/package.(*Receiver).WithALongName"),
                   .file = S("/src/receiver.go"),
                   .line = 12,
                   .group = S("example.com/some/very/long/import/path/of/a/package.worker"),
                   .calls = 300,
                   .stack = &frames},
                  {.function = S("main.\x1b[31mred"),
                   .file = S("x.go"),
                   .line = 1,
                   .group = S("main.main"),
                   .calls = 100,
                   .stack = &frames},
                  {.group = S(""), .calls = 600, .stack = &no_frames}},
    };
    d->called.step[osp_time_step(2000)] = 1000;
    d->failed = d->place[1];
    d->failed.calls = 400;
    d->failure = (osp_call_failure){.name = S("EAGAIN"), .calls = 400, .place = &d->failed, .nplace = 1};
    for (uint32_t i = 0; i < rows; i++)
        d->row[i] = (osp_call_row){.name = S("read"),
                                   .op = S(""),
                                   .called = &d->called,
                                   .place = d->place,
                                   .nplace = 3,
                                   .failure = &d->failure,
                                   .nfailure = 1};
    for (size_t i = 0; i < 8; i++)
        d->pair[i] = (osp_wake_pair){.cause = OSP_CAUSE_CODE,
                                     .call = S("futex"),
                                     .waker = d->place[0].function,
                                     .woken = S("an idle Go thread"),
                                     .count = 10};
    d->m = (osp_calls_model){.seconds = 1,
                             .calls = 1000 * (uint64_t)rows,
                             .errors = 400 * (uint64_t)rows,
                             .in = 64000,
                             .row = d->row,
                             .nrow = rows,
                             .pair = d->pair,
                             .npair = 8,
                             .wakes = 100,
                             .by_threads = 80,
                             .by_cause = {[OSP_CAUSE_CODE] = 60, [OSP_CAUSE_TIMER] = 20},
                             .by_interrupt = {[OSP_CAUSE_TIMER] = 20},
                             .epoll = {.returns = 100, .empty = 25, .useful = 50}};
}

static osp_buf shown(const osp_calls_model *m, int lines)
{
    const osp_sample_stats s = {.taken = 1000, .ended = {[OSP_END_ROOT] = 400, [OSP_END_BUDGET] = 600}};
    osp_buf out = osp_buf_of(1 << 20);
    osp_calls_screen(&plain, m, &s, S("gateway (pid 4711)"), lines, &out);
    osp_buf_byte(&out, 0);
    assert_false(out.failed);
    return out;
}

static void the_screen_fits_whatever_it_shows(void **state)
{
    (void)state;
    for (uint32_t rows = 0; rows <= 40; rows++) {
        struct made d;
        make(&d, rows);
        osp_buf out = shown(&d.m, 24);
        osp_str rest = {out.p, out.n - 1};
        int lines = 0;
        for (; rest.n; lines++) {
            osp_str line = osp_str_cut(&rest, '\n');
            if (osp_str_columns(line) > 80)
                fail_msg("%zu columns: %.*s", osp_str_columns(line), STRF(line));
        }
        assert_true(lines <= 24);
        osp_buf_drop(&out);
    }
}

static void everything_is_shown_if_that_is_asked(void **state)
{
    (void)state;
    struct made d;
    make(&d, 40);
    osp_buf out = shown(&d.m, 0);
    size_t reads = 0, pairs = 0;
    for (const char *at = strstr(out.p, "\n read"); at; at = strstr(at + 1, "\n read"))
        reads++;
    for (const char *at = strstr(out.p, "an idle Go thread"); at; at = strstr(at + 1, "an idle Go thread"))
        pairs++;
    assert_int_equal(reads, 40);
    assert_int_equal(pairs, 8);
    assert_null(strstr(out.p, "more,"));
    osp_buf_drop(&out);
}

static void a_row_says_what_is_true(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "gateway (pid 4711): 1000 system calls/s, 64 kB/s in",
        "  75 %  …", /* of the 400 with a stack */
        "…",
        ":12",
        "EAGAIN,",
        "2.0 us", /* median, to 6 % */
        "4.0 us",
        "2.0 ms", /* a second */
        "wake-ups  80/s: code 75 % · timer 25 %; from outside 20/s",
        "epoll     100 returns/s, 25 % empty; 1.50 a read that gave bytes",
        "stacks 100 % complete, of the 40 % of all that did not come too fast · lost 0",
    };
    struct made d;
    make(&d, 1);
    osp_buf out = shown(&d.m, 24);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(out.p, parts[i]))
            fail_msg("%s is not in\n%s", parts[i], out.p);
    osp_buf_drop(&out);
}

static void names_of_the_program_cannot_speak_to_the_terminal(void **state)
{
    (void)state;
    struct made d;
    make(&d, 1);
    osp_buf out = shown(&d.m, 0);
    assert_null(strchr(out.p, '\x1b'));
    assert_non_null(strstr(out.p, "main.?[31mred"));
    osp_buf_drop(&out);
}

static void no_calls_are_said(void **state)
{
    (void)state;
    osp_calls_model m = {.seconds = 1};
    osp_buf out = shown(&m, 24);
    assert_non_null(strstr(out.p, "no system call returned in this time"));
    osp_buf_drop(&out);
    m.calls = 5; /* --errors, and none failed */
    out = shown(&m, 24);
    assert_non_null(strstr(out.p, "no system call failed in this time"));
    osp_buf_drop(&out);
}

static void the_json_has_the_numbers_as_they_are(void **state)
{
    (void)state;
    static const char *const parts[] = {"\"schema\": \"osprey.syscalls/1\"",
                                        "\"calls_total\": 1000",
                                        "\"not_walked\": 600",
                                        "\"bytes_in\": 64000",
                                        "\"failed\": 400",
                                        "\"errno\": \"EAGAIN\"",
                                        "\"max_ns\": 4000",
                                        "\"waker\": \"example.com/some",
                                        "\"useful_reads\": 50"};
    const osp_sample_stats s = {.taken = 1000, .ended = {[OSP_END_ROOT] = 400, [OSP_END_BUDGET] = 600}};
    struct made d;
    osp_buf out = osp_buf_of(1 << 20);
    make(&d, 1);
    osp_calls_json(&d.m, &s, S("gateway"), &out);
    osp_buf_byte(&out, 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(out.p, parts[i]))
            fail_msg("%s is not in\n%s", parts[i], out.p);
    osp_buf_drop(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_screen_fits_whatever_it_shows),
        cmocka_unit_test(everything_is_shown_if_that_is_asked),
        cmocka_unit_test(a_row_says_what_is_true),
        cmocka_unit_test(names_of_the_program_cannot_speak_to_the_terminal),
        cmocka_unit_test(no_calls_are_said),
        cmocka_unit_test(the_json_has_the_numbers_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
