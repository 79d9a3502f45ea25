/* SPDX-License-Identifier: Apache-2.0 */
/* sample/sample_internal.h: the parts of the sampler.
 *
 *     kinds     what can be measured
 *     subject   a program that is sampled: its space, its Go runtime; all of them by pid
 *     births    what the kernel tells of processes that begin and end
 *     bpf_side  loads the BPF program, hands it the spaces' tables, reads the ring
 *     stack_words  keeps the words of stacks, which the BPF program sends once
 *     perf_side the same without BPF: perf events with copied user stacks, unwound here
 *     proc_side the same without perf events: looks at the threads in /proc
 *     perf_ring    where the kernel writes a perf event's records
 *     events    perf events on every thread, or on every CPU
 *     collect   raw samples -> profile
 *     compiled  what just-in-time compilers say of their code
 *     clocks    which of them tick, and at which rate
 *     intake    what comes in from all of these, to the collector
 *     sampler   the loop that drives them
 *     goroutine_looks   looks at all goroutines: what each does, and where
 *     waits     what those looks add up to
 *     passes    when they look
 *     looks     at the goroutines of all processes
 */
#ifndef OSP_SAMPLE_INTERNAL_H
#define OSP_SAMPLE_INTERNAL_H

#include "sample/sample.h"

#include "base/hash.h"
#include "space/space.h"

#include <linux/types.h>
#include <poll.h>

#include "../../bpf/sample.h"

/* ---- perf_ring.c ------------------------------------------------------------------------------------------- */

struct perf_event_mmap_page;
typedef struct {
    struct perf_event_mmap_page *page; /* NULL: not mapped */
    const uint8_t *data;
    size_t bytes;
} osp_perf_ring;

/* Map an event's ring of so many pages, a power of two. False: errno says why. */
bool osp_perf_ring_map(osp_perf_ring *r, int fd, size_t pages) OSP_CHECKED;
void osp_perf_ring_unmap(osp_perf_ring *r);
/* A record without its header, as man perf_event_open has it; misc is the header's. */
typedef void osp_perf_record(void *ctx, uint32_t type, uint32_t misc, osp_span body);
/* Give each record that waits. Returns how many the kernel has lost since the last time. */
uint64_t osp_perf_ring_drain(const osp_perf_ring *r, osp_perf_record *each, void *ctx);

/* ---- births.c ---------------------------------------------------------------------------------------------- */

/* Something that a process did. */
typedef struct {
    enum { OSP_BIRTH_FORK, OSP_BIRTH_EXEC, OSP_BIRTH_NAME, OSP_BIRTH_MAP, OSP_BIRTH_EXIT } what;
    int pid, tid;
    int parent;                              /* of a fork; pid itself: a thread was born */
    uint64_t start, end, offset, dev, inode; /* of a mapping with code */
    osp_str text;                            /* the name, or the mapped file's path; until the next drain */
    uint64_t time_ns;                        /* CLOCK_MONOTONIC */
} osp_birth;

typedef struct osp_births osp_births;
/* Listen on all CPUs; or only to what is given to hear. */
osp_births *osp_births_open(osp_err *err);
osp_births *osp_births_new(osp_err *err);
/* Take one record of the kernel's, without its header, for the next drain. Any other kind is passed over. */
void osp_births_hear(osp_births *b, uint32_t type, uint32_t misc, osp_span body);
void osp_births_close(osp_births *b);
/* What to poll for. Returns how many were written. */
size_t osp_births_nring(const osp_births *b);
size_t osp_births_poll(const osp_births *b, struct pollfd *out, size_t max);
/* All that happened since the last time, in order of time. */
void osp_births_drain(osp_births *b, void (*each)(void *ctx, const osp_birth *one), void *ctx);
/* What the kernel told and we could not keep. */
uint64_t osp_births_lost(const osp_births *b);
/* One record of the kernel's, without its header and sample_id; all but the time. False: none of ours, or cut short. */
bool osp_birth_read(uint32_t type, uint32_t misc, osp_span body, osp_birth *out);

/* ---- subject.c --------------------------------------------------------------------------------------------- */

/* A program that is sampled: a process from its birth, or since we look, to its exec or end. */
typedef struct osp_subject {
    int pid, parent;       /* parent: 0 if we were not told */
    uint32_t serial, slot; /* in the table: its number for good, and one that is used again once it is forgotten */
    char name[16];         /* comm */
    uint64_t since_ns, until_ns; /* CLOCK_MONOTONIC; UINT64_MAX: it runs */
    struct osp_subject *before;  /* what the same pid was before */
    osp_process *process;        /* NULL: not asked yet, cannot be asked any more, or a thread of the kernel */
    bool borrowed, go_borrowed;  /* the process, its Go runtime are the caller's */
    bool of_kernel, leader_ended;
    bool pinned;      /* somebody holds it: it is not forgotten */
    bool mapped;      /* its mappings were asked for */
    bool stale;       /* and are to be asked for again */
    bool all_rows;    /* they are needed whole: its goroutines' stacks are read */
    uint8_t asked_go; /* how often it was asked whether it runs Go */
    struct {          /* code came where other code was, and for that long it was taken for the old one */
        uint64_t start, end, since_ns, until_ns; /* since_ns = 0: never */
    } remapped;
    osp_arena arena; /* of info */
    osp_process_info info;
    osp_space space;
    uint32_t generation; /* of the space: how often it has changed */
    uint32_t asides;     /* stacks of its that were unwound here, for want of rows */
    osp_go *go;
    osp_unwind_go unwind_go;
    osp_map *told; /* mappings with code that the kernel told of, sorted; paths are ours */
    size_t ntold, told_cap;
    bool told_all; /* that is all of them: we saw its exec */
    uint64_t exe_dev, exe_inode;
} osp_subject;

