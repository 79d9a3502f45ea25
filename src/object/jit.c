/* SPDX-License-Identifier: Apache-2.0 */
/* What a just-in-time compiler says stands where in its memory, in one of two forms.
 *
 * /tmp/perf-PID.map (tools/perf/Documentation/jit-interface.txt): a line for each function that is compiled,
 *
 *     START SIZE name of the function                hexadecimal, without 0x
 *
 * A jitdump file (tools/perf/Documentation/jitdump-specification.txt):
 *
 *     header  u32 magic "JiTD", version, size of the header, machine, unused, pid; u64 time, flags
 *     record  u32 id, size of the record; u64 time; then by id
 *             0 load: u32 pid, tid; u64 vma, address, size, index; the name, NUL; the code
 *             1 move: u32 pid, tid; u64 vma, old address, new address, size, index
 *
 * Of those at one address the last one counts. */
#include "object_internal.h"

#include "base/search.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_BYTES = 1 << 28, NESTED = 8, HEADER = 40, LOAD = 0, MOVE = 1 };

static const uint32_t JITDUMP = 0x4a695444;

typedef struct {
    uint64_t start, size;
    osp_str name;
    size_t order;
} symbol;

struct osp_jit {
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

static bool add(osp_jit *m, uint64_t start, uint64_t size, osp_str name)
{
    void *all = m->row;
    if (name.n == 0 || size == 0)
        return true;
    if (!osp_grow(&all, &m->cap, m->n + 1, sizeof *m->row))
        return false;
    m->row = all;
    m->row[m->n] = (symbol){start, size, name, m->n};
    m->n++;
    return true;
}

static bool read_lines(osp_jit *m)
{
    for (osp_str text = osp_span_text(m->file.bytes); text.n;) {
        osp_str line = osp_str_cut(&text, '\n');
        uint64_t start, size;
        if (hex(osp_str_cut(&line, ' '), &start) && hex(osp_str_cut(&line, ' '), &size) &&
            !add(m, start, size, osp_str_trim(line)))
            return false;
    }
    return true;
}

/* The name of the function with that index, which has moved. */
static osp_str name_of(const osp_jit *m, const osp_index *index, uint64_t number)
{
    uint32_t at = osp_index_find(index, number);
    return at == UINT32_MAX ? S("") : m->row[at].name;
}

/* A file that is still being written to ends anywhere. */
static bool read_records(osp_jit *m)
{
    osp_err end;
    osp_cur c = osp_cur_on(m->file.bytes, "jitdump", &end);
    osp_index index = {0};
    bool ok = true;
    osp_cur_seek(&c, HEADER);
    while (ok && osp_cur_left(&c) >= 16) {
        size_t at = c.at;
        uint32_t id = osp_cur_u32(&c), size = osp_cur_u32(&c);
        osp_cur_skip(&c, id == LOAD || id == MOVE ? 24 : 8); /* time; pid, tid, vma */
        uint64_t start = osp_cur_u64(&c), to = id == MOVE ? osp_cur_u64(&c) : start, bytes = osp_cur_u64(&c);
        uint64_t number = osp_cur_u64(&c);
        if (size < 16 || size > m->file.bytes.n - at)
            break;
        if (id == LOAD) {
            osp_str name = osp_cur_cstr(&c);
            ok = !name.n || !bytes || (osp_index_put(&index, number, (uint32_t)m->n) && add(m, start, bytes, name));
        } else if (id == MOVE) {
            ok = add(m, to, bytes, name_of(m, &index, number));
        }
        c = osp_cur_on(m->file.bytes, "jitdump", &end);
        osp_cur_seek(&c, at + size);
    }
    osp_index_drop(&index);
    return ok;
}

static bool read_names(osp_jit *m)
{
    size_t n = 0;
    bool is_dump = m->file.bytes.n >= HEADER && osp_le32(m->file.bytes.p) == JITDUMP;
    if (!(is_dump ? read_records : read_lines)(m))
        return false;
    if (m->n)
        qsort(m->row, m->n, sizeof *m->row, by_start);
    for (size_t i = 0; i < m->n; i++) /* the last of those at one address */
        if (i + 1 == m->n || m->row[i].start != m->row[i + 1].start)
            m->row[n++] = m->row[i];
    m->n = n;
    return true;
}

osp_jit *osp_jit_of(osp_file *file, osp_err *err)
{
    osp_jit *m = calloc(1, sizeof *m);
    if (m) {
        m->file = *file;
        *file = (osp_file){0};
        if (read_names(m))
            return m;
    }
    osp_jit_close(m);
    osp_file_close(file);
    osp_fail_memory(err, "reading the names of compiled code");
    return NULL;
}

osp_jit *osp_jit_open(const char *path, uint32_t owner, osp_err *err)
{
    struct stat st;
    osp_file file;
    OSP_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        osp_fail(err, OSP_EABSENT, "%s: not there", path);
        return NULL;
    }
    if (st.st_uid != 0 && st.st_uid != owner) {
        osp_fail(err, OSP_EABSENT, "%s: somebody else's", path);
        return NULL;
    }
    return osp_file_open_fd(fd, path, MOST_BYTES, &file, err) ? osp_jit_of(&file, err) : NULL;
}

void osp_jit_close(osp_jit *m)
{
    if (!m)
        return;
    osp_file_close(&m->file);
    free(m->row);
    free(m);
}

osp_str osp_jit_at(const osp_jit *m, uint64_t addr)
{
    size_t at = osp_rows_upto(m->row, m->n, sizeof *m->row, addr);
    for (size_t i = 0; at && i < NESTED; i++, at--) /* code that was compiled into the midst of what was there */
        if (addr - m->row[at - 1].start < m->row[at - 1].size)
            return m->row[at - 1].name;
    return S("");
}
