/* SPDX-License-Identifier: Apache-2.0 */
/* The waist. Regular expressions are asked once per distinct function, mapping and label, filters once per location,
 * distinct stack and label set; samples are touched once. What a query does not change is borrowed from the profile.
 *
 * The order of things is the peer's: names made readable; drop_frames and keep_frames; frames of tag_root and
 * tag_leaf; the total (unless relative); focus, ignore, hide, show; show_from; tag_focus, tag_ignore; tag_show,
 * tag_hide; prune_from; inlines left out. */
#include "model/names.h"
#include "model/view_internal.h"

#include <stdlib.h>

static bool touch_lines(osp_rewriting *r)
{
    const osp_profile *p = r->p;
    if (r->line)
        return true;
    uint32_t n = p->locations.n;
    size_t nline = n ? p->locations.first[n] : 0;
    r->line = osp_new(r->a, osp_line, nline + 1);
    r->line_at = osp_new(r->a, uint32_t, n);
    r->line_n = osp_new(r->a, uint32_t, n);
    if (!r->line || !r->line_at || !r->line_n)
        return osp_rewriting_no_memory(r);
    if (nline)
        memcpy(r->line, p->locations.line, nline * sizeof *r->line);
    for (uint32_t i = 0; i < n; i++) {
        r->line_at[i] = p->locations.first[i];
        r->line_n[i] = p->locations.first[i + 1] - p->locations.first[i];
    }
    return true;
}

/* A location's byte says what each step of cutting stacks does where it stands. */
static bool touch_cuts(osp_rewriting *r, uint32_t step)
{
    osp_view *v = r->v;
    if (!v->cut)
        v->cut = osp_new(r->a, uint8_t, r->p->locations.n);
    v->cuts |= step;
    return v->cut || osp_rewriting_no_memory(r);
}

/* ---- matching ------------------------------------------------------------------------------------------------- */

/* What one pattern matches: a byte per function and per mapping. */
typedef struct {
    const uint8_t *function, *mapping;
} matches;

bool osp_rewriting_regex(osp_rewriting *r, const char *what, osp_str pattern, osp_regex **out)
{
    char why[160];
    *out = osp_regex_new(pattern.p, pattern.n, why, sizeof why);
    return *out || osp_fail(r->err, OSP_EUSAGE, "parsing %s regexp: %s", what, why);
}

static bool matches_text(const osp_regex *re, osp_str s) { return osp_regex_match(re, s.p, s.n); }

static bool match_all(osp_rewriting *r, const char *what, osp_str pattern, matches *out)
{
    const osp_profile *p = r->p;
    osp_regex *re;
    if (!osp_rewriting_regex(r, what, pattern, &re))
        return false;
    uint8_t *function = osp_new(r->a, uint8_t, p->functions.n), *mapping = osp_new(r->a, uint8_t, p->mappings.n);
    for (uint32_t i = 1; function && mapping && i < p->functions.n; i++)
        function[i] = matches_text(re, r->name[i]) || matches_text(re, osp_text(p, p->functions.row[i].file));
    /* Row 0 stands for "no mapping", which matches nothing; but the peer makes one up if the profile has none. */
    for (uint32_t i = p->mappings.n > 1; function && mapping && i < p->mappings.n; i++)
        mapping[i] = matches_text(re, osp_text(p, p->mappings.row[i].file));
    osp_regex_drop(re);
    *out = (matches){function, mapping};
    return (function && mapping) || osp_rewriting_no_memory(r);
}

static bool mapping_matches(const osp_rewriting *r, const matches *m, uint32_t loc)
{
    return m->mapping[r->p->locations.mapping[loc].i];
}

static bool location_matches(const osp_rewriting *r, const matches *m, uint32_t loc)
{
    const osp_line *line = r->line + r->line_at[loc];
    for (uint32_t k = 0; k < r->line_n[loc]; k++)
        if (m->function[line[k].fn.i])
            return true;
    return mapping_matches(r, m, loc);
}

/* Keep the lines whose match is `wanted`. */
static void keep_lines(osp_rewriting *r, const matches *m, uint32_t loc, bool wanted)
{
    osp_line *line = r->line + r->line_at[loc];
    uint32_t n = 0;
    for (uint32_t k = 0; k < r->line_n[loc]; k++)
        if (m->function[line[k].fn.i] == wanted)
            line[n++] = line[k];
    r->line_n[loc] = n;
}

/* ---- drop_frames and keep_frames ------------------------------------------------------------------------------ */

