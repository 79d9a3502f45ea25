/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_native_mutex_contention = {
    .name = "mutex-contention",
    .asks = "do native threads spend their time on getting one lock?",
    .topic = "locks",
    .more = "syscalls PID",
    .title = "threads queue for a lock",
    .order = 21,
    .after = "malloc-contention",
    .wants = osp_wants_native_locks,
    .check = check,
};

static void check(const osp_facts *f, osp_findings *out)
{
    osp_native_lock l;
    if (!osp_native_lock_of(f, false, &l))
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_native_mutex_contention, NULL, l.confidence, l.share);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_finding_blame(f, x, &l.who);
    x->summary = osp_arena_fmt(
        a, "%.*s fights for a lock: %.*s waits and wakes of threads a second, %.0f %% of the CPU is locking.",
        STRF(osp_call_text(a, l.who.call)), STRF(osp_rate_text(a, l.waits_per_s)), 100 * l.share);
    osp_native_lock_evidence(f, x, &l);
    x->next = osp_arena_fmt(a, "hold the lock in %.*s for less, or split what it guards", STRF(l.who.call->func));
}
