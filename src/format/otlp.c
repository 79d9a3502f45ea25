/* SPDX-License-Identifier: Apache-2.0 */
/* OpenTelemetry's profiles: a protobuf message ProfilesData of opentelemetry.proto.profiles.v1development, as of version
 * 1.10 of the protocol, or an export request, which has the same fields.
 *
 *     ProfilesData        1 resource_profiles  2 dictionary
 *     ResourceProfiles    1 resource (1 attributes: KeyValue)  2 scope_profiles
 *     ScopeProfiles       2 profiles
 *     Profile             1 sample_type  2 samples  3 time  4 duration  5 period_type  6 period  11 attributes
 *     Sample              1 stack  2 attributes  3 link  4 values  5 timestamps
 *     ProfilesDictionary  1 mappings  2 locations  3 functions  4 links  5 strings  6 attributes  7 stacks
 *
 * All else refers to the dictionary by index; entry 0 of each of its tables is empty and means "none". A Profile has one
 * sample type: profiles of several are written as one Profile each, and read, equal stacks with equal labels are one sample
 * again. Attributes of samples and of resources are labels. What pprof knows and OpenTelemetry does not goes by the
 * attributes that its semantic conventions name for that (pprof.mapping.has_functions, …). */
#include "format/names.h"

#include <stdio.h>
#include <stdlib.h>

enum { TABLES = 8, MOST_TYPES = 64, MOST_LABELS = 256 };
enum { MAPPINGS = 1, LOCATIONS, FUNCTIONS, LINKS, STRINGS, ATTRIBUTES, STACKS };

#define BUILD_ID S("process.executable.build_id.gnu")

static const struct {
    osp_str name;
    uint32_t flag;
} mapping_flag[] = {
    {{"pprof.mapping.has_functions", 27}, OSP_HAS_FUNCTIONS},
    {{"pprof.mapping.has_filenames", 27}, OSP_HAS_FILES},
    {{"pprof.mapping.has_line_numbers", 30}, OSP_HAS_LINES},
    {{"pprof.mapping.has_inline_frames", 31}, OSP_HAS_INLINES},
};
enum { MAPPING_FLAGS = sizeof mapping_flag / sizeof *mapping_flag };

/* ---- reading -------------------------------------------------------------------------------------------------- */

typedef struct {
    osp_names names; /* only the stack under construction */
    osp_builder *b;
    osp_span *entry[TABLES]; /* the messages of each table of the dictionary */
    uint32_t n[TABLES];
    osp_mapping_id *mapping;
    osp_function_id *function;
    osp_location_id *location;
    osp_stack_id *stack;
    osp_str type[MOST_TYPES], unit[MOST_TYPES];
    uint32_t ntype;
    osp_label label[MOST_LABELS];
    uint32_t nlabel, nresource; /* the first of them are those of the resource */
    osp_profile_head head;
    bool whole_head;
    const char *why; /* what is broken */
} reader;

/* One of the fields of a message that are all numbers. */
static void read_numbers(osp_span message, uint64_t *out, size_t n, const char **why)
{
    osp_pb m = osp_pb_on(message);
    while (osp_pb_next(&m))
        if (m.field < n && m.type != OSP_PB_BYTES)
            out[m.field] = m.value;
    if (m.why)
        *why = m.why;
}

/* The numbers of a field that may be repeated: packed, or the one that stands there. */
typedef struct {
    const uint8_t *at, *end;
    uint64_t single;
    bool one; /* single is still to come */
} numbers;

static numbers numbers_of(const osp_pb *m)
{
    if (m->type != OSP_PB_BYTES)
        return (numbers){.single = m->value, .one = m->field != 0};
    return (numbers){.at = m->bytes.p, .end = m->bytes.p + m->bytes.n};
}

static bool next_number(numbers *l, uint64_t *out)
{
    if (l->one) {
        l->one = false;
        *out = l->single;
        return true;
    }
    const uint8_t *next = l->at < l->end ? osp_pb_varint(l->at, l->end, out) : NULL;
    l->at = next ? next : l->end;
    return next != NULL;
}

static osp_str string_at(const reader *r, uint64_t i)
{
    return i < r->n[STRINGS] ? osp_span_text(r->entry[STRINGS][i]) : S("");
}

