/* SPDX-License-Identifier: Apache-2.0 */
/* Reading Ms, Ps and Gs of a running process. Nothing is stopped, so every row is checked after it was read: an M must
 * be its g0's M, a P must have its own number, a G must be on the M that names it. What fails was changing, or is not
 * what the layout says; it is left out and counted. */
#include "goruntime/goruntime_internal.h"

#include "base/buf.h"
#include "base/clock.h"

#include <stdlib.h>

enum {
    BLOCK_MAX = 4096, /* bytes of one structure that we look at */
    MS_MAX = 1 << 20, /* the runtime's own limit is 10 000 */
    PS_MAX = 1 << 16,
    RUNQ_MAX = 256, /* size of p.runq in every release */
    TRIES = 3,
    CHECKS = 16, /* of a layout: Ms may come and go while we count them */
};

/* ---- one structure ------------------------------------------------------------------------------------------ */

typedef struct {
    uint8_t byte[BLOCK_MAX];
    size_t n;
} block;

/* Bytes of a structure, from its start. */
typedef struct {
    const uint8_t *byte;
    size_t n;
} view;

static view view_of(const block *b) { return (view){b->byte, b->n}; }

/* Read the part of a structure that holds all these fields, each of up to 8 bytes. Absent fields (-1) take no room. */
static bool read_block(const osp_go *go, uint64_t addr, const int32_t *field, size_t nfield, block *b, osp_err *err)
{
    int32_t top = 0;
    for (size_t i = 0; i < nfield; i++)
        top = field[i] > top ? field[i] : top;
    if (top > BLOCK_MAX - 8)
        return osp_fail(err, OSP_EFORMAT, "a field of the Go runtime %d bytes into its structure is not believed",
                        top);
    b->n = (size_t)top + 8;
    if (addr == 0 || addr % 8 != 0)
        return osp_fail(err, OSP_EFORMAT, "0x%llx is no address of the Go runtime", (unsigned long long)addr);
    return go->mem.read(go->mem.ctx, addr, b->byte, b->n, err);
}

/* A field: little-endian, of 1, 4 or 8 bytes. 0 if the release has no such field. */
static uint64_t value(view b, int32_t at, size_t size)
{
    uint64_t v = 0;
    if (at >= 0 && (size_t)at + size <= b.n)
        memcpy(&v, b.byte + at, size);
    return v;
}

/* The thread that the process itself numbers ns_tid, as we number it. */
static int thread_of(const osp_image_thread *thread, uint32_t n, int ns_tid)
{
    for (uint32_t i = 0; i < n; i++)
        if (thread[i].ns_tid == ns_tid)
            return thread[i].tid;
    return 0;
}

static bool read_m(const osp_go *go, uint64_t addr, osp_m *out, uint64_t *next, osp_err *err)
{
    const osp_go_layout *at = &go->at.pub;
    const int32_t field[] = {at->m_g0,      at->m_procid,  at->m_curg,    at->m_id,       at->m_spinning,
                             at->m_blocked, at->m_incgo,   at->m_ncgo,    at->m_ncgocall, at->m_alllink,
                             at->m_p,       at->m_lockedg, at->m_startfn, at->m_isextra,  at->m_locked_ext};
    block b;
    uint64_t back;
    if (!read_block(go, addr, field, sizeof field / sizeof *field, &b, err))
        return false;
    *out = (osp_m){
        .addr = addr,
        .g0 = value(view_of(&b), at->m_g0, 8),
        .curg = value(view_of(&b), at->m_curg, 8),
        .id = (int64_t)value(view_of(&b), at->m_id, 8),
        .ncgocall = value(view_of(&b), at->m_ncgocall, 8),
        .ncgo = (int32_t)value(view_of(&b), at->m_ncgo, 4),
        .spinning = value(view_of(&b), at->m_spinning, 1) != 0,
        .blocked = value(view_of(&b), at->m_blocked, 1) != 0,
        .incgo = value(view_of(&b), at->m_incgo, 1) != 0,
        .extra = value(view_of(&b), at->m_isextra, 1) != 0,
        .locks = (uint32_t)value(view_of(&b), at->m_locked_ext, 4),
        .p = value(view_of(&b), at->m_p, 8),
        .lockedg = value(view_of(&b), at->m_lockedg, 8),
    };
    uint64_t start = value(view_of(&b), at->m_startfn, 8); /* a func value: it points at its pc */
    if (start && !osp_go_word(go, start, &out->start_pc))
        out->start_pc = 0;
    uint64_t procid = value(view_of(&b), at->m_procid, 8);
    out->tid = procid <= INT32_MAX ? (int)procid : -1;
    *next = value(view_of(&b), at->m_alllink, 8);
    if (out->g0 == 0 || out->g0 % 8 != 0 || !osp_go_word(go, out->g0 + (uint64_t)at->g_m, &back) || back != addr ||
        out->id < 0 || out->id > INT32_MAX || out->tid < 0)
        return osp_fail(err, OSP_EFORMAT, "0x%llx is not an M, or is no longer", (unsigned long long)addr);
    return true;
}