/* The pattern has to match the whole name. */
static osp_regex *compile_whole(osp_rewriting *r, osp_str pattern)
{
    char why[160]; /* not told: like the peer, a profile with a bad pattern is shown unpruned */
    osp_str whole = osp_arena_fmt(r->a, "^(%.*s)$", STRF(pattern));
    return whole.p ? osp_regex_new(whole.p, whole.n, why, sizeof why) : NULL;
}

static bool match_pruning(osp_rewriting *r, osp_str drop, osp_str keep, uint8_t *function)
{
    osp_regex *drop_re = compile_whole(r, drop), *keep_re = keep.n ? compile_whole(r, keep) : NULL;
    bool ok = drop_re && (keep_re || keep.n == 0);
    for (uint32_t i = 1; ok && i < r->p->functions.n; i++) {
        osp_str name = osp_pruning_name(r->name[i]);
        function[i] = r->name[i].n && matches_text(drop_re, name) && !(keep_re && matches_text(keep_re, name));
    }
    osp_regex_drop(drop_re);
    osp_regex_drop(keep_re);
    return ok;
}

static bool drop_frames(osp_rewriting *r)
{
    const osp_profile *p = r->p;
    osp_str drop = osp_text(p, p->drop_frames), keep = osp_text(p, p->keep_frames);
    if (drop.n == 0 || r->q->keep_all_frames)
        return true;
    uint8_t *function = osp_new(r->a, uint8_t, p->functions.n);
    if (!function || !touch_lines(r))
        return osp_rewriting_no_memory(r);
    if (!match_pruning(r, drop, keep, function))
        return true;
    if (!touch_cuts(r, OSP_CUT_BENEATH | OSP_CUT_WHOLE))
        return false;
    for (uint32_t l = 0; l < p->locations.n; l++) {
        const osp_line *line = r->line + r->line_at[l];
        uint32_t n = r->line_n[l], k = n;
        while (k > 0 && !function[line[k - 1].fn.i])
            k--;
        if (k == 0)
            continue;
        r->v->cut[l] = k == n ? OSP_CUT_WHOLE : OSP_CUT_BENEATH;
        if (k < n) { /* lines 0 … k-1 go, the matching one with them */
            r->line_at[l] += k;
            r->line_n[l] -= k;
        }
    }
    return true;
}

/* ---- the query's filters -------------------------------------------------------------------------------------- */

static uint8_t judge_location(osp_rewriting *r, uint32_t l, const matches *focus, const matches *ignore,
                              const matches *hide, const matches *show)
{
    uint8_t verdict = 0;
    if (ignore && location_matches(r, ignore, l)) {
        r->unmatched &= ~(uint32_t)OSP_IGNORE;
        verdict = OSP_CUT_IGNORED;
    } else if (!focus || location_matches(r, focus, l)) {
        r->unmatched &= ~(uint32_t)OSP_FOCUS;
        verdict = OSP_CUT_FOCUSED;
    }
    if (hide && location_matches(r, hide, l)) {
        r->unmatched &= ~(uint32_t)OSP_HIDE;
        if (mapping_matches(r, hide, l))
            r->line_n[l] = 0;
        else
            keep_lines(r, hide, l, false);
        verdict |= r->line_n[l] ? 0 : OSP_CUT_HIDDEN;
    }
    if (show) {
        if (!mapping_matches(r, show, l))
            keep_lines(r, show, l, true);
        if (r->line_n[l])
            r->unmatched &= ~(uint32_t)OSP_SHOW;
        else
            verdict |= OSP_CUT_HIDDEN;
    }
    return verdict;
}

static bool by_name(osp_rewriting *r)
{
    const osp_query *q = r->q;
    const struct {
        const char *what;
        osp_str pattern;
        uint32_t bit;
    } filter[] = {
        {"focus", q->focus, OSP_FOCUS},
        {"ignore", q->ignore, OSP_IGNORE},
        {"hide", q->hide, OSP_HIDE},
        {"show", q->show, OSP_SHOW},
    };
    matches m[4], *given[4] = {NULL, NULL, NULL, NULL};
    bool any = false;
    for (int i = 0; i < 4; i++) {
        if (filter[i].pattern.n == 0)
            continue;
        if (!match_all(r, filter[i].what, filter[i].pattern, &m[i]))
            return false;
        given[i] = &m[i];
        r->unmatched |= filter[i].bit;
        any = true;
    }
    if (!any)
        return true;
    if (!touch_lines(r) || !touch_cuts(r, OSP_CUT_IGNORED | OSP_CUT_FOCUSED))
        return osp_rewriting_no_memory(r);
    for (uint32_t l = 0; l < r->p->locations.n; l++) {
        const uint8_t verdict = judge_location(r, l, given[0], given[1], given[2], given[3]);
        r->v->cut[l] |= verdict;
        r->v->cuts |= verdict & OSP_CUT_HIDDEN;
    }
    return true;
}

