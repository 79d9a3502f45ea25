/* SPDX-License-Identifier: Apache-2.0 */
/* osprey pprof: pprof's own words. Flags by Go's grammar: -x, --x, -x=v, -x v; a switch takes a value only after "=".
 * What a report prints goes to stdout, all chatter to stderr, and every failure is status 2, as the peer has it. */
#include "cli/cli.h"
#include "format/format.h"
#include "object/object.h"
#include "report/report.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST_REPORTS = 64 };

typedef struct {
    bool cum, flat, functions, filefunctions, files, lines, addresses;
    bool drop_negative, call_tree, relative, compact_labels, mean, noinlines, columns, no_trim, trim, all_frames;
    bool inuse_space, inuse_objects, alloc_space, alloc_objects, total_delay, contentions, mean_delay;
    const char *output, *unit, *source_path, *trim_path, *sample_index, *symbolize;
    const char *focus, *ignore, *hide, *show, *show_from, *prune_from;
    const char *tag_focus, *tag_ignore, *tag_show, *tag_hide, *tag_root, *tag_leaf;
    int64_t nodecount;
    double nodefraction, edgefraction, divide_by;
    const char *report[MOST_REPORTS]; /* by place in osp_reports: NULL, or its argument */
} flags;

typedef enum { SWITCH, TEXT, WHOLE, REAL, REPORT } kind;

typedef struct {
    const char *name;
    kind kind;
    size_t at; /* in flags */
} flag;

#define F(name, kind, field)               \
    {                                      \
        name, kind, offsetof(flags, field) \
    }
static const flag known[] = {
    F("cum", SWITCH, cum),
    F("flat", SWITCH, flat),
    F("functions", SWITCH, functions),
    F("filefunctions", SWITCH, filefunctions),
    F("files", SWITCH, files),
    F("lines", SWITCH, lines),
    F("addresses", SWITCH, addresses),
    F("drop_negative", SWITCH, drop_negative),
    F("call_tree", SWITCH, call_tree),
    F("relative_percentages", SWITCH, relative),
    F("compact_labels", SWITCH, compact_labels),
    F("mean", SWITCH, mean),
    F("noinlines", SWITCH, noinlines),
    F("showcolumns", SWITCH, columns),
    F("trim", SWITCH, trim),
    F("all_frames", SWITCH, all_frames),
    F("total_delay", SWITCH, total_delay),
    F("mean_delay", SWITCH, mean_delay),
    F("contentions", SWITCH, contentions),
    F("inuse_space", SWITCH, inuse_space),
    F("inuse_objects", SWITCH, inuse_objects),
    F("alloc_space", SWITCH, alloc_space),
    F("alloc_objects", SWITCH, alloc_objects),
    F("output", TEXT, output),
    F("unit", TEXT, unit),
    F("source_path", TEXT, source_path),
    F("trim_path", TEXT, trim_path),
    F("sample_index", TEXT, sample_index),
    F("symbolize", TEXT, symbolize),
    F("focus", TEXT, focus),
    F("ignore", TEXT, ignore),
    F("hide", TEXT, hide),
    F("show", TEXT, show),
    F("show_from", TEXT, show_from),
    F("prune_from", TEXT, prune_from),
    F("tagfocus", TEXT, tag_focus),
    F("tagignore", TEXT, tag_ignore),
    F("tagshow", TEXT, tag_show),
    F("taghide", TEXT, tag_hide),
    F("tagroot", TEXT, tag_root),
    F("tagleaf", TEXT, tag_leaf),
    F("nodecount", WHOLE, nodecount),
    F("nodefraction", REAL, nodefraction),
    F("edgefraction", REAL, edgefraction),
    F("divide_by", REAL, divide_by),
};
#undef F

/* ---- words ---------------------------------------------------------------------------------------------------- */

static bool one_of(osp_str s, const char *words)
{
    osp_str all = osp_str_from(words);
    while (all.n)
        if (osp_str_eq(osp_str_cut(&all, ' '), s))
            return true;
    return false;
}

