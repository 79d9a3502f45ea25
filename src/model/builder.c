/* SPDX-License-Identifier: Apache-2.0 */
/* Builds a profile row by row. Every table but that of samples is an interner over the bytes of its rows: the bytes live
 * in the profile's arena, the position in the interner is the id, and finish() lays the rows out as columns. Samples, of
 * which there are most, are columns at once. */
#include "base/hash.h"
#include "model/model_internal.h"

#include <stdlib.h>

typedef struct {
    osp_stack_id stack;
    osp_labelset_id labels;
    int64_t time_ns;
} sample_key; /* without padding */

/* The first sample of a stack is found by that; the others are in cells. */
typedef struct {
    uint32_t hash, row1;
} sample_cell;

typedef struct {
    osp_stack_id *stack;
    osp_labelset_id *labels;
    int64_t *time_ns; /* NULL while none is timed */
    int64_t **value;  /* by type */
    uint32_t n;
    size_t cap;
    uint32_t *first1; /* by stack: its first sample + 1 */
    size_t first_cap;
    sample_cell *cell; /* open addressing, a power of two */
    size_t ncell;
    uint32_t nlater; /* in cells */
} sample_table;

typedef struct {
    uint64_t addr;
    osp_mapping_id mapping;
    uint32_t nlines;
    uint64_t folded; /* as wide as it is so that the struct has no padding */
} location_key;      /* its lines follow */

struct osp_builder {
    osp_profile *p;
    osp_intern strings, functions, mappings, locations, labelsets, stacks;
    sample_table samples;
    osp_value_type *type;
    osp_string_id *comment;
    char *scratch; /* a location's key while it is put together */
    size_t ntype, type_cap, ncomment, comment_cap, scratch_cap;
    size_t again; /* bytes of rows that finishing takes once more, to lay them out in columns */
    bool apart;   /* equal mappings, locations and samples stay so */
    uint32_t deepest;
    bool failed;
};

/* Keep the bytes of a fresh row; its id, or 0 if it has none. */
static uint32_t keep_row(osp_builder *b, osp_intern *t, osp_str row, uint32_t id, bool fresh)
{
    if (fresh && id != UINT32_MAX) {
        char *copy = osp_arena_take(&b->p->arena, row.n, 1, alignof(uint64_t));
        if (!copy) {
            b->failed = true;
            t->text[id] = (osp_str){0};
            return 0;
        }
        if (row.n)
            memcpy(copy, row.p, row.n);
        t->text[id] = (osp_str){copy, row.n};
        b->again += t == &b->strings || t == &b->stacks ? 0 : row.n; /* those stay where they are */
    }
    b->failed |= id == UINT32_MAX;
    return id == UINT32_MAX ? 0 : id;
}

/* The id of a row: of a known one, if equal rows are one. */
static uint32_t put_row(osp_builder *b, osp_intern *t, const void *bytes, size_t n, bool apart)
{
    bool fresh = apart;
    osp_str row = {bytes, n};
    uint32_t id = b->failed ? UINT32_MAX : apart ? osp_intern_add(t, row) : osp_intern_put(t, row, &fresh);
    return keep_row(b, t, row, id, fresh);
}

static uint32_t put(osp_builder *b, osp_intern *t, const void *bytes, size_t n)
{
    return put_row(b, t, bytes, n, false);
}

osp_builder *osp_builder_new(size_t limit, osp_err *err)
{
    osp_builder *b = calloc(1, sizeof *b);
    osp_profile *p = calloc(1, sizeof *p);
    if (!b || !p) {
        free(b);
        free(p);
        osp_fail_memory(err, "building a profile");
        return NULL;
    }
    osp_arena_init(&p->arena, limit);
    b->p = p;
    put(b, &b->strings, "", 0); /* row 0 of each: "none", which no row is, be it as empty as can be */
    put(b, &b->functions, "", 0);
    put(b, &b->mappings, "", 0);
    put(b, &b->labelsets, "", 0);
    return b;
}

osp_arena *osp_builder_arena(osp_builder *b) { return &b->p->arena; }

static void drop_samples(sample_table *s, size_t ntype)
{
    for (size_t t = 0; s->value && t < ntype; t++)
        free(s->value[t]);
    free(s->value);
    free(s->stack);
    free(s->labels);
    free(s->time_ns);
    free(s->first1);
    free(s->cell);
    *s = (sample_table){0};
}

