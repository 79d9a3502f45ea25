/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler: what runtime.schedtrace prints, read from outside.
 *
 * One look at the Ps is four reads of the process, however many Ps there are: sched and the list of Ps; the Ps; the Ms
 * that have them; the goroutines on those. Nothing is stopped, so the four are not of one moment. A row that cannot be is
 * left out and counted. */
#include "goruntime/goruntime_internal.h"

#include "base/buf.h"
#include "base/clock.h"

#include <elf.h>
#include <stdlib.h>

enum {
    BLOCK_MAX = 4096,
    PS_MAX = 1 << 16,
    MS_MAX = 1 << 20,
    GS_MAX = 1 << 26,
    RUNQ_MAX = 256, /* size of p.runq in every release */
    GS_AT_ONCE = 256,
    TRIES = 4,
    START_EARLY_MS = 50, /* the kernel's time of start is in ticks of 10 ms */
    START_LATE_MS = 60000,
};

/* Bytes of a structure, from its start, that hold all these fields. 0 if that is not believed. */
static size_t bytes_for(const int32_t *field, size_t n)
{
    int32_t top = 0;
    for (size_t i = 0; i < n; i++)
        top = field[i] > top ? field[i] : top;
    return top > BLOCK_MAX - 8 ? 0 : (size_t)top + 8;
}

/* Read as many as can be; what cannot be is zero, and its address too. */
static void read_pieces(const osp_go *go, osp_piece *piece, size_t n)
{
    osp_err ignored; /* the address says it */
    for (size_t at = 0; at < n;) {
        while (at < n && (piece[at].addr == 0 || piece[at].addr >> 56))
            piece[at++].addr = 0;
        size_t k = 0;
        while (at + k < n && piece[at + k].addr && piece[at + k].addr >> 56 == 0)
            k++;
        size_t got = k ? osp_mem_read_many(&go->mem, piece + at, k, &ignored) : 0;
        at += got;
        if (got < k) {
            memset(piece[at].dst, 0, piece[at].n);
            piece[at++].addr = 0;
        }
    }
}

/* ---- since when --------------------------------------------------------------------------------------------- */

/* The variable that schedtrace asks first: starttime, 0 until it has printed its first line. */
static uint64_t find_starttime(const osp_go *go, osp_go_operands *c)
{
    osp_symbol_value v;
    if (osp_object_symbol(go->object, S("runtime.starttime"), &v))
        return go->bias + v.value;
    if (osp_object_machine(go->object) != EM_X86_64)
        return 0;
    c->n = 0;
    osp_go_add_operands(go, S("runtime.schedtrace"), c);
    return c->n && c->addr[0] % 8 == 0 ? c->addr[0] : 0;
}

/* When the process started, on the clock that the runtime reads. */
static uint64_t process_start(const osp_go *go)
{
    osp_arena a;
    osp_process_info info;
    osp_err ignored; /* 0 says it */
    osp_arena_init(&a, 1 << 20);
    uint64_t at = 0;
    if (go->image.process && osp_process_info_read(go->image.process, &a, &info, &ignored))
        at = info.start_ns - (osp_clock_ns(CLOCK_BOOTTIME) - osp_monotonic_ns());
    osp_arena_drop(&a);
    return at;
}

/* runtimeInitTime, which runtime.main sets. Without its symbol: what runtime.main refers to and holds a time shortly after
 * the process started. */
static uint64_t find_init_time(const osp_go *go, osp_go_operands *c)
{
    osp_symbol_value v;
    uint64_t time, start = process_start(go);
    if (osp_object_symbol(go->object, S("runtime.runtimeInitTime"), &v))
        return osp_go_word(go, go->bias + v.value, &time) ? time : 0;
    if (osp_object_machine(go->object) != EM_X86_64 || start == 0)
        return 0;
    c->n = 0;
    osp_go_add_operands(go, S("runtime.main"), c);
    for (size_t i = 0; i < c->n; i++)
        if (c->addr[i] % 8 == 0 && osp_go_word(go, c->addr[i], &time) && time + START_EARLY_MS * 1000000ull > start &&
            time < start + START_LATE_MS * 1000000ull)
            return time;
    return 0;
}

static void find_clocks(osp_go *go)
{
    osp_go_operands *c = calloc(1, sizeof *c);
    if (!c)
        return;
    go->clocks.starttime = find_starttime(go, c);
    go->clocks.init_ns = find_init_time(go, c);
    go->clocks.sought = go->clocks.init_ns != 0; /* runtime.main may not have run */
    free(c);
}

