/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* bpf/sample.h: what the sampler's two sides share: the raw sample and the tables. */
#ifndef OSP_BPF_SAMPLE_H
#define OSP_BPF_SAMPLE_H

#include "arch.h"
#include "rows.h"

enum {
    OSP_MAX_KERNEL = 127, /* what the kernel's own walk gives at most */
    OSP_MAX_USER = 1024,
    OSP_MAX_LABELS = 16,
    OSP_MAX_LABEL_KEY = 64,    /* bytes; longer ones are cut */
    OSP_MAX_LABEL_VALUE = 128, /* bytes */
    OSP_MAX_TABLES = 4096,     /* of unwind rows, each of one file or of several small ones */
    OSP_MAX_MAPPINGS = 65536,  /* of all processes */
    OSP_MAX_PROCESSES = 8192,
    OSP_STACK_COPY = 12288, /* bytes of stack sent up where code is not known yet */
    OSP_COPIES = 640,       /* of them, that a process may send until user space has answered with tables */
    OSP_RING =
        1 << 21, /* bytes; copies may fill half of it. It counts twice in osprey's memory: it is mapped twice */
};

/* What the kernel side hands up: this header, then words: kernel pcs, user pcs (each leaf first; return addresses are
 * already minus 1), then the labels, each a word {key bytes u16, value bytes u16} and the texts, padded to words. Words
 * that were handed up before, under the same hash, are left out. */
typedef struct osp_raw_sample {
    __u64 ktime_ns;   /* CLOCK_MONOTONIC */
    __u64 value[3];   /* ns on a CPU (or what else a perf event counts), ns blocked, ns runnable */
    __u64 goid;       /* 0 if not on a goroutine */
    __u64 m, curg;    /* addresses in the target; 0 if there is none */
    __u64 stack_hash; /* names the words; 0 = there are none */
    __u32 pid, tid, cpu;
    __u32 count; /* how many events it stands for */
    __u16 nkernel, nuser;
    __u16 end; /* osp_unwind_status: why the user walk stopped */
    __u16 nlabels;
    __u16 event;  /* its place in the recording's list of events; OSP_NO_EVENT: only words are handed up */
    __u16 unwind; /* 1: instead of user pcs and labels come pc, sp, fp, the registers by DWARF's numbers, the thread
                     pointer, and stack_bytes of the stack from sp on: user space unwinds it, since code was met that
                     has no table yet */
    __u32 reason;
    __u32 fp_steps;
    __u32 stack_bytes;
    __u32 nwords; /* words after this header */
    /* Of a wake-up: the thread that was woken, and the stack in which it slept. Of a wait: the thread that ended it, and the
     * stack from which it did. 0 = none is known. */
    __u32 peer_pid, peer_tid;
    __u32 descriptor; /* of a system call, + 1; 0 = it has none, or was not asked for */
    __u64 peer_stack;
    char comm[16]; /* "" = as before */
} osp_raw_sample;

_Static_assert(sizeof(osp_raw_sample) == 144, "shared between the kernel side and user space");

enum { OSP_NO_EVENT = 0xffff, OSP_UNWIND_WORDS = 4 + OSP_HOST_REGS };

/* Why user space is to unwind a stack. */
enum {
    OSP_UNWIND_COPY = 1, /* code was met that has no table yet */
    OSP_UNWIND_LIVE =
        2, /* the thread sleeps: its stack stands still, and is not copied; value[0] is the kernel's number of
                            the thread */
};

/* An executable mapping of a process, sorted by start within the process. */
typedef struct osp_bpf_mapping {
    __u64 start, end;
    __u64 base;  /* pc - base is a row's pc */
    __u32 table; /* index into the table of tables; OSP_NO_TABLE if there are no rows */
    __u32 first; /* of its rows there */
    __u32 nrows, unused;
} osp_bpf_mapping;

#define OSP_NO_TABLE 0xffffffffu

