/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

/* Go's own signals (to preempt goroutines) come some hundred times a second at most; profilers' timers likewise. */
static const double rate_floor = 1500, demand_floor = 0.1, share_floor = 0.1;

static uint32_t wants(const osp_facts *early);
static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_signal_storm = {
    .name = "signal-storm",
    .asks = "does the CPU go into signals?",
    .topic = "signals",
    .more = "syscalls PID",
    .title = "CPU burnt on signals",
    .order = 9,
    .wants = wants,
    .check = check,
};

/* The kernel's work for signals, the program's sending of them, the runtime's handling. */
static bool is_signal_work(const osp_stack_fact *s)
{
    for (uint32_t i = 0; i < s->ncall; i++) {
        osp_str n = s->call[i].func;
        if (s->call[i].kind == OSP_CALL_KERNEL
                ? osp_str_has(n, S("signal")) || osp_str_has(n, S("sys_kill")) || osp_str_has(n, S("sys_tgkill")) ||
                      osp_str_has(n, S("sigreturn")) || osp_str_has(n, S("sigaction"))
                : (s->call[i].kind == OSP_CALL_RUNTIME &&
                   (osp_str_starts(n, S("runtime.sig")) || osp_str_has(n, S("signal_recv")))) ||
                      osp_str_among(n, "kill raise tgkill pthread_kill __restore_rt syscall.Kill"))
            return true;
    }
    return false;
}

static double signal_share(const osp_facts *f)
{
    double share = 0;
    for (uint32_t i = 0; i < f->nstack; i++)
        share += is_signal_work(&f->stack[i]) ? f->stack[i].share : 0;
    return share;
}

static uint32_t wants(const osp_facts *early)
{
    return signal_share(early) > 0.06 && early->cores_used > 0.05 ? OSP_ASK_SIGNALS : 0;
}

static bool is_preemption(const osp_place_fact *p)
{
    for (uint32_t i = 0; i < p->ncall; i++)
        if (osp_str_eq(p->call[i].func, S("runtime.preemptM")) || osp_str_eq(p->call[i].func, S("runtime.signalM")))
            return true;
    return false;
}

/* Sent by a function of the program: not by a timer that ran out while it ran. */
static bool is_sent(const osp_place_fact *p, const void *ctx)
{
    (void)ctx;
    bool calls = false;
    for (uint32_t i = 0; i < p->ncall && !calls; i++)
        calls = p->call[i].kind == OSP_CALL_KERNEL
                    ? osp_str_has(p->call[i].func, S("kill"))
                    : osp_str_has(p->call[i].func, S("ill")) || osp_str_has(p->call[i].func, S("raise")) ||
                          osp_str_has(p->call[i].func, S("igqueue"));
    return p->count > 0 && calls && !is_preemption(p);
}

static void check(const osp_facts *f, osp_findings *out)
{
    double delivered = 0, own = 0, timers = 0;
    for (uint32_t i = 0; i < f->signals.nplace; i++) {
        const osp_place_fact *p = &f->signals.place[i];
        delivered += p->amount - (is_preemption(p) ? p->count : 0);
        own += is_sent(p, NULL) ? p->count : 0;
        timers += p->count > 0 && !is_sent(p, NULL) && !is_preemption(p) ? p->count : 0;
    }
    double share = signal_share(f), rate = own > delivered ? own : delivered;
    double demand = osp_cores_wanted(f);
    if (!f->signals.known || rate < rate_floor || share < share_floor || demand * share < demand_floor)
        return;
    osp_finding *x =
        osp_find(f, out, &osp_rule_signal_storm, NULL, 0.75 + 0.2 * osp_ramp(share, share_floor, 0.4), share);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_blamed who = {0};
    bool itself = own > 0.3 * rate && osp_blame_places(f, f->signals.place, f->signals.nplace, is_sent, NULL, &who);
    if (itself)
        osp_finding_blame(f, x, &who);
    osp_str by = itself         ? osp_arena_fmt(a, "sent by itself, in %.*s", STRF(osp_call_text(a, who.call)))
                 : timers > own ? S("most by a timer of its own")
                                : S("sent by another process");
    x->summary = osp_arena_fmt(a, "%.*s signals a second reach it, %.*s: %.0f %% of its CPU goes there.",
                               STRF(osp_rate_text(a, rate)), STRF(by), 100 * share);
    osp_finding_evidence(x, S("delivered to it"), delivered, "signals/s", "signal_deliver");
    osp_finding_evidence(x, S("sent by its own calls"), own, "signals/s", "signal_generate");
    osp_finding_evidence(x, S("made by timers and the kernel while it ran"), timers, "signals/s", "signal_generate");
    osp_finding_evidence(x, S("of its samples are in sending and handling signals"), 100 * share, "%", "samples");
    osp_finding_evidence(x, S("cores wanted by the process"), demand, "cores", "schedstat");
    x->next = itself ? osp_arena_fmt(a, "notify through a channel or a pipe instead of signals in %.*s",
                                     STRF(who.call->func))
              : timers > own
                  ? S("make the interval timer slower (setitimer, timer_create)")
                  : S("find the sender (osprey record -e signal:signal_generate on the host), or block the signal");
}
