/* SPDX-License-Identifier: Apache-2.0 */
/* The collector: what runtime.gcMarkTermination prints under GODEBUG=gctrace=1 stays in memory until the next cycle
 * begins, and the pacer's figures always. Nothing is stopped: three structures are read twice, until they did not change
 * in between.
 *
 *     work              the cycle: when its phases began, the heap at each, CPU times of all cycles since Go 1.20
 *     gcController      GOGC, limit, heap, goal; times of the cycle's workers
 *     memstats          numbers of cycles and pauses
 *     scavenge          what the scavenger is to keep
 *
 * In a stripped binary they are found as in globals.c; a guess must pass is_work, is_control and is_heap. */
#include "goruntime/goruntime_internal.h"

#include "base/clock.h"

#include <elf.h>
#include <stdlib.h>

enum {
    CONTROL_MAX = 1024,
    WORK_MAX = 2048,
    STATS_MAX = 16384,
    TRIES = 5,
    SPAN_SIZES = 512, /* sizeof mspan and mcache are below these */
    CACHE_SIZES = 8192,
    HEAP_MINIMUM = 4 << 20,
    CPU_TIMES = 11,
    DELTAS = 3, /* of heapStats */
};
static const uint64_t MOST_BYTES = 1ull << 47;

static int32_t largest(const int32_t *field, size_t n)
{
    int32_t top = -1;
    for (size_t i = 0; i < n; i++)
        top = field[i] > top ? field[i] : top;
    return top;
}

/* ---- where they are ----------------------------------------------------------------------------------------- */

static size_t control_fields(const osp_go_places *at, int32_t field[32])
{
    const int32_t all[] = {
        at->gc_percent,      at->gc_limit,         at->gc_heap_minimum, at->gc_triggered,      at->gc_runway,
        at->gc_percent_goal, at->gc_sweep_trigger, at->gc_goal,         at->gc_trigger,        at->gc_last_goal,
        at->gc_live,         at->gc_marked,        at->gc_stack_scan,   at->gc_max_stack_scan, at->gc_last_stack_scan,
        at->gc_globals_scan, at->gc_assist,        at->gc_dedicated,    at->gc_fractional,     at->gc_idle,
        at->gc_heap_inuse,   at->gc_heap_released, at->gc_heap_free,    at->gc_total_alloc,    at->gc_total_free,
        at->gc_mapped_ready};
    memcpy(field, all, sizeof all);
    return sizeof all / sizeof *all;
}

static size_t work_fields(const osp_go_places *at, int32_t field[32])
{
    const int32_t all[] = {at->work_user_forced, at->work_cycles, at->work_stwprocs,  at->work_maxprocs,
                           at->work_sweep_term,  at->work_mark,   at->work_mark_term, at->work_end,
                           at->work_heap0,       at->work_heap1,  at->work_heap2,     at->work_goal,
                           at->work_total_time,  at->work_cpu};
    memcpy(field, all, sizeof all);
    return sizeof all / sizeof *all;
}

/* Do the heaps that gcController and memstats count for themselves agree, nearly? Both move. */
static bool is_heap_in_use(const osp_go *go, const uint8_t *control)
{
    const osp_go_places *at = &go->at;
    int64_t sum = 0;
    for (int i = 0; i < DELTAS; i++) {
        int64_t v;
        const int32_t stride = (at->mem_gen - at->mem_stats) / DELTAS;
        if (!osp_go_read_at(go, go->global[OSP_GO_MEMSTATS], at->mem_stats + i * stride + at->delta_in_heap, &v, 8))
            return false;
        sum = (int64_t)((uint64_t)sum + (uint64_t)v);
    }
    const uint64_t inuse = osp_go_value(control, at->gc_heap_inuse, 8);
    return sum > 0 && inuse % 8192 == 0 && inuse / 4 * 3 <= (uint64_t)sum && (uint64_t)sum / 4 * 3 <= inuse &&
           osp_go_value(control, at->gc_mapped_ready, 8) >= inuse &&
           (int64_t)osp_go_value(control, at->gc_limit, 8) >= 0;
}

