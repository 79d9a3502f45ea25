/* SPDX-License-Identifier: Apache-2.0 */
/* One profile of several, by the rules of google/pprof's profile/merge.go and internal/measurement:
 *
 *   1. sample types: those that all profiles have, in the first one's order; each, and the period, in the finest unit
 *      that one of them has;
 *   2. the header: the earliest time, the sum of durations, the longest period, each comment once, the rest from the
 *      first profile that says it;
 *   3. samples in order, each once: it takes along its locations, these their mappings and functions, so that ids are
 *      in the order of first use. Only the first mapping, the main binary, comes first of all;
 *   4. if values cancelled to 0 out, all again without those samples.
 *
 * Equal are mappings of the same file or build id with the same offset and number of pages, wherever they were mapped
 * to; locations with the same place in equal mappings, and equal lines. A builder does the rest; what a profile's row
 * became is looked up once per row. */
#include "base/hash.h"
#include "model/model_internal.h"

#include <stdlib.h>

/* One of the profiles, and what its rows became: 1 + the id in the merged profile, 0 = not needed yet. */
typedef struct {
    const osp_profile *p;
    uint32_t *type; /* per common type: its number here */
    double *ratio;  /* per common type */
    bool scales;
    osp_str preferred;
    int64_t period;
    uint32_t *strings, *functions, *mappings, *locations, *stacks, *labelsets;
    uint64_t *moved; /* per mapping: to be added to its addresses */
    osp_location_id *
        *becomes;          /* as borrowed stacks have it, per part of its stacks; OSP_NOT_BORROWED: not needed yet */
    osp_location_id *room; /* for a stack */
} source;

/* As the peer compares them. */
typedef struct {
    uint64_t pages, offset;
    osp_string_id file, no_padding; /* its build id rather, if there is one */
} mapping_key;

typedef struct {
    uint64_t place; /* behind the mapping's start */
    uint32_t mapping, nlines, folded;
    int32_t column; /* of the last line: the peer overlooks the others */
} location_key;     /* line_keys follow */

typedef struct {
    int64_t line;
    uint32_t function, no_padding;
} line_key;

typedef struct {
    osp_builder *b;
    osp_stack_pool *stacks;
    osp_arena scratch;
    osp_err *err;
    source *in;
    uint32_t n, ntype;
    osp_value_type *type; /* of the first profile; the unit is unit[] */
    osp_str *unit, period_unit;
    osp_intern mappings, locations; /* of keys, by peer's rules */
    osp_mapping_id *mapping_id;     /* by number in mappings */
    uint64_t *mapping_start;        /* by number in mappings */
    osp_location_id *location_id;   /* by number in locations */
    size_t mapping_cap, start_cap, location_cap;
    void *space; /* for one row while it is put together */
    size_t space_cap;
} merging;

static bool no_memory(merging *m) { return osp_fail_memory(m->err, "merging profiles"); }

/* ---- sample types --------------------------------------------------------------------------------------------- */

static osp_str type_name(const osp_profile *p, uint32_t t) { return osp_text(p, p->values.type[t].type); }

static uint32_t type_named(const osp_profile *p, osp_str name)
{
    uint32_t t = 0;
    while (t < p->values.n && !osp_str_eq(type_name(p, t), name))
        t++;
    return t;
}

/* How often the profiles have a type of that name. */
static uint64_t count_types(const merging *m, osp_str name)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < m->n; i++)
        for (uint32_t t = 0; t < m->in[i].p->values.n; t++)
            n += osp_str_eq(type_name(m->in[i].p, t), name);
    return n;
}

static bool common_types(merging *m)
{
    const osp_profile *first = m->in[0].p;
    m->type = osp_new(&m->scratch, osp_value_type, first->values.n);
    m->unit = osp_new(&m->scratch, osp_str, first->values.n);
    if (!m->type || !m->unit)
        return no_memory(m);
    for (uint32_t t = 0; t < first->values.n; t++)
        if (count_types(m, type_name(first, t)) == m->n)
            m->type[m->ntype++] = first->values.type[t];
    return m->ntype || osp_fail(m->err, OSP_EFORMAT, "profiles have empty common sample type list");
}

