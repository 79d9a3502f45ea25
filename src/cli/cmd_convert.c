/* SPDX-License-Identifier: Apache-2.0 */
/* osprey convert: a profile from one form into another. */
#include "base/file.h"
#include "cli/cli_internal.h"
#include "format/format.h"
#include "object/object.h"
#include "pprof/pprof.h"
#include "report/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const osp_option options[] = {
    {"format", 'f', "FORM", "what to write, whatever the ending says"},
    {"from", 0, "FORM", "what to read, whatever the content looks like"},
    {"sample-index", 'i', "TYPE", "the sample type, for forms that hold one (the profile's default)"},
    {0},
};

static const char *const examples[] = {
    "convert a.folded a.pb",
    "convert perf.data cpu.pb.gz",
    "convert cpu.pb.gz stacks.folded",
    "convert cpu.pb.gz flame.html",
    "convert cpu.pb.gz default.pgo",
    "convert -f folded cpu.pb.gz -",
    NULL,
};

/* What is not read again, but is asked for like a form. */
typedef struct {
    const char *name, *ending;
    bool (*write)(const osp_profile *p, const osp_report_opts *o, osp_buf *out, osp_err *err);
} picture;

static bool write_svg(const osp_profile *p, const osp_report_opts *o, osp_buf *out, osp_err *err)
{
    return osp_flame_graph(p, o, false, out, err);
}

static bool write_html(const osp_profile *p, const osp_report_opts *o, osp_buf *out, osp_err *err)
{
    return osp_flame_graph(p, o, true, out, err);
}

static bool write_callgrind(const osp_profile *p, const osp_report_opts *o, osp_buf *out, osp_err *err)
{
    osp_answer answer = osp_answer_new();
    bool ok = osp_report_write(osp_report_named(S("callgrind")), p, o, &answer, err);
    if (ok)
        osp_buf_add(out, osp_buf_str(&answer.text));
    osp_answer_drop(&answer);
    return ok;
}

/* Has it what the Go compiler insists on: a sample type that it knows, and lines at which functions start? */
static bool fit_for_pgo(const osp_profile *p, osp_err *err)
{
    bool type = false, line = p->samples.n == 0;
    for (uint32_t t = 0; t < p->values.n; t++) {
        osp_str name = osp_text(p, p->values.type[t].type), unit = osp_text(p, p->values.type[t].unit);
        type = type || (osp_str_eq(name, S("samples")) && osp_str_eq(unit, S("count"))) ||
               (osp_str_eq(name, S("cpu")) && osp_str_eq(unit, S("nanoseconds")));
    }
    for (uint32_t f = 0; f < p->functions.n; f++)
        line = line || p->functions.row[f].start_line != 0;
    if (!type)
        return osp_fail(err, OSP_EUSAGE,
                        "`go build -pgo` wants samples/count or cpu/nanoseconds, and neither is in this profile; "
                        "take a CPU profile");
    return line || osp_fail(err, OSP_EUSAGE,
                            "`go build -pgo` wants the lines at which functions start, and this profile has none; "
                            "Go 1.20 and later write them");
}

/* What `go build -pgo` reads: the profile without the labels of its samples, which the compiler does not look at. */
static bool write_pgo(const osp_profile *p, const osp_report_opts *o, osp_buf *out, osp_err *err)
{
    (void)o;
    if (!fit_for_pgo(p, err))
        return false;
    uint32_t labelled = 0, unnamed = 0;
    for (uint32_t i = 0; i < p->samples.n; i++)
        labelled += p->samples.labels[i].i != 0;
    for (uint32_t i = 0; i < p->locations.n; i++)
        unnamed += p->locations.first[i] == p->locations.first[i + 1];
    osp_labelset_id *none = calloc((size_t)p->samples.n + 1, sizeof *none);
    if (!none)
        return osp_fail_memory(err, "writing a profile for the compiler");
    osp_profile bare = *p;
    bare.samples.labels = none;
    bool ok = osp_pprof_encode_packed(&bare, OSP_PACK_GZIP, out, err);
    free(none);
    if (ok && (labelled || unnamed))
        fprintf(stderr,
                "osprey: for the compiler: labels of %u samples are left out; %u of %u places have no name and are "
                "of no use to it\n",
                labelled, unnamed, p->locations.n);
    return ok;
}

static const picture pictures[] = {
    {"pgo", ".pgo", write_pgo},
    {"svg", ".svg", write_svg},
    {"html", ".html", write_html},
    {"callgrind", ".callgrind", write_callgrind},
};
enum { PICTURES = sizeof pictures / sizeof *pictures };

/* What is to be written: in a form, or else as a picture. */
typedef struct {
    const osp_format *form;
    const picture *picture;
    osp_pack pack;
} target;

static void add_form(osp_buf *out, const char *name) { osp_buf_fmt(out, "%s%s", out->n ? ", " : "", name); }

static void add_forms(osp_buf *out, bool written)
{
    for (size_t i = 0; osp_formats[i]; i++)
        if (written ? osp_formats[i]->write != NULL : osp_formats[i]->sniff != NULL)
            add_form(out, osp_formats[i]->name);
    for (size_t i = 0; written && i < PICTURES; i++)
        add_form(out, pictures[i].name);
}

static bool unknown_form(const osp_cli *cli, const char *option, bool written)
{
    osp_buf forms = osp_buf_of(4096);
    add_forms(&forms, written);
    osp_cli_usage(cli, "--%s %s: profiles are %s as %.*s", option, osp_cli_value(cli, option),
                  written ? "written" : "read", STRF(osp_buf_str(&forms)));
    osp_buf_drop(&forms);
    return false;
}

