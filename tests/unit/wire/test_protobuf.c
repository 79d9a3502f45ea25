/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SPAN(lit) ((osp_span){(const uint8_t *)"" lit, sizeof(lit) - 1})

static void varints_come_back_as_they_were(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift < 64; shift++)
        for (int delta = -1; delta <= 1; delta++) {
            uint64_t v = ((uint64_t)1 << shift) + (uint64_t)(int64_t)delta, back = ~v;
            osp_buf b = osp_buf_of(100);
            osp_pb_put_varint(&b, v);
            assert_int_equal(b.n, osp_pb_varint_size(v));
            const uint8_t *p = (const uint8_t *)b.p;
            assert_ptr_equal(osp_pb_varint(p, p + b.n, &back), p + b.n);
            assert_true(back == v);
            for (size_t cut = 0; cut < b.n; cut++)
                assert_null(osp_pb_varint(p, p + cut, &back));
            osp_buf_drop(&b);
        }
}

static void a_varint_of_eleven_bytes_is_refused(void **state)
{
    (void)state;
    uint64_t v;
    osp_span ten = SPAN("\x81\x80\x80\x80\x80\x80\x80\x80\x80\x7f"),
             eleven = SPAN("\x81\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01");
    assert_non_null(osp_pb_varint(ten.p, ten.p + ten.n, &v)); /* what does not fit 64 bits is dropped, as in Go */
    assert_true(v == (((uint64_t)1 << 63) | 1));
    assert_null(osp_pb_varint(eleven.p, eleven.p + eleven.n, &v));
    assert_int_equal(osp_packed_count(eleven.p, eleven.n), 1);
}

static void fields_of_all_types_are_read(void **state)
{
    (void)state;
    osp_pb m = osp_pb_on(SPAN("\x08\x96\x01"
                              "\x11\x01\x02\x03\x04\x05\x06\x07\x08"
                              "\x1a\x03"
                              "abc"
                              "\x25\x01\x00\x00\x80"));
    assert_true(osp_pb_next(&m));
    assert_true(m.field == 1 && m.type == OSP_PB_VARINT && m.value == 150);
    assert_true(osp_pb_next(&m));
    assert_true(m.field == 2 && m.type == OSP_PB_FIXED64 && m.value == 0x0807060504030201);
    assert_true(osp_pb_next(&m));
    assert_true(m.field == 3 && m.type == OSP_PB_BYTES && osp_str_eq(osp_span_text(m.bytes), S("abc")));
    assert_true(osp_pb_next(&m));
    assert_true(m.field == 4 && m.type == OSP_PB_FIXED32 && m.value == 0x80000001);
    assert_false(osp_pb_next(&m));
    assert_null(m.why);
}

static void broken_messages_say_why_and_stay_broken(void **state)
{
    (void)state;
    const osp_span bad[] = {SPAN("\x80"),
                            SPAN("\x08"),
                            SPAN("\x08\x80"),
                            SPAN("\x11\x01\x02"),
                            SPAN("\x1a\x04"
                                 "abc"),
                            SPAN("\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
                            SPAN("\x25\x01"),
                            SPAN("\x0b"),
                            SPAN("\x0e")};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        osp_pb m = osp_pb_on(bad[i]);
        assert_false(osp_pb_next(&m));
        assert_non_null(m.why);
        assert_false(osp_pb_next(&m));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(varints_come_back_as_they_were),
        cmocka_unit_test(a_varint_of_eleven_bytes_is_refused),
        cmocka_unit_test(fields_of_all_types_are_read),
        cmocka_unit_test(broken_messages_say_why_and_stay_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
