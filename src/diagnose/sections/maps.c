/* SPDX-License-Identifier: Apache-2.0 */
/* What a Go program holds with far more room than it uses: maps, which keep what they had at their peak, and slices. One look, when the
 * observation ends: at global variables and at the stacks of some goroutines, at what their words point at, and at what the words of
 * that point at.
 *
 * Since Go 1.24 (internal/runtime/maps) a map is: values, seed, directory, its length 2^d, d, 64 - d, …; the directory has pointers
 * to tables: values u16, capacity u16, room left u16, d u8, …; at 16: groups, number of groups - 1.
 * Before, a map (runtime.hmap) is: values; flags u8, B u8, overflow buckets u16, seed u32; 2^B buckets of eight; old buckets; how
 * many of these are moved; more on overflow. What is
 * taken for one must agree with itself in all of these. */
#include "diagnose/section.h"

#include <stdlib.h>

static void *begin(osp_watch *w);
static void end(osp_watch *w, void *state, osp_facts *f);
static void transfer(osp_archive *x, osp_facts *f);

const osp_section osp_section_maps = {.name = "maps", .begin = begin, .end = end, .transfer = transfer};

enum {
    SWISS_SINCE = 12400,
    WORDS = 16,               /* that are read behind a pointer */
    MOST_POINTERS = 1 << 15,  /* that are followed */
    MOST_STACK = 64 << 10,    /* bytes of one */
    MOST_STACKS = 256,        /* goroutines */
    MOST_VARIABLES = 2 << 20, /* bytes; the linker puts small ones first */
    AT_ONCE = 256,
    MOST_MAPS = 64,
    MOST_SLICES = 1024,
    MOST_PLACES = 64,    /* where goroutines with such slices stand */
    DIRECTORY = 1 << 16, /* tables of one map that are looked at */
};
/* Worth a word: room for so many values, and so many times as many as there are. */
static const uint64_t least_room = 50000, least_times = 8, least_slice = 1 << 20, most_slice = (uint64_t)1 << 36;

/* A word that points at something, and where it stands. */
typedef struct {
    uint64_t to;
    uint64_t variable, goid; /* whichever is not 0 */
    uint32_t place;          /* in search.slack, of the goroutine; MOST_PLACES = none */
} pointer;

typedef struct {
    osp_watch *w;
    osp_go_arenas heap;
    bool swiss;
    pointer *p;
    uint32_t n;
    osp_map_fact map[MOST_MAPS];
    uint64_t at[MOST_MAPS]; /* their tables */
    uint32_t nmap;
    uint64_t slice[MOST_SLICES]; /* where they begin */
    uint32_t nslice;
    osp_slack_fact slack[MOST_PLACES];
    uint32_t nslack;
} search;

static bool in_heap(const search *s, uint64_t v)
{
    uint32_t lo = 0, hi = s->heap.n;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (v < s->heap.start[mid])
            hi = mid;
        else
            lo = mid + 1;
    }
    return v % 8 == 0 && lo > 0 && v - s->heap.start[lo - 1] < s->heap.bytes;
}

static bool read_at(const search *s, uint64_t at, void *dst, size_t n)
{
    osp_err ignored; /* it has gone meanwhile */
    const osp_mem *m = &s->w->image.mem;
    return m->read(m->ctx, at, dst, n, &ignored);
}

/* ---- what is a map ---------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* How far apart pieces of one size lie: those that were made one after the other are neighbours. */
static uint64_t least_apart(uint64_t *at, size_t n)
{
    uint64_t least = UINT64_MAX;
    qsort(at, n, sizeof *at, by_value);
    for (size_t i = 1; i < n; i++)
        if (at[i] > at[i - 1] && at[i] - at[i - 1] < least)
            least = at[i] - at[i - 1];
    return least;
}

