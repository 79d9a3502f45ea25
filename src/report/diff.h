/* SPDX-License-Identifier: Apache-2.0 */
/* Two profiles while they are compared. */
#ifndef OSP_REPORT_DIFF_H
#define OSP_REPORT_DIFF_H

#include "report/report.h"

/* A sum of values, and its variance. */
typedef struct {
    double value, variance;
} osp_diff_sum;

/* One of them. */
typedef struct {
    osp_view view;
    uint32_t *row; /* per function, and behind those per mapping, for code without a name: its row, or UINT32_MAX */
    osp_diff_sum *stack; /* per stack: what passes the filters; without any, the variance is 0 */
    osp_diff_sum all;    /* filtered or not */
    double events;
} osp_diff_half;

/* Frames of a stack from the leaf to the root; one stack of a half at a time. */
typedef struct {
    const osp_diff_half *half;
    osp_stack stack;
    uint32_t at, line; /* the next: a location, and of its lines; without lines it is its mapping's */
} osp_diff_frames;
osp_diff_frames osp_diff_frames_of(const osp_diff_half *h, uint32_t stack);
bool osp_diff_next(osp_diff_frames *f, uint32_t *what); /* an index of half->row[] */

static inline void osp_diff_add(osp_diff_sum *to, osp_diff_sum what)
{
    to->value += what.value;
    to->variance += what.variance;
}

/* part: before, after. */
osp_change osp_diff_judge(const osp_diff_sum part[2], const osp_diff_half half[2], double width);

/* d->row[] is in the order of the halves' rows; told[i]: its own change is beyond its error. Sets caller[i], or row[i].follows, of
 * the others whose cum is, and counts them. */
bool osp_diff_callers(osp_diff *d, const osp_diff_half half[2], const uint8_t *told, uint8_t *caller,
                      osp_err *err) OSP_CHECKED;

#endif
