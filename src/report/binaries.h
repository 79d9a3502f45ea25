/* SPDX-License-Identifier: Apache-2.0 */
/* The object files behind a profile's mappings, for reports that show code. Each is opened when first asked for. */
#ifndef OSP_REPORT_BINARIES_H
#define OSP_REPORT_BINARIES_H

#include "object/object.h"
#include "report/report.h"

typedef struct {
    bool asked;
    osp_object *object; /* NULL = there is none */
    uint64_t bias;      /* run address - file address */
} osp_binary;

typedef struct {
    const osp_profile *profile;
    const osp_report_opts *opts;
    osp_binary *row; /* by mapping */
} osp_binaries;

bool osp_binaries_init(osp_binaries *b, const osp_profile *p, const osp_report_opts *o, osp_err *err) OSP_CHECKED;
void osp_binaries_drop(osp_binaries *b);

/* The object mapped there; NULL if it cannot be had, and then, once, a line in notes that says why. b->row[m.i].bias is
 * known then. */
osp_object *osp_binaries_object(osp_binaries *b, osp_mapping_id m, osp_buf *notes);

/* The Go that built the first of the files with Go in them, "go1.26.8 X:simd"; "" if there is none. For
 * osp_code_opts.go_release, whose ctx is the osp_binaries. */
osp_str osp_binaries_go_release(void *binaries);

/* The first mapping that holds a run address; 0 = none. */
osp_mapping_id osp_binaries_mapping_at(const osp_binaries *b, uint64_t addr);

/* Is the pattern a number, as Go's strconv.ParseUint(s, 0, 64) has it? Then it means an address too. */
bool osp_address_of(osp_str s, uint64_t *out);

#endif
