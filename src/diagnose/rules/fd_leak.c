/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that are opened and never closed; kind "exhausted", where there are none left. */
#include "diagnose/diagnose_internal.h"

/* A server's connections come and go: what grows steadily, part by part of the observation, does not. */
static const double rate_floor = 1, error_part = 5;
static const uint32_t grown_floor = 8, parts = 3;

static uint32_t wants(const osp_facts *early);
static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_fd_leak = {
    .name = "fd-leak",
    .asks = "do open descriptors pile up?",
    .topic = "descriptors",
    .more = "syscalls PID",
    .title = "descriptors pile up",
    .order = 14,
    .after = "goroutine-leak",
    .wants = wants,
    .check = check,
};

static double open_fds(const osp_moment *m) { return (double)m->usage.fds; }

static bool fds_known(const osp_facts *f)
{
    for (uint32_t i = 0; i < f->proc.n; i++)
        if (f->proc.moment[i].usage.fds == UINT32_MAX)
            return false;
    return f->proc.known && f->proc.n >= 4;
}

/* Each part of the time adds its share. */
static bool grows_steadily(const osp_facts *f, double all)
{
    for (uint32_t i = 0; i < parts; i++) {
        const osp_moment *from = &f->proc.moment[i * (f->proc.n - 1) / parts],
                         *to = &f->proc.moment[(i + 1) * (f->proc.n - 1) / parts];
        if (open_fds(to) - open_fds(from) < 0.4 * all / parts)
            return false;
    }
    return true;
}

static uint32_t wants(const osp_facts *early)
{
    uint32_t n = early->proc.n;
    bool full = early->proc.fd_limit && early->fds.known && early->fds.now + 4 >= early->proc.fd_limit;
    return full || (fds_known(early) && open_fds(&early->proc.moment[n - 1]) >= open_fds(&early->proc.moment[0]) + 2)
               ? OSP_ASK_CALLS
               : 0;
}

/* The kind that grows most; NULL = none. */
static const osp_fd_kind_fact *growing(const osp_facts *f)
{
    const osp_fd_kind_fact *best = NULL;
    for (uint32_t i = 0; i < f->fds.nkind; i++) {
        const osp_fd_kind_fact *k = &f->fds.kind[i];
        if (k->now > k->before && (!best || k->now - k->before > best->now - best->before))
            best = k;
    }
    return best;
}

/* Calls that give a descriptor of such a kind. */
static const char *openers(osp_str kind)
{
    if (osp_str_starts(kind, S("tcp")) || osp_str_starts(kind, S("udp")) || osp_str_starts(kind, S("unix")) ||
        osp_str_starts(kind, S("socket")))
        return "socket accept accept4 socketpair connect";
    if (osp_str_starts(kind, S("pipe")))
        return "pipe pipe2";
    if (osp_str_starts(kind, S("epoll")))
        return "epoll_create epoll_create1";
    if (osp_str_starts(kind, S("event")))
        return "eventfd eventfd2";
    return "open openat openat2 creat memfd_create timerfd_create inotify_init1 dup dup2 dup3 fcntl";
}

static bool opens(const osp_place_fact *p, const void *ctx) { return !p->label.n && osp_str_among(p->name, ctx); }

static bool same_task(const osp_place_fact *a, const osp_place_fact *b)
{
    return a->goid || b->goid ? a->goid == b->goid : a->tid == b->tid;
}

/* Who opens them and does not close as many: a goroutine that closes what it opens leaks nothing, however much that is. */
static bool blame(const osp_facts *f, const char *calls, osp_blamed *who)
{
    const osp_call_facts *c = &f->calls;
    osp_place_fact *left = osp_new(f->arena, osp_place_fact, c->nplace + 1);
    double all = 0;
    for (uint32_t i = 0; left && i < c->nplace; i++) {
        double opened = 0, closed = 0;
        left[i] = c->place[i];
        if (!opens(&left[i], calls))
            continue;
        for (uint32_t k = 0; k < c->nplace; k++) {
            if (!same_task(&c->place[k], &left[i]))
                continue;
            opened += opens(&c->place[k], calls) ? c->place[k].count : 0;
            closed += osp_str_eq(c->place[k].name, S("close")) ? c->place[k].count : 0;
        }
        left[i].count *= opened > closed ? 1 - closed / opened : 0;
        all += left[i].count;
    }
    return (all > 0 && osp_blame_places(f, left, c->nplace, opens, calls, who)) ||
           osp_blame_places(f, c->place, c->nplace, opens, calls, who);
}

static void check(const osp_facts *f, osp_findings *out)
{
    double error, slope = osp_slope(&f->proc, open_fds, &error);
    if (!fds_known(f))
        return;
    const osp_moment *first = &f->proc.moment[0], *last = &f->proc.moment[f->proc.n - 1];
    double all = open_fds(last) - open_fds(first);
    if (slope < rate_floor || slope < error_part * error || all < grown_floor || !grows_steadily(f, all))
        return;
    const osp_fd_kind_fact *k = growing(f);
    osp_finding *x = osp_find(f, out, &osp_rule_fd_leak, NULL, 0.75 + 0.2 * osp_ramp(all, grown_floor, 60), 1);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_blamed who = {0};
    bool known = k && blame(f, openers(k->kind), &who);
    if (known)
        osp_finding_blame(f, x, &who);
    osp_str by = known ? osp_arena_fmt(a, "; most are opened by %.*s", STRF(osp_call_text(a, who.call))) : S("");
    x->summary = osp_arena_fmt(a, "%.0f descriptors a second are opened and not closed%s%.*s%.*s.", slope,
                               k ? ", most of kind " : "", STRF(k ? k->kind : S("")), STRF(by));
    osp_finding_evidence(x, osp_arena_fmt(a, "± %.1f growth, now %.0f", 2 * error, open_fds(last)), slope,
                         "descriptors/s", "/proc/fd");
    if (k)
        osp_finding_evidence(x, osp_arena_fmt(a, "more of kind %.*s, as %.*s", STRF(k->kind), STRF(k->example)),
                             k->now - k->before, "descriptors", "/proc/fd");
    if (f->proc.fd_limit)
        osp_finding_evidence(
            x, osp_arena_fmt(a, "until there are no more: the limit is %llu", (unsigned long long)f->proc.fd_limit),
            ((double)f->proc.fd_limit - open_fds(last)) / slope, "s", "RLIMIT_NOFILE");
    if (known)
        osp_finding_evidence(x, S("of the calls that open such ones come from there"), 100 * who.share, "%",
                             "syscalls");
    x->next =
        known
            ? osp_arena_fmt(
                  a, "close what %.*s opens on every way out of it (a defer in a loop closes nothing until the end)",
                  STRF(who.call->func))
            : S("find who opens them:  osprey record -e syscalls:openat,socket,accept4,pipe2");
}