size_t osp_builder_bytes(const osp_builder *b)
{
    size_t string = sizeof(osp_str), stack = sizeof(uint8_t *) + sizeof(uint32_t), offset = sizeof(uint32_t);
    size_t sample = sizeof(osp_stack_id) + sizeof(osp_labelset_id) + (1 + b->ntype) * sizeof(int64_t);
    return b->p->arena.used + b->again + b->strings.n * string + b->stacks.n * stack +
           ((size_t)b->locations.n + b->labelsets.n) * offset + b->samples.n * sample;
}

void osp_builder_drop(osp_builder *b)
{
    if (!b)
        return;
    osp_intern *all[] = {&b->strings, &b->functions, &b->mappings, &b->locations, &b->labelsets, &b->stacks};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        osp_intern_drop(all[i]);
    drop_samples(&b->samples, b->ntype);
    free(b->type);
    free(b->comment);
    free(b->scratch);
    osp_profile_drop(b->p);
    free(b);
}

void osp_builder_keep_apart(osp_builder *b) { b->apart = true; }

osp_string_id osp_builder_string(osp_builder *b, osp_str s) { return (osp_string_id){put(b, &b->strings, s.p, s.n)}; }

osp_function_id osp_builder_function(osp_builder *b, osp_str name, osp_str linker_name, osp_str file,
                                     int64_t start_line)
{
    osp_function row;
    memset(&row, 0, sizeof row);
    row.name = osp_builder_string(b, name);
    row.linker_name = osp_builder_string(b, linker_name);
    row.file = osp_builder_string(b, file);
    row.start_line = start_line;
    return (osp_function_id){put(b, &b->functions, &row, sizeof row)};
}

osp_mapping_id osp_builder_mapping(osp_builder *b, uint64_t start, uint64_t limit, uint64_t offset, osp_str file,
                                   osp_str build_id, uint32_t has)
{
    osp_mapping row;
    memset(&row, 0, sizeof row);
    row.start = start;
    row.limit = limit;
    row.offset = offset;
    row.file = osp_builder_string(b, file);
    row.build_id = osp_builder_string(b, build_id);
    row.has = has;
    return (osp_mapping_id){put_row(b, &b->mappings, &row, sizeof row, b->apart)};
}

static osp_location_id put_location(osp_builder *b, osp_mapping_id mapping, uint64_t addr, const osp_line *lines,
                                    size_t nlines, bool folded)
{
    size_t n;
    void *scratch = b->scratch;
    if (nlines > UINT32_MAX || __builtin_mul_overflow(nlines, sizeof *lines, &n) ||
        __builtin_add_overflow(n, sizeof(location_key), &n) || !osp_grow(&scratch, &b->scratch_cap, n, 1)) {
        b->failed = true;
        return (osp_location_id){0};
    }
    b->scratch = scratch;
    location_key key = {addr, mapping, (uint32_t)nlines, folded};
    memcpy(b->scratch, &key, sizeof key);
    if (nlines)
        memcpy(b->scratch + sizeof key, lines, nlines * sizeof *lines);
    return (osp_location_id){put_row(b, &b->locations, b->scratch, n, b->apart)};
}

osp_location_id osp_builder_location(osp_builder *b, osp_mapping_id mapping, uint64_t addr, const osp_line *lines,
                                     size_t nlines)
{
    return put_location(b, mapping, addr, lines, nlines, false);
}

osp_location_id osp_builder_folded_location(osp_builder *b, osp_mapping_id mapping, uint64_t addr,
                                            const osp_line *lines, size_t nlines)
{
    return put_location(b, mapping, addr, lines, nlines, true);
}

osp_labelset_id osp_builder_labels(osp_builder *b, const osp_label *labels, size_t n)
{
    size_t size;
    void *scratch = b->scratch;
    if (__builtin_mul_overflow(n, sizeof *labels, &size) || !osp_grow(&scratch, &b->scratch_cap, size, 1)) {
        b->failed = true;
        return (osp_labelset_id){0};
    }
    b->scratch = scratch;
    for (size_t i = 0; i < n; i++) { /* field by field: the caller's padding is not part of the key */
        osp_label l;
        memset(&l, 0, sizeof l);
        l.key = labels[i].key;
        l.str = labels[i].str;
        l.unit = labels[i].unit;
        l.num = labels[i].num;
        memcpy(b->scratch + i * sizeof l, &l, sizeof l);
    }
    return (osp_labelset_id){put(b, &b->labelsets, b->scratch, size)};
}

