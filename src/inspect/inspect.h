/* SPDX-License-Identifier: Apache-2.0 */
/* inspect/inspect.h: a program as an engineer thinks of it: structures of its runtime joined with stacks, names and what
 * /proc says. Commands print these models and do nothing else. Nothing is stopped and nothing is written. */
#ifndef OSP_INSPECT_H
#define OSP_INSPECT_H

#include "base/hash.h"
#include "goruntime/goruntime.h"
#include "model/model.h"
#include "space/space.h"

#include <signal.h>

/* ---- one look into a program ------------------------------------------------------------------------------------ */

/* A program that is looked into: its Go runtime, where its code lies, and the names of its addresses. */
typedef struct osp_inspect osp_inspect;

/* image and objects must outlive it. EABSENT: there is no Go in it. */
osp_inspect *osp_inspect_open(const osp_image *image, osp_objects *objects, osp_err *err);
void osp_inspect_close(osp_inspect *in);

const osp_image *osp_inspect_image(const osp_inspect *in);
osp_go *osp_inspect_go(const osp_inspect *in);
const osp_space *osp_inspect_space(const osp_inspect *in);
/* What the unwinder has to know of the runtime. */
const osp_unwind_go *osp_inspect_offsets(const osp_inspect *in);

/* ---- names ------------------------------------------------------------------------------------------------------ */

/* One function activation at an address of a stack; a call that was inlined has its own. */
typedef struct {
    osp_str func, file; /* "" = not known */
    int32_t line;       /* 0 = not known */
    bool go;            /* Go code */
    bool inlined;       /* into the next one */
    bool runtime;       /* of the Go runtime itself */
    bool std;           /* of Go's standard library, or of the runtime */
    bool wrapper;       /* made by the compiler: Go's own tracebacks leave it out */
    uint64_t pc;        /* run address at which it stands: of an outer one, where the inner one was inlined */
    uint64_t entry;     /* of the first byte of the function that holds it; 0 = not known */
} osp_spot;

/* Is it one that Go's tracebacks and profiles leave out: made by the compiler, and not what leads to a panic? callee: the
 * function that it calls. */
bool osp_spot_is_elided(const osp_spot *s, osp_str callee);

/* What stands at a run address as a stack has it, innermost call first; at least one. The rows live as long as in. */
size_t osp_inspect_spots(osp_inspect *in, uint64_t pc, const osp_spot **out);

/* The file address of a run address, and its object; NULL if none is known. */
osp_object *osp_inspect_object(const osp_inspect *in, uint64_t addr, uint64_t *file_addr);

/* ---- goroutines ------------------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t goid;
    uint64_t addr;    /* of its structure, runtime.g */
    uint64_t parent;  /* goid of the one that made it; 0 = not known */
    uint64_t gopc;    /* where its go statement returns to; 0 = none made it */
    uint64_t startpc; /* of its function; 0 = C called it */
    uint64_t m;       /* of its M, while it runs or is in a system call; else 0 */
    uint64_t lockedm; /* of the M that it is locked to; 0 = to none */
    int64_t
        waited_ns;  /* how long it has waited, as the runtime keeps it: since the end of the collection before the one
                           that met it waiting first, so that it may be too long by the time between two, and too short
                           for what waited before the first; -1 = not known: no two collections have met it */
    uint32_t stack; /* number in osp_goroutine_list.stack */
    uint32_t labels;    /* number in osp_goroutine_list.labels; 0 = it has none */
    uint32_t order;     /* its place in the runtime's list, by which the list here is sorted */
    uint8_t status;     /* OSP_G_… */
    uint8_t waitreason; /* says something while it waits */
    uint8_t kind;       /* osp_g_kind: the runtime's own do not count in runtime.NumGoroutine */
    bool torn;          /* it ran while it was read: state and place are of different moments */
} osp_goroutine;

/* A distinct stack: addresses to look names up with, leaf first: those of calls, not where they return to. Empty for one
 * that runs: its stack changes. */
typedef struct {
    const uint64_t *pc;
    uint32_t n;
    bool whole; /* it ends where goroutines begin */
} osp_go_stack;

