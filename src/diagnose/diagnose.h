/* SPDX-License-Identifier: Apache-2.0 */
/* diagnose/diagnose.h: facts before verdicts. Facts are collected once, from a live process or by a test; rules are
 * pure functions over facts; findings are ranked.
 *
 * A share is a fraction 0 .. 1 of the CPU time sampled in the process unless it says otherwise. */
#ifndef OSP_DIAGNOSE_H
#define OSP_DIAGNOSE_H

#include "base/buf.h"
#include "diagnose/facts.h"
#include "golog/golog.h"

typedef struct {
    osp_str what, unit, source;
    double value;
} osp_evidence;

#define OSP_FOUND 0.6

/* A verdict, with what it stands on: the fields of --json. */
typedef struct osp_finding {
    const char *verdict, *kind; /* "native-thread-cpu", NULL */
    double confidence;          /* 0 .. 1; from OSP_FOUND it counts as found */
    double share; /* how much of the trouble it explains: of the process's CPU; of what stalls or grows, its part of
                     that */
    int order;    /* of its rule */
    const char *because;   /* the verdict of another finding, which explains this one; NULL = none */
    osp_str summary, next; /* one sentence; what to do */
    osp_str more;          /* commands that show more, a line each; "" = a profile does */
    osp_str note;          /* what go tool pprof would show here; "" if it would show the same */
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
    const char
        *more; /* the command that shows more, PID in the place of the number: "goroutines PID"; NULL = a profile */
    bool only_go;      /* the question makes no sense of a process without Go */
    const char *title; /* of a finding: "CPU burnt in C called through cgo" */
    int order;         /* among findings of about the same share: causes (low) before consequences (high) */
    const char *
        after; /* verdicts that explain a finding of this rule, should they be found too: " gc-thrash-gogc "; or NULL */
    /* The windows (osp_ask) that it would like to see, after a brief observation; NULL = none. */
    uint32_t (*wants)(const osp_facts *early);
    void (*check)(const osp_facts *f, osp_findings *out);
} osp_rule;

extern const osp_rule *const osp_rules[]; /* NULL-terminated; generated from rules/ */

/* Run every rule and rank what they found: findings at OSP_FOUND or above first, causes before consequences, and last of
 * them those that another one explains. Lives in f->arena. */
void osp_diagnose(const osp_facts *f, osp_findings *out);
const osp_rule *osp_rule_of(const osp_finding *f);

/* Cores that its threads wanted: what they ran, and waited for a CPU. */
double osp_cores_wanted(const osp_facts *f);

/* Write the one JSON object of `osprey why --json`. */
void osp_findings_json(const osp_facts *f, const osp_findings *found, osp_buf *out);

/* One of several processes. */
typedef struct {
    osp_facts facts; /* of one that could not be looked at: the pid */
    osp_findings found;
    osp_str error; /* why it could not be looked at; "" = it was */
} osp_why_target;
/* The object for several: the same in targets[]. */
void osp_targets_json(const osp_why_target *target, uint32_t n, osp_buf *out);

/* ---- from a live process ------------------------------------------------------------------------------------------- */

enum { OSP_RECORDINGS = 12 };

/* What the facts' texts point into; drop it after them. */
typedef struct {
    osp_recording recording[OSP_RECORDINGS];
    osp_profile *symbolised[OSP_RECORDINGS];
    uint32_t n;
} osp_observed;
void osp_observed_drop(osp_observed *o);

/* Observe a live process for opts->seconds: its CPU samples and all that costs next to nothing, then the windows that `ask`
 * (osp_ask) names; what cannot be collected here is not known. Where a little more time would tell more it takes up to patience_s
 * of that. Fills *facts, in the arena. opts->objects must be set and outlive *keep. */
bool osp_observe(const osp_sample_opts *opts, double patience_s, uint32_t ask, osp_arena *a, osp_observed *keep,
                 osp_facts *facts, osp_err *err) OSP_CHECKED;

/* The windows that rules ask for, after these facts. */
uint32_t osp_asked_for(const osp_facts *f);

/* The whole diagnosis of a live process in opts->seconds: a brief observation, after which the rules say what else they ask
 * for, and a longer one with that. first, unless NULL, is told what the brief one found. */
typedef struct {
    const osp_sample_opts *sample;
    double patience_s; /* as in osp_observe */
    bool no_probes;    /* place none in the process */
    void (*first)(void *ctx, const osp_facts *f, const osp_findings *found);
    void *ctx;
} osp_why_opts;
bool osp_why_live(const osp_why_opts *opts, osp_arena *a, osp_observed *keep, osp_facts *facts, osp_findings *found,
                  osp_err *err) OSP_CHECKED;

/* ---- from files ---------------------------------------------------------------------------------------------------- */

/* What there is; NULL: not that. Texts of the profiles are borrowed. */
typedef struct {
    osp_str name;                  /* of the program, as far as files tell */
    const osp_profile *profile;    /* CPU, with names */
    const osp_profile *goroutines; /* a sample type goroutine; labels state and wait, as dumps have them */
    const osp_golog *log;          /* lines of gctrace and schedtrace */
} osp_why_files;
/* EFORMAT: a profile is of something else. */
bool osp_facts_of_files(const osp_why_files *in, osp_arena *a, osp_facts *f, osp_err *err) OSP_CHECKED;

/* ---- from a core --------------------------------------------------------------------------------------------------- */

/* What can be told of one moment: goroutines and what they wait on, the scheduler, timers, the heap. */
bool osp_facts_of_core(osp_core *core, const char *path, osp_objects *objects, osp_arena *a, osp_facts *f,
                       osp_err *err) OSP_CHECKED;

/* Its CPU samples as a profile, with names and without addresses. NULL and *err without memory. */
osp_profile *osp_facts_profile(const osp_facts *f, osp_err *err);

/* ---- facts in a file ----------------------------------------------------------------------------------------------- */

/* Nothing of the process's memory and nothing of its command line is in it. */
bool osp_facts_save(const osp_facts *f, osp_buf *out, osp_err *err) OSP_CHECKED;
/* Texts are in the arena. */
bool osp_facts_load(osp_span file, osp_arena *a, osp_facts *f, osp_err *err) OSP_CHECKED;
/* Does a file that begins so hold facts? */
bool osp_facts_is(osp_span head);

#endif
