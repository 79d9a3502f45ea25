/* SPDX-License-Identifier: Apache-2.0 */
/* What reports share: values of one report in its unit, and the lines at its head. */
#ifndef OSP_REPORT_HEAD_H
#define OSP_REPORT_HEAD_H

#include "base/hash.h"
#include "base/json.h"
#include "report/report.h"

/* How a report prints values. */
typedef struct {
    osp_str from, to; /* unit of the samples, unit shown */
    double ratio;     /* 1 / divide_by */
    bool whole;       /* whole numbers are printed: the unit must be that of the smallest */
} osp_shown;

osp_shown osp_shown_of(const osp_profile *p, const osp_report_opts *o);

/* With unit "minimum": choose the unit that suits the smallest node. */
void osp_shown_choose(osp_shown *s, const osp_graph *g, int64_t total);

int64_t osp_shown_value(const osp_shown *s, int64_t value); /* divided */
const char *osp_shown_text(const osp_shown *s, int64_t value, char *text, size_t size);

const char *osp_shown_or_dot(const osp_shown *s, int64_t value, char *text, size_t size); /* "." for 0 */

enum { OSP_SHOWN_MAX = 512 }; /* room for a value's text */

/* The view that a report reads, with its rows if it wants them; what the view has to tell becomes the answer's. */
bool osp_answer_view(const osp_profile *p, const osp_report_opts *o, bool rows, osp_view *view, osp_answer *out,
                     osp_err *err) OSP_CHECKED;

/* Pour out what is written, if it is much and somebody takes it. False: he takes no more. */
bool osp_answer_pour(osp_answer *out, osp_err *err) OSP_CHECKED;

/* v in decimal. */
void osp_put_u64(osp_buf *out, uint64_t v);

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

/* The filters of a query, in the order of their bits in osp_view.unmatched. The first OSP_FILTERS_OF_NAMES are about names of
 * functions, the others about labels; from OSP_FILTERS_ACTIVE on they make frames of them. */
typedef struct osp_filter {
    const char *name; /* "focus" */
    osp_str pattern;  /* "" = not set */
} osp_filter;
enum { OSP_FILTERS_OF_NAMES = 5, OSP_FILTERS_ACTIVE = 9, OSP_FILTERS = 11 };
void osp_filters_of(const osp_query *q, osp_filter out[OSP_FILTERS]);

/* What the nodes that are shown weigh together. */
int64_t osp_graph_shown(const osp_graph *g);

/* The graph options of a report. */
osp_graph_opts osp_graph_opts_of(const osp_report_opts *o);

/* What the report shows as a profile: of `p`, the rows and tables that the query leaves; lines and mappings as the
 * granularity "addresses" leaves them. */
typedef struct osp_shown_profile {
    osp_view view;
    osp_profile *borrowed;
    osp_profile p; /* read it, do not drop it */
} osp_shown_profile;
bool osp_shown_profile_make(const osp_profile *p, const osp_report_opts *o, osp_shown_profile *out,
                            osp_answer *answer, osp_err *err) OSP_CHECKED;
void osp_shown_profile_drop(osp_shown_profile *s);

/* Append p as the peer would write it, packed: its texts in the order of their first use, labels by key. */
bool osp_write_profile(const osp_profile *p, osp_buf *out, osp_err *err) OSP_CHECKED;

/* What makes two functions different. Texts of one graph are equal if they stand at the same place. */
typedef struct osp_function_key {
    osp_str name, file, object;
    int64_t start_line, column;
    uint64_t caller; /* in a call tree: 1 + index of the node */
} osp_function_key;

/* Every node between its callers and its callees: all of them, or those whose label the pattern matches. */
bool osp_write_tree(const osp_profile *p, const osp_report_opts *o, const osp_regex *only, osp_answer *out,
                    osp_err *err) OSP_CHECKED;

/* ---- labels --------------------------------------------------------------------------------------------------- */

/* A label by its key: the texts first, then the numbers, each by key, values of one key as they come. Labels that say
 * nothing are left out. */
typedef struct osp_keyed_label {
    osp_str key;
    const osp_label *label;
    bool numeric;
} osp_keyed_label;
/* Sorts the n labels into out[n]; returns how many. */
uint32_t osp_labels_by_key(const osp_profile *p, const osp_label *label, uint32_t n, osp_keyed_label *out);
bool osp_same_key(const osp_keyed_label *a, const osp_keyed_label *b); /* and of one kind */

/* Labels as text. Writes the labels from[0] … to[-1], which have one key. */
typedef void osp_label_writer(void *ctx, const osp_keyed_label *from, const osp_keyed_label *to, osp_buf *out);

/* Room for the labels of one sample of a view after the other. */
typedef struct osp_label_room {
    osp_arena arena;
    osp_keyed_label *sorted;
    osp_str *piece;
    size_t *end;
    osp_buf scratch;
} osp_label_room;
bool osp_label_room_make(const osp_view *v, osp_label_room *out, osp_err *err) OSP_CHECKED;
void osp_label_room_drop(osp_label_room *r);

/* Write the texts (or the numbers) of a label set key by key, in the order of what is written, `between` in between.
 * False if there are none. */
bool osp_put_labels(osp_label_room *r, const osp_view *v, uint32_t set, bool numeric, osp_label_writer *write,
                    void *ctx, osp_str between, osp_buf *out);

/* The report's argument as a pattern; NULL and *err if it is none. */
osp_regex *osp_argument_regex(const osp_report_opts *o, osp_err *err);

/* ---- the same as JSON (docs/json.md) -------------------------------------------------------------------------- */

/* One object; what stands in "rows" ends where the limit is. */
typedef struct osp_json_rows {
    osp_json j;
    size_t limit; /* bytes of the whole */
    uint64_t total, shown;
    bool full;
    osp_json before; /* the last row, to take it back */
    size_t at;
} osp_json_rows;

/* Opens the object: schema, profile, question. total: of all samples. More may be put into r->j before the rows. */
osp_json_rows osp_json_open(const char *report, const osp_profile *p, const osp_report_opts *o, const osp_shown *s,
                            int64_t total, osp_answer *out);
void osp_json_graph(osp_json *j, const osp_shown *s, const osp_graph *g); /* what of it is shown */

/* Open "rows"; then each row: false if no more fit. Close ends rows and object. */
void osp_json_rows_open(osp_json_rows *r);
bool osp_json_row(osp_json_rows *r);
void osp_json_row_end(osp_json_rows *r);
void osp_json_close(osp_json_rows *r);

/* A value in the unit of the samples (divided by divide_by), and what part of all it is, in percent. */
void osp_json_value(osp_json *j, const char *key, const osp_shown *s, int64_t value);
void osp_json_percent(osp_json *j, const char *key, int64_t value, int64_t total);

/* What a node is, its flat and its cum. */
void osp_json_node(osp_json *j, const osp_node *n, const osp_shown *s, int64_t total);

/* ---- what a reader may have meant ----------------------------------------------------------------------------- */

/* Notes for who gets nothing: the names nearest to a pattern that matched none, why a profile is empty. */
void osp_explain_nothing(const osp_report *r, const osp_profile *p, const osp_report_opts *o, bool ok,
                         const osp_err *err, osp_answer *out);

#endif