bool osp_go_read_m(osp_go *go, uint64_t addr, osp_m *out, osp_err *err)
{
    uint64_t next;
    if (!read_m(go, addr, out, &next, err))
        return false;
    if (!go->namespaced || out->tid == 0)
        return true;
    osp_arena a;
    osp_arena_init(&a, 64 << 20);
    osp_image_thread *thread;
    uint32_t n;
    bool ok = go->image.threads(go->image.ctx, &a, &thread, &n, err);
    if (ok)
        out->tid = thread_of(thread, n, out->tid);
    osp_arena_drop(&a);
    return ok;
}

/* Every field of osp_g in the layout. */
enum { G_FIELDS = 19 };

static void fields_of_g(const osp_go_layout *at, int32_t field[static G_FIELDS])
{
    const int32_t all[G_FIELDS] = {at->g_stack_lo,  at->g_stack_hi,     at->g_m,        at->g_sched_sp,
                                   at->g_sched_pc,  at->g_sched_bp,     at->g_goid,     at->g_syscallsp,
                                   at->g_syscallpc, at->g_syscallbp,    at->g_gopc,     at->g_startpc,
                                   at->g_status,    at->g_tracking_seq, at->g_labels,   at->g_waitreason,
                                   at->g_lockedm,   at->g_parent_goid,  at->g_waitsince};
    memcpy(field, all, sizeof all);
}

size_t osp_g_bytes(const osp_go *go)
{
    int32_t field[G_FIELDS], top = 0;
    fields_of_g(&go->at.pub, field);
    for (size_t i = 0; i < G_FIELDS; i++)
        top = field[i] > top ? field[i] : top;
    return top > BLOCK_MAX - 8 ? 0 : (size_t)top + 8;
}

static bool decode_g(const osp_go *go, uint64_t addr, view b, osp_g *out)
{
    const osp_go_layout *at = &go->at.pub;
    uint32_t status = (uint32_t)value(b, at->g_status, 4) & ~(uint32_t)OSP_G_SCAN;
    *out = (osp_g){
        .addr = addr,
        .goid = value(b, at->g_goid, 8),
        .gopc = value(b, at->g_gopc, 8),
        .startpc = value(b, at->g_startpc, 8),
        .m = value(b, at->g_m, 8),
        .lockedm = value(b, at->g_lockedm, 8),
        .status = (uint8_t)status,
        .waitreason = (uint8_t)value(b, at->g_waitreason, 1),
        .seq = (uint8_t)value(b, at->g_tracking_seq, 1),
        .syscallpc = value(b, at->g_syscallpc, 8),
        .syscallsp = value(b, at->g_syscallsp, 8),
        .syscallbp = value(b, at->g_syscallbp, 8),
        .sched_pc = value(b, at->g_sched_pc, 8),
        .sched_sp = value(b, at->g_sched_sp, 8),
        .sched_bp = value(b, at->g_sched_bp, 8),
        .stack_lo = value(b, at->g_stack_lo, 8),
        .stack_hi = value(b, at->g_stack_hi, 8),
        .labels = value(b, at->g_labels, 8),
        .parent = value(b, at->g_parent_goid, 8),
        .waitsince = value(b, at->g_waitsince, 8),
    };
    return status <= OSP_G_DEADEXTRA && out->stack_lo <= out->stack_hi &&
           out->stack_hi - out->stack_lo <= 1ull << 40 && out->goid >> 62 == 0;
}

bool osp_g_decode(const osp_go *go, uint64_t addr, const uint8_t *bytes, osp_g *out)
{
    return decode_g(go, addr, (view){bytes, osp_g_bytes(go)}, out);
}

