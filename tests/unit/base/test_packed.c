/* SPDX-License-Identifier: Apache-2.0 */
#include "base/packed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 3000 };

static uint32_t number(uint32_t *state, unsigned most_bits)
{
    *state = *state * 1664525 + 1013904223;
    const unsigned bits = 1 + (*state >> 8) % most_bits;
    *state = *state * 1664525 + 1013904223;
    return (*state >> 1 | 1u) & (uint32_t)((UINT64_C(1) << bits) - 1);
}

/* Within the largest of them, which has to have three bytes at most, but not within less. */
static void check_bounds(const uint8_t *bytes, uint32_t size, const uint32_t *want, uint32_t n)
{
    uint32_t most = 1, count, least = 1;
    for (uint32_t i = 0; i < n; i++) {
        most = want[i] > most ? want[i] : most;
        least = want[i] < least ? want[i] : least;
    }
    if (most >= 1 << 21)
        return;
    assert_int_equal(osp_packed_within(bytes, size, most, &count), least > 0);
    if (least > 0)
        assert_int_equal(count, n);
    if (most > 1)
        assert_false(osp_packed_within(bytes, size, most - 1, &count));
}

/* Exactly as many bytes as there are, so that the sanitizer sees a read past them. */
static void check(unsigned most_bits, uint32_t n, uint32_t less)
{
    uint32_t state = most_bits * 7919 + n, *want = calloc(n + 1, sizeof *want), *got;
    uint8_t *roomy = malloc((size_t)n * OSP_PACKED_MOST + 1), *end = roomy;
    assert_non_null(want);
    assert_non_null(roomy);
    for (uint32_t i = 0; i < n; i++)
        end = osp_packed_put(end, want[i] = number(&state, most_bits));
    const uint32_t size = (uint32_t)(end - roomy);
    uint8_t *bytes = malloc(size + 1);
    got = calloc((size_t)n + OSP_PACKED_SLACK, sizeof *got);
    assert_non_null(bytes);
    assert_non_null(got);
    uint8_t *exact = bytes + 1; /* not aligned */
    memcpy(exact, roomy, size);
    assert_int_equal(osp_packed_count(exact, size), n);
    assert_int_equal(osp_packed_read(exact, size, less, got), n);
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(got[i], want[i] - less);
    check_bounds(exact, size, want, n);
    free(want);
    free(roomy);
    free(bytes);
    free(got);
}

static void what_was_put_is_read_again_whatever_its_lengths(void **state)
{
    (void)state;
    for (unsigned bits = 1; bits <= 32; bits++)
        for (uint32_t n = 0; n < 40; n++)
            check(bits, n, n % 2);
    check(14, MANY, 1);
    check(21, MANY, 1);
    check(32, MANY, 0);
}

static void a_number_that_does_not_end_is_refused_wherever_it_stands(void **state)
{
    (void)state;
    uint8_t bytes[24];
    uint32_t got[sizeof bytes + OSP_PACKED_SLACK];
    for (uint32_t n = 1; n <= sizeof bytes; n++) {
        memset(bytes, 1, n);
        bytes[n - 1] = 0x80;
        assert_int_equal(osp_packed_read(bytes, n, 0, got), UINT32_MAX);
        assert_false(osp_packed_within(bytes, n, 1000, got));
    }
}

static void a_number_beyond_the_bounds_is_found_wherever_it_stands(void **state)
{
    (void)state;
    static const uint32_t most[] = {5, 127, 128, 300, 16383, 16384, 70000, (1 << 21) - 1};
    uint8_t bytes[64 * OSP_PACKED_MOST];
    uint32_t count;
    for (size_t k = 0; k < sizeof most / sizeof *most; k++)
        for (uint32_t n = 1; n <= 64; n++)
            for (uint32_t wrong = 0; wrong <= n; wrong++) {
                uint8_t *end = bytes;
                for (uint32_t i = 0; i < n; i++)
                    end = osp_packed_put(end, i == wrong ? most[k] + 1 : most[k]);
                const uint32_t size = (uint32_t)(end - bytes);
                assert_int_equal(osp_packed_within(bytes, size, most[k], &count), wrong == n);
                assert_true(wrong < n || count == n);
                memset(bytes, 1, size);
                if (wrong < size)
                    bytes[wrong] = 0; /* no number of ours, or one that takes a byte too many */
                assert_int_equal(osp_packed_within(bytes, size, most[k], &count), wrong >= size);
            }
}

static void what_does_not_fit_32_bits_is_refused(void **state)
{
    (void)state;
    static const uint8_t max[] = {0xff, 0xff, 0xff, 0xff, 0x0f, 1, 1, 1, 1},
                         more[] = {0xff, 0xff, 0xff, 0xff, 0x1f, 1, 1, 1, 1};
    uint32_t got[sizeof max + OSP_PACKED_SLACK];
    assert_int_equal(osp_packed_read(max, sizeof max, 0, got), 5);
    assert_int_equal(got[0], UINT32_MAX);
    assert_int_equal(osp_packed_read(more, sizeof more, 0, got), UINT32_MAX);
    assert_int_equal(osp_packed_read(more, 5, 0, got), UINT32_MAX);
}

static void a_number_may_be_longer_than_it_needs_to_be(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0x82, 0x00, 3};
    uint32_t got[sizeof bytes + OSP_PACKED_SLACK];
    assert_int_equal(osp_packed_read(bytes, sizeof bytes, 0, got), 3);
    assert_int_equal(got[0], 1);
    assert_int_equal(got[1], 2);
    assert_int_equal(got[2], 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_read_again_whatever_its_lengths),
        cmocka_unit_test(a_number_that_does_not_end_is_refused_wherever_it_stands),
        cmocka_unit_test(what_does_not_fit_32_bits_is_refused),
        cmocka_unit_test(a_number_may_be_longer_than_it_needs_to_be),
        cmocka_unit_test(a_number_beyond_the_bounds_is_found_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
