/* SPDX-License-Identifier: Apache-2.0 */
/* Stubs of the procedure linkage table, in this very program. */
#include "object/object.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

int test_plt_here(void);
int test_plt_here(void) { return (int)getppid() + abs(getpid()); }

static void a_stub_is_named_after_what_it_jumps_to(void **state)
{
    (void)state;
#ifdef __x86_64__
    uint64_t stub;
    __asm__("lea getppid@PLT(%%rip), %0" : "=r"(stub));
    osp_err err;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    osp_object *o = osp_object_open_fd(fd, "self", &(osp_object_opts){.no_debug_files = true}, &err);
    close(fd);
    assert_non_null(o);
    osp_symbol_value here;
    assert_true(osp_object_symbol(o, S("test_plt_here"), &here));
    uint64_t bias = (uint64_t)(uintptr_t)test_plt_here - here.value;
    osp_frame f;
    osp_symbol s;
    assert_int_equal(osp_object_frames(o, stub - bias, &f, 1), 1);
    assert_true(osp_str_eq(f.name, S("getppid@plt")));
    assert_int_equal(osp_object_frames(o, stub - bias + 7, &f, 1), 1);
    assert_true(osp_str_eq(f.name, S("getppid@plt")));
    assert_true(osp_object_symbol_at(o, stub - bias, &s));
    assert_in_range(s.end - s.start, 8, 16);
    osp_object_close(o);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_stub_is_named_after_what_it_jumps_to)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
