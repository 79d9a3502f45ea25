/* SPDX-License-Identifier: Apache-2.0 */
/* The exact way: two uprobes, on runtime.gopark and runtime.execute, between which a goroutine waits. Each is a trap in
 * the program, a microsecond or, in a virtual machine, ten: so it is for who asks, and is told what it will cost.
 *
 * Never a uprobe on a return: it would put another return address on the goroutine's stack, which the runtime reads. */
#include "base/buf.h"
#include "base/clock.h"
#include "sample/sample_internal.h"

#include "../../bpf/park.h"
#include "park.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { TRIAL_CALLS = 200, TRIAL_MS = 200, REGISTERS_SINCE = 11700 };

struct osp_parks {
    struct park_bpf *skel;
    struct bpf_link *park, *execute;
    uint64_t gopark; /* run address */
};

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
    (void)level, (void)fmt, (void)ap;
    return 0;
}

/* ---- what it costs ------------------------------------------------------------------------------------------ */

/* The function that a trial puts a probe on. Like the runtime's it begins with an instruction that the kernel does not
 * emulate: it takes two traps. */
void osp_parks_trial(void);
#ifdef __x86_64__
__attribute__((naked)) void osp_parks_trial(void) { __asm__("lea -16(%rsp), %rax\n\tret"); }
#else
__attribute__((noinline)) void osp_parks_trial(void) { __asm__ volatile("" ::: "memory"); }
#endif

/* Where a run address of ours is in our own file; false if that is not to be found. */
static bool own_offset(uint64_t addr, osp_err *err, uint64_t *offset)
{
    osp_arena a;
    osp_map *map;
    uint32_t n;
    bool found = false;
    osp_process *self = osp_process_open(getpid(), err);
    osp_arena_init(&a, 16 << 20);
    if (self && osp_process_maps(self, &a, &map, &n, err))
        for (uint32_t i = 0; i < n && !found; i++)
            if (addr >= map[i].start && addr < map[i].end) {
                *offset = map[i].offset + (addr - map[i].start);
                found = true;
            }
    osp_arena_drop(&a);
    osp_process_close(self);
    return found;
}

static uint64_t calls_ns(void)
{
    uint64_t before = osp_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < TRIAL_CALLS; i++)
        osp_parks_trial();
    return osp_clock_ns(CLOCK_THREAD_CPUTIME_ID) - before;
}

/* CPU time of one hit on this machine, by a probe on a function of our own; 0 if it cannot be told. */
static uint64_t hit_ns(struct park_bpf *skel)
{
    uint64_t offset;
    osp_err ignored;
    if (!own_offset((uintptr_t)osp_parks_trial, &ignored, &offset))
        return 0;
    LIBBPF_OPTS(bpf_uprobe_opts, o);
    struct bpf_link *link =
        bpf_program__attach_uprobe_opts(skel->progs.on_execute, getpid(), "/proc/self/exe", offset, &o);
    if (!link)
        return 0;
    calls_ns();
    uint64_t ns = calls_ns() / TRIAL_CALLS;
    bpf_link__destroy(link);
    return ns;
}

/* How often a process's Ps let a goroutine run, by their own counters. */
static bool ticks(osp_go *go, uint64_t *out, osp_err *err)
{
    osp_arena a;
    osp_go_snapshot s;
    osp_arena_init(&a, 64 << 20);
    bool ok = osp_go_snapshot_read(go, &a, &s, err);
    *out = 0;
    for (uint32_t i = 0; ok && i < s.np; i++)
        *out += s.p[i].schedtick;
    osp_arena_drop(&a);
    return ok;
}

static double switches_hz(osp_go *go)
{
    uint64_t before, after, from = osp_monotonic_ns();
    osp_err ignored; /* 0: it is not known */
    if (!ticks(go, &before, &ignored))
        return 0;
    nanosleep(&(struct timespec){.tv_nsec = TRIAL_MS * 1000000L}, NULL);
    if (!ticks(go, &after, &ignored) || after < before)
        return 0;
    return (double)(after - before) * 1e9 / (double)(osp_monotonic_ns() - from);
}

/* ---- probes ------------------------------------------------------------------------------------------------- */

static bool fail_probe(int e, osp_err *err)
{
    if (e == EPERM || e == EACCES)
        return osp_fail(err, OSP_EPERM, "--exact needs uprobes: root, or CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN");
    return osp_fail_errno(err, e, "--exact: a uprobe was refused");
}

/* Put a program on a function of the runtime. */
static struct bpf_link *probe(const osp_subject *of, const char *name, struct bpf_program *program, uint64_t *addr,
                              osp_err *err)
{
    uint64_t bias;
    osp_symbol_value v;
    char path[96];
    osp_object *o = osp_go_object(of->go, &bias);
    if (!osp_object_symbol(o, osp_str_from(name), &v)) {
        osp_fail(err, OSP_EABSENT, "--exact: %s was not found", name);
        return NULL;
    }
    *addr = bias + v.value;
    const osp_space_map *m = osp_space_at(&of->space, *addr);
    if (!m) {
        osp_fail(err, OSP_EABSENT, "--exact: %s is not mapped", name);
        return NULL;
    }
    snprintf(path, sizeof path, "/proc/%d/map_files/%llx-%llx", of->pid, (unsigned long long)m->start,
             (unsigned long long)m->end);
    LIBBPF_OPTS(bpf_uprobe_opts, opts);
    struct bpf_link *link =
        bpf_program__attach_uprobe_opts(program, of->pid, path, m->offset + (*addr - m->start), &opts);
    if (!link)
        fail_probe(errno, err);
    return link;
}

