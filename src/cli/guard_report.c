/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of a guard: what tripped it, the looks before, facts and answer of `why`, a CPU profile, goroutines, memory.
 * Written into a hidden folder beside its place, which is renamed at the end. */
#include "cli/guard_report.h"

#include "base/file.h"
#include "cli/why_html.h"
#include "cli/why_screen.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LIMIT = 256 << 20, ARENA_LIMIT = 1 << 30, PATIENCE_S = 30 };

static bool put(const char *dir, const char *name, const osp_buf *text, osp_err *err)
{
    char path[4096];
    if (text->failed)
        return osp_fail_memory(err, name);
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return osp_fail(err, OSP_EUSAGE, "%s/%s is too long a name", dir, name);
    return osp_file_write(path, osp_buf_str(text), err);
}

/* ---- what is known without looking further -------------------------------------------------------------------------- */

static bool put_trip(const char *dir, const osp_guard_report *r, const osp_trip *trip, osp_err *err)
{
    osp_buf out = osp_buf_of(LIMIT);
    osp_json j = osp_json_on(&out);
    osp_json_object(&j, NULL);
    osp_json_str(&j, "schema", S("osprey.guard/1"));
    osp_json_str(&j, "trigger", osp_trip_name(trip->kind));
    osp_json_str(&j, "text", osp_str_from(trip->text));
    osp_json_int(&j, "pid", r->pid);
    osp_json_str(&j, "name", r->name);
    osp_json_int(&j, "unix_s", (int64_t)time(NULL));
    osp_json_end(&j);
    bool ok = put(dir, "trigger.json", &out, err);
    osp_buf_drop(&out);
    return ok;
}

/* A column that is not known is empty. */
static void known(osp_buf *out, bool is, double v)
{
    osp_buf_byte(out, ',');
    if (is)
        osp_buf_fmt(out, "%.15g", v);
}

static bool put_looks(const char *dir, const osp_guard *g, osp_err *err)
{
    osp_buf out = osp_buf_of(LIMIT);
    osp_buf_add(&out, S("seconds,alive,rss_bytes,anon_bytes,threads,descriptors,cpu_seconds,goroutines,"
                        "cgroup_memory_bytes,cgroup_limit_bytes,oom_kills,probe_seconds\n"));
    const osp_guard_look *l;
    for (uint32_t i = 0; (l = osp_guard_last(g, i)); i++) {
        const osp_usage *u = &l->usage;
        osp_buf_fmt(&out, "%.3f,%d", l->at_s, l->alive);
        known(&out, l->alive, (double)u->rss_bytes);
        known(&out, l->alive, (double)u->anon_bytes);
        known(&out, l->alive, u->threads);
        known(&out, l->alive && u->fds != UINT32_MAX, u->fds);
        known(&out, l->alive, (double)(u->user_ns + u->system_ns) / 1e9);
        known(&out, l->goroutines >= 0, (double)l->goroutines);
        known(&out, l->cgroup.memory_limit != 0, (double)l->cgroup.memory_bytes);
        known(&out, l->cgroup.memory_limit != 0, (double)l->cgroup.memory_limit);
        known(&out, l->cgroup.known, (double)l->cgroup.oom_kills);
        known(&out, l->probe_s >= 0 && isfinite(l->probe_s), l->probe_s);
        osp_buf_byte(&out, '\n');
    }
    bool ok = put(dir, "looks.csv", &out, err);
    osp_buf_drop(&out);
    return ok;
}

/* ---- what osprey sees now ------------------------------------------------------------------------------------------- */

/* What another of our own commands prints, into a file; without it if that command has nothing to say. */
static void put_command(const char *dir, const char *name, char **argv)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), none = open("/dev/null", O_WRONLY | O_CLOEXEC);
    pid_t child = fd >= 0 && none >= 0 ? fork() : -1;
    if (child == 0) {
        alarm(PATIENCE_S); /* it outlives exec */
        if (dup2(fd, STDOUT_FILENO) >= 0 && dup2(none, STDERR_FILENO) >= 0)
            execv("/proc/self/exe", argv);
        _exit(127);
    }
    int status = -1;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    osp_close_fd(&fd);
    osp_close_fd(&none);
    if (status != 0)
        unlink(path);
}

