/* SPDX-License-Identifier: Apache-2.0 */
/* Packed stacks: written once, unpacked one at a time. */
#include "base/packed.h"
#include "model/model_internal.h"

#include <stdlib.h>

osp_location_id *osp_stack_room(const osp_profile *p)
{
    return calloc((size_t)p->stacks.deepest + OSP_PACKED_SLACK, sizeof(osp_location_id));
}

uint32_t osp_borrowed_read(const osp_location_id *becomes, const uint8_t *packed, uint32_t size,
                           osp_location_id *room)
{
    const uint32_t n = osp_packed_read(packed, size, 1, &room->i);
    for (uint32_t i = 0; becomes && i < n; i++)
        room[i] = becomes[room[i].i];
    return n;
}

osp_stack osp_stack_read(const osp_profile *p, osp_stack_id s, osp_location_id *room)
{
    const uint8_t *packed = p->stacks.packed[s.i];
    if (!p->stacks.nborrowed)
        return (osp_stack){room, osp_packed_read(packed, p->stacks.size[s.i], 1, &room->i)};
    const osp_borrowed_stacks *of = osp_borrowed_at(p->stacks.borrowed, p->stacks.nborrowed, s.i);
    return (osp_stack){room, osp_borrowed_read(of->becomes, packed, p->stacks.size[s.i], room)};
}

bool osp_stacks_make(osp_profile *p, uint32_t n)
{
    p->stacks.n = n;
    p->stacks.deepest = 0;
    p->stacks.nborrowed = 0;
    p->stacks.packed = osp_new(&p->arena, const uint8_t *, n);
    p->stacks.size = osp_new(&p->arena, uint32_t, n);
    return p->stacks.packed && p->stacks.size;
}

bool osp_stacks_put(osp_profile *p, osp_stack_id s, const osp_location_id *leaf_first, uint32_t n)
{
    uint8_t number[OSP_PACKED_MOST];
    size_t size = 0;
    for (uint32_t i = 0; i < n; i++)
        size += (size_t)(osp_packed_put(number, leaf_first[i].i + 1) - number);
    uint8_t *bytes = size <= UINT32_MAX ? osp_arena_take(&p->arena, size, 1, 1) : NULL, *to = bytes;
    for (uint32_t i = 0; bytes && i < n; i++)
        to = osp_packed_put(to, leaf_first[i].i + 1);
    ((const uint8_t **)p->stacks.packed)[s.i] = bytes;
    ((uint32_t *)p->stacks.size)[s.i] = (uint32_t)size;
    p->stacks.deepest = n > p->stacks.deepest ? n : p->stacks.deepest;
    return bytes;
}
