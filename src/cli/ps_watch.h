/* SPDX-License-Identifier: Apache-2.0 */
/* cli/ps_watch.h: looks at processes again and again; CPU is what they used between two looks. */
#ifndef OSP_PS_WATCH_H
#define OSP_PS_WATCH_H

#include "cli/ps_table.h"

typedef struct osp_ps_watch osp_ps_watch;
osp_ps_watch *osp_ps_watch_new(osp_err *err);
void osp_ps_watch_drop(osp_ps_watch *w);

/* Begin an interval: read all processes; with goroutines set count those too. */
bool osp_ps_watch_begin(osp_ps_watch *w, bool goroutines, osp_err *err) OSP_CHECKED;

/* End it, and begin the next: rows of all Go processes, or of all there are, in the arena. pid not 0: of that one alone;
 * EABSENT if it has ended. */
bool osp_ps_watch_look(osp_ps_watch *w, bool all, int pid, osp_arena *a, osp_ps *out, osp_err *err) OSP_CHECKED;

#endif
