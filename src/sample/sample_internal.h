/* SPDX-License-Identifier: Apache-2.0 */
/* sample/sample_internal.h: the parts of the sampler.
 *
 *     kinds     what can be measured
 *     space     what is mapped where: executable mappings, their objects and unwind rows
 *     subject   a program that is sampled: its space, its Go runtime; all of them by pid
 *     births    what the kernel tells of processes that begin and end
 *     bpf_side  loads the BPF program, hands it the spaces' tables, reads the ring
 *     stack_words  keeps the words of stacks, which the BPF program sends once
 *     perf_side the same without BPF: perf events with copied user stacks, unwound here
 *     events    perf events on every thread, or on every CPU
 *     collect   raw samples -> profile
 *     sampler   the loop that drives them
 */
#ifndef OSP_SAMPLE_INTERNAL_H
#define OSP_SAMPLE_INTERNAL_H

#include "sample/sample.h"

#include <linux/types.h>
#include <poll.h>

#include "../../bpf/sample.h"

/* ---- space.c ----------------------------------------------------------------------------------------------- */

typedef struct osp_space_map {
    uint64_t start, end, offset;
    uint64_t bias;      /* run address - bias = file address; 0 without object */
    uint64_t base;      /* run address - base = a row's pc */
    osp_object *object; /* NULL: anonymous, or its file cannot be read */
    const osp_row *row;
    uint32_t nrow;
    osp_str path; /* "" if anonymous */
    bool vdso;
} osp_space_map;

/* One process's executable mappings, sorted by start. Rebuilt when they change; objects stay. */
typedef struct osp_space {
    osp_arena arena;
    osp_space_map *map;
    uint32_t n;
    uint64_t hash; /* of the mappings' places: tells a change */
} osp_space;

/* Read the process's mappings; *changed says whether anything differs from before. */
bool osp_space_refresh(osp_space *s, osp_process *p, osp_objects *objects, bool *changed, osp_err *err) OSP_CHECKED;
/* How to come by the files that are mapped. */
typedef struct {
    osp_process *process; /* NULL: it has ended */
    int (*open)(void *ctx, const osp_map *m, osp_err *err);
    void *ctx;
} osp_space_source;
/* The same from a list of mappings, sorted, of which those with code are taken. */
bool osp_space_make(osp_space *s, const osp_space_source *from, const osp_map *all, uint32_t nall,
                    osp_objects *objects, bool *changed, osp_err *err) OSP_CHECKED;
bool osp_space_copy(osp_space *to, const osp_space *from, osp_err *err) OSP_CHECKED;
void osp_space_drop(osp_space *s);
/* The mapping that holds a run address, or NULL. */
const osp_space_map *osp_space_at(const osp_space *s, uint64_t addr);
/* Fill the unwinder's view of the Go runtime from go (NULL: all zero). */
void osp_space_go(const osp_go *go, osp_unwind_go *out);

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
/* Listen on all CPUs. */
osp_births *osp_births_open(osp_err *err);
void osp_births_close(osp_births *b);
/* What to poll for. Returns how many were written. */
size_t osp_births_nring(const osp_births *b);
size_t osp_births_poll(const osp_births *b, struct pollfd *out, size_t max);
/* All that happened since the last time, in order of time. */
void osp_births_drain(osp_births *b, void (*each)(void *ctx, const osp_birth *one), void *ctx);
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
    bool pinned;     /* somebody holds it: it is not forgotten */
    bool mapped;     /* its mappings were asked for */
    bool stale;      /* and are to be asked for again */
    osp_arena arena; /* of info */
    osp_process_info info;
    osp_space space;
    uint32_t generation; /* of the space: how often it has changed */
    osp_go *go;
    osp_unwind_go unwind_go;
    uint64_t outside; /* its samples outside all mappings when the mappings were last read for their sake */
    osp_map *told;    /* mappings with code that the kernel told of, sorted; paths are ours */
    size_t ntold, told_cap;
    bool told_all; /* that is all of them: we saw its exec */
    uint64_t exe_dev, exe_inode;
} osp_subject;

osp_subject *osp_subject_open(int pid, osp_process *process, osp_go *go, osp_err *err);
void osp_subject_close(osp_subject *s);
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
size_t osp_subjects_count(const osp_subjects *t);
uint64_t osp_subjects_threads(const osp_subjects *t); /* born so far in processes that were in it */

/* ---- stack_words.c ----------------------------------------------------------------------------------------- */

typedef struct osp_stack_words osp_stack_words;

osp_stack_words *osp_stack_words_new(osp_err *err);
void osp_stack_words_drop(osp_stack_words *s);
/* Keep a stack's words under head's hash. False without memory. */
bool osp_stack_words_put(osp_stack_words *s, const osp_raw_sample *head, const uint64_t *word) OSP_CHECKED;
/* The words under head's hash, until the next put; what of the header belongs to them is filled in. NULL if the hash is
 * unknown. */
const uint64_t *osp_stack_words_find(const osp_stack_words *s, osp_raw_sample *head);
/* Time to age: those kept before the last time are forgotten then. */
bool osp_stack_words_full(const osp_stack_words *s);
void osp_stack_words_age(osp_stack_words *s);

/* ---- collect.c --------------------------------------------------------------------------------------------- */

typedef struct osp_collector osp_collector;

/* events must live as long as the collector. many: samples tell their process. */
osp_collector *osp_collector_new(const osp_event_list *events, bool many, osp_err *err);
void osp_collector_drop(osp_collector *c);
/* Add one raw sample of a subject: the header and its words (kernel pcs, user pcs, labels); what has the same hash has
 * the same words. Of the subject's first sample its main binary becomes a mapping: the profile's first, if it is the
 * first subject. */
