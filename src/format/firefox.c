/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles of profiler.firefox.com in its "processed" form, as it saves them and as samply and others write them for it:
 *
 *     {"meta": {"interval": 1, "preprocessedProfileVersion": 46, …}, "libs": [{"name": "libc.so", "path": …}],
 *      "threads": [{"name": "main", "pid": "1", "tid": 2,
 *                   "samples": {"stack": [0, 1, null], "weight": [1, 1, 2], "weightType": "samples", "length": 3},
 *                   "stackTable": {"frame": [0, 1], "prefix": [null, 0], "length": 2},
 *                   "frameTable": {"func": [0, 1], "line": [null, 7], "length": 2},
 *                   "funcTable": {"name": [0, 1], "fileName": [null, 2], "resource": [-1, 0], "length": 2},
 *                   "resourceTable": {"lib": [0], "length": 1}, "stringArray": ["main", "work", "x.c"]}]}
 *
 * Tables are struct of arrays, each row refers to others by index. Newer versions keep some of them once, in "shared"; file names
 * then stand behind a table "sources". */
#include "base/json.h"
#include "format/names.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEEPEST = 4096 };

/* A column of a table: its nodes by row. */
typedef struct {
    const osp_doc *doc;
    uint32_t *node;
    uint32_t n, list; /* list: the node of the column itself */
} column;

typedef struct {
    osp_names names;
    osp_builder *b;
    osp_doc doc;
    osp_arena arena;
    uint32_t thread, shared;
    column strings, libs, stack, weight, prefix, frame, func, line, name, file, source, source_file, resource, lib;
    osp_location_id *at; /* by frame */
    osp_stack_id *stack_id;
    uint8_t *known; /* by stack: is stack_id set */
    osp_labelset_id labels;
    uint32_t frames_of[6]; /* the columns that `at` and the stacks are made of */
    bool first_is_time;
    uint64_t skipped;
} reader;

/* ---- reading -------------------------------------------------------------------------------------------------- */

static uint32_t member(const reader *r, uint32_t node, const char *key) { return osp_doc_member(&r->doc, node, key); }

/* A table of the thread, or the one all threads share. */
static uint32_t table(const reader *r, const char *name)
{
    uint32_t own = member(r, r->thread, name);
    return own ? own : r->shared ? member(r, r->shared, name) : 0;
}

/* A column that threads share is listed once. */
static bool list_nodes(reader *r, uint32_t list, column *out)
{
    const osp_doc *d = &r->doc;
    uint32_t n = 0;
    if (list && out->list == list)
        return true;
    *out = (column){.doc = d, .list = list};
    if (!list || d->node[list].kind != OSP_DOC_ARRAY)
        return true;
    for (uint32_t i = osp_doc_first(d, list); i < osp_doc_end(d, list); i = osp_doc_next(d, i))
        n++;
    out->node = osp_new(&r->arena, uint32_t, n);
    if (!out->node)
        return false;
    for (uint32_t i = osp_doc_first(d, list); i < osp_doc_end(d, list); i = osp_doc_next(d, i))
        out->node[out->n++] = i;
    return true;
}

static bool column_of(reader *r, const char *table_name, const char *key, column *out)
{
    uint32_t t = table(r, table_name);
    return list_nodes(r, t ? member(r, t, key) : 0, out);
}

/* The number in a row; false: there is none (null, or past the end). */
static bool number_in(const column *c, uint64_t row, int64_t *out)
{
    if (row >= c->n || c->doc->node[c->node[row]].kind != OSP_DOC_NUMBER)
        return false;
    *out = osp_doc_int(c->doc, c->node[row]);
    return true;
}

static bool index_in(const column *c, uint64_t row, uint32_t limit, uint32_t *out)
{
    int64_t v;
    if (!number_in(c, row, &v) || v < 0 || v >= limit)
        return false;
    *out = (uint32_t)v;
    return true;
}

