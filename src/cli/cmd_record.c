/* SPDX-License-Identifier: Apache-2.0 */
/* osprey record: samples of a process into a pprof file. */
#include "base/file.h"
#include "base/json.h"
#include "cli/cli_internal.h"
#include "pprof/pprof.h"
#include "sample/sample.h"
#include "symbol/symbol.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const osp_option options[] = {
    {"output", 'o', "FILE",
     "where the profile goes, in the form that its ending names: .folded, .svg … (NAME.cpu.pb.gz)"},
    {"duration", 'd', "SECONDS", "how long to sample (30; a program started after -- : until it ends)"},
    {"event", 'e', "LIST",
     "what to sample, with commas: cpu, off-cpu, wall, wait, syscalls:read, sched:sched_process_exec … (cpu)"},
    {"all", 'a', NULL, "all processes of the machine, the kernel's threads too"},
    {"cgroup", 'G', "NAME", "a cgroup with all inside it: its path, a service's name, a container's id"},
    {"children", 0, NULL, "and all processes that these start (so it is for a COMMAND)"},
    {"user-only", 'u', NULL, "leave out what runs in the kernel"},
    {"kernel-only", 'k', NULL, "leave out what runs outside it"},
    {"frequency", 'F', "HZ",
     "samples per second of CPU time (99, more for light loads); looks per second of `wait` (20)"},
    {"wakers", 0, NULL, "of off-cpu and wall: above each wait, the stack that ended it"},
    {"stitch", 0, "creator", "below a goroutine's first function, the function that made it"},
    {"exact", 0, NULL, "of `wait`: measure each wait by uprobes, and say what that costs the program"},
    {"no-bpf", 0, NULL, "use perf events with copied stacks even where BPF works"},
    {"cost", 0, NULL, "say what sampling cost"},
    {"json", 0, NULL, "the summary as one JSON object"},
    {0},
};

static const char *const examples[] = {
    "record 4711",
    "record 4711 -d 10 -o slow.pb.gz",
    "record -- make -j4",
    "record 4711 4712 --children -o both.svg",
    "record --all -F 19 -d 60",
    "record --cgroup nginx.service -o nginx.folded",
    NULL,
};

static void show_progress(void *ctx, const osp_sample_stats *s, double elapsed)
{
    osp_progress(ctx, "sampling  %02d:%02d   %llu samples at %u Hz   lost %llu   Ctrl-C keeps what is there",
                 (int)elapsed / 60, (int)elapsed % 60, (unsigned long long)s->taken, s->hz,
                 (unsigned long long)s->lost);
}

/* Before the probes are there. */
static void show_forecast(void *ctx, const osp_exact_stats *cost)
{
    double hits = 2 * cost->switches_hz, part = hits * (double)cost->hit_ns / 1e9;
    (void)ctx;
    fprintf(stderr,
            "osprey: --exact traps in the program: about %.0f times a second, %.1f us each: %.1f %% of a CPU\n", hits,
            (double)cost->hit_ns / 1e3, 100 * part);
}

void osp_recorded_drop(osp_recorded *r)
{
    osp_profile_drop(r->commented);
    osp_profile_drop(r->named);
    osp_recording_drop(&r->rec);
    osp_objects_drop(r->objects);
}

/* What every reader of the file should know of it, in one line: it shows in the head of pprof's reports. */
static osp_profile *comment(const osp_recorded *r, osp_err *err)
{
    const osp_sample_stats *s = &r->rec.stats;
    osp_buf text = osp_buf_of(4096);
    osp_buf_fmt(&text,
                "osprey " OSP_VERSION ": %llu samples (±%.1f %% on a share of 10 %%), lost %llu, cut short %llu",
                (unsigned long long)s->taken, osp_sample_error_pct(s), (unsigned long long)s->lost,
                (unsigned long long)(s->taken - s->ended[OSP_END_ROOT]));
    const char *before = " (";
    for (int e = OSP_END_ROOT + 1; e < OSP_END_REASONS; e++)
        if (s->ended[e]) {
            osp_buf_fmt(&text, "%s%llu %s", before, (unsigned long long)s->ended[e],
                        osp_unwind_end_text((osp_unwind_end)e));
            before = ", ";
        }
    osp_buf_fmt(&text, "%s, addresses without a name %llu of %llu", before[0] == ',' ? ")" : "",
                (unsigned long long)r->symbols.unnamed, (unsigned long long)r->symbols.locations);
    if (s->gave_up[0])
        osp_buf_fmt(&text, "; %s", s->gave_up);
    if (s->wait.passes) {
        osp_buf_add(&text, S("; "));
        osp_wait_comment(&text, &s->wait);
    }
    osp_profile *p = osp_profile_with_comment(r->named, osp_buf_str(&text), err);
    osp_buf_drop(&text);
    return p;
}

