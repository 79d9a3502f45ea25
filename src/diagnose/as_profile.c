/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU samples of facts as a profile, so that every report and picture can be had of them, saved ones included. */
#include "diagnose/diagnose.h"

enum { LIMIT = 1 << 30, DEEPEST = 4096 };

static osp_location_id location(osp_builder *b, const osp_call *c)
{
    osp_line line = {.fn = osp_builder_function(b, c->func, c->func, c->file, 0), .line = c->line};
    osp_mapping_id mapping = osp_builder_mapping(b, 0, 0, 0, c->module, S(""), 0);
    return osp_builder_location(b, mapping, 0, &line, 1);
}

osp_profile *osp_facts_profile(const osp_facts *f, osp_err *err)
{
    osp_builder *b = osp_builder_new(LIMIT, err);
    if (!b)
        return NULL;
    osp_builder_value(b, S("samples"), S("count"));
    osp_builder_value(b, S("cpu"), S("nanoseconds"));
    double cpu_ns = f->sampled_cores * (double)f->window_ns;
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        osp_location_id loc[DEEPEST];
        uint32_t n = s->ncall < DEEPEST ? s->ncall : DEEPEST;
        for (uint32_t k = 0; k < n; k++)
            loc[k] = location(b, &s->call[k]);
        const int64_t value[] = {(int64_t)s->samples, (int64_t)(s->share * cpu_ns)};
        osp_builder_sample(b, osp_builder_stack(b, loc, n), osp_builder_labels(b, NULL, 0), value, 0);
    }
    osp_builder_head(b, &(osp_profile_head){.duration_ns = (int64_t)f->window_ns,
                                            .period_type = S("cpu"),
                                            .period_unit = S("nanoseconds"),
                                            .preferred = S("cpu")});
    return osp_builder_finish(b, err);
}