/* The room of a directory's tables; 0: they are none. */
static uint64_t room_of_tables(const search *s, uint64_t directory, uint64_t n, uint64_t *bytes)
{
    uint64_t *table = malloc(n * sizeof *table), *groups = malloc(n * sizeof *groups), room = 0;
    size_t k = 0;
    bool ok = table && groups && read_at(s, directory, table, n * sizeof *table);
    for (uint64_t i = 0; ok && i < n; i++) {
        struct {
            uint16_t used, capacity, left;
            uint8_t depth, pad;
            uint64_t index, data, mask;
        } t;
        if (i && table[i] == table[i - 1])
            continue; /* a table may stand for several */
        ok = in_heap(s, table[i]) && read_at(s, table[i], &t, sizeof t) && t.capacity >= 8 && t.capacity <= 1024 &&
             (t.capacity & (t.capacity - 1)) == 0 && t.used <= t.capacity && t.mask == t.capacity / 8u - 1 &&
             in_heap(s, t.data);
        if (!ok)
            break;
        room += t.capacity;
        if (t.capacity == 1024)
            groups[k++] = t.data;
    }
    const uint64_t apart = ok && k > 8 ? least_apart(groups, k) : 0;
    *bytes = apart ? apart * k : 0;
    free(table);
    free(groups);
    return ok ? room : 0;
}

static bool is_swiss(const search *s, const uint64_t *w, osp_map_fact *m)
{
    const uint64_t depth = w[4] & 0xff, shift = w[4] >> 8 & 0xff;
    if (w[0] >= (uint64_t)1 << 40 || !in_heap(s, w[2]) || depth < 4 || depth > 32 || w[3] != (uint64_t)1 << depth ||
        shift != 64 - depth || w[3] > DIRECTORY || w[0] > w[3] * 896)
        return false;
    /* Before the tables are read: is it nearly empty? */
    if (w[3] * 64 < least_room || w[0] * least_times > w[3] * 1024)
        return false;
    m->values = w[0];
    m->room = room_of_tables(s, w[2], w[3], &m->bytes);
    return m->room > 0;
}

static bool is_old(const search *s, const uint64_t *w, osp_map_fact *m)
{
    const uint64_t flags = w[1] & 0xff, b = w[1] >> 8 & 0xff;
    if (w[0] >= (uint64_t)1 << 40 || b < 10 || b > 36 || flags > 15 || !in_heap(s, w[2]) ||
        (w[3] && !in_heap(s, w[3])) || (w[5] && !in_heap(s, w[5])) || w[0] > (uint64_t)13 << b)
        return false;
    if (w[4] > (uint64_t)1 << b) /* how far it has moved to new buckets */
        return false;
    /* The seed is random; so many buckets, of at least 80 bytes, begin at a page and lie in the heap to their end. */
    const uint64_t page = 8192, least_bucket = 80;
    if (!(w[1] >> 32) || w[2] % page != 0 || !in_heap(s, w[2] + (least_bucket << b) - 8))
        return false;
    m->values = w[0];
    m->room = (uint64_t)8 << b;
    m->bytes = 0;
    /* Behind the buckets lie some for overflow; where the next one of those is to be had is the third word of what [5] is. */
    uint64_t extra[3];
    const uint64_t most_bucket = 8 * 272; /* larger keys and values are pointers */
    if (w[5] && read_at(s, w[5], extra, sizeof extra) && extra[2] > w[2] && extra[2] - w[2] >= least_bucket << b &&
        extra[2] - w[2] <= (most_bucket << b) + (most_bucket << b >> 4))
        m->bytes = extra[2] - w[2];
    return true;
}

static void meet(search *s, const uint64_t *w, const pointer *from)
{
    osp_map_fact m = {.goid = from->goid};
    if (!(s->swiss ? is_swiss(s, w, &m) : is_old(s, w, &m)) || m.room < least_room ||
        m.values * least_times > m.room || s->nmap == MOST_MAPS)
        return;
    for (uint32_t i = 0; i < s->nmap; i++)
        if (s->at[i] == w[2])
            return;
    uint64_t bias;
    osp_object *o = osp_go_object(s->w->go, &bias);
    if (from->variable)
        m.name = osp_object_variable_at(o, from->variable - bias);
    s->at[s->nmap] = w[2];
    s->map[s->nmap++] = m;
}

