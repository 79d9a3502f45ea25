/* SPDX-License-Identifier: Apache-2.0 */
/* report/config.h: pprof's options by their names. One table serves command-line flags, the shell's variables, the
 * parameters of a URL and the settings file. */
#ifndef OSP_REPORT_CONFIG_H
#define OSP_REPORT_CONFIG_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stddef.h>

/* The values, as the peer names them. Texts are borrowed: whoever sets one keeps it. */
typedef struct osp_config {
    osp_str output;
    bool drop_negative, call_tree, relative_percentages, compact_labels, intel_syntax, mean, normalize, trim,
        noinlines, showcolumns;
    osp_str unit, source_path, trim_path, sample_index;
    osp_str sort, granularity; /* choices; granularity "" = what suits the report */
    osp_str tagroot, tagleaf;
    osp_str focus, ignore, prune_from, hide, show, show_from, tagfocus, tagignore, tagshow, taghide;
    int64_t nodecount; /* -1 = the report's default, 0 = all */
    double nodefraction, edgefraction, divide_by;
    bool json; /* osprey's own, on the command line only: no field of the table */
    int64_t json_bytes;
} osp_config;

typedef enum { OSP_FIELD_BOOL, OSP_FIELD_INT, OSP_FIELD_FLOAT, OSP_FIELD_TEXT, OSP_FIELD_CHOICE } osp_field_kind;

typedef struct osp_choice {
    const char *name;
    const char *help; /* lines; the first says what it is */
} osp_choice;

/* One option: a place in a struct (osp_config, for those of osp_fields), and all that is said about it. */
typedef struct osp_field {
    const char *name;
    osp_field_kind kind;
    size_t at;                 /* of its value in the struct: bool, int64_t, double or osp_str */
    const char *url;           /* the parameter of a URL that holds it; NULL = none does */
    bool saved;                /* in the settings file */
    const osp_choice *choices; /* of OSP_FIELD_CHOICE, ended by .name = NULL */
    const char *help;          /* lines; the first says what it is */
} osp_field;

extern const osp_field osp_fields[]; /* ended by .name = NULL */

osp_config osp_config_defaults(void);

/* The field of that name, or the field that has a choice of that name (*choice, else NULL). NULL if there is none. */
const osp_field *osp_field_named(osp_str name, const osp_choice **choice);

/* Set the field's value in a struct from a text, by the rules for variables: bools are true t yes y 1 and nothing, false f
 * no n 0 in any case. EUSAGE in the peer's words. */
bool osp_field_set(const osp_field *f, void *in, osp_str value, osp_err *err) OSP_CHECKED;

/* The same by the rules of Go's flag package: other words for bools, numbers in any base. Not for choices. */
bool osp_field_set_flag(const osp_field *f, void *in, osp_str value, osp_err *err) OSP_CHECKED;

/* The value as text, as the peer prints it: true, -1, 0.005. Nothing is put around texts. */
void osp_field_text(const osp_field *f, const void *in, osp_buf *out);

/* true, false and their like by the rules of flags. */
bool osp_flag_bool(osp_str text, bool *out);

#endif
