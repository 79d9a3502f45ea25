/* SPDX-License-Identifier: Apache-2.0 */
/* How the machine is: memory, swap, load, pressure (PSI), huge pages. */
#include "target/target_internal.h"

#include "base/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEXT = 1 << 20 };

static osp_str text_of(const char *path, osp_buf *b)
{
    osp_err ignored; /* what this kernel does not have is not known */
    b->n = 0;
    OSP_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && osp_read_fd(fd, b, path, &ignored) ? osp_buf_str(b) : S("");
}

uint64_t osp_keyed_number(osp_str text, const char *key)
{
    while (text.n) {
        osp_str line = osp_str_cut(&text, '\n');
        uint64_t v;
        if (osp_str_eq(osp_str_cut(&line, ' '), osp_str_from(key)) && osp_str_u64(osp_str_trim(line), 10, &v))
            return v;
    }
    return 0;
}

/* "MemTotal:       16384 kB" */
static uint64_t meminfo(osp_str text, const char *key)
{
    while (text.n) {
        osp_str line = osp_str_cut(&text, '\n');
        uint64_t v;
        if (!osp_str_eq(osp_str_cut(&line, ':'), osp_str_from(key)))
            continue;
        line = osp_str_trim(line);
        return osp_str_u64(osp_str_cut(&line, ' '), 10, &v) ? v << 10 : 0;
    }
    return 0;
}

uint64_t osp_pressure_us(osp_str text, const char *word)
{
    while (text.n) {
        osp_str line = osp_str_cut(&text, '\n');
        uint64_t v;
        if (!osp_str_eq(osp_str_cut(&line, ' '), osp_str_from(word)))
            continue;
        size_t at = osp_str_find(line, S("total="));
        return at < line.n && osp_str_u64(osp_str_skip(line, at + 6), 10, &v) ? v : UINT64_MAX;
    }
    return UINT64_MAX;
}

/* "always [madvise] never" */
static void chosen_word(osp_str text, char *out, size_t size)
{
    size_t from = osp_str_find(text, S("["));
    if (from < text.n) {
        text = osp_str_skip(text, from + 1);
        osp_str_z(osp_str_cut(&text, ']'), out, size);
    }
}

void osp_host_state_read(osp_host_state *out)
{
    static const char *const pressure[] = {"/proc/pressure/cpu", "/proc/pressure/memory", "/proc/pressure/io"};
    osp_buf b = osp_buf_of(TEXT);
    *out = (osp_host_state){0};
    osp_str text = text_of("/proc/meminfo", &b);
    out->memory_bytes = meminfo(text, "MemTotal");
    out->available_bytes = meminfo(text, "MemAvailable");
    out->swap_bytes = meminfo(text, "SwapTotal");
    out->swap_free_bytes = meminfo(text, "SwapFree");
    text = text_of("/proc/vmstat", &b);
    out->swap_in = osp_keyed_number(text, "pswpin");
    out->swap_out = osp_keyed_number(text, "pswpout");
    out->compact_stalls = osp_keyed_number(text, "compact_stall");
    out->direct_reclaims = osp_keyed_number(text, "allocstall_normal") + osp_keyed_number(text, "allocstall_movable");
    for (int i = 0; i < OSP_PRESSURE_KINDS; i++) {
        text = text_of(pressure[i], &b);
        out->full_us[i] = osp_pressure_us(text, "full");
    }
    chosen_word(text_of("/sys/kernel/mm/transparent_hugepage/enabled", &b), out->thp, sizeof out->thp);
    osp_buf_drop(&b);
    double load[1];
    out->load = getloadavg(load, 1) == 1 ? load[0] : 0;
}

int osp_process_tracer(const osp_process *p)
{
    osp_err ignored; /* it has ended */
    osp_buf b = osp_buf_of(TEXT);
    uint64_t pid = 0;
    osp_str text = osp_proc_read(p, "status", &b, &ignored) ? osp_buf_str(&b) : S("");
    while (text.n) {
        osp_str line = osp_str_cut(&text, '\n');
        if (osp_str_eq(osp_str_cut(&line, ':'), S("TracerPid")) && !osp_str_u64(osp_str_trim(line), 10, &pid))
            pid = 0;
    }
    osp_buf_drop(&b);
    return pid <= INT32_MAX ? (int)pid : 0;
}
