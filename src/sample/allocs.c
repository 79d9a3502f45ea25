/* SPDX-License-Identifier: Apache-2.0 */
/* Who allocates, by probes in the program: a trap each, a microsecond or some. So they are there in windows only, of a fifth of a
 * second at most, which end early once they were hit so often that they would be felt.
 *
 * The allocator of C is that which the program calls: its own, if malloc is linked into it; else a library's that stands in for
 * the C library's (jemalloc, tcmalloc …); else that one. Of Go it is two functions that are called once for many small objects or
 * for each large one, and in every release. */
#include "base/clock.h"
#include "sample/sample_internal.h"

#include "../../bpf/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    MOST_PROBES = 24,
    WINDOW_MS = 200,
    STEP_MS = 4,
    PAUSE_MS = 800,
    HITS = 20000, /* in a window: some 50 ms of the program's time */
    REGISTERS_SINCE = 11700,
};

struct osp_allocs {
    osp_alloc_probe probe[MOST_PROBES];
    size_t n;
    uint64_t next_ns; /* CLOCK_MONOTONIC: when the next window is due */
    osp_alloc_stats stats;
    bool failed; /* the kernel refused: no further window */
};

/* Add a function of an object that is mapped, unless another name of it is there. False if the object does not have it. */
static bool add(osp_allocs *a, const osp_subject *of, osp_object *o, uint64_t bias, const char *name, uint32_t how,
                uint32_t event)
{
    osp_symbol_value v;
    if (a->n == MOST_PROBES || !osp_object_symbol(o, osp_str_from(name), &v) || !v.value)
        return false;
    const osp_space_map *m = osp_space_at(&of->space, bias + v.value);
    if (!m)
        return false;
    osp_alloc_probe *p = &a->probe[a->n];
    *p = (osp_alloc_probe){
        .offset = m->offset + (bias + v.value - m->start), .how = how, .event = event, .pid = of->pid};
    snprintf(p->path, sizeof p->path, "/proc/%d/map_files/%llx-%llx", of->pid, (unsigned long long)m->start,
             (unsigned long long)m->end);
    for (size_t i = 0; i < a->n; i++)
        if (a->probe[i].offset == p->offset && strcmp(a->probe[i].path, p->path) == 0)
            return true;
    a->n++;
    return true;
}

/* How malloc of this object ranks: the program's own, a library's that stands in for the C library's, that one; 0 = no. */
static int rank(const osp_subject *of, const osp_space_map *m)
{
    osp_symbol_value v;
    const osp_str name = osp_str_base(m->path);
    if (!m->object || osp_str_starts(name, S("ld-")) || osp_str_starts(name, S("ld.so")) ||
        !osp_object_symbol(m->object, S("malloc"), &v) || !v.value || !osp_object_symbol(m->object, S("free"), &v) ||
        !v.value)
        return 0;
    if (osp_str_eq(m->path, of->info.exe))
        return 3;
    return osp_str_starts(name, S("libc.so")) || osp_str_starts(name, S("libc-")) ||
                   osp_str_starts(name, S("libc.musl"))
               ? 1
               : 2;
}

static bool find_malloc(osp_allocs *a, const osp_subject *of, uint32_t event, osp_err *err)
{
    static const struct {
        const char *name;
        uint32_t how;
    } kin[] = {{"malloc", OSP_ALLOC_MALLOC},    {"calloc", OSP_ALLOC_CALLOC},
               {"realloc", OSP_ALLOC_REALLOC},  {"aligned_alloc", OSP_ALLOC_ALIGNED},
               {"memalign", OSP_ALLOC_ALIGNED}, {"posix_memalign", OSP_ALLOC_POSIX},
               {"free", OSP_ALLOC_FREE}};
    /* Of an allocator that has them itself, where they do not call malloc. */
    static const struct {
        const char *name;
        uint32_t how;
    } cxx[] = {{"_Znwm", OSP_ALLOC_MALLOC}, {"_Znam", OSP_ALLOC_MALLOC}, {"_ZdlPv", OSP_ALLOC_FREE},
               {"_ZdaPv", OSP_ALLOC_FREE},  {"_ZdlPvm", OSP_ALLOC_FREE}, {"_ZdaPvm", OSP_ALLOC_FREE}};
    const osp_space_map *best = NULL;
    int top = 0;
    for (uint32_t i = 0; i < of->space.n; i++) {
        const int r = rank(of, &of->space.map[i]);
        if (r > top) {
            top = r;
            best = &of->space.map[i];
        }
    }
    if (!best)
        return osp_fail(
            err, OSP_EABSENT,
            "malloc: process %d has no malloc that can be found: no C library, or it is linked in without a symbol",
            of->pid);
    for (size_t i = 0; i < sizeof kin / sizeof *kin; i++)
        add(a, of, best->object, best->bias, kin[i].name, kin[i].how, event);
    for (size_t i = 0; top == 2 && i < sizeof cxx / sizeof *cxx; i++)
        add(a, of, best->object, best->bias, cxx[i].name, cxx[i].how, event);
    return true;
}

