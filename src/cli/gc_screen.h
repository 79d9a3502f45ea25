/* SPDX-License-Identifier: Apache-2.0 */
/* cli/gc_screen.h: what `osprey gc` prints of its model. */
#ifndef OSP_GC_SCREEN_H
#define OSP_GC_SCREEN_H

#include "cli/cli.h"
#include "inspect/inspect.h"

/* What was seen in a while. */
typedef struct {
    osp_go_gc first, now;
    uint32_t cycles, whole;                                 /* that ended; of those, that are whole */
    uint64_t assist_ns, worker_ns, pause_ns, most_pause_ns; /* CPU of whole cycles; the longest pause */
    osp_gc_seen last;                                       /* the last whole one */
    float live[256];                                        /* the heap at the start of each cycle, oldest first */
    uint32_t nlive;
} osp_gc_while;

/* Take a cycle in. */
void osp_gc_while_add(osp_gc_while *w, const osp_gc_seen *c);

void osp_gc_screen(const osp_cli *cli, const osp_gc_while *w, osp_str who, osp_buf *out);
void osp_gc_json(const osp_gc_while *w, int pid, osp_str version, const osp_gc_seen *cycle, uint32_t n, osp_buf *out);
/* A line for an interval, and the line above them. */
void osp_gc_head(const osp_cli *cli, osp_buf *out);
void osp_gc_line(const osp_gc_while *w, osp_buf *out);
/* A cycle as a line of gctrace, or what is known of it. */
void osp_gc_trace(const osp_gc_seen *c, const osp_go_gc *now, osp_buf *out);
void osp_gc_csv_head(osp_buf *out);
void osp_gc_csv(const osp_gc_seen *c, const osp_go_gc *now, osp_buf *out);
void osp_gc_explain(osp_buf *out);

#endif