/* The smallest heap of that GOGC as setGCPercent computes it, in 64 bits without a sign: of GOGC=off, -1, it is the wrapped
 * product. */
static uint64_t minimum_of(int32_t percent) { return (uint64_t)HEAP_MINIMUM * (uint64_t)(int64_t)percent / 100; }

/* GOGC, and the smallest heap that follows from it; sizes that a heap can have. With GOGC=0 both are 0, as much else is: then
 * only what memstats says of the same heap tells. */
static bool is_control(const osp_go *go, uint64_t addr)
{
    const osp_go_places *at = &go->at;
    uint8_t b[CONTROL_MAX];
    int32_t field[32];
    const int32_t top = largest(field, control_fields(at, field));
    if (at->gc_percent < 0 || at->gc_heap_minimum < 0 || at->gc_live < 0 || top < 0 || top + 8 > CONTROL_MAX ||
        addr % 8 != 0 || !osp_go_read_at(go, addr, 0, b, (size_t)top + 8))
        return false;
    const int32_t percent = (int32_t)osp_go_value(b, at->gc_percent, 4);
    const uint64_t minimum = osp_go_value(b, at->gc_heap_minimum, 8), live = osp_go_value(b, at->gc_live, 8);
    const bool fits = minimum == minimum_of(percent) || (percent < 0 && minimum == HEAP_MINIMUM);
    const bool told = percent != 0 || (at->gc_heap_inuse >= 0 && osp_go_value(b, at->gc_limit, 8) != 0);
    return percent >= -1 && fits && told && live >= 4096 && live < MOST_BYTES &&
           osp_go_value(b, at->gc_marked, 8) < MOST_BYTES && (at->gc_heap_inuse < 0 || is_heap_in_use(go, b));
}

/* A cycle is done, and it ended when memstats says so. */
static bool is_work(const osp_go *go, uint64_t addr)
{
    const osp_go_places *at = &go->at;
    uint64_t stats = go->global[OSP_GO_MEMSTATS], last, when[4];
    uint32_t cycles, numgc, procs;
    return addr % 8 == 0 && osp_go_read_at(go, stats, at->mem_numgc, &numgc, 4) && numgc > 0 &&
           osp_go_read_at(go, addr, at->work_cycles, &cycles, 4) && (cycles == numgc || cycles == numgc + 1) &&
           osp_go_read_at(go, stats, at->mem_last_gc_mono, &last, 8) &&
           osp_go_read_at(go, addr, at->work_end, &when[3], 8) && when[3] == last &&
           osp_go_read_at(go, addr, at->work_sweep_term, &when[0], 8) &&
           osp_go_read_at(go, addr, at->work_mark, &when[1], 8) &&
           osp_go_read_at(go, addr, at->work_mark_term, &when[2], 8) &&
           (cycles != numgc || (when[0] > 0 && when[0] <= when[1] && when[1] <= when[2] && when[2] <= when[3])) &&
           osp_go_read_at(go, addr, at->work_maxprocs, &procs, 4) && procs > 0 && procs < 1 << 16;
}

/* The allocators of mspans and mcaches: pieces of one size each. */
static bool is_heap(const osp_go *go, uint64_t addr)
{
    uint64_t span, spans, cache, caches;
    const osp_go_places *at = &go->at;
    return addr % 8 == 0 && osp_go_read_at(go, addr, at->heap_span_size, &span, 8) && span > 64 &&
           span < SPAN_SIZES && span % 8 == 0 && osp_go_read_at(go, addr, at->heap_cache_size, &cache, 8) &&
           cache > 512 && cache < CACHE_SIZES && cache % 8 == 0 &&
           osp_go_read_at(go, addr, at->heap_span_inuse, &spans, 8) && spans > 0 && spans % span == 0 &&
           osp_go_read_at(go, addr, at->heap_cache_inuse, &caches, 8) && caches > 0 && caches % cache == 0;
}