int64_t osp_go_init_ns(osp_go *go)
{
    if (!go->clocks.sought)
        find_clocks(go);
    return (int64_t)go->clocks.init_ns;
}

static void read_clock(osp_go *go, osp_go_sched *out)
{
    uint64_t since = 0;
    if (!go->clocks.sought)
        find_clocks(go);
    out->traces_itself =
        go->clocks.starttime && osp_go_word(go, go->clocks.starttime, &since) && since != 0 && since <= out->taken_ns;
    if (!out->traces_itself)
        since = go->clocks.init_ns;
    out->since_ms = since && since <= out->taken_ns ? (int64_t)((out->taken_ns - since) / 1000000) : -1;
}

/* ---- sched and the Ps --------------------------------------------------------------------------------------- */

static bool read_totals(const osp_go *go, osp_go_sched *out, uint64_t ps[2], osp_err *err)
{
    const osp_go_places *at = &go->at;
    const int32_t field[] = {at->sched_npidle,  at->sched_nmspinning,   at->sched_needspinning, at->sched_nmidle,
                             at->sched_mnext,   at->sched_nmidlelocked, at->sched_runqsize,     at->sched_gcwaiting,
                             at->sched_nmfreed, at->sched_stopwait,     at->sched_sysmonwait};
    uint8_t b[BLOCK_MAX];
    size_t n = bytes_for(field, sizeof field / sizeof *field);
    osp_piece piece[] = {{go->global[OSP_GO_SCHED], b, n}, {go->global[OSP_GO_ALLP], ps, 16}};
    if (n == 0 || at->sched_npidle < 0 || at->sched_runqsize < 0)
        return osp_fail(err, OSP_EABSENT, "the layout of the scheduler of %.*s is not known", STRF(go->version));
    if (osp_mem_read_many(&go->mem, piece, 2, err) < 2)
        return false;
    out->idle_ps = (int32_t)osp_go_value(b, at->sched_npidle, 4);
    out->spinning = (int32_t)osp_go_value(b, at->sched_nmspinning, 4);
    out->needspinning = (int32_t)osp_go_value(b, at->sched_needspinning, 4);
    out->idle_threads = (int32_t)osp_go_value(b, at->sched_nmidle, 4);
    out->idle_locked = (int32_t)osp_go_value(b, at->sched_nmidlelocked, 4);
    out->threads = (int32_t)(osp_go_value(b, at->sched_mnext, 8) - osp_go_value(b, at->sched_nmfreed, 8));
    out->runq = (int32_t)osp_go_value(b, at->sched_runqsize, 4);
    out->gcwaiting = osp_go_value(b, at->sched_gcwaiting, 1) != 0;
    out->stopwait = (int32_t)osp_go_value(b, at->sched_stopwait, 4);
    out->sysmonwait = osp_go_value(b, at->sched_sysmonwait, 1) != 0;
    if (ps[1] > PS_MAX)
        return osp_fail(err, OSP_EFORMAT, "%llu Ps are not believed", (unsigned long long)ps[1]);
    return true;
}

/* What is impossible at any moment was read while it changed. */
/* One that is crashing waits for runtime.freezeStopWait Ps, less those that did stop. */
static bool is_possible(const osp_go_sched *s, uint64_t nps)
{
    const int64_t np = (int64_t)nps;
    return s->idle_ps >= 0 && s->idle_ps <= np && s->spinning >= 0 && s->spinning <= s->threads && s->threads > 0 &&
           s->threads <= MS_MAX && s->idle_threads >= 0 && s->idle_threads <= s->threads &&
           s->idle_locked <= s->threads && s->runq >= 0 && (s->stopwait <= np || s->stopwait >= INT32_MAX - PS_MAX);
}

