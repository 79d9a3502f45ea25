/* SPDX-License-Identifier: Apache-2.0 */
/* cli/sched_screen.h: what `osprey sched` prints of its model. */
#ifndef OSP_SCHED_SCREEN_H
#define OSP_SCHED_SCREEN_H

#include "base/json.h"
#include "cli/cli.h"
#include "inspect/inspect.h"

/* who: "indexer (pid 4802, go1.26.8)"; room: columns of the terminal, 0 = as wide as it gets; rows: Ps shown, 0 = all. */
void osp_sched_screen(const osp_cli *cli, const osp_sched_span *s, osp_str who, size_t room, uint32_t rows,
                      osp_buf *out);
/* A line for an interval, and the line above them. */
void osp_sched_head(const osp_cli *cli, osp_buf *out);
void osp_sched_line(const osp_sched_span *s, osp_buf *out);
/* One interval as an object of an open array; or all of it, if key is not in one. */
void osp_sched_json(osp_json *j, const osp_sched_span *s);
void osp_sched_explain(osp_buf *out);

#endif
