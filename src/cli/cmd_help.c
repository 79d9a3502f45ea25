/* SPDX-License-Identifier: Apache-2.0 */
/* osprey help [COMMAND]: from the table. */
#include "cli/cli_internal.h"

static const osp_option options[] = {
    {"man", 0, NULL, "print the manual page, in roff"},
    {0},
};

static const char *const examples[] = {"help", "help help", "help --man | man -l -", NULL};

static int cmd_help(const osp_cli *cli)
{
    osp_buf out = osp_buf_of(1 << 20);
    int status = OSP_EXIT_DONE;
    if (osp_cli_given(cli, "man")) {
        osp_help_man(&out, osp_commands);
    } else if (cli->noperand == 0) {
        osp_help_all(&out, osp_commands, cli->columns);
    } else {
        const osp_command *c = osp_command_find(osp_commands, osp_str_from(cli->operand[0]));
        if (c)
            osp_help_command(&out, c, cli->columns);
        else
            status = osp_cli_unknown_command(osp_str_from(cli->operand[0]));
    }
    if (!osp_cli_print(osp_buf_str(&out)) && status == OSP_EXIT_DONE)
        status = OSP_EXIT_FAILED;
    osp_buf_drop(&out);
    return status;
}

const osp_command osp_command_help = {
    .name = "help",
    .args = "[COMMAND]",
    .summary = "list all commands, or explain one with examples and options",
    .examples = examples,
    .options = options,
    .run = cmd_help,
};