static bool set(flags *f, const flag *k, const char *value, osp_err *err)
{
    char *field = (char *)f + k->at, *end = NULL;
    osp_str text = osp_str_from(value);
    switch (k->kind) {
    case SWITCH:
        if (!one_of(text, "1 t T TRUE true True 0 f F FALSE false False"))
            return osp_fail(err, OSP_EUSAGE, "invalid boolean value \"%s\" for -%s", value, k->name);
        *(bool *)field = one_of(text, "1 t T TRUE true True");
        return true;
    case TEXT:
        *(const char **)field = value;
        return true;
    case REPORT:
        if (!one_of(text, "1 t T TRUE true True 0 f F FALSE false False"))
            return osp_fail(err, OSP_EUSAGE, "invalid boolean value \"%s\" for -%s", value, k->name);
        *(const char **)field = one_of(text, "1 t T TRUE true True") ? "" : NULL;
        return true;
    case WHOLE:
        *(int64_t *)field = strtoll(value, &end, 0);
        break;
    case REAL:
        *(double *)field = strtod(value, &end);
        break;
    }
    return (text.n && !*end) || osp_fail(err, OSP_EUSAGE, "invalid value \"%s\" for flag -%s", value, k->name);
}

/* A flag of the table, or one that names a report. */
static bool find_flag(osp_str name, flag *out)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (osp_str_eq(name, osp_str_from(known[i].name))) {
            *out = known[i];
            return true;
        }
    const osp_report *r = osp_report_named(name);
    for (size_t i = 0; r && osp_reports[i] && i < MOST_REPORTS; i++)
        if (osp_reports[i] == r)
            *out = (flag){r->name, r->takes_argument ? TEXT : REPORT,
                          offsetof(flags, report) + i * sizeof(const char *)};
    return r != NULL;
}

/* Sort the words: flags into *f, the rest to the front of operand[]. */
static bool read_words(const osp_cli *cli, flags *f, int *noperand, osp_err *err)
{
    *noperand = 0;
    for (int i = 0; i < cli->noperand; i++) {
        char *word = cli->operand[i];
        if (word[0] != '-' || !word[1]) {
            cli->operand[(*noperand)++] = word;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            while (++i < cli->noperand)
                cli->operand[(*noperand)++] = cli->operand[i];
            break;
        }
        osp_str rest = osp_str_skip(osp_str_from(word), word[1] == '-' ? 2 : 1);
        osp_str name = osp_str_cut(&rest, '=');
        const char *value = name.p[name.n] == '=' ? name.p + name.n + 1 : NULL;
        flag k;
        if (!find_flag(name, &k))
            return osp_fail(err, OSP_EUSAGE, "flag provided but not defined: -%.*s", STRF(osp_str_head(name, 80)));
        bool is_switch = k.kind == SWITCH || k.kind == REPORT;
        if (!value && !is_switch && i + 1 == cli->noperand)
            return osp_fail(err, OSP_EUSAGE, "flag needs an argument: -%s", k.name);
        if (!value)
            value = is_switch ? "true" : cli->operand[++i];
        if (!set(f, &k, value, err))
            return false;
    }
    return true;
}

/* ---- from flags to a report's options ------------------------------------------------------------------------- */

static bool choose_report(const flags *f, const osp_report **out, const char **argument, osp_err *err)
{
    *out = NULL;
    for (size_t i = 0; osp_reports[i] && i < MOST_REPORTS; i++) {
        if (!f->report[i])
            continue;
        if (*out)
            return osp_fail(err, OSP_EUSAGE, "must set at most one output format");
        *out = osp_reports[i];
        *argument = f->report[i];
    }
    return *out || osp_fail(err, OSP_EUSAGE, "which report? one of: -top");
}

