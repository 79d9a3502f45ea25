/* SPDX-License-Identifier: Apache-2.0 */
/* The lines and the JSON of what goroutines wait on, from made-up objects. */
#include "cli/waits_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h> // must follow setjmp.h and stdarg.h

static const uint64_t SECOND = 1000000000u;
enum { NOW = 1000 };

static const osp_wait_object channel = {.wait = {.kind = OSP_WAIT_CHAN, .way = OSP_WAY_IN, .addr = 0xc000010000},
                                        .n = 512,
                                        .in = 515,
                                        .out = 1,
                                        .all = 516,
                                        .has_chan = true};

static void words_are(const osp_wait_object *o, const char *wanted)
{
    osp_buf out = osp_buf_of(1 << 16);
    osp_wait_words(o, NOW, &out);
    osp_buf_byte(&out, 0);
    assert_string_equal(out.p, wanted);
    osp_buf_drop(&out);
}

static void a_channel_in_words(void **state)
{
    (void)state;
    osp_wait_object o = channel;
    words_are(&o, "receive from channel 0xc000010000, unbuffered; 3 others receive; 1 other sends");
    o.in = o.n;
    o.out = 0;
    o.chan.cap = 4096;
    o.chan.len = 4096;
    o.chan.closed = true;
    words_are(&o, "receive from channel 0xc000010000, 4096 of 4096 queued, closed");
    o.elem = S("*main.request");
    words_are(&o, "receive from chan *main.request 0xc000010000, 4096 of 4096 queued, closed");
    o.elem = S("struct { a int; b map[string][]interface {}; c int }");
    words_are(
        &o, "receive from chan struct { a int; b map[string][]interface… 0xc000010000, 4096 of 4096 queued, closed");
    o.elem = S("");
    o.wait.way = OSP_WAY_OUT;
    o.in = 0;
    o.out = o.n;
    o.has_chan = false;
    words_are(&o, "send to channel 0xc000010000");
    o.wait.way = OSP_WAY_IN;
    o.has_chan = true;
    o.chan = (osp_chan){.timed = true, .period = 5 * (int64_t)SECOND, .when = NOW + 2 * (int64_t)SECOND};
    words_are(&o, "receive from a ticker's channel 0xc000010000, every 5.0 s, due in 2.0 s");
}

static void locks_in_words(void **state)
{
    (void)state;
    osp_wait_object o = {.wait = {.kind = OSP_WAIT_SEMAPHORE, .addr = 0x641184},
                         .n = 3,
                         .kind = OSP_LOCK_MUTEX,
                         .has_lock = true,
                         .lock = {.addr = 0x641180, .locked = true, .starving = true, .waiting = 1},
                         .name = S("main.mu")};
    words_are(&o, "on mutex 0x641180 (main.mu): held, starving, 1 waits");
    o.name = S("");
    o.kind = OSP_LOCK_READER;
    o.lock = (osp_lock){.addr = 0x641180, .left = 2};
    words_are(&o, "on RWMutex 0x641180: to read; a writer waits for 2 readers");
    o.lock.left = 0;
    words_are(&o, "on RWMutex 0x641180: to read; a writer holds it");
    o.kind = OSP_LOCK_WRITER;
    o.lock.left = 1;
    words_are(&o, "on RWMutex 0x641180: to write; 1 reader is in it");
    o.kind = OSP_LOCK_GROUP;
    o.lock.left = 7;
    words_are(&o, "on WaitGroup 0x641180: 7 not done");
    o.kind = OSP_LOCK_OTHER;
    o.has_lock = false;
    words_are(&o, "on semaphore 0x641184");
}

