/* SPDX-License-Identifier: Apache-2.0 */
/* The protobuf wire format (protobuf.dev, "Encoding"): a message is a row of fields, each a varint key
 * (number << 3 | type) and a value by type:
 *
 *   0 varint     little-endian groups of 7 bits, at most 10 bytes
 *   1 fixed64    8 bytes little-endian
 *   2 bytes      a varint length and so many bytes: text, a message, packed varints
 *   5 fixed32    4 bytes little-endian
 *
 * Groups (3, 4) are refused: no format of ours has them. */
#include "wire/wire.h"

static bool broken(osp_pb *m, const char *why)
{
    m->why = why;
    return false;
}

bool osp_pb_next_slow(osp_pb *m)
{
    if (m->at == m->end || m->why)
        return false;
    uint64_t key, n;
    const uint8_t *p = osp_pb_varint(m->at, m->end, &key);
    if (!p)
        return broken(m, "a field's key does not end");
    m->field = key >> 3;
    m->type = (osp_pb_type)(key & 7);
    size_t left = (size_t)(m->end - p);
    switch (m->type) {
    case OSP_PB_VARINT:
        p = osp_pb_varint(p, m->end, &m->value);
        if (!p)
            return broken(m, "a number does not end");
        break;
    case OSP_PB_FIXED64:
        if (left < 8)
            return broken(m, "cut inside a number");
        memcpy(&m->value, p, 8);
        p += 8;
        break;
    case OSP_PB_BYTES:
        p = osp_pb_varint(p, m->end, &n);
        if (!p)
            return broken(m, "a length does not end");
        if (n > (size_t)(m->end - p))
            return broken(m, "a length reaches past the end");
        m->bytes = (osp_span){p, (size_t)n};
        p += n;
        break;
    case OSP_PB_FIXED32:
        if (left < 4)
            return broken(m, "cut inside a number");
        m->value = (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24;
        p += 4;
        break;
    default:
        return broken(m, "unknown wire type");
    }
    m->at = p;
    return true;
}

size_t osp_pb_varint_size(uint64_t v)
{
    size_t n = 1;
    for (; v >= 0x80; v >>= 7)
        n++;
    return n;
}

void osp_pb_put_varint(osp_buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        osp_buf_byte(b, (uint8_t)(v | 0x80));
    osp_buf_byte(b, (uint8_t)v);
}

void osp_pb_put_uint(osp_buf *b, uint32_t field, uint64_t v)
{
    osp_pb_put_varint(b, (uint64_t)field << 3 | OSP_PB_VARINT);
    osp_pb_put_varint(b, v);
}

void osp_pb_put_nonzero(osp_buf *b, uint32_t field, uint64_t v)
{
    if (v)
        osp_pb_put_uint(b, field, v);
}

void osp_pb_put_bytes(osp_buf *b, uint32_t field, osp_str bytes)
{
    osp_pb_put_varint(b, (uint64_t)field << 3 | OSP_PB_BYTES);
    osp_pb_put_varint(b, bytes.n);
    osp_buf_add(b, bytes);
}
