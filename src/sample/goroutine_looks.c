/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at all goroutines of a process: which wait, on what, and where. Nothing is stopped and nothing is written, so
 * what is read may change while it is read. A pass:
 *
 *     1. look at each goroutine's structure (goruntime's table). It is as at the last look? Then so is its stack: count.
 *     2. Else it joins a queue. 64 of them are read together: the tops of their stacks, then their structures again.
 *        A structure that is still the same says that the stack held still meanwhile: unwind it, count.
 *     3. Else it ran meanwhile. It is read again alone, its structure, then stack and structure in one call, which is
 *        about 1 us; a few times.
 *
 * As at the last look: the same goroutine, pc, sp, and trackingSeq, which counts how often a goroutine has left its
 * thread. Without that counter, one that parks at one place by two ways would be taken for unchanged half of the time.
 * It is a byte, so that one in 256 of those that ran passes. It does not count system calls (since Go 1.26), coroutine
 * switches and stops for preemption: there the stack is always read.
 *
 * Time. A goroutine that is as at the last look has been so in between. If it is not, half of the time between counts for
 * what it did then, half for what it does now. So it does not matter how far looks are apart, but for the error: those
 * that wait for long are looked at less often (goruntime's table), and what a pass has no time for waits for the next. */
#include "base/clock.h"
#include "base/hash.h"
#include "sample/sample_internal.h"

#include <stdlib.h>

enum {
    QUEUE = 64,
    WINDOW = 4096, /* bytes of a stack that are read at once */
    RETRIES = 4,
    CODES = 256,
    STACK_MAX = 1 << 30, /* the runtime's own limit */
    LEARNING = 3,
    FIRST_RUNS = 256, /* of some 17 goroutines each: what the first pass looks at */
    APART = 1 << 14   /* so many goroutines are told apart */
};

/* What the function at its saved pc says of one that is not waiting. */
enum leaf { OTHER, PARK, YIELD, SYSCALL_EXIT, CGO_CALL };

/* A goroutine at its last look. */
struct slot {
    uint64_t goid, pc, sp;
    uint64_t held; /* time in its present state that was not given to the waits yet, in OSP_WAIT_ONE */
    uint32_t stack, labels;
    uint32_t own_labels; /* when its stack was last read */
    uint32_t pass;       /* of the last look: time is accounted for up to there */
    uint8_t kind;        /* osp_g_kind; 0: it was not looked at yet */
    uint8_t leaf, seq, how, waitreason;
    bool fresh;    /* it has not run: pc is where it starts */
    bool known;    /* it is in the state how, waitreason, stack, labels */
    bool labelled; /* own_labels are known */
    bool late;     /* its place on the list is new since we look, or another goroutine had it */
};

struct queued {
    uint32_t index;
    osp_g_look look;
};

struct osp_goroutines {
    osp_mem mem;
    osp_go *go;
    osp_waits *waits;
    osp_goroutines_opts opts;
    osp_g_table *table;
    struct slot *slot;
    size_t slot_cap;
    uint32_t nslot;
    size_t g_bytes;
    bool counts_runs; /* the release has trackingSeq */
    bool always[256]; /* wait reasons that it does not count */
    bool idle[256];   /* wait reasons of a finalizer goroutine without work */
    double cost_ns;   /* of a look at one run, a moving mean; 0: none was looked at */
    uint32_t pass;    /* number of this pass */
    bool learning;    /* there are runs that were never looked at */
    uint64_t pass_ns; /* CPU time at the start of this pass; 0: its patience is at an end */
    struct queued queue[QUEUE];
    size_t nqueue;
    osp_g of[QUEUE]; /* the same, read again */
    uint8_t *window; /* the tops of their stacks */
    uint8_t *again;  /* their structures */
    uint8_t alone[WINDOW];
    osp_labels_reader *reader;
    osp_labels_text *labels; /* QUEUE of them */
    osp_g_walker *walker;
    struct {
        uint64_t pc;
        uint8_t leaf;
        bool used;
    } code[CODES];
    osp_goroutines_stats stats;
    uint64_t pc[OSP_MAX_USER + 1];
};

static bool reason_is(const osp_go *go, unsigned reason, const char *text)
{
    return osp_str_eq(osp_go_waitreason_text(go, (uint8_t)reason), osp_str_from(text));
}

osp_goroutines *osp_goroutines_open(osp_mem mem, osp_go *go, osp_waits *waits, const osp_goroutines_opts *opts,
                                    osp_err *err)
{
    osp_goroutines *g = calloc(1, sizeof *g);
    osp_g_table *table = osp_g_table_open(go, err);
    if (!g || !table) {
        if (table)
            osp_fail_memory(err, "reading goroutines");
        osp_g_table_close(table);
        free(g);
        return NULL;
    }
    g->mem = mem;
    g->go = go;
    g->waits = waits;
    g->opts = *opts;
    g->table = table;
    g->g_bytes = osp_g_bytes(go);
    g->counts_runs = osp_go_offsets(go)->g_tracking_seq >= 0;
    for (unsigned r = 0; r < 256; r++) {
        g->always[r] = reason_is(go, r, "coroutine");
        g->idle[r] = reason_is(go, r, "finalizer wait") || reason_is(go, r, "cleanup wait");
    }
    g->window = malloc((size_t)QUEUE * WINDOW);
    g->again = malloc(QUEUE * g->g_bytes);
    g->labels = calloc(QUEUE, sizeof *g->labels);
    g->reader = osp_labels_reader_new(g->mem, osp_go_offsets(go)->labels_are_slice, err);
    g->walker = osp_g_walker_new(mem, go, err);
    if (!g->window || !g->again || !g->labels || !g->reader || !g->walker || g->g_bytes == 0) {
        osp_fail_memory(err, "reading goroutines");
        osp_goroutines_close(g);
        return NULL;
    }
    return g;
}

void osp_goroutines_close(osp_goroutines *g)
{
    if (!g)
        return;
    osp_g_table_close(g->table);
    free(g->slot);
    free(g->window);
    free(g->again);
    free(g->labels);
    osp_labels_reader_drop(g->reader);
    osp_g_walker_drop(g->walker);
    free(g);
}

void osp_goroutines_space(osp_goroutines *g, const osp_space *space, const osp_unwind_go *offsets)
{
    osp_g_walker_space(g->walker, space, offsets);
}

const osp_goroutines_stats *osp_goroutines_stats_of(const osp_goroutines *g) { return &g->stats; }

/* ---- reading ------------------------------------------------------------------------------------------------ */

static bool read_one(osp_goroutines *g, uint64_t addr, void *dst, size_t n)
{
    bool ok;
    osp_mem_read_each(&g->mem, &(osp_piece){addr, dst, n}, 1, &ok);
    return ok;
}

static bool same_place(const osp_g_look *a, const osp_g_look *b)
{
    return a->goid == b->goid && a->pc == b->pc && a->sp == b->sp && a->seq == b->seq &&
           (a->status == b->status ||
            (osp_g_stands(a) && osp_g_stands(b) && a->status != OSP_G_SYSCALL && b->status != OSP_G_SYSCALL));
}

/* Bytes of the stack of l to read at once; 0 if that cannot be its stack. */
static size_t window_of(const osp_g_look *l)
{
    if (l->sp == 0 || l->sp % 8 || l->sp >= l->stack_hi || l->stack_hi - l->sp > STACK_MAX)
        return 0;
    return l->stack_hi - l->sp < WINDOW ? (size_t)(l->stack_hi - l->sp) : WINDOW;
}

/* ---- what was seen ------------------------------------------------------------------------------------------ */

/* The runtime's own goroutines are no part of the program's waiting; its finalizers' are while they run the program's
 * code. As in Go's own goroutine profile. */
static bool left_out(const osp_goroutines *g, const struct slot *s, const osp_g_look *l)
{
    return s->kind == OSP_G_OF_RUNTIME ||
           (s->kind == OSP_G_OF_FINALIZERS && l->status == OSP_G_WAITING && g->idle[l->waitreason]);
}

static enum leaf leaf_by_name(osp_goroutines *g, uint64_t pc)
{
    uint64_t bias;
    osp_symbol f;
    osp_object *o = osp_go_object(g->go, &bias);
    if (!osp_object_symbol_at(o, pc - bias, &f))
        return OTHER;
    if (osp_str_starts(f.name, S("runtime.gopark")))
        return PARK;
    if (osp_str_starts(f.name, S("runtime.exitsyscall")))
        return SYSCALL_EXIT;
    if (osp_str_starts(f.name, S("runtime.cgocall")))
        return CGO_CALL;
    if (osp_str_eq(f.name, S("runtime.Gosched")) || osp_str_eq(f.name, S("runtime.goyield")) ||
        osp_str_eq(f.name, S("runtime.goschedguarded")))
        return YIELD;
    return OTHER;
}

static enum leaf leaf_of(osp_goroutines *g, uint64_t pc)
{
    size_t i = osp_hash_mix(pc, 1) % CODES;
    if (!g->code[i].used || g->code[i].pc != pc) {
        g->code[i].leaf = (uint8_t)leaf_by_name(g, pc);
        g->code[i].pc = pc;
        g->code[i].used = true;
    }
    return g->code[i].leaf;
}

static osp_how how_of(const struct slot *s, const osp_g_look *l)
{
    switch (l->status) {
    case OSP_G_SYSCALL:
        return s->leaf == CGO_CALL ? OSP_HOW_CGO : OSP_HOW_SYSCALL;
    case OSP_G_PREEMPTED:
        return OSP_HOW_PREEMPTED;
    case OSP_G_RUNNABLE:
        return s->leaf == PARK           ? OSP_HOW_WOKEN
               : s->leaf == YIELD        ? OSP_HOW_YIELDED
               : s->leaf == SYSCALL_EXIT ? OSP_HOW_AFTER_SYSCALL
               : s->fresh                ? OSP_HOW_NEW
                                         : OSP_HOW_PREEMPTED;
    default:
        return osp_g_stands(l) ? OSP_HOW_WAITING : OSP_HOW_RUNNING;
    }
}

/* ---- accounting --------------------------------------------------------------------------------------------- */

static bool elsewhere(const osp_goroutines *g, osp_how how)
{
    return g->opts.no_parked && (how == OSP_HOW_WAITING || how == OSP_HOW_WOKEN);
}

/* Give what a slot holds to the waits. */
static void release(osp_goroutines *g, struct slot *s)
{
    osp_waiting w = {
        .goid = s->goid, .stack = s->stack, .labels = s->labels, .how = s->how, .waitreason = s->waitreason};
    if (s->known && !elsewhere(g, s->how))
        osp_waits_add(g->waits, &w, s->held);
    s->held = 0;
}

static void change(osp_goroutines *g, osp_how how, uint8_t waitreason, double within)
{
    if (!elsewhere(g, how))
        osp_waits_change(g->waits, how, waitreason, within);
}

/* Its time up to now, half of which goes to what it did until now. Returns the other half, which goes to what it does
 * now: all, of one that was there before we looked first. */
static uint64_t pass_time(osp_goroutines *g, struct slot *s)
{
    uint64_t time = (uint64_t)(g->pass - s->pass) * OSP_WAIT_ONE, before = s->known || s->late ? time / 2 : 0;
    if (s->known) {
        s->held += before;
        release(g, s);
        change(g, s->how, s->waitreason, -(double)(g->pass - s->pass));
    }
    return time - before;
}

/* It does nothing that we count, or is gone. */
static void leave(osp_goroutines *g, struct slot *s)
{
    pass_time(g, s);
    s->pass = g->pass;
    s->known = false;
    s->late = true;
}

/* It is in this state, with this stack and these labels. True if that is new. */
static bool enter(osp_goroutines *g, struct slot *s, const osp_g_look *l, uint32_t stack, uint32_t labels)
{
    osp_how how = how_of(s, l);
    bool has_reason = how == OSP_HOW_WAITING || how == OSP_HOW_WOKEN; /* elsewhere it is a former one */
    uint8_t waitreason = has_reason ? l->waitreason : 0;
    if (s->known && s->how == how && s->waitreason == waitreason && s->stack == stack && s->labels == labels) {
        s->held += (uint64_t)(g->pass - s->pass) * OSP_WAIT_ONE;
        s->pass = g->pass;
        return false;
    }
    bool counts = s->known || s->late;
    double within = g->pass - s->pass;
    s->held = pass_time(g, s);
    if (counts)
        change(g, how, waitreason, within);
    s->pass = g->pass;
    s->how = (uint8_t)how;
    s->waitreason = waitreason;
    s->stack = stack;
    s->labels = labels;
    s->known = true;
    return true;
}

void osp_goroutines_parked(const osp_goroutines *g, osp_each_parked *each, void *ctx)
{
    for (uint32_t i = 0; i < g->nslot; i++) {
        const struct slot *s = &g->slot[i];
        osp_waiting w = {
            .goid = s->goid, .stack = s->stack, .labels = s->labels, .how = s->how, .waitreason = s->waitreason};
        if (s->known && s->how == OSP_HOW_WAITING)
            each(ctx, osp_g_table_addr(g->table, i), &w);
    }
}

bool osp_goroutines_is_runtimes(osp_goroutines *g, const uint64_t *pc, size_t n)
{
    uint64_t bias;
    osp_symbol f;
    osp_object *o = osp_go_object(g->go, &bias);
    return n > 1 && osp_object_symbol_at(o, pc[n - 1] - bias, &f) && osp_str_starts(f.name, S("runtime.goexit")) &&
           osp_g_kind_of(g->go, pc[n - 2]) != OSP_G_OF_USER;
}

bool osp_goroutines_labels(const osp_goroutines *g, osp_index *out)
{
    bool ok = true;
    for (uint32_t i = 0; i < g->nslot && ok; i++)
        ok = !g->slot[i].labelled || osp_index_put(out, g->slot[i].goid, g->slot[i].own_labels);
    return ok;
}

void osp_goroutines_settle(osp_goroutines *g)
{
    g->stats.unreached = 0;
    for (uint32_t i = 0; i < g->nslot; i++) {
        struct slot *s = &g->slot[i];
        if (s->known) {
            s->held += (uint64_t)(g->pass - s->pass) * OSP_WAIT_ONE;
            release(g, s);
        }
        g->stats.unreached += !s->known && !s->late;
        s->pass = g->pass;
    }
}

/* ---- what is taken down ------------------------------------------------------------------------------------- */

/* Take down who this is. */
static void meet(osp_goroutines *g, struct slot *s, const osp_g *of)
{
    if (s->goid == of->goid && s->kind)
        return;
    if (s->kind) /* another was here */
        leave(g, s);
    *s = (struct slot){
        .goid = of->goid, .pass = s->pass, .late = s->late, .kind = (uint8_t)osp_g_kind_of(g->go, of->startpc)};
}

/* Take down where it stands, with the stack in g->pc. */
static void settle(osp_goroutines *g, struct slot *s, const osp_g *of, const osp_g_look *l, size_t npc,
                   uint32_t labels)
{
    s->pc = l->pc;
    s->sp = l->sp;
    s->seq = l->seq;
    s->leaf = (uint8_t)leaf_of(g, l->pc);
    s->fresh = l->pc == of->startpc;
    if (g->opts.creators && of->gopc)
        g->pc[npc++] = of->gopc - 1; /* where the call of newproc returned to */
    s->own_labels = labels;
    s->labelled = true;
    enter(g, s, l, osp_waits_stack(g->waits, g->pc, npc), s->own_labels);
}

/* ---- one goroutine, read again alone ------------------------------------------------------------------------ */

/* Its stack and structure at one moment, nearly; false if it ran meanwhile. */
static bool read_at_once(osp_goroutines *g, uint64_t addr, const osp_g_look *l, uint8_t *window, size_t bytes,
                         osp_g *of)
{
    osp_piece piece[2] = {{l->sp, window, bytes}, {addr, g->again, g->g_bytes}};
    bool ok[2];
    osp_mem_read_each(&g->mem, piece, 2, ok);
    if (!ok[0] || !ok[1] || !osp_g_decode(g->go, addr, g->again, of))
        return false;
    osp_g_look now = osp_g_look_of(of);
    return same_place(&now, l);
}

static bool still_there(osp_goroutines *g, uint64_t addr, const osp_g_look *l)
{
    osp_g of;
    if (!read_one(g, addr, g->again, g->g_bytes) || !osp_g_decode(g->go, addr, g->again, &of))
        return false;
    osp_g_look now = osp_g_look_of(&of);
    return same_place(&now, l);
}

/* One try: it is read, unwound and counted, or it ran meanwhile. */
static bool try_alone(osp_goroutines *g, uint32_t index)
{
    struct slot *s = &g->slot[index];
    uint64_t addr = osp_g_table_addr(g->table, index);
    osp_g of;
    if (!read_one(g, addr, g->again, g->g_bytes) || !osp_g_decode(g->go, addr, g->again, &of))
        return false;
    osp_g_look l = osp_g_look_of(&of);
    size_t n, bytes = window_of(&l);
    bool behind;
    meet(g, s, &of);
    if (!osp_g_stands(&l) || bytes == 0 || !read_at_once(g, addr, &l, g->alone, bytes, &of))
        return false;
    int end = osp_g_walk(g->walker, &of, (osp_span){g->alone, bytes}, g->pc, OSP_MAX_USER, &n, &behind);
    if (of.labels)
        osp_labels_read(g->reader, &of.labels, 1, g->labels);
    else
        g->labels[0].n = 0;
    if ((behind || of.labels) && !still_there(g, addr, &l))
        return false;
    g->stats.ended[end]++;
    settle(g, s, &of, &l, n, osp_waits_labels(g->waits, (osp_str){g->labels[0].text, g->labels[0].n}));
    return true;
}

/* It ran while it was read. If it will not hold still it counts as it was looked at first, with its leaf alone. */
static void read_alone(osp_goroutines *g, const struct queued *q)
{
    struct slot *s = &g->slot[q->index];
    for (int i = 0; i < RETRIES; i++)
        if (try_alone(g, q->index))
            return;
    if (s->goid != q->look.goid || left_out(g, s, &q->look))
        return;
    g->stats.torn++;
    osp_g of = {.startpc = 0};
    g->pc[0] = q->look.pc;
    settle(g, s, &of, &q->look, 1, s->labelled ? s->own_labels : osp_waits_labels(g->waits, S("")));
    s->sp = 0; /* so that the next look reads it again */
}

/* ---- the queue ---------------------------------------------------------------------------------------------- */

/* The tops of all stacks, then all structures again. window_ok[i], again_ok[i]: whether they came. */
static void read_queue(osp_goroutines *g, bool *window_ok, bool *again_ok)
{
    osp_piece piece[QUEUE];
    for (size_t i = 0; i < g->nqueue; i++) {
        const osp_g_look *l = &g->queue[i].look;
        size_t n = osp_g_stands(l) ? window_of(l) : 0;
        piece[i] =
            (osp_piece){n ? l->sp : osp_g_table_addr(g->table, g->queue[i].index), g->window + i * WINDOW, n ? n : 8};
    }
    osp_mem_read_each(&g->mem, piece, g->nqueue, window_ok);
    for (size_t i = 0; i < g->nqueue; i++)
        piece[i] = (osp_piece){osp_g_table_addr(g->table, g->queue[i].index), g->again + i * g->g_bytes, g->g_bytes};
    osp_mem_read_each(&g->mem, piece, g->nqueue, again_ok);
}

/* Is what was read again still what was looked at? */
static bool held_still(osp_goroutines *g, size_t i)
{
    uint64_t addr = osp_g_table_addr(g->table, g->queue[i].index);
    if (!osp_g_decode(g->go, addr, g->again + i * g->g_bytes, &g->of[i]))
        return false;
    osp_g_look now = osp_g_look_of(&g->of[i]);
    return same_place(&now, &g->queue[i].look);
}

/* The labels of those in the queue that have some; ok[i] becomes false for those that ran meanwhile. */
static void read_labels(osp_goroutines *g, bool *ok)
{
    uint64_t at[QUEUE];
    osp_piece piece[QUEUE];
    bool again_ok[QUEUE];
    size_t of[QUEUE], n = 0;
    for (size_t i = 0; i < g->nqueue; i++) {
        at[i] = ok[i] && osp_g_stands(&g->queue[i].look) ? g->of[i].labels : 0;
        g->labels[i].n = 0;
        if (at[i]) {
            of[n] = i;
            piece[n++] = (osp_piece){g->of[i].addr, g->again + i * g->g_bytes, g->g_bytes};
        }
    }
    if (n == 0)
        return;
    osp_labels_read(g->reader, at, g->nqueue, g->labels);
    osp_mem_read_each(&g->mem, piece, n, again_ok);
    for (size_t i = 0; i < n; i++)
        ok[of[i]] = again_ok[i] && held_still(g, of[i]);
}

/* Unwind and count number i of the queue, which held still. */
static void take(osp_goroutines *g, size_t i)
{
    const struct queued *q = &g->queue[i];
    struct slot *s = &g->slot[q->index];
    size_t n;
    bool behind;
    meet(g, s, &g->of[i]);
    if (left_out(g, s, &q->look)) {
        leave(g, s);
        return;
    }
    if (!osp_g_stands(&q->look)) {
        enter(g, s, &q->look, 0, 0);
        return;
    }
    int end = osp_g_walk(g->walker, &g->of[i], (osp_span){g->window + i * WINDOW, window_of(&q->look)}, g->pc,
                         OSP_MAX_USER, &n, &behind);
    if (behind) { /* what lies behind the window was read later: the stack may have moved on */
        read_alone(g, q);
        return;
    }
    g->stats.ended[end]++;
    settle(g, s, &g->of[i], &q->look, n, osp_waits_labels(g->waits, (osp_str){g->labels[i].text, g->labels[i].n}));
}

static void flush(osp_goroutines *g)
{
    bool window_ok[QUEUE], ok[QUEUE];
    if (g->nqueue == 0)
        return;
    read_queue(g, window_ok, ok);
    for (size_t i = 0; i < g->nqueue; i++)
        ok[i] = ok[i] && held_still(g, i) &&
                (!osp_g_stands(&g->queue[i].look) || (window_ok[i] && window_of(&g->queue[i].look)));
    read_labels(g, ok);
    if (g->pass_ns && osp_clock_ns(CLOCK_THREAD_CPUTIME_ID) - g->pass_ns > g->opts.patience_ns) {
        g->opts.at_its_end(g->opts.ctx);
        g->pass_ns = 0;
    }
    g->stats.unwound += g->nqueue;
    for (size_t i = 0; i < g->nqueue; i++)
        if (ok[i])
            take(g, i);
        else
            read_alone(g, &g->queue[i]);
    g->nqueue = 0;
}

/* ---- a pass ------------------------------------------------------------------------------------------------- */

/* Is its stack the one that the slot has? */
static bool unchanged(const osp_goroutines *g, const struct slot *s, const osp_g_look *l)
{
    return g->counts_runs && l->status != OSP_G_SYSCALL && l->status != OSP_G_PREEMPTED &&
           !g->always[l->waitreason] && s->pc == l->pc && s->sp == l->sp && s->sp && s->seq == l->seq;
}

static bool on_look(void *ctx, uint32_t index, const osp_g_look *l)
{
    osp_goroutines *g = ctx;
    struct slot *s = &g->slot[index];
    g->stats.looked++;
    if (osp_g_is_gone(l)) {
        bool was_there = s->known;
        leave(g, s);
        return was_there;
    }
    if (s->kind && s->goid == l->goid) {
        if (left_out(g, s, l)) {
            leave(g, s);
            return false;
        }
        if (!osp_g_stands(l))
            return enter(g, s, l, 0, 0);
        if (s->known && unchanged(g, s, l))
            return enter(g, s, l, s->stack, s->labels);
    }
    g->queue[g->nqueue++] = (struct queued){index, *l};
    if (g->nqueue == QUEUE)
        flush(g);
    return true;
}

/* How many runs the budget allows to look at, from what a run cost lately; more while there are some that were never
 * looked at, whose stacks are all to be read. */
static uint32_t most_runs(const osp_goroutines *g)
{
    double budget_ns = 1000.0 * g->opts.budget_us * (g->learning ? LEARNING : 1);
    double allowed = g->cost_ns > 0 ? budget_ns / g->cost_ns : g->opts.no_parked ? UINT32_MAX : FIRST_RUNS;
    return allowed < 1 ? 1 : allowed > UINT32_MAX ? UINT32_MAX : (uint32_t)allowed;
}

static bool grow(osp_goroutines *g, osp_err *err)
{
    uint32_t n;
    void *slot = g->slot;
    if (!osp_g_table_grow(g->table, &n, err))
        return false;
    if (!osp_grow(&slot, &g->slot_cap, n, sizeof *g->slot))
        return osp_fail_memory(err, "reading goroutines");
    g->slot = slot;
    for (; g->nslot < n;
         g->nslot++) /* those of the first pass were there before it, and all the time since the start */
        g->slot[g->nslot] = (struct slot){.pass = g->pass - 1, .late = g->pass > 1};
    if (n > APART)
        osp_waits_put_together(g->waits);
    return true;
}

bool osp_goroutines_pass(osp_goroutines *g, osp_err *err)
{
    osp_g_table_stats did;
    uint64_t before = osp_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    g->pass++;
    if (!grow(g, err)) {
        g->pass--;
        return false;
    }
    g->pass_ns = osp_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    uint64_t grown = g->pass_ns;
    bool ok = osp_g_table_pass(g->table, most_runs(g), on_look, g, &did, err);
    g->learning = did.fresh > 0;
    flush(g);
    osp_waits_moment(g->waits);
    uint64_t now = osp_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    if (did.runs) {
        double cost = (double)(now - grown) / did.runs;
        g->cost_ns = g->cost_ns > 0 ? 0.7 * g->cost_ns + 0.3 * cost : cost;
    }
    g->stats.late += did.late;
    g->stats.runs += did.runs;
    g->stats.unread += did.unread;
    g->stats.cpu_ns += now - before;
    g->stats.slowest_ns = now - before > g->stats.slowest_ns ? now - before : g->stats.slowest_ns;
    g->stats.goroutines = g->nslot;
    return ok;
}
