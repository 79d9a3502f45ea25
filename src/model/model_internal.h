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

/* Where the columns will be. */
osp_arena *osp_builder_arena(osp_builder *b);

/* A sample without time that will be added soon. */
void osp_builder_sample_ahead(const osp_builder *b, osp_stack_id stack, osp_labelset_id labels);

/* ---- borrowed stacks (stacks.c) ------------------------------------------------------------------------------- */

/* The part that a stack is in: the last of n > 0 that begins at it or before. */
static inline const osp_borrowed_stacks *osp_borrowed_at(const osp_borrowed_stacks *part, uint32_t n, uint32_t stack)
{
    uint32_t from = 0;
    while (n > 1) {
        const uint32_t half = n / 2;
        from = part[from + half].first <= stack ? from + half : from;
        n -= half;
    }
    return &part[from];
}

/* Unpack a stack in the words of the one who borrows it; how many locations. */
uint32_t osp_borrowed_read(const osp_location_id *becomes, const uint8_t *packed, uint32_t size,
                           osp_location_id *room);

/* ---- the stacks of several profiles (pool.c) ------------------------------------------------------------------ */

/* Stacks as other profiles have them, each once. */
typedef struct osp_stack_pool osp_stack_pool;

typedef struct {
    const uint8_t *packed;
    const osp_location_id *becomes; /* what its locations are here; compared as a pointer, too */
    uint32_t size, nbecomes, n, hash;
} osp_pooled_stack;

/* Room for so many stacks, none deeper; the columns are in the arena. NULL without memory. */
osp_stack_pool *osp_stack_pool_new(osp_arena *a, uint32_t most, uint32_t deepest);
void osp_stack_pool_drop(osp_stack_pool *p);

/* A stack that will be put soon: its hash, as it is here. */
void osp_stack_pool_ahead(const osp_stack_pool *p, const osp_location_id *loc, osp_pooled_stack *s);

/* Its number, of a known one if they are equal; UINT32_MAX without memory. */
uint32_t osp_stack_pool_put(osp_stack_pool *p, const osp_pooled_stack *s);

/* They are the stacks of p, whose arena the columns are in. False without memory. */
bool osp_stack_pool_settle(const osp_stack_pool *pool, osp_profile *p);

/* ---- values --------------------------------------------------------------------------------------------------- */

/* A value times a ratio as the peer rounds it: halves away from zero. */
static inline int64_t osp_times(int64_t v, double ratio)
{
    return ratio == 1 ? v : osp_int_of(round((double)v * ratio));
}

/* Is any ratio not 1? Then a sample stays only if one of the values that are scaled is not 0, as with the peer. */
bool osp_ratios_scale(const double *ratio, uint32_t n);

#endif
