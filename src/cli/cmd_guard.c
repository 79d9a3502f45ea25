/* SPDX-License-Identifier: Apache-2.0 */
/* osprey guard: wait for trouble, and keep what explains it. */
#include "base/clock.h"
#include "cli/go_target.h"
#include "cli/guard_report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const osp_option options[] = {
    {"cpu", 0, "CORES", "trips above so many cores: 1.5"},
    {"rss", 0, "BYTES", "trips above so much resident memory: 800M, 2G"},
    {"memory", 0, "PERCENT", "trips when its cgroup uses more than this of its memory limit (90); 0 = never"},
    {"goroutines", 0, "N", "trips above so many goroutines"},
    {"threads", 0, "N", "trips above so many threads"},
    {"descriptors", 0, "N", "trips above so many open descriptors"},
    {"pressure", 0, "PERCENT", "trips when something waits for memory for more of the time (PSI)"},
    {"memory-events", 0, NULL, "trips when memory.high is passed or the memory limit met"},
    {"probe", 0, "URL", "asks this at every look …"},
    {"probe-over", 0, "SECONDS", "… and trips when the answer takes longer, or is none (1s)"},
    {"interval", 'i', "SECONDS", "how long from look to look (1s)"},
    {"looks", 0, "N", "a level must be passed in so many looks in a row (2)"},
    {"duration", 'd', "SECONDS", "how long to observe once it has tripped (5)"},
    {"count", 'c', "N", "end after so many times (1); 0 = go on until the process ends"},
    {"rest", 0, "SECONDS", "how long to wait before the next time (5m)"},
    {"output", 'o', "FOLDER", "where a folder is made for each time (.)"},
    {"cgroup", 0, "CGROUP", "guard the process of this cgroup with most memory, instead of a pid"},
    {"no-probes", 0, NULL, "never place a probe in the process"},
    {0},
};

static const char *const examples[] = {
    "guard 4711",
    "guard 4711 --rss 800M --goroutines 20000 -o /var/tmp",
    "guard --cgroup gateway.service --pressure 20 --count 0",
    "guard 4711 --probe http://127.0.0.1:8080/healthz --probe-over 500ms",
    NULL,
};

/* "800M", "1.5G", "4096": powers of 1024. */
static bool read_bytes(const osp_cli *cli, const char *option, uint64_t *out)
{
    const char *text = osp_cli_value(cli, option);
    *out = 0;
    if (!text)
        return true;
    char *end;
    double v = strtod(text, &end);
    static const char units[] = "KMGT";
    const char *unit = *end ? strchr(units, *end >= 'a' ? *end - 32 : *end) : NULL;
    double scale = unit ? (double)((uint64_t)1 << 10 * (unit - units + 1)) : 1;
    end += unit != NULL;
    if (unit && *end == 'i')
        end++;
    if ((*end == 'B' || *end == 'b') && !end[1])
        end++;
    if (end == text || *end || !(v > 0) || v * scale > 1e18) {
        osp_cli_usage(cli, "option --%s wants a number of bytes like 800M or 2G, not `%s`", option, text);
        return false;
    }
    *out = (uint64_t)(v * scale);
    return true;
}

typedef struct {
    osp_guard_limits limits;
    osp_guard_report report;
    double interval_s, rest_s;
    unsigned looks, count;
} plan;

static bool read_plan(const osp_cli *cli, plan *p)
{
    double memory, pressure, goroutines, threads, fds, looks, count;
    osp_guard_limits *l = &p->limits;
    if (!osp_cli_number(cli, "cpu", 0.01, 1e6, 0, &l->cpu_cores) || !read_bytes(cli, "rss", &l->rss_bytes) ||
        !osp_cli_number(cli, "memory", 0, 100, 90, &memory) ||
        !osp_cli_number(cli, "goroutines", 1, 1e12, 0, &goroutines) ||
        !osp_cli_number(cli, "threads", 1, 1e9, 0, &threads) ||
        !osp_cli_number(cli, "descriptors", 1, 1e9, 0, &fds) ||
        !osp_cli_number(cli, "pressure", 0.1, 100, 0, &pressure) ||
        !osp_cli_number(cli, "probe-over", 0.001, 600, 1, &l->probe_s) ||
        !osp_cli_number(cli, "interval", 0.1, 3600, 1, &p->interval_s) ||
        !osp_cli_number(cli, "looks", 1, 1e6, 2, &looks) || !osp_cli_number(cli, "count", 0, 1e6, 1, &count) ||
        !osp_cli_number(cli, "rest", 0, 1e7, 300, &p->rest_s) ||
        !osp_cli_number(cli, "duration", 0.5, 3600, 5, &p->report.seconds))
        return false;
    l->memory_share = memory / 100;
    l->pressure = pressure / 100;
    l->goroutines = (int64_t)goroutines;
    l->threads = (uint32_t)threads;
    l->fds = (uint32_t)fds;
    l->memory_events = osp_cli_given(cli, "memory-events");
    l->oom = true;
    l->probe = osp_cli_value(cli, "probe");
    p->looks = (unsigned)looks;
    p->count = (unsigned)count;
    p->report.cli = cli;
    p->report.dir = osp_cli_given(cli, "output") ? osp_cli_value(cli, "output") : ".";
    p->report.no_probes = osp_cli_given(cli, "no-probes");
    return true;
}

