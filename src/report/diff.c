/* SPDX-License-Identifier: Apache-2.0 */
/* What changed between two profiles; report.h says how it is judged. */
#include "base/hash.h"
#include "report/report.h"

#include <math.h>
#include <stdlib.h>

/* A sum of values, and its variance. */
typedef struct {
    double value, variance;
} sum;

typedef struct {
    sum own[2], cum[2]; /* before, after */
    uint64_t seen;      /* the last stack that was added to cum: 1 + its number, over both profiles */
} row_sums;

typedef struct {
    osp_intern names;
    row_sums *row;
    size_t cap;
    osp_arena *arena;
    sum all[2];
    double events[2];
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

/* The rows of a profile's functions, and behind those of its mappings, for code without a name; UINT32_MAX: not asked yet. */
typedef struct {
    sums *to;
    const osp_view *v;
    uint32_t *row;
} rows;

static uint32_t row_of_frame(rows *r, uint32_t what)
{
    const osp_profile *p = r->v->of;
    if (r->row[what] != UINT32_MAX)
        return r->row[what];
    osp_str name;
    if (what < p->functions.n) {
        name = r->v->name[what];
    } else {
        osp_str file = osp_str_base(osp_text(p, p->mappings.row[what - p->functions.n].file));
        name = osp_arena_fmt(r->to->arena, "[%.*s]", STRF(file.n ? file : S("no name")));
    }
    return r->row[what] = row_of(r->to, name);
}

static void add(sum *to, sum what)
{
    to->value += what.value;
    to->variance += what.variance;
}

static bool add_stack(rows *r, uint32_t stack, unsigned side, sum what)
{
    const osp_view *v = r->v;
    const uint64_t mark = ++r->to->stacks;
    bool leaf = true;
    const osp_stack frames = osp_view_stack(v, stack);
    for (uint32_t i = 0; i < frames.n; i++) {
        uint32_t loc = frames.loc[i].i, first = v->first_line[loc], n = v->first_line[loc + 1] - first;
        for (uint32_t l = 0; l < (n ? n : 1); l++, leaf = false) {
            uint32_t what_frame = n ? v->line[first + l].fn.i : v->of->functions.n + v->of->locations.mapping[loc].i;
            uint32_t id = row_of_frame(r, what_frame);
            if (id == UINT32_MAX)
                return false;
            row_sums *row = &r->to->row[id];
            if (leaf)
                add(&row->own[side], what);
            if (row->seen != mark)
                add(&row->cum[side], what);
            row->seen = mark;
        }
    }
    return true;
}

/* Variances, and the sums over all samples, filtered or not. */
static void count_events(sums *s, const osp_view *v, const osp_query *q, unsigned side, double ratio, sum *stack)
{
    const osp_profile *p = v->of;
    const counting c = counting_of(p, q->value);
    const int64_t *value = p->samples.value[q->value];
    for (uint32_t i = 0; i < p->samples.n; i++) {
        double x = fabs((double)value[i]);
        if (x == 0)
            continue;
        double n = events_of(&c, i, x);
        add(&s->all[side], (sum){x * ratio, x * ratio * (x * ratio) / n});
        s->events[side] += n;
    }
    for (uint32_t k = 0; k < v->nrow; k++) {
        uint32_t i = v->row[k];
        double x = (double)value[i] * ratio;
        if (x != 0)
            add(&stack[p->samples.stack[i].i], (sum){x, x * x / events_of(&c, i, (double)value[i])});
    }
}

static bool add_profile(sums *s, const osp_profile *p, osp_query q, unsigned side, double ratio, uint32_t *unmatched,
                        osp_err *err)
{
    osp_view v;
    q.rows = true;
    if (!osp_view_make(p, &q, &v, err))
        return false;
    size_t nframe = (size_t)v.of->functions.n + v.of->mappings.n + 1;
    sum *stack = calloc((size_t)v.nstack + 1, sizeof *stack);
    rows r = {.to = s, .v = &v, .row = malloc(nframe * sizeof *r.row)};
    bool ok = stack && r.row;
    for (size_t i = 0; ok && i < nframe; i++)
        r.row[i] = UINT32_MAX;
    if (ok)
        count_events(s, &v, &q, side, ratio, stack);
    for (uint32_t i = 0; ok && i < v.nstack; i++)
        ok = stack[i].variance == 0 || add_stack(&r, i, side, stack[i]);
    *unmatched &= v.unmatched;
    free(r.row);
    free(stack);
    osp_view_drop(&v);
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
static double share_variance(sum part, sum all)
{
    double p = part.value / all.value, rest = all.variance - part.variance;
    return ((1 - p) * (1 - p) * part.variance + p * p * (rest > 0 ? rest : 0)) / (all.value * all.value);
}

/* The same if chance alone separated the two profiles: a share that both have in common, in events of a weight that they have
 * in common. It knows what share_variance cannot: that a profile of few events says little of what it lacks. */
static double pooled_variance(const sum part[2], const sum all[2])
{
    double value = fabs(part[0].value) + fabs(part[1].value), v = 0;
    if (value == 0)
        return 0;
    double weight = (part[0].variance + part[1].variance) / value;
    double p = value / (all[0].value + all[1].value);
    for (int side = 0; side < 2; side++) {
        sum expected = {p * all[side].value, p * all[side].value * weight};
        v += share_variance(expected, all[side]);
    }
    return v;
}

static osp_change judge(const sum part[2], const sum all[2], double width)
{
    osp_change c = {.before = part[0].value, .after = part[1].value};
    c.share_before = part[0].value / all[0].value;
    c.share_after = part[1].value / all[1].value;
    if (part[0].variance + part[1].variance > 0) {
        double apart = share_variance(part[0], all[0]) + share_variance(part[1], all[1]);
        c.error = width * sqrt(fmax(apart, pooled_variance(part, all)));
    }
    return c;
}

double osp_change_errors(const osp_change *c)
{
    double change = fabs(c->share_after - c->share_before);
    return c->error > 0 ? change / c->error : change > 0 ? HUGE_VAL : 0;
}

typedef struct {
    double errors, size; /* errors: 0 within the error */
    const osp_diff_row *row;
} sorted;

static int by_evidence(const void *a, const void *b)
{
    const sorted *x = a, *y = b;
    if (x->errors != y->errors)
        return x->errors > y->errors ? -1 : 1;
    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return osp_str_cmp(x->row->name, y->row->name);
}

static bool sort_rows(osp_diff *d, osp_err *err)
{
    osp_diff_row *row = osp_new(&d->arena, osp_diff_row, d->nrow + 1);
    sorted *order = calloc((size_t)d->nrow + 1, sizeof *order);
    if (!row || !order) {
        free(order);
        return osp_fail_memory(err, "comparing two profiles");
    }
    for (uint32_t i = 0; i < d->nrow; i++) {
        const osp_change *c = d->by_cum ? &d->row[i].cum : &d->row[i].own;
        double errors = osp_change_errors(c);
        order[i] = (sorted){errors > 1 ? errors : 0, fabs(c->share_after - c->share_before), &d->row[i]};
        d->ntold += errors > 1;
    }
    qsort(order, d->nrow, sizeof *order, by_evidence);
    for (uint32_t i = 0; i < d->nrow; i++)
        row[i] = *order[i].row;
    d->row = row;
    free(order);
    return true;
}

static bool finish(osp_diff *d, const sums *s, osp_err *err)
{
    uint32_t nown = 0;
    for (uint32_t i = 0; i < s->names.n; i++)
        nown += s->row[i].own[0].variance + s->row[i].own[1].variance > 0;
    d->width_own = width_of(nown);
    d->width_cum = width_of(s->names.n);
    d->nrow = s->names.n;
    d->row = osp_new(&d->arena, osp_diff_row, d->nrow + 1);
    if (!d->row)
        return osp_fail_memory(err, "comparing two profiles");
    for (uint32_t i = 0; i < d->nrow; i++) {
        const row_sums *r = &s->row[i];
        d->row[i] = (osp_diff_row){
            .name = s->names.text[i],
            .own = judge(r->own, s->all, d->width_own),
            .cum = judge(r->cum, s->all, d->width_cum),
            .fresh = r->cum[0].variance == 0,
            .gone = r->cum[1].variance == 0,
        };
    }
    return sort_rows(d, err);
}

static osp_diff_side side_of(const osp_profile *p, const sums *s, unsigned side)
{
    return (osp_diff_side){
        .total = s->all[side].value,
        .error = 1.96 * sqrt(s->all[side].variance),
        .events = s->events[side],
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
        if (ok && s.all[side].value == 0)
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
    if (!ok)
        osp_diff_drop(out);
    return ok;
}

void osp_diff_drop(osp_diff *d) { osp_arena_drop(&d->arena); }
