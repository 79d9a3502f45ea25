/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at goroutines in made-up memory that changes between two reads. */
#include "goruntime/goruntime_internal.h"
#include "sample/sample_internal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { GS = 200, G_BYTES = 480, STACK = 256 };
static const uint64_t GLOBALS = 0x1000, LIST = 0x2000, STRUCTS = 0x10000, STACKS = 0x100000, CODE = 0x400000;

/* Functions: each has a frame of 8 bytes, main.f its own row. */
static const uint64_t GOPARK = 0x400010, WAIT_A = 0x400110, WAIT_B = 0x400210, GOEXIT = 0x400310;

static struct {
    uint64_t allglen, allgptr;
    uint64_t list[GS];
    uint8_t g[GS][G_BYTES];
    uint64_t stack[GS][STACK / 8];
    unsigned reads;
    void (*before_read)(uint64_t addr); /* memory changes */
} world;

static const struct {
    uint64_t start;
    void *at;
    size_t n;
} area[] = {
    {0x1000, &world.allglen, 16},
    {0x2000, world.list, sizeof world.list},
    {0x10000, world.g, sizeof world.g},
    {0x100000, world.stack, sizeof world.stack},
};

static bool read_world(void *ctx, uint64_t addr, void *dst, size_t n, osp_err *err)
{
    (void)ctx;
    world.reads++;
    if (world.before_read)
        world.before_read(addr);
    for (size_t i = 0; i < sizeof area / sizeof *area; i++)
        if (addr >= area[i].start && addr - area[i].start <= area[i].n && n <= area[i].n - (addr - area[i].start)) {
            memcpy(dst, (char *)area[i].at + (addr - area[i].start), n);
            return true;
        }
    return osp_fail(err, OSP_EABSENT, "nothing there");
}

static void set(unsigned i, int32_t at, uint64_t value, size_t n) { memcpy(world.g[i] + at, &value, n); }

static struct osp_go go;
static const osp_go_layout *layout = &go.at.pub;

/* Goroutine i waits in gopark below `wait`, its stack `deep` words from the top. */
static void park(unsigned i, uint64_t wait, unsigned deep)
{
    uint64_t lo = STACKS + i * STACK, hi = lo + STACK, sp = hi - 8 * deep;
    unsigned top = STACK / 8 - deep;
    memset(world.stack[i], 0, STACK);
    /* each frame: 8 bytes of its own, the return address */
    world.stack[i][top + 1] = wait;
    world.stack[i][top + 3] = GOEXIT;
    set(i, layout->g_stack_lo, lo, 8);
    set(i, layout->g_stack_hi, hi, 8);
    set(i, layout->g_sched_pc, GOPARK, 8);
    set(i, layout->g_sched_sp, sp, 8);
    set(i, layout->g_goid, 100 + i, 8);
    set(i, layout->g_status, OSP_G_WAITING, 4);
    set(i, layout->g_waitreason, 14, 1); /* sleep, in Go 1.26 */
}

static void ran(unsigned i) { world.g[i][layout->g_tracking_seq]++; }

static osp_row rows[] = {
    {0, OSP_RULE_NONE}, {0, OSP_RULE_NONE}, /* filled in setup */
};

static osp_space space;
static osp_space_map map;
static osp_unwind_go offsets = {.has_go = 1};
static osp_waits *w;
static osp_goroutines *g;
static osp_object *object;

static bool is_alive(void *ctx)
{
    (void)ctx;
    return true;
}

static void setup(unsigned n)
{
    osp_err err = {0};
    bool newer;
    memset(&world, 0, sizeof world);
    go = (struct osp_go){.number = 12608};
    assert_true(osp_go_layout_of_version(12608, &go.at, &newer));
    go.mem = (osp_mem){.read = read_world};
    go.image = (osp_image){.name = S("pid 1"), .alive = is_alive};
    OSP_AUTO_CLOSE int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    go.object = object = osp_object_open_fd(fd, "test", NULL, &err);
    assert_non_null(object);
    go.global[OSP_GO_ALLGLEN] = GLOBALS;
    go.global[OSP_GO_ALLGPTR] = GLOBALS + 8;
    world.allglen = n;
    world.allgptr = LIST;
    for (unsigned i = 0; i < GS; i++)
        world.list[i] = STRUCTS + i * G_BYTES;
    rows[0].rule = osp_rule_make(OSP_RULE_SP, 16, 0);
    rows[1] = (osp_row){0x300, osp_rule_make(OSP_RULE_END, 8 * OSP_ROOT_GOEXIT, 0)};
    map = (osp_space_map){.start = CODE, .end = CODE + 0x1000, .base = CODE, .row = rows, .nrow = 2};
    space = (osp_space){.map = &map, .n = 1};
    w = osp_waits_new(&err);
    g = osp_goroutines_open(go.mem, &go, w, &(osp_goroutines_opts){.budget_us = 1000000, .patience_ns = UINT64_MAX},
                            &err);
    if (!w || !g)
        fail_msg("%s", err.msg);
    osp_goroutines_space(g, &space, &offsets);
}

