/* SPDX-License-Identifier: Apache-2.0 */
/* cli/waits_view.h: what goroutines of a group wait on, in words and as JSON. Pure functions of the model. */
#ifndef OSP_WAITS_VIEW_H
#define OSP_WAITS_VIEW_H

#include "cli/cli_internal.h"
#include "inspect/inspect.h"

#include "base/json.h"

/* One object without its count: "receive from channel 0xc000…, unbuffered". taken_ns: when the list was taken, by which times
 * are told; 0: a core, of which nobody knows. */
void osp_wait_words(const osp_wait_object *o, uint64_t taken_ns, osp_buf *out);

typedef struct {
    size_t margin;  /* columns before each line */
    uint32_t most;  /* objects of a group */
    size_t columns; /* longer lines are cut; 0: none is */
} osp_waits_look;

/* Lines under a group of n goroutines; nothing if they wait on nothing. */
void osp_waits_lines(const osp_cli *cli, const osp_group_waits *w, uint32_t n, uint64_t taken_ns,
                     const osp_waits_look *look, osp_buf *out);

/* "waits": {…} */
void osp_waits_json(osp_json *j, const osp_group_waits *w, uint64_t taken_ns);

#endif
