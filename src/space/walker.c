/* SPDX-License-Identifier: Apache-2.0 */
/* The stacks of goroutines that do not run: from the top that was read at once, and behind it page by page. */
#include "base/hash.h"
#include "space/space.h"

#include <elf.h>
#include <stdlib.h>

enum { PAGE = 4096, RULES = 4096 };

struct osp_g_walker {
    osp_mem mem;
    const osp_go *go;
    const osp_space *space;
    const osp_unwind_go *offsets;
    struct {
        uint64_t addr;
        uint32_t rule;
        bool used, mapped;
    } rule[RULES]; /* that were asked for last: stacks are alike */
    /* of the walk */
    uint64_t sp;
    osp_span top;
    bool behind;     /* something was read of the program itself */
    bool page_known; /* page is that of page_addr */
    uint64_t page_addr;
    uint8_t page[PAGE];
    bool aarch64; /* the program's machine */
};

osp_g_walker *osp_g_walker_new(osp_mem mem, const osp_go *go, osp_err *err)
{
    osp_g_walker *w = calloc(1, sizeof *w);
    if (!w) {
        osp_fail_memory(err, "walking the stacks of goroutines");
        return NULL;
    }
    uint64_t bias;
    w->mem = mem;
    w->go = go;
    w->aarch64 = osp_object_machine(osp_go_object(go, &bias)) == EM_AARCH64; /* a core may be of another machine */
    return w;
}

void osp_g_walker_drop(osp_g_walker *w) { free(w); }

void osp_g_walker_space(osp_g_walker *w, const osp_space *space, const osp_unwind_go *offsets)
{
    w->space = space;
    w->offsets = offsets;
    memset(w->rule, 0, sizeof w->rule);
}

static bool read_one(const osp_g_walker *w, uint64_t addr, void *dst, size_t n)
{
    osp_err ignored; /* it has gone on */
    return w->mem.read(w->mem.ctx, addr, dst, n, &ignored);
}

static bool read_word(void *ctx, uint64_t addr, uint64_t *word)
{
    osp_g_walker *w = ctx;
    if (addr >= w->sp && addr - w->sp < w->top.n && w->top.n - (addr - w->sp) >= sizeof *word) {
        memcpy(word, w->top.p + (addr - w->sp), sizeof *word);
        return true;
    }
    uint64_t page = addr & ~(uint64_t)(PAGE - 1);
    w->behind = true;
    if (addr - page > PAGE - sizeof *word)
        return read_one(w, addr, word, sizeof *word);
    if (!w->page_known || w->page_addr != page) {
        w->page_known = read_one(w, page, w->page, PAGE);
        w->page_addr = page;
    }
    if (w->page_known)
        memcpy(word, w->page + (addr - page), sizeof *word);
    return w->page_known;
}

static bool rule_at(void *ctx, uint64_t addr, uint32_t *rule)
{
    osp_g_walker *w = ctx;
    size_t i = osp_hash_mix(addr, 1) % RULES;
    if (!w->rule[i].used || w->rule[i].addr != addr) {
        w->rule[i].mapped = osp_space_rule(w->space, addr, &w->rule[i].rule);
        w->rule[i].addr = addr;
        w->rule[i].used = true;
    }
    *rule = w->rule[i].rule;
    return w->rule[i].mapped;
}

/* Where C's frames are, if C called this goroutine: it is locked to its thread then. */
static uint64_t callback_sp(const osp_g_walker *w, const osp_g *g)
{
    uint64_t g0, sp;
    const osp_go_layout *at = osp_go_offsets(w->go);
    return g->lockedm && read_one(w, g->lockedm + (uint64_t)at->m_g0, &g0, 8) &&
                   read_one(w, g0 + (uint64_t)at->g_sched_sp, &sp, 8)
               ? sp
               : 0;
}

int osp_g_walk(osp_g_walker *w, const osp_g *g, osp_span top, uint64_t *pc, size_t max, size_t *n, bool *behind)
{
    const osp_g_look l = osp_g_look_of(g);
    const osp_unwind_env env = {w, read_word, rule_at};
    osp_unwind_at at = {
        .g = g->addr,
        .stack_lo = g->stack_lo,
        .stack_hi = g->stack_hi,
        .pc = l.pc,
        .sp = l.sp,
        .fp = l.status == OSP_G_SYSCALL ? g->syscallbp : g->sched_bp,
        .callback_sp = callback_sp(w, g),
        .aarch64 = w->aarch64,
    };
    w->sp = l.sp;
    w->top = top;
    w->behind = w->page_known = false;
    /* One that has not run yet, or stands at a function's begin, has its caller there. */
    if (at.aarch64 && l.status != OSP_G_SYSCALL)
        read_one(w, g->addr + w->offsets->g_sched_lr, &at.link, sizeof at.link);
    int end = osp_unwind_parked(&env, w->offsets, &at, pc, max, n);
    *behind = w->behind || g->lockedm;
    return end;
}
