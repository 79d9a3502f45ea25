/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of events that can be asked for. */
#include "sample/sample.h"

#include <linux/perf_event.h>

#include "base/buf.h"

static const osp_event_kind cpu = {
    .name = "cpu",
    .help = "CPU time",
    .column = {{"samples", "count", OSP_FROM_COUNT}, {"cpu", "nanoseconds", OSP_FROM_VALUE0}},
    .ncolumn = 2,
    .main = 1,
    .perf_type = PERF_TYPE_SOFTWARE,
    .perf_config = PERF_COUNT_SW_CPU_CLOCK,
};

static const osp_event_kind off_cpu = {
    .name = "off-cpu",
    .help = "time off the CPU, blocked and runnable, with the reason",
    .column = {{"off-cpu", "count", OSP_FROM_COUNT},
               {"blocked", "nanoseconds", OSP_FROM_VALUE1},
               {"runnable", "nanoseconds", OSP_FROM_VALUE2}},
    .ncolumn = 3,
    .main = 1,
    .source = OSP_BY_OFF_CPU,
    .waits = true,
    .needs_bpf = true,
};

static const osp_event_kind wall = {
    .name = "wall",
    .help = "the whole life of threads: running, runnable and blocked",
    .column = {{"wall", "nanoseconds", OSP_FROM_SUM},
               {"running", "nanoseconds", OSP_FROM_VALUE0},
               {"wall-runnable", "nanoseconds", OSP_FROM_VALUE2},
               {"wall-blocked", "nanoseconds", OSP_FROM_VALUE1}},
    .ncolumn = 4,
    .source = OSP_BY_WALL,
    .perf_type = PERF_TYPE_SOFTWARE,
    .perf_config = PERF_COUNT_SW_CPU_CLOCK,
    .waits = true,
    .needs_bpf = true,
};

static const osp_event_kind context_switches = {
    .name = "context-switches",
    .help = "each time that a thread leaves its CPU, with the reason",
    .column = {{"context-switches", "count", OSP_FROM_COUNT}},
    .ncolumn = 1,
    .source = OSP_BY_SWITCHES,
    .waits = true,
    .needs_bpf = true,
};

static const osp_event_kind syscalls = {
    .name = "syscalls",
    .help = "system calls, with their time and errno",
    .column = {{"syscalls", "count", OSP_FROM_COUNT}, {"syscall-time", "nanoseconds", OSP_FROM_VALUE0}},
    .ncolumn = 2,
    .source = OSP_BY_CALLS,
    .needs_bpf = true,
};

static const osp_event_kind page_faults = {
    .name = "page-faults",
    .help = "page faults",
    .column = {{"page-faults", "count", OSP_FROM_VALUE0}},
    .ncolumn = 1,
    .perf_type = PERF_TYPE_SOFTWARE,
    .perf_config = PERF_COUNT_SW_PAGE_FAULTS,
    .each = true,
    .needs_bpf = true,
};

static const osp_event_kind wait_kind = {
    .name = "wait",
    .help = "where goroutines wait, and on what",
    .column = {{"wait", "nanoseconds", OSP_FROM_VALUE0}},
    .ncolumn = 1,
    .source = OSP_BY_LOOKS,
};

#define HARDWARE(id, word, text, what)                \
    static const osp_event_kind id = {                \
        .name = word,                                 \
        .help = text,                                 \
        .column = {{word, "count", OSP_FROM_VALUE0}}, \
        .ncolumn = 1,                                 \
        .perf_type = PERF_TYPE_HARDWARE,              \
        .perf_config = what,                          \
        .needs_bpf = true,                            \
    }

HARDWARE(cycles, "cycles", "CPU cycles", PERF_COUNT_HW_CPU_CYCLES);
HARDWARE(instructions, "instructions", "instructions", PERF_COUNT_HW_INSTRUCTIONS);
HARDWARE(cache_misses, "cache-misses", "cache misses", PERF_COUNT_HW_CACHE_MISSES);
HARDWARE(branch_misses, "branch-misses", "mispredicted branches", PERF_COUNT_HW_BRANCH_MISSES);

const osp_event_kind *const osp_event_kinds[] = {
    &cpu,         &off_cpu, &wall,         &wait_kind,    &context_switches, &syscalls,
    &page_faults, &cycles,  &instructions, &cache_misses, &branch_misses,    NULL,
};

static const osp_event_kind *kind_named(osp_str name)
{
    for (const osp_event_kind *const *k = osp_event_kinds; *k; k++)
        if (osp_str_eq(name, osp_str_from((*k)->name)))
            return *k;
    return NULL;
}

static bool fail_unknown(osp_str name, osp_err *err)
{
    osp_buf known = osp_buf_of(4096);
    for (const osp_event_kind *const *k = osp_event_kinds; *k; k++)
        osp_buf_fmt(&known, "%s%s", k == osp_event_kinds ? "" : ", ", (*k)->name);
    osp_fail(err, OSP_EUSAGE, "no event is called `%.*s`; there are %.*s", STRF(osp_str_head(name, 40)),
             STRF(osp_buf_str(&known)));
    osp_buf_drop(&known);
    return false;
}

bool osp_event_list_parse(osp_str text, osp_event_list *out, osp_err *err)
{
    *out = (osp_event_list){0};
    while (text.n) {
        osp_str name = osp_str_trim(osp_str_cut(&text, ','));
        const osp_event_kind *kind = kind_named(name);
        if (!kind)
            return fail_unknown(name, err);
        bool given = false;
        for (uint32_t i = 0; i < out->n; i++)
            given |= out->kind[i] == kind;
        if (!given && out->n < OSP_MAX_EVENTS)
            out->kind[out->n++] = kind;
    }
    return out->n > 0 || fail_unknown(text, err);
}