static void descriptors_in_words(void **state)
{
    (void)state;
    osp_wait_object o = {.wait = {.kind = OSP_WAIT_FD, .way = OSP_WAY_IN, .value = 7},
                         .n = 1,
                         .has_socket = true,
                         .socket = {"tcp", S("127.0.0.1:80"), S("10.0.0.2:5123"), "CLOSE_WAIT", 12, 0}};
    words_are(&o, "read fd 7: tcp 127.0.0.1:80 → 10.0.0.2:5123 CLOSE_WAIT, 12 B unread");
    o.socket = (osp_socket){"tcp", S("0.0.0.0:80"), S(""), "listens", 128, 128};
    words_are(&o, "read fd 7: tcp 0.0.0.0:80 listens, 128 not accepted yet");
    o.has_socket = false;
    o.file = S("pipe");
    o.wait.way = OSP_WAY_OUT;
    words_are(&o, "write to fd 7: pipe");
}

static void lines_are(const osp_group_waits *w, uint32_t n, size_t columns, const char *wanted)
{
    osp_cli cli = {0};
    osp_buf out = osp_buf_of(1 << 16);
    osp_waits_lines(&cli, w, n, NOW, &(osp_waits_look){2, 2, columns}, &out);
    osp_buf_byte(&out, 0);
    assert_string_equal(out.p, wanted);
    osp_buf_drop(&out);
}

static void lines_say_how_many_and_what_is_left_out(void **state)
{
    (void)state;
    osp_wait_object row[3] = {channel, channel, channel};
    osp_group_waits w = {.row = row, .n = 1, .all = 1, .waiting = 512, .known = 512, .first_ns = INT64_MIN};
    row[0].in = 512;
    row[0].out = 0;
    lines_are(&w, 512, 0, "  all 512 receive from channel 0xc000010000, unbuffered\n");
    row[0].references = 5;
    row[0].reference[0] = 1;
    row[0].reference[1] = 18;
    row[0].reference[2] = 19;
    lines_are(
        &w, 512, 0,
        "  all 512 receive from channel 0xc000010000, unbuffered; also on the stack of goroutines 1, 18, 19 and 2 "
        "more\n");
    row[0].references = 0;
    lines_are(&w, 512, 40, "  all 512 receive from channel 0xc00001…\n");
    row[1].n = row[2].n = 1;
    row[1].in = row[2].in = 1;
    row[1].out = 0;
    w.n = 3;
    w.all = 40;
    w.known = 500;
    lines_are(&w, 600, 0,
              "  512 receive from channel 0xc000010000, unbuffered\n"
              "  1 receive from channel 0xc000010000, unbuffered\n"
              "  and 38 more channels\n"
              "  of 12 it is not known what they wait on\n");
    w = (osp_group_waits){.waiting = 2, .known = 2, .first_ns = (int64_t)SECOND, .last_ns = 90 * (int64_t)SECOND};
    lines_are(&w, 2, 0, "  sleep for 1.0 s … 1m30s more\n");
    w = (osp_group_waits){.first_ns = INT64_MIN};
    lines_are(&w, 2, 0, "");
}

static void json_has_each_object(void **state)
{
    (void)state;
    osp_wait_object row = channel;
    osp_group_waits w = {.row = &row, .n = 1, .all = 1, .waiting = 512, .known = 511, .first_ns = INT64_MIN};
    osp_buf out = osp_buf_of(1 << 16);
    osp_json j = osp_json_on(&out);
    osp_json_object(&j, NULL);
    osp_waits_json(&j, &w, NOW);
    osp_json_end(&j);
    osp_buf_byte(&out, 0);
    assert_non_null(strstr(out.p, "\"known\": 511"));
    assert_non_null(strstr(out.p, "\"kind\": \"channel\""));
    assert_non_null(strstr(out.p, "\"address\": \"0xc000010000\""));
    assert_non_null(strstr(out.p, "\"receivers\": 515"));
    assert_non_null(strstr(out.p, "\"capacity\": 0"));
    osp_buf_drop(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_channel_in_words),   cmocka_unit_test(locks_in_words),
        cmocka_unit_test(descriptors_in_words), cmocka_unit_test(lines_say_how_many_and_what_is_left_out),
        cmocka_unit_test(json_has_each_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