static bool read_dictionary(reader *r, osp_span message)
{
    uint32_t have[TABLES] = {0};
    osp_pb m = osp_pb_on(message);
    while (osp_pb_next(&m))
        if (m.field < TABLES && m.type == OSP_PB_BYTES && have[m.field] < UINT32_MAX - 1)
            have[m.field]++;
    if (m.why)
        r->why = m.why;
    for (int t = 0; t < TABLES; t++) { /* also of field 0, which nobody reads */
        void *more = realloc(r->entry[t], ((size_t)r->n[t] + have[t] + 1) * sizeof *r->entry[t]);
        if (!more)
            return false;
        r->entry[t] = more;
    }
    m = osp_pb_on(message);
    while (osp_pb_next(&m))
        if (m.field < TABLES && m.type == OSP_PB_BYTES)
            r->entry[m.field][r->n[m.field]++] = m.bytes;
    return true;
}

/* An AnyValue: the label's text or number. False if it has no place in a label. */
static bool read_any(reader *r, osp_span message, osp_label *out)
{
    bool known = false;
    char text[40];
    osp_pb m = osp_pb_on(message);
    while (osp_pb_next(&m)) {
        double v;
        memcpy(&v, &m.value, sizeof v);
        known |= m.field >= 1 && m.field <= 4;
        if (m.field == 1 && m.type == OSP_PB_BYTES)
            out->str = osp_builder_string(r->b, osp_span_text(m.bytes));
        else if (m.field == 2 && m.type == OSP_PB_VARINT)
            out->str = osp_builder_string(r->b, m.value ? S("true") : S("false"));
        else if (m.field == 3 && m.type == OSP_PB_VARINT)
            out->num = (int64_t)m.value;
        else if (m.field == 4 && m.type == OSP_PB_FIXED64) {
            snprintf(text, sizeof text, "%.17g", v);
            out->str = osp_builder_string(r->b, osp_str_from(text));
        }
    }
    if (m.why)
        r->why = m.why;
    return known;
}

/* An entry of the attribute table: KeyValueAndUnit. */
static bool read_attribute(reader *r, uint64_t i, osp_str *key, osp_label *out, osp_span *value)
{
    uint64_t number[4] = {0};
    *out = (osp_label){0};
    *value = (osp_span){0};
    if (i == 0 || i >= r->n[ATTRIBUTES])
        return false;
    osp_pb m = osp_pb_on(r->entry[ATTRIBUTES][i]);
    while (osp_pb_next(&m))
        if (m.field == 2 && m.type == OSP_PB_BYTES)
            *value = m.bytes;
        else if (m.field < 4 && m.type == OSP_PB_VARINT)
            number[m.field] = m.value;
    if (m.why)
        r->why = m.why;
    *key = string_at(r, number[1]);
    out->unit = osp_builder_string(r->b, string_at(r, number[3]));
    return true;
}

static osp_str text_of_any(osp_span message)
{
    osp_str text = S("");
    osp_pb m = osp_pb_on(message);
    while (osp_pb_next(&m))
        if (m.field == 1 && m.type == OSP_PB_BYTES)
            text = osp_span_text(m.bytes);
    return text;
}

static bool truth_of_any(osp_span message)
{
    uint64_t number[3] = {0};
    const char *why = NULL;
    read_numbers(message, number, 3, &why);
    return number[2] != 0;
}

static void add_label(reader *r, osp_str key, osp_label l, osp_span value)
{
    if (r->nlabel == MOST_LABELS || key.n == 0 || !read_any(r, value, &l))
        return;
    l.key = osp_builder_string(r->b, key);
    r->label[r->nlabel++] = l;
}

static void read_mapping(reader *r, uint32_t i)
{
    uint64_t number[5] = {0}, at;
    osp_str build_id = S(""), key;
    uint32_t has = 0;
    osp_label l;
    osp_span value;
    read_numbers(r->entry[MAPPINGS][i], number, 5, &r->why);
    osp_pb m = osp_pb_on(r->entry[MAPPINGS][i]);
    while (osp_pb_next(&m)) {
        numbers list = numbers_of(&m);
        while (m.field == 5 && next_number(&list, &at)) {
            if (!read_attribute(r, at, &key, &l, &value))
                continue;
            if (osp_str_eq(key, BUILD_ID) ||
                (build_id.n == 0 && osp_str_starts(key, S("process.executable.build_id"))))
                build_id = text_of_any(value);
            for (size_t f = 0; f < MAPPING_FLAGS; f++)
                if (osp_str_eq(key, mapping_flag[f].name) && truth_of_any(value))
                    has |= mapping_flag[f].flag;
        }
    }
    r->mapping[i] =
        osp_builder_mapping(r->b, number[1], number[2], number[3], string_at(r, number[4]), build_id, has);
}

