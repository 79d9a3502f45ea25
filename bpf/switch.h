/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* bpf/switch.h: time off the CPU, from the scheduler's own events.
 *
 *        sched_switch: out           sched_wakeup            sched_switch: in
 *   running ──────────────► blocked ──────────────► runnable ────────────────► running
 *           ────────────── preempted: runnable at once ──────────────────────►
 *
 * A thread's stack is walked when it leaves its CPU: it is the current one then. The sample goes up when it is back,
 * with the stack's hash, since only then its times are known. Threads that sleep already when we begin, and those that
 * still do at the end, are visited by an iterator over all tasks.
 *
 * Running time for wall clock profiles: cpu_from is the moment from which on a thread's CPU time is not yet in a sample,
 * moved on by what it was off the CPU. So the samples of a thread add up to its life, however rarely it ticks. */
#ifndef OSP_BPF_SWITCH_H
#define OSP_BPF_SWITCH_H

#include "walk.h"

const volatile __u16 off_cpu_event = OSP_NO_EVENT, wall_event = OSP_NO_EVENT, switch_event = OSP_NO_EVENT;
const volatile bool has_prev_state; /* sched_switch says the state since Linux 5.18 */

enum { SCHEDULE_BEFORE = 8 << 10, SCHEDULE_BEHIND = 36 << 10, TASK_DEAD = 0x80, THREADS = 1 };

__u64 schedule_pc; /* an address in __schedule, where every thread off the CPU stands */
__u32 visit;       /* what the iterator is for: OSP_VISIT_… */
__u64 visit_ns;
__u32 frozen; /* the end: nothing is counted any more but by the iterator */

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, THREADS); /* user space says how many */
    __type(key, __u32);           /* as the kernel numbers them */
    __type(value, osp_bpf_thread);
} threads SEC(".maps");

static __always_inline osp_bpf_thread *thread_of(struct task_struct *task)
{
    __u32 key = task->pid;
    return bpf_map_lookup_elem(&threads, &key);
}

/* A new entry; NULL if there is one meanwhile, or no room. */
static __always_inline osp_bpf_thread *new_thread(struct task_struct *task, const osp_bpf_thread *t)
{
    __u32 key = task->pid;
    if (bpf_map_update_elem(&threads, &key, t, BPF_NOEXIST)) {
        if (!bpf_map_lookup_elem(&threads, &key))
            count(OSP_COUNT_NO_THREAD);
        return NULL;
    }
    return bpf_map_lookup_elem(&threads, &key);
}

/* ---- kernel stacks and reasons ------------------------------------------------------------------------------- */

/* The functions that the kernel counts as its scheduler's stand together, behind __schedule. */
static __always_inline bool in_schedule(__u64 pc)
{
    return pc - schedule_pc + SCHEDULE_BEFORE < SCHEDULE_BEFORE + SCHEDULE_BEHIND;
}

/* The kernel's pcs from the scheduler's caller on, as the kernel itself shows stacks of sleeping threads. */
static __always_inline void switch_stack(struct scratch *s, void *ctx)
{
    enum { OWN_FRAMES = 16 };
    __s64 bytes = config.no_kernel ? 0 : bpf_get_stack(ctx, s->kernel, sizeof s->kernel, 0);
    __u32 skip = 0;
    bool met = false;
    if (bytes <= 0)
        return;
    for (__u32 i = 0; i < OWN_FRAMES; i++) {
        bool in = in_schedule(s->kernel[i]);
        if (met && !in)
            break;
        met |= in;
        skip = i + 1;
    }
    __u64 n = (__u64)bytes >> 3;
    if (!schedule_pc || !met || skip >= n)
        skip = 0;
    n -= skip;
    asm volatile("" : "+r"(n));
    n &= 127;
    bpf_probe_read_kernel(s->word, n * 8, &s->kernel[skip & (OWN_FRAMES - 1)]);
    s->head.nkernel = n;
}

static __always_inline bool is_throttled(struct task_struct *task)
{
    if (bpf_core_field_exists(task->throttled) && BPF_CORE_READ(task, throttled))
        return true;
    return bpf_core_field_exists(((struct cfs_rq *)0)->throttle_count) &&
           BPF_CORE_READ(task, se.cfs_rq, throttle_count) > 0;
}

