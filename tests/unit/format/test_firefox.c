/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles of the Firefox profiler. */
#include "formats.h"

#define HEAD "{\"meta\":{\"preprocessedProfileVersion\":46},"
#define TABLES                                                                                                \
    "\"stackTable\":{\"frame\":[0,1],\"prefix\":[null,0]},\"frameTable\":{\"func\":[0,1],\"line\":[null,7]}," \
    "\"funcTable\":{\"name\":[0,1],\"fileName\":[null,2]},\"stringArray\":[\"main\",\"work\",\"x.c\"]"

static void tables_of_a_thread_are_read(void **state)
{
    (void)state;
    check_stacks(S(HEAD
                   "\"threads\":[{\"name\":\"t\",\"samples\":{\"stack\":[0,1,null,1],\"weight\":[1,2,9,3]}," TABLES
                   "}]}"),
                 "firefox", "samples", "main 1\nmain;work 5\n");
    check_stacks(S(HEAD
                   "\"threads\":[{\"samples\":{\"stack\":[1],\"weight\":[0.5],\"weightType\":\"tracing-ms\"}," TABLES
                   "}]}"),
                 "firefox", "time", "main;work 500000\n");
}

static void shared_tables_are_read(void **state)
{
    (void)state;
    check_stacks(S(HEAD "\"shared\":{" TABLES
                        "},\"threads\":[{\"name\":\"t\",\"samples\":{\"stack\":[1],\"weight\":null}},"
                        "{\"name\":\"u\",\"samples\":{\"stack\":[0,1]}}]}"),
                 "firefox", "samples", "main 1\nmain;work 2\n");
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    osp_err err = {0};
    osp_profile *p = read_as(S("main;a \"q\";b_[i] 3\nmain 1\nx;a \"q\" 2\n"), "folded", NULL, &err);
    assert_non_null(p);
    osp_buf out = written(p, "firefox", "samples");
    check_stacks(osp_buf_str(&out), "firefox", "samples", "main 1\nmain;a \"q\";b 3\nx;a \"q\" 2\n");
    osp_buf_drop(&out);
    osp_profile_drop(p);
}

static void broken_profiles_are_refused(void **state)
{
    (void)state;
    check_refused(S(HEAD "\"threads\":7}"), "firefox", "no threads");
    check_refused(S(HEAD "\"threads\":[{}]}"), "firefox", "no thread in it has samples");
    check_refused(S(HEAD "\"threads\":[{\"samples\":{\"stack\":[0]},\"frameTable\":{\"func\":[0]}}]}"), "firefox",
                  "a function that is not there");
    check_refused(S(HEAD
                    "\"threads\":[{\"samples\":{\"stack\":[0]},\"stackTable\":{\"frame\":[0,0],\"prefix\":[1,0]},"
                    "\"frameTable\":{\"func\":[0]},\"funcTable\":{\"name\":[0]},\"stringArray\":[\"a\"]}]}"),
                  "firefox", "goes round");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_of_a_thread_are_read),
        cmocka_unit_test(shared_tables_are_read),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(broken_profiles_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
