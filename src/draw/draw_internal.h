/* SPDX-License-Identifier: Apache-2.0 */
/* Our own layout: a graph as it was read, and where everything stands. Lengths are points (1/72 inch), y grows
 * downwards. */
#ifndef OSP_DRAW_INTERNAL_H
#define OSP_DRAW_INTERNAL_H

#include "base/arena.h"
#include "base/err.h"
#include "draw/draw.h"

typedef struct {
    double x, y;
} osp_point;

typedef struct {
    osp_str text;
    char align; /* 'c', 'l' or 'r' */
} osp_line_of_text;

typedef struct {
    osp_line_of_text *line;
    uint32_t n;
    double font; /* its height */
    double w, h;
} osp_words;

typedef struct {
    osp_str name, id, tooltip;
    uint32_t colour, fill; /* 0xrrggbb */
    osp_words label;
    bool raised; /* box3d */
    bool apart;  /* in a subgraph: the legend */
    double w, h;
    osp_point at; /* its middle */
} osp_box;

typedef struct {
    uint32_t from, to;
    osp_str tooltip;
    uint32_t colour;
    osp_words label;
    double weight, width;
    uint32_t least; /* ranks between its ends, at least */
    bool dotted;
    osp_point *point; /* a Bézier curve: 1 + 3 k points, the last where the arrow ends */
    uint32_t npoint;
    osp_point label_at; /* its middle */
} osp_arrow;

typedef struct {
    osp_arena arena;
    osp_str name;
    osp_box *box;
    osp_arrow *arrow;
    uint32_t nbox, narrow;
    double w, h;
} osp_drawing;

/* dot.c: the part of the DOT language that reports write: nodes, edges, one level of subgraphs, quoted attributes. */
bool osp_dot_read(osp_str dot, osp_drawing *out, osp_err *err);

/* font.c: how wide text is in Helvetica. */
double osp_text_width(osp_str utf8, double font);
enum { OSP_LINE_PERCENT = 120 }; /* a line's height, of the font's */

/* ---- layout ---------------------------------------------------------------------------------------------------- */

/* A box, or a bend of an arrow on a rank between; the bend in the middle carries the label. */
typedef struct {
    uint32_t box; /* or OSP_NO_BOX */
    uint32_t rank, place;
    double w, h, x;
    double anchor; /* where the arrow passes, from x */
    bool labelled;
} osp_vertex;

#define OSP_NO_BOX UINT32_MAX

/* From one rank to the next. */
typedef struct {
    uint32_t up, down; /* vertices */
    double weight;
} osp_step;

typedef struct {
    uint32_t vertex, nstep; /* the first vertex of the arrow's bends (they follow each other), and its steps */
    bool upwards;           /* its steps lead from its end to its begin */
} osp_route;

typedef struct {
    osp_drawing *d;
    osp_arena scratch;
    osp_err *err;
    uint32_t *rank; /* per box */
    bool *reversed; /* per arrow */
    uint32_t nrank;
    osp_vertex *vertex; /* boxes first, in their order, then bends */
    osp_step *step;
    osp_route *route; /* per arrow; without steps: not drawn */
    uint32_t nvertex, nstep;
    uint32_t **row; /* per rank: vertices from left to right */
    uint32_t *nrow;
    uint32_t *first_up, *first_down; /* per vertex, n + 1 offsets into up[] and down[] */
    uint32_t *up, *down;             /* steps */
} osp_layout;

bool osp_lay_out(osp_drawing *d, osp_err *err); /* place.c */
bool osp_choose_ranks(osp_layout *l);           /* ranks.c: rank, and the vertices and steps that follow from it */
bool osp_order_rows(osp_layout *l);             /* order.c: few crossings */
/* svg.c: where the arrow's line ends; head[0] is the tip of its head. */
osp_point osp_arrow_head(const osp_arrow *e, osp_point head[3]);
void osp_paint_svg(const osp_drawing *d, osp_buf *out);
void osp_paint_paper(const osp_drawing *d, bool pdf, osp_buf *out); /* else PostScript */

#endif
