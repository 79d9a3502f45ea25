/* SPDX-License-Identifier: Apache-2.0 */
#include "base/limit.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const size_t LEAST = (size_t)1 << 20, FLOOR = (size_t)64 << 20, MOST = (size_t)16 << 30;

bool osp_memory_said(size_t *out, osp_err *err)
{
    static const char unit[] = "KMGT";
    const char *said = getenv("OSPREY_MEMORY");
    osp_str s = osp_str_from(said);
    uint64_t n = 0;
    unsigned shift = 0;
    *out = 0;
    if (s.n == 0)
        return true;
    const char *u = strchr(unit, s.p[s.n - 1] & ~0x20);
    if (u) {
        shift = 10 * (unsigned)(u - unit + 1);
        s.n--;
    }
    if (!osp_str_u64(s, 10, &n) || n > (SIZE_MAX >> 1) >> shift || n << shift < LEAST)
        return osp_fail(err, OSP_EUSAGE, "OSPREY_MEMORY=%s: a size is wanted, like 512M or 2G, of 1M at least", said);
    *out = (size_t)n << shift;
    return true;
}

/* The number in a file of a cgroup; SIZE_MAX if there is none ("max", no such file). */
static size_t number_in(osp_str folder, osp_str group, const char *file)
{
    char path[4096], text[64];
    osp_err ignored;
    osp_str s;
    uint64_t n;
    snprintf(path, sizeof path, "%.*s%.*s/%s", STRF(folder), STRF(group), file);
    if (!osp_read_small(path, text, sizeof text, &s, &ignored) || !osp_str_u64(osp_str_trim(s), 10, &n))
        return SIZE_MAX;
    return (size_t)n;
}

/* The least that the groups from ours to the root may have. */
static size_t least_of(osp_str folder, osp_str group, const char *file)
{
    size_t least = SIZE_MAX;
    for (;;) {
        const size_t n = number_in(folder, group, file);
        least = n < least ? n : least;
        if (group.n == 0)
            return least;
        while (group.n && group.p[--group.n] != '/')
            ;
    }
}

size_t osp_memory_of_cgroup(osp_str groups, osp_str mounted)
{
    char v1[256];
    size_t least = SIZE_MAX;
    snprintf(v1, sizeof v1, "%.*s/memory", STRF(mounted));
    while (groups.n) { /* "0::/a/b", "5:memory:/a/b" */
        osp_str path = osp_str_cut(&groups, '\n');
        osp_str_cut(&path, ':');
        const osp_str which = osp_str_cut(&path, ':');
        size_t n = SIZE_MAX;
        if (which.n == 0)
            n = least_of(mounted, path, "memory.max");
        else if (osp_str_eq(which, S("memory")))
            n = least_of(osp_str_from(v1), path, "memory.limit_in_bytes");
        least = n < least ? n : least;
    }
    return least;
}

/* "MemAvailable:    1234 kB" of /proc/meminfo. */
static size_t available(void)
{
    char text[1024];
    osp_err ignored;
    osp_str s;
    uint64_t kb;
    if (!osp_read_small("/proc/meminfo", text, sizeof text, &s, &ignored))
        return SIZE_MAX;
    while (s.n) {
        osp_str value = osp_str_cut(&s, '\n');
        osp_str key = osp_str_cut(&value, ':');
        value = osp_str_trim(value);
        if (osp_str_eq(key, S("MemAvailable")) && osp_str_u64(osp_str_cut(&value, ' '), 10, &kb))
            return (size_t)kb << 10;
    }
    return SIZE_MAX;
}

size_t osp_memory_limit(void)
{
    osp_err ignored; /* the command line has complained */
    size_t said, limit = MOST;
    char text[4096];
    osp_str groups;
    if (osp_memory_said(&said, &ignored) && said)
        return said;
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    const size_t cgroup = osp_read_small("/proc/self/cgroup", text, sizeof text, &groups, &ignored)
                              ? osp_memory_of_cgroup(groups, S("/sys/fs/cgroup"))
                              : SIZE_MAX;
    const size_t some[] = {pages > 0 && page > 0 ? (size_t)pages / 2 * (size_t)page : MOST, cgroup / 2,
                           available() / 4 * 3};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        limit = some[i] < limit ? some[i] : limit;
    return limit < FLOOR ? FLOOR : limit;
}