static bool show_from(osp_rewriting *r)
{
    matches m;
    if (r->q->show_from.n == 0)
        return true;
    if (!touch_lines(r) || !touch_cuts(r, OSP_CUT_SHOW_FROM))
        return osp_rewriting_no_memory(r);
    if (!match_all(r, "show_from", r->q->show_from, &m))
        return false;
    r->unmatched |= OSP_SHOW_FROM;
    for (uint32_t l = 0; l < r->p->locations.n; l++) {
        const osp_line *line = r->line + r->line_at[l];
        uint32_t k = r->line_n[l];
        bool matched = mapping_matches(r, &m, l);
        if (!matched) {
            while (k > 0 && !m.function[line[k - 1].fn.i])
                k--;
            matched = k > 0;
            r->line_n[l] = k ? k : r->line_n[l];
        }
        if (matched) {
            r->v->cut[l] |= OSP_CUT_SHOW_FROM;
            r->unmatched &= ~(uint32_t)OSP_SHOW_FROM;
        }
    }
    return true;
}

static bool prune_from(osp_rewriting *r)
{
    const osp_profile *p = r->p;
    osp_regex *re;
    if (r->q->prune_from.n == 0)
        return true;
    uint8_t *function = osp_new(r->a, uint8_t, p->functions.n);
    if (!function || !touch_lines(r) || !touch_cuts(r, OSP_CUT_PRUNE_FROM))
        return osp_rewriting_no_memory(r);
    if (!osp_rewriting_regex(r, "prune_from", r->q->prune_from, &re))
        return false;
    for (uint32_t i = 1; i < p->functions.n; i++)
        function[i] = r->name[i].n && matches_text(re, osp_pruning_name(r->name[i]));
    osp_regex_drop(re);
    for (uint32_t l = 0; l < p->locations.n; l++) {
        const osp_line *line = r->line + r->line_at[l];
        uint32_t k = 0;
        while (k < r->line_n[l] && !function[line[k].fn.i])
            k++;
        if (k == r->line_n[l])
            continue;
        r->v->cut[l] |= OSP_CUT_PRUNE_FROM;
        r->line_at[l] += k;
        r->line_n[l] -= k;
    }
    return true;
}

static bool leave_out_inlines(osp_rewriting *r)
{
    if (!r->q->no_inlines)
        return true;
    if (!touch_lines(r))
        return false;
    for (uint32_t l = 0; l < r->p->locations.n; l++)
        if (r->line_n[l] > 1) {
            r->line_at[l] += r->line_n[l] - 1;
            r->line_n[l] = 1;
        }
    return true;
}

/* ---- stacks --------------------------------------------------------------------------------------------------- */

/* From the root, but not before the first frame that stays: the rest from the first pruned frame to the leaf goes. */
static osp_stack prune(const uint8_t *cut, osp_stack s)
{
    bool found_user = false;
    for (uint32_t i = s.n; i > 0; i--) {
        const uint8_t what = cut[s.loc[i - 1].i] & (OSP_CUT_BENEATH | OSP_CUT_WHOLE);
        if (!what) {
            found_user = true;
        } else if (found_user) {
            const uint32_t gone = what & OSP_CUT_WHOLE ? i : i - 1;
            return (osp_stack){s.loc + gone, s.n - gone};
        }
    }
    return s;
}

/* The stack is in the view's own room. */
static osp_stack hide(const osp_view *v, osp_stack s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s.n; i++)
        if (!(v->cut[s.loc[i].i] & OSP_CUT_HIDDEN))
            v->room[n++] = s.loc[i];
    return (osp_stack){v->room, n};
}

static osp_stack from_outermost(const uint8_t *cut, osp_stack s)
{
    while (s.n > 0 && !(cut[s.loc[s.n - 1].i] & OSP_CUT_SHOW_FROM))
        s.n--;
    return s;
}

static osp_stack from_innermost(const uint8_t *cut, osp_stack s)
{
    for (uint32_t i = 0; i < s.n; i++)
        if (cut[s.loc[i].i] & OSP_CUT_PRUNE_FROM)
            return (osp_stack){s.loc + i, s.n - i};
    return s;
}

