/* SPDX-License-Identifier: Apache-2.0 */
/* What a process uses of its machine: memory, faults, descriptors, children. Three small files: stat, status, limits. */
#include "target/target_internal.h"

#include "base/file.h"

#include <dirent.h>
#include <stdio.h>

/* The words behind the name in a stat line, from field 3 (state) on, as proc(5) counts them. */
static bool stat_fields(osp_str text, osp_usage *u)
{
    size_t close = osp_str_rfind(text, ')');
    if (close == text.n)
        return false;
    osp_str rest = osp_str_trim(osp_str_skip(text, close + 1));
    uint64_t tick_ns = osp_tick_ns();
    int last = 0;
    for (int field = 3; rest.n && field <= 42; field++) {
        uint64_t v = 0;
        osp_str word = osp_str_cut(&rest, ' ');
        if (!osp_str_u64(word, 10, &v))
            v = 0; /* some are negative, or letters: none of those below */
        switch (field) {
        case 10:
            u->minor_faults = v;
            break;
        case 12:
            u->major_faults = v;
            break;
        case 14:
            u->user_ns = v * tick_ns;
            break;
        case 15:
            u->system_ns = v * tick_ns;
            break;
        case 16:
        case 17:
            u->children_ns += v * tick_ns;
            break;
        case 20:
            u->threads = (uint32_t)v;
            break;
        default:
            break;
        }
        last = field;
    }
    return last >= 20;
}

uint64_t osp_status_bytes(osp_str status, osp_str name)
{
    osp_str text = osp_status_field(status, name);
    uint64_t kib;
    return osp_next_number(&text, &kib) && kib < UINT64_MAX / 1024 ? kib * 1024 : 0;
}

/* "Max stack size            8388608              unlimited            bytes" */
uint64_t osp_limit_of(osp_str limits, osp_str name)
{
    uint64_t v;
    while (limits.n) {
        osp_str line = osp_str_cut(&limits, '\n');
        osp_str rest = osp_str_skip(line, name.n);
        if (osp_str_starts(line, name))
            return osp_next_number(&rest, &v) ? v : UINT64_MAX;
    }
    return UINT64_MAX;
}

/* How many CPUs a list as "0-3,8" names; 0 if it is none. */
uint32_t osp_cpu_list_count(osp_str list)
{
    uint64_t n = 0;
    while (list.n) {
        osp_str part = osp_str_cut(&list, ',');
        osp_str from = osp_str_cut(&part, '-');
        uint64_t lo, hi;
        if (!osp_str_u64(from, 10, &lo))
            return 0;
        if (!part.n)
            hi = lo;
        else if (!osp_str_u64(part, 10, &hi))
            return 0;
        if (hi < lo || hi > 1 << 16)
            return 0;
        n += hi - lo + 1;
    }
    return n > UINT32_MAX ? 0 : (uint32_t)n;
}

static uint32_t count_fds(const osp_process *p, uint32_t most)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", p->pid);
    DIR *dir = opendir(path);
    if (!dir)
        return UINT32_MAX;
    uint32_t n = 0;
    for (struct dirent *e; n < most && (e = readdir(dir));)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

bool osp_process_usage(osp_process *p, osp_usage *out, osp_err *err)
{
    enum { MOST_FDS = 1 << 20 };
    char path[64], buf[4096];
    osp_str text;
    *out = (osp_usage){0};
    snprintf(path, sizeof path, "/proc/%d/stat", p->pid);
    if (!osp_read_small(path, buf, sizeof buf, &text, err))
        return err->code == OSP_EABSENT ? osp_gone(p, err) : osp_fail_in(err, "cannot read pid %d", p->pid);
    if (!stat_fields(text, out))
        return osp_fail(err, OSP_EFORMAT, "%s has another form than proc(5) says", path);
    snprintf(path, sizeof path, "/proc/%d/status", p->pid);
    if (!osp_read_small(path, buf, sizeof buf, &text, err))
        return err->code == OSP_EABSENT ? osp_gone(p, err) : osp_fail_in(err, "cannot read pid %d", p->pid);
    out->rss_bytes = osp_status_bytes(text, S("VmRSS"));
    out->anon_bytes = osp_status_bytes(text, S("RssAnon"));
    out->swap_bytes = osp_status_bytes(text, S("VmSwap"));
    out->cpus = osp_cpu_list_count(osp_status_field(text, S("Cpus_allowed_list")));
    out->fds = count_fds(p, MOST_FDS);
    return true;
}

uint64_t osp_process_fd_limit(osp_process *p)
{
    char path[64], buf[4096];
    osp_str text;
    osp_err ignored; /* 0 says unknown */
    snprintf(path, sizeof path, "/proc/%d/limits", p->pid);
    if (!osp_read_small(path, buf, sizeof buf, &text, &ignored))
        return 0;
    uint64_t soft = osp_limit_of(text, S("Max open files"));
    return soft == UINT64_MAX ? 0 : soft;
}
