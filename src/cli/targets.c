/* SPDX-License-Identifier: Apache-2.0 */
/* Whose samples are taken, as the command line says it: pids, a cgroup, the machine, a program to be started. */
#include "cli/cli_internal.h"

#include <stdlib.h>

static bool read_pids(const osp_cli *cli, osp_sample_opts *opts, osp_targets *t)
{
    const char *first = osp_cli_value(cli, "pid");
    int n = cli->noperand + (first != NULL);
    t->pid = calloc((size_t)n + 1, sizeof *t->pid);
    for (int i = 0; t->pid && i < n; i++) {
        const char *text = first && i == 0 ? first : cli->operand[i - (first != NULL)];
        uint64_t v;
        if (!osp_str_u64(osp_str_from(text), 10, &v) || v == 0 || v > INT32_MAX) {
            osp_cli_usage(cli, "`%s` is no process id", text);
            return false;
        }
        bool known = opts->pid == (int)v;
        for (uint32_t k = 0; k < opts->nalso; k++)
            known |= t->pid[k] == (int)v;
        if (known)
            continue;
        if (!opts->pid)
            opts->pid = (int)v;
        else
            t->pid[opts->nalso++] = (int)v;
    }
    opts->also = t->pid;
    return t->pid != NULL;
}

bool osp_targets_read(const osp_cli *cli, osp_sample_opts *opts, osp_targets *t, int *status)
{
    osp_err err;
    bool pids = cli->noperand || osp_cli_given(cli, "pid");
    int kinds = (cli->nrest > 0) + pids + osp_cli_given(cli, "all") + osp_cli_given(cli, "cgroup");
    *status = OSP_EXIT_USAGE;
    if (kinds != 1) {
        osp_cli_usage(cli,
                      kinds ? "give one of pids, --all, --cgroup and a command after --, not several"
                            : "which process? %s",
                      cli->command->args);
        return false;
    }
    opts->children = osp_cli_given(cli, "children") || cli->nrest;
    opts->machine = osp_cli_given(cli, "all");
    if (pids)
        return read_pids(cli, opts, t);
    if (!osp_cli_given(cli, "cgroup"))
        return true;
    if (!osp_cgroup_find(osp_str_from(osp_cli_value(cli, "cgroup")), &t->cgroup, &err)) {
        *status = osp_cli_fail(&err);
        return false;
    }
    opts->cgroup = &t->cgroup;
    return true;
}

void osp_targets_drop(osp_targets *t)
{
    free(t->pid);
    t->pid = NULL;
}

bool osp_targets_launch(const osp_cli *cli, osp_sample_opts *opts, osp_launch *launch, osp_err *err)
{
    *launch = (osp_launch){.go = -1, .status = -1};
    if (!cli->nrest)
        return true;
    if (!osp_launch_start(cli->rest, launch, err))
        return false;
    opts->pid = launch->pid;
    opts->release = osp_launch_release;
    opts->release_ctx = launch;
    return true;
}
