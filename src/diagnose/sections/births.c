/* SPDX-License-Identifier: Apache-2.0 */
/* Processes and threads that are started, and programs that its children become. */
#include "diagnose/section.h"

static void window(osp_watch *w, double seconds, osp_facts *f)
{
    osp_window_events(w,
                      &(osp_window_of){.events = "sched:sched_process_fork,sched:sched_process_exec",
                                       .count = "sched:sched_process_fork",
                                       .amount = "sched:sched_process_exec",
                                       .name = "process",
                                       .label = "pid",
                                       .children = true},
                      seconds, &f->births);
}

static void transfer(osp_archive *x, osp_facts *f) { osp_arc_events(x, &f->births); }

const osp_section osp_section_births = {
    .name = "births", .ask = OSP_ASK_BIRTHS, .seconds = 0.6, .window = window, .transfer = transfer};
