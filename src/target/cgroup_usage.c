/* SPDX-License-Identifier: Apache-2.0 */
/* What the cgroups of a process allow it, and what is used of that.
 *
 * A limit holds for all below it, so each is looked for from the process's own folder up to the root, and the tightest one
 * counts; what is said of its use is of that very folder. Version 2: kernel, Documentation/admin-guide/cgroup-v2.rst;
 * version 1: cgroup-v1/memory.rst and scheduler/sched-bwc.rst. */
#include "target/target_internal.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

enum { PATH_SIZE = 4096, DEEPEST = 64, TEXT_SIZE = 1 << 14 };
/* A limit of version 1 as large as this is none: PAGE_COUNTER_MAX in bytes, rounded down to pages. */
static const uint64_t NO_LIMIT = (uint64_t)1 << 62;

typedef struct {
    const char *root; /* "" but in tests */
    char dir[PATH_SIZE];
} folder;

static bool read_file(const folder *d, const char *name, char text[TEXT_SIZE], osp_str *out)
{
    char path[2 * PATH_SIZE];
    osp_err ignored; /* a file that is not there says nothing */
    return snprintf(path, sizeof path, "%s%s/%s", d->root, d->dir, name) < (int)sizeof path &&
           osp_read_small(path, text, TEXT_SIZE, out, &ignored);
}

/* The one number of a file; false of "max", and if there is none. */
static bool number_in(const folder *d, const char *name, uint64_t *out)
{
    char text[TEXT_SIZE];
    osp_str s;
    return read_file(d, name, text, &s) && osp_str_u64(osp_str_trim(s), 10, out);
}

/* The number behind a word, "oom_kill 3". */
static bool field_in(const folder *d, const char *name, osp_str word, uint64_t *out)
{
    char text[TEXT_SIZE];
    osp_str s;
    if (!read_file(d, name, text, &s))
        return false;
    while (s.n) {
        osp_str line = osp_str_cut(&s, '\n');
        if (osp_str_eq(osp_str_cut(&line, ' '), word))
            return osp_str_u64(osp_str_trim(line), 10, out);
    }
    return false;
}

/* ---- one folder ---------------------------------------------------------------------------------------------------- */

static void cpu_limit(const folder *d, bool v2, osp_cgroup_usage *u)
{
    uint64_t quota, period;
    char text[TEXT_SIZE];
    osp_str s;
    if (v2) {
        if (!read_file(d, "cpu.max", text, &s) || !osp_str_u64(osp_str_cut(&s, ' '), 10, &quota) ||
            !osp_str_u64(osp_str_trim(s), 10, &period))
            return;
    } else if (!number_in(d, "cpu.cfs_quota_us", &quota) || !number_in(d, "cpu.cfs_period_us", &period)) {
        return; /* -1: none */
    }
    double cores = period ? (double)quota / (double)period : 0;
    if (!period || (u->quota_cores > 0 && cores >= u->quota_cores))
        return;
    u->quota_cores = cores;
    u->period_us = period;
    u->periods = u->throttled_periods = u->throttled_ns = 0;
    (void)field_in(d, "cpu.stat", S("nr_periods"), &u->periods);
    (void)field_in(d, "cpu.stat", S("nr_throttled"), &u->throttled_periods);
    if (field_in(d, "cpu.stat", v2 ? S("throttled_usec") : S("throttled_time"), &u->throttled_ns) && v2)
        u->throttled_ns *= 1000;
    osp_str_z(osp_str_from(d->dir), u->cpu_path, sizeof u->cpu_path);
}

static void memory_limit(const folder *d, bool v2, osp_cgroup_usage *u)
{
    uint64_t limit;
    if (!number_in(d, v2 ? "memory.max" : "memory.limit_in_bytes", &limit) || limit >= NO_LIMIT ||
        (u->memory_limit && limit >= u->memory_limit))
        return;
    u->memory_limit = limit;
    (void)number_in(d, v2 ? "memory.current" : "memory.usage_in_bytes", &u->memory_bytes);
    (void)field_in(d, "memory.stat", v2 ? S("inactive_file") : S("total_inactive_file"), &u->reclaimable_bytes);
    osp_str_z(osp_str_from(d->dir), u->memory_path, sizeof u->memory_path);
}