bool osp_recorded_name(osp_recorded *r, osp_err *err)
{
    osp_symbol_sources from = {
        .object = r->rec.object, .nobject = r->rec.nobject, .jit = r->rec.jit, .this_kernel = true};
    r->named = osp_symbolise(r->rec.profile, &from, &r->symbols, err);
    return r->named != NULL;
}

static bool name(osp_recorded *r, osp_err *err)
{
    r->commented = osp_recorded_name(r, err) ? comment(r, err) : NULL;
    return r->commented != NULL;
}

static double percent(uint64_t part, uint64_t whole) { return whole ? 100.0 * (double)part / (double)whole : 100; }

struct own_cost {
    uint64_t cpu_ns, peak_bytes;
};

/* What this process took so far. */
static struct own_cost own_cost(void)
{
    struct rusage self;
    getrusage(RUSAGE_SELF, &self);
    uint64_t us = (uint64_t)(self.ru_utime.tv_sec + self.ru_stime.tv_sec) * 1000000u +
                  (uint64_t)(self.ru_utime.tv_usec + self.ru_stime.tv_usec);
    return (struct own_cost){us * 1000, osp_own_peak_bytes()};
}

/* What was sampled by events, in lines; the first goes on where *out is, the others begin with `indent` blanks. */
static void add_samples(osp_buf *out, const osp_sample_stats *s, int indent)
{
    osp_buf_fmt(out, "%llu samples in %.1f s, %u Hz", (unsigned long long)s->taken, (double)s->duration_ns / 1e9,
                s->hz);
    if (s->taken)
        osp_buf_fmt(out, ", ±%.1f %% on a share of 10 %%", osp_sample_error_pct(s));
    osp_buf_fmt(out, "\n%*sstacks %.4g %% complete", indent, "", percent(s->ended[OSP_END_ROOT], s->taken));
    for (int e = OSP_END_ROOT + 1; e < OSP_END_REASONS; e++)
        if (s->ended[e])
            osp_buf_fmt(out, ", %llu cut: %s", (unsigned long long)s->ended[e],
                        osp_unwind_end_text((osp_unwind_end)e));
    osp_buf_fmt(out, " · lost %llu\n", (unsigned long long)s->lost);
}

static void add_summary(osp_buf *out, const osp_cli *cli, const char *file, const osp_recorded *r)
{
    const osp_sample_stats *s = &r->rec.stats;
    int width = (int)osp_str_columns(osp_str_from(file)) + 3;
    bool waits = s->wait.passes > 0, samples = s->taken > 0 || !waits;
    osp_paint(cli, out, OSP_BOLD, "%s", file);
    osp_buf_add(out, S("   "));
    if (samples)
        add_samples(out, s, width);
    if (samples && waits)
        osp_buf_fill(out, ' ', (size_t)width);
    if (waits)
        osp_wait_summary(out, cli, width, &s->wait);
    osp_buf_fmt(out, "%*snames %.4g %%\n", width, "",
                r->symbols.locations ? 100 - percent(r->symbols.unnamed, r->symbols.locations) : 100);
    if (s->gave_up[0]) {
        osp_paint(cli, out, OSP_PLAIN, "%*s%s", width, "", s->gave_up);
        osp_buf_byte(out, '\n');
    }
    if (osp_cli_given(cli, "cost")) {
        struct own_cost own = own_cost();
        osp_buf_fmt(out, "%*scost: BPF %.1f ms in %llu runs (%.3f %% of a core), osprey %.2f s CPU, %.0f MB\n", width,
                    "", (double)s->bpf_run_ns / 1e6, (unsigned long long)s->bpf_runs,
                    (double)s->bpf_run_ns / (double)s->duration_ns * 100, (double)own.cpu_ns / 1e9,
                    (double)own.peak_bytes / 1e6);
    }
    osp_buf_fmt(out, "%*s", width, "");
    osp_paint(cli, out, OSP_DIM, "osprey pprof -top %s   ·   go tool pprof %s", file, file);
    osp_buf_byte(out, '\n');
}

