/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OSP_CLI_WHY_SCREEN_H
#define OSP_CLI_WHY_SCREEN_H

#include "cli/cli.h"
#include "diagnose/diagnose.h"

/* What `osprey why` prints for people. uptime_s: of the process; 0 if unknown. */
void osp_why_screen(const osp_cli *cli, const osp_facts *f, const osp_findings *found, double uptime_s, osp_buf *out);

#endif