/* A slice with much room, little of it used. A large piece of the heap begins at a page. */
static void meet_slice(search *s, const uint64_t *w, const pointer *from)
{
    const uint64_t page = 8192;
    if (from->place == MOST_PLACES || w[2] < least_slice || w[2] > most_slice || w[1] >= w[2] / least_times ||
        w[0] % page != 0 || !in_heap(s, w[0]) || s->nslice == MOST_SLICES)
        return;
    for (uint32_t i = 0; i < s->nslice; i++)
        if (s->slice[i] == w[0])
            return;
    s->slice[s->nslice++] = w[0];
    osp_slack_fact *k = &s->slack[from->place];
    k->n++;
    k->bytes += w[2];
    k->used += w[1];
}

/* ---- where they may be ------------------------------------------------------------------------------------------ */

/* Words of a variable or a stack: a map itself, or what points at one. */
static void scan(search *s, const uint64_t *w, size_t n, uint64_t at, const pointer *of)
{
    for (size_t i = 0; i < n; i++) {
        pointer from = *of;
        from.to = w[i];
        from.variable = of->goid ? 0 : at + 8 * i;
        if (i + 6 <= n)
            meet(s, w + i, &from);
        if (i + 3 <= n)
            meet_slice(s, w + i, &from);
        if (in_heap(s, w[i]) && s->n < MOST_POINTERS)
            s->p[s->n++] = from;
    }
}

static void scan_at(search *s, uint64_t from, uint64_t to, const pointer *of)
{
    uint64_t *w = to > from ? malloc((size_t)(to - from)) : NULL;
    if (w && read_at(s, from, w, (size_t)(to - from)))
        scan(s, w, (size_t)(to - from) / 8, from, of);
    free(w);
}

static void scan_variables(search *s)
{
    uint64_t bias;
    osp_symbol_value from, to;
    osp_object *o = osp_go_object(s->w->go, &bias);
    if (!osp_object_symbol(o, S("runtime.data"), &from) || !osp_object_symbol(o, S("runtime.ebss"), &to) ||
        from.value % 8 != 0 || to.value <= from.value)
        return;
    const uint64_t n = to.value - from.value < MOST_VARIABLES ? to.value - from.value : MOST_VARIABLES;
    scan_at(s, bias + from.value, bias + from.value + n / 8 * 8, &(pointer){.place = MOST_PLACES});
}

/* The row of slices for the function in which a goroutine stands. */
static uint32_t place_of(search *s, const osp_facts *f, const osp_goroutine_list *l, const osp_goroutine *g)
{
    const osp_spot *spot = osp_goroutine_place(s->w->inspect, l, g);
    if (!spot)
        return MOST_PLACES;
    for (uint32_t i = 0; i < s->nslack; i++)
        if (osp_str_eq(s->slack[i].at.func, spot->func))
            return i;
    if (s->nslack == MOST_PLACES)
        return MOST_PLACES;
    s->slack[s->nslack].at = osp_call_of(f, spot->func, spot->file, spot->line);
    return s->nslack++;
}

static void scan_stacks(search *s, const osp_facts *f)
{
    osp_err ignored; /* then there are none */
    osp_goroutine_list l;
    if (!osp_inspect_goroutines(s->w->inspect, &l, &ignored))
        return;
    osp_wait_reader *r = osp_wait_reader_new(s->w->go, &ignored);
    for (uint32_t i = 0; r && i < l.n && i < MOST_STACKS; i++) {
        uint64_t sp, hi;
        if (l.g[i].kind == OSP_G_OF_USER && osp_wait_stack(r, l.g[i].addr, &sp, &hi) && hi > sp)
            scan_at(s, sp / 8 * 8, hi - sp > MOST_STACK ? sp / 8 * 8 + MOST_STACK : hi,
                    &(pointer){.goid = l.g[i].goid, .place = place_of(s, f, &l, &l.g[i])});
    }
    osp_wait_reader_drop(r);
    osp_goroutine_list_drop(&l);
}

