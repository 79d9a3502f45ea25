/* SPDX-License-Identifier: Apache-2.0 */
/* The BPF side from user space: load, hand over tables, drain the ring.
 *
 * Tables of unwind rows are inner maps, filled by mapping them: one a file, or one of many small files, for the kernel
 * waits some 10 ms (until no program can run that saw none) each time that one is added. Files keep their rows for the whole
 * recording, so a refresh of the mappings sends only what is new. The lists of mappings of all processes share one array: a new
 * list is written beside the one in use, then the process's entry is switched to it in one update. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "sample/sample_internal.h"

#include "sample.skel.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* PROC_PID_INIT_INO, linux/include/linux/proc_ns.h: the inode of /proc/self/ns/pid outside all containers. */
static const uint64_t FIRST_PID_NAMESPACE = 0xEFFFFFFC;

/* The rows of a file. */
struct table {
    const osp_row *row; /* identity: rows live as long as their object */
    uint32_t map, first;
};

/* The place of one process's mappings. */
struct range {
    int pid;
    uint32_t first, n;
};

enum { PROBES = 24 };

struct osp_bpf_side {
    struct sample_bpf *skel;
    osp_bpf_ring *ring;
    struct bpf_link *on_fork, *on_exec;
    int stats_fd;
    struct table *table;
    size_t ntable, cap;
    uint32_t nmap;        /* inner maps */
    uint32_t shared;      /* the one that small files share, of SHARED_ROWS */
    uint32_t shared_used; /* of them */
    int shared_fd;
    struct range *range; /* the parts of the mappings array in use, by place */
    size_t nrange, range_cap;
    uint32_t generation; /* of the mappings handed over last */
    osp_stack_words *stacks;
    const osp_bpf_sink *sink; /* while draining */
    osp_buf aside;            /* records to be unwound here, one after the other */
    osp_buf waiting;          /* headers of samples whose stack may be among them */
    osp_buf visited;          /* what the iterator over all tasks wrote last */
    const osp_event_list *events;
    struct bpf_link *link[8 + OSP_MAX_EVENTS]; /* to the scheduler's events and the like, and the iterator */
    size_t nlink;
    struct bpf_link *iterator; /* one of them, or NULL */
    struct bpf_link *probe[2 * PROBES];
    size_t nprobe;
    bool by_scheduler, by_calls; /* their events are asked for */
    bool wakers;                 /* and who wakes whom */
    uint64_t no_room;            /* records that did not fit there, samples whose stack is unknown */
    uint64_t word[OSP_MAX_KERNEL + OSP_MAX_USER];
};

enum {
    ASIDE_LIMIT = 32 << 20,
    WAITING_LIMIT = 8 << 20,
    VISITED_LIMIT = 64 << 20,
    MOST_THREADS = 32768,        /* that the scheduler's events are followed for */
    MOST_TALLIES = 128,          /* of each CPU: calls, by how they end */
    MOST_USED = 4096,            /* of each CPU: descriptors, by call and how it ends */
    RING_OF_SCHEDULER = 4 << 20, /* bytes */
    SHARED_ROWS = 1 << 17,       /* 1 MiB: the C library and a dozen more */
};

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
    (void)level, (void)fmt, (void)ap;
    return 0;
}

/* A sample, whose words are known or will be. */
static void give(osp_bpf_side *b, osp_raw_sample *head)
{
    const uint64_t *word = osp_stack_words_find(b->stacks, head);
    if (head->event == OSP_NO_EVENT)
        return;
    if (word || !head->stack_hash) {
        b->sink->sample(b->sink->ctx, head, word);
    } else if (b->aside.n) {
        osp_buf_add(&b->waiting, (osp_str){(const char *)head, sizeof *head});
        b->no_room += b->waiting.failed;
    } else {
        b->no_room++;
    }
}

/* A record with the stack's words, or with its hash alone. */
static void take_stack(osp_bpf_side *b, osp_raw_sample *head, const uint64_t *word, bool walked_here)
{
    if ((head->nwords || walked_here) && !osp_stack_words_put(b->stacks, head, word, walked_here)) {
        b->no_room++;
        return;
    }
    give(b, head);
}

static void on_record(void *ctx, const void *data, size_t size)
{
    osp_bpf_side *b = ctx;
    osp_raw_sample head;
    if (size < sizeof head)
        return;
    memcpy(&head, data, sizeof head);
    if (head.nwords > (size - sizeof head) / 8)
        return;
    const uint64_t *word = (const uint64_t *)(const void *)((const char *)data + sizeof head);
    if (head.unwind)
        b->sink->aside(b->sink->ctx, &head);
    if (head.unwind && head.nwords) {
        osp_buf_add(&b->aside, (osp_str){data, sizeof head + (size_t)head.nwords * 8});
        b->no_room += b->aside.failed;
    } else {
        take_stack(b, &head, word, false);
    }
}

