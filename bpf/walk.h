/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* bpf/walk.h: what all programs of the sampler share: a thread's whole stack, and how it is sent up.
 *
 * State lives in a per-CPU scratch value, so that the verifier sees only unknown scalars in the loops: the frame
 * loop is one bpf_loop callback, verified once; the binary searches take no branches. A program may interrupt another
 * one, so that each kind has a scratch of its own.
 *
 * A stack goes up once. Its words are hashed, and a small table remembers which hashes user space has been sent: of
 * those only the sample's header goes up. The table is direct-mapped and takes no locks, so that it can be used in any
 * context; where two stacks share a place, the words go up again, which costs room and nothing else. */
#ifndef OSP_BPF_WALK_H
#define OSP_BPF_WALK_H

#include "kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

static bool osp_unwind_read(void *env, __u64 addr, __u64 *word);

#include "sample.h"
#include "unwind.h"

const volatile __u64 pidns_dev, pidns_ino; /* the namespace that pids are counted in: osprey's own */
const volatile bool pidns_is_first;        /* it is the machine's first one, whose numbers every task has */
const volatile __u64 code_mask = ~0ull;    /* of return addresses; see osp_unwind */
const volatile __u64 hash_seed;            /* a secret: a process cannot aim at another stack's hash */

enum {
    MAX_WORDS = OSP_MAX_KERNEL + OSP_MAX_USER + 512,
    WORDS = 2048, /* a power of two */
    SENT = 65536,
};

/* Who uses which scratch. Programs of perf events and of tracepoints keep each other out; those on scheduler events
 * run with interrupts off; iterators may be preempted by all of them. */
enum { SLOT_EVENT, SLOT_SCHED, SLOT_CALL, SLOT_POINT, SLOT_ITER, SLOT_ALLOC, SLOTS };

struct scratch {
    osp_raw_sample head;
    __u64 word[WORDS + 128];
    osp_unwind u;
    osp_unwind leaf; /* u before the first step */
    osp_bpf_process process;
    osp_bpf_mapping mapping; /* of the last frame */
    __u64 labels;            /* where label i is: array of two Go strings */
    __u64 labels_apart;      /* 1: keys and values apart, in a map bucket; 0: pairs, in a slice */
    __u64 hash;
    __u64 tls; /* the thread pointer */
    __u32 nlabels;
    __u32 status;
    __u64 kernel[OSP_MAX_KERNEL + 1]; /* pcs, before those of the tracepoint are left out */
    osp_bpf_thread thread;            /* a new one */
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, SLOTS);
    __type(key, __u32);
    __type(value, struct scratch);
} scratch_map SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, SENT);
    __type(key, __u32);
    __type(value, __u64);
} sent SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, OSP_MAX_PROCESSES);
    __type(key, __u32);
    __type(value, osp_bpf_process);
} processes SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, OSP_MAX_MAPPINGS);
    __type(key, __u32);
    __type(value, osp_bpf_mapping);
} mappings SEC(".maps");

struct inner_table {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_INNER_MAP | BPF_F_MMAPABLE);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, sizeof(osp_row));
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, OSP_MAX_TABLES);
    __type(key, __u32);
    __array(values, struct inner_table);
} tables SEC(".maps");

__u32 stacks_epoch; /* set by user space when it forgets stacks: all are new then */

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, OSP_RING);
} ring SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, OSP_COUNTS);
    __type(key, __u32);
    __type(value, __u64);
} counts SEC(".maps");

static void count(__u32 what)
{
    __u64 *n = bpf_map_lookup_elem(&counts, &what);
    if (n)
        ++*n;
}

#include "whose.h"

static struct scratch *scratch_of(__u32 slot) { return bpf_map_lookup_elem(&scratch_map, &slot); }

static bool osp_unwind_read(void *env, __u64 addr, __u64 *word)
{
    (void)env;
    return bpf_probe_read_user(word, sizeof *word, (const void *)addr) == 0;
}

/* 1 if a <= b, else 0, without a branch; both below 2^63. */
static __always_inline __u64 at_most(__u64 a, __u64 b)
{
    __u64 d = a - b - 1;
    asm volatile("" : "+r"(d));
    return d >> 63;
}