osp_subject *osp_subject_open(int pid, osp_process *process, osp_go *go, osp_err *err);
void osp_subject_close(osp_subject *s);
/* Take hold of its process, if it is not held yet. False: it has ended, or cannot be. */
bool osp_subject_hold(osp_subject *s, osp_err *err) OSP_CHECKED;
/* Read who it is: again after an exec. */
bool osp_subject_identify(osp_subject *s, osp_err *err) OSP_CHECKED;
/* Read its mappings; if they changed, find Go. *why_no_goroutines gets a line if there is Go that cannot be read. */
bool osp_subject_refresh(osp_subject *s, osp_objects *objects, bool *changed, osp_err *why_no_goroutines,
                         osp_err *err) OSP_CHECKED;
/* Its memory, as far as it has any left. */
osp_mem osp_subject_mem(const osp_subject *s);

/* All programs that are sampled, by pid. follow: children of those in it come into it; any: whoever is told of. */
typedef struct osp_subjects osp_subjects;
osp_subjects *osp_subjects_new(osp_objects *objects, bool follow, bool any, osp_err *err);
void osp_subjects_drop(osp_subjects *t);
/* From now on the process is this one; the table's to close. */
bool osp_subjects_add(osp_subjects *t, osp_subject *s, osp_err *err) OSP_CHECKED;
/* Take in all processes that run, with what they have mapped: one that ends before its first sample was looked at could not
 * be asked any more. */
bool osp_subjects_take_in_all(osp_subjects *t, osp_err *err) OSP_CHECKED;
/* Each that runs now. */
void osp_subjects_each(const osp_subjects *t, void (*each)(void *ctx, osp_subject *s), void *ctx);
/* What runs as pid now, or ran then; NULL if unknown. */
osp_subject *osp_subjects_now(osp_subjects *t, int pid);
osp_subject *osp_subjects_at(osp_subjects *t, int pid, uint64_t time_ns);
/* Whose sample it is; unknown ones are taken in. NULL without memory. */
osp_subject *osp_subjects_of_sample(osp_subjects *t, const osp_raw_sample *head);
/* What the kernel told. What came before its process's birth, from another CPU, waits for that until the next time that
 * all was told. */
void osp_subjects_tell(osp_subjects *t, const osp_birth *b);
void osp_subjects_told_all(osp_subjects *t);
/* Read what is mapped, from /proc or, if it has ended, from what was told. */
bool osp_subjects_map(osp_subjects *t, osp_subject *s, bool *changed, osp_err *why_no_goroutines,
                      osp_err *err) OSP_CHECKED;
/* Close those that have ended; last: no other program runs as that pid. */
void osp_subjects_forget(osp_subjects *t, void (*forgotten)(void *ctx, const osp_subject *s, bool last), void *ctx);
uint64_t osp_subjects_threads(const osp_subjects *t); /* born so far in processes that were in it */

/* ---- allocs.c ---------------------------------------------------------------------------------------------- */

/* A place of an allocator where a program of ours runs. */
typedef struct {
    char path[96]; /* of the file, as the process has it mapped */
    uint64_t offset;
    uint32_t how; /* an osp_alloc */
    uint32_t event;
    int pid;
} osp_alloc_probe;

/* The windows of the events that are measured by probes. NULL: none is asked for (OSP_OK), or they cannot be measured. */
typedef struct osp_allocs osp_allocs;
osp_allocs *osp_allocs_open(const osp_event_list *events, const osp_subject *of, osp_err *err);
void osp_allocs_close(osp_allocs *a);
const osp_alloc_stats *osp_allocs_stats(const osp_allocs *a);

/* ---- stack_words.c ----------------------------------------------------------------------------------------- */

typedef struct osp_stack_words osp_stack_words;

osp_stack_words *osp_stack_words_new(osp_err *err);
void osp_stack_words_drop(osp_stack_words *s);
/* Keep a stack's words under head's hash; walked_here: and its goroutine. False without memory. */
bool osp_stack_words_put(osp_stack_words *s, const osp_raw_sample *head, const uint64_t *word,
                         bool walked_here) OSP_CHECKED;
/* The words under head's hash, until the next put; what of the header belongs to them is filled in. NULL if the hash is
 * unknown. */
const uint64_t *osp_stack_words_find(const osp_stack_words *s, osp_raw_sample *head);
/* Time to age: those kept before the last time are forgotten then. */
bool osp_stack_words_full(const osp_stack_words *s);
void osp_stack_words_age(osp_stack_words *s);

/* ---- waits.c ----------------------------------------------------------------------------------------------- */

/* What a goroutine does that was looked at. */
typedef enum {
    OSP_HOW_WAITING,       /* parked; the wait reason says on what */
    OSP_HOW_WOKEN,         /* was parked, may go on, waits for a CPU; the wait reason stays */
    OSP_HOW_PREEMPTED,     /* was taken off its CPU in the middle of its work */
    OSP_HOW_YIELDED,       /* gave its CPU away (runtime.Gosched) */
    OSP_HOW_NEW,           /* has not run yet */
    OSP_HOW_AFTER_SYSCALL, /* has left a system call or C and waits for a CPU */
    OSP_HOW_SYSCALL,       /* in a system call, or in one that returns at once */
    OSP_HOW_CGO,           /* in C */
    OSP_HOW_RUNNING,
    OSP_HOWS,
} osp_how;

/* Counts of what was seen, by stack, state, reason, labels and goroutine. Bounded: goroutines are told apart until that
 * takes too many counts. */
typedef struct osp_waits osp_waits;
osp_waits *osp_waits_new(osp_err *err);
void osp_waits_drop(osp_waits *w);

