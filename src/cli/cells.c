/* SPDX-License-Identifier: Apache-2.0 */
/* Cells of a screen. Drawing goes line by line over the cells that differ; a gap of a few equal cells is written again,
 * since moving the cursor costs six bytes and more. Sequences are those that every terminal of the last forty years
 * knows: CUP, EL, ED and SGR with the eight colours. */
#include "cli/cells.h"

#include <stdlib.h>

enum { CHEAP_GAP = 4, LARGEST = 1000 };

bool osp_grid_size(osp_grid *g, int columns, int rows)
{
    columns = columns < 1 ? 1 : columns > LARGEST ? LARGEST : columns;
    rows = rows < 1 ? 1 : rows > LARGEST ? LARGEST : rows;
    osp_grid_drop(g);
    g->cell = calloc((size_t)columns * (size_t)rows, sizeof *g->cell);
    if (!g->cell)
        return false;
    g->columns = columns;
    g->rows = rows;
    osp_grid_clear(g);
    return true;
}

void osp_grid_drop(osp_grid *g)
{
    free(g->cell);
    *g = (osp_grid){0};
}

void osp_grid_clear(osp_grid *g)
{
    for (int i = 0; i < g->columns * g->rows; i++)
        g->cell[i] = (osp_cell){.ch = ' '};
}

/* ---- characters ------------------------------------------------------------------------------------------------ */

