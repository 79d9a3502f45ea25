/* SPDX-License-Identifier: Apache-2.0 */
/* code_internal.h: what the files of this room share.
 *
 *     lines.c     files by name, their lines
 *     places.c    where sources lie on this machine */
#ifndef OSP_CODE_INTERNAL_H
#define OSP_CODE_INTERNAL_H

#include "code/code.h"

enum { OSP_MOST_PLACES = 64 };

/* A list of directories. */
typedef struct {
    osp_str dir[OSP_MOST_PLACES];
    size_t n;
} osp_dirs;

typedef struct {
    osp_str path, dir; /* of a go.mod: "example.com/app", where it lies */
} osp_module;

/* Where sources lie on this machine, found out when the first file is missing. */
typedef struct {
    osp_arena *arena;
    bool known;
    osp_str go_release;                /* of the program; "" = not known */
    osp_str (*ask_release)(void *ctx); /* it; NULL = nobody knows */
    void *ctx;
    osp_dirs base;            /* source_path, else the working directory */
    osp_dirs around;          /* those and all above them */
    osp_dirs goroot, release; /* and what each goroot says it is: "go1.26.8" */
    osp_dirs modcache, gopath;
    osp_module module[OSP_MOST_PLACES];
    size_t nmodule;
} osp_places;

/* A regular file, open for reading; -1 and errno. path may be of any length. */
int osp_open_source(osp_str path);

/* The file that a profile calls `name` (or, trimmed, `shorter`), by all ways that pprof does not know; -1 if it is not
 * found. *place: where it is, in the arena; *note: what to tell the reader of it, or "". */
int osp_places_open(osp_places *p, osp_str name, osp_str shorter, osp_str *place, osp_str *note);

#endif
