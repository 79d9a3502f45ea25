/* SPDX-License-Identifier: Apache-2.0 */
/* A walk over a copy of the top of a stack, the live process behind it.
 *
 * What the copy does not hold (the goroutine's stack while C runs on the thread's own, the runtime's structs) is read
 * from the process as it is now. That is safe where the thread stands still there, as a goroutine inside a C call
 * does; elsewhere a sample looked at some 100 ms late may name the goroutine that runs then. */
#include "sample/sample_internal.h"

/* A word of the live process, by pages: one look at a page is more of one moment than many looks at its words. */
static bool read_live(osp_copied *c, uint64_t addr, uint64_t *word)
{
    uint64_t page = addr & ~(uint64_t)(sizeof c->page - 1);
    osp_err err;
    c->read_live = true;
    if (addr - page > sizeof c->page - sizeof *word)
        return c->mem.read(c->mem.ctx, addr, word, sizeof *word, &err);
    if (!c->page_known || c->page_addr != page) {
        c->page_known = c->mem.read(c->mem.ctx, page, c->page, sizeof c->page, &err);
        c->page_addr = page;
    }
    if (c->page_known)
        memcpy(word, c->page + (addr - page), sizeof *word);
    return c->page_known;
}

static bool read_word(void *ctx, uint64_t addr, uint64_t *word)
{
    osp_copied *c = ctx;
    if (addr >= c->sp && addr - c->sp < c->stack.n && c->stack.n - (addr - c->sp) >= sizeof *word) {
        memcpy(word, c->stack.p + (addr - c->sp), sizeof *word);
        return true;
    }
    return read_live(c, addr, word);
}

static bool rule_at(void *ctx, uint64_t addr, uint32_t *rule)
{
    const osp_copied *c = ctx;
    uint32_t by_sp;
    if (!osp_space_rule(c->space, addr, rule))
        return false;
    bool landing = osp_rule_kind(*rule) == OSP_RULE_LANDING + OSP_RULE_FP;
    bool by_fp = landing || osp_rule_kind(*rule) == OSP_RULE_FP || osp_rule_kind(*rule) == OSP_RULE_FP_LANDS;
    const osp_space_map *map = c->by_sp && by_fp ? osp_space_at(c->space, addr) : NULL;
    if (map && map->object && osp_object_rule_by_sp(map->object, addr + landing - map->bias, &by_sp))
        *rule = landing ? osp_rule_of_landing(by_sp) : by_sp;
    return true;
}

void osp_copied_walk(osp_copied *c, const osp_unwind_regs *regs, uint64_t g, osp_raw_sample *head, uint64_t *user)
{
    osp_unwind_env env = {c, read_word, rule_at};
    uint64_t curg = 0, m = 0;
    size_t n = 0;
    osp_err err;
    c->page_known = c->read_live = false;
    c->by_sp = c->no_fp;
    int end = osp_unwind_walk(&env, c->go, regs, g, user, OSP_MAX_USER, &n, &curg, &m, &head->fp_steps);
    /* While an exception lands, its unwinder has overwritten the frame pointers of those who called it. */
    for (int more = 0; more < 2 && end != OSP_UNWIND_ROOT; more++) {
        uint32_t again = 0;
        c->by_sp = !c->by_sp; /* if that does not help, the first way stands */
        end = osp_unwind_walk(&env, c->go, regs, g, user, OSP_MAX_USER, &n, &curg, &m, &again);
    }
    /* What went wrong behind the copy went wrong because the process had moved on. */
    head->end = (uint16_t)(end != OSP_UNWIND_ROOT && c->read_live ? OSP_UNWIND_STACK_COPY : end);
    head->nuser = (uint16_t)n;
    head->nwords = (uint32_t)head->nkernel + head->nuser;
    head->nlabels = 0;
    head->stack_bytes = 0;
    head->unwind = 0;
    head->curg = curg;
    head->m = m;
    uint64_t goid = 0;
    if (curg && c->go->g_goid >= 0 && c->mem.read(c->mem.ctx, curg + (uint64_t)c->go->g_goid, &goid, 8, &err))
        head->goid = goid;
}
