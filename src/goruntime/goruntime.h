/* SPDX-License-Identifier: Apache-2.0 */
/* goruntime/goruntime.h: a Go runtime from outside: where its structures are, what they say.
 *
 * Offsets come from DWARF when the binary has it, else from a table per Go release (layouts.def), and are checked
 * against invariants of the live process before they are believed. */
#ifndef OSP_GORUNTIME_H
#define OSP_GORUNTIME_H

#include "base/arena.h"
#include "base/buf.h"
#include "object/object.h"
#include "target/target.h"

/* Byte offsets of the fields that the sampler and `why` read. -1 = this release has no such field. */
typedef struct {
    int32_t g_stack_lo, g_stack_hi, g_m, g_sched_sp, g_sched_pc, g_sched_bp, g_syscallsp, g_syscallpc, g_status,
        g_goid, g_gopc, g_startpc, g_waitreason, g_labels, g_parent_goid, g_waitsince, g_lockedm, g_tracking_seq,
        g_syscallbp;
    int32_t m_g0, m_gsignal, m_curg, m_procid, m_ncgocall, m_ncgo, m_alllink, m_p, m_id, m_incgo, m_spinning,
        m_blocked, m_vdso_sp, m_vdso_pc, m_lockedg, m_startfn, m_isextra, m_locked_ext;
    int32_t p_id, p_status, p_schedtick, p_syscalltick, p_m, p_runqhead, p_runqtail;
    bool labels_are_slice; /* since 1.24: []struct{key, value string}; before: map[string]string */
} osp_go_layout;

typedef struct osp_go osp_go;

/* Find the Go runtime in a process or a core, which must outlive it, its maps need not; objects is the cache. EABSENT: no
 * Go in it (an ordinary C program). EFORMAT: Go is there, but its layout cannot be trusted (*err says why). */
osp_go *osp_go_open(const osp_image *image, osp_objects *objects, osp_err *err);
void osp_go_close(osp_go *go);

osp_str osp_go_version(const osp_go *go);         /* "go1.26.8" */
uint32_t osp_go_version_number(const osp_go *go); /* 12608 */
const osp_go_layout *osp_go_offsets(const osp_go *go);
/* "DWARF", "table" or "table of go1.26 for go1.28 (newer than the table)". */
osp_str osp_go_layout_source(const osp_go *go);

/* The object that holds the runtime (the cache's) and where it lies: run address - *bias = file address. */
osp_object *osp_go_object(const osp_go *go, uint64_t *bias);

/* Offset of g from the thread pointer (fs base on amd64), e.g. -8. EABSENT if it could not be found. On arm64 the slot
 * is used in programs with cgo only. */
bool osp_go_tls_g(const osp_go *go, int64_t *offset, osp_err *err) OSP_CHECKED;

/* Run address of a runtime global (runtime.allm, runtime.allgs …) by symbol or by decoding; false if unknown. */
bool osp_go_global(osp_go *go, osp_str name, uint64_t *addr);

typedef struct {
    uint64_t addr, g0, curg;
    int64_t id;
    int tid;           /* m.procid, as we number threads; 0 = none yet */
    uint64_t ncgocall; /* cgo calls in all */
    int32_t ncgo;      /* cgo calls in progress */
    bool spinning, blocked, incgo;
    bool extra;        /* for threads that C made; false before Go 1.20, which does not say */
    uint32_t locks;    /* how often LockOSThread holds it; the runtime's own locks do not count */
    uint64_t p;        /* its P; 0 = none */
    uint64_t lockedg;  /* the goroutine that is locked to it; 0 = none */
    uint64_t start_pc; /* of the function that its thread was made for: runtime.sysmon …; 0 = for any goroutine */
} osp_m;