static void add_json(osp_buf *out, const char *file, const osp_recorded *r)
{
    const osp_sample_stats *s = &r->rec.stats;
    osp_json j = osp_json_on(out);
    osp_json_object(&j, NULL);
    osp_json_str(&j, "schema", S("osprey.record/1"));
    osp_json_str(&j, "file", osp_str_from(file));
    osp_json_uint(&j, "samples", s->taken);
    osp_json_uint(&j, "duration_ns", s->duration_ns);
    osp_json_uint(&j, "hz", s->hz);
    osp_json_num(&j, "standard_error_of_10_percent", osp_sample_error_pct(s) / 100);
    osp_json_uint(&j, "lost", s->lost);
    osp_ended_json(&j, s->ended);
    if (s->wait.passes)
        osp_wait_json(&j, &s->wait);
    osp_json_uint(&j, "addresses", r->symbols.locations);
    osp_json_uint(&j, "unsymbolised", r->symbols.unnamed);
    osp_json_bool(&j, "bpf", s->by_bpf);
    osp_json_bool(&j, "proc", s->by_proc);
    osp_json_str(&j, "gave_up", osp_str_from(s->gave_up));
    osp_json_uint(&j, "bpf_run_ns", s->bpf_run_ns);
    osp_json_uint(&j, "bpf_runs", s->bpf_runs);
    struct own_cost own = own_cost();
    osp_json_uint(&j, "own_cpu_ns", own.cpu_ns);
    osp_json_uint(&j, "own_peak_bytes", own.peak_bytes);
    osp_json_end(&j);
}

/* The name of the profile if none was given: the program's, in the current directory. */
static void default_name(const osp_cli *cli, const osp_recording *r, char *out, size_t size)
{
    if (osp_cli_given(cli, "all") || osp_cli_given(cli, "cgroup")) {
        const char *group = osp_cli_value(cli, "cgroup");
        osp_str base = group ? osp_str_base(osp_str_trim(osp_str_from(group))) : S("machine");
        snprintf(out, size, "%.*s.cpu.pb.gz", STRF(osp_str_head(base.n ? base : S("cgroup"), 80)));
        return;
    }
    if (cli->nrest) {
        osp_str base = osp_str_base(osp_str_from(cli->rest[0]));
        snprintf(out, size, "%.*s.cpu.pb.gz", STRF(osp_str_head(base, 80)));
        return;
    }
    snprintf(out, size, "%.*s.cpu.pb.gz", STRF(osp_str_trim(osp_str_from(r->name))));
    for (char *c = out; *c; c++)
        if (*c == '/' || (unsigned char)*c <= ' ')
            *c = '_';
}

/* Why there is not one sample. Always false. */
static bool explain_nothing(int pid, const osp_sample_stats *s, osp_err *err)
{
    double seconds = (double)s->duration_ns / 1e9;
    if (!pid)
        return osp_fail(err, OSP_EABSENT, "no samples, nothing written: nothing ran there in %.1f s", seconds);
    if (s->state == 'T' || s->state == 't')
        return osp_fail(err, OSP_EABSENT,
                        "no samples, nothing written: process %d is stopped; `kill -CONT %d` lets it go on", pid,
                        pid);
    if (!s->state)
        return osp_fail(err, OSP_EABSENT, "no samples, nothing written: process %d ended after %.2f s", pid, seconds);
    return osp_fail(err, OSP_EABSENT,
                    "no samples, nothing written: process %d did nothing of what was asked for in %.1f s; sample "
                    "longer with -d",
                    pid, seconds);
}

static int record(const osp_cli *cli, osp_sample_opts *opts, osp_launch *launch)
{
    osp_recorded r = {0};
    char usual[96];
    osp_err err = {0};
    osp_buf packed = osp_buf_of((size_t)1 << 31), text = osp_buf_of(1 << 16);
    int status = OSP_EXIT_FAILED;
    bool ok = osp_record(opts, &r.rec, &err);
    osp_progress_done(cli);
    default_name(cli, &r.rec, usual, sizeof usual);
    const char *file = osp_cli_given(cli, "output") ? osp_cli_value(cli, "output") : usual;
    if (ok && r.rec.stats.taken == 0 && r.rec.stats.wait.passes == 0)
        ok = explain_nothing(opts->pid, &r.rec.stats, &err);
    if (ok)
        ok = name(&r, &err) && osp_output_for(r.commented, file, &packed, &err) &&
             osp_file_write(file, osp_buf_str(&packed), &err);
    if (ok) {
        if (osp_cli_given(cli, "json"))
            add_json(&text, file, &r);
        else
            add_summary(&text, cli, file, &r);
        status = osp_cli_print(osp_buf_str(&text)) ? OSP_EXIT_DONE : OSP_EXIT_FAILED;
    } else {
        status = osp_cli_fail(&err);
    }
    /* A program that we started and that outlives the recording goes on; we wait for it, as a shell would. */
    osp_launch_end(launch, true);
    osp_buf_drop(&packed);
    osp_buf_drop(&text);
    osp_recorded_drop(&r);
    return status;
}

