/* SPDX-License-Identifier: Apache-2.0 */
/* What comes in while the sampler runs: births, samples, wake-ups, and where each belongs. A sample finds the subject that
 * it is of, which is met then: its mappings are read. Where a stack ends outside all of them they are read again. */
#include "base/clock.h"
#include "base/hash.h"
#include "sample/sample_internal.h"

#include <stdio.h>

enum {
    RESTLESS_NS = 100000000,   /* so long after something was met we look soon */
    HANDED_OVER_NS = 50000000, /* new tables are with the kernel side by then */
    ASIDES = 100,              /* fewer than OSP_COPIES */
};

/* Of the processes of a whole machine most are seen a few times only: they are unwound here, from copies of their stacks and
 * one function after the other, before all rows of their files are made. */
static bool needs_rows(const osp_sampler *s, const osp_subject *of)
{
    return !((s->bpf || s->proc) && osp_any_process(s)) || of->asides >= ASIDES || of->all_rows;
}

bool osp_intake_refresh(osp_sampler *s, osp_subject *of, osp_err *err)
{
    bool changed;
    osp_err no_goroutines = {0};
    of->mapped = true;
    of->stale = false;
    if (!osp_subjects_map(s->subjects, of, &changed, &no_goroutines, err))
        return false;
    if (!of->space.whole && needs_rows(s, of)) {
        osp_space_rows(&of->space);
        changed = true;
    }
    if (of->remapped.until_ns == UINT64_MAX)
        of->remapped.until_ns = osp_monotonic_ns() + (changed ? HANDED_OVER_NS : 0);
    if (!changed)
        return true;
    if (no_goroutines.code == OSP_EFORMAT && !s->many)
        snprintf(s->gave_up, sizeof s->gave_up, "goroutines: %.140s", no_goroutines.msg);
    if (s->looks)
        osp_looks_space(s->looks, of);
    if (s->bpf && of->space.whole && of->until_ns == UINT64_MAX && of->process)
        return osp_bpf_side_space(s->bpf, of->pid, &of->space, &of->unwind_go, err);
    return true;
}

/* Programs are being met: look again soon. */
static void be_restless(osp_sampler *s) { s->restless_until_ns = osp_monotonic_ns() + RESTLESS_NS; }

/* Code that was mapped where other code is known: that is not known any more. */
static void on_remap(osp_sampler *s, osp_subject *of, const osp_birth *b)
{
    if (!of->mapped || !osp_space_differs(&of->space, b->start, b->end, b->offset, b->inode))
        return;
    bool goes_on = of->remapped.since_ns && of->remapped.until_ns >= b->time_ns;
    if (!goes_on) {
        of->remapped.since_ns = b->time_ns;
        of->remapped.start = b->start;
        of->remapped.end = b->end;
    }
    of->remapped.start = b->start < of->remapped.start ? b->start : of->remapped.start;
    of->remapped.end = b->end > of->remapped.end ? b->end : of->remapped.end;
    of->remapped.until_ns = UINT64_MAX;
    osp_intake_make_stale(s, of);
}

static void on_birth(void *ctx, const osp_birth *b)
{
    osp_sampler *s = ctx;
    osp_subject *of = b->what == OSP_BIRTH_MAP ? osp_subjects_now(s->subjects, b->pid) : NULL;
    if (of)
        on_remap(s, of, b);
    osp_subjects_tell(s->subjects, b);
    if (s->perf)
        osp_perf_side_told(s->perf, b);
    if (!osp_any_process(s) && osp_subjects_now(s->subjects, b->pid))
        be_restless(s);
}

void osp_intake_hear(osp_sampler *s)
{
    if (!s->births)
        return;
    if (s->perf)
        osp_perf_side_read(s->perf);
    osp_births_drain(s->births, on_birth, s);
    osp_subjects_told_all(s->subjects);
}

static const osp_subject *subject_of(void *ctx, const osp_raw_sample *head)
{
    osp_sampler *s = ctx;
    return osp_subjects_of_sample(s->subjects, head);
}

void osp_intake_make_stale(osp_sampler *s, osp_subject *of)
{
    void *array = s->stale;
    if (of->stale || !osp_grow(&array, &s->stale_cap, s->nstale + 1, sizeof(osp_subject *)))
        return;
    s->stale = array;
    s->stale[s->nstale++] = of;
    of->stale = true;
}

/* A stack ends outside all mappings: they are to be read again. Of a program that has just begun at once, so that what
 * comes next finds its place. */
static void look_again(osp_sampler *s, osp_subject *of)
{
    osp_err ignored; /* it has ended, and nothing was told */
    if (of->stale)
        return;
    osp_intake_make_stale(s, of);
    if (osp_monotonic_ns() >= s->restless_until_ns)
        return;
    (void)!osp_intake_refresh(s, of, &ignored);
    of->stale = true;
}

