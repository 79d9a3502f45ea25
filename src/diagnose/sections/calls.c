/* SPDX-License-Identifier: Apache-2.0 */
/* System calls of a short window: by name and, of those that come often, where they come from. */
#include "diagnose/section.h"

#include <stdlib.h>

static void window(osp_watch *w, double seconds, osp_facts *f);
static void transfer(osp_archive *x, osp_facts *f);

const osp_section osp_section_calls = {
    .name = "calls", .ask = OSP_ASK_CALLS, .seconds = 0.5, .window = window, .transfer = transfer};

static osp_str called_name(osp_arena *a, osp_str call, osp_str op)
{
    return op.n ? osp_arena_fmt(a, "%.*s %.*s", STRF(call), STRF(op)) : osp_arena_str(a, call);
}

static int by_rate(const void *a, const void *b)
{
    const osp_called_fact *x = a, *y = b;
    return (x->per_s < y->per_s) - (x->per_s > y->per_s);
}

static void window(osp_watch *w, double seconds, osp_facts *f)
{
    osp_recording *rec;
    osp_profile *p;
    osp_call_facts *c = &f->calls;
    if (!osp_window_record(w, "syscalls", seconds, &rec, &p))
        return;
    double s = (double)rec->stats.duration_ns / 1e9;
    c->row = osp_new(f->arena, osp_called_fact, rec->ncalled + 1);
    if (!c->row || s <= 0)
        return;
    for (uint32_t i = 0; i < rec->ncalled; i++) {
        const osp_called *r = &rec->called[i];
        char number[OSP_SYSCALL_NUMBER];
        osp_str name = osp_str_from(osp_syscall_text(r->nr, number));
        c->row[c->n++] =
            (osp_called_fact){.name = called_name(f->arena, name, osp_str_from(osp_futex_op_text(r->op))),
                              .nr = r->nr,
                              .per_s = (double)r->calls / s,
                              .errors_per_s = (double)r->errors / s,
                              .nothing_per_s = (double)r->nothing / s,
                              .bytes_per_s = (double)r->bytes / s,
                              .time_per_s = (double)r->ns / 1e9 / s,
                              .p50_ns = osp_called_quantile(r, 0.5),
                              .p99_ns = osp_called_quantile(r, 0.99),
                              .max_ns = r->max_ns};
        c->per_s += (double)r->calls / s;
    }
    qsort(c->row, c->n, sizeof *c->row, by_rate);
    c->known = osp_window_places(w, rec, p, "syscalls", "syscall-time", &c->place, &c->nplace);
    for (uint32_t i = 0; i < c->nplace; i++) {
        osp_labelset_id set = p->samples.labels[i];
        c->place[i].name =
            called_name(f->arena, osp_label_text(p, set, S("syscall")), osp_label_text(p, set, S("op")));
        c->place[i].label = osp_label_text(p, set, S("errno"));
    }
    c->seconds = s;
}

static void called(osp_archive *x, osp_called_fact *r)
{
    osp_arc(x, &r->name);
    osp_arc(x, &r->nr);
    osp_arc(x, &r->per_s);
    osp_arc(x, &r->errors_per_s);
    osp_arc(x, &r->nothing_per_s);
    osp_arc(x, &r->bytes_per_s);
    osp_arc(x, &r->time_per_s);
    osp_arc(x, &r->p50_ns);
    osp_arc(x, &r->p99_ns);
    osp_arc(x, &r->max_ns);
}

static void transfer(osp_archive *x, osp_facts *f)
{
    osp_call_facts *c = &f->calls;
    osp_arc(x, &c->known);
    osp_arc(x, &c->seconds);
    osp_arc(x, &c->per_s);
    OSP_ARC_ROWS(x, &c->row, &c->n, called);
    OSP_ARC_ROWS(x, &c->place, &c->nplace, osp_arc_place);
}
