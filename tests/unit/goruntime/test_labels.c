/* SPDX-License-Identifier: Apache-2.0 */
/* pprof labels in made-up memory, as Go's two ways of keeping them lay them out. */
#include "goruntime/goruntime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t BASE = 0x1000;

static struct {
    uint64_t word[512];
    unsigned reads;
} memory;

static bool read_memory(void *ctx, uint64_t addr, void *dst, size_t n, osp_err *err)
{
    (void)ctx;
    memory.reads++;
    if (addr < BASE || addr - BASE > sizeof memory.word || n > sizeof memory.word - (addr - BASE))
        return osp_fail(err, OSP_EABSENT, "nothing there");
    memcpy(dst, (const char *)memory.word + (addr - BASE), n);
    return true;
}

static void poke(uint64_t addr, uint64_t value) { memory.word[(addr - BASE) / 8] = value; }

static void poke_text(uint64_t addr, const char *text)
{
    memcpy((char *)memory.word + (addr - BASE), text, strlen(text));
}

static void poke_string(uint64_t addr, uint64_t at, const char *text)
{
    poke(addr, at);
    poke(addr + 8, strlen(text));
    poke_text(at, text);
}

static osp_labels_text text[OSP_LABELS_AT_ONCE];

static void read_labels(bool slices, const uint64_t *at, size_t n)
{
    osp_err err;
    osp_labels_reader *r = osp_labels_reader_new((osp_mem){.read = read_memory}, slices, &err);
    assert_non_null(r);
    osp_labels_read(r, at, n, text);
    osp_labels_reader_drop(r);
}

static void has(const osp_labels_text *t, const char *const *want)
{
    osp_str rest = {t->text, t->n}, key, value;
    for (; *want; want += 2) {
        assert_true(osp_labels_next(&rest, &key, &value));
        assert_true(osp_str_eq(key, osp_str_from(want[0])));
        assert_true(osp_str_eq(value, osp_str_from(want[1])));
    }
    assert_false(osp_labels_next(&rest, &key, &value));
}

static void a_list_is_read(void **state)
{
    (void)state;
    memset(&memory, 0, sizeof memory);
    poke(0x1000, 0x1100); /* {list, n} */
    poke(0x1008, 2);
    poke_string(0x1100, 0x1200, "route");
    poke_string(0x1110, 0x1210, "/a");
    poke_string(0x1120, 0x1220, "tenant");
    poke_string(0x1130, 0x1230, "");
    const uint64_t at[] = {0x1000, 0, 0x1000};
    read_labels(true, at, 3);
    const char *const want[] = {"route", "/a", "tenant", "", NULL}, *const none[] = {NULL};
    has(&text[0], want);
    has(&text[1], none);
    has(&text[2], want);
    assert_false(text[1].failed);
}

static void a_map_is_read(void **state)
{
    (void)state;
    memset(&memory, 0, sizeof memory);
    poke(0x1000, 0x1020);              /* hmap */
    poke(0x1020, 2);                   /* count; flags and B are 0 */
    poke(0x1030, 0x1100);              /* buckets */
    poke_string(0x1118, 0x1300, "op"); /* key 1: 8 hash bytes, then keys of 16 bytes */
    poke_string(0x1198, 0x1310, "Mutex");
    poke_string(0x1128, 0x1320, "x");
    poke_string(0x11a8, 0x1330, "y");
    const uint64_t at[] = {0x1000};
    read_labels(false, at, 1);
    const char *const want[] = {"op", "Mutex", "x", "y", NULL};
    has(&text[0], want);
    poke(0x1028, 1 << 8); /* B: more buckets than one */
    read_labels(false, at, 1);
    assert_int_equal(text[0].n, 0);
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    memset(&memory, 0, sizeof memory);
    poke(0x1000, 0x1100);
    poke(0x1008, 1u << 31);
    for (unsigned i = 0; i < OSP_GO_LABELS; i++) {
        poke(0x1100 + 32 * i, 0x1000);
        poke(0x1108 + 32 * i, UINT64_MAX);
        poke(0x1110 + 32 * i, 0x1000);
        poke(0x1118 + 32 * i, 1 << 16);
    }
    const uint64_t at[] = {0x1000};
    read_labels(true, at, 1);
    assert_int_equal(text[0].n, OSP_LABELS_BYTES);
    osp_str rest = {text[0].text, text[0].n}, key, value;
    unsigned n = 0;
    for (; osp_labels_next(&rest, &key, &value); n++)
        assert_true(key.n == OSP_GO_LABEL_KEY && value.n == OSP_GO_LABEL_VALUE);
    assert_int_equal(n, OSP_GO_LABELS);
}

static void a_wild_pointer_fails_for_its_goroutine_alone(void **state)
{
    (void)state;
    memset(&memory, 0, sizeof memory);
    poke(0x1000, 0x1100);
    poke(0x1008, 1);
    poke_string(0x1100, 0x1200, "a");
    poke_string(0x1110, 0x1210, "b");
    poke(0x1040, 0xdead0000); /* its list is nowhere */
    poke(0x1048, 1);
    poke(0x1060, 0x1180);
    poke(0x1068, 1);
    poke(0x1180, 0xdead0000); /* its key is nowhere */
    poke(0x1188, 4);
    const uint64_t at[] = {0x1040, 0x1000, 0xdead0000, 0x1060, 0x1000};
    read_labels(true, at, 5);
    const char *const want[] = {"a", "b", NULL};
    has(&text[1], want);
    has(&text[4], want);
    assert_true(text[0].failed && text[2].failed && text[3].failed);
    assert_int_equal(text[0].n + text[2].n + text[3].n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_read),
        cmocka_unit_test(a_map_is_read),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(a_wild_pointer_fails_for_its_goroutine_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
