/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_malloc_contention = {
    .name = "malloc-contention",
    .asks = "do threads queue for the lock of the C library's heap?",
    .topic = "locks",
    .more = "syscalls PID",
    .title = "threads queue for the heap of the C library",
    .order = 20,
    .wants = osp_wants_native_locks,
    .check = check,
};

static void check(const osp_facts *f, osp_findings *out)
{
    osp_native_lock l;
    if (!osp_native_lock_of(f, true, &l))
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_malloc_contention, NULL, l.confidence, l.share);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_finding_blame(f, x, &l.who);
    x->summary = osp_arena_fmt(
        a, "Threads of %.*s fight for the heap's lock inside malloc and free: %.*s waits and wakes a second.",
        STRF(osp_call_text(a, l.who.call)), STRF(osp_rate_text(a, l.waits_per_s)));
    osp_native_lock_evidence(f, x, &l);
    x->next = S("let malloc have more arenas (MALLOC_ARENA_MAX, mallopt), take an allocator with a cache for each "
                "thread, or allocate less");
}
