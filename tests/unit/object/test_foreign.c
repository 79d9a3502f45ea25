/* SPDX-License-Identifier: Apache-2.0 */
/* Executables of macOS and Windows: tiny ones, which are also the seeds of the fuzz targets. What they have in them: main at
 * the start of 64 bytes of text, another symbol 32 bytes later, build info of Go 1.26.8. */
#include "base/file.h"
#include "object/object.h"

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MOST = 16384 };

static osp_str seed(const char *name)
{
    static char bytes[MOST];
    char path[4096];
    osp_err err = {0};
    osp_file f = {0};
    snprintf(path, sizeof path, "%s/%s", getenv("OSP_CORPUS"), name);
    if (!osp_file_open(path, MOST, &f, &err))
        fail_msg("%s", err.msg);
    osp_str text = {bytes, f.bytes.n};
    memcpy(bytes, f.bytes.p, f.bytes.n);
    osp_file_close(&f);
    return text;
}

static osp_object *open_seed(const char *name)
{
    osp_err err = {0};
    osp_object *o = osp_object_open_bytes(osp_str_bytes(seed(name)), name, NULL, &err);
    if (!o)
        fail_msg("%s", err.msg);
    return o;
}

static void symbol_is(osp_object *o, uint64_t addr, const char *name, uint64_t start, uint64_t end)
{
    osp_symbol s;
    assert_true(osp_object_symbol_at(o, addr, &s));
    assert_true(osp_str_eq(s.name, osp_str_from(name)));
    assert_int_equal(s.start, start);
    assert_int_equal(s.end, end);
}

static void a_symbol_reaches_to_the_next(void **state)
{
    (void)state;
    static const char *const macho[] = {"macho/arm64", "macho/x86-64", "macho/fat", "macho/fat-64"};
    for (size_t i = 0; i < 4; i++) {
        osp_object *o = open_seed(macho[i]);
        assert_int_equal(osp_object_machine(o), i % 2 ? EM_X86_64 : EM_AARCH64);
        symbol_is(o, 0x100000410, "main.main", 0x100000400, 0x100000420);
        osp_symbol_value v;
        assert_true(osp_object_symbol(o, S("runtime.text"), &v));
        assert_int_equal(v.value, 0x100000420);
        assert_false(osp_object_symbol(o, S("usleep"), &v)); /* it is somebody else's */
        osp_object_close(o);
    }
    osp_object *o = open_seed("pe/x86-64");
    symbol_is(o, 0x140001000, "main.main_is_long", 0x140001000, 0x140001020);
    symbol_is(o, 0x140001021, "memmove8", 0x140001020, 0x140001040); /* eight bytes without an end */
    osp_object_close(o);
}

static void a_mapping_of_the_whole_file_begins_at_its_base(void **state)
{
    (void)state;
    uint64_t bias = 0;
    osp_err err = {0};
    osp_object *o = open_seed("macho/arm64");
    assert_true(osp_object_bias(o, 0x104000000, 0, &bias, &err));
    assert_int_equal(bias, 0x4000000);
    osp_object_close(o);
    o = open_seed("pe/x86-64");
    assert_true(osp_object_bias(o, 0x7ff640000000, 0, &bias, &err));
    assert_int_equal(bias, 0x7ff500000000);
    osp_object_close(o);
}

static void code_is_disassembled(void **state)
{
    (void)state;
    osp_err err = {0};
    osp_arena a;
    osp_instructions code;
    osp_object *o = open_seed("macho/x86-64");
    osp_arena_init(&a, 1 << 20);
    if (!osp_object_instructions(o, 0x100000400, 0x10000040b, OSP_INTEL, &a, &code, &err)) {
        assert_int_equal(err.code, OSP_EABSENT);
        print_message("# not asked: %s\n", err.msg);
    } else {
        assert_int_equal(code.n, 5);
        assert_true(osp_str_eq(code.row[0].text, S("push rbp")));
        assert_true(osp_str_eq(code.row[2].text, S("call main.main")));
    }
    osp_arena_drop(&a);
    osp_object_close(o);
}

static void refused(osp_str bytes, const char *why)
{
    osp_err err = {0};
    osp_object *o = osp_object_open_bytes(osp_str_bytes(bytes), "x", NULL, &err);
    assert_null(o);
    if (!strstr(err.msg, why))
        fail_msg("%s, not: %s", err.msg, why);
}

static void what_cannot_be_read_is_said(void **state)
{
    (void)state;
    char bytes[64] = "MZ";
    refused((osp_str){bytes, sizeof bytes}, "a program for DOS");
    refused(osp_str_head(seed("macho/arm64"), 40), "Mach-O");
    refused(osp_str_head(seed("macho/fat"), 100), "part 1 lies outside");
    refused(osp_str_head(seed("pe/arm64"), 200), "PE section headers lie outside");
    memcpy(bytes, "\xce\xfa\xed\xfe", 4);
    refused((osp_str){bytes, sizeof bytes}, "a 32-bit Mach-O file");
    memcpy(bytes, "\xca\xfe\xba\xbe\0\0\0\x34", 8); /* a Java class */
    refused((osp_str){bytes, sizeof bytes}, "not an ELF file");
}

static void cut_short_anywhere_it_is_no_harm(void **state)
{
    (void)state;
    static const char *const name[] = {"macho/arm64", "macho/fat", "pe/x86-64"};
    for (size_t i = 0; i < 3; i++) {
        osp_str all = seed(name[i]);
        for (size_t n = 0; n < all.n; n += 7) {
            osp_err err = {0};
            osp_symbol s;
            osp_object *o = osp_object_open_bytes(osp_str_bytes(osp_str_head(all, n)), "x", NULL, &err);
            assert_true(o || err.msg[0]);
            if (o)
                (void)!osp_object_symbol_at(o, 0x100000410, &s);
            osp_object_close(o);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_symbol_reaches_to_the_next),
        cmocka_unit_test(a_mapping_of_the_whole_file_begins_at_its_base),
        cmocka_unit_test(code_is_disassembled),
        cmocka_unit_test(what_cannot_be_read_is_said),
        cmocka_unit_test(cut_short_anywhere_it_is_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
