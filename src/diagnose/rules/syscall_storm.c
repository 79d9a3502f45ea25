/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

/* A task whose work is system calls makes 200 000 to 2 million cheap ones on a core and second; a server that parses requests
 * makes 10 000 to 40 000, of several names. */
static const double per_core_floor = 50000, of_all_calls = 0.4;
static const double demand_floor = 0.15, share_floor = 0.06, kernel_floor = 0.3;
static const uint64_t cheap_ns = 10000; /* what takes longer works or waits in the kernel: fsync, large reads */
/* Bytes a call: what a buffer of a page would have carried hundredfold; log lines are longer. */
static const double small_bytes = 40;

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_syscall_storm = {
    .name = "syscall-storm",
    .asks = "does the CPU go into very many cheap system calls?",
    .topic = "system calls",
    .more = "syscalls PID",
    .title = "CPU burnt on tiny system calls",
    .order = 12,
    .after = "io-error-loop eagain-spin epoll-busy clock-storm signal-storm process-churn page-fault-storm "
             "io-wait",
    .wants = osp_wants_calls,
    .check = check,
};

/* Calls that wait, or that other rules are about. */
static bool is_others(osp_str name)
{
    return osp_str_starts(name, S("futex")) ||
           osp_str_among(
               name, "epoll_wait epoll_pwait epoll_pwait2 poll ppoll select pselect6 nanosleep clock_nanosleep "
                     "clock_gettime gettimeofday time sched_yield mmap munmap madvise mremap brk kill tgkill tkill "
                     "rt_sigreturn rt_sigsuspend pause wait4 waitid fork vfork clone clone3 execve");
}

typedef struct {
    const osp_called_fact *row;
    const osp_used_fact *used; /* the descriptor it is mostly on; NULL = none */
} storm;

static bool is_of(const osp_place_fact *p, const void *ctx)
{
    const storm *s = ctx;
    return osp_str_eq(p->name, s->row->name) && !p->label.n && (!s->used || (int)p->descriptor - 1 == s->used->fd);
}

static double bytes_per_call(const osp_called_fact *r)
{
    double good = r->per_s - r->errors_per_s;
    return good > 0 ? r->bytes_per_s / good : 0;
}

/* The busiest name whose calls do little. */
static bool find_storm(const osp_facts *f, storm *out)
{
    *out = (storm){0};
    for (uint32_t i = 0; i < f->calls.n; i++) {
        const osp_called_fact *r = &f->calls.row[i];
        bool moves = osp_io_of(r->name) == OSP_IO_IN || osp_io_of(r->name) == OSP_IO_OUT;
        if (is_others(r->name) || r->p50_ns > cheap_ns || r->errors_per_s > 0.5 * r->per_s ||
            (moves && bytes_per_call(r) > small_bytes) || r->per_s < of_all_calls * f->calls.per_s)
            continue;
        out->row = r;
        break;
    }
    if (!out->row)
        return false;
    for (uint32_t i = 0; i < f->calls.nused && !out->used; i++)
        if (osp_str_eq(f->calls.used[i].name, out->row->name) && f->calls.used[i].per_s > 0.5 * out->row->per_s)
            out->used = &f->calls.used[i];
    return true;
}

static void check(const osp_facts *f, osp_findings *out)
{
    storm s;
    osp_blamed who;
    if (!f->calls.known || !find_storm(f, &s) ||
        !osp_blame_places(f, f->calls.place, f->calls.nplace, is_of, &s, &who))
        return;
    osp_below b = osp_samples_below(f, who.call);
    double rate = s.row->per_s;
    double running = f->sampled_cores > 0 ? f->sampled_cores * b.share : f->cores_used * b.share;
    if (b.share < share_floor || b.demand < demand_floor || running <= 0 || rate / running < per_core_floor ||
        (f->in[OSP_IN_KERNEL] > 0 && b.kernel < kernel_floor))
        return;
    osp_finding *x = osp_find(
        f, out, &osp_rule_syscall_storm, NULL,
        0.7 + 0.13 * osp_ramp(b.share, share_floor, 0.4) + 0.14 * osp_ramp(rate / running, 5e4, 1.5e5), b.share);
    if (!x)
        return;
    osp_arena *a = f->arena;
    bool moves = osp_io_of(s.row->name) != OSP_IO_NONE;
    osp_finding_blame(f, x, &who);
    osp_str on = S("");
    if (s.used)
        on = osp_arena_fmt(a, " on descriptor %d%s%.*s%s", s.used->fd, s.used->what.n ? " (" : "", STRF(s.used->what),
                           s.used->what.n ? ")" : "");
    osp_str each =
        moves ? osp_arena_fmt(a, " of %.3g byte%s", bytes_per_call(s.row), bytes_per_call(s.row) == 1 ? "" : "s")
              : S("");
    x->summary = osp_arena_fmt(a, "%.*s makes %.*s %.*s calls/s%.*s%.*s: %.0f %% of this process's CPU is below it.",
                               STRF(osp_call_text(a, who.call)), STRF(osp_rate_text(a, rate)), STRF(s.row->name),
                               STRF(each), STRF(on), 100 * b.share);
    osp_finding_evidence(
        x, osp_arena_fmt(a, "%.*s, %.0f %% of all system calls", STRF(s.row->name), 100 * rate / f->calls.per_s),
        rate, "calls/s", "syscalls");
    if (moves)
        osp_finding_evidence(x, S("moved by each, on average"), bytes_per_call(s.row), "bytes", "syscalls");
    if (s.used)
        osp_finding_evidence(x, osp_arena_fmt(a, "descriptor%s%.*s", s.used->what.n ? ": " : "", STRF(s.used->what)),
                             s.used->fd, "fd", "syscalls, /proc/fd");
    osp_finding_evidence(x, S("of the samples below it are in the kernel"), 100 * b.kernel, "%", "samples");
    osp_finding_evidence(
        x,
        b.goid ? osp_arena_fmt(a, "of a core wanted below it; goroutine %llu", (unsigned long long)b.goid)
               : osp_arena_fmt(a, "of a core wanted below it; thread %d", b.tid),
        100 * b.demand, "%", "schedstat");
    x->next = moves ? osp_arena_fmt(a, "put a buffer between %.*s and the descriptor (%s)", STRF(who.call->func),
                                    f->is_go ? "bufio" : "stdio, writev")
                    : osp_arena_fmt(a, "keep the answer of %.*s in %.*s instead of asking again", STRF(s.row->name),
                                    STRF(who.call->func));
}
