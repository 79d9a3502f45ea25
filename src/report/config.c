/* SPDX-License-Identifier: Apache-2.0 */
/* The table of options, and how their texts are read: numbers by the grammar of Go's strconv, so that what one
 * pprof refuses the other refuses too. */
#include "report/report.h"

#include "base/go.h"

#include <ctype.h>

static const osp_choice sorts[] = {
    {"cum", "sort by what a function and all it calls weigh"},
    {"flat", "sort by what a function itself weighs"},
    {NULL, NULL},
};

static const osp_choice granularities[] = {
    /* in the order of osp_granularity */
    {"functions", "a row a function\nFunctions of one name are one, whatever file they are in."},
    {"filefunctions", "a row a function of a file\nFunctions of one name in two files stay two."},
    {"files", "a row a source file"},
    {"lines", "a row a source line"},
    {"addresses", "a row an address\nAddresses of instructions stand before the names."},
    {NULL, NULL},
};

#define FIELD(name, kind, url, saved, choices, help)                                    \
    {                                                                                   \
#name, OSP_FIELD_##kind, offsetof(osp_config, name), url, saved, choices, help, \
    }
const osp_field osp_fields[] = {
    FIELD(output, TEXT, NULL, false, NULL, "file to write the report to"),
    FIELD(call_tree, BOOL, "calltree", true, NULL,
          "keep call paths apart\n"
          "A function that is reached by two ways is two nodes of a graph."),
    FIELD(relative_percentages, BOOL, "rel", true, NULL,
          "percentages of what the filters leave\n"
          "Otherwise of the whole profile, so that two filters can be compared."),
    FIELD(unit, TEXT, "unit", true, NULL,
          "unit to show values in\n"
          "ns, us, ms, s, hrs; B, kB, MB, GB, TB, PB; or another name of theirs.\n"
          "minimum: one unit for all, that suits the smallest; auto: each value in its own."),
    FIELD(compact_labels, BOOL, "compact", true, NULL, "leave out the lines about the profile above a report"),
    FIELD(source_path, TEXT, NULL, false, NULL, "colon list of directories to look for source files in"),
    FIELD(trim_path, TEXT, NULL, false, NULL, "colon list of prefixes to cut from the paths of source files"),
    FIELD(intel_syntax, BOOL, "intel", true, NULL,
          "write instructions as Intel does\n"
          "For `disasm` and `weblist`."),
    FIELD(mean, BOOL, "mean", true, NULL,
          "divide values by the first sample type\n"
          "With a count as the first: bytes an allocation, time an event."),
    FIELD(sample_index, TEXT, "si", false, NULL,
          "which of a sample's values to show\n"
          "The name of a sample type, or its number from 0."),
    FIELD(divide_by, FLOAT, NULL, false, NULL,
          "divide values by this when they are shown\n"
          "By the number of processors or of requests, say."),
    FIELD(normalize, BOOL, "norm", true, NULL, "scale the profile to the total of its base"),
    FIELD(sort, CHOICE, "sort", true, sorts, "which weight sorts the rows"),
    FIELD(tagroot, TEXT, NULL, true, NULL,
          "labels to show as frames above the root\n"
          "Keys separated by commas; the first is the outermost frame."),
    FIELD(tagleaf, TEXT, NULL, true, NULL,
          "labels to show as frames below the leaf\n"
          "Keys separated by commas; the last is the innermost frame."),
    FIELD(drop_negative, BOOL, "dropneg", true, NULL,
          "leave out what became less\n"
          "In a comparison: nodes whose own weight is below 0."),
    FIELD(nodecount, INT, "n", true, NULL,
          "show at most so many nodes\n"
          "-1: what the report has by default; 0: all. In graphs, dotted edges lead over nodes left out."),
    FIELD(nodefraction, FLOAT, "nf", true, NULL, "leave out nodes below this part of the total"),
    FIELD(edgefraction, FLOAT, "ef", true, NULL, "leave out edges below this part of the total"),
    FIELD(trim, BOOL, "trim", true, NULL,
          "obey nodecount, nodefraction and edgefraction\n"
          "If false, nothing is left out."),
    FIELD(focus, TEXT, "f", true, NULL,
          "only samples with a frame that matches this regexp\n"
          "It is held against names of functions, source files and objects."),
    FIELD(ignore, TEXT, "i", true, NULL,
          "no samples with a frame that matches this regexp\n"
          "It is held against names of functions, source files and objects."),
    FIELD(prune_from, TEXT, "prunefrom", true, NULL,
          "cut callees below the frame that matches this regexp\n"
          "The frame goes too. It is held against names of functions."),
    FIELD(hide, TEXT, "h", true, NULL,
          "leave out frames that match this regexp\n"
          "The other frames of their samples stay.\n"
          "It is held against names of functions, source files and objects."),
    FIELD(show, TEXT, "s", true, NULL,
          "only frames that match this regexp\n"
          "It is held against names of functions, source files and objects."),
    FIELD(show_from, TEXT, "sf", true, NULL,
          "cut callers above the outermost frame that matches this regexp\n"
          "Samples without such a frame go.\n"
          "It is held against names of functions, source files and objects."),
    FIELD(tagfocus, TEXT, "tf", true, NULL,
          "only samples with such a label\n"
          "A regexp on texts (user, us.*r, key=user), or a range of numbers (1kb, 1kb:10kb, size=32mb:)."),
    FIELD(tagignore, TEXT, "ti", true, NULL,
          "no samples with such a label\n"
          "A regexp on texts (user, us.*r, key=user), or a range of numbers (1kb, 1kb:10kb, size=32mb:)."),
    FIELD(tagshow, TEXT, "ts", true, NULL, "only labels whose key matches this regexp"),
    FIELD(taghide, TEXT, "th", true, NULL, "no labels whose key matches this regexp"),
    FIELD(noinlines, BOOL, "noinlines", true, NULL,
          "leave out inlined frames\n"
          "What they weigh goes to the function they were inlined into."),
    FIELD(showcolumns, BOOL, "showcolumns", true, NULL, "show columns where lines are shown"),
    FIELD(granularity, CHOICE, "g", true, granularities, "what a row stands for"),
    {NULL, OSP_FIELD_BOOL, 0, NULL, false, NULL, NULL},
};
#undef FIELD