void osp_collector_add(osp_collector *c, const osp_subject *of, const osp_raw_sample *head, const uint64_t *word);
/* The subject will be closed. */
void osp_collector_forget(osp_collector *c, const osp_subject *s);
/* Samples that found no more room in the profile. */
uint64_t osp_collector_lost(const osp_collector *c);
/* Since the start or the last take. */
uint64_t osp_collector_taken(const osp_collector *c);
/* The profile and its threads so far; the collector begins anew. */
bool osp_collector_take(osp_collector *c, const osp_profile_head *head, osp_recording *out, osp_err *err) OSP_CHECKED;
const uint64_t *osp_collector_ended(const osp_collector *c, uint64_t *frame_pointer_steps);

/* ---- events.c ---------------------------------------------------------------------------------------------- */

/* Perf events of one kind: on all threads of a process, inherited by the threads they start, or on all CPUs. */
typedef struct osp_events {
    struct osp_event_fd {
        int link; /* to the program; holds its event */
        int fd;   /* the event, where its period will be changed; else -1 */
    } * event;
    size_t n, cap;
    uint32_t index; /* the kind's place in the recording's list */
    bool ticks;     /* a clock on each CPU */
} osp_events;

/* Say why perf_event_open failed with this errno, with the cure. Always false. */
bool osp_perf_explain(int error, osp_err *err);

/* Open them at hz, attach the BPF program, start: at once, or when the process execs. index is the kind's place in the
 * recording's list; the program is told it with each event. p = NULL: on all CPUs, for whatever the program wants. So too
 * if the process has very many threads. */
bool osp_events_open(osp_events *e, const osp_event_kind *kind, uint32_t index, osp_process *p, uint32_t hz,
                     int prog_fd, bool on_exec, osp_err *err) OSP_CHECKED;
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
    /* The walk's own: what it read of the live process. */
    bool read_live, page_known;
    uint64_t page_addr;
    uint8_t page[4096];
} osp_copied;

/* Unwind from regs; g is any g of the thread (0: none). Writes the user pcs, at most OSP_MAX_USER, and what *head says
 * of them; head's kernel part stays. */
void osp_copied_walk(osp_copied *c, const osp_unwind_regs *regs, uint64_t g, osp_raw_sample *head, uint64_t *user);

/* ---- bpf_side.c -------------------------------------------------------------------------------------------- */

typedef struct osp_bpf_side osp_bpf_side;

/* Load the program. EPERM and EABSENT mean: this kernel or user cannot, use the fallback; *err says what is missing. */
osp_bpf_side *osp_bpf_side_open(osp_err *err);
void osp_bpf_side_close(osp_bpf_side *b);
int osp_bpf_side_program(const osp_bpf_side *b);
int osp_bpf_side_poll(const osp_bpf_side *b); /* readable once there is something that should not wait */
/* Whose samples are taken. */
bool osp_bpf_side_scope(osp_bpf_side *b, const osp_bpf_config *config, osp_err *err) OSP_CHECKED;
/* Clocks on CPUs begin to tick now. */
void osp_bpf_side_since(osp_bpf_side *b, uint64_t now_ns);
/* Take a process in whose mappings are not known yet. asleep: nothing of it is sampled until its exec. */
bool osp_bpf_side_enter(osp_bpf_side *b, int pid, bool asleep, osp_err *err) OSP_CHECKED;
/* Hand over a process's mappings, rows and Go offsets; replaces what was there of it. */
bool osp_bpf_side_space(osp_bpf_side *b, int pid, const osp_space *s, const osp_unwind_go *go,
                        osp_err *err) OSP_CHECKED;
void osp_bpf_side_forget(osp_bpf_side *b, int pid);

/* Where drained samples go. */
typedef struct {
    void *ctx;
    /* A sample: its header and its words. */
    void (*sample)(void *ctx, const osp_raw_sample *head, const uint64_t *word);
    /* A stack that met code without a table, as it came: for osp_bpf_side_settle. */
    void (*aside)(void *ctx, const osp_raw_sample *head);
} osp_bpf_sink;

/* Give all waiting samples to the sink. Stacks that met code without a table are kept, and the samples of them. */
void osp_bpf_side_drain(osp_bpf_side *b, const osp_bpf_sink *to);
/* Unwind those that were kept, now that the spaces were refreshed, and give them to the sink. subject_of names the
 * sample's; NULL if it is unknown. */
void osp_bpf_side_settle(osp_bpf_side *b, const osp_bpf_sink *to,
                         const osp_subject *(*subject_of)(void *ctx, const osp_raw_sample *head));
uint64_t osp_bpf_side_lost(const osp_bpf_side *b);
/* The kernel's run-time statistics of the program so far. */
void osp_bpf_side_cost(const osp_bpf_side *b, uint64_t *run_ns, uint64_t *runs);

/* ---- perf_side.c ------------------------------------------------------------------------------------------- */

typedef struct osp_perf_side osp_perf_side;

/* The fallback: nothing is opened yet. */
osp_perf_side *osp_perf_side_open(osp_process *p, osp_err *err);
void osp_perf_side_close(osp_perf_side *s);
/* Its mappings have changed; the subject stays the caller's and must live on. */
void osp_perf_side_space(osp_perf_side *s, const osp_subject *of);
bool osp_perf_side_start(osp_perf_side *s, uint32_t hz, osp_err *err) OSP_CHECKED;
/* Threads that started meanwhile get events too. */
void osp_perf_side_follow(osp_perf_side *s);
void osp_perf_side_stop(osp_perf_side *s);
/* Sleep for ns, or until a ring fills. */
void osp_perf_side_wait(osp_perf_side *s, uint64_t ns);
void osp_perf_side_drain(osp_perf_side *s, osp_collector *c);
uint64_t osp_perf_side_lost(const osp_perf_side *s);

#endif
