/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* bpf/kernel.h: the kernel types that our programs use, declared by hand with only the fields used. CO-RE finds the
 * real offsets when the program is loaded, so no header of one kernel is needed to build. */
#ifndef OSP_BPF_KERNEL_H
#define OSP_BPF_KERNEL_H

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

enum {
    BPF_MAP_TYPE_HASH = 1,
    BPF_MAP_TYPE_ARRAY = 2,
    BPF_MAP_TYPE_PERCPU_HASH = 5,
    BPF_MAP_TYPE_PERCPU_ARRAY = 6,
    BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
    BPF_MAP_TYPE_RINGBUF = 27,
};
enum { BPF_F_MMAPABLE = 1 << 10, BPF_F_INNER_MAP = 1 << 12 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };
enum { BPF_RB_AVAIL_DATA = 0 };
enum { BPF_ANY = 0, BPF_NOEXIST = 1 };

/* include/linux/sched.h */
#define PF_IO_WORKER 0x00000010
#define PF_KTHREAD 0x00200000

#include "regs.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
    unsigned int inum;
};

struct pid_namespace {
    struct ns_common ns;
};

struct upid {
    int nr;
    struct pid_namespace *ns;
};

struct pid {
    unsigned int level;
    struct upid numbers[1]; /* level + 1 of them */
};

struct kernfs_node {
    __u64 id;
};

struct cgroup_root {
    int hierarchy_id;
};

struct cgroup;

struct cgroup_subsys_state {
    struct cgroup *cgroup;
    struct cgroup_subsys_state *parent;
};

struct cgroup {
    struct cgroup_subsys_state self;
    struct kernfs_node *kn;
    struct cgroup_root *root;
};

struct css_set {
    struct cgroup_subsys_state *subsys[1]; /* one a controller */
    struct cgroup *dfl_cgrp;
};

struct cfs_rq {
    int throttle_count;
};

struct sched_entity {
    __u64 sum_exec_runtime;
    struct cfs_rq *cfs_rq;
};

struct task_struct {
    unsigned int flags;
    unsigned int __state; /* since Linux 5.14 */
    int on_cpu;
    unsigned int in_execve : 1;
    unsigned int in_iowait : 1;
    bool throttled; /* since Linux 6.18 */
    char comm[16];
    void *mm;
    int pid, tgid;
    struct task_struct *group_leader;
    struct pid *thread_pid;
    struct css_set *cgroups;
    struct sched_entity se;
    struct thread_struct thread;
};

struct seq_file;

struct bpf_iter_meta {
    struct seq_file *seq;
};

struct bpf_iter__task {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
};

#pragma clang attribute pop

/* The context of a perf_event program, uapi/linux/bpf_perf_event.h. */
struct bpf_perf_event_data {
    struct osp_user_regs regs;
    __u64 sample_period;
    __u64 addr;
};

struct bpf_pidns_info {
    __u32 pid, tgid;
};

#endif
