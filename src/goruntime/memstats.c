/* SPDX-License-Identifier: Apache-2.0 */
/* runtime.MemStats as the program would have it from runtime.ReadMemStats, which stops the world and has every P hand in
 * what it counts for itself. From outside nothing is handed in, so it is added here: what each P's cache (mcache) has
 * allocated from its spans since it took them, and its tiny allocations.
 *
 *     since 1.19    a span's objects count once it is handed back: allocCount - allocCountBeforeCache are missing
 *     to 1.18       all slots of a span count once it is taken: nelems - allocCount are too many
 *
 * All is read twice, and believed if nothing moved; else it is marked. Size classes are those of every release from 1.16 to
 * 1.27. */
#include "goruntime/goruntime_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CLASSES = 68,
    SPANS = 2 * CLASSES, /* of a cache: each class with pointers and without */
    DELTA_MAX = 2048,
    DELTAS = 3,
    STATS_MAX = 16384,
    PS_MAX = 1 << 16,
    TRIES = 6,
};

static const uint16_t class_size[CLASSES] = {
    0,     8,     16,    24,    32,    48,    64,    80,    96,    112,   128,   144,   160,   176,
    192,   208,   224,   240,   256,   288,   320,   352,   384,   416,   448,   480,   512,   576,
    640,   704,   768,   896,   1024,  1152,  1280,  1408,  1536,  1792,  2048,  2304,  2688,  3072,
    3200,  3456,  4096,  4864,  5376,  6144,  6528,  6784,  6912,  8192,  9472,  9728,  10240, 10880,
    12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768,
};

/* What the caches of all Ps hold back. */
typedef struct {
    int64_t objects[CLASSES];
    uint64_t tiny;
} held;

/* How many objects of a span its counters do not know, or know too many. */
static int64_t of_span(const osp_go *go, const uint8_t *span)
{
    const osp_go_places *at = &go->at;
    const int64_t allocated = (int64_t)osp_go_value(span, at->span_alloc_count, 2);
    if (at->span_count_before >= 0)
        return allocated - (int64_t)osp_go_value(span, at->span_count_before, 2);
    return allocated - (int64_t)osp_go_value(span, at->span_nelems, 2);
}

static bool read_cache(const osp_go *go, uint64_t cache, held *h, osp_err *err)
{
    enum { SPAN_MAX = 128 };
    const osp_go_places *at = &go->at;
    uint64_t span[SPANS], tiny;
    const int32_t last = at->span_count_before > at->span_alloc_count ? at->span_count_before : at->span_alloc_count;
    osp_piece piece[SPANS];
    uint8_t bytes[SPANS][SPAN_MAX];
    uint8_t class[SPANS];
    size_t n = 0;
    if (last + 2 > SPAN_MAX || at->span_nelems + 2 > SPAN_MAX ||
        !osp_go_read_at(go, cache, at->cache_tiny, &tiny, 8) ||
        !osp_go_read_at(go, cache, at->cache_alloc, span, sizeof span))
        return osp_fail(err, OSP_EFORMAT, "the cache of a P cannot be read");
    h->tiny += tiny;
    for (size_t i = 0; i < SPANS; i++)
        if (span[i] && span[i] % 8 == 0) {
            class[n] = (uint8_t)(i / 2);
            piece[n] = (osp_piece){span[i], bytes[n], (size_t)last + 2};
            n++;
        }
    if (osp_mem_read_many(&go->mem, piece, n, err) < n)
        return false;
    for (size_t i = 0; i < n; i++)
        h->objects[class[i]] += of_span(go, bytes[i]);
    return true;
}

static bool read_caches(const osp_go *go, held *h, osp_err *err)
{
    uint64_t ps[2];
    *h = (held){0};
    if (!osp_go_read_at(go, go->global[OSP_GO_ALLP], 0, ps, sizeof ps) || ps[1] > PS_MAX)
        return osp_fail(err, OSP_EABSENT, "the list of Ps cannot be read");
    for (uint64_t i = 0; i < ps[1]; i++) {
        uint64_t p, cache;
        if (!osp_go_word(go, ps[0] + 8 * i, &p) || !osp_go_read_at(go, p, go->at.p_mcache, &cache, 8))
            return osp_fail(err, OSP_EABSENT, "a P cannot be read");
        if (cache && !read_cache(go, cache, h, err))
            return false;
    }
    return true;
}

