/* SPDX-License-Identifier: Apache-2.0 */
/* diagnose/section.h: a section of the facts is one file in sections/: how it is collected, saved and loaded. */
#ifndef OSP_SECTION_H
#define OSP_SECTION_H

#include "diagnose/archive.h"
#include "diagnose/diagnose_internal.h"
#include "inspect/inspect.h"

/* What an observation has open. */
typedef struct osp_watch {
    const osp_sample_opts *opts;
    osp_process *process; /* NULL: it is a core */
    osp_image image;
    osp_inspect *inspect; /* NULL: there is no Go in it, or it cannot be read */
    osp_go *go;           /* the same's; NULL as well */
    osp_arena *arena;     /* of the facts */
    osp_observed *keep;
    uint64_t begin_ns; /* CLOCK_MONOTONIC, when the observation began */
} osp_watch;

/* In seconds, since it began. */
double osp_watch_elapsed(const osp_watch *w);

typedef struct osp_section {
    const char *name; /* in archives */

    /* What is always collected, because looking costs next to nothing. begin gives what it keeps in between, NULL if
     * nothing can be said; tick comes some ten times a second; end fills the facts and gives back what begin gave. */
    void *(*begin)(osp_watch *w);
    void (*tick)(osp_watch *w, void *state);
    void (*end)(osp_watch *w, void *state, osp_facts *f);
    bool of_core; /* begin and end do with a core, too: w->process is NULL */
    /* When the time is over: what a little more of it would tell ("the live heap grew"); NULL: nothing. */
    const char *(*undecided)(const osp_watch *w, const void *state);

    /* What is collected in a window of its own, after the rest, if a rule asks for it: for so many seconds. */
    uint32_t ask; /* an osp_ask; 0: it has no window */
    double seconds;
    void (*window)(osp_watch *w, double seconds, osp_facts *f);

    void (*transfer)(osp_archive *x, osp_facts *f);
} osp_section;

extern const osp_section *const osp_sections[]; /* NULL-terminated; generated from sections/ */

/* A recording of these events (as -e takes them) for a window, with names. The recording and the profile are kept for as
 * long as the facts; false if it cannot be made here. */
bool osp_window_record(osp_watch *w, const char *events, double seconds, osp_recording **rec,
                       osp_profile **symbolised);

/* The samples of such a profile by stack, in its order: row i is sample i, so that its other labels can be looked up. count and
 * amount name columns ("" = none); both are divided by the seconds recorded. */
bool osp_window_places(osp_watch *w, const osp_recording *rec, const osp_profile *symbolised, const char *count,
                       const char *amount, osp_place_fact **row, uint32_t *n);

/* A call of the Go program, as it stands on a goroutine's stack; its texts are copied into f->arena. */
osp_call osp_call_of(const osp_facts *f, osp_str func, osp_str file, int32_t line);
/* Such a window whole: the event's samples as places, by these columns; name and label are the samples' labels of these keys
 * ("" = none). */
typedef struct {
    const char *events, *count, *amount, *name, *label;
} osp_window_of;
void osp_window_events(osp_watch *w, const osp_window_of *of, double seconds, osp_event_facts *out);
/* The same of events that are measured by probes, whose rates are of their windows. */
bool osp_window_allocs(osp_watch *w, const osp_recording *rec, const osp_profile *p, const char *count,
                       const char *amount, osp_alloc_fact *out);
void osp_arc_allocs(osp_archive *x, osp_alloc_fact *a);

/* The profile of a recording with names; NULL without memory. */
osp_profile *osp_keep_named(osp_observed *keep, const osp_recording *rec, osp_err *err);

#endif
