/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/unwind.h"

#include <linux/types.h>

static bool osp_unwind_read(void *env, __u64 addr, __u64 *word)
{
    const osp_unwind_env *e = env;
    uint64_t v = 0;
    if (!e->read(e->ctx, addr, &v))
        return false;
    *word = v;
    return true;
}

#include "../../bpf/unwind.h"

/* Nobody maps code above 48 bits, unless asked to. */
static uint64_t code_mask(bool aarch64) { return aarch64 ? (1ull << 48) - 1 : UINT64_MAX; }

/* Where a frame that lands an exception took its return address from, if that is not its own any more: up the stack the same
 * word stands in its own place, where the frame that it will land in returns. */
static bool find_landed(void *env, osp_unwind *u)
{
    enum { FAR = 32768 };
    __u64 word;
    for (__u64 at = u->sp; at - u->sp < FAR && osp_unwind_read(env, at, &word); at += sizeof word)
        if (word == u->pc) {
            u->sp = at + sizeof word;
            return true;
        }
    return false;
}

static int walk(const osp_unwind_env *env, const osp_unwind_go *go, osp_unwind *u, bool landed, uint64_t *pc,
                size_t max, size_t *n)
{
    void *ctx = (void *)(uintptr_t)env;
    int status = OSP_UNWIND_MORE;
    for (*n = 0; status == OSP_UNWIND_MORE;) {
        uint64_t at = osp_unwind_lookup(u);
        uint32_t rule;
        if (*n == max) {
            status = OSP_UNWIND_DEPTH;
            break;
        }
        bool known = env->rule(env->ctx, at, &rule);
        if (!known) {
            rule = osp_unwind_unmapped(u);
            known = rule != OSP_RULE_NONE;
        }
        if (known || *n == 0 || u->exact)
            pc[(*n)++] = known ? osp_unwind_shown(u, at, rule) : at;
        bool lands = landed && !u->lands;
        status = known ? osp_unwind_step(ctx, u, go, rule) : OSP_UNWIND_NO_MAPPING;
        if (lands && u->lands && status == OSP_UNWIND_MORE && !find_landed(ctx, u))
            status = OSP_UNWIND_STUCK;
    }
    return status;
}

int osp_unwind_walk(const osp_unwind_env *env, const osp_unwind_go *go, const osp_unwind_regs *regs, uint64_t g,
                    uint64_t *pc, size_t max, size_t *n, uint64_t *curg, uint64_t *m, uint32_t *frame_pointer_steps)
{
    osp_unwind u = {.pc = regs->pc,
                    .sp = regs->sp,
                    .fp = regs->fp,
                    .link = regs->reg[OSP_X30],
                    .code_mask = code_mask(regs->aarch64),
                    .aarch64 = regs->aarch64,
                    .linked = regs->aarch64,
                    .leaf = 1,
                    .exact = 1};
    __u64 owner = 0;
    for (int i = 0; i < OSP_UNWIND_REGS; i++)
        u.reg[i] = regs->reg[i];
    if (go->has_go)
        osp_unwind_goroutine((void *)(uintptr_t)env, &u, go, g, &owner);
    const osp_unwind first = u;
    int status = walk(env, go, &u, false, pc, max, n);
    for (int more = 0; more < 2 && u.lands && (u.doubt || status != OSP_UNWIND_ROOT); more++) {
        u = first; /* if it did not land anywhere yet, the first way stands */
        status = walk(env, go, &u, more == 0, pc, max, n);
    }
    *curg = u.curg;
    *m = owner;
    *frame_pointer_steps += u.fp_steps;
    return status;
}

int osp_unwind_parked(const osp_unwind_env *env, const osp_unwind_go *go, const osp_unwind_at *at, uint64_t *pc,
                      size_t max, size_t *n)
{
    osp_unwind u = {.pc = at->pc,
                    .sp = at->sp,
                    .fp = at->fp,
                    .link = at->link,
                    .code_mask = code_mask(at->aarch64),
                    .aarch64 = at->aarch64,
                    .linked = at->link != 0,
                    .curg = at->g,
                    .stack_lo = at->stack_lo,
                    .stack_hi = at->stack_hi,
                    .callback_sp = at->callback_sp,
                    .leaf = 1,
                    .exact = 1};
    return walk(env, go, &u, false, pc, max, n);
}

/* asm_amd64.s and asm_arm64.s: "save g", "save depth in old g stack", "NOTE: unwindm knows that the saved g->sched.sp is
 * at"; type gobuf in runtime2.go. */
void osp_unwind_go_machine(osp_unwind_go *go, bool aarch64, uint32_t version)
{
    go->g_sched_lr = go->g_sched_bp - 8;
    go->asmcgocall_g = aarch64 ? 0 : version >= 12200 ? 8 : 48;
    go->asmcgocall_depth = aarch64 ? 8 : go->asmcgocall_g - 8;
    go->callback_saved = aarch64 ? 16 : 0;
}