/* All goroutines at one time, nearly. */
typedef struct {
    osp_arena arena; /* of what follows; not the rows of g */
    osp_goroutine *g;
    uint32_t n;
    osp_go_stack *stack;
    uint32_t nstack;
    osp_str *labels; /* for osp_labels_next; [0] is "" */
    uint32_t nlabels;
    const osp_m *m; /* all threads of the runtime */
    uint32_t nm;
    uint64_t taken_ns, took_ns; /* CLOCK_MONOTONIC at the begin; how long the reading took */
    uint32_t nuser;             /* of them not the runtime's own */
    int64_t counted;            /* what the runtime counts itself, as runtime.NumGoroutine does; -1 = not known */
    uint32_t again;             /* ran while they were read, and were read again */
    uint32_t torn;              /* ran each time */
    uint32_t cut;               /* have a stack that is not whole */
    uint32_t unread;            /* could not be read, or were no goroutines when they were */
} osp_goroutine_list;

/* Read them all. */
bool osp_inspect_goroutines(osp_inspect *in, osp_goroutine_list *out, osp_err *err) OSP_CHECKED;
void osp_goroutine_list_drop(osp_goroutine_list *l);

/* The M at an address; NULL if there is none. */
const osp_m *osp_goroutine_m(const osp_goroutine_list *l, uint64_t addr);

/* Where a goroutine stands for its reader: the innermost call of the program's own code; where all is the library's, the
 * function that it began with. NULL if nothing is known. */
const osp_spot *osp_goroutine_place(osp_inspect *in, const osp_goroutine_list *l, const osp_goroutine *g);
/* The innermost call that is not the runtime's (delve's userloc); the innermost of all (curloc). */
const osp_spot *osp_goroutine_user(osp_inspect *in, const osp_goroutine_list *l, const osp_goroutine *g);
const osp_spot *osp_goroutine_current(osp_inspect *in, const osp_goroutine_list *l, const osp_goroutine *g);
/* The go statement that made it (goloc). */
const osp_spot *osp_goroutine_creator(osp_inspect *in, const osp_goroutine *g);
/* The function that it began with (startloc): of `go f(x)` f, not the wrapper that the compiler made, unless it runs. */
const osp_spot *osp_goroutine_start(osp_inspect *in, const osp_goroutine_list *l, const osp_goroutine *g);
/* What it does in one word or two, as the runtime says it: "chan receive", "running". */
osp_str osp_goroutine_state(osp_inspect *in, const osp_goroutine *g);

/* ---- groups of goroutines --------------------------------------------------------------------------------------- */

/* What those of a group have in common. */
typedef enum {
    OSP_BY_STACK, /* the stack, what they do, the function that they began with, and who made them */
    OSP_BY_CREATOR,
    OSP_BY_STATE, /* running, waiting … */
    OSP_BY_WAIT,  /* what they wait for; of others their state */
    OSP_BY_LABEL, /* the value of one pprof label */
} osp_group_by;

/* What a goroutine must have, or must not. Texts are looked for in "function file:line", by small letters alone without
 * regard to case. */
typedef struct {
    enum {
        OSP_WITH_ANYWHERE, /* text: in a call of its stack, in its creator, in what it began with */
        OSP_WITH_USERLOC,
        OSP_WITH_CURLOC,
        OSP_WITH_GOLOC,
        OSP_WITH_STARTLOC,
        OSP_WITH_WAIT,    /* text: in what it does */
        OSP_WITH_RUNNING, /* runs */
        OSP_WITH_WAITING,
        OSP_WITH_USER,   /* is not the runtime's own */
        OSP_WITH_LABEL,  /* has the label `text`, with `value` if any_value is not set */
        OSP_WITH_LOCKED, /* is locked to its thread */
    } what;
    osp_str text, value;
    bool any_value;
    bool without;
} osp_goroutine_filter;

typedef struct {
    bool system; /* the runtime's own too */
    osp_group_by by;
    osp_str label; /* of OSP_BY_LABEL */
    uint64_t goid; /* this one alone; 0 = all */
    const osp_goroutine_filter *filter;
    size_t nfilter;
} osp_goroutine_query;

typedef struct {
    const uint32_t *member; /* numbers in osp_goroutine_list.g, in the runtime's order */
    uint32_t n;
    uint32_t example;                     /* one with the stack that most of them have */
    uint32_t nexample;                    /* that many have it */
    osp_str title;                        /* what they have in common; "" by stack */
    uint32_t nwaited;                     /* of them it is known how long they have waited */
    int64_t least_ns, median_ns, most_ns; /* of those; -1 = of none */
    uint32_t nlocked;                     /* are locked to their thread */
    uint32_t ntorn;                       /* ran while they were read */
    uint32_t labels, nlabels; /* the set of labels that most of them have, and how many have it; 0 = none */
    uint32_t nlabelled;       /* have some */
    osp_wide same;            /* tells this group from others, in later lists of the process too */
    uint32_t before;          /* how many there were; see osp_groups_compare */
} osp_goroutine_group;

