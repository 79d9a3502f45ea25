/* SPDX-License-Identifier: Apache-2.0 */
/* Chrome's trace events, as chrome://tracing, DevTools' performance panel and `node --trace-event-categories` save them:
 *
 *     {"traceEvents": [{"ph": "X", "pid": 1, "tid": 2, "ts": 1000, "dur": 30, "name": "parse"},
 *                      {"ph": "B", …, "ts": 1100, "name": "draw"}, {"ph": "E", …, "ts": 1150}, …]}
 *
 * or the list alone. Microseconds. If V8's CPU profiler wrote into it (events Profile and ProfileChunk), its samples are
 * the profile; else the durations are: what happens inside another of the same thread is called by it, and each has its
 * time less that of those inside. */
#include "format/names.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEEPEST = 4096 };

typedef struct {
    double ts;
    uint32_t node, order;
} event;

/* A duration that is open; end: of one that tells it, else infinite. */
typedef struct {
    osp_location_id at;
    double start, end;
} frame;

typedef struct {
    osp_labelset_id labels;
    frame *frame;
    size_t n, cap;
    double last; /* until here it is accounted for */
} thread;

/* A node of a CPU profile's tree. */
typedef struct {
    osp_location_id at;
    uint32_t parent; /* index; UINT32_MAX = none */
    bool root;
} tree_node;

typedef struct {
    osp_labelset_id labels;
    bool pending; /* a sample waits for its end */
    osp_stack_id stack;
    double start, now, end; /* microseconds */
} cpu_profile;

typedef struct {
    osp_names names;
    osp_builder *b;
    osp_doc doc;
    osp_arena arena;
    event *event;
    uint32_t n;
    osp_intern thread_names, threads, profiles, nodes; /* by pid and tid, or id */
    osp_str *thread_name;
    thread *thread;
    cpu_profile *profile;
    tree_node *node;
    size_t name_cap, thread_cap, profile_cap, node_cap;
    uint64_t left_out;
    bool failed;
} reader;

/* ---- events --------------------------------------------------------------------------------------------------- */

static osp_str raw(const reader *r, uint32_t node) { return node ? osp_doc_raw(&r->doc, node) : S(""); }

static uint32_t member(const reader *r, uint32_t node, const char *key) { return osp_doc_member(&r->doc, node, key); }

/* A member of a member, 0 if one is not there. */
static uint32_t inner(const reader *r, uint32_t node, const char *key, const char *next)
{
    uint32_t m = member(r, node, key);
    return m ? member(r, m, next) : 0;
}

static double number(const reader *r, uint32_t node)
{
    double v = node ? osp_doc_number(&r->doc, node) : 0;
    return isfinite(v) ? v : 0;
}

static char phase(const reader *r, uint32_t e)
{
    osp_str ph = raw(r, member(r, e, "ph"));
    return ph.n == 1 ? ph.p[0] : 0;
}

static bool is_named(reader *r, uint32_t e, osp_str name)
{
    uint32_t m = member(r, e, "name");
    return m && osp_str_eq(osp_doc_text(&r->doc, m), name);
}

static uint32_t id_of(reader *r, osp_intern *set, osp_str a, osp_str b, void **rows, size_t *cap, size_t size)
{
    osp_str key = osp_arena_fmt(&r->arena, "%.*s %.*s", STRF(osp_str_head(a, 40)), STRF(osp_str_head(b, 40)));
    uint32_t id = key.p ? osp_intern_put(set, key, NULL) : UINT32_MAX;
    size_t had = *cap;
    if (id == UINT32_MAX || !osp_grow(rows, cap, (size_t)id + 1, size)) {
        r->failed = true;
        return UINT32_MAX;
    }
    if (*cap > had)
        memset((char *)*rows + had * size, 0, (*cap - had) * size);
    return id;
}

static osp_labelset_id labels_of(reader *r, uint32_t e)
{
    osp_str pid = raw(r, member(r, e, "pid")), tid = raw(r, member(r, e, "tid"));
    void *rows = r->thread_name;
    uint32_t id = id_of(r, &r->thread_names, pid, tid, &rows, &r->name_cap, sizeof *r->thread_name), n = 0;
    r->thread_name = rows;
    osp_label label[3];
    if (id != UINT32_MAX && r->thread_name[id].n)
        label[n++] = (osp_label){.key = osp_builder_string(r->b, S("thread")),
                                 .str = osp_builder_string(r->b, r->thread_name[id])};
    if (pid.n)
        label[n++] = (osp_label){.key = osp_builder_string(r->b, S("pid")), .str = osp_builder_string(r->b, pid)};
    if (tid.n)
        label[n++] = (osp_label){.key = osp_builder_string(r->b, S("tid")), .str = osp_builder_string(r->b, tid)};
    return osp_builder_labels(r->b, label, n);
}