static void read_function(reader *r, uint32_t i)
{
    uint64_t number[5] = {0};
    read_numbers(r->entry[FUNCTIONS][i], number, 5, &r->why);
    r->function[i] = osp_builder_function(r->b, string_at(r, number[1]), string_at(r, number[2]),
                                          string_at(r, number[3]), (int64_t)number[4]);
}

static bool read_location(reader *r, uint32_t i, osp_line *line)
{
    uint64_t number[3] = {0};
    size_t n = 0;
    read_numbers(r->entry[LOCATIONS][i], number, 3, &r->why);
    osp_pb m = osp_pb_on(r->entry[LOCATIONS][i]);
    while (osp_pb_next(&m)) {
        uint64_t l[4] = {0};
        if (m.field != 3 || m.type != OSP_PB_BYTES)
            continue;
        read_numbers(m.bytes, l, 4, &r->why);
        if (l[1] >= r->n[FUNCTIONS])
            return false;
        line[n++] = (osp_line){r->function[l[1]], (int32_t)l[3], (int64_t)l[2]};
    }
    if (number[1] && number[1] >= r->n[MAPPINGS])
        return false;
    osp_mapping_id mapping = number[1] ? r->mapping[number[1]] : (osp_mapping_id){0};
    r->location[i] = osp_builder_location(r->b, mapping, number[2], line, n);
    return true;
}

static bool read_stack(reader *r, uint32_t i)
{
    osp_pb m = osp_pb_on(r->entry[STACKS][i]);
    while (osp_pb_next(&m)) {
        uint64_t at;
        numbers list = numbers_of(&m);
        while (m.field == 1 && next_number(&list, &at)) {
            if (at >= r->n[LOCATIONS])
                return false;
            osp_names_push(&r->names, r->location[at]);
        }
    }
    if (m.why)
        r->why = m.why;
    r->stack[i] = osp_names_stack(&r->names, false);
    return true;
}

/* Most lines any location can have. */
static size_t longest(const reader *r)
{
    size_t most = 0;
    for (uint32_t i = 0; i < r->n[LOCATIONS]; i++)
        if (r->entry[LOCATIONS][i].n > most)
            most = r->entry[LOCATIONS][i].n;
    return most / 2 + 1; /* a line takes two bytes or more */
}

static bool read_tables(reader *r, osp_err *err)
{
    osp_line *line = calloc(longest(r), sizeof *line);
    r->mapping = calloc((size_t)r->n[MAPPINGS] + 1, sizeof *r->mapping);
    r->function = calloc((size_t)r->n[FUNCTIONS] + 1, sizeof *r->function);
    r->location = calloc((size_t)r->n[LOCATIONS] + 1, sizeof *r->location);
    r->stack = calloc((size_t)r->n[STACKS] + 1, sizeof *r->stack);
    bool ok = line && r->mapping && r->function && r->location && r->stack;
    if (!ok)
        osp_fail_memory(err, "reading the dictionary");
    for (uint32_t i = 1; ok && i < r->n[MAPPINGS]; i++)
        read_mapping(r, i);
    for (uint32_t i = 1; ok && i < r->n[FUNCTIONS]; i++)
        read_function(r, i);
    for (uint32_t i = 1; ok && i < r->n[LOCATIONS]; i++)
        if (!read_location(r, i, line))
            ok = osp_fail(err, OSP_EFORMAT, "location %u has a mapping or function that is not there", i);
    for (uint32_t i = 0; ok && i < r->n[STACKS]; i++)
        if (!read_stack(r, i))
            ok = osp_fail(err, OSP_EFORMAT, "stack %u has a location that is not there", i);
    free(line);
    return ok;
}

