/* SPDX-License-Identifier: Apache-2.0 */
/* What the process's cgroups allow it, and how often they held it back while we looked. */
#include "diagnose/section.h"

#include <stdlib.h>

static void *begin(osp_watch *w);
static void end(osp_watch *w, void *state, osp_facts *f);
static void transfer(osp_archive *x, osp_facts *f);

const osp_section osp_section_cgroup = {.name = "cgroup", .begin = begin, .end = end, .transfer = transfer};

typedef struct {
    double at_s;
    osp_cgroup_usage usage;
} look;

static void *begin(osp_watch *w)
{
    osp_err ignored; /* without cgroups there is nothing to say */
    look *l = calloc(1, sizeof *l);
    if (l && !osp_process_cgroup_usage(w->opts->pid, &l->usage, &ignored)) {
        free(l);
        return NULL;
    }
    if (l)
        l->at_s = osp_watch_elapsed(w);
    return l;
}

static double rate(uint64_t from, uint64_t to, double seconds)
{
    return to > from ? (double)(to - from) / seconds : 0;
}

static void end(osp_watch *w, void *state, osp_facts *f)
{
    look *was = state;
    osp_cgroup_usage is;
    osp_err ignored; /* it has ended: what its cgroup did is not known */
    double s = osp_watch_elapsed(w) - was->at_s;
    if (s > 0 && osp_process_cgroup_usage(w->opts->pid, &is, &ignored))
        f->cgroup = (osp_cgroup_fact){.known = true,
                                      .path = osp_arena_str(f->arena, osp_str_from(is.cpu_path)),
                                      .quota_cores = is.quota_cores,
                                      .period_ms = (double)is.period_us / 1e3,
                                      .periods_per_s = rate(was->usage.periods, is.periods, s),
                                      .throttled_per_s = rate(was->usage.throttled_periods, is.throttled_periods, s),
                                      .throttled_ms_per_s = rate(was->usage.throttled_ns, is.throttled_ns, s) / 1e6,
                                      .memory = is.memory_bytes,
                                      .memory_max = is.memory_limit,
                                      .reclaimable = is.reclaimable_bytes,
                                      .memory_high = is.memory_high,
                                      .high_per_s = rate(was->usage.high_events, is.high_events, s),
                                      .max_per_s = rate(was->usage.max_events, is.max_events, s),
                                      .ooms = is.oom_kills,
                                      .pids = is.pids,
                                      .pids_max = is.pids_limit,
                                      .frozen = is.frozen};
    free(was);
}

static void transfer(osp_archive *x, osp_facts *f)
{
    osp_cgroup_fact *c = &f->cgroup;
    osp_arc(x, &c->known);
    osp_arc(x, &c->path);
    osp_arc(x, &c->quota_cores);
    osp_arc(x, &c->period_ms);
    osp_arc(x, &c->periods_per_s);
    osp_arc(x, &c->throttled_per_s);
    osp_arc(x, &c->throttled_ms_per_s);
    osp_arc(x, &c->memory);
    osp_arc(x, &c->memory_max);
    osp_arc(x, &c->memory_high);
    osp_arc(x, &c->reclaimable);
    osp_arc(x, &c->high_per_s);
    osp_arc(x, &c->max_per_s);
    osp_arc(x, &c->ooms);
    osp_arc(x, &c->pids);
    osp_arc(x, &c->pids_max);
    osp_arc(x, &c->frozen);
}
