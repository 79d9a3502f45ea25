/* SPDX-License-Identifier: Apache-2.0 */
/* golog/golog.h: lines that the Go runtime prints about itself under GODEBUG=gctrace=1 and schedtrace=1000. They may stand
 * among other lines, and behind what a logger puts before them. Forms: runtime/mgc.go (gcMarkTermination),
 * runtime/proc.go (schedtrace); they have been the same since Go 1.5 but for fields that were added. */
#ifndef OSP_GOLOG_H
#define OSP_GOLOG_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* A collection. Times in seconds, sizes in bytes (the runtime prints whole MB). */
typedef struct {
    uint32_t number;
    double at_s;  /* since the program began */
    double share; /* of all CPU since then that went to the collector: 0 … 1, printed in whole percent */
    double sweep_s, mark_s, term_s; /* by the clock: world stopped, marking beside the program, world stopped */
    double assist_cpu_s, background_cpu_s, idle_cpu_s, stopped_cpu_s;
    uint64_t before_bytes, after_bytes, live_bytes,
        goal_bytes; /* heap: at its begin, at its end, found alive; goal */
    int32_t procs;  /* 0 = not printed */
    bool forced;
} osp_gc_line;
bool osp_gc_line_parse(osp_str line, osp_gc_line *out); /* false: it is none */

/* A look at the scheduler. */
typedef struct {
    double at_s; /* since the program began */
    int32_t gomaxprocs, idle_procs, threads, spinning, idle_threads;
    uint32_t global_queue, local_queues; /* goroutines; local: the sum over all Ps, 0 where details stand instead */
} osp_sched_line;
bool osp_sched_line_parse(osp_str line, osp_sched_line *out);

/* All such lines of a text, in its order. */
typedef struct {
    osp_gc_line *gc;
    uint32_t ngc;
    osp_sched_line *sched;
    uint32_t nsched;
} osp_golog;
/* In the arena. False without memory. */
bool osp_golog_read(osp_str text, osp_arena *a, osp_golog *out, osp_err *err) OSP_CHECKED;

#endif