/* What the pointers from `first` on point at, and if `deeper`, what that points at. */
static void follow(search *s, uint32_t first, uint32_t end, bool deeper)
{
    uint64_t(*behind)[WORDS] = calloc(AT_ONCE, sizeof *behind);
    osp_piece *piece = calloc(AT_ONCE, sizeof *piece);
    bool *ok = calloc(AT_ONCE, sizeof *ok);
    for (uint32_t i = first; behind && piece && ok && i < end; i += AT_ONCE) {
        const uint32_t n = end - i < AT_ONCE ? end - i : AT_ONCE;
        for (uint32_t k = 0; k < n; k++)
            piece[k] = (osp_piece){s->p[i + k].to, behind[k], sizeof *behind};
        osp_mem_read_each(&s->w->image.mem, piece, n, ok);
        for (uint32_t k = 0; k < n; k++) {
            if (!ok[k])
                continue;
            const pointer from = s->p[i + k];
            meet(s, behind[k], &from);
            for (int j = 0; j + 2 < WORDS; j++)
                meet_slice(s, behind[k] + j, &from);
            for (int j = 0; j < WORDS && deeper && s->n < MOST_POINTERS; j++)
                if (in_heap(s, behind[k][j])) {
                    s->p[s->n] = from;
                    s->p[s->n++].to = behind[k][j];
                }
        }
    }
    free(behind);
    free(piece);
    free(ok);
}

static void *begin(osp_watch *w)
{
    /* Small heaps have no such maps. */
    osp_err ignored;
    osp_go_gc gc;
    const uint64_t least_heap = 16 << 20;
    return w->go && w->inspect && osp_go_gc_read(w->go, &gc, &ignored) && gc.heap_inuse_bytes >= least_heap
               ? calloc(1, sizeof(search))
               : NULL;
}

static int by_bytes(const void *a, const void *b)
{
    const osp_slack_fact *x = a, *y = b;
    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

static int by_room(const void *a, const void *b)
{
    const osp_map_fact *x = a, *y = b;
    const uint64_t i = x->bytes ? x->bytes : x->room, k = y->bytes ? y->bytes : y->room;
    return (i < k) - (i > k);
}

static void end(osp_watch *w, void *state, osp_facts *f)
{
    search *s = state;
    osp_err ignored; /* then nothing is known of them */
    osp_arena a;
    osp_arena_init(&a, 64 << 20);
    s->w = w;
    s->swiss = osp_go_version_number(w->go) >= SWISS_SINCE;
    s->p = calloc(MOST_POINTERS, sizeof *s->p);
    if (s->p && osp_go_arenas_read(w->go, &a, &s->heap, &ignored)) {
        scan_variables(s);
        scan_stacks(s, f);
        const uint32_t first = s->n;
        follow(s, 0, first, true);
        follow(s, first, s->n, false);
        f->map = osp_new(f->arena, osp_map_fact, s->nmap + 1);
        for (uint32_t i = 0; f->map && i < s->nmap; i++) {
            f->map[f->nmap] = s->map[i];
            f->map[f->nmap++].name = osp_arena_str(f->arena, s->map[i].name);
        }
        if (f->nmap)
            qsort(f->map, f->nmap, sizeof *f->map, by_room);
        f->slack = osp_new(f->arena, osp_slack_fact, s->nslack + 1);
        for (uint32_t i = 0; f->slack && i < s->nslack; i++)
            if (s->slack[i].n)
                f->slack[f->nslack++] = s->slack[i];
        if (f->nslack)
            qsort(f->slack, f->nslack, sizeof *f->slack, by_bytes);
    }
    free(s->p);
    free(s);
    osp_arena_drop(&a);
}

static void slack_row(osp_archive *x, osp_slack_fact *k)
{
    osp_arc_call(x, &k->at);
    osp_arc(x, &k->n);
    osp_arc(x, &k->bytes);
    osp_arc(x, &k->used);
}

static void map_row(osp_archive *x, osp_map_fact *m)
{
    osp_arc(x, &m->name);
    osp_arc(x, &m->goid);
    osp_arc(x, &m->values);
    osp_arc(x, &m->room);
    osp_arc(x, &m->bytes);
}

static void transfer(osp_archive *x, osp_facts *f)
{
    OSP_ARC_ROWS(x, &f->map, &f->nmap, map_row);
    OSP_ARC_ROWS(x, &f->slack, &f->nslack, slack_row);
}