/* The list of Ps, and of each what the layout knows. */
static bool read_ps(const osp_go *go, uint64_t array, uint32_t n, osp_arena *a, osp_go_sched *out, osp_err *err)
{
    const osp_go_layout *pub = &go->at.pub;
    const int32_t field[] = {pub->p_id, pub->p_status,   pub->p_schedtick, pub->p_syscalltick,
                             pub->p_m,  pub->p_runqhead, pub->p_runqtail};
    const size_t head = bytes_for(field, sizeof field / sizeof *field);
    uint64_t *addr = osp_new(a, uint64_t, n);
    uint8_t *b = osp_new(a, uint8_t, n * head);
    osp_piece *piece = osp_new(a, osp_piece, 3ull * n);
    struct {
        uint64_t timers;
        uint32_t free_gs;
    } *far = osp_arena_take(a, n, sizeof *far, alignof(uint64_t));
    out->p = osp_new(a, osp_sched_p, n);
    if (!addr || !b || !piece || !far || !out->p)
        return osp_fail_memory(err, "reading Ps");
    if (n && !go->mem.read(go->mem.ctx, array, addr, 8ull * n, err))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t timers = go->at.p_timers < 0 ? 0 : addr[i] + (uint64_t)go->at.p_timers + 8;
        const uint64_t free_gs = go->at.p_gfree_n < 0 ? 0 : addr[i] + (uint64_t)go->at.p_gfree_n;
        piece[3 * i] = (osp_piece){addr[i], b + i * head, head};
        piece[3 * i + 1] = (osp_piece){addr[i] ? timers : 0, &far[i].timers, 8};
        piece[3 * i + 2] = (osp_piece){addr[i] ? free_gs : 0, &far[i].free_gs, 4};
    }
    read_pieces(go, piece, 3ull * n);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *p = b + i * head;
        osp_sched_p row = {
            .addr = addr[i],
            .id = (int32_t)osp_go_value(p, pub->p_id, 4),
            .status = (uint32_t)osp_go_value(p, pub->p_status, 4),
            .schedtick = (uint32_t)osp_go_value(p, pub->p_schedtick, 4),
            .syscalltick = (uint32_t)osp_go_value(p, pub->p_syscalltick, 4),
            .m_addr = osp_go_value(p, pub->p_m, 8),
            .m = -1,
            .runq = (uint32_t)osp_go_value(p, pub->p_runqtail, 4) - (uint32_t)osp_go_value(p, pub->p_runqhead, 4),
            .free_gs = (int32_t)far[i].free_gs,
            .timers = far[i].timers,
        };
        if (piece[3 * i].addr == 0 || row.id != (int32_t)i || row.status > 4 || row.runq > RUNQ_MAX) {
            out->torn++;
            continue;
        }
        out->p[out->np++] = row;
    }
    return true;
}

/* Which M has each P, and what it runs. */
static bool read_ms_of_ps(const osp_go *go, osp_arena *a, osp_go_sched *out, osp_err *err)
{
    const osp_go_layout *at = &go->at.pub;
    const uint32_t n = out->np;
    struct {
        int64_t id;
        uint64_t curg, goid;
        uint32_t status;
    } *m = osp_arena_take(a, n, sizeof *m, alignof(uint64_t));
    osp_piece *piece = osp_new(a, osp_piece, 2ull * n);
    if (!m || !piece)
        return osp_fail_memory(err, "reading Ms");
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t addr = out->p[i].m_addr % 8 ? 0 : out->p[i].m_addr;
        piece[2 * i] = (osp_piece){addr ? addr + (uint64_t)at->m_id : 0, &m[i].id, 8};
        piece[2 * i + 1] = (osp_piece){addr ? addr + (uint64_t)at->m_curg : 0, &m[i].curg, 8};
    }
    read_pieces(go, piece, 2ull * n);
    for (uint32_t i = 0; i < n; i++) {
        out->p[i].m = piece[2 * i].addr && m[i].id >= 0 && m[i].id <= INT32_MAX ? m[i].id : -1;
        const uint64_t g = out->p[i].m < 0 || m[i].curg % 8 ? 0 : m[i].curg;
        piece[2 * i] = (osp_piece){g ? g + (uint64_t)at->g_goid : 0, &m[i].goid, 8};
        piece[2 * i + 1] = (osp_piece){g ? g + (uint64_t)at->g_status : 0, &m[i].status, 4};
    }
    read_pieces(go, piece, 2ull * n);
    for (uint32_t i = 0; i < n; i++)
        if (piece[2 * i].addr && piece[2 * i + 1].addr) {
            out->p[i].goid = m[i].goid;
            out->p[i].in_syscall = (m[i].status & ~(uint32_t)OSP_G_SCAN) == OSP_G_SYSCALL;
        }
    return true;
}

/* ---- Ms and Gs ---------------------------------------------------------------------------------------------- */

/* A number that another structure has: the id of the M at addr, the goid of a G. -1: there is none, or it is unreadable. */
static int64_t number_at(const osp_go *go, uint64_t addr, int32_t at)
{
    uint64_t v;
    return addr && addr % 8 == 0 && at >= 0 && osp_go_word(go, addr + (uint64_t)at, &v) ? (int64_t)v : -1;
}

