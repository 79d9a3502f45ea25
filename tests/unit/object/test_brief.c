/* SPDX-License-Identifier: Apache-2.0 */
#include "object/object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void names_are_as_brief_as_pprof_has_them(void **state)
{
    (void)state;
    static const char *const pair[][2] = {
        /* the right column is what go tool pprof of Go 1.26.8 prints */
        {"_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector::push_back"},
        {"_ZlsRSoRK3Foo", "operator<<"},
        {"_ZN3fooltERKS_", "foo::operator<"},
        {"_ZNK3foocvbEv", "foo::operator bool"},
        {"_Z3maxIiET_S0_S0_", "max"},
        {"_ZN12_GLOBAL__N_13runEi", "(anonymous namespace)::run"},
        {"_ZZN3foo3barERKiENKUlvE_clEv", "foo::bar()::{lambda()#1}::operator()"},
        {"_ZGVZNK18AANoReturnCallSite15trackStatisticsEvE16NumIRCS_noreturn",
         "guard variable for AANoReturnCallSite::trackStatistics() const::NumIRCS_noreturn"},
        {"_ZN1AIXgtLi1ELi2EEE1fEv", "A::f"},
        {"__ZN3foo3barEv", "foo::bar"},
        {"_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write"},
        {"_RNvCs1234_7mycrate3foo", "mycrate::foo"},
        {"_ZTV3foo", "vtable for foo"},
    };
    osp_arena a;
    char text[300];
    osp_arena_init(&a, 1 << 16);
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++)
        assert_string_equal(osp_str_z(osp_brief_name(&a, osp_str_from(pair[i][0])), text, sizeof text), pair[i][1]);
    static const char *const plain[] = {"", "main", "main.main", "_start", "_Zbad", "_Z"};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        assert_null(osp_brief_name(&a, osp_str_from(plain[i])).p);
    osp_arena_drop(&a);
}

static void a_name_that_would_unfold_without_end_is_left_alone(void **state)
{
    (void)state;
    /* f<A<int>, B<A<int>, A<int>>, C<that, that>, ...>: each part twice as long as the one before. Substitution n is
     * written S(n-1 in base 36)_; f is 0, A 1, A<int> 2, B 3, B<...> 4 and so on. */
    char name[2000] = "_Z1fI1AIiE";
    size_t n = strlen(name);
    for (unsigned i = 0; i < 60; i++) {
        unsigned last = 2 * i + 1;
        char seq[4] = {"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[last / 36],
                       "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[last % 36]};
        const char *digits = last < 36 ? seq + 1 : seq;
        n += (size_t)snprintf(name + n, sizeof name - n, "3X%02uIS%s_S%s_E", i, digits, digits);
    }
    snprintf(name + n, sizeof name - n, "Evv");
    osp_arena a;
    osp_arena_init(&a, 1 << 20);
    assert_null(osp_brief_name(&a, osp_str_from(name)).p);
    osp_arena_drop(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_as_brief_as_pprof_has_them),
        cmocka_unit_test(a_name_that_would_unfold_without_end_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
