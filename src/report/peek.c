/* SPDX-License-Identifier: Apache-2.0 */
/* peek: the blocks of `tree` for the functions that a pattern matches, nothing left out. */
#include "report/head.h"

static bool write_peek(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err)
{
    osp_regex *only = osp_argument_regex(o, err);
    bool ok = only && osp_write_tree(p, o, only, out, err);
    osp_regex_drop(only);
    return ok;
}

const osp_report osp_report_peek = {
    .name = "peek",
    .summary = "callers and callees of the functions that a pattern matches",
    .takes_argument = true,
    .untrimmed = true,
    .legend = "a function stands between its callers and its callees; calls%: of its cum",
    .json = true,
    .write = write_peek,
};