/* Ids of a stack (run addresses, leaf first) and of a set of labels. UINT32_MAX without room. */
uint32_t osp_waits_stack(osp_waits *w, const uint64_t *pc, size_t n);
uint32_t osp_waits_labels(osp_waits *w, osp_str labels);

/* What a goroutine does, and where. */
typedef struct {
    uint64_t goid;
    uint32_t stack, labels;
    uint8_t how, waitreason;
} osp_waiting;

enum { OSP_WAIT_ONE = 1024 }; /* the time between two moments */
/* Something was so for that long. */
void osp_waits_add(osp_waits *w, const osp_waiting *what, uint64_t time);
/* A goroutine came into this state, or left it, at a time that is known to `within`, in moments. */
void osp_waits_change(osp_waits *w, osp_how how, uint8_t waitreason, double within);
/* What was to be seen at this moment has been. */
void osp_waits_moment(osp_waits *w);
uint64_t osp_waits_moments(const osp_waits *w);

/* One count: how long something was so. */
typedef struct {
    osp_waiting what; /* goid 0: goroutines are not told apart */
    const uint64_t *pc;
    size_t npc;
    osp_str labels; /* for osp_labels_next */
    uint64_t ns;
} osp_waited;
typedef void osp_each_waited(void *ctx, const osp_waited *one);
/* A moment counts for ns. */
void osp_waits_each(const osp_waits *w, double ns, osp_each_waited *each, void *ctx);
/* Begin to count anew; ids stay. */
void osp_waits_reset(osp_waits *w);

/* What comes of one state and reason: moments, and their standard error. */
typedef struct {
    uint8_t how, waitreason;
    double time, error;
} osp_wait_sum;
/* All that were seen, the most first; at most max. */
size_t osp_waits_sums(const osp_waits *w, osp_wait_sum *out, size_t max);
/* Tell goroutines no longer apart, until the reset: it takes too many counts. That may also happen by itself. */
void osp_waits_put_together(osp_waits *w);
bool osp_waits_by_goroutine(const osp_waits *w); /* goroutines are told apart */
uint64_t osp_waits_lost(const osp_waits *w);     /* not counted for want of room */

/* ---- reasons.c --------------------------------------------------------------------------------------------- */

/* What a thread waited for, from osp_raw_sample.reason: "futex", "disk", "preempted"; "running" if it was on a CPU.
 * The text is static. */
const char *osp_wait_text(uint32_t reason);

/* The place in the list of the event that is OSP_BY_LOOKS; UINT32_MAX: there is none. */
uint32_t osp_looks_event(const osp_event_list *l);
bool osp_only_looks(const osp_event_list *l);

/* Does it need the scheduler's events? */
static inline bool osp_by_scheduler(const osp_event_kind *k)
{
    return k->source == OSP_BY_OFF_CPU || k->source == OSP_BY_WALL || k->source == OSP_BY_SWITCHES ||
           k->source == OSP_BY_WAKES;
}

/* ---- calls.c ----------------------------------------------------------------------------------------------- */

/* What is counted of system calls, by number and operation. */
typedef struct {
    osp_index at;
    osp_called *row;
    size_t n, cap;
    osp_used *used;
    size_t nused, used_cap;
} osp_calls;

/* Count one; of a call that moves no bytes, value[1] becomes 0. False without memory. */
bool osp_calls_add(osp_calls *t, osp_raw_sample *head) OSP_CHECKED;
/* The same of calls that the kernel side has counted together. */
bool osp_calls_add_tally(osp_calls *t, const osp_bpf_tally_key *key, osp_bpf_tally *more) OSP_CHECKED;
bool osp_calls_add_used(osp_calls *t, const osp_bpf_used_key *key, const osp_bpf_used *more) OSP_CHECKED;
/* Set the bits of the system calls whose first argument is a descriptor. */
void osp_descriptor_calls(uint64_t bits[OSP_CALL_WORDS]);
void osp_calls_clear(osp_calls *t);
void osp_calls_drop(osp_calls *t);

/* ---- wakes.c ----------------------------------------------------------------------------------------------- */

/* A stack, and whose it is. */
typedef struct {
    const osp_subject *of; /* NULL: of a process that is not sampled; then there is only a kernel's part */
    osp_raw_sample head;   /* stack_hash names it */
    const uint64_t *word;  /* NULL: it is not known */
} osp_place;

typedef struct {
    osp_cause cause;
    bool inherited;
    bool by_thread; /* of a process that is sampled; else by an interrupt, or from outside */
    uint64_t code;  /* hash of the stack that stands for the cause; 0: there is none */
    uint32_t code_pid;
} osp_reason_woken;

typedef struct osp_wakes osp_wakes;
osp_wakes *osp_wakes_new(osp_err *err);
void osp_wakes_drop(osp_wakes *w);
/* Why a thread was woken, of a raw sample of that event: by whom, and the thread that was woken with where it slept. */
osp_reason_woken osp_wakes_one(osp_wakes *w, const osp_place *by, const osp_place *woken);
/* How many of the place's kernel pcs lie above the waking itself. */
uint32_t osp_wakes_above(osp_wakes *w, const osp_place *by);
/* Is it an interrupt's? Then *cause says of what. */
bool osp_wakes_interrupt(osp_wakes *w, const osp_place *by, osp_cause *cause);

/* ---- collect.c --------------------------------------------------------------------------------------------- */

typedef struct osp_collector osp_collector;

/* events must live as long as the collector. many: samples tell their process. */
osp_collector *osp_collector_new(const osp_event_list *events, bool many, osp_err *err);
void osp_collector_drop(osp_collector *c);
/* Add one raw sample of a subject: the header and its words (kernel pcs, user pcs, labels); what has the same hash has
 * the same words. Of the subject's first sample its main binary becomes a mapping: the profile's first, if it is the
 * first subject. */
