/* SPDX-License-Identifier: Apache-2.0 */
#include "draw/draw.h"

#include "draw/draw_internal.h"

#include <stdlib.h>

bool osp_draw_plainly(osp_str dot, const char *form, osp_buf *out, osp_err *err)
{
    osp_drawing d;
    if (strcmp(form, "svg") != 0 && strcmp(form, "pdf") != 0 && strcmp(form, "ps") != 0)
        return osp_fail(err, OSP_EABSENT,
                        "%s needs Graphviz's library (libgvc), which is not here; svg, pdf and ps do not", form);
    osp_arena_init(&d.arena, (size_t)1 << 30);
    bool ok = osp_dot_read(dot, &d, err) && osp_lay_out(&d, err);
    if (ok && strcmp(form, "svg") == 0)
        osp_paint_svg(&d, out);
    else if (ok)
        osp_paint_paper(&d, strcmp(form, "pdf") == 0, out);
    osp_arena_drop(&d.arena);
    return ok && (!out->failed || osp_fail_memory(err, "drawing"));
}

bool osp_draw(osp_str dot, const char *form, osp_buf *out, osp_buf *notes, osp_err *err)
{
    osp_err why = {0};
    if (!getenv("OSPREY_NO_GRAPHVIZ")) {
        if (osp_draw_by_graphviz(dot, form, out, &why))
            return true;
        if (why.code != OSP_EABSENT)
            osp_buf_fmt(notes, "%s: drawn by a plainer layout\n", why.msg);
    }
    if (osp_draw_plainly(dot, form, out, err))
        return true;
    if (why.code && why.code != OSP_EABSENT && err->code == OSP_EABSENT)
        *err = why;
    return false;
}
