/* SPDX-License-Identifier: Apache-2.0 */
/* base/json.h: writes one JSON value into a buffer; commas and indentation take care of themselves.
 *
 *     osp_json j = osp_json_on(&buf);
 *     osp_json_object(&j, NULL);
 *     osp_json_str(&j, "verdict", S("clock-storm"));
 *     osp_json_array(&j, "stack"); osp_json_str(&j, NULL, S("main.main")); osp_json_end(&j);
 *     osp_json_end(&j);
 *
 * key is NULL inside an array and at the top. Text that is not UTF-8 comes out with U+FFFD in its place. A number
 * that JSON cannot hold (NaN, infinity) is written as null. Nesting is limited to 32. */
#ifndef OSP_BASE_JSON_H
#define OSP_BASE_JSON_H

#include "base/buf.h"

typedef struct {
    osp_buf *out;
    unsigned depth;
    uint32_t is_array, has_item; /* a bit a level */
    bool dense;                  /* what is written now stays in its line; may be set and cleared in between */
} osp_json;

static inline osp_json osp_json_on(osp_buf *out) { return (osp_json){.out = out}; }

void osp_json_object(osp_json *j, const char *key);
void osp_json_array(osp_json *j, const char *key);
void osp_json_end(osp_json *j); /* closes the innermost object or array; a newline after the outermost */
void osp_json_str(osp_json *j, const char *key, osp_str v);
void osp_json_int(osp_json *j, const char *key, int64_t v);
void osp_json_uint(osp_json *j, const char *key, uint64_t v);
void osp_json_num(osp_json *j, const char *key, double v);
void osp_json_bool(osp_json *j, const char *key, bool v);

#endif