/* Where the common types are in one profile; its preferred type, if that is not among them, is the first. */
static bool find_types(merging *m, source *s)
{
    bool same = m->ntype == s->p->values.n;
    s->type = osp_new(&m->scratch, uint32_t, m->ntype);
    s->ratio = osp_new(&m->scratch, double, m->ntype);
    if (!s->type || !s->ratio)
        return no_memory(m);
    osp_str preferred = osp_text(m->in[0].p, m->type[0].type);
    s->preferred = osp_text(s->p, s->p->values.preferred);
    for (uint32_t t = 0; t < m->ntype; t++) {
        osp_str name = osp_text(m->in[0].p, m->type[t].type);
        s->type[t] = type_named(s->p, name);
        if (s->type[t] == s->p->values.n) /* another has it twice */
            return osp_fail(m->err, OSP_EFORMAT, "\"%.*s\" sample type is not found in profile", STRF(name));
        s->ratio[t] = 1;
        same &= s->type[t] == t;
        if (osp_str_eq(name, s->preferred))
            preferred = name;
    }
    if (!same)
        s->preferred = preferred;
    return true;
}

/* ---- units ---------------------------------------------------------------------------------------------------- */

static osp_str without_s(osp_str s) { return osp_str_ends(s, S("s")) ? osp_str_head(s, s.n - 1) : s; }

/* Type t of the common ones, or the period's (UINT32_MAX). */
static osp_value_type type_of(const source *s, uint32_t t)
{
    return t == UINT32_MAX ? s->p->period_type : s->p->values.type[s->type[t]];
}

/* The finest unit that a profile has for that type. */
static bool finest_unit(merging *m, uint32_t t, osp_str *out)
{
    osp_str ignored, type = osp_text(m->in[0].p, type_of(&m->in[0], t).type);
    *out = osp_text(m->in[0].p, type_of(&m->in[0], t).unit);
    for (uint32_t i = 1; i < m->n; i++) {
        osp_value_type ours = type_of(&m->in[i], t);
        osp_str other = osp_text(m->in[i].p, ours.type), unit = osp_text(m->in[i].p, ours.unit);
        if (!osp_str_eq(without_s(type), without_s(other)) || !osp_units_compatible(*out, unit))
            return osp_fail(m->err, OSP_EFORMAT, "%s: incompatible types: {%.*s %.*s 0 0} {%.*s %.*s 0 0}",
                            t == UINT32_MAX ? "period type" : "sample types", STRF(type), STRF(*out), STRF(other),
                            STRF(unit));
        if (osp_scale(1, unit, *out, &ignored) < 1) {
            *out = unit;
            type = other;
        }
    }
    return true;
}

static bool same_period_types(merging *m)
{
    const osp_profile *first = m->in[0].p;
    for (uint32_t i = 1; i < m->n; i++) {
        const osp_profile *p = m->in[i].p;
        osp_str a = osp_text(first, first->period_type.type), b = osp_text(p, p->period_type.type);
        if (!osp_str_eq(a, b))
            return osp_fail(m->err, OSP_EFORMAT, "incompatible period types &{%.*s %.*s 0 0} and &{%.*s %.*s 0 0}",
                            STRF(a), STRF(m->period_unit), STRF(b), STRF(m->period_unit));
    }
    return true;
}