typedef struct {
    osp_goroutine_group *row; /* the largest first */
    uint32_t n;
    uint32_t ngoroutine; /* in all of them */
} osp_goroutine_groups;

bool osp_inspect_groups(osp_inspect *in, const osp_goroutine_list *l, const osp_goroutine_query *q, osp_arena *a,
                        osp_goroutine_groups *out, osp_err *err) OSP_CHECKED;
/* Set `before` from the groups of an earlier list, and bring those that grew most to the front. */
bool osp_groups_compare(osp_goroutine_groups *now, const osp_goroutine_groups *was, osp_err *err) OSP_CHECKED;

/* The goroutines of these groups, which are by stack, as a profile: one sample each stack, labels and state. */
osp_profile *osp_inspect_profile(osp_inspect *in, const osp_goroutine_list *l, const osp_goroutine_groups *groups,
                                 osp_err *err);

/* ---- what goroutines wait on ------------------------------------------------------------------------------------ */

enum { OSP_WAIT_OBJECTS = 16, OSP_WAIT_REFERENCES = 8 };

/* Something that goroutines of a group wait on. */
typedef struct {
    osp_wait wait;    /* its way is unknown if some wait this way and some that */
    uint32_t n;       /* goroutines of the group that wait on it */
    uint32_t in, out; /* of all goroutines: wait to receive or read, to send or write */
    uint32_t all;     /* of all goroutines: wait on it */
    osp_str name;     /* of the global variable that it is; "" = none, or not known */
    bool has_chan;    /* chan is known */
    osp_chan chan;
    osp_str elem;       /* type of its values; "" = not known */
    osp_lock_kind kind; /* of a semaphore */
    bool has_lock;      /* lock is known */
    osp_lock lock;
    bool has_socket; /* socket is known */
    osp_socket socket;
    osp_str file; /* of a descriptor that is no socket; "" = not known */
    /* Goroutines that do not wait on it and have its address on their stacks; words of a stack may be old, so of a lock these
     * are candidates for who holds it, no more. */
    bool has_references; /* their stacks were looked through */
    uint32_t references;
    uint32_t
        near; /* and do not: have that of the structure around it, or stand in a function that uses the variable */
    uint64_t reference[OSP_WAIT_REFERENCES]; /* goids of the first of them; after them, of those that are near */
} osp_wait_object;

typedef struct {
    osp_wait_object *row;    /* those on which most wait first; at most OSP_WAIT_OBJECTS */
    uint32_t n, all;         /* rows; objects in all */
    uint32_t waiting, known; /* goroutines that wait for something that can be known; of them: it is known */
    int64_t first_ns,
        last_ns;      /* of sleeps: the first and the last to end, from when the list was taken; INT64_MIN = none,
                                  or, in a core, nobody knows */
    uint32_t sockets; /* of descriptors: sockets that were found in the kernel's tables … */
    uint32_t unread, unsent; /* … with bytes (or connections) that nobody has read yet, with bytes not sent yet */
    uint64_t unread_bytes, unsent_bytes;
} osp_group_waits;

/* One for each group; all is in the arena. What they wait on is read after the list was: of those that do not wait for the
 * same reason any more nothing is said. Who else refers to them is looked for if there are at most `few` goroutines. */
bool osp_inspect_waits(osp_inspect *in, const osp_goroutine_list *l, const osp_goroutine_groups *groups, uint32_t few,
                       osp_arena *a, osp_group_waits **out, osp_err *err) OSP_CHECKED;

/* ---- threads ----------------------------------------------------------------------------------------------------- */

