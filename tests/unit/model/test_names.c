/* SPDX-License-Identifier: Apache-2.0 */
#include "model/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void cpp_names_lose_their_arguments_and_go_names_do_not(void **state)
{
    (void)state;
    static const char *const pair[][2] = {
        {"main.main", "main.main"},
        {"std::sort<int, less<int>>(int*, int*)", "std::sort"},
        {"ns::(anonymous namespace)::go(int)", "ns::::go"}, /* so the peer */
        {"slices.Sort[go.shape.[]int]", "slices.Sort[go.shape.[]int]"},
        {"a.(*T[...]).Run", "a.(*T[...]).Run"},
        {"java.util.List.<init>", "java.util.List.<init>"},
        {"f[x](a(b)c", "f[x](a(b)c"}, /* never closed */
        {"f[x]a)b(c)", "f[x]a)b(c)"}, /* closed too often */
        {"x::f(a)b(c", "x::fb(c"},
    };
    const osp_query q = {.value = 0};
    osp_arena a;
    char text[200];
    osp_arena_init(&a, 1 << 16);
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++) {
        osp_str name = osp_str_from(pair[i][0]);
        assert_string_equal(osp_str_z(osp_readable_name(&a, name, name, &q), text, sizeof text), pair[i][1]);
        assert_string_equal(osp_str_z(osp_readable_name(&a, S(""), name, &q), text, sizeof text), pair[i][1]);
        assert_string_equal(osp_str_z(osp_readable_name(&a, name, S("other"), &q), text, sizeof text), pair[i][0]);
    }
    osp_arena_drop(&a);
}

static void pruning_looks_at_names_without_arguments(void **state)
{
    (void)state;
    static const char *const pair[][2] = {
        {"f(int)", "f"},
        {".f", "f"},
        {"operator()(int)", "operator()"},
        {"a::(anonymous namespace)::f(x)", "a::(anonymous namespace)::f"},
        {"main.(*T).f", "main."},
        {"", ""},
    };
    char text[200];
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++)
        assert_string_equal(osp_str_z(osp_pruning_name(osp_str_from(pair[i][0])), text, sizeof text), pair[i][1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpp_names_lose_their_arguments_and_go_names_do_not),
        cmocka_unit_test(pruning_looks_at_names_without_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
