/* SPDX-License-Identifier: Apache-2.0 */
/* osprey flame: a flame graph of a profile, in any form that is read. */
#include "base/file.h"
#include "cli/cli_internal.h"
#include "format/format.h"
#include "report/report.h"
#include "source/source.h"

#include <stdio.h>

static const osp_option options[] = {
    {"output", 'o', "FILE", "where it goes: .svg or .html (flame.svg; - for standard output)"},
    {"sample-index", 'i', "TYPE", "the sample type (the profile's default)"},
    {"focus", 'f', "REGEXP", "only stacks with a frame that matches"},
    {"title", 't', "TEXT", "what stands above it (the program and the sample type)"},
    {"collapse", 'c', NULL, "folded stacks on standard output instead, the thread at the root"},
    {0},
};

static const char *const examples[] = {
    "flame cpu.pb.gz",
    "flame perf.data -o busy.svg",
    "flame perf.data --collapse",
    NULL,
};

/* The thread is a frame like any other, but for the scripts it has no blanks. */
static void add_folded(osp_buf *out, osp_str text)
{
    while (text.n) {
        osp_str line = osp_str_cut(&text, '\n'), rest = line;
        osp_str root = osp_str_cut(&rest, ';');
        for (size_t i = 0; rest.n && i < root.n; i++)
            osp_buf_byte(out, root.p[i] == ' ' ? '_' : (uint8_t)root.p[i]);
        osp_buf_add(out, rest.n ? osp_str_skip(line, root.n) : line);
        osp_buf_byte(out, '\n');
    }
}

static bool collapse(const osp_profile *p, const osp_query *q, osp_buf *out, osp_err *err)
{
    osp_view view;
    osp_query by_thread = *q;
    by_thread.tag_root = S("thread");
    by_thread.rows = true;
    if (!osp_view_make(p, &by_thread, &view, err))
        return false;
    osp_profile *shown = osp_view_profile(&view, err);
    osp_buf text = osp_buf_of((size_t)1 << 34);
    bool ok = shown && osp_format_write(osp_format_named(S("folded")), shown, q->value, OSP_PACK_NONE, &text, err);
    if (ok)
        add_folded(out, osp_buf_str(&text));
    osp_buf_drop(&text);
    osp_profile_drop(shown);
    osp_view_drop(&view);
    return ok;
}

bool osp_flame_graph(const osp_profile *p, const osp_report_opts *o, bool page, osp_buf *out, osp_err *err)
{
    osp_answer answer = osp_answer_new();
    bool ok = osp_report_write(osp_report_named(S("flame")), p, o, &answer, err);
    if (ok && page)
        osp_buf_add(out, S("<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Flame graph</title>"
                           "<meta name=\"color-scheme\" content=\"light dark\">"
                           "<style>body{margin:0}svg{width:100%;height:auto}</style>\n"));
    if (ok)
        osp_buf_add(out, osp_buf_str(&answer.text));
    osp_answer_drop(&answer);
    return ok;
}

static int cmd_flame(const osp_cli *cli)
{
    osp_err err = {0};
    if (cli->noperand < 1)
        return osp_cli_usage(cli, "of which profile? %s", cli->command->args);
    const osp_source_opts from = {.source = (const char *const *)cli->operand, .nsource = (size_t)cli->noperand};
    osp_source *source = osp_source_open(&from, &err);
    if (!source)
        return osp_cli_fail(&err);
    const osp_profile *p = osp_source_profile(source);
    osp_report_opts o = osp_report_defaults();
    osp_source_prepare(source, &o.query);
    o.query.focus = osp_str_from(osp_cli_value(cli, "focus"));
    o.argument = osp_str_from(osp_cli_value(cli, "title"));
    const char *file = osp_cli_given(cli, "output") ? osp_cli_value(cli, "output") : "flame.svg";
    const bool folded = osp_cli_given(cli, "collapse");
    osp_buf out = osp_buf_of((size_t)1 << 34);
    bool ok = osp_sample_index(p, osp_str_from(osp_cli_value(cli, "sample-index")), &o.query.value, &err) &&
              (folded ? collapse(p, &o.query, &out, &err)
                      : osp_flame_graph(p, &o, osp_str_ends(osp_str_from(file), S(".html")), &out, &err));
    int status = ok ? OSP_EXIT_DONE : OSP_EXIT_FAILED;
    if (ok && (folded || strcmp(file, "-") == 0)) {
        status = osp_cli_print(osp_buf_str(&out)) ? OSP_EXIT_DONE : OSP_EXIT_FAILED;
    } else if (ok) {
        ok = osp_file_write(file, osp_buf_str(&out), &err);
        if (ok)
            printf("%s   %zu bytes, opens in any browser\n", file, out.n);
    }
    osp_buf_drop(&out);
    osp_source_close(source);
    return ok ? status : osp_cli_fail(&err);
}

const osp_command osp_command_flame = {
    .name = "flame",
    .args = "SOURCE...",
    .summary = "a flame graph as one SVG or HTML file",
    .examples = examples,
    .options = options,
    .run = cmd_flame,
};
