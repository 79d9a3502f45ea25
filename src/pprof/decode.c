/* SPDX-License-Identifier: Apache-2.0 */
/* Decodes pprof's profile.proto. All messages and the fields we know:
 *
 *   Profile   1 sample_type*   ValueType   2 sample*   3 mapping*   4 location*   5 function*   6 string_table*
 *             7 drop_frames  8 keep_frames  9 time_nanos  10 duration_nanos  11 period_type  12 period
 *             13 comment*  14 default_sample_type  15 doc_url
 *   ValueType 1 type  2 unit
 *   Sample    1 location_id* (leaf first)  2 value* (one a type)  3 label*
 *   Label     1 key  2 str  3 num  4 num_unit
 *   Mapping   1 id  2 memory_start  3 memory_limit  4 file_offset  5 filename  6 build_id  7…10 has_functions,
 *             has_filenames, has_line_numbers, has_inline_frames
 *   Location  1 id  2 mapping_id  3 address  4 line*  5 is_folded          Line  1 function_id  2 line  3 column
 *   Function  1 id  2 name  3 system_name  4 filename  5 start_line
 *
 * Text fields are indices into string_table, whose entry 0 is "". A message's fields may come in any order, numbers
 * that repeat packed or one by one, unknown fields are skipped, the last of a single field wins.
 *
 * How: one walk over the top-level fields counts, so that every column is allocated once, in its final size (no more
 * rows than bytes were read). A second walk decodes. Samples are nearly all of a large profile: their location ids
 * and labels are not decoded but interned as the bytes that encode them, one hash and one compare each. When all ids
 * are known, the varints of each distinct stack are checked; they stay where they are if the ids say the rows, as
 * everybody writes them. Hashes of BATCH samples are computed before the first table look-up, so that cache misses
 * overlap. */
#include "pprof/pprof.h"
#include "pprof/pprof_internal.h"

#include "base/limit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 16, ENOUGH = 1 << 16 /* stacks, to see whether any are equal */ };

typedef struct {
    osp_span stack, labels;
    uint64_t stack_hash, labels_hash;
} waiting;

typedef struct {
    osp_profile *p;
    osp_arena scratch; /* lives as long as the decoding */
    osp_span in;
    osp_err *err;
    bool counted; /* the first walk is over: whatever fails now looks like a profile */
    struct {      /* what the first walk counted */
        uint32_t types, samples, mappings, locations, functions, strings, comments, lines;
    } n;
    struct { /* next free row of each, in the second walk */
        uint32_t types, samples, mappings, locations, functions, strings, comments, lines;
    } at;
    osp_str *text;
    osp_value_type *type;
    osp_mapping *mapping;
    uint64_t *mapping_id, *function_id, *location_id; /* as the file has them */
    osp_function *function;
    osp_string_id *comment;
    uint64_t *addr;
    uint64_t *location_mapping, *line_function; /* ids, not rows yet */
    osp_mapping_id *location_mapping_row;
    uint8_t *folded;
    uint32_t *first_line;
    osp_line *line;
    osp_stack_id *stack;
    osp_labelset_id *labels;
    int64_t **value;
    osp_span_set stacks, labelsets;
    bool apart; /* hardly any stacks are equal: they are no longer looked up */
    waiting queue[BATCH];
    uint32_t queued;
} decoding;