/* What this kernel or user lacks, looked for only once loading has failed. */
static bool fail_bpf(int e, const char *what, osp_err *err)
{
    osp_host host;
    osp_host_read(&host);
    bool may = (host.cap_bpf && host.cap_perfmon) || host.cap_sys_admin;
    if (!may)
        return osp_fail(err, OSP_EPERM, "BPF was refused: needs CAP_BPF and CAP_PERFMON (root has them)");
    if (!host.bpf_works)
        return osp_fail(err, OSP_EPERM, "BPF was refused: lockdown, or a container's seccomp filter");
    if (host.locked_down)
        return osp_fail(err, OSP_EABSENT, "the kernel is locked down for confidentiality");
    if (!host.has_btf)
        return osp_fail(err, OSP_EABSENT, "the kernel has no BTF (CONFIG_DEBUG_INFO_BTF)");
    if (!host.has_bpf_loop)
        return osp_fail(err, OSP_EABSENT, "BPF needs Linux 5.17 or newer, this is %.40s", host.release);
    if (!host.bpf_jit)
        return osp_fail(err, OSP_EABSENT, "BPF is only interpreted: sudo sysctl net.core.bpf_jit_enable=1");
    return osp_fail(err, OSP_EABSENT, "%s: %s", what, strerrordesc_np(e));
}

/* ---- tables of rows ------------------------------------------------------------------------------------------ */

/* A new inner map with room for n rows; -1 on failure. */
static int make_map(osp_bpf_side *b, uint32_t n, osp_err *err)
{
    LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP | BPF_F_MMAPABLE);
    uint32_t key = b->nmap;
    if (key >= OSP_MAX_TABLES) {
        osp_fail(err, OSP_ELIMIT, "more than %d unwind tables", OSP_MAX_TABLES);
        return -1;
    }
    int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "osp_rows", sizeof key, sizeof(osp_row), n, &opts);
    if (fd < 0 || bpf_map_update_elem(bpf_map__fd(b->skel->maps.tables), &key, &fd, BPF_ANY) != 0) {
        osp_fail_errno(err, errno, "loading unwind rows");
        osp_close_fd(&fd);
        return -1;
    }
    b->nmap++;
    return fd;
}

static bool write_rows(int fd, uint32_t first, const osp_row *row, uint32_t n, osp_err *err)
{
    size_t bytes = ((size_t)first + n) * sizeof *row;
    osp_row *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return osp_fail_errno(err, errno, "loading unwind rows");
    memcpy(p + first, row, (size_t)n * sizeof *row);
    munmap(p, bytes);
    return true;
}

/* A shared table that has room for n rows. */
static bool make_shared(osp_bpf_side *b, uint32_t n, osp_err *err)
{
    if (b->shared_fd >= 0 && SHARED_ROWS - b->shared_used >= n)
        return true;
    int fd = make_map(b, SHARED_ROWS, err);
    if (fd < 0)
        return false;
    osp_close_fd(&b->shared_fd);
    b->shared_fd = fd;
    b->shared = b->nmap - 1;
    b->shared_used = 0;
    return true;
}

/* Put the rows into a table: a large file's into one of its own. */
static bool make_table(osp_bpf_side *b, struct table *t, uint32_t n, osp_err *err)
{
    if (n <= SHARED_ROWS / 2) {
        if (!make_shared(b, n, err))
            return false;
        t->map = b->shared;
        t->first = b->shared_used;
        b->shared_used += n;
        return write_rows(b->shared_fd, t->first, t->row, n, err);
    }
    OSP_AUTO_CLOSE int fd = make_map(b, n, err);
    t->map = b->nmap - 1;
    return fd >= 0 && write_rows(fd, 0, t->row, n, err);
}

/* Where the mapping's rows are; they are handed over if they are new. OSP_NO_TABLE if there are none. */
static bool table_of(osp_bpf_side *b, const osp_space_map *m, osp_bpf_mapping *out, osp_err *err)
{
    out->table = OSP_NO_TABLE;
    if (m->nrow == 0)
        return true;
    size_t i = 0;
    while (i < b->ntable && b->table[i].row != m->row)
        i++;
    if (i == b->ntable) {
        void *array = b->table;
        if (!osp_grow(&array, &b->cap, b->ntable + 1, sizeof *b->table))
            return osp_fail_memory(err, "loading unwind rows");
        b->table = array;
        b->table[i] = (struct table){.row = m->row};
        if (!make_table(b, &b->table[i], m->nrow, err))
            return false;
        b->ntable++;
    }
    out->table = b->table[i].map;
    out->first = b->table[i].first;
    return true;
}

/* ---- which programs ------------------------------------------------------------------------------------------ */

