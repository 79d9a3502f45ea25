/* SPDX-License-Identifier: Apache-2.0 */
/* What reports share: values of one report in its unit, and the lines at its head. */
#ifndef OSP_REPORT_HEAD_H
#define OSP_REPORT_HEAD_H

#include "report/report.h"

/* How a report prints values. */
typedef struct {
    osp_str from, to; /* unit of the samples, unit shown */
    double ratio;     /* 1 / divide_by */
} osp_shown;

osp_shown osp_shown_of(const osp_profile *p, const osp_report_opts *o);

/* With unit "minimum": choose the unit that suits the smallest node. */
void osp_shown_choose(osp_shown *s, const osp_graph *g, int64_t total);

const char *osp_shown_text(const osp_shown *s, int64_t value, char *text, size_t size);

enum { OSP_SHOWN_MAX = 512 }; /* room for a value's text */

/* File, build id, comments, type, time, duration; a line each. */
void osp_profile_head_lines(const osp_profile *p, const osp_report_opts *o, const osp_shown *s, int64_t total,
                            osp_buf *out);

/* Those, the active filters, and what of the graph is shown. */
void osp_graph_head_lines(const osp_profile *p, const osp_report_opts *o, const osp_shown *s, int64_t total,
                          const osp_graph *g, osp_buf *out);

/* Those of a picture: no matter how compact, with edges left out, and where to learn to read it. How long the first is. */
size_t osp_legend_lines(const osp_profile *p, const osp_report_opts *o, const osp_shown *s, int64_t total,
                        const osp_graph *g, osp_buf *out);

/* The file name of the main binary, "" if there is none. */
osp_str osp_main_name(const osp_profile *p, const osp_report_opts *o);

/* The graph options of a report. */
osp_graph_opts osp_graph_opts_of(const osp_report_opts *o);

#endif
