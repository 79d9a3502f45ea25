/* SPDX-License-Identifier: Apache-2.0 */
/* Where threads wait, and for what. */
#include "diagnose/section.h"

static void window(osp_watch *w, double seconds, osp_facts *f)
{
    osp_window_events(
        w,
        &(osp_window_of){
            .events = "off-cpu", .count = "off-cpu", .amount = "blocked", .name = "syscall", .label = "reason"},
        seconds, &f->off_cpu);
}

static void transfer(osp_archive *x, osp_facts *f) { osp_arc_events(x, &f->off_cpu); }

const osp_section osp_section_off_cpu = {
    .name = "off_cpu", .ask = OSP_ASK_OFF_CPU, .seconds = 1, .window = window, .transfer = transfer};
