/* SPDX-License-Identifier: Apache-2.0 */
/* The list of all goroutines, looked at again and again.
 *
 * A goroutine's structure is about 480 bytes, and the runtime puts 17 of them side by side into a span of 8 KiB. A read
 * of a process costs most by the piece, so that neighbours with little between them are read as one: a run. At 100,000
 * goroutines that is 0.15 us a goroutine, a quarter of what single reads cost.
 *
 *     addr     the goroutines in the order of the list, which only grows
 *     order    their numbers, by address; what came lately is sorted apart, behind, until it is worth sorting all
 *     run      neighbours in order; never longer than RUN_BYTES, so that a random part of the runs is one of the
 *              goroutines, too
 *
 * Most goroutines of a large program wait for long. A run in which nothing has happened for a while is read less often,
 * down to every LONGEST passes, at random distances; what is due and finds no room in a pass comes first in the next. */
#include "goruntime/goruntime_internal.h"

#include "base/buf.h"

#include <stdlib.h>

enum {
    GS_MAX = 1 << 26,   /* of 480 bytes each: far more than a machine has memory for */
    GAP = 1024,         /* bytes between neighbours that are read along */
    RUN_BYTES = 8192,   /* of a run */
    AT_ONCE = 32,       /* runs read at once: what they hold stays in the processor's second cache */
    UNSORTED_SHARE = 8, /* all is sorted anew once this part of the list came since */
    SORT_ANYWAY = 256,  /* or if all is no more than that */
    ADDRESSES_AT_ONCE = 4096,
    CALM = 4,    /* looks that show no change, until a run is read less often */
    LONGEST = 8, /* passes between two looks */
};

typedef struct {
    uint64_t addr;
    uint32_t first, n; /* of order[] */
    uint32_t bytes;
    uint32_t due;  /* the pass that reads it next */
    uint8_t quiet; /* looks that showed no change */
} run;

struct osp_g_table {
    osp_go *go;
    uint64_t allglen, allgptr; /* where the runtime keeps them */
    uint64_t *addr;
    uint32_t *order;
    run *run;
    size_t addr_cap, order_cap, run_cap;
    uint32_t n, sorted, nrun;
    uint32_t pass, next; /* number of passes; the run to begin the next one with */
    uint64_t seed;
    uint32_t look_bytes; /* of a structure, from its start, for a look */
    uint8_t *block;      /* AT_ONCE runs */
};

osp_g_table *osp_g_table_open(osp_go *go, osp_err *err)
{
    const osp_go_layout *at = &go->at.pub;
    const int32_t field[] = {at->g_stack_hi, at->g_sched_sp, at->g_sched_pc,   at->g_syscallsp,   at->g_syscallpc,
                             at->g_status,   at->g_goid,     at->g_waitreason, at->g_tracking_seq};
    int32_t top = 0;
    for (size_t i = 0; i < sizeof field / sizeof *field; i++)
        top = field[i] > top ? field[i] : top;
    uint64_t len, ptr;
    bool found = osp_go_global(go, S("runtime.allglen"), &len) && osp_go_global(go, S("runtime.allgptr"), &ptr);
    if (!found && go->number < 11600 && osp_go_global(go, S("runtime.allgs"), &ptr)) { /* a slice, and nothing else */
        len = ptr + 8;
        found = true;
    }
    if (!found) {
        osp_fail(err, OSP_EABSENT,
                 "the list of goroutines was not found: %.*s is stripped of symbols and its code does not show it",
                 STRF(osp_object_name(go->object)));
        return NULL;
    }
    osp_g_table *t = calloc(1, sizeof *t);
    uint8_t *block = malloc((size_t)AT_ONCE * RUN_BYTES);
    if (!t || !block || top + 8 > RUN_BYTES) {
        free(t);
        free(block);
        osp_fail_memory(err, "reading goroutines");
        return NULL;
    }
    *t = (osp_g_table){
        .go = go, .allglen = len, .allgptr = ptr, .look_bytes = (uint32_t)top + 8, .block = block, .seed = 1};
    return t;
}

void osp_g_table_close(osp_g_table *t)
{
    if (!t)
        return;
    free(t->addr);
    free(t->order);
    free(t->run);
    free(t->block);
    free(t);
}