osp_config osp_config_defaults(void)
{
    return (osp_config){
        .unit = S("minimum"),
        .nodecount = -1,
        .nodefraction = 0.005,
        .edgefraction = 0.001,
        .trim = true,
        .divide_by = 1,
        .sort = S("flat"),
    };
}

const osp_field *osp_field_named(osp_str name, const osp_choice **choice)
{
    *choice = NULL;
    for (const osp_field *f = osp_fields; f->name; f++) {
        if (osp_str_eq(name, osp_str_from(f->name)))
            return f;
        for (const osp_choice *c = f->choices; c && c->name; c++)
            if (osp_str_eq(name, osp_str_from(c->name))) {
                *choice = c;
                return f;
            }
    }
    return NULL;
}

/* ---- words and numbers ---------------------------------------------------------------------------------------- */

static bool one_of(osp_str s, const char *words)
{
    osp_str all = osp_str_from(words);
    while (all.n)
        if (osp_str_eq(osp_str_cut(&all, ' '), s))
            return true;
    return false;
}

bool osp_flag_bool(osp_str text, bool *out)
{
    *out = one_of(text, "1 t T TRUE true True");
    return *out || one_of(text, "0 f F FALSE false False");
}

static bool variable_bool(osp_str text, bool *out)
{
    char lower[8];
    if (text.n >= sizeof lower)
        return false;
    for (size_t i = 0; i < text.n; i++)
        lower[i] = (char)tolower((unsigned char)text.p[i]);
    osp_str s = {lower, text.n};
    *out = s.n == 0 || one_of(s, "true t yes y 1");
    return *out || one_of(s, "false f no n 0");
}

static const char *const said_of_flag[] = {"", "parse error", "value out of range"};
static const char *const said_of_variable[] = {"", "invalid syntax", "value out of range"};

enum { QUOTED = 160 };

/* The text as Go's %q writes it, as far as an error line has room for it. */
static const char *quoted(osp_str s, char out[QUOTED])
{
    osp_buf b = osp_buf_of(QUOTED - 1);
    osp_buf_quote(&b, osp_str_head(s, 80));
    osp_str_z(osp_buf_str(&b), out, QUOTED);
    osp_buf_drop(&b);
    return out;
}

/* ---- values --------------------------------------------------------------------------------------------------- */

static bool set_choice(const osp_field *f, osp_str *to, osp_str value, osp_err *err)
{
    for (const osp_choice *c = f->choices; c->name; c++)
        if (osp_str_eq(value, osp_str_from(c->name))) {
            *to = osp_str_from(c->name);
            return true;
        }
    return osp_fail(err, OSP_EUSAGE, "invalid \"%s\" value %s", f->name, quoted(value, (char[QUOTED]){""}));
}

bool osp_field_set(const osp_field *f, void *in, osp_str value, osp_err *err)
{
    char *at = (char *)in + f->at;
    char shown[QUOTED];
    osp_go_outcome how;
    switch (f->kind) {
    case OSP_FIELD_BOOL: {
        bool v;
        if (!variable_bool(value, &v))
            return osp_fail(err, OSP_EUSAGE, "illegal value \"%.*s\" for bool variable",
                            STRF(osp_str_head(value, 80)));
        *(bool *)at = v;
        return true;
    }
    case OSP_FIELD_INT: {
        int64_t v;
        if ((how = osp_go_read_int(value, 10, &v)) != OSP_GO_FINE)
            return osp_fail(err, OSP_EUSAGE, "strconv.Atoi: parsing %s: %s", quoted(value, shown),
                            said_of_variable[how]);
        *(int64_t *)at = v;
        return true;
    }
    case OSP_FIELD_FLOAT: {
        double v;
        if ((how = osp_go_read_float(value, &v)) != OSP_GO_FINE)
            return osp_fail(err, OSP_EUSAGE, "strconv.ParseFloat: parsing %s: %s", quoted(value, shown),
                            said_of_variable[how]);
        *(double *)at = v;
        return true;
    }
    case OSP_FIELD_CHOICE:
        return set_choice(f, (osp_str *)at, value, err);
    case OSP_FIELD_TEXT:
        *(osp_str *)at = value;
    }
    return true;
}

