/* SPDX-License-Identifier: Apache-2.0 */
/* locate.c: where the files of a profile's mappings are on this machine: in the directories of PPROF_BINARY_PATH, else in
 * ~/pprof/binaries, by build id and by name; the first that opens and has the mapping's build id. */
#include "base/path.h"
#include "source_internal.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* ---- objects --------------------------------------------------------------------------------------------------- */

osp_object *osp_open_object(osp_objects *objects, const char *path, osp_err *err)
{
    char text[64];
    osp_err why;
    OSP_AUTO_CLOSE int fd = osp_open_regular(path);
    if (fd < 0) {
        const bool other = errno == EISDIR || errno == EINVAL;
        osp_fail(err, other ? OSP_EFORMAT : OSP_EABSENT, "open %s: %s", path,
                 other ? "not a regular file" : osp_errno_text(errno, text, sizeof text));
        return NULL;
    }
    osp_object *o = osp_objects_of_fd(objects, fd, path, &why);
    if (!o)
        osp_fail(err, why.code, "open %s: unrecognized object file (%s)", path, why.msg);
    return o;
}

osp_str osp_gnu_build_id(const osp_object *o)
{
    osp_str id = osp_object_build_id(o);
    return memchr(id.p ? id.p : "", '/', id.n) ? S("") : id; /* Go's own, which no mapping has */
}

/* ---- one mapping ----------------------------------------------------------------------------------------------- */

typedef struct {
    const osp_source_opts *opts;
    osp_objects *objects;
    osp_str build_id, file, base, dir; /* of the mapping */
    char found[PATH_MAX];
} search;

/* Is the file there, and the right one? Then its name is kept. Parts are joined by '/', empty ones left out. */
static bool fits(search *s, const osp_str *part, size_t n)
{
    osp_buf path = osp_buf_of(PATH_MAX - 1);
    osp_err ignored; /* it is not there, as most are not */
    for (size_t i = 0; i < n; i++) {
        osp_str p = part[i];
        while (path.n && path.p[path.n - 1] != '/' && p.n && p.p[0] != '/')
            osp_buf_byte(&path, '/');
        while (path.n && path.p[path.n - 1] == '/' && p.n && p.p[0] == '/')
            p = osp_str_skip(p, 1);
        osp_buf_add(&path, p);
    }
    bool fits_in = !path.failed && !memchr(path.p ? path.p : "", 0, path.n);
    if (fits_in)
        osp_str_z(osp_buf_str(&path), s->found, sizeof s->found);
    osp_buf_drop(&path);
    const osp_object *o = fits_in ? osp_open_object(s->objects, s->found, &ignored) : NULL;
    if (!o)
        return false;
    osp_str id = osp_gnu_build_id(o);
    if (s->build_id.n == 0 || osp_str_eq(id, s->build_id))
        return true;
    osp_tell(s->opts, "Ignoring local file %s: build-id mismatch (%.*s != %.*s)", s->found, STRF(s->build_id),
             STRF(id));
    return false;
}

#define FITS(s, ...) \
    fits((s), (const osp_str[]){__VA_ARGS__}, sizeof((const osp_str[]){__VA_ARGS__}) / sizeof(osp_str))

/* Any file in root/BUILDID. */
static bool any_in_directory(search *s, osp_str root)
{
    char path[PATH_MAX];
    struct dirent **name;
    int n = snprintf(path, sizeof path, "%.*s/%.*s", STRF(root), STRF(s->build_id));
    if (n < 0 || (size_t)n >= sizeof path || (n = scandir(path, &name, NULL, alphasort)) < 0)
        return false;
    bool found = false;
    for (int i = 0; i < n; i++) {
        found = found || FITS(s, root, s->build_id, osp_str_from(name[i]->d_name));
        free(name[i]);
    }
    free(name);
    return found;
}

static bool by_build_id(search *s, osp_str root)
{
    char debug[PATH_MAX];
    osp_str id = s->build_id;
    if (id.n < 2)
        return false;
    snprintf(debug, sizeof debug, "%.*s.debug", STRF(osp_str_skip(id, 2)));
    return FITS(s, root, id, s->base) || any_in_directory(s, root) || FITS(s, root, s->file, id) ||
           FITS(s, root, osp_str_head(id, 2), osp_str_from(debug));
}

