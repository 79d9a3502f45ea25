/* SPDX-License-Identifier: Apache-2.0 */
/* cli/cells.h: a screen as cells, and the few bytes that turn one into the next: over slow ssh only what changed is sent. */
#ifndef OSP_CELLS_H
#define OSP_CELLS_H

#include "cli/cli.h"

enum { OSP_STYLE_BOLD = 1, OSP_STYLE_DIM = 2, OSP_STYLE_REVERSE = 4 };

typedef struct {
    uint8_t colour; /* osp_colour; OSP_BOLD and OSP_DIM are none here */
    uint8_t look;   /* OSP_STYLE_BOLD | … */
} osp_style;

typedef struct {
    uint32_t ch; /* 0: covered by the wide character to its left */
    osp_style style;
} osp_cell;

typedef struct {
    int columns, rows;
    osp_cell *cell; /* columns * rows, line by line */
} osp_grid;

/* A grid of blanks; what it held before is gone. False without memory: then it has no cells. */
bool osp_grid_size(osp_grid *g, int columns, int rows);
void osp_grid_clear(osp_grid *g);
void osp_grid_drop(osp_grid *g);

/* Text at a place, in at most so many columns; what is outside the grid is not written. Control characters and what is
 * no UTF-8 become '?'. Returns the columns it took. */
int osp_grid_put(osp_grid *g, int x, int y, int width, osp_style style, osp_str text);

/* The style of a stretch of a line. */
void osp_grid_style(osp_grid *g, int x, int y, int width, osp_style style);

/* How many columns a terminal gives to text. */
int osp_columns_of(osp_str text);

/* What a terminal can show. */
typedef struct {
    bool colour, utf8;
} osp_palette;

/* Add to out the bytes that turn was (NULL: unknown, the terminal is wiped) into now, of equal size. */
void osp_grid_draw(const osp_grid *was, const osp_grid *now, osp_palette palette, osp_buf *out);

/* The characters alone, a line each, without blanks at its end. */
void osp_grid_text(const osp_grid *g, osp_buf *out);

#endif