/* Why it is off the CPU: bpf/sample.h. */
static __always_inline __u32 reason_of(struct task_struct *task, struct pt_regs *user, __u32 state, bool preempted)
{
    __s64 nr = REGS_SYSCALL(user);
    __u32 reason = nr >= 0 && nr < OSP_REASON_CALLS ? nr + 1 : 0;
    if (preempted || state == 0)
        reason |= (is_throttled(task) ? OSP_WAIT_THROTTLED : OSP_WAIT_PREEMPTED) << OSP_REASON_WAIT;
    else if (state & 0x0c) /* __TASK_STOPPED, __TASK_TRACED */
        reason |= OSP_WAIT_STOPPED << OSP_REASON_WAIT;
    else
        reason |= (state & 2 ? OSP_WAIT_DEEP : OSP_WAIT_SLEEP) << OSP_REASON_WAIT;
    return reason | (BPF_CORE_READ_BITFIELD_PROBED(task, in_iowait) ? OSP_REASON_IO : 0);
}

/* ---- samples ------------------------------------------------------------------------------------------------- */

/* A sample of what a thread did when it was last seen. */
static __always_inline void recall(struct scratch *s, const osp_bpf_thread *t, __u64 now)
{
    s->head = (osp_raw_sample){
        .ktime_ns = now,
        .goid = t->goid,
        .m = t->m,
        .curg = t->curg,
        .stack_hash = t->stack_hash,
        .pid = t->pid,
        .tid = t->tid,
        .end = t->not_walked ? OSP_UNWIND_BUDGET : OSP_UNWIND_ROOT,
        .count = 1,
        .reason = t->reason,
    };
    __builtin_memcpy(s->head.comm, t->comm, sizeof s->head.comm);
}

/* The parts of [since, until) before and after the wake-up. */
static __always_inline void split(struct scratch *s, const osp_bpf_thread *t, __u64 since, __u64 until)
{
    __u32 wait = t->reason >> OSP_REASON_WAIT & OSP_REASON_WAITS;
    __u64 wake = t->wake;
    if (wait >= OSP_WAIT_PREEMPTED || (wake && wake < since))
        wake = since;
    else if (!wake || wake > until)
        wake = until;
    s->head.value[1] = wake - since;
    s->head.value[2] = until - wake;
}

static __always_inline void send_head(struct scratch *s)
{
    if (bpf_ringbuf_output(&ring, &s->head, sizeof s->head, wakeup_flags()))
        count(OSP_COUNT_LOST);
}

static __always_inline void send_events(struct scratch *s)
{
    if (off_cpu_event != OSP_NO_EVENT) {
        s->head.event = off_cpu_event;
        send_head(s);
    }
    if (wall_event != OSP_NO_EVENT) {
        s->head.event = wall_event;
        send_head(s);
    }
}

/* It is back. */
static __always_inline void send_wait(struct scratch *s, const osp_bpf_thread *t, __u64 since, __u64 now)
{
    recall(s, t, now);
    split(s, t, since, now);
    s->head.peer_pid = t->waker_pid;
    s->head.peer_tid = t->waker_tid;
    s->head.peer_stack = t->waker_stack;
    send_events(s);
}

/* What it waited after the start and before it was first seen, as runnable: where its next stack stands. */
static __always_inline void send_early(struct scratch *s, osp_bpf_thread *t, __u64 now)
{
    recall(s, t, now);
    s->head.reason = OSP_WAIT_PREEMPTED << OSP_REASON_WAIT;
    s->head.value[2] = t->owed_wait;
    t->owed_wait = 0;
    send_events(s);
}

/* CPU time that no tick has counted. */
static __always_inline void send_rest(struct scratch *s, const osp_bpf_thread *t, __u64 ns, __u64 now)
{
    recall(s, t, now);
    s->head.value[0] = ns;
    s->head.count = 0;
    s->head.reason = 0;
    s->head.event = wall_event;
    send_head(s);
}

/* The thread runs, but nobody said that it was back: some hosts hide switches from tasks of their own. The kernel's count
 * of what it ran says since when. */
