/* SPDX-License-Identifier: Apache-2.0 */
/* Which global variables of a Go program hold more and more: slices that become longer and maps with more entries, in a variable
 * or right behind a pointer in one. Read four times; what grew each time is told, by the variable's name.
 *
 *     slice   pointer, length, capacity
 *     map     a pointer to: count, …   before Go 1.24 (runtime.hmap): count; flags, B; …; buckets
 *                                      since (internal/runtime/maps.Map): used; seed; directory; its length
 *
 * The runtime's own variables are left out by their names. In a program without symbols only slices and maps right in the
 * variables are followed, and what the runtime has there that grows is left out by its address. */
#include "diagnose/section.h"

#include <stdlib.h>

static void *begin(osp_watch *w);
static void tick(osp_watch *w, void *state);
static void end(osp_watch *w, void *state, osp_facts *f);
static void transfer(osp_archive *x, osp_facts *f);

const osp_section osp_section_growing = {
    .name = "growing", .begin = begin, .tick = tick, .end = end, .transfer = transfer};

enum {
    MOST_BYTES = 2 << 20, /* of variables */
    MOST_HOLDERS = 8192,
    BEHIND = 16, /* words that are read behind a pointer */
    LOOKS = 4,
    LEAST_MORE = 4, /* elements */
    SWISS_SINCE = 12400,
};
static const double LOOK_EVERY_S = 0.9;

/* Something that may hold values: a slice, or a map; seen so many times, longer each time. */
typedef struct {
    uint64_t at;   /* address of the variable's word */
    uint16_t word; /* behind it: of a slice there; BEHIND: of the variable itself */
    bool is_map;
    uint64_t first, last;
    uint8_t looks;
} holder;

typedef struct {
    uint64_t from, to;    /* run addresses of the variables */
    bool nameless;        /* it has no symbols */
    uint64_t heap, allgs; /* of the runtime's own: runtime.mheap_, runtime.allgs; 0 = not known */
    uint8_t *bytes;       /* of the last look */
    holder *holder;
    uint32_t n, looks;
    double next_s;
} holders;

/* ---- where the variables are ------------------------------------------------------------------------------------ */

/* The linker names the ends of what the collector looks at. */
static bool find_named(const osp_watch *w, holders *h)
{
    uint64_t bias;
    osp_symbol_value v;
    osp_object *o = osp_go_object(w->go, &bias);
    if (!osp_object_symbol(o, S("runtime.data"), &v) || !v.value)
        return false;
    h->from = bias + v.value;
    h->to = osp_object_symbol(o, S("runtime.ebss"), &v) ? bias + v.value : 0;
    return true;
}

/* The program's writable mapping, and what is mapped without a file right behind it: .data, .bss. */
static bool find_nameless(const osp_watch *w, holders *h)
{
    const osp_image *p = &w->image;
    for (uint32_t i = 0; i < p->nmap; i++) {
        const osp_map *m = &p->map[i];
        if (!h->to && m->write && osp_str_eq(m->path, p->exe))
            h->from = m->start, h->to = m->end;
        else if (h->to && m->start == h->to && m->write && (!m->path.n || osp_str_eq(m->path, p->exe)))
            h->to = m->end;
    }
    h->nameless = true;
    return osp_go_global(w->go, S("runtime.mheap_"), &h->heap) && osp_go_global(w->go, S("runtime.allgs"), &h->allgs);
}

static bool find_variables(const osp_watch *w, holders *h)
{
    if (!(find_named(w, h) || find_nameless(w, h)) || h->to <= h->from || h->from % 8 != 0)
        return false;
    /* The linker puts small ones first; since Go 1.26 the runtime has one of 32 MB. */
    h->to = h->to - h->from > MOST_BYTES ? h->from + MOST_BYTES : h->to;
    return true;
}

static bool is_foreign(osp_str name)
{
    static const char *const head[] = {"runtime.", "runtime/", "internal/", "syscall.", "os.",
                                       "go:",      "type:",    "reflect.",  "sync.",    "net.",
                                       "time.",    "unique.",  "vendor/",   "x_cgo",    "_cgo"};
    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        if (osp_str_starts(name, osp_str_from(head[i])))
            return true;
    return !name.n;
}

