/* SPDX-License-Identifier: Apache-2.0 */
#include "../../tiny_elf.h"
#include "object/object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { TEXT = 0x1000 };

typedef struct {
    const char *name;
    uint64_t value, size;
    uint8_t bind, type;
} symbol;

static osp_object *open_symbols(const symbol *s, size_t n)
{
    osp_buf sym = osp_buf_of(4096), str = osp_buf_of(4096);
    Elf64_Sym none = {0};
    osp_buf_add(&sym, (osp_str){(const char *)&none, sizeof none});
    osp_buf_byte(&str, 0);
    for (size_t i = 0; i < n; i++) {
        Elf64_Sym e = {.st_name = (uint32_t)str.n,
                       .st_value = s[i].value,
                       .st_size = s[i].size,
                       .st_shndx = 1,
                       .st_info = ELF64_ST_INFO(s[i].bind, s[i].type)};
        osp_buf_add(&sym, (osp_str){(const char *)&e, sizeof e});
        osp_buf_add(&str, (osp_str){s[i].name, strlen(s[i].name) + 1});
    }
    tiny_section section[] = {
        {.name = ".text", .type = SHT_NOBITS, .flags = SHF_ALLOC | SHF_EXECINSTR, .addr = TEXT, .size = 0x1000},
        {.name = ".symtab", .type = SHT_SYMTAB, .bytes = osp_buf_str(&sym), .link = 3},
        {.name = ".strtab", .type = SHT_STRTAB, .bytes = osp_buf_str(&str)},
    };
    osp_buf elf = tiny_elf(section, 3, ET_EXEC);
    osp_err err;
    osp_object *o = osp_object_open_bytes(osp_str_bytes(osp_buf_str(&elf)), "test", NULL, &err);
    assert_non_null(o);
    osp_buf_drop(&elf);
    osp_buf_drop(&sym);
    osp_buf_drop(&str);
    return o;
}

static void assert_name_at(osp_object *o, uint64_t addr, const char *name)
{
    osp_frame f;
    size_t n = osp_object_frames(o, addr, &f, 1);
    if (!name) {
        assert_int_equal(n, 0);
        return;
    }
    assert_int_equal(n, 1);
    if (!osp_str_eq(f.name, osp_str_from(name)))
        print_error("0x%llx: %.*s, not %s\n", (unsigned long long)addr, STRF(f.name), name);
    assert_true(osp_str_eq(f.name, osp_str_from(name)));
}

static void a_symbol_ends_where_its_size_does(void **state)
{
    (void)state;
    const symbol s[] = {{"first", TEXT, 0x10, STB_GLOBAL, STT_FUNC},
                        {"second@@V_2.17", TEXT + 0x100, 0x20, STB_LOCAL, STT_FUNC}};
    osp_object *o = open_symbols(s, 2);
    assert_name_at(o, TEXT, "first");
    assert_name_at(o, TEXT + 0xf, "first");
    assert_name_at(o, TEXT + 0x10, NULL);
    assert_name_at(o, TEXT + 0x11f, "second");
    assert_name_at(o, TEXT + 0x120, NULL);
    assert_name_at(o, TEXT - 1, NULL);
    osp_object_close(o);
}

static void one_without_a_size_reaches_to_the_next_or_the_end_of_its_section(void **state)
{
    (void)state;
    const symbol s[] = {{"open", TEXT, 0, STB_GLOBAL, STT_NOTYPE}, {"last", TEXT + 0x100, 0, STB_GLOBAL, STT_FUNC}};
    osp_object *o = open_symbols(s, 2);
    assert_name_at(o, TEXT + 0xff, "open");
    assert_name_at(o, TEXT + 0xfff, "last");
    assert_name_at(o, TEXT + 0x1000, NULL);
    osp_object_close(o);
}

static void a_symbol_inside_another_wins_only_where_it_is(void **state)
{
    (void)state;
    const symbol s[] = {{"outer", TEXT, 0x100, STB_GLOBAL, STT_FUNC}, {"inner", TEXT + 0x40, 8, STB_LOCAL, STT_FUNC}};
    osp_object *o = open_symbols(s, 2);
    assert_name_at(o, TEXT + 0x3f, "outer");
    assert_name_at(o, TEXT + 0x47, "inner");
    assert_name_at(o, TEXT + 0x48, "outer");
    osp_object_close(o);
}

