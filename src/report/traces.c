/* SPDX-License-Identifier: Apache-2.0 */
/* traces: every sample as it is: its labels, its value, its stack from the leaf to the root.
 *
 * Nearly all of the output is frames and labels, so what a location prints is laid out once, and what a label prints; a
 * sample copies it. Label sets are many, labels few: a set is a list of such lines. */
#include "report/head.h"

#include <stdlib.h>

enum { VALUE_WIDTH = 10, SPARE = 64, KNOWN = 1024, AHEAD = 8 };

/* Values are few, and slow to print. */
typedef struct {
    int64_t value;
    uint32_t n; /* 0: none is known yet */
    char text[OSP_SHOWN_MAX + VALUE_WIDTH];
} known_value;

/* A label by what it prints; without padding. */
typedef struct {
    osp_string_id key, str;
    int64_t num;
} label_key;

/* A line of a label set while these are sorted. */
typedef struct {
    bool numeric;
    uint32_t id;
    osp_str text;
} listed;

typedef struct {
    const osp_view *v;
    const osp_report_opts *o;
    osp_shown shown;
    osp_label_units units;
    osp_buf frames; /* what each location prints, as if it were not the leaf; SPARE bytes follow */
    size_t *first;  /* per location, n + 1 offsets into frames */
    known_value *known;
    osp_arena arena;
    osp_intern labels; /* label_keys; by number: */
    uint32_t *line_of; /* the line of a label that is the only one of its key */
    osp_str *line;     /* lines by id; none is 0 */
    uint32_t *list;    /* per label of a set: the lines it prints, in order, then NO_LINE; 0 until they are needed */
    size_t nline, line_cap, line_of_cap;
    osp_keyed_label *sorted; /* one set */
    listed *listed;
    osp_buf scratch;
    osp_buf *text;
} printing;

enum { NO_LINE = 1 };

static const osp_str rule = S("-----------+-------------------------------------------------------\n");

static bool label_frames(const printing *t, osp_arena *a, osp_frame_labels *out, osp_err *err)
{
    osp_graph_opts graph = osp_graph_opts_of(t->o);
    graph.whole_paths = true; /* the peer trims paths for graphs only */
    return osp_frame_labels_make(t->v, &graph, a, out, err);
}

static bool lay_out_frames(printing *t, osp_err *err)
{
    const uint32_t n = t->v->of->locations.n;
    osp_arena arena;
    osp_arena_init(&arena, SIZE_MAX / 2);
    osp_frame_labels labels;
    t->first = calloc((size_t)n + 1, sizeof *t->first);
    bool ok = label_frames(t, &arena, &labels, err);
    if (ok && !t->first)
        ok = osp_fail_memory(err, "printing stacks");
    for (uint32_t l = 0; ok && l < n; l++) {
        for (uint32_t i = labels.first[l]; i < labels.first[l + 1]; i++) {
            osp_buf_fill(&t->frames, ' ', VALUE_WIDTH + 3);
            osp_buf_add(&t->frames, labels.label[i]);
            osp_buf_add(&t->frames, i + 1 < labels.first[l + 1] ? S(" (inline)\n") : S("\n"));
        }
        t->first[l + 1] = t->frames.n;
    }
    osp_buf_fill(&t->frames, ' ', SPARE);
    osp_arena_drop(&arena);
    return ok;
}

/* ---- labels --------------------------------------------------------------------------------------------------- */

/* The id of a new line for labels of one key; 0 without memory. */
static uint32_t new_line(printing *t, const osp_keyed_label *from, const osp_keyed_label *to)
{
    char text[OSP_SHOWN_MAX];
    osp_buf *out = &t->scratch;
    const osp_str unit = from->numeric ? osp_label_unit(&t->units, from->key) : S("");
    out->n = 0;
    osp_buf_right(out, from->key, VALUE_WIDTH);
    osp_buf_add(out, S(": "));
    for (; from < to; from++) {
        osp_buf_byte(out, ' ');
        if (from->numeric)
            osp_buf_add(out, osp_str_from(osp_scaled(from->label->num, unit, S("auto"), text, sizeof text)));
        else
            osp_buf_add(out, osp_text(t->v->of, from->label->str));
    }
    osp_buf_byte(out, '\n');
    void *lines = t->line;
    const osp_str copy = osp_arena_str(&t->arena, osp_buf_str(out));
    const bool ok = !out->failed && copy.p && t->nline < UINT32_MAX &&
                    osp_grow(&lines, &t->line_cap, t->nline + 1, sizeof *t->line);
    t->line = lines;
    if (ok)
        t->line[t->nline++] = copy;
    return ok ? (uint32_t)(t->nline - 1) : 0;
}

