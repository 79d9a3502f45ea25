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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned),
        cmocka_unit_test(past_the_limit_it_says_no),
        cmocka_unit_test(the_nth_take_can_be_made_to_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