static uint16_t event_of(const osp_event_list *l, osp_event_source source)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (l->kind[i]->source == source)
            return (uint16_t)i;
    return OSP_NO_EVENT;
}

/* Does sched_switch say the state of who leaves? */
static bool switch_says_state(void)
{
    struct btf *btf = btf__load_vmlinux_btf();
    int id = btf ? btf__find_by_name_kind(btf, "btf_trace_sched_switch", BTF_KIND_TYPEDEF) : -1;
    const struct btf_type *t = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
    t = t ? btf__type_by_id(btf, t->type) : NULL; /* a pointer */
    t = t ? btf__type_by_id(btf, t->type) : NULL; /* to a function: its data, preempt, prev, next, prev_state */
    bool says = t && btf_is_func_proto(t) && btf_vlen(t) >= 5;
    btf__free(btf);
    return says;
}

static bool has_point(const osp_event_list *l) { return event_of(l, OSP_BY_POINT) != OSP_NO_EVENT; }

/* Before the load: which system calls. */
static void choose_calls(struct sample_bpf *k, const osp_event_list *events)
{
    _Static_assert(sizeof events->call == sizeof k->rodata->asked_calls, "a bit a call, on both sides");
    int futex = osp_syscall_number(S("futex"));
    k->rodata->call_event = event_of(events, OSP_BY_CALLS);
    k->rodata->futex_nr = futex < 0 ? UINT32_MAX : (uint32_t)futex;
    for (size_t i = 0; i < OSP_CALL_WORDS; i++)
        *((uint64_t *)(uintptr_t)k->rodata->asked_calls + i) = events->some_calls ? events->call[i] : UINT64_MAX;
    bpf_map__set_max_entries(k->maps.calls, MOST_THREADS);
    if (events->descriptors) {
        osp_descriptor_calls((uint64_t *)(uintptr_t)k->rodata->descriptor_calls);
        bpf_map__set_max_entries(k->maps.used, MOST_USED);
    }
    bpf_map__set_max_entries(k->maps.tallies, MOST_TALLIES);
    bpf_map__set_max_entries(k->maps.ring, RING_OF_SCHEDULER);
}

/* Before the load: what these events need. */
static void choose(osp_bpf_side *b, const osp_event_list *events, bool wakers)
{
    struct sample_bpf *k = b->skel;
    b->events = events;
    k->rodata->off_cpu_event = event_of(events, OSP_BY_OFF_CPU);
    k->rodata->wall_event = event_of(events, OSP_BY_WALL);
    k->rodata->switch_event = event_of(events, OSP_BY_SWITCHES);
    for (uint32_t i = 0; i < events->n; i++)
        b->by_scheduler |= osp_by_scheduler(events->kind[i]);
    bpf_program__set_autoload(k->progs.on_switch, b->by_scheduler);
    bpf_program__set_autoload(k->progs.on_wakeup, b->by_scheduler);
    bpf_program__set_autoload(k->progs.on_start, b->by_scheduler);
    bpf_program__set_autoload(k->progs.each_task, b->by_scheduler);
    b->wakers = b->by_scheduler && (wakers || event_of(events, OSP_BY_WAKES) != OSP_NO_EVENT);
    bpf_program__set_autoload(k->progs.on_waking, b->wakers);
    k->rodata->wake_event = event_of(events, OSP_BY_WAKES);
    bpf_program__set_autoload(k->progs.on_point, has_point(events));
    const bool allocs = event_of(events, OSP_BY_ALLOCS) != OSP_NO_EVENT;
    bpf_program__set_autoload(k->progs.on_alloc, allocs);
    bpf_program__set_autoload(k->progs.on_alloc_return, allocs);
    bpf_program__set_autoload(k->progs.on_free, allocs);
    bpf_program__set_autoload(k->progs.on_go_alloc, allocs);
    if (!allocs) {
        bpf_map__set_max_entries(k->maps.live, 1);
        bpf_map__set_max_entries(k->maps.asked, 1);
    }
    b->by_calls = event_of(events, OSP_BY_CALLS) != OSP_NO_EVENT;
    bpf_program__set_autoload(k->progs.on_call, b->by_calls);
    bpf_program__set_autoload(k->progs.on_return, b->by_calls);
    if (b->by_calls)
        choose_calls(k, events);
    if (!b->by_scheduler)
        return;
    k->rodata->has_prev_state = switch_says_state();
    bpf_map__set_max_entries(k->maps.threads, MOST_THREADS);
    bpf_map__set_max_entries(k->maps.ring, RING_OF_SCHEDULER);
}

/* The bits of a return address that are address: in the others aarch64 may sign it. Stacks begin near the end of all that
 * can be mapped. */
static uint64_t code_mask(void)
{
    uint64_t here = (uint64_t)(uintptr_t)&here;
    return OSP_AARCH64 ? UINT64_MAX >> __builtin_clzll(here) : UINT64_MAX;
}

