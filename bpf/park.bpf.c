/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* bpf/park.bpf.c: the exact way to measure how long goroutines wait. on_park runs where runtime.gopark begins, on_execute
 * where runtime.execute does, which lets a goroutine go on; the time between is summed here, so that nothing goes up.
 *
 * Stacks are the kernel's own walk by frame pointers, which Go keeps: gopark has not set up its frame yet, so its caller's
 * return address is read from the stack, or the link register, and the frame pointer leads from the caller on. */
#include "kernel.h"

#include <bpf/bpf_helpers.h>

#include "park.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u32 g_goid;  /* its offset in runtime.g */
const volatile bool by_stack; /* arguments are on the stack: before Go 1.17 */
const volatile long long tls_g;
const volatile bool by_goroutine;

struct {
    __uint(type, 7); /* BPF_MAP_TYPE_STACK_TRACE */
    __uint(max_entries, OSP_PARK_STACKS);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, OSP_PARK_DEPTH * sizeof(__u64));
} stacks SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, OSP_PARKED_MOST);
    __uint(map_flags, 1); /* BPF_F_NO_PREALLOC */
    __type(key, __u64);   /* address of the goroutine */
    __type(value, osp_parked);
} parked SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, OSP_PARK_SUMS);
    __uint(map_flags, 1);
    __type(key, osp_park);
    __type(value, osp_park_sum);
} sums SEC(".maps");

__u64 counts[OSP_PARK_COUNTS];

/* Go's registers, at the begin of a function: g, the first and the third argument, the return address. (cmd/compile
 * abi-internal.md) */
#if OSP_AARCH64
#define GO_G(r) ((r)->regs[28])
#define GO_FIRST(r) ((r)->regs[0])
#define GO_THIRD(r) ((r)->regs[2])
#define GO_RETURN(r) ((r)->regs[30])
#else
#define GO_G(r) ((r)->r14)
#define GO_FIRST(r) ((r)->ax)
#define GO_THIRD(r) ((r)->cx)
#define GO_RETURN(r) user_word((r)->sp)
#endif

static __always_inline __u64 user_word(__u64 addr)
{
    __u64 v = 0;
    bpf_probe_read_user(&v, sizeof v, (const void *)addr);
    return v;
}

SEC("uprobe")
int on_park(struct pt_regs *ctx)
{
    __u64 g = GO_G(ctx), sp = ctx->sp;
    osp_parked p = {.since_ns = bpf_ktime_get_ns()};
    p.park.waitreason = GO_THIRD(ctx) & 0xff;
    if (by_stack) {
        struct task_struct *task = bpf_get_current_task_btf();
        if (!OSP_AARCH64)
            g = user_word(THREAD_POINTER(task) + tls_g);
        p.park.waitreason = user_word(sp + 24) & 0xff;
    }
    if (by_goroutine)
        p.park.goid = user_word(g + g_goid);
    p.park.caller = GO_RETURN(ctx);
    long id = bpf_get_stackid(ctx, &stacks, 1 << 8); /* BPF_F_USER_STACK */
    p.park.stack = id < 0 ? OSP_PARK_NO_STACK : id;
    if (bpf_map_update_elem(&parked, &g, &p, BPF_ANY))
        __sync_fetch_and_add(&counts[OSP_PARK_LOST], 1);
    __sync_fetch_and_add(&counts[OSP_PARK_HITS], 1);
    return 0;
}

SEC("uprobe")
int on_execute(struct pt_regs *ctx)
{
    __u64 g = by_stack ? user_word(ctx->sp + 8) : GO_FIRST(ctx);
    osp_parked *p = bpf_map_lookup_elem(&parked, &g);
    __sync_fetch_and_add(&counts[OSP_PARK_HITS], 1);
    if (!p) /* was preempted, or is new */
        return 0;
    osp_park key = p->park;
    __u64 now = bpf_ktime_get_ns(), ns = now > p->since_ns ? now - p->since_ns : 0;
    bpf_map_delete_elem(&parked, &g);
    osp_park_sum *sum = bpf_map_lookup_elem(&sums, &key);
    if (!sum) {
        osp_park_sum none = {0};
        bpf_map_update_elem(&sums, &key, &none, BPF_NOEXIST);
        sum = bpf_map_lookup_elem(&sums, &key);
    }
    if (!sum) {
        __sync_fetch_and_add(&counts[OSP_PARK_LOST], 1);
        return 0;
    }
    __sync_fetch_and_add(&sum->ns, ns);
    __sync_fetch_and_add(&sum->n, 1);
    return 0;
}
