/* SPDX-License-Identifier: Apache-2.0 */
/* The disassembler over loops of known make, found in this very program by their symbols. */
#include "object/object.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef __x86_64__

/* Never run: only looked at. Each label is the first instruction of its loop unless it says otherwise. */
__asm__(
    ".text\n"
    "test_flag: mov test_place(%rip), %eax; test %eax, %eax; je test_flag; ret\n"
    "test_flag_middle: 1: mov test_place(%rip), %eax\n"
    "test_flag_at: test %eax, %eax; je 1b; ret\n"
    "test_pointer: mov (%rdi), %rax; movzbl 8(%rax), %eax; xor $1, %eax; test %al, %al; jne test_pointer; ret\n"
    "test_pause: pause; cmpl $0, 16(%rbx); je test_pause; ret\n"
    "test_lock: xor %eax, %eax; lock cmpxchg %ecx, (%rdx); jne test_lock; ret\n"
    "test_frame: mov -8(%rsp), %rax; add $8, %rax; mov %rax, -16(%rsp); mov -16(%rsp), %rax; mov (%rax), %eax;"
    " mov %eax, -20(%rsp); cmpl $0, -20(%rsp); je test_frame; ret\n"
    "test_frame_count: addl $1, -4(%rsp); mov -4(%rsp), %eax; cmp test_place(%rip), %eax; jb test_frame_count; ret\n"
    "test_count: inc %rcx; mov (%rdi), %eax; test %eax, %eax; je test_count; ret\n"
    "test_budget: mov (%rdi), %eax; test %eax, %eax; jne 1f; dec %rcx; jne test_budget; 1: ret\n"
    "test_scan: movzbl (%rdi), %eax; add $1, %rdi; test %al, %al; jne test_scan; ret\n"
    "test_list: mov (%rdi), %rdi; test %rdi, %rdi; jne test_list; ret\n"
    "test_update: mov (%rdi), %rax; 1: cmp %rdx, %rax; jge 2f\n"
    "test_update_at: lock cmpxchg %rdx, (%rdi); jne 1b; 2: sub $1, %rdx; jae test_update; ret\n"
    "test_retry: mov (%rdi), %rax; lea 1(%rax), %rdx; lock cmpxchg %rdx, (%rdi); jne test_retry; ret\n"
    "test_take: lock decl (%rdi); je 2f; 1: pause\n"
    "test_take_at: cmpl $0, (%rdi); jg test_take; jmp 1b; 2: ret\n"
    "test_store: incl test_place(%rip); jmp test_store\n"
    "test_multiply: imul %rdx, %rax; dec %rcx; jne test_multiply; ret\n"
    "test_float: mulsd (%rdi,%rcx,8), %xmm0; add $1, %rcx; cmp %rsi, %rcx; jne test_float; ret\n"
    "test_call: call test_flag; test %eax, %eax; je test_call; ret\n"
    "test_empty: jmp test_empty\n"
    "test_straight: mov (%rdi), %eax; ret\n"
    ".data\n.balign 4\n.type test_place, @object\n.size test_place, 4\ntest_place: .long 0\n.text\n");

static osp_object *self;

static int open_self(void **state)
{
    (void)state;
    osp_err err;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    self = osp_object_open_fd(fd, "self", &(osp_object_opts){.no_debug_files = true}, &err);
    close(fd);
    return self ? 0 : -1;
}

static int close_self(void **state)
{
    (void)state;
    osp_object_close(self);
    return 0;
}

static osp_loop at(const char *name)
{
    osp_symbol_value v;
    osp_loop l;
    osp_err err;
    assert_true(osp_object_symbol(self, osp_str_from(name), &v));
    if (!osp_object_loop(self, v.value, &l, &err)) {
        if (osp_str_ends(osp_str_from(err.msg), S("without capstone")))
            skip();
        fail_msg("%s: %s", name, err.msg);
    }
    return l;
}

static bool waits(osp_loop l)
{
    return !l.stores && !l.calls && !l.arithmetic && !l.other_loads && l.fixed_loads + l.exchanges > 0;
}

static void a_loop_over_a_variable_reads_one_known_address(void **state)
{
    (void)state;
    osp_symbol_value place;
    assert_true(osp_object_symbol(self, S("test_place"), &place));
    osp_loop l = at("test_flag");
    assert_true(waits(l));
    assert_int_equal(l.instructions, 3);
    assert_int_equal(l.fixed_loads, 1);
    assert_int_equal(l.load_addr, place.value);
    assert_true(osp_str_eq(osp_object_variable_at(self, l.load_addr + 3), S("test_place")));
    assert_int_equal(osp_object_variable_at(self, l.start).n, 0);
    osp_loop m = at("test_flag_at");
    assert_true(waits(m));
    assert_int_equal(m.instructions, 3);
}

static void waits_through_pointers_with_pauses_locks_and_counters_are_seen(void **state)
{
    (void)state;
    assert_true(waits(at("test_pointer")));
    assert_int_equal(at("test_pointer").fixed_loads, 2);
    assert_true(waits(at("test_frame")));
    assert_int_equal(at("test_frame").fixed_loads, 1);
    assert_int_equal(at("test_frame").counting, 0);
    assert_true(waits(at("test_pause")));
    assert_int_equal(at("test_pause").pauses, 1);
    assert_true(waits(at("test_lock")));
    assert_int_equal(at("test_lock").exchanges, 1);
    assert_true(waits(at("test_take_at")));
    assert_int_equal(at("test_take_at").pauses, 1);
    assert_true(waits(at("test_count")));
    assert_int_equal(at("test_count").counting, 1);
}

static void loops_that_get_somewhere_are_not_waits(void **state)
{
    (void)state;
    static const char *const name[] = {"test_budget",   "test_scan",       "test_list", "test_store",
                                       "test_multiply", "test_float",      "test_call", "test_update_at",
                                       "test_retry",    "test_frame_count"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        assert_false(waits(at(name[i])));
    assert_int_equal(at("test_scan").other_loads, 1);
    assert_int_equal(at("test_list").other_loads, 1);
    assert_int_equal(at("test_store").stores, 1);
    assert_int_equal(at("test_call").calls, 1);
}

static void an_empty_loop_has_one_instruction(void **state)
{
    (void)state;
    assert_int_equal(at("test_empty").instructions, 1);
}

static void where_there_is_no_loop_it_says_so(void **state)
{
    (void)state;
    osp_symbol_value v;
    osp_loop l;
    osp_err err;
    assert_true(osp_object_symbol(self, S("test_straight"), &v));
    assert_false(osp_object_loop(self, v.value, &l, &err));
    assert_int_equal(err.code, OSP_EABSENT);
    assert_false(osp_object_loop(self, 0, &l, &err));
    assert_false(osp_object_loop(self, UINT64_MAX - 3, &l, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_over_a_variable_reads_one_known_address),
        cmocka_unit_test(waits_through_pointers_with_pauses_locks_and_counters_are_seen),
        cmocka_unit_test(loops_that_get_somewhere_are_not_waits),
        cmocka_unit_test(an_empty_loop_has_one_instruction),
        cmocka_unit_test(where_there_is_no_loop_it_says_so),
    };
    return cmocka_run_group_tests(tests, open_self, close_self);
}

#else

static void other_machines_have_no_disassembler(void **state) { (void)state; }

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(other_machines_have_no_disassembler)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