osp_bpf_side *osp_bpf_side_open(const osp_event_list *events, bool wakers, osp_err *err)
{
    osp_bpf_side *b = calloc(1, sizeof *b);
    struct stat ns;
    if (!b) {
        osp_fail_memory(err, "loading the sampler");
        return NULL;
    }
    b->stats_fd = b->shared_fd = -1;
    b->aside = osp_buf_of(ASIDE_LIMIT);
    b->waiting = osp_buf_of(WAITING_LIMIT);
    b->visited = osp_buf_of(VISITED_LIMIT);
    b->stacks = osp_stack_words_new(err);
    if (!b->stacks)
        goto fail;
    libbpf_set_print(quiet);
    b->skel = sample_bpf__open();
    if (!b->skel) {
        fail_bpf(errno, "the BPF program could not be opened", err);
        goto fail;
    }
    if (stat("/proc/self/ns/pid", &ns) != 0) {
        osp_fail_errno(err, errno, "/proc/self/ns/pid");
        goto fail;
    }
    choose(b, events, wakers);
    b->skel->rodata->code_mask = code_mask();
    b->skel->rodata->hash_seed = osp_hash("seed", 4);
    b->skel->rodata->pidns_dev = ns.st_dev;
    b->skel->rodata->pidns_ino = ns.st_ino;
    b->skel->rodata->pidns_is_first = ns.st_ino == FIRST_PID_NAMESPACE;
    int e = sample_bpf__load(b->skel);
    if (e != 0) {
        fail_bpf(-e, "the BPF program could not be loaded", err);
        goto fail;
    }
    if (!make_shared(b, 1, err)) /* now, for it takes its time */
        goto fail;
    b->ring = osp_bpf_ring_open(bpf_map__fd(b->skel->maps.ring));
    if (!b->ring) {
        fail_bpf(errno, "the BPF ring buffer could not be mapped", err);
        goto fail;
    }
    b->stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
    return b;
fail:
    osp_bpf_side_close(b);
    return NULL;
}

void osp_bpf_side_close(osp_bpf_side *b)
{
    if (!b)
        return;
    bpf_link__destroy(b->on_fork);
    bpf_link__destroy(b->on_exec);
    while (b->nprobe)
        bpf_link__destroy(b->probe[--b->nprobe]);
    osp_bpf_side_unwatch(b);
    osp_bpf_ring_close(b->ring);
    sample_bpf__destroy(b->skel);
    osp_close_fd(&b->stats_fd);
    osp_close_fd(&b->shared_fd);
    osp_buf_drop(&b->aside);
    osp_buf_drop(&b->waiting);
    osp_buf_drop(&b->visited);
    osp_stack_words_drop(b->stacks);
    free(b->table);
    free(b->range);
    free(b);
}

bool osp_bpf_side_scope(osp_bpf_side *b, const osp_bpf_config *config, osp_err *err)
{
    memcpy((void *)&b->skel->bss->config, config, sizeof *config);
    b->skel->bss->config.own_pid = (uint32_t)getpid();
    if (!b->on_exec)
        b->on_exec = bpf_program__attach(b->skel->progs.on_exec);
    if (b->on_exec && config->follow && !b->on_fork)
        b->on_fork = bpf_program__attach(b->skel->progs.on_fork);
    if (!b->on_exec || (config->follow && !b->on_fork))
        return fail_bpf(errno, "the BPF program could not be attached to births", err);
    return true;
}

void osp_bpf_side_since(osp_bpf_side *b, uint64_t now_ns) { b->skel->bss->config.since_ns = now_ns; }

void osp_bpf_side_rate(osp_bpf_side *b, uint32_t hz) { b->skel->bss->config.tick_ns = 1000000000u / hz; }

void osp_bpf_side_ran(osp_bpf_side *b, uint64_t ns)
{
    int cpu = sched_getcpu();
    if (cpu >= 0 && cpu < OSP_MAX_CPUS)
        b->skel->bss->own_ns[cpu] += ns;
}

int osp_bpf_side_poll(const osp_bpf_side *b) { return osp_bpf_ring_poll(b->ring); }

bool osp_bpf_side_enter(osp_bpf_side *b, int pid, bool asleep, osp_err *err)
{
    osp_bpf_process process = {.copies = OSP_COPIES, .asleep = asleep};
    uint32_t key = (uint32_t)pid;
    return bpf_map_update_elem(bpf_map__fd(b->skel->maps.processes), &key, &process, BPF_ANY) == 0 ||
           osp_fail_errno(err, errno, "loading the entry of process %d", pid);
}

/* ---- the scheduler's events ---------------------------------------------------------------------------------- */