static osp_stack cut_down(const osp_view *v, osp_stack s)
{
    if (v->cuts & OSP_CUT_HIDDEN)
        s = hide(v, s);
    if (v->cuts & OSP_CUT_SHOW_FROM)
        s = from_outermost(v->cut, s);
    if (v->cuts & OSP_CUT_PRUNE_FROM)
        s = from_innermost(v->cut, s);
    return s;
}

static osp_stack pruned_stack(const osp_view *v, uint32_t id)
{
    const osp_stack s = osp_stack_read(v->of, (osp_stack_id){id}, v->room);
    return v->cuts & OSP_CUT_WHOLE ? prune(v->cut, s) : s;
}

osp_stack osp_view_stack(const osp_view *v, uint32_t id)
{
    const osp_stack s = pruned_stack(v, id);
    return v->cuts & ~(uint32_t)(OSP_CUT_BENEATH | OSP_CUT_WHOLE) ? cut_down(v, s) : s;
}

/* Do the filters on names leave nothing of a stack? */
static bool is_gone(const osp_view *v, uint32_t id)
{
    const osp_stack s = pruned_stack(v, id);
    uint8_t all = 0, hidden = OSP_CUT_HIDDEN;
    for (uint32_t i = 0; i < s.n; i++) {
        all |= v->cut[s.loc[i].i];
        hidden &= v->cut[s.loc[i].i];
    }
    if (v->cuts & OSP_CUT_FOCUSED && (all & (OSP_CUT_IGNORED | OSP_CUT_FOCUSED)) != OSP_CUT_FOCUSED)
        return true;
    if (v->cuts & OSP_CUT_HIDDEN && hidden)
        return true;
    return v->cuts & OSP_CUT_SHOW_FROM && cut_down(v, s).n == 0;
}

/* Room for stacks, and which of them go. */
static bool judge_stacks(osp_rewriting *r)
{
    osp_view *v = r->v;
    if (!osp_rewriting_room(r))
        return false;
    if (!(v->cuts & (OSP_CUT_FOCUSED | OSP_CUT_SHOW_FROM)))
        return true;
    r->gone = osp_new(r->a, uint8_t, v->nstack);
    for (uint32_t s = 0; r->gone && s < v->nstack; s++)
        r->gone[s] = is_gone(v, s);
    return r->gone || osp_rewriting_no_memory(r);
}

bool osp_rewriting_room(osp_rewriting *r)
{
    free(r->v->room);
    r->v->room = osp_stack_room(r->v->of);
    return r->v->room || osp_rewriting_no_memory(r);
}

/* ---- names and numbers ---------------------------------------------------------------------------------------- */

static bool readable_names(osp_rewriting *r)
{
    const osp_profile *p = r->p;
    osp_str *name = osp_new(r->a, osp_str, p->functions.n);
    if (!name)
        return osp_rewriting_no_memory(r);
    for (uint32_t i = 0; i < p->functions.n; i++) {
        const osp_function *f = &p->functions.row[i];
        name[i] = osp_text(p, f->name);
        if (!r->q->raw_names)
            name[i] = osp_readable_name(r->a, name[i], osp_text(p, f->linker_name), r->q);
    }
    r->name = name;
    return true;
}

typedef struct {
    int64_t all, base, all_divisor, base_divisor;
} sums;

typedef struct {
    const int64_t *value, *count;
    int64_t *weight, *divisor;
    uint8_t *live;
    uint32_t *row, nrow;
    sums total;
} folding;

static bool start_folding(osp_rewriting *r, folding *f)
{
    const osp_profile *p = r->p;
    f->value = p->samples.value[r->q->value];
    f->count = r->q->mean ? p->samples.value[0] : NULL;
    f->weight = osp_new(r->a, int64_t, p->stacks.n);
    f->divisor = f->count ? osp_new(r->a, int64_t, p->stacks.n) : NULL;
    f->live = osp_new(r->a, uint8_t, p->stacks.n);
    f->row = r->q->rows ? osp_new(r->a, uint32_t, p->samples.n) : NULL;
    return (f->weight && f->live && (f->divisor || !f->count) && (f->row || !r->q->rows)) ||
           osp_rewriting_no_memory(r);
}

