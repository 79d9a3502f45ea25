/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* bpf/allocs.h: memory that is asked for and given back, by uprobes on the allocator, for short windows that user space opens.
 *
 * Of malloc and its kin: on_alloc keeps what is asked for until on_alloc_return has the address; then a sample of the caller is
 * sent, and its header stays in `live` until on_free. What is there when the window ends was not freed meanwhile.
 * Of Go: on_go_alloc, where the runtime takes a new span of small objects, or one for a large object: one of many allocations, by
 * the bytes that they take, and nothing is known of their end. */
#ifndef OSP_BPF_ALLOCS_H
#define OSP_BPF_ALLOCS_H

#include "walk.h"

/* Set by user space. */
__u64 alloc_hits;          /* of all probes, in this window */
volatile __u64 alloc_most; /* no more is done after so many */

struct asked {
    __u64 size, at; /* at: where the address is written to; 0: it is returned */
    __u64 old;      /* that realloc may free */
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, OSP_ALLOC_THREADS);
    __uint(map_flags, 1); /* BPF_F_NO_PREALLOC */
    __type(key, __u64);   /* the kernel's number of the thread */
    __type(value, struct asked);
} asked SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, OSP_ALLOC_LIVE);
    __uint(map_flags, 1);
    __type(key, __u64); /* address */
    __type(value, osp_raw_sample);
} live SEC(".maps");

/* A program on a uprobe may be preempted by another one on the same CPU: who finds the scratch in use goes without. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} alloc_busy SEC(".maps");

#if OSP_AARCH64
#define ARG_1(r) ((r)->regs[0])
#define ARG_2(r) ((r)->regs[1])
#define ARG_3(r) ((r)->regs[2])
#define RESULT(r) ((r)->regs[0])
#define GO_ARG_2(r) ((r)->regs[1])
#else
#define ARG_1(r) ((r)->di)
#define ARG_2(r) ((r)->si)
#define ARG_3(r) ((r)->dx)
#define RESULT(r) ((r)->ax)
#define GO_ARG_2(r) ((r)->bx)
#endif

static __always_inline bool may_go_on(void) { return __sync_fetch_and_add(&alloc_hits, 1) < alloc_most; }

/* A sample of the thread that hits the probe, with its stack, sent and left in the scratch. NULL: it is not to be had. */
static __always_inline struct scratch *alloc_sample(struct pt_regs *ctx, __u64 event, bool exact, __u64 bytes)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct bpf_pidns_info ids = {0};
    __u32 slot = SLOT_ALLOC;
    struct scratch *s = scratch_of(slot);
    osp_bpf_process *process = s ? process_of(task, &ids) : NULL;
    if (!process)
        return NULL;
    begin(s, process, &ids, bpf_ktime_get_ns());
    s->head.event = event;
    s->head.value[0] = bytes;
    bpf_get_current_comm(s->head.comm, sizeof s->head.comm);
    begin_user(s, task, exact);
    const volatile struct pt_regs *r = ctx;
    TAKE_REGS(&s->u, r);
    find_goroutine(s);
    walk_user(s, &slot, process);
    hash_stack(s, &slot);
    send(s);
    return s;
}

static __always_inline bool enter_scratch(void)
{
    __u32 zero = 0;
    __u64 *busy = bpf_map_lookup_elem(&alloc_busy, &zero);
    if (!busy || *busy) {
        count(OSP_COUNT_LOST);
        return false;
    }
    *busy = 1;
    return true;
}

static __always_inline void leave_scratch(void)
{
    __u32 zero = 0;
    __u64 *busy = bpf_map_lookup_elem(&alloc_busy, &zero);
    if (busy)
        *busy = 0;
}

SEC("uprobe")
int on_alloc(struct pt_regs *ctx)
{
    __u64 thread = (__u32)bpf_get_current_pid_tgid(), how = bpf_get_attach_cookie(ctx) >> OSP_COOKIE_HOW;
    struct asked a = {0};
    if (!may_go_on())
        return 0;
    switch (how) {
    case OSP_ALLOC_MALLOC:
        a.size = ARG_1(ctx);
        break;
    case OSP_ALLOC_CALLOC:
        a.size = ARG_1(ctx) * ARG_2(ctx);
        break;
    case OSP_ALLOC_REALLOC:
        a.size = ARG_2(ctx);
        a.old = ARG_1(ctx);
        break;
    case OSP_ALLOC_ALIGNED:
        a.size = ARG_2(ctx);
        break;
    case OSP_ALLOC_POSIX:
        a.size = ARG_3(ctx);
        a.at = ARG_1(ctx);
        break;
    }
    bpf_map_update_elem(&asked, &thread, &a, BPF_ANY);
    return 0;
}

SEC("uretprobe")
int on_alloc_return(struct pt_regs *ctx)
{
    __u64 thread = (__u32)bpf_get_current_pid_tgid(), addr = RESULT(ctx);
    struct asked *kept = bpf_map_lookup_elem(&asked, &thread);
    if (!kept)
        return 0;
    struct asked a = *kept;
    bpf_map_delete_elem(&asked, &thread);
    if (a.at) {
        addr = 0;
        bpf_probe_read_user(&addr, sizeof addr, (const void *)a.at);
    }
    if (!addr || !may_go_on())
        return 0;
    if (a.old)
        bpf_map_delete_elem(&live, &a.old);
    if (!enter_scratch())
        return 0;
    struct scratch *s = alloc_sample(ctx, bpf_get_attach_cookie(ctx) & OSP_COOKIE_EVENT, false, a.size);
    if (s) {
        /* What the end of the window adds, if it is still there: no further event, its bytes as outstanding. */
        s->head.count = 0;
        s->head.value[0] = 0;
        s->head.value[1] = a.size;
        s->head.value[2] = 1;
        s->head.nwords = 0;
        s->head.unwind = 0;
        if (bpf_map_update_elem(&live, &addr, &s->head, BPF_ANY))
            count(OSP_COUNT_LOST);
    }
    leave_scratch();
    return 0;
}

SEC("uprobe")
int on_free(struct pt_regs *ctx)
{
    __u64 addr = ARG_1(ctx);
    if (addr && may_go_on())
        bpf_map_delete_elem(&live, &addr);
    return 0;
}

/* Pages of a span of small objects, by size class; those of every release from 1.16 to 1.27 (runtime/sizeclasses.go). */
static const __u8 span_pages[68] = {0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  1, 1, 1,
                                    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 1, 2, 1, 2, 1, 3, 2,  3, 1, 3,
                                    2, 3, 4, 5, 6, 1, 7, 6, 5, 4, 3, 5, 7, 2, 9, 7, 5, 8, 3, 10, 7, 4};

enum { GO_PAGE = 8192 };

SEC("uprobe")
int on_go_alloc(struct pt_regs *ctx)
{
    __u64 cookie = bpf_get_attach_cookie(ctx), how = cookie >> OSP_COOKIE_HOW, bytes = GO_ARG_2(ctx);
    if (!may_go_on() || !enter_scratch())
        return 0;
    if (how & OSP_ALLOC_BY_STACK)
        bpf_probe_read_user(&bytes, sizeof bytes, (const void *)(ctx->sp + 16));
    if ((how & ~OSP_ALLOC_BY_STACK) == OSP_ALLOC_SPAN) {
        __u32 class = bytes >> 1 & 127; /* the lowest bit: without pointers */
        bytes = class < 68 ? (__u64)span_pages[class] * GO_PAGE : GO_PAGE;
    }
    alloc_sample(ctx, cookie & OSP_COOKIE_EVENT, true, bytes);
    leave_scratch();
    return 0;
}

#endif
