/* SPDX-License-Identifier: Apache-2.0 */
/* base/path.h: names of files, by text alone: nothing here looks at a file system. Where a result is "a view, or made in
 * the arena", it lives as long as both. */
#ifndef OSP_BASE_PATH_H
#define OSP_BASE_PATH_H

#include "base/arena.h"

/* The last part of a path, as Go's filepath.Base has it: slashes at the end do not count, "" is ".". A view. */
osp_str osp_path_base(osp_str path);

/* The shortest path that means the same, as Go's filepath.Clean has it: empty and "." parts go, "x/.." goes, ".." at the
 * root goes; "" is ".". Made in the arena. */
osp_str osp_path_clean(osp_arena *a, osp_str path);

/* What pprof leaves of a file's name: without the first prefix of the colon list trim_path that fits, else without
 * /proc/self/cwd; where there is no trim_path, without all up to the name of a directory of the colon list source_path. A
 * view. */
osp_str osp_path_trim(osp_arena *a, osp_str path, osp_str trim_path, osp_str source_path);

/* A file name as pprof shows it: trimmed, then cleaned; "" stays. A view, or made in the arena. */
osp_str osp_clean_path(osp_arena *a, osp_str path, osp_str trim_path, osp_str source_path);

#endif
