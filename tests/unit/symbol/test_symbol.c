/* SPDX-License-Identifier: Apache-2.0 */
#include "symbol/symbol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <unistd.h>

__attribute__((noinline)) static int a_function_to_find(int x)
{
    __asm__ volatile("" : "+r"(x));
    return x;
}

/* The first PT_LOAD of this program: its run address and file offset. */
static int first_load(struct dl_phdr_info *info, size_t size, void *out)
{
    (void)size;
    uint64_t *m = out;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_LOAD || !(info->dlpi_phdr[i].p_flags & PF_X))
            continue;
        m[0] = (info->dlpi_addr + info->dlpi_phdr[i].p_vaddr) & ~4095ull;
        m[1] = info->dlpi_phdr[i].p_offset & ~4095ull;
        m[2] = m[0] + info->dlpi_phdr[i].p_memsz + 4096;
        return 1;
    }
    return 0;
}

static osp_object *this_program(uint64_t map[3])
{
    osp_err err;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    osp_object *o = osp_object_open_fd(fd, "/proc/self/exe", NULL, &err);
    assert_non_null(o);
    close(fd);
    dl_iterate_phdr(first_load, map);
    assert_int_not_equal(map[0], 0);
    return o;
}

static osp_profile *one_sample(osp_builder *b, const osp_location_id *loc, size_t n)
{
    osp_err err;
    int64_t one = 1;
    osp_builder_value(b, S("samples"), S("count"));
    osp_builder_sample(b, osp_builder_stack(b, loc, n), (osp_labelset_id){0}, &one, 0);
    osp_profile *p = osp_builder_finish(b, &err);
    assert_non_null(p);
    return p;
}

static osp_str name_at(const osp_profile *p, uint32_t location)
{
    assert_true(p->locations.first[location + 1] > p->locations.first[location]);
    return osp_text(p, p->functions.row[p->locations.line[p->locations.first[location]].fn.i].name);
}

static void an_address_of_ours_gets_its_function_file_and_line(void **state)
{
    (void)state;
    osp_err err;
    uint64_t map[3] = {0};
    osp_object *o = this_program(map);
    osp_builder *b = osp_builder_new(1 << 20, &err);
    osp_mapping_id m = osp_builder_mapping(b, map[0], map[2], map[1], S("/bin/test"), S(""), 0);
    assert_int_equal(m.i, 1);
    osp_location_id loc = osp_builder_location(b, m, (uint64_t)(uintptr_t)a_function_to_find, NULL, 0);
    osp_profile *p = one_sample(b, &loc, 1);
    osp_object *objects[2] = {NULL, o};
    osp_symbol_sources from = {.object = objects, .nobject = 2};
    osp_symbol_stats stats;
    osp_profile *named = osp_symbolise(p, &from, &stats, &err);
    assert_non_null(named);
    assert_true(osp_str_eq(name_at(named, 0), S("a_function_to_find")));
    assert_int_equal(stats.locations, 1);
    assert_int_equal(stats.unnamed, 0);
    const osp_line *line = &named->locations.line[0];
    assert_true(osp_str_ends(osp_text(named, named->functions.row[line->fn.i].file), S("test_symbol.c")));
    assert_true(line->line > 0);
    assert_true(named->mappings.row[1].has & OSP_HAS_LINES);
    osp_profile_drop(named);
    osp_profile_drop(p);
    osp_object_close(o);
    assert_int_equal(a_function_to_find(3), 3);
}

static void an_address_nobody_knows_is_called_by_its_place(void **state)
{
    (void)state;
    osp_err err;
    osp_builder *b = osp_builder_new(1 << 20, &err);
    osp_mapping_id lib = osp_builder_mapping(b, 0x10000, 0x20000, 0x3000, S("/usr/lib/libx.so"), S(""), 0);
    osp_mapping_id anon = osp_builder_mapping(b, 0x30000, 0x40000, 0, S(""), S(""), 0);
    osp_location_id loc[3] = {
        osp_builder_location(b, lib, 0x10010, NULL, 0),
        osp_builder_location(b, anon, 0x31234, NULL, 0),
        osp_builder_location(b, (osp_mapping_id){0}, 0x99, NULL, 0),
    };
    osp_profile *p = one_sample(b, loc, 3);
    osp_symbol_sources from = {.object = NULL};
    osp_symbol_stats stats;
    osp_profile *named = osp_symbolise(p, &from, &stats, &err);
    assert_non_null(named);
    assert_true(osp_str_eq(name_at(named, loc[0].i), S("libx.so+0x3010")));
    assert_true(osp_str_eq(name_at(named, loc[1].i), S("0x31234")));
    assert_true(osp_str_eq(name_at(named, loc[2].i), S("0x99")));
    assert_int_equal(stats.unnamed, 3);
    osp_profile_drop(named);
    osp_profile_drop(p);
}

static void frames_the_profile_brought_are_kept(void **state)
{
    (void)state;
    osp_err err;
    osp_builder *b = osp_builder_new(1 << 20, &err);
    osp_line line = {osp_builder_function(b, S("main.work"), S("main.work"), S("main.go"), 3), 0, 7};
    osp_location_id loc = osp_builder_location(b, (osp_mapping_id){0}, 0x1000, &line, 1);
    osp_profile *p = one_sample(b, &loc, 1);
    osp_symbol_sources from = {.object = NULL};
    osp_symbol_stats stats;
    osp_profile *named = osp_symbolise(p, &from, &stats, &err);
    assert_non_null(named);
    assert_true(osp_str_eq(name_at(named, 0), S("main.work")));
    assert_int_equal(stats.locations, 0);
    osp_profile_drop(named);
    osp_profile_drop(p);
}

/* The first address of the kernel's code, as its own table has it; 0 where the kernel hides it. */
static uint64_t start_of_kernel(void)
{
    unsigned long long addr = 0;
    char line[512];
    FILE *f = fopen("/proc/kallsyms", "re");
    while (f && fgets(line, sizeof line, f))
        if (strstr(line, " T _stext\n") && sscanf(line, "%llx", &addr) == 1)
            break;
    if (f)
        fclose(f);
    return addr;
}

static void names_of_the_kernel_can_stay_for_the_next_profile(void **state)
{
    (void)state;
    osp_kallsyms *kept = NULL, *first = NULL;
    uint64_t addr = start_of_kernel();
    if (addr == 0) {
        print_message("# skipped: the kernel hides its addresses\n");
        return;
    }
    for (int round = 0; round < 2; round++) {
        osp_err err;
        osp_builder *b = osp_builder_new(1 << 20, &err);
        osp_mapping_id m = osp_builder_mapping(b, addr, addr + 4096, 0, S("[kernel.kallsyms]"), S(""), 0);
        osp_location_id loc = osp_builder_location(b, m, addr, NULL, 0);
        osp_profile *p = one_sample(b, &loc, 1);
        osp_symbol_sources from = {.this_kernel = true, .kept = &kept};
        osp_symbol_stats stats;
        osp_profile *named = osp_symbolise(p, &from, &stats, &err);
        assert_non_null(named);
        assert_int_equal(stats.unnamed, 0);
        assert_non_null(kept);
        assert_true(round == 0 || kept == first);
        first = kept;
        osp_profile_drop(named);
        osp_profile_drop(p);
    }
    osp_kallsyms_close(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_of_ours_gets_its_function_file_and_line),
        cmocka_unit_test(an_address_nobody_knows_is_called_by_its_place),
        cmocka_unit_test(frames_the_profile_brought_are_kept),
        cmocka_unit_test(names_of_the_kernel_can_stay_for_the_next_profile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
