/* SPDX-License-Identifier: Apache-2.0 */
/* base/hash.h: one hash for bytes (XXH3, seeded per process so that hostile input cannot aim at buckets) and one
 * for words of our own. */
#ifndef OSP_BASE_HASH_H
#define OSP_BASE_HASH_H

#include "base/str.h"

/* Hash of n bytes. */
uint64_t osp_hash(const void *p, size_t n);

/* Hash of two words that a file says. */
uint64_t osp_hash_pair(uint64_t a, uint64_t b);

/* 128 bits, which stand for the n bytes and the word beside them: two that differ have the same with a chance of 2^-128. */
typedef struct {
    uint64_t lo, hi;
} osp_wide;
osp_wide osp_hash_wide(const void *p, size_t n, uint64_t beside);

/* Mix of two words, for keys that are small tuples of our own numbers. Not seeded: who chooses the words can aim. */
static inline uint64_t osp_hash_mix(uint64_t a, uint64_t b)
{
    __uint128_t m = (__uint128_t)(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xd6e8feb86659fd93u);
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* A set of byte strings that gives each distinct one an id 0, 1, 2, … in order of arrival. The bytes are borrowed:
 * they must live as long as the set. */
typedef struct {
    struct osp_intern_cell *cell; /* open addressing, a power of two */
    osp_str *text;                /* by id */
    size_t ncell, cap;
    uint32_t n;
} osp_intern;

void osp_intern_drop(osp_intern *t);

/* The id of s, new or known; UINT32_MAX without memory. *fresh (if not NULL) says whether it is new, so that the
 * caller can replace t->text[id] by a copy that lives longer. */
uint32_t osp_intern_put(osp_intern *t, osp_str s, bool *fresh);

/* A new id for s, even if it is known by another; UINT32_MAX without memory. Texts that are put are not compared with it. */
uint32_t osp_intern_add(osp_intern *t, osp_str s);

/* The id of s, or UINT32_MAX if it was never put. */
uint32_t osp_intern_find(const osp_intern *t, osp_str s);

/* Numbers found by numbers of our own: where in an array something stands. A key has one value, below UINT32_MAX. */
typedef struct {
    struct osp_index_cell {
        uint64_t key;
        uint32_t value1; /* value + 1; 0 = free */
    } * cell;            /* open addressing, a power of two */
    size_t ncell, n;
} osp_index;

void osp_index_drop(osp_index *t);
/* Forget all keys, keep the room. */
void osp_index_clear(osp_index *t);
/* UINT32_MAX if the key was never put. */
uint32_t osp_index_find(const osp_index *t, uint64_t key);
/* In place of an earlier value. False without memory; nothing has changed then. */
bool osp_index_put(osp_index *t, uint64_t key, uint32_t value) __attribute__((warn_unused_result));

#endif