typedef struct {
    uint64_t addr, goid, gopc, startpc, m, lockedm;
    uint64_t parent; /* goid of the one that made it; 0 = not known (before Go 1.21), or none did */
    uint64_t
        waitsince; /* CLOCK_MONOTONIC ns of the end of the collection before the one that first met it waiting; 0 = none */
    uint8_t status, waitreason; /* status without the scan bit */
    uint8_t seq;                /* see osp_g_look */
    uint64_t syscallpc, syscallsp, syscallbp, sched_pc, sched_sp, sched_bp, stack_lo, stack_hi;
    uint64_t labels; /* what g.labels points at, 0 = none */
} osp_g;

typedef struct {
    uint64_t addr;
    int32_t id;
    uint32_t status, schedtick, syscalltick, runq;
} osp_p;

/* A light snapshot: every M and P, and the goroutines that sit on an M (m.curg). Nothing is stopped; rows that did
 * not survive their invariants are left out and counted in torn. All in the arena. */
typedef struct {
    uint64_t taken_ns; /* CLOCK_MONOTONIC */
    uint32_t nm, np, ng, torn;
    osp_m *m;
    osp_p *p;
    osp_g *g;           /* g[i] is m[j].curg for some j */
    int64_t ngoroutine; /* live goroutines, the runtime's own left out; -1 if it could not be read */
} osp_go_snapshot;
bool osp_go_snapshot_read(osp_go *go, osp_arena *a, osp_go_snapshot *out, osp_err *err) OSP_CHECKED;

/* The runtime's own figures of its memory and its collector. EABSENT: they are not there yet, or were not found; nothing
 * is said that does not fit together. */
typedef struct {
    uint64_t heap_inuse_bytes;  /* spans of the heap in use: MemStats.HeapInuse */
    uint64_t stack_inuse_bytes; /* MemStats.StackInuse */
    uint32_t num_gc;            /* collections done */
    double gc_cpu_fraction;     /* 0 … 1 of the CPU time that was available from its start to the end of the last
                                   collection: MemStats.GCCPUFraction */
} osp_go_memory;
bool osp_go_memory_read(osp_go *go, osp_go_memory *out, osp_err *err) OSP_CHECKED;

/* One M or G by its address (the sampler reports them). */
bool osp_go_read_m(osp_go *go, uint64_t addr, osp_m *out, osp_err *err) OSP_CHECKED;
bool osp_go_read_g(osp_go *go, uint64_t addr, osp_g *out, osp_err *err) OSP_CHECKED;

/* Bytes of a goroutine's structure, from its start, that osp_g_decode looks at; 0 if the layout is not believed. */
size_t osp_g_bytes(const osp_go *go);
/* The goroutine whose structure these bytes are. False if they are none. */
bool osp_g_decode(const osp_go *go, uint64_t addr, const uint8_t *bytes, osp_g *out);

/* Who a goroutine is, by the function that it began with. */
typedef enum {
    OSP_G_OF_USER = 1,
    OSP_G_OF_RUNTIME,
    OSP_G_OF_FINALIZERS, /* the runtime's, but it runs finalizers and cleanups of the program */
} osp_g_kind;
osp_g_kind osp_g_kind_of(const osp_go *go, uint64_t startpc);

/* ---- all goroutines, again and again ------------------------------------------------------------------------ */

/* A goroutine at one look: who it is, and where it goes on. */
typedef struct {
    uint64_t goid;
    uint64_t pc,
        sp; /* saved when it last left its thread; in a system call: where it entered that; 0 while it runs */
    uint64_t stack_hi;
    uint8_t status, waitreason; /* status without the scan bit */
    uint8_t seq; /* g.trackingSeq: counts, modulo 256, how often it has left running; 0 before Go 1.17 */
} osp_g_look;

enum { /* status */
       OSP_G_IDLE = 0,
       OSP_G_RUNNABLE = 1,
       OSP_G_RUNNING = 2,
       OSP_G_SYSCALL = 3,
       OSP_G_WAITING = 4,
       OSP_G_DEAD = 6,
       OSP_G_COPYSTACK = 8,
       OSP_G_PREEMPTED = 9,
       OSP_G_LEAKED = 10,
       OSP_G_DEADEXTRA = 11,
};

