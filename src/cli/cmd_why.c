/* SPDX-License-Identifier: Apache-2.0 */
/* osprey why: one page that says what is wrong with a process, and what to do. */
#include "base/file.h"
#include "cli/image_operand.h"
#include "cli/why_html.h"
#include "cli/why_many.h"
#include "cli/why_screen.h"
#include "source/source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How much longer than by default it may take where that would decide something. */
enum { PATIENCE_S = 4 };
enum { ARENA_LIMIT = 1 << 30, SAVE_LIMIT = 256 << 20, LOG_LIMIT = 1 << 30 };

static const osp_option options[] = {
    {"duration", 'd', "SECONDS", "how long to observe (5, up to 4 more where that would decide something)"},
    {"frequency", 'F', "HZ", "samples per second of CPU time, 0 = as the load needs (0)"},
    {"profile", 0, "FILE", "from files: a CPU profile in any form,"},
    {"goroutines", 0, "FILE", "a dump of goroutines (debug=2, debug=1, SIGQUIT),"},
    {"gctrace", 0, "FILE", "a log with lines of GODEBUG=gctrace=1,"},
    {"schedtrace", 0, "FILE", "and one with lines of GODEBUG=schedtrace=1000; any of them, together"},
    {"cgroup", 0, "CGROUP", "every process in a cgroup: a path, or the name of a service"},
    {"container", 0, "ID", "every process in a container, by its id or its first 8 digits or more"},
    OSP_CORE_OPTIONS,
    {"json", 0, NULL, "print one JSON object"},
    {"html", 0, "FILE", "write a page, too: it needs nothing else, and holds a flame graph and plots"},
    {"no-bpf", 0, NULL, "use perf events with copied stacks even where BPF works"},
    {"no-probes", 0, NULL, "never place a probe in the process"},
    {"save", 0, "FILE",
     "keep the facts in a file, for  osprey why FILE  here or elsewhere; nothing of the process's memory is in it"},
    {"rules", 0, NULL, "list what can be found"},
    {0},
};

