/* SPDX-License-Identifier: Apache-2.0 */
/* sample/sample.h: takes samples of processes from outside and makes an address-only profile of them.
 *
 * By BPF where the kernel lets us: complete stacks through Go, cgo, C, the vDSO and the kernel. Else by perf events
 * with copied user stacks, unwound here by the same rows. Where there are no perf events at all, by looks at /proc: times
 * are right, and where threads wait; where code runs is not seen. No process is ever stopped.
 *
 *     osp_sampler_start -> { osp_sampler_run -> osp_sampler_take }... -> osp_sampler_stop       osp_record: once round
 */
#ifndef OSP_SAMPLE_H
#define OSP_SAMPLE_H

#include "goruntime/goruntime.h"
#include "model/model.h"
#include "object/object.h"
#include "target/target.h"

#include <signal.h>

/* Why the unwinding of a user stack ended. All but the first are truncations. */
typedef enum {
    OSP_END_ROOT,        /* complete: at the thread's or goroutine's entry */
    OSP_END_NO_MAPPING,  /* a pc outside every mapping with code */
    OSP_END_NO_ROW,      /* no unwind row for a pc, and no plausible frame pointer */
    OSP_END_UNSUPPORTED, /* a rule that cannot be expressed in a row */
    OSP_END_UNREADABLE,  /* stack memory could not be read */
    OSP_END_STUCK,       /* the stack pointer did not move up */
    OSP_END_GO_SWITCH,   /* in the middle of a switch between Go stacks */
    OSP_END_DEPTH,       /* more frames than we keep (1024) */
    OSP_END_STACK_COPY,  /* fallback: behind the copied part of the stack, where the process had moved on */
    OSP_END_BUDGET,      /* not walked: events came too fast for that */
    OSP_END_UNSEEN,      /* without perf events: where a thread runs is not seen */
    OSP_END_REASONS,
} osp_unwind_end;

/* How long goroutines were in one state for one reason, all of them together, and the standard error of that. */
typedef struct {
    char state[12];  /* waiting, runnable, preempted, syscall, running */
    char reason[72]; /* "chan receive", "chan receive, then waiting for a CPU" */
    double seconds, error_s;
} osp_wait_row;

enum { OSP_WAIT_ROWS = 24 };

/* The exact way, by uprobes. */
typedef struct osp_exact_stats {
    uint64_t waits;     /* that ended meanwhile */
    uint64_t hits;      /* of the two probes */
    uint64_t lost;      /* waits that found no room in our tables */
    uint64_t hit_ns;    /* CPU time of one hit, tried out on this machine; 0 = not known */
    double switches_hz; /* how often a second goroutines were let run, before we began */
} osp_exact_stats;

/* How the event `wait` was measured: by looks at the runtime's own tables. */
typedef struct osp_wait_stats {
    uint32_t
        processes; /* that were looked at; of several, the next three are those of the one that was for the longest */
    uint64_t duration_ns;
    uint64_t passes, missed;         /* missed: a pass took longer than the time between two */
    uint64_t looked, unwound;        /* looks at goroutines; those whose stack had to be read: it was not as before */
    uint64_t torn;                   /* goroutines that would not hold still: of their stack we have the leaf */
    uint64_t unread, lost;           /* not readable; no room in our tables */
    uint64_t cpu_ns, slowest_ns;     /* CPU time of all passes, of the slowest */
    uint64_t ended[OSP_END_REASONS]; /* of the stacks read */
    uint32_t goroutines;             /* on the runtime's list, dead ones included */
    bool late;                       /* many goroutines were looked at less often than was due */
    uint32_t unreached;              /* goroutines that were not looked at at all: there was no time */
    bool by_goroutine;               /* samples have the label goroutine: there were not too many of them */
    bool normal_priority;            /* real-time priority was refused: on busy cores waits read up to 2 % high */
    bool by_exact;                   /* waits that are not for a CPU are exact: */
    osp_exact_stats exact;
    osp_wait_row row[OSP_WAIT_ROWS]; /* the longest first */
    uint32_t nrow;
} osp_wait_stats;

/* How the events `malloc` and `go-allocs` were measured: in windows, with probes in the program. Their values are those of
 * the windows. */
