/* SPDX-License-Identifier: Apache-2.0 */
/* sample/sample_internal.h: the parts of the sampler.
 *
 *     kinds     what can be measured
 *     space     what is mapped where: executable mappings, their objects and unwind rows
 *     subject   a process that is sampled: its space, its Go runtime
 *     bpf_side  loads the BPF program, hands it the spaces' tables, reads the ring
 *     stack_words  keeps the words of stacks, which the BPF program sends once
 *     perf_side the same without BPF: perf events with copied user stacks, unwound here
 *     events    perf events on every thread, at one rate
 *     collect   raw samples -> profile
 *     sampler   the loop that drives them
 */
#ifndef OSP_SAMPLE_INTERNAL_H
#define OSP_SAMPLE_INTERNAL_H

#include "sample/sample.h"

#include <linux/types.h>

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
void osp_space_drop(osp_space *s);
/* The mapping that holds a run address, or NULL. */
const osp_space_map *osp_space_at(const osp_space *s, uint64_t addr);
/* Fill the unwinder's view of the Go runtime from go (NULL: all zero). */
void osp_space_go(const osp_go *go, osp_unwind_go *out);

/* ---- subject.c --------------------------------------------------------------------------------------------- */

/* A process that is sampled. */
typedef struct osp_subject {
    int pid;
    osp_process *process;
    bool borrowed, go_borrowed; /* the process, its Go runtime are the caller's */
    osp_arena arena;            /* of info */
    osp_process_info info;
    osp_space space;
    uint32_t generation; /* of the space: how often it has changed */
    osp_go *go;
    osp_unwind_go unwind_go;
    uint64_t outside; /* its samples outside all mappings when the mappings were last read for their sake */
} osp_subject;

osp_subject *osp_subject_open(int pid, osp_process *process, osp_go *go, osp_err *err);
void osp_subject_close(osp_subject *s);
/* Read who it is: again after an exec. */
bool osp_subject_identify(osp_subject *s, osp_err *err) OSP_CHECKED;
/* Read its mappings; if they changed, find Go. *why_no_goroutines gets a line if there is Go that cannot be read. */
bool osp_subject_refresh(osp_subject *s, osp_objects *objects, bool *changed, osp_err *why_no_goroutines,
                         osp_err *err) OSP_CHECKED;

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
/* Since the start or the last take. */
uint64_t osp_collector_taken(const osp_collector *c);
/* The profile and its threads so far; the collector begins anew. */
bool osp_collector_take(osp_collector *c, const osp_profile_head *head, osp_recording *out, osp_err *err) OSP_CHECKED;
const uint64_t *osp_collector_ended(const osp_collector *c, uint64_t *frame_pointer_steps);

/* ---- events.c ---------------------------------------------------------------------------------------------- */

/* Perf events on all threads of a process (inherited by the threads they start), or, for very many threads, on all
 * CPUs. */
typedef struct osp_events {
    int *fd; /* links to the program, each of which holds its event */
    size_t n, cap;
    uint32_t index; /* the kind's place in the recording's list */
} osp_events;

/* Say why perf_event_open failed with this errno, with the cure. Always false. */
bool osp_perf_explain(int error, osp_err *err);

/* Open them at hz, attach the BPF program, start: at once, or when the process execs. index is the kind's place in the
 * recording's list; the program is told it with each event. */
bool osp_events_open(osp_events *e, const osp_event_kind *kind, uint32_t index, osp_process *p, uint32_t hz,
                     int prog_fd, bool on_exec, osp_err *err) OSP_CHECKED;
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
/* Unwind those that were kept, now that the spaces were refreshed, and give them to the sink. space_of names the
 * process's; NULL if it is unknown. */
void osp_bpf_side_settle(osp_bpf_side *b, const osp_bpf_sink *to,
                         const osp_subject *(*subject_of)(void *ctx, int pid));
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
