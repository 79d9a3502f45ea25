/* SPDX-License-Identifier: Apache-2.0 */
/* What changed between two profiles; report.h says how it is judged. */
#include "report/diff.h"
#include "base/hash.h"

#include <math.h>
#include <stdlib.h>

typedef struct {
    osp_diff_sum own[2], cum[2]; /* before, after */
    uint64_t seen;               /* the last stack that was added to cum: 1 + its number, over both profiles */
} row_sums;

typedef struct {
    osp_intern names;
    row_sums *row;
    size_t cap;
    osp_arena *arena;
    osp_diff_half half[2];
    uint64_t stacks; /* done so far */
} sums;

/* ---- events behind values ------------------------------------------------------------------------------------- */

/* How to find the number of events behind a value of one sample type. */
typedef struct {
    const int64_t *count; /* a column of counts; NULL: there is none */
    const int64_t *bytes; /* with a sampling rate: sizes beside the counts, which were scaled up by it */
    double period;        /* 0: not known, or of something else */
} counting;

static bool counts(const osp_profile *p, uint32_t t)
{
    return t < p->values.n && osp_str_eq(osp_text(p, p->values.type[t].unit), S("count"));
}

static counting counting_of(const osp_profile *p, uint32_t t)
{
    counting c = {0};
    uint32_t by = counts(p, t) ? t : t > 0 && counts(p, t - 1) ? t - 1 : counts(p, 0) ? 0 : UINT32_MAX;
    osp_str unit = osp_text(p, p->values.type[t].unit), period = osp_text(p, p->period_type.unit);
    if (by != UINT32_MAX)
        c.count = p->samples.value[by];
    if (p->period > 0 && osp_units_compatible(unit, period))
        c.period = (double)p->period;
    if (c.count && p->period > 1 && osp_str_eq(period, S("bytes")) && by + 1 < p->values.n &&
        osp_str_eq(osp_text(p, p->values.type[by + 1].unit), S("bytes"))) {
        c.bytes = p->samples.value[by + 1];
        c.period = (double)p->period;
    }
    return c;
}

/* At least one: there is a value. */
static double events_of(const counting *c, uint32_t row, double value)
{
    double n = c->count ? fabs((double)c->count[row]) : c->period > 0 ? fabs(value) / c->period : 1;
    if (c->bytes && n > 0) /* an object of `size` bytes was seen with this probability, and counted as its inverse */
        n *= -expm1(-fabs((double)c->bytes[row]) / n / c->period);
    return n > 1 ? n : 1;
}

/* ---- sums ----------------------------------------------------------------------------------------------------- */

/* The row of that name; UINT32_MAX without memory. */
static uint32_t row_of(sums *s, osp_str name)
{
    bool fresh;
    void *all = s->row;
    uint32_t id = osp_intern_put(&s->names, name, &fresh);
    if (id == UINT32_MAX || !fresh)
        return id;
    s->names.text[id] = osp_arena_str(s->arena, name);
    if (!s->names.text[id].p || !osp_grow(&all, &s->cap, (size_t)id + 1, sizeof *s->row))
        return UINT32_MAX;
    s->row = all;
    s->row[id] = (row_sums){0};
    return id;
}

osp_diff_frames osp_diff_frames_of(const osp_diff_half *h, uint32_t stack)
{
    return (osp_diff_frames){.half = h, .stack = osp_view_stack(&h->view, stack)};
}

bool osp_diff_next(osp_diff_frames *f, uint32_t *what)
{
    const osp_view *v = &f->half->view;
    if (f->at == f->stack.n)
        return false;
    const uint32_t loc = f->stack.loc[f->at].i, first = v->first_line[loc], n = v->first_line[loc + 1] - first;
    *what = n ? v->line[first + f->line].fn.i : v->of->functions.n + v->of->locations.mapping[loc].i;
    if (++f->line >= n) {
        f->line = 0;
        f->at++;
    }
    return true;
}