static bool agree_on_units(merging *m)
{
    osp_str ignored;
    if (!finest_unit(m, UINT32_MAX, &m->period_unit))
        return false;
    for (uint32_t t = 0; t < m->ntype; t++)
        if (!finest_unit(m, t, &m->unit[t]))
            return false;
    for (uint32_t i = 0; i < m->n; i++) {
        source *s = &m->in[i];
        s->period = s->p->period;
        if (m->n > 1)
            s->period =
                osp_int_of(osp_scale(s->period, osp_text(s->p, s->p->period_type.unit), m->period_unit, &ignored));
        for (uint32_t t = 0; m->n > 1 && t < m->ntype; t++)
            s->ratio[t] = osp_scale(1, osp_text(s->p, type_of(s, t).unit), m->unit[t], &ignored);
        s->scales = osp_ratios_scale(s->ratio, m->ntype);
    }
    return same_period_types(m);
}

/* ---- the header ----------------------------------------------------------------------------------------------- */

static bool merge_comments(merging *m)
{
    osp_intern seen = {0};
    bool ok = true;
    for (uint32_t i = 0; i < m->n; i++)
        for (uint32_t k = 0; ok && k < m->in[i].p->comments.n; k++) {
            bool fresh;
            osp_str text = osp_text(m->in[i].p, m->in[i].p->comments.text[k]);
            ok = osp_intern_put(&seen, text, &fresh) != UINT32_MAX;
            if (ok && fresh)
                osp_builder_comment(m->b, text);
        }
    osp_intern_drop(&seen);
    return ok || no_memory(m);
}

static bool merge_headers(merging *m)
{
    const osp_profile *first = m->in[0].p;
    osp_profile_head h = {
        .period_type = osp_text(first, first->period_type.type),
        .period_unit = m->period_unit,
        .drop_frames = osp_text(first, first->drop_frames),
        .keep_frames = osp_text(first, first->keep_frames),
    };
    for (uint32_t i = 0; i < m->n; i++) {
        const source *s = &m->in[i];
        if (h.time_ns == 0 || s->p->time_ns < h.time_ns)
            h.time_ns = s->p->time_ns;
        osp_add(&h.duration_ns, s->p->duration_ns);
        if (h.period == 0 || h.period < s->period)
            h.period = s->period;
        if (h.preferred.n == 0)
            h.preferred = s->preferred;
        if (h.doc_url.n == 0)
            h.doc_url = osp_text(s->p, s->p->doc_url);
    }
    osp_builder_head(m->b, &h);
    for (uint32_t t = 0; t < m->ntype; t++)
        osp_builder_value(m->b, osp_text(first, m->type[t].type), m->unit[t]);
    return merge_comments(m);
}

/* ---- what samples are made of --------------------------------------------------------------------------------- */

/* The number of a key in t; a fresh one's bytes are kept. UINT32_MAX without memory. */
static uint32_t key_number(merging *m, osp_intern *t, const void *key, size_t n, bool *fresh)
{
    uint32_t id = osp_intern_put(t, (osp_str){key, n}, fresh);
    if (id == UINT32_MAX || !*fresh)
        return id;
    char *copy = osp_arena_take(&m->scratch, n, 1, alignof(uint64_t));
    if (!copy) {
        t->text[id] = (osp_str){0};
        return UINT32_MAX;
    }
    memcpy(copy, key, n);
    t->text[id].p = copy;
    return id;
}

/* Row `at` of an array that grows with the rows of a key table. */
static bool set_row(void **array, size_t *cap, uint32_t at, const void *item, size_t size)
{
    if (!osp_grow(array, cap, (size_t)at + 1, size))
        return false;
    memcpy((char *)*array + at * size, item, size);
    return true;
}

static bool keep_mapping(merging *m, uint32_t number, osp_mapping_id id, uint64_t start)
{
    void *ids = m->mapping_id, *starts = m->mapping_start;
    bool ok = set_row(&ids, &m->mapping_cap, number, &id, sizeof id);
    m->mapping_id = ids;
    ok = ok && set_row(&starts, &m->start_cap, number, &start, sizeof start);
    m->mapping_start = starts;
    return ok;
}

/* A profile without mappings has an empty one for all locations, as the peer sees it: there row 0 is one. */
static uint32_t main_mapping(const osp_profile *p) { return p->mappings.n > 1; }