static void teardown(void)
{
    osp_goroutines_close(g);
    osp_waits_drop(w);
    osp_object_close(object);
}

static void look(void)
{
    osp_err err = {0};
    if (!osp_goroutines_pass(g, &err))
        fail_msg("%s", err.msg);
}

/* Time by the waiting function, in moments; 0 for stacks that are not whole. */
struct told {
    double a, b, other;
    unsigned goroutines;
};

static void tell(void *ctx, const osp_waited *one)
{
    struct told *t = ctx;
    bool whole = one->npc == 3 && one->pc[0] == GOPARK && one->pc[2] == GOEXIT - 1;
    double time = (double)one->ns / 1e6;
    t->goroutines++;
    if (whole && one->pc[1] == WAIT_A - 1)
        t->a += time;
    else if (whole && one->pc[1] == WAIT_B - 1)
        t->b += time;
    else
        t->other += time;
}

static struct told times(void)
{
    struct told t = {0};
    osp_goroutines_settle(g);
    osp_waits_each(w, 1e6, tell, &t);
    return t;
}

static void who_stands_still_is_read_once_and_counts_all_the_time(void **state)
{
    (void)state;
    setup(GS);
    for (unsigned i = 0; i < GS; i++)
        park(i, i % 2 ? WAIT_A : WAIT_B, 10);
    for (int i = 0; i < 50; i++)
        look();
    struct told t = times();
    assert_float_equal(t.a, 50 * GS / 2, 1e-6);
    assert_float_equal(t.b, 50 * GS / 2, 1e-6);
    assert_int_equal(t.goroutines, GS);
    const osp_goroutines_stats *s = osp_goroutines_stats_of(g);
    assert_int_equal(s->unwound, GS);
    assert_int_equal(s->ended[OSP_END_ROOT], GS);
    /* 50 moments, but calm runs are looked at less often: 4 times each moment, then in every 2nd, 4th, 8th … */
    assert_in_range(s->looked, 8 * GS, 20 * GS);
    teardown();
}

/* It parks at the same place by two ways: only the counter tells. */
static void who_ran_in_between_is_read_again(void **state)
{
    (void)state;
    setup(1);
    park(0, WAIT_A, 10);
    for (int i = 0; i < 200; i++) {
        bool a = i % 2 == 0;
        park(0, a ? WAIT_A : WAIT_B, 10);
        ran(0);
        look();
    }
    struct told t = times();
    assert_float_equal(t.a + t.b, 200, 1e-6);
    assert_float_equal(t.a, 100, 1);
    assert_int_equal(osp_goroutines_stats_of(g)->unwound, 200);
    teardown();
}

/* Between two looks that differ, half of the time is the old state's and half the new one's. */
static void time_between_two_looks_is_halved(void **state)
{
    (void)state;
    setup(1);
    park(0, WAIT_A, 10);
    for (int i = 0; i < 10; i++)
        look();
    park(0, WAIT_B, 10);
    ran(0);
    for (int i = 0; i < 30; i++)
        look();
    struct told t = times();
    assert_float_equal(t.a + t.b, 40, 1e-6);
    assert_in_range((int)t.a, 9, 15); /* the change was at 10; the look that saw it at most 12 later */
    teardown();
}

static void newcomers_count_from_when_they_came(void **state)
{
    (void)state;
    setup(1);
    for (unsigned i = 0; i < 20; i++)
        park(i, WAIT_A, 10);
    for (int i = 0; i < 10; i++)
        look();
    world.allglen = 20;
    for (int i = 0; i < 10; i++)
        look();
    struct told t = times();
    assert_float_equal(t.a, 20 + 19 * 9.5, 1e-6);
    assert_int_equal(t.goroutines, 20);
    for (unsigned i = 0; i < 20; i++)
        set(i, layout->g_status, OSP_G_DEAD, 4);
    for (int i = 0; i < 100; i++)
        look();
    t = times();
    assert_in_range((int)t.a, 200 + 20 / 2, 200 + 20 * 13);
    teardown();
}

