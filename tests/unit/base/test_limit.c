/* SPDX-License-Identifier: Apache-2.0 */
#include "base/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_bytes_or_have_a_unit),
        cmocka_unit_test(what_is_no_size_is_refused_and_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
