/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting by asking again and again. Three kinds, each by what the loop does and does not do:
 *   select   a select with default (or a non-blocking send or receive) in which no operation ever completes
 *   Gosched  goroutines that give up the CPU only to be run again at once
 *   C flag   a loop of a few instructions that reads one place and does nothing else ("flag" when it is Go) */
#include "diagnose/diagnose_internal.h"

static const double demand_floor = 0.2; /* cores */

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_busy_spin = {
    .name = "busy-spin",
    .asks = "does a loop burn a core waiting for something that could wake it?",
    .topic = "spinning",
    .title = "a core burnt on waiting",
    .order = 15, /* before who burns it: a spin in C or on a native thread is what to mend */
    .after = "io-error-loop eagain-spin epoll-busy",
    .check = check,
};

static bool is(const osp_call *c, const char *name) { return osp_str_eq(c->func, osp_str_from(name)); }

static bool has(const osp_call *c, const char *part) { return osp_str_has(c->func, osp_str_from(part)); }

/* The outermost of the runtime frames at the leaf (the one the program called); UINT32_MAX if the leaf is no runtime. */
static uint32_t runtime_entry(const osp_stack_fact *s)
{
    uint32_t i = 0, at = UINT32_MAX;
    while (i < s->ncall && (s->call[i].kind == OSP_CALL_KERNEL || s->call[i].kind == OSP_CALL_VDSO))
        i++;
    for (; i < s->ncall && s->call[i].kind == OSP_CALL_RUNTIME; i++)
        at = i;
    return at;
}

static bool file_is(const osp_call *c, const char *name)
{
    return osp_str_eq(osp_str_base(c->file), osp_str_from(name));
}

/* ---- select -------------------------------------------------------------------------------------------------- */

/* Did a channel operation come to something there: a value moved, a goroutine woken or put to sleep? */
static bool completes(const osp_stack_fact *s, uint32_t entry)
{
    for (uint32_t i = 0; i < entry; i++)
        if (is(&s->call[i], "runtime.send") || is(&s->call[i], "runtime.recv") ||
            has(&s->call[i], "runtime.goready") || has(&s->call[i], "runtime.gopark") ||
            has(&s->call[i], "runtime.typedmemmove") || has(&s->call[i], "runtime.acquireSudog"))
            return true;
    return false;
}

static void check_select(const osp_facts *f, osp_findings *out)
{
    osp_mark *mark = osp_new(f->arena, osp_mark, f->nstack + 1);
    if (!mark)
        return;
    double completed = 0, asked = 0;
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        uint32_t entry = runtime_entry(s);
        if (entry != UINT32_MAX && entry + 1 < s->ncall &&
            (file_is(&s->call[entry], "chan.go") || file_is(&s->call[entry], "select.go")) &&
            (has(&s->call[entry], "selectnb") || has(&s->call[entry], "selectgo"))) {
            asked += s->share;
            if (completes(s, entry))
                completed += s->share;
            mark[i].sign = !completes(s, entry);
            mark[i].call = entry + 1;
        }
    }
    if (!asked || completed > 0.02 * asked)
        return;
    osp_marks_add_bodies(f, mark);
    osp_marked m;
    if (!osp_marks_weigh(f, mark, &(osp_mark_limits){.task_fraction = 0.7, .task_sign = 0.25, .process_fraction = 2},
                         &m))
        return;
    osp_blamed who;
    if (m.demand < demand_floor || m.sign + m.with < 0.06 || !osp_blame(f, mark, m.chosen, &who))
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_busy_spin, "select", 0.7 + 0.27 * osp_ramp(m.of_tasks, 0.7, 0.95),
                              m.sign + m.with);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_finding_blame(f, x, &who);
    const osp_thread_fact *t = osp_thread_of(f, m.tid);
    x->summary = osp_arena_fmt(
        a, "%.*s asks its channels again and again and next to never gets anything: %.0f %% of this process's CPU.",
        STRF(osp_call_text(a, who.call)), 100 * (m.sign + m.with));
    osp_finding_evidence(
        x, osp_arena_fmt(a, "± %.0f of all samples in this loop", 200 * osp_share_error(m.sign + m.with, f->samples)),
        100 * (m.sign + m.with), "%", "samples");
    osp_finding_evidence(
        x, osp_arena_fmt(a, "caught completing, in %llu samples of asking", (unsigned long long)m.samples), 0,
        "operations", "samples");
    osp_finding_evidence(x, osp_arena_fmt(a, "of a core wanted, %u goroutine%s", m.tasks, m.tasks == 1 ? "" : "s"),
                         100 * (m.demand < m.tasks ? m.demand : m.tasks), "%", "schedstat");
    if (t)
        osp_finding_evidence(x, osp_arena_fmt(a, "voluntary, thread %d", t->tid), t->voluntary_per_s, "switches/s",
                             "/proc status");
    if (m.goid)
        osp_finding_evidence(x, m.tasks > 1 ? osp_arena_fmt(a, "is one of %u that do so", m.tasks) : S("does so"),
                             (double)m.goid, "goroutine id", "g.goid");
    x->next = osp_arena_fmt(a, "remove the default branch in %.*s, or block on the channel or a timer",
                            STRF(who.call->func));
}