osp_stack_id osp_builder_stack(osp_builder *b, const osp_location_id *leaf_first, size_t n)
{
    void *scratch = b->scratch;
    if (n > UINT32_MAX / OSP_PACKED_MOST || !osp_grow(&scratch, &b->scratch_cap, n * OSP_PACKED_MOST, 1)) {
        b->failed = true;
        return (osp_stack_id){0};
    }
    b->scratch = scratch;
    uint8_t *to = scratch;
    for (size_t i = 0; i < n; i++)
        to = osp_packed_put(to, leaf_first[i].i + 1);
    b->deepest = n > b->deepest ? (uint32_t)n : b->deepest;
    return (osp_stack_id){put(b, &b->stacks, scratch, (size_t)(to - (uint8_t *)scratch))};
}

void osp_builder_value(osp_builder *b, osp_str type, osp_str unit)
{
    osp_value_type t = {osp_builder_string(b, type), osp_builder_string(b, unit)};
    void *types = b->type;
    if (b->samples.n || !osp_grow(&types, &b->type_cap, b->ntype + 1, sizeof t)) {
        b->failed = true;
        return;
    }
    b->type = types;
    b->type[b->ntype++] = t;
}

/* ---- samples -------------------------------------------------------------------------------------------------- */

static bool widen(void *column, size_t cap, size_t size)
{
    void **at = column, *wider = reallocarray(*at, cap, size);
    if (wider)
        *at = wider;
    return wider;
}

static bool widen_samples(osp_builder *b)
{
    sample_table *s = &b->samples;
    const size_t cap = s->cap ? s->cap * 2 : 64;
    if (cap > b->p->arena.limit / ((b->ntype + 2) * sizeof **s->value) ||
        (!s->value && !(s->value = calloc(b->ntype + 1, sizeof *s->value))))
        return false;
    bool ok = widen(&s->stack, cap, sizeof *s->stack) && widen(&s->labels, cap, sizeof *s->labels) &&
              (!s->time_ns || widen(&s->time_ns, cap, sizeof *s->time_ns));
    for (size_t t = 0; ok && t < b->ntype; t++)
        ok = widen(&s->value[t], cap, sizeof *s->value[t]);
    s->cap = ok ? cap : s->cap;
    return ok;
}

static sample_key key_of(const sample_table *s, uint32_t row)
{
    return (sample_key){s->stack[row], s->labels[row], s->time_ns ? s->time_ns[row] : 0};
}

static bool same_key(sample_key a, sample_key b)
{
    return a.stack.i == b.stack.i && a.labels.i == b.labels.i && a.time_ns == b.time_ns;
}

static uint32_t hash_of(sample_key key) { return (uint32_t)osp_hash(&key, sizeof key); }

/* The cell of a sample, or the free one where it belongs. */
static sample_cell *cell_for(const sample_table *s, sample_key key, uint32_t hash)
{
    size_t at = hash & (s->ncell - 1);
    while (s->cell[at].row1 && (s->cell[at].hash != hash || !same_key(key_of(s, s->cell[at].row1 - 1), key)))
        at = (at + 1) & (s->ncell - 1);
    return &s->cell[at];
}

static bool widen_cells(sample_table *s)
{
    const size_t ncell = s->ncell ? s->ncell * 2 : 64;
    sample_cell *cell = calloc(ncell, sizeof *cell);
    if (!cell)
        return false;
    osp_large_pages(cell, ncell * sizeof *cell);
    for (size_t i = 0; i < s->ncell; i++) {
        size_t at = s->cell[i].hash & (ncell - 1);
        while (s->cell[i].row1 && cell[at].row1)
            at = (at + 1) & (ncell - 1);
        if (s->cell[i].row1)
            cell[at] = s->cell[i];
    }
    free(s->cell);
    s->cell = cell;
    s->ncell = ncell;
    return true;
}

/* Where the row of a sample is noted; it is 0 if there is none such yet. NULL without memory. */
static uint32_t *note_of(sample_table *s, sample_key key)
{
    const size_t before = s->first_cap;
    void *first = s->first1;
    if (!osp_grow(&first, &s->first_cap, (size_t)key.stack.i + 1, sizeof *s->first1))
        return NULL;
    s->first1 = first;
    if (s->first_cap > before)
        memset(s->first1 + before, 0, (s->first_cap - before) * sizeof *s->first1);
    uint32_t *only = &s->first1[key.stack.i];
    if (*only == 0 || same_key(key_of(s, *only - 1), key))
        return only;
    if ((size_t)s->nlater * 2 >= s->ncell && !widen_cells(s))
        return NULL;
    const uint32_t hash = hash_of(key);
    sample_cell *c = cell_for(s, key, hash);
    s->nlater += c->row1 == 0;
    c->hash = hash;
    return &c->row1;
}

