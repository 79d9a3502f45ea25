/* SPDX-License-Identifier: Apache-2.0 */
/* perf.data put together by hand; that perf's own files are read is tests/differential/perf_data.py. */
#include "../stack_at.h"
#include "formats.h"

#include <unistd.h>

enum { IP_TID_TIME_PERIOD_CHAIN = 1 | 2 | 4 | 32 | 256, REGS_STACK = 4096 | 8192 };

typedef struct {
    osp_buf b;
} bytes;

static uint32_t pid_of_records = 7; /* and tid */

static bytes new_bytes(void) { return (bytes){osp_buf_of(1 << 20)}; }
static void u16(bytes *b, uint16_t v) { osp_buf_add(&b->b, (osp_str){(char *)&v, sizeof v}); }
static void u32(bytes *b, uint32_t v) { osp_buf_add(&b->b, (osp_str){(char *)&v, sizeof v}); }
static void u64(bytes *b, uint64_t v) { osp_buf_add(&b->b, (osp_str){(char *)&v, sizeof v}); }

static void words(bytes *b, size_t n, const uint64_t *v)
{
    for (size_t i = 0; i < n; i++)
        u64(b, v[i]);
}

/* A record of that body, which is dropped. */
static void record(bytes *to, uint32_t type, uint16_t misc, bytes *body)
{
    while (body->b.n % 8)
        osp_buf_byte(&body->b, 0);
    u32(to, type);
    u16(to, misc);
    u16(to, (uint16_t)(body->b.n + 8));
    osp_buf_add(&to->b, osp_buf_str(&body->b));
    osp_buf_drop(&body->b);
}

/* What sample_id_all puts behind: pid, tid, time. */
static void tail(bytes *b, uint64_t time)
{
    while (b->b.n % 8)
        osp_buf_byte(&b->b, 0);
    u32(b, pid_of_records);
    u32(b, pid_of_records);
    u64(b, time);
}

static void mmap2(bytes *to, uint64_t start, uint64_t size, uint64_t offset, const char *path, uint64_t time)
{
    bytes b = new_bytes();
    u32(&b, pid_of_records);
    u32(&b, pid_of_records);
    words(&b, 6, (uint64_t[]){start, size, offset, 0, 0, 0});
    u32(&b, 4);
    u32(&b, 2);
    osp_buf_add(&b.b, osp_str_from(path));
    osp_buf_byte(&b.b, 0);
    tail(&b, time);
    record(to, 10, 2, &b);
}

static void comm(bytes *to, const char *name, uint16_t misc, uint64_t time)
{
    bytes b = new_bytes();
    u32(&b, pid_of_records);
    u32(&b, pid_of_records);
    osp_buf_add(&b.b, osp_str_from(name));
    osp_buf_byte(&b.b, 0);
    tail(&b, time);
    record(to, 3, misc, &b);
}

static void sample(bytes *to, uint64_t time, size_t n, const uint64_t *chain)
{
    bytes b = new_bytes();
    u64(&b, n ? chain[n - 1] : 0);
    u32(&b, pid_of_records);
    u32(&b, pid_of_records);
    u64(&b, time);
    u64(&b, 1000);
    u64(&b, n);
    words(&b, n, chain);
    record(to, 9, 2, &b);
}

static void round_ends(bytes *to)
{
    bytes b = new_bytes();
    record(to, 68, 0, &b);
}

static bytes attr_of(uint64_t sample_type)
{
    bytes a = new_bytes();
    u32(&a, 1); /* software, cpu-clock */
    u32(&a, 112);
    words(&a, 5, (uint64_t[]){0, 1000, sample_type, 0, 1 << 18 | 1 << 10});
    u64(&a, 0);
    words(&a, 3, (uint64_t[]){0, 0, 0});
    words(&a, 4, (uint64_t[]){1 << 6 | 1 << 7 | 1 << 8, 4096, 0, 0});
    assert_int_equal(a.b.n, 112);
    return a;
}

/* The records as a file; both are dropped. */
static bytes file_of(uint64_t sample_type, bytes *data)
{
    bytes f = new_bytes(), a = attr_of(sample_type);
    osp_buf_add(&f.b, S("PERFILE2"));
    words(&f, 8, (uint64_t[]){104, 128, 104, 128, 232, data->b.n, 0, 0});
    words(&f, 4, (uint64_t[]){0, 0, 0, 0});
    osp_buf_add(&f.b, osp_buf_str(&a.b));
    words(&f, 2, (uint64_t[]){0, 0});
    osp_buf_add(&f.b, osp_buf_str(&data->b));
    osp_buf_drop(&a.b);
    osp_buf_drop(&data->b);
    return f;
}