/* All values of a sample that has no times are one sample; else each time is one, of its value or, without values, of 1. */
static void add_sample(reader *r, osp_stack_id stack, uint32_t type, const osp_pb *values, const osp_pb *times)
{
    uint64_t v = 0, t = 0;
    int64_t value[MOST_TYPES] = {0}, sum = 0;
    bool any = false;
    osp_labelset_id labels = osp_builder_labels(r->b, r->label, r->nlabel);
    numbers list = numbers_of(values);
    for (size_t k = 0; k + 8 <= times->bytes.n; k += 8) {
        memcpy(&t, times->bytes.p + k, 8);
        bool has = next_number(&list, &v);
        value[type] = has ? (int64_t)v : values->field ? 0 : 1;
        osp_builder_sample(r->b, stack, labels, value, (int64_t)t);
        any = true;
    }
    while (next_number(&list, &v))
        osp_add(&sum, (int64_t)v);
    value[type] = sum;
    if (!any || sum)
        osp_builder_sample(r->b, stack, labels, value, 0);
}

static bool read_sample(reader *r, osp_span message, uint32_t type, osp_err *err)
{
    uint64_t number[4] = {0}, at;
    osp_pb m = osp_pb_on(message), values = {0}, times = {0};
    osp_str key;
    osp_label l;
    osp_span any;
    r->nlabel = r->nresource;
    while (osp_pb_next(&m)) {
        numbers list = numbers_of(&m);
        while (m.field == 2 && next_number(&list, &at))
            if (read_attribute(r, at, &key, &l, &any))
                add_label(r, key, l, any);
        if (m.field == 1 && m.type == OSP_PB_VARINT)
            number[1] = m.value;
        if (m.field == 4)
            values = m;
        if (m.field == 5 && m.type == OSP_PB_BYTES)
            times = m;
    }
    if (m.why)
        r->why = m.why;
    if (number[1] >= r->n[STACKS] && number[1])
        return osp_fail(err, OSP_EFORMAT, "a sample has a stack that is not there");
    osp_stack_id stack = r->n[STACKS] ? r->stack[number[1]] : osp_builder_stack(r->b, NULL, 0);
    add_sample(r, stack, type, &values, &times);
    return true;
}

static void value_type(const reader *r, osp_span message, osp_str *type, osp_str *unit, const char **why)
{
    uint64_t number[3] = {0};
    read_numbers(message, number, 3, why);
    *type = string_at(r, number[1]);
    *unit = string_at(r, number[2]);
}

static void read_head_attribute(reader *r, osp_str key, osp_span value)
{
    if (osp_str_eq(key, S("pprof.profile.drop_frames")))
        r->head.drop_frames = text_of_any(value);
    else if (osp_str_eq(key, S("pprof.profile.keep_frames")))
        r->head.keep_frames = text_of_any(value);
    else if (osp_str_eq(key, S("pprof.profile.doc_url")))
        r->head.doc_url = text_of_any(value);
}

/* First pass over a profile: its sample type, and of the first one what all have. */
static bool read_head(reader *r, osp_span profile, osp_err *err)
{
    uint64_t number[12] = {0}, at;
    osp_str type = S(""), unit = S(""), key;
    osp_label l;
    osp_span any;
    read_numbers(profile, number, 12, &r->why);
    osp_pb m = osp_pb_on(profile);
    while (osp_pb_next(&m)) {
        numbers list = numbers_of(&m);
        while (m.field == 11 && !r->whole_head && next_number(&list, &at))
            if (read_attribute(r, at, &key, &l, &any))
                read_head_attribute(r, key, any);
        if (m.field == 1 && m.type == OSP_PB_BYTES)
            value_type(r, m.bytes, &type, &unit, &r->why);
        if (m.field == 5 && m.type == OSP_PB_BYTES && !r->whole_head)
            value_type(r, m.bytes, &r->head.period_type, &r->head.period_unit, &r->why);
    }
    if (!r->whole_head) {
        r->head.time_ns = (int64_t)number[3];
        r->head.duration_ns = (int64_t)number[4];
        r->head.period = (int64_t)number[6];
    }
    r->whole_head = true;
    for (uint32_t i = 0; i < r->ntype; i++)
        if (osp_str_eq(type, r->type[i]) && osp_str_eq(unit, r->unit[i]))
            return true;
    if (r->ntype == MOST_TYPES)
        return osp_fail(err, OSP_ELIMIT, "more than %d sample types", MOST_TYPES);
    r->type[r->ntype] = type;
    r->unit[r->ntype++] = unit;
    osp_builder_value(r->b, type, unit);
    return true;
}