bool osp_go_read_g(osp_go *go, uint64_t addr, osp_g *out, osp_err *err)
{
    int32_t field[G_FIELDS];
    block b;
    fields_of_g(&go->at.pub, field);
    if (!read_block(go, addr, field, G_FIELDS, &b, err))
        return false;
    return decode_g(go, addr, view_of(&b), out) ||
           osp_fail(err, OSP_EFORMAT, "0x%llx is not a goroutine", (unsigned long long)addr);
}

static bool read_p(const osp_go *go, uint64_t addr, osp_p *out, int32_t *free_gs, osp_err *err)
{
    const osp_go_layout *at = &go->at.pub;
    const int32_t field[] = {at->p_id,       at->p_status,   at->p_schedtick, at->p_syscalltick,
                             at->p_runqhead, at->p_runqtail, go->at.p_gfree_n};
    block b;
    if (!read_block(go, addr, field, sizeof field / sizeof *field, &b, err))
        return false;
    *out = (osp_p){
        .addr = addr,
        .id = (int32_t)value(view_of(&b), at->p_id, 4),
        .status = (uint32_t)value(view_of(&b), at->p_status, 4),
        .schedtick = (uint32_t)value(view_of(&b), at->p_schedtick, 4),
        .syscalltick = (uint32_t)value(view_of(&b), at->p_syscalltick, 4),
        .runq = (uint32_t)value(view_of(&b), at->p_runqtail, 4) - (uint32_t)value(view_of(&b), at->p_runqhead, 4),
    };
    *free_gs = (int32_t)value(view_of(&b), go->at.p_gfree_n, 4);
    return true;
}

/* ---- all of them -------------------------------------------------------------------------------------------- */

/* A list that grows outside the arena and is copied into it when it is done. */
typedef struct {
    void *row;
    size_t cap;
    uint32_t n;
} list;

static void *add(list *l, size_t size)
{
    if (!osp_grow(&l->row, &l->cap, (size_t)l->n + 1, size))
        return NULL;
    return (char *)l->row + size * l->n++;
}

static void *settle(list *l, osp_arena *a, size_t size, size_t align)
{
    void *p = osp_arena_take(a, l->n, size, align);
    if (p && l->n)
        memcpy(p, l->row, l->n * size);
    free(l->row);
    *l = (list){0};
    return p;
}

/* Along alllink from allm. A list that breaks (an M ended meanwhile) is read again; the longest reading stays. */
static bool read_ms(osp_go *go, uint64_t head, list *ms, uint32_t *torn, osp_err *err)
{
    for (int try = 0; try < TRIES; try++) {
        list l = {0};
        bool broken = false;
        uint64_t mark = 0; /* one that was seen, further on at each power of two: a circle comes back to it */
        for (uint64_t addr = head; addr && !broken;) {
            osp_m m;
            osp_m *row;
            osp_err ignored; /* a row that does not fit is counted */
            bool circle = addr == mark;
            if ((l.n & (l.n - 1)) == 0)
                mark = addr;
            if (circle || l.n == MS_MAX || !read_m(go, addr, &m, &addr, &ignored)) {
                broken = true;
            } else if ((row = add(&l, sizeof m))) {
                *row = m;
            } else {
                free(l.row);
                return osp_fail_memory(err, "reading Ms");
            }
        }
        if (!broken || l.n >= ms->n) {
            free(ms->row);
            *ms = l;
        } else {
            free(l.row);
        }
        *torn = broken;
        if (!broken)
            return true;
    }
    return true;
}

/* The goroutine on each M. Dead ones (the spare of an M that C may call in on) are no goroutines. */
static bool read_gs(osp_go *go, const list *ms, list *gs, uint32_t *torn, osp_err *err)
{
    const osp_m *m = ms->row;
    for (uint32_t i = 0; i < ms->n; i++) {
        osp_g g;
        osp_err ignored; /* counted */
        if (m[i].curg == 0)
            continue;
        if (!osp_go_read_g(go, m[i].curg, &g, &ignored) || g.m != m[i].addr) {
            (*torn)++;
            continue;
        }
        if (g.status == OSP_G_DEAD || g.status == OSP_G_DEADEXTRA || g.status == OSP_G_IDLE)
            continue;
        osp_g *row = add(gs, sizeof g);
        if (!row)
            return osp_fail_memory(err, "reading goroutines");
        *row = g;
    }
    return true;
}

