/* SPDX-License-Identifier: Apache-2.0 */
/* Who is behind the calls, faults and waits of a window, and what the CPU samples say of them. */
#include "diagnose/diagnose_internal.h"

/* What stands for the system in Go, though it is not in the standard library. */
static bool is_system_package(const osp_call *c) { return osp_str_starts(c->func, S("golang.org/x/sys/")); }

uint32_t osp_user_call(const osp_call *call, uint32_t n)
{
    uint32_t other = UINT32_MAX;
    for (uint32_t i = 0; i < n; i++) {
        if ((call[i].kind == OSP_CALL_GO || call[i].kind == OSP_CALL_C) && !is_system_package(&call[i]))
            return i;
        if (other == UINT32_MAX && (call[i].kind == OSP_CALL_STD || call[i].kind == OSP_CALL_LIB))
            other = i;
    }
    return other;
}

static bool same_function(const osp_call *a, const osp_call *b)
{
    return osp_str_eq(a->func, b->func) && osp_str_eq(a->module, b->module);
}

/* A stack for a finding to show. */
static const osp_stack_fact *as_stack(const osp_facts *f, const osp_place_fact *p)
{
    osp_stack_fact *s = osp_new(f->arena, osp_stack_fact, 1);
    if (s)
        *s = (osp_stack_fact){.call = p->call, .ncall = p->ncall, .tid = p->tid, .goid = p->goid, .in = p->in};
    return s;
}

bool osp_blame_places(const osp_facts *f, const osp_place_fact *row, uint32_t n, osp_place_test *chosen,
                      const void *ctx, osp_blamed *out)
{
    enum { MAX = 64 };
    struct {
        const osp_call *call;
        const osp_place_fact *place;
        double count, heaviest;
    } found[MAX];
    uint32_t nfound = 0, best = 0;
    double all = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = row[i].ncall && chosen(&row[i], ctx) ? osp_user_call(row[i].call, row[i].ncall) : UINT32_MAX;
        if (at == UINT32_MAX)
            continue;
        uint32_t k = 0;
        while (k < nfound && !same_function(found[k].call, &row[i].call[at]))
            k++;
        all += row[i].count;
        if (k == MAX)
            continue;
        if (k == nfound) {
            found[nfound].count = found[nfound].heaviest = 0;
            nfound++;
        }
        found[k].count += row[i].count;
        if (row[i].count >= found[k].heaviest) {
            found[k].heaviest = row[i].count;
            found[k].call = &row[i].call[at];
            found[k].place = &row[i];
        }
    }
    for (uint32_t k = 1; k < nfound; k++)
        best = found[k].count > found[best].count ? k : best;
    *out = (osp_blamed){0};
    if (!nfound)
        return false;
    *out = (osp_blamed){
        .call = found[best].call, .stack = as_stack(f, found[best].place), .share = found[best].count / all};
    return out->stack != NULL;
}

static bool is_below(const osp_stack_fact *s, const osp_call *func)
{
    for (uint32_t i = 0; i < s->ncall; i++)
        if (same_function(&s->call[i], func))
            return true;
    return false;
}

osp_below osp_samples_below(const osp_facts *f, const osp_call *func)
{
    enum { MAX_TASKS = 256 }; /* of more the heaviest are still among them */
    uint64_t task[MAX_TASKS];
    uint32_t ntask = 0;
    osp_below b = {0};
    double kernel = 0, in_tasks = 0, heaviest = 0;
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        if (!is_below(s, func))
            continue;
        uint32_t k = 0;
        while (k < ntask && task[k] != osp_task_of(s, false))
            k++;
        if (k == ntask && ntask < MAX_TASKS)
            task[ntask++] = osp_task_of(s, false);
        b.share += s->share;
        b.demand += osp_demand_of(f, s);
        kernel += s->in == OSP_IN_KERNEL ? s->share : 0;
        if (s->share > heaviest) {
            heaviest = s->share;
            b.goid = s->goid;
            b.tid = s->tid;
        }
    }
    for (uint32_t i = 0; i < f->nstack; i++) {
        bool shares = false;
        for (uint32_t k = 0; k < ntask && !shares; k++)
            shares = task[k] == osp_task_of(&f->stack[i], false);
        in_tasks += shares ? f->stack[i].share : 0;
    }
    b.of_tasks = in_tasks > 0 ? b.share / in_tasks : 0;
    b.kernel = b.share > 0 ? kernel / b.share : 0;
    return b;
}

double osp_kernel_share(const osp_facts *f)
{
    double cores = f->proc.user_cores + f->proc.system_cores;
    double by_proc = f->proc.known && cores > 0.02 ? f->proc.system_cores / cores : 0;
    return f->in[OSP_IN_KERNEL] > by_proc ? f->in[OSP_IN_KERNEL] : by_proc;
}

uint32_t osp_wants_calls(const osp_facts *early)
{
    /* Below these no storm of system calls can be behind the load. */
    static const double demand_floor = 0.1, kernel_floor = 0.12;
    double demand = osp_cores_wanted(early);
    return demand >= demand_floor && osp_kernel_share(early) >= kernel_floor ? OSP_ASK_CALLS : 0;
}