/* The sum of the three deltas of heapStats, as one. */
static bool read_deltas(const osp_go *go, uint8_t sum[DELTA_MAX], osp_err *err)
{
    const osp_go_places *at = &go->at;
    const int32_t size = (at->mem_gen - at->mem_stats) / DELTAS;
    uint8_t b[DELTA_MAX * DELTAS];
    if (at->mem_stats < 0 || size <= 0 || size > DELTA_MAX ||
        !osp_go_read_at(go, go->global[OSP_GO_MEMSTATS], at->mem_stats, b, (size_t)size * DELTAS))
        return osp_fail(err, OSP_EABSENT, "the memory figures of the Go runtime cannot be read");
    for (int32_t i = 0; i + 8 <= size; i += 8) {
        uint64_t v = 0;
        for (int32_t k = 0; k < DELTAS; k++)
            v += osp_go_value(b, k * size + i, 8);
        memcpy(sum + i, &v, 8);
    }
    return true;
}

static void count_objects(const osp_go_places *at, const uint8_t *d, const held *h, uint64_t tinyallocs,
                          osp_go_memstats *s)
{
    const uint64_t tiny = osp_go_value(d, at->delta_tiny, 8) + h->tiny + tinyallocs;
    uint64_t allocated = osp_go_value(d, at->delta_large_alloc, 8), freed = osp_go_value(d, at->delta_large_free, 8);
    s->mallocs = osp_go_value(d, at->delta_large_allocs, 8) + tiny;
    s->frees = osp_go_value(d, at->delta_large_frees, 8) + tiny;
    for (int32_t i = 0; i < CLASSES; i++) {
        const uint64_t a = osp_go_value(d, at->delta_small_allocs + 8 * i, 8) + (uint64_t)h->objects[i];
        const uint64_t f = osp_go_value(d, at->delta_small_frees + 8 * i, 8);
        s->mallocs += a;
        s->frees += f;
        allocated += a * class_size[i];
        freed += f * class_size[i];
    }
    s->total_alloc = allocated;
    s->heap_alloc = allocated - freed;
}

static void sum_up(const osp_go_places *at, const uint8_t *d, const uint8_t *m, const osp_go_gc *gc,
                   osp_go_memstats *s)
{
    const uint64_t work = osp_go_value(d, at->delta_work_bufs, 8) + osp_go_value(d, at->delta_ptr_bits, 8);
    s->heap_inuse = gc->heap_inuse_bytes;
    s->heap_released = gc->heap_released_bytes;
    s->heap_idle = gc->heap_free_bytes + gc->heap_released_bytes;
    s->heap_sys = s->heap_inuse + s->heap_idle;
    s->stack_inuse = osp_go_value(d, at->delta_in_stacks, 8);
    s->stack_sys = s->stack_inuse + osp_go_value(m, at->mem_stacks_sys, 8);
    s->mspan_sys = osp_go_value(m, at->mem_mspan_sys, 8);
    s->mcache_sys = osp_go_value(m, at->mem_mcache_sys, 8);
    s->buckhash_sys = osp_go_value(m, at->mem_buckhash_sys, 8);
    s->gc_in_heap = work;
    s->gc_sys = osp_go_value(m, at->mem_misc_sys, 8) + work;
    s->other_sys = osp_go_value(m, at->mem_other_sys, 8);
    s->sys = s->heap_sys + s->stack_sys + s->mspan_sys + s->mcache_sys + s->buckhash_sys + s->gc_sys + s->other_sys;
}

static bool read_once(osp_go *go, osp_go_memstats *s, osp_err *err)
{
    const osp_go_places *at = &go->at;
    uint8_t d[DELTA_MAX] = {0};
    uint8_t m[STATS_MAX] = {0};
    held h;
    uint64_t tinyallocs = 0;
    const int32_t field[] = {at->mem_stacks_sys,   at->mem_mspan_sys, at->mem_mcache_sys,
                             at->mem_buckhash_sys, at->mem_misc_sys,  at->mem_other_sys};
    *s = (osp_go_memstats){0};
    if (!osp_go_gc_read(go, &s->gc, err) || !read_caches(go, &h, err) || !read_deltas(go, d, err))
        return false;
    for (size_t i = 0; i < sizeof field / sizeof *field; i++)
        if (field[i] + 8 > STATS_MAX || !osp_go_read_at(go, go->global[OSP_GO_MEMSTATS], field[i], m + field[i], 8))
            return osp_fail(err, OSP_EABSENT, "the memory figures of the Go runtime cannot be read");
    if (at->mem_tinyallocs >= 0 &&
        !osp_go_read_at(go, go->global[OSP_GO_MEMSTATS], at->mem_tinyallocs, &tinyallocs, 8))
        return osp_fail(err, OSP_EABSENT, "the memory figures of the Go runtime cannot be read");
    if (!osp_go_read_at(go, go->gc.heap, at->heap_span_inuse, &s->mspan_inuse, 8) ||
        !osp_go_read_at(go, go->gc.heap, at->heap_cache_inuse, &s->mcache_inuse, 8))
        return osp_fail(err, OSP_EABSENT, "the heap's own structures were not found in %.*s", STRF(go->image.name));
    if (!s->gc.has_control)
        return osp_fail(err, OSP_EABSENT, "the pacer of the collector was not found in %.*s", STRF(go->image.name));
    count_objects(at, d, &h, tinyallocs, s);
    sum_up(at, d, m, &s->gc, s);
    return true;
}