static __always_inline void catch_up(osp_bpf_thread *t, struct task_struct *task, __u64 now)
{
    struct scratch *s = scratch_of(SLOT_SCHED);
    __u64 since = __sync_lock_test_and_set(&t->since, 0);
    if (!since || !s)
        return;
    __u64 ran = task->se.sum_exec_runtime - t->exec_ns, back = ran < now - since ? now - ran : since;
    if (back > since)
        send_wait(s, t, since, back);
    __sync_lock_test_and_set(&t->cpu_from, back - t->owed_cpu);
}

/* ---- out ----------------------------------------------------------------------------------------------------- */

/* Walk the current thread, which leaves its CPU; its stack goes up if it is new. */
static __always_inline void see(void *ctx, struct scratch *s, osp_bpf_thread *t, struct task_struct *task,
                                osp_bpf_process *process)
{
    __u32 slot = SLOT_SCHED;
    struct pt_regs *user = (struct pt_regs *)bpf_task_pt_regs(task);
    __u64 now = s->head.ktime_ns;
    struct budget *budget = budget_at(now);
    t->not_walked = !budget;
    if (!budget) {
        t->stack_hash = 0;
        s->head.end = OSP_UNWIND_BUDGET;
        s->head.event = switch_event;
        if (switch_event != OSP_NO_EVENT)
            send(s);
        return;
    }
    switch_stack(s, ctx);
    begin_user_in_kernel(s, task, user);
    find_goroutine(s);
    /* An M of Go that looks for work: the scheduler's own stack, the same at the same place. */
    bool idle = s->head.m && !s->head.curg && t->stack_hash && t->m == s->head.m && !t->curg &&
                t->reason == s->head.reason && t->pc == REGS_PC(user) && t->sp == REGS_SP(user);
    if (idle && switch_event == OSP_NO_EVENT) {
        spend(budget, now);
        return;
    }
    if (task->flags & PF_IO_WORKER)
        s->head.nwords = s->head.nkernel;
    else
        walk_often(s, &slot, process);
    hash_stack(s, &slot);
    t->stack_hash = s->head.stack_hash;
    t->goid = s->head.goid;
    t->m = s->head.m;
    t->curg = s->head.curg;
    t->pc = REGS_PC(user);
    t->sp = REGS_SP(user);
    s->head.event = switch_event;
    if (switch_event != OSP_NO_EVENT || !is_known(s))
        send(s);
    spend(budget, now);
}

static __always_inline void leave(__u64 *ctx, struct task_struct *task, __u64 now)
{
    __u32 state = has_prev_state ? (__u32)ctx[3] : task->__state, key = task->pid;
    if (key == 0 || task->flags & PF_KTHREAD)
        return;
    osp_bpf_thread *t = thread_of(task);
    struct scratch *s = scratch_of(SLOT_SCHED);
    struct bpf_pidns_info ids = {0};
    if (!s)
        return;
    if (t && t->since)
        catch_up(t, task, now);
    if (state & TASK_DEAD) {
        if (t && wall_event != OSP_NO_EVENT && t->cpu_from)
            send_rest(s, t, now - t->cpu_from, now);
        bpf_map_delete_elem(&threads, &key);
        return;
    }
    osp_bpf_process *process = process_of(task, &ids);
    if (!process) {
        if (t)
            bpf_map_delete_elem(&threads, &key);
        return;
    }
    if (!t) {
        s->thread = (osp_bpf_thread){.pid = ids.tgid, .tid = ids.pid};
        t = new_thread(task, &s->thread);
        if (!t)
            return;
    }
    __u64 from = __sync_lock_test_and_set(&t->cpu_from, 0);
    t->owed_cpu = from ? now - from : 0;
    struct pt_regs *user = (struct pt_regs *)bpf_task_pt_regs(task);
    begin(s, process, &ids, now);
    bpf_probe_read_kernel(s->head.comm, sizeof s->head.comm, task->comm);
    s->head.reason = reason_of(task, user, state, ctx[0]);
    see(ctx, s, t, task, process);
    t->reason = s->head.reason;
    t->wake = t->waker_stack = 0;
    t->exec_ns = task->se.sum_exec_runtime;
    __builtin_memcpy(t->comm, s->head.comm, sizeof t->comm);
    if (t->owed_wait)
        send_early(s, t, now);
    __sync_lock_test_and_set(&t->since, now);
}

/* ---- in ------------------------------------------------------------------------------------------------------ */

