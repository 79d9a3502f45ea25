/* SPDX-License-Identifier: Apache-2.0 */
/* A profile's life: it ends in one place, and what changes a profile gives a new one that borrows most columns of the
 * old; symbolising is here. */
#include "base/hash.h"
#include "model/model_internal.h"

#include <stdlib.h>

void osp_profile_drop(osp_profile *p)
{
    if (!p)
        return;
    osp_arena_drop(&p->arena);
    osp_file_close(&p->input);
    free((void *)p->unpacked.p);
    free(p);
}

/* ---- borrowing ------------------------------------------------------------------------------------------------- */

osp_profile *osp_profile_borrow(const osp_profile *of, const char *doing, osp_err *err)
{
    osp_profile *p = malloc(sizeof *p);
    if (!p) {
        osp_fail_memory(err, doing);
        return NULL;
    }
    *p = *of;
    p->input = (osp_file){0};
    p->unpacked = (osp_span){0};
    p->shares = of;
    osp_arena_init(&p->arena, SIZE_MAX / 2);
    return p;
}

bool osp_profile_widen_strings(osp_profile *p, uint32_t more)
{
    if (more > UINT32_MAX - 1 - p->strings.n)
        return false;
    osp_str *text = osp_new(&p->arena, osp_str, (size_t)p->strings.n + more);
    if (!text)
        return false;
    memcpy(text, p->strings.text, p->strings.n * sizeof *text);
    p->strings.text = text;
    return true;
}

osp_string_id osp_profile_add_string(osp_profile *p, osp_str s)
{
    osp_str copy = s.n ? osp_arena_str(&p->arena, s) : s;
    if (!s.n || !copy.p)
        return (osp_string_id){0};
    osp_str *text = (osp_str *)p->strings.text; /* our own since it was widened */
    text[p->strings.n] = copy;
    return (osp_string_id){p->strings.n++};
}

bool osp_profile_make_up_mapping(osp_profile *p)
{
    if (p->mappings.n > 1)
        return true;
    osp_mapping *row = osp_new(&p->arena, osp_mapping, 2);
    osp_mapping_id *mapping = osp_new(&p->arena, osp_mapping_id, p->locations.n);
    if (!row || !mapping)
        return false;
    for (uint32_t l = 0; l < p->locations.n; l++)
        mapping[l].i = 1;
    p->mappings.n = 2;
    p->mappings.row = row;
    p->locations.mapping = mapping;
    return true;
}

/* ---- the same profile with other lines ------------------------------------------------------------------------ */

enum { MOST_FRAMES = 256 }; /* of one location: inlining deeper than that is cut */

/* Names and functions are found again by content. Old rows keep their ids (lines that stay refer to them), so the
 * position in the interner and the id in the table differ: id[] translates. */
typedef struct {
    osp_intern seen;
    uint32_t *id; /* by position in seen */
    size_t cap;
} finder;

typedef struct {
    osp_profile *p;
    finder strings, functions;
    osp_str *text;
    osp_function *row;
    osp_line *line;
    size_t ntext, text_cap, nrow, row_cap, nline, line_cap;
    bool failed;
} relining;

static void *copy_to(osp_arena *a, const void *from, size_t n, size_t size, size_t align)
{
    void *to = osp_arena_take(a, n, size, align);
    if (to && n)
        memcpy(to, from, n * size);
    return to;
}

/* The id that key has, or UINT32_MAX after giving it id `fresh_id`; *bad without memory. */
static uint32_t find(finder *f, osp_str key, uint32_t fresh_id, bool *bad, bool *fresh)
{
    uint32_t at = osp_intern_put(&f->seen, key, fresh);
    void *id = f->id;
    if (at == UINT32_MAX || !osp_grow(&id, &f->cap, (size_t)at + 1, sizeof *f->id)) {
        *bad = true;
        *fresh = false;
        return 0;
    }
    f->id = id;
    if (*fresh)
        f->id[at] = fresh_id;
    return f->id[at];
}

