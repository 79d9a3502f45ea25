/* SPDX-License-Identifier: Apache-2.0 */
/* model/model.h: THE PROFILE. Everything that is measured becomes an osp_profile: interned columns, immutable once
 * built. A question (osp_query) turns it into a view: rows and weight per distinct stack. Nothing else reads a
 * profile's samples.
 *
 * Ids are indices into ONE profile's tables; id 0 of strings, functions, mappings and label sets means "none"
 * (row 0 of those tables exists and is empty). Stacks are leaf first. All text is UTF-8 by convention only. */
#ifndef OSP_MODEL_H
#define OSP_MODEL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/packed.h"
#include "base/str.h"
#include "model/regex.h" /* patterns, for rooms above that ask for names too */

#define OSP_ID(name) \
    typedef struct { \
        uint32_t i;  \
    } name
OSP_ID(osp_string_id);
OSP_ID(osp_function_id);
OSP_ID(osp_mapping_id);
OSP_ID(osp_location_id); /* row 0 is an ordinary location */
OSP_ID(osp_labelset_id); /* row 0 is the empty set */
OSP_ID(osp_stack_id);    /* row 0 is an ordinary stack */

typedef struct osp_value_type {
    osp_string_id type, unit; /* "cpu", "nanoseconds" */
} osp_value_type;

/* One function activation at a location; innermost inline first. */
typedef struct osp_line {
    osp_function_id fn;
    int32_t column;
    int64_t line; /* 0 = unknown */
} osp_line;

typedef struct osp_function {
    osp_string_id name, linker_name, file;
    int64_t start_line;
} osp_function;

enum { /* osp_mapping.has: what symbolising already gave */
       OSP_HAS_FUNCTIONS = 1,
       OSP_HAS_FILES = 2,
       OSP_HAS_LINES = 4,
       OSP_HAS_INLINES = 8,
};

typedef struct osp_mapping {
    uint64_t start, limit, offset; /* run addresses [start, limit); offset into the file */
    osp_string_id file, build_id;
    uint32_t has;
} osp_mapping;

/* Stacks that stay where another profile has them, from number `first` on. */
typedef struct osp_borrowed_stacks {
    uint32_t first, nbecomes;
    const osp_location_id *becomes; /* what its locations are here, or OSP_NOT_BORROWED; NULL: the same */
} osp_borrowed_stacks;
#define OSP_NOT_BORROWED UINT32_MAX

/* A label of a sample (pprof's flags say "tag"): text if str is not 0, else a number with a unit. */
typedef struct osp_label {
    osp_string_id key, str, unit;
    int64_t num;
} osp_label;

/* A label without text is a number, also 0 without a unit (which pprof's protobuf cannot carry, but its legacy forms do). */
static inline bool osp_label_is_number(const osp_label *l) { return !l->str.i; }

