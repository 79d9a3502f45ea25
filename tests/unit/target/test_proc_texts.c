/* SPDX-License-Identifier: Apache-2.0 */
#include "target/target_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/sysmacros.h>

static osp_arena arena;

static bool parse_maps(osp_str text, osp_map **m, uint32_t *n, osp_err *err)
{
    osp_arena_drop(&arena);
    osp_arena_init(&arena, 1 << 20);
    return osp_maps_parse(text, &arena, m, n, err);
}

static void a_memory_map_is_read_field_by_field(void **state)
{
    (void)state;
    osp_map *m;
    uint32_t n;
    osp_err err = {0};
    assert_true(parse_maps(S("559524175000-559524179000 r-xp 00004000 fe:1f 1835026    /usr/bin/a b\\012c (deleted)\n"
                             "7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0          [stack]\n"
                             "7ffd00040000-7ffd00041000 ---p 00000000 00:00 0 \n"
                             "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [vsyscall]\n"),
                           &m, &n, &err));
    assert_int_equal(n, 4);
    assert_true(m[0].start == 0x559524175000 && m[0].end == 0x559524179000 && m[0].offset == 0x4000);
    assert_true(m[0].read && !m[0].write && m[0].exec && m[0].deleted);
    assert_true(m[0].dev == makedev(0xfe, 0x1f) && m[0].inode == 1835026);
    assert_true(osp_str_eq(m[0].path, S("/usr/bin/a b\nc")));
    assert_true(osp_str_eq(m[1].path, S("[stack]")));
    assert_true(!m[1].deleted && m[1].write && !m[1].exec);
    assert_int_equal(m[2].path.n, 0);
    assert_true(!m[2].read);
    assert_true(m[3].end == 0xffffffffff601000);
}

static void a_broken_memory_map_is_refused_with_its_line(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "\n",
        "1000\n",
        "2000-1000 r-xp 0 0:0 0\n",
        "1000-2000 r-x 0 0:0 0\n",
        "1000-2000 r-xp g 0:0 0\n",
        "1000-2000 r-xp 0 0 0\n",
        "1000-2000 r-xp 0 0:0 x\n",
        "1000-20000000000000000 r-xp 0 0:0 0\n",
        "3000-4000 r-xp 0 0:0 0\n1000-2000 r-xp 0 0:0 0\n",
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        osp_map *m;
        uint32_t n;
        osp_err err = {0};
        assert_false(parse_maps(osp_str_from(broken[i]), &m, &n, &err));
        assert_int_equal(err.code, OSP_EFORMAT);
        assert_non_null(strstr(err.msg, "memory map, line "));
    }
}

static void a_thread_name_may_hold_blanks_and_parentheses(void **state)
{
    (void)state;
    osp_stat_line st;
    assert_true(
        osp_stat_parse(S("4711 (a) R (b) S 1 4711 4711 0 -1 4194560 1 2 3 4 55 66 0 0 20 0 7 0 8888 1 2 3\n"), &st));
    assert_true(osp_str_eq(st.name, S("a) R (b")));
    assert_int_equal(st.state, 'S');
    assert_int_equal(st.parent, 1);
    assert_int_equal(st.flags, 4194560);
    assert_int_equal(st.user_ticks, 55);
    assert_int_equal(st.system_ticks, 66);
    assert_int_equal(st.nthreads, 7);
    assert_int_equal(st.start_ticks, 8888);
    assert_int_equal(st.rss_pages, 2);
    assert_false(osp_stat_parse(S(""), &st));
    assert_false(osp_stat_parse(S("1 )x("), &st));
    assert_false(osp_stat_parse(S("1 (x) S 1 2 3"), &st));
    assert_false(osp_stat_parse(S("1 (x) S y 4711 4711 0 -1 4194560 1 2 3 4 55 66 0 0 20 0 7 0 8888"), &st));
}

#define HEX64 "4a9f00c0ffee4a9f00c0ffee4a9f00c0ffee4a9f00c0ffee4a9f00c0ffee4a9f"

