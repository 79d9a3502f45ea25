/* SPDX-License-Identifier: Apache-2.0 */
/* What goroutines wait on, in made-up memory: one goroutine, and all that it can hang on. */
#include "goruntime/goruntime_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h> // must follow setjmp.h and stdarg.h

enum {
    BASE = 0x10000,
    SIZE = 0x8000,
    G = BASE, /* the goroutine */
    OTHER = BASE + 0x400,
    STACK = BASE + 0x1000, /* 64 words */
    SUDOG = BASE + 0x2000, /* one each 256 bytes */
    CHAN = BASE + 0x4000,
    THING = BASE + 0x6000,
    GOID = 42,
};

static uint8_t memory[SIZE];
static struct osp_go go;
static osp_wait_reader *r;

static bool read_memory(void *ctx, uint64_t addr, void *dst, size_t n, osp_err *err)
{
    (void)ctx;
    if (addr < BASE || addr - BASE > SIZE || n > SIZE - (addr - BASE))
        return osp_fail(err, OSP_EABSENT, "no memory");
    memcpy(dst, memory + (addr - BASE), n);
    return true;
}

static void put(uint64_t addr, int32_t at, uint64_t v, size_t n)
{
    assert_true(at >= 0);
    memcpy(memory + (addr - BASE) + at, &v, n);
}

static uint8_t reason_of(const char *text)
{
    for (unsigned i = 0; i < 256; i++)
        if (osp_str_eq(osp_go_waitreason_text(&go, (uint8_t)i), osp_str_from(text)))
            return (uint8_t)i;
    fail_msg("no reason %s in this release", text);
    return 0;
}

static void begin(uint32_t version)
{
    bool newer;
    osp_err err;
    memset(memory, 0, sizeof memory);
    go = (struct osp_go){.number = version, .mem = {.read = read_memory}, .checked = true};
    assert_true(osp_go_layout_of_version(version, &go.at, &newer));
    put(G, go.at.pub.g_goid, GOID, 8);
    put(G, go.at.pub.g_status, OSP_G_WAITING, 4);
    put(G, go.at.pub.g_sched_sp, STACK, 8);
    put(G, go.at.pub.g_stack_hi, STACK + 64 * 8, 8);
    r = osp_wait_reader_new(&go, &err);
    assert_non_null(r);
}

static void end(void) { osp_wait_reader_drop(r); }

/* The number of things that it waits on for this reason. */
static size_t waits(const char *reason, osp_wait out[4])
{
    uint8_t number = reason_of(reason);
    put(G, go.at.pub.g_waitreason, number, 1);
    return osp_wait_read(r, G, GOID, number, out, 4);
}

static uint64_t sudog(unsigned i, uint64_t g, uint64_t elem, uint64_t c, uint64_t link)
{
    uint64_t addr = SUDOG + 256 * i;
    put(addr, go.at.sudog_g, g, 8);
    put(addr, go.at.sudog_elem, elem, 8);
    put(addr, go.at.sudog_c, c, 8);
    put(addr, go.at.sudog_link, link, 8);
    return addr;
}

static uint64_t channel(unsigned i, uint64_t len, uint64_t cap, uint64_t receivers, uint64_t senders)
{
    uint64_t addr = CHAN + 256 * i;
    put(addr, go.at.chan_len, len, 8);
    put(addr, go.at.chan_cap, cap, 8);
    put(addr, go.at.chan_recvq, receivers, 8);
    put(addr, go.at.chan_sendq, senders, 8);
    return addr;
}

/* ---- channels -------------------------------------------------------------------------------------------------- */

static const uint32_t releases[] = {11800, 12000, 12300, 12500, 12608, 12701};
enum { NRELEASES = sizeof releases / sizeof *releases };

