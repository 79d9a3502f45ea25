/* SPDX-License-Identifier: Apache-2.0 */
/* What weblist shows: the instructions of the functions that match, each under the source line that it belongs to. */
#ifndef OSP_REPORT_LISTING_H
#define OSP_REPORT_LISTING_H

#include "report/binaries.h"

typedef struct {
    uint64_t addr, file_addr, size;
    osp_str text; /* "" = the object is not here: all that is known is what the profile says */
    osp_str file; /* of the innermost line */
    int64_t line;
    int64_t flat, cum;
} osp_code_row;

typedef struct {
    osp_str file;
    int64_t line;
} osp_call;

/* An instruction under one of the lines that it belongs to: that of a function which matches. */
typedef struct {
    osp_str file, function;
    int64_t line;
    uint32_t row;
    uint32_t first_call, ncall; /* inlined calls that lead from that line to the instruction, the outermost first */
    uint32_t order;
} osp_code_use;

typedef struct {
    osp_arena arena;
    osp_code_row *row; /* sorted by addr */
    osp_code_use *use; /* sorted by file, line, then as found */
    osp_call *call;
    size_t nrow, nuse, ncall;
    osp_intern linker_names; /* and by their ids what people call them: */
    const osp_str *name;
} osp_listing;

/* Of the view's functions those whose names, files or mappings the pattern matches, and those at the address if
 * that is what it says. EABSENT if there are none. */
bool osp_listing_make(const osp_view *v, const osp_report_opts *o, const osp_regex *re, osp_binaries *b,
                      osp_buf *notes, osp_listing *out, osp_err *err) OSP_CHECKED;
void osp_listing_drop(osp_listing *l);

/* What people call a function. */
osp_str osp_listing_name(const osp_listing *l, osp_str linker_name);

#endif
