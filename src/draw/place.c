/* SPDX-License-Identifier: Apache-2.0 */
/* Where everything stands. Vertices of a row keep their order and their distances, and stand as near as that allows to
 * where their neighbours pull them: least squares, solved exactly row by row (pool adjacent violators), many times down
 * and up. Arrows then run straight through the rows and swing in the gaps between them, so that they never cross a box. */
#include "draw/draw_internal.h"

#include <math.h>
#include <stdlib.h>

static const double gap_of_boxes = 16, gap_of_bends = 8, least_gap_of_rows = 14, most_gap_of_rows = 60, margin = 8;
static const double steepest = 3; /* of an arrow in a row: points aside a point down */
enum { PASSES = 200, MOST_WORK = 40000000 };

static bool no_memory(osp_layout *l) { return osp_fail_memory(l->err, "laying out a graph"); }

/* ---- sizes ---------------------------------------------------------------------------------------------------- */

static void measure(osp_drawing *d)
{
    for (uint32_t i = 0; i < d->nbox; i++) {
        osp_box *b = &d->box[i];
        b->w = fmax(b->label.w + 12 + b->label.font / 2, 20);
        b->h = fmax(b->label.h + 6 + b->label.font / 4, 16);
    }
}

/* ---- across --------------------------------------------------------------------------------------------------- */

static double distance(const osp_layout *l, uint32_t a, uint32_t b)
{
    const osp_vertex *x = &l->vertex[a], *y = &l->vertex[b];
    const bool boxes = x->box != OSP_NO_BOX && y->box != OSP_NO_BOX;
    return (x->w + y->w) / 2 + (boxes ? gap_of_boxes : gap_of_bends);
}

/* Where the neighbours on the wanted sides pull v, and how strongly. */
static double pull(const osp_layout *l, uint32_t v, bool from_above, bool from_below, double *weight)
{
    double sum = 0;
    *weight = 0;
    for (uint32_t k = l->first_up[v]; from_above && k < l->first_up[v + 1]; k++) {
        const osp_step *s = &l->step[l->up[k]];
        sum += s->weight * (l->vertex[s->up].x + l->vertex[s->up].anchor);
        *weight += s->weight;
    }
    for (uint32_t k = l->first_down[v]; from_below && k < l->first_down[v + 1]; k++) {
        const osp_step *s = &l->step[l->down[k]];
        sum += s->weight * (l->vertex[s->down].x + l->vertex[s->down].anchor);
        *weight += s->weight;
    }
    if (*weight > 0)
        return sum / *weight - l->vertex[v].anchor;
    *weight = 0.01;
    return l->vertex[v].x;
}

/* Vertices that stand shoulder to shoulder. */
typedef struct {
    double sum, weight;
    uint32_t n;
} block;

static void place_row(osp_layout *l, uint32_t rank, bool from_above, bool from_below, block *b)
{
    const uint32_t *row = l->row[rank], n = l->nrow[rank];
    uint32_t nblock = 0;
    double offset = 0; /* of a vertex from the first, if all stand shoulder to shoulder */
    for (uint32_t i = 0; i < n; i++) {
        double weight, want = pull(l, row[i], from_above, from_below, &weight);
        offset += i ? distance(l, row[i - 1], row[i]) : 0;
        b[nblock++] = (block){weight * (want - offset), weight, 1};
        while (nblock > 1 && b[nblock - 2].sum * b[nblock - 1].weight > b[nblock - 1].sum * b[nblock - 2].weight) {
            nblock--;
            b[nblock - 1].sum += b[nblock].sum;
            b[nblock - 1].weight += b[nblock].weight;
            b[nblock - 1].n += b[nblock].n;
        }
    }
    offset = 0;
    for (uint32_t k = 0, i = 0; k < nblock; k++)
        for (uint32_t of = b[k].n; of > 0; of--, i++) {
            offset += i ? distance(l, row[i - 1], row[i]) : 0;
            l->vertex[row[i]].x = b[k].sum / b[k].weight + offset;
        }
}

/* ---- parts that nothing connects ------------------------------------------------------------------------------ */

static uint32_t part_of(uint32_t *parent, uint32_t v)
{
    while (parent[v] != v)
        v = parent[v] = parent[parent[v]];
    return v;
}