/* The mapping of addr among the process's, into s->mapping. */
static __always_inline bool find_mapping(struct scratch *s, __u64 addr)
{
    __u32 lo = s->process.first, n = s->process.n;
    if (n == 0)
        return false;
    for (int i = 0; i < 17 && n > 1; i++) {
        __u32 half = n / 2, mid = lo + half;
        osp_bpf_mapping *m = bpf_map_lookup_elem(&mappings, &mid);
        if (!m)
            return false;
        lo += half & -(__u32)at_most(m->start, addr);
        n -= half;
    }
    osp_bpf_mapping *m = bpf_map_lookup_elem(&mappings, &lo);
    if (!m || addr < m->start || addr >= m->end)
        return false;
    s->mapping = *m;
    return true;
}

/* The rule in force at addr, which lies in s->mapping. */
static __always_inline __u32 find_rule(struct scratch *s, __u64 addr)
{
    __u32 table = s->mapping.table, lo = s->mapping.first, n = s->mapping.nrows;
    if (table == OSP_NO_TABLE || n == 0)
        return OSP_RULE_NONE;
    void *rows = bpf_map_lookup_elem(&tables, &table);
    if (!rows)
        return OSP_RULE_NONE;
    __u64 pc = addr - s->mapping.base;
    if (pc >> 32)
        return OSP_RULE_NONE;
    for (int i = 0; i < 25 && n > 1; i++) {
        __u32 half = n / 2, mid = lo + half;
        osp_row *r = bpf_map_lookup_elem(rows, &mid);
        if (!r)
            return OSP_RULE_NONE;
        lo += half & -(__u32)at_most(r->pc, pc);
        n -= half;
    }
    osp_row *r = bpf_map_lookup_elem(rows, &lo);
    return r && r->pc <= pc ? r->rule : OSP_RULE_NONE;
}

/* One frame: write its address down, step to its caller. 1 ends the loop. */
static long one_frame(__u64 i, void *slot)
{
    struct scratch *s = scratch_of(*(const __u32 *)slot);
    if (!s)
        return 1;
    __u64 at = osp_unwind_lookup(&s->u);
    bool mapped = (at >= s->mapping.start && at < s->mapping.end) || find_mapping(s, at);
    __u32 rule = mapped ? find_rule(s, at) : osp_unwind_unmapped(&s->u);
    if (!mapped && rule == OSP_RULE_NONE) {
        s->status = OSP_UNWIND_NO_MAPPING;
        if (i == 0 || s->u.exact) { /* a wild jump: keep the address, it is the finding */
            __u32 k = (s->head.nkernel + s->head.nuser) & (WORDS - 1);
            s->word[k] = at;
            s->head.nuser++;
        }
        return 1;
    }
    __u32 k = (s->head.nkernel + s->head.nuser) & (WORDS - 1);
    s->word[k] = osp_unwind_shown(&s->u, at, rule);
    s->head.nuser++;
    s->status = osp_unwind_step(NULL, &s->u, &s->process.go, rule);
    return s->status != OSP_UNWIND_MORE;
}

enum { CHUNK = 1024 };

/* 1 KiB of stack to the end of the words; ends where the stack does. */
static long one_chunk(__u64 i, void *slot)
{
    struct scratch *s = scratch_of(*(const __u32 *)slot);
    if (!s)
        return 1;
    __u32 at = s->head.nwords;
    if (at > WORDS - CHUNK / 8 ||
        bpf_probe_read_user(&s->word[at & (WORDS - 1)], CHUNK, (const void *)(s->leaf.sp + i * CHUNK)))
        return 1;
    s->head.nwords = at + CHUNK / 8;
    s->head.stack_bytes += CHUNK;
    return 0;
}

/* The registers and the top of the stack, for user space to walk, in place of the user part. */
static __always_inline void copy_stack(struct scratch *s, __u32 *slot, __u32 chunks)
{
    __u32 at = s->head.nkernel & 255;
    s->head.nuser = 0;
    s->head.unwind = chunks ? OSP_UNWIND_COPY : OSP_UNWIND_LIVE;
    s->word[at] = s->leaf.pc;
    s->word[at + 1] = s->leaf.sp;
    s->word[at + 2] = s->leaf.fp;
    for (int i = 0; i < OSP_HOST_REGS; i++)
        s->word[at + 3 + i] = s->leaf.reg[i];
    s->word[at + 3 + OSP_HOST_REGS] = s->tls;
    s->head.nwords = at + OSP_UNWIND_WORDS;
    if (chunks)
        bpf_loop(chunks, one_chunk, slot, 0);
}