static __always_inline void arrive(struct task_struct *task, __u64 now)
{
    struct bpf_pidns_info ids = {0};
    osp_bpf_thread *t = thread_of(task);
    struct scratch *s = scratch_of(SLOT_SCHED);
    if (!s || task->pid == 0)
        return;
    if (!t) {
        if (task->flags & PF_KTHREAD || !process_of(task, &ids))
            return;
        s->thread = (osp_bpf_thread){.pid = ids.tgid, .tid = ids.pid, .cpu_from = now};
        if (visit == OSP_VISIT_FIRST && now > visit_ns) /* the iterator had not come to it */
            s->thread.owed_wait = now - visit_ns;
        new_thread(task, &s->thread);
        return;
    }
    __u64 since = __sync_lock_test_and_set(&t->since, 0);
    if (since && since < now)
        send_wait(s, t, since, now);
    __sync_lock_test_and_set(&t->cpu_from, now - t->owed_cpu);
}

SEC("tp_btf/sched_switch")
int on_switch(__u64 *ctx)
{
    __u64 now = bpf_ktime_get_ns();
    if (frozen)
        return 0;
    leave(ctx, (struct task_struct *)ctx[1], now);
    arrive((struct task_struct *)ctx[2], now);
    return 0;
}

SEC("tp_btf/sched_wakeup")
int on_wakeup(__u64 *ctx)
{
    osp_bpf_thread *t = thread_of((struct task_struct *)ctx[0]);
    if (t && t->since && !t->wake)
        t->wake = bpf_ktime_get_ns();
    return 0;
}

/* A thread starts: until it has a CPU, the stack is that of who started it. */
SEC("tp_btf/sched_wakeup_new")
int on_start(__u64 *ctx)
{
    struct task_struct *task = (struct task_struct *)ctx[0], *parent = bpf_get_current_task_btf();
    struct bpf_pidns_info ids = {0};
    struct scratch *s = scratch_of(SLOT_SCHED);
    osp_bpf_process *process = task->flags & PF_KTHREAD ? NULL : process_of(task, &ids);
    if (!process || !s || frozen || parent->tgid != task->tgid)
        return 0;
    __u64 now = bpf_ktime_get_ns();
    begin(s, process, &ids, now);
    s->head.reason = OSP_WAIT_STARTING << OSP_REASON_WAIT;
    s->thread = (osp_bpf_thread){.since = now, .pid = ids.tgid, .tid = ids.pid, .reason = s->head.reason};
    bpf_probe_read_kernel(s->thread.comm, sizeof s->thread.comm, task->comm);
    osp_bpf_thread *t = new_thread(task, &s->thread);
    if (t)
        see(ctx, s, t, parent, process);
    return 0;
}

/* The CPU time that a tick of the wall clock stands for. */
static __always_inline __u64 unticked(struct scratch *s, struct task_struct *task)
{
    osp_bpf_thread *t = thread_of(task);
    __u64 now = s->head.ktime_ns;
    if (!t) {
        s->thread = (osp_bpf_thread){.pid = s->head.pid, .tid = s->head.tid, .cpu_from = now};
        new_thread(task, &s->thread);
        return s->head.value[0];
    }
    if (t->since)
        catch_up(t, task, now);
    __u64 from = __sync_lock_test_and_set(&t->cpu_from, now);
    t->stack_hash = s->head.stack_hash;
    t->goid = s->head.goid;
    t->m = s->head.m;
    t->curg = s->head.curg;
    t->pc = 0;
    __builtin_memcpy(t->comm, s->head.comm, sizeof t->comm);
    return from && from < now ? now - from : 0;
}

/* ---- all threads, at the start and at the end of what is recorded --------------------------------------------- */

static __always_inline bool write(struct seq_file *seq, struct scratch *s, __u64 words)
{
    asm volatile("" : "+r"(words));
    words &= WORDS - 1;
    return bpf_seq_write(seq, s, sizeof s->head + words * 8) == 0;
}

