/* SPDX-License-Identifier: Apache-2.0 */
/* An SVG picture for a browser: as large as the window, to be moved and zoomed. The picture keeps its view box, so that
 * programs that run no script show all of it. */
#include "draw/draw.h"

static const char script[] =
    "<script><![CDATA[\n"
    "(function () {\n"
    "  'use strict';\n"
    "  var script = document.currentScript, svg = (script && script.ownerSVGElement) || document.documentElement;\n"
    "  var x = 0, y = 0, k = 1, drag = null;\n"
    "  function place(event) { /* of the pointer, in the picture's units */\n"
    "    var p = svg.createSVGPoint();\n"
    "    p.x = event.clientX;\n"
    "    p.y = event.clientY;\n"
    "    return p.matrixTransform(svg.getScreenCTM().inverse());\n"
    "  }\n"
    "  function show() {\n"
    "    var to = 'translate(' + x + ',' + y + ') scale(' + k + ')';\n"
    "    svg.getElementById('viewport').setAttribute('transform', to);\n"
    "  }\n"
    "  function zoom(p, by) {\n"
    "    by = Math.min(Math.max(k * by, 0.1), 100) / k;\n"
    "    x = p.x - (p.x - x) * by;\n"
    "    y = p.y - (p.y - y) * by;\n"
    "    k *= by;\n"
    "    show();\n"
    "  }\n"
    "  svg.addEventListener('wheel', function (event) {\n"
    "    event.preventDefault();\n"
    "    zoom(place(event), Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)));\n"
    "  }, { passive: false });\n"
    "  svg.addEventListener('pointerdown', function (event) {\n"
    "    if (event.button === 0) drag = place(event);\n"
    "  });\n"
    "  window.addEventListener('pointermove', function (event) {\n"
    "    if (!drag) return;\n"
    "    var p = place(event);\n"
    "    x += p.x - drag.x;\n"
    "    y += p.y - drag.y;\n"
    "    drag = p;\n"
    "    show();\n"
    "  });\n"
    "  window.addEventListener('pointerup', function () { drag = null; });\n"
    "  svg.addEventListener('dblclick', function () { x = y = 0; k = 1; show(); });\n"
    "}());\n"
    "]]></script>\n";

/* Cut an attribute such as ` width="10pt"` out of a tag. */
static void copy_without(osp_str tag, osp_buf *out)
{
    static const osp_str gone[] = {{" width=\"", 8}, {" height=\"", 9}};
    while (tag.n) {
        size_t skip = 0;
        for (size_t i = 0; i < 2; i++)
            if (osp_str_starts(tag, gone[i])) {
                osp_str rest = osp_str_skip(tag, gone[i].n);
                skip = gone[i].n + osp_str_find(rest, S("\"")) + 1;
            }
        if (!skip)
            osp_buf_byte(out, (uint8_t)tag.p[0]);
        tag = osp_str_skip(tag, skip ? skip : 1);
    }
}

void osp_svg_for_browser(osp_str svg, osp_buf *out)
{
    const size_t begin = osp_str_find(svg, S("<svg"));
    osp_str rest = osp_str_skip(svg, begin);
    const size_t end = osp_str_find(rest, S(">"));
    size_t close = rest.n;
    for (size_t at = end; at < rest.n; at += 6) { /* the last one */
        at += osp_str_find(osp_str_skip(rest, at), S("</svg>"));
        close = at < rest.n ? at : close;
    }
    if (end == rest.n || close == rest.n) { /* no picture that we know */
        osp_buf_add(out, svg);
        return;
    }
    osp_buf_add(out, osp_str_head(svg, begin));
    osp_buf_add(out, S("<svg width=\"100%\" height=\"100%\""));
    copy_without(osp_str_skip(osp_str_head(rest, end), 4), out);
    osp_buf_add(out, S(">\n"));
    osp_buf_add(out, osp_str_from(script));
    osp_buf_add(out, S("<g id=\"viewport\">"));
    osp_buf_add(out, osp_str_skip(osp_str_head(rest, close), end + 1));
    osp_buf_add(out, S("</g>\n"));
    osp_buf_add(out, osp_str_skip(rest, close));
}
