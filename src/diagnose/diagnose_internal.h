/* SPDX-License-Identifier: Apache-2.0 */
/* diagnose_internal.h: what the rules share. All pure. */
#ifndef OSP_DIAGNOSE_INTERNAL_H
#define OSP_DIAGNOSE_INTERNAL_H

#include "diagnose/diagnose.h"

static inline bool osp_is_go_call(const osp_call *c)
{
    return c->kind == OSP_CALL_GO || c->kind == OSP_CALL_STD || c->kind == OSP_CALL_RUNTIME;
}

/* A frame of the passage between Go and C. The file has had this name since Go 1.0. */
static inline bool osp_is_crossing_frame(const osp_call *c)
{
    return c->kind == OSP_CALL_CGO ||
           (c->kind == OSP_CALL_RUNTIME &&
            (osp_str_starts(osp_str_base(c->file), S("cgocall.go")) || osp_str_has(c->func, S("cgocall"))));
}

/* 0 at lo and below, 1 at hi and above. */
static inline double osp_ramp(double x, double lo, double hi)
{
    return x <= lo ? 0 : x >= hi ? 1 : (x - lo) / (hi - lo);
}

/* The standard error of a share seen in n samples. */
double osp_share_error(double share, uint64_t n);

/* ---- marks: which stacks show the sign ------------------------------------------------------------------------ */

/* What a rule says of one stack. */
typedef struct {
    bool sign;     /* it shows the sign */
    bool with;     /* it belongs to the same loop without showing the sign itself */
    uint32_t call; /* the function to blame: index into stack.call; UINT32_MAX if unknown */
} osp_mark;

/* The marked part of a process, task by task: a task is a goroutine, or a thread where the sample was on none. A
 * process is judged by its tasks, so that one sick goroutine is seen beside many healthy ones; and as a whole, so that
 * many short-lived ones are seen too. */
typedef struct {
    double sign, with;  /* shares of the process: of the chosen tasks */
    double of_tasks;    /* (sign + with) / all samples of the chosen tasks */
    double demand;      /* cores: of the chosen tasks, their marked part */
    uint64_t samples;   /* with a sign, in the chosen tasks */
    uint32_t tasks;     /* how many were chosen; 0 if the process was judged as a whole */
    uint64_t goid;      /* of the heaviest chosen task; 0 if it is a thread */
    int tid;            /* of the heaviest chosen task */
    const bool *chosen; /* by stack */
} osp_marked;

typedef struct {
    double task_fraction; /* chosen from: (sign + with) of the task's samples */
    double task_sign;     /* and sign alone */
    double
        process_fraction; /* the process as a whole is chosen from, with task_sign of its marked part; > 1 = never */
    bool by_thread;       /* tasks are threads */
} osp_mark_limits;

/* Mark as "with" the samples that end in a function which signs blame: the body of the loop around the sign. */
void osp_marks_add_bodies(const osp_facts *f, osp_mark *mark);

/* Equal for the stacks of one task: of a goroutine, bit 0 set, or of a thread. */
static inline uint64_t osp_task_of(const osp_stack_fact *s, bool by_thread)
{
    return s->goid && !by_thread ? s->goid << 1 | 1 : (uint64_t)s->tid << 1;
}

/* False if no task is chosen or memory is out. */
bool osp_marks_weigh(const osp_facts *f, const osp_mark *mark, const osp_mark_limits *limits, osp_marked *out);

/* The function that the marked, chosen stacks blame most, and its heaviest stack. "with" stacks do not vote. */
typedef struct {
    const osp_call *call;        /* at its most frequent line */
    const osp_stack_fact *stack; /* the heaviest one that blames it */
    double share;                /* of the process, of the stacks that blame it */
} osp_blamed;
/* chosen: NULL = all. False: none known. */
bool osp_blame(const osp_facts *f, const osp_mark *mark, const bool *chosen, osp_blamed *out);
/* The same where each stack says by itself whom it blames: the index of the call, UINT32_MAX = none. */
typedef uint32_t osp_culprit(const osp_stack_fact *s);
bool osp_blame_by(const osp_facts *f, osp_culprit *of, osp_blamed *out);
uint32_t osp_place_of(const osp_stack_fact *s); /* osp_place_in all of its calls */

/* Index of the nearest call of that kind from the leaf, or UINT32_MAX. */
uint32_t osp_call_of_kind(const osp_stack_fact *s, osp_call_kind kind);

