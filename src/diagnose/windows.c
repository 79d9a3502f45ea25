/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings that facts stand on: made in windows, given names, kept as long as the facts. */
#include "diagnose/section.h"

#include "symbol/symbol.h"

void osp_observed_drop(osp_observed *o)
{
    for (uint32_t i = 0; i < OSP_RECORDINGS; i++) {
        osp_profile_drop(o->symbolised[i]);
        osp_recording_drop(&o->recording[i]);
    }
    *o = (osp_observed){0};
}

osp_profile *osp_keep_named(osp_observed *keep, const osp_recording *rec, osp_err *err)
{
    osp_symbol_sources from = {.object = rec->object, .nobject = rec->nobject, .jit = rec->jit, .this_kernel = true};
    osp_symbol_stats ignored;
    return keep->symbolised[keep->n++] = osp_symbolise(rec->profile, &from, &ignored, err);
}

bool osp_window_record(osp_watch *w, const char *events, double seconds, osp_recording **rec,
                       osp_profile **symbolised)
{
    osp_err ignored; /* what cannot be recorded here is not known */
    if (w->keep->n == OSP_RECORDINGS)
        return false;
    osp_sample_opts opts = {.pid = w->opts->pid,
                            .process = w->process,
                            .go = w->go,
                            .seconds = seconds,
                            .hz = w->opts->hz,
                            .no_bpf = w->opts->no_bpf,
                            .places = true,
                            .stop = w->opts->stop,
                            .objects = w->opts->objects};
    *rec = &w->keep->recording[w->keep->n];
    if (!osp_event_list_parse(osp_str_from(events), w->arena, &opts.events, &ignored))
        return false;
    opts.events.descriptors = true;
    if (!osp_record(&opts, *rec, &ignored))
        return false;
    *symbolised = osp_keep_named(w->keep, *rec, &ignored);
    return *symbolised != NULL;
}

bool osp_window_places(osp_watch *w, const osp_recording *rec, const osp_profile *p, const char *count,
                       const char *amount, osp_place_fact **row, uint32_t *n)
{
    osp_err ignored;
    osp_flat_stacks flat;
    double seconds = (double)rec->stats.duration_ns / 1e9;
    const int64_t *counts = osp_profile_column(p, osp_str_from(count));
    const int64_t *amounts = osp_profile_column(p, osp_str_from(amount));
    *row = osp_new(w->arena, osp_place_fact, p->samples.n + 1);
    *n = 0;
    if (!*row || seconds <= 0 || !counts || !osp_flatten(p, rec->object, rec->nobject, w->arena, &flat, &ignored))
        return false;
    for (uint32_t i = 0; i < p->samples.n; i++) {
        const osp_flat_stack *s = &flat.stack[p->samples.stack[i].i];
        (*row)[i] = (osp_place_fact){.call = flat.call + s->first,
                                     .ncall = s->n,
                                     .tid = (int)osp_label_number(p, p->samples.labels[i], S("tid")),
                                     .goid = (uint64_t)osp_label_number(p, p->samples.labels[i], S("goroutine")),
                                     .count = (double)counts[i] / seconds,
                                     .amount = amounts ? (double)amounts[i] / seconds : 0,
                                     .in = osp_domain_of(flat.call + s->first, s->n, false)};
    }
    *n = p->samples.n;
    return true;
}

void osp_window_events(osp_watch *w, const osp_window_of *of, double seconds, osp_event_facts *out)
{
    osp_recording *rec;
    osp_profile *p;
    if (!osp_window_record(w, of->events, seconds, &rec, &p) ||
        !osp_window_places(w, rec, p, of->count, of->amount, &out->place, &out->nplace))
        return;
    out->known = true;
    out->seconds = (double)rec->stats.duration_ns / 1e9;
    for (uint32_t i = 0; i < out->nplace; i++) {
        out->per_s += out->place[i].count;
        out->place[i].name = osp_label_text(p, p->samples.labels[i], osp_str_from(of->name));
        out->place[i].label = osp_label_text(p, p->samples.labels[i], osp_str_from(of->label));
    }
}
