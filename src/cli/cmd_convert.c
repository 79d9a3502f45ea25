/* SPDX-License-Identifier: Apache-2.0 */
/* osprey convert: a profile from one form into another. */
#include "base/file.h"
#include "cli/cli_internal.h"
#include "format/format.h"
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
    "convert -f folded cpu.pb.gz -",
    NULL,
};

static void add_forms(osp_buf *out, bool written)
{
    const char *before = "";
    for (size_t i = 0; osp_formats[i]; i++)
        if (written ? osp_formats[i]->write != NULL : osp_formats[i]->sniff != NULL) {
            osp_buf_fmt(out, "%s%s", before, osp_formats[i]->name);
            before = ", ";
        }
}

/* The form that an option names, or NULL after saying which there are. */
static const osp_format *named_form(const osp_cli *cli, const char *option, bool written)
{
    const char *name = osp_cli_value(cli, option);
    const osp_format *f = osp_format_named(osp_str_from(name));
    if (f && (written ? f->write != NULL : f->sniff != NULL))
        return f;
    osp_buf forms = osp_buf_of(4096);
    add_forms(&forms, written);
    osp_cli_usage(cli, "--%s %s: profiles are %s as %.*s", option, name, written ? "written" : "read",
                  STRF(osp_buf_str(&forms)));
    osp_buf_drop(&forms);
    return NULL;
}

static const osp_format *form_of_output(const osp_cli *cli, const char *path, osp_pack *pack)
{
    const osp_format *f = osp_format_by_ending(osp_str_from(path), pack);
    if (osp_cli_given(cli, "format")) {
        f = named_form(cli, "format", true);
        if (f && strcmp(path, "-") == 0 && strcmp(f->name, "pprof") == 0)
            *pack = OSP_PACK_GZIP;
        return f;
    }
    if (f && f->write)
        return f;
    osp_buf forms = osp_buf_of(4096);
    add_forms(&forms, true);
    osp_cli_usage(cli, "in which form? The ending of `%s` does not say; -f takes %.*s", path,
                  STRF(osp_buf_str(&forms)));
    osp_buf_drop(&forms);
    return NULL;
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

static bool write_profile(const osp_cli *cli, const osp_profile *p, const osp_format *as, osp_pack pack,
                          const char *path, osp_err *err)
{
    uint32_t value = 0;
    const char *type = osp_cli_value(cli, "sample-index");
    osp_buf out = osp_buf_of((size_t)1 << 34);
    bool ok = (p->values.n == 0 || osp_sample_index(p, osp_str_from(type), &value, err)) &&
              osp_format_write(as, p, value, pack, &out, err);
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
    osp_pack pack = OSP_PACK_NONE;
    const osp_format *from = NULL;
    if (cli->noperand != 2)
        return osp_cli_usage(cli, "a file to read and a file to write are wanted: %s", cli->command->args);
    const osp_format *to = form_of_output(cli, cli->operand[1], &pack);
    if (to && osp_cli_given(cli, "from"))
        from = named_form(cli, "from", false);
    if (!to || (osp_cli_given(cli, "from") && !from))
        return OSP_EXIT_USAGE;
    osp_profile *p = read_profile(cli->operand[0], from, &found, &err);
    if (!p)
        return osp_cli_fail(&err);
    if (found.note[0])
        fprintf(stderr, "osprey: %s: %s\n", cli->operand[0], found.note);
    bool ok = write_profile(cli, p, to, pack, cli->operand[1], &err);
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