/* at: where in the input; NULL where that would say nothing. Always false. */
static bool fail(decoding *d, const uint8_t *at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static bool fail(decoding *d, const uint8_t *at, const char *fmt, ...)
{
    char text[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const char *what = d->counted ? "malformed profile" : "unrecognized profile format";
    if (!at)
        return osp_fail(d->err, OSP_EFORMAT, "%s: %s", what, text);
    return osp_fail(d->err, OSP_EFORMAT, "%s, byte %zu: %s", what, (size_t)(at - d->in.p), text);
}

static bool no_memory(decoding *d) { return osp_fail_memory(d->err, "decoding a profile"); }

static bool wrong_type(decoding *d, const osp_pb *m, const char *what)
{
    return fail(d, m->at, "%s: field %llu has wire type %d", what, (unsigned long long)m->field, (int)m->type);
}

/* ---- small messages ------------------------------------------------------------------------------------------- */

/* Read a message whose known fields 1 … nfield are all single numbers. */
static bool numbers(decoding *d, osp_span bytes, const char *what, uint64_t *v, uint32_t nfield)
{
    osp_pb m = osp_pb_on(bytes);
    memset(v, 0, (nfield + 1) * sizeof *v);
    while (osp_pb_next(&m)) {
        if (m.field == 0 || m.field > nfield)
            continue;
        if (m.type != OSP_PB_VARINT)
            return wrong_type(d, &m, what);
        v[m.field] = m.value;
    }
    return !m.why || fail(d, m.at, "%s: %s", what, m.why);
}

/* A string index of the file; checked against the table here, because the first walk has counted it. */
static bool string_ref(decoding *d, osp_span where, uint64_t v, osp_string_id *out)
{
    if (v >= d->n.strings)
        return fail(d, where.p, "string %lld is not in the table of %u", (long long)v, d->n.strings);
    out->i = (uint32_t)v;
    return true;
}

static bool value_type(decoding *d, osp_span bytes, osp_value_type *out)
{
    uint64_t v[3];
    return numbers(d, bytes, "value type", v, 2) && string_ref(d, bytes, v[1], &out->type) &&
           string_ref(d, bytes, v[2], &out->unit);
}

static bool mapping(decoding *d, osp_span bytes)
{
    uint64_t v[11];
    osp_mapping *m = &d->mapping[d->at.mappings + 1]; /* row 0: none */
    if (!numbers(d, bytes, "mapping", v, 10) || !string_ref(d, bytes, v[5], &m->file) ||
        !string_ref(d, bytes, v[6], &m->build_id))
        return false;
    if (v[1] == 0)
        return fail(d, bytes.p, "found mapping with reserved id 0");
    d->mapping_id[d->at.mappings++] = v[1];
    m->start = v[2];
    m->limit = v[3];
    m->offset = v[4];
    m->has = (v[7] ? OSP_HAS_FUNCTIONS : 0u) | (v[8] ? OSP_HAS_FILES : 0u) | (v[9] ? OSP_HAS_LINES : 0u) |
             (v[10] ? OSP_HAS_INLINES : 0u);
    return true;
}

static bool function(decoding *d, osp_span bytes)
{
    uint64_t v[6];
    osp_function *f = &d->function[d->at.functions + 1];
    if (!numbers(d, bytes, "function", v, 5) || !string_ref(d, bytes, v[2], &f->name) ||
        !string_ref(d, bytes, v[3], &f->linker_name) || !string_ref(d, bytes, v[4], &f->file))
        return false;
    if (v[1] == 0)
        return fail(d, bytes.p, "found function with reserved id 0");
    d->function_id[d->at.functions++] = v[1];
    f->start_line = (int64_t)v[5];
    return true;
}

static bool location(decoding *d, osp_span bytes)
{
    uint32_t row = d->at.locations;
    osp_pb m = osp_pb_on(bytes);
    uint64_t v[6] = {0}, line[4];
    d->first_line[row] = d->at.lines;
    while (osp_pb_next(&m)) {
        if (m.field == 0 || m.field > 5)
            continue;
        if (m.type != (m.field == 4 ? OSP_PB_BYTES : OSP_PB_VARINT))
            return wrong_type(d, &m, "location");
        v[m.field] = m.value;
        if (m.field == 4) {
            if (!numbers(d, m.bytes, "line", line, 3))
                return false;
            d->line_function[d->at.lines] = line[1];
            d->line[d->at.lines++] = (osp_line){{0}, (int32_t)line[3], (int64_t)line[2]};
        }
    }
    if (m.why)
        return fail(d, m.at, "location: %s", m.why);
    if (v[1] == 0)
        return fail(d, bytes.p, "found location with reserved id 0");
    d->location_id[row] = v[1];
    d->location_mapping[row] = v[2];
    d->addr[row] = v[3];
    d->folded[row] = v[5] != 0;
    d->at.locations++;
    return true;
}

/* Repeated numbers of the profile itself (comments), packed or not. */
static bool comments(decoding *d, const osp_pb *m)
{
    if (m->type == OSP_PB_VARINT)
        return string_ref(d, (osp_span){m->at, 0}, m->value, &d->comment[d->at.comments++]);
    const uint8_t *p = m->bytes.p, *end = p + m->bytes.n;
    while (p < end) {
        uint64_t v;
        p = osp_pb_varint(p, end, &v);
        if (!p)
            return fail(d, m->bytes.p, "comment: a number does not end");
        if (!string_ref(d, m->bytes, v, &d->comment[d->at.comments++]))
            return false;
    }
    return true;
}

/* ---- samples -------------------------------------------------------------------------------------------------- */

static bool settle(decoding *d)
{
    for (uint32_t i = 0; i < d->queued; i++) {
        if (!d->apart)
            osp_span_set_prefetch_bytes(&d->stacks, d->queue[i].stack_hash);
        osp_span_set_prefetch_bytes(&d->labelsets, d->queue[i].labels_hash);
    }
    uint32_t row = d->at.samples - d->queued;
    for (uint32_t i = 0; i < d->queued; i++, row++) {
        const waiting *w = &d->queue[i];
        const uint32_t stack =
            d->apart ? osp_span_set_add(&d->stacks, w->stack) : osp_span_set_put(&d->stacks, w->stack, w->stack_hash);
        const uint32_t labels = w->labels.n ? osp_span_set_put(&d->labelsets, w->labels, w->labels_hash) : 0;
        if (stack == UINT32_MAX || labels == UINT32_MAX)
            return no_memory(d);
        d->stack[row] = (osp_stack_id){stack};
        if (labels) /* a column of zeros takes no memory */
            d->labels[row] = (osp_labelset_id){labels};
    }
    d->queued = 0;
    d->apart |= d->stacks.n >= ENOUGH && d->stacks.n / 7 > (d->at.samples - d->stacks.n);
    return true;
}

/* Add the field [from, to) to a run of fields with the same number; false if they do not follow each other. */
static inline bool extend(osp_span *run, const uint8_t *from, const uint8_t *to)
{
    if (run->n == 0)
        run->p = from;
    else if (run->p + run->n != from)
        return false;
    run->n = (size_t)(to - run->p);
    return true;
}

/* The rare sample whose location ids or labels are strewn about: gather the fields of that number in a copy. */
static bool gather(decoding *d, osp_span bytes, uint64_t field, osp_span *out)
{
    uint8_t *copy = osp_new(&d->p->arena, uint8_t, bytes.n); /* a stack may stay there */
    if (!copy)
        return no_memory(d);
    size_t n = 0;
    osp_pb m = osp_pb_on(bytes);
    for (const uint8_t *from = m.at; osp_pb_next(&m); from = m.at)
        if (m.field == field) {
            memcpy(copy + n, from, (size_t)(m.at - from));
            n += (size_t)(m.at - from);
        }
    *out = (osp_span){copy, n};
    return true;
}

static bool sample(decoding *d, osp_span bytes)
{
    const uint32_t row = d->at.samples, ntype = d->n.types;
    const uint8_t *p = bytes.p, *end = p + bytes.n;
    uint32_t nvalue = 0;
    bool in_order = true;
    waiting *w = &d->queue[d->queued];
    *w = (waiting){.stack = {bytes.p, 0}, .labels = {bytes.p, 0}};
    while (p < end) {
        const uint8_t *from = p;
        uint64_t key, v;
        p = osp_pb_varint(p, end, &key);
        if (!p)
            return fail(d, from, "sample: a field's key does not end");
        switch (key) {
        case 1 << 3 | OSP_PB_BYTES: /* packed location ids */
        case 2 << 3 | OSP_PB_BYTES: /* packed values */
        case 3 << 3 | OSP_PB_BYTES: /* a label */
            p = osp_pb_varint(p, end, &v);
            if (!p || v > (size_t)(end - p))
                return fail(d, from, "sample: a length reaches past the end");
            if (key >> 3 != 2) {
                p += v;
                in_order &= extend(key >> 3 == 1 ? &w->stack : &w->labels, from, p);
                break;
            }
            for (const uint8_t *stop = p + v; p < stop; nvalue++) {
                p = osp_pb_varint(p, stop, &v);
                if (!p)
                    return fail(d, from, "sample: a value does not end");
                if (nvalue < ntype)
                    d->value[nvalue][row] = (int64_t)v;
            }
            break;
        case 1 << 3 | OSP_PB_VARINT:
        case 2 << 3 | OSP_PB_VARINT:
            p = osp_pb_varint(p, end, &v);
            if (!p)
                return fail(d, from, "sample: a number does not end");
            if (key >> 3 == 1)
                in_order &= extend(&w->stack, from, p);
            else if (nvalue++ < ntype)
                d->value[nvalue - 1][row] = (int64_t)v;
            break;
        default: {
            osp_pb m = {.at = from, .end = end};
            if (!osp_pb_next(&m))
                return fail(d, from, "sample: %s", m.why);
            if (m.field >= 1 && m.field <= 3)
                return wrong_type(d, &m, "sample");
            p = m.at;
        }
        }
    }
    if (nvalue != ntype)
        return fail(d, bytes.p, "a sample has %u values, there are %u types", nvalue, ntype);
    if (bytes.n > UINT32_MAX)
        return osp_fail(d->err, OSP_ELIMIT, "a sample of %zu bytes", bytes.n);
    if (!in_order && (!gather(d, bytes, 1, &w->stack) || !gather(d, bytes, 3, &w->labels)))
        return false;
    if (!d->apart) {
        w->stack_hash = osp_hash(w->stack.p, w->stack.n);
        osp_span_set_prefetch_cell(&d->stacks, w->stack_hash);
    }
    if (w->labels.n) {
        w->labels_hash = osp_hash(w->labels.p, w->labels.n);
        osp_span_set_prefetch_cell(&d->labelsets, w->labels_hash);
    }
    d->at.samples++;
    return ++d->queued < BATCH || settle(d);
}

/* ---- the two walks -------------------------------------------------------------------------------------------- */

static bool count_up(uint32_t *n, uint64_t more)
{
    if (more >= UINT32_MAX - *n)
        return false;
    *n += (uint32_t)more;
    return true;
}

static bool count_rows(decoding *d)
{
    osp_pb m = osp_pb_on(d->in);
    bool fits = true;
    while (osp_pb_next(&m)) {
        if (m.field == 0 || m.field > 15)
            continue;
        bool number = (m.field >= 7 && m.field <= 10) || m.field == 12 || m.field == 14 || m.field == 15;
        if (m.type != (number ? OSP_PB_VARINT : OSP_PB_BYTES) && (m.field != 13 || m.type != OSP_PB_VARINT))
            return wrong_type(d, &m, "profile");
        switch (m.field) {
        case 1:
            fits &= count_up(&d->n.types, 1);
            break;
        case 2:
            fits &= count_up(&d->n.samples, 1);
            break;
        case 3:
            fits &= count_up(&d->n.mappings, 1);
            break;
        case 4: {
            fits &= count_up(&d->n.locations, 1);
            osp_pb l = osp_pb_on(m.bytes);
            while (osp_pb_next(&l))
                fits &= count_up(&d->n.lines, l.field == 4);
            break;
        }
        case 5:
            fits &= count_up(&d->n.functions, 1);
            break;
        case 6:
            fits &= count_up(&d->n.strings, 1);
            break;
        case 13:
            fits &= count_up(&d->n.comments, m.type == OSP_PB_VARINT ? 1 : osp_packed_count(m.bytes.p, m.bytes.n));
            break;
        default:
            break;
        }
    }
    if (m.why)
        return fail(d, m.at, "%s", m.why);
    if (!fits)
        return osp_fail(d->err, OSP_ELIMIT, "the profile has more than 4 billion rows");
    d->counted = d->n.strings > 0;
    if (d->n.strings == 0)
        return fail(d, NULL, "there is no string table");
    if (d->n.samples && d->n.types == 0)
        return fail(d, NULL, "missing sample type information");
    /* Each value takes a byte at least: what cannot be there is not made room for. */
    if (d->n.types && d->n.samples > d->in.n / d->n.types)
        return fail(d, NULL, "%u samples of %u types do not fit the profile", d->n.samples, d->n.types);
    return true;
}

static bool make_room(decoding *d)
{
    osp_arena *a = &d->p->arena, *s = &d->scratch;
    d->text = osp_new(a, osp_str, d->n.strings);
    d->type = osp_new(a, osp_value_type, d->n.types);
    d->mapping = osp_new(a, osp_mapping, (size_t)d->n.mappings + 1);
    d->function = osp_new(a, osp_function, (size_t)d->n.functions + 1);
    d->comment = osp_new(a, osp_string_id, d->n.comments);
    d->addr = osp_new(a, uint64_t, d->n.locations);
    d->location_id = osp_new(a, uint64_t, d->n.locations);
    d->location_mapping_row = osp_new(a, osp_mapping_id, d->n.locations);
    d->folded = osp_new(a, uint8_t, d->n.locations);
    d->first_line = osp_new(a, uint32_t, (size_t)d->n.locations + 1);
    d->line = osp_new(a, osp_line, d->n.lines);
    d->stack = osp_new(a, osp_stack_id, d->n.samples);
    d->labels = osp_new(a, osp_labelset_id, d->n.samples);
    d->value = osp_new(a, int64_t *, d->n.types);
    d->mapping_id = osp_new(s, uint64_t, d->n.mappings);
    d->function_id = osp_new(s, uint64_t, d->n.functions);
    d->location_mapping = osp_new(s, uint64_t, d->n.locations);
    d->line_function = osp_new(s, uint64_t, d->n.lines);
    if (!d->text || !d->type || !d->mapping || !d->function || !d->comment || !d->addr || !d->location_id ||
        !d->location_mapping_row || !d->folded || !d->first_line || !d->line || !d->stack || !d->labels ||
        !d->value || !d->mapping_id || !d->function_id || !d->location_mapping || !d->line_function)
        return no_memory(d);
    for (uint32_t t = 0; t < d->n.types; t++)
        if (!(d->value[t] = osp_new(a, int64_t, d->n.samples)))
            return no_memory(d);
    if (!osp_span_set_make(&d->stacks, a, d->n.samples) ||
        !osp_span_set_make(&d->labelsets, s, (size_t)d->n.samples + 1))
        return no_memory(d);
    osp_span_set_add(&d->labelsets, (osp_span){d->in.p, 0}); /* the empty set, which is never looked up */
    return true;
}

static bool one_string(decoding *d, const osp_pb *m)
{
    if (d->at.strings == 0 && m->bytes.n)
        return fail(d, m->bytes.p, "string_table[0] must be ''");
    d->text[d->at.strings++] = osp_span_text(m->bytes);
    return true;
}

static bool time_once(decoding *d, const osp_pb *m)
{
    if (d->p->time_ns)
        return osp_fail(d->err, OSP_EFORMAT, "concatenated profiles detected");
    d->p->time_ns = (int64_t)m->value;
    return true;
}

static bool walk(decoding *d)
{
    osp_profile *p = d->p;
    osp_pb m = osp_pb_on(d->in);
    bool ok = true;
    while (ok && osp_pb_next(&m)) {
        const osp_span here = {m.at, 0};
        switch (m.field) {
        case 1:
            ok = value_type(d, m.bytes, &d->type[d->at.types++]);
            break;
        case 2:
            ok = sample(d, m.bytes);
            break;
        case 3:
            ok = mapping(d, m.bytes);
            break;
        case 4:
            ok = location(d, m.bytes);
            break;
        case 5:
            ok = function(d, m.bytes);
            break;
        case 6:
            ok = one_string(d, &m);
            break;
        case 7:
            ok = string_ref(d, here, m.value, &p->drop_frames);
            break;
        case 8:
            ok = string_ref(d, here, m.value, &p->keep_frames);
            break;
        case 9:
            ok = time_once(d, &m);
            break;
        case 10:
            p->duration_ns = (int64_t)m.value;
            break;
        case 11:
            ok = value_type(d, m.bytes, &p->period_type);
            break;
        case 12:
            p->period = (int64_t)m.value;
            break;
        case 13:
            ok = comments(d, &m);
            break;
        case 14:
            ok = string_ref(d, here, m.value, &p->values.preferred);
            break;
        case 15:
            ok = string_ref(d, here, m.value, &p->doc_url);
            break;
        default:
            break;
        }
    }
    return ok && settle(d);
}

/* ---- ids become rows ------------------------------------------------------------------------------------------ */

static bool make_map(decoding *d, osp_id_map *m, const char *what, const uint64_t *id, uint32_t n, uint32_t first)
{
    uint64_t clash;
    if (osp_id_map_make(m, &d->scratch, id, n, first, &clash))
        return true;
    return clash ? fail(d, NULL, "multiple %ss with same id: %llu", what, (unsigned long long)clash) : no_memory(d);
}

static bool resolve_locations(decoding *d)
{
    osp_id_map maps = {0}, functions = {0};
    if (!make_map(d, &maps, "mapping", d->mapping_id, d->n.mappings, 1) ||
        !make_map(d, &functions, "function", d->function_id, d->n.functions, 1))
        return false;
    for (uint32_t i = 0; i < d->n.locations; i++) {
        uint32_t row = osp_id_map_find(&maps, d->location_mapping[i]);
        d->location_mapping_row[i].i = row == UINT32_MAX ? 0 : row; /* the peer, too, takes a dangling id for none */
        uint32_t end = i + 1 < d->n.locations ? d->first_line[i + 1] : d->at.lines;
        for (uint32_t k = d->first_line[i]; k < end; k++) {
            row = osp_id_map_find(&functions, d->line_function[k]);
            if (row == UINT32_MAX)
                return fail(d, NULL, "location id: %llu has a line with function %llu, which is not there",
                            (unsigned long long)d->location_id[i], (unsigned long long)d->line_function[k]);
            d->line[k].fn.i = row;
        }
    }
    d->first_line[d->n.locations] = d->at.lines;
    return true;
}

/* Do the ids say the rows: 1 for row 0, and so on? */
static bool ids_are_rows(const decoding *d)
{
    uint32_t same = 0;
    while (same < d->n.locations && d->location_id[same] == (uint64_t)same + 1)
        same++;
    return same == d->n.locations;
}

static bool fail_location(decoding *d, uint64_t id)
{
    return fail(d, NULL, "a sample has location %llu, which is not there", (unsigned long long)id);
}

/* A stack in any encoding: the rows of its locations, in room for as many as it has bytes. *n: how many. */
static bool read_rows(decoding *d, const osp_id_map *map, osp_span bytes, osp_location_id *room, uint32_t *n)
{
    osp_pb m = osp_pb_on(bytes);
    *n = 0;
    while (osp_pb_next(&m)) {
        const uint8_t *p = m.bytes.p,
                      *end = m.bytes.n ? p + m.bytes.n : p; /* a number has none, and NULL + 0 is undefined */
        bool more = m.type == OSP_PB_VARINT || p < end;
        for (uint64_t id = m.value; more; more = m.type == OSP_PB_BYTES && p < end) {
            if (m.type == OSP_PB_BYTES && !(p = osp_pb_varint(p, end, &id)))
                return fail(d, NULL, "a sample's location id does not end");
            room[*n].i = osp_id_map_find(map, id);
            if (room[(*n)++].i == UINT32_MAX)
                return fail_location(d, id);
        }
    }
    return true;
}

/* The ids of a stack that is one packed field, which is nearly every one: *ids, or no bytes at all. */
static osp_span packed_ids(osp_span field)
{
    osp_pb m = osp_pb_on(field);
    const bool one = osp_pb_next(&m) && m.type == OSP_PB_BYTES && m.at == m.end;
    return one ? m.bytes : (osp_span){field.p, 0};
}

static uint64_t most_lines(const decoding *d)
{
    uint64_t most = 1;
    for (uint32_t i = 0; i < d->n.locations; i++)
        if (d->first_line[i + 1] - d->first_line[i] > most)
            most = d->first_line[i + 1] - d->first_line[i];
    return most;
}

typedef struct {
    osp_id_map map;
    bool as_they_are; /* ids are rows + 1: what is packed can stay where it is */
    osp_location_id *room;
    uint64_t total; /* locations of all stacks so far */
} reading;

/* A stack stays where it is, if all its locations are there. */
static bool stack_as_it_is(decoding *d, reading *r, uint32_t s, osp_span ids)
{
    uint32_t n;
    if (!osp_packed_within(ids.p, (uint32_t)ids.n, d->n.locations, &n) &&
        !read_rows(d, &r->map, osp_span_set_at(&d->stacks, s), r->room, &n))
        return false;
    d->stacks.at[s] = ids.p;
    d->stacks.len[s] = (uint32_t)ids.n;
    d->p->stacks.deepest = n > d->p->stacks.deepest ? n : d->p->stacks.deepest;
    r->total += n;
    return true;
}

static bool translated_stack(decoding *d, reading *r, uint32_t s)
{
    uint32_t n;
    if (!read_rows(d, &r->map, osp_span_set_at(&d->stacks, s), r->room, &n))
        return false;
    r->total += n;
    return osp_stacks_put(d->p, (osp_stack_id){s}, r->room, n) || no_memory(d);
}

static bool one_stack(decoding *d, reading *r, uint32_t s)
{
    const osp_span ids = r->as_they_are ? packed_ids(osp_span_set_at(&d->stacks, s)) : (osp_span){0};
    if (!(ids.n ? stack_as_it_is(d, r, s, ids) : translated_stack(d, r, s)))
        return false;
    if (r->total >= UINT32_MAX)
        return osp_fail(d->err, OSP_ELIMIT, "the profile's stacks have more than 4 billion frames");
    return true;
}

/* A location stands for as many frames as it has lines: a small file may mean a great many. */
static bool count_frames(decoding *d, const reading *r)
{
    uint64_t frames = 0;
    if (r->total * most_lines(d) < UINT32_MAX)
        return true;
    for (uint32_t s = 0; s < d->stacks.n; s++) {
        const osp_stack stack = osp_stack_read(d->p, (osp_stack_id){s}, r->room);
        for (uint32_t i = 0; i < stack.n; i++)
            frames += d->first_line[stack.loc[i].i + 1] - d->first_line[stack.loc[i].i];
    }
    return frames < UINT32_MAX ||
           osp_fail(d->err, OSP_ELIMIT, "the profile's stacks have more than 4 billion frames");
}

static bool read_stacks(decoding *d)
{
    osp_profile *p = d->p;
    reading r = {.as_they_are = d->n.locations <= INT32_MAX && ids_are_rows(d)};
    if (!make_map(d, &r.map, "location", d->location_id, d->n.locations, 0))
        return false;
    uint32_t longest = 0;
    for (uint32_t s = 0; s < d->stacks.n; s++)
        longest = d->stacks.len[s] > longest ? d->stacks.len[s] : longest;
    r.room = osp_new(&d->scratch, osp_location_id, (size_t)longest + OSP_PACKED_SLACK);
    if (!r.room)
        return no_memory(d);
    p->stacks.n = d->stacks.n;
    p->stacks.packed = d->stacks.at;
    p->stacks.size = d->stacks.len;
    for (uint32_t s = 0; s < d->stacks.n; s++)
        if (!one_stack(d, &r, s))
            return false;
    p->locations.wire_id = r.as_they_are ? NULL : d->location_id;
    return count_frames(d, &r);
}

static bool expand_labels(decoding *d)
{
    osp_profile *p = d->p;
    uint32_t n = d->labelsets.n;
    uint64_t total = 0;
    uint32_t *first = osp_new(&p->arena, uint32_t, (size_t)n + 1);
    if (!first)
        return no_memory(d);
    for (uint32_t i = 0; i < n; i++) {
        osp_pb m = osp_pb_on(osp_span_set_at(&d->labelsets, i));
        while (osp_pb_next(&m))
            total++;
    }
    if (total >= UINT32_MAX)
        return osp_fail(d->err, OSP_ELIMIT, "the profile has more than 4 billion labels");
    osp_label *label = osp_new(&p->arena, osp_label, (size_t)total);
    if (!label)
        return no_memory(d);
    osp_label *to = label;
    for (uint32_t i = 0; i < n; i++) {
        osp_pb m = osp_pb_on(osp_span_set_at(&d->labelsets, i));
        first[i] = (uint32_t)(to - label);
        while (osp_pb_next(&m)) {
            uint64_t v[5];
            if (!numbers(d, m.bytes, "label", v, 4) || !string_ref(d, d->in, v[1], &to->key) ||
                !string_ref(d, d->in, v[2], &to->str) || !string_ref(d, d->in, v[4], &to->unit))
                return false;
            to->num = (int64_t)v[3];
            to += to->str.i || to->unit.i || to->num; /* to the peer, a label of neither text nor number is none */
        }
    }
    first[n] = (uint32_t)(to - label);
    p->labelsets.n = n;
    p->labelsets.first = first;
    p->labelsets.label = label;
    return true;
}

/* The ids of mappings, for those who print or write them, unless they are the numbers of their rows. */
static bool keep_mapping_ids(decoding *d)
{
    uint32_t same = 0;
    while (same < d->n.mappings && d->mapping_id[same] == same + 1)
        same++;
    if (same == d->n.mappings)
        return true;
    uint64_t *id = osp_new(&d->p->arena, uint64_t, (size_t)d->n.mappings + 1);
    if (!id)
        return no_memory(d);
    memcpy(id + 1, d->mapping_id, d->n.mappings * sizeof *id);
    d->p->mappings.wire_id = id;
    return true;
}

static void hand_over(decoding *d)
{
    osp_profile *p = d->p;
    p->strings.n = d->n.strings;
    p->strings.text = d->text;
    p->values.n = d->n.types;
    p->values.type = d->type;
    p->samples.n = d->n.samples;
    p->samples.stack = d->stack;
    p->samples.labels = d->labels;
    p->samples.value = (const int64_t *const *)d->value;
    p->locations.n = d->n.locations;
    p->locations.addr = d->addr;
    p->locations.mapping = d->location_mapping_row;
    p->locations.folded = d->folded;
    p->locations.first = d->first_line;
    p->locations.line = d->line;
    p->functions.n = d->n.functions + 1;
    p->functions.row = d->function;
    p->mappings.n = d->n.mappings + 1;
    p->mappings.row = d->mapping;
    p->comments.n = d->n.comments;
    p->comments.text = d->comment;
}

static bool decode(decoding *d)
{
    if (d->in.n == 0)
        return osp_fail(d->err, OSP_EFORMAT, "empty input file");
    if (!count_rows(d) || !make_room(d) || !walk(d))
        return false;
    osp_span_set_drop(&d->stacks);
    osp_span_set_drop(&d->labelsets);
    if (!resolve_locations(d) || !read_stacks(d) || !expand_labels(d) || !keep_mapping_ids(d))
        return false;
    hand_over(d);
    return true;
}

osp_profile *osp_pprof_decode(osp_file *file, size_t unpack_limit, osp_err *err)
{
    osp_profile *p = calloc(1, sizeof *p);
    if (!p) {
        osp_file_close(file);
        osp_fail_memory(err, "decoding a profile");
        return NULL;
    }
    decoding d = {.p = p, .err = err};
    uint8_t first = file->bytes.n ? file->bytes.p[0] : 0xff;
    bool ok = true;
    /* No field has number 0. Gigabytes of zeros, packed or not, need no more than a look at their first byte. */
    if ((osp_pack_of(file->bytes) == OSP_PACK_NONE || osp_unpack_head(file->bytes, &first, 1)) && first < 8) {
        osp_file_close(file);
        free(p);
        osp_fail(err, OSP_EFORMAT, "unrecognized profile format, byte 0: there is no field 0");
        return NULL;
    }
    if (osp_pack_of(file->bytes) == OSP_PACK_NONE) {
        p->input = *file;
        *file = (osp_file){0};
        d.in = p->input.bytes;
    } else {
        ok =
            osp_unpack(file->bytes, unpack_limit ? unpack_limit : osp_unpack_limit(file->bytes.n), &p->unpacked, err);
        osp_file_close(file);
        d.in = p->unpacked;
    }
    /* A row takes two bytes at least and is 40 at most, but for a dozen small ones. */
    size_t limit = osp_memory_limit();
    if (d.in.n < limit / 64)
        limit = d.in.n * 64 + (1 << 20);
    osp_arena_init(&p->arena, limit);
    osp_arena_init(&d.scratch, limit);
    ok = ok && decode(&d);
    osp_arena_drop(&d.scratch);
    osp_span_set_drop(&d.stacks);
    osp_span_set_drop(&d.labelsets);
    if (ok)
        return p;
    osp_profile_drop(p);
    return NULL;
}

osp_profile *osp_pprof_open(const char *path, osp_err *err)
{
    osp_file file;
    if (!osp_file_open(path, osp_memory_limit(), &file, err)) /* what is mapped could be larger, but not decoded */
        return NULL;
    osp_profile *p = osp_pprof_decode(&file, 0, err);
    if (!p)
        osp_fail_in(err, "%s", path);
    return p;
}