static void a_label_inside_a_function_is_no_function(void **state)
{
    (void)state;
    const symbol s[] = {{"function", TEXT, 0x40, STB_LOCAL, STT_FUNC},
                        {"after_the_call", TEXT + 0x10, 0, STB_LOCAL, STT_NOTYPE},
                        {"behind", TEXT + 0x40, 0, STB_LOCAL, STT_NOTYPE}};
    osp_object *o = open_symbols(s, 3);
    assert_name_at(o, TEXT + 0x10, "function");
    assert_name_at(o, TEXT + 0x3f, "function");
    assert_name_at(o, TEXT + 0x40, "behind");
    osp_object_close(o);
}

static void of_aliases_the_plainest_global_name_is_taken(void **state)
{
    (void)state;
    const symbol s[] = {
        {"__libc_malloc", TEXT, 0x10, STB_GLOBAL, STT_FUNC}, {"local_malloc", TEXT, 0x10, STB_LOCAL, STT_FUNC},
        {"label", TEXT, 0, STB_GLOBAL, STT_NOTYPE},          {"malloc", TEXT, 0x10, STB_GLOBAL, STT_FUNC},
        {"weak_malloc", TEXT, 0x10, STB_WEAK, STT_FUNC},
    };
    osp_object *o = open_symbols(s, 5);
    assert_name_at(o, TEXT, "malloc");
    osp_object_close(o);
}

static void cxx_and_rust_names_are_demangled(void **state)
{
    (void)state;
    const symbol s[] = {
        {"_ZN2ns1A2goIiEEiT_", TEXT, 0x10, STB_GLOBAL, STT_FUNC},
        {"_RNvNtCs1234_7mycrate3foo3bar", TEXT + 0x10, 0x10, STB_GLOBAL, STT_FUNC},
        {"_ZN4core3fmt5write17h0123456789abcdefE", TEXT + 0x20, 0x10, STB_GLOBAL, STT_FUNC},
        {"_Zbroken", TEXT + 0x30, 0x10, STB_GLOBAL, STT_FUNC},
    };
    osp_object *o = open_symbols(s, 4);
    assert_name_at(o, TEXT, "ns::A::go<int>(int)");
    assert_name_at(o, TEXT + 0x10, "mycrate::foo::bar");
    assert_name_at(o, TEXT + 0x20, "core::fmt::write");
    assert_name_at(o, TEXT + 0x30, "_Zbroken");
    osp_symbol at;
    assert_true(osp_object_symbol_at(o, TEXT + 3, &at));
    assert_true(osp_str_eq(at.name, S("_ZN2ns1A2goIiEEiT_")));
    osp_object_close(o);
}

static void a_symbol_is_found_by_its_whole_name(void **state)
{
    (void)state;
    const symbol s[] = {{"abcd", TEXT, 4, STB_GLOBAL, STT_FUNC}, {"abc", TEXT + 8, 4, STB_GLOBAL, STT_OBJECT}};
    osp_object *o = open_symbols(s, 2);
    osp_symbol_value v;
    assert_true(osp_object_symbol(o, S("abc"), &v));
    assert_int_equal(v.value, TEXT + 8);
    assert_int_equal(v.type, STT_OBJECT);
    assert_false(osp_object_symbol(o, S("ab"), &v));
    assert_false(osp_object_symbol(o, S(""), &v));
    osp_object_close(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_symbol_ends_where_its_size_does),
        cmocka_unit_test(one_without_a_size_reaches_to_the_next_or_the_end_of_its_section),
        cmocka_unit_test(a_symbol_inside_another_wins_only_where_it_is),
        cmocka_unit_test(a_label_inside_a_function_is_no_function),
        cmocka_unit_test(of_aliases_the_plainest_global_name_is_taken),
        cmocka_unit_test(cxx_and_rust_names_are_demangled),
        cmocka_unit_test(a_symbol_is_found_by_its_whole_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
