/* SPDX-License-Identifier: Apache-2.0 */
/* PDF 1.4 and PostScript. Both paint with the same words: PostScript is taught PDF's in its prolog, but for text. The
 * font is Helvetica, which every reader has; its encoding holds Latin 1 (what it lacks is printed as "?"). */
#include "draw/draw_internal.h"

#include <math.h>

/* One page of PDF is at most 14400 points wide and high. */
static const double most_of_page = 14400;

typedef struct {
    const osp_drawing *d;
    osp_buf *out;
    bool pdf;
    uint32_t stroke, fill; /* the colours that are set, 1 << 24 = none yet */
    double width;
} paper;

/* Our y grows downwards, paper's upwards. */
static double up(const paper *p, double y) { return p->d->h - y; }

static void set_stroke(paper *p, uint32_t colour, double width)
{
    if (p->stroke != colour)
        osp_buf_fmt(p->out, "%.3f %.3f %.3f RG\n", (colour >> 16) / 255.0, (colour >> 8 & 255) / 255.0,
                    (colour & 255) / 255.0);
    if (p->width != width)
        osp_buf_fmt(p->out, "%.2f w\n", width);
    p->stroke = colour;
    p->width = width;
}

static void set_fill(paper *p, uint32_t colour)
{
    if (p->fill != colour)
        osp_buf_fmt(p->out, "%.3f %.3f %.3f rg\n", (colour >> 16) / 255.0, (colour >> 8 & 255) / 255.0,
                    (colour & 255) / 255.0);
    p->fill = colour;
}

/* A string of either language, in Latin 1. */
static void latin(osp_buf *out, osp_str s)
{
    osp_buf_byte(out, '(');
    while (s.n) {
        const size_t n = osp_str_utf8(s);
        const unsigned char c = (unsigned char)s.p[0];
        if (n == 1 && (c == '(' || c == ')' || c == '\\'))
            osp_buf_fmt(out, "\\%c", c);
        else if (n == 1 && c >= ' ' && c < 127)
            osp_buf_byte(out, c);
        else if (n == 2 && (c == 0xc2 || c == 0xc3) && !(c == 0xc2 && (unsigned char)s.p[1] < 0xa0))
            osp_buf_fmt(out, "\\%03o", (c & 3) << 6 | ((unsigned char)s.p[1] & 63));
        else if (osp_str_starts(s, S("\xe2\x80\xa6")))
            osp_buf_add(out, S("..."));
        else
            osp_buf_byte(out, '?');
        s = osp_str_skip(s, n ? n : 1);
    }
    osp_buf_byte(out, ')');
}

static void words(paper *p, const osp_words *w, osp_point at)
{
    const double line = w->font * OSP_LINE_PERCENT / 100;
    double y = at.y - w->h / 2 + w->font * 0.93;
    set_fill(p, 0);
    for (uint32_t i = 0; i < w->n; i++, y += line) {
        const osp_line_of_text *l = &w->line[i];
        const double width = osp_text_width(l->text, w->font);
        const double x = l->align == 'l'   ? at.x - w->w / 2
                         : l->align == 'r' ? at.x + w->w / 2 - width
                                           : at.x - width / 2;
        if (!l->text.n)
            continue;
        osp_buf_fmt(p->out, p->pdf ? "BT /F %.2f Tf %.2f %.2f Td " : "%.2f %.2f %.2f ", w->font, x, up(p, y));
        latin(p->out, l->text);
        osp_buf_add(p->out, p->pdf ? S(" Tj ET\n") : S(" T\n"));
    }
}

static void box(paper *p, const osp_box *b)
{
    const double x = b->at.x - b->w / 2, top = up(p, b->at.y - b->h / 2), bottom = top - b->h;
    set_stroke(p, b->colour, 1);
    set_fill(p, b->fill);
    if (b->raised)
        osp_buf_fmt(p->out, "%.2f %.2f m %.2f %.2f l %.2f %.2f l %.2f %.2f l %.2f %.2f l b\n", x, top, x + 4, top + 4,
                    x + 4 + b->w, top + 4, x + 4 + b->w, bottom + 4, x + b->w, bottom);
    osp_buf_fmt(p->out, "%.2f %.2f m %.2f %.2f l %.2f %.2f l %.2f %.2f l b\n", x, top, x + b->w, top, x + b->w,
                bottom, x, bottom);
    words(p, &b->label, b->at);
}

