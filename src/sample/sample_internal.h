/* SPDX-License-Identifier: Apache-2.0 */
/* sample/sample_internal.h: the parts of the sampler.
 *
 *     space     what is mapped where: executable mappings, their objects and unwind rows
 *     bpf_side  loads the BPF program, hands it the space's tables, reads the ring
 *     perf_side the same without BPF: perf events with copied user stacks, unwound here
 *     events    perf events on every thread, at one rate
 *     collect   raw samples -> profile
 *     record    the loop that drives them
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

/* ---- collect.c --------------------------------------------------------------------------------------------- */

typedef struct osp_collector osp_collector;

osp_collector *osp_collector_new(osp_err *err);
void osp_collector_drop(osp_collector *c);
/* Tell it the present mappings; the space must stay as it is until the next call. The first call's main binary becomes
 * the profile's first mapping. */
void osp_collector_space(osp_collector *c, const osp_space *s, osp_str main_binary);
/* Add one raw sample: the header and its words (kernel pcs, user pcs, labels). */
void osp_collector_add(osp_collector *c, const osp_raw_sample *head, const uint64_t *word);
uint64_t osp_collector_taken(const osp_collector *c);
/* The profile and its threads; the collector is empty afterwards. */
bool osp_collector_finish(osp_collector *c, const osp_profile_head *head, osp_recording *out,
                          osp_err *err) OSP_CHECKED;
const uint64_t *osp_collector_ended(const osp_collector *c, uint64_t *frame_pointer_steps);

/* ---- events.c ---------------------------------------------------------------------------------------------- */

/* Perf events on all threads of a process (inherited by the threads they start), or, for very many threads, on all
 * CPUs. */
typedef struct osp_events {
    int *fd;
    size_t n, cap;
    bool all_cpus;
} osp_events;

/* Say why perf_event_open failed with this errno, with the cure. Always false. */
bool osp_perf_explain(int error, osp_err *err);

/* Open them at hz, attach the BPF program, start: at once, or when the process execs. */
bool osp_events_open(osp_events *e, osp_process *p, uint32_t hz, int prog_fd, bool on_exec, osp_err *err) OSP_CHECKED;
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
/* Hand over the process's mappings, rows and Go offsets; replaces what was there. */
bool osp_bpf_side_space(osp_bpf_side *b, int pid, const osp_space *s, const osp_unwind_go *go,
                        osp_err *err) OSP_CHECKED;
/* Give all waiting samples to the collector. Those that met code without a table are kept aside: *pending says
 * how many there are. */
void osp_bpf_side_drain(osp_bpf_side *b, osp_collector *c, size_t *pending);
/* Unwind those kept aside, now that the space was refreshed, and give them to the collector. */
void osp_bpf_side_settle(osp_bpf_side *b, osp_collector *c, osp_copied *with);
uint64_t osp_bpf_side_lost(const osp_bpf_side *b);
/* The kernel's run-time statistics of the program so far. */
void osp_bpf_side_cost(const osp_bpf_side *b, uint64_t *run_ns, uint64_t *runs);

/* ---- perf_side.c ------------------------------------------------------------------------------------------- */

typedef struct osp_perf_side osp_perf_side;

/* The fallback: nothing is opened yet. */
osp_perf_side *osp_perf_side_open(osp_process *p, osp_err *err);
void osp_perf_side_close(osp_perf_side *s);
/* What is mapped now; the space and go stay the caller's and must live on. */
void osp_perf_side_space(osp_perf_side *s, const osp_space *space, osp_go *go, const osp_unwind_go *offsets);
bool osp_perf_side_start(osp_perf_side *s, uint32_t hz, osp_err *err) OSP_CHECKED;
/* Threads that started meanwhile get events too. */
void osp_perf_side_follow(osp_perf_side *s);
void osp_perf_side_stop(osp_perf_side *s);
/* Sleep for ns, or until a ring fills. */
void osp_perf_side_wait(osp_perf_side *s, uint64_t ns);
void osp_perf_side_drain(osp_perf_side *s, osp_collector *c);
uint64_t osp_perf_side_lost(const osp_perf_side *s);

#endif
