/* SPDX-License-Identifier: Apache-2.0 */
/* What `osprey gc` and `osprey sched` remark on, and what they do not: from figures that are made up. */
#include "cli/gc_screen.h"
#include "cli/sched_screen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MS = 1000000 };
static const osp_cli plain = {.columns = 80};

/* A program of an hour, a cycle a second, pauses of 0.2 ms. */
static osp_gc_while healthy(void)
{
    osp_go_gc s = {.taken_ns = 3600ull * 1000 * MS,
                   .version = 12608,
                   .init_ns = 1,
                   .done = 3600,
                   .started = 3600,
                   .has_work = true,
                   .has_control = true,
                   .has_percent = true,
                   .gc_percent = 100,
                   .limit_bytes = INT64_MAX,
                   .live_bytes = 40 << 20,
                   .marked_bytes = 30 << 20,
                   .trigger_bytes = 55 << 20,
                   .goal_bytes = 60 << 20,
                   .heap_inuse_bytes = 45 << 20,
                   .limiter = 0,
                   .last_end_ns = 3599ull * 1000 * MS,
                   .cycle.cpu_fraction = 0.02};
    for (uint64_t i = 0; i < OSP_GC_PAUSES; i++) {
        const uint64_t n = 3600 - 1 - i;
        s.pause_ns[n % OSP_GC_PAUSES] = MS / 5;
        s.pause_end_unix_ns[n % OSP_GC_PAUSES] = n * 1000 * MS;
    }
    osp_gc_while w = {.first = s, .now = s};
    w.first.taken_ns -= 1000ull * MS;
    return w;
}

/* A screen of 80 columns with this text in it, or without it. */
static void is_screen(osp_buf *out, const char *text, bool wanted)
{
    osp_buf_byte(out, 0);
    if ((strstr(out->p, text) != NULL) != wanted)
        fail_msg("`%s` is%s in\n%s", text, wanted ? " not" : "", out->p);
    for (const char *at = out->p; *at;) {
        const size_t n = strcspn(at, "\n");
        if (osp_str_columns((osp_str){at, n}) > 80 && !strstr(at, "last cycle"))
            fail_msg("too wide: %.*s", (int)n, at);
        at += n + (at[n] != 0);
    }
    osp_buf_drop(out);
}

static void says(const osp_gc_while *w, const char *text, bool wanted)
{
    osp_buf out = osp_buf_of(1 << 20);
    osp_gc_screen(&plain, w, S("shop (pid 1, go1.26.8)"), &out);
    is_screen(&out, text, wanted);
}

static void a_healthy_collector_is_called_so(void **state)
{
    (void)state;
    osp_gc_while w = healthy();
    says(&w, "✓ nothing unusual", true);
    says(&w, "▲", false);
    w.now.pause_ns[7] = 30 * MS; /* one long pause is none */
    says(&w, "▲", false);
    w = (osp_gc_while){.now = {.limit_bytes = INT64_MAX, .version = 12608, .limiter = -1}}; /* no cycle has been */
    says(&w, "▲", false);
    w.now.done = w.now.started = 3; /* the first cycles of a program make no average */
    w.now.cycle.cpu_fraction = 0.4;
    says(&w, "▲", false);
}

static void what_ails_a_collector_is_remarked(void **state)
{
    (void)state;
    osp_gc_while w = healthy();
    w.now.limiter = 1;
    says(&w, "held back", true);
    w = healthy();
    w.now.forced = 3000;
    says(&w, "forced: the program", true);
    w = healthy();
    w.now.cycle.cpu_fraction = 0.4;
    says(&w, "takes 40 % of the CPU", true);
    w = healthy();
    for (int i = 0; i < 20; i++)
        w.now.pause_ns[i] = 30 * MS;
    says(&w, "pauses of more than 10 ms", true);
    w = healthy();
    w.now.gc_percent = -1;
    says(&w, "nothing limits the heap", true);
    w.now.limit_bytes = 100 << 20;
    says(&w, "▲", false);
    w.now.goal_by_limit = true;
    for (uint64_t i = 0; i < OSP_GC_PAUSES; i++) {
        const uint64_t n = 3600 - 1 - i;
        w.now.pause_end_unix_ns[n % OSP_GC_PAUSES] = n * MS;
    }
    w.now.last_end_ns = w.now.taken_ns - MS;
    says(&w, "the limit makes", true);
}

static void sched_says(const osp_sched_span *s, const char *text, bool wanted)
{
    osp_buf out = osp_buf_of(1 << 20);
    osp_sched_screen(&plain, s, S("shop (pid 1, go1.26.8)"), 80, 0, &out);
    is_screen(&out, text, wanted);
}

static void only_what_lasts_is_remarked_of_a_scheduler(void **state)
{
    (void)state;
    osp_sched_span s = {.looks = 100,
                        .busy = 150,
                        .idle = 50,
                        .local = 80,
                        .looks_queued = 40,
                        .looks_starved = 8,
                        .spinning = 30,
                        .looks_spinning = 30,
                        .first_ns = 1,
                        .last_ns = 1000ull * MS,
                        .last = {.gomaxprocs = 2, .threads = 7}};
    sched_says(&s, "✓ nothing unusual", true);
    s.local = 1000;
    sched_says(&s, "wait for each P", true);
    s.local = 80;
    s.looks_starved = 40;
    sched_says(&s, "while Ps are idle", true);
    s.looks_starved = 8;
    s.busy = 20;
    s.spinning = 90;
    sched_says(&s, "look for work most of the time", true);
    s.looks = 10; /* too few */
    sched_says(&s, "▲", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_healthy_collector_is_called_so),
        cmocka_unit_test(what_ails_a_collector_is_remarked),
        cmocka_unit_test(only_what_lasts_is_remarked_of_a_scheduler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
