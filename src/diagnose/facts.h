/* SPDX-License-Identifier: Apache-2.0 */
/* diagnose/facts.h: what is known of a process, all that a rule may look at. Plain numbers and texts: they are collected
 * once, from a live process, from files or from an archive that somebody sent, and hold nothing of the process's memory.
 *
 * Facts are in sections. Each is filled, saved and loaded by one file in sections/. A rate that is not known is negative,
 * a section that could not be collected has known = false; rules then say nothing that would stand on it.
 *
 * A share is a fraction 0 .. 1 of the CPU time sampled in the process unless it says otherwise. */
#ifndef OSP_FACTS_H
#define OSP_FACTS_H

#include "goruntime/goruntime.h"
#include "inspect/inspect.h"
#include "model/model.h"
#include "object/object.h"
#include "sample/sample.h"
#include "target/target.h"

/* Instruments that cost the target or us more than a look: they run only where a rule asks for them after a first brief
 * observation, each in a window of its own. */
typedef enum {
    OSP_ASK_CALLS = 1 << 0,     /* system calls: by name, errno, descriptor and stack */
    OSP_ASK_OFF_CPU = 1 << 1,   /* where threads wait, and for what */
    OSP_ASK_FAULTS = 1 << 2,    /* page faults by stack */
    OSP_ASK_WAKES = 1 << 3,     /* who wakes whom */
    OSP_ASK_BIRTHS = 1 << 4,    /* processes that are started */
    OSP_ASK_MALLOC = 1 << 5,    /* probes on malloc and free of the C library */
    OSP_ASK_GO_ALLOCS = 1 << 6, /* probes on the Go runtime's allocation */
    OSP_ASK_SIGNALS = 1 << 7    /* signals that it sends, and that are sent to it */
} osp_ask;

/* Where CPU time goes, by the leaf of each sample and by what called it. */
typedef enum {
    OSP_IN_GO_USER,      /* Go code outside the runtime, standard library included */
    OSP_IN_GO_SCHEDULER, /* runtime: finding, parking, waking */
    OSP_IN_GO_GC,        /* runtime: marking, sweeping, assists */
    OSP_IN_GO_ALLOC,     /* runtime: allocation */
    OSP_IN_GO_OTHER,     /* runtime: all else (maps, channels, memmove, cgo crossing …) */
    OSP_IN_CGO_C,        /* native code under a cgo call */
    OSP_IN_C,            /* other native code */
    OSP_IN_VDSO,
    OSP_IN_KERNEL,
    OSP_IN_UNKNOWN, /* anonymous code (JIT), or no code known at the address */
    OSP_IN_DOMAINS,
} osp_domain;

const char *osp_domain_text(osp_domain d); /* "C under cgo", "Go user" … */

/* What a function activation is, for deciding who is to blame: a user function, or something below it. */
typedef enum {
    OSP_CALL_UNKNOWN, /* no code known at the address: anonymous mapping, unreadable file */
    OSP_CALL_GO,      /* Go: the program's own and third-party packages */
    OSP_CALL_STD,     /* Go: standard library */
    OSP_CALL_RUNTIME, /* Go: package runtime and what belongs to it */
    OSP_CALL_CGO,     /* glue that cgo made, on either side */
    OSP_CALL_C,       /* native code that is not a system library */
    OSP_CALL_LIB,     /* libc, libm, libpthread, ld.so, libstdc++ … */
    OSP_CALL_VDSO,
    OSP_CALL_KERNEL,
} osp_call_kind;

typedef struct {
    osp_str func, file, module; /* module: the file's base name; "[vdso]", "[kernel]" */
    int32_t line;               /* 0 if unknown */
    osp_call_kind kind;
    bool named; /* func is a name, not "libx.so+0x1139" */
} osp_call;

/* What kind of code this is. A pure function of the names. */
osp_call_kind osp_call_kind_of(bool is_go, osp_str func, osp_str file, osp_str module);

/* Samples of one stack on one thread and goroutine. */
typedef struct {
    const osp_call *call; /* leaf first, inlined ones included */
    uint32_t ncall;
    int tid;
    uint64_t goid; /* 0: on no goroutine */
    uint64_t samples;
    double share;
    osp_domain in;
    bool complete; /* reaches the thread's or goroutine's entry, as far as names tell */
} osp_stack_fact;

