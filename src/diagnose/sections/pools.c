/* SPDX-License-Identifier: Apache-2.0 */
/* What lies in the pools (sync.Pool) of a Go program: the capacity of the slices in their values. Some ten looks a second, at those
 * pools that the runtime empties at collections.
 *
 *     sync.allPools, sync.oldPools    slices of *Pool
 *     Pool          local, its length, victim, its length        (since Go 1.13)
 *     poolLocal     128 bytes, one for each P: private (an interface), head and tail of its chain
 *     poolChainElt  head << 32 | tail, a slice of interfaces, next, prev
 *
 * A value is a pointer: to a slice, or to a structure with one among its first words (bytes.Buffer, bufio.Writer). */
#include "diagnose/section.h"

#include <stdlib.h>

static void *begin(osp_watch *w);
static void tick(osp_watch *w, void *state);
static void end(osp_watch *w, void *state, osp_facts *f);
static void transfer(osp_archive *x, osp_facts *f);

const osp_section osp_section_pools = {
    .name = "pools", .begin = begin, .tick = tick, .end = end, .transfer = transfer};

enum {
    SINCE = 11300,
    POOLS = 64,
    PS = 256,
    LINKS = 16,   /* of a chain */
    VALUES = 256, /* of a pool that are kept, and that are looked at each time */
    WORDS = 8,    /* of a value */
    LOCAL = 128,
};
static const uint64_t large = 1 << 20, most = (uint64_t)1 << 38;

typedef struct {
    uint64_t at, type, len, cap; /* the most that was seen */
} value;

typedef struct {
    uint64_t at;
    value *value;
    uint32_t n;
} pool;

typedef struct {
    uint64_t all[2]; /* sync.allPools, sync.oldPools */
    pool pool[POOLS];
    uint32_t n;
} pools;

static bool words(const osp_watch *w, uint64_t at, uint64_t *out, size_t n)
{
    osp_err ignored; /* it has gone meanwhile */
    const osp_mem *m = &w->image.mem;
    return at >= 1 << 16 && at % 8 == 0 && m->read(m->ctx, at, out, n * sizeof *out, &ignored);
}

static void *begin(osp_watch *w)
{
    static const char *const name[] = {"sync.allPools", "sync.oldPools"};
    uint64_t bias;
    osp_symbol_value v;
    if (!w->go || osp_go_version_number(w->go) < SINCE)
        return NULL;
    osp_object *o = osp_go_object(w->go, &bias);
    pools *k = calloc(1, sizeof *k);
    for (int i = 0; k && i < 2; i++)
        k->all[i] = osp_object_symbol(o, osp_str_from(name[i]), &v) && v.value ? bias + v.value : 0;
    if (k && k->all[0])
        return k;
    free(k);
    return NULL;
}

static pool *pool_at(pools *k, uint64_t at)
{
    for (uint32_t i = 0; i < k->n; i++)
        if (k->pool[i].at == at)
            return &k->pool[i];
    if (k->n == POOLS)
        return NULL;
    pool *p = &k->pool[k->n];
    *p = (pool){.at = at, .value = calloc(VALUES, sizeof *p->value)};
    k->n += p->value != NULL;
    return p->value ? p : NULL;
}

/* How many words the value has that a pointer of this type points at (internal/abi.Type: size, its kind in byte 23; PtrType.Elem
 * behind it); what lies behind them is another value's. 0: it is no pointer, or points at less than a slice. */
static size_t words_of(const osp_watch *w, uint64_t type)
{
    enum { KIND_WORD = 2, KIND_SHIFT = 56, KIND_MASK = 31, KIND_POINTER = 22, ELEM_WORD = 6, SLICE = 3 };
    uint64_t t[ELEM_WORD + 1], size;
    if (!words(w, type, t, ELEM_WORD + 1) || (t[KIND_WORD] >> KIND_SHIFT & KIND_MASK) != KIND_POINTER ||
        !words(w, t[ELEM_WORD], &size, 1) || size / 8 < SLICE)
        return 0;
    return size / 8 < WORDS ? size / 8 : WORDS;
}

