/* SPDX-License-Identifier: Apache-2.0 */
#include "report/picture.h"

#include "draw/draw.h"

bool osp_picture_draw(const osp_profile *p, const osp_report_opts *o, const char *form, osp_answer *out, osp_err *err)
{
    osp_answer dot = osp_answer_new();
    bool ok = osp_picture_text(p, o, true, &dot, err);
    out->unmatched = dot.unmatched;
    osp_buf_add(&out->notes, osp_buf_str(&dot.notes));
    ok = ok && (!dot.text.failed || osp_fail_memory(err, "drawing the call graph")) &&
         osp_draw(osp_buf_str(&dot.text), form, &out->text, &out->notes, err);
    osp_answer_drop(&dot);
    return ok;
}
