/* SPDX-License-Identifier: Apache-2.0 */
/* cli/why_many.h: `osprey why` of several processes at once. */
#ifndef OSP_WHY_MANY_H
#define OSP_WHY_MANY_H

#include "cli/cli_internal.h"
#include "diagnose/diagnose.h"

enum { OSP_WHY_MOST = 32 }; /* processes */

/* The pids that the command line names: operands, or those of --cgroup, the busiest first. How many; 0 after printing what is
 * wrong, *status is what to return. *left_out: processes of the cgroup beyond OSP_WHY_MOST. */
uint32_t osp_why_pids(const osp_cli *cli, int pid[OSP_WHY_MOST], uint32_t *left_out, int *status);

/* Diagnose them all in the same seconds, each from a process of our own, and print. Returns the exit status. */
int osp_why_many(const osp_cli *cli, const osp_sample_opts *opts, const int *pid, uint32_t n, uint32_t left_out);

#endif