static void a_container_is_called_as_its_manager_named_the_cgroup(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"0::/system.slice/docker-" HEX64 ".scope\n", "4a9f00c0ffee"},
        {"12:pids:/docker/" HEX64 "\n0::/\n", "4a9f00c0ffee"},
        {"0::/kubepods.slice/kubepods-burstable.slice/kubepods-pod7.slice/cri-containerd-" HEX64 ".scope\n",
         "4a9f00c0ffee"},
        {"0::/machine.slice/libpod-" HEX64 ".scope/container\n", "4a9f00c0ffee"},
        {"0::/lxc.payload.web1/system.slice/x.service\n", "web1"},
        {"0::/machine.slice/machine-debian.scope/payload\n", "debian"},
        {"0::/system.slice/gateway.service\n", ""},
        {"0::/docker-" HEX64 "0.scope\n", ""}, /* 65 digits are no id */
        {"0::/\n", ""},
        {"", ""},
        {"no line of this kind", ""},
        {"0::" HEX64, "4a9f00c0ffee"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        osp_str name = osp_container_parse(osp_str_from(cases[i][0]));
        if (!osp_str_eq(name, osp_str_from(cases[i][1])))
            fail_msg("%s: `%.*s`", cases[i][0], STRF(name));
    }
}

static osp_kallsyms *kallsyms(const char *text, osp_err *err)
{
    osp_kallsyms *k = osp_kallsyms_new(err);
    assert_non_null(k);
    if (osp_kallsyms_feed(k, osp_str_from(text), err) && osp_kallsyms_finish(k, err))
        return k;
    osp_kallsyms_close(k);
    return NULL;
}

static void kernel_symbols_are_sorted_and_the_best_name_wins(void **state)
{
    (void)state;
    osp_err err = {0};
    osp_kallsyms *k = kallsyms("0000000000000000 A fixed_percpu_data\n"
                               "ffffffff81000000 t __local\n"
                               "ffffffff81000000 W weak\n"
                               "ffffffff81000000 T __x64_global\n"
                               "ffffffff81000000 T global\n"
                               "ffffffff81000100 D data\n"
                               "ffffffffc0a41000 t nf_hook\t[nf_tables]\n"
                               "ffffffffc0a41020 t nf_other\t[nf_tables]\n"
                               "ffffffff81000200 t second\n",
                               &err);
    assert_non_null(k);
    osp_str name, module;
    uint64_t start;
    assert_true(osp_kallsyms_at(k, 0xffffffff81000150, &name, &module, &start));
    assert_true(osp_str_eq(name, S("global")) && module.n == 0 && start == 0xffffffff81000000);
    assert_true(osp_kallsyms_at(k, 0xffffffff81000200, &name, &module, &start));
    assert_true(osp_str_eq(name, S("second")));
    assert_true(osp_kallsyms_at(k, 0xffffffffc0a41021, &name, &module, &start));
    assert_true(osp_str_eq(name, S("nf_other")) && osp_str_eq(module, S("nf_tables")));
    assert_false(osp_kallsyms_at(k, 0xffffffff80ffffff, &name, &module, &start));
    assert_false(osp_kallsyms_at(k, 0xffffffffc0b41000, &name, &module, &start));
    osp_kallsyms_close(k);
}

static void kernel_symbols_of_some_addresses_are_those_of_all(void **state)
{
    (void)state;
    static const char text[] = "ffffffff81000000 T a\n"
                               "ffffffff81000010 t b\n"
                               "ffffffff81000010 T b_too\n"
                               "ffffffff81000020 T c\n"
                               "ffffffffc0a41000 t m\t[one]\n"
                               "ffffffffc0a41020 t n\t[one]\n"
                               "ffffffffc0a31000 t o\t[two]\n"
                               "ffffffffc0a31030 t p\t[two]\n"
                               "ffffffff81000030 T late\n";
    static const uint64_t only[] = {0xffffffff81000011, 0xffffffff8100001f, 0xffffffff81000030, 0xffffffffc0a31001,
                                    0xffffffffc0a41fff};
    osp_err err = {0};
    osp_kallsyms *all = kallsyms(text, &err), *some = osp_kallsyms_new(&err);
    assert_true(all && some);
    osp_kallsyms_only(some, only, 5);
    assert_true(osp_kallsyms_feed(some, osp_str_from(text), &err) && osp_kallsyms_finish(some, &err));
    for (int i = 0; i < 5; i++) {
        osp_str name[2], module[2];
        uint64_t start[2];
        assert_true(osp_kallsyms_at(all, only[i], &name[0], &module[0], &start[0]));
        assert_true(osp_kallsyms_at(some, only[i], &name[1], &module[1], &start[1]));
        assert_true(osp_str_eq(name[0], name[1]) && osp_str_eq(module[0], module[1]) && start[0] == start[1]);
    }
    osp_kallsyms_close(all);
    osp_kallsyms_close(some);
}

