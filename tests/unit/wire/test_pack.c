/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static osp_buf pack(osp_pack how, osp_str bytes)
{
    osp_err err;
    osp_buf out = osp_buf_of(1 << 24);
    assert_true(osp_pack_bytes(how, bytes, 6, &out, &err));
    return out;
}

static void check_unpacks_to(const osp_buf *packed, osp_str want)
{
    osp_err err;
    osp_span out;
    assert_true(osp_unpack(osp_str_bytes(osp_buf_str(packed)), 1 << 24, &out, &err));
    assert_true(osp_str_eq(osp_span_text(out), want));
    free((void *)out.p);
}

static void what_was_packed_is_unpacked(void **state)
{
    (void)state;
    osp_buf text = osp_buf_of(1 << 22);
    for (int i = 0; i < 100000; i++)
        osp_buf_fmt(&text, "%d,", i % 1000 * i);
    const osp_str cases[] = {S(""), S("a"), S("hello, hello, hello"), osp_buf_str(&text)};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (osp_pack how = OSP_PACK_GZIP; how <= OSP_PACK_ZSTD; how++) {
            osp_buf packed = pack(how, cases[i]);
            assert_int_equal(osp_pack_of(osp_str_bytes(osp_buf_str(&packed))), how);
            check_unpacks_to(&packed, cases[i]);
            osp_buf_drop(&packed);
        }
    osp_buf_drop(&text);
}

static void members_one_behind_the_other_are_all_unpacked(void **state)
{
    (void)state;
    for (osp_pack how = OSP_PACK_GZIP; how <= OSP_PACK_ZSTD; how++) {
        osp_buf one = pack(how, S("one, ")), two = pack(how, S("two"));
        osp_buf_add(&one, osp_buf_str(&two));
        check_unpacks_to(&one, S("one, two"));
        osp_buf_drop(&one);
        osp_buf_drop(&two);
    }
}

static void the_size_at_the_end_of_a_gzip_file_is_not_believed(void **state)
{
    (void)state;
    static const uint8_t lies[][4] = {{0, 0, 0, 0}, {255, 255, 255, 255}, {255, 0, 0, 0}};
    osp_buf text = osp_buf_of(1 << 20);
    osp_buf_fill(&text, 'x', 100000);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        osp_err err;
        osp_span out;
        osp_buf packed = pack(OSP_PACK_GZIP, osp_buf_str(&text));
        memcpy(packed.p + packed.n - 4, lies[i], 4);
        assert_false(osp_unpack(osp_str_bytes(osp_buf_str(&packed)), 1 << 24, &out, &err));
        assert_int_equal(err.code, OSP_EFORMAT); /* gzip checks it; no more room was taken than the limit */
        osp_buf_drop(&packed);
    }
    osp_buf_drop(&text);
}

static void a_bomb_stops_at_the_limit(void **state)
{
    (void)state;
    osp_buf zeros = osp_buf_of(1 << 23);
    osp_buf_fill(&zeros, 0, 1 << 22);
    for (osp_pack how = OSP_PACK_GZIP; how <= OSP_PACK_ZSTD; how++) {
        osp_err err;
        osp_span out;
        osp_buf packed = pack(how, osp_buf_str(&zeros));
        assert_true(packed.n < 10000);
        assert_false(osp_unpack(osp_str_bytes(osp_buf_str(&packed)), (1 << 22) - 1, &out, &err));
        assert_int_equal(err.code, OSP_ELIMIT);
        assert_true(osp_unpack(osp_str_bytes(osp_buf_str(&packed)), 1 << 22, &out, &err));
        assert_int_equal(out.n, 1 << 22);
        free((void *)out.p);
        osp_buf_drop(&packed);
    }
    osp_buf_drop(&zeros);
    assert_int_equal(osp_unpack_limit(10), (size_t)64 << 20);
    assert_true(osp_unpack_limit(SIZE_MAX) <= (size_t)16 << 30);
}

static void the_first_byte_is_known_without_the_rest(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 2, 100, 1023, 1024, 1025, 1 << 20};
    for (osp_pack how = OSP_PACK_GZIP; how <= OSP_PACK_ZSTD; how++) {
        uint8_t first;
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            osp_buf text = osp_buf_of(1 << 21);
            osp_buf_fill(&text, 'x', sizes[i]);
            text.p[0] = '!';
            osp_buf packed = pack(how, osp_buf_str(&text));
            assert_true(osp_unpack_head(osp_str_bytes(osp_buf_str(&packed)), &first, 1));
            assert_int_equal(first, '!');
            osp_buf_drop(&packed);
            osp_buf_drop(&text);
        }
        osp_buf packed = pack(how, S(""));
        assert_false(osp_unpack_head(osp_str_bytes(osp_buf_str(&packed)), &first, 1));
        assert_false(osp_unpack_head((osp_span){(uint8_t *)packed.p, 5}, &first, 1));
        osp_buf_drop(&packed);
    }
}

static void cut_and_garbled_input_is_refused(void **state)
{
    (void)state;
    for (osp_pack how = OSP_PACK_GZIP; how <= OSP_PACK_ZSTD; how++) {
        osp_err err;
        osp_span out;
        osp_buf packed = pack(how, S("some text that is long enough, some text that is long enough"));
        for (size_t n = 0; n < packed.n; n++) {
            assert_false(osp_unpack((osp_span){(uint8_t *)packed.p, n}, 1 << 20, &out, &err));
            assert_int_equal(err.code, OSP_EFORMAT);
        }
        osp_buf_add(&packed, S("and more"));
        assert_false(osp_unpack(osp_str_bytes(osp_buf_str(&packed)), 1 << 20, &out, &err));
        osp_buf_drop(&packed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_is_unpacked),
        cmocka_unit_test(members_one_behind_the_other_are_all_unpacked),
        cmocka_unit_test(the_size_at_the_end_of_a_gzip_file_is_not_believed),
        cmocka_unit_test(a_bomb_stops_at_the_limit),
        cmocka_unit_test(the_first_byte_is_known_without_the_rest),
        cmocka_unit_test(cut_and_garbled_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
