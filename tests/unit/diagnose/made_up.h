/* SPDX-License-Identifier: Apache-2.0 */
/* made_up.h: facts for tests of rules, written as text.
 *
 * A stack is a line of "kind:function@file" from root to leaf. Kinds: g Go, s standard library, r runtime, k cgo glue,
 * c native, l system library, v vDSO, n kernel, u unknown. */
#ifndef OSP_TEST_MADE_UP_H
#define OSP_TEST_MADE_UP_H

#include "diagnose/diagnose.h"

typedef struct {
    osp_arena arena;
    osp_facts facts;
    osp_stack_fact stack[64];
    osp_thread_fact thread[16];
    osp_loop_fact loop[4];
} made_up;

static inline made_up *made_up_new(bool is_go)
{
    static made_up m;
    osp_arena_drop(&m.arena);
    m = (made_up){0};
    osp_arena_init(&m.arena, 1 << 22);
    m.facts = (osp_facts){
        .arena = &m.arena,
        .pid = 4711,
        .process.name = S("gateway"),
        .window_ns = 5000000000,
        .cores_used = 1,
        .host_cpus = 2,
        .clocksource = "tsc",
        .is_go = is_go,
        .go_version = is_go ? S("go1.26.8") : S(""),
        .goroutines = is_go ? 5 : -1,
        .sampling.hz = 99,
        .stack = m.stack,
        .thread = m.thread,
        .loop = m.loop,
        .cgo_calls_per_s = is_go ? 0 : -1,
        .sched_ticks_per_s = is_go ? 100 : -1,
    };
    return &m;
}

static inline osp_call made_up_call(osp_str word)
{
    static const struct {
        char letter;
        osp_call_kind kind;
        const char *module;
    } kinds[] = {
        {'g', OSP_CALL_GO, "gateway"},  {'s', OSP_CALL_STD, "gateway"},     {'r', OSP_CALL_RUNTIME, "gateway"},
        {'k', OSP_CALL_CGO, "gateway"}, {'c', OSP_CALL_C, "libcodec.so"},   {'l', OSP_CALL_LIB, "libc.so.6"},
        {'v', OSP_CALL_VDSO, "[vdso]"}, {'n', OSP_CALL_KERNEL, "[kernel]"}, {'u', OSP_CALL_UNKNOWN, ""}};
    osp_call c = {.line = 7, .named = true};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].letter == word.p[0]) {
            c.kind = kinds[i].kind;
            c.module = osp_str_from(kinds[i].module);
        }
    osp_str rest = osp_str_skip(word, 2);
    c.func = osp_str_cut(&rest, '@');
    c.file = rest;
    return c;
}

static inline void made_up_stack(made_up *m, int tid, uint64_t goid, uint64_t samples, const char *root_to_leaf)
{
    osp_call *call = osp_new(&m->arena, osp_call, 64);
    uint32_t n = 0;
    for (osp_str rest = osp_str_from(root_to_leaf); rest.n;) {
        osp_str word = osp_str_cut(&rest, ' ');
        if (word.n)
            call[63 - n++] = made_up_call(word);
    }
    call += 64 - n;
    osp_thread_fact *t = NULL;
    for (uint32_t i = 0; i < m->facts.nthread; i++)
        if (m->thread[i].tid == tid)
            t = &m->thread[i];
    if (t)
        t->samples += samples;
    m->stack[m->facts.nstack++] = (osp_stack_fact){.call = call,
                                                   .ncall = n,
                                                   .tid = tid,
                                                   .goid = goid,
                                                   .samples = samples,
                                                   .in = osp_domain_of(call, n, false),
                                                   .complete = true};
    m->facts.samples += samples;
    for (uint32_t i = 0; i < m->facts.nstack; i++)
        m->stack[i].share = (double)m->stack[i].samples / (double)m->facts.samples;
}

static inline osp_thread_fact *made_up_thread(made_up *m, int tid, double demand, bool has_m)
{
    osp_thread_fact *t = &m->thread[m->facts.nthread++];
    *t = (osp_thread_fact){.tid = tid,
                           .name = "thread",
                           .demand = demand,
                           .running = demand,
                           .has_m = has_m,
                           .m_is_known = true,
                           .cgo_calls_per_s = has_m ? 0 : -1};
    return t;
}

static inline osp_findings made_up_diagnose(made_up *m)
{
    osp_findings out;
    osp_diagnose(&m->facts, &out);
    return out;
}

/* The bare id of the first finding at OSP_FOUND or above, "" if there is none. */
static inline const char *first_of(const osp_findings *f)
{
    return f->n && f->row[0].confidence >= OSP_FOUND ? f->row[0].verdict : "";
}

#endif