/* Counts of the process's own folder; those of version 2 hold for all below it, too. */
static void memory_events(const folder *d, bool v2, osp_cgroup_usage *u)
{
    const char *file = v2 ? "memory.events" : "memory.oom_control";
    (void)field_in(d, file, S("oom_kill"), &u->oom_kills);
    if (v2) {
        (void)field_in(d, file, S("high"), &u->high_events);
        (void)field_in(d, file, S("max"), &u->max_events);
    } else {
        (void)number_in(d, "memory.failcnt", &u->max_events);
    }
}

static void high_limit(const folder *d, osp_cgroup_usage *u)
{
    uint64_t high;
    if (number_in(d, "memory.high", &high) && (!u->memory_high || high < u->memory_high))
        u->memory_high = high;
}

static void pids_limit(const folder *d, osp_cgroup_usage *u)
{
    uint64_t most;
    if (!number_in(d, "pids.max", &most) || (u->pids_limit && most >= u->pids_limit))
        return;
    u->pids_limit = most;
    (void)number_in(d, "pids.current", &u->pids);
}

static void frozen(const folder *d, bool v2, osp_cgroup_usage *u)
{
    uint64_t v;
    char text[TEXT_SIZE];
    osp_str s;
    if (v2)
        u->frozen = u->frozen || (field_in(d, "cgroup.events", S("frozen"), &v) && v);
    else
        u->frozen =
            u->frozen || (read_file(d, "freezer.state", text, &s) && !osp_str_eq(osp_str_trim(s), S("THAWED")));
}

/* ---- from the process's folder up to the root ---------------------------------------------------------------------- */

/* One folder up; false at where the tree is mounted. */
static bool up(folder *d, size_t mounted)
{
    osp_str path = osp_str_from(d->dir);
    size_t slash = osp_str_rfind(path, '/');
    if (path.n <= mounted || slash < mounted || slash == path.n)
        return false;
    d->dir[slash] = 0;
    return true;
}

static bool has_controller(osp_str list, osp_str name)
{
    while (list.n)
        if (osp_str_eq(osp_str_cut(&list, ','), name))
            return true;
    return false;
}

static void read_tree(const char *root, osp_str at, osp_str below, osp_str controllers, bool v2, osp_cgroup_usage *u)
{
    folder d = {.root = root};
    if (snprintf(d.dir, sizeof d.dir, "%.*s%.*s", STRF(at), STRF(below)) >= (int)sizeof d.dir)
        return;
    bool cpu = v2 || has_controller(controllers, S("cpu")), memory = v2 || has_controller(controllers, S("memory")),
         pids = v2 || has_controller(controllers, S("pids")),
         freezer = v2 || has_controller(controllers, S("freezer"));
    if (memory && (!v2 || !u->own_path[0])) { /* where both are mounted, version 1 has the controllers */
        memory_events(&d, v2, u);
        osp_str_z(osp_str_from(d.dir), u->own_path, sizeof u->own_path);
        u->v2 = v2;
    }
    for (int depth = 0; depth < DEEPEST; depth++) {
        if (cpu)
            cpu_limit(&d, v2, u);
        if (memory)
            memory_limit(&d, v2, u);
        if (v2)
            high_limit(&d, u);
        if (pids)
            pids_limit(&d, u);
        if (freezer)
            frozen(&d, v2, u);
        if (!up(&d, at.n))
            break;
    }
}

