/* SPDX-License-Identifier: Apache-2.0 */
/* The four layouts of pclntab, in tables made by hand (tests/fuzz/corpus/pclntab): five functions from 0x1000 on.
 *
 *     runtime.goexit       0x20 bytes
 *     main.inner           0x40: deltas 0 (4 bytes), 8 (4), 40 (0x30), 8 (1), 0 (7)
 *     main.outer           0x60: deltas 0 (8), 8 (4), 40 (0x50), 0 (4); main.inlined at 0x10 .. 0x30, called at 0x0c
 *     runtime.systemstack  0x30, runtime.nanotime1 0x30
 *
 * Lines: 10 in the first half of each function, 12 in the second. The last 4096 bytes are moduledata. */
#include "../../tiny_elf.h"
#include "object/object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

enum { INNER = 0x1020, OUTER = 0x1060, SYSTEMSTACK = 0x10c0, NANOTIME = 0x10f0, END = 0x1120 };

static osp_object *open_layout(const char *layout)
{
    char path[4096];
    osp_file f;
    osp_err err;
    snprintf(path, sizeof path, "%s/pclntab/%s", getenv("OSP_CORPUS"), layout);
    assert_true(osp_file_open(path, 1 << 20, &f, &err));
    osp_str table = osp_span_text(f.bytes), module = osp_str_skip(table, table.n - 4096);
    tiny_section section[] = {
        {.name = ".text", .type = SHT_NOBITS, .flags = SHF_ALLOC | SHF_EXECINSTR, .addr = 0x1000, .size = 0x40000},
        {.name = ".gopclntab", .type = SHT_PROGBITS, .flags = SHF_ALLOC, .addr = 0x100000, .bytes = table},
        {.name = ".go.module",
         .type = SHT_PROGBITS,
         .flags = SHF_ALLOC | SHF_WRITE,
         .addr = 0x80000,
         .bytes = module},
    };
    osp_buf elf = tiny_elf(section, 3, ET_EXEC);
    osp_object *o = osp_object_open_bytes(osp_str_bytes(osp_buf_str(&elf)), "go", NULL, &err);
    assert_non_null(o);
    osp_buf_drop(&elf);
    osp_file_close(&f);
    return o;
}

static uint32_t rule_at(osp_object *o, uint64_t addr)
{
    osp_rows r;
    osp_err err;
    assert_true(osp_object_rows(o, &r, &err));
    return osp_rows_find(r.row, r.n, (uint32_t)(addr - r.base));
}

static void assert_layout(const char *layout, bool has_start_lines, bool has_inlines)
{
    osp_object *o = open_layout(layout);
    osp_go_info go;
    assert_true(osp_object_go(o, &go));
    assert_int_equal(go.text, 0x1000);
    assert_int_equal(go.etext, END);
    assert_int_equal(go.nfunc, 5);
    assert_int_equal(go.moduledata, 0x80000);
    osp_symbol s;
    assert_true(osp_object_symbol_at(o, INNER + 0x3f, &s));
    assert_true(osp_str_eq(s.name, S("main.inner")));
    assert_int_equal(s.start, INNER);
    assert_int_equal(s.end, OUTER);
    osp_symbol_value v;
    assert_true(osp_object_symbol(o, S("main.outer"), &v));
    assert_int_equal(v.value, OUTER);
    assert_int_equal(v.size, 0x60);
    assert_false(osp_object_is_go(o, END));

    osp_frame f[4];
    assert_int_equal(osp_object_frames(o, INNER + 0x30, f, 4), 1);
    assert_true(osp_str_eq(f[0].name, S("main.inner")));
    assert_true(osp_str_eq(f[0].file, S("/src/main.go")));
    assert_int_equal(f[0].line, 12);
    assert_int_equal(f[0].start_line, has_start_lines ? 9 : 0);
    size_t n = osp_object_frames(o, OUTER + 0x2f, f, 4);
    assert_int_equal(n, has_inlines ? 2 : 1);
    assert_true(osp_str_eq(f[n - 1].name, S("main.outer")));
    if (has_inlines) {
        assert_true(osp_str_eq(f[0].name, S("main.inlined")));
        assert_int_equal(f[0].start_line, has_start_lines ? 11 : 0);
    }
    assert_int_equal(osp_object_frames(o, OUTER + 0xf, f, 4), 1);
    assert_int_equal(osp_object_frames(o, OUTER + 0x2f, f, 1), 1);
    osp_object_close(o);
}

static void the_layout_to_go_1_15(void **state)
{
    (void)state;
    assert_layout("go102", false, false);
}

static void the_layout_of_go_1_16(void **state)
{
    (void)state;
    assert_layout("go116", false, false);
}

static void the_layout_of_go_1_18(void **state)
{
    (void)state;
    assert_layout("go118", false, true);
}

static void the_layout_of_go_1_20(void **state)
{
    (void)state;
    assert_layout("go120", true, true);
}

static void rows_follow_the_sp_deltas(void **state)
{
    (void)state;
    osp_object *o = open_layout("go120");
    assert_int_equal(rule_at(o, INNER), osp_rule_make(OSP_RULE_SP, 8, 0));
    assert_int_equal(rule_at(o, INNER + 4), osp_rule_make(OSP_RULE_SP, 16, -16));
    assert_int_equal(rule_at(o, INNER + 8), osp_rule_make(OSP_RULE_SP, 48, -16));
    assert_int_equal(rule_at(o, INNER + 0x38), osp_rule_make(OSP_RULE_SP, 16, -16));
    assert_int_equal(rule_at(o, INNER + 0x39), osp_rule_make(OSP_RULE_SP, 8, 0));
    assert_int_equal(rule_at(o, END), OSP_RULE_NONE);
    osp_object_close(o);
}

static void functions_of_the_runtime_that_switch_stacks_are_marked(void **state)
{
    (void)state;
    osp_object *o = open_layout("go120");
    assert_int_equal(rule_at(o, 0x1000), osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_GOEXIT, 0));
    assert_int_equal(rule_at(o, 0x101f), osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_GOEXIT, 0));
    /* Assembly whose first bytes do not push rbp (there are none here) is not believed to save it. */
    assert_int_equal(rule_at(o, SYSTEMSTACK + 1), osp_rule_make(OSP_RULE_GO_SYSTEMSTACK, 16, 0));
    assert_int_equal(rule_at(o, NANOTIME + 8), osp_rule_make(OSP_RULE_GO_SPWRITE, 32, 0));
    osp_object_close(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_layout_to_go_1_15),
        cmocka_unit_test(the_layout_of_go_1_16),
        cmocka_unit_test(the_layout_of_go_1_18),
        cmocka_unit_test(the_layout_of_go_1_20),
        cmocka_unit_test(rows_follow_the_sp_deltas),
        cmocka_unit_test(functions_of_the_runtime_that_switch_stacks_are_marked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
