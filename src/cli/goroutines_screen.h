/* SPDX-License-Identifier: Apache-2.0 */
/* cli/goroutines_screen.h: how osprey goroutines looks: as a table, as one goroutine, as JSON, and in the words of
 * net/http/pprof. */
#ifndef OSP_GOROUTINES_SCREEN_H
#define OSP_GOROUTINES_SCREEN_H

#include "cli/cli_internal.h"
#include "cli/waits_view.h"
#include "inspect/inspect.h"

/* What is shown. */
typedef struct {
    osp_inspect *in;
    osp_str name; /* of the program */
    const osp_goroutine_list *list;
    const osp_goroutine_groups *groups;
    const osp_group_waits *waits; /* of each group what they wait on; NULL: it was not asked */
    osp_group_by by;
    osp_str label;          /* of OSP_BY_LABEL */
    double seconds;         /* between two lists that are compared; 0: there is one */
    bool frozen;            /* it was stopped while it was read, or is a core */
    osp_freeze_report stop; /* how that went, of a process */
} osp_goroutines_view;

/* The table; stacks: under each group its stack. rows: groups at most, 0 = all; columns 0: as wide as it wants to be. */
typedef struct {
    bool stacks;
    uint32_t rows;
    size_t columns;
} osp_goroutines_look;
void osp_goroutines_table(const osp_cli *cli, const osp_goroutines_view *v, const osp_goroutines_look *look,
                          osp_buf *out);
/* One goroutine with all that is known of it. */
void osp_goroutine_sheet(const osp_cli *cli, const osp_goroutines_view *v, const osp_goroutine *g, osp_buf *out);
void osp_goroutines_json(const osp_goroutines_view *v, osp_buf *out);

/* The texts of /debug/pprof/goroutine?debug=1 and of debug=2. False without memory. */
bool osp_goroutines_counts(const osp_goroutines_view *v, osp_buf *out, osp_err *err) OSP_CHECKED;
bool osp_goroutines_traces(const osp_goroutines_view *v, osp_buf *out, osp_err *err) OSP_CHECKED;

#endif