static bool read_ps(osp_go *go, list *ps, int64_t *free_gs, uint32_t *torn, osp_err *err)
{
    uint64_t slice[2];
    if (!go->global[OSP_GO_ALLP])
        return true;
    if (!go->mem.read(go->mem.ctx, go->global[OSP_GO_ALLP], slice, sizeof slice, err))
        return false;
    if (slice[1] > PS_MAX)
        return osp_fail(err, OSP_EFORMAT, "%llu Ps are not believed", (unsigned long long)slice[1]);
    for (uint64_t i = 0; i < slice[1]; i++) {
        uint64_t addr;
        int32_t nfree = 0;
        osp_p p;
        osp_err ignored; /* counted */
        if (!osp_go_word(go, slice[0] + 8 * i, &addr) || !read_p(go, addr, &p, &nfree, &ignored) ||
            p.id != (int32_t)i || p.status > 4 || nfree < 0) {
            (*torn)++;
            continue;
        }
        if (p.runq > RUNQ_MAX) { /* head and tail are moved by different threads */
            p.runq = 0;
            (*torn)++;
        }
        *free_gs += nfree;
        osp_p *row = add(ps, sizeof p);
        if (!row)
            return osp_fail_memory(err, "reading Ps");
        *row = p;
    }
    return true;
}

/* What runtime.NumGoroutine would say: all Gs ever made, less those on free lists, less the runtime's own. */
static int64_t count_goroutines(const osp_go *go, int64_t free_gs)
{
    const osp_go_places *at = &go->at;
    const int32_t field[] = {at->sched_ngsys, at->sched_free_n, at->sched_free_stack, at->sched_free_bare};
    uint64_t all;
    block b;
    osp_err ignored; /* -1 says it */
    if (!go->global[OSP_GO_ALLGLEN] || !go->global[OSP_GO_SCHED] || !go->global[OSP_GO_ALLP] ||
        !osp_go_word(go, go->global[OSP_GO_ALLGLEN], &all) || all > 1ull << 40 ||
        !read_block(go, go->global[OSP_GO_SCHED], field, sizeof field / sizeof *field, &b, &ignored))
        return -1;
    int64_t n = (int64_t)all - free_gs;
    for (size_t i = 0; i < sizeof field / sizeof *field; i++)
        n -= (int32_t)value(view_of(&b), field[i], 4);
    return n < 1 ? 1 : n; /* the counters are not read at one moment */
}

bool osp_go_snapshot_read(osp_go *go, osp_arena *a, osp_go_snapshot *out, osp_err *err)
{
    *out = (osp_go_snapshot){.taken_ns = osp_monotonic_ns(), .ngoroutine = -1};
    uint64_t allm, head;
    if (!osp_go_global(go, S("runtime.allm"), &allm))
        return osp_fail(err, OSP_EABSENT,
                        "the list of threads of the Go runtime was not found: %.*s is stripped of symbols and its "
                        "code does not show it, or the runtime has not started",
                        STRF(osp_object_name(go->object)));
    if (!go->mem.read(go->mem.ctx, allm, &head, sizeof head, err))
        return false;
    if (head && !go->checked && !osp_go_check(go, err))
        return false;
    if (!go->checked)
        return osp_fail(err, OSP_EABSENT, "the Go runtime of %.*s has not started", STRF(go->image.name));

    list ms = {0}, ps = {0}, gs = {0};
    int64_t free_gs = 0;
    bool ok = read_ms(go, head, &ms, &out->torn, err) && read_gs(go, &ms, &gs, &out->torn, err) &&
              read_ps(go, &ps, &free_gs, &out->torn, err);
    if (ok && go->namespaced) {
        osp_image_thread *thread;
        uint32_t n;
        ok = go->image.threads(go->image.ctx, a, &thread, &n, err);
        osp_m *m = ms.row;
        for (uint32_t i = 0; ok && i < ms.n; i++)
            m[i].tid = thread_of(thread, n, m[i].tid);
    }
    if (ok)
        out->ngoroutine = count_goroutines(go, free_gs);
    out->nm = ms.n;
    out->np = ps.n;
    out->ng = gs.n;
    out->m = settle(&ms, a, sizeof(osp_m), alignof(osp_m));
    out->p = settle(&ps, a, sizeof(osp_p), alignof(osp_p));
    out->g = settle(&gs, a, sizeof(osp_g), alignof(osp_g));
    return ok && ((out->m && out->p && out->g) || osp_fail_memory(err, "reading a Go process"));
}

