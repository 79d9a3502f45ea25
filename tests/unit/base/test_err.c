/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void each_layer_puts_its_context_before_the_message(void **state)
{
    (void)state;
    osp_err err = {0};
    assert_false(osp_fail(&err, OSP_EFORMAT, "%d bytes wanted", 4));
    assert_false(osp_fail_in(&err, "Sample+0x%x", 6));
    assert_false(osp_fail_in(&err, "cpu.pb.gz"));
    assert_string_equal(err.msg, "cpu.pb.gz: Sample+0x6: 4 bytes wanted");
    assert_int_equal(err.code, OSP_EFORMAT);
}

static void errno_becomes_a_code_and_a_sentence(void **state)
{
    (void)state;
    static const struct {
        int e;
        osp_code code;
        const char *msg;
    } row[] = {
        {ENOENT, OSP_EABSENT, "x: No such file or directory"}, {ESRCH, OSP_EABSENT, "x: No such process"},
        {EPERM, OSP_EPERM, "x: Operation not permitted"},      {EACCES, OSP_EPERM, "x: Permission denied"},
        {ENOMEM, OSP_ELIMIT, "x: Cannot allocate memory"},     {EMFILE, OSP_ELIMIT, "x: Too many open files"},
        {ENOSPC, OSP_EIO, "x: No space left on device"},       {99999, OSP_EIO, "x: error 99999"},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        osp_err err = {0};
        assert_false(osp_fail_errno(&err, row[i].e, "%s", "x"));
        assert_int_equal(err.code, row[i].code);
        assert_string_equal(err.msg, row[i].msg);
    }
}

static void a_message_that_is_too_long_is_cut(void **state)
{
    (void)state;
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    osp_err err = {0};
    osp_fail(&err, OSP_EIO, "%s", text);
    assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
    osp_fail_in(&err, "%.*s", 200, text);
    assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
    osp_fail_in(&err, "%s", text);
    assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
    osp_fail_errno(&err, EIO, "%s", text);
    assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
    assert_int_equal(err.code, OSP_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_layer_puts_its_context_before_the_message),
        cmocka_unit_test(errno_becomes_a_code_and_a_sentence),
        cmocka_unit_test(a_message_that_is_too_long_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