static void arrow(paper *p, const osp_arrow *e)
{
    osp_point head[3];
    if (!e->npoint)
        return;
    const osp_point end = osp_arrow_head(e, head);
    set_stroke(p, e->colour, e->width);
    if (e->dotted)
        osp_buf_add(p->out, S("[1 4] 0 d\n"));
    osp_buf_fmt(p->out, "%.2f %.2f m\n", e->point[0].x, up(p, e->point[0].y));
    for (uint32_t i = 1; i + 2 < e->npoint; i += 3) {
        const osp_point to = i + 3 == e->npoint ? end : e->point[i + 2];
        osp_buf_fmt(p->out, "%.2f %.2f %.2f %.2f %.2f %.2f c\n", e->point[i].x, up(p, e->point[i].y),
                    e->point[i + 1].x, up(p, e->point[i + 1].y), to.x, up(p, to.y));
    }
    osp_buf_add(p->out, e->dotted ? S("S\n[] 0 d\n") : S("S\n"));
    set_fill(p, e->colour);
    osp_buf_fmt(p->out, "%.2f %.2f m %.2f %.2f l %.2f %.2f l f\n", head[0].x, up(p, head[0].y), head[1].x,
                up(p, head[1].y), head[2].x, up(p, head[2].y));
    words(p, &e->label, e->label_at);
}

static void paint(paper *p)
{
    for (uint32_t i = p->d->narrow; i > 0; i--)
        arrow(p, &p->d->arrow[i - 1]);
    for (uint32_t i = 0; i < p->d->nbox; i++)
        box(p, &p->d->box[i]);
}

static void paint_pdf(paper *p, double scale)
{
    osp_buf *out = p->out, content = osp_buf_of(out->max);
    size_t at[6] = {0};
    const size_t begin = out->n;
    p->out = &content;
    osp_buf_fmt(&content, "%.5f 0 0 %.5f 0 0 cm\n", scale, scale);
    paint(p);
    osp_buf_add(out, S("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"));
    at[1] = out->n - begin;
    osp_buf_add(out, S("1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"));
    at[2] = out->n - begin;
    osp_buf_add(out, S("2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n"));
    at[3] = out->n - begin;
    osp_buf_fmt(out,
                "3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %.2f %.2f] /Contents 4 0 R "
                "/Resources << /Font << /F 5 0 R >> >> >>\nendobj\n",
                p->d->w * scale, p->d->h * scale);
    at[4] = out->n - begin;
    osp_buf_fmt(out, "4 0 obj\n<< /Length %zu >>\nstream\n", content.n);
    osp_buf_add(out, osp_buf_str(&content));
    osp_buf_add(out, S("endstream\nendobj\n"));
    at[5] = out->n - begin;
    osp_buf_add(out, S("5 0 obj\n<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>\n"
                       "endobj\n"));
    const size_t table = out->n - begin;
    osp_buf_add(out, S("xref\n0 6\n0000000000 65535 f \n"));
    for (int i = 1; i < 6; i++)
        osp_buf_fmt(out, "%010zu 00000 n \n", at[i]);
    osp_buf_fmt(out, "trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%zu\n%%%%EOF\n", table);
    out->failed |= content.failed;
    osp_buf_drop(&content);
}

static void paint_postscript(paper *p, double scale)
{
    osp_buf_fmt(p->out, "%%!PS-Adobe-3.0\n%%%%BoundingBox: 0 0 %.0f %.0f\n%%%%Pages: 1\n%%%%EndComments\n",
                ceil(p->d->w * scale), ceil(p->d->h * scale));
    osp_buf_add(
        p->out,
        S("/m /moveto load def /l /lineto load def /c /curveto load def /S /stroke load def\n"
          "/w /setlinewidth load def /d /setdash load def /F [0 0 0] def /K [0 0 0] def\n"
          "/rg { 3 array astore /F exch def } def /RG { 3 array astore /K exch def K aload pop setrgbcolor } def\n"
          "/f { closepath F aload pop setrgbcolor fill K aload pop setrgbcolor } def\n"
          "/b { closepath gsave F aload pop setrgbcolor fill grestore stroke } def\n"
          "/H /Helvetica findfont dup length dict begin { 1 index /FID ne { def } { pop pop } ifelse } forall\n"
          "/Encoding ISOLatin1Encoding def currentdict end definefont pop\n"
          "/T { 4 1 roll 3 -1 roll /H findfont exch scalefont setfont moveto F aload pop setrgbcolor show\n"
          "     K aload pop setrgbcolor } def\n"
          "%%Page: 1 1\n"));
    osp_buf_fmt(p->out, "<< /PageSize [%.2f %.2f] >> setpagedevice\n%.5f dup scale\n", p->d->w * scale,
                p->d->h * scale, scale);
    paint(p);
    osp_buf_add(p->out, S("showpage\n%%EOF\n"));
}

void osp_paint_paper(const osp_drawing *d, bool pdf, osp_buf *out)
{
    paper p = {.d = d, .out = out, .pdf = pdf, .stroke = 1 << 24, .fill = 1 << 24};
    const double scale = fmin(1, fmin(most_of_page / fmax(d->w, 1), most_of_page / fmax(d->h, 1)));
    if (pdf)
        paint_pdf(&p, scale);
    else
        paint_postscript(&p, scale);
}