static bool choose_granularity(const flags *f, osp_granularity *out, osp_err *err)
{
    const bool given[] = {
        [OSP_BY_FUNCTION] = f->functions, [OSP_BY_FILE_FUNCTION] = f->filefunctions, [OSP_BY_FILE] = f->files,
        [OSP_BY_LINE] = f->lines,         [OSP_BY_ADDRESS] = f->addresses,
    };
    int n = 0;
    *out = OSP_BY_FUNCTION;
    for (int i = OSP_BY_FUNCTION; i <= OSP_BY_ADDRESS; i++)
        if (given[i]) {
            *out = (osp_granularity)i;
            n++;
        }
    if (n > 1 || (f->cum && f->flat))
        return osp_fail(err, OSP_EUSAGE, "conflicting options set: %s",
                        n > 1 ? "one granularity at a time" : "-cum or -flat, not both");
    return true;
}

/* The sample type by the flags that pprof had before -sample_index. The first that is given wins. */
static osp_str sample_index(const flags *f)
{
    const struct {
        bool given;
        const char *flag, *type;
    } old[] = {
        {f->total_delay, "-total_delay", "delay"},
        {f->mean_delay, "-mean_delay", "delay"},
        {f->contentions, "-contentions", "contentions"},
        {f->inuse_space, "-inuse_space", "inuse_space"},
        {f->inuse_objects, "-inuse_objects", "inuse_objects"},
        {f->alloc_space, "-alloc_space", "alloc_space"},
        {f->alloc_objects, "-alloc_objects", "alloc_objects"},
    };
    osp_str chosen = osp_str_from(f->sample_index);
    for (size_t i = 0; i < sizeof old / sizeof *old; i++) {
        if (!old[i].given)
            continue;
        if (chosen.n)
            fprintf(stderr, "Multiple value selections, ignoring %s\n", old[i].flag);
        else
            chosen = osp_str_from(old[i].type);
    }
    return chosen;
}

static bool options_of(const flags *f, const osp_profile *p, osp_report_opts *o, osp_err *err)
{
    *o = osp_report_defaults();
    if (!osp_sample_index(p, sample_index(f), &o->query.value, err) ||
        !choose_granularity(f, &o->query.granularity, err))
        return false;
    if (f->divide_by == 0)
        return osp_fail(err, OSP_EUSAGE, "zero divisor specified");
    o->query.no_inlines = f->noinlines;
    o->query.keep_all_frames = f->all_frames;
    o->query.demangle = osp_brief_name;
    o->query.raw_names = one_of(osp_str_from(f->symbolize), "none no");
    o->query.mean = f->mean || f->mean_delay;
    o->query.relative = f->relative;
    o->query.focus = osp_str_from(f->focus);
    o->query.ignore = osp_str_from(f->ignore);
    o->query.hide = osp_str_from(f->hide);
    o->query.show = osp_str_from(f->show);
    o->query.show_from = osp_str_from(f->show_from);
    o->query.prune_from = osp_str_from(f->prune_from);
    o->call_tree = f->call_tree;
    o->query.tag_focus = osp_str_from(f->tag_focus);
    o->query.tag_ignore = osp_str_from(f->tag_ignore);
    o->query.tag_show = osp_str_from(f->tag_show);
    o->query.tag_hide = osp_str_from(f->tag_hide);
    o->query.tag_root = osp_str_from(f->tag_root);
    o->query.tag_leaf = osp_str_from(f->tag_leaf);
    o->query.tag_unit = osp_str_from(f->unit);
    o->by_cum = f->cum;
    o->drop_negative = f->drop_negative;
    o->columns = f->columns;
    o->compact_labels = f->compact_labels;
    o->node_fraction = f->trim ? f->nodefraction : 0;
    o->edge_fraction = f->trim ? f->edgefraction : 0;
    o->node_count = f->trim ? f->nodecount : 0;
    o->divide_by = f->divide_by;
    o->unit = osp_str_from(f->unit);
    o->source_path = osp_str_from(f->source_path);
    o->trim_path = osp_str_from(f->trim_path);
    return true;
}

/* ---- the command ---------------------------------------------------------------------------------------------- */

