/* SPDX-License-Identifier: Apache-2.0 */
/* What Go's library means by a line, and how it computes, for the legacy text forms: they are defined by the peer's code over
 * that library. */
#ifndef OSP_FORMAT_GO_TEXT_H
#define OSP_FORMAT_GO_TEXT_H

#include "base/go.h"

/* bufio.Scanner over lines: without their ends, one \r before it included; a line of 64 KiB or more ends it all. */
typedef struct {
    osp_str rest, line; /* line: "" before the first and after the last */
    size_t number;      /* of the line, from 1 */
    bool too_long;      /* it ended because of such a line */
} osp_go_lines;

static inline osp_go_lines osp_go_lines_of(osp_str text) { return (osp_go_lines){.rest = text}; }
bool osp_go_next_line(osp_go_lines *s);

/* If a line was too long, fail. */
bool osp_go_lines_ended(const osp_go_lines *s, osp_err *err) OSP_CHECKED;

/* Nothing but white space, or a line whose first other character is '#'. */
bool osp_go_is_comment(osp_str line);

/* int64(v) and math.Exp(v) as amd64 computes them, whatever this machine is: what is unsampled is cut to a whole number,
 * so that the last bit may be seen. */
int64_t osp_go_whole(double v);
double osp_go_exp(double x);

/* The next 0x[0-9a-f]+ of a text, which is cut behind it; false if there is none. *fits is false if it is larger than 64
 * bits. */
bool osp_next_hex(osp_str *text, uint64_t *out, bool *fits);

#endif
