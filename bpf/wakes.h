/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* bpf/wakes.h: who wakes whom. Runs in the waker's place: its stack is walked if it is a thread of ours that is in a
 * system call. An interrupt's is not: the thread that it came upon has nothing to do with it. One that came upon a
 * system call is told by the kernel's part of the stack, in user space. */
#ifndef OSP_BPF_WAKES_H
#define OSP_BPF_WAKES_H

#include "switch.h"

const volatile __u16 wake_event = OSP_NO_EVENT;

/* Who wakes; its process if it is ours. */
static __always_inline osp_bpf_process *waker(struct scratch *s, struct task_struct *task, __s64 nr)
{
    struct bpf_pidns_info ids = {0};
    osp_bpf_process none = {0}, *process = NULL;
    __u32 who = OSP_WAKER_NONE;
    if (task->pid == 0 || task->flags & PF_KTHREAD) {
        who = OSP_WAKER_KERNEL;
    } else if (nr >= 0) {
        process = process_of(task, &ids);
        who = process ? OSP_WAKER_OURS : OSP_WAKER_OTHER;
    }
    if (!process)
        ids = (struct bpf_pidns_info){0};
    begin(s, process ? process : &none, &ids, bpf_ktime_get_ns());
    s->head.reason = (nr >= 0 && nr < OSP_REASON_CALLS ? nr + 1 : 0) | who << OSP_WAKER;
    return process;
}

static __always_inline void walk_waker(void *ctx, struct scratch *s, struct task_struct *task,
                                       osp_bpf_process *process)
{
    __u32 slot = SLOT_SCHED;
    take_kernel(ctx, s);
    s->head.nwords = s->head.nkernel;
    if (process)
        walk_from_kernel(s, &slot, task, process);
    hash_stack(s, &slot);
}

SEC("tp_btf/sched_waking")
int on_waking(__u64 *ctx)
{
    struct task_struct *task = bpf_get_current_task_btf();
    osp_bpf_thread *t = thread_of((struct task_struct *)ctx[0]);
    struct scratch *s = scratch_of(SLOT_SCHED);
    if (!t || !t->since || t->wake || !s || frozen)
        return 0;
    struct pt_regs *user = (struct pt_regs *)bpf_task_pt_regs(task);
    bool of_kernel = task->flags & PF_KTHREAD;
    osp_bpf_process *process = waker(s, task, of_kernel ? -1 : REGS_SYSCALL(user));
    bpf_get_current_comm(s->head.comm, sizeof s->head.comm);
    __u64 now = s->head.ktime_ns;
    struct budget *budget = budget_at(now);
    if (budget) {
        walk_waker(ctx, s, task, process);
        spend(budget, now);
    } else {
        s->head.end = OSP_UNWIND_BUDGET;
    }
    t->waker_stack = s->head.stack_hash;
    t->waker_pid = s->head.pid;
    t->waker_tid = s->head.tid;
    s->head.event = wake_event;
    s->head.peer_pid = t->pid;
    s->head.peer_tid = t->tid;
    s->head.peer_stack = t->stack_hash;
    if (wake_event != OSP_NO_EVENT || !is_known(s))
        send(s);
    return 0;
}

#endif
