/* SPDX-License-Identifier: Apache-2.0 */
/* What a goroutine waits on. No release keeps that in one place:
 *
 *     channel      g.waiting is a list of sudogs (waitlink), one a case of a select, each of which names its channel
 *     semaphore    a sudog names the address of the word; the goroutine has it on its stack, in the frame of semacquire1
 *                  (since Go 1.26 g.waiting is it, too)
 *     sync.Cond    its notifyList has a list of sudogs; a pointer to it is in the frame of notifyListWait
 *     descriptor   pollDesc.rg or wg is the goroutine; a pointer to that field is in the frame of netpollblock
 *     sleep        g.sleepWhen; before Go 1.23 g.timer.when
 *
 * So what is looked for on the stack proves itself: a sudog has its goroutine in it, a pollDesc its goroutine and itself, and
 * a list leads to a sudog of the goroutine. Frames of one function are alike, so the place where the last one of a kind was
 * found is tried first. All of it is read while the program runs: whatever does not fit together is not known.
 *
 * Structures lie close together, so pages are read, and some of them kept. */
#include "goruntime/goruntime_internal.h"

#include "base/buf.h"

#include <stdlib.h>

enum {
    PAGE = 4096,
    PAGES = 256,   /* kept; a power of two */
    WORDS = 160,   /* of the top of a stack that are looked through */
    CASES = 65536, /* the runtime's own limit of a select */
    SUDOG_BYTES = 128,
    QUEUE_LOOKED_AT = 4096, /* sudogs of a channel's queue, to tell the way of one */
    SIDES = 5,              /* osp_wait_kind */
    FD_MOST = 1 << 24,
    REASONS = 256,
    /* struct notifyList of runtime/sema.go and sync.Cond, in every release: wait, notify uint32; lock; head, tail *sudog */
    LIST_HEAD = 16,
    LIST_TAIL = 24,
    LIST_IN_COND = 16,
};
static const uint64_t CHAN_MOST = 1ull << 40; /* values in a channel's buffer */
static const uint64_t STEPS_MOST = 64 << 20;  /* along lists, of one reader */

typedef struct {
    uint64_t addr; /* UINT64_MAX: none yet */
    bool ok;
    uint8_t byte[PAGE];
} page;

typedef enum {
    CLASS_NONE,
    CLASS_RECEIVE,
    CLASS_SEND,
    CLASS_SELECT,
    CLASS_SEMA,
    CLASS_COND,
    CLASS_SLEEP,
    CLASS_IO
} class;

struct osp_wait_reader {
    const osp_go *go;
    uint8_t class_of[REASONS];
    uint32_t found_at[SIDES]; /* word of the stack where the last one of this kind was found */
    osp_index in_list;        /* sudogs of lists that were walked: their goroutine → number of the list */
    uint64_t *list;           /* addresses of notifyLists */
    size_t list_cap;
    uint32_t nlist;
    uint64_t steps;
    page page[PAGES];
};

/* ---- memory --------------------------------------------------------------------------------------------------- */

static const page *page_at(osp_wait_reader *r, uint64_t addr)
{
    page *p = &r->page[(addr / PAGE * 0x9e3779b97f4a7c15u) >> 32 & (PAGES - 1)];
    osp_err ignored; /* unreadable is an answer */
    if (p->addr != addr) {
        p->addr = addr;
        p->ok = r->go->mem.read(r->go->mem.ctx, addr, p->byte, PAGE, &ignored);
    }
    return p->ok ? p : NULL;
}

static bool read_at(osp_wait_reader *r, uint64_t addr, void *to, size_t n)
{
    if (addr < PAGE || addr > UINT64_MAX - n)
        return false;
    for (size_t got = 0; got < n;) {
        uint64_t in = (addr + got) % PAGE;
        size_t k = n - got < PAGE - in ? n - got : (size_t)(PAGE - in);
        const page *p = page_at(r, addr + got - in);
        if (!p)
            return false;
        memcpy((char *)to + got, p->byte + in, k);
        got += k;
    }
    return true;
}

/* A field of n bytes; false if this release has none. */
static bool field(osp_wait_reader *r, uint64_t addr, int32_t at, void *to, size_t n)
{
    return at >= 0 && addr && addr % 8 == 0 && read_at(r, addr + (uint64_t)at, to, n);
}

static uint64_t word_in(const uint8_t *p, int32_t at)
{
    uint64_t v;
    memcpy(&v, p + at, sizeof v);
    return v;
}

/* ---- one goroutine --------------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t addr, sp, hi;
    const uint64_t *word; /* the top of its stack */
    uint32_t n;
} waiter;