static void hidden_and_broken_kernel_symbols_are_told_apart(void **state)
{
    (void)state;
    osp_err err = {0};
    assert_null(kallsyms("0000000000000000 T _stext\n0000000000000000 t x\t[y]\n", &err));
    assert_int_equal(err.code, OSP_EABSENT);
    assert_null(kallsyms("ffffffff81000000 T\n", &err));
    assert_int_equal(err.code, OSP_EFORMAT);
    assert_null(kallsyms("no symbols here\n", &err));
    assert_int_equal(err.code, OSP_EFORMAT);
}

static void a_process_is_in_its_cgroup_and_in_those_above(void **state)
{
    osp_str text = S("12:cpu,cpuacct:/docker/abc/sub\n3:name=systemd:/x\n0::/system.slice/a.service\n");
    (void)state;
    assert_true(osp_cgroup_text_holds(text, 12, S("/docker/abc/sub")));
    assert_true(osp_cgroup_text_holds(text, 12, S("/docker/abc")));
    assert_true(osp_cgroup_text_holds(text, 12, S("")));
    assert_true(osp_cgroup_text_holds(text, 0, S("/system.slice")));
    assert_false(osp_cgroup_text_holds(text, 12, S("/docker/ab")));
    assert_false(osp_cgroup_text_holds(text, 12, S("/docker/abc/sub/more")));
    assert_false(osp_cgroup_text_holds(text, 0, S("/docker/abc")));
    assert_false(osp_cgroup_text_holds(text, 7, S("")));
    assert_false(osp_cgroup_text_holds(S("nonsense"), 0, S("")));
}

static void trees_of_cgroups_are_told_by_their_version(void **state)
{
    (void)state;
    osp_str controllers = S("#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t3\t120\t1\nmemory\t0\t9\t1\n"), at;
    uint32_t hierarchy;
    assert_true(osp_cgroup_mount_parse(S("25 1 0:22 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw"), controllers,
                                       &at, &hierarchy));
    assert_true(osp_str_eq(at, S("/sys/fs/cgroup")) && hierarchy == 0);
    assert_true(
        osp_cgroup_mount_parse(S("30 25 0:26 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu,cpuacct"),
                               controllers, &at, &hierarchy));
    assert_true(osp_str_eq(at, S("/sys/fs/cgroup/cpu")) && hierarchy == 3);
    /* A tree of names has no controller by which the kernel side could find it. */
    assert_false(osp_cgroup_mount_parse(S("31 25 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd"),
                                        controllers, &at, &hierarchy));
    assert_false(osp_cgroup_mount_parse(S("20 1 0:5 / /proc rw - proc proc rw"), controllers, &at, &hierarchy));
    assert_false(osp_cgroup_mount_parse(S(""), controllers, &at, &hierarchy));
}

static void a_cgroup_is_found_by_what_people_call_it(void **state)
{
    (void)state;
    osp_str id = S("3f2a9c0d11223344556677889900aabbccddeeff00112233445566778899aabb");
    osp_str folder = S("docker-3f2a9c0d11223344556677889900aabbccddeeff00112233445566778899aabb.scope");
    assert_true(osp_cgroup_is_called(S("nginx.service"), S("nginx")));
    assert_true(osp_cgroup_is_called(S("nginx.service"), S("nginx.service")));
    assert_false(osp_cgroup_is_called(S("nginx2.service"), S("nginx")));
    assert_true(osp_cgroup_is_called(id, osp_str_head(id, 12)));
    assert_true(osp_cgroup_is_called(folder, osp_str_head(id, 12)));
    assert_false(osp_cgroup_is_called(folder, S("3f2a")));
    assert_false(osp_cgroup_is_called(folder, S("9c0d1122")));
}

