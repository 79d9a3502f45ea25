/* SPDX-License-Identifier: Apache-2.0 */
/* What the rules on memory share. */
#include "diagnose/diagnose_internal.h"

osp_domain osp_memory_domain(const osp_stack_fact *s)
{
    uint32_t i = 0;
    while (i < s->ncall && (s->call[i].kind == OSP_CALL_KERNEL || s->call[i].kind == OSP_CALL_VDSO))
        i++;
    return osp_domain_of(s->call + i, s->ncall - i, false);
}

uint32_t osp_memory_caller(const osp_stack_fact *s)
{
    const uint32_t of_program = osp_call_of_kind(s, OSP_CALL_GO);
    return of_program != UINT32_MAX ? of_program : osp_call_of_kind(s, OSP_CALL_STD);
}

bool osp_memory_weigh(const osp_facts *f, osp_memory_cpu *out)
{
    enum { MIN_SAMPLES = 20 };
    *out = (osp_memory_cpu){0};
    osp_mark *mark = osp_new(f->arena, osp_mark, f->nstack + 1);
    if (!mark || f->samples < MIN_SAMPLES)
        return false;
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        const osp_domain in = osp_memory_domain(s);
        mark[i].call = osp_memory_caller(s);
        if (in == OSP_IN_GO_GC) {
            out->gc += s->share;
            out->gc_cores += osp_demand_of(f, s);
        } else if (in == OSP_IN_GO_ALLOC) {
            out->alloc += s->share;
            out->alloc_cores += osp_demand_of(f, s);
        } else {
            continue;
        }
        out->samples += s->samples;
        mark[i].sign = mark[i].call != UINT32_MAX;
    }
    out->gc_low = out->gc - 2 * osp_share_error(out->gc, f->samples);
    out->has_blamed = osp_blame(f, mark, NULL, &out->blamed);
    return true;
}

bool osp_under_weigh(const osp_facts *f, osp_under_what *what, double task_fraction, double process_fraction,
                     osp_under *out)
{
    *out = (osp_under){0};
    osp_mark *mark = osp_new(f->arena, osp_mark, f->nstack + 1);
    if (!mark)
        return false;
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        const uint32_t at = what(s);
        mark[i].call = UINT32_MAX;
        if (at >= s->ncall)
            continue;
        mark[i].sign = true;
        for (uint32_t k = at + 1; k < s->ncall && mark[i].call == UINT32_MAX; k++)
            if (s->call[k].kind == OSP_CALL_GO || s->call[k].kind == OSP_CALL_C)
                mark[i].call = k;
    }
    if (!osp_marks_weigh(f, mark,
                         &(osp_mark_limits){.task_fraction = task_fraction,
                                            .task_sign = task_fraction,
                                            .process_fraction = process_fraction},
                         &out->marked) ||
        !osp_blame(f, mark, out->marked.chosen, &out->who))
        return false;
    out->share = out->marked.sign;
    out->low = out->share - 2 * osp_share_error(out->share, f->samples);
    return true;
}

double osp_memory_wasted(const osp_facts *f, const osp_memory_cpu *cpu)
{
    const osp_gc_fact *g = &f->gc;
    if (!g->known || g->room < 0)
        return 0;
    return cpu->gc_low * (1 - (g->room < 1 ? g->room : 1));
}

osp_str osp_memory_text(osp_arena *a, double bytes)
{
    static const char *const unit[] = {"B", "KB", "MB", "GB", "TB"};
    size_t i = 0;
    for (; bytes >= 1000 && i + 1 < sizeof unit / sizeof *unit; i++)
        bytes /= 1024;
    return osp_arena_fmt(a, i && bytes < 9.95 ? "%.1f %s" : "%.0f %s", bytes, unit[i]);
}

void osp_memory_gc_evidence(const osp_facts *f, osp_finding *x, const osp_memory_cpu *cpu)
{
    const osp_gc_fact *g = &f->gc;
    osp_arena *a = f->arena;
    osp_finding_evidence(
        x,
        g->has_cpu
            ? osp_arena_fmt(a, "± %.0f of its CPU collects garbage (by the runtime: %.2f cores, %.2f of them idle)",
                            200 * osp_share_error(cpu->gc, f->samples),
                            g->assist_cores + g->worker_cores + g->idle_cores, g->idle_cores)
            : osp_arena_fmt(a, "± %.0f of its CPU collects garbage", 200 * osp_share_error(cpu->gc, f->samples)),
        100 * cpu->gc, "%", "samples");
    osp_finding_evidence(x, S("collections"), g->cycles_per_s, "cycles/s", "runtime");
}

void osp_memory_allocator_evidence(const osp_facts *f, osp_finding *x, const osp_memory_cpu *cpu)
{
    const osp_gc_fact *g = &f->gc;
    osp_arena *a = f->arena;
    if (!cpu->has_blamed)
        return;
    osp_finding_blame(f, x, &cpu->blamed);
    osp_str most = osp_arena_fmt(a, "allocated, most by %.*s", STRF(osp_call_text(a, cpu->blamed.call)));
    if (g->bytes_per_s >= 0)
        osp_finding_evidence(x, most, g->bytes_per_s / 1048576, "MB/s", "runtime");
    else
        osp_finding_evidence(x, most, 100 * cpu->alloc, "% of CPU", "samples");
}

osp_native_memory osp_native_memory_of(const osp_facts *f)
{
    static const osp_ledger_kind native[] = {OSP_LEDGER_C_HEAP, OSP_LEDGER_C_ARENAS, OSP_LEDGER_C_LARGE,
                                             OSP_LEDGER_C_OTHER, OSP_LEDGER_OTHER};
    const osp_ledger_fact *l = &f->ledger;
    osp_native_memory m = {0};
    for (size_t i = 0; i < sizeof native / sizeof *native; i++) {
        m.was += (double)l->was[native[i]];
        m.now += (double)l->now[native[i]];
    }
    m.per_s = l->known && l->seconds > 0 ? (m.now - m.was) / l->seconds : 0;
    return m;
}

uint32_t osp_alloc_go_culprit(const osp_alloc_fact *all, const osp_stack_fact *s)
{
    (void)all;
    return osp_memory_caller(s);
}

bool osp_alloc_blame(const osp_facts *f, const osp_alloc_fact *all, osp_place_culprit *what, osp_alloc_blamed *out)
{
    /* The rules' means of blaming work on samples: a place counts by its amount. */
    osp_facts as = {.arena = f->arena};
    osp_stack_fact *stack = osp_new(f->arena, osp_stack_fact, all->n + 1);
    osp_mark *mark = osp_new(f->arena, osp_mark, all->n + 1);
    double sum = 0;
    *out = (osp_alloc_blamed){0};
    if (!stack || !mark)
        return false;
    for (uint32_t i = 0; i < all->n; i++)
        sum += all->place[i].amount;
    for (uint32_t i = 0; i < all->n && sum > 0; i++) {
        const osp_place_fact *p = &all->place[i];
        stack[i] = (osp_stack_fact){.call = p->call,
                                    .ncall = p->ncall,
                                    .tid = p->tid,
                                    .goid = p->goid,
                                    .share = p->amount / sum,
                                    .in = p->in};
        mark[i] = (osp_mark){.sign = p->amount > 0, .call = what(all, &stack[i])};
    }
    as.stack = stack;
    as.nstack = sum > 0 ? all->n : 0;
    if (!osp_blame(&as, mark, NULL, &out->who))
        return false;
    out->part = out->who.share;
    out->amount = out->part * sum;
    return true;
}