/* The number of a mapping in m->mappings; UINT32_MAX without memory. */
static uint32_t map_mapping(merging *m, source *s, uint32_t i)
{
    if (s->mappings[i])
        return s->mappings[i] - 1;
    const osp_profile *p = s->p;
    const osp_mapping *row = &p->mappings.row[i];
    osp_str build_id = osp_text(p, row->build_id), file = osp_text(p, row->file);
    uint64_t pages = (row->limit - row->start + 0xfff) & ~(uint64_t)0xfff;
    mapping_key key = {pages, row->offset, osp_builder_string(m->b, build_id.n ? build_id : file), {0}};
    bool fresh = false;
    uint32_t number = key_number(m, &m->mappings, &key, sizeof key, &fresh);
    if (number == UINT32_MAX)
        return number;
    if (fresh) {
        osp_mapping_id id = osp_builder_mapping(m->b, row->start, row->limit, row->offset, file, build_id, row->has);
        if (!keep_mapping(m, number, id, row->start))
            return UINT32_MAX;
    }
    s->moved[i] = m->mapping_start[number] - row->start;
    s->mappings[i] = number + 1;
    return number;
}

static osp_string_id map_string(merging *m, source *s, osp_string_id text)
{
    if (!s->strings[text.i])
        s->strings[text.i] = 1 + osp_builder_string(m->b, osp_text(s->p, text)).i;
    return (osp_string_id){s->strings[text.i] - 1};
}

static osp_function_id map_function(merging *m, source *s, osp_function_id fn)
{
    const osp_profile *p = s->p;
    if (!s->functions[fn.i]) {
        const osp_function *row = &p->functions.row[fn.i];
        s->functions[fn.i] = 1 + osp_builder_function(m->b, osp_text(p, row->name), osp_text(p, row->linker_name),
                                                      osp_text(p, row->file), row->start_line)
                                     .i;
    }
    return (osp_function_id){s->functions[fn.i] - 1};
}

static void *space_for(merging *m, size_t n) { return osp_grow(&m->space, &m->space_cap, n, 1) ? m->space : NULL; }

/* The key of a location with the lines given, into the space behind them. */
static size_t location_key_of(const osp_line *line, uint32_t n, location_key *key)
{
    line_key *to = (line_key *)(key + 1);
    key->nlines = n;
    key->column = n ? line[n - 1].column : 0;
    for (uint32_t k = 0; k < n; k++)
        to[k] = (line_key){line[k].line, line[k].fn.i, 0};
    return sizeof *key + n * sizeof *to;
}

static bool map_location(merging *m, source *s, uint32_t l)
{
    const osp_profile *p = s->p;
    const uint32_t at = p->locations.first[l], n = p->locations.first[l + 1] - at;
    const uint32_t from = p->locations.mapping[l].i;
    const bool mapped = from || !main_mapping(p), folded = p->locations.folded[l];
    uint32_t mapping = mapped ? map_mapping(m, s, from) : 0;
    char *space = space_for(m, sizeof(location_key) + n * (sizeof(osp_line) + sizeof(line_key)));
    if (mapping == UINT32_MAX || !space)
        return no_memory(m);
    location_key *key = (location_key *)(space + n * sizeof(osp_line));
    osp_line *line = (osp_line *)space;
    for (uint32_t k = 0; k < n; k++)
        line[k] = (osp_line){map_function(m, s, p->locations.line[at + k].fn), p->locations.line[at + k].column,
                             p->locations.line[at + k].line};
    const uint64_t addr = p->locations.addr[l] + (mapped ? s->moved[from] : 0);
    *key = (location_key){.place = mapped ? addr - m->mapping_start[mapping] : addr,
                          .mapping = mapped ? mapping + 1 : 0,
                          .folded = folded};
    bool fresh = false;
    uint32_t number = key_number(m, &m->locations, key, location_key_of(line, n, key), &fresh);
    if (number == UINT32_MAX)
        return no_memory(m);
    if (fresh) {
        osp_mapping_id id = {mapped ? m->mapping_id[mapping].i : 0};
        osp_location_id made = folded ? osp_builder_folded_location(m->b, id, addr, line, n)
                                      : osp_builder_location(m->b, id, addr, line, n);
        void *ids = m->location_id;
        bool ok = set_row(&ids, &m->location_cap, number, &made, sizeof made);
        m->location_id = ids;
        if (!ok)
            return no_memory(m);
    }
    s->locations[l] = 1 + m->location_id[number].i;
    return true;
}

