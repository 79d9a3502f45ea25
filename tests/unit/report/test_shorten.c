/* SPDX-License-Identifier: Apache-2.0 */
#include "report/shorten.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void becomes(const char *name, const char *want)
{
    char room[200], text[200];
    assert_true(OSP_SHORT_NAME_ROOM(osp_str_from(name)) <= sizeof room);
    assert_string_equal(osp_str_z(osp_short_name(osp_str_from(name), room), text, sizeof text), want);
}

static void go_loses_directories_and_versions(void **state)
{
    (void)state;
    becomes("runtime.mallocgc", "runtime.mallocgc");
    becomes("encoding/json.(*decodeState).value", "json.(*decodeState).value");
    becomes("example.org/team/tool/v2.(*Set).Add", "tool.(*Set).Add");
    becomes("example.org/team/tool/v17/inner.Add[...]", "inner.Add[...]");
    becomes("example.org/tool/v1.Add", "v1.Add");
    becomes("example.org/tool/v0.Add", "v0.Add");
    becomes("example.org/v2x.Add", "v2x.Add");
    becomes("a/v3/v3.Add", "v3.Add");
    becomes("no/dot/at/all", "no/dot/at/all");
    becomes("a//b.c", "/b.c");
    becomes("a/b.c\nd", "b.c");
}

static void java_loses_packages_and_arguments(void **state)
{
    (void)state;
    becomes("org.acme.util.Pool$Worker.run", "Pool$Worker.run");
    becomes("org.acme.Thing.<init>(int)", "Thing.<init>");
    becomes("org.acme.Thing.lambda$go$0(int)", "Thing.lambda$go$0");
    becomes("org.acme.Thing.Go", "org.acme.Thing.Go");
}

static void cpp_loses_namespaces(void **state)
{
    (void)state;
    becomes("(anonymous namespace)::Bar::baz", "Bar::baz");
    becomes("one::two::Thing::~Thing", "Thing::~Thing");
    becomes("one::Thing::put<a<b>, c>(d)", "Thing::put<a<b>, c>");
    becomes("one::__Thing::put()::x", "__Thing::put");
    becomes("one::two::three", "one::two::three");
    becomes("Thing::put", "Thing::put");
}

static void odd_names_stay(void **state)
{
    (void)state;
    becomes("", "");
    becomes("/", "/");
    becomes("::", "::");
    becomes("a/", "a/");
    becomes("/v2.", ".");
    becomes("\xff/\xff.x", "\xff/\xff.x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(go_loses_directories_and_versions),
        cmocka_unit_test(java_loses_packages_and_arguments),
        cmocka_unit_test(cpp_loses_namespaces),
        cmocka_unit_test(odd_names_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