void osp_collector_add(osp_collector *c, const osp_subject *of, const osp_raw_sample *head, const uint64_t *word);
/* Add calls that were counted together, without stacks. */
void osp_collector_add_tally(osp_collector *c, const osp_bpf_tally_key *key, osp_bpf_tally *tally);
void osp_collector_add_used(osp_collector *c, const osp_bpf_used_key *key, const osp_bpf_used *used);
/* Add a wake-up: by whom, where its thread had slept, and where its cause stands. */
void osp_collector_add_wake(osp_collector *c, const osp_place *by, const osp_place *code, const osp_place *woken,
                            const osp_reason_woken *why);
/* Add a sample of a wait together with the stack that ended it, or with the cause of the interrupt that did. */
void osp_collector_add_woken(osp_collector *c, const osp_place *wait, const osp_place *by, osp_cause interrupt);
/* The subject will be closed. */
void osp_collector_forget(osp_collector *c, const osp_subject *s);
/* Samples that found no more room in the profile. */
uint64_t osp_collector_lost(const osp_collector *c);
/* Add time that goroutines were in one state, to the column of that event. */
void osp_collector_add_wait(osp_collector *c, const osp_subject *of, uint32_t event, const osp_waited *w,
                            osp_str state, osp_str reason);
/* Since the start or the last take. */
uint64_t osp_collector_taken(const osp_collector *c);
/* The profile and its threads so far; the collector begins anew. */
bool osp_collector_take(osp_collector *c, const osp_profile_head *head, osp_recording *out, osp_err *err) OSP_CHECKED;
const uint64_t *osp_collector_ended(const osp_collector *c, uint64_t *frame_pointer_steps);

/* ---- compiled.c -------------------------------------------------------------------------------------------- */

/* Mappings with code of no file, in which a compiler may have put it. */
typedef struct {
    struct osp_compiled_at {
        uint32_t mapping; /* of the profile */
        uint32_t owner;   /* of the process: the user whose word is taken */
        int pid, ns_pid;
        char dump[128]; /* the jitdump file that it has mapped; "" if none */
    } * row;
    size_t n, cap;
} osp_compiled;

/* Note a mapping of the subject's. */
void osp_compiled_note(osp_compiled *c, uint32_t mapping, const osp_subject *of);
/* What the compilers have told by now: n of them, by mapping; NULL if nothing is known. Forgets the notes. */
osp_jit **osp_compiled_open(osp_compiled *c, size_t n);
void osp_compiled_close(osp_jit **jit, size_t n);
void osp_compiled_drop(osp_compiled *c);

/* ---- events.c ---------------------------------------------------------------------------------------------- */

/* Perf events of one kind: on all threads of a process, inherited by the threads they start, or on all CPUs. */
typedef struct osp_events {
    struct osp_event_fd {
        int link; /* to the program; holds its event */
        int fd;   /* the event, where its period will be changed; else -1 */
    } * event;
    size_t n, cap;
    uint32_t index; /* the kind's place in the recording's list */
    uint32_t state; /* of its samples: 1 + which; 0: it has none */
    bool ticks;     /* a clock on each CPU */
} osp_events;

struct perf_event_attr;
/* perf_event_open(2); -1 and errno. */
int osp_perf_event(struct perf_event_attr *attr, int pid, int cpu, unsigned long flags);
/* Does this errno of one on a CPU say that the CPU is offline? */
bool osp_perf_is_offline(int error);
/* Can this user have perf events of himself at all? False: *err says why not, and the cure. */
bool osp_perf_can(osp_err *err) OSP_CHECKED;
/* Say why perf_event_open failed with this errno, with the cure. Always false. */
bool osp_perf_explain(int error, osp_err *err);

/* Is there another event of this kind? */
static inline uint32_t osp_events_of(const osp_event_kind *k) { return k->state[1] ? 2 : 1; }

/* Open them at hz, attach the BPF program, start: at once, or when the process execs. index is the kind's place in the
 * recording's list; the program is told it with each event. other: by the kind's other configuration. p = NULL: on all CPUs, for whatever the program wants. So too
 * if the process has very many threads. */
bool osp_events_open(osp_events *e, const osp_event_kind *kind, bool other, uint32_t index, osp_process *p,
                     uint32_t hz, int prog_fd, bool on_exec, osp_err *err) OSP_CHECKED;
/* Give clocks on CPUs another period. Each sample stands for the time since the CPU's last tick, so that any will do; one
 * that never changes would beat with a program that does the same all over again. */
void osp_events_period(osp_events *e, uint64_t ns);
void osp_events_close(osp_events *e);

/* Raise this process's soft limit of open files to the hard one: an event is one. */
void osp_allow_open_files(void);

/* ---- copied.c ---------------------------------------------------------------------------------------------- */

typedef struct osp_copied {
    osp_mem mem;
    const osp_space *space;
    const osp_unwind_go *go;
    uint64_t sp; /* run address of stack.p */
    osp_span stack;
    /* The walk's own: it goes by the stack pointer where tables go by the frame pointer; what it read of the live process. */
    bool by_sp;
    bool no_fp; /* the frame pointer is not known */
    bool read_live, page_known;
    uint64_t page_addr;
    uint8_t page[4096];
} osp_copied;

/* Unwind from regs; g is any g of the thread (0: none). Writes the user pcs, at most OSP_MAX_USER, and what *head says
 * of them; head's kernel part stays. */
void osp_copied_walk(osp_copied *c, const osp_unwind_regs *regs, uint64_t g, osp_raw_sample *head, uint64_t *user);

/* ---- bpf_ring.c -------------------------------------------------------------------------------------------- */

