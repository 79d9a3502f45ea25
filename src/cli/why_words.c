/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/why_words.h"

#include <math.h>
#include <string.h>

osp_str osp_evidence_value(osp_arena *a, const osp_evidence *e)
{
    double v = e->value;
    if (osp_str_eq(e->unit, S("routine")) || osp_str_eq(e->unit, S("source")))
        return S("–");
    if (osp_str_eq(e->unit, S("goroutine id")))
        return osp_arena_fmt(a, "goroutine %.0f", v);
    if (osp_str_eq(e->unit, S("s")) || osp_str_eq(e->unit, S("bits")))
        return osp_arena_fmt(a, "%.1f %.*s", v, STRF(e->unit));
    if (v >= 999500)
        return osp_arena_fmt(a, "%.1f M %.*s", v / 1e6, STRF(e->unit));
    if (v >= 9999.5)
        return osp_arena_fmt(a, "%.0f k %.*s", v / 1e3, STRF(e->unit));
    return osp_arena_fmt(a, v > 0 && v < 9.95 && v != floor(v) ? "%.1f %.*s" : "%.0f %.*s", v, STRF(e->unit));
}

static bool topic_found(const osp_findings *found, const char *topic)
{
    for (uint32_t i = 0; i < found->n; i++) {
        const osp_rule *r = osp_rule_of(&found->row[i]);
        if (r && !strcmp(r->topic, topic))
            return true;
    }
    return false;
}

/* What is about Go says nothing of a program without it. */
osp_str osp_ruled_out(const osp_facts *f, const osp_findings *found)
{
    osp_arena *a = f->arena;
    osp_str text = S("");
    if (f->from_files || f->unsampled.n) /* most rules could not see what they judge by */
        return text;
    for (const osp_rule *const *r = osp_rules; *r; r++) {
        bool said = topic_found(found, (*r)->topic) || ((*r)->only_go && !f->is_go);
        for (const osp_rule *const *q = osp_rules; q < r && !said; q++)
            said = !strcmp((*q)->topic, (*r)->topic) && (f->is_go || !(*q)->only_go);
        if (!said)
            text = osp_arena_fmt(a, "%.*s%s%s", STRF(text), text.n ? " · " : "", (*r)->topic);
    }
    return text;
}

osp_str osp_completeness(const osp_facts *f)
{
    osp_arena *a = f->arena;
    const osp_sample_stats *t = &f->sampling;
    double named = floor(1000 * (1 - f->unsymbolised)) / 10; /* never rounds up to "all" */
    osp_str text = t->taken ? osp_arena_fmt(a, "%llu samples (10 ± %.1f %%)", (unsigned long long)t->taken,
                                            osp_sample_error_pct(t))
                            : S("0 samples");
    if (t->taken && t->ended[OSP_END_ROOT] == t->taken && named == 100) {
        text = osp_arena_fmt(a, "%.*s, all whole and named", STRF(text));
    } else if (t->taken) {
        text = osp_arena_fmt(a, "%.*s, %llu whole", STRF(text), (unsigned long long)t->ended[OSP_END_ROOT]);
        for (int i = 1; i < OSP_END_REASONS; i++)
            if (t->ended[i])
                text = osp_arena_fmt(a, "%.*s, %llu cut: %s", STRF(text), (unsigned long long)t->ended[i],
                                     osp_unwind_end_text((osp_unwind_end)i));
        text = osp_arena_fmt(a, "%.*s, %.*f %% of frames named", STRF(text), named == 100 ? 0 : 1, named);
    }
    return osp_arena_fmt(a, "%.*s, %llu lost, paused 0 ms", STRF(text), (unsigned long long)t->lost);
}

double osp_rss_mb(const osp_moment *m) { return (double)m->usage.rss_bytes / 1e6; }
double osp_goroutines_at(const osp_moment *m) { return (double)m->goroutines; }
double osp_threads_at(const osp_moment *m) { return m->usage.threads; }
double osp_fds_at(const osp_moment *m) { return m->usage.fds == UINT32_MAX ? 0 : m->usage.fds; }
