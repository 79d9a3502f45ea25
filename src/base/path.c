/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"

osp_str osp_path_clean(osp_arena *a, osp_str path)
{
    bool rooted = path.n && path.p[0] == '/';
    char *out = osp_new(a, char, path.n + 2);
    if (!out)
        return path;
    size_t n = 0, floor = rooted; /* out[0, floor) cannot be taken back by ".." */
    if (rooted)
        out[n++] = '/';
    while (path.n) {
        osp_str part = osp_str_cut(&path, '/');
        if (part.n == 0 || osp_str_eq(part, S(".")))
            continue;
        if (osp_str_eq(part, S(".."))) {
            if (n > floor) {
                while (n > floor && out[--n] != '/')
                    ;
                continue;
            }
            if (rooted)
                continue;
        }
        if (n > (rooted ? 1u : 0u))
            out[n++] = '/';
        memcpy(out + n, part.p, part.n);
        n += part.n;
        if (osp_str_eq(part, S("..")))
            floor = n;
    }
    if (n == 0)
        out[n++] = '.';
    return (osp_str){out, n};
}

osp_str osp_path_base(osp_str path)
{
    while (path.n > 1 && path.p[path.n - 1] == '/')
        path.n--;
    return path.n == 0 ? S(".") : osp_str_eq(path, S("/")) ? path : osp_str_base(path);
}

/* True after cutting prefix (a directory) off path. */
static bool cut_prefix(osp_str *path, osp_str prefix)
{
    bool slash = osp_str_ends(prefix, S("/"));
    if (!osp_str_starts(*path, prefix) || (!slash && (path->n == prefix.n || path->p[prefix.n] != '/')))
        return false;
    *path = osp_str_skip(*path, prefix.n + !slash);
    return true;
}

osp_str osp_path_trim(osp_arena *a, osp_str path, osp_str trim_path, osp_str source_path)
{
    if (trim_path.n == 0) {
        while (source_path.n) {
            osp_str dir = osp_str_cut(&source_path, ':');
            osp_str want = osp_arena_fmt(a, "/%.*s/", STRF(osp_path_base(dir)));
            size_t at = want.p ? osp_str_find(path, want) : path.n;
            if (at < path.n)
                return osp_str_skip(path, at + want.n);
        }
    }
    while (trim_path.n)
        if (cut_prefix(&path, osp_str_cut(&trim_path, ':')))
            return path;
    if (!cut_prefix(&path, S("/proc/self/cwd/./")))
        cut_prefix(&path, S("/proc/self/cwd/"));
    return path;
}

osp_str osp_clean_path(osp_arena *a, osp_str path, osp_str trim_path, osp_str source_path)
{
    path = osp_path_trim(a, path, trim_path, source_path);
    return path.n ? osp_path_clean(a, path) : path;
}
