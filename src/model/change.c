/* SPDX-License-Identifier: Apache-2.0 */
/* The same profile with other values or labels: what sums and differences are made of (profile/profile.go). */
#include "model/model_internal.h"

#include <stdlib.h>

/* ---- values --------------------------------------------------------------------------------------------------- */

bool osp_ratios_scale(const double *ratio, uint32_t n)
{
    for (uint32_t t = 0; t < n; t++)
        if (ratio[t] != 1)
            return true;
    return false;
}

/* Columns of its own for as many samples as there are. */
static bool own_samples(osp_profile *p, int64_t ***value)
{
    const osp_profile *of = p->shares;
    const uint32_t n = of->samples.n;
    osp_stack_id *stack = osp_new(&p->arena, osp_stack_id, n);
    osp_labelset_id *labels = osp_new(&p->arena, osp_labelset_id, n);
    *value = osp_new(&p->arena, int64_t *, of->values.n);
    if (!stack || !labels || !*value)
        return false;
    for (uint32_t t = 0; t < of->values.n; t++)
        if (!((*value)[t] = osp_new(&p->arena, int64_t, n)))
            return false;
    if (of->samples.time_ns && !(p->samples.time_ns = osp_new(&p->arena, int64_t, n)))
        return false;
    p->samples.stack = stack;
    p->samples.labels = labels;
    p->samples.value = (const int64_t *const *)*value;
    return true;
}

static void scale_samples(osp_profile *p, int64_t **value, const double *ratio)
{
    const osp_profile *of = p->shares;
    uint32_t n = 0;
    for (uint32_t i = 0; i < of->samples.n; i++) {
        bool stays = false;
        for (uint32_t t = 0; t < of->values.n; t++) {
            value[t][n] = osp_times(of->samples.value[t][i], ratio[t]);
            stays |= ratio[t] != 1 && value[t][n];
        }
        if (!stays)
            continue;
        ((osp_stack_id *)p->samples.stack)[n] = of->samples.stack[i];
        ((osp_labelset_id *)p->samples.labels)[n] = of->samples.labels[i];
        if (of->samples.time_ns)
            ((int64_t *)p->samples.time_ns)[n] = of->samples.time_ns[i];
        n++;
    }
    p->samples.n = n;
}

osp_profile *osp_profile_scaled(const osp_profile *of, const double *ratio, osp_err *err)
{
    static const char doing[] = "scaling a profile";
    osp_profile *p = osp_profile_borrow(of, doing, err);
    int64_t **value;
    if (!p || !osp_ratios_scale(ratio, of->values.n))
        return p;
    if (!own_samples(p, &value)) {
        osp_profile_drop(p);
        osp_fail_memory(err, doing);
        return NULL;
    }
    scale_samples(p, value, ratio);
    return p;
}

static int64_t sum_of(const osp_profile *p, uint32_t type)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < p->samples.n; i++)
        osp_add(&sum, p->samples.value[type][i]);
    return sum;
}

static bool same_type(const osp_profile *a, osp_value_type x, const osp_profile *b, osp_value_type y)
{
    return osp_str_eq(osp_text(a, x.type), osp_text(b, y.type)) &&
           osp_str_eq(osp_text(a, x.unit), osp_text(b, y.unit));
}

static bool same_types(const osp_profile *a, const osp_profile *b, osp_err *err)
{
    const osp_value_type x = a->period_type, y = b->period_type;
    if (!same_type(a, x, b, y)) /* in the peer's words */
        return osp_fail(err, OSP_EFORMAT, "incompatible period types &{%.*s %.*s 0 0} and &{%.*s %.*s 0 0}",
                        STRF(osp_text(a, x.type)), STRF(osp_text(a, x.unit)), STRF(osp_text(b, y.type)),
                        STRF(osp_text(b, y.unit)));
    bool same = a->values.n == b->values.n;
    for (uint32_t t = 0; same && t < a->values.n; t++)
        same = same_type(a, a->values.type[t], b, b->values.type[t]);
    return same || osp_fail(err, OSP_EFORMAT, "incompatible sample types");
}

osp_profile *osp_profile_normalized(const osp_profile *of, const osp_profile *base, osp_err *err)
{
    if (!same_types(of, base, err))
        return NULL;
    double *ratio = calloc((size_t)of->values.n + 1, sizeof *ratio);
    if (!ratio) {
        osp_fail_memory(err, "normalizing a profile");
        return NULL;
    }
    for (uint32_t t = 0; t < of->values.n; t++) {
        int64_t ours = sum_of(of, t);
        ratio[t] = ours ? (double)sum_of(base, t) / (double)ours : 0;
    }
    osp_profile *p = osp_profile_scaled(of, ratio, err);
    free(ratio);
    return p;
}

/* ---- labels --------------------------------------------------------------------------------------------------- */

/* Every label set behind row 0, which stays the empty one: old row i is the new row i + 1. */
static bool label_sets(osp_profile *p, osp_str key, osp_label with)
{
    const osp_profile *of = p->shares;
    const uint32_t n = of->labelsets.n;
    uint64_t most = (uint64_t)(n ? of->labelsets.first[n] : 0) + n;
    if (most >= UINT32_MAX || n >= UINT32_MAX - 1)
        return false;
    uint32_t *first = osp_new(&p->arena, uint32_t, (size_t)n + 2), at = 0;
    osp_label *label = osp_new(&p->arena, osp_label, (size_t)most);
    if (!first || !label)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        first[i + 1] = at;
        for (uint32_t k = of->labelsets.first[i]; k < of->labelsets.first[i + 1]; k++) {
            const osp_label *l = &of->labelsets.label[k];
            if (!l->str.i || !osp_str_eq(osp_text(of, l->key), key))
                label[at++] = *l;
        }
        label[at++] = with;
    }
    first[n + 1] = at;
    p->labelsets.n = n + 1;
    p->labelsets.first = first;
    p->labelsets.label = label;
    return true;
}

osp_profile *osp_profile_with_label(const osp_profile *of, osp_str key, osp_str text, osp_err *err)
{
    static const char doing[] = "labelling a profile";
    osp_profile *p = osp_profile_borrow(of, doing, err);
    if (!p)
        return NULL;
    osp_labelset_id *labels = osp_new(&p->arena, osp_labelset_id, of->samples.n);
    bool ok = labels && osp_profile_widen_strings(p, 2);
    if (ok) {
        osp_label with = {.key = osp_profile_add_string(p, key), .str = osp_profile_add_string(p, text)};
        ok = with.key.i && with.str.i && label_sets(p, key, with);
    }
    if (!ok) {
        osp_profile_drop(p);
        osp_fail_memory(err, doing);
        return NULL;
    }
    for (uint32_t i = 0; i < of->samples.n; i++)
        labels[i].i = of->samples.labels[i].i + 1;
    p->samples.labels = labels;
    return p;
}