osp_parks *osp_parks_open(const osp_subject *of, bool by_goroutine, const osp_sample_opts *opts,
                          osp_exact_stats *cost, osp_err *err)
{
    int64_t tls = 0;
    uint64_t ignored;
    osp_parks *p = calloc(1, sizeof *p);
    if (!p) {
        osp_fail_memory(err, "starting to sample");
        return NULL;
    }
    libbpf_set_print(quiet);
    p->skel = park_bpf__open();
    if (!p->skel) {
        fail_probe(errno, err);
        goto fail;
    }
    p->skel->rodata->g_goid = (uint32_t)osp_go_offsets(of->go)->g_goid;
    p->skel->rodata->by_goroutine = by_goroutine;
    p->skel->rodata->by_stack = osp_go_version_number(of->go) < REGISTERS_SINCE;
    if (p->skel->rodata->by_stack && !osp_go_tls_g(of->go, &tls, err))
        goto fail;
    p->skel->rodata->tls_g = tls;
    int e = park_bpf__load(p->skel);
    if (e != 0) {
        fail_probe(-e, err);
        goto fail;
    }
    *cost = (osp_exact_stats){.hit_ns = hit_ns(p->skel), .switches_hz = switches_hz(of->go)};
    if (opts->forecast)
        opts->forecast(opts->progress_ctx, cost);
    p->skel->bss->counts[OSP_PARK_HITS] = 0;
    /* Who goes on is heard of before who parks: no wait without an end. */
    p->execute = probe(of, "runtime.execute", p->skel->progs.on_execute, &ignored, err);
    p->park = p->execute ? probe(of, "runtime.gopark", p->skel->progs.on_park, &p->gopark, err) : NULL;
    if (p->park)
        return p;
fail:
    osp_parks_close(p);
    return NULL;
}

static void detach(osp_parks *p)
{
    if (p->park)
        bpf_link__destroy(p->park);
    if (p->execute)
        bpf_link__destroy(p->execute);
    p->park = p->execute = NULL;
}

void osp_parks_close(osp_parks *p)
{
    if (!p)
        return;
    detach(p);
    park_bpf__destroy(p->skel);
    free(p);
}

void osp_parks_before(osp_parks *p, uint64_t g, const osp_waiting *what, uint64_t since_ns)
{
    osp_parked at = {
        .park = {.goid = p->skel->rodata->by_goroutine ? what->goid : 0,
                 .stack = OSP_PARK_BEFORE | what->stack,
                 .waitreason = what->waitreason},
        .since_ns = since_ns,
    };
    /* One that has parked again since it was looked at is there already. */
    bpf_map_update_elem(bpf_map__fd(p->skel->maps.parked), &g, &at, BPF_NOEXIST);
}

/* ---- what was summed ---------------------------------------------------------------------------------------- */

/* The stack in pc; 0 for one that was parked before: its id is in *before. */
static size_t stack_of(osp_parks *p, const osp_park *park, uint64_t pc[OSP_PARK_DEPTH + 1], uint32_t *before)
{
    uint64_t ip[OSP_PARK_DEPTH] = {0};
    size_t n = 0;
    *before = park->stack & ~OSP_PARK_BEFORE;
    if (park->stack >= OSP_PARK_BEFORE)
        return 0;
    pc[n++] = p->gopark;
    if (park->caller)
        pc[n++] = park->caller - 1;
    if (park->stack != OSP_PARK_NO_STACK)
        bpf_map_lookup_elem(bpf_map__fd(p->skel->maps.stacks), &park->stack, ip);
    for (size_t i = 1; i < OSP_PARK_DEPTH && ip[i]; i++)
        pc[n++] = ip[i] - 1;
    return n;
}

static void give(osp_parks *p, const osp_park *park, uint64_t ns, osp_each_park *each, void *ctx)
{
    uint64_t pc[OSP_PARK_DEPTH + 1];
    osp_exact_wait w = {.goid = park->goid, .pc = pc, .ns = ns, .waitreason = (uint8_t)park->waitreason};
    w.npc = stack_of(p, park, pc, &w.stack);
    each(ctx, &w);
}

void osp_parks_finish(osp_parks *p, uint64_t until_ns, osp_each_park *each, void *ctx, osp_exact_stats *cost)
{
    osp_park park;
    osp_park_sum sum;
    osp_parked at;
    uint64_t g;
    int sums = bpf_map__fd(p->skel->maps.sums), parked = bpf_map__fd(p->skel->maps.parked);
    detach(p);
    for (void *last = NULL; bpf_map_get_next_key(sums, last, &park) == 0; last = &park)
        if (bpf_map_lookup_elem(sums, &park, &sum) == 0) {
            give(p, &park, sum.ns, each, ctx);
            cost->waits += sum.n;
        }
    for (void *last = NULL; bpf_map_get_next_key(parked, last, &g) == 0; last = &g)
        if (bpf_map_lookup_elem(parked, &g, &at) == 0 && at.since_ns < until_ns)
            give(p, &at.park, until_ns - at.since_ns, each, ctx);
    cost->hits = p->skel->bss->counts[OSP_PARK_HITS];
    cost->lost = p->skel->bss->counts[OSP_PARK_LOST];
}