/* A thread that is off its CPU since before the start. Its registers and kernel stack go up, user space reads on. */
static __always_inline void visit_first(struct seq_file *seq, struct scratch *s, struct task_struct *task)
{
    struct bpf_pidns_info ids = {0};
    osp_bpf_process *process = process_of(task, &ids);
    __u32 slot = SLOT_ITER;
    if (!process || thread_of(task))
        return;
    s->thread = (osp_bpf_thread){.pid = ids.tgid, .tid = ids.pid};
    bpf_probe_read_kernel(s->thread.comm, sizeof s->thread.comm, task->comm);
    if (task->on_cpu) {
        s->thread.cpu_from = visit_ns;
        new_thread(task, &s->thread);
        return;
    }
    struct pt_regs *user = (struct pt_regs *)bpf_task_pt_regs(task);
    begin(s, process, &ids, visit_ns);
    s->head.event = OSP_NO_EVENT;
    s->head.value[0] = task->pid;
    s->head.reason = reason_of(task, user, task->__state, false);
    __s64 bytes = config.no_kernel ? 0 : bpf_get_task_stack(task, s->word, OSP_MAX_KERNEL * 8, 0);
    if (bytes > 0)
        s->head.nkernel = (__u64)bytes >> 3;
    begin_user_in_kernel(s, task, user);
    s->leaf = s->u;
    s->head.nwords = s->head.nkernel;
    if (!config.no_user)
        copy_stack(s, &slot, 0);
    hash_stack(s, &slot);
    s->thread.stack_hash = s->head.stack_hash;
    s->thread.reason = s->head.reason;
    s->thread.since = visit_ns;
    s->thread.exec_ns = task->se.sum_exec_runtime;
    if (write(seq, s, s->head.nwords)) /* else we come again */
        new_thread(task, &s->thread);
}

/* What a thread has waited and run until now, without its next switch. Where the output is full we come again. */
static __always_inline void visit_last(struct seq_file *seq, struct scratch *s, struct task_struct *task)
{
    osp_bpf_thread *t = thread_of(task);
    if (!t)
        return;
    __u64 since = t->since, from = t->cpu_from, owed = t->owed_cpu, until = visit_ns;
    if (since && since < until && __sync_val_compare_and_swap(&t->since, since, until) == since) {
        recall(s, t, until);
        split(s, t, since, until);
        s->head.event = off_cpu_event;
        bool ok = off_cpu_event == OSP_NO_EVENT || write(seq, s, 0);
        s->head.event = wall_event;
        if (!ok || (wall_event != OSP_NO_EVENT && !write(seq, s, 0))) {
            __sync_val_compare_and_swap(&t->since, until, since);
            return;
        }
    }
    if (wall_event == OSP_NO_EVENT)
        return;
    __u64 ns = 0;
    if (from && from < until && __sync_val_compare_and_swap(&t->cpu_from, from, until) == from)
        ns = until - from;
    else if (!from && owed && __sync_val_compare_and_swap(&t->owed_cpu, owed, 0) == owed)
        ns = owed;
    if (!ns)
        return;
    recall(s, t, until);
    s->head.value[0] = ns;
    s->head.count = 0;
    s->head.reason = 0;
    s->head.event = wall_event;
    if (write(seq, s, 0))
        return;
    if (from)
        __sync_val_compare_and_swap(&t->cpu_from, until, from);
    else
        __sync_val_compare_and_swap(&t->owed_cpu, 0, owed);
}

/* Where in __schedule a thread off its CPU stands. */
static __always_inline __u64 switched_at(struct task_struct *task)
{
#if OSP_AARCH64
    __u64 pc = 0; /* __switch_to's caller; the kernel signs return addresses, too */
    bpf_probe_read_kernel(&pc, sizeof pc, (const void *)(task->thread.cpu_context.fp + 8));
    return pc ? pc | 0xffff000000000000ull : 0;
#else
    if (!bpf_core_type_exists(struct inactive_task_frame))
        return 0;
    return BPF_CORE_READ((struct inactive_task_frame *)task->thread.sp, ret_addr);
#endif
}

SEC("iter/task")
int each_task(struct bpf_iter__task *ctx)
{
    struct task_struct *task = ctx->task;
    struct scratch *s = scratch_of(SLOT_ITER);
    if (!task || !s)
        return 0;
    if (visit == OSP_VISIT_LOOK) {
        if (!schedule_pc && !task->on_cpu && task->__state & 3)
            schedule_pc = switched_at(task);
        return 0;
    }
    if (task->flags & PF_KTHREAD)
        return 0;
    if (visit == OSP_VISIT_FIRST)
        visit_first(ctx->meta->seq, s, task);
    else
        visit_last(ctx->meta->seq, s, task);
    return 0;
}

#endif