/* The form that --from names, or NULL after saying which there are. */
static const osp_format *form_of_input(const osp_cli *cli)
{
    const osp_format *f = osp_format_named(osp_str_from(osp_cli_value(cli, "from")));
    return (f && f->sniff) || unknown_form(cli, "from", false) ? f : NULL;
}

static bool named_target(const osp_cli *cli, const char *path, target *to)
{
    osp_str name = osp_str_from(osp_cli_value(cli, "format"));
    const osp_format *f = osp_format_named(name);
    to->form = f && f->write ? f : NULL;
    to->picture = NULL;
    for (size_t i = 0; !to->form && i < PICTURES; i++)
        if (osp_str_eq(name, osp_str_from(pictures[i].name)))
            to->picture = &pictures[i];
    if (strcmp(path, "-") == 0 && osp_str_eq(name, S("pprof")))
        to->pack = OSP_PACK_GZIP;
    return to->form || to->picture || unknown_form(cli, "format", true);
}

/* By the ending of the file, or as an option says; false after saying what is wrong. */
static bool choose_target(const osp_cli *cli, const char *path, target *to)
{
    const osp_format *f = osp_format_by_ending(osp_str_from(path), &to->pack);
    osp_str plain = osp_str_from(path);
    plain.n -= to->pack == OSP_PACK_GZIP ? 3 : to->pack == OSP_PACK_ZSTD ? 4 : 0;
    if (osp_cli_given(cli, "format"))
        return named_target(cli, path, to);
    to->form = f && f->write ? f : NULL;
    for (size_t i = 0; !to->form && i < PICTURES; i++)
        if (osp_str_ends(plain, osp_str_from(pictures[i].ending)))
            to->picture = &pictures[i];
    if (to->form || to->picture)
        return true;
    osp_buf forms = osp_buf_of(4096);
    add_forms(&forms, true);
    osp_cli_usage(cli, "in which form? The ending of `%s` does not say; -f takes %.*s", path,
                  STRF(osp_buf_str(&forms)));
    osp_buf_drop(&forms);
    return false;
}

static osp_profile *read_profile(const char *path, const osp_format *as, osp_found *found, osp_err *err)
{
    osp_read_opts opts = {.as = as, .name = osp_str_from(path)};
    osp_file file;
    if (strcmp(path, "-") != 0)
        return osp_format_open(path, &opts, found, err);
    if (!osp_file_open_fd(STDIN_FILENO, "standard input", osp_unpack_limit(SIZE_MAX), &file, err))
        return NULL;
    return osp_format_read(&file, &opts, found, err);
}

static bool write_picture(const osp_profile *p, uint32_t value, const target *to, osp_buf *out, osp_err *err)
{
    osp_report_opts o = osp_report_defaults();
    osp_buf plain = osp_buf_of(out->max);
    o.query.value = value;
    o.query.demangle = osp_brief_name;
    bool ok = to->picture->write(p, &o, &plain, err);
    if (ok && plain.failed)
        ok = osp_fail_memory(err, "drawing");
    if (ok && to->pack != OSP_PACK_NONE)
        ok = osp_pack_bytes(to->pack, osp_buf_str(&plain), 6, out, err);
    else if (ok)
        osp_buf_add(out, osp_buf_str(&plain));
    osp_buf_drop(&plain);
    return ok;
}

static bool write_profile(const osp_cli *cli, const osp_profile *p, const target *to, const char *path, osp_err *err)
{
    uint32_t value = 0;
    const char *type = osp_cli_value(cli, "sample-index");
    osp_buf out = osp_buf_of((size_t)1 << 34);
    bool ok = (p->values.n == 0 && to->form) || osp_sample_index(p, osp_str_from(type), &value, err);
    ok = ok && (to->form ? osp_format_write(to->form, p, value, to->pack, &out, err)
                         : write_picture(p, value, to, &out, err));
    if (ok && strcmp(path, "-") == 0)
        ok = osp_cli_print(osp_buf_str(&out)) || osp_fail(err, OSP_EIO, "standard output could not be written");
    else if (ok)
        ok = osp_file_write(path, osp_buf_str(&out), err);
    osp_buf_drop(&out);
    return ok;
}

static int cmd_convert(const osp_cli *cli)
{
    osp_err err = {0};
    osp_found found = {0};
    target to = {0};
    const osp_format *from = NULL;
    if (cli->noperand != 2)
        return osp_cli_usage(cli, "a file to read and a file to write are wanted: %s", cli->command->args);
    if (!choose_target(cli, cli->operand[1], &to) || (osp_cli_given(cli, "from") && !(from = form_of_input(cli))))
        return OSP_EXIT_USAGE;
    osp_profile *p = read_profile(cli->operand[0], from, &found, &err);
    if (!p)
        return osp_cli_fail(&err);
    if (found.note[0])
        fprintf(stderr, "osprey: %s: %s\n", cli->operand[0], found.note);
    bool ok = write_profile(cli, p, &to, cli->operand[1], &err);
    osp_profile_drop(p);
    return ok ? OSP_EXIT_DONE : osp_cli_fail(&err);
}

const osp_command osp_command_convert = {
    .name = "convert",
    .args = "IN OUT",
    .summary = "a profile in another form, as OUT ends",
    .examples = examples,
    .options = options,
    .run = cmd_convert,
};