typedef struct osp_profile {
    osp_arena arena;   /* owns every column */
    osp_file input;    /* the decoded bytes that string views may point into; pinned with the profile */
    osp_span unpacked; /* the same, if they had to be decompressed (malloc'ed) */
    const struct osp_profile *shares; /* columns borrowed from this profile, which must outlive us; or NULL */
    struct {
        uint32_t n;
        const osp_str *text; /* [0] = "" */
    } strings;
    struct {
        uint32_t n;
        const osp_value_type *type;
        osp_string_id preferred; /* the default sample type's name; 0 = none said */
    } values;
    struct { /* one row a sample, in the order of the input */
        uint32_t n;
        const osp_stack_id *stack;
        const osp_labelset_id *labels;
        const int64_t *const *value; /* value[t][row], in values.type[t].unit */
        const int64_t *time_ns;      /* CLOCK_REALTIME; NULL if untimed */
    } samples;
    struct { /* Stacks, nearly all of a large profile, stay packed; osp_stack_read unpacks one. Equal stacks are one,
              * but not in a profile that hardly has any. */
        uint32_t n, deepest;                 /* deepest: locations of the longest */
        const uint8_t *const *packed;        /* 1 + location for each, leaf first, as base/packed.h has it */
        const uint32_t *size;                /* bytes of that */
        uint32_t nborrowed;                  /* 0: the locations of all are ours; else each is in one */
        const osp_borrowed_stacks *borrowed; /* in order */
    } stacks;
    struct { /* an address; symbol/ adds the lines */
        uint32_t n;
        const uint64_t *addr; /* run address; 0 if unknown */
        const osp_mapping_id *mapping;
        const uint8_t *folded; /* 1 where several symbols share the address */
        const uint32_t *first; /* n + 1 offsets into line[] */
        const osp_line *line;
        const uint64_t *wire_id; /* the id in the input file; NULL if made by us or if they are 1, 2, … */
    } locations;
    struct {
        uint32_t n;
        const osp_function *row;
    } functions;
    struct {
        uint32_t n;
        const osp_mapping *row;  /* [1] is the main binary */
        const uint64_t *wire_id; /* by row, as the locations'; NULL if made by us or if they are the row numbers */
    } mappings;
    struct {
        uint32_t n;
        const uint32_t *first; /* n + 1 offsets into label[] */
        const osp_label *label;
    } labelsets;
    struct {
        uint32_t n;
        const osp_string_id *text;
    } comments;
    int64_t time_ns, duration_ns, period;
    osp_value_type period_type;
    osp_string_id drop_frames, keep_frames, doc_url;
} osp_profile;

/* Free a profile and what it pins. NULL is fine. */
void osp_profile_drop(osp_profile *p);

static inline osp_str osp_text(const osp_profile *p, osp_string_id id) { return p->strings.text[id.i]; }

/* The values of one type by sample; NULL if there are none of that name. */
const int64_t *osp_profile_column(const osp_profile *p, osp_str type);
/* The first text and the first number that a set of labels has by that key; "" and 0 if it has none. */
osp_str osp_label_text(const osp_profile *p, osp_labelset_id set, osp_str key);
int64_t osp_label_number(const osp_profile *p, osp_labelset_id set, osp_str key);

/* ---- stacks --------------------------------------------------------------------------------------------------- */

/* A stack at hand: n locations, leaf first. */
typedef struct {
    const osp_location_id *loc;
    uint32_t n;
} osp_stack;

/* Room for any one stack of p, malloc'ed; NULL without memory. (In an arena: stacks.deepest + OSP_PACKED_SLACK.) */
osp_location_id *osp_stack_room(const osp_profile *p);

/* A stack, in the room that osp_stack_room gave. */
osp_stack osp_stack_read(const osp_profile *p, osp_stack_id s, osp_location_id *room);

/* For those who make a profile column by column: its n stacks, empty, and one of them. False without memory. */
bool osp_stacks_make(osp_profile *p, uint32_t n) OSP_CHECKED;
bool osp_stacks_put(osp_profile *p, osp_stack_id s, const osp_location_id *leaf_first, uint32_t n) OSP_CHECKED;

/* ---- values ------------------------------------------------------------------------------------------------- */

/* Go's arithmetic, which wraps where C's is undefined: values are whatever a file says. */
static inline int64_t osp_abs(int64_t v) { return v < 0 ? (int64_t)(0 - (uint64_t)v) : v; }
static inline void osp_add(int64_t *to, int64_t v) { *to = (int64_t)((uint64_t)*to + (uint64_t)v); }

/* sum / divisor, where there is one. */
static inline int64_t osp_mean(int64_t sum, int64_t divisor)
{
    if (divisor == -1)
        return (int64_t)(0 - (uint64_t)sum);
    return divisor ? sum / divisor : sum;
}

/* Towards zero; the smallest number for what does not fit. */
static inline int64_t osp_int_of(double v) { return v >= -0x1p63 && v < 0x1p63 ? (int64_t)v : INT64_MIN; }

/* ---- numbers with units, as pprof prints them ----------------------------------------------------------------- */

