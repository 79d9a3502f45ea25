/* SPDX-License-Identifier: Apache-2.0 */
/* A view while it is made. */
#ifndef OSP_MODEL_VIEW_INTERNAL_H
#define OSP_MODEL_VIEW_INTERNAL_H

#include "model/model_internal.h"
#include "model/regex.h"

enum { /* what a label set is to the filters */
       OSP_LABEL_FOCUSED = 1,
       OSP_LABEL_IGNORED = 2,
       OSP_LABEL_SHOWN = 4,
       OSP_LABEL_HIDDEN = 8, /* some of its labels are */
       OSP_LABEL_BASE = 16,  /* it marks samples of the base of a difference: the total counts those alone */
};

/* Lines and stacks while they are cut down in place: each list stays within its old bounds. */
typedef struct {
    const osp_profile *p;
    const osp_query *q;
    osp_arena *a;
    osp_err *err;
    osp_buf *notes;
    const osp_str *name;
    osp_line *line; /* NULL until a filter changes lines */
    uint32_t *line_at, *line_n;
    osp_location_id *loc; /* NULL until a filter changes stacks */
    uint32_t *from, *to;
    uint8_t *gone;
    osp_label_units units;        /* empty where no filter needs them */
    const uint8_t *label_verdict; /* per label set; NULL: all are OSP_LABEL_FOCUSED */
    uint32_t unmatched;
} osp_rewriting;

static inline bool osp_rewriting_no_memory(osp_rewriting *r)
{
    return osp_fail_memory(r->err, "making a view of the profile");
}

bool osp_rewriting_regex(osp_rewriting *r, const char *what, osp_str pattern, osp_regex **out);

/* Lay the lists that were cut down end to end again. */
bool osp_rewriting_close_gaps(osp_rewriting *r, osp_view *v);

/* tag_root and tag_leaf: from here on, the profile is v->own. */
bool osp_rewriting_tag_frames(osp_rewriting *r, osp_view *v);

bool osp_rewriting_label_units(osp_rewriting *r);

/* tag_focus, tag_ignore, tag_show, tag_hide. */
bool osp_rewriting_judge_labels(osp_rewriting *r, osp_view *v);

#endif
