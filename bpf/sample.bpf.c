/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* bpf/sample.bpf.c: the sampler. on_tick runs at each sample of a perf event in a thread of a process we know:
 * kernel stack, user stack by unwind rows, goroutine and labels, one record into the ring buffer. */
#include "allocs.h"
#include "calls.h"
#include "points.h"
#include "wakes.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct tick {
    __u64 at_ns, own_ns; /* CLOCK_MONOTONIC; what osprey had run by then */
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct tick);
} last_tick SEC(".maps");

/* Since this CPU's last tick, osprey's own time left out. A tick may come late (an idle CPU's, a guest's whose host had
 * other work): what lies before two usual periods is not this thread's. */
static __always_inline __u64 since_last_tick(__u64 now)
{
    __u32 zero = 0, cpu = bpf_get_smp_processor_id();
    struct tick *last = bpf_map_lookup_elem(&last_tick, &zero);
    if (!last || cpu >= OSP_MAX_CPUS)
        return 0;
    __u64 own = own_ns[cpu], from = last->at_ns, left_out = own - last->own_ns;
    if (from < config.since_ns) {
        from = config.since_ns;
        left_out = 0;
    }
    *last = (struct tick){now, own};
    __u64 ns = now > from + left_out ? now - from - left_out : 0, most = 2 * config.tick_ns;
    return ns < most ? ns : most;
}

SEC("perf_event")
int on_tick(struct bpf_perf_event_data *ctx)
{
    struct task_struct *task = bpf_get_current_task_btf();
    __u64 cookie = bpf_get_attach_cookie(ctx), now = bpf_ktime_get_ns(), value = ctx->sample_period;
    __u32 slot = SLOT_EVENT;
    struct bpf_pidns_info ids = {0};
    if (!current_ids(&ids) && !(cookie & OSP_COOKIE_TICKS))
        return 0;
    if (ids.tgid && ids.tgid == config.own_pid)
        return 0; /* the time before osprey ran is the next tick's */
    if (cookie & OSP_COOKIE_TICKS)
        value = since_last_tick(now);
    if (ids.tgid == 0 || (REGS_OF_USER(&ctx->regs) ? config.no_user : config.no_kernel))
        return 0;
    osp_bpf_process *process = wanted(task, ids.tgid);
    if (!process) {
        count(OSP_COUNT_FOREIGN);
        return 0;
    }
    struct scratch *s = scratch_of(slot);
    if (!s)
        return 0;
    begin(s, process, &ids, now);
    s->head.value[0] = value;
    s->head.event = cookie & OSP_COOKIE_EVENT;
    s->head.reason = cookie >> OSP_COOKIE_STATE & OSP_COOKIE_STATES;
    bpf_get_current_comm(s->head.comm, sizeof s->head.comm);

    /* Volatile: the verifier wants each context load as it stands, not through one merged pointer. */
    const volatile struct osp_user_regs *r = &ctx->regs;
    if (REGS_OF_USER(r)) {
        begin_user(s, task, true);
        TAKE_REGS(&s->u, r);
    } else { /* interrupted in the kernel: the user's registers are at the bottom of the kernel stack */
        take_kernel(ctx, s);
        begin_user_in_kernel(s, task, (struct pt_regs *)bpf_task_pt_regs(task));
    }
    find_goroutine(s);
    walk_user(s, &slot, process);
    hash_stack(s, &slot);
    if (s->head.event == wall_event && frozen)
        return 0;
    if (s->head.event == wall_event)
        s->head.value[0] = unticked(s, task);
    send(s);
    return 0;
}

/* A child of a process that is wanted is wanted from its first instruction. */
SEC("tp_btf/sched_process_fork")
int on_fork(__u64 *ctx)
{
    struct task_struct *parent = (struct task_struct *)ctx[0], *child = (struct task_struct *)ctx[1];
    if (!config.follow || parent->tgid == child->tgid)
        return 0;
    __u32 of = pid_here(parent->group_leader), pid = pid_here(child);
    if (pid && bpf_map_lookup_elem(&processes, &of))
        new_process(pid);
    return 0;
}

/* What was known of the process's code is no longer true. */
SEC("tp_btf/sched_process_exec")
int on_exec(__u64 *ctx)
{
    struct task_struct *task = (struct task_struct *)ctx[0];
    __u32 pid = pid_here(task->group_leader);
    if (bpf_map_lookup_elem(&processes, &pid))
        new_process(pid);
    return 0;
}
