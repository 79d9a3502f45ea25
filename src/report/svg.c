/* SPDX-License-Identifier: Apache-2.0 */
/* svg: the call graph for a browser, to be moved and zoomed. */
#include "draw/draw.h"
#include "report/picture.h"

static bool write_svg(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err)
{
    osp_answer plain = osp_answer_new();
    bool ok = osp_picture_draw(p, o, "svg", &plain, err);
    out->unmatched = plain.unmatched;
    osp_buf_add(&out->notes, osp_buf_str(&plain.notes));
    if (ok)
        osp_svg_for_browser(osp_buf_str(&plain.text), &out->text);
    osp_answer_drop(&plain);
    return ok;
}

const osp_report osp_report_svg = {
    .name = "svg",
    .summary = "the call graph as an SVG picture for a browser",
    .ending = "svg",
    .node_count = 80,
    .write = write_svg,
};
