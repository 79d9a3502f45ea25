/* SPDX-License-Identifier: Apache-2.0 */
#include "pprof/pprof.h"
#include "same_profile.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../stack_at.h"

static osp_profile *decode(osp_str bytes, osp_err *err)
{
    char *copy = malloc(bytes.n + 1);
    assert_non_null(copy);
    if (bytes.n)
        memcpy(copy, bytes.p, bytes.n);
    osp_file file = {{(uint8_t *)copy, bytes.n}, false};
    return osp_pprof_decode(&file, 0, err);
}

/* ---- real profiles --------------------------------------------------------------------------------------------- */

static void check_round_trips(const char *path)
{
    osp_err err;
    osp_profile *p = osp_pprof_open(path, &err);
    assert_non_null(p);
    assert_true(p->samples.n > 0);
    for (osp_pack how = OSP_PACK_NONE; how <= OSP_PACK_ZSTD; how++) {
        osp_buf out = osp_buf_of(1 << 26);
        assert_true(osp_pprof_encode_packed(p, how, &out, &err));
        osp_profile *q = decode(osp_buf_str(&out), &err);
        assert_non_null(q);
        assert_true(same_profile(p, q));
        osp_profile_drop(q);
        osp_buf_drop(&out);
    }
    osp_profile_drop(p);
}

static void real_profiles_come_back_as_they_were(void **state)
{
    (void)state;
    const char *folder = getenv("OSP_DATA");
    assert_non_null(folder);
    DIR *d = opendir(folder);
    assert_non_null(d);
    int n = 0;
    for (struct dirent *e; (e = readdir(d));) {
        char path[600];
        if (!osp_str_ends(osp_str_from(e->d_name), S(".pb.gz")))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        check_round_trips(path);
        n++;
    }
    closedir(d);
    assert_true(n >= 19);
}

/* ---- made-up profiles ------------------------------------------------------------------------------------------ */

/* A message put together by hand. */
typedef struct {
    osp_buf b;
} message;

static message new_message(void) { return (message){osp_buf_of(1 << 24)}; }
static void number(message *m, uint32_t field, uint64_t v) { osp_pb_put_uint(&m->b, field, v); }
static void text(message *m, const char *s) { osp_pb_put_bytes(&m->b, 6, osp_str_from(s)); }

/* Puts the message `part` into m and drops it. */
static void put(message *m, uint32_t field, message *part)
{
    osp_pb_put_bytes(&m->b, field, osp_buf_str(&part->b));
    osp_buf_drop(&part->b);
}

static void value_type(message *m)
{
    message t = new_message();
    number(&t, 1, 1);
    number(&t, 2, 2);
    put(m, 1, &t);
}

static void location(message *m, uint64_t id, uint64_t function)
{
    message l = new_message(), line = new_message();
    number(&l, 1, id);
    number(&line, 1, function);
    put(&l, 4, &line);
    put(m, 4, &l);
}

static void function(message *m, uint64_t id)
{
    message f = new_message();
    number(&f, 1, id);
    number(&f, 2, 3);
    put(m, 5, &f);
}

static void sample(message *m, uint64_t loc, uint64_t value)
{
    message s = new_message();
    number(&s, 1, loc);
    number(&s, 2, value);
    put(m, 2, &s);
}

static void texts(message *m)
{
    text(m, "");
    text(m, "cpu");
    text(m, "nanoseconds");
    text(m, "main.main");
}

static void check_fails(message *m, osp_code code, const char *why)
{
    osp_err err = {0};
    osp_profile *p = decode(osp_buf_str(&m->b), &err);
    assert_null(p);
    assert_int_equal(err.code, code);
    assert_string_equal(err.msg, why);
    osp_buf_drop(&m->b);
}

static void tables_may_follow_what_refers_to_them(void **state)
{
    (void)state;
    osp_err err;
    message m = new_message();
    sample(&m, UINT64_MAX, 7);
    sample(&m, 5, 8);
    location(&m, 5, 1ull << 62);
    location(&m, UINT64_MAX, 9);
    function(&m, 9);
    function(&m, 1ull << 62);
    value_type(&m);
    texts(&m);
    osp_profile *p = decode(osp_buf_str(&m.b), &err);
    assert_non_null(p);
    assert_int_equal(p->samples.n, 2);
    assert_int_equal(stack_at(p, p->samples.stack[0]).loc[0].i, 1);
    assert_int_equal(stack_at(p, p->samples.stack[1]).loc[0].i, 0);
    assert_int_equal(p->locations.line[0].fn.i, 2);
    assert_true(p->arena.used < 100000); /* memory goes by how many ids there are, not by how large they are */
    osp_profile_drop(p);
    osp_buf_drop(&m.b);
}