typedef struct osp_alloc_stats {
    uint32_t windows;
    uint64_t windows_ns; /* all of them */
    uint64_t hits;       /* of probes */
    bool full;           /* a window ended early, for its hits were enough */
} osp_alloc_stats;

typedef struct osp_sample_stats {
    uint64_t taken;                  /* samples in the profile */
    uint64_t lost;                   /* no room in a buffer, the kernel's or ours */
    uint64_t ended[OSP_END_REASONS]; /* by reason; ended[OSP_END_ROOT] = complete */
    uint64_t frame_pointer_steps;    /* frames crossed by frame pointer where no row was known */
    uint64_t duration_ns;            /* wall time sampled */
    uint64_t bpf_run_ns, bpf_runs;   /* the kernel's own run-time statistics, if it keeps them */
    uint32_t hz;                     /* at the end */
    bool by_bpf;
    bool by_proc;        /* by looks at /proc: where code runs is not seen */
    char state;          /* of the process at the end: R S D T …; 0 = it has ended */
    char gave_up[240];   /* one line: what the fallback could not do and why; "" if nothing */
    osp_wait_stats wait; /* passes = 0: not asked for */
    osp_alloc_stats alloc;
} osp_sample_stats;

/* ---- what is measured -------------------------------------------------------------------------------------- */

/* Where a column of the profile gets its value from. */
typedef enum {
    OSP_FROM_VALUE0, /* the sample's values, in the order of osp_raw_sample.value */
    OSP_FROM_VALUE1,
    OSP_FROM_VALUE2,
    OSP_FROM_COUNT, /* how many events it stands for */
    OSP_FROM_SUM,   /* of its values */
} osp_column_from;

typedef struct {
    const char *type, *unit; /* as pprof names sample types: "cpu", "nanoseconds" */
    osp_column_from from;
} osp_column;

enum { OSP_MAX_COLUMNS = 4 };

/* Where samples come from. */
typedef enum {
    OSP_BY_PERF,     /* a perf event on every thread */
    OSP_BY_OFF_CPU,  /* the scheduler's events: each time that a thread is back on a CPU */
    OSP_BY_WALL,     /* both */
    OSP_BY_SWITCHES, /* the scheduler's: each time that a thread leaves its CPU */
    OSP_BY_CALLS,    /* system calls, when they return */
    OSP_BY_WAKES,    /* the scheduler's: each time that a thread is woken */
    OSP_BY_POINT,    /* a tracepoint of the kernel */
    OSP_BY_ALLOCS,   /* probes on an allocator, in windows */
    OSP_BY_LOOKS,    /* goroutines are looked at in the runtime's tables */
} osp_event_source;

/* A kind of event: the word that -e takes, and the columns that it adds to the profile. One descriptor a kind, in
 * kinds.c; of tracepoints, which are named SYSTEM:NAME, as they are asked for. */
typedef struct osp_event_kind {
    const char *name, *help;
    osp_column column[OSP_MAX_COLUMNS];
    uint32_t ncolumn;
    uint32_t main; /* the column that people mean when they name the event */
    osp_event_source source;
    uint32_t perf_type; /* of perf_event_open, with the config below; of sources that have a perf event */
    uint64_t perf_config;
    /* Samples have the label state, with the first name; those of a second event, by the other configuration, with the
     * other. NULL: there are no states. */
    const char *state[2];
    uint64_t other_config;
    bool each;  /* a sample for each event, instead of so many a second */
    bool waits; /* its samples say why a thread was off the CPU */
    bool needs_bpf;
} osp_event_kind;

/* All kinds, ended by NULL. */
extern const osp_event_kind *const osp_event_kinds[];

enum { OSP_MAX_EVENTS = 16 };

enum { OSP_CALL_WORDS = 8 }; /* of 64 bits, one for each system call */

/* The events of a recording, each kind once. */
typedef struct {
    const osp_event_kind *kind[OSP_MAX_EVENTS];
    uint32_t n;
    bool some_calls; /* of system calls only those whose bits are set: */
    uint64_t call[OSP_CALL_WORDS];
    bool
        descriptors; /* system calls are told apart by descriptor too: osp_recording.used, and the label fd. Of one process */
} osp_event_list;

