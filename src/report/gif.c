/* SPDX-License-Identifier: Apache-2.0 */
#include "report/picture.h"

static bool write_gif(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err)
{
    return osp_picture_draw(p, o, "gif", out, err);
}

const osp_report osp_report_gif = {
    .name = "gif",
    .summary = "the call graph as a GIF image",
    .ending = "gif",
    .node_count = 80,
    .write = write_gif,
};