/* The character that s begins with, and its bytes; '?' for what is none. */
static uint32_t character(osp_str s, size_t *bytes)
{
    size_t n = osp_str_utf8(s);
    *bytes = n ? n : 1;
    const uint8_t *p = (const uint8_t *)s.p;
    switch (n) {
    case 1:
        return p[0] < 0x20 || p[0] == 0x7f ? '?' : p[0];
    case 2: {
        uint32_t c = (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
        return c < 0xa0 ? '?' : c;
    }
    case 3:
        return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    case 4:
        return (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
    default:
        return '?';
    }
}

typedef struct {
    uint32_t from, to;
} range;

static bool within(const range *r, size_t n, uint32_t c)
{
    for (size_t i = 0; i < n; i++)
        if (c >= r[i].from && c <= r[i].to)
            return true;
    return false;
}

/* Columns of a character: 0 for marks and what turns the direction of writing, 2 for those of East Asia and emoji. */
static int width_of(uint32_t c)
{
    static const range none[] = {{0x300, 0x36f},   {0x200b, 0x200f}, {0x202a, 0x202e}, {0x2060, 0x206f},
                                 {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xe0000, 0xe0fff}};
    static const range two[] = {{0x1100, 0x115f}, {0x2e80, 0xa4cf},   {0xac00, 0xd7a3},
                                {0xf900, 0xfaff}, {0xfe30, 0xfe6f},   {0xff00, 0xff60},
                                {0xffe0, 0xffe6}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd}};
    if (c < 0x300)
        return 1;
    if (within(none, sizeof none / sizeof *none, c))
        return 0;
    return within(two, sizeof two / sizeof *two, c) ? 2 : 1;
}

int osp_columns_of(osp_str text)
{
    int n = 0;
    for (size_t used; text.n; text = osp_str_skip(text, used))
        n += width_of(character(text, &used));
    return n;
}

static osp_cell *cell_at(const osp_grid *g, int x, int y)
{
    return x >= 0 && x < g->columns && y >= 0 && y < g->rows ? &g->cell[y * g->columns + x] : NULL;
}

int osp_grid_put(osp_grid *g, int x, int y, int width, osp_style style, osp_str text)
{
    int at = 0;
    for (size_t used; text.n; text = osp_str_skip(text, used)) {
        uint32_t c = character(text, &used);
        int n = width_of(c);
        if (at + n > width || x + at + n > g->columns)
            break;
        for (int i = 0; i < n; i++) {
            osp_cell *cell = cell_at(g, x + at + i, y);
            if (cell)
                *cell = (osp_cell){i == 0 ? c : 0, style};
        }
        at += n;
    }
    return at;
}

void osp_grid_style(osp_grid *g, int x, int y, int width, osp_style style)
{
    for (int i = 0; i < width; i++) {
        osp_cell *cell = cell_at(g, x + i, y);
        if (cell)
            cell->style = style;
    }
}

/* ---- drawing --------------------------------------------------------------------------------------------------- */

static bool same_style(osp_style a, osp_style b) { return a.colour == b.colour && a.look == b.look; }
static bool same_cell(osp_cell a, osp_cell b) { return a.ch == b.ch && same_style(a.style, b.style); }
static bool is_blank(osp_cell c) { return c.ch == ' ' && same_style(c.style, (osp_style){0}); }

static void put_style(osp_style s, osp_palette palette, osp_buf *out)
{
    static const uint8_t colour[] = {
        [OSP_RED] = 31, [OSP_GREEN] = 32, [OSP_YELLOW] = 33, [OSP_BLUE] = 34, [OSP_MAGENTA] = 35, [OSP_CYAN] = 36};
    osp_buf_add(out, S("\033[0"));
    if (s.look & OSP_STYLE_BOLD)
        osp_buf_add(out, S(";1"));
    if ((s.look & OSP_STYLE_DIM) && palette.colour)
        osp_buf_add(out, S(";2"));
    if (s.look & OSP_STYLE_REVERSE)
        osp_buf_add(out, S(";7"));
    if (palette.colour && s.colour < sizeof colour && colour[s.colour])
        osp_buf_fmt(out, ";%d", colour[s.colour]);
    osp_buf_byte(out, 'm');
}

/* The nearest that ASCII has. */
static char ascii_of(uint32_t c)
{
    static const struct {
        uint32_t c;
        char to;
    } map[] = {{0x2026, '~'}, {0xb7, '.'},   {0x2013, '-'}, {0x2500, '-'}, {0x25b2, '^'},
               {0x25be, 'v'}, {0x2192, '>'}, {0x2190, '<'}, {0x2191, '^'}, {0x2193, 'v'},
               {0x25b8, '>'}, {0xb1, '~'},   {0x2588, '#'}, {0x23ce, '<'}};
    if (c < 0x80)
        return (char)c;
    for (size_t i = 0; i < sizeof map / sizeof *map; i++)
        if (map[i].c == c)
            return map[i].to;
    return '?';
}

static void put_character(uint32_t c, osp_palette palette, osp_buf *out)
{
    char bytes[4];
    if (palette.utf8)
        osp_buf_add(out, (osp_str){bytes, osp_utf8_put(bytes, c)});
    else
        osp_buf_byte(out, (uint8_t)ascii_of(c));
}

/* What the terminal is set to while one picture is drawn. */
typedef struct {
    osp_palette palette;
    osp_buf *out;
    osp_style style;
    int x, y; /* of the cursor; -1 = somewhere */
} pen;

static void move_to(pen *p, int x, int y)
{
    if (p->x == x && p->y == y)
        return;
    osp_buf_fmt(p->out, x ? "\033[%d;%dH" : "\033[%dH", y + 1, x + 1);
    p->x = x;
    p->y = y;
}

static void put_cells(pen *p, const osp_cell *row, int from, int to, int columns)
{
    for (int x = from; x < to; x++) {
        if (!same_style(p->style, row[x].style)) {
            put_style(row[x].style, p->palette, p->out);
            p->style = row[x].style;
        }
        if (row[x].ch) {
            put_character(row[x].ch, p->palette, p->out);
            if (!p->palette.utf8 && x + 1 < columns && row[x + 1].ch == 0)
                osp_buf_byte(p->out, '?'); /* as wide as it was meant */
        }
    }
    p->x = to < columns ? to : -1; /* at the edge a cursor waits in one of two places */
}

static void draw_line(pen *p, const osp_cell *was, const osp_cell *now, int columns, int y)
{
    int end = columns; /* from here on all is blank */
    while (end > 0 && is_blank(now[end - 1]))
        end--;
    int x = 0;
    while (x < end) {
        while (x < end && same_cell(was[x], now[x]))
            x++;
        if (x == end)
            break;
        while (x > 0 && now[x].ch == 0) /* a wide character is written whole */
            x--;
        int stop = x, equal = 0;
        for (int i = x; i < end && equal <= CHEAP_GAP; i++) {
            equal = same_cell(was[i], now[i]) && now[i].ch ? equal + 1 : 0;
            stop = equal ? stop : i + 1;
        }
        move_to(p, x, y);
        put_cells(p, now, x, stop, columns);
        x = stop;
    }
    for (x = end; x < columns && is_blank(was[x]);)
        x++;
    if (x == columns)
        return;
    if (!same_style(p->style, (osp_style){0})) {
        osp_buf_add(p->out, S("\033[0m"));
        p->style = (osp_style){0};
    }
    move_to(p, end, y);
    osp_buf_add(p->out, S("\033[K"));
}

void osp_grid_draw(const osp_grid *was, const osp_grid *now, osp_palette palette, osp_buf *out)
{
    osp_grid blank = {0};
    pen p = {.palette = palette, .out = out, .x = -1, .y = -1};
    size_t begin = out->n;
    if (!was || was->columns != now->columns || was->rows != now->rows) {
        if (!osp_grid_size(&blank, now->columns, now->rows))
            return;
        osp_buf_add(out, S("\033[0m\033[2J"));
        was = &blank;
    } else {
        osp_buf_add(out, S("\033[0m"));
    }
    size_t head = out->n;
    for (int y = 0; y < now->rows; y++)
        draw_line(&p, was->cell + y * now->columns, now->cell + y * now->columns, now->columns, y);
    if (!same_style(p.style, (osp_style){0}))
        osp_buf_add(out, S("\033[0m"));
    if (out->n == head && was != &blank)
        out->n = begin; /* nothing changed: nothing is sent */
    osp_grid_drop(&blank);
}

void osp_grid_text(const osp_grid *g, osp_buf *out)
{
    for (int y = 0; y < g->rows; y++) {
        size_t end = out->n;
        for (int x = 0; x < g->columns; x++) {
            uint32_t c = g->cell[y * g->columns + x].ch;
            if (c)
                put_character(c, (osp_palette){.utf8 = true}, out);
            end = c && c != ' ' ? out->n : end;
        }
        out->n = end;
        osp_buf_byte(out, '\n');
    }
}
