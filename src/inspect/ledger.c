/* SPDX-License-Identifier: Apache-2.0 */
/* Where the resident memory of a process goes: what /proc/PID/smaps says of each mapping, joined with what the Go runtime
 * says of its heap and what malloc of C writes at the begin of its own.
 *
 *     name of the mapping       [heap], [stack]; names that Go 1.25 and later, and other libraries, give to memory
 *     file                      its pages, and copies of them that were written to (.data); what follows them is .bss
 *     Go's list of arenas       the heap with the stacks in it. Of its pages the allocator's own bits say which are in use
 *                               and which were given back, pagemap which are resident: so garbage, idle and returned memory
 *                               are known apart, page by page
 *     stack pointers            mappings of threads' stacks
 *     malloc's headers          arenas and large blocks of glibc
 *     runtime.memstats          how much the runtime has outside its heap: of anonymous memory that nothing else claims, so
 *                               much is its at most
 *
 * A mapping may hold several: the kernel joins neighbours. Then its pages are counted piece by piece. */
#include "inspect/inspect_internal.h"

#include "base/clock.h"

#include <elf.h>
#include <stdlib.h>

enum { GUARD_MOST = 1 << 20, WORD_BITS = 64 };

osp_str osp_ledger_kind_text(osp_ledger_kind k)
{
    static const char *const text[OSP_LEDGER_KINDS] = {
        "Go heap in use", "Go heap, idle",   "Go heap, returned", "goroutine stacks", "Go runtime",
        "C malloc, brk",  "C malloc arenas", "C malloc, large",   "C, other",         "thread stacks",
        "program's data", "files",           "shared memory",     "not known"};
    return osp_str_from(text[k]);
}

const char *osp_ledger_kind_word(osp_ledger_kind k)
{
    static const char *const word[OSP_LEDGER_KINDS] = {
        "go_heap", "go_idle", "go_returned",   "go_stacks", "go_runtime", "c_heap", "c_arenas",
        "c_large", "c_other", "thread_stacks", "data",      "files",      "shared", "other"};
    return word[k];
}

typedef struct {
    uint64_t start, end;
    osp_ledger_kind kind;
} claim;

typedef struct {
    const osp_ledger_input *in;
    osp_ledger *out;
    osp_ledger_map *map;
    claim *claim; /* of the mapping that is looked at, by address */
    size_t cap, n;
    bool names_go; /* the runtime names its memory */
    bool failed;   /* no memory */
} filling;

/* ---- what a mapping is ------------------------------------------------------------------------------------------ */

static bool starts_with_one_of(osp_str s, const char *const *head)
{
    for (; *head; head++)
        if (osp_str_starts(s, osp_str_from(*head)))
            return true;
    return false;
}

static bool is_shared(const osp_map *m)
{
    static const char *const head[] = {"/dev/shm/", "/run/shm/",    "/memfd:", "/SYSV",
                                       "/dev/zero", "[anon_shmem:", NULL};
    return starts_with_one_of(m->path, head);
}

/* Names that programs and the kernel give to memory. Nothing: the name says nothing. */
static bool kind_by_name(osp_str name, osp_ledger_kind *kind)
{
    static const struct {
        const char *head;
        osp_ledger_kind kind;
    } known[] = {{"[heap]", OSP_LEDGER_C_HEAP},
                 {"[stack", OSP_LEDGER_STACKS},
                 {"[anon: glibc: pthread", OSP_LEDGER_STACKS},
                 {"[anon:stack_and_tls", OSP_LEDGER_STACKS},
                 {"[anon: glibc: malloc arena", OSP_LEDGER_C_ARENAS},
                 {"[anon: glibc: malloc", OSP_LEDGER_C_LARGE},
                 {"[anon: glibc:", OSP_LEDGER_C_OTHER},
                 {"[anon:.bss", OSP_LEDGER_DATA},
                 {"[anon:libc_malloc", OSP_LEDGER_C_OTHER},
                 {"[anon:scudo", OSP_LEDGER_C_OTHER},
                 {"[anon:partition_alloc", OSP_LEDGER_C_OTHER},
                 {"[anon:jemalloc", OSP_LEDGER_C_OTHER},
                 {"[anon: Go:", OSP_LEDGER_GO_RUNTIME},
                 {"[v", OSP_LEDGER_FILES}}; /* vdso, vvar, vsyscall */
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (osp_str_starts(name, osp_str_from(known[i].head))) {
            *kind = known[i].kind;
            return true;
        }
    return false;
}