/* Of the runtime, where nothing has a name: its heap's own structure, and the list of goroutines. */
static bool is_runtime(const holders *h, uint64_t addr)
{
    const uint64_t heap_bytes = 256 << 10;
    return (addr >= h->heap && addr < h->heap + heap_bytes) || addr == h->allgs;
}

static osp_str variable(const osp_watch *w, uint64_t addr)
{
    uint64_t bias;
    osp_object *o = osp_go_object(w->go, &bias);
    return osp_object_variable_at(o, addr - bias);
}

/* ---- what holds values ------------------------------------------------------------------------------------------ */

static uint64_t word_at(const uint8_t *p, size_t i)
{
    uint64_t v;
    memcpy(&v, p + 8 * i, sizeof v);
    return v;
}

static bool is_pointer(uint64_t v) { return v >= 1 << 16 && v < (uint64_t)1 << 47 && v % 8 == 0; }

static bool is_slice(const uint8_t *p)
{
    const uint64_t len = word_at(p, 1), cap = word_at(p, 2);
    return is_pointer(word_at(p, 0)) && len > 0 && len <= cap && cap < (uint64_t)1 << 40;
}

static bool is_map(const uint8_t *p, bool swiss)
{
    const uint64_t n = word_at(p, 0);
    if (n == 0 || n >= (uint64_t)1 << 40 || !is_pointer(word_at(p, 2)))
        return false;
    if (swiss) { /* one group of eight, or a directory of tables of at most 896 */
        const uint64_t tables = word_at(p, 3);
        return tables == 0 ? n <= 8 : (tables & (tables - 1)) == 0 && n <= tables * 896;
    }
    const uint64_t b =
        word_at(p, 1) >> 8 & 0xff; /* 2^B buckets, 6.5 entries each at most; twice that while it grows */
    return b < 40 && n <= ((uint64_t)13 << b) + 8;
}

static void add(holders *h, holder x)
{
    if (h->n < MOST_HOLDERS)
        h->holder[h->n++] = x;
}

/* Read what is behind the pointers of so many words. */
enum { AT_ONCE = 256 };
typedef struct {
    uint64_t at[AT_ONCE];
    uint8_t behind[AT_ONCE][8 * BEHIND];
    bool ok[AT_ONCE];
    osp_piece piece[AT_ONCE];
    uint32_t n;
} batch;

static void meet(const osp_watch *w, holders *h, batch *b)
{
    const bool swiss = osp_go_version_number(w->go) >= SWISS_SINCE;
    osp_mem_read_each(&w->image.mem, b->piece, b->n, b->ok);
    for (uint32_t i = 0; i < b->n; i++) {
        if (!b->ok[i])
            continue;
        if (is_map(b->behind[i], swiss))
            add(h, (holder){.at = b->at[i],
                            .word = 0,
                            .is_map = true,
                            .first = word_at(b->behind[i], 0),
                            .last = word_at(b->behind[i], 0)});
        for (uint16_t k = 0; k + 2 < BEHIND && !h->nameless; k++)
            if (is_slice(b->behind[i] + 8 * k))
                add(h, (holder){.at = b->at[i],
                                .word = k,
                                .first = word_at(b->behind[i], (size_t)k + 1),
                                .last = word_at(b->behind[i], (size_t)k + 1)});
    }
    b->n = 0;
}

static void ask(batch *b, uint64_t at, uint64_t pointer)
{
    b->at[b->n] = at;
    b->piece[b->n] = (osp_piece){pointer, b->behind[b->n], sizeof b->behind[b->n]};
    b->n++;
}

static void find_holders(const osp_watch *w, holders *h)
{
    batch *b = calloc(1, sizeof *b);
    const size_t words = (size_t)(h->to - h->from) / 8;
    for (size_t i = 0; b && i + 2 < words; i++) {
        const uint64_t at = h->from + 8 * i, v = word_at(h->bytes, i);
        if (!is_pointer(v) || (v >= h->from && v < h->to) ||
            (h->nameless ? is_runtime(h, at) : is_foreign(variable(w, at))))
            continue;
        if (is_slice(h->bytes + 8 * i))
            add(h,
                (holder){
                    .at = at, .word = BEHIND, .first = word_at(h->bytes, i + 1), .last = word_at(h->bytes, i + 1)});
        ask(b, at, v);
        if (b->n == AT_ONCE)
            meet(w, h, b);
    }
    if (b && b->n)
        meet(w, h, b);
    free(b);
}