static int64_t p_number(const osp_go *go, uint64_t addr)
{
    int64_t v = number_at(go, addr, go->at.pub.p_id);
    return v < 0 ? v : (int32_t)v;
}

static bool decode_m(const osp_go *go, uint64_t addr, const uint8_t *b, osp_sched_m *out)
{
    const osp_go_places *at = &go->at;
    const uint64_t text = osp_go_value(b, at->m_preemptoff, 8), len = osp_go_value(b, at->m_preemptoff + 8, 8);
    uint64_t back;
    const uint64_t g0 = osp_go_value(b, at->pub.m_g0, 8);
    osp_err ignored; /* "" says it */
    *out = (osp_sched_m){
        .addr = addr,
        .id = (int64_t)osp_go_value(b, at->pub.m_id, 8),
        .p = (int32_t)p_number(go, osp_go_value(b, at->pub.m_p, 8)),
        .curg = number_at(go, osp_go_value(b, at->pub.m_curg, 8), at->pub.g_goid),
        .lockedg = number_at(go, osp_go_value(b, at->pub.m_lockedg, 8), at->pub.g_goid),
        .mallocing = (int32_t)osp_go_value(b, at->m_mallocing, 4),
        .throwing = (int32_t)osp_go_value(b, at->m_throwing, 4),
        .locks = (int32_t)osp_go_value(b, at->m_locks, 4),
        .dying = (int32_t)osp_go_value(b, at->m_dying, 4),
        .spinning = osp_go_value(b, at->pub.m_spinning, 1) != 0,
        .blocked = osp_go_value(b, at->pub.m_blocked, 1) != 0,
    };
    if (text && len && len < sizeof out->preemptoff &&
        !go->mem.read(go->mem.ctx, text, out->preemptoff, len, &ignored))
        out->preemptoff[0] = 0;
    return g0 && g0 % 8 == 0 && osp_go_word(go, g0 + (uint64_t)at->pub.g_m, &back) && back == addr && out->id >= 0 &&
           out->id <= INT32_MAX;
}

/* All Ms along alllink, the newest first. */
static bool read_ms(const osp_go *go, osp_arena *a, osp_go_sched *out, osp_err *err)
{
    const osp_go_places *at = &go->at;
    const int32_t field[] = {at->pub.m_g0,      at->pub.m_p,       at->pub.m_id,         at->pub.m_curg,
                             at->pub.m_alllink, at->pub.m_lockedg, at->m_preemptoff + 8, at->m_mallocing,
                             at->m_throwing,    at->m_locks,       at->m_dying,          at->pub.m_spinning};
    const size_t n = bytes_for(field, sizeof field / sizeof *field);
    uint64_t addr = 0, mark = 0; /* against circles, as in snapshot.c */
    void *row = NULL;
    size_t cap = 0;
    uint8_t b[BLOCK_MAX];
    osp_err ignored; /* counted */
    if (at->m_preemptoff < 0 || !osp_go_word(go, go->global[OSP_GO_ALLM], &addr))
        return osp_fail(err, OSP_EABSENT, "the list of threads of the Go runtime was not found");
    while (addr && n) {
        const bool circle = addr == mark;
        if ((out->nm & (out->nm - 1)) == 0)
            mark = addr;
        if (circle || addr % 8 || out->nm == MS_MAX || !osp_grow(&row, &cap, (size_t)out->nm + 1, sizeof *out->m) ||
            !go->mem.read(go->mem.ctx, addr, b, n, &ignored) ||
            !decode_m(go, addr, b, (osp_sched_m *)row + out->nm)) {
            out->torn++;
            break;
        }
        out->nm++;
        addr = osp_go_value(b, at->pub.m_alllink, 8);
    }
    out->m = osp_new(a, osp_sched_m, out->nm);
    if (out->m && out->nm)
        memcpy(out->m, row, out->nm * sizeof *out->m);
    free(row);
    return out->m || osp_fail_memory(err, "reading Ms");
}

/* The number of the M at addr, which is one of those that were read, or came since. */
static int64_t m_number(const osp_go *go, const osp_go_sched *s, uint64_t addr)
{
    if (addr == 0)
        return -1;
    for (uint32_t i = 0; i < s->nm; i++)
        if (s->m[i].addr == addr)
            return s->m[i].id;
    return number_at(go, addr, go->at.pub.m_id);
}