static void name_thread(reader *r, uint32_t e)
{
    void *rows = r->thread_name;
    uint32_t name = inner(r, e, "args", "name");
    uint32_t id = id_of(r, &r->thread_names, raw(r, member(r, e, "pid")), raw(r, member(r, e, "tid")), &rows,
                        &r->name_cap, sizeof *r->thread_name);
    r->thread_name = rows;
    if (id != UINT32_MAX && name)
        r->thread_name[id] = osp_doc_text(&r->doc, name);
}

static int by_time(const void *a, const void *b)
{
    const event *x = a, *y = b;
    return x->ts < y->ts ? -1 : x->ts > y->ts ? 1 : (x->order > y->order) - (x->order < y->order);
}

/* Keep what is a duration, or a part of a CPU profile; true if there are samples of that. */
static bool collect(reader *r, uint32_t list)
{
    bool sampled = false;
    for (uint32_t e = osp_doc_first(&r->doc, list); e < osp_doc_end(&r->doc, list); e = osp_doc_next(&r->doc, e)) {
        if (r->doc.node[e].kind != OSP_DOC_OBJECT)
            continue;
        char ph = phase(r, e);
        if (ph == 'M' && is_named(r, e, S("thread_name")))
            name_thread(r, e);
        if (ph != 'B' && ph != 'E' && ph != 'X' && ph != 'P')
            continue;
        r->event[r->n] = (event){number(r, member(r, e, "ts")), e, r->n};
        r->n++;
        sampled |= ph == 'P' && inner(r, e, "args", "data") && is_named(r, e, S("ProfileChunk"));
    }
    qsort(r->event, r->n, sizeof *r->event, by_time);
    return sampled;
}

static int64_t nanoseconds(double us)
{
    us = round(us * 1000);
    return us >= 9.2e18 ? INT64_MAX : us > 0 ? (int64_t)us : 0;
}

/* ---- samples of V8's CPU profiler ------------------------------------------------------------------------------ */

static uint32_t profile_of(reader *r, uint32_t e)
{
    void *rows = r->profile;
    uint32_t id = id_of(r, &r->profiles, raw(r, member(r, e, "pid")), raw(r, member(r, e, "id")), &rows,
                        &r->profile_cap, sizeof *r->profile);
    r->profile = rows;
    return id;
}

static uint32_t node_key(reader *r, uint32_t profile, uint32_t id)
{
    char text[12];
    snprintf(text, sizeof text, "%u", profile);
    void *rows = r->node;
    uint32_t i = id_of(r, &r->nodes, osp_str_from(text), raw(r, id), &rows, &r->node_cap, sizeof *r->node);
    r->node = rows;
    return i;
}

static void read_nodes(reader *r, uint32_t profile, uint32_t list)
{
    osp_doc *d = &r->doc;
    for (uint32_t i = osp_doc_first(d, list); i < osp_doc_end(d, list); i = osp_doc_next(d, i)) {
        uint32_t call = member(r, i, "callFrame"), id = member(r, i, "id"), parent = member(r, i, "parent");
        uint32_t at = id ? node_key(r, profile, id) : UINT32_MAX, up = UINT32_MAX;
        if (parent)
            up = node_key(r, profile, parent);
        if (at == UINT32_MAX)
            continue;
        tree_node *n = &r->node[at];
        n->parent = up;
        n->at = osp_names_v8_frame(&r->names, d, call, &n->root);
    }
}

/* Parents may go round in a file that lies. */
static osp_stack_id stack_of(reader *r, uint32_t i, uint32_t known)
{
    for (uint32_t steps = 0; i < known && steps < DEEPEST; i = r->node[i].parent, steps++)
        if (!r->node[i].root)
            osp_names_push(&r->names, r->node[i].at);
    return osp_names_stack(&r->names, false);
}

static void end_sample(reader *r, cpu_profile *p, double us)
{
    int64_t value[2] = {1, nanoseconds(us)};
    if (p->pending)
        osp_builder_sample(r->b, p->stack, p->labels, value, 0);
    p->pending = false;
}