/* ---- again and again -------------------------------------------------------------------------------------------- */

/* Keep those that hold more than before. */
static void look_again(const osp_watch *w, holders *h)
{
    osp_err ignored;
    const bool swiss = osp_go_version_number(w->go) >= SWISS_SINCE;
    uint32_t kept = 0;
    const osp_piece all = {h->from, h->bytes, (size_t)(h->to - h->from)};
    if (osp_mem_read_many(&w->image.mem, &all, 1, &ignored) != 1)
        return;
    for (uint32_t i = 0; i < h->n; i++) {
        holder *x = &h->holder[i];
        uint8_t behind[8 * BEHIND];
        const uint8_t *p = h->bytes + (x->at - h->from);
        const osp_piece piece = {word_at(p, 0), behind, sizeof behind};
        bool ok = true;
        if (x->word < BEHIND) {
            osp_mem_read_each(&w->image.mem, &piece, 1, &ok);
            p = behind + 8 * x->word;
        }
        if (!ok || !(x->is_map ? is_map(p, swiss) : is_slice(p)))
            continue;
        const uint64_t now = word_at(p, x->is_map ? 0 : 1);
        if (now <= x->last)
            continue;
        x->last = now;
        x->looks++;
        h->holder[kept++] = *x;
    }
    h->n = kept;
    h->looks++;
}

static void drop(holders *h)
{
    free(h->bytes);
    free(h->holder);
    free(h);
}

static void *begin(osp_watch *w)
{
    osp_err ignored; /* what cannot be read is not known */
    holders *h = w->go ? calloc(1, sizeof *h) : NULL;
    if (!h)
        return NULL;
    if (find_variables(w, h)) {
        h->bytes = malloc((size_t)(h->to - h->from));
        h->holder = calloc(MOST_HOLDERS, sizeof *h->holder);
    }
    const osp_piece all = {h->from, h->bytes, (size_t)(h->to - h->from)};
    if (!h->bytes || !h->holder || osp_mem_read_many(&w->image.mem, &all, 1, &ignored) != 1) {
        drop(h);
        return NULL;
    }
    find_holders(w, h);
    h->next_s = osp_watch_elapsed(w) + LOOK_EVERY_S;
    return h;
}

static void tick(osp_watch *w, void *state)
{
    holders *h = state;
    if (osp_watch_elapsed(w) < h->next_s)
        return;
    look_again(w, h);
    h->next_s = osp_watch_elapsed(w) + LOOK_EVERY_S;
}

static int by_more(const void *a, const void *b)
{
    const osp_growing_fact *x = a, *y = b;
    const double i = x->now - x->was, k = y->now - y->was;
    return (i < k) - (i > k);
}

static void end(osp_watch *w, void *state, osp_facts *f)
{
    holders *h = state;
    look_again(w, h);
    f->growing_known = h->looks + 1 >= LOOKS;
    f->growing = osp_new(f->arena, osp_growing_fact, h->n + 1);
    for (uint32_t i = 0; f->growing && f->growing_known && i < h->n; i++) {
        const holder *x = &h->holder[i];
        if (x->last - x->first < LEAST_MORE || x->looks != h->looks)
            continue;
        f->growing[f->ngrowing++] = (osp_growing_fact){
            .name = h->nameless ? osp_arena_fmt(f->arena, "the variable at 0x%llx", (unsigned long long)x->at)
                                : osp_arena_str(f->arena, variable(w, x->at)),
            .is_map = x->is_map,
            .inside = x->word < BEHIND && !(x->is_map && x->word == 0),
            .was = (double)x->first,
            .now = (double)x->last};
    }
    if (f->ngrowing)
        qsort(f->growing, f->ngrowing, sizeof *f->growing, by_more);
    drop(h);
}

static void growing(osp_archive *x, osp_growing_fact *g)
{
    osp_arc(x, &g->name);
    osp_arc(x, &g->is_map);
    osp_arc(x, &g->inside);
    osp_arc(x, &g->was);
    osp_arc(x, &g->now);
}

static void transfer(osp_archive *x, osp_facts *f)
{
    osp_arc(x, &f->growing_known);
    OSP_ARC_ROWS(x, &f->growing, &f->ngrowing, growing);
}