typedef struct {
    uint64_t g, next, elem, link, c;
} sudog;

static bool read_sudog(osp_wait_reader *r, uint64_t addr, sudog *out)
{
    const osp_go_places *at = &r->go->at;
    uint8_t b[SUDOG_BYTES];
    const int32_t all[] = {at->sudog_g, at->sudog_next, at->sudog_elem, at->sudog_link, at->sudog_c};
    int32_t top = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i] < 0 || all[i] > SUDOG_BYTES - 8)
            return false;
        top = all[i] > top ? all[i] : top;
    }
    if (addr % 8 || !read_at(r, addr, b, (size_t)top + 8))
        return false;
    *out = (sudog){word_in(b, at->sudog_g), word_in(b, at->sudog_next), word_in(b, at->sudog_elem),
                   word_in(b, at->sudog_link), word_in(b, at->sudog_c)};
    return true;
}

/* A word of a stack that may point out of it. */
static bool may_point(const waiter *w, uint64_t v)
{
    return v >= PAGE && v >> 56 == 0 && v % 4 == 0 && (v < w->sp || v >= w->hi);
}

/* ---- channels -------------------------------------------------------------------------------------------------- */

bool osp_wait_chan(osp_wait_reader *r, uint64_t addr, osp_chan *out)
{
    const osp_go_places *at = &r->go->at;
    uint32_t closed;
    uint16_t bytes;
    uint64_t timer = 0;
    *out = (osp_chan){0};
    if (!field(r, addr, at->chan_len, &out->len, 8) || !field(r, addr, at->chan_cap, &out->cap, 8) ||
        !field(r, addr, at->chan_closed, &closed, 4) || !field(r, addr, at->chan_elem_bytes, &bytes, 2) ||
        out->len > out->cap || out->cap > CHAN_MOST || closed > 1)
        return false;
    out->elem_bytes = bytes;
    if (!field(r, addr, at->chan_elem_type, &out->elem_type, 8))
        out->elem_type = 0;
    out->closed = closed;
    out->timed = field(r, addr, at->chan_timer, &timer, 8) && timer &&
                 field(r, timer, at->timer_when, &out->when, 8) && field(r, timer, at->timer_period, &out->period, 8);
    return true;
}

bool osp_wait_receiver(osp_wait_reader *r, uint64_t chan, uint64_t *g)
{
    uint64_t first;
    sudog s;
    if (!field(r, chan, r->go->at.chan_recvq, &first, 8) || !first || !read_sudog(r, first, &s) || s.c != chan)
        return false;
    *g = s.g;
    return true;
}

/* Is the sudog in the queue that begins at first? */
static bool in_queue(osp_wait_reader *r, uint64_t first, uint64_t addr)
{
    sudog s;
    for (uint32_t i = 0; first && i < QUEUE_LOOKED_AT; i++, first = s.next) {
        if (first == addr)
            return true;
        if (!read_sudog(r, first, &s))
            return false;
    }
    return false;
}

/* Which way the case of a select goes: a send always has a value, and one queue is nearly always empty. */
static osp_wait_way way_of(osp_wait_reader *r, uint64_t addr, const sudog *s)
{
    const osp_go_places *at = &r->go->at;
    uint64_t receivers, senders;
    if (!s->elem)
        return OSP_WAY_IN;
    if (!field(r, s->c, at->chan_recvq, &receivers, 8) || !field(r, s->c, at->chan_sendq, &senders, 8))
        return OSP_WAY_UNKNOWN;
    if (!receivers != !senders)
        return senders ? OSP_WAY_OUT : OSP_WAY_IN;
    return in_queue(r, receivers, addr) ? OSP_WAY_IN : in_queue(r, senders, addr) ? OSP_WAY_OUT : OSP_WAY_UNKNOWN;
}

static size_t read_channels(osp_wait_reader *r, const waiter *w, class c, osp_wait *out, size_t max)
{
    uint64_t addr;
    size_t n = 0;
    if (!field(r, w->addr, r->go->at.g_waiting, &addr, 8))
        return 0;
    while (addr && n < (c == CLASS_SELECT ? CASES : 1)) {
        sudog s;
        osp_chan is;
        if (!read_sudog(r, addr, &s) || s.g != w->addr || !osp_wait_chan(r, s.c, &is))
            return 0;
        if (n < max) {
            osp_wait_way way = c == CLASS_RECEIVE ? OSP_WAY_IN : c == CLASS_SEND ? OSP_WAY_OUT : way_of(r, addr, &s);
            out[n] = (osp_wait){.kind = OSP_WAIT_CHAN, .way = way, .addr = s.c};
        }
        n++;
        addr = s.link;
    }
    return n < CASES ? n : 0; /* a circle */
}