/* What gcPaceScavenger writes: goals in bytes, whole pages, or ~0 for none. The known structures that it reads are no
 * candidates. */
static bool is_scavenge(const osp_go *go, uint64_t addr)
{
    enum { PAGE = 4096, MORE = 1024 };
    const osp_go_places *at = &go->at;
    uint64_t goal[2];
    const struct {
        uint64_t addr;
        int32_t size;
    } known[] = {{go->gc.control, at->gc_mapped_ready + 8},
                 {go->global[OSP_GO_MEMSTATS], at->mem_enablegc + 8},
                 {go->gc.heap, at->heap_cache_inuse + MORE},
                 {go->gc.work, at->work_heap2 + 8}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!known[i].addr || (addr >= known[i].addr && addr < known[i].addr + (uint64_t)known[i].size))
            return false;
    if (addr % 8 != 0 || !osp_go_read_at(go, addr, 0, goal, sizeof goal) ||
        (goal[0] != UINT64_MAX && goal[1] != UINT64_MAX))
        return false;
    const uint64_t bytes = goal[0] & goal[1];
    return bytes == UINT64_MAX || (bytes > 0 && bytes < MOST_BYTES && bytes % PAGE == 0);
}

/* The structure that one of these operands is a field of. */
static uint64_t find(const osp_go *go, const osp_go_operands *c, const int32_t *field, size_t n,
                     bool (*is)(const osp_go *go, uint64_t addr))
{
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < n; k++)
            if (field[k] >= 0 && c->addr[i] >= (uint64_t)field[k] && is(go, c->addr[i] - (uint64_t)field[k]))
                return c->addr[i] - (uint64_t)field[k];
    return 0;
}

static uint64_t by_symbol(const osp_go *go, osp_str name)
{
    osp_symbol_value v;
    return osp_object_symbol(go->object, name, &v) ? go->bias + v.value : 0;
}

static void decode_all(osp_go *go, osp_go_operands *c)
{
    const osp_go_places *at = &go->at;
    int32_t field[32];
    size_t n;
    osp_go_add_operands(go, S("runtime.gcMarkTermination"), c);
    osp_go_add_operands(go, S("runtime.gcStart"), c);
    osp_go_add_operands(go, S("runtime.gcControllerCommit"), c);
    if (!go->gc.work) {
        n = work_fields(at, field);
        go->gc.work = find(go, c, field, n, is_work);
    }
    if (!go->gc.control) {
        n = control_fields(at, field);
        go->gc.control = find(go, c, field, n, is_control);
    }
    c->n = 0;
    osp_go_add_operands(go, S("runtime.mallocinit"), c);
    osp_go_add_operands(go, S("runtime.procresize"), c);
    const int32_t heap[] = {0, at->heap_span_size, at->heap_span_inuse, at->heap_cache_size, at->heap_cache_inuse};
    if (!go->gc.heap)
        go->gc.heap = find(go, c, heap, sizeof heap / sizeof *heap, is_heap);
    c->n = 0;
    osp_go_add_operands(go, S("runtime.gcPaceScavenger"), c);
    const int32_t scavenge[] = {at->scav_percent_goal, at->scav_limit_goal};
    if (!go->gc.scavenge && at->scav_limit_goal >= 0)
        go->gc.scavenge = find(go, c, scavenge, 2, is_scavenge);
}

/* work is there once a cycle has been, and the scavenger has a goal only at times: what is not found is sought again in
 * later cycles, but not for ever. */