/* Goroutines by their addresses, dead ones too. */
static void read_some_gs(const osp_go *go, const uint64_t *addr, uint32_t n, size_t bytes, uint8_t *b,
                         osp_go_sched *out)
{
    const osp_go_layout *at = &go->at.pub;
    osp_piece piece[GS_AT_ONCE];
    for (uint32_t i = 0; i < n; i++)
        piece[i] = (osp_piece){addr[i] % 8 ? 0 : addr[i], b + i * bytes, bytes};
    read_pieces(go, piece, n);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *g = b + i * bytes;
        osp_sched_g row = {
            .goid = osp_go_value(g, at->g_goid, 8),
            .status = (uint32_t)osp_go_value(g, at->g_status, 4),
            .waitreason = (uint8_t)osp_go_value(g, at->g_waitreason, 1),
        };
        if (piece[i].addr == 0 || (row.status & ~(uint32_t)OSP_G_SCAN) > OSP_G_DEADEXTRA) {
            out->torn++;
            continue;
        }
        row.m = m_number(go, out, osp_go_value(g, at->g_m, 8));
        row.lockedm = m_number(go, out, osp_go_value(g, at->g_lockedm, 8));
        out->g[out->ng++] = row;
    }
}

static bool read_gs(osp_go *go, osp_arena *a, osp_go_sched *out, osp_err *err)
{
    const osp_go_layout *at = &go->at.pub;
    const int32_t field[] = {at->g_goid, at->g_status, at->g_waitreason, at->g_m, at->g_lockedm};
    const size_t bytes = bytes_for(field, sizeof field / sizeof *field);
    uint64_t len_at, array_at, len, array;
    if (!osp_go_global(go, S("runtime.allglen"), &len_at) || !osp_go_global(go, S("runtime.allgptr"), &array_at))
        return osp_fail(err, OSP_EABSENT, "the list of goroutines was not found in %.*s", STRF(go->image.name));
    if (!osp_go_word(go, len_at, &len) || !osp_go_word(go, array_at, &array) || len > GS_MAX || bytes == 0)
        return osp_fail(err, OSP_EFORMAT, "the list of goroutines cannot be read");
    uint64_t *addr = osp_new(a, uint64_t, len);
    uint8_t *b = osp_new(a, uint8_t, GS_AT_ONCE * bytes);
    out->g = osp_new(a, osp_sched_g, len);
    if (!addr || !b || !out->g)
        return osp_fail_memory(err, "reading goroutines");
    if (len && !go->mem.read(go->mem.ctx, array, addr, 8 * len, err))
        return false;
    for (uint64_t i = 0; i < len; i += GS_AT_ONCE)
        read_some_gs(go, addr + i, len - i < GS_AT_ONCE ? (uint32_t)(len - i) : GS_AT_ONCE, bytes, b, out);
    return true;
}

bool osp_go_sched_read(osp_go *go, bool detailed, osp_arena *a, osp_go_sched *out, osp_err *err)
{
    uint64_t addr, ps[2];
    *out =
        (osp_go_sched){.taken_ns = go->image.process ? osp_monotonic_ns() : 0, .version = go->number, .since_ms = -1};
    if (!osp_go_global(go, S("runtime.allm"), &addr) || !osp_go_global(go, S("runtime.sched"), &addr) ||
        !osp_go_global(go, S("runtime.allp"), &addr))
        return osp_fail(err, OSP_EABSENT,
                        "the scheduler was not found: %.*s is stripped of symbols and its code does not show it, or "
                        "the runtime has not started",
                        STRF(osp_object_name(go->object)));
    if (!go->checked && !osp_go_check(go, err))
        return false;
    if (!go->checked)
        return osp_fail(err, OSP_EABSENT, "the Go runtime of %.*s has not started", STRF(go->image.name));
    for (int try = 0;; try++) {
        if (!read_totals(go, out, ps, err))
            return false;
        if (is_possible(out, ps[1]))
            break;
        if (try == TRIES)
            return osp_fail(err, OSP_EFORMAT, "the counters of the scheduler of %.*s do not fit together",
                            STRF(go->image.name));
        osp_go_let_it_settle(try);
    }
    out->gomaxprocs = (int32_t)ps[1]; /* the runtime resizes the list and sets gomaxprocs with the world stopped */
    read_clock(go, out);
    return read_ps(go, ps[0], (uint32_t)ps[1], a, out, err) && read_ms_of_ps(go, a, out, err) &&
           (!detailed || (read_ms(go, a, out, err) && read_gs(go, a, out, err)));
}