/* The longest slice among the first words of a value. */
static void see(const osp_watch *w, pool *p, const uint64_t *interface, uint32_t *looked)
{
    uint64_t word[WORDS];
    if (!interface[0] || !interface[1] || *looked >= VALUES)
        return;
    ++*looked;
    value v = {.at = interface[1], .type = interface[0]};
    const size_t n = words_of(w, v.type);
    if (!n || !words(w, v.at, word, n))
        return;
    for (size_t i = 0; i + 2 < n; i++)
        if (word[i] >= 1 << 16 && word[i + 1] <= word[i + 2] && word[i + 2] > v.cap && word[i + 2] < most &&
            word[i + 1] < most) {
            v.len = word[i + 1];
            v.cap = word[i + 2];
        }
    for (uint32_t i = 0; i < p->n; i++)
        if (p->value[i].at == v.at) {
            const uint64_t len = p->value[i].len > v.len ? p->value[i].len : v.len;
            p->value[i] = v;
            p->value[i].len = len;
            return;
        }
    if (p->n < VALUES)
        p->value[p->n++] = v;
}

/* The values that stand in a link of a chain: from its tail to its head. */
static uint64_t see_link(const osp_watch *w, pool *p, uint64_t at, uint32_t *looked)
{
    uint64_t link[6], interface[2];
    if (!words(w, at, link, 6))
        return 0;
    const uint64_t n = link[2], head = link[0] >> 32, tail = link[0] & UINT32_MAX;
    if (n == 0 || (n & (n - 1)) || n > 1 << 30 || head - tail > n)
        return 0;
    for (uint64_t i = tail; i != head && *looked < VALUES; i++)
        if (words(w, link[1] + 16 * (i & (n - 1)), interface, 2))
            see(w, p, interface, looked);
    return link[5]; /* towards the tail */
}

static void see_locals(const osp_watch *w, pool *p, uint64_t local, uint64_t n, uint32_t *looked)
{
    for (uint64_t i = 0; i < n && i < PS; i++) {
        uint64_t word[4];
        if (!words(w, local + i * LOCAL, word, 4))
            return;
        see(w, p, word, looked);
        uint64_t at = word[2];
        for (int k = 0; k < LINKS && at; k++)
            at = see_link(w, p, at, looked);
    }
}

static void tick(osp_watch *w, void *state)
{
    pools *k = state;
    for (int i = 0; i < 2; i++) {
        uint64_t all[3], at[POOLS];
        if (!k->all[i] || !words(w, k->all[i], all, 3) || all[1] > all[2])
            continue;
        const uint64_t n = all[1] < POOLS ? all[1] : POOLS;
        for (uint64_t j = 0; n && words(w, all[0], at, n) && j < n; j++) {
            uint64_t word[4];
            uint32_t looked = 0;
            pool *p = words(w, at[j], word, 4) ? pool_at(k, at[j]) : NULL;
            if (!p)
                continue;
            see_locals(w, p, word[0], word[1], &looked);
            see_locals(w, p, word[2], word[3], &looked);
        }
    }
}

static osp_pool_fact fact_of(osp_watch *w, const pool *p, osp_facts *f)
{
    uint64_t bias, type = 0;
    char name[128];
    osp_object *o = osp_go_object(w->go, &bias);
    osp_pool_fact out = {.name = osp_arena_str(f->arena, osp_object_variable_at(o, p->at - bias)), .seen = p->n};
    for (uint32_t i = 0; i < p->n; i++) {
        const value *v = &p->value[i];
        if (v->cap < large)
            continue;
        out.large++;
        out.used += v->len > v->cap / 2;
        out.part += v->len > 0 && v->len < v->cap / 8;
        out.bytes += v->cap;
        if (v->cap > out.largest) {
            out.largest = v->cap;
            type = v->type;
        }
    }
    if (type && osp_go_type_name(w->go, type, name, sizeof name))
        out.type = osp_arena_str(f->arena, osp_str_from(name));
    return out;
}

static int by_bytes(const void *a, const void *b)
{
    const osp_pool_fact *x = a, *y = b;
    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

static void end(osp_watch *w, void *state, osp_facts *f)
{
    pools *k = state;
    tick(w, k);
    f->pool = osp_new(f->arena, osp_pool_fact, k->n + 1);
    for (uint32_t i = 0; i < k->n; i++) {
        if (f->pool && k->pool[i].n)
            f->pool[f->npool++] = fact_of(w, &k->pool[i], f);
        free(k->pool[i].value);
    }
    if (f->npool)
        qsort(f->pool, f->npool, sizeof *f->pool, by_bytes);
    free(k);
}

static void pool_row(osp_archive *x, osp_pool_fact *p)
{
    osp_arc(x, &p->name);
    osp_arc(x, &p->type);
    osp_arc(x, &p->seen);
    osp_arc(x, &p->large);
    osp_arc(x, &p->used);
    osp_arc(x, &p->part);
    osp_arc(x, &p->bytes);
    osp_arc(x, &p->largest);
}

static void transfer(osp_archive *x, osp_facts *f) { OSP_ARC_ROWS(x, &f->pool, &f->npool, pool_row); }
