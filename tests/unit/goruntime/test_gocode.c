/* SPDX-License-Identifier: Apache-2.0 */
#include "goruntime/goruntime_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool decode(const char *code, size_t n, osp_go_tls_use *out)
{
    return osp_go_tls_decode((osp_span){(const uint8_t *)code, n}, out);
}

static void an_offset_in_the_instruction_is_read(void **state)
{
    (void)state;
    osp_go_tls_use u;
    static const char store[] = "\x49\x89\xf6\x64\x4c\x89\x34\x25\xf8\xff\xff\xff\xc3";
    assert_true(decode(store, sizeof store - 1, &u));
    assert_true(!u.slot && u.value == -8);
    static const char load[] = "\x64\x48\x8b\x0c\x25\x90\xff\xff\xff";
    assert_true(decode(load, sizeof load - 1, &u));
    assert_true(!u.slot && u.value == -112);
}

static void an_offset_in_a_register_is_followed(void **state)
{
    (void)state;
    osp_go_tls_use u;
    static const char fixed[] = "\x48\xc7\xc1\x90\xff\xff\xff\x64\x4c\x89\x31";
    assert_true(decode(fixed, sizeof fixed - 1, &u));
    assert_true(!u.slot && u.value == -112);
    static const char slot[] = "\x90\x48\x8b\x0d\x10\x20\x00\x00\x64\x4c\x89\x31";
    assert_true(decode(slot, sizeof slot - 1, &u));
    assert_true(u.slot && u.value == 0x2010 && u.next == 8);
    static const char high[] = "\x4c\x8b\x05\x10\x20\x00\x00\x64\x4d\x89\x30"; /* %r8 */
    assert_true(decode(high, sizeof high - 1, &u));
    assert_true(u.slot && u.value == 0x2010 && u.next == 7);
    static const char other[] = "\x48\x8b\x15\x10\x20\x00\x00\x64\x4c\x89\x31"; /* %rdx loaded, %rcx used */
    assert_false(decode(other, sizeof other - 1, &u));
}

static void code_that_is_cut_off_is_no_access(void **state)
{
    (void)state;
    osp_go_tls_use u;
    static const char store[] = "\x64\x4c\x89\x34\x25\xf8\xff\xff\xff";
    for (size_t n = 0; n < sizeof store - 1; n++)
        assert_false(decode(store, n, &u));
    assert_false(decode("\x64\x4c\x89\x31", 4, &u));
    assert_false(decode("\x25\x64\x64\x64\x64\x48\x89\xff", 8, &u));
}

static void versions_are_read_with_their_tails(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t number;
        bool plain;
    } row[] = {
        {"go1.26.8", 12608, true},
        {"go1.18", 11800, true},
        {"go1.23.12", 12312, true},
        {"go1.26.8 X:simd", 12608, false},
        {"go1.27rc1", 12700, false},
        {"devel go1.28-abc Tue", 12800, false},
        {"go1.21.5-fips", 12105, false},
        {"go1.100.3", 20003, true},
        {"go1", 0, false},
        {"go2.1", 0, false},
        {"", 0, false},
        {"go1.x", 0, false},
        {"go1.99999999999", 0, false},
        {"go1.20.999", 0, false},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        bool plain;
        assert_int_equal(osp_go_version_parse(osp_str_from(row[i].text), &plain), row[i].number);
        assert_int_equal(plain, row[i].plain);
    }
}

static void each_release_has_its_column(void **state)
{
    (void)state;
    osp_go_places at;
    bool newer;
    assert_false(osp_go_layout_of_version(11515, &at, &newer));
    static const struct {
        uint32_t version;
        int32_t ncgocall, goid;
        bool newer;
    } row[] = {
        {11615, 304, 152, false}, {11800, 304, 152, false}, {12303, 296, 160, false}, {12311, 296, 160, false},
        {12312, 320, 160, false}, {12405, 296, 160, false}, {12406, 320, 160, false}, {12500, 312, 152, false},
        {12608, 320, 152, false}, {12705, 320, 152, false}, {12800, 320, 152, true},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        assert_true(osp_go_layout_of_version(row[i].version, &at, &newer));
        assert_int_equal(at.pub.m_ncgocall, row[i].ncgocall);
        assert_int_equal(at.pub.g_goid, row[i].goid);
        assert_int_equal(newer, row[i].newer);
        assert_int_equal(at.pub.labels_are_slice, row[i].version >= 12400);
    }
}

static void what_serves_the_runtime_alone_is_the_runtimes(void **state)
{
    (void)state;
    static const struct {
        const char *func, *file;
        bool is;
    } row[] = {
        {"runtime.mcall", "", true},
        {"runtime.mapassign_faststr[go.shape.string]", "", true},
        {"internal/runtime/maps.(*Map).Put", "", true},
        {"internal/bytealg.IndexByte", "", true},
        {"memeqbody", "/usr/lib/go/src/internal/bytealg/equal_amd64.s", true},
        {"crosscall2", "/usr/lib/go/src/runtime/cgo/asm_amd64.s", true},
        {"gogo", "", true},
        {"runtime/pprof.(*profileBuilder).build", "", false},
        {"p256SubInternal", "/usr/lib/go/src/crypto/internal/nistec/p256_asm_amd64.s", false},
        {"main.F[runtime.Func]", "", false},
        {"example.com/runtime.Run", "", false},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        assert_int_equal(osp_go_is_runtime(osp_str_from(row[i].func), osp_str_from(row[i].file)), row[i].is);
}

static void arm64_code_shows_where_g_is(void **state)
{
    (void)state;
    osp_go_tls_use use;
    /* mrs x0, tpidr_el0; mov x27, #32 */
    const uint32_t local[] = {0xd53bd040, 0xd280041b, 0xf87b681c};
    assert_true(osp_go_tls_decode_arm64((osp_span){(const uint8_t *)local, sizeof local}, 0x1000, &use));
    assert_false(use.slot);
    assert_int_equal(use.value, 32);
    /* mrs x0, tpidr_el0; adrp x27, +2 pages; ldr x27, [x27, #16] */
    const uint32_t slot[] = {0xd53bd040, 0xd000001b, 0xf9400b7b, 0xf87b681c};
    assert_true(osp_go_tls_decode_arm64((osp_span){(const uint8_t *)slot, sizeof slot}, 0x1234, &use));
    assert_true(use.slot);
    assert_int_equal(0x1234 + use.value, 0x3010);
    assert_false(osp_go_tls_decode_arm64((osp_span){(const uint8_t *)local, 4}, 0x1000, &use));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arm64_code_shows_where_g_is),
        cmocka_unit_test(an_offset_in_the_instruction_is_read),
        cmocka_unit_test(an_offset_in_a_register_is_followed),
        cmocka_unit_test(code_that_is_cut_off_is_no_access),
        cmocka_unit_test(versions_are_read_with_their_tails),
        cmocka_unit_test(each_release_has_its_column),
        cmocka_unit_test(what_serves_the_runtime_alone_is_the_runtimes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