/* The line of a label that is the only one of its key; 0 without memory. */
static uint32_t line_of(printing *t, const osp_keyed_label *l)
{
    bool fresh = false;
    const label_key key = {l->label->key, l->label->str, l->label->num};
    const uint32_t id = osp_intern_put(&t->labels, (osp_str){(const char *)&key, sizeof key}, &fresh);
    if (id == UINT32_MAX || !fresh)
        return id == UINT32_MAX ? 0 : t->line_of[id];
    void *line_of = t->line_of;
    label_key *copy = osp_new(&t->arena, label_key, 1);
    const uint32_t line =
        copy && osp_grow(&line_of, &t->line_of_cap, (size_t)id + 1, sizeof *t->line_of) ? new_line(t, l, l + 1) : 0;
    t->line_of = line_of;
    t->labels.text[id] = copy ? (osp_str){(const char *)copy, sizeof *copy} : (osp_str){0};
    if (!line)
        return 0;
    *copy = key;
    return t->line_of[id] = line;
}

/* Texts first, each in the order of what is printed. */
static int by_line(const void *x, const void *y)
{
    const listed *a = x, *b = y;
    return a->numeric != b->numeric ? a->numeric - b->numeric : osp_str_cmp(a->text, b->text);
}

/* The lines of a label set into its list. */
static void list_lines(printing *t, uint32_t set, uint32_t *list)
{
    const osp_view *v = t->v;
    const uint32_t first = v->first_label[set], most = v->first_label[set + 1] - first;
    const uint32_t n = osp_labels_by_key(v->of, v->label + first, most, t->sorted);
    uint32_t nline = 0;
    for (uint32_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && osp_same_key(&t->sorted[from], &t->sorted[to]);)
            to++;
        const osp_keyed_label *l = &t->sorted[from];
        const uint32_t id = t->text->failed ? 0 : to - from == 1 ? line_of(t, l) : new_line(t, l, &t->sorted[to]);
        t->text->failed |= id == 0;
        t->listed[nline++] = (listed){l->numeric, id, id ? t->line[id] : S("")};
    }
    if (nline > 1)
        qsort(t->listed, nline, sizeof *t->listed, by_line);
    for (uint32_t i = 0; i < most; i++)
        list[i] = i < nline ? t->listed[i].id : NO_LINE;
}

static bool make_lists(printing *t, osp_err *err)
{
    const osp_view *v = t->v;
    uint32_t most = 0;
    for (uint32_t i = 0; i < v->of->labelsets.n; i++) {
        const uint32_t n = v->first_label[i + 1] - v->first_label[i];
        most = n > most ? n : most;
    }
    t->list = osp_new(&t->arena, uint32_t, v->first_label[v->of->labelsets.n]);
    t->sorted = osp_new(&t->arena, osp_keyed_label, most);
    t->listed = osp_new(&t->arena, listed, most);
    t->scratch = osp_buf_of(SIZE_MAX / 2);
    void *lines = NULL;
    bool ok = t->list && t->sorted && t->listed && osp_grow(&lines, &t->line_cap, NO_LINE + 1, sizeof *t->line);
    t->line = lines;
    for (; ok && t->nline <= NO_LINE; t->nline++)
        t->line[t->nline] = S("");
    return ok || osp_fail_memory(err, "printing labels");
}

static void drop_lists(printing *t)
{
    osp_intern_drop(&t->labels);
    osp_buf_drop(&t->scratch);
    free(t->line_of);
    free(t->line);
}

/* ---- samples -------------------------------------------------------------------------------------------------- */

static osp_str frames_of(const printing *t, uint32_t loc)
{
    return (osp_str){t->frames.p + t->first[loc], t->first[loc + 1] - t->first[loc]};
}