/* Samples of something else than CPU time, by stack: a system call, a page fault, a wait. */
typedef struct {
    const osp_call *call; /* leaf first, inlined ones included */
    uint32_t ncall;
    int tid;
    uint64_t goid; /* 0: on no goroutine */
    double count;  /* a second */
    double amount; /* of what the section says, a second */
    osp_str name;  /* what the section says: of which system call … ; "" = nothing */
    osp_str label; /* and: why it waited, the errno … ; "" = none */
    osp_domain in;
    uint32_t descriptor; /* of a system call, + 1; 0 = it has none */
} osp_place_fact;

/* The domain of a stack, by its leaf and what called it. on_m: the thread belongs to the Go runtime. */
osp_domain osp_domain_of(const osp_call *call, uint32_t ncall, bool on_m);

/* A thread seen both by /proc and by the samples. */
typedef struct {
    int tid;
    char name[16];
    double demand;          /* cores: (running + waiting for a CPU after being preempted) / window, /proc schedstat */
    double running;         /* cores */
    double sampled;         /* cores, by the samples */
    double voluntary_per_s; /* context switches */
    double involuntary_per_s;
    uint64_t samples;
    bool has_m;             /* an M of the Go runtime owns it */
    bool m_is_known;        /* has_m was read from the runtime, not guessed from the stacks */
    double cgo_calls_per_s; /* of its M; -1 if unknown */
    bool same_call;         /* it sat in one and the same cgo call for the whole window */
    uint64_t goid;          /* the goroutine that does so */
} osp_thread_fact;

/* The innermost loop around the hottest address of a function that is the leaf of many samples, by disassembly. */
typedef struct {
    osp_str func, file, module;
    int32_t line;
    osp_call_kind kind;
    double share;          /* of the process's samples: those in the loop */
    double of_its_threads; /* share of the loop in the threads that are mostly in this function */
    double demand;         /* cores, of those threads */
    double entropy_bits;   /* of the addresses of the samples that end in the function */
    uint32_t addresses;    /* how many distinct ones */
    uint32_t threads;
    osp_loop loop;
    osp_str load_symbol;         /* name of the variable at the one address it reads; "" if unknown */
    osp_str load_mapping;        /* what is mapped there: a file's name, "[heap]" … */
    uint64_t load_addr;          /* run address; 0 if it is not fixed */
    const osp_stack_fact *stack; /* the heaviest stack that ends in the loop */
} osp_loop_fact;

/* The process at one moment; about four a second are kept, fewer of a long observation. */
typedef struct {
    double at_s; /* from the begin of the observation */
    osp_usage usage;
    int64_t goroutines; /* -1 = not known */
    /* Of Go, bytes; 0 = not known. marked: what the last collection found alive; live: that and what came since. */
    uint64_t heap_live, heap_inuse, heap_idle, heap_released;
    uint32_t collections; /* of the Go heap, since its start */
} osp_moment;

enum { OSP_MOMENTS = 512 };

/* What /proc says over the observation. */
typedef struct {
    bool known;
    double seconds; /* from the first moment to the last */
    osp_moment *moment;
    uint32_t n;
    uint64_t fd_limit; /* 0 = not known */
    double user_cores, system_cores, children_cores;
    double minor_faults_per_s, major_faults_per_s;
} osp_process_fact;

/* All system calls of one name, or one operation of futex, in the window. */
typedef struct {
    osp_str name; /* "read", "futex wait" */
    uint32_t nr;
    double per_s, errors_per_s, nothing_per_s, bytes_per_s; /* nothing: gave 0 */
    double time_per_s;                                      /* seconds in it, a second, of all threads */
    uint64_t p50_ns, p99_ns, max_ns;
} osp_called_fact;

/* All calls of one name on one descriptor that ended the same way. */
typedef struct {
    osp_str name, error; /* error: the errno; "" = none */
    int32_t fd;
    osp_str what; /* "tcp 10.0.0.1:443 → 10.0.0.2:5123", "pipe", "/var/log/x"; "" if it was closed since */
    osp_str kind, state, peer; /* of a socket: "tcp", "CLOSE_WAIT" (of TCP that is not established), its peer */
    uint64_t unread;           /* of a socket: bytes that wait in it */
    double per_s, nothing_per_s, bytes_per_s, time_per_s;
} osp_used_fact;

