/* SPDX-License-Identifier: Apache-2.0 */
/* Where the heap lies, and which of its pages are in use. On 64-bit Linux:
 *
 *     mheap_.allArenas      (heapArenas since Go 1.25) slice of numbers of arenas, of 64 MiB each; number 0 begins where
 *                           the address space does: at 1 << 47, below 0, on x86-64, where addresses are signed
 *     mheap_.pages.chunks   [8192]*[8192]pallocData, one for each 4 MiB of the address space in the same order:
 *
 *                               512 bits   pages of 8 KiB in use
 *                               512 bits   pages that were given back (scavenged)
 *
 *     mheap_.pages.summary  five slices right before chunks: a tree over the address space, of which little is touched
 *     mheap_.arenas         [1]*[1 << 22]*heapArena: an index, and for each arena which span a page is of; to Go 1.21 with a
 *                           bitmap of its pointers, of 1 bit for a word, of 2 to Go 1.19
 *     mheap_.allspans       slice of *mspan
 *     persistentChunks      list of pieces of 256 KiB for small structures that are never freed
 *
 * The same in Go 1.16 to 1.27. */
#include "goruntime/goruntime_internal.h"

#include <elf.h>
#include <stdlib.h>

enum {
    ARENA_SHIFT = 26,
    CHUNK_SHIFT = 22,
    LEVEL_BITS = 13,
    CHUNK_WORDS = 16,
    CHUNKS = 1 << (ARENA_SHIFT - CHUNK_SHIFT), /* of an arena */
    ARENAS_MOST = 1 << 22,
};
static const uint64_t ADDRESSES = 1ull << 48;

/* Where the address space begins as the heap numbers it. */
static uint64_t base_of(const osp_go *go)
{
    return osp_object_machine(go->object) == EM_X86_64 ? 0xffff800000000000u : 0;
}