static void pressure_is_the_total_of_its_line(void **state)
{
    (void)state;
    osp_str text = S("some avg10=0.12 avg60=0.05 avg300=0.01 total=123456\n"
                     "full avg10=0.00 avg60=0.00 avg300=0.00 total=789\n");
    assert_int_equal(osp_pressure_us(text, "some"), 123456);
    assert_int_equal(osp_pressure_us(text, "full"), 789);
    assert_true(osp_pressure_us(S("some avg10=0.12 total=1\n"), "full") == UINT64_MAX); /* cpu, before Linux 5.13 */
    assert_true(osp_pressure_us(S("full avg10=0.00 total=\n"), "full") == UINT64_MAX);
    assert_true(osp_pressure_us(S("full total=99999999999999999999999\n"), "full") == UINT64_MAX);
    assert_true(osp_pressure_us(S(""), "some") == UINT64_MAX);
}

static void a_number_stands_behind_its_whole_key(void **state)
{
    (void)state;
    osp_str text = S("pswpin 5\npswpin_more 7\npswpout x\nlast 18446744073709551615");
    assert_int_equal(osp_keyed_number(text, "pswpin"), 5);
    assert_int_equal(osp_keyed_number(text, "pswp"), 0);
    assert_int_equal(osp_keyed_number(text, "pswpout"), 0);
    assert_true(osp_keyed_number(text, "last") == UINT64_MAX);
}

static void a_status_field_is_in_kilobytes(void **state)
{
    (void)state;
    osp_str text = S("Name:\tVmRSS: 3\nVmRSS:\t    1024 kB\nVmSwap:\t18446744073709551615 kB\n");
    assert_int_equal(osp_status_bytes(text, S("VmRSS")), 1 << 20);
    assert_int_equal(osp_status_bytes(text, S("VmSwap")), 0); /* cannot be */
    assert_int_equal(osp_status_bytes(text, S("VmHWM")), 0);
}

static void a_limit_is_the_soft_one(void **state)
{
    (void)state;
    osp_str text = S("Limit                     Soft Limit           Hard Limit           Units     \n"
                     "Max stack size            8388608              unlimited            bytes     \n"
                     "Max open files            1024                 1048576              files     \n"
                     "Max address space         unlimited            unlimited            bytes     \n");
    assert_int_equal(osp_limit_of(text, S("Max stack size")), 8388608);
    assert_int_equal(osp_limit_of(text, S("Max open files")), 1024);
    assert_true(osp_limit_of(text, S("Max address space")) == UINT64_MAX);
    assert_true(osp_limit_of(text, S("Max cpu time")) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pressure_is_the_total_of_its_line),
        cmocka_unit_test(a_number_stands_behind_its_whole_key),
        cmocka_unit_test(a_status_field_is_in_kilobytes),
        cmocka_unit_test(a_limit_is_the_soft_one),
        cmocka_unit_test(a_memory_map_is_read_field_by_field),
        cmocka_unit_test(a_broken_memory_map_is_refused_with_its_line),
        cmocka_unit_test(a_thread_name_may_hold_blanks_and_parentheses),
        cmocka_unit_test(a_container_is_called_as_its_manager_named_the_cgroup),
        cmocka_unit_test(kernel_symbols_are_sorted_and_the_best_name_wins),
        cmocka_unit_test(kernel_symbols_of_some_addresses_are_those_of_all),
        cmocka_unit_test(hidden_and_broken_kernel_symbols_are_told_apart),
        cmocka_unit_test(a_process_is_in_its_cgroup_and_in_those_above),
        cmocka_unit_test(trees_of_cgroups_are_told_by_their_version),
        cmocka_unit_test(a_cgroup_is_found_by_what_people_call_it),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    osp_arena_drop(&arena);
    return failed;
}
