/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

/* Pages that have to come from a disk, a second: a program that starts has some hundred at once, then none. */
static const double major_floor = 30, full_floor = 0.05;

static uint32_t wants(const osp_facts *early);
static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_memory_pressure = {
    .name = "memory-pressure",
    .asks = "is there too little memory, so that pages come from the disk again and again?",
    .topic = "limits",
    .title = "too little memory: pages come from the disk again and again",
    .order = 3,
    .wants = wants,
    .check = check,
};

static uint32_t wants(const osp_facts *early)
{
    return early->proc.known && early->proc.major_faults_per_s > major_floor ? OSP_ASK_FAULTS : 0;
}

static bool is_major(const osp_place_fact *p, const void *ctx)
{
    (void)ctx;
    return osp_str_eq(p->name, S("major"));
}

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_cgroup_fact *c = &f->cgroup;
    const osp_host_fact *h = &f->host;
    if (!f->proc.known || f->proc.major_faults_per_s < major_floor || f->uptime_s < 3)
        return;
    /* Why they come again: the cgroup is full, the host is full, or it swaps. */
    bool tight = c->known && c->memory_max && c->memory > 0.9 * (double)c->memory_max;
    bool high = c->known && (c->high_per_s > 0.5 || c->max_per_s > 0.5);
    bool swaps = h->known && (h->swap_in_per_s > 50 || h->swap_out_per_s > 50);
    bool short_of = h->known && h->memory && h->available < 0.05 * (double)h->memory;
    bool pressed = h->known && h->full[1] > full_floor;
    if (!tight && !high && !swaps && !short_of && !pressed)
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_memory_pressure, NULL,
                              0.7 + 0.25 * osp_ramp(f->proc.major_faults_per_s, major_floor, 300), 1);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_blamed who;
    bool known = osp_blame_places(f, f->faults.place, f->faults.nplace, is_major, NULL, &who);
    if (known)
        osp_finding_blame(f, x, &who);
    osp_str why = tight || high ? osp_arena_fmt(a, "its cgroup %.*s is at its limit", STRF(c->path))
                  : swaps       ? S("the host swaps")
                                : S("the host is short of memory");
    x->summary =
        osp_arena_fmt(a, "%.0f pages a second have to come from the disk%s%.*s: %.*s.", f->proc.major_faults_per_s,
                      known ? ", most for " : "", STRF(known ? osp_call_text(a, who.call) : S("")), STRF(why));
    osp_finding_evidence(x, S("major faults"), f->proc.major_faults_per_s, "faults/s", "/proc/PID/stat");
    if (c->known && c->memory_max)
        osp_finding_evidence(x, osp_arena_fmt(a, "used in its cgroup, of %.0f MB", (double)c->memory_max / 1e6),
                             (double)c->memory / 1e6, "MB", "cgroup");
    if (high)
        osp_finding_evidence(x, S("times the limit was met"), c->high_per_s + c->max_per_s, "1/s", "cgroup");
    if (h->known && h->full[1] >= 0)
        osp_finding_evidence(x, S("of the time all tasks of the host waited for memory"), 100 * h->full[1], "%",
                             "/proc/pressure");
    if (h->known)
        osp_finding_evidence(x, osp_arena_fmt(a, "available on the host, of %.0f MB", (double)h->memory / 1e6),
                             (double)h->available / 1e6, "MB", "/proc/meminfo");
    if (swaps)
        osp_finding_evidence(x, S("pages swapped in and out"), h->swap_in_per_s + h->swap_out_per_s, "pages/s",
                             "/proc/vmstat");
    x->next = S("raise the limit or use less memory: what it reads does not fit");
}