static bool in_arenas(const osp_ledger_input *in, uint64_t addr)
{
    size_t lo = 0, hi = in->arenas.n;
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        if (in->arenas.start[mid] <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo && addr - in->arenas.start[lo - 1] < in->arenas.bytes;
}

/* Is it of the Go heap? Where the list of its pieces is not known: where the runtime asks the kernel to put it. */
static bool is_go_heap(const osp_ledger_input *in, const osp_map *m)
{
    static const uint64_t amd64 = 0xc000000000, arm64 = 0x4000000000, span = 1ull << 32;
    const osp_str name = S("[anon: Go: heap]");
    if (!in->go || m->inode || (m->path.n && !osp_str_starts(m->path, S("[anon: Go:"))))
        return false;
    if (in->arenas.n)
        return in_arenas(in, m->start);
    return osp_str_eq(m->path, name) || (m->path.n == 0 && (m->start - amd64 < span || m->start - arm64 < span));
}

/* Does anonymous memory go on where the data of a file end? */
static bool is_bss(const filling *f, uint32_t i)
{
    const osp_smap *map = f->in->map;
    return i && map[i].map.write && map[i - 1].map.end == map[i].map.start && map[i - 1].map.inode &&
           map[i - 1].map.write && !is_shared(&map[i - 1].map);
}

static bool has_guard(const filling *f, uint32_t i)
{
    if (i == 0)
        return false;
    const osp_map *g = &f->in->map[i - 1].map, *m = &f->in->map[i].map;
    return g->end == m->start && !g->read && !g->write && !g->exec && g->inode == 0 &&
           g->end - g->start <= GUARD_MOST;
}

static bool has_stack_pointer(const osp_ledger_input *in, const osp_map *m)
{
    size_t lo = 0, hi = in->nstack;
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        if (in->stack[mid] < m->start)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < in->nstack && in->stack[lo] < m->end;
}

static void add_claim(void *ctx, uint64_t start, uint64_t end, osp_ledger_kind kind)
{
    filling *f = ctx;
    if (!osp_grow((void **)&f->claim, &f->cap, f->n + 1, sizeof *f->claim)) {
        f->failed = true;
        return;
    }
    f->claim[f->n++] = (claim){start, end, kind};
}

/* A stack begins above its guard; what is above a stack of the usual size is something else, where the kernel joins stacks
 * with what is beside them. In a Go program a gap below a mapping may be one of the runtime's, so that a thread must be known to
 * stand in it. */
static void claim_stack(filling *f, uint32_t i)
{
    const osp_map *m = &f->in->map[i].map;
    const bool alone = f->in->map[i].no_huge;
    const uint64_t most = f->in->stack_limit - f->in->stack_limit % osp_page_bytes();
    const bool guarded = has_guard(f, i), used = has_stack_pointer(f->in, m);
    const uint64_t bytes = m->end - m->start;
    if ((guarded && !f->in->go) || (used && (guarded || bytes <= most)))
        add_claim(f, m->start, alone || bytes < most ? m->end : m->start + most, OSP_LEDGER_STACKS);
}

static size_t first_piece_after(const osp_ledger_input *in, uint64_t addr)
{
    size_t lo = 0, hi = in->npiece;
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        if (in->piece[mid].start + in->piece[mid].bytes <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* What of it is known to be the Go runtime's. */
static void claim_pieces(filling *f, const osp_map *m)
{
    const osp_ledger_input *in = f->in;
    for (size_t i = first_piece_after(in, m->start); i < in->npiece && in->piece[i].start < m->end; i++) {
        const uint64_t page = osp_page_bytes(), end = in->piece[i].start + in->piece[i].bytes;
        const uint64_t from =
            in->piece[i].start < m->start ? m->start : in->piece[i].start - in->piece[i].start % page;
        const uint64_t to = end < m->end ? end + (page - end % page) % page : m->end;
        const uint64_t after = f->n && f->claim[f->n - 1].end > from ? f->claim[f->n - 1].end : from;
        if (after < to)
            add_claim(f, after, to, OSP_LEDGER_GO_RUNTIME);
    }
}

/* Claims on anonymous memory without a name. */
static void claim_anonymous(filling *f, uint32_t i)
{
    const osp_map *m = &f->in->map[i].map;
    if (is_bss(f, i)) {
        add_claim(f, m->start, m->end, OSP_LEDGER_DATA);
        return;
    }
    claim_stack(f, i);
    if (f->n == 0)
        claim_pieces(f, m);
    const uint64_t from = f->n ? f->claim[f->n - 1].end : m->start;
    if (!m->write || from >= m->end)
        return;
    if (f->in->unnamed && f->n == 0 && osp_malloc_is_brk(&f->in->mem, m->start, m->end)) {
        add_claim(f, m->start, m->end, OSP_LEDGER_C_HEAP);
        return;
    }
    if (f->n == 0)
        osp_malloc_blocks(&f->in->mem, from, m->end, add_claim, f, &f->out->malloc);
    (void)osp_malloc_heaps(&f->in->mem, f->n ? f->claim[f->n - 1].end : from, m->end, add_claim, f, &f->out->malloc);
}

/* ---- how much of it is resident --------------------------------------------------------------------------------- */

static void add_to(filling *f, osp_ledger_kind kind, uint64_t resident, uint64_t swapped, uint64_t huge)
{
    osp_ledger_row *r = &f->out->row[kind];
    r->resident += resident;
    r->swapped += swapped;
    r->huge += huge;
}

static uint64_t bits_in(const uint64_t *word, uint64_t n)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n / WORD_BITS; i++)
        sum += (uint64_t)__builtin_popcountll(word[i]);
    if (n % WORD_BITS)
        sum += (uint64_t)__builtin_popcountll(word[n / WORD_BITS] & ((1ull << (n % WORD_BITS)) - 1));
    return sum;
}

/* Resident bytes of [start, end); UINT64_MAX: not known. */
static uint64_t resident_in(const filling *f, uint64_t start, uint64_t end)
{
    enum { PAGES = 64 * WORD_BITS };
    uint64_t bits[PAGES / WORD_BITS], sum = 0;
    const uint64_t page = osp_page_bytes();
    if (!f->in->pages)
        return UINT64_MAX;
    for (uint64_t at = start; at < end; at += PAGES * page) {
        const uint64_t to = end - at < PAGES * page ? end : at + PAGES * page;
        if (!f->in->pages(f->in->ctx, at, to, bits))
            return UINT64_MAX;
        sum += bits_in(bits, (to - at) / page) * page;
    }
    return sum;
}

/* Share a mapping out among its claims; what is left is of nobody. */
static osp_ledger_kind share_out(filling *f, const osp_smap *s)
{
    uint64_t left = s->resident, most = 0;
    osp_ledger_kind kind = OSP_LEDGER_OTHER;
    for (size_t i = 0; i < f->n && left; i++) {
        const claim *c = &f->claim[i];
        const bool all = f->n == 1 && c->start == s->map.start && c->end == s->map.end;
        uint64_t bytes = all ? left : resident_in(f, c->start, c->end);
        if (bytes == UINT64_MAX) /* by how large it is */
            bytes =
                (uint64_t)((double)s->resident * (double)(c->end - c->start) / (double)(s->map.end - s->map.start));
        bytes = bytes < left ? bytes : left;
        left -= bytes;
        add_to(f, c->kind, bytes, 0, 0);
        if (bytes > most) {
            most = bytes;
            kind = c->kind;
        }
    }
    if (f->n && kind == OSP_LEDGER_OTHER)
        kind = f->claim[0].kind;
    add_to(f, OSP_LEDGER_OTHER, left, 0, 0);
    kind = left > most ? OSP_LEDGER_OTHER : kind;
    add_to(f, kind, 0, s->swapped, s->huge);
    return kind;
}

static osp_ledger_kind take_go_heap(filling *f, const osp_smap *s)
{
    osp_ledger *o = f->out;
    o->go_mapped += s->map.write ? s->map.end - s->map.start : 0;
    o->go_resident += s->resident;
    o->go_huge += s->huge;
    o->go_lazy_free += s->lazy_free;
    add_to(f, OSP_LEDGER_GO_HEAP, 0, s->swapped, s->huge);
    return OSP_LEDGER_GO_HEAP;
}

static osp_ledger_kind take_file(filling *f, const osp_smap *s)
{
    const osp_ledger_kind kind = is_shared(&s->map) ? OSP_LEDGER_SHARED : OSP_LEDGER_FILES;
    const uint64_t own = s->anonymous < s->resident ? s->anonymous : s->resident;
    add_to(f, kind, s->resident - own, 0, 0);
    add_to(f, OSP_LEDGER_DATA, own, s->swapped, s->huge);
    if (kind == OSP_LEDGER_FILES)
        f->out->file_share += s->share < s->resident - own ? s->share : s->resident - own;
    return own > s->resident - own ? OSP_LEDGER_DATA : kind;
}

static void take_map(filling *f, uint32_t i)
{
    const osp_smap *s = &f->in->map[i];
    osp_ledger_map *to = &f->map[i];
    osp_ledger *o = f->out;
    *to = (osp_ledger_map){*s, OSP_LEDGER_OTHER};
    o->resident += s->resident;
    o->lazy_free += s->lazy_free;
    o->huge += s->huge;
    o->hugetlb += s->hugetlb;
    f->names_go |= osp_str_starts(s->map.path, S("[anon: Go:"));
    if (is_go_heap(f->in, &s->map)) {
        to->kind = take_go_heap(f, s);
    } else if (s->map.inode || is_shared(&s->map)) {
        to->kind = take_file(f, s);
    } else if (kind_by_name(s->map.path, &to->kind)) {
        add_to(f, to->kind, s->resident, s->swapped, s->huge);
    } else if (s->resident || s->swapped) {
        f->n = 0;
        claim_anonymous(f, i);
        to->kind = share_out(f, s);
    }
}

/* ---- the Go heap by its pages ----------------------------------------------------------------------------------- */

/* Bytes of the heap's pages. */
typedef struct {
    uint64_t used, used_resident, idle_resident, returned_resident;
} heap_pages;

static bool bit(const uint64_t *word, uint64_t i) { return word[i / WORD_BITS] >> (i % WORD_BITS) & 1; }

/* How much of a page of the heap is resident; it may be several of the system's pages, or a part of one. */
static uint64_t resident_of_page(const uint64_t *resident, uint64_t number, uint64_t page)
{
    if (page >= OSP_GO_PAGE_BYTES)
        return bit(resident, number * OSP_GO_PAGE_BYTES / page) ? OSP_GO_PAGE_BYTES : 0;
    const uint64_t parts = OSP_GO_PAGE_BYTES / page;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < parts; i++)
        sum += bit(resident, number * parts + i) ? page : 0;
    return sum;
}

