/* SPDX-License-Identifier: Apache-2.0 */
/* osprey version */
#include "base/json.h"
#include "cli/cli.h"

static const osp_option options[] = {
    {"json", 0, NULL, "as one JSON object"},
    {0},
};

static const char *const examples[] = {"version", "version --json", NULL};

#if defined __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

static int cmd_version(const osp_cli *cli)
{
    osp_buf out = osp_buf_of(4096);
    if (osp_cli_given(cli, "json")) {
        osp_json j = osp_json_on(&out);
        osp_json_object(&j, NULL);
        osp_json_str(&j, "version", S(OSP_VERSION));
        osp_json_str(&j, "machine", S(OSP_MACHINE));
        osp_json_str(&j, "compiler", S(COMPILER));
        osp_json_end(&j);
    } else {
        osp_buf_add(&out, S("osprey " OSP_VERSION "\n"));
    }
    bool ok = osp_cli_print(osp_buf_str(&out));
    osp_buf_drop(&out);
    return ok ? OSP_EXIT_DONE : OSP_EXIT_FAILED;
}

const osp_command osp_command_version = {
    .name = "version",
    .args = "",
    .summary = "print the version",
    .examples = examples,
    .options = options,
    .run = cmd_version,
};
