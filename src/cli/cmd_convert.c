/* SPDX-License-Identifier: Apache-2.0 */
/* osprey convert: a profile from one form into another. */
#include "base/file.h"
#include "cli/cli_internal.h"
#include "format/format.h"

#include <stdio.h>
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

static void add_form(osp_buf *out, const char *name) { osp_buf_fmt(out, "%s%s", out->n ? ", " : "", name); }

static void add_forms(osp_buf *out, bool written)
{
    for (size_t i = 0; osp_formats[i]; i++)
        if (written ? osp_formats[i]->write != NULL : osp_formats[i]->sniff != NULL)
            add_form(out, osp_formats[i]->name);
    for (size_t i = 0; written && osp_picture_at(i); i++)
        add_form(out, osp_picture_at(i)->name);
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

static bool named_target(const osp_cli *cli, const char *path, osp_output *to)
{
    osp_str name = osp_str_from(osp_cli_value(cli, "format"));
    const osp_format *f = osp_format_named(name);
    to->form = f && f->write ? f : NULL;
    to->picture = NULL;
    for (size_t i = 0; !to->form && osp_picture_at(i); i++)
        if (osp_str_eq(name, osp_str_from(osp_picture_at(i)->name)))
            to->picture = osp_picture_at(i);
    if (strcmp(path, "-") == 0 && osp_str_eq(name, S("pprof")))
        to->pack = OSP_PACK_GZIP;
    return to->form || to->picture || unknown_form(cli, "format", true);
}

/* By the ending of the file, or as an option says; false after saying what is wrong. */
static bool choose_target(const osp_cli *cli, const char *path, osp_output *to)
{
    bool by_ending = osp_output_by_ending(path, to);
    if (osp_cli_given(cli, "format"))
        return named_target(cli, path, to);
    if (by_ending)
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

static bool write_profile(const osp_cli *cli, const osp_profile *p, const osp_output *to, const char *path,
                          osp_err *err)
{
    osp_buf out = osp_buf_of((size_t)1 << 34);
    bool ok = osp_output_make(p, to, osp_cli_value(cli, "sample-index"), &out, err);
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
    osp_output to = {0};
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
