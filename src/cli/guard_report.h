/* SPDX-License-Identifier: Apache-2.0 */
/* cli/guard_report.h: what a guard keeps of a moment of trouble: a folder of files. */
#ifndef OSP_GUARD_REPORT_H
#define OSP_GUARD_REPORT_H

#include "agent/agent.h"
#include "cli/cli_internal.h"

typedef struct {
    const osp_cli *cli;
    const char *dir; /* where folders go */
    int pid;
    osp_str name;   /* of the process */
    double seconds; /* to observe for */
    bool no_probes;
} osp_guard_report;

/* Observe the process, if it still lives, and write the folder NAME-PID-TIME-KIND below dir: it appears whole or not at all.
 * path gets its name. */
bool osp_guard_report_write(const osp_guard_report *r, const osp_guard *g, const osp_trip *trip, char *path,
                            size_t size, osp_err *err) OSP_CHECKED;

#endif
