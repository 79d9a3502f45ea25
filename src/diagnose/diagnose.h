/* SPDX-License-Identifier: Apache-2.0 */
/* diagnose/diagnose.h: facts before verdicts. Facts are collected once, from a live process or by a test; rules are
 * pure functions over facts; findings are ranked.
 *
 * A share is a fraction 0 .. 1 of the CPU time sampled in the process unless it says otherwise. */
#ifndef OSP_DIAGNOSE_H
#define OSP_DIAGNOSE_H

#include "goruntime/goruntime.h"
#include "model/model.h"
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
    OSP_IN_UNKNOWN,      /* anonymous code (JIT), or no code known at the address */
    OSP_IN_DOMAINS,
} osp_domain;

const char *osp_domain_text(osp_domain d); /* "C under cgo", "Go user" … */

/* A thread seen both by /proc and by the samples. */
typedef struct {
    int tid;
    char name[16];
    double demand;          /* cores: (running + waiting for a CPU) / window, /proc schedstat */
    double running;         /* cores */
    double sampled;         /* cores, by the samples */
    double voluntary_per_s; /* context switches */
    double involuntary_per_s;
    bool has_m;             /* an M of the Go runtime owns it */
    osp_str start_function, start_module; /* outermost function below clone; "" if unknown */
    osp_str top_function, top_module;     /* most frequent leaf */
} osp_thread_fact;

/* The innermost loop around the hottest addresses, by disassembly. */
typedef struct {
    bool known;
    osp_str func, file, module;
    int32_t line;
    double share;           /* of all samples that lie in the loop */
    double entropy_bits;    /* of the addresses of all samples that end in that function */
    uint32_t instructions, loads, stores, calls, arithmetic, pauses;
    uint64_t load_addr;     /* the one address it loads from, if it is one; else 0 */
    osp_str load_symbol;
} osp_loop_fact;

typedef struct osp_facts {
    osp_arena *arena;
    osp_process_info process;
    double window_s, cores_used; /* by /proc */
    uint32_t host_cpus;
    char clocksource[32];
    bool is_go;
    osp_str go_version;
    osp_go_snapshot before, after; /* zeroed if not Go or unreadable */
    const osp_profile *profile;    /* symbolised */
    osp_sample_stats sampling;
    double in[OSP_IN_DOMAINS];     /* shares */
    const osp_thread_fact *thread;
    uint32_t nthread;
    osp_loop_fact loop;
    double cgo_calls_per_s;        /* from m.ncgocall; -1 if unknown */
    double unsymbolised;           /* share of samples whose leaf has no name */
} osp_facts;

typedef struct {
    osp_str what, unit, source;
    double value;
} osp_evidence;

/* A verdict, with what it stands on: the fields of --json. */
typedef struct osp_finding {
    const char *verdict, *kind; /* "native-thread-cpu", NULL */
    double confidence;          /* 0 .. 1; from 0.6 it counts as found */
    osp_str summary, next;      /* one sentence; what to do */
    osp_str more;               /* the command that shows more */
    struct {
        osp_str func, file, module;
        int32_t line;
    } culprit;
    const osp_str *stack; /* the whole chain, root to leaf, "func (file:line)" */
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
    const char *name; /* the verdict id */
    const char *asks; /* the question it answers, one sentence */
    void (*check)(const osp_facts *f, osp_findings *out);
} osp_rule;

extern const osp_rule *const osp_rules[]; /* NULL-terminated; generated from rules/ */

void osp_diagnose(const osp_facts *f, osp_findings *out);

/* Observe a live process: /proc before, samples and snapshots, /proc after; fills *facts in the arena. *rec keeps the
 * profile alive and is the caller's to drop. */
typedef struct {
    osp_sample_opts sample;
    bool no_probes; /* accepted; nothing here probes */
} osp_observe_opts;
bool osp_observe(const osp_observe_opts *opts, osp_arena *a, osp_recording *rec, osp_profile **symbolised,
                 osp_facts *facts, osp_err *err) OSP_CHECKED;

#endif