static void check(bytes *file, const char *want)
{
    check_stacks(osp_buf_str(&file->b), "perf-data", "cpu", want);
    osp_buf_drop(&file->b);
}

static const uint64_t KERNEL = (uint64_t)-128, USER = (uint64_t)-512;

static void samples_are_put_where_they_were_mapped_then(void **state)
{
    (void)state;
    bytes d = new_bytes();
    /* The file is out of order: CPU 1 wrote first what happened last. */
    comm(&d, "worker", 0, 10);
    sample(&d, 40, 2, (uint64_t[]){USER, 0x1010});
    mmap2(&d, 0x1000, 0x1000, 0, "/no/such/a.so", 20);
    sample(&d, 30, 2, (uint64_t[]){USER, 0x1010});
    mmap2(&d, 0x1000, 0x800, 0, "/no/such/b.so", 35);
    sample(&d, 41, 2, (uint64_t[]){USER, 0x1810});
    round_ends(&d);
    bytes f = file_of(IP_TID_TIME_PERIOD_CHAIN, &d);
    check(&f, "[a.so] 2000\n[b.so] 1000\n");
}

static void contexts_say_whose_an_address_is(void **state)
{
    (void)state;
    bytes d = new_bytes();
    mmap2(&d, 0x1000, 0x1000, 0, "/no/such/a.so", 1);
    sample(&d, 2, 5, (uint64_t[]){KERNEL, 0xffffffff81000000, USER, 0x1010, 0x1020});
    bytes f = file_of(IP_TID_TIME_PERIOD_CHAIN, &d);
    osp_err err;
    osp_profile *p = read_as(osp_buf_str(&f.b), "", NULL, &err);
    assert_non_null(p);
    const osp_location_id *loc = stack_at(p, (osp_stack_id){0}).loc;
    assert_int_equal(stack_at(p, (osp_stack_id){0}).n, 3);
    assert_int_equal(p->locations.addr[loc[0].i], 0xffffffff81000000);
    assert_int_equal(p->locations.addr[loc[1].i], 0x1010);
    assert_int_equal(p->locations.addr[loc[2].i], 0x101f); /* a return address */
    osp_profile_drop(p);
    osp_buf_drop(&f.b);
}

static void an_exec_forgets_what_was_mapped(void **state)
{
    (void)state;
    bytes d = new_bytes();
    mmap2(&d, 0x1000, 0x1000, 0, "/no/such/a.so", 1);
    comm(&d, "next", 1 << 13, 2);
    sample(&d, 3, 2, (uint64_t[]){USER, 0x1010});
    bytes f = file_of(IP_TID_TIME_PERIOD_CHAIN, &d);
    check(&f, "[unknown] 1000\n");
}

__attribute__((noinline)) static int marked_function(int x) { return x + 1; }

/* This very program, as it lies in memory. */
static void map_self(bytes *d, char *path, size_t size)
{
    uint64_t start = 0, end = 0, offset = 0, here = (uint64_t)(uintptr_t)marked_function;
    char line[600];
    ssize_t n = readlink("/proc/self/exe", path, size - 1);
    assert_true(n > 0);
    path[n] = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps) && !(start <= here && here < end)) {
        unsigned long long v[3];
        if (sscanf(line, "%llx-%llx %*s %llx", &v[0], &v[1], &v[2]) == 3) {
            start = v[0];
            end = v[1];
            offset = v[2];
        }
    }
    fclose(maps);
    mmap2(d, start, end - start, offset, path, 1);
}

static void files_that_are_here_give_names(void **state)
{
    (void)state;
    char path[500];
    bytes d = new_bytes();
    map_self(&d, path, sizeof path);
    sample(&d, 2, 2, (uint64_t[]){USER, (uint64_t)(uintptr_t)marked_function});
    bytes f = file_of(IP_TID_TIME_PERIOD_CHAIN, &d);
    check(&f, "marked_function 1000\n");
    assert_int_equal(marked_function(1), 2);
}

static void a_copied_stack_is_unwound(void **state)
{
    (void)state;
    char path[500];
    bytes d = new_bytes(), b = new_bytes();
    const uint64_t at = (uint64_t)(uintptr_t)marked_function;
    map_self(&d, path, sizeof path);
    u64(&b, at);
    u32(&b, pid_of_records);
    u32(&b, pid_of_records);
    /* time, period, an empty chain; abi, bp, sp, ip; the stack: its size, a return address into the function, 0; used */
    words(&b, 10, (uint64_t[]){2, 1000, 0, 2, 0, 0x7000, at, 16, at + 1, 0});
    u64(&b, 16);
    record(&d, 9, 2, &b);
    bytes f = file_of(IP_TID_TIME_PERIOD_CHAIN | REGS_STACK, &d);
    check(&f, "marked_function;marked_function 1000\n");
}