static bool put_answer(const char *dir, const osp_guard_report *r, const osp_facts *f, const osp_findings *found,
                       osp_err *err)
{
    osp_cli plain = *r->cli;
    plain.colour = false;
    plain.columns = 100;
    osp_buf facts = osp_buf_of(LIMIT), json = osp_buf_of(LIMIT), text = osp_buf_of(LIMIT), page = osp_buf_of(LIMIT),
            profile = osp_buf_of(LIMIT);
    osp_findings_json(f, found, &json);
    osp_why_screen(&plain, f, found, &text);
    bool ok = osp_facts_save(f, &facts, err) && put(dir, "facts.osp", &facts, err) &&
              put(dir, "why.json", &json, err) && put(dir, "why.txt", &text, err) &&
              osp_why_html(f, found, &page, err) && put(dir, "why.html", &page, err);
    if (ok && f->samples) {
        osp_profile *p = osp_facts_profile(f, err);
        ok = p && osp_output_for(p, "cpu.pb.gz", &profile, err) && put(dir, "cpu.pb.gz", &profile, err);
        osp_profile_drop(p);
    }
    osp_buf_drop(&facts);
    osp_buf_drop(&json);
    osp_buf_drop(&text);
    osp_buf_drop(&page);
    osp_buf_drop(&profile);
    return ok;
}

/* Goroutines and memory first: a process in trouble may not live for long. One that is gone leaves nothing to be seen. */
static bool put_process(const char *dir, const osp_guard_report *r, osp_err *err)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%d", r->pid);
    put_command(dir, "goroutines.txt", (char *[]){"osprey", "goroutines", pid, "-debug", "1", NULL});
    put_command(dir, "memory.json", (char *[]){"osprey", "mem", pid, "--json", NULL});
    osp_sample_opts sample = {.pid = r->pid, .seconds = r->seconds, .stop = osp_stop_flag()};
    osp_why_opts why = {.sample = &sample, .no_probes = r->no_probes};
    osp_arena arena;
    osp_observed keep;
    osp_facts f;
    osp_findings found;
    osp_err gone;
    osp_arena_init(&arena, ARENA_LIMIT);
    sample.objects = osp_objects_new(NULL);
    bool ok = true;
    if (sample.objects && osp_why_live(&why, &arena, &keep, &f, &found, &gone)) {
        ok = put_answer(dir, r, &f, &found, err);
        osp_observed_drop(&keep);
    }
    osp_arena_drop(&arena);
    osp_objects_drop(sample.objects);
    return ok;
}

/* ---- the folder ------------------------------------------------------------------------------------------------------ */

static void forget(const char *dir)
{
    DIR *d = opendir(dir);
    for (const struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.')
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    rmdir(dir);
}

/* What would need quoting becomes a dash. */
static void plain_name(osp_str name, char out[32])
{
    osp_str_z(osp_str_head(name, 31), out, 32);
    for (char *c = out; *c; c++)
        if (osp_digit(*c) == 99 && *c != '.' && *c != '_')
            *c = '-';
    if (out[0] == '.')
        out[0] = '-';
}

bool osp_guard_report_write(const osp_guard_report *r, const osp_guard *g, const osp_trip *trip, char *path,
                            size_t size, osp_err *err)
{
    char hidden[4096], name[32], when[32];
    time_t now = time(NULL);
    struct tm utc;
    plain_name(r->name, name);
    strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
    osp_str kind = osp_trip_name(trip->kind);
    if (snprintf(path, size, "%s/%s-%d-%s-%.*s", r->dir, name, r->pid, when, STRF(kind)) >= (int)size ||
        snprintf(hidden, sizeof hidden, "%s/.osprey-guard-XXXXXX", r->dir) >= (int)sizeof hidden)
        return osp_fail(err, OSP_EUSAGE, "%.100s is too long a name", r->dir);
    if (!mkdtemp(hidden))
        return osp_fail_errno(err, errno, "%s", hidden);
    bool ok = put_trip(hidden, r, trip, err) && put_looks(hidden, g, err) &&
              (trip->kind == OSP_TRIP_ENDED || trip->kind == OSP_TRIP_OOM || put_process(hidden, r, err));
    if (ok && rename(hidden, path) != 0)
        ok = osp_fail_errno(err, errno, "%s", path);
    if (!ok)
        forget(hidden);
    return ok;
}