/* The records of the kernel side. They are taken out of its ring in time, however long the caller is away. */
typedef struct osp_bpf_ring osp_bpf_ring;

/* NULL on failure, errno says why. */
osp_bpf_ring *osp_bpf_ring_open(int map_fd);
void osp_bpf_ring_close(osp_bpf_ring *r);
int osp_bpf_ring_poll(const osp_bpf_ring *r); /* readable once much waits in the ring itself */
/* Give all that came so far, the oldest first; each record is 8-byte aligned. */
void osp_bpf_ring_take(osp_bpf_ring *r, void (*each)(void *ctx, const void *record, size_t size), void *ctx);
uint64_t osp_bpf_ring_lost(osp_bpf_ring *r); /* for want of memory */

/* ---- bpf_side.c -------------------------------------------------------------------------------------------- */

typedef struct osp_bpf_side osp_bpf_side;

/* Load the programs that these events need; events must live as long. wakers: waits say who ended them. EPERM and EABSENT mean: this kernel or user cannot, use the fallback; *err says what is missing. */
osp_bpf_side *osp_bpf_side_open(const osp_event_list *events, bool wakers, osp_err *err);
void osp_bpf_side_close(osp_bpf_side *b);
int osp_bpf_side_program(const osp_bpf_side *b);
int osp_bpf_side_poll(const osp_bpf_side *b); /* readable once there is something that should not wait */
/* Whose samples are taken. */
bool osp_bpf_side_scope(osp_bpf_side *b, const osp_bpf_config *config, osp_err *err) OSP_CHECKED;
/* Clocks on CPUs begin to tick now. */
void osp_bpf_side_since(osp_bpf_side *b, uint64_t now_ns);
/* They tick that often, give or take. */
void osp_bpf_side_rate(osp_bpf_side *b, uint32_t hz);
/* We have run for so long on this CPU since the last call; before going to sleep. */
void osp_bpf_side_ran(osp_bpf_side *b, uint64_t ns);
/* Take a process in whose mappings are not known yet. asleep: nothing of it is sampled until its exec. */
bool osp_bpf_side_enter(osp_bpf_side *b, int pid, bool asleep, osp_err *err) OSP_CHECKED;
/* Hand over a process's mappings, rows and Go offsets; replaces what was there of it. */
bool osp_bpf_side_space(osp_bpf_side *b, int pid, const osp_space *s, const osp_unwind_go *go,
                        osp_err *err) OSP_CHECKED;
void osp_bpf_side_forget(osp_bpf_side *b, int pid);
/* Hand over the rows of what is mapped there ahead of the processes that will map it. */
void osp_bpf_side_keep(osp_bpf_side *b, const osp_space *s);

/* Follow the scheduler's events, if any are asked for, from *since_ns on. from_start: threads that sleep already have
 * slept since then; else a thread is followed from its first switch on. */
bool osp_bpf_side_watch(osp_bpf_side *b, bool from_start, uint64_t *since_ns, osp_err *err) OSP_CHECKED;
/* Close the books on what threads wait for and run until then, which is now: the next drain gives it. last: nothing is
 * counted after that. */
void osp_bpf_side_flush(osp_bpf_side *b, uint64_t until_ns, bool last);
void osp_bpf_side_unwatch(osp_bpf_side *b);
/* Put probes into the program, and take them out. After so many hits they do nothing more, until they are taken out. What is
 * allocated and not freed by then is given at the next drain. */
bool osp_bpf_side_probe(osp_bpf_side *b, const osp_alloc_probe *probe, size_t n, uint64_t most,
                        osp_err *err) OSP_CHECKED;
uint64_t osp_bpf_side_hits(const osp_bpf_side *b);
void osp_bpf_side_unprobe(osp_bpf_side *b);
/* Open a window if it is time for one, and close it again: at most 0.2 s. drain is called now and then. */
void osp_allocs_run(osp_allocs *a, osp_bpf_side *b, void (*drain)(void *ctx), void *ctx);

/* Where drained samples go. */
typedef struct {
    void *ctx;
    /* A sample: its header and its words. */
    void (*sample)(void *ctx, const osp_raw_sample *head, const uint64_t *word);
    /* A stack that met code without a table, as it came: for osp_bpf_side_settle. */
    void (*aside)(void *ctx, const osp_raw_sample *head);
} osp_bpf_sink;

/* Give the calls that were counted together since the last time. */
typedef void osp_each_tally(void *ctx, const osp_bpf_tally_key *key, osp_bpf_tally *tally);
void osp_bpf_side_tallies(osp_bpf_side *b, osp_each_tally *each, void *ctx);
/* The same of descriptors. */
typedef void osp_each_used(void *ctx, const osp_bpf_used_key *key, const osp_bpf_used *used);
void osp_bpf_side_used(osp_bpf_side *b, osp_each_used *each, void *ctx);
/* Give all waiting samples to the sink. Stacks that met code without a table are kept, and the samples of them. */
void osp_bpf_side_drain(osp_bpf_side *b, const osp_bpf_sink *to);
/* Unwind those that were kept, now that the spaces were refreshed, and give them to the sink. subject_of names the
 * sample's; NULL if it is unknown. */
void osp_bpf_side_settle(osp_bpf_side *b, const osp_bpf_sink *to,
                         const osp_subject *(*subject_of)(void *ctx, const osp_raw_sample *head));
/* The words of the stack that head names, with what of the header belongs to them; while a sample is given. NULL: unknown. */
const uint64_t *osp_bpf_side_stack(const osp_bpf_side *b, osp_raw_sample *head);
uint64_t osp_bpf_side_lost(const osp_bpf_side *b);
/* The kernel's run-time statistics of the program so far. */
void osp_bpf_side_cost(const osp_bpf_side *b, uint64_t *run_ns, uint64_t *runs);