static bool find_go(osp_allocs *a, const osp_subject *of, uint32_t event, osp_err *err)
{
    uint64_t bias;
    if (!of->go)
        return osp_fail(err, OSP_EABSENT, "go-allocs: process %d runs no Go that can be read", of->pid);
    osp_object *o = osp_go_object(of->go, &bias);
    const uint32_t by_stack = osp_go_version_number(of->go) < REGISTERS_SINCE ? OSP_ALLOC_BY_STACK : 0;
    if (!add(a, of, o, bias, "runtime.(*mcache).refill", OSP_ALLOC_SPAN | by_stack, event))
        return osp_fail(err, OSP_EABSENT, "go-allocs: the allocator of %.*s was not found",
                        STRF(osp_go_version(of->go)));
    if (!add(a, of, o, bias, "runtime.(*mcache).allocLarge", OSP_ALLOC_LARGE | by_stack, event))
        add(a, of, o, bias, "runtime.(*mcache).largeAlloc", OSP_ALLOC_LARGE | by_stack, event); /* 1.15 */
    return true;
}

osp_allocs *osp_allocs_open(const osp_event_list *events, const osp_subject *of, osp_err *err)
{
    osp_allocs *a = NULL;
    bool ok = true;
    err->code = OSP_OK;
    for (uint32_t i = 0; i < events->n && ok; i++) {
        if (events->kind[i]->source != OSP_BY_ALLOCS)
            continue;
        if (!of)
            ok = osp_fail(err, OSP_EUSAGE, "%s is measured of one process, given by its pid", events->kind[i]->name);
        else if (!a && !(a = calloc(1, sizeof *a)))
            ok = osp_fail_memory(err, "starting to sample");
        else
            ok = events->kind[i]->ncolumn > 2 ? find_malloc(a, of, i, err) : find_go(a, of, i, err);
    }
    if (ok)
        return a;
    osp_allocs_close(a);
    return NULL;
}

void osp_allocs_close(osp_allocs *a) { free(a); }

const osp_alloc_stats *osp_allocs_stats(const osp_allocs *a) { return &a->stats; }

void osp_allocs_run(osp_allocs *a, osp_bpf_side *b, void (*drain)(void *ctx), void *ctx)
{
    osp_err err;
    uint64_t from = osp_monotonic_ns(), now = from;
    if (a->failed || now < a->next_ns)
        return;
    a->failed = !osp_bpf_side_probe(b, a->probe, a->n, HITS, &err);
    from = osp_monotonic_ns();
    const uint64_t end = from + WINDOW_MS * 1000000ull;
    while (!a->failed && (now = osp_monotonic_ns()) < end && osp_bpf_side_hits(b) < HITS) {
        nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
        drain(ctx);
    }
    osp_bpf_side_unprobe(b);
    drain(ctx);
    const uint64_t hits = osp_bpf_side_hits(b);
    a->stats.windows++;
    a->stats.windows_ns += now - from;
    a->stats.hits += hits < HITS ? hits : HITS;
    a->stats.full |= hits >= HITS;
    a->next_ns = osp_monotonic_ns() + PAUSE_MS * 1000000ull;
}
