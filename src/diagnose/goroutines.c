/* SPDX-License-Identifier: Apache-2.0 */
/* What the rules about Go's goroutines, locks, channels and timers share. All pure. */
#include "diagnose/diagnose_internal.h"

static bool file_is(const osp_call *c, const char *name)
{
    return osp_str_eq(osp_str_base(c->file), osp_str_from(name));
}

static bool file_starts(const osp_call *c, const char *head)
{
    return osp_str_starts(osp_str_base(c->file), osp_str_from(head));
}

static bool has(const osp_call *c, const char *part) { return osp_str_has(c->func, osp_str_from(part)); }

static bool is_below(const osp_call *c) { return c->kind == OSP_CALL_KERNEL || c->kind == OSP_CALL_VDSO; }

/* Part of how Go waits: the runtime, and what of the library stands between it and the program. */
static bool is_waiting_call(const osp_call *c)
{
    if (c->kind == OSP_CALL_RUNTIME || is_below(c))
        return true;
    return c->kind == OSP_CALL_STD &&
           (osp_str_starts(c->func, S("sync.")) || osp_str_starts(c->func, S("internal/sync.")) ||
            osp_str_starts(c->func, S("sync/atomic.")) || osp_str_starts(c->func, S("internal/poll.")) ||
            osp_str_starts(c->func, S("time.Sleep")) || osp_str_starts(c->func, S("internal/race.")) ||
            osp_str_starts(c->func, S("syscall.")) || osp_str_starts(c->func, S("internal/")));
}

osp_at osp_at_of(const osp_call *call, uint32_t n)
{
    osp_at at = OSP_AT_WORK;
    for (uint32_t i = 0; i < n && is_waiting_call(&call[i]); i++) {
        const osp_call *c = &call[i];
        if (has(c, "(*RWMutex).RLock") || has(c, "(*RWMutex).RUnlock") || has(c, "(*RWMutex).rUnlock"))
            return OSP_AT_READ_LOCK;
        if (has(c, "(*RWMutex).Lock") || has(c, "(*RWMutex).Unlock"))
            return OSP_AT_WRITE_LOCK; /* it has a mutex inside, so it is not taken for that */
        if (has(c, "(*Mutex).Lock") || has(c, "(*Mutex).Unlock") || has(c, "(*Mutex).lockSlow") ||
            has(c, "(*Mutex).unlockSlow"))
            at = OSP_AT_MUTEX;
        else if (has(c, "time.Sleep") || has(c, "runtime.timeSleep"))
            return OSP_AT_SLEEP;
        else if (has(c, "runtime.netpollblock") || has(c, "runtime_pollWait"))
            return OSP_AT_IO;
        else if (at == OSP_AT_WORK && c->kind == OSP_CALL_RUNTIME && file_is(c, "select.go"))
            return OSP_AT_SELECT;
        else if (at == OSP_AT_WORK && c->kind == OSP_CALL_RUNTIME && file_is(c, "chan.go") &&
                 (has(c, "chansend") || has(c, "selectnbsend")))
            return OSP_AT_SEND;
        else if (at == OSP_AT_WORK && c->kind == OSP_CALL_RUNTIME && file_is(c, "chan.go") &&
                 (has(c, "chanrecv") || has(c, "selectnbrecv")))
            return OSP_AT_RECEIVE;
    }
    return at;
}

/* What the runtime's frames at the leaf of a stack say. */
typedef struct {
    bool runtime, timers, births, handoff, other;
} below;

static below look_below(const osp_stack_fact *s)
{
    below b = {0};
    uint32_t i = 0;
    while (i < s->ncall && is_below(&s->call[i]))
        i++;
    for (; i < s->ncall && s->call[i].kind == OSP_CALL_RUNTIME; i++) {
        const osp_call *c = &s->call[i];
        b.runtime = true;
        b.timers |= file_is(c, "time.go");
        b.births |= has(c, "runtime.newproc") || has(c, "runtime.goexit0") || has(c, "runtime.gdestroy") ||
                    has(c, "runtime.gfget") || has(c, "runtime.gfput");
        b.handoff |= has(c, "startlockedm") || has(c, "stoplockedm") || has(c, "templateThread");
        b.other |= file_starts(c, "mgc") || file_starts(c, "malloc") || has(c, "cgocall") || has(c, "sysmon");
    }
    return b;
}

static osp_domain go_domain_of(const osp_stack_fact *s)
{
    uint32_t at = 0;
    while (at < s->ncall && is_below(&s->call[at]))
        at++;
    return at < s->ncall ? osp_domain_of(s->call + at, s->ncall - at, true) : s->in;
}

osp_go_work osp_go_work_of(const osp_facts *f)
{
    osp_go_work w = {0};
    for (uint32_t i = 0; i < f->nthread; i++) {
        w.demand += f->thread[i].demand;
        w.voluntary_per_s += f->thread[i].voluntary_per_s;
    }
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        osp_at at = osp_at_of(s->call, s->ncall);
        below b = look_below(s);
        osp_domain in = go_domain_of(s);
        w.at[at] += s->share;
        w.timers += b.timers || at == OSP_AT_SLEEP ? s->share : 0;
        w.births += b.births ? s->share : 0;
        w.handoff += b.handoff ? s->share : 0;
        w.scheduling += in == OSP_IN_GO_SCHEDULER ? s->share : 0;
        w.user += at == OSP_AT_WORK && in != OSP_IN_GO_SCHEDULER && !(b.runtime && !b.other && (b.timers || b.births))
                      ? s->share
                      : 0;
    }
    return w;
}

uint32_t osp_place_in(const osp_call *call, uint32_t n)
{
    uint32_t library = UINT32_MAX;
    for (uint32_t i = 0; i < n; i++) {
        if (call[i].kind == OSP_CALL_GO)
            return i;
        if (library == UINT32_MAX && call[i].kind == OSP_CALL_STD && !is_waiting_call(&call[i]))
            library = i;
    }
    return library;
}

const osp_goroutine_fact *osp_holder_of(const osp_facts *f, uint64_t goid)
{
    for (uint32_t i = 0; i < f->goroutine.nholder; i++)
        if (f->goroutine.holder[i].goid == goid)
            return &f->goroutine.holder[i];
    return NULL;
}

const osp_group_fact *osp_group_of(const osp_facts *f, const osp_goroutine_fact *h)
{
    return h && h->group < f->goroutine.ngroup ? &f->goroutine.group[h->group] : NULL;
}

void osp_finding_blame_group(const osp_facts *f, osp_finding *x, const osp_group_fact *g)
{
    uint32_t at = osp_place_in(g->call, g->ncall);
    const osp_call *blamed = at != UINT32_MAX    ? &g->call[at]
                             : g->start.func.n   ? &g->start
                             : g->creator.func.n ? &g->creator
                             : g->ncall          ? &g->call[0]
                                                 : NULL;
    osp_call *call = osp_new(f->arena, osp_call, g->ncall + 1);
    if (!blamed || !call)
        return;
    memcpy(call, g->call, g->ncall * sizeof *call);
    osp_stack_fact stack = {.call = call, .ncall = g->ncall};
    if (g->creator.func.n)
        call[stack.ncall++] = g->creator;
    osp_finding_blame(f, x, &(osp_blamed){.call = blamed, .stack = &stack});
}

osp_str osp_group_text(osp_arena *a, const osp_group_fact *g)
{
    uint32_t at = osp_place_in(g->call, g->ncall);
    return at != UINT32_MAX  ? osp_call_text(a, &g->call[at])
           : g->start.func.n ? osp_call_text(a, &g->start)
                             : S("an unknown place");
}