static inline osp_g_look osp_g_look_of(const osp_g *g)
{
    bool in = g->status == OSP_G_SYSCALL;
    return (osp_g_look){g->goid,
                        in ? g->syscallpc : g->sched_pc,
                        in ? g->syscallsp : g->sched_sp,
                        g->stack_hi,
                        g->status,
                        g->waitreason,
                        g->seq};
}

/* Does it stand somewhere, so that it has a stack to be read? */
static inline bool osp_g_stands(const osp_g_look *l)
{
    return l->status == OSP_G_RUNNABLE || l->status == OSP_G_SYSCALL || l->status == OSP_G_WAITING ||
           l->status == OSP_G_PREEMPTED || l->status == OSP_G_LEAKED;
}

static inline bool osp_g_is_gone(const osp_g_look *l)
{
    return l->status == OSP_G_IDLE || l->status == OSP_G_DEAD || l->status == OSP_G_DEADEXTRA;
}

/* The list of all goroutines that ever were (runtime.allgs): it only grows, and its entries never move. */
typedef struct osp_g_table osp_g_table;

/* go must outlive it. EABSENT if the list is not found. */
osp_g_table *osp_g_table_open(osp_go *go, osp_err *err);
void osp_g_table_close(osp_g_table *t);

/* Take in the goroutines that came since the last time; *n says how many there are now, dead ones included. */
bool osp_g_table_grow(osp_g_table *t, uint32_t *n, osp_err *err) OSP_CHECKED;
uint64_t osp_g_table_addr(const osp_g_table *t, uint32_t index); /* of the goroutine's structure */

/* A pass. They are read in runs of neighbours: those that are due, at most `most` runs; the others come first in the next
 * pass. Runs whose goroutines do not change are due in every eighth pass or so. each() gets a goroutine by its number in the
 * list and says whether it has changed since it was last looked at. False if nothing can be read any more. */
typedef bool osp_each_look(void *ctx, uint32_t index, const osp_g_look *look);
typedef struct {
    uint32_t runs, late, fresh; /* that were read; that were due and not read; of those, that were never read */
    uint64_t unread;            /* goroutines that could not be read, or were none when they were */
} osp_g_table_stats;
bool osp_g_table_pass(osp_g_table *t, uint32_t most, osp_each_look *each, void *ctx, osp_g_table_stats *stats,
                      osp_err *err) OSP_CHECKED;

/* A random number below n, which is not 0. */
uint32_t osp_g_random(uint64_t *seed, uint32_t n);

/* Does this Go function belong to the runtime: to package runtime, or to one that only serves it? runtime/pprof and its
 * like do not. file is asked where assembly has a name without a package. */
bool osp_go_is_runtime(osp_str func, osp_str file);

/* ---- pprof labels ------------------------------------------------------------------------------------------- */

enum {
    OSP_GO_LABELS = 16,       /* that are read of one goroutine */
    OSP_GO_LABEL_KEY = 64,    /* bytes; longer ones are cut */
    OSP_GO_LABEL_VALUE = 128, /* bytes */
    OSP_LABELS_AT_ONCE = 64,  /* goroutines */
    OSP_LABELS_BYTES = OSP_GO_LABELS * (4 + OSP_GO_LABEL_KEY + OSP_GO_LABEL_VALUE)
};

/* A goroutine's labels: for each u16 key bytes, u16 value bytes, and the two texts. */
typedef struct {
    size_t n;
    bool failed; /* they could not be read: the goroutine has gone on, or its pointer was none */
    char text[OSP_LABELS_BYTES];
} osp_labels_text;

typedef struct osp_labels_reader osp_labels_reader;
/* slices: osp_go_layout.labels_are_slice. */
osp_labels_reader *osp_labels_reader_new(osp_mem mem, bool slices, osp_err *err);
void osp_labels_reader_drop(osp_labels_reader *r);
/* The labels that n goroutines' g.labels point at (0: it has none), at most OSP_LABELS_AT_ONCE. What comes is of the
 * goroutine only if that has not run meanwhile. */