static bool attach(osp_bpf_side *b, struct bpf_program *program, osp_err *err)
{
    struct bpf_link *link = bpf_program__attach(program);
    if (!link)
        return osp_fail_errno(err, errno, "attaching %s", bpf_program__name(program));
    b->link[b->nlink++] = link;
    return true;
}

/* A sample for each time that one of the tracepoints is passed. */
static bool attach_points(osp_bpf_side *b, osp_err *err)
{
    for (uint32_t i = 0; i < b->events->n; i++) {
        const osp_event_kind *kind = b->events->kind[i];
        char system[128];
        osp_str name = osp_str_from(kind->name);
        if (kind->source != OSP_BY_POINT)
            continue;
        LIBBPF_OPTS(bpf_tracepoint_opts, opts, .bpf_cookie = i);
        osp_str_z(osp_str_cut(&name, ':'), system, sizeof system);
        struct bpf_link *link = bpf_program__attach_tracepoint_opts(b->skel->progs.on_point, system, name.p, &opts);
        if (!link)
            return osp_fail_errno(err, errno, "attaching to the tracepoint %s", kind->name);
        b->link[b->nlink++] = link;
    }
    return true;
}

/* Let the program see all tasks; what it writes stands in b->visited. */
static bool visit(osp_bpf_side *b, uint32_t what, uint64_t now, osp_err *err)
{
    b->skel->bss->visit = what;
    b->skel->bss->visit_ns = now;
    OSP_AUTO_CLOSE int fd = bpf_iter_create(bpf_link__fd(b->iterator));
    if (fd < 0)
        return osp_fail_errno(err, errno, "looking at all threads by BPF");
    for (;;) {
        enum { AT_ONCE = 65536 };
        char *room = osp_buf_room(&b->visited, AT_ONCE);
        ssize_t n = room ? read(fd, room, AT_ONCE) : 0;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n < 0)
            return osp_fail_errno(err, errno, "looking at all threads by BPF");
        if (n == 0) {
            b->skel->bss->visit = OSP_VISIT_NONE;
            return room || osp_fail_memory(err, "looking at all threads");
        }
        b->visited.n += (size_t)n;
    }
}

bool osp_bpf_side_watch(osp_bpf_side *b, bool from_start, uint64_t *since_ns, osp_err *err)
{
    *since_ns = osp_monotonic_ns();
    if (b->by_calls && (!attach(b, b->skel->progs.on_return, err) || !attach(b, b->skel->progs.on_call, err)))
        return false;
    if (!attach_points(b, err))
        return false;
    if (!b->by_scheduler)
        return true;
    bool ok = attach(b, b->skel->progs.each_task, err);
    b->iterator = ok ? b->link[b->nlink - 1] : NULL;
    ok = ok && visit(b, OSP_VISIT_LOOK, 0, err) && attach(b, b->skel->progs.on_switch, err) &&
         attach(b, b->skel->progs.on_wakeup, err) && attach(b, b->skel->progs.on_start, err) &&
         (!b->wakers || attach(b, b->skel->progs.on_waking, err));
    *since_ns = osp_monotonic_ns();
    return ok && (!from_start || visit(b, OSP_VISIT_FIRST, *since_ns, err));
}

void osp_bpf_side_flush(osp_bpf_side *b, uint64_t until_ns, bool last)
{
    b->skel->bss->frozen = last;
    osp_err ignored; /* what threads that still wait have waited is missing then: they are counted as lost */
    if (b->iterator && !visit(b, OSP_VISIT_LAST, until_ns, &ignored))
        b->no_room++;
}

void osp_bpf_side_unwatch(osp_bpf_side *b)
{
    b->iterator = NULL;
    while (b->nlink)
        bpf_link__destroy(b->link[--b->nlink]);
}

/* ---- probes on an allocator ------------------------------------------------------------------------------------ */

static bool probe(osp_bpf_side *b, const osp_alloc_probe *p, struct bpf_program *program, bool on_return,
                  osp_err *err)
{
    LIBBPF_OPTS(bpf_uprobe_opts, opts, .retprobe = on_return,
                .bpf_cookie = (uint64_t)p->how << OSP_COOKIE_HOW | p->event);
    struct bpf_link *link = bpf_program__attach_uprobe_opts(program, p->pid, p->path, p->offset, &opts);
    if (!link)
        return osp_fail_errno(err, errno, "putting a probe on the allocator");
    b->probe[b->nprobe++] = link;
    return true;
}

