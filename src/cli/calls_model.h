/* SPDX-License-Identifier: Apache-2.0 */
/* cli/calls_model.h: what `osprey syscalls` knows: system calls with where they are made, wake-ups with who wakes whom. Made
 * of one recording; knows neither processes nor terminals. */
#ifndef OSP_CALLS_MODEL_H
#define OSP_CALLS_MODEL_H

#include "cli/cli_internal.h"
#include "cli/frames.h"

/* From where a call is made: the function that it is about, and what began the goroutine or thread. Calls whose stacks were not
 * walked, since they came too fast, are a place without a stack, the last one. */
typedef struct {
    osp_str function, file; /* "" = no stack */
    int32_t line;
    osp_str group;
    uint64_t calls, errors, bytes, ns;
    const osp_frames *stack; /* one of those that lead there, the most frequent */
    uint64_t stack_calls;
} osp_call_place;

/* Calls that failed in one way. */
typedef struct {
    osp_str name; /* "EAGAIN" */
    uint64_t calls;
    osp_call_place *place;
    uint32_t nplace;
} osp_call_failure;

/* A system call, or one operation of futex. */
typedef struct {
    osp_str name, op; /* op: "" = it has none */
    const osp_called *called;
    osp_call_place *place; /* the most calls first */
    uint32_t nplace;
    osp_call_failure *failure; /* the most first */
    uint32_t nfailure;
} osp_call_row;

/* Who wakes whom. */
typedef struct {
    osp_cause cause;
    osp_str call;         /* the system call that did it; "" = none, or several */
    osp_str waker, woken; /* functions; what Go's scheduler does is named as that */
    uint64_t count, inherited;
} osp_wake_pair;

typedef struct {
    uint64_t returns, empty, failed; /* of epoll_wait; empty: with nothing ready */
    uint64_t useful;                 /* reads and the like that gave bytes */
} osp_epoll_use;

typedef struct {
    osp_arena arena; /* owns what is below */
    double seconds;
    uint64_t calls, errors, in, out; /* in, out: bytes */
    osp_call_row *row;
    uint32_t nrow;
    osp_wake_pair *pair; /* the most first */
    uint32_t npair;
    uint64_t wakes;                    /* all of them */
    uint64_t by_cause[OSP_CAUSES];     /* of those by threads of the program, inheritance counted in */
    uint64_t by_interrupt[OSP_CAUSES]; /* of the others */
    uint64_t by_threads, inherited;
    osp_epoll_use epoll;
} osp_calls_model;

/* The calls of those places that have a stack. */
uint64_t osp_call_placed(const osp_call_place *place, uint32_t n);

/* The orders of rows, the first being the usual one; NULL past the last: "calls", "time", "errors" … */
const char *osp_calls_order(size_t i);

/* From a recording of the events syscalls and wakeups, with names; both may go after it, but for rec->called. many: places
 * say of which process they are. order: by its name; only_errors: leave out calls that did not fail. */
bool osp_calls_model_make(const osp_recording *rec, const osp_profile *named, osp_str order, bool only_errors,
                          osp_calls_model *out, osp_err *err) OSP_CHECKED;
void osp_calls_model_drop(osp_calls_model *m);

/* The table for people, of at most so many lines (0: all rows); who: what was watched. */
void osp_calls_screen(const osp_cli *cli, const osp_calls_model *m, const osp_sample_stats *s, osp_str who, int lines,
                      osp_buf *out);
void osp_calls_json(const osp_calls_model *m, const osp_sample_stats *s, osp_str who, osp_buf *out);

#endif
