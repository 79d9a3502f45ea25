/* SPDX-License-Identifier: Apache-2.0 */
/* cgroups by path, by name, and by the id of a container.
 *
 * Version 2 has one tree, version 1 one for each controller or set of them; a process has a place in every one. What is looked
 * for is tried as a path in each tree, version 2's first, then as the name of a folder anywhere in it. */
#include "target/target_internal.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TEXT_LIMIT = 16 << 20,
    MOST_FOLDERS = 200000,
    LEAST_ID = 8, /* digits of a container's id */
    WHOLE_ID = 64,
};

typedef struct {
    osp_str at; /* where it is mounted */
    uint32_t hierarchy;
} tree;

/* The hierarchy of a controller, from the text of /proc/cgroups: "cpu\t3\t120\t1". 0: it is none of version 1. */
static uint32_t hierarchy_of(osp_str text, osp_str controller)
{
    while (text.n) {
        osp_str line = osp_str_cut(&text, '\n');
        uint64_t v;
        if (osp_str_eq(osp_str_cut(&line, '\t'), controller) && osp_str_u64(osp_str_cut(&line, '\t'), 10, &v))
            return (uint32_t)v;
    }
    return 0;
}

bool osp_cgroup_mount_parse(osp_str line, osp_str controllers, osp_str *at, uint32_t *hierarchy)
{
    for (int field = 0; field < 4; field++)
        osp_str_cut(&line, ' ');
    *at = osp_str_cut(&line, ' ');
    osp_str rest = osp_str_skip(line, osp_str_find(line, S(" - ")) + 3);
    osp_str type = osp_str_cut(&rest, ' ');
    osp_str_cut(&rest, ' '); /* the source */
    *hierarchy = 0;
    if (osp_str_eq(type, S("cgroup2")))
        return at->n > 0;
    if (!osp_str_eq(type, S("cgroup")))
        return false;
    while (rest.n && !*hierarchy)
        *hierarchy = hierarchy_of(controllers, osp_str_cut(&rest, ','));
    return at->n > 0 && *hierarchy != 0;
}

static bool read_text(const char *path, osp_arena *a, osp_str *out, osp_err *err)
{
    osp_buf b = osp_buf_of(TEXT_LIMIT);
    OSP_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 ? osp_read_fd(fd, &b, path, err) : osp_fail_errno(err, errno, "%s", path);
    *out = ok ? osp_arena_str(a, osp_buf_str(&b)) : (osp_str){0};
    osp_buf_drop(&b);
    return ok && (out->p || osp_fail_memory(err, "looking for cgroups"));
}

/* All trees that are mounted, version 2's first. */
static bool read_trees(osp_arena *a, tree **out, uint32_t *n, osp_err *err)
{
    osp_str mounts, controllers, at;
    uint32_t hierarchy;
    if (!read_text("/proc/self/mountinfo", a, &mounts, err) || !read_text("/proc/cgroups", a, &controllers, err))
        return false;
    size_t lines = 0;
    for (size_t i = 0; i < mounts.n; i++)
        lines += mounts.p[i] == '\n';
    *n = 0;
    *out = osp_new(a, tree, lines + 1);
    if (!*out)
        return osp_fail_memory(err, "looking for cgroups");
    for (int version = 2; version >= 1; version--)
        for (osp_str rest = mounts; rest.n;)
            if (osp_cgroup_mount_parse(osp_str_cut(&rest, '\n'), controllers, &at, &hierarchy) &&
                (hierarchy == 0) == (version == 2))
                (*out)[(*n)++] = (tree){osp_arena_str(a, at), hierarchy};
    return *n > 0 || osp_fail(err, OSP_EABSENT, "no cgroups are mounted here");
}

static bool is_hex(char c) { return osp_digit(c) < 16; }

bool osp_cgroup_is_called(osp_str folder, osp_str name)
{
    if (osp_str_eq(folder, name))
        return true;
    static const char *const kinds[] = {".service", ".scope", ".slice"};
    for (size_t i = 0; i < 3; i++)
        if (osp_str_starts(folder, name) && osp_str_eq(osp_str_skip(folder, name.n), osp_str_from(kinds[i])))
            return true;
    if (name.n < LEAST_ID)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (!is_hex(name.p[i]))
            return false;
    /* "docker-<64 digits>.scope", "<64 digits>" */
    for (size_t i = 0, run = 0; i <= folder.n; i++) {
        if (i < folder.n && is_hex(folder.p[i])) {
            run++;
            continue;
        }
        if (run == WHOLE_ID && osp_str_starts(osp_str_skip(folder, i - run), name))
            return true;
        run = 0;
    }
    return false;
}

