/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* bpf/park.h: what the two sides of the exact way share: goroutines park and go on, each time is summed. */
#ifndef OSP_BPF_PARK_H
#define OSP_BPF_PARK_H

enum {
    OSP_PARKED_MOST = 1 << 18, /* goroutines that are parked at one time */
    OSP_PARK_SUMS = 1 << 16,
    OSP_PARK_STACKS = 1 << 13,
    OSP_PARK_DEPTH = 127, /* frames that the kernel's own walk gives */
};

/* Where and why a goroutine parked. */
typedef struct osp_park {
    __u64 goid;   /* 0: goroutines are not told apart */
    __u64 caller; /* who called gopark: the kernel's walk begins above it */
    __u32 stack; /* id in the map of stacks; from OSP_PARK_BEFORE on: of a goroutine that had parked before we came */
    __u32 waitreason;
} osp_park;

#define OSP_PARK_BEFORE 0x80000000u
#define OSP_PARK_NO_STACK 0x7fffffffu

typedef struct osp_parked {
    osp_park park;
    __u64 since_ns; /* CLOCK_MONOTONIC */
} osp_parked;

typedef struct osp_park_sum {
    __u64 ns, n;
} osp_park_sum;

/* Counters, by index. */
enum { OSP_PARK_HITS, OSP_PARK_LOST, OSP_PARK_COUNTS };

#endif
