/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of a core: from the core itself; else, where it was mapped from a file and could not be written to, from that
 * file. The kernel leaves such memory out, but for the first page of each ELF file, and that page tells whether a file that we
 * find is the one that was mapped: build id, sizes and places of everything are in it. */
#include "target/target_internal.h"

#include "base/file.h"
#include "base/search.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HEAD = 4096,     /* bytes of a file that are compared */
    LEAST_HEAD = 64, /* an ELF header */
    OPEN_MOST = 128, /* files kept open */
};

size_t osp_core_pread(const osp_core *c, uint64_t offset, void *to, size_t n)
{
    size_t got = 0;
    if (offset > INT64_MAX)
        return 0;
    while (got < n && offset + got <= INT64_MAX) {
        ssize_t k = pread(c->fd, (char *)to + got, n - got, (off_t)(offset + got));
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            break;
        got += (size_t)k;
    }
    return got;
}

size_t osp_core_held(const osp_core *c, uint64_t addr, void *to, size_t n)
{
    size_t got = 0;
    size_t i = osp_rows_upto(c->segment, c->nsegment, sizeof *c->segment, addr);
    for (i -= i > 0; i < c->nsegment && got < n; i++) {
        const osp_core_segment *s = &c->segment[i];
        uint64_t in = addr + got - s->start; /* huge if the segment begins later */
        if (addr + got < s->start || in >= s->have)
            break;
        size_t k = n - got < s->have - in ? n - got : (size_t)(s->have - in);
        size_t read = osp_core_pread(c, s->offset + in, (char *)to + got, k);
        got += read;
        if (read < k)
            break;
    }
    return got;
}

/* ---- files --------------------------------------------------------------------------------------------------- */

/* The first bytes of a mapped file, as the core has them; 0 if it has too few of them. */
static size_t head_in_core(const osp_core *c, uint64_t inode, uint8_t head[HEAD])
{
    for (uint32_t i = 0; i < c->nmap; i++) {
        const osp_map *m = &c->map[i];
        if (m->inode != inode || m->offset != 0 || m->write)
            continue;
        size_t most = m->end - m->start < HEAD ? (size_t)(m->end - m->start) : HEAD;
        size_t n = osp_core_held(c, m->start, head, most);
        if (n >= LEAST_HEAD)
            return n;
    }
    return 0;
}

typedef enum { SAME, OTHER, NOT_KNOWN } likeness;

static likeness compare(const osp_core *c, uint64_t inode, int fd)
{
    uint8_t was[HEAD], is[HEAD];
    size_t n = head_in_core(c, inode, was);
    if (n == 0)
        return NOT_KNOWN;
    ssize_t got = pread(fd, is, n, 0);
    return got >= LEAST_HEAD && memcmp(was, is, (size_t)got) == 0 ? SAME : OTHER;
}

/* One place where the file may be. Without its first page in the core, one that was changed after the core was written is
 * not believed, unless the user has named it. */
static bool try_file(const osp_core *c, uint64_t inode, osp_str path, bool named, int *fd, osp_err *err)
{
    char z[4200];
    struct stat st;
    if (path.n >= sizeof z)
        return osp_fail(err, OSP_ELIMIT, "the path of a mapped file is too long");
    *fd = osp_open_regular(osp_str_z(path, z, sizeof z));
    if (*fd < 0)
        return osp_fail_errno(err, errno, "cannot open %.100s, mapped by %.*s", z, STRF(osp_str_base(c->path)));
    likeness like = compare(c, inode, *fd);
    if (like == NOT_KNOWN && (named || (fstat(*fd, &st) == 0 && st.st_mtime <= c->facts.written)))
        like = SAME;
    if (like == SAME)
        return true;
    osp_close_fd(fd);
    return osp_fail(err, OSP_EABSENT, "%.100s is another file than the one mapped by %.*s", z,
                    STRF(osp_str_base(c->path)));
}

/* The directory of a path, with its slash; "" if it has none. */
static osp_str dir_of(osp_str path) { return osp_str_head(path, path.n - osp_str_base(path).n); }

/* Where the core says, below the root; below the root by its name alone; beside the core. The error is of the first. */
static int find_file(osp_core *c, uint64_t inode, osp_err *err)
{
    const osp_core_file *f = &c->file[inode - 1];
    int fd = -1;
    osp_err ignored;
    char text[4200];
    if (c->exe_path.n && (c->exe.n == 0 || osp_str_eq(f->path, c->exe)))
        return try_file(c, inode, c->exe_path, true, &fd, err) ? fd : -1;
    if (f->path.n == 0 || f->path.p[0] != '/') {
        osp_fail(err, OSP_EABSENT, "no file has the name %.*s", (int)(f->path.n < 80 ? f->path.n : 80), f->path.p);
        return -1;
    }
    const osp_str head[] = {c->root, c->root, dir_of(c->path)};
    const osp_str name[] = {f->path, osp_str_base(f->path), osp_str_base(f->path)};
    for (int i = 0; i < 3; i++) {
        if (i == 1 && c->root.n == 0)
            continue;
        int n = snprintf(text, sizeof text, "%.*s%s%.*s", STRF(head[i]), i == 1 ? "/" : "", STRF(name[i]));
        osp_str path = {text, n < 0 || (size_t)n >= sizeof text ? sizeof text : (size_t)n};
        if (path.n < sizeof text && try_file(c, inode, path, c->root.n > 0 && i < 2, &fd, i == 0 ? err : &ignored))
            return fd;
        if (path.n >= sizeof text && i == 0)
            osp_fail(err, OSP_ELIMIT, "the path of a mapped file is too long");
    }
    return -1;
}

