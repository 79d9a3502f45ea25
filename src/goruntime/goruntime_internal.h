/* SPDX-License-Identifier: Apache-2.0 */
/* goruntime/goruntime_internal.h: what the files of this room share. */
#ifndef OSP_GORUNTIME_INTERNAL_H
#define OSP_GORUNTIME_INTERNAL_H

#include "goruntime/goruntime.h"

#include "base/hash.h"

/* The public layout and the fields that only this room reads. */
typedef struct {
    osp_go_layout pub;
    int32_t p_gfree_n;
    int32_t sched_lock, sched_mnext, sched_maxmcount, sched_nmfreed, sched_ngsys;
    int32_t sched_free_n;                      /* to 1.24 */
    int32_t sched_free_stack, sched_free_bare; /* since 1.25 */
    /* mstats: the three deltas of heapStats, then gen; numbers of the collector */
    int32_t mem_stats, mem_gen, mem_mspan_sys, mem_mcache_sys, mem_last_gc, mem_pause_total, mem_pause_end, mem_numgc,
        mem_gc_cpu, mem_last_gc_mono, mem_enablegc;
    int32_t delta_in_heap, delta_in_stacks; /* in one delta */
    int32_t sched_npidle, sched_nmspinning, sched_needspinning, sched_nmidle, sched_nmidlelocked, sched_runqsize,
        sched_gcwaiting, sched_stopwait, sched_sysmonwait;
    int32_t p_timers; /* the slice */
    int32_t p_mcache, m_mallocing, m_throwing, m_preemptoff, m_locks, m_dying;
    int32_t g_waiting, g_timer, g_sleep_when, sudog_g, sudog_next, sudog_elem, sudog_link, sudog_c;
    int32_t chan_len, chan_cap, chan_elem_bytes, chan_elem_type, chan_closed, chan_timer, chan_recvq, chan_sendq;
    int32_t module_types;
    int32_t poll_fd, poll_rg, poll_wg, poll_self;
    int32_t timer_when, timer_period;
    /* the collector: gcController, work, mstats, mheap_, a P's mcache and its spans */
    int32_t gc_percent, gc_limit, gc_heap_minimum, gc_triggered, gc_runway, gc_percent_goal, gc_sweep_trigger,
        gc_goal, gc_trigger, gc_last_goal, gc_live, gc_marked, gc_stack_scan, gc_last_stack_scan, gc_max_stack_scan,
        gc_globals_scan, gc_assist, gc_dedicated, gc_fractional, gc_idle, gc_heap_inuse, gc_heap_released,
        gc_heap_free, gc_total_alloc, gc_total_free, gc_mapped_ready, work_user_forced, work_cycles, work_stwprocs,
        work_maxprocs, work_sweep_term, work_mark, work_mark_term, work_end, work_heap0, work_heap1, work_heap2,
        work_goal, work_total_time, work_cpu, mem_heap_sys, mem_heap_inuse, mem_heap_released, mem_heap_live,
        mem_heap_marked, mem_next_gc, mem_gc_trigger, mem_tinyallocs, mem_stacks_sys, mem_buckhash_sys, mem_misc_sys,
        mem_other_sys, mem_pause_ns, mem_num_forced, delta_released, delta_work_bufs, delta_ptr_bits, delta_tiny,
        delta_large_alloc, delta_large_allocs, delta_small_allocs, delta_large_free, delta_large_frees,
        delta_small_frees, heap_arenas, heap_index, heap_spans, heap_chunks, heap_span_inuse, heap_span_size,
        heap_cache_inuse, heap_cache_size, heap_scavenge_goal, cache_alloc, cache_tiny, span_nelems, span_alloc_count,
        span_count_before, scav_percent_goal, scav_limit_goal, scav_assist, scav_background, limiter_enabled;

    int32_t timer_f, timer_arg, timer_nextwhen, timer_state, timer_is_chan, timer_blocked, timer_owner,
        p_timers_deleted, bucket_timers, timer_bucket;
} osp_go_places;

/* One field: where it is in osp_go_places, and where the Go type has it. */
typedef struct {
    const char *type, *path; /* "runtime.g", "sched.sp"; "a|b" = either */
    size_t at;               /* of an int32_t in osp_go_places */
} osp_go_field;
extern const osp_go_field osp_go_fields[];
extern const size_t osp_go_nfields;

static inline int32_t *osp_go_field_of(osp_go_places *o, const osp_go_field *f)
{
    return (int32_t *)(void *)((char *)o + f->at);
}

/* 12608 of "go1.26.8 X:simd", "devel go1.27-abc" and the like; 0 if it is no version we can read. *plain: it is an
 * official release, without a tail that may change layouts. */
uint32_t osp_go_version_parse(osp_str version, bool *plain);

/* The row of the table for a version. False if it is older than the table. *newest is set for versions past it. */
bool osp_go_layout_of_version(uint32_t version, osp_go_places *out, bool *newer);
#define OSP_GO_NEWEST 12799u /* the table ends with go1.27 */