bool osp_bpf_side_probe(osp_bpf_side *b, const osp_alloc_probe *p, size_t n, uint64_t most, osp_err *err)
{
    struct sample_bpf *k = b->skel;
    bool ok = true;
    k->bss->alloc_hits = 0;
    k->bss->alloc_most = most;
    /* What frees is heard of before what allocates: nothing is taken for unfreed that was freed before we listened. */
    for (int turn = 0; turn < 2 && ok; turn++)
        for (size_t i = 0; i < n && i < PROBES && ok; i++) {
            const bool is_free = p[i].how == OSP_ALLOC_FREE, is_go = p[i].how >= OSP_ALLOC_SPAN;
            if (is_free != (turn == 0))
                continue;
            if (is_free)
                ok = probe(b, &p[i], k->progs.on_free, false, err);
            else if (is_go)
                ok = probe(b, &p[i], k->progs.on_go_alloc, false, err);
            else
                ok = probe(b, &p[i], k->progs.on_alloc_return, true, err) &&
                     probe(b, &p[i], k->progs.on_alloc, false, err);
        }
    if (!ok)
        osp_bpf_side_unprobe(b);
    return ok;
}

uint64_t osp_bpf_side_hits(const osp_bpf_side *b)
{
    return __atomic_load_n(&b->skel->bss->alloc_hits, __ATOMIC_RELAXED);
}

void osp_bpf_side_unprobe(osp_bpf_side *b)
{
    int live = bpf_map__fd(b->skel->maps.live);
    uint64_t addr;
    osp_raw_sample head;
    b->skel->bss->alloc_most = 0;
    while (b->nprobe)
        bpf_link__destroy(b->probe[--b->nprobe]);
    for (uint32_t i = 0; i < OSP_ALLOC_LIVE && bpf_map_get_next_key(live, NULL, &addr) == 0; i++) {
        if (bpf_map_lookup_elem(live, &addr, &head) == 0)
            osp_buf_add(&b->visited, (osp_str){(const char *)&head, sizeof head});
        bpf_map_delete_elem(live, &addr);
    }
}

int osp_bpf_side_program(const osp_bpf_side *b) { return bpf_program__fd(b->skel->progs.on_tick); }

/* Room for n mappings between those in use; the new range stands in b->range. */
static struct range *place(osp_bpf_side *b, int pid, uint32_t n, osp_err *err)
{
    void *array = b->range;
    if (!osp_grow(&array, &b->range_cap, b->nrange + 1, sizeof *b->range)) {
        osp_fail_memory(err, "loading the mappings");
        return NULL;
    }
    b->range = array;
    size_t i = 0;
    uint32_t at = 0;
    while (i < b->nrange && b->range[i].first - at < n) {
        at = b->range[i].first + b->range[i].n;
        i++;
    }
    if (OSP_MAX_MAPPINGS - at < n) {
        osp_fail(err, OSP_ELIMIT, "more than %d executable mappings, with the %u of process %d", OSP_MAX_MAPPINGS, n,
                 pid);
        return NULL;
    }
    memmove(b->range + i + 1, b->range + i, (b->nrange - i) * sizeof *b->range);
    b->nrange++;
    b->range[i] = (struct range){pid, at, n};
    return &b->range[i];
}

/* Give back the process's ranges but for the one that begins at keep. */
static void release(osp_bpf_side *b, int pid, uint32_t keep)
{
    size_t k = 0;
    for (size_t i = 0; i < b->nrange; i++)
        if (b->range[i].pid != pid || b->range[i].first == keep)
            b->range[k++] = b->range[i];
    b->nrange = k;
}

static bool write_mappings(osp_bpf_side *b, uint32_t first, const osp_space *s, osp_err *err)
{
    int fd = bpf_map__fd(b->skel->maps.mappings);
    for (uint32_t i = 0; i < s->n; i++) {
        const osp_space_map *m = &s->map[i];
        osp_bpf_mapping row = {.start = m->start, .end = m->end, .base = m->base, .nrows = m->nrow};
        uint32_t key = first + i;
        if (!table_of(b, m, &row, err))
            return false;
        if (bpf_map_update_elem(fd, &key, &row, BPF_ANY) != 0)
            return osp_fail_errno(err, errno, "loading the mappings");
    }
    return true;
}

bool osp_bpf_side_space(osp_bpf_side *b, int pid, const osp_space *s, const osp_unwind_go *go, osp_err *err)
{
    /* An empty list has a place too, so that every range begins elsewhere. */
    const struct range *r = place(b, pid, s->n ? s->n : 1, err);
    if (!r)
        return false;
    osp_bpf_process process = {
        .first = r->first, .n = s->n, .generation = ++b->generation, .copies = OSP_COPIES, .go = *go};
    uint32_t key = (uint32_t)pid;
    bool ok = write_mappings(b, process.first, s, err);
    if (ok && bpf_map_update_elem(bpf_map__fd(b->skel->maps.processes), &key, &process, BPF_ANY) != 0)
        ok = osp_fail_errno(err, errno, "loading the entry of process %d", pid);
    if (ok)
        release(b, pid, process.first);
    return ok;
}

