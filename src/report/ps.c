/* SPDX-License-Identifier: Apache-2.0 */
#include "report/picture.h"

static bool write_ps(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err)
{
    return osp_picture_draw(p, o, "ps", out, err);
}

const osp_report osp_report_ps = {
    .name = "ps",
    .summary = "the call graph in PostScript",
    .ending = "ps",
    .node_count = 80,
    .write = write_ps,
};
