/* SPDX-License-Identifier: Apache-2.0 */
/* Where memory goes, from mappings and memory that are made up. */
#include "inspect/inspect_internal.h"
#include "target/target_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MB = 1 << 20, WORDS = 280 };

/* A few words of memory; all else reads as 0. */
typedef struct {
    struct {
        uint64_t addr, value;
    } word[WORDS];
} memory;

static bool read_memory(void *ctx, uint64_t addr, void *dst, size_t n, osp_err *err)
{
    const memory *m = ctx;
    (void)err;
    memset(dst, 0, n);
    for (size_t at = 0; at + 8 <= n; at += 8)
        for (size_t i = 0; i < WORDS; i++)
            if (m->word[i].addr == addr + at)
                memcpy((char *)dst + at, &m->word[i].value, 8);
    return true;
}

/* All pages of the first half of what is asked are resident. */
static bool half(void *ctx, uint64_t start, uint64_t end, uint64_t *resident)
{
    (void)ctx;
    const uint64_t n = (end - start) / osp_page_bytes();
    memset(resident, 0, (size_t)((n + 63) / 64 * 8));
    for (uint64_t i = 0; i < n / 2; i++)
        resident[i / 64] |= 1ull << (i % 64);
    return true;
}

static osp_ledger fill(osp_arena *a, const char *smaps, memory *m, const uint64_t *stack, uint32_t nstack)
{
    osp_smap *map;
    osp_err err;
    osp_ledger l = {0};
    osp_ledger_input in = {.mem = {.ctx = m, .read = read_memory},
                           .stack = stack,
                           .nstack = nstack,
                           .stack_limit = 8 * MB,
                           .pages = half};
    assert_true(osp_smaps_parse(osp_str_from(smaps), a, &map, &in.nmap, &err));
    in.map = map;
    assert_true(osp_ledger_fill(&in, a, &l, &err));
    return l;
}

static void files_have_pages_of_their_own_and_copies(void **state)
{
    (void)state;
    osp_arena a;
    memory m = {0};
    osp_arena_init(&a, MB);
    osp_ledger l = fill(&a,
                        "400000-500000 r-xp 00000000 fe:00 7 /bin/x\nRss: 512 kB\nPss: 100 kB\nAnonymous: 0 kB\n"
                        "500000-510000 rw-p 00100000 fe:00 7 /bin/x\nRss: 64 kB\nPss: 64 kB\nAnonymous: 48 kB\n"
                        "510000-600000 rw-p 00000000 00:00 0 \nRss: 20 kB\nAnonymous: 20 kB\nSwap: 8 kB\n"
                        "900000-910000 rw-p 00000000 00:00 0 [heap]\nRss: 4 kB\n"
                        "a00000-a10000 rw-s 00000000 00:01 9 /memfd:y (deleted)\nRss: 16 kB\n",
                        &m, NULL, 0);
    assert_int_equal(l.resident, (512 + 64 + 20 + 4 + 16) << 10);
    assert_int_equal(l.row[OSP_LEDGER_FILES].resident, (512 + 16) << 10);
    assert_int_equal(l.row[OSP_LEDGER_DATA].resident, (48 + 20) << 10); /* with what follows: .bss */
    assert_int_equal(l.row[OSP_LEDGER_DATA].swapped, 8 << 10);
    assert_int_equal(l.row[OSP_LEDGER_C_HEAP].resident, 4 << 10);
    assert_int_equal(l.row[OSP_LEDGER_SHARED].resident, 16 << 10);
    assert_null(l.row[OSP_LEDGER_OTHER].how);
    osp_arena_drop(&a);
}