/* The descriptor, which stays the core's. Few programs map more files than may stay open; the first ones go then. */
static int file_of(osp_core *c, uint64_t inode, osp_err *err)
{
    osp_core_file *f = &c->file[inode - 1];
    if (f->fd >= 0)
        return f->fd;
    if (f->code != OSP_OK) {
        osp_fail(err, f->code, "%.*s", STRF(f->why));
        return -1;
    }
    for (uint32_t i = 0; i < c->nfile && c->nopen >= OPEN_MOST; i++)
        if (c->file[i].fd >= 0) {
            osp_close_fd(&c->file[i].fd);
            c->nopen--;
        }
    f->fd = find_file(c, inode, err);
    if (f->fd >= 0) {
        c->nopen++;
    } else {
        f->code = err->code;
        f->why = osp_arena_str(&c->arena, osp_str_from(err->msg));
    }
    return f->fd;
}

int osp_core_open_map(void *core, const osp_map *m, osp_err *err)
{
    osp_core *c = core;
    if (m->inode == 0 || m->inode > c->nfile) {
        osp_fail(err, OSP_EABSENT, "no file stands behind 0x%llx of %.*s", (unsigned long long)m->start,
                 STRF(osp_str_base(c->path)));
        return -1;
    }
    int fd = file_of(c, m->inode, err);
    int own = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (fd >= 0 && own < 0)
        osp_fail_errno(err, errno, "opening a mapped file");
    return own;
}

/* ---- memory -------------------------------------------------------------------------------------------------- */

/* From the file behind a mapping; 0 and *err if there is none, or it may have been written to. */
static size_t read_by_file(osp_core *c, uint64_t addr, char *to, size_t n, osp_err *err)
{
    size_t i = osp_rows_upto(c->map, c->nmap, sizeof *c->map, addr);
    const osp_map *m = i ? &c->map[i - 1] : NULL;
    if (!m || addr >= m->end || m->inode == 0 || m->write) {
        osp_fail(err, OSP_EABSENT, "%.*s has no memory at 0x%llx (%zu bytes wanted)", STRF(osp_str_base(c->path)),
                 (unsigned long long)addr, n);
        return 0;
    }
    int fd = file_of(c, m->inode, err);
    if (fd < 0)
        return 0;
    uint64_t in = addr - m->start;
    n = n < m->end - addr ? n : (size_t)(m->end - addr);
    ssize_t got = m->offset > INT64_MAX - in ? 0 : pread(fd, to, n, (off_t)(m->offset + in));
    if (got <= 0)
        osp_fail(err, OSP_EABSENT, "%.80s ends before 0x%llx of %.*s", m->path.p, (unsigned long long)addr,
                 STRF(osp_str_base(c->path)));
    return got > 0 ? (size_t)got : 0;
}

bool osp_core_read(void *core, uint64_t addr, void *dst, size_t n, osp_err *err)
{
    osp_core *c = core;
    if (addr > UINT64_MAX - n)
        return osp_fail(err, OSP_EABSENT, "%.*s has no memory at 0x%llx (%zu bytes wanted)",
                        STRF(osp_str_base(c->path)), (unsigned long long)addr, n);
    for (size_t at = 0; at < n;) {
        size_t got = osp_core_held(c, addr + at, (char *)dst + at, n - at);
        if (got == 0)
            got = read_by_file(c, addr + at, (char *)dst + at, n - at, err);
        if (got == 0)
            return false;
        at += got;
    }
    return true;
}

/* ---- how much of it there is ---------------------------------------------------------------------------------- */

enum { PAGE_MOST = 65536 };

static bool is_zero(const uint8_t *p, size_t n) { return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0); }

void osp_core_pages(osp_core *c, uint64_t start, uint64_t end, uint64_t *resident)
{
    static const uint8_t nothing[1];
    const uint64_t page = osp_page_bytes();
    uint8_t *bytes = page <= PAGE_MOST ? malloc((size_t)page) : NULL;
    memset(resident, 0, (size_t)(((end - start) / page + 63) / 64 * 8));
    for (uint64_t i = 0; bytes && i < (end - start) / page; i++) {
        const size_t got = osp_core_held(c, start + i * page, bytes, (size_t)page);
        resident[i / 64] |= (uint64_t)!is_zero(got ? bytes : nothing, got) << (i % 64);
    }
    free(bytes);
}

bool osp_core_smaps(osp_core *c, osp_arena *a, osp_smap **out, uint32_t *n, osp_err *err)
{
    enum { WORDS = 64 };
    uint64_t bits[WORDS];
    const uint64_t page = osp_page_bytes(), step = WORDS * 64 * page;
    osp_smap *s = osp_new(a, osp_smap, c->nmap);
    if (!s)
        return osp_fail_memory(err, "reading how much memory is where");
    for (uint32_t i = 0; i < c->nmap; i++) {
        s[i].map = c->map[i];
        for (uint64_t at = c->map[i].start; c->map[i].write && at < c->map[i].end; at += step) {
            const uint64_t to = c->map[i].end - at < step ? c->map[i].end : at + step;
            osp_core_pages(c, at, to, bits);
            for (size_t k = 0; k < WORDS && k * 64 * page < to - at; k++)
                s[i].resident += (uint64_t)__builtin_popcountll(bits[k]) * page;
        }
        s[i].anonymous = s[i].share = s[i].resident;
    }
    *out = s;
    *n = c->nmap;
    return true;
}