/* Label i of the goroutine: key and value to the end of the words. */
static long one_label(__u64 i, void *slot)
{
    struct scratch *s = scratch_of(*(const __u32 *)slot);
    if (!s || i >= s->nlabels)
        return 1;
    struct {
        __u64 p, n;
    } key = {0}, value = {0};
    /* A slice of pairs of strings, or a map bucket: 8 keys, then 8 values. */
    __u64 key_at = s->labels_apart ? s->labels + i * 16 : s->labels + i * 32;
    __u64 value_at = s->labels_apart ? s->labels + 128 + i * 16 : key_at + 16;
    if (bpf_probe_read_user(&key, sizeof key, (const void *)key_at) ||
        bpf_probe_read_user(&value, sizeof value, (const void *)value_at))
        return 1;
    if (key.n == 0) /* a free place of a bucket */
        return 0;
    if (key.n > OSP_MAX_LABEL_KEY)
        key.n = OSP_MAX_LABEL_KEY;
    if (value.n > OSP_MAX_LABEL_VALUE)
        value.n = OSP_MAX_LABEL_VALUE;
    __u32 at = s->head.nwords;
    if (at > MAX_WORDS)
        return 1;
    s->word[at & (WORDS - 1)] = key.n | value.n << 16;
    at++;
    bpf_probe_read_user(&s->word[at & (WORDS - 1)], key.n & 127, (const void *)key.p);
    at += (key.n + 7) / 8;
    bpf_probe_read_user(&s->word[at & (WORDS - 1)], value.n & 255, (const void *)value.p);
    at += (value.n + 7) / 8;
    s->head.nwords = at;
    s->head.nlabels++;
    return 0;
}

/* Where the labels of curg are. Since Go 1.24 *labels is a slice of pairs; before, a map[string]string, of which we
 * read the one bucket that up to 8 labels take. */
static __always_inline void find_labels(struct scratch *s)
{
    __u64 p = 0, n = 0, bucket = 0;
    s->nlabels = 0;
    if (s->process.go.g_labels < 0 || !osp_unwind_read(NULL, s->u.curg + s->process.go.g_labels, &p) || !p)
        return;
    if (s->process.go.labels_are_slice) {
        if (!osp_unwind_read(NULL, p, &s->labels) || !osp_unwind_read(NULL, p + 8, &n))
            return;
        s->labels_apart = 0;
        s->nlabels = n < OSP_MAX_LABELS ? n : OSP_MAX_LABELS;
        return;
    }
    /* *p is the map value: a pointer to hmap {count int; flags, B uint8; …; buckets at 16}. */
    __u64 hmap = 0, flags = 0;
    if (!osp_unwind_read(NULL, p, &hmap) || !hmap || !osp_unwind_read(NULL, hmap, &n) || !n ||
        !osp_unwind_read(NULL, hmap + 8, &flags) || ((flags >> 8) & 0xff) != 0 ||
        !osp_unwind_read(NULL, hmap + 16, &bucket) || !bucket)
        return;
    s->labels = bucket + 8; /* behind the 8 hash bytes */
    s->labels_apart = 1;
    s->nlabels = 8;
}

/* The thread's process and numbers as osprey counts them. False if its namespace is not ours. */
static __always_inline bool current_ids(struct bpf_pidns_info *ids)
{
    struct task_struct *task = bpf_get_current_task_btf();
    ids->pid = pid_here(task);
    ids->tgid = pid_here(task->group_leader);
    return ids->tgid != 0;
}

/* The entry of a task's process, and its numbers. NULL if its samples are not wanted. */
static __always_inline osp_bpf_process *process_of(struct task_struct *task, struct bpf_pidns_info *ids)
{
    ids->tgid = pid_here(task->group_leader);
    osp_bpf_process *p = wanted(task, ids->tgid);
    ids->pid = p ? pid_here(task) : 0;
    return p;
}

