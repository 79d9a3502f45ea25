/* SPDX-License-Identifier: Apache-2.0 */
#include "draw/draw_internal.h"

#include <math.h>

static void title(osp_buf *out, osp_str s)
{
    if (!s.n)
        return;
    osp_buf_add(out, S("<title>"));
    osp_buf_xml(out, s);
    osp_buf_add(out, S("</title>\n"));
}

/* Lines of text around a middle. */
static void words(osp_buf *out, const osp_words *w, osp_point at)
{
    const double line = w->font * OSP_LINE_PERCENT / 100;
    double y = at.y - w->h / 2 + w->font * 0.93;
    for (uint32_t i = 0; i < w->n; i++, y += line) {
        const osp_line_of_text *l = &w->line[i];
        const double x = l->align == 'l' ? at.x - w->w / 2 : l->align == 'r' ? at.x + w->w / 2 : at.x;
        if (!l->text.n)
            continue;
        osp_buf_fmt(out, "<text x=\"%.2f\" y=\"%.2f\" font-size=\"%.2f\"%s>", x, y, w->font,
                    l->align == 'l'   ? " text-anchor=\"start\""
                    : l->align == 'r' ? " text-anchor=\"end\""
                                      : "");
        osp_buf_xml(out, l->text);
        osp_buf_add(out, S("</text>\n"));
    }
}

static void box(osp_buf *out, const osp_box *b)
{
    const double x = b->at.x - b->w / 2, y = b->at.y - b->h / 2;
    osp_buf_add(out, S("<g class=\"node\" id=\""));
    osp_buf_xml(out, b->id.n ? b->id : b->name);
    osp_buf_add(out, S("\">"));
    title(out, b->tooltip.n ? b->tooltip : b->name);
    if (b->raised)
        osp_buf_fmt(out, "<path d=\"M%.2f,%.2fl4,-4h%.2fv%.2fl-4,4z\" fill=\"#%06x\" stroke=\"#%06x\"/>\n", x, y,
                    b->w, b->h, b->fill, b->colour);
    osp_buf_fmt(out, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"#%06x\" stroke=\"#%06x\"/>\n",
                x, y, b->w, b->h, b->fill, b->colour);
    words(out, &b->label, b->at);
    osp_buf_add(out, S("</g>\n"));
}

static void arrow(osp_buf *out, const osp_arrow *e)
{
    osp_point head[3];
    if (!e->npoint)
        return;
    const osp_point end = osp_arrow_head(e, head);
    osp_buf_add(out, S("<g class=\"edge\">"));
    title(out, e->tooltip);
    osp_buf_fmt(out, "<path d=\"M%.2f,%.2fC", e->point[0].x, e->point[0].y);
    for (uint32_t i = 1; i < e->npoint; i++) {
        const osp_point p = i + 1 == e->npoint ? end : e->point[i];
        osp_buf_fmt(out, "%s%.2f,%.2f", i > 1 ? " " : "", p.x, p.y);
    }
    osp_buf_fmt(out, "\" fill=\"none\" stroke=\"#%06x\" stroke-width=\"%.2f\"%s/>\n", e->colour, e->width,
                e->dotted ? " stroke-dasharray=\"1,4\"" : "");
    osp_buf_fmt(out, "<polygon points=\"%.2f,%.2f %.2f,%.2f %.2f,%.2f\" fill=\"#%06x\" stroke=\"none\"/>\n",
                head[0].x, head[0].y, head[1].x, head[1].y, head[2].x, head[2].y, e->colour);
    words(out, &e->label, e->label_at);
    osp_buf_add(out, S("</g>\n"));
}

/* Where the line ends and its head begins; head[0] is the point of the arrow. */
osp_point osp_arrow_head(const osp_arrow *e, osp_point head[3])
{
    const osp_point to = e->point[e->npoint - 1], from = e->point[e->npoint - 2];
    double dx = to.x - from.x, dy = to.y - from.y, n = hypot(dx, dy);
    dx = n > 0 ? dx / n : 0;
    dy = n > 0 ? dy / n : 1;
    const double length = 7 + 1.5 * e->width, half = 2.5 + e->width;
    const osp_point base = {to.x - dx * length, to.y - dy * length};
    head[0] = to;
    head[1] = (osp_point){base.x - dy * half, base.y + dx * half};
    head[2] = (osp_point){base.x + dy * half, base.y - dx * half};
    return (osp_point){to.x - dx * length * 0.8, to.y - dy * length * 0.8};
}

void osp_paint_svg(const osp_drawing *d, osp_buf *out)
{
    osp_buf_add(out, S("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"));
    osp_buf_fmt(
        out,
        "<svg width=\"%.0fpt\" height=\"%.0fpt\" viewBox=\"0 0 %.2f %.2f\" xmlns=\"http://www.w3.org/2000/svg\">\n",
        ceil(d->w), ceil(d->h), d->w, d->h);
    osp_buf_add(out, S("<g id=\"graph0\" class=\"graph\" font-family=\"Helvetica,Arial,Liberation Sans,sans-serif\" "
                       "text-anchor=\"middle\">\n"));
    title(out, d->name);
    osp_buf_fmt(out, "<rect width=\"%.2f\" height=\"%.2f\" fill=\"white\"/>\n", d->w, d->h);
    for (uint32_t i = d->narrow; i > 0; i--) /* the heaviest come first in the graph, and lie on top */
        arrow(out, &d->arrow[i - 1]);
    for (uint32_t i = 0; i < d->nbox; i++)
        box(out, &d->box[i]);
    osp_buf_add(out, S("</g>\n</svg>\n"));
}
