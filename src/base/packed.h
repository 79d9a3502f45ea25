/* SPDX-License-Identifier: Apache-2.0 */
/* base/packed.h: lists of 32-bit numbers in few bytes: protobuf's varints (seven bits a byte, the lowest first, the top
 * bit set in all but the last) one after the other. */
#ifndef OSP_BASE_PACKED_H
#define OSP_BASE_PACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OSP_PACKED_MOST = 5,  /* bytes a number can take */
    OSP_PACKED_SLACK = 4, /* numbers that reading may write past the last */
};

/* Write v; what follows it. */
static inline uint8_t *osp_packed_put(uint8_t *to, uint32_t v)
{
    for (; v >= 0x80; v >>= 7)
        *to++ = (uint8_t)(v | 0x80);
    *to++ = (uint8_t)v;
    return to;
}

enum { OSP_VARINT_MOST = 10 }; /* bytes that a varint of 64 bits can take */

/* One varint of 64 bits from p, before end. What follows it; NULL if it does not end. */
const uint8_t *osp_varint_read(const uint8_t *p, const uint8_t *end, uint64_t *out);

/* How many numbers end in these bytes. */
size_t osp_packed_count(const uint8_t *p, size_t n);

/* Write the numbers, each made smaller by `less`, to to[], which has room for all of them (n are the most) and
 * OSP_PACKED_SLACK more. How many; UINT32_MAX if one does not end or does not fit 32 bits. */
uint32_t osp_packed_read(const uint8_t *p, uint32_t n, uint32_t less, uint32_t *to);

/* Are they all numbers from 1 to most? That is cheaper to say than what they are. *count: how many. False, too, where only
 * reading would tell: a number takes more bytes than it needs, or more than three. */
bool osp_packed_within(const uint8_t *p, uint32_t n, uint32_t most, uint32_t *count);

#endif
