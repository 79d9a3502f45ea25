/* SPDX-License-Identifier: Apache-2.0 */
/* Where numbers are of one, two and three bytes in turn, a branch on the length of each is mispredicted more often
 * than not, which costs ten times the reading. The way out is that of "Vectorized VByte Decoding" (Plaisance, Kurz,
 * Lemire, 2015): the top bits of eight bytes say how to shuffle the next numbers into lanes, four at a time. */
#include "base/packed.h"

#include <string.h>

const uint8_t *osp_varint_read(const uint8_t *p, const uint8_t *end, uint64_t *out)
{
    uint64_t v = 0;
    const uint8_t *stop = end - p > OSP_VARINT_MOST ? p + OSP_VARINT_MOST : end;
    for (unsigned shift = 0; p < stop; shift += 7) {
        uint8_t b = *p++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            *out = v;
            return p;
        }
    }
    return NULL;
}

size_t osp_packed_count(const uint8_t *p, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += p[i] < 0x80;
    return count;
}

/* One number; NULL if it does not end or is too large. */
static const uint8_t *read_one(const uint8_t *p, const uint8_t *end, uint32_t *out)
{
    uint64_t v;
    p = osp_varint_read(p, end, &v);
    if (!p || v > UINT32_MAX)
        return NULL;
    *out = (uint32_t)v;
    return p;
}

static uint32_t read_simply(const uint8_t *p, const uint8_t *end, uint32_t less, uint32_t *to)
{
    const uint32_t *from = to;
    for (uint32_t v; p < end; *to++ = v - less)
        if (!(p = read_one(p, end, &v)))
            return UINT32_MAX;
    return (uint32_t)(to - from);
}

static bool within_simply(const uint8_t *p, const uint8_t *end, uint32_t most, uint32_t *count)
{
    for (*count = 0; p < end; ++*count) {
        uint32_t v;
        p = read_one(p, end, &v);
        if (!p || p[-1] == 0 || v > most)
            return false;
    }
    return true;
}

#if defined(__x86_64__)
#include <immintrin.h>

/* By the top bits of eight bytes: the first numbers that end there, of up to three bytes, four at most. */
typedef struct {
    uint8_t from[16]; /* by byte of the lanes: which of the eight; 0x80 = zero */
} shuffle;

typedef struct {
    uint8_t numbers, bytes;
} progress;

static _Alignas(64) shuffle shuffles[256];
static progress advance[256];

static void fill(unsigned top)
{
    unsigned at = 0, n = 0;
    memset(shuffles[top].from, 0x80, sizeof shuffles[top].from);
    while (n < 4 && at < 8) {
        unsigned last = at;
        while (last < 8 && (top >> last & 1))
            last++;
        if (last == 8 || last - at > 2)
            break;
        for (unsigned k = at; k <= last; k++)
            shuffles[top].from[4 * n + k - at] = (uint8_t)k;
        at = last + 1;
        n++;
    }
    advance[top] = (progress){(uint8_t)n, (uint8_t)at};
}

static bool can_shuffle;

__attribute__((constructor)) static void prepare(void)
{
    __builtin_cpu_init();
    for (unsigned top = 0; top < 256; top++)
        fill(top);
    can_shuffle = __builtin_cpu_supports("ssse3");
}

__attribute__((target("ssse3"))) static inline __m128i numbers_of(__m128i bytes, unsigned top, __m128i less)
{
    const __m128i lanes = _mm_shuffle_epi8(bytes, _mm_load_si128((const __m128i *)shuffles[top].from));
    const __m128i low = _mm_and_si128(lanes, _mm_set1_epi32(0x7f));
    const __m128i middle = _mm_srli_epi32(_mm_and_si128(lanes, _mm_set1_epi32(0x7f00)), 1);
    const __m128i high = _mm_srli_epi32(_mm_and_si128(lanes, _mm_set1_epi32(0x7f0000)), 2);
    return _mm_sub_epi32(_mm_or_si128(_mm_or_si128(low, middle), high), less);
}

#define ALL_OF_TWO UINT64_C(0x5555555555555555)

/* The top bits of 16 bytes. */
static inline uint64_t tops16(const uint8_t *p)
{
    return (uint64_t)_mm_movemask_epi8(_mm_loadu_si128((const __m128i *)p));
}

static inline uint64_t tops64(const uint8_t *p)
{
    return tops16(p) | tops16(p + 16) << 16 | tops16(p + 32) << 32 | tops16(p + 48) << 48;
}

