/* SPDX-License-Identifier: Apache-2.0 */
/* Timers in groups: what goes off, how often, how many of the same. What the runtime calls says what a timer is (time.sendTime,
 * time.goFunc, runtime.goroutineReady …), what it is called with says of whom. */
#include "inspect/inspect_internal.h"

#include "base/buf.h"

#include <stdlib.h>

enum { NAMES = 256, FRAMES = 16 };

osp_str osp_timer_kind_text(osp_timer_kind k)
{
    static const char *const text[OSP_TIMER_KINDS] = {"ticker",   "timer",   "func", "sleep",
                                                      "deadline", "runtime", "other"};
    return osp_str_from(text[k]);
}

/* What the runtime calls, by its name. */
typedef struct {
    uint64_t pc;
    bool known;
    enum { SENDS, CALLS, WAKES, READS, WRITES, BOTH, OF_RUNTIME, OTHER } what;
} callee;

typedef struct {
    osp_inspect *in;
    osp_go *go;
    osp_wait_reader *reader;
    callee cache[NAMES];
    bool eager;       /* GODEBUG=asynctimerchan=1: timers that send are as they were before Go 1.23 */
    osp_index by_key; /* -> number in row */
    osp_timer_group *row;
    size_t cap, n;
} grouping;

static const callee *callee_of(grouping *g, uint64_t pc)
{
    static const struct {
        const char *name;
        int what;
    } known[] = {{"time.sendTime", SENDS},
                 {"time.goFunc", CALLS},
                 {"runtime.goroutineReady", WAKES},
                 {"runtime.netpollReadDeadline", READS},
                 {"runtime.netpollWriteDeadline", WRITES},
                 {"runtime.netpollDeadline", BOTH}};
    callee *c = &g->cache[osp_hash_mix(pc, 1) % NAMES];
    if (c->known && c->pc == pc)
        return c;
    const osp_spot *spot;
    size_t n = osp_inspect_spots(g->in, pc, &spot);
    *c = (callee){.pc = pc, .known = true, .what = spot[n - 1].runtime ? OF_RUNTIME : OTHER};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (osp_str_eq(spot[n - 1].func, osp_str_from(known[i].name)))
            c->what = known[i].what;
    return c;
}

/* ---- where a goroutine sleeps ---------------------------------------------------------------------------------------- */

static bool read_word(void *ctx, uint64_t addr, uint64_t *word)
{
    const osp_mem *mem = &osp_inspect_image(ctx)->mem;
    osp_err ignored; /* the walk says where it ended */
    return mem->read(mem->ctx, addr, word, sizeof *word, &ignored);
}

static bool rule_at(void *ctx, uint64_t addr, uint32_t *rule)
{
    return osp_space_rule(osp_inspect_space(ctx), addr, rule);
}

/* The innermost call of a goroutine that waits which is not the runtime's own; NULL if none is found. */
static const osp_spot *place_of(osp_inspect *in, const osp_g *g)
{
    uint64_t pc[FRAMES];
    size_t n = 0;
    osp_unwind_env env = {in, read_word, rule_at};
    osp_unwind_at at = {.g = g->addr,
                        .stack_lo = g->stack_lo,
                        .stack_hi = g->stack_hi,
                        .pc = g->sched_pc,
                        .sp = g->sched_sp,
                        .fp = g->sched_bp,
                        .aarch64 = OSP_AARCH64};
    if (at.aarch64)
        (void)read_word(in, g->addr + osp_inspect_offsets(in)->g_sched_lr, &at.link);
    (void)osp_unwind_parked(&env, osp_inspect_offsets(in), &at, pc, FRAMES, &n); /* cut is enough */
    for (size_t i = 1; i < n; i++) { /* the first is the place that it was parked at */
        const osp_spot *spot;
        size_t k = osp_inspect_spots(in, pc[i], &spot);
        for (size_t j = 0; j < k; j++)
            if (spot[j].func.n && !spot[j].runtime && !osp_str_eq(spot[j].func, S("time.Sleep")))
                return &spot[j];
    }
    return NULL;
}

/* ---- groups --------------------------------------------------------------------------------------------------------- */

/* A group of its kind, without its members. pc: whose name it gets. */
static osp_timer_group begin(grouping *g, const osp_go_timer *t, uint64_t *pc, osp_g *sleeper)
{
    const callee *c = callee_of(g, t->pc);
    osp_timer_group out = {.period_ns = t->period_ns, .fd = -1};
    osp_err ignored; /* it has gone on */
    uint64_t waiting;
    *pc = t->pc;
    switch (c->what) {
    case SENDS:
        out.kind = t->period_ns ? OSP_TIMER_TICKER : OSP_TIMER_CHANNEL;
        if (osp_wait_receiver(g->reader, t->arg, &waiting) && osp_go_read_g(g->go, waiting, sleeper, &ignored) &&
            sleeper->startpc && sleeper->status == OSP_G_WAITING) {
            *pc = sleeper->startpc;
            out.goid = sleeper->goid;
        }
        break;
    case CALLS:
        out.kind = OSP_TIMER_FUNC;
        *pc = t->arg_pc ? t->arg_pc : t->pc;
        break;
    case WAKES:
        out.kind = OSP_TIMER_SLEEP;
        if (osp_go_read_g(g->go, t->arg, sleeper, &ignored) && sleeper->startpc) {
            *pc = sleeper->startpc;
            out.goid = sleeper->goid;
        }
        break;
    case READS:
    case WRITES:
    case BOTH:
        out.kind = OSP_TIMER_DEADLINE;
        if (!osp_go_poll_fd(g->go, t->arg, &out.fd))
            out.fd = -1;
        break;
    default:
        out.kind = c->what == OF_RUNTIME ? OSP_TIMER_RUNTIME : OSP_TIMER_OTHER;
    }
    return out;
}

