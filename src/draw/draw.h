/* SPDX-License-Identifier: Apache-2.0 */
/* draw/draw.h: pictures of graphs that are written in DOT.
 *
 * Graphviz's library draws them where it is installed; it is loaded when it is needed, in a process of its own with a
 * limit of time, so that nothing a graph does to it harms us. Where it is not, a plain layered layout of ours draws. */
#ifndef OSP_DRAW_H
#define OSP_DRAW_H

#include "base/buf.h"
#include "base/err.h"

/* Append the graph as "svg", "pdf", "ps", "png" or "gif" to out; pictures of dots are for Graphviz alone (EABSENT without
 * it). If Graphviz fails, or takes longer than 30 s, a line in notes says so. Environment: OSPREY_NO_GRAPHVIZ. */
bool osp_draw(osp_str dot, const char *form, osp_buf *out, osp_buf *notes, osp_err *err) OSP_CHECKED;

/* The same by one of the two. */
bool osp_draw_by_graphviz(osp_str dot, const char *form, osp_buf *out, osp_err *err) OSP_CHECKED;
bool osp_draw_plainly(osp_str dot, const char *form, osp_buf *out, osp_err *err) OSP_CHECKED;

/* Append an SVG picture made to fill a browser's window, with the wheel to zoom and the mouse to move. */
void osp_svg_for_browser(osp_str svg, osp_buf *out);

#endif
