/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "pprof/pprof_internal.h"

#include <stdlib.h>

bool osp_span_set_make(osp_span_set *s, osp_arena *a, size_t most)
{
    *s = (osp_span_set){.at = osp_new(a, const uint8_t *, most), .len = osp_new(a, uint32_t, most)};
    return s->at && s->len;
}

void osp_span_set_drop(osp_span_set *s)
{
    free(s->cell);
    s->cell = NULL;
    s->ncell = 0;
}

static bool rehash(osp_span_set *s, size_t ncell)
{
    osp_span_cell *cell = calloc(ncell, sizeof *cell);
    if (!cell)
        return false;
    osp_large_pages(cell, ncell * sizeof *cell);
    for (size_t i = 0; i < s->ncell; i++) {
        if (!s->cell[i].id1)
            continue;
        size_t at = s->cell[i].hash & (ncell - 1);
        while (cell[at].id1)
            at = (at + 1) & (ncell - 1);
        cell[at] = s->cell[i];
    }
    free(s->cell);
    s->cell = cell;
    s->ncell = ncell;
    return true;
}

uint32_t osp_span_set_put(osp_span_set *s, osp_span b, uint64_t hash)
{
    if ((size_t)s->n * 3 >= s->ncell * 2 && !rehash(s, s->ncell ? s->ncell * 2 : 4096))
        return UINT32_MAX;
    size_t at = hash & (s->ncell - 1);
    for (; s->cell[at].id1; at = (at + 1) & (s->ncell - 1)) {
        const osp_span_cell *c = &s->cell[at];
        if (c->hash == hash && c->n == b.n && (b.n == 0 || memcmp(s->at[c->id1 - 1], b.p, b.n) == 0))
            return c->id1 - 1;
    }
    const uint32_t id = osp_span_set_add(s, b);
    s->cell[at] = (osp_span_cell){hash, id + 1, (uint32_t)b.n};
    return id;
}

/* ---- ids ------------------------------------------------------------------------------------------------------ */

static bool make_dense(osp_id_map *m, osp_arena *a, const uint64_t *id, uint32_t n, uint32_t first, uint64_t max,
                       uint64_t *clash)
{
    m->ndense = (size_t)max + 1;
    m->dense = osp_new(a, uint32_t, m->ndense);
    for (uint32_t i = 0; m->dense && i < n; i++) {
        if (m->dense[id[i]]) {
            *clash = id[i];
            return false;
        }
        m->dense[id[i]] = first + i + 1;
    }
    return m->dense != NULL;
}

static struct osp_id_cell *cell_of(const osp_id_map *m, uint64_t id)
{
    size_t at = osp_hash(&id, sizeof id) & (m->ncell - 1);
    while (m->cell[at].row1 && m->cell[at].id != id)
        at = (at + 1) & (m->ncell - 1);
    return &m->cell[at];
}

bool osp_id_map_make(osp_id_map *m, osp_arena *a, const uint64_t *id, uint32_t n, uint32_t first, uint64_t *clash)
{
    uint64_t max = 0;
    *clash = 0;
    for (uint32_t i = 0; i < n; i++)
        max = id[i] > max ? id[i] : max;
    if (max <= (uint64_t)n * 2 + 64)
        return make_dense(m, a, id, n, first, max, clash);
    for (m->ncell = 64; m->ncell < (size_t)n * 2;)
        m->ncell *= 2;
    m->cell = osp_new(a, struct osp_id_cell, m->ncell);
    for (uint32_t i = 0; m->cell && i < n; i++) {
        struct osp_id_cell *c = cell_of(m, id[i]);
        if (c->row1) {
            *clash = id[i];
            return false;
        }
        *c = (struct osp_id_cell){id[i], first + i + 1};
    }
    return m->cell != NULL;
}

uint32_t osp_id_map_find_sparse(const osp_id_map *m, uint64_t id)
{
    return m->ncell ? cell_of(m, id)->row1 - 1 : UINT32_MAX;
}