/* What a thread is for, or what it does if it is for anything. */
typedef enum {
    OSP_ROLE_SYSMON,    /* M without P that watches the others: its start function is runtime.sysmon */
    OSP_ROLE_TEMPLATE,  /* starts threads for those that are locked: runtime.templateThread */
    OSP_ROLE_GC_WORKER, /* runs runtime.gcBgMarkWorker */
    OSP_ROLE_RUNTIME,   /* runs another goroutine of the runtime's own: sweeper, scavenger … */
    OSP_ROLE_SIGNAL,    /* receives signals (os/signal.loop), or keeps their mask (runtime.ensureSigM) */
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
    bool main;  /* the process's first */
    int signal; /* that ended it, in a core; 0 = none */
    bool has_m;
    osp_m m;
    int32_t p; /* its number; -1 = none */
    bool has_g;
    osp_g g;              /* the goroutine on it */
    uint64_t locked_goid; /* the goroutine that LockOSThread keeps on it; 0 = none */
    uint64_t locked_pc;   /* of the function that this was started with */
    osp_str g_function;   /* that the goroutine was started with; "" = none */
    osp_str g_state;      /* "running", "syscall" …; "" = none */
    osp_stack_state stack;
    const uint64_t *pc; /* of its stack, leaf first */
    uint32_t npc;
    const osp_thread_frame *frame; /* the same with names; calls that were inlined have their own */
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
    bool frozen; /* all stood still while their state was read */
    osp_freeze_report freeze;
    osp_str *note; /* what /proc and the runtime say otherwise of each other */
    uint32_t nnote;
} osp_threads;

typedef struct osp_threads_watch osp_threads_watch;

/* Look at all threads for the first time. image and objects must outlive it. */
osp_threads_watch *osp_threads_begin(const osp_image *image, osp_objects *objects, osp_err *err);
/* Look again: what they did since, and do now. freeze_ms, if not 0: stop the process for the part of it that has to be of one
 * moment, for so long at most. All in the arena. */
bool osp_threads_end(osp_threads_watch *w, unsigned freeze_ms, osp_arena *a, osp_threads *out,
                     osp_err *err) OSP_CHECKED;
void osp_threads_drop(osp_threads_watch *w);

/* ---- the scheduler over time --------------------------------------------------------------------------------------- */

typedef enum { OSP_P_IDLE, OSP_P_RUNNING, OSP_P_SYSCALL, OSP_P_STOPPED, OSP_P_DEAD, OSP_P_STATES } osp_sched_state;

/* A P over an interval. Shares are of looks. */
typedef struct {
    uint64_t looks, in[OSP_P_STATES];
    uint64_t queued; /* summed over the looks */
    uint32_t most_queued;
    uint64_t scheduled, calls; /* by schedtick and syscalltick: exact, over the interval */
    bool has_ticks;
    osp_sched_p last; /* as it was at the last look */
} osp_sched_row;

enum { OSP_SCHED_MARKS = 1024 };

/* An interval: sums over its looks. Begin with zeroes. */
typedef struct {
    uint64_t looks, torn;
    uint64_t busy, in_call, idle; /* Ps */
    uint64_t local, global;       /* goroutines in queues; those next on a P are not counted */
    uint32_t most_queued;
    uint64_t spinning;                     /* threads that look for work */
    uint64_t looks_spinning, looks_queued; /* with one or more */
    uint64_t looks_starved;                /* a goroutine was queued, and a P idle */
    uint64_t looks_stopped;                /* the world was stopped, or about to be */
    float busy_at[OSP_SCHED_MARKS], queued_at[OSP_SCHED_MARKS], spinning_at[OSP_SCHED_MARKS]; /* look n at n % 1024 */
    uint64_t since_ns, first_ns, last_ns; /* CLOCK_MONOTONIC; since: where the interval before ended, 0 = none */
    uint64_t cost_ns;                     /* CPU that looking took */
    osp_go_sched last;                    /* the last look, without its Ps */
    osp_sched_row *p;
    uint32_t np;
} osp_sched_span;
void osp_sched_span_drop(osp_sched_span *s);

/* Add a look; false without memory. */
bool osp_sched_add(osp_sched_span *s, const osp_go_sched *look);
/* Empty it for the next interval, which goes on where this one ends. */
void osp_sched_next(osp_sched_span *s);

typedef struct osp_sched_watch osp_sched_watch;
osp_sched_watch *osp_sched_watch_new(osp_go *go, osp_err *err);
void osp_sched_watch_drop(osp_sched_watch *w);
/* Look about 100 times a second, less often where a look is dear, until then or until *stop is set. */
bool osp_sched_watch_until(osp_sched_watch *w, uint64_t monotonic_ns, const volatile sig_atomic_t *stop,
                           osp_sched_span *s, osp_err *err) OSP_CHECKED;

/* ---- the collector over time ----------------------------------------------------------------------------------------- */

/* A cycle that has ended. */
typedef struct {
    uint32_t number;
    bool whole;        /* cycle is known; else the next one had begun when we looked */
    bool has_pause;    /* its pause and end are still in the ring */
    uint64_t pause_ns; /* both pauses together */
    uint64_t end_unix_ns;
    int32_t procs;
    osp_gc_cycle cycle;
} osp_gc_seen;
/* What is known of a cycle that is not after s->done. */
osp_gc_seen osp_gc_seen_of(const osp_go_gc *s, uint32_t number);

