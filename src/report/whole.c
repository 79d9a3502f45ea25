/* SPDX-License-Identifier: Apache-2.0 */
/* What reports share that show a whole profile: what the query leaves of it, and its bytes as the peer writes them. */
#include "pprof/pprof.h"
#include "report/head.h"

/* ---- what is shown -------------------------------------------------------------------------------------------- */

/* Without inlines, the peer forgets that there were any, and columns if they are not asked for. */
static bool forget_inlines(osp_shown_profile *s, bool columns)
{
    osp_profile *p = &s->p;
    osp_arena *a = &s->view.arena;
    const uint32_t nline = p->locations.n ? p->locations.first[p->locations.n] : 0;
    osp_mapping *mapping = osp_new(a, osp_mapping, p->mappings.n);
    osp_line *line = osp_new(a, osp_line, nline);
    if (!mapping || !line)
        return false;
    for (uint32_t i = 0; i < p->mappings.n; i++) {
        mapping[i] = p->mappings.row[i];
        mapping[i].has &= ~(uint32_t)OSP_HAS_INLINES;
    }
    for (uint32_t i = 0; i < nline; i++) {
        line[i] = p->locations.line[i];
        line[i].column = columns ? line[i].column : 0;
    }
    p->mappings.row = mapping;
    p->locations.line = line;
    return true;
}

bool osp_shown_profile_make(const osp_profile *p, const osp_report_opts *o, osp_shown_profile *out,
                            osp_answer *answer, osp_err *err)
{
    *out = (osp_shown_profile){0};
    if (!osp_answer_view(p, o, true, &out->view, answer, err))
        return false;
    out->borrowed = osp_view_profile(&out->view, err);
    bool ok = out->borrowed;
    if (ok) {
        out->p = *out->borrowed;
        ok = !o->query.no_inlines || forget_inlines(out, o->columns) || osp_fail_memory(err, "leaving out inlines");
    }
    if (!ok)
        osp_shown_profile_drop(out);
    return ok;
}

void osp_shown_profile_drop(osp_shown_profile *s)
{
    osp_profile_drop(s->borrowed);
    osp_view_drop(&s->view);
    *s = (osp_shown_profile){0};
}

/* ---- the peer's order of texts -------------------------------------------------------------------------------- */

typedef struct {
    const osp_profile *of;
    osp_arena arena;
    osp_intern texts;
    uint32_t *new_id; /* by old id: 1 + new one; 0 = not yet */
    bool failed;
} renumbering;

static osp_string_id renumber(renumbering *r, osp_string_id old)
{
    if (!r->new_id[old.i]) {
        const uint32_t id = osp_intern_put(&r->texts, osp_text(r->of, old), NULL);
        r->failed |= id == UINT32_MAX;
        r->new_id[old.i] = id + 1;
    }
    return (osp_string_id){r->new_id[old.i] - 1};
}

static osp_value_type renumber_type(renumbering *r, osp_value_type t)
{
    const osp_string_id type = renumber(r, t.type);
    return (osp_value_type){type, renumber(r, t.unit)};
}

/* The labels of a set by key; of numbers, the key comes before the units. */
static uint32_t renumber_labels(renumbering *r, uint32_t set, osp_keyed_label *sorted, osp_label *out)
{
    const osp_profile *p = r->of;
    const uint32_t from = p->labelsets.first[set], to = p->labelsets.first[set + 1];
    const uint32_t n = from < to ? osp_labels_by_key(p, p->labelsets.label + from, to - from, sorted) : 0;
    for (uint32_t i = 0; i < n; i++) {
        const osp_label *l = sorted[i].label;
        out[i].key = renumber(r, l->key);
        out[i].str = renumber(r, l->str);
        out[i].num = sorted[i].numeric ? l->num : 0;
        out[i].unit = sorted[i].numeric ? renumber(r, l->unit) : (osp_string_id){0};
    }
    return n;
}