bool osp_record_for(const osp_cli *cli, int pid, double seconds, osp_recorded *out, osp_err *err)
{
    *out = (osp_recorded){0};
    osp_sample_opts opts = {
        .pid = pid,
        .seconds = seconds,
        .stop = osp_stop_flag(),
        .progress = cli->progress ? show_progress : NULL,
        .progress_ctx = (void *)(uintptr_t)cli,
        .objects = out->objects = osp_objects_new(NULL),
    };
    if (!opts.objects)
        return osp_fail_memory(err, "starting to sample");
    bool ok = osp_record(&opts, &out->rec, err);
    osp_progress_done(cli);
    if (ok && out->rec.stats.taken == 0)
        ok = explain_nothing(pid, &out->rec.stats, err);
    ok = ok && name(out, err);
    if (!ok)
        osp_recorded_drop(out);
    return ok;
}

static int run_record(const osp_cli *cli, osp_sample_opts *opts)
{
    osp_launch launch = {.go = -1, .status = -1};
    osp_err err = {0};
    if (!osp_targets_launch(cli, opts, &launch, &err))
        return osp_cli_fail(&err);
    opts->objects = osp_objects_new(NULL);
    if (!opts->objects) {
        osp_fail_memory(&err, "starting to sample");
        osp_launch_end(&launch, false);
        return osp_cli_fail(&err);
    }
    int status = record(cli, opts, &launch);
    osp_objects_drop(opts->objects);
    return status;
}

/* What is to be measured, as the command line says it. */
static bool read_events(const osp_cli *cli, osp_sample_opts *opts, osp_arena *names, osp_err *err)
{
    osp_event_list *events = &opts->events;
    if (osp_cli_given(cli, "event") &&
        !osp_event_list_parse(osp_str_from(osp_cli_value(cli, "event")), names, events, err))
        return false;
    opts->creators = osp_cli_given(cli, "stitch");
    opts->exact = osp_cli_given(cli, "exact");
    opts->wakers = osp_cli_given(cli, "wakers");
    opts->user_only = osp_cli_given(cli, "user-only");
    opts->kernel_only = osp_cli_given(cli, "kernel-only");
    bool looks = false, waits = false;
    for (uint32_t i = 0; i < events->n; i++) {
        looks |= events->kind[i]->source == OSP_BY_LOOKS;
        waits |= events->kind[i]->source == OSP_BY_OFF_CPU || events->kind[i]->source == OSP_BY_WALL;
    }
    if (opts->user_only && opts->kernel_only)
        return osp_fail(err, OSP_EUSAGE, "--user-only and --kernel-only leave nothing");
    if (opts->creators && strcmp(osp_cli_value(cli, "stitch"), "creator") != 0)
        return osp_fail(err, OSP_EUSAGE, "--stitch knows `creator` only, not `%s`", osp_cli_value(cli, "stitch"));
    if (opts->exact && (!looks || opts->creators))
        return osp_fail(err, OSP_EUSAGE,
                        opts->creators ? "--exact and --stitch cannot be had together"
                                       : "--exact is of the event wait: -e wait --exact");
    return !opts->wakers || waits ||
           osp_fail(err, OSP_EUSAGE, "--wakers is of the events off-cpu and wall: -e off-cpu --wakers");
}

static int cmd_record(const osp_cli *cli)
{
    enum { NAMES_LIMIT = 1 << 20 };
    osp_err err = {0};
    double seconds, hz;
    int status;
    osp_targets targets = {0};
    osp_arena names;
    if (!osp_cli_number(cli, "duration", 0.1, 86400, cli->nrest ? 0 : 30, &seconds) ||
        !osp_cli_number(cli, "frequency", 1, 20000, 0, &hz))
        return OSP_EXIT_USAGE;
    osp_sample_opts opts = {
        .seconds = seconds,
        .hz = (uint32_t)hz,
        .no_bpf = osp_cli_given(cli, "no-bpf"),
        .forecast = show_forecast,
        .stop = osp_stop_flag(),
        .progress = cli->progress ? show_progress : NULL,
        .progress_ctx = (void *)(uintptr_t)cli,
    };
    osp_arena_init(&names, NAMES_LIMIT);
    if (!read_events(cli, &opts, &names, &err))
        status = osp_cli_fail(&err);
    else if (osp_targets_read(cli, &opts, &targets, &status))
        status = run_record(cli, &opts);
    osp_targets_drop(&targets);
    osp_arena_drop(&names);
    return status;
}

const osp_command osp_command_record = {
    .name = "record",
    .args = "PID... | --all | --cgroup NAME | -- COMMAND",
    .summary = "sample the CPU time of processes into a profile",
    .examples = examples,
    .options = options,
    .run = cmd_record,
};