static bool is_same(const osp_go_memstats *a, const osp_go_memstats *b)
{
    return a->total_alloc == b->total_alloc && a->mallocs == b->mallocs && a->frees == b->frees && a->sys == b->sys &&
           a->heap_inuse == b->heap_inuse && a->heap_released == b->heap_released &&
           a->stack_inuse == b->stack_inuse && a->gc.done == b->gc.done;
}

bool osp_go_memstats_read(osp_go *go, osp_go_memstats *out, osp_err *err)
{
    osp_go_memstats *before = malloc(sizeof *before);
    if (!before)
        return osp_fail_memory(err, "reading memory figures");
    uint64_t ignored;
    (void)osp_go_global(go, S("runtime.allp"), &ignored);
    bool ok = read_once(go, before, err);
    for (int try = 0; ok && try < TRIES; try++) {
        ok = read_once(go, out, err);
        out->moving = ok && !is_same(before, out);
        if (!ok || !out->moving)
            break;
        *before = *out;
    }
    free(before);
    return ok;
}

static void add_ring(osp_buf *out, const char *name, const uint64_t ring[static OSP_GC_PAUSES])
{
    osp_buf_fmt(out, "# %s = [", name);
    for (int i = 0; i < OSP_GC_PAUSES; i++)
        osp_buf_fmt(out, "%s%" PRIu64, i ? " " : "", ring[i]);
    osp_buf_add(out, S("]\n"));
}

/* A double as Go prints it with %v: the shortest digits that read back as the same number. */
static void add_double(osp_buf *out, const char *name, double v)
{
    char text[40];
    int digits = 1;
    do
        snprintf(text, sizeof text, "%.*e", digits - 1, v);
    while (strtod(text, NULL) != v && digits++ < 17);
    const int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
    if (v != 0 && exponent >= -4 && exponent < 21)
        snprintf(text, sizeof text, "%.*f", digits - 1 - exponent > 0 ? digits - 1 - exponent : 0, v);
    osp_buf_fmt(out, "# %s = %s\n", name, v == 0 ? "0" : text);
}

void osp_go_memstats_text(const osp_go_memstats *s, osp_buf *out)
{
    const struct {
        const char *name;
        uint64_t v;
    } first[] = {{"Alloc", s->heap_alloc},
                 {"TotalAlloc", s->total_alloc},
                 {"Sys", s->sys},
                 {"Lookups", 0},
                 {"Mallocs", s->mallocs},
                 {"Frees", s->frees},
                 {"HeapAlloc", s->heap_alloc},
                 {"HeapSys", s->heap_sys},
                 {"HeapIdle", s->heap_idle},
                 {"HeapInuse", s->heap_inuse},
                 {"HeapReleased", s->heap_released},
                 {"HeapObjects", s->mallocs - s->frees}},
      second[] = {{"BuckHashSys", s->buckhash_sys},
                  {"GCSys", s->gc_sys},
                  {"OtherSys", s->other_sys},
                  {"NextGC", s->gc.goal_bytes},
                  {"LastGC", s->gc.last_end_unix_ns}};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        osp_buf_fmt(out, "# %s = %" PRIu64 "\n", first[i].name, first[i].v);
    osp_buf_fmt(out, "# Stack = %" PRIu64 " / %" PRIu64 "\n", s->stack_inuse, s->stack_sys);
    osp_buf_fmt(out, "# MSpan = %" PRIu64 " / %" PRIu64 "\n", s->mspan_inuse, s->mspan_sys);
    osp_buf_fmt(out, "# MCache = %" PRIu64 " / %" PRIu64 "\n", s->mcache_inuse, s->mcache_sys);
    for (size_t i = 0; i < sizeof second / sizeof *second; i++)
        osp_buf_fmt(out, "# %s = %" PRIu64 "\n", second[i].name, second[i].v);
    add_ring(out, "PauseNs", s->gc.pause_ns);
    add_ring(out, "PauseEnd", s->gc.pause_end_unix_ns);
    osp_buf_fmt(out, "# NumGC = %" PRIu32 "\n# NumForcedGC = %" PRIu32 "\n", s->gc.done, s->gc.forced);
    add_double(out, "GCCPUFraction", s->gc.cycle.cpu_fraction);
    osp_buf_add(out, S("# DebugGC = false\n"));
}
