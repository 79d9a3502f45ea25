/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void check(const char *path, const char *trim, const char *source, const char *want)
{
    osp_arena a;
    char text[200];
    osp_arena_init(&a, 1 << 16);
    assert_string_equal(osp_str_z(osp_clean_path(&a, osp_str_from(path), osp_str_from(trim), osp_str_from(source)),
                                  text, sizeof text),
                        want);
    osp_arena_drop(&a);
}

static void the_shortest_path_that_means_the_same(void **state)
{
    (void)state;
    static const char *const pair[][2] = {
        /* the left column is of Go's own tests of path.Clean */
        {"", ""},
        {"abc", "abc"},
        {"abc/", "abc"},
        {"abc//def//ghi", "abc/def/ghi"},
        {"//abc", "/abc"},
        {"abc/./def", "abc/def"},
        {"/./abc/def", "/abc/def"},
        {"abc/def/..", "abc"},
        {"abc/def/../..", "."},
        {"/abc/def/../..", "/"},
        {"abc/def/../../..", ".."},
        {"/abc/def/../../..", "/"},
        {"abc/def/../../../ghi/jkl/../../../mno", "../../mno"},
        {"/../abc", "/abc"},
        {"../../abc", "../../abc"},
        {"abc/./../def", "def"},
        {"/", "/"},
        {"./", "."},
        {"..", ".."},
        {"a/../../b", "../b"},
    };
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++)
        check(pair[i][0], "", "", pair[i][1]);
}

static void the_base_of_a_path_is_that_of_filepath_base(void **state)
{
    (void)state;
    static const char *const pair[][2] = {
        /* of Go's own tests of path/filepath.Base */
        {"", "."},      {".", "."},         {"/.", "."},      {"/", "/"},       {"////", "/"},      {"x/", "x"},
        {"abc", "abc"}, {"abc/def", "def"}, {"a/b/.x", ".x"}, {"a/b/c.", "c."}, {"a/b/c.x", "c.x"},
    };
    char text[200];
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++)
        assert_string_equal(osp_str_z(osp_path_base(osp_str_from(pair[i][0])), text, sizeof text), pair[i][1]);
}

static void prefixes_are_cut_by_whole_folders(void **state)
{
    (void)state;
    check("/proc/self/cwd/x.c", "", "", "x.c");
    check("/proc/self/cwd/./x.c", "", "", "x.c");
    check("/srv/me/src/x.go", "/go:/srv/me", "", "src/x.go");
    check("/srv/mess/x.go", "/srv/me", "", "/srv/mess/x.go");
    check("/remote/proj/foo/bar.c", "", "/my/local/proj", "foo/bar.c");
    check("/remote/other/bar.c", "", "/my/local/proj", "/remote/other/bar.c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shortest_path_that_means_the_same),
        cmocka_unit_test(the_base_of_a_path_is_that_of_filepath_base),
        cmocka_unit_test(prefixes_are_cut_by_whole_folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