static bool read_samples(reader *r, osp_span profile, osp_err *err)
{
    osp_str type = S(""), unit = S("");
    uint32_t t = 0;
    osp_pb m = osp_pb_on(profile);
    while (osp_pb_next(&m))
        if (m.field == 1 && m.type == OSP_PB_BYTES)
            value_type(r, m.bytes, &type, &unit, &r->why);
    while (t + 1 < r->ntype && !(osp_str_eq(type, r->type[t]) && osp_str_eq(unit, r->unit[t])))
        t++;
    m = osp_pb_on(profile);
    while (osp_pb_next(&m))
        if (m.field == 2 && m.type == OSP_PB_BYTES && !read_sample(r, m.bytes, t, err))
            return false;
    return true;
}

static void read_resource(reader *r, osp_span resource)
{
    osp_pb m = osp_pb_on(resource);
    while (osp_pb_next(&m)) {
        osp_span key = {0}, value = {0};
        if (m.field != 1 || m.type != OSP_PB_BYTES)
            continue;
        osp_pb kv = osp_pb_on(m.bytes);
        while (osp_pb_next(&kv))
            if (kv.type == OSP_PB_BYTES && (kv.field == 1 || kv.field == 2))
                *(kv.field == 1 ? &key : &value) = kv.bytes;
        add_label(r, osp_span_text(key), (osp_label){0}, value);
    }
    r->nresource = r->nlabel;
}

typedef bool visit(reader *r, osp_span profile, osp_err *err);

static bool each_profile(reader *r, osp_span all, visit *what, osp_err *err)
{
    osp_pb data = osp_pb_on(all);
    while (osp_pb_next(&data)) {
        if (data.field != 1 || data.type != OSP_PB_BYTES)
            continue;
        r->nlabel = r->nresource = 0;
        osp_pb resource = osp_pb_on(data.bytes);
        while (osp_pb_next(&resource))
            if (resource.field == 1 && resource.type == OSP_PB_BYTES && what == read_samples)
                read_resource(r, resource.bytes);
        if (resource.why)
            r->why = resource.why;
        resource = osp_pb_on(data.bytes);
        while (osp_pb_next(&resource)) {
            if (resource.field != 2 || resource.type != OSP_PB_BYTES)
                continue;
            osp_pb scope = osp_pb_on(resource.bytes);
            while (osp_pb_next(&scope))
                if (scope.field == 2 && scope.type == OSP_PB_BYTES && !what(r, scope.bytes, err))
                    return false;
            if (scope.why)
                r->why = scope.why;
        }
    }
    if (data.why)
        r->why = data.why;
    return true;
}

static bool read_all(reader *r, osp_span all, osp_err *err)
{
    osp_pb m = osp_pb_on(all);
    while (osp_pb_next(&m))
        if (m.field == 2 && m.type == OSP_PB_BYTES && !read_dictionary(r, m.bytes))
            return osp_fail_memory(err, "reading the dictionary");
    if (m.why)
        return osp_fail(err, OSP_EABSENT, "%s", m.why);
    if (!each_profile(r, all, read_head, err))
        return false;
    if (r->ntype == 0)
        return osp_fail(err, OSP_EABSENT, "there is no profile in it");
    if (!read_tables(r, err) || !each_profile(r, all, read_samples, err))
        return false;
    osp_builder_head(r->b, &r->head);
    return true;
}

static osp_profile *read_otlp(osp_input *in, osp_err *err)
{
    reader *r = calloc(1, sizeof *r);
    if (!r) {
        osp_fail_memory(err, "reading OpenTelemetry's profiles");
        return NULL;
    }
    r->b = r->names.b = osp_builder_new(in->limit, err);
    bool ok = r->b && read_all(r, in->file.bytes, err);
    if (ok && r->why)
        ok = osp_fail(err, OSP_EFORMAT, "%s", r->why);
    for (int t = 0; t < TABLES; t++)
        free(r->entry[t]);
    free(r->mapping);
    free(r->function);
    free(r->location);
    free(r->stack);
    osp_profile *p = osp_names_finish(&r->names, ok, err);
    free(r);
    return p;
}

