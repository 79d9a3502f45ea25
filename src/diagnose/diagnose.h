/* SPDX-License-Identifier: Apache-2.0 */
/* diagnose/diagnose.h: facts before verdicts. Facts are collected once, from a live process or by a test; rules are
 * pure functions over facts; findings are ranked.
 *
 * A share is a fraction 0 .. 1 of the CPU time sampled in the process unless it says otherwise. */
#ifndef OSP_DIAGNOSE_H
#define OSP_DIAGNOSE_H

#include "base/buf.h"
#include "goruntime/goruntime.h"
#include "model/model.h"
#include "object/object.h"
#include "sample/sample.h"
#include "target/target.h"

/* Where CPU time goes, by the leaf of each sample and by what called it. */
typedef enum {
    OSP_IN_GO_USER,      /* Go code outside the runtime, standard library included */
    OSP_IN_GO_SCHEDULER, /* runtime: finding, parking, waking */
    OSP_IN_GO_GC,        /* runtime: marking, sweeping, assists */
    OSP_IN_GO_ALLOC,     /* runtime: allocation */
    OSP_IN_GO_OTHER,     /* runtime: all else (maps, channels, memmove, cgo crossing …) */
    OSP_IN_CGO_C,        /* native code under a cgo call */
    OSP_IN_C,            /* other native code */
    OSP_IN_VDSO,
    OSP_IN_KERNEL,
    OSP_IN_UNKNOWN, /* anonymous code (JIT), or no code known at the address */
    OSP_IN_DOMAINS,
} osp_domain;

const char *osp_domain_text(osp_domain d); /* "C under cgo", "Go user" … */

/* What a function activation is, for deciding who is to blame: a user function, or something below it. */
typedef enum {
    OSP_CALL_UNKNOWN, /* no code known at the address: anonymous mapping, unreadable file */
    OSP_CALL_GO,      /* Go: the program's own and third-party packages */
    OSP_CALL_STD,     /* Go: standard library */
    OSP_CALL_RUNTIME, /* Go: package runtime and what belongs to it */
    OSP_CALL_CGO,     /* glue that cgo made, on either side */
    OSP_CALL_C,       /* native code that is not a system library */
    OSP_CALL_LIB,     /* libc, libm, libpthread, ld.so, libstdc++ … */
    OSP_CALL_VDSO,
    OSP_CALL_KERNEL,
} osp_call_kind;

typedef struct {
    osp_str func, file, module; /* module: the file's base name; "[vdso]", "[kernel]" */
    int32_t line;               /* 0 if unknown */
    osp_call_kind kind;
    bool named; /* func is a name, not "libx.so+0x1139" */
} osp_call;

/* What kind of code this is. A pure function of the names. */
osp_call_kind osp_call_kind_of(bool is_go, osp_str func, osp_str file, osp_str module);

/* Samples of one stack on one thread and goroutine. */
typedef struct {
    const osp_call *call; /* leaf first, inlined ones included */
    uint32_t ncall;
    int tid;
    uint64_t goid; /* 0: on no goroutine */
    uint64_t samples;
    double share;
    osp_domain in;
    bool complete; /* reaches the thread's or goroutine's entry, as far as names tell */
} osp_stack_fact;

/* The domain of a stack, by its leaf and what called it. on_m: the thread belongs to the Go runtime. */
osp_domain osp_domain_of(const osp_call *call, uint32_t ncall, bool on_m);

/* A thread seen both by /proc and by the samples. */
typedef struct {
    int tid;
    char name[16];
    double demand;          /* cores: (running + waiting for a CPU after being preempted) / window, /proc schedstat */
    double running;         /* cores */
    double sampled;         /* cores, by the samples */
    double voluntary_per_s; /* context switches */
    double involuntary_per_s;
    uint64_t samples;
    bool has_m;             /* an M of the Go runtime owns it */
    bool m_is_known;        /* has_m was read from the runtime, not guessed from the stacks */
    double cgo_calls_per_s; /* of its M; -1 if unknown */
    bool same_call;         /* it sat in one and the same cgo call for the whole window */
    uint64_t goid;          /* the goroutine that does so */
} osp_thread_fact;