static void packed_and_single_numbers_mean_the_same(void **state)
{
    (void)state;
    osp_err err;
    static const char *const samples[] = {
        "\x08\x01\x08\x02\x08\x01\x10\x07",             /* one by one */
        "\x0a\x03\x01\x02\x01\x12\x01\x07",             /* packed */
        "\x08\x01\x10\x07\x0a\x02\x02\x01",             /* both, and strewn about */
        "\x0a\x04\x81\x00\x02\x01\x10\x87\x80\x80\x00", /* longer than needed */
        "\x1a\x04\x08\x01\x10\x02\x0a\x03\x01\x02\x01\x12\x01\x07\x1a\x04\x08\x01\x10\x02", /* between labels */
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        static const size_t size[] = {8, 8, 8, 11, 20};
        message m = new_message();
        value_type(&m);
        osp_pb_put_bytes(&m.b, 2, (osp_str){samples[i], size[i]});
        location(&m, 1, 9);
        location(&m, 2, 9);
        function(&m, 9);
        texts(&m);
        osp_profile *p = decode(osp_buf_str(&m.b), &err);
        assert_non_null(p);
        assert_int_equal(p->samples.value[0][0], 7);
        assert_int_equal(stack_at(p, (osp_stack_id){0}).n, 3);
        const uint32_t want[] = {0, 1, 0};
        for (int k = 0; k < 3; k++)
            assert_int_equal(stack_at(p, (osp_stack_id){0}).loc[k].i, want[k]);
        osp_profile_drop(p);
        osp_buf_drop(&m.b);
    }
}

static void what_the_peer_refuses_is_refused(void **state)
{
    (void)state;
    message m = new_message();
    check_fails(&m, OSP_EFORMAT, "empty input file");
    m = new_message();
    value_type(&m);
    check_fails(&m, OSP_EFORMAT, "unrecognized profile format: there is no string table");
    m = new_message();
    text(&m, "x");
    check_fails(&m, OSP_EFORMAT, "malformed profile, byte 2: string_table[0] must be ''");
    m = new_message();
    texts(&m);
    sample(&m, 1, 2);
    check_fails(&m, OSP_EFORMAT, "malformed profile: missing sample type information");
    m = new_message();
    value_type(&m);
    sample(&m, 1, 2);
    texts(&m);
    check_fails(&m, OSP_EFORMAT, "malformed profile: a sample has location 1, which is not there");
    m = new_message();
    location(&m, 1, 4);
    texts(&m);
    check_fails(&m, OSP_EFORMAT, "malformed profile: location id: 1 has a line with function 4, which is not there");
    m = new_message();
    function(&m, 4);
    location(&m, 1, 4);
    location(&m, 1, 4);
    texts(&m);
    check_fails(&m, OSP_EFORMAT, "malformed profile: multiple locations with same id: 1");
    m = new_message();
    function(&m, 0);
    texts(&m);
    check_fails(&m, OSP_EFORMAT, "malformed profile, byte 2: found function with reserved id 0");
    m = new_message();
    function(&m, 1);
    text(&m, "");
    check_fails(&m, OSP_EFORMAT, "malformed profile, byte 2: string 3 is not in the table of 1");
    m = new_message();
    texts(&m);
    number(&m, 9, 5);
    number(&m, 9, 5);
    check_fails(&m, OSP_EFORMAT, "concatenated profiles detected");
    m = new_message();
    texts(&m);
    number(&m, 2, 5);
    check_fails(&m, OSP_EFORMAT, "unrecognized profile format, byte 33: profile: field 2 has wire type 0");
}

static void counts_that_cannot_be_are_not_made_room_for(void **state)
{
    (void)state;
    message m = new_message();
    for (int i = 0; i < 100000; i++) {
        osp_pb_put_bytes(&m.b, 1, S("")); /* a type and a sample of two bytes each: a table of 10^10 values */
        osp_pb_put_bytes(&m.b, 2, S(""));
    }
    texts(&m);
    check_fails(&m, OSP_EFORMAT, "malformed profile: 100000 samples of 100000 types do not fit the profile");
}

static void every_cut_of_a_profile_is_refused_or_whole(void **state)
{
    (void)state;
    osp_err err;
    message m = new_message();
    value_type(&m);
    location(&m, 1, 1);
    function(&m, 1);
    sample(&m, 1, 5);
    texts(&m);
    for (size_t n = 0; n < m.b.n; n++) {
        osp_profile *p = decode(osp_str_head(osp_buf_str(&m.b), n), &err);
        assert_true(p == NULL || p->strings.n < 4 || p->samples.n == 1);
        osp_profile_drop(p);
    }
    osp_buf_drop(&m.b);
}

static void too_little_memory_is_an_error_at_every_step(void **state)
{
    (void)state;
    message m = new_message();
    value_type(&m);
    location(&m, 1, 1);
    function(&m, 1);
    sample(&m, 1, 5);
    texts(&m);
    bool done = false;
    for (long n = 0; n < 200 && !done; n++) {
        osp_err err;
        osp_arena_fail_after(n);
        osp_profile *p = decode(osp_buf_str(&m.b), &err);
        osp_arena_fail_after(-1);
        done = p != NULL;
        assert_true(done || err.code == OSP_ELIMIT);
        osp_profile_drop(p);
    }
    assert_true(done);
    osp_buf_drop(&m.b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_profiles_come_back_as_they_were),
        cmocka_unit_test(tables_may_follow_what_refers_to_them),
        cmocka_unit_test(packed_and_single_numbers_mean_the_same),
        cmocka_unit_test(what_the_peer_refuses_is_refused),
        cmocka_unit_test(counts_that_cannot_be_are_not_made_room_for),
        cmocka_unit_test(every_cut_of_a_profile_is_refused_or_whole),
        cmocka_unit_test(too_little_memory_is_an_error_at_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
