/* SPDX-License-Identifier: Apache-2.0 */
/* cli/timers_view.h: what `osprey timers` prints of its model. */
#ifndef OSP_TIMERS_VIEW_H
#define OSP_TIMERS_VIEW_H

#include "cli/cli_internal.h"
#include "inspect/inspect.h"

/* room: columns of the terminal, 0 = as wide as it gets; lines: of the table, 0 = all. */
void osp_timers_table(const osp_cli *cli, const osp_timers *t, osp_str whose, size_t room, uint32_t lines,
                      osp_buf *out);
void osp_timers_json(const osp_timers *t, int pid, osp_str name, osp_buf *out);

#endif
