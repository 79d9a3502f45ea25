/* SPDX-License-Identifier: Apache-2.0 */
#include "../../tiny_elf.h"
#include "base/arena.h"
#include "object/object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

static osp_file self(void)
{
    osp_file f;
    osp_err err;
    assert_true(osp_file_open("/proc/self/exe", SIZE_MAX / 2, &f, &err));
    return f;
}

static osp_object *open_span(osp_span b)
{
    osp_err err;
    osp_object *o = osp_object_open_bytes(b, "copy", NULL, &err);
    if (!o)
        print_error("%s\n", err.msg);
    assert_non_null(o);
    return o;
}

static void assert_refused(const void *bytes, size_t n, const char *why)
{
    osp_err err;
    assert_null(osp_object_open_bytes((osp_span){bytes, n}, "file", NULL, &err));
    if (!strstr(err.msg, why))
        print_error("%s\n", err.msg);
    assert_non_null(strstr(err.msg, why));
    assert_non_null(strstr(err.msg, "file: "));
}

static void what_is_no_elf_file_for_us_is_refused_with_a_reason(void **state)
{
    (void)state;
    osp_file f = self();
    uint8_t head[64];
    assert_refused("", 0, "not an ELF file");
    assert_refused("#!/bin/sh\n", 10, "not an ELF file");
    assert_refused(f.bytes.p, 20, "truncated");
    assert_refused(f.bytes.p, 64, "truncated");
    memcpy(head, f.bytes.p, 64);
    head[EI_CLASS] = ELFCLASS32;
    assert_refused(head, 64, "32-bit");
    memcpy(head, f.bytes.p, 64);
    head[EI_DATA] = ELFDATA2MSB;
    assert_refused(head, 64, "big-endian");
    memcpy(head, f.bytes.p, 64);
    head[18] = EM_RISCV;
    assert_refused(head, 64, "machine");
    osp_file_close(&f);
}

static void a_file_without_section_headers_keeps_its_rows_and_dynamic_symbols(void **state)
{
    (void)state;
    osp_file f = self();
    uint8_t *copy = malloc(f.bytes.n);
    assert_non_null(copy);
    memcpy(copy, f.bytes.p, f.bytes.n);
    Elf64_Ehdr h;
    memcpy(&h, copy, sizeof h);
    h.e_shoff = 0;
    h.e_shnum = h.e_shentsize = h.e_shstrndx = 0;
    memcpy(copy, &h, sizeof h);
    osp_object *whole = open_span(f.bytes), *cut = open_span((osp_span){copy, f.bytes.n});
    osp_rows a, b;
    osp_err err;
    assert_true(osp_object_rows(whole, &a, &err));
    assert_true(osp_object_rows(cut, &b, &err));
    assert_true(a.n > 100);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.row, b.row, a.n * sizeof *a.row);
    assert_true(osp_str_eq(osp_object_build_id(whole), osp_object_build_id(cut)));
    osp_object_close(whole);
    osp_object_close(cut);
    free(copy);
    osp_file_close(&f);
}

static void the_vdso_has_names_and_rows(void **state)
{
    (void)state;
    const uint8_t *image = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
    if (!image)
        skip();
    osp_object *o = open_span((osp_span){image, 8192});
    osp_symbol_value v;
    assert_true(osp_object_symbol(o, S("__vdso_clock_gettime"), &v));
    osp_symbol at;
    assert_true(osp_object_symbol_at(o, v.value, &at));
    assert_int_equal(at.start, v.value);
    osp_rows r;
    osp_err err;
    assert_true(osp_object_rows(o, &r, &err));
    uint32_t rule = osp_rows_find(r.row, r.n, (uint32_t)(v.value - r.base));
    assert_int_equal(rule, osp_rule_make(OSP_RULE_SP, 8, 0));
    uint64_t bias;
    assert_true(osp_object_bias(o, 0x7fff12340000, 0, &bias, &err));
    assert_int_equal(bias, 0x7fff12340000);
    osp_object_close(o);
}

static void the_bias_follows_from_the_segment_that_holds_the_offset(void **state)
{
    (void)state;
    tiny_section section[] = {
        {.name = ".text",
         .type = SHT_PROGBITS,
         .flags = SHF_ALLOC | SHF_EXECINSTR,
         .addr = 0x401000 + 0x6b0,
         .bytes = S("code")},
    };
    osp_buf elf = tiny_elf(section, 1, ET_EXEC);
    osp_object *o = open_span(osp_str_bytes(osp_buf_str(&elf)));
    uint64_t bias;
    osp_err err;
    assert_true(osp_object_bias(o, 0x7f0000001000, 0, &bias, &err));
    osp_symbol_value unused;
    assert_false(osp_object_symbol(o, S("nothing"), &unused));
    /* The code's file address plus the bias is where its byte of the file is mapped. */
    osp_span code = osp_object_bytes(o, 0x4016b0, 4);
    assert_memory_equal(code.p, "code", 4);
    size_t in_file = osp_str_find(osp_buf_str(&elf), S("code"));
    assert_int_equal(0x4016b0 + bias, 0x7f0000001000 + in_file);
    assert_false(osp_object_bias(o, 0x7f0000001000, 0x100000, &bias, &err));
    assert_int_equal(err.code, OSP_EABSENT);
    assert_null(osp_object_bytes(o, 0x4016b0, 5).p);
    osp_object_close(o);
    osp_buf_drop(&elf);
}

static void a_cache_opens_each_file_once_and_remembers_failures(void **state)
{
    (void)state;
    osp_err err, again;
    osp_objects *c = osp_objects_new(NULL);
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), other = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    osp_object *o = osp_objects_of_fd(c, fd, "/proc/self/exe", &err);
    assert_non_null(o);
    assert_ptr_equal(o, osp_objects_of_fd(c, other, "another name", &err));
    assert_null(osp_objects_of_bytes(c, S("[vdso]"), osp_str_bytes(S("nonsense")), &err));
    assert_null(osp_objects_of_bytes(c, S("[vdso]"), osp_str_bytes(S("nonsense")), &again));
    assert_string_equal(err.msg, again.msg);
    assert_non_null(strstr(err.msg, "not an ELF file"));
    osp_objects_drop(c);
    close(fd);
    close(other);
}

static void without_memory_opening_fails_cleanly(void **state)
{
    (void)state;
    osp_file f = self();
    bool opened = false;
    for (long n = 0; n < 200 && !opened; n++) {
        osp_err err;
        osp_arena_fail_after(n);
        osp_object *o = osp_object_open_bytes(f.bytes, "self", NULL, &err);
        opened = o != NULL;
        osp_frame frame[4];
        osp_rows r;
        if (o && osp_object_rows(o, &r, &err) && r.n)
            osp_object_frames(o, r.base + r.row[r.n / 2].pc, frame, 4);
        osp_object_close(o);
        osp_arena_fail_after(-1);
    }
    assert_true(opened);
    osp_file_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_elf_file_for_us_is_refused_with_a_reason),
        cmocka_unit_test(a_file_without_section_headers_keeps_its_rows_and_dynamic_symbols),
        cmocka_unit_test(the_vdso_has_names_and_rows),
        cmocka_unit_test(the_bias_follows_from_the_segment_that_holds_the_offset),
        cmocka_unit_test(a_cache_opens_each_file_once_and_remembers_failures),
        cmocka_unit_test(without_memory_opening_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
