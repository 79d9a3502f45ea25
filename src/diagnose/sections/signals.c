/* SPDX-License-Identifier: Apache-2.0 */
/* Signals: made by the process, and delivered to it. */
#include "diagnose/section.h"

static void window(osp_watch *w, double seconds, osp_facts *f)
{
    osp_window_events(w,
                      &(osp_window_of){.events = "signal:signal_generate,signal:signal_deliver",
                                       .count = "signal:signal_generate",
                                       .amount = "signal:signal_deliver",
                                       .name = "",
                                       .label = ""},
                      seconds, &f->signals);
}

static void transfer(osp_archive *x, osp_facts *f) { osp_arc_events(x, &f->signals); }

const osp_section osp_section_signals = {
    .name = "signals", .ask = OSP_ASK_SIGNALS, .seconds = 0.3, .window = window, .transfer = transfer};