void osp_labels_read(osp_labels_reader *r, const uint64_t *at, size_t n, osp_labels_text *out);
/* Cut the first label off such a text; false at its end. */
bool osp_labels_next(osp_str *rest, osp_str *key, osp_str *value);

/* ---- the scheduler ------------------------------------------------------------------------------------------ */

typedef struct {
    int32_t id;
    uint32_t status, schedtick, syscalltick, runq; /* runq: the next one to run (runnext) not counted */
    int64_t m;                                     /* -1 = none */
    int32_t free_gs;
    uint64_t timers; /* in its heap */
    uint64_t goid;   /* on its M; 0 = none */
    bool in_syscall; /* that goroutine is in a system call */
    uint64_t addr, m_addr;
} osp_sched_p;

typedef struct {
    uint64_t addr;
    int64_t id, curg, lockedg; /* curg, lockedg: goids; -1 = none */
    int32_t p;                 /* -1 = none */
    int32_t mallocing, throwing, locks, dying;
    bool spinning, blocked;
    char preemptoff[24];
} osp_sched_m;

typedef struct {
    uint64_t goid;
    uint32_t status; /* with the scan bit */
    uint8_t waitreason;
    int64_t m, lockedm; /* -1 = none */
} osp_sched_g;

/* What runtime.schedtrace would print at this moment. */
typedef struct {
    uint64_t taken_ns; /* CLOCK_MONOTONIC */
    uint32_t version;
    int64_t
        since_ms; /* since its first SCHED line, if it prints them itself; else since the runtime started; -1 = not
                           known */
    bool traces_itself; /* GODEBUG=schedtrace is set */
    int32_t gomaxprocs, idle_ps, threads, spinning, needspinning, idle_threads, idle_locked, runq, stopwait;
    bool gcwaiting, sysmonwait;
    uint32_t np, nm, ng, torn; /* torn: rows that did not fit and are left out */
    osp_sched_p *p;
    osp_sched_m *m; /* the newest first; detailed only */
    osp_sched_g *g; /* as in runtime.allgs, dead ones too; detailed only */
} osp_go_sched;
bool osp_go_sched_read(osp_go *go, bool detailed, osp_arena *a, osp_go_sched *out, osp_err *err) OSP_CHECKED;

/* The lines of GODEBUG=schedtrace=1000, with scheddetail=1 if detailed, in the form of the program's own release. */
void osp_go_sched_text(const osp_go *go, const osp_go_sched *s, bool detailed, osp_buf *out);

/* ---- what goroutines wait on ------------------------------------------------------------------------------------- */

typedef enum {
    OSP_WAIT_CHAN,
    OSP_WAIT_SEMAPHORE, /* of a mutex, a wait group …: the runtime knows the word that is waited on, not what it is in */
    OSP_WAIT_CONDITION, /* a sync.Cond */
    OSP_WAIT_TIME,
    OSP_WAIT_FD,
} osp_wait_kind;

typedef enum { OSP_WAY_UNKNOWN, OSP_WAY_IN, OSP_WAY_OUT } osp_wait_way;

typedef struct {
    osp_wait_kind kind;
    osp_wait_way way; /* of a channel: receive, send; of a descriptor: read, write */
    uint64_t addr;    /* of the channel, the semaphore's word, the sync.Cond, the poller's descriptor; of time: 0 */
    int64_t value;    /* of time: when it is due, CLOCK_MONOTONIC ns; of a descriptor: its number */
} osp_wait;

/* Reads pages once and keeps some of them: use one for a pass over many goroutines, then drop it. go must outlive it. */
typedef struct osp_wait_reader osp_wait_reader;
osp_wait_reader *osp_wait_reader_new(osp_go *go, osp_err *err);
void osp_wait_reader_drop(osp_wait_reader *r);

