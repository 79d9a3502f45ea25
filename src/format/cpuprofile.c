/* SPDX-License-Identifier: Apache-2.0 */
/* V8's CPU profile (.cpuprofile), as Chrome's DevTools and `node --cpu-prof` save it:
 *
 *     {"nodes": [{"id": 1, "callFrame": {"functionName": "(root)", "url": "", "lineNumber": -1}, "children": [2]}, …],
 *      "startTime": 1000, "endTime": 9000, "samples": [2, 2, 3], "timeDeltas": [100, 1200, 1300]}
 *
 * Microseconds; lineNumber counts from 0. A delta stands before its sample, so a sample lasted as long as the next delta
 * says; the last one until endTime. The frame (root) is left out. */
#include "format/names.h"

#include <stdlib.h>

typedef struct {
    osp_location_id at;
    uint32_t parent; /* index + 1; 0 = none */
    bool root, stacked;
    osp_stack_id stack;
} node;

typedef struct {
    int64_t id;
    uint32_t index;
} node_id;

typedef struct {
    osp_names names;
    osp_doc doc;
    node *node;
    node_id *id;
    uint32_t n;
} reader;

static int by_id(const void *a, const void *b)
{
    const node_id *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* Index + 1 of the node of that id; 0 if there is none. */
static uint32_t node_of(const reader *r, int64_t id)
{
    const node_id key = {.id = id}, *at = bsearch(&key, r->id, r->n, sizeof key, by_id);
    return at ? at->index + 1 : 0;
}

static void read_node(reader *r, uint32_t i)
{
    osp_doc *d = &r->doc;
    node *n = &r->node[r->n];
    r->id[r->n] = (node_id){osp_doc_int(d, osp_doc_member(d, i, "id")), r->n};
    n->at = osp_names_v8_frame(&r->names, d, osp_doc_member(d, i, "callFrame"), &n->root);
    r->n++;
}

static bool read_nodes(reader *r, osp_err *err)
{
    osp_doc *d = &r->doc;
    uint32_t list = osp_doc_member(d, 0, "nodes"), children, k = 0;
    if (!list || d->node[list].kind != OSP_DOC_ARRAY)
        return osp_fail(err, OSP_EABSENT, "no nodes in it");
    r->node = calloc(d->n, sizeof *r->node);
    r->id = calloc(d->n, sizeof *r->id);
    if (!r->node || !r->id)
        return osp_fail_memory(err, "reading a CPU profile");
    for (uint32_t i = osp_doc_first(d, list); i < osp_doc_end(d, list); i = osp_doc_next(d, i))
        read_node(r, i);
    qsort(r->id, r->n, sizeof *r->id, by_id);
    for (uint32_t i = osp_doc_first(d, list); i < osp_doc_end(d, list); i = osp_doc_next(d, i), k++) {
        uint32_t parent = osp_doc_member(d, i, "parent");
        if (parent)
            r->node[k].parent = node_of(r, osp_doc_int(d, parent));
        children = osp_doc_member(d, i, "children");
        for (uint32_t c = children ? osp_doc_first(d, children) : UINT32_MAX; c < osp_doc_end(d, children);
             c = osp_doc_next(d, c)) {
            uint32_t child = node_of(r, osp_doc_int(d, c));
            if (child)
                r->node[child - 1].parent = k + 1;
        }
    }
    return true;
}

/* Parents may go round in a file that lies. */
static osp_stack_id stack_of(reader *r, uint32_t i)
{
    node *n = &r->node[i];
    uint32_t steps = 0;
    if (n->stacked)
        return n->stack;
    for (uint32_t at = i + 1; at && steps++ < 4096; at = r->node[at - 1].parent)
        if (!r->node[at - 1].root)
            osp_names_push(&r->names, r->node[at - 1].at);
    n->stacked = true;
    return n->stack = osp_names_stack(&r->names, false);
}

/* Microseconds between two times, or of one, as nanoseconds; 0 if it went backwards or does not fit. */
static int64_t nanoseconds(int64_t from, int64_t to)
{
    int64_t us, ns;
    bool fits = !__builtin_sub_overflow(to, from, &us) && !__builtin_mul_overflow(us, 1000, &ns);
    return fits && ns > 0 ? ns : 0;
}

static bool read_samples(reader *r, osp_err *err)
{
    osp_doc *d = &r->doc;
    uint32_t samples = osp_doc_member(d, 0, "samples"), deltas = osp_doc_member(d, 0, "timeDeltas");
    uint64_t count = 0;
    if (!samples || d->node[samples].kind != OSP_DOC_ARRAY)
        return osp_fail(err, OSP_EFORMAT, "no samples in it");
    int64_t start = osp_doc_int(d, osp_doc_member(d, 0, "startTime")),
            end = osp_doc_int(d, osp_doc_member(d, 0, "endTime"));
    uint32_t t = deltas && d->node[deltas].kind == OSP_DOC_ARRAY ? osp_doc_first(d, deltas) : UINT32_MAX;
    int64_t now = start;
    for (uint32_t s = osp_doc_first(d, samples); s < osp_doc_end(d, samples); s = osp_doc_next(d, s), count++) {
        uint32_t i = node_of(r, osp_doc_int(d, s));
        int64_t ns = 0;
        if (t < osp_doc_end(d, deltas)) {
            osp_add(&now, osp_doc_int(d, t));
            t = osp_doc_next(d, t);
            ns = t < osp_doc_end(d, deltas) ? nanoseconds(0, osp_doc_int(d, t)) : nanoseconds(now, end);
        }
        if (i == 0)
            return osp_fail(err, OSP_EFORMAT, "sample %llu is of a node that is not there",
                            (unsigned long long)count);
        int64_t value[2] = {1, ns};
        osp_builder_sample(r->names.b, stack_of(r, i - 1), (osp_labelset_id){0}, value, 0);
    }
    const int64_t duration = nanoseconds(start, end);
    osp_builder_head(r->names.b, &(osp_profile_head){
                                     .duration_ns = duration,
                                     .period_type = S("cpu"),
                                     .period_unit = S("nanoseconds"),
                                     .period = count ? duration / (int64_t)count : 0,
                                 });
    return count > 0 || osp_fail(err, OSP_EFORMAT, "there is not one sample in it");
}

static osp_profile *read_cpuprofile(osp_input *in, osp_err *err)
{
    reader r = {0};
    if (!osp_doc_read(osp_span_text(in->file.bytes), &r.doc, err))
        return NULL;
    r.names.b = osp_builder_new(in->limit, err);
    bool ok = r.names.b != NULL;
    if (ok) {
        osp_builder_value(r.names.b, S("samples"), S("count"));
        osp_builder_value(r.names.b, S("cpu"), S("nanoseconds"));
        ok = read_nodes(&r, err) && read_samples(&r, err);
    }
    osp_doc_drop(&r.doc);
    free(r.node);
    free(r.id);
    return osp_names_finish(&r.names, ok, err);
}

static osp_sniffed sniff(osp_str head, size_t size)
{
    (void)size;
    if (!osp_str_starts(osp_str_trim(head), S("{")))
        return OSP_NOT_MINE;
    bool nodes = osp_str_has(head, S("\"nodes\"")), frames = osp_str_has(head, S("\"callFrame\""));
    return nodes && frames ? OSP_MINE : nodes ? OSP_MAYBE_MINE : OSP_NOT_MINE;
}

const osp_format osp_format_cpuprofile = {
    .name = "cpuprofile",
    .summary = "V8's CPU profile, as Chrome and Node save it",
    .ending = ".cpuprofile",
    .sniff = sniff,
    .read = read_cpuprofile,
};
