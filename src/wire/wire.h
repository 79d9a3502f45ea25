/* SPDX-License-Identifier: Apache-2.0 */
/* wire/wire.h: encodings without meaning: the protobuf wire format, gzip and zstd. All of it bounded.
 *
 * (LEB128 is osp_cur_uvarint and osp_cur_sleb in base/cur.h; a protobuf varint differs: the bits that do not fit a
 * tenth byte are dropped, not refused.) */
#ifndef OSP_WIRE_H
#define OSP_WIRE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/packed.h"
#include "base/str.h"

/* ---- protobuf, reading ---------------------------------------------------------------------------------------- */

/* osp_varint_read, quick for the short ones, which are nearly all. */
static inline const uint8_t *osp_pb_varint(const uint8_t *p, const uint8_t *end, uint64_t *out)
{
    if (p < end && p[0] < 0x80) {
        *out = p[0];
        return p + 1;
    }
    if (end - p >= 2 && p[1] < 0x80) {
        *out = (uint64_t)p[1] << 7 | (p[0] & 0x7f);
        return p + 2;
    }
    return osp_varint_read(p, end, out);
}

typedef enum { OSP_PB_VARINT = 0, OSP_PB_FIXED64 = 1, OSP_PB_BYTES = 2, OSP_PB_FIXED32 = 5 } osp_pb_type;

/* A message, read field by field:
 *
 *     osp_pb m = osp_pb_on(bytes);
 *     while (osp_pb_next(&m))
 *         if (m.field == 1 && m.type == OSP_PB_VARINT) id = m.value;
 *     if (m.why) ...broken: m.why says how, m.at where
 */
typedef struct {
    const uint8_t *at, *end;
    uint64_t field;   /* number of the field just read */
    osp_pb_type type; /* and its type */
    uint64_t value;   /* VARINT, FIXED64, FIXED32 */
    osp_span bytes;   /* BYTES: a view into the message */
    const char *why;  /* sticky; NULL while all is well */
} osp_pb;

static inline osp_pb osp_pb_on(osp_span bytes)
{
    return (osp_pb){.at = bytes.p, .end = bytes.n ? bytes.p + bytes.n : bytes.p};
}

bool osp_pb_next_slow(osp_pb *m);

/* Read the next field; false at the end of the message and when it is broken. */
static inline bool osp_pb_next(osp_pb *m)
{
    const uint8_t *p = m->at;
    if (m->end - p < 3 || p[0] >= 0x80 || (p[0] & 7) != OSP_PB_BYTES || (p[1] >= 0x80 && p[2] >= 0x80) || m->why)
        return osp_pb_next_slow(m);
    /* Nearly all of a large message: bytes with a key of one byte and a length of up to two. */
    const bool is_long = p[1] >= 0x80;
    const size_t n = is_long ? (size_t)p[2] << 7 | (p[1] & 0x7f) : p[1];
    p += is_long ? 3 : 2;
    if (n > (size_t)(m->end - p))
        return osp_pb_next_slow(m);
    m->field = m->at[0] >> 3;
    m->type = OSP_PB_BYTES;
    m->bytes = (osp_span){p, n};
    m->at = p + n;
    return true;
}

/* ---- protobuf, writing ---------------------------------------------------------------------------------------- */

void osp_pb_put_varint(osp_buf *b, uint64_t v);
void osp_pb_put_uint(osp_buf *b, uint32_t field, uint64_t v);    /* also zero */
void osp_pb_put_nonzero(osp_buf *b, uint32_t field, uint64_t v); /* nothing for zero */
void osp_pb_put_bytes(osp_buf *b, uint32_t field, osp_str bytes);
size_t osp_pb_varint_size(uint64_t v);

/* ---- JSON, reading ---------------------------------------------------------------------------------------------- */

typedef enum {
    OSP_DOC_NULL,
    OSP_DOC_FALSE,
    OSP_DOC_TRUE,
    OSP_DOC_NUMBER,
    OSP_DOC_TEXT,
    OSP_DOC_ARRAY,
    OSP_DOC_OBJECT
} osp_doc_kind;

typedef struct {
    size_t at;     /* of a text or number: where it stands in the input */
    uint32_t n;    /* bytes there */
    uint32_t next; /* the next node on this level */
    uint8_t kind;
    bool escaped;
} osp_doc_node;

/* A document: node 0 is the whole. Borrows the input. */
typedef struct {
    osp_str in;
    osp_doc_node *node;
    uint32_t n;
    size_t cap;
    osp_arena arena; /* texts that had escapes */
} osp_doc;

/* EFORMAT: not JSON, or deeper than 512. Needs about twelve times the input at worst. */
bool osp_doc_read(osp_str json, osp_doc *out, osp_err *err) OSP_CHECKED;
void osp_doc_drop(osp_doc *d);

/* The member's value; 0 (the whole, which is nobody's member) if there is none. */
uint32_t osp_doc_member(const osp_doc *d, uint32_t object, const char *key);

/* for (uint32_t i = osp_doc_first(d, array); i < osp_doc_end(d, array); i = osp_doc_next(d, i)) … */
static inline uint32_t osp_doc_first(const osp_doc *d, uint32_t array)
{
    return d->node[array].kind == OSP_DOC_ARRAY ? array + 1 : UINT32_MAX;
}
static inline uint32_t osp_doc_end(const osp_doc *d, uint32_t array) { return d->node[array].next; }
static inline uint32_t osp_doc_next(const osp_doc *d, uint32_t i) { return d->node[i].next; }

static inline osp_str osp_doc_raw(const osp_doc *d, uint32_t node)
{
    return (osp_str){d->in.p + d->node[node].at, d->node[node].n};
}
osp_str osp_doc_text(osp_doc *d, uint32_t node);        /* "" if it is no text */
double osp_doc_number(const osp_doc *d, uint32_t node); /* 0 if it is no number */
int64_t osp_doc_int(const osp_doc *d, uint32_t node);

/* ---- compression ---------------------------------------------------------------------------------------------- */

typedef enum { OSP_PACK_NONE, OSP_PACK_GZIP, OSP_PACK_ZSTD } osp_pack;

/* By the magic number. */
osp_pack osp_pack_of(osp_span bytes);

/* Unpack all members (frames) into malloc'ed bytes of at most limit; the size fields of the input are never trusted.
 * EFORMAT if broken, ELIMIT if larger. */
bool osp_unpack(osp_span packed, size_t limit, osp_span *out, osp_err *err) OSP_CHECKED;

/* The first bytes of what is packed, size of them or fewer if there are no more, without unpacking the rest. How many; 0
 * also if the data is damaged before any. */
size_t osp_unpack_head(osp_span packed, uint8_t *out, size_t size);

/* A zstd stream that comes in pieces: what is unpacked of each is appended to out, whose maximum bounds it. */
typedef struct osp_unpacker osp_unpacker;
osp_unpacker *osp_unpacker_new(osp_err *err);
bool osp_unpacker_feed(osp_unpacker *u, osp_span piece, osp_buf *out, osp_err *err) OSP_CHECKED;
void osp_unpacker_drop(osp_unpacker *u);

/* A sane limit for unpacking n bytes: 1000 times as many, at least 64 MiB, at most osp_memory_limit(). */
size_t osp_unpack_limit(size_t n);

/* Append the packed bytes to out. level: 1 (fast) to 9. */
bool osp_pack_bytes(osp_pack how, osp_str bytes, int level, osp_buf *out, osp_err *err) OSP_CHECKED;

#endif
