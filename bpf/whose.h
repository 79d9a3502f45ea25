/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* bpf/whose.h: whose samples are taken: which processes are wanted, and what pids they have where osprey runs. The
 * includer has the map of processes. */
#ifndef OSP_BPF_WHOSE_H
#define OSP_BPF_WHOSE_H

volatile osp_bpf_config config;
volatile __u64 own_ns[OSP_MAX_CPUS];

enum { MOST_LEVELS = 32, MOST_CONTROLLERS = 24, DEEPEST_CGROUP = 64 };

/* The number of a thread (or, by its group's leader, of its process) in osprey's namespace; 0: it has none there. The
 * helper of the kernel refuses tasks of other namespaces, also of those inside ours. */
static __u32 pid_here(struct task_struct *task)
{
    if (pidns_is_first)
        return task->pid;
    struct pid *p = task->thread_pid;
    __u32 level = p ? p->level : 0;
    const char *at = (const char *)p + bpf_core_field_offset(struct pid, numbers);
    for (__u32 i = 0; p && i < MOST_LEVELS && i <= level; i++) {
        struct upid *number = (struct upid *)(at + i * bpf_core_type_size(struct upid));
        struct pid_namespace *ns = BPF_CORE_READ(number, ns);
        if (BPF_CORE_READ(ns, ns.inum) == pidns_ino)
            return BPF_CORE_READ(number, nr);
    }
    return 0;
}

/* Is the task in the cgroup that is asked for, or in one inside it? */
static bool in_cgroup(struct task_struct *task)
{
    struct css_set *set = task->cgroups;
    struct cgroup *c = NULL;
    if (config.hierarchy == 0) {
        c = BPF_CORE_READ(set, dfl_cgrp);
    } else {
        const char *each = (const char *)set + bpf_core_field_offset(struct css_set, subsys);
        for (__u32 i = 0; i < MOST_CONTROLLERS && i < bpf_core_field_size(set->subsys) / sizeof(void *); i++) {
            struct cgroup_subsys_state *css = NULL;
            bpf_probe_read_kernel(&css, sizeof css, each + i * sizeof css);
            struct cgroup *one = css ? BPF_CORE_READ(css, cgroup) : NULL;
            if (one && BPF_CORE_READ(one, root, hierarchy_id) == (int)config.hierarchy) {
                c = one;
                break;
            }
        }
    }
    for (int i = 0; i < DEEPEST_CGROUP && c; i++) {
        if (BPF_CORE_READ(c, kn, id) == config.cgroup)
            return true;
        struct cgroup_subsys_state *parent = BPF_CORE_READ(c, self.parent);
        c = parent ? BPF_CORE_READ(parent, cgroup) : NULL;
    }
    return false;
}

/* A process that user space has not answered for yet. */
static osp_bpf_process *new_process(__u32 pid)
{
    osp_bpf_process fresh = {.copies = OSP_COPIES};
    bpf_map_update_elem(&processes, &pid, &fresh, BPF_ANY);
    return bpf_map_lookup_elem(&processes, &pid);
}

/* The entry of a task's process, if its samples are wanted. */
static osp_bpf_process *wanted(struct task_struct *task, __u32 pid)
{
    if (pid == 0 || pid == config.own_pid || (config.scope == OSP_SCOPE_CGROUP && !in_cgroup(task)))
        return NULL;
    osp_bpf_process *p = bpf_map_lookup_elem(&processes, &pid);
    if (!p)
        return config.scope == OSP_SCOPE_TABLE ? NULL : new_process(pid);
    return p->asleep ? NULL : p;
}

/* A thread of the kernel; a task that is ending and has given its memory back, or that is in the middle of an exec, between
 * the old program's memory and the new one's. Its kernel stack is all there is. */
static __always_inline bool has_no_user_side(struct task_struct *task)
{
    return task->flags & PF_KTHREAD || !task->mm ||
           (bpf_core_field_exists(task->in_execve) && BPF_CORE_READ_BITFIELD_PROBED(task, in_execve));
}

/* How much of a stack may this process send, in KiB? Copies are 100 times as large as samples: a process whose tables never
 * come must not drown the others. While user space is busy with many processes the last of the room is for brief ones. */
static __always_inline __u32 copy_chunks(const osp_bpf_process *p)
{
    enum { ALL = OSP_STACK_COPY / 1024, BRIEF = 2 };
    __u64 waiting = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);
    if (waiting >= OSP_RING / 8 * 7)
        return 0;
    if (p->copies)
        return waiting < OSP_RING / 2 ? ALL : BRIEF;
    return p->n ? 0 : BRIEF;
}

#endif
