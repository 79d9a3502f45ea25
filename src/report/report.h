/* SPDX-License-Identifier: Apache-2.0 */
/* report/report.h: answers over a profile as text, one file and one descriptor each. */
#ifndef OSP_REPORT_H
#define OSP_REPORT_H

#include "base/buf.h"
#include "graph/graph.h"
#include "model/model.h"
#include "report/config.h"

typedef struct osp_object osp_object; /* object/object.h */

/* What somebody wants to see and how: pprof's options, with its defaults from osp_report_defaults. */
typedef struct osp_report_opts {
    osp_query query; /* its value, granularity, no_inlines and mean hold for the whole report */
    bool by_cum, drop_negative, columns, compact_labels;
    double node_fraction, edge_fraction;
    int64_t node_count; /* < 0: the report's default; 0 = all */
    double divide_by;   /* values are divided by it when printed */
    osp_str unit;       /* "minimum" (one for all), "auto" (each its own), or a unit */
    osp_str trim_path, source_path;
    osp_str main_file; /* shown as the main binary instead of the profile's; "" = the profile's */
    osp_str argument;  /* of a report that takes one: a regular expression, or an address */
    bool call_tree, intel_syntax;
    bool json;          /* one JSON object instead of text (docs/json.md) */
    int64_t json_bytes; /* which has at most so many bytes: rows are left out, the lightest first; 0 = no limit */
    /* The object file behind a mapping; NULL and *err if there is none. It lives as long as object_ctx. Without it: the
     * file that the mapping names, or main_file for the main binary. */
    osp_object *(*object_of)(void *ctx, osp_mapping_id m, osp_err *err);
    void *object_ctx;
} osp_report_opts;

osp_report_opts osp_report_defaults(void);

/* What the named options mean for this profile. False and *err: a sample type that is not there, a divisor of 0. */
bool osp_report_opts_of(const osp_config *c, const osp_profile *p, osp_report_opts *out, osp_err *err) OSP_CHECKED;

/* What a report answers. Drop with osp_answer_drop. */
typedef struct {
    osp_buf text;       /* the report: text, or the bytes of a file */
    osp_buf notes;      /* lines for the reader beside it (stderr), each with its line end */
    uint32_t unmatched; /* filters that matched nothing: OSP_FOCUS | … */
    /* Takes text while it is being written, so that gigabytes of it need no memory; false if it cannot. NULL: all of it
     * stays in text. */
    bool (*pour)(void *ctx, osp_str text);
    void *pour_ctx;
} osp_answer;
osp_answer osp_answer_new(void);
void osp_answer_drop(osp_answer *a);

typedef struct osp_report {
    const char *name;    /* "top" */
    const char *alias;   /* a second name: "text"; or NULL */
    const char *summary; /* one line, lower case, no dot */
    const char *ending;  /* of the file it makes: "pb.gz"; NULL = text for a terminal */
    bool takes_argument; /* -list=main.hot: o->argument */
    /* What the report insists on, whatever the reader chose. */
    bool untrimmed;       /* no fractions, no node count */
    bool own_granularity; /* o->query.granularity = granularity */
    osp_granularity granularity;
    uint32_t node_count;       /* the default; 0 = all */
    uint32_t shell_node_count; /* the default in the shell, if it is another */
    bool json;                 /* it can answer in JSON */
    const char *legend;        /* one line for a person at a terminal: how to read it; or NULL */
    bool (*write)(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err);
} osp_report;

/* Write the report with what it insists on. */
bool osp_report_write(const osp_report *r, const osp_profile *p, const osp_report_opts *o, osp_answer *out,
                      osp_err *err) OSP_CHECKED;

extern const osp_report *const osp_reports[]; /* NULL-terminated, by name */

/* The report of that name or alias; NULL if there is none. */
const osp_report *osp_report_named(osp_str name);

/* What pprof says of a profile before anything else: the lines File, Build ID, Type, Time, Duration. *total: of all
 * samples. */
bool osp_report_labels(const osp_profile *p, const osp_report_opts *o, osp_buf *out, int64_t *total,
                       osp_err *err) OSP_CHECKED;

/* The sample type that pprof's -sample_index=text means: "" the default, a number, a name, a name without inuse_. */
bool osp_sample_index(const osp_profile *p, osp_str text, uint32_t *out, osp_err *err) OSP_CHECKED;

#endif