/* Stacks that are not borrowed are one part, in which each location is itself. */
static uint32_t count_parts(const osp_profile *p) { return p->stacks.nborrowed ? p->stacks.nborrowed : 1; }

static uint32_t part_of(const osp_profile *p, uint32_t stack)
{
    const osp_borrowed_stacks *part = p->stacks.borrowed;
    return p->stacks.nborrowed ? (uint32_t)(osp_borrowed_at(part, p->stacks.nborrowed, stack) - part) : 0;
}

static uint32_t count_locations(const osp_profile *p, uint32_t part)
{
    return p->stacks.nborrowed ? p->stacks.borrowed[part].nbecomes : p->locations.n;
}

static bool make_parts(merging *m, source *s)
{
    s->becomes = osp_new(&m->scratch, osp_location_id *, count_parts(s->p));
    for (uint32_t i = 0; s->becomes && i < count_parts(s->p); i++) {
        const uint32_t n = count_locations(s->p, i);
        s->becomes[i] = osp_new(osp_builder_arena(m->b), osp_location_id, n);
        if (!s->becomes[i])
            return false;
        memset(s->becomes[i], 0xff, n * sizeof **s->becomes);
    }
    return s->becomes;
}

/* The location of a part that a stack needs now. */
static bool find_out(merging *m, source *s, uint32_t part, uint32_t location)
{
    const osp_location_id *was = s->p->stacks.nborrowed ? s->p->stacks.borrowed[part].becomes : NULL;
    const uint32_t l = was ? was[location].i : location;
    if (!s->locations[l] && !map_location(m, s, l))
        return false;
    s->becomes[part][location].i = s->locations[l] - 1;
    return true;
}

/* A stack with the ids that its locations have in the merged profile; it is put later. */
static bool prepare_stack(merging *m, source *s, uint32_t stack, osp_pooled_stack *out)
{
    const osp_profile *p = s->p;
    const uint32_t part = part_of(p, stack);
    const osp_location_id *becomes = s->becomes[part];
    *out = (osp_pooled_stack){.packed = p->stacks.packed[stack],
                              .size = p->stacks.size[stack],
                              .becomes = becomes,
                              .nbecomes = count_locations(p, part)};
    out->n = osp_packed_read(out->packed, out->size, 1, &s->room->i);
    for (uint32_t i = 0; i < out->n; i++) {
        const uint32_t l = s->room[i].i;
        if (becomes[l].i == OSP_NOT_BORROWED && !find_out(m, s, part, l))
            return false;
        s->room[i] = becomes[l];
    }
    osp_stack_pool_ahead(m->stacks, s->room, out);
    return true;
}

typedef struct {
    osp_str key;
    uint32_t at; /* in the order given */
    osp_label label;
} sorted_label;

/* Texts before numbers, each by key; values of one key stay in order. */
static int by_key(const void *x, const void *y)
{
    const sorted_label *a = x, *b = y;
    int c = (a->label.str.i == 0) - (b->label.str.i == 0);
    c = c ? c : osp_str_cmp(a->key, b->key);
    return c ? c : (a->at > b->at) - (a->at < b->at);
}

