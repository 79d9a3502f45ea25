/* SPDX-License-Identifier: Apache-2.0 */
/* The line of GODEBUG=gctrace=1, as each release prints it (runtime.gcMarkTermination in mgc.go): stacks and globals came
 * with Go 1.18. */
#include "goruntime/goruntime_internal.h"

#include <inttypes.h>

/* fmtNSAsMS: whole milliseconds from 10 on, else two digits, and at most three behind the point. */
static void add_ms(osp_buf *out, uint64_t ns)
{
    uint64_t us = ns / 1000;
    if (ns >= 10000000)
        osp_buf_fmt(out, "%" PRIu64, ns / 1000000);
    else if (us == 0)
        osp_buf_add(out, S("0"));
    else if (us < 100)
        osp_buf_fmt(out, "%" PRIu64 ".%03" PRIu64, us / 1000, us % 1000);
    else if (us < 1000)
        osp_buf_fmt(out, "0.%02" PRIu64, us / 10);
    else
        osp_buf_fmt(out, "%" PRIu64 ".%" PRIu64, us / 1000, us / 100 % 10);
}

static void add_times(osp_buf *out, const uint64_t *ns, size_t n, const char *between)
{
    for (size_t i = 0; i < n; i++) {
        if (i)
            osp_buf_byte(out, (uint8_t)between[i - 1]);
        add_ms(out, ns[i]);
    }
}

static uint64_t since(uint64_t from, uint64_t to) { return to > from ? to - from : 0; }

void osp_go_gc_text(const osp_go_gc *s, osp_buf *out)
{
    const osp_gc_cycle *c = &s->cycle;
    const uint64_t at_ms = since(s->init_ns, c->sweep_term_ns) / 1000000;
    const uint64_t clock[] = {since(c->sweep_term_ns, c->mark_ns), since(c->mark_ns, c->mark_term_ns),
                              since(c->mark_term_ns, c->end_ns)};
    const uint64_t procs = c->stopped_procs > 0 ? (uint64_t)c->stopped_procs : 0;
    const uint64_t cpu[] = {procs * clock[0], c->assist_ns, c->worker_ns, c->idle_ns, procs * clock[2]};
    osp_buf_fmt(out, "gc %" PRIu32 " @", c->number);
    if (s->init_ns)
        osp_buf_fmt(out, "%" PRIu64 ".%03" PRIu64, at_ms / 1000, at_ms % 1000);
    else
        osp_buf_byte(out, '?'); /* when the program began is not known */
    osp_buf_fmt(out, "s %d%%: ", (int)(c->cpu_fraction * 100));
    add_times(out, clock, 3, "++");
    osp_buf_add(out, S(" ms clock, "));
    add_times(out, cpu, 5, "+//+");
    osp_buf_fmt(out, " ms cpu, %" PRIu64 "->%" PRIu64 "->%" PRIu64 " MB, %" PRIu64 " MB goal, ", c->heap0_bytes >> 20,
                c->heap1_bytes >> 20, c->heap2_bytes >> 20, c->goal_bytes >> 20);
    if (s->version >= 11800)
        osp_buf_fmt(out, "%" PRIu64 " MB stacks, %" PRIu64 " MB globals, ", c->stacks_bytes >> 20,
                    c->globals_bytes >> 20);
    osp_buf_fmt(out, "%d P%s\n", c->procs, c->forced ? " (forced)" : "");
}