static int64_t value_of(const printing *t, uint32_t row)
{
    const osp_profile *p = t->v->of;
    const int64_t value = p->samples.value[t->o->query.value][row];
    return t->o->query.mean ? osp_mean(value, p->samples.value[0][row]) : value;
}

static osp_str value_text(printing *t, int64_t value)
{
    known_value *k = &t->known[osp_hash_mix((uint64_t)value, 0) % KNOWN];
    if (k->n == 0 || k->value != value) {
        char text[OSP_SHOWN_MAX];
        osp_buf line = {.p = k->text, .cap = sizeof k->text, .max = sizeof k->text};
        osp_buf_right(&line, osp_str_from(osp_shown_text(&t->shown, value, text, sizeof text)), VALUE_WIDTH);
        k->value = value;
        k->n = (uint32_t)line.n;
    }
    return (osp_str){k->text, k->n};
}

static inline char *put(char *at, osp_str s)
{
    if (s.n)
        memcpy(at, s.p, s.n);
    return at + s.n;
}

/* Where there is room, a copy of a size that the compiler knows takes a tenth of the time. */
static inline char *put_frames(char *at, osp_str frames)
{
    if (frames.n <= SPARE)
        memcpy(at, frames.p, SPARE);
    else
        memcpy(at, frames.p, frames.n);
    return at + frames.n;
}

static void sample(printing *t, uint32_t row)
{
    const osp_view *v = t->v;
    const osp_profile *p = v->of;
    const uint32_t s = p->samples.stack[row].i, set = p->samples.labels[row].i;
    const osp_stack stack = osp_view_stack(v, s);
    if (stack.n == 0)
        return;
    uint32_t *list = t->list + v->first_label[set], *const end = t->list + v->first_label[set + 1];
    if (list < end && *list == 0)
        list_lines(t, set, list);
    const osp_str value = value_text(t, value_of(t, row));
    size_t size = rule.n + value.n;
    for (const uint32_t *l = list; l < end; l++)
        size += t->line[*l].n;
    for (uint32_t i = 0; i < stack.n; i++)
        size += t->first[stack.loc[i].i + 1] - t->first[stack.loc[i].i];
    char *const start = osp_buf_room(t->text, size + SPARE);
    if (!start)
        return;
    char *at = put(start, rule);
    for (; list < end; list++)
        at = put(at, t->line[*list]);
    at = put(at, value);
    at = put(at, osp_str_skip(frames_of(t, stack.loc[0].i), VALUE_WIDTH));
    for (uint32_t i = 1; i < stack.n; i++)
        at = put_frames(at, frames_of(t, stack.loc[i].i));
    t->text->n += (size_t)(at - start);
}

/* Samples jump about among stacks and labels: load what one will copy before its turn. */
static void look_ahead(const printing *t, uint32_t row)
{
    const osp_profile *p = t->v->of;
    __builtin_prefetch(p->stacks.packed[p->samples.stack[row].i]);
    __builtin_prefetch(t->list + t->v->first_label[p->samples.labels[row].i]);
}

static bool as_text(printing *t, osp_answer *out, osp_err *err)
{
    const osp_view *v = t->v;
    osp_arena_init(&t->arena, SIZE_MAX / 2);
    t->known = osp_new(&t->arena, known_value, KNOWN);
    bool ok = (t->known || osp_fail_memory(err, "printing values")) && make_lists(t, err) && lay_out_frames(t, err) &&
              osp_label_units_make(v->of, &t->units, err);
    if (ok) {
        osp_profile_head_lines(v->of, t->o, &t->shown, v->total, t->text);
        for (uint32_t i = 0; ok && i < v->nrow; i++) {
            if (i + AHEAD < v->nrow)
                look_ahead(t, v->row[i + AHEAD]);
            sample(t, v->row[i]);
            ok = osp_answer_pour(out, err);
        }
        osp_buf_add(t->text, rule);
        ok = ok && (!t->frames.failed || osp_fail_memory(err, "printing stacks"));
    }
    osp_label_units_drop(&t->units);
    drop_lists(t);
    osp_arena_drop(&t->arena);
    osp_buf_drop(&t->frames);
    free(t->first);
    return ok;
}

