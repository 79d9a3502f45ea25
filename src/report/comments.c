/* SPDX-License-Identifier: Apache-2.0 */
/* comments: what whoever took the profile wrote into it, a line each. */
#include "report/head.h"

static bool write_comments(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err)
{
    osp_view view; /* only for what it says of the filters */
    if (!osp_answer_view(p, o, false, &view, out, err))
        return false;
    osp_view_drop(&view);
    for (uint32_t i = 0; i < p->comments.n; i++) {
        osp_buf_add(&out->text, osp_text(p, p->comments.text[i]));
        osp_buf_byte(&out->text, '\n');
    }
    return true;
}

const osp_report osp_report_comments = {
    .name = "comments",
    .summary = "the comments in the profile",
    .write = write_comments,
};
