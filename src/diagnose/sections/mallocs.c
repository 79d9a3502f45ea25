/* SPDX-License-Identifier: Apache-2.0 */
/* Who allocates native memory, and what of it is not freed: probes for two windows of a fifth of a second. */
#include "diagnose/section.h"

static void window(osp_watch *w, double seconds, osp_facts *f);
static void transfer(osp_archive *x, osp_facts *f);

const osp_section osp_section_mallocs = {
    .name = "mallocs", .ask = OSP_ASK_MALLOC, .seconds = 1.5, .window = window, .transfer = transfer};

/* Rates are of the windows, not of the whole recording. */
bool osp_window_allocs(osp_watch *w, const osp_recording *rec, const osp_profile *p, const char *count,
                       const char *amount, osp_alloc_fact *out)
{
    const osp_alloc_stats *s = &rec->stats.alloc;
    if (!s->windows_ns || !osp_window_places(w, rec, p, count, amount, &out->place, &out->n))
        return false;
    const double more = (double)rec->stats.duration_ns / (double)s->windows_ns;
    out->seconds = (double)s->windows_ns / 1e9;
    out->full = s->full;
    for (uint32_t i = 0; i < out->n; i++) {
        out->place[i].count *= more;
        out->place[i].amount *= more;
        out->count_per_s += out->place[i].count;
    }
    return true;
}

static void window(osp_watch *w, double seconds, osp_facts *f)
{
    osp_recording *rec;
    osp_profile *p;
    osp_alloc_fact *m = &f->mallocs;
    if (!osp_window_record(w, "malloc", seconds, &rec, &p) ||
        !osp_window_allocs(w, rec, p, "malloc", "unfreed-bytes", m))
        return;
    m->known = true;
    const int64_t *bytes = osp_profile_column(p, S("malloc-bytes"));
    for (uint32_t i = 0; i < m->n; i++) {
        m->unfreed_per_s += m->place[i].amount;
        m->bytes_per_s += bytes ? (double)bytes[i] / m->seconds : 0;
    }
}

void osp_arc_allocs(osp_archive *x, osp_alloc_fact *a)
{
    osp_arc(x, &a->known);
    osp_arc(x, &a->seconds);
    osp_arc(x, &a->count_per_s);
    osp_arc(x, &a->bytes_per_s);
    osp_arc(x, &a->unfreed_per_s);
    osp_arc(x, &a->full);
    OSP_ARC_ROWS(x, &a->place, &a->n, osp_arc_place);
}

static void transfer(osp_archive *x, osp_facts *f) { osp_arc_allocs(x, &f->mallocs); }