/* Who to blame in native code: the innermost function that is not a system library, else the innermost of those. */
uint32_t osp_native_culprit(const osp_stack_fact *s);

/* The entry function of a stack: the outermost one that is the program's (or a library's) own. NULL if unknown. */
const osp_call *osp_entry_of(const osp_stack_fact *s);

const osp_thread_fact *osp_thread_of(const osp_facts *f, int tid);

/* True if the clock was read by the program itself (not by the runtime's scheduler or timers). caller: index of who
 * called it; in_kernel: it fell through to a real system call. */
bool osp_is_clock_stack(const osp_stack_fact *s, uint32_t *caller, bool *in_kernel);

/* True if the sample lies in the passage between Go and C. caller: the Go function that crosses. */
bool osp_is_crossing_stack(const osp_stack_fact *s, uint32_t *caller);

/* True if native code runs there on behalf of a Go call. */
bool osp_is_cgo_native_stack(const osp_stack_fact *s);

/* ---- memory ------------------------------------------------------------------------------------------------ */

/* The part of the runtime that a stack is in, whatever the kernel does for it: OSP_IN_GO_GC, OSP_IN_GO_ALLOC … */
osp_domain osp_memory_domain(const osp_stack_fact *s);

/* Who asks for memory there: the innermost function of the program, else of the standard library; UINT32_MAX: neither. */
uint32_t osp_memory_caller(const osp_stack_fact *s);

/* The CPU that memory takes in Go: shares of the process, and in cores that are wanted. */
typedef struct {
    double gc, alloc;
    double gc_low; /* lower bound */
    double gc_cores, alloc_cores;
    uint64_t samples;
    bool has_blamed;
    osp_blamed blamed; /* who allocates most, by the CPU that this takes */
} osp_memory_cpu;
bool osp_memory_weigh(const osp_facts *f, osp_memory_cpu *out);

/* The CPU that collecting would not take if the heap could double between two collections, as it may by default: cycles are
 * as many as the room is small. A share of the process; 0 if the room is not known. */
double osp_memory_wasted(const osp_facts *f, const osp_memory_cpu *cpu);

/* What lies under certain calls, task by task or in the process as a whole. */
typedef struct {
    osp_marked marked;
    double share, low; /* of the process; lower bound */
    osp_blamed who;    /* the program's function that makes these calls */
} osp_under;
/* The call of a stack that is meant, or UINT32_MAX: an index; callers are above it. */
typedef uint32_t osp_under_what(const osp_stack_fact *s);
bool osp_under_weigh(const osp_facts *f, osp_under_what *what, double task_fraction, double process_fraction,
                     osp_under *out);

osp_str osp_memory_text(osp_arena *a, double bytes); /* "1.5 MB" */

/* Resident memory of native code, at the begin and the end, by the ledger. */
typedef struct {
    double was, now, per_s; /* bytes */
} osp_native_memory;
osp_native_memory osp_native_memory_of(const osp_facts *f);

/* Blame the place that asks for most, by amount: of its stack, the function that a finding names. what: the index of that
 * function, UINT32_MAX: none. False if there is none. */
typedef uint32_t osp_place_culprit(const osp_alloc_fact *all, const osp_stack_fact *s);
typedef struct {
    osp_blamed who;
    double amount; /* of all places that blame it */
    double part;   /* of all amounts */
} osp_alloc_blamed;
bool osp_alloc_blame(const osp_facts *f, const osp_alloc_fact *all, osp_place_culprit *what, osp_alloc_blamed *out);
/* The program's Go function, and where there is none the standard library's. */
uint32_t osp_alloc_go_culprit(const osp_alloc_fact *all, const osp_stack_fact *s);

/* Evidence that findings on the collector share. */
void osp_memory_gc_evidence(const osp_facts *f, osp_finding *x, const osp_memory_cpu *cpu);
void osp_memory_allocator_evidence(const osp_facts *f, osp_finding *x, const osp_memory_cpu *cpu);
/* ---- what Go's goroutines do --------------------------------------------------------------------------------- */

/* Where a goroutine stands, waits, or stood when it was put off its thread; by its stack, which says the same in all
 * releases. */
