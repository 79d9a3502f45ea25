/* SPDX-License-Identifier: Apache-2.0 */
/* traces: every sample as it is: its labels, its value, its stack from the leaf to the root.
 *
 * Nearly all of the output is frames, so what a location prints is laid out once; a sample copies it. */
#include "report/head.h"

#include <stdlib.h>

enum { VALUE_WIDTH = 10, SPARE = 64, KNOWN = 1024, AHEAD = 8 };

/* Values are few, and slow to print. */
typedef struct {
    int64_t value;
    uint32_t n; /* 0: none is known yet */
    char text[OSP_SHOWN_MAX + VALUE_WIDTH];
} known_value;

typedef struct {
    const osp_view *v;
    const osp_report_opts *o;
    osp_shown shown;
    osp_label_units units;
    osp_buf frames; /* what each location prints, as if it were not the leaf; SPARE bytes follow */
    size_t *first;  /* per location, n + 1 offsets into frames */
    known_value *known;
    osp_arena arena;
    osp_str *of_set; /* what each label set prints; p is NULL until it is needed */
    osp_label_room room;
    osp_buf *text;
} printing;

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

static void label_line(void *ctx, const osp_keyed_label *from, const osp_keyed_label *to, osp_buf *out)
{
    const printing *t = ctx;
    char text[OSP_SHOWN_MAX];
    const osp_str unit = from->numeric ? osp_label_unit(&t->units, from->key) : S("");
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
}

static osp_str labels_of(printing *t, uint32_t set)
{
    osp_str *known = &t->of_set[set];
    if (!known->p) {
        osp_buf lines = osp_buf_of(SIZE_MAX / 2);
        osp_put_labels(&t->room, t->v, set, false, label_line, t, S(""), &lines);
        osp_put_labels(&t->room, t->v, set, true, label_line, t, S(""), &lines);
        *known = osp_arena_str(&t->arena, osp_buf_str(&lines));
        t->text->failed |= !known->p || lines.failed;
        osp_buf_drop(&lines);
    }
    return *known;
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
    const osp_str labels = v->first_label[set] < v->first_label[set + 1] ? labels_of(t, set) : S("");
    const osp_str value = value_text(t, value_of(t, row));
    size_t size = rule.n + labels.n + value.n;
    for (uint32_t i = 0; i < stack.n; i++)
        size += t->first[stack.loc[i].i + 1] - t->first[stack.loc[i].i];
    char *const start = osp_buf_room(t->text, size + SPARE);
    if (!start)
        return;
    char *at = put(put(put(start, rule), labels), value);
    at = put(at, osp_str_skip(frames_of(t, stack.loc[0].i), VALUE_WIDTH));
    for (uint32_t i = 1; i < stack.n; i++)
        at = put_frames(at, frames_of(t, stack.loc[i].i));
    t->text->n += (size_t)(at - start);
}

/* Samples jump about among stacks and labels: load what one will copy before its turn. */
static void look_ahead(const printing *t, uint32_t row)
{
    const osp_profile *p = t->v->of;
    const char *labels = t->of_set[p->samples.labels[row].i].p;
    __builtin_prefetch(p->stacks.packed[p->samples.stack[row].i]);
    __builtin_prefetch(labels);
    __builtin_prefetch(labels ? labels + 64 : NULL);
}

static bool as_text(printing *t, osp_answer *out, osp_err *err)
{
    const osp_view *v = t->v;
    osp_arena_init(&t->arena, SIZE_MAX / 2);
    t->of_set = osp_new(&t->arena, osp_str, v->of->labelsets.n);
    t->known = osp_new(&t->arena, known_value, KNOWN);
    bool ok = ((t->of_set && t->known) || osp_fail_memory(err, "printing labels")) && lay_out_frames(t, err) &&
              osp_label_room_make(v, &t->room, err) && osp_label_units_make(v->of, &t->units, err);
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
    osp_arena_drop(&t->arena);
    osp_buf_drop(&t->frames);
    osp_label_room_drop(&t->room);
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