/* Begin a sample of a thread. */
static __always_inline void begin(struct scratch *s, const osp_bpf_process *process, const struct bpf_pidns_info *ids,
                                  __u64 now)
{
    s->process = *process;
    s->head = (osp_raw_sample){
        .ktime_ns = now,
        .count = 1,
        .pid = ids->tgid,
        .tid = ids->pid,
        .cpu = bpf_get_smp_processor_id(),
    };
}

/* Where the user walk starts: TAKE_REGS follows. Not exact: pc is behind the instruction that it stands for. */
static __always_inline void begin_user(struct scratch *s, struct task_struct *task, bool exact)
{
    s->mapping = (osp_bpf_mapping){0};
    __builtin_memset(&s->u, 0, sizeof s->u);
    s->u.leaf = 1;
    s->u.exact = exact;
    s->u.code_mask = code_mask;
    s->u.aarch64 = s->u.linked = OSP_AARCH64;
    s->tls = THREAD_POINTER(task);
    s->status = OSP_UNWIND_MORE;
}

/* The same for a thread that is in the kernel: its user registers are at the bottom of its kernel stack. In a system
 * call pc is behind its instruction. */
static __always_inline void begin_user_in_kernel(struct scratch *s, struct task_struct *task, struct pt_regs *user)
{
    begin_user(s, task, REGS_SYSCALL(user) < 0);
    TAKE_REGS(&s->u, user);
}

static __always_inline void find_goroutine(struct scratch *s)
{
    __u64 g = 0;
    if (!s->process.go.has_go)
        return;
    if (!s->process.go.no_tls)
        osp_unwind_read(NULL, s->tls + s->process.go.tls_g, &g);
    osp_unwind_goroutine(NULL, &s->u, &s->process.go, g, &s->head.m);
    s->head.curg = s->u.curg;
    if (s->u.curg)
        osp_unwind_read(NULL, s->u.curg + s->process.go.g_goid, &s->head.goid);
}

/* Walk the user part behind the kernel's pcs, then the labels. Where code is met that has no table yet, or the way is lost, a
 * copy of the stack goes up instead if the process may still send one: user space has more means. */
static __always_inline void walk_user(struct scratch *s, __u32 *slot, osp_bpf_process *process)
{
    s->leaf = s->u;
    if (has_no_user_side(bpf_get_current_task_btf()))
        s->status = OSP_UNWIND_ROOT;
    else
        bpf_loop(OSP_MAX_USER, one_frame, slot, 0);
    s->head.end = s->status == OSP_UNWIND_MORE ? OSP_UNWIND_DEPTH : s->status;
    s->head.fp_steps = s->u.fp_steps;
    s->head.nwords = s->head.nkernel + s->head.nuser;
    bool lost = s->u.doubt || (s->status >= OSP_UNWIND_NO_MAPPING && s->status <= OSP_UNWIND_STUCK);
    __u32 chunks = lost ? copy_chunks(process) : 0;
    if (chunks) {
        copy_stack(s, slot, chunks);
        if (process->copies)
            process->copies--;
    } else if (s->u.curg) {
        find_labels(s);
        bpf_loop(OSP_MAX_LABELS, one_label, slot, 0);
    }
}

/* ---- events that come much more often than ticks ------------------------------------------------------------- */

/* What stacks of such events may take of a CPU's time: a sixteenth, so that a storm of them does not become another one. What
 * comes beyond that is counted, and has no stack. */
enum { BUDGET_PART = 16, BUDGET_BURST_NS = 1 << 20, BUDGET_WINDOW_NS = 1 << 26 };

struct budget {
    __u64 from, spent; /* ns */
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct budget);
} budgets SEC(".maps");

/* This CPU's; NULL: it is used up. */
static __always_inline struct budget *budget_at(__u64 now)
{
    __u32 zero = 0;
    struct budget *b = bpf_map_lookup_elem(&budgets, &zero);
    if (!b)
        return NULL;
    if (now - b->from > BUDGET_WINDOW_NS)
        *b = (struct budget){.from = now};
    return b->spent < BUDGET_BURST_NS + (now - b->from) / BUDGET_PART ? b : NULL;
}

static __always_inline void spend(struct budget *b, __u64 since) { b->spent += bpf_ktime_get_ns() - since; }

