/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of bare addresses become a profile: collecting, mappings by address, the lists of frames to leave out. */
#include "format/legacy.h"

#include "base/hash.h"
#include "base/search.h"

#include <stdlib.h>

/* ---- collecting ----------------------------------------------------------------------------------------------- */

void osp_bare_init(osp_bare *b, const osp_input *in)
{
    *b = (osp_bare){.in = in};
    osp_arena_init(&b->texts, in->limit);
}

void osp_bare_drop(osp_bare *b)
{
    free(b->frame);
    free(b->sample);
    free(b->mapping);
    free(b->place.addr);
    free(b->place.mapping);
    free(b->place.cell);
    osp_arena_drop(&b->texts);
}

void osp_bare_type(osp_bare *b, osp_str type, osp_str unit) { b->type[b->ntype++] = (osp_type_text){type, unit}; }

void osp_bare_frame(osp_bare *b, uint64_t addr)
{
    void *all = b->frame;
    if (b->failed || !osp_grow(&all, &b->frame_cap, b->nframe + 1, sizeof addr)) {
        b->failed = true;
        return;
    }
    b->frame = all;
    b->frame[b->nframe++] = addr;
}

void osp_bare_sample_of(osp_bare *b, const int64_t *values, int64_t bytes)
{
    void *all = b->sample;
    if (b->failed || !osp_grow(&all, &b->sample_cap, b->nsample + 1, sizeof *b->sample)) {
        b->failed = true;
        return;
    }
    b->sample = all;
    osp_bare_sample *s = &b->sample[b->nsample++];
    *s = (osp_bare_sample){.first = b->open, .n = b->nframe - b->open, .bytes = bytes};
    for (unsigned t = 0; t < b->ntype; t++)
        s->value[t] = values[t];
    b->open = b->nframe;
}

bool osp_bare_frames(osp_bare *b, osp_str text, uint64_t less)
{
    uint64_t addr;
    bool fits = true;
    while (fits && osp_next_hex(&text, &addr, &fits))
        osp_bare_frame(b, addr - less);
    return fits;
}

void osp_bare_drop_double_leaf(osp_bare *b)
{
    for (size_t i = 0; i < b->nsample; i++) {
        osp_bare_sample *s = &b->sample[i];
        uint64_t *f = b->frame + s->first;
        if (s->n > 1 && f[0] == f[1] + 1) {
            f[1] = f[0]; /* cut at the front: the rest stays where it is */
            s->first++;
            s->n--;
        }
    }
}

void osp_unsample(int64_t *count, int64_t *size, int64_t rate)
{
    if (*count == 0 || *size == 0) {
        *count = *size = 0;
        return;
    }
    if (rate <= 1) /* all was sampled, or nothing is known */
        return;
    double mean = (double)*size / (double)*count;
    double scale = 1 / (1 - osp_go_exp(-mean / (double)rate));
    *count = osp_go_whole((double)*count * scale);
    *size = osp_go_whole((double)*size * scale);
}

/* ---- which mapping -------------------------------------------------------------------------------------------- */

/* The first of the mappings, in their order, that holds an address, or that would if it grew down to its file's begin; ranges
 * may overlap. Two trees over the elementary ranges between all ends: a node keeps the lowest mapping that holds its whole
 * range. */
typedef struct {
    uint64_t *end; /* sorted */
    size_t *leaf;  /* of each mapping's start, limit and lowest begin */
    size_t nend, leaves;
    uint32_t *lowest, *below; /* 2 * leaves each */
} holders;

typedef struct {
    uint64_t value;
    size_t of; /* 3 * mapping + START, LIMIT or BELOW */
} range_end;

enum { START, LIMIT, BELOW };

