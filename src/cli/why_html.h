/* SPDX-License-Identifier: Apache-2.0 */
/* cli/why_html.h: the answer of `osprey why` as one page that needs nothing else. */
#ifndef OSP_WHY_HTML_H
#define OSP_WHY_HTML_H

#include "diagnose/diagnose.h"

/* Appended to out. Text that comes from the process is text in the page, whatever it holds. */
bool osp_why_html(const osp_facts *f, const osp_findings *found, osp_buf *out, osp_err *err) OSP_CHECKED;

extern const char osp_why_css[]; /* generated of why.css */

#endif
