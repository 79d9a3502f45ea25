/* SPDX-License-Identifier: Apache-2.0 */
/* `osprey syscalls --json`: docs/json.md. */
#include "cli/calls_model.h"

static void put_place(osp_json *j, const osp_call_place *p)
{
    osp_json_object(j, NULL);
    osp_json_str(j, "function", p->function);
    osp_json_str(j, "file", p->file);
    osp_json_int(j, "line", p->line);
    osp_json_str(j, "group", p->group);
    osp_json_uint(j, "calls", p->calls);
    osp_json_uint(j, "failed", p->errors);
    osp_json_uint(j, "bytes", p->bytes);
    osp_json_uint(j, "total_ns", p->ns);
    osp_json_array(j, "stack");
    for (uint32_t i = 0; i < p->stack->n; i++)
        osp_json_str(j, NULL, p->stack->call[i].func);
    osp_json_end(j);
    osp_json_end(j);
}

static void put_places(osp_json *j, const osp_call_place *p, uint32_t n)
{
    osp_json_array(j, "places");
    for (uint32_t i = 0; i < n; i++)
        put_place(j, &p[i]);
    osp_json_end(j);
}

static void put_row(osp_json *j, const osp_call_row *row)
{
    static const char *const way[] = {
        [OSP_MOVES_NOTHING] = NULL, [OSP_MOVES_IN] = "bytes_in", [OSP_MOVES_OUT] = "bytes_out"};
    const osp_called *c = row->called;
    osp_json_object(j, NULL);
    osp_json_str(j, "name", row->name);
    if (row->op.n)
        osp_json_str(j, "op", row->op);
    osp_json_uint(j, "number", c->nr);
    osp_json_uint(j, "calls", c->calls);
    osp_json_uint(j, "failed", c->errors);
    osp_json_uint(j, "gave_nothing", c->nothing);
    if (way[c->moves])
        osp_json_uint(j, way[c->moves], c->bytes);
    osp_json_uint(j, "total_ns", c->ns);
    osp_json_uint(j, "median_ns", osp_called_quantile(c, 0.5));
    osp_json_uint(j, "p99_ns", osp_called_quantile(c, 0.99));
    osp_json_uint(j, "max_ns", c->max_ns);
    put_places(j, row->place, row->nplace);
    osp_json_array(j, "failures");
    for (uint32_t i = 0; i < row->nfailure; i++) {
        osp_json_object(j, NULL);
        osp_json_str(j, "errno", row->failure[i].name);
        osp_json_uint(j, "calls", row->failure[i].calls);
        put_places(j, row->failure[i].place, row->failure[i].nplace);
        osp_json_end(j);
    }
    osp_json_end(j);
    osp_json_end(j);
}

static void put_causes(osp_json *j, const char *key, const uint64_t *count)
{
    osp_json_object(j, key);
    for (int c = 0; c < OSP_CAUSES; c++)
        if (count[c])
            osp_json_uint(j, osp_cause_text((osp_cause)c), count[c]);
    osp_json_end(j);
}

static void put_wakes(osp_json *j, const osp_calls_model *m)
{
    osp_json_object(j, "wakeups");
    osp_json_uint(j, "total", m->wakes);
    osp_json_uint(j, "by_threads", m->by_threads);
    osp_json_uint(j, "inherited", m->inherited);
    put_causes(j, "by_threads_causes", m->by_cause);
    put_causes(j, "from_outside_causes", m->by_interrupt);
    osp_json_array(j, "pairs");
    for (uint32_t i = 0; i < m->npair; i++) {
        const osp_wake_pair *p = &m->pair[i];
        osp_json_object(j, NULL);
        osp_json_str(j, "cause", osp_str_from(osp_cause_text(p->cause)));
        osp_json_str(j, "waker", p->waker);
        osp_json_str(j, "woken", p->woken);
        if (p->call.n)
            osp_json_str(j, "call", p->call);
        osp_json_uint(j, "count", p->count);
        osp_json_uint(j, "inherited", p->inherited);
        osp_json_end(j);
    }
    osp_json_end(j);
    osp_json_end(j);
}

void osp_calls_json(const osp_calls_model *m, const osp_sample_stats *s, osp_str who, osp_buf *out)
{
    osp_json j = osp_json_on(out);
    osp_json_object(&j, NULL);
    osp_json_str(&j, "schema", S("osprey.syscalls/1"));
    osp_json_str(&j, "target", who);
    osp_json_uint(&j, "duration_ns", s->duration_ns);
    osp_json_uint(&j, "calls_total", m->calls);
    osp_json_uint(&j, "failed_total", m->errors);
    osp_json_uint(&j, "bytes_in", m->in);
    osp_json_uint(&j, "bytes_out", m->out);
    osp_json_uint(&j, "samples", s->taken);
    osp_json_uint(&j, "complete", s->ended[OSP_END_ROOT]);
    osp_json_uint(&j, "not_walked", s->ended[OSP_END_BUDGET]);
    osp_json_uint(&j, "lost", s->lost);
    osp_json_str(&j, "gave_up", osp_str_from(s->gave_up));
    osp_json_uint(&j, "bpf_run_ns", s->bpf_run_ns);
    osp_json_uint(&j, "bpf_runs", s->bpf_runs);
    osp_json_array(&j, "calls");
    for (uint32_t i = 0; i < m->nrow; i++)
        put_row(&j, &m->row[i]);
    osp_json_end(&j);
    put_wakes(&j, m);
    osp_json_object(&j, "epoll");
    osp_json_uint(&j, "returns", m->epoll.returns);
    osp_json_uint(&j, "empty", m->epoll.empty);
    osp_json_uint(&j, "failed", m->epoll.failed);
    osp_json_uint(&j, "useful_reads", m->epoll.useful);
    osp_json_end(&j);
    osp_json_end(&j);
}
