/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../stack_at.h"

/* Two stacks over two functions, one of them inlined; three samples, two of which are equal. */
static osp_profile *build_small(size_t limit, osp_err *err)
{
    osp_builder *b = osp_builder_new(limit, err);
    if (!b)
        return NULL;
    osp_builder_value(b, S("samples"), S("count"));
    osp_builder_value(b, S("cpu"), S("nanoseconds"));
    osp_mapping_id m = osp_builder_mapping(b, 0x400000, 0x500000, 0, S("/bin/demo"), S("abc"), 0);
    osp_function_id f = osp_builder_function(b, S("main.leaf"), S("main.leaf"), S("main.go"), 3);
    osp_function_id g = osp_builder_function(b, S("main.main"), S("main.main"), S("main.go"), 9);
    const osp_line inlined[] = {{f, 0, 4}, {g, 0, 10}};
    osp_location_id leaf = osp_builder_location(b, m, 0x401000, inlined, 2);
    osp_location_id root = osp_builder_location(b, m, 0x402000, &(osp_line){g, 0, 12}, 1);
    osp_location_id again = osp_builder_location(b, m, 0x401000, inlined, 2);
    assert_int_equal(leaf.i, again.i);
    osp_stack_id deep = osp_builder_stack(b, (osp_location_id[]){leaf, root}, 2);
    osp_stack_id flat = osp_builder_stack(b, &root, 1);
    osp_label label = {osp_builder_string(b, S("route")), osp_builder_string(b, S("/x")), {0}, 0};
    osp_labelset_id set = osp_builder_labels(b, &label, 1);
    osp_builder_sample(b, deep, set, (int64_t[]){1, 10}, 0);
    osp_builder_sample(b, flat, (osp_labelset_id){0}, (int64_t[]){1, 20}, 0);
    osp_builder_sample(b, deep, set, (int64_t[]){2, 30}, 0);
    osp_builder_comment(b, S("made by a test"));
    osp_builder_head(b, &(osp_profile_head){.period = 7, .period_type = S("cpu"), .period_unit = S("nanoseconds")});
    return osp_builder_finish(b, err);
}

static void equal_rows_become_one(void **state)
{
    (void)state;
    osp_err err;
    osp_profile *p = build_small(1 << 20, &err);
    assert_non_null(p);
    assert_int_equal(p->samples.n, 2);
    assert_int_equal(p->samples.value[0][0], 3);
    assert_int_equal(p->samples.value[1][0], 40);
    assert_int_equal(p->samples.value[1][1], 20);
    assert_null(p->samples.time_ns);
    assert_int_equal(p->locations.n, 2);
    assert_int_equal(p->functions.n, 3); /* row 0 is none */
    assert_int_equal(p->mappings.n, 2);
    assert_int_equal(p->labelsets.n, 2);
    assert_int_equal(p->stacks.n, 2);
    assert_int_equal(stack_at(p, (osp_stack_id){0}).n, 2);
    osp_line line = p->locations.line[p->locations.first[0]];
    assert_true(osp_str_eq(osp_text(p, p->functions.row[line.fn.i].name), S("main.leaf")));
    assert_true(osp_str_eq(osp_text(p, p->comments.text[0]), S("made by a test")));
    assert_int_equal(p->strings.text[0].n, 0);
    osp_profile_drop(p);
}

static size_t name_the_root(void *ctx, osp_location_id at, osp_frame_text *out, size_t max)
{
    const osp_profile *p = ctx;
    if (p->locations.addr[at.i] != 0x402000 || max == 0)
        return 0;
    out[0] = (osp_frame_text){.name = S("start"), .linker_name = S("_start"), .file = S("main.go"), .line = 1};
    return 1;
}

static void lines_can_be_put_in_afterwards(void **state)
{
    (void)state;
    osp_err err;
    osp_profile *p = build_small(1 << 20, &err);
    osp_profile *q = osp_profile_with_lines(p, name_the_root, p, &err);
    assert_non_null(q);
    assert_int_equal(q->locations.first[2], 3); /* two lines kept, one new */
    osp_line line = q->locations.line[q->locations.first[1]];
    assert_true(osp_str_eq(osp_text(q, q->functions.row[line.fn.i].name), S("start")));
    assert_int_equal(q->functions.row[line.fn.i].file.i, p->functions.row[1].file.i); /* the old string again */
    assert_int_equal(q->mappings.row[1].has, OSP_HAS_FUNCTIONS | OSP_HAS_FILES | OSP_HAS_LINES);
    assert_int_equal(p->mappings.row[1].has, 0);
    assert_ptr_equal(q->samples.stack, p->samples.stack);
    osp_profile_drop(q);
    osp_profile_drop(p);
}

static void too_little_memory_is_an_error_at_every_step(void **state)
{
    (void)state;
    osp_err err;
    for (long n = 0; n < 200; n++) {
        osp_arena_fail_after(n);
        osp_profile *p = build_small(1 << 20, &err);
        osp_arena_fail_after(-1);
        if (p) {
            osp_profile_drop(p);
            assert_true(n > 10);
            return;
        }
        assert_int_equal(err.code, OSP_ELIMIT);
    }
    fail();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_rows_become_one),
        cmocka_unit_test(lines_can_be_put_in_afterwards),
        cmocka_unit_test(too_little_memory_is_an_error_at_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