static osp_str text_in(reader *r, const column *c, uint64_t row)
{
    uint32_t i;
    return index_in(c, row, r->strings.n, &i) ? osp_doc_text(&r->doc, r->strings.node[i]) : S("");
}

static bool list_columns(reader *r)
{
    const struct {
        const char *table, *key;
        column *out;
    } wanted[] = {
        {"samples", "stack", &r->stack},         {"samples", "weight", &r->weight},
        {"stackTable", "prefix", &r->prefix},    {"stackTable", "frame", &r->frame},
        {"frameTable", "func", &r->func},        {"frameTable", "line", &r->line},
        {"funcTable", "name", &r->name},         {"funcTable", "fileName", &r->file},
        {"funcTable", "source", &r->source},     {"sources", "filename", &r->source_file},
        {"funcTable", "resource", &r->resource}, {"resourceTable", "lib", &r->lib},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!column_of(r, wanted[i].table, wanted[i].key, wanted[i].out))
            return false;
    uint32_t strings = table(r, "stringArray");
    return list_nodes(r, strings ? strings : table(r, "stringTable"), &r->strings);
}

static osp_mapping_id mapping_of(reader *r, uint32_t func)
{
    uint32_t resource, lib;
    if (!index_in(&r->resource, func, r->lib.n, &resource) || !index_in(&r->lib, resource, r->libs.n, &lib))
        return (osp_mapping_id){0};
    uint32_t path = member(r, r->libs.node[lib], "path"), name = member(r, r->libs.node[lib], "name");
    osp_str file = path ? osp_doc_text(&r->doc, path) : S("");
    if (file.n == 0 && name)
        file = osp_doc_text(&r->doc, name);
    return file.n ? osp_builder_mapping(r->b, 0, 0, 0, file, S(""), OSP_HAS_ALL) : (osp_mapping_id){0};
}

static bool read_frames(reader *r, osp_err *err)
{
    const uint32_t here[] = {r->func.list,    r->line.list,  r->name.list,
                             r->strings.list, r->frame.list, r->prefix.list};
    if (r->frame.list && memcmp(here, r->frames_of, sizeof here) == 0)
        return true;
    memcpy(r->frames_of, here, sizeof here);
    r->at = osp_new(&r->arena, osp_location_id, r->func.n);
    r->stack_id = osp_new(&r->arena, osp_stack_id, r->frame.n);
    r->known = osp_new(&r->arena, uint8_t, r->frame.n);
    if (!r->at || !r->stack_id || !r->known)
        return osp_fail_memory(err, "reading frames");
    for (uint32_t i = 0; i < r->func.n; i++) {
        uint32_t func, source;
        int64_t line = 0;
        if (!index_in(&r->func, i, r->name.n, &func))
            return osp_fail(err, OSP_EFORMAT, "frame %u has a function that is not there", i);
        number_in(&r->line, i, &line);
        osp_str file = index_in(&r->source, func, r->source_file.n, &source) ? text_in(r, &r->source_file, source)
                                                                             : text_in(r, &r->file, func);
        r->at[i] = osp_names_frame(&r->names, mapping_of(r, func), 0, text_in(r, &r->name, func), file, line);
    }
    return true;
}

/* A prefix stands before its stack, so chains end. */
static bool stack_of(reader *r, uint32_t s, osp_stack_id *out, osp_err *err)
{
    uint32_t i = s, frame, depth = 0;
    for (bool more = !r->known[s]; more; depth++) {
        uint32_t before;
        if (!index_in(&r->frame, i, r->func.n, &frame))
            return osp_fail(err, OSP_EFORMAT, "stack %u has a frame that is not there", i);
        osp_names_push(&r->names, r->at[frame]);
        more = index_in(&r->prefix, i, r->frame.n, &before);
        if (more && (before >= i || depth == DEEPEST))
            return osp_fail(err, OSP_EFORMAT, "stack %u %s", s,
                            depth == DEEPEST ? "is deeper than 4096" : "goes round");
        i = before;
    }
    if (!r->known[s])
        r->stack_id[s] = osp_names_stack(&r->names, false);
    r->known[s] = 1;
    *out = r->stack_id[s];
    return true;
}

