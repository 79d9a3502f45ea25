/* SPDX-License-Identifier: Apache-2.0 */
/* Chrome's trace events. */
#include "formats.h"

#define EVENT(ph, tid, ts, more) "{\"ph\":\"" ph "\",\"pid\":1,\"tid\":" #tid ",\"ts\":" #ts more "}"

static void durations_inside_others_are_their_callees(void **state)
{
    (void)state;
    check_stacks(
        S("{\"traceEvents\":[" EVENT("X", 1, 12, ",\"dur\":3,\"name\":\"b\"") "," EVENT("X", 1, 10, ",\"dur\":10,\"name\":\"a\"") "," EVENT(
            "B", 2, 1, ",\"name\":\"c\"") "," EVENT("B", 2, 4, ",\"name\":\"d\"") "," EVENT("E", 2, 6,
                                                                                            "") "," EVENT("E", 2, 9,
                                                                                                          "") "]}"),
        "chrome", "time", "a 7000\na;b 3000\nc 6000\nc;d 2000\n");
}

static void of_two_that_begin_at_once_the_longer_is_outside(void **state)
{
    (void)state;
    check_stacks(S("[" EVENT("X", 1, 10, ",\"dur\":4,\"name\":\"in\"") "," EVENT("X", 1, 10,
                                                                                 ",\"dur\":9,\"name\":\"out\"") "]"),
                 "chrome", "time", "out 5000\nout;in 4000\n");
}

static void what_is_not_nested_is_cut(void **state)
{
    (void)state;
    check_stacks(
        S("[" EVENT("X", 1, 0, ",\"dur\":4,\"name\":\"a\"") "," EVENT("X", 1, 2, ",\"dur\":9,\"name\":\"b\"") "]"),
        "chrome", "time", "a 2000\na;b 2000\n");
    check_stacks(S("[" EVENT("E", 1, 0, "") "," EVENT("B", 1, 2, ",\"name\":\"b\"") "," EVENT(
                     "X", 1, 5, ",\"dur\":0,\"name\":\"z\"") "]"),
                 "chrome", "time", "b 3000\n");
}

#define PROFILE EVENT("P", 2, 1, ",\"id\":\"0x1\",\"name\":\"Profile\",\"args\":{\"data\":{\"startTime\":100}}")
#define CHUNK(ts, data) EVENT("P", 9, ts, ",\"id\":\"0x1\",\"name\":\"ProfileChunk\",\"args\":{\"data\":{" data "}}")

static void samples_of_v8_are_read_across_chunks(void **state)
{
    (void)state;
    osp_str text = S("[" PROFILE "," CHUNK(
        3,
        "\"cpuProfile\":{\"nodes\":[{\"id\":3,\"parent\":2,\"callFrame\":{\"functionName\":\"\"}}],\"samples\":[3]},"
        "\"timeDeltas\":[20],\"endTime\":200") "," CHUNK(2, "\"cpuProfile\":{\"nodes\":[{\"id\":1,\"callFrame\":{"
                                                            "\"functionName\":\"(root)\"}},{\"id\":2,\"parent\":1,"
                                                            "\"callFrame\":{\"functionName\":\"f\"}}],\"samples\":[2,"
                                                            "2]},"
                                                            "\"timeDeltas\":[5,10]") "," EVENT("X", 2, 4,
                                                                                               ",\"dur\":3,\"name\":"
                                                                                               "\"other\"") "]");
    check_stacks(text, "chrome", "cpu", "f 30000\nf;(anonymous) 65000\n");
    check_stacks(text, "chrome", "samples", "f 2\nf;(anonymous) 1\n");
}

static void other_json_is_refused(void **state)
{
    (void)state;
    check_refused(S("{\"traceEvents\":[]}"), "chrome", "neither a duration");
    check_refused(S("{\"traceEvents\":7}"), "chrome", "no traceEvents");
    check_refused(S("[" PROFILE "," CHUNK(2, "\"cpuProfile\":{\"samples\":[7]}") "]"), "chrome",
                  "a node that is not there");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_inside_others_are_their_callees),
        cmocka_unit_test(of_two_that_begin_at_once_the_longer_is_outside),
        cmocka_unit_test(what_is_not_nested_is_cut),
        cmocka_unit_test(samples_of_v8_are_read_across_chunks),
        cmocka_unit_test(other_json_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
