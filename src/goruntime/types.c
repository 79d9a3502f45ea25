/* SPDX-License-Identifier: Apache-2.0 */
/* Names of types, by what reflection uses. The same in Go 1.17 to 1.27:
 *
 *     abi.Type            @20 tflag u8, of which 2 says that a '*' stands before the name that is none of it
 *                         @23 kind u8, in its lower 5 bits, 1 to 26
 *                         @40 str i32: the name is so far behind moduledata.types
 *     name                flags u8, length as a varint, text */
#include "goruntime/goruntime_internal.h"

enum { TFLAG = 20, KIND = 23, STR = 40, TYPE_BYTES = 48, KINDS = 26, EXTRA_STAR = 2, HEAD = 4 };

/* The text of a length of two bytes at most, which is 16,383; *text: how many bytes stand before it. */
static size_t length_of(const uint8_t head[HEAD], size_t *text)
{
    const bool two = head[1] & 0x80;
    *text = two ? 3 : 2;
    return two && head[2] & 0x80 ? 0 : (size_t)(head[1] & 0x7f) | (two ? (size_t)head[2] << 7 : 0);
}

static bool is_text(osp_str s)
{
    while (s.n) {
        const size_t n = osp_str_utf8(s);
        if (n == 0 || (uint8_t)*s.p < ' ' || *s.p == 127)
            return false;
        s = osp_str_skip(s, n);
    }
    return true;
}

bool osp_go_type_name(osp_go *go, uint64_t type, char *out, size_t size)
{
    osp_go_info info;
    uint64_t types;
    int32_t str;
    uint8_t t[TYPE_BYTES], head[HEAD];
    size_t at;
    osp_err ignored; /* false says it */
    const osp_mem *m = &go->mem;
    if (type == 0 || type % 8 != 0 || size == 0 || go->number < 11700 || !go->object ||
        !osp_object_go(go->object, &info) || !info.moduledata ||
        !osp_go_read_at(go, go->bias + info.moduledata, go->at.module_types, &types, sizeof types) || type < types ||
        !m->read(m->ctx, type, t, sizeof t, &ignored) || (t[KIND] & 31) == 0 || (t[KIND] & 31) > KINDS)
        return false;
    memcpy(&str, t + STR, sizeof str);
    if (str <= 0 || !m->read(m->ctx, types + (uint64_t)str, head, sizeof head, &ignored))
        return false;
    const size_t n = length_of(head, &at), star = t[TFLAG] & EXTRA_STAR ? 1 : 0;
    if (n <= star || n - star >= size || !m->read(m->ctx, types + (uint64_t)str + at + star, out, n - star, &ignored))
        return false;
    out[n - star] = 0;
    return is_text((osp_str){out, n - star});
}