/* ---- what is found on the stack -------------------------------------------------------------------------------- */

typedef bool try_word(osp_wait_reader *r, const waiter *w, uint64_t word, osp_wait *out);

/* The first word of the stack that proves to be it, from where the last one was. */
static size_t look_through(osp_wait_reader *r, const waiter *w, osp_wait_kind kind, try_word *try, osp_wait *out)
{
    uint32_t hint = r->found_at[kind];
    if (hint < w->n && may_point(w, w->word[hint]) && try(r, w, w->word[hint], out))
        return 1;
    for (uint32_t i = 0; i < w->n; i++)
        if (may_point(w, w->word[i]) && try(r, w, w->word[i], out)) {
            r->found_at[kind] = i;
            return 1;
        }
    return 0;
}

/* One that waits for nothing has no elem: a sudog is cleared before it is kept for the next time. */
static bool try_sema(osp_wait_reader *r, const waiter *w, uint64_t word, osp_wait *out)
{
    sudog s;
    uint32_t value;
    if (!read_sudog(r, word, &s) || s.g != w->addr || !s.elem || s.c || s.elem % 4 ||
        !read_at(r, s.elem, &value, sizeof value))
        return false;
    *out = (osp_wait){.kind = OSP_WAIT_SEMAPHORE, .addr = s.elem};
    return true;
}

/* Without its stack, which costs more to read. */
static bool read_sema_of(osp_wait_reader *r, const waiter *w, osp_wait *out)
{
    uint64_t waiting;
    return field(r, w->addr, r->go->at.g_waiting, &waiting, 8) && waiting && try_sema(r, w, waiting, out);
}

static bool try_poll(osp_wait_reader *r, const waiter *w, uint64_t word, osp_wait *out)
{
    const osp_go_places *at = &r->go->at;
    uint64_t g, self, fd;
    if (word % 8 || at->poll_rg < 0 || at->poll_wg < 0 || !read_at(r, word, &g, 8) || g != w->addr)
        return false;
    for (int write = 0; write < 2; write++) {
        uint64_t desc = word - (uint64_t)(write ? at->poll_wg : at->poll_rg);
        if (!field(r, desc, at->poll_self, &self, 8) || self != desc || !field(r, desc, at->poll_fd, &fd, 8) ||
            fd > FD_MOST)
            continue;
        *out = (osp_wait){
            .kind = OSP_WAIT_FD, .way = write ? OSP_WAY_OUT : OSP_WAY_IN, .addr = desc, .value = (int64_t)fd};
        return true;
    }
    return false;
}

/* The pointer may be one to the pollDesc itself. */
static bool try_fd(osp_wait_reader *r, const waiter *w, uint64_t word, osp_wait *out)
{
    const osp_go_places *at = &r->go->at;
    return try_poll(r, w, word, out) || (at->poll_rg >= 0 && try_poll(r, w, word + (uint64_t)at->poll_rg, out)) ||
           (at->poll_wg >= 0 && try_poll(r, w, word + (uint64_t)at->poll_wg, out));
}

/* Note whose sudogs are in a list; false if it is none: no longer than its own counters say, of goroutines. */
static bool walk_list(osp_wait_reader *r, uint64_t addr, uint64_t head, uint32_t most)
{
    void *lists = r->list;
    sudog s = {0};
    uint64_t tail;
    uint32_t n = 0;
    if (!read_at(r, addr + LIST_TAIL, &tail, 8) || !tail || !osp_grow(&lists, &r->list_cap, (size_t)r->nlist + 1, 8))
        return false;
    r->list = lists;
    for (uint64_t at = head, last = 0;; last = at, at = s.next) {
        if (!at) {
            if (last != tail)
                return false;
            break;
        }
        uint64_t own;
        if (n++ == most || ++r->steps > STEPS_MOST || !read_sudog(r, at, &s) || s.c ||
            !field(r, s.g, r->go->at.pub.g_goid, &own, 8) || own >> 62)
            return false;
    }
    r->list[r->nlist] = addr;
    for (uint64_t at = head; at && read_sudog(r, at, &s); at = s.next)
        if (!osp_index_put(&r->in_list, s.g, r->nlist))
            return false;
    r->nlist++;
    return true;
}

static bool find_in_lists(osp_wait_reader *r, const waiter *w, osp_wait *out)
{
    uint32_t number = osp_index_find(&r->in_list, w->addr);
    if (number == UINT32_MAX)
        return false;
    *out = (osp_wait){.kind = OSP_WAIT_CONDITION, .addr = r->list[number] - LIST_IN_COND};
    return true;
}