/* ---- is the layout right? ----------------------------------------------------------------------------------- */

/* True for a moment whenever an M starts or ends, and for longer if its thread must wait for a processor then. */
static const char unsettled[] = "its count of Ms is another than those on the list";

/* What is wrong with what we read, or NULL. */
static const char *objection(const osp_go *go, const list *ms, const list *ps, const list *gs, uint32_t torn,
                             const osp_image_thread *thread, uint32_t nthread)
{
    const osp_m *m = ms->row;
    const osp_g *g = gs->row;
    uint32_t started = 0, known = 0;
    bool zero = false;
    for (uint32_t i = 0; i < ms->n; i++) {
        zero |= m[i].id == 0;
        started += m[i].tid != 0;
        known += m[i].tid != 0 && thread_of(thread, nthread, m[i].tid) != 0;
    }
    uint64_t mnext, nmfreed, sched = go->global[OSP_GO_SCHED];
    if (ms->n == 0 || torn > ms->n / 4)
        return "the list of Ms breaks";
    if (sched && osp_go_word(go, sched + (uint64_t)go->at.sched_mnext, &mnext) &&
        osp_go_word(go, sched + (uint64_t)go->at.sched_nmfreed, &nmfreed) && mnext - nmfreed != ms->n)
        return unsettled;
    if (!zero)
        return "there is no M 0";
    /* One is enough: before 1.19 the spare Ms of a C program keep the numbers of threads that have ended. */
    if (known == 0 && (started || ms->n > 1))
        return "its thread numbers are not threads of the process";
    if (go->global[OSP_GO_ALLP] && ps->n == 0)
        return "there is no P";
    for (uint32_t i = 0; i < gs->n; i++) {
        osp_symbol f;
        bool user = g[i].goid > 1 && g[i].startpc != 0;
        if (g[i].stack_hi == g[i].stack_lo)
            return "a running goroutine has no stack";
        if (user && osp_object_is_go(go->object, g[i].startpc - go->bias) &&
            (!osp_object_symbol_at(go->object, g[i].startpc - go->bias, &f) || f.start != g[i].startpc - go->bias))
            return "a goroutine starts in the middle of a function";
    }
    return NULL;
}

bool osp_go_check(osp_go *go, osp_err *err)
{
    uint64_t allm, head;
    if (!osp_go_global(go, S("runtime.allm"), &allm) || !osp_go_word(go, allm, &head) || head == 0)
        return true; /* nothing to compare with yet */
    const char *wrong = NULL;
    for (int try = 0; try < CHECKS; try++) {
        osp_arena a;
        osp_arena_init(&a, 64 << 20);
        list ms = {0}, ps = {0}, gs = {0};
        osp_image_thread *thread = NULL;
        int64_t free_gs = 0;
        uint32_t torn = 0, nthread = 0;
        bool ok = read_ms(go, head, &ms, &torn, err) && read_gs(go, &ms, &gs, &torn, err) &&
                  read_ps(go, &ps, &free_gs, &torn, err) &&
                  go->image.threads(go->image.ctx, &a, &thread, &nthread, err);
        bool started = !ok; /* M 0 learns its thread's number when the scheduler is up; others come later */
        for (uint32_t i = 0; i < ms.n; i++)
            started |= ((osp_m *)ms.row)[i].tid != 0;
        wrong = ok ? objection(go, &ms, &ps, &gs, torn, thread, nthread) : NULL;
        free(ms.row);
        free(ps.row);
        free(gs.row);
        osp_arena_drop(&a);
        if (!ok && err->code != OSP_EFORMAT)
            return false;
        if (ok && ms.n == 1 && !started)
            return true;
        if (ok && !wrong) {
            go->checked = true;
            return true;
        }
        if (!osp_go_word(go, allm, &head))
            break;
        if (wrong == unsettled)
            osp_go_let_it_settle(try);
    }
    if (!osp_go_alive(go))
        return osp_fail(err, OSP_EABSENT, "%.*s has exited", STRF(go->image.name));
    return osp_fail(err, OSP_EFORMAT,
                    "the structures of %.*s in %.*s are not where they should be by %.*s: %s; nothing of them is "
                    "believed",
                    STRF(go->version), STRF(go->image.name), STRF(go->source), wrong ? wrong : err->msg);
}
