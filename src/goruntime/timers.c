/* SPDX-License-Identifier: Apache-2.0 */
/* The timers of a Go runtime: each P has a heap of them (runtime/time.go).
 *
 *                  to Go 1.22                              since Go 1.23
 *   p.timers       []*timer                                timers{heap []struct{timer *timer; when int64}; …}
 *   owner          timer.pp, the P                         timer.ts, the P's timers
 *   state          timer.status: 1 waiting, 2 running,     timer.state, bits: 1 in a heap, 2 modified, 4 zombie
 *                  3 deleted, 6 being modified, 7 and 8
 *                  modified: nextwhen is the time, 9 moving
 *   the time       when, or nextwhen                       timer.when, also where modified
 *
 * From Go 1.10 to 1.13 there are 64 heaps that belong to no P: runtime.timers, an array of timersBucket {…, t []*timer}, each filled
 * up to a line of the cache. timer.tb is the timer's; what is there will go off.
 *
 * Nothing is stopped: the heap is read in pieces, and its timers with each. An entry whose timer is not of that heap, or has no function,
 * was changing and is left out. A heap that grows meanwhile is another array; it is read again. */
#include "goruntime/goruntime_internal.h"

#include "base/buf.h"
#include "base/clock.h"

#include <stdlib.h>

enum { TIMERS_MAX = 1 << 24, BATCH = 512, BYTES = 128, TRIES = 3 };
enum { RUNNING = 2, DELETED = 3, REMOVING = 4, REMOVED = 5, MODIFIED_EARLIER = 7, MODIFIED_LATER = 8, MOVING = 9 };
enum { HEAPED = 1, ZOMBIE = 4 };

typedef struct {
    osp_go *go;
    bool since_23;
    uint64_t p_addr;
    int32_t p;
    osp_go_timer *row;
    size_t cap, n;
    uint32_t torn;
    bool live;
    int64_t now_ns; /* when the batch was read */
    size_t bytes;   /* of a timer, from its start, that are looked at */
    int32_t heap;   /* offset of the heap from p_addr, which is that of the bucket before Go 1.14 */
    bool buckets;
    uint64_t addr[BATCH];
    uint8_t byte[BATCH][BYTES];
    bool ok[BATCH];
} reading;

/* How many bytes of a timer hold all its fields; 0: they are not known. */
static size_t bytes_of(const osp_go_places *at)
{
    if (at->bucket_timers >= 0 && at->timer_bucket >= 0 && at->timer_when >= 0 && at->timer_period >= 0 &&
        at->timer_f >= 0 && at->timer_arg >= 0 && at->timer_arg <= BYTES - 16)
        return (size_t)at->timer_arg + 16; /* the last that is looked at */
    const int32_t need[] = {at->timer_when, at->timer_period, at->timer_f,
                            at->timer_arg,  at->timer_state,  at->timer_owner};
    const int32_t last[] = {at->timer_arg + 8, at->timer_nextwhen, at->timer_is_chan, at->timer_blocked};
    int32_t top = 0;
    for (size_t i = 0; i < sizeof need / sizeof *need; i++) {
        if (need[i] < 0)
            return 0;
        top = need[i] > top ? need[i] : top;
    }
    for (size_t i = 0; i < sizeof last / sizeof *last; i++)
        top = last[i] > top ? last[i] : top;
    return at->p_timers >= 8 && top <= BYTES - 8 ? (size_t)top + 8 : 0;
}

static void read_batch(reading *r, size_t n)
{
    osp_piece piece[BATCH];
    osp_err ignored; /* what cannot be read is no timer any more */
    for (size_t i = 0; i < n; i++) {
        piece[i] = (osp_piece){r->addr[i], r->byte[i], r->bytes};
        r->ok[i] = false;
    }
    for (size_t at = 0; at < n;) {
        size_t got = osp_mem_read_many(&r->go->mem, piece + at, n - at, &ignored);
        for (size_t i = 0; i < got; i++)
            r->ok[at + i] = true;
        at += got + (at + got < n); /* over the one that could not be */
    }
}

