/* SPDX-License-Identifier: Apache-2.0 */
/* How much of a process's memory is where.
 *
 *     /proc/PID/smaps      for each mapping its line of maps, then lines "Rss:    1234 kB" and "VmFlags: rd wr …"; which
 *                          lines there are depends on the kernel, and what is missing is 0
 *     /proc/PID/pagemap    a word of 8 bytes for each page: bit 63 says that it is in memory. The frame's number, which we
 *                          do not ask for, is hidden from ordinary users
 *     /proc/PID/status     sums: VmRSS, RssAnon … */
#include "target/target_internal.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

enum { SMAPS_MAX_BYTES = 1 << 30, WORDS_AT_ONCE = 1024 };

/* "Rss:" and its like, which begin with a capital letter; a mapping begins with a digit of its address. */
static bool is_figure(osp_str line) { return line.n && line.p[0] >= 'A' && line.p[0] <= 'Z'; }

static bool take_figure(osp_str line, osp_smap *s)
{
    static const struct {
        const char *name;
        size_t at;
    } known[] = {{"Rss", offsetof(osp_smap, resident)},           {"Pss", offsetof(osp_smap, share)},
                 {"Anonymous", offsetof(osp_smap, anonymous)},    {"LazyFree", offsetof(osp_smap, lazy_free)},
                 {"AnonHugePages", offsetof(osp_smap, huge)},     {"Swap", offsetof(osp_smap, swapped)},
                 {"Shared_Hugetlb", offsetof(osp_smap, hugetlb)}, {"Private_Hugetlb", offsetof(osp_smap, hugetlb)}};
    uint64_t kib, *to = NULL;
    osp_str name = osp_str_cut(&line, ':');
    if (osp_str_eq(name, S("VmFlags")))
        s->no_huge = osp_str_has(line, S(" nh"));
    for (size_t i = 0; i < sizeof known / sizeof *known && !to; i++)
        if (osp_str_eq(name, osp_str_from(known[i].name)))
            to = (uint64_t *)(void *)((char *)s + known[i].at);
    if (!to)
        return true;
    line = osp_str_trim(line);
    if (!osp_next_number(&line, &kib) || kib > UINT64_MAX >> 11)
        return false;
    *to += kib * 1024;
    return true;
}

static size_t count_mappings(osp_str text)
{
    size_t n = 0;
    while (text.n)
        n += !is_figure(osp_str_cut(&text, '\n'));
    return n;
}

bool osp_smaps_parse(osp_str text, osp_arena *a, osp_smap **out, uint32_t *n, osp_err *err)
{
    const size_t most = count_mappings(text);
    osp_smap *s = most < UINT32_MAX ? osp_new(a, osp_smap, most) : NULL;
    if (!s)
        return osp_fail_memory(err, "reading how much memory is where");
    uint32_t count = 0;
    while (text.n) {
        osp_str line = osp_str_cut(&text, '\n');
        bool ok = true;
        if (!is_figure(line)) {
            ok = osp_map_parse(line, a, &s[count].map) && (count == 0 || s[count].map.start >= s[count - 1].map.end);
            count++;
        } else {
            ok = count > 0 && take_figure(line, &s[count - 1]);
        }
        if (!ok)
            return osp_fail(err, OSP_EFORMAT, "smaps, mapping %u: cannot be understood: %.*s", count,
                            (int)(line.n < 80 ? line.n : 80), line.p);
    }
    *out = s;
    *n = count;
    return true;
}

bool osp_process_smaps(osp_process *p, osp_arena *a, osp_smap **out, uint32_t *n, osp_err *err)
{
    osp_buf b = osp_buf_of(SMAPS_MAX_BYTES);
    bool ok = osp_proc_read(p, "smaps", &b, err);
    if (ok && (b.n == 0 || !osp_process_alive(p)))
        ok = osp_gone(p, err);
    osp_str text = ok ? osp_arena_str(a, osp_buf_str(&b)) : (osp_str){0};
    osp_buf_drop(&b);
    if (!ok)
        return false;
    return text.p ? osp_smaps_parse(text, a, out, n, err) : osp_fail_memory(err, "reading how much memory is where");
}

/* ---- pages ------------------------------------------------------------------------------------------------------ */

uint64_t osp_page_bytes(void)
{
    const long n = sysconf(_SC_PAGESIZE);
    return n > 0 ? (uint64_t)n : 4096;
}

bool osp_process_pages(osp_process *p, uint64_t start, uint64_t end, uint64_t *resident, osp_err *err)
{
    char path[64];
    uint64_t word[WORDS_AT_ONCE];
    const uint64_t page = osp_page_bytes(), first = start / page, n = end / page - first;
    snprintf(path, sizeof path, "/proc/%d/pagemap", p->pid);
    OSP_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return osp_refused(p, errno, "pages", err);
    memset(resident, 0, (size_t)((n + 63) / 64 * 8));
    for (uint64_t at = 0; at < n;) {
        const uint64_t want = n - at < WORDS_AT_ONCE ? n - at : WORDS_AT_ONCE;
        const ssize_t got = pread(fd, word, (size_t)want * 8, (off_t)((first + at) * 8));
        if (got < 8)
            return osp_process_alive(p) ? osp_fail(err, OSP_EABSENT, "the pages of pid %d cannot be read", p->pid)
                                        : osp_gone(p, err);
        for (size_t i = 0; i < (size_t)got / 8; i++, at++)
            resident[at / 64] |= (word[i] >> 63) << (at % 64);
    }
    return true;
}

/* ---- sums ------------------------------------------------------------------------------------------------------- */

bool osp_process_memory_read(osp_process *p, osp_process_memory *out, osp_err *err)
{
    osp_buf b = osp_buf_of(1 << 20);
    bool ok = osp_proc_read(p, "status", &b, err);
    *out = (osp_process_memory){.stack_limit = UINT64_MAX};
    if (ok) {
        const osp_str s = osp_buf_str(&b);
        out->resident = osp_status_bytes(s, S("VmRSS"));
        out->most_resident = osp_status_bytes(s, S("VmHWM"));
        out->anonymous = osp_status_bytes(s, S("RssAnon"));
        out->files = osp_status_bytes(s, S("RssFile"));
        out->shared = osp_status_bytes(s, S("RssShmem"));
        out->swapped = osp_status_bytes(s, S("VmSwap"));
        out->page_tables = osp_status_bytes(s, S("VmPTE"));
        out->locked = osp_status_bytes(s, S("VmLck"));
        b.n = 0;
        ok = osp_proc_read(p, "limits", &b, err);
        if (ok)
            out->stack_limit = osp_limit_of(osp_buf_str(&b), S("Max stack size"));
    }
    osp_buf_drop(&b);
    return ok;
}
