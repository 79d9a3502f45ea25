/* SPDX-License-Identifier: Apache-2.0 */
/* tags: how much of the profile carries which label, a table for each key. */
#include "report/head.h"

#include <stdlib.h>

typedef struct {
    uint32_t key, value; /* numbers of their texts */
} tag_name;

typedef struct {
    osp_str text;
    uint32_t key;
    int64_t sum;
} tag;

typedef struct {
    const osp_view *v;
    const osp_report_opts *o;
    osp_arena arena;
    osp_label_units units;
    osp_intern keys, values, names;
    tag *key, *tag; /* one a key, one a name */
    size_t key_cap, tag_cap;
} counting;

/* ---- counting ------------------------------------------------------------------------------------------------- */

/* The number of a text, which the set keeps as a copy if it is new. */
static uint32_t put(counting *c, osp_intern *set, osp_str text)
{
    bool fresh;
    uint32_t id = osp_intern_put(set, text, &fresh);
    if (id != UINT32_MAX && fresh) {
        set->text[id] = osp_arena_str(&c->arena, text);
        if (!set->text[id].p)
            return UINT32_MAX;
    }
    return id;
}

static bool room(tag **list, size_t *cap, uint32_t need)
{
    void *grown = *list;
    bool ok = osp_grow(&grown, cap, need, sizeof **list);
    *list = grown;
    return ok;
}

static bool count_label(counting *c, const osp_label *l, int64_t sum)
{
    const osp_profile *p = c->v->of;
    char number[OSP_SHOWN_MAX];
    const osp_str key = osp_text(p, l->key);
    osp_str value = osp_text(p, l->str);
    if (osp_label_is_number(l)) {
        value = osp_str_from(osp_scaled(l->num, osp_label_unit(&c->units, key), c->o->unit, number, sizeof number));
    }
    const uint32_t nkey = c->keys.n, nname = c->names.n;
    tag_name name = {put(c, &c->keys, key), put(c, &c->values, value)};
    if (name.key == UINT32_MAX || name.value == UINT32_MAX)
        return false;
    const uint32_t id = put(c, &c->names, (osp_str){(const char *)&name, sizeof name});
    if (id == UINT32_MAX || !room(&c->key, &c->key_cap, c->keys.n) || !room(&c->tag, &c->tag_cap, c->names.n))
        return false;
    if (nkey < c->keys.n)
        c->key[name.key] = (tag){c->keys.text[name.key], name.key, 0};
    if (nname < c->names.n)
        c->tag[id] = (tag){c->values.text[name.value], name.key, 0};
    osp_add(&c->key[name.key].sum, sum);
    osp_add(&c->tag[id].sum, sum);
    return true;
}

/* Samples are added up by label set, sets by label. */
static bool count(counting *c, osp_err *err)
{
    const osp_view *v = c->v;
    const osp_profile *p = v->of;
    const int64_t *value = p->samples.value[c->o->query.value];
    int64_t *sum = osp_new(&c->arena, int64_t, p->labelsets.n);
    uint8_t *seen = osp_new(&c->arena, uint8_t, p->labelsets.n);
    bool ok = sum && seen;
    for (uint32_t i = 0; ok && i < v->nrow; i++) {
        const uint32_t set = p->samples.labels[v->row[i]].i;
        seen[set] = 1;
        osp_add(&sum[set], value[v->row[i]]);
    }
    for (uint32_t set = 0; ok && set < p->labelsets.n; set++)
        for (uint32_t i = v->first_label[set]; ok && seen[set] && i < v->first_label[set + 1]; i++)
            ok = count_label(c, &v->label[i], sum[set]);
    return ok || osp_fail_memory(err, "counting labels");
}

/* ---- a table with its columns to the right -------------------------------------------------------------------- */

typedef struct {
    size_t at, n, width;
    uint32_t column; /* index of a column's width; UINT32_MAX: the last cell of a line, in no column */
} cell;

typedef struct {
    cell *cell;
    size_t ncell, cell_cap;
    size_t *width; /* of columns */
    size_t ncolumn, width_cap;
    uint32_t *open; /* by place in the line: the column that the line before has there */
    size_t nopen, open_cap;
} table;

