/* SPDX-License-Identifier: Apache-2.0 */
/* code/code.h: what stands behind the functions of a profile: the lines of their source files. */
#ifndef OSP_CODE_H
#define OSP_CODE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* ---- source text -------------------------------------------------------------------------------------------- */

typedef struct {
    osp_str source_path, trim_path; /* as pprof has them: colon lists */
    /* The program's Go, "go1.26.8", to choose among several; "" = not known. Asked when the first file is not where its
     * name says; NULL = not known. */
    osp_str (*go_release)(void *ctx);
    void *ctx;
} osp_code_opts;

/* Source files by the names that a profile has for them. Each file is looked for once and stays open. A file is found
 * where pprof finds it: by its name without what trim_path (or the name of a directory of source_path) cuts off, from the
 * root, or below source_path (else the working directory) and all directories above it. Only what that does not find
 * is looked for further: in the module cache, the Gos of this machine, the modules and vendor
 * directories at and above those directories, GOPATH, and by as much of the end of its name as fits below them.
 *
 * Only regular files are ever opened. The texts of opts and of file names are borrowed: they must live as long. */
typedef struct osp_code_files osp_code_files;

osp_code_files *osp_code_files_new(const osp_code_opts *o, osp_err *err);
void osp_code_files_drop(osp_code_files *s);

/* Line `number`, counted from 1, without its end; false where there is none. A file ends, as for pprof, before a line of
 * 64 KiB. The text lives as long as s. */
bool osp_code_line(osp_code_files *s, osp_str file, int64_t number, osp_str *line);

/* Why the file cannot be read, in pprof's words; "" if it can. */
osp_str osp_code_why(osp_code_files *s, osp_str file);

/* What a reader should know of this search: lines for stderr. */
osp_str osp_code_files_notes(osp_code_files *s);

#endif
