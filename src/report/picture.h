/* SPDX-License-Identifier: Apache-2.0 */
/* A call graph as a text that Graphviz draws. */
#ifndef OSP_REPORT_PICTURE_H
#define OSP_REPORT_PICTURE_H

#include "report/report.h"

/* Append the graph of the profile to out->text. As the peer writes it, which leaves alone what some strangers' names may
 * break; or, if tidy, such that any name comes out whole and only valid UTF-8 is in it. */
bool osp_picture_text(const osp_profile *p, const osp_report_opts *o, bool tidy, osp_answer *out,
                      osp_err *err) OSP_CHECKED;

/* Append the graph drawn, in a form of osp_draw. */
bool osp_picture_draw(const osp_profile *p, const osp_report_opts *o, const char *form, osp_answer *out,
                      osp_err *err) OSP_CHECKED;

#endif
