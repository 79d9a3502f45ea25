/* SPDX-License-Identifier: Apache-2.0 */
/* cli/mem_screen.h: what `osprey mem` prints of its model. */
#ifndef OSP_MEM_SCREEN_H
#define OSP_MEM_SCREEN_H

#include "cli/cli.h"
#include "inspect/inspect.h"

/* was: the same process before, for how much each row grew; NULL: there is none. who: "gateway (pid 4711), go1.26.8". */
void osp_mem_screen(const osp_cli *cli, const osp_ledger *l, const osp_ledger *was, osp_str who, osp_buf *out);
/* A line for an interval, and the line above them. */
void osp_mem_head(const osp_cli *cli, osp_buf *out);
void osp_mem_line(const osp_ledger *l, const osp_ledger *was, osp_buf *out);
/* Mappings, the largest first; lines 0 = all. */
bool osp_mem_maps(const osp_cli *cli, const osp_ledger *l, uint32_t lines, osp_buf *out);
void osp_mem_json(const osp_ledger *l, const osp_ledger *was, int pid, osp_str version, bool maps, osp_buf *out);

#endif