/* Read "cpu,page-faults", "syscalls:read,write", "sched:sched_process_exec"; what is made for tracepoints lives in the
 * arena (NULL: none are in text). EUSAGE names the word that is unknown, and what there is instead. */
bool osp_event_list_parse(osp_str text, osp_arena *a, osp_event_list *out, osp_err *err) OSP_CHECKED;
/* The system calls and the wake-ups of a process; names: "read,write" (""= all). */
bool osp_event_list_calls(osp_str names, osp_event_list *out, osp_err *err) OSP_CHECKED;

/* ---- a sampler --------------------------------------------------------------------------------------------- */

typedef struct osp_sample_opts {
    /* Whose samples: of a process, and of more if they are given; of a cgroup and those inside it; of the whole machine. */
    int pid; /* 0: of the cgroup, or of the machine */
    const int *also;
    uint32_t nalso;
    bool children;            /* and of all that descend from these processes */
    const osp_cgroup *cgroup; /* NULL: none */
    bool machine;
    bool user_only, kernel_only; /* leave out what the other side does */
    osp_event_list events;       /* none = cpu */
    /* The same process and its Go runtime, where the caller has them open already: borrowed for the recording. NULL =
     * osp_record opens them. */
    osp_process *process;
    osp_go *go;
    double seconds; /* 0 = until stop or the process ends */
    uint32_t hz; /* samples per second of CPU time; 0 = 99, raised for light loads where CPU is all that is asked */
    bool no_bpf; /* use the fallback even where BPF works */
    bool places; /* what does not say where code runs is of no use: fail rather than look at /proc */
    bool exact;  /* of `wait`: uprobes on the runtime measure each wait; for the first take only */
    /* Called once before they are attached, with what is to be expected; NULL = never. */
    void (*forecast)(void *ctx, const struct osp_exact_stats *cost);
    bool wakers;   /* above a thread's stack off its CPU stands, from its leaf on, that of the thread which woke it */
    bool creators; /* below a goroutine's first function stands the one that made it */
    /* pid is a child that waits before its exec: release() lets it go and returns once it has exec'ed (or false and
     * *err if it could not). Sampling starts with the new program. NULL = an ordinary process. */
    bool (*release)(void *ctx, osp_err *err);
    void *release_ctx;
    const volatile sig_atomic_t *stop; /* set by a signal handler to end early; NULL = never */
    osp_objects *objects;              /* where opened files are kept; outlives the recording */
    /* Called about four times a second; NULL = never. */
    void (*progress)(void *ctx, const struct osp_sample_stats *so_far, double elapsed_s);
    void *progress_ctx;
} osp_sample_opts;

const char *osp_unwind_end_text(osp_unwind_end e); /* "no unwind row" */

/* The standard error of a share of 10 %, in percent points: how exact these samples are. 100 without any. */
double osp_sample_error_pct(const osp_sample_stats *s);

/* One thread as seen by the samples. */
typedef struct {
    int pid, tid;
    char name[16];
    uint64_t samples, cpu_ns;
    uint64_t m, goid; /* address of its M (0: no M of the Go runtime owns it), last goroutine seen on it */
} osp_sampled_thread;

/* ---- system calls, and wake-ups ------------------------------------------------------------------------------- */

enum { OSP_TIME_STEPS = 512 }; /* of an eighth of a power of two */

typedef enum { OSP_MOVES_NOTHING, OSP_MOVES_IN, OSP_MOVES_OUT } osp_call_moves;

/* All calls of one system call, or of one operation of futex. */
typedef struct osp_called {
    uint32_t nr, op; /* op: of futex, + 1; else 0 */
    osp_call_moves moves;
    uint64_t calls, errors;
    uint64_t nothing;    /* that gave 0: nothing was ready, the end of a file */
    uint64_t bytes;      /* read or written */
    uint64_t ns, max_ns; /* in the call */
    uint32_t step[OSP_TIME_STEPS];
} osp_called;

/* All calls of one system call on one descriptor that ended the same way. */
typedef struct osp_used {
    uint32_t nr, error; /* error: an errno; 0 = none */
    int fd;
    uint64_t calls, nothing, bytes, ns;
} osp_used;