static bool map_labels(merging *m, source *s, uint32_t set, osp_labelset_id *out)
{
    const osp_profile *p = s->p;
    const uint32_t from = p->labelsets.first[set], n = p->labelsets.first[set + 1] - from;
    if (!s->labelsets[set]) {
        sorted_label *sorted = space_for(m, n * (sizeof *sorted + sizeof(osp_label)) + 1);
        if (!sorted) /* not even for no labels */
            return no_memory(m);
        osp_label *label = (osp_label *)(sorted + n);
        for (uint32_t i = 0; i < n; i++)
            sorted[i] =
                (sorted_label){osp_text(p, p->labelsets.label[from + i].key), i, p->labelsets.label[from + i]};
        if (n)
            qsort(sorted, n, sizeof *sorted, by_key);
        for (uint32_t i = 0; i < n; i++) {
            const osp_label *l = &sorted[i].label;
            label[i] =
                (osp_label){map_string(m, s, l->key), map_string(m, s, l->str), map_string(m, s, l->unit), l->num};
        }
        s->labelsets[set] = 1 + osp_builder_labels(m->b, label, n).i;
    }
    out->i = s->labelsets[set] - 1;
    return true;
}

/* ---- samples -------------------------------------------------------------------------------------------------- */

/* The values of a sample in common types and units; false if it goes. */
static bool values_of(const merging *m, const source *s, uint32_t row, int64_t *value)
{
    bool some = false, scaled = false;
    for (uint32_t t = 0; t < m->ntype; t++) {
        value[t] = osp_times(s->p->samples.value[s->type[t]][row], s->ratio[t]);
        some |= value[t] != 0;
        scaled |= s->ratio[t] != 1 && value[t];
    }
    return some && (scaled || !s->scales);
}

enum { AT_ONCE = 16 };

/* Samples at hand: so many that the memory for one is loaded while others are prepared. */
typedef struct {
    uint32_t n, row[AT_ONCE];
    osp_pooled_stack stack[AT_ONCE];
    osp_labelset_id labels[AT_ONCE];
    int64_t *value[AT_ONCE];
} batch;

static bool make_batch(merging *m, batch *at_hand)
{
    for (uint32_t i = 0; i < AT_ONCE; i++)
        if (!(at_hand->value[i] = osp_new(&m->scratch, int64_t, m->ntype)))
            return false;
    return true;
}

/* A batch in three rounds. */
static bool merge_batch(merging *m, source *s, batch *at_hand)
{
    const osp_profile *p = s->p;
    for (uint32_t i = 0; i < at_hand->n; i++) {
        const uint32_t stack = p->samples.stack[at_hand->row[i]].i;
        if (!s->stacks[stack] && !prepare_stack(m, s, stack, &at_hand->stack[i]))
            return false;
    }
    for (uint32_t i = 0; i < at_hand->n; i++) {
        const uint32_t stack = p->samples.stack[at_hand->row[i]].i;
        if (!s->stacks[stack])
            s->stacks[stack] = 1 + osp_stack_pool_put(m->stacks, &at_hand->stack[i]);
        if (!s->stacks[stack])
            return no_memory(m);
        if (!map_labels(m, s, p->samples.labels[at_hand->row[i]].i, &at_hand->labels[i]))
            return false;
        osp_builder_sample_ahead(m->b, (osp_stack_id){s->stacks[stack] - 1}, at_hand->labels[i]);
    }
    for (uint32_t i = 0; i < at_hand->n; i++) {
        const uint32_t stack = p->samples.stack[at_hand->row[i]].i;
        osp_builder_sample(m->b, (osp_stack_id){s->stacks[stack] - 1}, at_hand->labels[i], at_hand->value[i], 0);
    }
    at_hand->n = 0;
    return true;
}