/* What this goroutine waits on, if it still waits for that reason. How many things that is (a select has several), of which
 * at most max are written; 0: nothing that has an address (a nil channel, the collector), or it cannot be told. */
size_t osp_wait_read(osp_wait_reader *r, uint64_t addr, uint64_t goid, uint8_t waitreason, osp_wait *out, size_t max);
/* Is it a wait reason of which osp_wait_read should know more? */
bool osp_wait_has_object(const osp_wait_reader *r, uint8_t waitreason);

/* Where the stack of a goroutine that does not run is in use: [*sp, *hi). False if it runs, or that cannot be right. */
bool osp_wait_stack(osp_wait_reader *r, uint64_t addr, uint64_t *sp, uint64_t *hi);

typedef struct {
    uint64_t len, cap; /* values in its buffer; 0 of 0: unbuffered */
    uint32_t elem_bytes;
    uint64_t elem_type;   /* address of the description of its values' type; see osp_go_type_name */
    bool closed, timed;   /* timed: of a timer or ticker of package time (told since Go 1.23) */
    int64_t when, period; /* of a timed one: CLOCK_MONOTONIC ns */
} osp_chan;
bool osp_wait_chan(osp_wait_reader *r, uint64_t addr, osp_chan *out);

/* The goroutine (its address) that has waited longest to receive from a channel; false: none. */
bool osp_wait_receiver(osp_wait_reader *r, uint64_t chan, uint64_t *g);

/* The name of a type as package reflect has it, "*main.request"; where its description is. False if it cannot be told: a type
 * that was made at run time, one of a plugin, Go 1.16. */
bool osp_go_type_name(osp_go *go, uint64_t type, char *out, size_t size);

/* What a semaphore is of. */
typedef enum {
    OSP_LOCK_OTHER,
    OSP_LOCK_MUTEX,
    OSP_LOCK_WRITER, /* of a sync.RWMutex: it waits for readers to leave */
    OSP_LOCK_READER, /* of a sync.RWMutex: it waits for a writer to leave */
    OSP_LOCK_GROUP,  /* sync.WaitGroup */
} osp_lock_kind;

typedef struct {
    uint64_t addr; /* of the lock */
    bool locked, starving;
    int64_t waiting; /* goroutines that wait, by its own count */
    int64_t left;    /* of a wait group: its counter; of a sync.RWMutex: readers that are in it */
} osp_lock;
/* The lock that a semaphore's word belongs to. False if what stands there cannot be one. */
bool osp_wait_lock(osp_wait_reader *r, osp_lock_kind kind, uint64_t semaphore, osp_lock *out);

/* ---- the collector ------------------------------------------------------------------------------------------ */

/* A cycle, as GODEBUG=gctrace=1 tells it. Times are CLOCK_MONOTONIC. */
typedef struct {
    uint32_t number;
    uint64_t sweep_term_ns, mark_ns, mark_term_ns, end_ns; /* when its phases began, and it ended */
    uint64_t assist_ns, worker_ns, idle_ns;         /* CPU: assists, dedicated and fractional workers, idle ones */
    uint64_t heap0_bytes, heap1_bytes, heap2_bytes; /* heap at its start, at its end, and what was live then */
    uint64_t goal_bytes, stacks_bytes, globals_bytes;
    int32_t stopped_procs, procs;
    bool forced;
    double cpu_fraction; /* of all CPU since the start: MemStats.GCCPUFraction */
} osp_gc_cycle;

/* CPU times of all cycles since the start (runtime.cpuStats). Those of pauses count every P. */
enum {
    OSP_GC_ASSIST,
    OSP_GC_DEDICATED, /* workers and pauses */
    OSP_GC_IDLE,
    OSP_GC_PAUSE,
    OSP_GC_TOTAL,
    OSP_GC_SCAVENGE_ASSIST,
    OSP_GC_SCAVENGE_BACKGROUND,
    OSP_GC_SCAVENGE_TOTAL,
    OSP_GC_CPU_IDLE, /* Ps without work */
    OSP_GC_CPU_USER,
    OSP_GC_CPU_TOTAL, /* GOMAXPROCS times the time that went by */
    OSP_GC_CPU_TIMES
};

