/* SPDX-License-Identifier: Apache-2.0 */
#define XXH_INLINE_ALL
#include "base/hash.h"

#include "base/buf.h"

#include <stdlib.h>
#include <sys/random.h>
#include <xxhash.h>

struct osp_intern_cell {
    uint32_t hash; /* chose the cell, so that a wider table needs no look at the texts */
    uint32_t id1;  /* id + 1; 0 = free */
};

static uint64_t seed(void)
{
    static uint64_t word;
    uint64_t s = __atomic_load_n(&word, __ATOMIC_RELAXED);
    if (!s) {
        if (getrandom(&s, sizeof s, GRND_NONBLOCK) != sizeof s)
            s = (uintptr_t)&word;
        s |= 1;
        uint64_t none = 0;
        if (!__atomic_compare_exchange_n(&word, &none, s, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            s = none;
    }
    return s;
}

uint64_t osp_hash(const void *p, size_t n) { return XXH3_64bits_withSeed(p, n, seed()); }

uint64_t osp_hash_pair(uint64_t a, uint64_t b) { return osp_hash((uint64_t[]){a, b}, 2 * sizeof a); }

osp_wide osp_hash_wide(const void *p, size_t n, uint64_t beside)
{
    XXH128_hash_t h = XXH3_128bits_withSeed(p, n, seed() ^ osp_hash_mix(beside, n));
    return (osp_wide){h.low64, h.high64};
}

void osp_intern_drop(osp_intern *t)
{
    free(t->cell);
    free(t->text);
    *t = (osp_intern){0};
}

static bool rehash(osp_intern *t, size_t ncell)
{
    struct osp_intern_cell *cell = calloc(ncell, sizeof *cell);
    if (!cell)
        return false;
    osp_large_pages(cell, ncell * sizeof *cell);
    for (size_t i = 0; i < t->ncell; i++) {
        if (!t->cell[i].id1)
            continue;
        size_t at = t->cell[i].hash & (ncell - 1);
        while (cell[at].id1)
            at = (at + 1) & (ncell - 1);
        cell[at] = t->cell[i];
    }
    free(t->cell);
    t->cell = cell;
    t->ncell = ncell;
    return true;
}

static uint32_t hash_of(osp_str s) { return (uint32_t)osp_hash(s.p, s.n); }

/* The cell that holds s, or the free one where it belongs. */
static struct osp_intern_cell *cell_for(const osp_intern *t, osp_str s, uint32_t h)
{
    for (size_t at = h & (t->ncell - 1);; at = (at + 1) & (t->ncell - 1)) {
        struct osp_intern_cell *c = &t->cell[at];
        if (!c->id1 || (c->hash == h && osp_str_eq(t->text[c->id1 - 1], s)))
            return c;
    }
}

uint32_t osp_intern_add(osp_intern *t, osp_str s)
{
    void *text = t->text;
    if (t->n >= UINT32_MAX - 1 || !osp_grow(&text, &t->cap, (size_t)t->n + 1, sizeof *t->text))
        return UINT32_MAX;
    t->text = text;
    t->text[t->n] = s;
    return t->n++;
}

uint32_t osp_intern_put(osp_intern *t, osp_str s, bool *fresh)
{
    const uint32_t h = hash_of(s);
    if ((size_t)t->n * 2 >= t->ncell && !rehash(t, t->ncell ? t->ncell * 2 : 64))
        return UINT32_MAX;
    struct osp_intern_cell *c = cell_for(t, s, h);
    if (fresh)
        *fresh = !c->id1;
    if (c->id1)
        return c->id1 - 1;
    uint32_t id = osp_intern_add(t, s);
    if (id != UINT32_MAX)
        *c = (struct osp_intern_cell){h, id + 1};
    return id;
}

uint32_t osp_intern_find(const osp_intern *t, osp_str s)
{
    if (!t->ncell)
        return UINT32_MAX;
    struct osp_intern_cell *c = cell_for(t, s, hash_of(s));
    return c->id1 ? c->id1 - 1 : UINT32_MAX;
}

void osp_index_drop(osp_index *t)
{
    free(t->cell);
    *t = (osp_index){0};
}

void osp_index_clear(osp_index *t)
{
    if (t->n)
        memset(t->cell, 0, t->ncell * sizeof *t->cell);
    t->n = 0;
}

/* The cell of a key: its own, or the free one where it belongs. */
static size_t index_cell(const osp_index *t, uint64_t key)
{
    size_t at = osp_hash_mix(key, 1) & (t->ncell - 1);
    while (t->cell[at].value1 && t->cell[at].key != key)
        at = (at + 1) & (t->ncell - 1);
    return at;
}

uint32_t osp_index_find(const osp_index *t, uint64_t key)
{
    return t->ncell ? t->cell[index_cell(t, key)].value1 - 1 : UINT32_MAX;
}

bool osp_index_put(osp_index *t, uint64_t key, uint32_t value)
{
    if (2 * (t->n + 1) > t->ncell) {
        osp_index wider = {.ncell = t->ncell ? 2 * t->ncell : 64};
        wider.cell = calloc(wider.ncell, sizeof *wider.cell);
        if (!wider.cell)
            return false;
        for (size_t i = 0; i < t->ncell; i++)
            if (t->cell[i].value1)
                wider.cell[index_cell(&wider, t->cell[i].key)] = t->cell[i];
        wider.n = t->n;
        osp_index_drop(t);
        *t = wider;
    }
    size_t at = index_cell(t, key);
    t->n += !t->cell[at].value1;
    t->cell[at] = (struct osp_index_cell){key, value + 1};
    return true;
}
