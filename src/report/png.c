/* SPDX-License-Identifier: Apache-2.0 */
#include "report/picture.h"

static bool write_png(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err)
{
    return osp_picture_draw(p, o, "png", out, err);
}

const osp_report osp_report_png = {
    .name = "png",
    .summary = "the call graph as a PNG image",
    .ending = "png",
    .node_count = 80,
    .write = write_png,
};
