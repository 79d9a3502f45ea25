/* SPDX-License-Identifier: Apache-2.0 */
/* speedscope's JSON and V8's CPU profiles. */
#include "formats.h"

#define SHARED                                   \
    "{\"$schema\":\"https://www.speedscope.app/" \
    "file-format-schema.json\",\"shared\":{\"frames\":[{\"name\":\"a\"},{\"name\":\"b\"}]},\"profiles\":["

static void sampled_profiles_are_read(void **state)
{
    (void)state;
    check_stacks(S(SHARED
                   "{\"type\":\"sampled\",\"name\":\"t\",\"unit\":\"milliseconds\",\"startValue\":0,\"endValue\":3,"
                   "\"samples\":[[0,1],[0],[0,1]],\"weights\":[1,2,0.5]}]}"),
                 "speedscope", "time", "a 2000000\na;b 1500000\n");
    check_stacks(S(SHARED "{\"type\":\"sampled\",\"name\":\"\",\"unit\":\"none\",\"samples\":[[0,1],[0]]}]}"),
                 "speedscope", "samples", "a 1\na;b 1\n");
}

static void evented_profiles_become_self_times(void **state)
{
    (void)state;
    check_stacks(
        S(SHARED
          "{\"type\":\"evented\",\"name\":\"t\",\"unit\":\"nanoseconds\",\"startValue\":0,\"endValue\":9,\"events\":["
          "{\"type\":\"O\",\"frame\":0,\"at\":1},{\"type\":\"O\",\"frame\":1,\"at\":3},"
          "{\"type\":\"C\",\"frame\":1,\"at\":7},{\"type\":\"C\",\"frame\":0,\"at\":9}]}]}"),
        "speedscope", "time", "a 4\na;b 4\n");
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    osp_err err;
    osp_profile *p = read_as(S("main;a \"q\";b_[i] 3\nmain 1\n"), "folded", NULL, &err);
    assert_non_null(p);
    osp_buf out = written(p, "speedscope", "samples");
    check_stacks(osp_buf_str(&out), "speedscope", "samples", "main 1\nmain;a \"q\";b 3\n");
    osp_buf_drop(&out);
    osp_profile_drop(p);
}

static void broken_speedscope_files_are_refused(void **state)
{
    (void)state;
    check_refused(S("{\"shared\":{}}"), "speedscope", "no shared.frames");
    check_refused(S(SHARED "]}"), "speedscope", "no profile");
    check_refused(S(SHARED "{\"type\":\"sampled\",\"samples\":[[2]]}]}"), "speedscope", "a frame that is not there");
    check_refused(S(SHARED "{\"type\":\"evented\",\"events\":[{\"type\":\"C\",\"frame\":0,\"at\":1}]}]}"),
                  "speedscope", "was not open");
    check_refused(S(SHARED), "speedscope", "JSON+");
}

static void cpu_profiles_of_v8_are_read(void **state)
{
    (void)state;
    osp_str text = S(
        "{\"nodes\":[{\"id\":1,\"callFrame\":{\"functionName\":\"(root)\",\"url\":\"\",\"lineNumber\":-1},"
        "\"children\":[2,4]},"
        "{\"id\":2,\"callFrame\":{\"functionName\":\"\",\"url\":\"file:///x.js\",\"lineNumber\":0},\"children\":[3]},"
        "{\"id\":3,\"callFrame\":{\"functionName\":\"f\",\"url\":\"file:///x.js\",\"lineNumber\":6}},"
        "{\"id\":4,\"callFrame\":{\"functionName\":\"g\",\"url\":\"\",\"lineNumber\":-1},\"parent\":3}],"
        "\"startTime\":1000,\"endTime\":1100,\"samples\":[3,2,3],\"timeDeltas\":[10,20,30]}");
    check_stacks(text, "cpuprofile", "cpu", "(anonymous) 30000\n(anonymous);f 60000\n");
    check_stacks(text, "cpuprofile", "samples", "(anonymous) 1\n(anonymous);f 2\n");
    check_refused(S("{\"nodes\":[],\"samples\":[1]}"), "cpuprofile", "sample 0 is of a node that is not there");
    check_refused(S("{}"), "cpuprofile", "no nodes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sampled_profiles_are_read),     cmocka_unit_test(evented_profiles_become_self_times),
        cmocka_unit_test(what_is_written_is_read_again), cmocka_unit_test(broken_speedscope_files_are_refused),
        cmocka_unit_test(cpu_profiles_of_v8_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