/* The samples; returns what all of them, and what those that pass, have of OSP_LABEL_…. */
static void fold_samples(osp_rewriting *r, folding *f, uint8_t *reached, uint8_t *passed)
{
    const osp_profile *p = r->p;
    const bool relative = r->q->relative;
    for (uint32_t i = 0; i < p->samples.n; i++) {
        const uint32_t s = p->samples.stack[i].i;
        const uint8_t label = r->label_verdict ? r->label_verdict[p->samples.labels[i].i] : OSP_LABEL_FOCUSED;
        const int64_t w = f->value[i], dw = f->count ? f->count[i] : 0;
        bool gone = r->gone && r->gone[s];
        *reached |= gone ? 0 : label;
        gone |= (label & (OSP_LABEL_FOCUSED | OSP_LABEL_IGNORED)) != OSP_LABEL_FOCUSED;
        if (!gone || !relative) {
            osp_add(&f->total.all, osp_abs(w));
            osp_add(&f->total.all_divisor, dw);
            if (label & OSP_LABEL_BASE) {
                osp_add(&f->total.base, osp_abs(w));
                osp_add(&f->total.base_divisor, dw);
            }
        }
        if (gone)
            continue;
        *passed |= label;
        if (f->row)
            f->row[f->nrow++] = i;
        osp_add(&f->weight[s], w);
        f->live[s] |= w || dw;
        if (f->divisor)
            osp_add(&f->divisor[s], dw);
    }
}

static bool fold(osp_rewriting *r)
{
    osp_view *v = r->v;
    folding f = {0};
    uint8_t reached = 0, passed = 0;
    if (!start_folding(r, &f))
        return false;
    fold_samples(r, &f, &reached, &passed);
    const struct {
        bool given, matched;
        uint32_t bit;
    } filter[] = {
        {r->q->tag_focus.n, reached & OSP_LABEL_FOCUSED, OSP_TAG_FOCUS},
        {r->q->tag_ignore.n, reached & OSP_LABEL_IGNORED, OSP_TAG_IGNORE},
        {r->q->tag_show.n, passed & OSP_LABEL_SHOWN, OSP_TAG_SHOW},
        {r->q->tag_hide.n, passed & OSP_LABEL_HIDDEN, OSP_TAG_HIDE},
    };
    for (size_t i = 0; i < sizeof filter / sizeof *filter; i++)
        r->unmatched |= filter[i].given && !filter[i].matched ? filter[i].bit : 0;
    const sums *t = &f.total;
    v->row = f.row;
    v->nrow = f.nrow;
    v->weight = f.weight;
    v->divisor = f.divisor;
    v->live = f.live;
    v->total = t->base > 0 ? osp_mean(t->base, t->base_divisor) : osp_mean(t->all, t->all_divisor);
    return true;
}

/* ---- the view ------------------------------------------------------------------------------------------------- */

/* Lay the lines of locations that were cut down end to end again. */
bool osp_rewriting_close_gaps(osp_rewriting *r)
{
    const osp_profile *p = r->p;
    r->v->first_line = p->locations.first;
    r->v->line = p->locations.line;
    if (!r->line)
        return true;
    uint32_t *first = osp_new(r->a, uint32_t, (size_t)p->locations.n + 1), n = 0;
    if (!first)
        return osp_rewriting_no_memory(r);
    for (uint32_t l = 0; l < p->locations.n; l++) {
        first[l] = n;
        memmove(r->line + n, r->line + r->line_at[l], r->line_n[l] * sizeof *r->line);
        n += r->line_n[l];
    }
    first[p->locations.n] = n;
    r->v->first_line = first;
    r->v->line = r->line;
    return true;
}

bool osp_view_make(const osp_profile *p, const osp_query *q, osp_view *out, osp_err *err)
{
    *out = (osp_view){.of = p, .nstack = p->stacks.n, .notes = osp_buf_of(1 << 16)};
    if (q->value >= p->values.n)
        return osp_fail(err, OSP_EUSAGE, "the profile has no sample type %u", q->value);
    osp_arena_init(&out->arena, SIZE_MAX / 2);
    osp_rewriting r = {.p = p, .q = q, .v = out, .a = &out->arena, .err = err};
    bool ok = osp_rewriting_label_units(&r) && readable_names(&r) && drop_frames(&r) &&
              osp_rewriting_tag_frames(&r) && by_name(&r) && show_from(&r) && osp_rewriting_judge_labels(&r) &&
              prune_from(&r) && leave_out_inlines(&r) && judge_stacks(&r) && fold(&r) && osp_rewriting_close_gaps(&r);
    osp_label_units_drop(&r.units);
    out->name = r.name;
    out->unmatched = r.unmatched;
    if (!ok)
        osp_view_drop(out);
    return ok;
}

void osp_view_drop(osp_view *v)
{
    osp_buf_drop(&v->notes);
    osp_profile_drop(v->own);
    free(v->room);
    osp_arena_drop(&v->arena);
    *v = (osp_view){0};
}