/* A descriptor of an epoll set that is ready at the end of the window. */
typedef struct {
    int32_t epoll_fd, fd;
    uint32_t events, ready; /* EPOLL…: asked for; there */
    osp_str what;
} osp_ready_fact;

typedef struct {
    bool known;
    double seconds, per_s;
    osp_called_fact *row; /* the most frequent first */
    uint32_t n;
    osp_used_fact *used; /* likewise; the 256 most frequent */
    uint32_t nused;
    osp_ready_fact *ready; /* of epoll sets that are asked more often than 1000 times a second */
    uint32_t nready;
    osp_place_fact *place; /* amount: nanoseconds in the call; name: as in row; label: the errno, "" = none */
    uint32_t nplace;
} osp_call_facts;

/* ---- memory ---------------------------------------------------------------------------------------------------------- */

/* A collection of the Go heap that has ended. */
typedef struct {
    uint32_t number;
    double at_s;          /* when it ended, as in osp_moment; negative: before the observation */
    uint64_t live_bytes;  /* what it found alive */
    double mark_s, cpu_s; /* how long it marked, and the CPU time that took; 0 = not known */
} osp_collection;

enum { OSP_COLLECTIONS = 64 };

/* The collector of Go, by the runtime's own figures. */
typedef struct {
    bool known;
    double seconds, cycles_per_s, forced_per_s; /* forced: by the program's own call of runtime.GC and its like */
    double pause_s_per_s;
    /* CPU time by purpose, in cores, over the cycles that ended (since Go 1.20); worker: with pauses; idle: by workers that
     * run only where a P has nothing else to do. */
    bool has_cpu;
    double assist_cores, worker_cores, idle_cores;
    bool has_percent;
    int32_t percent;     /* GOGC; negative = off */
    int64_t limit_bytes; /* GOMEMLIMIT; INT64_MAX = none */
    int32_t procs;       /* GOMAXPROCS; 0 = not known */
    /* Of several looks, the middle one. */
    double
        room; /* by how much the heap may grow until the next collection ends, as a part of what is live; -1 = not known */
    double by_limit; /* share of looks in which the limit, not GOGC, said how much */
    double limiter;  /* share of looks in which the collector was held back, to take no more than half of all CPU */
    /* At the last look, bytes. */
    uint64_t live, marked, goal, inuse, released, ready, stacks;
    double bytes_per_s, objects_per_s; /* that are allocated; -1 = not known */
    osp_collection *cycle; /* those that were seen to end, and the one before, if it can be known; oldest first */
    uint32_t ncycle;
} osp_gc_fact;
/* ---- goroutines, the scheduler, timers, wake-ups of threads ----------------------------------------------------------- */

/* Something that goroutines wait on. */
typedef struct {
    osp_wait_kind kind;
    osp_wait_way way; /* of those of the group at hand */
    uint64_t addr;    /* of the channel; of the lock, where that is known; else of what the runtime waits on */
    uint32_t n, in, out, all; /* of the group; of all: to receive or read, to send or write, in any way */
    osp_str name;             /* of the global variable that it is; "" = none, or not known */
    bool has_chan, closed, timed;
    uint64_t len, cap;
    osp_lock_kind lock;
    bool has_lock, locked, starving;
    int64_t waiting, left; /* of a lock: those that wait, by its own count; readers that are in it */
    osp_str file;          /* of a descriptor: its peer, or its name */
    bool sought;           /* the stacks of all others were looked through for it */
    uint32_t candidates;   /* that have it on their stacks and do not wait on it */
    uint32_t
        near; /* that have the structure around it, or stand in a function that uses the variable, and do not wait on it */
    const uint64_t *holder; /* goids of the first of them, candidates before those that are near */
    uint32_t nholder;
} osp_waited_fact;

/* A goroutine by itself: one that may hold what others wait on. */
typedef struct {
    uint64_t goid;
    uint32_t group; /* its number in osp_goroutine_facts.group; UINT32_MAX = in none that was kept */
    bool still;     /* it did not run for the whole time */
    uint64_t on[2]; /* what it waits on, as in osp_waited_fact.addr; 0 = nothing, or not known */
} osp_goroutine_fact;

