/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of cgroups, from files as kernels write them: a pod's of version 2, and a tree of version 1. */
#include "target/target_internal.h"

#include "base/file.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];

static void put(const char *path, const char *text)
{
    char full[512];
    osp_err err;
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *c = full + strlen(root) + 1; *c; c++)
        if (*c == '/') {
            *c = 0;
            (void)mkdir(full, 0700);
            *c = '/';
        }
    assert_true(osp_file_write(full, osp_str_from(text), &err));
}

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/osprey-cgroup-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int forget(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

static int drop_root(void **state)
{
    (void)state;
    return nftw(root, forget, 16, FTW_DEPTH | FTW_PHYS);
}

static osp_cgroup_usage usage(const char *mountinfo, const char *cgroups)
{
    osp_cgroup_usage u;
    osp_cgroup_usage_of(root, osp_str_from(mountinfo), osp_str_from(cgroups), &u);
    return u;
}

#define V2 "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"

static void the_tightest_limit_of_version_2_counts(void **state)
{
    (void)state;
    put("/sys/fs/cgroup/cpu.stat", "usage_usec 1\n");
    put("/sys/fs/cgroup/kubepods/pod1/cpu.max", "50000 100000\n");
    put("/sys/fs/cgroup/kubepods/pod1/cpu.stat",
        "usage_usec 77\nuser_usec 70\nsystem_usec 7\nnr_periods 1000\nnr_throttled 900\nthrottled_usec 45000000\n");
    put("/sys/fs/cgroup/kubepods/pod1/memory.max", "536870912\n");
    put("/sys/fs/cgroup/kubepods/pod1/memory.current", "536000000\n");
    put("/sys/fs/cgroup/kubepods/pod1/memory.stat", "anon 5\nfile 6\ninactive_file 4096\n");
    put("/sys/fs/cgroup/kubepods/pod1/box/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/kubepods/pod1/box/memory.max", "max\n");
    put("/sys/fs/cgroup/kubepods/pod1/box/memory.high", "400000000\n");
    put("/sys/fs/cgroup/kubepods/pod1/box/memory.events", "low 0\nhigh 12\nmax 3\noom 2\noom_kill 1\n");
    put("/sys/fs/cgroup/kubepods/pod1/box/pids.max", "100\n");
    put("/sys/fs/cgroup/kubepods/pod1/box/pids.current", "7\n");
    put("/sys/fs/cgroup/kubepods/pod1/box/cgroup.events", "populated 1\nfrozen 1\n");
    osp_cgroup_usage u = usage(V2, "0::/kubepods/pod1/box\n");
    assert_true(u.known && u.quota_cores == 0.5 && u.period_us == 100000);
    assert_int_equal(u.periods, 1000);
    assert_int_equal(u.throttled_periods, 900);
    assert_int_equal(u.throttled_ns, 45000000000);
    assert_string_equal(u.cpu_path, "/sys/fs/cgroup/kubepods/pod1");
    assert_int_equal(u.memory_limit, 536870912);
    assert_int_equal(u.memory_bytes, 536000000);
    assert_int_equal(u.reclaimable_bytes, 4096);
    assert_int_equal(u.memory_high, 400000000);
    assert_int_equal(u.high_events, 12);
    assert_int_equal(u.max_events, 3);
    assert_int_equal(u.oom_kills, 1);
    assert_int_equal(u.pids_limit, 100);
    assert_int_equal(u.pids, 7);
    assert_true(u.frozen);
}

#define V1                                                                        \
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" \
    "35 31 0:32 /docker/ab /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"  \
    "38 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"

static void a_tree_of_version_1_is_read(void **state)
{
    (void)state;
    put("/sys/fs/cgroup/cpu,cpuacct/docker/ab/cpu.cfs_quota_us", "150000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/docker/ab/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/docker/ab/cpu.stat", "nr_periods 10\nnr_throttled 4\nthrottled_time 12345\n");
    put("/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/memory/in/memory.limit_in_bytes", "9223372036854771712\n"); /* none */
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "104857600\n");
    put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "99999744\n");
    put("/sys/fs/cgroup/memory/in/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n");
    put("/sys/fs/cgroup/memory/in/memory.failcnt", "17\n");
    osp_cgroup_usage u = usage(V1, "4:memory:/docker/ab/in\n2:cpu,cpuacct:/docker/ab\n0::/\n");
    assert_true(u.known && u.quota_cores == 1.5);
    assert_int_equal(u.throttled_ns, 12345);
    assert_int_equal(u.memory_limit, 104857600);
    assert_int_equal(u.memory_bytes, 99999744);
    assert_string_equal(u.memory_path, "/sys/fs/cgroup/memory");
    assert_int_equal(u.oom_kills, 5);
    assert_int_equal(u.max_events, 17);
    assert_false(u.frozen);
}

static void where_nothing_is_limited_nothing_is_said(void **state)
{
    (void)state;
    put("/sys/fs/cgroup/free/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/free/memory.max", "max\n");
    osp_cgroup_usage u = usage(V2, "0::/free\n");
    assert_true(u.known && u.quota_cores == 0 && u.memory_limit == 0 && u.pids_limit == 0 && !u.cpu_path[0]);
    assert_false(usage("", "0::/free\n").known);
    assert_false(usage(V2, "").known);
    assert_false(usage("nonsense", "nonsense").known);
}

static void nonsense_in_files_is_no_limit(void **state)
{
    (void)state;
    put("/sys/fs/cgroup/odd/cpu.max", "50000 0\n");
    put("/sys/fs/cgroup/odd/memory.max", "-5\n");
    put("/sys/fs/cgroup/odd/pids.max", "99999999999999999999999\n");
    osp_cgroup_usage u = usage(V2, "0::/odd\n");
    assert_true(u.quota_cores == 0 && u.memory_limit == 0 && u.pids_limit == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_tightest_limit_of_version_2_counts, make_root, drop_root),
        cmocka_unit_test_setup_teardown(a_tree_of_version_1_is_read, make_root, drop_root),
        cmocka_unit_test_setup_teardown(where_nothing_is_limited_nothing_is_said, make_root, drop_root),
        cmocka_unit_test_setup_teardown(nonsense_in_files_is_no_limit, make_root, drop_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
