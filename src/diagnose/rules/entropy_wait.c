/* SPDX-License-Identifier: Apache-2.0 */
/* It waits for random numbers: while a machine boots without a source of entropy, getrandom blocks, and before Linux 5.6 each
 * read of /dev/random may. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_entropy_wait = {
    .name = "entropy-wait",
    .asks = "does it wait for random numbers?",
    .topic = "stops",
    .more = "threads PID --stack",
    .title = "it waits for random numbers",
    .order = 2,
    .check = check,
};

static bool waits_for_it(const osp_blocked_fact *b)
{
    return osp_str_starts(b->call, S("getrandom")) ||
           (osp_str_starts(b->call, S("read")) && osp_str_has(b->call, S("(/dev/random)")));
}

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_blocked_fact *b = NULL;
    for (uint32_t i = 0; f->blocked.known && i < f->blocked.n && !b; i++)
        b = waits_for_it(&f->blocked.row[i]) ? &f->blocked.row[i] : NULL;
    if (!b)
        return;
    /* Taking random numbers is over in microseconds: a look that meets it means that it waits. */
    const osp_group_fact *g = NULL;
    for (uint32_t i = 0; i < f->goroutine.ngroup && !g; i++)
        for (uint32_t k = 0; k < f->goroutine.group[i].ncall && !g; k++)
            if (osp_str_has(f->goroutine.group[i].call[k].func, S("etrandom")) ||
                osp_str_has(f->goroutine.group[i].call[k].func, S("etRandom")))
                g = &f->goroutine.group[i];
    osp_finding *x = osp_find(f, out, &osp_rule_entropy_wait, NULL, f->cores_used < 0.05 ? 0.85 : 0.7, 1);
    if (!x)
        return;
    osp_arena *a = f->arena;
    if (g)
        osp_finding_blame_group(f, x, g);
    x->summary = osp_arena_fmt(a, "%u %s for random numbers in %.*s: the kernel has too little entropy yet.", b->n,
                               b->n == 1 ? "thread waits" : "threads wait", STRF(b->call));
    osp_finding_evidence(
        x, osp_arena_fmt(a, "in %.*s, wchan %.*s", STRF(b->call), STRF(b->wchan.n ? b->wchan : S("unknown"))), b->n,
        "threads", "/proc/PID/task");
    osp_finding_evidence(x, S("since it began"), f->uptime_s, "s", "/proc/PID/stat");
    if (f->host.known)
        osp_finding_evidence(
            x, osp_arena_fmt(a, "kernel %.*s; from 5.6 on only a booting machine waits", STRF(f->host.kernel)), 1,
            "release", "uname");
    x->next = S("give the machine a source of entropy (virtio-rng, a newer kernel, haveged), or begin later");
}