/* value, given in unit `from`, in unit `to` (or "minimum", "auto": the largest that leaves 1 or more). *unit: what to
 * print behind it, "" if it says nothing. */
double osp_scale(int64_t value, osp_str from, osp_str to, osp_str *unit);

/* "1.50s", "12kB", "0". Returns text, cut to size if the unit is long. */
const char *osp_scaled(int64_t value, osp_str from, osp_str to, char *text, size_t size);

/* part of total as "  100%", "12.34%", "0.012%"; at least 6 columns wide. */
const char *osp_percent(int64_t part, int64_t total, char *text, size_t size);

/* Can values in unit a be given in unit b: the same unit, or one of its family? */
bool osp_units_compatible(osp_str a, osp_str b);

/* The units of labels that are numbers, by key: the first unit that a sample has with it, else one guessed from the
 * key. */
typedef struct {
    osp_intern keys;
    osp_str *unit; /* by number of the key */
    size_t cap;
    osp_buf notes; /* a line for each key that has other units, too */
} osp_label_units;
bool osp_label_units_make(const osp_profile *p, osp_label_units *out, osp_err *err) OSP_CHECKED;
osp_str osp_label_unit(const osp_label_units *u, osp_str key); /* "" if no sample has that key */
void osp_label_units_drop(osp_label_units *u);

/* ---- building ---------------------------------------------------------------------------------------------- */

/* Builds a profile row by row; equal strings, functions, mappings, locations, label sets and stacks become one.
 * All text is copied. An id that could not be made (no memory, past the limit) makes finish() fail; the calls in
 * between are safe. Not thread-safe. */
typedef struct osp_builder osp_builder;

/* A builder whose profile may take up to limit bytes. NULL without memory. */
osp_builder *osp_builder_new(size_t limit, osp_err *err);
void osp_builder_drop(osp_builder *b);

/* How many bytes of its limit it takes to finish now. */
size_t osp_builder_bytes(const osp_builder *b);

/* From now on equal mappings, locations and samples stay apart, each with an id of its own: for forms in which the peer leaves
 * them so. */
void osp_builder_keep_apart(osp_builder *b);

osp_string_id osp_builder_string(osp_builder *b, osp_str s);
osp_function_id osp_builder_function(osp_builder *b, osp_str name, osp_str linker_name, osp_str file,
                                     int64_t start_line);
osp_mapping_id osp_builder_mapping(osp_builder *b, uint64_t start, uint64_t limit, uint64_t offset, osp_str file,
                                   osp_str build_id, uint32_t has);
/* lines: innermost inline first; NULL, 0 for an address alone. */
osp_location_id osp_builder_location(osp_builder *b, osp_mapping_id mapping, uint64_t addr, const osp_line *lines,
                                     size_t nlines);
/* The same where several symbols share the address. */
osp_location_id osp_builder_folded_location(osp_builder *b, osp_mapping_id mapping, uint64_t addr,
                                            const osp_line *lines, size_t nlines);
/* Labels are kept in the order given. */
osp_labelset_id osp_builder_labels(osp_builder *b, const osp_label *labels, size_t n);
osp_stack_id osp_builder_stack(osp_builder *b, const osp_location_id *leaf_first, size_t n);
/* Declare the sample types, before the first sample. */
void osp_builder_value(osp_builder *b, osp_str type, osp_str unit);
/* values: one per declared type. Samples of equal stack, labels and time_ns (0 = untimed) are added up. */
void osp_builder_sample(osp_builder *b, osp_stack_id stack, osp_labelset_id labels, const int64_t *values,
                        int64_t time_ns);
void osp_builder_comment(osp_builder *b, osp_str text);

/* The header: set before finish. */
typedef struct {
    int64_t time_ns, duration_ns, period;
    osp_str period_type, period_unit, preferred, drop_frames, keep_frames, doc_url;
} osp_profile_head;
void osp_builder_head(osp_builder *b, const osp_profile_head *head);

