/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of `osprey goroutines`; docs/json.md explains its fields. */
#include "cli/goroutines_screen.h"

enum { MEMBERS = 100 }; /* of a group that are named */

static void put_spot(osp_json *j, const char *key, const osp_spot *s)
{
    if (!s)
        return;
    osp_json_object(j, key);
    osp_json_str(j, "function", s->func);
    if (s->file.n) {
        osp_json_str(j, "file", s->file);
        osp_json_int(j, "line", s->line);
    }
    if (s->inlined)
        osp_json_bool(j, "inlined", true);
    if (s->pc)
        osp_json_uint(j, "address", s->pc);
    osp_json_end(j);
}

static void put_frames(osp_json *j, const osp_goroutines_view *v, const osp_goroutine *g)
{
    const osp_go_stack *s = &v->list->stack[g->stack];
    const osp_spot *row;
    osp_json_array(j, "stack");
    for (uint32_t i = 0; i < s->n; i++) {
        size_t n = osp_inspect_spots(v->in, s->pc[i], &row);
        for (size_t k = 0; k < n; k++) {
            j->dense = true;
            put_spot(j, NULL, &row[k]);
            j->dense = false;
        }
    }
    osp_json_end(j);
    if (!s->whole)
        osp_json_bool(j, "stack_cut", true);
}

static void put_labels(osp_json *j, osp_str text)
{
    osp_str key, value;
    char name[OSP_GO_LABEL_KEY + 1];
    if (!text.n)
        return;
    osp_json_object(j, "labels");
    while (osp_labels_next(&text, &key, &value))
        osp_json_str(j, osp_str_z(key, name, sizeof name), value);
    osp_json_end(j);
}

static void put_member(osp_json *j, const osp_goroutines_view *v, const osp_goroutine *g)
{
    j->dense = true;
    osp_json_object(j, NULL);
    osp_json_uint(j, "id", g->goid);
    if (g->waited_ns >= 0)
        osp_json_int(j, "waited_ns", g->waited_ns);
    if (g->parent)
        osp_json_uint(j, "parent", g->parent);
    const osp_m *m = osp_goroutine_m(v->list, g->m);
    if (m) {
        osp_json_int(j, "m", m->id);
        osp_json_int(j, "tid", m->tid);
    }
    if (g->lockedm)
        osp_json_bool(j, "locked", true);
    if (g->torn)
        osp_json_bool(j, "torn", true);
    put_labels(j, v->list->labels[g->labels]);
    osp_json_uint(j, "g", g->addr);
    osp_json_end(j);
    j->dense = false;
}

static void put_group(osp_json *j, const osp_goroutines_view *v, const osp_goroutine_group *g)
{
    const osp_goroutine *one = &v->list->g[g->example];
    osp_json_object(j, NULL);
    osp_json_uint(j, "count", g->n);
    if (v->seconds > 0) {
        osp_json_uint(j, "before", g->before);
        osp_json_num(j, "growth_per_minute", ((double)g->n - g->before) * 60 / v->seconds);
    }
    if (v->by != OSP_BY_STACK) {
        osp_json_str(j, "key", g->title);
        osp_json_uint(j, "example_count", g->nexample);
    }
    osp_json_str(j, "state", osp_go_status_text(one->status));
    if (one->status == OSP_G_WAITING || one->status == OSP_G_LEAKED)
        osp_json_str(j, "wait_reason", osp_go_waitreason_text(osp_inspect_go(v->in), one->waitreason));
    if (g->nwaited) {
        osp_json_uint(j, "waits_known", g->nwaited);
        osp_json_int(j, "waited_least_ns", g->least_ns);
        osp_json_int(j, "waited_median_ns", g->median_ns);
        osp_json_int(j, "waited_most_ns", g->most_ns);
    }
    if (g->nlocked)
        osp_json_uint(j, "locked", g->nlocked);
    if (one->kind != OSP_G_OF_USER)
        osp_json_bool(j, "system", true);
    put_spot(j, "where", osp_goroutine_place(v->in, v->list, one));
    put_spot(j, "created_by", osp_goroutine_creator(v->in, one));
    put_spot(j, "began", osp_goroutine_start(v->in, v->list, one));
    if (g->nlabels) {
        osp_json_uint(j, "labels_count", g->nlabels);
        put_labels(j, v->list->labels[g->labels]);
    }
    put_frames(j, v, one);
    if (v->waits)
        osp_waits_json(j, &v->waits[g - v->groups->row], osp_inspect_image(v->in)->process ? v->list->taken_ns : 0);
    osp_json_array(j, "goroutines");
    for (uint32_t i = 0; i < g->n && i < MEMBERS; i++)
        put_member(j, v, &v->list->g[g->member[i]]);
    osp_json_end(j);
    osp_json_end(j);
}

void osp_goroutines_json(const osp_goroutines_view *v, osp_buf *out)
{
    static const char *const by[] = {"stack", "creator", "state", "wait", "label"};
    const osp_goroutine_list *l = v->list;
    const osp_image *image = osp_inspect_image(v->in);
    osp_json j = osp_json_on(out);
    osp_json_object(&j, NULL);
    osp_json_str(&j, "schema", S("osprey.goroutines/1"));
    osp_json_str(&j, "program", v->name);
    osp_json_str(&j, "of", image->name);
    if (image->pid)
        osp_json_int(&j, "pid", image->pid);
    osp_json_str(&j, "go_version", osp_go_version(osp_inspect_go(v->in)));
    osp_json_str(&j, "layout", osp_go_layout_source(osp_inspect_go(v->in)));
    osp_json_num(&j, "read_ms", (double)l->took_ns / 1e6);
    osp_json_bool(&j, "stopped", v->frozen);
    if (v->stop.stop_ns) {
        osp_json_num(&j, "stopped_ms", (double)v->stop.stop_ns / 1e6);
        osp_json_bool(&j, "stopped_too_short", v->stop.expired);
    }
    osp_json_uint(&j, "goroutines", l->nuser);
    if (l->counted >= 0)
        osp_json_int(&j, "runtime_counts", l->counted);
    osp_json_uint(&j, "system_goroutines", l->n - l->nuser);
    osp_json_uint(&j, "shown", v->groups->ngoroutine);
    osp_json_uint(&j, "read_again", l->again);
    osp_json_uint(&j, "torn", l->torn);
    osp_json_uint(&j, "cut", l->cut);
    osp_json_uint(&j, "unread", l->unread);
    osp_json_str(&j, "by", osp_str_from(by[v->by]));
    if (v->by == OSP_BY_LABEL)
        osp_json_str(&j, "label", v->label);
    if (v->seconds > 0)
        osp_json_num(&j, "interval_s", v->seconds);
    osp_json_array(&j, "groups");
    for (uint32_t i = 0; i < v->groups->n; i++)
        put_group(&j, v, &v->groups->row[i]);
    osp_json_end(&j);
    osp_json_end(&j);
}
