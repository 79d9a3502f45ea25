/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void memory_is_zeroed_and_aligned(void **state)
{
    (void)state;
    osp_arena a;
    osp_arena_init(&a, 1 << 20);
    for (size_t i = 1; i < 2000; i += 7) {
        uint64_t *p = osp_new(&a, uint64_t, i % 50);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % alignof(uint64_t), 0);
        for (size_t k = 0; k < i % 50; k++) {
            assert_int_equal(p[k], 0);
            p[k] = ~0ull;
        }
        char *odd = osp_new(&a, char, i % 3);
        assert_non_null(odd);
    }
    osp_arena_drop(&a);
}

static void past_the_limit_it_says_no(void **state)
{
    (void)state;
    osp_arena a;
    osp_arena_init(&a, 100000);
    assert_null(osp_new(&a, char, 100001));
    assert_null(osp_new(&a, uint64_t, SIZE_MAX / 4));
    assert_non_null(osp_new(&a, char, 50000));
    assert_null(osp_new(&a, char, 60000));
    assert_non_null(osp_new(&a, char, 40000));
    osp_arena_drop(&a);
}

static void the_nth_take_can_be_made_to_fail(void **state)
{
    (void)state;
    osp_arena a;
    osp_arena_init(&a, 100000);
    osp_arena_fail_after(2);
    assert_non_null(osp_new(&a, char, 1));
    assert_non_null(osp_new(&a, char, 1));
    assert_null(osp_new(&a, char, 1));
    osp_arena_fail_after(-1);
    assert_non_null(osp_new(&a, char, 1));
    osp_arena_drop(&a);
}

static void a_text_is_copied_or_refused_whole(void **state)
{
    (void)state;
    osp_arena a;
    osp_arena_init(&a, 4096);
    osp_str s = osp_arena_str(&a, S("runtime.main"));
    assert_true(osp_str_eq(s, S("runtime.main")));
    assert_int_equal(s.p[s.n], 0);
    assert_non_null(osp_arena_str(&a, (osp_str){NULL, 0}).p);
    assert_true(osp_str_eq(osp_arena_fmt(&a, "%s+0x%x", "libc", 16), S("libc+0x10")));
    assert_null(osp_arena_fmt(&a, "%*d", 5000, 1).p);
    assert_int_equal(osp_arena_fmt(&a, "%*d", 5000, 1).n, 0);
    osp_arena_drop(&a);
}

/* Whatever is asked, in every order of small and large: blocks do not overlap and every alignment holds. */
static void blocks_of_all_sizes_keep_apart(void **state)
{
    (void)state;
    enum { N = 400 };
    static uint8_t *block[N];
    static size_t size[N];
    osp_arena a;
    osp_arena_init(&a, 64 << 20);
    uint64_t random = 42;
    for (size_t i = 0; i < N; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        size[i] = (random >> 33) % (i % 7 ? 300 : 70000);
        size_t align = (size_t)1 << (random >> 20) % 7;
        block[i] = osp_arena_take(&a, size[i], 1, align);
        assert_non_null(block[i]);
        assert_int_equal((uintptr_t)block[i] % align, 0);
        for (size_t k = 0; k < size[i]; k++)
            assert_int_equal(block[i][k], 0);
        if (size[i])
            memset(block[i], (int)(i % 255) + 1, size[i]);
    }
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < size[i]; k++)
            assert_int_equal(block[i][k], i % 255 + 1);
    assert_true(a.used <= a.limit);
    osp_arena_drop(&a);
    assert_int_equal(a.used, 0);
    assert_non_null(osp_new(&a, char, 10));
    osp_arena_drop(&a);
}

static void a_limit_smaller_than_a_chunk_is_usable_to_its_last_bytes(void **state)
{
    (void)state;
    osp_arena a;
    osp_arena_init(&a, 100);
    assert_non_null(osp_arena_take(&a, 60, 1, 1));
    assert_null(osp_arena_take(&a, 60, 1, 1));
    osp_arena_drop(&a);
    osp_arena_init(&a, 0);
    assert_null(osp_arena_take(&a, 1, 1, 1));
    osp_arena_drop(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned),
        cmocka_unit_test(past_the_limit_it_says_no),
        cmocka_unit_test(the_nth_take_can_be_made_to_fail),
        cmocka_unit_test(a_text_is_copied_or_refused_whole),
        cmocka_unit_test(blocks_of_all_sizes_keep_apart),
        cmocka_unit_test(a_limit_smaller_than_a_chunk_is_usable_to_its_last_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
