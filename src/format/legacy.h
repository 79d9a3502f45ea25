/* SPDX-License-Identifier: Apache-2.0 */
/* What the legacy forms have in common: samples of bare addresses, a memory map behind them, and the peer's rules that make
 * locations and mappings of the two. A reader collects samples, then the map, then finishes. */
#ifndef OSP_FORMAT_LEGACY_H
#define OSP_FORMAT_LEGACY_H

#include "format/format.h"
#include "format/go_text.h"

enum { OSP_MOST_VALUES = 4 };

typedef struct {
    osp_str type, unit;
} osp_type_text;

typedef struct {
    size_t first; /* in frame[], leaf first */
    size_t n;
    int64_t value[OSP_MOST_VALUES];
    int64_t bytes; /* the label of that name, if there is one */
} osp_bare_sample;

typedef struct {
    uint64_t start, limit, offset;
    osp_str file, build_id;
} osp_bare_mapping;

typedef struct osp_bare {
    const osp_input *in;
    osp_type_text type[OSP_MOST_VALUES];
    unsigned ntype;
    bool sized; /* samples carry the label bytes */
    osp_profile_head head;
    osp_str more_allocators; /* a regular expression on names of frames to leave out, beside the peer's */
    uint64_t *frame;
    osp_bare_sample *sample;
    osp_bare_mapping *mapping;
    size_t nframe, nsample, nmapping;
    size_t frame_cap, sample_cap, mapping_cap;
    size_t open; /* frames before this one belong to samples */
    struct {     /* distinct addresses, by place */
        uint64_t *addr;
        uint32_t *mapping; /* place in mapping[], or UINT32_MAX */
        size_t n, addr_cap, mapping_cap;
        uint32_t *cell; /* by hash: place + 1 */
        size_t ncell;
    } place;
    osp_arena texts; /* of mappings that are not in the input as they are */
    bool failed;     /* sticky: no memory */
} osp_bare;

void osp_bare_init(osp_bare *b, const osp_input *in);
void osp_bare_drop(osp_bare *b);
void osp_bare_type(osp_bare *b, osp_str type, osp_str unit);

/* One more frame of the sample that is being read, and the end of that sample. */
void osp_bare_frame(osp_bare *b, uint64_t addr);
void osp_bare_sample_of(osp_bare *b, const int64_t *values, int64_t bytes);

/* All hexadecimal numbers of a text as frames, less `less`. False if one is too large. */
bool osp_bare_frames(osp_bare *b, osp_str text, uint64_t less) OSP_CHECKED;

/* One more mapping; false without memory. */
bool osp_bare_mapping_of(osp_bare *b, osp_bare_mapping m) OSP_CHECKED;

/* The parts of a line of a memory map; those that are not there are empty. False if it is no mapping. */
typedef struct {
    osp_str start, limit, perms, offset, file, build_id;
} osp_map_line;
bool osp_map_line_of(osp_str line, osp_map_line *out);

/* Does a memory map begin behind this line? */
bool osp_is_map_head(osp_str line);

/* Read the map that the rest of the text is, or (sections) what follows its head, if there is one. */
bool osp_bare_map(osp_bare *b, osp_go_lines *s, osp_err *err) OSP_CHECKED;
bool osp_bare_sections(osp_bare *b, osp_go_lines *s, osp_err *err) OSP_CHECKED;

/* Give every distinct address of the samples' frames its place: 0, 1, 2, … in order of first use. */
bool osp_bare_locate(osp_bare *b, osp_err *err) OSP_CHECKED;

/* The place of an address that osp_bare_locate() has seen; UINT32_MAX if it has not. */
uint32_t osp_bare_place(const osp_bare *b, uint64_t addr);

/* A leaf that stands twice, once as a return address less one, stands once. */
void osp_bare_drop_double_leaf(osp_bare *b);

/* Frames at the leaf that lie in a library whose file's name begins so go, but for the last frame of a stack. */
bool osp_bare_drop_library(osp_bare *b, osp_str name, osp_err *err) OSP_CHECKED;

/* What a place is called, in forms that say so. */
typedef struct {
    osp_str function, file;
    int64_t line;
    bool named;
} osp_place_name;

/* Samples, places, mappings and the names to leave out become a profile. name: by place, or NULL for a form without names; in
 * one with names no place keeps its address, and named ones have no mapping. The peer's repairs are made to the mappings,
 * and one without a name is added for addresses outside of all. */
osp_profile *osp_bare_finish(osp_bare *b, const osp_place_name *name, osp_err *err);

/* The peer's estimate of what a sampler with that mean distance in bytes has not seen. */
void osp_unsample(int64_t *count, int64_t *size, int64_t rate);

#endif
