/* SPDX-License-Identifier: Apache-2.0 */
/* What looks at goroutines add up to, and how exact that is said to be. */
#include "sample/sample_internal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static osp_waits *waits(void)
{
    osp_err err;
    osp_waits *w = osp_waits_new(&err);
    assert_non_null(w);
    return w;
}

static osp_waiting on(osp_waits *w, uint64_t goid, uint64_t pc, uint8_t reason)
{
    return (osp_waiting){.goid = goid,
                         .stack = osp_waits_stack(w, &pc, 1),
                         .labels = osp_waits_labels(w, S("")),
                         .how = OSP_HOW_WAITING,
                         .waitreason = reason};
}

struct told {
    unsigned n;
    uint64_t ns, goids;
};

static void tell(void *ctx, const osp_waited *one)
{
    struct told *t = ctx;
    t->n++;
    t->ns += one->ns;
    t->goids += one->what.goid;
    assert_int_equal(one->npc, 1);
}

static struct told all(const osp_waits *w, double ns)
{
    struct told t = {0};
    osp_waits_each(w, ns, tell, &t);
    return t;
}

static void equal_waits_are_one(void **state)
{
    (void)state;
    osp_waits *w = waits();
    osp_waiting a = on(w, 1, 0x10, 2), b = on(w, 1, 0x10, 2), other_stack = on(w, 1, 0x11, 2),
                other_reason = on(w, 1, 0x10, 3), other_goroutine = on(w, 2, 0x10, 2);
    osp_waits_add(w, &a, OSP_WAIT_ONE);
    osp_waits_add(w, &b, OSP_WAIT_ONE / 2);
    assert_int_equal(all(w, 1000).n, 1);
    assert_int_equal(all(w, 1000).ns, 1500);
    osp_waits_add(w, &other_stack, OSP_WAIT_ONE);
    osp_waits_add(w, &other_reason, OSP_WAIT_ONE);
    osp_waits_add(w, &other_goroutine, OSP_WAIT_ONE);
    assert_int_equal(all(w, 1000).n, 4);
    assert_int_equal(all(w, 1000).ns, 4500);
    osp_waits_put_together(w);
    assert_int_equal(all(w, 1000).n, 3);
    assert_int_equal(all(w, 1000).ns, 4500);
    assert_int_equal(all(w, 1000).goids, 0);
    osp_waits_reset(w);
    assert_int_equal(all(w, 1000).n, 0);
    assert_true(osp_waits_by_goroutine(w));
    osp_waits_drop(w);
}

static void who_runs_has_time_but_no_stack(void **state)
{
    (void)state;
    osp_waits *w = waits();
    osp_wait_sum sum[4];
    osp_waiting runs = {.goid = 1, .how = OSP_HOW_RUNNING};
    osp_waits_add(w, &runs, 3 * OSP_WAIT_ONE);
    assert_int_equal(all(w, 1).n, 0);
    assert_int_equal(osp_waits_sums(w, sum, 4), 1);
    assert_float_equal(sum[0].time, 3, 1e-9);
    osp_waits_drop(w);
}

/* One goroutine that is in the state in half of the moments, drawn by lot: n p (1 - p). */
static void the_error_is_that_of_a_lot(void **state)
{
    (void)state;
    osp_waits *w = waits();
    osp_waiting a = on(w, 1, 0x10, 2);
    osp_wait_sum sum[4];
    uint64_t seed = 7;
    enum { N = 4000 };
    bool in = false;
    for (int i = 0; i < N; i++) {
        bool now = osp_g_random(&seed, 2);
        if (now)
            osp_waits_add(w, &a, OSP_WAIT_ONE);
        if (now != in)
            osp_waits_change(w, OSP_HOW_WAITING, 2, now ? 1 : -1);
        in = now;
        osp_waits_moment(w);
    }
    assert_int_equal(osp_waits_sums(w, sum, 4), 1);
    assert_float_equal(sum[0].error, sqrt(N * 0.25), 0.05 * sqrt(N * 0.25));
    assert_float_equal(sum[0].time, N / 2, 5 * sqrt(N * 0.25));
    assert_int_equal(osp_waits_moments(w), N);
    osp_waits_drop(w);
}

static void what_does_not_change_has_no_error(void **state)
{
    (void)state;
    osp_waits *w = waits();
    osp_waiting a = on(w, 1, 0x10, 2);
    osp_wait_sum sum[4];
    for (int i = 0; i < 100; i++) {
        osp_waits_add(w, &a, OSP_WAIT_ONE);
        osp_waits_moment(w);
    }
    assert_int_equal(osp_waits_sums(w, sum, 4), 1);
    assert_true(sum[0].error == 0);
    osp_waits_drop(w);
}

static void very_many_goroutines_are_not_told_apart(void **state)
{
    (void)state;
    osp_waits *w = waits();
    enum { N = 100000 };
    for (uint64_t i = 1; i <= N; i++) {
        osp_waiting a = on(w, i, 0x10 + i % 3, 2);
        osp_waits_add(w, &a, OSP_WAIT_ONE);
    }
    assert_false(osp_waits_by_goroutine(w));
    struct told t = all(w, 1);
    assert_int_equal(t.n, 3);
    assert_int_equal(t.ns, N);
    assert_int_equal(osp_waits_lost(w), 0);
    osp_waits_drop(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_waits_are_one),
        cmocka_unit_test(who_runs_has_time_but_no_stack),
        cmocka_unit_test(the_error_is_that_of_a_lot),
        cmocka_unit_test(what_does_not_change_has_no_error),
        cmocka_unit_test(very_many_goroutines_are_not_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
