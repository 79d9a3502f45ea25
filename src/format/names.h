/* SPDX-License-Identifier: Apache-2.0 */
/* format/names.h: what readers of forms with names instead of addresses share: frames known by their text, stacks put
 * together, lines counted, samples of several events. */
#ifndef OSP_FORMAT_NAMES_H
#define OSP_FORMAT_NAMES_H

#include "base/hash.h"
#include "format/format.h"

#define OSP_KERNEL_FILE S("[kernel.kallsyms]")

/* Every flag of osp_mapping.has: the form has named all it knows, nobody need look further. */
enum { OSP_HAS_ALL = OSP_HAS_FUNCTIONS | OSP_HAS_FILES | OSP_HAS_LINES | OSP_HAS_INLINES };

/* Locations by the text they have in the input, and the stack under construction. */
typedef struct osp_names {
    osp_builder *b;
    osp_intern known;
    osp_location_id *at; /* by id in known */
    size_t cap;
    osp_location_id *stack;
    size_t n, stack_cap;
    osp_location_id nowhere; /* what is set after a failure; never read */
    bool failed;             /* no memory */
} osp_names;

/* The end of reading: drops n, and gives the builder's profile if all went well, else NULL. *err says that there was no
 * memory for stacks; what else was not ok the caller has said. The builder, which may be NULL then, is gone either way. */
osp_profile *osp_names_finish(osp_names *n, bool ok, osp_err *err);

/* The place for the location with that text (borrowed: part of the input); *fresh: it is not set yet. Never NULL. */
osp_location_id *osp_names_at(osp_names *n, osp_str text, bool *fresh);

/* The location of one named frame in a mapping, at an address or 0. */
osp_location_id osp_names_frame(osp_names *n, osp_mapping_id mapping, uint64_t addr, osp_str name, osp_str file,
                                int64_t line);

/* The location of one of V8's call frames, {"functionName": "f", "url": "x.js", "lineNumber": 6}, whose lines count from 0; or
 * of none (0). *root: it is the one that V8 puts under all others. */
osp_location_id osp_names_v8_frame(osp_names *n, osp_doc *d, uint32_t frame, bool *root);

void osp_names_push(osp_names *n, osp_location_id at);

/* The stack that was pushed, leaf first or root first; it is empty then. */
osp_stack_id osp_names_stack(osp_names *n, bool root_first);

/* ---- lines that are not understood --------------------------------------------------------------------------- */

typedef struct {
    uint64_t lines, bad, first_bad;
} osp_line_count;

/* Say in the note how many were not understood. False (EABSENT) if they are half or more. */
bool osp_lines_judged(const osp_line_count *c, osp_input *in, osp_err *err) OSP_CHECKED;

/* ---- samples of one or more events ----------------------------------------------------------------------------- */

/* Samples wait here, added up, until all events are known: the sample types of a profile come first. A cell of a table that is
 * found by the first three: half a cache line, for that is what adding one more costs. */
typedef struct {
    osp_stack_id stack;
    osp_labelset_id labels;
    uint32_t event;
    uint32_t number; /* in order of the first of them, from 1; 0 = a free cell */
    int64_t count, weight;
} osp_event_sample;

typedef struct osp_event_tally {
    osp_builder *b;
    osp_intern names;
    osp_event_sample *sample; /* by hash */
    size_t n, ncell;
    struct { /* the last few to be added: their cells are on the way from memory */
        osp_event_sample one;
        uint64_t hash;
    } coming[4]; /* weight and count of one: what is to be added */
    size_t ncome;
    int64_t *period; /* by event: the one of all samples; 0 = none yet, < 0 = they differ */
    bool *weighed;   /* some sample had a period */
    size_t period_cap, weighed_cap;
    bool failed;
} osp_event_tally;

void osp_tally_drop(osp_event_tally *t);

/* The event of that name (borrowed); modifiers stay: "cycles:u". */
uint32_t osp_tally_event(osp_event_tally *t, osp_str name);
/* weight: the period; < 0: not known. */
void osp_tally_add(osp_event_tally *t, uint32_t event, osp_stack_id stack, osp_labelset_id labels, int64_t weight);

/* How many samples each event has, into n[]. */
void osp_tally_counts(osp_event_tally *t, int64_t *n);

/* Declare the sample types and hand all samples to the builder:
 *     samples/count, and for each event EVENT/count or, of cpu-clock and task-clock, cpu/nanoseconds.
 * The first event is the default, and head gets its period. False without memory. */
bool osp_tally_finish(osp_event_tally *t, osp_profile_head *head, osp_err *err) OSP_CHECKED;

#endif