/* The row of what stands at that index of half->row[]; UINT32_MAX without memory. */
static uint32_t row_of_frame(sums *s, osp_diff_half *h, uint32_t what)
{
    const osp_profile *p = h->view.of;
    if (h->row[what] != UINT32_MAX)
        return h->row[what];
    osp_str name;
    if (what < p->functions.n) {
        name = h->view.name[what];
    } else {
        osp_str file = osp_str_base(osp_text(p, p->mappings.row[what - p->functions.n].file));
        name = osp_arena_fmt(s->arena, "[%.*s]", STRF(file.n ? file : S("no name")));
    }
    return h->row[what] = row_of(s, name);
}

static bool add_stack(sums *s, unsigned side, uint32_t stack)
{
    osp_diff_half *h = &s->half[side];
    osp_diff_frames f = osp_diff_frames_of(h, stack);
    const uint64_t mark = ++s->stacks;
    uint32_t what;
    for (bool leaf = true; osp_diff_next(&f, &what); leaf = false) {
        const uint32_t id = row_of_frame(s, h, what);
        if (id == UINT32_MAX)
            return false;
        row_sums *row = &s->row[id];
        if (leaf)
            osp_diff_add(&row->own[side], h->stack[stack]);
        if (row->seen != mark)
            osp_diff_add(&row->cum[side], h->stack[stack]);
        row->seen = mark;
    }
    return true;
}

/* Variances, and the sums over all samples, filtered or not. */
static void count_events(osp_diff_half *h, const osp_query *q, double ratio)
{
    const osp_view *v = &h->view;
    const osp_profile *p = v->of;
    const counting c = counting_of(p, q->value);
    const int64_t *value = p->samples.value[q->value];
    for (uint32_t i = 0; i < p->samples.n; i++) {
        double x = fabs((double)value[i]);
        if (x == 0)
            continue;
        double n = events_of(&c, i, x);
        osp_diff_add(&h->all, (osp_diff_sum){x * ratio, x * ratio * (x * ratio) / n});
        h->events += n;
    }
    for (uint32_t k = 0; k < v->nrow; k++) {
        uint32_t i = v->row[k];
        double x = (double)value[i] * ratio;
        if (x != 0)
            osp_diff_add(&h->stack[p->samples.stack[i].i],
                         (osp_diff_sum){x, x * x / events_of(&c, i, (double)value[i])});
    }
}

static bool add_profile(sums *s, const osp_profile *p, osp_query q, unsigned side, double ratio, uint32_t *unmatched,
                        osp_err *err)
{
    osp_diff_half *h = &s->half[side];
    osp_view *v = &h->view;
    q.rows = true;
    if (!osp_view_make(p, &q, v, err))
        return false;
    const size_t nwhat = (size_t)v->of->functions.n + v->of->mappings.n + 1;
    h->stack = calloc((size_t)v->nstack + 1, sizeof *h->stack);
    h->row = malloc(nwhat * sizeof *h->row);
    bool ok = h->stack && h->row;
    for (size_t i = 0; ok && i < nwhat; i++)
        h->row[i] = UINT32_MAX;
    if (ok)
        count_events(h, &q, ratio);
    for (uint32_t i = 0; ok && i < v->nstack; i++)
        ok = h->stack[i].variance == 0 || add_stack(s, side, i);
    *unmatched &= v->unmatched;
    return ok || osp_fail_memory(err, "comparing two profiles");
}

/* ---- judgement ------------------------------------------------------------------------------------------------ */

/* How many standard errors of n independent numbers leave all of them inside 19 times of 20. */
static double width_of(uint32_t n)
{
    double lo = 0, hi = 40, chance = -expm1(log(0.95) / (n ? n : 1));
    for (int i = 0; i < 64; i++) {
        double mid = (lo + hi) / 2;
        if (erfc(mid / sqrt(2)) > chance)
            lo = mid;
        else
            hi = mid;
    }
    return hi;
}

/* Variance of the share that `part` is of `all`. */
static double share_variance(osp_diff_sum part, osp_diff_sum all)
{
    double p = part.value / all.value, rest = all.variance - part.variance;
    return ((1 - p) * (1 - p) * part.variance + p * p * (rest > 0 ? rest : 0)) / (all.value * all.value);
}

/* The same if chance alone separated the two profiles: a share that both have in common, in events of a weight that they have
 * in common. It knows what share_variance cannot: that a profile of few events says little of what it lacks. */