static void a_channel_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < NRELEASES; i++) {
        osp_wait w[4];
        osp_chan c;
        begin(releases[i]);
        uint64_t ch = channel(0, 3, 4, 0, SUDOG);
        put(ch, go.at.chan_elem_bytes, 16, 2);
        put(ch, go.at.chan_closed, 0, 4);
        put(G, go.at.g_waiting, sudog(0, G, THING, ch, 0), 8);
        assert_int_equal(waits("chan send", w), 1);
        assert_int_equal(w[0].kind, OSP_WAIT_CHAN);
        assert_int_equal(w[0].way, OSP_WAY_OUT);
        assert_int_equal(w[0].addr, ch);
        assert_true(osp_wait_chan(r, ch, &c));
        assert_int_equal(c.len, 3);
        assert_int_equal(c.cap, 4);
        assert_int_equal(c.elem_bytes, 16);
        assert_false(c.closed);
        end();
    }
}

static void each_case_of_a_select_has_its_way(void **state)
{
    (void)state;
    osp_wait w[4];
    begin(12608);
    uint64_t quiet = channel(0, 0, 0, SUDOG, 0), out = channel(1, 0, 0, 0, SUDOG + 256),
             both = channel(2, 0, 0, SUDOG + 768, SUDOG + 512);
    sudog(3, OTHER, THING, both, 0);
    uint64_t third = sudog(2, G, THING, both, 0), second = sudog(1, G, THING, out, third);
    put(G, go.at.g_waiting, sudog(0, G, 0, quiet, second), 8);
    assert_int_equal(waits("select", w), 3);
    assert_int_equal(w[0].addr, quiet);
    assert_int_equal(w[0].way, OSP_WAY_IN); /* nothing is kept of what is received */
    assert_int_equal(w[1].way, OSP_WAY_OUT);
    assert_int_equal(w[2].way, OSP_WAY_OUT); /* of two queues it is in that of senders */
    end();
}

static void what_does_not_fit_together_is_not_known(void **state)
{
    (void)state;
    osp_wait w[4];
    begin(12608);
    uint64_t ch = channel(0, 0, 0, SUDOG, 0), s = sudog(0, G, 0, ch, SUDOG);
    put(G, go.at.g_waiting, s, 8);
    assert_int_equal(waits("select", w), 0); /* a circle */
    end();
    begin(12608);
    put(G, go.at.g_waiting, sudog(0, OTHER, 0, channel(0, 0, 0, 0, 0), 0), 8);
    assert_int_equal(waits("chan receive", w), 0); /* of another goroutine */
    end();
    begin(12608);
    put(G, go.at.g_waiting, sudog(0, G, 0, channel(0, 5, 4, 0, 0), 0), 8);
    assert_int_equal(waits("chan receive", w), 0); /* more in it than it holds */
    end();
    begin(12608);
    put(G, go.at.g_waiting, sudog(0, G, 0, channel(0, 0, 0, 0, 0), 0), 8);
    put(G, go.at.pub.g_goid, GOID + 1, 8);
    assert_int_equal(waits("chan receive", w), 0); /* it has ended, another took its place */
    end();
    begin(12608);
    put(G, go.at.g_waiting, sudog(0, G, 0, channel(0, 0, 0, 0, 0), 0), 8);
    put(G, go.at.pub.g_status, OSP_G_RUNNING, 4);
    assert_int_equal(waits("chan receive", w), 0);
    end();
    begin(12608);
    put(G, go.at.g_waiting, 0xdead000000000000u, 8);
    assert_int_equal(waits("chan receive", w), 0);
    assert_int_equal(waits("chan receive (nil chan)", w), 0);
    assert_false(osp_wait_has_object(r, reason_of("chan receive (nil chan)")));
    assert_true(osp_wait_has_object(r, reason_of("chan receive (durable)")));
    end();
}

static void a_timers_channel_is_known(void **state)
{
    (void)state;
    osp_chan c;
    begin(12608);
    uint64_t ch = channel(0, 0, 1, 0, 0);
    put(ch, go.at.chan_timer, THING, 8);
    put(THING, go.at.timer_when, 1000, 8);
    put(THING, go.at.timer_period, 20, 8);
    assert_true(osp_wait_chan(r, ch, &c));
    assert_true(c.timed);
    assert_int_equal(c.when, 1000);
    assert_int_equal(c.period, 20);
    end();
}

