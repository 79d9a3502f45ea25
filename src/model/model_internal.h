/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the room share: profiles that borrow from others. */
#ifndef OSP_MODEL_INTERNAL_H
#define OSP_MODEL_INTERNAL_H

#include "model/model.h"

#include <math.h>

/* A profile with all columns of `of`, which must outlive it, and an arena of its own for those that will differ.
 * NULL and *err, "doing: out of memory". */
osp_profile *osp_profile_borrow(const osp_profile *of, const char *doing, osp_err *err);

/* Give p a string table of its own with room for `more` strings. False without memory. */
bool osp_profile_widen_strings(osp_profile *p, uint32_t more);

/* The id of a copy of text, in a table that was widened for it; 0 without memory (of "", too). */
osp_string_id osp_profile_add_string(osp_profile *p, osp_str text);

/* A profile without mappings gets an empty one for all its locations, as the peer gives it. False without memory. */
bool osp_profile_make_up_mapping(osp_profile *p);

/* A stack that a builder will get soon; in two steps, as interners have them. packed has room for OSP_PACKED_MOST bytes a
 * location. */
typedef struct {
    uint8_t *packed;
    uint32_t size, n, hash;
} osp_stack_ahead;
void osp_builder_stack_ahead(const osp_builder *b, const osp_location_id *leaf_first, uint32_t n,
                             osp_stack_ahead *out);
osp_stack_id osp_builder_stack_put(osp_builder *b, const osp_stack_ahead *s);

/* A sample without time that will be added soon. */
void osp_builder_sample_ahead(const osp_builder *b, osp_stack_id stack, osp_labelset_id labels);

/* A value times a ratio as the peer rounds it: halves away from zero. */
static inline int64_t osp_times(int64_t v, double ratio)
{
    return ratio == 1 ? v : osp_int_of(round((double)v * ratio));
}

/* Is any ratio not 1? Then a sample stays only if one of the values that are scaled is not 0, as with the peer. */
bool osp_ratios_scale(const double *ratio, uint32_t n);

#endif