/* A line of mountinfo: where a tree is mounted, from which folder of it on, with which controllers. */
static bool mount_of(osp_str line, osp_str *from, osp_str *at, osp_str *controllers, bool *v2)
{
    for (int field = 0; field < 3; field++)
        osp_str_cut(&line, ' ');
    *from = osp_str_cut(&line, ' ');
    *at = osp_str_cut(&line, ' ');
    osp_str rest = osp_str_skip(line, osp_str_find(line, S(" - ")) + 3);
    osp_str type = osp_str_cut(&rest, ' ');
    osp_str_cut(&rest, ' '); /* the source */
    *controllers = rest;
    *v2 = osp_str_eq(type, S("cgroup2"));
    return at->n && (*v2 || osp_str_eq(type, S("cgroup")));
}

/* The process's path in the tree with these controllers, by the text of /proc/PID/cgroup: "4:memory:/a", "0::/a". */
static bool place_in(osp_str text, osp_str controllers, bool v2, osp_str *path)
{
    while (text.n) {
        osp_str line = osp_str_cut(&text, '\n'), number = osp_str_cut(&line, ':'), names = osp_str_cut(&line, ':');
        bool same = v2 && osp_str_eq(number, S("0"));
        while (!v2 && names.n)
            same = has_controller(controllers, osp_str_cut(&names, ',')) || same;
        if (same && osp_str_starts(line, S("/"))) {
            *path = line;
            return true;
        }
    }
    return false;
}

void osp_cgroup_usage_of(const char *root, osp_str mountinfo, osp_str cgroups, osp_cgroup_usage *out)
{
    *out = (osp_cgroup_usage){0};
    osp_str from, at, controllers, path;
    bool v2;
    while (mountinfo.n) {
        osp_str line = osp_str_cut(&mountinfo, '\n');
        if (!mount_of(line, &from, &at, &controllers, &v2) || !place_in(cgroups, controllers, v2, &path))
            continue;
        /* Of a mounted part of a tree, what is above that part is not in the path. */
        if (from.n > 1 && osp_str_starts(path, from))
            path = osp_str_skip(path, from.n);
        if (osp_str_eq(path, S("/")) || osp_str_has(path, S("..")))
            path = S("");
        out->known = true;
        read_tree(root, at, path, controllers, v2, out);
    }
}

void osp_cgroup_events_again(const osp_cgroup_usage *last, osp_cgroup_usage *out)
{
    *out = *last;
    folder d = {.root = ""};
    osp_str_z(osp_str_from(last->own_path), d.dir, sizeof d.dir);
    if (d.dir[0])
        memory_events(&d, last->v2, out);
}

bool osp_process_cgroup_usage(int pid, osp_cgroup_usage *out, osp_err *err)
{
    char path[64], cgroups[TEXT_SIZE];
    osp_str text;
    osp_buf mounts = osp_buf_of(16 << 20);
    snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
    OSP_AUTO_CLOSE int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    bool ok = osp_read_small(path, cgroups, sizeof cgroups, &text, err) &&
              (fd >= 0 ? osp_read_fd(fd, &mounts, "/proc/self/mountinfo", err)
                       : osp_fail_errno(err, errno, "/proc/self/mountinfo"));
    if (ok)
        osp_cgroup_usage_of("", osp_buf_str(&mounts), text, out);
    osp_buf_drop(&mounts);
    return ok && (out->known || osp_fail(err, OSP_EABSENT, "no cgroups are mounted here"));
}

double osp_cgroup_stalled_s(const osp_cgroup_usage *c)
{
    char path[sizeof c->memory_path + 32], text[512];
    osp_str s;
    osp_err ignored; /* a kernel without PSI */
    snprintf(path, sizeof path, "%s/memory.pressure", c->memory_path);
    if (!(c->memory_path[0] && osp_read_small(path, text, sizeof text, &s, &ignored)) &&
        !osp_read_small("/proc/pressure/memory", text, sizeof text, &s, &ignored))
        return -1;
    uint64_t us = osp_pressure_us(s, "some");
    return us == UINT64_MAX ? -1 : (double)us / 1e6;
}
