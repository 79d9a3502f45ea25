/* SPDX-License-Identifier: Apache-2.0 */
/* report/report.h: answers over a profile as text, one file and one descriptor each. */
#ifndef OSP_REPORT_H
#define OSP_REPORT_H

#include "base/buf.h"
#include "graph/graph.h"
#include "model/model.h"

/* What somebody wants to see and how: pprof's options, with its defaults from osp_report_defaults. */
typedef struct osp_report_opts {
    osp_query query; /* its value, granularity, no_inlines and mean hold for the whole report */
    bool by_cum, drop_negative, columns, compact_labels;
    double node_fraction, edge_fraction;
    uint32_t node_count; /* 0 = all */
    double divide_by;    /* values are divided by it when printed */
    osp_str unit;        /* "minimum" (one for all), "auto" (each its own), or a unit */
    osp_str trim_path, source_path;
    osp_str main_file; /* shown as the main binary instead of the profile's; "" = the profile's */
} osp_report_opts;

osp_report_opts osp_report_defaults(void);

typedef struct osp_report {
    const char *name;    /* "top" */
    const char *summary; /* one line, lower case, no dot */
    /* Append the report to out. *unmatched gets the filters that matched nothing (OSP_FOCUS | …). */
    bool (*write)(const osp_profile *p, const osp_report_opts *o, osp_buf *out, uint32_t *unmatched, osp_err *err);
} osp_report;

extern const osp_report *const osp_reports[]; /* NULL-terminated, by name */

/* The report of that name; NULL if there is none. */
const osp_report *osp_report_named(osp_str name);

/* The sample type that pprof's -sample_index=text means: "" the default, a number, a name, a name without inuse_. */
bool osp_sample_index(const osp_profile *p, osp_str text, uint32_t *out, osp_err *err) OSP_CHECKED;

/* ---- numbers with units, as pprof prints them ----------------------------------------------------------------- */

/* value, given in unit `from`, in unit `to` (or "minimum", "auto": the largest that leaves 1 or more). *unit: what to
 * print behind it, "" if it says nothing. */
double osp_scale(int64_t value, osp_str from, osp_str to, osp_str *unit);

/* "1.50s", "12kB", "0". Returns text, cut to size if the unit is long. */
const char *osp_scaled(int64_t value, osp_str from, osp_str to, char *text, size_t size);

/* part of total as "  100%", "12.34%", "0.012%"; at least 6 columns wide. */
const char *osp_percent(int64_t part, int64_t total, char *text, size_t size);

#endif