/* ---- JSON: the heaviest samples first, so that a limit leaves those -------------------------------------------- */

typedef struct {
    uint64_t size;
    uint32_t row;
} ranked;

static int by_size(const void *x, const void *y)
{
    const ranked *a = x, *b = y;
    return a->size != b->size ? (a->size < b->size) - (a->size > b->size) : (a->row > b->row) - (a->row < b->row);
}

static void json_labels(const printing *t, osp_json *j, uint32_t set)
{
    const osp_view *v = t->v;
    osp_json_array(j, "labels");
    for (uint32_t i = v->first_label[set]; i < v->first_label[set + 1]; i++) {
        const osp_label *l = &v->label[i];
        const osp_str key = osp_text(v->of, l->key);
        osp_json_object(j, NULL);
        osp_json_str(j, "key", key);
        if (l->str.i) {
            osp_json_str(j, "text", osp_text(v->of, l->str));
        } else {
            osp_json_int(j, "number", l->num);
            osp_json_str(j, "unit", osp_label_unit(&t->units, key));
        }
        osp_json_end(j);
    }
    osp_json_end(j);
}

static void json_stack(const printing *t, osp_json *j, const osp_frame_labels *frames, uint32_t s)
{
    const osp_stack stack = osp_view_stack(t->v, s);
    osp_json_array(j, "stack");
    for (uint32_t i = 0; i < stack.n; i++) {
        const uint32_t loc = stack.loc[i].i, last = frames->first[loc + 1] - 1;
        for (uint32_t k = frames->first[loc]; k <= last; k++) {
            osp_json_object(j, NULL);
            osp_json_str(j, "name", frames->label[k]);
            if (k < last)
                osp_json_bool(j, "inlined", true);
            osp_json_end(j);
        }
    }
    osp_json_end(j);
}

static bool as_json(printing *t, osp_answer *out, osp_err *err)
{
    const osp_view *v = t->v;
    osp_frame_labels frames;
    osp_arena_init(&t->arena, SIZE_MAX / 2);
    ranked *rank = osp_new(&t->arena, ranked, v->nrow);
    bool ok = (rank || osp_fail_memory(err, "ranking samples")) && label_frames(t, &t->arena, &frames, err) &&
              osp_label_units_make(v->of, &t->units, err);
    uint32_t n = 0;
    for (uint32_t i = 0; ok && i < v->nrow; i++) {
        const uint32_t s = v->of->samples.stack[v->row[i]].i;
        if (osp_view_stack(v, s).n)
            rank[n++] = (ranked){(uint64_t)osp_abs(value_of(t, v->row[i])), v->row[i]};
    }
    if (n)
        qsort(rank, n, sizeof *rank, by_size);
    if (ok) {
        osp_json_rows rows = osp_json_open("traces", v->of, t->o, &t->shown, v->total, out);
        osp_json_rows_open(&rows);
        for (uint32_t i = 0; i < n; i++) {
            if (!osp_json_row(&rows))
                continue;
            osp_json_value(&rows.j, "value", &t->shown, value_of(t, rank[i].row));
            json_labels(t, &rows.j, v->of->samples.labels[rank[i].row].i);
            json_stack(t, &rows.j, &frames, v->of->samples.stack[rank[i].row].i);
            osp_json_row_end(&rows);
        }
        osp_json_close(&rows);
    }
    osp_label_units_drop(&t->units);
    osp_arena_drop(&t->arena);
    return ok;
}

static bool write_traces(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err)
{
    osp_view view;
    if (!osp_answer_view(p, o, true, &view, out, err))
        return false;
    printing t = {
        .v = &view,
        .o = o,
        .shown = osp_shown_of(p, o),
        .frames = osp_buf_of(SIZE_MAX / 2),
        .text = &out->text,
    };
    bool ok = o->json ? as_json(&t, out, err) : as_text(&t, out, err);
    osp_view_drop(&view);
    return ok;
}

const osp_report osp_report_traces = {
    .name = "traces",
    .summary = "every sample with its labels and its stack",
    .legend = "a sample's labels, its value, and its stack from the innermost function to the outermost",
    .json = true,
    .write = write_traces,
};