/* ---- what is on the stack -------------------------------------------------------------------------------------- */

static void a_semaphore_is_found_on_the_stack(void **state)
{
    (void)state;
    for (size_t i = 0; i < NRELEASES; i++) {
        osp_wait w[4];
        begin(releases[i]);
        put(STACK, 8 * 3, sudog(0, OTHER, THING, 0, 0), 8); /* what an earlier call left there */
        put(STACK, 8 * 5, sudog(1, G, 0, 0, 0), 8);         /* one that is kept for the next time */
        put(STACK, 8 * 6, 0xdeadbeef0, 8);
        put(STACK, 8 * 7, sudog(2, G, THING + 4, 0, 0), 8);
        assert_int_equal(waits("semacquire", w), 1);
        assert_int_equal(w[0].kind, OSP_WAIT_SEMAPHORE);
        assert_int_equal(w[0].addr, THING + 4);
        assert_int_equal(waits("semacquire", w), 1); /* where it was found before */
        end();
    }
}

static void a_stack_without_it_gives_nothing(void **state)
{
    (void)state;
    osp_wait w[4];
    begin(12608);
    for (unsigned i = 0; i < 64; i++)
        put(STACK, (int32_t)(8 * i), SUDOG + 256 * (i % 16), 8);
    assert_int_equal(waits("semacquire", w), 0);
    assert_int_equal(waits("sync.Mutex.Lock", w), 0);
    assert_int_equal(waits("sync.Cond.Wait", w), 0);
    assert_int_equal(waits("IO wait", w), 0);
    put(G, go.at.pub.g_sched_sp, STACK + 4, 8);
    assert_int_equal(waits("semacquire", w), 0);
    end();
}

/* A notifyList at THING with these counters and n sudogs, the last of which is of our goroutine. */
static void make_list(uint32_t wait, uint32_t notify, unsigned n)
{
    put(THING, 0, wait, 4);
    put(THING, 4, notify, 4);
    put(THING, 16, SUDOG, 8);
    put(THING, 24, SUDOG + 256 * (n - 1), 8);
    for (unsigned i = 0; i < n; i++) {
        uint64_t s = sudog(i, i + 1 == n ? G : OTHER, 0, 0, 0);
        put(s, go.at.sudog_next, i + 1 == n ? 0 : s + 256, 8);
    }
    put(STACK, 8 * 2, THING, 8);
}

static void a_condition_is_found_by_its_list(void **state)
{
    (void)state;
    osp_wait w[4];
    begin(12608);
    make_list(9, 6, 3);
    assert_int_equal(waits("sync.Cond.Wait", w), 1);
    assert_int_equal(w[0].kind, OSP_WAIT_CONDITION);
    assert_int_equal(w[0].addr, THING - 16);
    end();
    begin(12608);
    make_list(9, 7, 3); /* longer than it can be */
    assert_int_equal(waits("sync.Cond.Wait", w), 0);
    end();
    begin(12608);
    make_list(9, 6, 3);
    put(SUDOG + 512, go.at.sudog_next, SUDOG, 8); /* a circle */
    assert_int_equal(waits("sync.Cond.Wait", w), 0);
    end();
}

static void a_descriptor_proves_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < NRELEASES; i++)
        for (int write = 0; write < 2; write++) {
            osp_wait w[4];
            begin(releases[i]);
            put(THING, go.at.poll_fd, 17, 8);
            put(THING, go.at.poll_self, THING, 8);
            put(THING, write ? go.at.poll_wg : go.at.poll_rg, G, 8);
            put(STACK, 8 * 4, THING + (uint64_t)(write ? go.at.poll_wg : go.at.poll_rg), 8);
            assert_int_equal(waits("IO wait", w), 1);
            assert_int_equal(w[0].kind, OSP_WAIT_FD);
            assert_int_equal(w[0].value, 17);
            assert_int_equal(w[0].way, write ? OSP_WAY_OUT : OSP_WAY_IN);
            end();
            begin(releases[i]);
            put(THING, go.at.poll_rg, G, 8);
            put(THING, go.at.poll_self, THING + 8, 8);
            put(STACK, 8 * 4, THING + (uint64_t)go.at.poll_rg, 8);
            assert_int_equal(waits("IO wait", w), 0);
            end();
        }
}