/* Goroutines that do the same: one stack, one creator. */
typedef struct {
    uint32_t n;
    uint32_t born;        /* of them, in the time of observation */
    uint32_t still;       /* of those that are older: did not run in all that time; are in the same system call */
    uint32_t locked;      /* to their threads */
    uint32_t gone_alike;  /* of those that ended meanwhile: waited for the same reason when it began */
    uint8_t status;       /* OSP_G_… */
    osp_str state;        /* "chan receive", "running" … */
    const osp_call *call; /* leaf first; of those that run only what they began with */
    uint32_t ncall;
    osp_call creator, start;          /* func "" = not known */
    double least_s, median_s, most_s; /* they have waited, as far as the runtime keeps it; -1 = not known */
    uint64_t goid[4];                 /* of the first of them, 0 = no more */
    double last_s;                    /* of sleeps: the last of them ends in so long; -1 = none sleeps */
    double stood_s;   /* half of them did not run for so long at a time at least, by looks; -1 = not known */
    uint32_t objects; /* that they wait on, in all */
    const osp_waited_fact *object; /* those on which most wait */
    uint32_t nobject;
} osp_group_fact;

typedef struct {
    bool known;
    double seconds;              /* from the first look to the list */
    uint32_t n;                  /* not the runtime's own */
    uint32_t born, gone;         /* since the first look; gone: were there then, and are no more */
    double births_per_s;         /* by the runtime's own counter, those that ended at once included; -1 = not known */
    const osp_group_fact *group; /* the largest first */
    uint32_t ngroup;
    const osp_goroutine_fact *holder; /* those that are named as candidates */
    uint32_t nholder;
} osp_goroutine_facts;

/* The scheduler, by looks. Means over the looks unless something else is said. */
typedef struct {
    bool known;
    uint32_t looks;
    int32_t gomaxprocs, threads, idle_threads; /* at the end */
    double busy, in_call, idle;                /* Ps */
    double queued, spinning;                   /* goroutines that could run and do not; threads that look for work */
    uint32_t most_queued;
    double starved, stopped; /* shares of the looks: something was queued and a P idle; the world was stopped */
    double threads_per_s, threads_error;       /* growth, and its standard error */
    double timers, timers_per_s, timers_error; /* in the lists of the Ps: at the end; growth */
} osp_sched_fact;

/* Timers that are alike. */
typedef struct {
    osp_timer_kind kind;
    osp_call call;    /* what it calls, or where the goroutine sleeps */
    double period_s;  /* 0 = once */
    double horizon_s; /* the last of them is due in so long */
    uint32_t n, zombies;
    int64_t grown;         /* n less what it was at the begin */
    double late_s;         /* the most that one of them is late */
    double expiries_per_s; /* by the period, or by how far ahead they are due; -1 = not known */
} osp_timer_fact;

typedef struct {
    bool known, lazy; /* lazy: timers with channels that nobody waits for are in no list (Go 1.23 and later) */
    double seconds;
    uint32_t n, zombies;
    double expiries_per_s;       /* of those of which it is known */
    const osp_timer_fact *group; /* the largest first */
    uint32_t ngroup;
} osp_timer_facts;

/* Wake-ups of threads from one place in another, in a window. */
typedef struct {
    osp_cause cause;
    int waker_tid, woken_tid; /* waker: 0 = none */
    double per_s;
    const osp_call *waker, *woken; /* stacks, leaf first */
    uint32_t nwaker, nwoken;
} osp_wake_fact;

typedef struct {
    bool known;
    double per_s;
    const osp_wake_fact *row; /* the most frequent first */
    uint32_t n;
} osp_wake_facts;

/* ---- all of them ---------------------------------------------------------------------------------------------------- */
/* ---- events of a window: page faults, forks, signals, waits ---- */

typedef struct {
    bool known;
    double seconds, per_s;
    osp_place_fact *place;
    uint32_t nplace;
} osp_event_facts;

/* A child of the process, by its name. */
typedef struct {
    osp_str name;
    uint32_t seen; /* times, in a few looks */
} osp_child_fact;

/* ---- threads ---- */

/* Threads that are blocked alike at the end. */
typedef struct {
    osp_str state; /* "S", "D", "T", "t" … */
    osp_str call;  /* "read fd 0 (pipe)", "futex wait 0x7f…"; "" = in none, or not known */
    osp_str wchan; /* where they sleep in the kernel; "" = not known */
    uint32_t n;
    int32_t tid; /* of one of them */
} osp_blocked_fact;

