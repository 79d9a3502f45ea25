/* SPDX-License-Identifier: Apache-2.0 */
/* /tmp/perf-PID.map, in which a just-in-time compiler says what stands where in its memory
 * (tools/perf/Documentation/jit-interface.txt):
 *
 *     START SIZE name of the function                hexadecimal, without 0x
 *
 * A line is added for each function that is compiled, so that of those at one address the last one counts. Anybody may
 * write to /tmp: as perf does, only a file of ours or of root's is believed. */
#include "base/search.h"
#include "format/perf_data.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_BYTES = 1 << 28, NESTED = 8 };

typedef struct {
    uint64_t start, size;
    osp_str name;
    size_t order;
} symbol;

struct osp_perf_map {
    osp_file file;
    symbol *row;
    size_t n, cap;
};

static int by_start(const void *a, const void *b)
{
    const symbol *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static bool hex(osp_str word, uint64_t *out)
{
    return osp_str_u64(osp_str_starts(word, S("0x")) ? osp_str_skip(word, 2) : word, 16, out);
}

static bool read_lines(osp_perf_map *m)
{
    size_t n = 0;
    for (osp_str text = osp_span_text(m->file.bytes); text.n;) {
        osp_str line = osp_str_cut(&text, '\n');
        symbol s = {.order = m->n};
        if (!hex(osp_str_cut(&line, ' '), &s.start) || !hex(osp_str_cut(&line, ' '), &s.size))
            continue;
        s.name = osp_str_trim(line);
        void *all = m->row;
        if (s.name.n == 0 || s.size == 0)
            continue;
        if (!osp_grow(&all, &m->cap, m->n + 1, sizeof s))
            return false;
        m->row = all;
        m->row[m->n++] = s;
    }
    if (m->n)
        qsort(m->row, m->n, sizeof *m->row, by_start);
    for (size_t i = 0; i < m->n; i++) /* the last of those at one address */
        if (i + 1 == m->n || m->row[i].start != m->row[i + 1].start)
            m->row[n++] = m->row[i];
    m->n = n;
    return true;
}

osp_perf_map *osp_perf_map_of(osp_file *file, osp_err *err)
{
    osp_perf_map *m = calloc(1, sizeof *m);
    if (m) {
        m->file = *file;
        *file = (osp_file){0};
        if (read_lines(m))
            return m;
    }
    osp_perf_map_close(m);
    osp_file_close(file);
    osp_fail_memory(err, "reading a map of compiled code");
    return NULL;
}

osp_perf_map *osp_perf_map_open(const char *path, osp_err *err)
{
    struct stat st;
    osp_file file;
    OSP_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        osp_fail(err, OSP_EABSENT, "%s: not there", path);
        return NULL;
    }
    if (st.st_uid != 0 && st.st_uid != geteuid()) {
        osp_fail(err, OSP_EABSENT, "%s: somebody else's", path);
        return NULL;
    }
    return osp_file_open_fd(fd, path, MOST_BYTES, &file, err) ? osp_perf_map_of(&file, err) : NULL;
}

void osp_perf_map_close(osp_perf_map *m)
{
    if (!m)
        return;
    osp_file_close(&m->file);
    free(m->row);
    free(m);
}

osp_str osp_perf_map_at(const osp_perf_map *m, uint64_t addr)
{
    size_t at = osp_rows_upto(m->row, m->n, sizeof *m->row, addr);
    for (size_t i = 0; at && i < NESTED; i++, at--) /* code that was compiled into the midst of what was there */
        if (addr - m->row[at - 1].start < m->row[at - 1].size)
            return m->row[at - 1].name;
    return S("");
}