/* Move each part to the left until it meets another. */
static bool pull_together(osp_layout *l)
{
    uint32_t *parent = osp_new(&l->scratch, uint32_t, l->nvertex);
    double *slack = osp_new(&l->scratch, double, l->nvertex);
    if (!parent || !slack)
        return no_memory(l);
    for (uint32_t v = 0; v < l->nvertex; v++)
        parent[v] = v;
    for (uint32_t i = 0; i < l->nstep; i++)
        parent[part_of(parent, l->step[i].up)] = part_of(parent, l->step[i].down);
    for (int pass = 0; pass < 4; pass++) {
        for (uint32_t v = 0; v < l->nvertex; v++)
            slack[v] = INFINITY;
        for (uint32_t r = 0; r < l->nrank; r++)
            for (uint32_t i = 1; i < l->nrow[r]; i++) {
                const uint32_t a = l->row[r][i - 1], b = l->row[r][i], part = part_of(parent, b);
                const double room = l->vertex[b].x - l->vertex[a].x - distance(l, a, b) - gap_of_boxes;
                if (part_of(parent, a) != part)
                    slack[part] = fmin(slack[part], room);
            }
        for (uint32_t v = 0; v < l->nvertex; v++) {
            const double room = slack[part_of(parent, v)];
            l->vertex[v].x -= isfinite(room) && room > 0 ? room : 0;
        }
    }
    return true;
}

static bool place_across(osp_layout *l)
{
    block *b = osp_new(&l->scratch, block, l->nvertex);
    if (!b)
        return no_memory(l);
    for (uint32_t r = 0; r < l->nrank; r++)
        for (uint32_t i = 1; i < l->nrow[r]; i++)
            l->vertex[l->row[r][i]].x = l->vertex[l->row[r][i - 1]].x + distance(l, l->row[r][i - 1], l->row[r][i]);
    const uint32_t work = l->nvertex + l->nstep + 1;
    const uint32_t passes = MOST_WORK / work < PASSES ? MOST_WORK / work + 2 : PASSES;
    for (uint32_t pass = 0; pass < passes; pass++) {
        const bool rough = pass < 8, down = pass % 2 == 0;
        for (uint32_t i = 0; i < l->nrank; i++)
            place_row(l, down ? i : l->nrank - 1 - i, !rough || down, !rough || !down, b);
    }
    return pull_together(l);
}

/* ---- down ----------------------------------------------------------------------------------------------------- */

typedef struct {
    double top, bottom;
} band;

static double anchor_of(const osp_layout *l, uint32_t v) { return l->vertex[v].x + l->vertex[v].anchor; }

static bool place_down(osp_layout *l, band **out)
{
    band *b = osp_new(&l->scratch, band, l->nrank);
    double *reach = osp_new(&l->scratch, double, l->nrank); /* how far steps swing below a row */
    if (!b || !reach)
        return no_memory(l);
    for (uint32_t i = 0; i < l->nstep; i++) {
        const osp_step *s = &l->step[i];
        double *r = &reach[l->vertex[s->up].rank];
        *r = fmax(*r, fabs(anchor_of(l, s->up) - anchor_of(l, s->down)));
    }
    double y = 0;
    for (uint32_t r = 0; r < l->nrank; r++) {
        double h = 0;
        for (uint32_t i = 0; i < l->nrow[r]; i++)
            h = fmax(h, l->vertex[l->row[r][i]].h);
        b[r] = (band){y, y + h};
        y += h + fmin(least_gap_of_rows + reach[r] / 12, most_gap_of_rows);
    }
    for (uint32_t v = 0; v < l->d->nbox; v++)
        l->d->box[v].at = (osp_point){l->vertex[v].x, (b[l->vertex[v].rank].top + b[l->vertex[v].rank].bottom) / 2};
    *out = b;
    return true;
}

/* ---- arrows --------------------------------------------------------------------------------------------------- */

/* Arrows leave and enter a box side by side, in the order of their other ends. */
typedef struct {
    uint32_t step;
    double x; /* of the other end */
} port;

static int by_x(const void *a, const void *b)
{
    const port *p = a, *q = b;
    return p->x < q->x ? -1 : p->x > q->x ? 1 : (p->step > q->step) - (p->step < q->step);
}

static bool place_ports(osp_layout *l, double *up_x, double *down_x)
{
    port *p = osp_new(&l->scratch, port, l->nstep);
    if (!p)
        return no_memory(l);
    for (uint32_t v = 0; v < l->nvertex; v++)
        for (int down = 0; down < 2; down++) {
            const uint32_t *first = down ? l->first_down : l->first_up, *list = down ? l->down : l->up;
            const uint32_t n = first[v + 1] - first[v];
            for (uint32_t k = 0; k < n; k++) {
                const uint32_t step = list[first[v] + k];
                p[k] = (port){step, anchor_of(l, down ? l->step[step].down : l->step[step].up)};
            }
            qsort(p, n, sizeof *p, by_x);
            const double room = l->vertex[v].box == OSP_NO_BOX ? 0 : fmin(l->vertex[v].w * 0.7, 18.0 * (n - 1));
            for (uint32_t k = 0; k < n; k++)
                (down ? up_x : down_x)[p[k].step] = anchor_of(l, v) + (n > 1 ? room * (k / (n - 1.0) - 0.5) : 0);
        }
    return true;
}