static bool read_chunk(reader *r, uint32_t profile, uint32_t data, osp_err *err)
{
    osp_doc *d = &r->doc;
    uint32_t nodes = inner(r, data, "cpuProfile", "nodes"), samples = inner(r, data, "cpuProfile", "samples");
    uint32_t deltas = member(r, data, "timeDeltas"), end = member(r, data, "endTime");
    cpu_profile *p = &r->profile[profile];
    if (nodes)
        read_nodes(r, profile, nodes);
    if (end)
        p->end = number(r, end);
    uint32_t t = deltas ? osp_doc_first(d, deltas) : UINT32_MAX;
    for (uint32_t s = samples ? osp_doc_first(d, samples) : UINT32_MAX; samples && s < osp_doc_end(d, samples);
         s = osp_doc_next(d, s)) {
        double delta = deltas && t < osp_doc_end(d, deltas) ? number(r, t) : 0;
        uint32_t known = r->nodes.n, i = node_key(r, profile, s);
        if (deltas && t < osp_doc_end(d, deltas))
            t = osp_doc_next(d, t);
        if (i >= known)
            return osp_fail(err, OSP_EFORMAT, "a sample of a node that is not there");
        end_sample(r, p, delta);
        p->now += delta;
        p->stack = stack_of(r, i, known);
        p->pending = true;
    }
    return true;
}

static bool read_samples(reader *r, osp_err *err)
{
    osp_builder_value(r->b, S("samples"), S("count"));
    osp_builder_value(r->b, S("cpu"), S("nanoseconds"));
    for (uint32_t i = 0; i < r->n && !r->failed; i++) {
        uint32_t e = r->event[i].node, data = inner(r, e, "args", "data");
        if (phase(r, e) != 'P') {
            r->left_out++;
            continue;
        }
        uint32_t profile = data ? profile_of(r, e) : UINT32_MAX;
        if (profile == UINT32_MAX)
            continue;
        if (is_named(r, e, S("Profile"))) {
            r->profile[profile].labels = labels_of(r, e);
            r->profile[profile].now = number(r, member(r, data, "startTime"));
        } else if (!read_chunk(r, profile, data, err)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < r->profiles.n && i < r->profile_cap; i++)
        end_sample(r, &r->profile[i], r->profile[i].end ? r->profile[i].end - r->profile[i].now : 0);
    return true;
}

/* ---- durations ------------------------------------------------------------------------------------------------- */

static void account(reader *r, thread *t, double until)
{
    int64_t value = nanoseconds(until - t->last);
    if (until <= t->last)
        return;
    t->last = until;
    if (t->n == 0)
        return;
    for (size_t i = t->n; i-- > 0;)
        osp_names_push(&r->names, t->frame[i].at);
    osp_builder_sample(r->b, osp_names_stack(&r->names, false), t->labels, &value, 0);
}

static void close_until(reader *r, thread *t, double now)
{
    while (t->n && t->frame[t->n - 1].end <= now) {
        account(r, t, t->frame[t->n - 1].end);
        t->n--;
    }
    account(r, t, now);
}

static bool open_frame(thread *t, frame f, osp_err *err)
{
    void *all = t->frame;
    size_t at = t->n;
    if (t->n == DEEPEST)
        return osp_fail(err, OSP_ELIMIT, "durations are nested deeper than %d", DEEPEST);
    if (!osp_grow(&all, &t->cap, t->n + 1, sizeof f))
        return osp_fail_memory(err, "reading durations");
    t->frame = all;
    /* Of two that begin at once, the longer one is around the other, whichever comes first. */
    while (at && t->frame[at - 1].start == f.start && t->frame[at - 1].end < f.end && isfinite(f.end))
        at--;
    if (at && at == t->n && f.end > t->frame[at - 1].end && isfinite(f.end))
        f.end = t->frame[at - 1].end;
    memmove(t->frame + at + 1, t->frame + at, (t->n - at) * sizeof f);
    t->frame[at] = f;
    t->n++;
    return true;
}

/* The innermost one that waits for its end. */
static void close_begun(thread *t)
{
    size_t i = t->n;
    while (i && isfinite(t->frame[i - 1].end))
        i--;
    if (i)
        t->n = i - 1;
}

static bool read_duration(reader *r, uint32_t e, double ts, osp_err *err)
{
    void *rows = r->thread;
    uint32_t id = id_of(r, &r->threads, raw(r, member(r, e, "pid")), raw(r, member(r, e, "tid")), &rows,
                        &r->thread_cap, sizeof *r->thread),
             name = member(r, e, "name");
    r->thread = rows;
    if (id == UINT32_MAX)
        return osp_fail_memory(err, "reading durations");
    thread *t = &r->thread[id];
    if (!t->frame) {
        t->labels = labels_of(r, e);
        t->last = ts;
    }
    close_until(r, t, ts);
    const char ph = phase(r, e);
    if (ph == 'E') {
        close_begun(t);
        return true;
    }
    double dur = number(r, member(r, e, "dur"));
    frame f = {.start = ts, .end = ph == 'B' ? INFINITY : ts + fmax(0, dur)};
    osp_str text = name ? osp_doc_text(&r->doc, name) : S("");
    f.at = osp_names_frame(&r->names, (osp_mapping_id){0}, 0, text.n ? text : S("(no name)"), S(""), 0);
    return open_frame(t, f, err);
}

static bool read_durations(reader *r, osp_err *err)
{
    osp_builder_value(r->b, S("time"), S("nanoseconds"));
    uint64_t any = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        if (phase(r, r->event[i].node) == 'P')
            continue;
        if (!read_duration(r, r->event[i].node, r->event[i].ts, err))
            return false;
        any++;
    }
    for (uint32_t i = 0; i < r->threads.n; i++)
        close_until(r, &r->thread[i],
                    r->thread[i].n && isfinite(r->thread[i].frame[0].end) ? r->thread[i].frame[0].end
                                                                          : r->event[r->n - 1].ts);
    return any || osp_fail(err, OSP_EABSENT, "there is neither a duration nor a CPU profile in it");
}

