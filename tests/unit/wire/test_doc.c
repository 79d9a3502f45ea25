/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void members_and_items_are_found(void **state)
{
    (void)state;
    osp_doc d;
    osp_err err;
    assert_true(osp_doc_read(
        S(" {\"a\":[1,{\"b\":[]},-2.5e1],\"c\":{},\"a2\":\"x\\u00e9\\n\\ud83d\\ude00\",\"n\":12345678901234567} "),
        &d, &err));
    uint32_t a = osp_doc_member(&d, 0, "a"), i = osp_doc_first(&d, a);
    assert_int_equal(osp_doc_int(&d, i), 1);
    i = osp_doc_next(&d, i);
    assert_int_not_equal(osp_doc_member(&d, i, "b"), 0);
    i = osp_doc_next(&d, i);
    assert_true(osp_doc_number(&d, i) == -25);
    assert_int_equal(osp_doc_next(&d, i), osp_doc_end(&d, a));
    assert_true(osp_str_eq(osp_doc_text(&d, osp_doc_member(&d, 0, "a2")), S("x\xc3\xa9\n\xf0\x9f\x98\x80")));
    assert_int_equal(osp_doc_int(&d, osp_doc_member(&d, 0, "n")), 12345678901234567);
    assert_int_equal(osp_doc_member(&d, 0, "b"), 0);
    osp_doc_drop(&d);
}

static void what_is_not_json_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",      "{",   "[1,]",  "{\"a\" 1}", "{\"a\":1,}", "[1 2]", "\"x",
                                      "\"x\\", "tru", "[] []", "{1:2}",     "]",          "[}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        osp_doc d;
        osp_err err;
        assert_false(osp_doc_read(osp_str_from(bad[i]), &d, &err));
        assert_int_equal(err.code, OSP_EFORMAT);
    }
}

static void depth_is_bounded(void **state)
{
    (void)state;
    osp_buf b = osp_buf_of(1 << 20);
    osp_doc d;
    osp_err err;
    osp_buf_fill(&b, '[', 512);
    osp_buf_fill(&b, ']', 512);
    assert_true(osp_doc_read(osp_buf_str(&b), &d, &err));
    osp_doc_drop(&d);
    b.n = 0;
    osp_buf_fill(&b, '[', 100000);
    assert_false(osp_doc_read(osp_buf_str(&b), &d, &err));
    assert_string_equal(err.msg, "JSON+0x200: too deep");
    osp_buf_drop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_and_items_are_found),
        cmocka_unit_test(what_is_not_json_is_refused),
        cmocka_unit_test(depth_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