/* Where an arrow passes a row: on a straight line from top to bottom, which is at x in its middle. */
typedef struct {
    double x, top, bottom, slope;
} knot;

static double secant(const knot *a, const knot *b)
{
    return (b->x - a->x) / fmax((b->top + b->bottom - a->top - a->bottom) / 2, 1);
}

/* Slopes that let the curve swing from knot to knot without going too far (after Fritsch and Carlson); and not so far
 * aside within a row that it meets the neighbours there. */
static void choose_slopes(knot *k, uint32_t n)
{
    for (uint32_t i = 1; i + 1 < n; i++) {
        const double before = secant(&k[i - 1], &k[i]), after = secant(&k[i], &k[i + 1]);
        k[i].slope = before * after > 0 ? 2 * before * after / (before + after) : 0;
    }
    const double first = secant(&k[0], &k[1]), last = secant(&k[n - 2], &k[n - 1]);
    k[0].slope = n > 2 ? (3 * first - k[1].slope) / 2 : first;
    k[n - 1].slope = n > 2 ? (3 * last - k[n - 2].slope) / 2 : last;
    for (uint32_t i = 0; i < n; i++) {
        const double most = fmin(gap_of_bends / fmax(k[i].bottom - k[i].top, 1), steepest);
        k[i].slope = fmax(-most, fmin(most, k[i].slope));
    }
}

static void curve_to(osp_arrow *e, double slope, osp_point to, double slope_there)
{
    const osp_point from = e->point[e->npoint - 1];
    const double third = (to.y - from.y) / 3;
    if (third < 0.01)
        return;
    e->point[e->npoint++] = (osp_point){from.x + slope * third, from.y + third};
    e->point[e->npoint++] = (osp_point){to.x - slope_there * third, to.y - third};
    e->point[e->npoint++] = to;
}

static void curve_through(osp_arrow *e, const knot *k, uint32_t n)
{
    e->point[e->npoint++] = (osp_point){k[0].x, k[0].top};
    for (uint32_t i = 0; i < n; i++) {
        const double half = k[i].slope * (k[i].bottom - k[i].top) / 2;
        const double in = i ? k[i].x - (i + 1 < n ? half : 2 * half) : 0, out = k[i].x + (i ? half : 2 * half);
        if (i)
            curve_to(e, k[i - 1].slope, (osp_point){in, k[i].top}, k[i].slope);
        curve_to(e, k[i].slope, (osp_point){i + 1 < n ? out : k[i].x, k[i].bottom}, k[i].slope);
    }
}

static void turn_round(osp_arrow *e)
{
    for (uint32_t i = 0, k = e->npoint - 1; i < k; i++, k--) {
        const osp_point p = e->point[i];
        e->point[i] = e->point[k];
        e->point[k] = p;
    }
}

static bool draw_arrow(osp_layout *l, osp_arrow *e, const osp_route *r, uint32_t step, const band *b,
                       const double *up_x, const double *down_x, knot *k)
{
    e->point = osp_new(&l->d->arena, osp_point, 4 + 6 * (size_t)r->nstep);
    if (!e->point)
        return no_memory(l);
    const osp_box *top = &l->d->box[l->step[step].up], *bottom = &l->d->box[l->step[step + r->nstep - 1].down];
    k[0] = (knot){up_x[step], top->at.y + top->h / 2, b[l->vertex[l->step[step].up].rank].bottom, 0};
    for (uint32_t i = 0; i + 1 < r->nstep; i++) {
        const osp_vertex *v = &l->vertex[l->step[step + i].down];
        k[i + 1] = (knot){v->x + v->anchor, b[v->rank].top, b[v->rank].bottom, 0};
        if (v->labelled)
            e->label_at = (osp_point){v->x + 2, (b[v->rank].top + b[v->rank].bottom) / 2};
    }
    k[r->nstep] = (knot){down_x[step + r->nstep - 1], b[l->vertex[l->step[step + r->nstep - 1].down].rank].top,
                         bottom->at.y - bottom->h / 2, 0};
    choose_slopes(k, r->nstep + 1);
    curve_through(e, k, r->nstep + 1);
    if (r->upwards)
        turn_round(e);
    return true;
}

/* An arrow from a box to itself, at its right side. */
static bool draw_loop(osp_layout *l, osp_arrow *e)
{
    const osp_box *b = &l->d->box[e->from];
    const double x = b->at.x + b->w / 2, y = b->at.y, h = fmin(b->h / 2, 20);
    e->point = osp_new(&l->d->arena, osp_point, 4);
    if (!e->point)
        return no_memory(l);
    e->point[0] = (osp_point){x, y - h / 2};
    e->point[1] = (osp_point){x + 24, y - h / 2};
    e->point[2] = (osp_point){x + 24, y + h / 2};
    e->point[3] = (osp_point){x, y + h / 2};
    e->npoint = 4;
    e->label_at = (osp_point){x + 20 + e->label.w / 2, y};
    return true;
}

