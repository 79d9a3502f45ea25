/* SPDX-License-Identifier: Apache-2.0 */
/* inspect/inspect.h: a program as an engineer thinks of it: structures of its runtime joined with stacks, names and what
 * /proc says. Commands print these models and do nothing else. Nothing is stopped and nothing is written. */
#ifndef OSP_INSPECT_H
#define OSP_INSPECT_H

#include "goruntime/goruntime.h"
#include "space/space.h"

/* ---- threads ----------------------------------------------------------------------------------------------------- */

/* What a thread is for, or what it does if it is for anything. */
typedef enum {
    OSP_ROLE_SYSMON,    /* M without P that watches the others: its start function is runtime.sysmon */
    OSP_ROLE_TEMPLATE,  /* starts threads for those that are locked: runtime.templateThread */
    OSP_ROLE_GC_WORKER, /* runs runtime.gcBgMarkWorker */
    OSP_ROLE_RUNTIME,   /* runs another goroutine of the runtime's own: sweeper, scavenger … */
    OSP_ROLE_SIGNAL,    /* keeps the mask of signals: runtime.ensureSigM */
    OSP_ROLE_NETPOLLER, /* waits in the poller under runtime.findRunnable */
    OSP_ROLE_GO,        /* runs a goroutine */
    OSP_ROLE_CGO,       /* its goroutine called C */
    OSP_ROLE_SYSCALL,   /* its goroutine is in a system call */
    OSP_ROLE_LOCKED,    /* idle: waits until the goroutine that is locked to it can run */
    OSP_ROLE_SPINNING,  /* looks for work */
    OSP_ROLE_SCHEDULER, /* between two goroutines */
    OSP_ROLE_IDLE,      /* parked, no work for it */
    OSP_ROLE_C,         /* has no M: C made it. In a program without Go: any thread */
    OSP_ROLES,
} osp_role;
osp_str osp_role_text(osp_role r);

/* How much is known of a thread's stack. */
typedef enum {
    OSP_STACK_NONE,    /* nothing is known */
    OSP_STACK_RUNNING, /* it ran: there are no registers to start from */
    OSP_STACK_MOVED,   /* it ran while its stack was read */
    OSP_STACK_CUT,     /* up to a frame without a known caller */
    OSP_STACK_WHOLE,
} osp_stack_state;

typedef struct {
    osp_str function, file; /* "0x7f…" where nothing is known; "" */
    int32_t line;           /* 0 = unknown */
    uint64_t pc;
    bool runtime; /* of the Go runtime */
    bool system;  /* of the C library */
} osp_thread_frame;

typedef struct {
    osp_thread thread; /* at the end */
    bool fresh;        /* began meanwhile: the counts are since it began */
    /* in the time of observation */
    uint64_t cpu_ns, wait_ns;    /* on a CPU; ready, waiting for one */
    uint64_t user_ns, system_ns; /* by the kernel's ticks, which are some 10 ms long */
    uint64_t voluntary, involuntary;
    osp_thread_look look;
    char call[320]; /* look.call in words; "" if there is none */
    osp_role role;
    bool main; /* the process's first */
    bool has_m;
    osp_m m;
    int32_t p; /* its number; -1 = none */
    bool has_g;
    osp_g g;              /* the goroutine on it */
    uint64_t locked_goid; /* the goroutine that LockOSThread keeps on it; 0 = none */
    osp_str g_function;   /* that the goroutine was started with; "" = none */
    osp_str g_state;      /* "running", "syscall" …; "" = none */
    osp_stack_state stack;
    const osp_thread_frame *frame; /* leaf first */
    uint32_t nframe;
} osp_thread_row;

typedef struct {
    double seconds; /* observed; 0: counts are since each thread began */
    bool is_go;
    osp_str go_version, layout_source;
    osp_err why; /* why nothing is known of the Go runtime, if is_go is false; EABSENT: there is none */
    uint32_t nm, np, torn;
    osp_thread_row *row; /* by tid */
    uint32_t n;
    osp_str *note; /* what /proc and the runtime say otherwise of each other */
    uint32_t nnote;
} osp_threads;

typedef struct osp_threads_watch osp_threads_watch;

/* Look at all threads for the first time. p and objects must outlive it. */
osp_threads_watch *osp_threads_begin(osp_process *p, osp_objects *objects, osp_err *err);
/* Look again: what they did since, and do now. All in the arena. */
bool osp_threads_end(osp_threads_watch *w, osp_arena *a, osp_threads *out, osp_err *err) OSP_CHECKED;
void osp_threads_drop(osp_threads_watch *w);

#endif
