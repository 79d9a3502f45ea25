/* SPDX-License-Identifier: Apache-2.0 */
/* agent/agent.h: waiting for trouble. A guard looks at a process about once a second, at a few files of /proc and of its
 * cgroup, and says when a limit is passed. What is then done about it is the caller's. */
#ifndef OSP_AGENT_H
#define OSP_AGENT_H

#include "goruntime/goruntime.h"
#include "target/target.h"

#include <signal.h>

/* What is trouble. 0: that is not watched. */
typedef struct {
    double cpu_cores;
    uint64_t rss_bytes;
    double memory_share; /* of the tightest memory limit of its cgroups: 0 … 1 */
    int64_t goroutines;
    uint32_t threads;
    uint32_t fds;
    double
        pressure; /* share of the time in which something waited for memory (PSI) of its cgroup, else of the host */
    bool memory_events; /* memory.high was passed, or the limit met (version 2: events high and max; 1: failcnt) */
    bool oom;           /* the kernel killed a process of its cgroup for memory */
    const char *probe;  /* a URL that should answer with status 2xx or 3xx … */
    double probe_s;     /* … within this time */
} osp_guard_limits;

/* One look. */
typedef struct {
    double at_s; /* since the guard began */
    bool alive;
    osp_usage usage;
    osp_cgroup_usage cgroup;
    int64_t goroutines; /* -1 = not known */
    double stalled_s;   /* PSI, some of memory, since boot; -1 = the kernel does not say */
    double probe_s;     /* that the answer took; INFINITY: there was none, or a bad one; -1 = not asked */
} osp_guard_look;

typedef enum {
    OSP_TRIP_NONE,
    OSP_TRIP_CPU,
    OSP_TRIP_RSS,
    OSP_TRIP_MEMORY,
    OSP_TRIP_GOROUTINES,
    OSP_TRIP_THREADS,
    OSP_TRIP_FDS,
    OSP_TRIP_PRESSURE,
    OSP_TRIP_MEMORY_EVENT,
    OSP_TRIP_OOM,
    OSP_TRIP_PROBE,
    OSP_TRIP_ENDED, /* it is gone, for another reason */
} osp_trip_kind;

typedef struct {
    osp_trip_kind kind;
    char text[200]; /* "RSS 412 MB is above 400 MB" */
} osp_trip;
osp_str osp_trip_name(osp_trip_kind k); /* "rss", for names of files */

/* What two looks say, the first limit that is passed in the order above, but events before levels. Pure. */
void osp_guard_judge(const osp_guard_limits *l, const osp_guard_look *before, const osp_guard_look *now,
                     osp_trip *out);

enum { OSP_GUARD_LOOKS = 600 };

typedef struct osp_guard osp_guard;
/* limits and the process must outlive it; go may be NULL. */
osp_guard *osp_guard_new(osp_process *p, osp_go *go, const osp_guard_limits *limits, osp_err *err);
void osp_guard_drop(osp_guard *g);
/* Look every interval_s until a limit is passed in so many looks in a row (events, and a memory limit that is near, count at once), the process ends, or *stop
 * is set: then kind is OSP_TRIP_NONE. each, unless NULL, is told every look. */
typedef void osp_each_guard_look(void *ctx, const osp_guard_look *look);
void osp_guard_wait(osp_guard *g, double interval_s, unsigned looks, const volatile sig_atomic_t *stop,
                    osp_each_guard_look *each, void *ctx, osp_trip *out);
/* The last looks, oldest first, at most OSP_GUARD_LOOKS: number i of them, NULL past the last. */
const osp_guard_look *osp_guard_last(const osp_guard *g, uint32_t i);

#endif