bool osp_field_set_flag(const osp_field *f, void *in, osp_str value, osp_err *err)
{
    char *at = (char *)in + f->at, shown[QUOTED];
    osp_go_outcome how = OSP_GO_FINE;
    switch (f->kind) {
    case OSP_FIELD_BOOL: {
        bool v;
        if (!osp_flag_bool(value, &v))
            return osp_fail(err, OSP_EUSAGE, "invalid boolean value %s for -%s: parse error", quoted(value, shown),
                            f->name);
        *(bool *)at = v;
        break;
    }
    case OSP_FIELD_INT:
        how = osp_go_read_int(value, 0, (int64_t *)at);
        break;
    case OSP_FIELD_FLOAT:
        how = osp_go_read_float(value, (double *)at);
        break;
    case OSP_FIELD_CHOICE:
    case OSP_FIELD_TEXT:
        *(osp_str *)at = value;
    }
    return how == OSP_GO_FINE || osp_fail(err, OSP_EUSAGE, "invalid value %s for flag -%s: %s", quoted(value, shown),
                                          f->name, said_of_flag[how]);
}

void osp_field_text(const osp_field *f, const void *in, osp_buf *out)
{
    const char *at = (const char *)in + f->at;
    switch (f->kind) {
    case OSP_FIELD_BOOL:
        osp_buf_add(out, *(const bool *)at ? S("true") : S("false"));
        break;
    case OSP_FIELD_INT:
        osp_buf_fmt(out, "%lld", (long long)*(const int64_t *)at);
        break;
    case OSP_FIELD_FLOAT:
        osp_go_put_float(out, *(const double *)at);
        break;
    case OSP_FIELD_CHOICE:
    case OSP_FIELD_TEXT:
        osp_buf_add(out, *(const osp_str *)at);
    }
}

/* ---- for a report --------------------------------------------------------------------------------------------- */

osp_str osp_granularity_name(osp_granularity g) { return osp_str_from(granularities[g].name); }

static osp_granularity granularity_of(osp_str name)
{
    for (int i = OSP_BY_FUNCTION; i <= OSP_BY_ADDRESS; i++)
        if (osp_str_eq(name, osp_granularity_name((osp_granularity)i)))
            return (osp_granularity)i;
    return OSP_BY_FUNCTION;
}

bool osp_report_opts_of(const osp_config *c, const osp_profile *p, osp_report_opts *out, osp_err *err)
{
    *out = osp_report_defaults();
    if (!osp_sample_index(p, c->sample_index, &out->query.value, err))
        return false;
    if (c->divide_by == 0)
        return osp_fail(err, OSP_EUSAGE, "zero divisor specified");
    out->query.granularity = granularity_of(c->granularity);
    out->query.no_inlines = c->noinlines;
    out->query.mean = c->mean;
    out->query.relative = c->relative_percentages;
    out->query.focus = c->focus;
    out->query.ignore = c->ignore;
    out->query.hide = c->hide;
    out->query.show = c->show;
    out->query.show_from = c->show_from;
    out->query.prune_from = c->prune_from;
    out->query.tag_focus = c->tagfocus;
    out->query.tag_ignore = c->tagignore;
    out->query.tag_show = c->tagshow;
    out->query.tag_hide = c->taghide;
    out->query.tag_root = c->tagroot;
    out->query.tag_leaf = c->tagleaf;
    out->query.tag_unit = c->unit;
    out->by_cum = osp_str_eq(c->sort, S("cum"));
    out->drop_negative = c->drop_negative;
    out->columns = c->showcolumns;
    out->compact_labels = c->compact_labels;
    out->call_tree = c->call_tree;
    out->intel_syntax = c->intel_syntax;
    out->node_fraction = c->trim ? c->nodefraction : 0;
    out->edge_fraction = c->trim ? c->edgefraction : 0;
    /* Of negative numbers only -1 asks for the default; the others limit nothing. */
    out->node_count = !c->trim || c->nodecount < -1 ? 0 : c->nodecount;
    out->divide_by = c->divide_by;
    out->unit = c->unit;
    out->source_path = c->source_path;
    out->trim_path = c->trim_path;
    out->json = c->json;
    out->json_bytes = c->json_bytes;
    return true;
}
