/* SPDX-License-Identifier: Apache-2.0 */
/* format/format.h: bytes ↔ profile, in all forms that profiles have. One const descriptor and one file a form; its word in
 * meson.build makes it known everywhere: to detection, to `convert`, to `info`.
 *
 * Detection is by content. gzip and zstd are unpacked once, here; then every form looks at the head of the bytes, and
 * those that are sure are asked to read before those that could be. A name only breaks ties. */
#ifndef OSP_FORMAT_H
#define OSP_FORMAT_H

#include "model/model.h"
#include "wire/wire.h"

/* What a form says to the head of some bytes. */
typedef enum {
    OSP_NOT_MINE,
    OSP_MAYBE_MINE, /* read() must be asked; it answers OSP_EABSENT if the bytes are of another form */
    OSP_MINE,       /* a magic number, a first line: nobody else writes this */
} osp_sniffed;

enum { OSP_SNIFF_BYTES = 65536 }; /* a head is so long, or the whole input */

/* What a file tells beside its profile: how it was recorded, Go's MemStats. */
typedef enum {
    OSP_DETAIL_TEXT,
    OSP_DETAIL_COUNT,
    OSP_DETAIL_BYTES,
    OSP_DETAIL_NS,    /* a duration */
    OSP_DETAIL_TIME,  /* CLOCK_REALTIME in nanoseconds; 0 = never */
    OSP_DETAIL_SHARE, /* of 1 */
    OSP_DETAIL_FLAG,
} osp_detail_kind;

typedef struct osp_detail {
    osp_detail_kind kind;
    const char *group; /* "memstats", "recording"; rows of a group stand together */
    osp_str name;      /* as the file's maker calls it: "HeapAlloc" */
    osp_str text;
    int64_t value;
    double share;
    const int64_t *list; /* in the place of value; NULL = there is but one */
    size_t nlist;
    const char *gloss; /* what it means, in a few words; "" = that is clear */
} osp_detail;

typedef struct osp_details {
    osp_arena arena;
    osp_detail *row;
    size_t n, cap;
    bool commented; /* the profile's comments say the same in fewer words */
} osp_details;

void osp_details_drop(osp_details *d);

/* Bytes to be read. */
typedef struct osp_input {
    osp_file file;        /* unpacked. A reader that keeps views into it takes it over and leaves {0} here */
    osp_str name;         /* path or address it came from, for guesses; may be empty */
    size_t limit;         /* bytes that the profile may take: for osp_builder_new */
    osp_details *details; /* for what the reader can tell beside the profile; NULL = nobody asks */
    char note[200]; /* what the reader wants to have said: "3 of 1200 lines were not understood"; "" = nothing */
} osp_input;

typedef struct osp_format {
    const char *name;    /* one word: "folded", "perf-script" */
    const char *summary; /* "folded stacks, as flame graph scripts read them" */
    const char
        *ending; /* of files of this form, by which `convert` chooses; several with a blank between; "" = none */
    osp_sniffed (*sniff)(osp_str head, size_t size); /* size of the whole, 0 if unknown; NULL: cannot be read */
    /* The profile; NULL and *err on failure: OSP_EABSENT if it is not of this form after all. Bounded by the input. */
    osp_profile *(*read)(osp_input *in, osp_err *err);
    /* Append the profile in this form, not packed; NULL: cannot be written. value: the sample type to write, for forms
     * that have room for one. */
    bool (*write)(const osp_profile *p, uint32_t value, osp_buf *out, osp_err *err);
} osp_format;

/* All forms, NULL-terminated, in the order in which equals are asked. */
extern const osp_format *const osp_formats[];

/* The form of that name; NULL if there is none. */
const osp_format *osp_format_named(osp_str name);

/* The form whose ending, with or without .gz or .zst, that path has; NULL if none has. *pack (if not NULL) says how such
 * a file is packed. */
const osp_format *osp_format_by_ending(osp_str path, osp_pack *pack);

typedef struct osp_read_opts {
    const osp_format *as; /* read in this form whatever the bytes look like; NULL: by content */
    size_t unpack_limit;  /* bytes; 0 = osp_unpack_limit() of the size */
    osp_str name;         /* path or address, see osp_input */
    osp_details
        *details; /* to be filled; {0} before, osp_details_drop() afterwards, also on failure. NULL = not wanted */
} osp_read_opts;

/* What was found. */
typedef struct osp_found {
    const osp_format *format;
    osp_pack pack;
    char note[200]; /* of the reader; "" = nothing to say */
} osp_found;

/* Read a profile. The file becomes ours (it is closed on failure too). found may be NULL, opts too. NULL and *err on
 * failure: EFORMAT with the nearest guess and what is wrong with it, or ELIMIT. */
osp_profile *osp_format_read(osp_file *file, const osp_read_opts *opts, osp_found *found, osp_err *err);

/* The same for a file by name; opts->name is not needed. Messages begin with the path. */
osp_profile *osp_format_open(const char *path, const osp_read_opts *opts, osp_found *found, osp_err *err);

/* Append the profile in a form. */
bool osp_format_write(const osp_format *as, const osp_profile *p, uint32_t value, osp_pack pack, osp_buf *out,
                      osp_err *err) OSP_CHECKED;

#endif
