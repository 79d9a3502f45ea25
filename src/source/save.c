/* SPDX-License-Identifier: Apache-2.0 */
/* save.c: a copy of what was fetched, so that nobody has to wait for it again: in PPROF_TMPDIR, else ~/pprof, else the
 * directory for temporary files. */
#include "base/path.h"
#include "source_internal.h"

#include "pprof/pprof.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* mkdir -p: 0, or errno. */
static int make_directories(const char *path)
{
    char part[PATH_MAX];
    struct stat st;
    if (stat(path, &st) == 0)
        return S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
        return ENAMETOOLONG;
    for (char *at = part; *at; at++) {
        char next = at[1];
        if (next != '/' && next != 0)
            continue;
        at[1] = 0;
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return errno;
        at[1] = next;
    }
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
}

static bool choose_directory(const osp_source_opts *o, char *out, size_t size, osp_err *err)
{
    const char *own = getenv("PPROF_TMPDIR"), *home = getenv("HOME"), *tmp = getenv("TMPDIR");
    for (int way = 0; way < 3; way++) {
        const char *base = way == 0 ? own : way == 1 ? home : tmp && *tmp ? tmp : "/tmp";
        char text[64];
        if (!base || !*base || snprintf(out, size, "%s%s", base, way == 1 ? "/pprof" : "") >= (int)size)
            continue;
        int why = make_directories(out);
        if (why == 0)
            return true;
        osp_tell(o, "Could not use temp dir %s: mkdir %s: %s", out, out, osp_errno_text(why, text, sizeof text));
    }
    return osp_fail(err, OSP_EIO, "failed to identify temp dir");
}

/* A word of the profile in a file name: a stranger's profile must not choose the directory. */
static void add_word(osp_buf *name, osp_str word)
{
    for (size_t i = 0; i < word.n; i++)
        osp_buf_byte(name, word.p[i] == '/' || (unsigned char)word.p[i] < ' ' ? '_' : (uint8_t)word.p[i]);
    osp_buf_byte(name, '.');
}

/* "pprof.BINARY.TYPE.TYPE." */
static void name_of(const osp_profile *p, osp_buf *name)
{
    osp_buf_add(name, S("pprof."));
    osp_str file = p->mappings.n > 1 ? osp_text(p, p->mappings.row[1].file) : S("");
    if (file.n)
        add_word(name, osp_path_base(file));
    for (uint32_t i = 0; i < p->values.n; i++)
        add_word(name, osp_text(p, p->values.type[i].type));
}

/* With the names and frames that the reports will show. */
static bool write_copy(const osp_profile *p, const osp_query *q, int fd, const char *path, osp_err *err)
{
    osp_buf bytes = osp_buf_of(SIZE_MAX / 2);
    osp_view view;
    if (!osp_view_make(p, q, &view, err))
        return false;
    osp_profile *shown = osp_view_profile(&view, err);
    bool ok = shown && osp_pprof_encode_packed(shown, OSP_PACK_GZIP, &bytes, err) &&
              osp_write_fd(fd, osp_buf_str(&bytes), path, err);
    osp_profile_drop(shown);
    osp_view_drop(&view);
    osp_buf_drop(&bytes);
    return ok;
}

bool osp_save_profile(const osp_source_opts *o, const osp_profile *p, const osp_query *q, osp_err *err)
{
    char dir[PATH_MAX], path[2 * PATH_MAX], text[64];
    if (!choose_directory(o, dir, sizeof dir, err))
        return false;
    osp_buf name = osp_buf_of(NAME_MAX - 16), stem = osp_buf_of(sizeof path);
    name_of(p, &name);
    osp_buf_fmt(&stem, "%s%s%.*s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/", STRF(osp_buf_str(&name)));
    osp_err why = {0};
    int fd = osp_create_numbered(osp_buf_str(&stem), ".pb.gz", path, sizeof path);
    if (fd < 0)
        osp_fail(&why, OSP_EIO, "open %s: %s", path, osp_errno_text(errno, text, sizeof text));
    if (fd >= 0 && write_copy(p, q, fd, path, &why)) {
        osp_tell(o, "Saved profile in %s", path);
    } else {
        osp_tell(o, "Could not save profile: %s", why.msg);
        if (fd >= 0)
            unlink(path);
    }
    osp_close_fd(&fd);
    osp_buf_drop(&name);
    osp_buf_drop(&stem);
    return true;
}