static void stacks_begin_above_their_guard_and_are_no_longer_than_usual(void **state)
{
    (void)state;
    osp_arena a;
    memory m = {0};
    const uint64_t sp[] = {0x7f0030000100};
    osp_arena_init(&a, MB);
    /* the second has grown together with what is above it: 8 MiB of 16, half of which are resident; in the third a thread stands */
    osp_ledger l = fill(&a,
                        "7f0010000000-7f0010001000 ---p 00000000 00:00 0 \nRss: 0 kB\n"
                        "7f0010001000-7f0010801000 rw-p 00000000 00:00 0 \nRss: 8 kB\n"
                        "7f0020000000-7f0020001000 ---p 00000000 00:00 0 \nRss: 0 kB\n"
                        "7f0020001000-7f0021001000 rw-p 00000000 00:00 0 \nRss: 10240 kB\n"
                        "7f0030000000-7f0030100000 rw-p 00000000 00:00 0 \nRss: 12 kB\n",
                        &m, sp, 1);
    assert_int_equal(l.row[OSP_LEDGER_STACKS].resident, (8 + 4096 + 12) << 10);
    assert_int_equal(l.row[OSP_LEDGER_OTHER].resident, (10240 - 4096) << 10);
    osp_arena_drop(&a);
}

static void mallocs_own_headers_are_known(void **state)
{
    (void)state;
    osp_arena a;
    const uint64_t arena = 0x7f0000000000, block = 0x7f0010000000;
    memory m = {.word = {{arena, arena + 0x30}, /* ar_ptr, prev, size, mprotect_size */
                         {arena + 16, 0x21000},
                         {arena + 24, 0x21000},
                         {arena + (64 << 20), arena + 0x30}, /* its second heap */
                         {arena + (64 << 20) + 8, arena},
                         {arena + (64 << 20) + 16, 0x1000},
                         {arena + (64 << 20) + 24, 0x2000},
                         {block + 8, 0x20002},
                         {block + 0x20008, 0x10002},
                         {block + 0x30008, 0x10001}}}; /* not of its own mmap */
    osp_arena_init(&a, MB);
    osp_ledger l = fill(&a,
                        "7f0000000000-7f0000021000 rw-p 00000000 00:00 0 \nRss: 132 kB\n"
                        "7f0004000000-7f0004002000 rw-p 00000000 00:00 0 \nRss: 8 kB\n"
                        "7f0010000000-7f0010040000 rw-p 00000000 00:00 0 \nRss: 256 kB\n"
                        "7f0020000000-7f0020001000 rw-p 00000000 00:00 0 \nRss: 4 kB\n",
                        &m, NULL, 0);
    assert_int_equal(l.malloc.arenas, 1);
    assert_int_equal(l.malloc.heaps, 2);
    assert_int_equal(l.malloc.large, 2);
    assert_int_equal(l.malloc.large_bytes, 0x30000);
    assert_int_equal(l.row[OSP_LEDGER_C_ARENAS].resident, 140 << 10);
    assert_int_equal(l.row[OSP_LEDGER_C_LARGE].resident, 96 << 10); /* half of its pages are */
    assert_int_equal(l.row[OSP_LEDGER_OTHER].resident, (160 + 4) << 10);
    osp_arena_drop(&a);
}

/* An arena whose lists of free chunks begin at its 14th word; all are empty but one, with so many chunks, the last of which leads
 * to `after`. */
static uint64_t free_of_arena(uint64_t after)
{
    osp_arena a;
    const uint64_t heap = 0x7f0000000000, arena = heap + 0x30, bins = arena + 112, top = heap + 0x20000;
    memory m = {.word = {{heap, arena},
                         {heap + 16, 0x21000},
                         {heap + 24, 0x21000},
                         {arena + 96, top},
                         {top + 8, 0x1000 | 1},
                         {heap + 0x9008, 0x3000 | 1},
                         {heap + 0x9010, heap + 0xd000},
                         {heap + 0xd008, 0x500 | 1},
                         {heap + 0xd010, after}}};
    size_t n = 9;
    for (size_t i = 0; i < 127; i++) {
        m.word[n].addr = bins + 16 * i;
        m.word[n++].value = i == 5 ? heap + 0x9000 : bins + 16 * i - 16;
    }
    osp_arena_init(&a, MB);
    osp_ledger l = fill(&a, "7f0000000000-7f0000021000 rw-p 00000000 00:00 0 \nRss: 132 kB\n", &m, NULL, 0);
    const uint64_t bytes = l.malloc.free_bytes;
    assert_in_range(l.malloc.free_read, 2, 8192);
    osp_arena_drop(&a);
    return bytes;
}

