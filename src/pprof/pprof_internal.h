/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of the decoder: spans of bytes to small ids, and ids of the file to rows. */
#ifndef OSP_PPROF_INTERNAL_H
#define OSP_PPROF_INTERNAL_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/str.h"

/* Distinct spans of bytes, numbered 0, 1, 2, … in order of arrival. The bytes are borrowed. Made for a million puts:
 * a cell is 16 bytes and holds the whole hash, so that growing never touches the bytes, and the caller can prefetch. */
typedef struct {
    uint64_t hash;
    uint32_t id1; /* id + 1; 0 = free */
    uint32_t n;   /* bytes */
} osp_span_cell;

typedef struct {
    osp_span_cell *cell; /* a power of two */
    const uint8_t **at;  /* by id */
    uint32_t *len;       /* by id */
    size_t ncell;
    uint32_t n;
} osp_span_set;

/* A set of up to `most` spans, which stand in the arena and outlive it. False without memory. */
bool osp_span_set_make(osp_span_set *s, osp_arena *a, size_t most);
void osp_span_set_drop(osp_span_set *s);

/* One more span, whether it is there or not: its id. No put after that finds it. */
static inline uint32_t osp_span_set_add(osp_span_set *s, osp_span bytes)
{
    s->at[s->n] = bytes.p;
    s->len[s->n] = (uint32_t)bytes.n;
    return s->n++;
}

/* The id of the span (n < 4 GiB), whose osp_hash is hash; UINT32_MAX without memory. */
uint32_t osp_span_set_put(osp_span_set *s, osp_span bytes, uint64_t hash);

static inline osp_span osp_span_set_at(const osp_span_set *s, uint32_t id)
{
    return (osp_span){s->at[id], s->len[id]};
}

/* Load the cell where this hash belongs, and then the bytes it will be compared with, before they are needed. */
static inline void osp_span_set_prefetch_cell(const osp_span_set *s, uint64_t hash)
{
    if (s->ncell)
        __builtin_prefetch(&s->cell[hash & (s->ncell - 1)]);
}
static inline void osp_span_set_prefetch_bytes(const osp_span_set *s, uint64_t hash)
{
    if (s->ncell) {
        const osp_span_cell *c = &s->cell[hash & (s->ncell - 1)];
        if (c->id1 && c->hash == hash)
            __builtin_prefetch(s->at[c->id1 - 1]);
    }
}

/* Ids as the file has them (any 64-bit numbers but 0) to rows. Memory goes by how many there are, never by how large
 * they are. */
typedef struct {
    uint32_t *dense; /* by id, row + 1; NULL if the ids are too far apart */
    size_t ndense;
    struct osp_id_cell {
        uint64_t id;
        uint32_t row1;
    } * cell; /* else by hash */
    size_t ncell;
} osp_id_map;

/* Rows first, first + 1, … for the n ids. False: without memory (*clash = 0), or *clash is an id that stands twice. */
bool osp_id_map_make(osp_id_map *m, osp_arena *a, const uint64_t *id, uint32_t n, uint32_t first, uint64_t *clash);

uint32_t osp_id_map_find_sparse(const osp_id_map *m, uint64_t id);

/* The row of id, or UINT32_MAX. */
static inline uint32_t osp_id_map_find(const osp_id_map *m, uint64_t id)
{
    if (m->dense)
        return id < m->ndense ? m->dense[id] - 1 : UINT32_MAX;
    return osp_id_map_find_sparse(m, id);
}

#endif
