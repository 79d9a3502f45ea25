/* SPDX-License-Identifier: Apache-2.0 */
/* An event loop that never sleeps: something is ready each time, and is not dealt with; or it asks with a time limit of 0. */
#include "diagnose/diagnose_internal.h"

#include <sys/epoll.h>

static const double rate_floor = 1000, demand_floor = 0.1, share_floor = 0.05;
/* An event loop that works reads or writes once at least for each time that it was woken. */
static const double idle_io = 0.2;

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_epoll_busy = {
    .name = "epoll-busy",
    .asks = "does an event loop turn without end over something that it does not deal with?",
    .topic = "system calls",
    .more = "syscalls PID",
    .title = "an event loop that never sleeps",
    .order = 7,
    .wants = osp_wants_calls,
    .check = check,
};

static bool is_wait(osp_str name)
{
    return osp_str_among(name, "epoll_wait epoll_pwait epoll_pwait2 poll ppoll select pselect6");
}

/* Go's own poller, whichever goroutine it works for. */
static bool is_runtimes(const osp_place_fact *p)
{
    for (uint32_t i = 0; i < p->ncall; i++) {
        if (osp_str_eq(p->call[i].func, S("runtime.netpoll")))
            return true;
        if (p->call[i].kind == OSP_CALL_GO || p->call[i].kind == OSP_CALL_C)
            return false;
    }
    return false;
}

static bool programs_wait(const osp_place_fact *p, const void *ctx)
{
    const osp_called_fact *r = ctx;
    return osp_str_eq(p->name, r->name) && !is_runtimes(p);
}

/* The part of the calls of one name that the program makes itself, by the stacks that were seen. */
static double programs_part(const osp_facts *f, const osp_called_fact *r)
{
    double own = 0, all = 0;
    for (uint32_t i = 0; i < f->calls.nplace; i++) {
        const osp_place_fact *p = &f->calls.place[i];
        if (!p->ncall || !osp_str_eq(p->name, r->name))
            continue;
        all += p->count;
        own += is_runtimes(p) ? 0 : p->count;
    }
    return all > 0 ? own / all : 0;
}

/* Reads, writes and accepts that came to something, a second; on one descriptor, or (-1) on all. */
static double work_per_s(const osp_facts *f, int fd)
{
    double sum = 0;
    for (uint32_t i = 0; i < f->calls.nused; i++) {
        const osp_used_fact *u = &f->calls.used[i];
        if ((fd < 0 || u->fd == fd) && osp_io_of(u->name) != OSP_IO_NONE && !u->error.n)
            sum += u->per_s - u->nothing_per_s;
    }
    return sum;
}

/* What is ready and not touched. */
static const osp_ready_fact *untouched(const osp_facts *f, double rate)
{
    for (uint32_t i = 0; i < f->calls.nready; i++) {
        const osp_ready_fact *r = &f->calls.ready[i];
        if (!(r->events & EPOLLET) && work_per_s(f, r->fd) < 0.05 * rate)
            return r;
    }
    return NULL;
}

static osp_str bits_text(osp_arena *a, uint32_t bits)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } known[] = {{EPOLLIN, "EPOLLIN"},   {EPOLLPRI, "EPOLLPRI"}, {EPOLLOUT, "EPOLLOUT"},
                 {EPOLLERR, "EPOLLERR"}, {EPOLLHUP, "EPOLLHUP"}, {EPOLLRDHUP, "EPOLLRDHUP"}};
    osp_str s = S("");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (bits & known[i].bit)
            s = osp_arena_fmt(a, "%.*s%s%s", STRF(s), s.n ? " " : "", known[i].name);
    return s;
}

typedef struct {
    const osp_called_fact *row;
    double rate; /* of the program's own */
    bool empty;  /* it gives nothing: its time limit is 0 */
} busy_wait;

