/* SPDX-License-Identifier: Apache-2.0 */
/* What just-in-time compilers say of their code. */
#include "base/buf.h"
#include "object/object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>

static osp_jit *open_bytes(osp_str bytes)
{
    osp_err err;
    uint8_t *copy = malloc(bytes.n + 1);
    assert_non_null(copy);
    memcpy(copy, bytes.p, bytes.n);
    osp_file file = {{copy, bytes.n}, false};
    osp_jit *j = osp_jit_of(&file, &err);
    assert_non_null(j);
    return j;
}

static void assert_name(const osp_jit *j, uint64_t addr, const char *name)
{
    assert_true(osp_str_eq(osp_jit_at(j, addr), osp_str_from(name)));
}

static void a_map_names_what_was_compiled_last(void **state)
{
    (void)state;
    osp_jit *j = open_bytes(S("1000 10 first\n1000 20 second of them\nbroken\n2000 8 third"));
    assert_name(j, 0xfff, "");
    assert_name(j, 0x1000, "second of them");
    assert_name(j, 0x101f, "second of them");
    assert_name(j, 0x1020, "");
    assert_name(j, 0x2007, "third");
    osp_jit_close(j);
}

static void put(osp_buf *b, const void *p, size_t n) { osp_buf_add(b, (osp_str){p, n}); }

static void load(osp_buf *b, uint64_t start, uint64_t size, uint64_t index, osp_str name)
{
    uint32_t head[] = {0, (uint32_t)(16 + 8 + 32 + name.n + 1 + size)};
    uint64_t body[] = {1, 2, start, start, size, index};
    put(b, head, sizeof head);
    put(b, body, sizeof body);
    put(b, name.p, name.n);
    for (uint64_t i = 0; i <= size; i++)
        osp_buf_byte(b, 0);
}

static void a_jitdump_names_what_was_loaded_and_moved(void **state)
{
    (void)state;
    osp_buf b = osp_buf_of(4096);
    const uint32_t header[10] = {0x4a695444, 1, 40, 62};
    const uint32_t other[4] = {2, 16}, move[2] = {1, 64};
    const uint64_t moved[7] = {1, 2, 0x1000, 0x1000, 0x5000, 0x10, 7};
    put(&b, header, sizeof header);
    load(&b, 0x1000, 0x10, 7, S("one"));
    put(&b, other, sizeof other);
    load(&b, 0x2000, 0x20, 8, S("two"));
    put(&b, move, sizeof move);
    put(&b, moved, sizeof moved);
    osp_jit *j = open_bytes(osp_buf_str(&b));
    assert_name(j, 0x100f, "one");
    assert_name(j, 0x1010, "");
    assert_name(j, 0x201f, "two");
    assert_name(j, 0x5004, "one");
    osp_jit_close(j);
    /* One that is still being written. */
    for (size_t n = 0; n < b.n; n++)
        osp_jit_close(open_bytes((osp_str){b.p, n}));
    osp_buf_drop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_names_what_was_compiled_last),
        cmocka_unit_test(a_jitdump_names_what_was_loaded_and_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