/* From the object's DWARF. Fields without a member there become -1. EABSENT: no DWARF, or the runtime's types are not in
 * it. */
bool osp_go_layout_of_dwarf(osp_object *o, uint32_t version, osp_go_places *out, osp_err *err) OSP_CHECKED;

/* Where the runtime keeps g, from machine code: an access to %fs in it. */
typedef struct {
    bool slot;     /* the offset is in a GOT slot */
    int64_t value; /* the offset itself, or the slot's displacement from code + next */
    size_t next;
} osp_go_tls_use;
bool osp_go_tls_decode(osp_span code, osp_go_tls_use *out);
/* The same of arm64, from a function that begins at that file address. */
bool osp_go_tls_decode_arm64(osp_span code, uint64_t addr, osp_go_tls_use *out);

enum { OSP_G_SCAN = 0x1000 }; /* _Gscan, a bit of the status: the GC looks at the stack */

typedef struct {
    uint64_t lo, hi; /* run addresses */
} osp_go_range;

enum {
    OSP_GO_ALLM,
    OSP_GO_ALLP,
    OSP_GO_ALLGS,
    OSP_GO_ALLGPTR,
    OSP_GO_ALLGLEN,
    OSP_GO_SCHED,
    OSP_GO_MEMSTATS,
    OSP_GO_NGLOBALS
};

struct osp_go {
    osp_image image;    /* without its maps */
    osp_mem mem;        /* the image's */
    osp_object *object; /* of the cache */
    osp_arena arena;
    uint64_t bias;     /* run address - file address */
    osp_go_range data; /* the object's writable data, with .bss */
    osp_str version, source;
    uint32_t number;
    osp_go_places at;
    uint64_t global[OSP_GO_NGLOBALS]; /* run addresses, 0 = not known (yet) */
    bool namespaced;                  /* the process has other numbers for its threads than we have */
    bool checked;                     /* the layout has met a live runtime and fits */
    struct {
        uint64_t control, work, heap, scavenge, limiter; /* run addresses; 0 = not known (yet) */
        uint32_t searches, sought_at; /* sought_at: how many cycles there were when they were sought last */
    } gc;
    struct {
        bool sought;
        uint64_t starttime; /* run address of runtime.starttime, 0 = not known */
        uint64_t init_ns;   /* runtime.runtimeInitTime; 0 = not known */
    } clocks;
};

/* osp_go_open in two steps. Which object of the process holds Go, and its version where build info tells: no memory of the
 * process is read. without, if not NULL, is a set of mapped files that are known to hold no Go, and grows; its texts are
 * in keys. Then the layout, checked against the process. */
osp_go *osp_go_find(const osp_image *image, osp_objects *objects, osp_intern *without, osp_arena *keys, osp_err *err);
bool osp_go_fit(osp_go *go, osp_err *err) OSP_CHECKED;

bool osp_go_find_tls(const osp_go *go, int64_t *offset, osp_err *err) OSP_CHECKED;

static inline bool osp_go_alive(const osp_go *go) { return go->image.alive(go->image.ctx); }

bool osp_go_word(const osp_go *go, uint64_t addr, uint64_t *out); /* 8 bytes of live memory */

/* A field of a structure that was read, of so many bytes; 0 if the layout has none (at < 0). */
static inline uint64_t osp_go_value(const uint8_t *structure, int32_t at, size_t bytes)
{
    uint64_t v = 0;
    if (at >= 0)
        memcpy(&v, structure + at, bytes);
    return v;
}

/* Read the field itself; false if there is no structure, no such field, or it cannot be read. */
static inline bool osp_go_read_at(const osp_go *go, uint64_t structure, int32_t at, void *to, size_t bytes)
{
    osp_err ignored; /* the caller says what is missing */
    return structure && at >= 0 && go->mem.read(go->mem.ctx, structure + (uint64_t)at, to, bytes, &ignored);
}

/* Words in the object's writable data that a function of the runtime may refer to, in the order of its code: guesses that
 * need a look at live memory. */
enum { OSP_GO_OPERANDS_MAX = 2048 };
typedef struct {
    uint64_t addr[OSP_GO_OPERANDS_MAX]; /* run addresses */
    size_t n;
} osp_go_operands;
void osp_go_add_operands(const osp_go *go, osp_str function, osp_go_operands *c);

/* Is runtime.memstats at addr? All that can be checked of it from outside is. */
bool osp_go_is_memstats(const osp_go *go, uint64_t addr);

/* Find the collector's structures, as far as that has not been done. */
void osp_go_find_collector(osp_go *go);

/* When the runtime started, on its own clock (CLOCK_MONOTONIC); 0 = not known. */
int64_t osp_go_init_ns(osp_go *go);

/* Sleep a little before the next try (0, 1 …) to read what may just have changed: not at all at first, then longer. */
void osp_go_let_it_settle(int try);

/* Compare the layout with the live process. False and *err if it cannot be the right one; true with go->checked unset
 * if the runtime has not started. */
bool osp_go_check(osp_go *go, osp_err *err) OSP_CHECKED;

#endif
