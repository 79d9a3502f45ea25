/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "base/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void sizes_are_bytes_or_have_a_unit(void **state)
{
    (void)state;
    static const struct {
        const char *said;
        size_t bytes;
    } row[] = {
        {"2G", (size_t)2 << 30}, {"512m", (size_t)512 << 20}, {"1048576", 1 << 20}, {"1024k", 1 << 20}, {"", 0}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        size_t bytes = 1;
        osp_err err;
        setenv("OSPREY_MEMORY", row[i].said, 1);
        assert_true(osp_memory_said(&bytes, &err));
        assert_int_equal(bytes, row[i].bytes);
        assert_true(osp_memory_limit() == row[i].bytes || row[i].bytes == 0);
    }
}

static void what_is_no_size_is_refused_and_does_not_count(void **state)
{
    (void)state;
    static const char *const said[] = {"lots", "-1", "1023K", "0", "2GB", "99999999999T", "18446744073709551616",
                                       "G",    " 2G"};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        size_t bytes;
        osp_err err = {0};
        setenv("OSPREY_MEMORY", said[i], 1);
        assert_false(osp_memory_said(&bytes, &err));
        assert_int_equal(err.code, OSP_EUSAGE);
        assert_true(osp_memory_limit() >= (size_t)64 << 20);
    }
    unsetenv("OSPREY_MEMORY");
}

static void put(const char *folder, const char *name, const char *text)
{
    char path[256];
    osp_err err;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_true(osp_file_write(path, osp_str_from(text), &err));
}

static void the_least_limit_of_the_groups_above_counts(void **state)
{
    (void)state;
    static const char *const folders[] = {"a", "a/b", "memory", "memory/x"};
    char root[] = "/tmp/osprey-limit-XXXXXX", path[128];
    assert_non_null(mkdtemp(root));
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s/%s", root, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    put(root, "a/memory.max", "536870912\n");
    put(root, "a/b/memory.max", "max\n");
    const osp_str at = osp_str_from(root);
    assert_int_equal(osp_memory_of_cgroup(S("0::/a/b\n"), at), 512 << 20);
    assert_int_equal(osp_memory_of_cgroup(S("0::/\n"), at), SIZE_MAX);
    assert_int_equal(osp_memory_of_cgroup(S("no group"), at), SIZE_MAX);
    put(root, "memory.max", "1048576\n"); /* as a container sees it, whatever path the host has given it */
    assert_int_equal(osp_memory_of_cgroup(S("0::/system.slice/docker-1\n"), at), 1 << 20);
    put(root, "memory/x/memory.limit_in_bytes", "4096\n");
    assert_int_equal(osp_memory_of_cgroup(S("3:cpu:/x\n2:memory:/x\n"), at), 4096);
    put(root, "memory/x/memory.limit_in_bytes", "no number\n");
    assert_int_equal(osp_memory_of_cgroup(S("2:memory:/x\n"), at), SIZE_MAX);
    static const char *const files[] = {"a/memory.max",
                                        "a/b/memory.max",
                                        "memory.max",
                                        "memory/x/memory.limit_in_bytes",
                                        "a/b",
                                        "a",
                                        "memory/x",
                                        "memory",
                                        ""};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", root, files[i]);
        assert_int_equal(remove(path), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_bytes_or_have_a_unit),
        cmocka_unit_test(what_is_no_size_is_refused_and_does_not_count),
        cmocka_unit_test(the_least_limit_of_the_groups_above_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
