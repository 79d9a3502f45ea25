/* SPDX-License-Identifier: Apache-2.0 */
/* Who allocates Go memory, by bytes: probes for a fifth of a second. */
#include "diagnose/section.h"

static void window(osp_watch *w, double seconds, osp_facts *f);
static void transfer(osp_archive *x, osp_facts *f);

const osp_section osp_section_go_allocs = {
    .name = "go allocs", .ask = OSP_ASK_GO_ALLOCS, .seconds = 0.5, .window = window, .transfer = transfer};

static void window(osp_watch *w, double seconds, osp_facts *f)
{
    osp_recording *rec;
    osp_profile *p;
    osp_alloc_fact *g = &f->go_allocs;
    if (!w->go || !osp_window_record(w, "go-allocs", seconds, &rec, &p) ||
        !osp_window_allocs(w, rec, p, "go-allocs", "go-alloc-bytes", g))
        return;
    g->known = true;
    for (uint32_t i = 0; i < g->n; i++)
        g->bytes_per_s += g->place[i].amount;
}

static void transfer(osp_archive *x, osp_facts *f) { osp_arc_allocs(x, &f->go_allocs); }