static bool add(void **array, size_t *cap, size_t *n, const void *item, size_t size)
{
    if (*n >= UINT32_MAX - 1 || !osp_grow(array, cap, *n + 1, size))
        return false;
    memcpy((char *)*array + *n * size, item, size);
    ++*n;
    return true;
}

#define ADD(r, array, cap, n, item)                                     \
    do {                                                                \
        void *a_ = (r)->array;                                          \
        if (!add(&a_, &(r)->cap, &(r)->n, &(item), sizeof *(r)->array)) \
            (r)->failed = true;                                         \
        (r)->array = a_;                                                \
    } while (0)

static osp_string_id reline_string(relining *r, osp_str s)
{
    bool fresh = false;
    uint32_t id = find(&r->strings, s, (uint32_t)r->ntext, &r->failed, &fresh);
    if (fresh) {
        osp_str copy = osp_arena_str(&r->p->arena, s);
        if (!copy.p)
            r->failed = true;
        r->strings.seen.text[r->strings.seen.n - 1] = copy;
        ADD(r, text, text_cap, ntext, copy);
    }
    return (osp_string_id){id};
}

static osp_function_id reline_function(relining *r, const osp_frame_text *f)
{
    osp_function row;
    memset(&row, 0, sizeof row); /* padding too: the row is its own key */
    row.name = reline_string(r, f->name);
    row.linker_name = reline_string(r, f->linker_name);
    row.file = reline_string(r, f->file);
    row.start_line = f->start_line;
    bool fresh = false;
    uint32_t id =
        find(&r->functions, (osp_str){(const char *)&row, sizeof row}, (uint32_t)r->nrow, &r->failed, &fresh);
    if (fresh) {
        osp_function *key = copy_to(&r->p->arena, &row, 1, sizeof row, alignof(osp_function));
        if (!key) {
            r->failed = true;
            key = (osp_function *)r->row; /* any bytes that live: the result is thrown away */
        }
        r->functions.seen.text[r->functions.seen.n - 1] = (osp_str){(const char *)key, sizeof row};
        ADD(r, row, row_cap, nrow, row);
    }
    return (osp_function_id){id};
}

static void keep_old_rows(relining *r, const osp_profile *of)
{
    bool fresh;
    for (uint32_t i = 0; i < of->strings.n; i++) {
        find(&r->strings, of->strings.text[i], i, &r->failed, &fresh);
        ADD(r, text, text_cap, ntext, of->strings.text[i]);
    }
    for (uint32_t i = 0; i < of->functions.n; i++) {
        find(&r->functions, (osp_str){(const char *)&of->functions.row[i], sizeof of->functions.row[i]}, i,
             &r->failed, &fresh);
        ADD(r, row, row_cap, nrow, of->functions.row[i]);
    }
}

static uint32_t has_of(const osp_frame_text *f)
{
    return (f->name.n ? OSP_HAS_FUNCTIONS : 0) | (f->file.n ? OSP_HAS_FILES : 0) | (f->line ? OSP_HAS_LINES : 0);
}