static void a_pipe_describes_its_event_first(void **state)
{
    (void)state;
    bytes f = new_bytes(), a = attr_of(IP_TID_TIME_PERIOD_CHAIN);
    osp_buf_add(&f.b, S("PERFILE2"));
    u64(&f, 16);
    record(&f, 64, 0, &a);
    mmap2(&f, 0x1000, 0x1000, 0, "/no/such/a.so", 1);
    sample(&f, 2, 2, (uint64_t[]){USER, 0x1010});
    check(&f, "[a.so] 1000\n");
}

static void packed_records_may_be_cut_anywhere(void **state)
{
    (void)state;
    bytes plain = new_bytes(), d = new_bytes();
    osp_err err;
    mmap2(&plain, 0x1000, 0x1000, 0, "/no/such/a.so", 1);
    sample(&plain, 2, 2, (uint64_t[]){USER, 0x1010});
    osp_buf packed = osp_buf_of(1 << 20);
    assert_true(osp_pack_bytes(OSP_PACK_ZSTD, osp_buf_str(&plain.b), 3, &packed, &err));
    for (size_t at = 0; at < packed.n; at += 16) {
        bytes piece = new_bytes();
        size_t n = packed.n - at < 16 ? packed.n - at : 16;
        u32(&d, 81);
        u16(&d, 0);
        u16(&d, (uint16_t)(n + 8));
        osp_buf_add(&piece.b, (osp_str){packed.p + at, n});
        osp_buf_add(&d.b, osp_buf_str(&piece.b));
        osp_buf_drop(&piece.b);
    }
    bytes f = file_of(IP_TID_TIME_PERIOD_CHAIN, &d);
    check(&f, "[a.so] 1000\n");
    osp_buf_drop(&packed);
    osp_buf_drop(&plain.b);
}

static void compiled_code_has_the_names_of_its_map(void **state)
{
    (void)state;
    char path[] = "/tmp/perf-2147480000.map";
    osp_err err;
    bytes d = new_bytes();
    pid_of_records = 2147480000; /* which no process has */
    mmap2(&d, 0x1000, 0x1000, 0x1000, "//anon", 1);
    sample(&d, 2, 3, (uint64_t[]){USER, 0x1010, 0x1109});
    sample(&d, 3, 2, (uint64_t[]){USER, 0x1012});
    sample(&d, 4, 2, (uint64_t[]){USER, 0x1500});
    pid_of_records = 7;
    bytes f = file_of(IP_TID_TIME_PERIOD_CHAIN, &d);
    assert_true(osp_file_write(
        path, S("1000 20 old name\n1000 20 first one\nnonsense\n1012 2 inside\n1100 10 caller\n"), &err));
    check(&f, "[perf-2147480000.map] 1000\ncaller;first one 1000\ninside 1000\n");
    assert_int_equal(unlink(path), 0);
}

static void what_is_broken_is_refused_or_said(void **state)
{
    (void)state;
    osp_err err;
    osp_found found;
    check_refused(S("2ELIFREP01234567"), "perf-data", "big-endian");
    check_refused(S("PERFILE2\x68\0\0\0\0\0\0\0"), "perf-data", "cut short");
    bytes d = new_bytes();
    sample(&d, 2, 2, (uint64_t[]){USER, 0x1010});
    sample(&d, 3, 2, (uint64_t[]){USER, 0x1010});
    bytes f = file_of(IP_TID_TIME_PERIOD_CHAIN, &d);
    osp_profile *p = read_as(osp_str_head(osp_buf_str(&f.b), f.b.n - 4), "", &found, &err);
    assert_non_null(p);
    assert_string_equal(found.note, "the file is cut short");
    osp_profile_drop(p);
    osp_buf_drop(&f.b);
    d = new_bytes();
    round_ends(&d);
    f = file_of(IP_TID_TIME_PERIOD_CHAIN, &d);
    check_refused(osp_buf_str(&f.b), "perf-data", "not one sample");
    osp_buf_drop(&f.b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_put_where_they_were_mapped_then),
        cmocka_unit_test(contexts_say_whose_an_address_is),
        cmocka_unit_test(an_exec_forgets_what_was_mapped),
        cmocka_unit_test(files_that_are_here_give_names),
        cmocka_unit_test(a_copied_stack_is_unwound),
        cmocka_unit_test(a_pipe_describes_its_event_first),
        cmocka_unit_test(packed_records_may_be_cut_anywhere),
        cmocka_unit_test(compiled_code_has_the_names_of_its_map),
        cmocka_unit_test(what_is_broken_is_refused_or_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