static bool try_list(osp_wait_reader *r, const waiter *w, uint64_t word, osp_wait *out)
{
    uint32_t counts[2]; /* wait, notify */
    uint64_t head;
    if (word % 8 || !read_at(r, word, counts, sizeof counts) || !read_at(r, word + LIST_HEAD, &head, 8) || !head ||
        counts[0] == counts[1] || counts[0] - counts[1] > INT32_MAX)
        return false;
    return walk_list(r, word, head, counts[0] - counts[1]) && find_in_lists(r, w, out);
}

static bool read_sleep(osp_wait_reader *r, const waiter *w, osp_wait *out)
{
    const osp_go_places *at = &r->go->at;
    int64_t when = 0;
    uint64_t timer;
    if (at->g_sleep_when >= 0
            ? !field(r, w->addr, at->g_sleep_when, &when, 8)
            : !field(r, w->addr, at->g_timer, &timer, 8) || !field(r, timer, at->timer_when, &when, 8))
        return false;
    *out = (osp_wait){.kind = OSP_WAIT_TIME, .value = when};
    return when > 0;
}

/* ---- all kinds ------------------------------------------------------------------------------------------------- */

static class class_of(osp_str reason)
{
    static const struct {
        const char *text; /* also with " (durable)", " (synctest)" behind it */
        class c;
    } known[] = {
        {"chan receive", CLASS_RECEIVE},
        {"chan send", CLASS_SEND},
        {"select", CLASS_SELECT},
        {"semacquire", CLASS_SEMA},
        {"sync.Mutex.Lock", CLASS_SEMA},
        {"sync.RWMutex.RLock", CLASS_SEMA},
        {"sync.RWMutex.Lock", CLASS_SEMA},
        {"sync.WaitGroup.Wait", CLASS_SEMA},
        {"sync.Cond.Wait", CLASS_COND},
        {"sleep", CLASS_SLEEP},
        {"IO wait", CLASS_IO},
    };
    if (osp_str_has(reason, S("(nil chan)")) || osp_str_has(reason, S("(no cases)")))
        return CLASS_NONE;
    osp_str head = osp_str_head(reason, osp_str_find(reason, S(" (")));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (osp_str_eq(head, osp_str_from(known[i].text)))
            return known[i].c;
    return CLASS_NONE;
}

osp_wait_reader *osp_wait_reader_new(osp_go *go, osp_err *err)
{
    osp_wait_reader *r = calloc(1, sizeof *r);
    if (!r) {
        osp_fail_memory(err, "reading what goroutines wait on");
        return NULL;
    }
    r->go = go;
    for (size_t i = 0; i < PAGES; i++)
        r->page[i].addr = UINT64_MAX;
    for (unsigned i = 0; i < REASONS; i++)
        r->class_of[i] = (uint8_t)class_of(osp_go_waitreason_text(go, (uint8_t)i));
    return r;
}

void osp_wait_reader_drop(osp_wait_reader *r)
{
    if (!r)
        return;
    osp_index_drop(&r->in_list);
    free(r->list);
    free(r);
}

bool osp_wait_has_object(const osp_wait_reader *r, uint8_t waitreason)
{
    return r->class_of[waitreason] != CLASS_NONE;
}

/* Does it still wait, and for that reason? */
static bool still_waits(osp_wait_reader *r, uint64_t addr, uint64_t goid, uint8_t waitreason)
{
    const osp_go_layout *at = &r->go->at.pub;
    uint64_t id;
    uint32_t status;
    uint8_t reason;
    return field(r, addr, at->g_goid, &id, 8) && id == goid && field(r, addr, at->g_status, &status, 4) &&
           ((status & ~(uint32_t)OSP_G_SCAN) == OSP_G_WAITING || (status & ~(uint32_t)OSP_G_SCAN) == OSP_G_LEAKED) &&
           field(r, addr, at->g_waitreason, &reason, 1) && reason == waitreason;
}

