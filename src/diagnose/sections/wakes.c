/* SPDX-License-Identifier: Apache-2.0 */
/* Which threads wake which, in a short window. */
#include "diagnose/section.h"

#include <stdlib.h>

static void window(osp_watch *w, double seconds, osp_facts *f);
static void transfer(osp_archive *x, osp_facts *f);

const osp_section osp_section_wakes = {
    .name = "wakes", .ask = OSP_ASK_WAKES, .seconds = 0.3, .window = window, .transfer = transfer};

enum { ROWS = 64 };

static int more_first(const void *a, const void *b)
{
    const osp_wake *x = a, *y = b;
    return (x->count < y->count) - (x->count > y->count);
}

static void window(osp_watch *w, double seconds, osp_facts *f)
{
    osp_recording *rec;
    osp_profile *p;
    osp_flat_stacks flat;
    osp_err ignored; /* without memory nothing is known of them */
    osp_wake_facts *out = &f->wakes;
    if (!osp_window_record(w, "wakeups", seconds, &rec, &p) ||
        !osp_flatten(p, rec->object, rec->nobject, f->arena, &flat, &ignored))
        return;
    double s = (double)rec->stats.duration_ns / 1e9;
    uint32_t n = rec->nwake < ROWS ? rec->nwake : ROWS;
    osp_wake_fact *row = osp_new(f->arena, osp_wake_fact, n + 1);
    if (!row || s <= 0)
        return;
    if (rec->nwake)
        qsort(rec->wake, rec->nwake, sizeof *rec->wake, more_first);
    for (uint32_t i = 0; i < rec->nwake; i++)
        out->per_s += (double)rec->wake[i].count / s;
    for (uint32_t i = 0; i < n; i++) {
        const osp_wake *k = &rec->wake[i];
        const osp_flat_stack *woken = &flat.stack[k->woken.i], *waker = &flat.stack[k->waker.i];
        row[i] = (osp_wake_fact){.cause = k->cause,
                                 .woken_tid = (int)k->woken_tid,
                                 .per_s = (double)k->count / s,
                                 .woken = flat.call + woken->first,
                                 .nwoken = woken->n};
        if (k->by_thread) {
            row[i].waker_tid = (int)k->waker_tid;
            row[i].waker = flat.call + waker->first;
            row[i].nwaker = waker->n;
        }
    }
    out->row = row;
    out->n = n;
    out->known = true;
}

static void wake(osp_archive *x, osp_wake_fact *k)
{
    uint32_t cause = k->cause;
    osp_arc(x, &cause);
    osp_arc(x, &k->waker_tid);
    osp_arc(x, &k->woken_tid);
    osp_arc(x, &k->per_s);
    osp_arc_calls(x, &k->waker, &k->nwaker);
    osp_arc_calls(x, &k->woken, &k->nwoken);
    k->cause = cause < OSP_CAUSES ? (osp_cause)cause : OSP_CAUSE_UNKNOWN;
}

static void transfer(osp_archive *x, osp_facts *f)
{
    osp_arc(x, &f->wakes.known);
    osp_arc(x, &f->wakes.per_s);
    OSP_ARC_ROWS(x, &f->wakes.row, &f->wakes.n, wake);
}
