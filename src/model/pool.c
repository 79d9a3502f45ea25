/* SPDX-License-Identifier: Apache-2.0 */
/* The stacks of a profile that is made of others: each is one that an other has, called by its name there until it is
 * read. Only the hash of what it means here is kept, so that none is copied; where hashes agree, both are read. */
#include "base/hash.h"
#include "model/model_internal.h"

#include <stdlib.h>

typedef struct {
    uint32_t hash, id1; /* 1 + the stack; 0 = free */
} pool_cell;

struct osp_stack_pool {
    const uint8_t **packed;
    uint32_t *size;
    uint32_t n, deepest;
    osp_borrowed_stacks *part;
    size_t npart, part_cap;
    pool_cell *cell; /* open addressing, a power of two */
    size_t ncell;
    osp_location_id *room[2];
};

osp_stack_pool *osp_stack_pool_new(osp_arena *a, uint32_t most, uint32_t deepest)
{
    osp_stack_pool *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->packed = osp_new(a, const uint8_t *, most);
    p->size = osp_new(a, uint32_t, most);
    for (size_t i = 0; i < 2; i++)
        p->room[i] = calloc((size_t)deepest + OSP_PACKED_SLACK, sizeof *p->room[i]);
    if (p->packed && p->size && p->room[0] && p->room[1])
        return p;
    osp_stack_pool_drop(p);
    return NULL;
}

void osp_stack_pool_drop(osp_stack_pool *p)
{
    if (!p)
        return;
    free(p->part);
    free(p->cell);
    free(p->room[0]);
    free(p->room[1]);
    free(p);
}

static bool widen(osp_stack_pool *p)
{
    const size_t ncell = p->ncell ? p->ncell * 2 : 1024;
    pool_cell *cell = calloc(ncell, sizeof *cell);
    if (!cell)
        return false;
    osp_large_pages(cell, ncell * sizeof *cell);
    for (size_t i = 0; i < p->ncell; i++) {
        size_t at = p->cell[i].hash & (ncell - 1);
        while (p->cell[i].id1 && cell[at].id1)
            at = (at + 1) & (ncell - 1);
        if (p->cell[i].id1)
            cell[at] = p->cell[i];
    }
    free(p->cell);
    p->cell = cell;
    p->ncell = ncell;
    return true;
}

static bool is_stack(const osp_stack_pool *p, uint32_t id, const osp_pooled_stack *s)
{
    const osp_borrowed_stacks *of = osp_borrowed_at(p->part, (uint32_t)p->npart, id);
    const uint32_t n = osp_borrowed_read(of->becomes, p->packed[id], p->size[id], p->room[0]);
    return n == osp_borrowed_read(s->becomes, s->packed, s->size, p->room[1]) &&
           memcmp(p->room[0], p->room[1], n * sizeof **p->room) == 0;
}

/* A new stack; false without memory. */
static bool add(osp_stack_pool *p, const osp_pooled_stack *s)
{
    if (p->npart == 0 || p->part[p->npart - 1].becomes != s->becomes) {
        void *part = p->part;
        if (!osp_grow(&part, &p->part_cap, p->npart + 1, sizeof *p->part))
            return false;
        p->part = part;
        p->part[p->npart++] = (osp_borrowed_stacks){p->n, s->nbecomes, s->becomes};
    }
    p->packed[p->n] = s->packed;
    p->size[p->n++] = s->size;
    p->deepest = s->n > p->deepest ? s->n : p->deepest;
    return true;
}

void osp_stack_pool_ahead(const osp_stack_pool *p, const osp_location_id *loc, osp_pooled_stack *s)
{
    s->hash = (uint32_t)osp_hash(loc, s->n * sizeof *loc);
    if (p->ncell)
        __builtin_prefetch(&p->cell[s->hash & (p->ncell - 1)]);
}

uint32_t osp_stack_pool_put(osp_stack_pool *p, const osp_pooled_stack *s)
{
    if (p->n >= p->ncell / 4 * 3 && !widen(p))
        return UINT32_MAX;
    size_t at = s->hash & (p->ncell - 1);
    for (const pool_cell *c; (c = &p->cell[at])->id1; at = (at + 1) & (p->ncell - 1))
        if (c->hash == s->hash && is_stack(p, c->id1 - 1, s))
            return c->id1 - 1;
    if (!add(p, s))
        return UINT32_MAX;
    p->cell[at] = (pool_cell){s->hash, p->n};
    return p->n - 1;
}

/* Is each location, as far as it is needed, called by its own name? */
static bool says_itself(const osp_borrowed_stacks *part)
{
    uint32_t i = 0;
    while (i < part->nbecomes && (part->becomes[i].i == i || part->becomes[i].i == OSP_NOT_BORROWED))
        i++;
    return i == part->nbecomes;
}

bool osp_stack_pool_settle(const osp_stack_pool *pool, osp_profile *p)
{
    osp_borrowed_stacks *part = osp_new(&p->arena, osp_borrowed_stacks, pool->npart);
    bool as_they_are = true;
    if (!part)
        return false;
    for (size_t i = 0; i < pool->npart; i++) {
        part[i] = pool->part[i];
        part[i].becomes = says_itself(&part[i]) ? NULL : part[i].becomes;
        as_they_are &= !part[i].becomes;
    }
    p->stacks.n = pool->n;
    p->stacks.deepest = pool->deepest;
    p->stacks.packed = pool->packed;
    p->stacks.size = pool->size;
    p->stacks.nborrowed = as_they_are ? 0 : (uint32_t)pool->npart;
    p->stacks.borrowed = part;
    return true;
}