/* ---- Gosched ------------------------------------------------------------------------------------------------- */

/* Who calls Gosched: by the goroutines that were seen waiting in it, else by the few samples that caught the call. */
static bool blame_yields(const osp_facts *f, const osp_mark *mark, const bool *chosen, osp_blamed *out)
{
    uint64_t most = 0;
    *out = (osp_blamed){0};
    for (uint32_t i = 0; i < f->nyield; i++) {
        const osp_stack_fact *s = &f->yield[i];
        uint32_t at = runtime_entry(s);
        if (at == UINT32_MAX || at + 1 >= s->ncall)
            continue;
        uint64_t seen = 0;
        for (uint32_t k = 0; k < f->nyield; k++) {
            uint32_t other = runtime_entry(&f->yield[k]);
            if (other != UINT32_MAX && other + 1 < f->yield[k].ncall &&
                osp_str_eq(f->yield[k].call[other + 1].func, s->call[at + 1].func))
                seen += f->yield[k].samples;
        }
        if (seen > most) {
            most = seen;
            *out = (osp_blamed){.call = &s->call[at + 1], .stack = s};
        }
    }
    return out->call || osp_blame(f, mark, chosen, out);
}

/* How many goroutines yield: those seen to wait in Gosched, or to call it. */
static uint32_t count_yielders(const osp_facts *f, const osp_mark *mark)
{
    uint64_t ids[64];
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->nyield + f->nstack; i++) {
        const osp_stack_fact *s = i < f->nyield ? &f->yield[i] : &f->stack[i - f->nyield];
        uint32_t k = 0;
        if (!s->goid || (i >= f->nyield && mark[i - f->nyield].call == UINT32_MAX))
            continue;
        while (k < n && ids[k] != s->goid)
            k++;
        if (k == n && n < 64)
            ids[n++] = s->goid;
    }
    return n;
}

static void check_gosched(const osp_facts *f, osp_findings *out)
{
    osp_mark *mark = osp_new(f->arena, osp_mark, f->nstack + 1);
    if (!mark)
        return;
    double yielding = 0;
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        uint32_t entry = runtime_entry(s);
        mark[i].call = UINT32_MAX;
        if (entry == UINT32_MAX)
            continue;
        bool yields = false;
        for (uint32_t k = 0; k <= entry; k++)
            yields = yields || is(&s->call[k], "runtime.Gosched") || has(&s->call[k], "gosched");
        if (yields && entry + 1 < s->ncall && is(&s->call[entry], "runtime.Gosched"))
            mark[i].call = entry + 1;
        yielding += yields ? s->share : 0;
        /* What the scheduler does in the kernel and the vDSO is scheduling too. */
        uint32_t at = osp_call_of_kind(s, OSP_CALL_RUNTIME);
        mark[i].sign = yields || osp_domain_of(s->call + at, s->ncall - at, true) == OSP_IN_GO_SCHEDULER;
    }
    uint64_t seen = 0;
    for (uint32_t i = 0; i < f->nyield; i++)
        seen += f->yield[i].samples;
    if (yielding < 0.05 && seen < 2)
        return;
    osp_marks_add_bodies(f, mark);
    osp_marked m;
    if (!osp_marks_weigh(
            f, mark,
            &(osp_mark_limits){.task_fraction = 0.6, .task_sign = 0.4, .process_fraction = 0.6, .by_thread = true},
            &m))
        return;
    osp_blamed who;
    double low = m.of_tasks - 2 * osp_share_error(m.of_tasks, m.samples);
    if (m.demand < demand_floor || m.sign + m.with < 0.1 || low < 0.5 || !blame_yields(f, mark, m.chosen, &who))
        return;
    /* A yield takes well under a microsecond: goroutines that do anything between yields switch less often. */
    double ticks = f->sched_ticks_per_s;
    if (ticks >= 0 && ticks < 50000)
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_busy_spin, "Gosched",
                              (ticks < 0 ? 0.62 : 0.7) + 0.26 * osp_ramp(low, 0.5, 0.85), m.sign + m.with);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_finding_blame(f, x, &who);
    uint32_t yielders = count_yielders(f, mark);
    x->summary = osp_arena_fmt(
        a, "%.*s waits by calling runtime.Gosched in a loop: %.0f %% of this process's CPU is scheduling.",
        STRF(osp_call_text(a, who.call)), 100 * (m.sign + m.with));
    osp_finding_evidence(x,
                         osp_arena_fmt(a, "± %.0f of all samples in the scheduler",
                                       200 * osp_share_error(m.sign + m.with, f->samples)),
                         100 * (m.sign + m.with), "%", "samples");
    if (ticks >= 0) {
        osp_finding_evidence(x, S("of goroutines"), ticks, "switches/s", "p.schedtick");
        if (yielders)
            osp_finding_evidence(x, osp_arena_fmt(a, "by each of %u goroutine%s", yielders, yielders == 1 ? "" : "s"),
                                 ticks / yielders, "yields/s", "p.schedtick");
    }
    if (seen)
        osp_finding_evidence(x, S("seen waiting in Gosched"), (double)seen, "times", "g.sched");
    else
        osp_finding_evidence(x, S("of all samples below Gosched"), 100 * yielding, "%", "samples");
    osp_finding_evidence(x, S("of a core wanted by its threads"), 100 * m.demand, "%", "schedstat");
    x->next =
        osp_arena_fmt(a, "let %.*s wait on a channel, a sync.Cond or a WaitGroup instead", STRF(who.call->func));
}

