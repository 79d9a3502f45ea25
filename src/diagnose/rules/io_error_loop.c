/* SPDX-License-Identifier: Apache-2.0 */
/* A loop that goes on although its reads or writes have come to an end. Kinds: none, where the calls say so; "empty buffer",
 * where Go's Read is entered and gives nothing without a system call while bytes wait in a socket; "accept", where there are
 * no descriptors left. */
#include "diagnose/diagnose_internal.h"

/* A loop makes hundreds of thousands of calls a second on a core of its own; on a crowded host, or beside 50 like it, some
 * hundreds each. Servers whose peers only connect and hang up meet the end once for each connection, and close it. */
static const double rate_floor = 1000, demand_floor = 0.1, share_floor = 0.05;
enum { MOST_SICK = 128 };

static uint32_t wants(const osp_facts *early);
static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_io_error_loop = {
    .name = "io-error-loop",
    .asks = "does a loop go on reading or writing after an error or the end?",
    .topic = "system calls",
    .more = "syscalls PID",
    .title = "a loop that does not end at an error",
    .order = 5, /* what else such a loop does, it does for that reason: deadlines, log lines */
    .wants = wants,
    .check = check,
};

/* ---- calls that say so ---------------------------------------------------------------------------------------- */

static bool is_for_later(osp_str error)
{
    return osp_str_eq(error, S("EAGAIN")) || osp_str_eq(error, S("EINTR")) || osp_str_starts(error, S("ERESTART")) ||
           osp_str_eq(error, S("EINPROGRESS"));
}

static double failed(const osp_used_fact *u)
{
    if (u->error.n)
        return is_for_later(u->error) ? 0 : u->per_s;
    return osp_io_of(u->name) == OSP_IO_IN ? u->nothing_per_s : 0;
}

static double below_deadlines(const osp_facts *f)
{
    double share = 0;
    for (uint32_t i = 0; i < f->nstack; i++)
        for (uint32_t k = 0; k < f->stack[i].ncall; k++)
            if (f->stack[i].call[k].kind == OSP_CALL_STD && (osp_str_has(f->stack[i].call[k].func, S("Deadline")) ||
                                                             osp_str_has(f->stack[i].call[k].func, S("time.Now")))) {
                share += f->stack[i].share;
                break;
            }
    return share;
}

static void evidence_of_calls(const osp_facts *f, osp_finding *x, const osp_sick_fd *sick, uint32_t n, double bad)
{
    osp_arena *a = f->arena;
    const osp_used_fact *u = sick[0].main;
    double good = 0, waits = 0;
    for (uint32_t i = 0; i < n; i++) {
        good += sick[i].good_per_s;
        waits += osp_str_eq(sick[i].main->state, S("CLOSE_WAIT"));
    }
    osp_finding_evidence(x, osp_arena_fmt(a, "%.*s on %.*s", STRF(u->name), STRF(osp_sick_text(a, sick, n))), bad,
                         "calls/s", "syscalls");
    osp_finding_evidence(
        x, u->error.n ? osp_arena_fmt(a, "of them fail, with %.*s", STRF(u->error)) : S("of them give 0: the end"),
        100 * bad / (bad + good), "%", "syscalls");
    if (u->kind.n)
        osp_finding_evidence(x,
                             u->peer.n ? osp_arena_fmt(a, "in CLOSE_WAIT: the peer has hung up (%.*s)", STRF(u->peer))
                                       : S("in CLOSE_WAIT: the peer has hung up"),
                             waits, waits == 1 ? "socket" : "sockets", "/proc/net");
}

static void check_calls(const osp_facts *f, osp_findings *out)
{
    osp_sick_fd *sick = osp_new(f->arena, osp_sick_fd, MOST_SICK);
    uint32_t n = sick ? osp_sick_fds(f, failed, sick, MOST_SICK) : 0;
    double bad = 0;
    while (n && sick[n - 1].bad_per_s < 0.02 * sick[0].bad_per_s)
        n--;
    for (uint32_t i = 0; i < n; i++)
        bad += sick[i].bad_per_s;
    osp_blamed who;
    if (bad < rate_floor || !osp_blame_sick(f, sick, n, &who))
        return;
    osp_below b = osp_samples_below(f, who.call);
    if (b.share < share_floor || b.demand < demand_floor)
        return;
    bool accepts = osp_io_of(sick[0].main->name) == OSP_IO_ACCEPT;
    osp_finding *x = osp_find(f, out, &osp_rule_io_error_loop, accepts ? "accept" : NULL,
                              0.8 + 0.17 * osp_ramp(b.share, share_floor, 0.4), b.share);
    if (!x)
        return;
    osp_arena *a = f->arena;
    const osp_used_fact *u = sick[0].main;
    osp_finding_blame(f, x, &who);
    osp_str how = u->error.n ? osp_arena_fmt(a, "fails with %.*s", STRF(u->error)) : S("says that this is the end");
    x->summary = osp_arena_fmt(
        a, "%.*s calls %.*s again and again although each %.*s: %.*s calls/s, %.0f %% of this process's CPU.",
        STRF(osp_call_text(a, who.call)), STRF(u->name), STRF(how), STRF(osp_rate_text(a, bad)), 100 * b.share);
    evidence_of_calls(f, x, sick, n, bad);
    double deadlines = below_deadlines(f);
    if (deadlines > 0.02)
        osp_finding_evidence(x, S("of all samples set deadlines or read the clock"), 100 * deadlines, "%", "samples");
    osp_finding_evidence(
        x,
        b.goid ? osp_arena_fmt(a, "of a core wanted below it; goroutine %llu", (unsigned long long)b.goid)
               : osp_arena_fmt(a, "of a core wanted below it; thread %d", b.tid),
        100 * b.demand, "%", "schedstat");
    x->next = accepts
                  ? osp_arena_fmt(a, "let %.*s wait before it accepts again, and find what holds the descriptors",
                                  STRF(who.call->func))
                  : osp_arena_fmt(a, "return from %.*s on the error, and close the descriptor", STRF(who.call->func));
}

