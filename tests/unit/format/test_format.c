/* SPDX-License-Identifier: Apache-2.0 */
#include "format/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static osp_profile *read_text(osp_str bytes, const char *name, osp_found *found, osp_err *err)
{
    uint8_t *copy = malloc(bytes.n + 1);
    assert_non_null(copy);
    if (bytes.n)
        memcpy(copy, bytes.p, bytes.n);
    osp_file file = {{copy, bytes.n}, false};
    osp_read_opts opts = {.name = osp_str_from(name)};
    return osp_format_read(&file, &opts, found, err);
}

/* A profile of one sample. */
static osp_profile *small(void)
{
    osp_err err;
    osp_builder *b = osp_builder_new(1 << 20, &err);
    assert_non_null(b);
    osp_builder_value(b, S("cpu"), S("nanoseconds"));
    osp_line line = {osp_builder_function(b, S("main.main"), S(""), S("main.go"), 0), 0, 7};
    osp_location_id at = osp_builder_location(b, (osp_mapping_id){0}, 0x1000, &line, 1);
    osp_builder_sample(b, osp_builder_stack(b, &at, 1), (osp_labelset_id){0}, &(int64_t){42}, 0);
    osp_profile *p = osp_builder_finish(b, &err);
    assert_non_null(p);
    return p;
}

static void every_form_that_is_written_is_found_again(void **state)
{
    (void)state;
    osp_profile *p = small();
    for (size_t i = 0; osp_formats[i]; i++) {
        const osp_format *f = osp_formats[i];
        for (osp_pack how = OSP_PACK_NONE; f->write && f->sniff && how <= OSP_PACK_ZSTD; how++) {
            osp_err err;
            osp_buf out = osp_buf_of(1 << 20);
            assert_true(osp_format_write(f, p, 0, how, &out, &err));
            osp_found found;
            osp_profile *q = read_text(osp_buf_str(&out), "", &found, &err);
            assert_non_null(q);
            assert_ptr_equal(found.format, f);
            assert_int_equal(found.pack, how);
            assert_int_equal(q->samples.n, 1);
            osp_profile_drop(q);
            osp_buf_drop(&out);
        }
    }
    osp_profile_drop(p);
}

static void names_and_endings_are_known(void **state)
{
    (void)state;
    osp_pack pack;
    assert_string_equal(osp_format_named(S("pprof"))->name, "pprof");
    assert_null(osp_format_named(S("pprofile")));
    assert_string_equal(osp_format_by_ending(S("x/cpu.pb.gz"), &pack)->name, "pprof");
    assert_int_equal(pack, OSP_PACK_GZIP);
    assert_string_equal(osp_format_by_ending(S("cpu.pb"), &pack)->name, "pprof");
    assert_int_equal(pack, OSP_PACK_NONE);
    assert_null(osp_format_by_ending(S("cpu.docx"), NULL));
    for (size_t i = 0; osp_formats[i]; i++) {
        assert_true(osp_formats[i]->summary[0] && osp_formats[i]->ending);
        assert_true(osp_formats[i]->write || (osp_formats[i]->sniff && osp_formats[i]->read));
    }
}

static void what_is_no_profile_is_named(void **state)
{
    (void)state;
    const struct {
        osp_str bytes;
        const char *why;
    } cases[] = {
        {S(""), "empty input file"},
        {S("\177ELF\2\1\1"), "an ELF file"},
        {S("<!DOCTYPE html><html>"), "an HTML page"},
        {S("\1\2\3\4\5"), "begins with the bytes 01 02 03 04"},
        {S("hello, world\n"), "begins with \"hello, world\""},
        {S("\x1f\x8b\x08"), "damaged"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        osp_err err;
        assert_null(read_text(cases[i].bytes, "x.pb.gz", NULL, &err));
        assert_int_equal(err.code, OSP_EFORMAT);
        assert_non_null(strstr(err.msg, cases[i].why));
    }
}

/* What packs a thousandfold is looked at before it is unpacked. */
static void packed_nonsense_costs_nothing(void **state)
{
    (void)state;
    for (osp_pack how = OSP_PACK_GZIP; how <= OSP_PACK_ZSTD; how++) {
        osp_err err;
        osp_buf text = osp_buf_of(1 << 27), packed = osp_buf_of(1 << 27);
        osp_buf_fill(&text, '!', 1 << 26);
        assert_true(osp_pack_bytes(how, osp_buf_str(&text), 9, &packed, &err));
        osp_read_opts opts = {.unpack_limit = 1000};
        osp_file file = {{(uint8_t *)packed.p, packed.n}, false};
        assert_null(osp_format_read(&file, &opts, NULL, &err));
        assert_non_null(strstr(err.msg, "it begins with \"!!!"));
        osp_buf_drop(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_that_is_written_is_found_again),
        cmocka_unit_test(names_and_endings_are_known),
        cmocka_unit_test(what_is_no_profile_is_named),
        cmocka_unit_test(packed_nonsense_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
