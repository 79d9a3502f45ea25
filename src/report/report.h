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
    bool difference;   /* a base was subtracted: that nothing is left is an answer */
    osp_str main_file; /* shown as the main binary instead of the profile's; "" = the profile's */
    osp_str argument;  /* of a report that takes one: a regular expression, or an address */
    bool call_tree, intel_syntax;
    /* Of a flame graph: leaves at the root; colours by what changed since a base, which is asked base_query. */
    bool reverse;
    const osp_profile *base;
    osp_query base_query;
    bool json;          /* one JSON object instead of text (docs/json.md) */
    int64_t json_bytes; /* which has at most so many bytes: rows are left out, the lightest first; 0 = no limit */
    /* The object file behind a mapping; NULL and *err if there is none. It lives as long as object_ctx. NULL: there are
     * none. */
    osp_object *(*object_of)(void *ctx, osp_mapping_id m, osp_err *err);
    void *object_ctx;
} osp_report_opts;

osp_report_opts osp_report_defaults(void);

/* What the named options mean for this profile. False and *err: a sample type that is not there, a divisor of 0. */
bool osp_report_opts_of(const osp_config *c, const osp_profile *p, osp_report_opts *out, osp_err *err) OSP_CHECKED;

/* "functions", as the option granularity has it. */
osp_str osp_granularity_name(osp_granularity g);

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

/* ---- two profiles ------------------------------------------------------------------------------------------------ */

/* What changed between two profiles, function by function, and whether chance alone could have done it.
 *
 * A share is a part of all samples of its own profile, so profiles of different lengths can be compared. Its error comes from
 * the number of events behind it: the sample type that counts them (samples, objects, contentions; those of a Go heap
 * freed of the scaling by its sampling rate), else values divided by the period, else one event a sample. Where n events
 * weigh w each, their sum varies by w²n (Poisson), and the share by what follows from that: for equal weights the binomial
 * p(1 - p)/N. An error of a change is so wide that in 19 of 20 comparisons of two profiles of the same behaviour not one
 * row of all lies outside it. */

/* A function's own values, or those of all it calls too. */
typedef struct osp_change {
    double before, after;             /* in osp_diff.unit */
    double share_before, share_after; /* of all: 0 … 1 */
    double error;                     /* of share_after - share_before */
} osp_change;

typedef struct osp_diff_row {
    osp_str name;
    osp_change own, cum;
    bool fresh, gone; /* not one sample before, or after */
    bool follows;     /* its cum changed beyond its error, but by no more than what it calls and is told of did */
} osp_diff_row;

/* One of the two profiles. */
typedef struct osp_diff_side {
    double total;   /* sum of |value|, in osp_diff.unit */
    double error;   /* of the total: 1.96 standard errors */
    double events;  /* behind it */
    double seconds; /* how long it was taken; 0 = not said */
} osp_diff_side;

typedef struct osp_diff {
    osp_arena arena;
    osp_str type, unit; /* of the values: those of the second profile */
    osp_diff_side before, after;
    bool rates; /* both say how long they took, and the values are no state like memory in use */
    bool by_cum;
    double width; /* standard errors in an error */
    uint32_t nrow;
    uint32_t ntold; /* rows beyond their error: they come first, the surest first */
    uint32_t
        ncaller; /* behind them, unless by_cum: callers whose cum alone is, for more than the rows told of explain */
    uint32_t nfollow;   /* of the others, which come last by their size: those that follow what they call */
    osp_diff_row *row;  /* names live as long as the arena */
    uint32_t unmatched; /* filters that matched in neither: OSP_FOCUS | … */
} osp_diff;

typedef struct osp_diff_opts {
    osp_str type;            /* sample type, as -sample_index takes it; empty: the second profile's default */
    bool by_cum;             /* judge and sort by cum */
    osp_query before, after; /* filters and names; value is chosen here */
} osp_diff_opts;

/* False and *err: a sample type that one has not, units that do not go together, a profile that is empty. */
bool osp_diff_make(const osp_profile *before, const osp_profile *after, const osp_diff_opts *o, osp_diff *out,
                   osp_err *err) OSP_CHECKED;
void osp_diff_drop(osp_diff *d);

/* change / error; huge if the error is 0. */
double osp_change_errors(const osp_change *c);

#endif
