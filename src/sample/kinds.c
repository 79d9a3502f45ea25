/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of events that can be asked for. */
#include "sample/sample_internal.h"

#include <linux/perf_event.h>

#include "base/buf.h"
#include "base/guess.h"

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
    .help = "system calls, with their time, bytes and errno; syscalls:read,write = only these",
    .column = {{"syscalls", "count", OSP_FROM_COUNT},
               {"syscall-time", "nanoseconds", OSP_FROM_VALUE0},
               {"syscall-bytes", "bytes", OSP_FROM_VALUE1}},
    .ncolumn = 3,
    .source = OSP_BY_CALLS,
    .needs_bpf = true,
};

static const osp_event_kind wakeups = {
    .name = "wakeups",
    .help = "each time that a thread is woken: by whom, and why",
    .column = {{"wakeups", "count", OSP_FROM_COUNT}},
    .ncolumn = 1,
    .source = OSP_BY_WAKES,
    .needs_bpf = true,
};

static const osp_event_kind page_faults = {
    .name = "page-faults",
    .help = "page faults",
    .column = {{"page-faults", "count", OSP_FROM_VALUE0}},
    .ncolumn = 1,
    .perf_type = PERF_TYPE_SOFTWARE,
    .perf_config = PERF_COUNT_SW_PAGE_FAULTS_MIN,
    .other_config = PERF_COUNT_SW_PAGE_FAULTS_MAJ,
    .state = {"minor", "major"},
    .each = true,
    .needs_bpf = true,
};

static const osp_event_kind malloc_kind = {
    .name = "malloc",
    .help = "calls of malloc and its kin, and what of it is not freed: probes in the program, for 0.2 s each second",
    .column = {{"malloc", "count", OSP_FROM_COUNT},
               {"malloc-bytes", "bytes", OSP_FROM_VALUE0},
               {"unfreed", "count", OSP_FROM_VALUE2},
               {"unfreed-bytes", "bytes", OSP_FROM_VALUE1}},
    .ncolumn = 4,
    .main = 3,
    .source = OSP_BY_ALLOCS,
    .needs_bpf = true,
};

static const osp_event_kind go_allocs = {
    .name = "go-allocs",
    .help =
        "who allocates Go memory: one of many allocations, by bytes; probes in the program, for 0.2 s each second",
    .column = {{"go-allocs", "count", OSP_FROM_COUNT}, {"go-alloc-bytes", "bytes", OSP_FROM_VALUE0}},
    .ncolumn = 2,
    .main = 1,
    .source = OSP_BY_ALLOCS,
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
    &cpu,         &off_cpu,   &wall,   &wait_kind,    &context_switches, &syscalls,      &wakeups, &page_faults,
    &malloc_kind, &go_allocs, &cycles, &instructions, &cache_misses,     &branch_misses, NULL,
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
    osp_guess meant = {.typed = name};
    for (const osp_event_kind *const *k = osp_event_kinds; *k; k++) {
        osp_buf_fmt(&known, "%s%s", k == osp_event_kinds ? "" : ", ", (*k)->name);
        osp_guess_consider(&meant, (*k)->name);
    }
    const char *near = osp_guess_taken(&meant);
    if (near)
        osp_fail(err, OSP_EUSAGE, "no event is called `%.*s`; did you mean `%s`?", STRF(osp_str_head(name, 40)),
                 near);
    else
        osp_fail(err, OSP_EUSAGE, "no event is called `%.*s`; there are %.*s, and tracepoints SYSTEM:NAME",
                 STRF(osp_str_head(name, 40)), STRF(osp_buf_str(&known)));
    osp_buf_drop(&known);
    return false;
}

static bool fail_unknown_call(osp_str name, osp_err *err)
{
    osp_guess meant = {.typed = name};
    for (uint32_t nr = 0; nr < OSP_CALL_WORDS * 64; nr++)
        if (osp_syscall_name(nr))
            osp_guess_consider(&meant, osp_syscall_name(nr));
    const char *near = osp_guess_taken(&meant);
    return near ? osp_fail(err, OSP_EUSAGE, "no system call is called `%.*s`; did you mean `%s`?",
                           STRF(osp_str_head(name, 40)), near)
                : osp_fail(err, OSP_EUSAGE, "no system call is called `%.*s`", STRF(osp_str_head(name, 40)));
}

static bool add_call(osp_event_list *l, osp_str name, osp_err *err)
{
    int nr = osp_syscall_number(name);
    if (nr < 0 || nr >= OSP_CALL_WORDS * 64)
        return fail_unknown_call(name, err);
    l->some_calls = true;
    l->call[nr / 64] |= (uint64_t)1 << nr % 64;
    return true;
}

static bool add_kind(osp_event_list *l, const osp_event_kind *kind, osp_err *err)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (strcmp(l->kind[i]->name, kind->name) == 0)
            return true;
    if (l->n == OSP_MAX_EVENTS)
        return osp_fail(err, OSP_EUSAGE, "more than %d events at once", OSP_MAX_EVENTS);
    l->kind[l->n++] = kind;
    return true;
}

static bool add_point(osp_event_list *l, osp_str whole, osp_arena *a, osp_err *err)
{
    osp_str name = whole, system = osp_str_cut(&name, ':'), copy;
    if (!osp_tracepoint_check(system, name, err))
        return false;
    osp_event_kind *kind = osp_new(a, osp_event_kind, 1);
    copy = osp_arena_str(a, whole);
    if (!kind || !copy.p)
        return osp_fail_memory(err, "reading the list of events");
    *kind = (osp_event_kind){
        .name = copy.p,
        .help = "a tracepoint of the kernel",
        .column = {{copy.p, "count", OSP_FROM_COUNT}},
        .ncolumn = 1,
        .source = OSP_BY_POINT,
        .needs_bpf = true,
    };
    return add_kind(l, kind, err);
}

bool osp_event_list_parse(osp_str text, osp_arena *a, osp_event_list *out, osp_err *err)
{
    bool calls = false, ok = true; /* calls: names of more of them may follow */
    *out = (osp_event_list){0};
    while (text.n && ok) {
        osp_str name = osp_str_trim(osp_str_cut(&text, ',')), tail = osp_str_skip(name, strlen("syscalls:"));
        const osp_event_kind *kind = kind_named(name);
        bool has_colon = osp_str_has(name, S(":"));
        if (kind) {
            ok = add_kind(out, kind, err);
            calls = false;
        } else if (osp_str_starts(name, S("syscalls:")) && !osp_str_starts(tail, S("sys_"))) {
            ok = add_kind(out, &syscalls, err) && add_call(out, tail, err);
            calls = true;
        } else if (has_colon) {
            bool said = osp_str_starts(name, S("tracepoint:"));
            ok = add_point(out, said ? osp_str_skip(name, strlen("tracepoint:")) : name, a, err);
            calls = false;
        } else {
            ok = calls ? add_call(out, name, err) : fail_unknown(name, err);
        }
    }
    return ok && (out->n > 0 || fail_unknown(text, err));
}

bool osp_event_list_calls(osp_str names, osp_event_list *out, osp_err *err)
{
    *out = (osp_event_list){.kind = {&syscalls, &wakeups}, .n = 2};
    bool ok = true;
    while (ok && names.n)
        ok = add_call(out, osp_str_trim(osp_str_cut(&names, ',')), err);
    return ok;
}

uint32_t osp_looks_event(const osp_event_list *l)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (l->kind[i]->source == OSP_BY_LOOKS)
            return i;
    return UINT32_MAX;
}

bool osp_only_looks(const osp_event_list *l) { return l->n == 1 && osp_looks_event(l) == 0; }