/* The process of a cgroup that has most resident memory; 0 and *err if there is none. */
static int largest_of(const char *name, osp_err *err)
{
    osp_cgroup g;
    osp_arena a;
    osp_process_row *row;
    uint32_t n;
    int pid = 0;
    uint64_t most = 0;
    osp_arena_init(&a, 1 << 30);
    if (osp_cgroup_find(osp_str_from(name), &g, err) && osp_cgroup_processes(&g, &a, &row, &n, err))
        for (uint32_t i = 0; i < n; i++)
            if (row[i].rss_bytes >= most) {
                most = row[i].rss_bytes;
                pid = row[i].pid;
            }
    osp_arena_drop(&a);
    return pid;
}

static void show(void *ctx, const osp_guard_look *l)
{
    const plan *p = ctx;
    char goroutines[40] = "";
    if (l->goroutines >= 0)
        snprintf(goroutines, sizeof goroutines, "   %lld goroutines", (long long)l->goroutines);
    osp_progress(p->report.cli, "● guarding %.*s (pid %d)   RSS %.0f MB   %u threads%s   Ctrl-C ends it",
                 STRF(osp_str_head(p->report.name, 32)), p->report.pid, (double)l->usage.rss_bytes / 1e6,
                 l->usage.threads, goroutines);
}

/* A trip is kept and said. False if that failed. */
static bool keep(plan *p, const osp_guard *g, const osp_trip *trip)
{
    char path[4096];
    osp_err err;
    osp_progress(p->report.cli, "● %s: observing for %.0f s", trip->text, p->report.seconds);
    bool ok = osp_guard_report_write(&p->report, g, trip, path, sizeof path, &err);
    osp_progress_done(p->report.cli);
    if (!ok) {
        osp_cli_fail(&err);
        return false;
    }
    osp_buf line = osp_buf_of(8192);
    osp_buf_fmt(&line, "%s\n  %s\n", trip->text, path);
    ok = osp_cli_print(osp_buf_str(&line)) && fflush(stdout) == 0;
    osp_buf_drop(&line);
    return ok;
}

static int guard(plan *p, osp_process *process, osp_go *go)
{
    const volatile sig_atomic_t *stop = osp_stop_flag();
    osp_err err;
    osp_guard *g = osp_guard_new(process, go, &p->limits, &err);
    if (!g)
        return osp_cli_fail(&err);
    int status = OSP_EXIT_DONE;
    for (unsigned times = 0; !*stop && (!p->count || times < p->count);) {
        osp_trip trip;
        osp_guard_wait(g, p->interval_s, p->looks, stop, show, p, &trip);
        osp_progress_done(p->report.cli);
        if (!trip.kind)
            break;
        if (!keep(p, g, &trip)) {
            status = OSP_EXIT_FAILED;
            break;
        }
        status = OSP_EXIT_FOUND;
        times++;
        if (trip.kind == OSP_TRIP_ENDED || trip.kind == OSP_TRIP_OOM)
            break;
        if (!p->count || times < p->count)
            osp_wait_until(osp_monotonic_ns() + (uint64_t)(p->rest_s * 1e9), stop);
    }
    osp_guard_drop(g);
    return status;
}

static int cmd_guard(const osp_cli *cli)
{
    plan p = {0};
    int status;
    osp_err err;
    osp_arena arena;
    osp_process_info info;
    osp_image image;
    const char *group = osp_cli_value(cli, "cgroup");
    if (!read_plan(cli, &p))
        return OSP_EXIT_USAGE;
    if (group && (cli->noperand || osp_cli_given(cli, "pid")))
        return osp_cli_usage(cli, "give a pid or a cgroup, not both");
    if (group && !(p.report.pid = largest_of(group, &err)))
        return osp_cli_fail(&err);
    if (!group && !osp_cli_pid(cli, &p.report.pid, &status))
        return status;
    if (access(p.report.dir, W_OK) != 0) {
        osp_fail_errno(&err, errno, "%s", p.report.dir);
        return osp_cli_fail(&err);
    }
    osp_arena_init(&arena, 1 << 30);
    osp_objects *objects = osp_objects_new(NULL);
    osp_process *process = osp_process_open(p.report.pid, &err);
    if (!objects || !process || !osp_process_info_read(process, &arena, &info, &err) ||
        !osp_process_image(process, &arena, &image, &err)) {
        status = osp_cli_fail(&err);
    } else {
        osp_err no_go; /* then goroutines are not counted */
        osp_go *go = p.limits.goroutines ? osp_go_open(&image, objects, &no_go) : NULL;
        p.report.name = osp_str_base(info.exe);
        if (p.limits.goroutines && !go)
            status = osp_cli_fail(&no_go);
        else
            status = guard(&p, process, go);
        osp_go_close(go);
    }
    osp_process_close(process);
    osp_objects_drop(objects);
    osp_arena_drop(&arena);
    return status;
}

const osp_command osp_command_guard = {
    .name = "guard",
    .args = "PID",
    .summary = "wait for trouble, and keep the facts, a profile and goroutines of that moment",
    .examples = examples,
    .options = options,
    .run = cmd_guard,
};