static bool add_sample(osp_builder *b, sample_key key)
{
    sample_table *s = &b->samples;
    if (s->n >= UINT32_MAX - 1 || (s->n == s->cap && !widen_samples(b)))
        return false;
    if (key.time_ns && !s->time_ns && !(s->time_ns = calloc(s->cap, sizeof *s->time_ns)))
        return false;
    s->stack[s->n] = key.stack;
    s->labels[s->n] = key.labels;
    if (s->time_ns)
        s->time_ns[s->n] = key.time_ns;
    for (size_t t = 0; t < b->ntype; t++)
        s->value[t][s->n] = 0;
    s->n++;
    return true;
}

void osp_builder_sample_ahead(const osp_builder *b, osp_stack_id stack, osp_labelset_id labels)
{
    const sample_table *s = &b->samples;
    if (stack.i < s->first_cap && s->first1[stack.i] && s->ncell)
        __builtin_prefetch(&s->cell[hash_of((sample_key){stack, labels, 0}) & (s->ncell - 1)]);
}

void osp_builder_sample(osp_builder *b, osp_stack_id stack, osp_labelset_id labels, const int64_t *values,
                        int64_t time_ns)
{
    sample_table *s = &b->samples;
    const sample_key key = {stack, labels, time_ns};
    if (b->failed)
        return;
    uint32_t fresh = 0, *row1 = b->apart ? &fresh : note_of(s, key);
    if (!row1 || (*row1 == 0 && !add_sample(b, key))) {
        b->failed = true;
        return;
    }
    *row1 = *row1 ? *row1 : s->n;
    for (size_t t = 0; t < b->ntype; t++)
        osp_add(&s->value[t][*row1 - 1], values[t]);
}

void osp_builder_comment(osp_builder *b, osp_str text)
{
    osp_string_id id = osp_builder_string(b, text);
    void *all = b->comment;
    if (!osp_grow(&all, &b->comment_cap, b->ncomment + 1, sizeof id)) {
        b->failed = true;
        return;
    }
    b->comment = all;
    b->comment[b->ncomment++] = id;
}

void osp_builder_head(osp_builder *b, const osp_profile_head *h)
{
    osp_profile *p = b->p;
    p->time_ns = h->time_ns;
    p->duration_ns = h->duration_ns;
    p->period = h->period;
    p->period_type = (osp_value_type){osp_builder_string(b, h->period_type), osp_builder_string(b, h->period_unit)};
    p->values.preferred = osp_builder_string(b, h->preferred);
    p->drop_frames = osp_builder_string(b, h->drop_frames);
    p->keep_frames = osp_builder_string(b, h->keep_frames);
    p->doc_url = osp_builder_string(b, h->doc_url);
}

/* ---- laying out the columns ----------------------------------------------------------------------------------- */

static void *column(osp_builder *b, size_t n, size_t size, size_t align)
{
    void *c = osp_arena_take(&b->p->arena, n, size, align);
    b->failed |= !c;
    return c;
}
#define COLUMN(b, type, n) ((type *)column((b), (n), sizeof(type), alignof(type)))

/* Rows of one size from an interner's texts into one array. */
static void *rows_of(osp_builder *b, const osp_intern *t, size_t size, size_t align)
{
    char *rows = column(b, t->n, size, align);
    for (uint32_t i = 0; rows && i < t->n; i++)
        if (t->text[i].n) /* "none" stays zeros */
            memcpy(rows + i * size, t->text[i].p, size);
    return rows;
}

/* Rows of any length: offsets (in items of size) into one array. */
static void *lists_of(osp_builder *b, const osp_intern *t, size_t size, size_t align, size_t head,
                      const uint32_t **first_out)
{
    uint64_t total = 0;
    uint32_t *first = COLUMN(b, uint32_t, (size_t)t->n + 1);
    for (uint32_t i = 0; first && i < t->n; i++) {
        first[i] = (uint32_t)total;
        total += (t->text[i].n - head) / size;
    }
    if (total > UINT32_MAX)
        b->failed = true;
    char *items = b->failed ? NULL : column(b, (size_t)total, size, align);
    if (!items)
        return NULL;
    first[t->n] = (uint32_t)total;
    for (uint32_t i = 0; i < t->n; i++)
        if (t->text[i].n > head)
            memcpy(items + (size_t)first[i] * size, t->text[i].p + head, t->text[i].n - head);
    *first_out = first;
    return items;
}