void osp_bpf_side_keep(osp_bpf_side *b, const osp_space *s)
{
    osp_err ignored; /* it comes again when a process needs it */
    osp_bpf_mapping unused;
    for (uint32_t i = 0; i < s->n; i++)
        if (!table_of(b, &s->map[i], &unused, &ignored))
            return;
}

void osp_bpf_side_forget(osp_bpf_side *b, int pid)
{
    uint32_t key = (uint32_t)pid;
    bpf_map_delete_elem(bpf_map__fd(b->skel->maps.processes), &key);
    release(b, pid, UINT32_MAX);
}

/* What the iterator wrote: stacks to be walked here before the samples of them, or samples after their stacks. */
static void take_visited(osp_bpf_side *b, bool stacks)
{
    for (size_t at = 0; at + sizeof(osp_raw_sample) <= b->visited.n;) {
        osp_raw_sample head;
        memcpy(&head, b->visited.p + at, sizeof head);
        size_t size = sizeof head + (size_t)head.nwords * 8;
        if (size > b->visited.n - at)
            return;
        if ((head.unwind != 0) == stacks)
            on_record(b, b->visited.p + at, size);
        at += size;
    }
}

void osp_bpf_side_drain(osp_bpf_side *b, const osp_bpf_sink *to)
{
    b->sink = to;
    take_visited(b, true);
    osp_bpf_ring_take(b->ring, on_record, b);
    take_visited(b, false);
    b->visited.n = 0;
    b->sink = NULL;
    if (osp_stack_words_full(b->stacks)) {
        b->skel->bss->stacks_epoch++;
        osp_stack_words_age(b->stacks);
    }
}

static void add_tally(osp_bpf_tally *sum, const osp_bpf_tally *one)
{
    sum->calls += one->calls;
    sum->nothing += one->nothing;
    sum->results += one->results;
    sum->ns += one->ns;
    sum->max_ns = one->max_ns > sum->max_ns ? one->max_ns : sum->max_ns;
    for (uint32_t i = 0; i < OSP_STEPS; i++)
        sum->step[i] += one->step[i];
}

const uint64_t *osp_bpf_side_stack(const osp_bpf_side *b, osp_raw_sample *head)
{
    return head->stack_hash ? osp_stack_words_find(b->stacks, head) : NULL;
}

void osp_bpf_side_tallies(osp_bpf_side *b, osp_each_tally *each, void *ctx)
{
    int fd = bpf_map__fd(b->skel->maps.tallies), ncpu = libbpf_num_possible_cpus();
    osp_bpf_tally *of_cpu = b->by_calls && ncpu > 0 ? calloc((size_t)ncpu + 1, sizeof *of_cpu) : NULL;
    osp_bpf_tally_key key;
    if (!of_cpu)
        return;
    for (uint32_t i = 0; i < MOST_TALLIES && bpf_map_get_next_key(fd, NULL, &key) == 0; i++) {
        osp_bpf_tally *sum = &of_cpu[ncpu];
        bool taken = bpf_map_lookup_elem(fd, &key, of_cpu) == 0;
        bpf_map_delete_elem(fd, &key);
        memset(sum, 0, sizeof *sum);
        for (int c = 0; taken && c < ncpu; c++)
            add_tally(sum, &of_cpu[c]);
        if (sum->calls)
            each(ctx, &key, sum);
    }
    free(of_cpu);
}

void osp_bpf_side_used(osp_bpf_side *b, osp_each_used *each, void *ctx)
{
    int fd = bpf_map__fd(b->skel->maps.used), ncpu = libbpf_num_possible_cpus();
    osp_bpf_used *of_cpu =
        b->by_calls && b->events->descriptors && ncpu > 0 ? calloc((size_t)ncpu, sizeof *of_cpu) : NULL;
    osp_bpf_used_key key;
    if (!of_cpu)
        return;
    for (uint32_t i = 0; i < MOST_USED && bpf_map_get_next_key(fd, NULL, &key) == 0; i++) {
        osp_bpf_used sum = {0};
        bool taken = bpf_map_lookup_elem(fd, &key, of_cpu) == 0;
        bpf_map_delete_elem(fd, &key);
        for (int c = 0; taken && c < ncpu; c++) {
            sum.calls += of_cpu[c].calls;
            sum.nothing += of_cpu[c].nothing;
            sum.results += of_cpu[c].results;
            sum.ns += of_cpu[c].ns;
        }
        if (sum.calls)
            each(ctx, &key, &sum);
    }
    free(of_cpu);
}

/* Does a thread still wait where it did when the iterator met it? */
static bool still_there(const osp_bpf_side *b, uint32_t thread, uint64_t hash)
{
    osp_bpf_thread t;
    return bpf_map_lookup_elem(bpf_map__fd(b->skel->maps.threads), &thread, &t) == 0 && t.since &&
           t.stack_hash == hash;
}