size_t osp_wait_read(osp_wait_reader *r, uint64_t addr, uint64_t goid, uint8_t waitreason, osp_wait *out, size_t max)
{
    const osp_go_layout *at = &r->go->at.pub;
    const class c = r->class_of[waitreason];
    uint64_t word[WORDS];
    waiter w = {.addr = addr, .word = word};
    osp_wait one;
    if (c == CLASS_NONE || !still_waits(r, addr, goid, waitreason))
        return 0;
    if (c == CLASS_RECEIVE || c == CLASS_SEND || c == CLASS_SELECT)
        return read_channels(r, &w, c, out, max);
    if ((c == CLASS_SEMA && read_sema_of(r, &w, &one)) || (c == CLASS_COND && find_in_lists(r, &w, &one)) ||
        (c == CLASS_SLEEP && read_sleep(r, &w, &one))) {
        if (max)
            *out = one;
        return 1;
    }
    if (field(r, addr, at->g_sched_sp, &w.sp, 8) && field(r, addr, at->g_stack_hi, &w.hi, 8) && w.sp % 8 == 0 &&
        w.sp < w.hi) {
        w.n = (w.hi - w.sp) / 8 < WORDS ? (uint32_t)((w.hi - w.sp) / 8) : WORDS;
        w.n = read_at(r, w.sp, word, 8 * (size_t)w.n) ? w.n : 0;
    }
    size_t n = 0;
    if (c == CLASS_SEMA)
        n = look_through(r, &w, OSP_WAIT_SEMAPHORE, try_sema, &one);
    else if (c == CLASS_COND)
        n = look_through(r, &w, OSP_WAIT_CONDITION, try_list, &one);
    else if (c == CLASS_IO)
        n = look_through(r, &w, OSP_WAIT_FD, try_fd, &one);
    if (n && max)
        *out = one;
    return n;
}

bool osp_wait_stack(osp_wait_reader *r, uint64_t addr, uint64_t *sp, uint64_t *hi)
{
    const osp_go_layout *at = &r->go->at.pub;
    uint32_t status;
    if (!field(r, addr, at->g_status, &status, 4))
        return false;
    status &= ~(uint32_t)OSP_G_SCAN;
    if (status == OSP_G_RUNNING || status == OSP_G_COPYSTACK || status == OSP_G_IDLE || status == OSP_G_DEAD)
        return false;
    return field(r, addr, status == OSP_G_SYSCALL ? at->g_syscallsp : at->g_sched_sp, sp, 8) &&
           field(r, addr, at->g_stack_hi, hi, 8) && *sp && *sp % 8 == 0 && *sp < *hi;
}

/* ---- locks ----------------------------------------------------------------------------------------------------- */

/* sync.Mutex: state int32, sema uint32. In the state: locked 1, woken 2, starving 4, waiters from bit 3 on. */
static bool read_mutex(osp_wait_reader *r, uint64_t addr, osp_lock *out)
{
    int32_t state;
    *out = (osp_lock){.addr = addr};
    if (addr % 4 || !read_at(r, addr, &state, sizeof state) || state < 0)
        return false;
    out->locked = state & 1;
    out->starving = state & 4;
    out->waiting = state >> 3;
    return true;
}

/* sync.RWMutex: w Mutex, writerSem @8, readerSem @12 uint32, readerCount @16, readerWait @20 int32. A writer takes 1 << 30 from
 * the count while it is in, or waits for those that were before it. */
static bool read_rwmutex(osp_wait_reader *r, osp_lock_kind kind, uint64_t addr, osp_lock *out)
{
    enum { MOST_READERS = 1 << 30 };
    int32_t count[2];
    if (!read_mutex(r, addr, out) || !read_at(r, addr + 16, count, sizeof count) || count[0] < -MOST_READERS ||
        count[0] > MOST_READERS || count[1] < 0)
        return false;
    out->waiting = kind == OSP_LOCK_WRITER ? -1 : count[0] < 0 ? (int64_t)count[0] + MOST_READERS - count[1] : 0;
    out->left = count[1];
    return true;
}

/* sync.WaitGroup: a word of counter (high half) and waiters, then the semaphore. */
static bool read_group(osp_wait_reader *r, uint64_t addr, osp_lock *out)
{
    uint32_t half[2];
    *out = (osp_lock){.addr = addr};
    if (addr % 8 || !read_at(r, addr, half, sizeof half) || half[1] > INT32_MAX)
        return false;
    out->waiting = half[0] & INT32_MAX; /* since Go 1.25 the highest bit is a flag */
    out->left = half[1];
    return true;
}

bool osp_wait_lock(osp_wait_reader *r, osp_lock_kind kind, uint64_t semaphore, osp_lock *out)
{
    switch (kind) {
    case OSP_LOCK_MUTEX:
        return read_mutex(r, semaphore - 4, out);
    case OSP_LOCK_WRITER:
        return read_rwmutex(r, kind, semaphore - 8, out);
    case OSP_LOCK_READER:
        return read_rwmutex(r, kind, semaphore - 12, out);
    case OSP_LOCK_GROUP:
        return read_group(r, semaphore - 8, out);
    default:
        *out = (osp_lock){.addr = semaphore};
        return false;
    }
}
