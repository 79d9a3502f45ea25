/* SPDX-License-Identifier: Apache-2.0 */
/* traces: every sample as it is: its labels, its value, its stack from the leaf to the root.
 *
 * Nearly all of the output is frames, so what a location prints is laid out once; a sample copies it. */
#include "report/head.h"

#include <stdlib.h>

enum { VALUE_WIDTH = 10 };

typedef struct {
    const osp_view *v;
    const osp_report_opts *o;
    osp_shown shown;
    osp_label_units units;
    osp_buf frames; /* what each location prints, as if it were not the leaf */
    size_t *first;  /* per location, n + 1 offsets into frames */
    osp_arena arena;
    osp_str *of_set;         /* what each label set prints; p is NULL until it is needed */
    osp_keyed_label *sorted; /* room for the largest set, and its lines */
    osp_str *line;
    size_t *line_end;
    osp_buf scratch;
    osp_buf *text;
} printing;

static const osp_str rule = S("-----------+-------------------------------------------------------\n");

static bool lay_out_frames(printing *t, osp_err *err)
{
    const osp_view *v = t->v;
    const uint32_t n = v->of->locations.n;
    osp_graph_opts graph = osp_graph_opts_of(t->o);
    graph.trim_path = graph.source_path = S(""); /* the peer trims paths for graphs only */
    osp_arena arena;
    osp_arena_init(&arena, SIZE_MAX / 2);
    osp_frame_labels labels;
    t->first = calloc((size_t)n + 1, sizeof *t->first);
    bool ok = osp_frame_labels_make(v, &graph, &arena, &labels, err);
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
    osp_arena_drop(&arena);
    return ok;
}

/* ---- labels --------------------------------------------------------------------------------------------------- */

static int by_text(const void *x, const void *y) { return osp_str_cmp(*(const osp_str *)x, *(const osp_str *)y); }

/* One line for the labels of one key, from[0] … to[-1]. */
static void label_line(printing *t, const osp_keyed_label *from, const osp_keyed_label *to)
{
    char text[OSP_SHOWN_MAX];
    const osp_str unit = from->numeric ? osp_label_unit(&t->units, from->key) : S("");
    osp_put_right(&t->scratch, from->key, VALUE_WIDTH);
    osp_buf_add(&t->scratch, S(": "));
    for (; from < to; from++) {
        osp_buf_byte(&t->scratch, ' ');
        if (from->numeric)
            osp_buf_add(&t->scratch, osp_str_from(osp_scaled(from->label->num, unit, S("auto"), text, sizeof text)));
        else
            osp_buf_add(&t->scratch, osp_text(t->v->of, from->label->str));
    }
    osp_buf_byte(&t->scratch, '\n');
}

/* The lines of texts, then those of numbers, each sorted as they stand there. */
static void label_lines(printing *t, uint32_t set, osp_buf *out)
{
    const osp_view *v = t->v;
    const uint32_t n = osp_labels_by_key(v->of, v->label + v->first_label[set],
                                         v->first_label[set + 1] - v->first_label[set], t->sorted);
    for (uint32_t i = 0; i < n;) {
        const bool numeric = t->sorted[i].numeric;
        uint32_t nline = 0;
        t->scratch.n = 0;
        while (i < n && t->sorted[i].numeric == numeric) {
            const uint32_t from = i;
            while (i < n && osp_same_key(&t->sorted[from], &t->sorted[i]))
                i++;
            label_line(t, t->sorted + from, t->sorted + i);
            t->line_end[nline++] = t->scratch.n;
        }
        for (uint32_t k = 0; k < nline; k++) {
            const size_t at = k ? t->line_end[k - 1] : 0;
            t->line[k] = (osp_str){t->scratch.p + at, t->line_end[k] - at};
        }
        qsort(t->line, nline, sizeof *t->line, by_text);
        for (uint32_t k = 0; k < nline; k++)
            osp_buf_add(out, t->line[k]);
    }
}