/* The innermost loop around the hottest address of a function that is the leaf of many samples, by disassembly. */
typedef struct {
    osp_str func, file, module;
    int32_t line;
    osp_call_kind kind;
    double share;          /* of the process's samples: those in the loop */
    double of_its_threads; /* share of the loop in the threads that are mostly in this function */
    double demand;         /* cores, of those threads */
    double entropy_bits;   /* of the addresses of the samples that end in the function */
    uint32_t addresses;    /* how many distinct ones */
    uint32_t threads;
    osp_loop loop;
    osp_str load_symbol;         /* name of the variable at the one address it reads; "" if unknown */
    osp_str load_mapping;        /* what is mapped there: a file's name, "[heap]" … */
    uint64_t load_addr;          /* run address; 0 if it is not fixed */
    const osp_stack_fact *stack; /* the heaviest stack that ends in the loop */
} osp_loop_fact;

typedef struct osp_facts {
    osp_arena *arena;
    osp_process_info process;
    int pid;
    uint64_t window_ns;
    double cores_used; /* by /proc */
    uint32_t host_cpus;
    char clocksource[OSP_CLOCKSOURCE_MAX];
    bool is_go;
    osp_str go_version;    /* "" if unknown */
    osp_str go_unreadable; /* why the runtime could not be read; "" if it was */
    int64_t goroutines;    /* -1 if unknown */
    osp_sample_stats sampling;
    uint64_t samples; /* in the stacks below */
    const osp_stack_fact *stack;
    uint32_t nstack;
    double in[OSP_IN_DOMAINS];   /* shares */
    const osp_stack_fact *yield; /* goroutines seen waiting in runtime.Gosched: stack, goid, samples = times seen */
    uint32_t nyield;
    const osp_thread_fact *thread;
    uint32_t nthread;
    const osp_loop_fact *loop; /* of the hottest functions */
    uint32_t nloop;
    double cgo_calls_per_s;   /* from m.ncgocall; -1 if unknown */
    double sched_ticks_per_s; /* goroutine switches, from p.schedtick; -1 if unknown */
    double unsymbolised;      /* share of frames without a name */
    double sampled_cores;     /* by the samples, to be held against cores_used */
    osp_str disagree;         /* why samples and /proc differ; "" if they agree */
} osp_facts;

typedef struct {
    osp_str what, unit, source;
    double value;
} osp_evidence;

#define OSP_FOUND 0.6

/* A verdict, with what it stands on: the fields of --json. */
typedef struct osp_finding {
    const char *verdict, *kind; /* "native-thread-cpu", NULL */
    double confidence;          /* 0 .. 1; from OSP_FOUND it counts as found */
    double share;               /* of the process's CPU that it explains */
    int order;                  /* of its rule */
    osp_str summary, next;      /* one sentence; what to do */
    osp_str note;               /* what go tool pprof would show here; "" if it would show the same */
    struct {
        osp_str func, file, module;
        int32_t line;
    } culprit;
    const osp_call *stack; /* the whole chain, root to leaf */
    uint32_t nstack;
    const osp_evidence *evidence;
    uint32_t nevidence;
} osp_finding;

typedef struct osp_findings {
    osp_arena *arena;
    osp_finding *row; /* ranked: most confident first, causes before consequences */
    uint32_t n;
} osp_findings;

/* A rule is one file in rules/, a pure function: it adds at most a few findings and never looks outside the facts. */
typedef struct osp_rule {
    const char *name;  /* the verdict id */
    const char *asks;  /* the question it answers, one sentence */
    const char *topic; /* what is ruled out when it finds nothing: "clock reads" */
    bool only_go;      /* the question makes no sense of a process without Go */
    const char *title; /* of a finding: "CPU burnt in C called through cgo" */
    int order;         /* among findings of about the same share: causes (low) before consequences (high) */
    void (*check)(const osp_facts *f, osp_findings *out);
} osp_rule;

extern const osp_rule *const osp_rules[]; /* NULL-terminated; generated from rules/ */

/* Run every rule and rank what they found: findings at OSP_FOUND or above first, causes before consequences. Lives in
 * f->arena. */
void osp_diagnose(const osp_facts *f, osp_findings *out);
const osp_rule *osp_rule_of(const osp_finding *f);

/* Write the one JSON object of `osprey why --json`. */
void osp_findings_json(const osp_facts *f, const osp_findings *found, osp_buf *out);

/* What the facts' texts point into; drop it after them. */
typedef struct {
    osp_recording recording;
    osp_profile *symbolised;
} osp_observed;
void osp_observed_drop(osp_observed *o);

/* Observe a live process for opts->seconds: /proc before, samples and snapshots, /proc after. Fills *facts, in the
 * arena. opts->objects must be set and outlive *keep. */
bool osp_observe(const osp_sample_opts *opts, osp_arena *a, osp_observed *keep, osp_facts *facts,
                 osp_err *err) OSP_CHECKED;

#endif