/* Unwind one record that was kept: its kernel pcs, registers and stack are at word. */
static void settle_one(osp_bpf_side *b, const osp_subject *of, osp_raw_sample *head, const char *word)
{
    osp_err err;
    osp_unwind_regs regs = {.aarch64 = OSP_AARCH64};
    bool live = head->unwind == OSP_UNWIND_LIVE;
    uint64_t g = 0, tls;
    size_t fixed = (size_t)head->nkernel + OSP_UNWIND_WORDS;
    if (head->nkernel > OSP_MAX_KERNEL || head->nwords < fixed || head->stack_bytes > (head->nwords - fixed) * 8)
        return;
    memcpy(b->word, word, (size_t)head->nkernel * 8);
    memcpy(&regs, word + (size_t)head->nkernel * 8, offsetof(osp_unwind_regs, reg) + OSP_HOST_REGS * 8);
    memcpy(&tls, word + fixed * 8 - sizeof tls, sizeof tls);
    osp_copied with = {.mem = osp_subject_mem(of),
                       .space = &of->space,
                       .go = &of->unwind_go,
                       .sp = regs.sp,
                       .stack = {(const uint8_t *)word + fixed * 8, head->stack_bytes}};
    if (with.go->has_go && head->m)
        g = head->curg;
    else if (with.go->has_go && !with.go->no_tls &&
             !with.mem.read(with.mem.ctx, tls + (uint64_t)with.go->tls_g, &g, 8, &err))
        g = 0;
    osp_copied_walk(&with, &regs, g, head, b->word + head->nkernel);
    if (live && !still_there(b, (uint32_t)head->value[0], head->stack_hash)) {
        head->nuser = 0;
        head->nwords = head->nkernel;
        head->end = OSP_UNWIND_STACK_COPY;
    }
    take_stack(b, head, b->word, true);
}

/* A process that has its tables may send copies again, so many for each time that we look. */
static void allow_copies(osp_bpf_side *b, int pid)
{
    enum { AT_A_TIME = 40 };
    int fd = bpf_map__fd(b->skel->maps.processes);
    uint32_t key = (uint32_t)pid;
    osp_bpf_process p;
    if (bpf_map_lookup_elem(fd, &key, &p) != 0 || p.n == 0 || p.copies >= AT_A_TIME)
        return;
    p.copies = AT_A_TIME;
    bpf_map_update_elem(fd, &key, &p, BPF_EXIST);
}

void osp_bpf_side_settle(osp_bpf_side *b, const osp_bpf_sink *to,
                         const osp_subject *(*subject_of)(void *ctx, const osp_raw_sample *head))
{
    b->sink = to;
    for (size_t at = 0; at + sizeof(osp_raw_sample) <= b->aside.n;) {
        osp_raw_sample head;
        memcpy(&head, b->aside.p + at, sizeof head);
        const char *word = b->aside.p + at + sizeof head;
        const osp_subject *of = subject_of(to->ctx, &head);
        at += sizeof head + (size_t)head.nwords * 8;
        if (of) {
            settle_one(b, of, &head, word);
            allow_copies(b, of->pid);
        }
    }
    b->aside.n = 0;
    b->aside.failed = false;
    for (size_t at = 0; at + sizeof(osp_raw_sample) <= b->waiting.n; at += sizeof(osp_raw_sample)) {
        osp_raw_sample head;
        memcpy(&head, b->waiting.p + at, sizeof head);
        give(b, &head);
    }
    b->waiting.n = 0;
    b->waiting.failed = false;
    b->sink = NULL;
}

uint64_t osp_bpf_side_lost(const osp_bpf_side *b)
{
    int ncpu = libbpf_num_possible_cpus();
    uint64_t sum = b->no_room + osp_bpf_ring_lost(b->ring),
             *each = ncpu > 0 ? calloc((size_t)ncpu, sizeof *each) : NULL;
    uint32_t key = OSP_COUNT_LOST;
    if (each && bpf_map_lookup_elem(bpf_map__fd(b->skel->maps.counts), &key, each) == 0)
        for (int i = 0; i < ncpu; i++)
            sum += each[i];
    free(each);
    return sum;
}

void osp_bpf_side_cost(const osp_bpf_side *b, uint64_t *run_ns, uint64_t *runs)
{
    struct bpf_program *p;
    *run_ns = *runs = 0;
    if (b->stats_fd < 0)
        return;
    bpf_object__for_each_program(p, b->skel->obj)
    {
        struct bpf_prog_info info = {0};
        uint32_t size = sizeof info;
        if (bpf_program__fd(p) >= 0 && bpf_obj_get_info_by_fd(bpf_program__fd(p), &info, &size) == 0) {
            *run_ns += info.run_time_ns;
            *runs += info.run_cnt;
        }
    }
}