typedef struct osp_gc_watch osp_gc_watch;
osp_gc_watch *osp_gc_watch_new(osp_go *go, osp_err *err);
void osp_gc_watch_drop(osp_gc_watch *w);
const osp_go_gc *osp_gc_watch_now(const osp_gc_watch *w); /* the last whole look */

/* False: enough. */
typedef bool osp_each_gc(void *ctx, const osp_gc_seen *c, const osp_go_gc *now);
/* Tell each cycle that ends until then, or until *stop is set or each() has enough. Looks follow the rate of cycles and take
 * at most 1 % of a core. */
bool osp_gc_watch_until(osp_gc_watch *w, uint64_t monotonic_ns, const volatile sig_atomic_t *stop, osp_each_gc *each,
                        void *ctx, osp_err *err) OSP_CHECKED;

/* The last pauses, at most 256, oldest first. */
typedef struct {
    uint32_t n;
    uint64_t ns[OSP_GC_PAUSES], median_ns, p99_ns, max_ns;
    uint64_t span_ns; /* from the end of the first to that of the last */
} osp_gc_pauses;
void osp_gc_pauses_of(const osp_go_gc *s, osp_gc_pauses *out);

/* ---- timers -------------------------------------------------------------------------------------------------------- */

typedef enum {
    OSP_TIMER_TICKER,   /* sends to a channel again and again */
    OSP_TIMER_CHANNEL,  /* sends once: time.NewTimer, time.After */
    OSP_TIMER_FUNC,     /* calls what time.AfterFunc was given, in a goroutine of its own */
    OSP_TIMER_SLEEP,    /* time.Sleep of a goroutine */
    OSP_TIMER_DEADLINE, /* of reading or writing a descriptor */
    OSP_TIMER_RUNTIME,  /* of the runtime's own */
    OSP_TIMER_OTHER,
    OSP_TIMER_KINDS,
} osp_timer_kind;
osp_str osp_timer_kind_text(osp_timer_kind k);

/* Those that are alike: with one function and one period. */
typedef struct {
    osp_timer_kind kind;
    osp_str func,
        file; /* what AfterFunc was given; where a goroutine sleeps, or waits for the channel, of those that began with
                 one function; else what the runtime calls */
    int32_t line;
    int64_t period_ns;         /* 0 = once */
    uint32_t n;                /* that will go off */
    uint32_t zombies;          /* that were stopped and are still in the list; not in n */
    uint32_t blocked;          /* of n, with a goroutine that waits for the channel; since Go 1.23 */
    int64_t first_ns, last_ns; /* in how long they are due; negative: late; of n */
    int fd;                    /* of a deadline, one of them; -1 = none */
    char fd_text[160];         /* what that is; "" = not known */
    uint64_t goid;             /* of a sleep, or that waits for the channel, one of them; 0 = none */
} osp_timer_group;

typedef struct {
    int32_t p;
    uint32_t n, zombies;
    int64_t first_ns; /* in how long the next is due; of n */
} osp_timer_p;

typedef struct {
    osp_str go_version;
    osp_timer_group *group; /* the largest first */
    uint32_t ngroup;
    osp_timer_p *p;        /* those that have any */
    uint32_t np, nwithout; /* Ps that have any, and none */
    uint32_t n, zombies, torn;
    bool lazy; /* timers with channels that nobody waits for are in no list: not counted */
    bool live; /* when they are due is known: it is no core */
} osp_timers;

/* All in the arena. */
bool osp_inspect_timers(osp_inspect *in, osp_arena *a, osp_timers *out, osp_err *err) OSP_CHECKED;

/* ---- where resident memory goes ---------------------------------------------------------------------------------- */