static bool room_for_labels(printing *t, osp_err *err)
{
    const osp_view *v = t->v;
    uint32_t most = 0;
    for (uint32_t i = 0; i < v->of->labelsets.n; i++) {
        const uint32_t n = v->first_label[i + 1] - v->first_label[i];
        most = n > most ? n : most;
    }
    t->of_set = osp_new(&t->arena, osp_str, v->of->labelsets.n);
    t->sorted = osp_new(&t->arena, osp_keyed_label, most);
    t->line = osp_new(&t->arena, osp_str, most);
    t->line_end = osp_new(&t->arena, size_t, most);
    if (!t->of_set || !t->sorted || !t->line || !t->line_end)
        return osp_fail_memory(err, "printing labels");
    return osp_label_units_make(v->of, &t->units, err);
}

static osp_str labels_of(printing *t, uint32_t set)
{
    osp_str *known = &t->of_set[set];
    if (!known->p) {
        osp_buf lines = osp_buf_of(SIZE_MAX / 2);
        label_lines(t, set, &lines);
        *known = osp_arena_str(&t->arena, osp_buf_str(&lines));
        t->text->failed |= !known->p || lines.failed || t->scratch.failed;
        osp_buf_drop(&lines);
    }
    return *known;
}

/* ---- samples -------------------------------------------------------------------------------------------------- */

static osp_str frames_of(const printing *t, uint32_t loc)
{
    return (osp_str){t->frames.p + t->first[loc], t->first[loc + 1] - t->first[loc]};
}

static void sample(printing *t, uint32_t row)
{
    const osp_view *v = t->v;
    const osp_profile *p = v->of;
    const uint32_t s = p->samples.stack[row].i, set = p->samples.labels[row].i;
    if (v->first[s] == v->first[s + 1])
        return;
    osp_buf_add(t->text, rule);
    if (v->first_label[set] < v->first_label[set + 1])
        osp_buf_add(t->text, labels_of(t, set));
    int64_t value = p->samples.value[t->o->query.value][row];
    if (t->o->query.mean)
        value = osp_mean(value, p->samples.value[0][row]);
    char text[OSP_SHOWN_MAX];
    osp_put_right(t->text, osp_str_from(osp_shown_text(&t->shown, value, text, sizeof text)), VALUE_WIDTH);
    osp_buf_add(t->text, osp_str_skip(frames_of(t, v->loc[v->first[s]].i), VALUE_WIDTH));
    for (uint32_t i = v->first[s] + 1; i < v->first[s + 1]; i++)
        osp_buf_add(t->text, frames_of(t, v->loc[i].i));
}

static bool write_traces(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err)
{
    osp_view view;
    osp_query query = o->query;
    query.rows = true;
    if (!osp_view_make(p, &query, &view, err))
        return false;
    out->unmatched = view.unmatched;
    printing t = {
        .v = &view,
        .o = o,
        .shown = osp_shown_of(p, o),
        .frames = osp_buf_of(SIZE_MAX / 2),
        .scratch = osp_buf_of(SIZE_MAX / 2),
        .text = &out->text,
    };
    osp_arena_init(&t.arena, SIZE_MAX / 2);
    bool ok = lay_out_frames(&t, err) && room_for_labels(&t, err);
    if (ok) {
        osp_profile_head_lines(view.of, o, &t.shown, view.total, &out->text);
        for (uint32_t i = 0; i < view.nrow; i++)
            sample(&t, view.row[i]);
        osp_buf_add(&out->text, rule);
        ok = !t.frames.failed || osp_fail_memory(err, "printing stacks");
    }
    osp_label_units_drop(&t.units);
    osp_arena_drop(&t.arena);
    osp_buf_drop(&t.frames);
    osp_buf_drop(&t.scratch);
    free(t.first);
    osp_view_drop(&view);
    return ok;
}

const osp_report osp_report_traces = {
    .name = "traces",
    .summary = "every sample with its labels and its stack",
    .write = write_traces,
};