/* The first sample of a subject asks for its mappings. */
static void meet(osp_sampler *s, osp_subject *of, const osp_raw_sample *head)
{
    osp_err ignored; /* it has ended, and nothing was told: its addresses stay without a name, and are counted */
    if (of->mapped)
        return;
    of->of_kernel = head->nuser == 0 && head->nkernel > 0 && head->stack_bytes == 0 && !of->told_all && !of->parent;
    of->info.name = osp_str_from(of->name);
    if (!osp_intake_refresh(s, of, &ignored))
        of->info.name = osp_str_from(of->name);
}

/* Where a stack of that process stands that was seen before; trimmed: of a waker, without the tracepoint's own. */
static osp_place place_of(osp_sampler *s, uint32_t pid, uint64_t hash, uint64_t now)
{
    osp_place p = {.head = {.stack_hash = hash, .pid = pid, .ktime_ns = now}};
    p.of = pid ? osp_subjects_at(s->subjects, (int)pid, now) : NULL;
    p.word = osp_bpf_side_stack(s->bpf, &p.head);
    return p;
}

static void trim_waker(osp_sampler *s, osp_place *p)
{
    uint32_t above = p->word ? osp_wakes_above(s->wakes, p) : 0;
    p->word += above;
    p->head.nkernel = (uint16_t)(p->head.nkernel - above);
    p->head.nwords -= above;
}

/* A thread was woken. */
static void on_wake(osp_sampler *s, const osp_raw_sample *head, const uint64_t *word)
{
    osp_place by = {.head = *head, .word = word};
    osp_place woken = place_of(s, head->peer_pid, head->peer_stack, head->ktime_ns);
    osp_subject *of = head->pid ? osp_subjects_of_sample(s->subjects, head) : NULL;
    if (of) {
        meet(s, of, head);
        if (head->end == OSP_END_NO_MAPPING)
            osp_intake_make_stale(s, of);
    }
    by.of = of;
    if (!woken.of) {
        s->no_memory++;
        return;
    }
    osp_reason_woken why = osp_wakes_one(s->wakes, &by, &woken);
    osp_place code = by;
    if (why.by_thread && why.code != head->stack_hash)
        code = place_of(s, why.code_pid, why.code, head->ktime_ns);
    trim_waker(s, &by);
    trim_waker(s, &code);
    osp_collector_add_wake(s->collector, &by, &code, &woken, &why);
}

/* A wait, and what ended it. */
static void add_woken(osp_sampler *s, const osp_subject *of, const osp_raw_sample *head, const uint64_t *word)
{
    osp_place wait = {.of = of, .head = *head, .word = word};
    osp_place by = place_of(s, head->peer_pid, head->peer_stack, head->ktime_ns);
    osp_cause interrupt = OSP_CAUSE_UNKNOWN;
    if (by.word && !osp_wakes_interrupt(s->wakes, &by, &interrupt))
        interrupt = OSP_CAUSE_UNKNOWN;
    trim_waker(s, &by);
    osp_collector_add_woken(s->collector, &wait, &by, interrupt);
}

/* The sample up to the first frame in code that was taken for what had been there before: that one has another name, and
 * its caller was looked for by the wrong rows. */
static const osp_raw_sample *cut_remapped(const osp_subject *of, const osp_raw_sample *head, const uint64_t *word,
                                          osp_raw_sample *cut)
{
    uint16_t n = 0;
    if (head->ktime_ns < of->remapped.since_ns || head->ktime_ns > of->remapped.until_ns)
        return head;
    while (n < head->nuser &&
           (word[head->nkernel + n] < of->remapped.start || word[head->nkernel + n] >= of->remapped.end))
        n++;
    if (n == head->nuser)
        return head;
    *cut = *head;
    cut->nuser = n;
    cut->nlabels = 0;
    cut->end = OSP_END_NO_MAPPING;
    cut->stack_hash = osp_hash_mix(head->stack_hash, (uint64_t)n + 1) | 1;
    return cut;
}

static void on_sample(void *ctx, const osp_raw_sample *head, const uint64_t *word)
{
    osp_sampler *s = ctx;
    const osp_event_kind *kind = s->event.kind[head->event % OSP_MAX_EVENTS];
    if (kind && kind->source == OSP_BY_WAKES) {
        on_wake(s, head, word);
        return;
    }
    osp_subject *of = osp_subjects_of_sample(s->subjects, head);
    if (!of) {
        s->no_memory++;
        return;
    }
    meet(s, of, head);
    osp_raw_sample cut;
    if (of->remapped.since_ns)
        head = cut_remapped(of, head, word, &cut);
    if (head->end == OSP_END_NO_MAPPING)
        look_again(s, of);
    s->sampled_ns += kind == osp_event_kinds[0] ? head->value[0] : 0;
    if (s->opts->wakers && head->peer_stack)
        add_woken(s, of, head, word);
    else
        osp_collector_add(s->collector, of, head, word);
}

