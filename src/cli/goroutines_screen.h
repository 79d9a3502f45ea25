/* SPDX-License-Identifier: Apache-2.0 */
/* cli/goroutines_screen.h: how osprey goroutines looks. */
#ifndef OSP_GOROUTINES_SCREEN_H
#define OSP_GOROUTINES_SCREEN_H

#include "cli/cli_internal.h"
#include "inspect/inspect.h"

void osp_goroutines_table(const osp_cli *cli, osp_inspect *in, const osp_goroutine_list *l,
                          const osp_goroutine_groups *groups, osp_buf *out);

#endif