void osp_go_find_collector(osp_go *go)
{
    enum { SEARCHES = 16 };
    uint64_t ignored;
    uint32_t numgc = 0;
    const bool missing =
        !go->gc.control || !go->gc.work || !go->gc.heap || (!go->gc.scavenge && go->at.scav_limit_goal >= 0);
    (void)osp_go_global(go, S("runtime.memstats"), &ignored);
    if (!missing || !osp_go_read_at(go, go->global[OSP_GO_MEMSTATS], go->at.mem_numgc, &numgc, 4) ||
        (go->gc.searches && (go->gc.sought_at == numgc || go->gc.searches == SEARCHES)))
        return;
    if (go->gc.searches++ == 0) {
        go->gc.control = by_symbol(go, S("runtime.gcController"));
        go->gc.work = by_symbol(go, S("runtime.work"));
        go->gc.heap = by_symbol(go, S("runtime.mheap_"));
        go->gc.scavenge = by_symbol(go, S("runtime.scavenge"));
        go->gc.limiter = by_symbol(go, S("runtime.gcCPULimiter"));
    }
    go->gc.sought_at = numgc;
    osp_go_operands *c = osp_object_machine(go->object) == EM_X86_64 ? calloc(1, sizeof *c) : NULL;
    if (c && (!go->gc.control || !go->gc.work || !go->gc.heap || !go->gc.scavenge))
        decode_all(go, c);
    free(c);
}

/* ---- goals -------------------------------------------------------------------------------------------------- */

/* gcControllerState.memoryLimitHeapGoal */
static uint64_t limit_goal(const osp_go_gc *s, uint64_t total_alloc, uint64_t total_free)
{
    const uint64_t alloc = total_alloc - total_free, limit = (uint64_t)s->limit_bytes;
    const uint64_t mapped = s->mapped_ready_bytes;
    uint64_t other = mapped > s->heap_free_bytes + alloc ? mapped - s->heap_free_bytes - alloc : 0;
    if (mapped > limit)
        other += mapped - limit;
    if (other >= limit)
        return s->marked_bytes;
    uint64_t goal = limit - other, headroom = 1 << 20;
    if (s->version >= 12100 && goal / 100 * 3 > headroom)
        headroom = goal / 100 * 3;
    goal = goal < headroom || goal - headroom < headroom ? headroom : goal - headroom;
    return goal > s->marked_bytes ? goal : s->marked_bytes;
}