static int64_t milliseconds(double ms)
{
    ms = round(ms * 1e6);
    return ms >= 9.2e18 ? INT64_MAX : ms <= -9.2e18 ? INT64_MIN : isnan(ms) ? 0 : (int64_t)ms;
}

static bool read_samples(reader *r, osp_err *err)
{
    const bool ms = r->first_is_time;
    for (uint32_t i = 0; i < r->stack.n; i++) {
        uint32_t s;
        osp_stack_id id;
        int64_t value = ms ? 0 : 1;
        if (!index_in(&r->stack, i, r->frame.n, &s))
            continue;
        if (i < r->weight.n && ms)
            value = milliseconds(osp_doc_number(&r->doc, r->weight.node[i]));
        else if (i < r->weight.n)
            number_in(&r->weight, i, &value);
        if (!stack_of(r, s, &id, err))
            return false;
        osp_builder_sample(r->b, id, r->labels, &value, 0);
    }
    return true;
}

static osp_labelset_id labels_of(reader *r)
{
    static const char *const key[] = {"name", "pid", "tid"};
    osp_label label[3];
    uint32_t n = 0;
    for (int k = 0; k < 3; k++) {
        uint32_t m = member(r, r->thread, key[k]);
        osp_str text = !m                                      ? S("")
                       : r->doc.node[m].kind == OSP_DOC_NUMBER ? osp_doc_raw(&r->doc, m)
                                                               : osp_doc_text(&r->doc, m);
        if (text.n)
            label[n++] = (osp_label){.key = osp_builder_string(r->b, k ? osp_str_from(key[k]) : S("thread")),
                                     .str = osp_builder_string(r->b, text)};
    }
    return osp_builder_labels(r->b, label, n);
}

