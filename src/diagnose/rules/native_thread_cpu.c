/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

static const double thread_floor = 0.2;  /* cores of demand, a thread */
static const double demand_floor = 0.35; /* cores of demand, all such threads */

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_native_thread_cpu = {
    .name = "native-thread-cpu",
    .asks =
        "do threads that a native library made burn the CPU of a Go process, where Go shows runtime._ExternalCode?",
    .topic = "cgo",
    .only_go = true,
    .title = "CPU burnt by threads that are not Go's",
    .order = 30,
    .check = check,
};

static bool has_go(const osp_stack_fact *s)
{
    for (uint32_t k = 0; k < s->ncall; k++)
        if (osp_is_go_call(&s->call[k]))
            return true;
    return false;
}

/* Does the stack begin in native code that is neither the system's nor cgo's own thread start? */
static bool begins_native(const osp_stack_fact *s)
{
    for (uint32_t i = s->ncall; s->complete && i-- > 0;)
        if (s->call[i].kind != OSP_CALL_LIB)
            return s->call[i].kind == OSP_CALL_C;
    return false;
}

/* A thread that no M owns and in which no Go runs; or one that calls back into Go, and so has an M for the while, but was
 * begun by native code. The main thread is not meant: in a C program with Go in it, it is the program. */
static bool is_native(const osp_facts *f, const osp_thread_fact *t)
{
    if (t->demand < thread_floor || !t->samples)
        return false;
    uint64_t go = 0, native = 0;
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        if (s->tid != t->tid)
            continue;
        go += has_go(s) ? s->samples : 0;
        native += begins_native(s) ? s->samples : 0;
    }
    return (!t->has_m && go * 20 < t->samples) ||
           (t->tid != f->pid && native * 20 >= t->samples * 19 && go * 2 < t->samples);
}

static void check(const osp_facts *f, osp_findings *out)
{
    osp_mark *mark = osp_new(f->arena, osp_mark, f->nstack + 1);
    if (!mark || !f->is_go)
        return;
    double demand = 0, share = 0;
    uint64_t samples = 0, hottest = 0;
    uint32_t threads = 0;
    bool known = true;
    osp_str tids = S("");
    const osp_thread_fact *named = NULL;
    for (uint32_t i = 0; i < f->nthread; i++) {
        const osp_thread_fact *t = &f->thread[i];
        if (!is_native(f, t))
            continue;
        threads++;
        demand += t->demand;
        known = known && t->m_is_known;
        if (threads <= 4)
            tids = osp_arena_fmt(f->arena, "%.*s%s%d", STRF(tids), threads > 1 ? ", " : "", t->tid);
        else if (threads == 5)
            tids = osp_arena_fmt(f->arena, "%.*s …", STRF(tids));
        if (t->samples > hottest) {
            hottest = t->samples;
            named = t;
        }
        for (uint32_t k = 0; k < f->nstack; k++)
            if (f->stack[k].tid == t->tid && !has_go(&f->stack[k])) {
                mark[k].sign = true;
                mark[k].call = osp_native_culprit(&f->stack[k]);
                share += f->stack[k].share;
                samples += f->stack[k].samples;
            }
    }
    osp_blamed who;
    if (samples < 12 || demand < demand_floor || share < 0.06 || !osp_blame(f, mark, NULL, &who))
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_native_thread_cpu, NULL,
                              (known ? 0.75 : 0.62) + (known ? 0.22 : 0.1) * osp_ramp(share, 0.06, 0.4), share);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_finding_blame(f, x, &who);
    const osp_call *start = osp_entry_of(who.stack);
    x->summary =
        osp_arena_fmt(a, "%u thread%s of %.*s, not started by Go, use%s %.0f %% of this process's CPU in %.*s.",
                      threads, threads == 1 ? "" : "s", STRF(who.call->module), threads == 1 ? "s" : "", 100 * share,
                      STRF(osp_call_text(a, who.call)));
    osp_finding_evidence(x, osp_arena_fmt(a, "not made by Go: %.*s (%s)", STRF(tids), named ? named->name : "?"),
                         threads, threads == 1 ? "thread" : "threads", known ? "runtime.allm" : "stacks");
    if (start)
        osp_finding_evidence(x,
                             osp_arena_fmt(a, "start routine: %.*s in %.*s", STRF(start->func), STRF(start->module)),
                             1, "routine", "samples");
    osp_finding_evidence(
        x, osp_arena_fmt(a, "± %.0f of all samples are on them", 200 * osp_share_error(share, f->samples)),
        100 * share, "%", "samples");
    osp_finding_evidence(x, S("of a core wanted by them"), 100 * demand, "%", "schedstat");
    x->note = S("would show runtime._ExternalCode, without thread or caller");
    x->next =
        start ? osp_arena_fmt(a, "configure or stop what starts %.*s in %.*s", STRF(start->func), STRF(start->module))
              : osp_arena_fmt(a, "configure or stop the threads of %.*s", STRF(who.call->module));
}
