/* SPDX-License-Identifier: Apache-2.0 */
/* lines.c: source files by the names that a profile has for them, and their lines. Lines are counted as far as somebody
 * asks. */
#include "code_internal.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/path.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const size_t MAX_FILE = (size_t)1 << 28, MAX_MEMORY = (size_t)1 << 28;
enum { LONGEST_LINE = 65535 };

typedef struct {
    osp_buf text;
    size_t *start; /* of line i + 1 */
    size_t n, cap; /* lines counted so far */
    size_t next;   /* where the line after those begins; text.n = there is none */
    osp_str why;
} source;

struct osp_code_files {
    osp_arena arena;
    osp_str trim_path, search; /* search: source_path, else the working directory */
    osp_intern names;
    source *file; /* by id of its name */
    size_t cap;
    osp_places places;
    osp_buf notes;
};

osp_code_files *osp_code_files_new(const osp_code_opts *o, osp_err *err)
{
    osp_code_files *s = calloc(1, sizeof *s);
    if (!s) {
        osp_fail_memory(err, "looking for sources");
        return NULL;
    }
    osp_arena_init(&s->arena, MAX_MEMORY);
    s->notes = osp_buf_of(1 << 16);
    s->trim_path = o->trim_path;
    s->search = o->source_path;
    if (!s->search.n) {
        char *cwd = getcwd(NULL, 0);
        s->search = cwd ? osp_arena_str(&s->arena, osp_str_from(cwd)) : S("");
        free(cwd);
        if (!s->search.n) {
            osp_fail(err, OSP_EIO, "could not stat current dir");
            osp_code_files_drop(s);
            return NULL;
        }
    }
    s->places = (osp_places){.arena = &s->arena, .ask_release = o->go_release, .ctx = o->ctx};
    for (osp_str rest = s->search; rest.n && s->places.base.n < OSP_MOST_PLACES;)
        s->places.base.dir[s->places.base.n++] = osp_str_cut(&rest, ':');
    return s;
}

void osp_code_files_drop(osp_code_files *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; i < s->names.n && i < s->cap; i++) {
        osp_buf_drop(&s->file[i].text);
        free(s->file[i].start);
    }
    free(s->file);
    osp_intern_drop(&s->names);
    osp_buf_drop(&s->notes);
    osp_arena_drop(&s->arena);
    free(s);
}

osp_str osp_code_files_notes(osp_code_files *s) { return osp_buf_str(&s->notes); }

/* ---- opening ------------------------------------------------------------------------------------------------ */

/* "open PATH: no such file or directory", as Go says it. */
static osp_str go_error(osp_arena *a, osp_str path, int e)
{
    char text[80];
    const char *known = e == EINVAL ? "not a regular file" : strerrordesc_np(e);
    osp_str_z(osp_str_from(known ? known : "unknown error"), text, sizeof text);
    text[0] = (char)tolower((unsigned char)text[0]);
    return osp_arena_fmt(a, "open %.*s: %s", STRF(path), text);
}

static osp_str join(osp_arena *a, osp_str dir, osp_str path)
{
    return dir.n ? osp_path_clean(a, osp_arena_fmt(a, "%.*s/%.*s", STRF(dir), STRF(path))) : osp_path_clean(a, path);
}

static osp_str parent_of(osp_arena *a, osp_str dir)
{
    size_t slash = osp_str_rfind(dir, '/');
    return osp_path_clean(a, slash < dir.n ? osp_str_head(dir, slash + 1) : S(""));
}

/* pprof's own search. */
static int open_as_pprof(osp_code_files *s, osp_str path, osp_str *place, osp_str *why)
{
    if (path.n && path.p[0] == '/') {
        int fd = osp_open_source(path);
        if (fd < 0)
            *why = go_error(&s->arena, path, errno);
        *place = path;
        return fd;
    }
    for (osp_str rest = s->search; rest.n;) {
        osp_str dir = osp_str_cut(&rest, ':');
        for (;;) {
            *place = join(&s->arena, dir, path);
            int fd = osp_open_source(*place);
            if (fd >= 0)
                return fd;
            osp_str parent = parent_of(&s->arena, dir);
            if (!parent.n || osp_str_eq(parent, dir))
                break;
            dir = parent;
        }
    }
    *why = osp_arena_fmt(&s->arena, "could not find file %.*s on path %.*s", STRF(path), STRF(s->search));
    return -1;
}

static void find(osp_code_files *s, osp_str name, source *out)
{
    osp_str shorter = osp_path_trim(&s->arena, name, s->trim_path, s->search), place, note = S("");
    OSP_AUTO_CLOSE int fd = open_as_pprof(s, shorter, &place, &out->why);
    if (fd < 0)
        fd = osp_places_open(&s->places, name, shorter, &place, &note);
    if (fd < 0)
        return;
    osp_err err;
    struct stat st;
    out->why = S("");
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
        return; /* an empty file; those of /proc are, too, and some of them wait for ever */
    /* Read, not mapped: somebody may be writing to it. */
    out->text = osp_buf_of(MAX_FILE);
    if ((uint64_t)st.st_size > MAX_FILE || !osp_read_fd(fd, &out->text, "it", &err))
        out->why = osp_arena_fmt(&s->arena, "open %.*s: too large", STRF(place));
    if (note.n)
        osp_buf_fmt(&s->notes, "%.*s\n", STRF(note));
}

static source *source_of(osp_code_files *s, osp_str name)
{
    bool fresh;
    uint32_t id = osp_intern_put(&s->names, name, &fresh);
    if (id == UINT32_MAX)
        return NULL;
    if (fresh) {
        void *file = s->file;
        size_t before = s->cap;
        if (!osp_grow(&file, &s->cap, (size_t)id + 1, sizeof *s->file))
            return NULL;
        s->file = file;
        memset(s->file + before, 0, (s->cap - before) * sizeof *s->file);
        find(s, name, &s->file[id]);
    }
    return id < s->cap ? &s->file[id] : NULL;
}

/* ---- lines -------------------------------------------------------------------------------------------------- */

/* Where the line that begins at `at` ends: its '\n', or the end of the text. */
static size_t end_of(const source *f, size_t at)
{
    const char *p = f->text.p + at;
    size_t left = f->text.n - at;
    const char *nl = memchr(p, '\n', left < LONGEST_LINE + 1 ? left : LONGEST_LINE + 1);
    return nl ? at + (size_t)(nl - p) : at + left;
}

static bool count_to(source *f, uint64_t number)
{
    while (f->n < number && f->next < f->text.n) {
        size_t end = end_of(f, f->next);
        if (end - f->next > LONGEST_LINE) {
            f->next = f->text.n;
            break;
        }
        void *start = f->start;
        if (!osp_grow(&start, &f->cap, f->n + 1, sizeof *f->start))
            return false;
        f->start = start;
        f->start[f->n++] = f->next;
        f->next = end + 1 < f->text.n ? end + 1 : f->text.n;
    }
    return f->n >= number;
}

bool osp_code_line(osp_code_files *s, osp_str file, int64_t number, osp_str *line)
{
    source *f = source_of(s, file);
    if (!f || number <= 0 || !count_to(f, (uint64_t)number))
        return false;
    size_t at = f->start[number - 1], end = end_of(f, at);
    if (end > at && f->text.p[end - 1] == '\r')
        end--;
    *line = (osp_str){f->text.p + at, end - at};
    return true;
}

osp_str osp_code_why(osp_code_files *s, osp_str file)
{
    const source *f = source_of(s, file);
    return f ? f->why : S("out of memory");
}