static void renumber_labelsets(renumbering *r, osp_profile *p)
{
    const osp_profile *of = r->of;
    const uint32_t n = of->labelsets.n, nlabel = n ? of->labelsets.first[n] : 0;
    osp_label *label = osp_new(&r->arena, osp_label, nlabel), *packed = osp_new(&r->arena, osp_label, nlabel);
    osp_keyed_label *sorted = osp_new(&r->arena, osp_keyed_label, nlabel);
    uint32_t *first = osp_new(&r->arena, uint32_t, (size_t)n + 1);
    uint32_t *count = osp_new(&r->arena, uint32_t, n); /* 1 + labels of the set; 0 = not yet seen */
    r->failed |= !label || !packed || !sorted || !first || !count;
    for (uint32_t i = 0; !r->failed && i < of->samples.n; i++) {
        const uint32_t set = of->samples.labels[i].i;
        if (!count[set])
            count[set] = 1 + renumber_labels(r, set, sorted, label + of->labelsets.first[set]);
    }
    for (uint32_t i = 0; !r->failed && i < n; i++) {
        const uint32_t had = count[i] ? count[i] - 1 : 0;
        memcpy(packed + first[i], label + of->labelsets.first[i], had * sizeof *label);
        first[i + 1] = first[i] + had;
    }
    p->labelsets.label = packed;
    p->labelsets.first = first;
}

static void renumber_tables(renumbering *r, osp_profile *p)
{
    const osp_profile *of = r->of;
    osp_mapping *mapping = osp_new(&r->arena, osp_mapping, of->mappings.n);
    osp_function *function = osp_new(&r->arena, osp_function, of->functions.n);
    r->failed |= !mapping || !function;
    for (uint32_t i = 1; !r->failed && i < of->mappings.n; i++) {
        mapping[i] = of->mappings.row[i];
        mapping[i].file = renumber(r, mapping[i].file);
        mapping[i].build_id = renumber(r, mapping[i].build_id);
    }
    for (uint32_t i = 1; !r->failed && i < of->functions.n; i++) {
        function[i] = of->functions.row[i];
        function[i].name = renumber(r, function[i].name);
        function[i].linker_name = renumber(r, function[i].linker_name);
        function[i].file = renumber(r, function[i].file);
    }
    p->mappings.row = mapping;
    p->functions.row = function;
}

static void renumber_all(renumbering *r, osp_profile *p)
{
    const osp_profile *of = r->of;
    osp_value_type *type = osp_new(&r->arena, osp_value_type, of->values.n);
    osp_string_id *comment = osp_new(&r->arena, osp_string_id, of->comments.n);
    r->new_id = osp_new(&r->arena, uint32_t, of->strings.n);
    r->failed = !type || !comment || !r->new_id;
    if (r->failed)
        return;
    renumber(r, (osp_string_id){0});
    for (uint32_t i = 0; i < of->values.n; i++)
        type[i] = renumber_type(r, of->values.type[i]);
    renumber_labelsets(r, p);
    renumber_tables(r, p);
    p->drop_frames = renumber(r, of->drop_frames);
    p->keep_frames = renumber(r, of->keep_frames);
    p->period_type = renumber_type(r, of->period_type);
    for (uint32_t i = 0; i < of->comments.n; i++)
        comment[i] = renumber(r, of->comments.text[i]);
    p->values.preferred = renumber(r, of->values.preferred);
    p->doc_url = renumber(r, of->doc_url);
    p->values.type = type;
    p->comments.text = comment;
    p->strings.n = r->texts.n;
    p->strings.text = r->texts.text;
}

bool osp_write_profile(const osp_profile *p, osp_buf *out, osp_err *err)
{
    renumbering r = {.of = p};
    osp_profile ordered = *p;
    osp_arena_init(&r.arena, SIZE_MAX / 2);
    renumber_all(&r, &ordered);
    bool ok = r.failed ? osp_fail_memory(err, "writing a profile")
                       : osp_pprof_encode_packed(&ordered, OSP_PACK_GZIP, out, err);
    osp_intern_drop(&r.texts);
    osp_arena_drop(&r.arena);
    return ok;
}
