/* SPDX-License-Identifier: Apache-2.0 */
/* cli/threads_view.h: what `osprey threads` prints of its model. */
#ifndef OSP_THREADS_VIEW_H
#define OSP_THREADS_VIEW_H

#include "cli/cli_internal.h"
#include "inspect/inspect.h"

/* "cpu", "wait", "switches", "tid", "role"; false if there is no such order. */
bool osp_threads_sort(osp_threads *t, osp_str by);

/* whose: "gateway (pid 4711)". room: columns of the terminal, 0 = as wide as it gets. */
void osp_threads_table(const osp_cli *cli, const osp_threads *t, osp_str whose, bool stacks, size_t room,
                       osp_buf *out);
/* A line a role. */
void osp_threads_roles(const osp_cli *cli, const osp_threads *t, osp_str whose, size_t room, osp_buf *out);
void osp_threads_json(const osp_threads *t, int pid, osp_str name, osp_buf *out);

#endif