/* ---- Read that asks for nothing ------------------------------------------------------------------------------- */

/* Go's way into a read: package net's and os's, and what they stand on. The innermost frame of the program's own below it. */
static bool reads_here(const osp_stack_fact *s, uint32_t *caller)
{
    bool reads = false;
    for (uint32_t i = 0; i < s->ncall; i++) {
        const osp_call *c = &s->call[i];
        if (c->kind == OSP_CALL_STD) {
            reads = reads || osp_str_ends(c->func, S(").Read")) || osp_str_ends(c->func, S(").read"));
        } else if (c->kind == OSP_CALL_GO) {
            *caller = i;
            return reads;
        }
    }
    return false;
}

static double reads_per_s(const osp_facts *f)
{
    double sum = 0;
    for (uint32_t i = 0; i < f->calls.n; i++)
        sum += osp_io_of(f->calls.row[i].name) == OSP_IO_IN ? f->calls.row[i].per_s : 0;
    return sum;
}

/* All that a goroutine does is below the function that reads: what it does beside that belongs to the loop. */
static void mark_loop(const osp_facts *f, osp_mark *mark)
{
    for (uint32_t i = 0; i < f->nstack; i++)
        mark[i].sign = reads_here(&f->stack[i], &mark[i].call);
    for (uint32_t i = 0; i < f->nstack; i++) {
        uint32_t at = osp_user_call(f->stack[i].call, f->stack[i].ncall);
        for (uint32_t k = 0; at != UINT32_MAX && k < f->nstack && !mark[i].sign && !mark[i].with; k++)
            mark[i].with = mark[k].sign && osp_str_eq(f->stack[k].call[mark[k].call].func, f->stack[i].call[at].func);
    }
}

static void check_empty(const osp_facts *f, osp_findings *out)
{
    osp_mark *mark = osp_new(f->arena, osp_mark, f->nstack + 1);
    if (!mark || !f->is_go || !f->calls.known)
        return;
    mark_loop(f, mark);
    osp_marked m;
    osp_blamed who;
    /* One in ten samples is in Read itself; the deadline, the clock and the locks around it take the rest. */
    if (!osp_marks_weigh(f, mark, &(osp_mark_limits){.task_fraction = 0.7, .task_sign = 0.08, .process_fraction = 2},
                         &m) ||
        m.demand < demand_floor || m.sign + m.with < share_floor || !osp_blame(f, mark, m.chosen, &who))
        return;
    /* A Read takes some hundred nanoseconds: so many a core and second there are at least. */
    double reads = reads_per_s(f);
    if (reads > 20000 * m.demand)
        return;
    const osp_socket_fact *stuck = NULL;
    for (uint32_t i = 0; i < f->fds.nsocket; i++)
        if (f->fds.socket[i].unread_before > 0 && f->fds.socket[i].unread >= f->fds.socket[i].unread_before &&
            (!stuck || f->fds.socket[i].unread > stuck->unread))
            stuck = &f->fds.socket[i];
    osp_finding *x = osp_find(f, out, &osp_rule_io_error_loop, stuck ? "empty buffer" : "no system call",
                              (stuck ? 0.8 : 0.68) + 0.15 * osp_ramp(m.of_tasks, 0.7, 0.95), m.sign + m.with);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_finding_blame(f, x, &who);
    x->summary = osp_arena_fmt(
        a,
        "%.*s calls Read again and again and gets nothing, without a system call: %s. %.0f %% of "
        "this process's CPU.",
        STRF(osp_call_text(a, who.call)),
        stuck ? "its buffer is full, so it asks for no bytes" : "the connection or its deadline has ended",
        100 * (m.sign + m.with));
    osp_finding_evidence(x, S("of all samples in this loop"), 100 * (m.sign + m.with), "%", "samples");
    osp_finding_evidence(x, S("of them inside Read"), 100 * m.sign / (m.sign + m.with), "%", "samples");
    osp_finding_evidence(x, S("read and recv, of the whole process"), reads, "calls/s", "syscalls");
    if (stuck)
        osp_finding_evidence(
            x,
            osp_arena_fmt(a, "wait unread in descriptor %d (%.*s), and grow no fewer", stuck->fd, STRF(stuck->what)),
            (double)stuck->unread, "bytes", "/proc/net");
    double deadlines = below_deadlines(f);
    if (deadlines > 0.02)
        osp_finding_evidence(x, S("of all samples set deadlines or read the clock"), 100 * deadlines, "%", "samples");
    osp_finding_evidence(x, osp_arena_fmt(a, "of a core wanted, goroutine %llu", (unsigned long long)m.goid),
                         100 * m.demand, "%", "schedstat");
    x->next =
        stuck ? osp_arena_fmt(a, "treat a full buffer in %.*s as an error, and never call Read with an empty slice",
                              STRF(who.call->func))
              : osp_arena_fmt(a, "return from %.*s on the error of Read", STRF(who.call->func));
}

static uint32_t wants(const osp_facts *early)
{
    uint32_t caller;
    double reads = 0;
    for (uint32_t i = 0; i < early->nstack && early->is_go; i++)
        reads += reads_here(&early->stack[i], &caller) ? early->stack[i].share : 0;
    return reads > 0.05 ? OSP_ASK_CALLS : osp_wants_calls(early);
}

static void check(const osp_facts *f, osp_findings *out)
{
    check_calls(f, out);
    check_empty(f, out);
}
