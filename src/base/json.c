/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static void new_line(osp_json *j)
{
    osp_buf_byte(j->out, '\n');
    osp_buf_fill(j->out, ' ', j->depth * 2);
}

static void quote(osp_buf *out, osp_str s)
{
    osp_buf_byte(out, '"');
    while (s.n) {
        char c = s.p[0];
        size_t n = osp_str_utf8(s);
        if (n == 0) {
            osp_buf_add(out, S("\\ufffd"));
            n = 1;
        } else if (c == '"' || c == '\\') {
            osp_buf_byte(out, '\\');
            osp_buf_byte(out, (uint8_t)c);
        } else if (c == '\n') {
            osp_buf_add(out, S("\\n"));
        } else if (c == '\t') {
            osp_buf_add(out, S("\\t"));
        } else if ((uint8_t)c < 0x20 || c == 0x7f) {
            osp_buf_fmt(out, "\\u%04x", (unsigned)c);
        } else if (n == 2 && (uint8_t)c == 0xc2 &&
                   (uint8_t)s.p[1] < 0xa0) { /* C1: no JSON rule, but terminals obey */
            osp_buf_fmt(out, "\\u%04x", (unsigned)(uint8_t)s.p[1]);
        } else {
            osp_buf_add(out, osp_str_head(s, n));
        }
        s = osp_str_skip(s, n);
    }
    osp_buf_byte(out, '"');
}

static void start(osp_json *j, const char *key)
{
    if (j->depth) {
        uint32_t bit = 1u << (j->depth - 1);
        if (j->has_item & bit)
            osp_buf_byte(j->out, ',');
        if (!j->dense)
            new_line(j);
        else if (j->has_item & bit)
            osp_buf_byte(j->out, ' ');
        j->has_item |= bit;
    }
    if (key) {
        quote(j->out, osp_str_from(key));
        osp_buf_add(j->out, S(": "));
    }
}

static void open_level(osp_json *j, const char *key, bool array)
{
    assert(j->depth < 32);
    start(j, key);
    osp_buf_byte(j->out, array ? '[' : '{');
    uint32_t bit = 1u << j->depth++;
    j->is_array = array ? j->is_array | bit : j->is_array & ~bit;
    j->has_item &= ~bit;
}

void osp_json_object(osp_json *j, const char *key) { open_level(j, key, false); }
void osp_json_array(osp_json *j, const char *key) { open_level(j, key, true); }

void osp_json_end(osp_json *j)
{
    assert(j->depth);
    uint32_t bit = 1u << --j->depth;
    if (j->has_item & bit && !j->dense)
        new_line(j);
    osp_buf_byte(j->out, j->is_array & bit ? ']' : '}');
    if (!j->depth)
        osp_buf_byte(j->out, '\n');
}

void osp_json_str(osp_json *j, const char *key, osp_str v)
{
    start(j, key);
    quote(j->out, v);
}

void osp_json_int(osp_json *j, const char *key, int64_t v)
{
    start(j, key);
    osp_buf_fmt(j->out, "%" PRId64, v);
}

void osp_json_uint(osp_json *j, const char *key, uint64_t v)
{
    start(j, key);
    osp_buf_fmt(j->out, "%" PRIu64, v);
}

void osp_json_num(osp_json *j, const char *key, double v)
{
    start(j, key);
    if (isfinite(v))
        osp_buf_fmt(j->out, "%.10g", v);
    else
        osp_buf_add(j->out, S("null"));
}

void osp_json_bool(osp_json *j, const char *key, bool v)
{
    start(j, key);
    osp_buf_add(j->out, v ? S("true") : S("false"));
}