/* Cells end at tabs; a column is cells above each other in neighbouring lines. The last cell of a line is in none. */
static bool add_cell(table *t, size_t place, size_t at, size_t n, size_t width, bool last)
{
    void *cells = t->cell, *widths = t->width, *open = t->open;
    bool ok = osp_grow(&cells, &t->cell_cap, t->ncell + 1, sizeof *t->cell);
    t->cell = cells;
    ok = ok && osp_grow(&widths, &t->width_cap, t->ncolumn + 1, sizeof *t->width);
    t->width = widths;
    ok = ok && osp_grow(&open, &t->open_cap, place + 1, sizeof *t->open);
    t->open = open;
    if (!ok)
        return false;
    uint32_t column = UINT32_MAX;
    if (last) {
        t->nopen = place;
    } else {
        if (place >= t->nopen) {
            t->open[place] = (uint32_t)t->ncolumn;
            t->width[t->ncolumn++] = 0;
            t->nopen = place + 1;
        }
        column = t->open[place];
        if (width + 1 > t->width[column])
            t->width[column] = width + 1;
    }
    t->cell[t->ncell++] = (cell){at, n, width, column};
    return true;
}

/* Go's text/tabwriter, aligning right with one blank: \t and \v end a cell, \n and \f a line; what stands between two
 * bytes 0xff is text, and they have no width. */
static bool lay_out(table *t, osp_str in)
{
    size_t place = 0, from = 0, hidden = 0;
    bool escaped = false;
    for (size_t i = 0; i < in.n; i++) {
        const char c = in.p[i];
        if (c == '\xff') {
            hidden += escaped ? 2 : 0;
            escaped = !escaped;
        }
        if (escaped || !(c == '\t' || c == '\v' || c == '\n' || c == '\f'))
            continue;
        const bool last = c == '\n' || c == '\f';
        const size_t width = osp_str_columns((osp_str){in.p + from, i - from}) - hidden;
        if (!add_cell(t, place, from, i - from, width, last))
            return false;
        if (c == '\f')
            t->nopen = 0;
        place = last ? 0 : place + 1;
        from = i + 1;
        hidden = 0;
    }
    return from == in.n || add_cell(t, place, from, in.n - from, 0, true);
}

static bool align_right(osp_str in, osp_buf *out)
{
    table t = {0};
    const bool ok = lay_out(&t, in);
    for (size_t i = 0; ok && i < t.ncell; i++) {
        const cell *c = &t.cell[i];
        const bool last = c->column == UINT32_MAX;
        if (!last)
            osp_buf_fill(out, ' ', t.width[c->column] - c->width);
        osp_buf_add(out, (osp_str){in.p + c->at, c->n});
        if (last && c->at + c->n < in.n)
            osp_buf_byte(out, '\n');
    }
    free(t.cell);
    free(t.width);
    free(t.open);
    return ok;
}

/* ---- printing ------------------------------------------------------------------------------------------------- */

static int by_size(const tag *a, const tag *b)
{
    const int64_t x = osp_abs(a->sum), y = osp_abs(b->sum);
    return x != y ? (x < y) - (x > y) : osp_str_cmp(a->text, b->text);
}

/* The peer puts keys in order of their names, their tags in order of weight. */
static int by_key(const void *x, const void *y)
{
    return osp_str_cmp(((const tag *)x)->text, ((const tag *)y)->text);
}

static int by_place(const void *x, const void *y)
{
    const tag *a = x, *b = y;
    return a->key != b->key ? (a->key > b->key) - (a->key < b->key) : by_size(a, b);
}

typedef struct {
    const osp_shown *shown;
    int64_t total;
    osp_buf text; /* cells with tabs between them */
} printing;

static void value(printing *t, int64_t sum, bool of_total)
{
    char text[OSP_SHOWN_MAX], percent[32];
    osp_buf_add(&t->text, osp_str_from(osp_shown_text(t->shown, sum, text, sizeof text)));
    if (of_total)
        osp_buf_fmt(&t->text, " of %s", osp_shown_text(t->shown, t->total, text, sizeof text));
    if (t->total > 0)
        osp_buf_fmt(&t->text, " (%s)", osp_percent(sum, t->total, percent, sizeof percent));
}

