/* SPDX-License-Identifier: Apache-2.0 */
/* What two looks of a guard say. */
#include "agent/agent.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const osp_guard_look quiet = {
    .at_s = 10,
    .alive = true,
    .goroutines = 10,
    .stalled_s = 1,
    .probe_s = -1,
    .usage = {.rss_bytes = 100 << 20, .threads = 8, .fds = 20, .user_ns = 1000000000},
    .cgroup = {.known = true, .memory_limit = 200 << 20, .memory_bytes = 120 << 20, .reclaimable_bytes = 10 << 20},
};

static const osp_guard_limits all = {.cpu_cores = 1.5,
                                     .rss_bytes = 150 << 20,
                                     .memory_share = 0.9,
                                     .goroutines = 100,
                                     .threads = 50,
                                     .fds = 100,
                                     .pressure = 0.2,
                                     .memory_events = true,
                                     .oom = true,
                                     .probe = "http://localhost/",
                                     .probe_s = 0.5};

static osp_guard_look a_second_later(void)
{
    osp_guard_look l = quiet;
    l.at_s += 1;
    return l;
}

static void trips(const osp_guard_look *now, osp_trip_kind kind)
{
    osp_trip t;
    osp_guard_judge(&all, &quiet, now, &t);
    assert_int_equal(t.kind, kind);
    assert_true((t.text[0] != 0) == (kind != OSP_TRIP_NONE));
    osp_guard_judge(&(osp_guard_limits){0}, &quiet, now, &t); /* what is not asked for trips nothing */
    assert_int_equal(t.kind, kind == OSP_TRIP_ENDED || kind == OSP_TRIP_OOM ? OSP_TRIP_ENDED : OSP_TRIP_NONE);
}

static void a_quiet_process_trips_nothing(void **state)
{
    (void)state;
    osp_guard_look l = a_second_later();
    trips(&l, OSP_TRIP_NONE);
}

static void each_limit_trips(void **state)
{
    (void)state;
    osp_guard_look l = a_second_later();
    l.usage.user_ns += 1600000000;
    trips(&l, OSP_TRIP_CPU);
    l = a_second_later();
    l.usage.rss_bytes = 151 << 20;
    trips(&l, OSP_TRIP_RSS);
    l = a_second_later();
    l.cgroup.memory_bytes = 191 << 20;
    trips(&l, OSP_TRIP_MEMORY);
    l = a_second_later();
    l.goroutines = 101;
    trips(&l, OSP_TRIP_GOROUTINES);
    l = a_second_later();
    l.usage.threads = 51;
    trips(&l, OSP_TRIP_THREADS);
    l = a_second_later();
    l.usage.fds = 101;
    trips(&l, OSP_TRIP_FDS);
    l = a_second_later();
    l.stalled_s += 0.25;
    trips(&l, OSP_TRIP_PRESSURE);
    l = a_second_later();
    l.cgroup.high_events = 1;
    trips(&l, OSP_TRIP_MEMORY_EVENT);
    l = a_second_later();
    l.probe_s = INFINITY;
    trips(&l, OSP_TRIP_PROBE);
    l.probe_s = 0.6;
    trips(&l, OSP_TRIP_PROBE);
}

static void cache_that_can_go_at_once_is_not_used_memory(void **state)
{
    (void)state;
    osp_guard_look l = a_second_later();
    l.cgroup.memory_bytes = 199 << 20;
    l.cgroup.reclaimable_bytes = 60 << 20;
    trips(&l, OSP_TRIP_NONE);
}

static void an_oom_kill_comes_before_the_end_it_makes(void **state)
{
    (void)state;
    osp_guard_look l = a_second_later();
    l.alive = false;
    l.cgroup.oom_kills = 1;
    trips(&l, OSP_TRIP_OOM);
    l.cgroup.oom_kills = 0;
    trips(&l, OSP_TRIP_ENDED);
}

static void what_is_not_known_trips_nothing(void **state)
{
    (void)state;
    osp_guard_look l = a_second_later();
    l.goroutines = -1;
    l.usage.fds = UINT32_MAX;
    l.stalled_s = -1;
    l.probe_s = -1;
    l.cgroup = (osp_cgroup_usage){.oom_kills = 7, .max_events = 9};
    trips(&l, OSP_TRIP_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quiet_process_trips_nothing),
        cmocka_unit_test(each_limit_trips),
        cmocka_unit_test(cache_that_can_go_at_once_is_not_used_memory),
        cmocka_unit_test(an_oom_kill_comes_before_the_end_it_makes),
        cmocka_unit_test(what_is_not_known_trips_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
