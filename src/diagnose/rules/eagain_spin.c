/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

/* As for io-error-loop; Go's own poller meets EAGAIN once for each read that gave something, then waits. */
static const double rate_floor = 1000, demand_floor = 0.1, share_floor = 0.05;
enum { MOST_SICK = 128 };

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_eagain_spin = {
    .name = "eagain-spin",
    .asks = "does a loop ask a descriptor that has nothing, instead of waiting for it?",
    .topic = "system calls",
    .more = "syscalls PID",
    .title = "a core burnt on asking an empty descriptor",
    .order = 6,
    .wants = osp_wants_calls,
    .check = check,
};

static double again(const osp_used_fact *u) { return osp_str_eq(u->error, S("EAGAIN")) ? u->per_s : 0; }

/* Waits of the program itself, not of Go's runtime, a second. */
static double waits_per_s(const osp_facts *f)
{
    double sum = 0;
    for (uint32_t i = 0; i < f->calls.n; i++) {
        osp_str name = f->calls.row[i].name;
        bool waits =
            osp_str_starts(name, S("epoll_")) || osp_str_has(name, S("poll")) || osp_str_has(name, S("select"));
        sum += waits && !osp_str_eq(name, S("epoll_ctl")) ? f->calls.row[i].per_s : 0;
    }
    return sum;
}

static void check(const osp_facts *f, osp_findings *out)
{
    osp_sick_fd *sick = osp_new(f->arena, osp_sick_fd, MOST_SICK);
    uint32_t n = sick ? osp_sick_fds(f, again, sick, MOST_SICK) : 0;
    double bad = 0, good = 0;
    while (n && sick[n - 1].bad_per_s < 0.02 * sick[0].bad_per_s)
        n--;
    for (uint32_t i = 0; i < n; i++) {
        bad += sick[i].bad_per_s;
        good += sick[i].good_per_s;
    }
    osp_blamed who;
    /* Workers that are all woken for one connection find nothing either, but they did wait. */
    if (bad < rate_floor || waits_per_s(f) > 0.5 * bad || !osp_blame_sick(f, sick, n, &who))
        return;
    osp_below b = osp_samples_below(f, who.call);
    if (b.share < share_floor || b.demand < demand_floor)
        return;
    osp_finding *x =
        osp_find(f, out, &osp_rule_eagain_spin, NULL, 0.8 + 0.17 * osp_ramp(b.share, share_floor, 0.4), b.share);
    if (!x)
        return;
    osp_arena *a = f->arena;
    const osp_used_fact *u = sick[0].main;
    osp_finding_blame(f, x, &who);
    x->summary =
        osp_arena_fmt(a,
                      "%.*s calls %.*s on %.*s %.*s times a second and is told to come back later: %.0f %% of this "
                      "process's CPU.",
                      STRF(osp_call_text(a, who.call)), STRF(u->name), STRF(osp_sick_text(a, sick, n)),
                      STRF(osp_rate_text(a, bad)), 100 * b.share);
    osp_finding_evidence(x, osp_arena_fmt(a, "%.*s on %.*s", STRF(u->name), STRF(osp_sick_text(a, sick, n))), bad,
                         "calls/s", "syscalls");
    osp_finding_evidence(x, S("of them end with EAGAIN"), 100 * bad / (bad + good), "%", "syscalls");
    osp_finding_evidence(x, S("poll, select and epoll_wait, of the whole process"), waits_per_s(f), "calls/s",
                         "syscalls");
    osp_finding_evidence(x, S("of all samples below it"), 100 * b.share, "%", "samples");
    osp_finding_evidence(
        x,
        b.goid ? osp_arena_fmt(a, "of a core wanted below it; goroutine %llu", (unsigned long long)b.goid)
               : osp_arena_fmt(a, "of a core wanted below it; thread %d", b.tid),
        100 * b.demand, "%", "schedstat");
    x->next =
        f->is_go ? osp_arena_fmt(a, "let the runtime wait in %.*s (os.NewFile, net.FileConn), or poll before reading",
                                 STRF(who.call->func))
                 : osp_arena_fmt(a, "wait with poll or epoll in %.*s before reading", STRF(who.call->func));
}
