/* SPDX-License-Identifier: Apache-2.0 */
/* What every observation has: the process, its threads, its CPU samples by stack. Collected by observe.c itself. */
#include "diagnose/section.h"

static void transfer(osp_archive *x, osp_facts *f);

const osp_section osp_section_samples = {.name = "samples", .transfer = transfer};

static void process(osp_archive *x, osp_facts *f)
{
    uint8_t state = (uint8_t)f->process.state;
    osp_arc(x, &f->process.name);
    osp_arc(x, &f->process.exe);
    osp_arc(x, &state);
    osp_arc(x, &f->process.nthreads);
    osp_arc(x, &f->process.rss_bytes);
    osp_arc(x, &f->pid);
    osp_arc(x, &f->uptime_s);
    osp_arc(x, &f->stopped);
    osp_arc(x, &f->window_ns);
    osp_arc(x, &f->longer);
    osp_arc(x, &f->cores_used);
    osp_arc(x, &f->host_cpus);
    osp_arc_chars(x, f->clocksource, sizeof f->clocksource);
    osp_arc(x, &f->is_go);
    osp_arc(x, &f->go_version);
    osp_arc(x, &f->go_unreadable);
    osp_arc(x, &f->goroutines);
    osp_arc(x, &f->cgo_calls_per_s);
    osp_arc(x, &f->sched_ticks_per_s);
    f->process.state = (char)state;
}

static void sampling(osp_archive *x, osp_facts *f)
{
    osp_sample_stats *s = &f->sampling;
    osp_arc(x, &f->unsampled);
    osp_arc(x, &s->taken);
    osp_arc(x, &s->lost);
    for (int i = 0; i < OSP_END_UNSEEN; i++) /* which are no facts: there are no samples, then */
        osp_arc(x, &s->ended[i]);
    osp_arc(x, &s->duration_ns);
    osp_arc(x, &s->hz);
    osp_arc(x, &s->by_bpf);
    osp_arc_chars(x, s->gave_up, sizeof s->gave_up);
    osp_arc(x, &f->samples);
    osp_arc(x, &f->unsymbolised);
    osp_arc(x, &f->sampled_cores);
    osp_arc(x, &f->disagree);
    for (int i = 0; i < OSP_IN_DOMAINS; i++)
        osp_arc(x, &f->in[i]);
}

static void stack(osp_archive *x, osp_stack_fact *s)
{
    uint32_t in = s->in;
    osp_arc_calls(x, &s->call, &s->ncall);
    osp_arc(x, &s->tid);
    osp_arc(x, &s->goid);
    osp_arc(x, &s->samples);
    osp_arc(x, &s->share);
    osp_arc(x, &in);
    osp_arc(x, &s->complete);
    s->in = in < OSP_IN_DOMAINS ? (osp_domain)in : OSP_IN_UNKNOWN;
}

static void thread(osp_archive *x, osp_thread_fact *t)
{
    osp_arc(x, &t->tid);
    osp_arc_chars(x, t->name, sizeof t->name);
    osp_arc(x, &t->demand);
    osp_arc(x, &t->running);
    osp_arc(x, &t->sampled);
    osp_arc(x, &t->voluntary_per_s);
    osp_arc(x, &t->involuntary_per_s);
    osp_arc(x, &t->samples);
    osp_arc(x, &t->has_m);
    osp_arc(x, &t->m_is_known);
    osp_arc(x, &t->cgo_calls_per_s);
    osp_arc(x, &t->same_call);
    osp_arc(x, &t->goid);
}

static void loop(osp_archive *x, osp_loop_fact *l)
{
    uint32_t kind = l->kind;
    osp_arc(x, &l->func);
    osp_arc(x, &l->file);
    osp_arc(x, &l->module);
    osp_arc(x, &l->line);
    osp_arc(x, &kind);
    osp_arc(x, &l->share);
    osp_arc(x, &l->of_its_threads);
    osp_arc(x, &l->demand);
    osp_arc(x, &l->entropy_bits);
    osp_arc(x, &l->addresses);
    osp_arc(x, &l->threads);
    osp_arc(x, &l->loop.start);
    osp_arc(x, &l->loop.end);
    osp_arc(x, &l->loop.instructions);
    osp_arc(x, &l->loop.fixed_loads);
    osp_arc(x, &l->loop.other_loads);
    osp_arc(x, &l->loop.stores);
    osp_arc(x, &l->loop.exchanges);
    osp_arc(x, &l->loop.calls);
    osp_arc(x, &l->loop.counting);
    osp_arc(x, &l->loop.arithmetic);
    osp_arc(x, &l->loop.pauses);
    osp_arc(x, &l->loop.load_addr);
    osp_arc(x, &l->load_symbol);
    osp_arc(x, &l->load_mapping);
    osp_arc(x, &l->load_addr);
    l->kind = kind <= OSP_CALL_KERNEL ? (osp_call_kind)kind : OSP_CALL_UNKNOWN;
}

/* A loop names a stack of the same facts: its number + 1, 0 = none. */
static void loop_stack(osp_archive *x, osp_facts *f, osp_loop_fact *l)
{
    uint32_t number = !x->reading && l->stack ? (uint32_t)(l->stack - f->stack) + 1 : 0;
    osp_arc(x, &number);
    if (x->reading)
        l->stack = number && number <= f->nstack ? &f->stack[number - 1] : NULL;
}

static void transfer(osp_archive *x, osp_facts *f)
{
    process(x, f);
    sampling(x, f);
    OSP_ARC_ROWS(x, &f->stack, &f->nstack, stack);
    OSP_ARC_ROWS(x, &f->yield, &f->nyield, stack);
    OSP_ARC_ROWS(x, &f->thread, &f->nthread, thread);
    OSP_ARC_ROWS(x, &f->loop, &f->nloop, loop);
    for (uint32_t i = 0; i < f->nloop; i++)
        loop_stack(x, f, (osp_loop_fact *)&f->loop[i]);
    osp_arc(x, &f->from_files);
    osp_arc(x, &f->from_core);
    osp_arc(x, &f->core);
    osp_arc(x, &f->died);
}