static uint64_t max(uint64_t a, uint64_t b) { return a > b ? a : b; }
static uint64_t min(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* gcControllerState.heapGoalInternal and trigger, since Go 1.19. */
static void set_goals(const osp_go_places *at, const uint8_t *b, osp_go_gc *s)
{
    const uint64_t sweep = osp_go_value(b, at->gc_sweep_trigger, 8), triggered = osp_go_value(b, at->gc_triggered, 8);
    const uint64_t limited =
        limit_goal(s, osp_go_value(b, at->gc_total_alloc, 8), osp_go_value(b, at->gc_total_free, 8));
    uint64_t goal = osp_go_value(b, at->gc_percent_goal, 8), least = 0;
    s->goal_by_limit = limited < goal;
    if (s->goal_by_limit) {
        goal = limited;
    } else {
        goal = max(goal, sweep);
        least = sweep;
        if (triggered != UINT64_MAX && goal < triggered + (64 << 10))
            goal = triggered + (64 << 10);
    }
    s->goal_bytes = goal;
    s->trigger_bytes = goal;
    if (s->marked_bytes >= goal)
        return;
    const uint64_t part = (goal - s->marked_bytes) / 64, runway = osp_go_value(b, at->gc_runway, 8);
    least = max(max(least, s->marked_bytes), part * 45 + s->marked_bytes);
    uint64_t most = part * 61 + s->marked_bytes;
    if (goal > HEAP_MINIMUM)
        most = max(most, goal - HEAP_MINIMUM);
    most = max(most, least);
    s->trigger_bytes = min(max(runway > goal ? least : goal - runway, least), most);
}

/* ---- one look ----------------------------------------------------------------------------------------------- */

static void decode_control(const osp_go_places *at, const uint8_t *b, osp_go_gc *s)
{
    s->gc_percent = (int32_t)osp_go_value(b, at->gc_percent, 4);
    s->has_percent = at->gc_percent >= 0;
    s->limit_bytes = at->gc_limit >= 0 ? (int64_t)osp_go_value(b, at->gc_limit, 8) : INT64_MAX;
    s->live_bytes = osp_go_value(b, at->gc_live, 8);
    s->marked_bytes = osp_go_value(b, at->gc_marked, 8);
    s->cycle.assist_ns = osp_go_value(b, at->gc_assist, 8);
    s->cycle.worker_ns = osp_go_value(b, at->gc_dedicated, 8) + osp_go_value(b, at->gc_fractional, 8);
    s->cycle.idle_ns = osp_go_value(b, at->gc_idle, 8);
    s->cycle.goal_bytes = osp_go_value(b, at->gc_last_goal, 8);
    s->cycle.globals_bytes = osp_go_value(b, at->gc_globals_scan, 8);
    s->cycle.stacks_bytes = osp_go_value(b,
                                         s->version < 11900   ? at->gc_stack_scan
                                         : s->version < 12000 ? at->gc_max_stack_scan
                                                              : at->gc_last_stack_scan,
                                         8);
    s->heap_free_bytes = osp_go_value(b, at->gc_heap_free, 8);
    s->heap_inuse_bytes = osp_go_value(b, at->gc_heap_inuse, 8);
    s->heap_released_bytes = osp_go_value(b, at->gc_heap_released, 8);
    s->mapped_ready_bytes = osp_go_value(b, at->gc_mapped_ready, 8);
    if (s->version >= 11900) {
        set_goals(at, b, s);
    } else {
        s->goal_bytes = osp_go_value(b, at->gc_goal, 8);
        s->trigger_bytes = osp_go_value(b, at->gc_trigger, 8);
    }
}

static void decode_work(const osp_go_places *at, const uint8_t *b, osp_go_gc *s)
{
    osp_gc_cycle *c = &s->cycle;
    s->started = (uint32_t)osp_go_value(b, at->work_cycles, 4);
    c->sweep_term_ns = osp_go_value(b, at->work_sweep_term, 8);
    c->mark_ns = osp_go_value(b, at->work_mark, 8);
    c->mark_term_ns = osp_go_value(b, at->work_mark_term, 8);
    c->end_ns = osp_go_value(b, at->work_end, 8);
    c->heap0_bytes = osp_go_value(b, at->work_heap0, 8);
    c->heap1_bytes = osp_go_value(b, at->work_heap1, 8);
    c->heap2_bytes = osp_go_value(b, at->work_heap2, 8);
    c->stopped_procs = (int32_t)osp_go_value(b, at->work_stwprocs, 4);
    c->procs = (int32_t)osp_go_value(b, at->work_maxprocs, 4);
    c->forced = osp_go_value(b, at->work_user_forced, 1) != 0;
    if (at->work_goal >= 0)
        c->goal_bytes = osp_go_value(b, at->work_goal, 8);
    s->has_cpu = at->work_cpu >= 0;
    if (s->has_cpu)
        memcpy(s->cpu_ns, b + at->work_cpu, sizeof s->cpu_ns);
}

static void decode_stats(const osp_go_places *at, const uint8_t *b, osp_go_gc *s)
{
    uint64_t fraction = osp_go_value(b, at->mem_gc_cpu, 8);
    s->done = (uint32_t)osp_go_value(b, at->mem_numgc, 4);
    s->forced = (uint32_t)osp_go_value(b, at->mem_num_forced, 4);
    memcpy(&s->cycle.cpu_fraction, &fraction, sizeof fraction);
    s->last_end_ns = osp_go_value(b, at->mem_last_gc_mono, 8);
    s->last_end_unix_ns = osp_go_value(b, at->mem_last_gc, 8);
    s->pause_total_ns = osp_go_value(b, at->mem_pause_total, 8);
    if (at->mem_pause_ns >= 0)
        memcpy(s->pause_ns, b + at->mem_pause_ns, sizeof s->pause_ns);
    if (at->mem_pause_end >= 0)
        memcpy(s->pause_end_unix_ns, b + at->mem_pause_end, sizeof s->pause_end_unix_ns);
    if (at->mem_heap_inuse >= 0) { /* to 1.18 */
        s->heap_inuse_bytes = osp_go_value(b, at->mem_heap_inuse, 8);
        s->heap_released_bytes = osp_go_value(b, at->mem_heap_released, 8);
        s->heap_free_bytes = osp_go_value(b, at->mem_heap_sys, 8) - s->heap_inuse_bytes - s->heap_released_bytes;
    }
    if (at->mem_heap_live >= 0) { /* to 1.16 */
        s->live_bytes = osp_go_value(b, at->mem_heap_live, 8);
        s->marked_bytes = osp_go_value(b, at->mem_heap_marked, 8);
        s->goal_bytes = osp_go_value(b, at->mem_next_gc, 8);
        s->trigger_bytes = osp_go_value(b, at->mem_gc_trigger, 8);
    }
}

static void read_scavenger(const osp_go *go, osp_go_gc *s)
{
    const osp_go_places *at = &go->at;
    uint8_t on;
    s->scavenge_goal_bytes = s->scavenge_limit_bytes = UINT64_MAX;
    if (at->scav_percent_goal >= 0)
        s->has_scavenger = osp_go_read_at(go, go->gc.scavenge, at->scav_percent_goal, &s->scavenge_goal_bytes, 8) &&
                           osp_go_read_at(go, go->gc.scavenge, at->scav_limit_goal, &s->scavenge_limit_bytes, 8);
    else
        s->has_scavenger = osp_go_read_at(go, go->gc.heap, at->heap_scavenge_goal, &s->scavenge_goal_bytes, 8);
    s->limiter = go->gc.limiter && osp_go_read_at(go, go->gc.limiter, at->limiter_enabled, &on, 1) ? on != 0 : -1;
}

/* The tail of mstats, from its first field of ours on. */
static bool stats_range(const osp_go_places *at, int32_t *from, int32_t *to)
{
    const int32_t field[] = {at->mem_numgc,         at->mem_num_forced,  at->mem_gc_cpu,      at->mem_last_gc_mono,
                             at->mem_last_gc,       at->mem_pause_total, at->mem_heap_inuse,  at->mem_heap_sys,
                             at->mem_heap_released, at->mem_heap_live,   at->mem_heap_marked, at->mem_next_gc,
                             at->mem_gc_trigger};
    *to = largest(field, sizeof field / sizeof *field) + 8;
    if (at->mem_pause_ns >= 0 && at->mem_pause_ns + 2048 > *to)
        *to = at->mem_pause_ns + 2048;
    if (at->mem_pause_end >= 0 && at->mem_pause_end + 2048 > *to)
        *to = at->mem_pause_end + 2048;
    *from = at->mem_heap_sys >= 0 ? 0 : at->mem_last_gc; /* since 1.19 heapStats is before it */
    return at->mem_numgc >= 0 && *from >= 0 && *from < *to && *to <= STATS_MAX;
}

typedef struct {
    uint8_t control[CONTROL_MAX], work[WORK_MAX], stats[STATS_MAX];
} blocks;

/* The line of a cycle is whole once it is done, and as long as the next has not begun. */
static bool is_whole(const osp_go_gc *s)
{
    const osp_gc_cycle *c = &s->cycle;
    return s->has_work && s->has_control && s->done > 0 && s->started == s->done && c->end_ns == s->last_end_ns &&
           c->sweep_term_ns > 0 && c->sweep_term_ns <= c->mark_ns && c->mark_ns <= c->mark_term_ns &&
           c->mark_term_ns <= c->end_ns;
}

static bool read_once(const osp_go *go, blocks *b, osp_go_gc *s, osp_err *err)
{
    const osp_go_places *at = &go->at;
    int32_t field[32], from, to;
    osp_piece piece[5];
    size_t n = 0;
    uint32_t again[2] = {0};
    if (!stats_range(at, &from, &to))
        return osp_fail(err, OSP_EABSENT, "the layout of the collector of %.*s is not known", STRF(go->version));
    const uint64_t stats = go->global[OSP_GO_MEMSTATS];
    piece[n++] = (osp_piece){stats + (uint64_t)from, b->stats + from, (size_t)(to - from)};
    const int32_t control = largest(field, control_fields(at, field)) + 8;
    const int32_t work = largest(field, work_fields(at, field)) + (at->work_cpu >= 0 ? 8 * CPU_TIMES : 8);
    if (go->gc.control && control <= CONTROL_MAX)
        piece[n++] = (osp_piece){go->gc.control, b->control, (size_t)control};
    if (go->gc.work && work <= WORK_MAX)
        piece[n++] = (osp_piece){go->gc.work, b->work, (size_t)work};
    piece[n++] = (osp_piece){stats + (uint64_t)at->mem_numgc, &again[0], 4};
    if (go->gc.work)
        piece[n++] = (osp_piece){go->gc.work + (uint64_t)at->work_cycles, &again[1], 4};
    s->taken_ns = go->image.process ? osp_monotonic_ns() : 0; /* when a core was taken nobody knows */
    if (osp_mem_read_many(&go->mem, piece, n, err) < n)
        return false;
    s->has_control = go->gc.control != 0;
    s->has_work = go->gc.work != 0;
    if (s->has_control)
        decode_control(at, b->control, s);
    if (s->has_work)
        decode_work(at, b->work, s);
    else
        s->started = (uint32_t)osp_go_value(b->stats, at->mem_numgc, 4);
    decode_stats(at, b->stats, s);
    s->whole = is_whole(s);
    return (again[0] == s->done && (!s->has_work || again[1] == s->started) && s->started - s->done <= 1 &&
            s->cycle.cpu_fraction >= 0 && s->cycle.cpu_fraction <= 1) ||
           osp_fail(err, OSP_EABSENT, "the figures of the collector of %.*s do not fit together",
                    STRF(go->image.name));
}

bool osp_go_gc_count(osp_go *go, uint32_t *done)
{
    return osp_go_read_at(go, go->global[OSP_GO_MEMSTATS], go->at.mem_numgc, done, sizeof *done);
}

bool osp_go_gc_read(osp_go *go, osp_go_gc *out, osp_err *err)
{
    uint64_t addr;
    if (!osp_go_global(go, S("runtime.allm"), &addr) || !osp_go_global(go, S("runtime.memstats"), &addr))
        return osp_fail(err, OSP_EABSENT,
                        "the collector was not found: %.*s is stripped of symbols and its code does not show it, or "
                        "the runtime has not started",
                        STRF(osp_object_name(go->object)));
    if (!go->checked && !osp_go_check(go, err))
        return false;
    osp_go_find_collector(go);
    blocks *b = calloc(1, sizeof *b);
    if (!b)
        return osp_fail_memory(err, "reading the collector");
    bool ok = false;
    for (int try = 0; try < TRIES && !ok; try++) {
        osp_go_let_it_settle(try);
        *out = (osp_go_gc){.version = go->number, .limit_bytes = INT64_MAX, .limiter = -1};
        ok = read_once(go, b, out, err);
        if (!ok && err->code != OSP_EABSENT)
            break;
    }
    free(b);
    if (ok) {
        out->cycle.number = out->done;
        out->init_ns = (uint64_t)osp_go_init_ns(go);
        read_scavenger(go, out);
    }
    return ok;
}