typedef struct {
    const osp_cli *cli;
    double seconds;
    osp_arena *text;
    osp_str first; /* what the first look found, in the arena; "" if nothing yet */
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

/* A person who waits gets a first answer after a second; the page that follows stands on the whole observation. */
static void show_first(void *ctx, const osp_facts *f, const osp_findings *found)
{
    (void)f;
    showing *s = ctx;
    if (found->n && found->row[0].confidence >= OSP_FOUND)
        s->first = osp_arena_str(s->text, found->row[0].summary);
}

/* The page; whole, or not at all. */
static bool write_page(const char *path, const osp_facts *f, const osp_findings *found, osp_err *err)
{
    osp_buf out = osp_buf_of(SAVE_LIMIT);
    bool ok = osp_why_html(f, found, &out, err) && osp_file_write(path, osp_buf_str(&out), err);
    osp_buf_drop(&out);
    return ok;
}

/* Print what was found. Returns the exit status. */
static int answer(const osp_cli *cli, const osp_facts *f, const osp_findings *found)
{
    osp_err err;
    osp_buf out = osp_buf_of(16 << 20);
    if (osp_cli_given(cli, "json"))
        osp_findings_json(f, found, &out);
    else
        osp_why_screen(cli, f, found, &out);
    int status = found->n && found->row[0].confidence >= OSP_FOUND ? OSP_EXIT_FOUND : OSP_EXIT_DONE;
    status = osp_cli_answer(&out, status);
    const char *page = osp_cli_value(cli, "html");
    return !page || write_page(page, f, found, &err) ? status : osp_cli_fail(&err);
}

/* Write the facts to a file; whole, or not at all. */
static bool save(const osp_facts *f, const char *path, osp_err *err)
{
    osp_buf out = osp_buf_of(SAVE_LIMIT);
    bool ok = osp_facts_save(f, &out, err) && osp_file_write(path, osp_buf_str(&out), err);
    osp_buf_drop(&out);
    return ok;
}

/* A core: what one moment tells. */
static int judge_core(const osp_cli *cli)
{
    osp_image_operand of;
    osp_arena arena;
    osp_facts facts;
    osp_findings found;
    osp_err err;
    int status;
    osp_arena_init(&arena, ARENA_LIMIT);
    if (osp_image_operand_open(cli, &of, &status)) {
        if (osp_facts_of_core(of.core, cli->operand[0], of.objects, &arena, &facts, &err)) {
            osp_diagnose(&facts, &found);
            status = answer(cli, &facts, &found);
            if (osp_cli_given(cli, "save") && !save(&facts, osp_cli_value(cli, "save"), &err))
                status = osp_cli_fail(&err);
        } else {
            status = osp_cli_fail(&err);
        }
    }
    osp_image_operand_drop(&of);
    osp_arena_drop(&arena);
    return status;
}

static int live(const osp_cli *cli, const osp_sample_opts *opts, showing *s)
{
    osp_arena arena;
    osp_observed keep;
    osp_facts facts;
    osp_findings found;
    osp_err err;
    osp_arena_init(&arena, ARENA_LIMIT);
    osp_why_opts why = {.sample = opts,
                        .patience_s = osp_cli_given(cli, "duration") ? 0 : PATIENCE_S,
                        .no_probes = osp_cli_given(cli, "no-probes"),
                        .first = show_first,
                        .ctx = s};
    bool ok = osp_why_live(&why, &arena, &keep, &facts, &found, &err);
    osp_progress_done(cli);
    int status = ok ? answer(cli, &facts, &found) : osp_cli_fail(&err);
    const char *to = osp_cli_value(cli, "save");
    if (ok && to && !save(&facts, to, &err))
        status = osp_cli_fail(&err);
    if (ok)
        osp_observed_drop(&keep);
    osp_arena_drop(&arena);
    return status;
}

/* Facts that were saved: the rules of today over what was seen then. */
static int replay(const osp_cli *cli, const char *path)
{
    osp_arena arena;
    osp_facts facts;
    osp_findings found;
    osp_err err;
    int status;
    osp_arena_init(&arena, ARENA_LIMIT);
    osp_file file;
    if (!osp_file_open_input(path, SAVE_LIMIT, &file, &err)) {
        osp_arena_drop(&arena);
        return osp_cli_fail(&err);
    }
    if (osp_facts_load(file.bytes, &arena, &facts, &err)) {
        osp_diagnose(&facts, &found);
        status = answer(cli, &facts, &found);
    } else {
        osp_fail_in(&err, "%s", path);
        status = osp_cli_fail(&err);
    }
    osp_file_close(&file);
    osp_arena_drop(&arena);
    return status;
}

/* A profile in any form, with names for its addresses. */
static const osp_profile *open_profile(const osp_cli *cli, const char *option, osp_source **source, osp_err *err)
{
    const char *file = osp_cli_value(cli, option);
    *source = NULL;
    if (file && access(file, R_OK) != 0)
        osp_fail_errno(err, errno, "%s", file);
    else if (file && (*source = osp_cli_open(cli, &file, 1, err)))
        return osp_source_profile(*source);
    return NULL;
}

/* Lines of both kinds may stand in one log; a file that has none of its kind is a mistake. */
static bool read_log(const osp_cli *cli, const char *option, osp_arena *a, osp_golog *out, osp_err *err)
{
    osp_file file;
    const char *path = osp_cli_value(cli, option);
    if (!osp_file_open_input(path, LOG_LIMIT, &file, err))
        return false;
    bool ok = osp_golog_read(osp_span_text(file.bytes), a, out, err);
    osp_file_close(&file);
    bool gc = !strcmp(option, "gctrace");
    if (ok && !(gc ? out->ngc : out->nsched))
        return osp_fail(err, OSP_EFORMAT, "%s has no line that GODEBUG=%s=1 prints", path, option);
    return ok;
}

static bool read_logs(const osp_cli *cli, osp_arena *a, osp_golog *log, osp_err *err)
{
    osp_golog sched = {0};
    if (osp_cli_given(cli, "gctrace") && !read_log(cli, "gctrace", a, log, err))
        return false;
    if (osp_cli_given(cli, "schedtrace") && !read_log(cli, "schedtrace", a, &sched, err))
        return false;
    log->sched = sched.nsched ? sched.sched : log->sched;
    log->nsched = sched.nsched ? sched.nsched : log->nsched;
    return true;
}

static bool from_files(const osp_cli *cli)
{
    return osp_cli_given(cli, "profile") || osp_cli_given(cli, "goroutines") || osp_cli_given(cli, "gctrace") ||
           osp_cli_given(cli, "schedtrace");
}

static int judge_files(const osp_cli *cli)
{
    osp_arena arena;
    osp_facts facts;
    osp_findings found;
    osp_golog log = {0};
    osp_source *cpu = NULL, *goroutines = NULL;
    osp_err err = {0};
    int status;
    if (cli->noperand || cli->nrest || osp_cli_given(cli, "pid"))
        return osp_cli_usage(cli, "give files or a process, not both");
    osp_arena_init(&arena, ARENA_LIMIT);
    osp_why_files in = {.name = S("files")};
    in.profile = open_profile(cli, "profile", &cpu, &err);
    in.goroutines = err.code ? NULL : open_profile(cli, "goroutines", &goroutines, &err);
    bool ok = !err.code && read_logs(cli, &arena, &log, &err);
    in.log = log.ngc || log.nsched ? &log : NULL;
    if (ok && osp_facts_of_files(&in, &arena, &facts, &err)) {
        osp_diagnose(&facts, &found);
        status = answer(cli, &facts, &found);
        if (osp_cli_given(cli, "save") && !save(&facts, osp_cli_value(cli, "save"), &err))
            status = osp_cli_fail(&err);
    } else {
        status = osp_cli_fail(&err);
    }
    if (cpu)
        osp_source_close(cpu);
    if (goroutines)
        osp_source_close(goroutines);
    osp_arena_drop(&arena);
    return status;
}

/* The file of facts, or the core, that is named; NULL: a process is meant. */
static const char *file_operand(const osp_cli *cli)
{
    uint64_t number;
    bool named = cli->noperand == 1 && !cli->nrest && !osp_cli_given(cli, "pid");
    return named && !osp_str_u64(osp_str_from(cli->operand[0]), 10, &number) ? cli->operand[0] : NULL;
}

static bool several(const osp_cli *cli)
{
    return osp_cli_given(cli, "cgroup") || osp_cli_given(cli, "container") ||
           (cli->noperand > 1 && !cli->nrest && !osp_cli_given(cli, "pid"));
}

static int print_rules(void)
{
    osp_buf out = osp_buf_of(1 << 20);
    for (const osp_rule *const *r = osp_rules; *r; r++)
        osp_buf_fmt(&out, "%-26s %s\n", (*r)->name, (*r)->asks);
    return osp_cli_answer(&out, OSP_EXIT_DONE);
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
    if (osp_cli_given(cli, "rules"))
        return print_rules();
    if (from_files(cli))
        return judge_files(cli);
    const char *file = file_operand(cli);
    if (file)
        return osp_core_is(file) ? judge_core(cli) : replay(cli, file);
    if (osp_cli_given(cli, "root") || osp_cli_given(cli, "exe"))
        return osp_cli_usage(cli, "--root and --exe are for a core: a process has its files itself");
    opts.seconds = s.seconds;
    opts.hz = (uint32_t)hz;
    opts.no_bpf = osp_cli_given(cli, "no-bpf");
    opts.stop = osp_stop_flag();
    if (several(cli) && (osp_cli_given(cli, "save") || osp_cli_given(cli, "html")))
        return osp_cli_usage(cli, "--save and --html are for one process");
    if (several(cli)) {
        int pid[OSP_WHY_MOST];
        uint32_t left_out, n = osp_why_pids(cli, pid, &left_out, &status);
        return n ? osp_why_many(cli, &opts, pid, n, left_out) : status;
    }
    if (!osp_cli_target(cli, &opts.pid, &status))
        return status;
    bool starts = opts.pid == 0;
    osp_launch launch = {.go = -1, .status = -1};
    osp_err err;
    osp_arena text;
    osp_arena_init(&text, 1 << 20);
    s.text = &text;
    opts.objects = osp_objects_new(NULL);
    if (!opts.objects) {
        osp_fail_memory(&err, "starting");
        return osp_cli_fail(&err);
    }
    if (starts && !start(cli, &launch, &err)) {
        status = osp_cli_fail(&err);
    } else {
        opts.pid = starts ? launch.pid : opts.pid;
        status = live(cli, &opts, &s);
    }
    /* A program that we started goes on after the answer; we wait for it, as a shell would. */
    osp_launch_end(&launch, true);
    osp_arena_drop(&text);
    osp_objects_drop(opts.objects);
    return status;
}

const osp_command osp_command_why = {
    .name = "why",
    .args = "PID... | CORE | FACTS | -- COMMAND",
    .summary = "say what is wrong with a process, and what to do",
    .examples =
        (const char *const[]){"why 4711", "why 4711 -d 30 --json", "why 4711 --save facts.osp", "why facts.osp",
                              "why core.4711", "why --cgroup gateway.service", "why -- ./server -listen :8080", NULL},
    .options = options,
    .run = cmd_why,
};