static int by_address(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

bool osp_go_arenas_read(osp_go *go, osp_arena *a, osp_go_arenas *out, osp_err *err)
{
    uint64_t slice[2];
    osp_err why;
    *out = (osp_go_arenas){.bytes = 1ull << ARENA_SHIFT};
    osp_go_find_collector(go);
    if (!osp_go_read_at(go, go->gc.heap, go->at.heap_arenas, slice, sizeof slice) || slice[1] == 0)
        return osp_fail(err, OSP_EABSENT, "where the heap of %.*s lies was not found", STRF(go->image.name));
    uint64_t *start = slice[1] < ARENAS_MOST ? osp_new(a, uint64_t, slice[1]) : NULL;
    if (!start)
        return osp_fail(err, OSP_ELIMIT, "the heap of %.*s has more pieces than can be", STRF(go->image.name));
    if (!go->mem.read(go->mem.ctx, slice[0], start, slice[1] * sizeof *start, &why))
        return osp_fail(err, OSP_EABSENT, "the list of the heap's pieces of %.*s cannot be read",
                        STRF(go->image.name));
    for (uint64_t i = 0; i < slice[1]; i++) {
        start[i] = (start[i] << ARENA_SHIFT) + base_of(go);
        if (start[i] >= ADDRESSES)
            return osp_fail(err, OSP_EABSENT, "the list of the heap's pieces of %.*s is none", STRF(go->image.name));
    }
    qsort(start, slice[1], sizeof *start, by_address);
    out->start = start;
    out->n = (uint32_t)slice[1];
    return true;
}

bool osp_go_pages_read(osp_go *go, uint64_t arena, osp_go_pages *out)
{
    uint64_t level, chunk[CHUNKS][CHUNK_WORDS];
    osp_err ignored;                                              /* false says it */
    const uint64_t number = (arena - base_of(go)) >> CHUNK_SHIFT; /* of its first chunk */
    if (go->at.heap_chunks < 0 || number >> (2 * LEVEL_BITS) ||
        !osp_go_read_at(go, go->gc.heap, go->at.heap_chunks + 8 * (int32_t)(number >> LEVEL_BITS), &level, 8) ||
        level == 0 || level % 8 != 0)
        return false;
    level += (number & ((1 << LEVEL_BITS) - 1)) * sizeof *chunk;
    if (!go->mem.read(go->mem.ctx, level, chunk, sizeof chunk, &ignored))
        return false;
    for (size_t i = 0; i < CHUNKS; i++) {
        memcpy(out->used + i * CHUNK_WORDS / 2, chunk[i], sizeof *chunk / 2);
        memcpy(out->released + i * CHUNK_WORDS / 2, chunk[i] + CHUNK_WORDS / 2, sizeof *chunk / 2);
    }
    return true;
}

/* ---- outside the heap ------------------------------------------------------------------------------------------- */

enum { LEVELS = 5, SLICE = 24, CHUNKS_MOST = 1 << 20 };

typedef struct {
    osp_go *go;
    osp_go_piece *piece;
    size_t n, most;
} pieces;

static void add(pieces *p, uint64_t start, uint64_t bytes, bool counted)
{
    if (start && bytes && start < ADDRESSES && bytes < ADDRESSES && p->n < p->most)
        p->piece[p->n++] = (osp_go_piece){start, bytes, counted};
}

static uint64_t sizeof_heap_arena(uint32_t version)
{
    enum { SPANS = 64 << 10, BITMAP = 1 << 20 };
    return version < 12000 ? 2 * BITMAP + SPANS : version < 12200 ? BITMAP + SPANS : SPANS;
}

static void add_slice(pieces *p, int32_t at, bool counted)
{
    uint64_t slice[3];
    if (osp_go_read_at(p->go, p->go->gc.heap, at, slice, sizeof slice) && slice[2] < ADDRESSES / 8)
        add(p, slice[0], slice[2] * 8, counted);
}

static void add_index(pieces *p, const osp_go_arenas *arenas)
{
    uint64_t index, arena;
    if (!osp_go_read_at(p->go, p->go->gc.heap, p->go->at.heap_index, &index, 8) || !index)
        return;
    add(p, index, ADDRESSES >> ARENA_SHIFT << 3, false);
    for (uint32_t i = 0; i < arenas->n; i++)
        if (osp_go_word(p->go, index + ((arenas->start[i] - base_of(p->go)) >> ARENA_SHIFT << 3), &arena))
            add(p, arena, sizeof_heap_arena(p->go->number), true);
}

/* Second level of pages.chunks: one covers 32 GiB. */
static void add_chunks(pieces *p, const osp_go_arenas *arenas)
{
    uint64_t last = UINT64_MAX, level;
    for (uint32_t i = 0; i < arenas->n; i++) {
        const uint64_t number = (arenas->start[i] - base_of(p->go)) >> (CHUNK_SHIFT + LEVEL_BITS);
        if (number != last &&
            osp_go_read_at(p->go, p->go->gc.heap, p->go->at.heap_chunks + 8 * (int32_t)number, &level, 8))
            add(p, level, (CHUNK_WORDS * 8) << LEVEL_BITS, true);
        last = number;
    }
}

/* Each begins with where the next one is. */
static void add_persistent(pieces *p)
{
    enum { PERSISTENT = 256 << 10 };
    osp_symbol_value v;
    uint64_t chunk, mark = 0;
    uint32_t n = 0;
    if (!osp_object_symbol(p->go->object, S("runtime.persistentChunks"), &v) ||
        !osp_go_word(p->go, p->go->bias + v.value, &chunk))
        return;
    while (chunk && chunk != mark && n < CHUNKS_MOST) {
        if ((n & (n - 1)) == 0)
            mark = chunk; /* a circle comes back to one of these */
        n++;
        add(p, chunk, PERSISTENT, true);
        if (!osp_go_word(p->go, chunk, &chunk))
            break;
    }
}

size_t osp_go_metadata_read(osp_go *go, const osp_go_arenas *arenas, osp_arena *a, osp_go_piece **out)
{
    enum { CHUNKS_KEPT = 1 << 16 };
    pieces p = {.go = go, .most = 2 * (size_t)arenas->n + LEVELS + 2 + CHUNKS_KEPT};
    p.piece = osp_new(a, osp_go_piece, p.most);
    *out = p.piece;
    if (!p.piece || !go->gc.heap || go->at.heap_chunks < LEVELS * SLICE)
        return 0;
    for (int32_t i = 1; i <= LEVELS; i++)
        add_slice(&p, go->at.heap_chunks - i * SLICE, false);
    add_slice(&p, go->at.heap_spans, true);
    add_index(&p, arenas);
    add_chunks(&p, arenas);
    add_persistent(&p);
    return p.n;
}