/* Is there code of Go at pc? */
static bool is_code(const osp_go *go, uint64_t pc)
{
    return pc && (!go->object || osp_object_is_go(go->object, pc - go->bias)); /* made-up memory has no object */
}

/* What it is by its own fields; false: it is not in this heap. */
static bool decode(const reading *r, const uint8_t *b, osp_go_timer *t)
{
    const osp_go_places *at = &r->go->at;
    uint64_t owner = osp_go_value(b, at->timer_owner, 8), f = osp_go_value(b, at->timer_f, 8);
    t->when_ns = (int64_t)osp_go_value(b, at->timer_when, 8);
    t->period_ns = (int64_t)osp_go_value(b, at->timer_period, 8);
    t->arg = osp_go_value(b, at->timer_arg + 8, 8); /* of an interface value, the data */
    t->p = r->p;
    if (r->buckets) {
        if (osp_go_value(b, at->timer_bucket, 8) != r->p_addr)
            return false;
    } else if (r->since_23) {
        uint8_t state = (uint8_t)osp_go_value(b, at->timer_state, 1);
        t->zombie = state & ZOMBIE;
        t->channel = osp_go_value(b, at->timer_is_chan, 1) != 0;
        t->blocked = (uint32_t)osp_go_value(b, at->timer_blocked, 4);
        if (!(state & HEAPED) || owner != r->p_addr + (uint64_t)at->p_timers - 8)
            return false;
    } else {
        uint32_t status = (uint32_t)osp_go_value(b, at->timer_state, 4);
        t->zombie = status == DELETED || status == REMOVING || status == REMOVED;
        if (status == MODIFIED_EARLIER || status == MODIFIED_LATER)
            t->when_ns = (int64_t)osp_go_value(b, at->timer_nextwhen, 8);
        if (status == 0 || status > MOVING || owner != r->p_addr)
            return false;
    }
    return t->period_ns >= 0 && t->when_ns >= 0 && osp_go_word(r->go, f, &t->pc) && is_code(r->go, t->pc);
}

static bool take_batch(reading *r, size_t n)
{
    r->now_ns = (int64_t)osp_monotonic_ns();
    read_batch(r, n);
    for (size_t i = 0; i < n; i++) {
        osp_go_timer t = {.addr = r->addr[i]};
        if (!r->ok[i] || !decode(r, r->byte[i], &t)) {
            r->torn++;
            continue;
        }
        if (!osp_grow((void **)&r->row, &r->cap, r->n + 1, sizeof t))
            return false;
        if (t.arg && t.arg % 8 == 0 && (!osp_go_word(r->go, t.arg, &t.arg_pc) || !is_code(r->go, t.arg_pc)))
            t.arg_pc = 0;
        t.due_ns = r->live ? t.when_ns - r->now_ns : 0;
        r->row[r->n++] = t;
    }
    return true;
}

/* The next n timers of a heap. False: it could not be read; *memory unset: there was none for them. */
static bool read_entries(reading *r, uint64_t at, size_t n, bool *memory)
{
    uint64_t entry[2 * BATCH];
    osp_err ignored; /* it is tried again */
    size_t words = r->since_23 ? 2 : 1, k = 0;
    if (!r->go->mem.read(r->go->mem.ctx, at, entry, n * words * 8, &ignored))
        return false;
    for (size_t i = 0; i < n; i++) {
        uint64_t addr = entry[i * words];
        if (addr == 0 || addr % 8 != 0)
            r->torn++;
        else
            r->addr[k++] = addr;
    }
    *memory = k == 0 || take_batch(r, k);
    return true;
}

/* The heap of one P: false if it was changing while it was read, and all is to be read again. */
static bool read_heap(reading *r, bool *memory)
{
    uint64_t slice[2], again[2], at = r->p_addr + (uint64_t)r->heap;
    osp_mem mem = r->go->mem;
    osp_err ignored; /* it is tried again */
    size_t size = r->since_23 ? 16 : 8;
    if (!mem.read(mem.ctx, at, slice, sizeof slice, &ignored) || slice[1] > TIMERS_MAX - r->n || slice[0] % 8 != 0)
        return false;
    for (uint64_t i = 0; *memory && i < slice[1]; i += BATCH) {
        size_t n = slice[1] - i < BATCH ? (size_t)(slice[1] - i) : BATCH;
        if (!read_entries(r, slice[0] + i * size, n, memory))
            return false;
    }
    return mem.read(mem.ctx, at, again, sizeof again, &ignored) && again[0] == slice[0];
}