static void key_table(printing *t, const tag *key, const tag *from, const tag *to)
{
    osp_buf_add(&t->text, key->text);
    osp_buf_add(&t->text, S(":\t Total "));
    value(t, key->sum, true);
    osp_buf_byte(&t->text, '\n');
    for (; from < to; from++) {
        osp_buf_add(&t->text, S(" \t"));
        value(t, from->sum, false);
        osp_buf_add(&t->text, S(":\t "));
        osp_buf_add(&t->text, from->text);
        osp_buf_byte(&t->text, '\n');
    }
    osp_buf_byte(&t->text, '\n');
}

static bool print(counting *c, const osp_shown *shown, osp_buf *out, osp_err *err)
{
    printing t = {shown, c->v->total, osp_buf_of(SIZE_MAX / 2)};
    uint32_t *first = osp_new(&c->arena, uint32_t, (size_t)c->keys.n + 1);
    if (!first)
        return osp_fail_memory(err, "printing labels");
    if (c->names.n) {
        qsort(c->tag, c->names.n, sizeof *c->tag, by_place);
        qsort(c->key, c->keys.n, sizeof *c->key, by_key);
    }
    for (uint32_t i = 0; i < c->names.n; i++)
        first[c->tag[i].key + 1] = i + 1;
    for (uint32_t i = 0; i < c->keys.n; i++)
        key_table(&t, &c->key[i], c->tag + first[c->key[i].key], c->tag + first[c->key[i].key + 1]);
    const bool ok = !t.text.failed && align_right(osp_buf_str(&t.text), out);
    osp_buf_drop(&t.text);
    return ok || osp_fail_memory(err, "printing labels");
}

static int by_weight(const void *x, const void *y)
{
    const tag *a = x, *b = y;
    const int c = by_size(a, b);
    return c ? c : (a->key > b->key) - (a->key < b->key);
}

/* Keys by name, then all tags by weight, so that a limit leaves the heaviest. */
static void as_json(counting *c, const osp_profile *p, const osp_shown *shown, osp_answer *out)
{
    enum { MOST_KEYS = 50 };
    osp_json_rows rows = osp_json_open("tags", p, c->o, shown, c->v->total, out);
    osp_json *j = &rows.j;
    osp_json_uint(j, "keys_total", c->keys.n);
    osp_json_array(j, "keys");
    if (c->names.n) {
        qsort(c->key, c->keys.n, sizeof *c->key, by_weight);
        qsort(c->tag, c->names.n, sizeof *c->tag, by_weight);
    }
    for (uint32_t i = 0; i < c->keys.n && i < MOST_KEYS; i++) {
        osp_json_object(j, NULL);
        j->dense = true;
        osp_json_str(j, "key", osp_str_head(c->key[i].text, 200));
        osp_json_value(j, "value", shown, c->key[i].sum);
        osp_json_percent(j, "percent", c->key[i].sum, c->v->total);
        osp_json_end(j);
        j->dense = false;
    }
    osp_json_end(j);
    osp_json_rows_open(&rows);
    for (uint32_t i = 0; i < c->names.n; i++) {
        const tag *t = &c->tag[i];
        if (!osp_json_row(&rows))
            continue;
        osp_json_str(j, "key", c->keys.text[t->key]);
        osp_json_str(j, "label", t->text);
        osp_json_value(j, "value", shown, t->sum);
        osp_json_percent(j, "percent", t->sum, c->v->total);
        osp_json_row_end(&rows);
    }
    osp_json_close(&rows);
}

static bool write_tags(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err)
{
    osp_view view;
    if (!osp_answer_view(p, o, true, &view, out, err))
        return false;
    const osp_shown shown = osp_shown_of(p, o);
    counting c = {.v = &view, .o = o};
    osp_arena_init(&c.arena, SIZE_MAX / 2);
    bool ok = osp_label_units_make(view.of, &c.units, err) && count(&c, err);
    if (ok && o->json)
        as_json(&c, view.of, &shown, out);
    else
        ok = ok && print(&c, &shown, &out->text, err);
    osp_label_units_drop(&c.units);
    osp_intern_drop(&c.keys);
    osp_intern_drop(&c.values);
    osp_intern_drop(&c.names);
    free(c.key);
    free(c.tag);
    osp_arena_drop(&c.arena);
    osp_view_drop(&view);
    return ok;
}

const osp_report osp_report_tags = {
    .name = "tags",
    .summary = "how much of the profile carries which label",
    .legend = "how much of the profile carries which label; a sample without it is in no row",
    .json = true,
    .write = write_tags,
};
