/* SPDX-License-Identifier: Apache-2.0 */
/* osprey why: one page that says why a process burns CPU. */
#include "base/clock.h"
#include "cli/cli_internal.h"
#include "cli/why_screen.h"

#include <stdio.h>

enum { ARENA_LIMIT = 1 << 30, FIRST_LOOK = 1, WORTH_A_FIRST_LOOK = 3 /* seconds */ };

static const osp_option options[] = {
    {"duration", 'd', "SECONDS", "how long to observe (5)"},
    {"frequency", 'F', "HZ", "samples per second of CPU time, 0 = as the load needs (0)"},
    {"json", 0, NULL, "print one JSON object"},
    {"no-bpf", 0, NULL, "use perf events with copied stacks even where BPF works"},
    {"no-probes", 0, NULL, "never place a probe in the process (nothing here does yet)"},
    {0},
};

typedef struct {
    const osp_cli *cli;
    double seconds;
    osp_str first; /* what the first look found; "" if nothing yet */
} showing;

static void show_progress(void *ctx, const osp_sample_stats *so_far, double elapsed_s)
{
    const showing *s = ctx;
    if (s->first.n)
        osp_progress(s->cli, "● %.0f of %.0f s   so far: %.*s", elapsed_s, s->seconds, STRF(s->first));
    else
        osp_progress(s->cli, "● observing   %.0f of %.0f s   %llu samples   Ctrl-C: answer with what is there",
                     elapsed_s, s->seconds, (unsigned long long)so_far->taken);
}

/* A person who waits gets a first answer after a second; the page that follows stands on the whole observation. The
 * summary found is put into the arena. */
static osp_str first_look(const osp_sample_opts *opts, osp_arena *keep_text)
{
    osp_arena arena;
    osp_observed keep;
    osp_facts facts;
    osp_findings found;
    osp_err ignored; /* the whole look that follows says what is wrong */
    osp_sample_opts brief = *opts;
    osp_str first = S("");
    brief.seconds = FIRST_LOOK;
    osp_arena_init(&arena, ARENA_LIMIT);
    if (osp_observe(&brief, &arena, &keep, &facts, &ignored)) {
        osp_diagnose(&facts, &found);
        if (found.n && found.row[0].confidence >= OSP_FOUND)
            first = osp_arena_str(keep_text, found.row[0].summary);
        osp_observed_drop(&keep);
    }
    osp_arena_drop(&arena);
    return first;
}

static double uptime_of(const osp_facts *f)
{
    uint64_t now = osp_clock_ns(CLOCK_BOOTTIME);
    return f->process.start_ns && now > f->process.start_ns ? (double)(now - f->process.start_ns) / 1e9 : 0;
}

static int answer(const osp_cli *cli, const osp_sample_opts *opts, bool json)
{
    osp_arena arena;
    osp_observed keep;
    osp_facts facts;
    osp_findings found;
    osp_err err;
    osp_arena_init(&arena, ARENA_LIMIT);
    bool ok = osp_observe(opts, &arena, &keep, &facts, &err);
    osp_progress_done(cli);
    if (!ok) {
        osp_arena_drop(&arena);
        return osp_cli_fail(&err);
    }
    osp_diagnose(&facts, &found);
    osp_buf out = osp_buf_of(16 << 20);
    if (json)
        osp_findings_json(&facts, &found, &out);
    else
        osp_why_screen(cli, &facts, &found, uptime_of(&facts), &out);
    int status = found.n && found.row[0].confidence >= OSP_FOUND ? OSP_EXIT_FOUND : OSP_EXIT_DONE;
    if (out.failed) {
        osp_fail_memory(&err, "writing the answer");
        status = osp_cli_fail(&err);
    } else if (!osp_cli_print(osp_buf_str(&out))) {
        status = OSP_EXIT_FAILED;
    }
    osp_buf_drop(&out);
    osp_observed_drop(&keep);
    osp_arena_drop(&arena);
    return status;
}

/* Start the command and give it a moment: what is asked is how it runs, and its libraries and the Go runtime must stand
 * before they can be read. */
static bool start(const osp_cli *cli, osp_launch *launch, osp_err *err)
{
    const struct timespec moment = {.tv_nsec = 300000000};
    if (!osp_launch_start(cli->rest, launch, err))
        return false;
    if (!osp_launch_release(launch, err))
        return false;
    nanosleep(&moment, NULL);
    return true;
}

static int cmd_why(const osp_cli *cli)
{
    int status;
    double hz;
    showing s = {.cli = cli};
    osp_sample_opts opts = {.progress = show_progress, .progress_ctx = &s};
    if (!osp_cli_number(cli, "duration", 0.1, 86400, 5, &s.seconds) ||
        !osp_cli_number(cli, "frequency", 0, 10000, 0, &hz))
        return OSP_EXIT_USAGE;
    if (!osp_cli_target(cli, &opts.pid, &status))
        return status;
    bool starts = opts.pid == 0;
    opts.seconds = s.seconds;
    opts.hz = (uint32_t)hz;
    opts.no_bpf = osp_cli_given(cli, "no-bpf");
    opts.stop = osp_stop_flag();
    osp_launch launch = {.go = -1, .status = -1};
    osp_err err;
    osp_arena text;
    osp_arena_init(&text, 1 << 20);
    opts.objects = osp_objects_new(NULL);
    if (!opts.objects) {
        osp_fail_memory(&err, "starting");
        return osp_cli_fail(&err);
    }
    if (starts && !start(cli, &launch, &err)) {
        status = osp_cli_fail(&err);
    } else {
        opts.pid = starts ? launch.pid : opts.pid;
        if (cli->progress && s.seconds >= WORTH_A_FIRST_LOOK)
            s.first = first_look(&opts, &text);
        status = answer(cli, &opts, osp_cli_given(cli, "json"));
    }
    /* A program that we started goes on after the answer; we wait for it, as a shell would. */
    osp_launch_end(&launch, true);
    osp_arena_drop(&text);
    osp_objects_drop(opts.objects);
    return status;
}

const osp_command osp_command_why = {
    .name = "why",
    .args = "PID | -- COMMAND",
    .summary = "say in one page why a process burns CPU",
    .examples = (const char *const[]){"why 4711", "why 4711 -d 30 --json", "why -- ./server -listen :8080", NULL},
    .options = options,
    .run = cmd_why,
};