static bool draw_arrows(osp_layout *l, const band *b)
{
    double *up_x = osp_new(&l->scratch, double, l->nstep), *down_x = osp_new(&l->scratch, double, l->nstep);
    knot *k = osp_new(&l->scratch, knot, (size_t)l->nrank + 1);
    if (!up_x || !down_x || !k)
        return no_memory(l);
    if (!place_ports(l, up_x, down_x))
        return false;
    uint32_t step = 0;
    for (uint32_t i = 0; i < l->d->narrow; i++) {
        osp_arrow *e = &l->d->arrow[i];
        if (l->route[i].nstep && !draw_arrow(l, e, &l->route[i], step, b, up_x, down_x, k))
            return false;
        if (e->from == e->to && !draw_loop(l, e))
            return false;
        step += l->route[i].nstep;
    }
    return true;
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

/* What stands apart goes to the left of all that reaches as high. */
static void place_legend(osp_drawing *d)
{
    double left = INFINITY, h = 0, w = 0, y = 0;
    for (uint32_t i = 0; i < d->nbox; i++)
        if (d->box[i].apart) {
            h += d->box[i].h + gap_of_boxes;
            w = fmax(w, d->box[i].w);
        }
    for (uint32_t i = 0; i < d->nbox; i++)
        if (!d->box[i].apart && d->box[i].at.y - d->box[i].h / 2 < h)
            left = fmin(left, d->box[i].at.x - d->box[i].w / 2);
    for (uint32_t i = 0; i < d->narrow; i++)
        for (uint32_t k = 0; k < d->arrow[i].npoint; k++)
            if (d->arrow[i].point[k].y < h)
                left = fmin(left, d->arrow[i].point[k].x);
    for (uint32_t i = 0; i < d->nbox; i++)
        if (d->box[i].apart) {
            d->box[i].at = (osp_point){isfinite(left) ? left - 24 - w / 2 : 0, y + d->box[i].h / 2};
            y += d->box[i].h + gap_of_boxes;
        }
}

static void stretch(osp_point *least, osp_point *most, osp_point at, double w, double h)
{
    *least = (osp_point){fmin(least->x, at.x - w / 2), fmin(least->y, at.y - h / 2)};
    *most = (osp_point){fmax(most->x, at.x + w / 2), fmax(most->y, at.y + h / 2)};
}

/* Move all into the picture's corner. */
static void set_size(osp_drawing *d)
{
    osp_point least = {INFINITY, INFINITY}, most = {-INFINITY, -INFINITY};
    for (uint32_t i = 0; i < d->nbox; i++)
        stretch(&least, &most, d->box[i].at, d->box[i].w, d->box[i].h);
    for (uint32_t i = 0; i < d->narrow; i++) {
        for (uint32_t k = 0; k < d->arrow[i].npoint; k++)
            stretch(&least, &most, d->arrow[i].point[k], 4, 4);
        if (d->arrow[i].npoint)
            stretch(&least, &most, d->arrow[i].label_at, d->arrow[i].label.w, d->arrow[i].label.h);
    }
    if (d->nbox == 0)
        least = most = (osp_point){0, 0};
    const double x = margin - least.x, y = margin - least.y;
    for (uint32_t i = 0; i < d->nbox; i++)
        d->box[i].at = (osp_point){d->box[i].at.x + x, d->box[i].at.y + y};
    for (uint32_t i = 0; i < d->narrow; i++) {
        osp_arrow *e = &d->arrow[i];
        e->label_at = (osp_point){e->label_at.x + x, e->label_at.y + y};
        for (uint32_t k = 0; k < e->npoint; k++)
            e->point[k] = (osp_point){e->point[k].x + x, e->point[k].y + y};
    }
    d->w = most.x - least.x + 2 * margin;
    d->h = most.y - least.y + 2 * margin;
}

bool osp_lay_out(osp_drawing *d, osp_err *err)
{
    osp_layout l = {.d = d, .err = err};
    band *bands = NULL;
    osp_arena_init(&l.scratch, (size_t)2 << 30);
    measure(d);
    bool ok = osp_choose_ranks(&l) && osp_order_rows(&l) && place_across(&l) && place_down(&l, &bands) &&
              draw_arrows(&l, bands);
    osp_arena_drop(&l.scratch);
    if (ok) {
        place_legend(d);
        set_size(d);
    }
    return ok;
}