/* ---- the form ------------------------------------------------------------------------------------------------- */

static bool read_events(reader *r, osp_input *in, osp_err *err)
{
    osp_doc *d = &r->doc;
    uint32_t list = d->node[0].kind == OSP_DOC_ARRAY ? 0 : member(r, 0, "traceEvents");
    if (d->node[list].kind != OSP_DOC_ARRAY)
        return osp_fail(err, OSP_EABSENT, "no traceEvents in it");
    r->event = calloc((size_t)d->n + 1, sizeof *r->event);
    if (!r->event)
        return osp_fail_memory(err, "reading trace events");
    bool sampled = collect(r, list);
    if (!(sampled ? read_samples : read_durations)(r, err))
        return false;
    if (r->left_out)
        snprintf(in->note, sizeof in->note, "a CPU profile; %llu events with durations beside it were left out",
                 (unsigned long long)r->left_out);
    return !r->failed || osp_fail_memory(err, "reading trace events");
}

static void drop(reader *r)
{
    for (size_t i = 0; i < r->thread_cap; i++)
        free(r->thread[i].frame);
    osp_doc_drop(&r->doc);
    osp_arena_drop(&r->arena);
    osp_intern *const set[] = {&r->thread_names, &r->threads, &r->profiles, &r->nodes};
    for (size_t i = 0; i < sizeof set / sizeof *set; i++)
        osp_intern_drop(set[i]);
    free(r->event);
    free(r->thread_name);
    free(r->thread);
    free(r->profile);
    free(r->node);
}

static osp_profile *read_chrome(osp_input *in, osp_err *err)
{
    reader r = {0};
    if (!osp_doc_read(osp_span_text(in->file.bytes), &r.doc, err))
        return NULL;
    osp_arena_init(&r.arena, in->limit);
    r.b = r.names.b = osp_builder_new(in->limit, err);
    bool ok = r.b && read_events(&r, in, err);
    drop(&r);
    return osp_names_finish(&r.names, ok, err);
}

static osp_sniffed sniff(osp_str head, size_t size)
{
    (void)size;
    osp_str s = osp_str_trim(head);
    if (osp_str_starts(s, S("{")))
        return osp_str_has(head, S("\"traceEvents\"")) ? OSP_MINE : OSP_NOT_MINE;
    if (!osp_str_starts(s, S("[")))
        return OSP_NOT_MINE;
    return osp_str_has(head, S("\"ph\"")) && osp_str_has(head, S("\"ts\"")) ? OSP_MINE : OSP_NOT_MINE;
}

const osp_format osp_format_chrome = {
    .name = "chrome",
    .summary = "Chrome's trace events",
    .ending = "",
    .sniff = sniff,
    .read = read_chrome,
};
