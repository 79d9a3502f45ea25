/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* bpf/calls.h: system calls, each with its time, its errno and the stack that made it. */
#ifndef OSP_BPF_CALLS_H
#define OSP_BPF_CALLS_H

#include "walk.h"

const volatile __u16 call_event = OSP_NO_EVENT;
const volatile __u64 asked_calls[OSP_CALL_BITS / 64]; /* a bit a call */
const volatile __u64
    descriptor_calls[OSP_CALL_BITS / 64]; /* of which the first argument is kept: it is a descriptor */
const volatile __u32 futex_nr;

enum { CALLS = 1, MAX_ERRNO = 4095, FUTEX_OPS = 14, FUTEX_OP_MASK = 0x7f };

struct call {
    __u64 begun;
    __u32 nr;
    __u32 op;         /* of a futex, + 1 */
    __u32 descriptor; /* + 1; 0: none */
};

/* The calls that threads of our processes are in. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, CALLS); /* user space says how many */
    __type(key, __u32);         /* as the kernel numbers threads */
    __type(value, struct call);
} calls SEC(".maps");

/* What futex() is to do; 0: it is another call, or an operation that is not known. */
static __always_inline __u32 futex_op(const struct pt_regs *user, __u32 nr)
{
    __u32 op = nr == futex_nr ? (REGS_ARGUMENT_2(user) & FUTEX_OP_MASK) + 1 : 0;
    return op <= FUTEX_OPS ? op : 0;
}

static __always_inline __u32 descriptor_of(const struct pt_regs *user, __u32 nr)
{
    __u64 word = nr / 64;
    asm volatile("" : "+r"(word)); /* as in count_call */
    bool has = nr < OSP_CALL_BITS && descriptor_calls[word & (OSP_CALL_BITS / 64 - 1)] >> nr % 64 & 1;
    return has ? (__u32)REGS_ARGUMENT_1(user) + 1 : 0;
}

SEC("tp_btf/sys_enter")
int on_call(__u64 *ctx)
{
    __u32 nr = ctx[1];
    if (nr < OSP_CALL_BITS && !(asked_calls[nr / 64 & (OSP_CALL_BITS / 64 - 1)] >> nr % 64 & 1))
        return 0;
    struct task_struct *task = bpf_get_current_task_btf();
    struct bpf_pidns_info ids = {0};
    if (!process_of(task, &ids))
        return 0;
    __u32 key = task->pid;
    const struct pt_regs *user = (struct pt_regs *)bpf_task_pt_regs(task);
    struct call call = {
        .begun = bpf_ktime_get_ns(), .nr = nr, .op = futex_op(user, nr), .descriptor = descriptor_of(user, nr)};
    if (bpf_map_update_elem(&calls, &key, &call, BPF_ANY))
        count(OSP_COUNT_NO_THREAD);
    return 0;
}

/* What is only counted, on each CPU for itself. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __uint(max_entries, CALLS); /* user space says how many */
    __type(key, osp_bpf_tally_key);
    __type(value, osp_bpf_tally);
} tallies SEC(".maps");

const osp_bpf_tally no_calls; /* too large for the stack */

static __always_inline void count_call(const struct call *call, __u32 error, __u64 ns, __u64 result)
{
    osp_bpf_tally_key key = {.nr = call->nr, .op = call->op, .error = error};
    osp_bpf_tally *t = bpf_map_lookup_elem(&tallies, &key);
    if (!t) {
        bpf_map_update_elem(&tallies, &key, &no_calls, BPF_NOEXIST);
        t = bpf_map_lookup_elem(&tallies, &key);
    }
    if (!t) {
        count(OSP_COUNT_LOST);
        return;
    }
    t->calls++;
    t->nothing += !error && !result;
    t->results += result;
    t->ns += ns;
    t->max_ns = ns > t->max_ns ? ns : t->max_ns;
    __u64 step = osp_bpf_time_step(ns);
    asm volatile("" : "+r"(step)); /* bounded right before its use, or the verifier loses sight of it */
    t->step[step & (OSP_STEPS - 1)]++;
}

/* The same by descriptor, of all calls: few bytes each, for there may be thousands. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __uint(max_entries, CALLS); /* user space says how many */
    __type(key, osp_bpf_used_key);
    __type(value, osp_bpf_used);
} used SEC(".maps");

static __always_inline void count_use(const struct call *call, __u32 error, __u64 ns, __u64 result)
{
    osp_bpf_used_key key = {.descriptor = call->descriptor, .nr = call->nr, .error = error};
    osp_bpf_used *u = bpf_map_lookup_elem(&used, &key);
    if (!u) {
        const osp_bpf_used none = {0};
        bpf_map_update_elem(&used, &key, &none, BPF_NOEXIST);
        u = bpf_map_lookup_elem(&used, &key);
    }
    if (!u) /* there are too many: the call still counts among all of its name */
        return;
    u->calls++;
    u->nothing += !error && !result;
    u->results += result;
    u->ns += ns;
}

SEC("tp_btf/sys_exit")
int on_return(__u64 *ctx)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct bpf_pidns_info ids = {0};
    __u32 key = task->pid, slot = SLOT_CALL;
    struct call *call = bpf_map_lookup_elem(&calls, &key);
    struct scratch *s = scratch_of(slot);
    osp_bpf_process *process = call && s ? process_of(task, &ids) : NULL;
    if (!process)
        return 0;
    __u64 now = bpf_ktime_get_ns(), begun = call->begun;
    __s64 result = ctx[1];
    __u32 error = result < 0 && result >= -MAX_ERRNO ? -result : 0;
    if (call->descriptor)
        count_use(call, error, now - begun, error ? 0 : result);
    struct budget *budget = budget_at(now);
    if (!budget) {
        count_call(call, error, now - begun, error ? 0 : result);
        bpf_map_delete_elem(&calls, &key);
        return 0;
    }
    begin(s, process, &ids, now);
    s->head.event = call_event;
    s->head.value[0] = now - begun;
    s->head.value[1] = error ? 0 : result;
    s->head.descriptor = call->descriptor;
    s->head.reason = (call->nr & OSP_REASON_CALL) | error << OSP_REASON_ERRNO | call->op << OSP_REASON_OP;
    bpf_map_delete_elem(&calls, &key);
    bpf_get_current_comm(s->head.comm, sizeof s->head.comm);
    walk_from_kernel(s, &slot, task, process);
    hash_stack(s, &slot);
    send(s);
    spend(budget, now);
    return 0;
}

#endif
