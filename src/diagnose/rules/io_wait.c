/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

/* Threads that wait for a disk at a time. */
static const double waiting_floor = 0.3, first_floor = 0.2;

static uint32_t wants(const osp_facts *early);
static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_io_wait = {
    .name = "io-wait",
    .asks = "do its threads wait for the disk?",
    .topic = "disk",
    .more = "syscalls PID",
    .title = "waiting for the disk",
    .order = 30,
    .after = "memory-pressure",
    .wants = wants,
    .check = check,
};

static bool is_disk(const osp_place_fact *p, const void *ctx)
{
    (void)ctx;
    return osp_str_eq(p->label, S("disk"));
}

static uint32_t wants(const osp_facts *early)
{
    double blocked = 0;
    for (uint32_t i = 0; i < early->blocked.n; i++) {
        osp_str call = early->blocked.row[i].call;
        blocked +=
            osp_str_starts(call, S("fsync")) || osp_str_starts(call, S("fdatasync")) ? early->blocked.row[i].n : 0;
    }
    return early->blocked.deep >= first_floor || blocked > 0 ? OSP_ASK_OFF_CPU | OSP_ASK_CALLS : 0;
}

/* The call in which most of that time passes. */
static const osp_called_fact *slowest(const osp_facts *f)
{
    const osp_called_fact *best = NULL;
    for (uint32_t i = 0; i < f->calls.n; i++) {
        const osp_called_fact *r = &f->calls.row[i];
        if (osp_str_among(
                r->name,
                "fsync fdatasync sync syncfs msync sync_file_range read pread64 write pwrite64 openat fallocate "
                "ftruncate rename unlink close") &&
            (!best || r->time_per_s > best->time_per_s) && r->p50_ns > 20000)
            best = r;
    }
    return best;
}

static void check(const osp_facts *f, osp_findings *out)
{
    double waiting = 0;
    osp_blamed who;
    for (uint32_t i = 0; i < f->off_cpu.nplace; i++)
        waiting += is_disk(&f->off_cpu.place[i], NULL) ? f->off_cpu.place[i].amount / 1e9 : 0;
    if (!f->off_cpu.known || waiting < waiting_floor)
        return;
    /* Of waits the time counts, not their number. */
    osp_place_fact *by_time = osp_new(f->arena, osp_place_fact, f->off_cpu.nplace + 1);
    if (!by_time)
        return;
    for (uint32_t i = 0; i < f->off_cpu.nplace; i++) {
        by_time[i] = f->off_cpu.place[i];
        by_time[i].count = by_time[i].amount;
    }
    if (!osp_blame_places(f, by_time, f->off_cpu.nplace, is_disk, NULL, &who))
        return;
    /* A process that is busy as well is not held up by its disk alone. */
    double part = waiting / (waiting + f->cores_used);
    osp_finding *x = osp_find(f, out, &osp_rule_io_wait, NULL, 0.5 + 0.45 * osp_ramp(part, 0.25, 0.6), part);
    if (!x)
        return;
    osp_arena *a = f->arena;
    const osp_called_fact *r = slowest(f);
    osp_finding_blame(f, x, &who);
    x->summary = osp_arena_fmt(a, "%.*s waits for the disk: %.1f threads at a time, with %.2f cores in use.",
                               STRF(osp_call_text(a, who.call)), waiting, f->cores_used);
    osp_finding_evidence(
        x, osp_arena_fmt(a, "wait for the disk, %.0f %% of that below %.*s", 100 * who.share, STRF(who.call->func)),
        waiting, "threads", "off-CPU");
    if (r) {
        osp_finding_evidence(x, osp_arena_fmt(a, "%.*s", STRF(r->name)), r->per_s, "calls/s", "syscalls");
        osp_finding_evidence(x, osp_arena_fmt(a, "half of the calls of %.*s take at most", STRF(r->name)),
                             (double)r->p50_ns / 1e6, "ms", "syscalls");
        osp_finding_evidence(x, osp_arena_fmt(a, "one in a hundred takes more than"), (double)r->p99_ns / 1e6, "ms",
                             "syscalls");
    }
    for (uint32_t i = 0; r && i < f->calls.nused; i++)
        if (osp_str_eq(f->calls.used[i].name, r->name)) {
            osp_finding_evidence(x, osp_arena_fmt(a, "descriptor: %.*s", STRF(f->calls.used[i].what)),
                                 f->calls.used[i].fd, "fd", "/proc/fd");
            break;
        }
    osp_finding_evidence(x, S("threads in uninterruptible sleep (D), by looks"), f->blocked.deep, "threads", "/proc");
    x->next = osp_arena_fmt(a, "let %.*s commit in groups, or write from a thread of its own", STRF(who.call->func));
}
