/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of one form: text in, folded stacks out. */
#ifndef OSP_TEST_FORMATS_H
#define OSP_TEST_FORMATS_H

#include "format/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Read bytes in the form of that name ("" = by content). */
static inline osp_profile *read_as(osp_str bytes, const char *form, osp_found *found, osp_err *err)
{
    uint8_t *copy = malloc(bytes.n + 1);
    assert_non_null(copy);
    if (bytes.n)
        memcpy(copy, bytes.p, bytes.n);
    osp_file file = {{copy, bytes.n}, false};
    osp_read_opts opts = {.as = form[0] ? osp_format_named(osp_str_from(form)) : NULL};
    return osp_format_read(&file, &opts, found, err);
}

/* The profile's stacks in a written form, for the sample type of that name. Free with osp_buf_drop. */
static inline osp_buf written(const osp_profile *p, const char *form, const char *type)
{
    osp_err err = {0};
    uint32_t value = 0;
    while (value < p->values.n && !osp_str_eq(osp_text(p, p->values.type[value].type), osp_str_from(type)))
        value++;
    assert_true(value < p->values.n);
    osp_buf out = osp_buf_of(1 << 26);
    if (!osp_format_write(osp_format_named(osp_str_from(form)), p, value, OSP_PACK_NONE, &out, &err))
        fail_msg("%s", err.msg);
    return out;
}

/* Is text, found to be of that form, this in the annotated form? */
static inline void check_stacks(osp_str text, const char *form, const char *type, const char *want)
{
    osp_err err = {0};
    osp_found found;
    osp_profile *p = read_as(text, "", &found, &err);
    if (!p)
        fail_msg("%s", err.msg);
    assert_string_equal(found.format->name, form);
    osp_buf out = written(p, "annotated", type);
    osp_buf_byte(&out, 0);
    assert_string_equal(out.p, want);
    osp_buf_drop(&out);
    osp_profile_drop(p);
}

/* Is the text refused in that form, with these words in the message? */
static inline void check_refused(osp_str text, const char *form, const char *words)
{
    osp_err err = {0};
    osp_profile *p = read_as(text, form, NULL, &err);
    assert_null(p);
    if (!strstr(err.msg, words))
        fail_msg("\"%s\" is not in \"%s\"", words, err.msg);
}

#endif
