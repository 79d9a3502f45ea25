/* SPDX-License-Identifier: Apache-2.0 */
/* speedscope's own JSON (its file-format-schema.json):
 *
 *     {"$schema": "https://www.speedscope.app/file-format-schema.json",
 *      "shared": {"frames": [{"name": "main", "file": "main.go", "line": 7}, …]},
 *      "profiles": [{"type": "sampled", "name": "thread 1", "unit": "nanoseconds", "startValue": 0, "endValue": 30,
 *                    "samples": [[0, 1], [0]], "weights": [10, 20]},
 *                   {"type": "evented", …, "events": [{"type": "O", "frame": 0, "at": 0}, {"type": "C", "frame": 0, "at": 9}]}]}
 *
 * Stacks are root first. A profile's name becomes the label "thread". Units of time become nanoseconds. */
#include "base/json.h"
#include "format/names.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEEPEST = 4096 };

static const struct {
    const char *name, *type, *unit;
    double scale;
} units[] = {
    {"none", "samples", "count", 1},
    {"nanoseconds", "time", "nanoseconds", 1},
    {"microseconds", "time", "nanoseconds", 1e3},
    {"milliseconds", "time", "nanoseconds", 1e6},
    {"seconds", "time", "nanoseconds", 1e9},
    {"bytes", "space", "bytes", 1},
};

/* ---- reading -------------------------------------------------------------------------------------------------- */

typedef struct {
    osp_names names;
    osp_doc doc;
    osp_location_id *frame;
    uint32_t nframe, unit;
    osp_labelset_id labels;
    uint64_t skipped;
    osp_location_id stack[DEEPEST];
} reader;

static bool read_frames(reader *r, osp_err *err)
{
    osp_doc *d = &r->doc;
    uint32_t shared = osp_doc_member(d, 0, "shared"), list = shared ? osp_doc_member(d, shared, "frames") : 0;
    if (!list || d->node[list].kind != OSP_DOC_ARRAY)
        return osp_fail(err, OSP_EABSENT, "no shared.frames in it");
    r->frame = calloc(d->n, sizeof *r->frame);
    if (!r->frame)
        return osp_fail_memory(err, "reading speedscope's JSON");
    for (uint32_t i = osp_doc_first(d, list); i < osp_doc_end(d, list); i = osp_doc_next(d, i))
        r->frame[r->nframe++] = osp_names_frame(
            &r->names, (osp_mapping_id){0}, 0, osp_doc_text(d, osp_doc_member(d, i, "name")),
            osp_doc_text(d, osp_doc_member(d, i, "file")), osp_doc_int(d, osp_doc_member(d, i, "line")));
    return true;
}

static int64_t scaled(const reader *r, double v)
{
    v = round(v * units[r->unit].scale);
    return v >= 9.2e18 ? INT64_MAX : v <= -9.2e18 ? INT64_MIN : isnan(v) ? 0 : (int64_t)v;
}

static void add_stack(reader *r, const osp_location_id *root_first, size_t n, int64_t value)
{
    for (size_t i = n; i-- > 0;)
        osp_names_push(&r->names, root_first[i]);
    osp_builder_sample(r->names.b, osp_names_stack(&r->names, false), r->labels, &value, 0);
}

static bool frame_number(const reader *r, uint32_t node, uint32_t *out)
{
    int64_t v = osp_doc_int(&r->doc, node);
    *out = (uint32_t)v;
    return r->doc.node[node].kind == OSP_DOC_NUMBER && v >= 0 && v < r->nframe;
}

static bool read_sampled(reader *r, uint32_t profile, osp_err *err)
{
    const osp_doc *d = &r->doc;
    uint32_t samples = osp_doc_member(d, profile, "samples"), weights = osp_doc_member(d, profile, "weights");
    if (!samples || d->node[samples].kind != OSP_DOC_ARRAY)
        return osp_fail(err, OSP_EFORMAT, "a sampled profile without samples");
    uint32_t w = weights && d->node[weights].kind == OSP_DOC_ARRAY ? osp_doc_first(d, weights) : 0;
    for (uint32_t s = osp_doc_first(d, samples); s < osp_doc_end(d, samples); s = osp_doc_next(d, s)) {
        size_t n = 0;
        if (d->node[s].kind != OSP_DOC_ARRAY)
            return osp_fail(err, OSP_EFORMAT, "a sample that is no list of frames");
        for (uint32_t i = osp_doc_first(d, s); i < osp_doc_end(d, s); i = osp_doc_next(d, i)) {
            uint32_t f;
            if (!frame_number(r, i, &f) || n == DEEPEST)
                return osp_fail(err, OSP_EFORMAT,
                                n == DEEPEST ? "a stack deeper than 4096"
                                             : "a sample with a frame that is not there");
            r->stack[n++] = r->frame[f];
        }
        bool weighed = w && w < osp_doc_end(d, weights);
        add_stack(r, r->stack, n, weighed ? scaled(r, osp_doc_number(d, w)) : scaled(r, 1));
        w = weighed ? osp_doc_next(d, w) : w;
    }
    return true;
}