/* The wait that returns at once, again and again. */
static bool find_wait(const osp_facts *f, busy_wait *out)
{
    *out = (busy_wait){0};
    for (uint32_t i = 0; i < f->calls.n; i++) {
        const osp_called_fact *r = &f->calls.row[i];
        /* A wait of more than some microseconds did sleep, or waited for a CPU. */
        if (!is_wait(r->name) || r->per_s < rate_floor || r->p50_ns > 20000 || r->errors_per_s > 0.1 * r->per_s)
            continue;
        double rate = r->per_s * programs_part(f, r);
        if (rate > out->rate && rate >= rate_floor)
            *out = (busy_wait){r, rate, r->nothing_per_s > 0.5 * r->per_s};
    }
    return out->row;
}

static void check(const osp_facts *f, osp_findings *out)
{
    busy_wait w;
    osp_blamed who;
    if (!f->calls.known || !find_wait(f, &w))
        return;
    const osp_ready_fact *r = w.empty ? NULL : untouched(f, w.rate);
    double work = work_per_s(f, -1);
    if ((!r && work > idle_io * w.rate) ||
        !osp_blame_places(f, f->calls.place, f->calls.nplace, programs_wait, w.row, &who))
        return;
    osp_below b = osp_samples_below(f, who.call);
    if (b.share < share_floor || b.demand < demand_floor || b.of_tasks < 0.4)
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_epoll_busy, w.empty ? "zero timeout" : NULL,
                              (r ? 0.8 : 0.7) + 0.17 * osp_ramp(b.share, share_floor, 0.4), b.share);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_finding_blame(f, x, &who);
    osp_str what = r && r->what.n ? osp_arena_fmt(a, " (%.*s)", STRF(r->what)) : S("");
    osp_str cause = w.empty ? S("nothing is ready and it does not wait")
                    : r ? osp_arena_fmt(a, "descriptor %d%.*s is ready and nobody deals with it", r->fd, STRF(what))
                        : S("something is ready each time and nobody deals with it");
    x->summary =
        osp_arena_fmt(a, "%.*s turns %.*s times a second: %.*s. %.0f %% of this process's CPU.",
                      STRF(osp_call_text(a, who.call)), STRF(osp_rate_text(a, w.rate)), STRF(cause), 100 * b.share);
    osp_finding_evidence(x, osp_arena_fmt(a, "%.*s", STRF(w.row->name)), w.rate, "calls/s", "syscalls");
    osp_finding_evidence(x, w.empty ? S("of them find nothing ready") : S("of them find something ready at once"),
                         100 * (w.empty ? w.row->nothing_per_s : w.row->per_s - w.row->nothing_per_s) / w.row->per_s,
                         "%", "syscalls");
    osp_finding_evidence(x, S("half of them return within"), (double)w.row->p50_ns, "ns", "syscalls");
    if (r)
        osp_finding_evidence(x,
                             osp_arena_fmt(a, "ready on descriptor %d%.*s: %.*s; asked for: %.*s", r->fd, STRF(what),
                                           STRF(bits_text(a, r->ready)), STRF(bits_text(a, r->events))),
                             1, "descriptor", "fdinfo, poll");
    osp_finding_evidence(x,
                         r ? S("reads, writes and accepts on it that came to something")
                           : S("reads, writes and accepts that came to something"),
                         r ? work_per_s(f, r->fd) : work, "calls/s", "syscalls");
    osp_finding_evidence(
        x,
        b.goid ? osp_arena_fmt(a, "of a core wanted below it; goroutine %llu", (unsigned long long)b.goid)
               : osp_arena_fmt(a, "of a core wanted below it; thread %d", b.tid),
        100 * b.demand, "%", "schedstat");
    x->next = w.empty ? osp_arena_fmt(a, "give the wait in %.*s a time limit, or none", STRF(who.call->func))
                      : osp_arena_fmt(a, "drain the descriptor in %.*s, take it out of the set, or use edge trigger",
                                      STRF(who.call->func));
}