enum { OSP_GC_PAUSES = 256 };

typedef struct {
    uint64_t taken_ns; /* CLOCK_MONOTONIC */
    uint32_t version;
    uint64_t init_ns;           /* when the runtime started; 0 = not known */
    uint32_t done, forced;      /* cycles that have ended; of those, by runtime.GC and the like */
    uint32_t started;           /* done, or one more: a cycle is under way */
    bool has_work, has_control; /* what was found of the runtime: cycles; the pacer */
    bool whole;                 /* cycle is all of the last one that has ended */
    osp_gc_cycle cycle;
    bool has_percent;
    int32_t gc_percent;  /* GOGC; negative = off */
    int64_t limit_bytes; /* GOMEMLIMIT; INT64_MAX = none */
    uint64_t live_bytes, marked_bytes, goal_bytes, trigger_bytes;
    bool goal_by_limit; /* the limit sets the goal, not GOGC */
    uint64_t heap_inuse_bytes, heap_free_bytes, heap_released_bytes;
    uint64_t
        mapped_ready_bytes; /* what the limit is for: memory of the runtime that is not released; 0 before 1.19 */
    bool has_cpu;           /* since 1.20 */
    int64_t cpu_ns[OSP_GC_CPU_TIMES];
    bool has_scavenger;
    uint64_t scavenge_goal_bytes,
        scavenge_limit_bytes; /* memory to keep, by GOGC and by the limit; UINT64_MAX = no goal */
    int limiter; /* the collector is held back so that it takes no more than half of all CPU: 1; 0 = no; -1 = not known */
    uint64_t last_end_ns, last_end_unix_ns, pause_total_ns;
    uint64_t pause_ns[OSP_GC_PAUSES], pause_end_unix_ns[OSP_GC_PAUSES]; /* cycle n is at (n - 1) % 256 */
} osp_go_gc;

/* EABSENT: not found, or not there yet. */
bool osp_go_gc_read(osp_go *go, osp_go_gc *out, osp_err *err) OSP_CHECKED;

/* How many cycles have ended: the cheapest look, once osp_go_gc_read has been. */
bool osp_go_gc_count(osp_go *go, uint32_t *done) OSP_CHECKED;

/* The line of GODEBUG=gctrace=1 for s->cycle, which is whole, in the form of its release. */
void osp_go_gc_text(const osp_go_gc *s, osp_buf *out);

/* runtime.MemStats as runtime.ReadMemStats would fill it now, in bytes where nothing else is said; names as there. */
typedef struct {
    uint64_t heap_alloc, total_alloc, sys, mallocs, frees, heap_sys, heap_idle, heap_inuse, heap_released,
        stack_inuse, stack_sys, mspan_inuse, mspan_sys, mcache_inuse, mcache_sys, buckhash_sys, gc_sys, other_sys;
    uint64_t gc_in_heap; /* of gc_sys: what the collector has in pages of the heap, which are in no figure of that */
    bool moving;         /* it was never read the same twice: its figures are of several moments */
    osp_go_gc gc;
} osp_go_memstats;
/* EABSENT: a part of it was not found. */
bool osp_go_memstats_read(osp_go *go, osp_go_memstats *out, osp_err *err) OSP_CHECKED;

/* The address space of the heap: pieces of so many bytes, by address. What is in them is the heap's, and stacks; the
 * runtime's other memory lies elsewhere. */
typedef struct {
    uint64_t bytes;
    const uint64_t *start;
    uint32_t n;
} osp_go_arenas;
/* EABSENT: not found. */
bool osp_go_arenas_read(osp_go *go, osp_arena *a, osp_go_arenas *out, osp_err *err) OSP_CHECKED;

