/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* bpf/sample.h: what the sampler's two sides share: the raw sample and the tables. */
#ifndef OSP_BPF_SAMPLE_H
#define OSP_BPF_SAMPLE_H

#include "rows.h"

enum {
    OSP_MAX_KERNEL = 127, /* what the kernel's own walk gives at most */
    OSP_MAX_USER = 1024,
    OSP_MAX_LABELS = 16,
    OSP_MAX_LABEL_KEY = 64,    /* bytes; longer ones are cut */
    OSP_MAX_LABEL_VALUE = 128, /* bytes */
    OSP_MAX_OBJECTS = 4096,    /* unwind tables */
    OSP_MAX_MAPPINGS = 65536,  /* of all processes */
    OSP_MAX_PROCESSES = 1024,
    OSP_STACK_COPY = 12288, /* bytes of stack sent up where code is not known yet */
};

/* What the kernel side hands up: this header, then words: kernel pcs, user pcs (each leaf first; return addresses are
 * already minus 1), then the labels, each a word {key bytes u16, value bytes u16} and the texts, padded to words. */
typedef struct osp_raw_sample {
    __u64 ktime_ns; /* CLOCK_MONOTONIC */
    __u64 value[2]; /* what the sample stands for, as its event defines it: ns of CPU time, a number of faults */
    __u64 goid;     /* 0 if not on a goroutine */
    __u64 m, curg;  /* addresses in the target; 0 if there is none */
    __u32 pid, tid, cpu;
    __u16 nkernel, nuser;
    __u16 end; /* osp_unwind_status: why the user walk stopped */
    __u16 nlabels;
    __u32 event; /* its place in the recording's list of events */
    __u32 reason;
    __u32 fp_steps;
    __u32 stack_bytes; /* != 0: instead of user pcs and labels come the words pc, sp, fp, r10 and this much of the
                          stack from sp on: code was met that has no table yet, user space unwinds it */
    __u32 nwords;      /* words after this header */
    __u64 tls;         /* thread pointer */
    char comm[16];
} osp_raw_sample;

_Static_assert(sizeof(osp_raw_sample) == 112, "shared between the kernel side and user space");

/* An executable mapping of a process, sorted by start within the process. */
typedef struct osp_bpf_mapping {
    __u64 start, end;
    __u64 base;  /* pc - base is a row's pc */
    __u32 table; /* index into the table of tables; OSP_NO_TABLE if there are no rows */
    __u32 nrows;
} osp_bpf_mapping;

#define OSP_NO_TABLE 0xffffffffu

typedef struct osp_bpf_process {
    __u32 first, n; /* its mappings */
    osp_unwind_go go;
} osp_bpf_process;

/* Counters, by index. */
enum { OSP_COUNT_LOST, OSP_COUNT_FOREIGN, OSP_COUNTS };

#endif