/* Sixteen bytes of eight numbers, two each. */
static inline void eight_of_two(const uint8_t *p, __m128i less, uint32_t *to)
{
    const __m128i bytes = _mm_loadu_si128((const __m128i *)p), zero = _mm_setzero_si128();
    const __m128i low = _mm_and_si128(bytes, _mm_set1_epi16(0x7f));
    const __m128i high = _mm_srli_epi16(_mm_and_si128(bytes, _mm_set1_epi16(0x7f00)), 1);
    const __m128i v = _mm_or_si128(low, high);
    _mm_storeu_si128((__m128i *)to, _mm_sub_epi32(_mm_unpacklo_epi16(v, zero), less));
    _mm_storeu_si128((__m128i *)(to + 4), _mm_sub_epi32(_mm_unpackhi_epi16(v, zero), less));
}

/* How many bytes numbers of two bytes take before the first other one. */
static inline unsigned bytes_of_two(uint64_t tops)
{
    return tops == ALL_OF_TWO ? 64 : (unsigned)__builtin_ctzll(tops ^ ALL_OF_TWO) & ~1u;
}

/* Numbers that begin in the `room` bytes at p and end there: their top bits are known at once, so that the next step
 * waits for no memory. Returns what follows them; NULL if a number is too large. */
__attribute__((target("ssse3"))) static inline const uint8_t *shuffle_block(const uint8_t *p, unsigned room,
                                                                            uint64_t tops, const uint8_t *end,
                                                                            __m128i less, uint32_t **to)
{
    unsigned at = 0;
    const unsigned of_two = bytes_of_two(tops) < room ? bytes_of_two(tops) : room;
    if (of_two >= 16) { /* as most are in a large profile */
        for (; at + 16 <= of_two; at += 16, *to += 8)
            eight_of_two(p + at, less, *to);
        return p + at;
    }
    while (at + 8 <= room) {
        const unsigned top = tops >> at & 0xff;
        const progress by = advance[top];
        if (!by.numbers) { /* four bytes or more */
            p = read_one(p + at, end, *to);
            *(*to)++ -= (uint32_t)_mm_cvtsi128_si32(less);
            return p;
        }
        const __m128i bytes = _mm_loadl_epi64((const __m128i *)(p + at));
        _mm_storeu_si128((__m128i *)*to, numbers_of(bytes, top, less));
        *to += by.numbers;
        at += by.bytes;
    }
    return p + at;
}

/* The last numbers, in fewer than eight bytes, behind at least one more: zeros come in behind them, each like a number. */
__attribute__((target("ssse3"))) static uint32_t shuffle_rest(const uint8_t *p, const uint8_t *end, __m128i less,
                                                              uint32_t *to)
{
    uint64_t word;
    uint32_t n = 0;
    memcpy(&word, end - 8, sizeof word);
    word >>= 8 * (8 - (end - p));
    while (p < end) {
        const __m128i bytes = _mm_cvtsi64_si128((long long)word);
        const unsigned top = (unsigned)_mm_movemask_epi8(bytes) & 0xff;
        const progress by = advance[top];
        if (!by.numbers) {
            const uint32_t rest = read_simply(p, end, (uint32_t)_mm_cvtsi128_si32(less), to);
            return rest == UINT32_MAX ? rest : n + rest;
        }
        _mm_storeu_si128((__m128i *)to, numbers_of(bytes, top, less));
        to += by.numbers;
        n += by.numbers;
        p += by.bytes;
        word = by.bytes < 8 ? word >> 8 * by.bytes : 0;
    }
    return n - (uint32_t)(p - end);
}

/* The top bits of the first of what is left of n >= 8 bytes, and how many these are. */
static inline uint64_t tops_of(const uint8_t *p, const uint8_t *end, uint32_t n, unsigned *room)
{
    const size_t left = (size_t)(end - p);
    *room = left < 64 ? (unsigned)left : 64;
    if (left >= 64)
        return tops64(p);
    if (n >= 64) /* of the last 64 bytes, the last ones */
        return tops64(end - 64) >> (64 - left);
    *room = left >= 16 ? 16 : 8;
    return left >= 16 ? tops16(p) : (uint64_t)_mm_movemask_epi8(_mm_loadl_epi64((const __m128i *)p));
}

__attribute__((target("ssse3"))) static uint32_t read_by_shuffling(const uint8_t *p, uint32_t n, uint32_t less,
                                                                   uint32_t *to)
{
    const uint8_t *end = p + n;
    const uint32_t *from = to;
    const __m128i all_less = _mm_set1_epi32((int)less);
    if (end[-1] & 0x80)
        return UINT32_MAX;
    while (p && end - p >= 8) {
        unsigned room;
        const uint64_t tops = tops_of(p, end, n, &room);
        p = shuffle_block(p, room, tops, end, all_less, &to);
    }
    if (!p)
        return UINT32_MAX;
    const uint32_t rest = p < end ? shuffle_rest(p, end, all_less, to) : 0;
    return rest == UINT32_MAX ? rest : (uint32_t)(to - from) + rest;
}