typedef struct osp_bpf_process {
    __u32 first, n;   /* its mappings; n = 0: not known yet */
    __u32 generation; /* another one each time that mappings are handed over, of whichever process */
    __u32 copies;     /* of its stacks that it may still send */
    __u32 asleep;     /* it is not sampled until its next exec */
    __u32 unused;
    osp_unwind_go go;
} osp_bpf_process;

/* Whose samples are taken. */
enum {
    OSP_SCOPE_TABLE,  /* of processes that stand in the table */
    OSP_SCOPE_CGROUP, /* of those in a cgroup or in one inside it */
    OSP_SCOPE_ALL,
};

typedef struct osp_bpf_config {
    __u32 scope;
    __u32 follow;    /* children of processes in the table come into the table */
    __u32 no_user;   /* no samples of user code */
    __u32 no_kernel; /* none of the kernel's */
    __u64 cgroup;    /* its id, which is the inode number of its folder */
    __u32 hierarchy; /* whose cgroup it is; 0: version 2's */
    __u32 own_pid;   /* osprey's, which is left out */
    __u64 since_ns;  /* CLOCK_MONOTONIC: what was before is not sampled */
    __u64 tick_ns;   /* the mean time between two ticks of a CPU's clock */
} osp_bpf_config;

/* Flag in an event's cookie, beside its place in the recording's list: a clock that ticks on each CPU. A sample stands for
 * the time since that CPU's last tick, whatever the period was: so periods may change as one likes. */
#define OSP_COOKIE_TICKS (1u << 31)
/* And: the state of its samples, which becomes their reason. */
#define OSP_COOKIE_EVENT 0xffff
#define OSP_COOKIE_STATE 16
#define OSP_COOKIE_STATES 15

/* Cookie of a probe on an allocator: from this bit on, how it is asked. */
#define OSP_COOKIE_HOW 16
enum osp_alloc {
    OSP_ALLOC_MALLOC,
    OSP_ALLOC_CALLOC,
    OSP_ALLOC_REALLOC,
    OSP_ALLOC_ALIGNED, /* (alignment, size) */
    OSP_ALLOC_POSIX,   /* (where to, alignment, size) */
    OSP_ALLOC_FREE,
    OSP_ALLOC_SPAN,          /* Go: a span for small objects, by its class */
    OSP_ALLOC_LARGE,         /* Go: one object, by its size */
    OSP_ALLOC_BY_STACK = 16, /* a flag: its arguments are on the stack (Go before 1.17) */
};

enum { OSP_ALLOC_THREADS = 1 << 14, OSP_ALLOC_LIVE = 1 << 15 };

/* What osprey itself has run so far, by CPU. It wakes at ticks, and sleeps again before the next one: it is never seen
 * running, and its time would be booked on those that are. */
enum { OSP_MAX_CPUS = 4096 };

/* A thread of a process that we know. All times CLOCK_MONOTONIC; since and cpu_from are exchanged atomically: a thread's
 * own switches and the iterator may meet. */
typedef struct osp_bpf_thread {
    __u64 since;                     /* off its CPU since then, or since the iterator's last visit; 0 = on one */
    __u64 wake;                      /* when it was woken; 0 = not yet */
    __u64 cpu_from;                  /* on a CPU: see above; 0 = off */
    __u64 owed_cpu;                  /* off: ns on a CPU that are in no sample yet */
    __u64 exec_ns;                   /* off: what it has run in its life, by the kernel's count */
    __u64 owed_wait;                 /* ns that it waited before it was first seen */
    __u64 stack_hash, goid, m, curg; /* where it was last seen */
    __u64 pc, sp;                    /* of that walk's first user frame */
    __u64 waker_stack;               /* of who woke it */
    __u32 waker_pid, waker_tid;      /* 0: nobody yet, or none that we know */
    __u32 pid, tid, reason;
    __u32 not_walked; /* its stack was not: it would have taken too much time */
    char comm[16];
} osp_bpf_thread;