static double pooled_variance(const osp_diff_sum part[2], const osp_diff_half half[2])
{
    double value = fabs(part[0].value) + fabs(part[1].value), v = 0;
    if (value == 0)
        return 0;
    double weight = (part[0].variance + part[1].variance) / value;
    double p = value / (half[0].all.value + half[1].all.value);
    for (int side = 0; side < 2; side++) {
        const osp_diff_sum all = half[side].all, expected = {p * all.value, p * all.value * weight};
        v += share_variance(expected, all);
    }
    return v;
}

osp_change osp_diff_judge(const osp_diff_sum part[2], const osp_diff_half half[2], double width)
{
    osp_change c = {.before = part[0].value, .after = part[1].value};
    c.share_before = part[0].value / half[0].all.value;
    c.share_after = part[1].value / half[1].all.value;
    if (part[0].variance + part[1].variance > 0) {
        double apart = share_variance(part[0], half[0].all) + share_variance(part[1], half[1].all);
        c.error = width * sqrt(fmax(apart, pooled_variance(part, half)));
    }
    return c;
}

double osp_change_errors(const osp_change *c)
{
    double change = fabs(c->share_after - c->share_before);
    return c->error > 0 ? change / c->error : change > 0 ? HUGE_VAL : 0;
}

typedef enum { TOLD, CALLER, REST } group;

typedef struct {
    group group;
    double errors, size; /* errors: 0 in the rest */
    const osp_diff_row *row;
} sorted;

static int by_evidence(const void *a, const void *b)
{
    const sorted *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    if (x->errors != y->errors)
        return x->errors > y->errors ? -1 : 1;
    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return osp_str_cmp(x->row->name, y->row->name);
}

static bool sort_rows(osp_diff *d, const uint8_t *told, const uint8_t *caller, osp_err *err)
{
    osp_diff_row *row = osp_new(&d->arena, osp_diff_row, d->nrow + 1);
    sorted *order = calloc((size_t)d->nrow + 1, sizeof *order);
    if (!row || !order) {
        free(order);
        return osp_fail_memory(err, "comparing two profiles");
    }
    for (uint32_t i = 0; i < d->nrow; i++) {
        const osp_change *c = d->by_cum || caller[i] ? &d->row[i].cum : &d->row[i].own;
        const group g = told[i] ? TOLD : caller[i] ? CALLER : REST;
        order[i] =
            (sorted){g, g == REST ? 0 : osp_change_errors(c), fabs(c->share_after - c->share_before), &d->row[i]};
    }
    qsort(order, d->nrow, sizeof *order, by_evidence);
    for (uint32_t i = 0; i < d->nrow; i++)
        row[i] = *order[i].row;
    d->row = row;
    free(order);
    return true;
}

/* How many different numbers are judged: of a function that calls nothing, its own is also its cum. */
static uint32_t count_judged(const sums *s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->names.n; i++) {
        const row_sums *r = &s->row[i];
        const bool own = r->own[0].variance + r->own[1].variance > 0;
        const bool calls = r->own[0].variance != r->cum[0].variance || r->own[1].variance != r->cum[1].variance;
        n += own + calls;
    }
    return n;
}

static bool tell(osp_diff *d, const sums *s, uint8_t *told, uint8_t *caller, osp_err *err)
{
    for (uint32_t i = 0; i < d->nrow; i++) {
        const row_sums *r = &s->row[i];
        d->row[i] = (osp_diff_row){
            .name = s->names.text[i],
            .own = osp_diff_judge(r->own, s->half, d->width),
            .cum = osp_diff_judge(r->cum, s->half, d->width),
            .fresh = r->cum[0].variance == 0,
            .gone = r->cum[1].variance == 0,
        };
        told[i] = osp_change_errors(d->by_cum ? &d->row[i].cum : &d->row[i].own) > 1;
        d->ntold += told[i];
    }
    return (d->by_cum || osp_diff_callers(d, s->half, told, caller, err)) && sort_rows(d, told, caller, err);
}

