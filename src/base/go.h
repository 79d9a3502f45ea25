/* SPDX-License-Identifier: Apache-2.0 */
/* base/go.h: what Go's library means by a blank and by a number. The peer's grammars are defined by it, so where its corners
 * decide what is accepted and what is said, they are here. */
#ifndef OSP_GO_H
#define OSP_GO_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* strings.TrimSpace: without what Unicode calls white space, at either side. */
osp_str osp_go_trim(osp_str s);

/* strings.Fields, one at a time: cut the next word off. "" at the end. */
osp_str osp_go_cut_field(osp_str *s);

typedef enum { OSP_GO_FINE, OSP_GO_SYNTAX, OSP_GO_RANGE } osp_go_outcome;

/* strconv.ParseInt(s, base, 64), base 10 or 0 (by prefix, with underscores between digits). *out is set if it is fine. */
osp_go_outcome osp_go_read_int(osp_str s, int base, int64_t *out) OSP_CHECKED;
static inline bool OSP_CHECKED osp_go_int(osp_str s, int base, int64_t *out)
{
    return osp_go_read_int(s, base, out) == OSP_GO_FINE;
}

/* strconv.ParseFloat(s, 64) of up to 511 bytes. */
osp_go_outcome osp_go_read_float(osp_str s, double *out) OSP_CHECKED;

/* fmt.Sprint(v): the shortest text that reads back as v. */
void osp_go_put_float(osp_buf *out, double v);

#endif
