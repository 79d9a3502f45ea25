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

/* How many bytes the UTF-8 sequence at s takes; 0 if it is none (RFC 3629: no overlong form, no surrogate). */
static size_t utf8_length(osp_str s)
{
    const uint8_t *b = (const uint8_t *)s.p;
    size_t n = b[0] < 0x80 ? 1 : b[0] < 0xc2 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : b[0] < 0xf5 ? 4 : 0;
    if (n == 0 || n > s.n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    if ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] >= 0xa0) || (b[0] == 0xf0 && b[1] < 0x90) ||
        (b[0] == 0xf4 && b[1] >= 0x90))
        return 0;
    return n;
}

static void quote(osp_buf *out, osp_str s)
{
    osp_buf_byte(out, '"');
    while (s.n) {
        char c = s.p[0];
        size_t n = utf8_length(s);
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
        } else if ((uint8_t)c < 0x20) {
            osp_buf_fmt(out, "\\u%04x", (unsigned)c);
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
        j->has_item |= bit;
        new_line(j);
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
    if (j->has_item & bit)
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

void osp_json_null(osp_json *j, const char *key)
{
    start(j, key);
    osp_buf_add(j->out, S("null"));
}