/* ---- flag ---------------------------------------------------------------------------------------------------- */

/* Nothing in the loop can change what it waits for. An empty loop counts only where nothing is read at all. */
static bool only_waits(const osp_loop_fact *l)
{
    const osp_loop *p = &l->loop;
    bool native = l->kind == OSP_CALL_C || l->kind == OSP_CALL_CGO;
    uint32_t watched = p->fixed_loads + p->exchanges;
    return p->instructions && p->instructions <= 24 && !p->calls && !p->stores && !p->other_loads && !p->arithmetic &&
           p->counting <= 2 && watched <= 3 && (watched >= 1 || (!native && !p->counting));
}

static void check_flag(const osp_facts *f, osp_findings *out)
{
    const osp_loop_fact *best = NULL;
    for (uint32_t i = 0; i < f->nloop; i++) {
        const osp_loop_fact *l = &f->loop[i];
        if (only_waits(l) && l->of_its_threads >= 0.8 && l->share >= 0.06 && l->demand >= demand_floor && l->stack &&
            (!best || l->share > best->share))
            best = l;
    }
    if (!best)
        return;
    bool go = best->kind == OSP_CALL_GO || best->kind == OSP_CALL_STD;
    double confidence = 0.75 + 0.2 * osp_ramp(best->of_its_threads, 0.8, 0.97);
    osp_finding *x = osp_find(f, out, &osp_rule_busy_spin, go ? "flag" : "C flag", confidence, best->share);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_call call = {.func = best->func,
                     .file = best->file,
                     .module = best->module,
                     .line = best->line,
                     .kind = best->kind,
                     .named = true};
    osp_finding_blame(f, x, &(osp_blamed){.call = &call, .stack = best->stack, .share = best->share});
    osp_str what = best->load_symbol.n    ? osp_arena_fmt(a, "variable %.*s", STRF(best->load_symbol))
                   : best->load_mapping.n ? osp_arena_fmt(a, "a place in %.*s", STRF(best->load_mapping))
                                          : S("one place");
    x->summary =
        best->loop.fixed_loads + best->loop.exchanges
            ? osp_arena_fmt(a, "%.*s waits for %.*s by reading it over and over: %.0f %% of this process's CPU.",
                            STRF(osp_call_text(a, &call)), STRF(what), 100 * best->share)
            : osp_arena_fmt(a, "%.*s is an empty loop without end: %.0f %% of this process's CPU.",
                            STRF(osp_call_text(a, &call)), 100 * best->share);
    osp_finding_evidence(x, osp_arena_fmt(a, "of its samples in %u instructions", best->loop.instructions),
                         100 * best->of_its_threads, "%", "samples");
    osp_finding_evidence(x, osp_arena_fmt(a, "of entropy in %u sampled addresses", best->addresses),
                         best->entropy_bits, "bits", "samples");
    osp_finding_evidence(x, S("calls, system calls, stores in it"), 0, "instructions", "disassembly");
    osp_finding_evidence(x,
                         best->load_addr
                             ? osp_arena_fmt(a, "read: %.*s, 0x%llx", STRF(what), (unsigned long long)best->load_addr)
                             : S("read by it, fixed"),
                         best->loop.fixed_loads + best->loop.exchanges,
                         best->loop.fixed_loads + best->loop.exchanges == 1 ? "address" : "addresses", "disassembly");
    osp_finding_evidence(x, S("of a core wanted"), 100 * best->demand, "%", "schedstat");
    x->next = osp_arena_fmt(a, "let %.*s wait on %s, or pause with growing back-off", STRF(best->func),
                            go ? "a channel or a sync.Cond" : "a condition variable or a futex");
}

static void check(const osp_facts *f, osp_findings *out)
{
    if (f->is_go) {
        check_select(f, out);
        check_gosched(f, out);
    }
    check_flag(f, out);
}
