/* SPDX-License-Identifier: Apache-2.0 */
/* gzip (RFC 1952) through libdeflate, zstd (RFC 8878) through libzstd, into memory.
 *
 * libdeflate wants the whole output's room at once, so we guess, and start the member again when the guess was too small:
 * with the most that it could become, for room that is not written to costs no memory, and where that is not to be had,
 * with twice the room. The size that stands at the end of a gzip file is such a guess and no more. */
#include "wire/wire.h"

#include "base/buf.h"
#include "base/limit.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <zstd.h>

enum { DEFLATE_AT_MOST = 1032 }; /* bytes that a packed one can become */

osp_pack osp_pack_of(osp_span b)
{
    if (b.n >= 2 && b.p[0] == 0x1f && b.p[1] == 0x8b)
        return OSP_PACK_GZIP;
    if (b.n >= 4 && memcmp(b.p, "\x28\xb5\x2f\xfd", 4) == 0)
        return OSP_PACK_ZSTD;
    return OSP_PACK_NONE;
}

size_t osp_unpack_limit(size_t n)
{
    const size_t ceiling = osp_memory_limit(), usual = (size_t)64 << 20, least = usual < ceiling ? usual : ceiling;
    if (n >= ceiling / 1000)
        return ceiling;
    return n * 1000 > least ? n * 1000 : least;
}

/* Output that grows until the limit. */
typedef struct {
    uint8_t *p;
    size_t n, cap, limit;
} room;

/* Have room for cap bytes; those that are made stay. The old room goes first where nothing in it counts: a block that has
 * large pages is not grown in place, and two of them could be all memory. */
static bool resize(room *r, size_t cap)
{
    if (r->n == 0) {
        free(r->p);
        r->p = NULL;
        r->cap = 0;
    }
    uint8_t *p = realloc(r->p, cap);
    if (!p)
        return false;
    osp_large_pages(p, cap);
    r->p = p;
    r->cap = cap;
    return true;
}

/* Wider than now: so wide that it will do, if `most` bytes can be had at once. */
static bool widen(room *r, size_t most, osp_err *err)
{
    const size_t had = r->cap;
    if (had >= r->limit)
        return osp_fail(err, OSP_ELIMIT, "unpacks to more than the limit of %zu bytes (OSPREY_MEMORY sets it)",
                        r->limit);
    if (most > had && resize(r, most < r->limit ? most : r->limit))
        return true;
    return resize(r, had > r->limit / 2 ? r->limit : had * 2) || osp_fail_memory(err, "unpacking");
}

static bool gunzip(osp_span in, room *r, osp_err *err)
{
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    if (!d)
        return osp_fail_memory(err, "unpacking");
    bool ok = true;
    while (ok && in.n) {
        size_t used = 0, made = 0;
        enum libdeflate_result res =
            libdeflate_gzip_decompress_ex(d, in.p, in.n, r->p + r->n, r->cap - r->n, &used, &made);
        if (res == LIBDEFLATE_SUCCESS) {
            in.p += used;
            in.n -= used;
            r->n += made;
        } else if (res == LIBDEFLATE_INSUFFICIENT_SPACE) {
            ok = widen(r, in.n < (SIZE_MAX - r->n) / DEFLATE_AT_MOST ? r->n + in.n * DEFLATE_AT_MOST : SIZE_MAX, err);
        } else {
            ok = osp_fail(err, OSP_EFORMAT, "gzip: the data is damaged or cut short");
        }
    }
    libdeflate_free_decompressor(d);
    return ok;
}

static bool unzstd(osp_span in, room *r, osp_err *err)
{
    ZSTD_DStream *d = ZSTD_createDStream();
    if (!d)
        return osp_fail_memory(err, "unpacking");
    ZSTD_inBuffer from = {in.p, in.n, 0};
    bool ok = true;
    for (size_t more = 1; ok && (from.pos < from.size || more);) {
        ZSTD_outBuffer to = {r->p, r->cap, r->n};
        size_t before = from.pos;
        more = ZSTD_decompressStream(d, &to, &from);
        bool moved = from.pos > before || to.pos > r->n;
        r->n = to.pos;
        if (ZSTD_isError(more))
            ok = osp_fail(err, OSP_EFORMAT, "zstd: %s", ZSTD_getErrorName(more));
        else if (r->n == r->cap && (more || from.pos < from.size))
            ok = widen(r, 0, err);
        else if (!moved)
            ok = osp_fail(err, OSP_EFORMAT, "zstd: the data is cut short");
    }
    ZSTD_freeDStream(d);
    return ok;
}

bool osp_unpack(osp_span packed, size_t limit, osp_span *out, osp_err *err)
{
    room r = {.limit = limit};
    osp_pack how = osp_pack_of(packed);
    if (how == OSP_PACK_NONE)
        return osp_fail(err, OSP_EFORMAT, "neither gzip nor zstd");
    size_t guess = packed.n < SIZE_MAX / 8 ? packed.n * 4 + 1024 : packed.n;
    if (how == OSP_PACK_GZIP && packed.n >= 18) {
        const uint8_t *tail = packed.p + packed.n - 4;
        size_t said = (size_t)tail[0] | (size_t)tail[1] << 8 | (size_t)tail[2] << 16 | (size_t)tail[3] << 24;
        if (said > guess / 4 && said / DEFLATE_AT_MOST <= packed.n)
            guess = said;
    }
    if (!resize(&r, guess < limit ? guess : limit))
        return osp_fail_memory(err, "unpacking");
    if (!(how == OSP_PACK_GZIP ? gunzip : unzstd)(packed, &r, err)) {
        free(r.p);
        return false;
    }
    uint8_t *fitting = r.n ? realloc(r.p, r.n) : NULL; /* room that was not needed is address space all the same */
    *out = (osp_span){fitting ? fitting : r.p, r.n};
    return true;
}