/* The pages of one of them, a bit each: in use, by spans of the heap or of stacks; given back to the system (which says
 * something of those that are not in use). They are read while the program runs, so some are of other moments. */
enum { OSP_GO_PAGE_BYTES = 8192, OSP_GO_ARENA_PAGES = 8192 };
typedef struct {
    uint64_t used[OSP_GO_ARENA_PAGES / 64], released[OSP_GO_ARENA_PAGES / 64];
} osp_go_pages;
bool osp_go_pages_read(osp_go *go, uint64_t arena, osp_go_pages *out);

/* Memory that the runtime has outside the heap, as far as it is known where. */
typedef struct {
    uint64_t start, bytes;
    bool counted; /* its bytes are in the figures of MemStats; else a part of them, or none */
} osp_go_piece;
/* How many pieces; 0: none is known. They are in the arena. */
size_t osp_go_metadata_read(osp_go *go, const osp_go_arenas *arenas, osp_arena *a, osp_go_piece **out);

/* The lines "# Alloc = …" at the end of a heap profile's text (pprof's heap?debug=1). */
void osp_go_memstats_text(const osp_go_memstats *s, osp_buf *out);

/* ---- timers ------------------------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t addr;
    int32_t p;         /* in the list of this P; before Go 1.14 in this one of 64 lists */
    int64_t when_ns;   /* CLOCK_MONOTONIC of its machine: when it is due next */
    int64_t due_ns;    /* in how long, from when it was read; negative: it is late. 0 of a core */
    int64_t period_ns; /* 0 = once */
    uint64_t pc;       /* of the function that the runtime calls then: time.sendTime, time.goFunc … */
    uint64_t arg;      /* the value that it is called with: a channel, a func value, a goroutine */
    uint64_t arg_pc;   /* of the function that arg is, if it is one: what time.AfterFunc was given */
    uint32_t blocked;  /* goroutines that wait for its channel; since Go 1.23 */
    bool channel;      /* it sends to one; known since Go 1.23 */
    bool zombie;       /* stopped, not yet taken out of the list */
} osp_go_timer;

typedef struct {
    osp_go_timer *timer;
    uint32_t n, np;
    uint32_t torn; /* entries that did not fit and are left out */
    bool lazy;     /* since Go 1.23 a timer with a channel is in no list while nobody waits for that channel */
    bool live;     /* due_ns is known: it is no core */
} osp_go_timers;

/* All timers that are in the lists of the Ps. */
bool osp_go_timers_read(osp_go *go, osp_arena *a, osp_go_timers *out, osp_err *err) OSP_CHECKED;

/* The descriptor that a deadline is of, by the argument of its timer. */
bool osp_go_poll_fd(const osp_go *go, uint64_t addr, int *fd);

/* ---- many processes ---------------------------------------------------------------------------------------- */

/* A look at many processes, one after the other: what is in a file is looked up once for all that run it. */
typedef struct osp_go_survey osp_go_survey;
osp_go_survey *osp_go_survey_new(osp_err *err);
void osp_go_survey_drop(osp_go_survey *s);

typedef struct {
    bool is_go;         /* known by the files that it runs */
    osp_str version;    /* "go1.26.8"; "" if no file tells and memory cannot be read */
    int64_t goroutines; /* -1 = not known */
    bool has_memory;
    osp_go_memory memory;
    osp_err
        why; /* why something is not known: whether it is Go (EPERM), its state (EPERM, EFORMAT); OSP_OK: all is */
} osp_go_brief;

/* Texts are in the arena. A process that has ended meanwhile is no Go, and why says EABSENT. */
void osp_go_survey_look(osp_go_survey *s, int pid, osp_arena *a, osp_go_brief *out);

/* Texts of Go's own numbers, as this release prints them: "waiting", "chan receive". */
osp_str osp_go_status_text(uint8_t status);
osp_str osp_go_waitreason_text(const osp_go *go, uint8_t reason);

#endif