/* The first field holds a message whose own first field is one. In pprof's, the first is a sample type: two numbers. */
static osp_sniffed sniff(osp_str head, size_t size)
{
    uint64_t outer, inner;
    const uint8_t *p = (const uint8_t *)head.p, *end = p + head.n;
    if (head.n < 4 || (p[0] != 0x0a && p[0] != 0x12))
        return OSP_NOT_MINE;
    bool resource = p[0] == 0x0a;
    p = osp_pb_varint(p + 1, end, &outer);
    if (!p || p == end || (size && outer > size) || outer < 2)
        return OSP_NOT_MINE;
    if (*p != 0x0a && *p != 0x12 && (resource || (*p & 7) != OSP_PB_BYTES || *p > 0x3a))
        return OSP_NOT_MINE;
    p = osp_pb_varint(p + 1, end, &inner);
    if (!p || inner >= outer)
        return OSP_NOT_MINE;
    return resource ? OSP_MINE : OSP_MAYBE_MINE;
}

/* ---- writing -------------------------------------------------------------------------------------------------- */

typedef struct {
    const osp_profile *p;
    osp_buf *out;
    osp_buf row, part; /* a message, and one inside it */
    osp_intern strings;
    uint32_t nattribute;
    uint32_t *label_attribute; /* by label: its attribute */
    uint32_t *profile_attribute;
    osp_buf attributes;
} writer;

static void put_message(osp_buf *out, uint32_t field, osp_buf *message)
{
    osp_pb_put_bytes(out, field, osp_buf_str(message));
    message->n = 0;
}

static uint32_t text_index(writer *w, osp_str text)
{
    uint32_t id = osp_intern_put(&w->strings, text, NULL);
    w->out->failed |= id == UINT32_MAX;
    return id;
}

/* Add an entry to the attribute table. value stands in w->part and is empty behind. */
static uint32_t put_attribute(writer *w, osp_str key, osp_str unit)
{
    osp_pb_put_nonzero(&w->row, 1, text_index(w, key));
    put_message(&w->row, 2, &w->part);
    osp_pb_put_nonzero(&w->row, 3, text_index(w, unit));
    put_message(&w->attributes, ATTRIBUTES, &w->row);
    return w->nattribute++;
}

static uint32_t put_text_attribute(writer *w, osp_str key, osp_str text)
{
    osp_pb_put_bytes(&w->part, 1, text);
    return put_attribute(w, key, S(""));
}

/* All labels of the profile, each once for each label set it is in. */
static void put_label_attributes(writer *w)
{
    const osp_profile *p = w->p;
    for (uint32_t i = 0; i < p->labelsets.first[p->labelsets.n]; i++) {
        const osp_label *l = &p->labelsets.label[i];
        if (l->str.i)
            osp_pb_put_bytes(&w->part, 1, osp_text(p, l->str));
        else
            osp_pb_put_uint(&w->part, 3, (uint64_t)l->num);
        w->label_attribute[i] = put_attribute(w, osp_text(p, l->key), osp_text(p, l->unit));
    }
}

static void put_mappings(writer *w)
{
    const osp_profile *p = w->p;
    osp_buf list = osp_buf_of(4096);
    uint32_t flag[MAPPING_FLAGS] = {0};
    for (uint32_t i = 0; i < p->mappings.n; i++) {
        const osp_mapping *m = &p->mappings.row[i];
        list.n = 0;
        if (m->build_id.i)
            osp_pb_put_varint(&list, put_text_attribute(w, BUILD_ID, osp_text(p, m->build_id)));
        for (size_t f = 0; f < MAPPING_FLAGS; f++) {
            if (!(m->has & mapping_flag[f].flag))
                continue;
            osp_pb_put_uint(&w->part, 2, 1);
            if (flag[f] == 0)
                flag[f] = put_attribute(w, mapping_flag[f].name, S(""));
            w->part.n = 0;
            osp_pb_put_varint(&list, flag[f]);
        }
        osp_pb_put_nonzero(&w->row, 1, m->start);
        osp_pb_put_nonzero(&w->row, 2, m->limit);
        osp_pb_put_nonzero(&w->row, 3, m->offset);
        osp_pb_put_nonzero(&w->row, 4, text_index(w, osp_text(p, m->file)));
        if (list.n)
            osp_pb_put_bytes(&w->row, 5, osp_buf_str(&list));
        put_message(w->out, MAPPINGS, &w->row);
    }
    osp_buf_drop(&list);
}