static bool read_evented(reader *r, uint32_t profile, osp_err *err)
{
    const osp_doc *d = &r->doc;
    uint32_t events = osp_doc_member(d, profile, "events");
    size_t n = 0;
    if (!events || d->node[events].kind != OSP_DOC_ARRAY)
        return osp_fail(err, OSP_EFORMAT, "an evented profile without events");
    double last = osp_doc_number(d, osp_doc_member(d, profile, "startValue"));
    for (uint32_t e = osp_doc_first(d, events); e < osp_doc_end(d, events); e = osp_doc_next(d, e)) {
        double at = osp_doc_number(d, osp_doc_member(d, e, "at"));
        osp_str type = osp_doc_text(&r->doc, osp_doc_member(d, e, "type"));
        uint32_t f, frame = osp_doc_member(d, e, "frame");
        if (!frame || !frame_number(r, frame, &f))
            return osp_fail(err, OSP_EFORMAT, "an event with a frame that is not there");
        if (at > last && n)
            add_stack(r, r->stack, n, scaled(r, at - last));
        last = at;
        if (osp_str_eq(type, S("C")) ? n == 0 : n == DEEPEST)
            return osp_fail(err, OSP_EFORMAT, n ? "a stack deeper than 4096" : "a frame closes that was not open");
        if (osp_str_eq(type, S("C")))
            n--;
        else
            r->stack[n++] = r->frame[f];
    }
    return true;
}

static uint32_t unit_of(reader *r, uint32_t profile)
{
    osp_str name = osp_doc_text(&r->doc, osp_doc_member(&r->doc, profile, "unit"));
    uint32_t u = sizeof units / sizeof *units;
    while (u-- > 1)
        if (osp_str_eq(name, osp_str_from(units[u].name)))
            return u;
    return 0;
}

static bool read_profiles(reader *r, osp_err *err)
{
    osp_doc *d = &r->doc;
    uint32_t list = osp_doc_member(d, 0, "profiles"), first_unit = 0;
    bool any = false;
    if (!list || d->node[list].kind != OSP_DOC_ARRAY)
        return osp_fail(err, OSP_EABSENT, "no profiles in it");
    for (uint32_t p = osp_doc_first(d, list); p < osp_doc_end(d, list); p = osp_doc_next(d, p)) {
        r->unit = unit_of(r, p);
        if (!any) {
            first_unit = r->unit;
            osp_builder_value(r->names.b, osp_str_from(units[r->unit].type), osp_str_from(units[r->unit].unit));
        }
        any = true;
        if (strcmp(units[r->unit].unit, units[first_unit].unit) != 0) {
            r->skipped++;
            continue;
        }
        osp_str name = osp_doc_text(d, osp_doc_member(d, p, "name"));
        osp_label label = {.key = osp_builder_string(r->names.b, S("thread")),
                           .str = osp_builder_string(r->names.b, name)};
        r->labels = osp_builder_labels(r->names.b, &label, name.n ? 1 : 0);
        bool evented = osp_str_eq(osp_doc_text(d, osp_doc_member(d, p, "type")), S("evented"));
        if (!(evented ? read_evented : read_sampled)(r, p, err))
            return false;
    }
    return any || osp_fail(err, OSP_EFORMAT, "there is no profile in it");
}

static osp_profile *read_speedscope(osp_input *in, osp_err *err)
{
    reader *r = calloc(1, sizeof *r);
    if (!r) {
        osp_fail_memory(err, "reading speedscope's JSON");
        return NULL;
    }
    r->names.b = osp_builder_new(in->limit, err);
    bool ok = r->names.b && osp_doc_read(osp_span_text(in->file.bytes), &r->doc, err);
    if (ok) {
        ok = read_frames(r, err) && read_profiles(r, err);
        if (ok && r->skipped)
            snprintf(in->note, sizeof in->note, "%llu profiles in another unit than the first were left out",
                     (unsigned long long)r->skipped);
        osp_doc_drop(&r->doc);
        free(r->frame);
    }
    osp_profile *p = osp_names_finish(&r->names, ok, err);
    free(r);
    return p;
}

static osp_sniffed sniff(osp_str head, size_t size)
{
    (void)size;
    osp_str s = osp_str_trim(head);
    if (!osp_str_starts(s, S("{")))
        return OSP_NOT_MINE;
    if (osp_str_has(head, S("speedscope.app/file-format-schema")))
        return OSP_MINE;
    return osp_str_has(head, S("\"shared\"")) || osp_str_has(head, S("\"profiles\"")) ? OSP_MAYBE_MINE : OSP_NOT_MINE;
}