static void on_aside(void *ctx, const osp_raw_sample *head)
{
    osp_sampler *s = ctx;
    osp_subject *of = osp_subjects_of_sample(s->subjects, head);
    if (!of)
        return;
    if (head->end != OSP_END_NO_MAPPING)
        return; /* its tables are there, but other means are needed */
    of->asides++;
    if (of->mapped && !of->space.whole && !needs_rows(s, of))
        return; /* its mappings are known, that will do */
    osp_intake_make_stale(s, of);
    be_restless(s);
}

void osp_intake_add_wait(void *sampler, const osp_subject *of, const osp_waited *w)
{
    osp_sampler *s = sampler;
    char reason[OSP_REASON_MAX];
    osp_how_reason(of->go, w->what.how, w->what.waitreason, reason);
    osp_collector_add_wait(s->collector, of, osp_looks_event(&s->event), w, osp_how_state(w->what.how),
                           osp_str_from(reason));
}

static void on_forgotten(void *ctx, const osp_subject *of, bool last)
{
    osp_sampler *s = ctx;
    if (s->looks)
        osp_looks_forget(s->looks, of, of->until_ns, osp_intake_add_wait, s);
    if (s->proc)
        osp_proc_side_forget(s->proc, of);
    osp_collector_forget(s->collector, of);
    if (last && s->bpf)
        osp_bpf_side_forget(s->bpf, of->pid);
}

/* Whose a sample of the fallback is; NULL: nobody's that was asked for, or of a child of ours before its exec. */
static const osp_subject *wanted_of(void *ctx, const osp_raw_sample *head)
{
    osp_sampler *s = ctx;
    osp_subject *of = osp_any_process(s) ? osp_subjects_of_sample(s->subjects, head)
                                         : osp_subjects_at(s->subjects, (int)head->pid, head->ktime_ns);
    if (!of || (s->opts->release && of->pid == s->opts->pid && !of->told_all))
        return NULL;
    meet(s, of, head);
    return of;
}

/* ---- looks at threads ------------------------------------------------------------------------------------------ */

static bool hold_for_looks(void *ctx, osp_subject *of)
{
    osp_err ignored; /* it has ended, or is another user's: it is not looked at */
    (void)ctx;
    return osp_subject_hold(of, &ignored);
}

static bool map_for_looks(void *ctx, osp_subject *of)
{
    osp_sampler *s = ctx;
    osp_err ignored; /* it is ending */
    return of->mapped || osp_intake_refresh(s, of, &ignored);
}

osp_proc_sink osp_intake_of_proc(osp_sampler *s)
{
    return (osp_proc_sink){s, hold_for_looks, map_for_looks, on_sample};
}

static void tell_end(void *ctx, osp_subject *of)
{
    osp_sampler *s = ctx;
    const osp_birth end = {.what = OSP_BIRTH_EXIT, .pid = of->pid, .tid = of->pid, .time_ns = osp_monotonic_ns()};
    if (!of->pinned && of->process && !osp_process_alive(of->process))
        osp_subjects_tell(s->subjects, &end);
}

void osp_intake_scan(osp_sampler *s)
{
    enum { LIST_MAX = 64 << 20 };
    osp_arena a;
    osp_process_row *row;
    osp_err ignored; /* the next scan will do */
    uint32_t n;
    if (!(s->opts->children || osp_any_process(s)) || !osp_proc_side_scan_is_due(s->proc))
        return;
    osp_subjects_each(s->subjects, tell_end, s);
    osp_arena_init(&a, LIST_MAX);
    if (osp_processes_read(&a, &row, &n, &ignored))
        for (uint32_t i = 0; i < n; i++) {
            const osp_birth born = {.what = OSP_BIRTH_FORK,
                                    .pid = row[i].pid,
                                    .tid = row[i].pid,
                                    .parent = row[i].parent,
                                    .time_ns = osp_monotonic_ns()};
            if (!osp_subjects_now(s->subjects, row[i].pid))
                osp_subjects_tell(s->subjects, &born);
        }
    osp_arena_drop(&a);
}

static void refresh_stale(osp_sampler *s)
{
    osp_err err;
    for (size_t i = 0; i < s->nstale; i++)
        if (!osp_intake_refresh(s, s->stale[i], &err) && err.code == OSP_ELIMIT)
            snprintf(s->gave_up, sizeof s->gave_up, "%.150s", err.msg);
    s->nstale = 0;
}

/* Take what waits. Samples that met code without a table wait for the mappings to be read again; the fallback unwinds each
 * sample as it comes. */
void osp_intake_drain(osp_sampler *s)
{
    osp_intake_hear(s);
    if (s->perf) {
        osp_perf_sink to = {s, wanted_of, on_sample};
        osp_perf_side_give(s->perf, &to);
    } else if (s->bpf) {
        osp_bpf_sink to = {s, on_sample, on_aside};
        osp_bpf_side_drain(s->bpf, &to);
        refresh_stale(s);
        osp_bpf_side_settle(s->bpf, &to, subject_of);
    }
}

/* What ended before may be forgotten: its samples were in the ring before its end was told. */
void osp_intake_tidy(osp_sampler *s)
{
    refresh_stale(s);
    osp_subjects_forget(s->subjects, on_forgotten, s);
}