/* Ours have no row for "none". */
static void put_locations(writer *w)
{
    const osp_profile *p = w->p;
    put_message(w->out, LOCATIONS, &w->row);
    for (uint32_t i = 0; i < p->locations.n; i++) {
        osp_pb_put_nonzero(&w->row, 1, p->locations.mapping[i].i);
        osp_pb_put_nonzero(&w->row, 2, p->locations.addr[i]);
        for (uint32_t k = p->locations.first[i]; k < p->locations.first[i + 1]; k++) {
            const osp_line *l = &p->locations.line[k];
            osp_pb_put_nonzero(&w->part, 1, l->fn.i);
            osp_pb_put_nonzero(&w->part, 2, (uint64_t)l->line);
            osp_pb_put_nonzero(&w->part, 3, (uint64_t)(int64_t)l->column);
            put_message(&w->row, 3, &w->part);
        }
        put_message(w->out, LOCATIONS, &w->row);
    }
}

static void put_functions(writer *w)
{
    const osp_profile *p = w->p;
    for (uint32_t i = 0; i < p->functions.n; i++) {
        const osp_function *f = &p->functions.row[i];
        osp_pb_put_nonzero(&w->row, 1, text_index(w, osp_text(p, f->name)));
        osp_pb_put_nonzero(&w->row, 2, text_index(w, osp_text(p, f->linker_name)));
        osp_pb_put_nonzero(&w->row, 3, text_index(w, osp_text(p, f->file)));
        osp_pb_put_nonzero(&w->row, 4, (uint64_t)f->start_line);
        put_message(w->out, FUNCTIONS, &w->row);
    }
}

static void put_stacks(writer *w)
{
    const osp_profile *p = w->p;
    osp_location_id *room = osp_stack_room(p);
    w->out->failed |= !room;
    put_message(w->out, STACKS, &w->row);
    for (uint32_t s = 0; room && s < p->stacks.n; s++) {
        const osp_stack stack = osp_stack_read(p, (osp_stack_id){s}, room);
        for (uint32_t i = 0; i < stack.n; i++)
            osp_pb_put_varint(&w->part, (uint64_t)stack.loc[i].i + 1);
        put_message(&w->row, 1, &w->part);
        put_message(w->out, STACKS, &w->row);
    }
    free(room);
}

static void put_sample(writer *w, uint32_t type, uint32_t i, osp_buf *out)
{
    const osp_profile *p = w->p;
    const uint32_t set = p->samples.labels[i].i;
    osp_pb_put_uint(&w->row, 1, (uint64_t)p->samples.stack[i].i + 1);
    for (uint32_t k = p->labelsets.first[set]; k < p->labelsets.first[set + 1]; k++)
        osp_pb_put_varint(&w->part, w->label_attribute[k]);
    if (w->part.n)
        put_message(&w->row, 2, &w->part);
    osp_pb_put_varint(&w->part, (uint64_t)p->samples.value[type][i]);
    put_message(&w->row, 4, &w->part);
    if (p->samples.time_ns && p->samples.time_ns[i]) {
        for (int k = 0; k < 8; k++)
            osp_buf_byte(&w->part, (uint8_t)((uint64_t)p->samples.time_ns[i] >> 8 * k));
        put_message(&w->row, 5, &w->part);
    }
    put_message(out, 2, &w->row);
}

static void put_fixed64(osp_buf *out, uint32_t field, uint64_t v)
{
    osp_pb_put_varint(out, (uint64_t)field << 3 | OSP_PB_FIXED64);
    for (int k = 0; k < 8; k++)
        osp_buf_byte(out, (uint8_t)(v >> 8 * k));
}

static void put_type(writer *w, osp_buf *out, uint32_t field, osp_value_type t)
{
    osp_pb_put_nonzero(&w->row, 1, text_index(w, osp_text(w->p, t.type)));
    osp_pb_put_nonzero(&w->row, 2, text_index(w, osp_text(w->p, t.unit)));
    put_message(out, field, &w->row);
}