/* ---- perf_side.c ------------------------------------------------------------------------------------------- */

typedef struct osp_perf_side osp_perf_side;

/* The fallback: rings, but no clocks yet. many: of more than one process. Births that its clocks tell of go to `births`;
 * that and opts are the caller's and must live on. */
osp_perf_side *osp_perf_side_open(const osp_sample_opts *opts, bool many, osp_births *births, osp_err *err);
void osp_perf_side_close(osp_perf_side *s);
/* Clocks on these processes, or on all CPUs; on_exec: from each process's next exec on. Those of before are closed. */
bool osp_perf_side_start(osp_perf_side *s, osp_subject *const *of, uint32_t n, uint32_t hz, bool on_exec,
                         osp_err *err) OSP_CHECKED;
void osp_perf_side_stop(osp_perf_side *s);
/* Give clocks on CPUs another period, about the one that the rate asks for. */
void osp_perf_side_period(osp_perf_side *s, uint64_t ns);
bool osp_perf_side_by_cpus(const osp_perf_side *s);
size_t osp_perf_side_unheard(const osp_perf_side *s); /* threads that have no clock: too many files would be open */
/* Sleep for ns, or until there is a sample. */
void osp_perf_side_wait(osp_perf_side *s, uint64_t ns);
/* What a thread was called may be so no longer. */
void osp_perf_side_told(osp_perf_side *s, const osp_birth *b);

/* Where samples go. */
typedef struct {
    void *ctx;
    /* Whose it is, mappings read; NULL: it is not wanted. */
    const osp_subject *(*subject)(void *ctx, const osp_raw_sample *head);
    void (*sample)(void *ctx, const osp_raw_sample *head, const uint64_t *word);
} osp_perf_sink;

/* Take what waits: births go to where they are heard, samples are kept for the next give, which may be once the births were
 * told. */
void osp_perf_side_read(osp_perf_side *s);
void osp_perf_side_give(osp_perf_side *s, const osp_perf_sink *to);
/* Samples so far that found no room. */
uint64_t osp_perf_side_lost(const osp_perf_side *s);

/* ---- priority, in passes.c -------------------------------------------------------------------------------------- */

/* Real-time priority of this thread where that is allowed: for the sleep before a pass, and the pass. */
typedef struct {
    bool high, refused;
    bool leave; /* who started us chose a priority of their own */
} osp_priority;
osp_priority osp_priority_now(void);
void osp_priority_raise(osp_priority *p);
void osp_priority_lower(void *priority);

/* ---- proc_side.c ------------------------------------------------------------------------------------------- */

typedef struct osp_proc_side osp_proc_side;

/* A leaf that says why there is none, in place of an address: no machine has one there. */
typedef enum {
    OSP_PLACELESS_RUNNING,
    OSP_PLACELESS_C,
    OSP_PLACELESS_KERNEL,
    OSP_PLACELESS_QUEUED,
    OSP_PLACELESS_BLOCKED,
    OSP_PLACELESS_ENDED,
    OSP_PLACELESS_KINDS
} osp_placeless;
static inline uint64_t osp_placeless_addr(osp_placeless p) { return 0x0100000000000000u + p; }
static inline bool osp_is_placeless(uint64_t addr) { return addr - osp_placeless_addr(0) < OSP_PLACELESS_KINDS; }

/* Where samples go. */
typedef struct {
    void *ctx;
    bool (*meet)(void *ctx, osp_subject *of); /* take hold of it; false: it cannot be looked at */
    bool (*map)(void *ctx, osp_subject *of);  /* read its mappings, unless they are known */
    void (*sample)(void *ctx, const osp_raw_sample *head, const uint64_t *word);
} osp_proc_sink;

/* Are these events measured this way too? False: *cannot is one that is not. */
bool osp_proc_side_can(const osp_event_list *events, const char **cannot);
osp_proc_side *osp_proc_side_new(const osp_sample_opts *opts, const osp_event_list *events, osp_err *err);
void osp_proc_side_drop(osp_proc_side *s);
void osp_proc_side_rate(osp_proc_side *s, uint32_t hz); /* looks a second */
/* What is there now has begun before; what comes later counts from its start. The sink must live on. */
void osp_proc_side_begin(osp_proc_side *s, osp_subjects *subjects, const osp_proc_sink *to);
uint64_t osp_proc_side_next(const osp_proc_side *s); /* when a look is due (CLOCK_MONOTONIC) */
void osp_proc_side_look(osp_proc_side *s, osp_subjects *subjects);
/* Is it time to see which processes have come and gone? */
bool osp_proc_side_scan_is_due(osp_proc_side *s);
/* A last look before a take; all that is held is given. */
void osp_proc_side_settle(osp_proc_side *s, osp_subjects *subjects);
void osp_proc_side_forget(osp_proc_side *s, const osp_subject *of);

/* The times of a thread from one look to the next. */
typedef struct {
    osp_thread_clock was;
    uint64_t at_ns;
    int64_t open_ns; /* went by and was on no CPU, as far as the kernel has counted; not given yet */
    bool blocked;    /* it has been seen blocked */
} osp_proc_clock;
typedef struct {
    uint64_t run_ns, wait_ns;
    uint64_t before_ns, now_ns; /* blocked: where it was before, where it is now */
} osp_proc_time;
osp_proc_time osp_proc_account(osp_proc_clock *c, const osp_thread_clock *now, uint64_t at_ns, bool blocked);

/* ---- goroutine_looks.c ------------------------------------------------------------------------------------- */

typedef struct osp_goroutines osp_goroutines;