/* Counters, by index. */
enum { OSP_COUNT_LOST, OSP_COUNT_FOREIGN, OSP_COUNT_NO_THREAD, OSP_COUNTS };

/* osp_raw_sample.reason of a system call: its number; from these bits on its errno, and the operation of a futex + 1.
 * value[0] is its time, value[1] its result where it did not fail. */
enum { OSP_REASON_CALL = 0xffff, OSP_REASON_ERRNO = 16, OSP_REASON_ERRNOS = 0xfff, OSP_REASON_OP = 28 };

/* The system calls that are asked for; those with greater numbers always are. */
enum { OSP_CALL_BITS = 512 };

/* Calls that are counted only, since walking a stack for each would take too much time. */
typedef struct osp_bpf_tally_key {
    __u32 nr;
    __u16 op, error; /* op: of a futex, + 1 */
} osp_bpf_tally_key;

/* Times are counted in steps of an eighth of a power of two. */
enum {
    OSP_STEP_EXACT = 16,
    OSP_STEP_BITS = 3,
    OSP_STEP_FIRST = 4,
    OSP_STEPS = 512
}; /* more than there are: a power of two */

typedef struct osp_bpf_tally {
    __u64 calls, nothing, results, ns, max_ns; /* nothing: returned 0; results: the sum of the others */
    __u32 step[OSP_STEPS];
} osp_bpf_tally;

/* All calls with one end on one descriptor, of the process that is sampled. */
typedef struct osp_bpf_used_key {
    __u32 descriptor; /* + 1 */
    __u16 nr, error;
} osp_bpf_used_key;

typedef struct osp_bpf_used {
    __u64 calls, nothing, results, ns;
} osp_bpf_used;

static inline __u32 osp_bpf_time_step(__u64 ns)
{
    if (ns < OSP_STEP_EXACT)
        return ns;
    __u32 power = 0; /* the highest bit */
    for (__u32 half = 32; half; half >>= 1)
        power += ns >> (power + half) ? half : 0;
    __u32 part = (ns >> (power - OSP_STEP_BITS)) & ((1 << OSP_STEP_BITS) - 1);
    return OSP_STEP_EXACT + ((power - OSP_STEP_FIRST) << OSP_STEP_BITS) + part;
}

/* osp_raw_sample.reason of a wake-up: the number of the waker's system call + 1, and who it is. */
enum { OSP_WAKER = 16 };
enum osp_waker {
    OSP_WAKER_NONE,   /* an interrupt: whoever ran there has nothing to do with it */
    OSP_WAKER_OURS,   /* a thread of a process that is sampled: the sample is of it */
    OSP_WAKER_OTHER,  /* a thread of another process */
    OSP_WAKER_KERNEL, /* a thread of the kernel, or an interrupt there */
};

/* osp_raw_sample.reason of a thread off the CPU: the number of its system call + 1 (0: it was in none), and an
 * osp_wait. */
enum {
    OSP_REASON_CALLS = 0xffff,
    OSP_REASON_WAIT = 16,    /* from that bit on */
    OSP_REASON_WAITS = 15,   /* the most */
    OSP_REASON_IO = 1 << 24, /* it waits for a disk */
};

enum osp_wait {
    OSP_WAIT_NONE,  /* it runs */
    OSP_WAIT_SLEEP, /* a signal could wake it */
    OSP_WAIT_DEEP,  /* none could: D in ps */
    OSP_WAIT_STOPPED,
    OSP_WAIT_PREEMPTED, /* from here on: it never ceased to be runnable */
    OSP_WAIT_THROTTLED, /* its cgroup has used up its time */
    OSP_WAIT_STARTING,
};

/* What all threads are visited for. */
enum { OSP_VISIT_NONE, OSP_VISIT_LOOK, OSP_VISIT_FIRST, OSP_VISIT_LAST };

#endif