/* The walk for events that are the kernel's, if the user's side is asked for. */
static __always_inline void walk_often(struct scratch *s, __u32 *slot, osp_bpf_process *process)
{
    if (config.no_user)
        s->head.nwords = s->head.nkernel;
    else
        walk_user(s, slot, process);
}

/* The kernel's part of the stack. */
static __always_inline void take_kernel(void *ctx, struct scratch *s)
{
    __s64 bytes = bpf_get_stack(ctx, s->word, OSP_MAX_KERNEL * 8, 0);
    if (bytes > 0)
        s->head.nkernel = (__u64)bytes >> 3;
}

/* The user's part behind it, of a thread that is in the kernel. */
static __always_inline void walk_from_kernel(struct scratch *s, __u32 *slot, struct task_struct *task,
                                             osp_bpf_process *process)
{
    begin_user_in_kernel(s, task, (struct pt_regs *)bpf_task_pt_regs(task));
    find_goroutine(s);
    walk_often(s, slot, process);
}

enum { HASHED_AT_ONCE = 8 };

static __always_inline __u64 mix(__u64 h, __u64 w)
{
    h = (h ^ w) * 0x9fb21c651e98df25ull;
    return h ^ h >> 32;
}

/* Some words more of the hash. */
static long hash_words(__u64 i, void *slot)
{
    struct scratch *s = scratch_of(*(const __u32 *)slot);
    if (!s)
        return 1;
    __u64 h = s->hash;
    __u32 at = (i * HASHED_AT_ONCE) & (WORDS - 1);
    for (int k = 0; k < HASHED_AT_ONCE; k++)
        h = mix(h, s->word[at + k]);
    s->hash = h;
    return 0;
}

/* Name the stack by its hash: a copy by what it holds, as a loop of system calls gives the same one over and over. What user
 * space must read later is like no other. */
static __always_inline void hash_stack(struct scratch *s, __u32 *slot)
{
    __u32 n = s->head.nwords & (WORDS - 1);
    if (s->head.unwind == OSP_UNWIND_LIVE) {
        s->head.stack_hash =
            mix(mix(mix(hash_seed, s->head.ktime_ns), (__u64)s->head.tid << 32 | s->head.cpu), s->leaf.sp) | 1;
        return;
    }
    for (int k = 0; k < HASHED_AT_ONCE; k++) /* words of an earlier stack */
        s->word[n + k] = 0;
    s->hash = mix(hash_seed ^ stacks_epoch, (__u64)s->head.pid << 32 | s->process.generation);
    s->hash = mix(s->hash, (__u64)s->head.nkernel << 32 | (__u64)s->head.nuser << 16 | s->head.nlabels);
    s->hash = mix(s->hash, (__u64)s->head.end << 32 | s->head.fp_steps);
    bpf_loop((n + HASHED_AT_ONCE - 1) / HASHED_AT_ONCE, hash_words, slot, 0);
    s->head.stack_hash = s->hash | 1; /* 0 stands for none */
}

/* User space is woken once much waits for it. */
static __always_inline __u64 wakeup_flags(void)
{
    return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > OSP_RING / 8 ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/* Where its hash stands, if it was sent. */
static __always_inline __u64 *sent_place(const struct scratch *s)
{
    __u32 at = s->head.stack_hash >> 48;
    return s->head.unwind == OSP_UNWIND_LIVE || !s->head.stack_hash ? NULL : bpf_map_lookup_elem(&sent, &at);
}

static __always_inline bool is_known(const struct scratch *s)
{
    __u64 *place = sent_place(s);
    return place && *place == s->head.stack_hash;
}

/* Send the header, and the words unless user space has them. */
static __always_inline void send(struct scratch *s)
{
    __u64 words = s->head.nwords, *place = sent_place(s);
    if (place && *place == s->head.stack_hash)
        words = s->head.nwords = 0;
    /* Nobody is woken at a tick if that can be: what a tick sets going runs right after ticks, and never at one. */
    __u64 flags = wakeup_flags();
    asm volatile("" : "+r"(words)); /* bounded right before its use, or the verifier loses sight of it */
    words &= WORDS - 1;
    if (bpf_ringbuf_output(&ring, s, sizeof s->head + words * 8, flags))
        count(OSP_COUNT_LOST);
    else if (place && words)
        *place = s->head.stack_hash;
}

#endif