typedef struct {
    bool no_parked;                /* waits of parked goroutines are measured elsewhere: do not count them */
    bool creators;                 /* the function that made a goroutine stands below its first */
    uint32_t budget_us;            /* of CPU time for a pass: past it, only a part of the goroutines is looked at */
    uint64_t patience_ns;          /* a pass that has taken so much CPU time */
    void (*at_its_end)(void *ctx); /* calls this, and goes on */
    void *ctx;
} osp_goroutines_opts;

/* mem is the process's that go is of; go and waits must outlive it. EABSENT if the list of goroutines is not found. */
osp_goroutines *osp_goroutines_open(osp_mem mem, osp_go *go, osp_waits *waits, const osp_goroutines_opts *opts,
                                    osp_err *err);
void osp_goroutines_close(osp_goroutines *g);
/* The present mappings; they must stay until the next call. */
void osp_goroutines_space(osp_goroutines *g, const osp_space *space, const osp_unwind_go *offsets);

/* Look at all goroutines, or at a part as large as the budget allows. False once the process cannot be read. */
bool osp_goroutines_pass(osp_goroutines *g, osp_err *err) OSP_CHECKED;

typedef struct {
    uint64_t looked;                 /* at goroutines */
    uint64_t unwound;                /* stacks read: the others were as at the last look */
    uint64_t torn;                   /* of those, whose stack was not got at all: the leaf alone is kept */
    uint64_t unread;                 /* goroutines whose structure could not be read */
    uint64_t cpu_ns;                 /* that all passes took */
    uint64_t slowest_ns;             /* the slowest pass, CPU time */
    uint32_t goroutines;             /* on the list at the last pass, dead ones included */
    uint64_t runs, late;             /* runs of some 17 goroutines that were read; that were due, but had no room */
    uint32_t unreached;              /* goroutines that were not looked at yet, when last settled */
    uint64_t ended[OSP_END_REASONS]; /* of the stacks read */
} osp_goroutines_stats;
const osp_goroutines_stats *osp_goroutines_stats_of(const osp_goroutines *g);
/* Give the waits all time up to now that was not given yet. */
void osp_goroutines_settle(osp_goroutines *g);

/* Every goroutine that is parked, as it was last looked at. */
typedef void osp_each_parked(void *ctx, uint64_t addr, const osp_waiting *what);
void osp_goroutines_parked(const osp_goroutines *g, osp_each_parked *each, void *ctx);
/* Is this the stack of one of the runtime's own goroutines? */
bool osp_goroutines_is_runtimes(osp_goroutines *g, const uint64_t *pc, size_t n);
/* The id of each goroutine's labels at its last look, by its number. */
bool osp_goroutines_labels(const osp_goroutines *g, osp_index *out) OSP_CHECKED;

/* ---- parks.c ----------------------------------------------------------------------------------------------- */

typedef struct osp_parks osp_parks;

/* Probe a process that has Go; *cost gets what it is going to cost. EPERM, EABSENT: it cannot be. */
osp_parks *osp_parks_open(const osp_subject *of, bool by_goroutine, const osp_sample_opts *opts,
                          osp_exact_stats *cost, osp_err *err);
void osp_parks_close(osp_parks *p);
/* A goroutine had parked before. Its stack is one of the waits that finish() gets. */
void osp_parks_before(osp_parks *p, uint64_t g, const osp_waiting *what, uint64_t since_ns);
/* How long goroutines waited at one place. */
typedef struct {
    uint64_t goid; /* 0: they are not told apart */
    const uint64_t *pc;
    size_t npc;     /* 0: they had parked before, and the stack is */
    uint32_t stack; /* this one, as osp_parks_before got it */
    uint8_t waitreason;
    uint64_t ns;
} osp_exact_wait;
typedef void osp_each_park(void *ctx, const osp_exact_wait *w);
/* The probes are taken off. Waits that go on count until then. */
void osp_parks_finish(osp_parks *p, uint64_t until_ns, osp_each_park *each, void *ctx, osp_exact_stats *cost);

/* ---- passes.c ---------------------------------------------------------------------------------------------- */

enum { OSP_REASON_MAX = sizeof((osp_wait_row){0}.reason) };

osp_str osp_how_state(osp_how how); /* "waiting" */
/* "chan receive, then waiting for a CPU" */
void osp_how_reason(const osp_go *go, osp_how how, uint8_t waitreason, char out[OSP_REASON_MAX]);

typedef struct osp_passes osp_passes;

/* Passes over the subject's goroutines, hz a second, each at a random moment. The subject must outlive them. EABSENT if
 * its goroutines are not found. */
osp_passes *osp_passes_new(const osp_subject *of, uint32_t hz, const osp_sample_opts *opts, osp_priority *priority,
                           osp_err *err);
void osp_passes_drop(osp_passes *p);
void osp_passes_space(osp_passes *p, const osp_subject *of); /* its mappings have changed */
uint64_t osp_passes_next(const osp_passes *p); /* when the next pass is due (CLOCK_MONOTONIC); UINT64_MAX: never */
void osp_passes_look(osp_passes *p);           /* the pass that is due */
/* Before a take: what goroutines do now is counted up to then. */
void osp_passes_settle(osp_passes *p, uint64_t until_ns);
/* Of the time since the start or the last take, until then (CLOCK_MONOTONIC). */
void osp_passes_stats(const osp_passes *p, uint64_t until_ns, osp_wait_stats *out);
/* Stacks so far that ended outside all mappings. */
uint64_t osp_passes_unmapped(const osp_passes *p);
void osp_passes_take(osp_passes *p, uint64_t until_ns, osp_each_waited *each, void *ctx);

/* ---- looks.c ----------------------------------------------------------------------------------------------- */

/* The goroutines of all processes that are sampled: passes over those of each. */
typedef struct osp_looks osp_looks;

