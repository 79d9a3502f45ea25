/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* bpf/points.h: any tracepoint of the kernel: a sample of the thread that runs there. */
#ifndef OSP_BPF_POINTS_H
#define OSP_BPF_POINTS_H

#include "walk.h"

SEC("tracepoint")
int on_point(void *ctx)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct bpf_pidns_info ids = {0};
    __u32 slot = SLOT_POINT;
    struct scratch *s = scratch_of(slot);
    osp_bpf_process *process = s ? process_of(task, &ids) : NULL;
    if (!process)
        return 0;
    __u64 now = bpf_ktime_get_ns();
    struct budget *budget = budget_at(now);
    begin(s, process, &ids, now);
    s->head.event = bpf_get_attach_cookie(ctx);
    s->head.value[0] = 1;
    bpf_get_current_comm(s->head.comm, sizeof s->head.comm);
    if (!budget) {
        s->head.end = OSP_UNWIND_BUDGET;
        send(s);
        return 0;
    }
    if (!config.no_kernel)
        take_kernel(ctx, s);
    walk_from_kernel(s, &slot, task, process);
    hash_stack(s, &slot);
    send(s);
    spend(budget, now);
    return 0;
}

#endif