static bool by_name(search *s, osp_str root)
{
    char file_debug[PATH_MAX], base_debug[PATH_MAX];
    if (s->file.n == 0)
        return false;
    snprintf(file_debug, sizeof file_debug, "%.*s.debug", STRF(s->file));
    snprintf(base_debug, sizeof base_debug, "%.*s.debug", STRF(s->base));
    return FITS(s, root, s->base) || FITS(s, root, s->file) || FITS(s, root, osp_str_from(file_debug)) ||
           FITS(s, root, s->dir, S(".debug"), osp_str_from(base_debug)) ||
           FITS(s, root, S("usr/lib/debug"), s->dir, osp_str_from(base_debug));
}

/* ---- all mappings ---------------------------------------------------------------------------------------------- */

/* The directories that there are, with ':' between them. */
static void search_path(osp_buf *out)
{
    const char *said = getenv("PPROF_BINARY_PATH"), *home = getenv("HOME");
    char usual[PATH_MAX], dir[PATH_MAX];
    struct stat st;
    snprintf(usual, sizeof usual, "%s%spprof/binaries", home ? home : "", home && *home ? "/" : "");
    osp_str path = osp_str_from(said && *said ? said : usual);
    while (path.n) {
        osp_str one = osp_str_cut(&path, ':');
        if (stat(osp_str_z(one, dir, sizeof dir), &st) == 0 && S_ISDIR(st.st_mode))
            osp_buf_fmt(out, "%s%s", out->n ? ":" : "", dir);
    }
}

static osp_str directory_of(osp_str file)
{
    size_t slash = osp_str_rfind(file, '/');
    return slash == file.n ? S(".") : osp_str_head(file, slash);
}

static void locate(search *s, osp_str path, osp_mapping_text *m)
{
    s->build_id = m->build_id;
    s->file = m->file;
    s->base = m->file.n ? osp_path_base(m->file) : S("");
    s->dir = directory_of(m->file);
    while (path.n) {
        osp_str root = osp_str_cut(&path, ':');
        if (by_build_id(s, root) || by_name(s, root)) {
            m->file = osp_str_from(s->found);
            return;
        }
    }
}

osp_profile *osp_locate_binaries(const osp_source_opts *o, osp_objects *objects, const osp_profile *p, osp_str url,
                                 osp_err *err)
{
    osp_arena a;
    osp_buf path = osp_buf_of(1 << 20);
    uint32_t n = p->mappings.n > 1 ? p->mappings.n : 2; /* one is made up, so that a binary can be asked */
    osp_arena_init(&a, SIZE_MAX / 2);
    osp_mapping_text *row = osp_new(&a, osp_mapping_text, n);
    search *s = osp_new(&a, search, 1);
    search_path(&path);
    bool ok = row && s;
    for (uint32_t i = 1; ok && i < p->mappings.n; i++) {
        const osp_mapping *m = &p->mappings.row[i];
        row[i] =
            (osp_mapping_text){m->start, m->limit, m->offset, osp_text(p, m->file), osp_text(p, m->build_id), m->has};
        *s = (search){.opts = o, .objects = objects};
        locate(s, osp_buf_str(&path), &row[i]);
        row[i].file = osp_arena_str(&a, row[i].file);
        ok = row[i].file.p != NULL;
    }
    if (ok && o->binary && *o->binary)
        row[1].file = osp_str_from(o->binary);
    if (ok && o->build_id && row[1].build_id.n == 0)
        row[1].build_id = osp_str_from(o->build_id);
    for (uint32_t i = 1; ok && i < n; i++)
        if (row[i].file.n == 0 && row[i].build_id.n == 0)
            row[i].file = url;
    osp_profile *located = NULL;
    if (ok)
        located = osp_profile_with_mappings(p, row, n, err);
    else
        osp_fail_memory(err, "looking for binaries");
    osp_buf_drop(&path);
    osp_arena_drop(&a);
    return located;
}