/* libdeflate stops, its room full, before a match (258 bytes at most) or a stored block (65535) that does not fit: with
 * so much room more than is wanted, what is wanted has been written. */
static size_t gzip_head(osp_span in, uint8_t *to, size_t size)
{
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    size_t n = 0;
    enum libdeflate_result res = d ? LIBDEFLATE_SUCCESS : LIBDEFLATE_BAD_DATA;
    while (res == LIBDEFLATE_SUCCESS && in.n && n < size) {
        size_t used = 0, made = 0;
        res = libdeflate_gzip_decompress_ex(d, in.p, in.n, to + n, size - n, &used, &made);
        n = res == LIBDEFLATE_SUCCESS ? n + made : res == LIBDEFLATE_INSUFFICIENT_SPACE ? size : n;
        in = (osp_span){in.p + used, in.n - used};
    }
    libdeflate_free_decompressor(d);
    return n;
}

static size_t zstd_head(osp_span in, uint8_t *to, size_t size)
{
    ZSTD_DStream *d = ZSTD_createDStream();
    ZSTD_inBuffer from = {in.p, in.n, 0};
    ZSTD_outBuffer out = {to, size, 0};
    for (size_t before = SIZE_MAX; d && out.pos < size && from.pos + out.pos != before;) {
        before = from.pos + out.pos;
        if (ZSTD_isError(ZSTD_decompressStream(d, &out, &from)))
            break;
    }
    ZSTD_freeDStream(d);
    return out.pos;
}

size_t osp_unpack_head(osp_span packed, uint8_t *out, size_t size)
{
    const size_t slack = 65535 + 258;
    osp_pack how = osp_pack_of(packed);
    uint8_t *to = how == OSP_PACK_NONE ? NULL : calloc(1, size + slack);
    if (!to)
        return 0;
    size_t n = (how == OSP_PACK_GZIP ? gzip_head : zstd_head)(packed, to, size + slack);
    n = n < size ? n : size;
    if (n)
        memcpy(out, to, n);
    free(to);
    return n;
}

/* ---- pieces --------------------------------------------------------------------------------------------------- */

struct osp_unpacker {
    ZSTD_DStream *stream;
};

osp_unpacker *osp_unpacker_new(osp_err *err)
{
    osp_unpacker *u = calloc(1, sizeof *u);
    if (u && (u->stream = ZSTD_createDStream()))
        return u;
    free(u);
    osp_fail_memory(err, "unpacking");
    return NULL;
}

bool osp_unpacker_feed(osp_unpacker *u, osp_span piece, osp_buf *out, osp_err *err)
{
    ZSTD_inBuffer from = {piece.p, piece.n, 0};
    const size_t step = ZSTD_DStreamOutSize();
    for (size_t made = step; from.pos < from.size || made == step;) {
        char *to = osp_buf_room(out, step);
        if (!to)
            return osp_fail(err, OSP_ELIMIT, "unpacks to more than the limit of %zu bytes", out->max);
        ZSTD_outBuffer part = {to, step, 0};
        size_t before = from.pos, more = ZSTD_decompressStream(u->stream, &part, &from);
        if (ZSTD_isError(more))
            return osp_fail(err, OSP_EFORMAT, "zstd: %s", ZSTD_getErrorName(more));
        made = part.pos;
        out->n += made;
        if (made == 0 && from.pos == before)
            break;
    }
    return true;
}

void osp_unpacker_drop(osp_unpacker *u)
{
    if (u)
        ZSTD_freeDStream(u->stream);
    free(u);
}

bool osp_pack_bytes(osp_pack how, osp_str bytes, int level, osp_buf *out, osp_err *err)
{
    if (how == OSP_PACK_NONE) {
        osp_buf_add(out, bytes);
    } else if (how == OSP_PACK_GZIP) {
        struct libdeflate_compressor *c = libdeflate_alloc_compressor(level);
        size_t most = c ? libdeflate_gzip_compress_bound(c, bytes.n) : 0;
        char *to = c ? osp_buf_room(out, most) : NULL;
        size_t n = to ? libdeflate_gzip_compress(c, bytes.p, bytes.n, to, most) : 0;
        libdeflate_free_compressor(c);
        if (n == 0)
            return osp_fail_memory(err, "packing");
        out->n += n;
    } else {
        size_t most = ZSTD_compressBound(bytes.n);
        char *to = osp_buf_room(out, most);
        size_t n = to ? ZSTD_compress(to, most, bytes.p, bytes.n, level) : 0;
        if (n == 0 || ZSTD_isError(n))
            return osp_fail_memory(err, "packing");
        out->n += n;
    }
    return !out->failed || osp_fail_memory(err, "packing");
}