/* ---- without reading ------------------------------------------------------------------------------------------ */

/* The largest number, by its bytes: the last, and the one or two before it, whose top bits are set. As signed bytes, those
 * with the top bit are below the others and in their own order. */
typedef struct {
    __m128i last, second, third;
    __m128i bad, count; /* by lane; count in two */
} bounds;

/* Sixteen bytes with those before them. Only numbers as long as the largest can be beyond it, or go on and be longer. */
static inline void check16(bounds *b, bool three, __m128i byte, __m128i before, __m128i before2, __m128i counted)
{
    const __m128i zero = _mm_setzero_si128();
    const __m128i goes_on = _mm_cmpgt_epi8(zero, byte);
    __m128i as_long = _mm_cmpgt_epi8(zero, before), less = _mm_cmpgt_epi8(before, b->second);
    if (three) {
        as_long = _mm_and_si128(as_long, _mm_cmpgt_epi8(zero, before2));
        less =
            _mm_or_si128(less, _mm_and_si128(_mm_cmpeq_epi8(before, b->second), _mm_cmpgt_epi8(before2, b->third)));
    }
    const __m128i beyond =
        _mm_or_si128(_mm_cmpgt_epi8(byte, b->last), _mm_and_si128(_mm_cmpeq_epi8(byte, b->last), less));
    const __m128i bad = _mm_and_si128(as_long, _mm_or_si128(beyond, goes_on));
    b->bad = _mm_or_si128(b->bad, _mm_or_si128(bad, _mm_cmpeq_epi8(byte, zero)));
    b->count = _mm_add_epi64(b->count, _mm_sad_epu8(_mm_andnot_si128(goes_on, counted), zero));
}

static inline __m128i bytes16(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)p); }

/* n is 18 at least. */
static inline bool within_by_sixteen(const uint8_t *p, uint32_t n, bounds b, bool three, uint32_t *count)
{
    static const uint8_t some[32] = {[16] = 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const __m128i all = _mm_set1_epi8(1), first = bytes16(p);
    uint32_t at = 16;
    check16(&b, three, first, _mm_slli_si128(first, 1), _mm_slli_si128(first, 2), all);
    for (; at + 16 <= n; at += 16)
        check16(&b, three, bytes16(p + at), bytes16(p + at - 1), bytes16(p + at - 2), all);
    const uint8_t *rest = p + n - 16; /* once more, but counted once */
    check16(&b, three, bytes16(rest), bytes16(rest - 1), bytes16(rest - 2), bytes16(some + (n - at)));
    *count = (uint32_t)(_mm_cvtsi128_si64(b.count) + _mm_cvtsi128_si64(_mm_srli_si128(b.count, 8)));
    return p[n - 1] < 0x80 && !_mm_movemask_epi8(b.bad);
}

static inline __m128i all_are(uint32_t byte) { return _mm_set1_epi8((char)byte); }

bool osp_packed_within(const uint8_t *p, uint32_t n, uint32_t most, uint32_t *count)
{
    const __m128i zero = _mm_setzero_si128();
    if (n < 18 || most < 1 << 7)
        return within_simply(p, p + n, most, count);
    if (most < 1 << 14)
        return within_by_sixteen(p, n, (bounds){all_are(most >> 7), all_are(most | 0x80), zero, zero, zero}, false,
                                 count);
    most = most < 1 << 21 ? most : (1 << 21) - 1;
    const bounds b = {all_are(most >> 14), all_are(most >> 7 | 0x80), all_are(most | 0x80), zero, zero};
    return within_by_sixteen(p, n, b, true, count);
}

uint32_t osp_packed_read(const uint8_t *p, uint32_t n, uint32_t less, uint32_t *to)
{
    return n >= 8 && can_shuffle ? read_by_shuffling(p, n, less, to) : read_simply(p, p + n, less, to);
}
#else
bool osp_packed_within(const uint8_t *p, uint32_t n, uint32_t most, uint32_t *count)
{
    return within_simply(p, p + n, most, count);
}

uint32_t osp_packed_read(const uint8_t *p, uint32_t n, uint32_t less, uint32_t *to)
{
    return read_simply(p, p + n, less, to);
}
#endif
