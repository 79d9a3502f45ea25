/* SPDX-License-Identifier: Apache-2.0 */
/* Goroutines that stand in runtime.Gosched, and who called it.
 *
 * A goroutine that yields in a loop spends nearly all its time queued, while the CPU is spent by the scheduler on the
 * thread's own stack: samples show the scheduler and hardly ever the caller. So we look at the goroutines themselves:
 * where a goroutine left the CPU stands in g.sched, and its stack lies still until it runs again. Read, then read g
 * again: if it left at the same place both times, what was read between is the stack of that place. */
#include "diagnose/diagnose_internal.h"

#include <stdlib.h>

enum { MAX_GS = 512, MAX_ROWS = 32, MAX_DEPTH = 64, TRIES = 3, MAX_IDLE_PASSES = 6, MAX_PCS = 256 };

typedef struct {
    uint64_t goid, seen;
    uint64_t pc[MAX_DEPTH]; /* to be looked up, leaf first */
    uint32_t n;
} row;

struct osp_yields {
    osp_go *go;
    osp_mem mem;
    osp_object *object; /* the one with the Go runtime in it */
    uint64_t bias;      /* run address - file address */
    osp_rows rows;
    struct {
        uint64_t pc; /* 0: free */
        bool yields;
    } known[MAX_PCS]; /* places where goroutines left the CPU: a hash table that forgets */
    uint64_t allgs;
    uint64_t at; /* next goroutine to look at, in large processes */
    uint32_t idle_passes;
    row row[MAX_ROWS];
    uint32_t nrow;
};

static bool read_word(void *ctx, uint64_t addr, uint64_t *word)
{
    const osp_yields *y = ctx;
    osp_err ignored; /* the walk ends there and says so */
    return y->mem.read(y->mem.ctx, addr, word, sizeof *word, &ignored);
}

/* From Gosched to goexit a goroutine's stack is Go code. */
static bool rule_at(void *ctx, uint64_t addr, uint32_t *rule)
{
    const osp_yields *y = ctx;
    if (!osp_object_is_go(y->object, addr - y->bias))
        return false;
    uint64_t pc = addr - y->bias - y->rows.base;
    *rule = pc >> 32 ? OSP_RULE_NONE : osp_rows_find(y->rows.row, y->rows.n, (uint32_t)pc);
    return true;
}

/* Is this return address in runtime.Gosched? It is so short that it is inlined into its callers. */
static bool is_yield(osp_yields *y, uint64_t pc)
{
    size_t at = (size_t)(pc ^ pc >> 8) % MAX_PCS;
    if (y->known[at].pc != pc) {
        osp_frame frame[4];
        size_t n = osp_object_frames(y->object, pc - 1 - y->bias, frame, 4);
        y->known[at].pc = pc;
        y->known[at].yields = n && osp_str_eq(frame[0].name, S("runtime.Gosched"));
    }
    return y->known[at].yields;
}

osp_yields *osp_yields_new(osp_go *go, osp_process *p)
{
    osp_err ignored; /* without rows no stack is walked */
    osp_yields *y = calloc(1, sizeof *y);
    if (!y)
        return NULL;
    y->go = go;
    y->mem = osp_process_mem(p);
    y->object = osp_go_object(go, &y->bias);
    if (osp_object_rows(y->object, &y->rows, &ignored) && osp_go_global(go, S("runtime.allgs"), &y->allgs))
        return y;
    free(y);
    return NULL;
}

void osp_yields_drop(osp_yields *y) { free(y); }

static void keep(osp_yields *y, const row *r)
{
    for (uint32_t i = 0; i < y->nrow; i++)
        if (y->row[i].goid == r->goid && y->row[i].n == r->n && !memcmp(y->row[i].pc, r->pc, r->n * sizeof *r->pc)) {
            y->row[i].seen++;
            return;
        }
    if (y->nrow < MAX_ROWS)
        y->row[y->nrow++] = *r;
}