static bool fill(const tree *t, osp_str path, osp_cgroup *out)
{
    char z[4096];
    struct stat st;
    if (path.n >= sizeof z || stat(osp_str_z(path, z, sizeof z), &st) != 0 || !S_ISDIR(st.st_mode))
        return false;
    *out = (osp_cgroup){.hierarchy = t->hierarchy, .id = st.st_ino, .root = (uint32_t)t->at.n};
    osp_str_z(path, out->path, sizeof out->path);
    return true;
}

/* Walk a tree, the nearest to the root first: all folders of that name, but for those inside one of them. */
static bool search(const tree *t, osp_str name, osp_arena *a, osp_cgroup *out, uint32_t *found, osp_err *err)
{
    osp_str *queue = osp_new(a, osp_str, MOST_FOLDERS);
    size_t head = 0, n = 0;
    if (!queue)
        return osp_fail_memory(err, "looking for a cgroup");
    queue[n++] = t->at;
    while (head < n) {
        osp_str at = queue[head++];
        char z[4096];
        DIR *d = at.n < sizeof z ? opendir(osp_str_z(at, z, sizeof z)) : NULL;
        for (const struct dirent *e; d && (e = readdir(d));) {
            osp_str child = osp_str_from(e->d_name);
            if (e->d_type != DT_DIR || child.p[0] == '.' || n == MOST_FOLDERS)
                continue;
            osp_str path = osp_arena_fmt(a, "%.*s/%s", STRF(at), e->d_name);
            if (!path.p)
                break;
            if (osp_cgroup_is_called(child, name) && fill(t, path, out))
                ++*found;
            else
                queue[n++] = path;
        }
        if (d)
            closedir(d);
    }
    return true;
}

static bool find(osp_arena *a, osp_str name, osp_cgroup *out, osp_err *err)
{
    tree *trees;
    uint32_t n;
    if (!read_trees(a, &trees, &n, err))
        return false;
    for (uint32_t i = 0; i < n; i++) { /* a path as one sees it, or below the tree's root */
        bool within = osp_str_starts(name, trees[i].at) && (name.n == trees[i].at.n || name.p[trees[i].at.n] == '/');
        if ((within && fill(&trees[i], name, out)) ||
            (osp_str_has(name, S("/")) && !within &&
             fill(&trees[i], osp_arena_fmt(a, "%.*s/%.*s", STRF(trees[i].at), STRF(name)), out)))
            return true;
    }
    for (uint32_t i = 0; i < n && !osp_str_has(name, S("/")); i++) {
        uint32_t found = 0;
        if (!search(&trees[i], name, a, out, &found, err))
            return false;
        if (found > 1)
            return osp_fail(err, OSP_EUSAGE, "%u cgroups are called `%.*s`: give a path, like %.100s", found,
                            STRF(osp_str_head(name, 80)), out->path);
        if (found == 1)
            return true;
    }
    return osp_fail(err, OSP_EABSENT,
                    "there is no cgroup `%.*s`: give its path below /sys/fs/cgroup, the name of a service, or a "
                    "container's id (docker ps, crictl ps)",
                    STRF(osp_str_head(name, 80)));
}

bool osp_cgroup_find(osp_str name, osp_cgroup *out, osp_err *err)
{
    osp_arena a;
    while (name.n > 1 && name.p[name.n - 1] == '/')
        name.n--;
    if (name.n == 0)
        return osp_fail(err, OSP_EUSAGE, "which cgroup?");
    osp_arena_init(&a, 128u << 20);
    bool ok = find(&a, name, out, err);
    osp_arena_drop(&a);
    return ok;
}

bool osp_cgroup_text_holds(osp_str text, uint32_t hierarchy, osp_str at)
{
    while (text.n) {
        osp_str line = osp_str_cut(&text, '\n');
        uint64_t number;
        if (!osp_str_u64(osp_str_cut(&line, ':'), 10, &number) || number != hierarchy)
            continue;
        osp_str_cut(&line, ':'); /* controllers */
        return osp_str_starts(line, at) && (line.n == at.n || at.n == 0 || line.p[at.n] == '/');
    }
    return false;
}

bool osp_cgroup_holds(const osp_cgroup *g, int pid)
{
    char path[64], buf[16384];
    osp_str text;
    osp_err ignored; /* a process that has ended is in none */
    snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
    return osp_read_small(path, buf, sizeof buf, &text, &ignored) &&
           osp_cgroup_text_holds(text, g->hierarchy, osp_str_skip(osp_str_from(g->path), g->root));
}

bool osp_cgroup_processes(const osp_cgroup *g, osp_arena *a, osp_process_row **out, uint32_t *n, osp_err *err)
{
    uint32_t all;
    if (!osp_processes_read(a, out, &all, err))
        return false;
    *n = 0;
    for (uint32_t i = 0; i < all; i++)
        if ((*out)[i].pid != getpid() && osp_cgroup_holds(g, (*out)[i].pid))
            (*out)[(*n)++] = (*out)[i];
    return *n || osp_fail(err, OSP_EABSENT, "no process runs in the cgroup %s", g->path);
}
