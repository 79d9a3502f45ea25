/* SPDX-License-Identifier: Apache-2.0 */
#include "report/picture.h"

static bool write_pdf(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err)
{
    return osp_picture_draw(p, o, "pdf", out, err);
}

const osp_report osp_report_pdf = {
    .name = "pdf",
    .summary = "the call graph as a PDF page",
    .ending = "pdf",
    .node_count = 80,
    .write = write_pdf,
};