static int by_value(const void *a, const void *b)
{
    const range_end *x = a, *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

/* The leaves from lo to below hi are in the mapping. */
static void holds(const holders *h, uint32_t *lowest, size_t lo, size_t hi, uint32_t mapping)
{
    if (lo >= hi)
        return;
    for (lo += h->leaves, hi += h->leaves; lo < hi; lo /= 2, hi /= 2) {
        if (lo & 1) {
            if (lowest[lo] > mapping)
                lowest[lo] = mapping;
            lo++;
        }
        if (hi & 1 && lowest[--hi] > mapping)
            lowest[hi] = mapping;
    }
}

static size_t leaf_of(const holders *h, uint64_t addr) { return osp_rows_upto(h->end, h->nend, sizeof addr, addr); }

static uint32_t holder(const holders *h, const uint32_t *lowest, uint64_t addr)
{
    uint32_t found = UINT32_MAX;
    for (size_t at = leaf_of(h, addr) + h->leaves; at; at /= 2)
        if (lowest[at] < found)
            found = lowest[at];
    return found;
}

static void holders_drop(holders *h)
{
    free(h->end);
    free(h->leaf);
    free(h->lowest);
    free(h->below);
}

/* Sort all ends, and say for each behind which leaf it lies. */
static bool sort_ends(holders *h, const osp_bare *b)
{
    range_end *all = malloc((b->nmapping * 3 + 1) * sizeof *all);
    if (!all)
        return false;
    for (size_t i = 0; i < b->nmapping; i++) {
        const osp_bare_mapping *m = &b->mapping[i];
        all[h->nend++] = (range_end){m->start, i * 3 + START};
        all[h->nend++] = (range_end){m->limit, i * 3 + LIMIT};
        all[h->nend++] = (range_end){m->start - m->offset, i * 3 + BELOW};
    }
    if (h->nend)
        qsort(all, h->nend, sizeof *all, by_value);
    for (size_t i = 0, leaf = 0; i < h->nend; i++) {
        h->end[i] = all[i].value;
        if (i == 0 || all[i].value != all[i - 1].value)
            for (leaf = i; leaf < h->nend && all[leaf].value == all[i].value; leaf++)
                ;
        h->leaf[all[i].of] = leaf;
    }
    free(all);
    return true;
}

static bool holders_of(holders *h, const osp_bare *b)
{
    *h = (holders){.leaves = 4};
    while (h->leaves < b->nmapping * 3 + 2)
        h->leaves *= 2;
    h->end = calloc(b->nmapping * 3 + 1, sizeof *h->end);
    h->leaf = calloc(b->nmapping * 3 + 1, sizeof *h->leaf);
    h->lowest = malloc(h->leaves * 2 * sizeof *h->lowest);
    h->below = malloc(h->leaves * 2 * sizeof *h->below);
    if (!h->end || !h->leaf || !h->lowest || !h->below || !sort_ends(h, b)) {
        holders_drop(h);
        return false;
    }
    memset(h->lowest, 0xff, h->leaves * 2 * sizeof *h->lowest);
    memset(h->below, 0xff, h->leaves * 2 * sizeof *h->below);
    for (size_t i = 0; i < b->nmapping; i++) {
        const size_t *leaf = h->leaf + i * 3;
        holds(h, h->lowest, leaf[START], leaf[LIMIT], (uint32_t)i);
        holds(h, h->below, leaf[BELOW], leaf[START], (uint32_t)i);
    }
    return true;
}

bool osp_bare_drop_library(osp_bare *b, osp_str name, osp_err *err)
{
    holders h;
    bool any = false;
    for (size_t i = 0; i < b->nmapping; i++)
        any |= osp_str_starts(osp_str_base(b->mapping[i].file), name);
    if (!any)
        return true;
    if (!holders_of(&h, b))
        return osp_fail_memory(err, "reading mappings");
    for (size_t i = 0; i < b->nsample; i++)
        for (osp_bare_sample *s = &b->sample[i]; s->n > 1; s->n--, s->first++) {
            uint32_t at = holder(&h, h.lowest, b->frame[s->first]);
            if (at == UINT32_MAX || !osp_str_starts(osp_str_base(b->mapping[at].file), name))
                break;
        }
    holders_drop(&h);
    return true;
}

/* Mappings of the main program whose sections were mapped anew are put right. */
static void repair_first(osp_bare *b)
{
    static const uint64_t usual_start = 0x400000;
    osp_bare_mapping *m = b->mapping;
    if (b->nmapping > 1 && osp_str_starts(m->file, S("/anon_hugepage")) && m->limit == m[1].start)
        memmove(m, m + 1, --b->nmapping * sizeof *m);
    if (b->nmapping && m->start - m->offset == usual_start) {
        m->start = usual_start;
        m->offset = 0;
    }
}

static bool lies_below(const osp_bare_mapping *m, uint64_t addr)
{
    return m->offset && addr < m->start && addr >= m->start - m->offset;
}

/* The mapping of which the map shows only the later part, and this address is in the earlier one; it gets both. Nobody asks
 * for what it holds from then on, so that the tree stays true; but for mappings that end before they begin: these hold
 * nothing even then, and are searched for one by one. False if *work is used up. */
static bool grow_down(osp_bare *b, holders *h, uint64_t addr, uint64_t *work, uint32_t *at)
{
    *at = holder(h, h->below, addr);
    if (*at == UINT32_MAX)
        return true;
    while (*at < b->nmapping && *work && !lies_below(&b->mapping[*at], addr)) {
        ++*at;
        --*work;
    }
    if (*at == b->nmapping || *work == 0) {
        *at = UINT32_MAX;
        return *work > 0;
    }
    osp_bare_mapping *m = &b->mapping[*at];
    m->start -= m->offset;
    m->offset = 0;
    const size_t *leaf = h->leaf + (size_t)*at * 3;
    holds(h, h->lowest, leaf[BELOW], leaf[LIMIT], *at);
    return true;
}

bool osp_bare_mapping_of(osp_bare *b, osp_bare_mapping m)
{
    void *all = b->mapping;
    if (b->nmapping >= UINT32_MAX - 1 || !osp_grow(&all, &b->mapping_cap, b->nmapping + 1, sizeof m))
        return false;
    b->mapping = all;
    b->mapping[b->nmapping++] = m;
    return true;
}

/* The place of addr, a new one (without mapping) if it has none. UINT32_MAX without memory. */
static uint32_t place_for(osp_bare *b, uint64_t addr)
{
    void *addrs = b->place.addr, *mappings = b->place.mapping;
    size_t n = b->place.n, at;
    if (n * 2 >= b->place.ncell) {
        size_t ncell = b->place.ncell ? b->place.ncell * 2 : 256;
        free(b->place.cell);
        b->place.ncell = 0;
        b->place.cell = calloc(ncell, sizeof *b->place.cell);
        if (!b->place.cell || n >= UINT32_MAX / 2)
            return UINT32_MAX;
        b->place.ncell = ncell;
        for (size_t i = 0; i < n; i++) {
            for (at = osp_hash_pair(b->place.addr[i], 0) & (ncell - 1); b->place.cell[at];
                 at = (at + 1) & (ncell - 1))
                ;
            b->place.cell[at] = (uint32_t)i + 1;
        }
    }
    for (at = osp_hash_pair(addr, 0) & (b->place.ncell - 1); b->place.cell[at]; at = (at + 1) & (b->place.ncell - 1))
        if (b->place.addr[b->place.cell[at] - 1] == addr)
            return b->place.cell[at] - 1;
    if (!osp_grow(&addrs, &b->place.addr_cap, n + 1, sizeof addr))
        return UINT32_MAX;
    b->place.addr = addrs;
    if (!osp_grow(&mappings, &b->place.mapping_cap, n + 1, sizeof *b->place.mapping))
        return UINT32_MAX;
    b->place.mapping = mappings;
    b->place.addr[n] = addr;
    b->place.mapping[n] = UINT32_MAX;
    b->place.cell[at] = (uint32_t)n + 1;
    b->place.n++;
    return (uint32_t)n;
}

uint32_t osp_bare_place(const osp_bare *b, uint64_t addr)
{
    if (!b->place.ncell)
        return UINT32_MAX;
    for (size_t at = osp_hash_pair(addr, 0) & (b->place.ncell - 1); b->place.cell[at];
         at = (at + 1) & (b->place.ncell - 1))
        if (b->place.addr[b->place.cell[at] - 1] == addr)
            return b->place.cell[at] - 1;
    return UINT32_MAX;
}

bool osp_bare_locate(osp_bare *b, osp_err *err)
{
    bool ok = !b->failed;
    for (size_t i = 0; i < b->nsample; i++)
        for (size_t k = 0; ok && k < b->sample[i].n; k++)
            ok = place_for(b, b->frame[b->sample[i].first + k]) != UINT32_MAX;
    return ok || osp_fail_memory(err, "reading locations");
}

static bool map_each(osp_bare *b, holders *h, const osp_place_name *name, osp_err *err)
{
    uint64_t work = (uint64_t)1 << 28; /* steps of grow_down: a quarter of a second */
    uint32_t other = UINT32_MAX;
    for (size_t i = 0; i < b->place.n; i++) {
        uint64_t addr = b->place.addr[i];
        if (addr == 0 || (name && name[i].named))
            continue;
        uint32_t at = holder(h, h->lowest, addr);
        if (at == UINT32_MAX && other == UINT32_MAX) {
            if (!grow_down(b, h, addr, &work, &at))
                return osp_fail(err, OSP_ELIMIT, "too many addresses outside of too many mappings");
            if (at == UINT32_MAX) {
                other = (uint32_t)b->nmapping;
                if (!osp_bare_mapping_of(b, (osp_bare_mapping){.limit = UINT64_MAX}))
                    return osp_fail_memory(err, "reading mappings");
            }
        }
        b->place.mapping[i] = at == UINT32_MAX ? other : at;
    }
    return true;
}

static bool map_places(osp_bare *b, const osp_place_name *name, osp_err *err)
{
    holders h;
    repair_first(b);
    if (!holders_of(&h, b))
        return osp_fail_memory(err, "reading mappings");
    bool ok = map_each(b, &h, name, err);
    holders_drop(&h);
    return ok;
}

/* ---- frames to leave out -------------------------------------------------------------------------------------- */

/* The peer's lists, as regular expressions on whole names. */
static const char allocators[] =
    "calloc|cfree|malloc|free|memalign|do_memalign|(__)?posix_memalign|pvalloc|valloc|realloc|"
    "tcmalloc::.*|tc_calloc|tc_cfree|tc_malloc|tc_free|tc_memalign|tc_posix_memalign|tc_pvalloc|tc_valloc|tc_realloc|"
    "tc_new|tc_delete|tc_newarray|tc_deletearray|tc_new_nothrow|tc_newarray_nothrow|"
    "malloc_zone_malloc|malloc_zone_calloc|malloc_zone_valloc|malloc_zone_realloc|malloc_zone_memalign|"
    "malloc_zone_free|runtime\\..*|BaseArena::.*|(::)?do_malloc_no_errno|(::)?do_malloc_pages|(::)?do_malloc|"
    "DoSampledAllocation|MallocedMemBlock::MallocedMemBlock|_M_allocate|__builtin_(vec_)?delete|"
    "__builtin_(vec_)?new|__gnu_cxx::new_allocator::allocate|__libc_malloc|__malloc_alloc_template::allocate|"
    "allocate|cpp_alloc|operator new(\\[\\])?|simple_alloc::allocate";
static const char kept[] = "runtime\\.panic|runtime\\.reflectcall|runtime\\.call[0-9]*";
static const char profilers[] =
    "ProfileData::Add|ProfileData::prof_handler|CpuProfiler::prof_handler|__pthread_sighandler|__restore";
static const char locks[] =
    "RecordLockProfileData|(base::)?RecordLockProfileData.*|(base::)?SubmitMutexProfileData.*|"
    "(base::)?SubmitSpinLockProfileData.*|(base::Mutex::)?AwaitCommon.*|(base::Mutex::)?Unlock.*|"
    "(base::Mutex::)?UnlockSlow.*|(base::Mutex::)?ReaderUnlock.*|(base::MutexLock::)?~MutexLock.*|"
    "(Mutex::)?AwaitCommon.*|(Mutex::)?Unlock.*|(Mutex::)?UnlockSlow.*|(Mutex::)?ReaderUnlock.*|"
    "(MutexLock::)?~MutexLock.*|(SpinLock::)?Unlock.*|(SpinLock::)?SlowUnlock.*|(SpinLockHolder::)?~SpinLockHolder.*";

static bool has_types(const osp_bare *b, const char *names)
{
    osp_str all = osp_str_from(names);
    for (unsigned t = 0; t < b->ntype; t++)
        if (!osp_str_eq(osp_str_cut(&all, ' '), b->type[t].type))
            return false;
    return b->ntype && all.n == 0;
}

static void set_frame_lists(osp_bare *b)
{
    if (has_types(b, "objects space") || has_types(b, "inuse_objects inuse_space") ||
        has_types(b, "alloc_objects alloc_space inuse_objects inuse_space")) {
        b->head.drop_frames = b->more_allocators.n
                                  ? osp_arena_fmt(&b->texts, "%s|%.*s", allocators, STRF(b->more_allocators))
                                  : osp_str_from(allocators);
        b->failed |= !b->head.drop_frames.p;
        b->head.keep_frames = osp_str_from(kept);
    } else {
        b->head.drop_frames = osp_str_from(has_types(b, "contentions delay") ? locks : profilers);
    }
}

/* ---- building ------------------------------------------------------------------------------------------------- */

static void build_samples(osp_bare *b, osp_builder *to, const osp_location_id *at)
{
    size_t most = 0;
    for (size_t i = 0; i < b->nsample; i++)
        most = b->sample[i].n > most ? b->sample[i].n : most;
    osp_location_id *stack = osp_new(&b->texts, osp_location_id, most);
    osp_string_id bytes = osp_builder_string(to, b->sized ? S("bytes") : S(""));
    for (size_t i = 0; stack && i < b->nsample; i++) {
        const osp_bare_sample *s = &b->sample[i];
        for (size_t k = 0; k < s->n; k++)
            stack[k] = at[osp_bare_place(b, b->frame[s->first + k])];
        osp_label size = {.key = bytes, .num = s->bytes};
        osp_builder_sample(to, osp_builder_stack(to, stack, s->n), osp_builder_labels(to, &size, b->sized), s->value,
                           0);
    }
    b->failed |= !stack;
}

static osp_location_id build_place(osp_bare *b, osp_builder *to, size_t i, const osp_mapping_id *mapping,
                                   const osp_place_name *name)
{
    uint32_t m = b->place.mapping[i];
    if (!name)
        return osp_builder_location(to, m == UINT32_MAX ? (osp_mapping_id){0} : mapping[m], b->place.addr[i], NULL,
                                    0);
    if (!name[i].named)
        return osp_builder_location(to, m == UINT32_MAX ? (osp_mapping_id){0} : mapping[m], 0, NULL, 0);
    osp_line line = {.fn = osp_builder_function(to, name[i].function, name[i].function, name[i].file, 0),
                     .line = name[i].line};
    return osp_builder_location(to, (osp_mapping_id){0}, 0, &line, 1);
}

static void build(osp_bare *b, osp_builder *to, const osp_place_name *name)
{
    osp_mapping_id *mapping = osp_new(&b->texts, osp_mapping_id, b->nmapping);
    osp_location_id *at = osp_new(&b->texts, osp_location_id, b->place.n);
    if (!mapping || !at) {
        b->failed = true;
        return;
    }
    for (size_t i = 0; i < b->nmapping; i++) {
        const osp_bare_mapping *m = &b->mapping[i];
        mapping[i] = osp_builder_mapping(to, m->start, m->limit, m->offset, m->file, m->build_id, 0);
    }
    for (size_t i = 0; i < b->place.n; i++)
        at[i] = build_place(b, to, i, mapping, name);
    build_samples(b, to, at);
}

osp_profile *osp_bare_finish(osp_bare *b, const osp_place_name *name, osp_err *err)
{
    osp_builder *to = map_places(b, name, err) ? osp_builder_new(b->in->limit, err) : NULL;
    if (!to)
        return NULL;
    osp_builder_keep_apart(to);
    for (unsigned t = 0; t < b->ntype; t++)
        osp_builder_value(to, b->type[t].type, b->type[t].unit);
    set_frame_lists(b);
    osp_builder_head(to, &b->head);
    build(b, to, name);
    if (!b->failed)
        return osp_builder_finish(to, err);
    osp_builder_drop(to);
    osp_fail_memory(err, "building a profile");
    return NULL;
}
