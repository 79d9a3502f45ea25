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

enum { /* what a location is to the steps that cut stacks down (osp_view.cut); and which steps there are (osp_view.cuts) */
       OSP_CUT_BENEATH = 1, /* drop_frames: what it called goes */
       OSP_CUT_WHOLE = 2,   /* … and itself */
       OSP_CUT_FOCUSED = 4,
       OSP_CUT_IGNORED = 8,
       OSP_CUT_HIDDEN = 16,
       OSP_CUT_SHOW_FROM = 32,
       OSP_CUT_PRUNE_FROM = 64,
};

/* Lines while they are cut down in place: each list stays within its old bounds. */
typedef struct {
    const osp_profile *p; /* the one asked, from osp_rewriting_tag_frames() on maybe the view's own */
    const osp_query *q;
    osp_view *v;
    osp_arena *a;
    osp_err *err;
    const osp_str *name;
    osp_line *line; /* NULL until a filter changes lines */
    uint32_t *line_at, *line_n;
    uint8_t *gone;                /* per stack; NULL while all stay */
    osp_label_units units;        /* empty where no filter needs them */
    const uint8_t *label_verdict; /* per label set; NULL: all are OSP_LABEL_FOCUSED */
    uint32_t unmatched;
} osp_rewriting;

static inline bool osp_rewriting_no_memory(osp_rewriting *r)
{
    return osp_fail_memory(r->err, "making a view of the profile");
}

bool osp_rewriting_regex(osp_rewriting *r, const char *what, osp_str pattern, osp_regex **out);

/* Lay the lines of locations that were cut down end to end again. */
bool osp_rewriting_close_gaps(osp_rewriting *r);

/* Room for the stacks of the view's profile. */
bool osp_rewriting_room(osp_rewriting *r);

/* tag_root and tag_leaf: from here on, the profile is the view's own. */
bool osp_rewriting_tag_frames(osp_rewriting *r);

bool osp_rewriting_label_units(osp_rewriting *r);

/* tag_focus, tag_ignore, tag_show, tag_hide. */
bool osp_rewriting_judge_labels(osp_rewriting *r);

#endif
