/* SPDX-License-Identifier: Apache-2.0 */
/* runtime.memstats: what the runtime counts of its memory and its collections.
 *
 * The heap's size is spread over three deltas, which the allocator of each P adds to without a lock; only their sum says
 * something. Who reads them inside the process turns the wheel on (gen) and moves one delta into another, so a sum is
 * believed only if it is a whole number of pages and gen stood still. */
#include "goruntime/goruntime_internal.h"

enum {
    PAGE = 8192, /* the runtime's own unit of spans */
    DELTAS = 3,
    PAUSES = 256, /* of the ring of pauses */
    TRIES = 8,
};
static const uint64_t MOST_BYTES = 1ull << 47; /* the address space of a process */

static bool read_at(const osp_go *go, uint64_t addr, int32_t at, void *to, size_t n)
{
    osp_err ignored; /* the caller says what is missing */
    return at >= 0 && go->mem.read(go->mem.ctx, addr + (uint64_t)at, to, n, &ignored);
}

static bool is_pages(int64_t bytes) { return bytes >= 0 && bytes % PAGE == 0 && (uint64_t)bytes < MOST_BYTES; }

/* One reading of both sums. False if they cannot be right. */
static bool read_sums(const osp_go *go, uint64_t addr, int64_t *heap, int64_t *stacks)
{
    const osp_go_places *at = &go->at;
    const int32_t stride = (at->mem_gen - at->mem_stats) / DELTAS;
    uint32_t before, after;
    *heap = *stacks = 0;
    if (stride <= 0 || at->delta_in_heap < 0 || at->delta_in_stacks < 0 ||
        !read_at(go, addr, at->mem_gen, &before, sizeof before))
        return false;
    for (int32_t i = 0; i < DELTAS; i++) {
        int64_t h, s;
        if (!read_at(go, addr, at->mem_stats + i * stride + at->delta_in_heap, &h, sizeof h) ||
            !read_at(go, addr, at->mem_stats + i * stride + at->delta_in_stacks, &s, sizeof s))
            return false;
        *heap = (int64_t)((uint64_t)*heap + (uint64_t)h);
        *stacks = (int64_t)((uint64_t)*stacks + (uint64_t)s);
    }
    return read_at(go, addr, at->mem_gen, &after, sizeof after) && before == after && before < DELTAS &&
           is_pages(*heap) && is_pages(*stacks) && *heap > 0 && *stacks > 0;
}

/* The collector's numbers, of one collection: the newest entry of the ring of pauses ends when the last one did. */
static bool read_collector(const osp_go *go, uint64_t addr, uint32_t *numgc, double *fraction)
{
    const osp_go_places *at = &go->at;
    uint64_t last = 0, end = 0;
    uint32_t again = 0;
    if (at->mem_pause_end < 0 || !read_at(go, addr, at->mem_numgc, numgc, sizeof *numgc) ||
        !read_at(go, addr, at->mem_gc_cpu, fraction, sizeof *fraction) ||
        !read_at(go, addr, at->mem_last_gc, &last, sizeof last) ||
        (*numgc && !read_at(go, addr, at->mem_pause_end + 8 * (int32_t)((*numgc - 1) % PAUSES), &end, sizeof end)) ||
        !read_at(go, addr, at->mem_numgc, &again, sizeof again))
        return false;
    return again == *numgc && last == end && *fraction >= 0 && *fraction <= 1;
}

/* Memory of its own tables, and a collector that is switched on: both stand before main runs. */
static bool has_begun(const osp_go *go, uint64_t addr)
{
    uint64_t mspan, mcache;
    uint8_t enabled;
    return read_at(go, addr, go->at.mem_mspan_sys, &mspan, sizeof mspan) && mspan > 0 && mspan < MOST_BYTES &&
           mspan % 8 == 0 && read_at(go, addr, go->at.mem_mcache_sys, &mcache, sizeof mcache) && mcache > 0 &&
           mcache < MOST_BYTES && mcache % 8 == 0 &&
           read_at(go, addr, go->at.mem_enablegc, &enabled, sizeof enabled) && enabled == 1;
}

static bool read_memory(const osp_go *go, uint64_t addr, osp_go_memory *out)
{
    int64_t heap, stacks;
    if (addr == 0 || addr % 8 != 0 || !has_begun(go, addr) || !read_sums(go, addr, &heap, &stacks) ||
        !read_collector(go, addr, &out->num_gc, &out->gc_cpu_fraction))
        return false;
    out->heap_inuse_bytes = (uint64_t)heap;
    out->stack_inuse_bytes = (uint64_t)stacks;
    return true;
}

bool osp_go_is_memstats(const osp_go *go, uint64_t addr)
{
    osp_go_memory ignored;
    return read_memory(go, addr, &ignored);
}

bool osp_go_memory_read(osp_go *go, osp_go_memory *out, osp_err *err)
{
    *out = (osp_go_memory){0};
    for (int try = 0; try < TRIES; try++) {
        uint64_t addr;
        osp_go_let_it_settle(try);
        if (!osp_go_global(go, S("runtime.memstats"), &addr))
            return osp_fail(err, OSP_EABSENT, "the memory figures of the Go runtime were not found in %.*s",
                            STRF(osp_object_name(go->object)));
        if (read_memory(go, addr, out))
            return true;
    }
    return osp_fail(err, OSP_EABSENT, "the memory figures of the Go runtime of %.*s do not fit together",
                    STRF(go->image.name));
}
