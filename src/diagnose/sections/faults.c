/* SPDX-License-Identifier: Apache-2.0 */
/* Page faults of a short window, by the stack that touches the page. */
#include "diagnose/section.h"

static void window(osp_watch *w, double seconds, osp_facts *f)
{
    osp_window_events(
        w,
        &(osp_window_of){.events = "page-faults", .count = "page-faults", .amount = "", .name = "state", .label = ""},
        seconds, &f->faults);
}

static void transfer(osp_archive *x, osp_facts *f) { osp_arc_events(x, &f->faults); }

const osp_section osp_section_faults = {
    .name = "faults", .ask = OSP_ASK_FAULTS, .seconds = 0.3, .window = window, .transfer = transfer};