static const struct {
    const char *weight_type, *type, *unit;
} kinds[] = {
    {"samples", "samples", "count"},
    {"tracing-ms", "time", "nanoseconds"},
    {"bytes", "space", "bytes"},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static uint32_t kind_of(reader *r)
{
    uint32_t samples = member(r, r->thread, "samples"), type = samples ? member(r, samples, "weightType") : 0,
             k = KINDS;
    osp_str text = type ? osp_doc_text(&r->doc, type) : S("");
    while (k-- > 1)
        if (osp_str_eq(text, osp_str_from(kinds[k].weight_type)))
            return k;
    return 0;
}

static bool read_threads(reader *r, osp_err *err)
{
    const osp_doc *d = &r->doc;
    uint32_t list = member(r, 0, "threads"), kind = KINDS;
    r->shared = member(r, 0, "shared");
    if (!list || d->node[list].kind != OSP_DOC_ARRAY)
        return osp_fail(err, OSP_EABSENT, "no threads in it");
    if (!list_nodes(r, member(r, 0, "libs"), &r->libs))
        return osp_fail_memory(err, "reading libraries");
    for (uint32_t t = osp_doc_first(d, list); t < osp_doc_end(d, list); t = osp_doc_next(d, t)) {
        r->thread = t;
        if (!member(r, t, "samples"))
            continue;
        uint32_t k = kind_of(r);
        if (kind == KINDS)
            osp_builder_value(r->b, osp_str_from(kinds[k].type), osp_str_from(kinds[k].unit));
        kind = kind == KINDS ? k : kind;
        if (k != kind) {
            r->skipped++;
            continue;
        }
        r->first_is_time = k == 1;
        r->labels = labels_of(r);
        if (!list_columns(r))
            return osp_fail_memory(err, "reading a thread");
        if (!read_frames(r, err) || !read_samples(r, err))
            return false;
    }
    return kind < KINDS || osp_fail(err, OSP_EABSENT, "no thread in it has samples in the processed form");
}

static osp_profile *read_firefox(osp_input *in, osp_err *err)
{
    reader r = {0};
    if (!osp_doc_read(osp_span_text(in->file.bytes), &r.doc, err))
        return NULL;
    osp_arena_init(&r.arena, in->limit);
    r.b = r.names.b = osp_builder_new(in->limit, err);
    bool ok = r.b && read_threads(&r, err);
    if (ok && r.skipped)
        snprintf(in->note, sizeof in->note, "%llu threads that count something else than the first were left out",
                 (unsigned long long)r.skipped);
    osp_doc_drop(&r.doc);
    osp_arena_drop(&r.arena);
    return osp_names_finish(&r.names, ok, err);
}

static osp_sniffed sniff(osp_str head, size_t size)
{
    (void)size;
    if (!osp_str_starts(osp_str_trim(head), S("{")))
        return OSP_NOT_MINE;
    if (osp_str_has(head, S("\"preprocessedProfileVersion\"")))
        return OSP_MINE;
    return osp_str_has(head, S("\"stackTable\"")) || osp_str_has(head, S("\"threads\"")) ? OSP_MAYBE_MINE
                                                                                         : OSP_NOT_MINE;
}

/* ---- writing -------------------------------------------------------------------------------------------------- */

/* A node of the stack table: a function or, behind the functions, a location without a name, called from a prefix. */
typedef struct {
    uint32_t prefix, frame;
} stack_row;

typedef struct {
    const osp_profile *p;
    osp_intern stacks; /* stack_row, in the arena */
    osp_arena arena;
    osp_location_id *room; /* for a stack */
    uint32_t *of;          /* by stack of the profile */
} writer;

static uint32_t push_frame(writer *w, uint32_t prefix, uint32_t frame)
{
    bool fresh = false;
    const stack_row row = {prefix, frame};
    uint32_t id = osp_intern_put(&w->stacks, (osp_str){(const char *)&row, sizeof row}, &fresh);
    stack_row *copy = fresh ? osp_new(&w->arena, stack_row, 1) : NULL;
    if (id == UINT32_MAX || (fresh && !copy))
        return UINT32_MAX;
    if (copy) {
        *copy = row;
        w->stacks.text[id].p = (const char *)copy;
    }
    return id;
}

static bool list_stacks(writer *w)
{
    const osp_profile *p = w->p;
    for (uint32_t s = 0; s < p->stacks.n; s++) {
        uint32_t at = UINT32_MAX;
        const osp_stack stack = osp_stack_read(p, (osp_stack_id){s}, w->room);
        for (uint32_t i = stack.n; i-- > 0;) {
            uint32_t l = stack.loc[i].i, first = p->locations.first[l], end = p->locations.first[l + 1];
            if (first == end && (at = push_frame(w, at, p->functions.n + l)) == UINT32_MAX)
                return false;
            while (end-- > first)
                if ((at = push_frame(w, at, p->locations.line[end].fn.i)) == UINT32_MAX)
                    return false;
        }
        w->of[s] = at;
    }
    return true;
}

static void put_index(osp_json *j, uint32_t v)
{
    if (v == UINT32_MAX)
        osp_json_num(j, NULL, NAN); /* null */
    else
        osp_json_uint(j, NULL, v);
}

/* A column that has the same in each row: null, or a number. */
static void put_column(osp_json *j, const char *key, uint32_t n, double v)
{
    osp_json_array(j, key);
    for (uint32_t i = 0; i < n; i++)
        osp_json_num(j, NULL, v);
    osp_json_end(j);
}

/* A column that counts its rows. */
static void put_count(osp_json *j, const char *key, uint32_t n)
{
    osp_json_array(j, key);
    for (uint32_t i = 0; i < n; i++)
        osp_json_uint(j, NULL, i);
    osp_json_end(j);
}

static void put_columns(osp_json *j, const char *const *key, uint32_t n, double v)
{
    for (; *key; key++)
        put_column(j, *key, n, v);
}

static void put_stack_table(osp_json *j, const writer *w)
{
    osp_json_object(j, "stackTable");
    osp_json_array(j, "prefix");
    for (uint32_t i = 0; i < w->stacks.n; i++)
        put_index(j, ((const stack_row *)w->stacks.text[i].p)->prefix);
    osp_json_end(j);
    osp_json_array(j, "frame");
    for (uint32_t i = 0; i < w->stacks.n; i++)
        put_index(j, ((const stack_row *)w->stacks.text[i].p)->frame);
    osp_json_end(j);
    put_columns(j, (const char *const[]){"category", "subcategory", NULL}, w->stacks.n, 0);
    osp_json_uint(j, "length", w->stacks.n);
    osp_json_end(j);
}

/* A frame is a function here, and so is its name: the three tables have equal rows. File names stand behind the names. */
static void put_frames(osp_json *j, const osp_profile *p)
{
    const uint32_t n = p->functions.n + p->locations.n;
    char text[40];
    osp_json_object(j, "frameTable");
    put_column(j, "address", n, -1);
    put_column(j, "inlineDepth", n, 0);
    put_count(j, "func", n);
    put_columns(j, (const char *const[]){"category", "subcategory", "innerWindowID", NULL}, n, 0);
    put_columns(j, (const char *const[]){"nativeSymbol", "implementation", "line", "column", NULL}, n, NAN);
    osp_json_uint(j, "length", n);
    osp_json_end(j);
    osp_json_object(j, "funcTable");
    put_count(j, "name", n);
    put_columns(j, (const char *const[]){"isJS", "relevantForJS", NULL}, n, 0);
    put_column(j, "resource", n, -1);
    osp_json_array(j, "fileName");
    for (uint32_t f = 0; f < n; f++)
        put_index(j, f < p->functions.n && p->functions.row[f].file.i ? n + f : UINT32_MAX);
    osp_json_end(j);
    put_columns(j, (const char *const[]){"lineNumber", "columnNumber", NULL}, n, NAN);
    osp_json_uint(j, "length", n);
    osp_json_end(j);
    osp_json_array(j, "stringArray");
    for (uint32_t f = 0; f < p->functions.n; f++)
        osp_json_str(j, NULL, osp_text(p, p->functions.row[f].name));
    for (uint32_t l = 0; l < p->locations.n; l++) {
        snprintf(text, sizeof text, "0x%llx", (unsigned long long)p->locations.addr[l]);
        osp_str file = osp_str_base(osp_text(p, p->mappings.row[p->locations.mapping[l].i].file));
        osp_json_str(j, NULL, file.n && !p->locations.addr[l] ? file : osp_str_from(text));
    }
    for (uint32_t f = 0; f < p->functions.n; f++)
        osp_json_str(j, NULL, osp_text(p, p->functions.row[f].file));
    osp_json_end(j);
}

/* weight: "samples", "bytes", or time in milliseconds. */
static void put_samples(osp_json *j, const writer *w, const int64_t *sum, osp_str unit)
{
    const bool time = osp_str_eq(unit, S("nanoseconds")), bytes = osp_str_eq(unit, S("bytes"));
    uint32_t n = 0;
    osp_json_object(j, "samples");
    osp_json_array(j, "stack");
    for (uint32_t s = 0; s < w->p->stacks.n; s++)
        if (sum[s]) {
            put_index(j, w->of[s]);
            n++;
        }
    osp_json_end(j);
    osp_json_array(j, "weight");
    for (uint32_t s = 0; s < w->p->stacks.n; s++)
        if (sum[s] && time)
            osp_json_num(j, NULL, (double)sum[s] / 1e6);
        else if (sum[s])
            osp_json_int(j, NULL, sum[s]);
    osp_json_end(j);
    put_count(j, "time", n);
    osp_json_str(j, "weightType", time ? S("tracing-ms") : bytes ? S("bytes") : S("samples"));
    osp_json_uint(j, "length", n);
    osp_json_end(j);
}

static void put_meta(osp_json *j, const osp_profile *p)
{
    osp_json_object(j, "meta");
    osp_json_num(j, "interval", 1);
    osp_json_num(j, "startTime", (double)p->time_ns / 1e6);
    osp_json_int(j, "processType", 0);
    osp_json_int(j, "version", 24);
    osp_json_int(j, "preprocessedProfileVersion", 46);
    osp_json_int(j, "stackwalk", 1);
    osp_json_int(j, "debug", 0);
    osp_json_str(j, "product", S("osprey"));
    osp_json_bool(j, "symbolicated", true);
    osp_json_array(j, "categories");
    osp_json_object(j, NULL);
    osp_json_str(j, "name", S("Other"));
    osp_json_str(j, "color", S("grey"));
    osp_json_array(j, "subcategories");
    osp_json_str(j, NULL, S("Other"));
    osp_json_end(j);
    osp_json_end(j);
    osp_json_end(j);
    osp_json_array(j, "markerSchema");
    osp_json_end(j);
    osp_json_end(j);
}

static void put_empty(osp_json *j, const char *name, const char *const *key)
{
    osp_json_object(j, name);
    put_columns(j, key, 0, 0);
    osp_json_uint(j, "length", 0);
    osp_json_end(j);
}

static void put_thread(osp_json *j, const writer *w, const int64_t *sum, osp_value_type type)
{
    osp_json_object(j, NULL);
    osp_json_str(j, "name", osp_text(w->p, type.type));
    osp_json_str(j, "processType", S("default"));
    osp_json_bool(j, "isMainThread", true);
    osp_json_str(j, "pid", S("0"));
    osp_json_int(j, "tid", 0);
    osp_json_num(j, "processStartupTime", 0);
    osp_json_num(j, "registerTime", 0);
    osp_json_num(j, "processShutdownTime", NAN);
    osp_json_num(j, "unregisterTime", NAN);
    osp_json_array(j, "pausedRanges");
    osp_json_end(j);
    put_empty(j, "markers", (const char *const[]){"category", "data", "endTime", "name", "phase", "startTime", NULL});
    put_empty(j, "nativeSymbols", (const char *const[]){"address", "functionSize", "libIndex", "name", NULL});
    put_empty(j, "resourceTable", (const char *const[]){"host", "lib", "name", "type", NULL});
    put_samples(j, w, sum, osp_text(w->p, type.unit));
    put_stack_table(j, w);
    put_frames(j, w->p);
    osp_json_end(j);
}

static bool write_firefox(const osp_profile *p, uint32_t value, osp_buf *out, osp_err *err)
{
    int64_t *sum = calloc((size_t)p->stacks.n + 1, sizeof *sum);
    writer w = {.p = p, .room = osp_stack_room(p), .of = calloc((size_t)p->stacks.n + 1, sizeof *w.of)};
    osp_arena_init(&w.arena, SIZE_MAX / 2);
    bool ok = sum && w.room && w.of && list_stacks(&w);
    for (uint32_t i = 0; ok && i < p->samples.n; i++)
        osp_add(&sum[p->samples.stack[i].i], p->samples.value[value][i]);
    osp_json j = osp_json_on(out);
    j.dense = true;
    osp_json_object(&j, NULL);
    put_meta(&j, p);
    osp_json_array(&j, "libs");
    osp_json_end(&j);
    osp_json_array(&j, "threads");
    if (ok)
        put_thread(&j, &w, sum, p->values.n ? p->values.type[value] : (osp_value_type){0});
    while (j.depth)
        osp_json_end(&j);
    osp_intern_drop(&w.stacks);
    osp_arena_drop(&w.arena);
    free(w.room);
    free(w.of);
    free(sum);
    return ok || osp_fail_memory(err, "writing a Firefox profile");
}

const osp_format osp_format_firefox = {
    .name = "firefox",
    .summary = "the Firefox profiler's processed profile",
    .ending = ".firefox.json",
    .sniff = sniff,
    .read = read_firefox,
    .write = write_firefox,
};