/* What memory is of. Each resident byte is in one of them. */
typedef enum {
    OSP_LEDGER_GO_HEAP,     /* pages of the Go heap that are in use: objects that live, and garbage not yet swept */
    OSP_LEDGER_GO_IDLE,     /* pages of it that are free and were not given back */
    OSP_LEDGER_GO_RETURNED, /* that were given back, and are resident: by MADV_FREE, or by large pages */
    OSP_LEDGER_GO_STACKS,   /* of goroutines */
    OSP_LEDGER_GO_RUNTIME,  /* the runtime's own structures */
    OSP_LEDGER_C_HEAP,      /* malloc of C: what brk gave */
    OSP_LEDGER_C_ARENAS,    /* the further arenas of glibc's malloc */
    OSP_LEDGER_C_LARGE,     /* large blocks of glibc's malloc, each of its own mmap */
    OSP_LEDGER_C_OTHER,     /* of another C library, or allocator, that names its memory */
    OSP_LEDGER_STACKS,      /* of threads */
    OSP_LEDGER_DATA,  /* variables of program and libraries: .data, .bss; their pages of files that were written to */
    OSP_LEDGER_FILES, /* pages of files: the kernel can drop them and read them again */
    OSP_LEDGER_SHARED, /* shared memory: of tmpfs, memfd, SysV, MAP_SHARED */
    OSP_LEDGER_OTHER, /* anonymous memory that nothing known claims: mmap of the program's own, other allocators, JIT */
    OSP_LEDGER_KINDS,
} osp_ledger_kind;
osp_str osp_ledger_kind_text(osp_ledger_kind k);     /* "Go heap in use" */
const char *osp_ledger_kind_word(osp_ledger_kind k); /* "go_heap", as JSON has it */

typedef struct {
    uint64_t resident, swapped; /* bytes */
    uint64_t huge;              /* of resident: in mappings with large pages, so much of those */
    const char *how;            /* it is known; NULL: there is none of it */
} osp_ledger_row;

/* A mapping, and what most of it is. */
typedef struct {
    osp_smap s;
    osp_ledger_kind kind;
} osp_ledger_map;

/* glibc's malloc, as far as its further arenas go. */
typedef struct {
    uint32_t arenas;     /* of threads; the first one, of brk, is not counted */
    uint32_t heaps;      /* pieces of 64 MiB of address space that they have */
    uint64_t bytes;      /* that they have taken from the system */
    uint64_t free_bytes; /* of that, in chunks that were freed; of a great many not all */
    uint32_t free_read;  /* such chunks that were read */
    uint32_t large;      /* blocks of their own */
    uint64_t large_bytes;
} osp_ledger_malloc;

/* The resident memory of a process at one moment, nearly. Two of them are compared row by row; see osp_ledger_growth_of. */
typedef struct {
    uint64_t taken_ns, took_ns; /* CLOCK_MONOTONIC; how long reading took */
    uint64_t resident;          /* the sum of the rows */
    osp_ledger_row row[OSP_LEDGER_KINDS];
    osp_process_memory process; /* the kernel's sums; of resident it keeps a rough count */
    uint64_t lazy_free;         /* of resident: the kernel takes it when it needs some */
    uint64_t huge;              /* of resident: anonymous memory in large pages */
    uint64_t hugetlb;           /* not in resident */
    uint64_t file_share;        /* of files: each page divided by how many processes map it */
    const osp_ledger_map *map;  /* by address */
    uint32_t nmap;
    uint32_t threads; /* 0 = not known */
    osp_ledger_malloc malloc;
    bool of_core; /* resident is what a core holds and is not zero; of files only what was written to */
    bool is_go;
    bool has_go; /* go is known */
    osp_err why; /* why not, where is_go is set */
    osp_go_memstats go;
    /* The Go heap by its pages; the same by the runtime's figures alone if has_pages is not set, and then untouched is what
     * cannot be resident, no more. */
    bool has_pages;
    uint64_t go_mapped; /* address space of the heap that is mapped for use */
    uint64_t
        go_resident; /* of it: the rows of the Go heap and of goroutines' stacks together, with what the collector
                              has there */
    uint64_t go_untouched;          /* in use for the runtime, and not resident: never written to, or swapped */
    uint64_t go_huge, go_lazy_free; /* of go_resident */
} osp_ledger;

/* Read it, of a process or a core; go: its runtime, NULL if it has none. All is in the arena. */
bool osp_ledger_read(const osp_image *image, osp_go *go, osp_arena *a, osp_ledger *out, osp_err *err) OSP_CHECKED;

/* A mapping that became larger, or smaller; one that moved its begin is the same one. */
typedef struct {
    const osp_ledger_map *now, *was; /* NULL: it is gone; it was not there */
    int64_t bytes;                   /* resident, more than before */
} osp_ledger_growth;
/* Those that grew most first, at most `most`. False without memory. */
bool osp_ledger_growth_of(const osp_ledger *was, const osp_ledger *now, osp_arena *a, size_t most,
                          osp_ledger_growth **out, size_t *n);

#endif