static void a_sleep_ends_when_its_timer_says(void **state)
{
    (void)state;
    osp_wait w[4];
    begin(12200);
    put(G, go.at.g_timer, THING, 8);
    put(THING, go.at.timer_when, 777, 8);
    assert_int_equal(waits("sleep", w), 1);
    assert_int_equal(w[0].value, 777);
    end();
    begin(12608);
    put(G, go.at.g_sleep_when, 888, 8);
    assert_int_equal(waits("sleep", w), 1);
    assert_int_equal(w[0].kind, OSP_WAIT_TIME);
    assert_int_equal(w[0].value, 888);
    end();
}

/* The lock, as memory is now. */
static bool lock_at(osp_lock_kind kind, uint64_t semaphore, osp_lock *out)
{
    osp_err err;
    osp_wait_reader_drop(r);
    r = osp_wait_reader_new(&go, &err);
    assert_non_null(r);
    return osp_wait_lock(r, kind, semaphore, out);
}

/* ---- locks ----------------------------------------------------------------------------------------------------- */

static void locks_say_who_is_in_and_who_waits(void **state)
{
    (void)state;
    osp_lock l;
    begin(12608);
    put(THING, 0, 5 << 3 | 4 | 1, 4);
    assert_true(lock_at(OSP_LOCK_MUTEX, THING + 4, &l));
    assert_int_equal(l.addr, THING);
    assert_true(l.locked && l.starving);
    assert_int_equal(l.waiting, 5);

    put(THING, 0, 1, 4); /* a writer waits for two readers, and three readers for it */
    put(THING, 16, (uint32_t)(5 - (1 << 30)), 4);
    put(THING, 20, 2, 4);
    assert_true(lock_at(OSP_LOCK_READER, THING + 12, &l));
    assert_int_equal(l.addr, THING);
    assert_int_equal(l.waiting, 3);
    assert_int_equal(l.left, 2);
    assert_true(lock_at(OSP_LOCK_WRITER, THING + 8, &l));
    assert_int_equal(l.left, 2);

    put(THING, 0, 7, 4);
    put(THING, 4, 3, 4);
    assert_true(lock_at(OSP_LOCK_GROUP, THING + 8, &l));
    assert_int_equal(l.left, 3);
    assert_int_equal(l.waiting, 7);

    put(THING, 4, 0x80000000u, 4); /* a counter below zero */
    assert_false(lock_at(OSP_LOCK_GROUP, THING + 8, &l));
    put(THING, 0, 0x80000000u, 4);
    assert_false(lock_at(OSP_LOCK_MUTEX, THING + 4, &l));
    assert_false(lock_at(OSP_LOCK_OTHER, THING + 4, &l));
    assert_false(lock_at(OSP_LOCK_MUTEX, 0, &l));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_channel_is_found),
        cmocka_unit_test(each_case_of_a_select_has_its_way),
        cmocka_unit_test(what_does_not_fit_together_is_not_known),
        cmocka_unit_test(a_timers_channel_is_known),
        cmocka_unit_test(a_semaphore_is_found_on_the_stack),
        cmocka_unit_test(a_stack_without_it_gives_nothing),
        cmocka_unit_test(a_condition_is_found_by_its_list),
        cmocka_unit_test(a_descriptor_proves_itself),
        cmocka_unit_test(a_sleep_ends_when_its_timer_says),
        cmocka_unit_test(locks_say_who_is_in_and_who_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