osp_profile *osp_profile_with_lines(const osp_profile *of, osp_lines_of *lines_of, void *ctx, osp_err *err)
{
    osp_profile *p = osp_profile_borrow(of, "naming the frames of a profile", err);
    if (!p)
        return NULL;
    relining r = {.p = p};
    osp_frame_text *frame = calloc(MOST_FRAMES, sizeof *frame);
    if (!frame) {
        osp_profile_drop(p);
        osp_fail_memory(err, "naming the frames of a profile");
        return NULL;
    }
    keep_old_rows(&r, of);
    uint32_t *first = osp_new(&p->arena, uint32_t, (size_t)of->locations.n + 1);
    osp_mapping *maps = copy_to(&p->arena, of->mappings.row, of->mappings.n, sizeof *maps, alignof(osp_mapping));
    r.failed |= !first || !maps;
    for (uint32_t i = 0; i < of->locations.n && !r.failed; i++) {
        first[i] = (uint32_t)r.nline;
        size_t n = lines_of(ctx, (osp_location_id){i}, frame, MOST_FRAMES);
        uint32_t has = n > 1 ? OSP_HAS_INLINES : 0;
        for (size_t k = 0; k < n; k++) {
            osp_line line = {reline_function(&r, &frame[k]), frame[k].column, frame[k].line};
            ADD(&r, line, line_cap, nline, line);
            has |= has_of(&frame[k]);
        }
        for (uint32_t k = of->locations.first[i]; n == 0 && k < of->locations.first[i + 1]; k++)
            ADD(&r, line, line_cap, nline, of->locations.line[k]);
        if (n)
            maps[of->locations.mapping[i].i].has |= of->locations.mapping[i].i ? has : 0;
    }
    if (!r.failed) {
        first[of->locations.n] = (uint32_t)r.nline;
        p->locations.first = first;
        p->mappings.row = maps;
        p->strings.n = (uint32_t)r.ntext;
        p->functions.n = (uint32_t)r.nrow;
        p->strings.text = copy_to(&p->arena, r.text, r.ntext, sizeof *r.text, alignof(osp_str));
        p->functions.row = copy_to(&p->arena, r.row, r.nrow, sizeof *r.row, alignof(osp_function));
        p->locations.line = copy_to(&p->arena, r.line, r.nline, sizeof *r.line, alignof(osp_line));
        r.failed = !p->strings.text || !p->functions.row || !p->locations.line;
    }
    osp_intern_drop(&r.strings.seen);
    osp_intern_drop(&r.functions.seen);
    free(r.strings.id);
    free(r.functions.id);
    free(r.text);
    free(r.row);
    free(r.line);
    free(frame);
    if (r.failed) {
        osp_profile_drop(p);
        osp_fail_memory(err, "naming the frames of a profile");
        return NULL;
    }
    return p;
}

osp_profile *osp_profile_with_comment(const osp_profile *of, osp_str comment, osp_err *err)
{
    static const char doing[] = "adding a comment";
    osp_profile *p = osp_profile_borrow(of, doing, err);
    if (!p)
        return NULL;
    osp_string_id *id = osp_new(&p->arena, osp_string_id, (size_t)of->comments.n + 1);
    if (!id || !osp_profile_widen_strings(p, 1)) {
        osp_profile_drop(p);
        osp_fail_memory(err, doing);
        return NULL;
    }
    if (of->comments.n)
        memcpy(id, of->comments.text, of->comments.n * sizeof *id);
    id[of->comments.n] = osp_profile_add_string(p, comment);
    p->comments.text = id;
    p->comments.n = of->comments.n + 1;
    return p;
}

const int64_t *osp_profile_column(const osp_profile *p, osp_str type)
{
    for (uint32_t i = 0; i < p->values.n; i++)
        if (osp_str_eq(osp_text(p, p->values.type[i].type), type))
            return p->samples.value[i];
    return NULL;
}

osp_str osp_label_text(const osp_profile *p, osp_labelset_id set, osp_str key)
{
    for (uint32_t i = p->labelsets.first[set.i]; i < p->labelsets.first[set.i + 1]; i++)
        if (osp_str_eq(osp_text(p, p->labelsets.label[i].key), key))
            return osp_text(p, p->labelsets.label[i].str);
    return S("");
}

int64_t osp_label_number(const osp_profile *p, osp_labelset_id set, osp_str key)
{
    for (uint32_t i = p->labelsets.first[set.i]; i < p->labelsets.first[set.i + 1]; i++)
        if (osp_str_eq(osp_text(p, p->labelsets.label[i].key), key) && osp_label_is_number(&p->labelsets.label[i]))
            return p->labelsets.label[i].num;
    return 0;
}