static void freed_chunks_of_an_arena_are_counted_and_a_circle_of_them_ends(void **state)
{
    (void)state;
    const uint64_t heap = 0x7f0000000000, list = heap + 0x30 + 112 + 16 * 5 - 16;
    assert_int_equal(free_of_arena(list), 0x1000 + 0x3000 + 0x500);
    assert_int_equal(free_of_arena(heap + 0x123), 0x1000 + 0x3000 + 0x500); /* no chunk begins there */
    assert_true(free_of_arena(heap + 0x9000) > 0x4500);
}

static void growth_is_of_the_mapping_that_was_there(void **state)
{
    (void)state;
    osp_arena a;
    memory m = {0};
    osp_ledger_growth *g;
    size_t n;
    osp_arena_init(&a, MB);
    osp_ledger was = fill(&a,
                          "20000000-20100000 rw-p 00000000 00:00 0 \nRss: 1024 kB\n"
                          "30000000-30100000 rw-p 00000000 00:00 0 \nRss: 512 kB\n"
                          "40000000-40100000 rw-p 00000000 00:00 0 \nRss: 64 kB\n",
                          &m, NULL, 0);
    osp_ledger now = fill(&a,
                          "1ff00000-20100000 rw-p 00000000 00:00 0 \nRss: 2048 kB\n"
                          "30000000-30100000 rw-p 00000000 00:00 0 \nRss: 500 kB\n"
                          "50000000-50100000 rw-p 00000000 00:00 0 \nRss: 32 kB\n",
                          &m, NULL, 0);
    assert_true(osp_ledger_growth_of(&was, &now, &a, 10, &g, &n));
    assert_int_equal(n, 4);
    assert_int_equal(g[0].bytes, 1024 << 10);
    assert_ptr_equal(g[0].now, &now.map[0]);
    assert_ptr_equal(g[0].was, &was.map[0]);
    assert_int_equal(g[1].bytes, 32 << 10);
    assert_null(g[1].was);
    assert_int_equal(g[2].bytes, -(12 << 10));
    assert_int_equal(g[3].bytes, -(64 << 10));
    assert_null(g[3].now);
    osp_arena_drop(&a);
}

static void what_is_no_smaps_is_refused(void **state)
{
    (void)state;
    osp_arena a;
    osp_smap *map;
    uint32_t n;
    osp_err err;
    osp_arena_init(&a, MB);
    assert_false(osp_smaps_parse(S("Rss: 4 kB\n"), &a, &map, &n, &err));
    assert_false(osp_smaps_parse(S("400000-500000 r-xp 00000000 fe:00 7 /x\nRss: x kB\n"), &a, &map, &n, &err));
    assert_false(osp_smaps_parse(
        S("500000-600000 r-xp 00000000 fe:00 7 /x\n400000-500000 r-xp 00000000 fe:00 7 /x\n"), &a, &map, &n, &err));
    osp_arena_drop(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_have_pages_of_their_own_and_copies),
        cmocka_unit_test(stacks_begin_above_their_guard_and_are_no_longer_than_usual),
        cmocka_unit_test(mallocs_own_headers_are_known),
        cmocka_unit_test(freed_chunks_of_an_arena_are_counted_and_a_circle_of_them_ends),
        cmocka_unit_test(growth_is_of_the_mapping_that_was_there),
        cmocka_unit_test(what_is_no_smaps_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