static bool read_p(reading *r)
{
    size_t before = r->n;
    uint32_t torn = r->torn;
    bool memory = true;
    for (int try = 0; try < TRIES; try++) {
        r->n = before;
        r->torn = torn;
        if (try)
            osp_go_let_it_settle(try);
        if (read_heap(r, &memory) || !memory)
            return memory;
    }
    r->torn++; /* it changed each time: what was read last stays */
    return true;
}

/* Where the buckets lie: how many, and how far apart. 0: there are none. */
static uint32_t buckets_of(osp_go *go, uint64_t *first, uint64_t *apart)
{
    enum { BUCKETS = 64 };
    uint64_t bias;
    osp_symbol_value v;
    if (go->at.bucket_timers < 0 || !osp_object_symbol(osp_go_object(go, &bias), S("runtime.timers"), &v) ||
        v.size % BUCKETS || v.size / BUCKETS < (uint64_t)go->at.bucket_timers + 24)
        return 0;
    *first = bias + v.value;
    *apart = v.size / BUCKETS;
    return BUCKETS;
}

bool osp_go_timers_read(osp_go *go, osp_arena *a, osp_go_timers *out, osp_err *err)
{
    osp_go_snapshot s;
    size_t bytes = bytes_of(&go->at);
    if (bytes == 0)
        return osp_fail(err, OSP_EFORMAT, "the places of timers in %.*s are not known", STRF(go->version));
    if (!osp_go_snapshot_read(go, a, &s, err))
        return false;
    uint64_t first = 0, apart = 0;
    uint32_t nbucket = buckets_of(go, &first, &apart), nheap = nbucket ? nbucket : s.np;
    if (s.np == 0)
        return osp_fail(err, OSP_EABSENT, "the list of the Ps of the Go runtime was not found");
    reading *r = calloc(1, sizeof *r);
    bool ok = r != NULL;
    if (r)
        *r = (reading){.go = go,
                       .since_23 = go->at.timer_is_chan >= 0,
                       .live = go->image.process != NULL,
                       .bytes = bytes,
                       .heap = nbucket ? go->at.bucket_timers : go->at.p_timers,
                       .buckets = nbucket > 0};
    *out = (osp_go_timers){.np = nheap, .lazy = r && r->since_23};
    out->live = go->image.process != NULL;
    for (uint32_t i = 0; ok && i < nheap; i++) {
        r->p = nbucket ? (int32_t)i : s.p[i].id;
        r->p_addr = nbucket ? first + i * apart : s.p[i].addr;
        ok = read_p(r);
    }
    out->timer = ok ? osp_new(a, osp_go_timer, r->n) : NULL;
    ok = ok && out->timer;
    if (ok && r->n)
        memcpy(out->timer, r->row, r->n * sizeof *r->row);
    if (ok) {
        out->n = (uint32_t)r->n;
        out->torn = r->torn;
    }
    if (r)
        free(r->row);
    free(r);
    return ok || osp_fail_memory(err, "reading timers");
}

/* The argument is an interface value that holds the address of pollDesc.self, which holds that of the pollDesc. */
bool osp_go_poll_fd(const osp_go *go, uint64_t addr, int *fd)
{
    uint64_t number, desc = addr - (uint64_t)go->at.poll_self, self;
    if (go->at.poll_fd < 0 || go->at.poll_self < 0 || addr % 8 != 0 || !osp_go_word(go, addr, &self) ||
        self != desc || !osp_go_word(go, desc + (uint64_t)go->at.poll_fd, &number) || number > INT32_MAX)
        return false;
    *fd = (int)number;
    return true;
}