/* Look at one goroutine; true if it stands in Gosched. */
static bool look_at(osp_yields *y, uint64_t addr)
{
    osp_err ignored; /* a goroutine that cannot be read is gone or changing */
    osp_unwind_env env = {y, read_word, rule_at};
    const osp_unwind_go no_hops = {0}; /* a goroutine's own stack, from Gosched to goexit, has none */
    int32_t bp = osp_go_offsets(y->go)->g_sched_bp;
    for (int try = 0; try < TRIES; try++) {
        osp_g g, again;
        if (!osp_go_read_g(y->go, addr, &g, &ignored) || !is_yield(y, g.sched_pc))
            return false;
        if (g.sched_sp < g.stack_lo || g.sched_sp >= g.stack_hi)
            continue; /* it runs just now */
        osp_unwind_regs regs = {.pc = g.sched_pc, .sp = g.sched_sp, .aarch64 = OSP_AARCH64};
        if (bp >= 0)
            read_word(y, addr + (uint64_t)bp, &regs.fp);
        row r = {.goid = g.goid, .seen = 1};
        size_t n = 0;
        uint64_t curg = 0, m = 0;
        uint32_t fp_steps = 0;
        osp_unwind_walk(&env, &no_hops, &regs, 0, r.pc, MAX_DEPTH, &n, &curg, &m, &fp_steps);
        if (n < 2 || !osp_go_read_g(y->go, addr, &again, &ignored) || again.sched_pc != g.sched_pc ||
            (again.sched_sp != g.sched_sp && again.sched_sp) || again.goid != g.goid)
            continue;
        r.n = (uint32_t)n;
        r.pc[0] = g.sched_pc - 1; /* it, too, is where a call returns to */
        keep(y, &r);
        return true;
    }
    return true;
}

void osp_yields_look(osp_yields *y)
{
    osp_err ignored; /* then this pass sees nothing */
    uint64_t slice[2], g[MAX_GS];
    if (y->idle_passes >= MAX_IDLE_PASSES || !y->mem.read(y->mem.ctx, y->allgs, slice, sizeof slice, &ignored) ||
        !slice[0] || !slice[1] || slice[1] > 1u << 30)
        return;
    uint64_t n = slice[1] < MAX_GS ? slice[1] : MAX_GS;
    y->at = y->at + n <= slice[1] ? y->at : 0;
    if (!y->mem.read(y->mem.ctx, slice[0] + y->at * 8, g, n * sizeof *g, &ignored))
        return;
    y->at += n;
    bool any = false;
    for (uint64_t i = 0; i < n; i++)
        any = look_at(y, g[i]) || any;
    y->idle_passes = any ? 0 : y->idle_passes + 1;
}

void osp_yields_facts(osp_yields *y, osp_facts *f)
{
    enum { MAX_FRAMES = 16 };
    osp_stack_fact *out = osp_new(f->arena, osp_stack_fact, MAX_ROWS);
    if (!out)
        return;
    for (uint32_t i = 0; i < y->nrow; i++) {
        const row *r = &y->row[i];
        osp_call *call = osp_new(f->arena, osp_call, (size_t)r->n * MAX_FRAMES);
        if (!call)
            return;
        uint32_t n = 0;
        for (uint32_t k = 0; k < r->n; k++) {
            osp_frame frame[MAX_FRAMES];
            size_t nframe = osp_object_frames(y->object, r->pc[k] - y->bias, frame, MAX_FRAMES);
            for (size_t c = 0; c < nframe; c++, n++) {
                call[n] = (osp_call){.func = frame[c].name,
                                     .file = frame[c].file,
                                     .line = frame[c].line,
                                     .named = true,
                                     .module = osp_str_base(f->process.exe)};
                call[n].kind = osp_call_kind_of(true, call[n].func, call[n].file, call[n].module);
            }
        }
        out[f->nyield++] = (osp_stack_fact){.call = call, .ncall = n, .goid = r->goid, .samples = r->seen};
    }
    f->yield = out;
}
