/* SPDX-License-Identifier: Apache-2.0 */
/* osprey flame: a flame graph of a profile, in any form that is read. */
#include "base/file.h"
#include "cli/cli_internal.h"
#include "format/format.h"
#include "object/object.h"
#include "report/report.h"
#include "source/source.h"

#include <stdio.h>
#include <unistd.h>

static const osp_option options[] = {
    {"output", 'o', "FILE", "where it goes: .svg or .html (flame.svg; - for standard output)"},
    {"sample-index", 'i', "TYPE", "the sample type (the profile's default)"},
    {"focus", 'f', "REGEXP", "only stacks with a frame that matches"},
    {"title", 't', "TEXT", "what stands above it (the program and the sample type)"},
    {"reverse", 'r', NULL, "leaves at the root, their callers above: who calls what is expensive"},
    {"diff", 0, "BASE", "colours by what changed since the profile BASE: red more, blue less"},
    {"duration", 'd', "SECONDS", "how long a process is sampled (10)"},
    {"collapse", 'c', NULL, "folded stacks on standard output instead, the thread at the root"},
    {0},
};

static const char *const examples[] = {
    "flame cpu.pb.gz",
    "flame 4711 -d 5 -o now.svg",
    "flame -diff before.pb.gz after.pb.gz",
    "flame -reverse perf.data -o busy.html",
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
                           "<style>body{margin:0;background:#f6f7f9}svg{width:100%;height:auto}"
                           "@media(prefers-color-scheme:dark){body{background:#0e1014}}</style>\n"));
    if (ok)
        osp_buf_add(out, osp_buf_str(&answer.text));
    osp_answer_drop(&answer);
    return ok;
}

/* What is drawn, and what it is compared with. */
typedef struct {
    osp_source *source, *base;
    osp_recorded recorded;
    const osp_profile *p;
    osp_report_opts o;
} subject;

static void subject_drop(subject *s)
{
    if (s->source)
        osp_source_close(s->source);
    if (s->base)
        osp_source_close(s->base);
    if (s->recorded.rec.profile)
        osp_recorded_drop(&s->recorded);
}

/* A number that is no file is a process. */
static bool is_process(const osp_cli *cli)
{
    uint64_t pid;
    return osp_cli_given(cli, "pid") || (cli->noperand == 1 && osp_str_u64(osp_str_from(cli->operand[0]), 10, &pid) &&
                                         access(cli->operand[0], F_OK) != 0);
}

static bool sample(const osp_cli *cli, int pid, double seconds, subject *s, osp_err *err)
{
    if (!osp_record_for(cli, pid, seconds, &s->recorded, err)) {
        s->recorded = (osp_recorded){0};
        return false;
    }
    s->p = s->recorded.commented;
    s->o.query.demangle = osp_brief_name;
    return true;
}

static bool open_files(const osp_cli *cli, subject *s, osp_err *err)
{
    s->source = osp_cli_open(cli, (const char *const *)cli->operand, (size_t)cli->noperand, err);
    if (!s->source)
        return false;
    s->p = osp_source_profile(s->source);
    osp_source_prepare(s->source, &s->o.query);
    return true;
}

static bool open_base(const osp_cli *cli, subject *s, osp_err *err)
{
    const char *file = osp_cli_value(cli, "diff");
    s->base = osp_cli_open(cli, &file, 1, err);
    if (!s->base)
        return false;
    s->o.base = osp_source_profile(s->base);
    s->o.base_query = osp_report_defaults().query;
    osp_source_prepare(s->base, &s->o.base_query);
    s->o.base_query.focus = s->o.query.focus;
    osp_str type = osp_text(s->p, s->p->values.type[s->o.query.value].type);
    return osp_sample_index(s->o.base, type, &s->o.base_query.value, err) || osp_fail_in(err, "%s", file);
}

/* Draw or fold, and say where it is. Returns the exit status, -1 with *err if it could not. */
static int answer(const osp_cli *cli, const subject *s, osp_err *err)
{
    const char *file = osp_cli_given(cli, "output") ? osp_cli_value(cli, "output") : "flame.svg";
    const bool folded = osp_cli_given(cli, "collapse");
    osp_buf out = osp_buf_of((size_t)1 << 34);
    int status = -1;
    bool ok = folded ? collapse(s->p, &s->o.query, &out, err)
                     : osp_flame_graph(s->p, &s->o, osp_str_ends(osp_str_from(file), S(".html")), &out, err);
    if (ok && (folded || strcmp(file, "-") == 0))
        status = osp_cli_print(osp_buf_str(&out)) ? OSP_EXIT_DONE : OSP_EXIT_FAILED;
    else if (ok && osp_file_write(file, osp_buf_str(&out), err))
        status = printf("%s   %zu bytes, opens in any browser\n", file, out.n) < 0 ? OSP_EXIT_FAILED : OSP_EXIT_DONE;
    osp_buf_drop(&out);
    return status;
}

static int cmd_flame(const osp_cli *cli)
{
    osp_err err = {0};
    subject s = {.o = osp_report_defaults()};
    const bool process = is_process(cli);
    double seconds;
    int pid = 0, status = OSP_EXIT_FAILED;
    if (!process && cli->noperand < 1)
        return osp_cli_usage(cli, "of which profile? %s", cli->command->args);
    if (osp_cli_given(cli, "collapse") && (osp_cli_given(cli, "diff") || osp_cli_given(cli, "reverse")))
        return osp_cli_usage(cli, "--collapse goes with neither --diff nor --reverse");
    if (!osp_cli_number(cli, "duration", 0.1, 86400, 10, &seconds))
        return OSP_EXIT_USAGE;
    if (process && !osp_cli_pid(cli, &pid, &status))
        return status;
    bool ok = process ? sample(cli, pid, seconds, &s, &err) : open_files(cli, &s, &err);
    s.o.query.focus = osp_str_from(osp_cli_value(cli, "focus"));
    s.o.argument = osp_str_from(osp_cli_value(cli, "title"));
    s.o.reverse = osp_cli_given(cli, "reverse");
    ok = ok && osp_sample_index(s.p, osp_str_from(osp_cli_value(cli, "sample-index")), &s.o.query.value, &err) &&
         (!osp_cli_given(cli, "diff") || open_base(cli, &s, &err));
    status = ok ? answer(cli, &s, &err) : -1;
    subject_drop(&s);
    return status >= 0 ? status : osp_cli_fail(&err);
}

const osp_command osp_command_flame = {
    .name = "flame",
    .args = "SOURCE... | PID",
    .summary = "a flame graph as one SVG or HTML file",
    .examples = examples,
    .options = options,
    .run = cmd_flame,
};
