/* SPDX-License-Identifier: Apache-2.0 */
/* osprey timers: what goes off in a Go program, how often, how many of the same. */
#include "cli/image_operand.h"
#include "cli/timers_view.h"

#include <unistd.h>

enum { LINES = 16 };

static const osp_option options[] = {
    {"lines", 'n', "COUNT", "groups shown; 0 = all (16)"},
    OSP_CORE_OPTIONS,
    {"json", 0, NULL, "one JSON object: docs/json.md"},
    {0},
};

static int show(const osp_cli *cli, osp_image_operand *o, uint32_t lines)
{
    osp_err err;
    osp_timers t;
    osp_buf out = osp_buf_of(256 << 20);
    osp_inspect *in = osp_inspect_open(&o->image, o->objects, &err);
    bool ok = in && osp_inspect_timers(in, &o->arena, &t, &err);
    if (ok) {
        if (osp_cli_given(cli, "json"))
            osp_timers_json(&t, o->image.pid, osp_str_base(o->image.exe), &out);
        else
            osp_timers_table(cli, &t, o->whose, isatty(STDOUT_FILENO) ? (size_t)cli->columns : 0, lines, &out);
    }
    int status = ok ? osp_cli_answer(&out, OSP_EXIT_DONE) : osp_cli_fail(&err);
    osp_inspect_close(in);
    return status;
}

static int cmd_timers(const osp_cli *cli)
{
    int status;
    double lines;
    osp_image_operand o;
    if (!osp_cli_number(cli, "lines", 0, 1e6, LINES, &lines))
        return OSP_EXIT_USAGE;
    if (osp_image_operand_open(cli, &o, &status))
        status = show(cli, &o, (uint32_t)lines);
    osp_image_operand_drop(&o);
    return status;
}

const osp_command osp_command_timers = {
    .name = "timers",
    .args = "PID | CORE",
    .summary = "timers and tickers of a Go program by what they call and how often",
    .examples = (const char *const[]){"timers 4711", "timers 4711 -n 0", "timers core.4711 --json", NULL},
    .options = options,
    .run = cmd_timers,
};
