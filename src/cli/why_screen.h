/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OSP_CLI_WHY_SCREEN_H
#define OSP_CLI_WHY_SCREEN_H

#include "cli/cli.h"
#include "diagnose/diagnose.h"

/* What `osprey why` prints for people. */
void osp_why_screen(const osp_cli *cli, const osp_facts *f, const osp_findings *found, osp_buf *out);

#endif