typedef struct {
    bool known;
    double deep; /* threads in state D at a time, on average */
    uint32_t looks;
    uint32_t nthread;
    osp_blocked_fact *row; /* the most threads first */
    uint32_t n;
} osp_blocked_facts;

/* ---- cgroup and host ---- */

enum { OSP_PRESSURES = 3 };

typedef struct {
    bool known;
    osp_str path;       /* of the one whose CPU limit is tightest */
    double quota_cores; /* 0 = none */
    double period_ms;
    double periods_per_s, throttled_per_s; /* periods in which it had something to run; in which it was held back */
    double throttled_ms_per_s;
    uint64_t memory, memory_max, memory_high; /* bytes; max and high 0 = none */
    uint64_t reclaimable;                     /* of memory: page cache that has not been used lately */
    double high_per_s, max_per_s;             /* events: it met memory.high; its limit */
    uint64_t ooms;                            /* kills by it, ever */
    uint64_t pids, pids_max;                  /* 0 = not known; no limit */
    bool frozen;
} osp_cgroup_fact;

typedef struct {
    bool known;
    uint64_t memory, available, swap, swap_free; /* bytes of the host */
    double load;                                 /* of one minute */
    double swap_in_per_s, swap_out_per_s;        /* pages */
    double compact_stalls_per_s, direct_reclaims_per_s;
    /* Part of the time in which all waited: cpu, memory, io. Negative: not known. */
    double full[OSP_PRESSURES];
    osp_str thp; /* transparent huge pages: "always", "madvise", "never" */
    osp_str kernel;
    int32_t tracer; /* pid of a debugger; 0 = none */
    osp_str tracer_name;
} osp_host_fact;

/* ---- descriptors ---- */

typedef struct {
    osp_str kind;    /* "tcp", "tcp CLOSE_WAIT", "pipe", "file", "epoll" … */
    osp_str example; /* what one of them is, of the newest */
    uint32_t before, now;
} osp_fd_kind_fact;

/* A socket in which bytes wait to be read, or to be taken by its peer, at the end. */
typedef struct {
    int32_t fd;
    osp_str what, state;
    uint64_t unread_before, unread, unsent;
} osp_socket_fact;

typedef struct {
    bool known;
    double seconds;
    uint32_t before, now;
    osp_fd_kind_fact *kind; /* the most frequent first */
    uint32_t nkind;
    osp_socket_fact *socket;
    uint32_t nsocket;
} osp_fd_facts;

/* Where resident memory goes, at the begin and the end (inspect.h, osp_ledger). */
typedef struct {
    bool known;
    double seconds; /* between the two */
    uint64_t was[OSP_LEDGER_KINDS], now[OSP_LEDGER_KINDS];
    uint64_t resident, lazy_free, huge; /* at the end: all; of it, what the kernel may take; in large pages */
    uint64_t untouched;                 /* of the Go heap in use: never written to */
    uint32_t arenas, threads;           /* further arenas of glibc's malloc */
    uint64_t arenas_free;               /* in them: blocks that were freed; more are not counted */
    osp_str file;                       /* of which most is mapped and resident: its name; "" = none */
    uint64_t file_bytes;                /* of it */
    osp_str growing;                    /* the mapping that grew most: a file's name, "[heap]", "anonymous" */
    int64_t growing_bytes;
} osp_ledger_fact;

/* Memory that is asked for, by stack, in short windows with probes. Of malloc, place.count is calls and place.amount bytes that
 * were not freed by the window's end; of Go, count is of samples and amount bytes; each a second. */
typedef struct {
    bool known;
    double seconds; /* of the windows */
    double count_per_s, bytes_per_s, unfreed_per_s;
    bool full; /* probes were hit so often that the windows were cut short */
    osp_place_fact *place;
    uint32_t n;
} osp_alloc_fact;

/* A global variable of a Go program that held more values each time that it was looked at. */
typedef struct {
    osp_str name;
    bool is_map, inside; /* a slice or a map; in what the variable points at */
    double was, now;     /* values */
} osp_growing_fact;