osp_call_moves osp_call_moves_of(uint32_t nr); /* do its results count bytes, and which way do they go? */
const char *osp_futex_op_text(uint32_t op);    /* "wait", "wake"; NULL: op is 0 or unknown */
/* "EAGAIN"; of the kernel's own for a call that a signal interrupts, which no program sees, as strace has them; "errno 999",
 * written into number, of those that have no name. */
enum { OSP_ERRNO_NUMBER = 24 };
const char *osp_failure_text(uint32_t error, char number[OSP_ERRNO_NUMBER]);
/* The time within which that share of the calls returned, in ns: right to 6 %. */
uint64_t osp_called_quantile(const osp_called *c, double share);
/* The step that counts a time. */
uint32_t osp_time_step(uint64_t ns);

/* Why a thread was woken. */
typedef enum {
    OSP_CAUSE_UNKNOWN, /* inherited from a thread of which nothing is known yet */
    OSP_CAUSE_CODE,    /* the program's own */
    OSP_CAUSE_RUNTIME, /* Go's: the garbage collector and its like */
    OSP_CAUSE_SYSMON,  /* Go's monitor thread */
    OSP_CAUSE_TIMER,
    OSP_CAUSE_NETWORK,
    OSP_CAUSE_DISK,
    OSP_CAUSE_KERNEL,  /* a thread of the kernel, another interrupt */
    OSP_CAUSE_PROCESS, /* another process, that is not sampled */
    OSP_CAUSES,
} osp_cause;
const char *osp_cause_text(osp_cause c); /* "code", "timer" */

/* Wake-ups of one kind from one place in another. */
typedef struct osp_wake {
    osp_cause cause;
    bool inherited;     /* the waker is Go's scheduler, that hands on why it runs itself */
    bool by_thread;     /* waker and waker_tid are known */
    uint32_t call;      /* the system call + 1 by which it was done; 0: by none */
    osp_stack_id waker; /* in the profile: of the waking thread */
    osp_stack_id code;  /* of what has caused it: where inherited, another one */
    osp_stack_id woken; /* where the woken thread slept */
    uint32_t waker_tid, woken_tid;
    uint64_t count;
} osp_wake;

typedef struct osp_recording {
    char name[16];        /* of the process when it began (comm) */
    osp_profile *profile; /* address-only; sample types: the events' columns; labels below */
    osp_object **object;  /* by mapping id; NULL where unknown. Owned by opts.objects, the array by us */
    uint32_t nobject;
    osp_jit **jit; /* by mapping id: what a compiler in the process says of its code; NULL where unknown. Ours */
    osp_sample_stats stats;
    osp_sampled_thread *thread;
    uint32_t nthread;
    osp_called *called; /* of the event syscalls, by number and operation */
    uint32_t ncalled;
    osp_used *used; /* where descriptors were asked for */
    uint32_t nused;
    osp_wake *wake; /* of the event wakeups */
    uint32_t nwake;
} osp_recording;

/* Labels of every sample: reason (text: what a thread off its CPU waited for; of events that measure that), thread (text: its name), tid (number), goroutine (number; absent off goroutines), domain
 * (text: go, runtime, c, vdso, kernel), and the goroutine's own pprof labels. Of several processes also process (text)
 * and pid (number). */

typedef struct osp_sampler osp_sampler;

/* Begin to sample; opts must live until the stop. NULL if nothing can be sampled at all. */
osp_sampler *osp_sampler_start(const osp_sample_opts *opts, osp_err *err);
/* Collect for that many seconds (0: without end). True: go on; false: *stop was set or the process has ended. */
bool osp_sampler_run(osp_sampler *s, double seconds);
/* What was sampled since the start or the last take; sampling goes on. */
bool osp_sampler_take(osp_sampler *s, osp_recording *out, osp_err *err) OSP_CHECKED;
/* Take no more samples; what is there can still be taken. */
void osp_sampler_pause(osp_sampler *s);
void osp_sampler_stop(osp_sampler *s);

/* Sample until the time is over, *stop is set or the process ends. What was sampled until then is kept: an early
 * end is no error. False and *err if no sample could be taken at all. */
bool osp_record(const osp_sample_opts *opts, osp_recording *out, osp_err *err) OSP_CHECKED;
void osp_recording_drop(osp_recording *r);

#endif
