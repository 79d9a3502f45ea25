/* SPDX-License-Identifier: Apache-2.0 */
/* proto: what the query leaves of the profile, as a profile. */
#include "report/head.h"

/* -divide_by holds for the values, towards zero. */
static bool divide(osp_shown_profile *s, double divide_by)
{
    const double ratio = 1 / divide_by;
    osp_profile *p = &s->p;
    if (!(ratio > 0) || ratio == 1)
        return true;
    const int64_t **value = osp_new(&s->view.arena, const int64_t *, p->values.n);
    for (uint32_t t = 0; value && t < p->values.n; t++) {
        int64_t *divided = osp_new(&s->view.arena, int64_t, p->samples.n);
        if (!divided)
            return false;
        for (uint32_t i = 0; i < p->samples.n; i++)
            divided[i] = osp_int_of((double)p->samples.value[t][i] * ratio);
        value[t] = divided;
    }
    p->samples.value = value;
    return value;
}

static bool write_proto(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err)
{
    osp_shown_profile s;
    if (!osp_shown_profile_make(p, o, &s, out, err))
        return false;
    bool ok = (divide(&s, o->divide_by) || osp_fail_memory(err, "dividing values")) &&
              osp_write_profile(&s.p, &out->text, err);
    osp_shown_profile_drop(&s);
    return ok;
}

const osp_report osp_report_proto = {
    .name = "proto",
    .summary = "the profile as the filters leave it, in pprof's format",
    .ending = "pb.gz",
    .untrimmed = true,
    .own_granularity = true,
    .granularity = OSP_BY_ADDRESS,
    .write = write_proto,
};