static bool merge_samples(merging *m, source *s)
{
    const osp_profile *p = s->p;
    batch at_hand = {0};
    s->strings = osp_new(&m->scratch, uint32_t, p->strings.n);
    s->functions = osp_new(&m->scratch, uint32_t, p->functions.n);
    s->mappings = osp_new(&m->scratch, uint32_t, p->mappings.n);
    s->moved = osp_new(&m->scratch, uint64_t, p->mappings.n);
    s->locations = osp_new(&m->scratch, uint32_t, p->locations.n);
    s->stacks = osp_new(&m->scratch, uint32_t, p->stacks.n);
    s->room = osp_stack_room(p);
    s->labelsets = osp_new(&m->scratch, uint32_t, p->labelsets.n);
    if (!s->room || !s->strings || !s->functions || !s->mappings || !s->moved || !s->locations || !s->stacks ||
        !s->labelsets || !make_parts(m, s) || !make_batch(m, &at_hand))
        return no_memory(m);
    if (m->mappings.n == 0 && map_mapping(m, s, main_mapping(p)) == UINT32_MAX)
        return no_memory(m);
    for (uint32_t i = 0; i < p->samples.n; i++) {
        at_hand.row[at_hand.n] = i;
        at_hand.n += values_of(m, s, i, at_hand.value[at_hand.n]);
        if (at_hand.n == AT_ONCE && !merge_batch(m, s, &at_hand))
            return false;
    }
    return merge_batch(m, s, &at_hand);
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

static bool prepare(merging *m, const osp_profile *const *in, uint32_t n)
{
    osp_arena_init(&m->scratch, SIZE_MAX / 2);
    m->n = n;
    m->in = osp_new(&m->scratch, source, n);
    m->b = osp_builder_new(SIZE_MAX / 2, m->err);
    if (!m->b || !m->in)
        return m->in ? false : no_memory(m);
    uint64_t most = 0;
    uint32_t deepest = 0;
    for (uint32_t i = 0; i < n; i++) {
        m->in[i].p = in[i];
        most += in[i]->stacks.n;
        deepest = in[i]->stacks.deepest > deepest ? in[i]->stacks.deepest : deepest;
    }
    if (most >= UINT32_MAX)
        return osp_fail(m->err, OSP_ELIMIT, "the profiles have more than 4 billion stacks");
    m->stacks = osp_stack_pool_new(osp_builder_arena(m->b), (uint32_t)most, deepest);
    if (!m->stacks)
        return no_memory(m);
    if (!common_types(m))
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (!find_types(m, &m->in[i]))
            return false;
    return agree_on_units(m) && merge_headers(m);
}

static osp_profile *merge_once(const osp_profile *const *in, uint32_t n, osp_err *err)
{
    merging m = {.err = err};
    bool ok = prepare(&m, in, n);
    for (uint32_t i = 0; ok && i < n; i++)
        ok = merge_samples(&m, &m.in[i]);
    for (uint32_t i = 0; m.in && i < n; i++)
        free(m.in[i].room);
    osp_profile *p = ok ? osp_builder_finish(m.b, err) : NULL;
    if (!ok)
        osp_builder_drop(m.b);
    if (p && !osp_stack_pool_settle(m.stacks, p)) {
        osp_profile_drop(p);
        p = NULL;
        no_memory(&m);
    }
    osp_stack_pool_drop(m.stacks);
    osp_intern_drop(&m.mappings);
    osp_intern_drop(&m.locations);
    free(m.mapping_id);
    free(m.mapping_start);
    free(m.location_id);
    free(m.space);
    osp_arena_drop(&m.scratch);
    return p;
}

static bool is_zero(const osp_profile *p, uint32_t row)
{
    for (uint32_t t = 0; t < p->values.n; t++)
        if (p->samples.value[t][row])
            return false;
    return true;
}

static bool has_zero_samples(const osp_profile *p)
{
    for (uint32_t i = 0; i < p->samples.n; i++)
        if (is_zero(p, i))
            return true;
    return false;
}

osp_profile *osp_profile_merge(const osp_profile *const *in, uint32_t n, osp_err *err)
{
    osp_profile *p = merge_once(in, n, err);
    while (p && has_zero_samples(p)) { /* sums that cancelled out */
        osp_profile *again = merge_once(&(const osp_profile *){p}, 1, err);
        osp_profile_drop(p);
        p = again;
    }
    return p;
}
