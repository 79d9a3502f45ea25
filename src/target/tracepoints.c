/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's tracepoints: a folder a system, with a folder a tracepoint in it. */
#include "target/target_internal.h"

#include "base/buf.h"
#include "base/guess.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { NAME_MOST = 100 };

/* Where the kernel shows them; NULL: nowhere that we may look. */
static const char *root(void)
{
    static const char *const place[] = {"/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"};
    for (size_t i = 0; i < sizeof place / sizeof *place; i++)
        if (access(place[i], R_OK | X_OK) == 0)
            return place[i];
    return NULL;
}

/* What has no slash and does not begin with a dot: a name that stays in its folder. */
static bool is_name(osp_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '/' || (unsigned char)s.p[i] <= ' ')
            return false;
    return s.n > 0 && s.n <= NAME_MOST && s.p[0] != '.';
}

/* The names in a folder that are most like a typed one, the best first. */
enum { NEAREST = 3 };
typedef struct {
    char name[NEAREST][NAME_MOST + 1];
    int likeness[NEAREST];
    uint32_t n;
} nearest;

/* Beginning alike counts for it, each wrong letter against it. */
static int likeness(osp_str a, osp_str b)
{
    size_t same = 0;
    while (same < a.n && same < b.n && a.p[same] == b.p[same])
        same++;
    return (int)same - (int)osp_word_distance(a, b);
}

static void consider(nearest *near, osp_str typed, osp_str known)
{
    int like = likeness(typed, known);
    uint32_t at = near->n;
    while (at > 0 && near->likeness[at - 1] < like)
        at--;
    if (at == NEAREST || like < 0)
        return;
    near->n += near->n < NEAREST;
    for (uint32_t i = near->n - 1; i > at; i--) {
        memcpy(near->name[i], near->name[i - 1], sizeof near->name[i]);
        near->likeness[i] = near->likeness[i - 1];
    }
    osp_str_z(known, near->name[at], sizeof near->name[at]);
    near->likeness[at] = like;
}

static void look_in(const char *folder, osp_str typed, nearest *near)
{
    DIR *d = opendir(folder);
    near->n = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        osp_str name = osp_str_from(e->d_name);
        if (e->d_type == DT_DIR && is_name(name))
            consider(near, typed, name);
    }
    if (d)
        closedir(d);
}

static bool fail_unknown(const char *at, osp_str system, osp_str name, osp_err *err)
{
    char folder[300];
    nearest near;
    snprintf(folder, sizeof folder, "%s/%.*s", at, STRF(system));
    bool known = access(folder, X_OK) == 0;
    look_in(known ? folder : at, known ? name : system, &near);
    if (near.n == 0)
        return osp_fail(err, OSP_EUSAGE, "the kernel has no tracepoint %.*s:%.*s; what there is stands in %s",
                        STRF(system), STRF(name), known ? folder : at);
    osp_buf like = osp_buf_of(4096);
    for (uint32_t i = 0; i < near.n; i++)
        osp_buf_fmt(&like, "%s%.*s:%.*s",
                    i == 0           ? ""
                    : i + 1 < near.n ? ", "
                                     : " or ",
                    STRF(known ? system : osp_str_from(near.name[i])),
                    STRF(known ? osp_str_from(near.name[i]) : name));
    osp_fail(err, OSP_EUSAGE, "the kernel has no tracepoint %.*s:%.*s; did you mean %.*s?", STRF(system), STRF(name),
             STRF(osp_buf_str(&like)));
    osp_buf_drop(&like);
    return false;
}

bool osp_tracepoint_check(osp_str system, osp_str name, osp_err *err)
{
    char path[512];
    const char *at = root();
    if (!is_name(system) || !is_name(name))
        return osp_fail(err, OSP_EUSAGE, "a tracepoint is named SYSTEM:NAME, like sched:sched_process_exec");
    if (!at)
        return osp_fail(err, errno == EACCES ? OSP_EPERM : OSP_EABSENT,
                        "the kernel's tracepoints cannot be seen: needs root and tracefs "
                        "(mount -t tracefs tracefs /sys/kernel/tracing)");
    snprintf(path, sizeof path, "%s/%.*s/%.*s/id", at, STRF(system), STRF(name));
    return access(path, R_OK) == 0 || fail_unknown(at, system, name, err);
}