static bool add(grouping *g, const osp_go_timer *t)
{
    uint64_t pc;
    osp_g sleeper;
    osp_timer_group made = begin(g, t, &pc, &sleeper);
    uint64_t key = osp_hash_mix(osp_hash_mix(pc, (uint64_t)made.kind), (uint64_t)t->period_ns);
    uint32_t at = osp_index_find(&g->by_key, key);
    if (at == UINT32_MAX) {
        const osp_spot *spot;
        size_t n = osp_inspect_spots(g->in, pc, &spot);
        const osp_spot *place = made.goid ? place_of(g->in, &sleeper) : NULL;
        spot = place ? place : &spot[n - 1];
        made.func = spot->func;
        made.file = spot->file;
        made.line = spot->line;
        made.first_ns = INT64_MAX;
        made.last_ns = INT64_MIN;
        if (!osp_grow((void **)&g->row, &g->cap, g->n + 1, sizeof made) ||
            !osp_index_put(&g->by_key, key, (uint32_t)g->n))
            return false;
        at = (uint32_t)g->n;
        g->row[g->n++] = made;
    }
    osp_timer_group *row = &g->row[at];
    if (t->zombie) {
        row->zombies++;
        return true;
    }
    g->eager |= !t->channel && (made.kind == OSP_TIMER_TICKER || made.kind == OSP_TIMER_CHANNEL);
    row->n++;
    row->blocked += t->blocked > 0;
    row->first_ns = t->due_ns < row->first_ns ? t->due_ns : row->first_ns;
    row->last_ns = t->due_ns > row->last_ns ? t->due_ns : row->last_ns;
    return true;
}

static int larger_first(const void *a, const void *b)
{
    const osp_timer_group *x = a, *y = b;
    if (x->n != y->n)
        return (x->n < y->n) - (x->n > y->n);
    if (x->zombies != y->zombies)
        return (x->zombies < y->zombies) - (x->zombies > y->zombies);
    return (x->first_ns > y->first_ns) - (x->first_ns < y->first_ns);
}

static bool count_ps(const osp_go_timers *from, osp_arena *a, osp_timers *out)
{
    out->p = osp_new(a, osp_timer_p, from->np);
    for (uint32_t i = 0; out->p && i < from->n; i++) { /* they come P by P */
        const osp_go_timer *t = &from->timer[i];
        if (out->np == 0 || out->p[out->np - 1].p != t->p) {
            if (out->np == from->np)
                break;
            out->p[out->np++] = (osp_timer_p){.p = t->p, .first_ns = INT64_MAX};
        }
        osp_timer_p *p = &out->p[out->np - 1];
        p->n += !t->zombie;
        p->zombies += t->zombie;
        p->first_ns = !t->zombie && t->due_ns < p->first_ns ? t->due_ns : p->first_ns;
        out->n += !t->zombie;
        out->zombies += t->zombie;
    }
    out->nwithout = from->np - out->np;
    return out->p != NULL;
}

static void say_descriptors(const osp_inspect *in, osp_timers *t)
{
    osp_process *p = osp_inspect_image(in)->process;
    osp_fds *fds = p ? osp_fds_of(p) : NULL;
    for (uint32_t i = 0; fds && i < t->ngroup; i++)
        if (t->group[i].fd >= 0)
            (void)osp_fd_text(fds, t->group[i].fd, t->group[i].fd_text, sizeof t->group[i].fd_text);
    osp_fds_drop(fds);
}

bool osp_inspect_timers(osp_inspect *in, osp_arena *a, osp_timers *out, osp_err *err)
{
    osp_go_timers from;
    *out = (osp_timers){0};
    if (!osp_go_timers_read(osp_inspect_go(in), a, &from, err))
        return false;
    grouping *g = calloc(1, sizeof *g);
    bool ok = g != NULL;
    if (g) {
        g->in = in;
        g->go = osp_inspect_go(in);
        g->reader = osp_wait_reader_new(g->go, err);
        ok = g->reader != NULL;
    }
    for (uint32_t i = 0; ok && i < from.n; i++)
        ok = add(g, &from.timer[i]);
    out->go_version = osp_go_version(osp_inspect_go(in));
    out->torn = from.torn;
    out->lazy = from.lazy && g && !g->eager;
    out->live = from.live;
    out->group = ok ? osp_new(a, osp_timer_group, g->n) : NULL;
    ok = ok && out->group && count_ps(&from, a, out);
    if (ok && g->n) {
        out->ngroup = (uint32_t)g->n;
        memcpy(out->group, g->row, g->n * sizeof *g->row);
        qsort(out->group, out->ngroup, sizeof *out->group, larger_first);
        say_descriptors(in, out);
    }
    if (g) {
        osp_wait_reader_drop(g->reader);
        osp_index_drop(&g->by_key);
        free(g->row);
    }
    free(g);
    return ok || osp_fail_memory(err, "reading timers");
}