uint64_t osp_g_table_addr(const osp_g_table *t, uint32_t index) { return t->addr[index]; }

/* ---- growing ------------------------------------------------------------------------------------------------ */

typedef struct {
    uint64_t addr;
    uint32_t index;
} place;

static int by_address(const void *a, const void *b)
{
    const place *x = a, *y = b;
    return (x->addr > y->addr) - (x->addr < y->addr);
}

static bool append(osp_g_table *t, const run *r)
{
    void *array = t->run;
    if (!osp_grow(&array, &t->run_cap, (size_t)t->nrun + 1, sizeof *t->run))
        return false;
    t->run = array;
    t->run[t->nrun++] = *r;
    return true;
}

/* Runs of the goroutines from number `from` on, behind those there are. */
static bool make_runs(osp_g_table *t, uint32_t from)
{
    uint32_t n = t->n - from;
    place *p = malloc((n ? n : 1) * sizeof *p);
    run r = {0};
    bool ok = p != NULL;
    for (uint32_t i = 0; ok && i < n; i++)
        p[i] = (place){t->addr[from + i], from + i};
    if (ok)
        qsort(p, n, sizeof *p, by_address);
    for (uint32_t i = 0; ok && i < n; i++) {
        t->order[from + i] = p[i].index;
        uint64_t end = r.addr + r.bytes;
        if (r.n && (p[i].addr < end || p[i].addr - end < GAP) && p[i].addr + t->look_bytes - r.addr <= RUN_BYTES) {
            r.bytes = (uint32_t)(p[i].addr + t->look_bytes - r.addr);
            r.n++;
        } else {
            ok = !r.n || append(t, &r);
            r = (run){.addr = p[i].addr, .first = from + i, .n = 1, .bytes = t->look_bytes};
        }
    }
    free(p);
    return ok && (!r.n || append(t, &r));
}

static bool sort_new(osp_g_table *t, uint32_t from)
{
    uint32_t late = t->n - t->sorted;
    if (late > t->n / UNSORTED_SHARE || t->n <= SORT_ANYWAY) {
        t->nrun = 0;
        from = 0;
        t->sorted = t->n;
    }
    return make_runs(t, from);
}

/* The runtime publishes the array before the length that needs it, so the length is read first. */
bool osp_g_table_grow(osp_g_table *t, uint32_t *n, osp_err *err)
{
    const osp_mem *m = &t->go->mem;
    uint64_t len, array;
    if (!m->read(m->ctx, t->allglen, &len, sizeof len, err) ||
        !m->read(m->ctx, t->allgptr, &array, sizeof array, err))
        return false;
    *n = t->n;
    if (len == t->n)
        return true;
    if (len < t->n || len > GS_MAX)
        return osp_fail(err, OSP_EFORMAT, "a list of %llu goroutines after one of %u is not believed",
                        (unsigned long long)len, t->n);
    void *addr = t->addr, *order = t->order;
    bool room = osp_grow(&addr, &t->addr_cap, len, sizeof *t->addr);
    t->addr = addr;
    room = room && osp_grow(&order, &t->order_cap, len, sizeof *t->order);
    t->order = order;
    if (!room)
        return osp_fail_memory(err, "reading goroutines");
    uint32_t from = t->n;
    while (t->n < len) {
        uint32_t k = len - t->n < ADDRESSES_AT_ONCE ? (uint32_t)(len - t->n) : ADDRESSES_AT_ONCE;
        if (!m->read(m->ctx, array + 8ull * t->n, t->addr + t->n, 8ull * k, err)) {
            t->n = from;
            return false;
        }
        for (uint32_t i = t->n; i < t->n + k; i++)
            if (t->addr[i] == 0 || t->addr[i] % 8 != 0 || t->addr[i] >> 56) {
                t->n = from;
                return osp_fail(err, OSP_EFORMAT, "0x%llx in the list of goroutines is none",
                                (unsigned long long)t->addr[i]);
            }
        t->n += k;
    }
    *n = t->n;
    return sort_new(t, from) || osp_fail_memory(err, "reading goroutines");
}

/* ---- looking ------------------------------------------------------------------------------------------------ */

/* splitmix64 */
uint32_t osp_g_random(uint64_t *seed, uint32_t n)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (uint32_t)(((z >> 32) * n) >> 32);
}