/* ---- writing -------------------------------------------------------------------------------------------------- */

static const char *speedscope_unit(const osp_profile *p, uint32_t value)
{
    osp_str unit = p->values.n ? osp_text(p, p->values.type[value].unit) : S("");
    for (size_t u = 1; u < sizeof units / sizeof *units; u++)
        if (osp_str_eq(unit, osp_str_from(units[u].name)))
            return units[u].name;
    return "none";
}

/* A frame a function; behind them, one for each location without a name. */
static void write_frames(osp_json *j, const osp_profile *p)
{
    char name[4200];
    osp_json_object(j, "shared");
    osp_json_array(j, "frames");
    for (uint32_t f = 0; f < p->functions.n; f++) {
        osp_str file = osp_text(p, p->functions.row[f].file);
        osp_json_object(j, NULL);
        osp_json_str(j, "name", osp_text(p, p->functions.row[f].name));
        if (file.n)
            osp_json_str(j, "file", file);
        osp_json_end(j);
    }
    for (uint32_t l = 0; l < p->locations.n; l++) {
        osp_str file = osp_str_base(osp_text(p, p->mappings.row[p->locations.mapping[l].i].file));
        if (p->locations.first[l] < p->locations.first[l + 1])
            continue;
        snprintf(name, sizeof name, file.n ? "[%.*s]" : "%.*s0x%llx", STRF(osp_str_head(file, 4000)),
                 (unsigned long long)p->locations.addr[l]);
        osp_json_object(j, NULL);
        osp_json_str(j, "name", osp_str_from(name));
        osp_json_end(j);
    }
    osp_json_end(j);
    osp_json_end(j);
}

static void write_stack(osp_json *j, const osp_profile *p, osp_stack stack, const uint32_t *unnamed)
{
    osp_json_array(j, NULL);
    for (uint32_t i = stack.n; i-- > 0;) {
        uint32_t l = stack.loc[i].i, first = p->locations.first[l], end = p->locations.first[l + 1];
        if (first == end)
            osp_json_uint(j, NULL, unnamed[l]);
        while (end-- > first)
            osp_json_uint(j, NULL, p->locations.line[end].fn.i);
    }
    osp_json_end(j);
}

static bool write_speedscope(const osp_profile *p, uint32_t value, osp_buf *out, osp_err *err)
{
    int64_t *sum = calloc((size_t)p->stacks.n + 1, sizeof *sum), total = 0;
    uint32_t *unnamed = calloc((size_t)p->locations.n + 1, sizeof *unnamed), next = p->functions.n;
    osp_location_id *room = osp_stack_room(p);
    if (!sum || !unnamed || !room) {
        free(room);
        free(sum);
        free(unnamed);
        return osp_fail_memory(err, "writing speedscope's JSON");
    }
    for (uint32_t i = 0; i < p->samples.n; i++)
        osp_add(&sum[p->samples.stack[i].i], p->samples.value[value][i]);
    for (uint32_t l = 0; l < p->locations.n; l++)
        if (p->locations.first[l] == p->locations.first[l + 1])
            unnamed[l] = next++;
    for (uint32_t s = 0; s < p->stacks.n; s++)
        osp_add(&total, sum[s] > 0 ? sum[s] : 0);
    osp_json j = osp_json_on(out);
    osp_json_object(&j, NULL);
    osp_json_str(&j, "$schema", S("https://www.speedscope.app/file-format-schema.json"));
    osp_json_str(&j, "exporter", S("osprey"));
    write_frames(&j, p);
    osp_json_array(&j, "profiles");
    osp_json_object(&j, NULL);
    osp_json_str(&j, "type", S("sampled"));
    osp_json_str(&j, "name", p->values.n ? osp_text(p, p->values.type[value].type) : S("samples"));
    osp_json_str(&j, "unit", osp_str_from(speedscope_unit(p, value)));
    osp_json_int(&j, "startValue", 0);
    osp_json_int(&j, "endValue", total);
    osp_json_array(&j, "samples"); /* what was given back is no place in time */
    for (uint32_t s = 0; s < p->stacks.n; s++)
        if (sum[s] > 0)
            write_stack(&j, p, osp_stack_read(p, (osp_stack_id){s}, room), unnamed);
    osp_json_end(&j);
    osp_json_array(&j, "weights");
    for (uint32_t s = 0; s < p->stacks.n; s++)
        if (sum[s] > 0)
            osp_json_int(&j, NULL, sum[s]);
    while (j.depth)
        osp_json_end(&j);
    free(room);
    free(sum);
    free(unnamed);
    return true;
}

const osp_format osp_format_speedscope = {
    .name = "speedscope",
    .summary = "speedscope's JSON",
    .ending = ".speedscope.json .speedscope",
    .sniff = sniff,
    .read = read_speedscope,
    .write = write_speedscope,
};
