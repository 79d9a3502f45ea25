/* SPDX-License-Identifier: Apache-2.0 */
/* cli/top_model.h: what `osprey top` knows of a process: slices of samples of the last seconds, and the rows made of them.
 * Knows neither processes nor terminals: slices come from a sampler, or from a test. */
#ifndef OSP_TOP_MODEL_H
#define OSP_TOP_MODEL_H

#include "base/arena.h"
#include "diagnose/diagnose.h"

/* Samples of one stack on one thread and goroutine. */
typedef struct {
    const osp_call *call; /* leaf first, inlined ones included */
    uint32_t ncall;
    int tid;
    uint64_t goid; /* 0: on no goroutine */
    double cpu_ns, wait_ns;
    osp_str reason; /* of the waiting; "" = none */
} osp_top_stack;

/* What was sampled in a short time. */
typedef struct {
    osp_arena arena; /* owns what is below */
    double seconds;
    const osp_top_stack *stack;
    uint32_t nstack;
    bool has_wait; /* waiting was sampled too */
    uint64_t samples, whole, lost;
    uint32_t hz;
    uint32_t unseen; /* goroutines that there was no time to look at: their waiting is missing */
    osp_str gave_up; /* "" = nothing */
} osp_top_slice;

/* A slice of a recording with names; recording and profile may go after it. */
bool osp_top_slice_of(const osp_recording *rec, const osp_profile *named, osp_top_slice *out,
                      osp_err *err) OSP_CHECKED;
void osp_top_slice_drop(osp_top_slice *s);

/* The slices of the last `seconds`; older ones go. */
typedef struct osp_top_model osp_top_model;
osp_top_model *osp_top_model_new(double seconds, osp_err *err);
void osp_top_model_drop(osp_top_model *m);
void osp_top_model_clear(osp_top_model *m);
bool osp_top_model_add(osp_top_model *m, const osp_top_slice *s, osp_err *err) OSP_CHECKED;

typedef struct {
    double seconds; /* that the samples are of; 0 = none yet */
    uint64_t samples, whole, lost;
    uint32_t hz;
    uint32_t unseen; /* the most of a slice */
    bool has_wait;
    double cores;
    osp_str gave_up;
} osp_top_sum;
osp_top_sum osp_top_model_sum(const osp_top_model *m);

/* A thread as /proc has it, over the last refresh. */
typedef struct {
    int tid;
    char name[16], state;
    double cpu, queue; /* seconds a second: on a CPU; runnable, waiting for one */
} osp_top_thread;

typedef enum {
    OSP_TOP_PROCESSES, /* not of this model */
    OSP_TOP_FUNCTIONS,
    OSP_TOP_THREADS,
    OSP_TOP_GROUPS,  /* goroutines by the function they began in; threads without any by theirs */
    OSP_TOP_REASONS, /* what is waited for */
    OSP_TOP_AROUND,  /* a function: its callers, itself, its callees */
    OSP_TOP_VIEWS,
} osp_top_view;

/* The orders of a view, the first being the usual one; NULL past the last: "self", "total", "wait", "name" … */
const char *osp_top_order(osp_top_view view, size_t i);

typedef struct {
    osp_top_view view;
    size_t order;                 /* index of osp_top_order */
    int tid;                      /* this thread only; 0 = all */
    uint64_t group, reason;       /* this group only, this reason, by the ids of their rows; 0 = all */
    uint64_t focus;               /* for OSP_TOP_AROUND: the id of a function's row */
    osp_str filter;               /* rows with this in their name or file, in any case; "" = all */
    const osp_top_thread *thread; /* by tid */
    uint32_t nthread;
} osp_top_question;

typedef enum { OSP_ROW_PLAIN, OSP_ROW_CALLER, OSP_ROW_FOCUS, OSP_ROW_CALLEE } osp_row_role;

typedef struct {
    uint64_t id; /* stays the same from refresh to refresh; never 0 */
    osp_row_role role;
    osp_str name, file; /* of a function; name of a thread */
    osp_call_kind kind;
    double self, total,
        wait;     /* seconds a second, in the function itself or with it on the stack; a thread's CPU is total */
    double queue; /* of a thread */
    uint32_t goroutines; /* that were seen in a group */
    int tid;
    char state;
    osp_str most;   /* of what is no function: the one, of the program's own if any, that most of it goes to */
    osp_str reason; /* that it waits for longest */
} osp_top_row;

/* Rows in their order, in the arena; their texts live as long as the model. */
bool osp_top_rows(const osp_top_model *m, const osp_top_question *q, osp_arena *a, osp_top_row **out, uint32_t *n,
                  osp_err *err) OSP_CHECKED;

/* "Go", "std", "runtime", "cgo", "C", "libc", "vDSO", "kernel", "?". */
const char *osp_top_origin(osp_call_kind kind);

/* Is the word in the text, whatever the case of its ASCII letters? */
bool osp_top_has(osp_str text, osp_str word);

#endif