/* A sync.Pool of Go whose values have slices, by looks at those that lie in it. A buffer is large from 1 MB of capacity on. */
typedef struct {
    osp_str name, type; /* of the variable that it is; of a large value: "*bytes.Buffer"; "" = not known */
    uint32_t seen;      /* different values */
    uint32_t large, used,
        part;                /* of them: large; whose length is most of that; whose length is less than an eighth */
    uint64_t bytes, largest; /* capacity of the large ones together, at one byte an element */
} osp_pool_fact;

/* A map of Go that has far more room than values. */
typedef struct {
    osp_str name;          /* of the variable that it is in; "" = none: it is on a stack, or behind one */
    uint64_t goid;         /* on whose stack it was met; 0 = none */
    uint64_t values, room; /* values it holds; that it has room for */
    uint64_t bytes;        /* of its tables; 0 = not known */
} osp_map_fact;

/* Slices with room for 1 MB and more, less than an eighth of it in use, that goroutines have on their stacks which stand in one
 * function of the program. */
typedef struct {
    osp_call at;
    uint32_t n;
    uint64_t bytes, used; /* together, at one byte an element */
} osp_slack_fact;

typedef struct osp_facts {
    osp_arena *arena;
    osp_process_info process; /* its command line is not saved: it may hold secrets */
    int pid;
    double uptime_s; /* 0 = not known */
    bool stopped;    /* by a signal or a debugger, so it was not sampled */
    bool from_files; /* no process was looked at */
    bool from_core;  /* a core was: one moment, without rates; all stand still */
    osp_str core;    /* its file */
    osp_str died;    /* of a core: what ended it, "SIGSEGV at 0x18"; "" = nothing did, or it is none */
    uint64_t window_ns;
    osp_str longer;    /* why it was observed for longer than asked; "" if it was not */
    double cores_used; /* by /proc */
    uint32_t host_cpus;
    char clocksource[OSP_CLOCKSOURCE_MAX];
    bool is_go;
    osp_str go_version;    /* "" if unknown */
    osp_str go_unreadable; /* why the runtime could not be read; "" if it was */
    int64_t goroutines;    /* -1 if unknown */
    osp_str unsampled;     /* why there are no samples; "" if there are */
    osp_sample_stats sampling;
    uint64_t samples; /* in the stacks below */
    const osp_stack_fact *stack;
    uint32_t nstack;
    double in[OSP_IN_DOMAINS];   /* shares */
    const osp_stack_fact *yield; /* goroutines seen waiting in runtime.Gosched: stack, goid, samples = times seen */
    uint32_t nyield;
    const osp_thread_fact *thread;
    uint32_t nthread;
    const osp_loop_fact *loop; /* of the hottest functions */
    uint32_t nloop;
    double cgo_calls_per_s;   /* from m.ncgocall; -1 if unknown */
    double sched_ticks_per_s; /* goroutine switches, from p.schedtick; -1 if unknown */
    double unsymbolised;      /* share of frames without a name */
    double sampled_cores;     /* by the samples, to be held against cores_used */
    osp_str disagree;         /* why samples and /proc differ; "" if they agree */

    uint32_t asked; /* osp_ask: which windows were tried */
    osp_process_fact proc;
    osp_call_facts calls;
    /* memory */
    osp_gc_fact gc;
    osp_ledger_fact ledger;
    osp_alloc_fact mallocs, go_allocs;
    bool growing_known;        /* its variables could be looked at, long enough */
    osp_growing_fact *growing; /* the one that grew by most values first */
    uint32_t ngrowing;
    osp_pool_fact *pool; /* the one with most in large buffers first */
    uint32_t npool;
    osp_map_fact *map; /* the one with most room first */
    uint32_t nmap;
    osp_slack_fact *slack; /* the one with most bytes first */
    uint32_t nslack;
    /* end of memory */
    osp_goroutine_facts goroutine;
    osp_sched_fact sched;
    osp_timer_facts timers;
    osp_wake_facts wakes;
    osp_fd_facts fds;
    osp_event_facts faults, births, signals, off_cpu;
    osp_child_fact *child;
    uint32_t nchild;
    osp_blocked_facts blocked;
    osp_cgroup_fact cgroup;
    osp_host_fact host;
} osp_facts;

/* How fast a number of the moments grows, a second, by least squares; its standard error in *error. 0 (and error
 * INFINITY) of fewer than three moments. */
typedef double osp_moment_value(const osp_moment *m);
double osp_slope(const osp_process_fact *p, osp_moment_value *value, double *error);

#endif