osp_looks *osp_looks_new(uint32_t hz, const osp_sample_opts *opts, osp_err *err);
void osp_looks_drop(osp_looks *l);
/* Look at a subject's, too, until it is forgotten. EABSENT if its goroutines are not found. */
bool osp_looks_add(osp_looks *l, osp_subject *of, osp_err *err) OSP_CHECKED;
bool osp_looks_at(const osp_looks *l, const osp_subject *of);
void osp_looks_space(osp_looks *l, const osp_subject *of); /* its mappings have changed */
uint64_t osp_looks_next(const osp_looks *l);               /* when one is due; UINT64_MAX: never */
void osp_looks_hurry(osp_looks *l);                        /* before the sleep until then, if it is for a look */
void osp_looks_look(osp_looks *l);                         /* at those that are due */
void osp_looks_relax(osp_looks *l);                        /* what comes now may take its time */
/* A subject whose stacks have ended outside all mappings since we were asked last; NULL: there is none. */
osp_subject *osp_looks_unmapped(osp_looks *l);
/* As of passes, of all together. */
void osp_looks_settle(osp_looks *l, uint64_t until_ns);
void osp_looks_stats(const osp_looks *l, uint64_t until_ns, osp_wait_stats *out);
typedef void osp_each_look_waited(void *ctx, const osp_subject *of, const osp_waited *one);
void osp_looks_take(osp_looks *l, uint64_t until_ns, osp_each_look_waited *each, void *ctx);
/* The subject will be closed: what is known of its goroutines up to then is given now. */
void osp_looks_forget(osp_looks *l, const osp_subject *of, uint64_t until_ns, osp_each_look_waited *each, void *ctx);

/* ---- sampler.c: the loop; intake.c, clocks.c: parts of it ------------------------------------------------------- */

struct osp_sampler {
    const osp_sample_opts *opts;
    osp_event_list event;
    osp_subjects *subjects;
    osp_subject **given; /* the processes that were asked for */
    uint32_t ngiven;
    osp_subject *subject; /* the first of them; NULL: a cgroup or the machine is sampled */
    osp_births *births;   /* NULL: none are heard of */
    osp_subject **stale;  /* met code that their mappings do not show */
    size_t nstale, stale_cap;
    bool many;         /* several processes */
    bool threads_come; /* and go, in a single one */
    uint64_t threads_before;
    uint64_t random, next_period_ns;
    uint64_t restless_until_ns;
    uint64_t own_ns;     /* CPU time of ours so far, as told to the ticks */
    uint64_t no_memory;  /* samples lost for want of it */
    uint64_t sampled_ns; /* CPU time in samples so far */
    struct pollfd *poll;
    osp_collector *collector;
    osp_bpf_side *bpf;
    osp_wakes *wakes; /* NULL: nobody asks who wakes */
    osp_perf_side *perf;
    osp_proc_side *proc;
    osp_proc_sink proc_sink;
    osp_events events[2 * OSP_MAX_EVENTS]; /* two a kind */
    unsigned step;                         /* of the run */
    bool no_looks;                         /* goroutines cannot be measured, and we were told why */
    osp_looks *looks;                      /* of the event that is OSP_BY_LOOKS; NULL: it is not asked for */
    osp_allocs *allocs;                    /* of the events that are OSP_BY_ALLOCS; NULL: none */
    osp_go_survey *survey;                 /* which processes run Go: where not all are looked at that were met */
    bool running;
    uint32_t hz;
    uint64_t start_ns; /* of the run; slice_ns: of what the next take gives */
    uint64_t slice_ns, paused_ns;
    int64_t slice_wall_ns;
    uint64_t lost_before, bpf_ns_before, bpf_runs_before; /* before this slice */
    uint64_t cpu_ns, cpu_at_ns; /* the process's CPU time when last looked at, and when that was */
    char gave_up[240];
};

/* Not only processes that were named. */
static inline bool osp_any_process(const osp_sampler *s) { return s->opts->machine || s->opts->cgroup; }

/* Read a subject's mappings; if they changed, hand the tables over. */
bool osp_intake_refresh(osp_sampler *s, osp_subject *of, osp_err *err) OSP_CHECKED;
/* Its mappings are to be read again, at the end of the step. */
void osp_intake_make_stale(osp_sampler *s, osp_subject *of);
/* Hear what the kernel tells of births. */
void osp_intake_hear(osp_sampler *s);
/* Take what waits. */
void osp_intake_drain(osp_sampler *s);
/* Where the samples of looks at threads go. */
osp_proc_sink osp_intake_of_proc(osp_sampler *s);
/* See which processes have come and gone, where nobody tells. */
void osp_intake_scan(osp_sampler *s);
/* At the end of a step: what met unknown code is read again, and what ended before is forgotten. */
void osp_intake_tidy(osp_sampler *s);
/* Time that goroutines of a process waited: an osp_each_look_waited. */
void osp_intake_add_wait(void *sampler, const osp_subject *of, const osp_waited *w);

/* The load is measured from now on; and the rate to begin with, which follows from it. */
void osp_clocks_begin(osp_sampler *s);
void osp_clocks_choose_rate(osp_sampler *s);
/* The rate is ours to choose: only CPU time is asked for, and no rate is named. */
bool osp_clocks_rate_is_free(const osp_sampler *s);
bool osp_clocks_open(osp_sampler *s, bool on_exec, osp_err *err) OSP_CHECKED;
void osp_clocks_close(osp_sampler *s);
/* Another period, if it is time for that. */
void osp_clocks_vary(osp_sampler *s, uint64_t now);
/* Change the rate if the load asks for another one by more than half. */
void osp_clocks_adapt(osp_sampler *s);
/* Those of a single process whose threads come and go are better on CPUs. */
void osp_clocks_follow_threads(osp_sampler *s);

#endif
