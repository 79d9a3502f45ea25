/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* bpf/sample.bpf.c: the sampler. on_tick runs at each sample of a perf event in a thread of a process we know:
 * kernel stack, user stack by unwind rows, goroutine and labels, one record into the ring buffer. */
#include "walk.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("perf_event")
int on_tick(struct bpf_perf_event_data *ctx)
{
    struct bpf_pidns_info ids = {0};
    if (!current_ids(&ids))
        return 0;
    __u32 pid = ids.tgid, slot = SLOT_EVENT;
    osp_bpf_process *process = bpf_map_lookup_elem(&processes, &pid);
    if (!process) {
        count(OSP_COUNT_FOREIGN);
        return 0;
    }
    struct scratch *s = scratch_of(slot);
    if (!s)
        return 0;
    begin(s, process, &ids, bpf_ktime_get_ns());
    s->head.value[0] = ctx->sample_period;
    s->head.event = bpf_get_attach_cookie(ctx);
    bpf_get_current_comm(s->head.comm, sizeof s->head.comm);

    struct task_struct *task = bpf_get_current_task_btf();
    /* Volatile: the verifier wants each context load as it stands, not through one merged pointer. */
    const volatile struct osp_user_regs *r = &ctx->regs;
    if (r->cs & 3) {
        begin_user(s, task, r->ip, r->sp, r->bp, r->r10);
    } else { /* interrupted in the kernel: the user's registers are at the bottom of the kernel stack */
        __s64 bytes = bpf_get_stack(ctx, s->word, OSP_MAX_KERNEL * 8, 0);
        if (bytes > 0)
            s->head.nkernel = (__u64)bytes >> 3;
        struct pt_regs *user = (struct pt_regs *)bpf_task_pt_regs(task);
        begin_user(s, task, user->ip, user->sp, user->bp, user->r10);
    }
    find_goroutine(s);
    walk_user(s, &slot, true);
    hash_stack(s, &slot);
    send(s);
    return 0;
}