static bool add_arena(const filling *f, uint64_t arena, osp_go_pages *pages, uint64_t *resident, heap_pages *out)
{
    const uint64_t page = osp_page_bytes();
    if (!osp_go_pages_read(f->in->go, arena, pages) ||
        !f->in->pages(f->in->ctx, arena, arena + f->in->arenas.bytes, resident))
        return false;
    for (uint64_t i = 0; i < OSP_GO_ARENA_PAGES; i++) {
        const uint64_t bytes = resident_of_page(resident, i, page);
        if (bit(pages->used, i)) {
            out->used += OSP_GO_PAGE_BYTES;
            out->used_resident += bytes;
        } else if (bit(pages->released, i)) {
            out->returned_resident += bytes;
        } else {
            out->idle_resident += bytes;
        }
    }
    return true;
}

static bool count_pages(const filling *f, heap_pages *out)
{
    *out = (heap_pages){0};
    if (!f->in->pages || f->in->arenas.n == 0 || f->in->arenas.bytes / osp_page_bytes() < WORD_BITS)
        return false;
    osp_go_pages *pages = malloc(sizeof *pages);
    uint64_t *resident = calloc((size_t)(f->in->arenas.bytes / osp_page_bytes() / WORD_BITS), sizeof *resident);
    bool ok = pages && resident;
    for (uint32_t i = 0; ok && i < f->in->arenas.n; i++)
        ok = add_arena(f, f->in->arenas.start[i], pages, resident, out);
    free(pages);
    free(resident);
    return ok;
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* Take up to `want` from *left. */
static uint64_t take(uint64_t *left, uint64_t want)
{
    const uint64_t got = least(*left, want);
    *left -= got;
    return got;
}

/* By the runtime's figures alone. They say how much there is, not which of it was ever written to. */
static void estimate(const osp_ledger *o, heap_pages *out)
{
    const osp_go_memstats *m = &o->go;
    const uint64_t idle = m->heap_idle > m->heap_released ? m->heap_idle - m->heap_released : 0;
    out->used = m->heap_inuse + m->stack_inuse + m->gc_in_heap;
    out->idle_resident = idle;
    const uint64_t held = out->used + idle;
    out->returned_resident = o->go_resident > held ? o->go_resident - held : 0;
    out->used_resident = least(out->used, o->go_resident > idle ? o->go_resident - idle : 0);
}

static void split_go_heap(filling *f)
{
    osp_ledger *o = f->out;
    heap_pages p;
    uint64_t left = o->go_resident;
    const char *how = "runtime's figures, smaps";
    o->has_pages = count_pages(f, &p);
    if (o->has_pages)
        how = "heap's page bits, pagemap";
    else if (o->has_go)
        estimate(o, &p);
    else
        how = "where Go puts its heap";
    o->go_untouched = p.used > p.used_resident ? p.used - p.used_resident : 0;
    const uint64_t returned = take(&left, p.returned_resident), idle = take(&left, p.idle_resident);
    add_to(f, OSP_LEDGER_GO_RETURNED, returned, 0, 0);
    add_to(f, OSP_LEDGER_GO_IDLE, idle, 0, 0);
    if (o->has_go) {
        add_to(f, OSP_LEDGER_GO_STACKS, take(&left, o->go.stack_inuse), 0, 0);
        add_to(f, OSP_LEDGER_GO_RUNTIME, take(&left, o->go.gc_in_heap), 0, 0);
    }
    add_to(f, OSP_LEDGER_GO_HEAP, left, 0, 0);
    o->row[OSP_LEDGER_GO_HEAP].how = o->row[OSP_LEDGER_GO_IDLE].how = o->row[OSP_LEDGER_GO_RETURNED].how = how;
    o->row[OSP_LEDGER_GO_STACKS].how = "runtime's figures";
}

/* The rest of the runtime's structures is in anonymous memory that nothing else claims: all that it took from the system and
 * that was not found yet, at most. */
static void find_runtime(filling *f)
{
    osp_ledger *o = f->out;
    o->row[OSP_LEDGER_GO_RUNTIME].how = "names of mappings";
    if (!o->is_go || f->names_go || !o->has_go)
        return;
    const osp_go_memstats *m = &o->go;
    uint64_t outside = m->mspan_sys + m->mcache_sys + m->buckhash_sys + (m->gc_sys - m->gc_in_heap) + m->other_sys +
                       (m->stack_sys - m->stack_inuse);
    for (size_t i = 0; i < f->in->npiece; i++)
        if (f->in->piece[i].counted)
            (void)take(&outside, f->in->piece[i].bytes);
    const uint64_t bytes = least(outside, o->row[OSP_LEDGER_OTHER].resident);
    o->row[OSP_LEDGER_OTHER].resident -= bytes;
    o->row[OSP_LEDGER_GO_RUNTIME].resident += bytes;
    o->row[OSP_LEDGER_GO_RUNTIME].how = "its structures; the rest by its figures, at most";
}

static void say_how(osp_ledger *o)
{
    static const char *const how[OSP_LEDGER_KINDS] = {
        [OSP_LEDGER_C_HEAP] = "name of the mapping, or headers of glibc's malloc",
        [OSP_LEDGER_C_ARENAS] = "headers of glibc's malloc",
        [OSP_LEDGER_C_LARGE] = "headers of glibc's malloc",
        [OSP_LEDGER_C_OTHER] = "names of mappings",
        [OSP_LEDGER_STACKS] = "stack pointers, guard pages",
        [OSP_LEDGER_DATA] = "smaps: pages of files, written to",
        [OSP_LEDGER_FILES] = "smaps",
        [OSP_LEDGER_SHARED] = "smaps",
        [OSP_LEDGER_OTHER] = "what is left",
    };
    for (int i = 0; i < OSP_LEDGER_KINDS; i++) {
        osp_ledger_row *r = &o->row[i];
        r->how = r->resident == 0 && r->swapped == 0 ? NULL : r->how ? r->how : how[i];
    }
}

bool osp_ledger_fill(const osp_ledger_input *in, osp_arena *a, osp_ledger *out, osp_err *err)
{
    filling f = {.in = in, .out = out, .map = osp_new(a, osp_ledger_map, in->nmap)};
    out->map = f.map;
    out->nmap = in->nmap;
    for (uint32_t i = 0; f.map && i < in->nmap; i++)
        take_map(&f, i);
    free(f.claim);
    if (!f.map || f.failed)
        return osp_fail_memory(err, "adding up memory");
    split_go_heap(&f);
    find_runtime(&f);
    say_how(out);
    return true;
}

/* ---- a process, or a core -------------------------------------------------------------------------------------- */

static bool pages_of(void *ctx, uint64_t start, uint64_t end, uint64_t *resident)
{
    osp_err ignored; /* then they are not known */
    return osp_process_pages(ctx, start, end, resident, &ignored);
}

static bool pages_of_core(void *ctx, uint64_t start, uint64_t end, uint64_t *resident)
{
    osp_core_pages(ctx, start, end, resident);
    return true;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static uint64_t stack_pointer(const osp_image *image, const osp_image_thread *t)
{
    osp_blocking call = {0};
    if (image->process)
        osp_thread_call(image->process, t->tid, &call);
    else if (t->has_regs)
        osp_blocking_of_regs(&t->regs, osp_core_facts_of(image->core)->machine == EM_AARCH64, &call);
    return call.sp;
}

/* Where threads stand: by the kernel of those that are blocked, by the runtime of those that are its own. */
static bool find_stacks(const osp_image *image, osp_go *go, osp_arena *a, osp_ledger_input *in, osp_ledger *out,
                        osp_err *err)
{
    osp_image_thread *t;
    osp_go_snapshot s = {0};
    osp_err ignored; /* a runtime that cannot be read adds nothing */
    uint32_t n;
    if (!image->threads(image->ctx, a, &t, &n, err))
        return false;
    if (go && !osp_go_snapshot_read(go, a, &s, &ignored))
        s.nm = 0;
    uint64_t *at = osp_new(a, uint64_t, (size_t)n + s.nm);
    if (!at)
        return osp_fail_memory(err, "looking at threads");
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t sp = stack_pointer(image, &t[i]);
        if (sp)
            at[in->nstack++] = sp;
    }
    for (uint32_t i = 0; i < s.nm; i++) {
        osp_g g0;
        if (osp_go_read_g(go, s.m[i].g0, &g0, &ignored) && g0.stack_hi)
            at[in->nstack++] = g0.stack_hi - 1;
    }
    qsort(at, in->nstack, sizeof *at, by_value);
    in->stack = at;
    out->threads = n;
    return true;
}

static bool read_maps(const osp_image *image, osp_arena *a, osp_ledger_input *in, osp_ledger *out, osp_err *err)
{
    enum { USUAL_STACK = 8 << 20 };
    osp_smap *map;
    if (image->process) {
        if (!osp_process_smaps(image->process, a, &map, &in->nmap, err) ||
            !osp_process_memory_read(image->process, &out->process, err))
            return false;
        in->stack_limit = out->process.stack_limit;
    } else {
        if (!osp_core_smaps(image->core, a, &map, &in->nmap, err))
            return false;
        in->stack_limit = USUAL_STACK;
        out->of_core = in->unnamed = true;
    }
    in->map = map;
    return true;
}

bool osp_ledger_read(const osp_image *image, osp_go *go, osp_arena *a, osp_ledger *out, osp_err *err)
{
    osp_err ignored; /* then the heap is known by its place */
    *out = (osp_ledger){.taken_ns = osp_monotonic_ns(), .is_go = go != NULL};
    osp_ledger_input in = {.mem = image->mem,
                           .go = go,
                           .pages = image->process ? pages_of : pages_of_core,
                           .ctx = image->process ? (void *)image->process : (void *)image->core};
    if (go) {
        out->has_go = osp_go_memstats_read(go, &out->go, &out->why);
        if (!osp_go_arenas_read(go, a, &in.arenas, &ignored))
            in.arenas.n = 0;
        in.npiece = osp_go_metadata_read(go, &in.arenas, a, &in.piece);
        if (in.npiece)
            qsort(in.piece, in.npiece, sizeof *in.piece, by_value);
    }
    const bool ok = read_maps(image, a, &in, out, err) && find_stacks(image, go, a, &in, out, err) &&
                    osp_ledger_fill(&in, a, out, err);
    out->took_ns = osp_monotonic_ns() - out->taken_ns;
    return ok;
}

/* ---- two of them ------------------------------------------------------------------------------------------------ */

static int by_growth(const void *a, const void *b)
{
    const osp_ledger_growth *x = a, *y = b;
    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

bool osp_ledger_growth_of(const osp_ledger *was, const osp_ledger *now, osp_arena *a, size_t most,
                          osp_ledger_growth **out, size_t *n)
{
    osp_ledger_growth *g = osp_new(a, osp_ledger_growth, (size_t)was->nmap + now->nmap);
    size_t count = 0;
    if (!g)
        return false;
    for (uint32_t i = 0, j = 0; i < now->nmap || j < was->nmap;) {
        const osp_ledger_map *new = i < now->nmap ? &now->map[i] : NULL, *old = j < was->nmap ? &was->map[j] : NULL;
        if (!new || (old && old->s.map.end <= new->s.map.start)) { /* gone */
            g[count++] = (osp_ledger_growth){NULL, old, -(int64_t)old->s.resident};
            j++;
            continue;
        }
        g[count] = (osp_ledger_growth){new, NULL, (int64_t) new->s.resident};
        for (; j < was->nmap && was->map[j].s.map.start < new->s.map.end; j++) {
            old = &was->map[j];
            if (old->s.map.end <= new->s.map.start)
                break;
            g[count].was = g[count].was ? g[count].was : old;
            g[count].bytes -= (int64_t)old->s.resident;
        }
        count++;
        i++;
    }
    if (count)
        qsort(g, count, sizeof *g, by_growth);
    *out = g;
    *n = count < most ? count : most;
    return true;
}