typedef enum {
    OSP_AT_WORK, /* anything else */
    OSP_AT_SEND,
    OSP_AT_RECEIVE,
    OSP_AT_SELECT,
    OSP_AT_MUTEX, /* in Lock or Unlock */
    OSP_AT_READ_LOCK,
    OSP_AT_WRITE_LOCK,
    OSP_AT_SLEEP,
    OSP_AT_IO, /* in the poller */
    OSP_AT_PLACES,
} osp_at;
osp_at osp_at_of(const osp_call *call, uint32_t n);

static inline bool osp_at_lock(osp_at at)
{
    return at == OSP_AT_MUTEX || at == OSP_AT_READ_LOCK || at == OSP_AT_WRITE_LOCK;
}

static inline bool osp_at_channel(osp_at at)
{
    return at == OSP_AT_SEND || at == OSP_AT_RECEIVE || at == OSP_AT_SELECT;
}

/* Where the CPU time of a Go process goes, what the kernel and the vDSO do for the runtime being the runtime's; shares.
 * Overlapping: a stack may be in several. */
typedef struct {
    double demand, voluntary_per_s; /* of all threads: cores; context switches */
    double user;                    /* the program's own work: neither the runtime nor waiting and waking */
    double scheduling;              /* finding, parking and waking goroutines and threads */
    double timers, births;          /* keeping timers and sleeping; making and ending goroutines */
    double handoff;                 /* between threads, because a goroutine is locked to one */
    double at[OSP_AT_PLACES];
} osp_go_work;
osp_go_work osp_go_work_of(const osp_facts *f);

/* The innermost call of the program's own, else of a library that is more than a way to wait; UINT32_MAX if none is
 * known. */
uint32_t osp_place_in(const osp_call *call, uint32_t n);

/* What of a group moved in the time of observation. */
static inline uint32_t osp_moving(const osp_group_fact *g) { return g->n - g->still; }

/* The group of a goroutine that is named as a candidate; NULL = not known. */
const osp_goroutine_fact *osp_holder_of(const osp_facts *f, uint64_t goid);
const osp_group_fact *osp_group_of(const osp_facts *f, const osp_goroutine_fact *h);

/* Blame the function in which a group stands; its chain begins with who made it. */
void osp_finding_blame_group(const osp_facts *f, osp_finding *x, const osp_group_fact *g);

/* "main.serve (serve.go:12)" of where a group stands; "an unknown place". */
osp_str osp_group_text(osp_arena *a, const osp_group_fact *g);
/* ---- places: who made the calls, the faults, the waits of a window ------------------------------------------------------ */

/* The program's own function that is behind a stack: the nearest one to its leaf that is neither the kernel's, nor the Go
 * runtime's, nor a library's that stands for the system (the standard one, libc, golang.org/x/sys); if there is none, the
 * nearest of those. UINT32_MAX: unknown. */
uint32_t osp_user_call(const osp_call *call, uint32_t n);

/* The function that most of the chosen places come from. share: its part of their count. False: none known. */
typedef bool osp_place_test(const osp_place_fact *p, const void *ctx);
bool osp_blame_places(const osp_facts *f, const osp_place_fact *row, uint32_t n, osp_place_test *chosen,
                      const void *ctx, osp_blamed *out);

/* Who logs there: the innermost Go call outside of the logger, or UINT32_MAX. */
uint32_t osp_log_caller(const osp_call *call, uint32_t n);

/* What the CPU samples say of the tasks that have a function on their stack. */
typedef struct {
    double share;    /* of the process: samples below the function */
    double of_tasks; /* those / all samples of the tasks that have one */
    double kernel;   /* part of them in the kernel */
    double demand;   /* cores: of the samples below it */
    uint64_t goid;   /* of the heaviest task; 0 if it is a thread */
    int tid;
} osp_below;
osp_below osp_samples_below(const osp_facts *f, const osp_call *func);

/* What a descriptor was used for in the window of system calls. */
typedef enum { OSP_IO_NONE, OSP_IO_IN, OSP_IO_OUT, OSP_IO_ACCEPT } osp_io;
osp_io osp_io_of(osp_str call);

/* One on which reads, writes or accepts came to nothing. */
typedef struct {
    const osp_used_fact *main; /* the most frequent way in which it did */
    double bad_per_s, good_per_s, closes_per_s;
} osp_sick_fd;
/* Those on which at least nine of ten came to nothing, by what bad() says of each row (so many a second), and which were not
 * closed for it; the worst first. */