static uint64_t word(const uint8_t *p, int32_t at)
{
    uint64_t v;
    memcpy(&v, p + at, sizeof v);
    return v;
}

static bool look_at(const osp_go_layout *at, const uint8_t *p, osp_g_look *out)
{
    uint32_t status = (uint32_t)word(p, at->g_status) & ~(uint32_t)OSP_G_SCAN;
    bool in = status == OSP_G_SYSCALL;
    *out = (osp_g_look){
        .goid = word(p, at->g_goid),
        .pc = word(p, in ? at->g_syscallpc : at->g_sched_pc),
        .sp = word(p, in ? at->g_syscallsp : at->g_sched_sp),
        .stack_hi = word(p, at->g_stack_hi),
        .status = (uint8_t)status,
        .waitreason = p[at->g_waitreason],
        .seq = at->g_tracking_seq >= 0 ? p[at->g_tracking_seq] : 0,
    };
    return status <= OSP_G_DEADEXTRA && out->goid >> 62 == 0;
}

/* After a look at a run: when it is read again. */
static void put_off(osp_g_table *t, run *r, bool changed)
{
    r->quiet = changed ? 0 : r->quiet < 255 ? r->quiet + 1 : 255;
    uint32_t distance = r->quiet < CALM ? 1 : 2u << (r->quiet - CALM < 8 ? r->quiet - CALM : 8);
    distance = distance < LONGEST ? distance : LONGEST;
    r->due = t->pass + distance;
    if (distance > 1)
        r->due += osp_g_random(&t->seed, distance) - distance / 2;
}

/* The goroutines of these runs, which were read one behind the other from *p on. */
static void look_at_runs(osp_g_table *t, run *const *r, size_t n, const uint8_t *p, osp_each_look *each, void *ctx,
                         uint64_t *unread)
{
    for (size_t i = 0; i < n; p += r[i++]->bytes) {
        bool changed = false;
        for (uint32_t j = 0; j < r[i]->n; j++) {
            uint32_t index = t->order[r[i]->first + j];
            osp_g_look look;
            if (look_at(&t->go->at.pub, p + (t->addr[index] - r[i]->addr), &look))
                changed |= each(ctx, index, &look);
            else
                ++*unread;
        }
        put_off(t, r[i], changed);
    }
}

/* Read some runs and look at them. A run that cannot be read is left out. */
static bool read_runs(osp_g_table *t, run *const *r, size_t n, osp_each_look *each, void *ctx, uint64_t *unread,
                      osp_err *err)
{
    osp_piece piece[AT_ONCE];
    uint8_t *p = t->block;
    for (size_t i = 0; i < n; p += r[i++]->bytes)
        piece[i] = (osp_piece){r[i]->addr, p, r[i]->bytes};
    for (size_t at = 0; at < n;) {
        size_t got = osp_mem_read_many(&t->go->mem, piece + at, n - at, err);
        if (got)
            look_at_runs(t, r + at, got, piece[at].dst, each, ctx, unread);
        at += got;
        if (at < n) {
            if (!osp_go_alive(t->go))
                return false;
            *unread += r[at++]->n;
        }
    }
    return true;
}

bool osp_g_table_pass(osp_g_table *t, uint32_t most, osp_each_look *each, void *ctx, osp_g_table_stats *stats,
                      osp_err *err)
{
    run *some[AT_ONCE];
    size_t n = 0;
    uint32_t left = t->nrun, at = t->next < t->nrun ? t->next : 0;
    *stats = (osp_g_table_stats){0};
    t->pass++;
    for (; left && stats->runs < most; left--, at = at + 1 < t->nrun ? at + 1 : 0) {
        if (t->run[at].due > t->pass)
            continue;
        some[n++] = &t->run[at];
        stats->runs++;
        if (n == AT_ONCE) {
            if (!read_runs(t, some, n, each, ctx, &stats->unread, err))
                return false;
            n = 0;
        }
    }
    t->next = at;
    for (; left; left--, at = at + 1 < t->nrun ? at + 1 : 0) {
        stats->late += t->run[at].due <= t->pass;
        stats->fresh += t->run[at].due == 0;
    }
    return read_runs(t, some, n, each, ctx, &stats->unread, err);
}