static void lay_out_stacks(osp_builder *b)
{
    const uint8_t **packed = COLUMN(b, const uint8_t *, b->stacks.n);
    uint32_t *size = COLUMN(b, uint32_t, b->stacks.n);
    for (uint32_t i = 0; !b->failed && i < b->stacks.n; i++) {
        packed[i] = (const uint8_t *)b->stacks.text[i].p;
        size[i] = (uint32_t)b->stacks.text[i].n;
    }
    b->p->stacks.n = b->stacks.n;
    b->p->stacks.deepest = b->deepest;
    b->p->stacks.packed = packed;
    b->p->stacks.size = size;
}

/* A column of samples into the arena; the old one is freed. */
static void *settled(osp_builder *b, void *from, size_t size, size_t align)
{
    void *to = column(b, b->samples.n, size, align);
    if (to && b->samples.n)
        memcpy(to, from, b->samples.n * size);
    free(from);
    return to;
}
#define SETTLED(b, type, from) ((type *)settled((b), (from), sizeof(type), alignof(type)))

static void lay_out_samples(osp_builder *b)
{
    osp_profile *p = b->p;
    sample_table *s = &b->samples;
    const int64_t **value = COLUMN(b, const int64_t *, b->ntype);
    p->samples.n = s->n;
    p->samples.stack = SETTLED(b, osp_stack_id, s->stack);
    p->samples.labels = SETTLED(b, osp_labelset_id, s->labels);
    p->samples.time_ns = s->time_ns ? SETTLED(b, int64_t, s->time_ns) : NULL;
    p->samples.value = value;
    for (size_t t = 0; t < b->ntype; t++) {
        int64_t *one = SETTLED(b, int64_t, s->value ? s->value[t] : NULL);
        if (value)
            value[t] = one;
    }
    s->stack = NULL;
    s->labels = NULL;
    s->time_ns = NULL;
    free(s->value);
    s->value = NULL;
}

static void lay_out_locations(osp_builder *b)
{
    osp_profile *p = b->p;
    uint32_t n = b->locations.n;
    uint64_t *addr = COLUMN(b, uint64_t, n);
    osp_mapping_id *mapping = COLUMN(b, osp_mapping_id, n);
    uint8_t *folded = COLUMN(b, uint8_t, n);
    for (uint32_t i = 0; i < n && !b->failed; i++) {
        location_key key;
        memcpy(&key, b->locations.text[i].p, sizeof key);
        addr[i] = key.addr;
        mapping[i] = key.mapping;
        folded[i] = key.folded != 0;
    }
    p->locations.n = n;
    p->locations.addr = addr;
    p->locations.mapping = mapping;
    p->locations.folded = folded;
    p->locations.line =
        lists_of(b, &b->locations, sizeof(osp_line), alignof(osp_line), sizeof(location_key), &p->locations.first);
}

osp_profile *osp_builder_finish(osp_builder *b, osp_err *err)
{
    osp_profile *p = b->p;
    p->strings.n = b->strings.n;
    p->functions.n = b->functions.n;
    p->mappings.n = b->mappings.n;
    p->labelsets.n = b->labelsets.n;
    p->values.n = (uint32_t)b->ntype;
    p->comments.n = (uint32_t)b->ncomment;
    osp_str *text = COLUMN(b, osp_str, b->strings.n);
    if (text)
        memcpy(text, b->strings.text, b->strings.n * sizeof *text);
    p->strings.text = text;
    osp_value_type *type = COLUMN(b, osp_value_type, b->ntype);
    if (type && b->ntype)
        memcpy(type, b->type, b->ntype * sizeof *type);
    p->values.type = type;
    osp_string_id *comment = COLUMN(b, osp_string_id, b->ncomment);
    if (comment && b->ncomment)
        memcpy(comment, b->comment, b->ncomment * sizeof *comment);
    p->comments.text = comment;
    p->functions.row = rows_of(b, &b->functions, sizeof(osp_function), alignof(osp_function));
    p->mappings.row = rows_of(b, &b->mappings, sizeof(osp_mapping), alignof(osp_mapping));
    p->labelsets.label = lists_of(b, &b->labelsets, sizeof(osp_label), alignof(osp_label), 0, &p->labelsets.first);
    lay_out_stacks(b);
    lay_out_locations(b);
    lay_out_samples(b);
    if (b->failed) {
        osp_fail(err, OSP_ELIMIT, "the profile does not fit into memory");
        p = NULL;
    } else {
        b->p = NULL;
    }
    osp_builder_drop(b);
    return p;
}