static bool finish(osp_diff *d, const sums *s, osp_err *err)
{
    d->width = width_of(count_judged(s));
    d->nrow = s->names.n;
    d->row = osp_new(&d->arena, osp_diff_row, d->nrow + 1);
    uint8_t *told = calloc((size_t)d->nrow + 1, 1), *caller = calloc((size_t)d->nrow + 1, 1);
    const bool ok =
        d->row && told && caller ? tell(d, s, told, caller, err) : osp_fail_memory(err, "comparing two profiles");
    free(told);
    free(caller);
    return ok;
}

static osp_diff_side side_of(const osp_profile *p, const sums *s, unsigned side)
{
    return (osp_diff_side){
        .total = s->half[side].all.value,
        .error = 1.96 * sqrt(s->half[side].all.variance),
        .events = s->half[side].events,
        .seconds = p->duration_ns > 0 ? (double)p->duration_ns / 1e9 : 0,
    };
}

/* Choose the sample type of both; *ratio: from the unit of the first into that of the second. */
static bool choose(const osp_profile *p[2], osp_str type, osp_query q[2], double *ratio, osp_err *err)
{
    osp_str unit[2], ignored;
    if (p[0]->values.n == 0 || p[1]->values.n == 0)
        return osp_fail(err, OSP_EABSENT, "the %s profile has no sample types", p[0]->values.n ? "second" : "first");
    if (!osp_sample_index(p[1], type, &q[1].value, err))
        return osp_fail_in(err, "the second profile");
    osp_str name = osp_text(p[1], p[1]->values.type[q[1].value].type);
    if (!osp_sample_index(p[0], name, &q[0].value, err))
        return osp_fail_in(err, "the first profile");
    for (int side = 0; side < 2; side++)
        unit[side] = osp_text(p[side], p[side]->values.type[q[side].value].unit);
    if (!osp_str_eq(unit[0], unit[1]) && !osp_units_compatible(unit[0], unit[1]))
        return osp_fail(err, OSP_EUSAGE, "%.*s is in %.*s before and in %.*s after; they cannot be compared",
                        STRF(name), STRF(unit[0]), STRF(unit[1]));
    *ratio = osp_str_eq(unit[0], unit[1]) ? 1 : osp_scale(1000000000000, unit[0], unit[1], &ignored) / 1e12;
    return true;
}

bool osp_diff_make(const osp_profile *before, const osp_profile *after, const osp_diff_opts *o, osp_diff *out,
                   osp_err *err)
{
    const osp_profile *p[2] = {before, after};
    osp_query q[2] = {o->before, o->after};
    double ratio[2] = {1, 1};
    *out = (osp_diff){.by_cum = o->by_cum, .unmatched = UINT32_MAX};
    osp_arena_init(&out->arena, SIZE_MAX / 2);
    sums s = {.arena = &out->arena};
    bool ok = choose(p, o->type, q, &ratio[0], err);
    for (unsigned side = 0; ok && side < 2; side++) {
        ok = add_profile(&s, p[side], q[side], side, ratio[side], &out->unmatched, err);
        if (ok && s.half[side].all.value == 0)
            ok = osp_fail(err, OSP_EABSENT, "the %s profile is empty: there is nothing to compare",
                          side ? "second" : "first");
    }
    if (ok) {
        osp_value_type t = after->values.type[q[1].value];
        out->type = osp_arena_str(&out->arena, osp_text(after, t.type));
        out->unit = osp_arena_str(&out->arena, osp_text(after, t.unit));
        out->before = side_of(before, &s, 0);
        out->after = side_of(after, &s, 1);
        out->rates = out->before.seconds > 0 && out->after.seconds > 0 && !osp_str_starts(out->type, S("inuse"));
        ok = (out->type.p && out->unit.p) || osp_fail_memory(err, "comparing two profiles");
    }
    ok = ok && finish(out, &s, err);
    osp_intern_drop(&s.names);
    free(s.row);
    for (int side = 0; side < 2; side++) {
        free(s.half[side].row);
        free(s.half[side].stack);
        osp_view_drop(&s.half[side].view);
    }
    if (!ok)
        osp_diff_drop(out);
    return ok;
}

void osp_diff_drop(osp_diff *d) { osp_arena_drop(&d->arena); }