static unsigned reads_of_stack;

/* Each time its stack is read it has just run, and stands in the other way. */
static void run_when_read(uint64_t addr)
{
    if (addr < STACKS)
        return;
    reads_of_stack++;
    park(0, reads_of_stack % 2 ? WAIT_B : WAIT_A, 10);
    ran(0);
}

static void run_at_first(uint64_t addr)
{
    if (reads_of_stack < 2)
        run_when_read(addr);
}

static void who_runs_while_it_is_read_is_read_again(void **state)
{
    (void)state;
    setup(1);
    park(0, WAIT_A, 10);
    reads_of_stack = 0;
    world.before_read = run_at_first;
    look();
    struct told t = times();
    assert_float_equal(t.a, 1, 1e-6); /* ran twice: it stands in A again, and that is what was taken */
    assert_int_equal(osp_goroutines_stats_of(g)->torn, 0);
    teardown();
}

static void who_never_holds_still_has_its_leaf_alone(void **state)
{
    (void)state;
    setup(1);
    park(0, WAIT_A, 10);
    reads_of_stack = 0;
    world.before_read = run_when_read;
    look();
    struct told t = times();
    assert_float_equal(t.other, 1, 1e-6);
    assert_int_equal(osp_goroutines_stats_of(g)->torn, 1);
    teardown();
}

static void what_is_no_goroutine_is_counted(void **state)
{
    (void)state;
    setup(3);
    park(0, WAIT_A, 10);
    park(1, WAIT_A, 10);
    park(2, WAIT_A, 10);
    set(1, layout->g_status, 77, 4);
    set(2, layout->g_sched_sp, STACKS + 7, 8); /* not its stack */
    look();
    assert_int_equal(osp_goroutines_stats_of(g)->unread, 1);
    assert_int_equal(osp_goroutines_stats_of(g)->torn, 1);
    struct told t = times();
    assert_float_equal(t.a, 1, 1e-6);
    world.list[1] = 3; /* a list that is none */
    world.allglen = 4;
    world.allgptr = LIST + 1;
    osp_err err;
    assert_false(osp_goroutines_pass(g, &err));
    assert_int_equal(err.code, OSP_EFORMAT);
    teardown();
}

static void states_are_told_by_where_it_stands(void **state)
{
    (void)state;
    setup(4);
    osp_wait_sum sum[8];
    for (unsigned i = 0; i < 4; i++)
        park(i, WAIT_A, 10);
    set(1, layout->g_status, OSP_G_SYSCALL | OSP_G_SCAN, 4);
    set(1, layout->g_syscallpc, GOPARK, 8);
    set(1, layout->g_syscallsp, STACKS + 1 * STACK + STACK - 80, 8);
    set(2, layout->g_status, OSP_G_RUNNING, 4);
    set(3, layout->g_status, OSP_G_RUNNABLE, 4);
    for (int i = 0; i < 10; i++)
        look();
    osp_goroutines_settle(g);
    size_t n = osp_waits_sums(w, sum, 8);
    assert_int_equal(n, 4);
    bool seen[OSP_HOWS] = {0};
    for (size_t i = 0; i < n; i++) {
        seen[sum[i].how] = true;
        assert_float_equal(sum[i].time, 10, 1e-6);
    }
    assert_true(seen[OSP_HOW_WAITING] && seen[OSP_HOW_SYSCALL] && seen[OSP_HOW_RUNNING] && seen[OSP_HOW_PREEMPTED]);
    /* in a system call the stack may be another without any sign: it is read each time */
    assert_in_range(osp_goroutines_stats_of(g)->unwound, 12, 14);
    teardown();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_stands_still_is_read_once_and_counts_all_the_time),
        cmocka_unit_test(who_ran_in_between_is_read_again),
        cmocka_unit_test(time_between_two_looks_is_halved),
        cmocka_unit_test(newcomers_count_from_when_they_came),
        cmocka_unit_test(who_runs_while_it_is_read_is_read_again),
        cmocka_unit_test(who_never_holds_still_has_its_leaf_alone),
        cmocka_unit_test(what_is_no_goroutine_is_counted),
        cmocka_unit_test(states_are_told_by_where_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