typedef double osp_bad_use(const osp_used_fact *u);
uint32_t osp_sick_fds(const osp_facts *f, osp_bad_use *bad, osp_sick_fd *out, uint32_t most);
/* "descriptor 7 (tcp …)", "12 descriptors, 7 (tcp …) first". */
osp_str osp_sick_text(osp_arena *a, const osp_sick_fd *sick, uint32_t n);
bool osp_blame_sick(const osp_facts *f, const osp_sick_fd *sick, uint32_t n, osp_blamed *out);

/* A lock of native threads for which they queue: one of the program's own, or malloc's. */
typedef struct {
    double waits_per_s; /* futex calls for it */
    double share;       /* of all samples, that are in locking it; of malloc's: in malloc */
    double confidence;
    uint32_t waiting; /* threads that wait on one futex at the end */
    osp_str where;    /* "futex wait 0x…" */
    osp_blamed who;
} osp_native_lock;
uint32_t osp_wants_native_locks(const osp_facts *early);
bool osp_native_lock_of(const osp_facts *f, bool in_malloc, osp_native_lock *out);
void osp_native_lock_evidence(const osp_facts *f, osp_finding *x, const osp_native_lock *l);

/* The part of the process's CPU time that is the kernel's. */
double osp_kernel_share(const osp_facts *f);
/* Does it want enough CPU, and the kernel enough of that, for its system calls to be worth a look? */
uint32_t osp_wants_calls(const osp_facts *early);

/* ---- findings ------------------------------------------------------------------------------------------------ */

/* A new finding; NULL without memory.. */
osp_finding *osp_find(const osp_facts *f, osp_findings *out, const osp_rule *rule, const char *kind,
                      double confidence, double share);
void osp_finding_evidence(osp_finding *x, osp_str what, double value, const char *unit, const char *source);
/* Of what was seen over time: a core has none, and nothing is added. */
void osp_finding_over_time(const osp_facts *f, osp_finding *x, osp_str what, double value, const char *unit,
                           const char *source);
void osp_finding_blame(const osp_facts *f, osp_finding *x, const osp_blamed *b);

/* "func (file.c:12)", "func in libx.so" … for sentences. */
osp_str osp_call_text(osp_arena *a, const osp_call *c);
osp_str osp_rate_text(osp_arena *a, double per_s); /* "4.1 million", "210 000", "12" */

/* ---- goroutines that yield ----------------------------------------------------------------------------------- */

/* Looks now and then which goroutines stand in runtime.Gosched. NULL if this process does not let us. */
typedef struct osp_yields osp_yields;
osp_yields *osp_yields_new(osp_go *go, osp_process *p);
void osp_yields_drop(osp_yields *y);
void osp_yields_look(osp_yields *y);
/* Fill f->yield. The texts live as long as the objects. */
void osp_yields_facts(osp_yields *y, osp_facts *f);

/* ---- digesting ------------------------------------------------------------------------------------------------ */

/* From a symbolised profile to stack facts: f->stack, samples, in[], unsymbolised. leaf_addr[i]: run address and
 * mapping of the leaf of stack i below the kernel's frames. Threads (f->thread with has_m) must be there already. */
typedef struct {
    uint64_t addr; /* 0: none */
    osp_mapping_id mapping;
} osp_leaf;
/* All stacks of a profile with names, one after the other, leaf first. */
typedef struct {
    uint32_t first, n; /* into call */
    osp_leaf leaf;
} osp_flat_stack;
typedef struct {
    osp_call *call;
    osp_flat_stack *stack; /* by number in the profile */
} osp_flat_stacks;
bool osp_flatten(const osp_profile *p, osp_object *const *object, uint32_t nobject, osp_arena *a,
                 osp_flat_stacks *out, osp_err *err) OSP_CHECKED;

bool osp_digest(const osp_profile *p, osp_object *const *object, uint32_t nobject, osp_facts *f, osp_leaf **leaf,
                osp_err *err) OSP_CHECKED;

/* Fill f->loop: the loops around the hottest addresses. */
void osp_digest_loops(const osp_profile *p, osp_object *const *object, uint32_t nobject, osp_facts *f,
                      const osp_leaf *leaf, const osp_map *map, uint32_t nmap);

/* The cores that a stack's samples stand for: its part of its thread's demand. */
double osp_demand_of(const osp_facts *f, const osp_stack_fact *s);

#endif
