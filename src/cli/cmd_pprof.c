/* SPDX-License-Identifier: Apache-2.0 */
/* osprey pprof: pprof's own words. What a report prints goes to stdout, all chatter to stderr in the peer's words, and
 * every failure is status 2, as the peer has it. */
#include "cli/pprof_cli.h"

#include <stdio.h>

static void say(void *cli, osp_str line)
{
    const osp_pprof_session s = {.cli = cli};
    osp_progress_done(cli);
    osp_pprof_say(&s, false, line);
}

static bool show(const osp_cli *cli, const osp_pprof_words *w, osp_err *err)
{
    osp_progress(cli, "reading %s", w->source.source[0]);
    osp_source *source = osp_source_open(&w->source, err);
    osp_progress_done(cli);
    if (!source)
        return false;
    osp_label_units units;
    if (!osp_label_units_make(osp_source_profile(source), &units, err)) {
        osp_source_close(source);
        return false;
    }
    osp_pprof_session s = {
        .cli = cli,
        .source = source,
        .unit_notes = osp_buf_str(&units.notes),
        .profile = osp_source_profile(source),
        .difference = w->source.nbase > 0,
        .main_file = osp_str_from(w->source.binary),
        .config = w->config,
    };
    const osp_pprof_line line = {.command = w->command, .argument = w->argument, .config = w->config};
    bool ok = w->command ? osp_pprof_report(&s, &line, err) : osp_pprof_shell(&s, err);
    osp_label_units_drop(&units);
    osp_source_close(source);
    return ok;
}

static bool run(const osp_cli *cli, osp_arena *a, osp_buf *notes, osp_err *err)
{
    osp_pprof_words w;
    if (!osp_pprof_words_read(cli->operand, (size_t)cli->noperand, a, &w, notes, err))
        return false;
    if (w.help) {
        osp_buf out = osp_buf_of(SIZE_MAX / 2);
        osp_pprof_usage(&out);
        bool ok = osp_cli_print(osp_buf_str(&out)) || osp_fail(err, OSP_EIO, "%s", ""); /* it has said why */
        osp_buf_drop(&out);
        return ok;
    }
    fprintf(stderr, "%.*s", STRF(osp_buf_str(notes)));
    notes->n = 0;
    if (w.http.n)
        return osp_fail(
            err, OSP_EUSAGE,
            "-http: the web UI is not in this build yet. For a browser: osprey flame %.60s -o flame.html, or -svg or "
            "-weblist=REGEXP; without -http there is a shell",
            w.source.source[0]);
    w.source.say = say;
    w.source.say_ctx = (void *)(uintptr_t)cli;
    return show(cli, &w, err);
}

static int run_pprof(const osp_cli *cli)
{
    osp_err err = {0};
    osp_arena a;
    osp_buf notes = osp_buf_of(1 << 16);
    osp_arena_init(&a, SIZE_MAX / 2);
    bool ok = run(cli, &a, &notes, &err);
    osp_str why = {err.msg, osp_harmless(err.msg, strlen(err.msg), false)};
    if (!ok && why.n)
        fprintf(stderr, "%.*s\n%.*s", STRF(why), STRF(osp_buf_str(&notes)));
    osp_buf_drop(&notes);
    osp_arena_drop(&a);
    return ok ? OSP_EXIT_DONE : OSP_EXIT_USAGE;
}

static const char *const examples[] = {
    "pprof cpu.pb.gz",
    "pprof -top cpu.pb.gz",
    "pprof -top -cum -nodecount=20 cpu.pb.gz",
    "pprof -top -sample_index=inuse_space -focus=encoding/json heap.pb.gz",
    NULL,
};

const osp_command osp_command_pprof = {
    .name = "pprof",
    .args = "[-REPORT] [FLAGS] [BINARY] SOURCE...",
    .summary = "analyse profiles with Go pprof's flags and shell",
    .examples = examples,
    .own_words = true,
    .own_option = osp_pprof_option,
    .run = run_pprof,
};