/* The finished profile; the builder is gone either way. NULL and *err on failure. */
osp_profile *osp_builder_finish(osp_builder *b, osp_err *err);

/* The same profile with other locations: all columns but strings, functions and locations (and mapping .has) are
 * shared with `of`, which must outlive the result. lines_of(ctx, location, out, max) is asked once a location and
 * gives its frames innermost first (0 = keep as it is). Used by symbol/. */
typedef struct osp_frame_text {
    osp_str name, linker_name, file;
    int64_t line, start_line;
    int32_t column;
} osp_frame_text;
typedef size_t osp_lines_of(void *ctx, osp_location_id at, osp_frame_text *out, size_t max);
osp_profile *osp_profile_with_lines(const osp_profile *of, osp_lines_of *lines_of, void *ctx, osp_err *err);

/* The same profile with other mappings, shared likewise: row[1 … n-1] in the place of its own, of which there are as many;
 * or one where it has none, and then all locations lie in that. */
typedef struct osp_mapping_text {
    uint64_t start, limit, offset;
    osp_str file, build_id;
    uint32_t has;
} osp_mapping_text;
osp_profile *osp_profile_with_mappings(const osp_profile *of, const osp_mapping_text *row, uint32_t n, osp_err *err);

/* The same profile with each function called by its linker name, if it has one; shared likewise. */
osp_profile *osp_profile_with_linker_names(const osp_profile *of, osp_err *err);

/* The same profile without the sample types that share a name, which nobody could ask for; *out is NULL if there are none. False
 * and *err: EFORMAT if no type is left. */
bool osp_profile_with_single_types(const osp_profile *of, osp_profile **out, osp_err *err) OSP_CHECKED;

/* The same profile with one more comment, shared likewise. */
osp_profile *osp_profile_with_comment(const osp_profile *of, osp_str comment, osp_err *err);

/* ---- sums and differences ------------------------------------------------------------------------------------- */

/* One profile of several, by the peer's rules (profile/merge.go, internal/measurement): only sample types that all
 * have, in the finest of their units; equal functions, mappings, locations and samples become one; samples that are 0
 * go, and with them what they alone used; ids in the order of first use; the times of single samples are lost. Its stacks
 * stay in the profiles that own them: those given, or those that these share from, must outlive it. Of one profile: its
 * normal form. EFORMAT if they have no type in common, or types that do not
 * go together. */
osp_profile *osp_profile_merge(const osp_profile *const *in, uint32_t n, osp_err *err);

/* The same profile with other values, shared likewise: value[t] times ratio[t], rounded as the peer does; samples
 * whose scaled values are all 0 go. */
osp_profile *osp_profile_scaled(const osp_profile *of, const double *ratio, osp_err *err);

/* The same profile scaled so that each sample type adds up to what it adds up to in base (-normalize). EFORMAT if the
 * two have not the same types. */
osp_profile *osp_profile_normalized(const osp_profile *of, const osp_profile *base, osp_err *err);

/* The same profile with key=text on every sample, in place of other values of that key. */
osp_profile *osp_profile_with_label(const osp_profile *of, osp_str key, osp_str text, osp_err *err);

/* ---- asking ------------------------------------------------------------------------------------------------ */

/* What somebody wants to see. */
typedef enum { OSP_BY_FUNCTION, OSP_BY_FILE_FUNCTION, OSP_BY_FILE, OSP_BY_LINE, OSP_BY_ADDRESS } osp_granularity;

/* A demangler: the readable form of a linker name, in the arena; {NULL, 0} if it is not mangled. */
typedef osp_str osp_demangler(osp_arena *a, osp_str linker_name);