static void put_profile(writer *w, uint32_t type, osp_buf *out)
{
    const osp_profile *p = w->p;
    put_type(w, out, 1, p->values.type[type]);
    for (uint32_t i = 0; i < p->samples.n; i++)
        if (p->samples.value[type][i])
            put_sample(w, type, i, out);
    if (p->time_ns)
        put_fixed64(out, 3, (uint64_t)p->time_ns);
    osp_pb_put_nonzero(out, 4, (uint64_t)p->duration_ns);
    if (p->period_type.type.i)
        put_type(w, out, 5, p->period_type);
    osp_pb_put_nonzero(out, 6, (uint64_t)p->period);
    for (int k = 0; k < 3; k++)
        if (w->profile_attribute[k])
            osp_pb_put_varint(&w->part, w->profile_attribute[k]);
    if (w->part.n)
        put_message(out, 11, &w->part);
}

static void put_profile_attributes(writer *w)
{
    const osp_profile *p = w->p;
    const struct {
        osp_str key;
        osp_string_id text;
    } said[] = {
        {S("pprof.profile.drop_frames"), p->drop_frames},
        {S("pprof.profile.keep_frames"), p->keep_frames},
        {S("pprof.profile.doc_url"), p->doc_url},
    };
    for (int k = 0; k < 3; k++)
        if (said[k].text.i)
            w->profile_attribute[k] = put_text_attribute(w, said[k].key, osp_text(p, said[k].text));
}

/* The profiles come first: a reader tells the form by them. The strings, which they bring together, come last. */
static void put_all(writer *w, osp_buf *out)
{
    osp_buf scope = osp_buf_of(out->max), profile = osp_buf_of(out->max), dictionary = osp_buf_of(out->max);
    w->out = &dictionary;
    text_index(w, S(""));
    put_message(&w->attributes, ATTRIBUTES, &w->row);
    w->nattribute = 1;
    put_label_attributes(w);
    put_profile_attributes(w);
    put_mappings(w);
    put_locations(w);
    put_functions(w);
    put_message(w->out, LINKS, &w->row);
    put_stacks(w);
    for (uint32_t t = 0; t < w->p->values.n; t++) {
        put_profile(w, t, &profile);
        put_message(&scope, 2, &profile);
    }
    put_message(&profile, 2, &scope); /* ScopeProfiles in ResourceProfiles */
    put_message(out, 1, &profile);
    osp_buf_add(&dictionary, osp_buf_str(&w->attributes));
    for (uint32_t i = 0; i < w->strings.n; i++)
        osp_pb_put_bytes(&dictionary, STRINGS, w->strings.text[i]);
    osp_pb_put_bytes(out, 2, osp_buf_str(&dictionary));
    out->failed |= scope.failed || profile.failed || dictionary.failed || w->attributes.failed || w->row.failed ||
                   w->part.failed;
    osp_buf_drop(&scope);
    osp_buf_drop(&profile);
    osp_buf_drop(&dictionary);
}

static bool write_otlp(const osp_profile *p, uint32_t value, osp_buf *out, osp_err *err)
{
    (void)value;
    uint32_t profile_attribute[3] = {0};
    writer w = {.p = p,
                .row = osp_buf_of(out->max),
                .part = osp_buf_of(out->max),
                .attributes = osp_buf_of(out->max),
                .profile_attribute = profile_attribute,
                .label_attribute = calloc((size_t)p->labelsets.first[p->labelsets.n] + 1, sizeof(uint32_t))};
    if (!w.label_attribute)
        return osp_fail_memory(err, "writing OpenTelemetry's profiles");
    put_all(&w, out);
    free(w.label_attribute);
    osp_intern_drop(&w.strings);
    osp_buf_drop(&w.row);
    osp_buf_drop(&w.part);
    osp_buf_drop(&w.attributes);
    return !out->failed || osp_fail_memory(err, "writing OpenTelemetry's profiles");
}

const osp_format osp_format_otlp = {
    .name = "otlp",
    .summary = "OpenTelemetry profiles (protobuf, v1development)",
    .ending = ".otlp",
    .sniff = sniff,
    .read = read_otlp,
    .write = write_otlp,
};