static void warn_unmatched(uint32_t unmatched)
{
    static const char *const name[] = {"Focus",     "Ignore",  "Hide",    "Show",    "ShowFrom", "TagFocus",
                                       "TagIgnore", "TagShow", "TagHide", "TagRoot", "TagLeaf"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (unmatched & 1u << i)
            fprintf(stderr, "%s expression matched no samples\n", name[i]);
}

static bool is_elf(const char *path)
{
    char magic[4] = "";
    FILE *f = fopen(path, "rb");
    bool elf = f && fread(magic, 1, sizeof magic, f) == sizeof magic && memcmp(magic, "\177ELF", 4) == 0;
    if (f)
        fclose(f);
    return elf;
}

static bool deliver(const flags *f, osp_buf *text, osp_err *err)
{
    if (!*f->output) {
        /* As it is for programs; but a name in a stranger's profile shall not speak to a terminal. */
        if (isatty(STDOUT_FILENO) && text->n)
            text->n = osp_harmless(text->p, text->n, true);
        if (osp_cli_print(osp_buf_str(text)))
            return true;
        return osp_fail(err, OSP_EIO, "%s", ""); /* it has said why */
    }
    fprintf(stderr, "Generating report in %s\n", f->output);
    return osp_file_write(f->output, osp_buf_str(text), err);
}

static bool report_on(const flags *f, const osp_report *report, const char *argument, const char *binary,
                      const char *path, osp_err *err)
{
    osp_profile *p = osp_format_open(path, NULL, NULL, err);
    if (!p)
        return false;
    osp_report_opts o;
    osp_answer answer = osp_answer_new();
    bool ok = options_of(f, p, &o, err);
    if (ok) {
        o.main_file = osp_str_from(binary);
        o.argument = osp_str_from(argument);
        ok = osp_report_write(report, p, &o, &answer, err);
        warn_unmatched(answer.unmatched);
        fprintf(stderr, "%.*s", STRF(osp_buf_str(&answer.notes)));
    }
    ok = ok && deliver(f, &answer.text, err);
    osp_answer_drop(&answer);
    osp_profile_drop(p);
    return ok;
}

static bool run(const osp_cli *cli, osp_err *err)
{
    flags f = {
        .output = "",
        .unit = "minimum",
        .source_path = "",
        .trim_path = "",
        .sample_index = "",
        .symbolize = "",
        .focus = "",
        .ignore = "",
        .hide = "",
        .show = "",
        .show_from = "",
        .prune_from = "",
        .tag_focus = "",
        .tag_ignore = "",
        .tag_show = "",
        .tag_hide = "",
        .tag_root = "",
        .tag_leaf = "",
        .trim = true,
        .nodecount = -1,
        .nodefraction = 0.005,
        .edgefraction = 0.001,
        .divide_by = 1,
    };
    const osp_report *report;
    const char *argument;
    int n;
    if (!read_words(cli, &f, &n, err))
        return false;
    if (n == 0)
        return osp_fail(err, OSP_EUSAGE, "no profile source specified");
    const char *binary = n > 1 && is_elf(cli->operand[0]) ? cli->operand[0] : "";
    if (n > (*binary ? 2 : 1))
        return osp_fail(err, OSP_EUSAGE, "one profile at a time, not `%s` too", cli->operand[*binary ? 2 : 1]);
    return choose_report(&f, &report, &argument, err) &&
           report_on(&f, report, argument, binary, cli->operand[n - 1], err);
}

static int run_pprof(const osp_cli *cli)
{
    osp_err err = {0};
    if (run(cli, &err))
        return OSP_EXIT_DONE;
    osp_str why = {err.msg, osp_harmless(err.msg, strlen(err.msg), false)};
    if (why.n)
        fprintf(stderr, "osprey pprof: %.*s\n", STRF(why));
    return OSP_EXIT_USAGE;
}

static const char *const examples[] = {
    "pprof -top cpu.pb.gz",
    "pprof -top -cum -nodecount=20 cpu.pb.gz",
    "pprof -top -sample_index=inuse_space -focus=encoding/json heap.pb.gz",
    NULL,
};

const osp_command osp_command_pprof = {
    .name = "pprof",
    .args = "-REPORT [FLAGS] [BINARY] FILE",
    .summary = "analyse a pprof profile with Go pprof's own flags",
    .examples = examples,
    .own_words = true,
    .run = run_pprof,
};