typedef struct osp_query {
    uint32_t value; /* which sample type */
    osp_granularity granularity;
    bool no_inlines;
    bool keep_all_frames; /* ignore drop_frames and keep_frames */
    bool mean;            /* values are divided by sample type 0 */
    bool relative;        /* the total counts only what the filters leave */
    /* Regular expressions (RE2) on function names, file names and mapping files, applied in this order; empty = none.
     * focus: some frame must match; ignore: none may; hide, show: frames to leave out or to keep; show_from: callers
     * above the outermost match go; prune_from (names only): callees below the innermost match go. */
    osp_str focus, ignore, hide, show, show_from, prune_from;
    /* On labels. tag_focus, tag_ignore: samples to keep or drop, "[key=]regexp,regexp" or "[key=]from:to" with units;
     * tag_show, tag_hide: regular expressions on keys of labels to keep or drop; tag_root, tag_leaf: keys whose values
     * become frames at the root or the leaf, numbers in tag_unit. */
    osp_str tag_focus, tag_ignore, tag_show, tag_hide, tag_root, tag_leaf, tag_unit;
    bool rows;               /* fill the view's row[], for reports that show samples or labels */
    bool raw_names;          /* names as they are: neither demangled nor relieved of C++ arguments */
    bool keep_parameters;    /* C++ names that were demangled already keep their (…) */
    bool keep_templates;     /* and their <…> */
    osp_demangler *demangle; /* NULL = names stay mangled */
} osp_query;

enum { /* osp_view.unmatched: filters that matched nothing */
       OSP_FOCUS = 1,
       OSP_IGNORE = 2,
       OSP_HIDE = 4,
       OSP_SHOW = 8,
       OSP_SHOW_FROM = 16,
       OSP_TAG_FOCUS = 32,
       OSP_TAG_IGNORE = 64,
       OSP_TAG_SHOW = 128,
       OSP_TAG_HIDE = 256,
       OSP_TAG_ROOT = 512,
       OSP_TAG_LEAF = 1024,
};

/* The waist: rows in the input's order, and their fold, weight per distinct stack. Stacks and lines are rewritten by
 * the query: frames cut, inlines left out, names made readable. */
typedef struct osp_view {
    osp_arena arena;
    const osp_profile *of; /* the profile asked, or one of the view's own with the frames of tag_root and tag_leaf */
    osp_profile *own;
    uint32_t nstack;        /* as in `of`, with the same ids; osp_view_stack reads one */
    uint32_t cuts;          /* what osp_view_stack cuts: any of the bits of cut[] */
    uint8_t *cut;           /* per location; NULL while nothing is cut */
    osp_location_id *room;  /* of osp_view_stack */
    const int64_t *weight;  /* per stack */
    const int64_t *divisor; /* per stack; NULL without mean */
    const uint8_t *live;    /* per stack: has a sample that is not 0 and passes the filters (the rest: weight 0) */
    const uint32_t *first_line; /* per location, n + 1 offsets into line[], innermost inline first */
    const osp_line *line;
    const osp_str *name;         /* per function */
    int64_t total;               /* sum of |value| over all samples, as pprof counts it; divided, with mean */
    uint32_t unmatched;          /* OSP_FOCUS | … */
    uint32_t nrow;               /* query.rows: the samples that pass the filters, in order; else 0 */
    const uint32_t *row;         /* indices of of->samples */
    const uint32_t *first_label; /* per label set, n + 1 offsets into label[], after tag_show and tag_hide */
    const osp_label *label;
    osp_buf notes; /* lines for the reader: how tag_focus was understood */
} osp_view;

/* False and *err: a bad regular expression (EUSAGE), a sample type that is not there, no memory. */
bool osp_view_make(const osp_profile *p, const osp_query *q, osp_view *out, osp_err *err) OSP_CHECKED;
void osp_view_drop(osp_view *v);

/* What the query leaves of a stack; until the next call with this view. */
osp_stack osp_view_stack(const osp_view *v, uint32_t s);

/* What the view shows as a profile: the samples that pass (the query must have asked for rows) with all their sample
 * types; stacks, lines, names and labels as the query left them; tables and ids as they were, used or not, as the peer
 * prints them. It borrows from the view and its profile, which must outlive it. */
osp_profile *osp_view_profile(const osp_view *v, osp_err *err);

#endif
